"""What an operator's probes and scrapers ask of a process: is it alive, is it ready, and how does it do."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

Check = Callable[[], Awaitable[bool]]


@contextlib.asynccontextmanager
async def serving_health(host: str, port: int, checks: dict[str, Check]) -> AsyncIterator[None]:
    """Serve `/healthz`, `/readyz` (each dependency named; not ready while there is none) and `/metrics`.

    Nothing is served when *port* is 0. *checks* may be filled while it runs.
    """

    async def healthz(request: web.Request) -> web.Response:
        return web.json_response({"ok": True})

    async def readyz(request: web.Request) -> web.Response:
        found = {name: await check() for name, check in list(checks.items())}
        ready = bool(found) and all(found.values())
        return web.json_response({"ready": ready, "checks": found}, status=200 if ready else 503)

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
