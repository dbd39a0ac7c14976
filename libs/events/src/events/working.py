"""Work in the background of a service: by the one replica that leads, begun anew after any trouble."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple

import structlog

from events.bus import Bus
from events.handle import Aggregates
from events.log import Log
from events.readmodel import ReadModels
from events.vault import Vault

log = structlog.get_logger("working")

LOOK_SECONDS = 0.25
PAUSE_SECONDS = 0.5
LONGEST_PAUSE = 10.0
WELL_SECONDS = 30.0
"""Work that went on for so long begins anew with the shortest pause."""


class Workplace(NamedTuple):
    """What background work has at hand, as its replica sees it."""

    bus: Bus
    log: Log
    aggregates: Aggregates
    models: ReadModels
    vault: Vault


Working = Callable[[Workplace], Awaitable[None]]
"""Runs until it is cancelled. During a deployment, or while a lease passes on, it may run twice for a moment; and it
may be cut off anywhere: so whatever it does must take effect once, however often it is done."""


async def keep_working(work: Working, place: Workplace, leads: Callable[[], bool]) -> None:
    """Have *work* done while this replica leads. Runs for ever."""
    pause, loop = PAUSE_SECONDS, asyncio.get_running_loop()
    while True:
        if not leads():
            await asyncio.sleep(LOOK_SECONDS)
            continue
        started = loop.time()
        if await _while_leading(work, place, leads):
            pause = PAUSE_SECONDS
            continue
        pause = PAUSE_SECONDS if loop.time() - started > WELL_SECONDS else min(pause * 2, LONGEST_PAUSE)
        await asyncio.sleep(pause)


async def _while_leading(work: Working, place: Workplace, leads: Callable[[], bool]) -> bool:
    """Tell whether it was cut off because another replica leads now, and not because it failed."""
    task = asyncio.ensure_future(work(place))
    try:
        while not task.done() and leads():
            await asyncio.wait([task], timeout=LOOK_SECONDS)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    if task.cancelled():
        return True
    log.error("background work ended", reason=repr(task.exception()), exc_info=task.exception())
    return False
