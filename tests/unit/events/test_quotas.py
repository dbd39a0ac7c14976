"""What a quota comes to, and the keys that are made of a master key."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from events.derived import derived
from events.quotas import DONE, Quota

MASTER = bytes(range(32))


@given(st.integers(1, 1_000_000), st.floats(0.001, 604_800))
def test_all_of_a_quota_can_be_had_at_once_and_not_one_more(limit: int, seconds: float) -> None:
    quota = Quota("any", limit, seconds)
    assert quota.limit * quota.step <= quota.span
    assert quota.span - quota.limit * quota.step < limit * timedelta.resolution


def test_only_what_counts_refusals_is_decided_in_turn() -> None:
    assert not Quota("deeds", 1, 60).in_turn
    assert not Quota("both", 1, 60, counts=(DONE, "wrong-key")).in_turn
    assert Quota("tries", 1, 60, counts=("wrong-key",)).in_turn


def test_a_derived_key_is_the_same_each_time_and_another_for_each_service_purpose_and_master_key() -> None:
    key = derived(MASTER, "parties", "secrets")
    assert key == derived(MASTER, "parties", "secrets")
    others = [
        derived(MASTER, "library", "secrets"),
        derived(MASTER, "parties", "x"),
        derived(bytes(32), "parties", "s"),
    ]
    assert len({key, MASTER, *others}) == 5
    assert len(key) == 32
