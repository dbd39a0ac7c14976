"""The one way to the log: load the aggregate, decide, append; again after a conflict."""

import asyncio
import hashlib
import inspect
import math
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

import msgspec
import structlog
from msgspec import Struct

from events import telemetry
from events.bus import TimedOut, Unavailable
from events.contracts.erased import ERASED, Erased
from events.decider import Decider, Pact
from events.erasing import belongs, owner_of
from events.lanes import QUEUE, Behind, Done, Lanes, Ride
from events.log import Commit, Conflict, Hole, Link, Log, Unclear, Write
from events.messages import Command, Context, Event, Key, Rejected, tag_of
from events.vault import Vault

log = structlog.get_logger("handle")

WORTH_IT = 3
"""So many commands that wait behind another one are carried out together with it: the log takes a row of commits in the
time of a few single ones."""
LONGEST_ROW = 64
RACE_SECONDS = 2.0
"""How long a command may go on losing races against other replicas before its sender is told `busy`.

Time and not a count: the loser is slower than the winner, who knows the state already, and may lose dozens in a row
when there is a crowd on both.
"""
CACHED = 4_096
"""Aggregates in memory; the least recently used one goes first."""
REMEMBERED = 32
"""Newest command ids kept per actor and aggregate; those that may still be sent again are kept besides."""
SENT_AGAIN_WITHIN = timedelta(seconds=60)
"""A gateway repeats a command whose answer it misses: each must be known then, however many were queued with it."""
MOST_REMEMBERED = 4 * QUEUE
"""Of one actor and aggregate: the queues of four replicas."""
ACTORS = 1_024
"""Actors per aggregate whose command ids are kept; who acted longest ago goes first, but not while something of theirs
may still be sent again."""
MOST_OF_ALL = 4_096
"""Command ids of an aggregate, likewise: in a crowd they go before they are a day old."""
MOST_EVER = 65_536
"""Command ids of an aggregate in any case: a thousand in each second of `SENT_AGAIN_WITHIN`."""
REMEMBERED_FOR = timedelta(hours=24)
SNAPSHOT_EVERY = 50
"""Commits between two snapshots of an aggregate."""
LARGEST_STATE = 256 * 1024
"""Of one aggregate, without what is remembered of commands; a larger one is warned about, since every decision on it
gets slower."""
LARGEST_SNAPSHOT = 900 * 1024
"""State and remembered command ids; a larger one is not kept, and loading starts from an older one."""


class Telemetry(Protocol):
    """Where heartbeats go: the last value per aggregate and slot."""

    async def put(self, key: Key, slot: str, event: Event, context: Context) -> int: ...


class Snapshots(Protocol):
    """Where the folded state of long aggregates is kept, to be thrown away at will."""

    async def get(self, key: Key) -> bytes | None: ...

    async def put(self, key: Key, snapshot: bytes) -> None: ...


class Known(Struct, frozen=True):
    """A command that was committed: with which arguments, where, and when."""

    fingerprint: str
    sequence: int
    at: datetime


class Loaded(Struct):
    """An aggregate in memory: its state, how far that goes, and whom it has answered lately."""

    state: Any
    version: int = 0
    sequence: int = 0
    at: datetime | None = None
    known: dict[str, dict[str, Known]] = {}
    remembered: int = 0
    """How many command ids those are."""
    snapshot: int = 0
    """Version at the newest snapshot."""


def nothing_known(key: Key) -> Mapping[str, Any]:
    return {}


class Aggregates:
    """All aggregates of one context, as one replica of its service sees them."""

    def __init__(
        self,
        events_log: Log,
        deciders: Mapping[str, Decider[Any, Any, Any]],
        vault: Vault,
        *,
        pacts: Mapping[type[Command], Pact[Any, Any, Any]] | None = None,
        heartbeats: Telemetry | None = None,
        snapshots: Snapshots | None = None,
        ambient: Callable[[Key], Mapping[str, Any]] = nothing_known,
        owned: Collection[str] = (),
        cached: int = CACHED,
    ) -> None:
        """*ambient*: what this replica hears about an aggregate besides its log, asked for anew at each decision.

        *owned*: the kinds of aggregates that are one person's, and may vanish from the log when they are erased.
        """
        self._log = events_log
        self._deciders = deciders
        self._pacts = pacts or {}
        self._vault = vault
        self._heartbeats = heartbeats
        self._snapshots = snapshots
        self._ambient = ambient
        self._owned = owned
        self._erasing: dict[str, float] = {}
        """Until when, by the monotonic clock, commands about a person's own are refused."""
        self._cached = cached
        self._cache: OrderedDict[Key, Loaded] = OrderedDict()
        self._lanes = Lanes()
        self._background: set[asyncio.Task[None]] = set()
        self._schemas = {kind: _schema(decider, events_log.epoch) for kind, decider in deciders.items()}

    async def execute(self, command: Command, context: Context, deadline: float = math.inf) -> Done:
        """Carry out *command* at most once. Raise `Rejected` by rule, or with `busy`, `key-reused` or `unavailable`.

        At *deadline*, by the monotonic clock, its sender has gone: a command that still waits must not take effect,
        since nobody would learn of it (`deadline-exceeded`).
        """
        keys = command.keys(context)
        if self._erasing and any(map(self._is_erasing, keys)):
            raise Rejected("busy", aggregate=keys[0].aggregate)
        if command.personal:
            await self._vault.know(context.actor)
        if looked := command.looks_at(context):
            states = await asyncio.gather(*map(self.state, looked))
            seen = {str(key): state for key, state in zip(looked, states, strict=True)}
            context = msgspec.structs.replace(context, seen=seen)
        ride = None if type(command) in self._pacts else Ride(command, context, deadline, telemetry.traceparent())
        async with self._lanes.queue(keys, ride) as others:
            if ride is None:
                return await self._alone(command, context, keys, deadline)
            if done := await self._carried_out(keys[0], ride, others):
                return done
            try:
                done = await self._alone(command, context, keys, deadline)
            except Rejected as refused:
                if not ride.tried:
                    raise
                raise TimedOut(aggregate=str(keys[0])) from refused  # what was sent before may get there yet
            if ride.tried and done.repeated:
                return Done(done.sequence, repeated=True, committed=True)
            return done

    async def state(self, key: Key) -> Any:
        """The aggregate's state, as new as the log."""
        async with self._lanes.queue((key,)):
            loaded = await self._load(key)
            if await self._catch_up({key: loaded}):
                loaded = await self._load(key)
            return loaded.state

    def forget_person(self, owner: str, busy_for: float = 0.0) -> None:
        """Let go of what is cached of a person's own aggregates, and refuse their commands for a while.

        *owner* is their uid as a token. What they command all the same, elsewhere, is carried out, or erased with the
        rest: this is only for the erasure to come to an end.
        """
        now = time.monotonic()
        self._erasing = {each: until for each, until in self._erasing.items() if until > now and each != owner}
        if busy_for > 0:
            self._erasing[owner] = now + busy_for
        own = [key for key in self._cache if key.aggregate in self._owned and belongs(key.id, owner)]
        self._forget([key for key in own if not self._lanes.waiting(key)])

    async def _alone(self, command: Command, context: Context, keys: Sequence[Key], deadline: float) -> Done:
        """Decide until it is either in the log or refused by what is there."""
        if time.monotonic() > deadline:
            raise Rejected("deadline-exceeded")
        give_up = time.monotonic() + RACE_SECONDS
        while time.monotonic() < give_up:
            try:
                done = await self._attempt(command, context, keys)
            except Conflict:
                telemetry.conflicts.labels(keys[0].aggregate).inc()
                await self._catch_up({key: self._cache[key] for key in keys if key in self._cache})
                continue
            except Unclear as unclear:
                self._forget(keys)
                raise TimedOut(aggregate=str(unclear)) from unclear
            if done is not None:
                return done
        raise Rejected("busy", aggregate=keys[0].aggregate)

    async def _attempt(self, command: Command, context: Context, keys: Sequence[Key]) -> Done | None:
        """One decision. None means that it was taken on an old state and nothing would have told: decide again."""
        loaded = {key: await self._load(key) for key in keys}
        first = loaded[keys[0]]
        known = first.known.get(context.actor, {}).get(context.command_id)
        if known is not None and (repeated := _repeated(known, context)):
            if len(keys) == 1:
                return repeated
            await self._catch_up(loaded)  # what was decided over several is there where the last of them is
            return Done(max(found.sequence for found in loaded.values()), repeated=True)
        newest = max((found.at for found in loaded.values() if found.at is not None), default=None)
        context = _forward(context, newest, self._ambient(keys[0]))
        try:
            decided = self._decide(command, context, loaded)
        except Rejected:
            if await self._catch_up(loaded):
                return None
            raise
        facts = {key: [e for e in events if not e.telemetry] for key, events in decided.items()}
        if not any(facts.values()):
            if await self._catch_up(loaded):
                return None
            return Done(first.sequence, await self._publish(decided, context))
        writes = [Write(key, loaded[key].sequence, loaded[key].version, facts.get(key, ())) for key in keys]
        sealed = [write._replace(events=await self._vault.seal(write.events)) for write in writes]
        sequences = await self._log.append(sealed, context)
        for write, sequence in zip(sealed, sequences, strict=True):
            self._advance(loaded[write.key], write, sequence, context)
        try:
            return Done(max(sequences), await self._publish(decided, context), committed=True)
        except Unavailable as away:
            # Not "nothing was carried out": the facts are in.
            raise TimedOut(aggregate=str(keys[0])) from away

    async def _carried_out(self, key: Key, ride: Ride, others: Behind) -> Done | None:
        """Together with others, now or before its turn came; else it is to decide alone."""
        if ride.done is None:
            waiting = [other for other in others if other.done is None]
            if len(waiting) >= WORTH_IT:
                await self._carry_out_row(key, [ride, *waiting])
        return ride.done

    async def _carry_out_row(self, key: Key, waiting: Sequence[Ride]) -> None:
        """Append what the first ones of those who wait have decided as a row of commits, one for each of them.

        Each decides on what the one before it has. If the row is not taken, everybody decides alone, in turn.
        """
        loaded = await self._load(key)
        rides, row = await self._row(key, loaded, waiting)
        if len(row) <= WORTH_IT:
            return
        try:
            sequences = await self._log.append_row(key, loaded.sequence, loaded.version, row)
        except Conflict:
            telemetry.conflicts.labels(key.aggregate).inc()
            await self._catch_up({key: loaded})
        except Rejected:
            pass  # one of them is too large, say: that is told to whom it concerns
        except BaseException as lost:
            for ride in rides:
                ride.tried = True
            self._forget((key,))
            if isinstance(lost, Unclear):
                raise TimedOut(aggregate=str(key)) from lost
            raise
        else:
            for ride, link, sequence in zip(rides, row, sequences, strict=True):
                write = Write(key, loaded.sequence, loaded.version, link.events)
                self._advance(loaded, write, sequence, link.context)
                ride.done = Done(sequence, committed=True)

    async def _row(self, key: Key, loaded: Loaded, waiting: Sequence[Ride]) -> tuple[list[Ride], list[Link]]:
        """The first ones, up to one whose answer is not that facts are added: that one decides alone."""
        decider, state, at = self._deciders[key.aggregate], loaded.state, loaded.at
        rides, row, ids = list[Ride](), list[Link](), set[str]()
        for ride in waiting[:LONGEST_ROW]:
            id, actor = ride.context.command_id, ride.context.actor
            if id in ids or id in loaded.known.get(actor, {}) or time.monotonic() > ride.deadline:
                break
            context = _forward(ride.context, at, self._ambient(key))
            try:
                events = await self._vault.seal(decider.decide(ride.command, state, context))
                state = decider.fold(events, state)
            except Exception:  # noqa: BLE001  # whatever it is, it comes again when that one decides alone
                break
            if not events or any(event.telemetry for event in events):
                break
            at = context.now
            ids.add(id)
            rides.append(ride)
            row.append(Link(events, context, ride.trace))
        return rides, row

    def _decide(
        self, command: Command, context: Context, loaded: Mapping[Key, Loaded]
    ) -> Mapping[Key, Sequence[Event]]:
        pact = self._pacts.get(type(command))
        if pact is not None:
            return pact.decide(command, {key: found.state for key, found in loaded.items()}, context)
        ((key, found),) = loaded.items()
        return {key: self._deciders[key.aggregate].decide(command, found.state, context)}

    async def _publish(self, decided: Mapping[Key, Sequence[Event]], context: Context) -> int:
        """Hand the heartbeats among what was decided to the telemetry stream."""
        sequence = 0
        for key, events in decided.items():
            for event in await self._vault.seal([event for event in events if event.telemetry]):
                assert self._heartbeats is not None, f"{tag_of(type(event))} has no stream"
                sequence = await self._heartbeats.put(key, event.slot(), event, context)
        return sequence

    def _advance(self, loaded: Loaded, write: Write, sequence: int, context: Context) -> None:
        """Take into the cache what was just committed."""
        decider = self._deciders[write.key.aggregate]
        loaded.state = decider.fold(write.events, loaded.state)
        loaded.version = write.version + len(write.events)
        loaded.sequence = sequence
        loaded.at = context.now
        _remember(loaded, context.actor, context.command_id, Known(context.fingerprint, sequence, context.now))
        if self._snapshots is not None and loaded.version - loaded.snapshot >= SNAPSHOT_EVERY:
            loaded.snapshot = loaded.version
            task = asyncio.create_task(self._keep(write.key, *self._encode(write.key, loaded)))
            self._background.add(task)
            task.add_done_callback(self._background.discard)

    async def _load(self, key: Key) -> Loaded:
        loaded = self._cache.get(key)
        if loaded is None:
            loaded = await self._restore(key)
            try:
                await self._follow(key, loaded)
            except Hole as hole:
                if await self._erased_since(key, loaded.sequence):
                    raise Rejected("busy", aggregate=key.aggregate) from hole  # being erased right now
                raise
            self._cache[key] = loaded
            while len(self._cache) > self._cached:
                self._cache.popitem(last=False)
        self._cache.move_to_end(key)
        return loaded

    async def _catch_up(self, aggregates: Mapping[Key, Loaded]) -> bool:
        """Bring aggregates up to date from the log's tail; tell whether any was behind.

        An append would have been refused; silence and refusals must look for themselves.
        """
        behind = False
        for key, loaded in aggregates.items():
            newest = await self._log.newest(key)
            if newest == loaded.sequence:
                continue
            behind, sequence = True, loaded.sequence
            try:
                if newest < sequence:
                    self._forget((key,))
                    raise Hole(f"{key}: the log ends at sequence {newest}, but {sequence} was committed")
                await self._follow(key, loaded)
            except Hole:
                if not await self._erased_since(key, sequence):
                    raise
        return behind

    def _is_erasing(self, key: Key) -> bool:
        until = self._erasing.get(owner_of(key)) if key.aggregate in self._owned else None
        return until is not None and time.monotonic() < until

    async def _erased_since(self, key: Key, sequence: int) -> bool:
        """Whether the aggregate's owner was erased after *sequence*, or is being erased: its log may begin anew."""
        if key.aggregate not in self._owned:
            return False
        stones = await self._log.read(Key(ERASED, owner_of(key)))
        erased = [(stone.sequence, event) for stone in stones for event in stone.events if isinstance(event, Erased)]
        return bool(erased) and (erased[-1][0] > sequence > 0 or not erased[-1][1].final)

    async def _follow(self, key: Key, loaded: Loaded) -> None:
        decider = self._deciders[key.aggregate]
        commits = await self._log.read(key, loaded.sequence)
        for commit in commits:
            if commit.first != loaded.version + 1:
                self._forget((key,))
                raise Hole(f"{key}: version {loaded.version + 1} is missing before sequence {commit.sequence}")
            _apply(loaded, decider, commit)

    def _forget(self, keys: Sequence[Key]) -> None:
        for key in keys:
            self._cache.pop(key, None)

    async def _restore(self, key: Key) -> Loaded:
        decider = self._deciders[key.aggregate]
        if self._snapshots is not None:
            kept = await self._snapshots.get(key)
            schema, _, body = (kept or b"").partition(b"\n")
            if schema == self._schemas[key.aggregate]:
                try:
                    loaded = msgspec.json.decode(body, type=Loaded)
                    loaded.state = msgspec.convert(loaded.state, type(decider.initial))
                    loaded.remembered = sum(map(len, loaded.known.values()))
                except msgspec.MsgspecError as error:
                    log.warning("snapshot not readable", aggregate=str(key), reason=str(error))
                else:
                    if not await self._erased_since(key, loaded.sequence):
                        return loaded
        return Loaded(decider.initial)

    def _encode(self, key: Key, loaded: Loaded) -> tuple[bytes, int]:
        """The snapshot, and how many bytes of it are the state."""
        state = msgspec.json.encode(loaded.state)
        whole = msgspec.json.encode(msgspec.structs.replace(loaded, state=msgspec.Raw(state)))
        return self._schemas[key.aggregate] + b"\n" + whole, len(state)

    async def _keep(self, key: Key, snapshot: bytes, state_bytes: int) -> None:
        if state_bytes > LARGEST_STATE:
            log.warning("aggregate grows large", aggregate=str(key), bytes=state_bytes, limit=LARGEST_STATE)
        if len(snapshot) > LARGEST_SNAPSHOT:
            return
        try:
            assert self._snapshots is not None
            await self._snapshots.put(key, snapshot)
        except Exception as error:  # noqa: BLE001  # whatever it is, a snapshot is only a shortcut
            log.warning("snapshot not kept", aggregate=str(key), reason=str(error))


def _schema(decider: Decider[Any, Any, Any], epoch: str) -> bytes:
    """Changes with the shape of the state, the rules that fold it and the log, so that an older snapshot is ignored."""
    rules = inspect.getmodule(decider.evolve)
    source = inspect.getsource(rules) if rules is not None else ""
    shape = repr(msgspec.json.schema(type(decider.initial)))
    return hashlib.sha256(f"{epoch}\n{shape}\n{source}".encode()).hexdigest()[:16].encode()


def _apply(loaded: Loaded, decider: Decider[Any, Any, Any], commit: Commit) -> None:
    loaded.state = decider.fold(commit.events, loaded.state)
    loaded.version = commit.last
    loaded.sequence = commit.sequence
    loaded.at = commit.at
    _remember(loaded, commit.actor, commit.command_id, Known(commit.fingerprint, commit.sequence, commit.at))


def _remember(loaded: Loaded, actor: str, command_id: str, known: Known) -> None:
    mine = loaded.known.pop(actor, {})
    before = len(mine)
    mine.pop(command_id, None)
    mine[command_id] = known
    for old in list(mine.values())[:-REMEMBERED]:
        if known.at - old.at <= SENT_AGAIN_WITHIN and len(mine) <= MOST_REMEMBERED:
            break
        del mine[next(iter(mine))]
    loaded.known[actor] = mine
    loaded.remembered += len(mine) - before
    while _is_crowded(loaded, known.at):
        loaded.remembered -= len(loaded.known.pop(next(iter(loaded.known))))


def _is_crowded(loaded: Loaded, now: datetime) -> bool:
    """Whether there is more than is kept, and nothing can be sent again of whoever acted longest ago."""
    if loaded.remembered > MOST_EVER:
        return True
    if len(loaded.known) <= ACTORS and loaded.remembered <= MOST_OF_ALL:
        return False
    first = next(iter(loaded.known.values()))
    return now - next(reversed(first.values())).at > SENT_AGAIN_WITHIN


def _repeated(known: Known, context: Context) -> Done | None:
    """The first answer, for a day; then the command is decided anew."""
    if context.now - known.at > REMEMBERED_FOR:
        return None
    if known.fingerprint != context.fingerprint:
        raise Rejected("key-reused")
    return Done(known.sequence, repeated=True)


def _forward(context: Context, newest: datetime | None, ambient: Mapping[str, Any]) -> Context:
    """The context of one decision: an aggregate's time never runs backwards, whatever the clocks of two gateways say,
    and what surrounds it is this replica's own to tell."""
    return msgspec.structs.replace(context, now=max(newest or context.now, context.now), ambient=ambient)
