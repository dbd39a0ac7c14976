"""A person's addons: a merge of what their devices did, so that whatever arrives late changes nothing that came after.

Each addon is four registers: when it was last installed, removed, moved and flagged. Whichever of two (at, op) is the
greater one counts, in whatever order they are told. A move or flags count if they are newer than the last removal.
Imports install, each in a register of its own, and do nothing else: one that is undone takes that with it.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from events.contracts.library import (
    ADDONS,
    AddonFlagged,
    AddonFlags,
    AddonInstalled,
    AddonMoved,
    AddonRemoved,
    AddonsCommand,
    AddonsEvent,
    Descriptor,
    FlagAddon,
    ImportAddons,
    ImportUndone,
    InstallAddon,
    MoveAddon,
    RemoveAddon,
    TakeInAddons,
    happened,
)
from events.decider import Decider
from events.messages import Context, Rejected
from library import manifest, order
from library.rules import Rules
from library.shelf import remember

OWN = ""
"""The source of what a person did; all others are imports."""
FORGOTTEN = 200
"""Removed addons that are remembered, for what a device tells of them late."""
NEVER = datetime(1970, 1, 1, tzinfo=UTC)
TICK = timedelta(microseconds=1)
NO_FLAGS = AddonFlags()


class Told(Struct, frozen=True, array_like=True, order=True):
    """What a register holds; the greater one counts."""

    at: datetime = NEVER
    op: str = ""
    value: str = ""


class Installed(Struct, frozen=True, array_like=True, order=True):
    """An installation, with the place and the flags that it gave."""

    at: datetime = NEVER
    op: str = ""
    digest: str = ""
    order: str = ""
    flags: str = ""


class Addon(Struct, frozen=True, array_like=True):
    """One addon, there or not."""

    by: dict[str, Installed] = {}
    """The installation of each source."""
    removed: Told = Told()
    moved: Told = Told()
    flagged: Told = Told()

    @property
    def installed(self) -> Installed:
        return max(self.by.values(), default=Installed())

    @property
    def source(self) -> str:
        """Whose installation counts."""
        return max(((installed, source) for source, installed in self.by.items()), default=(None, OWN))[1]

    @property
    def counting(self) -> list[str]:
        """Whose installations are newer than the last removal."""
        return [source for source, installed in self.by.items() if _when(installed) > _when(self.removed)]

    @property
    def is_own(self) -> bool:
        """Whether the person has installed it, whatever imports did."""
        return OWN in self.counting

    @property
    def present(self) -> bool:
        return _when(self.installed) > _when(self.removed)

    @property
    def order(self) -> str:
        return self.moved.value if _when(self.moved) > _when(self.removed) else self.installed.order

    @property
    def flags(self) -> AddonFlags:
        if _when(self.flagged) > _when(self.removed):
            return _flags(self.flagged.value)
        return _flags(self.installed.flags)

    @property
    def newest(self) -> datetime:
        """When anything was last done to it."""
        return max(self.installed.at, self.removed.at, self.moved.at, self.flagged.at)

    @property
    def changed_at(self) -> datetime:
        """When what is shown of it last changed."""
        moves = (each.at for each in (self.moved, self.flagged) if _when(each) > _when(self.removed))
        return max((self.installed.at, *moves))


class Addons(Struct, frozen=True):
    """All of a person's, by id."""

    known: dict[str, Addon] = {}
    undone: tuple[str, ...] = ()
    """The imports that were undone last."""

    def row(self) -> order.Row:
        """Those that are there, in their order."""
        there = [(id, addon.order) for id, addon in self.known.items() if addon.present]
        return sorted(there, key=lambda item: (item[1], item[0]))


class _Wish(NamedTuple):
    """What a command says of itself, ready to go into events."""

    uid: str
    at: datetime
    op: str
    told: bool = False
    """Whether the device told its own time."""
    source: str = OWN


_Persons = InstallAddon | MoveAddon | FlagAddon | RemoveAddon | ImportAddons


def decider(rules: Rules = Rules()) -> Decider[AddonsCommand, Addons, AddonsEvent]:
    """The rule book under what an installation has set."""

    def decide(command: AddonsCommand, state: Addons, context: Context) -> list[AddonsEvent]:
        if not context.actor:
            raise Rejected("not-signed-in")
        if isinstance(command, TakeInAddons):
            return list(_news(state, _take_in(command, state, rules)))
        at = happened(context, command.at, command.sent_at).at
        wish = _Wish(context.actor, at, command.operation(context), command.at is not None)
        return list(_news(state, _decide(command, state, wish, rules)))

    return Decider(Addons(), decide, evolve)


def _decide(command: _Persons, state: Addons, wish: _Wish, rules: Rules) -> Iterable[AddonsEvent]:
    match command:
        case InstallAddon():
            return _install(command, state, wish, rules)
        case MoveAddon():
            return _move(command, state, wish)
        case FlagAddon():
            return _flag(command, state, wish)
        case RemoveAddon():
            return _remove(command, state, wish)
        case ImportAddons():
            return _import(command, state, wish, rules)


def _news(state: Addons, events: Iterable[AddonsEvent]) -> Iterator[AddonsEvent]:
    """Those that change something, each after the ones before."""
    for event in events:
        after = evolve(state, event)
        if after != state:
            yield event
            state = after


# Installing.


class _Found(NamedTuple):
    """An addon as a command brings it, checked."""

    id: str
    url: str
    manifest: manifest.Manifest
    digest: str
    flags: AddonFlags


def _found(url: str, raw: bytes, flags: AddonFlags, wish: _Wish, rules: Rules) -> _Found:
    where = manifest.transport(url)
    what = manifest.read(raw)
    return _Found(
        id=rules.digest(wish.uid, "addon", where.identity),
        url=where.url,
        manifest=what,
        digest=rules.digest(wish.uid, "manifest", what.canonical),
        flags=flags,
    )


def _install(command: InstallAddon, state: Addons, wish: _Wish, rules: Rules) -> Iterator[AddonsEvent]:
    manifest.transport(command.transport_url)
    if not manifest.is_given(command.manifest):
        raise Rejected("manifest-unreachable", reason="not-asked")
    found = _found(command.transport_url, bytes(command.manifest), command.flags, wish, rules)
    if found.manifest.needs_configuration:
        raise Rejected("configuration-required")
    known = state.known.get(found.id)
    if known is not None and known.present:
        yield from _take_over(found, known, wish)
        if command.order is not None or command.after is not None:
            yield from _moved(state, found.id, order.moved(state.row(), found.id, command.after, command.order), wish)
        return
    if len(state.row()) >= ADDONS:
        raise Rejected("too-many-addons", limit=ADDONS)
    yield from _installed_anew(found, state, command.after, command.order, wish)


def _take_over(found: _Found, known: Addon, wish: _Wish) -> Iterator[AddonsEvent]:
    """Another manifest of an addon that is there, which stays where it is; flags if there are any. What only an import
    brought becomes the person's own."""
    is_new = wish.told or not known.is_own or known.installed.digest != found.digest
    if known.installed.op != wish.op and is_new:
        yield _installed(found, known, known.order, known.flags, wish)
    if found.flags != NO_FLAGS and found.flags != known.flags:
        yield AddonFlagged(uid=wish.uid, addon_id=found.id, flags=found.flags, at=_at(wish, known), op=wish.op)


def _installed_anew(
    found: _Found, state: Addons, after: str | None, place: str | None, wish: _Wish
) -> Iterator[AddonsEvent]:
    """At *place*, else behind *after*, else last."""
    row = state.row()
    behind = order.index_behind(row, after) if after is not None else None
    room = order.room(row, len(row) if behind is None else behind, 1)
    if place is not None:
        room = order.Room([place], {})
    yield from _pushed(state, room, wish)
    yield _installed(found, state.known.get(found.id), room.orders[0], found.flags, wish)


def _installed(found: _Found, known: Addon | None, place: str, flags: AddonFlags, wish: _Wish) -> AddonInstalled:
    return AddonInstalled(
        uid=wish.uid,
        addon_id=found.id,
        transport_url=found.url,
        manifest=found.manifest.text,
        order=place,
        at=_at(wish, known),
        op=wish.op,
        digest=found.digest,
        flags=flags,
        source=wish.source,
    )


def _take_in(command: TakeInAddons, state: Addons, rules: Rules) -> Iterator[AddonsEvent]:
    """What is there already stays as it is, and so does the place of everything else: undone, nothing is different."""
    if command.source in state.undone:
        return
    wish = _Wish(command.uid, command.at, command.source, source=command.source)
    for number, each in enumerate(command.addons):
        found = _in_collection(number, each, wish, rules)
        known, row = state.known.get(found.id, Addon()), state.row()
        if known.present or command.source in known.by:
            continue
        if len(row) >= ADDONS:
            raise Rejected("too-many-addons", limit=ADDONS)
        (place,) = order.spread(row[-1][1] if row else None, None, 1)
        event = _installed(found, known, place, found.flags, wish)
        state = evolve(state, event)
        yield event


def _import(command: ImportAddons, state: Addons, wish: _Wish, rules: Rules) -> Iterator[AddonsEvent]:
    """One after the other, as if each were installed behind the last one."""
    brought: dict[str, _Found] = {}
    for number, each in enumerate(command.addons):
        found = _in_collection(number, each, wish, rules)
        brought.setdefault(found.id, found)
    gone = [id for id, _ in state.row() if id not in brought and not state.known[id].flags.protected]
    for id in gone if command.replace else ():
        removed = AddonRemoved(uid=wish.uid, addon_id=id, at=_at(wish, state.known[id]), op=wish.op)
        state = evolve(state, removed)
        yield removed
    if len({*dict(state.row()), *brought}) > ADDONS:
        raise Rejected("too-many-addons", limit=ADDONS)
    for found in brought.values():
        for event in _imported(found, state, wish):
            state = evolve(state, event)
            yield event


def _in_collection(number: int, each: Descriptor, wish: _Wish, rules: Rules) -> _Found:
    try:
        return _found(each.transport_url, bytes(each.manifest), each.flags, wish, rules)
    except Rejected as refusal:
        raise Rejected(refusal.code, field=f"addons[{number}]", **refusal.details) from None


def _imported(found: _Found, state: Addons, wish: _Wish) -> Iterator[AddonsEvent]:
    known = state.known.get(found.id)
    if known is not None and known.present:
        yield from _take_over(found, known, wish)
        return
    yield from _installed_anew(found, state, None, None, wish)


# Changing and removing.


def _move(command: MoveAddon, state: Addons, wish: _Wish) -> Iterator[AddonsEvent]:
    _known(state, command.addon_id, wish)
    row = state.row()
    if command.order is None and order.index_behind(row, command.after) is None:
        raise Rejected("no-such-addon", field="after")
    if command.addon_id in dict(row) or command.order is not None:
        room = order.moved(row, command.addon_id, command.after, command.order)
    else:
        room = order.room(row, order.index_behind(row, command.after) or 0, 1)
    yield from _moved(state, command.addon_id, room, wish)


def _moved(state: Addons, id: str, room: order.Room, wish: _Wish) -> Iterator[AddonsEvent]:
    known = state.known[id]
    yield from _pushed(state, room, wish)
    if wish.told or room.orders[0] != known.order:
        yield AddonMoved(uid=wish.uid, addon_id=id, order=room.orders[0], at=_at(wish, known), op=wish.op)


def _pushed(state: Addons, room: order.Room, wish: _Wish) -> Iterator[AddonsEvent]:
    """What makes room."""
    for id, place in room.pushed.items():
        if place != state.known[id].order:
            yield AddonMoved(uid=wish.uid, addon_id=id, order=place, at=_at(wish, state.known[id]), op=wish.op)


def _flag(command: FlagAddon, state: Addons, wish: _Wish) -> Iterator[AddonsEvent]:
    known = _known(state, command.addon_id, wish)
    if wish.told or command.flags != known.flags:
        at = _at(wish, known)
        yield AddonFlagged(uid=wish.uid, addon_id=command.addon_id, flags=command.flags, at=at, op=wish.op)


def _remove(command: RemoveAddon, state: Addons, wish: _Wish) -> Iterator[AddonsEvent]:
    known = state.known.get(command.addon_id)
    if known is None:
        raise Rejected("no-such-addon")
    if known.present and known.flags.protected:
        raise Rejected("addon-protected")
    if wish.told or known.present:
        yield AddonRemoved(uid=wish.uid, addon_id=command.addon_id, at=_at(wish, known), op=wish.op)


def _known(state: Addons, id: str, wish: _Wish) -> Addon:
    """An addon that may be changed. One that was removed may be, too, by who tells late what was done before."""
    known = state.known.get(id)
    if known is None or not (known.present or wish.told):
        raise Rejected("no-such-addon")
    return known


def _at(wish: _Wish, known: Addon | None) -> datetime:
    """As told; what is done now comes after everything that was done to the addon, whatever the clocks said."""
    if wish.told or known is None:
        return wish.at
    return max(wish.at, known.newest + TICK)


# Folding.


def evolve(state: Addons, event: AddonsEvent) -> Addons:
    if isinstance(event, ImportUndone):
        return _without(state, event.import_id)
    if isinstance(event, AddonInstalled) and event.source in state.undone:
        return state
    known = state.known.get(event.addon_id, Addon())
    changed = _evolved(known, event)
    if changed == known:
        return state
    return replace(state, known=_bounded({**state.known, event.addon_id: changed}))


def _without(state: Addons, source: str) -> Addons:
    """As if the import had never been."""
    left = {
        id: replace(addon, by={other: installed for other, installed in addon.by.items() if other != source})
        for id, addon in state.known.items()
    }
    known = {id: addon for id, addon in left.items() if addon != Addon()}
    return Addons(_bounded(known), remember(state.undone, source))


def _evolved(addon: Addon, event: AddonInstalled | AddonMoved | AddonFlagged | AddonRemoved) -> Addon:
    match event:
        case AddonInstalled():
            told = Installed(event.at, event.op, event.digest, event.order, _letters(event.flags))
            before = addon.by.get(event.source, Installed())
            return replace(addon, by={**addon.by, event.source: max(before, told)})
        case AddonRemoved():
            return replace(addon, removed=max(addon.removed, Told(event.at, event.op)))
        case AddonMoved():
            return replace(addon, moved=max(addon.moved, Told(event.at, event.op, event.order)))
        case AddonFlagged():
            return replace(addon, flagged=max(addon.flagged, Told(event.at, event.op, _letters(event.flags))))


def _bounded(known: Mapping[str, Addon]) -> dict[str, Addon]:
    """Without those that were removed longest ago."""
    gone = sorted((addon.newest, id) for id, addon in known.items() if not addon.present)
    forgotten = {id for _, id in gone[: max(0, len(gone) - FORGOTTEN)]}
    return {id: addon for id, addon in known.items() if id not in forgotten}


def _when(told: Told | Installed) -> tuple[datetime, str]:
    return told.at, told.op


def _letters(flags: AddonFlags) -> str:
    return "o" * flags.official + "p" * flags.protected


def _flags(letters: str) -> AddonFlags:
    return AddonFlags(official="o" in letters, protected="p" in letters)
