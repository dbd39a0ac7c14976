"""The door for files to be taken in: they stream through to the service that reads them, then it is told to."""

import asyncio
from collections.abc import AsyncIterator

import aiohttp
from aiohttp import web
from msgspec import Struct

from events.contracts.library import UPLOAD_BYTES, StartImport
from events.messages import Answer, Rejected
from gateway import limits
from gateway.catalogue import canonical
from gateway.desk import Desk
from gateway.identity import Identity
from gateway.limits import Seats

FILE_TYPES = (
    "application/octet-stream",
    "application/json",
    "application/x-ndjson",
    "application/zip",
    "application/x-zip-compressed",
    "text/csv",
    "text/plain",
)
"""A file is what its format says, whatever it is sent as; forms are no files, though."""
QUERY = ("dry_run", "replace", "file_name")
NOT_SENT_YET = "0" * 32


class Taken(Struct, frozen=True):
    """The answer to an upload: it is read in the background, `library.import_report` tells how far it is."""

    import_id: str
    position: str


class Imports:
    """Takes files in."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._function = desk.catalogue.function(StartImport.function)
        self._seats = Seats(limits.UPLOADS, "rate-limited")

    async def handle(self, request: web.Request, who: Identity, key: str | None) -> Answer:
        """Whatever can be said against it is said before the file is read."""
        self._wish(request, NOT_SENT_YET)
        if "Content-Type" in request.headers and request.content_type not in FILE_TYPES:
            raise Rejected("unsupported-file-type", content_type=request.content_type[:100])
        if (request.content_length or 0) > UPLOAD_BYTES:
            raise Rejected("body-too-large", limit=UPLOAD_BYTES)
        with self._seats.take(who.uid):
            file = await self._desk.calls.upload(who, self._function, key, _body(request), UPLOAD_BYTES)
        wish = self._wish(request, file.name)
        try:
            return await self._desk.calls.command(who, self._function, wish, canonical(wish), key)
        except Rejected as refusal:
            if refusal.code == "rate-limited":  # so there is no import that would take it away
                await self._desk.calls.discard(self._function, file)
            raise

    def _wish(self, request: web.Request, upload: str) -> StartImport:
        for name in request.query:
            if name not in QUERY:
                raise Rejected("invalid-argument", field=name[:100], reason="Expected dry_run, replace or file_name")
            if len(request.query.getall(name)) > 1:
                raise Rejected("invalid-argument", field=name, reason="Given more than once")
        fields = {**request.query, "upload": upload, "format": request.match_info["format"]}
        wish = self._function.from_text(fields)
        assert isinstance(wish, StartImport)
        return wish


async def _body(request: web.Request) -> AsyncIterator[bytes]:
    """The file as it comes; who stops sending is not waited for."""
    while True:
        try:
            async with asyncio.timeout(limits.SLOW_UPLOAD_SECONDS):
                part = await request.content.readany()
        except TimeoutError:
            raise Rejected("bad-request", reason=f"nothing came for {limits.SLOW_UPLOAD_SECONDS:.0f} s") from None
        except (aiohttp.ClientError, web.RequestPayloadError, ConnectionError) as error:
            raise Rejected("bad-request", reason=str(error)[:100]) from None
        if not part:
            return
        yield part
