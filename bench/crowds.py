"""People in rooms: how fast they come in, and how soon a control is on every screen."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from bench.ears import Ears
from bench.sockets import gathered

STEP = 10
"""Seconds between the places to which controls go: told apart by them, also where playback has moved on a little."""
LAST = 500_000
"""Beyond this place, controls begin again from the start."""
HEAR_SECONDS = 0.01
ON_ITS_WAY = 0.02
"""Seconds after a control in which nobody reads: what is read later is timed by its arrival all the same, unless
something else has come behind it."""
LOST_SECONDS = 5.0
"""What has not come so long after everything else will not come."""


class Shape(NamedTuple):
    """So many rooms, each with so many people, of whom the first controls it."""

    rooms: int
    size: int

    @property
    def people(self) -> int:
        return self.rooms * self.size


class Screens:
    """Times each control from the frame that said it to its arrival at every screen of the room."""

    def __init__(self) -> None:
        self._said: dict[int, float] = {}
        self.said_at = 0.0
        self.samples: list[float] = []
        self.failure: Exception | None = None
        """Why what is waited for will not come."""

    def forget(self) -> None:
        """What was timed before."""
        self._said.clear()
        self.samples = []

    def saying(self, place: int) -> None:
        self.said_at = self._said[place] = time.time()

    def shown(self, place: float, at: float) -> None:
        """A screen was told to go to a place; playback may have moved on from it by less than half a step."""
        said = self._said.get(round(place / STEP) * STEP)
        if said is not None:
            self.samples.append(at - said)

    def fail(self, error: Exception) -> None:
        self.failure = error


class Crowd:
    """Rooms that are open, each with the one who controls it, and the others at their door."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.screens = Screens()
        self.ears = Ears()
        self.lost = 0
        """Controls that did not reach a screen, counted by screen."""
        self._place = 0
        self._hearing: asyncio.Task[None] | None = None

    async def come_in(self, number: int) -> None:
        """Person *number* of those at the door, from connecting to being in a room."""
        raise NotImplementedError

    def seek(self, room: int, place: int) -> None:
        """Send the frame of the one who controls the room."""
        raise NotImplementedError

    def lend_ears(self) -> None:
        """Stop reading in the ordinary way."""
        raise NotImplementedError

    async def join(self, at_once: int) -> float:
        """Joins a second, with so many under way at a time."""
        comers: Sequence[Callable[[], Awaitable[None]]] = [
            lambda n=n: self.come_in(n)  # type: ignore[misc]
            for n in range(self.shape.people - self.shape.rooms)
        ]
        begun = time.perf_counter()
        await gathered(comers, at_once)
        seconds = time.perf_counter() - begun
        self.lend_ears()
        self._hearing = asyncio.create_task(self._hear())
        return len(comers) / seconds

    async def controls(self, count: int, per_second: float) -> list[float]:
        """Seconds from each control to each screen in its room, by the clock and to the rooms in turn."""
        self.screens.forget()
        begun = time.perf_counter()
        for n in range(count):
            await asyncio.sleep(max(0.0, begun + n / per_second - time.perf_counter()))
            self.hear()
            self._place = self._place % LAST + STEP
            self.screens.saying(self._place)
            self.seek(n % self.shape.rooms, self._place)
        await self._all(count * self.shape.size)
        return self.screens.samples

    async def _all(self, wanted: int) -> None:
        samples = self.screens.samples
        had, last = len(samples), time.perf_counter()
        while len(samples) < wanted and time.perf_counter() - last < LOST_SECONDS:
            await asyncio.sleep(HEAR_SECONDS)
            if len(samples) > had:
                had, last = len(samples), time.perf_counter()
        self.lost += wanted - len(samples)

    def hear(self) -> None:
        self.ears.hear()
        if self.screens.failure is not None:
            raise self.screens.failure

    async def _hear(self) -> None:
        while True:
            await asyncio.sleep(HEAR_SECONDS)
            if time.time() - self.screens.said_at > ON_ITS_WAY:
                self.hear()

    async def close(self) -> None:
        if self._hearing is not None:
            self._hearing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._hearing
        self.ears.close()
