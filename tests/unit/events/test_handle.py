import asyncio
import itertools
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from msgspec import structs
from tests.ledger import (
    CONTRACTS,
    DECIDERS,
    PACTS,
    Account,
    AccountCommand,
    AccountEvent,
    Deposit,
    Draw,
    Label,
    Labelled,
    Moved,
    Open,
    Opened,
    Transfer,
    Withdraw,
    account,
    decide,
    evolve,
)
from tests.wait import eventually

from events.bus import TimedOut
from events.codec import Codec
from events.decider import Decider
from events.handle import (
    ACTORS,
    MOST_OF_ALL,
    MOST_REMEMBERED,
    REMEMBERED,
    SENT_AGAIN_WITHIN,
    SNAPSHOT_EVERY,
    WORTH_IT,
    Aggregates,
)
from events.lanes import QUEUE, Done
from events.log import Commit, Hole, Link, Unclear, Write
from events.memory import MemoryLog, MemorySnapshots, MemoryTelemetry
from events.messages import Command, Context, Event, Key, Rejected
from events.vault import MemoryKeys, Vault

NOW = datetime(2026, 1, 2, 20, 15, tzinfo=UTC)
A, B = account("a"), account("b")
_ids = itertools.count()


class TrickyLog(MemoryLog):
    """A log whose appends can be held up, left unclear, or interleaved with those of others."""

    def __init__(self) -> None:
        super().__init__(Codec(CONTRACTS.EVENTS))
        self.open = asyncio.Event()
        self.open.set()
        self.unclear: list[bool] = []
        """For each of the next appends: lose touch after it was stored (true) or before (false)."""
        self.read_after: list[int] = []
        self.rows_open = asyncio.Event()
        self.rows_open.set()
        self.rows: list[int] = []
        """How many commits each row had."""
        self.yields = random.Random(0)
        self.most_yields = 0

    async def read(self, key: Key, after: int = 0) -> list[Commit]:
        self.read_after.append(after)
        await self._let_others()
        return await super().read(key, after)

    async def append(self, writes: Sequence[Write], context: Context) -> tuple[int, ...]:
        return await self._trick(lambda: super(TrickyLog, self).append(writes, context))

    async def append_row(self, key: Key, expected: int, version: int, row: Sequence[Link]) -> tuple[int, ...]:
        self.rows.append(len(row))
        await self.rows_open.wait()
        return await self._trick(lambda: super(TrickyLog, self).append_row(key, expected, version, row))

    async def _trick(self, store: Callable[[], Awaitable[tuple[int, ...]]]) -> tuple[int, ...]:
        await self.open.wait()
        await self._let_others()
        if self.unclear:
            if self.unclear[0]:
                await store()  # a conflict is clear
            self.unclear.pop(0)
            raise Unclear("the log went away")
        return await store()

    async def _let_others(self) -> None:
        for _ in range(self.yields.randint(0, self.most_yields)):
            await asyncio.sleep(0)  # a turn of the loop, not a wait

    async def all(self) -> list[Commit]:
        return [commit for key in list(self._by_key) for commit in await super(TrickyLog, self).read(key)]


@pytest.fixture
def log() -> TrickyLog:
    return TrickyLog()


def replica(log: MemoryLog, deciders: Mapping[str, Decider[Any, Any, Any]] = DECIDERS, **more: Any) -> Aggregates:
    return Aggregates(log, deciders, Vault(MemoryKeys(), bytes(32)), pacts=PACTS, **more)


def by(actor: str = "ana", id: str | None = None, after: float = 0.0, **more: Any) -> Context:
    now = NOW + timedelta(seconds=after)
    return Context(actor=actor, now=now, command_id=id or f"command {next(_ids)}", fingerprint="f", **more)


async def opened(log: MemoryLog, *balances: int, aggregates: Aggregates | None = None) -> Aggregates:
    """A replica, and an account `a`, `b`… for each balance."""
    aggregates = aggregates or replica(log)
    for id, balance in zip("abcdef", balances, strict=False):
        await aggregates.execute(Open(account_id=id), by())
        if balance:
            await aggregates.execute(Deposit(account_id=id, amount=balance), by())
    return aggregates


async def balance(log: MemoryLog, key: Key = A) -> int:
    """As the log tells it."""
    commits = await log.read(key)
    return sum(event.amount for commit in commits for event in commit.events if isinstance(event, Moved))


async def refusal_of(aggregates: Aggregates, command: Command, context: Context) -> str:
    """The slug, or nothing if it was carried out."""
    try:
        await aggregates.execute(command, context)
    except Rejected as refused:
        return refused.code
    return ""


async def refusal(aggregates: Aggregates, command: Command, context: Context | None = None) -> str:
    refused = await refusal_of(aggregates, command, context or by())
    assert refused
    return refused


# One command


async def test_a_command_is_carried_out(log: TrickyLog) -> None:
    aggregates = replica(log)

    done = await aggregates.execute(Open(account_id="a", name="Ana"), by())

    (commit,) = await log.read(A)
    assert done == Done(commit.sequence, committed=True)
    assert isinstance(commit.events[0], Opened)
    assert "Ana" not in commit.events[0].name
    assert (await aggregates.state(A)).owner == "ana"


async def test_a_repeated_wish_is_silence(log: TrickyLog) -> None:
    aggregates = await opened(log, 0)
    first = await aggregates.execute(Label(account_id="a", text="x"), by())

    again = await aggregates.execute(Label(account_id="a", text="x"), by())

    assert (again.sequence, again.committed) == (first.sequence, False)
    assert len(await log.read(A)) == 2


async def test_a_refusal_changes_nothing(log: TrickyLog) -> None:
    aggregates = await opened(log, 5)
    assert await refusal(aggregates, Withdraw(account_id="a", amount=6)) == "too-little"
    assert await balance(log) == 5


async def test_a_decision_is_told_what_this_replica_hears_and_nothing_that_a_sender_says(log: TrickyLog) -> None:
    heard: list[Any] = []

    def listening(command: AccountCommand, state: Account, context: Context) -> list[AccountEvent]:
        heard.append(context.ambient)
        return decide(command, state, context)

    deciders = {**DECIDERS, "account": Decider(Account(), listening, evolve)}
    told = replica(log, deciders, ambient=lambda key: {"of": str(key)})
    await told.execute(Open(account_id="a"), by(ambient={"of": "the sender"}))
    await replica(log, deciders).execute(Deposit(account_id="a", amount=1), by(ambient={"of": "the sender"}))

    assert heard == [{"of": "account.a"}, {}]


class Glancing(Deposit, frozen=True, kw_only=True):
    """Looks at another account."""

    def looks_at(self, context: Context) -> tuple[Key, ...]:
        return (B,)


async def test_a_decision_sees_what_its_command_only_looks_at_and_writes_nothing_there(log: TrickyLog) -> None:
    seen: list[int] = []

    def looking(command: AccountCommand, state: Account, context: Context) -> list[AccountEvent]:
        if isinstance(command, Glancing):
            seen.append(context.seen["account.b"].balance)
            command = Deposit(account_id=command.account_id, amount=command.amount)
        return decide(command, state, context)

    looker = replica(log, {**DECIDERS, "account": Decider(Account(), looking, evolve)})
    other = replica(log)
    for id in ("a", "b"):
        await other.execute(Open(account_id=id), by())
    await looker.execute(Glancing(account_id="a", amount=1), by())
    await other.execute(Deposit(account_id="b", amount=7), by())
    await looker.execute(Glancing(account_id="a", amount=1), by())

    assert seen == [0, 7]
    assert len(await log.read(B)) == 2


async def test_what_is_heard_is_asked_for_anew_when_a_race_is_lost(log: TrickyLog) -> None:
    one = await opened(log, 0)
    asked: list[Key] = []

    def hear(key: Key) -> Mapping[str, Any]:
        asked.append(key)
        return {}

    two = replica(log, ambient=hear)
    await two.state(A)
    await one.execute(Deposit(account_id="a", amount=1), by())

    await two.execute(Deposit(account_id="a", amount=1), by())

    assert asked == [A, A]


# The same command again


async def test_the_same_command_gets_the_same_answer_and_one_commit(log: TrickyLog) -> None:
    aggregates, again = await opened(log, 5), by()
    first = await aggregates.execute(Deposit(account_id="a", amount=1), again)
    await aggregates.execute(Deposit(account_id="a", amount=1), by())

    for one in (aggregates, replica(log)):
        repeated = await one.execute(Deposit(account_id="a", amount=1), again)
        assert (repeated.sequence, repeated.repeated, repeated.committed) == (first.sequence, True, False)

    assert await balance(log) == 7


async def test_one_key_with_other_arguments_is_refused(log: TrickyLog) -> None:
    aggregates, context = await opened(log, 0), by()
    await aggregates.execute(Deposit(account_id="a", amount=1), context)
    other = structs.replace(context, fingerprint="g")
    assert await refusal(aggregates, Deposit(account_id="a", amount=2), other) == "key-reused"


async def test_a_refused_command_is_decided_anew(log: TrickyLog) -> None:
    aggregates, context = await opened(log, 5), by()
    assert await refusal(aggregates, Withdraw(account_id="a", amount=6), context) == "too-little"
    await aggregates.execute(Deposit(account_id="a", amount=1), by())

    await aggregates.execute(Withdraw(account_id="a", amount=6), context)

    assert await balance(log) == 0


async def test_a_command_is_remembered_for_a_day(log: TrickyLog) -> None:
    aggregates, day = await opened(log, 0), 24 * 3600
    await aggregates.execute(Deposit(account_id="a", amount=1), by(id="d"))

    assert (await aggregates.execute(Deposit(account_id="a", amount=1), by(id="d", after=day))).repeated
    assert not (await aggregates.execute(Deposit(account_id="a", amount=1), by(id="d", after=day + 1))).repeated
    assert (await aggregates.execute(Deposit(account_id="a", amount=1), by(id="d", after=day + 2))).repeated

    assert await balance(log) == 2


async def test_a_command_is_remembered_through_31_newer_ones_of_its_actor(log: TrickyLog) -> None:
    aggregates, first, later = await opened(log, 0), by(), SENT_AGAIN_WITHIN.total_seconds() + 1
    await aggregates.execute(Deposit(account_id="a", amount=1), first)
    for _ in range(REMEMBERED - 1):
        await aggregates.execute(Deposit(account_id="a", amount=1), by(after=later))
    for n in range(2 * REMEMBERED):
        await aggregates.execute(Deposit(account_id="a", amount=1), by(actor=f"bob {n % 2}", after=later))

    for one in (aggregates, replica(log)):
        assert (await one.execute(Deposit(account_id="a", amount=1), first)).repeated

    await aggregates.execute(Deposit(account_id="a", amount=1), by(after=later))
    before = await balance(log)
    assert not (await aggregates.execute(Deposit(account_id="a", amount=1), first)).repeated
    assert await balance(log) == before + 1


async def test_commands_that_are_sent_again_while_they_queue_take_effect_once(log: TrickyLog) -> None:
    """As a gateway does when the log stands still for longer than it waits for one answer."""
    one, other = await opened(log, 0), replica(log)
    contexts = [by() for _ in range(QUEUE // 2)]
    log.open.clear()
    sent = [asyncio.create_task(one.execute(Deposit(account_id="a", amount=1), context)) for context in contexts]
    again = [
        asyncio.create_task((one, other)[n % 2].execute(Deposit(account_id="a", amount=1), context))
        for n, context in enumerate(contexts)
    ]
    await eventually(lambda: _waits_for(one, A) + _waits_for(other, A) == QUEUE)

    log.open.set()

    first, second = await asyncio.gather(*sent), await asyncio.gather(*again)
    assert [done.sequence for done in first] == [done.sequence for done in second]
    assert await balance(log) == len(contexts)


async def test_what_is_remembered_of_an_actor_is_bounded(log: TrickyLog) -> None:
    aggregates = await opened(log, 0)
    for _ in range(MOST_REMEMBERED + REMEMBERED):
        await aggregates.execute(Deposit(account_id="a", amount=1), by())
    (known,) = (await aggregates._load(A)).known.values()
    assert len(known) == MOST_REMEMBERED


async def test_in_a_crowd_who_acted_longest_ago_is_forgotten_once_nothing_can_be_sent_again(log: TrickyLog) -> None:
    aggregates, later = await opened(log, 0), SENT_AGAIN_WITHIN.total_seconds() + 1
    crowd = [f"u{n}" for n in range(MOST_OF_ALL // 8)]
    for n in range(8):
        for actor in crowd:
            await aggregates.execute(Deposit(account_id="a", amount=1), by(actor=actor, after=n / 8))
    loaded = await aggregates._load(A)
    for actor in crowd[:3]:
        await aggregates.execute(Deposit(account_id="a", amount=1), by(actor=actor, after=2))
    assert loaded.remembered == MOST_OF_ALL + 4

    await aggregates.execute(Deposit(account_id="a", amount=1), by(actor="new", after=later))

    assert crowd[0] in loaded.known
    assert crowd[3] not in loaded.known
    assert loaded.remembered == sum(map(len, loaded.known.values())) <= MOST_OF_ALL


async def test_in_a_crowd_of_many_people_each_may_send_again_what_nobody_answered(log: TrickyLog) -> None:
    aggregates, gone = await opened(log, 0), SENT_AGAIN_WITHIN.total_seconds() + 10
    sent = [by(actor=f"u{n}", after=n / 100) for n in range(ACTORS + 100)]
    for each in sent:
        await aggregates.execute(Deposit(account_id="a", amount=1), each)

    assert (await aggregates.execute(Deposit(account_id="a", amount=1), sent[0])).repeated
    assert await balance(log) == len(sent)

    await aggregates.execute(Deposit(account_id="a", amount=1), by(actor="new", after=gone))
    assert len((await aggregates._load(A)).known) == ACTORS


async def test_what_is_remembered_in_any_case_is_bounded(log: TrickyLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("events.handle.MOST_EVER", 50)
    aggregates = await opened(log, 0)
    for n in range(100):
        await aggregates.execute(Deposit(account_id="a", amount=1), by(actor=f"u{n}"))
    assert (await aggregates._load(A)).remembered == 50


async def test_two_replicas_that_carry_out_one_command_agree_on_what_happened(log: TrickyLog) -> None:
    """The client's retry went to another replica and came at another moment."""
    one, other = await opened(log, 0), replica(log)
    await other.state(A)
    first = await one.execute(Label(account_id="a", text="x"), by(id="l"))

    again = await other.execute(Label(account_id="a", text="x"), by(id="l", after=1))

    assert (again.sequence, again.repeated) == (first.sequence, True)
    await other.execute(Label(account_id="a", text="y"), by())
    assert [c.at for c in await log.read(A)][-1] == NOW


# Stale caches and races


async def test_a_decision_on_an_old_state_is_taken_again(log: TrickyLog) -> None:
    one = await opened(log, 10)
    await replica(log).execute(Withdraw(account_id="a", amount=10), by())

    assert await refusal(one, Withdraw(account_id="a", amount=5)) == "too-little"
    await one.execute(Deposit(account_id="a", amount=1), by())
    assert await balance(log) == 1


async def test_a_refusal_on_an_old_state_is_decided_anew(log: TrickyLog) -> None:
    one = await opened(log, 0)
    await replica(log).execute(Deposit(account_id="a", amount=5), by())

    await one.execute(Withdraw(account_id="a", amount=5), by())

    assert await balance(log) == 0


async def test_silence_on_an_old_state_is_decided_anew(log: TrickyLog) -> None:
    one = await opened(log, 0)
    await one.execute(Label(account_id="a", text="x"), by())
    await replica(log).execute(Label(account_id="a", text="y"), by())

    await one.execute(Label(account_id="a", text="x"), by())

    assert [event.text for c in await log.read(A) for event in c.events if isinstance(event, Labelled)] == [
        "x",
        "y",
        "x",
    ]


class LaggingLog(TrickyLog):
    """A replica of the log that is asked for commits and has not got the newest yet."""

    def __init__(self) -> None:
        super().__init__()
        self.behind = 0

    async def read(self, key: Key, after: int = 0) -> list[Commit]:
        commits = await super().read(key, after)
        self.behind -= 1
        return commits[:-1] if self.behind >= 0 else commits


async def test_a_refusal_read_from_a_lagging_server_is_decided_anew() -> None:
    log = LaggingLog()
    await opened(log, 5)
    log.behind = 2

    await replica(log).execute(Withdraw(account_id="a", amount=5), by())

    assert await balance(log) == 0


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**32), amounts=st.lists(st.integers(1, 3), min_size=200, max_size=200))
async def test_of_commands_that_race_on_two_replicas_none_is_lost(seed: int, amounts: list[int]) -> None:
    log = TrickyLog()
    log.yields, log.most_yields = random.Random(seed), 3
    replicas = await opened(log, 100), replica(log)

    async def tell(n: int, amount: int) -> int:
        kind = Deposit if amount < 3 else Withdraw
        refused = await refusal_of(replicas[n % 2], kind(account_id="a", amount=amount), by(f"actor {n}"))
        assert refused in ("", "busy", "too-little")
        return 0 if refused else amount if kind is Deposit else -amount

    moved = await asyncio.gather(*(tell(n, amount) for n, amount in enumerate(amounts)))

    commits = await log.read(A)
    assert await balance(log) == 100 + sum(moved)
    assert [c.first for c in commits] == list(range(1, len(commits) + 1))
    assert sum(1 for amount in moved if amount) == len(commits) - 2
    running = list(itertools.accumulate(e.amount for c in commits for e in c.events if isinstance(e, Moved)))
    assert min(running) >= 0


# Waiting


async def test_who_comes_when_256_wait_is_told_busy(log: TrickyLog) -> None:
    aggregates = await opened(log, 0, 0)
    log.open.clear()
    waiting = [
        asyncio.create_task(aggregates.execute(Deposit(account_id="a", amount=1), by(f"actor {n}")))
        for n in range(QUEUE)
    ]
    await eventually(lambda: _waits_for(aggregates, A) == QUEUE)

    assert await refusal(aggregates, Deposit(account_id="a", amount=1)) == "busy"
    other = asyncio.create_task(aggregates.execute(Deposit(account_id="b", amount=1), by()))
    log.open.set()

    await asyncio.gather(*waiting, other)
    assert await balance(log) == QUEUE
    assert await balance(log, B) == 1
    assert _waits_for(aggregates, A) == 0


def _waits_for(aggregates: Aggregates, key: Key) -> int:
    return aggregates._lanes.waiting(key)


class SlowKeys(MemoryKeys):
    """Makes a key only when it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.let = asyncio.Event()
        self.adding = 0

    async def add(self, wrapped: Mapping[str, bytes]) -> Mapping[str, bytes]:
        self.adding += len(wrapped)
        await self.let.wait()
        return await super().add(wrapped)


async def test_nobody_waits_for_the_key_of_a_newcomer(log: TrickyLog) -> None:
    await opened(log, 0)
    keys = SlowKeys()
    aggregates = Aggregates(log, DECIDERS, Vault(keys, bytes(32)))
    newcomers = [asyncio.create_task(aggregates.execute(Open(account_id="b"), by(f"actor {n}"))) for n in range(3)]
    await eventually(lambda: keys.adding == 3)

    await aggregates.execute(Deposit(account_id="a", amount=1), by())
    assert _waits_for(aggregates, B) == 0
    keys.let.set()

    done = await asyncio.gather(*newcomers, return_exceptions=True)
    assert sum(isinstance(each, Done) for each in done) == 1


async def test_whose_sender_has_gone_while_it_waited_takes_no_effect(log: TrickyLog) -> None:
    aggregates = await opened(log, 0)
    log.open.clear()
    first = asyncio.create_task(aggregates.execute(Deposit(account_id="a", amount=1), by()))
    deadline = time.monotonic() + 0.02
    second = asyncio.create_task(aggregates.execute(Deposit(account_id="a", amount=10), by(), deadline))
    await eventually(lambda: time.monotonic() > deadline)

    log.open.set()

    await first
    with pytest.raises(Rejected, match="deadline-exceeded"):
        await second
    assert await balance(log) == 1


async def test_who_is_cancelled_leaves_the_queue_and_the_cache_in_order(log: TrickyLog) -> None:
    aggregates = await opened(log, 0)
    log.open.clear()
    tasks = [asyncio.create_task(aggregates.execute(Deposit(account_id="a", amount=1), by())) for _ in range(3)]
    await eventually(lambda: _waits_for(aggregates, A) == 3)

    for task in tasks[:2]:
        task.cancel()
    await asyncio.wait(tasks[:2])
    log.open.set()

    await tasks[2]
    await aggregates.execute(Deposit(account_id="a", amount=1), by())
    assert await balance(log) == 2
    assert (await aggregates.state(A)).balance == 2


# Together


async def queued(
    log: TrickyLog, aggregates: Aggregates, *commands: tuple[Command, Context]
) -> list[asyncio.Task[Done]]:
    """The first one on its way to the log, which takes nothing; the others behind it in this order."""
    log.open.clear()
    tasks = [asyncio.create_task(aggregates.execute(command, context)) for command, context in commands]
    await eventually(lambda: _waits_for(aggregates, A) == len(commands))
    return tasks


def deposits(count: int, **more: Any) -> list[tuple[Command, Context]]:
    return [(Deposit(account_id="a", amount=1), by(f"actor {n}", **more)) for n in range(count)]


async def test_those_who_wait_are_carried_out_together_each_with_a_commit_of_its_own(log: TrickyLog) -> None:
    aggregates, commands = await opened(log, 0), deposits(8)
    tasks = await queued(log, aggregates, *commands)
    log.open.set()
    done = await asyncio.gather(*tasks)

    commits = (await log.read(A))[1:]
    assert log.rows == [7]
    assert [commit.sequence for commit in commits] == [each.sequence for each in done]
    assert [(c.actor, c.command_id) for c in commits] == [(by.actor, by.command_id) for _, by in commands]
    assert [c.first for c in commits] == list(range(2, 10))
    assert all(each.committed for each in done)
    assert (await aggregates.state(A)).balance == (await replica(log).state(A)).balance == 8


async def test_a_few_go_one_by_one(log: TrickyLog) -> None:
    aggregates = await opened(log, 0)
    tasks = await queued(log, aggregates, *deposits(WORTH_IT + 1))
    log.open.set()
    await asyncio.gather(*tasks)

    assert log.rows == []
    assert await balance(log) == WORTH_IT + 1


async def test_who_adds_nothing_is_decided_alone_between_two_rows(log: TrickyLog) -> None:
    aggregates = await opened(log, 0)
    refused = (Withdraw(account_id="a", amount=100), by())
    tasks = await queued(log, aggregates, *deposits(6), refused, *deposits(6))
    log.open.set()
    found = await asyncio.gather(*tasks, return_exceptions=True)

    assert [type(each) for each in found] == [Done] * 6 + [Rejected] + [Done] * 6
    assert log.rows == [5, 6]


@pytest.mark.parametrize("stored", [True, False])
async def test_a_row_of_which_nobody_knows_whether_it_is_stored_takes_effect_once(log: TrickyLog, stored: bool) -> None:
    aggregates, commands = await opened(log, 0), deposits(8)
    tasks = await queued(log, aggregates, *commands)
    log.rows_open.clear()
    log.open.set()
    await eventually(lambda: log.rows == [7])
    log.unclear = [stored]
    log.rows_open.set()
    found = await asyncio.gather(*tasks, return_exceptions=True)
    again = [await aggregates.execute(command, context) for command, context in commands]

    assert [type(each) for each in found].count(TimedOut) == 1
    assert [commit.sequence for commit in (await log.read(A))[1:]] == sorted(each.sequence for each in again)
    assert await balance(log) == 8


async def test_a_row_that_loses_a_race_is_decided_anew(log: TrickyLog) -> None:
    one, other = await opened(log, 3), replica(log)
    await other.state(A)
    withdrawals = [(Withdraw(account_id="a", amount=1), by(f"actor {n}")) for n in range(6)]
    log.open.clear()
    first = asyncio.create_task(other.execute(Withdraw(account_id="a", amount=3), by()))
    tasks = await queued(log, one, *withdrawals)
    log.open.set()
    await first
    refused = await asyncio.gather(*tasks, return_exceptions=True)

    assert [getattr(each, "code", "") for each in refused] == ["too-little"] * 6
    assert await balance(log) == 0


async def test_who_is_cancelled_on_the_way_to_the_log_takes_nobody_along(log: TrickyLog) -> None:
    aggregates = await opened(log, 0)
    tasks = await queued(log, aggregates, *deposits(8))
    log.rows_open.clear()
    log.open.set()
    await eventually(lambda: log.rows == [7])
    tasks[1].cancel()
    await asyncio.wait(tasks[1:2])
    log.rows_open.set()

    assert all(isinstance(done, Done) for done in await asyncio.gather(*tasks[2:]))
    assert await balance(log) == 7


async def test_a_row_passes_over_nobody_who_came_earlier(log: TrickyLog) -> None:
    aggregates = await opened(log, 0, 0)
    tasks = await queued(log, aggregates, *deposits(4))
    transfer = asyncio.create_task(aggregates.execute(Transfer(source="a", target="b", amount=5), by()))
    await eventually(lambda: _waits_for(aggregates, A) == 5)
    tasks += [asyncio.create_task(aggregates.execute(*command)) for command in deposits(6)]
    await eventually(lambda: _waits_for(aggregates, A) == 11)
    log.open.set()

    with pytest.raises(Rejected, match="too-little"):
        await transfer
    await asyncio.gather(*tasks)


@pytest.mark.parametrize("ended", ["unclear", "cancelled"])
async def test_who_was_on_the_way_is_never_told_that_nothing_was_done(log: TrickyLog, ended: str) -> None:
    """What was sent may get there yet, in front of all others; alone, the second one would have been refused."""
    aggregates = await opened(log, 0)
    paid, spent = (Deposit(account_id="a", amount=3), by("ana")), (Withdraw(account_id="a", amount=3), by("ben"))
    tasks = await queued(log, aggregates, *deposits(1), paid, spent, *deposits(2))
    log.rows_open.clear()
    log.open.set()
    await eventually(lambda: log.rows == [4])
    if ended == "unclear":
        log.unclear = [False]
    else:
        tasks[1].cancel()
    log.rows_open.set()
    _, first, second, *_ = await asyncio.gather(*map(_outcome, tasks), return_exceptions=True)

    assert first == "timeout" if ended == "unclear" else isinstance(first, asyncio.CancelledError)
    assert second == "timeout"


async def test_who_finds_that_the_row_was_stored_has_added_facts(log: TrickyLog) -> None:
    """Or what it did would not be counted."""
    aggregates = await opened(log, 0)
    tasks = await queued(log, aggregates, *deposits(8))
    log.rows_open.clear()
    log.open.set()
    await eventually(lambda: log.rows == [7])
    log.unclear = [True]
    log.rows_open.set()
    _, _, *others = await asyncio.gather(*map(_outcome, tasks))

    assert all(isinstance(done, Done) and done.committed for done in others)
    assert await balance(log) == 8


ORDERS = st.one_of(
    st.builds(Deposit, account_id=st.just("a"), amount=st.integers(1, 3)),
    st.builds(Withdraw, account_id=st.just("a"), amount=st.integers(1, 3)),
    st.builds(Label, account_id=st.just("a"), text=st.sampled_from("xy")),
)


@settings(max_examples=100, deadline=None)
@given(plan=st.lists(st.tuples(ORDERS, st.integers(0, 3), st.integers(0, 30)), max_size=30))
async def test_together_they_come_to_the_same_as_one_by_one(plan: list[tuple[AccountCommand, int, int]]) -> None:
    """In the order in which they came: the same answers, commits and state, also if some of them came twice."""
    commands = [(command, by(f"actor {actor}", f"id {id}")) for command, actor, id in plan]

    async def told(together: bool) -> tuple[list[object], list[Any], object]:
        log = TrickyLog()
        aggregates = await opened(log, 5)
        if together:
            found = await _all_at_once(log, aggregates, commands)
        else:
            found = [await _outcome(aggregates.execute(*command)) for command in commands]
        commits = [(c.first, c.last, c.actor, c.command_id, c.at, c.events) for c in await log.read(A)]
        state = await aggregates.state(A)
        assert state == await replica(log).state(A)
        return found, commits[2:], state

    assert await told(True) == await told(False)


async def _all_at_once(
    log: TrickyLog, aggregates: Aggregates, commands: Sequence[tuple[Command, Context]]
) -> list[object]:
    tasks = await queued(log, aggregates, *commands)
    log.open.set()
    return await asyncio.gather(*map(_outcome, tasks))


async def _outcome(executing: Awaitable[Done]) -> object:
    try:
        return await executing
    except Rejected as refused:
        return refused.code


# Rules over several aggregates


async def test_a_pact_commits_both_or_none(log: TrickyLog) -> None:
    aggregates = await opened(log, 10, 0)

    await aggregates.execute(Transfer(source="a", target="b", amount=4), by())
    assert await refusal(aggregates, Transfer(source="a", target="b", amount=7)) == "too-little"
    assert await refusal(aggregates, Transfer(source="a", target="nobody", amount=1)) == "no-such-account"

    assert (await balance(log), await balance(log, B)) == (6, 4)


async def test_the_same_pact_again_gets_the_same_answer(log: TrickyLog) -> None:
    aggregates, context = await opened(log, 10, 0), by()
    first = await aggregates.execute(Transfer(source="a", target="b", amount=4), context)
    for one in (aggregates, replica(log)):
        assert (await one.execute(Transfer(source="a", target="b", amount=4), context)).sequence == first.sequence
    assert (await balance(log), await balance(log, B)) == (6, 4)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**32))
async def test_two_decisions_that_each_read_what_the_other_writes_are_serialized(seed: int) -> None:
    """Together the accounts hold 10. Each draw of 8 is fine by itself; both would be a debt."""
    log = TrickyLog()
    log.yields, log.most_yields = random.Random(seed), 3
    one, other = await opened(log, 5, 5), replica(log)
    await other.state(A)
    await other.state(B)

    draws = (
        one.execute(Draw(account_id="a", other="b", amount=8), by("ana")),
        other.execute(Draw(account_id="b", other="a", amount=8), by("bob")),
    )
    results = await asyncio.gather(*draws, return_exceptions=True)

    assert sorted(type(result).__name__ for result in results) == ["Done", "Rejected"]
    assert await balance(log, A) + await balance(log, B) == 2


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**32))
async def test_pacts_in_opposite_order_do_not_wait_for_each_other(seed: int) -> None:
    log = TrickyLog()
    log.yields, log.most_yields = random.Random(seed), 3
    replicas = await opened(log, 50, 50), replica(log)

    async def move(n: int) -> None:
        source, target = ("a", "b") if n % 2 else ("b", "a")
        command = Transfer(source=source, target=target, amount=1)
        assert await refusal_of(replicas[n // 2 % 2], command, by(f"actor {n}")) in ("", "busy")

    async with asyncio.timeout(10):
        await asyncio.gather(*(move(n) for n in range(40)))
    assert await balance(log, A) + await balance(log, B) == 100


async def test_a_pact_works_with_less_cache_than_it_has_aggregates(log: TrickyLog) -> None:
    aggregates = await opened(log, 10, 0, aggregates=replica(log, cached=1))
    await aggregates.execute(Transfer(source="a", target="b", amount=4), by())
    assert await refusal(aggregates, Transfer(source="a", target="b", amount=7)) == "too-little"
    await aggregates.execute(Transfer(source="b", target="a", amount=4), by())
    assert (await balance(log), await balance(log, B)) == (10, 0)


# Snapshots


def rounded(state: Account, event: AccountEvent) -> Account:
    """A rule that folds movements otherwise than the ledger's."""
    return structs.replace(state, owner="ana", balance=state.balance + (100 if isinstance(event, Moved) else 0))


@pytest.fixture
async def snapshots(log: TrickyLog) -> MemorySnapshots:
    """After so many commits that there is one, and one commit more."""
    kept = MemorySnapshots()
    aggregates = await opened(log, 0, aggregates=replica(log, snapshots=kept))
    for _ in range(SNAPSHOT_EVERY):
        await aggregates.execute(Deposit(account_id="a", amount=1), by("ana"))
    await eventually(lambda: A in kept.kept)
    return kept


async def test_a_long_aggregate_is_loaded_from_its_snapshot(log: TrickyLog, snapshots: MemorySnapshots) -> None:
    log.read_after.clear()
    last = (await log.read(A))[-1]

    loaded = replica(log, snapshots=snapshots)
    repeated = await loaded.execute(Deposit(account_id="a", amount=1), by(id=last.command_id))

    assert log.read_after[-1] == SNAPSHOT_EVERY
    assert repeated.sequence == last.sequence
    assert (await loaded.state(A)).balance == SNAPSHOT_EVERY


async def test_a_snapshot_by_other_rules_is_ignored(log: TrickyLog, snapshots: MemorySnapshots) -> None:
    other = {**DECIDERS, "account": Decider(Account(), decide, rounded)}
    loaded = Aggregates(log, other, Vault(MemoryKeys(), bytes(32)), snapshots=snapshots)
    assert (await loaded.state(A)).balance == SNAPSHOT_EVERY * 100


async def test_a_snapshot_of_another_log_is_ignored(snapshots: MemorySnapshots) -> None:
    restored = MemoryLog(Codec(CONTRACTS.EVENTS), epoch="later")
    assert (await replica(restored, snapshots=snapshots).state(A)).balance == 0


@pytest.mark.parametrize("damaged", [b"", b"\n", b"nonsense", b"{}", b"[1,2"])
async def test_a_damaged_snapshot_is_ignored(log: TrickyLog, snapshots: MemorySnapshots, damaged: bytes) -> None:
    schema, _, _ = snapshots.kept[A].partition(b"\n")
    snapshots.kept[A] = schema + b"\n" + damaged
    assert (await replica(log, snapshots=snapshots).state(A)).balance == SNAPSHOT_EVERY


# What must not pass in silence


async def test_a_lost_commit_is_loud_for_who_loads(log: TrickyLog) -> None:
    await opened(log, 5)
    log.lose(1)
    with pytest.raises(Hole):
        await replica(log).execute(Deposit(account_id="a", amount=1), by())


@pytest.mark.parametrize("command", [Deposit(account_id="a", amount=1), Withdraw(account_id="a", amount=6)])
async def test_a_lost_commit_is_loud_for_who_knew_it(log: TrickyLog, command: Command) -> None:
    aggregates = await opened(log, 5)
    log.lose(await log.newest(A))
    with pytest.raises(Hole):
        await aggregates.execute(command, by())


async def test_time_never_runs_backwards(log: TrickyLog) -> None:
    aggregates = await opened(log, 0)
    await aggregates.execute(Deposit(account_id="a", amount=1), by(after=10))

    for one in (aggregates, replica(log)):
        await one.execute(Deposit(account_id="a", amount=1), by(after=5))

    moments = [
        (commit.at, event.at) for commit in await log.read(A) for event in commit.events if isinstance(event, Moved)
    ]
    assert moments == [(NOW + timedelta(seconds=10),) * 2] * 3


@pytest.mark.parametrize("stored", [True, False])
async def test_an_unclear_command_can_be_sent_again_and_takes_effect_once(log: TrickyLog, stored: bool) -> None:
    aggregates, context = await opened(log, 0), by()
    log.unclear = [stored]
    assert await refusal(aggregates, Deposit(account_id="a", amount=1), context) == "timeout"

    done = await aggregates.execute(Deposit(account_id="a", amount=1), context)

    assert done.repeated == stored
    assert await balance(log) == 1
    assert (await aggregates.state(A)).balance == 1


# Heartbeats


class Seen(Event, frozen=True, tag="test.seen"):
    telemetry: ClassVar[bool] = True
    where: str

    def slot(self) -> str:
        return self.where


class See(Deposit, frozen=True):
    function: ClassVar[str] = "test.see"


def see(command: See, state: Account, context: Context) -> list[Any]:
    seen: list[Any] = [Seen(where="here"), Seen(where="there")]
    return seen + ([Moved(amount=command.amount, at=context.now)] if command.amount > 1 else [])


async def test_heartbeats_go_beside_the_log(log: TrickyLog) -> None:
    kept = MemoryTelemetry()
    decider = replace(DECIDERS["account"], decide=see)
    aggregates = Aggregates(log, {"account": decider}, Vault(MemoryKeys(), bytes(32)), heartbeats=kept)

    quiet = await aggregates.execute(See(account_id="a", amount=1), by())
    assert (quiet.sequence, quiet.telemetry) == (0, 2)
    assert await log.read(A) == []
    assert set(kept.values) == {(A, "here"), (A, "there")}

    loud = await aggregates.execute(See(account_id="a", amount=2), by())
    assert (loud.sequence, loud.telemetry) == (1, 2)
    assert await balance(log) == 2


# Everything at once, against a model


class Ledger(RuleBasedStateMachine):
    """Two replicas with small caches over one log; each command goes to either, some twice, some with a lost answer."""

    @initialize()
    def start(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.log = TrickyLog()
        snapshots = MemorySnapshots()
        self.replicas = [replica(self.log, cached=2, snapshots=snapshots) for _ in range(2)]
        self.balances: dict[str, int] = {}
        self.labels: dict[str, str] = {}
        self.commits = 0
        self.last: tuple[Command, Context, int] | None = None

    def teardown(self) -> None:
        if hasattr(self, "loop"):
            self.loop.close()

    def tell(self, which: int, command: Command, context: Context) -> Done | str:
        try:
            return self.loop.run_until_complete(self.replicas[which].execute(command, context))
        except Rejected as refused:
            return refused.code

    def expect(self, which: int, command: Command, events: int, code: str = "") -> None:
        """*events* commits come of the command, or the refusal *code*."""
        context = by()
        outcome = self.tell(which, command, context)
        if code:
            assert outcome == code
        else:
            assert isinstance(outcome, Done)
            self.commits += events
            if events:
                self.last = command, context, outcome.sequence

    ids = st.sampled_from("abc")
    which = st.integers(0, 1)

    @rule(which=which, id=ids)
    def open(self, which: int, id: str) -> None:
        self.expect(which, Open(account_id=id), int(id not in self.balances))
        self.balances.setdefault(id, 0)

    @rule(which=which, id=ids, amount=st.integers(1, 9))
    def deposit(self, which: int, id: str, amount: int) -> None:
        known = id in self.balances
        self.expect(which, Deposit(account_id=id, amount=amount), 1, "" if known else "no-such-account")
        if known:
            self.balances[id] += amount

    @rule(which=which, id=ids, amount=st.integers(1, 9))
    def withdraw(self, which: int, id: str, amount: int) -> None:
        code = "no-such-account" if id not in self.balances else "too-little" if amount > self.balances[id] else ""
        self.expect(which, Withdraw(account_id=id, amount=amount), 1, code)
        if not code:
            self.balances[id] -= amount

    @rule(which=which, id=ids, text=st.sampled_from("xy"))
    def label(self, which: int, id: str, text: str) -> None:
        known = id in self.balances
        changes = int(self.labels.get(id) != text)
        self.expect(which, Label(account_id=id, text=text), changes, "" if known else "no-such-account")
        if known:
            self.labels[id] = text

    @rule(which=which, pair=st.permutations("abc"), amount=st.integers(1, 9))
    def transfer(self, which: int, pair: list[str], amount: int) -> None:
        source, target, _ = pair
        known = {source, target} <= self.balances.keys()
        code = "no-such-account" if not known else "too-little" if amount > self.balances[source] else ""
        self.expect(which, Transfer(source=source, target=target, amount=amount), 2, code)
        if not code:
            self.balances[source] -= amount
            self.balances[target] += amount

    @rule(which=which, stored=st.booleans(), id=ids)
    def lose_the_answer(self, which: int, stored: bool, id: str) -> None:
        if id not in self.balances:
            return
        self.log.unclear = [stored]
        command, context = Deposit(account_id=id, amount=1), by()
        assert self.tell(which, command, context) == "timeout"
        assert isinstance(self.tell(1 - which, command, context), Done)
        self.commits += 1
        self.balances[id] += 1

    @rule(which=which)
    def repeat(self, which: int) -> None:
        if self.last is None:
            return
        command, context, sequence = self.last
        outcome = self.tell(which, command, context)
        assert isinstance(outcome, Done)
        assert outcome.sequence == sequence

    @invariant()
    def the_log_is_what_was_done(self) -> None:
        if not hasattr(self, "log"):
            return
        commits = self.loop.run_until_complete(self.log.all())
        assert len(commits) == self.commits
        for id, expected in self.balances.items():
            assert self.loop.run_until_complete(balance(self.log, account(id))) == expected


TestLedger = Ledger.TestCase
TestLedger.settings = settings(max_examples=15, stateful_step_count=20, deadline=None)
