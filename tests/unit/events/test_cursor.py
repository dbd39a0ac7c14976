from datetime import UTC, datetime
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events import cursor
from events.messages import Rejected


class Place(NamedTuple):
    at: cursor.Instant
    id: str


@given(st.datetimes(min_value=cursor.EPOCH.replace(tzinfo=None), timezones=st.just(UTC)), st.text())
def test_a_cursor_leads_back_to_the_exact_place(at: datetime, text: str) -> None:
    place = cursor.read(cursor.write(Place(cursor.instant(at), text)), Place)

    assert place.id == text
    assert cursor.moment(place.at) == at


@given(st.text() | st.binary().map(lambda raw: raw.hex()))
def test_any_other_text_is_refused_with_a_slug(text: str) -> None:
    with pytest.raises(Rejected, match="bad-cursor"):
        cursor.read(text, Place)


@pytest.mark.parametrize("place", [[-1, "a"], [cursor.LAST + 1, "a"], ["a", 1], [1], {"at": 1, "id": "a"}, None])
def test_a_cursor_of_another_shape_is_refused(place: object) -> None:
    with pytest.raises(Rejected, match="bad-cursor"):
        cursor.read(cursor.write(place), Place)
