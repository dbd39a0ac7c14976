"""Answers commands, queries and channel grants that come over the bus, in queue groups shared by the replicas."""

import asyncio
import hmac
import math
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import NamedTuple, TypeVar

import msgspec
import structlog
from opentelemetry.trace import SpanKind

from events import telemetry
from events.bus import Bus, Msg, Subscription, Unavailable
from events.codec import Codec
from events.definition import Granted, Preparations, Service
from events.handle import Aggregates
from events.lanes import Done
from events.log import Commit, Log
from events.messages import (
    AFTER,
    CONTEXT,
    Answer,
    Command,
    Context,
    Fault,
    Grant,
    GrantRequest,
    Key,
    Position,
    Query,
    Rejected,
    StoredCommit,
    arguments,
)
from events.quotas import Quotas
from events.readmodel import ReadModels
from events.schema import Db
from events.together import Together

T = TypeVar("T")

log = structlog.get_logger("serving")

IN_FLIGHT = 4_096
"""Requests that one replica works on at once; the next one is told `busy`."""
MISSED = 2_000
"""Commits that a grant hands on at most; who missed more starts from the state."""
MISSED_BYTES = 768 * 1024
"""The same in bytes; less beside a large state, for both have to fit into the answer."""
COMMIT_BYTES = 100
"""Of a commit in a grant, besides its events."""
GRANT_BYTES = 1_000
"""Of a grant, besides its state and its commits."""
LARGEST_ANSWER = 1_000_000
"""The bus carries 1 MiB, headers included."""
SHOWN = "select position from aggregate where key = $1"
"""More may have come in since the log was asked, and must not be told again to who is shown it."""
READS = 20
READ_AGAIN_SECONDS = 0.05

_contexts = msgspec.json.Decoder(Context)
_encoder = msgspec.json.Encoder()


class Request(NamedTuple):
    """What is asked of a function or a channel, in whose name, and until when its sender waits."""

    name: str
    body: bytes
    headers: Mapping[str, str]
    context: Context
    deadline: float
    """By the monotonic clock."""


Handler = Callable[[Request], Awaitable[Answer]]


class Right(NamedTuple):
    """What somebody was granted, where that is true, and the newest commit that it shows."""

    granted: Granted
    position: Position
    newest: int


class Server:
    """The bus side of one replica."""

    def __init__(
        self,
        service: Service,
        bus: Bus,
        aggregates: Aggregates,
        events_log: Log,
        models: ReadModels,
        secret: bytes,
        quotas: Quotas | None = None,
        preparing: Preparations | None = None,
    ) -> None:
        """*secret*: the key of `Context.secret`, the same on every replica. *quotas*: if the service charges any.

        *preparing*: what the service has opened for that, if anything.
        """
        self._service = service
        self._bus = bus
        self._aggregates = aggregates
        self._log = events_log
        self._models = models
        self._secret = secret
        self._quotas = quotas
        self._preparing = preparing or {}
        self._commands = {command.function: command for command in service.contracts.COMMANDS}
        self._queries = {query.function: query for query in service.queries}
        self._codec: Codec = service.codec
        self._rights = Together(self._granted)
        self._subscriptions: list[Subscription] = []
        self._working: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        name = self._service.name
        for prefix, handler in (("cmd", self._command), ("qry", self._query), ("grant", self._grant)):
            self._subscriptions.append(
                await self._bus.subscribe(f"{prefix}.{name}.>", self._taking(f"{prefix}.{name}.", handler), name)
            )
        await self._log.head()  # answered: so the subscriptions before it have reached the server

    async def drain(self, seconds: float) -> None:
        """Take no more requests and wait for those under way, so that nobody is left without an answer."""
        await self._bus.hear_out(self._subscriptions, self._log.head)
        if self._working:
            await asyncio.wait(self._working, timeout=seconds)

    def _taking(self, prefix: str, handler: Handler) -> Callable[[Msg], Awaitable[None]]:
        async def take(msg: Msg) -> None:
            if len(self._working) >= IN_FLIGHT:
                await self._reply(msg, Answer(error=Fault("busy")))
                return
            arrived = time.monotonic()
            task = asyncio.create_task(self._work(msg.subject.removeprefix(prefix), msg, handler, arrived))
            self._working.add(task)
            task.add_done_callback(self._working.discard)

        return take

    async def _work(self, name: str, msg: Msg, handler: Handler, arrived: float) -> None:
        headers = msg.headers or {}
        with telemetry.span(msg.subject, headers, SpanKind.SERVER):
            try:
                context = _context(headers)
                deadline = arrived + context.patience if context.patience else math.inf
                if time.monotonic() > deadline:
                    raise Rejected("deadline-exceeded")
                answer = await handler(Request(name, msg.data, headers, context, deadline))
            except Rejected as refusal:
                answer = Answer(error=Fault(refusal.code, refusal.details))
            except Exception:
                log.exception("request failed", subject=msg.subject)
                answer = Answer(error=Fault("internal"))
            await self._reply(msg, answer)

    async def _reply(self, msg: Msg, answer: Answer) -> None:
        if not msg.reply:
            return
        body = _encoder.encode(answer)
        if len(body) > LARGEST_ANSWER:
            log.error("answer too large", subject=msg.subject, bytes=len(body))
            body = _encoder.encode(Answer(error=Fault("too-large", {"bytes": len(body), "limit": LARGEST_ANSWER})))
        try:
            await self._bus.publish(msg.reply, body)
        except Unavailable:
            log.warning("answer lost: the bus is away", subject=msg.subject)

    async def _command(self, request: Request) -> Answer:
        function = request.name
        context = self._with_secret(request.context)
        kind = self._commands.get(function)
        if kind is None:
            raise Rejected("unknown-function", function=function[:100])
        if kind.internal and context.actor != f"system:{self._service.name}":
            raise Rejected("unknown-function", function=function)
        outcome = "internal"
        started = time.perf_counter()
        try:
            command = arguments(kind, request.body)
            done = await self._carry_out(command, context, request.deadline)
            outcome = "ok"
        except Rejected as refusal:
            outcome = refusal.code
            raise
        finally:
            telemetry.commands.labels(function, outcome).inc()
            telemetry.command_seconds.labels(function).observe(time.perf_counter() - started)
        position = Position(self._service.name, self._log.epoch, done.sequence, done.telemetry)
        return Answer(msgspec.Raw(_encoder.encode(command.result(context))), str(position))

    async def _carry_out(self, command: Command, context: Context, deadline: float) -> Done:
        if self._quotas is None:
            return await self._execute(command, context, deadline)
        return await self._quotas.carry_out(command, context, lambda wish: self._execute(wish, context, deadline))

    async def _execute(self, command: Command, context: Context, deadline: float) -> Done:
        command, context = await self._prepared(type(command), command, context, deadline)
        return await self._aggregates.execute(command, context, deadline)

    async def _prepared(
        self, kind: type[Command] | type[Query] | str, message: T, context: Context, deadline: float
    ) -> tuple[T, Context]:
        """With what it needs from outside, if that is anything."""
        prepare = self._preparing.get(kind)
        if prepare is None:
            return message, context
        return await _within(deadline, prepare(message, context))

    def _with_secret(self, context: Context) -> Context:
        secret = hmac.digest(self._secret, context.command_id.encode(), "sha256").hex()
        return msgspec.structs.replace(context, secret=secret)

    async def _query(self, request: Request) -> Answer:
        function, context = request.name, request.context
        kind = self._queries.get(function)
        if kind is None:
            raise Rejected("unknown-function", function=function[:100])
        outcome = "internal"
        started = time.perf_counter()
        try:
            query = arguments(kind, request.body)
            query, context = await self._prepared(kind, query, context, request.deadline)
            answering = self._service.queries[kind]
            value, position = await self._models.ask(
                lambda db: answering(db, query, context), await self._after(query, request.headers.get(AFTER))
            )
            outcome = "ok"
        except Rejected as refusal:
            outcome = refusal.code
            raise
        finally:
            telemetry.queries.labels(function, outcome).inc()
            telemetry.query_seconds.labels(function).observe(time.perf_counter() - started)
        return Answer(msgspec.Raw(_encoder.encode(value)), str(position))

    async def _after(self, query: Query, asked: str | None) -> Position | None:
        """What the answer has to show: what its asker knows of, and what the query always shows."""
        after = Position.parse(asked) if asked else None
        key = query.shows()
        if key is None:
            return after
        newest = await self._newest(key)
        if after is None:
            return newest
        if (after.context, after.epoch) != (newest.context, newest.epoch):
            return after  # which is refused as one of elsewhere
        return msgspec.structs.replace(after, sequence=max(after.sequence, newest.sequence))

    async def _newest(self, key: Key) -> Position:
        """Of the aggregate, in the log."""
        return Position(self._service.name, self._log.epoch, await self._log.newest(key))

    async def _grant(self, request: Request) -> Answer:
        kind, context = request.name, request.context
        if kind not in self._service.grants:
            raise Rejected("unknown-channel", channel=kind[:100])
        wanted = arguments(GrantRequest, request.body)
        wanted, context = await self._prepared(kind, wanted, context, request.deadline)
        right = await self._right((kind, wanted.channel_id), context, request.headers.get(AFTER))
        grant = await self._complete(Key.of(kind, wanted.channel_id), right, wanted.since)
        return Answer(msgspec.Raw(_encoder.encode(grant)), str(right.position))

    async def _right(self, channel: tuple[str, str], context: Context, asked: str | None) -> Right:
        """One that shows what its asker has done, also to other aggregates than the channel's. A position of another
        epoch says nothing of this log: its follower is told `recovered` is false."""
        after = Position.parse(asked) if asked else None
        if after is None or (after.context, after.epoch) != (self._service.name, self._log.epoch):
            return await self._rights.ask(channel, context)
        await self._models.reach(after)
        right = await self._rights.ask(channel, context)
        if not right.position.covers(after):
            raise Rejected("position-not-reached", position=str(right.position))
        return right

    async def _granted(self, channel: tuple[str, str], contexts: Sequence[Context]) -> Sequence[Right | Exception]:
        """What each of those who ask about one channel at the same moment may do there."""
        kind, channel_id = channel
        granting, key = self._service.grants[kind], Key.of(kind, channel_id)
        # Who joined or left just now must be seen as such: the read model has to have got to the newest commit.
        newest = await self._newest(key)

        async def look(db: Db) -> tuple[Sequence[Granted | Exception], int]:
            found = await granting(db, channel_id, contexts)
            return found, max(newest.sequence, await db.fetchval(SHOWN, str(key)) or 0)

        # Ask the read model first and the log second: what the log adds is then exactly what the state lacks.
        (found, shown), position = await self._models.ask(look, newest)
        return [each if isinstance(each, Exception) else Right(each, position, shown) for each in found]

    async def _complete(self, key: Key, right: Right, since: str | None) -> Grant:
        """Add to a right what its holder has missed; the state covers the newest commit already."""
        granted, position, newest = right
        wanted = Position.parse(since) if since is not None else position
        recovered = (wanted.context, wanted.epoch) == (position.context, position.epoch)
        commits = await self._read_to(newest, key, wanted.sequence if recovered else position.sequence)
        stored = [self._stored(commit) for commit in commits]
        state = _encoder.encode(granted.state)
        room = LARGEST_ANSWER - GRANT_BYTES - len(state)
        if not _few(stored, room):
            recovered, stored = False, [commit for commit in stored if commit.sequence > position.sequence]
            while stored and not _few(stored, room):
                stored = stored[: len(stored) // 2]
        return Grant(
            may=granted.may,
            position=str(position),
            state=msgspec.Raw(state),
            commits=tuple(stored),
            recovered=recovered,
            last=stored[-1].sequence if stored else newest,
            presence=granted.presence,
        )

    async def _read_to(self, newest: int, key: Key, after: int) -> list[Commit]:
        """What follows *after*, if that is not the newest.

        A server that lags behind its leader is asked again, lest the end be missing.
        """
        if after >= newest:
            return []
        for _ in range(READS):
            commits = await self._log.read(key, after)
            if (commits[-1].sequence if commits else after) >= newest:
                return commits
            await asyncio.sleep(READ_AGAIN_SECONDS)
        raise Unavailable(reason="the log lags behind")

    def _stored(self, commit: Commit) -> StoredCommit:
        return StoredCommit(commit.sequence, commit.at, msgspec.Raw(self._codec.encode(commit.events)))


async def _within(deadline: float, work: Awaitable[T]) -> T:
    """What *work* gives; raise `Rejected("deadline-exceeded")` when it takes longer, by the monotonic clock."""
    clock = asyncio.timeout(None if math.isinf(deadline) else deadline - time.monotonic())
    try:
        async with clock:
            return await work
    except TimeoutError:
        if clock.expired():
            raise Rejected("deadline-exceeded") from None
        raise


def _context(headers: Mapping[str, str]) -> Context:
    """As sent, but for what only a service fills in."""
    try:
        context = _contexts.decode(headers.get(CONTEXT, ""))
    except msgspec.DecodeError as error:
        raise Rejected("bad-context", reason=str(error)) from error
    if context.secret or context.ambient or context.seen or context.told:
        return msgspec.structs.replace(context, secret="", ambient={}, seen={}, told={})
    return context


def _few(commits: Sequence[StoredCommit], room: int) -> bool:
    """Whether one grant may hand on so much, with *room* bytes left in the answer."""
    size = sum(len(memoryview(commit.events)) for commit in commits)
    return len(commits) <= MISSED and size <= min(MISSED_BYTES, room - COMMIT_BYTES * len(commits))
