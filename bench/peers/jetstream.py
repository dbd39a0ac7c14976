"""Bare publishes to JetStream from one process: so many loops, each waiting for its acknowledgement.

`python -m bench.peers.jetstream URL LOOPS`; each line `SECONDS` is answered with publishes per second. The stream is in
files on the same server as Matinee's own, which syncs every write.
"""

import asyncio
import sys
import time

import nats
import uvloop
from nats.js.api import StorageType, StreamConfig

STREAM = "BENCH"
BODY = (
    b'[{"type":"party.played","by":"abcdefghijklmnopqrstuvwxyz","position":1234.5,'
    b'"at":"2026-01-01T12:00:00.123456Z","rate":1.0}]'
)


async def main() -> None:
    url, loops = sys.argv[1], int(sys.argv[2])
    client = await nats.connect(url, inbox_prefix=b"_INBOX_ops")
    js = client.jetstream()
    await js.add_stream(StreamConfig(name=STREAM, subjects=["bench.>"], storage=StorageType.FILE))
    print("ready", flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        seconds, begun = float(line), time.perf_counter()
        done = 0

        async def publish(subject: str, until: float) -> int:
            count = 0
            while time.perf_counter() < until:
                await js.publish(subject, BODY)
                count += 1
            return count

        done = sum(await asyncio.gather(*(publish(f"bench.{n}", begun + seconds) for n in range(loops))))
        print(done / (time.perf_counter() - begun), flush=True)
    await js.delete_stream(STREAM)
    await client.close()


if __name__ == "__main__":
    uvloop.run(main())
