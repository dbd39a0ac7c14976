"""`matinee provision`: streams and database roles in clusters that somebody else runs."""

import asyncio
import os
from typing import Annotated

import typer

from ops.house import SERVICES
from ops.provision import provision as make_so

NatsUrl = Annotated[str, typer.Option(envvar="NATS_URL", help="As a user that may do everything.")]
DatabaseUrl = Annotated[str, typer.Option(envvar="DATABASE_URL", help="As an administrator; names the database.")]
Replicas = Annotated[int, typer.Option(envvar="MATINEE_STREAM_REPLICAS", min=1, max=5, help="Copies of each stream.")]


def provision(nats_url: NatsUrl, database_url: DatabaseUrl, replicas: Replicas = 1) -> None:
    """Create missing streams, roles and the vault; report streams that differ, and end with status 1 if any does.

    A service's login that does not exist yet gets the password in MATINEE_DATABASE_PASSWORD_<SERVICE>.
    """
    drifts = asyncio.run(make_so(nats_url, database_url, _passwords(), replicas=replicas))
    for drift in drifts:
        print(f"differs: {drift}")
    if drifts:
        raise typer.Exit(1)
    print("streams and database roles are as declared")


def _passwords() -> dict[str, str]:
    given = {service.name: os.environ.get(f"MATINEE_DATABASE_PASSWORD_{service.name.upper()}") for service in SERVICES}
    return {name: password for name, password in given.items() if password}
