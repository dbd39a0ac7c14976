"""How long what is stored has waited to be applied, told from where both ends were seen to be."""

from collections import deque


class Lag:
    """The ends of one log as they were seen, oldest first, as far as not everything up to them is applied."""

    def __init__(self) -> None:
        self._seen: deque[tuple[int, float]] = deque()

    def stored(self, sequence: int, now: float) -> None:
        """The log went up to *sequence* now."""
        if not self._seen or self._seen[-1][0] < sequence:
            self._seen.append((sequence, now))

    def seconds(self, applied: int, now: float) -> float:
        """Since when the oldest commit behind *applied* was seen to wait; 0 when none was."""
        while self._seen and self._seen[0][0] <= applied:
            self._seen.popleft()
        return now - self._seen[0][1] if self._seen else 0.0
