"""Writes the log of a service as the service would, and has its read models built from it."""

import asyncio
import itertools
import secrets
import sys
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from bench import history
from bench.history import Party
from bench.processes import ROOT, PeerFailed
from bench.profiled import outcome, sampled
from bench.system import Matinee
from events.log import Write
from events.messages import Context
from events.projection import LOG
from events.service import Stores

ACTIVE = 250
"""Parties that are going on at the same time."""
SETTLE_SECONDS = 60.0


class Replayed(msgspec.Struct):
    """What `matinee replay --json` says."""

    seconds: float
    commits: int


async def append(opened: Stores, writes: Sequence[Write]) -> tuple[int, ...]:
    """Commit all of these at once, each with what is personal in it sealed; return their sequences."""
    sealed = [write._replace(events=await opened.vault.seal(write.events)) for write in writes]
    context = Context(actor="bench", now=datetime.now(UTC), command_id=secrets.token_hex(16))
    return await opened.log.append(sealed, context)


async def fill(opened: Stores, first: int, count: int) -> None:
    """Append the past of so many parties, a crowd of them at a time, each step of all of them as one batch."""
    past = history.parties(first, count)
    while crowd := list(itertools.islice(past, ACTIVE)):
        await _live_through(opened, crowd)


async def _live_through(opened: Stores, crowd: Sequence[Party]) -> None:
    at = {party.key: (0, 0) for party in crowd}
    """Sequence and version of each."""
    for step in itertools.count():
        going_on = [party for party in crowd if step < len(party.commits)]
        if not going_on:
            return
        writes = [Write(party.key, *at[party.key], party.commits[step]) for party in going_on]
        for write, sequence in zip(writes, await append(opened, writes), strict=True):
            at[write.key] = sequence, write.version + len(write.events)


async def projected(opened: Stores, seconds: float = SETTLE_SECONDS) -> None:
    """Wait until the running service has taken everything in, so that it does not work beside what is measured."""
    head = await opened.log.head()
    async with asyncio.timeout(seconds):
        while True:
            live = await opened.rebuild.current()
            if live is not None and (await opened.rebuild.reached(live))[LOG] >= head:
                return
            await asyncio.sleep(0.1)


async def replay(system: Matinee, service: str) -> float:
    """Seconds that `matinee replay` itself says it took."""
    words = ("replay", "--service", service, "--json", "--data", str(system.folder))
    command: tuple[str, ...] = (sys.executable, "-m", "ops", *words)
    if system.profiling:
        command = sampled("always", outcome(system.folder, "replay"), "ops", *words)
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, cwd=ROOT
    )
    said, complaints = await process.communicate()
    if process.returncode != 0:
        raise PeerFailed(f"matinee replay failed: {complaints.decode(errors='replace')[-2_000:]}")
    return msgspec.json.decode(said.splitlines()[-1], type=Replayed).seconds
