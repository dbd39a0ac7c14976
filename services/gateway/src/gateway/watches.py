"""Live queries: one run per distinct question, re-run when its topics change, sent when the value did."""

import asyncio
import hashlib

import structlog
from msgspec import Raw

from events.messages import Answer, Position, Query, Rejected
from gateway import limits, metrics
from gateway.calls import PASSING, Calls
from gateway.catalogue import Catalogue, Function, canonical
from gateway.identity import Identity
from gateway.notices import Notices
from gateway.protocol import value_tail
from gateway.tasks import Tasks

SHORTEST_PAUSE = 0.1
LONGEST_PAUSE = 0.5

log = structlog.get_logger("watches")

_values = metrics.deliveries.labels("value")


class Watcher:
    """Somebody who waits for the values of one question; a door says what `push` and `fail` do."""

    __slots__ = ("access", "again", "digest", "run", "unsure", "who")

    def __init__(self, who: Identity) -> None:
        self.who = who
        self.run: Run | None = None
        self.digest = b""
        """Of the value that was sent last; survives a pause, so that nothing is sent twice."""
        self.access: tuple[str, ...] = ()
        self.unsure = False
        """Its right is being asked anew: until then it gets nothing."""
        self.again = False
        """Its right may have ended while it was being asked."""

    def push(self, tail: bytes, position: str) -> None:
        """A new value, encoded as the end of a `value` frame, and where it is true."""
        raise NotImplementedError

    def fail(self, error: Rejected) -> None:
        """The watch has ended."""
        raise NotImplementedError


class Run:
    """One distinct question at this gateway."""

    __slots__ = (
        "after", "context", "digest", "due", "function", "key", "pending", "position", "query", "refreshing", "tail",
        "topics", "watchers",
    )  # fmt: skip

    def __init__(self, key: tuple[str, bytes, str], function: Function, query: bytes, topics: tuple[str, ...]) -> None:
        self.key = key
        self.function = function
        self.context = function.context
        self.query = query
        self.topics = topics
        self.watchers: dict[Watcher, None] = {}
        self.pending = 0
        """First runs under way."""
        self.position: Position | None = None
        self.digest = b""
        self.tail = b""
        self.due = False
        """The value may have changed."""
        self.after: Position | None = None
        """Where the change is visible; None if that is not known."""
        self.refreshing = False

    def touch(self, after: Position | None) -> None:
        self.due = True
        self.after = after

    def settled(self) -> bool:
        """Whether the value already shows the last change that was heard of."""
        return self.after is not None and self.position is not None and self.position.covers(self.after)

    def take(self, answer: Answer) -> None:
        """An answer came; an older one than what is known is passed over."""
        position = Position.parse(answer.position)
        if self.position is not None and self.position.covers(position) and position != self.position:
            return
        self.position = position
        self.digest = _digest(answer.value)
        self.tail = value_tail(answer.value, answer.position)

    def push(self) -> None:
        """Send the value to everybody who does not have it."""
        sent = 0
        for watcher in list(self.watchers):
            if watcher.digest != self.digest and not watcher.unsure:
                watcher.digest = self.digest
                watcher.push(self.tail, str(self.position))
                sent += 1
        _values.inc(sent)
        metrics.sent_bytes.inc(sent * len(self.tail))


class Watches:
    """All live queries of this gateway."""

    def __init__(self, calls: Calls, catalogue: Catalogue) -> None:
        self._calls = calls
        self._runs: dict[tuple[str, bytes, str], Run] = {}
        self._topics: dict[str, set[Run]] = {}
        self._access: dict[str, set[Watcher]] = {}
        self._turns = {context: asyncio.Semaphore(limits.RUNS_AT_ONCE) for context in catalogue.contexts}
        self._tasks = Tasks()

    def listen(self, notices: Notices) -> None:
        notices.on_touched(self._on_touched)
        notices.on_broken(self._on_broken)

    @property
    def watchers(self) -> int:
        """How many wait for values here."""
        return sum(len(run.watchers) for run in self._runs.values())

    async def add(self, watcher: Watcher, function: Function, query: Query, after: str | None = None) -> None:
        """Give the watcher the value now and after each change. Raise `Rejected` if it may not have it.

        Its first run is always its own: that is how its right is checked. It shows what *after* shows.
        """
        run = self._run(watcher.who, function, query)
        watcher.run = run
        watcher.unsure = watcher.again = False
        watcher.access = query.access(watcher.who.uid)
        run.pending += 1
        for topic in watcher.access:
            self._access.setdefault(topic, set()).add(watcher)
        metrics.watches.inc()
        try:
            async with self._turns[run.context]:
                answer = await self._calls.query(watcher.who, function, run.query, after)
        except BaseException:
            run.pending -= 1
            self.remove(watcher)
            raise
        run.pending -= 1
        if watcher.run is not run:
            self._forget(run)
            return
        run.watchers[watcher] = None
        run.take(answer)
        if watcher.again:
            self._doubt(watcher)
        run.push()
        if run.due:
            self._refresh_soon(run)

    def remove(self, watcher: Watcher) -> None:
        """The watcher wants no more. Harmless if it is not there."""
        run, watcher.run = watcher.run, None
        if run is None:
            return
        metrics.watches.dec()
        run.watchers.pop(watcher, None)
        for topic in watcher.access:
            _discard(self._access, topic, watcher)
        self._forget(run)

    def _run(self, who: Identity, function: Function, query: Query) -> Run:
        text = canonical(query)
        key = (function.name, text, "" if query.audience == "shared" else who.uid)
        run = self._runs.get(key)
        if run is None:
            run = self._runs[key] = Run(key, function, text, query.topics(who.uid))
            for topic in run.topics:
                self._topics.setdefault(topic, set()).add(run)
        return run

    def _forget(self, run: Run) -> None:
        if run.watchers or run.pending or self._runs.get(run.key) is not run:
            return
        del self._runs[run.key]
        for topic in run.topics:
            _discard(self._topics, topic, run)

    def _on_touched(self, context: str, topics: tuple[str, ...], start: int, position: Position) -> None:
        for topic in topics:
            for run in self._topics.get(topic, ()):
                if run.context == context:
                    run.touch(position)
                    self._refresh_soon(run)
            for watcher in self._access.get(topic, ()):
                self._doubt(watcher)

    def _on_broken(self, context: str, restored: bool) -> None:
        for run in self._runs.values():
            if run.context == context:
                run.touch(None)
                if restored:
                    run.position = None
                self._refresh_soon(run)
        # Rights may hang on any context: whose a topic is, it does not say.
        for watcher in {watcher for watchers in self._access.values() for watcher in watchers}:
            self._doubt(watcher)

    def _refresh_soon(self, run: Run) -> None:
        if run.watchers and not run.refreshing:
            run.refreshing = True
            self._tasks.spawn(self._refresh(run))

    async def _refresh(self, run: Run) -> None:
        """Run the question for all its watchers, again if something changed meanwhile."""
        pause = SHORTEST_PAUSE
        try:
            while run.due and run.watchers and not run.settled():
                run.due = False
                watcher = next(iter(run.watchers))
                try:
                    run.take(await self._ask(run, watcher.who, "change", run.after))
                except Rejected as error:
                    run.due = True
                    if error.code in PASSING:
                        pause = await _rest(pause, run, error)
                    else:
                        self._fail(watcher, error)
                    continue
                run.push()
        finally:
            run.refreshing = False
            run.due = run.due and not run.settled()

    def _doubt(self, watcher: Watcher) -> None:
        """The watcher's right may have ended: ask in its own name before it gets anything more."""
        run = watcher.run
        if run is None:
            return
        if watcher.unsure or watcher not in run.watchers:  # it asks just now, perhaps too early to be told
            watcher.again = True
            return
        watcher.unsure = True
        self._tasks.spawn(self._reassure(watcher, run))

    async def _reassure(self, watcher: Watcher, run: Run) -> None:
        pause = SHORTEST_PAUSE
        while watcher.run is run and watcher in run.watchers:
            watcher.again = False
            try:
                answer = await self._ask(run, watcher.who, "access", run.after)
            except Rejected as error:
                if error.code not in PASSING:
                    self._fail(watcher, error)
                    return
                pause = await _rest(pause, run, error)
                continue
            if not watcher.again:
                watcher.unsure = False
                run.take(answer)
                run.push()
                return

    def _fail(self, watcher: Watcher, error: Rejected) -> None:
        if watcher.run is not None:
            self.remove(watcher)
            watcher.fail(error)

    async def _ask(self, run: Run, who: Identity, why: str, after: Position | None) -> Answer:
        metrics.runs.labels(run.function.name, why).inc()
        async with self._turns[run.context]:
            return await self._calls.run(who, run.function, run.query, str(after) if after else None)


def _discard(index: dict[str, set[Run]] | dict[str, set[Watcher]], topic: str, what: Run | Watcher) -> None:
    members = index.get(topic)
    if members is not None:
        members.discard(what)
        if not members:
            del index[topic]


async def _rest(pause: float, run: Run, error: Rejected) -> float:
    log.info("run failed, trying again", function=run.function.name, reason=error.code)
    await asyncio.sleep(pause)
    return min(pause * 2, LONGEST_PAUSE)


def _digest(value: Raw) -> bytes:
    return hashlib.blake2b(value, digest_size=16).digest()
