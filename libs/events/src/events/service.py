"""The chassis: connects a service, serves it, keeps its read models moving, and stops it without losing an answer."""

import asyncio
import base64
import contextlib
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import asyncpg
import msgspec
import structlog
import uvloop

from events import telemetry
from events.ambient import Concluding, Hearing
from events.bus import ApiError, Bus, Msg
from events.definition import Granted, Preparations, Service
from events.derived import derived
from events.erasure import Eraser
from events.handle import Aggregates, nothing_known
from events.health import Check, serving_health
from events.jetstream import JetStreamLog, JetStreamSnapshots, JetStreamTelemetry
from events.messages import Notice, Rejected
from events.projection import Batches
from events.quotas import quotas_of
from events.readmodel import ReadModels, connect
from events.rebuild import Rebuild
from events.runner import Runner
from events.serving import Server
from events.settings import BadSettings, ServiceSettings, load
from events.vault import PostgresKeys, Vault
from events.working import Workplace, keep_working

__all__ = ["Granted", "Replica", "Service", "Stores", "replica", "run", "stores"]

T = TypeVar("T")

log = structlog.get_logger("service")

DRAIN_SECONDS = 5.0
START_SECONDS = 60.0
RETRY_SECONDS = 0.25
EPOCH_SECONDS = 1.0


class Restored(Exception):
    """The log is another one than this process was started with: whatever it remembers is void."""


def run(service: Service, settings: ServiceSettings | None = None) -> None:
    """Run *service* until SIGTERM or SIGINT, with settings from the environment if it has read none of its own."""
    settings = settings or load(ServiceSettings)
    telemetry.configure(service.name, settings.log_format, settings.log_level, settings.trace_ratio, settings.otlp)
    uvloop.run(_serve(service, settings))


async def _serve(service: Service, settings: ServiceSettings) -> None:
    """The life of one process. Raises `SystemExit` when a part that runs for ever does not."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    checks: dict[str, Check] = {}
    async with serving_health(settings.health_host, settings.health_port, checks):
        async with replica(service, settings) as running:
            checks |= running.checks
            await _until(stop, running)
            checks["draining"] = _no
        log.info("stopped")


@dataclass
class Stores:
    """Where a service's facts, heartbeats and keys are, opened with the service's own rights."""

    bus: Bus
    log: JetStreamLog
    heartbeats: JetStreamTelemetry | None
    vault: Vault
    rebuild: Rebuild


@dataclass
class Replica:
    """One running replica; tests run several in one process."""

    stores: Stores
    aggregates: Aggregates
    models: ReadModels
    runner: Runner
    tasks: Sequence["asyncio.Task[None]"]
    """Those that run for ever: one that ends has failed."""

    @property
    def checks(self) -> dict[str, Check]:
        return {"nats": self._connected, "database": self.models.ready, "projection": self._running}

    async def _connected(self) -> bool:
        return self.stores.bus.connected

    async def _running(self) -> bool:
        return self.runner.well and not any(task.done() for task in self.tasks)


@contextlib.asynccontextmanager
async def stores(service: Service, settings: ServiceSettings) -> AsyncIterator[Stores]:
    """Connect to NATS and PostgreSQL, waiting for up to a minute for servers that are still starting."""
    key = master_key(settings.master_key)
    async with contextlib.AsyncExitStack() as stack:
        bus = await Bus.connect(settings.nats_url, service.name, patience=START_SECONDS)
        stack.push_async_callback(bus.close)
        pool = await _patiently(
            lambda: connect(settings.database_url, f"{service.name}_writer", "vault", 2, durable=True)
        )
        stack.callback(pool.terminate)
        vault = Vault(PostgresKeys(pool), key)
        bus.on_reconnect(vault.forget_everybody)  # a destroyed key is told of once
        events_log = await _patiently(lambda: JetStreamLog.open(bus, service.name, service.codec))
        heartbeats = JetStreamTelemetry(bus, service.name, service.codec) if service.has_telemetry else None
        rebuild = Rebuild(service, settings.database_url, events_log, heartbeats, vault)
        yield Stores(bus, events_log, heartbeats, vault, rebuild)


@contextlib.asynccontextmanager
async def replica(service: Service, settings: ServiceSettings) -> AsyncIterator[Replica]:
    """A replica that serves. At the end it answers what it has taken on, then gives its lease back."""
    async with stores(service, settings) as opened, contextlib.AsyncExitStack() as stack:
        schema = await opened.rebuild.ensure()
        models = ReadModels(service.name, settings.database_url, opened.log.epoch)
        stack.push_async_callback(models.close)
        await models.open(schema)

        async def on_notice(msg: Msg) -> None:
            await models.notice(msgspec.json.decode(msg.data, type=Notice))

        await opened.bus.subscribe(f"changed.{service.name}", on_notice)
        hearing = None
        if service.observer is not None:
            hearing = Hearing(service.name, service.report, service.observer(), opened.bus)
            await hearing.start()
        aggregates = Aggregates(
            opened.log,
            service.deciders,
            opened.vault,
            pacts=service.pacts,
            heartbeats=opened.heartbeats,
            snapshots=JetStreamSnapshots(opened.bus, service.name),
            ambient=hearing.of if hearing is not None else nothing_known,
            owned=service.erasing.owned if service.erasing is not None else (),
        )
        runner = Runner(
            service.name,
            schema,
            settings.replica,
            settings.database_url,
            opened.bus,
            opened.log,
            opened.heartbeats,
            lambda: Batches(service.projections, opened.vault, opened.log.epoch, service.erasing),
            service.crons,
        )
        stack.push_async_callback(runner.release)
        tasks = [
            asyncio.create_task(runner.run()),
            asyncio.create_task(models.follow_pointer()),
            asyncio.create_task(_watch_epoch(opened.log)),
        ]
        if hearing is not None:
            concluding = Concluding(hearing, aggregates.state, opened.heartbeats, opened.vault, lambda: runner.leads)
            tasks.append(asyncio.create_task(concluding.run()))
        quotas = None
        if service.charges is not None:
            charging = quotas_of(service.name, settings.database_url, service.charges)
            quotas = await stack.enter_async_context(charging)
            tasks.append(asyncio.create_task(quotas.run()))
        place = Workplace(opened.bus, opened.log, aggregates, models, opened.vault)
        tasks += [asyncio.create_task(keep_working(work, place, lambda: runner.leads)) for work in service.working]
        stack.push_async_callback(_end, tasks)
        if service.erasing is not None:
            dsn = settings.database_url
            eraser = Eraser(service, opened.bus, opened.log, aggregates, models, opened.vault, dsn)
            await eraser.start()
        preparing: Preparations = {}
        if service.preparing is not None:
            preparing = await stack.enter_async_context(service.preparing(place))
        secret = derived(master_key(settings.master_key), service.name, "secrets of commands")
        server = Server(service, opened.bus, aggregates, opened.log, models, secret, quotas, preparing)
        stack.push_async_callback(server.drain, DRAIN_SECONDS)
        await server.start()
        log.info("serving", schema=schema, epoch=opened.log.epoch, replica=settings.replica)
        yield Replica(opened, aggregates, models, runner, tasks)


def master_key(text: str) -> bytes:
    """The vault's master key from its setting."""
    try:
        key = base64.b64decode(text, validate=True)
    except ValueError as error:
        raise BadSettings(f"settings: MATINEE_MASTER_KEY is not base64: {error}") from None
    if len(key) != 32:
        raise BadSettings(f"settings: MATINEE_MASTER_KEY has {len(key)} bytes, not 32")
    return key


async def _until(stop: asyncio.Event, running: Replica) -> None:
    """Wait for a signal; fail if the bus gives up or a task that runs for ever does not."""
    waits = [asyncio.create_task(stop.wait()), asyncio.create_task(running.stores.bus.lost.wait())]
    await asyncio.wait([*waits, *running.tasks], return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()
    for task in running.tasks:
        if task.done():
            log.error("a part of the service died", reason=repr(task.exception()))
            raise SystemExit(1)
    if running.stores.bus.lost.is_set():
        raise SystemExit("nats: the connection was closed for good")


async def _watch_epoch(events_log: JetStreamLog) -> None:
    """End when the log is of another epoch: the supervisor starts the process anew, with read models of that one."""
    while True:
        await asyncio.sleep(EPOCH_SECONDS)
        with contextlib.suppress(ApiError, Rejected):  # away, or about to be put back
            if not await events_log.still():
                raise Restored(f"the log is no longer of epoch {events_log.epoch}: it was restored; start anew")


async def _end(tasks: Sequence["asyncio.Task[None]"]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _patiently(connecting: Callable[[], Awaitable[T]]) -> T:
    """Try again while a server is still starting."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + START_SECONDS
    while True:
        try:
            return await connecting()
        except (OSError, asyncpg.PostgresError, ApiError, TimeoutError) as error:
            if loop.time() > deadline:
                raise SystemExit(f"cannot start: {error}") from error
            await asyncio.sleep(RETRY_SECONDS)


async def _no() -> bool:
    return False
