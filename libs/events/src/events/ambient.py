"""Telemetry that gateways gather: every replica hears it, and the one that leads concludes from it, once a second."""

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import msgspec
import structlog
from msgspec import Struct

from events import telemetry
from events.bus import Bus, Msg
from events.handle import Telemetry
from events.messages import CONTEXT, Answer, Command, Context, Event, Key, Rejected, Report, token
from events.vault import Vault

R = TypeVar("R")
T = TypeVar("T")

EVERY_SECONDS = 1.0
"""Between two conclusions, and between two casts to one channel."""
LOOKED_AT = 500
"""Aggregates whose state is fetched for one conclusion; with more of them active, they take turns."""
AT_ONCE = 32
SEND_SECONDS = 2.0
"""What is not answered by then is concluded anew."""

log = structlog.get_logger("ambient")

_encoder = msgspec.json.Encoder()


class Told(Struct, Generic[R], frozen=True):
    """What one gateway tells of one channel."""

    reports: dict[str, R] = {}
    """By uid, the newest since the batch before."""
    seen: list[str] | None = None
    """Who follows the channel there; null if nothing is said of it."""
    count: int = 0
    """How many they are, where `seen` does not name them all; 0 if it does."""


class Batch(Struct, Generic[R], frozen=True):
    """What one gateway tells of its channels, about once a second; a large one comes in several."""

    gateway: str
    at: float
    """Unix seconds by the clock that the gateways share."""
    channels: dict[str, Told[R]]
    """By id of the channel."""


class Cast(NamedTuple):
    """To be told to everybody who follows `<kind>:<id>`, and stored nowhere."""

    kind: str
    id: str
    event: str
    data: Mapping[str, Any]


class Sampling(NamedTuple):
    """To be kept in the context's telemetry stream."""

    key: Key
    event: Event


class Conclusions(NamedTuple):
    """What follows from what was heard."""

    commands: Sequence[Command] = ()
    """Internal ones; the decider looks again."""
    casts: Sequence[Cast] = ()
    samples: Sequence[Sampling] = ()


class Observer(Protocol):
    """A service's memory of what it hears, without I/O. *now* is in unix seconds and never runs backwards."""

    def hear(self, batch: Batch[Any], now: float) -> None:
        """Take a batch in. They may come twice, late, or not at all."""

    def ambient(self, key: Key, now: float) -> Mapping[str, Any]:
        """What a decision about the aggregate gets to know. Asked at every decision, so it must be quick."""

    def active(self, now: float) -> Collection[Key]:
        """Aggregates about which something can be concluded, if their states are known."""

    def conclude(self, states: Mapping[Key, Any], now: float) -> Conclusions:
        """What follows. Asked on the leading replica alone, about once a second, for some or all that are active."""


class _Message(Struct, frozen=True, tag_field="op", tag="message"):
    """The frame in which followers get a cast."""

    channel: str
    event: str
    sender: str = msgspec.field(name="from")
    data: Mapping[str, Any]


def subject(context: str, gateway: str) -> str:
    """Where a gateway publishes its batches for a context."""
    return f"ambient.{context}.{token(gateway)}"


def steady() -> Callable[[], float]:
    """Unix seconds as they pass: a clock that is put right must not look like a long silence."""
    offset = time.time() - time.monotonic()
    return lambda: time.monotonic() + offset


class Hearing:
    """Hands every batch to the observer, on every replica."""

    def __init__(self, service: str, report: type[Report], observer: Observer, bus: Bus) -> None:
        self.service = service
        self.observer = observer
        self.bus = bus
        self.clock = steady()
        self._report = report
        self._fields = frozenset(report.__struct_encode_fields__)
        kind: Any = Batch[report]  # type: ignore[valid-type]  # known at run time
        self._batches: msgspec.json.Decoder[Batch[Any]] = msgspec.json.Decoder(kind)

    async def start(self) -> None:
        await self.bus.subscribe(f"ambient.{self.service}.*", self._on_batch)

    def of(self, key: Key) -> Mapping[str, Any]:
        """What a decision gets to know."""
        return self.observer.ambient(key, self.clock())

    async def _on_batch(self, msg: Msg) -> None:
        telemetry.heard.labels(self.service).inc()
        batch: Batch[Any] | None
        try:
            batch = self._batches.decode(msg.data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            batch = self._readable(msg)
        if batch is not None:
            self.observer.hear(batch, self.clock())

    def _readable(self, msg: Msg) -> Batch[Any] | None:
        """What can be read of a batch, entry by entry: one bad report must not silence a whole gateway."""
        try:
            rough = msgspec.json.decode(msg.data, type=Batch[Any])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            # Not the error's text, which may quote what is in there.
            log.warning("batch dropped", subject=msg.subject, reason=type(error).__name__)
            return None
        channels, dropped = {}, 0
        for channel_id, told in rough.channels.items():
            read = {uid: report for uid, fields in told.reports.items() if (report := self._one(fields)) is not None}
            dropped += len(told.reports) - len(read)
            channels[channel_id] = Told(read, told.seen, told.count)
        if dropped:
            log.warning("reports dropped", subject=msg.subject, reports=dropped)
        return Batch(rough.gateway, rough.at, channels)

    def _one(self, fields: Any) -> Report | None:
        """A newer gateway may know fields that this code does not; these pass by."""
        try:
            known = {name: value for name, value in fields.items() if name in self._fields}
            return msgspec.convert(known, self._report)
        except (msgspec.ValidationError, AttributeError):
            return None


class Concluding:
    """Asks the observer once a second, while *leads*, and does what it says."""

    def __init__(
        self,
        hearing: Hearing,
        state: Callable[[Key], Awaitable[Any]],
        heartbeats: Telemetry | None,
        vault: Vault,
        leads: Callable[[], bool],
    ) -> None:
        self._service = hearing.service
        self._observer = hearing.observer
        self._bus = hearing.bus
        self._clock = hearing.clock
        self._state = state
        self._heartbeats = heartbeats
        self._vault = vault
        self._leads = leads
        self._turn = 0
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def run(self) -> None:
        """For ever. Whatever goes wrong, the next second concludes from what is known then."""
        while True:
            await asyncio.sleep(EVERY_SECONDS)
            if self._leads():
                try:
                    await self.conclude()
                except Exception:
                    log.exception("nothing concluded", service=self._service)

    async def conclude(self) -> None:
        """Once."""
        states = await self._states(self._whose_turn(self._observer.active(self._clock())))
        found = self._observer.conclude(states, self._clock())
        now = datetime.now(UTC)
        await self._each("command", [self._send(command, now) for command in found.commands])
        await self._each("cast", [self._cast(cast) for cast in found.casts])
        await self._each("sample", [self._keep(sampling, now) for sampling in found.samples])

    def _whose_turn(self, active: Collection[Key]) -> list[Key]:
        keys = list(active)
        start = self._turn % len(keys) if keys else 0
        taken = [*keys[start:], *keys[:start]][:LOOKED_AT]
        self._turn = start + len(taken)
        return taken

    async def _states(self, keys: Sequence[Key]) -> dict[Key, Any]:
        found = await self._each("state", [self._state(key) for key in keys])
        return {key: state for key, state in zip(keys, found, strict=True) if not isinstance(state, BaseException)}

    async def _each(self, what: str, work: Iterable[Awaitable[T]]) -> list[T | BaseException]:
        """Do all of it, not too much at a time. What fails is told in one line: it is asked or said again soon."""

        async def one(awaited: Awaitable[T]) -> T:
            async with self._slots:
                return await awaited

        done = await asyncio.gather(*map(one, work), return_exceptions=True)
        failed = [error for error in done if isinstance(error, Exception)]
        if failed:
            log.warning("not concluded", service=self._service, what=what, count=len(failed), reason=repr(failed[0]))
        return done

    async def _send(self, command: Command, now: datetime) -> None:
        """To ourselves, as a timer would. A refusal is an answer: the rule has looked."""
        function, body = type(command).function, _encoder.encode(command)
        context = Context(actor=f"system:{self._service}", now=now, command_id=_id(function, body, now))
        context = msgspec.structs.replace(
            context, correlation_id=context.command_id, causation_id=f"ambient:{command.keys(context)[0]}"[:200]
        )
        headers = {CONTEXT: _encoder.encode(context).decode()}
        outcome = "unavailable"
        try:
            reply = await self._bus.request(f"cmd.{self._service}.{function}", body, headers, SEND_SECONDS)
            error = msgspec.json.decode(reply.data, type=Answer).error
            outcome = error.code if error else "ok"
        except Rejected as nobody:
            outcome = nobody.code
        finally:
            telemetry.concluded.labels(self._service, function, outcome).inc()

    async def _cast(self, cast: Cast) -> None:
        await tell(self._bus, self._service, cast)

    async def _keep(self, sampling: Sampling, now: datetime) -> None:
        assert self._heartbeats is not None, f"{self._service} has no stream for {type(sampling.event).__name__}"
        (sealed,) = await self._vault.seal([sampling.event])
        context = Context(actor=f"system:{self._service}", now=now)
        await self._heartbeats.put(sampling.key, sealed.slot(), sealed, context)


async def tell(bus: Bus, service: str, cast: Cast) -> None:
    """Hand a cast to the gateways, at most once."""
    frame = _Message(f"{cast.kind}:{cast.id}", cast.event, f"system:{service}", cast.data)
    await bus.publish(f"cast.{Key.of(cast.kind, cast.id)}", _encoder.encode(frame))


def _id(function: str, body: bytes, now: datetime) -> str:
    """The same conclusion within one second is the same command: a leader and its successor may both draw it."""
    return hashlib.sha256(f"ambient {function} {int(now.timestamp())} ".encode() + body).hexdigest()[:32]
