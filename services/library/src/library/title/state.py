"""What is known of a title, as a merge: each event is a little knowledge, and knowing more never depends on the order.

Every part is a set that only grows, or keeps its greatest: late devices, repeats, imports and joined ids all become
`merge`. What follows from it for the person who watches, `summary` says.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, Generic, Literal, NamedTuple, TypeVar, assert_never

import msgspec
from msgspec import UNSET, Struct
from msgspec.structs import replace

from events.contracts.library import (
    Completed,
    Details,
    ItemChange,
    ItemChanged,
    Marked,
    PlaysRemoved,
    Progress,
    Progressed,
    Reaction,
    Started,
    Stopped,
    TakenIn,
    TitleEvent,
    slot,
)

POINTS = 128
"""Newest facts of play sessions that are remembered per title; an older session is met as if for the first time."""
MARKS = 3
"""Newest marks that are remembered per film or episode."""
PLAYS = 1_000
"""Plays to the end that are remembered per film or episode: those that went on latest."""
OPERATIONS = 128
"""Newest operations per title that are known when a device repeats them without a time of its own."""

T = TypeVar("T")
K = TypeVar("K")
V = TypeVar("V")

Stamp = int
"""A time in microseconds since 1970: exact, and short."""
Stage = Literal["h", "p", "s", "c"]
"""What a session told: only its position (a heartbeat), that it plays, that it stands, that it is at the end."""
HEARD: Stage = "h"
PLAYING: Stage = "p"
STOPPED: Stage = "s"
COMPLETED: Stage = "c"

NAMELESS = "play"
"""Begins the ids of plays on a device without a name, in a session without an id."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_FIRST = (datetime(2, 1, 1, tzinfo=UTC) - _EPOCH) // _MICROSECOND
_LAST = (datetime(9998, 1, 1, tzinfo=UTC) - _EPOCH) // _MICROSECOND
_STAGES = "hpsc"
_NUMBERED = re.compile(r"[~@]-?[0-9]+$")


def stamp(moment: datetime) -> Stamp:
    return ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _EPOCH) // _MICROSECOND


def moment(stamp: Stamp) -> datetime:
    return _EPOCH + timedelta(microseconds=min(max(stamp, _FIRST), _LAST))


def order(slot: str) -> tuple[int, int]:
    """Season and episode, by which the slots of a title are ordered; a film has -1 and -1."""
    season, _, episode = slot.partition("-")
    return (int(season), int(episode)) if episode else (-1, -1)


# A title may have thousands of slots. None of this can be part of a cycle, so that the garbage collector, which would
# go through all of it again and again, need not know of it.


class Point(Struct, frozen=True, array_like=True, gc=False):
    """Where a session was."""

    at: Stamp
    skew: int
    """What has to be added for the time by the device's clock, which orders what one session told."""
    stage: Stage
    slot: str
    session: str
    player: str
    position: float
    duration: float | None = None
    watched: float | None = None
    """Seconds of the session that really played until then."""

    @property
    def own(self) -> Stamp:
        return self.at + self.skew


class Begun(Struct, frozen=True, array_like=True, order=True, gc=False):
    """A time, and by the device's clock what tells two apart that the server's cannot."""

    at: Stamp
    own: Stamp


class Done(Struct, frozen=True, array_like=True, order=True, gc=False):
    """When something was last at its end, and what its player would show then."""

    at: Stamp
    own: Stamp
    next: str = ""
    """A slot; empty if nobody knows."""


class Play(Struct, frozen=True, array_like=True, gc=False):
    """A film or an episode watched to the end on one of the person's devices."""

    at: Stamp
    skew: int
    late: int
    """How much later the server learnt of it."""
    player: str
    position: float
    duration: float | None = None
    watched: float | None = None
    """Seconds of the whole session that really played until then."""
    again: int = 0
    """How much later somebody was last at the end of it once more."""

    @property
    def until(self) -> Stamp:
        return self.at + self.again

    @property
    def own(self) -> Stamp:
        return self.at + self.skew

    @property
    def told(self) -> Stamp:
        return self.at + self.late


class Mark(Struct, frozen=True, array_like=True, gc=False):
    """A film or an episode declared watched, or not."""

    at: Stamp
    op: str
    """A digest of the operation's id."""
    watched: bool
    watched_at: Stamp | None
    late: int
    player: str

    @property
    def told(self) -> Stamp:
        return self.at + self.late


class Taken(Struct, frozen=True, array_like=True, gc=False):
    """A play, as one source brought it."""

    at: Stamp
    late: int
    watched_at: Stamp | None

    @property
    def told(self) -> Stamp:
        return self.at + self.late


class Resume(Struct, frozen=True, array_like=True, gc=False):
    """Where to resume, as one source knew it."""

    at: Stamp
    position: float
    duration: float | None


class Slot(Struct, frozen=True, omit_defaults=True, gc=False):
    """What is known of one film or episode."""

    newest: Point | None = None
    begun: Begun | None = None
    """When a session last began to play, or went on."""
    done: Done | None = None
    plays: dict[str, Play] = {}
    """By their ids, the newest `PLAYS`."""
    marks: tuple[Mark, ...] = ()
    """The newest `MARKS`, oldest first."""
    taken: dict[str, dict[str, Taken]] = {}
    """Plays by their ids, and by the sources that brought them."""
    resumes: dict[str, Resume] = {}
    """By their sources."""


class Register(Struct, Generic[T], frozen=True, array_like=True):
    """A value that its owner, or an import, chose; the latest counts."""

    at: Stamp
    op: str
    value: T


class Choices(Struct, frozen=True, omit_defaults=True):
    """What was chosen about a title, each by its source; empty stands for the person."""

    in_watchlist: dict[str, Register[bool]] = {}
    status: dict[str, Register[Progress | None]] = {}
    reaction: dict[str, Register[Reaction | None]] = {}
    favourite: dict[str, Register[bool]] = {}
    hidden: dict[str, Register[bool]] = {}
    progress: dict[str, Register[float | None]] = {}
    details: dict[str, Register[Details | None]] = {}


class Operation(NamedTuple):
    """That a device did something: told again, it is known."""

    at: Stamp
    op: str


class Title(Struct, frozen=True, omit_defaults=True):
    """One title of one person."""

    slots: dict[str, Slot] = {}
    choices: Choices = Choices()
    points: tuple[Point, ...] = ()
    """The newest facts of all sessions, oldest first."""
    removed: dict[str, Stamp] = {}
    """Plays and marks that were taken out of the history, by their ids."""
    clears: dict[str, Stamp] = {}
    """Imports that replace what was known before, by source."""
    formats: dict[str, str] = {}
    """Of the sources."""
    operations: tuple[Operation, ...] = ()


def evolve(title: Title, event: TitleEvent) -> Title:
    """What is known after *event*; the same title if it was known already."""
    return merge(title, _learnt(event))


def merge(a: Title, b: Title) -> Title:
    """What *a* and *b* know together: of two devices, of two ids of one work, of a title and an event."""
    parts = (
        _joined(a.slots, b.slots, _slot),
        _choices(a.choices, b.choices),
        _newest(a.points, b.points, place, POINTS),
        _joined(a.removed, b.removed, min),
        _joined(a.clears, b.clears, max),
        _joined(a.formats, b.formats, max),
        _newest(a.operations, b.operations, tuple, OPERATIONS),
    )
    same = (a.slots, a.choices, a.points, a.removed, a.clears, a.formats, a.operations)
    return a if all(x is y for x, y in zip(parts, same, strict=True)) else Title(*parts)


def digest(text: str) -> str:
    """Short enough to keep thousands; tells the operations of one title apart."""
    return sha256(text.encode()).hexdigest()[:12]


def session_of(event: Started | Stopped | Completed | Progressed) -> str:
    """Its session; of a device that names none, the device."""
    return event.session or event.player


def play_id(event: Completed) -> str:
    """Of what was stored before plays had ids, one that follows from the event alone."""
    return event.play or nameless_play(event.player, stamp(event.own or event.at))


def nameless_play(player: str, own: Stamp) -> str:
    """Id of a play whose session has no id of its own."""
    return f"{player or NAMELESS}@{own}"


def family(play: str) -> str:
    """What the plays of one session have in common: their ids but for a number at the end."""
    return _NUMBERED.sub("", play)


def mark_id(mark: Mark, slot: str) -> str:
    """Id of a mark in the history."""
    return f"mark:{mark.op}:{slot}"


def marking(op: str) -> str:
    """How the operation of a mark is remembered."""
    return digest(f"mark {op}")


def setting(op: str) -> str:
    """How the operation of a choice is remembered."""
    return digest(f"set {op}")


# What one event knows.


def _learnt(event: TitleEvent) -> Title:
    match event:
        case Started():
            return _told(event, PLAYING)
        case Stopped():
            return _told(event, STOPPED)
        case Completed():
            return _told(event, COMPLETED)
        case Progressed():
            return _told(event, HEARD)
        case Marked():
            return _marked(event)
        case ItemChanged():
            op = setting(event.op)
            return Title(
                choices=_chosen(event.change, "", stamp(event.at), op),
                operations=(Operation(stamp(event.told_at), op),),
            )
        case PlaysRemoved():
            return Title(removed=dict.fromkeys(event.plays, stamp(event.at)))
        case TakenIn():
            return _taken_in(event)
        case _:
            assert_never(event)


def _told(event: Started | Stopped | Completed | Progressed, stage: Stage) -> Title:
    at, own, where = stamp(event.at), stamp(event.own or event.at), slot(event.episode)
    session = session_of(event)
    point = Point(at, own - at, stage, where, session, event.player, event.position, event.duration, event.watched)
    known = Slot(newest=point, begun=Begun(at, own) if stage == PLAYING else None)
    if isinstance(event, Completed):
        late = stamp(event.told_at) - at if event.told_at else 0
        play = Play(at, own - at, late, event.player, event.position, event.duration, event.watched)
        done = Done(at, own, slot(event.next) if event.next else "")
        known = Slot(newest=point, done=done, plays={play_id(event): play})
    return Title(slots={where: known}, points=() if stage == HEARD else (point,))


def _marked(event: Marked) -> Title:
    told, op = stamp(event.told_at), marking(event.op)
    watched_at = stamp(event.watched_at) if event.watched_at else None
    at = stamp(event.at)
    mark = Mark(at, op, event.watched, watched_at, told - at, event.player)
    return Title(
        slots=dict.fromkeys(event.slots, Slot(marks=(mark,))),
        operations=(Operation(told, op),),
    )


def _taken_in(event: TakenIn) -> Title:
    at, told, source = stamp(event.at), stamp(event.told_at), event.source
    slots: dict[str, Slot] = {}
    for play in event.plays:
        taken = Taken(at, told - at, stamp(play.watched_at) if play.watched_at else None)
        learnt = Slot(taken={play.id: {source: taken}})
        slots[play.slot] = _slot(slots[play.slot], learnt) if play.slot in slots else learnt
    if resume := event.resume:
        learnt = Slot(resumes={source: Resume(stamp(resume.at), resume.position, resume.duration)})
        slots[resume.slot] = _slot(slots.get(resume.slot, Slot()), learnt)
    return Title(
        slots=slots,
        choices=_chosen(event.change, source, at, source),
        clears={source: at} if event.cleared else {},
        formats={source: event.format},
    )


def _chosen(change: ItemChange, source: str, at: Stamp, op: str) -> Choices:
    return Choices(**{field: {source: Register(at, op, value)} for field, value in changed(change).items()})


def changed(change: ItemChange) -> dict[str, Any]:
    """The fields that are to be different, and their values."""
    values = ((field, getattr(change, field)) for field in change.__struct_fields__)
    return {field: value for field, value in values if value is not UNSET}


# How two pieces of knowledge are put together: whichever comes first, and however often. The first one itself is the
# answer if the other adds nothing, so that silence is cheap to tell.


def _joined(a: dict[K, V], b: Mapping[K, V], join: Callable[[V, V], V]) -> dict[K, V]:
    added: dict[K, V] = {}
    for key, theirs in b.items():
        mine = a.get(key)
        both = theirs if mine is None else join(mine, theirs)
        if both is not mine and both != mine:
            added[key] = both
    return {**a, **added} if added else a


def _newest(a: tuple[T, ...], b: tuple[T, ...], order: Callable[[T], Any], most: int) -> tuple[T, ...]:
    news = [one for one in b if one not in a]
    if not news:
        return a
    if len(news) == 1 and a and order(a[-1]) < order(news[0]):
        return (*a, *news)[-most:]
    kept = tuple(sorted((*a, *dict.fromkeys(news)), key=order)[-most:])
    return a if kept == a else kept


def _greater(a: T | None, b: T | None, order: Callable[[T], Any]) -> T | None:
    if a is None or b is None:
        return b if a is None else a
    return b if order(a) < order(b) else a


def _slot(a: Slot, b: Slot) -> Slot:
    parts = (
        _greater(a.newest, b.newest, place),
        _greater(a.begun, b.begun, _itself),
        _greater(a.done, b.done, _itself),
        _plays(a.plays, b.plays),
        _newest(a.marks, b.marks, _fields, MARKS),
        _joined(a.taken, b.taken, _taken),
        _joined(a.resumes, b.resumes, _resume),
    )
    same = (a.newest, a.begun, a.done, a.plays, a.marks, a.taken, a.resumes)
    return a if all(x is y for x, y in zip(parts, same, strict=True)) else Slot(*parts)


def _choices(a: Choices, b: Choices) -> Choices:
    parts = {field: _joined(getattr(a, field), getattr(b, field), _register) for field in a.__struct_fields__}
    return a if all(parts[field] is getattr(a, field) for field in parts) else Choices(**parts)


def _register(a: Register[T], b: Register[T]) -> Register[T]:
    if (a.at, a.op) != (b.at, b.op):
        return b if (a.at, a.op) < (b.at, b.op) else a
    return b if msgspec.json.encode(a.value) < msgspec.json.encode(b.value) else a


def _plays(a: dict[str, Play], b: dict[str, Play]) -> dict[str, Play]:
    both = _joined(a, b, _play)
    if len(both) <= PLAYS:
        return both
    kept = dict(sorted(both.items(), key=lambda item: (item[1].until, item[0]))[-PLAYS:])
    return a if kept == a else kept


def _play(a: Play, b: Play) -> Play:
    """Of one play told twice, the first; and how long it went on."""
    first = b if _told_first(b) < _told_first(a) else a
    again = max(a.until, b.until) - first.at
    return first if first.again == again else replace(first, again=again)


def _told_first(play: Play) -> tuple[Any, ...]:
    return _fields(play)[:-1]


def _taken(a: dict[str, Taken], b: dict[str, Taken]) -> dict[str, Taken]:
    return _joined(a, b, lambda x, y: y if _fields(y) < _fields(x) else x)


def _resume(a: Resume, b: Resume) -> Resume:
    return b if _fields(a) < _fields(b) else a


def place(point: Point) -> tuple[Any, ...]:
    """The order of all points; within a session its own clock has the same order as `at`."""
    return (
        point.at,
        point.own,
        _STAGES.index(point.stage),
        point.session,
        *_comparable(point.position, point.duration, point.watched, point.player, point.slot),
    )


def _fields(one: Struct) -> tuple[Any, ...]:
    return tuple(_comparable(*(getattr(one, field) for field in one.__struct_fields__)))


def _comparable(*values: Any) -> Iterable[Any]:
    """None before everything."""
    return ((value is not None, value if value is not None else 0) for value in values)


def _itself(one: T) -> T:
    return one
