"""`matinee up`: everything on this machine, until Ctrl-C."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from ops.commands.options import Data
from ops.machine import Machine

Host = Annotated[str, typer.Option(envvar="MATINEE_HOST", help="Where the gateway listens.")]
Port = Annotated[int, typer.Option(envvar="MATINEE_PORT", min=1, max=65535, help="On which port.")]


def up(data: Data = Path(".matinee"), host: Host = "127.0.0.1", port: Port = 8080) -> None:
    """Start NATS, PostgreSQL and every service, keep them running, and stop them on Ctrl-C.

    With NATS_URL and DATABASE_URL set, the services use those servers instead of embedded ones.
    """
    asyncio.run(Machine(data.absolute(), host, port).run())
