"""Who may follow a party, and what following begins with: read once for all who come in at the same moment."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from events.contracts.party import LISTED, ItemView
from events.definition import Granted
from events.messages import Context, Rejected
from events.projection import Db
from parties.queries.pages import Pages
from parties.queries.rights import PARTY, fitting
from parties.queries.room import FIRST, items_of, seated, view_of

ROOM_MEMBERS = 100
ROOM_BYTES = 150_000
"""Of a room's members, and of its queue: a grant carries missed commits, too."""
NOBODY = ""
"""Nobody's uid: what a party shows to all alike."""

STANDINGS = """
    select uid, false as banned from member where party_id = $1 and uid = any($2::text[])
    union all
    select uid, true from ban where party_id = $1 and uid = any($2::text[])
     order by banned
"""
"""Whoever is both is banned: that comes last."""
VOTES = "select uid, item from vote where party_id = $1 and uid = any($2::text[])"

_encode = msgspec.json.Encoder().encode


class RoomOfParts(Struct, frozen=True):
    """A `Room`, put together of what is encoded already."""

    party: Raw
    members: Raw
    queue: Raw


class Shown:
    """What one reading of a party shows: the same bytes to all who are shown the same."""

    def __init__(self, row: Any, members: Raw, items: Sequence[ItemView]) -> None:
        self._row = row
        self._members = members
        self._items = items
        self._granted: dict[tuple[bool, frozenset[str]], Granted] = {}

    def to(self, member: bool, voted: frozenset[str]) -> Granted:
        """To a member, or another one who may read it, with the items that they have voted for."""
        shown = self._granted.get((member, voted))
        if shown is None:
            shown = self._granted[member, voted] = Granted(
                may=("follow", "track", "send") if member else ("follow",),
                state=Raw(_encode(self._room(member, voted))),
                presence="list" if self._row["members"] <= LISTED else "count",
            )
        return shown

    def _room(self, member: bool, voted: frozenset[str]) -> RoomOfParts:
        """Sources are for members."""
        party = replace(view_of(self._row), source=self._row["source"] if member else "")
        items = [replace(item, source=item.source if member else "", mine=item.item in voted) for item in self._items]
        return RoomOfParts(Raw(_encode(party)), self._members, Raw(_encode(fitting(items, ROOM_BYTES))))


async def grant(db: Db, channel_id: str, contexts: Sequence[Context], pages: Pages) -> Sequence[Granted | Exception]:
    """Members may do everything on a party's channel; who is none may follow a public one."""
    row = await db.fetchrow(PARTY, channel_id, NOBODY)
    if row is None:
        raise Rejected("no-such-party")
    uids = list({context.actor for context in contexts})
    standings = {each["uid"]: each["banned"] for each in await db.fetch(STANDINGS, channel_id, uids)}
    refused = {uid: refusal for uid in uids if (refusal := _refusal(row, standings.get(uid))) is not None}
    if len(refused) == len(uids):
        return [refused[context.actor] for context in contexts]
    shown = await _shown(db, row, pages)
    votes = await _votes(db, row, uids)
    return [
        refused.get(uid) or shown.to(uid in standings, votes.get(uid, frozenset()))
        for uid in (context.actor for context in contexts)
    ]


def _refusal(row: Any, banned: bool | None) -> Rejected | None:
    """Why somebody may not follow; *banned* is None of who is neither a member nor banned."""
    if banned:
        return Rejected("banned")
    if row["private"] and banned is None:
        return Rejected("not-a-member")
    return Rejected("party-closed") if row["closed_at"] is not None else None


async def _shown(db: Db, row: Any, pages: Pages) -> Shown:
    """*pages* keeps the members for a moment: a crowd may come in again and again without anything happening."""
    party_id = row["party_id"]

    async def read() -> Raw:
        return Raw(_encode(fitting(await seated(db, party_id, FIRST, ROOM_MEMBERS), ROOM_BYTES)))

    members = await pages.get((party_id, row["position"], row["heard_at"]), read)
    return Shown(row, members, [item for item, _ in await items_of(db, row, NOBODY, sources=True)])


async def _votes(db: Db, row: Any, uids: Sequence[str]) -> Mapping[str, frozenset[str]]:
    """The items that each of them has voted for."""
    votes: defaultdict[str, set[str]] = defaultdict(set)
    for vote in await db.fetch(VOTES, row["party_id"], uids) if row["queued"] else ():
        votes[vote["uid"]].add(vote["item"])
    return {uid: frozenset(items) for uid, items in votes.items()}
