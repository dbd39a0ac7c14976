"""The chassis: connects a service, serves it, keeps its read models moving, and stops it without losing an answer."""

import asyncio
import base64
import binascii
import contextlib
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

import asyncpg
import msgspec
import structlog
import uvloop
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from events import telemetry
from events.bus import ApiError, Bus, Msg
from events.definition import Granted, Service
from events.handle import Aggregates
from events.jetstream import JetStreamLog, JetStreamSnapshots, JetStreamTelemetry
from events.messages import Notice
from events.projection import Batches
from events.readmodel import ReadModels, connect
from events.rebuild import Rebuild
from events.runner import Runner
from events.serving import Server
from events.settings import BadSettings, ServiceSettings, load
from events.vault import PostgresKeys, Vault

__all__ = ["Granted", "Service", "run", "serve"]

log = structlog.get_logger("service")

DRAIN_SECONDS = 5.0
START_SECONDS = 60.0
RETRY_SECONDS = 0.25

T = TypeVar("T")
Check = Callable[[], Awaitable[bool]]


def run(service: Service) -> None:
    """Run *service* until SIGTERM or SIGINT, with settings from the environment."""
    settings = load(ServiceSettings)
    telemetry.configure(service.name, settings.log_format, settings.log_level, settings.trace_ratio, settings.otlp)
    uvloop.run(serve(service, settings))


async def serve(service: Service, settings: ServiceSettings) -> None:
    """The life of one replica. Returns after a signal; raises `SystemExit` when the connection is lost for good."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    ready: dict[str, Check] = {}
    async with health(settings.health_host, settings.health_port, ready), contextlib.AsyncExitStack() as stack:
        bus = await Bus.connect(settings.nats_url, service.name, patience=START_SECONDS)
        stack.push_async_callback(bus.close)
        vault_pool = await _patiently(lambda: connect(settings.database_url, f"{service.name}_writer", "vault", 2))
        stack.callback(vault_pool.terminate)
        vault = Vault(PostgresKeys(vault_pool), master_key(settings.master_key))
        events_log = await _patiently(lambda: JetStreamLog.open(bus, service.name, service.codec))
        heartbeats = JetStreamTelemetry(bus, service.name, service.codec) if service.has_telemetry else None
        rebuild = Rebuild(service, settings.database_url, events_log, heartbeats, vault)
        schema = await rebuild.ensure()
        models = ReadModels(service.name, settings.database_url, events_log.epoch)
        await models.open(schema)
        stack.push_async_callback(models.close)
        aggregates = Aggregates(
            events_log,
            service.deciders,
            vault,
            pacts=service.pacts,
            heartbeats=heartbeats,
            snapshots=JetStreamSnapshots(bus, service.name),
        )
        runner = Runner(
            service.name,
            settings.replica,
            settings.database_url,
            bus,
            events_log,
            heartbeats,
            lambda: Batches(service.projections, vault, events_log.epoch),
            service.crons,
        )

        async def on_notice(msg: Msg) -> None:
            await models.notice(msgspec.json.decode(msg.data, type=Notice))

        await bus.subscribe(f"changed.{service.name}", on_notice)
        server = Server(service, bus, aggregates, events_log, models)
        projecting = asyncio.create_task(runner.run())
        pointing = asyncio.create_task(models.follow_pointer())
        await server.start()
        ready |= {"nats": _connected(bus), "database": models.ready, "projection": _running(projecting)}
        log.info("serving", schema=schema, epoch=events_log.epoch, replica=settings.replica)
        await _until(stop, bus.lost, projecting, pointing)
        ready["draining"] = _no
        await server.drain(DRAIN_SECONDS)
        for task in (projecting, pointing):
            task.cancel()
        await asyncio.gather(projecting, pointing, return_exceptions=True)
        await runner.release()
        log.info("stopped")


def master_key(text: str) -> bytes:
    """The vault's master key from its setting."""
    try:
        key = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise BadSettings(f"settings: MATINEE_MASTER_KEY is not base64: {error}") from None
    if len(key) != 32:
        raise BadSettings(f"settings: MATINEE_MASTER_KEY has {len(key)} bytes, not 32")
    return key


@contextlib.asynccontextmanager
async def health(host: str, port: int, checks: dict[str, Check]) -> AsyncIterator[None]:
    """Serve `/healthz`, `/readyz` (each dependency named) and `/metrics`; nothing when *port* is 0."""

    async def healthz(request: web.Request) -> web.Response:
        return web.json_response({"ok": True})

    async def readyz(request: web.Request) -> web.Response:
        found = {name: await check() for name, check in list(checks.items())}
        ok = bool(found) and all(found.values())
        return web.json_response({"ready": ok, "checks": found}, status=200 if ok else 503)

    async def metrics(request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application()
    app.add_routes([web.get("/healthz", healthz), web.get("/readyz", readyz), web.get("/metrics", metrics)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    if port:
        await web.TCPSite(runner, host, port).start()
    try:
        yield
    finally:
        await runner.cleanup()


async def _until(stop: asyncio.Event, lost: asyncio.Event, *tasks: "asyncio.Task[None]") -> None:
    """Wait for a signal; fail if the bus gives up or a task that runs for ever does not."""
    waits = [asyncio.create_task(stop.wait()), asyncio.create_task(lost.wait())]
    await asyncio.wait([*waits, *tasks], return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()
    for task in tasks:
        if task.done():
            log.error("a part of the service died", reason=repr(task.exception()))
            raise SystemExit(1)
    if lost.is_set():
        raise SystemExit("nats: the connection was closed for good")


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


def _connected(bus: Bus) -> Check:
    async def check() -> bool:
        return bus.connected

    return check


def _running(task: "asyncio.Task[None]") -> Check:
    async def check() -> bool:
        return not task.done()

    return check


async def _no() -> bool:
    return False
