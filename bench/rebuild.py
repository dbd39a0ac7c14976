"""How fast read models are built anew from the log, from a short one and from a long one."""

import asyncio
import contextlib
import itertools
import secrets
import sys
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import asyncpg
import msgspec

from bench import history
from bench.figures import Spread, spread
from bench.history import Party
from bench.options import Options
from bench.processes import ROOT, PeerFailed
from bench.profiled import outcome, sampled
from bench.report import Report, Row, at_least, below
from bench.system import Matinee, matinee, samples_in
from events.log import Write
from events.messages import Context
from events.projection import LOG, Batches
from events.service import Stores, stores
from ops.services import definition, settings_of

SERVICE = "parties"
ACTIVE = 250
"""Parties that are going on at the same time."""
SETTLE_SECONDS = 60.0

COPY = "copy"
Statement = tuple[str, tuple[Any, ...]]
"""With its arguments; of a copy, the table, the rows and its columns."""


class Replayed(msgspec.Struct):
    """What `matinee replay --json` says."""

    seconds: float
    commits: int


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
            await _fill(opened, 0, few)
            await _projected(opened)
            small = [few * history.EVENTS / await _replay(system) for _ in range(rounds[0])]
            await _fill(opened, few, many - few)
            await _projected(opened)
            batches = await _recorded(opened, settings.database_url)
            large, rows = [], []
            for _ in range(rounds[1]):
                large.append(many * history.EVENTS / await _replay(system))
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


async def _fill(opened: Stores, first: int, count: int) -> None:
    """Append the past of so many parties, a crowd of them at a time, each step of all of them as one batch."""
    past = history.parties(first, count)
    while crowd := list(itertools.islice(past, ACTIVE)):
        await _live_through(opened, crowd)


async def _live_through(opened: Stores, crowd: Sequence[Party]) -> None:
    at = {party.key: (0, 0) for party in crowd}
    """Sequence and version of each."""
    for step in itertools.count():
        going_on = [party for party in crowd if step < len(party.commits)]
        if not going_on:
            return
        writes = [Write(party.key, *at[party.key], await opened.vault.seal(party.commits[step])) for party in going_on]
        context = Context(actor="bench", now=datetime.now(UTC), command_id=secrets.token_hex(16))
        sequences = await opened.log.append(writes, context)
        for write, sequence in zip(writes, sequences, strict=True):
            at[write.key] = sequence, write.version + len(write.events)


async def _projected(opened: Stores) -> None:
    """Wait until the running service has taken everything in, so that it does not work beside what is measured."""
    head = await opened.log.head()
    async with asyncio.timeout(SETTLE_SECONDS):
        while True:
            live = await opened.rebuild.current()
            if live is not None and (await opened.rebuild.reached(live))[LOG] >= head:
                return
            await asyncio.sleep(0.1)


async def _replay(system: Matinee) -> float:
    """Seconds that the command itself says it took."""
    words = ("replay", "--service", SERVICE, "--json", "--data", str(system.folder))
    command: tuple[str, ...] = (sys.executable, "-m", "ops", *words)
    if system.profiling:
        command = sampled("always", outcome(system.folder, "replay"), "ops", *words)
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, cwd=ROOT
    )
    said, complaints = await process.communicate()
    if process.returncode != 0:
        raise PeerFailed(f"matinee replay failed: {complaints.decode(errors='replace')[-2_000:]}")
    return msgspec.json.decode(said.splitlines()[-1], type=Replayed).seconds


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
