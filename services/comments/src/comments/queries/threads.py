"""A thread page by page, and the replies to one of its comments."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import Meta

from comments.queries.rights import PAGE_BYTES, fitting, readable
from comments.queries.views import COLUMNS, thread_view, threads_of, unbegun, views
from events import cursor
from events.contracts.comments import (
    CommentView,
    RepliesPage,
    ShowReplies,
    ShowThread,
    ThreadPage,
    room_of,
)
from events.cursor import LAST, Instant
from events.messages import Context, Rejected
from events.projection import Db

NESTED = 3
"""Replies that are shown under each reply, where nobody says how many."""
ABOVE = 20
MOST = 1_000
"""Replies in one page, however they nest."""
TOP_BYTES = PAGE_BYTES // 2
"""Of comments at the top; the rest is for replies."""
ABOVE_BYTES = PAGE_BYTES // 4

AT_THE_TOP = f"select {COLUMNS} from comment where thread_id = $1 and shown"

NEWEST = f"""
    {AT_THE_TOP} and coalesce(parent, '') = '' and $2::float8 = 0 and (posted_at, comment_id) < ($3, $4)
     order by posted_at desc, comment_id desc limit $5
"""
OLDEST = f"""
    {AT_THE_TOP} and coalesce(parent, '') = '' and $2::float8 = 0 and (posted_at, comment_id) > ($3, $4)
     order by posted_at, comment_id limit $5
"""
REACTED = f"""
    {AT_THE_TOP} and least(depth, 1) = 0 and reactions > 0
       and (reactions, posted_at, comment_id) < ($2::float8::int, $3, $4)
     order by reactions desc, posted_at desc, comment_id desc limit $5
"""
NOT_REACTED = f"""
    {AT_THE_TOP} and coalesce(parent, '') = '' and reactions = 0 and $2::float8 = 0
       and (posted_at, comment_id) < ($3, $4)
     order by posted_at desc, comment_id desc limit $5
"""
AT_MOMENTS = f"""
    {AT_THE_TOP} and parent is null and media_seconds is not null
       and (media_seconds, posted_at, comment_id) > ($2, $3, $4)
     order by media_seconds, posted_at, comment_id limit $5
"""
AT_NO_MOMENT = f"""
    {AT_THE_TOP} and coalesce(parent, '') = '' and media_seconds is null and $2::float8 = 0
       and (posted_at, comment_id) > ($3, $4)
     order by posted_at, comment_id limit $5
"""

REPLIES = f"""
    select {COLUMNS} from comment
     where thread_id = $1 and shown and coalesce(parent, '') = $2 and (posted_at, comment_id) > ($3, $4)
     order by posted_at, comment_id limit $5
"""

# Level by level, each comment's oldest replies, until there are enough.
NESTING = f"""
    with recursive tree as (
        select 1 as level, found.*
          from unnest($2::text[]) with ordinality as top (id, nth), lateral (
            select {COLUMNS} from comment
             where thread_id = $1 and shown and coalesce(parent, '') = top.id
             order by posted_at, comment_id limit $3) as found
        union all
        select level + 1, found.*
          from tree, lateral (
            select {COLUMNS} from comment
             where thread_id = $1 and shown and coalesce(parent, '') = tree.comment_id
             order by posted_at, comment_id limit $4) as found
         where level < $5 and tree.replies > 0)
    select * from tree limit $6
"""

ONE = f"select {COLUMNS} from comment where thread_id = $1 and comment_id = $2 and shown"
PINNED = f"select {COLUMNS} from comment where thread_id = $1 and comment_id = any($2::text[]) and visible"

LINE_ABOVE = f"""
    with recursive line as (
        select 1 as height, {COLUMNS} from comment where thread_id = $1 and comment_id = $2
        union all
        select height + 1, found.*
          from line, lateral (
            select {COLUMNS} from comment where thread_id = $1 and comment_id = line.parent limit 1) as found
         where height < $3)
    select * from line order by height desc
"""


class Place(NamedTuple):
    """A place in the order of a page."""

    part: Annotated[int, Meta(ge=0, le=1)]
    """Of an order in two parts: those with an emoji or a moment, then those without."""
    key: Annotated[float, Meta(ge=-1, le=2**31 - 1)]
    """Emoji, or seconds; 0 where time alone counts."""
    posted_at: Instant
    comment_id: Annotated[str, Meta(max_length=32, pattern=r"^[A-Za-z0-9-]*$")]


class Part(NamedTuple):
    """One part of an order."""

    statement: str
    first: Place
    by: str = ""
    """What comes before time."""


FIRST, LATEST = Place(0, 0, 0, ""), Place(0, 0, LAST, "")
ORDERS: Mapping[str, Sequence[Part]] = {
    "newest": (Part(NEWEST, LATEST),),
    "oldest": (Part(OLDEST, FIRST),),
    "top": (Part(REACTED, Place(0, 2**31 - 1, LAST, ""), "reactions"), Part(NOT_REACTED, LATEST)),
    "moment": (Part(AT_MOMENTS, Place(0, -1, 0, ""), "media_seconds"), Part(AT_NO_MOMENT, FIRST)),
}


async def thread(db: Db, query: ShowThread, context: Context) -> ThreadPage:
    """Whoever reads on does so from the last comment at the top that they were shown, whatever has changed above it."""
    after = None if query.cursor is None else cursor.read(query.cursor, Place)
    id = query.thread_id
    await readable(db, room_of(id), context)
    query.must_agree()
    row = (await threads_of(db, [id])).get(id)
    if row is None:
        return ThreadPage(
            thread=unbegun(id, query.media, query.season, query.episode), pinned=[], comments=[], cursor=None
        )
    pins = row["pins"]
    found = await _tops(db, query, after)
    tops = fitting(await views(db, [row for row, _ in found[: query.limit]], pins), TOP_BYTES)
    nested = await _nested(db, id, tops, query.depth, query.replies, pins)
    pinned = await views(db, await _pinned(db, id, pins), pins) if pins and after is None else []
    comments = list(_in_order(tops, nested, PAGE_BYTES))
    more = cursor.write(found[len(tops) - 1][1]) if len(found) > len(tops) else None
    return ThreadPage(thread=thread_view(row), pinned=pinned, comments=comments, cursor=more)


async def replies(db: Db, query: ShowReplies, context: Context) -> RepliesPage:
    after = FIRST if query.cursor is None else cursor.read(query.cursor, Place)
    id = query.thread_id
    await readable(db, room_of(id), context)
    row = await db.fetchrow(ONE, id, query.comment_id)
    if row is None:
        raise Rejected("no-such-comment")
    thread = (await threads_of(db, [id])).get(id)
    pins = thread["pins"] if thread else []
    above = await db.fetch(LINE_ABOVE, id, row["parent"], ABOVE) if row["parent"] else []
    (shown,) = await views(db, [row], pins)
    at = cursor.moment(after.posted_at)
    found = await db.fetch(REPLIES, id, query.comment_id, at, after.comment_id, query.limit + 1)
    direct = fitting(await views(db, found[: query.limit], pins), TOP_BYTES)
    nested = await _nested(db, id, direct, query.depth, NESTED, pins) if query.depth else {}
    over = fitting((await views(db, above, pins))[::-1], ABOVE_BYTES)[::-1]
    return RepliesPage(
        above=over,
        comment=shown,
        replies=list(_in_order(direct, nested, PAGE_BYTES)),
        cursor=cursor.write(_place(found[len(direct) - 1])) if len(found) > len(direct) else None,
    )


async def _tops(db: Db, query: ShowThread, after: Place | None) -> list[tuple[Any, Place]]:
    """One more than a page of comments at the top, each with its place."""
    parts = ORDERS[query.order]
    begin = min(after.part, len(parts) - 1) if after else 0
    found: list[tuple[Any, Place]] = []
    for number, part in enumerate(parts[begin:], begin):
        place = after if after and after.part == number else part.first
        wanted = query.limit + 1 - len(found)
        at = cursor.moment(place.posted_at)
        rows = await db.fetch(part.statement, query.thread_id, place.key, at, place.comment_id, wanted)
        found += [(row, _place(row, number, row[part.by] if part.by else 0)) for row in rows]
        if len(found) > query.limit:
            break
    return found


async def _pinned(db: Db, thread_id: str, pins: Sequence[str]) -> list[Any]:
    """In the order in which they were pinned."""
    found = await db.fetch(PINNED, thread_id, pins)
    return sorted(found, key=lambda row: pins.index(row["comment_id"]))


async def _nested(
    db: Db, thread_id: str, tops: Iterable[CommentView], depth: int, each: int, pins: Collection[str]
) -> Mapping[str, list[CommentView]]:
    """Replies to these, and to those, to a *depth*; by what they answer, oldest first, so many of each."""
    answered = [top.comment_id for top in tops if top.replies]
    if not answered or not depth or not each:
        return {}
    rows = await db.fetch(NESTING, thread_id, answered, each, each, depth, MOST)
    found: defaultdict[str, list[CommentView]] = defaultdict(list)
    for view in await views(db, rows, pins):
        found[view.parent or ""].append(view)
    return found


def _in_order(
    tops: Sequence[CommentView], nested: Mapping[str, list[CommentView]], limit: int
) -> Iterator[CommentView]:
    """Each directly before its replies. All *tops* are in; of the others as many as *limit* bytes hold."""
    left = limit - sum(map(_size, tops))
    for top in tops:
        yield top
        waiting = nested.get(top.comment_id, [])[::-1]
        while waiting:
            reply = waiting.pop()
            left -= _size(reply)
            if left < 0:
                break
            yield reply
            waiting += nested.get(reply.comment_id, [])[::-1]


def _size(view: CommentView) -> int:
    return len(msgspec.json.encode(view))


def _place(row: Any, part: int = 0, key: float = 0) -> Place:
    return Place(part, key, cursor.instant(row["posted_at"]), row["comment_id"])
