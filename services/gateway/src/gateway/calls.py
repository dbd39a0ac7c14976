"""Requests to services over the bus: in whose name, with which id, for how long, and what to do when nobody answers."""

import asyncio
import hashlib
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import NamedTuple

import msgspec
import structlog
from msgspec import Raw
from opentelemetry.trace import SpanKind

from events import telemetry
from events.bus import Bus, TimedOut, Unavailable
from events.messages import AFTER, CONTEXT, Answer, Command, Context, Grant, GrantRequest, Rejected
from events.uploads import Uploads
from gateway import limits, metrics
from gateway.catalogue import ChannelKind, Function, canonical, split_position
from gateway.clock import Clock, utc
from gateway.identity import Identity, Ids, fingerprint
from gateway.limits import Buckets

PASSING = frozenset(
    {"unavailable", "timeout", "busy", "deadline-exceeded", "internal", "position-not-reached", "other-epoch"}
)
"""Errors that say nothing about a right: whoever waits in the background asks again."""

NOTHING_DONE = frozenset({"unavailable", "busy", "deadline-exceeded"})
"""Errors that say so of one attempt, which is true of a call only if no attempt before it went unanswered."""

log = structlog.get_logger("calls")

_encoder = msgspec.json.Encoder()
_answers = msgspec.json.Decoder(Answer)
_grants = msgspec.json.Decoder(Grant)


class Uploaded(NamedTuple):
    """A file that waits for the command that names it."""

    name: str
    pieces: int


class Calls:
    """Asks services in somebody's name."""

    def __init__(self, bus: Bus, ids: Ids, clock: Clock, seconds: float, commands_per_second: float) -> None:
        """*commands_per_second* are each person's: three times as many at once, one at least; 0 for no limit."""
        self._bus = bus
        self._ids = ids
        self._clock = clock
        self._seconds = seconds
        self._commands = Buckets(commands_per_second, max(1.0, commands_per_second * limits.COMMANDS_BURST))

    async def command(
        self, who: Identity, function: Function, command: Command, body: bytes | Raw, key: str | None
    ) -> Answer:
        """Carry out a command. With the same *key* it takes effect once, however often it is sent.

        What one person makes of the log is bounded here: all doors lead here, and nothing is asked over the bus.
        """
        self._not_too_often(who)
        context = self._context(
            who, self._ids.command(who.uid, function.name, key), fingerprint(canonical(command)) if key else ""
        )
        context = msgspec.structs.replace(context, address=self._ids.address(who.address))
        return await self._measured(function, context, body, None)

    def _not_too_often(self, who: Identity) -> None:
        try:
            self._commands.take(who.uid, self._clock.now())
        except Rejected:
            metrics.commands_refused.inc()
            raise

    async def upload(
        self, who: Identity, function: Function, key: str | None, body: AsyncIterator[bytes], limit: int
    ) -> Uploaded:
        """Store a file for the function that is going to name it, while it comes in.

        With the same *key* it has the same name, and is the file sent last.
        """
        name = hashlib.sha256(f"upload {self._ids.command(who.uid, function.name, key)}".encode()).hexdigest()[:32]
        about = await Uploads(self._bus, function.context).send(name, who.uid, body, limit)
        return Uploaded(name, about.pieces)

    async def discard(self, function: Function, file: Uploaded) -> None:
        """Let go of a file that *function* has not taken."""
        await Uploads(self._bus, function.context).discard(file.name, file.pieces)

    async def query(self, who: Identity, function: Function, body: bytes | Raw, after: str | None = None) -> Answer:
        """Answer a query, at or after a position."""
        context = self._context(who, self._ids.random())
        return await self._measured(function, context, body, split_position(after)[0] if after else None)

    async def run(self, who: Identity, function: Function, query: bytes, after: str | None = None) -> Answer:
        """Answer a query once and without patience, for a watch: its own loop repeats it."""
        context = self._context(who, self._ids.random())
        return await self._ask(function.subject, query, context, after, limits.RERUN_SECONDS, limits.RERUN_SECONDS)

    async def grant(
        self, who: Identity, kind: ChannelKind, channel_id: str, since: str | None = None, after: str | None = None
    ) -> Grant:
        """What *who* may do on a channel, its state (at or after a position), and what was missed since another."""
        request = _encoder.encode(GrantRequest(channel_id, since))
        subject = f"grant.{kind.context}.{kind.kind}"
        answer = await self._patiently(
            lambda *seconds: self._ask(subject, request, self._context(who, self._ids.random()), after, *seconds)
        )
        return _grants.decode(answer.value)

    def _context(self, who: Identity, command_id: str, arguments: str = "") -> Context:
        return Context(
            actor=who.uid,
            now=utc(self._clock.now()),
            command_id=command_id,
            correlation_id=command_id,
            roles=who.roles,
            name=who.name,
            fingerprint=arguments,
        )

    async def _measured(self, function: Function, context: Context, body: bytes | Raw, after: str | None) -> Answer:
        started = time.perf_counter()
        code = "ok"
        try:
            return await self._patiently(lambda *seconds: self._ask(function.subject, body, context, after, *seconds))
        except Rejected as error:
            code = error.code
            if code in ("unavailable", "timeout", "internal"):
                log.warning("call failed", function=function.name, code=code, id=context.command_id, **error.details)
            raise
        except asyncio.CancelledError:
            code = "cancelled"
            raise
        finally:
            metrics.call(function.name, code, time.perf_counter() - started)

    async def _patiently(self, ask: Callable[[float, float], Awaitable[Answer]]) -> Answer:
        """Ask again while nobody is there or nobody answers: a service that is restarted must not lose a command.

        *ask* is told for how many seconds this attempt waits, and the call as a whole: to whom took up an earlier
        attempt somebody still listens, by way of the next one.
        The same command id goes out each time, so a command whose answer was lost still takes effect once.
        """
        pause = 0.05
        started = time.perf_counter()
        unanswered: TimedOut | None = None
        while True:
            left = started + self._seconds - time.perf_counter()
            try:
                return await ask(min(limits.ATTEMPT_SECONDS, left), left)
            except TimedOut as error:
                unanswered = error
                if left <= limits.ATTEMPT_SECONDS:
                    raise
            except Rejected as error:
                again = isinstance(error, Unavailable) and time.perf_counter() + pause <= started + limits.RETRY_SECONDS
                if not again:
                    if unanswered is not None and error.code in NOTHING_DONE:
                        raise unanswered from error
                    raise
            await asyncio.sleep(pause)
            pause = min(pause * 2, 0.4)

    async def _ask(
        self, subject: str, body: bytes | Raw, context: Context, after: str | None, seconds: float, patience: float
    ) -> Answer:
        headers = {CONTEXT: _header(msgspec.structs.replace(context, patience=patience))}
        if after:
            headers[AFTER] = after
        with telemetry.span(subject, kind=SpanKind.CLIENT):
            telemetry.inject(headers)
            msg = await self._bus.request(subject, bytes(body), headers, seconds)
        answer = _answers.decode(msg.data)
        if answer.error is not None:
            raise Rejected(answer.error.code, **answer.error.details)
        return answer


def _header(context: Context) -> str:
    """Headers are ASCII; names are not."""
    text = _encoder.encode(context)
    return text.decode() if text.isascii() else json.dumps(msgspec.json.decode(text))
