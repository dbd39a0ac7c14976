"""How long the projection lets commits gather."""

import pytest

from events.runner import BACKLOG, CROWD, LONGEST_GATHERING, gathering


@pytest.mark.parametrize(
    ("commits", "took", "pause"),
    [
        (CROWD - 1, 0.01, 0.0),
        (CROWD, 0.01, 0.01),
        (BACKLOG - 1, 1.0, LONGEST_GATHERING),
        (BACKLOG, 0.01, 0.0),
        (1000, 0.01, 0.0),
    ],
)
def test_a_crowd_gathers_and_a_backlog_does_not_wait(commits: int, took: float, pause: float) -> None:
    assert gathering(commits, took) == pause
