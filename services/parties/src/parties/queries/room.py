"""What the screen of one party shows."""

from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import Meta

from events import cursor
from events.contracts.party import (
    Bans,
    BansPage,
    BanView,
    HoldView,
    ItemView,
    LastControl,
    Members,
    MembersPage,
    MemberView,
    PartyView,
    Queue,
    QueuePage,
    State,
)
from events.cursor import Instant
from events.messages import Context, Rejected
from events.projection import Db
from parties.queries.rights import PAGE_BYTES, allows, fitting, needed, of_mine, readable, settings_of

# Each name is looked up by itself: put together by a plain join, all names of the party would be gone through for each.
MEMBERS = """
    select member.uid, name, avatar, status, member.uid = party.host as host,
           case when member.uid = party.host then 'host' else role end as role,
           ready, excused or pardoned as excused, joined_at, heard.at as seen_at,
           case when heard.at = audience.at then heard.drift end as drift,
           case when heard.at = audience.at then heard.state end as sync
      from party
      left join audience using (party_id),
           lateral (select * from member where party_id = party.party_id and (joined_at, uid) > ($2, $3)
                     order by joined_at, uid limit $4) as member,
           lateral (select name, avatar, status from person
                     where party_id = party.party_id and uid = member.uid limit 1) as person
      left join lateral (select at, drift, state from heard
                          where party_id = party.party_id and uid = member.uid limit 1) as heard on true
     where party.party_id = $1
     order by joined_at, member.uid
"""

QUEUE = """
    select item, media, media_title, season, episode, case when $3 then source else '' end as source, file_index, by,
           votes, mine, added_at, rank, place
      from item,
           lateral (select count(*) as votes, coalesce(bool_or(uid = $2), false) as mine
                      from vote where vote.party_id = item.party_id and vote.item = item.item) as wanted,
           lateral (select case when $4 then -votes else 0 end as rank) as ranked
     where party_id = $1 and place >= 0 and (rank, place) > ($5, $6)
     order by rank, place
"""

BANS = """
    select ban.uid, coalesce(person.name, '') as name, by, reason, at
      from ban left join person using (party_id, uid)
     where ban.party_id = $1 order by at desc, ban.uid
"""


class Seat(NamedTuple):
    """A place in the order of joining."""

    joined_at: Instant
    uid: str


class Turn(NamedTuple):
    """A place in the queue; `rank` is as many below 0 as there are votes, if these decide."""

    rank: Annotated[int, Meta(ge=-(2**31), le=0)]
    place: Annotated[int, Meta(ge=-1, le=2**31 - 1)]


FIRST = Seat(0, "")
NEXT = Turn(-(2**31), -1)


async def state(db: Db, query: State, context: Context) -> PartyView:
    return view_of(await readable(db, query.party_id, context))


async def members(db: Db, query: Members, context: Context) -> MembersPage:
    after = FIRST if query.cursor is None else cursor.read(query.cursor, Seat)
    await readable(db, query.party_id, context)
    found = await seated(db, query.party_id, after, query.limit + 1)
    page = fitting(found[: query.limit], PAGE_BYTES)
    return MembersPage(page, cursor.write(_seat(page[-1])) if len(found) > len(page) else None)


async def queue(db: Db, query: Queue, context: Context) -> QueuePage:
    after = NEXT if query.cursor is None else cursor.read(query.cursor, Turn)
    row = await readable(db, query.party_id, context)
    found = await items_of(db, row, context.actor, after, sources=row["role"] is not None)
    page = fitting([item for item, _ in found], PAGE_BYTES)
    return QueuePage(page, cursor.write(found[len(page) - 1][1]) if len(found) > len(page) else None)


async def bans(db: Db, query: Bans, context: Context) -> BansPage:
    row = await of_mine(db, query.party_id, context)
    if not allows(row, "people"):
        raise Rejected("not-the-host", action="people", needs=needed(row, "people"))
    return BansPage([BanView(**ban) for ban in await db.fetch(BANS, query.party_id)])


async def seated(db: Db, party_id: str, after: Seat, limit: int) -> list[MemberView]:
    """Members in the order of joining, from a place in it on."""
    rows = await db.fetch(MEMBERS, party_id, cursor.moment(after.joined_at), after.uid, limit)
    return [MemberView(**row) for row in rows]


async def items_of(db: Db, row: Any, uid: str, after: Turn = NEXT, *, sources: bool) -> list[tuple[ItemView, Turn]]:
    """The queue as *uid* sees it, in the order in which the items come. Sources are for members."""
    if not row["queued"]:
        return []
    by_votes = settings_of(row).queue_order == "votes"
    rows = await db.fetch(QUEUE, row["party_id"], uid, sources, by_votes, *after)
    names = ItemView.__struct_fields__
    return [(ItemView(**{name: row[name] for name in names}), Turn(row["rank"], row["place"])) for row in rows]


def _seat(member: MemberView) -> Seat:
    return Seat(cursor.instant(member.joined_at), member.uid)


def view_of(row: Any) -> PartyView:
    return PartyView(
        party_id=row["party_id"],
        title=row["title"],
        media=row["media"],
        media_title=row["media_title"],
        season=row["season"],
        episode=row["episode"],
        source=row["source"] if row["role"] is not None else "",
        file_index=row["file_index"],
        host=row["host"],
        private=row["private"],
        locked=row["locked"],
        settings=settings_of(row),
        playing=row["playing"],
        position=row["media_seconds"],
        rate=row["rate"],
        at=row["media_at"],
        hold=msgspec.json.decode(row["hold"], type=HoldView) if row["hold"] is not None else None,
        last=LastControl(row["last_what"], row["last_by"], row["last_at"]) if row["last_what"] is not None else None,
        members=row["members"],
        queued=row["queued"],
        skip_votes=row["skip_votes"],
        host_missing_since=row["missing_since"],
        opened_at=row["opened_at"],
        closes_at=row["closes_at"],
        closed_at=row["closed_at"],
        closed_because=row["closed_because"],
    )
