"""The Matinee that is measured: its own folder and ports, tokens for its clients, and what its processes use."""

import base64
import contextlib
import os
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
import psutil

from bench.processes import CACHE, ROOT
from bench.profiled import outcome
from gateway.auth import Guests
from gateway.identity import Ids
from ops.child import Child
from ops.ports import free_port
from ops.programs import answers
from ops.running import Running, running_over

START_SECONDS = 60.0
UNLIMITED = {
    "MATINEE_ROOMS_PER_HOUR": "0",
    "MATINEE_CONTROLS_PER_SECOND": "0",
    "MATINEE_MANAGEMENT_PER_HOUR": "0",
    "MATINEE_KEY_TRIES": "0",
    "MATINEE_KEY_TRIES_PER_PARTY": "0",
    "MATINEE_COMMANDS_PER_SECOND": "0",
}
"""A bench measures what can be done, with far fewer people than it takes to do it."""
SAMPLED = ("gateway", "parties", "library", "comments")


class Samples(msgspec.Struct):
    """What the sampler of one process wrote: functions with how often they were seen."""

    samples: int
    own: list[tuple[str, int]]
    whole: list[tuple[str, int]]


@dataclass
class Matinee:
    """A whole running Matinee."""

    folder: Path
    port: int
    child: Child
    profiling: bool = False

    @property
    def http(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws(self) -> str:
        return f"ws://127.0.0.1:{self.port}/v1/ws"

    @property
    def running(self) -> Running:
        return running_over(self.folder)

    def environment(self, name: str) -> dict[str, str]:
        return dict(self.running.process(name).environment)

    def pid(self, name: str) -> int:
        pid = self.running.process(name).pid
        assert pid is not None, f"{name} does not run"
        return pid

    def tokens(self, count: int) -> list[str]:
        """Guest tokens for so many different people, signed as the gateway signs them."""
        given = self.environment("gateway")
        ids = Ids(base64.b64decode(given["MATINEE_UID_SECRET"]), os.urandom)
        guests = Guests(base64.b64decode(given["MATINEE_GUEST_SECRET"]), 1.0, ids, time.time)
        return [guests.admit(f"Guest {number}")[0] for number in range(count)]

    def processor_seconds(self) -> dict[str, float]:
        """Processor time used so far, by process."""
        return {process.name: used_by(process.pid) for process in self.running.processes if process.pid is not None}

    def kibibytes(self, name: str) -> float:
        """Memory of a process's own, and its share of what it shares."""
        for line in Path(f"/proc/{self.pid(name)}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return float(line.split()[1])
        raise SystemExit("this kernel does not tell a process's proportional set size")

    @contextlib.contextmanager
    def sampled(self) -> Iterator[dict[str, Samples]]:
        """The block under the sampler, if asked for; the samples by process are there when it has ended."""
        found: dict[str, Samples] = {}
        if not self.profiling:
            yield found
            return
        pids = {name: self.pid(name) for name in SAMPLED}
        for name, pid in pids.items():
            outcome(self.folder, name).unlink(missing_ok=True)
            os.kill(pid, signal.SIGUSR1)
        try:
            yield found
        finally:
            for pid in pids.values():
                os.kill(pid, signal.SIGUSR1)
            for name in pids:
                found[name] = samples_in(outcome(self.folder, name))


@contextlib.contextmanager
def matinee(*, profiling: bool = False, **settings: str) -> Iterator[Matinee]:
    """Start everything in a new folder and stop and remove it afterwards; *settings* go to every process."""
    raise_file_limit()
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="run-", dir=CACHE) as made:
        folder, port = Path(made) / "data", free_port()
        start = ["bench.profiled", str(folder), str(port)]
        if not profiling:
            start = ["ops", "up", "--data", str(folder), "--port", str(port)]
        child = Child(
            name="matinee",
            command=[sys.executable, "-m", *start],
            log=Path(made) / "matinee.log",
            is_ready=lambda: answers(f"http://127.0.0.1:{port}/readyz"),
            environment=_own_environment() | UNLIMITED | settings,
            folder=ROOT,
            death_signal=signal.SIGTERM,
        )
        child.start()
        try:
            child.wait_ready(START_SECONDS)
            yield Matinee(folder, port, child, profiling)
        finally:
            child.stop()


def _own_environment() -> dict[str, str]:
    """Ours, without the servers that somebody may have set for a `make run`."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("NATS_URL", "DATABASE_URL"))}


def raise_file_limit() -> int:
    """As many open files as the machine allows, for us and for what we start."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def used_by(pid: int) -> float:
    """Of a process and of those that it started, which for PostgreSQL are the sessions."""
    total = 0.0
    with contextlib.suppress(psutil.NoSuchProcess):
        parent = psutil.Process(pid)
        for process in (parent, *parent.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                total += times.user + times.system
    return total


def samples_in(path: Path) -> Samples:
    """What a sampler is writing or has written there; nothing if it never does."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError, msgspec.DecodeError):
            return msgspec.json.decode(path.read_bytes(), type=Samples)
        time.sleep(0.05)
    return Samples(0, [], [])


def share(before: Mapping[str, float], after: Mapping[str, float], seconds: float) -> dict[str, float]:
    """How much of one processor each process used meanwhile."""
    return {name: (after[name] - before.get(name, 0.0)) / seconds for name in after}
