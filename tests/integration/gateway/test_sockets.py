"""Sockets and what is behind them: calls, expiring tokens, slow readers, the end of a gateway."""

import asyncio
import json
import os
import signal
import socket as sockets
import sys
import time

import aiohttp
import pytest
from prometheus_client import REGISTRY
from tests.e2e.client import Client, Refused
from tests.integration.gateway.conftest import Connect, Gateways, guest, trusting
from tests.integration.gateway.peer import Peer, played
from tests.simulators.issuer import IssuerSimulator
from tests.wait import eventually

from events.messages import Context, Rejected
from gateway import errors, keys, limits
from gateway.main import Running
from ops.embedded import Embedded
from ops.ports import free_port


async def refused(client: Client, op: str, /, **fields: object) -> str:
    with pytest.raises(Refused) as caught:
        await client.ask(op, **fields)
    return caught.value.code


# Calls.


async def test_a_call_is_carried_out_in_the_callers_name(running: Running, peer: Peer, connect: Connect) -> None:
    peer.handlers["party.play"] = lambda args, context: None
    ada = await connect(running, "Zoë 🎬")
    answer = await ada.ask("call", fn="party.play", args={"party_id": "p1"}, key="k1")
    assert answer == {"op": "result", "id": answer["id"], "value": None, "position": peer.position}
    function, args, context = peer.asked[-1]
    assert (function, args, context.actor, context.name) == ("party.play", {"party_id": "p1"}, ada.user, "Zoë 🎬")
    assert 0 < context.patience <= limits.CALL_SECONDS


async def test_a_key_gives_a_command_its_id_and_its_arguments_a_fingerprint(
    running: Running, peer: Peer, connect: Connect
) -> None:
    peer.handlers["party.seek"] = lambda args, context: None
    ada, ben = await connect(running, "Ada"), await connect(running, "Ben")
    contexts = []
    for client, key, text in (
        (ada, "k", '{"party_id":"p","position":1}'),
        (ada, "k", '{"position":1.0,"party_id":"p"}'),
        (ada, "k", '{"party_id":"p","position":2}'),
        (ada, "l", '{"party_id":"p","position":1}'),
        (ben, "k", '{"party_id":"p","position":1}'),
    ):
        number = client.next_id()
        await client.say_text(f'{{"op":"call","id":{number},"fn":"party.seek","key":"{key}","args":{text}}}')
        await client.answer(number)
        contexts.append(peer.asked[-1][2])
    first, again, other_arguments, other_key, other_person = contexts
    assert (first.command_id, first.fingerprint) == (again.command_id, again.fingerprint)
    assert first.command_id == other_arguments.command_id
    assert first.fingerprint != other_arguments.fingerprint
    assert len({first.command_id, other_key.command_id, other_person.command_id}) == 3


async def test_a_command_waits_for_a_service_that_is_restarted(running: Running, peer: Peer, connect: Connect) -> None:
    peer.handlers["party.play"] = lambda args, context: None
    ada = await connect(running)
    await peer.stop()
    calling = asyncio.create_task(ada.call("party.play", party_id="p"))
    await still_works(ada)
    assert not calling.done()
    await peer.start()
    assert (await calling)["op"] == "result"


async def test_a_service_that_stays_away(
    running: Running, peer: Peer, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "RETRY_SECONDS", 0.2)
    await peer.stop()
    ada = await connect(running)
    assert await refused(ada, "call", fn="party.play", args={"party_id": "p"}) == "unavailable"


async def test_a_service_that_does_not_answer(another: Gateways, peer: Peer, connect: Connect) -> None:
    async def never(args: object, context: Context) -> None:
        await asyncio.Event().wait()

    peer.handlers["party.play"] = never
    async with another(call_seconds=0.2) as running:
        ada = await connect(running)
        assert await refused(ada, "call", fn="party.play", args={"party_id": "p"}, key="k") == "timeout"
        await still_works(ada)


async def test_a_service_that_dies_over_a_command_may_have_carried_it_out(
    running: Running, peer: Peer, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "ATTEMPT_SECONDS", 0.2)
    monkeypatch.setattr(limits, "RETRY_SECONDS", 0.5)

    async def die(args: object, context: Context) -> None:
        await peer.stop()
        await asyncio.Event().wait()

    peer.handlers["party.play"] = die
    ada = await connect(running)
    assert await refused(ada, "call", fn="party.play", args={"party_id": "p"}) == "timeout"


async def test_a_repetition_that_is_turned_away_says_nothing_of_the_first(
    running: Running, peer: Peer, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "ATTEMPT_SECONDS", 0.2)

    async def full(args: object, context: Context) -> None:
        if len(peer.asked) > 1:
            raise Rejected("busy")
        await asyncio.Event().wait()

    peer.handlers["party.play"] = full
    ada = await connect(running)
    assert await refused(ada, "call", fn="party.play", args={"party_id": "p"}) == "timeout"
    assert await refused(ada, "call", fn="party.play", args={"party_id": "p"}) == "busy"


async def test_calls_in_flight_are_bounded(running: Running, peer: Peer, connect: Connect) -> None:
    go = asyncio.Event()

    async def slow(args: object, context: Context) -> None:
        await go.wait()

    peer.handlers["party.play"] = slow
    ada = await connect(running)
    for number in range(1, limits.CALLS_IN_FLIGHT + 2):
        await ada.say(op="call", id=number, fn="party.play", args={"party_id": "p"})
    with pytest.raises(Refused, match="too-many-calls"):
        await ada.answer(limits.CALLS_IN_FLIGHT + 1)
    go.set()
    for number in range(1, limits.CALLS_IN_FLIGHT + 1):
        await ada.answer(number)


async def test_commands_of_one_person_are_bounded_whichever_door_they_take(
    another: Gateways, peer: Peer, connect: Connect
) -> None:
    peer.handlers["party.leave"] = peer.handlers["party.state"] = lambda args, context: None
    async with another(commands_per_second=0.01) as running, aiohttp.ClientSession(running.http) as http:
        token = await guest(running)
        one, other, ben = (
            await connect(running, token=token),
            await connect(running, token=token),
            await connect(running),
        )
        refusals = REGISTRY.get_sample_value("matinee_gateway_commands_refused_total") or 0.0
        await one.call("party.leave", party_id="p")

        with pytest.raises(Refused, match="rate-limited") as caught:
            await other.call("party.leave", party_id="p")
        assert 90 < caught.value.error["details"]["retry_after"] <= 100
        headers = {"Authorization": f"Bearer {token}"}
        async with http.post("/v1/call/party.leave", json={"party_id": "p"}, headers=headers) as answer:
            assert (answer.status, (await answer.json())["code"]) == (429, "rate-limited")
            assert 90 < int(answer.headers["Retry-After"]) <= 101
        assert REGISTRY.get_sample_value("matinee_gateway_commands_refused_total") == refusals + 2

        await other.call("party.state", party_id="p")
        await ben.call("party.leave", party_id="p")
        assert one.hello["limits"]["commands_per_second"] == 0.01


async def test_tracks_in_flight_are_bounded_and_a_burst_of_broadcasts_is_not(
    running: Running, peer: Peer, connect: Connect
) -> None:
    room = peer.room()
    ada = await connect(running)
    peer.hold = asyncio.Event()
    for number in range(1, limits.TRACKS_IN_FLIGHT + 2):
        await ada.say(op="track", id=number, channel=f"party:{room}", meta={})
    with pytest.raises(Refused, match="too-many-calls"):
        await ada.answer(limits.TRACKS_IN_FLIGHT + 1)
    sends = range(1000, 1000 + int(limits.SENDS_BURST))
    for number in sends:
        await ada.say(op="send", id=number, channel=f"party:{room}", event="hi", data=None)
    peer.hold.set()
    for number in (*range(1, limits.TRACKS_IN_FLIGHT + 1), *sends):
        assert (await ada.answer(number))["op"] == "ok"
    assert (await ada.ask("track", channel=f"party:{room}", meta={}))["op"] == "ok"


async def still_works(client: Client) -> None:
    assert (await client.ask("time", t0=1))["t0"] == 1


# Tokens that expire on an open socket.


async def test_an_expired_token_loses_no_event_and_no_value(
    another: Gateways, peer: Peer, connect: Connect, idp: IssuerSimulator
) -> None:
    value = {"title": "old"}
    peer.handlers["party.state"] = lambda args, context: value
    room = peer.room()
    async with another(**trusting(idp)) as running:
        ada = await connect(running, token=idp.mint(exp=int(time.time()) + 2))
        await ada.ask("follow", channel=f"party:{room}", id="f")
        await peer.commit(room, played(1))
        await ada.expect(op="event")
        await ada.ask("watch", id="w", fn="party.state", args={"party_id": room})

        async def expired() -> bool:
            try:
                await ada.ask("call", fn="party.state", args={"party_id": room})
            except Refused as error:
                return error.code == "token-expired"
            return False

        await eventually(expired)
        await eventually(lambda: not running.desk.channels.followers(f"party:{room}"))
        value["title"] = "new"
        await peer.touch(f"party:{room}")
        await peer.commit(room, played(2))
        await peer.commit(room, played(3), played(4))
        await still_works(ada)
        assert not ada.inbox
        await ada.sign_in(idp.mint(exp=int(time.time()) + 60))
        again = await ada.expect(op="followed")
        assert (again["id"], again["recovered"]) == ("f", True)
        assert [(await ada.expect(op="event"))["data"]["position"] for _ in range(3)] == [2, 3, 4]
        assert (await ada.expect(op="value"))["value"] == {"title": "new"}
        await peer.commit(room, played(5))
        assert (await ada.expect(op="event"))["data"]["position"] == 5
        assert not [frame for frame in ada.inbox if frame["op"] in ("event", "value")]


async def test_a_value_that_did_not_change_is_not_sent_again_after_a_fresh_token(
    another: Gateways, peer: Peer, connect: Connect, idp: IssuerSimulator
) -> None:
    peer.handlers["party.state"] = lambda args, context: {"title": "same"}
    async with another(**trusting(idp)) as running:
        ada = await connect(running, token=idp.mint(exp=int(time.time()) + 2))
        await ada.ask("watch", id="w", fn="party.state", args={"party_id": "p"})
        await eventually(lambda: not running.desk.watches.watchers)
        await ada.sign_in(idp.mint(exp=int(time.time()) + 60))
        await eventually(lambda: running.desk.watches.watchers)
        await still_works(ada)
        assert not ada.inbox


async def test_a_token_that_expires_while_its_successor_is_looked_at_loses_nothing(
    another: Gateways, peer: Peer, connect: Connect, idp: IssuerSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "GAP", 0.0)
    value = {"title": "old"}
    peer.handlers["party.state"] = lambda args, context: value
    async with another(**trusting(idp)) as running:
        ada = await connect(running, token=idp.mint(exp=int(time.time()) + 2))
        await ada.ask("watch", id="w", fn="party.state", args={"party_id": "p"})
        idp.rotate()  # so that its keys have to be fetched, which takes a while
        idp.delay = asyncio.Event()
        signing_in = asyncio.create_task(ada.sign_in(idp.mint(exp=int(time.time()) + 60)))
        await eventually(lambda: not running.desk.watches.watchers)
        value["title"] = "new"
        await peer.touch("party:p")
        idp.delay.set()
        await signing_in
        assert (await ada.expect(op="value"))["value"] == {"title": "new"}


async def test_a_token_of_somebody_else_is_refused_on_an_open_socket(
    another: Gateways, peer: Peer, connect: Connect, idp: IssuerSimulator
) -> None:
    async with another(**trusting(idp)) as running:
        ada = await connect(running, token=idp.mint())
        assert await refused(ada, "auth", token=idp.mint(sub="user_2")) == "other-user"
        await still_works(ada)


async def test_who_does_not_sign_in_is_sent_away(
    running: Running, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "SIGN_IN_SECONDS", 0.2)
    nobody = await connect(running, name=None)
    assert await nobody.closed() == errors.NOT_SIGNED_IN.code


async def test_a_token_expired_for_long_closes_the_socket(
    another: Gateways, connect: Connect, idp: IssuerSimulator, peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "EXPIRED_SECONDS", 0.2)
    async with another(**trusting(idp)) as running:
        ada = await connect(running, token=idp.mint(exp=int(time.time()) + 2))
        assert await ada.closed() == errors.EXPIRED.code


async def test_roles_reach_the_service(another: Gateways, peer: Peer, connect: Connect, idp: IssuerSimulator) -> None:
    peer.handlers["party.play"] = lambda args, context: None
    entry = {"issuer": idp.url, "audience": "matinee", "roles": [{"claim": "role", "map": {"admin": "moderator"}}]}
    async with another(issuers_json=json.dumps([entry])) as running:
        ada = await connect(running, token=idp.mint(role="admin"))
        await ada.call("party.play", party_id="p")
    assert peer.asked[-1][2].roles == ("moderator",)


# Readers that are slow or silent.


def open_raw(running: Running, token: str, *frames: dict[str, object]) -> sockets.socket:
    """A socket that says its frames and then reads nothing, with as little room as the kernel allows."""
    raw = sockets.socket()
    raw.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
    raw.connect(("127.0.0.1", running.port))
    raw.sendall(
        b"GET /v1/ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    for frame in ({"op": "auth", "id": "a", "token": token}, *frames):
        payload = json.dumps(frame).encode()
        raw.sendall(b"\x81\xfe" + len(payload).to_bytes(2, "big") + b"\0\0\0\0" + payload)
    return raw


async def test_a_slow_reader_is_closed_and_nobody_else_notices(another: Gateways, peer: Peer, connect: Connect) -> None:
    room = peer.room()
    async with another(slow_reader_bytes=100_000, sends_per_second=10_000, calls_per_second=10_000) as running:
        ada = await connect(running)
        await ada.ask("follow", channel=f"party:{room}")
        token = await guest(running, "Slow")
        raw = await asyncio.to_thread(open_raw, running, token, {"op": "follow", "id": 1, "channel": f"party:{room}"})
        try:
            await eventually(lambda: running.desk.channels.followers(f"party:{room}") == 2)
            sent = 0
            while running.desk.channels.followers(f"party:{room}") == 2:
                await ada.ask("send", channel=f"party:{room}", event="flood", data="x" * 15_000, self=True)
                sent += 1
            said = await asyncio.to_thread(read_all, raw)
        finally:
            raw.close()
        code = errors.SLOW.code.to_bytes(2, "big")
        assert said.endswith(code + errors.SLOW.reason.encode())
        for _ in range(sent):
            await ada.expect(op="message")
        await still_works(ada)


def read_all(raw: sockets.socket) -> bytes:
    raw.settimeout(10)
    parts = []
    while part := raw.recv(65_536):
        parts.append(part)
    return b"".join(parts)


async def test_a_silent_socket_is_pinged_then_closed(
    running: Running, peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "PING_SECONDS", 0.1)
    monkeypatch.setattr(limits, "SILENT_SECONDS", 1.2)
    raw = await asyncio.to_thread(open_raw, running, await guest(running))
    try:
        said = await asyncio.to_thread(read_all, raw)
    finally:
        raw.close()
    assert b"\x89\x00" in said
    assert said.endswith(errors.SILENT.code.to_bytes(2, "big") + errors.SILENT.reason.encode())


async def test_a_socket_that_answers_pings_stays(
    running: Running, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "PING_SECONDS", 0.1)
    monkeypatch.setattr(limits, "SILENT_SECONDS", 1.5)
    ada = await connect(running)
    opened = asyncio.get_running_loop().time()
    await eventually(lambda: asyncio.get_running_loop().time() > opened + 3, within=5)
    await still_works(ada)


async def test_sockets_are_bounded(another: Gateways, connect: Connect, peer: Peer) -> None:
    async with another(max_sockets=1) as running:
        await connect(running)
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await connect(running)
        assert caught.value.status == 503


# Settings that open and close doors.


async def test_guests_can_be_switched_off(another: Gateways, running: Running, connect: Connect) -> None:
    token = await guest(running)
    async with another(guests=False) as closed, aiohttp.ClientSession(closed.http) as http:
        async with http.post("/v1/guest", json={"name": "Ada"}) as answer:
            assert (answer.status, (await answer.json())["code"]) == (403, "guests-off")
        with pytest.raises(Refused, match="guests-off"):
            await connect(closed, token=token)


async def test_guest_tokens_have_a_rate_per_address(
    another: Gateways, peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "GUESTS_BURST", 2.0)
    async with another(trusted_hops=1) as running, aiohttp.ClientSession(running.http) as http:

        async def ask(address: str) -> int:
            headers = {"X-Forwarded-For": f"9.9.9.9, {address}"}
            async with http.post("/v1/guest", json={"name": "Ada"}, headers=headers) as answer:
                assert answer.status != 429 or int(answer.headers["Retry-After"]) >= 1
                return answer.status

        assert [await ask("1.1.1.1") for _ in range(3)] == [200, 200, 429]
        assert await ask("2.2.2.2") == 200


async def test_allowed_origins(another: Gateways, peer: Peer, running: Running) -> None:
    origin = "https://app.example"
    preflight = {"Origin": origin, "Access-Control-Request-Method": "GET"}
    async with another(origins=origin) as open_to_app:
        for place, status in ((open_to_app, 204), (running, 403)):
            url = f"{place.http}/v1/call/library.titles"
            async with aiohttp.ClientSession() as http, http.options(url, headers=preflight) as answer:
                assert answer.status == status
        await (await Client.connect(open_to_app.ws, origin=origin)).close()
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await Client.connect(running.ws, origin=origin)


# A gateway that stops.


async def start_process(servers: Embedded) -> tuple[asyncio.subprocess.Process, Running]:
    port = free_port()
    environment = {
        "NATS_URL": servers.nats_url("gateway"),
        "MATINEE_UID_SECRET": servers.keys.uid_secret,
        "MATINEE_GUEST_SECRET": servers.keys.guest_secret,
        "MATINEE_PORT": str(port),
        "MATINEE_REPLICA": "gateway-process",
        "MATINEE_LOG_LEVEL": "warning",
    }
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "gateway", env=os.environ | environment)
    running = Running(port, None, None, ())  # type: ignore[arg-type]  # only its address is of use here

    async def ready() -> bool:
        async with aiohttp.ClientSession() as http, http.get(f"{running.http}/readyz") as answer:
            return answer.status == 200

    await eventually(ready, within=20)
    return process, running


async def test_a_gateway_that_stops_answers_what_is_under_way_and_sends_everybody_elsewhere(
    servers: Embedded, peer: Peer, connect: Connect
) -> None:
    go = asyncio.Event()

    async def slow(args: object, context: Context) -> None:
        await go.wait()

    peer.handlers["party.play"] = slow
    process, running = await start_process(servers)
    try:
        idle, busy = await connect(running, "Idle"), await connect(running, "Busy")
        calling = asyncio.create_task(busy.call("party.play", party_id="p"))
        await eventually(lambda: peer.asked)
        process.send_signal(signal.SIGTERM)
        assert await idle.closed() == 1001
        with pytest.raises((aiohttp.ClientError, OSError)):
            await Client.connect(running.ws)
        go.set()
        assert (await calling)["op"] == "result"
        assert await busy.closed() == 1001
        async with asyncio.timeout(5):
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_people_at_a_killed_gateway_disappear(
    servers: Embedded, running: Running, peer: Peer, connect: Connect
) -> None:
    room = peer.room()
    ada = await connect(running, "Ada")
    await ada.ask("follow", channel=f"party:{room}")
    process, other = await start_process(servers)
    try:
        ben = await connect(other, "Ben")
        await ben.ask("track", channel=f"party:{room}", meta={"here": True})
        assert (await ada.expect(op="presence"))["joined"] == {ben.user: {"here": True}}
        late = await connect(running, "Late")
        assert (await late.ask("follow", channel=f"party:{room}"))["present"] == {ben.user: {"here": True}}
    finally:
        process.kill()
        await process.wait()
    assert (await ada.expect(within=15, op="presence"))["left"] == [ben.user]
    last = await connect(running, "Last")
    assert (await last.ask("follow", channel=f"party:{room}"))["present"] == {}
