"""Presence across gateways: one page per channel and gateway in a memory bucket, alive while its gateway is."""

import asyncio
from collections.abc import Callable, Iterable
from datetime import datetime

import msgspec
import structlog
from msgspec import Raw

from events.bus import ApiError, Bus, Msg, Subscription
from events.messages import Key, Rejected
from gateway import limits
from gateway.clock import Clock
from gateway.roster import Page, Person, Roster
from gateway.tasks import Tasks

STREAM = "KV_PRESENCE"
BUCKET = "$KV.PRESENCE"
LEASES = f"{BUCKET}.gateways"
SWEEP_SECONDS = 1.0
REWRITE_SECONDS = 20.0
"""A page is put again so often, because the bucket forgets what nobody renews for a minute."""

log = structlog.get_logger("presence")

_pages = msgspec.json.Decoder(Page)
_encoder = msgspec.json.Encoder()


class _Place:
    """One channel's roster and how this gateway keeps it."""

    __slots__ = ("followed", "pushed", "roster", "subject", "subscription", "written")

    def __init__(self, roster: Roster, subject: str) -> None:
        self.roster = roster
        self.subject = subject
        self.followed = 0
        self.subscription: Subscription | None = None
        self.pushed = 0.0
        self.written = 0.0


class Presences:
    """All rosters of this gateway."""

    def __init__(self, bus: Bus, clock: Clock, gateway: str) -> None:
        self._bus = bus
        self._clock = clock
        self._gateway = gateway
        self.deliver: Callable[[str, bytes], None] = _to_nobody
        """Writes a frame to a channel's followers."""
        self._places: dict[str, _Place] = {}
        self._by_subject: dict[str, _Place] = {}
        self._alive: dict[str, float] = {}
        self._due: set[str] = set()
        self._flushing: asyncio.TimerHandle | None = None
        self._tasks = Tasks()

    # What the rest of the gateway asks for.

    async def follow(self, name: str, key: Key, counted: bool) -> Roster:
        """Somebody here follows: from now on this gateway knows who is present elsewhere."""
        place = self._place(name, key, counted)
        place.followed += 1
        if place.subscription is None:
            place.subscription = await self._bus.subscribe(f"{place.subject}.*", self._on_page)
            await self._read(f"{place.subject}.*")
            self._push(place)
        return place.roster

    async def unfollow(self, name: str) -> None:
        place = self._places.get(name)
        if place is None:
            return
        place.followed -= 1
        if place.followed > 0:
            return
        subscription, place.subscription = place.subscription, None
        for gateway in place.roster.gateways:
            place.roster.drop(gateway)
        self._forget(place)
        if subscription is not None:
            await self._bus.unsubscribe(subscription)

    def track(self, name: str, key: Key, counted: bool, uid: str, owner: object, meta: Raw) -> None:
        """*owner*, a socket of *uid*, is present. Raise `presence-full`."""
        place = self._place(name, key, counted)
        if counted:
            self.count(name)
        try:
            place.roster.track(uid, owner, Person(self._clock.now(), Raw(bytes(meta))))
        finally:
            self._mark(place)

    def untrack(self, name: str, uid: str, owner: object) -> None:
        place = self._places.get(name)
        if place is not None:
            place.roster.untrack(uid, owner)
            self._mark(place)

    def count(self, name: str) -> None:
        """A newer grant says that people are only to be counted on the channel; other gateways learn of it."""
        place = self._places.get(name)
        if place is not None and place.roster.count():
            self._mark(place)

    def counted(self, name: str) -> bool:
        """Whether people are only counted on the channel, as far as is known here."""
        place = self._places.get(name)
        return place is not None and place.roster.counted

    # The lease, on which everything of this gateway hangs.

    async def start(self) -> None:
        await self._bus.subscribe(f"{LEASES}.*", self._on_lease)
        self._bus.on_reconnect(self._on_reconnect)
        await self._read_leases()

    async def run(self) -> None:
        """Renew the lease and let go of gateways that did not renew theirs. Runs for ever."""
        loop = asyncio.get_running_loop()
        renew_at = 0.0
        while True:
            if loop.time() >= renew_at:
                renew_at = loop.time() + limits.LEASE_SECONDS
                await self._renew()
            self._sweep(loop.time())
            await asyncio.sleep(SWEEP_SECONDS)

    async def check(self) -> None:
        """Write and read the bucket; also a sample for the clock. Raise `Rejected` or `ApiError` if it fails."""
        sent = self._clock.local()
        ack = await self._bus.store(f"{LEASES}.{self._gateway}", b"{}", {}, timeout=2.0)
        received = self._clock.local()
        stored = await self._bus.direct(STREAM, {"seq": ack.seq}, timeout=2.0)
        if stored:
            self._clock.learn(sent, _stamp(stored[0]), received)

    async def stop(self) -> None:
        """Take everybody here off at once, where a killed gateway's people stay for the length of a lease."""
        self._tasks.cancel()
        try:
            for place in self._places.values():
                if not place.roster.empty_here:
                    await self._bus.publish(f"{place.subject}.{self._gateway}", _encoder.encode(Page()))
            await self._bus.publish(f"{LEASES}.{self._gateway}", b"")
        except Rejected as error:
            log.debug("left without a word", reason=error.code)

    async def _renew(self) -> None:
        try:
            await self.check()
        except (Rejected, ApiError) as error:
            log.warning("lease not renewed", reason=str(error))
            return
        now = asyncio.get_running_loop().time()
        for place in list(self._places.values()):
            old = now - place.written > REWRITE_SECONDS and not place.roster.empty_here
            if old or place.roster.changed_here:
                await self._write(place)

    def _sweep(self, now: float) -> None:
        for gateway, heard in list(self._alive.items()):
            if now - heard > limits.LEASE_DEAD_SECONDS:
                log.info("gateway gone", gateway=gateway)
                self._lose(gateway)

    def _lose(self, gateway: str) -> None:
        self._alive.pop(gateway, None)
        for place in self._places.values():
            if place.roster.drop(gateway):
                self._mark(place)

    # What other gateways say.

    async def _on_lease(self, msg: Msg) -> None:
        gateway = msg.subject.rpartition(".")[2]
        if gateway == self._gateway:
            return
        if not msg.data:
            self._lose(gateway)
            return
        known = gateway in self._alive
        self._alive[gateway] = asyncio.get_running_loop().time()
        if not known:
            log.info("gateway appeared", gateway=gateway)
            self._tasks.spawn(self._read(f"{BUCKET}.*.*.{gateway}"))

    async def _on_page(self, msg: Msg) -> None:
        self._alive[msg.subject.rpartition(".")[2]] = asyncio.get_running_loop().time()
        self._hear(msg.subject, msg.data)

    def _hear(self, subject: str, data: bytes) -> None:
        owned, _, gateway = subject.rpartition(".")
        if gateway == self._gateway:
            return
        place = self._by_subject.get(owned)
        if place is not None and place.subscription is not None:
            place.roster.hear(gateway, _pages.decode(data) if data else Page())
            self._mark(place)

    async def _read_leases(self) -> None:
        loop = asyncio.get_running_loop()
        for msg in await self._direct(f"{LEASES}.*"):
            gateway = (msg.headers or {})["Nats-Subject"].rpartition(".")[2]
            age = self._clock.now() - _stamp(msg)
            if gateway != self._gateway and msg.data and age < limits.LEASE_DEAD_SECONDS:
                self._alive.setdefault(gateway, loop.time() - max(age, 0.0))

    async def _read(self, pattern: str) -> None:
        for msg in await self._direct(pattern):
            subject = (msg.headers or {})["Nats-Subject"]
            if subject.rpartition(".")[2] in self._alive:
                self._hear(subject, msg.data)

    async def _direct(self, pattern: str) -> list[Msg]:
        try:
            return await self._bus.direct(STREAM, {"multi_last": [pattern]}, timeout=2.0)
        except Rejected as error:
            log.warning("bucket not read", reason=error.code, pattern=pattern)
            return []

    def _on_reconnect(self) -> None:
        """The bucket may be empty now, and what was said meanwhile was missed."""
        self._clock.forget()
        for place in self._places.values():
            if not place.roster.empty_here:
                place.roster.changed_here = True
                self._mark(place)
        self._tasks.spawn(self._reread())

    async def _reread(self) -> None:
        await self._renew()
        await self._read_leases()
        for place in [place for place in self._places.values() if place.subscription is not None]:
            await self._read(f"{place.subject}.*")

    # Batches to followers and to the bucket.

    def _mark(self, place: _Place) -> None:
        self._due.add(place.roster.name)
        if self._flushing is None:
            self._flushing = asyncio.get_running_loop().call_later(limits.PRESENCE_SECONDS, self._flush)

    def _flush(self) -> None:
        self._flushing = None
        due, self._due = self._due, set()
        now = asyncio.get_running_loop().time()
        for name in due:
            place = self._places.get(name)
            if place is None:
                continue
            if place.roster.counted and now - place.pushed < limits.COUNT_SECONDS:
                self._mark(place)
                continue
            self._push(place)
        changed = [place for place in map(self._places.get, due) if place is not None and place.roster.changed_here]
        if changed:
            self._tasks.spawn(self._write_all(changed))

    def _push(self, place: _Place) -> None:
        frame = place.roster.push()
        if frame:
            place.pushed = asyncio.get_running_loop().time()
            self.deliver(place.roster.name, frame)

    async def _write_all(self, places: Iterable[_Place]) -> None:
        for place in places:
            await self._write(place)

    async def _write(self, place: _Place) -> None:
        place.roster.changed_here = False
        page = place.roster.page()
        try:
            await self._bus.publish(f"{place.subject}.{self._gateway}", _encoder.encode(page))
        except Rejected:
            place.roster.changed_here = True
            return
        place.written = asyncio.get_running_loop().time()
        self._forget(place)

    def _place(self, name: str, key: Key, counted: bool) -> _Place:
        place = self._places.get(name)
        if place is None:
            place = self._places[name] = _Place(Roster(name, counted), f"{BUCKET}.{key}")
            self._by_subject[place.subject] = place
        return place

    def _forget(self, place: _Place) -> None:
        """Let go of a roster that nobody here is on or follows, once its last page is written."""
        idle = place.followed <= 0 and place.roster.empty_here and not place.roster.changed_here
        if idle and self._places.get(place.roster.name) is place:
            del self._places[place.roster.name]
            del self._by_subject[place.subject]


def _to_nobody(name: str, frame: bytes) -> None:
    """Until somebody says where followers are."""


def _stamp(msg: Msg) -> float:
    """JetStream's time stamp of a stored message."""
    text = (msg.headers or {})["Nats-Time-Stamp"]
    whole, _, fraction = text.rstrip("Z").partition(".")
    return datetime.fromisoformat(f"{whole}+00:00").timestamp() + float(f"0.{fraction or 0}")
