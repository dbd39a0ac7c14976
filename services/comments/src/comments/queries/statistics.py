"""What there is to count about threads and about those who write in them."""

from datetime import UTC, datetime, timedelta

from comments.queries.rights import readable
from comments.queries.views import COLUMNS, thread_view, threads_of, views
from events.contracts.comments import (
    PLACE_SECONDS,
    AuthorStatistics,
    Discussed,
    DiscussedThread,
    ShowAuthor,
    ShowDiscussed,
    ShowStatistics,
    ThreadStatistics,
    room_of,
)
from events.messages import Context
from events.projection import Db

DAYS = 30

FIRST = "select min(posted_at) from comment where thread_id = $1 and visible"
BUSIEST = "select part from strip where thread_id = $1 order by comments desc, part limit 5"
BY_DAY = "select day, comments from day where thread_id = $1 and day > $2 order by day"
# Each half as the index has it.
TOP = f"""
    (select {COLUMNS} from comment where thread_id = $1 and shown and reactions > 0 and least(depth, 1) = 0 and visible
      order by reactions desc, posted_at desc, comment_id desc limit 5)
    union all
    (select {COLUMNS} from comment where thread_id = $1 and shown and reactions > 0 and least(depth, 1) = 1 and visible
      order by reactions desc, posted_at desc, comment_id desc limit 5)
"""

WROTE = """
    select count(*) as comments, count(distinct thread_id) as threads,
           min(posted_at) as first_at, max(posted_at) as latest_at,
           (array_agg(name order by posted_at desc, comment_id desc))[1] as name,
           coalesce(sum(reactions), 0) as reactions
      from comment where uid = $1 and visible and party_id is null
"""
"""With the emoji that they put on their own comments."""
OWN = """
    select count(*) from reaction join comment using (thread_id, comment_id)
     where reaction.uid = $1 and not shadow and comment.uid = $1 and visible and party_id is null
"""
ANSWERS = """
    select count(*) from comment where parent_uid = $1 and uid <> $1 and visible and party_id is null
"""

LATELY = """
    select thread_id, sum(comments)::int as lately from day
     where day >= $1 and party_id is null
     group by thread_id
     order by lately desc, thread_id limit $2
"""
PEOPLE_LATELY = """
    select asked.thread_id,
           (select count(distinct uid) from comment
             where comment.thread_id = asked.thread_id and visible and posted_at >= $2) as people
      from unnest($1::text[]) as asked (thread_id)
"""


async def statistics(db: Db, query: ShowStatistics, context: Context) -> ThreadStatistics:
    id = query.thread_id
    await readable(db, room_of(id), context)
    query.must_agree()
    thread = (await threads_of(db, [id])).get(id)
    if thread is None:
        return ThreadStatistics(
            thread_id=id, comments=0, people=0, reactions=0, replies=0, timed=0, first_at=None, latest_at=None,
            busiest=[], by_day={}, top=[],
        )  # fmt: skip
    since = (context.now - timedelta(days=DAYS)).date()
    best = await db.fetch(TOP, id)
    best.sort(key=lambda row: (row["reactions"], row["posted_at"], row["comment_id"]), reverse=True)
    return ThreadStatistics(
        thread_id=id,
        comments=thread["comments"],
        people=thread["people"],
        reactions=thread["reactions"],
        replies=thread["replies"],
        timed=thread["timed"],
        first_at=await db.fetchval(FIRST, id),
        latest_at=thread["latest_at"],
        busiest=[row["part"] * PLACE_SECONDS for row in await db.fetch(BUSIEST, id)],
        by_day={row["day"].isoformat(): row["comments"] for row in await db.fetch(BY_DAY, id, since)},
        top=await views(db, best[:5], thread["pins"]),
    )


async def author(db: Db, query: ShowAuthor, context: Context) -> AuthorStatistics:
    """What nobody sees does not count, of what they wrote as of what others did."""
    await readable(db, None, context)
    row = await db.fetchrow(WROTE, query.uid)
    return AuthorStatistics(
        uid=query.uid,
        name=row["name"] or "",
        comments=row["comments"],
        threads=row["threads"],
        reactions=row["reactions"] - await db.fetchval(OWN, query.uid),
        replies=await db.fetchval(ANSWERS, query.uid),
        first_at=row["first_at"],
        latest_at=row["latest_at"],
    )


async def discussed(db: Db, query: ShowDiscussed, context: Context) -> Discussed:
    """Lately is since the beginning of a day, in UTC."""
    await readable(db, None, context)
    day = (context.now - timedelta(days=query.days)).date()
    found = {row["thread_id"]: row["lately"] for row in await db.fetch(LATELY, day, query.limit)}
    threads = await threads_of(db, found)
    people = await db.fetch(PEOPLE_LATELY, list(found), datetime(day.year, day.month, day.day, tzinfo=UTC))
    by_thread = {row["thread_id"]: row["people"] for row in people}
    return Discussed(
        [
            DiscussedThread(thread=thread_view(threads[id]), lately=lately, people_lately=by_thread[id])
            for id, lately in found.items()
            if id in threads
        ]
    )
