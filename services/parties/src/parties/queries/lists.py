"""Lists of parties: the public ones, and those of one person."""

from typing import Annotated, NamedTuple

from msgspec import Meta

from events import cursor
from events.contracts.party import ListedParty, ListParties, Mine, MyPartiesPage, MyParty, PartiesPage
from events.cursor import LAST, Instant
from events.messages import Context, Id
from events.projection import Db
from parties.projections.screen import words
from parties.queries.rights import PAGE_BYTES, fitting

FRESH = "1 minute"
"""Of whom nothing was heard for so long, nobody is watching any more."""

LISTED = f"""
    with page as (
        select party.*, there.viewers
          from party
          left join audience using (party_id),
               lateral (select case when audience.at > $1::timestamptz - interval '{FRESH}' then audience.viewers
                                    else 0 end as viewers) as there
         where not private and closed_at is null and ($2::text is null or search @@ $2::text::tsquery)
           and (there.viewers < $3 or there.viewers = $3
                and (opened_at < $4 or opened_at = $4 and party.party_id > $5))
         order by there.viewers desc, opened_at desc, party.party_id
         limit $6)
    select page.party_id, title, media, media_title, season, episode, host, coalesce(person.name, '') as host_name,
           members, viewers, locked, playing, opened_at
      from page left join person on person.party_id = page.party_id and person.uid = page.host
     order by viewers desc, opened_at desc, page.party_id
"""

MINE = """
    with mine as (
        select party_id, role, joined_at, false as unseen from member where uid = $1
        union all
        select party_id, 'member', joined_at, true from unseen where uid = $1)
    select party_id, title, media, media_title, season, episode,
           case when not unseen and host = $1 then 'host' else role end as role, unseen, private, members, playing,
           joined_at, updated_at, closed_at
      from mine join party using (party_id)
     where (not unseen or closed_at is null)
       and ((closed_at is not null) > $2
            or (closed_at is not null) = $2 and (updated_at < $3 or updated_at = $3 and party_id > $4))
     order by closed_at is not null, updated_at desc, party_id
     limit $5
"""

Count = Annotated[int, Meta(ge=0, le=2**31 - 1)]


class Spot(NamedTuple):
    """A place in the order of viewers."""

    viewers: Count
    opened_at: Instant
    party_id: Id


class Turn(NamedTuple):
    """A place in the order of what changed last, closed parties behind open ones."""

    closed: bool
    updated_at: Instant
    party_id: Id


MOST_VIEWED = Spot(2**31 - 1, LAST, "")
LATEST = Turn(False, LAST, "")


async def list_parties(db: Db, query: ListParties, context: Context) -> PartiesPage:
    after = MOST_VIEWED if query.cursor is None else cursor.read(query.cursor, Spot)
    wanted = _beginnings(query.search)
    if wanted == "":
        return PartiesPage([], None)
    opened_at = cursor.moment(after.opened_at)
    rows = await db.fetch(LISTED, context.now, wanted, after.viewers, opened_at, after.party_id, query.limit + 1)
    found = [ListedParty(**row) for row in rows]
    page = fitting(found[: query.limit], PAGE_BYTES)
    if len(found) == len(page):
        return PartiesPage(page, None)
    last = page[-1]
    return PartiesPage(page, cursor.write(Spot(last.viewers, cursor.instant(last.opened_at), last.party_id)))


async def mine(db: Db, query: Mine, context: Context) -> MyPartiesPage:
    after = LATEST if query.cursor is None else cursor.read(query.cursor, Turn)
    updated_at = cursor.moment(after.updated_at)
    rows = await db.fetch(MINE, context.actor, after.closed, updated_at, after.party_id, query.limit + 1)
    found = [MyParty(**row) for row in rows]
    page = fitting(found[: query.limit], PAGE_BYTES)
    if len(found) == len(page):
        return MyPartiesPage(page, None)
    last = page[-1]
    turn = Turn(last.closed_at is not None, cursor.instant(last.updated_at), last.party_id)
    return MyPartiesPage(page, cursor.write(turn))


def _beginnings(search: str) -> str | None:
    """As PostgreSQL is asked for them; null for no search, empty for one in which there is nothing to be found.

    Words hold letters and digits only, so that nothing in them can be anything but a word.
    """
    if not search.strip():
        return None
    return " & ".join(f"'{word}':*" for word in words(search))
