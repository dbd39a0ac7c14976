"""The last position that each session told between its facts.

A heartbeat of what is being watched moves its rows without its title being decoded; any other one has its title shown
anew. Both leave the same rows.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from events.contracts.library import Progressed, slot
from events.log import Commit
from events.projection import Db
from library.projections.groups import Named
from library.projections.rows import columns, place, slot_at
from library.title.state import HEARD, Point, Slot, Title, stamp

KEEP = """
    insert into heartbeat (uid, work, season, episode, session, media_seconds, duration, watched_seconds, player,
                           own, at)
    select * from unnest($1::text[], $2::text[], $3::int[], $4::int[], $5::text[], $6::float8[], $7::float8[],
                         $8::float8[], $9::text[], $10::timestamptz[], $11::timestamptz[])
    on conflict (uid, work, season, episode, session) do update
       set media_seconds = excluded.media_seconds, duration = excluded.duration,
           watched_seconds = excluded.watched_seconds, player = excluded.player, own = excluded.own, at = excluded.at
     where excluded.own >= heartbeat.own
    returning uid, work, season, episode, session
"""

OF_TITLES = """
    select heartbeat.* from unnest($1::text[], $2::text[]) as touched (uid, work) join heartbeat using (uid, work)
     order by at, own, coalesce(nullif(session, ''), player collate "C"), media_seconds
"""


class Beat(NamedTuple):
    """A row of `heartbeat`."""

    uid: str
    work: str
    season: int
    episode: int
    session: str
    media_seconds: float
    duration: float | None
    watched_seconds: float | None
    player: str
    own: datetime
    at: datetime


async def keep(db: Db, commits: Sequence[Commit]) -> list[Beat]:
    """Keep the newest heartbeat of each session, by its own clock; return those that were newer than what was there."""
    newest: dict[tuple[Any, ...], Beat] = {}
    for commit in commits:
        for event in commit.events:
            if isinstance(event, Progressed):
                beat = _beat(event)
                known = newest.get(beat[:5])
                if known is None or beat.own >= known.own:
                    newest[beat[:5]] = beat
    rows = await db.fetch(KEEP, *columns(newest.values())) if newest else []
    return [newest[tuple(row)] for row in rows]


async def heard(db: Db, titles: Mapping[Named, Title]) -> Mapping[Named, Title]:
    """What the heartbeats of these titles add to their facts. They come in the order of `Point`s.

    Most of what is kept is of episodes that were watched to the end since: their facts are newer.
    """
    slots: defaultdict[Named, dict[str, Slot]] = defaultdict(dict)
    if not titles:
        return {}
    for row in await db.fetch(OF_TITLES, *columns(titles)):
        named, where = (row["uid"], row["work"]), slot_at(row["season"], row["episode"])
        known = titles[named].slots.get(where)
        if known is None or known.newest is None or known.newest.at <= stamp(row["at"]):
            slots[named][where] = Slot(newest=point_of(Beat(*row)))  # the later one of a slot is the newest
    return {named: Title(slots=known) for named, known in slots.items()}


def _beat(event: Progressed) -> Beat:
    return Beat(
        event.uid,
        event.work,
        *place(slot(event.episode)),
        event.session,
        event.position,
        event.duration,
        event.watched,
        event.player,
        event.own or event.at,
        event.at,
    )


def point_of(beat: Beat) -> Point:
    """What a title learns of a heartbeat."""
    at, own = stamp(beat.at), stamp(beat.own)
    where, session = slot_at(beat.season, beat.episode), beat.session or beat.player
    seconds, watched = beat.media_seconds, beat.watched_seconds
    return Point(at, own - at, HEARD, where, session, beat.player, seconds, beat.duration, watched)
