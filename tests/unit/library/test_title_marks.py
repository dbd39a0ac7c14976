"""Marks, choices, what leaves the history, and what imports bring."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from msgspec import UNSET
from msgspec.structs import replace

from events.contracts.library import (
    Completed,
    Details,
    ItemChange,
    ItemChanged,
    LegacyStatus,
    Mark,
    Marked,
    PlaysRemoved,
    RemovePlays,
    Season,
    SetItem,
    TakeIn,
    TakenIn,
    TakenPlay,
    TakenPosition,
    TitleEvent,
    shelf_key,
)
from events.testing import NOW, spec
from library.shelf import Shelf
from library.title import decider, sessions
from library.title.reasons import reasons
from library.title.state import Title, mark_id, stamp
from library.title.summary import Summary, summary

ANA = "ana"
FILM = "tt0133093"
SERIES = "tt0944947"
OP = "0p"
COMMAND = "c0mmand0c0mmand0c0mmand0cc"

title = spec(decider())


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def marked(*slots: str, watched: bool = True, seconds: float = 0.0, **more: Any) -> Marked:
    at = after(seconds)
    base = {"work": SERIES, "at": at, "told_at": at, "op": COMMAND, "watched_at": at if watched else None}
    return Marked(**{"uid": ANA, "watched": watched, "slots": slots, **base, **more})


def chosen(seconds: float = 0.0, op: str = COMMAND, work: str = FILM, **change: Any) -> ItemChanged:
    at = after(seconds)
    return ItemChanged(uid=ANA, work=work, change=ItemChange(**change), at=at, told_at=at, op=op)


def taken(*plays: TakenPlay, seconds: float = 0.0, source: str = "i1", **more: Any) -> TakenIn:
    at = after(seconds)
    base = {"uid": ANA, "work": FILM, "format": "trakt", "at": at, "told_at": at}
    return TakenIn(**{**base, "plays": plays, "source": source, **more})


def played(seconds: float = 0.0, **more: Any) -> Completed:
    at = after(seconds)
    base = {"uid": ANA, "work": FILM, "position": 95.0, "duration": 100.0, "at": at, "own": at, "told_at": at}
    return Completed(**{**base, "session": "s1", "play": "s1", "player": "5c1e", **more})


def shown(*events: TitleEvent, undone: tuple[str, ...] = (), cleared: datetime | None = None) -> Summary:
    return summary(decider().fold(events), frozenset(undone), cleared)


def season(number: int, *episodes: int) -> Season:
    return Season(season=number, episodes=episodes)


class TestMarks:
    def test_are_of_a_film(self) -> None:
        title.when(Mark(work=FILM), by=ANA).then(marked("film", work=FILM))

    def test_are_of_the_episode_that_the_id_names(self) -> None:
        title.when(Mark(work=f"{SERIES}:1:2"), by=ANA).then(marked("1-2"))
        title.when(Mark(work=f"{SERIES}:1:2", seasons=(season(1, 2),)), by=ANA).then(marked("1-2"))

    def test_are_of_whole_seasons_at_once(self) -> None:
        several = Mark(work=SERIES, seasons=(season(1, 1, 2), season(2, 1), season(1, 2)))

        title.when(several, by=ANA).then(marked("1-1", "1-2", "2-1"))

    def test_can_be_taken_back(self) -> None:
        title.given(marked("1-1", op=OP)).when(Mark(work=f"{SERIES}:1:1", watched=False), by=ANA, after=5).then(
            marked("1-1", watched=False, seconds=5)
        )

    def test_that_take_back_what_nobody_said_are_silence(self) -> None:
        unmark = Mark(work=f"{SERIES}:1:1", watched=False)

        title.when(unmark, by=ANA).then()
        title.given(marked("1-1", op="a"), marked("1-1", watched=False, seconds=5, op="b")).when(
            unmark, by=ANA, after=9
        ).then()

    def test_told_again_are_silence(self) -> None:
        told = Mark(work=SERIES, seasons=(season(1, 1),), op=OP)
        first = marked("1-1", op=OP)

        title.given(first).when(told, by=ANA, after=5, command_id="another").then()
        title.given(first, marked("1-1", watched=False, seconds=5, op="un")).when(
            told, by=ANA, after=7 * 86_400, command_id="another"
        ).then()

    def test_of_what_is_watched_already_are_silence(self) -> None:
        season_one = Mark(work=SERIES, seasons=(season(1, 1, 2),))

        title.given(marked("1-1", "1-2", op=OP)).when(season_one, by=ANA, after=5).then()
        title.given(marked("1-1", op=OP)).when(season_one, by=ANA, after=5).then(marked("1-2", seconds=5))
        title.given(played()).when(Mark(work=FILM), by=ANA, after=90).then()

    def test_of_what_is_watched_already_count_once_that_is_taken_back_or_of_an_import(self) -> None:
        told = marked("film", work=FILM, op=OP)
        back = marked("film", work=FILM, watched=False, seconds=5, op="un")
        gone = PlaysRemoved(uid=ANA, work=FILM, plays=(shown(told).plays[0].play,), at=after(5))

        for before in ((told, back), (told, gone), (taken(TakenPlay("film", "trakt:1")),)):
            assert title.given(*before).when(Mark(work=FILM), by=ANA, after=9).outcome(), before

    def test_of_what_is_watched_already_count_when_they_say_when(self) -> None:
        earlier = Mark(work=FILM, watched_at=after(-86_400))

        assert title.given(marked("film", work=FILM, op=OP)).when(earlier, by=ANA, after=5).outcome()

    def test_told_with_their_time_again_are_silence_also_without_an_id(self) -> None:
        told = Mark(work=SERIES, seasons=(season(1, 1),), at=NOW)
        first = title.when(told, by=ANA).outcome()

        title.given(*first).when(replace(told, sent_at=after(5)), by=ANA, after=5, command_id="another").then()

    def test_told_late_have_their_own_time(self) -> None:
        told = Mark(work=SERIES, seasons=(season(1, 1),), at=NOW, op=OP)

        title.when(told, by=ANA, after=5).then(marked("1-1", told_at=after(5), op=OP))

    def test_know_when_it_was_watched(self) -> None:
        long_ago = after(-9 * 365 * 86_400)

        title.when(Mark(work=FILM, watched_at=long_ago), by=ANA).then(marked("film", work=FILM, watched_at=long_ago))
        title.when(Mark(work=FILM, watched_at=None), by=ANA).then(marked("film", work=FILM, watched_at=None))
        title.when(Mark(work=FILM, watched_at=after(60)), by=ANA).then(marked("film", work=FILM))

    def test_set_the_status_as_well(self) -> None:
        both = Mark(work=SERIES, seasons=(season(1, 1),), status="watching")

        title.when(both, by=ANA).then(marked("1-1"), chosen(work=SERIES, status="watching"))

    def test_are_refused_where_two_episodes_are_named(self) -> None:
        title.when(Mark(work=f"{SERIES}:1:2", seasons=(season(1, 3),)), by=ANA).then_rejected("no-such-episode")

    def test_are_refused_beyond_what_one_batch_holds(self) -> None:
        many = tuple(season(number, *range(500)) for number in range(5))

        title.when(Mark(work=SERIES, seasons=many), by=ANA).then_rejected("too-many-episodes", limit=2_000)

    def test_are_refused_beyond_what_a_title_holds(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sessions, "EPISODES", 2)

        title.given(marked("1-1", op=OP)).when(Mark(work=SERIES, seasons=(season(1, 1, 2),)), by=ANA).then(
            marked("1-2")
        )
        title.given(marked("1-1")).when(Mark(work=SERIES, seasons=(season(1, 2, 3),)), by=ANA).then_rejected(
            "too-many-episodes"
        )

    @pytest.mark.parametrize("seconds", [-91 * 86_400])
    def test_are_refused_when_they_are_too_old(self, seconds: float) -> None:
        title.when(Mark(work=FILM, at=after(seconds)), by=ANA).then_rejected("too-old")

    def test_of_one_operation_shared_with_a_choice_both_count(self) -> None:
        title.given(marked("film", work=FILM, op=OP)).when(SetItem(work=FILM, favourite=True, op=OP), by=ANA).then(
            chosen(op=OP, favourite=True)
        )


class TestWhatMarksShow:
    def test_is_watched_until_it_is_taken_back(self) -> None:
        assert shown(marked("1-1")).slots[0].watched
        assert not shown(marked("1-1"), marked("1-1", watched=False, seconds=5, op="un")).slots[0].watched

    def test_is_an_entry_of_the_history(self) -> None:
        (play,) = shown(marked("1-1")).plays

        assert (play.rule, play.watched_at, play.slot) == ("mark", NOW, "1-1")

    def test_is_no_second_entry_for_what_was_played(self) -> None:
        found = shown(played(), marked("film", work=FILM, seconds=60))

        assert [play.play for play in found.plays] == ["s1"]
        assert found.slots[0].watched_at == NOW

    def test_is_another_entry_if_it_tells_another_time(self) -> None:
        found = shown(played(), marked("film", work=FILM, seconds=60, watched_at=after(30)))

        assert [play.rule for play in found.plays] == ["position", "mark"]
        assert found.slots[0].watched_at == after(30)

    def test_is_the_first_of_two_marks_and_the_later_of_two_told_ones(self) -> None:
        again = marked("1-1", seconds=60, op="again")
        told = marked("1-1", seconds=60, op="again", told_at=after(90))

        assert shown(marked("1-1"), again).slots[0].watched_at == NOW
        assert shown(marked("1-1"), told).slots[0].watched_at == after(60)

    def test_an_un_mark_overtakes_plays_and_a_play_overtakes_it(self) -> None:
        unmarked = marked("film", work=FILM, watched=False, seconds=60)

        assert not shown(played(), unmarked).slots[0].watched
        assert shown(played(), unmarked, played(120, session="s2", play="s2")).slots[0].watched

    def test_brings_the_next_episode(self) -> None:
        details = Details(kind="series", seasons=(season(0, 1), season(1, 1, 2), season(2, 1)))
        whole = chosen(work=SERIES, details=details)

        def going(*events: TitleEvent) -> str | None:
            found = shown(whole, *events).continues
            return found.slot if found else None

        assert going(marked("1-1")) == "1-2"
        assert going(marked("1-1", "1-2")) == "2-1"
        assert going(marked("2-1"), marked("1-1", seconds=5, op="b")) == "1-2"
        assert going(marked("1-1", "1-2", "2-1")) is None

    def test_is_the_title_finished_when_all_that_is_known_is_watched(self) -> None:
        details = Details(kind="series", seasons=(season(0, 1), season(1, 1, 2)))
        whole = chosen(work=SERIES, details=details)

        assert shown(whole).status is None
        assert (shown(whole, marked("1-1")).status, shown(whole, marked("1-1")).progress) == ("watching", 50.0)
        assert (shown(whole, marked("1-1", "1-2")).status, shown(whole, marked("1-1", "1-2")).progress) == (
            "finished",
            100.0,
        )


class TestChoices:
    def test_are_independent_of_one_another(self) -> None:
        before = chosen(op=OP, in_watchlist=True, reaction="loved", favourite=True)

        title.given(before).when(SetItem(work=FILM, status="watching"), by=ANA, after=5).then(
            chosen(5, status="watching")
        )
        found = shown(before, chosen(5, status="watching"))
        assert (found.in_watchlist, found.reaction, found.favourite) == (True, "loved", True)

    def test_that_are_so_already_are_silence(self) -> None:
        title.given(chosen(op=OP, favourite=True)).when(SetItem(work=FILM, favourite=True), by=ANA, after=5).then()
        title.when(SetItem(work=FILM, favourite=False, hidden=False, reaction=None), by=ANA).then()
        title.when(SetItem(work=FILM), by=ANA).then()

    def test_of_a_status_are_news_once_what_was_watched_has_moved_it_on(self) -> None:
        before = chosen(op=OP, status="watching"), played(5)
        assert shown(*before).status == "finished"

        title.given(*before).when(SetItem(work=FILM, status="watching"), by=ANA, after=9).then(
            chosen(9, status="watching")
        )
        after_all = *before, chosen(9, status="watching")
        title.given(*after_all).when(SetItem(work=FILM, status="watching"), by=ANA, after=12).then()

    def test_are_never_silent_where_they_may_stand_under_another_id(self) -> None:
        shelf = Shelf(joined={"": ((FILM, "tmdb:movie:603"),)})

        for wish in (SetItem(work=FILM, in_watchlist=False), Mark(work=FILM, watched=False)):
            assert title.when(wish, by=ANA, seen={str(shelf_key(ANA)): shelf}).outcome(), wish
            assert not title.when(wish, by=ANA).outcome(), wish

    def test_are_news_where_an_import_said_the_same(self) -> None:
        brought = taken(change=ItemChange(favourite=True))

        title.given(brought).when(SetItem(work=FILM, favourite=True), by=ANA, after=5).then(chosen(5, favourite=True))

    def test_can_be_taken_away(self) -> None:
        title.given(chosen(op=OP, reaction="loved")).when(SetItem(work=FILM, reaction=None), by=ANA, after=5).then(
            chosen(5, reaction=None)
        )
        assert shown(chosen(reaction="loved"), chosen(5, reaction=None)).reaction is None

    def test_told_late_lose_against_later_ones(self) -> None:
        late = SetItem(work=FILM, reaction="mixed", at=after(2))

        title.given(chosen(5, reaction="loved")).when(late, by=ANA, after=60).then()

    def test_told_again_are_silence(self) -> None:
        told = SetItem(work=FILM, favourite=True, op=OP)
        history = title.given(chosen(op=OP, favourite=True), chosen(5, favourite=False))

        history.when(told, by=ANA, after=7 * 86_400, command_id="another").then()

    def test_hide_from_continue_watching_until_it_is_taken_back(self) -> None:
        going = played(position=10.0), chosen(5, hidden=True)

        assert shown(*going).continues is None
        assert shown(*going).hidden

    def test_of_the_status_win_over_what_was_watched_before(self) -> None:
        assert shown(played()).status == "finished"
        assert shown(played(), chosen(5, status="want-to-watch")).status == "want-to-watch"
        again = played(60, session="s2", play="s2")
        assert shown(played(), chosen(5, status="want-to-watch"), again).status == "finished"

    def test_are_older_or_newer_than_what_a_cleared_history_says(self) -> None:
        found = shown(played(), chosen(5, favourite=True), cleared=after(1))

        assert (found.favourite, found.status, found.plays) == (True, None, ())

    @pytest.mark.parametrize(
        ("legacy", "progress", "expected"),
        [
            ("plan-to-watch", UNSET, {"status": "want-to-watch"}),
            ("watching", UNSET, {"status": "watching"}),
            ("completed", UNSET, {"status": "finished"}),
            ("liked", UNSET, {"status": "finished", "reaction": "liked"}),
            ("dropped", UNSET, {"status": "want-to-watch", "reaction": "not-for-me"}),
            ("dropped", 45.0, {"status": "watching", "reaction": "not-for-me", "progress": 45.0}),
            ("dropped", 90.0, {"status": "finished", "reaction": "not-for-me", "progress": 90.0}),
        ],
    )
    def test_take_over_the_older_status(self, legacy: LegacyStatus, progress: Any, expected: dict[str, Any]) -> None:
        title.when(SetItem(work=FILM, legacy_status=legacy, progress=progress), by=ANA).then(chosen(**expected))

    def test_drop_by_how_far_it_is(self) -> None:
        dropped = SetItem(work=FILM, legacy_status="dropped")

        title.given(chosen(op=OP, progress=50.0)).when(dropped, by=ANA, after=5).then(
            chosen(5, status="watching", reaction="not-for-me")
        )

    def test_win_over_the_older_status(self) -> None:
        both = SetItem(work=FILM, legacy_status="liked", reaction="loved")

        title.when(both, by=ANA).then(chosen(status="finished", reaction="loved"))

    @pytest.mark.parametrize(
        ("status", "reaction", "legacy"),
        [
            (None, None, None),
            ("want-to-watch", None, "plan-to-watch"),
            ("watching", "loved", "watching"),
            ("finished", None, "completed"),
            ("finished", "loved", "liked"),
            ("finished", "mixed", "completed"),
            ("watching", "not-for-me", "dropped"),
        ],
    )
    def test_have_a_word_of_the_older_status(self, status: Any, reaction: Any, legacy: LegacyStatus | None) -> None:
        assert shown(chosen(status=status, reaction=reaction)).legacy_status == legacy


class TestRemoving:
    def test_takes_a_play_out_of_the_history(self) -> None:
        gone = PlaysRemoved(uid=ANA, work=FILM, plays=("s1",), at=after(5))

        title.given(played()).when(RemovePlays(work=FILM, plays=("s1",)), by=ANA, after=5).then(gone)
        title.given(played(), gone).when(RemovePlays(work=FILM, plays=("s1",)), by=ANA, after=6).then()
        found = shown(played(), gone)
        assert (found.plays, found.slots[0].watched, found.continues) == ((), False, None)

    def test_leaves_what_else_shows_it_as_watched(self) -> None:
        gone = PlaysRemoved(uid=ANA, work=FILM, plays=("s1",), at=after(5))

        assert shown(played(), played(60, session="s2", play="s2"), gone).slots[0].watched

    def test_takes_all_marks_of_an_episode(self) -> None:
        marks = marked("1-1"), marked("1-1", seconds=5, op="again")
        ids = tuple(mark_id(mark, "1-1") for mark in decider().fold(marks).slots["1-1"].marks)
        (event,) = title.given(*marks).when(RemovePlays(work=SERIES, plays=ids[:1]), by=ANA, after=9).outcome()

        assert isinstance(event, PlaysRemoved)
        assert event.plays == ids
        assert shown(*marks, event).slots == ()

    def test_takes_what_an_import_brought(self) -> None:
        brought = taken(TakenPlay("film", "trakt:1", NOW))

        title.given(brought).when(RemovePlays(work=FILM, plays=("trakt:1",)), by=ANA).then(
            PlaysRemoved(uid=ANA, work=FILM, plays=("trakt:1",), at=NOW)
        )

    def test_of_what_is_not_there_is_refused(self) -> None:
        title.given(played()).when(RemovePlays(work=FILM, plays=("s1", "s9")), by=ANA).then_rejected(
            "no-such-play", play="s9"
        )


class TestTakingIn:
    command = TakeIn(
        uid=ANA,
        work=FILM,
        source="i1",
        format="trakt",
        at=NOW,
        plays=(TakenPlay("film", "trakt:1", after(-60)),),
        change=ItemChange(favourite=True),
        resume=TakenPosition("film", 30.0, NOW, 100.0),
        cleared=True,
    )
    event = TakenIn(
        uid=ANA,
        work=FILM,
        source="i1",
        format="trakt",
        at=NOW,
        told_at=NOW,
        plays=command.plays,
        change=command.change,
        resume=command.resume,
        cleared=True,
    )

    def test_needs_nobody_signed_in(self) -> None:
        title.when(self.command).then(self.event)

    def test_is_silence_the_second_time(self) -> None:
        title.given(self.event).when(self.command, after=60).then()

    def test_brings_only_what_is_missing(self) -> None:
        more = TakeIn(
            uid=ANA,
            work=FILM,
            source="i1",
            format="trakt",
            at=after(5),
            plays=(*self.command.plays, TakenPlay("film", "trakt:2")),
            change=ItemChange(favourite=True, hidden=True),
        )

        title.given(self.event).when(more, after=60).then(
            taken(TakenPlay("film", "trakt:2"), seconds=5, told_at=after(60), change=ItemChange(hidden=True))
        )

    def test_shows_what_came_and_from_where(self) -> None:
        found = shown(self.event)

        assert [(play.play, play.source, play.watched_at) for play in found.plays] == [("trakt:1", "i1", after(-60))]
        assert (found.slots[0].watched, found.slots[0].position, found.favourite) == (True, 30.0, True)
        assert found.continues is not None

    def test_is_gone_without_a_trace_when_it_is_undone(self) -> None:
        mine = played(-100), chosen(-50, favourite=True, reaction="loved")

        assert shown(*mine, self.event) != shown(*mine)
        assert shown(*mine, self.event, undone=("i1",)) == shown(*mine)
        assert shown(self.event, undone=("i1",)) == shown()

    def test_replaces_what_was_known_before(self) -> None:
        found = shown(played(-100), marked("film", work=FILM, seconds=-50), self.event)

        assert [play.play for play in found.plays] == ["trakt:1"]

    def test_does_not_replace_what_came_later(self) -> None:
        assert len(shown(self.event, played(60)).plays) == 2

    def test_counts_once_for_two_imports_of_the_same_play(self) -> None:
        again = taken(TakenPlay("film", "trakt:1", after(-60)), seconds=5, source="i2")
        once = taken(TakenPlay("film", "trakt:1", after(-60)))

        assert len(shown(once, again).plays) == 1
        assert len(shown(once, again, undone=("i1",)).plays) == 1
        assert len(shown(once, again, undone=("i1", "i2")).plays) == 0

    def test_of_an_unknown_time_says_nothing_about_what_comes_now(self) -> None:
        details = ItemChange(details=Details(kind="series", seasons=(season(1, 1, 2),)))
        flags = taken(TakenPlay("1-1", "stremio:1-1"), change=details)

        assert shown(flags).continues is None
        assert shown(flags).slots[0].watched_at is None


class TestWhy:
    def why(self, *events: TitleEvent, undone: tuple[str, ...] = (), cleared: datetime | None = None) -> list[Any]:
        found = reasons(decider().fold(events), frozenset(undone), cleared)
        return [(reason.what, reason.rule, reason.counts) for reason in found]

    def test_names_each_play_with_its_rule_and_share(self) -> None:
        (reason,) = reasons(decider().fold([played(watched=80.0)]), frozenset(), None)

        assert (reason.what, reason.rule, reason.player, reason.play) == ("played", "95 % of its length", "5c1e", "s1")
        assert (reason.watched_share, reason.at, reason.known_at) == (0.8, NOW, NOW)

    def test_says_what_no_longer_counts(self) -> None:
        unmarked = marked("film", work=FILM, watched=False, seconds=60, op="un")

        assert self.why(played(), marked("film", work=FILM, seconds=30), unmarked) == [
            ("unmarked", "marked as not watched by hand", True),
            ("marked", "marked by hand", False),
            ("played", "95 % of its length", False),
        ]

    def test_tells_imports_also_when_they_are_undone(self) -> None:
        brought = taken(TakenPlay("film", "trakt:1", NOW))

        assert self.why(brought) == [("imported", "import from trakt", True)]
        assert self.why(brought, undone=("i1",)) == [("imported", "import from trakt", False)]

    def test_tells_what_took_evidence_away(self) -> None:
        gone = PlaysRemoved(uid=ANA, work=FILM, plays=("s1",), at=after(5))

        assert self.why(played(), gone) == [
            ("removed", "taken out of the history by hand", True),
            ("played", "95 % of its length", False),
        ]
        assert self.why(played(), cleared=after(9)) == [
            ("cleared", "history cleared by hand", True),
            ("played", "95 % of its length", False),
        ]


class TestClearedHistory:
    def test_hides_plays_and_what_they_showed(self) -> None:
        found = shown(played(), marked("1-1", seconds=5), cleared=after(60))

        assert (found.plays, found.slots, found.continues) == ((), (), None)

    def test_leaves_what_is_not_yet_watched(self) -> None:
        begun = played(position=10.0, duration=None)

        assert shown(begun, cleared=after(-1)).plays
        assert Title() == decider().initial

    def test_lets_an_import_count_that_comes_later_with_older_plays(self) -> None:
        brought = taken(TakenPlay("film", "trakt:1", after(-86_400)), seconds=-86_400, told_at=after(90))

        assert shown(brought, cleared=after(60)).slots[0].watched
        assert not shown(brought, cleared=after(120)).slots

    def test_lets_an_import_count_that_comes_after_one_that_replaces(self) -> None:
        replacing = taken(seconds=0, source="i1", cleared=True)
        brought = taken(TakenPlay("film", "trakt:1"), seconds=-86_400, told_at=after(90), source="i2")

        assert shown(replacing, brought).slots[0].watched

    def test_lets_a_mark_count_that_comes_later(self) -> None:
        seen = {str(shelf_key(ANA)): Shelf(cleared=stamp(after(60)))}
        again = title.given(played()).when(Mark(work=FILM), by=ANA, after=90, seen=seen).outcome()

        assert shown(played(), *again, cleared=after(60)).slots[0].watched
