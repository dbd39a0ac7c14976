"""A tiny service whose log holds people's own: pages of diaries. It runs as `library`, and a page 666 is refused by its
table."""

import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

from msgspec import Struct

from events.contracts.erased import ERASED, Entomb, Erased
from events.decider import Decider
from events.definition import Service
from events.erasing import Erasing, count_rows, delete_rows, tombstones
from events.log import Commit
from events.messages import Command, Context, Event, Id, Key, Personal
from events.projection import Db, Projection
from events.service import Replica, replica
from events.settings import ServiceSettings
from ops.embedded import Embedded

NAME = "library"
REFUSED = 666


class Write(Command, frozen=True):
    """Write onto a page of one's own."""

    function: ClassVar[str] = "diary.write"
    personal: ClassVar[bool] = True
    page: Id
    text: str
    number: int = 0

    def keys(self, context: Context) -> tuple[Key, ...]:
        return (Key.of("page", context.actor, self.page),)


class Glance(Command, frozen=True):
    """Say that a page is being read; only what was written can be."""

    function: ClassVar[str] = "diary.glance"
    page: Id

    def keys(self, context: Context) -> tuple[Key, ...]:
        return (Key.of("page", context.actor, self.page),)


class Written(Event, frozen=True, kw_only=True, tag="diary.written"):
    uid: str
    page: str
    text: Personal[str]
    number: int
    at: datetime


class Glanced(Event, frozen=True, kw_only=True, tag="diary.glanced"):
    telemetry: ClassVar[bool] = True
    uid: str
    page: str
    at: datetime


class DiaryErased(Erased, frozen=True, kw_only=True, tag="diary.erased"):
    pass


class EntombDiary(Entomb, frozen=True, kw_only=True):
    function: ClassVar[str] = "diary.entomb"


class Page(Struct, frozen=True):
    lines: int = 0


def decide(command: Write | Glance, state: Page, context: Context) -> list[Event]:
    if isinstance(command, Glance):
        return [Glanced(uid=context.actor, page=command.page, at=context.now)] if state.lines else []
    return [Written(uid=context.actor, page=command.page, text=command.text, number=command.number, at=context.now)]


def evolve(state: Page, event: Event) -> Page:
    return Page(state.lines + 1) if isinstance(event, Written) else state


SAVE = """
    insert into page (uid, page, lines, text, number, position) values ($1, $2, 1, $3, $4, $5)
    on conflict (uid, page) do update set lines = page.lines + 1, text = excluded.text, number = excluded.number,
                                          position = excluded.position
"""
GLANCE = """
    insert into glance (uid, page, at) values ($1, $2, $3) on conflict (uid, page) do update set at = excluded.at
"""


async def project(db: Db, commits: Sequence[Commit]) -> set[str]:
    for commit in commits:
        for event in commit.events:
            if isinstance(event, Written):
                await db.execute(SAVE, event.uid, event.page, event.text, event.number, commit.sequence)
            elif isinstance(event, Glanced):
                await db.execute(GLANCE, event.uid, event.page, event.at)
    return set()


SERVICE = Service(
    name=NAME,
    contracts=SimpleNamespace(
        COMMANDS=(Write, Glance, EntombDiary), QUERIES=(), EVENTS=(Written, Glanced, DiaryErased)
    ),
    deciders={"page": Decider[Any, Any, Any](Page(), decide, evolve), ERASED: tombstones(DiaryErased)},
    projections=(Projection("page", project),),
    queries={},
    schema=Path(__file__).with_name("diary.sql"),
    erasing=Erasing(DiaryErased, EntombDiary, delete_rows, count_rows, frozenset({"page"}), uploads=True),
)


@asynccontextmanager
async def diary(servers: Embedded, name: str = "one") -> AsyncIterator[Replica]:
    settings = ServiceSettings(
        nats_url=servers.nats_url(NAME),
        database_url=servers.database_url(NAME),
        master_key=servers.keys.master_key,
        replica=name,
    )
    async with replica(SERVICE, settings) as running:
        yield running


def as_(uid: str) -> Context:
    return Context(actor=uid, now=datetime.now(UTC), command_id=secrets.token_hex(16))
