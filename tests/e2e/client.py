"""A client that knows the protocol table and nothing else."""

import asyncio
import itertools
import json
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import aiohttp

Frame = dict[str, Any]
SUBPROTOCOL = "matinee.v1"


class Refused(Exception):
    """An error frame came instead of the answer."""

    def __init__(self, frame: Frame) -> None:
        super().__init__(json.dumps(frame))
        self.error: Frame = frame["error"]
        self.code: str = self.error["code"]


class Client:
    """One socket. Frames that nobody has asked for yet wait in `inbox`, in the order in which they came."""

    def __init__(self, session: aiohttp.ClientSession, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._session = session
        self.socket = socket
        self._ids = itertools.count(1)
        self.inbox: list[Frame] = []
        self._news = asyncio.Condition()
        self.hello: Frame = {}
        self.user = ""
        self._reading = asyncio.create_task(self._read())

    @classmethod
    async def connect(cls, url: str, token: str | None = None, **options: Any) -> Self:
        """Open a socket, wait for `hello`, and sign in if there is a token."""
        session = aiohttp.ClientSession()
        try:
            socket = await session.ws_connect(url, protocols=(SUBPROTOCOL,), max_msg_size=0, **options)
        except BaseException:
            await session.close()
            raise
        client = cls(session, socket)
        client.hello = await client.expect(op="hello")
        if token is not None:
            await client.sign_in(token)
        return client

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self.socket.close()
        self._reading.cancel()
        await self._session.close()

    async def vanish(self) -> None:
        """Break the connection without a word."""
        assert self.socket._response.connection is not None
        transport = self.socket._response.connection.transport
        assert transport is not None
        transport.abort()
        await self.closed()
        await self.close()

    # Saying.

    async def say(self, /, **frame: Any) -> None:
        await self.say_text(json.dumps(frame))

    async def say_text(self, text: str) -> None:
        await self.socket.send_str(text)

    async def say_raw(self, payload: bytes) -> None:
        """A text frame whose bytes nobody has checked."""
        await self.socket.send_frame(payload, aiohttp.WSMsgType.TEXT)

    def next_id(self) -> int:
        return next(self._ids)

    async def ask(self, op: str, /, **fields: Any) -> Frame:
        """Say a frame and wait for the one that answers it; raise `Refused` if that is an error."""
        number = fields.pop("id", None) or self.next_id()
        await self.say(op=op, id=number, **fields)
        return await self.answer(number)

    async def answer(self, number: int | str, within: float = 10.0) -> Frame:
        frame = await self.take(lambda frame: frame.get("id") == number, within)
        if frame["op"] == "error":
            raise Refused(frame)
        return frame

    async def sign_in(self, token: str) -> Frame:
        frame = await self.ask("auth", token=token)
        self.user = frame["user"]
        return frame

    async def call(self, fn: str, /, **args: Any) -> Frame:
        return await self.ask("call", fn=fn, args=args)

    # Hearing.

    async def take(self, wanted: Callable[[Frame], bool], within: float = 10.0) -> Frame:
        """The first frame of this kind that nobody took yet."""
        async with asyncio.timeout(within), self._news:
            while True:
                for place, frame in enumerate(self.inbox):
                    if wanted(frame):
                        return self.inbox.pop(place)
                if self._reading.done():
                    raise ConnectionError(f"closed with {self.socket.close_code}; the inbox holds {self.inbox}")
                await self._news.wait()

    async def expect(self, /, within: float = 10.0, **fields: Any) -> Frame:
        """The first frame in which these fields have these values."""
        return await self.take(lambda frame: all(frame.get(name) == value for name, value in fields.items()), within)

    async def closed(self, within: float = 15.0) -> int | None:
        """Wait until the server hangs up; its close code."""
        async with asyncio.timeout(within):
            await asyncio.gather(self._reading, return_exceptions=True)
        return self.socket.close_code

    async def _read(self) -> None:
        try:
            async for message in self.socket:
                if message.type is aiohttp.WSMsgType.TEXT:
                    async with self._news:
                        self.inbox.append(json.loads(message.data))
                        self._news.notify_all()
        finally:
            async with self._news:
                self._news.notify_all()
