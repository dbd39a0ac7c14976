"""People in one chat, each on a socket of their own: whatever one of them says, all of them read."""

import asyncio
import itertools
import re
import time
from collections.abc import Iterator, Sequence

import msgspec

from bench.ears import Ear, Ears
from bench.members import payloads
from bench.sockets import Answer, Refused, Socket, SocketIoSocket, gathered, opened
from bench.system import Matinee
from bench.talk import Faults, Screen, Talk, faults, text

LOST_SECONDS = 10.0
"""What has not come so long after everything else will not come."""
HEAR_SECONDS = 0.002
HEARTBEAT_SECONDS = 10.0
"""Of whoever runs a live event."""
LINE = "line "
"""Begins the ids of frames that say one: numbers are taken, by what is followed."""

_answers = msgspec.json.Decoder(Answer)
_ENDING = (b'{"op":"error"', b'{"op":"ended"')
_SAID = f'{{"op":"result","id":"{LINE}'.encode()
_position = re.compile(rb'"position":"([^"]+)"')


class Person:
    """Somebody who reads, and speaks now and then."""

    def __init__(self, socket: Socket | SocketIoSocket, chat: "Chat") -> None:
        self.socket = socket
        self.screen = Screen(chat.talk)
        self.away = False
        self._chat = chat
        self._ear: Ear | None = None
        self._rest = b""

    def lend_ear(self) -> None:
        """Let the chat read what arrives from now on."""
        assert self.socket.transport is not None
        transport = self.socket.transport.underlying_transport
        transport.pause_reading()
        self._ear = self._chat.ears.add(transport.get_extra_info("socket").fileno(), self._hear)

    def take_back_ear(self) -> None:
        if self._ear is not None:
            self._chat.ears.remove(self._ear)
            self._ear = None
            self._rest = b""

    def say(self, frame: bytes) -> None:
        self.socket.say(frame)

    def pong(self) -> None:
        assert self.socket.transport is not None
        self.socket.transport.send_pong()

    def _hear(self, data: bytes, at: float) -> None:
        if not data:
            self._chat.fail(Refused("hung up"))
        found, self._rest = payloads(self._rest + data)
        for payload in found:
            self._chat.take(self, payload, at)


class Chat:
    """Everybody in one room, and what is said there."""

    name: str
    _line: bytes
    """How what is shown on a screen begins."""

    def __init__(self) -> None:
        self.talk = Talk()
        self.ears = Ears()
        self.people: list[Person] = []
        self._turn: Iterator[Person] = iter(())
        self._waiting = 0
        """How many lines of a flood are yet to be said."""
        self._failure: Exception | None = None

    def begin(self, sockets: Sequence[Socket] | Sequence[SocketIoSocket]) -> None:
        """Everybody is there and reads."""
        self.people = [Person(socket, self) for socket in sockets]
        for person in self.people:
            person.lend_ear()
        self._turn = itertools.cycle(self.people)

    async def steady(self, count: int, per_second: float) -> None:
        """So many lines by the clock, of one person after the other; at the end, wait for the last of them."""
        begun = time.perf_counter()
        for n in range(count):
            await asyncio.sleep(max(0.0, begun + n / per_second - time.perf_counter()))
            self.hear()
            self._say()
        await self.all()

    async def flood(self, lines: int, at_once: int) -> float:
        """Deliveries a second: somebody speaks whenever somebody else is answered."""
        had, begun = self.talk.deliveries, time.time()
        self._waiting = lines
        for _ in range(min(at_once, lines)):
            self._next()
        await self.all()
        return (self.talk.deliveries - had) / (self.talk.latest - begun)

    async def all(self) -> None:
        """Wait until everybody who is there was shown everything, or nothing more comes."""
        had, moved = -1, time.perf_counter()
        while self._missing() and time.perf_counter() - moved < LOST_SECONDS:
            await asyncio.sleep(HEAR_SECONDS)
            self.hear()
            now = self.talk.deliveries + self.talk.answered
            if now != had:
                had, moved = now, time.perf_counter()

    def hear(self) -> None:
        self.ears.hear()
        if self._failure is not None:
            raise self._failure

    def fail(self, error: Exception) -> None:
        self._failure = error

    def take(self, person: Person, payload: bytes, at: float) -> None:
        """Something has come to somebody."""
        if payload.startswith(self._line):
            person.screen.show(payload, at)
        elif not payload:
            person.pong()
        else:
            self._other(person, payload)

    def faults(self) -> Faults:
        """Over all screens, of everything that was said so far."""
        order = self.talk.order()
        return sum((faults(person.screen.shown, order) for person in self.people), Faults())

    def close(self) -> None:
        self.ears.close()
        for person in self.people:
            person.socket.close()

    def _missing(self) -> bool:
        said = self.talk.said
        shown = self._waiting or any(len(person.screen.shown) < said for person in self.people if not person.away)
        return bool(shown) or self.talk.answered < said

    def _say(self) -> None:
        person = next(self._turn)
        while person.away:
            person = next(self._turn)
        person.say(self._frame(self.talk.saying(time.time())))

    def _next(self) -> None:
        if self._waiting:
            self._waiting -= 1
            self._say()

    def _stored(self, number: int, place: int) -> None:
        self.talk.stored(number, place)
        self._next()

    def _frame(self, number: int) -> bytes:
        """What says the line of that number."""
        raise NotImplementedError

    def _other(self, person: Person, payload: bytes) -> None:
        """Answers, and what nobody asked for."""
        raise NotImplementedError


class OurChat(Chat):
    """The chat of a party, or of a live event; everybody is signed in."""

    name = "ours"

    def __init__(self, url: str, tokens: Sequence[str], room: str) -> None:
        super().__init__()
        self.room = room
        kind, _, id = room.partition(":")
        self.channel = f"{'chat' if kind == 'party' else kind}:{id}"
        self._line = f'{{"op":"event","channel":"{self.channel}","type":"comments.said"'.encode()
        self._url = url
        self._tokens = tokens
        self._heartbeat: asyncio.Task[None] | None = None

    @classmethod
    async def of_party(cls, system: Matinee, tokens: Sequence[str]) -> "OurChat":
        """Whose members all follow its chat."""
        sockets = await opened(system.ws, tokens)
        answer = await sockets[0].call("party.open", title="Bench", media="bench:film")
        party_id = msgspec.json.decode(answer.value)["party_id"]
        await gathered([lambda s=s: s.call("party.join", party_id=party_id) for s in sockets[1:]])  # type: ignore[misc]
        chat = cls(system.ws, tokens, f"party:{party_id}")
        await chat._follow(sockets)
        return chat

    @classmethod
    async def of_live(cls, system: Matinee, tokens: Sequence[str]) -> "OurChat":
        """Which the first one runs."""
        sockets = await opened(system.ws, tokens)
        await sockets[0].call("live.start", live_id="bench", title="Bench")
        chat = cls(system.ws, tokens, "live:bench")
        await chat._follow(sockets)
        chat._heartbeat = asyncio.create_task(chat._go_on())
        return chat

    async def drop(self, person: Person, seconds: float) -> "Resumed":
        """Break somebody's connection off; after a while they come again and go on from what they were shown last."""
        person.away, person.screen.timed = True, False
        person.take_back_ear()
        person.socket.close()
        had = len(person.screen.shown)
        await asyncio.sleep(seconds)
        token = self._tokens[self.people.index(person)]
        socket = await Socket.open(self._url, token)
        person.socket = socket
        socket.on_push = lambda payload: self.take(person, payload, time.time())
        since = _position.search(person.screen.last)
        assert since is not None
        said = self.talk.said
        answer = await socket.ask(op="follow", channel=self.channel, since=since[1].decode())
        socket.on_answer = lambda payload: self.take(person, payload, time.time())
        person.away = False
        return Resumed(answer.recovered, said - had)

    def close(self) -> None:
        if self._heartbeat is not None:
            self._heartbeat.cancel()
        super().close()

    async def _follow(self, sockets: Sequence[Socket]) -> None:
        await gathered([lambda s=s: s.ask(op="follow", channel=self.channel) for s in sockets])  # type: ignore[misc]
        self.begin(sockets)

    async def _go_on(self) -> None:
        arguments = {"live_id": self.room.partition(":")[2]}
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            self.people[0].say(msgspec.json.encode({"op": "call", "id": "on", "fn": "live.report", "args": arguments}))

    def _frame(self, number: int) -> bytes:
        arguments = {"room": self.room, "text": text(number)}
        return msgspec.json.encode({"op": "call", "id": f"{LINE}{number}", "fn": "chat.say", "args": arguments})

    def _other(self, person: Person, payload: bytes) -> None:
        if payload.startswith(_ENDING):
            self.fail(Refused(payload.decode()))
        elif payload.startswith(_SAID):
            answer = _answers.decode(payload)
            assert isinstance(answer.id, str)
            self._stored(int(answer.id[len(LINE) :]), int(answer.position.partition("+")[0].rpartition(":")[2]))


class SocketIoChat(Chat):
    """Socket.IO's one room, whose lines are as long as ours."""

    name = "socketio"
    _line = b'42["said"'

    def __init__(self) -> None:
        super().__init__()
        self.padding = 0

    @classmethod
    async def open(cls, port: int, size: int) -> "SocketIoChat":
        chat = cls()
        chat.begin(await gathered([lambda: SocketIoSocket.open(port)] * size))
        return chat

    def _frame(self, number: int) -> bytes:
        # The number is also that of the acknowledgement.
        return b"42%d%b" % (number, msgspec.json.encode(["say", {"text": text(number, self.padding)}]))

    def _other(self, person: Person, payload: bytes) -> None:
        if payload == b"2":
            person.say(b"3")
        elif payload.startswith(b"43"):
            number, _, place = payload[2:-1].partition(b"[")
            self._stored(int(number), int(place))


class Resumed(msgspec.Struct):
    """What somebody was told who came again."""

    recovered: bool
    missed: int
    """Lines that were said meanwhile."""
