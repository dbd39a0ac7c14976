"""Parties whose past tests make up, with the values of the apps that Matinee is the floor for."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from tests.integration.recording import Recording

from events.contracts.party import CHANNEL, Join, Open, Sample, Sampled
from events.log import Commit
from events.messages import Context
from events.testing import NOW
from parties.decider import decider
from parties.rules import Rules

T = TypeVar("T")

P, Q = "p" * 16, "q" * 16
KEY = "271828"
EPOCH = "k3f9"
"""Of the log whose commits these are."""
ANA, BOB, CYD, DAN = "ana", "bob", "cyd", "dan"
SYSTEM = "system:parties"


def new_story() -> Recording:
    """Under rules that do not count how often somebody acts."""
    return Recording(decider(Rules(controls_per_second=0)))


def opened(story: Recording, id: str = P, private: bool = False, by: str = ANA, **details: Any) -> None:
    wanted = {"title": "Friday", "media": "tt0133093", "name": by.title(), **details}
    story.tell(Open(private=private, key=KEY if private else None, **wanted), by=by, after=0, id=id)


def joined(story: Recording, *uids: str, party_id: str = P) -> None:
    for uid in uids:
        story.tell(Join(party_id=party_id, name=uid.title(), key=KEY), by=uid)


def crowd(story: Recording, size: int) -> None:
    for n in range(size):
        story.tell(Join(party_id=P, name=f"Guest {n}"), by=f"guest-{n:03d}", after=n % 2)


def sampled(story: Recording, after: float = 10.0, party_id: str = P, **members: Sample) -> Commit:
    return story.say(
        CHANNEL.key(party_id),
        Sampled(at=later(story, after), position=60.0, playing=True, present=len(members), members=members),
        after=after,
    )


def later(story: Recording, seconds: float) -> Any:
    return type(story.now).fromtimestamp(story.now.timestamp() + seconds, story.now.tzinfo)


def asking(uid: str, now: Any = NOW) -> Context:
    return Context(actor=uid, now=now)


async def every_page(ask: Callable[[str | None], Awaitable[tuple[Sequence[T], str | None]]]) -> list[list[T]]:
    """Page after page, until there is none."""
    found, cursor = list[list[T]](), None
    while True:
        page, cursor = await ask(cursor)
        found.append(list(page))
        if cursor is None:
            return found
