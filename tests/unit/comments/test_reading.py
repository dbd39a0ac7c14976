from datetime import UTC, datetime, timedelta, timezone

import pytest
from tests.unit.comments.examples import ANA, T, later, seeing

from comments import reading
from events.contracts.comments import MarkNotified, MarkRead, ReadMarked, thread_key
from events.messages import Context
from events.testing import NOW, spec

reader = spec(reading.decider())
there = seeing()
EARLIER = NOW - timedelta(hours=1)


def marked(upto: datetime, about: str = T) -> ReadMarked:
    return ReadMarked(uid=ANA, about=about, upto=upto, at=NOW)


def test_what_there_is_now_has_been_read() -> None:
    reader.when(MarkRead(thread_id=T), by=ANA, **there).then(marked(NOW))
    reader.when(MarkNotified(), by=ANA).then(marked(NOW, "notifications"))


def test_so_has_what_there_was_then() -> None:
    reader.when(MarkRead(thread_id=T, upto=EARLIER), by=ANA, **there).then(marked(EARLIER))
    elsewhere = EARLIER.astimezone(timezone(timedelta(hours=-9)))
    reader.when(MarkNotified(upto=elsewhere), by=ANA).then(marked(EARLIER, "notifications"))


def test_what_is_still_to_be_said_has_not() -> None:
    reader.when(MarkRead(thread_id=T, upto=later(1)), by=ANA, **there).then(marked(NOW))
    late = datetime(9998, 12, 31, tzinfo=UTC)
    reader.when(MarkRead(thread_id=T, upto=late), by=ANA, **there).then(marked(NOW))


def test_nothing_is_kept_of_threads_that_have_not_begun() -> None:
    reader.when(MarkRead(thread_id=T), by=ANA).then()
    assert MarkRead(thread_id=T).looks_at(Context(actor=ANA, now=NOW)) == (thread_key(T),)


@pytest.mark.parametrize(
    "upto",
    [
        datetime(2026, 1, 2),  # noqa: DTZ001  # a client forgets the offset
        datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14))),
        datetime(9999, 12, 31, 23, tzinfo=timezone(timedelta(hours=-14))),
    ],
)
def test_a_time_says_where_it_is_and_can_be_reckoned_with(upto: datetime) -> None:
    reader.when(MarkRead(thread_id=T, upto=upto), by=ANA).then_rejected("invalid-argument", field="upto")


def test_it_is_of_somebody() -> None:
    reader.when(MarkRead(thread_id=T)).then_rejected("not-signed-in")
    reader.when(MarkNotified()).then_rejected("not-signed-in")


def test_a_mark_does_not_go_back() -> None:
    assert ReadMarked.telemetry
    assert marked(EARLIER).older_than(marked(NOW))
    assert not marked(NOW).older_than(marked(EARLIER))


def test_marks_of_several_threads_stay_apart() -> None:
    assert marked(NOW).slot() != marked(NOW, "notifications").slot()
