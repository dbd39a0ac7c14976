from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from tests.ledger import Audit

from events.timers import Cron, Due

moments = st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001  # made aware
spans = st.integers(1, 7 * 24 * 3600).map(lambda seconds: timedelta(seconds=seconds))


def every(span: timedelta) -> Cron:
    return Cron("audit", span, lambda slot: Audit(hour=slot.isoformat()))


@given(moments, spans)
def test_the_next_slot_is_ahead_but_no_more_than_one_away(moment: datetime, span: timedelta) -> None:
    assert moment < every(span).slot_after(moment) <= moment + span


@given(moments, spans, st.floats(0, 1, exclude_max=True))
def test_every_moment_of_a_slot_has_the_same_next_slot(moment: datetime, span: timedelta, part: float) -> None:
    slot = every(span).slot_after(moment)
    assert every(span).slot_after(slot) == slot + span
    assert every(span).slot_after(slot - max(span * part, timedelta(microseconds=1))) == slot


def test_hours_begin_at_full_hours() -> None:
    assert every(timedelta(hours=1)).slot_after(datetime(2026, 1, 2, 20, 15, tzinfo=UTC)).isoformat() == (
        "2026-01-02T21:00:00+00:00"
    )


def test_a_due_timer_has_the_same_command_id_wherever_it_is_sent() -> None:
    at = datetime(2026, 1, 2, tzinfo=UTC)
    timer = Due("thaw:a", at, "account.thaw", "{}")

    assert timer.command_id == Due("thaw:a", at, "account.thaw", "{}").command_id
    assert timer.command_id != Due("thaw:b", at, "account.thaw", "{}").command_id
    assert timer.command_id != Due("thaw:a", at + timedelta(seconds=1), "account.thaw", "{}").command_id
