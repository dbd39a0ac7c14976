"""A party and a live event where people talk, and a look behind the doors: whether anything was written at all."""

import contextlib
import secrets
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.e2e.person import Door, Person, person
from tests.system import System

from events.bus import Bus
from events.codec import Codec
from events.contracts import comments
from events.contracts.comments import SYSTEM
from events.jetstream import JetStreamLog
from events.log import Commit


@dataclass
class Scene:
    """A private party that Ana hosts and Ben is in, a live event of Ana's, a thread for everybody, and Eve, who is
    nowhere. Ana has said something in each of them."""

    ana: Person
    ben: Person
    eve: Person
    media: str = field(default_factory=lambda: f"tt{secrets.randbelow(10**10):010}")
    live_id: str = field(default_factory=lambda: f"final-{secrets.token_hex(6)}")
    party_id: str = ""
    key: str = ""
    ours: dict[str, str] = field(default_factory=dict)
    """Ana's comment in the party's thread, as arguments name it."""
    open: dict[str, str] = field(default_factory=dict)
    """Hers in the thread for everybody."""
    line: str = ""
    """Hers in the party's room."""
    live_line: str = ""

    @property
    def room(self) -> str:
        return f"party:{self.party_id}"

    @property
    def live(self) -> str:
        return f"live:{self.live_id}"

    def people(self) -> tuple[Person, Person, Person]:
        return self.ana, self.ben, self.eve

    def hear(self) -> None:
        """Everybody knows what all have done."""
        for one in self.people():
            one.hear_of(*self.people())

    async def everything(self) -> Any:
        """All that is to be seen of it."""
        self.hear()
        return {
            "open": await self.ana.see("comments.thread", media=self.media),
            "ours": await self.ana.see("comments.thread", media=self.media, party_id=self.party_id),
            "statistics": await self.ana.see("comments.statistics", media=self.media),
            "chat": await self.ana.see("chat.history", room=self.room),
            "live": await self.ana.see("chat.history", room=self.live),
            "event": {**await self.ana.see("live.state", live_id=self.live_id), "viewers": 0, "most_viewers": 0},
            "people": await self.ana.see("moderation.people", where=self.room),
            "cases": await self.ana.see("moderation.cases", where=self.room),
            "deeds": await self.ana.see("moderation.log", where=self.room),
        }


@contextlib.asynccontextmanager
async def scene(system: System, door: Door = "socket") -> AsyncIterator[Scene]:
    async with (
        person(system, "Ana", door) as ana,
        person(system, "Ben", door) as ben,
        person(system, "Eve", door) as eve,
    ):
        set_up = Scene(ana, ben, eve)
        opened = await ana.do("party.open", title="Friday film", media=set_up.media, private=True)
        set_up.party_id, set_up.key = opened["party_id"], opened["key"]
        await ben.do("party.join", party_id=set_up.party_id, key=set_up.key)
        ana.hear_of(ben)
        await ana.do("live.start", live_id=set_up.live_id, title="The final")
        about = {"media": set_up.media, "media_seconds": 12.0}
        set_up.open = await ana.do("comments.post", **about, text="To everybody")
        set_up.ours = await ana.do("comments.post", **about, party_id=set_up.party_id, text="Among us")
        set_up.line = (await ana.do("chat.say", room=set_up.room, text="Here we go"))["line"]
        set_up.live_line = (await ana.do("chat.say", room=set_up.live, text="Welcome"))["line"]
        set_up.hear()
        yield set_up


@contextlib.asynccontextmanager
async def log_of(system: System) -> AsyncIterator[JetStreamLog]:
    """The comments' log, behind every door."""
    bus = await Bus.connect(system.environment("comments")["NATS_URL"], "comments")
    try:
        yield await JetStreamLog.open(bus, "comments", Codec(comments.EVENTS))
    finally:
        await bus.close()


async def written_since(log: JetStreamLog, start: int) -> list[Commit]:
    """What people did; live events that are lost meanwhile are none of a test's own."""
    found: list[Commit] = []
    if start < (head := await log.head()):
        async for commits in log.tail(start):
            found += commits
            if commits[-1].sequence >= head:
                break
    return [commit for commit in found if commit.actor != SYSTEM]


@contextlib.asynccontextmanager
async def written(system: System) -> AsyncIterator[Sequence[Commit]]:
    """Once the block has ended: all that it brought into the log."""
    found: list[Commit] = []
    async with log_of(system) as log:
        start = await log.head()
        yield found
        found += await written_since(log, start)


@contextlib.asynccontextmanager
async def nothing_changed(system: System, talk: Scene) -> AsyncIterator[None]:
    """Neither in the log nor in what is seen."""
    before = await talk.everything()
    async with written(system) as commits:
        yield
    assert commits == []
    assert await talk.everything() == before
