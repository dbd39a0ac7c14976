"""Telemetry that is kept for a while only: whoever reads it finds what is left, and waits for nothing that has gone."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from tests.ledger import context
from tests.wait import eventually

import library.main
from events.bus import Bus
from events.contracts.library import Progressed
from events.jetstream import JetStreamTelemetry
from events.log import Commit
from events.messages import Key
from events.projection import TELEMETRY
from events.rebuild import Rebuild
from events.service import Stores, stores
from events.settings import ServiceSettings
from ops.embedded import Embedded

STREAM = "TEL_LIBRARY"
SECOND = 1_000_000_000


@pytest.fixture
async def opened(own_servers: Embedded) -> AsyncIterator[Stores]:
    """The library's stores, with heartbeats that are kept for a second, all of them."""
    operator = await Bus.connect(own_servers.nats_url(), "ops")
    config = (await operator.api(f"STREAM.INFO.{STREAM}"))["config"]
    short = {"max_age": SECOND, "duplicate_window": SECOND, "max_msgs_per_subject": -1}
    await operator.api(f"STREAM.UPDATE.{STREAM}", {**config, **short})
    await operator.close()
    settings = ServiceSettings(
        nats_url=own_servers.nats_url("library"),
        database_url=own_servers.database_url("library"),
        master_key=own_servers.keys.master_key,
        replica=secrets.token_hex(4),
    )
    async with stores(library.main.SERVICE, settings) as opened:
        yield opened


@pytest.fixture
def heartbeats(opened: Stores) -> JetStreamTelemetry:
    assert opened.heartbeats is not None
    return opened.heartbeats


async def put(heartbeats: JetStreamTelemetry, count: int) -> int:
    last = 0
    for number in range(count):
        progressed = Progressed(uid="ana", work="w", position=float(number), at=datetime.now(UTC))
        last = await heartbeats.put(Key.of("title", "ana", "w"), "x", progressed, context())
    return last


async def gone(heartbeats: JetStreamTelemetry) -> None:
    async def nothing_left() -> bool:
        return await heartbeats.head() == 0

    await eventually(nothing_left)


async def read(heartbeats: JetStreamTelemetry, after: int, upto: int) -> list[Commit]:
    found: list[Commit] = []
    async with asyncio.timeout(5):
        async for batch in heartbeats.tail(after):
            found += batch
            if found[-1].sequence >= upto:
                break
    return found


@pytest.mark.parametrize("after", [0, 1, 3])
async def test_reading_begins_with_what_is_left(heartbeats: JetStreamTelemetry, after: int) -> None:
    assert await put(heartbeats, 3) == 3
    await gone(heartbeats)
    last = await put(heartbeats, 2)

    found = await read(heartbeats, after, last)

    assert last == 5
    assert [commit.sequence for commit in found] == [4, 5]
    assert await heartbeats.head() == 5


async def test_all_values_of_a_slot_are_kept_for_a_while(heartbeats: JetStreamTelemetry) -> None:
    last = await put(heartbeats, 3)
    assert len(await read(heartbeats, 0, last)) == 3


async def test_a_reader_that_waits_goes_on_over_what_expired(heartbeats: JetStreamTelemetry) -> None:
    await put(heartbeats, 2)
    reading = asyncio.create_task(read(heartbeats, 0, 4))
    await gone(heartbeats)
    await put(heartbeats, 2)
    assert [commit.sequence for commit in await reading] == [1, 2, 3, 4]


async def test_read_models_are_built_although_everything_has_expired(
    opened: Stores, heartbeats: JetStreamTelemetry
) -> None:
    await put(heartbeats, 3)
    await gone(heartbeats)
    async with asyncio.timeout(10):
        name = await opened.rebuild.ensure()
        assert (await opened.rebuild.reached(name))[TELEMETRY] == 0
        last = await put(heartbeats, 1)
        assert (await opened.rebuild.fill(name))[TELEMETRY] == last


async def test_what_expires_while_read_models_are_built_is_not_waited_for(
    own_servers: Embedded, opened: Stores, heartbeats: JetStreamTelemetry
) -> None:
    class Overtaken(JetStreamTelemetry):
        """Its first look at the end is older than its first read."""

        ends: list[int]

        async def head(self) -> int:
            return self.ends.pop() if self.ends else await super().head()

    stale = Overtaken(opened.bus, "library", library.main.SERVICE.codec)
    stale.ends = [await put(heartbeats, 3)]
    await gone(heartbeats)
    dsn = own_servers.database_url("library")
    rebuild = Rebuild(library.main.SERVICE, dsn, opened.log, stale, opened.vault)
    async with asyncio.timeout(10):
        name = await rebuild.ensure()
    assert (await rebuild.reached(name))[TELEMETRY] == 0
