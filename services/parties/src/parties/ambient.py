"""What follows from the reports of members: who is in sync, who is missing, and for whom a party waits."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple
from zlib import crc32

from events.ambient import Batch, Cast, Conclusions, Sampling
from events.contracts.party import (
    CHANNEL,
    IN_SYNC,
    LISTED,
    Drop,
    Find,
    Hold,
    Miss,
    PartyCommand,
    Release,
    Sample,
    Sampled,
    Succeed,
    SyncReport,
)
from events.messages import Key
from parties.heard import LISTED_SECONDS, Audience, Heard, percentile
from parties.playback import COOL_DOWN
from parties.state import Anchor, Party

SWEEP_SECONDS = 5.0
FORGOTTEN_SECONDS = 300.0
"""A party of which nothing is heard for so long is forgotten."""
DROPPED_SECONDS = 600.0
"""A member unseen for so long, while others are there, loses the seat."""
BELIEVED_SECONDS = 5.0
"""A report whose time is further from its gateway's than this says nothing about drift."""
SETTLING_SECONDS = 3.0
"""After a control everybody buffers, and many jump: that is nobody's stall."""
STALLED_SECONDS = 2.0
"""A stall is told by reports that are at least so far apart."""
RECOVERED_SECONDS = 0.5
"""Whom a party waits for is there again within so much of its position."""
MOVED_SECONDS = 0.02
"""A drift that moved by less is not worth telling."""
RETOLD_SECONDS = 5.0
"""Who comes learns of everybody, with others who come at the same time."""
AGAIN_SECONDS = 5.0
"""What was asked for and did not happen is asked for again after so long."""
SAMPLED_SECONDS = 10.0
ROWS_PER_SECOND = 5.0
"""Of one party's samples: a large party is sampled less often."""
STALE_SECONDS = 30.0

State = Literal["in-sync", "ahead", "behind", "buffering", "paused"]
WITH_THE_PARTY = frozenset({"in-sync", "paused"})


class View(NamedTuple):
    """How a member is in sync, as of their newest report that tells."""

    drift: float | None
    state: State
    rtt: float

    def told(self) -> list[Any]:
        return [self.drift, self.state, round(self.rtt * 1000)]

    def differs(self, told: "View | None") -> bool:
        if told is None or told.state != self.state or (told.drift is None) != (self.drift is None):
            return True
        return abs((self.drift or 0.0) - (told.drift or 0.0)) > MOVED_SECONDS


class Summary(NamedTuple):
    """The same of all members together."""

    in_sync: int
    present: int
    drift_p95: float | None

    def differs(self, told: "Summary | None") -> bool:
        if told is None or (told.in_sync, told.present) != (self.in_sync, self.present):
            return True
        return abs((self.drift_p95 or 0.0) - (told.drift_p95 or 0.0)) > MOVED_SECONDS


class Notes:
    """What the leading replica remembers of a party from one conclusion to the next."""

    __slots__ = (
        "asked",
        "at",
        "counted",
        "judged",
        "kept_up",
        "present",
        "retold_at",
        "sample_at",
        "sampled",
        "summary",
        "told",
        "troubled",
        "views",
    )

    def __init__(self, party_id: str, now: float) -> None:
        self.at = now
        self.judged: dict[str, tuple[float, str]] = {}
        """Which report of each member was looked at last."""
        self.views: dict[str, View] = {}
        self.kept_up: set[str] = set()
        """Whose player has been with the party since they came. One that is still on its way has not stalled: who joins
        late stops nobody."""
        self.troubled: dict[str, float] = {}
        """Since when each report of a member told of trouble."""
        self.told: dict[str, View] = {}
        self.summary: Summary | None = None
        self.present: frozenset[str] = frozenset()
        """Who was there when everybody was last told of everybody."""
        self.retold_at = now - RETOLD_SECONDS
        # Parties take their samples at different times, also after another replica has begun to lead.
        self.sample_at = now + SAMPLED_SECONDS * (crc32(party_id.encode()) % 100) / 100
        self.sampled = 0
        """How many were there at the newest sample."""
        self.counted: dict[str, tuple[int, int]] = {}
        """Stalls and seeks up to the sample before."""
        self.asked: dict[type[PartyCommand], tuple[PartyCommand, float]] = {}

    def judge(self, party: Party, people: Mapping[str, Heard]) -> None:
        """Look at reports that are new."""
        for uid in [uid for uid in self.judged if uid not in people]:
            for notes in (self.judged, self.views, self.troubled, self.counted):
                notes.pop(uid, None)
            self.kept_up.discard(uid)
        for uid, heard in people.items():
            if self.judged.get(uid) == heard.order:
                continue
            self.judged[uid] = heard.order
            view = view_of(heard, party.anchor)
            if view is not None:
                self.views[uid] = view
                if view.state in WITH_THE_PARTY:
                    self.kept_up.add(uid)
            if view is not None and uid in self.kept_up and in_trouble(view, heard, party.anchor):
                self.troubled.setdefault(uid, heard.at)
            else:
                self.troubled.pop(uid, None)
            self.counted.setdefault(uid, (heard.report.stalls, heard.report.seeks))

    def stalled(self, people: Mapping[str, Heard]) -> set[str]:
        """Whose player cannot go on, by two reports at least."""
        return {uid for uid, since in self.troubled.items() if people[uid].at - since >= STALLED_SECONDS}

    def ask(self, commands: Iterable[PartyCommand], now: float) -> Iterator[PartyCommand]:
        """Those that were not asked for a moment ago."""
        for command in commands:
            before, at = self.asked.get(type(command), (None, 0.0))
            if before != command or now - at >= AGAIN_SECONDS:
                self.asked[type(command)] = command, now
                yield command


class Ambient:
    """The observer of parties."""

    def __init__(self) -> None:
        self._audiences: dict[Key, Audience] = {}
        self._notes: dict[Key, Notes] = {}
        self._over: set[Key] = set()
        self._heard_at = 0.0
        self._swept_at = 0.0

    def hear(self, batch: Batch[SyncReport], now: float) -> None:
        if now - self._heard_at > LISTED_SECONDS:
            # No gateway was heard at all: it was this replica that was away, and that tells of nobody's absence.
            self._audiences.clear()
        self._heard_at = now
        for channel_id, told in batch.channels.items():
            key = CHANNEL.key(channel_id)
            audience = self._audiences.get(key)
            if audience is None:
                audience = self._audiences[key] = Audience(channel_id, now)
            audience.hear(batch.gateway, batch.at, told, now)
        if now - self._swept_at > SWEEP_SECONDS:
            self._sweep(now)

    def ambient(self, key: Key, now: float) -> Mapping[str, Any]:
        audience = self._audiences.get(key)
        return audience.known(now) if audience is not None else NOBODY

    def active(self, now: float) -> Sequence[Key]:
        return [
            key
            for key, audience in self._audiences.items()
            if key not in self._over and (audience.present(now) or self._has_emptied(key))
        ]

    def conclude(self, states: Mapping[Key, Party], now: float) -> Conclusions:
        commands: list[PartyCommand] = []
        casts: list[Cast] = []
        samples: list[Sampling] = []
        for key, party in states.items():
            audience = self._audiences.get(key)
            if party.closed_by:
                self._over.add(key)
            if audience is None or party.closed_by or not party.opened_by:
                continue
            look = Look(audience, party, self._noted(key, audience, now), now)
            if look.present:
                commands += look.commands()
                casts += look.casts()
            samples += look.samples(key)
        return Conclusions(commands, casts, samples)

    def _has_emptied(self, key: Key) -> bool:
        """Whether the newest sample still counts somebody."""
        notes = self._notes.get(key)
        return notes is not None and notes.sampled > 0

    def _noted(self, key: Key, audience: Audience, now: float) -> Notes:
        notes = self._notes.get(key)
        if notes is None or now - notes.at > STALE_SECONDS:
            notes = self._notes[key] = Notes(audience.party_id, now)
        notes.at = now
        return notes

    def _sweep(self, now: float) -> None:
        self._swept_at = now
        for key, audience in list(self._audiences.items()):
            audience.forget(now)
            if now - audience.heard_at > FORGOTTEN_SECONDS:
                del self._audiences[key]
        self._over &= self._audiences.keys()
        for key in self._notes.keys() - self._audiences.keys():
            del self._notes[key]


NOBODY: Mapping[str, Any] = {"lead": 0.0, "present": frozenset()}


class Look:
    """One look at one party, with everything that is known about it."""

    def __init__(self, audience: Audience, party: Party, notes: Notes, now: float) -> None:
        self._audience = audience
        self._party = party
        self._notes = notes
        self._now = now
        self.present = audience.present(now) & party.members.keys()
        self._people = {uid: audience.reports[uid] for uid in self.present if uid in audience.reports}
        notes.judge(party, self._people)

    def commands(self) -> Iterator[PartyCommand]:
        return self._notes.ask([*self._about_the_host(), *self._drop(), *self._hold(), *self._release()], self._now)

    def _about_the_host(self) -> Iterator[PartyCommand]:
        party, host, now = self._party, self._party.host, self._now
        grace = party.settings.grace_seconds
        if party.missed is None:
            if self._audience.gone(host, now):
                yield Miss(party_id=self._id, uid=host, since=self._audience.last_seen(host))
        elif host in self.present:
            yield Find(party_id=self._id, uid=host)
        elif grace and now - party.missed.timestamp() >= grace:
            yield Succeed(party_id=self._id)

    def _drop(self) -> Iterator[PartyCommand]:
        last_seen, now, party = self._audience.last_seen, self._now, self._party
        if now - self._audience.since < DROPPED_SECONDS:
            return
        unseen = tuple(
            uid
            for uid, seat in party.members.items()
            if uid not in self.present
            and uid != party.host
            and now - max(last_seen(uid), seat.since.timestamp()) >= DROPPED_SECONDS
        )
        if unseen:
            yield Drop(party_id=self._id, uids=unseen)

    def _hold(self) -> Iterator[PartyCommand]:
        party, anchor = self._party, self._party.anchor
        if not anchor.playing or (anchor.at is not None and anchor.at.timestamp() > self._now):
            return
        if party.stalled_at is not None and self._now - party.stalled_at.timestamp() < COOL_DOWN.total_seconds():
            return
        waited = [uid for uid in self.present if not (party.members[uid].excused or party.members[uid].pardoned)]
        stalled = self._notes.stalled(self._people) & set(waited)
        if party.settings.reference == "host":
            stalled &= {party.host}
        elif party.settings.reference == "median" and 2 * len(stalled) <= len(waited):
            return
        if stalled:
            yield Hold(party_id=self._id, uids=tuple(uid for uid in party.members if uid in stalled))

    def _release(self) -> Iterator[PartyCommand]:
        waiting = self._party.waiting
        if waiting is None:
            return
        recovered = tuple(
            uid
            for uid in waiting.waits_for
            if self._audience.gone(uid, self._now) or (waiting.why == "stalled" and self._is_back(uid))
        )
        if recovered:
            yield Release(party_id=self._id, recovered=recovered)

    def _is_back(self, uid: str) -> bool:
        """By a report since the party stands: the player can go on, and is where the others wait."""
        heard, anchor = self._people.get(uid), self._party.anchor
        if heard is None or heard.report.buffering or not believed(heard):
            return False
        since = anchor.at is None or heard.said_at >= anchor.at.timestamp()
        return since and abs(heard.report.position - anchor.position) <= RECOVERED_SECONDS

    def casts(self) -> Iterator[Cast]:
        """What members are told of one another, if anything has changed."""
        notes, summary = self._notes, self._summary()
        if self.present - notes.present and self._now - notes.retold_at >= RETOLD_SECONDS:
            notes.told, notes.present, notes.retold_at = {}, self.present, self._now
        notes.present &= self.present
        changed = self._changed() if len(self.present) <= LISTED else {}
        if not changed and not summary.differs(notes.summary):
            return
        notes.summary = summary
        data = {
            "at": round(self._now * 1000),
            "reference": round(self._party.place(moment(self._now)), 3),
            "members": changed,
            **summary._asdict(),
        }
        yield Cast(CHANNEL.kind, self._id, "sync", data)

    def _changed(self) -> dict[str, list[Any] | None]:
        """By uid; null for who is there no more."""
        views, told = self._notes.views, self._notes.told
        changed = {uid: view for uid, view in views.items() if view.differs(told.get(uid))}
        gone = {uid: None for uid in told if uid not in views}
        self._notes.told = {uid: told[uid] for uid in told if uid in views} | changed
        return gone | {uid: view.told() for uid, view in changed.items()}

    def _summary(self) -> Summary:
        views = self._notes.views.values()
        in_sync = sum(view.state in WITH_THE_PARTY for view in views)
        drifts = [abs(view.drift) for view in views if view.drift is not None]
        return Summary(in_sync, len(self.present), round(percentile(drifts, 0.95), 3) if drifts else None)

    def samples(self, key: Key) -> Iterator[Sampling]:
        """How many members were there and how they were, now and then; and at once when nobody is any more."""
        notes, now = self._notes, self._now
        emptied = notes.sampled > 0 and not self.present
        if not emptied and (now < notes.sample_at or not self.present):
            return
        notes.sampled = len(self.present)
        notes.sample_at = now + max(SAMPLED_SECONDS, len(notes.views) / ROWS_PER_SECOND)
        yield Sampling(
            key,
            Sampled(
                at=moment(now),
                position=round(self._party.place(moment(now)), 3),
                playing=self._party.anchor.playing,
                present=len(self.present),
                members={uid: self._sample(uid, view) for uid, view in notes.views.items()},
            ),
        )

    def _sample(self, uid: str, view: View) -> Sample:
        report, before = self._people[uid].report, self._notes.counted[uid]
        self._notes.counted[uid] = report.stalls, report.seeks
        return Sample(view.drift, view.state, since(before[0], report.stalls), since(before[1], report.seeks), view.rtt)

    @property
    def _id(self) -> str:
        return self._audience.party_id


def view_of(heard: Heard, anchor: Anchor) -> View | None:
    """What the report tells; nothing if its time is not believed or lies before the last control took effect."""
    report = heard.report
    if report.buffering:
        return View(None, "buffering", report.rtt)
    if not believed(heard) or (anchor.at is not None and heard.said_at < anchor.at.timestamp()):
        return None
    drift = round(report.position - anchor.place(moment(heard.said_at)), 3)
    if abs(drift) <= IN_SYNC:
        return View(drift, "in-sync" if anchor.playing else "paused", report.rtt)
    return View(drift, "ahead" if drift > 0 else "behind", report.rtt)


def in_trouble(view: View, heard: Heard, anchor: Anchor) -> bool:
    """Whether a player cannot go on. One that stands although it could play is its owner's own affair."""
    if anchor.at is not None and heard.said_at < anchor.at.timestamp() + SETTLING_SECONDS:
        return False
    return view.state == "buffering" or (view.state == "behind" and heard.report.playing)


def believed(heard: Heard) -> bool:
    """Whether the client's idea of server time can be right."""
    return abs(heard.said_at - heard.order[0]) <= BELIEVED_SECONDS


def since(before: int, now: int) -> int:
    """How much a player has counted; one that was opened anew counts from nothing."""
    return now - before if now >= before else now


def moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
