from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.contracts.library.words import Order
from events.messages import Context, Rejected
from events.testing import NOW
from library import order
from library.order import DIGITS, FIRST, GONE, LONGEST, TRACES, Place, Stamp, are_apart, between, room, row, spread

own = st.text(DIGITS, min_size=1, max_size=128)
"""What any client may send as an order."""
usual = st.lists(st.tuples(st.integers(0, 10_000), st.booleans()), max_size=30)
"""Where to put something into a row, again and again."""


def is_valid(text: str) -> bool:
    return msgspec.convert(text, Order) == text


class TestBetween:
    @pytest.mark.parametrize(
        ("lower", "upper", "expected"),
        [
            (None, None, "a0"),
            ("a0", None, "a1"),
            (None, "a0", "Zz"),
            ("az", None, "b00"),
            ("bzz", None, "c000"),
            (None, "b00", "az"),
            (None, "Z0", "Yzz"),
            ("Zz", None, "a0"),
            ("a0", "a1", "a0V"),
            ("a0", "a2", "a1"),
            ("a1", "a1V", "a1G"),
            ("a0V", "a1", "a0l"),
            ("az", "b00", "azV"),
            ("Zz", "a0", "ZzV"),
            (None, "a0V", "a0"),
            ("zzzzzzzzzzzzzzzzzzzzzzzzzzz", None, "zzzzzzzzzzzzzzzzzzzzzzzzzzzV"),
        ],
    )
    def test_gives_what_the_usual_libraries_give(self, lower: str | None, upper: str | None, expected: str) -> None:
        assert between(lower, upper) == expected

    @given(st.none() | own, st.none() | own)
    def test_lies_between_whatever_a_client_has_chosen(self, lower: str | None, upper: str | None) -> None:
        if not are_apart(lower, upper):
            return
        found = between(lower, upper)

        assert lower is None or lower < found
        assert upper is None or found < upper
        assert are_apart(lower, found)
        assert are_apart(found, upper)

    def test_a_long_row_that_grows_at_either_end_has_short_orders(self) -> None:
        behind, before = spread("a0", None, 2_500), spread(None, "a0", 2_500)

        assert max(map(len, behind)) <= 4
        assert max(map(len, before)) <= 4
        assert behind == sorted(set(behind))
        assert before == sorted(set(before))

    @given(st.none() | own, st.none() | own, st.integers(0, 40))
    def test_any_number_fits_between(self, lower: str | None, upper: str | None, count: int) -> None:
        if not are_apart(lower, upper):
            return
        found = spread(lower, upper, count)

        assert len(found) == count
        assert found == sorted(set(found))
        assert all((lower is None or lower < each) and (upper is None or each < upper) for each in found)


def put(items: order.Row, index: int, new: list[str]) -> order.Row:
    """The row after something was put into it, as its orders say."""
    found = room(items, index, len(new))
    places = {**dict(items), **found.pushed, **dict(zip(new, found.orders, strict=True))}
    return row({id: Place(0, "", where) for id, where in places.items()})


class TestRoom:
    @pytest.mark.parametrize("neighbours", [("a0", "a0"), ("a", "a0"), ("a0", "a00"), ("0", "00"), ("z" * 128,) * 2])
    def test_is_made_between_neighbours_of_one_order(self, neighbours: tuple[str, str]) -> None:
        before = [("a", neighbours[0]), ("b", neighbours[1])]

        assert [id for id, _ in put(before, 1, ["new"])] == ["a", "new", "b"]
        assert [id for id, _ in put(before, 0, ["new"])] == ["new", "a", "b"]
        assert [id for id, _ in put(before, 2, ["new"])] == ["a", "b", "new"]

    def test_leaves_the_others_where_they_are_if_it_can(self) -> None:
        assert room([("a", "a0"), ("b", "a1")], 1, 2).pushed == {}

    def test_moves_no_more_than_it_must(self) -> None:
        many = [(f"n{place:03}", f"a{place // 36}{DIGITS[place % 36]}1") for place in range(200)]
        tied = [*many[:100], ("n1000", many[99][1]), *many[100:]]

        assert len(room(tied, 100, 1).pushed) == 2

    @given(st.lists(own, max_size=12), st.integers(0, 12), st.integers(1, 5))
    def test_is_found_wherever_it_is_wanted(self, orders: list[str], index: int, count: int) -> None:
        before = row({f"i{n}": Place(0, "", order) for n, order in enumerate(orders)})
        index, new = min(index, len(before)), [f"new{n}" for n in range(count)]

        after = put(before, index, new)

        ids = [id for id, _ in before]
        assert [id for id, _ in after] == ids[:index] + new + ids[index:]
        assert all(is_valid(where) for _, where in after)

    @given(usual)
    def test_orders_stay_short_enough_to_be_sent_back(self, steps: list[tuple[int, bool]]) -> None:
        items: order.Row = []
        for number, (place, _) in enumerate(steps):
            items = put(items, place % (len(items) + 1), [f"n{number}"])

        assert all(len(where) <= LONGEST for _, where in items)

    def test_a_thousand_between_the_same_two_still_fit(self) -> None:
        items: order.Row = [("a", "a0"), ("b", "a1")]
        for number in range(1_000):
            items = put(items, 1, [f"n{number}"])

        assert [id for id, _ in items] == ["a", *(f"n{n}" for n in reversed(range(1_000))), "b"]
        assert max(len(where) for _, where in items) <= LONGEST


class TestRegisters:
    def test_the_latest_word_counts_whichever_comes_first(self) -> None:
        early, late = {"x": Place(1, "b", "a0")}, {"x": Place(2, "a", GONE)}

        assert order.merged(order.merged({}, early), late) == order.merged(order.merged({}, late), early) == late

    def test_at_the_same_moment_the_operation_decides(self) -> None:
        one, other = {"x": Place(1, "a", "a0")}, {"x": Place(1, "b", "a1")}

        assert order.merged(order.merged({}, other), one) == other

    def test_what_was_taken_away_is_no_longer_in_the_row(self) -> None:
        places = {"x": Place(1, "a", "a1"), "y": Place(1, "a", "a1"), "z": Place(1, "a", GONE), "w": Place(1, "", "a0")}

        assert row(places) == [("w", "a0"), ("x", "a1"), ("y", "a1")]

    def test_only_the_newest_traces_are_kept(self) -> None:
        gone = {f"n{n}": Place(n, "", GONE) for n in range(TRACES + 10)}
        kept = order.merged({"here": Place(0, "", "a0")}, gone)

        assert len(kept) == TRACES + 1
        assert {"here", "n10", f"n{TRACES + 9}"} <= kept.keys()
        assert "n9" not in kept

    def test_only_the_newest_operations_are_remembered(self) -> None:
        known: tuple[Stamp, ...] = ()
        for n in range(order.OPERATIONS + 1):
            known = order.remembering(known, Stamp(n, order.digest(f"op{n}")))

        assert len(known) == order.OPERATIONS
        assert order.is_known(known, f"op{order.OPERATIONS}")
        assert not order.is_known(known, "op0")
        assert not order.is_known(known, None)


HERE = [("a", "a0"), ("b", "a1"), ("c", "a2")]


class TestMoving:
    @pytest.mark.parametrize(
        ("id", "after", "expected"),
        [
            ("a", "b", "bac"),
            ("a", "c", "bca"),
            ("b", None, "bac"),
            ("c", "a", "acb"),
            ("a", None, "abc"),
            ("b", "a", "abc"),
            ("a", "a", "abc"),
        ],
    )
    def test_goes_behind_another_one(self, id: str, after: str | None, expected: str) -> None:
        found = order.moved(HERE, id, after, None)
        places = {**dict(HERE), id: found.orders[0], **found.pushed}

        assert "".join(other for other, _ in row({i: Place(0, "", where) for i, where in places.items()})) == expected

    def test_stays_where_it_is_already(self) -> None:
        assert order.moved(HERE, "b", "a", None).orders == ["a1"]
        assert order.moved(HERE, "a", None, None).orders == ["a0"]

    def test_goes_where_the_device_says(self) -> None:
        assert order.moved(HERE, "b", "c", "Zz").orders == ["Zz"]


class TestTold:
    context = Context(actor="ana", now=NOW)

    def test_without_a_time_it_is_the_latest_word(self) -> None:
        newest = order.stamp(NOW, "x").at

        assert order.told(self.context, "op", None, None, 0).at == NOW
        assert order.told(self.context, "op", None, None, newest).at == NOW + timedelta(microseconds=1)

    def test_with_one_it_is_when_it_happened(self) -> None:
        at = NOW - timedelta(days=1)

        assert order.told(self.context, "op", at, None, 0).at == at
        assert order.told(self.context, "op", at, NOW - timedelta(hours=1), 0).at == at + timedelta(hours=1)
        assert order.told(self.context, "op", NOW + timedelta(days=1), None, 0).at == NOW

    @pytest.mark.parametrize(
        ("at", "code"), [(NOW - timedelta(days=91), "too-old"), (NOW.replace(tzinfo=None), "invalid-argument")]
    )
    def test_some_times_are_none(self, at: Any, code: str) -> None:
        with pytest.raises(Rejected) as refusal:
            order.told(self.context, "op", at, None, 0)
        assert refusal.value.code == code


def test_the_first_order_is_the_usual_one() -> None:
    assert spread(None, None, 1) == [FIRST]
