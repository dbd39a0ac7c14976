"""Keeps a service's read models moving: one leased runner over all replicas, with its timers and its notices."""

import asyncio
import contextlib
import math
import time
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

import asyncpg
import msgspec
import structlog

from events import schema, telemetry, timers
from events.bus import ApiError, Bus, TimedOut, Unavailable
from events.lag import Lag
from events.log import Commit, Hole, Log
from events.messages import CONTEXT, Answer, Context, Key, Notice, Rejected
from events.projection import LOG, TELEMETRY, Applied, Batches, Fenced
from events.readmodel import connect
from events.timers import CRON, Cron, Due

log = structlog.get_logger("runner")

LEASE = "projection of "
"""Its name goes on with whose code projects: during a deployment each version keeps its own read models moving."""
RENEW_SECONDS = 1.0
LEASE_SECONDS = 3
TRY_SECONDS = 0.25
AFTER_TROUBLE_SECONDS = 0.5
MEASURE_SECONDS = 1.0
PATIENCE_SECONDS = 5.0
"""After so long without the projection getting on, the leading replica is not ready."""
CROWD = 3
"""So many commits in one batch say that more are coming: then the next ones are let gather, for as long as the batch
took."""
LONGEST_GATHERING = 0.02
BACKLOG = 200
"""So many have waited for long: they are gathered already."""
TIMER_SECONDS = 0.25
NOWHERE = (-1, -1)
"""From where a notice starts after which every live query looks anew."""
LARGEST_NOTICE = 128 * 1024
"""Characters of topics; a batch that touches more is told as one that may have changed anything."""
TRANSIENT = frozenset({"unavailable", "timeout", "busy", "internal", "deadline-exceeded"})

TAKE = f"""
    insert into {{service}}.lease (name, holder, expires_at)
    values ($1, $2, now() + interval '{LEASE_SECONDS} seconds')
    on conflict (name) do update set holder = excluded.holder, expires_at = excluded.expires_at
     where lease.holder = excluded.holder or lease.expires_at < now()
    returning true
"""


def gathering(commits: int, took: float) -> float:
    """Seconds in which the next batch gathers, after one of so many *commits* that took so long."""
    return min(took, LONGEST_GATHERING) if CROWD <= commits < BACKLOG else 0.0


class Source(Protocol):
    """Something to follow: the log, or the telemetry."""

    async def head(self) -> int: ...

    def tail(self, after: int) -> AsyncIterator[list[Commit]]: ...


class _Switched(Exception):
    """Another schema is current now, or another runner holds the lease: start over."""


class Runner:
    """Projects while it holds the lease, waits while another does. After any trouble it goes on from the checkpoint."""

    def __init__(
        self,
        service: str,
        ours: str,
        replica: str,
        dsn: str,
        bus: Bus,
        events_log: Log,
        heartbeats: Source | None,
        batches: Callable[[], Batches],
        crons: Sequence[Cron] = (),
    ) -> None:
        """*ours*: the schema that the code in this process fills, or one of them."""
        self._service = service
        self._lease = LEASE + schema.filled_by(ours)
        self._replica = replica
        self._dsn = dsn
        self._bus = bus
        self._log = events_log
        self._heartbeats = heartbeats
        self._make_batches = batches
        self._crons = {CRON + cron.name: cron for cron in crons}
        self._take = TAKE.format(service=schema.checked(service))
        self._applying = asyncio.Lock()
        self._schema = ours
        self._at = {LOG: 0, TELEMETRY: 0}
        self._last = b""
        self._leads = False
        self._leased_at = -math.inf
        """When the lease was last taken or renewed, by the monotonic clock."""
        self._batches: Batches | None = None
        self._led_at = 0.0
        self._interrupted: float | None = None
        """Since when the projection does not get on, by the monotonic clock."""

    @property
    def well(self) -> bool:
        """Whether the projection is nobody's worry: it gets on, stopped only just now, or another replica leads."""
        return self._interrupted is None or time.monotonic() - self._interrupted < PATIENCE_SECONDS

    @property
    def leads(self) -> bool:
        """Whether this replica holds the lease, as far as it can know: nobody else can have it meanwhile."""
        return time.monotonic() - self._leased_at < LEASE_SECONDS

    async def run(self) -> None:
        """For ever."""
        measuring = asyncio.create_task(self._measure())
        try:
            await self._project()
        finally:
            measuring.cancel()

    async def _project(self) -> None:
        while True:
            pool, pause = None, AFTER_TROUBLE_SECONDS
            try:
                pool = await connect(self._dsn, f"{self._service}_writer", self._service, 4)
                await self._lead(pool)
            except* (*schema.DATABASE_TROUBLE, Rejected) as group:
                self._trouble()
                log.warning("projection interrupted", reason=_reason(group))
            except* _Switched as group:
                log.info("projection starts over", reason=_reason(group))
                pause = 0.0
            except* Fenced as group:
                self._trouble()
                log.info("projection starts over", reason=_reason(group))
            except* Hole as group:
                self._trouble(for_good=True)
                log.error("projection stopped at a hole in the log", reason=_reason(group))
            finally:
                telemetry.leading.labels(self._service).set(0)
                self._batches = None
                if pool is not None:
                    pool.terminate()
            await asyncio.sleep(pause)

    def _trouble(self, *, for_good: bool = False) -> None:
        since = time.monotonic() if self._interrupted is None else self._interrupted
        self._interrupted = since - PATIENCE_SECONDS if for_good else since

    async def _measure(self) -> None:
        """Tell once a second how the projection does. For ever, also while it is interrupted."""
        lag, before = Lag(), self._at[LOG]
        while True:
            await asyncio.sleep(MEASURE_SECONDS)
            if not self._leads:
                lag, self._interrupted = Lag(), None
            else:
                with contextlib.suppress(Rejected, ApiError):  # what is known to wait waits on
                    lag.stored(await self._log.head(), time.monotonic())
            waited = lag.seconds(self._at[LOG], time.monotonic())
            if self._lasts() and (waited == 0 or self._at[LOG] != before):
                self._interrupted = None
            before = self._at[LOG]
            telemetry.lag.labels(self._service).set(waited)
            telemetry.parked.labels(self._service).set(len(self._batches.parked) if self._batches else 0)

    def _lasts(self) -> bool:
        """Whether it projects and has done so for a while: what cannot go on fails at once."""
        return self._batches is not None and time.monotonic() - self._led_at >= MEASURE_SECONDS

    async def release(self) -> None:
        """Give the lease back at shutdown, so that another replica need not wait for it to expire."""
        self._leased_at = -math.inf
        try:
            db = await asyncpg.connect(self._dsn, server_settings={"role": f"{self._service}_writer"}, timeout=2)
            give_back = f"delete from {self._service}.lease where name = $1 and holder = $2"
            await db.execute(give_back, self._lease, self._replica)
            await db.close()
        except schema.DATABASE_TROUBLE as error:
            log.warning("lease not released", reason=str(error))

    async def _lead(self, pool: "asyncpg.Pool[Any]") -> None:
        while not await self._leased(pool):
            self._leads = False
            await asyncio.sleep(TRY_SECONDS)
        self._leads = True
        self._schema = schema.checked(await schema.current_of(pool, self._service, self._schema))
        async with pool.acquire() as writing, pool.acquire() as ticking:
            for connection in (writing, ticking):
                await connection.execute(f"set search_path to {self._schema}")
            batches = self._make_batches()
            self._at |= await batches.start(writing)
            self._led(batches)
            log.info("projecting", schema=self._schema, after=self._at)
            self._note(Applied(LOG, self._at[LOG], self._at[LOG], frozenset()))
            await timers.start_crons(ticking, list(self._crons.values()), _now())
            async with asyncio.TaskGroup() as group:
                group.create_task(self._keep_lease(pool))
                group.create_task(self._follow(writing, batches, LOG, self._log))
                if self._heartbeats is not None:
                    group.create_task(self._follow(writing, batches, TELEMETRY, self._heartbeats))
                group.create_task(self._repeat_notice())
                group.create_task(self._tick(ticking))
                group.create_task(self._retry_parked(pool, writing, batches))

    async def _leased(self, pool: "asyncpg.Pool[Any]") -> bool:
        """Take the lease or renew it."""
        asked = time.monotonic()
        taken = bool(await pool.fetchval(self._take, self._lease, self._replica))
        self._leased_at = asked if taken else -math.inf
        return taken

    def _led(self, batches: Batches) -> None:
        self._batches = batches
        self._led_at = time.monotonic()
        telemetry.leading.labels(self._service).set(1)
        telemetry.parked.labels(self._service).set(len(batches.parked))

    async def _keep_lease(self, pool: "asyncpg.Pool[Any]") -> None:
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            if not await self._leased(pool):
                raise _Switched("the lease went to another replica")
            if await schema.current_of(pool, self._service, self._schema) != self._schema:
                raise _Switched("the pointer moved")

    async def _follow(self, db: Any, batches: Batches, source: str, stream: Source) -> None:
        async for commits in stream.tail(self._at[source]):
            begun = time.monotonic()
            with (
                telemetry.batch_seconds.labels(self._service).time(),
                telemetry.span(
                    f"project {self._service}",
                    {telemetry.TRACEPARENT: commits[-1].trace} if commits[-1].trace else None,
                ),
            ):
                async with self._applying:
                    applied = await batches.apply(db, source, self._at[source], commits)
                    self._note(applied, goes_on=not applied.anew)
            await self._announce()
            telemetry.projected.labels(self._service, source).inc(len(commits))
            if pause := gathering(len(commits), time.monotonic() - begun):
                await asyncio.sleep(pause)

    def _note(self, applied: Applied, *, goes_on: bool = True) -> None:
        """Rows that changed behind the position do not go on from the last notice."""
        start = (self._at[LOG], self._at[TELEMETRY]) if goes_on else NOWHERE
        self._at[applied.source] = applied.end
        end = self._at[LOG], self._at[TELEMETRY]
        topics = tuple(sorted(applied.topics))
        if sum(map(len, topics)) > LARGEST_NOTICE:
            start, topics = NOWHERE, ()
        notice = Notice(self._service, self._log.epoch, self._schema, start, end, topics)
        self._last = msgspec.json.encode(notice)

    async def _announce(self) -> None:
        with contextlib.suppress(Unavailable):  # a hint; the next one, or its repetition, shows the gap
            await self._bus.publish(f"changed.{self._service}", self._last)

    async def _repeat_notice(self) -> None:
        while True:
            await self._announce()
            await asyncio.sleep(1.0)

    async def _tick(self, db: Any) -> None:
        while True:
            waiting = await timers.due(db, _now())
            for timer in waiting:
                await self._fire(db, timer)
            if not waiting:
                await asyncio.sleep(TIMER_SECONDS)

    async def _fire(self, db: Any, timer: Due) -> None:
        """Send the command. A refusal is an answer: the rule has looked."""
        cron = self._crons.get(timer.key)
        if cron is None and timer.function == CRON:
            await timers.drop(db, [timer.key])  # a cron that the code no longer has
            return
        command = cron.command(timer.at) if cron else None
        function = type(command).function if command else timer.function
        body = msgspec.json.encode(command) if command else timer.args.encode()
        context = Context(
            actor=f"system:{self._service}",
            now=_now(),
            command_id=timer.command_id,
            correlation_id=timer.command_id,
            causation_id=f"timer:{timer.key}"[:200],
        )
        headers = {CONTEXT: msgspec.json.encode(context).decode()}
        try:
            reply = await self._bus.request(f"cmd.{self._service}.{function}", body, headers)
            error = msgspec.json.decode(reply.data, type=Answer).error
            outcome = error.code if error else "ok"
        except (Unavailable, TimedOut) as nobody:
            outcome = nobody.code
        if outcome in TRANSIENT:
            await timers.failed(db, timer, _now(), away=outcome == "unavailable")
            return
        telemetry.timers_fired.labels(self._service, function, outcome).inc()
        await timers.fired(db, timer, _now(), cron)

    async def _retry_parked(self, pool: "asyncpg.Pool", writing: Any, batches: Batches) -> None:
        """Apply the keys again that an operator has marked."""
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            if not batches.parked:
                continue
            marked = await pool.fetch(
                f"select key, min(sequence) as first from {self._schema}.parked group by key having bool_or(retry)"
            )
            for row in marked:
                async with self._applying:
                    await self._retry(writing, batches, row["key"], row["first"])

    async def _retry(self, db: Any, batches: Batches, key: str, first: int) -> None:
        aggregate, _, id = key.partition(".")
        at = self._at[LOG]
        try:
            commits = await self._log.read(Key(aggregate, id), first - 1)
            topics = await batches.retry(db, at, key, [commit for commit in commits if commit.sequence <= at])
        except (Fenced, Rejected):
            raise
        except Exception as error:
            if schema.is_away(error, db):
                raise
            log.error("still parked", key=key, reason=repr(error))
            await db.execute("update parked set retry = false, reason = $2 where key = $1", key, repr(error)[:500])
        else:
            self._note(Applied(LOG, self._at[LOG], self._at[LOG], frozenset(topics)), goes_on=False)
            await self._announce()
            log.info("no longer parked", key=key)


def _now() -> datetime:
    return datetime.now(UTC)


def _reason(group: BaseExceptionGroup[Any]) -> str:
    return "; ".join(str(error) or type(error).__name__ for error in group.exceptions)
