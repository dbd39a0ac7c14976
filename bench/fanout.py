"""One room of 500 sockets: how fast a burst of broadcasts reaches all of them, and how soon a durable `play` does."""

import asyncio
import base64
import contextlib
import time
from collections.abc import AsyncIterator, Sequence

import msgspec

from bench import profiles
from bench.figures import milliseconds, spread
from bench.options import Options
from bench.peers import socketio
from bench.processes import peer, python
from bench.report import Report, above, at_least, below
from bench.sockets import Count, Push, RawSocket, Receiver, Socket, SocketIoSocket, gathered, opened
from bench.system import Matinee, matinee, share

DATA = {"position": 1234.5, "playing": True, "pad": "x" * 100}
BURSTS_A_ROUND = 3
PLAYS_PER_SECOND = 20.0
PLACES = (1_000.0, 3_000.0)
"""Where `play` goes in turn, so that each one changes something."""


class Room:
    """Sockets that all hear what the first of them says."""

    def __init__(self, name: str, sockets: Sequence[Receiver], speaker: Socket | RawSocket | SocketIoSocket) -> None:
        self.name = name
        self.sockets = sockets
        self.speaker = speaker
        self.spoken = 0

    def frame(self, number: int) -> bytes:
        raise NotImplementedError

    async def burst(self, frames: int) -> float:
        """Deliveries per second of so many frames said at once."""
        wanted = frames * len(self.sockets)
        count = Count(wanted, time.perf_counter)
        self.listen(count.push)
        said = [self.frame(self.spoken + n) for n in range(frames)]
        self.spoken += frames
        begun = time.perf_counter()
        for frame in said:
            self.speaker.say(frame)
        return wanted / (await count.all() - begun)

    def listen(self, push: Push) -> None:
        for socket in self.sockets:
            socket.on_push = push


class OurRoom(Room):
    """A party whose members all follow it."""

    def __init__(self, sockets: Sequence[Socket], party_id: str) -> None:
        super().__init__("ours", sockets, sockets[0])
        self.host = sockets[0]
        self.party_id = party_id
        self._played = 0

    @classmethod
    async def open(cls, system: Matinee, size: int) -> "OurRoom":
        sockets = await opened(system.ws, system.tokens(size))
        answer = await sockets[0].call("party.open", title="Bench", media="bench:film")
        party_id = msgspec.json.decode(answer.value)["party_id"]
        await gathered([lambda s=s: s.call("party.join", party_id=party_id) for s in sockets[1:]])  # type: ignore[misc]
        await gathered([lambda s=s: s.ask(op="follow", channel=f"party:{party_id}") for s in sockets])  # type: ignore[misc]
        return cls(sockets, party_id)

    def frame(self, number: int) -> bytes:
        said = {"op": "send", "id": f"s{number}", "channel": f"party:{self.party_id}", "event": "play", "data": DATA}
        return msgspec.json.encode({**said, "self": True})

    async def plays(self, count: int, per_second: float) -> list[float]:
        """Seconds from the host's frame to each member's, for so many plays at a steady rate."""
        sent: list[float] = []
        samples: list[float] = []
        arrived = Count(count * len(self.sockets), time.perf_counter)
        for socket in self.sockets:
            socket.on_push = _hearing(sent, samples, arrived)
        begun = time.perf_counter()
        for n in range(count):
            await asyncio.sleep(max(0.0, begun + n / per_second - time.perf_counter()))
            self._played += 1
            arguments = {"party_id": self.party_id, "position": PLACES[self._played % 2]}
            frame = {"op": "call", "id": f"p{self._played}", "fn": "party.play", "args": arguments}
            sent.append(time.perf_counter())
            self.host.say(msgspec.json.encode(frame))
        await arrived.all()
        return samples


class RawRoom(Room):
    """Whoever is connected to the raw server."""

    def frame(self, number: int) -> bytes:
        return b'{"n":%d}' % number


class SocketIoRoom(Room):
    """Socket.IO's one room."""

    def frame(self, number: int) -> bytes:
        return b"42" + msgspec.json.encode(["play", DATA])


def _hearing(sent: Sequence[float], samples: list[float], arrived: Count) -> Push:
    """For one member, to whom the plays come in the order in which they were sent."""
    heard = 0

    def push(data: bytes) -> None:
        nonlocal heard
        if data.startswith(b'{"op":"event"'):
            samples.append(time.perf_counter() - sent[heard])
            heard += 1
            arrived.push(data)

    return push


@contextlib.asynccontextmanager
async def raw_room(size: int) -> AsyncIterator[Room]:
    # The very frame that ours sends, so that both write the same bytes.
    message = {"op": "message", "channel": "party:" + 16 * "a", "event": "play", "from": 26 * "a", "data": DATA}
    frame = base64.b64encode(msgspec.json.encode(message)).decode()
    async with peer("raw", *python("raw_server", frame)) as server:
        url = f"ws://127.0.0.1:{await server.hear()}/"
        sockets = await gathered([lambda: RawSocket.open(url)] * size)
        yield RawRoom("raw", sockets, sockets[0])


@contextlib.asynccontextmanager
async def socketio_room(size: int) -> AsyncIterator[Room]:
    async with peer("socketio", *await socketio.command()) as server:
        port = int(await server.hear())
        sockets = await gathered([lambda: SocketIoSocket.open(port)] * size)
        yield SocketIoRoom("socketio", sockets, sockets[0])


async def run(options: Options) -> Report:
    size, frames = options.size(500, 10), options.size(100, 5)
    rounds, plays = options.size(5, 1), options.size(60, 3)
    report = Report(
        "fanout",
        f"{size} sockets in one room; {rounds} rounds of {BURSTS_A_ROUND} bursts of {frames} frames to each room "
        f"in turn, then {plays} plays at {PLAYS_PER_SECOND:.0f}/s",
    )
    with matinee(profiling=options.profile, MATINEE_SENDS_PER_SECOND="1000000") as system:
        async with contextlib.AsyncExitStack() as stack:
            ours = await OurRoom.open(system, size)
            rooms: list[Room] = [ours, await stack.enter_async_context(raw_room(size))]
            try:
                rooms.append(await stack.enter_async_context(socketio_room(size)))
            except socketio.Missing as missing:
                report.notes.append(f"Socket.IO is left out: {missing}")
            for room in rooms:
                await room.burst(frames)
            await ours.plays(max(2, plays // 4), PLAYS_PER_SECOND)
            await _measure(report, system, ours, rooms, rounds=rounds, frames=frames, plays=plays)
            for room in rooms:
                for socket in room.sockets:
                    socket.close()
    return report


async def _measure(
    report: Report, system: Matinee, ours: OurRoom, rooms: Sequence[Room], *, rounds: int, frames: int, plays: int
) -> None:
    rates: dict[str, list[float]] = {room.name: [] for room in rooms}
    samples: list[list[float]] = []
    used: dict[str, float] = {}
    with system.sampled() as found:
        for _ in range(rounds):
            for _ in range(BURSTS_A_ROUND):
                for room in rooms:
                    rates[room.name].append(await room.burst(frames))
            before, begun = system.processor_seconds(), time.perf_counter()
            samples.append(await ours.plays(plays, PLAYS_PER_SECOND))
            used = share(before, system.processor_seconds(), time.perf_counter() - begun)
    report.profiles = found
    report.figure("broadcast_deliveries_per_s", spread(rates["ours"]))
    report.figure("play_p50_ms", spread(milliseconds(each, 0.5) for each in samples), below(8))
    report.figure("play_p99_ms", spread(milliseconds(each, 0.99) for each in samples), below(25))
    for name, aim in (("raw", at_least(0.7)), ("socketio", above(1))):
        if name in rates:
            report.besides(f"{name} deliveries per s", spread(rates[name]))
            pairs = zip(rates["ours"], rates[name], strict=True)
            report.ratio(name, spread(mine / theirs for mine, theirs in pairs), aim)
    report.notes.append(f"Plays, {profiles.processors(used)}")
