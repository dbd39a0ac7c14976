"""People in rooms: how fast they come in, and how soon a control is on every screen."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from bench.sockets import ANSWER_SECONDS, gathered

STEP = 10
"""Seconds between the places to which controls go: told apart by them, also where playback has moved on a little."""
LAST = 500_000
"""Beyond this place, controls begin again from the start."""
READ_SECONDS = 0.02


class Shape(NamedTuple):
    """So many rooms, each with so many people, of whom the first controls it."""

    rooms: int
    size: int

    @property
    def people(self) -> int:
        return self.rooms * self.size


class Screens:
    """Times each control from the frame that said it to every screen that it reaches.

    What arrives is only written down with its time; it is read when nothing is on its way, so that reading one frame
    does not keep the next one waiting.
    """

    def __init__(self, place: Callable[[bytes], float | None]) -> None:
        """*place* tells where a frame moves playback to, and None for one that does not."""
        self._place = place
        self._arrived: list[tuple[float, bytes]] = []
        self._said: dict[int, float] = {}
        self._wanted = 0
        self._samples: list[float] = []
        self._failure: Exception | None = None

    def expect(self, count: int) -> None:
        """Forget what was timed before, and wait for so many."""
        self._arrived.clear()
        self._said.clear()
        self._samples, self._wanted = [], count

    def saying(self, place: int) -> None:
        self._said[place] = time.perf_counter()

    def arrived(self, data: bytes) -> None:
        if self._wanted:
            self._arrived.append((time.perf_counter(), data))

    def fail(self, error: Exception) -> None:
        """What is waited for will not come."""
        self._failure = error

    def read(self) -> None:
        """Read what has arrived."""
        if self._failure is not None:
            raise self._failure
        for at, data in self._arrived:
            place = self._place(data)
            # Playback may have moved on from the place by less than half a step.
            said = None if place is None else self._said.get(round(place / STEP) * STEP)
            if said is not None:
                self._samples.append(at - said)
        self._arrived.clear()

    async def all(self) -> list[float]:
        """Seconds, in the order in which they arrived."""
        async with asyncio.timeout(ANSWER_SECONDS):
            while len(self._samples) < self._wanted:
                await asyncio.sleep(READ_SECONDS)
                self.read()
        self._wanted = 0
        return self._samples


class Crowd:
    """Rooms that are open, each with the one who controls it, and the others at their door."""

    def __init__(self, shape: Shape, place: Callable[[bytes], float | None]) -> None:
        """*place* reads frames, see `Screens`."""
        self.shape = shape
        self.screens = Screens(place)
        self._place = 0

    async def come_in(self, number: int) -> None:
        """Person *number* of those at the door, from connecting to being in a room."""
        raise NotImplementedError

    def seek(self, room: int, place: int) -> None:
        """Send the frame of the one who controls the room."""
        raise NotImplementedError

    async def join(self, at_once: int) -> float:
        """Joins a second, with so many under way at a time."""
        comers: Sequence[Callable[[], Awaitable[None]]] = [
            lambda n=n: self.come_in(n)  # type: ignore[misc]
            for n in range(self.shape.people - self.shape.rooms)
        ]
        begun = time.perf_counter()
        await gathered(comers, at_once)
        return len(comers) / (time.perf_counter() - begun)

    async def controls(self, count: int, per_second: float) -> list[float]:
        """Seconds from each control to each screen in its room, by the clock and to the rooms in turn."""
        self.screens.expect(count * self.shape.size)
        begun = time.perf_counter()
        for n in range(count):
            await asyncio.sleep(max(0.0, begun + n / per_second - time.perf_counter()))
            self.screens.read()
            self._place = self._place % LAST + STEP
            self.screens.saying(self._place)
            self.seek(n % self.shape.rooms, self._place)
        return await self.screens.all()
