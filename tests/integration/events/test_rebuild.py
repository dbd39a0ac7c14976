"""Read models are filled anew from the log, beside the live ones, and nobody who asks notices the switch."""

import asyncio
import functools
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from tests.ledger import (
    NAME,
    SERVICE,
    AccountView,
    Balance,
    Client,
    Deposit,
    Open,
    Transfer,
    serving,
    settings,
    value,
    with_tables,
)
from tests.wait import eventually

from events import rebuild
from events.bus import Bus
from events.service import Replica, stores
from ops.embedded import Embedded


@pytest.fixture
def id() -> str:
    return secrets.token_hex(6)


async def rows(house: Embedded, schema: str, table: str, id: str = "") -> list[tuple[object, ...]]:
    """All of them, or one account's."""
    db = await asyncpg.connect(
        house.database_url(NAME), server_settings={"role": f"{NAME}_reader", "search_path": schema}
    )
    try:
        found = await db.fetch(f"select * from {table}" + (" where account_id = $1" if id else ""), *filter(None, [id]))
        return sorted((tuple(row) for row in found), key=repr)
    finally:
        await db.close()


class Asking:
    """Somebody who deposits and looks, without a pause, and expects each time to see what was done."""

    def __init__(self, client: Client, id: str) -> None:
        self._client = client
        self._id = id
        self._ends = False
        self.looks = 0
        self.task = asyncio.create_task(self._go_on())

    async def _go_on(self) -> None:
        await self._client.call(Open(account_id=self._id))
        while not self._ends:
            done = await self._client.call(Deposit(account_id=self._id, amount=1))
            found = value(await self._client.query(Balance(account_id=self._id), done.position), AccountView)
            self.looks += 1
            assert found.balance == self.looks

    async def stop(self) -> None:
        self._ends = True
        await self.task


@asynccontextmanager
async def asking(client: Client, count: int) -> AsyncIterator[list[Asking]]:
    people = [Asking(client, secrets.token_hex(6)) for _ in range(count)]
    try:
        yield people
    finally:
        for one in people:
            one.task.cancel()
        await asyncio.gather(*(one.task for one in people), return_exceptions=True)


async def test_other_tables_are_built_at_the_start(house: Embedded, client: Client, id: str, tmp_path: Path) -> None:
    later = with_tables(tmp_path, f"create table extra_{id} (id text);")
    async with serving(house) as before:
        await client.call(Open(account_id=id))
        last = await client.call(Deposit(account_id=id, amount=5))
        await client.balance(id, last.position)
        old = before.models.schema
        for table in ("account", "movement"):
            assert await rows(house, old, table, id)

    async with serving(house, service=later) as after:
        assert after.models.schema == after.stores.rebuild.first_name != old
        assert await client.balance(id, last.position) == 5
        for table in ("account", "movement"):
            assert await rows(house, after.models.schema, table, id) == await rows(house, old, table, id)
        assert await client.balance(id, (await client.call(Deposit(account_id=id, amount=1))).position) == 6


async def test_replicas_of_two_versions_each_keep_their_own_read_models_moving(
    house: Embedded, client: Client, id: str, tmp_path: Path
) -> None:
    later = with_tables(tmp_path, f"create table extra_{id} (id text);")
    async with serving(house) as before:
        old = before.models.schema
        await client.call(Open(account_id=id))
        async with serving(house, service=later) as after:
            new = after.models.schema
            for amount in range(1, 6):
                await client.call(Deposit(account_id=id, amount=amount))
                for schema in (old, new):
                    await eventually(functools.partial(_holds, house, schema, id, amount * (amount + 1) // 2))
            assert (before.models.schema, after.models.schema) == (old, new)


async def _holds(house: Embedded, schema: str, id: str, balance: int) -> bool:
    return any(id in row and balance in row for row in await rows(house, schema, "account"))


async def test_a_rebuild_that_was_interrupted_is_gone_on_with(
    house: Embedded, client: Client, id: str, tmp_path: Path
) -> None:
    async with serving(house):
        await client.call(Open(account_id=id))
        last = await client.call(Deposit(account_id=id, amount=5))
    later = with_tables(tmp_path, f"create table extra_{id} (id text);")
    async with stores(later, settings(house, "one")) as opened:
        await opened.rebuild.prepare()
        name = opened.rebuild.first_name
        await opened.rebuild.create(name)
        await opened.rebuild.fill(name, upto={"log": await opened.log.head() // 2, "telemetry": 0})

    async with serving(house, service=later) as running:
        assert running.models.schema == name
        assert await client.balance(id, last.position) == 5


async def test_how_much_is_in_new_tables_is_known_before_the_first_query(
    house: Embedded, client: Client, id: str, tmp_path: Path
) -> None:
    later = with_tables(tmp_path, f"create table extra_{id} (id text);")
    async with serving(house):
        await client.call(Open(account_id=id))
    async with serving(house, service=later) as after:
        db = await asyncpg.connect(house.database_url(NAME), server_settings={"role": f"{NAME}_reader"})
        counted = await db.fetchval(
            "select reltuples from pg_class where oid = $1::regclass", f"{after.models.schema}.account"
        )
        await db.close()
    assert counted >= 1


async def _indexes(house: Embedded, schema: str) -> set[str]:
    db = await asyncpg.connect(house.database_url(NAME), server_settings={"role": f"{NAME}_reader"})
    try:
        return {row["indexname"] for row in await db.fetch("select * from pg_indexes where schemaname = $1", schema)}
    finally:
        await db.close()


async def test_what_only_queries_need_is_made_when_the_tables_are_filled(
    house: Embedded, client: Client, id: str, tmp_path: Path
) -> None:
    early, late = f"early_{id}", f"late_{id}"
    later = with_tables(
        tmp_path,
        f"""create index {early} on account (position);

-- When they are filled.
create index if not exists {late} on account (balance);""",
    )
    async with serving(house):
        await client.call(Open(account_id=id))
    async with stores(later, settings(house, "one")) as opened:
        await opened.rebuild.prepare()
        name = opened.rebuild.new_name()
        await opened.rebuild.create(name)
        filled = await opened.rebuild.fill(name)
        before = await _indexes(house, name)
        finished = await opened.rebuild.finish(name)
        await opened.rebuild.complete(name)  # as another replica may, that was as far
        assert {early, late} & before == {early}
        assert {early, late} <= await _indexes(house, name)
        assert finished["log"] >= filled["log"] > 0
        assert await rows(house, name, "account", id)
        await opened.rebuild.drop(name)
    async with serving(house, service=later) as after:
        assert {early, late} <= await _indexes(house, after.models.schema)


async def test_tables_of_an_empty_log_have_what_queries_need(house: Embedded, id: str, tmp_path: Path) -> None:
    sql = f"\n-- When they are filled.\ncreate index if not exists late_{id} on account (balance);"
    later = with_tables(tmp_path, sql)
    async with stores(later, settings(house, "one")) as opened:
        name = opened.rebuild.new_name()
        await opened.rebuild.prepare()
        await opened.rebuild.create(name)
        await asyncio.gather(*(opened.rebuild.complete(name) for _ in range(3)))
        assert f"late_{id}" in await _indexes(house, name)
        await opened.rebuild.drop(name)


async def test_nobody_who_asks_notices_a_switch(house: Embedded, client: Client) -> None:
    async with (
        serving(house) as one,
        serving(house) as two,
        stores(SERVICE, settings(house, "replay")) as opened,
        asking(client, 4) as people,
    ):
        for _ in range(2):
            await all_look(people)
            name = opened.rebuild.new_name()
            await opened.rebuild.create(name)
            await opened.rebuild.fill(name)
            assert await opened.rebuild.switch(name) == one.models.schema
            await eventually(functools.partial(_read_from, name, one, two))
        await all_look(people)
        for person in people:
            await person.stop()


def _read_from(name: str, *replicas: Replica) -> bool:
    return all(running.models.schema == name for running in replicas)


async def all_look(people: list[Asking], times: int = 20) -> None:
    """Everybody has looked again so many times, or failed."""
    before = [person.looks for person in people]
    await eventually(
        lambda: all(p.task.done() or p.looks >= b + times for p, b in zip(people, before, strict=True)), within=10
    )
    for person in people:
        if person.task.done():
            person.task.result()


async def test_rebuilt_rows_are_the_live_rows(house: Embedded, client: Client, id: str) -> None:
    async with serving(house) as running, stores(SERVICE, settings(house, "replay")) as opened:
        other = secrets.token_hex(6)
        for one in (id, other):
            await client.call(Open(account_id=one))
            for amount in range(1, 20):
                await client.call(Deposit(account_id=one, amount=amount))
        last = await client.call(Transfer(source=id, target=other, amount=7))
        await client.balance(id, last.position)

        name = opened.rebuild.new_name()
        await opened.rebuild.create(name)
        await opened.rebuild.fill(name)

        assert await opened.rebuild.differences(running.models.schema, name) == {}
        for table in ("account", "movement", "aggregate"):
            live = await rows(house, running.models.schema, table)
            assert live
            assert await rows(house, name, table) == live
        await opened.rebuild.drop(name)


async def test_a_row_that_the_log_does_not_explain_is_reported(house: Embedded, client: Client, id: str) -> None:
    async with serving(house) as running, stores(SERVICE, settings(house, "verify")) as opened:
        last = await client.call(Open(account_id=id))
        await client.balance(id, last.position)
        db = await asyncpg.connect(house.database_url(NAME), server_settings={"role": f"{NAME}_writer"})
        change = f"update {running.models.schema}.account set balance = $2 where account_id = $1"
        await db.execute(change, id, 1_000_000)
        name = opened.rebuild.new_name()
        await opened.rebuild.create(name)

        found = await opened.rebuild.differences(running.models.schema, name)

        assert list(found) == ["account"]
        assert [row["balance"] for row in found["account"].only_live] == [1_000_000]
        assert [row["balance"] for row in found["account"].only_log] == [0]
        await db.execute(change, id, 0)
        await db.close()
        await opened.rebuild.drop(name)


async def test_who_cannot_compare_says_so(house: Embedded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rebuild, "HOLD_SECONDS", 0.2)
    async with serving(house) as running, stores(SERVICE, settings(house, "verify")) as opened:
        name = opened.rebuild.new_name()
        await opened.rebuild.create(name)
        owner = await asyncpg.connect(house.database_url(NAME), server_settings={"role": f"{NAME}_owner"})
        async with owner.transaction():
            await owner.execute(f"select from {running.models.schema}.checkpoint for update")  # a runner that is busy
            with pytest.raises(rebuild.Overtaken, match="try again"):
                await opened.rebuild.differences(running.models.schema, name)
        await owner.close()
        assert await opened.rebuild.differences(running.models.schema, name) == {}
        await opened.rebuild.drop(name)


async def test_who_compares_does_not_hold_the_live_runner(
    house: Embedded, client: Client, id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not for longer than it takes to let both stand at one position, however long the comparison takes."""
    compared = rebuild._compared

    async def slowly(*args: Any) -> Any:
        last = await client.call(Open(account_id=id))
        assert await client.balance(id, last.position) == 0
        return await compared(*args)

    async with serving(house) as running, stores(SERVICE, settings(house, "verify")) as opened:
        name = opened.rebuild.new_name()
        await opened.rebuild.create(name)
        monkeypatch.setattr(rebuild, "_compared", slowly)
        assert await opened.rebuild.differences(running.models.schema, name) == {}
        await opened.rebuild.drop(name)


async def test_a_log_whose_end_was_erased_can_be_replayed(house: Embedded, client: Client, id: str) -> None:
    async with serving(house), stores(SERVICE, settings(house, "replay")) as opened:
        last = await client.call(Open(account_id=id))
        await client.balance(id, last.position)
        operator = await Bus.connect(house.nats_url(), "ops")
        head = await opened.log.head()
        await operator.api("STREAM.MSG.DELETE.EV_PARTIES", {"seq": head})
        await operator.close()
        name = opened.rebuild.new_name()
        await opened.rebuild.create(name)

        async with asyncio.timeout(10):
            assert (await opened.rebuild.fill(name))["log"] == head - 1
            assert (await opened.rebuild.fill(name, upto={"log": head, "telemetry": 0}))["log"] == head - 1
        await opened.rebuild.drop(name)
