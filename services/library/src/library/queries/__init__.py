"""What people can ask about their libraries."""

from collections.abc import Mapping

from events.definition import Answering
from events.messages import Query
from library.queries import addons, erasures, profile, titles

QUERIES: Mapping[type[Query], Answering] = {**titles.QUERIES, **addons.QUERIES, **profile.QUERIES, **erasures.QUERIES}
