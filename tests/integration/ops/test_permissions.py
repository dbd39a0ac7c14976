"""Each NATS user may do its own work and nothing else, on a real server."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import nats
import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg
from tests.wait import eventually

from ops.embedded import Embedded
from ops.house import Service
from ops.permissions import of_service


@asynccontextmanager
async def connected(servers: Embedded, user: str) -> AsyncIterator[tuple[Client, list[str]]]:
    """A connection as `user`, and what the server complained about so far."""
    complaints: list[str] = []

    async def complain(problem: Exception) -> None:
        complaints.append(str(problem))

    bus = await nats.connect(servers.nats_url(user), inbox_prefix=f"_INBOX_{user}".encode(), error_cb=complain)
    try:
        yield bus, complaints
    finally:
        await bus.close()


@pytest.mark.parametrize(
    ("user", "subject"),
    [
        ("gateway", "ev.parties.party.x"),
        ("gateway", "tel.library.x"),
        ("gateway", "live.parties.party.x"),
        ("gateway", "changed.parties"),
        ("gateway", "$KV.SNAP_PARTIES.x"),
        ("gateway", "$JS.API.DIRECT.GET.EV_PARTIES"),
        ("gateway", "$JS.API.CONSUMER.CREATE.EV_PARTIES.x"),
        ("library", "ev.parties.party.x"),
        ("library", "changed.parties"),
        ("library", "cmd.parties.party.play"),
        ("library", "$JS.API.DIRECT.GET.EV_PARTIES"),
        ("library", "$JS.API.DIRECT.GET.EV_PARTIES.ev.parties.party.x"),
        ("library", "$JS.API.STREAM.MSG.GET.EV_PARTIES"),
        ("library", "$JS.API.CONSUMER.CREATE.EV_PARTIES.x"),
        ("library", "$KV.PRESENCE.x"),
        ("parties", "ev.library.title.x"),
        ("parties", "live.parties.party.x"),
        ("parties", "cast.thread.x"),
        ("parties", "ambient.parties.made-up"),
        ("library", "cast.party.x"),
        ("library", "up.library.x.0"),
        ("library", "$JS.API.STREAM.DELETE.UP_LIBRARY"),
        ("gateway", "$JS.API.DIRECT.GET.UP_LIBRARY"),
        ("gateway", "$JS.API.STREAM.PURGE.UP_LIBRARY"),
        ("parties", "$JS.API.DIRECT.GET.UP_LIBRARY"),
        ("comments", "cmd.parties.party.play"),
        ("comments", "qry.parties.party.state"),
        ("comments", "qry.library.items"),
        ("comments", "cast.party.x"),
        ("comments", "$JS.API.STREAM.MSG.DELETE.EV_PARTIES"),
        ("comments", "erase.parties"),
        ("library", "qry.parties.party.rights"),
        ("library", "tel.parties.party.x.last"),
        ("parties", "_INBOX_gateway.made-up"),
        *(
            (owner, f"$JS.API.STREAM.{verb}.EV_{owner.upper()}")
            for owner in ("parties", "library", "comments")
            for verb in ("CREATE", "UPDATE", "DELETE", "PURGE")
        ),
        ("parties", "$JS.API.STREAM.MSG.DELETE.EV_PARTIES"),  # only who holds people's own may take out of a log
        ("library", "$JS.API.STREAM.MSG.DELETE.EV_PARTIES"),
        ("parties", "erase.library"),
        ("parties", "forgotten"),
        ("gateway", "erase.library"),
        ("gateway", "forgotten"),
    ],
)
async def test_publishing_outside_ones_own_work_is_refused(servers: Embedded, user: str, subject: str) -> None:
    async with connected(servers, user) as (bus, complaints):
        await bus.publish(subject, b"{}")
        await eventually(lambda: any("permissions violation for publish" in c.lower() for c in complaints))


@pytest.mark.parametrize(
    ("user", "subject"),
    [
        ("parties", "cmd.library.>"),
        ("parties", "cmd.>"),
        ("parties", "live.library.>"),
        ("parties", "ambient.library.*"),
        ("parties", "cast.party.x"),
        ("parties", "_INBOX_library.>"),
        ("parties", "_INBOX_gateway.>"),
        ("library", "$KV.SNAP_PARTIES.>"),
        ("library", "qry.parties.>"),
        ("library", "changed.parties"),
        ("comments", "changed.library"),
        ("comments", "qry.parties.>"),
        ("comments", "live.parties.>"),
        ("gateway", "ev.>"),
        ("gateway", "cmd.>"),
        ("gateway", "ambient.parties.*"),
        ("gateway", "_INBOX_parties.>"),
        ("gateway", ">"),
    ],
)
async def test_listening_outside_ones_own_work_is_refused(servers: Embedded, user: str, subject: str) -> None:
    async with connected(servers, user) as (bus, complaints):
        await bus.subscribe(subject)
        await eventually(lambda: any("permissions violation for subscription" in c.lower() for c in complaints))


async def test_a_forbidden_publish_reaches_no_stream(servers: Embedded) -> None:
    async with connected(servers, "gateway") as (bus, complaints):
        await bus.publish("ev.parties.party.forged", b"[]")
        await eventually(lambda: complaints)
    async with connected(servers, "ops") as (bus, _):
        info = await bus.jetstream().stream_info("EV_PARTIES", subjects_filter="ev.parties.party.forged")
        assert not info.state.subjects


async def test_the_gateway_asks_and_the_owner_answers(servers: Embedded) -> None:
    async with connected(servers, "parties") as (service, refused), connected(servers, "gateway") as (gateway, _):
        await _answering(service, "cmd.parties.party.permitted", lambda message: message.respond(b"done"))
        answer = await gateway.request("cmd.parties.party.permitted", b"{}", timeout=5)
        assert answer.data == b"done"
        assert refused == []


async def test_a_request_is_answered_once(servers: Embedded) -> None:
    async def twice(message: Msg) -> None:
        await message.respond(b"first")
        await message.respond(b"second")

    async with connected(servers, "parties") as (service, refused), connected(servers, "gateway") as (gateway, _):
        await _answering(service, "cmd.parties.party.twice", twice)
        assert (await gateway.request("cmd.parties.party.twice", b"{}", timeout=5)).data == b"first"
        await eventually(lambda: refused)


async def test_a_service_reads_and_writes_what_it_owns(servers: Embedded) -> None:
    async with connected(servers, "library") as (bus, refused):
        stream = bus.jetstream()
        stored = await stream.publish("ev.library.title.permitted", b"[]", stream="EV_LIBRARY")
        assert (await stream.get_msg("EV_LIBRARY", seq=stored.seq)).data == b"[]"
        assert (await stream.get_msg("EV_LIBRARY", subject="ev.library.title.permitted", direct=True)).data == b"[]"
        await stream.publish("tel.library.permitted", b"1")
        await (await stream.key_value("SNAP_LIBRARY")).put("permitted", b"{}")
        reader = await stream.pull_subscribe("ev.library.title.permitted", stream="EV_LIBRARY")
        assert [message.data for message in await reader.fetch(1, timeout=5)] == [b"[]"]
        assert refused == []


@pytest.mark.parametrize("user", ["comments", "library"])
async def test_whose_log_holds_peoples_own_tells_its_replicas_whom_it_is_erasing(servers: Embedded, user: str) -> None:
    async with connected(servers, user) as (bus, refused):
        heard = await bus.subscribe("forgotten")
        await bus.publish("forgotten", b"{}")
        assert (await heard.next_msg(timeout=5)).data == b"{}"
        assert refused == []


async def test_the_room_hears_a_commit_from_the_log_itself(servers: Embedded) -> None:
    async with connected(servers, "gateway") as (gateway, _), connected(servers, "parties") as (service, _):
        heard = await gateway.subscribe("live.parties.party.heard")
        await gateway.request("$JS.API.STREAM.INFO.KV_PRESENCE", b"", timeout=5)  # the subscription has arrived
        await service.jetstream().publish("ev.parties.party.heard", b"[]")
        assert (await heard.next_msg(timeout=5)).data == b"[]"


async def test_what_gateways_report_reaches_the_owner_whose_words_reach_the_room(servers: Embedded) -> None:
    async with connected(servers, "parties") as (service, refused), connected(servers, "gateway") as (gateway, _):
        told, heard = await service.subscribe("ambient.parties.*"), await gateway.subscribe("cast.party.room")
        for bus, stream in ((service, "EV_PARTIES"), (gateway, "KV_PRESENCE")):
            await bus.request(f"$JS.API.STREAM.INFO.{stream}", b"", timeout=5)  # the subscription has arrived
        await gateway.publish("ambient.parties.gateway-1", b"{}")
        assert (await told.next_msg(timeout=5)).data == b"{}"
        await service.publish("cast.party.room", b"{}")
        assert (await heard.next_msg(timeout=5)).data == b"{}"
        await service.jetstream().publish("tel.parties.party.permitted.last", b"[]", stream="TEL_PARTIES")
        assert refused == []


async def test_a_service_asks_another_one_and_hears_of_its_changes(servers: Embedded) -> None:
    async with connected(servers, "comments") as (asker, refused), connected(servers, "parties") as (owner, _):
        changes = await asker.subscribe("changed.parties")
        await asker.request("$JS.API.STREAM.INFO.EV_COMMENTS", b"", timeout=5)  # the subscription has arrived
        for question in ("party.rights", "party.mine"):
            await _answering(owner, f"qry.parties.{question}", lambda message: message.respond(b"yes"))
            assert (await asker.request(f"qry.parties.{question}", b"{}", timeout=5)).data == b"yes"
        await owner.publish("changed.parties", b"{}")
        assert (await changes.next_msg(timeout=5)).data == b"{}"
        for kind in ("chat", "live"):
            await asker.publish(f"cast.{kind}.x", b"{}")
        await asker.request("$JS.API.STREAM.INFO.EV_COMMENTS", b"", timeout=5)
        assert refused == []


def test_following_another_context_opens_one_durable_and_nothing_else() -> None:
    alone = of_service(Service("comments"))
    follower = of_service(Service("comments", follows=("parties",)))
    assert set(follower.publish) - set(alone.publish) == {
        "$JS.API.CONSUMER.INFO.EV_PARTIES.comments",
        "$JS.API.CONSUMER.MSG.NEXT.EV_PARTIES.comments",
        "$JS.ACK.EV_PARTIES.comments.>",
    }


async def _answering(bus: Client, subject: str, answer: Callable[[Msg], Awaitable[None]]) -> None:
    """Serve, and return only once the server knows of it."""

    async def serve(message: Msg) -> None:
        await answer(message)

    await bus.subscribe(subject, cb=serve)
    await bus.request("$JS.API.STREAM.INFO.EV_PARTIES", b"", timeout=5)
