"""Group commit: appends that wait together go to the server as one atomic batch, and so share its fsync.

On one node every plain publish is an fsync of its own, and a batch costs a few milliseconds however many messages it
holds; so few appends go one by one, and many go together.
"""

import asyncio
import secrets
from collections.abc import Coroutine, Sequence
from itertools import accumulate

from events.bus import Ack, ApiError, Bus

Message = tuple[str, bytes, dict[str, str]]
"""Subject, body, headers."""

BATCH_ID = "Nats-Batch-Id"
BATCH_SEQUENCE = "Nats-Batch-Sequence"
BATCH_COMMIT = "Nats-Batch-Commit"

ALONE = 12
"""So many publishes may be under way one by one; what comes then waits, and goes together with the others that wait."""
WORTH_IT = 12
"""Fewer waiting ones are sent one by one: a batch costs about as much as so many publishes."""
LARGEST = 256
"""Messages in a batch; the server takes 1,000."""
LARGEST_BYTES = 4 * 1024 * 1024
"""Bodies in a batch, by and large."""
SEND_SECONDS = 2.0


async def send_together(bus: Bus, messages: Sequence[Message]) -> list[int]:
    """Store all or none; return their sequences. Raise `ApiError` if any of their expectations does not hold."""
    batch = secrets.token_hex(8)
    for number, (subject, body, headers) in enumerate(messages[:-1], 1):
        await bus.publish(subject, body, headers | {BATCH_ID: batch, BATCH_SEQUENCE: str(number)})
    subject, body, headers = messages[-1]
    last = {BATCH_ID: batch, BATCH_SEQUENCE: str(len(messages)), BATCH_COMMIT: "1"}
    ack = await bus.store(subject, body, headers | last, timeout=SEND_SECONDS)
    return list(range(ack.seq - len(messages) + 1, ack.seq + 1))


class Group:
    """The appends of one process to one stream. No two that are under way may be for the same subject."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._under_way = 0
        self._waiting: list[tuple[Message, asyncio.Future[Ack]]] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def store(self, message: Message) -> Ack:
        """Store one message, alone or with others; each is answered for itself."""
        if self._under_way < ALONE and not self._waiting:
            return await self._alone(message)
        future: asyncio.Future[Ack] = asyncio.get_running_loop().create_future()
        self._waiting.append((message, future))
        return await future

    async def _alone(self, message: Message) -> Ack:
        self._under_way += 1
        try:
            return await self._bus.store(*message, timeout=SEND_SECONDS)
        finally:
            self._under_way -= 1
            self._next()

    def _next(self) -> None:
        """Once nothing is under way, send what has gathered meanwhile."""
        if self._under_way:
            return
        waiting = [each for each in self._waiting if not each[1].done()]  # who was cancelled waits no more
        sizes = accumulate(len(body) for (_, body, _), _ in waiting[:LARGEST])
        count = sum(size <= LARGEST_BYTES for size in sizes) or 1
        gathered, self._waiting = waiting[:count], waiting[count:]
        if not gathered:
            return
        if len(gathered) < WORTH_IT:
            for message, future in gathered:
                self._spawn(self._one(message, future))
        else:
            self._spawn(self._batch(gathered))

    def _spawn(self, sending: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(sending)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _one(self, message: Message, future: "asyncio.Future[Ack]") -> None:
        try:
            ack = await self._alone(message)
        except Exception as error:  # noqa: BLE001  # whatever it is, it is told to whom it concerns
            if not future.done():
                future.set_exception(error)
        else:
            if not future.done():
                future.set_result(ack)

    async def _batch(self, gathered: Sequence[tuple[Message, "asyncio.Future[Ack]"]]) -> None:
        self._under_way += 1
        try:
            sequences = await send_together(self._bus, [message for message, _ in gathered])
        except ApiError:
            # One of them lost a race, or was stored before: none is stored. Each gets its own answer, one by one.
            await asyncio.gather(*(self._one(message, future) for message, future in gathered))
        except Exception as error:  # noqa: BLE001  # whatever it is, nobody may be left waiting
            for _, future in gathered:
                if not future.done():
                    future.set_exception(error)
        else:
            for (_, future), sequence in zip(gathered, sequences, strict=True):
                if not future.done():
                    future.set_result(Ack(seq=sequence))
        finally:
            self._under_way -= 1
            self._next()
