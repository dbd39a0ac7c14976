"""A program that we start, watch and stop, and that never outlives us."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from ops.privileges import Account, stepping_down
from ops.problem import Problem

_LOG_LIMIT = 10_000_000  # bytes of one log file before it moves to <name>.log.1
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class ChildFailed(Problem):
    """A program ended, or was not ready in time."""


@dataclass
class Child:
    """One program and its current process. Starting it again gives a new process with the same command and ports.

    `start` must be called from a thread that lives as long as the child should: the kernel counts the end of the
    starting thread as the parent's death.
    """

    name: str
    command: list[str]
    log: Path
    is_ready: Callable[[], bool]
    environment: Mapping[str, str] | None = None
    folder: Path | None = None  # its working directory
    account: Account | None = None  # whom it runs as, if not as ourselves
    stop_signal: signal.Signals = signal.SIGTERM
    death_signal: signal.Signals = signal.SIGKILL  # what it gets when we die without having stopped it
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def pid(self) -> int | None:
        return self.process.pid if self.process is not None and self.running else None

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def start(self) -> None:
        if self.running:
            raise ChildFailed(f"{self.name} is running already")
        with open_log(self.log) as log:
            self.process = spawn(
                self.command,
                log=log,
                account=self.account,
                death_signal=self.death_signal,
                environment=self.environment,
                folder=self.folder,
            )

    def wait_ready(self, within: float = 30.0) -> None:
        deadline = time.monotonic() + within
        while not self.is_ready():
            if not self.running:
                raise ChildFailed(
                    f"{self.name} ended before it was ready. The last lines of {self.log}:\n{self.last_words()}"
                )
            if time.monotonic() > deadline:
                raise ChildFailed(f"{self.name} was not ready after {within:.0f} s; see {self.log}")
            time.sleep(0.01)

    def restart(self, within: float = 30.0) -> None:
        """Start, again or for the first time, and wait. Tried anew while what a crash left behind goes away."""
        deadline = time.monotonic() + within
        while True:
            self.start()
            try:
                return self.wait_ready(deadline - time.monotonic())
            except ChildFailed:
                if self.running or time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    def kill(self) -> None:
        """kill -9, as a crash does it."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def ask_to_stop(self) -> None:
        if self.process is not None and self.running:
            self.process.send_signal(self.stop_signal)

    def stop(self, within: float = 10.0) -> None:
        """Ask, wait, and kill what did not listen."""
        self.ask_to_stop()
        if self.process is None:
            return
        try:
            self.process.wait(within)
        except subprocess.TimeoutExpired:
            self.kill()

    def last_words(self, lines: int = 12) -> str:
        if not self.log.exists():
            return ""
        with self.log.open("rb") as file:
            file.seek(max(0, self.log.stat().st_size - 8_000))
            return "\n".join(file.read().decode(errors="replace").splitlines()[-lines:])

    def bound_log(self) -> None:
        """Move a log that grew too long out of the way; the child goes on appending to the emptied file."""
        if self.log.exists() and self.log.stat().st_size > _LOG_LIMIT:
            _previous(self.log).write_bytes(self.log.read_bytes())
            os.truncate(self.log, 0)


def spawn(
    command: list[str],
    *,
    log: IO[bytes],
    account: Account | None = None,
    death_signal: signal.Signals = signal.SIGKILL,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> subprocess.Popen[bytes]:
    """Start a process in its own group, so that Ctrl-C reaches us alone, and tied to our life."""
    if account is not None:
        command, tie = stepping_down(account, command, death_signal), None
    else:
        tie = _tie_to_parent(death_signal)
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        env=environment,
        cwd=folder,
        process_group=0,
        preexec_fn=tie,
    )


def open_log(path: Path) -> IO[bytes]:
    """A log opened for appending."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.open("ab")


def rotate_log(path: Path) -> None:
    """A new run begins a new log; the one before is kept once."""
    if path.exists():
        path.replace(_previous(path))


def _previous(path: Path) -> Path:
    return path.with_name(path.name + ".1")


def _tie_to_parent(death_signal: signal.Signals) -> Callable[[], None] | None:
    library, parent = _libc, os.getpid()  # loaded before the fork: the child makes one C call
    if library is None:
        return None

    def tie() -> None:
        library.prctl(_PR_SET_PDEATHSIG, int(death_signal))
        if os.getppid() != parent:  # we died between the fork and the call
            os._exit(1)

    return tie
