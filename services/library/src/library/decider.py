"""The rules of a library, kind of aggregate by kind."""

from collections.abc import Mapping
from typing import Any

from events.decider import Decider, Pact
from events.messages import Command
from library import addons, erasing, imports, lists, profile, shelf, title
from library.rules import Rules


def deciders(rules: Rules = Rules()) -> Mapping[str, Decider[Any, Any, Any]]:
    """The rule books under what an installation has set."""
    return {
        "addons": addons.decider(rules),
        "profile": profile.decider(rules),
        "title": title.decider(rules),
        "shelf": shelf.decider,
        "list": lists.decider,
        "import": imports.decider,
        "erased": erasing.decider,
    }


PACTS: Mapping[type[Command], Pact[Any, Any, Any]] = {**lists.PACTS, **imports.PACTS}
"""Commands that decide over several aggregates."""
