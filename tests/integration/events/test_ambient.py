"""Reports reach every replica and every decision there; the leading replica alone concludes, and others take over."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, ClassVar

import msgspec
import pytest
from structlog.testing import capture_logs
from tests.ledger import CONTRACTS, NAME, SERVICE, Client, Deposit, Open, account, serving
from tests.wait import eventually

from events import ambient
from events.ambient import Batch, Cast, Concluding, Conclusions, Hearing, Sampling, Told
from events.bus import Bus, Msg
from events.jetstream import JetStreamTelemetry
from events.messages import Event, Id, Key, Report
from events.service import Replica
from ops.embedded import Embedded


class Reading(Report, frozen=True):
    """Somebody looked at an account."""

    function: ClassVar[str] = "account.report"
    channel: ClassVar[str] = "account"
    account_id: Id
    count: int = 1

    def channel_id(self) -> str:
        return self.account_id


class Noted(Event, frozen=True, tag="account.noted"):
    telemetry: ClassVar[bool] = True
    readers: int
    at: datetime


class Teller:
    """Pays one coin for each batch that speaks of an account, tells the room, and makes a note."""

    def __init__(self) -> None:
        self.heard: list[Batch[Reading]] = []
        self.unpaid: set[str] = set()
        self.looked_at: list[Collection[Key]] = []
        self.trouble: Exception | None = None

    def hear(self, batch: Batch[Reading], now: float) -> None:
        assert abs(now - time.time()) < 60
        self.heard.append(batch)
        self.unpaid |= batch.channels.keys()

    def ambient(self, key: Key, now: float) -> Mapping[str, Any]:
        return {"readers": sum(len(self.readers(batch, key)) for batch in self.heard)}

    def active(self, now: float) -> list[Key]:
        return [account(id) for id in sorted(self.unpaid)]

    def conclude(self, states: Mapping[Key, Any], now: float) -> Conclusions:
        self.looked_at.append(list(states))
        if self.trouble is not None:
            trouble, self.trouble = self.trouble, None
            raise trouble
        ids = [key.id for key, state in states.items() if state.owner]
        self.unpaid -= set(ids)
        noted = Noted(readers=len(ids), at=datetime.now(UTC))
        return Conclusions(
            [Deposit(account_id=id, amount=1) for id in ids],
            [Cast("party", id, "paid", {"coins": 1}) for id in ids],
            [Sampling(account(id), noted) for id in ids],
        )

    @staticmethod
    def readers(batch: Batch[Reading], key: Key) -> Mapping[str, Reading]:
        return batch.channels[key.id].reports if key.id in batch.channels else {}


READ = SimpleNamespace(**{**vars(CONTRACTS), "REPORTS": (Reading,), "EVENTS": (*CONTRACTS.EVENTS, Noted)})


@asynccontextmanager
async def listening(house: Embedded, name: str = "") -> AsyncIterator[tuple[Replica, Teller]]:
    teller = Teller()
    service = replace(SERVICE, contracts=READ, observer=lambda: teller)
    async with serving(house, name, service) as running:
        yield running, teller


class Gateway:
    """Says what gateways say."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus

    async def tell(self, *ids: str, uid: str = "ana", **fields: Any) -> None:
        channels = {id: Told({uid: Reading(account_id=id, **fields)}) for id in ids}
        await self.say(msgspec.json.encode(Batch("g1", time.time(), channels)))

    async def say(self, body: bytes) -> None:
        await self.bus.publish(ambient.subject(NAME, "g1"), body)


@pytest.fixture
def gateway(client: Client) -> Gateway:
    return Gateway(client.bus)


@pytest.fixture
async def opened(client: Client) -> Callable[[], Awaitable[str]]:
    async def open_one() -> str:
        id = secrets.token_hex(6)
        await client.call(Open(account_id=id))
        return id

    return open_one


Opening = Callable[[], Awaitable[str]]


async def balance(running: Replica, id: str) -> int:
    return int((await running.aggregates.state(account(id))).balance)


async def pays(gateway: Gateway, running: Replica, id: str, coins: int) -> None:
    await gateway.tell(id)

    async def paid() -> bool:
        return await balance(running, id) == coins

    await eventually(paid, within=10)


async def test_every_replica_hears_and_tells_its_decisions(house: Embedded, gateway: Gateway, opened: Opening) -> None:
    async with listening(house) as (_, one), listening(house) as (_, two):
        id = await opened()
        await gateway.tell(id, count=3)
        await eventually(lambda: one.heard and two.heard)
        for teller in (one, two):
            assert teller.heard[-1].channels[id].reports == {"ana": Reading(account_id=id, count=3)}
            assert teller.ambient(account(id), 0.0) == {"readers": 1}


async def test_the_leader_concludes_and_a_repetition_within_a_second_is_the_same_command(
    house: Embedded, gateway: Gateway, opened: Opening
) -> None:
    async with listening(house) as (running, teller):
        id = await opened()
        await pays(gateway, running, id, 1)
        hearing = Hearing(NAME, Reading, teller, running.stores.bus)
        concluding = [
            Concluding(hearing, running.aggregates.state, None, running.stores.vault, lambda: True) for _ in range(2)
        ]

        async def twice_within_one_second() -> bool:
            before, second = await balance(running, id), int(time.time())
            for each in concluding:
                await each._send(Deposit(account_id=id, amount=1), datetime.now(UTC))
            if int(time.time()) != second:
                return False
            assert await balance(running, id) == before + 1
            return True

        await eventually(twice_within_one_second)


async def test_of_two_replicas_one_concludes_and_when_it_dies_the_other_does(
    house: Embedded, gateway: Gateway, opened: Opening
) -> None:
    async with AsyncExitStack() as stack:
        first, one = await stack.enter_async_context(listening(house))
        await eventually(lambda: first.runner.leads)
        second, two = await stack.enter_async_context(listening(house))
        id = await opened()
        await pays(gateway, second, id, 1)
        assert one.looked_at
        assert not two.looked_at
        assert not second.runner.leads

        first.tasks[0].cancel()  # it neither projects nor renews its lease any more

        async def paid_again() -> bool:
            """The other one has heard the batch as well, and begins with what it knows."""
            return await balance(second, id) >= 2

        await eventually(paid_again, within=10)
        assert two.looked_at
        assert second.runner.leads
        assert not first.runner.leads


async def test_a_leader_that_stops_leads_no_longer(house: Embedded) -> None:
    async with listening(house) as (running, _):
        await eventually(lambda: running.runner.leads)
    assert not running.runner.leads


async def test_casts_reach_the_room_and_samples_the_stream(house: Embedded, gateway: Gateway, opened: Opening) -> None:
    heard: list[bytes] = []

    async def on_cast(msg: Msg) -> None:
        heard.append(msg.data)

    async with listening(house) as (running, _):
        id = await opened()
        await gateway.bus.subscribe(f"cast.party.{id}", on_cast)
        assert isinstance(running.stores.heartbeats, JetStreamTelemetry)
        before = await running.stores.heartbeats.head()
        await pays(gateway, running, id, 1)
        await eventually(lambda: heard)
        assert msgspec.json.decode(heard[0]) == {
            "op": "message",
            "channel": f"party:{id}",
            "event": "paid",
            "from": "system:parties",
            "data": {"coins": 1},
        }
        async with asyncio.timeout(5):
            async for batch in running.stores.heartbeats.tail(before):
                assert (batch[0].key, [type(event) for event in batch[0].events]) == (account(id), [Noted])
                break


GARBAGE = [
    b"",
    b"{",
    b"\xff\xfe",
    b"[]",
    b'{"gateway":"g1","at":1.0}',
    b'{"gateway":"g1","at":1.0,"channels":{"x":7}}',
    b'{"gateway":"g1","at":1.0,"channels":{"x":{"seen":[7]}}}',
    b"[" * 5_000,
]


@pytest.mark.parametrize("body", GARBAGE)
async def test_what_is_no_batch_is_dropped_with_a_line(house: Embedded, gateway: Gateway, body: bytes) -> None:
    async with listening(house) as (_, teller):
        with capture_logs() as logs:
            await gateway.say(body)
            await gateway.tell("after")
            await eventually(lambda: teller.heard)
        assert [list(batch.channels) for batch in teller.heard] == [["after"]]
        dropped = [entry for entry in logs if entry["event"] == "batch dropped"]
        assert [set(entry) for entry in dropped] == [{"event", "log_level", "subject", "reason"}]


async def test_one_bad_report_silences_no_other(house: Embedded, gateway: Gateway) -> None:
    reports = {
        "ana": {"account_id": "x", "count": 2},
        "bob": {"account_id": "x", "count": "many"},
        "cyd": {"count": 1},
        "dan": ["x"],
        "eve": {"account_id": "x", "count": 5, "of_a_newer_gateway": True},
    }
    channels = {"x": {"reports": reports, "seen": ["ana", "fay"], "count": 9}, "y": {"seen": None}}
    async with listening(house) as (_, teller):
        with capture_logs() as logs:
            await gateway.say(msgspec.json.encode({"gateway": "g1", "at": 1.0, "channels": channels}))
            await eventually(lambda: teller.heard)
        (batch,) = teller.heard
        assert batch.channels["x"].reports == {
            "ana": Reading(account_id="x", count=2),
            "eve": Reading(account_id="x", count=5),
        }
        assert (batch.channels["x"].seen, batch.channels["y"].seen) == (["ana", "fay"], None)
        assert (batch.channels["x"].count, batch.channels["y"].count) == (9, 0)
        assert [entry["reports"] for entry in logs if entry["event"] == "reports dropped"] == [3]
        assert "many" not in str(logs)


async def test_a_state_that_cannot_be_read_holds_up_no_other(
    house: Embedded, gateway: Gateway, opened: Opening
) -> None:
    async with listening(house) as (running, teller):
        good = await opened()

        async def state(key: Key) -> Any:
            if key.id == "bad":
                raise ValueError("not today")
            return await running.aggregates.state(key)

        teller.unpaid = {"bad", good}
        hearing = Hearing(NAME, Reading, teller, running.stores.bus)
        concluding = Concluding(hearing, state, running.stores.heartbeats, running.stores.vault, lambda: True)
        with capture_logs() as logs:
            await concluding.conclude()
        assert await balance(running, good) >= 1
        assert [entry["count"] for entry in logs if entry["event"] == "not concluded"] == [1]


async def test_an_observer_that_fails_is_asked_again(house: Embedded, gateway: Gateway, opened: Opening) -> None:
    async with listening(house) as (running, teller):
        id = await opened()
        teller.trouble = ValueError("not today")
        await pays(gateway, running, id, 1)
        assert teller.trouble is None


async def test_what_is_refused_or_lost_is_no_failure(house: Embedded, gateway: Gateway, opened: Opening) -> None:
    async with listening(house) as (running, teller):
        hearing = Hearing(NAME, Reading, teller, running.stores.bus)
        concluding = Concluding(hearing, running.aggregates.state, None, running.stores.vault, lambda: True)
        with capture_logs() as logs:
            await concluding._send(Deposit(account_id="nobody's", amount=1), datetime.now(UTC))
        assert logs == []


async def test_many_take_turns(house: Embedded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ambient, "LOOKED_AT", 3)
    async with listening(house) as (running, teller):
        teller.unpaid = {f"unopened-{n}" for n in range(8)}
        hearing = Hearing(NAME, Reading, teller, running.stores.bus)
        concluding = Concluding(hearing, running.aggregates.state, None, running.stores.vault, lambda: True)
        for _ in range(3):
            await concluding.conclude()
        mine = [keys for keys in teller.looked_at if keys]
        assert {key for keys in mine for key in keys} == set(teller.active(0.0))
        assert all(len(keys) == 3 for keys in mine)
