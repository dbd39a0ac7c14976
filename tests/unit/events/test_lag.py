"""The lag is 0 for who keeps up, however much goes by, and grows for who stands still."""

from events.lag import Lag


def test_who_has_applied_everything_has_no_lag() -> None:
    lag = Lag()
    assert lag.seconds(0, 10.0) == 0
    lag.stored(7, 10.0)
    assert lag.seconds(7, 11.0) == 0


def test_who_stands_still_lags_behind_ever_more() -> None:
    lag = Lag()
    for second in range(10, 15):
        lag.stored(second, float(second))
    assert [lag.seconds(9, float(second)) for second in (14, 15)] == [4, 5]


def test_who_keeps_up_under_load_lags_by_what_waits_only() -> None:
    lag = Lag()
    for second in range(10, 15):
        lag.stored(second * 100, float(second))
        assert lag.seconds(second * 100 - 50, float(second)) == 0
    assert lag.seconds(1_350, 15.0) == 1


def test_one_far_behind_catches_up_step_by_step() -> None:
    lag = Lag()
    lag.stored(10, 1.0)
    lag.stored(20, 2.0)
    assert [lag.seconds(applied, 3.0) for applied in (5, 10, 20)] == [2, 1, 0]
