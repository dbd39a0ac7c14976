"""How long what is said in rooms can be read."""

from datetime import datetime, timedelta

from msgspec import Struct

FOR_EVER = 36_500.0


class Retention(Struct, frozen=True, kw_only=True):
    """What an installation may set about it."""

    lines: int = 1_000
    """The newest of a room; read models keep 5,000."""
    days: float = 30.0
    """0 for no limit."""

    def since(self, now: datetime) -> datetime:
        return now - timedelta(days=self.days or FOR_EVER)
