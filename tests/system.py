"""A whole Matinee as its users run it: `matinee up` as a child process, for end-to-end and fault tests."""

import http.client
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ops.ports import free_port
from ops.running import Running, running_over
from tests.wait import eventually_now

UNLIMITED = {
    "MATINEE_ROOMS_PER_HOUR": "0",
    "MATINEE_CONTROLS_PER_SECOND": "0",
    "MATINEE_MANAGEMENT_PER_HOUR": "0",
    "MATINEE_KEY_TRIES": "0",
    "MATINEE_KEY_TRIES_PER_PARTY": "0",
    "MATINEE_IMPORTS_PER_HOUR": "0",
    "MATINEE_ADDONS_PER_HOUR": "0",
    "MATINEE_COMMENTS_PER_MINUTE": "0",
    "MATINEE_EDITS_PER_MINUTE": "0",
    "MATINEE_REACTIONS_PER_MINUTE": "0",
    "MATINEE_CHAT_PER_SECOND": "0",
    "MATINEE_REPORTS_PER_HOUR": "0",
    "MATINEE_LIVES_PER_HOUR": "0",
    "MATINEE_COMMANDS_PER_SECOND": "0",
    "MATINEE_GUESTS_PER_SECOND": "1000",
}
"""Tests command as fast as they can, as few people and from one address; those about limits set their own."""


@dataclass
class System:
    """A running Matinee over its own folder and port."""

    folder: Path
    port: int
    supervisor: "subprocess.Popen[bytes]"
    output: Path
    """What `matinee up` printed."""

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
        """What the process called *name* was given: addresses and secrets, for tests that go behind the doors."""
        return dict(self.running.process(name).environment)

    def pid(self, name: str) -> int:
        """`parties`, `library`, `comments`, `gateway`, `nats` or `postgres`."""
        pid = self.running.process(name).pid
        assert pid is not None
        return pid

    def kill(self, name: str) -> None:
        """Kill -9; the supervisor starts it again."""
        os.kill(self.pid(name), signal.SIGKILL)

    def ready(self) -> bool:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        except OSError:
            return False

    def matinee(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """Run the `matinee` command against this system."""
        return subprocess.run(
            [sys.executable, "-m", "ops", *words, "--data", str(self.folder)],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )


@contextmanager
def system_over(folder: Path, **environment: str) -> Iterator[System]:
    """Start everything over *folder* and stop it cleanly afterwards; *environment* goes before `UNLIMITED`."""
    port = free_port()
    output = folder.with_name(f"{folder.name}.out")
    with output.open("wb") as printed:
        supervisor = subprocess.Popen(
            [sys.executable, "-m", "ops", "up", "--data", str(folder), "--port", str(port)],
            stdout=printed,
            stderr=subprocess.PIPE,
            env=os.environ | UNLIMITED | environment,
        )
    system = System(folder, port, supervisor, output)
    try:
        eventually_now(lambda: supervisor.poll() is not None or system.ready(), within=60)
        if supervisor.poll() is not None:
            assert supervisor.stderr is not None
            raise AssertionError(f"matinee up ended: {supervisor.stderr.read().decode()}")
        yield system
    finally:
        supervisor.terminate()
        try:
            supervisor.wait(30)
        finally:
            supervisor.kill()
