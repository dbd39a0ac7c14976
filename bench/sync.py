"""How near the members of a party are to where it is, in a simulated hour of bad lines, crystals and players."""

import asyncio
import os
from collections.abc import Callable, Sequence

import msgspec

from bench.figures import Spread, spread
from bench.node import NODE
from bench.options import Options
from bench.processes import ROOT, PeerFailed
from bench.report import Aim, Report, below

SCRIPT = ROOT / "bench" / "simulated" / "run.js"
PEERS = ("naive", "syncplay")


class Drifts(msgspec.Struct):
    """Without sign, in true time, looked at ten times a second."""

    p50_ms: float
    p95_ms: float
    p99_ms: float
    same_frame: float
    samples: int


class Told(msgspec.Struct):
    """What one simulated party says of itself."""

    all: Drifts
    """While the party plays: of everybody who joined more than 3 s ago and has data."""
    settled: Drifts
    """The same without the 3 s after each control and stall."""
    apart: Drifts
    """Between two members, one taken after the other."""
    hours: float
    """Of all members together."""
    lead: float
    jumps: int
    """That no control within the 3 s before asked for."""
    bends: int
    """Of speed, by more than 5 %, that nobody asked for."""
    changes: int
    """Of speed, all of them."""
    stall_minutes: float
    wishes: int

    @property
    def corrections_per_hour(self) -> float:
        return (self.jumps + self.bends) / self.hours


async def run(options: Options) -> Report:
    members, seconds, rounds = options.size(200, 10), options.size(3_600, 900), options.size(3, 1)
    report = Report(
        "sync",
        f"{rounds} parties of {members} members for {seconds // 60} simulated minutes, 100 ± 50 ms each way, 1 % lost; "
        "ours with the shipped sync.js, and the same members kept together in two other ways",
    )
    processors = asyncio.Semaphore(os.cpu_count() or 1)

    async def simulated(who: str, seed: int) -> Told:
        async with processors:
            return await _simulated(who, members, seconds, seed)

    kinds = ("matinee", *PEERS)
    told = await asyncio.gather(*(simulated(who, seed) for who in kinds for seed in range(1, rounds + 1)))
    by = {who: told[n * rounds : (n + 1) * rounds] for n, who in enumerate(kinds)}
    _ours(report, by["matinee"])
    for peer in PEERS:
        _beside(report, peer, by["matinee"], by[peer])
    report.notes.append(
        "A jump counts unless a control moved the party, or its member joined, in the 3 s before, which allows one; "
        "a change of speed counts from 5 % on"
    )
    return report


def _ours(report: Report, parties: Sequence[Told]) -> None:
    def figure(name: str, of: Callable[[Told], float], aim: Aim | None = None) -> None:
        report.figure(name, spread(map(of, parties)), aim)

    def besides(what: str, of: Callable[[Told], float]) -> None:
        report.besides(what, spread(map(of, parties)))

    figure("p95_drift_ms", lambda party: party.all.p95_ms, below(40))
    figure("corrections_per_hour", lambda party: party.corrections_per_hour, below(2))
    besides("p50, ms", lambda party: party.all.p50_ms)
    besides("p99, ms", lambda party: party.all.p99_ms)
    besides("within a frame (1/24 s), %", lambda party: party.all.same_frame * 100)
    besides("p95 without 3 s after controls and stalls, ms", lambda party: party.settled.p95_ms)
    besides("p99 without them, ms", lambda party: party.settled.p99_ms)
    besides("p95 between two members, ms", lambda party: party.apart.p95_ms)
    besides("changes of speed up to 5 %, per hour", lambda party: (party.changes - party.bends) / party.hours)
    besides("stall minutes per hour", lambda party: party.stall_minutes / party.hours)


def _beside(report: Report, peer: str, ours: Sequence[Told], theirs: Sequence[Told]) -> None:
    pairs = list(zip(ours, theirs, strict=True))
    report.besides(f"{peer}: p95, ms", spread(party.all.p95_ms for party in theirs))
    report.besides(f"{peer}: corrections per hour", spread(party.corrections_per_hour for party in theirs))
    report.ratio(f"{peer}_p95_drift", spread(their.all.p95_ms / our.all.p95_ms for our, their in pairs))
    report.ratio(f"{peer}_corrections", _times(pairs))


def _times(pairs: Sequence[tuple[Told, Told]]) -> Spread:
    """How many times fewer corrections ours needs; one that needed none at all counts as half of one."""
    return spread(
        max(their.jumps + their.bends, 0.5) / max(our.jumps + our.bends, 0.5) * our.hours / their.hours
        for our, their in pairs
    )


async def _simulated(who: str, members: int, seconds: int, seed: int) -> Told:
    wanted = {"who": who, "members": members, "seconds": seconds, "seed": seed}
    process = await asyncio.create_subprocess_exec(
        NODE,
        str(SCRIPT),
        msgspec.json.encode(wanted).decode(),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    said, complaint = await process.communicate()
    if process.returncode != 0:
        raise PeerFailed(f"the simulation of {who} failed: {complaint.decode(errors='replace')[-2_000:]}")
    return msgspec.json.decode(said, type=Told)
