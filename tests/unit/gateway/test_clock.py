"""Server time follows the reference, prefers its best samples, and never runs backwards."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.clock import KEPT, SLEW, Clock, utc


class Hand:
    """A monotonic clock moved by hand."""

    def __init__(self) -> None:
        self.time = 100.0

    def __call__(self) -> float:
        return self.time


def clock(wall: float = 1000.0) -> tuple[Clock, Hand]:
    hand = Hand()
    return Clock(hand, lambda: wall), hand


def learn(of: Clock, hand: Hand, reference: float, delay: float = 0.0) -> None:
    of.learn(hand.time - delay / 2, reference, hand.time + delay / 2)


def test_without_a_reference_it_is_this_machines() -> None:
    of, hand = clock()
    hand.time += 5
    assert of.now() == 1005
    assert of.uncertainty is None


def test_it_goes_forward_at_once() -> None:
    of, hand = clock()
    learn(of, hand, 1030.0)
    assert of.now() == 1030.0


def test_it_slows_down_instead_of_going_back() -> None:
    of, hand = clock()
    learn(of, hand, 999.0)
    assert of.now() == 1000.0
    hand.time += 1
    assert of.now() == pytest.approx(1001 - SLEW)
    hand.time += 100
    assert of.now() == pytest.approx(1100.0)


def test_the_sample_with_the_shortest_way_counts() -> None:
    of, hand = clock()
    learn(of, hand, 1001.0, delay=0.001)
    learn(of, hand, 1009.0, delay=0.5)
    assert of.now() == 1001.0
    assert of.uncertainty == pytest.approx(0.0005)


def test_old_samples_are_forgotten() -> None:
    of, hand = clock()
    learn(of, hand, 1001.0, delay=0.001)
    for _ in range(KEPT):
        learn(of, hand, 1002.0, delay=0.01)
    assert of.now() == 1002.0
    of.forget()
    assert of.uncertainty is None


@given(st.lists(st.tuples(st.floats(0, 10), st.floats(-100, 100), st.floats(0, 1)), max_size=30))
def test_it_never_runs_backwards(steps: list[tuple[float, float, float]]) -> None:
    of, hand = clock()
    before = of.now()
    for passed, error, delay in steps:
        hand.time += passed
        learn(of, hand, 900 + hand.time + error, delay)
        now = of.now()
        assert now >= before
        before = now


@given(st.floats(-5, 5), st.floats(-5, 5))
def test_two_gateways_agree_once_they_have_compared(one: float, two: float) -> None:
    hands = [clock(1000 + error) for error in (one, two)]
    for of, hand in hands:
        learn(of, hand, 1000.0)
        of.now()
        hand.time += 100
    times = [of.now() for of, _ in hands]
    assert times[0] == pytest.approx(times[1], abs=1e-6)


def test_utc() -> None:
    assert utc(0.25).isoformat() == "1970-01-01T00:00:00.250000+00:00"
