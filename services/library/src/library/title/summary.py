"""What follows from all that is known of a title: the one place where that is decided, for rules and read models."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Literal, NamedTuple, TypeVar

from msgspec import Struct

from events.contracts.library import FILM, Details, LegacyStatus, Progress, Reaction, episode_of
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
    moment,
    stamp,
)

T = TypeVar("T")

What = Literal["played", "marked", "unmarked", "imported", "removed", "cleared"]

WHAT: Mapping[str, What] = {"position": "played", "mark": "marked", "import": "imported"}
SPECIALS = 0
"""The season that counts for nothing when it is asked what comes next, or whether all was watched."""
LONG_AGO: Stamp = -(2**62)


class SlotSummary(Struct, frozen=True, kw_only=True):
    """How far one film or episode is: all that `ItemProgress` and `EpisodeView` show."""

    slot: str
    """As `episode_of` reads it."""
    played: bool
    """Whether it has a position, by a session or an import; not so if it was only marked, or its plays came alone."""
    going: bool
    """It was begun and not watched to the end since."""
    position: float
    duration: float | None
    percent: float | None
    """0 to 100, one decimal."""
    session: str
    player: str
    """Of the session that was heard of last."""
    watched_seconds: float | None
    completed_at: datetime | None
    """Of the newest play that counts."""
    watched: bool
    watched_at: datetime | None
    plays: int
    """In the history."""
    updated_at: datetime


class PlaySummary(Struct, frozen=True, kw_only=True):
    """An entry of the history: neither removed, nor cleared, nor of an import that was undone."""

    play: str
    slot: str
    at: datetime
    """When it happened, or was brought in."""
    watched_at: datetime | None
    rule: Literal["position", "mark", "import"]
    source: str
    player: str
    watched_seconds: float | None
    duration: float | None


class ReasonSummary(Struct, frozen=True, kw_only=True):
    """One thing that speaks for, or against, a film or an episode being watched: all that `Reason` shows."""

    slot: str
    what: What
    rule: str
    player: str
    source: str
    play: str
    at: datetime | None
    known_at: datetime
    counts: bool
    watched_share: float | None


class Continue(Struct, frozen=True, kw_only=True):
    """What to go on with."""

    slot: str
    position: float
    duration: float | None
    percent: float | None
    player: str
    session: str
    """Empty, as the player is, for an episode that nobody has begun."""
    updated_at: datetime


class Summary(Struct, frozen=True, kw_only=True):
    """A title as it is shown."""

    slots: tuple[SlotSummary, ...]
    """In the order of season and episode."""
    plays: tuple[PlaySummary, ...]
    """In no order that matters."""
    in_watchlist: bool
    status: Progress | None
    reaction: Reaction | None
    favourite: bool
    hidden: bool
    progress: float | None
    legacy_status: LegacyStatus | None
    details: Details | None
    watched_episodes: int
    begun: bool
    """Ever played, marked as watched, or brought in as such."""
    continues: Continue | None
    updated_at: datetime | None
    """None if nothing is known, or nothing that counts."""


def summary(title: Title, undone: frozenset[str], cleared_at: datetime | None) -> Summary:
    """The title as it is shown when the imports *undone* count no more and the history was cleared at *cleared_at*."""
    seen = _Seen.of(title, undone, cleared_at)
    findings = sorted((_finding(seen, name) for name in title.slots), key=lambda found: found.order)
    slots = {found.slot: found for found in findings if found.updated_at is not None}
    chosen = title.choices
    status, reaction = seen.shown(chosen.status), seen.shown(chosen.reaction)
    details = seen.value(chosen.details, None)
    needed = _needed(details, slots)
    progress = _status(status, needed, slots)
    hidden = seen.value(chosen.hidden, False)
    continues = None if hidden else _continue(slots, details, status)
    times = [found.updated_at for found in slots.values() if found.updated_at is not None]
    times += [register.at for register in seen.registers()]
    return Summary(
        slots=tuple(_slot(found) for found in slots.values()),
        plays=tuple(play for found in slots.values() for play in _plays(found)),
        in_watchlist=seen.value(chosen.in_watchlist, False),
        status=progress,
        reaction=reaction.value if reaction else None,
        favourite=seen.value(chosen.favourite, False),
        hidden=hidden,
        progress=_percentage(needed, slots, seen.value(chosen.progress, None)),
        legacy_status=legacy_status(progress, reaction.value if reaction else None),
        details=details,
        watched_episodes=sum(found.watched for name, found in slots.items() if name != FILM),
        begun=any(found.watched or found.point is not None for found in slots.values()),
        continues=continues,
        updated_at=moment(max(times)) if times else None,
    )


def reasons(title: Title, undone: frozenset[str], cleared_at: datetime | None) -> Sequence[ReasonSummary]:
    """Everything that speaks for or against any film or episode of it, newest first; the undone, too."""
    seen = _Seen.of(title, undone, cleared_at)
    found = [reason for name in title.slots for reason in _reasons(seen, _finding(seen, name))]
    return sorted(found, key=lambda reason: (reason.at or reason.known_at, reason.play, reason.source), reverse=True)


def legacy_status(status: Progress | None, reaction: Reaction | None) -> LegacyStatus | None:
    """The older combined status, which has one word for how far somebody is and how they liked it."""
    if status == "finished":
        return "liked" if reaction in ("loved", "liked") else "completed"
    if reaction == "not-for-me":
        return "dropped"
    return {"want-to-watch": "plan-to-watch", "watching": "watching"}.get(status or "")  # type: ignore[return-value]


def watched_in(points: Sequence[Point]) -> float | None:
    """Seconds that one session really played, by its *points* in its own order; None if nobody knows.

    What the player has told, or more if the points say so: while it played, it can have shown no more than it got on,
    and no more than there was time for.
    """
    told = [point.watched for point in points if point.watched is not None]
    spans = [
        min(after.position - before.position, (after.own - before.own) / 1e6)
        for before, after in pairwise(points)
        if before.stage == PLAYING
    ]
    reckoned = [sum(max(span, 0.0) for span in spans)] if spans else []
    return round(max(told + reckoned), 3) if told or reckoned else None


def percent(position: float, duration: float | None) -> float | None:
    return round(min(position / duration, 1.0) * 100, 1) if duration else None


class _Seen(NamedTuple):
    """A title, and what of it does not count."""

    title: Title
    undone: frozenset[str]
    cleared: Stamp
    replaced: tuple[tuple[str, Stamp], ...]
    """By which imports, and when."""
    points: Mapping[tuple[str, str], list[Point]]
    """By film or episode, and session; in its own order."""

    @classmethod
    def of(cls, title: Title, undone: frozenset[str], cleared_at: datetime | None) -> "_Seen":
        points = defaultdict(list)
        for point in title.points:
            points[point.slot, point.session].append(point)
        for one in points.values():
            one.sort(key=lambda point: point.own)
        replaced = tuple((source, at) for source, at in title.clears.items() if source not in undone)
        return cls(title, undone, stamp(cleared_at) if cleared_at else LONG_AGO, replaced, points)

    def overruled(self, at: Stamp, source: str = "") -> bool:
        """Whether an import has replaced it."""
        return any(at < since and source != by for by, since in self.replaced)

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


class _Evidence(NamedTuple):
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
    def known_when(self) -> Stamp | None:
        """When the person did something: an import does nothing itself."""
        return self.when if self.rule == "import" else self.at


class _Finding(NamedTuple):
    """What is to be said of one film or episode."""

    slot: str
    order: tuple[int, int]
    known: Slot
    point: Point | None
    """Where it is."""
    going: bool
    evidence: tuple[_Evidence, ...]
    """All of it, in order."""
    counting: tuple[_Evidence, ...]
    """That which no un-mark overtook."""
    unmarks: tuple[Mark, ...]
    overtaken: Stamp
    """By the newest un-mark."""
    seconds: float | None
    updated_at: Stamp | None
    """None if nothing of it counts."""

    @property
    def watched(self) -> bool:
        return bool(self.counting)


def _finding(seen: _Seen, name: str) -> _Finding:
    known = seen.title.slots[name]
    unmarks = tuple(mark for mark in known.marks if not mark.watched and not seen.overruled(mark.at))
    overtaken = max((mark.at for mark in unmarks), default=LONG_AGO)
    evidence = tuple(sorted(_evidence(seen, name, known), key=lambda one: (one.at, one.id, one.source)))
    counting = tuple(one for one in evidence if one.visible and one.at > overtaken)
    point = _point(seen, known)
    going = point is not None and _going(seen, known, point, counting)
    if point is not None and not going and point.at <= seen.cleared:
        point = None
    seconds = watched_in(_of_session(seen, name, point)) if point else None
    times = [one.at for one in evidence if one.visible] + [mark.at for mark in unmarks]
    times += [point.at] if point else []
    episode = episode_of(name)
    order = (episode.season, episode.episode) if episode else (-1, -1)
    return _Finding(
        slot=name,
        order=order,
        known=known,
        point=point,
        going=going,
        evidence=evidence,
        counting=counting,
        unmarks=unmarks,
        overtaken=overtaken,
        seconds=seconds,
        updated_at=max(times, default=None),
    )


def _evidence(seen: _Seen, name: str, known: Slot) -> Iterator[_Evidence]:
    removed = seen.title.removed
    before: dict[str, float] = {}
    for id, play in sorted(known.plays.items(), key=lambda item: item[1].own):
        seconds = play.watched
        if seconds is not None:
            session = family(id)
            seconds -= min(before.get(session, 0.0), seconds)
            before[session] = play.watched or 0.0
        visible = not (id in removed or play.until <= seen.cleared or seen.overruled(play.until))
        yield _Evidence(play.until, id, "position", "", play.player, play.told, play.at, visible, play, seconds)
    for mark in known.marks:
        if mark.watched:
            id = mark_id(mark, name)
            visible = not (id in removed or mark.at <= seen.cleared or seen.overruled(mark.at))
            yield _Evidence(mark.at, id, "mark", "", mark.player, mark.told, mark.watched_at, visible)
    for id, sources in known.taken.items():
        for source, taken in sources.items():
            gone = id in removed or taken.at <= seen.cleared or seen.overruled(taken.at, source)
            visible = seen.live(source) and not gone
            yield _Evidence(taken.at, id, "import", source, "", taken.told, taken.watched_at, visible)


def _point(seen: _Seen, known: Slot) -> Point | None:
    """Where it is, by whoever was heard of last."""
    points = [known.newest] if known.newest is not None and not seen.overruled(known.newest.at) else []
    for source, resume in known.resumes.items():
        if seen.live(source) and not seen.overruled(resume.at, source):
            points.append(Point(resume.at, 0, PLAYING, "", "", "", resume.position, resume.duration))
    return max(points, key=lambda point: (point.at, point.own), default=None)


def _of_session(seen: _Seen, name: str, point: Point) -> Sequence[Point]:
    points = seen.points.get((name, point.session), [])
    return points if point in points else [*points, point]


def _going(seen: _Seen, known: Slot, point: Point, counting: Sequence[_Evidence]) -> bool:
    """Whether it was begun, and not watched to the end since.

    That somebody only paused it says nothing about what was watched already: only playing it brings that back.
    """
    ends = [(done.at, done.own) for done in [known.done] if done is not None and not seen.overruled(done.at)]
    ends += [(one.known_when, 0) for one in counting if one.rule != "position" and one.known_when is not None]
    starts = [(known.begun.at, known.begun.own)] if known.begun and not seen.overruled(known.begun.at) else []
    if point.stage == PLAYING:
        starts.append((point.at, point.own))
    if not starts:
        return not ends and not counting
    return max(starts) > max(ends, default=(LONG_AGO, 0))


def _slot(found: _Finding) -> SlotSummary:
    point, history = found.point, _history(found)
    counting = [one for one in history if one.at > found.overtaken]
    known = [one.when for one in counting if one.when is not None]
    ends = [one.at for one in counting if one.rule == "position"]
    assert found.updated_at is not None
    return SlotSummary(
        slot=found.slot,
        played=point is not None,
        going=found.going,
        position=point.position if point else 0.0,
        duration=point.duration if point else None,
        percent=percent(point.position, point.duration) if point else None,
        session=point.session if point else "",
        player=point.player if point else "",
        watched_seconds=found.seconds,
        completed_at=moment(max(ends)) if ends else None,
        watched=found.watched,
        watched_at=moment(max(known)) if known else None,
        plays=len(history),
        updated_at=moment(found.updated_at),
    )


def _history(found: _Finding) -> list[_Evidence]:
    """Each play once, by whichever source brought it first; and one mark at most, if it says anything new."""
    entries: dict[str, _Evidence] = {}
    marked: _Evidence | None = None
    for one in found.evidence:
        if not one.visible:
            continue
        if one.rule != "mark":
            entries.setdefault(one.id, one)
        elif not _says_nothing_new(found, one):
            marked = one
    return [*entries.values(), *([marked] if marked else [])]


def _says_nothing_new(found: _Finding, mark: _Evidence) -> bool:
    """Whether it was watched anyway: then a mark is no further entry, unless it tells a time of its own."""
    if mark.when not in (None, mark.at):
        return False
    for one in found.evidence:
        if one is mark:
            break
        again = one.rule == "mark" and mark.told != mark.at
        if one.visible and not again and not any(one.at <= unmark.at < mark.at for unmark in found.unmarks):
            return True
    return False


def _plays(found: _Finding) -> Iterator[PlaySummary]:
    for one in _history(found):
        yield PlaySummary(
            play=one.id,
            slot=found.slot,
            at=moment(one.at),
            watched_at=moment(one.when) if one.when is not None else None,
            rule=one.rule,
            source=one.source,
            player=one.player,
            watched_seconds=one.seconds,
            duration=one.play.duration if one.play else None,
        )


# What follows for the title as a whole.


def _needed(details: Details | None, slots: Mapping[str, _Finding]) -> Sequence[str]:
    """What has to be watched for the title to be finished; nothing if nobody knows."""
    if details is not None and details.seasons:
        return [name for name, (season, _) in _episodes(details) if season != SPECIALS]
    series = details is not None and details.kind in ("series", "anime")
    return [] if series or any(name != FILM for name in slots) else [FILM]


def _episodes(details: Details) -> list[tuple[str, tuple[int, int]]]:
    """All that are known to exist, in their order."""
    places = {(season.season, episode) for season in details.seasons for episode in season.episodes}
    return [(f"{season}-{episode}", (season, episode)) for season, episode in sorted(places)]


def _status(
    chosen: Register[Progress | None] | None, needed: Sequence[str], slots: Mapping[str, _Finding]
) -> Progress | None:
    """As it was set last, or as it follows from what was watched since.

    Finished when all has been watched that there is; and again when all of it was watched again after somebody said
    otherwise. Beginning again undoes nothing.
    """
    status, since = (chosen.value, chosen.at) if chosen else (None, LONG_AGO)
    found = [slots[name] for name in needed if name in slots]
    if status == "finished":
        return status
    if needed and len(found) == len(needed) and all(one.counting for one in found):
        first = max(one.counting[0].at for one in found)
        again = min(one.counting[-1].at for one in found)
        if max(first, again) > since:
            return "finished"
    begun = max((_last_begun(one) for one in slots.values()), default=LONG_AGO)
    return "watching" if status in (None, "want-to-watch") and begun > since else status


def _last_begun(found: _Finding) -> Stamp:
    times = [found.point.at] if found.going and found.point else []
    times += [one.at for one in found.counting[-1:]]
    return max(times, default=LONG_AGO)


def _percentage(needed: Sequence[str], slots: Mapping[str, _Finding], told: float | None) -> float | None:
    """Of a film how far it is, of a series how much of it was watched; else as somebody told it."""
    if list(needed) == [FILM]:
        film = slots.get(FILM)
        if film is None:
            return told
        if film.watched and not film.going:
            return 100.0
        there = percent(film.point.position, film.point.duration) if film.point else None
        return told if there is None else there
    if not needed:
        return told
    watched = sum(name in slots and slots[name].watched for name in needed)
    return round(watched / len(needed) * 100, 1) if watched or told is None else told


def _continue(
    slots: Mapping[str, _Finding], details: Details | None, status: Register[Progress | None] | None
) -> Continue | None:
    """What was touched last decides: it goes on itself, or what follows it takes its place."""
    active = [(at, found.going, found.order, found) for found in slots.values() if (at := _touched(found)) is not None]
    if not active:
        return None
    at, going, _, last = max(active, key=lambda one: one[:3])
    if status is not None and status.value == "finished" and at <= status.at:
        return None
    place = last if going else _next(last, slots, details)
    if place is None:
        return None
    found = place if isinstance(place, _Finding) else slots.get(place)
    point = found.point if found is not None and found.going else None
    return Continue(
        slot=place.slot if isinstance(place, _Finding) else place,
        position=point.position if point else 0.0,
        duration=point.duration if point else None,
        percent=percent(point.position, point.duration) if point else None,
        player=point.player if point else "",
        session=point.session if point else "",
        updated_at=moment(at),
    )


def _touched(found: _Finding) -> Stamp | None:
    """When it was last watched, as far as anybody knows."""
    if found.going and found.point:
        return found.point.at
    return max((one.known_when for one in found.counting if one.known_when is not None), default=None)


def _next(last: _Finding, slots: Mapping[str, _Finding], details: Details | None) -> str | None:
    """What its player said comes next, or else the next that is known to exist; of these, the first not watched."""
    if last.slot == FILM:
        return None
    passed: set[str] = set()
    while (told := last.known.done.next if last.known.done else "") and told not in passed:
        passed.add(told)
        if told not in slots or not slots[told].watched:
            return told
        last = slots[told]
    known = _episodes(details) if details else []
    later = (name for name, order in known if order > last.order and order[0] != SPECIALS)
    return next((name for name in later if name not in slots or not slots[name].watched), None)


# Why.


def _reasons(seen: _Seen, found: _Finding) -> Iterator[ReasonSummary]:
    for one in found.evidence:
        yield _reason(
            found,
            what=WHAT[one.rule],
            rule=_rule(seen, one),
            player=one.player,
            source=one.source,
            play=one.id,
            at=one.when if one.rule != "mark" else one.at,
            known_at=one.told,
            counts=one in found.counting,
            watched_share=_share(one),
        )
    for mark in found.known.marks:
        if not mark.watched:
            counts = mark.at == found.overtaken and not found.watched
            rule, id = "marked as not watched by hand", mark_id(mark, found.slot)
            at, told = mark.at, mark.told
            yield _reason(found, "unmarked", rule, player=mark.player, play=id, at=at, known_at=told, counts=counts)
    yield from _taken_away(seen, found)


def _taken_away(seen: _Seen, found: _Finding) -> Iterator[ReasonSummary]:
    """What took some of the evidence away."""
    for id in dict.fromkeys(one.id for one in found.evidence):
        at = seen.title.removed.get(id)
        if at is not None:
            rule = "taken out of the history by hand"
            yield _reason(found, "removed", rule, play=id, at=at, known_at=at, counts=not found.watched)
    if any(one.at <= seen.cleared for one in found.evidence):
        at = seen.cleared
        yield _reason(found, "cleared", "history cleared by hand", at=at, known_at=at, counts=not found.watched)
    for source, at in seen.replaced:
        if any(one.at < at and one.source != source for one in found.evidence):
            rule = f"replaced by an import from {seen.title.formats.get(source, source)}"
            yield _reason(found, "cleared", rule, source=source, at=at, known_at=at, counts=not found.watched)


def _reason(
    found: _Finding,
    what: What,
    rule: str,
    *,
    at: Stamp | None,
    known_at: Stamp,
    counts: bool,
    player: str = "",
    source: str = "",
    play: str = "",
    watched_share: float | None = None,
) -> ReasonSummary:
    return ReasonSummary(
        slot=found.slot,
        what=what,
        rule=rule,
        player=player,
        source=source,
        play=play,
        at=moment(at) if at is not None else None,
        known_at=moment(known_at),
        counts=counts,
        watched_share=watched_share,
    )


def _rule(seen: _Seen, one: _Evidence) -> str:
    if one.play is not None:
        share = percent(one.play.position, one.play.duration)
        return f"{share:.0f} % of its length" if share is not None else "watched to its end"
    if one.rule == "mark":
        return "marked by hand"
    return f"import from {seen.title.formats.get(one.source, one.source)}"


def _share(one: _Evidence) -> float | None:
    """Of its length, how much was really played."""
    if one.play is None or one.seconds is None or not one.play.duration:
        return None
    return round(min(one.seconds / one.play.duration, 1.0), 3)
