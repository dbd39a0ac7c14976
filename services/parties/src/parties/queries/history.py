"""What happened in a party, and how far its members were apart meanwhile."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import Meta

from events import cursor
from events.contracts.party import CONTEXT, Drifts, Happened, ShowTimeline, Timeline
from events.cursor import LAST, Instant
from events.messages import Context, Position
from events.projection import LOG, Db
from parties.queries.rights import fitting, of_mine

HAPPENED_BYTES = 350_000
SAMPLES = 500
DRIFTS = 5_000
"""In all samples of an answer together."""

EPOCH = "select epoch from checkpoint where source = $1"

HAPPENED = """
    select position, nth, type, at, by, uid, media_seconds, details
      from happened
     where party_id = $1 and (position, nth) < ($2, $3)
     order by position desc, nth desc
     limit $4
"""

DRIFT = """
    with newest as (
        select position, at, media_seconds, sum(heard) over (order by at desc, position desc) as heard_so_far
          from sync_sample
         where party_id = $1 and at >= $2 and at < $3 and heard > 0
         order by at desc, position desc
         limit $4)
    select at, media_seconds,
           (select coalesce(jsonb_object_agg(uid, drift), '{}') from sync_member
             where sync_member.position = newest.position) as drift
      from newest
     where heard_so_far <= $5
     order by at desc, position desc
"""

NAMES = "select uid, name from person where party_id = $1 and uid = any($2::text[])"

Whole = Annotated[int, Meta(ge=0, le=2**31 - 1)]
Sequence64 = Annotated[int, Meta(ge=0, le=2**63 - 1)]


class Line(NamedTuple):
    """A line of the timeline, and when it happened."""

    position: Sequence64
    nth: Whole
    at: Instant


NEWEST = Line(2**63 - 1, 0, LAST)


async def timeline(db: Db, query: ShowTimeline, context: Context) -> Timeline:
    before = NEWEST if query.cursor is None else cursor.read(query.cursor, Line)
    await of_mine(db, query.party_id, context)
    rows = await db.fetch(HAPPENED, query.party_id, before.position, before.nth, query.limit + 1)
    epoch = await db.fetchval(EPOCH, LOG)
    lines = fitting([_happened(row, epoch) for row in rows[: query.limit]], HAPPENED_BYTES)
    more = len(rows) > len(lines)
    since = lines[-1].at if more else cursor.EPOCH
    samples = await _samples(db, query.party_id, since, cursor.moment(before.at))
    names = await _names(db, query.party_id, {*_people(lines), *(uid for one in samples for uid in one.drift)})
    last = rows[len(lines) - 1] if more else None
    return Timeline(
        [msgspec.structs.replace(line, **_named(line, names)) for line in lines],
        samples,
        names,
        cursor.write(Line(last["position"], last["nth"], cursor.instant(last["at"]))) if last else None,
    )


async def _samples(db: Db, party_id: str, since: datetime, until: datetime) -> list[Drifts]:
    """The latest of those in this time."""
    rows = await db.fetch(DRIFT, party_id, since, until, SAMPLES, DRIFTS)
    return [Drifts(row["at"], row["media_seconds"], msgspec.json.decode(row["drift"])) for row in rows]


async def _names(db: Db, party_id: str, uids: set[str]) -> dict[str, str]:
    """By uid, of those who ever were in the party, also after they have left it."""
    return {row["uid"]: row["name"] for row in await db.fetch(NAMES, party_id, list(uids))}


def _happened(row: Any, epoch: str) -> Happened:
    return Happened(
        position=str(Position(CONTEXT, epoch, row["position"])),
        type=row["type"],
        at=row["at"],
        by=row["by"],
        by_name="",
        uid=row["uid"],
        media_seconds=row["media_seconds"],
        details=msgspec.json.decode(row["details"]),
    )


def _named(line: Happened, names: dict[str, str]) -> dict[str, str]:
    return {"by_name": names.get(line.by, ""), "uid_name": names.get(line.uid or "", "")}


def _people(lines: Sequence[Happened]) -> Iterator[str]:
    """Everybody whom the lines speak of."""
    for line in lines:
        yield line.by
        yield line.uid or line.by
        yield from (line.details[name] for name in ("host", "author") if name in line.details)
        yield from line.details.get("waits_for", ())
