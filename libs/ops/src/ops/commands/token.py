"""`matinee token`: sign in as somebody with roles, where no issuer gives any."""

import base64
import importlib
import re
import time
from pathlib import Path
from typing import Annotated

import typer

from ops.commands.options import Data
from ops.problem import Problem
from ops.running import running_or_elsewhere, setting_of

ROLE = re.compile(r"[a-z][a-z0-9-]{0,31}")
NAME_CHARS = 64
LONGEST_HOURS = 366 * 24

Name = Annotated[str, typer.Argument(help="Who it is for, and how others see them: the same name is the same person.")]
RolesGiven = Annotated[
    list[str] | None, typer.Option("--role", help="What they are: moderator, say. May be given again.")
]
Hours = Annotated[
    float, typer.Option("--hours", min=0.01, max=LONGEST_HOURS, help="How long it lasts. It cannot be taken back.")
]


def token(name: Name, role: RolesGiven = None, hours: Hours = 24.0, data: Data = Path(".matinee")) -> None:
    """Print a token with roles, signed with the installation's own secret; whoever holds it is that person."""
    roles = role or []
    if not 0 < len(name) <= NAME_CHARS or not name.isprintable():
        raise Problem(f"a name is 1 to {NAME_CHARS} characters that can be printed")
    for each in roles:
        if not ROLE.fullmatch(each):
            raise Problem(f"{each!r} is not a role: lower-case letters, digits and dashes")
    secret = base64.b64decode(setting_of(running_or_elsewhere(data), "MATINEE_GUEST_SECRET"))
    sign = importlib.import_module("gateway.auth").operator_token
    print(sign(secret, name, roles, time.time(), hours * 3600))
