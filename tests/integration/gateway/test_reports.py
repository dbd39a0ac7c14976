"""Reports on a real bus: whose are taken, what reaches the service, and what a service is told of who follows."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import msgspec
import pytest
import pytest_asyncio
from prometheus_client import REGISTRY
from tests.e2e.client import Client, Refused
from tests.integration.gateway.conftest import Connect, Gateways, guest
from tests.integration.gateway.peer import Peer
from tests.wait import eventually

from events.ambient import Batch
from events.bus import Bus, Msg
from events.contracts.party import SyncReport
from gateway import limits
from gateway import reports as reporting
from gateway.main import Running
from ops.embedded import Embedded


class Ears:
    """What the service hears."""

    def __init__(self) -> None:
        self.batches: list[Batch[SyncReport]] = []

    async def on_batch(self, msg: Msg) -> None:
        assert len(msg.data) <= limits.BATCH_BYTES
        self.batches.append(msgspec.json.decode(msg.data, type=Batch[SyncReport]))

    def reports(self, room: str) -> list[tuple[str, SyncReport]]:
        told = [batch.channels[room] for batch in self.batches if room in batch.channels]
        return [reported for each in told for reported in each.reports.items()]

    def newest(self, room: str) -> dict[str, float]:
        return {uid: report.position for uid, report in self.reports(room)}

    def seen(self, room: str) -> list[list[str]]:
        told = [batch.channels[room].seen for batch in self.batches if room in batch.channels]
        return [sorted(people) for people in told if people is not None]

    def counts(self, room: str) -> list[tuple[list[str] | None, int]]:
        told = [batch.channels[room] for batch in self.batches if room in batch.channels]
        return [(each.seen, each.count) for each in told] or [(None, 0)]


@pytest_asyncio.fixture
async def ears(servers: Embedded) -> AsyncIterator[Ears]:
    bus = await Bus.connect(servers.nats_url("parties"), "parties")
    ears = Ears()
    await bus.subscribe("ambient.parties.*", ears.on_batch)
    await bus.api("STREAM.INFO.EV_PARTIES")  # the subscription has arrived
    yield ears
    await bus.close()


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reporting, "FLUSH_SECONDS", 0.1)


def about(room: str, position: float = 1.0, **fields: Any) -> dict[str, Any]:
    return {"party_id": room, "position": position, "at": 1_767_384_900_000.0, **fields}


async def refused(client: Client, fn: str = "party.report", **args: Any) -> dict[str, Any]:
    with pytest.raises(Refused) as caught:
        await client.call(fn, **args)
    return caught.value.error


async def test_a_report_reaches_the_service_within_its_channel_and_under_its_senders_id(
    running: Running, peer: Peer, connect: Connect, ears: Ears
) -> None:
    room = peer.room()
    ada = await connect(running)
    await ada.ask("follow", channel=f"party:{room}")

    answer = await ada.call("party.report", **about(room, 12.5, buffering=True, rtt=0.08, stalls=3))

    assert {**answer, "id": 0} == {"op": "result", "id": 0, "value": None, "position": None}
    ((uid, heard),) = await eventually(lambda: ears.reports(room))
    assert uid == ada.user
    assert heard == SyncReport(**about(room, 12.5, buffering=True, rtt=0.08, stalls=3))
    assert peer.asked == []


async def test_the_newest_of_many_is_handed_on(
    running: Running, peer: Peer, connect: Connect, ears: Ears, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reporting, "FLUSH_SECONDS", 0.5)
    room = peer.room()
    ada, ben = await connect(running, "Ada"), await connect(running, "Ben")
    for client in (ada, ben):
        await client.ask("follow", channel=f"party:{room}")
    for number in range(200):
        await ada.call("party.report", **about(room, float(number)))
    await ben.call("party.report", **about(room, 7.0))

    await eventually(lambda: ears.newest(room) == {ada.user: 199.0, ben.user: 7.0})
    assert len(ears.reports(room)) < 20


async def test_who_does_not_follow_is_asked_for_once_in_a_while(
    running: Running, peer: Peer, connect: Connect, ears: Ears
) -> None:
    room = peer.room()
    ada = await connect(running)
    for number in range(5):
        await ada.call("party.report", **about(room, float(number)))
    assert [uid for uid, _ in peer.grants] == [ada.user]
    await eventually(lambda: ears.newest(room) == {ada.user: 4.0})
    assert ears.seen(room) == []


async def test_reports_by_http(running: Running, peer: Peer, ears: Ears) -> None:
    room, token = peer.room(), await guest(running)
    headers = {"Authorization": f"Bearer {token}"}
    async with aiohttp.ClientSession(running.http, headers=headers) as http:
        async with http.post("/v1/call/party.report", json=about(room, 3.0)) as answer:
            assert (answer.status, await answer.json()) == (200, {"value": None, "position": None})
        async with http.post("/v1/call/party.report", json=about("elsewhere")) as answer:
            assert (answer.status, (await answer.json())["code"]) == (404, "no-such-party")
        async with http.post("/v1/call/party.report", json=about(room, -1.0)) as answer:
            assert (answer.status, (await answer.json())["details"]["field"]) == (422, "position")
        async with http.get("/v1/call/party.report", params={"party_id": room}) as answer:
            assert (answer.status, answer.headers["Allow"]) == (405, "POST")
        async with http.get("/v1/watch/party.report") as answer:
            assert answer.status == 405
        async with http.post("/v1/call/party.report", json=about(room), headers={"Authorization": ""}) as answer:
            assert (answer.status, (await answer.json())["code"]) == (401, "not-signed-in")
    await eventually(lambda: list(ears.newest(room).values()) == [3.0])


@pytest.mark.parametrize(
    ("args", "field"),
    [
        ({"position": 1.0, "at": 1.0}, "party_id"),
        ({**about("x"), "party_id": 7}, "party_id"),
        ({**about("x"), "party_id": "x" * 129}, "party_id"),
        ({**about("x"), "position": "here"}, "position"),
        ({**about("x"), "position": 1e9}, "position"),
        ({**about("x"), "at": -1}, "at"),
        ({**about("x"), "rtt": 61}, "rtt"),
        ({**about("x"), "mood": "fine"}, "mood"),
    ],
)
async def test_what_is_wrong_with_a_report_is_told(
    running: Running, connect: Connect, args: dict[str, Any], field: str
) -> None:
    error = await refused(await connect(running), **args)
    assert (error["code"], error["details"]["field"]) == ("invalid-argument", field)


async def test_who_may_not_be_present_may_not_report(
    running: Running, peer: Peer, connect: Connect, ears: Ears
) -> None:
    public, private = peer.room(may=("follow",)), peer.room(members=set())
    ada = await connect(running)
    await ada.ask("follow", channel=f"party:{public}")

    assert (await refused(ada, **about(public)))["code"] == "not-allowed"
    assert (await refused(ada, **about(private)))["code"] == "not-a-member"
    assert (await refused(ada, **about(secrets.token_hex(8))))["code"] == "no-such-party"
    nobody = await connect(running, None)
    assert (await refused(nobody, **about(public)))["code"] == "not-signed-in"

    peer.rooms[public].may = ("follow", "track", "send")
    await ada.call("party.report", **about(public, 2.0))
    await eventually(lambda: ears.newest(public) == {ada.user: 2.0})
    assert ears.reports(private) == []


async def test_a_report_cannot_be_watched(running: Running, connect: Connect) -> None:
    ada = await connect(running)
    with pytest.raises(Refused, match="not-a-query"):
        await ada.ask("watch", fn="party.report", args=about("x"))


async def test_who_follows_is_told_when_it_changes_and_now_and_then(
    running: Running, peer: Peer, connect: Connect, ears: Ears, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = peer.room()
    ada, ben = await connect(running, "Ada"), await connect(running, "Ben")
    await ada.ask("follow", channel=f"party:{room}")
    await eventually(lambda: ears.seen(room) == [[ada.user]])
    await ben.ask("follow", channel=f"party:{room}")
    both = sorted([ada.user, ben.user])
    await eventually(lambda: ears.seen(room) == [[ada.user], both])

    monkeypatch.setattr(reporting, "SEEN_SECONDS", 0.2)
    await eventually(lambda: ears.seen(room)[2:5] == [both, both, both])
    await ada.ask("unfollow", channel=f"party:{room}")
    await eventually(lambda: ears.seen(room)[-1] == [ben.user])
    await ben.close()
    await eventually(lambda: ears.seen(room)[-1] == [])
    told = len(ears.seen(room))
    before = len(ears.batches)
    other = peer.room()
    carl = await connect(running, "Carl")
    await carl.ask("follow", channel=f"party:{other}")
    await eventually(lambda: len(ears.batches) > before + 3)
    assert len(ears.seen(room)) == told


async def test_a_crowd_is_told_as_a_number_and_some_names(
    running: Running, peer: Peer, connect: Connect, ears: Ears, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "SEEN", 2)
    room = peer.room()
    clients = [await connect(running, name) for name in ("Ada", "Ben", "Carl")]
    for client in clients:
        await client.ask("follow", channel=f"party:{room}")
    named = sorted(client.user for client in clients)[:2]
    await eventually(lambda: ears.counts(room)[-1] == (named, 3))
    await clients[0].ask("unfollow", channel=f"party:{room}")
    await eventually(lambda: ears.counts(room)[-1][1] == 0)


async def test_one_batch_for_all_channels(
    running: Running, peer: Peer, connect: Connect, ears: Ears, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reporting, "FLUSH_SECONDS", 0.5)
    rooms = [peer.room() for _ in range(20)]
    ada = await connect(running)
    for room in rooms:
        await ada.ask("follow", channel=f"party:{room}")
    await eventually(lambda: all(ears.seen(room) for room in rooms))
    ears.batches.clear()
    for room in rooms:
        await ada.call("party.report", **about(room))
    await eventually(lambda: all(ears.reports(room) for room in rooms))
    assert sum(1 for batch in ears.batches if any(told.reports for told in batch.channels.values())) <= 3


async def test_a_gateway_that_stops_says_that_nobody_follows_there(
    another: Gateways, peer: Peer, connect: Connect, ears: Ears
) -> None:
    room = peer.room()
    async with another(replica="gateway-two") as running:
        ada = await connect(running)
        await ada.ask("follow", channel=f"party:{room}")
        await eventually(lambda: ears.seen(room) == [[ada.user]])
    await eventually(lambda: ears.seen(room)[-1] == [])


async def test_reports_go_on_after_the_bus_was_away(
    own_servers: Embedded, another: Gateways, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    bus = await Bus.connect(own_servers.nats_url(), "ops")
    peer, ears = Peer(bus), Ears()
    await peer.start()
    await bus.subscribe("ambient.parties.*", ears.on_batch)
    room = peer.room()
    async with another(nats_url=own_servers.nats_url("gateway")) as running:
        ada = await connect(running)
        await ada.ask("follow", channel=f"party:{room}")
        await eventually(lambda: ears.seen(room))
        ears.batches.clear()
        await asyncio.to_thread(own_servers.nats.stop)
        await asyncio.to_thread(own_servers.nats.restart)

        async def heard_again() -> bool:
            await ada.call("party.report", **about(room, 5.0))
            return bool(ears.reports(room) and ears.seen(room))

        await eventually(heard_again, within=15)
    await bus.close()


async def test_more_reporters_than_a_gateway_takes_are_told_to_wait(
    running: Running, peer: Peer, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "REPORTERS", 1)
    room = peer.room()
    ada, ben = await connect(running, "Ada"), await connect(running, "Ben")
    for client in (ada, ben):
        await client.ask("follow", channel=f"party:{room}")

    async def too_many() -> dict[str, Any] | None:
        """Between two moments at which they are handed on."""
        try:
            for client in (ada, ada, ben):
                await client.call("party.report", **about(room))
        except Refused as caught:
            return caught.error
        return None

    error = await eventually(too_many)
    assert error is not None
    assert (error["code"], error["status"], "retry_after" in error["details"]) == ("rate-limited", 429, True)


async def test_reports_are_counted(running: Running, peer: Peer, connect: Connect, ears: Ears) -> None:
    def value(name: str) -> float:
        return REGISTRY.get_sample_value(f"matinee_gateway_{name}_total") or 0.0

    names = ("reports", "report_batches", "report_bytes")
    before = {name: value(name) for name in names}
    room = peer.room()
    ada = await connect(running)
    await ada.ask("follow", channel=f"party:{room}")
    await ada.call("party.report", **about(room))
    await eventually(lambda: ears.reports(room))
    assert all(value(name) > before[name] for name in names)
