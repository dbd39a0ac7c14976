"""One empty read-model schema on the real PostgreSQL, filled with the rights of the service's writer."""

import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from events import schema
from events.definition import Service
from events.log import Commit
from events.projection import topics_of
from ops.embedded import Embedded


class ReadModel:
    """The schema's tables, by two connections: one writes, one reads."""

    def __init__(self, service: Service, writer: "asyncpg.Connection[Any]", reader: "asyncpg.Connection[Any]") -> None:
        self.service = service
        self.writer = writer
        self.reader = reader

    async def apply(self, *batches: Sequence[Commit]) -> set[str]:
        """Each batch in a transaction of its own; the topics that they touched."""
        topics: set[str] = set()
        for batch in batches:
            async with self.writer.transaction():
                for projection in self.service.projections:
                    topics |= await topics_of(await projection.apply(self.writer, batch))
        return topics

    async def rows(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every row of every table that the service's code fills, timers included."""
        tables = await self.reader.fetch(
            "select relname from pg_class where relnamespace = current_schema::regnamespace and relkind = 'r'"
        )
        names = {row["relname"] for row in tables} - (schema.CHASSIS - {"due"})
        return {name: [tuple(row) for row in await self.reader.fetch(f"table {name}")] for name in names}

    async def same(self) -> dict[str, list[tuple[Any, ...]]]:
        """The rows in an order that does not depend on how they got there."""
        return {name: sorted(rows, key=repr) for name, rows in (await self.rows()).items()}

    async def empty(self) -> None:
        for name in await self.rows():
            await self.writer.execute(f"delete from {name}")


@asynccontextmanager
async def read_model(service: Service, servers: Embedded) -> AsyncIterator[ReadModel]:
    dsn, name = servers.database_url(service.name), f"{service.name}_{secrets.token_hex(4)}"
    owner = await asyncpg.connect(dsn, server_settings={"role": f"{service.name}_owner"})
    async with owner.transaction():
        await schema.create(owner, service.name, name, service.sql)
    writer, reader = [
        await asyncpg.connect(dsn, server_settings={"role": f"{service.name}_{role}", "search_path": name})
        for role in ("writer", "reader")
    ]
    try:
        yield ReadModel(service, writer, reader)
    finally:
        await writer.close()
        await reader.close()
        await schema.drop(owner, name)
        await owner.close()
