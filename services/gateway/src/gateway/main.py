"""The gateway's table of contents: what it is made of, how it starts and how it stops."""

import asyncio
import contextlib
import os
import secrets
import signal
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiohttp
import structlog
import uvloop
from aiohttp import web

from events import telemetry
from events.bus import ApiError, Bus
from events.messages import Rejected
from events.settings import BadSettings
from gateway import limits
from gateway.arrivals import Arrivals
from gateway.auth import Auth, Guests
from gateway.calls import Calls
from gateway.catalogue import Catalogue
from gateway.channels import Channels
from gateway.clock import Clock
from gateway.desk import Desk
from gateway.health import Health
from gateway.http import Http
from gateway.identity import Ids
from gateway.keys import Fetch, fetcher
from gateway.limits import Seats
from gateway.notices import Notices
from gateway.origins import Origins
from gateway.presence import Presences
from gateway.reports import Reports
from gateway.rights import Rights
from gateway.settings import Settings, settings
from gateway.streams import Streams
from gateway.watches import Watches
from gateway.websocket import Sockets

USER = "gateway"
START_SECONDS = 60.0
CLOCK_SAMPLES = 4

log = structlog.get_logger("gateway")


@dataclass
class Running:
    """A gateway that serves; tests run several in one process."""

    port: int
    desk: Desk
    bus: Bus
    tasks: tuple["asyncio.Task[None]", ...]
    """Those that run for ever: one that ends has failed."""

    @property
    def http(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws(self) -> str:
        return f"ws://127.0.0.1:{self.port}/v1/ws"


@contextlib.asynccontextmanager
async def gateway(config: Settings) -> AsyncIterator[Running]:
    """A gateway with everything that it is made of. At the end it drains: nobody loses an answer."""
    async with contextlib.AsyncExitStack() as stack:
        bus = await Bus.connect(config.nats_url, USER, patience=START_SECONDS)
        stack.push_async_callback(bus.close)
        fetching = await stack.enter_async_context(aiohttp.ClientSession())
        # A name of its own for each process: what a dead one left behind must not look alive.
        name = f"{config.replica}-{secrets.token_hex(4)}".replace(".", "-").replace(" ", "-")
        clock = Clock(time.monotonic, time.time)
        ids = Ids(config.uid_secret, secrets.token_bytes)
        auth = _auth(config, ids, clock, fetcher(fetching))
        catalogue = Catalogue()
        calls = Calls(bus, ids, clock, config.call_seconds, config.commands_per_second)
        notices = Notices(bus, catalogue.contexts, clock.now)
        presences = Presences(bus, clock, name)
        channels = Channels(bus, calls, catalogue, presences, name)
        rights = Rights(bus, calls, catalogue, presences, channels)
        reports = Reports(bus, channels, rights, catalogue, clock, name)
        watches = Watches(calls, catalogue)
        arrivals = Arrivals(calls, catalogue)
        health = Health(bus, ids, name, presences, notices, auth, clock)
        guests = Guests(config.guest_secret, config.guest_days, ids, clock.now)
        desk = Desk(
            config,
            catalogue,
            clock,
            auth,
            guests,
            calls,
            notices,
            channels,
            rights,
            reports,
            watches,
            arrivals,
            Origins(config.allowed_origins),
            Seats(config.max_sockets, "too-many-sockets"),
        )
        presences.deliver = channels.deliver
        channels.listen(notices)
        rights.listen(notices)
        watches.listen(notices)
        for _ in range(CLOCK_SAMPLES):
            await _sample(presences)
        await health.start()
        await presences.start()
        await notices.start()
        await arrivals.start(bus)
        sockets = Sockets(desk)
        runs = presences.run(), sockets.run(), reports.run(), arrivals.run()
        tasks = tuple(asyncio.create_task(run) for run in runs)
        stack.push_async_callback(_end, tasks)
        stack.push_async_callback(presences.stop)
        stack.push_async_callback(reports.flush)  # nobody follows here any more
        streams = Streams(desk)
        doors = Http(desk, sockets, streams, health)
        # Cancelling handlers lets go of event streams as soon as their readers have gone.
        runner = web.AppRunner(
            doors.app(), access_log=None, shutdown_timeout=limits.CLEANUP_SECONDS, handler_cancellation=True
        )
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        site = web.TCPSite(runner, config.host, config.port, backlog=1024)
        await site.start()
        stack.push_async_callback(_drain, site, health, sockets, streams)
        port = runner.addresses[0][1]
        log.info("serving", address=f"http://{config.host}:{port}", gateway=name)
        yield Running(port, desk, bus, tasks)


def _auth(config: Settings, ids: Ids, clock: Clock, fetch: Fetch) -> Auth:
    try:
        return Auth(config.issuers, config.guest_secret, ids, fetch, clock.now, time.monotonic, guests=config.guests)
    except ValueError as error:
        raise BadSettings(f"settings: MATINEE_ISSUERS: {error}") from None


async def _sample(presences: Presences) -> None:
    """Compare clocks; a bucket that is not there yet is `/readyz`'s to tell."""
    try:
        await presences.check()
    except (Rejected, ApiError) as error:
        log.warning("clock not compared", reason=str(error))


async def _drain(site: web.TCPSite, health: Health, sockets: Sockets, streams: Streams) -> None:
    health.draining = True
    await site.stop()
    await streams.drain()
    await sockets.drain()


async def _end(tasks: tuple["asyncio.Task[None]", ...]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _serve(config: Settings) -> None:
    """The life of one process. Raises `SystemExit` when a part that runs for ever does not."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with gateway(config) as running:
        waits = [asyncio.create_task(stop.wait()), asyncio.create_task(running.bus.lost.wait())]
        await asyncio.wait([*waits, *running.tasks], return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        for task in running.tasks:
            if task.done():
                log.error("a part of the gateway died", reason=repr(task.exception()))
                raise SystemExit(1)
        if running.bus.lost.is_set():
            raise SystemExit("nats: the connection was closed for good")
    log.info("stopped")


def main() -> None:
    """Run until SIGTERM or SIGINT, with settings from the environment."""
    config = settings(os.environ)
    assert isinstance(config.issuers, tuple)  # read now: a mistake in them must not wait for the first token
    telemetry.configure(USER, config.log_format, config.log_level, config.trace_ratio, config.otlp)
    uvloop.run(_serve(config))
