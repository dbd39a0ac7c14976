"""What is known of each film or episode of a title, as far as it counts: where it is, and what says it was watched."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Literal, NamedTuple, TypeVar

from msgspec import Struct

from library.title.state import (
    PLAYING,
    Mark,
    Play,
    Point,
    Register,
    Slot,
    Stamp,
    Title,
    family,
    mark_id,
    order,
    stamp,
)

T = TypeVar("T")

LONG_AGO: Stamp = -(2**62)


class Seen(NamedTuple):
    """A title, and what of it does not count."""

    title: Title
    undone: frozenset[str]
    cleared: Stamp
    replaced: tuple[tuple[str, Stamp], ...]
    """By which imports, and when."""
    points: Mapping[tuple[str, str], list[Point]]
    """By film or episode, and session; in its own order."""

    @classmethod
    def of(cls, title: Title, undone: frozenset[str], cleared_at: datetime | None) -> "Seen":
        """The title when the imports *undone* count no more and the history was cleared at *cleared_at*."""
        points = defaultdict(list)
        for point in title.points:
            points[point.slot, point.session].append(point)
        for one in points.values():
            one.sort(key=lambda point: point.own)
        replaced = tuple((source, at) for source, at in title.clears.items() if source not in undone)
        return cls(title, undone, stamp(cleared_at) if cleared_at else LONG_AGO, replaced, points)

    def overruled(self, at: Stamp, source: str = "") -> bool:
        """Whether an import has replaced it."""
        return bool(self.replaced) and any(at < since and source != by for by, since in self.replaced)

    def shows(self, id: str, at: Stamp, source: str = "") -> bool:
        """Whether something in the history is there: neither removed, nor cleared, nor replaced."""
        return at > self.cleared and id not in self.title.removed and not self.overruled(at, source)

    def shown(self, registers: Mapping[str, Register[T]]) -> Register[T] | None:
        """The latest value of those whose source counts."""
        live = [(register.at, register.op, source) for source, register in registers.items() if self.live(source)]
        return registers[max(live)[2]] if live else None

    def value(self, registers: Mapping[str, Register[T]], default: T) -> T:
        register = self.shown(registers)
        return register.value if register else default

    def registers(self) -> Iterator[Register[object]]:
        choices = self.title.choices
        for field in choices.__struct_fields__:
            for source, register in getattr(choices, field).items():
                if self.live(source):
                    yield register

    def live(self, source: str) -> bool:
        return source not in self.undone


class Evidence(Struct, frozen=True, gc=False):
    """Something that says that a film or an episode was watched."""

    at: Stamp
    id: str
    rule: Literal["position", "mark", "import"]
    source: str
    player: str
    told: Stamp
    when: Stamp | None
    """It was watched; None if nobody knows."""
    visible: bool
    """Neither removed, nor cleared, replaced or undone."""
    play: Play | None = None
    seconds: float | None = None

    @property
    def came_at(self) -> Stamp:
        """When it came to be known here, for what takes away all that was known by then."""
        return self.told if self.rule == "import" else self.at

    @property
    def known_when(self) -> Stamp | None:
        """When the person did something: an import does nothing itself."""
        return self.when if self.rule == "import" else self.at


class Finding(Struct, frozen=True, gc=False):
    """What is to be said of one film or episode."""

    slot: str
    order: tuple[int, int]
    known: Slot
    point: Point | None
    """Where it is."""
    going: bool
    """It was begun and not watched to the end since."""
    evidence: Sequence[Evidence]
    """All of it, in order."""
    counting: Sequence[Evidence]
    """That which no un-mark overtook."""
    unmarks: Sequence[Mark]
    overtaken: Stamp
    """By the newest un-mark."""
    updated_at: Stamp | None
    """None if nothing of it counts."""

    @property
    def watched(self) -> bool:
        return bool(self.counting)


def finding(seen: Seen, name: str) -> Finding:
    """What is to be said of the film or episode *name*. A title may have thousands: most have one play, and no more."""
    known = seen.title.slots[name]
    unmarks = [mark for mark in known.marks if not mark.watched and not seen.overruled(mark.at)] if known.marks else ()
    overtaken = max([mark.at for mark in unmarks]) if unmarks else LONG_AGO
    evidence = _evidence(seen, name, known)
    counting = [one for one in evidence if one.visible and one.at > overtaken]
    point = _point(seen, known)
    going = point is not None and _going(seen, known, point, counting)
    if point is not None and not going and point.at <= seen.cleared:
        point = None
    times = [one.at for one in evidence if one.visible]
    if unmarks:
        times.append(overtaken)
    if point is not None:
        times.append(point.at)
    updated_at = max(times) if times else None
    return Finding(name, order(name), known, point, going, evidence, counting, unmarks, overtaken, updated_at)


def watched_seconds(seen: Seen, found: Finding) -> float | None:
    """Seconds that really played in the session that was heard of last."""
    if found.point is None:
        return None
    points = seen.points.get((found.slot, found.point.session), [])
    return watched_in(points if found.point in points else [*points, found.point])


def watched_in(points: Sequence[Point]) -> float | None:
    """Seconds that one session really played, by its *points* in its own order; None if nobody knows.

    What was said last, and what is to be reckoned since: while it played, it can have shown no more than it got on, and
    no more than there was time for.
    """
    seconds: float | None = None
    before: Point | None = None
    for point in points:
        if point.watched is not None:
            seconds = point.watched
        elif before is not None and before.stage == PLAYING:
            span = min(point.position - before.position, (point.own - before.own) / 1e6)
            seconds = (seconds or 0.0) + max(span, 0.0)
        before = point
    return None if seconds is None else round(seconds, 3)


def percent(position: float, duration: float | None) -> float | None:
    return round(min(position / duration, 1.0) * 100, 1) if duration else None


def watched_share(seconds: float | None, duration: float | None) -> float | None:
    """Of its length, how much was really played: 0 to 1, three decimals."""
    return round(min(seconds / duration, 1.0), 3) if seconds is not None and duration else None


def _evidence(seen: Seen, name: str, known: Slot) -> Sequence[Evidence]:
    """All of it, in order."""
    found = []
    for id, play, seconds in _plays(known):
        until = play.until
        visible = seen.shows(id, until)
        found.append(Evidence(until, id, "position", "", play.player, play.told, play.at, visible, play, seconds))
    for mark in known.marks:
        if mark.watched:
            id = mark_id(mark, name)
            visible = seen.shows(id, mark.at)
            found.append(Evidence(mark.at, id, "mark", "", mark.player, mark.told, mark.watched_at, visible))
    for id, sources in known.taken.items():
        for source, taken in sources.items():
            visible = seen.live(source) and seen.shows(id, taken.told, source)
            found.append(Evidence(taken.at, id, "import", source, "", taken.told, taken.watched_at, visible))
    if len(found) > 1:
        found.sort(key=lambda one: (one.at, one.id, one.source))
    return found


def _plays(known: Slot) -> Iterable[tuple[str, Play, float | None]]:
    """Each with the seconds that are its own: those of its session up to then, without those of earlier plays."""
    if len(known.plays) < 2:
        return [(id, play, play.watched) for id, play in known.plays.items()]
    before: dict[str, float] = {}
    found = []
    for id, play in sorted(known.plays.items(), key=lambda item: item[1].own):
        seconds = play.watched
        if seconds is not None:
            session = family(id)
            seconds -= min(before.get(session, 0.0), seconds)
            before[session] = play.watched or 0.0
        found.append((id, play, seconds))
    return found


def _point(seen: Seen, known: Slot) -> Point | None:
    """Where it is, by whoever was heard of last."""
    newest = known.newest if known.newest is not None and not seen.overruled(known.newest.at) else None
    if not known.resumes:
        return newest
    points = [newest] if newest else []
    for source, resume in known.resumes.items():
        if seen.live(source) and not seen.overruled(resume.at, source):
            points.append(Point(resume.at, 0, PLAYING, "", "", "", resume.position, resume.duration))
    return max(points, key=lambda point: (point.at, point.own), default=None)


def _going(seen: Seen, known: Slot, point: Point, counting: Sequence[Evidence]) -> bool:
    """Whether it was begun, and not watched to the end since.

    That somebody only paused it says nothing about what was watched already: only playing it brings that back.
    """
    begun, done = known.begun, known.done
    ends = [(one.known_when, 0) for one in counting if one.rule != "position" and one.known_when is not None]
    if done is not None and not seen.overruled(done.at):
        ends.append((done.at, done.own))
    starts = [(begun.at, begun.own)] if begun is not None and not seen.overruled(begun.at) else []
    if point.stage == PLAYING:
        starts.append((point.at, point.own))
    if not starts:
        return not ends and not counting
    return not ends or max(starts) > max(ends)
