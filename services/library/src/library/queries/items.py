"""What somebody decided about titles, and what follows from what they watched of them."""

from collections.abc import Mapping
from typing import Any

from events import cursor
from events.contracts.library import Item, Items, ItemsPage, ItemView
from events.definition import Answering
from events.messages import Context, Query
from events.projection import Db
from library.queries.common import LATEST, Place, after, details, moment, page, shown

COLUMNS = """
    work, in_watchlist, status, reaction, favourite, hidden, progress, legacy_status, details, watched_episodes,
    updated_at,
    array(select other.work from joined as other where other.uid = title.uid and other.shown_as = title.work
           order by nth) as ids
"""

ITEMS = f"""
    select {COLUMNS} from title
     where uid = $1 and (updated_at, work) < ($2, $3)
       and ($4::bool is null or in_watchlist = $4) and ($5::text is null or status = $5)
       and ($6::text is null or reaction = $6) and ($7::bool is null or favourite = $7)
       and ($8::bool is null or hidden = $8) and ($9::text is null or kind = $9)
     order by updated_at desc, work desc limit $10
"""

ITEM = f"select {COLUMNS} from title where uid = $1 and work = $2"


async def items(db: Db, query: Items, context: Context) -> ItemsPage:
    start = after(query.cursor, LATEST)
    wanted = (query.in_watchlist, query.status, query.reaction, query.favourite, query.hidden, query.kind)
    rows = await db.fetch(ITEMS, context.actor, moment(start), start.work, *wanted, query.limit + 1)
    found, more = page(rows, query.limit, lambda row: Place(cursor.instant(row["updated_at"]), row["work"]))
    return ItemsPage([_view(row) for row in found], more)


async def item(db: Db, query: Item, context: Context) -> ItemView | None:
    named = await shown(db, context, query.work, query.kind)
    row = await db.fetchrow(ITEM, context.actor, named.work)
    return None if row is None else _view(row)


def _view(row: Any) -> ItemView:
    return ItemView(
        work=row["work"],
        ids=list(row["ids"]) or [row["work"]],
        in_watchlist=row["in_watchlist"],
        status=row["status"],
        reaction=row["reaction"],
        favourite=row["favourite"],
        hidden=row["hidden"],
        progress=row["progress"],
        legacy_status=row["legacy_status"],
        details=details(row["details"]),
        watched_episodes=row["watched_episodes"],
        updated_at=row["updated_at"],
    )


QUERIES: Mapping[type[Query], Answering] = {Items: items, Item: item}
