"""How soon after a command's answer other clients' live queries show its effect."""

import asyncio
import time
from collections.abc import Sequence

import msgspec

from bench import profiles
from bench.figures import milliseconds, spread
from bench.options import Options
from bench.report import Report, below
from bench.sockets import Count, Push, Socket, opened
from bench.system import Matinee, matinee, share

WATCHERS = 200
CHANGES_PER_SECOND = 10.0
REPORTS_PER_SECOND = 50.0
PLACES = (1_000.0, 3_000.0)


class Audience:
    """Everybody watches one party's state: one run of the query serves them all."""

    def __init__(self, host: Socket, watchers: Sequence[Socket], party_id: str) -> None:
        self._host = host
        self._watchers = watchers
        self._party_id = party_id
        self._changes = 0

    @classmethod
    async def open(cls, host: Socket, watchers: Sequence[Socket]) -> "Audience":
        answer = await host.call("party.open", title="Bench", media="bench:film")
        audience = cls(host, watchers, msgspec.json.decode(answer.value)["party_id"])
        arguments = {"party_id": audience._party_id}
        await host.ask(op="call", fn="party.state", args=arguments, after=answer.position)
        shown = audience._listen([])
        for watcher in watchers:
            watcher.say(_watch("party.state", party_id=audience._party_id))
        await shown.all()
        return audience

    async def run(self, changes: int, per_second: float) -> list[float]:
        """Seconds from each answer to each watcher's new value; below 0 where the value was faster."""
        samples: list[float] = []
        begun = time.perf_counter()
        for n in range(changes):
            await asyncio.sleep(max(0.0, begun + n / per_second - time.perf_counter()))
            arrivals: list[float] = []
            shown = self._listen(arrivals)
            self._changes += 1
            await self._host.call("party.play", party_id=self._party_id, position=PLACES[self._changes % 2])
            answered = time.perf_counter()
            await shown.all()
            samples += [arrival - answered for arrival in arrivals]
        return samples

    def _listen(self, arrivals: list[float]) -> Count:
        shown = Count(len(self._watchers), time.perf_counter)

        def push(data: bytes) -> None:
            arrivals.append(time.perf_counter())
            shown.push(data)

        for watcher in self._watchers:
            watcher.on_push = push
        return shown


class Libraries:
    """Everybody watches what they were watching themselves, and reports from another device."""

    def __init__(self, devices: Sequence[Socket], watchers: Sequence[Socket]) -> None:
        self._devices = devices
        self._watchers = watchers
        self._reports = 0

    @classmethod
    async def open(cls, devices: Sequence[Socket], watchers: Sequence[Socket]) -> "Libraries":
        shown = Count(len(watchers), time.perf_counter)
        for watcher in watchers:
            watcher.on_push = shown.push
            watcher.say(_watch("library.continue_watching"))
        await shown.all()
        return cls(devices, watchers)

    async def run(self, reports: int, per_second: float) -> list[float]:
        """Seconds from each answer to the new value on the same person's other device."""
        under_way = []
        begun = time.perf_counter()
        for n in range(reports):
            await asyncio.sleep(max(0.0, begun + n / per_second - time.perf_counter()))
            under_way.append(asyncio.create_task(self._one(self._reports)))
            self._reports += 1
        return list(await asyncio.gather(*under_way))

    async def _one(self, number: int) -> float:
        person, visit = number % len(self._devices), number // len(self._devices)
        shown = Count(1, time.perf_counter)
        self._watchers[person].on_push = _once(shown.push)
        state = ("playing", "paused")[visit % 2]
        await self._devices[person].call(
            "library.report", work="bench:film", position=60.0 + 5.0 * visit, duration=7_200.0, state=state
        )
        answered = time.perf_counter()
        return await shown.all() - answered


def _once(push: Push) -> Push:
    """A transition may show twice: once from the log, once from the heartbeat beside it."""
    heard = False

    def first(data: bytes) -> None:
        nonlocal heard
        if not heard:
            heard = True
            push(data)

    return first


def _watch(function: str, **arguments: str) -> bytes:
    return msgspec.json.encode({"op": "watch", "id": "watch", "fn": function, "args": arguments})


async def run(options: Options) -> Report:
    watchers, rounds = options.size(WATCHERS, 5), options.size(4, 1)
    changes, reports = options.size(40, 3), options.size(200, 5)
    report = Report(
        "live",
        f"{watchers} watchers; {rounds} rounds of {changes} plays at {CHANGES_PER_SECOND:.0f}/s that all of them see, "
        f"then {reports} reports at {REPORTS_PER_SECOND:.0f}/s that one of {watchers} people sees",
    )
    with matinee(profiling=options.profile) as system:
        tokens = system.tokens(watchers + 1)
        host, *others = await opened(system.ws, tokens)
        devices = await opened(system.ws, tokens[1:])
        screens = await opened(system.ws, tokens[1:])
        audience = await Audience.open(host, others)
        libraries = await Libraries.open(devices, screens)
        await audience.run(max(2, changes // 4), CHANGES_PER_SECOND)
        await libraries.run(watchers, REPORTS_PER_SECOND)
        await _measure(report, system, audience, libraries, rounds=rounds, changes=changes, reports=reports)
        for socket in (host, *others, *devices, *screens):
            socket.close()
    return report


async def _measure(
    report: Report,
    system: Matinee,
    audience: Audience,
    libraries: Libraries,
    *,
    rounds: int,
    changes: int,
    reports: int,
) -> None:
    shared: list[list[float]] = []
    mine: list[list[float]] = []
    with system.sampled() as found:
        before, begun = system.processor_seconds(), time.perf_counter()
        for _ in range(rounds):
            shared.append(await audience.run(changes, CHANGES_PER_SECOND))
            mine.append(await libraries.run(reports, REPORTS_PER_SECOND))
        used = share(before, system.processor_seconds(), time.perf_counter() - begun)
    report.profiles = found
    report.figure("p50_ms", spread(milliseconds(each, 0.5) for each in shared))
    report.figure("p95_ms", spread(milliseconds(each, 0.95) for each in shared), below(20))
    report.besides("a person's own query, p50 ms", spread(milliseconds(each, 0.5) for each in mine))
    report.besides("a person's own query, p95 ms", spread(milliseconds(each, 0.95) for each in mine))
    report.notes.append(f"All together, {profiles.processors(used)}")
