import pytest
from tests.unit.comments.talk import ANA, BOB, appointed, ended, room, started

from comments.ambient import FORGOTTEN_SECONDS, LISTED_SECONDS, SAMPLED_SECONDS, Ambient
from comments.lives import SILENCE
from comments.rooms import Room
from events.ambient import Batch, Told
from events.contracts.comments import LIVE, LiveReport, LiveSampled

KEY = LIVE.key("final")
ON: Room = room.given(started()).state()
AGAIN: Room = room.given(started(), ended(), started(session=2)).state()
OVER: Room = room.given(started(), ended()).state()
T = 1_000_000.0

report = LiveReport(live_id="final")


def batch(gateway: str, at: float, told: Told[LiveReport]) -> Batch[LiveReport]:
    return Batch(gateway, at, {"final": told})


def followed(*people: str, count: int = 0) -> Told[LiveReport]:
    return Told(seen=list(people), count=count)


@pytest.fixture
def ambient() -> Ambient:
    return Ambient()


def sampled(ambient: Ambient, now: float, state: Room = ON) -> list[tuple[int, int, int]]:
    """What is kept of one conclusion: session, viewers, and most of them."""
    states = dict.fromkeys(ambient.active(now), state)
    samples = [sampling.event for sampling in ambient.conclude(states, now).samples]
    assert all(isinstance(sample, LiveSampled) for sample in samples)
    return [(sample.session, sample.viewers, sample.most) for sample in samples if isinstance(sample, LiveSampled)]


class TestSamples:
    def test_people_count_once_wherever_they_follow(self, ambient: Ambient) -> None:
        ambient.hear(batch("g1", T, followed(ANA, BOB)), T)
        ambient.hear(batch("g2", T, followed(BOB, "cyd")), T)

        assert sampled(ambient, T) == [(1, 3, 3)]

    def test_who_was_not_named_counts_too(self, ambient: Ambient) -> None:
        ambient.hear(batch("g1", T, followed(ANA, BOB, count=480)), T)
        ambient.hear(batch("g2", T, followed(ANA, count=1)), T)

        assert sampled(ambient, T) == [(1, 480, 480)]

    def test_only_what_changed_is_kept_and_not_too_often(self, ambient: Ambient) -> None:
        ambient.hear(batch("g1", T, followed(ANA, BOB)), T)
        assert sampled(ambient, T) == [(1, 2, 2)]

        ambient.hear(batch("g1", T + 1, followed(ANA)), T + 1)
        assert sampled(ambient, T + 1) == []
        assert sampled(ambient, T + SAMPLED_SECONDS) == [(1, 1, 2)]
        assert sampled(ambient, T + 2 * SAMPLED_SECONDS) == []

    def test_a_session_begins_with_one(self, ambient: Ambient) -> None:
        ambient.hear(batch("g1", T, followed(ANA, BOB)), T)
        sampled(ambient, T)

        assert sampled(ambient, T + SAMPLED_SECONDS, AGAIN) == [(2, 2, 2)]

    def test_what_is_over_is_not_sampled(self, ambient: Ambient) -> None:
        ambient.hear(batch("g1", T, followed(ANA)), T)

        assert sampled(ambient, T, OVER) == []

    def test_a_gateway_that_says_nothing_any_more_has_no_viewers(self, ambient: Ambient) -> None:
        ambient.hear(batch("g1", T, followed(ANA)), T)
        sampled(ambient, T)

        assert sampled(ambient, T + LISTED_SECONDS + 1) == [(1, 0, 1)]

    def test_of_two_listings_the_later_one_counts_whichever_comes_first(self, ambient: Ambient) -> None:
        ambient.hear(batch("g1", T + 1, followed(ANA, BOB)), T)
        ambient.hear(batch("g1", T, followed(ANA)), T)

        assert sampled(ambient, T) == [(1, 2, 2)]


class TestSilence:
    def test_a_decision_knows_since_when_each_has_been_silent(self, ambient: Ambient) -> None:
        ambient.hear(batch("g1", T, Told({ANA: report})), T)
        ambient.hear(batch("g2", T, Told({BOB: report})), T + 2)

        assert ambient.ambient(KEY, T + 5) == {SILENCE: {ANA: 5, BOB: 3}}

    def test_it_knows_nothing_of_who_never_reported(self, ambient: Ambient) -> None:
        assert ambient.ambient(KEY, T) == {SILENCE: {}}

    def test_what_counts_no_longer_is_forgotten(self, ambient: Ambient) -> None:
        ambient.hear(batch("g1", T, Told({ANA: report}, ["ana"])), T)

        later = T + FORGOTTEN_SECONDS + 1
        ambient.hear(Batch("g1", later, {"other": followed(BOB)}), later)

        assert ambient.active(later) == [LIVE.key("other")]
        assert ambient.ambient(KEY, later) == {SILENCE: {}}


def test_moderators_make_no_difference_to_the_count(ambient: Ambient) -> None:
    state: Room = room.given(started(), appointed(BOB)).state()
    ambient.hear(batch("g1", T, followed(ANA, BOB)), T)

    assert sampled(ambient, T, state) == [(1, 2, 2)]
