"""Event streams: one live query over plain HTTP, for clients that have no WebSocket."""

import asyncio
import contextlib
from typing import Any

import msgspec
from aiohttp import hdrs, web

from events.messages import Query, Rejected
from gateway.catalogue import Function
from gateway.desk import Desk
from gateway.errors import problem
from gateway.identity import Identity
from gateway.watches import Watcher

BEAT_SECONDS = 15.0
STREAM_RETRY_MS = 1000

_encoder = msgspec.json.Encoder()


class StreamWatcher(Watcher):
    """A watch behind an event stream. A slow reader gets the newest value, not all of them."""

    __slots__ = ("error", "newest", "news")

    def __init__(self, who: Identity) -> None:
        super().__init__(who)
        self.news = asyncio.Event()
        self.newest = b""
        self.error: Rejected | None = None

    def push(self, tail: bytes, position: str) -> None:
        self.newest = b"".join((b"id: ", position.encode(), b"\ndata: {", tail[1:], b"\n\n"))
        self.news.set()

    def fail(self, error: Rejected) -> None:
        self.error = error
        self.news.set()

    def take(self) -> bytes:
        self.news.clear()
        newest, self.newest = self.newest, b""
        return newest


class Streams:
    """All event streams of this gateway."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._open: set[asyncio.Task[Any]] = set()

    async def drain(self) -> None:
        """End the event streams; their clients connect again by themselves."""
        for stream in self._open:
            stream.cancel()

    async def handle(self, request: web.Request, who: Identity, function: Function, query: Query) -> web.StreamResponse:
        """`GET /v1/watch/{function}`."""
        watcher = StreamWatcher(who)
        await self._desk.watches.add(watcher, function, query, request.headers.get("Matinee-After"))
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        response = web.StreamResponse(headers={hdrs.CONTENT_TYPE: "text/event-stream", hdrs.CACHE_CONTROL: "no-store"})
        try:
            await response.prepare(request)
            await response.write(b"retry: %d\n\n" % STREAM_RETRY_MS)
            with contextlib.suppress(ConnectionError):
                await self._stream(response, watcher)
        finally:
            self._open.discard(task)
            self._desk.watches.remove(watcher)
        return response

    async def _stream(self, response: web.StreamResponse, watcher: StreamWatcher) -> None:
        while watcher.error is None:
            left = watcher.who.expires - self._desk.clock.now()
            if left <= 0:
                watcher.error = Rejected("token-expired")
                break
            try:
                async with asyncio.timeout(min(left, BEAT_SECONDS)):
                    await watcher.news.wait()
            except TimeoutError:
                await response.write(b":\n\n")
            if news := watcher.take():
                await response.write(news)
        if watcher.error is not None:
            await response.write(b"event: problem\ndata: " + _encoder.encode(problem(watcher.error)) + b"\n\n")
