"""A made-up past of watch parties, as commits that the parties service could have written itself."""

import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from events.contracts.party import (
    CHANNEL,
    Closed,
    HostChanged,
    Joined,
    Left,
    Opened,
    PartyEvent,
    Paused,
    Played,
    Sought,
)
from events.messages import Key

EVENTS = 100
"""Of each party."""
MEMBERS = 6
PEOPLE_PER_PARTY = 2
"""New people per party; the others have been in one before."""


class Party(NamedTuple):
    """One party's life, commit by commit."""

    key: Key
    commits: Sequence[Sequence[PartyEvent]]


def parties(first: int, count: int) -> Iterator[Party]:
    """Parties number *first* and following. The same numbers give the same parties."""
    for number in range(first, first + count):
        chance = random.Random(number)
        begun = datetime.now(UTC) - timedelta(hours=2)
        yield Party(CHANNEL.key(f"bench-{number:05}"), list(_life(number, chance, begun)))


def _life(number: int, chance: random.Random, at: datetime) -> Iterator[list[PartyEvent]]:
    crowd = max(PEOPLE_PER_PARTY * (number + 1), MEMBERS)
    uids = [f"person-{n:06}" for n in chance.sample(range(crowd), MEMBERS)]
    host = uids[0]
    opened = Opened(
        party_id=f"bench-{number:05}", host=host, title=f"Party {number}", media="bench:film", private=False, at=at
    )
    yield [opened, _joined(host, at)]
    for uid in uids[1:]:
        at += timedelta(seconds=chance.uniform(1, 20))
        yield [_joined(uid, at)]
    ending = number % 2 == 0
    last = 4 if ending else 3
    for _ in range(EVENTS - MEMBERS - 1 - last):
        at += timedelta(seconds=chance.uniform(1, 60))
        yield [_control(chance, host, at)]
    yield [Left(uid=uids[-1], private=False, at=at)]
    yield [Left(uid=host, private=False, at=at), HostChanged(uid=uids[1], reason="host-left", at=at)]
    if ending:
        yield [Closed(by=uids[1], reason="closed", at=at)]


def _joined(uid: str, at: datetime) -> Joined:
    return Joined(uid=uid, name=f"Guest {uid}", at=at)


def _control(chance: random.Random, host: str, at: datetime) -> PartyEvent:
    position = round(chance.uniform(0, 7_200), 3)
    match chance.choice(("play", "play", "pause", "seek", "seek")):
        case "play":
            return Played(by=host, position=position, at=at)
        case "pause":
            return Paused(by=host, position=position, at=at)
        case _:
            return Sought(by=host, position=position, at=at)
