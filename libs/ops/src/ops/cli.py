"""The `matinee` command: its table of contents."""

import sys

import typer

from events.telemetry import configure_logs
from ops.commands.demo import demo
from ops.commands.erase import erase, erasures, scrub
from ops.commands.provision import provision
from ops.commands.replay import replay
from ops.commands.status import status
from ops.commands.token import token
from ops.commands.up import up
from ops.commands.verify import verify
from ops.problem import Problem

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
app.command()(up)
app.command()(status)
app.command()(provision)
app.command()(demo)
app.command()(replay)
app.command()(verify)
app.command()(erase)
app.command()(erasures)
app.command()(scrub)
app.command()(token)


def main() -> None:
    configure_logs("matinee", "console", "warning")
    try:
        app()
    except Problem as problem:
        print(f"matinee: {problem}", file=sys.stderr)
        sys.exit(1)
