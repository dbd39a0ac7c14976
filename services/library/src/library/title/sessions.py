"""What a device reports while somebody watches: which of it is a fact, and when something was watched to the end.

A report is judged within its session, at its place by the device's own clock: what was told before may have happened
later. A fact is what begins, stands or ends there; the rest is a heartbeat if it is the newest, or else silence.
"""

import re
from collections.abc import Sequence
from hashlib import sha256
from itertools import count
from typing import Any, NamedTuple

from msgspec.structs import replace

from events.contracts.library import (
    FILM,
    Completed,
    Episode,
    Progressed,
    Report,
    Started,
    Stopped,
    TitleEvent,
    happened,
    player,
    slot,
)
from events.messages import Context, Rejected
from library.rules import Rules
from library.title.findings import watched_in
from library.title.state import (
    COMPLETED,
    NAMELESS,
    PLAYING,
    STOPPED,
    Point,
    Slot,
    Stage,
    Stamp,
    Title,
    evolve,
    moment,
    nameless_play,
    place,
    stamp,
)

SAME_PLACE = 1.0
"""Seconds. A player that stands still repeats where it stands, rounded in its own way."""
REWOUND = 0.05
"""Of the duration. Who goes back by so little before the end, and comes to the end again, has not watched it twice."""
FASTEST = 4
"""Times the speed of life; nobody watches more than that in the time that went by."""
GRACE = 60.0
"""Seconds that a player's count may be ahead of the reports."""
LONGEST_NAME = 64
"""Of a session; a longer one gives its plays a digest."""
EPISODES = 10_000
"""Films and episodes of one title of which something is known."""


class Way(NamedTuple):
    """A session as far as it is known when something is told of it, and what is told."""

    told: Point
    known: Slot
    """Of the film or episode, by all sessions."""
    points: tuple[Point, ...]
    """The session's, in its own order; what is told is not among them."""
    live: bool
    """Whether it happens now, so that nothing that happened before can come later."""

    @property
    def before(self) -> Point | None:
        return next((point for point in reversed(self.points) if point.own <= self.told.own), None)

    @property
    def after(self) -> Point | None:
        return next((point for point in self.points if point.own > self.told.own), None)

    def with_point(self, point: Point) -> "Way":
        return self._replace(points=tuple(sorted((*self.points, point), key=_own)))


def decide(command: Report, title: Title, context: Context, rules: Rules) -> list[TitleEvent]:
    episode = named_episode(command)
    way = _way(command, slot(episode), title, context)
    make = _Making(command, context, episode)
    events: list[TitleEvent] = []
    due = _due(way, rules)
    if due is not None:
        events.append(make.completed(due, _new_play(way, due)))
        way = way.with_point(due)
    if _ended(way.told, rules):
        events += _at_the_end(way, make, rules)
    elif command.state == "playing":
        events += _playing(way, make)
    elif due is not None:
        events.append(make.stopped(way.told))
    else:
        events += _standing(way, make)
    return [event for event in events if event.telemetry or evolve(title, event) is not title]


def named_episode(command: Report) -> Episode | None:
    """The episode that it is about; raise `Rejected` if its id names another."""
    by_id = command.named().episode
    if by_id is not None and command.episode not in (None, by_id):
        raise Rejected("no-such-episode", work=command.work)
    return command.episode or by_id


def check_room(title: Title, slots: Sequence[str]) -> None:
    """Raise `Rejected` if the title would get more episodes than anything has."""
    if len(title.slots) + len(slots) > EPISODES and len(title.slots.keys() | set(slots)) > EPISODES:
        raise Rejected("too-many-episodes", limit=EPISODES)


def _way(command: Report, where: str, title: Title, context: Context) -> Way:
    check_room(title, (where,))
    when = happened(context, command.at, command.sent_at)
    device = player(context.actor, command.device)
    session = command.session or device
    mine = [point for point in title.points if point.slot == where and point.session == session]
    points = tuple(sorted(mine, key=_own))
    at, own = stamp(when.at), stamp(when.own)
    known = (point.duration for point in reversed(points) if point.duration is not None and point.own <= own)
    duration = command.duration or next(known, None)
    told = Point(
        at=at,
        skew=own - at,
        stage=PLAYING if command.state == "playing" else STOPPED,
        slot=where,
        session=session,
        player=device,
        position=command.position if duration is None else min(command.position, duration),
        duration=duration,
    )
    way = Way(told, title.slots.get(where, Slot()), points, live=command.at is None)
    return way._replace(told=_watching(_in_order(way), command.watched))


def _in_order(way: Way) -> Way:
    """Two clocks order one session alike, however long each report was under way."""
    at, own, before, after = way.told.at, way.told.own, way.before, way.after
    at = max(at, before.at) if before else at
    at = min(at, after.at) if after else at
    return way._replace(told=replace(way.told, at=at, skew=own - at))


def _watching(way: Way, said: float | None) -> Point:
    """Seconds watched until then: as the player counts, within reason, or else as the session's reports say."""
    told = way.told
    until = [point for point in way.points if point.own <= told.own]
    if said is None:
        return replace(told, watched=watched_in([*until, told]))
    most = (told.own - until[0].own) / 1e6 * FASTEST if until else told.position
    return replace(told, watched=min(said, most + GRACE))


# What a report means, by its place in the session.


def _due(way: Way, rules: Rules) -> Point | None:
    """An end that was reached while nobody knew the duration, which now is told."""
    if way.told.duration is None or any(point.duration is not None for point in way.points):
        return None
    ends = (replace(point, duration=way.told.duration) for point in way.points if point.own < way.told.own)
    end = next((point for point in ends if _ended(point, rules)), None)
    if end is None or end.duration is None:
        return None
    return replace(end, stage=COMPLETED, position=min(end.position, end.duration))


def _at_the_end(way: Way, make: "_Making", rules: Rules) -> list[TitleEvent]:
    """Completed once each time that it was begun; who only looks at the credits again has not watched it twice."""
    following = next((p for p in way.points if p.own > way.told.own and p.stage != STOPPED), None)
    if (way.before is not None and way.before.stage == COMPLETED) or _stage(following) == COMPLETED:
        return _heartbeat(way, make)
    end = replace(way.told, stage=COMPLETED)
    if way.points:
        return [make.completed(end, _resumed_play(way, rules) or _new_play(way, end))]
    earlier = max(((play.at, id) for id, play in way.known.plays.items() if play.at <= end.at), default=None)
    if earlier is None:
        return [make.completed(end, _new_play(way, end))]
    if way.live:
        return _heartbeat(way, make)
    # Others may tell later what they did before: so this is a fact, too, but of the play that is known.
    return [make.completed(end, earlier[1])]


def _playing(way: Way, make: "_Making") -> list[TitleEvent]:
    before, after = _stage(way.before), _stage(way.after)
    if before != PLAYING:
        known = after == PLAYING or (before, after) == (COMPLETED, STOPPED)
        return [] if known else [make.started(way.told)]
    if all(point.player != way.told.player for point in way.points):
        return [make.started(way.told)]  # it went on on another device, which nobody could name by a heartbeat
    learnt = way.told.duration is not None and all(point.duration is None for point in way.points)
    if learnt and way.after is None:
        return [make.started(way.told)]
    return _heartbeat(way, make)


def _standing(way: Way, make: "_Making") -> list[TitleEvent]:
    """Paused or stopped before the end.

    Of a session that is completed this means nothing (players rewind when they stop), nor of a title that was completed
    elsewhere: only playing it again brings it back.
    """
    before = way.before
    if before is None:
        first = way.after is None and not (way.live and way.known.plays)
        return [make.stopped(way.told)] if first else _heartbeat(way, make)
    if before.stage == PLAYING:
        return [] if _stage(way.after) == STOPPED else [make.stopped(way.told)]
    if way.live and abs(way.told.position - before.position) <= SAME_PLACE:
        return []
    return _heartbeat(way, make)


def _heartbeat(way: Way, make: "_Making") -> list[TitleEvent]:
    """No fact, but newer; unless the last fact said the same.

    If a device tells its own time, that alone is news: another one, of which nobody has heard yet, may come in between.
    """
    before = way.before
    same = before is not None and before.position == way.told.position and (way.live or before.own == way.told.own)
    return [] if same or way.after is not None else [make.progressed(way.told)]


def _ended(point: Point, rules: Rules) -> bool:
    return point.duration is not None and point.position >= rules.completed_at * point.duration


def _stage(point: Point | None) -> Stage | None:
    return point.stage if point else None


# Which play it is.


def _name(told: Point) -> str:
    """What the ids of the session's plays begin with."""
    session = told.session
    if session == told.player:
        return session or NAMELESS
    name = session if len(session) <= LONGEST_NAME else sha256(session.encode()).hexdigest()[:32]
    return name if told.slot == FILM else f"{name}:{told.slot}"


def _mine(way: Way) -> list[tuple[Stamp, str]]:
    """The session's plays, the oldest first."""
    name = re.compile(re.escape(_name(way.told)) + "([~@]-?[0-9]+)?")
    return sorted((play.own, id) for id, play in way.known.plays.items() if name.fullmatch(id))


def _new_play(way: Way, end: Point) -> str:
    """An id that follows from the session, so that a repeat never becomes a second play."""
    if way.told.session == way.told.player:
        return nameless_play(way.told.player, end.own)
    mine = _mine(way)
    known = next((id for own, id in mine if own == end.own), None)
    if known is not None:
        return known
    name = _name(way.told)
    latest = max([_number(id, name) for _, id in mine], default=0)
    names = (name if n == 0 else f"{name}~{n + 1}" for n in count(latest))
    return next(free for free in names if free not in way.known.plays)


def _number(play: str, name: str) -> int:
    """Which of its session's plays it is: earlier ones may be forgotten, and their ids are not free."""
    number = play[len(name) :].removeprefix("~")
    return int(number) if number.isdecimal() else 1


def _resumed_play(way: Way, rules: Rules) -> str | None:
    """The play that is completed already, if all that happened since is that somebody went back a little."""
    mine = [(own, id) for own, id in _mine(way) if own <= way.told.own]
    if not mine or way.told.duration is None:
        return None
    own, id = mine[-1]
    since = [point.position for point in way.points if own < point.own <= way.told.own]
    return id if min(since, default=0.0) >= (rules.completed_at - REWOUND) * way.told.duration else None


class _Making(NamedTuple):
    """Makes the events of one report."""

    command: Report
    context: Context
    episode: Episode | None

    def started(self, point: Point) -> Started:
        return Started(**self._said(point))

    def stopped(self, point: Point) -> Stopped:
        return Stopped(**self._said(point))

    def progressed(self, point: Point) -> Progressed:
        return Progressed(**self._said(point))

    def completed(self, point: Point, play: str) -> Completed:
        following = self.command.next if self.episode is not None and self.command.next != self.episode else None
        return Completed(**self._said(point), next=following, play=play, told_at=self.context.now)

    def _said(self, point: Point) -> dict[str, Any]:
        return {
            "uid": self.context.actor,
            "work": self.command.named().work,
            "position": point.position,
            "at": moment(point.at),
            "own": moment(point.own),
            "duration": point.duration,
            "episode": self.episode,
            "device": self.command.device,
            "player": point.player,
            "session": point.session,
            "watched": point.watched,
        }


def _own(point: Point) -> tuple[Any, ...]:
    return (point.own, *place(point))
