"""Clients that sign in and then only listen: `python -m bench.peers.idle_clients URL`.

Each line of its input is a JSON list of tokens, one per socket to open; answered with how many are open when they are.
"""

import asyncio
import json
import sys

import uvloop

from bench.sockets import Socket, opened
from bench.system import raise_file_limit


async def main() -> None:
    raise_file_limit()
    sockets: list[Socket] = []
    # Tokens come as one long line.
    while line := await asyncio.to_thread(sys.stdin.readline):
        sockets += await opened(sys.argv[1], json.loads(line))
        print(sum(not socket.lost for socket in sockets), flush=True)


if __name__ == "__main__":
    uvloop.run(main())
