"""Servers, doors and replicas for the ledger, the spine's own test service.

`house`   NATS and PostgreSQL for all of these tests: fresh keys keep them apart. Nobody stops it.
`client`  asks with the gateway's rights.
`log`     the ledger's log with the service's rights.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from tests.ledger import NAME, SERVICE, Client

from events.bus import Bus
from events.jetstream import JetStreamLog
from ops.embedded import Embedded, servers_over
from ops.provision import provision


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Embedded]:
    yield from house_in(tmp_path_factory.mktemp("house"))


def house_in(folder: Path) -> Iterator[Embedded]:
    with servers_over(folder) as running:
        asyncio.run(provision(running.nats_url(), running.admin_database_url, running.keys.database))
        yield running


@pytest.fixture
async def bus(house: Embedded) -> AsyncIterator[Bus]:
    bus = await Bus.connect(house.nats_url(NAME), NAME)
    yield bus
    await bus.close()


@pytest.fixture
async def log(bus: Bus) -> JetStreamLog:
    return await JetStreamLog.open(bus, NAME, SERVICE.codec)


@pytest.fixture
async def client(house: Embedded) -> AsyncIterator[Client]:
    bus = await Bus.connect(house.nats_url("gateway"), "gateway")
    yield Client(bus)
    await bus.close()
