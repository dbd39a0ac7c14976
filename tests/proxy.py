"""A wire between a client and its server that a test can cut at an exact place, or make as bad as a phone's."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Literal

RETRANSMISSION = 0.2
"""Seconds after which TCP sends again what was not acknowledged, beside the round trip; Linux's least."""


@dataclass(frozen=True)
class Weather:
    """What happens to what is sent, each way. What is lost comes late, and all behind it too: so TCP has it."""

    delay: float = 0.0
    """Seconds, give or take `jitter`."""
    jitter: float = 0.0
    loss: float = 0.0
    """Share of what is sent that has to be sent again."""

    def seconds(self) -> float:
        """How long the next piece is under way."""
        under_way = self.delay + random.uniform(-self.jitter, self.jitter)
        lost = random.random() < self.loss
        return under_way + (RETRANSMISSION + 2 * self.delay if lost else 0.0)


CLEAR = Weather()


class Proxy:
    """Forwards bytes. `cut` decides the fate of one message; afterwards the wire is whole again.

    `weather` may change at any time; what is sent from then on meets it.
    """

    def __init__(self, port: int, weather: Weather = CLEAR) -> None:
        self.server_port = port
        self.weather = weather
        self._marker = b""
        self._answer = b""
        self._when: Literal["never", "before", "after"] = "never"
        self._writers: set[asyncio.StreamWriter] = set()
        self.port = 0
        self.cuts = 0

    def cut(self, when: Literal["before", "after"], marker: bytes, answer: bytes) -> None:
        """Break the connection at the next message with *marker*.

        `before`: it never reaches the server. `after`: it does, and the server's *answer* never comes back.
        """
        self._when, self._marker, self._answer = when, marker, answer

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self.server_port)
        except OSError:
            writer.close()
            return
        mine = {writer, up_writer}
        self._writers |= mine
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pass(reader, up_writer, mine, upwards=True))
                group.create_task(self._pass(up_reader, writer, mine, upwards=False))
        except* OSError:
            pass
        finally:
            self.close(mine)
            self._writers -= mine

    def close(self, writers: set[asyncio.StreamWriter] | None = None) -> None:
        for writer in writers if writers is not None else self._writers:
            writer.close()

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, both: set[asyncio.StreamWriter], upwards: bool
    ) -> None:
        under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._arrive(under_way, writer))
            while data := await reader.read(65_536):
                if self._breaks(data, upwards):
                    self.cuts += 1
                    break
                under_way.put_nowait((asyncio.get_running_loop().time() + self.weather.seconds(), data))
            under_way.put_nowait((0.0, b""))
        self.close(both)

    async def _arrive(self, under_way: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter) -> None:
        """Write each piece when its time has come, and never before the one ahead of it; nothing ends the way."""
        while (piece := await under_way.get())[1]:
            await asyncio.sleep(max(0.0, piece[0] - asyncio.get_running_loop().time()))
            writer.write(piece[1])
            await writer.drain()

    def _breaks(self, data: bytes, upwards: bool) -> bool:
        if upwards and self._when != "never" and self._marker and self._marker in data:
            self._marker = b""
            return self._when == "before"
        return not upwards and self._when == "after" and not self._marker and self._taken(data)

    def _taken(self, data: bytes) -> bool:
        if self._answer not in data:
            return False
        self._when = "never"
        return True


@asynccontextmanager
async def proxy_to(port: int, weather: Weather = CLEAR) -> AsyncIterator[Proxy]:
    """A proxy on a free port in front of 127.0.0.1:*port*."""
    proxy = Proxy(port, weather)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        proxy.close()
