"""Comments at their moments of the video."""

from comments.queries.rights import PAGE_BYTES, fitting, readable
from events.contracts.comments import (
    PLACE_SECONDS,
    Density,
    ShowDensity,
    ShowTimed,
    TimedComment,
    TimedPage,
    room_of,
)
from events.messages import Context
from events.projection import Db

LONGEST = 600.0

TIMED = """
    select comment_id, uid, name, avatar, text, media_seconds, spoiler, count(*) over () as found
      from comment
     where thread_id = $1 and shown and media_seconds is not null and media_seconds >= $2 and media_seconds < $3
       and visible
     order by position desc limit $4
"""

STRIP = "select part, comments from strip where thread_id = $1"


async def timed(db: Db, query: ShowTimed, context: Context) -> TimedPage:
    await readable(db, room_of(query.thread_id), context)
    query.must_agree()
    end = min(query.end, query.start + LONGEST)
    rows = await db.fetch(TIMED, query.thread_id, query.start, end, query.limit)
    names = TimedComment.__struct_fields__
    newest = fitting([TimedComment(**{name: row[name] for name in names}) for row in rows], PAGE_BYTES)
    left_out = rows[0]["found"] - len(newest) if rows else 0
    newest.reverse()  # of one moment, the oldest first
    return TimedPage(sorted(newest, key=lambda one: one.media_seconds), left_out)


async def density(db: Db, query: ShowDensity, context: Context) -> Density:
    await readable(db, room_of(query.thread_id), context)
    query.must_agree()
    strip = {row["part"]: row["comments"] for row in await db.fetch(STRIP, query.thread_id)}
    if not strip:
        return Density(PLACE_SECONDS, [], 0)
    together = -(-(max(strip) + 1) // query.parts)
    counts = [0] * (max(strip) // together + 1)
    for part, comments in strip.items():
        counts[part // together] += comments
    return Density(PLACE_SECONDS * together, counts, max(counts))
