"""A network between one person and a gateway that can go dead: nothing arrives, and nobody is told."""

import asyncio
import contextlib
from collections.abc import AsyncIterator


class Wire:
    """Forwards bytes while it is whole. What was under way when it went dead arrives when it is mended, as with TCP."""

    def __init__(self, port: int) -> None:
        self._server_port = port
        self._whole = asyncio.Event()
        self._whole.set()
        self.port = 0

    @property
    def ws(self) -> str:
        return f"ws://127.0.0.1:{self.port}/v1/ws"

    def cut(self) -> None:
        self._whole.clear()

    def mend(self) -> None:
        self._whole.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._whole.wait()
        with contextlib.suppress(OSError, asyncio.CancelledError):
            there, upwards = await asyncio.open_connection("127.0.0.1", self._server_port)
            await asyncio.gather(self._pass(reader, upwards), self._pass(there, writer))

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            await self._whole.wait()
            writer.write(data)
            await writer.drain()
        writer.close()


@contextlib.asynccontextmanager
async def wire_to(port: int) -> AsyncIterator[Wire]:
    wire = Wire(port)
    server = await asyncio.start_server(wire.serve, "127.0.0.1", 0)
    wire.port = server.sockets[0].getsockname()[1]
    try:
        yield wire
    finally:
        server.close()
        wire.mend()
