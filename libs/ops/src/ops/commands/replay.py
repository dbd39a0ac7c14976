"""`matinee replay`: build a service's read models anew from its log, beside the live ones, and switch to them."""

import asyncio
import time
from pathlib import Path
from typing import Annotated

import msgspec
import typer
import uvloop
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from events.bus import Msg
from events.messages import Notice
from events.projection import LOG, Fenced
from events.service import Stores, stores
from ops.commands.options import Data
from ops.services import definition, settings_of

HANDOVER_SECONDS = 5.0
"""After the switch the new schema is kept current until the service's own runner takes it over, at most so long."""
LOOK_AGAIN_SECONDS = 0.02

ServiceName = Annotated[str, typer.Option("--service", help="Which service: parties, library, …")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one line of JSON instead of words.")]


def replay(service: ServiceName, data: Data = Path(".matinee"), as_json: AsJson = False) -> None:
    """Rebuild a service's read models from the log and switch to them; queries go on meanwhile."""
    uvloop.run(_replay(service, data, as_json))


async def _replay(name: str, data: Path, as_json: bool) -> None:
    started = time.perf_counter()
    async with stores(definition(name), settings_of(name, data)) as opened:
        rebuild = opened.rebuild
        await rebuild.prepare()
        schema = rebuild.new_name()
        await rebuild.create(schema)
        try:
            with bars(quiet=as_json) as bar:
                await rebuild.fill(schema, bar.show)
            reached = await rebuild.finish(schema)
        except BaseException:
            await rebuild.drop(schema)
            raise
        seconds = time.perf_counter() - started
        old = await rebuild.switch(schema)
        await _hand_over(opened, name, schema)
        await rebuild.drop_stale({schema, old or schema})
    rate = reached[LOG] / seconds if seconds else 0.0
    if as_json:
        said = {"service": name, "schema": schema, "commits": reached[LOG], "seconds": seconds, "commits_per_s": rate}
        print(msgspec.json.encode(said).decode())
    else:
        print(f"{name}: {reached[LOG]:,} commits in {seconds:.1f} s ({rate:,.0f}/s); queries now read {schema}")


async def _hand_over(opened: Stores, service: str, schema: str) -> None:
    taken_over = asyncio.Event()

    async def on_notice(msg: Msg) -> None:
        if msgspec.json.decode(msg.data, type=Notice).schema == schema:
            taken_over.set()

    await opened.bus.subscribe(f"changed.{service}", on_notice)
    deadline = time.monotonic() + HANDOVER_SECONDS
    try:
        while time.monotonic() < deadline and not taken_over.is_set():
            await opened.rebuild.fill(schema)
            await asyncio.sleep(LOOK_AGAIN_SECONDS)
    except Fenced:
        pass  # the live runner is on it


class bars:  # noqa: N801  # reads as what it shows: `with bars() as bar`
    """Progress bars, one per source, on the terminal; nothing when *quiet*."""

    def __init__(self, quiet: bool) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._progress = Progress(*columns, console=Console(stderr=True), disable=quiet)
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> "bars":
        self._progress.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._progress.stop()

    def show(self, source: str, done: int, total: int) -> None:
        if source not in self._tasks:
            self._tasks[source] = self._progress.add_task(source)
        self._progress.update(self._tasks[source], completed=done, total=total)
