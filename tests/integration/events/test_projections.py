"""Rows and checkpoint move together, each commit once; what cannot be applied is set aside, and the rest goes on."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import asyncpg
import msgspec
import pytest
from structlog.testing import capture_logs
from tests.integration.readmodels import ReadModel, read_model
from tests.ledger import (
    DECIDERS,
    HUGE,
    NAME,
    PACTS,
    PROJECTIONS,
    SANE,
    SERVICE,
    Balance,
    Client,
    Deposit,
    Label,
    Open,
    Transfer,
    Withdraw,
    context,
    settings,
)
from tests.wait import eventually

from events.bus import Bus, Msg, TimedOut, Unavailable
from events.definition import Service
from events.handle import Aggregates
from events.log import Commit, Hole
from events.memory import MemoryLog
from events.messages import Command, Fault, Notice, Position
from events.projection import LOG, Batches, Db, Fenced, Projection, Touched
from events.service import Replica, replica
from events.vault import MemoryKeys, Vault
from ops.embedded import Embedded

VAULT = Vault(MemoryKeys(), bytes(32))
STORY: tuple[Command, ...] = (
    Open(account_id="a", name="Ana"),
    Deposit(account_id="a", amount=10),
    Open(account_id="b", name="Bob"),
    Deposit(account_id="a", amount=1),
    Transfer(source="a", target="b", amount=4),
    Label(account_id="a", text="savings"),
    Open(account_id="c"),
    Withdraw(account_id="b", amount=3),
    Label(account_id="b", text="shopping"),
    Deposit(account_id="c", amount=7),
)


async def told(*commands: Command) -> list[Commit]:
    """The log of a story."""
    log = MemoryLog(SERVICE.codec)
    aggregates = Aggregates(log, DECIDERS, VAULT, pacts=PACTS)
    for command in commands:
        await aggregates.execute(command, context())
    return await anext(log.tail(0))


def batches(*projections: Projection, epoch: str = "e") -> Batches:
    return Batches(projections or PROJECTIONS, VAULT, epoch)


async def test_topics_are_looked_for_only_where_somebody_is_told(model: ReadModel) -> None:
    asked = []

    async def apply(db: Db, commits: Sequence[Commit]) -> Touched:
        async def topics() -> set[str]:
            asked.append(await db.fetchval("select count(*) from aggregate"))
            return {"found"}

        return topics

    commits = await told(*STORY)
    lazy = Projection("lazy", apply)
    half = len(commits) // 2
    quiet = Batches((lazy,), VAULT, "e", telling=False)
    await quiet.start(model.writer)
    assert (await quiet.apply(model.writer, LOG, 0, commits[:half])).topics == set()
    assert asked == []
    telling = batches(lazy)
    await telling.start(model.writer)
    applied = await telling.apply(model.writer, LOG, commits[half - 1].sequence, commits[half:])
    assert applied.topics == {"found"}
    assert len(asked) == 1
    assert asked[0] > 0


@pytest.fixture
async def model(house: Embedded) -> AsyncIterator[ReadModel]:
    async with read_model(SERVICE, house) as model:
        yield model


async def apply(model: ReadModel, commits: Sequence[Commit], size: int = 1000, after: int = 0) -> Batches:
    project = batches()
    await project.start(model.writer)
    for start in range(0, len(commits), size):
        batch = commits[start : start + size]
        after = (await project.apply(model.writer, LOG, after, batch)).end
    return project


async def checkpoint(model: ReadModel) -> int:
    found: int = await model.reader.fetchval("select sequence from checkpoint where source = 'log'")
    return found


async def balances(model: ReadModel) -> dict[str, int]:
    return dict(await model.reader.fetch("select account_id, balance from account"))


async def parked(model: ReadModel) -> list[tuple[str, int]]:
    rows = await model.reader.fetch("select key, sequence from parked order by sequence")
    return [(row["key"], row["sequence"]) for row in rows]


async def drop_constraint(house: Embedded, schema: str) -> None:
    """The cause of the trouble goes away."""
    owner = await asyncpg.connect(house.database_url(NAME), server_settings={"role": f"{NAME}_owner"})
    await owner.execute(f"alter table {schema}.movement drop constraint sane")
    await owner.close()


async def schema_of(model: ReadModel) -> str:
    name: str = await model.reader.fetchval("select current_schema")
    return name


# Once, and together


async def test_the_rows_are_the_same_however_the_log_is_cut(house: Embedded) -> None:
    commits = await told(*STORY)
    found = []
    for size in (1, 3, len(commits)):
        async with read_model(SERVICE, house) as model:
            await apply(model, commits, size)
            found.append(await model.same())
            assert await checkpoint(model) == commits[-1].sequence
    assert found[0] == found[1] == found[2]
    assert found[0]["account"]


async def test_rows_and_checkpoint_move_together_or_not_at_all(model: ReadModel) -> None:
    async def lost(db: Db, commits: Sequence[Commit]) -> set[str]:
        raise OSError("the connection is gone")

    commits = await told(*STORY)
    project = batches(*PROJECTIONS, Projection("lost", lost))
    await project.start(model.writer)

    with pytest.raises(OSError, match="gone"):
        await project.apply(model.writer, LOG, 0, commits)

    assert await checkpoint(model) == 0
    assert await balances(model) == {}
    assert await parked(model) == []


async def test_a_batch_that_was_applied_is_not_applied_again(model: ReadModel) -> None:
    commits = await told(*STORY)
    project = await apply(model, commits)
    before = await model.same()

    with pytest.raises(Fenced):
        await project.apply(model.writer, LOG, 0, commits)

    assert await model.same() == before


async def test_names_are_in_clear_and_empty_without_a_key(house: Embedded) -> None:
    commits = await told(*STORY)
    for vault, names in ((VAULT, {"Ana", "Bob"}), (Vault(MemoryKeys(), bytes(32)), {""})):
        async with read_model(SERVICE, house) as model:
            project = Batches(PROJECTIONS, vault, "e")
            await project.start(model.writer)
            await project.apply(model.writer, LOG, 0, commits)
            assert {row["name"] for row in await model.reader.fetch("select name from account")} == names


async def test_the_topics_are_those_of_the_batch(model: ReadModel) -> None:
    commits = await told(*STORY)
    project = batches()
    await project.start(model.writer)
    assert (await project.apply(model.writer, LOG, 0, commits[:2])).topics == {"account:a"}
    assert (await project.apply(model.writer, LOG, 2, commits[2:])).topics == {"account:a", "account:b", "account:c"}


# What cannot be applied

POISONED: tuple[Command, ...] = (
    *STORY[:4],
    Deposit(account_id="a", amount=SANE),
    Deposit(account_id="b", amount=2),
    Deposit(account_id="a", amount=3),
)


@pytest.mark.parametrize("size", [1, 2, 1000])
async def test_a_poisoned_key_is_parked_with_all_that_follows_and_the_others_go_on(model: ReadModel, size: int) -> None:
    commits = await told(*POISONED)

    project = await apply(model, commits, size)

    assert await balances(model) == {"a": 11, "b": 2}
    assert await parked(model) == [("account.a", 5), ("account.a", 7)]
    assert project.parked == {"account.a"}
    assert await checkpoint(model) == 7


async def test_a_runner_that_starts_knows_what_is_parked(model: ReadModel) -> None:
    commits = await told(*POISONED, Deposit(account_id="a", amount=1), Deposit(account_id="b", amount=1))
    await apply(model, commits[:7])

    await apply(model, commits[7:], after=7)

    assert await balances(model) == {"a": 11, "b": 3}
    assert [sequence for _, sequence in await parked(model)] == [5, 7, 8]


async def test_a_value_that_the_driver_does_not_encode_is_poison_too(model: ReadModel) -> None:
    commits = await told(
        *STORY[:3],
        Deposit(account_id="a", amount=HUGE),
        Deposit(account_id="a", amount=HUGE),
        Deposit(account_id="b", amount=2),
    )
    await apply(model, commits)
    assert await balances(model) == {"a": 10 + HUGE, "b": 2}
    assert await parked(model) == [("account.a", 5)]


async def test_a_wrong_statement_is_not_taken_for_a_lost_connection(model: ReadModel) -> None:
    """asyncpg raises the same error for both; waiting for the connection to come back would be for ever."""

    async def mistaken(db: Db, commits: Sequence[Commit]) -> set[str]:
        if any(commit.key.id == "a" for commit in commits):
            await db.execute("select $1::int", 1, 2)
        return set()

    commits = await told(*STORY[:3])
    project = batches(*PROJECTIONS, Projection("mistaken", mistaken))
    await project.start(model.writer)

    await project.apply(model.writer, LOG, 0, commits)

    assert project.parked == {"account.a"}
    assert await balances(model) == {"b": 0}


async def test_a_commit_that_does_not_decode_is_parked(model: ReadModel) -> None:
    commits = await told(*STORY)
    broken = commits[3]._replace(events=(), first=0, last=0, unreadable="nonsense")

    await apply(model, [*commits[:3], broken, *commits[4:]])

    assert (await parked(model))[0] == ("account.a", 4)
    assert (await balances(model))["c"] == 7


async def test_a_missing_commit_parks_its_key_loudly(model: ReadModel) -> None:
    commits = await told(*STORY)
    project = batches()
    await project.start(model.writer)
    with capture_logs() as logs:
        await project.apply(model.writer, LOG, 0, [commit for commit in commits if commit.sequence != 2])

    assert {key for key, _ in await parked(model)} == {"account.a"}
    assert [entry for entry in logs if entry["event"] == "key parked" and entry["log_level"] == "error"]
    reason = await model.reader.fetchval("select reason from parked order by sequence limit 1")
    assert "missing" in reason
    assert (await balances(model))["c"] == 7


async def test_what_was_parked_can_be_applied_when_the_cause_is_gone(house: Embedded, model: ReadModel) -> None:
    commits = await told(*POISONED)
    project = await apply(model, commits)
    mine = [commit for commit in commits[4:] if commit.key.id == "a"]

    with pytest.raises(asyncpg.CheckViolationError):
        await project.retry(model.writer, 7, "account.a", mine)
    assert project.parked == {"account.a"}

    await drop_constraint(house, await schema_of(model))
    assert await project.retry(model.writer, 7, "account.a", mine) == {"account:a"}

    assert await parked(model) == []
    assert project.parked == set()
    late = await model.same()
    async with read_model(SERVICE, house) as fresh:
        await drop_constraint(house, await schema_of(fresh))
        await apply(fresh, commits)
        assert await fresh.same() == late


async def test_who_lost_the_lead_can_neither_apply_nor_retry(house: Embedded, model: ReadModel) -> None:
    commits = await told(*POISONED, *STORY[5:7])
    stale = await apply(model, commits[:7])
    await apply(model, commits[7:], after=7)
    await drop_constraint(house, await schema_of(model))
    before = await model.same()

    with pytest.raises(Fenced):
        await stale.apply(model.writer, LOG, 7, commits[7:])
    with pytest.raises(Fenced):
        await stale.retry(model.writer, 7, "account.a", commits[4:5])

    assert await model.same() == before
    assert await parked(model) != []


async def test_read_models_of_another_log_are_refused(model: ReadModel) -> None:
    await apply(model, await told(*STORY))
    with pytest.raises(Hole, match="rebuild"):
        await batches(epoch="later").start(model.writer)


# The whole service


@asynccontextmanager
async def service(servers: Embedded, of: Service = SERVICE) -> AsyncIterator[tuple[Replica, Client]]:
    bus = await Bus.connect(servers.nats_url("gateway"), "gateway")
    try:
        async with replica(of, settings(servers, secrets.token_hex(4))) as running:
            yield running, Client(bus)
    finally:
        await bus.close()


async def test_a_batch_that_touches_too_much_to_be_told_may_have_changed_anything(house: Embedded) -> None:
    id = secrets.token_hex(6)
    told: list[Notice] = []

    async def hear(msg: Msg) -> None:
        told.append(msgspec.json.decode(msg.data, type=Notice))

    async def touches_all(db: Db, commits: Sequence[Commit]) -> set[str]:
        mine = [commit for commit in commits if commit.key.id == id]
        return {f"account:{n:030}" for n in range(40_000)} if mine else set()

    everywhere = replace(SERVICE, projections=(*PROJECTIONS, Projection("everywhere", touches_all)))
    async with service(house, everywhere) as (_, client):
        await client.bus.subscribe("changed.*", hear)
        last = await client.call(Open(account_id=id))
        assert await client.balance(id, last.position) == 0
        await eventually(lambda: any(_is_about(notice, last.position) for notice in told))
    (notice, *_) = (notice for notice in told if _is_about(notice, last.position))
    assert (notice.topics, notice.start < (0, 0)) == ((), True)


def _is_about(notice: Notice, position: str) -> bool:
    return notice.end[0] == Position.parse(position).sequence


async def test_an_operator_marks_a_parked_key_and_it_comes_back(house: Embedded) -> None:
    id = secrets.token_hex(6)
    told: list[Notice] = []

    async def hear(msg: Msg) -> None:
        told.append(msgspec.json.decode(msg.data, type=Notice))

    async with service(house) as (running, client):
        await client.bus.subscribe("changed.*", hear)
        await client.call(Open(account_id=id))
        await client.call(Deposit(account_id=id, amount=SANE))
        last = await client.call(Deposit(account_id=id, amount=1))
        assert await client.balance(id, last.position) == 0

        owner = await asyncpg.connect(house.database_url(NAME), server_settings={"role": f"{NAME}_owner"})
        schema, mark = running.models.schema, "update {}.parked set retry = true where key = $1"
        await owner.execute(mark.format(schema), f"account.{id}")

        async def refused() -> bool:
            rows = await owner.fetch(f"select retry, reason from {schema}.parked where key = $1", f"account.{id}")
            return not any(row["retry"] for row in rows) and all("sane" in row["reason"] for row in rows)

        await eventually(refused)
        await owner.execute(f"alter table {schema}.movement drop constraint sane")
        await owner.execute(mark.format(schema), f"account.{id}")
        await eventually(lambda: _is(client.balance(id), SANE + 1))
        # The log did not move, and yet every live query has to look again.
        await eventually(lambda: any(f"account:{id}" in notice.topics and notice.start < (0, 0) for notice in told))
        await owner.execute(
            f"alter table {schema}.movement add constraint sane check (abs(amount) <> {SANE}) not valid"
        )
        await owner.close()


async def _is(found: Any, wanted: int) -> bool:
    return bool(await found == wanted)


@pytest.mark.parametrize("which", ["postgres", "nats"])
async def test_a_server_that_dies_under_load_costs_no_row_and_repeats_none(own_servers: Embedded, which: str) -> None:
    async with service(own_servers) as (_, client):
        ids = [secrets.token_hex(6) for _ in range(8)]
        for id in ids:
            await client.call(Open(account_id=id))
        done: list[str] = []
        load = [asyncio.create_task(_deposit(client, id, done)) for id in ids]
        await eventually(lambda: len(done) > 200, within=10)

        child = getattr(own_servers, which)
        await asyncio.to_thread(child.kill)
        await asyncio.to_thread(child.restart)

        before = len(done)
        await eventually(lambda: len(done) > before + 200, within=10)
        for task in load:
            task.cancel()
        await asyncio.gather(*load, return_exceptions=True)
        last = {id: await _really(client, id) for id in ids}
        for id in ids:
            assert await eventually(lambda id=id: client.balance(id, last[id])) >= done.count(id)  # type: ignore[misc]
    await _rows_are_the_fold_of_the_log(own_servers)


async def _deposit(client: Client, id: str, done: list[str]) -> None:
    """Each deposit is sent, under its own id, until it is answered."""
    while True:
        await _until_answered(client, Deposit(account_id=id, amount=1))
        done.append(id)


async def _really(client: Client, id: str) -> str:
    return await _until_answered(client, Label(account_id=id, text="the end"))


async def _until_answered(client: Client, command: Command) -> str:
    asking = context()
    while True:
        try:
            answer = await client.call(command, asking)
        except (Unavailable, TimedOut):
            await asyncio.sleep(0)  # a turn of the loop, not a wait
            continue
        if answer.error is None:
            return answer.position
        assert answer.error.code in ("unavailable", "timeout"), answer.error


async def _rows_are_the_fold_of_the_log(servers: Embedded) -> None:
    async with replica(SERVICE, settings(servers, "checking")) as checking:
        commits: list[Commit] = []
        head = await checking.stores.log.head()
        async for batch in checking.stores.log.tail(0):
            commits += batch
            if commits[-1].sequence >= head:
                break
        assert [commit.sequence for commit in commits] == list(range(1, head + 1))
        live = await asyncpg.connect(
            servers.database_url(NAME),
            server_settings={"role": f"{NAME}_reader", "search_path": checking.models.schema},
        )
        async with read_model(SERVICE, servers) as fresh:
            project = Batches(PROJECTIONS, checking.stores.vault, "e")
            await project.start(fresh.writer)
            await project.apply(fresh.writer, LOG, 0, commits)
            for table in ("account", "movement"):
                wanted = sorted(map(tuple, await fresh.reader.fetch(f"table {table}")))
                await eventually(lambda table=table, wanted=wanted: _holds(live, table, wanted))  # type: ignore[misc]
        await live.close()


async def _holds(db: Db, table: str, wanted: list[tuple[Any, ...]]) -> bool:
    return sorted(map(tuple, await db.fetch(f"table {table}"))) == wanted


async def test_a_log_that_is_shorter_than_the_rows_stops_the_projection_loudly(own_servers: Embedded) -> None:
    """Somebody put an emptier stream in its place and kept the epoch, so that nothing else tells."""
    async with service(own_servers) as (_, client):
        await client.balance("a", (await client.call(Open(account_id="a"))).position)
    operator = await Bus.connect(own_servers.nats_url(), "ops")
    config = (await operator.api("STREAM.INFO.EV_PARTIES"))["config"]
    await operator.api("STREAM.DELETE.EV_PARTIES")
    await operator.api("STREAM.CREATE.EV_PARTIES", config)
    await operator.close()

    with capture_logs() as logs:
        async with service(own_servers) as (_, client):
            assert await client.balance("a") == 0
            await eventually(lambda: [e for e in logs if "hole in the log" in e["event"] and e["log_level"] == "error"])
            await client.call(Open(account_id="b"))
            assert (await client.query(Balance(account_id="b"))).error == Fault("no-such-account")
