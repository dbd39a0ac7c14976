"""The bare minimum: for each message that comes in, one frame, made once, is written to every aiohttp transport.

Prints its port, and ends when its input does. `python -m bench.peers.raw_server FRAME`, the frame's text in base64.
"""

import asyncio
import base64
import sys

import uvloop
from aiohttp import WSMsgType, web

from gateway import frames

BACKLOG = 1024


class Room:
    """Everybody who is connected."""

    def __init__(self, frame: bytes) -> None:
        self._frame = frame
        self._transports: set[asyncio.WriteTransport] = set()

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse(compress=False)
        await ws.prepare(request)
        transport = request.transport
        assert transport is not None
        self._transports.add(transport)
        try:
            async for message in ws:
                if message.type is WSMsgType.TEXT:
                    for each in self._transports:
                        each.write(self._frame)
        finally:
            self._transports.discard(transport)
        return ws


async def main() -> None:
    room = Room(frames.text(base64.b64decode(sys.argv[1])))
    app = web.Application()
    app.router.add_get("/", room.serve)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, backlog=BACKLOG)
    await site.start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    uvloop.run(main())
