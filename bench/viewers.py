"""Syncplay's people: its protocol of JSON lines, spoken as its own client does, with a player that always obeys."""

import asyncio
import time
from typing import cast

import msgspec

from bench.crowds import Crowd, Screens, Shape
from bench.ears import Ears
from bench.sockets import ANSWER_SECONDS, Refused, gathered

FILE = {"name": "film.mkv", "duration": 600_000, "size": 1}
VERSION = "1.6.9"


class _Ping(msgspec.Struct, frozen=True, rename="camel"):
    latency_calculation: float | None = None
    client_latency_calculation: float | None = None


class _Playstate(msgspec.Struct, frozen=True, rename="camel"):
    position: float
    paused: bool
    do_seek: bool | None = None


class _Ignoring(msgspec.Struct, frozen=True):
    server: int = 0
    client: int = 0


class _State(msgspec.Struct, frozen=True, rename="camel"):
    ping: _Ping = _Ping()
    playstate: _Playstate | None = None
    ignoring_on_the_fly: _Ignoring = _Ignoring()


class _StateLine(msgspec.Struct, frozen=True):
    state: _State = msgspec.field(name="State")


_states = msgspec.json.Decoder(_StateLine)


class Viewer(asyncio.Protocol):
    """One client. Each `State` is answered with one, which is also how it takes part in the server's pings."""

    def __init__(self, name: str, room: str, screens: Screens) -> None:
        self._name = name
        self._room = room
        self._screens = screens
        self._rest = b""
        self._transport: asyncio.Transport | None = None
        self._position, self._at, self._paused = 0.0, time.time(), True
        self._rtt = 0.0
        self._server_ignores = self._client_ignores = 0
        """Changes that are on their way: until both sides have seen one, what was sent before it says nothing."""
        loop = asyncio.get_running_loop()
        self._entered: asyncio.Future[None] = loop.create_future()
        self._listed: asyncio.Future[None] = loop.create_future()
        self._playing: asyncio.Future[None] = loop.create_future()
        self._closing = False

    @classmethod
    async def open(cls, port: int, name: str, room: str, screens: Screens, whole: bool) -> "Viewer":
        """Connect and say hello; the room is entered when the server says it back.

        If *whole*, then also say what Syncplay's own client does when a film is open: that one is ready, and what one
        has; and ask who is there, and wait for the list.
        """
        loop = asyncio.get_running_loop()
        _, viewer = await loop.create_connection(lambda: cls(name, room, screens), "127.0.0.1", port)
        async with asyncio.timeout(ANSWER_SECONDS):
            await viewer._entered
            if whole:
                viewer._say({"Set": {"ready": {"isReady": True, "manuallyInitiated": False}}})
                viewer._say({"Set": {"file": FILE}})
                viewer._say({"List": None})
                await viewer._listed
        return viewer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._say({"Hello": {"username": self._name, "room": {"name": self._room}, "version": VERSION, "features": {}}})

    def data_received(self, data: bytes) -> None:
        self.hear(data, time.time())

    def hear(self, data: bytes, at: float) -> None:
        if not data:
            self._fail("hung up")
        *lines, self._rest = (self._rest + data).split(b"\r\n")
        for line in lines:
            if line.startswith(b'{"State"'):
                self._obey(_states.decode(line).state, at)
            elif line.startswith(b'{"Hello"'):
                self._entered.set_result(None)
            elif line.startswith(b'{"List"'):
                self._listed.set_result(None)
            elif line.startswith(b'{"Error"'):
                self._fail(line.decode())

    def lend_ears(self, ears: Ears) -> None:
        assert self._transport is not None
        self._transport.pause_reading()
        ears.add(self._transport.get_extra_info("socket").fileno(), self.hear)

    def connection_lost(self, error: Exception | None) -> None:
        if not self._closing:
            self._fail(f"disconnected: {error}")

    async def start(self) -> None:
        """Show a file and let it run."""
        self._say({"Set": {"file": FILE}})
        self._control(0.0)
        async with asyncio.timeout(ANSWER_SECONDS):
            await self._playing

    def seek(self, place: float) -> None:
        self._control(place, doSeek=True)

    def close(self) -> None:
        self._closing = True
        if self._transport is not None:
            self._transport.abort()

    def _obey(self, state: _State, at: float) -> None:
        """Do as the state says, unless a change of one's own is on its way, and tell where one is."""
        now = time.time()
        ignoring = state.ignoring_on_the_fly
        if ignoring.server:
            self._server_ignores, self._client_ignores = ignoring.server, 0
        elif ignoring.client == self._client_ignores:
            self._client_ignores = 0
        if state.ping.client_latency_calculation:
            self._rtt = now - state.ping.client_latency_calculation
        playstate = state.playstate
        if playstate is not None and not self._client_ignores:
            if playstate.do_seek:
                self._screens.shown(playstate.position, at)
            if not playstate.paused and not self._playing.done():
                self._playing.set_result(None)
            self._position, self._at, self._paused = playstate.position, now, playstate.paused
        self._answer(state.ping.latency_calculation, now)

    def _answer(self, asked: float | None, now: float) -> None:
        answer: dict[str, object] = {
            "ping": {"latencyCalculation": asked, "clientLatencyCalculation": now, "clientRtt": self._rtt}
        }
        if not self._client_ignores or self._server_ignores:
            position = self._position if self._paused else self._position + now - self._at
            answer["playstate"] = {"position": position, "paused": self._paused}
        if self._server_ignores:
            answer["ignoringOnTheFly"] = {"server": self._server_ignores}
            self._server_ignores = 0
        elif self._client_ignores:
            answer["ignoringOnTheFly"] = {"client": self._client_ignores}
        self._say({"State": answer})

    def _control(self, place: float, **more: bool) -> None:
        self._client_ignores += 1
        ping = {"clientLatencyCalculation": time.time(), "clientRtt": self._rtt}
        playstate = {"position": place, "paused": False, **more}
        ignoring = {"client": self._client_ignores}
        self._say({"State": {"playstate": playstate, "ping": ping, "ignoringOnTheFly": ignoring}})

    def _say(self, line: dict[str, object]) -> None:
        assert self._transport is not None
        self._transport.write(msgspec.json.encode(line) + b"\r\n")

    def _fail(self, reason: str) -> None:
        error = Refused(f"Syncplay: {self._name}: {reason}")
        for awaited in (self._entered, self._listed, self._playing):
            if not awaited.done():
                awaited.set_exception(error)
                awaited.exception()  # perhaps nobody waits for it
        self._screens.fail(error)


class Viewers(Crowd):
    """Everybody on one Syncplay server; whoever controls a room is its first, and has a file open."""

    def __init__(self, shape: Shape, port: int, whole: bool) -> None:
        super().__init__(shape)
        self._port = port
        self._whole = whole
        self._viewers: list[Viewer] = []

    @classmethod
    async def open(cls, shape: Shape, port: int, whole: bool = False) -> "Viewers":
        """*whole*: whether those who come in say and ask everything that Syncplay's own client does."""
        crowd = cls(shape, port, whole)
        for room in range(shape.rooms):
            crowd._viewers.append(await crowd._enter(f"host{room}", room))
        await gathered([viewer.start for viewer in crowd._viewers])
        return crowd

    async def come_in(self, number: int) -> None:
        self._viewers.append(await self._enter(f"guest{number}", number % self.shape.rooms))

    def seek(self, room: int, place: int) -> None:
        self._viewers[room].seek(float(place))

    def lend_ears(self) -> None:
        for viewer in self._viewers:
            viewer.lend_ears(self.ears)

    async def close(self) -> None:
        await super().close()
        for viewer in self._viewers:
            viewer.close()

    async def _enter(self, name: str, room: int) -> Viewer:
        return await Viewer.open(self._port, name, f"room{room}", self.screens, self._whole)
