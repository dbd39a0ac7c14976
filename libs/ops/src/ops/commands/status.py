"""`matinee status`: what runs over a folder, and whether it is ready."""

from pathlib import Path

import typer
from rich.console import Console
from rich.table import Table

from ops.commands.options import Data
from ops.programs import answers
from ops.running import Process, is_alive, running_over


def status(data: Data = Path(".matinee")) -> None:
    """Show every process with its readiness; ends with status 1 unless all are ready."""
    running = running_over(data.absolute())
    table = Table(box=None, pad_edge=False)
    for heading in ("name", "state", "pid", "log"):
        table.add_column(heading)
    states = [_state(process) for process in running.processes]
    for process, state in zip(running.processes, states, strict=True):
        table.add_row(process.name, state, str(process.pid or "-"), process.log)
    console = Console(soft_wrap=True)
    console.print(table)
    console.print(f"gateway {running.gateway}/  supervisor {running.pid}")
    if "not ready" in states:
        raise typer.Exit(1)


def _state(process: Process) -> str:
    if process.pid is None or not is_alive(process.pid):
        return "not ready"
    if process.ready_url is None:
        return "running"
    return "ready" if answers(process.ready_url) else "not ready"
