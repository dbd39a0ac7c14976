"""Who may read a room or the threads for everybody, who moderates there, and how much fits into one answer."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

import msgspec

from events.contracts.comments import MODERATORS, SITE, party_in
from events.messages import Context, Rejected
from events.projection import Db

T = TypeVar("T")

RIGHTS = "party.rights"
"""Under which the context tells what a party says of the asker. Whom the party refuses never gets as far as here."""
PAGE_BYTES = 600_000
"""Of one page: an answer over the bus takes 1 MB at most, and texts of other people's may be long."""

STANDINGS = """
    select place, uid, muted and coalesce(muted_until > $3, true) as muted, shadow,
           banned and coalesce(banned_until > $3, true) as banned
      from standing where place = any($1::text[]) and uid = any($2::text[])
"""
LIVE_ROLES = """
    select owner,
           array(select uid from live_moderator where live_moderator.live_id = live.live_id and uid = any($2::text[]))
               as moderators
      from live where live_id = $1
"""


class Standing(NamedTuple):
    """What moderators have said of somebody, here or everywhere, that still holds."""

    muted: bool = False
    """As the person is told it: whoever is muted in the shadow is not."""
    shadow: bool = False
    banned: bool = False


class Ruling(NamedTuple):
    """Who owns a live event, and who of some people moderates it."""

    owner: str
    moderators: frozenset[str]


async def readable(db: Db, room: str | None, context: Context) -> None:
    """Raise `Rejected`: `no-such-live`, or `banned` from the room or everywhere. No room: the threads for everybody."""
    if room is not None:
        await ruling(db, room, [context.actor])
    if (await standings(db, room, [context.actor], context.now))[context.actor].banned:
        raise Rejected("banned")


async def moderates(db: Db, where: str, context: Context) -> bool:
    """Whether the asker's word as a moderator holds there; `where` is a room or the whole site."""
    return may_moderate(where, context, await ruling(db, where, [context.actor]))


async def moderating(db: Db, where: str, context: Context) -> None:
    """Raise `Rejected`: `no-such-live`, `banned`, `not-a-moderator`."""
    await readable(db, None if where == SITE else where, context)
    if not await moderates(db, where, context):
        raise Rejected("not-a-moderator")


async def is_muted(db: Db, room: str | None, context: Context) -> bool:
    """As the asker is told it."""
    return (await standings(db, room, [context.actor], context.now))[context.actor].muted


def may_moderate(where: str, context: Context, live: Ruling | None = None) -> bool:
    """The same for who asks about a room of which the *live* event's part is known."""
    uid = context.actor
    if not uid:
        return False
    if any(role in MODERATORS for role in context.roles):
        return True
    if party_in(where) is not None:
        rights: Any = context.told.get(RIGHTS)
        return rights is not None and "people" in rights.may
    return live is not None and (uid == live.owner or uid in live.moderators)


async def standings(db: Db, room: str | None, uids: Collection[str], now: datetime) -> Mapping[str, Standing]:
    """Of each of these people, in a room and everywhere."""
    found = {uid: Standing() for uid in uids}
    for row in await db.fetch(STANDINGS, [SITE] if room is None else [SITE, room], list(found), now):
        had = found[row["uid"]]
        found[row["uid"]] = Standing(
            muted=had.muted or (row["muted"] and not row["shadow"]),
            shadow=had.shadow or (row["muted"] and row["shadow"]),
            banned=had.banned or row["banned"],
        )
    return found


async def ruling(db: Db, where: str, uids: Collection[str]) -> Ruling | None:
    """Of a live event; None for what is none. Raise `Rejected("no-such-live")`."""
    kind, _, live_id = where.partition(":")
    if kind != "live":
        return None
    row = await db.fetchrow(LIVE_ROLES, live_id, list(uids))
    if row is None:
        raise Rejected("no-such-live")
    return Ruling(row["owner"], frozenset(row["moderators"]))


def fitting(views: Sequence[T], limit: int = PAGE_BYTES) -> list[T]:
    """The first of them that take up *limit* bytes together; one at least, lest a page lead nowhere."""
    size = 0
    for count, view in enumerate(views):
        size += len(msgspec.json.encode(view))
        if size > limit:
            return list(views[: max(count, 1)])
    return list(views)
