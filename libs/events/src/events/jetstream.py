"""The log on JetStream: one stream per context, one message per commit, and no outcome ever guessed."""

import asyncio
import base64
import random
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from events.bus import ApiError, Bus, TimedOut, Unavailable, header_block
from events.codec import ID, NEVER, Codec, headers_of
from events.group import LARGEST_BYTES, SEND_SECONDS, Group, Message, send_together
from events.log import Commit, Conflict, Hole, Link, Unclear, Write, writes_of
from events.messages import AT, Context, Event, Key, Rejected
from events.reader import Reader, Stored
from events.telemetry import traceparent

EXPECTED = "Nats-Expected-Last-Subject-Sequence"
STREAM = "Nats-Expected-Stream"

PAGE = 1000
PAGE_BYTES = 8 * 1024 * 1024
APPEND_SECONDS = 10.0
"""After so long without a clear outcome an append gives up with `Unclear`; the same command may be sent again."""
FIRST_WAIT = 0.02
LONGEST_WAIT = 0.5
LARGEST_COMMIT = 512 * 1024

ROWS_AT_ONCE = 8
"""The server keeps 50 batches of a stream open, of all replicas together."""
ROW_SECONDS = 1.0
"""A row waits so long for those before it; its commands have deadlines, which nobody looks at any more."""

NOT_FOUND = 10037
WRONG_LAST = 10071
"""Definite, unlike 10164, which our own earlier attempt may have caused."""
OVERTAKEN = frozenset({WRONG_LAST, 10164})
"""A heartbeat needs no certainty: what is stored says whether it is still the newest."""
RACES = 8
"""Attempts to store a heartbeat while other replicas store theirs of the same session."""
ORDERED = 8_192
"""Sessions whose newest heartbeat is remembered; of others it is asked for."""
FULL = 10077
STORED_BEFORE = 10201
"""A message of the batch has an id that the stream remembers."""
UNCLEAR = 0
"""No number of the server's: it did not answer."""
MISUSE = frozenset({10054, 10060, 10070, 10097, 10174, 10177, 10193, 10199})
"""Errors that no retry mends: headers, batch limits, a stream that is not configured as declared."""


def stream_of(context: str) -> str:
    return f"EV_{context.upper()}"


class JetStreamLog:
    """One context's log. Only its owning service has the right to publish to the stream."""

    def __init__(self, bus: Bus, context: str, codec: Codec, epoch: str) -> None:
        self._bus = bus
        self._codec = codec
        self._epoch = epoch
        self._stream = stream_of(context)
        self._group = Group(bus)
        self._rows = asyncio.Semaphore(ROWS_AT_ONCE)
        self._prefix = f"ev.{context}."

    @classmethod
    async def open(cls, bus: Bus, context: str, codec: Codec) -> "JetStreamLog":
        """Learn the epoch from the stream; raise `ApiError` if it was never provisioned."""
        return cls(bus, context, codec, await _epoch(bus, stream_of(context)))

    async def still(self) -> bool:
        """Whether the stream is of the epoch that it was opened with. Raise `ApiError` if it is gone."""
        return await _epoch(self._bus, self._stream) == self._epoch

    @property
    def epoch(self) -> str:
        return self._epoch

    async def read(self, key: Key, after: int = 0) -> list[Commit]:
        commits: list[Commit] = []
        while True:
            page = await self._bus.direct(
                self._stream,
                {"seq": after + 1, "next_by_subj": self._subject(key), "batch": PAGE, "max_bytes": PAGE_BYTES},
            )
            commits += [self._commit(_stored(message.data, message.headers or {})) for message in page]
            if not page or (page[-1].headers or {}).get("Nats-Num-Pending", "0") == "0":
                break
            after = commits[-1].sequence
        _check_versions(key, commits)
        return commits

    async def append(self, writes: Sequence[Write], context: Context) -> tuple[int, ...]:
        messages = [self._message(write, context, traceparent()) for write in writes]
        return await self._settle(messages, writes[0].key, lambda sent: self._outcome(writes, sent))

    async def append_row(self, key: Key, expected: int, version: int, row: Sequence[Link]) -> tuple[int, ...]:
        writes = writes_of(key, expected, version, row)
        messages = [self._message(write, link.context, link.trace) for write, link in zip(writes, row, strict=True)]
        for _, _, headers in messages[1:]:
            del headers[EXPECTED]  # of one subject, the server lets only the first one expect anything
        if (size := sum(len(body) for _, body, _ in messages)) > LARGEST_BYTES:
            raise Rejected("too-large", limit=LARGEST_BYTES, bytes=size)
        try:
            async with asyncio.timeout(ROW_SECONDS):
                await self._rows.acquire()
        except TimeoutError:
            raise Rejected("busy", stream=self._stream) from None
        try:
            return await self._settle(messages, key, lambda sent: self._outcome_of_row(key, expected, sent))
        finally:
            self._rows.release()

    async def _settle(
        self,
        messages: Sequence[Message],
        key: Key,
        outcome: Callable[[Sequence[Message]], Awaitable[tuple[int, ...] | None]],
    ) -> tuple[int, ...]:
        """Send until it is clear what became of it."""
        deadline = asyncio.get_running_loop().time() + APPEND_SECONDS
        wait, sure = FIRST_WAIT, True
        while True:
            sent, code = await self._attempt(messages)
            if sent is not None:
                return sent
            if code == FULL and sure:
                raise Rejected("log-full")
            sure = sure and code != UNCLEAR  # else it may get there yet
            stored = await outcome(messages)
            if stored is not None:
                return stored
            if code == WRONG_LAST:
                raise Conflict(str(key))
            if code == STORED_BEFORE:
                messages = [_anew(message) for message in messages]
                continue
            if asyncio.get_running_loop().time() > deadline:
                raise Unclear(", ".join(subject.removeprefix(self._prefix) for subject, _, _ in messages))
            await asyncio.sleep(wait * random.uniform(0.5, 1.5))  # noqa: S311  # it spreads retries, no more
            wait = min(wait * 2, LONGEST_WAIT)

    async def newest(self, key: Key) -> int:
        # Of the leader: a replica may lag behind what was acknowledged already.
        try:
            answer = await self._bus.api(f"STREAM.MSG.GET.{self._stream}", {"last_by_subj": self._subject(key)})
        except ApiError as error:
            if error.err_code == NOT_FOUND:
                return 0
            raise Unavailable(stream=self._stream, reason=str(error)) from error
        sequence: int = answer["message"]["seq"]
        return sequence

    async def head(self) -> int:
        info = await self._bus.api(f"STREAM.INFO.{self._stream}")
        sequence: int = info["state"]["last_seq"]
        if not info["state"].get("num_deleted"):
            return sequence
        info = await self._bus.api(f"STREAM.INFO.{self._stream}", {"deleted_details": True})
        deleted = set(info["state"].get("deleted") or ())
        while sequence > 0 and sequence in deleted:  # who waited for an erased end would wait for ever
            sequence -= 1
        return sequence

    async def tail(self, after: int) -> AsyncIterator[list[Commit]]:
        async for batch in Reader(self._bus, self._stream).read(after):
            yield [self._codec.followed(s.sequence, self._key(s.subject), s.data, s.headers) for s in batch]

    def _subject(self, key: Key) -> str:
        return f"{self._prefix}{key}"

    def _key(self, subject: str) -> Key:
        aggregate, _, id = subject.removeprefix(self._prefix).partition(".")
        return Key(aggregate, id)

    def _commit(self, stored: Stored) -> Commit:
        return self._codec.commit(stored.sequence, self._key(stored.subject), stored.data, stored.headers)

    def _message(self, write: Write, context: Context, trace: str) -> Message:
        body = self._codec.encode(write.events)
        if len(body) > LARGEST_COMMIT:
            raise Rejected("too-large", limit=LARGEST_COMMIT, bytes=len(body))
        headers = headers_of(write.key, write.version, len(write.events), context, trace)
        headers |= {EXPECTED: str(write.expected), STREAM: self._stream}
        return self._subject(write.key), body, headers

    async def _attempt(self, messages: Sequence[Message]) -> tuple[tuple[int, ...] | None, int]:
        """The sequences, or None and the server's number for why not."""
        try:
            sent = await self._send(messages)
        except ApiError as error:
            if error.err_code in MISUSE:
                raise
            return None, error.err_code
        except (Unavailable, TimedOut):
            return None, UNCLEAR
        return sent, STORED_BEFORE

    async def _send(self, messages: Sequence[Message]) -> tuple[int, ...] | None:
        """The sequences, or None when an earlier attempt of the command is stored, which may have decided otherwise."""
        if len(messages) == 1:
            ack = await self._group.store(messages[0])
            return None if ack.duplicate else (ack.seq,)
        return tuple(await send_together(self._bus, messages))

    async def _outcome(self, writes: Sequence[Write], messages: Sequence[Message]) -> tuple[int, ...] | None:
        """Ask the leader what follows each expected commit: ours (stored), another (`Conflict`), nothing (None).

        What another attempt of the same command has decided is not ours; it is found as such when it is loaded.
        """
        found = []
        for write, (subject, body, headers) in zip(writes, messages, strict=True):
            try:
                message = await self._next(write.expected, subject)
            except (ApiError, Unavailable, TimedOut):
                return None  # no leader yet
            if message is None:
                continue
            if not _same(message, body, headers):
                raise Conflict(str(write.key))
            found.append(int(message["seq"]))
        return tuple(found) if len(found) == len(writes) else None

    async def _outcome_of_row(self, key: Key, expected: int, messages: Sequence[Message]) -> tuple[int, ...] | None:
        """The same for commits that follow one another. Fewer than all of them stem from an earlier attempt at the
        first ones: `Conflict`.
        """
        found = [expected]
        for subject, body, headers in messages:
            try:
                message = await self._next(found[-1], subject)
            except (ApiError, Unavailable, TimedOut):
                return None
            if message is None and len(found) == 1:
                return None
            if message is None or not _same(message, body, headers):
                raise Conflict(str(key))
            found.append(int(message["seq"]))
        return tuple(found[1:])

    async def _next(self, after: int, subject: str) -> dict[str, Any] | None:
        """The message that follows *after* on *subject*, as the leader knows it."""
        body = {"seq": after + 1, "next_by_subj": subject}
        try:
            answer = await self._bus.api(f"STREAM.MSG.GET.{self._stream}", body, timeout=SEND_SECONDS)
        except ApiError as error:
            if error.err_code != NOT_FOUND:
                raise
            return None
        message: dict[str, Any] = answer["message"]
        return message


class JetStreamTelemetry:
    """The telemetry stream of a context: the last value per aggregate and slot, or each value for a while.

    Which one the stream is, its declaration says; either way values go, and who reads from the beginning finds those
    that are left.
    """

    def __init__(self, bus: Bus, context: str, codec: Codec) -> None:
        self._bus = bus
        self._codec = codec
        self._stream = f"TEL_{context.upper()}"
        self._prefix = f"tel.{context}."
        self._newest: OrderedDict[str, _Newest] = OrderedDict()

    async def put(self, key: Key, slot: str, event: Event, context: Context) -> int:
        """Add a value; return its sequence once stored, or that of a newer one by `Event.recency`, which stays.

        Raise `Unavailable` or `TimedOut`.
        """
        subject, body = f"{self._prefix}{key}.{slot}", self._codec.encode([event])
        headers = {AT: context.now.isoformat()}
        if trace := traceparent():
            headers["traceparent"] = trace
        try:
            if event.recency() is None:
                return (await self._bus.store(subject, body, headers)).seq
            return await self._put_in_order(subject, event, body, headers)
        except ApiError as error:
            raise Unavailable(stream=self._stream, reason=str(error)) from error

    async def _put_in_order(self, subject: str, event: Event, body: bytes, headers: dict[str, str]) -> int:
        """Store it on the condition that what it replaces is still the one that it was compared with."""
        newest = self._newest.pop(subject, None) or _Newest(0, None)
        for _ in range(RACES):
            if newest.value is not None and event.older_than(newest.value):
                self._remember(subject, newest)
                return newest.sequence
            try:
                ack = await self._bus.store(subject, body, {**headers, EXPECTED: str(newest.sequence)})
            except ApiError as error:
                if error.err_code not in OVERTAKEN:
                    raise
                newest = await self._last(subject)
            else:
                self._remember(subject, _Newest(ack.seq, event))
                return ack.seq
        raise Unavailable(stream=self._stream, reason="overtaken again and again")

    def _remember(self, subject: str, newest: "_Newest") -> None:
        self._newest[subject] = newest
        if len(self._newest) > ORDERED:
            self._newest.popitem(last=False)

    async def _last(self, subject: str) -> "_Newest":
        """The value that is stored, as the leader knows it; one that cannot be read gives way."""
        try:
            answer = await self._bus.api(f"STREAM.MSG.GET.{self._stream}", {"last_by_subj": subject})
        except ApiError as error:
            if error.err_code != NOT_FOUND:
                raise
            return _Newest(0, None)
        message = answer["message"]
        key = self._key(subject)
        loose = self._codec.loose(
            message["seq"], key, base64.b64decode(message.get("data", "")), {AT: NEVER.isoformat()}
        )
        return _Newest(message["seq"], loose.events[0] if loose.events else None)

    async def head(self) -> int:
        """Where the newest value is that is still there; 0 if all have gone."""
        state = (await self._bus.api(f"STREAM.INFO.{self._stream}"))["state"]
        sequence: int = state["last_seq"] if state["messages"] else 0
        return sequence

    async def tail(self, after: int) -> AsyncIterator[list[Commit]]:
        """The values stored after *after*, as commits of one event; those that have gone meanwhile are left out."""
        async for batch in Reader(self._bus, self._stream, gaps_allowed=True).read(after):
            yield [self._commit(stored) for stored in batch]

    def _commit(self, stored: Stored) -> Commit:
        return self._codec.loose(stored.sequence, self._key(stored.subject), stored.data, stored.headers)

    def _key(self, subject: str) -> Key:
        aggregate, _, rest = subject.removeprefix(self._prefix).partition(".")
        return Key(aggregate, rest.partition(".")[0])


class _Newest(NamedTuple):
    """The newest value of a subject, as far as this replica knows."""

    sequence: int
    value: Event | None


class JetStreamSnapshots:
    """Snapshots of aggregates in a KV bucket. Disposable: one that is missing or old only costs a longer load."""

    def __init__(self, bus: Bus, context: str) -> None:
        self._bus = bus
        self._bucket = f"SNAP_{context.upper()}"

    async def get(self, key: Key) -> bytes | None:
        found = await self._bus.direct(f"KV_{self._bucket}", {"last_by_subj": f"$KV.{self._bucket}.{key}"})
        return found[0].data if found else None

    async def put(self, key: Key, snapshot: bytes) -> None:
        await self._bus.store(f"$KV.{self._bucket}.{key}", snapshot, {})


def _same(message: Mapping[str, Any], body: bytes, headers: Mapping[str, str]) -> bool:
    """Whether the stored message is just what was sent."""
    stored = header_block(base64.b64decode(message["hdrs"]))
    ours = stored.get(ID) == headers[ID] and stored.get(AT) == headers[AT]
    return ours and base64.b64decode(message.get("data", "")) == body


async def _epoch(bus: Bus, stream: str) -> str:
    epoch: str = (await bus.api(f"STREAM.INFO.{stream}"))["config"]["metadata"]["matinee-epoch"]
    return epoch


def _stored(data: bytes, headers: dict[str, str]) -> Stored:
    """A message from direct get, whose place is told by its headers."""
    return Stored(int(headers["Nats-Sequence"]), headers["Nats-Subject"], data, headers)


def _anew(message: Message) -> Message:
    """With another id: what was stored under this one was erased. What is expected still guards against a second."""
    subject, body, headers = message
    return subject, body, headers | {ID: f"{headers[ID]}~"}


def _check_versions(key: Key, commits: Sequence[Commit]) -> None:
    for before, after in pairwise(commits):
        if after.first != before.last + 1:
            raise Hole(f"{key}: version {before.last + 1} is missing before sequence {after.sequence}")
