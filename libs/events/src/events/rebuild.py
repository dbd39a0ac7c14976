"""Fills a new read-model schema from the log, beside the live one, and switches to it when it has caught up."""

import secrets
from collections.abc import Callable
from typing import Any

import asyncpg

from events import schema
from events.definition import Service
from events.log import Log
from events.projection import LOG, TELEMETRY, Batches
from events.runner import Source
from events.vault import Vault

Progress = Callable[[int, int], None]
"""Told after each batch: commits applied, and how many there are."""


class Rebuild:
    """One rebuild of one service's read models, with the service's own rights."""

    def __init__(self, service: Service, dsn: str, events_log: Log, heartbeats: Source | None, vault: Vault) -> None:
        self._service = service
        self._dsn = dsn
        self._log = events_log
        self._heartbeats = heartbeats
        self._batches = Batches(service.projections, vault, events_log.epoch)

    async def prepare(self) -> None:
        """Make the service's control schema if it is not there yet."""
        async with self._owner() as owner, owner.transaction():
            await schema.prepare(owner, self._service.name)

    async def create(self, name: str) -> bool:
        """Make the empty schema *name*; false if somebody has."""
        async with self._owner() as owner, owner.transaction():
            await owner.execute("select pg_advisory_xact_lock(hashtext($1))", f"matinee:{self._service.name}")
            if await schema.exists(owner, name):
                return False
            await schema.create(owner, self._service.name, name, self._service.sql)
            return True

    def new_name(self) -> str:
        return f"{self._service.first_schema}_{secrets.token_hex(3)}"

    async def fill(self, name: str, progress: Progress | None = None) -> int:
        """Bring schema *name* up to the log's present end; return how many commits that took.

        The end is looked up again until nothing was added meanwhile; the live read models are then a batch ahead at most.
        """
        applied = 0
        async with self._writer(name) as db:
            at = dict(await self._batches.start(db))
            for source, stream in ((LOG, self._log), (TELEMETRY, self._heartbeats)):
                if stream is None:
                    continue
                while (head := await stream.head()) > at[source]:
                    async for commits in stream.tail(at[source]):
                        done = await self._batches.apply(db, source, at[source], commits)
                        at[source] = done.end
                        applied += len(commits)
                        if progress is not None:
                            progress(done.end, max(head, done.end))
                        if done.end >= head:
                            break
        return applied

    async def switch(self, name: str) -> str | None:
        """Point queries and runners at *name*; return the schema that was current."""
        async with self._owner() as owner, owner.transaction():
            old = await schema.current(owner, self._service.name)
            await schema.point(owner, self._service.name, name)
            return old

    async def current(self) -> str | None:
        async with self._owner() as owner:
            return await schema.current(owner, self._service.name)

    async def drop(self, name: str) -> None:
        async with self._owner() as owner:
            await schema.drop(owner, name)

    async def ensure(self) -> str:
        """The schema that fits this code: the current one, or one built now, before which the service is not ready.

        An older schema is left to the replicas that still run the older code.
        """
        await self.prepare()
        current = await self.current()
        if current is not None and current.startswith(self._service.first_schema):
            return current
        name = self._service.first_schema
        await self.create(name)
        await self.fill(name)
        await self.switch(name)
        return name

    def _owner(self) -> "_Connection":
        return _Connection(self._dsn, f"{self._service.name}_owner", "pg_catalog")

    def _writer(self, name: str) -> "_Connection":
        return _Connection(self._dsn, f"{self._service.name}_writer", name)


class _Connection:
    """One connection under a role, closed afterwards."""

    def __init__(self, dsn: str, role: str, search_path: str) -> None:
        self._dsn = dsn
        self._settings = {"role": role, "search_path": search_path, "synchronous_commit": "off", "jit": "off"}
        self._db: asyncpg.Connection[Any] | None = None

    async def __aenter__(self) -> "asyncpg.Connection[Any]":
        self._db = await asyncpg.connect(self._dsn, server_settings=self._settings, timeout=10)
        return self._db

    async def __aexit__(self, *exc: object) -> None:
        assert self._db is not None
        await self._db.close()
