"""A room of 500 and 200 rooms of 5: how fast people come in, and how soon a control is on every screen."""

import asyncio
import contextlib
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass, field

from bench import profiles
from bench.crowds import Crowd, Shape
from bench.figures import Spread, milliseconds, spread
from bench.members import Members
from bench.options import Options
from bench.peers import syncplay
from bench.report import Aim, Report, at_least
from bench.sockets import AT_ONCE
from bench.system import Matinee, Samples, matinee, share, used_by
from bench.viewers import Viewers

SETTLE_SECONDS = 2.0
"""After a crowd has come in, and after it has gone."""
HALL, ROOMS = "room of 500", "200 rooms of 5"
BETTER = "  ours is times better"


@dataclass(frozen=True)
class Plan:
    """One shape of crowd, and what it does."""

    name: str
    shape: Shape
    controls: int
    per_second: float
    watching: float
    """Seconds for which nobody controls."""
    settling: float
    in_turn: bool
    """Whether it also comes in with one waiting for the other."""


@dataclass
class Figures:
    """What one system did with one shape of crowd, by round."""

    joins: list[float] = field(default_factory=list)
    in_turn: list[float] = field(default_factory=list)
    whole: list[float] = field(default_factory=list)
    """Joins of those who also say and ask whatever a client in life does."""
    controls: list[list[float]] = field(default_factory=list)
    watching: list[float] = field(default_factory=list)
    """Processors that 1,000 people need while nobody controls."""
    lost: int = 0
    """Deliveries of controls that never came."""
    shares: dict[str, str] = field(default_factory=dict)
    """What used the processors, by what was done."""

    def milliseconds(self, share: float) -> list[float]:
        """A percentile of each round."""
        return [milliseconds(each, share) for each in self.controls]


class House:
    """A system that crowds come to."""

    name: str
    more_to_say = False
    """Whether a client in life says more when it comes in than it must."""

    def crowd(self, plan: Plan, whole: bool = False) -> AbstractAsyncContextManager[Crowd]:
        """Open the rooms; everybody leaves at the end. *whole*: who comes in says all that a client in life does."""
        raise NotImplementedError

    def used(self) -> dict[str, float]:
        """Processor seconds so far, by process."""
        raise NotImplementedError

    def sampled(self, what: str) -> AbstractContextManager[None]:
        """The block under the sampler, if that is asked for and can be had."""
        return contextlib.nullcontext()


class Ours(House):
    """One Matinee for the whole run."""

    name = "ours"

    def __init__(self, system: Matinee) -> None:
        self._system = system
        self.found: dict[str, Samples] = {}

    @contextlib.asynccontextmanager
    async def crowd(self, plan: Plan, whole: bool = False) -> AsyncIterator[Crowd]:
        # Other people each time: whoever comes for the first time gets a key under which their name is sealed.
        tokens = self._system.tokens(plan.shape.people)
        crowd = await Members.open(plan.shape, self._system.ws, tokens)
        yield crowd
        await crowd.close()
        await asyncio.sleep(plan.settling)

    def used(self) -> dict[str, float]:
        return self._system.processor_seconds()

    @contextlib.contextmanager
    def sampled(self, what: str) -> Iterator[None]:
        with self._system.sampled() as found:
            yield
        self.found |= {f"{what}, {name}": samples for name, samples in found.items()}


class Syncplay(House):
    """A fresh server for each crowd, so that nobody of an earlier one is left in it."""

    name = "syncplay"
    more_to_say = True

    def __init__(self) -> None:
        self._pid = 0

    @contextlib.asynccontextmanager
    async def crowd(self, plan: Plan, whole: bool = False) -> AsyncIterator[Crowd]:
        # By default everybody hears who comes to any room: asked not to, it does better with many.
        words = ("--isolate-rooms",) if plan.shape.rooms > 1 else ()
        with syncplay.server(*words) as (child, port):
            assert child.pid is not None
            self._pid = child.pid
            crowd = await Viewers.open(plan.shape, port, whole)
            yield crowd
            await crowd.close()

    def used(self) -> dict[str, float]:
        return {self.name: used_by(self._pid)}


async def run(options: Options) -> Report:
    rounds, watching, settling = options.size(3, 1), options.size(9.0, 0.3), options.size(SETTLE_SECONDS, 0.1)
    hall = Plan(HALL, Shape(1, options.size(500, 6)), options.size(60, 3), 4.0, watching, settling, in_turn=True)
    small = Shape(options.size(200, 3), options.size(5, 2))
    rooms = Plan(ROOMS, small, options.size(800, 6), 80.0, watching, settling, in_turn=False)
    report = Report(
        "room",
        f"a room of {hall.shape.size}, then {small.rooms} rooms of {small.size}; {rounds} rounds: all come in, "
        f"{AT_ONCE} at a time, then seeks by the clock, {hall.per_second:.0f}/s in the one room and "
        f"{rooms.per_second:.0f}/s over all those",
    )
    with matinee(profiling=options.profile) as system:
        ours = Ours(system)
        houses: list[House] = [ours]
        try:
            syncplay.program()
            houses.append(Syncplay())
        except syncplay.Missing as missing:
            report.notes.append(f"Syncplay is left out: {missing}")
        figures = await _measure(houses, (hall, rooms), rounds)
    report.profiles = ours.found
    _tell_ours(report, figures["ours", HALL], figures["ours", ROOMS])
    if len(houses) > 1:
        for name in (HALL, ROOMS):
            _compare(report, name, figures["ours", name], figures["syncplay", name])
    for (system_name, plan_name), found in figures.items():
        if found.lost:
            report.notes.append(f"{system_name}, {plan_name}: controls that never reached a screen: {found.lost:,}")
        report.notes += [f"{system_name}, {what}, {told}" for what, told in found.shares.items()]
    return report


async def _measure(houses: Sequence[House], plans: Sequence[Plan], rounds: int) -> dict[tuple[str, str], Figures]:
    figures: defaultdict[tuple[str, str], Figures] = defaultdict(Figures)
    for number in range(-1, rounds):
        for plan in plans:
            for house in houses if number % 2 else reversed(houses):
                # What is slow only the first time is not counted.
                into = Figures() if number < 0 else figures[house.name, plan.name]
                await _round(house, plan, into)
    return dict(figures)


async def _round(house: House, plan: Plan, figures: Figures) -> None:
    if plan.in_turn:
        async with house.crowd(plan) as crowd:
            figures.in_turn.append(await crowd.join(1))
    if plan.in_turn and house.more_to_say:
        async with house.crowd(plan, whole=True) as crowd:
            figures.whole.append(await crowd.join(AT_ONCE))
    async with house.crowd(plan) as crowd:
        with house.sampled(f"{plan.name}, coming in"), _using(house, f"{plan.name}, coming in", figures.shares):
            figures.joins.append(await crowd.join(AT_ONCE))
        await asyncio.sleep(plan.settling)
        await crowd.controls(max(2, plan.controls // 8), plan.per_second)
        with house.sampled(f"{plan.name}, controls"), _using(house, f"{plan.name}, controls", figures.shares):
            figures.controls.append(await crowd.controls(plan.controls, plan.per_second))
        await asyncio.sleep(plan.settling)
        with _using(house, f"{plan.name}, watching", figures.shares) as used:
            await asyncio.sleep(plan.watching)
        figures.lost += crowd.lost
        figures.watching.append(sum(used.values()) * 1000 / plan.shape.people)


@contextlib.contextmanager
def _using(house: House, what: str, told: dict[str, str]) -> Iterator[dict[str, float]]:
    """What share of a processor each process, and the clients, used meanwhile."""
    used: dict[str, float] = {}
    before, clients, begun = house.used(), time.process_time(), time.perf_counter()
    yield used
    seconds = time.perf_counter() - begun
    used |= share(before, house.used(), seconds)
    told[what] = profiles.processors(used | {"clients": (time.process_time() - clients) / seconds})


def _tell_ours(report: Report, hall: Figures, rooms: Figures) -> None:
    report.figure("joins_per_s", spread(hall.joins))
    report.figure("control_p50_ms", spread(hall.milliseconds(0.5)))
    report.figure("control_p99_ms", spread(hall.milliseconds(0.99)))
    report.figure("rooms_joins_per_s", spread(rooms.joins))
    report.figure("rooms_control_p50_ms", spread(rooms.milliseconds(0.5)))
    report.figure("rooms_control_p99_ms", spread(rooms.milliseconds(0.99)))
    report.figure("cpu_per_1000", spread(rooms.watching))
    report.besides(f"{HALL}: joins per s, in turn", spread(hall.in_turn))
    report.besides(f"{HALL}: processors per 1,000", spread(hall.watching))


def _compare(report: Report, name: str, ours: Figures, theirs: Figures) -> None:
    """How many times better than Syncplay: a latency is better if less, joins if more."""
    prefix, faster, more = "syncplay_rooms", None, None
    if name == HALL:
        prefix, faster, more = "syncplay", at_least(2), at_least(3)
    for what, percent, aim in (("latency", 0.5, faster), ("latency_p99", 0.99, None)):
        mine, other = ours.milliseconds(percent), theirs.milliseconds(percent)
        report.besides(f"Syncplay, {name}: control p{percent * 100:.0f}, ms", spread(other))
        report.ratio(f"{prefix}_{what}", _ratio(other, mine), aim, BETTER)
    joins: list[tuple[str, str, list[float], list[float], Aim | None]] = [
        ("joins", "joins per s", ours.joins, theirs.joins, more)
    ]
    if name == HALL:
        joins.append(("joins_whole", "joins per s, as its own client does it", ours.joins, theirs.whole, None))
        joins.append(("joins_in_turn", "joins per s, in turn", ours.in_turn, theirs.in_turn, None))
    for what, unit, mine, other, aim in joins:
        report.besides(f"Syncplay, {name}: {unit}", spread(other))
        report.ratio(f"{prefix}_{what}", _ratio(mine, other), aim, BETTER)
    report.besides(f"Syncplay, {name}: processors per 1,000", spread(theirs.watching))


def _ratio(above: Sequence[float], below: Sequence[float]) -> Spread:
    """Round by round."""
    return spread(a / b for a, b in zip(above, below, strict=True))
