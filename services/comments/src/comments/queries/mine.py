"""What is one person's own in a thread, and what their comments said before."""

from collections import defaultdict
from typing import Any

from msgspec.structs import replace

from comments.queries.rights import PAGE_BYTES, fitting, moderates, readable, standing_in
from comments.queries.views import COLUMNS, view_of
from events.contracts.comments import (
    SITE,
    CommentView,
    Edits,
    EditView,
    MyComment,
    MyThread,
    ShowEdits,
    ShowMine,
    room_of,
)
from events.messages import Context, Rejected
from events.projection import Db

MOST_REACTIONS = 500
MOST_COMMENTS = 100
MOST_EDITS = 50

REACTIONS = """
    select comment_id, emoji from reaction where uid = $1 and thread_id = $2
     order by position desc, comment_id, emoji limit $3
"""

WRITTEN_BY = f"""
    select {COLUMNS} from comment
     where uid = $1 and thread_id = $2 and veil in ({{veils}}) and gone is null
     order by posted_at desc, comment_id desc limit $3
"""
VEILED = WRITTEN_BY.format(veils="'held', 'moderated'")
# Whoever speaks in the shadow does not notice it: those who do not are told of theirs in the same way.
SAID = WRITTEN_BY.format(veils="'', 'shadow'")

READ_UNTIL = "select upto from mark where uid = $1 and about = $2"

WRITTEN = "select uid, veil, gone from comment where thread_id = $1 and comment_id = $2"
EDITS = """
    select text, spoiler, until from edit where thread_id = $1 and comment_id = $2 order by position desc limit $3
"""


async def mine(db: Db, query: ShowMine, context: Context) -> MyThread:
    uid, id = context.actor, query.thread_id
    room = room_of(id)
    await readable(db, room, context)
    reactions: defaultdict[str, list[str]] = defaultdict(list)
    for row in await db.fetch(REACTIONS, uid, id, MOST_REACTIONS):
        reactions[row["comment_id"]].append(row["emoji"])
    veiled = [
        MyComment(comment=_alone(row), held=row["veil"] == "held", hidden=row["veil"] == "moderated")
        for row in await db.fetch(VEILED, uid, id, MOST_COMMENTS)
    ]
    said = [_alone(row) for row in await db.fetch(SAID, uid, id, MOST_COMMENTS)]
    standing = await standing_in(db, room, context)
    return MyThread(
        reactions=reactions,
        comments=fitting(veiled, PAGE_BYTES // 2),
        said=fitting(said, PAGE_BYTES // 2),
        read_until=await db.fetchval(READ_UNTIL, uid, id),
        may_moderate=await moderates(db, room or SITE, context),
        muted=standing.muted,
        muted_until=standing.muted_until,
    )


def _alone(row: Any) -> CommentView:
    """As its author wrote it: what others did with it, they would not have done with one that they do not see."""
    return replace(view_of(row, [], mine=True), replies=0, all_replies=0)


async def edits(db: Db, query: ShowEdits, context: Context) -> Edits:
    """Of a comment that the asker sees: for others than moderators there is none that is veiled."""
    id, room = query.thread_id, room_of(query.thread_id)
    await readable(db, room, context)
    row = await db.fetchrow(WRITTEN, id, query.comment_id)
    moderator = await moderates(db, room or SITE, context)
    own = row is not None and row["uid"] == context.actor
    if row is None or row["gone"] is not None or (row["veil"] and not own and not moderator):
        raise Rejected("no-such-comment")
    if not own and not moderator:
        raise Rejected("not-yours")
    found = await db.fetch(EDITS, id, query.comment_id, MOST_EDITS)
    return Edits(fitting([EditView(**one) for one in found], PAGE_BYTES))
