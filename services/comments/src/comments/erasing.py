"""How a person is erased from the comments: what they said stays, and somebody without a name said it.

What moderators said about them stays, too: to be erased is no way round a ban.
"""

from comments.projections.reactions import take_off
from events.contracts.comments import CommentsErased, EntombInComments
from events.erasing import Erasing
from events.schema import Db

OWNED = frozenset({"reaction", "reader"})

BLANK = (
    "update comment set name = '', avatar = '' where uid = $1",
    "update line set name = '', avatar = '' where uid = $1",
    "update person set name = '', avatar = '' where uid = $1",
    "update report set words = '' where uid = $1",
)
# Those that others got of them name nobody: who said it, the comment or the line tells.
DELETE = (
    "delete from notification where uid = $1",
    "delete from mark where uid = $1",
)
COUNT = """
    select (select count(*) from comment where uid = $1) + (select count(*) from line where uid = $1)
         + (select count(*) from person where uid = $1) + (select count(*) from report where uid = $1)
         + (select count(*) from notification where uid = $1) + (select count(*) from mark where uid = $1)
         + (select count(*) from reaction where uid = $1)
"""


async def forget(db: Db, uid: str) -> None:
    for statement in (*BLANK, *DELETE):
        await db.execute(statement, uid)
    await take_off(db, uid)


async def count(db: Db, uid: str) -> int:
    """How often they are named, and what is theirs alone."""
    found: int = await db.fetchval(COUNT, uid)
    return found


ERASING = Erasing(CommentsErased, EntombInComments, forget, count, OWNED)
