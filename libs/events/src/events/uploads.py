"""Files on their way from a gateway to a service: pieces in a stream of the service's, gone within the hour.

Each piece has a subject of its own, so a file that is sent again under its name replaces itself; a last message says
how many pieces there are and what all of them together hash to.
"""

import contextlib
import hashlib
from collections.abc import AsyncIterator
from typing import BinaryIO, NamedTuple

import msgspec
from msgspec import Struct

from events.bus import ApiError, Bus
from events.messages import Rejected

PIECE_BYTES = 512 * 1024
STORE_SECONDS = 10.0
ABOUT = "about"
"""The last token of the message that ends a file."""
FULL = 10077
"""JetStream's own number for a stream at its limit of bytes."""


class About(Struct, frozen=True):
    """What a file is: complete as soon as this is there."""

    owner: str
    """The uid of who sent it; nobody else may use it."""
    pieces: int
    bytes: int
    digest: str


class Gone(Exception):
    """The file is not there, or no longer all of it."""


class Uploads(NamedTuple):
    """The files that are on their way to one service."""

    bus: Bus
    context: str

    async def send(self, upload: str, owner: str, body: AsyncIterator[bytes], limit: int) -> About:
        """Store a file while it comes in, one piece after the other: who sends too fast waits.

        Raise `Rejected`: `body-too-large` beyond *limit* bytes, `uploads-full`, `unavailable`, `timeout`. Whatever it
        is, nothing of the file stays behind.
        """
        digest, size, pieces = hashlib.sha256(), 0, 0
        try:
            async for piece in _pieces(body):
                size += len(piece)
                if size > limit:
                    raise Rejected("body-too-large", limit=limit)
                digest.update(piece)
                await self._store(upload, str(pieces), piece)
                pieces += 1
            about = About(owner, pieces, size, digest.hexdigest())
            await self._store(upload, ABOUT, msgspec.json.encode(about))
        except BaseException:
            await self.discard(upload, pieces + 1)
            raise
        return about

    async def discard(self, upload: str, pieces: int) -> None:
        """Empty the first *pieces* of a file, as far as that goes: who sends one may not purge it."""
        for number in range(pieces):
            try:
                await self._store(upload, str(number), b"")
            except Rejected:
                return

    async def about(self, upload: str) -> About | None:
        """None if there is no such file, or it is not complete."""
        stored = await self._piece(upload, ABOUT)
        return msgspec.json.decode(stored, type=About) if stored is not None else None

    async def fetch(self, upload: str, into: BinaryIO) -> About:
        """Write the whole file into *into*; raise `Gone` if it is not there, or was replaced meanwhile."""
        about = await self.about(upload)
        if about is None:
            raise Gone(upload)
        digest = hashlib.sha256()
        for number in range(about.pieces):
            piece = await self._piece(upload, str(number))
            if piece is None:
                raise Gone(upload)
            digest.update(piece)
            into.write(piece)
        if digest.hexdigest() != about.digest:
            raise Gone(upload)
        return about

    async def purge(self, upload: str) -> None:
        """Take a file away; nothing happens if there is none.

        Piece by piece: JetStream overwrites what it deletes so, while what it purges can be read in its files for long.
        """
        about = await self.about(upload)
        for part in (*map(str, range(about.pieces if about is not None else 0)), ABOUT):
            found = await self.bus.direct(self._stream, {"last_by_subj": self._subject(upload, part)})
            with contextlib.suppress(ApiError):  # another replica was faster, or the next line takes it
                for piece in found:
                    sequence = int((piece.headers or {})["Nats-Sequence"])
                    await self.bus.api(f"STREAM.MSG.DELETE.{self._stream}", {"seq": sequence})
        await self.bus.api(f"STREAM.PURGE.{self._stream}", {"filter": self._subject(upload, "*")})

    @property
    def _stream(self) -> str:
        return f"UP_{self.context.upper()}"

    def _subject(self, upload: str, part: str) -> str:
        return f"up.{self.context}.{upload}.{part}"

    async def _store(self, upload: str, part: str, payload: bytes) -> None:
        try:
            await self.bus.store(self._subject(upload, part), payload, {}, STORE_SECONDS)
        except ApiError as error:
            if error.err_code == FULL:
                raise Rejected("uploads-full") from error
            raise Rejected("unavailable", stream=self._stream, reason=str(error)) from error

    async def _piece(self, upload: str, part: str) -> bytes | None:
        found = await self.bus.direct(self._stream, {"last_by_subj": self._subject(upload, part)})
        return found[0].data if found else None


async def _pieces(body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same bytes in pieces of one size."""
    waiting = bytearray()
    async for part in body:
        waiting += part
        while len(waiting) >= PIECE_BYTES:
            yield bytes(waiting[:PIECE_BYTES])
            del waiting[:PIECE_BYTES]
    if waiting:
        yield bytes(waiting)
