"""The one clock: server time disciplined to a reference that all gateways share, never stepping backwards."""

from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

KEPT = 8
SLEW = 0.1
"""While ahead of the reference, run this much slower: 100 ms too far ahead are gone after a second."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Sample(NamedTuple):
    """One comparison with the reference."""

    delay: float
    """Round trip; the shorter, the better the sample."""
    offset: float
    """Reference time minus local monotonic time."""


class Clock:
    """Server time. Without a reference it is this machine's, as it was when the process began."""

    __slots__ = ("_at", "_monotonic", "_offset", "_samples", "_target")

    def __init__(self, monotonic: Callable[[], float], wall: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._at = monotonic()
        self._offset = self._target = wall() - self._at
        self._samples: deque[Sample] = deque(maxlen=KEPT)

    def now(self) -> float:
        """Unix seconds. Later calls never give less."""
        local = self._monotonic()
        if self._offset != self._target:
            slowest = self._offset - (local - self._at) * SLEW
            self._offset = max(self._target, slowest)
        self._at = local
        return local + self._offset

    def now_utc(self) -> datetime:
        return utc(self.now())

    def millis(self) -> float:
        return round(self.now() * 1000, 3)

    def local(self) -> float:
        """What `learn` wants for its local times."""
        return self._monotonic()

    def learn(self, sent: float, reference: float, received: float) -> None:
        """The reference stamped *reference* between the local times *sent* and *received*."""
        self._samples.append(Sample(received - sent, reference - (sent + received) / 2))
        self._target = min(self._samples).offset

    def forget(self) -> None:
        """The reference may be another one now: older samples say nothing about it."""
        self._samples.clear()

    @property
    def uncertainty(self) -> float | None:
        """Half of the best round trip, in seconds; None without a reference."""
        return min(self._samples).delay / 2 if self._samples else None


def utc(seconds: float) -> datetime:
    return _EPOCH + timedelta(seconds=seconds)
