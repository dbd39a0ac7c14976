"""The table of what runs beside the servers: each program, its environment and where it says that it is ready."""

import http.client
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit, urlunsplit

from ops.child import Child
from ops.house import GATEWAY, OPERATOR, SERVICES
from ops.keys import Keys
from ops.ports import free_port


class Servers(Protocol):
    """Where NATS and PostgreSQL are, and as whom each service speaks to them."""

    @property
    def keys(self) -> Keys: ...
    def nats_url(self, user: str = OPERATOR) -> str: ...
    def database_url(self, service: str) -> str: ...
    @property
    def admin_database_url(self) -> str: ...


@dataclass(frozen=True)
class Elsewhere:
    """Servers that somebody else runs: NATS_URL and DATABASE_URL are the operator's.

    NATS_URL_PARTIES and DATABASE_URL_PARTIES, where set, are what that service gets; otherwise it shares the operator's
    NATS user, and its database login is made with a password of ours.
    """

    keys: Keys
    environment: Mapping[str, str]

    def nats_url(self, user: str = OPERATOR) -> str:
        return self.environment.get(f"NATS_URL_{user.upper()}") or self.environment["NATS_URL"]

    def database_url(self, service: str) -> str:
        own = self.environment.get(f"DATABASE_URL_{service.upper()}")
        if own:
            return own
        parts = urlsplit(self.admin_database_url)
        place = parts.netloc.rpartition("@")[2]
        return urlunsplit(parts._replace(netloc=f"{service}:{self.keys.database[service]}@{place}"))

    @property
    def admin_database_url(self) -> str:
        return self.environment["DATABASE_URL"]

    def own_logins(self) -> dict[str, str]:
        """Passwords of the logins that are ours to make."""
        return {
            name: password
            for name, password in self.keys.database.items()
            if not self.environment.get(f"DATABASE_URL_{name.upper()}")
        }


@dataclass(frozen=True)
class Program:
    """A process to keep running. `environment` is what we set besides the operator's own."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    ready_url: str

    def child(self, logs: Path) -> Child:
        return Child(
            name=self.name,
            command=list(self.command),
            log=logs / f"{self.name}.log",
            is_ready=lambda: answers(self.ready_url),
            environment=_inherited() | dict(self.environment),
        )


def programs(servers: Servers, host: str, port: int) -> list[Program]:
    """Every service and the gateway, which stands last because it is stopped first."""
    return [*(_service(service.name, servers) for service in SERVICES), _gateway(servers, host, port)]


def answers(url: str) -> bool:
    """Whether a GET is answered with 200; asked directly, whatever proxy the environment names."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "127.0.0.1", parts.port, timeout=2)
    try:
        connection.request("GET", parts.path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _service(name: str, servers: Servers) -> Program:
    health = free_port()
    environment = {
        "NATS_URL": servers.nats_url(name),
        "DATABASE_URL": servers.database_url(name),
        "MATINEE_MASTER_KEY": servers.keys.master_key,
        "MATINEE_REPLICA": f"{name}-1",
        "MATINEE_HEALTH_PORT": str(health),
    }
    return Program(name, _module(name), environment, f"http://127.0.0.1:{health}/readyz")


def _gateway(servers: Servers, host: str, port: int) -> Program:
    environment = {
        "NATS_URL": servers.nats_url(GATEWAY),
        "MATINEE_REPLICA": "gateway-1",
        "MATINEE_HEALTH_PORT": "0",  # its own port answers /readyz
        "MATINEE_HOST": host,
        "MATINEE_PORT": str(port),
        "MATINEE_UID_SECRET": servers.keys.uid_secret,
        "MATINEE_GUEST_SECRET": servers.keys.guest_secret,
    }
    return Program(GATEWAY, _module(GATEWAY), environment, f"{reachable(host, port)}/readyz")


def reachable(host: str, port: int) -> str:
    """An address that a browser on this machine can open."""
    name = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104 - read, not bound
    return f"http://{name}:{port}"


def _module(name: str) -> tuple[str, ...]:
    return (sys.executable, "-P", "-m", name)  # -P: a folder of that name in the working directory is not meant


def _inherited() -> dict[str, str]:
    """The operator's environment without the operator's credentials; logs go to files, so without colours."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("NATS_URL", "DATABASE_URL"))}
    return {"NO_COLOR": "1", "PYTHONUNBUFFERED": "1"} | kept
