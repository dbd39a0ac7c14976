"""Light WebSocket clients, one process for hundreds: what arrives is looked at no more than a measurement needs."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Protocol, TypeVar

import msgspec
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

T = TypeVar("T")

AT_ONCE = 32
"""Connections that are being opened at a time."""
ANSWER_SECONDS = 30.0

Push = Callable[[bytes], None]


class Refused(Exception):
    """An error frame, or a closed connection."""


class Answer(msgspec.Struct):
    """As much of an answer as a bench looks at."""

    op: str
    id: int | str | None = None
    value: msgspec.Raw = msgspec.Raw(b"null")
    position: str = ""
    recovered: bool = False
    error: msgspec.Raw = msgspec.Raw(b"null")


class Receiver(Protocol):
    """A socket to which a room's frames come."""

    on_push: Push

    def close(self) -> None: ...


_answers = msgspec.json.Decoder(Answer)
_PUSHED = (b'{"op":"event"', b'{"op":"message"', b'{"op":"value"', b'{"op":"presence"')


class Socket(WSListener):
    """A client of `matinee.v1`: answers are awaited by id, what is pushed goes to `on_push`."""

    def __init__(self) -> None:
        self.on_push: Push = ignore
        self.on_answer: Push | None = None
        """Gets answers instead of who awaits them, for loops in which every microsecond counts."""
        self.transport: WSTransport | None = None
        self.lost = False
        self._waiting: dict[int, asyncio.Future[Answer]] = {}
        self._last = 0
        self._hello: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @classmethod
    async def open(cls, url: str, token: str) -> "Socket":
        """Connect and sign in."""
        _, listener = await ws_connect(cls, url, extra_headers={"Sec-WebSocket-Protocol": "matinee.v1"})
        assert isinstance(listener, Socket)
        async with asyncio.timeout(ANSWER_SECONDS):
            await listener._hello
        await listener.ask(op="auth", token=token)
        return listener

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type != WSMsgType.TEXT:
            if frame.msg_type == WSMsgType.CLOSE:
                self._fail(f"closed with {frame.get_close_code()}")
            return
        data = frame.get_payload_as_bytes()
        if data.startswith(_PUSHED):
            self.on_push(data)
        elif self.on_answer is not None:
            self.on_answer(data)
        else:
            self._take(data)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self._fail("disconnected")

    def say(self, frame: bytes) -> None:
        """Send text without waiting for anything."""
        assert self.transport is not None
        self.transport.send(WSMsgType.TEXT, frame)

    async def ask(self, **frame: Any) -> Answer:
        """Send a frame and wait for its answer; raise `Refused` for an error."""
        self._last += 1
        ref = self._last
        answer = self._waiting[ref] = asyncio.get_running_loop().create_future()
        self.say(msgspec.json.encode({**frame, "id": ref}))
        return await asyncio.wait_for(answer, ANSWER_SECONDS)

    async def call(self, function: str, **arguments: Any) -> Answer:
        return await self.ask(op="call", fn=function, args=arguments)

    def close(self) -> None:
        if self.transport is not None:
            self.transport.disconnect()

    def _take(self, data: bytes) -> None:
        answer = _answers.decode(data)
        if answer.op == "hello":
            self._hello.set_result(None)
            return
        waiting = self._waiting.pop(answer.id, None) if isinstance(answer.id, int) else None
        if waiting is None or waiting.done():
            if answer.op == "error":
                raise Refused(data.decode())
            return
        if answer.op == "error":
            waiting.set_exception(Refused(data.decode()))
        else:
            waiting.set_result(answer)

    def _fail(self, reason: str) -> None:
        self.lost = True
        futures: list[asyncio.Future[Any]] = [self._hello, *self._waiting.values()]
        for future in futures:
            if not future.done():
                future.set_exception(Refused(reason))
        self._waiting.clear()


class RawSocket(WSListener):
    """A client of the raw server: every text frame is pushed."""

    def __init__(self) -> None:
        self.on_push: Push = ignore
        self.transport: WSTransport | None = None

    @classmethod
    async def open(cls, url: str) -> "RawSocket":
        _, listener = await ws_connect(cls, url)
        assert isinstance(listener, RawSocket)
        return listener

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.TEXT:
            data = frame.get_payload_as_bytes()
            if data.startswith(b'{"op":"message"'):
                self.on_push(data)

    def say(self, frame: bytes) -> None:
        assert self.transport is not None
        self.transport.send(WSMsgType.TEXT, frame)

    def close(self) -> None:
        if self.transport is not None:
            self.transport.disconnect()


class SocketIoSocket(WSListener):
    """A client of Socket.IO 4 over its WebSocket transport: `40` to enter, `2`/`3` for pings, `42[…]` for events."""

    def __init__(self) -> None:
        self.on_push: Push = ignore
        self.transport: WSTransport | None = None
        self._entered: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @classmethod
    async def open(cls, port: int) -> "SocketIoSocket":
        _, listener = await ws_connect(cls, f"ws://127.0.0.1:{port}/socket.io/?EIO=4&transport=websocket")
        assert isinstance(listener, SocketIoSocket)
        listener.say(b"40")
        async with asyncio.timeout(ANSWER_SECONDS):
            await listener._entered
        return listener

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type != WSMsgType.TEXT:
            return
        data = frame.get_payload_as_bytes()
        if data.startswith(b"42"):
            self.on_push(data)
        elif data == b"2":
            self.say(b"3")
        elif data.startswith(b"40") and not self._entered.done():
            self._entered.set_result(None)

    def say(self, frame: bytes) -> None:
        assert self.transport is not None
        self.transport.send(WSMsgType.TEXT, frame)

    def close(self) -> None:
        if self.transport is not None:
            self.transport.disconnect()


class Count:
    """Counts what arrives until it is all there; one for all the sockets of a room."""

    def __init__(self, wanted: int, now: Callable[[], float]) -> None:
        self._left = wanted
        self._now = now
        self.at = 0.0
        """When the last one came."""
        self._all: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def push(self, data: bytes) -> None:
        self._left -= 1
        if self._left == 0:
            self.at = self._now()
            self._all.set_result(None)

    async def all(self, seconds: float = ANSWER_SECONDS) -> float:
        async with asyncio.timeout(seconds):
            await self._all
        return self.at


async def gathered(makers: Iterable[Callable[[], Awaitable[T]]], at_once: int = AT_ONCE) -> list[T]:
    """The results in order; no more than *at_once* under way."""
    gate = asyncio.Semaphore(at_once)

    async def one(make: Callable[[], Awaitable[T]]) -> T:
        async with gate:
            return await make()

    return await asyncio.gather(*(one(make) for make in makers))


async def opened(url: str, tokens: Sequence[str]) -> list[Socket]:
    """A signed-in socket for each token."""
    return await gathered([lambda token=token: Socket.open(url, token) for token in tokens])  # type: ignore[misc]


def ignore(data: bytes) -> None:
    return None
