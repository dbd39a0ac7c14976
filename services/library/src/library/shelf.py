"""The rules of what spans a whole library: the order of lists, which ids name one work, and clearing the history."""

from typing import assert_never

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from events.contracts.library import (
    JOINED,
    JOINS,
    ClearHistory,
    HistoryCleared,
    IdsJoined,
    IdsSplit,
    JoinIds,
    ListMoved,
    ListShelved,
    ListUnshelved,
    MoveList,
    ShelfCommand,
    ShelfEvent,
    SplitIds,
    happened,
    works,
)
from events.cursor import instant
from events.decider import Decider
from events.messages import Context, Rejected
from library import order
from library.order import GONE, Places, Stamp, Told

Group = tuple[str, ...]
"""Ids of one work, the one that it is shown under first."""


class Shelf(Struct, frozen=True):
    """As much of it as its rules need."""

    places: Places = {}
    """Of lists."""
    joined: tuple[Group, ...] = ()
    cleared: int = 0
    """When the history was cleared last, in microseconds since 1970."""
    newest: int = 0
    """Of what was said of lists."""
    known: tuple[Stamp, ...] = ()

    def group(self, work: str) -> Group:
        """Every id of a work."""
        return next((group for group in self.joined if work in group), (work,))


def decide(command: ShelfCommand, shelf: Shelf, context: Context) -> list[ShelfEvent]:
    if not context.actor:
        raise Rejected("not-signed-in")
    if isinstance(command, MoveList):
        return _move(command, shelf, context)
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
            group = united(shelf, event.works)
            others = tuple(other for other in shelf.joined if other[0] not in group)
            return replace(_remembering(shelf, event), joined=(*others, group))
        case IdsSplit():
            left = (tuple(work for work in group if work != event.work) for group in shelf.joined)
            return replace(_remembering(shelf, event), joined=tuple(group for group in left if len(group) > 1))
        case ListShelved() | ListMoved():
            said = Told(event.at, event.op)
            return _placed(_remembering(shelf, event), event.list_id, said, event.order)
        case ListUnshelved():
            return _placed(shelf, event.list_id, Told(event.at, ""), GONE)
        case _:
            assert_never(event)


def united(shelf: Shelf, ids: Group) -> Group:
    """These ids and all that were joined to any of them before; the first of these is the one to show."""
    return tuple(dict.fromkeys((*ids, *(other for work in ids for other in shelf.group(work)))))


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
    return replace(shelf, places=places, newest=max(shelf.newest, place.at))


def _pushed(shelf: Shelf, uid: str, found: order.Room, said: Told, context: Context) -> list[ShelfEvent]:
    """Those that made room did so now."""
    at = order.after(context, max(shelf.newest, said.stamp.at))
    return [ListMoved(uid=uid, list_id=id, order=where, at=at, op=said.op) for id, where in found.pushed.items()]


def _move(command: MoveList, shelf: Shelf, context: Context) -> list[ShelfEvent]:
    if order.is_known(shelf.known, command.op):
        return []
    row = order.row(shelf.places)
    there = dict(row)
    for list_id in (command.list_id, command.after):
        if list_id is not None and list_id not in there:
            raise Rejected("no-such-list", list_id=list_id)
    said = order.told(context, command.operation(context), command.at, command.sent_at, shelf.newest)
    found = order.moved(row, command.list_id, command.after, command.order)
    where = found.orders[0]
    if where == there[command.list_id] and command.at is None and not found.pushed:
        return []
    if said.place(where) <= shelf.places[command.list_id]:
        return []
    moved = ListMoved(uid=context.actor, list_id=command.list_id, order=where, at=said.at, op=said.op)
    return [moved, *_pushed(shelf, context.actor, found, said, context)]


def _operation(command: JoinIds | SplitIds | ClearHistory) -> str:
    """The same for whatever a device tells twice, so that it undoes nothing that was done since; if the device gave no
    id, by what it tells. Empty if it told no time either."""
    if command.op is not None or command.at is None:
        return command.op or ""
    return order.digest(msgspec.json.encode(replace(command, sent_at=None)).decode())


def _join(command: JoinIds, op: str, shelf: Shelf, context: Context) -> list[ShelfEvent]:
    """Ids that are joined already are silence, whichever of them comes first."""
    ids = tuple(dict.fromkeys(works.parse(work).work for work in command.works))
    group = united(shelf, ids)
    if set(group) == set(shelf.group(ids[0])):
        return []
    if len(group) > JOINED:
        raise Rejected("too-many-ids", limit=JOINED)
    if len(shelf.joined) >= JOINS and not any(work in other for other in shelf.joined for work in ids):
        raise Rejected("too-many-joins", limit=JOINS)
    return [IdsJoined(uid=context.actor, works=group, at=context.now, op=op)]


def _split(command: SplitIds, op: str, shelf: Shelf, context: Context) -> list[ShelfEvent]:
    work = works.parse(command.work).work
    if len(shelf.group(work)) == 1:
        raise Rejected("not-joined", work=work)
    return [IdsSplit(uid=context.actor, work=work, at=context.now, op=op)]


decider: Decider[ShelfCommand, Shelf, ShelfEvent] = Decider(Shelf(), decide, evolve)
