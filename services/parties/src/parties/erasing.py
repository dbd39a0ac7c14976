"""How a person is erased from parties: these stay, and somebody without a name has been in them."""

from events.contracts.party import EntombInParties, PartyErased
from events.erasing import Erasing
from events.schema import Db

BLANK_PEOPLE = "update person set name = '', avatar = '', status = '' where uid = $1"
# Whose a source was is not kept: where the person has named one, no source stays.
BLANK_SOURCES = """
    update party set source = '', last_source = ''
     where party_id in (
         select happened.party_id from person join happened using (party_id)
          where person.uid = $1 and happened.by = $1
            and happened.type in ('party.opened', 'party.media-changed', 'party.queued'))
"""
BLANK_ITEMS = """
    update item set source = '' where by = $1 and party_id in (select party_id from person where uid = $1)
"""
COUNT = "select count(*) from person where uid = $1"


async def forget(db: Db, uid: str) -> None:
    for statement in (BLANK_SOURCES, BLANK_ITEMS, BLANK_PEOPLE):
        await db.execute(statement, uid)


async def count(db: Db, uid: str) -> int:
    """How often they are named."""
    found: int = await db.fetchval(COUNT, uid)
    return found


ERASING = Erasing(PartyErased, EntombInParties, forget, count)
