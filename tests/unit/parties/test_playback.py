from collections.abc import Sequence
from datetime import timedelta

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.unit.parties.examples import (
    ANA,
    BOB,
    CYD,
    DAN,
    RULES,
    P,
    allowed,
    cohost,
    configured,
    joined,
    later,
    room,
    started,
)

from events.codec import Codec
from events.contracts.party import (
    EVENTS,
    LONGEST,
    SYSTEM,
    Banned,
    ChangeRate,
    Closed,
    Excuse,
    Excused,
    Held,
    Hold,
    Kicked,
    Left,
    MediaChanged,
    PartyEvent,
    Pause,
    Paused,
    Permissions,
    Play,
    Played,
    RateChanged,
    Readied,
    Ready,
    Release,
    Seek,
    Sought,
    Undo,
    Undone,
)
from events.messages import Context, Rejected
from events.testing import NOW, spec
from parties.decider import decider
from parties.playback import PlaybackCommand, without
from parties.rules import Rules
from parties.state import Party

EVE = "eve"
LEAD = {"lead": 0.3}


def ready(uid: str, ready: bool = True, after: float = 0.0) -> Readied:
    return Readied(uid=uid, ready=ready, at=later(after))


def watching(media: str, after: float, by: str = ANA) -> MediaChanged:
    return MediaChanged(by=by, reason="chosen", media=media, position=0.0, at=later(after))


rules = decider(RULES)
both = (started(), joined(ANA), joined(BOB))
four = (*both, joined(CYD), joined(DAN))
playing = (*both, Played(by=ANA, position=10.0, at=later(2)))
standing = (*both, Paused(by=ANA, position=42.0, at=later(2)))
closed = (*playing, Closed(by=ANA, reason="closed", at=later(3)))
patient = (*four, configured(wait=True))
counting = (*both, Played(by=ANA, position=10.0, at=later(12), countdown=10.0, said_at=later(2)))

play, pause, undo, release = Play(party_id=P), Pause(party_id=P), Undo(party_id=P), Release(party_id=P)
held = Held(by=ANA, why="start", waits_for=(BOB, CYD), position=0.0, at=later(2), until=later(32), said_at=later(2))
waiting = (*patient, ready(DAN), held)
stall = Held(by=SYSTEM, why="stalled", waits_for=(BOB, CYD), position=15.0, at=later(7), until=later(37))
stalled = (*four, Played(by=ANA, position=10.0, at=later(2)), stall)


def told(history: Sequence[PartyEvent], *steps: tuple[PlaybackCommand, str, float]) -> tuple[PartyEvent, ...]:
    """The history with what came of some wishes: each somebody's, so long after `NOW`."""
    for command, by, after in steps:
        history = (*history, *room.given(*history).when(command, by=by, after=after).outcome())
    return tuple(history)


def place(history: Sequence[PartyEvent], after: float) -> float:
    return rules.fold(history).place(later(after))


class TestPlay:
    def test_the_host_starts_playback_where_the_party_stands(self) -> None:
        room.given(*standing).when(play, by=ANA, after=9).then(
            Played(by=ANA, position=42.0, at=later(9), said_at=later(9))
        )

    def test_the_host_starts_playback_somewhere_else(self) -> None:
        room.given(*both).when(Play(party_id=P, position=99.5), by=ANA).then(
            Played(by=ANA, position=99.5, at=NOW, said_at=NOW)
        )

    def test_it_starts_when_everybody_can_have_heard_of_it(self) -> None:
        (played,) = room.given(*standing).when(play, by=ANA, after=9, ambient=LEAD).outcome()

        assert played == Played(by=ANA, position=42.0, at=later(9.3), said_at=later(9))
        assert place([*standing, played], 9.2) == 42.0
        assert place([*standing, played], 10.3) == 43.0

    def test_it_starts_when_the_countdown_is_over(self) -> None:
        room.given(*both).when(Play(party_id=P, countdown=5), by=ANA, ambient=LEAD).then(
            Played(by=ANA, position=0.0, at=later(5), countdown=5.0, said_at=NOW)
        )

    def test_a_countdown_shorter_than_the_lead_waits_for_the_lead(self) -> None:
        room.given(*both).when(Play(party_id=P, countdown=0.1), by=ANA, ambient=LEAD).then(
            Played(by=ANA, position=0.0, at=later(0.3), countdown=0.1, said_at=NOW)
        )

    def test_playing_moves_when_the_host_is_far_from_where_the_party_is(self) -> None:
        room.given(*playing).when(Play(party_id=P, position=12.6), by=ANA, after=4).then(
            Played(by=ANA, position=12.6, at=later(4), said_at=later(4))
        )

    @pytest.mark.parametrize("position", [None, 12.0, 11.5, 12.5])
    def test_a_host_who_comes_back_and_plays_on_changes_nothing(self, position: float | None) -> None:
        room.given(*playing).when(Play(party_id=P, position=position), by=ANA, after=4, ambient=LEAD).then()

    def test_the_rate_stays(self) -> None:
        fast = (Played(by=ANA, position=0.0, at=NOW, rate=1.5), Paused(by=ANA, position=3.0, at=later(2)))

        room.given(*both, *fast).when(play, by=ANA, after=4).then(
            Played(by=ANA, position=3.0, at=later(4), rate=1.5, said_at=later(4))
        )

    def test_pressed_again_before_the_countdown_is_over_it_starts_now(self) -> None:
        room.given(*counting).when(play, by=ANA, after=4).then(
            Played(by=ANA, position=10.0, at=later(4), said_at=later(4))
        )

    @pytest.mark.parametrize("countdown", [8.0, 7.6, 10.0])
    def test_a_countdown_that_would_end_no_sooner_changes_nothing(self, countdown: float) -> None:
        room.given(*counting).when(Play(party_id=P, countdown=countdown), by=ANA, after=4).then()

    def test_a_shorter_countdown_takes_its_place(self) -> None:
        room.given(*counting).when(Play(party_id=P, countdown=7.4), by=ANA, after=4).then(
            Played(by=ANA, position=10.0, at=later(11.4), countdown=7.4, said_at=later(4))
        )

    def test_from_elsewhere_a_countdown_begins_anew(self) -> None:
        room.given(*counting).when(Play(party_id=P, position=60.0, countdown=10), by=ANA, after=4).then(
            Played(by=ANA, position=60.0, at=later(14), countdown=10.0, said_at=later(4))
        )

    def test_who_may_start_but_not_seek_starts_near_where_the_party_is(self) -> None:
        free = (*standing, allowed(play="member"))

        room.given(*free).when(Play(party_id=P, position=43.9), by=BOB, after=4).then(
            Played(by=BOB, position=43.9, at=later(4), said_at=later(4))
        )
        room.given(*free).when(Play(party_id=P, position=44.1), by=BOB, after=4).then_rejected(
            "not-the-host", action="seek", needs="cohost"
        )


class TestPause:
    def test_the_host_stops_playback_where_it_is(self) -> None:
        room.given(*playing).when(pause, by=ANA, after=4.5).then(
            Paused(by=ANA, position=12.5, at=later(4.5), said_at=later(4.5))
        )

    def test_everybody_runs_on_until_all_stop_at_the_same_picture(self) -> None:
        (paused,) = room.given(*playing).when(pause, by=ANA, after=4.5, ambient={"lead": 0.5}).outcome()

        assert paused == Paused(by=ANA, position=13.0, at=later(5), said_at=later(4.5))

    def test_the_host_stops_playback_where_the_host_is(self) -> None:
        room.given(*playing).when(Pause(party_id=P, position=12.1), by=ANA, after=4.5).then(
            Paused(by=ANA, position=12.1, at=later(4.5), said_at=later(4.5))
        )

    @pytest.mark.parametrize("position", [None, 42.0, 41.5, 42.5])
    def test_standing_still_changes_nothing(self, position: float | None) -> None:
        room.given(*standing).when(Pause(party_id=P, position=position), by=ANA, after=9, ambient=LEAD).then()

    def test_stopping_elsewhere_moves(self) -> None:
        room.given(*both).when(Pause(party_id=P, position=0.6), by=ANA).then(
            Paused(by=ANA, position=0.6, at=NOW, said_at=NOW)
        )

    def test_a_playback_that_nobody_stops_rests_at_the_end_of_all_positions(self) -> None:
        far = Played(by=ANA, position=LONGEST - 1, at=NOW)

        room.given(*both, far).when(pause, by=ANA, after=60).then(
            Paused(by=ANA, position=LONGEST, at=later(60), said_at=later(60))
        )

    def test_a_countdown_that_is_stopped_never_ends(self) -> None:
        example = room.given(*counting).when(pause, by=ANA, after=4)

        example.then(Paused(by=ANA, position=10.0, at=later(4), said_at=later(4)))
        assert place([*counting, *example.outcome()], 60) == 10.0

    def test_it_ends_a_wait(self) -> None:
        example = room.given(*waiting).when(pause, by=ANA, after=4)

        example.then(Paused(by=ANA, position=0.0, at=later(4), said_at=later(4)))
        assert rules.fold([*waiting, *example.outcome()]).waiting is None

    def test_who_may_stop_but_not_seek_stops_near_where_the_party_is(self) -> None:
        free = (*playing, allowed(play="member", seek="host"))

        room.given(*free).when(Pause(party_id=P, position=10.1), by=BOB, after=4).then(
            Paused(by=BOB, position=10.1, at=later(4), said_at=later(4))
        )
        room.given(*free).when(Pause(party_id=P, position=9.9), by=BOB, after=4).then_rejected(
            "not-the-host", action="seek", needs="host"
        )


class TestSeek:
    seek = Seek(party_id=P, position=300.0)

    def test_the_host_moves_everybody_and_playback_goes_on(self) -> None:
        example = room.given(*playing).when(self.seek, by=ANA, after=4, ambient=LEAD)

        example.then(Sought(by=ANA, position=300.0, at=later(4.3), said_at=later(4)))
        assert place([*playing, *example.outcome()], 5.3) == 301.0

    def test_the_host_moves_everybody_and_playback_still_stands(self) -> None:
        example = room.given(*standing).when(self.seek, by=ANA, after=4)

        example.then(Sought(by=ANA, position=300.0, at=later(4), said_at=later(4)))
        assert place([*standing, *example.outcome()], 5) == 300.0

    @pytest.mark.parametrize("position", [12.0, 12.04, 11.96])
    def test_where_everybody_is_already_nothing_changes(self, position: float) -> None:
        room.given(*playing).when(Seek(party_id=P, position=position), by=ANA, after=4, ambient=LEAD).then()

    def test_of_two_at_one_instant_the_later_one_holds_and_both_are_told(self) -> None:
        free = (*playing, allowed(seek="member"))

        history = told(free, (self.seek, ANA, 4), (Seek(party_id=P, position=500.0), BOB, 4))

        assert history[-2:] == (
            Sought(by=ANA, position=300.0, at=later(4), said_at=later(4)),
            Sought(by=BOB, position=500.0, at=later(4), said_at=later(4)),
        )
        assert place(history, 5) == 501.0

    def test_two_to_the_same_place_at_one_instant_are_one(self) -> None:
        free = (*playing, allowed(seek="member"))

        history = told(free, (self.seek, ANA, 4), (self.seek, BOB, 4))

        assert history == (*free, Sought(by=ANA, position=300.0, at=later(4), said_at=later(4)))

    def test_a_countdown_goes_on_at_the_new_place(self) -> None:
        room.given(*counting).when(self.seek, by=ANA, after=4).then(
            Sought(by=ANA, position=300.0, at=later(12), said_at=later(4))
        )

    def test_a_wait_goes_on_at_the_new_place(self) -> None:
        history = told(waiting, (self.seek, ANA, 4))

        assert rules.fold(history).waiting == rules.fold(waiting).waiting
        assert told(history, (Ready(party_id=P), BOB, 5), (Ready(party_id=P), CYD, 6))[-1] == Played(
            by=SYSTEM, position=300.0, at=later(6), said_at=later(6)
        )


class TestChangeRate:
    fast = ChangeRate(party_id=P, rate=2.0)

    def test_playback_goes_on_faster_from_where_it_then_is(self) -> None:
        example = room.given(*playing).when(self.fast, by=ANA, after=4, ambient=LEAD)

        example.then(RateChanged(by=ANA, rate=2.0, position=12.3, at=later(4.3), said_at=later(4)))
        assert place([*playing, *example.outcome()], 5.3) == pytest.approx(14.3)

    def test_the_rate_can_be_set_while_nothing_plays(self) -> None:
        history = told(standing, (self.fast, ANA, 4), (play, ANA, 5))

        assert history[-1] == Played(by=ANA, position=42.0, at=later(5), rate=2.0, said_at=later(5))

    def test_the_same_rate_changes_nothing(self) -> None:
        room.given(*playing).when(ChangeRate(party_id=P, rate=1.0), by=ANA, after=4).then()

    def test_a_countdown_and_a_wait_go_on(self) -> None:
        room.given(*counting).when(self.fast, by=ANA, after=4).then(
            RateChanged(by=ANA, rate=2.0, position=10.0, at=later(12), said_at=later(4))
        )
        history = told(waiting, (self.fast, ANA, 4))
        assert rules.fold(history).waiting == rules.fold(waiting).waiting


def undone(what: str, position: float, after: float, *, playing: bool = False, rate: float = 1.0) -> Undone:
    return Undone(
        by=ANA, undid=what, author=ANA, playing=playing, position=position, rate=rate, media="tt0133093",
        at=later(after), said_at=later(after),
    )  # fmt: skip


class TestUndo:
    def test_a_seek_is_taken_back_to_where_playback_was(self) -> None:
        seek = Sought(by=ANA, position=300.0, at=later(4))

        room.given(*playing, seek).when(undo, by=ANA, after=9).then(undone("seek", 12.0, 9, playing=True))

    def test_where_playback_was_when_the_control_was_given_not_when_it_took_effect(self) -> None:
        seek = Sought(by=ANA, position=300.0, at=later(4.3), said_at=later(4))

        room.given(*playing, seek).when(undo, by=ANA, after=9).then(undone("seek", 12.0, 9, playing=True))

    def test_a_pause(self) -> None:
        room.given(*playing, Paused(by=ANA, position=12.0, at=later(4))).when(undo, by=ANA, after=60).then(
            undone("pause", 12.0, 60, playing=True)
        )

    def test_a_play(self) -> None:
        room.given(*standing, Played(by=ANA, position=42.0, at=later(4))).when(undo, by=ANA, after=60).then(
            undone("play", 42.0, 60)
        )

    def test_a_rate(self) -> None:
        fast = RateChanged(by=ANA, rate=2.0, position=12.0, at=later(4))

        room.given(*playing, fast).when(undo, by=ANA, after=9).then(undone("rate", 12.0, 9, playing=True))

    def test_another_film(self) -> None:
        history = (*playing, watching("tt0234215", 4))

        example = room.given(*history).when(undo, by=ANA, after=9)

        example.then(replace(undone("media", 12.0, 9, playing=True), other_media=True))
        assert rules.fold([*history, *example.outcome()]).media.media == "tt0133093"

    def test_another_source_of_the_same_film_and_that_again(self) -> None:
        history = (*playing, watching("tt0133093", 4))

        back = room.given(*history).when(undo, by=ANA, after=9).outcome()
        again = room.given(*history, *back).when(undo, by=ANA, after=11).outcome()

        assert back == [replace(undone("media", 12.0, 9, playing=True), other_media=True)]
        assert again == [replace(undone("undo", 0.0, 11), other_media=True)]

    def test_an_undo_and_that_again(self) -> None:
        history = told(playing, (Seek(party_id=P, position=300.0), ANA, 4), (undo, ANA, 9))

        assert place(history, 10) == 13.0
        history = told(history, (undo, ANA, 11))
        assert history[-1] == undone("undo", 305.0, 11, playing=True)

    def test_it_takes_effect_when_everybody_can_have_heard_of_it(self) -> None:
        seek = Sought(by=ANA, position=300.0, at=later(4))

        taken_back = replace(undone("seek", 12.0, 9, playing=True), at=later(9.3))

        room.given(*playing, seek).when(undo, by=ANA, after=9, ambient=LEAD).then(taken_back)

    def test_somebody_elses_control_is_taken_back_too_and_it_says_whose_it_was(self) -> None:
        bobs = (*playing, cohost(BOB, 3))

        (event,) = room.given(*bobs, Sought(by=BOB, position=300.0, at=later(4))).when(undo, by=ANA, after=9).outcome()

        assert event == replace(undone("seek", 12.0, 9, playing=True), author=BOB)

    def test_there_may_be_nothing_to_undo(self) -> None:
        room.given(*both).when(undo, by=ANA, after=9).then_rejected("nothing-to-undo")

    def test_what_two_undo_at_once_is_undone_once(self) -> None:
        deputy = cohost(BOB, 3)
        history = told((*playing, deputy), (Seek(party_id=P, position=300.0), ANA, 4), (undo, ANA, 9))

        room.given(*history).when(undo, by=BOB, after=9.4).then()
        room.given(*history).when(undo, by=ANA, after=9.4).then()

    def test_another_film_is_only_taken_back_by_who_may_choose_one(self) -> None:
        able = (*playing, allowed(seek="member"))

        room.given(*able, watching("tt0234215", 4)).when(undo, by=BOB, after=9).then_rejected(
            "not-the-host", action="media", needs="cohost"
        )

    def test_nor_is_another_source(self) -> None:
        able = (*playing, allowed(seek="member"))

        room.given(*able, watching("tt0133093", 4)).when(undo, by=BOB, after=9).then_rejected(
            "not-the-host", action="media", needs="cohost"
        )

    def test_who_may_choose_no_film_takes_back_what_came_after_one(self) -> None:
        able = (*playing, allowed(seek="member"))
        sought = (watching("tt0234215", 4), Sought(by=ANA, position=60.0, at=later(6)))

        room.given(*able, *sought).when(undo, by=BOB, after=9).then(
            replace(undone("seek", 0.0, 9), by=BOB, media="tt0234215")
        )

    def test_a_countdown_that_was_stopped_goes_on_if_it_still_can(self) -> None:
        history = told(counting, (pause, ANA, 4))

        soon = room.given(*history).when(undo, by=ANA, after=6).outcome()
        late = room.given(*history).when(undo, by=ANA, after=60).outcome()

        assert soon == [replace(undone("pause", 10.0, 6, playing=True), at=later(12))]
        assert late == [undone("pause", 10.0, 60, playing=True)]

    def test_a_countdown_is_taken_back(self) -> None:
        room.given(*counting).when(undo, by=ANA, after=4).then(undone("play", 0.0, 4))

    def test_a_wait_is_taken_back_with_the_play_that_began_it(self) -> None:
        example = room.given(*waiting).when(undo, by=ANA, after=4)

        example.then(undone("play", 0.0, 4))
        assert rules.fold([*waiting, *example.outcome()]).waiting is None

    def test_so_is_the_play_that_ended_it(self) -> None:
        history = told(waiting, (play, ANA, 4))

        room.given(*history).when(undo, by=ANA, after=9).then(undone("play", 0.0, 9))

    def test_a_start_that_came_of_itself_is_taken_back_with_the_play_that_was_waited_for(self) -> None:
        history = told(waiting, (Ready(party_id=P), BOB, 4), (Ready(party_id=P), CYD, 5))

        room.given(*history).when(undo, by=ANA, after=9).then(undone("play", 0.0, 9))

    def test_a_wait_goes_on_when_a_seek_in_it_is_taken_back(self) -> None:
        history = told(waiting, (Seek(party_id=P, position=300.0), ANA, 4))

        room.given(*history).when(undo, by=ANA, after=9).then(
            undone("seek", 0.0, 9),
            Held(
                by=SYSTEM, why="start", waits_for=(BOB, CYD), position=0.0, at=later(9), until=later(32),
                said_at=later(9),
            ),
        )  # fmt: skip

    def test_a_seek_during_a_stall_is_taken_back_and_playback_goes_on(self) -> None:
        history = told(stalled, (Seek(party_id=P, position=300.0), ANA, 8), (release, SYSTEM, 37))

        room.given(*history).when(undo, by=ANA, after=40).then(undone("seek", 15.0, 40, playing=True))

    def test_a_wait_begins_again_when_its_end_is_taken_back(self) -> None:
        history = told(waiting, (pause, ANA, 4))

        room.given(*history).when(undo, by=ANA, after=9).then(
            undone("pause", 0.0, 9),
            Held(
                by=SYSTEM, why="start", waits_for=(BOB, CYD), position=0.0, at=later(9), until=later(39),
                said_at=later(9),
            ),
        )  # fmt: skip

    def test_who_is_ready_for_a_film_is_not_for_the_one_that_was_left(self) -> None:
        left = (Played(by=ANA, position=0.0, at=later(2)), watching("tt0234215", 4), ready(BOB, after=5))

        events = room.given(*patient, *left).when(undo, by=ANA, after=9).outcome()

        assert isinstance(events[1], Held)
        assert events[1].waits_for == (BOB, CYD, DAN)

    def test_what_plays_goes_on_playing_whoever_is_not_ready(self) -> None:
        sought = (Played(by=ANA, position=10.0, at=later(2)), Sought(by=ANA, position=300.0, at=later(4)))

        room.given(*patient, *sought).when(undo, by=ANA, after=9).then(undone("seek", 12.0, 9, playing=True))


class TestStart:
    """A party that waits for everyone."""

    def test_play_waits_for_who_is_not_ready(self) -> None:
        room.given(*patient, ready(DAN)).when(play, by=ANA, after=2, ambient=LEAD).then(
            Held(
                by=ANA, why="start", waits_for=(BOB, CYD), position=0.0, at=later(2.3), until=later(32),
                said_at=later(2),
            )
        )  # fmt: skip

    def test_it_plays_at_once_when_all_others_are_ready(self) -> None:
        room.given(*patient, ready(BOB), ready(CYD), ready(DAN)).when(play, by=ANA, after=2).then(
            Played(by=ANA, position=0.0, at=later(2), said_at=later(2))
        )

    def test_it_waits_for_nobody_who_is_not_there(self) -> None:
        absent = {"present": frozenset({ANA, DAN, "no member"})}

        room.given(*patient, ready(DAN)).when(play, by=ANA, after=2, ambient=absent).then(
            Played(by=ANA, position=0.0, at=later(2), said_at=later(2))
        )

    def test_it_waits_for_nobody_who_asked_not_to_be_waited_for_or_was_waited_for_in_vain(self) -> None:
        spared = (
            Excused(uid=BOB, excused=True, reason="asked", at=NOW),
            Excused(uid=CYD, excused=True, reason="limit", at=NOW),
        )

        room.given(*patient, ready(DAN), *spared).when(play, by=ANA, after=2).then(
            Played(by=ANA, position=0.0, at=later(2), said_at=later(2))
        )

    def test_it_waits_at_another_place_too(self) -> None:
        (event,) = (
            room.given(*patient, Played(by=ANA, position=0.0, at=NOW))
            .when(Play(party_id=P, position=60.0), by=ANA, after=2)
            .outcome()
        )

        assert isinstance(event, Held)
        assert event.position == 60.0

    def test_it_goes_on_with_the_last_one_who_is_ready(self) -> None:
        one_left = told(waiting, (Ready(party_id=P), BOB, 4))

        assert one_left[-1] == ready(BOB, after=4)
        room.given(*one_left).when(Ready(party_id=P), by=CYD, after=5, ambient=LEAD).then(
            ready(CYD, after=5), Played(by=SYSTEM, position=0.0, at=later(5.3), said_at=later(5))
        )

    def test_the_countdown_begins_when_all_are_ready(self) -> None:
        history = told(
            patient, (Play(party_id=P, countdown=3), ANA, 2), *((Ready(party_id=P), u, 9) for u in (BOB, CYD))
        )

        room.given(*history).when(Ready(party_id=P), by=DAN, after=10).then(
            ready(DAN, after=10), Played(by=SYSTEM, position=0.0, at=later(13), countdown=3.0, said_at=later(10))
        )

    def test_who_asks_not_to_be_waited_for_is_not(self) -> None:
        history = told(waiting, (Ready(party_id=P), BOB, 4))

        room.given(*history).when(Excuse(party_id=P), by=CYD, after=5).then(
            Excused(uid=CYD, excused=True, reason="asked", at=later(5)),
            Played(by=SYSTEM, position=0.0, at=later(5), said_at=later(5)),
        )

    def test_who_is_not_ready_after_all_is_waited_for_too_and_no_longer_than_the_others(self) -> None:
        one_left = told(waiting, (Ready(party_id=P), BOB, 4))

        room.given(*one_left).when(Ready(party_id=P, ready=False), by=BOB, after=5).then(
            ready(BOB, False, after=5),
            Held(
                by=SYSTEM, why="start", waits_for=(CYD, BOB), position=0.0, at=later(5), until=later(32),
                said_at=later(5),
            ),
        )  # fmt: skip
        history = told(one_left, (Ready(party_id=P, ready=False), BOB, 5), (Ready(party_id=P), CYD, 6))
        waits = rules.fold(history).waiting
        assert waits is not None
        assert (waits.waits_for, waits.since) == ((BOB,), later(2))
        assert rules.fold(told(history, (undo, ANA, 9))).waiting is None, "it is no control"

    def test_who_need_not_be_waited_for_is_not_then_either(self) -> None:
        spared = told(waiting, (Ready(party_id=P), BOB, 4), (Excuse(party_id=P), BOB, 5))

        room.given(*spared).when(Ready(party_id=P, ready=False), by=BOB, after=6).then(ready(BOB, False, after=6))

    def test_pressing_play_again_starts_without_them(self) -> None:
        room.given(*waiting).when(play, by=ANA, after=4).then(
            Played(by=ANA, position=0.0, at=later(4), said_at=later(4))
        )

    def test_pressing_it_twice_does_not(self) -> None:
        room.given(*waiting).when(play, by=ANA, after=2.4).then()

    def test_when_the_wait_has_been_long_enough_it_goes_on_without_them(self) -> None:
        room.given(*waiting).when(release, by=SYSTEM, after=32).then(
            Excused(uid=BOB, excused=True, reason="limit", at=later(32)),
            Excused(uid=CYD, excused=True, reason="limit", at=later(32)),
            Played(by=SYSTEM, position=0.0, at=later(32), said_at=later(32)),
        )

    def test_the_timer_of_an_earlier_wait_is_too_early(self) -> None:
        room.given(*waiting).when(release, by=SYSTEM, after=31.9).then()

    def test_who_was_waited_for_in_vain_is_not_waited_for_again(self) -> None:
        history = told(waiting, (release, SYSTEM, 32), (pause, ANA, 40))

        room.given(*history).when(play, by=ANA, after=50).then(
            Played(by=ANA, position=8.0, at=later(50), said_at=later(50))
        )

    @pytest.mark.parametrize("pardon_ends", [(ready(BOB, after=41), ready(BOB, False, after=42)), (watching("x", 41),)])
    def test_until_they_were_ready_or_something_else_is_watched(self, pardon_ends: tuple[PartyEvent, ...]) -> None:
        history = told(waiting, (release, SYSTEM, 32), (pause, ANA, 40))

        (event,) = room.given(*history, *pardon_ends).when(play, by=ANA, after=50).outcome()

        assert isinstance(event, Held)
        assert BOB in event.waits_for

    def test_something_else_is_watched_and_nobody_waits_any_more(self) -> None:
        assert rules.fold([*waiting, watching("x", 4)]).waiting is None


class TestReady:
    def test_a_member_is_ready_and_then_is_not(self) -> None:
        room.given(*both).when(Ready(party_id=P), by=BOB).then(ready(BOB))
        room.given(*both, ready(BOB)).when(Ready(party_id=P, ready=False), by=BOB).then(ready(BOB, False))

    def test_as_ready_as_before_changes_nothing(self) -> None:
        room.given(*both, ready(BOB)).when(Ready(party_id=P), by=BOB).then()
        room.given(*both).when(Ready(party_id=P, ready=False), by=BOB).then()

    def test_nobody_is_ready_for_something_else(self) -> None:
        room.given(*both, ready(BOB), watching("x", 1)).when(Ready(party_id=P), by=BOB, after=2).then(
            ready(BOB, after=2)
        )

    def test_who_was_ready_and_waited_for_in_vain_says_so_again_to_be_waited_for(self) -> None:
        vain = Excused(uid=BOB, excused=True, reason="limit", at=NOW)

        room.given(*both, ready(BOB), vain).when(Ready(party_id=P), by=BOB).then(ready(BOB))
        room.given(*both, ready(BOB), vain, ready(BOB, False)).when(Ready(party_id=P), by=BOB).then(ready(BOB))
        assert rules.fold([*both, ready(BOB), vain, ready(BOB, False)]).members[BOB].pardoned


class TestExcuse:
    def test_a_member_asks_not_to_be_waited_for_and_then_to_be(self) -> None:
        asked = Excused(uid=BOB, excused=True, reason="asked", at=NOW)

        room.given(*both).when(Excuse(party_id=P), by=BOB).then(asked)
        room.given(*both, asked).when(Excuse(party_id=P, excused=False), by=BOB).then(
            Excused(uid=BOB, excused=False, reason="asked", at=NOW)
        )

    def test_asking_again_changes_nothing(self) -> None:
        asked = Excused(uid=BOB, excused=True, reason="asked", at=NOW)

        room.given(*both, asked).when(Excuse(party_id=P), by=BOB).then()
        room.given(*both).when(Excuse(party_id=P, excused=False), by=BOB).then()

    def test_it_holds_for_what_is_watched_next_too(self) -> None:
        asked = Excused(uid=BOB, excused=True, reason="asked", at=NOW)

        assert rules.fold([*both, asked, watching("x", 1)]).members[BOB].excused


class TestStall:
    hold = Hold(party_id=P, uids=(CYD, BOB))
    running = (*four, Played(by=ANA, position=10.0, at=later(2)))

    def test_the_party_waits_for_players_that_cannot_go_on(self) -> None:
        room.given(*self.running).when(self.hold, by=SYSTEM, after=7, ambient=LEAD).then(
            Held(
                by=SYSTEM, why="stalled", waits_for=(BOB, CYD), position=15.3, at=later(7.3), until=later(37),
                said_at=later(7),
            )
        )  # fmt: skip

    def test_not_for_who_is_gone_or_need_not_be_waited_for(self) -> None:
        spared = (
            Excused(uid=BOB, excused=True, reason="asked", at=later(3)),
            Excused(uid=CYD, excused=True, reason="limit", at=later(3)),
        )
        hold = Hold(party_id=P, uids=(BOB, CYD, EVE))

        room.given(*self.running, *spared).when(hold, by=SYSTEM, after=7).then()

    def test_not_while_nothing_plays(self) -> None:
        room.given(*four).when(self.hold, by=SYSTEM, after=7).then()
        room.given(*counting, joined(CYD)).when(self.hold, by=SYSTEM, after=7).then()
        room.given(*stalled).when(self.hold, by=SYSTEM, after=60).then()
        room.given(*closed).when(self.hold, by=SYSTEM, after=7).then()
        room.when(self.hold, by=SYSTEM).then()

    def test_it_waits_again_after_a_while_only(self) -> None:
        history = told(stalled, (Release(party_id=P, recovered=(BOB, CYD)), SYSTEM, 9))

        room.given(*history).when(self.hold, by=SYSTEM, after=16.9).then()
        assert room.given(*history).when(self.hold, by=SYSTEM, after=17).outcome()

    def test_being_unready_is_no_stall(self) -> None:
        history = told((*self.running, ready(DAN)), (self.hold, SYSTEM, 7))

        room.given(*history).when(Ready(party_id=P, ready=False), by=DAN, after=8).then(ready(DAN, False, after=8))

    def test_it_goes_on_when_all_are_there_again(self) -> None:
        room.given(*stalled).when(
            Release(party_id=P, recovered=(CYD, EVE, BOB)), by=SYSTEM, after=9, ambient=LEAD
        ).then(Played(by=SYSTEM, position=15.0, at=later(9.3), said_at=later(9)))

    def test_it_still_waits_for_the_others(self) -> None:
        some = room.given(*stalled).when(Release(party_id=P, recovered=(BOB,)), by=SYSTEM, after=9)

        some.then(
            Held(
                by=SYSTEM, why="stalled", waits_for=(CYD,), position=15.0, at=later(9), until=later(37),
                said_at=later(9),
            )
        )  # fmt: skip
        state = rules.fold([*stalled, *some.outcome()])
        assert state.stalled_at == later(7)
        assert state.waiting
        assert state.waiting.since == later(7)

    def test_who_is_not_waited_for_need_not_be_there_again(self) -> None:
        room.given(*stalled).when(Release(party_id=P, recovered=(DAN,)), by=SYSTEM, after=9).then()

    def test_when_the_wait_has_been_long_enough_it_goes_on_without_those_left(self) -> None:
        room.given(*stalled).when(Release(party_id=P, recovered=(BOB,)), by=SYSTEM, after=37).then(
            Excused(uid=CYD, excused=True, reason="limit", at=later(37)),
            Played(by=SYSTEM, position=15.0, at=later(37), said_at=later(37)),
        )

    def test_nobody_is_released_who_is_not_held(self) -> None:
        for history in ((), both, playing, closed, (*waiting, Closed(by=ANA, reason="closed", at=later(3)))):
            room.given(*history).when(release, by=SYSTEM, after=99).then()

    def test_it_is_nobodys_control(self) -> None:
        before, after = rules.fold(self.running), rules.fold(told(self.running, (self.hold, SYSTEM, 7)))

        assert (after.last, after.controls) == (before.last, before.controls)
        room.given(*stalled).when(undo, by=ANA, after=8).then(undone("play", 0.0, 8))

    def test_it_can_be_ended_by_hand(self) -> None:
        room.given(*stalled).when(play, by=ANA, after=9).then(
            Played(by=ANA, position=15.0, at=later(9), said_at=later(9))
        )
        room.given(*stalled).when(pause, by=ANA, after=9).then(
            Paused(by=ANA, position=15.0, at=later(9), said_at=later(9))
        )


class TestWithout:
    """What follows when members go who were waited for."""

    on = Played(by=SYSTEM, position=0.0, at=later(5), said_at=later(5))

    def follows(self, history: Sequence[PartyEvent], *uids: str) -> list[PartyEvent]:
        return without(rules.fold(history), uids, Context(actor=BOB, now=later(5)))

    def test_the_wait_goes_on_for_the_others(self) -> None:
        assert self.follows(waiting, BOB) == []
        assert self.follows(waiting, DAN, EVE) == []

    def test_it_ends_with_the_last_one(self) -> None:
        assert self.follows(waiting, DAN, CYD, BOB) == [self.on]

    @pytest.mark.parametrize(
        "gone",
        [
            Left(uid=BOB, private=False, at=later(4)),
            Left(uid=BOB, private=False, at=later(4), reason="unseen"),
            Kicked(uid=BOB, by=ANA, at=later(4)),
            Banned(uid=BOB, by=ANA, at=later(4)),
        ],
    )
    def test_who_is_gone_is_no_longer_waited_for(self, gone: PartyEvent) -> None:
        assert self.follows([*waiting, gone], CYD) == [self.on]

    def test_nothing_follows_when_nobody_waits(self) -> None:
        assert self.follows(playing, BOB) == []


CONTROLS: tuple[PlaybackCommand, ...] = (
    Play(party_id=P), Pause(party_id=P), Seek(party_id=P, position=50.0), ChangeRate(party_id=P, rate=2.0), undo,
)  # fmt: skip
OWN: tuple[PlaybackCommand, ...] = (Ready(party_id=P), Excuse(party_id=P))
ACTIONS = {
    "party.play": "play",
    "party.pause": "play",
    "party.rate": "play",
    "party.seek": "seek",
    "party.undo": "seek",
}


@pytest.mark.parametrize("command", [*CONTROLS, *OWN], ids=lambda c: c.function)
class TestEverybody:
    def test_needs_to_be_signed_in(self, command: PlaybackCommand) -> None:
        room.given(*playing).when(command).then_rejected("not-signed-in")

    def test_needs_a_party(self, command: PlaybackCommand) -> None:
        room.when(command, by=ANA).then_rejected("no-such-party")

    def test_needs_an_open_party(self, command: PlaybackCommand) -> None:
        for uid in (ANA, BOB, CYD):
            room.given(*closed).when(command, by=uid).then_rejected("party-closed")

    def test_needs_to_be_a_member(self, command: PlaybackCommand) -> None:
        room.given(*playing).when(command, by=CYD).then_rejected("not-a-member")
        gone = Left(uid=BOB, private=False, at=later(3))
        room.given(*playing, gone).when(command, by=BOB).then_rejected("not-a-member")


@pytest.mark.parametrize("command", CONTROLS, ids=lambda c: c.function)
class TestControls:
    def test_are_for_those_whom_the_table_lets(self, command: PlaybackCommand) -> None:
        action = ACTIONS[command.function]
        deputy = cohost(BOB, 3)
        strict = configured(permissions=replace(Permissions(), **{action: "host"}))
        free = configured(permissions=replace(Permissions(), **{action: "member"}))

        room.given(*playing).when(command, by=BOB, after=9).then_rejected("not-the-host", action=action, needs="cohost")
        room.given(*playing, deputy).when(command, by=BOB, after=9).outcome()
        room.given(*playing, deputy, strict).when(command, by=BOB, after=9).then_rejected(
            "not-the-host", action=action, needs="host"
        )
        room.given(*playing, free).when(command, by=BOB, after=9).outcome()

    def test_who_may_not_is_told_so_even_if_nothing_would_change(self, command: PlaybackCommand) -> None:
        at_fifty = (*playing, Sought(by=ANA, position=50.0, at=later(9)))

        room.given(*at_fifty).when(command, by=BOB, after=9).then_rejected("not-the-host")

    def test_are_limited_for_each_person_in_each_party(self, command: PlaybackCommand) -> None:
        busy = (*playing, Sought(by=ANA, position=300.0, at=later(9)), Sought(by=ANA, position=400.0, at=later(9.4)))
        stopped = (*busy, Paused(by=BOB, position=400.0, at=later(9.4))) if isinstance(command, Play) else busy
        deputy = cohost(BOB, 3)

        room.given(*stopped).when(command, by=ANA, after=9.6).then_rejected("rate-limited", retry_after=0.4)
        assert room.given(*stopped, deputy).when(command, by=BOB, after=9.6).outcome()
        assert room.given(*stopped).when(command, by=ANA, after=10).outcome()


class TestLimit:
    burst = (*playing, Sought(by=ANA, position=300.0, at=later(9)), Sought(by=ANA, position=50.0, at=later(9)))

    def test_what_changes_nothing_is_never_too_often(self) -> None:
        for command in (play, Seek(party_id=P, position=50.0), ChangeRate(party_id=P, rate=1.0)):
            room.given(*self.burst).when(command, by=ANA, after=9).then()

    def test_a_control_counts_when_it_was_given_not_when_it_took_effect(self) -> None:
        early = tuple(Sought(by=ANA, position=p, at=later(9.9), said_at=later(9)) for p in (300.0, 400.0))

        assert room.given(*playing, *early).when(pause, by=ANA, after=10).outcome()

    def test_an_installation_may_set_none(self) -> None:
        free = spec(decider(Rules(controls_per_second=0)))

        assert free.given(*self.burst).when(pause, by=ANA, after=9).outcome()


# Properties: whatever people do to playback, in whatever order.

positions = st.floats(min_value=0, max_value=LONGEST)
maybe = st.one_of(st.none(), positions)
uids = st.lists(st.sampled_from([ANA, BOB, CYD, DAN, EVE]), max_size=5).map(tuple)
wishes: st.SearchStrategy[PlaybackCommand] = st.one_of(
    st.builds(Play, party_id=st.just(P), position=maybe, countdown=st.sampled_from([0.0, 3.0, 30.0])),
    st.builds(Pause, party_id=st.just(P), position=maybe),
    st.builds(Seek, party_id=st.just(P), position=positions),
    st.builds(ChangeRate, party_id=st.just(P), rate=st.floats(min_value=0.25, max_value=4.0)),
    st.just(undo),
    st.builds(Ready, party_id=st.just(P), ready=st.booleans()),
    st.builds(Excuse, party_id=st.just(P), excused=st.booleans()),
)
orders: st.SearchStrategy[PlaybackCommand] = st.one_of(
    st.builds(Hold, party_id=st.just(P), uids=uids), st.builds(Release, party_id=st.just(P), recovered=uids)
)
asked = st.one_of(st.tuples(st.sampled_from([ANA, BOB, CYD, DAN, EVE]), wishes), st.tuples(st.just(SYSTEM), orders))
surroundings = st.fixed_dictionaries(
    {"lead": st.sampled_from([0.0, 0.3, 1.0])}, optional={"present": st.frozensets(st.sampled_from([ANA, BOB, EVE]))}
)
steps = st.lists(st.tuples(asked, st.sampled_from([0.0, 0.3, 1.0, 7.5, 31.0]), surroundings), max_size=30)
codec = Codec(EVENTS)


unlimited = decider(Rules(controls_per_second=0))


def carry_out(command: PlaybackCommand, party: Party, context: Context) -> list[PartyEvent]:
    refusal = ""
    try:
        return unlimited.decide(command, party, context)
    except Rejected as rejected:
        refusal = rejected.code
    assert refusal in command.errors
    return []


@settings(max_examples=100)
@given(st.booleans(), st.booleans(), steps)
def test_whatever_people_do_playback_is_somewhere_and_the_same_wish_again_is_silence(
    wait: bool,
    free: bool,
    steps: list[tuple[tuple[str, PlaybackCommand], float, dict[str, object]]],
) -> None:
    permissions = Permissions(play="member", seek="member") if free else Permissions()
    history: list[PartyEvent] = [*four, configured(wait=wait, permissions=permissions)]
    party, now = rules.fold(history), NOW
    for (actor, command), pause, ambient in steps:
        now += timedelta(seconds=pause)
        context = Context(actor=actor, now=now, command_id=P, ambient=ambient)
        events = carry_out(command, party, context)
        party = rules.fold(events, party)
        history += events

        assert codec.decode(codec.encode(events)) == tuple(events)
        for moment in (0.0, 1.0, 2 * LONGEST):
            assert 0 <= party.place(now + timedelta(seconds=moment)) <= LONGEST
        assert party.waiting is None or (party.waiting.waits_for and not party.anchor.playing)
        assert party.waiting is None or set(party.waiting.waits_for) <= party.members.keys()
        assert not events or unlimited.decide(command, party, context) == [], "the same wish again"
    assert rules.fold(history) == party
    assert msgspec.convert(msgspec.json.decode(msgspec.json.encode(party)), Party) == party, "as a snapshot"


@given(wishes, wishes)
def test_an_undo_that_is_undone_leaves_playback_as_it_was(first: PlaybackCommand, second: PlaybackCommand) -> None:
    history = told(playing, (first, ANA, 10), (second, ANA, 20))
    redone = told(history, (undo, ANA, 30), (undo, ANA, 30.5))

    before, after = rules.fold(history), rules.fold(redone)
    assert (after.anchor.playing, after.anchor.rate) == (before.anchor.playing, before.anchor.rate)
    assert after.place(later(30.5)) == before.place(later(30))
