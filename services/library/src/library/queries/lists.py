"""What people can ask about their lists."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import Meta

from events.contracts.library import (
    Holding,
    ListEntry,
    ListPage,
    Lists,
    ListsHolding,
    ListsPage,
    ListView,
    ShowList,
    ShowListsHolding,
    works,
)
from events.definition import Answering
from events.messages import NO_NUL, Context, Query, Rejected
from events.projection import Db
from library.queries import common

PAGE_BYTES = 512 * 1024
"""Of items with all that is shown of them; an answer carries not much more."""

SHOWN = """
    select list_id, name, shelved."order", created_at, updated_at,
           items - (select count(*) - count(distinct shown_as)
                      from joined join list_item using (uid, work)
                     where uid = $1 and list_item.list_id = list.list_id) as items
      from list join shelved using (uid, list_id)
     where uid = $1 and shown
"""

LISTS = f"""{SHOWN}
       and (shelved."order", list_id) > ($2, $3)
     order by shelved."order", list_id limit $4
"""

LIST = f"""{SHOWN}
       and list_id = $2
"""

ITEMS = """
    select work as id, coalesce(shown_as, work) as work, "order", kind, title, poster, added_at
      from list_item left join joined using (uid, work)
     where uid = $1 and list_id = $2 and ("order", work) > ($3, $4)
       and (shown_as is null or not exists (
               select from joined as same join list_item as other using (uid, work)
                where same.uid = $1 and same.shown_as = joined.shown_as and other.list_id = $2
                  and (other.at, other.op, other.work) > (list_item.at, list_item.op, list_item.work)))
     order by "order", id limit $5
"""
"""A work is on a list once: of several ids that name it, where the latest word has put it."""

HOLDING = """
    with shown_as as (
        select shown_as from joined where uid = $1 and work = $2),
    ids as (
        select $2 as work union select work from joined join shown_as using (shown_as) where uid = $1)
    select list_id, name
      from list join shelved using (uid, list_id)
     where uid = $1 and shown
       and exists (select from list_item join ids using (work)
                    where list_item.uid = $1 and list_item.list_id = list.list_id)
     order by shelved."order", list_id
"""

Text = Annotated[str, Meta(max_length=128, pattern=NO_NUL)]


class Place(NamedTuple):
    """A place in an order."""

    order: Text
    id: Text


FIRST = Place("", "")


async def lists(db: Db, query: Lists, context: Context) -> ListsPage:
    after = common.after(query.cursor, FIRST)
    rows = await db.fetch(LISTS, context.actor, *after, query.limit + 1)
    page, more = common.page(rows, query.limit, lambda row: Place(row["order"], row["list_id"]))
    return ListsPage([ListView(**row) for row in page], more)


async def show_list(db: Db, query: ShowList, context: Context) -> ListPage:
    after = common.after(query.cursor, FIRST)
    row = await db.fetchrow(LIST, context.actor, query.list_id)
    if row is None:
        raise Rejected("no-such-list", list_id=query.list_id)
    rows = await db.fetch(ITEMS, context.actor, query.list_id, *after, query.limit + 1)
    limit = min(query.limit, _fitting(rows))
    page, more = common.page(rows, limit, lambda row: Place(row["order"], row["id"]))
    return ListPage(ListView(**row), [_entry(item) for item in page], more)


async def show_lists_holding(db: Db, query: ShowListsHolding, context: Context) -> ListsHolding:
    work = works.parse(query.work, query.kind).work
    rows = await db.fetch(HOLDING, context.actor, work)
    return ListsHolding(work, [Holding(**row) for row in rows])


def _entry(row: Any) -> ListEntry:
    return ListEntry(**{field: row[field] for field in ListEntry.__struct_fields__})


def _fitting(rows: Sequence[Any]) -> int:
    """How many of them fit into one answer; one at least, lest a page lead nowhere."""
    size = 0
    for count, row in enumerate(rows):
        size += len(msgspec.json.encode(_entry(row)))
        if size > PAGE_BYTES:
            return max(count, 1)
    return max(len(rows), 1)


QUERIES: Mapping[type[Query], Answering] = {
    Lists: lists,
    ShowList: show_list,
    ShowListsHolding: show_lists_holding,
}
