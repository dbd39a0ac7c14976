"""A guest at the socket door: as much of the client protocol as the demo needs."""

import asyncio
import itertools
from collections.abc import Callable
from typing import Any, Self

import aiohttp
import msgspec

Frame = dict[str, Any]

PATIENCE = 15.0
"""Seconds that the demo waits for an answer, which may have to survive a killed service."""


class Refused(Exception):
    """The server answered with an error."""


class Guest:
    """One person on one device. `frames` keeps what was pushed, in order."""

    def __init__(self, name: str, http: aiohttp.ClientSession, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.name = name
        self.uid = ""
        self.frames: list[Frame] = []
        self._http = http
        self._socket = socket
        self._ids = itertools.count(1)
        self._answers: dict[int, asyncio.Future[Frame]] = {}
        self._came = asyncio.Condition()
        self._reading = asyncio.create_task(self._read())

    @classmethod
    async def arrive(cls, address: str, name: str, token: str | None = None) -> tuple[Self, str]:
        """Open a socket as a guest called *name*, or as whoever holds *token*; answers with the token."""
        http = aiohttp.ClientSession()
        if token is None:
            async with http.post(f"{address}/v1/guest", json={"name": name}) as answer:
                answer.raise_for_status()
                token = (await answer.json())["token"]
        socket = await http.ws_connect(f"{address.replace('http', 'ws', 1)}/v1/ws", protocols=("matinee.v1",))
        guest = cls(name, http, socket)
        guest.uid = (await guest.ask(op="auth", token=token))["user"]
        return guest, str(token)

    async def ask(self, **frame: Any) -> Frame:
        """Send a frame and wait for the answer to it."""
        number = next(self._ids)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        await self._socket.send_str(msgspec.json.encode({"id": number, **frame}).decode())
        async with asyncio.timeout(PATIENCE):
            said: Frame = await answer
        if said["op"] == "error":
            raise Refused(said["error"]["code"])
        return said

    async def call(self, function: str, **arguments: Any) -> Frame:
        return await self.ask(op="call", fn=function, args=arguments)

    async def seen(self, wanted: Callable[[Frame], bool]) -> Frame:
        """The first pushed frame, early or late, that is *wanted*."""
        async with asyncio.timeout(PATIENCE), self._came:
            await self._came.wait_for(lambda: any(map(wanted, self.frames)))
        return next(frame for frame in self.frames if wanted(frame))

    async def leave(self) -> None:
        self._reading.cancel()
        await self._socket.close()
        await self._http.close()

    async def _read(self) -> None:
        async for message in self._socket:
            if message.type is not aiohttp.WSMsgType.TEXT:
                break
            frame: Frame = msgspec.json.decode(message.data)
            waiting = self._answers.pop(frame.get("id", 0), None)
            if waiting is not None and not waiting.done():
                waiting.set_result(frame)
            # Even an answer is kept: the first value of a watch carries the id of its question.
            async with self._came:
                self.frames.append(frame)
                self._came.notify_all()
