"""What people can ask about their libraries."""

from collections.abc import Mapping

from events.definition import Answering
from events.messages import Query
from library.queries import titles

QUERIES: Mapping[type[Query], Answering] = {**titles.QUERIES}
