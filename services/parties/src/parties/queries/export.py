"""Everything that parties keep about the asker, part by part:

    {"record": "party", "party_id", "title", "hosted", "member", "name", "avatar", "status"}
        A party that they were in: as what they were or are named there, and whether they host it or are in it now.
    {"record": "party-event", "party_id", "type", "at", "by_me", "media_seconds", "details"}
        What they did in it, or somebody with them, as its timeline tells it.

Parties before events; each in the order of the parties' ids.
"""

from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import Meta

from events import cursor
from events.contracts.party import Export, ExportPage
from events.messages import NO_NUL, Context
from events.projection import Db

AT_ONCE = 200
"""Records in one page; each is small."""

PARTIES = """
    select person.party_id, party.title, party.host = $1 as hosted, person.name, person.avatar, person.status,
           exists (select from member where member.party_id = person.party_id and member.uid = $1) as member
      from person join party using (party_id)
     where person.uid = $1 and person.party_id > $2
     order by person.party_id limit $3
"""

EVENTS = """
    select happened.party_id, happened.position, nth, type, at, by, media_seconds, details
      from person join happened using (party_id)
     where person.uid = $1 and (happened.by = $1 or happened.uid = $1)
       and (happened.party_id, happened.position, nth) > ($2, $3, $4)
     order by happened.party_id, happened.position, nth limit $5
"""


class Place(NamedTuple):
    """Among parties, or, with a position, among what happened in them."""

    party_id: Annotated[str, Meta(max_length=128, pattern=NO_NUL)]
    position: Annotated[int, Meta(ge=0, le=2**53)] | None = None
    nth: Annotated[int, Meta(ge=-1, le=100_000)] = -1


async def export(db: Db, query: Export, context: Context) -> ExportPage:
    place = Place("") if query.cursor is None else cursor.read(query.cursor, Place)
    if place.position is None:
        rows = await db.fetch(PARTIES, context.actor, place.party_id, AT_ONCE)
        more = Place(rows[-1]["party_id"]) if len(rows) == AT_ONCE else Place("", 0)
        return ExportPage([_party(row) for row in rows], cursor.write(more))
    rows = await db.fetch(EVENTS, context.actor, *place, AT_ONCE)
    last = rows[-1] if len(rows) == AT_ONCE else None
    following = cursor.write(Place(last["party_id"], last["position"], last["nth"])) if last else None
    return ExportPage([_event(row, context.actor) for row in rows], following)


def _party(row: Any) -> dict[str, Any]:
    return {"record": "party", **row}


def _event(row: Any, uid: str) -> dict[str, Any]:
    return {
        "record": "party-event",
        "party_id": row["party_id"],
        "type": row["type"],
        "at": row["at"],
        "by_me": row["by"] == uid,
        "media_seconds": row["media_seconds"],
        "details": msgspec.json.decode(row["details"]),
    }
