"""What repeated measurements say: a median between the least and the most, and percentiles of many samples."""

import statistics
from collections.abc import Iterable, Sequence
from typing import NamedTuple


class Spread(NamedTuple):
    """One figure over the rounds of a run."""

    median: float
    least: float
    most: float


def spread(values: Iterable[float]) -> Spread:
    found = list(values)
    return Spread(statistics.median(found), min(found), max(found))


def percentile(samples: Sequence[float], share: float) -> float:
    """The smallest sample that at least *share* of them do not exceed."""
    ordered = sorted(samples)
    return ordered[min(len(ordered) - 1, max(0, -int(-share * len(ordered) // 1) - 1))]


def milliseconds(samples: Sequence[float], share: float) -> float:
    """A percentile of seconds, in ms."""
    return percentile(samples, share) * 1000
