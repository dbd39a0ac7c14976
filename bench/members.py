"""Matinee's people: members of parties who follow them, and report where their players are every three seconds."""

import asyncio
import contextlib
import time
from collections.abc import Sequence

import msgspec

from bench.crowds import Crowd, Screens, Shape
from bench.ears import Ear, Ears
from bench.sockets import ANSWER_SECONDS, Refused, Socket, gathered

REPORT_SECONDS = 3.0
"""Of each member; those of a crowd are spread evenly."""
TICK_SECONDS = 0.02
ROUND_TRIP = 0.001
REPORT, CLOSE = "r", "c"
"""Ids of frames. That of every report is free again long before the next."""
CLOSED = b'{"op":"result","id":"c"'


class _Sought(msgspec.Struct):
    position: float


class _Event(msgspec.Struct):
    type: str
    data: msgspec.Raw


_events = msgspec.json.Decoder(_Event)
_sought = msgspec.json.Decoder(_Sought)


def payloads(data: bytes) -> tuple[list[bytes], bytes]:
    """Those of the frames that a server sent, and what is there of the last one if it is not complete."""
    found, start = [], 0
    while len(data) - start >= 2:
        size, head = data[start + 1], 2
        if size >= 126:
            head = 4 if size == 126 else 10
            size = int.from_bytes(data[start + 2 : start + head], "big")
        end = start + head + size
        if len(data) < start + head or len(data) < end:
            break
        found.append(data[start + head : end])
        start = end
    return found, data[start:]


class Room:
    """A party, as its members know it."""

    def __init__(self, party_id: str) -> None:
        self.party_id = party_id
        self._place, self._since = 0.0, time.time()

    def moved(self, place: float) -> None:
        self._place, self._since = place, time.time()

    def report(self) -> bytes:
        """The frame of a member whose player is where the party is."""
        now = time.time()
        arguments = {
            "party_id": self.party_id,
            "position": self._place + now - self._since,
            "at": now * 1000,
            "playing": True,
            "rtt": ROUND_TRIP,
            "uncertainty": ROUND_TRIP / 2,
        }
        return msgspec.json.encode({"op": "call", "id": REPORT, "fn": "party.report", "args": arguments})


class Member:
    """A socket whose owner is in a room and follows it."""

    def __init__(self, socket: Socket, room: Room, screens: Screens) -> None:
        self.socket = socket
        self.room = room
        self._screens = screens
        self._rest = b""
        self._ear: Ear | None = None
        self.closed = asyncio.Event()

    @classmethod
    async def open(cls, url: str, token: str, screens: Screens) -> "Member":
        """Open a party, let it play and follow it."""
        socket = await Socket.open(url, token)
        answer = await socket.call("party.open", title="Bench", media="bench:film")
        room = Room(msgspec.json.decode(answer.value)["party_id"])
        member = cls(socket, room, screens)
        await socket.call("party.play", party_id=room.party_id, position=0.0)
        await member._follow()
        room.moved(0.0)
        return member

    @classmethod
    async def join(cls, url: str, token: str, room: Room, screens: Screens) -> "Member":
        """Connect, sign in, become a member and follow."""
        socket = await Socket.open(url, token)
        member = cls(socket, room, screens)
        await socket.call("party.join", party_id=room.party_id)
        await member._follow()
        return member

    async def _follow(self) -> None:
        await self.socket.ask(op="follow", channel=f"party:{self.room.party_id}")
        # From now on what comes is looked at for refusals only.
        self.socket.on_answer = self._read

    def lend_ears(self, ears: Ears) -> None:
        assert self.socket.transport is not None
        transport = self.socket.transport.underlying_transport
        transport.pause_reading()
        self._ear = ears.add(transport.get_extra_info("socket").fileno(), self.hear)

    def report(self) -> None:
        """Tell where the player is; what has arrived is read first, before the answer covers up when it did."""
        if self._ear is not None:
            self._ear.hear()
        self.socket.say(self.room.report())

    def hear(self, data: bytes, at: float) -> None:
        found, self._rest = payloads(self._rest + data)
        for payload in found:
            if payload.startswith(b'{"op":"event"'):
                event = _events.decode(payload)
                if event.type == "party.sought":
                    self._screens.shown(_sought.decode(event.data).position, at)
            else:
                self._read(payload)
        if not data:
            self._screens.fail(Refused("hung up"))

    def close(self) -> None:
        """End the party."""
        arguments = {"party_id": self.room.party_id}
        self.socket.say(msgspec.json.encode({"op": "call", "id": CLOSE, "fn": "party.close", "args": arguments}))

    def seek(self, number: int) -> None:
        arguments = {"party_id": self.room.party_id, "position": float(number)}
        self.room.moved(number)
        self.socket.say(msgspec.json.encode({"op": "call", "id": f"s{number}", "fn": "party.seek", "args": arguments}))

    def _read(self, payload: bytes) -> None:
        if payload.startswith(b'{"op":"error"'):
            self._screens.fail(Refused(payload.decode()))
        elif payload.startswith(CLOSED):
            self.closed.set()


class Members(Crowd):
    """Everybody on one gateway; whoever controls a room is its host."""

    def __init__(self, shape: Shape, url: str, tokens: Sequence[str]) -> None:
        super().__init__(shape)
        self._url = url
        self._tokens = tokens
        self._members: list[Member] = []
        self._reporting: asyncio.Task[None] | None = None

    @classmethod
    async def open(cls, shape: Shape, url: str, tokens: Sequence[str]) -> "Members":
        """*tokens*: one for each person."""
        crowd = cls(shape, url, tokens)
        hosts = [lambda token=token: Member.open(url, token, crowd.screens) for token in tokens[: shape.rooms]]
        crowd._members = await gathered(hosts)
        crowd._reporting = asyncio.create_task(crowd._report())
        return crowd

    async def come_in(self, number: int) -> None:
        token = self._tokens[self.shape.rooms + number]
        room = self._members[number % self.shape.rooms].room
        self._members.append(await Member.join(self._url, token, room, self.screens))

    def seek(self, room: int, place: int) -> None:
        self._members[room].seek(place)

    def lend_ears(self) -> None:
        for member in self._members:
            member.lend_ears(self.ears)

    async def close(self) -> None:
        """Stop reporting, end the parties and hang up."""
        assert self._reporting is not None
        self._reporting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._reporting
        hosts = self._members[: self.shape.rooms]
        for host in hosts:
            host.close()
        async with asyncio.timeout(ANSWER_SECONDS):
            for host in hosts:
                await host.closed.wait()
        await super().close()
        for member in self._members:
            member.socket.close()

    async def _report(self) -> None:
        """Let one member after the other report; whoever has come in takes part."""
        told, owed = 0, 0.0
        before = time.perf_counter()
        while True:
            await asyncio.sleep(TICK_SECONDS)
            now = time.perf_counter()
            owed += len(self._members) * (now - before) / REPORT_SECONDS
            before = now
            while owed >= 1:
                self._members[told % len(self._members)].report()
                told, owed = told + 1, owed - 1
