"""Why a film or an episode is shown as watched, or not: all that speaks for it and against it."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Literal

from msgspec import Struct

from library.title.findings import Evidence, Finding, Seen, finding, percent, watched_share
from library.title.state import Stamp, Title, mark_id, moment

What = Literal["played", "marked", "unmarked", "imported", "removed", "cleared"]

WHAT: Mapping[str, What] = {"position": "played", "mark": "marked", "import": "imported"}


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


def reasons(title: Title, undone: frozenset[str], cleared_at: datetime | None) -> Sequence[ReasonSummary]:
    """Everything that speaks for or against any film or episode of it, newest first; the undone, too."""
    seen = Seen.of(title, undone, cleared_at)
    found = [reason for name in title.slots for reason in _reasons(seen, finding(seen, name))]
    return sorted(found, key=lambda reason: (reason.at or reason.known_at, reason.play, reason.source), reverse=True)


def _reasons(seen: Seen, found: Finding) -> Iterator[ReasonSummary]:
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


def _taken_away(seen: Seen, found: Finding) -> Iterator[ReasonSummary]:
    """What took some of the evidence away."""
    for id in dict.fromkeys(one.id for one in found.evidence):
        at = seen.title.removed.get(id)
        if at is not None:
            rule = "taken out of the history by hand"
            yield _reason(found, "removed", rule, play=id, at=at, known_at=at, counts=not found.watched)
    if any(one.came_at <= seen.cleared for one in found.evidence):
        at = seen.cleared
        yield _reason(found, "cleared", "history cleared by hand", at=at, known_at=at, counts=not found.watched)
    for source, at in seen.replaced:
        if any(one.came_at < at and one.source != source for one in found.evidence):
            rule = f"replaced by an import from {seen.title.formats.get(source, source)}"
            yield _reason(found, "cleared", rule, source=source, at=at, known_at=at, counts=not found.watched)


def _reason(
    found: Finding,
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


def _rule(seen: Seen, one: Evidence) -> str:
    if one.play is not None:
        share = percent(one.play.position, one.play.duration)
        return f"{share:.0f} % of its length" if share is not None else "watched to its end"
    if one.rule == "mark":
        return "marked by hand"
    return f"import from {seen.title.formats.get(one.source, one.source)}"


def _share(one: Evidence) -> float | None:
    return watched_share(one.seconds, one.play.duration) if one.play is not None else None
