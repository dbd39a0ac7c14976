from datetime import timedelta
from typing import Any, Literal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from events.contracts.library import (
    EVENTS,
    Completed,
    Episode,
    LibraryEvent,
    Progressed,
    Report,
    Started,
    Stopped,
    player,
    slot,
)
from events.messages import Context
from events.testing import NOW, spec
from library.decider import COMPLETED_AT, DEVICES, REMEMBERED, Title, decide, decider

ANA = "ana"
FILM = "tt0133093"
SERIES = "tt0944947"
ONE, TWO, THREE = (Episode(season=1, episode=n) for n in (1, 2, 3))

Going = Literal["playing", "paused", "stopped"]


def said(position: float, **more: Any) -> dict[str, Any]:
    """What every event of the film says, a hundred seconds long."""
    which = player(ANA, more.get("device", ""))
    return {"uid": ANA, "work": FILM, "position": position, "at": NOW, "duration": 100.0, "player": which, **more}


def report(position: float, state: Going = "playing", duration: float | None = 100.0, **more: Any) -> Report:
    return Report(work=FILM, position=position, duration=duration, state=state, **more)


title = spec(decider)
begun = Started(**said(5.0))
stopped = Stopped(**said(40.0))
done = Completed(**said(91.0))


class TestPlaying:
    def test_begins_a_session(self) -> None:
        title.when(report(5), by=ANA).then(Started(**said(5.0)))

    def test_goes_on_after_a_stop(self) -> None:
        title.given(begun, stopped).when(report(40), by=ANA).then(Started(**said(40.0)))

    def test_is_a_heartbeat_while_it_goes_on(self) -> None:
        title.given(begun).when(report(10), by=ANA).then(Progressed(**said(10.0)))

    def test_says_nothing_new_when_the_report_is_repeated(self) -> None:
        title.given(begun).when(report(5), by=ANA).then()

    def test_begins_again_before_the_end_of_what_was_completed(self) -> None:
        title.given(begun, done).when(report(0), by=ANA).then(Started(**said(0.0)))

    def test_goes_on_through_the_credits_without_a_fact(self) -> None:
        title.given(begun, done).when(report(95), by=ANA).then(Progressed(**said(95.0)))

    def test_goes_over_to_another_episode(self) -> None:
        first = Started(**said(5.0, work=SERIES, episode=ONE))
        second = Report(work=SERIES, position=0, duration=100, episode=TWO)

        title.given(first).when(second, by=ANA).then(Started(**said(0.0, work=SERIES, episode=TWO)))

    def test_needs_no_duration(self) -> None:
        title.when(report(5, duration=None), by=ANA).then(Started(**said(5.0, duration=None)))

    def test_remembers_the_duration_that_the_device_has_told(self) -> None:
        title.given(begun).when(report(10, duration=None), by=ANA).then(Progressed(**said(10.0)))
        title.given(begun).when(report(90, duration=None), by=ANA).then(Completed(**said(90.0)))

    def test_does_not_borrow_the_duration_of_another_episode(self) -> None:
        first = Started(**said(5.0, work=SERIES, episode=ONE))
        second = Report(work=SERIES, position=99, episode=TWO)

        title.given(first).when(second, by=ANA).then(Started(**said(99.0, work=SERIES, episode=TWO, duration=None)))


class TestStanding:
    @pytest.mark.parametrize("state", ["paused", "stopped"])
    def test_tells_from_where_to_resume(self, state: Going) -> None:
        title.given(begun).when(report(40, state), by=ANA).then(Stopped(**said(40.0)))

    @pytest.mark.parametrize("position", [40.0, 39.1, 41.0])
    def test_still_says_nothing_new(self, position: float) -> None:
        title.given(begun, stopped).when(report(position, "stopped"), by=ANA).then()

    def test_elsewhere_is_a_heartbeat(self) -> None:
        title.given(begun, stopped).when(report(60, "paused"), by=ANA).then(Progressed(**said(60.0)))

    def test_is_the_first_that_is_heard_of_a_title(self) -> None:
        title.when(report(40, "stopped"), by=ANA).then(Stopped(**said(40.0)))

    def test_rewound_after_the_end_does_not_bring_it_back(self) -> None:
        title.given(begun, done).when(report(0, "stopped"), by=ANA).then(Progressed(**said(0.0)))

    def test_does_not_bring_back_what_another_device_completed(self) -> None:
        phone = report(30, "stopped", device="phone")

        title.given(begun, done).when(phone, by=ANA).then(Progressed(**said(30.0, device="phone")))


class TestCompleting:
    @pytest.mark.parametrize("state", ["playing", "paused", "stopped"])
    def test_happens_at_ninety_percent(self, state: Going) -> None:
        title.given(begun).when(report(90, state), by=ANA).then(Completed(**said(90.0)))

    def test_does_not_happen_a_moment_before(self) -> None:
        title.given(begun).when(report(89.99), by=ANA).then(Progressed(**said(89.99)))

    def test_happens_once_per_session(self) -> None:
        title.given(begun, done).when(report(91), by=ANA).then()
        title.given(begun, done).when(report(99, "stopped"), by=ANA).then(Progressed(**said(99.0)))

    def test_happens_again_in_a_rewatch(self) -> None:
        title.given(begun, done, begun).when(report(92), by=ANA).then(Completed(**said(92.0)))

    def test_can_be_the_first_that_is_heard_of_a_title(self) -> None:
        title.when(report(97, "stopped"), by=ANA).then(Completed(**said(97.0)))

    def test_is_not_repeated_by_another_device_at_the_credits(self) -> None:
        title.given(begun, done).when(report(95, device="tv"), by=ANA).then(Progressed(**said(95.0, device="tv")))

    def test_waits_for_a_duration(self) -> None:
        title.given(Started(**said(5.0, duration=None))).when(report(5_000, duration=None), by=ANA).then(
            Progressed(**said(5_000.0, duration=None))
        )
        title.given(Started(**said(5.0, duration=None))).when(report(99), by=ANA).then(Completed(**said(99.0)))

    def test_takes_a_position_beyond_the_duration_for_the_end(self) -> None:
        title.given(begun).when(report(604_800), by=ANA).then(Completed(**said(100.0)))

    def test_says_which_episode_comes_next(self) -> None:
        last = Report(work=SERIES, position=95, duration=100, episode=ONE, next=TWO)

        title.when(last, by=ANA).then(Completed(**said(95.0, work=SERIES, episode=ONE, next=TWO)))

    def test_believes_in_no_episode_after_a_film_nor_after_itself(self) -> None:
        itself = Report(work=SERIES, position=95, duration=100, episode=ONE, next=ONE)

        title.when(report(95, next=TWO), by=ANA).then(Completed(**said(95.0)))
        title.when(itself, by=ANA).then(Completed(**said(95.0, work=SERIES, episode=ONE)))


class TestDevices:
    def test_a_paused_phone_does_not_stop_the_television(self) -> None:
        television = Started(**said(40.0, device="tv"))
        both = title.given(begun, stopped, television)

        both.when(report(40, "paused"), by=ANA).then()
        both.when(report(45, device="tv"), by=ANA).then(Progressed(**said(45.0, device="tv")))

    def test_the_one_that_was_silent_longest_is_forgotten(self) -> None:
        many = [Started(**said(5.0, device=f"d{n}")) for n in range(DEVICES)]
        state = title.given(*many, Started(**said(6.0, device="d0")), Started(**said(5.0, device="new"))).state()

        assert list(state.sessions) == [
            player(ANA, device) for device in (*(f"d{n}" for n in range(2, DEVICES)), "d0", "new")
        ]


def test_nobody_has_no_library() -> None:
    title.when(report(5)).then_rejected("not-signed-in")


# Properties: whatever devices report, in whatever order.

reports = st.builds(
    Report,
    work=st.just(FILM),
    position=st.sampled_from([0.0, 0.5, 40.0, 89.9, 90.0, 99.0, 250.0]),
    duration=st.sampled_from([None, 100.0, 200.0]),
    episode=st.sampled_from([None, ONE, TWO]),
    next=st.sampled_from([None, TWO, THREE]),
    state=st.sampled_from(["playing", "paused", "stopped"]),
    device=st.sampled_from(["", "tv", "phone"]),
)


def facts(events: list[LibraryEvent]) -> list[LibraryEvent]:
    return [event for event in events if not event.telemetry]


@given(st.lists(st.tuples(reports, st.sampled_from([0.0, 5.0])), max_size=30))
def test_whatever_is_reported_a_repeat_is_no_fact_and_a_session_is_completed_once(
    steps: list[tuple[Report, float]],
) -> None:
    state, now, history = decider.initial, NOW, list[LibraryEvent]()
    for command, pause in steps:
        now += timedelta(seconds=pause)
        context = Context(actor=ANA, now=now)
        events = decide(command, state, context)
        state = decider.fold(facts(events), state)
        history += events

        assert len(events) <= 1
        assert facts(decide(command, state, context)) == [], "the same report again"
    assert decider.fold(history) == state, "heartbeats do not matter to the rules"
    assert msgspec.convert(msgspec.json.decode(msgspec.json.encode(state)), Title) == state, "as a snapshot"
    _check(history)


def _check(history: list[LibraryEvent]) -> None:
    """Each fact stands on its own: where it is, and that it was due."""
    last: dict[str, LibraryEvent] = {}
    for event in history:
        assert event.duration is None or event.position <= event.duration
        ended = event.duration is not None and event.position >= COMPLETED_AT * event.duration
        if isinstance(event, Progressed):
            continue
        assert isinstance(event, Completed) == ended
        before = last.get(event.player)
        if isinstance(event, Completed) and isinstance(before, Completed):
            assert slot(before.episode) != slot(event.episode), "completed twice in one session"
        last[event.player] = event


@settings(max_examples=50)
@given(st.lists(st.one_of(*(st.from_type(event) for event in EVENTS))))
def test_no_history_is_too_odd_to_be_remembered(history: list[LibraryEvent]) -> None:
    decider.fold(history)


def test_a_title_with_very_many_episodes_stays_small() -> None:
    episodes = (Episode(season=n // 100, episode=n) for n in range(2 * REMEMBERED))
    state = decider.fold(Completed(**said(95.0, episode=episode)) for episode in episodes)

    assert len(state.completed) == REMEMBERED
    assert len(msgspec.json.encode(state)) < 128 * 1024
