"""`GET /v1/export`: everything that is kept about the asker, one record a line, as it comes from the services."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec
import structlog
from aiohttp import hdrs, web
from msgspec import Raw, Struct

from events.messages import Rejected
from gateway import limits
from gateway.catalogue import Catalogue, Function
from gateway.desk import Desk
from gateway.errors import ErrorBody, body
from gateway.identity import Identity
from gateway.limits import Seats

NDJSON = "application/x-ndjson"
FILE = 'attachment; filename="matinee.ndjson"'
FIRST = "library.export"
"""Begins the file: its first record says what the file is."""

log = structlog.get_logger("exports")

_encoder = msgspec.json.Encoder()


class Part(Struct, frozen=True):
    """A page of a service's export, its records left as they are."""

    records: list[Raw]
    cursor: str | None


class End(Struct, frozen=True, tag="end", tag_field="record"):
    """The last line of a file that is whole."""

    records: int
    """How many there were before it."""


class Broken(Struct, frozen=True, tag="error", tag_field="record"):
    """The last line of a file that is not: what is missing could not be read."""

    error: ErrorBody


def exporting(catalogue: Catalogue) -> Sequence[Function]:
    """The queries that tell part by part what a service keeps about the asker."""
    found = [function for name, function in catalogue.functions.items() if name.endswith(".export")]
    return sorted(found, key=lambda function: (function.name != FIRST, function.name))


class Exports:
    """All exports under way at this gateway; of each, one page at a time is in memory."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._functions = exporting(desk.catalogue)
        self._seats = Seats(limits.EXPORTS, "rate-limited")

    async def handle(self, request: web.Request, who: Identity) -> web.StreamResponse:
        """A file that ends with an `end` record, or else is not whole."""
        with self._desk.seats.take(), self._seats.take(who.uid):
            pages = self._pages(who)
            first = await anext(pages)  # what is refused at once is a problem like any other
            response = web.StreamResponse(
                headers={
                    hdrs.CONTENT_TYPE: NDJSON,
                    hdrs.CONTENT_DISPOSITION: FILE,
                    hdrs.CACHE_CONTROL: "no-store",
                }
            )
            try:
                await response.prepare(request)
                await self._send(response, first, pages)
                async with asyncio.timeout(limits.SLOW_STREAM_SECONDS):
                    await response.write_eof()
            except (ConnectionError, TimeoutError):
                if request.transport is not None:
                    request.transport.abort()
            return response

    async def _send(self, response: web.StreamResponse, page: list[Raw], pages: AsyncIterator[list[Raw]]) -> None:
        count = 0
        last: End | Broken
        try:
            while True:
                await _tell(response, page)
                count += len(page)
                page = await anext(pages)
        except StopAsyncIteration:
            last = End(count)
        except Rejected as error:
            log.warning("export broken off", code=error.code)
            last = Broken(body(error))
        await _tell(response, [_encoder.encode(last)])

    async def _pages(self, who: Identity) -> AsyncIterator[list[Raw]]:
        for function in self._functions:
            cursor: str | None = None
            while True:
                if who.expires <= self._desk.clock.now():
                    raise Rejected("token-expired")
                arguments = _encoder.encode({} if cursor is None else {"cursor": cursor})
                answer = await self._desk.calls.query(who, function, arguments)
                page = msgspec.json.decode(answer.value, type=Part)
                yield page.records
                cursor = page.cursor
                if cursor is None:
                    break


async def _tell(response: web.StreamResponse, records: Sequence[Any]) -> None:
    """Write, and wait until the reader has taken most of it. Raise `TimeoutError` if it does not for too long."""
    async with asyncio.timeout(limits.SLOW_STREAM_SECONDS):
        await response.write(b"".join(bytes(record) + b"\n" for record in records))
