"""What an installation may set about its libraries, as far as deciders need it."""

from datetime import timedelta

from msgspec import Struct

from events.contracts.library import COMPLETED_AT, LATE, WATCHED_AT


class Rules(Struct, frozen=True, kw_only=True):
    """Thresholds, and the key of the digests that tell two secrets apart without showing them."""

    completed_at: float = COMPLETED_AT
    """Share of the duration from which on a position counts as the end."""
    watched_at: float = WATCHED_AT
    """Share of the duration that has to be really played to count as watched by Stremio's measure."""
    late: timedelta = LATE
    """How old something may be that a device tells of."""
    pepper: bytes = b""
    """Key of digests of addon URLs, manifests and claims."""
