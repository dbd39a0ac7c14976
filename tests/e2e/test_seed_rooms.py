"""What two apps did with rooms on Supabase and Convex, done natively with their own example values."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from tests.e2e.client import Client, Frame, Refused
from tests.system import System

EPISODE: dict[str, Any] = {
    "title": "Watching Attack on Titan S1E1 Together",
    "media": "aot-season-1",
    "media_title": "Attack on Titan",
    "episode": 1,
    "source": "https://example.com/video.mp4",
}
"""The anime app's `rooms-create`."""

STREAM: dict[str, Any] = {
    "title": "Movie night",
    "media": "tt1234567",
    "season": 1,
    "episode": 1,
    "source": "magnet:?xt=urn:btih:c12fe1c06bba254a9dc9f519b335aa7c1367a88a",
    "file_index": 2,
}
"""Raffi's `watch_parties` row."""


@contextlib.asynccontextmanager
async def signed_in(system: System, *names: str) -> AsyncIterator[list[Client]]:
    """One socket for each name, a guest each."""
    async with contextlib.AsyncExitStack() as stack:
        http = await stack.enter_async_context(aiohttp.ClientSession())
        clients = []
        for name in names:
            async with http.post(f"{system.http}/v1/guest", json={"name": name}) as answer:
                token = (await answer.json())["token"]
            clients.append(await stack.enter_async_context(await Client.connect(system.ws, token)))
        yield clients


async def value(client: Client, fn: str, after: Frame | None = None, **args: Any) -> Any:
    position = {"after": after["position"]} if after else {}
    return (await client.ask("call", fn=fn, args=args, **position))["value"]


async def event(client: Client, kind: str) -> Any:
    return (await client.expect(op="event", type=kind))["data"]


async def refused(client: Client, fn: str, **args: Any) -> str:
    with pytest.raises(Refused) as refusal:
        await client.call(fn, **args)
    return refusal.value.code


class TestAnimeRooms:
    async def test_a_room_from_create_to_delete(self, system: System) -> None:
        async with signed_in(system, "AnimeFan99", "Viewer123") as (host, viewer):
            # rooms-create, rooms-list-public
            opened = await host.call("party.open", **EPISODE, name="AnimeFan99")
            party_id = opened["value"]["party_id"]
            assert opened["value"]["key"] is None
            listed = await value(viewer, "parties.list", opened, search="titan")
            (mine,) = [party for party in listed["parties"] if party["party_id"] == party_id]
            assert (mine["media"], mine["episode"], mine["host_name"]) == ("aot-season-1", 1, "AnimeFan99")
            assert "source" not in mine

            # rooms-join, then the room's channel with its state
            avatar = "https://example.com/avatar.jpg"
            joined = await viewer.call("party.join", party_id=party_id, name="Viewer123", avatar=avatar)
            followed = await viewer.ask("follow", channel=f"party:{party_id}")
            assert followed["state"]["party"]["source"] == "https://example.com/video.mp4"
            await host.ask("follow", channel=f"party:{party_id}")

            # sync-control: play, seek, pause; sync-get-host-time
            await host.call("party.play", party_id=party_id, position=120.5)
            played = await event(viewer, "party.played")
            assert (played["by"], played["position"]) == (host.user, 120.5)
            await host.call("party.seek", party_id=party_id, position=600)
            assert (await event(viewer, "party.sought"))["position"] == 600
            paused = await host.call("party.pause", party_id=party_id, position=601)
            assert (await event(viewer, "party.paused"))["position"] == 601
            state = await value(viewer, "party.state", paused, party_id=party_id)
            assert (state["playing"], state["position"], state["host"]) == (False, 601.0, host.user)

            # members-get-list, members-update-status
            people = await value(host, "party.members", joined, party_id=party_id)
            assert [(member["name"], member["host"]) for member in people["members"]] == [
                ("AnimeFan99", True),
                ("Viewer123", False),
            ]
            assert people["members"][1]["avatar"] == avatar
            changed = await viewer.call("party.profile", party_id=party_id, name="Viewer 1", status="at work")
            people = await value(host, "party.members", changed, party_id=party_id)
            assert [people["members"][1][field] for field in ("name", "status")] == ["Viewer 1", "at work"]

            # rooms-leave with host transfer, rooms-delete
            await host.call("party.leave", party_id=party_id)
            assert (await event(viewer, "party.host-changed"))["uid"] == viewer.user
            await viewer.call("party.close", party_id=party_id)
            assert (await viewer.expect(op="ended"))["reason"] == "closed"
            assert await refused(host, "party.join", party_id=party_id) == "party-closed"

    async def test_a_private_room_opens_with_six_digits(self, system: System) -> None:
        async with signed_in(system, "AnimeFan99", "Viewer123", "Stranger") as (host, viewer, stranger):
            opened = await host.call("party.open", **EPISODE, private=True)
            party_id, key = opened["value"]["party_id"], opened["value"]["key"]
            assert (await value(host, "party.state", opened, party_id=party_id))["private"]
            assert len(key) == 6
            assert key.isdigit()
            assert await refused(stranger, "party.join", party_id=party_id) == "key-needed"
            wrong = f"{(int(key) + 1) % 1_000_000:06d}"
            assert await refused(stranger, "party.join", party_id=party_id, key=wrong) == "wrong-key"
            assert await refused(stranger, "party.state", party_id=party_id) == "not-a-member"
            joined = await viewer.call("party.join", party_id=party_id, key=key)
            state = await value(viewer, "party.state", joined, party_id=party_id)
            assert (state["private"], state["members"]) == (True, 2)
            listed = await value(stranger, "parties.list", joined, search="titan")
            assert party_id not in [party["party_id"] for party in listed["parties"]]

    async def test_presence_every_three_seconds_is_a_report_that_the_room_sees(self, system: System) -> None:
        async with signed_in(system, "AnimeFan99", "Viewer123") as (host, viewer):
            opened = await host.call("party.open", **EPISODE)
            party_id = opened["value"]["party_id"]
            await viewer.call("party.join", party_id=party_id)
            for client in (host, viewer):
                await client.ask("follow", channel=f"party:{party_id}")
            await host.call("party.play", party_id=party_id, position=0)
            clock = await viewer.ask("time", t0=0)
            report = {"position": 1.0, "at": clock["t2"], "playing": True, "rtt": 0.05}
            await viewer.call("party.report", party_id=party_id, **report)

            sync = await host.expect(op="message", event="sync")

            assert sync["from"] == "system:parties"
            assert viewer.user in sync["data"]["members"]


class TestRaffisParties:
    async def test_the_flow_from_creating_to_playing_together(self, system: System) -> None:
        async with signed_in(system, "Ana", "Ben") as (host, friend):
            opened = await host.call("party.open", **STREAM)
            party_id = opened["value"]["party_id"]
            joined = await friend.call("party.join", party_id=party_id)
            state = await value(friend, "party.state", joined, party_id=party_id)
            assert {field: state[field] for field in STREAM} == STREAM
            watching = await friend.ask("watch", fn="party.state", args={"party_id": party_id})

            await host.call("party.play", party_id=party_id, position=1234.5)

            fresh = await friend.take(
                lambda frame: frame.get("op") == "value" and frame["id"] == watching["id"] and frame["value"]["playing"]
            )
            assert fresh["value"]["position"] == 1234.5

    async def test_a_host_who_tells_every_second_that_it_plays_on_writes_nothing(self, system: System) -> None:
        async with signed_in(system, "Ana") as (host,):
            opened = await host.call("party.open", **STREAM)
            party_id = opened["value"]["party_id"]
            played = await host.call("party.play", party_id=party_id, position=10)
            clock = await host.ask("time", t0=0)
            state = await value(host, "party.state", played, party_id=party_id)
            assert state["playing"]

            again = await host.call("party.play", party_id=party_id)
            await host.call("party.report", party_id=party_id, position=10, at=clock["t2"], playing=True)

            assert again["position"] == played["position"]

    async def test_what_i_host_or_joined(self, system: System) -> None:
        async with signed_in(system, "Ana", "Ben") as (host, friend):
            opened = await host.call("party.open", **STREAM)
            joined = await friend.call("party.join", party_id=opened["value"]["party_id"])
            for client, role in ((host, "host"), (friend, "member")):
                mine = await value(client, "party.mine", joined)
                assert [(p["party_id"], p["role"]) for p in mine["parties"]] == [(opened["value"]["party_id"], role)]

    async def test_the_next_episode_for_everybody(self, system: System) -> None:
        async with signed_in(system, "Ana", "Ben") as (host, friend):
            opened = await host.call("party.open", **STREAM)
            party_id = opened["value"]["party_id"]
            await friend.call("party.join", party_id=party_id)
            await friend.ask("follow", channel=f"party:{party_id}")
            episode = {name: field for name, field in STREAM.items() if name != "title"} | {"episode": 2}
            await friend.call("party.enqueue", party_id=party_id, **episode)
            changed = await host.call("party.next", party_id=party_id)
            assert (await event(friend, "party.media-changed"))["episode"] == 2

            state = await value(friend, "party.state", changed, party_id=party_id)

            assert (state["episode"], state["source"], state["playing"]) == (2, STREAM["source"], False)
