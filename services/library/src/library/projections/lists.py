"""Read models of lists: each source's own words of what is on them, and what follows from those that count."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from events.contracts.library import (
    IdsJoined,
    IdsSplit,
    ImportUndone,
    ListCreated,
    ListDeleted,
    ListEvent,
    ListItem,
    ListItemsPut,
    ListItemsRemoved,
    ListMoved,
    ListRenamed,
    ListShelved,
    ListUnshelved,
    list_topic,
    lists_topic,
)
from events.log import Commit
from events.projection import Db, Projection
from library.order import digest
from library.projections.rows import columns

OWN = ""
"""The source of what a person did."""

LOAD_LISTS = """
    select uid, list_id, name, created_at, updated_at
      from list join unnest($1::text[], $2::text[]) as touched (uid, list_id) using (uid, list_id)
"""

SAVE_LISTS = """
    insert into list (uid, list_id, name, created_at, updated_at, shown, items)
    select new.*, false, 0
      from unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::timestamptz[]) as new
    on conflict (uid, list_id) do update
       set name = excluded.name, created_at = excluded.created_at, updated_at = excluded.updated_at
"""

SAVE_SOURCES = """
    insert into list_source (uid, list_id, source) select * from unnest($1::text[], $2::text[], $3::text[])
    on conflict do nothing
"""

FORGET_LISTS = """
    delete from {table} using unnest($1::text[], $2::text[]) as gone (uid, list_id)
     where {table}.uid = gone.uid and {table}.list_id = gone.list_id
"""

FORGET_PUTS = """
    delete from list_put
     using unnest($1::text[], $2::text[], $3::text[], $4::text[]) as gone (uid, list_id, work, source)
     where list_put.uid = gone.uid and list_put.list_id = gone.list_id
       and list_put.work = gone.work and list_put.source = gone.source
"""

SAVE_PUTS = """
    insert into list_put (uid, list_id, work, source, "order", at, op, kind, title, poster, added_at)
    select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::text[],
                         $8::text[], $9::text[], $10::text[], $11::timestamptz[])
    on conflict (uid, list_id, work, source) do update
       set "order" = excluded."order", at = excluded.at, op = excluded.op,
           kind = coalesce(excluded.kind, list_put.kind),
           title = coalesce(nullif(excluded.title, ''), list_put.title),
           poster = coalesce(nullif(excluded.poster, ''), list_put.poster),
           added_at = case when list_put."order" is null then excluded.added_at else list_put.added_at end
"""

UNDONE_WORKS = """
    select distinct uid, list_id, work
      from unnest($1::text[], $2::text[]) as gone (uid, source) join list_put using (uid, source)
"""

UNDONE_LISTS = """
    select uid, list_id from unnest($1::text[], $2::text[]) as gone (uid, source) join list_source using (uid, source)
"""

FORGET_ITEMS = """
    delete from list_item using unnest($1::text[], $2::text[], $3::text[]) as touched (uid, list_id, work)
     where list_item.uid = touched.uid and list_item.list_id = touched.list_id and list_item.work = touched.work
"""

SHOW_ITEMS = """
    with said as (
        select list_put.*,
               not exists (select from undone where (undone.uid, undone.source) = (list_put.uid, list_put.source))
                   as counts
          from unnest($1::text[], $2::text[], $3::text[]) as touched (uid, list_id, work)
          join list_put using (uid, list_id, work)),
    latest as (
        select uid, list_id, work,
               (array_agg("order" order by at desc, op desc, "order" desc nulls last) filter (where counts))[1]
                   as "order",
               max(at) filter (where counts) as at,
               (array_agg(op order by at desc, op desc, "order" desc nulls last) filter (where counts))[1] as op,
               (array_agg(kind order by counts desc, at desc, op desc) filter (where kind is not null))[1] as kind,
               (array_agg(title order by counts desc, at desc, op desc) filter (where title <> ''))[1] as title,
               (array_agg(poster order by counts desc, at desc, op desc) filter (where poster <> ''))[1] as poster,
               min(added_at) filter (where counts and "order" is not null) as added_at
          from said group by uid, list_id, work)
    insert into list_item (uid, list_id, work, "order", at, op, kind, title, poster, added_at)
    select uid, list_id, work, "order", at, op, kind, coalesce(title, ''), coalesce(poster, ''), added_at
      from latest where "order" is not null
"""
"""Also what does not count tells how a work is to be shown, if nothing else does."""

COUNT = """
    update list
       set items = (select count(*) from list_item where (list_item.uid, list_item.list_id) = (list.uid, list.list_id)),
           shown = exists (
               select from list_source as given
                where (given.uid, given.list_id) = (list.uid, list.list_id)
                  and not exists (select from undone where (undone.uid, undone.source) = (given.uid, given.source)))
      from unnest($1::text[], $2::text[]) as touched (uid, list_id)
     where list.uid = touched.uid and list.list_id = touched.list_id
"""

OF_PEOPLE = "select uid, list_id from list where uid = any($1::text[])"

SHELVE = """
    insert into shelved (uid, list_id, "order") select * from unnest($1::text[], $2::text[], $3::text[])
    on conflict (uid, list_id) do update set "order" = excluded."order"
"""

ListKey = tuple[str, str]
"""A person and a list."""
PutKey = tuple[str, str, str, str]
"""A person, a list, a work and a source."""


class ListRow(NamedTuple):
    """A row of `list`, but for what follows from other tables."""

    uid: str
    list_id: str
    name: str
    created_at: datetime
    updated_at: datetime


class PutRow(NamedTuple):
    """A row of `list_put`, in the order of its columns."""

    uid: str
    list_id: str
    work: str
    source: str
    order: str | None
    """Null for what was taken off."""
    at: datetime
    op: str
    """Its digest, which decides at the same moment."""
    kind: str | None
    title: str
    poster: str
    added_at: datetime


class Changes:
    """What a batch says of lists."""

    def __init__(self) -> None:
        self.sources: set[tuple[str, str, str]] = set()
        self.puts: dict[PutKey, PutRow] = {}
        self.anew: set[PutKey] = set()
        """Taken off within the batch, so that nothing that was there before is left of it."""
        self.gone: set[ListKey] = set()
        """Lists that were deleted; what the others have of them was said later."""

    def take(self, event: ListEvent) -> None:
        match event:
            case ListCreated() | ListRenamed():
                self.sources.add((event.uid, event.list_id, event.source))
            case ListItemsPut():
                if not event.source:
                    self.sources.add((event.uid, event.list_id, OWN))
                for item in event.items:
                    self._put(event, item)
            case ListItemsRemoved():
                for work in event.works:
                    self._remove(event, work)
            case ListDeleted():
                self._delete((event.uid, event.list_id))

    def _put(self, event: ListItemsPut, item: ListItem) -> None:
        key = event.uid, event.list_id, item.work, event.source
        before = self.puts.get(key)
        row = PutRow(*key, item.order, event.at, digest(event.op), item.kind, item.title, item.poster, event.at)
        self.puts[key] = row if before is None or before.order is None else _moved(before, row)

    def _remove(self, event: ListItemsRemoved, work: str) -> None:
        key = event.uid, event.list_id, work, OWN
        self.puts[key] = PutRow(*key, None, event.at, digest(event.op), None, "", "", event.at)
        self.anew.add(key)

    def _delete(self, list_key: ListKey) -> None:
        self.gone.add(list_key)
        self.sources = {key for key in self.sources if key[:2] != list_key}
        self.puts = {key: row for key, row in self.puts.items() if key[:2] != list_key}
        self.anew = {key for key in self.anew if key[:2] != list_key}


def _moved(before: PutRow, row: PutRow) -> PutRow:
    """A move need not say again what is shown."""
    return row._replace(
        kind=row.kind or before.kind,
        title=row.title or before.title,
        poster=row.poster or before.poster,
        added_at=before.added_at,
    )


async def apply_to_list(db: Db, commits: Sequence[Commit]) -> set[str]:
    """Runs after the titles, which note what was undone and which ids are joined."""
    events = [event for commit in commits for event in commit.events if isinstance(event, ListEvent)]
    changes = Changes()
    for event in events:
        changes.take(event)
    await _save_lists(db, events)
    works = await _save(db, changes)
    touched = {_list_of(event) for event in events}
    if undone := _undone(commits):
        works |= {tuple(row) for row in await db.fetch(UNDONE_WORKS, *columns(undone))}
        touched |= {tuple(row) for row in await db.fetch(UNDONE_LISTS, *columns(undone))}
        touched |= {(uid, list_id) for uid, list_id, _ in works}
    if works:
        await db.execute(FORGET_ITEMS, *columns(works))
        await db.execute(SHOW_ITEMS, *columns(works))
    if touched:
        await db.execute(COUNT, *columns(touched))
    return _topics(touched)


async def apply_to_shelf(db: Db, commits: Sequence[Commit]) -> set[str]:
    """The places of lists among each other. Which lists hold a work follows from the ids that the titles join."""
    orders: dict[ListKey, str | None] = {}
    joining: set[str] = set()
    for commit in commits:
        for event in commit.events:
            if isinstance(event, ListShelved | ListMoved):
                orders[_list_of(event)] = event.order
            elif isinstance(event, ListUnshelved):
                orders[_list_of(event)] = None
            elif isinstance(event, IdsJoined | IdsSplit | ImportUndone):
                joining.add(event.uid)
    if gone := [key for key, order in orders.items() if order is None]:
        await db.execute(FORGET_LISTS.format(table="shelved"), *columns(gone))
    if rows := [(*key, order) for key, order in orders.items() if order is not None]:
        await db.execute(SHELVE, *columns(rows))
    held = [tuple(row) for row in await db.fetch(OF_PEOPLE, list(joining))] if joining else []
    return _topics([*orders, *held]) | {lists_topic(uid) for uid in joining}


async def _save_lists(db: Db, events: Sequence[ListEvent]) -> None:
    """Carry each list through the batch."""
    if not events:
        return
    loaded = await db.fetch(LOAD_LISTS, *columns({_list_of(event) for event in events}))
    rows: dict[ListKey, ListRow] = {(row["uid"], row["list_id"]): ListRow(*row) for row in loaded}
    for event in events:
        key = _list_of(event)
        if isinstance(event, ListDeleted):
            rows.pop(key, None)
        elif (row := _carried(rows.get(key), event)) is not None:
            rows[key] = row
    if gone := {_list_of(event) for event in events if isinstance(event, ListDeleted)}:
        for table in ("list", "list_source", "list_put", "list_item"):
            await db.execute(FORGET_LISTS.format(table=table), *columns(gone))
    if rows:
        await db.execute(SAVE_LISTS, *columns(rows.values()))


def _carried(row: ListRow | None, event: ListCreated | ListRenamed | ListItemsPut | ListItemsRemoved) -> ListRow | None:
    """What an import brings to a list that is there leaves its name alone."""
    if row is None:
        if not isinstance(event, ListCreated):
            return None
        return ListRow(event.uid, event.list_id, event.name, event.at, event.at)
    name = event.name if isinstance(event, ListRenamed) else row.name
    return row._replace(name=name, updated_at=max(row.updated_at, event.at))


async def _save(db: Db, changes: Changes) -> set[tuple[str, str, str]]:
    """Returns the works about which something was said."""
    if changes.sources:
        await db.execute(SAVE_SOURCES, *columns(changes.sources))
    if changes.anew:
        await db.execute(FORGET_PUTS, *columns(changes.anew))
    if changes.puts:
        await db.execute(SAVE_PUTS, *columns(changes.puts.values()))
    return {key[:3] for key in changes.puts}


def _undone(commits: Sequence[Commit]) -> set[tuple[str, str]]:
    return {
        (event.uid, event.import_id) for commit in commits for event in commit.events if isinstance(event, ImportUndone)
    }


def _list_of(event: Any) -> ListKey:
    return event.uid, event.list_id


def _topics(lists: Collection[ListKey]) -> set[str]:
    return {lists_topic(uid) for uid, _ in lists} | {list_topic(*key) for key in lists}


PROJECTIONS = (
    Projection("list", apply_to_list),
    Projection("shelved", apply_to_shelf),
)
