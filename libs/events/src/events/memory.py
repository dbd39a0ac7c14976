"""The log in a list: for unit tests, held to the same contract suite as JetStream."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence

from events.codec import ID, Codec, commit_id, headers_of
from events.log import Commit, Conflict, Hole, Link, Write, writes_of
from events.messages import AT, Context, Event, Key

BATCH = 500


class MemoryLog:
    """Keeps encoded commits, so that what a test reads has gone through the codec as it would on JetStream."""

    def __init__(self, codec: Codec, epoch: str = "memory") -> None:
        self._codec = codec
        self._epoch = epoch
        self._stored: dict[int, tuple[Key, bytes, dict[str, str]]] = {}
        self._newest = 0
        self._by_key: dict[Key, list[int]] = defaultdict(list)
        self._by_id: dict[str, int] = {}
        self._moved = asyncio.Condition()

    @property
    def epoch(self) -> str:
        return self._epoch

    async def read(self, key: Key, after: int = 0) -> list[Commit]:
        commits = [self._commit(n) for n in self._by_key[key] if n in self._stored]
        version = 0
        for commit in commits:
            if commit.first != version + 1:
                raise Hole(f"{key}: version {version + 1} is missing before sequence {commit.sequence}")
            version = commit.last
        return [commit for commit in commits if commit.sequence > after]

    async def append(self, writes: Sequence[Write], context: Context) -> tuple[int, ...]:
        async with self._moved:
            repeated = self._first_answer(writes, context)
            if repeated is not None:
                return repeated
            for write in writes:
                if await self.newest(write.key) != write.expected:
                    raise Conflict(str(write.key))
            sequences = tuple(self._store(write, context) for write in writes)
            self._moved.notify_all()
            return sequences

    async def append_row(self, key: Key, expected: int, version: int, row: Sequence[Link]) -> tuple[int, ...]:
        writes = writes_of(key, expected, version, row)
        async with self._moved:
            answers = [self._first_answer([write], link.context) for write, link in zip(writes, row, strict=True)]
            if all(answers):
                return tuple(sequence for answer in answers if answer for sequence in answer)
            if await self.newest(key) != expected:
                raise Conflict(str(key))
            sequences = tuple(self._store(write, link.context) for write, link in zip(writes, row, strict=True))
            self._moved.notify_all()
            return sequences

    async def newest(self, key: Key) -> int:
        return next((n for n in reversed(self._by_key[key]) if n in self._stored), 0)

    async def head(self) -> int:
        return self._newest

    async def tail(self, after: int) -> AsyncIterator[list[Commit]]:
        while True:
            async with self._moved:
                while self._newest <= after:
                    await self._moved.wait()
            for sequence in range(after + 1, min(self._newest, after + BATCH) + 1):
                if sequence not in self._stored:
                    raise Hole(f"sequence {sequence} is missing")
            batch = [
                self._codec.followed(n, *self._stored[n])
                for n in range(after + 1, min(self._newest, after + BATCH) + 1)
            ]
            after = batch[-1].sequence
            yield batch

    def lose(self, sequence: int) -> None:
        """Forget a commit, as a damaged disk would."""
        del self._stored[sequence]

    def _commit(self, sequence: int) -> Commit:
        key, body, headers = self._stored[sequence]
        return self._codec.commit(sequence, key, body, headers)

    def _first_answer(self, writes: Sequence[Write], context: Context) -> tuple[int, ...] | None:
        found = [self._by_id.get(commit_id(write.key, write.version, context), 0) for write in writes]
        same = all(n in self._stored and self._same(n, write, context) for n, write in zip(found, writes, strict=True))
        return tuple(found) if same else None

    def _same(self, sequence: int, write: Write, context: Context) -> bool:
        """Whether just this was stored, and not what another attempt of the command decided."""
        _, body, headers = self._stored[sequence]
        return (body, headers[AT]) == (self._codec.encode(write.events), context.now.isoformat())

    def _store(self, write: Write, context: Context) -> int:
        self._newest += 1
        headers = headers_of(write.key, write.version, len(write.events), context)
        self._stored[self._newest] = (write.key, self._codec.encode(write.events), headers)
        self._by_key[write.key].append(self._newest)
        self._by_id[headers[ID]] = self._newest
        return self._newest


class MemoryTelemetry:
    """The last value per key and slot."""

    def __init__(self) -> None:
        self.values: dict[tuple[Key, str], Event] = {}

    async def put(self, key: Key, slot: str, event: Event, context: Context) -> int:
        kept = self.values.get((key, slot))
        if kept is None or not event.older_than(kept):
            self.values[key, slot] = event
        return len(self.values)


class MemorySnapshots:
    """Snapshots in a dict."""

    def __init__(self) -> None:
        self.kept: dict[Key, bytes] = {}

    async def get(self, key: Key) -> bytes | None:
        return self.kept.get(key)

    async def put(self, key: Key, snapshot: bytes) -> None:
        self.kept[key] = snapshot
