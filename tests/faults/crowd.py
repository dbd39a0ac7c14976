"""People whom faults may not disturb: hosts who never stop commanding, followers and watchers who reconnect."""

import asyncio
import contextlib
import itertools
import secrets
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Self

import aiohttp
import msgspec

Frame = dict[str, Any]

PATIENCE = 20.0
AGAIN = 0.05
TRANSIENT = frozenset({"unavailable", "timeout", "busy", "position-not-reached", "rate-limited", "deadline-exceeded"})


class Gone(Exception):
    """The socket is closed, or an answer did not come."""


class Refused(Exception):
    """An error frame."""

    def __init__(self, error: Frame) -> None:
        super().__init__(error["code"])
        self.code: str = error["code"]


class Socket:
    """One connection; ends with it."""

    def __init__(self, raw: aiohttp.ClientWebSocketResponse, pushed: Callable[[Frame], None]) -> None:
        self._raw = raw
        self._pushed = pushed
        self._ids = itertools.count(1)
        self._answers: dict[int, asyncio.Future[Frame]] = {}
        self._reading = asyncio.create_task(self._read())

    @classmethod
    async def open(cls, http: aiohttp.ClientSession, address: str, token: str, pushed: Callable[[Frame], None]) -> Self:
        try:
            raw = await http.ws_connect(address, protocols=("matinee.v1",), max_msg_size=0)
        except (aiohttp.ClientError, OSError) as error:
            raise Gone(str(error)) from error
        socket = cls(raw, pushed)
        await socket.ask(op="auth", token=token)
        return socket

    async def ask(self, **frame: Any) -> Frame:
        number = next(self._ids)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        try:
            await self._raw.send_str(msgspec.json.encode({"id": number, **frame}).decode())
            async with asyncio.timeout(PATIENCE):
                said: Frame = await answer
        except (ConnectionError, TimeoutError, aiohttp.ClientError) as error:
            raise Gone(repr(error)) from error
        if said["op"] == "error":
            raise Refused(said["error"])
        return said

    async def close(self) -> None:
        await self._raw.close()
        await self.closed()

    async def closed(self) -> None:
        """Wait until the connection has ended."""
        await asyncio.wait([self._reading])

    async def _read(self) -> None:
        async for message in self._raw:
            if message.type is aiohttp.WSMsgType.TEXT:
                frame: Frame = msgspec.json.decode(message.data)
                waiting = self._answers.pop(frame.get("id", 0), None)
                if waiting is not None and not waiting.done():
                    waiting.set_result(frame)
                else:
                    self._pushed(frame)
        for waiting in self._answers.values():
            if not waiting.done():
                waiting.set_exception(Gone("the socket closed"))
                waiting.exception()


@dataclass
class Person:
    """Somebody who reconnects for as long as it takes, and does again what was left without an answer."""

    http: aiohttp.ClientSession
    address: str
    token: str
    uid: str
    pushed: Callable[[Frame], None] = lambda frame: None
    began: Callable[[Socket], Awaitable[None]] | None = None
    """What to do on each new connection: follow again, watch again."""
    _socket: Socket | None = None

    @classmethod
    async def guest(cls, http: aiohttp.ClientSession, base: str, name: str) -> Self:
        async with http.post(f"{base}/v1/guest", json={"name": name}) as answer:
            answer.raise_for_status()
            body = await answer.json()
        return cls(http, base.replace("http", "ws", 1) + "/v1/ws", body["token"], body["user"])

    def another(self) -> "Person":
        """The same person on another device."""
        return Person(self.http, self.address, self.token, self.uid)

    async def socket(self) -> Socket:
        if self._socket is None or self._socket._raw.closed:
            self._socket = await Socket.open(self.http, self.address, self.token, self.pushed)
            if self.began is not None:
                await self.began(self._socket)
        return self._socket

    async def call(self, function: str, key: str | None = None, **arguments: Any) -> Frame:
        """Until it is answered: the same key, so that it takes effect once however often it is sent."""
        key = key or secrets.token_hex(8)
        while True:
            try:
                return await (await self.socket()).ask(op="call", fn=function, args=arguments, key=key)
            except Gone:
                self._socket = None
            except Refused as refusal:
                if refusal.code not in TRANSIENT:
                    raise
            await asyncio.sleep(AGAIN)

    async def stay(self) -> None:
        """Keep a connection for ever, for those who only listen."""
        while True:
            with contextlib.suppress(Gone, Refused):
                await (await self.socket()).closed()
            self._socket = None
            await asyncio.sleep(AGAIN)

    async def leave(self) -> None:
        if self._socket is not None:
            await self._socket.close()


@dataclass
class Viewer:
    """Somebody who watches a film on a television, and whose telephone shows where that is."""

    television: Person
    telephone: Person
    acked: list[float] = field(default_factory=list)
    shown: list[Frame] = field(default_factory=list)
    """What there is to go on with, newest value."""

    @classmethod
    async def sit_down(cls, http: aiohttp.ClientSession, base: str) -> Self:
        television = await Person.guest(http, base, "Dora")
        viewer = cls(television, television.another())
        viewer.telephone.pushed, viewer.telephone.began = viewer._show, viewer._watch
        await viewer.telephone.socket()
        return viewer

    async def command(self, until: asyncio.Event) -> None:
        """Report ever later positions, each tenth one with a pause, so that facts and heartbeats mingle."""
        for second in itertools.count(1):
            if until.is_set():
                return
            state = "paused" if second % 10 == 0 else "playing"
            await self.television.call(
                "library.report", work="tt2", position=float(second), duration=100_000.0, state=state
            )
            self.acked.append(float(second))

    def listening(self) -> list[Coroutine[Any, Any, None]]:
        return [self.telephone.stay()]

    def fresh(self) -> bool:
        """Whether the telephone shows what the television reported last."""
        return [item["position"] for item in self.shown] == self.acked[-1:]

    async def leave(self) -> None:
        for person in (self.television, self.telephone):
            await person.leave()

    async def _watch(self, socket: Socket) -> None:
        self.shown = (await socket.ask(op="watch", fn="library.continue_watching", args={}))["value"]["items"]

    def _show(self, frame: Frame) -> None:
        if frame["op"] == "value":
            self.shown = frame["value"]["items"]


@dataclass
class Room:
    """A party under load: its host seeks from several devices at once, one follower and one watcher look on."""

    host: Person
    follower: Person
    watcher: Person
    id: str = ""
    devices: int = 1
    """From which its host commands; they race."""
    acked: list[tuple[float, str]] = field(default_factory=list)
    """(where to, position of the answer), in the order of their commits once the load has stopped."""
    heard: list[tuple[float, str]] = field(default_factory=list)
    """(where to, position of the event), in the order of arrival."""
    recovered: list[bool] = field(default_factory=list)
    shown: Frame = field(default_factory=dict)
    """The newest value of the live query."""
    _since: str | None = None

    @classmethod
    async def open(cls, http: aiohttp.ClientSession, base: str, devices: int = 1) -> Self:
        host, follower, watcher = [await Person.guest(http, base, name) for name in ("Ana", "Ben", "Cleo")]
        room = cls(host, follower, watcher, devices=devices)
        room.id = (await host.call("party.open", title="Under load", media="tt1"))["value"]["party_id"]
        follower.pushed, follower.began = room._hear, room._follow
        watcher.pushed, watcher.began = room._show, room._watch
        await follower.socket()
        await watcher.socket()
        return room

    def listening(self) -> list[Coroutine[Any, Any, None]]:
        return [self.follower.stay(), self.watcher.stay()]

    async def command(self, until: asyncio.Event) -> None:
        """Seek without a pause until told to stop; an answer that got lost is asked for again."""
        devices = [self.host.another() for _ in range(self.devices)]
        numbers = itertools.count(1)

        async def seek(device: Person) -> None:
            while not until.is_set():
                where = float(next(numbers))
                answer = await device.call("party.seek", party_id=self.id, position=where)
                self.acked.append((where, answer["position"]))

        await asyncio.gather(*(seek(device) for device in devices))
        for device in devices:
            await device.leave()
        self.acked.sort(key=lambda each: int(each[1].rpartition(":")[2]))

    def complete(self) -> bool:
        """Whether the follower has heard the last command."""
        return bool(self.heard) and self.heard[-1] == self.acked[-1]

    def fresh(self) -> bool:
        """Whether the watcher is shown the last command's effect."""
        return bool(self.shown["position"] == self.acked[-1][0])

    async def leave(self) -> None:
        for person in (self.host, self.follower, self.watcher):
            await person.leave()

    async def _follow(self, socket: Socket) -> None:
        since = {"since": self._since} if self._since else {}
        followed = await socket.ask(op="follow", channel=f"party:{self.id}", **since)
        if self._since is None:
            self._since = followed["position"]
        else:
            self.recovered.append(followed["recovered"])

    def _hear(self, frame: Frame) -> None:
        if frame["op"] == "event" and frame["type"] == "party.sought":
            self.heard.append((frame["data"]["position"], frame["position"]))
            self._since = frame["position"]

    async def _watch(self, socket: Socket) -> None:
        self.shown = (await socket.ask(op="watch", fn="party.state", args={"party_id": self.id}))["value"]

    def _show(self, frame: Frame) -> None:
        if frame["op"] == "value":
            self.shown = frame["value"]


@dataclass
class Conversation:
    """People who talk in a party without a pause: lines in its chat, and comments and answers in its thread."""

    people: list[Person]
    reader: Person
    """Follows the chat, and comes back to it."""
    watcher: Person
    """Has the thread on screen."""
    party_id: str = ""
    thread_id: str = ""
    acked: list[tuple[str, str]] = field(default_factory=list)
    """(line, position of the answer), in the order of their commits once the load has stopped."""
    posted: list[str] = field(default_factory=list)
    """Comments that were acknowledged."""
    heard: list[tuple[str, str]] = field(default_factory=list)
    """(line, position of the event), in the order of arrival."""
    recovered: list[bool] = field(default_factory=list)
    shown: Frame = field(default_factory=dict)
    """The newest value of the thread."""
    _since: str | None = None

    @classmethod
    async def begin(cls, http: aiohttp.ClientSession, base: str, talkers: int = 3) -> Self:
        people = [await Person.guest(http, base, f"Talker {n}") for n in range(talkers)]
        reader, watcher = [await Person.guest(http, base, name) for name in ("Reader", "Watcher")]
        talk = cls(people, reader, watcher)
        opened = await people[0].call("party.open", title="Under load", media="tt3")
        talk.party_id = opened["value"]["party_id"]
        for person in people[1:]:
            await person.call("party.join", party_id=talk.party_id)
        reader.pushed, reader.began = talk._hear, talk._follow
        watcher.pushed, watcher.began = talk._show, talk._watch
        await reader.socket()
        await watcher.socket()
        return talk

    def listening(self) -> list[Coroutine[Any, Any, None]]:
        return [self.reader.stay(), self.watcher.stay()]

    async def command(self, until: asyncio.Event) -> None:
        """Speak until told to stop; an answer that got lost is asked for again."""

        async def speak(person: Person) -> None:
            parent: str | None = None
            for number in itertools.count(1):
                if until.is_set():
                    return
                said = await person.call("chat.say", room=f"party:{self.party_id}", text=f"{person.uid} {number}")
                self.acked.append((said["value"]["line"], said["position"]))
                posted = await person.call(
                    "comments.post", media="tt3", party_id=self.party_id, text=f"{number}", parent=parent
                )
                self.thread_id = posted["value"]["thread_id"]
                self.posted.append(posted["value"]["comment_id"])
                parent = self.posted[-1] if number % 5 else None

        await asyncio.gather(*(speak(person) for person in self.people))
        self.acked.sort(key=lambda each: int(each[1].rpartition(":")[2]))

    def complete(self) -> bool:
        """Whether the reader has heard the last line."""
        return bool(self.heard) and self.heard[-1] == self.acked[-1]

    def fresh(self) -> bool:
        """Whether the watcher sees as many comments as there are."""
        return bool(self.shown["thread"]["comments"] == len(self.posted))

    async def leave(self) -> None:
        for person in (*self.people, self.reader, self.watcher):
            await person.leave()

    async def _follow(self, socket: Socket) -> None:
        since = {"since": self._since} if self._since else {}
        followed = await socket.ask(op="follow", channel=f"chat:{self.party_id}", **since)
        if self._since is None:
            self._since = followed["position"]
        else:
            self.recovered.append(followed["recovered"])

    def _hear(self, frame: Frame) -> None:
        if frame["op"] == "event" and frame["type"] == "comments.said":
            self.heard.append((frame["data"]["line"], frame["position"]))
            self._since = frame["position"]

    async def _watch(self, socket: Socket) -> None:
        args = {"media": "tt3", "party_id": self.party_id}
        self.shown = (await socket.ask(op="watch", fn="comments.thread", args=args))["value"]

    def _show(self, frame: Frame) -> None:
        if frame["op"] == "value":
            self.shown = frame["value"]
