"""Where commands wait for their aggregate: first come, first served, and many of them perhaps carried out together."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from itertools import takewhile

from msgspec import Struct

from events.messages import Command, Context, Key, Rejected

QUEUE = 256
"""Commands that may wait for one aggregate on one replica; the next one is told `busy`."""


class Done(Struct, frozen=True):
    """A command is carried out, or there was nothing to do: true from here on."""

    sequence: int
    telemetry: int = 0
    repeated: bool = False
    committed: bool = False
    """Whether this attempt added facts to the log; not so if there was nothing to do, or only heartbeats to send."""


class Ride:
    """A command that waits for its aggregate, and may be carried out together with the one whose turn it is."""

    __slots__ = ("command", "context", "deadline", "done", "trace", "tried")

    def __init__(self, command: Command, context: Context, deadline: float, trace: str) -> None:
        self.command = command
        self.context = context
        self.deadline = deadline
        self.trace = trace
        self.done: Done | None = None
        self.tried = False
        """Whether it was sent to the log, and nobody knows what became of it: it may be there, or get there yet."""


class _Lane:
    """Those who wait for one aggregate, first come, first served."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.waiting = 0
        self.places: list[object] = []
        """Those whose turn has not come, in order: rides, carried out already or not, and others that go alone."""


class Behind:
    """Those who wait in a lane, as of when they are looked at."""

    def __init__(self, places: Sequence[object]) -> None:
        self._places = places

    def __iter__(self) -> Iterator[Ride]:
        """The rides among them, up to the first one that goes alone: it came before those behind it."""
        for place in takewhile(lambda place: isinstance(place, Ride), self._places):
            assert isinstance(place, Ride)
            yield place


class Lanes:
    """The lanes of one replica, each there while somebody waits in it."""

    def __init__(self) -> None:
        self._lanes: defaultdict[Key, _Lane] = defaultdict(_Lane)

    def waiting(self, key: Key) -> int:
        """How many work on the aggregate or wait for it."""
        return self._lanes[key].waiting if key in self._lanes else 0

    @asynccontextmanager
    async def queue(self, keys: Sequence[Key], ride: Ride | None = None) -> AsyncIterator["Behind"]:
        """Wait until nobody else here works on *keys*; taken in one order, so that nobody waits in a circle.

        Yields those who wait for the first of them behind *ride*.
        """
        if self.waiting(keys[0]) >= QUEUE:
            raise Rejected("busy", aggregate=keys[0].aggregate)
        ordered = sorted(set(keys))
        lanes = [self._lanes[key] for key in ordered]
        for lane in lanes:
            lane.waiting += 1
        taken: list[_Lane] = []
        place = ride or object()
        try:
            for lane in lanes:
                lane.places.append(place)
                try:
                    await lane.lock.acquire()
                finally:
                    lane.places.remove(place)
                taken.append(lane)
            yield Behind(self._lanes[keys[0]].places)
        finally:
            for lane in taken:
                lane.lock.release()
            for key, lane in zip(ordered, lanes, strict=True):
                lane.waiting -= 1
                if lane.waiting == 0:
                    self._lanes.pop(key, None)
