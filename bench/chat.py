"""500 people in one chat: how soon a line is on every screen, whether all of them are, and how much goes through."""

import asyncio
import contextlib
import time
from collections.abc import Sequence
from typing import NamedTuple

from bench import profiles
from bench.chatters import Chat, OurChat, Resumed, SocketIoChat
from bench.figures import Spread, milliseconds, spread
from bench.options import Options
from bench.peers import socketio
from bench.processes import peer
from bench.report import Report, above, at_least, below, none
from bench.system import Matinee, matinee, share
from bench.talk import Faults

PEOPLE = 500
LINES_PER_SECOND = 50.0
AT_ONCE = 100
"""Lines of a flood that are not answered yet."""
PARTS = 6
"""So often is memory looked at while people talk."""
SETTLE_SECONDS = 2.0


class Plan(NamedTuple):
    """What happens in a chat, and how long."""

    people: int
    per_second: float
    warm: float
    seconds: float
    dropping: int
    """How many break off after a third of the time."""
    away: float
    rounds: int
    """Of floods, in which everybody says one line."""
    settling: float


class Steady(NamedTuple):
    """What talk by the clock came to."""

    samples: Sequence[float]
    resumed: Sequence[Resumed]
    kibibytes: Sequence[float]
    """Of the gateway, from before the first line to after the last."""


async def run(options: Options) -> Report:
    plan = Plan(
        people=options.size(PEOPLE, 6),
        per_second=options.size(LINES_PER_SECOND, 10.0),
        warm=options.size(10.0, 0.6),
        seconds=options.size(60.0, 1.2),
        dropping=options.size(5, 1),
        away=options.size(20.0, 0.4),
        rounds=options.size(5, 1),
        settling=options.size(SETTLE_SECONDS, 0.1),
    )
    report = Report(
        "chat",
        f"{plan.people} members of a party in its chat, {plan.per_second:.0f} lines a second for {plan.seconds:g} s, "
        f"{plan.dropping} of them away for {plan.away:g} s meanwhile; then {plan.rounds} rounds in which everybody "
        f"says a line, {min(AT_ONCE, plan.people)} of them at once; then a live event",
    )
    with matinee(profiling=options.profile) as system:
        async with contextlib.AsyncExitStack() as stack:
            ours = await OurChat.of_party(system, system.tokens(plan.people))
            stack.callback(ours.close)
            with system.sampled() as found:
                await _steady(report, system, ours, plan)
            report.profiles = found
            chats: list[Chat] = [ours]
            try:
                server = await stack.enter_async_context(peer("socketio", *await socketio.command()))
            except socketio.Missing as missing:
                report.notes.append(f"Socket.IO is left out: {missing}")
            else:
                theirs = await SocketIoChat.open(int(await server.hear()), plan.people)
                stack.callback(theirs.close)
                chats.append(theirs)
            await _floods(report, chats, plan)
            _tell_faults(report, ours.faults())
        await _live(report, system, plan)
    return report


async def _steady(report: Report, system: Matinee, chat: OurChat, plan: Plan) -> None:
    before, clients, begun = system.processor_seconds(), time.process_time(), time.perf_counter()
    done = await _talk(system, chat, plan)
    seconds = time.perf_counter() - begun
    used = share(before, system.processor_seconds(), seconds) | {"clients": (time.process_time() - clients) / seconds}
    report.figure("p50_ms", _once(milliseconds(done.samples, 0.5)))
    report.figure("p99_ms", _once(milliseconds(done.samples, 0.99)), below(50))
    report.besides("the slowest, ms", _once(max(done.samples) * 1000))
    report.figure("gateway_mb", _once((done.kibibytes[-1] - done.kibibytes[0]) / 1024), below(5))
    whole = sum(resumed.recovered for resumed in done.resumed)
    report.figure("recovered", _once(whole / len(done.resumed)), at_least(1))
    missed = [resumed.missed for resumed in done.resumed]
    sizes = ", ".join(f"{each / 1024:.1f}" for each in done.kibibytes)
    report.notes += [
        f"Who was away missed {min(missed):,} to {max(missed):,} lines; {whole} of {len(missed)} got all of them",
        f"The gateway, before and {plan.seconds / PARTS:g} s apart, in MiB (proportional set size): {sizes}",
        f"While they talked, {profiles.processors(used)}",
    ]


async def _talk(system: Matinee, chat: OurChat, plan: Plan) -> Steady:
    # Everybody's first line brings along a key and a name.
    await chat.steady(round(plan.warm * plan.per_second), plan.per_second)
    await asyncio.sleep(plan.settling)
    chat.talk.forget_times()
    sizes = [system.kibibytes("gateway")]
    looking = asyncio.create_task(_look(system, sizes, plan.seconds / PARTS))
    # Not the first ones: of a party or a live event, one of those runs it.
    dropping = [asyncio.create_task(_away(chat, number, plan)) for number in range(1, plan.dropping + 1)]
    await chat.steady(round(plan.seconds * plan.per_second), plan.per_second)
    resumed = await asyncio.gather(*dropping)
    await chat.all()
    looking.cancel()
    await asyncio.sleep(plan.settling)
    chat.hear()
    return Steady(chat.talk.samples, resumed, [*sizes, system.kibibytes("gateway")])


async def _look(system: Matinee, sizes: list[float], seconds: float) -> None:
    while True:
        await asyncio.sleep(seconds)
        sizes.append(system.kibibytes("gateway"))


async def _away(chat: OurChat, number: int, plan: Plan) -> Resumed:
    await asyncio.sleep(plan.seconds / 3)
    return await chat.drop(chat.people[number], plan.away)


async def _floods(report: Report, chats: Sequence[Chat], plan: Plan) -> None:
    rates: dict[str, list[float]] = {chat.name: [] for chat in chats}
    for chat in chats:
        await chat.flood(plan.people, AT_ONCE)
        if isinstance(chat, SocketIoChat):
            chat.padding = max(0, chats[0].talk.bytes - chat.talk.bytes)
    for _ in range(plan.rounds):
        for chat in chats:
            rates[chat.name].append(await chat.flood(plan.people, AT_ONCE))
    ours, *others = chats
    report.figure("deliveries_per_s", spread(rates[ours.name]))
    report.besides("of that, lines per s", spread(rate / plan.people for rate in rates[ours.name]))
    for other in others:
        report.besides(f"{other.name} deliveries per s", spread(rates[other.name]))
        pairs = zip(rates[ours.name], rates[other.name], strict=True)
        report.ratio(other.name, spread(mine / theirs for mine, theirs in pairs), above(1))
        report.notes.append(f"A line is {ours.talk.bytes} bytes long, and {other.talk.bytes} of {other.name}")
        if any(found := other.faults()):
            report.notes.append(f"{other.name}: {found}")


def _tell_faults(report: Report, found: Faults) -> None:
    for name, count in found._asdict().items():
        report.figure(name, _once(count), none())


async def _live(report: Report, system: Matinee, plan: Plan) -> None:
    """The same people's kind of talk where presence is counted and no party is asked who may speak."""
    chat = await OurChat.of_live(system, system.tokens(plan.people))
    try:
        await chat.steady(round(plan.warm * plan.per_second), plan.per_second)
        chat.talk.forget_times()
        await chat.steady(round(plan.seconds / 4 * plan.per_second), plan.per_second)
        report.besides("a live event: p50 ms", _once(milliseconds(chat.talk.samples, 0.5)))
        report.besides("a live event: p99 ms", _once(milliseconds(chat.talk.samples, 0.99)))
        report.besides("a live event: lost, doubled, misordered", _once(sum(chat.faults())))
    finally:
        chat.close()


def _once(value: float) -> Spread:
    return Spread(value, value, value)
