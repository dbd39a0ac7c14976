"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

Data = Annotated[Path, typer.Option(envvar="MATINEE_DATA", help="The folder that holds data, secrets and logs.")]
