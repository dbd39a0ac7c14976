"""What runs over a folder, written down so that other commands find it: .matinee/run.json."""

import os
from pathlib import Path

import msgspec

from ops.keys import write_private
from ops.problem import Problem


class NotRunning(Problem):
    """Nothing runs over that folder."""


class Process(msgspec.Struct, frozen=True):
    """One child. `environment` is what it was given besides the operator's own: addresses with passwords."""

    name: str
    pid: int | None
    log: str
    ready_url: str | None = None
    environment: dict[str, str] = {}


class Running(msgspec.Struct, frozen=True):
    """A running Matinee. Holds passwords: the file is its owner's alone, and none of this is for printing."""

    pid: int
    gateway: str  # http://host:port
    nats_url: str  # the operator's
    database_url: str  # the administrator's
    processes: list[Process]

    def process(self, name: str) -> Process:
        found = next((process for process in self.processes if process.name == name), None)
        if found is None:
            names = ", ".join(process.name for process in self.processes)
            raise Problem(f"nothing called {name} runs here; there are {names}")
        return found


def write_running(folder: Path, running: Running) -> None:
    write_private(_path(folder), msgspec.json.format(msgspec.json.encode(running), indent=1).decode())


def forget_running(folder: Path) -> None:
    _path(folder).unlink(missing_ok=True)


def running_over(folder: Path) -> Running:
    path = _path(folder)
    running = msgspec.json.decode(path.read_bytes(), type=Running) if path.exists() else None
    if running is None or not is_alive(running.pid):
        raise NotRunning(f"Nothing runs over {folder}. Start it with `make run`, or name its folder with --data.")
    return running


def running_or_elsewhere(folder: Path) -> Running | None:
    """What runs over *folder*; None in a cluster, where the environment says the rest."""
    try:
        return running_over(folder.absolute())
    except NotRunning:
        if "NATS_URL" not in os.environ:
            raise
        return None


def setting_of(running: Running | None, name: str) -> str:
    """The operator's own address of a server, or one of the gateway's secrets."""
    if running is None:
        if not os.environ.get(name):
            raise Problem(f"{name} is not set")
        return os.environ[name]
    servers = {"NATS_URL": running.nats_url, "DATABASE_URL": running.database_url}
    return servers.get(name) or running.process("gateway").environment[name]


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _path(folder: Path) -> Path:
    return folder / "run.json"
