"""From a member's player to every replica's decisions, to the room and to the stream: a gateway and two replicas."""

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from tests.e2e.client import Client, Frame
from tests.integration.events.conftest import house_in
from tests.integration.gateway.conftest import configured, guest
from tests.wait import eventually

from events.contracts import party
from events.messages import Key
from events.service import Replica, replica
from events.settings import ServiceSettings
from gateway import reports
from gateway.main import Running, gateway
from ops.embedded import Embedded
from parties import ambient, heard
from parties.ambient import Ambient
from parties.limits import Limits
from parties.main import service
from parties.rules import Rules

REPORT_SECONDS = 0.2


class Parties:
    """A replica of the real service and its ears."""

    def __init__(self, running: Replica, observer: Ambient) -> None:
        self.running = running
        self.observer = observer

    def knows(self, key: Key) -> dict[str, Any]:
        return dict(self.observer.ambient(key, time.time()))

    @property
    def leads(self) -> bool:
        return self.running.runner.leads

    def die(self) -> None:
        """It neither projects nor renews its lease any more."""
        self.running.tasks[0].cancel()


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Embedded]:
    yield from house_in(tmp_path_factory.mktemp("house"))


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything that waits for people waits for less."""
    monkeypatch.setattr(reports, "FLUSH_SECONDS", 0.1)
    monkeypatch.setattr(heard, "GONE_SECONDS", 1.5)
    monkeypatch.setattr(ambient, "SAMPLED_SECONDS", 1.0)
    monkeypatch.setattr(ambient, "SETTLING_SECONDS", 0.3)
    monkeypatch.setattr(ambient, "STALLED_SECONDS", 0.5)


@asynccontextmanager
async def parties(house: Embedded) -> AsyncIterator[Parties]:
    observer = Ambient()
    free = service(
        Rules(controls_per_second=0),
        Limits(rooms_per_hour=0, management_per_hour=0, key_tries=0, key_tries_per_party=0),
    )
    settings = ServiceSettings(
        nats_url=house.nats_url("parties"),
        database_url=house.database_url("parties"),
        master_key=house.keys.master_key,
        replica=f"parties-{secrets.token_hex(3)}",
    )
    async with replica(replace(free, observer=lambda: observer), settings) as running:
        yield Parties(running, observer)


@pytest.fixture
async def pair(house: Embedded) -> AsyncIterator[tuple[Parties, Parties]]:
    """The leader and the other one."""
    async with parties(house) as one:
        await eventually(lambda: one.leads)
        async with parties(house) as two:
            yield one, two


@pytest.fixture
async def door(house: Embedded) -> AsyncIterator[Running]:
    async with gateway(configured(house)) as running:
        yield running


class Player:
    """A member's client whose player is in sync but for what is set."""

    def __init__(self, client: Client, party_id: str) -> None:
        self.client = client
        self.party_id = party_id
        self.anchor: tuple[bool, float, float] = (False, 0.0, 0.0)
        self.fields: dict[str, Any] = {}
        self.drift = 0.0
        self._reporting = asyncio.create_task(self._report_again_and_again())

    @property
    def uid(self) -> str:
        return self.client.user

    def stop(self) -> None:
        self._reporting.cancel()

    def at(self, now: float) -> float:
        playing, position, since = self.anchor
        return max(position + self.drift + (max(now - since, 0.0) if playing else 0.0), 0.0)

    async def report(self) -> None:
        now = time.time()
        fields = {"position": self.at(now), "at": now * 1000, "playing": self.anchor[0], "rtt": 0.02, **self.fields}
        await self.client.call("party.report", party_id=self.party_id, **fields)

    async def _report_again_and_again(self) -> None:
        while True:
            await self.report()
            await asyncio.sleep(REPORT_SECONDS)

    async def event(self, kind: str) -> Frame:
        """Wait for it, and play as the party does from then on."""
        frame = await self.client.expect(op="event", type=kind, within=20)
        self.follow(frame)
        return frame

    def follow(self, frame: Frame) -> None:
        if "position" in frame["data"]:
            at = datetime.fromisoformat(frame["data"]["at"]).timestamp()
            self.anchor = frame["type"] == "party.played", frame["data"]["position"], at

    async def told(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """A sync message that says so."""
        frame = await self.client.take(
            lambda frame: frame["op"] == "message" and frame["event"] == "sync" and wanted(frame["data"]), within=20
        )
        assert (frame["channel"], frame["from"]) == (f"party:{self.party_id}", "system:parties")
        return dict(frame["data"])


class Evening:
    """A party with its people."""

    def __init__(self, door: Running, stack: AsyncExitStack) -> None:
        self._door = door
        self._stack = stack
        self.party_id = ""

    @property
    def key(self) -> Key:
        return party.CHANNEL.key(self.party_id)

    async def guest(self, name: str) -> Client:
        client = await Client.connect(self._door.ws, await guest(self._door, name))
        await self._stack.enter_async_context(client)
        return client

    async def player(self, name: str, **configuration: Any) -> Player:
        """The first one opens the party, the others join it; all of them follow and report."""
        client = await self.guest(name)
        if self.party_id:
            await client.call("party.join", party_id=self.party_id)
        else:
            opened = await client.call("party.open", title="Film night", media="tt0111161")
            self.party_id = opened["value"]["party_id"]
            if configuration:
                await client.call("party.configure", party_id=self.party_id, **configuration)
        await client.ask("follow", channel=f"party:{self.party_id}")
        player = Player(client, self.party_id)
        self._stack.callback(player.stop)
        return player


@pytest.fixture
async def evening(door: Running) -> AsyncIterator[Evening]:
    async with AsyncExitStack() as stack:
        yield Evening(door, stack)


Pair = tuple[Parties, Parties]


async def all_know(pair: Pair, key: Key, wanted: Callable[[dict[str, Any]], bool]) -> None:
    await eventually(lambda: all(wanted(each.knows(key)) for each in pair), within=10)


async def test_what_members_report_is_in_the_next_decision_of_every_replica(pair: Pair, evening: Evening) -> None:
    ada, ben = await evening.player("Ada"), await evening.player("Ben")
    ben.fields = {"rtt": 0.8}
    both = {ada.uid, ben.uid}
    await all_know(pair, evening.key, lambda known: known == {"lead": 0.65, "present": both})
    leads = []
    for number in range(8):
        await ada.client.call("party.seek", party_id=evening.party_id, position=100.0 * number + 50)
        frame = await ada.event("party.sought")
        said = datetime.fromisoformat(frame["at"])
        leads.append((datetime.fromisoformat(frame["data"]["at"]) - said).total_seconds())
    assert leads == [pytest.approx(0.65, abs=0.001)] * 8


async def test_members_are_told_how_everybody_is_in_sync(pair: Pair, evening: Evening) -> None:
    ada, ben = await evening.player("Ada"), await evening.player("Ben")
    await ada.client.call("party.play", party_id=evening.party_id, position=60.0)
    await asyncio.gather(ada.event("party.played"), ben.event("party.played"))
    ben.drift = -0.8

    data = await ada.told(lambda data: _drift(data, ben.uid) < -0.7)

    assert (data["members"][ben.uid][1:], data["present"], data["in_sync"]) == (["in-sync", 20], 2, 2)
    assert data["members"][ben.uid][0] == pytest.approx(-0.8, abs=0.05)
    assert data["reference"] == pytest.approx(ada.at(data["at"] / 1000), abs=0.05)
    ben.drift = 7.0
    data = await ben.told(lambda data: _drift(data, ben.uid) > 6.0)
    assert (data["members"][ben.uid][1], data["in_sync"]) == ("ahead", 1)


def _drift(data: dict[str, Any], uid: str) -> float:
    return float((data["members"].get(uid) or [0.0])[0] or 0.0)


async def test_a_host_who_vanishes_is_missed_and_succeeded(pair: Pair, evening: Evening) -> None:
    ada = await evening.player("Ada", grace_seconds=2)
    ben = await evening.player("Ben")
    await all_know(pair, evening.key, lambda known: known["present"] == {ada.uid, ben.uid})
    gone_at = time.time()
    ada.stop()
    await ada.client.vanish()

    missed = await ben.event("party.host-missed")
    assert missed["data"]["uid"] == ada.uid
    assert datetime.fromisoformat(missed["data"]["since"]).timestamp() == pytest.approx(gone_at, abs=3)
    changed = await ben.event("party.host-changed")
    assert (changed["data"]["uid"], changed["data"]["reason"]) == (ben.uid, "host-gone")
    until = datetime.fromisoformat(missed["data"]["until"])
    assert datetime.fromisoformat(changed["at"]) >= until


async def test_a_host_who_comes_back_in_time_stays_host(pair: Pair, evening: Evening) -> None:
    ada = await evening.player("Ada", grace_seconds=600)
    ben = await evening.player("Ben")
    await ben.told(lambda data: data["present"] == 2)
    ada.stop()
    await ben.event("party.host-missed")
    await ada.report()
    assert (await ben.event("party.host-returned"))["data"]["uid"] == ada.uid


async def test_a_host_whose_player_stalls_is_waited_for_until_it_can_go_on(pair: Pair, evening: Evening) -> None:
    ada, ben = await evening.player("Ada"), await evening.player("Ben")
    # Who has never kept up would not be waited for.
    await ben.told(lambda data: data["in_sync"] == 2)
    await ada.client.call("party.play", party_id=evening.party_id, position=60.0)
    await asyncio.gather(ada.event("party.played"), ben.event("party.played"))
    ada.fields = {"buffering": True}

    held = await ben.event("party.held")
    assert (held["data"]["why"], held["data"]["waits_for"]) == ("stalled", [ada.uid])
    ada.follow(held)
    ada.fields = {}
    played = await ben.event("party.played")
    assert played["data"]["by"] == "system:parties"
    assert played["data"]["position"] == held["data"]["position"]


async def test_samples_are_kept_through_a_restart(house: Embedded, door: Running, evening: Evening) -> None:
    async with parties(house) as one:
        ada = await evening.player("Ada")
        await ada.client.call("party.play", party_id=evening.party_id, position=60.0)
        await ada.event("party.played")
        before = await eventually(lambda: _samples(one, evening.key), within=15)
    async with parties(house) as two:
        after = await _samples(two, evening.key)
        assert after[: len(before)] == before
        assert set(after[0].members) == {ada.uid}

        async def shown() -> bool:
            asked = await ada.client.call("party.members", party_id=evening.party_id)
            return asked["value"]["members"][0]["sync"] is not None

        await eventually(shown, within=15)


async def _samples(of: Parties, key: Key) -> list[party.Sampled]:
    heartbeats = of.running.stores.heartbeats
    assert heartbeats is not None
    found: list[party.Sampled] = []
    end = await heartbeats.head()
    if end:
        async with asyncio.timeout(5):
            async for commits in heartbeats.tail(0):
                found += [e for c in commits if c.key == key for e in c.events if isinstance(e, party.Sampled)]
                if commits[-1].sequence >= end:
                    break
    return found


async def test_when_the_leader_is_killed_the_other_one_concludes(pair: Pair, evening: Evening) -> None:
    one, two = pair
    ada, ben = await evening.player("Ada"), await evening.player("Ben")
    await ada.told(lambda data: data["present"] == 2)
    one.die()
    await eventually(lambda: two.leads and not one.leads, within=10)
    ada.drift = 30.0
    data = await ben.told(lambda data: _drift(data, ada.uid) > 20.0)
    assert data["present"] == 2


async def test_a_gateway_that_is_killed_leaves_nobody_behind(
    house: Embedded, pair: Pair, evening: Evening, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody who was only following there is taken to be there for longer than a listing holds."""
    monkeypatch.setattr(heard, "LISTED_SECONDS", 3.0)
    ben = await evening.player("Ben")
    stack = AsyncExitStack()
    async with stack:
        other = await stack.enter_async_context(gateway(configured(house, replica="gateway-two")))
        cyd = await Client.connect(other.ws, await guest(other, "Cyd"))
        await cyd.call("party.join", party_id=evening.party_id)
        await cyd.ask("follow", channel=f"party:{evening.party_id}")
        await all_know(pair, evening.key, lambda known: known["present"] == {ben.uid, cyd.user})
        with contextlib.suppress(Exception):
            for task in other.tasks:
                task.cancel()
            await other.bus.close()  # not a word more comes from it
        await all_know(pair, evening.key, lambda known: known["present"] == {ben.uid})
        await cyd.close()
