"""What somebody should know of: who mentioned or answered them, and what moderators did to what they wrote."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, NamedTuple

from msgspec import Meta

from comments.projections.about import is_room
from events import cursor
from events.contracts.comments import (
    NOTIFICATIONS,
    UNREAD,
    Notification,
    NotificationsPage,
    ShowNotifications,
)
from events.definition import Answering
from events.messages import Context, Query
from events.projection import Db

KEPT = timedelta(days=90)
EXCERPT = 200

MARK = "select upto from mark where uid = $1 and about = $2"
# What is said in a party is for its members; and nobody is told the end of a film by a notification.
MINE = """
    select notification.position, nth, kind, subject, id, notification.by, notification.at,
           coalesce(thread.media, live.media) as media,
           coalesce(thread.title, live.title) as title,
           case when notification.by = '' then '' else coalesce(comment.name, line.name, '') end as by_name,
           case when comment.party_id is null and not comment.spoiler then left(comment.text, $7)
                when live.live_id is not null then left(line.text, $7) end as text
      from notification
      left join thread on thread.thread_id = subject
      left join live on 'live:' || live.live_id = subject
      left join comment on comment.thread_id = subject and comment.comment_id = id
      left join line on line.room = subject and line.line = id
     where notification.uid = $1 and not veiled and notification.at > greatest($2::timestamptz, $3::timestamptz)
       and (notification.position, nth) < ($4, $5)
     order by notification.position desc, nth desc limit $6
"""
COUNT = """
    select count(*) from (select from notification where uid = $1 and not veiled and at > $2 limit $3) as unread
"""


class Place(NamedTuple):
    """In the log."""

    position: Annotated[int, Meta(ge=0, le=2**62)]
    nth: Annotated[int, Meta(ge=0, le=2**31 - 1)]


LATEST = Place(2**62, 0)


async def notifications(db: Db, query: ShowNotifications, context: Context) -> NotificationsPage:
    before = LATEST if query.cursor is None else cursor.read(query.cursor, Place)
    oldest = context.now - KEPT
    read_until = max(await db.fetchval(MARK, context.actor, NOTIFICATIONS) or oldest, oldest)
    since = read_until if query.unread else oldest
    rows = await db.fetch(MINE, context.actor, oldest, since, *before, query.limit + 1, EXCERPT)
    page = rows[: query.limit]
    last = page[-1] if len(rows) > len(page) else None
    return NotificationsPage(
        notifications=[_view(row, row["at"] > read_until) for row in page],
        unread=await db.fetchval(COUNT, context.actor, read_until, UNREAD),
        cursor=cursor.write(Place(last["position"], last["nth"])) if last else None,
    )


def _view(row: Any, unread: bool) -> Notification:
    subject, of_room = row["subject"], is_room(row["subject"])
    return Notification(
        id=f"{row['position']}-{row['nth']}",
        kind=row["kind"],
        thread_id=None if of_room else subject,
        room=subject if of_room else None,
        comment_id=row["id"],
        media=row["media"],
        title=row["title"],
        by=row["by"],
        by_name=row["by_name"],
        text=row["text"] or "",
        at=row["at"],
        unread=unread,
    )


QUERIES: Mapping[type[Query], Answering] = {ShowNotifications: notifications}
