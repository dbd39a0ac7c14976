"""`matinee demo`: two guests watch together, against a running Matinee, and survive the death of a service."""

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from ops.commands.options import Data
from ops.guest import Frame, Guest
from ops.running import Running, running_over

T = TypeVar("T")

FILM = "tt0111161"
CONTROLS: tuple[tuple[str, dict[str, float]], ...] = (
    ("party.play", {"position": 0.0}),
    ("party.seek", {"position": 600.0}),
    ("party.pause", {}),
)
AFTER_THE_KILL = 5
BETWEEN_CONTROLS = 0.55
"""Seconds: nobody may control a party more than twice a second, unless the operator says otherwise."""


def demo(data: Data = Path(".matinee")) -> None:
    """Show two guests in one party and one person on two devices, then kill a service and see that nothing is lost."""
    asyncio.run(_demo(running_over(data.absolute())))


async def _demo(running: Running) -> None:
    ana, _ = await Guest.arrive(running.gateway, "Ana")
    ben, token = await Guest.arrive(running.gateway, "Ben")
    phone, _ = await Guest.arrive(running.gateway, "Ben", token)
    try:
        party = await _open(ana, ben)
        await _watch_together(ana, ben, party)
        await _two_devices(ben, phone)
        await _kill(running, ana, ben, party)
    finally:
        for guest in (ana, ben, phone):
            await guest.leave()


async def _open(ana: Guest, ben: Guest) -> str:
    opened, took = await _timed(ana.call("party.open", title="Friday film", media=FILM))
    party: str = opened["value"]["party_id"]
    _say(f"Ana opens a party, {party}", took)
    _, took = await _timed(ben.call("party.join", party_id=party))
    _say("Ben joins it", took)
    for guest in (ana, ben):
        followed = await guest.ask(op="follow", channel=f"party:{party}")
        names = [member["name"] for member in followed["state"]["members"]]
        _say(f"{guest.name} follows it and sees {' and '.join(names)}")
    return party


async def _watch_together(ana: Guest, ben: Guest, party: str) -> None:
    for function, arguments in CONTROLS:
        await asyncio.sleep(BETWEEN_CONTROLS)
        said = time.perf_counter()
        answer = await ana.call(function, party_id=party, **arguments)
        _say(f"Ana: {function}, answered once it is durable", time.perf_counter() - said)
        event = await ben.seen(_at(answer["position"]))
        took = time.perf_counter() - said
        _say(f"Ben's screen has it: {event['type']} at {event['data']['position']:.1f} s", took)


async def _two_devices(television: Guest, phone: Guest) -> None:
    await phone.ask(op="watch", fn="library.continue_watching", args={})
    _say("Ben's phone watches his list of what to go on with: it is empty")
    said = time.perf_counter()
    await television.call("library.report", work=FILM, position=1200.0, duration=8520.0, device="television")
    await phone.seen(lambda frame: frame["op"] == "value" and bool(frame["value"]["items"]))
    _say("Ben's television is 20 minutes into the film, and the phone shows it", time.perf_counter() - said)
    await television.call("library.report", work=FILM, position=7800.0, duration=8520.0, device="television")
    await phone.seen(_empty_again(phone))
    _say("Ben has seen over 90 % of it, and it leaves the list")


def _empty_again(phone: Guest) -> Callable[[Frame], bool]:
    shown = [frame for frame in phone.frames if frame["op"] == "value" and frame["value"]["items"]]
    last = phone.frames.index(shown[-1])
    return lambda frame: frame["op"] == "value" and not frame["value"]["items"] and phone.frames.index(frame) > last


async def _kill(running: Running, ana: Guest, ben: Guest, party: str) -> None:
    victim = running.process("parties")
    assert victim.pid is not None
    os.kill(victim.pid, signal.SIGKILL)
    _say(f"The parties service (process {victim.pid}) is killed without warning")
    positions = [1000.0 + n for n in range(AFTER_THE_KILL)]
    answers = []
    for position in positions:
        await asyncio.sleep(BETWEEN_CONTROLS)
        answer, took = await _timed(ana.call("party.seek", party_id=party, position=position))
        answers.append(answer["position"])
        _say(f"Ana seeks to {position:.0f} s all the same", took)
    await ben.seen(_at(answers[-1]))
    seen = [f["data"]["position"] for f in ben.frames if f["op"] == "event" and f["type"] == "party.sought"]
    assert seen[-AFTER_THE_KILL:] == positions, f"Ben saw {seen}"
    state = await ben.ask(op="call", fn="party.state", args={"party_id": party}, after=answers[-1])
    assert state["value"]["position"] == positions[-1], state
    _say(f"Ben saw all {AFTER_THE_KILL} of them, in order, each once; the party stands at {positions[-1]:.0f} s")


def _at(position: str) -> Callable[[Frame], bool]:
    """The event of the command that was answered with *position*."""
    return lambda frame: frame["op"] == "event" and frame["position"] == position


async def _timed(doing: Awaitable[T]) -> tuple[T, float]:
    began = time.perf_counter()
    return await doing, time.perf_counter() - began


def _say(what: str, seconds: float | None = None) -> None:
    print(f"{f'{seconds * 1000:8.1f} ms' if seconds is not None else ' ' * 11}  {what}")
