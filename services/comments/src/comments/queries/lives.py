"""Live events, and how many people are there."""

from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple

from msgspec import Meta

from comments.queries.rights import fitting, readable
from comments.retention import Retention
from events import cursor
from events.contracts.comments import ListLives, LivePart, LivesPage, LiveView, ShowLive, ShowMyLives
from events.cursor import LAST, Instant
from events.definition import Answering
from events.messages import Context, Id, Query
from events.projection import Db

# What was sampled in another session says nothing of this one.
LIVES = """
    select live.live_id, title, media, owner, live.session, ended_at is null as "on", started_at, ended_at, reason,
           case when ended_at is null then there.viewers else 0 end as viewers, most_viewers,
           least(coalesce(room.shown, 0), $1::int) as lines,
           array(select uid from live_moderator where live_moderator.live_id = live.live_id order by at, uid)
               as moderators
      from live
      left join room on room.room = 'live:' || live.live_id
      left join audience on audience.live_id = live.live_id and audience.session = live.session,
           lateral (select coalesce(audience.viewers, 0) as viewers,
                           coalesce(audience.most, 0) as most_viewers) as there
"""
ONE = f"{LIVES} where live.live_id = $2"
ALL = f"""
    select * from ({LIVES} where not unlisted) as live
     where ("on" or not $2::bool) and ("on", viewers, started_at, live_id) < ($3, $4, $5, $6)
     order by "on" desc, viewers desc, started_at desc, live_id desc limit $7
"""


OF_OWNER = f"{LIVES} where owner = $2 order by started_at desc, live.live_id limit $3"
MINE = 100


class Place(NamedTuple):
    """In the order of the list."""

    on: bool
    viewers: Annotated[int, Meta(ge=0, le=2**31 - 1)]
    started_at: Instant
    live_id: Id


FIRST = Place(True, 2**31 - 1, LAST, "~")


def queries(retention: Retention) -> Mapping[type[Query], Answering]:
    async def live(db: Db, query: ShowLive, context: Context) -> LiveView:
        await readable(db, f"live:{query.live_id}", context)
        return LiveView(**await db.fetchrow(ONE, retention.lines, query.live_id))

    async def lives(db: Db, query: ListLives, context: Context) -> LivesPage:
        await readable(db, None, context)
        after = FIRST if query.cursor is None else cursor.read(query.cursor, Place)
        started_at = cursor.moment(after.started_at)
        place = after.on, after.viewers, started_at, after.live_id
        rows = await db.fetch(ALL, retention.lines, query.on, *place, query.limit + 1)
        page = fitting([LiveView(**row) for row in rows[: query.limit]])
        return LivesPage(page, cursor.write(_place(page[-1])) if len(rows) > len(page) else None)

    async def mine(db: Db, query: ShowMyLives, context: Context) -> LivesPage:
        await readable(db, None, context)
        rows = await db.fetch(OF_OWNER, retention.lines, context.actor, MINE)
        return LivesPage(fitting([LiveView(**row) for row in rows]), None)

    return {ShowLive: live, ListLives: lives, ShowMyLives: mine}


async def part(db: Db, live_id: str) -> LivePart | None:
    """What a room shows of the live event that it belongs to."""
    row: Any = await db.fetchrow(ONE, 0, live_id)
    return None if row is None else LivePart(**{name: row[name] for name in LivePart.__struct_fields__})


def _place(live: LiveView) -> Place:
    return Place(live.on, live.viewers, cursor.instant(live.started_at), live.live_id)
