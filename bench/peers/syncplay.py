"""Syncplay's server, as Debian packages it."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench.processes import CACHE
from ops.child import Child
from ops.ports import free_port, is_free

PROGRAM = "syncplay-server"
START_SECONDS = 20.0


class Missing(Exception):
    """It is not installed; the message says how to."""


def program() -> str:
    found = shutil.which(PROGRAM)
    if found is None:
        raise Missing(f"there is no {PROGRAM} on the PATH (Debian and Ubuntu: apt install {PROGRAM})")
    return found


@contextlib.contextmanager
def server(*words: str) -> Iterator[tuple[Child, int]]:
    """Run a fresh one on a free port, with its defaults and *words*; raise `Missing` if there is none."""
    start = program()
    port = free_port("0.0.0.0")  # it listens on every address
    own = {name: value for name, value in os.environ.items() if not name.startswith(("SYNCPLAY_", "PYTHON"))}
    with tempfile.TemporaryDirectory(prefix="syncplay-", dir=CACHE) as folder:
        child = Child(
            name=PROGRAM,
            command=[start, "--port", str(port), *words],
            log=Path(folder) / "syncplay.log",
            is_ready=lambda: not is_free(port, "0.0.0.0"),
            environment=own,
            folder=Path(folder),
        )
        child.start()
        try:
            child.wait_ready(START_SECONDS)
            yield child, port
        finally:
            child.stop()
