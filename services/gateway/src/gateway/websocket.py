"""The socket door: opens and closes sockets, and looks after thousands of them with one task."""

import asyncio
from itertools import count
from typing import Any

from aiohttp import WSMsgType, web

from events.messages import Rejected
from gateway import frames, limits, metrics
from gateway.addresses import address_of
from gateway.connection import ABORT_SECONDS, Connection
from gateway.desk import Desk
from gateway.errors import GOING_AWAY, SILENT, SLOW, TOO_BIG
from gateway.protocol import SUBPROTOCOL, Hello, encode
from gateway.session import Rates, Session

SWEEP_SECONDS = 0.5
SLICE = 500
"""Sockets that the sweep looks at before it lets others work."""


class Sockets:
    """All sockets of this gateway."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._open: dict[int, Connection] = {}
        self._numbers = count(1)
        self._draining = False
        self._hello = ("", b"")
        settings = desk.settings
        self._rates = Rates(
            settings.calls_per_second,
            settings.calls_per_second * 2,
            settings.sends_per_second,
            settings.sends_per_second * 2,
        )

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """`GET /v1/ws`."""
        self._check(request)
        with self._desk.seats.take():
            return await self._serve(request)

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        response = web.WebSocketResponse(
            protocols=(SUBPROTOCOL,),
            compress=False,
            autoping=False,
            decode_text=False,
            max_msg_size=limits.FRAME_BYTES_HARD,
            timeout=ABORT_SECONDS,
        )
        if not response.can_prepare(request):
            raise Rejected("upgrade-required")
        await response.prepare(request)
        transport = request.transport
        if transport is None:
            return response
        session = Session(self._rates, self._desk.clock.now())
        address = address_of(request, self._desk.settings.trusted_hops)
        connection = Connection(self._desk, next(self._numbers), session, response, transport, address)
        self._open[connection.number] = connection
        metrics.sockets.inc()
        connection.write(self._hello_frame())
        try:
            await _read(connection, response)
        finally:
            del self._open[connection.number]
            metrics.sockets.dec()
            connection.let_go()
        return response

    def _check(self, request: web.Request) -> None:
        if not self._desk.origins.allows(request.headers.get("Origin"), request.headers.get("Host")):
            raise Rejected("origin-not-allowed")
        if self._draining:
            raise Rejected("going-away")

    def _hello_frame(self) -> bytes:
        epoch = ";".join(f"{context}:{epoch}" for context, epoch in self._desk.notices.epochs.items())
        if self._hello[0] != epoch or not self._hello[1]:
            self._hello = epoch, encode(Hello(protocol=SUBPROTOCOL, limits=self._told_limits(), epoch=epoch))
        return self._hello[1]

    def _told_limits(self) -> dict[str, float]:
        """What does not hold here is left out."""
        commands = self._desk.settings.commands_per_second
        return {
            "frame_bytes": limits.FRAME_BYTES,
            "calls_in_flight": limits.CALLS_IN_FLIGHT,
            "calls_per_second": self._rates.frames,
            **({"commands_per_second": commands} if commands else {}),
            "watches": limits.WATCHES,
            "channels": limits.CHANNELS,
            "send_bytes": limits.SEND_BYTES,
            "sends_per_second": self._rates.sends,
            "meta_bytes": limits.META_BYTES,
            "sign_in_seconds": limits.SIGN_IN_SECONDS,
            "ping_seconds": limits.PING_SECONDS,
        }

    async def run(self) -> None:
        """Look after slow readers, silent sockets and expired tokens. Runs for ever."""
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            for number, connection in enumerate(list(self._open.values())):
                if number % SLICE == SLICE - 1:
                    await asyncio.sleep(0)
                if connection.closing is None:
                    self._look_after(connection, asyncio.get_running_loop().time(), self._desk.clock.now())

    def _look_after(self, connection: Connection, local: float, now: float) -> None:
        if connection.waiting > self._desk.settings.slow_reader_bytes:
            connection.close(SLOW)
            return
        silence = local - connection.heard
        if silence > limits.SILENT_SECONDS:
            connection.close(SILENT)
            return
        if silence > limits.PING_SECONDS and not connection.pinged:
            connection.pinged = True
            connection.write(frames.PING)
        asked = connection.session.tick(now)
        if asked == "pause":
            connection.pause()
        elif asked is not None:
            connection.close(asked)

    async def drain(self) -> None:
        """Take no more sockets, let calls that are under way be answered, and send everybody elsewhere."""
        self._draining = True
        loop = asyncio.get_running_loop()
        deadline = loop.time() + limits.DRAIN_SECONDS
        while self._open and loop.time() < deadline:
            patience = loop.time() < deadline - limits.DRAIN_SECONDS / 2
            for connection in list(self._open.values()):
                if not (patience and connection.session.busy):
                    connection.close(GOING_AWAY)
            await asyncio.sleep(0.05)


async def _read(connection: Connection, response: Any) -> None:
    loop = asyncio.get_running_loop()
    while True:
        message = await response.receive()
        connection.heard = loop.time()
        connection.pinged = False
        match message.type:
            case WSMsgType.TEXT:
                await connection.receive(message.data)
            case WSMsgType.PING:
                connection.write(frames.pong(message.data))
            case WSMsgType.PONG:
                pass
            case WSMsgType.BINARY:
                connection.write(connection.session.receive_binary())
            case WSMsgType.ERROR:
                metrics.closed.labels(TOO_BIG.reason if response.close_code == TOO_BIG.code else "protocol").inc()
                return
            case _:
                return
