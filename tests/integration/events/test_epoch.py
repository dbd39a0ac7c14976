"""A log that was restored or made anew is another log: no row, position or process of the old one speaks for it."""

import pytest
from tests.ledger import NAME, SERVICE, AccountView, Balance, Client, Deposit, Open, position, serving, settings, value
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
