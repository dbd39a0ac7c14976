"""What happened in a party: one line per event, with where the party was in the video."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from events.contracts.party import EVENTS
from events.messages import Event, tag_of
from events.projection import Db
from parties.projections.facts import Fact

COLUMNS = ("party_id", "position", "nth", "type", "at", "by", "uid", "media_seconds", "details")
ELSEWHERE = frozenset({"by", "uid", "at"})
"""Fields that have a column of their own."""

_encode = msgspec.json.Encoder().encode

Line = tuple[Any, ...]
"""A row of `happened`, in the order of its columns."""


class Telling(NamedTuple):
    """How an event of some kind is told."""

    type: str
    author: str
    """The field that says who did it; empty if only the commit does."""
    concerns: bool
    """Whether it is about somebody."""
    details: tuple[str, ...]
    """What else of it is public."""


def _telling(kind: type[Event]) -> Telling:
    fields = kind.__struct_fields__
    author = next((name for name in ("by", "host") if name in fields), "")
    return Telling(tag_of(kind), author, "uid" in fields, tuple(name for name in kind.public if name not in ELSEWHERE))


TELLINGS = {kind: _telling(kind) for kind in EVENTS if not kind.telemetry}


def line(fact: Fact, at: datetime, media_seconds: float) -> Line:
    """*media_seconds*: where the party was *at* this time, before the event changed that."""
    party_id, commit, nth, event = fact
    telling = TELLINGS[type(event)]
    by = getattr(event, telling.author) if telling.author else commit.actor
    uid = event.uid if telling.concerns and event.uid != by else None
    details = _encode({name: getattr(event, name) for name in telling.details}).decode()
    return party_id, commit.sequence, nth, telling.type, at, by, uid, media_seconds, details


async def save(db: Db, lines: Sequence[Line]) -> None:
    await db.copy_records_to_table("happened", records=lines, columns=COLUMNS)
