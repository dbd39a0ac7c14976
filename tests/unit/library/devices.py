"""Three devices of one person that are away now and then, and imports beside them: what they do, to be told later.

Whatever waits on a device carries the time at which it happened; each device tells in its own order, and repeats what
it has heard no answer to. What the rules document to depend on when it arrives is left out, or kept apart:

- To delete a list, to join or split ids and to remove an addon take effect when they arrive.
- A session is one device's, and does not begin at the end: its first word would belong to a play that happens to be
  known. The older status `dropped` asks how far somebody is.
- A device takes only plays of its own out of the history, which it has told before.
- An import adds no addon that is there, and says so to nobody: so a step of it comes twice at once or not at all.
- Works and addons without a place of their own go behind all that is there: so the last one is never moved.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import reduce
from typing import Any, NamedTuple

from msgspec import UNSET, Raw
from msgspec import json as msgjson
from tests.simulators.addons import manifest

from events.contracts.library import (
    AddonFlags,
    AddToList,
    ClearHistory,
    CreateList,
    Descriptor,
    Details,
    Entry,
    Episode,
    FailImport,
    FlagAddon,
    InstallAddon,
    ItemChange,
    JoinIds,
    ListCreated,
    ListRenamed,
    Mark,
    MoveAddon,
    MoveInList,
    MoveList,
    Progressed,
    RemoveFromList,
    RemovePlays,
    RenameList,
    Report,
    Season,
    SetItem,
    StartImport,
    TakeIn,
    TakeInAddons,
    TakeInList,
    TakenPlay,
    TakenPosition,
    UndoImport,
    addons_key,
    list_key,
    shelf_key,
    title_key,
)
from events.messages import Command, Context, Event, Key
from events.testing import NOW
from library.addons import Addons
from library.decider import PACTS, deciders
from library.lists import List
from library.manifest import transport
from library.order import row
from library.rules import Rules
from library.shelf import Shelf
from library.title.state import Title, evolve, merge, moment
from library.title.summary import summary

DEVICES = ("tv", "phone", "laptop")
IMPORTS = "imports"
QUEUES = (*DEVICES, IMPORTS)
FILM, SERIES, ALIAS = "tt0133093", "tt0944947", "tmdb:tv:1399"
EPISODES = tuple(Episode(season=1, episode=n) for n in (1, 2))
WATCHABLE = ((FILM, None), *((work, episode) for work in (SERIES, ALIAS) for episode in EPISODES))
SHOW = Details(kind="series", title="Thrones", seasons=(Season(season=1, episodes=(1, 2)),))
LISTED = ("tt0000001", "tt0000002", "tt0000003")
LAST, BROUGHT = "tt0000008", "tt0000009"
LISTS = ("l1", "l2")
ORDERS = ("Zz", "a0", "a0V", "a1", "a2")
ADDONS = ("a", "b", "c", "last")
BEGIN = NOW - timedelta(days=1)
RULES = Rules(pepper=b"pepper")


class Step(NamedTuple):
    """Something that was done, and is told later."""

    command: Command
    id: str
    now: datetime | None = None
    """When the server itself did it; else it does not matter when it hears of it."""


class Server:
    """The rules over the streams and the heartbeats of one person, as a service keeps them."""

    def __init__(self, uid: str) -> None:
        self.uid = uid
        self.rules = deciders(RULES)
        self.states: dict[Key, Any] = {}
        self.beats: dict[tuple[str, str], Progressed] = {}
        self.names: dict[str, str] = {}
        self.now = NOW

    def hear(self, step: Step) -> None:
        self.now += timedelta(seconds=1)
        context = Context(actor=self.uid, now=step.now or self.now, command_id=step.id)
        seen = {str(key): self.state(key) for key in step.command.looks_at(context)}
        context = Context(actor=self.uid, now=context.now, command_id=step.id, seen=seen)
        states = {key: self.state(key) for key in step.command.keys(context)}
        pact = PACTS.get(type(step.command))
        decided: Mapping[Key, Sequence[Event]]
        if pact is not None:
            decided = pact.decide(step.command, states, context)
        else:
            ((key, state),) = states.items()
            decided = {key: self.rules[key.aggregate].decide(step.command, state, context)}
        for key, events in decided.items():
            self.states[key] = self.rules[key.aggregate].fold([e for e in events if not e.telemetry], states[key])
            self._keep(events)

    def _keep(self, events: Iterable[Event]) -> None:
        """What no state of a rule book has."""
        for event in events:
            if isinstance(event, Progressed):
                kept = self.beats.get((event.work, event.slot()))
                if kept is None or event.recency() >= kept.recency():
                    self.beats[event.work, event.slot()] = event
            elif isinstance(event, ListRenamed) or (isinstance(event, ListCreated) and not event.source):
                self.names[event.list_id] = event.name

    def state(self, key: Key) -> Any:
        return self.states.get(key, self.rules[key.aggregate].initial)

    def title(self, work: str) -> Title:
        state: Title = self.state(title_key(self.uid, work))
        return reduce(evolve, (beat for (of, _), beat in self.beats.items() if of == work), state)

    def view(self) -> dict[str, Any]:
        """All that a device is shown."""
        shelf: Shelf = self.state(shelf_key(self.uid))
        addons: Addons = self.state(addons_key(self.uid))
        undone, cleared = frozenset(shelf.undone), moment(shelf.cleared) if shelf.cleared else None
        shown: dict[str, Any] = {
            work: summary(reduce(merge, map(self.title, shelf.group(work))), undone, cleared) for work in (FILM, SERIES)
        }
        for list_id in LISTS:
            state: List = self.state(list_key(self.uid, list_id))
            shown[list_id] = self.names[list_id], row(state.counting(shelf.undone).items())
        shown["lists"] = row(shelf.places)
        shown["addons"] = [
            (id, at, addons.known[id].flags, addons.known[id].installed.digest) for id, at in addons.row()
        ]
        return shown


def address(name: str) -> str:
    return f"https://{name}.example/manifest.json"


def addon_id(uid: str, name: str) -> str:
    return RULES.digest(uid, "addon", transport(address(name)).identity)


def raw() -> Raw:
    return Raw(msgjson.encode(manifest()))


class Household:
    """What was done on each device, in its order."""

    def __init__(self, uid: str, addons: Mapping[str, str]) -> None:
        self.uid = uid
        self.addons = addons
        """Ids by their names."""
        self.queues: dict[str, list[Step]] = {queue: [] for queue in QUEUES}
        self.alone = {device: Server(uid) for device in DEVICES}
        """What each device knows of the titles by itself."""
        self.clock = BEGIN
        self.nth = 0
        self.waiting: list[str] = []
        """Imports that nobody has undone."""

    @staticmethod
    def beginning() -> list[Step]:
        """What is there before anybody goes away."""
        told: dict[str, Any] = {"at": BEGIN - timedelta(hours=1)}
        orders = dict(zip((*LISTED, LAST), ("a0", "a1", "a2", "zz"), strict=True))
        entries = tuple(Entry(work=work, order=order) for work, order in orders.items())
        commands: list[Command] = [
            CreateList(name=list_id, list_id=list_id, order=f"a{n}", op=list_id, **told)
            for n, list_id in enumerate(LISTS)
        ]
        commands += [AddToList(list_id=list_id, items=entries, op="first", **told) for list_id in LISTS]
        commands += [
            InstallAddon(transport_url=address(name), manifest=raw(), order=order, op=name, **told)
            for name, order in zip(ADDONS, ("a0", "a1", "a2", "zz"), strict=True)
        ]
        commands.append(JoinIds(works=(SERIES, ALIAS), op="join"))
        return [Step(command, f"begin{n:011}") for n, command in enumerate(commands)]

    def _told(self, device: str, kind: type[Command], **fields: Any) -> None:
        self.nth += 1
        self.clock += timedelta(seconds=10)
        step = Step(kind(**fields, at=self.clock, op=f"{device}-{self.nth}", device=device), f"{self.nth:016}")
        self.queues[device].append(step)
        if kind in (Report, Mark, SetItem):
            self.alone[device].hear(step)

    # What a device does.

    def watch(
        self, device: str, what: tuple[str, Episode | None], positions: Sequence[float], state: str, session: int | None
    ) -> None:
        """Play from one of these positions to the next; nobody knows the duration before the second one."""
        work, episode = what
        for n, position in enumerate(positions):
            last = n == len(positions) - 1
            self._told(
                device,
                Report,
                work=work,
                episode=episode,
                position=position,
                duration=100.0 if n else None,
                state=state if last else "playing",
                session=f"{device} {session}" if session is not None else None,
                next=EPISODES[1] if episode == EPISODES[0] else None,
            )

    def mark(self, device: str, work: str, episodes: tuple[int, ...], watched: bool) -> None:
        seasons = (Season(season=1, episodes=episodes),) if work != FILM else ()
        self._told(device, Mark, work=work, seasons=seasons, watched=watched)

    def choose(self, device: str, work: str, change: ItemChange) -> None:
        values = {field: getattr(change, field) for field in change.__struct_fields__}
        self._told(device, SetItem, work=work, **{field: v for field, v in values.items() if v is not UNSET})

    def remove_play(self, device: str, nth: int) -> None:
        """One that it has told; nothing if there is none."""
        titles = {work: self.alone[device].title(work) for work in (FILM, SERIES, ALIAS)}
        plays = sorted((work, id) for work in titles for slot in titles[work].slots.values() for id in slot.plays)
        if plays:
            work, id = plays[nth % len(plays)]
            self._told(device, RemovePlays, work=work, plays=(id,))

    def clear(self, device: str) -> None:
        self._told(device, ClearHistory)

    def put(self, device: str, list_id: str, work: str, order: str) -> None:
        self._told(device, AddToList, list_id=list_id, items=(Entry(work=work, order=order),))

    def move(self, device: str, list_id: str, work: str, order: str) -> None:
        self._told(device, MoveInList, list_id=list_id, work=work, order=order)

    def take_off(self, device: str, list_id: str, work: str) -> None:
        self._told(device, RemoveFromList, list_id=list_id, works=(work,))

    def rename(self, device: str, list_id: str) -> None:
        self._told(device, RenameList, list_id=list_id, name=f"{list_id} of {device}-{self.nth}")

    def move_list(self, device: str, list_id: str, order: str) -> None:
        self._told(device, MoveList, list_id=list_id, order=order)

    def move_addon(self, device: str, name: str, order: str) -> None:
        self._told(device, MoveAddon, addon_id=self.addons[name], order=order)

    def flag_addon(self, device: str, name: str, official: bool) -> None:
        self._told(device, FlagAddon, addon_id=self.addons[name], flags=AddonFlags(official=official))

    def install(self, device: str, name: str) -> None:
        self._told(device, InstallAddon, transport_url=address(name), manifest=raw())

    # What imports do, at the server's time, one after the other.

    def _done(self, command: Command) -> None:
        self.nth += 1
        self.clock += timedelta(seconds=10)
        self.queues[IMPORTS].append(Step(command, f"{self.nth:016}", self.clock))

    def take_in(self, what: tuple[str, Episode | None], replacing: bool, change: ItemChange) -> None:
        """A file that brings a play, a position, what was chosen, a list and an addon, until it breaks off."""
        work, episode = what
        slot = f"{episode.season}-{episode.episode}" if episode else "film"
        self._done(StartImport(upload="0" * 32, format="trakt"))
        source = self.queues[IMPORTS][-1].id
        self._done(FailImport(uid=self.uid, import_id=source, code="cut-off"))
        said: dict[str, Any] = {"uid": self.uid, "source": source, "at": self.clock}
        play = TakenPlay(slot=slot, id=f"trakt:{slot}", watched_at=self.clock - timedelta(seconds=45))
        resume = TakenPosition(slot=slot, position=20.0, at=self.clock - timedelta(seconds=35), duration=100.0)
        taken = TakeIn(
            work=work, format="trakt", plays=(play,), resume=resume, change=change, cleared=replacing, **said
        )
        entries = (Entry(work=LISTED[0], order="a1V"), Entry(work=BROUGHT))
        addons = tuple(Descriptor(transport_url=address(name), manifest=raw()) for name in ("a", "brought"))
        self._done(taken)
        self._done(TakeInList(list_id="l1", name="Noir", items=entries, **said))
        self._done(TakeInAddons(addons=addons, **said))
        self.waiting.append(source)

    def undo(self, nth: int) -> None:
        if self.waiting:
            self._done(UndoImport(import_id=self.waiting.pop(nth % len(self.waiting))))
