"""Answers queries from a service's read models, each with the position that it is true at."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import asyncpg
import structlog

from events import schema
from events.messages import Notice, Position, Rejected
from events.projection import LOG, TELEMETRY
from events.schema import DATABASE_TROUBLE, Db

T = TypeVar("T")

log = structlog.get_logger("readmodel")

POOL = 8
"""Connections for queries, per replica."""
WAIT_SECONDS = 1.0
"""How long a query waits for the position that it was asked to be after."""
POINTER_SECONDS = 1.0
SWITCH_SECONDS = 5.0
"""A new schema is read as soon as a runner projects into it, or after so long without one."""
KEEP_OLD_SECONDS = 60.0
"""A pool on the schema before a switch is kept so long, for queries that are under way."""
QUERY_SECONDS = 5.0


async def connect(dsn: str, role: str, search_path: str, size: int, *, durable: bool = False) -> "asyncpg.Pool[Any]":
    """A pool under *role*. No statement is sent to reset a connection: nobody here changes a session.

    Unless *durable*, a crash of PostgreSQL may undo the last commits: read models go back together with their
    checkpoint, and the log brings them forth again.
    """

    async def keep(connection: object) -> None:
        return None

    return await asyncpg.create_pool(
        dsn,
        min_size=1,
        max_size=size,
        command_timeout=QUERY_SECONDS,
        reset=keep,
        server_settings={
            "role": role,
            "search_path": search_path,
            "application_name": role,
            "synchronous_commit": "on" if durable else "off",
            "jit": "off",
            "plan_cache_mode": "force_custom_plan",  # a plan made while a table was empty would stay for ever
        },
    )


class ReadModels:
    """The read side of one replica. It follows the pointer to whichever schema of its own code is current."""

    def __init__(self, service: str, dsn: str, epoch: str) -> None:
        self._service = service
        self._dsn = dsn
        self._epoch = epoch
        self._pool: asyncpg.Pool[Any] | None = None
        self._seen = (0, 0)
        self._moved = asyncio.Condition()
        self._projected = ""
        """The schema that the newest notice was about."""
        self._elsewhere = asyncio.Event()
        self._closing: set[asyncio.Task[None]] = set()
        self.schema = ""

    async def open(self, name: str) -> None:
        """Read from *name* from now on."""
        old, self._pool = self._pool, await connect(self._dsn, f"{self._service}_reader", name, POOL)
        self.schema = name
        async with self._moved:
            self._seen = await _reached(self._pool)
            self._moved.notify_all()
        if old is not None:
            task = asyncio.create_task(_close_later(old))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    async def follow_pointer(self) -> None:
        """Notice that a rebuild has switched the schema. Runs for ever."""
        waited = 0.0
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POINTER_SECONDS):
                    await self._elsewhere.wait()
            self._elsewhere.clear()
            try:
                name = await self._current()
                if name == self.schema:
                    waited = 0.0
                elif name == self._projected or waited >= SWITCH_SECONDS:
                    await self.open(name)
                    log.info("read models switched", schema=name)
                else:
                    waited += POINTER_SECONDS
            except DATABASE_TROUBLE as error:
                log.warning("database not reachable", reason=str(error) or type(error).__name__)

    async def _current(self) -> str:
        assert self._pool is not None
        return await schema.current_of(self._pool, self._service, self.schema)

    async def notice(self, notice: Notice) -> None:
        """The projection moved, here or on another replica."""
        if notice.epoch != self._epoch:
            return
        self._projected = notice.schema
        if notice.schema != self.schema:
            self._elsewhere.set()
            return
        async with self._moved:
            self._seen = notice.end  # less than before when a crash of the database undid something
            self._moved.notify_all()

    async def ask(self, question: Callable[[Db], Awaitable[T]], after: Position | None = None) -> tuple[T, Position]:
        """Run *question* on one snapshot of the read models. With *after*, wait up to a second until they are that far.

        Raise `Rejected`: `position-not-reached` (with the one that is), `other-epoch`, `bad-position`, `unavailable`.
        """
        if after is not None:
            await self.reach(after)
        try:
            return await self._ask(question, after)
        except Exception as error:
            if schema.is_away(error):
                raise Rejected("unavailable", server="database") from error
            raise

    async def _ask(self, question: Callable[[Db], Awaitable[T]], after: Position | None) -> tuple[T, Position]:
        assert self._pool is not None
        async with self._pool.acquire() as db, db.transaction(isolation="repeatable_read", readonly=True):
            rows = await db.fetch("select source, sequence from checkpoint")
            at = {row["source"]: row["sequence"] for row in rows}
            position = Position(self._service, self._epoch, at.get(LOG, 0), at.get(TELEMETRY, 0))
            if after is not None and not position.covers(after):
                raise Rejected("position-not-reached", position=str(position))
            return await question(db), position

    async def reach(self, after: Position) -> None:
        """Wait up to a second until the read models are that far, as far as notices say; `ask` tells whether they are.

        Raise `Rejected`: `bad-position`, `other-epoch`.
        """
        if after.context != self._service:
            raise Rejected("bad-position", position=str(after))
        if after.epoch != self._epoch:
            raise Rejected("other-epoch", epoch=self._epoch)

        def reached() -> bool:
            return self._seen[0] >= after.sequence and self._seen[1] >= after.telemetry

        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(WAIT_SECONDS), self._moved:
                await self._moved.wait_for(reached)

    async def ready(self) -> bool:
        """Whether a query would be answered."""
        try:
            await self.ask(_nothing)
        except Rejected:
            return False
        return True

    async def close(self) -> None:
        for task in self._closing:
            task.cancel()
        if self._pool is not None:
            self._pool.terminate()


async def _reached(pool: "asyncpg.Pool[Any]") -> tuple[int, int]:
    at = {row["source"]: row["sequence"] for row in await pool.fetch("select source, sequence from checkpoint")}
    return at.get(LOG, 0), at.get(TELEMETRY, 0)


async def _nothing(db: Db) -> None:
    return None


async def _close_later(pool: "asyncpg.Pool[Any]") -> None:
    try:
        await asyncio.sleep(KEEP_OLD_SECONDS)
    finally:
        pool.terminate()
