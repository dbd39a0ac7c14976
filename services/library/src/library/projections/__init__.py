"""Read models of people's libraries."""

from collections.abc import Sequence

from events.projection import Projection
from library.projections import titles

PROJECTIONS: Sequence[Projection] = (*titles.PROJECTIONS,)
