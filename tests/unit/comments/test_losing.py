"""When a replica begins to conclude anything from silence."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import pytest
from tests.wait import eventually

from comments import losing

SILENT = 0.2


class StandInBus:
    """Knows only when it has come back."""

    def __init__(self) -> None:
        self.callbacks: list[Callable[[], None]] = []

    def on_reconnect(self, callback: Callable[[], None]) -> Callable[[], None]:
        self.callbacks.append(callback)
        return lambda: self.callbacks.remove(callback)


class StandInPlace(NamedTuple):
    bus: StandInBus


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """When it was looked, by the loop's clock."""
    looked: list[float] = []

    async def look(place: Any) -> None:
        looked.append(asyncio.get_running_loop().time())

    monkeypatch.setattr(losing, "look", look)
    monkeypatch.setattr(losing, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(losing, "LOST_AFTER", SILENT)
    return looked


@asynccontextmanager
async def working(bus: StandInBus) -> AsyncIterator[float]:
    """The time at which it began."""
    place: Any = StandInPlace(bus)
    began, task = asyncio.get_running_loop().time(), asyncio.create_task(losing.work(place))
    try:
        yield began
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_who_has_just_begun_waits_as_long_as_a_silence_takes(looked_at: list[float]) -> None:
    async with working(StandInBus()) as began:
        await eventually(lambda: len(looked_at) > 1)

        assert looked_at[0] - began >= SILENT


async def test_who_could_not_hear_for_a_while_waits_again(looked_at: list[float]) -> None:
    bus = StandInBus()
    async with working(bus):
        await eventually(lambda: looked_at)
        for callback in bus.callbacks:
            callback()
        back, before = asyncio.get_running_loop().time(), len(looked_at)
        await eventually(lambda: len(looked_at) > before)

        assert looked_at[before] - back >= SILENT


async def test_nothing_of_it_stays_when_another_replica_leads() -> None:
    bus = StandInBus()
    async with working(bus):
        await eventually(lambda: bus.callbacks)

    assert bus.callbacks == []
