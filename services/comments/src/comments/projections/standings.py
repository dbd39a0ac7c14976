"""What moderators have said about people, in one room or everywhere."""

from collections.abc import Callable, Sequence
from datetime import datetime

from msgspec import Struct
from msgspec.structs import astuple

from comments.projections.facts import Fact, columns, facts_of
from events.contracts.comments import (
    PersonBanned,
    PersonMuted,
    PersonUnbanned,
    PersonUnmuted,
    mine_topic,
    moderation_topic,
    standing_topic,
)
from events.log import Commit
from events.projection import Db

LOAD = """
    select found.* from unnest($1::text[], $2::text[]) as touched (place, uid), lateral (
        select place, uid, muted, muted_until, muted_by, muted_at, muted_because, shadow,
               banned, banned_until, banned_by, banned_at, banned_because, position
          from standing where standing.place = touched.place and standing.uid = touched.uid limit 1) as found
"""
SAVE = """
    insert into standing (place, uid, muted, muted_until, muted_by, muted_at, muted_because, shadow,
                          banned, banned_until, banned_by, banned_at, banned_because, position)
    select * from unnest($1::text[], $2::text[], $3::bool[], $4::timestamptz[], $5::text[], $6::timestamptz[],
                         $7::text[], $8::bool[], $9::bool[], $10::timestamptz[], $11::text[], $12::timestamptz[],
                         $13::text[], $14::bigint[])
    on conflict (place, uid) do update
       set muted = excluded.muted, muted_until = excluded.muted_until, muted_by = excluded.muted_by,
           muted_at = excluded.muted_at, muted_because = excluded.muted_because, shadow = excluded.shadow,
           banned = excluded.banned, banned_until = excluded.banned_until, banned_by = excluded.banned_by,
           banned_at = excluded.banned_at, banned_because = excluded.banned_because, position = excluded.position
"""
DELETE = """
    delete from standing using unnest($1::text[], $2::text[]) as clean (place, uid)
     where standing.place = clean.place and standing.uid = clean.uid
"""


class StandingRow(Struct):
    """A row of `standing`, in the order of its columns."""

    place: str
    uid: str
    muted: bool = False
    muted_until: datetime | None = None
    muted_by: str = ""
    muted_at: datetime | None = None
    muted_because: str = ""
    shadow: bool = False
    banned: bool = False
    banned_until: datetime | None = None
    banned_by: str = ""
    banned_at: datetime | None = None
    banned_because: str = ""
    position: int = 0


async def apply_to_standings(db: Db, commits: Sequence[Commit]) -> set[str]:
    """Whoever is neither muted nor banned any more has no row."""
    facts = facts_of(commits, FOLDS)
    if not facts:
        return set()
    touched = {(fact.event.where, fact.event.uid) for fact in facts}
    rows = {key: StandingRow(*key) for key in touched}
    rows |= {(row["place"], row["uid"]): StandingRow(*row) for row in await db.fetch(LOAD, *columns(touched))}
    for fact in facts:
        row = rows[fact.event.where, fact.event.uid]
        row.position = fact.commit.sequence
        FOLDS[type(fact.event)](row, fact)
    kept = [row for row in rows.values() if row.muted or row.banned]
    if clean := [key for key, row in rows.items() if not row.muted and not row.banned]:
        await db.execute(DELETE, *columns(clean))
    if kept:
        await db.execute(SAVE, *columns(map(astuple, kept)))
    return {
        topic for place, uid in touched for topic in (standing_topic(uid), mine_topic(uid), moderation_topic(place))
    }


def _muted(row: StandingRow, fact: Fact) -> None:
    event: PersonMuted = fact.event
    row.muted, row.muted_until, row.shadow = True, event.until, event.shadow
    row.muted_by, row.muted_at, row.muted_because = event.by, event.at, event.reason


def _unmuted(row: StandingRow, fact: Fact) -> None:
    row.muted, row.muted_until, row.shadow = False, None, False
    row.muted_by, row.muted_at, row.muted_because = "", None, ""


def _banned(row: StandingRow, fact: Fact) -> None:
    event: PersonBanned = fact.event
    row.banned, row.banned_until = True, event.until
    row.banned_by, row.banned_at, row.banned_because = event.by, event.at, event.reason


def _unbanned(row: StandingRow, fact: Fact) -> None:
    row.banned, row.banned_until = False, None
    row.banned_by, row.banned_at, row.banned_because = "", None, ""


FOLDS: dict[type, Callable[[StandingRow, Fact], None]] = {
    PersonMuted: _muted,
    PersonUnmuted: _unmuted,
    PersonBanned: _banned,
    PersonUnbanned: _unbanned,
}
