"""Keeping a set of children running: started together, started again when they end, stopped in order."""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence

from ops.child import Child, ChildFailed

_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 5.0
_STEADY = 30.0  # seconds of life after which the next end counts as the first
_LOOK = 0.05
_BOUND_LOGS = 5.0
_GRACE = 10.0  # seconds that a child may take to end

Say = Callable[[str], None]


class Supervisor:
    """Watches children from one event loop. `changed` is called whenever a process was started anew."""

    def __init__(self, say: Say, changed: Callable[[], None]) -> None:
        self._say = say
        self._changed = changed
        self._groups: list[list[Child]] = []
        self._watches: list[asyncio.Task[None]] = []

    async def begin(
        self, children: Sequence[Child], where: Callable[[Child], str], within: float | None = None
    ) -> None:
        """Start and watch these together; returns when each has been ready once. They stop before earlier groups do.

        `within` is for children that nothing can go on without: those that are not ready by then are a failure.
        """
        self._groups.append(list(children))
        ready = {child.name: asyncio.Event() for child in children}
        watches = [asyncio.create_task(self._keep(child, ready[child.name], where(child))) for child in children]
        self._watches += watches
        all_ready = asyncio.create_task(_all_set(ready.values()))
        await asyncio.wait([all_ready, *watches], timeout=within, return_when=asyncio.FIRST_COMPLETED)
        if all_ready.done():
            return
        all_ready.cancel()
        for watch in watches:
            if watch.done():
                watch.result()  # it could not even be started: this raises why
        for child in children:
            if not ready[child.name].is_set():
                raise ChildFailed(f"{child.name} does not come up. The end of {child.log}:\n{child.last_words()}")

    async def stop(self) -> None:
        """Newest group first; within a group all at once. What does not listen in time is killed."""
        await self._forget_watches()
        for group in reversed(self._groups):
            for child in group:
                child.ask_to_stop()
            await asyncio.gather(*(self._see_off(child) for child in group))

    async def _see_off(self, child: Child) -> None:
        deadline = time.monotonic() + _GRACE
        while child.running:
            if time.monotonic() > deadline:
                self._say(f"{child.name} did not stop within {_GRACE:.0f} s and is killed")
                child.kill()
                break
            await asyncio.sleep(_LOOK)

    def kill(self) -> None:
        """At once, for who cannot wait. Everything here survives a crash by design."""
        for group in reversed(self._groups):
            for child in group:
                child.kill()

    async def _forget_watches(self) -> None:
        for watch in self._watches:
            watch.cancel()
        await asyncio.gather(*self._watches, return_exceptions=True)

    async def _keep(self, child: Child, first: asyncio.Event, where: str) -> None:
        pause = _FIRST_PAUSE
        while True:
            began = time.monotonic()
            child.start()
            self._changed()
            if await self._is_up(child):
                self._say(f"{child.name:<12}{(time.monotonic() - began) * 1000:>7.0f} ms  {where}")
                first.set()
                await self._watch(child)
            pause = _FIRST_PAUSE if time.monotonic() - began > _STEADY else pause
            self._say(f"{child.name} ended ({_why(child)}); starting it again in {pause:.1f} s. Its log: {child.log}")
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def _is_up(self, child: Child) -> bool:
        while child.running:
            if await asyncio.to_thread(child.is_ready):
                return True
            await asyncio.sleep(0.01)
        return False

    async def _watch(self, child: Child) -> None:
        next_bound = 0.0
        while child.running:
            if time.monotonic() > next_bound:
                child.bound_log()
                next_bound = time.monotonic() + _BOUND_LOGS
            await asyncio.sleep(_LOOK)


async def _all_set(events: Iterable[asyncio.Event]) -> None:
    for event in events:
        await event.wait()


def _why(child: Child) -> str:
    code = child.process.returncode if child.process is not None else None
    return f"signal {-code}" if code is not None and code < 0 else f"exit {code}"
