"""A log that was restored or made anew is another log: no row, position or process of the old one speaks for it."""

import asyncpg
import pytest
from prometheus_client import REGISTRY
from tests.ledger import (
    NAME,
    SANE,
    SERVICE,
    AccountView,
    Balance,
    Client,
    Deposit,
    Open,
    position,
    serving,
    settings,
    value,
)
from tests.wait import eventually

from events import schema
from events.bus import Bus
from events.messages import Fault
from events.service import Replica, Restored, stores
from ops.embedded import Embedded
from ops.provision import provision


async def made_anew(servers: Embedded) -> None:
    """The ledger's log is lost, and provisioned again."""
    operator = await Bus.connect(servers.nats_url(), "ops")
    await operator.api("STREAM.DELETE.EV_PARTIES")
    await operator.close()
    await provision(servers.nats_url(), servers.admin_database_url, servers.keys.database)


def failure(running: Replica) -> BaseException | None:
    return next((task.exception() for task in running.tasks if task.done()), None)


async def test_a_log_made_anew_gets_read_models_of_its_own(own_servers: Embedded) -> None:
    bus = await Bus.connect(own_servers.nats_url("gateway"), "gateway")
    client = Client(bus)
    async with serving(own_servers) as before:
        await client.call(Open(account_id="old"))
        last = await client.call(Deposit(account_id="old", amount=5))
        assert await client.balance("old", last.position) == 5

        await made_anew(own_servers)

        assert isinstance(await eventually(lambda: failure(before)), Restored)

    async with serving(own_servers) as after:
        assert after.models.schema != before.models.schema
        assert (await client.query(Balance(account_id="old"))).error == Fault("no-such-account", {})
        opened = await client.call(Open(account_id="new"))
        assert position(opened).epoch == after.stores.log.epoch != position(last).epoch
        found = await client.query(Balance(account_id="new"), opened.position)
        assert value(found, AccountView).balance == 0
        assert position(found).epoch == after.stores.log.epoch
        late = await client.query(Balance(account_id="new"), last.position)
        assert late.error == Fault("other-epoch", {"epoch": after.stores.log.epoch})
    await bus.close()


async def test_who_cannot_follow_the_log_is_not_ready(own_servers: Embedded) -> None:
    """The log was put back to a shorter one, and nobody gave it a new epoch."""
    bus = await Bus.connect(own_servers.nats_url("gateway"), "gateway")
    operator = await Bus.connect(own_servers.nats_url(), "ops")
    client = Client(bus)
    async with serving(own_servers) as before:
        await client.call(Open(account_id="a"))
        last = await client.call(Deposit(account_id="a", amount=5))
        await client.balance("a", last.position)
        assert await before.checks["projection"]()
        config = (await operator.api("STREAM.INFO.EV_PARTIES"))["config"]

        await operator.api("STREAM.DELETE.EV_PARTIES")
        await operator.api("STREAM.CREATE.EV_PARTIES", config)

        await eventually(lambda: _is_ready(before, False), within=8)
        assert before.tasks[0].done() is False
        async with serving(own_servers) as follower:
            await eventually(lambda: follower.checks["database"]())
            assert await follower.checks["projection"]()
    await operator.close()
    await bus.close()


async def _is_ready(running: Replica, ready: bool) -> bool:
    return await running.checks["projection"]() is ready


async def test_the_lag_and_the_parked_keys_are_told_once_a_second(own_servers: Embedded) -> None:
    """Also of what was parked before the service started, and while nothing is applied."""
    bus = await Bus.connect(own_servers.nats_url("gateway"), "gateway")
    client = Client(bus)
    async with serving(own_servers):
        await client.call(Open(account_id="a"))
        await client.call(Deposit(account_id="a", amount=SANE))
        await eventually(lambda: _metric("matinee_parked_keys") == 1)
    async with serving(own_servers) as running:
        await eventually(lambda: _metric("matinee_parked_keys") == 1)
        await eventually(lambda: _metric("matinee_projection_lag_seconds") == 0)
        owner = await asyncpg.connect(own_servers.database_url(NAME), server_settings={"role": f"{NAME}_owner"})
        async with owner.transaction():
            await owner.execute(f"lock table {running.models.schema}.checkpoint in exclusive mode")
            await client.call(Open(account_id="b"))
            await eventually(lambda: _metric("matinee_projection_lag_seconds") > 1, within=8)
        await eventually(lambda: _metric("matinee_projection_lag_seconds") == 0, within=8)
        await owner.close()
    await bus.close()


def _metric(name: str) -> float:
    value = REGISTRY.get_sample_value(name, {"service": NAME})
    return -1.0 if value is None else value


async def test_a_name_of_an_older_version_is_never_taken_for_ones_own(own_servers: Embedded) -> None:
    """It does not say of which epoch its rows are."""
    async with stores(SERVICE, settings(own_servers, "one")) as opened:
        await opened.rebuild.prepare()
        older = f"{NAME}_{SERVICE.fingerprint}"
        await opened.rebuild.create(older)
        await opened.rebuild.switch(older)

        assert await opened.rebuild.ensure() == opened.rebuild.first_name != older
        assert await opened.rebuild.drop_stale({opened.rebuild.first_name}) == [older]


@pytest.mark.parametrize("epoch", ["d2a659e2", "Monday's backup", ""])
def test_a_schemas_name_says_what_fills_it(epoch: str) -> None:
    name = schema.named("a_longer_service_name", "0123abcd", epoch)
    assert schema.checked(name) == schema.filled_by(name) == schema.filled_by(f"{name}_dd1cff")
    assert name != schema.named("a_longer_service_name", "0123abcd", epoch + "0")
