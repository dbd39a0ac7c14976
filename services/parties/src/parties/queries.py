"""What can be asked about watch parties, and who may follow one."""

from typing import Any, NamedTuple

from events import cursor
from events.contracts.party import Members, MembersPage, MemberView, PartyView, Room, State
from events.cursor import Instant
from events.definition import Granted
from events.messages import Context, Rejected
from events.projection import Db

LISTED = 200
"""Members up to whom presence is a list of people; a larger audience is counted."""
ROOM_MEMBERS = 100

PARTY = """
    select party.*, exists (select 1 from member where member.party_id = $1 and uid = $2) as mine
      from party where party.party_id = $1
"""

MEMBERS = """
    select member.uid, name, member.uid = party.host as host, joined_at
      from member join party using (party_id)
     where party_id = $1 and (joined_at, member.uid) > ($2, $3)
     order by joined_at, member.uid
     limit $4
"""


class Seat(NamedTuple):
    """A place in the order of joining."""

    joined_at: Instant
    uid: str


FIRST = Seat(0, "")


async def state(db: Db, query: State, context: Context) -> PartyView:
    return _view(await _readable(db, query.party_id, context))


async def members(db: Db, query: Members, context: Context) -> MembersPage:
    after = FIRST if query.cursor is None else cursor.read(query.cursor, Seat)
    await _readable(db, query.party_id, context)
    found = await _members(db, query.party_id, after, query.limit + 1)
    page = found[: query.limit]
    more = len(found) > query.limit
    return MembersPage(page, cursor.write(_seat(page[-1])) if more else None)


async def grant(db: Db, channel_id: str, context: Context) -> Granted:
    """Members may do everything on a party's channel; who is none may follow a public one."""
    row = await _readable(db, channel_id, context)
    if row["closed_at"] is not None:
        raise Rejected("party-closed")
    room = Room(_view(row), await _members(db, channel_id, FIRST, ROOM_MEMBERS))
    return Granted(
        may=("follow", "track", "send") if row["mine"] else ("follow",),
        state=room,
        presence="list" if row["members"] <= LISTED else "count",
    )


async def _readable(db: Db, party_id: str, context: Context) -> Any:
    row = await db.fetchrow(PARTY, party_id, context.actor)
    if row is None:
        raise Rejected("no-such-party")
    if row["private"] and not row["mine"]:
        raise Rejected("not-a-member")
    return row


async def _members(db: Db, party_id: str, after: Seat, limit: int) -> list[MemberView]:
    rows = await db.fetch(MEMBERS, party_id, cursor.moment(after.joined_at), after.uid, limit)
    return [MemberView(**row) for row in rows]


def _seat(member: MemberView) -> Seat:
    return Seat(cursor.instant(member.joined_at), member.uid)


def _view(row: Any) -> PartyView:
    return PartyView(
        party_id=row["party_id"],
        title=row["title"],
        media=row["media"],
        host=row["host"],
        private=row["private"],
        playing=row["playing"],
        position=row["media_seconds"],
        rate=row["rate"],
        at=row["media_at"],
        members=row["members"],
        opened_at=row["created_at"],
        closed_at=row["closed_at"],
        closed_because=row["closed_because"],
    )
