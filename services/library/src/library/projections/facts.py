"""What is written down of each fact alone: the fact itself, and what devices are called."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace

from events.contracts.library import HistoryCleared, IdsJoined, IdsSplit, ImportUndone
from events.contracts.library.events import (
    Completed,
    ItemChanged,
    Marked,
    PlaysRemoved,
    Started,
    Stopped,
    TakenIn,
)
from events.log import Commit
from events.projection import Db
from library.projections.rows import columns

TitleFact = Started | Stopped | Completed | Marked | ItemChanged | PlaysRemoved | TakenIn
ShelfFact = HistoryCleared | IdsJoined | IdsSplit | ImportUndone
"""Each concerns many titles."""

ADD_FACTS = """
    insert into fact (uid, work, position, nth, known_at, body)
    select * from unnest($1::text[], $2::text[], $3::bigint[], $4::int[], $5::timestamptz[], $6::bytea[])
    on conflict do nothing
"""

SAVE_DEVICES = """
    insert into device (uid, player, name)
    select * from unnest($1::text[], $2::text[], $3::text[])
    on conflict (uid, player) do update set name = excluded.name where device.name = ''
"""

_encoder = msgspec.json.Encoder()
decoder = msgspec.json.Decoder(TitleFact | ShelfFact)


class Fact(NamedTuple):
    """An event with what its commit says of it."""

    event: Any
    position: int
    nth: int
    """Among the events of its commit."""
    known_at: datetime
    """When the server learnt of it."""


def facts_of(commits: Sequence[Commit]) -> Iterator[Fact]:
    """What concerns titles, one or many, in order."""
    for commit in commits:
        for nth, event in enumerate(commit.events):
            if isinstance(event, TitleFact | ShelfFact):
                yield Fact(event, commit.sequence, nth, commit.at)


async def apply_to_fact(db: Db, commits: Sequence[Commit]) -> set[str]:
    """Keep each fact, without what its device is called."""
    if rows := [_row(fact) for fact in facts_of(commits)]:
        await db.execute(ADD_FACTS, *columns(rows))
    return set()


async def apply_to_device(db: Db, commits: Sequence[Commit]) -> set[str]:
    """What a person calls each device. Of two that cannot be told apart, the one that was there first."""
    names: dict[tuple[str, str], str] = {}
    for commit in commits:
        for event in commit.events:
            if isinstance(event, Started | Stopped | Completed | Marked | ItemChanged) and event.player:
                key = event.uid, event.player
                names[key] = names.get(key) or event.device
    if names:
        await db.execute(SAVE_DEVICES, *columns((uid, player, name) for (uid, player), name in names.items()))
    return set()


def _row(fact: Fact) -> tuple[str, str, int, int, datetime, bytes]:
    event = fact.event
    if getattr(event, "device", ""):
        event = replace(event, device="")
    work = event.work if isinstance(event, TitleFact) else ""
    return event.uid, work, fact.position, fact.nth, fact.known_at, _encoder.encode(event)
