"""NATS and PostgreSQL as child processes over one folder, for one machine and for tests."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Self

from ops.bus_server import Member, bus_server
from ops.child import Child, rotate_log
from ops.database_server import ADMIN, DATABASE, database_server
from ops.house import OPERATOR
from ops.keys import Keys, keys_in
from ops.ports import free_port
from ops.problem import Problem


class AlreadyRunning(Problem):
    """Another process holds the folder."""


class Embedded:
    """Both servers over one folder. Belongs to no event loop.

    `nats` and `postgres` are children that can be killed and restarted on the same port.
    """

    def __init__(self, folder: Path, keys: Keys, nats: tuple[Child, int], postgres: tuple[Child, int]) -> None:
        self.folder = folder
        self.keys = keys
        self.nats, self.nats_port = nats
        self.postgres, self.postgres_port = postgres

    @classmethod
    def over(cls, folder: Path) -> Self:
        """Make ready to start; the first time this makes keys and the database's files (seconds)."""
        folder = folder.absolute()
        keys = keys_in(folder)
        logs = folder / "logs"
        for name in ("nats", "postgres"):
            rotate_log(logs / f"{name}.log")
        return cls(
            folder, keys, bus_server(folder / "nats", keys, logs), database_server(folder / "postgres", keys, logs)
        )

    def nats_url(self, user: str = OPERATOR) -> str:
        return f"nats://{user}:{self.keys.nats[user]}@127.0.0.1:{self.nats_port}"

    def database_url(self, service: str) -> str:
        return self._database_url(service, self.keys.database[service])

    @property
    def admin_database_url(self) -> str:
        return self._database_url(ADMIN, self.keys.admin_password)

    def _database_url(self, login: str, password: str) -> str:
        """Without TLS: it never leaves this machine, and asking for it costs each connection a round trip."""
        return f"postgresql://{login}:{password}@127.0.0.1:{self.postgres_port}/{DATABASE}?sslmode=disable"

    def start(self) -> None:
        self.nats.restart()
        self.postgres.restart()

    def stop(self) -> None:
        for child in (self.nats, self.postgres):
            child.ask_to_stop()
        for child in (self.nats, self.postgres):
            child.stop()


@contextmanager
def servers_over(folder: Path) -> Iterator[Embedded]:
    """Both servers, running while the block runs. They must not outlive the thread that entered it."""
    with hold(folder):
        servers = Embedded.over(folder)
        try:
            servers.start()
            yield servers
        finally:
            servers.stop()


@contextmanager
def bus_cluster(folder: Path, size: int = 3) -> Iterator[list[tuple[Child, str]]]:
    """A NATS cluster of local processes for tests; each child with the operator's address of that one server."""
    with hold(folder):
        keys = keys_in(folder)
        routes = [free_port() for _ in range(size)]
        children: list[tuple[Child, str]] = []
        for number, route in enumerate(routes, 1):
            member = Member(f"nats-{number}", route, tuple(routes))
            child, port = bus_server(folder / member.name, keys, folder / "logs", member=member)
            children.append((child, f"nats://{OPERATOR}:{keys.nats[OPERATOR]}@127.0.0.1:{port}"))
        try:
            for child, _ in children:
                child.start()
            for child, _ in children:
                child.wait_ready()
            yield children
        finally:
            for child, _ in children:
                child.stop()


@contextmanager
def hold(folder: Path) -> Iterator[None]:
    """Make the folder ours alone while the block runs. The kernel lets go of it even when we are killed."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder / "lock").open("a+") as lock:
        _lock(lock, folder)
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield


def _lock(lock: IO[str], folder: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.seek(0)
        holder = lock.read().strip() or "unknown"
        raise AlreadyRunning(
            f"Matinee is already running over {folder} (pid {holder}). Stop that one first (Ctrl-C in its terminal, or "
            f"`kill {holder}`), or give this one its own folder with --data."
        ) from None
