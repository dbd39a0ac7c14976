from datetime import timedelta
from typing import Any, ClassVar

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from events.contracts.library import (
    JOINED,
    JOINS,
    UNDONE,
    ClearHistory,
    HistoryCleared,
    IdsJoined,
    IdsSplit,
    ImportUndone,
    JoinIds,
    ListMoved,
    ListShelved,
    ListUnshelved,
    MoveList,
    ShelfCommand,
    ShelfEvent,
    SplitIds,
    TakeInIds,
)
from events.messages import Context, arguments
from events.testing import NOW, spec
from library import joins, order
from library.joins import OWN
from library.shelf import Shelf, decider

ANA = "ana"
IMDB, TMDB, TVDB, OTHER = "tt0133093", "tmdb:movie:603", "tvdb:169", "my-film"
BEFORE = NOW - timedelta(hours=1)

shelf = spec(decider)


def joined(*works: str) -> IdsJoined:
    return IdsJoined(uid=ANA, works=works, at=NOW)


def split(work: str) -> IdsSplit:
    return IdsSplit(uid=ANA, work=work, at=NOW)


def shelved(list_id: str, where: str, op: str = "", at: Any = BEFORE) -> ListShelved:
    return ListShelved(uid=ANA, list_id=list_id, order=where, at=at, op=op)


def placed(list_id: str, where: str, op: str, at: Any = NOW) -> ListMoved:
    return ListMoved(uid=ANA, list_id=list_id, order=where, at=at, op=op)


def gone(list_id: str, at: Any = NOW) -> ListUnshelved:
    return ListUnshelved(uid=ANA, list_id=list_id, at=at)


class TestJoining:
    def test_shows_both_under_the_first(self) -> None:
        shelf.when(JoinIds(works=(IMDB, TMDB)), by=ANA).then(joined(IMDB, TMDB))

    def test_knows_ids_in_every_form(self) -> None:
        shelf.when(JoinIds(works=("TT0133093", "TMDB:movie:0603", " tt0133093 ")), by=ANA).then(joined(IMDB, TMDB))

    def test_reaches_whatever_was_joined_before(self) -> None:
        before = shelf.given(joined(IMDB, TMDB), joined(TVDB, OTHER))

        before.when(JoinIds(works=(TMDB, OTHER)), by=ANA).then(joined(TMDB, OTHER, IMDB, TVDB))
        shelf.given(joined(IMDB, TMDB)).when(JoinIds(works=(TVDB, IMDB)), by=ANA).then(joined(TVDB, IMDB, TMDB))

    @pytest.mark.parametrize("works", [(IMDB, TMDB), (TMDB, IMDB), (TMDB, TVDB), (IMDB, "tt0133093")])
    def test_what_is_joined_already_says_nothing_new(self, works: tuple[str, ...]) -> None:
        shelf.given(joined(IMDB, TMDB, TVDB)).when(JoinIds(works=works), by=ANA).then()

    def test_an_id_with_itself_says_nothing(self) -> None:
        shelf.when(JoinIds(works=(IMDB, "tt0133093:1:2")), by=ANA).then()

    def test_ten_ids_of_one_work_are_enough(self) -> None:
        ten = tuple(f"id{n}" for n in range(JOINED))

        shelf.when(JoinIds(works=ten), by=ANA).then(joined(*ten))
        shelf.given(joined(*ten)).when(JoinIds(works=("id3", IMDB)), by=ANA).then_rejected("too-many-ids", limit=JOINED)
        halves = shelf.given(joined(*ten[:6]), joined(*(f"other{n}" for n in range(6))))
        halves.when(JoinIds(works=("id0", "other0")), by=ANA).then_rejected("too-many-ids")

    def test_so_are_two_thousand_works(self) -> None:
        many = shelf.given(*(joined(f"a{n}", f"b{n}") for n in range(JOINS)))

        many.when(JoinIds(works=(IMDB, TMDB)), by=ANA).then_rejected("too-many-joins", limit=JOINS)
        many.when(JoinIds(works=("a7", TMDB)), by=ANA).then(joined("a7", TMDB, "b7"))
        many.when(JoinIds(works=("a7", "a8")), by=ANA).then(joined("a7", "a8", "b7", "b8"))
        assert len(msgspec.json.encode(many.state())) < 128 * 1024


class TestSplitting:
    def test_gives_back_what_was_before(self) -> None:
        begun = shelf.given(joined(IMDB, TMDB))
        again = shelf.given(joined(IMDB, TMDB), joined(IMDB, TMDB, TVDB), split(TVDB))

        begun.when(SplitIds(work=TMDB), by=ANA).then(split(TMDB))
        assert again.state() == begun.state()
        assert shelf.given(joined(IMDB, TMDB), split(IMDB)).state() == Shelf()

    def test_shows_the_others_under_the_next(self) -> None:
        left = shelf.given(joined(IMDB, TMDB, TVDB), split(IMDB)).state()

        assert left.group(TVDB) == (TMDB, TVDB)
        assert left.group(IMDB) == (IMDB,)

    def test_knows_ids_in_every_form(self) -> None:
        shelf.given(joined(IMDB, TMDB)).when(SplitIds(work="tmdb%3Amovie%3A603"), by=ANA).then(split(TMDB))

    def test_what_was_never_joined_stays(self) -> None:
        shelf.given(joined(IMDB, TMDB)).when(SplitIds(work=TVDB), by=ANA).then_rejected("not-joined", work=TVDB)
        shelf.given(joined(IMDB, TMDB), split(TMDB)).when(SplitIds(work=IMDB), by=ANA).then_rejected("not-joined")

    def test_and_joining_again_is_the_same_as_before(self) -> None:
        once = shelf.given(joined(IMDB, TMDB)).state()

        assert shelf.given(joined(IMDB, TMDB), split(TMDB), joined(IMDB, TMDB)).state() == once


def undone(source: str) -> ImportUndone:
    return ImportUndone(uid=ANA, import_id=source, at=NOW)


def taking_in(*works: str, source: str = "i1") -> TakeInIds:
    return TakeInIds(uid=ANA, works=works, source=source, at=NOW)


def taken_in(*works: str, source: str = "i1") -> IdsJoined:
    return IdsJoined(uid=ANA, works=works, at=NOW, source=source)


class TestWhatAnImportJoined:
    def test_is_joined_until_it_is_undone(self) -> None:
        shelf.when(taking_in(IMDB, TMDB), by="system:library").then(taken_in(IMDB, TMDB))

        after = shelf.given(joined(TVDB, OTHER), taken_in(TMDB, TVDB)).state()
        assert after.group(TMDB) == (TVDB, OTHER, TMDB)
        left = shelf.given(joined(TVDB, OTHER), taken_in(TMDB, TVDB), undone("i1")).state()
        assert left == replace(shelf.given(joined(TVDB, OTHER)).state(), undone=("i1",))

    def test_is_nothing_new_if_it_is_joined_already_by_whomever(self) -> None:
        for known in (joined(IMDB, TMDB, TVDB), taken_in(IMDB, TMDB, TVDB, source="i0")):
            shelf.given(known).when(taking_in(TMDB, TVDB), by="system:library").then()

    def test_may_be_joined_again_by_a_later_import_and_not_by_the_undone_one(self) -> None:
        before = shelf.given(taken_in(IMDB, TMDB), undone("i1"))

        before.when(taking_in(IMDB, TMDB), by="system:library").then()
        again = taking_in(IMDB, TMDB, source="i2")
        before.when(again, by="system:library").then(taken_in(IMDB, TMDB, source="i2"))
        before.when(SplitIds(work=TMDB), by=ANA).then_rejected("not-joined")

    def test_stays_if_the_person_joins_it_too(self) -> None:
        both = shelf.given(taken_in(IMDB, TMDB))

        both.when(JoinIds(works=(IMDB, TMDB)), by=ANA).then(joined(IMDB, TMDB))
        kept = shelf.given(taken_in(IMDB, TMDB), joined(IMDB, TMDB), undone("i1"))
        assert kept.state().group(IMDB) == (IMDB, TMDB)

    def test_can_be_split_by_hand(self) -> None:
        before = shelf.given(taken_in(IMDB, TMDB, TVDB))

        before.when(SplitIds(work=TMDB), by=ANA).then(split(TMDB))
        left = shelf.given(taken_in(IMDB, TMDB, TVDB), joined(TMDB, OTHER), split(TMDB)).state()
        assert (left.group(IMDB), left.group(TMDB)) == ((IMDB, TVDB), (TMDB,))

    def test_has_the_same_limits(self) -> None:
        ten = tuple(f"id{n}" for n in range(JOINED))
        many = (joined(f"a{n}", f"b{n}") for n in range(JOINS))

        shelf.given(joined(*ten)).when(taking_in("id3", IMDB), by="system:library").then_rejected("too-many-ids")
        shelf.given(*many).when(taking_in(IMDB, TMDB), by="system:library").then_rejected("too-many-joins")

    def test_the_undone_ones_that_are_remembered_are_bounded(self) -> None:
        state = shelf.given(*(undone(f"i{n}") for n in range(UNDONE + 1))).state()

        assert (len(state.undone), state.undone[0]) == (UNDONE, "i1")


class TestClearing:
    def test_takes_all_plays_up_to_now(self) -> None:
        shelf.when(ClearHistory(), by=ANA).then(HistoryCleared(uid=ANA, at=NOW))

    def test_at_the_same_moment_says_nothing_new(self) -> None:
        cleared = shelf.given(HistoryCleared(uid=ANA, at=NOW))

        cleared.when(ClearHistory(), by=ANA).then()
        cleared.when(ClearHistory(), by=ANA, after=5).then(HistoryCleared(uid=ANA, at=NOW + timedelta(seconds=5)))

    def test_told_late_spares_what_was_watched_since(self) -> None:
        command = ClearHistory(at=BEFORE, op="phone-9")

        shelf.when(command, by=ANA).then(HistoryCleared(uid=ANA, at=BEFORE, op="phone-9"))
        shelf.given(HistoryCleared(uid=ANA, at=NOW)).when(command, by=ANA, after=5).then()
        shelf.when(ClearHistory(at=NOW - timedelta(days=91)), by=ANA).then_rejected("too-old")


WEEK = timedelta(days=7).total_seconds()


class TestTellingAgain:
    """What a device repeats after a week, since it never heard an answer, must not undo what was done since."""

    @pytest.mark.parametrize("told", [{"op": "phone-9"}, {"at": BEFORE}, {"at": BEFORE, "op": "phone-9"}])
    def test_clears_no_history_twice(self, told: dict[str, Any]) -> None:
        (cleared,) = shelf.when(ClearHistory(**told), by=ANA).outcome()

        again = ClearHistory(**told, sent_at=NOW + timedelta(days=7, seconds=2) if "at" in told else None)
        shelf.given(cleared).when(again, by=ANA, after=WEEK).then()

    @pytest.mark.parametrize("told", [{"op": "phone-9"}, {"at": BEFORE}])
    def test_joins_nothing_that_was_split_since(self, told: dict[str, Any]) -> None:
        (joining,) = shelf.when(JoinIds(works=(IMDB, TMDB), **told), by=ANA).outcome()

        since = shelf.given(joining, split(TMDB))
        since.when(JoinIds(works=(IMDB, TMDB), **told), by=ANA, after=WEEK).then()
        since.when(JoinIds(works=(IMDB, TMDB), op="another"), by=ANA).then(
            IdsJoined(uid=ANA, works=(IMDB, TMDB), at=NOW, op="another")
        )

    def test_splits_nothing_that_was_joined_since(self) -> None:
        command = SplitIds(work=TMDB, op="phone-9")
        (splitting,) = shelf.given(joined(IMDB, TMDB)).when(command, by=ANA).outcome()

        shelf.given(joined(IMDB, TMDB), splitting, joined(IMDB, TMDB)).when(command, by=ANA, after=WEEK).then()
        shelf.given(joined(IMDB, TMDB), splitting).when(command, by=ANA, after=WEEK).then()


class TestMovingAList:
    three: ClassVar = (shelved("a", "a0"), shelved("b", "a1"), shelved("c", "a2"))

    def test_goes_behind_another_one(self) -> None:
        move = MoveList(list_id="a", after="b", op="o1")

        shelf.given(*self.three).when(move, by=ANA).then(placed("a", "a1V", "o1"))
        shelf.given(*self.three, placed("a", "a1V", "o1")).when(move, by=ANA).then()

    def test_goes_first(self) -> None:
        shelf.given(*self.three).when(MoveList(list_id="c", op="o"), by=ANA).then(placed("c", "Zz", "o"))

    def test_goes_where_the_device_says(self) -> None:
        move = MoveList(list_id="a", after="b", order="a2V", op="o")

        shelf.given(*self.three).when(move, by=ANA).then(placed("a", "a2V", "o"))

    @pytest.mark.parametrize("move", [("a", None), ("b", "a"), ("c", "b"), ("c", "c")])
    def test_where_it_is_already_says_nothing_new(self, move: tuple[str, str | None]) -> None:
        shelf.given(*self.three).when(MoveList(list_id=move[0], after=move[1]), by=ANA).then()

    def test_makes_room_between_neighbours_of_one_order(self) -> None:
        tied = shelf.given(shelved("a", "a0"), shelved("b", "a0"), shelved("c", "a1"))
        command = MoveList(list_id="c", after="a", op="o")

        events = tied.when(command, by=ANA).outcome()

        after = decider.fold(events, tied.state())
        assert [list_id for list_id, _ in order.row(after.places)] == ["a", "c", "b"]

    @pytest.mark.parametrize("move", [("d", None), ("a", "d"), ("gone", None), ("a", "gone")])
    def test_knows_only_what_is_there(self, move: tuple[str, str | None]) -> None:
        there = shelf.given(*self.three, shelved("gone", "a5"), gone("gone"))

        there.when(MoveList(list_id=move[0], after=move[1]), by=ANA).then_rejected("no-such-list")

    def test_is_overtaken_by_what_was_done_later(self) -> None:
        there = shelf.given(*self.three, placed("a", "a7", "later"))

        there.when(MoveList(list_id="a", order="a8", at=BEFORE + timedelta(seconds=1)), by=ANA).then()
        there.when(MoveList(list_id="a", order="a8", at=NOW + timedelta(seconds=1), op="o"), by=ANA, after=9).then(
            placed("a", "a8", "o", NOW + timedelta(seconds=1))
        )

    def test_may_be_told_late_but_not_too_late(self) -> None:
        old = MoveList(list_id="a", order="a8", at=NOW - timedelta(days=91))

        shelf.given(*self.three).when(old, by=ANA).then_rejected("too-old")


commands: list[ShelfCommand] = [
    JoinIds(works=(IMDB, TMDB)),
    SplitIds(work=IMDB),
    ClearHistory(),
    MoveList(list_id="a"),
]


@pytest.mark.parametrize("command", commands, ids=lambda command: command.function)
def test_nobody_has_no_shelf(command: ShelfCommand) -> None:
    shelf.when(command).then_rejected("not-signed-in")


ids = st.sampled_from([*"abcdefgh"])
steps = st.lists(
    st.one_of(
        st.builds(JoinIds, works=st.lists(ids, min_size=2, max_size=4).map(tuple)), st.builds(SplitIds, work=ids)
    ),
    max_size=20,
)


layered = st.lists(
    st.one_of(
        st.builds(lambda *works: joined(*works), ids, ids),
        st.builds(lambda source, *works: taken_in(*works, source=source), st.sampled_from(("i1", "i2")), ids, ids),
        st.builds(lambda work: split(work), ids),
    ),
    max_size=20,
)


@given(layered)
def test_an_undone_import_leaves_what_the_others_have_joined(events: list[IdsJoined | IdsSplit]) -> None:
    without = [event for event in events if getattr(event, "source", "") != "i1"]

    left = joins.shown(decider.fold([*events, undone("i1")]).joined)

    assert left == joins.shown(decider.fold(without).joined)


@given(steps)
def test_however_ids_are_joined_and_split_each_is_in_one_group(commands: list[JoinIds | SplitIds]) -> None:
    state = decider.initial
    for command in commands:
        events = outcome(command, state)
        state = decider.fold(events, state)
        groups = state.joined.get(OWN, ())
        flat = [work for group in groups for work in group]
        assert len(flat) == len(set(flat))
        assert all(len(group) > 1 for group in groups)
        if isinstance(command, JoinIds):
            assert set(command.works) <= set(state.group(command.works[0]))
            assert outcome(command, state) == []
        else:
            assert state.group(command.work) == (command.work,)
    assert msgspec.convert(msgspec.json.decode(msgspec.json.encode(state)), Shelf) == state, "as a snapshot"


def outcome(command: JoinIds | SplitIds, state: Shelf) -> list[ShelfEvent]:
    if isinstance(command, SplitIds) and len(state.group(command.work)) == 1:
        return []
    return decider.decide(command, state, Context(actor=ANA, now=NOW))


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (JoinIds, b'{"works":["a"]}'),
        (JoinIds, b'{"works":["a",""]}'),
        (JoinIds, b'{"works":["a","b\\u0000"]}'),
        (JoinIds, b'{"works":"ab"}'),
        (JoinIds, b'{"works":["a","b","c","d","e","f","g","h","i","j","k"]}'),
        (SplitIds, b'{"work":1}'),
        (SplitIds, b'{"work":"' + b"x" * 129 + b'"}'),
        (ClearHistory, b'{"all":true}'),
        (MoveList, b'{"list_id":"a","order":"not ours"}'),
        (MoveList, b'{"list_id":"a","order":""}'),
        (MoveList, b'{"list_id":"a","order":"' + b"x" * 129 + b'"}'),
        (MoveList, b'{"after":"a"}'),
    ],
)
def test_odd_arguments_are_refused(kind: type[Any], body: bytes) -> None:
    with pytest.raises(Exception, match="invalid-argument"):
        arguments(kind, body)
