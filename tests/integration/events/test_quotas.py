"""Whatever replica carries a command out, it is counted once, against the right one, and only if it counts."""

import asyncio
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, ClassVar

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import structs
from prometheus_client import REGISTRY
from tests.ledger import (
    CONTRACTS,
    DECIDERS,
    NAME,
    SERVICE,
    Account,
    AccountCommand,
    AccountEvent,
    Balance,
    Client,
    Deposit,
    Label,
    Open,
    Withdraw,
    context,
    decide,
    evolve,
    position,
    serving,
    value,
)
from tests.wait import eventually

from events import quotas, schema
from events.bus import Bus, TimedOut
from events.decider import Decider
from events.definition import Service
from events.lanes import Done
from events.messages import Answer, Command, Context, Rejected
from events.quotas import Charge, Charging, Quota, Quotas, quotas_of
from ops.embedded import Embedded

NOW = datetime(2026, 1, 2, 20, 15, tzinfo=UTC)
DEEDS = Quota("deeds", 3, 3600)
TRIES = Quota("tries", 3, 600, counts=("too-little",), slug="locked", strict=True)
TRIES_OF_ONE = Quota("tries-of-one", 2, 600, counts=("too-little",), slug="locked", strict=True)


def charges(command: Command, asking: Context) -> list[Charge]:
    """Deposits are counted by person; withdrawals of too much by account and by person."""
    match command:
        case Deposit():
            return [Charge(DEEDS, asking.actor)]
        case Withdraw(account_id=id):
            other = Withdraw(account_id=id, amount=1)
            return [Charge(TRIES, id, other, "too-little"), Charge(TRIES_OF_ONE, asking.actor, other, "too-little")]
        case _:
            return []


COUNTED = replace(SERVICE, charges=charges)


def only(quota: Quota) -> Charging:
    """Everything is counted by person."""
    return lambda command, asking: [Charge(quota, asking.actor)]


@pytest.fixture
def id() -> str:
    return secrets.token_hex(6)


@pytest.fixture
def ana() -> str:
    """Somebody who has done nothing yet."""
    return f"ana-{secrets.token_hex(4)}"


@asynccontextmanager
async def replicas(servers: Embedded, count: int, service: Service = COUNTED) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        for _ in range(count):
            await stack.enter_async_context(serving(servers, service=service))
        yield


def code(answer: Answer) -> str:
    """The slug, or nothing if it was carried out."""
    return answer.error.code if answer.error else ""


def wait_of(answer: Answer) -> float:
    assert answer.error is not None
    seconds: float = answer.error.details["retry_after"]
    return seconds


async def kept(servers: Embedded, quota: Quota, subject: str) -> int:
    """How many charges have not worn off, to the nearest one."""
    db = await asyncpg.connect(servers.database_url(NAME), server_settings={"role": f"{NAME}_writer"})
    left = await db.fetchval(
        f"select full_at - now() from {NAME}.quota where name = $1 and subject = $2", quota.name, subject
    )
    await db.close()
    return round((left or timedelta()) / quota.step)


# Deeds


async def test_so_many_at_once_and_the_next_one_is_told_when(
    house: Embedded, client: Client, id: str, ana: str
) -> None:
    async with replicas(house, 1):
        await client.call(Open(account_id=id))
        for _ in range(DEEDS.limit):
            assert code(await client.call(Deposit(account_id=id, amount=1), context(ana))) == ""

        refused = await client.call(Deposit(account_id=id, amount=1), context(ana))
        assert code(refused) == "rate-limited"
        assert 0 < wait_of(refused) <= DEEDS.step.total_seconds()
        assert code(await client.call(Deposit(account_id=id, amount=1), context(f"not {ana}"))) == ""
        last = await client.call(Label(account_id=id, text="free"), context(ana))
        assert await client.balance(id, last.position) == DEEDS.limit + 1


async def test_after_the_wait_that_was_told_one_more_is_free(
    house: Embedded, client: Client, id: str, ana: str
) -> None:
    async with replicas(house, 1):
        await client.call(Open(account_id=id))
        asking = [context(ana) for _ in range(DEEDS.limit + 1)]
        answers = [await client.call(Deposit(account_id=id, amount=1), each) for each in asking]
        then = asking[-1].now + timedelta(seconds=wait_of(answers[-1]))

        assert code(await client.call(Deposit(account_id=id, amount=1), structs.replace(context(ana), now=then))) == ""
        again = await client.call(Deposit(account_id=id, amount=1), structs.replace(context(ana), now=then))
        assert code(again) == "rate-limited"


async def test_replicas_that_race_for_the_last_charge_get_one_between_them(
    house: Embedded, client: Client, id: str, ana: str
) -> None:
    async with replicas(house, 3):
        await client.call(Open(account_id=id))
        deposits = [client.call(Deposit(account_id=id, amount=1), context(ana)) for _ in range(30)]
        outcomes = Counter(code(answer) for answer in await asyncio.gather(*deposits))
        assert outcomes == {"": DEEDS.limit, "rate-limited": 30 - DEEDS.limit}
        last = await client.call(Label(account_id=id, text="done"))
        assert await client.balance(id, last.position) == DEEDS.limit


async def test_what_is_refused_or_changes_nothing_is_not_counted(
    house: Embedded, client: Client, id: str, ana: str
) -> None:
    async with replicas(house, 1, replace(SERVICE, charges=only(DEEDS))):
        assert code(await client.call(Deposit(account_id=id, amount=1), context(ana))) == "no-such-account"
        await client.call(Open(account_id=id), context(ana))
        for _ in range(5):
            assert code(await client.call(Open(account_id=id), context(ana))) == ""
            assert code(await client.call(Withdraw(account_id=id, amount=1), context(ana))) == "too-little"
        assert await kept(house, DEEDS, ana) == 1


async def test_what_goes_wrong_in_the_service_is_not_counted(
    house: Embedded, client: Client, id: str, ana: str
) -> None:
    def mistaken(command: AccountCommand, state: Account, asking: Context) -> list[AccountEvent]:
        if isinstance(command, Label):
            raise KeyError("nobody thought of that")
        return decide(command, state, asking)

    broken = replace(
        SERVICE, charges=only(DEEDS), deciders={**DECIDERS, "account": Decider(Account(), mistaken, evolve)}
    )
    async with replicas(house, 1, broken):
        await client.call(Open(account_id=id))
        assert code(await client.call(Label(account_id=id, text="x"), context(ana))) == "internal"
        assert await kept(house, DEEDS, ana) == 0


# The same command again


async def test_the_same_command_is_counted_once_however_often_it_is_sent(
    house: Embedded, client: Client, id: str, ana: str
) -> None:
    asking = [context(ana) for _ in range(DEEDS.limit)]
    async with replicas(house, 2):
        await client.call(Open(account_id=id))
        first = [await client.call(Deposit(account_id=id, amount=1), each) for each in asking]
        assert code(await client.call(Deposit(account_id=id, amount=1), context(ana))) == "rate-limited"
        for _ in range(3):
            again = [await client.call(Deposit(account_id=id, amount=1), each) for each in asking]
            assert [position(answer) for answer in again] == [position(answer) for answer in first]
    assert await kept(house, DEEDS, ana) == DEEDS.limit


async def test_the_same_command_at_two_replicas_at_once_is_counted_once(
    house: Embedded, client: Client, id: str, ana: str
) -> None:
    async with replicas(house, 3):
        await client.call(Open(account_id=id))
        for count in range(1, DEEDS.limit + 1):
            asking = context(ana)
            answers = [client.call(Deposit(account_id=id, amount=1), asking) for _ in range(12)]
            assert len({position(answer) for answer in await asyncio.gather(*answers)}) == 1
            assert await kept(house, DEEDS, ana) == count


async def test_one_key_for_many_things_is_counted_for_each_of_them(
    house: Embedded, client: Client, id: str, ana: str
) -> None:
    asking, ids = context(ana), [f"{id}-{n}" for n in range(DEEDS.limit + 1)]
    async with replicas(house, 1):
        for each in ids:
            await client.call(Open(account_id=each))
        codes = [code(await client.call(Deposit(account_id=each, amount=1), asking)) for each in ids]
    assert codes == [""] * DEEDS.limit + ["rate-limited"]


async def test_one_key_for_many_guesses_is_counted_for_each_of_them(
    house: Embedded, client: Client, id: str, ana: str
) -> None:
    asking = context(ana)
    async with replicas(house, 1):
        await client.call(Open(account_id=id))
        codes = [code(await client.call(Withdraw(account_id=id, amount=100 + n), asking)) for n in range(4)]
    assert codes == ["too-little", "too-little", "locked", "locked"]


async def test_a_command_whose_charge_has_worn_off_long_ago_is_not_counted_again(
    house: Embedded, client: Client, id: str, ana: str
) -> None:
    asking = context(ana)
    async with replicas(house, 1):
        await client.call(Open(account_id=id))
        first = await client.call(Deposit(account_id=id, amount=1), asking)
        later = structs.replace(asking, now=asking.now + timedelta(hours=5))
        assert position(await client.call(Deposit(account_id=id, amount=1), later)) == position(first)
        for _ in range(DEEDS.limit):
            more = structs.replace(context(ana), now=later.now)
            assert code(await client.call(Deposit(account_id=id, amount=1), more)) == ""


# Tries


async def test_only_what_fails_is_a_try_and_too_many_lock(house: Embedded, client: Client, id: str, ana: str) -> None:
    async with replicas(house, 1):
        await client.call(Open(account_id=id))
        await client.call(Deposit(account_id=id, amount=10))
        for _ in range(TRIES.limit + 1):
            assert code(await client.call(Withdraw(account_id=id, amount=2), context(ana))) == ""
        for _ in range(TRIES_OF_ONE.limit):
            assert code(await client.call(Withdraw(account_id=id, amount=1000), context(ana))) == "too-little"

        before = await client.call(Label(account_id=id, text="before"))
        assert await client.balance(id, before.position) == 2
        # Now just the one person is locked out, and gets what takes no try.
        assert code(await client.call(Withdraw(account_id=id, amount=2), context(ana))) == ""
        after = await client.call(Label(account_id=id, text="after"))
        assert await client.balance(id, after.position) == 1
        assert code(await client.call(Withdraw(account_id=id, amount=1), context(f"not {ana}"))) == ""
        locked = await client.call(Withdraw(account_id=id, amount=1000), context(ana))
        assert code(locked) == "locked"
        assert wait_of(locked) > 0
        # The account has been charged for what was tried, not for what was locked out.
        assert await kept(house, TRIES, id) == TRIES_OF_ONE.limit


async def test_one_limit_of_two_locks_everybody(house: Embedded, client: Client, id: str, ana: str) -> None:
    async with replicas(house, 2):
        await client.call(Open(account_id=id))
        wrong = [client.call(Withdraw(account_id=id, amount=1000), context(f"{ana}{n}")) for n in range(20)]
        outcomes = Counter(code(answer) for answer in await asyncio.gather(*wrong))
        assert outcomes == {"too-little": TRIES.limit, "locked": 20 - TRIES.limit}
        assert await kept(house, TRIES, id) == TRIES.limit


async def test_a_crowd_that_gets_it_right_locks_nobody_out(house: Embedded, client: Client, id: str, ana: str) -> None:
    async with replicas(house, 2):
        await client.call(Open(account_id=id))
        await client.call(Deposit(account_id=id, amount=100))
        right = [client.call(Withdraw(account_id=id, amount=1), context(ana)) for _ in range(100)]
        assert Counter(code(answer) for answer in await asyncio.gather(*right)) == {"": 100}
        assert await kept(house, TRIES, id) == 0


# Without the database


def unchecked(quota: Quota) -> float:
    return REGISTRY.get_sample_value("matinee_quota_unchecked_total", {"quota": quota.name}) or 0


async def test_a_limit_does_not_stop_a_service_whose_database_is_away_but_a_guard_does(
    own_servers: Embedded, id: str
) -> None:
    bus = await Bus.connect(own_servers.nats_url("gateway"), "gateway")
    client = Client(bus)
    async with replicas(own_servers, 1):
        await client.call(Open(account_id=id))
        await client.call(Deposit(account_id=id, amount=10))
        own_servers.postgres.kill()
        before = unchecked(DEEDS)

        for _ in range(DEEDS.limit + 1):
            assert code(await client.call(Deposit(account_id=id, amount=1))) == ""
        assert unchecked(DEEDS) == before + DEEDS.limit + 1
        assert code(await client.call(Label(account_id=id, text="free"))) == ""
        assert unchecked(DEEDS) == before + DEEDS.limit + 1
        # Whoever needs no try is not stopped.
        assert code(await client.call(Withdraw(account_id=id, amount=14))) == ""
        for _ in range(12):
            assert code(await client.call(Withdraw(account_id=id, amount=1))) == ""
        assert code(await client.call(Withdraw(account_id=id, amount=1000))) == ""
        assert code(await client.call(Withdraw(account_id=id, amount=1000))) == "unavailable"

        own_servers.postgres.restart()

        await eventually(lambda: _limited(client, id), within=20)
    await bus.close()


FAREWELL = b"SFATAL\x00C57P02\x00Mterminating connection because of crash of another server process\x00\x00"


async def test_a_connection_that_the_server_has_bidden_farewell_counts_as_away(house: Embedded, ana: str) -> None:
    """It comes before the connection is closed, and asyncpg takes no statement in between."""

    async def execute(command: Command) -> Done:
        return Done(1, committed=True)

    async with quotas_of(NAME, house.database_url(NAME), only(DEEDS)) as limiting:
        async with limiting._pool.acquire() as db:
            open_still: Any = db
            protocol = open_still._con._protocol
        before = unchecked(DEEDS)
        protocol.data_received(b"E" + (len(FAREWELL) + 4).to_bytes(4, "big") + FAREWELL)

        await limiting.carry_out(Deposit(account_id="a", amount=1), context(ana), execute)
    assert unchecked(DEEDS) == before + 1


async def _limited(client: Client, id: str) -> bool:
    return code(await client.call(Deposit(account_id=id, amount=1))) == "rate-limited"


async def test_a_database_that_does_not_answer_holds_nobody_up_for_long(
    house: Embedded, client: Client, id: str, ana: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quotas, "ANSWER_SECONDS", 0.05)
    db = await asyncpg.connect(house.database_url(NAME), server_settings={"role": f"{NAME}_owner"})
    async with replicas(house, 1):
        await client.call(Open(account_id=id))
        await client.call(Open(account_id=f"poor{id}"))
        before = unchecked(DEEDS)
        async with db.transaction():
            await db.execute(f"lock table {NAME}.quota in access exclusive mode")
            for _ in range(2 * quotas.CONNECTIONS):
                assert code(await client.call(Deposit(account_id=id, amount=1), context(ana))) == ""
            withdrawn = await client.call(Withdraw(account_id=f"poor{id}", amount=1), context(ana))
            assert code(withdrawn) == "unavailable"
        assert unchecked(DEEDS) == before + 2 * quotas.CONNECTIONS
        monkeypatch.undo()
        assert code(await client.call(Deposit(account_id=id, amount=1), context(ana))) == ""
    await db.close()


# The keeper alone


@pytest.fixture(scope="module")
def prepared(house: Embedded) -> Embedded:
    async def prepare() -> None:
        owner = await asyncpg.connect(house.database_url(NAME), server_settings={"role": f"{NAME}_owner"})
        async with owner.transaction():
            await schema.prepare(owner, NAME)
        await owner.close()

    asyncio.run(prepare())
    return house


async def done(command: Command) -> Done:
    return Done(1, committed=True)


async def nothing(command: Command) -> Done:
    return Done(1)


async def refused_of(keeper: Quotas, asking: Context, execute: Callable[[Command], Awaitable[Done]] = done) -> Rejected:
    with pytest.raises(Rejected) as refused:
        await keeper.carry_out(Label(account_id="a", text="x"), asking, execute)
    return refused.value


async def test_after_a_timeout_the_charge_stays_and_covers_the_next_attempt(prepared: Embedded, ana: str) -> None:
    async def unclear(command: Command) -> Done:
        raise TimedOut(aggregate="a")

    dsn, asking = prepared.database_url(NAME), context(ana)
    async with quotas_of(NAME, dsn, only(Quota("one", 1, 600))) as keeper:
        assert (await refused_of(keeper, asking, unclear)).code == "timeout"
        assert (await refused_of(keeper, context(ana))).code == "rate-limited"
        for _ in range(3):
            await keeper.carry_out(Label(account_id="a", text="x"), asking, done)
        assert (await refused_of(keeper, context(ana))).code == "rate-limited"


async def test_what_is_given_back_after_it_has_worn_off_takes_nothing_from_others(prepared: Embedded, ana: str) -> None:
    """A decision that took longer than its charge lasted; another command came after that."""
    quota, began = Quota("slow", 1, 60), context(ana)
    asked = structs.replace(context(ana), now=began.now + timedelta(seconds=61))

    async def slow(command: Command) -> Done:
        await keeper.carry_out(command, asked, done)
        return Done(1)

    async with quotas_of(NAME, prepared.database_url(NAME), only(quota)) as keeper:
        await keeper.carry_out(Label(account_id="a", text="x"), began, slow)
        assert (await refused_of(keeper, structs.replace(context(ana), now=asked.now))).code == "rate-limited"


async def test_of_two_attempts_at_once_the_one_that_comes_second_takes_nothing_back(
    prepared: Embedded, ana: str
) -> None:
    """The first to charge may be the last to reach the log, where it finds that its twin has been there."""
    asking = context(ana)

    async def outrun(command: Command) -> Done:
        await keeper.carry_out(command, asking, done)
        return Done(1, repeated=True)

    async with quotas_of(NAME, prepared.database_url(NAME), only(Quota("twins", 1, 600))) as keeper:
        await keeper.carry_out(Label(account_id="a", text="x"), asking, outrun)
        assert (await refused_of(keeper, context(ana))).code == "rate-limited"


async def test_what_two_attempts_at_once_do_not_need_is_given_back_once(prepared: Embedded, ana: str) -> None:
    first, asking, last = (context(ana) for _ in range(3))

    async def twice(command: Command) -> Done:
        await keeper.carry_out(command, asking, nothing)
        return Done(1)

    async with quotas_of(NAME, prepared.database_url(NAME), only(Quota("two", 2, 600))) as keeper:
        await keeper.carry_out(Label(account_id="a", text="x"), first, done)
        await keeper.carry_out(Label(account_id="a", text="x"), asking, twice)
        await keeper.carry_out(Label(account_id="a", text="x"), last, done)
        assert (await refused_of(keeper, context(ana))).code == "rate-limited"


async def test_as_many_at_once_as_may_pass_in_whichever_order_they_are_counted(prepared: Embedded, ana: str) -> None:
    """Each is told when it came, and they overtake one another on their way."""
    came = [structs.replace(context(ana), now=NOW + timedelta(milliseconds=n)) for n in (9, 3, 7, 1, 5)]
    async with quotas_of(NAME, prepared.database_url(NAME), only(Quota("at once", 5, 5))) as keeper:
        for each in came:
            await keeper.carry_out(Label(account_id="a", text="x"), each, done)
        assert (await refused_of(keeper, structs.replace(context(ana), now=NOW))).code == "rate-limited"


async def test_no_limit_is_no_charge(prepared: Embedded, ana: str) -> None:
    async with quotas_of(NAME, prepared.database_url(NAME), only(Quota("free", 0, 600))) as keeper:
        for _ in range(100):
            await keeper.carry_out(Label(account_id="a", text="x"), context(ana), done)
    db = await asyncpg.connect(prepared.database_url(NAME), server_settings={"role": f"{NAME}_writer"})
    assert await db.fetchval(f"select count(*) from {NAME}.quota where name = 'free'") == 0
    await db.close()


async def test_what_has_worn_off_is_forgotten_and_nothing_else(prepared: Embedded, ana: str) -> None:
    quota = Quota("gone", 1000, 3600)
    async with quotas_of(NAME, prepared.database_url(NAME), only(quota)) as keeper:
        old = datetime.now(UTC) - timedelta(hours=3)
        many = [structs.replace(context(f"{ana} {n}"), now=old) for n in range(quotas.FORGOTTEN_AT_ONCE + 5)]
        for some in range(0, len(many), 100):
            wish = Label(account_id="a", text="x")
            await asyncio.gather(*(keeper.carry_out(wish, each, done) for each in many[some : some + 100]))
        await keeper.carry_out(Label(account_id="a", text="x"), context(ana), done)
        await keeper.forget()
    db = await asyncpg.connect(prepared.database_url(NAME), server_settings={"role": f"{NAME}_writer"})
    rows = await db.fetch(f"select subject from {NAME}.quota where name = 'gone'")
    assert [row["subject"] for row in rows] == [ana]
    await db.close()


async def test_commands_that_are_charged_twice_over_never_wait_for_each_other_in_a_circle(
    prepared: Embedded, ana: str
) -> None:
    """Some name the rows in one order and some in the other, and half of it is given back."""
    left, right = Quota("left", 10_000, 604_800), Quota("right", 10_000, 604_800)

    def both(command: Command, asking: Context) -> list[Charge]:
        rows = [Charge(left, ana), Charge(right, ana)]
        return rows if asking.actor == "forth" else rows[::-1]

    dsn, wish = prepared.database_url(NAME), Label(account_id="a", text="x")
    async with quotas_of(NAME, dsn, both) as one, quotas_of(NAME, dsn, both) as two:
        await asyncio.gather(
            *(
                keeper.carry_out(wish, context(way), execute)
                for _ in range(100)
                for keeper in (one, two)
                for way in ("back", "forth")
                for execute in (done, nothing)
            )
        )
    assert (await kept(prepared, left, ana), await kept(prepared, right, ana)) == (400, 400)


GAPS = st.floats(0, 30).map(lambda seconds: timedelta(seconds=round(seconds, 3)))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(limit=st.integers(1, 5), seconds=st.sampled_from([1.0, 7.0, 60.0]), gaps=st.lists(GAPS, max_size=30))
def test_it_lets_through_what_a_leaking_bucket_would(
    prepared: Embedded, limit: int, seconds: float, gaps: list[timedelta]
) -> None:
    quota, who = Quota("model", limit, seconds), secrets.token_hex(8)

    async def compare() -> None:
        level, now = timedelta(), NOW
        async with quotas_of(NAME, prepared.database_url(NAME), only(quota)) as keeper:
            for gap in gaps:
                now += gap
                level = max(level - gap, timedelta())
                asking = structs.replace(context(who), now=now)
                if level + quota.step <= quota.span:
                    await keeper.carry_out(Label(account_id="a", text="x"), asking, done)
                    level += quota.step
                else:
                    wait = (await refused_of(keeper, asking)).details["retry_after"]
                    assert 0 <= wait - (level + quota.step - quota.span).total_seconds() < 0.0015

    asyncio.run(compare())


# What is secret about a command


class Peek(Open, frozen=True):
    """Answers with the secret."""

    function: ClassVar[str] = "account.peek"
    returns: ClassVar[Any] = str

    def result(self, context: Context) -> Any:
        return context.secret


def peeking(seen: list[Context]) -> Service:
    """The ledger, and a note of the context of each decision."""

    def watched(command: AccountCommand, state: Account, asking: Context) -> list[AccountEvent]:
        seen.append(asking)
        return decide(command, state, asking)

    contracts = SimpleNamespace(**(vars(CONTRACTS) | {"COMMANDS": (*CONTRACTS.COMMANDS, Peek)}))
    deciders = {**DECIDERS, "account": Decider(Account(), watched, evolve)}
    return replace(SERVICE, contracts=contracts, deciders=deciders)


async def test_a_command_has_a_secret_that_only_the_service_knows_and_every_replica_the_same(
    house: Embedded, client: Client, id: str
) -> None:
    seen: list[Context] = []
    asking = context()
    answers = []
    for _ in range(2):
        async with serving(house, service=peeking(seen)):
            for preset in ("", "0" * 64):
                told = structs.replace(asking, secret=preset, ambient={"lead": 9})
                answers.append(value(await client.call(Peek(account_id=id), told), str))
            other = value(await client.call(Peek(account_id=id), context()), str)
            assert other not in answers
    assert len(set(answers)) == 1
    assert len(bytes.fromhex(answers[0])) == 32
    assert seen[0].secret == answers[0]
    assert {str(each.ambient) for each in seen} == {"{}"}
    assert "0" * 64 not in {each.secret for each in seen}


async def test_a_question_is_told_no_secret(house: Embedded, client: Client, id: str) -> None:
    seen: list[Context] = []

    async def asked(db: Any, query: Any, asking: Context) -> str:
        seen.append(asking)
        return "nothing"

    curious = replace(SERVICE, queries=dict.fromkeys(SERVICE.queries, asked))
    async with serving(house, service=curious):
        await client.query(Balance(account_id=id), as_=context(secret="0" * 64, ambient={"lead": 9}))
    assert [(each.secret, each.ambient) for each in seen] == [("", {})]
