"""One replica projects at a time; when it goes, however it goes, another one takes over, and none writes after that."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime

import asyncpg
import pytest
from structlog.testing import capture_logs
from tests.ledger import NAME, SERVICE, Client, Deposit, Open, Opened, serving, settings
from tests.wait import eventually

from events import runner
from events.bus import Bus
from events.messages import Answer
from events.service import Replica, stores
from ops.embedded import Embedded


@pytest.fixture
async def db(house: Embedded) -> AsyncIterator["asyncpg.Connection"]:
    """The service's control tables."""
    db = await asyncpg.connect(house.database_url(NAME), server_settings={"role": f"{NAME}_writer"})
    yield db
    await db.close()


Leader = Callable[[], Awaitable[str]]


@pytest.fixture
def leader(db: "asyncpg.Connection") -> Leader:
    """Whoever holds the lease; nobody if it ran out."""

    async def find() -> str:
        held: str | None = await db.fetchval(f"select holder from {NAME}.lease where expires_at > now()")
        return held or ""

    return find


@asynccontextmanager
async def mortal(servers: Embedded, name: str) -> AsyncIterator[tuple[Replica, Callable[[], None]]]:
    """A replica, and how to kill its runner: it neither writes nor renews nor gives anything back from then on."""
    async with AsyncExitStack() as stack:
        running = await stack.enter_async_context(serving(servers, name))
        yield running, running.tasks[0].cancel  # type: ignore[misc]


def names() -> tuple[str, str]:
    return f"one-{secrets.token_hex(3)}", f"two-{secrets.token_hex(3)}"


async def shows(client: Client, answer: Answer, id: str, balance: int) -> None:
    """The read models get there."""
    await eventually(lambda: _shows(client, answer, id, balance), within=8)


async def _shows(client: Client, answer: Answer, id: str, balance: int) -> bool:
    return await client.balance(id, answer.position) == balance


async def test_of_two_replicas_one_leads_and_both_answer(house: Embedded, client: Client, leader: Leader) -> None:
    one, two = names()
    async with serving(house, one), serving(house, two):
        id = secrets.token_hex(6)
        await client.call(Open(account_id=id))
        for n in range(1, 21):
            await shows(client, await client.call(Deposit(account_id=id, amount=1)), id, n)
        assert await eventually(leader) in (one, two)
        first = await leader()
        await shows(client, await client.call(Deposit(account_id=id, amount=1)), id, 21)
        assert await leader() == first


async def test_a_leader_that_stops_hands_over_at_once(house: Embedded, client: Client, leader: Leader) -> None:
    one, two = names()
    async with AsyncExitStack() as first:
        await first.enter_async_context(serving(house, one))
        await eventually(lambda: _is(leader, one))
        async with serving(house, two):
            await first.aclose()
            assert await leader() != one
            await eventually(lambda: _is(leader, two), within=runner.LEASE_SECONDS - 1)
            id = secrets.token_hex(6)
            await shows(client, await client.call(Open(account_id=id)), id, 0)


async def test_a_leader_that_dies_is_replaced_within_four_seconds(
    house: Embedded, client: Client, leader: Leader
) -> None:
    one, two = names()
    async with mortal(house, one) as (_, kill):
        await eventually(lambda: _is(leader, one))
        async with serving(house, two):
            id = secrets.token_hex(6)
            kill()
            opened = await client.call(Open(account_id=id))
            await eventually(lambda: _is(leader, two), within=4)
            await shows(client, opened, id, 0)


async def test_a_replica_that_comes_back_under_its_name_leads_at_once(
    house: Embedded, client: Client, leader: Leader
) -> None:
    one, _ = names()
    async with mortal(house, one) as (_, kill):
        await eventually(lambda: _is(leader, one))
        kill()
        async with serving(house, one):
            id = secrets.token_hex(6)
            opened = await client.call(Open(account_id=id))
            await eventually(lambda: _shows(client, opened, id, 0), within=runner.LEASE_SECONDS - 1)


async def _is(leader: Leader, name: str) -> bool:
    return await leader() == name


async def test_a_leader_that_slept_through_its_lease_is_fenced(
    house: Embedded, client: Client, leader: Leader, db: "asyncpg.Connection"
) -> None:
    """As SIGSTOP does it: another one leads already when it wakes up, and goes on where it was."""
    one, two = names()
    id = secrets.token_hex(6)
    with capture_logs() as logs:
        async with serving(house, one), serving(house, two):
            await shows(client, await client.call(Open(account_id=id)), id, 0)
            first = await leader()
            other = two if first == one else one
            await db.execute(f"update {NAME}.lease set holder = $1, expires_at = now() + interval '3 s'", other)
            for n in range(1, 40):
                await shows(client, await client.call(Deposit(account_id=id, amount=1)), id, n)
            await eventually(lambda: [entry for entry in logs if entry["event"] == "projection starts over"])
            await shows(client, await client.call(Deposit(account_id=id, amount=1)), id, 40)
            assert await leader() == other


async def test_replicas_that_start_together_make_one_read_model(own_servers: Embedded) -> None:
    """They all find that none is there for their code, and a log to fill it from."""
    bus = await Bus.connect(own_servers.nats_url("gateway"), "gateway")
    client = Client(bus)
    async with serving(own_servers):
        opened = [await client.call(Open(account_id=f"account{n}")) for n in range(40)]
        await client.balance("account39", opened[-1].position)
    owner = await asyncpg.connect(own_servers.database_url(NAME), server_settings={"role": f"{NAME}_owner"})
    schema = await owner.fetchval(f"select schema from {NAME}.pointer")
    await owner.execute(f"drop schema {schema} cascade; delete from {NAME}.pointer")
    await owner.close()

    async with AsyncExitStack() as stack:
        running = await asyncio.gather(*(stack.enter_async_context(serving(own_servers)) for _ in range(3)))
        assert {one.models.schema for one in running} == {schema}
        assert await client.balance("account39", opened[-1].position) == 0
    await bus.close()


async def test_a_persons_key_survives_a_crash_of_the_database(own_servers: Embedded) -> None:
    """What it has sealed is in the log for ever; the key cannot be made again."""
    async with stores(SERVICE, settings(own_servers, "one")) as opened:
        name = Opened(account_id="a", uid=secrets.token_hex(6), name="Ana", at=datetime.now(UTC))
        sealed = await opened.vault.seal([name])
        own_servers.postgres.kill()
        own_servers.postgres.restart()
    async with stores(SERVICE, settings(own_servers, "one")) as opened:
        assert await opened.vault.open(sealed) == [name]
