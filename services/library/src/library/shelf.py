"""The rules of what spans a whole library: the order of lists, which ids name one work, and clearing the history."""

from typing import assert_never

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from events.contracts.library import (
    JOINED,
    JOINS,
    UNDONE,
    ClearHistory,
    HistoryCleared,
    IdsJoined,
    IdsSplit,
    ImportUndone,
    JoinIds,
    ListMoved,
    ListShelved,
    ListUnshelved,
    MoveList,
    ShelfCommand,
    ShelfEvent,
    SplitIds,
    TakeInIds,
    happened,
    list_key,
    shelf_key,
    works,
)
from events.cursor import instant
from events.decider import Decider
from events.messages import Context, Rejected
from library import joins, order
from library.joins import OWN, Group
from library.order import GONE, Places, Stamp, Told


class Shelf(Struct, frozen=True):
    """As much of it as its rules need."""

    places: Places = {}
    """Of lists."""
    begun: dict[str, tuple[str, ...]] = {}
    """Whose each list is that some import has brought: such imports, and maybe the person. It goes with the last."""
    left: Places = {}
    """Of lists that only undone imports had begun: they are there still if the person has put something on them."""
    joined: joins.Layers = {}
    undone: tuple[str, ...] = ()
    """The imports that were undone last."""
    cleared: int = 0
    """When the history was cleared last, in microseconds since 1970."""
    newest: int = 0
    """Of what was said of lists."""
    known: tuple[Stamp, ...] = ()

    def group(self, work: str) -> Group:
        """Every id of a work."""
        return joins.group(self.joined, work)


def decide(command: ShelfCommand, shelf: Shelf, context: Context) -> list[ShelfEvent]:
    if not context.actor:
        raise Rejected("not-signed-in")
    if isinstance(command, MoveList):
        return _move(command, shelf, context)
    if isinstance(command, TakeInIds):
        return _take_in(command, shelf)
    at, op = happened(context, command.at, command.sent_at).at, _operation(command)
    if order.is_known(shelf.known, op):
        return []
    match command:
        case JoinIds():
            return _join(command, op, shelf, context)
        case SplitIds():
            return _split(command, op, shelf, context)
        case ClearHistory():
            return [HistoryCleared(uid=context.actor, at=at, op=op)] if instant(at) > shelf.cleared else []
        case _:
            assert_never(command)


def evolve(shelf: Shelf, event: ShelfEvent) -> Shelf:
    match event:
        case HistoryCleared():
            return replace(_remembering(shelf, event), cleared=max(shelf.cleared, instant(event.at)))
        case IdsJoined():
            if event.source in shelf.undone:
                return shelf
            return replace(_remembering(shelf, event), joined=joins.joined(shelf.joined, event.works, event.source))
        case IdsSplit():
            return replace(_remembering(shelf, event), joined=joins.split(shelf.joined, event.work))
        case ImportUndone(import_id=source):
            return _undone(shelf, source)
        case ListShelved(source=source) if source:
            return _brought(shelf, event)
        case ListShelved() | ListMoved():
            if isinstance(event, ListShelved) and event.list_id in shelf.begun:
                shelf = _of_source(shelf, event.list_id, OWN)
            said = Told(event.at, event.op)
            return _placed(_remembering(shelf, event), event.list_id, said, event.order)
        case ListUnshelved():
            begun = {id: sources for id, sources in shelf.begun.items() if id != event.list_id}
            return _placed(replace(shelf, begun=begun), event.list_id, Told(event.at, ""), GONE)
        case _:
            assert_never(event)


def _undone(shelf: Shelf, source: str) -> Shelf:
    """As if the import had never been: lists that nobody else has begun are not there."""
    begun = {id: tuple(other for other in sources if other != source) for id, sources in shelf.begun.items()}
    left = {id: place for id, place in shelf.places.items() if not begun.get(id, (OWN,))}
    return replace(
        shelf,
        places={id: place for id, place in shelf.places.items() if id not in left},
        left={**shelf.left, **left},
        begun={id: sources for id, sources in begun.items() if sources},
        joined=joins.undone(shelf.joined, source),
        undone=remember(shelf.undone, source),
    )


def remember(undone: tuple[str, ...], source: str) -> tuple[str, ...]:
    """The latest imports that were undone."""
    return undone if source in undone else (*undone, source)[-UNDONE:]


def _brought(shelf: Shelf, event: ListShelved) -> Shelf:
    """By an import; what is there already stays at its place."""
    if event.source in shelf.undone:
        return shelf
    said, there = Told(event.at, event.op), is_there(shelf, event.list_id)
    after = _of_source(shelf, event.list_id, event.source)
    return after if there else _placed(_remembering(after, event), event.list_id, said, event.order)


def is_there(shelf: Shelf, list_id: str) -> bool:
    return list_id in shelf.places and shelf.places[list_id].order != GONE


def sources(shelf: Shelf, list_id: str) -> tuple[str, ...]:
    """Whose a list is."""
    return shelf.begun.get(list_id, (OWN,) if is_there(shelf, list_id) else ())


def _of_source(shelf: Shelf, list_id: str, source: str) -> Shelf:
    whose = tuple(dict.fromkeys((*sources(shelf, list_id), source)))
    return replace(shelf, begun={**shelf.begun, list_id: whose})


def bringing(shelf: Shelf, uid: str, list_id: str, source: str, context: Context) -> list[ShelfEvent]:
    """An import brings a list: behind all others, which make no room for it, so that nothing is different once it is
    undone; or where it is already."""
    row = order.row(shelf.places)
    places = dict(row)
    if list_id in places and source in sources(shelf, list_id):
        return []
    where = places.get(list_id) or order.spread(row[-1][1] if row else None, None, 1)[0]
    at = order.after(context, shelf.newest)
    return [ListShelved(uid=uid, list_id=list_id, order=where, at=at, op=source, source=source)]


def shelving(
    shelf: Shelf, uid: str, list_id: str, said: Told, wanted: str | None, context: Context
) -> list[ShelfEvent]:
    """A list takes its place: the one that the device reckoned, or behind all others."""
    row = order.row(shelf.places)
    found = order.room(row, len(row), 1) if wanted is None else order.Room([wanted], {})
    shelved = ListShelved(uid=uid, list_id=list_id, order=found.orders[0], at=said.at, op=said.op)
    return [shelved, *_pushed(shelf, uid, found, said, context)]


def _remembering(shelf: Shelf, event: HistoryCleared | IdsJoined | IdsSplit | ListShelved | ListMoved) -> Shelf:
    if not event.op:
        return shelf
    return replace(shelf, known=order.remembering(shelf.known, order.stamp(event.at, event.op)))


def _placed(shelf: Shelf, list_id: str, said: Told, where: str) -> Shelf:
    place = said.place(where)
    places = order.merged(shelf.places, {list_id: place})
    left = {id: place for id, place in shelf.left.items() if id != list_id}
    return replace(shelf, places=places, left=left, newest=max(shelf.newest, place.at))


def _pushed(shelf: Shelf, uid: str, found: order.Room, said: Told, context: Context) -> list[ShelfEvent]:
    """Those that made room did so now."""
    at = order.after(context, max(shelf.newest, said.stamp.at))
    return [ListMoved(uid=uid, list_id=id, order=where, at=at, op=said.op) for id, where in found.pushed.items()]


def _move(command: MoveList, shelf: Shelf, context: Context) -> list[ShelfEvent]:
    if order.is_known(shelf.known, command.op):
        return []
    places = {**shelf.left, **shelf.places}
    if command.list_id in shelf.left and not _is_kept(shelf, command, context):
        raise Rejected("no-such-list", list_id=command.list_id)
    row = order.row(places)
    there = dict(row)
    for list_id in (command.list_id, command.after):
        if list_id is not None and list_id not in there:
            raise Rejected("no-such-list", list_id=list_id)
    said = order.told(context, command.operation(context), command.at, command.sent_at, shelf.newest)
    found = order.moved(row, command.list_id, command.after, command.order)
    where = found.orders[0]
    if where == there[command.list_id] and command.at is None and not found.pushed:
        return []
    if said.place(where) <= places[command.list_id]:
        return []
    moved = ListMoved(uid=context.actor, list_id=command.list_id, order=where, at=said.at, op=said.op)
    return [moved, *_pushed(shelf, context.actor, found, said, context)]


def looked_at(context: Context) -> Shelf:
    """The asker's, as a command saw it that only looked at it."""
    found = context.seen.get(str(shelf_key(context.actor)))
    return found if isinstance(found, Shelf) else Shelf()


def _is_kept(shelf: Shelf, command: MoveList, context: Context) -> bool:
    """Whether the list that was looked at is there although the import that began it was undone."""
    begun = getattr(context.seen.get(str(list_key(context.actor, command.list_id))), "begun", {})
    return any(source not in shelf.undone for source in begun)


def _operation(command: JoinIds | SplitIds | ClearHistory) -> str:
    """The same for whatever a device tells twice, so that it undoes nothing that was done since; if the device gave no
    id, by what it tells. Empty if it told no time either."""
    if command.op is not None or command.at is None:
        return command.op or ""
    return order.digest(msgspec.json.encode(replace(command, sent_at=None)).decode())


def _join(command: JoinIds, op: str, shelf: Shelf, context: Context) -> list[ShelfEvent]:
    """Ids that are joined already are silence, whichever of them comes first."""
    ids = _ids(command.works)
    if set(ids) <= set(joins.united(shelf.joined, ids[:1], OWN)):
        return []
    _check_joins(shelf, ids)
    return [IdsJoined(uid=context.actor, works=joins.united(shelf.joined, ids, OWN), at=context.now, op=op)]


def _take_in(command: TakeInIds, shelf: Shelf) -> list[ShelfEvent]:
    """Nothing of what is joined already, by whomever."""
    ids = _ids(command.works)
    if command.source in shelf.undone or set(ids) <= set(shelf.group(ids[0])):
        return []
    _check_joins(shelf, ids)
    whole = joins.united(shelf.joined, ids, command.source)
    return [IdsJoined(uid=command.uid, works=whole, at=command.at, source=command.source)]


def _ids(told: tuple[str, ...]) -> Group:
    return tuple(dict.fromkeys(works.parse(work).work for work in told))


def _check_joins(shelf: Shelf, ids: Group) -> None:
    groups = [shelf.group(id) for id in ids]
    if len({*ids, *(other for group in groups for other in group)}) > JOINED:
        raise Rejected("too-many-ids", limit=JOINED)
    if sum(map(len, shelf.joined.values())) >= JOINS and all(len(group) == 1 for group in groups):
        raise Rejected("too-many-joins", limit=JOINS)


def _split(command: SplitIds, op: str, shelf: Shelf, context: Context) -> list[ShelfEvent]:
    work = works.parse(command.work).work
    if len(shelf.group(work)) == 1:
        raise Rejected("not-joined", work=work)
    return [IdsSplit(uid=context.actor, work=work, at=context.now, op=op)]


decider: Decider[ShelfCommand, Shelf, ShelfEvent] = Decider(Shelf(), decide, evolve)
