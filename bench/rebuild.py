"""How fast read models are built anew from the log, from a short one and from a long one."""

import contextlib
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any

import asyncpg

from bench import history, logs
from bench.figures import Spread, spread
from bench.options import Options
from bench.profiled import outcome
from bench.report import Report, Row, at_least, below
from bench.system import matinee, samples_in
from events.projection import LOG, Batches
from events.service import Stores, stores
from ops.services import definition, settings_of

SERVICE = "parties"
COPY = "copy"
Statement = tuple[str, tuple[Any, ...]]
"""With its arguments; of a copy, the table, the rows and its columns."""


class Recorder:
    """A connection that also writes down what changes rows."""

    def __init__(self, db: "asyncpg.Connection[Any]") -> None:
        self._db = db
        self.statements: list[Statement] = []

    def transaction(self) -> Any:
        return self._db.transaction()

    async def copy_records_to_table(
        self, table_name: str, *, records: Iterable[Sequence[Any]], columns: Sequence[str]
    ) -> str:
        rows = list(records)
        self.statements.append((COPY, (table_name, rows, columns)))
        return await self._db.copy_records_to_table(table_name, records=rows, columns=columns)

    async def execute(self, query: str, *arguments: Any) -> str:
        self._write_down(query, arguments)
        return await self._db.execute(query, *arguments)

    async def fetch(self, query: str, *arguments: Any) -> list[Any]:
        self._write_down(query, arguments)
        return await self._db.fetch(query, *arguments)

    async def fetchrow(self, query: str, *arguments: Any) -> Any:
        return await self._db.fetchrow(query, *arguments)

    async def fetchval(self, query: str, *arguments: Any) -> Any:
        return await self._db.fetchval(query, *arguments)

    def _write_down(self, query: str, arguments: tuple[Any, ...]) -> None:
        if arguments and not query.lstrip().startswith("select") and "checkpoint" not in query:
            self.statements.append((query, arguments))


async def run(options: Options) -> Report:
    few, many = options.size(200, 2), options.size(2_000, 5)
    rounds = options.size((5, 3), (1, 1))
    report = Report(
        "rebuild",
        f"`matinee replay` of {few * history.EVENTS:,} and of {many * history.EVENTS:,} events in {many:,} parties, "
        f"{rounds[0]} and {rounds[1]} times, the latter in turn with the same rows written by `unnest` alone",
    )
    with matinee(profiling=options.profile) as system:
        settings = settings_of(SERVICE, system.folder)
        async with stores(definition(SERVICE), settings) as opened:
            await logs.fill(opened, 0, few)
            await logs.projected(opened)
            small = [few * history.EVENTS / await logs.replay(system, SERVICE) for _ in range(rounds[0])]
            await logs.fill(opened, few, many - few)
            await logs.projected(opened)
            batches = await _recorded(opened, settings.database_url)
            large, rows = [], []
            for _ in range(rounds[1]):
                large.append(many * history.EVENTS / await logs.replay(system, SERVICE))
                rows.append(many * history.EVENTS / await _upserted(opened, settings.database_url, batches))
        if options.profile:
            report.profiles = {"replay": samples_in(outcome(system.folder, "replay"))}
    report.figure("events_per_s", spread(large), at_least(20_000))
    report.figure("events_per_s_small", spread(small), at_least(20_000))
    apart = abs(spread(large).median / spread(small).median - 1) * 100
    report.rows.append(_apart(apart))
    report.besides("upsert events per s", spread(rows))
    report.ratio("upsert", spread(ours / theirs for ours, theirs in zip(large, rows, strict=True)))
    return report


async def _recorded(opened: Stores, url: str) -> list[list[Statement]]:
    """Every statement with which projections write rows, batch by batch, as a rebuild cuts them."""
    service = definition(SERVICE)
    batches = Batches(service.projections, opened.vault, opened.log.epoch)
    found: list[list[Statement]] = []
    head = await opened.log.head()
    async with _scratch(opened, url) as db:
        after = (await batches.start(db))[LOG]
        async for commits in opened.log.tail(after):
            recorder = Recorder(db)
            await batches.apply(recorder, LOG, after, commits)  # type: ignore[arg-type]  # as much of one as it uses
            found.append(recorder.statements)
            after = commits[-1].sequence
            if after >= head:
                return found
    return found


async def _upserted(opened: Stores, url: str, batches: Sequence[Sequence[Statement]]) -> float:
    """Seconds to write the same rows with the same statements, a transaction per batch, and nothing else."""
    async with _scratch(opened, url) as db:
        begun = time.perf_counter()
        for batch in batches:
            async with db.transaction():
                for query, arguments in batch:
                    if query == COPY:
                        table, rows, columns = arguments
                        await db.copy_records_to_table(table, records=rows, columns=columns)
                    else:
                        await db.execute(query, *arguments)
        return time.perf_counter() - begun


@contextlib.asynccontextmanager
async def _scratch(opened: Stores, url: str) -> AsyncIterator["asyncpg.Connection[Any]"]:
    """A connection to empty read models of the service, dropped afterwards."""
    name = opened.rebuild.new_name()
    await opened.rebuild.create(name)
    # As a rebuild connects.
    settings = {
        "role": f"{SERVICE}_writer",
        "search_path": name,
        "synchronous_commit": "off",
        "plan_cache_mode": "force_custom_plan",
        "jit": "off",
    }
    db = await asyncpg.connect(url, server_settings=settings)
    try:
        yield db
    finally:
        await db.close()
        await opened.rebuild.drop(name)


def _apart(percent: float) -> Row:
    return Row("the two apart, %", Spread(percent, percent, percent), below(20))
