"""Heartbeats of what is being watched: its rows move, without its title being decoded."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from events.projection import Db
from library.projections.groups import Named
from library.projections.heartbeats import Beat, point_of
from library.projections.rows import columns
from library.title.findings import percent, watched_in
from library.title.state import Point

LOOK = """
    select item.*, title.film, title.progress
      from unnest($1::text[], $2::text[], $3::int[], $4::int[]) as touched (uid, work, season, episode)
      join item on item.uid = touched.uid and item.work = touched.work
               and item.season = touched.season and item.episode = touched.episode
      join title on title.uid = touched.uid and title.work = touched.work
                and title.last_season = touched.season and title.last_episode = touched.episode
     where going and status in ('watching', 'finished')
       and (hidden or continue_season = touched.season and continue_episode = touched.episode)
"""

MOVE = """
    with beat as (
        select * from unnest($1::text[], $2::text[], $3::int[], $4::int[], $5::float8[], $6::float8[], $7::float8[],
                             $8::text[], $9::timestamptz[], $10::float8[])
                   as beat (uid, work, season, episode, media_seconds, duration, watched_seconds, player, at,
                            progress)),
    moved as (
        update item
           set media_seconds = beat.media_seconds, duration = beat.duration, watched_seconds = beat.watched_seconds,
               player = beat.player, updated_at = beat.at
          from beat
         where item.uid = beat.uid and item.work = beat.work
           and item.season = beat.season and item.episode = beat.episode)
    update title
       set updated_at = greatest(title.updated_at, beat.at), played_at = beat.at, progress = beat.progress,
           continue_at = case when continues then beat.at end,
           continue_seconds = case when continues then beat.media_seconds end,
           continue_duration = case when continues then beat.duration end,
           continue_player = case when continues then beat.player end
      from beat
     where title.uid = beat.uid and title.work = beat.work
"""

_points = msgspec.msgpack.Decoder(tuple[Point, ...])


class Moved(NamedTuple):
    """Where something is now, in the order of the arguments of `MOVE`."""

    uid: str
    work: str
    season: int
    episode: int
    media_seconds: float
    duration: float | None
    watched_seconds: float | None
    player: str
    at: datetime
    progress: float | None


async def move(db: Db, beats: Sequence[Beat], groups: Mapping[Named, tuple[str, ...]]) -> set[Named]:
    """Move what is being watched to where these heartbeats are, if nothing else changes by them; return the titles,
    under the ids that were used, of which that cannot be said."""
    shown = {beat: (beat.uid, groups[beat.uid, beat.work][0]) for beat in beats}
    often = Counter(shown.values())
    alone = {(*shown[beat], beat.season, beat.episode): beat for beat in beats if often[shown[beat]] == 1}
    rows = await db.fetch(LOOK, *columns(alone)) if alone else []
    found = [_moved(row, alone[tuple(row)[:4]]) for row in rows]
    moved = {one[:2]: one for one in found if one is not None}
    if moved:
        await db.execute(MOVE, *columns(moved.values()))
    return {(beat.uid, beat.work) for beat in beats if shown[beat] not in moved}


def _moved(row: Any, beat: Beat) -> Moved | None:
    """None if the heartbeat is of another session, older than what is shown, or of another length, which statistics
    and how far a film is may follow from."""
    if row["session"] != (beat.session or beat.player) or row["updated_at"] >= beat.at:
        return None
    if row["duration"] != beat.duration or (row["film"] and beat.duration is None):
        return None
    return Moved(
        uid=row["uid"],
        work=row["work"],
        season=beat.season,
        episode=beat.episode,
        media_seconds=beat.media_seconds,
        duration=beat.duration,
        watched_seconds=watched_in([*_points.decode(row["points"]), point_of(beat)]),
        player=beat.player,
        at=beat.at,
        progress=percent(beat.media_seconds, beat.duration) if row["film"] else row["progress"],
    )
