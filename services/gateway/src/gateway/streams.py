"""Event streams: one live query over plain HTTP, for clients that have no WebSocket."""

import asyncio
from typing import Any

import msgspec
from aiohttp import hdrs, web

from events.messages import AFTER, Query, Rejected
from gateway import limits
from gateway.catalogue import Function
from gateway.desk import Desk
from gateway.errors import problem
from gateway.identity import Identity
from gateway.limits import Seats
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
        self._seats = Seats(limits.STREAMS, "too-many-watches")
        self._open: set[asyncio.Task[Any]] = set()

    async def drain(self) -> None:
        """End the event streams; their clients connect again by themselves."""
        for stream in self._open:
            stream.cancel()

    async def handle(self, request: web.Request, who: Identity, function: Function, query: Query) -> web.StreamResponse:
        """`GET /v1/watch/{function}`."""
        with self._desk.seats.take(), self._seats.take(who.uid):
            return await self._serve(request, StreamWatcher(who), function, query)

    async def _serve(
        self, request: web.Request, watcher: StreamWatcher, function: Function, query: Query
    ) -> web.StreamResponse:
        await self._desk.watches.add(watcher, function, query, request.headers.get(AFTER))
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        response = web.StreamResponse(headers={hdrs.CONTENT_TYPE: "text/event-stream", hdrs.CACHE_CONTROL: "no-store"})
        try:
            await response.prepare(request)
            await self._tell(response, b"retry: %d\n\n" % STREAM_RETRY_MS, watcher)
            await self._stream(response, watcher)
            async with asyncio.timeout(limits.SLOW_STREAM_SECONDS):
                await response.write_eof()
        except (ConnectionError, TimeoutError):
            self._cut_off(request)
        finally:
            self._open.discard(task)
            self._desk.watches.remove(watcher)
        return response

    async def _stream(self, response: web.StreamResponse, watcher: StreamWatcher) -> None:
        while watcher.error is None and (left := self._left(watcher)) > 0:
            try:
                async with asyncio.timeout(min(left, BEAT_SECONDS)):
                    await watcher.news.wait()
            except TimeoutError:
                await self._tell(response, b":\n\n", watcher)
            if news := watcher.take():
                await self._tell(response, news, watcher)
        error = watcher.error or Rejected("token-expired")
        async with asyncio.timeout(limits.SLOW_STREAM_SECONDS):
            await response.write(b"event: problem\ndata: " + _encoder.encode(problem(error)) + b"\n\n")

    async def _tell(self, response: web.StreamResponse, data: bytes, watcher: StreamWatcher) -> None:
        """Write, and wait until the reader has taken most of it. Raise `TimeoutError` if it does not for too long."""
        async with asyncio.timeout(max(0.0, min(self._left(watcher), limits.SLOW_STREAM_SECONDS))):
            await response.write(data)

    def _left(self, watcher: StreamWatcher) -> float:
        """Seconds that the watcher's token is good for."""
        return watcher.who.expires - self._desk.clock.now()

    def _cut_off(self, request: web.Request) -> None:
        """Give back at once what waits for a reader who does not read; an orderly end would wait for it."""
        if request.transport is not None:
            request.transport.abort()
