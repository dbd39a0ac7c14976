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

QUERIES: Mapping[type[Query], Answering] = {
    **titles.QUERIES,
    **items.QUERIES,
    **history.QUERIES,
    **why.QUERIES,
    **asof.QUERIES,
    **statistics.QUERIES,
    **lists.QUERIES,
    **addons.QUERIES,
    **profile.QUERIES,
    **imports.QUERIES,
    **erasures.QUERIES,
    **export.QUERIES,
}
