"""Reads a JetStream stream from a sequence on, in order and without a hole, for as long as anybody listens.

nats-py's ordered consumer loses messages silently and may start over from the first; so this one pulls by itself, from
an ephemeral consumer without acknowledgements, and checks the consumer's own count of what it delivered.
"""

import asyncio
import contextlib
import secrets
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import NamedTuple

import structlog

from events.bus import ApiError, Bus, Msg, Subscription, TimedOut, Unavailable
from events.log import Hole

log = structlog.get_logger("reader")

BATCH = 1000
"""Messages handed on at once, at most, and asked for by one pull."""
PULL_SECONDS = 30
HEARTBEAT_SECONDS = 1.0
SILENCE_SECONDS = 3.0
"""Without a message or a heartbeat for so long, the consumer counts as dead and is made anew."""
RETRY_SECONDS = 0.25
NANO = 1_000_000_000


class Stored(NamedTuple):
    """A message as the stream holds it."""

    sequence: int
    subject: str
    data: bytes
    headers: dict[str, str]


class _Broken(Exception):
    """The consumer missed something or died; make another one."""


class Reader:
    """One reader of one stream. `gaps_allowed` for a stream whose older values go by design."""

    def __init__(self, bus: Bus, stream: str, *, gaps_allowed: bool = False) -> None:
        self._bus = bus
        self._stream = stream
        self._gaps_allowed = gaps_allowed

    async def read(self, after: int) -> AsyncIterator[list[Stored]]:
        """Batches of what follows *after*. Raise `Hole` when a message is missing that nobody deleted."""
        while True:
            pull = _Pull(self._bus, self._stream, after)
            try:
                async for batch in pull.batches():
                    if not self._gaps_allowed:
                        await self._check(after, batch)
                    after = batch[-1].sequence
                    yield batch
            except (_Broken, ApiError, Unavailable, TimedOut) as error:
                log.info("reading anew", stream=self._stream, after=after, reason=str(error))
                await asyncio.sleep(RETRY_SECONDS)
            finally:
                await pull.close()

    async def _check(self, after: int, batch: list[Stored]) -> None:
        if batch[-1].sequence - after == len(batch):
            return
        present = {message.sequence for message in batch}
        missing = [n for n in range(after + 1, batch[-1].sequence) if n not in present]
        info = await self._bus.api(f"STREAM.INFO.{self._stream}", {"deleted_details": True})
        deleted = set(info["state"].get("deleted") or ())
        lost = [n for n in missing if n >= info["state"]["first_seq"] and n not in deleted]
        if lost:
            raise Hole(f"{self._stream}: {len(lost)} messages from sequence {lost[0]} on are lost")


class _Pull:
    """The life of one ephemeral consumer."""

    def __init__(self, bus: Bus, stream: str, after: int) -> None:
        self._bus = bus
        self._stream = stream
        self._after = after
        self._name = f"reader-{secrets.token_hex(6)}"
        self._inbox = bus.inbox()
        self._buffer: deque[Stored] = deque()
        self._filled = asyncio.Event()
        self._trouble: str | None = None
        self._delivered = 0
        self._asked = 0
        self._subscription: Subscription | None = None
        self._ended: Callable[[], None] | None = None

    async def batches(self) -> AsyncIterator[list[Stored]]:
        await self._open()
        while True:
            await self._refill()
            try:
                async with asyncio.timeout(SILENCE_SECONDS):
                    await self._filled.wait()
            except TimeoutError:
                raise _Broken("silence") from None
            self._filled.clear()
            while self._buffer:
                yield [self._buffer.popleft() for _ in range(min(BATCH, len(self._buffer)))]
                await self._refill()
            if self._trouble:
                raise _Broken(self._trouble)

    async def close(self) -> None:
        if self._ended is not None:
            self._ended()
        if self._subscription is None:
            return
        await self._bus.unsubscribe(self._subscription)
        with contextlib.suppress(Unavailable):  # then it ends by itself after `inactive_threshold`
            await self._bus.publish(f"$JS.API.CONSUMER.DELETE.{self._stream}.{self._name}", b"")

    async def _open(self) -> None:
        state = (await self._bus.api(f"STREAM.INFO.{self._stream}"))["state"]
        if state["last_seq"] < self._after:
            raise Hole(
                f"{self._stream} ends at {state['last_seq']}, but {self._after} was read before: was it restored?"
            )
        self._ended = self._bus.on_reconnect(self._reconnected)
        self._subscription = await self._bus.subscribe(self._inbox, self._receive)
        config = {
            "name": self._name,
            "deliver_policy": "by_start_sequence",
            "opt_start_seq": self._after + 1,
            "ack_policy": "none",
            "replay_policy": "instant",
            "mem_storage": True,
            "num_replicas": 1,
            "inactive_threshold": 30 * NANO,
        }
        await self._bus.api(
            f"CONSUMER.CREATE.{self._stream}.{self._name}", {"stream_name": self._stream, "config": config}
        )

    def _reconnected(self) -> None:
        """The server may have lost the consumer with its memory; do not wait for its silence to find out."""
        self._trouble = "reconnected"
        self._filled.set()

    async def _refill(self) -> None:
        """Keep between one and two batches asked for, so that the server never waits for us."""
        while self._asked - self._delivered + len(self._buffer) < 2 * BATCH and self._asked - self._delivered <= BATCH:
            self._asked += BATCH
            body = (
                f'{{"batch":{BATCH},"expires":{PULL_SECONDS * NANO},"idle_heartbeat":{int(HEARTBEAT_SECONDS * NANO)}}}'
            )
            await self._bus.pull(f"$JS.API.CONSUMER.MSG.NEXT.{self._stream}.{self._name}", self._inbox, body.encode())

    async def _receive(self, msg: Msg) -> None:
        headers = msg.headers or {}
        status = headers.get("Status")
        if status is None:
            self._take(msg, headers)
        elif status == "408":
            # One pull ran out with so many messages undelivered; ask anew.
            self._asked -= int(headers.get("Nats-Pending-Messages", BATCH))
        elif status != "100":
            self._trouble = f"{status} {headers.get('Description', '')}"
        self._filled.set()

    def _take(self, msg: Msg, headers: dict[str, str]) -> None:
        # $JS.ACK.<stream>.<consumer>.<delivered>.<stream seq>.<consumer seq>.<time>.<pending>;
        # a domain adds tokens in front.
        tokens = msg.reply.split(".")
        sequence, delivered = int(tokens[-4]), int(tokens[-3])
        if delivered != self._delivered + 1:
            self._trouble = f"message {self._delivered + 1} of the consumer was lost"
        if self._trouble is None:
            self._delivered = delivered
            self._buffer.append(Stored(sequence, msg.subject, msg.data, headers))
