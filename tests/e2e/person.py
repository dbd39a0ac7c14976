"""Somebody who speaks to Matinee through one of the doors and always sees what they have just done."""

import asyncio
import contextlib
import json
import secrets
from collections.abc import AsyncIterator, Callable
from typing import Any, Literal, NamedTuple

import aiohttp
from tests.e2e.client import Client, Frame, Refused
from tests.system import System

from events.messages import Position
from gateway.catalogue import Catalogue

CATALOGUE = Catalogue()
Door = Literal["socket", "http"]
DOORS: tuple[Door, ...] = ("socket", "http")

JSON = "application/json"
WITHIN = 20.0


class Answered(NamedTuple):
    """What HTTP says."""

    status: int
    body: Any


class Person:
    """Signed in once, on any number of devices."""

    def __init__(self, system: System, token: str, http: aiohttp.ClientSession, socket: Client, door: Door) -> None:
        self.system = system
        self.token = token
        self.user = socket.user
        self.socket = socket
        self._http = http
        self._door = door
        self._positions: dict[str, Position] = {}
        """By context: of the last thing that they did, or know of."""

    async def do(self, fn: str, /, **args: Any) -> Any:
        """Carry out a command; its value. Raise `Refused`."""
        return (await self.done(fn, **args))["value"]

    async def done(self, fn: str, /, once: str | None = None, **args: Any) -> Frame:
        """The same, with its position: under the same key, *once*, it is the same wish."""
        if self._door == "socket":
            answer = await self.socket.ask("call", fn=fn, args=args, **({"key": once} if once else {}))
        else:
            answer = await self._post(fn, args, **({"Idempotency-Key": once} if once else {}))
        if answer["position"] is not None:
            self._know(answer["position"])
        return answer

    async def see(self, fn: str, /, **args: Any) -> Any:
        """The value of a query, with all that they have done in it. Raise `Refused`."""
        known = self._positions.get(CATALOGUE.functions[fn].context)
        if self._door == "socket":
            after = {"after": str(known)} if known else {}
            return (await self.socket.ask("call", fn=fn, args=args, **after))["value"]
        return (await self._post(fn, args, **({"Matinee-After": str(known)} if known else {})))["value"]

    def hear_of(self, *others: "Person") -> None:
        """What they have done so far is in whatever this one sees from now on."""
        for other in others:
            for position in tuple(other._positions.values()):
                self._know(str(position))

    def _know(self, text: str) -> None:
        """From now on they see at least what is there at a position."""
        new = Position.parse(text)
        old = self._positions.get(new.context, new)
        self._positions[new.context] = Position(
            new.context, new.epoch, max(old.sequence, new.sequence), max(old.telemetry, new.telemetry)
        )

    async def pages(self, fn: str, /, field: str = "items", **args: Any) -> list[Any]:
        """Everything that a query has, page by page."""
        found: list[Any] = []
        cursor = None
        while True:
            page = await self.see(fn, **args, **({"cursor": cursor} if cursor else {}))
            found += page[field]
            cursor = page["cursor"]
            if cursor is None:
                return found

    async def refused(self, fn: str, /, **args: Any) -> str:
        """The code that a call is refused with."""
        try:
            value = await self.do(fn, **args)
        except Refused as refusal:
            return refusal.code
        raise AssertionError(f"{fn} was not refused but answered {value}")

    async def refused_raw(self, fn: str, args: str) -> str:
        """The code that arguments are refused with which no JSON library would write."""
        if self._door == "socket":
            await self.socket.say_text(f'{{"op":"call","id":"raw","fn":"{fn}","args":{args}}}')
            frame = await self.socket.take(lambda frame: frame["op"] == "error" or frame.get("id") == "raw")
            assert frame["op"] == "error", frame
            return str(frame["error"]["code"])
        headers = {"Authorization": f"Bearer {self.token}"} | TYPE
        async with self._http.post(f"/v1/call/{fn}", data=args.encode(), headers=headers) as answer:
            return str((await answer.json(content_type=None))["code"])

    async def send_file(self, form: str, file: bytes, kind: str = JSON, **options: str) -> Answered:
        """Upload a file to be taken in."""
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": kind}
        url = f"/v1/import/{form}"
        async with self._http.post(url, params=options, data=file, headers=headers) as answer:
            told = Answered(answer.status, await answer.json(content_type=None))
        if told.status == 202:
            self._know(told.body["position"])
        return told

    async def taken_in(self, form: str, file: bytes, kind: str = JSON, **options: str) -> Any:
        """Upload a file and wait until it was taken in, planned or refused; what `library.import_report` says then."""
        answered = await self.send_file(form, file, kind, **options)
        assert answered.status == 202, answered
        return await self.settled(answered.body["import_id"])

    async def export(self) -> bytes:
        """Everything that is kept about them, as a file."""
        async with self._http.get("/v1/export", headers={"Authorization": f"Bearer {self.token}"}) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.read()

    async def settled(self, import_id: str) -> Any:
        async with asyncio.timeout(WITHIN):
            while True:
                report = await self.see("library.import_report", import_id=import_id)
                if report["state"] not in ("reading", "applying"):
                    return report
                await asyncio.sleep(0.05)

    async def device(self, stack: contextlib.AsyncExitStack) -> Client:
        """Another socket of the same person."""
        return await stack.enter_async_context(await Client.connect(self.system.ws, self.token))

    async def _post(self, fn: str, args: Any, **headers: str) -> Frame:
        headers = {"Authorization": f"Bearer {self.token}", **headers}
        async with self._http.post(f"/v1/call/{fn}", data=json.dumps(args), headers=headers | TYPE) as answer:
            told: Frame = await answer.json(content_type=None)
            if answer.status != 200:
                raise Refused({"error": told})
            return told


TYPE = {"Content-Type": JSON}


@contextlib.asynccontextmanager
async def person(system: System, name: str, door: Door = "socket") -> AsyncIterator[Person]:
    """A guest."""
    async with aiohttp.ClientSession(system.http) as http:
        async with http.post("/v1/guest", json={"name": name}) as answer:
            token = (await answer.json())["token"]
        async with await Client.connect(system.ws, token) as socket:
            yield Person(system, token, http, socket, door)


@contextlib.asynccontextmanager
async def moderator(system: System, *roles: str, door: Door = "socket") -> AsyncIterator[Person]:
    """Somebody with roles in their token; a moderator if none are named."""
    words = [word for role in roles or ("moderator",) for word in ("--role", role)]
    told = await asyncio.to_thread(system.matinee, "token", f"Meg {secrets.token_hex(4)}", *words)
    assert told.returncode == 0, told.stderr
    token = told.stdout.strip()
    async with (
        aiohttp.ClientSession(system.http) as http,
        await Client.connect(system.ws, token) as socket,
    ):
        yield Person(system, token, http, socket, door)


async def watched(device: Client, fn: str, /, **args: Any) -> "Watch":
    """A live query on a device."""
    number = device.next_id()
    await device.say(op="watch", id=number, fn=fn, args=args)
    return Watch(device, number, (await device.expect(op="value", id=number))["value"])


class Watch:
    """What a screen shows: `now` is the newest value."""

    def __init__(self, device: Client, number: int, now: Any) -> None:
        self.device = device
        self.number = number
        self.now = now

    async def next(self) -> Any:
        self.now = (await self.device.expect(op="value", id=self.number))["value"]
        return self.now

    async def until(self, so: Callable[[Any], bool]) -> Any:
        """The first value of which something is so, the one that is shown included."""
        while not so(self.now):
            await self.next()
        return self.now
