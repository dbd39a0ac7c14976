"""What gateways tell of live events: who follows them, and that their owners still go on; every time is passed in."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from comments.lives import SILENCE
from comments.rooms import Room
from events.ambient import Batch, Conclusions, Sampling, Told
from events.contracts.comments import LIVE, LOST_AFTER, LiveReport, LiveSampled
from events.messages import Key

SAMPLED_SECONDS = 5.0
LISTED_SECONDS = 15.0
"""What a gateway said of its followers holds for so long; it repeats it every 5 s."""
FORGOTTEN_SECONDS = 2 * LOST_AFTER
"""After so long it is the same whether somebody ever reported."""
SWEEP_SECONDS = 5.0

NOTHING: Mapping[str, Mapping[str, float]] = {SILENCE: {}}


class Listing(NamedTuple):
    """Who follows at one gateway."""

    people: frozenset[str]
    """Not all of them, if there are more than it can name."""
    number: int
    at: float
    order: float


class Notes(NamedTuple):
    """What was said of a live event last."""

    session: int
    viewers: int
    most: int
    at: float


class Audience:
    """Who is at a live event, as far as was heard."""

    __slots__ = ("_listings", "_reported", "heard_at", "live_id")

    def __init__(self, live_id: str) -> None:
        self.live_id = live_id
        self.heard_at = 0.0
        self._listings: dict[str, Listing] = {}
        self._reported: dict[str, float] = {}

    def hear(self, gateway: str, at: float, told: Told[LiveReport], now: float) -> None:
        """What *gateway* said at *at*, by its clock. Batches may come twice or in any order."""
        self.heard_at = now
        for uid in told.reports:
            self._reported[uid] = now
        if told.seen is None:
            return
        listing = self._listings.get(gateway)
        if listing is None or listing.order < at:
            people = frozenset(told.seen)
            self._listings[gateway] = Listing(people, max(told.count, len(people)), now, at)

    def silence(self, now: float) -> Mapping[str, float]:
        return {uid: now - at for uid, at in self._reported.items()}

    def viewers(self, now: float) -> int:
        """Each once, wherever they follow; of those who were not named, each once per gateway."""
        live = [listing for listing in self._listings.values() if now - listing.at <= LISTED_SECONDS]
        named = frozenset[str]().union(*(listing.people for listing in live))
        return len(named) + sum(listing.number - len(listing.people) for listing in live)

    def forget(self, now: float) -> None:
        """Let go of what no longer counts."""
        for gateway in [gateway for gateway, listing in self._listings.items() if now - listing.at > LISTED_SECONDS]:
            del self._listings[gateway]
        for uid in [uid for uid, at in self._reported.items() if now - at > FORGOTTEN_SECONDS]:
            del self._reported[uid]


class Ambient:
    """The observer of live events. Whether one is lost is asked by `losing`, also of those that nobody tells of."""

    def __init__(self) -> None:
        self._audiences: dict[Key, Audience] = {}
        self._notes: dict[Key, Notes] = {}
        self._looked: dict[Key, float] = {}
        self._swept_at = 0.0

    def hear(self, batch: Batch[LiveReport], now: float) -> None:
        for live_id, told in batch.channels.items():
            key = LIVE.key(live_id)
            audience = self._audiences.get(key)
            if audience is None:
                audience = self._audiences[key] = Audience(live_id)
            audience.hear(batch.gateway, batch.at, told, now)
        if now - self._swept_at > SWEEP_SECONDS:
            self._sweep(now)

    def ambient(self, key: Key, now: float) -> Mapping[str, Mapping[str, float]]:
        audience = self._audiences.get(key)
        return NOTHING if audience is None else {SILENCE: audience.silence(now)}

    def active(self, now: float) -> Sequence[Key]:
        """Each now and then: only its state tells whether another session of it began."""
        return [key for key in self._audiences if now - self._looked.get(key, 0.0) >= SAMPLED_SECONDS]

    def conclude(self, states: Mapping[Key, Room], now: float) -> Conclusions:
        samples = []
        for key, room in states.items():
            audience = self._audiences.get(key)
            if audience is None:
                continue
            self._looked[key] = now
            if room.on and (noted := self._noted(key, room, audience.viewers(now), now)) is not None:
                samples.append(_sampling(key, audience.live_id, noted))
        return Conclusions(samples=samples)

    def _noted(self, key: Key, room: Room, viewers: int, now: float) -> Notes | None:
        """Something to tell, if it is new."""
        before = self._notes.get(key)
        same_session = before is not None and before.session == room.session
        if before is not None and same_session and before.viewers == viewers:
            return None
        most = max(before.most, viewers) if before is not None and same_session else viewers
        noted = self._notes[key] = Notes(room.session, viewers, most, now)
        return noted

    def _sweep(self, now: float) -> None:
        self._swept_at = now
        for key, audience in list(self._audiences.items()):
            audience.forget(now)
            if now - audience.heard_at > FORGOTTEN_SECONDS:
                del self._audiences[key]
        for kept in (self._notes, self._looked):
            for key in kept.keys() - self._audiences.keys():
                del kept[key]


def _sampling(key: Key, live_id: str, noted: Notes) -> Sampling:
    at = datetime.fromtimestamp(noted.at, UTC)
    return Sampling(
        key,
        LiveSampled(live_id=live_id, session=noted.session, viewers=noted.viewers, most=noted.most, at=at),
    )
