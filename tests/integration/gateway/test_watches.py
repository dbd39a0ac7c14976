"""Live queries against a real bus: when they run, for whom, and what is sent."""

import asyncio
import itertools
import json
import socket
import time
from typing import Any

import aiohttp
import pytest
from tests.e2e.client import Client, Refused
from tests.integration.gateway.conftest import Connect, Gateways, guest, trusting
from tests.integration.gateway.peer import Peer
from tests.simulators.issuer import IssuerSimulator
from tests.wait import eventually

from events.messages import Context, Rejected
from gateway import limits
from gateway.main import Running

PARTY = {"party_id": "p"}


class Party:
    """A value that a test changes, a count of who asked, and whom it refuses."""

    def __init__(self, peer: Peer) -> None:
        self.value = 1
        self.runs = 0
        self.refused: set[str] = set()
        self.broken: Rejected | None = None
        self.hold: asyncio.Event | None = None
        peer.handlers["party.members"] = self.answer

    async def answer(self, args: dict[str, Any], context: Context) -> int:
        self.runs += 1
        value = self.value
        if self.hold is not None:
            await self.hold.wait()
        if self.broken is not None:
            raise self.broken
        if context.actor in self.refused:
            raise Rejected("not-a-member")
        return value


@pytest.fixture
def watched(peer: Peer) -> Party:
    return Party(peer)


async def watch(client: Client, ref: str = "w") -> int:
    return int((await client.ask("watch", id=ref, fn="party.members", args=PARTY))["value"])


async def value(client: Client, ref: str = "w") -> int:
    return int((await client.answer(ref))["value"])


async def nothing_more(client: Client) -> None:
    await client.ask("time")
    assert not [frame for frame in client.inbox if frame["op"] in ("value", "error")]


async def test_a_change_is_one_run_for_everybody(
    running: Running, peer: Peer, connect: Connect, watched: Party
) -> None:
    clients = [await connect(running, f"Guest {number}") for number in range(5)]
    for client in clients:
        assert await watch(client) == 1
    assert watched.runs == 5
    watched.value = 2
    await peer.touch("party:p")
    for client in clients:
        assert await value(client) == 2
    assert watched.runs == 6


async def test_a_value_that_did_not_change_is_not_sent(
    running: Running, peer: Peer, connect: Connect, watched: Party
) -> None:
    ada = await connect(running)
    await watch(ada)
    runs = watched.runs
    await peer.touch("party:p")
    await eventually(lambda: watched.runs > runs)
    await nothing_more(ada)


async def test_other_topics_run_nothing(running: Running, peer: Peer, connect: Connect, watched: Party) -> None:
    ada = await connect(running)
    await watch(ada)
    runs = watched.runs
    await peer.touch("party:other", "library:somebody")
    watched.value = 2
    await peer.touch("party:p")
    assert await value(ada) == 2
    assert watched.runs == runs + 1


async def test_changes_during_a_run_are_one_more_run(
    running: Running, peer: Peer, connect: Connect, watched: Party
) -> None:
    ada = await connect(running)
    await watch(ada)
    runs = watched.runs
    watched.hold = asyncio.Event()
    await peer.touch("party:p")
    await eventually(lambda: watched.runs == runs + 1)
    watched.value = 9
    for _ in range(10):
        await peer.touch("party:p")
    await ada.ask("time")
    watched.hold.set()
    assert await value(ada) == 9
    await nothing_more(ada)
    assert watched.runs == runs + 2


async def test_a_missed_notice_runs_everything_of_its_context(
    running: Running, peer: Peer, connect: Connect, watched: Party
) -> None:
    ada = await connect(running)
    await watch(ada)
    watched.value = 2
    await peer.touch(skip=3)
    assert await value(ada) == 2


@pytest.mark.parametrize("missed", [False, True])
async def test_another_context_may_end_the_right_to_a_watch(
    running: Running, peer: Peer, connect: Connect, watched: Party, missed: bool
) -> None:
    peer.handlers["chat.history"] = watched.answer
    ada, ben = await connect(running, "Ada"), await connect(running, "Ben")
    for client in (ada, ben):
        await client.ask("watch", id="w", fn="chat.history", args={"room": "party:p"})
    watched.refused = {ben.user}
    await (peer.touch(skip=3) if missed else peer.touch("party-access:p"))

    with pytest.raises(Refused, match="not-a-member"):
        await value(ben)
    await nothing_more(ada)


async def test_of_a_watched_party_one_persons_right_is_asked_anew(
    running: Running, peer: Peer, connect: Connect, watched: Party
) -> None:
    peer.handlers["chat.history"] = watched.answer
    out, *others = [await connect(running) for _ in range(4)]
    for client in (out, *others):
        await client.ask("watch", id="w", fn="chat.history", args={"room": "party:p"})
    before = watched.runs
    watched.refused = {out.user}
    await peer.touch(f"party-access:p:{out.user}")

    with pytest.raises(Refused, match="not-a-member"):
        await value(out)
    for client in others:
        await nothing_more(client)
    assert watched.runs == before + 1

    watched.refused = {client.user for client in others}
    await peer.touch("party-access:p")
    for client in others:
        with pytest.raises(Refused, match="not-a-member"):
            await value(client)


async def test_a_service_that_is_away_for_a_while(
    running: Running, peer: Peer, connect: Connect, watched: Party
) -> None:
    ada = await connect(running)
    await watch(ada)
    runs = watched.runs
    watched.broken = Rejected("unavailable")
    watched.value = 2
    await peer.touch("party:p")
    await eventually(lambda: watched.runs > runs + 2)
    await nothing_more(ada)
    watched.broken = None
    assert await value(ada) == 2
    assert watched.runs < runs + 10


async def test_only_who_lost_its_right_loses_the_watch(
    running: Running, peer: Peer, connect: Connect, watched: Party
) -> None:
    ada, ben = await connect(running, "Ada"), await connect(running, "Ben")
    for client in (ada, ben):
        await watch(client)
    watched.refused = {ada.user}
    watched.value = 2
    await peer.touch("party:p", "party-access:p")
    assert await value(ben) == 2
    with pytest.raises(Refused, match="not-a-member"):
        await value(ada)
    watched.value = 3
    await peer.touch("party:p")
    assert await value(ben) == 3
    await nothing_more(ada)
    watched.refused = set()
    assert await watch(ada) == 3


async def test_the_first_run_checks_the_right_of_each(
    running: Running, peer: Peer, connect: Connect, watched: Party
) -> None:
    ada, ben = await connect(running, "Ada"), await connect(running, "Ben")
    watched.refused = {ben.user}
    await watch(ada)
    with pytest.raises(Refused, match="not-a-member"):
        await watch(ben)


async def test_a_change_during_the_first_run_is_not_missed(
    running: Running, peer: Peer, connect: Connect, watched: Party
) -> None:
    ada = await connect(running)
    watched.hold = asyncio.Event()
    watching = asyncio.create_task(watch(ada))
    await eventually(lambda: watched.runs == 1)
    position = peer.position
    watched.value = 2
    await peer.touch("party:p")
    await ada.ask("time")
    assert peer.position != position
    watched.hold.set()
    seen = await watching
    while seen != 2:
        seen = await value(ada)


async def test_a_right_that_ends_during_the_first_run_is_asked_for_again(
    running: Running, peer: Peer, connect: Connect, watched: Party
) -> None:
    ada = await connect(running)
    go = asyncio.Event()

    async def answer(args: dict[str, Any], context: Context) -> str:
        if go.is_set():
            raise Rejected("not-a-member")
        await go.wait()
        return "what a member saw"

    peer.handlers["party.members"] = answer
    watching = asyncio.create_task(ada.ask("watch", id="w", fn="party.members", args=PARTY))
    await eventually(lambda: bool(peer.asked))
    await peer.touch("party-access:p")
    await ada.ask("time")
    go.set()
    with pytest.raises(Refused, match="not-a-member"):
        await watching


async def test_a_private_question_is_asked_for_each_person(running: Running, peer: Peer, connect: Connect) -> None:
    peer.handlers["library.titles"] = lambda args, context: {"of": context.actor}
    ada, ben = await connect(running, "Ada"), await connect(running, "Ben")
    for client in (ada, ben):
        answer = await client.ask("watch", fn="library.titles", args={})
        assert answer["value"] == {"of": client.user}


async def test_the_same_question_differently_written_is_one_run(running: Running, peer: Peer, connect: Connect) -> None:
    asked: list[dict[str, Any]] = []

    def members(args: dict[str, Any], context: Context) -> int:
        asked.append(args)
        return len(asked)

    peer.handlers["party.members"] = members
    ada = await connect(running)
    await ada.ask("watch", id="a", fn="party.members", args={"party_id": "p"})
    await ada.ask("watch", id="b", fn="party.members", args={"limit": 100, "party_id": "p", "cursor": None})
    # The second one's first run is the first one's change.
    assert await value(ada, "a") == 2
    await peer.touch("party:p")
    assert await value(ada, "a") == await value(ada, "b") == 3


async def test_a_value_never_overtakes_the_answer_of_the_command_that_caused_it(
    running: Running, peer: Peer, connect: Connect, watched: Party
) -> None:
    ada, ben = await connect(running, "Ada"), await connect(running, "Ben")
    go = asyncio.Event()

    async def play(args: dict[str, Any], context: Context) -> None:
        watched.value += 1
        await peer.touch("party:p")
        await go.wait()

    peer.handlers["party.play"] = play
    for client in (ada, ben):
        await watch(client)
    calling = asyncio.create_task(ada.call("party.play", party_id="p"))
    assert await value(ben) == 2
    await ada.ask("time")
    assert not ada.inbox
    go.set()
    await calling
    assert await value(ada) == 2


async def test_a_value_is_not_held_for_long(
    running: Running, peer: Peer, connect: Connect, watched: Party, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = await connect(running)
    go = asyncio.Event()

    async def play(args: dict[str, Any], context: Context) -> None:
        watched.value += 1
        await peer.touch("party:p")
        await go.wait()

    peer.handlers["party.play"] = play
    await watch(ada)
    calling = asyncio.create_task(ada.call("party.play", party_id="p"))
    assert await value(ada) == 2
    assert not calling.done()
    go.set()
    await calling


async def test_watches_are_bounded_and_forgotten(
    running: Running, peer: Peer, connect: Connect, watched: Party
) -> None:
    ada = await connect(running)
    for number in range(1, limits.WATCHES + 2):
        await ada.say(op="watch", id=number, fn="party.members", args=PARTY)
    with pytest.raises(Refused, match="too-many-watches"):
        await ada.answer(limits.WATCHES + 1)
    for number in range(1, limits.WATCHES + 1):
        await ada.answer(number)
    assert running.desk.watches.watchers == limits.WATCHES
    await ada.vanish()
    await eventually(lambda: running.desk.watches.watchers == 0)


# The same over HTTP.


async def read_stream(answer: aiohttp.ClientResponse) -> list[str]:
    """The fields of the next event."""
    fields: list[str] = []
    async with asyncio.timeout(10):
        async for line in answer.content:
            text = line.decode().rstrip("\n")
            if text.startswith(("id:", "event:", "data:")):
                fields.append(text)
            elif not text and fields:
                return fields
    return fields


async def test_an_event_stream_ends_with_the_right_to_it(running: Running, peer: Peer, watched: Party) -> None:
    headers = {"Authorization": f"Bearer {await guest(running)}"}
    async with (
        aiohttp.ClientSession(running.http, headers=headers) as http,
        http.get("/v1/watch/party.members", params=PARTY) as stream,
    ):
        first = await read_stream(stream)
        assert json.loads(first[1].removeprefix("data: "))["value"] == 1
        watched.value = 2
        await peer.touch("party:p")
        assert json.loads((await read_stream(stream))[1].removeprefix("data: "))["value"] == 2
        watched.broken = Rejected("not-a-member")
        await peer.touch("party:p", "party-access:p")
        event, data = await read_stream(stream)
        assert event == "event: problem"
        assert json.loads(data.removeprefix("data: "))["code"] == "not-a-member"
        assert await stream.content.read() == b""
    await eventually(lambda: running.desk.watches.watchers == 0)


async def test_an_event_stream_is_forgotten_when_its_reader_goes(running: Running, peer: Peer, watched: Party) -> None:
    headers = {"Authorization": f"Bearer {await guest(running)}"}
    async with aiohttp.ClientSession(running.http, headers=headers) as http:
        stream = await http.get("/v1/watch/party.members", params=PARTY)
        await read_stream(stream)
        assert running.desk.watches.watchers == 1
        stream.close()
        await eventually(lambda: running.desk.watches.watchers == 0, within=10)


async def test_event_streams_are_bounded_per_person_and_count_as_sockets(
    another: Gateways, peer: Peer, watched: Party, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "STREAMS", 1)
    async with another(max_sockets=2) as running:
        ada, ben, cleo = [{"Authorization": f"Bearer {await guest(running, name)}"} for name in "ABC"]
        async with aiohttp.ClientSession(running.http) as http:

            async def opened(headers: dict[str, str]) -> tuple[int, str, aiohttp.ClientResponse]:
                stream = await http.get("/v1/watch/party.members", params=PARTY, headers=headers)
                code = "" if stream.status == 200 else (await stream.json())["code"]
                return stream.status, code, stream

            first = await opened(ada)
            assert (await opened(ada))[:2] == (429, "too-many-watches")
            assert (await opened(ben))[:2] == (200, "")
            assert (await opened(cleo))[:2] == (503, "too-many-sockets")
            with pytest.raises(aiohttp.WSServerHandshakeError):
                await Client.connect(running.ws, None)
            first[2].close()

            async def there_is_room() -> bool:
                return (await opened(ada))[0] == 200

            await eventually(there_is_room)


async def test_who_does_not_read_an_event_stream_is_cut_off(
    running: Running, peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "SLOW_STREAM_SECONDS", 0.5)
    answers = itertools.count()
    peer.handlers["party.members"] = lambda args, context: str(next(answers)) + "x" * 500_000
    raw = await asyncio.to_thread(open_stream, running, await guest(running))
    try:
        await eventually(lambda: running.desk.watches.watchers == 1)

        async def forgotten() -> bool:
            await peer.touch("party:p")
            return running.desk.watches.watchers == 0

        await eventually(forgotten, within=10)
    finally:
        raw.close()


async def test_a_token_expires_though_its_event_stream_is_not_read(
    another: Gateways, peer: Peer, idp: IssuerSimulator
) -> None:
    answers = itertools.count()
    peer.handlers["party.members"] = lambda args, context: str(next(answers)) + "x" * 500_000
    async with another(**trusting(idp)) as running:
        raw = await asyncio.to_thread(open_stream, running, idp.mint(exp=int(time.time()) + 2))
        try:
            await eventually(lambda: running.desk.watches.watchers == 1)

            async def forgotten() -> bool:
                await peer.touch("party:p")
                return running.desk.watches.watchers == 0

            await eventually(forgotten)
        finally:
            raw.close()


def open_stream(running: Running, token: str) -> socket.socket:
    """Asks for an event stream and then reads nothing, with as little room as the kernel allows."""
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.connect(("127.0.0.1", running.port))
    raw.sendall(
        b"GET /v1/watch/party.members?party_id=p HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %b\r\n\r\n"
        % token.encode()
    )
    return raw


async def test_calls_over_http_have_a_rate_per_person(another: Gateways, peer: Peer, watched: Party) -> None:
    async with another(calls_per_second=1) as running:
        headers = {"Authorization": f"Bearer {await guest(running)}"}
        async with aiohttp.ClientSession(running.http, headers=headers) as http:
            seen = []
            for _ in range(4):
                async with http.post("/v1/call/party.members", json=PARTY) as answer:
                    seen.append(answer.status)
            assert (seen[:2], seen[3]) == ([200, 200], 429)
