"""Tells those who follow a room who speaks there: in what they are told of lines, names are sealed."""

import time
from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple

from events.ambient import Cast, tell
from events.contracts.comments import CHAT, CONTEXT, LIVE, LineRestored, Said
from events.log import Commit
from events.working import Workplace

BACK = 200
"""Commits before the newest with which a replica begins: what the one before it may not have told."""
SPEAKERS = 20_000
"""Of all rooms together; who spoke longest ago is forgotten first."""
KNOWN_SECONDS = 60.0
"""Then they are told of again, for who came or was away meanwhile. In a crowd that is long: who comes in there and was
not told of somebody asks `chat.people`."""

SAID_BY = "select name, avatar from line where room = $1 and line = $2"


class Person(NamedTuple):
    """Somebody in a room."""

    room: str
    uid: str
    name: str
    avatar: str


class Known:
    """Who was told of lately, without I/O."""

    def __init__(self) -> None:
        self._told: OrderedDict[tuple[str, str], tuple[Person, float]] = OrderedDict()
        """By room and uid, and when."""

    def news(self, person: Person, now: float) -> bool:
        """Whether they are to be told of, which they then are."""
        where = person.room, person.uid
        told, at = self._told.get(where, (None, 0.0))
        is_news = told != person or now - at > KNOWN_SECONDS
        self._told[where] = person, now if is_news else at
        self._told.move_to_end(where)
        if len(self._told) > SPEAKERS:
            self._told.popitem(last=False)
        return is_news


async def work(place: Workplace) -> None:
    """Follow the log. For ever."""
    known = Known()
    async for commits in place.log.tail(max(await place.log.head() - BACK, 0)):
        for person in await speakers(place, commits):
            if known.news(person, time.monotonic()):
                await tell(place.bus, CONTEXT, cast(person))


async def speakers(place: Workplace, commits: Sequence[Commit]) -> list[Person]:
    """Who says something that others see, or said it and is seen from now on."""
    events = [event for commit in commits for event in commit.events]
    said = await place.vault.open([event for event in events if isinstance(event, Said)])
    restored = [event for event in events if isinstance(event, LineRestored)]
    return [
        *(Person(event.room, event.uid, event.name, event.avatar) for event in said),
        *[found for event in restored if (found := await _said_by(place, event)) is not None],
    ]


async def _said_by(place: Workplace, event: LineRestored) -> Person | None:
    row, _ = await place.models.ask(lambda db: db.fetchrow(SAID_BY, event.room, event.line))
    return None if row is None else Person(event.room, event.uid, row["name"], row["avatar"])


def cast(person: Person) -> Cast:
    kind, _, id = person.room.partition(":")
    channel = CHAT if kind == "party" else LIVE
    return Cast(channel.kind, id, "person", {"uid": person.uid, "name": person.name, "avatar": person.avatar})
