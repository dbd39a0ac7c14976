"""A chain of notices: what goes on, what is known, what was missed, what is another log."""

import pytest

from events.messages import Notice
from gateway.notices import Chain


def notice(start: int, end: int, epoch: str = "e", schema: str = "s", telemetry: tuple[int, int] = (0, 0)) -> Notice:
    return Notice("parties", epoch, schema, (start, telemetry[0]), (end, telemetry[1]), ("party:x",))


def corrected(end: int = 10) -> Notice:
    """Rows changed although the log did not move: a parked key came back."""
    return Notice("parties", "e", "s", (-1, -1), (end, 0), ("party:y",))


def chain(end: int = 10) -> Chain:
    begun = Chain()
    assert begun.take(notice(end - 1, end)) == "broken"
    return begun


@pytest.mark.parametrize(
    ("next_one", "found"),
    [
        (notice(10, 12), "touched"),
        (notice(9, 10), "known"),
        (notice(11, 12), "broken"),
        (notice(8, 9), "broken"),
        (notice(10, 11, schema="other"), "broken"),
        (notice(10, 11, epoch="other"), "restored"),
        (notice(9, 10, epoch="other"), "restored"),
        (notice(10, 10, telemetry=(0, 4)), "touched"),
        (notice(10, 10, telemetry=(2, 4)), "broken"),
    ],
)
def test_the_next_one(next_one: Notice, found: str) -> None:
    assert chain().take(next_one) == found


def test_it_goes_on_from_wherever_it_is() -> None:
    begun = chain()
    assert begun.take(notice(20, 21)) == "broken"
    assert begun.take(notice(20, 21)) == "known"
    assert begun.take(notice(21, 25)) == "touched"


def test_rows_that_changed_at_the_same_position_are_looked_at_once() -> None:
    begun = chain()
    assert begun.take(corrected()) == "broken"
    assert begun.take(corrected()) == "known"
    assert begun.take(notice(10, 11)) == "touched"


def test_after_a_break_anything_may_have_changed() -> None:
    begun = chain()
    begun.break_off()
    assert begun.take(notice(10, 11)) == "broken"
    begun.break_off()
    assert begun.take(notice(11, 12, epoch="other")) == "restored"
