"""What follows from all that is known of a title: the one place where that is decided, for rules and read models."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Literal

from msgspec import Struct

from events.contracts.library import FILM, Details, LegacyStatus, Progress, Reaction
from library.title.findings import LONG_AGO, Evidence, Finding, Seen, finding, percent, watched_seconds
from library.title.state import Register, Stamp, Title, moment

SPECIALS = 0
"""The season that counts for nothing when it is asked what comes next, or whether all was watched."""


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
    last: str | None
    """The film or episode that was touched last, of those that were begun or watched."""
    played_at: datetime | None
    """When that was."""
    film: bool
    """How far it is follows from one position."""
    updated_at: datetime | None
    """None if nothing is known, or nothing that counts."""


def summary(
    title: Title, undone: frozenset[str], cleared_at: datetime | None, of: Collection[str] | None = None
) -> Summary:
    """The title as it is shown when the imports *undone* count no more and the history was cleared at *cleared_at*.

    *of*: the films and episodes whose `slots` and `plays` are wanted, all if not given; the rest is of the whole title.
    """
    seen = Seen.of(title, undone, cleared_at)
    findings = sorted((finding(seen, name) for name in title.slots), key=lambda found: found.order)
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
    begun = [found for found in slots.values() if found.watched or found.point is not None]
    last = max(begun, key=lambda found: (found.updated_at, found.order), default=None)
    wanted = [(found, _history(found)) for name, found in slots.items() if of is None or name in of]
    return Summary(
        slots=tuple(_slot(seen, found, history) for found, history in wanted),
        plays=tuple(play for found, history in wanted for play in _plays(found, history)),
        in_watchlist=seen.value(chosen.in_watchlist, False),
        status=progress,
        reaction=reaction.value if reaction else None,
        favourite=seen.value(chosen.favourite, False),
        hidden=hidden,
        progress=_percentage(needed, slots, seen.value(chosen.progress, None)),
        legacy_status=legacy_status(progress, reaction.value if reaction else None),
        details=details,
        watched_episodes=sum(found.watched for name, found in slots.items() if name != FILM),
        begun=bool(begun),
        continues=continues,
        last=last.slot if last else None,
        played_at=moment(last.updated_at) if last and last.updated_at is not None else None,
        film=not _is_series(details) and list(slots) == [FILM],
        updated_at=moment(max(times)) if times else None,
    )


def legacy_status(status: Progress | None, reaction: Reaction | None) -> LegacyStatus | None:
    """The older combined status, which has one word for how far somebody is and how they liked it."""
    if status == "finished":
        return "liked" if reaction in ("loved", "liked") else "completed"
    if reaction == "not-for-me":
        return "dropped"
    return {"want-to-watch": "plan-to-watch", "watching": "watching"}.get(status or "")  # type: ignore[return-value]


def _slot(seen: Seen, found: Finding, history: Sequence[Evidence]) -> SlotSummary:
    point = found.point
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
        watched_seconds=watched_seconds(seen, found),
        completed_at=moment(max(ends)) if ends else None,
        watched=found.watched,
        watched_at=moment(max(known)) if known else None,
        plays=len(history),
        updated_at=moment(found.updated_at),
    )


def _history(found: Finding) -> list[Evidence]:
    """Each play once, by whichever source brought it first; and one mark at most, if it says anything new."""
    entries: dict[str, Evidence] = {}
    marked: Evidence | None = None
    for one in found.evidence:
        if not one.visible:
            continue
        if one.rule != "mark":
            entries.setdefault(one.id, one)
        elif not _says_nothing_new(found, one):
            marked = one
    return [*entries.values(), *([marked] if marked else [])]


def _says_nothing_new(found: Finding, mark: Evidence) -> bool:
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


def _plays(found: Finding, history: Sequence[Evidence]) -> Iterator[PlaySummary]:
    for one in history:
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


def _needed(details: Details | None, slots: Mapping[str, Finding]) -> Sequence[str]:
    """What has to be watched for the title to be finished; nothing if nobody knows."""
    if details is not None and details.seasons:
        return [name for name, (season, _) in _episodes(details) if season != SPECIALS]
    return [] if _is_series(details) or any(name != FILM for name in slots) else [FILM]


def _is_series(details: Details | None) -> bool:
    return details is not None and (bool(details.seasons) or details.kind in ("series", "anime"))


def _episodes(details: Details) -> list[tuple[str, tuple[int, int]]]:
    """All that are known to exist, in their order."""
    places = {(season.season, episode) for season in details.seasons for episode in season.episodes}
    return [(f"{season}-{episode}", (season, episode)) for season, episode in sorted(places)]


def _status(
    chosen: Register[Progress | None] | None, needed: Sequence[str], slots: Mapping[str, Finding]
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
    if status == "watching":
        return status
    begun = max((_last_begun(one) for one in slots.values()), default=LONG_AGO)
    return "watching" if begun > since else status


def _last_begun(found: Finding) -> Stamp:
    going = found.point.at if found.going and found.point else LONG_AGO
    return max(going, found.counting[-1].at) if found.counting else going


def _percentage(needed: Sequence[str], slots: Mapping[str, Finding], told: float | None) -> float | None:
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
    slots: Mapping[str, Finding], details: Details | None, status: Register[Progress | None] | None
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
    found = place if isinstance(place, Finding) else slots.get(place)
    point = found.point if found is not None and found.going else None
    return Continue(
        slot=place.slot if isinstance(place, Finding) else place,
        position=point.position if point else 0.0,
        duration=point.duration if point else None,
        percent=percent(point.position, point.duration) if point else None,
        player=point.player if point else "",
        session=point.session if point else "",
        updated_at=moment(at),
    )


def _touched(found: Finding) -> Stamp | None:
    """When it was last watched, as far as anybody knows."""
    if found.going and found.point:
        return found.point.at
    return max((one.known_when for one in found.counting if one.known_when is not None), default=None)


def _next(last: Finding, slots: Mapping[str, Finding], details: Details | None) -> str | None:
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
