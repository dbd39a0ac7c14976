"""Addons as real HTTP servers: good ones, and each way in which a stranger's server can be bad."""

import asyncio
import contextlib
import json
import zlib
from collections.abc import AsyncIterator, Mapping
from typing import Any

from aiohttp import web

JSON = "application/json"


def manifest(**changes: Any) -> dict[str, Any]:
    """A good manifest; a change to None leaves a key out."""
    good = {
        "id": "org.example.films",
        "version": "1.0.0",
        "name": "Films",
        "description": "Old films",
        "types": ["movie"],
        "resources": ["stream", {"name": "meta", "types": ["movie"], "idPrefixes": ["tt"]}],
        "catalogs": [],
        "stremioAddonsConfig": {"issuer": "https://example.org", "signature": "x"},
    }
    return {name: value for name, value in {**good, **changes}.items() if value is not None}


class AddonSimulator:
    """One server with an addon per path; `url("/good")` is the transport URL of one."""

    def __init__(self) -> None:
        self.place = ""
        self.asked: list[tuple[str, Mapping[str, str]]] = []
        """Paths and headers of all requests."""
        self.manifest: Any = manifest()
        self.release = asyncio.Event()
        """Ends what is slow."""
        self.elsewhere = ""
        """Where `/redirect` leads."""

    def url(self, path: str = "/good") -> str:
        return f"{self.place}{path}/manifest.json"

    def count(self, path: str = "/good") -> int:
        return sum(asked == f"{path}/manifest.json" for asked, _ in self.asked)

    def app(self) -> web.Application:
        app = web.Application()
        app.add_routes([web.get("/{path:.*}", self._answer)])
        return app

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append((request.path, dict(request.headers)))
        first = request.path.strip("/").partition("/")[0]
        handle = getattr(self, f"_{first.replace('-', '_')}", None)
        if handle is None:
            return self._json(self.manifest)
        answer: web.StreamResponse = await handle(request)
        return answer

    def _json(self, value: Any, **more: Any) -> web.Response:
        return web.Response(body=json.dumps(value).encode(), content_type=JSON, **more)

    async def _large(self, request: web.Request) -> web.Response:
        return self._json(manifest(description="x" * 1024 * 1024))

    async def _slow(self, request: web.Request) -> web.Response:
        await self.release.wait()
        return self._json(self.manifest)

    async def _endless(self, request: web.Request) -> web.StreamResponse:
        """Bytes that never stop, too few at a time to be many soon."""
        answer = web.StreamResponse(headers={"Content-Type": JSON})
        await answer.prepare(request)
        while not self.release.is_set():
            await answer.write(b" ")
            await asyncio.sleep(0.02)
        return answer

    async def _flood(self, request: web.Request) -> web.StreamResponse:
        """Bytes that never stop, as fast as they go."""
        answer = web.StreamResponse(headers={"Content-Type": JSON})
        await answer.prepare(request)
        with contextlib.suppress(ConnectionError):
            while not self.release.is_set():
                await answer.write(b" " * 65_536)
        return answer

    async def _html(self, request: web.Request) -> web.Response:
        return web.Response(text="<!doctype html><title>Configure</title>", content_type="text/html")

    async def _html_as_json(self, request: web.Request) -> web.Response:
        return web.Response(text="<!doctype html><title>Configure</title>", content_type=JSON)

    async def _picture(self, request: web.Request) -> web.Response:
        return web.Response(body=json.dumps(self.manifest).encode(), content_type="image/png")

    async def _plain(self, request: web.Request) -> web.Response:
        return web.Response(body=json.dumps(self.manifest).encode(), content_type="text/plain")

    async def _array(self, request: web.Request) -> web.Response:
        return self._json([self.manifest])

    async def _missing(self, request: web.Request) -> web.Response:
        return self._json({"err": "not found"}, status=404)

    async def _broken(self, request: web.Request) -> web.Response:
        return self._json({"err": "handler failed"}, status=500)

    async def _cut(self, request: web.Request) -> web.StreamResponse:
        """Says that more is coming, and hangs up."""
        answer = web.StreamResponse(headers={"Content-Type": JSON, "Content-Length": "1000"})
        await answer.prepare(request)
        await answer.write(b"{")
        assert request.transport is not None
        request.transport.abort()
        return answer

    async def _cookie(self, request: web.Request) -> web.Response:
        """Leads to a good one, and gives a cookie along."""
        answer = web.Response(status=302, headers={"Location": "/good/manifest.json"})
        answer.set_cookie("who", "you")
        return answer

    async def _redirect(self, request: web.Request) -> web.Response:
        return web.Response(status=307, headers={"Location": self.elsewhere})

    async def _chain(self, request: web.Request) -> web.Response:
        """`/chain/3/…` leads to a good one in three steps."""
        left = int(request.path.split("/")[2])
        there = f"/chain/{left - 1}/manifest.json" if left > 1 else "/good/manifest.json"
        return web.Response(status=301, headers={"Location": there})

    async def _circle(self, request: web.Request) -> web.Response:
        return web.Response(status=308, headers={"Location": request.path})

    async def _nowhere(self, request: web.Request) -> web.Response:
        return web.Response(status=302)

    async def _gzip(self, request: web.Request) -> web.Response:
        return self._packed(json.dumps(self.manifest).encode())

    async def _bomb(self, request: web.Request) -> web.Response:
        """50 MB of blanks in 50 KB."""
        return self._packed(b" " * 50_000_000)

    async def _half_packed(self, request: web.Request) -> web.Response:
        return web.Response(body=b"not gzip", headers={"Content-Type": JSON, "Content-Encoding": "gzip"})

    async def _brotli(self, request: web.Request) -> web.Response:
        return web.Response(body=b"\x0b\x02", headers={"Content-Type": JSON, "Content-Encoding": "br"})

    def _packed(self, body: bytes) -> web.Response:
        pack = zlib.compressobj(wbits=31)
        packed = pack.compress(body) + pack.flush()
        return web.Response(body=packed, headers={"Content-Type": JSON, "Content-Encoding": "gzip"})


@contextlib.asynccontextmanager
async def addons(host: str = "127.0.0.1") -> AsyncIterator[AddonSimulator]:
    """A running server on a free port; any address of 127.0.0.0/8 will do as *host*."""
    simulator = AddonSimulator()
    runner = web.AppRunner(simulator.app(), access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, 0).start()
        simulator.place = f"http://{host}:{runner.addresses[0][1]}"
        yield simulator
    finally:
        simulator.release.set()
        await runner.cleanup()
