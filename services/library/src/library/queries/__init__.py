"""What people can ask about their libraries."""

from collections.abc import Mapping

from events.definition import Answering
from events.messages import Query
from library.queries import (
    addons,
    asof,
    erasures,
    export,
    history,
    imports,
    items,
    lists,
    profile,
    statistics,
    titles,
    why,
)
from library.rules import Rules


def queries(rules: Rules) -> Mapping[type[Query], Answering]:
    """All of them, under what an installation has set."""
    return {
        **titles.queries(rules),
        **items.QUERIES,
        **history.queries(rules),
        **why.queries(rules),
        **asof.QUERIES,
        **statistics.QUERIES,
        **lists.QUERIES,
        **addons.QUERIES,
        **profile.QUERIES,
        **imports.QUERIES,
        **erasures.QUERIES,
        **export.QUERIES,
    }


QUERIES = queries(Rules())
"""Under the usual rules."""
