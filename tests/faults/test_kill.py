"""Kill -9 of each part under load: nothing acknowledged is lost or doubled, and who listens gets everything."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple

import aiohttp
import pytest
from tests.e2e.talk import log_of
from tests.faults.crowd import Conversation, Person, Room, Viewer
from tests.system import System, system_over
from tests.wait import eventually

from events.bus import Bus
from events.codec import Codec
from events.contracts import party
from events.contracts.comments import Posted, Said, comment_key, room_key
from events.contracts.party import CHANNEL, Sought
from events.jetstream import JetStreamLog
from events.log import Commit
from events.messages import Position

ROOMS = 6
VIEWERS = 3
CONVERSATIONS = 2
BEFORE, AFTER = 15, 25
"""Commands in each room that must be acknowledged before and after the blow."""


@pytest.fixture(scope="module")
def victim_system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    with system_over(tmp_path_factory.mktemp("faults")) as system:
        yield system


class Crowd(NamedTuple):
    """Everybody who is busy."""

    rooms: list[Room]
    viewers: list[Viewer]
    conversations: list[Conversation]

    def everybody(self) -> Sequence[Room | Viewer | Conversation]:
        return (*self.rooms, *self.viewers, *self.conversations)


@asynccontextmanager
async def load(system: System) -> AsyncIterator[Crowd]:
    """People who command without a pause while the block runs; then everybody must be up to date."""
    async with aiohttp.ClientSession() as http:
        rooms = [await Room.open(http, system.http) for _ in range(ROOMS)]
        rooms.append(await Room.open(http, system.http, devices=8))
        viewers = [await Viewer.sit_down(http, system.http) for _ in range(VIEWERS)]
        conversations = [await Conversation.begin(http, system.http) for _ in range(CONVERSATIONS)]
        crowd = Crowd(rooms, viewers, conversations)
        everybody = crowd.everybody()
        stop = asyncio.Event()
        commanding = [asyncio.create_task(each.command(stop)) for each in everybody]
        listening = [asyncio.create_task(listen) for each in everybody for listen in each.listening()]
        try:
            yield crowd
            stop.set()
            await asyncio.wait_for(asyncio.gather(*commanding), 30)
            for each in everybody:
                await eventually(each.fresh, within=5)
            followed: list[Room | Conversation] = [*rooms, *conversations]
            for each in followed:
                await eventually(each.complete, within=5)
        finally:
            for task in (*commanding, *listening):
                task.cancel()
            await asyncio.gather(*commanding, *listening, return_exceptions=True)
            for each in everybody:
                await each.leave()


@pytest.mark.timeout(120)
@pytest.mark.parametrize("victim", ["parties", "library", "comments", "gateway", "nats", "postgres"])
async def test_a_killed_part_costs_nobody_anything(victim_system: System, victim: str) -> None:
    async with load(victim_system) as crowd:
        await acknowledged(crowd, BEFORE)
        before = victim_system.pid(victim)
        victim_system.kill(victim)
        # Listeners must be served while the load goes on, not only once it has stopped.
        await acknowledged(crowd, BEFORE + AFTER)
        await eventually(lambda: victim_system.pid(victim) != before, within=20)
        await eventually(victim_system.ready, within=20)

    for room in crowd.rooms:
        stored = await commits_of(victim_system, room)
        assert sought(stored) == [(where, Position.parse(at).sequence) for where, at in room.acked]
        assert room.heard == room.acked
        assert all(room.recovered)
    for conversation in crowd.conversations:
        assert await said(victim_system, conversation) == conversation.acked
        assert conversation.heard == conversation.acked
        assert all(conversation.recovered)
        assert await written(victim_system, conversation) == Counter(conversation.posted)
    found = await asyncio.to_thread(victim_system.matinee, "verify")
    assert found.returncode == 0, found.stdout + found.stderr


async def test_two_hundred_clients_race_to_control_one_party(victim_system: System) -> None:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        host = await Person.guest(http, victim_system.http, "Ana")
        opened = (await host.call("party.open", title="Race", media="tt1"))["value"]["party_id"]
        clients = [host.another() for _ in range(200)]
        for client in clients:
            await client.socket()

        answers = await asyncio.gather(
            *(client.call("party.seek", party_id=opened, position=float(n + 1)) for n, client in enumerate(clients))
        )
        for client in (host, *clients):
            await client.leave()

    room = Room(host, host, host, id=opened)
    stored = await commits_of(victim_system, room)
    assert sorted(where for where, _ in sought(stored)) == [float(n + 1) for n in range(200)]
    assert len({answer["position"] for answer in answers}) == 200
    assert [commit.first for commit in stored] == [1, *(commit.last + 1 for commit in stored[:-1])]


async def acknowledged(crowd: Crowd, count: int) -> None:
    await eventually(lambda: all(len(each.acked) >= count for each in crowd.everybody()), within=40)


def sought(commits: list[Commit]) -> list[tuple[float, int]]:
    """Where to, and the sequence of the commit."""
    return [(e.position, commit.sequence) for commit in commits for e in commit.events if isinstance(e, Sought)]


async def commits_of(system: System, room: Room) -> list[Commit]:
    """The party's commits, read behind every door."""
    bus = await Bus.connect(system.environment("parties")["NATS_URL"], "parties")
    try:
        log = await JetStreamLog.open(bus, "parties", Codec(party.EVENTS))
        return await log.read(CHANNEL.key(room.id))
    finally:
        await bus.close()


async def said(system: System, conversation: Conversation) -> list[tuple[str, str]]:
    """Lines and their positions, as the log has them."""
    async with log_of(system) as log:
        commits = await log.read(room_key(f"party:{conversation.party_id}"))
        return [
            (event.line, f"comments:{log.epoch}:{commit.sequence}")
            for commit in commits
            for event in commit.events
            if isinstance(event, Said)
        ]


async def written(system: System, conversation: Conversation) -> Counter[str]:
    """How often the log has each comment that was acknowledged."""
    async with log_of(system) as log:
        found = [await log.read(comment_key(conversation.thread_id, id)) for id in conversation.posted]
    return Counter(
        event.comment_id
        for commits in found
        for commit in commits
        for event in commit.events
        if isinstance(event, Posted)
    )
