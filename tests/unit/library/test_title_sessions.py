"""What a device reports, and what of it is a fact."""

from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import pytest

from events.contracts.library import (
    Completed,
    Episode,
    Mark,
    Progressed,
    Report,
    Started,
    Stopped,
    TitleEvent,
    happened,
    player,
    title_key,
)
from events.messages import Context
from events.testing import NOW, spec
from library.rules import Rules
from library.title import decider, sessions
from library.title.state import POINTS
from library.title.summary import Continue, summary

ANA = "ana"
FILM = "tt0133093"
SERIES = "tt0944947"
ONE, TWO, THREE = (Episode(season=1, episode=n) for n in (1, 2, 3))

Going = Literal["playing", "paused", "stopped"]


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def said(position: float, seconds: float = 0.0, **more: Any) -> dict[str, Any]:
    """What every event of the film says, a hundred seconds long."""
    which = player(ANA, more.get("device", ""))
    at = after(seconds)
    told = {"uid": ANA, "work": FILM, "position": position, "at": at, "own": at, "duration": 100.0, "player": which}
    return {**told, "session": which, **more}


def done(position: float, seconds: float = 0.0, play: str = "", **more: Any) -> Completed:
    name = play or f"{player(ANA, more.get('device', '')) or 'play'}@{int(after(seconds).timestamp())}000000"
    return Completed(**{"told_at": after(seconds), **said(position, seconds, **more), "play": name})


def report(position: float, state: Going = "playing", duration: float | None = 100.0, **more: Any) -> Report:
    return Report(work=FILM, position=position, duration=duration, state=state, **more)


title = spec(decider())
begun = Started(**said(5.0))
stopped = Stopped(**said(40.0, 35, watched=35.0))
completed = done(91.0, 86, watched=86.0)


class TestPlaying:
    def test_begins_a_session(self) -> None:
        title.when(report(5), by=ANA).then(Started(**said(5.0)))

    def test_goes_on_after_a_stop(self) -> None:
        title.given(begun, stopped).when(report(40), by=ANA, after=60).then(Started(**said(40.0, 60, watched=35.0)))

    def test_is_a_heartbeat_while_it_goes_on(self) -> None:
        title.given(begun).when(report(10), by=ANA, after=5).then(Progressed(**said(10.0, 5, watched=5.0)))

    def test_says_nothing_new_when_the_report_is_repeated(self) -> None:
        title.given(begun).when(report(5), by=ANA).then()

    def test_begins_again_before_the_end_of_what_was_completed(self) -> None:
        again = title.given(begun, completed).when(report(0), by=ANA, after=90)

        again.then(Started(**said(0.0, 90, watched=86.0)))

    def test_goes_on_through_the_credits_without_a_fact(self) -> None:
        title.given(begun, completed).when(report(95), by=ANA, after=90).then(
            Progressed(**said(95.0, 90, watched=86.0))
        )

    def test_goes_over_to_another_episode(self) -> None:
        first = Started(**said(5.0, work=SERIES, episode=ONE))
        second = Report(work=SERIES, position=0, duration=100, episode=TWO)

        title.given(first).when(second, by=ANA).then(Started(**said(0.0, work=SERIES, episode=TWO)))

    def test_needs_no_duration(self) -> None:
        title.when(report(5, duration=None), by=ANA).then(Started(**said(5.0, duration=None)))

    def test_remembers_the_duration_that_the_device_has_told(self) -> None:
        title.given(begun).when(report(10, duration=None), by=ANA, after=5).then(
            Progressed(**said(10.0, 5, watched=5.0))
        )
        title.given(begun).when(report(90, duration=None), by=ANA, after=85).then(done(90.0, 85, watched=85.0))

    def test_does_not_borrow_the_duration_of_another_episode(self) -> None:
        first = Started(**said(5.0, work=SERIES, episode=ONE))
        second = Report(work=SERIES, position=99, episode=TWO)

        title.given(first).when(second, by=ANA).then(Started(**said(99.0, work=SERIES, episode=TWO, duration=None)))

    def test_remembers_a_duration_that_is_told_later(self) -> None:
        unknown = Started(**said(5.0, duration=None))

        title.given(unknown).when(report(10), by=ANA, after=5).then(Started(**said(10.0, 5, watched=5.0)))


class TestStanding:
    @pytest.mark.parametrize("state", ["paused", "stopped"])
    def test_tells_from_where_to_resume(self, state: Going) -> None:
        title.given(begun).when(report(40, state), by=ANA, after=35).then(stopped)

    @pytest.mark.parametrize("position", [40.0, 39.1, 41.0])
    def test_still_says_nothing_new(self, position: float) -> None:
        title.given(begun, stopped).when(report(position, "stopped"), by=ANA, after=40).then()

    def test_elsewhere_is_a_heartbeat(self) -> None:
        title.given(begun, stopped).when(report(60, "paused"), by=ANA, after=40).then(
            Progressed(**said(60.0, 40, watched=35.0))
        )

    def test_is_the_first_that_is_heard_of_a_title(self) -> None:
        title.when(report(40, "stopped"), by=ANA).then(Stopped(**said(40.0)))

    def test_rewound_after_the_end_does_not_bring_it_back(self) -> None:
        title.given(begun, completed).when(report(0, "stopped"), by=ANA, after=90).then(
            Progressed(**said(0.0, 90, watched=86.0))
        )

    def test_does_not_bring_back_what_another_device_completed(self) -> None:
        phone = report(30, "stopped", device="phone")

        title.given(begun, completed).when(phone, by=ANA, after=90).then(Progressed(**said(30.0, 90, device="phone")))


class TestCompleting:
    @pytest.mark.parametrize("state", ["playing", "paused", "stopped"])
    def test_happens_at_ninety_percent(self, state: Going) -> None:
        title.given(begun).when(report(90, state), by=ANA, after=85).then(done(90.0, 85, watched=85.0))

    def test_does_not_happen_a_moment_before(self) -> None:
        title.given(begun).when(report(89.99), by=ANA, after=80).then(Progressed(**said(89.99, 80, watched=80.0)))

    def test_happens_where_the_installation_says(self) -> None:
        early = spec(decider(Rules(completed_at=0.5)))

        early.given(begun).when(report(50), by=ANA, after=45).then(done(50.0, 45, watched=45.0))

    def test_happens_once_per_session(self) -> None:
        title.given(begun, completed).when(report(91), by=ANA, after=90).then()
        title.given(begun, completed).when(report(99, "stopped"), by=ANA, after=90).then(
            Progressed(**said(99.0, 90, watched=86.0))
        )

    def test_happens_again_in_a_rewatch(self) -> None:
        again = Started(**said(5.0, 100, watched=86.0))

        title.given(begun, completed, again).when(report(92), by=ANA, after=200).then(done(92.0, 200, watched=173.0))

    def test_is_no_second_play_for_who_went_back_a_little(self) -> None:
        back = Started(**said(87.0, 90, watched=86.0))
        history = title.given(begun, completed, back).when(report(92), by=ANA, after=95)

        assert [event.play for event in history.outcome() if isinstance(event, Completed)] == [completed.play]

    def test_can_be_the_first_that_is_heard_of_a_title(self) -> None:
        title.when(report(97, "stopped"), by=ANA).then(done(97.0))

    def test_is_not_repeated_by_another_device_at_the_credits(self) -> None:
        title.given(begun, completed).when(report(95, device="tv"), by=ANA, after=90).then(
            Progressed(**said(95.0, 90, device="tv"))
        )

    def test_waits_for_a_duration(self) -> None:
        unknown = Started(**said(5.0, duration=None))

        title.given(unknown).when(report(5_000, duration=None), by=ANA, after=20).then(
            Progressed(**said(5_000.0, 20, duration=None, watched=20.0))
        )
        title.given(unknown).when(report(99), by=ANA, after=94).then(done(99.0, 94, watched=94.0))

    def test_is_made_up_for_when_the_duration_is_known_at_last(self) -> None:
        unknown = Started(**said(5.0, duration=None))
        left = Stopped(**said(95.0, 90, duration=None, watched=90.0))

        title.given(unknown, left).when(report(20), by=ANA, after=200).then(
            done(95.0, 90, watched=90.0, told_at=after(200)), Started(**said(20.0, 200, watched=90.0))
        )

    def test_is_made_up_for_also_by_a_stop(self) -> None:
        unknown = Started(**said(95.0, duration=None))

        title.given(unknown).when(report(0, "stopped"), by=ANA, after=9).then(
            done(95.0, told_at=after(9)), Stopped(**said(0.0, 9, watched=0.0))
        )

    def test_takes_a_position_beyond_the_duration_for_the_end(self) -> None:
        title.given(begun).when(report(604_800), by=ANA, after=95).then(done(100.0, 95, watched=95.0))

    def test_says_which_episode_comes_next(self) -> None:
        last = Report(work=SERIES, position=95, duration=100, episode=ONE, next=TWO)

        title.when(last, by=ANA).then(done(95.0, work=SERIES, episode=ONE, next=TWO))

    def test_believes_in_no_episode_after_a_film_nor_after_itself(self) -> None:
        itself = Report(work=SERIES, position=95, duration=100, episode=ONE, next=ONE)

        title.when(report(95, next=TWO), by=ANA).then(done(95.0))
        title.when(itself, by=ANA).then(done(95.0, work=SERIES, episode=ONE))


class TestSessions:
    def test_give_their_plays_their_id(self) -> None:
        title.when(report(95, session="s1"), by=ANA).then(done(95.0, session="s1", play="s1"))

    def test_give_plays_of_several_episodes_ids_of_their_own(self) -> None:
        last = Report(work=SERIES, position=95, duration=100, episode=ONE, session="s1")

        title.when(last, by=ANA).then(done(95.0, work=SERIES, episode=ONE, session="s1", play="s1:1-1"))

    def test_never_give_the_id_of_a_play_that_is_forgotten_to_another(self) -> None:
        left = done(95.0, session="s1", play="s1~7")
        again = Started(**said(0.0, 10, session="s1"))

        (made,) = title.given(left, again).when(report(90, session="s1"), by=ANA, after=100).outcome()
        assert isinstance(made, Completed)
        assert made.play == "s1~8"

    def test_number_their_rewatches(self) -> None:
        first = done(95.0, session="s1", play="s1")
        again = Started(**said(0.0, 10, session="s1"))

        title.given(first, again).when(report(90, session="s1"), by=ANA, after=100).then(
            done(90.0, 100, session="s1", play="s1~2", watched=90.0)
        )

    def test_with_long_names_give_short_ids(self) -> None:
        (event,) = title.when(report(95, session="s" * 128), by=ANA).outcome()

        assert isinstance(event, Completed)
        assert len(event.play) == 32

    def test_of_several_devices_go_on_side_by_side(self) -> None:
        television = Started(**said(40.0, 36, device="tv"))
        both = title.given(begun, stopped, television)

        both.when(report(40, "paused"), by=ANA, after=40).then()
        both.when(report(45, device="tv"), by=ANA, after=41).then(
            Progressed(**said(45.0, 41, device="tv", watched=5.0))
        )

    def test_that_go_on_on_another_device_say_so_once(self) -> None:
        begun = Started(**said(5.0, session="s1", device="tv"))
        there = Started(**said(10.0, 5, session="s1", device="phone", watched=5.0))
        on = report(10, session="s1", device="phone")

        title.given(begun).when(on, by=ANA, after=5).then(there)
        title.given(begun, there).when(report(20, session="s1", device="phone"), by=ANA, after=15).then(
            Progressed(**said(20.0, 15, session="s1", device="phone", watched=15.0))
        )
        title.given(begun, there).when(report(20, session="s1", device="tv"), by=ANA, after=15).then(
            Progressed(**said(20.0, 15, session="s1", device="tv", watched=15.0))
        )

    def test_of_old_events_without_ids_are_their_devices(self) -> None:
        old = {key: value for key, value in said(5.0, device="tv").items() if key not in ("session", "own")}
        stop = report(40, "stopped", device="tv")

        title.given(Started(**old)).when(stop, by=ANA, after=35).then(
            Stopped(**said(40.0, 35, device="tv", watched=35.0))
        )

    def test_are_forgotten_when_there_were_very_many_since(self) -> None:
        many = (Started(**said(5.0, n, session=f"s{n}")) for n in range(2 * POINTS))

        assert len(title.given(*many).state().points) == POINTS


class TestLateReports:
    """Of a session whose newest fact is its stop after 35 seconds."""

    since = title.given(begun, stopped)

    def test_that_say_what_is_known_are_silence(self) -> None:
        known: list[tuple[float, Going, int]] = [(5.0, "playing", 0), (20.0, "playing", 15), (40.0, "stopped", 35)]
        for position, state, seconds in known:
            late = report(position, state, at=after(seconds))

            self.since.when(late, by=ANA, after=7 * 86_400).then()

    def test_never_move_the_position_back(self) -> None:
        late = self.since.when(report(20, at=after(15)), by=ANA, after=3600)
        state = decider().fold(late.outcome(), self.since.state())

        assert summary(state, frozenset(), None).slots[0].position == 40.0

    def test_that_are_newest_have_their_own_time(self) -> None:
        late = report(50, at=after(600))

        self.since.when(late, by=ANA, after=3600).then(Started(**said(50.0, 600, watched=35.0)))

    def test_tell_of_an_end_that_nobody_knew(self) -> None:
        late = report(95, at=after(20))
        (event,) = self.since.when(late, by=ANA, after=3600).outcome()

        assert isinstance(event, Completed)
        assert (event.at, event.told_at) == (after(20), after(3600))

    def test_of_a_start_before_a_stop_are_facts(self) -> None:
        alone = title.given(stopped)

        alone.when(report(5, at=NOW), by=ANA, after=3600).then(Started(**said(5.0)))

    def test_beyond_ninety_days_are_refused(self) -> None:
        title.when(report(5, at=after(-91 * 86_400)), by=ANA).then_rejected("too-old", limit_days=90)

    def test_without_an_offset_are_refused(self) -> None:
        naive = datetime(2026, 1, 2, 20)  # noqa: DTZ001  # that is the point

        title.when(report(5, at=naive), by=ANA).then_rejected("invalid-argument", field="at")

    @pytest.mark.parametrize("at", [datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)])
    def test_of_no_age_are_refused(self, at: datetime) -> None:
        title.when(report(5, at=at), by=ANA).then_rejected("invalid-argument", field="at")
        title.when(report(5, at=NOW, sent_at=at), by=ANA).then_rejected("invalid-argument", field="sent_at")

    def test_from_a_clock_that_goes_wrong_count_by_the_true_time(self) -> None:
        wrong = timedelta(days=400)
        (event,) = title.when(report(5, at=after(-60) - wrong, sent_at=NOW - wrong), by=ANA).outcome()

        assert isinstance(event, Started)
        assert (event.at, event.own) == (after(-60), after(-60) - wrong)

    def test_from_a_clock_that_was_ahead_once_do_not_outdo_all_later_ones(self) -> None:
        wrong = datetime(2099, 1, 1, tzinfo=UTC)

        assert happened(Context(actor=ANA, now=NOW), wrong, wrong).own == NOW
        assert happened(Context(actor=ANA, now=NOW), wrong - timedelta(hours=1), wrong).own == NOW - timedelta(hours=1)

    def test_from_a_clock_that_is_ahead_count_as_now(self) -> None:
        (event,) = title.when(report(5, at=after(86_400)), by=ANA).outcome()

        assert isinstance(event, Started)
        assert (event.at, event.own) == (NOW, NOW)

    def test_keep_the_order_of_their_own_clock_however_long_each_was_under_way(self) -> None:
        slow = Started(**said(5.0, 3, own=NOW))
        end = report(95, at=after(1), sent_at=after(1))
        events = title.given(slow).when(end, by=ANA, after=2).outcome()

        assert [type(event) for event in events] == [Completed]
        state = decider().fold([slow, *events])
        assert not summary(state, frozenset(), None).slots[0].going

    def test_at_the_credits_belong_to_the_play_that_is_known(self) -> None:
        late = report(95, device="tv", session="s2", at=after(3000))
        (event,) = title.given(begun, completed).when(late, by=ANA, after=3600).outcome()

        assert isinstance(event, Completed)
        assert event.play == completed.play


class TestTimeWatched:
    def test_is_what_the_player_says(self) -> None:
        told = title.given(begun).when(report(90, watched=70), by=ANA, after=85)

        told.then(done(90.0, 85, watched=70.0))
        title.given(begun).when(report(90, watched=120), by=ANA, after=85).then(done(90.0, 85, watched=120.0))

    def test_is_bounded_by_the_time_that_went_by(self) -> None:
        told = title.given(begun).when(report(20, watched=10_000), by=ANA, after=10)

        told.then(Progressed(**said(20.0, 10, watched=100.0)))

    def test_is_bounded_by_where_it_is_if_no_start_is_known(self) -> None:
        title.when(report(95, watched=10_000), by=ANA).then(done(95.0, watched=155.0))

    def test_is_reckoned_from_where_the_player_said_nothing_more(self) -> None:
        paused = Stopped(**said(40.0, 35, watched=20.0))
        on = Started(**said(40.0, 60, watched=20.0))

        title.given(begun, paused, on).when(report(70), by=ANA, after=90).then(
            Progressed(**said(70.0, 90, watched=50.0))
        )

    def test_is_what_was_said_last(self) -> None:
        """A player whose count began anew, or that has found out better."""
        paused = Stopped(**said(40.0, 35, watched=30.0))
        told = title.given(begun, paused).when(report(40, watched=25), by=ANA, after=60)

        told.then(Started(**said(40.0, 60, watched=25.0)))

    def test_leaves_out_what_was_skipped(self) -> None:
        title.given(begun).when(report(95), by=ANA, after=10).then(done(95.0, 10, watched=10.0))


class TestEpisodes:
    def test_can_be_named_by_the_id(self) -> None:
        first = Report(work=f"{SERIES}:1:2", position=5, duration=100)

        assert first.keys(Context(actor=ANA, now=NOW)) == (title_key(ANA, SERIES),)
        title.when(first, by=ANA).then(Started(**said(5.0, work=SERIES, episode=TWO)))

    def test_cannot_be_named_twice(self) -> None:
        both = Report(work=f"{SERIES}:1:2", position=5, episode=ONE)

        title.when(both, by=ANA).then_rejected("no-such-episode")

    def test_are_not_without_end(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sessions, "EPISODES", 1)

        title.given(begun).when(report(5, episode=ONE), by=ANA).then_rejected("too-many-episodes", limit=1)


@pytest.mark.parametrize("command", [report(5), Mark(work=FILM)])
def test_nobody_has_no_library(command: Report | Mark) -> None:
    title.when(command).then_rejected("not-signed-in")


def shown(*events: TitleEvent) -> Continue | None:
    return summary(decider().fold(events), frozenset(), None).continues


class TestContinueWatching:
    def test_shows_what_was_begun_until_it_is_completed(self) -> None:
        assert shown() is None
        going = shown(begun, stopped)
        assert going is not None
        assert (going.slot, going.position, going.updated_at) == ("film", 40.0, after(35))
        assert shown(begun, stopped, completed) is None

    def test_shows_a_rewatch(self) -> None:
        going = shown(begun, completed, Started(**said(0.0, 100)))

        assert going is not None
        assert going.position == 0.0

    def test_shows_the_next_episode_at_its_start_or_where_it_was_left(self) -> None:
        first = done(95.0, 50, work=SERIES, episode=ONE, next=TWO)
        second = Started(**said(30.0, 10, work=SERIES, episode=TWO))

        fresh, left = shown(first), shown(second, first)

        assert fresh is not None
        assert (fresh.slot, fresh.position, fresh.updated_at) == ("1-2", 0.0, after(50))
        assert left is not None
        assert (left.slot, left.position) == ("1-2", 30.0)

    def test_passes_by_episodes_that_were_watched_already(self) -> None:
        third = done(95.0, 10, work=SERIES, episode=TWO, next=THREE)
        first = done(95.0, 50, work=SERIES, episode=ONE, next=TWO)

        going = shown(third, first)

        assert going is not None
        assert going.slot == "1-3"
