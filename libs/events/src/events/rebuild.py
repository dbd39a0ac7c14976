"""Fills a new read-model schema from the log, beside the live one, and switches to it when it has caught up."""

import asyncio
import contextlib
import gc
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Iterator, Mapping
from typing import Any, NamedTuple

import asyncpg

from events import schema, timers
from events.definition import Service
from events.log import Commit, Log
from events.projection import LOG, TELEMETRY, Batches, Fenced
from events.runner import Source
from events.schema import Db
from events.timers import CRON
from events.vault import Vault

TOGETHER_SECONDS = 0.1
LOOK_SECONDS = 1.0
GATHERED = 4_000
"""Commits of one transaction: the more of them, the fewer questions there are to wait for."""
TIDIED = (50_000, 50, 50)
"""Thresholds of Python's garbage collector."""
HOLD_SECONDS = 3
"""How long the live runner is made to wait, at most: it gives a statement up after 5 s."""
HOLDS = 5

Progress = Callable[[str, int, int], None]
"""Told after each batch: the source, how far it is, and how far it goes."""
Reached = Mapping[str, int]
"""Sequence by source."""


DIFFERENCE = "select {columns} from {a}.{table}{where} except select {columns} from {b}.{table} limit 100"
FACTS = {"due": f" where key not like '{CRON}%'"}
"""The rows of a table that the log determines, where not all of them are."""


class Differing(NamedTuple):
    """Rows of one table; 100 at most of each."""

    only_live: list[dict[str, Any]]
    only_log: list[dict[str, Any]]
    """What the log says instead."""

    def still(self, later: "Differing | None") -> "Differing":
        """What differs in the same way *later*."""
        if later is None:
            return Differing([], [])
        return Differing(
            [row for row in self.only_live if row in later.only_live],
            [row for row in self.only_log if row in later.only_log],
        )


class Overtaken(Exception):
    """The live read models could not be held for long enough to bring others to where they stand."""


class Rebuild:
    """One rebuild of one service's read models, with the service's own rights."""

    def __init__(self, service: Service, dsn: str, events_log: Log, heartbeats: Source | None, vault: Vault) -> None:
        self._service = service
        self._dsn = dsn
        self._log = events_log
        self._heartbeats = heartbeats
        self._batches = Batches(service.projections, vault, events_log.epoch, service.erasing, telling=False)
        self.first_name = schema.named(service.name, service.fingerprint, events_log.epoch)
        """Of the schema that the service's code fills from the log as it is now."""

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
            await schema.create(owner, self._service.name, name, schema.parts(self._service.sql).tables)
            return True

    def new_name(self) -> str:
        return f"{self.first_name}_{secrets.token_hex(3)}"

    async def fill(self, name: str, progress: Progress | None = None, upto: Reached | None = None) -> Reached:
        """Bring schema *name* up to the log's present end, or just to *upto*; return how far it is then.

        Without *upto* the end is looked up again until nothing was added meanwhile, so that a live schema is then
        a batch ahead at most. Raise `Fenced` when a live runner has taken the schema over.
        """
        async with self._writer(name) as db:
            with _seldom_tidied():
                return await self._fill(db, progress, upto)

    async def _fill(self, db: Any, progress: Progress | None, upto: Reached | None) -> Reached:
        at = dict(await self._batches.start(db))
        for source, stream in ((LOG, self._log), (TELEMETRY, self._heartbeats)):
            if stream is None:
                continue
            while (end := await _end(stream, upto[source] if upto else None)) > at[source]:
                async with contextlib.aclosing(_ahead(_gathered(stream, at[source], end))) as coming:
                    async for commits in coming:
                        wanted = [commit for commit in commits if upto is None or commit.sequence <= end]
                        if wanted:
                            at[source] = (await self._batches.apply(db, source, at[source], wanted)).end
                            if progress is not None:
                                progress(source, at[source], max(end, at[source]))
                        if commits[-1].sequence >= end:
                            break
                if upto is not None:
                    break
        return at

    async def finish(self, name: str) -> Reached:
        """Make what is in schema *name* ready for queries, count it, so that the first ones are planned for it, and
        catch up once more.

        The server counts by itself as well, but minutes later.
        """
        await self.complete(name)
        async with self._owner() as owner:
            for table, _ in await schema.tables(owner, name):
                await owner.execute(f"analyze {schema.checked(name)}.{table}")
        return await self.fill(name)

    async def complete(self, name: str) -> None:
        """Make what only queries need. It costs less in one go, when the tables are filled, than row by row."""
        if rest := schema.parts(self._service.sql).rest:
            async with self._owner() as owner, owner.transaction():
                await schema.complete(owner, name, rest)

    async def switch(self, name: str) -> str | None:
        """Point queries and runners at *name*; return the schema that was current."""
        async with self._owner() as owner, owner.transaction():
            old = await schema.current(owner, self._service.name)
            if old is not None and old != name and await schema.exists(owner, old):
                await timers.hand_over(owner, old, name)
            await schema.point(owner, self._service.name, name)
            return old

    async def current(self) -> str | None:
        async with self._owner() as owner:
            return await schema.current(owner, self._service.name)

    async def drop(self, name: str) -> None:
        async with self._owner() as owner:
            await schema.drop(owner, name)

    async def drop_stale(self, keep: Collection[str]) -> list[str]:
        """Drop every read-model schema of the service but those in *keep*; return what went."""
        async with self._owner() as owner:
            stale = [name for name in await schema.schemas(owner, self._service.name) if name not in keep]
            for name in stale:
                await schema.drop(owner, name)
            return stale

    async def reached(self, name: str) -> Reached:
        """How far schema *name* is."""
        async with self._owner() as owner:
            rows = await owner.fetch(f"select source, sequence from {schema.checked(name)}.checkpoint")
            return {row["source"]: row["sequence"] for row in rows}

    async def differences(self, live: str, scratch: str) -> Mapping[str, Differing]:
        """Bring *scratch* to where *live* is and return, by table, the rows that only one of them has.

        They are compared in one snapshot that shows both at one position. A value of the compacted stream that was
        replaced since may show as a difference; it is gone when one looks again. Raise `Overtaken` if there is no such
        snapshot to be had.
        """
        for _ in range(HOLDS):
            await self.fill(scratch, upto=await self.reached(live))  # little is left to do then while the runner waits
            async with self._owner() as owner, owner.transaction(isolation="repeatable_read", readonly=True):
                if await self._side_by_side(live, scratch, owner):
                    return await _compared(owner, live, scratch, self._service.passing)
        raise Overtaken(
            f"{scratch} could not be brought to where {live} stands: {HOLDS} times {HOLD_SECONDS} s were too short;"
            " try again when the service has less to do"
        )

    async def _side_by_side(self, live: str, scratch: str, owner: Db) -> bool:
        """Let *owner* see both schemas at one position, unless the live runner would have to wait too long for it."""
        with contextlib.suppress(TimeoutError, asyncpg.IdleInTransactionSessionTimeoutError):
            async with asyncio.timeout(HOLD_SECONDS), self._owner() as holding, holding.transaction():
                # Should this process be stopped in between, the server lets go.
                await holding.execute(f"set local idle_in_transaction_session_timeout = '{HOLD_SECONDS}s'")
                rows = await holding.fetch(f"select source, sequence from {schema.checked(live)}.checkpoint for share")
                await self.fill(scratch, upto={row["source"]: row["sequence"] for row in rows})
                await owner.fetch(f"select source from {schema.checked(scratch)}.checkpoint")
            return True
        return False

    async def ensure(self) -> str:
        """The schema that fits this code and log: the current one, or one built now, before which the service is not
        ready.

        An older schema is left to the replicas that still run the older code.
        """
        await self.prepare()
        name = self.first_name
        while True:
            current = await self.current()
            if current is not None and schema.filled_by(current) == name:
                return current
            await self.create(name)
            try:
                if any((await self.fill(name)).values()):
                    await self.finish(name)
                else:
                    await self.complete(name)
            except Fenced:
                # Another replica fills it, too, or uses it by now: look again, and go on from where it is.
                await asyncio.sleep(TOGETHER_SECONDS)
            else:
                await self.switch(name)
                return name

    def _owner(self) -> "_Connection":
        return _Connection(self._dsn, f"{self._service.name}_owner", "pg_catalog", durable=True)

    def _writer(self, name: str) -> "_Connection":
        return _Connection(self._dsn, f"{self._service.name}_writer", name, durable=False)


async def _compared(owner: Db, live: str, scratch: str, passing: Collection[str]) -> Mapping[str, Differing]:
    """By table; those of *passing* may hold what the streams no longer do."""
    found = {}
    for table, columns in await schema.tables(owner, scratch):
        if table in passing:
            continue
        what = {"columns": columns, "table": table, "where": FACTS.get(table, "")}
        only_live = await owner.fetch(DIFFERENCE.format(a=live, b=scratch, **what))
        only_log = await owner.fetch(DIFFERENCE.format(a=scratch, b=live, **what))
        if only_live or only_log:
            found[table] = Differing([dict(row) for row in only_live], [dict(row) for row in only_log])
    return found


@contextlib.contextmanager
def _seldom_tidied() -> Iterator[None]:
    """Batches are thousands of objects that go together with them: to look for cycles among them takes a quarter of a
    rebuild.
    """
    before = gc.get_threshold()
    gc.set_threshold(*TIDIED)
    try:
        yield
    finally:
        gc.set_threshold(*before)


async def _ahead(batches: AsyncGenerator[list[Commit], None]) -> AsyncGenerator[list[Commit], None]:
    """Have the next batch read while the database is busy with this one."""
    coming = asyncio.ensure_future(anext(batches, None))
    try:
        while (commits := await coming) is not None:
            coming = asyncio.ensure_future(anext(batches, None))
            yield commits
    finally:
        coming.cancel()
        await asyncio.wait((coming,))
        await batches.aclose()


async def _gathered(stream: Source, after: int, end: int) -> AsyncGenerator[list[Commit], None]:
    """What follows *after*, in larger batches than it comes in, for as long as there is more up to *end*."""
    gathered: list[Commit] = []
    async for commits in _still_there(stream, after):
        gathered += commits
        if len(gathered) >= GATHERED or commits[-1].sequence >= end:
            yield gathered
            gathered = []
    if gathered:
        yield gathered


async def _still_there(stream: Source, after: int) -> AsyncIterator[list[Commit]]:
    """What follows *after*, until nothing of it is left to come: telemetry may expire while it is being read."""
    following = stream.tail(after)
    while True:
        coming = asyncio.ensure_future(anext(following))
        try:
            while not (await asyncio.wait((coming,), timeout=LOOK_SECONDS))[0]:
                if await stream.head() <= after:
                    return
            commits = coming.result()
        finally:
            if not coming.done():
                coming.cancel()
                await asyncio.wait((coming,))
        after = commits[-1].sequence
        yield commits


async def _end(stream: Source, upto: int | None) -> int:
    """Where to stop: at *upto* or at the stream's end, which may lie before it when the last commits were erased."""
    head = await stream.head()
    return head if upto is None else min(head, upto)


class _Connection:
    """One connection under a role, closed afterwards. Rows may be lost in a crash, a schema or the pointer may not."""

    def __init__(self, dsn: str, role: str, search_path: str, *, durable: bool) -> None:
        self._dsn = dsn
        self._settings = {
            "role": role,
            "search_path": search_path,
            "synchronous_commit": "on" if durable else "off",
            "jit": "off",
            "plan_cache_mode": "force_custom_plan",
            # A batch concerns few of many rows, though the server knows nothing of them before they are counted.
            "enable_seqscan": "off",
        }
        self._db: asyncpg.Connection[Any] | None = None

    async def __aenter__(self) -> "asyncpg.Connection[Any]":
        self._db = await asyncpg.connect(self._dsn, server_settings=self._settings, timeout=10)
        return self._db

    async def __aexit__(self, *exc: object) -> None:
        assert self._db is not None
        await self._db.close()
