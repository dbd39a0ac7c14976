"""Every bench runs, with numbers too small to mean anything, and says what it promises to say."""

import asyncio
import os
import shutil
import sys
from pathlib import Path

import msgspec
import pytest
from bench.__main__ import BENCHES
from bench.node import missing
from bench.peers.syncplay import PROGRAM

ROOT = Path(__file__).resolve().parents[2]

FIGURES = {
    "fanout": {"broadcast_deliveries_per_s", "play_p50_ms", "play_p99_ms"},
    "commands": {"commands_per_s", "p50_ms", "p99_ms"},
    "rebuild": {"events_per_s", "events_per_s_small"},
    "live": {"p50_ms", "p95_ms"},
    "idle": {"kb_per_socket"},
    "sync": {"p95_drift_ms", "corrections_per_hour"},
    "library": {
        "report_p50_ms",
        "report_p99_ms",
        "log_bytes_per_hour",
        "library_cpu",
        "reports_per_s",
        "continue_watching_p50_ms",
        "continue_watching_p95_ms",
        "batch_500_ms",
    },
    "chat": {
        "p50_ms",
        "p99_ms",
        "gateway_mb",
        "recovered",
        "deliveries_per_s",
        "lost",
        "doubled",
        "misordered",
    },
    "thread": {
        "first_page_p50_ms",
        "first_page_p95_ms",
        "search_p50_ms",
        "search_p95_ms",
        "rebuild_per_s",
    },
    "room": {
        "joins_per_s",
        "control_p50_ms",
        "control_p99_ms",
        "rooms_joins_per_s",
        "rooms_control_p50_ms",
        "rooms_control_p99_ms",
        "cpu_per_1000",
    },
}
RATIOS = {
    "fanout": {"raw"},
    "commands": {"eventsourcing", "jetstream"},
    "rebuild": {"upsert"},
    "thread": {"rebuild"},
    "library": {"naive", "naive_p99", "naive_log"},
    "sync": {"naive_p95_drift", "naive_corrections", "syncplay_p95_drift", "syncplay_corrections"},
}
SYNCPLAY = {
    "syncplay_latency",
    "syncplay_latency_p99",
    "syncplay_joins",
    "syncplay_joins_in_turn",
    "syncplay_joins_whole",
    "syncplay_rooms_latency",
    "syncplay_rooms_latency_p99",
    "syncplay_rooms_joins",
}
# Socket.IO comes from npm, which may be missing or have no registry to ask; Syncplay's server may not be installed.
MAY_BE_MISSING = {"fanout": {"socketio"}, "chat": {"socketio"}, "room": SYNCPLAY}


AT_ONCE = 2
"""Each bench runs a whole Matinee: with all of them at once, services would seem to be away on a small machine."""


class Outcome(msgspec.Struct, forbid_unknown_fields=True):
    bench: str
    figures: dict[str, float]
    ratios: dict[str, float]


async def test_each_bench_ends_with_one_line_of_json_that_names_its_figures() -> None:
    turns = asyncio.Semaphore(AT_ONCE)
    without_node = missing() and os.environ.get("CI") != "true"
    names = [name for name in BENCHES if not (without_node and name == "sync")]
    outcomes = dict(zip(names, await asyncio.gather(*(_quick(name, turns) for name in names)), strict=True))

    assert set(BENCHES) == set(FIGURES)
    for name, outcome in outcomes.items():
        assert outcome.bench == name
        assert set(outcome.figures) == FIGURES[name]
        assert set(outcome.ratios) - MAY_BE_MISSING.get(name, set()) == RATIOS.get(name, set())
        assert all(ratio > 0 for ratio in outcome.ratios.values())
    assert set(outcomes["room"].ratios) == (SYNCPLAY if shutil.which(PROGRAM) else set())
    chat = outcomes["chat"].figures
    assert (chat["lost"], chat["doubled"], chat["misordered"], chat["recovered"]) == (0, 0, 0, 1)


async def test_an_unknown_bench_is_refused_by_name() -> None:
    process = await _bench("nonsense")
    _, complaint = await process.communicate()

    assert process.returncode == 2
    assert "there is no bench nonsense" in complaint.decode()


@pytest.mark.parametrize("name", BENCHES)
def test_a_bench_has_a_page(name: str) -> None:
    assert f"## {name}\n" in (ROOT / "docs" / "benchmarks.md").read_text()


async def _quick(name: str, turns: asyncio.Semaphore) -> Outcome:
    async with turns:
        process = await _bench(name, "--quick")
        said, complaint = await process.communicate()
    assert process.returncode == 0, complaint.decode()
    return msgspec.json.decode(said.splitlines()[-1], type=Outcome)


async def _bench(*words: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench", *words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, cwd=ROOT
    )
