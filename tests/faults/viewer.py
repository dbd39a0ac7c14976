"""A member of a party as a good client is: follows, reports every three seconds, connects again and goes on."""

import asyncio
import contextlib
import time
from datetime import datetime
from typing import Any

import aiohttp
from tests.e2e.client import Client, Frame, Refused

REPORT_SECONDS = 3.0
AGAIN_SECONDS = 0.2
BROKEN = (ConnectionError, TimeoutError, aiohttp.ClientError, OSError, Refused)
ANCHORS = ("party.played", "party.paused", "party.sought", "party.held", "party.undone")


class Viewer:
    """One person. `events` is what they saw, in order, each once."""

    def __init__(self, name: str, token: str, urls: list[str]) -> None:
        self.name = name
        self._token = token
        self._urls = urls
        self._client: Client | None = None
        self._following = asyncio.Event()
        self._connecting = asyncio.Lock()
        self.uid = ""
        self.party_id = ""
        self.position: str | None = None
        self.events: list[Frame] = []
        self.complete = True
        self.room: Frame = {}
        self._task: asyncio.Task[None] | None = None

    @classmethod
    async def of(cls, http: str, name: str, *urls: str) -> "Viewer":
        async with aiohttp.ClientSession() as session, session.post(f"{http}/v1/guest", json={"name": name}) as answer:
            return cls(name, (await answer.json())["token"], list(urls))

    async def call(self, fn: str, **args: Any) -> Any:
        """Ask with a key, again after a broken connection, until there is an answer that knows of all they saw."""
        key = f"{fn} {time.monotonic_ns()}"
        while True:
            try:
                client = await self._connected()
                seen = {"after": self.position} if self.position else {}
                return (await client.ask("call", fn=fn, args=args, key=key, **seen))["value"]
            except Refused as refusal:
                if refusal.code not in ("unavailable", "timeout", "going-away"):
                    raise
            except (ConnectionError, TimeoutError, aiohttp.ClientError, OSError):
                await asyncio.sleep(AGAIN_SECONDS)

    async def sit_down(self, party_id: str) -> None:
        """Follow the party from now on, whatever happens to connections."""
        self.party_id = party_id
        self._task = asyncio.create_task(self._watch())
        await self._following.wait()

    async def leave(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._client is not None:
            await self._client.close()

    def saw(self, *types: str) -> list[Frame]:
        return [event for event in self.events if event["type"] in types]

    @property
    def anchor(self) -> tuple[bool, float, str]:
        """Whether it plays, and from where since when, as the last control said."""
        last = self.saw(*ANCHORS)[-1]
        playing = {"party.played": True, "party.paused": False, "party.held": False}.get(last["type"])
        if playing is None:
            playing = last["data"].get("playing", self._played_before(last))
        return playing, last["data"]["position"], last["data"]["at"]

    def _played_before(self, event: Frame) -> bool:
        earlier = self.saw("party.played", "party.paused")
        return bool(earlier) and earlier[-1]["type"] == "party.played"

    async def _connected(self) -> Client:
        async with self._connecting:
            if self._client is None:
                try:
                    self._client = await Client.connect(self._urls[0], self._token)
                except BROKEN:
                    self._urls.append(self._urls.pop(0))
                    raise
                self.uid = self._client.user
            return self._client

    async def _watch(self) -> None:
        while True:
            with contextlib.suppress(*BROKEN):
                await self._follow(await self._connected())
            if self._client is not None:
                gone, self._client = self._client, None
                with contextlib.suppress(*BROKEN):
                    await gone.close()
            await asyncio.sleep(AGAIN_SECONDS)

    async def _follow(self, client: Client) -> None:
        since = {"since": self.position} if self.position else {}
        followed = await client.ask("follow", channel=f"party:{self.party_id}", **since)
        self.complete = self.complete and (followed["recovered"] or not since)
        self.room, self.position = followed["state"], followed["position"]
        self._following.set()
        tasks = [asyncio.create_task(self._listen(client)), asyncio.create_task(self._report(client))]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _listen(self, client: Client) -> None:
        while True:
            event = await client.expect(op="event", within=600)
            self.events.append(event)
            self.position = event["position"]

    async def _report(self, client: Client) -> None:
        """A player that is exactly where it should be."""
        while True:
            clock = await client.ask("time", t0=0)
            place = self._place(clock["t2"] / 1000)
            args = {"party_id": self.party_id, "position": place, "at": clock["t2"], "playing": True, "rtt": 0.01}
            await client.ask("call", fn="party.report", args=args)
            await asyncio.sleep(REPORT_SECONDS)

    def _place(self, now: float) -> float:
        if not self.saw(*ANCHORS):
            return 0.0
        playing, position, at = self.anchor
        elapsed = max(now - datetime.fromisoformat(at).timestamp(), 0.0)
        return position + elapsed if playing else position
