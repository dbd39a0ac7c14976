"""The threads of one person: those in which they said something."""

from typing import Annotated, NamedTuple

from msgspec import Meta

from comments.queries.rights import readable
from comments.queries.views import BEGUN, thread_view
from events import cursor
from events.contracts.comments import UNREAD, FollowedThread, FollowedThreads, ShowFollowed
from events.cursor import LAST, Instant
from events.messages import NO_NUL, Context
from events.projection import Db

# Of parties, those that the asker is in; where moderators keep them out, nothing is shown either.
FOLLOWED = f"""
    with page as (
        select thread.*, {BEGUN}, author.comments as mine, coalesce(latest_at, begun_at) as spoken_at
          from author join thread using (thread_id)
         where uid = $1 and author.comments > 0
           and (party_id is null or party_id = any($2::text[]))
           and (party_id is null or not exists (
               select from standing where place = 'party:' || party_id and standing.uid = $1
                  and banned and coalesce(banned_until > $3, true)))
           and (coalesce(latest_at, begun_at), thread_id) < ($4, $5)
         order by spoken_at desc, thread_id desc limit $6)
    select page.*, unread.comments as unread
      from page
      left join mark on mark.uid = $1 and mark.about = page.thread_id,
           lateral (select count(*) as comments from (
               select from comment
                where comment.thread_id = page.thread_id and visible and comment.uid <> $1
                  and posted_at > coalesce(mark.upto, '-infinity')
                limit $7) as counted) as unread
     order by spoken_at desc, thread_id desc
"""


class Turn(NamedTuple):
    """A place in the order of what was said last."""

    at: Instant
    thread_id: Annotated[str, Meta(max_length=100, pattern=NO_NUL)]


LATEST = Turn(LAST, "")


async def threads(db: Db, query: ShowFollowed, context: Context) -> FollowedThreads:
    after = LATEST if query.cursor is None else cursor.read(query.cursor, Turn)
    await readable(db, None, context)
    parties = list(context.told.get("party.mine", ()))
    at = cursor.moment(after.at)
    rows = await db.fetch(FOLLOWED, context.actor, parties, context.now, at, after.thread_id, query.limit + 1, UNREAD)
    page = rows[: query.limit]
    found = [FollowedThread(thread=thread_view(row), unread=row["unread"], mine=row["mine"]) for row in page]
    if len(rows) == len(page):
        return FollowedThreads(found, None)
    return FollowedThreads(found, cursor.write(Turn(cursor.instant(page[-1]["spoken_at"]), page[-1]["thread_id"])))
