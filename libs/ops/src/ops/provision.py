"""Streams and database roles, made ready before any service starts."""

import asyncio
from collections.abc import Mapping

from ops.roles import provision_database
from ops.streams import Drift, provision_streams


async def provision(
    nats_url: str, database_url: str, passwords: Mapping[str, str], *, replicas: int = 1
) -> list[Drift]:
    """Both at once, as operator and administrator. Answers how existing streams differ from their declaration."""
    drifts, _ = await asyncio.gather(provision_streams(nats_url, replicas), provision_database(database_url, passwords))
    return drifts
