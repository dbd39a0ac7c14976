"""`matinee verify`: does every row of the read models follow from the log?"""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import msgspec
import typer
import uvloop

from events.projection import LOG
from events.rebuild import Differing, Overtaken, Reached, Rebuild
from events.service import stores
from ops.commands.options import Data
from ops.commands.replay import AsJson, bars
from ops.house import SERVICES
from ops.problem import Problem
from ops.services import definition, settings_of

PASSES = 3
"""How often rows that differ are looked at again before they are reported."""
PASS_SECONDS = 0.5
SHOWN = 10

Which = Annotated[str | None, typer.Option("--service", help="One service; all of them if not given.")]


def verify(service: Which = None, data: Data = Path(".matinee"), as_json: AsJson = False) -> None:
    """Rebuild read models in a scratch schema and report each row that differs; ends with status 1 if any does."""
    names = [service] if service else [each.name for each in SERVICES]
    found = {name: uvloop.run(_verify(name, data, as_json)) for name in names}
    if as_json:
        print(msgspec.json.encode(found, enc_hook=str).decode())
    if any(found.values()):
        raise typer.Exit(1)


async def _verify(name: str, data: Path, as_json: bool) -> Mapping[str, Differing]:
    async with stores(definition(name), settings_of(name, data)) as opened:
        live = await opened.rebuild.current()
        if live is None:
            print(f"{name}: no read models yet")
            return {}
        scratch = opened.rebuild.new_name()
        await opened.rebuild.create(scratch)
        try:
            with bars(quiet=as_json) as bar:
                await opened.rebuild.fill(scratch, bar.show, await opened.rebuild.reached(live))
            differing = await _compare(opened.rebuild, live, scratch)
            at = await opened.rebuild.reached(scratch)
        except Overtaken as problem:
            raise Problem(f"{name}: {problem}") from problem
        finally:
            await opened.rebuild.drop(scratch)
    if not as_json:
        _tell(name, at, differing)
    return differing


async def _compare(rebuild: Rebuild, live: str, scratch: str) -> Mapping[str, Differing]:
    """What differs each time one looks; a difference that goes away or changes was only the load."""
    suspects = await rebuild.differences(live, scratch)
    for _ in range(PASSES):
        if not suspects:
            break
        await asyncio.sleep(PASS_SECONDS)
        found = await rebuild.differences(live, scratch)
        still = {table: rows.still(found.get(table)) for table, rows in suspects.items()}
        suspects = {table: rows for table, rows in still.items() if any(rows)}
    return suspects


def _tell(name: str, at: Reached, differing: Mapping[str, Differing]) -> None:
    if not differing:
        print(f"{name}: every row follows from the log, up to commit {at[LOG]:,}")
        return
    print(
        f"{name}: read models differ from the log at commit {at[LOG]:,}; `matinee replay --service {name}` mends them"
    )
    for table, rows in differing.items():
        for sign, which in (("-", rows.only_live), ("+", rows.only_log)):
            for row in which[:SHOWN]:
                print(f"  {sign} {table} {msgspec.json.encode(row, enc_hook=str).decode()}")
            if len(which) > SHOWN:
                print(f"  {sign} {table} … and {len(which) - SHOWN} more")
