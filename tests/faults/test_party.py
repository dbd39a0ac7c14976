"""A party through what happens to its people's networks, gateways and the service itself: one state in the end.

Times are a sixth of what a party has by default (two minutes of grace for its host, a network gone for one and for
three); MATINEE_FAULTS_SLOWLY=1 takes the real ones.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import datetime

import pytest
from tests.faults.viewer import Viewer
from tests.faults.wire import wire_to
from tests.system import System, system_over
from tests.wait import eventually

from ops.ports import free_port

SLOWLY = bool(os.environ.get("MATINEE_FAULTS_SLOWLY"))
GRACE, SHORT, LONG = (120, 60, 180) if SLOWLY else (20, 13, 30)
"""Seconds. Who is not heard for ten counts as gone, so the short cut is seen, and ends in time."""
NOTICED = 30.0


@pytest.fixture(scope="module")
def party_system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    with system_over(tmp_path_factory.mktemp("party"), MATINEE_CONTROLS_PER_SECOND="0") as system:
        yield system


@asynccontextmanager
async def second_gateway(system: System) -> AsyncIterator[tuple[str, "subprocess.Popen[bytes]"]]:
    """Another gateway of the same Matinee, which a test may kill."""
    port = free_port()
    environment = os.environ | system.environment("gateway") | {"MATINEE_PORT": str(port), "MATINEE_REPLICA": "second"}
    child = subprocess.Popen(  # noqa: ASYNC220  # starting takes a moment, and nothing else goes on
        [sys.executable, "-m", "gateway"], env=environment, stderr=subprocess.DEVNULL
    )
    try:
        second = System(system.folder, port, child, system.output)
        await eventually(lambda: asyncio.to_thread(second.ready), within=30)
        yield second.ws, child
    finally:
        child.kill()
        child.wait()


@asynccontextmanager
async def party_of(host: Viewer, *members: Viewer) -> AsyncIterator[str]:
    """A party that plays, with everybody there and heard."""
    opened = await host.call("party.open", title="Friday", media="tt0133093")
    party_id: str = opened["party_id"]
    await host.call("party.configure", party_id=party_id, grace_seconds=GRACE)
    try:
        await host.sit_down(party_id)
        for member in members:
            await member.call("party.join", party_id=party_id)
            await member.sit_down(party_id)
        await host.call("party.play", party_id=party_id, position=100)
        for viewer in (host, *members):
            await sees(viewer, "party.played")
        yield party_id
    finally:
        for viewer in (host, *members):
            await viewer.leave()


async def all_agree(party_id: str, *viewers: Viewer) -> None:
    """Everybody's last anchor is the party's own, and everybody saw the same, without a gap."""

    async def agreed() -> bool:
        state = await viewers[0].call("party.state", party_id=party_id)
        truth = state["playing"], state["position"], datetime.fromisoformat(state["at"])
        for viewer in viewers:
            playing, position, at = viewer.anchor
            assert (playing, position, datetime.fromisoformat(at)) == truth, viewer.name
        longest = max((viewer.events for viewer in viewers), key=len)
        for viewer in viewers:
            assert viewer.complete
            assert viewer.events == longest[-len(viewer.events) :]
        return True

    await eventually(agreed, within=10)


async def told(viewer: Viewer, party_id: str) -> list[str]:
    """The timeline, earliest first."""
    timeline = await viewer.call("party.timeline", party_id=party_id)
    return [line["type"] for line in reversed(timeline["happened"])]


@pytest.mark.timeout(120)
async def test_the_gateway_of_the_host_is_killed(party_system: System) -> None:
    async with second_gateway(party_system) as (second, child):
        ana = await Viewer.of(party_system.http, "Ana", second, party_system.ws)
        ben = await Viewer.of(party_system.http, "Ben", party_system.ws)
        async with party_of(ana, ben) as party_id:
            child.send_signal(signal.SIGKILL)
            await ana.call("party.seek", party_id=party_id, position=500)
            await sees(ben, "party.sought")
            await sees(ana, "party.sought")

            await all_agree(party_id, ben, ana)
            assert (await ben.call("party.state", party_id=party_id))["host"] == ana.uid
            assert (await told(ben, party_id))[-2:] == ["party.played", "party.sought"]


@pytest.mark.timeout(900)
async def test_the_network_of_the_host_is_gone_for_less_and_for_longer_than_the_grace(party_system: System) -> None:
    async with wire_to(party_system.port) as wire:
        ana = await Viewer.of(party_system.http, "Ana", wire.ws)
        ben = await Viewer.of(party_system.http, "Ben", party_system.ws)
        async with party_of(ana, ben) as party_id:
            wire.cut()
            await sees(ben, "party.host-missed")
            await at_least(SHORT - 10)
            wire.mend()
            await sees(ben, "party.host-returned")
            assert (await ben.call("party.state", party_id=party_id))["host"] == ana.uid

            wire.cut()
            await sees(ben, "party.host-changed", within=LONG)
            state = await ben.call("party.state", party_id=party_id)
            assert (state["host"], state["playing"]) == (ben.uid, True)
            await ben.call("party.seek", party_id=party_id, position=700)
            await at_least(LONG - GRACE)
            wire.mend()

            await sees(ana, "party.sought")
            await all_agree(party_id, ben, ana)
            assert (await ana.call("party.members", party_id=party_id))["members"][0]["role"] == "member"
            assert (await told(ben, party_id))[-5:] == [
                "party.host-missed",
                "party.host-returned",
                "party.host-missed",
                "party.host-changed",
                "party.sought",
            ]


@pytest.mark.timeout(120)
async def test_the_service_is_killed_in_the_middle_of_a_countdown(party_system: System) -> None:
    ana = await Viewer.of(party_system.http, "Ana", party_system.ws)
    ben = await Viewer.of(party_system.http, "Ben", party_system.ws)
    async with party_of(ana, ben) as party_id:
        await ana.call("party.pause", party_id=party_id, position=200)
        await ana.call("party.play", party_id=party_id, countdown=5)
        before = party_system.pid("parties")
        party_system.kill("parties")
        await eventually(lambda: party_system.pid("parties") != before, within=20)

        await all_agree(party_id, ana, ben)
        playing, position, _ = ben.anchor
        assert (playing, position) == (True, 200.0)
        assert (await told(ben, party_id))[-2:] == ["party.paused", "party.played"]
        await ana.call("party.pause", party_id=party_id)
        await sees(ben, "party.paused", times=2)
        await all_agree(party_id, ben, ana)


@pytest.mark.timeout(120)
async def test_two_seek_at_the_same_instant(party_system: System) -> None:
    async with second_gateway(party_system) as (second, _):
        ana = await Viewer.of(party_system.http, "Ana", party_system.ws)
        ben = await Viewer.of(party_system.http, "Ben", second)
        async with party_of(ana, ben) as party_id:
            await ana.call("party.appoint", party_id=party_id, uid=ben.uid)
            places = [(300.0, 900.0), (310.0, 910.0), (320.0, 920.0)]
            for one, other in places:
                await asyncio.gather(
                    ana.call("party.seek", party_id=party_id, position=one),
                    ben.call("party.seek", party_id=party_id, position=other),
                )

            await eventually(lambda: len(ana.saw("party.sought")) == len(ben.saw("party.sought")) == 6, within=10)
            await all_agree(party_id, ana, ben)
            timeline = await ana.call("party.timeline", party_id=party_id)
            sought = [line for line in reversed(timeline["happened"]) if line["type"] == "party.sought"]
            assert [line["by"] for line in sought] == [event["data"]["by"] for event in ana.saw("party.sought")]
            assert {line["by_name"] for line in sought} == {"Ana", "Ben"}


async def sees(viewer: Viewer, kind: str, times: int = 1, within: float = NOTICED) -> None:
    await eventually(lambda: len(viewer.saw(kind)) >= times, within)


async def at_least(seconds: float) -> None:
    """Let a fault last: here time itself is what is tested."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await asyncio.Event().wait()
