"""Ends live events of which nothing is heard any more, in the background."""

import asyncio
from datetime import UTC, datetime
from hashlib import sha256

import structlog

from events.contracts.comments import LOST_AFTER, SYSTEM, LoseLive
from events.messages import Context, Rejected
from events.working import Workplace

log = structlog.get_logger("losing")

LOOK_SECONDS = 5.0

ON = "select live_id, session from live where ended_at is null order by started_at"


async def work(place: Workplace) -> None:
    """For ever. Who could not hear for a while, or not yet, waits as long before concluding anything from silence."""
    loop = asyncio.get_running_loop()
    listening_since = loop.time()

    def deaf() -> None:
        nonlocal listening_since
        listening_since = loop.time()

    ending = place.bus.on_reconnect(deaf)
    try:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if loop.time() - listening_since >= LOST_AFTER:
                await look(place)
    finally:
        ending()


async def look(place: Workplace) -> None:
    """Once. The rule looks again at each event, with what this replica has heard of it."""
    try:
        rows, _ = await place.models.ask(lambda db: db.fetch(ON))
    except Rejected as away:
        log.warning("live events not looked at", reason=away.code)
        return
    for row in rows:
        command = LoseLive(live_id=row["live_id"], session=row["session"])
        try:
            await place.aggregates.execute(command, _context(command))
        except Rejected as refused:
            log.warning("live event not looked at", live_id=command.live_id, reason=refused.code)


def _context(command: LoseLive) -> Context:
    """The same command each time: a session is lost once."""
    command_id = sha256(f"lose {command.live_id} {command.session}".encode()).hexdigest()[:32]
    return Context(actor=SYSTEM, now=datetime.now(UTC), command_id=command_id, correlation_id=command_id)
