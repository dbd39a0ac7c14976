"""Read models of people's libraries."""

from collections.abc import Sequence

from events.projection import Projection
from library.projections import addons, erasures, imports, lists, profile, titles

PROJECTIONS: Sequence[Projection] = (
    *titles.PROJECTIONS,
    *lists.PROJECTIONS,
    *addons.PROJECTIONS,
    *profile.PROJECTIONS,
    *imports.PROJECTIONS,
    *erasures.PROJECTIONS,
)
