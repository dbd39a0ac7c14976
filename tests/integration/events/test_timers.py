"""At this time, send this command: once, whoever leads, however often anybody restarts."""

import secrets
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import asyncpg
import pytest
from structlog.testing import capture_logs
from tests.ledger import (
    DECIDERS,
    NAME,
    SERVICE,
    Account,
    AccountCommand,
    AccountEvent,
    Audited,
    Client,
    Freeze,
    Frozen,
    Open,
    Thaw,
    Thawed,
    Unfreeze,
    account,
    audited_every,
    context,
    decide,
    evolve,
    serving,
    settings,
)
from tests.wait import eventually

from events.decider import Decider
from events.jetstream import JetStreamLog
from events.log import Commit
from events.messages import Context, Event, Fault, Key, Rejected
from events.service import Replica, Service, stores
from ops.embedded import Embedded


@pytest.fixture
def id() -> str:
    return secrets.token_hex(6)


async def events_of(log: JetStreamLog, key: Key) -> list[Event]:
    return [event for commit in await log.read(key) for event in commit.events]


async def thawed(log: JetStreamLog, id: str) -> list[Event]:
    return [event for event in await events_of(log, account(id)) if isinstance(event, Thawed)]


def soon(seconds: float = 0.3) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


async def due(house: Embedded, running: Replica, id: str) -> Any:
    """The account's timer as it is kept."""
    db = await asyncpg.connect(house.database_url(NAME), server_settings={"role": f"{NAME}_reader"})
    try:
        return await db.fetchrow(f"select at, fired_at from {running.models.schema}.due where key = $1", f"thaw:{id}")
    finally:
        await db.close()


async def test_a_timer_sends_its_command_in_the_services_name(
    house: Embedded, client: Client, log: JetStreamLog, id: str
) -> None:
    async with serving(house):
        await client.call(Open(account_id=id))
        until = soon()
        await client.call(Freeze(account_id=id, until=until))
        (event,) = await eventually(lambda: thawed(log, id))
        assert isinstance(event, Thawed)
        assert event.by == f"system:{NAME}"
        assert event.at >= until


async def test_a_timer_fires_once_over_replicas_and_restarts(
    house: Embedded, client: Client, log: JetStreamLog, id: str
) -> None:
    async with AsyncExitStack() as first:
        running = await first.enter_async_context(serving(house))
        async with serving(house):
            await client.call(Open(account_id=id))
            await client.call(Freeze(account_id=id, until=soon()))
            await eventually(lambda: due(house, running, id))
            await first.aclose()
    async with serving(house) as later:
        await eventually(lambda: thawed(log, id))
    async with serving(house) as later:
        # The same timer once more, as a runner that died between sending and writing that down would leave it.
        db = await asyncpg.connect(house.database_url(NAME), server_settings={"role": f"{NAME}_writer"})
        await db.execute(
            f"insert into {later.models.schema}.due (key, at, function, args) values ($1, $2, $3, $4)"
            " on conflict (key) do update set fired_at = null",
            f"thaw:{id}",
            (await _frozen(log, id)).until,
            Thaw.function,
            f'{{"account_id":"{id}"}}',
        )
        await db.close()
        await eventually(lambda: _fired(house, later, id))
        assert len(await thawed(log, id)) == 1


async def _frozen(log: JetStreamLog, id: str) -> Frozen:
    return [event for event in await events_of(log, account(id)) if isinstance(event, Frozen)][-1]


async def _fired(house: Embedded, running: Replica, id: str) -> bool:
    timer = await due(house, running, id)
    return timer is None or timer["fired_at"] is not None


async def test_a_timer_that_was_replaced_fires_at_the_later_time(
    house: Embedded, client: Client, log: JetStreamLog, id: str
) -> None:
    async with serving(house):
        await client.call(Open(account_id=id))
        await client.call(Freeze(account_id=id, until=soon(60)))
        until = soon(0.4)
        await client.call(Freeze(account_id=id, until=until))
        (event,) = await eventually(lambda: thawed(log, id))
        assert isinstance(event, Thawed)
        assert event.at >= until


async def test_a_timer_that_was_dropped_does_not_fire(
    house: Embedded, client: Client, log: JetStreamLog, id: str
) -> None:
    other = secrets.token_hex(6)
    async with serving(house) as running:
        for one in (id, other):
            await client.call(Open(account_id=one))
        await client.call(Freeze(account_id=id, until=soon(0.5)))
        await eventually(lambda: due(house, running, id))
        await client.call(Unfreeze(account_id=id))
        await client.call(Freeze(account_id=other, until=soon(0.5)))

        await eventually(lambda: thawed(log, other))  # later than the one that was dropped

        assert [event.by for event in await thawed(log, id) if isinstance(event, Thawed)] == ["ana"]
        assert await due(house, running, id) is None


async def test_a_refusal_is_an_answer(house: Embedded, client: Client, log: JetStreamLog, id: str) -> None:
    """The rule has looked and does not want it; asking again and again would not change that."""

    def never(command: AccountCommand, state: Account, asking: Context) -> list[AccountEvent]:
        if isinstance(command, Thaw):
            raise Rejected("too-early")
        return decide(command, state, asking)

    stubborn = replace(SERVICE, deciders={**DECIDERS, "account": Decider(Account(), never, evolve)})
    async with serving(house, service=stubborn) as running:
        await client.call(Open(account_id=id))
        await client.call(Freeze(account_id=id, until=soon(0)))
        await eventually(lambda: due(house, running, id))
        await eventually(lambda: _fired(house, running, id))
        assert await thawed(log, id) == []


async def test_a_timer_that_could_not_be_carried_out_is_sent_again_and_holds_up_no_other(
    house: Embedded, client: Client, log: JetStreamLog, id: str
) -> None:
    failing = {"now": True}

    def fragile(command: AccountCommand, state: Account, asking: Context) -> list[AccountEvent]:
        if isinstance(command, Thaw) and command.account_id == id and failing["now"]:
            raise RuntimeError("something is broken")
        return decide(command, state, asking)

    broken = replace(SERVICE, deciders={**DECIDERS, "account": Decider(Account(), fragile, evolve)})
    other = secrets.token_hex(6)
    async with serving(house, service=broken):
        for one in (id, other):
            await client.call(Open(account_id=one))
            await client.call(Freeze(account_id=one, until=soon(0)))
        await eventually(lambda: thawed(log, other))
        assert await thawed(log, id) == []
        failing["now"] = False
        assert len(await eventually(lambda: thawed(log, id), within=8)) == 1


async def test_however_many_timers_fail_the_others_are_sent(
    house: Embedded, client: Client, log: JetStreamLog, id: str
) -> None:
    """More of them than are looked at together, and all of them earlier."""

    def fragile(command: AccountCommand, state: Account, asking: Context) -> list[AccountEvent]:
        if isinstance(command, Thaw) and command.account_id.startswith("broken"):
            raise RuntimeError("something is broken")
        return decide(command, state, asking)

    broken = replace(SERVICE, deciders={**DECIDERS, "account": Decider(Account(), fragile, evolve)})
    with capture_logs():  # a traceback for each of them on the terminal takes its time
        await _others_are_sent(house, client, log, id, broken)


async def _others_are_sent(house: Embedded, client: Client, log: JetStreamLog, id: str, broken: Service) -> None:
    async with serving(house, service=broken) as running:
        schema = running.models.schema
        db = await asyncpg.connect(house.database_url(NAME), server_settings={"role": f"{NAME}_writer"})
        await db.execute(
            f"insert into {schema}.due (key, at, function, args)"
            " select 'broken' || n, now() - interval '1 day', $1, json_build_object('account_id', 'broken' || n)::text"
            " from generate_series(1, 150) n",
            Thaw.function,
        )
        await client.call(Open(account_id=id))
        await client.call(Freeze(account_id=id, until=soon(0)))
        assert await eventually(lambda: thawed(log, id), within=10)
        tried = f"select again_at > now() + interval '1 second' from {schema}.due where key = 'broken1' and tries >= 2"
        assert await eventually(lambda: db.fetchval(tried), within=10)
        await db.execute(f"delete from {schema}.due where key like 'broken%'")
        await db.close()


async def test_a_timers_command_is_for_the_service_alone(house: Embedded, client: Client, id: str) -> None:
    async with serving(house):
        await client.call(Open(account_id=id))
        await client.call(Freeze(account_id=id, until=soon(60)))
        answer = await client.call(Thaw(account_id=id), context("ana"))
        assert answer.error == Fault("unknown-function", {"function": "account.thaw"})


async def test_a_cron_runs_once_per_slot_over_all_replicas(house: Embedded, log: JetStreamLog) -> None:
    every = timedelta(seconds=1)
    start = await log.head()
    async with AsyncExitStack() as first:
        await first.enter_async_context(serving(house, service=audited_every(every)))
        async with serving(house, service=audited_every(every)):
            await eventually(lambda: _audits(log, start, 1))
            await first.aclose()
            slots = await eventually(lambda: _audits(log, start, 3), within=8)

    assert len(slots) == len(set(slots))
    assert [later - earlier for earlier, later in pairwise(slots)] == [every] * (len(slots) - 1)


async def test_a_replay_skips_no_slot_of_a_cron_and_a_slot_is_no_difference(house: Embedded, client: Client) -> None:
    """No commit tells of the next slot: it goes over from the schema before."""
    service = audited_every(timedelta(days=1))
    async with serving(house, service=service) as running:
        old = running.models.schema
        await eventually(lambda: _slot(house, old))
    late = datetime.now(UTC) - timedelta(days=2)
    async with stores(service, settings(house, "replay")) as opened:
        db = await asyncpg.connect(house.database_url(NAME), server_settings={"role": f"{NAME}_writer"})
        await db.execute(f"update {old}.due set at = $1 where key = 'cron:audit'", late)
        await db.close()
        name = opened.rebuild.new_name()
        await opened.rebuild.create(name)
        await opened.rebuild.fill(name)

        assert "due" not in await opened.rebuild.differences(old, name)
        await opened.rebuild.switch(name)

        assert await _slot(house, name) == late
        assert "due" not in await opened.rebuild.differences(name, old)
        db = await asyncpg.connect(house.database_url(NAME), server_settings={"role": f"{NAME}_writer"})
        await db.execute(f"delete from {name}.due where key = 'cron:audit'")  # of no concern to other tests
        await db.close()


async def _slot(house: Embedded, schema: str) -> datetime | None:
    db = await asyncpg.connect(house.database_url(NAME), server_settings={"role": f"{NAME}_reader"})
    try:
        at: datetime | None = await db.fetchval(f"select at from {schema}.due where key = 'cron:audit'")
        return at
    finally:
        await db.close()


async def _audits(log: JetStreamLog, start: int, count: int) -> list[datetime]:
    """The slots that were audited since, as soon as there are so many."""
    head = await log.head()
    commits: list[Commit] = []
    if head > start:
        async for batch in log.tail(start):
            commits += batch
            if commits[-1].sequence >= head:
                break
    hours = [event.hour for commit in commits for event in commit.events if isinstance(event, Audited)]
    return [datetime.fromisoformat(hour) for hour in hours] if len(hours) >= count else []
