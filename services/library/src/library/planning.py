"""What an import is going to do: a file's entries, work by work, beside what is known of each already."""

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from msgspec import UNSET
from msgspec.structs import replace

from events.contracts.library import (
    REMOVES_MOST,
    Counts,
    Details,
    FinishImport,
    ItemChange,
    Skipped,
    TakeIn,
    TakeInAddons,
    TakeInIds,
    TakeInList,
    TakenPlay,
    TakenPosition,
)
from events.messages import Command, Rejected
from library import joins, manifest
from library.formats import About, AList, AnAddon, BadFile, Found, Joined, Left
from library.formats.bitfield import by_seasons
from library.formats.stremio import play as of_stremio
from library.imports import TOLD, Plan
from library.title.state import Title, changed, stamp
from library.title.summary import Summary, summary

MOST_ENTRIES = 200_000
"""Of one file: twice as many plays as the largest tracker keeps."""
WHAT_CHARS = 80
"""Of each: all of them are one event."""
PLAYS_AT_ONCE = 1_000
"""Of one title, in one piece."""

ALREADY, REMOVED, NEWER = "already-there", "removed-before", "newer-here"


@dataclass
class OfWork:
    """What a file says of one work."""

    details: Details | None = None
    entries: list[About] = field(default_factory=list)


@dataclass
class Content:
    """All that a file holds, work by work."""

    works: dict[str, OfWork] = field(default_factory=dict)
    lists: list[AList] = field(default_factory=list)
    addons: list[AnAddon] = field(default_factory=list)
    joined: list[Joined] = field(default_factory=list)
    left: "Passed" = field(default_factory=lambda: Passed())
    entries: int = 0

    def take(self, found: Found) -> None:
        """Raise `BadFile("too-many-entries")`."""
        self.entries += 1
        if self.entries > MOST_ENTRIES:
            raise BadFile("too-many-entries", limit=MOST_ENTRIES)
        match found:
            case About():
                self._of_work(found)
            case AList():
                self.lists.append(found)
            case AnAddon():
                self.addons.append(found)
            case Joined():
                self.joined.append(found)
            case Left():
                self.left.add(found)

    def _of_work(self, about: About) -> None:
        """What the work is, is kept once."""
        known = self.works.setdefault(about.work, OfWork())
        if isinstance(about.change.details, Details):
            known.details = known.details or about.change.details
            about = about._replace(change=replace(about.change, details=UNSET))
        known.entries.append(about)


class Passed:
    """What is passed over: all of it counted, the first of it told."""

    def __init__(self) -> None:
        self.told: list[Skipped] = []
        self.reasons: Counter[str] = Counter()

    def add(self, left: Left) -> None:
        self.reasons[left.reason] += 1
        if len(self.told) < TOLD:
            self.told.append(Skipped(left.line, left.what[:WHAT_CHARS], left.reason))


class Asked(NamedTuple):
    """What an import was asked to do."""

    uid: str
    import_id: str
    format: str
    at: datetime
    replace: bool


class Known(NamedTuple):
    """A work as it is known, without what this import has brought already."""

    title: Title
    shown: Summary
    undone: frozenset[str]

    @classmethod
    def of(cls, title: Title, undone: frozenset[str], cleared_at: datetime | None, import_id: str) -> "Known":
        without = undone | {import_id}
        return cls(title, summary(title, without, cleared_at), without)


NOTHING = Known(Title(), summary(Title(), frozenset(), None), frozenset())


class Wish(NamedTuple):
    """A command that carries out a part of the plan, and what it does not do if it is refused."""

    command: Command
    added: tuple[tuple[int, str], ...] = ()
    """Entries of the file, by line and name."""
    changed: tuple[tuple[int, str], ...] = ()
    removed: int = 0


@dataclass
class Drawing:
    """A plan in the making."""

    asked: Asked
    passed: Passed
    wishes: list[Wish] = field(default_factory=list)
    added: int = 0
    changed: int = 0
    removed: int = 0
    there: int = 0
    """Films and episodes that are watched, of which some may be removed."""

    def work(self, work: str, of_work: OfWork, known: Known) -> None:
        """Take a work into the plan."""
        comparing = _Comparing(self, work, of_work, known)
        comparing.compare()
        watched = {slot.slot for slot in known.shown.slots if slot.watched}
        gone = watched - comparing.slots if self.asked.replace else set()
        self.there += len(watched)
        self.removed += len(gone)
        for number, command in enumerate(comparing.commands(cleared=bool(gone))):
            entries = (tuple(comparing.added), tuple(comparing.changed), len(gone)) if number == 0 else ()
            self.wishes.append(Wish(command, *entries))

    def other(self, command: Command, line: int, what: str, *, is_new: bool = True) -> None:
        """Take into the plan what is no work."""
        entry = ((line, what[:WHAT_CHARS]),)
        self.added += is_new
        self.changed += not is_new
        self.wishes.append(Wish(command, entry, ()) if is_new else Wish(command, (), entry))

    def plan(self) -> Plan:
        share = self.removed / self.there if self.there else 0.0
        skipped = sum(self.passed.reasons.values())
        return Plan(
            counts=Counts(self.added + self.changed + skipped, self.added, self.changed, skipped, self.removed),
            reasons=dict(self.passed.reasons),
            skipped=tuple(self.passed.told),
            share=round(share, 4),
            stopped=share > REMOVES_MOST,
        )


class _Comparing:
    """One work: what of each entry is new."""

    def __init__(self, drawing: Drawing, work: str, of_work: OfWork, known: Known) -> None:
        self._drawing = drawing
        self._work = work
        self._of_work = of_work
        self._known = known
        self._ids = {play.play for play in known.shown.plays}
        self._minutes = {(play.slot, _minute(play.watched_at)) for play in known.shown.plays if play.watched_at}
        self._watched = {slot.slot for slot in known.shown.slots if slot.watched}
        self._all: dict[str, TakenPlay] = {}
        """Every play of the file, those that are there already, too: what replaces a history needs them."""
        self._plays: dict[str, TakenPlay] = {}
        self._change: dict[str, tuple[datetime, Any]] = {}
        self._resume: TakenPosition | None = None
        self._at: datetime | None = None
        self.slots: set[str] = set()
        self.added: list[tuple[int, str]] = []
        self.changed: list[tuple[int, str]] = []

    def compare(self) -> None:
        strong = [entry for entry in self._of_work.entries if not entry.weak]
        weak = [entry for entry in self._of_work.entries if entry.weak]
        for entry in strong:
            self._entry(entry, frozenset())
        better = frozenset(self.slots)
        for entry in weak:
            self._entry(entry, better)

    def commands(self, *, cleared: bool) -> Iterator[TakeIn]:
        """What is to be taken in; a replacing import brings all plays, and now."""
        plays = tuple((self._all if cleared else self._plays).values())
        change = ItemChange(**{name: value for name, (_, value) in self._change.items()})
        if not (plays or self._change or self._resume or cleared):
            return
        asked = self._drawing.asked
        at = asked.at if cleared or self._at is None else min(self._at, asked.at)
        first = TakeIn(
            uid=asked.uid,
            work=self._work,
            source=asked.import_id,
            format=asked.format,
            at=at,
            plays=plays[:PLAYS_AT_ONCE],
            change=self._with_details(change),
            resume=self._resume,
            cleared=cleared,
        )
        yield first
        for start in range(PLAYS_AT_ONCE, len(plays), PLAYS_AT_ONCE):
            more = plays[start : start + PLAYS_AT_ONCE]
            yield replace(first, plays=more, change=ItemChange(), resume=None, cleared=False)

    def _with_details(self, change: ItemChange) -> ItemChange:
        """What a title is, only where nobody has said so yet."""
        if self._of_work.details is None or self._known.shown.details is not None:
            return change
        return replace(change, details=self._of_work.details)

    def _entry(self, entry: About, better: frozenset[str]) -> None:
        reasons: set[str] = set()
        plays = [play for play in self._plays_of(entry) if self._is_new(play, better, reasons)]
        self._plays |= {play.id: play for play in plays}
        change = dict(self._changes(entry, reasons))
        self._change |= change
        resumes = self._resumes(entry.resume, reasons)
        if plays or change or resumes:
            self._count(entry, bool(plays))
            self._at = max((at for at in (self._at, entry.at) if at is not None), default=None)
            return
        reason = next((reason for reason in (NEWER, REMOVED) if reason in reasons), ALREADY)
        self._drawing.passed.add(Left(entry.line, entry.what, reason))

    def _count(self, entry: About, played: bool) -> None:
        is_new = played or self._known.shown.updated_at is None
        self._drawing.added += is_new
        self._drawing.changed += not is_new
        (self.added if is_new else self.changed).append((entry.line, entry.what[:WHAT_CHARS]))

    def _plays_of(self, entry: About) -> Iterable[TakenPlay]:
        yield from entry.plays
        if entry.watched is not None:
            details = self._known.shown.details or self._of_work.details
            told = by_seasons(entry.watched, details.seasons if details else ())
            yield from map(of_stremio, told.slots)
            if told.unknown:
                self._drawing.passed.add(Left(entry.line, entry.what, "episodes-unknown"))

    def _is_new(self, play: TakenPlay, better: frozenset[str], reasons: set[str]) -> bool:
        if play.slot in better or play.id in self._all:
            return False
        self._all[play.id] = play
        self.slots.add(play.slot)
        if play.id in self._known.title.removed:
            reasons.add(REMOVED)
            return False
        if play.id in self._ids:
            return False
        if play.watched_at is None:
            return play.slot not in self._watched
        minute = play.slot, _minute(play.watched_at)
        if minute in self._minutes:
            return False
        self._minutes.add(minute)
        return True

    def _changes(self, entry: About, reasons: set[str]) -> Iterator[tuple[str, tuple[datetime, Any]]]:
        """The fields that would be shown otherwise, and that nobody has decided later."""
        at = min(entry.at or self._drawing.asked.at, self._drawing.asked.at)
        for name, value in changed(entry.change).items():
            before = self._change.get(name)
            if before is not None and before[0] > at:
                continue
            if before is None and getattr(self._known.shown, name) == value:
                continue
            if self._decided_at(name) >= stamp(at):
                reasons.add(NEWER)
                continue
            if before is None or before[1] != value:
                yield name, (at, value)

    def _decided_at(self, name: str) -> int:
        registers = getattr(self._known.title.choices, name)
        return max((r.at for source, r in registers.items() if source not in self._known.undone), default=-(2**62))

    def _resumes(self, resume: TakenPosition | None, reasons: set[str]) -> bool:
        if resume is None:
            return False
        slot = next((slot for slot in self._known.shown.slots if slot.slot == resume.slot), None)
        if slot is not None and slot.updated_at >= resume.at:
            same = slot.updated_at == resume.at and slot.position == resume.position
            reasons.add(ALREADY if same else NEWER)
            return False
        if self._resume is None or self._resume.at < resume.at:
            self._resume = resume
        return True


def _minute(at: datetime) -> datetime:
    """Trackers keep no seconds."""
    return at.replace(second=0, microsecond=0)


def list_id(found: AList) -> str:
    """The same for the same list in a later file."""
    return found.id or hashlib.sha256(found.key.encode()).hexdigest()[:16]


def compare_lists(drawing: Drawing, lists: Iterable[AList], there: Mapping[str, frozenset[str]]) -> None:
    """Those that bring something. *there*: the works of each list that is there, by its id."""
    asked = drawing.asked
    for found in lists:
        id = list_id(found)
        known = there.get(id)
        if known is not None and not {entry.work for entry in found.items} - known:
            drawing.passed.add(Left(found.line, found.name, ALREADY))
            continue
        command = TakeInList(
            uid=asked.uid, list_id=id, name=found.name, items=found.items, source=asked.import_id, at=asked.at
        )
        drawing.other(command, found.line, found.name, is_new=known is None)


def compare_addons(drawing: Drawing, addons: Iterable[AnAddon], there: Collection[str]) -> None:
    """Those that are not installed and can be. *there*: their transport URLs."""
    asked = drawing.asked
    for found in addons:
        try:
            url = manifest.transport(found.descriptor.transport_url).url
            manifest.read(bytes(found.descriptor.manifest))
        except Rejected as refusal:
            drawing.passed.add(Left(found.line, "", refusal.code))
            continue
        if url in there:
            drawing.passed.add(Left(found.line, "", ALREADY))
            continue
        command = TakeInAddons(uid=asked.uid, addons=(found.descriptor,), source=asked.import_id, at=asked.at)
        drawing.other(command, found.line, "")


def compare_joined(drawing: Drawing, joined: Iterable[Joined], layers: joins.Layers) -> None:
    """Those that are not joined yet. *layers*: what is, by whom."""
    asked, groups = drawing.asked, joins.shown(joins.undone(layers, drawing.asked.import_id))
    for found in joined:
        if set(found.works) <= set(groups.get(found.works[0], ())):
            drawing.passed.add(Left(found.line, " ".join(found.works), ALREADY))
            continue
        command = TakeInIds(uid=asked.uid, works=found.works, source=asked.import_id, at=asked.at)
        drawing.other(command, found.line, " ".join(found.works))


class Outcome:
    """What was really done of a plan: all but what the rules refused, found anew each time that it is carried out."""

    def __init__(self, plan: Plan) -> None:
        self._counts = plan.counts
        self._refused = Passed()

    def refused(self, wish: Wish, reason: str) -> None:
        counts, added, changed = self._counts, len(wish.added), len(wish.changed)
        self._counts = replace(
            counts,
            added=counts.added - added,
            changed=counts.changed - changed,
            skipped=counts.skipped + added + changed,
            removed=counts.removed - wish.removed,
        )
        for line, what in (*wish.added, *wish.changed):
            self._refused.add(Left(line, what, reason))

    def finish(self, asked: Asked) -> FinishImport:
        return FinishImport(
            uid=asked.uid,
            import_id=asked.import_id,
            counts=self._counts,
            reasons=dict(self._refused.reasons),
            skipped=tuple(self._refused.told),
        )
