"""The rules of a library, kind of aggregate by kind."""

from collections.abc import Mapping
from typing import Any

from events.decider import Decider, Pact
from events.messages import Command
from library import imports
from library.rules import Rules
from library.title import sessions


def deciders(rules: Rules = Rules()) -> Mapping[str, Decider[Any, Any, Any]]:
    """The rule books under what an installation has set."""
    return {"title": sessions.decider, "import": imports.decider}


PACTS: Mapping[type[Command], Pact[Any, Any, Any]] = {}
"""Commands that decide over several aggregates."""
