"""What an idle, signed-in socket costs the gateway in memory."""

import asyncio
import contextlib
import itertools
import json

from bench.figures import Spread
from bench.options import Options
from bench.processes import Peer, peer, python
from bench.report import Report, below
from bench.system import Matinee, matinee, raise_file_limit

SOCKETS = 5_000
STEPS = 5
CLIENTS = 2
WARM = 100
SPARE_FILES = 500
SETTLE_SECONDS = 1.5


async def run(options: Options) -> Report:
    sockets, warm, settling = options.size(SOCKETS, 20), options.size(WARM, 10), options.size(SETTLE_SECONDS, 0.1)
    report = Report(
        "idle", f"{sockets} signed-in sockets that say nothing, opened in {STEPS} steps after {warm} others"
    )
    if raise_file_limit() < sockets + SPARE_FILES:
        raise SystemExit(f"idle: needs {sockets + SPARE_FILES} open files per process; raise the limit (ulimit -Hn)")
    with matinee(profiling=options.profile) as system:
        async with contextlib.AsyncExitStack() as stack:
            clients = [
                await stack.enter_async_context(peer(f"client {n}", *python("idle_clients", system.ws)))
                for n in range(CLIENTS)
            ]
            await _open(system, clients, warm)
            sizes = [await _settled(system, settling)]
            with system.sampled() as found:
                for _ in range(STEPS):
                    await _open(system, clients, sockets // STEPS)
                    sizes.append(await _settled(system, settling))
    report.profiles = found
    steps = [(after - before) / (sockets / STEPS) for before, after in itertools.pairwise(sizes)]
    whole = (sizes[-1] - sizes[0]) / sockets
    report.figure("kb_per_socket", Spread(whole, min(steps), max(steps)), below(25))
    report.notes.append(
        f"The gateway went from {sizes[0] / 1024:.0f} to {sizes[-1] / 1024:.0f} MiB (proportional set size); "
        "least and most are single steps"
    )
    return report


async def _open(system: Matinee, clients: list[Peer], count: int) -> None:
    tokens = system.tokens(count)
    parts = [tokens[n :: len(clients)] for n in range(len(clients))]
    await asyncio.gather(*(client.ask(json.dumps(part)) for client, part in zip(clients, parts, strict=True)))


async def _settled(system: Matinee, seconds: float) -> float:
    """KiB that are the gateway's own, or its share of what it shares, after what was begun has been done."""
    await asyncio.sleep(seconds)
    return system.kibibytes("gateway")
