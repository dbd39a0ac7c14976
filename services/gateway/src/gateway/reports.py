"""Reports of clients on their way to the service that they concern: the newest of each person, in batches."""

import asyncio
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import msgspec
import structlog
from msgspec.structs import replace

from events.ambient import Told, subject
from events.bus import Bus
from events.messages import Rejected, Report
from gateway import limits, metrics
from gateway.catalogue import Catalogue
from gateway.channels import Channels
from gateway.clock import Clock
from gateway.identity import Identity
from gateway.rights import Rights

FLUSH_SECONDS = 1.0
SEEN_SECONDS = 5.0
"""So often a service is told who follows, even if nothing changed: what nobody repeats, it forgets."""

HEAD = b'{"reports":{'
NOTHING: Told[Report] = Told()

log = structlog.get_logger("reports")

_encoder = msgspec.json.Encoder()


class Listing(NamedTuple):
    """Whom a service was told to follow a channel here, and when."""

    people: frozenset[str]
    at: float


class Reports:
    """What people on this gateway report, and who follows what there is to report about."""

    def __init__(
        self, bus: Bus, channels: Channels, rights: Rights, catalogue: Catalogue, clock: Clock, gateway: str
    ) -> None:
        self._bus = bus
        self._channels = channels
        self._rights = rights
        self._clock = clock
        self._gateway = gateway
        self._contexts = catalogue.reporting
        self._newest: dict[str, dict[str, dict[str, Report]]] = {kind: {} for kind in self._contexts}
        """By kind and id of channel and by uid."""
        self._count = 0
        self._listed: dict[str, dict[str, Listing]] = {kind: {} for kind in self._contexts}

    def take_if_known(self, who: Identity, number: int, report: Report) -> bool:
        """Take the report of socket *number*, if nobody has to be asked for its right; tell whether."""
        if not self._rights.known(number, channel_of(report), "track"):
            return False
        with _measured(report):
            self._keep(who.uid, report)
        return True

    async def take(self, who: Identity, number: int, report: Report, after: str | None = None) -> None:
        """The same, asking if need be. Raise `Rejected` if it may not."""
        with _measured(report):
            await self._rights.check(who, number, channel_of(report), "track", after)
            self._keep(who.uid, report)

    def _keep(self, uid: str, report: Report) -> None:
        people = self._newest[report.channel].setdefault(report.channel_id(), {})
        if uid not in people:
            if self._count >= limits.REPORTERS:
                raise Rejected("rate-limited", retry_after=FLUSH_SECONDS)
            self._count += 1
        people[uid] = report
        metrics.reports.inc()

    async def run(self) -> None:
        """Hand on what has gathered, once a second. For ever."""
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            await self.flush()

    async def flush(self) -> None:
        """Hand on what has gathered. While the bus is away it is lost: newer reports will come."""
        self._count = 0
        now = self._clock.now()
        for kind, context in self._contexts.items():
            newest, self._newest[kind] = self._newest[kind], {}
            told = self._told(kind, newest, self._clock.local())
            try:
                for batch in packed(self._gateway, now, told):
                    await self._bus.publish(subject(context, self._gateway), batch)
                    metrics.report_batches.inc()
                    metrics.report_bytes.inc(len(batch))
            except Rejected as error:
                log.debug("reports lost", reason=error.code)
                self._listed[kind].clear()

    def _told(self, kind: str, newest: Mapping[str, dict[str, Report]], now: float) -> dict[str, Told[Report]]:
        """What there is to say of each channel; nothing of those that nobody follows or reports about."""
        listed, followed = self._listed[kind], self._channels.audiences(kind)
        gone = [channel_id for channel_id in listed if channel_id not in followed]
        seen: dict[str, Told[Report]] = {channel_id: Told(seen=[]) for channel_id in gone}
        for channel_id in gone:
            del listed[channel_id]
        for channel_id, people in followed.items():
            before = listed.get(channel_id)
            if before is None or before.people != people or now - before.at >= SEEN_SECONDS:
                listed[channel_id] = Listing(people, now)
                seen[channel_id] = _following(people)
        return {
            channel_id: replace(seen.get(channel_id, NOTHING), reports=newest.get(channel_id, {}))
            for channel_id in {**newest, **seen}
        }


def channel_of(report: Report) -> str:
    """The name of the channel that a report is about."""
    return f"{report.channel}:{report.channel_id()}"


@contextmanager
def _measured(report: Report) -> Iterator[None]:
    started, code = time.perf_counter(), "ok"
    try:
        yield
    except BaseException as error:
        code = error.code if isinstance(error, Rejected) else "internal"
        raise
    finally:
        metrics.call(report.function, code, time.perf_counter() - started)


def packed(gateway: str, at: float, channels: Mapping[str, Told[Any]]) -> Iterator[bytes]:
    """Batches of `limits.BATCH_BYTES` at most, as `events.ambient.Batch`; a channel too large for one goes on in the
    next."""
    head = b'{"gateway":' + _encoder.encode(gateway) + b',"at":' + _encoder.encode(at) + b',"channels":{'
    room = limits.BATCH_BYTES - len(head) - 2
    entries: list[bytes] = []
    size = 0
    for channel_id, told in channels.items():
        name = _encoder.encode(channel_id) + b":"
        for number, piece in enumerate(_pieces(told, room - len(name) - 1)):
            length = len(name) + len(piece) + 1
            if entries and (number or size + length > room):  # one batch names a channel once
                yield head + b",".join(entries) + b"}}"
                entries, size = [], 0
            entries.append(name + piece)
            size += length
    if entries:
        yield head + b",".join(entries) + b"}}"


def _pieces(told: Told[Any], room: int) -> Iterator[bytes]:
    tail = b'},"seen":' + _encoder.encode(told.seen) + (b',"count":%d}' % told.count if told.count else b"}")
    entries: list[bytes] = []
    size = len(HEAD) + len(tail)
    for uid, report in told.reports.items():
        entry = _encoder.encode(uid) + b":" + _encoder.encode(report)
        if entries and size + len(entry) + 1 > room:
            yield HEAD + b",".join(entries) + tail
            entries, tail = [], b'},"seen":null}'
            size = len(HEAD) + len(tail)
        entries.append(entry)
        size += len(entry) + 1
    yield HEAD + b",".join(entries) + tail


def _following(people: frozenset[str]) -> Told[Report]:
    """As many of them as a listing may name: the same ones each time."""
    if len(people) <= limits.SEEN:
        return Told(seen=list(people))
    return Told(seen=sorted(people)[: limits.SEEN], count=len(people))
