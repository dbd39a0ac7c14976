"""The rules of lists of works: registers of which the latest word counts, so that devices may tell late."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, NamedTuple, assert_never

from msgspec import Struct
from msgspec.structs import replace

from events.contracts.library import (
    LIST_ITEMS,
    LISTS,
    AddToList,
    CreateList,
    DeleteList,
    Entry,
    ListCommand,
    ListCreated,
    ListDeleted,
    ListEvent,
    ListItem,
    ListItemsPut,
    ListItemsRemoved,
    ListRenamed,
    ListUnshelved,
    MoveInList,
    RemoveFromList,
    RenameList,
    ShelfEvent,
    TakeInList,
    list_key,
    shelf_key,
    works,
)
from events.cursor import instant
from events.decider import Decider, Pact
from events.messages import Command, Context, Key, Rejected
from library import joins, order, shelf
from library.joins import Group
from library.order import GONE, Place, Places, Stamp, Told
from library.shelf import Shelf

OWN = ""
"""The source of what a person did; all others are imports."""


class List(Struct, frozen=True):
    """As much of a list as its rules need; which imports were undone, the shelf knows."""

    begun: dict[str, Stamp] = {}
    """By source: it is there as long as one of them counts. The person has a part in it, too, once they put something
    on it or rename it."""
    named: Stamp = Stamp(0, "")
    deleted: int = 0
    """When, in microseconds since 1970: nothing that was said up to then counts."""
    newest: int = 0
    """Of all that was said."""
    places: dict[str, Places] = {}
    """By source and work: the latest word of all sources counts, and without an undone one that of the others."""
    known: tuple[Stamp, ...] = ()

    def items(self) -> Places:
        """What each work's place is, over all sources."""
        latest: Places = {}
        for places in self.places.values():
            latest = {**latest, **{id: place for id, place in places.items() if id not in latest or latest[id] < place}}
        return latest

    def source(self, work: str) -> str:
        """Whose word of a work is the latest."""
        return max((places[work], source) for source, places in self.places.items() if work in places)[1]

    def counting(self, undone: Collection[str]) -> "List":
        """Without what undone imports brought."""
        if self.begun.keys().isdisjoint(undone) and self.places.keys().isdisjoint(undone):
            return self
        return replace(
            self,
            begun={source: stamp for source, stamp in self.begun.items() if source not in undone},
            places={source: places for source, places in self.places.items() if source not in undone},
        )

    def own(self, work: str) -> Place:
        """What the person said of a work last."""
        return self.places.get(OWN, {}).get(work, Place(0, "", GONE))


class Shown(NamedTuple):
    """What is on a list, each work once: of several ids that name it, under the one of which the latest word is."""

    row: order.Row
    groups: Mapping[str, Group]
    """Of works with several ids."""
    ids: Mapping[str, str]
    """By the first id of such a work, the one that is on the list."""

    @classmethod
    def of(cls, state: List, shelf: Shelf) -> "Shown":
        items = state.items()
        if not shelf.joined:
            return cls(order.row(items), {}, {})
        groups = joins.shown(shelf.joined)
        there = sorted((place, id) for id, place in items.items() if place.order != GONE)
        ids = {groups[id][0]: id for _, id in there if id in groups}
        return cls(order.row({id: place for place, id in there if ids.get(_first(groups, id), id) == id}), groups, ids)

    def names(self, work: str) -> str:
        """The id under which a work is there; if it is not, the id itself."""
        return self.ids.get(_first(self.groups, work), work)

    def group(self, work: str) -> Group:
        return self.groups.get(work, (work,))


def _first(groups: Mapping[str, Group], work: str) -> str:
    return groups[work][0] if work in groups else work


class _Put(NamedTuple):
    """Works that get a place, and what has to make room for them."""

    items: list[ListItem]
    pushed: Mapping[str, str] = {}


def decide(command: ListCommand, state: List, context: Context) -> list[ListEvent]:
    if not context.actor:
        raise Rejected("not-signed-in")
    assert not isinstance(command, CreateList | DeleteList | TakeInList), "decided with the shelf"
    if order.is_known(state.known, command.op):
        return []
    on = shelf.looked_at(context)
    state = state.counting(on.undone)
    if not state.begun:
        raise Rejected("no-such-list", list_id=command.list_id)
    said = order.told(context, command.operation(context), command.at, command.sent_at, state.newest)
    if said.stamp.at <= state.deleted:
        return []
    match command:
        case RenameList():
            renamed = ListRenamed(uid=context.actor, name=command.name, **_of(command, said))
            return [renamed] if said.stamp > state.named else []
        case AddToList():
            return _put(command, _add(command, state, Shown.of(state, on), said), state, said, context)
        case MoveInList():
            return _put(command, _move(command, state, Shown.of(state, on)), state, said, context)
        case RemoveFromList():
            return _remove(command, state, Shown.of(state, on), said, context)
        case _:
            assert_never(command)


def evolve(state: List, event: ListEvent) -> List:
    if isinstance(event, ListDeleted):
        return _deleted(state, instant(event.at))
    said = Told(event.at, event.op)
    state = replace(state, newest=max(state.newest, said.stamp.at), known=order.remembering(state.known, said.stamp))
    if said.stamp.at <= state.deleted:
        return state
    match event:
        case ListCreated():
            named = state.named if event.source else max(state.named, said.stamp)
            return replace(_begun(state, event.source, said.stamp), named=named)
        case ListRenamed():
            return replace(_begun(state, event.source, said.stamp), named=max(state.named, said.stamp))
        case ListItemsPut():
            state = state if event.source else _begun(state, OWN, said.stamp)
            return _placed(state, event.source, {item.work: said.place(item.order) for item in event.items})
        case ListItemsRemoved():
            return _placed(state, OWN, {work: said.place(GONE) for work in event.works})
        case _:
            assert_never(event)


def _begun(state: List, source: str, said: Stamp) -> List:
    return replace(state, begun={**state.begun, source: max(state.begun.get(source, said), said)})


def _placed(state: List, source: str, said: Mapping[str, Place]) -> List:
    return replace(state, places={**state.places, source: order.merged(state.places.get(source, {}), said)})


def _deleted(state: List, at: int) -> List:
    """What was said later stays, say by a device that has begun the list anew."""
    at = max(at, state.deleted)
    left = {source: {id: p for id, p in places.items() if p.at > at} for source, places in state.places.items()}
    return replace(
        state,
        deleted=at,
        newest=max(state.newest, at),
        begun={source: stamp for source, stamp in state.begun.items() if stamp.at > at},
        named=state.named if state.named.at > at else Stamp(0, ""),
        places={source: places for source, places in left.items() if places},
    )


# Items.


def _of(command: RenameList | AddToList | MoveInList | RemoveFromList, said: Told) -> dict[str, Any]:
    """What each event of a command says."""
    return {"list_id": command.list_id, "at": said.at, "op": said.op}


def _put(command: AddToList | MoveInList, put: _Put, state: List, said: Told, context: Context) -> list[ListEvent]:
    """As far as nothing later is known; what makes room does so now."""
    items = tuple(item for item in put.items if said.place(item.order) > state.own(item.work))
    if not items:
        return []
    events: list[ListEvent] = [ListItemsPut(uid=context.actor, items=items, **_of(command, said))]
    at = order.after(context, max(state.newest, said.stamp.at))
    return [*events, *_pushed(context.actor, command.list_id, put.pushed, state, Told(at, said.op))]


def _pushed(uid: str, list_id: str, pushed: Mapping[str, str], state: List, said: Told) -> Iterator[ListItemsPut]:
    """What an import has put there stays the import's, so that it goes with it."""
    sources = {work: state.source(work) for work in pushed}
    for source in sorted(set(sources.values())):
        items = tuple(ListItem(work=work, order=pushed[work]) for work in pushed if sources[work] == source)
        yield ListItemsPut(uid=uid, list_id=list_id, items=items, at=said.at, op=said.op, source=source)


def _add(command: AddToList, state: List, on: Shown, said: Told) -> _Put:
    """What is there already stays where it is, unless a device tells late at which place of its own it put it."""
    row, there = on.row, dict(on.row)
    behind = on.names(works.parse(command.after).work) if command.after is not None else None
    if behind is not None and behind not in there:
        raise Rejected("no-such-item", work=command.after)
    entries = {
        work: entry
        for work, entry in _once(command.items, on).items()
        if said.stamp > _stamp(state.own(work)) and (not _stays(state, work, there) or _insists(command, entry))
    }
    _check_room(len(there.keys() | entries.keys()), bool(entries.keys() - there.keys()))
    index = len(row) if behind is None else order.index_behind(row, behind)
    assert index is not None
    found = order.room(row, index, _homeless(entries, there))
    return _Put(_arranged(entries, there, found.orders), found.pushed)


def _stays(state: List, work: str, there: Mapping[str, str]) -> bool:
    """Whether the person has put it there; what only an import brought becomes their own."""
    return work in there and state.own(work).order != GONE


def _insists(command: AddToList, entry: Entry) -> bool:
    return command.at is not None and entry.order is not None


def _stamp(place: Place) -> Stamp:
    return Stamp(place.at, place.op)


def _entries(entries: Iterable[Entry]) -> dict[str, Entry]:
    """Each work once, under its canonical id."""
    found: dict[str, Entry] = {}
    for entry in entries:
        found.setdefault(works.parse(entry.work, entry.kind).work, entry)
    return found


def _once(entries: Iterable[Entry], on: Shown) -> dict[str, Entry]:
    """Each work once, under the id that is on the list already."""
    found: dict[str, tuple[str, Entry]] = {}
    for work, entry in _entries(entries).items():
        found.setdefault(_first(on.groups, work), (on.names(work), entry))
    return dict(found.values())


def _check_room(count: int, more: bool) -> None:
    if more and count > LIST_ITEMS:
        raise Rejected("list-full", limit=LIST_ITEMS)


def _homeless(entries: Mapping[str, Entry], there: Mapping[str, str]) -> int:
    """How many have no place, neither of their device's reckoning nor on the list already."""
    return sum(entry.order is None and work not in there for work, entry in entries.items())


def _arranged(entries: Mapping[str, Entry], there: Mapping[str, str], orders: Iterable[str]) -> list[ListItem]:
    """Each at its own place, or where it is already, or at the next of *orders*."""
    free = iter(orders)
    return [_item(work, entry, entry.order or there.get(work) or next(free)) for work, entry in entries.items()]


def _item(work: str, entry: Entry, where: str) -> ListItem:
    return ListItem(work=work, order=where, kind=entry.kind, title=entry.title, poster=entry.poster)


def _move(command: MoveInList, state: List, on: Shown) -> _Put:
    """What was taken off meanwhile comes back if a device tells late that it has moved it later, by its own order."""
    row, there = on.row, dict(on.row)
    work = on.names(works.parse(command.work).work)
    if command.at is not None and command.order is not None and work in state.places.get(OWN, {}):
        return _Put([ListItem(work=work, order=command.order)])
    told = command.after if command.order is None else None
    behind = on.names(works.parse(told).work) if told is not None else work
    for wanted, id in ((command.work, work), (told, behind)):
        if id not in there:
            raise Rejected("no-such-item", work=works.parse(wanted or command.work).work)
    found = order.moved(row, work, behind if command.after is not None else None, command.order)
    if command.at is None and found.orders[0] == there[work] and not found.pushed:
        return _Put([])
    return _Put([ListItem(work=work, order=found.orders[0])], found.pushed)


def _remove(command: RemoveFromList, state: List, on: Shown, said: Told, context: Context) -> list[ListEvent]:
    """Under all of its ids. What a device tells late is remembered also of works that are not there: they may come
    later still."""
    there = {work for work, place in state.items().items() if place.order != GONE}
    told = dict.fromkeys(works.parse(work).work for work in command.works)
    gone = tuple(
        work
        for work in dict.fromkeys(id for work in told for id in (work, *on.group(work)))
        if (command.at is not None or work in there) and said.place(GONE) > state.own(work)
    )
    return [ListItemsRemoved(uid=context.actor, works=gone, **_of(command, said))] if gone else []


# What concerns the shelf as well.


def create(command: CreateList, states: Mapping[Key, Any], context: Context) -> Mapping[Key, list[Any]]:
    if not context.actor:
        raise Rejected("not-signed-in")
    list_id = command.new_id(context)
    on, among = list_key(context.actor, list_id), shelf_key(context.actor)
    state, others = _both(states, on, among)
    if order.is_known(state.known, command.operation(context)):
        return {}
    said = order.told(
        context, command.operation(context), command.at, command.sent_at, max(state.newest, others.newest)
    )
    if said.stamp.at <= state.deleted:
        return {}
    if state.counting(others.undone).begun:
        raise Rejected("list-exists", list_id=list_id)
    _check_lists(others)
    created = ListCreated(uid=context.actor, list_id=list_id, name=command.name, at=said.at, op=said.op)
    events: list[ListEvent] = [created, *_named_anew(state, created)]
    return {on: events, among: shelf.shelving(others, context.actor, list_id, said, command.order, context)}


def _named_anew(state: List, created: ListCreated) -> Iterator[ListRenamed]:
    """A list that only undone imports had brought has a name still."""
    if state.begun:
        yield ListRenamed(
            uid=created.uid,
            list_id=created.list_id,
            name=created.name,
            at=created.at,
            op=created.op,
            source=created.source,
        )


def delete(command: DeleteList, states: Mapping[Key, Any], context: Context) -> Mapping[Key, list[Any]]:
    """Takes effect when it arrives: whatever devices told before of the list is gone."""
    if not context.actor:
        raise Rejected("not-signed-in")
    on, among = list_key(context.actor, command.list_id), shelf_key(context.actor)
    state, others = _both(states, on, among)
    if not state.counting(others.undone).begun:
        if state.deleted:
            return {}
        raise Rejected("no-such-list", list_id=command.list_id)
    at = order.after(context, max(state.newest, others.newest))
    return {
        on: [ListDeleted(uid=context.actor, list_id=command.list_id, at=at)],
        among: [ListUnshelved(uid=context.actor, list_id=command.list_id, at=at)],
    }


def take_in(command: TakeInList, states: Mapping[Key, Any], context: Context) -> Mapping[Key, list[Any]]:
    """Told again it adds what is missing. What the person has deleted since then stays so."""
    on, among = list_key(command.uid, command.list_id), shelf_key(command.uid)
    state, others = _both(states, on, among)
    said = Told(command.at, command.source)
    if said.stamp.at <= state.deleted or command.source in others.undone:
        return {}
    counting = state.counting(others.undone)
    events: list[ListEvent] = []
    if command.source not in state.begun:
        created = ListCreated(
            uid=command.uid,
            list_id=command.list_id,
            name=command.name,
            at=said.at,
            op=said.op,
            source=command.source,
        )
        events = [created, *(_named_anew(state, created) if not counting.begun else ())]
    return {on: [*events, *_taken(command, counting, said)], among: _shelved(command, others, context)}


def _taken(command: TakeInList, state: List, said: Told) -> list[ListEvent]:
    """Behind all that is there, which makes no room for it: so that nothing else is different once it is undone."""
    row = order.row(state.items())
    there, brought = dict(row), state.places.get(command.source, {})
    entries = {work: entry for work, entry in _entries(command.items).items() if work not in brought}
    if not entries:
        return []
    _check_room(len(there.keys() | entries.keys()), True)
    orders = order.spread(row[-1][1] if row else None, None, _homeless(entries, there))
    return [
        ListItemsPut(
            uid=command.uid,
            list_id=command.list_id,
            items=tuple(_arranged(entries, there, orders)),
            at=said.at,
            op=said.op,
            source=command.source,
        )
    ]


def _shelved(command: TakeInList, others: Shelf, context: Context) -> list[ShelfEvent]:
    if not shelf.is_there(others, command.list_id):
        _check_lists(others)
    return shelf.bringing(others, command.uid, command.list_id, command.source, context)


def _check_lists(others: Shelf) -> None:
    if len(order.row(others.places)) >= LISTS:
        raise Rejected("too-many-lists", limit=LISTS)


def _both(states: Mapping[Key, Any], on: Key, among: Key) -> tuple[List, Shelf]:
    state, others = states[on], states[among]
    assert isinstance(state, List)
    assert isinstance(others, Shelf)
    return state, others


decider: Decider[ListCommand, List, ListEvent] = Decider(List(), decide, evolve)

_BOTH: Mapping[str, Decider[Any, Any, Any]] = {"list": decider, "shelf": shelf.decider}
PACTS: Mapping[type[Command], Pact[Any, Any, Any]] = {
    CreateList: Pact(_BOTH, create),
    DeleteList: Pact(_BOTH, delete),
    TakeInList: Pact(_BOTH, take_in),
}
