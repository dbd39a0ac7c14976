"""What a thousand people who watch cost, and how soon a large library answers."""

import asyncio
import itertools
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec

from bench import profiles
from bench.figures import Spread, milliseconds, spread
from bench.options import Options
from bench.processes import Peer, peer, python
from bench.report import Report, below
from bench.sockets import Answer, Refused, Socket, gathered, opened
from bench.system import Matinee, matinee, share
from events.service import stores
from ops.services import definition, settings_of

SERVICE = "library"
PEOPLE = 1_000
EVERY_SECONDS = 5.0
REPORTS_EACH = 13
"""From the first to the last of a film that is an hour long."""
FILM = 3_600.0
PAUSED = 6
"""At which report they pause; at the next they go on."""
PART = 4
DEVICES = 8
TITLES = 5_000
EPISODES = 500
ASKED = 200
MARKED = 20
CAUGHT_UP_SECONDS = 30.0


class Kept(NamedTuple):
    """Bytes of the append-only log, and of the compacted telemetry."""

    log: int
    heartbeats: int


class Naive(msgspec.Struct):
    """What the peer says of its updates."""

    p99: float
    bytes: int


async def run(options: Options) -> Report:
    people, every = options.size(PEOPLE, 5), options.size(EVERY_SECONDS, 0.1)
    report = Report(
        "library",
        f"{people} people watch an hour each, told in {REPORTS_EACH} reports, one every {every:g} s, with one pause; "
        f"then a library of {options.size(TITLES, 10):,} titles, and {EPISODES} episodes marked at once",
    )
    with matinee(profiling=options.profile) as system:
        tokens = system.tokens(people)
        sockets = await opened(system.ws, tokens)
        async with peer("naive", *python("naive_rows", system.running.database_url, str(people))) as naive:
            assert await naive.hear() == "ready"
            await _reports(report, system, sockets, naive, every)
            await _flood(report, sockets, naive, options.size(5.0, 0.3))
        # One socket may not say so much in a second as it takes to make a large library.
        devices = await opened(system.ws, tokens[:1] * DEVICES)
        await _large(report, devices, options)
        for socket in (*sockets, *devices):
            socket.close()
    return report


async def _reports(report: Report, system: Matinee, sockets: Sequence[Socket], naive: Peer, every: float) -> None:
    before, begun, kept = system.processor_seconds(), time.perf_counter(), await _kept(system)
    with system.sampled() as found:
        samples, newest = await _watch(sockets, every)
    used = share(before, system.processor_seconds(), time.perf_counter() - begun)
    report.profiles = found
    await _caught_up(sockets[0], newest)
    after = await _kept(system)
    hours = len(sockets) * FILM / 3_600
    # Each of their updates is like the others: a part of them tells as much.
    count = max(1, len(samples) // PART)
    theirs = msgspec.json.decode(await naive.ask(f"{count} {len(sockets) / every}"), type=Naive)
    written = theirs.bytes * len(samples) / count
    report.figure("report_p50_ms", _once(milliseconds(samples, 0.5)))
    report.figure("report_p99_ms", _once(milliseconds(samples, 0.99)), below(50))
    report.figure("log_bytes_per_hour", _once((after.log - kept.log) / hours), below(5 * 1024))
    report.figure("library_cpu", _once(used["library"]))
    report.besides("compacted telemetry, bytes per person", _once((after.heartbeats - kept.heartbeats) / len(sockets)))
    report.besides("naive p99 ms", _once(theirs.p99 * 1000))
    report.besides("naive write-ahead log, bytes per hour", _once(written / hours))
    report.ratio("naive_p99", _once(theirs.p99 * 1000 / milliseconds(samples, 0.99)))
    report.ratio("naive_log", _once(written / max(1, after.log - kept.log)))
    report.notes.append(f"While they reported: {profiles.processors(used)}")


async def _watch(sockets: Sequence[Socket], every: float) -> tuple[list[float], Answer]:
    """Everybody reports in turn, evenly spread; seconds of each report from when it was due, and the last answer."""
    samples: list[float] = []
    begun = time.perf_counter()
    answers: list[Answer] = []

    async def one(number: int, socket: Socket) -> None:
        for turn, (state, position) in enumerate(_film()):
            due = begun + every * (turn + number / len(sockets))
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            answers.append(await _report(socket, "bench:film", position, state))
            samples.append(time.perf_counter() - due)

    await asyncio.gather(*(one(number, socket) for number, socket in enumerate(sockets)))
    return samples, max(answers, key=lambda answer: int(answer.position.partition("+")[0].rpartition(":")[2]))


def _film() -> Iterator[tuple[str, float]]:
    """From the beginning to the end, with a pause."""
    for turn in range(REPORTS_EACH):
        state = "paused" if turn == PAUSED else "playing"
        yield ("stopped" if turn == REPORTS_EACH - 1 else state, FILM * turn / (REPORTS_EACH - 1))


async def _flood(report: Report, sockets: Sequence[Socket], naive: Peer, seconds: float) -> None:
    """As many reports as go through, one in flight per person, and the same of the peer."""
    ending, done = time.perf_counter() + seconds, 0

    async def one(socket: Socket) -> None:
        nonlocal done
        while time.perf_counter() < ending:
            await _report(socket, "bench:other", float(done % 3_000), "playing")
            done += 1

    await asyncio.gather(*map(one, sockets[:100]))
    mine, theirs = done / seconds, float(await naive.ask(f"flood {seconds}"))
    report.figure("reports_per_s", _once(mine))
    report.besides("naive updates per s", _once(theirs))
    report.ratio("naive", _once(mine / theirs))


async def _large(report: Report, devices: Sequence[Socket], options: Options) -> None:
    titles, asked, marked = options.size(TITLES, 10), options.size(ASKED, 5), options.size(MARKED, 2)
    filling = zip(range(titles), itertools.cycle(devices), strict=False)
    answers = await gathered(
        [lambda n=n, one=one: _report(one, f"bench:{n}", 60.0 + n, "paused") for n, one in filling]  # type: ignore[misc]
    )
    socket = devices[0]
    await _caught_up(socket, answers[-1])
    asking = [await _timed(socket, "library.continue_watching", limit=20) for _ in range(asked)]
    seasons = [{"season": n, "episodes": list(range(1, 51))} for n in range(1, EPISODES // 50 + 1)]
    marking = [await _timed(socket, "library.mark", work=f"bench:series-{n}", seasons=seasons) for n in range(marked)]
    report.figure("continue_watching_p50_ms", _once(milliseconds(asking, 0.5)))
    report.figure("continue_watching_p95_ms", _once(milliseconds(asking, 0.95)), below(10))
    report.figure("batch_500_ms", spread(1000 * each for each in marking), below(50))


async def _timed(socket: Socket, function: str, **arguments: object) -> float:
    begun = time.perf_counter()
    await socket.call(function, **arguments)
    return time.perf_counter() - begun


async def _report(socket: Socket, work: str, position: float, state: str) -> Answer:
    return await socket.call(
        "library.report", work=work, position=position, duration=FILM, state=state, session="one", device="bench"
    )


async def _caught_up(socket: Socket, answer: Answer) -> None:
    """Wait until the read models show what was answered."""
    async with asyncio.timeout(CAUGHT_UP_SECONDS):
        while True:
            try:
                await socket.ask(op="call", fn="library.continue_watching", args={}, after=answer.position)
            except Refused as error:
                if "position-not-reached" not in str(error):
                    raise
            else:
                return


async def _kept(system: Matinee) -> Kept:
    async with stores(definition(SERVICE), settings_of(SERVICE, system.folder)) as opened:
        sizes = [
            int((await opened.bus.api(f"STREAM.INFO.{stream}"))["state"]["bytes"])
            for stream in ("EV_LIBRARY", "TEL_LIBRARY")
        ]
    return Kept(*sizes)


def _once(value: float) -> Spread:
    return Spread(value, value, value)
