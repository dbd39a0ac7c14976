"""Who may read a room or the threads for everybody, who moderates there, and how much fits into one answer."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

import msgspec

from comments.guards import RIGHTS, is_site_moderator, latest
from events.contracts.comments import SITE, party_in
from events.contracts.party import Rights
from events.messages import Context, Rejected
from events.projection import Db

T = TypeVar("T")

PAGE_BYTES = 600_000
"""Of one page: an answer over the bus takes 1 MB at most, and texts of other people's may be long."""

STANDINGS = """
    select place, uid, muted and coalesce(muted_until > $3, true) as muted, muted_until, shadow,
           banned and coalesce(banned_until > $3, true) as banned, banned_until
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
    muted_until: datetime | None = None
    """None for good."""
    shadow: bool = False
    banned: bool = False
    banned_until: datetime | None = None

    def beside(self, row: Any) -> "Standing":
        """With what another place says besides."""
        both = self
        if row["muted"] and row["shadow"]:
            both = both._replace(shadow=True)
        elif row["muted"]:
            until = _later(self.muted_until, row["muted_until"]) if self.muted else row["muted_until"]
            both = both._replace(muted=True, muted_until=until)
        if row["banned"]:
            until = _later(self.banned_until, row["banned_until"]) if self.banned else row["banned_until"]
            both = both._replace(banned=True, banned_until=until)
        return both

    def ban(self) -> Rejected | None:
        """The refusal of whoever is banned."""
        return Rejected("banned", until=latest([self.banned_until])) if self.banned else None


def _later(one: datetime | None, other: datetime | None) -> datetime | None:
    """None is for good."""
    return None if one is None or other is None else max(one, other)


class Ruling(NamedTuple):
    """Who owns a live event, and who of some people moderates it."""

    owner: str
    moderators: frozenset[str]


async def readable(db: Db, room: str | None, context: Context) -> None:
    """Raise `Rejected`: `no-such-live`, or `banned` from the room or everywhere. No room: the threads for everybody.

    Whom a party refuses never gets as far as here.
    """
    refused = (await standing_in(db, room, context)).ban()
    if refused:
        raise refused


async def moderates(db: Db, where: str, context: Context) -> bool:
    """Whether the asker's word as a moderator holds there: in a room, or everywhere."""
    return may_moderate(where, context, await ruling(db, where, [context.actor]))


async def moderating(db: Db, where: str, context: Context) -> None:
    """Raise `Rejected`: `no-such-live`, `banned`, `not-a-moderator`."""
    await readable(db, None if where == SITE else where, context)
    if not await moderates(db, where, context):
        raise Rejected("not-a-moderator")


async def standing_in(db: Db, room: str | None, context: Context) -> Standing:
    """What binds the asker there."""
    live = await ruling(db, room or SITE, [context.actor])
    return (await binding(db, room, [context], live))[context.actor]


def may_moderate(where: str, context: Context, live: Ruling | None) -> bool:
    """The same, where it is known who rules a live event."""
    if not context.actor:
        return False
    if is_site_moderator(context):
        return True
    if party_in(where) is not None:
        rights = context.told.get(RIGHTS)
        return isinstance(rights, Rights) and "people" in rights.may
    return live is not None and (context.actor == live.owner or context.actor in live.moderators)


async def binding(
    db: Db, room: str | None, contexts: Collection[Context], live: Ruling | None
) -> Mapping[str, Standing]:
    """What moderators have said of each of these people. What is said in a room does not bind who moderates it."""
    now = max(context.now for context in contexts)
    places = {
        context.actor: (SITE,) if room is None or may_moderate(room, context, live) else (SITE, room)
        for context in contexts
    }
    found = {uid: Standing() for uid in places}
    for row in await db.fetch(STANDINGS, [SITE] if room is None else [SITE, room], list(places), now):
        if row["place"] in places[row["uid"]]:
            found[row["uid"]] = found[row["uid"]].beside(row)
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
