import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from events.contracts.library import (
    LIST_ITEMS,
    LISTS,
    AddToList,
    CreatedList,
    CreateList,
    DeleteList,
    Entry,
    ImportUndone,
    JoinIds,
    ListCreated,
    ListDeleted,
    ListEvent,
    ListItem,
    ListItemsPut,
    ListItemsRemoved,
    ListMoved,
    ListRenamed,
    ListShelved,
    ListUnshelved,
    MoveInList,
    MoveList,
    RemoveFromList,
    RenameList,
    TakeInList,
    list_key,
    shelf_key,
)
from events.messages import Command, Context, Event, Key, Rejected, arguments
from events.testing import NOW, spec
from library import lists, order, shelf
from library.decider import PACTS, deciders
from library.lists import List, Shown, decider

ANA, BEN = "ana", "ben"
L = "l1"
A, B, C, D = "tt0000001", "tt0000002", "tt0000003", "tt0000004"
BEFORE = NOW - timedelta(hours=1)


def created(at: datetime = BEFORE, op: str = "begin", source: str = "", name: str = "Noir") -> ListCreated:
    return ListCreated(uid=ANA, list_id=L, name=name, at=at, op=op, source=source)


def put(*items: tuple[str, str], at: datetime = NOW, op: str = "o", source: str = "", **shown: Any) -> ListItemsPut:
    found = tuple(ListItem(work=work, order=where, **shown) for work, where in items)
    return ListItemsPut(uid=ANA, list_id=L, items=found, at=at, op=op, source=source)


def removed(*works: str, at: datetime = NOW, op: str = "o") -> ListItemsRemoved:
    return ListItemsRemoved(uid=ANA, list_id=L, works=works, at=at, op=op)


def add(*works: str, **more: Any) -> AddToList:
    return AddToList(list_id=L, items=tuple(Entry(work=work) for work in works), **{"op": "o", **more})


def move(work: str, after: str | None = None, **more: Any) -> MoveInList:
    return MoveInList(list_id=L, work=work, after=after, **{"op": "o", **more})


def remove(*works: str, **more: Any) -> RemoveFromList:
    return RemoveFromList(list_id=L, works=works, **{"op": "o", **more})


def shown(state: List) -> list[str]:
    return [work for work, _ in order.row(state.items())]


noir = spec(decider)
begun = noir.given(created())
three = noir.given(created(), put((A, "a0"), (B, "a1"), (C, "a2"), at=BEFORE, op="three"))


class Home:
    """A person's lists and shelf, asked as the spine would ask them."""

    def __init__(self) -> None:
        self.rules = deciders()
        self.states: dict[Key, Any] = {}
        self.now = NOW
        self.told: list[Event] = []

    def tell(self, command: Command, by: str = ANA, after: float = 1.0) -> list[Event]:
        self.now += timedelta(seconds=after)
        context = Context(actor=by, now=self.now, command_id=f"{len(self.told):016}c0mmand")
        context = msgspec.structs.replace(
            context, seen={str(key): self._state(key) for key in command.looks_at(context)}
        )
        states = {key: self._state(key) for key in command.keys(context)}
        if type(command) in PACTS:
            decided = PACTS[type(command)].decide(command, states, context)
        else:
            ((key, state),) = states.items()
            decided = {key: self.rules[key.aggregate].decide(command, state, context)}
        assert decided.keys() <= states.keys()
        for key, events in decided.items():
            self.states[key] = self.rules[key.aggregate].fold(events, states[key])
        events = [event for events in decided.values() for event in events]
        self.told += events
        return events

    def _state(self, key: Key) -> Any:
        return self.states.get(key, self.rules[key.aggregate].initial)

    def undo(self, source: str) -> None:
        """As an import that is undone."""
        key = shelf_key(ANA)
        undone = ImportUndone(uid=ANA, import_id=source, at=self.now)
        self.states[key] = shelf.decider.fold([undone], self._state(key))

    def refused(self, command: Command, by: str = ANA) -> str:
        before = dict(self.states)
        with pytest.raises(Rejected) as refusal:
            self.tell(command, by)
        assert self.states == before
        return refusal.value.code

    def state(self, list_id: str = L, of: str = ANA) -> List:
        state = self.states[list_key(of, list_id)]
        assert isinstance(state, List)
        return state

    def shelf(self, of: str = ANA) -> list[str]:
        return [list_id for list_id, _ in order.row(self.states[shelf_key(of)].places)]


@pytest.fixture
def home() -> Home:
    return Home()


class TestBeginning:
    def test_puts_it_behind_the_others(self, home: Home) -> None:
        first = home.tell(CreateList(name="Noir", op="o1"))
        home.tell(CreateList(name="Spaghetti", list_id="mine"))

        made = "0000000000000000"
        assert first == [
            ListCreated(uid=ANA, list_id=made, name="Noir", at=home.now - timedelta(seconds=1), op="o1"),
            ListShelved(uid=ANA, list_id=made, order="a0", at=home.now - timedelta(seconds=1), op="o1"),
        ]
        assert home.shelf() == [made, "mine"]

    def test_answers_with_its_id(self) -> None:
        context = Context(actor=ANA, now=NOW, command_id="c0ffee" * 4)

        assert CreateList(name="Noir").result(context) == CreatedList("c0ffeec0ffeec0ff")
        assert CreateList(name="Noir", list_id=L).result(context) == CreatedList(L)

    def test_or_where_the_device_says(self, home: Home) -> None:
        home.tell(CreateList(name="Noir", list_id="a"))
        home.tell(CreateList(name="Western", list_id="b", order="Zz"))

        assert home.shelf() == ["b", "a"]

    def test_twice_with_one_id_is_refused_unless_it_is_the_same(self, home: Home) -> None:
        home.tell(CreateList(name="Noir", list_id=L, op="o1"))

        assert home.tell(CreateList(name="Noir", list_id=L, op="o1")) == []
        assert home.refused(CreateList(name="Noir", list_id=L)) == "list-exists"
        assert home.refused(CreateList(name="Noir", list_id=L, op="o2")) == "list-exists"

    def test_two_people_may_choose_the_same_id(self, home: Home) -> None:
        home.tell(CreateList(name="Noir", list_id=L))

        assert home.tell(CreateList(name="Noir", list_id=L), by=BEN) != []

    def test_two_hundred_are_enough(self, home: Home) -> None:
        for n in range(LISTS):
            home.tell(CreateList(name="Noir", list_id=f"l{n}"))

        assert home.refused(CreateList(name="One more")) == "too-many-lists"
        home.tell(DeleteList(list_id="l0"))
        assert home.tell(CreateList(name="One more")) != []

    def test_again_after_it_was_deleted_finds_it_empty(self, home: Home) -> None:
        home.tell(CreateList(name="Noir", list_id=L))
        home.tell(add(A, B))
        home.tell(DeleteList(list_id=L))
        home.tell(CreateList(name="Noir again", list_id=L), after=0)

        assert shown(home.state()) == []
        assert home.shelf() == [L]
        home.tell(add(B, op="o2"), after=0)
        assert shown(home.state()) == [B]

    def test_told_late_does_not_bring_back_what_was_deleted_since(self, home: Home) -> None:
        late = CreateList(name="Noir", list_id=L, at=NOW, op="o1")
        home.tell(CreateList(name="Noir", list_id=L))
        home.tell(DeleteList(list_id=L))

        assert home.tell(late) == []
        assert home.shelf() == []

    def test_late_keeps_the_time_of_the_device(self, home: Home) -> None:
        event, _ = home.tell(CreateList(name="Noir", list_id=L, at=BEFORE))

        assert isinstance(event, ListCreated)
        assert event.at == BEFORE
        assert home.refused(CreateList(name="Noir", list_id="l2", at=NOW - timedelta(days=100))) == "too-old"


class TestRenaming:
    def test_gives_another_name(self) -> None:
        renamed = ListRenamed(uid=ANA, list_id=L, name="Neo-noir", at=NOW, op="o")

        begun.when(RenameList(list_id=L, name="Neo-noir", op="o"), by=ANA).then(renamed)
        noir.given(created(), renamed).when(RenameList(list_id=L, name="Neo-noir", op="o"), by=ANA).then()

    def test_the_later_name_counts(self) -> None:
        late = RenameList(list_id=L, name="Late", op="x", at=BEFORE + timedelta(minutes=1))
        renamed = ListRenamed(uid=ANA, list_id=L, name="Neo-noir", at=NOW, op="o")

        noir.given(created(), renamed).when(late, by=ANA).then()

    def test_two_at_one_moment_both_take_effect(self) -> None:
        renamed = ListRenamed(uid=ANA, list_id=L, name="Neo-noir", at=NOW, op="o")
        again = noir.given(created(), renamed).when(RenameList(list_id=L, name="Noir", op="p"), by=ANA).outcome()

        assert [event.at for event in again] == [NOW + timedelta(microseconds=1)]


class TestDeleting:
    def test_takes_it_off_the_shelf(self, home: Home) -> None:
        home.tell(CreateList(name="Noir", list_id=L))
        events = home.tell(DeleteList(list_id=L))

        assert events == [ListDeleted(uid=ANA, list_id=L, at=home.now), ListUnshelved(uid=ANA, list_id=L, at=home.now)]
        assert home.shelf() == []

    def test_again_says_nothing_new(self, home: Home) -> None:
        home.tell(CreateList(name="Noir", list_id=L))
        home.tell(DeleteList(list_id=L))

        assert home.tell(DeleteList(list_id=L)) == []

    def test_what_never_was_is_refused(self, home: Home) -> None:
        assert home.refused(DeleteList(list_id=L)) == "no-such-list"

    def test_of_somebody_else_is_refused(self, home: Home) -> None:
        home.tell(CreateList(name="Noir", list_id=L))

        for command in (DeleteList(list_id=L), RenameList(list_id=L, name="Mine"), add(A), move(A), remove(A)):
            assert home.refused(command, by=BEN) == "no-such-list"
        assert home.shelf() == [L]

    def test_ends_what_others_still_do(self, home: Home) -> None:
        home.tell(CreateList(name="Noir", list_id=L))
        home.tell(add(A))
        home.tell(DeleteList(list_id=L))

        for command in (RenameList(list_id=L, name="Mine"), add(A, op="p"), move(A, op="p"), remove(A, op="p")):
            assert home.refused(command) == "no-such-list"

    def test_what_was_said_before_is_gone_however_late_it_comes(self) -> None:
        events: list[ListEvent] = [
            created(),
            ListDeleted(uid=ANA, list_id=L, at=NOW),
            created(at=NOW + timedelta(seconds=9), op="again"),
        ]
        late = add(A, at=NOW - timedelta(seconds=1))

        noir.given(*events).when(late, by=ANA, after=20).then()
        assert shown(noir.given(*events, put((A, "a0"), at=BEFORE)).state()) == []


class TestAdding:
    def test_puts_works_at_the_end(self) -> None:
        begun.when(add(A, B), by=ANA).then(put((A, "a0"), (B, "a1")))
        three.when(add(D), by=ANA).then(put((D, "a3")))

    def test_or_behind_another(self) -> None:
        three.when(add(D, after=A), by=ANA).then(put((D, "a0V")))
        three.when(add(D, after="tt0000003:1:2"), by=ANA).then(put((D, "a3")))

    def test_or_where_the_device_says(self) -> None:
        here = AddToList(list_id=L, items=(Entry(work=D, order="Zz"), Entry(work="x")), after=A, op="o")

        three.when(here, by=ANA).then(put((D, "Zz"), ("x", "a0V")))

    def test_keeps_what_is_to_be_shown(self) -> None:
        told = Entry(work="tmdb:603", kind="movie", title="The Matrix", poster="https://img/603.jpg")
        said: dict[str, Any] = {"kind": "movie", "title": "The Matrix", "poster": "https://img/603.jpg"}

        begun.when(AddToList(list_id=L, items=(told,), op="o"), by=ANA).then(put(("tmdb:movie:603", "a0"), **said))

    def test_a_work_is_there_once_in_whatever_form_it_is_named(self) -> None:
        begun.when(add("TT0000001", A, "tt0000001:2:1", " tt0000001"), by=ANA).then(put((A, "a0")))
        three.when(add(B, "TT0000001"), by=ANA).then()
        three.when(add(B, D), by=ANA).then(put((D, "a3")))

    def test_what_is_there_stays_where_it_is(self) -> None:
        elsewhere = AddToList(list_id=L, items=(Entry(work=C, order="Zz"),), op="o")

        three.when(elsewhere, by=ANA).then()
        three.when(add(C, after=A), by=ANA).then()

    def test_unless_a_device_tells_late_where_it_had_put_it(self) -> None:
        here = (Entry(work=C, order="Zz"),)
        at = BEFORE + timedelta(minutes=1)

        three.when(AddToList(list_id=L, items=here, op="o", at=at), by=ANA).then(put((C, "Zz"), at=at))
        three.when(AddToList(list_id=L, items=here, op="o", at=BEFORE - timedelta(minutes=1)), by=ANA).then()

    def test_the_same_operation_takes_effect_once(self) -> None:
        after = noir.given(created(), put((A, "a0"), at=BEFORE, op="o"), removed(A, op="p"))

        after.when(add(A), by=ANA, after=3600).then()
        after.when(add(A, op="q"), by=ANA, after=3600).then(put((A, "a0"), at=NOW + timedelta(hours=1), op="q"))

    def test_behind_what_is_not_there_is_refused(self) -> None:
        three.when(add(D, after="tt0000009"), by=ANA).then_rejected("no-such-item", work="tt0000009")
        three.when(add(D, after=D), by=ANA).then_rejected("no-such-item")

    def test_late_does_not_bring_back_what_was_removed_since(self) -> None:
        gone = noir.given(created(), put((A, "a0"), at=BEFORE, op="put"), removed(A, op="gone"))

        gone.when(add(A, at=NOW - timedelta(minutes=1)), by=ANA).then()
        gone.when(add(A), by=ANA).then(put((A, "a0"), at=NOW + timedelta(microseconds=1)))

    def test_a_list_is_full_at_2500(self) -> None:
        many = [(f"x{n}", f"b{n:04}") for n in range(LIST_ITEMS)]
        full = noir.given(created(), put(*many, at=BEFORE, op="many"))

        full.when(add(A), by=ANA).then_rejected("list-full", limit=LIST_ITEMS)
        full.when(add("x7"), by=ANA).then()
        almost = noir.given(created(), put(*many[1:], at=BEFORE, op="many"))
        almost.when(add(A, B), by=ANA).then_rejected("list-full")
        almost.when(add(A, "x7"), by=ANA).then(put((A, "b25")))

    def test_makes_room_between_neighbours_of_one_order(self) -> None:
        tied = noir.given(created(), put((A, "a0"), (B, "a0"), (C, "a1"), at=BEFORE, op="put"))

        first, pushed = tied.when(add(D, after=A), by=ANA).outcome()

        assert shown(decider.fold([first, pushed], tied.state())) == [A, D, B, C]
        assert pushed.at > first.at


class TestMoving:
    @pytest.mark.parametrize(
        ("work", "after", "where"), [(C, None, "Zz"), (A, B, "a1V"), (A, C, "a3"), (C, A, "a0V"), (B, None, "Zz")]
    )
    def test_goes_behind_another_one(self, work: str, after: str | None, where: str) -> None:
        three.when(move(work, after), by=ANA).then(put((work, where)))

    @pytest.mark.parametrize(("work", "after"), [(A, None), (B, A), (C, B), (B, B)])
    def test_where_it_is_already_says_nothing_new(self, work: str, after: str | None) -> None:
        three.when(move(work, after), by=ANA).then()

    def test_goes_where_the_device_says(self) -> None:
        three.when(move(A, "anything", order="a7"), by=ANA).then(put((A, "a7")))
        three.when(move(A, order="a0"), by=ANA).then()

    def test_says_again_where_it_is_if_it_was_told_late(self) -> None:
        at = BEFORE + timedelta(minutes=1)

        three.when(move(A, order="a0", at=at), by=ANA).then(put((A, "a0"), at=at))

    @pytest.mark.parametrize(("work", "after"), [(D, None), (A, D), (D, A)])
    def test_knows_only_what_is_there(self, work: str, after: str | None) -> None:
        three.when(move(work, after), by=ANA).then_rejected("no-such-item", work=D)

    def test_of_what_was_removed_is_refused(self) -> None:
        gone = noir.given(created(), put((A, "a0"), at=BEFORE, op="put"), removed(A, op="gone"))

        gone.when(move(A), by=ANA).then_rejected("no-such-item")

    def test_with_an_order_of_its_own_overtakes_an_earlier_removal(self) -> None:
        at = NOW - timedelta(minutes=1)
        gone = noir.given(created(), put((A, "a0"), at=BEFORE, op="put"), removed(A, op="gone", at=at))

        gone.when(move(A, order="a7", at=NOW), by=ANA).then(put((A, "a7")))
        gone.when(move(A, order="a7", at=at - timedelta(minutes=1)), by=ANA).then()
        gone.when(move(D, order="a7", at=NOW), by=ANA).then_rejected("no-such-item", work=D)

    def test_the_later_move_counts(self) -> None:
        moved = noir.given(created(), put((A, "a0"), (B, "a1"), at=BEFORE), put((A, "a5"), op="later"))

        moved.when(move(A, order="a7", at=NOW - timedelta(minutes=1)), by=ANA).then()


class TestRemoving:
    def test_takes_works_off(self) -> None:
        three.when(remove("TT0000001", C, A), by=ANA).then(removed(A, C))
        assert shown(noir.given(created(), put((A, "a0"), (B, "a1"), at=BEFORE), removed(A)).state()) == [B]

    def test_passes_over_what_is_not_there(self) -> None:
        three.when(remove(A, D), by=ANA).then(removed(A))
        three.when(remove(D), by=ANA).then()

    def test_is_remembered_if_it_was_told_late(self) -> None:
        at = NOW - timedelta(minutes=1)
        begun.when(remove(A, at=at), by=ANA).then(removed(A, at=at))
        told = noir.given(created(), removed(A, at=at))

        told.when(remove(A, at=at), by=ANA).then()
        told.when(add(A, op="p", at=at - timedelta(minutes=1)), by=ANA).then()

    def test_is_overtaken_by_what_was_put_later(self) -> None:
        there = noir.given(created(), put((A, "a0"), at=NOW, op="later"))

        there.when(remove(A, at=NOW - timedelta(minutes=1)), by=ANA).then()


class TestTakingIn:
    taken = TakeInList(uid=ANA, list_id=L, name="Letterboxd", items=(Entry(work=A), Entry(work=B)), source="i1", at=NOW)

    def test_begins_a_list(self, home: Home) -> None:
        events = home.tell(self.taken, by="system:library")

        assert events[:2] == [
            created(at=NOW, op="i1", source="i1", name="Letterboxd"),
            put((A, "a0"), (B, "a1"), op="i1", source="i1"),
        ]
        assert home.shelf() == [L]

    def test_again_says_nothing_new(self, home: Home) -> None:
        home.tell(self.taken, by="system:library")

        assert home.tell(self.taken, by="system:library") == []

    def test_of_another_import_counts_beside_the_first(self, home: Home) -> None:
        home.tell(self.taken, by="system:library")
        second = msgspec.structs.replace(self.taken, source="i2", items=(Entry(work=B), Entry(work=C)))
        home.tell(second, by="system:library")

        assert home.state().begun.keys() == {"i1", "i2"}
        assert shown(home.state()) == [A, B, C]
        assert home.state().places["i2"].keys() == {B, C}

    def test_what_is_put_there_by_hand_becomes_ones_own(self, home: Home) -> None:
        home.tell(self.taken, by="system:library")

        assert home.tell(add(A)) == [put((A, "a0"), at=home.now)]
        assert home.tell(add(A, op="p")) == []

    def test_what_only_makes_room_stays_what_the_import_brought(self) -> None:
        before: list[ListEvent] = [
            created(),
            put((A, "a0"), at=BEFORE, op="put"),
            put((B, "a0"), (C, "a1"), at=BEFORE, op="i1", source="i1"),
        ]
        tied = noir.given(*before)

        events = tied.when(add(D, after=A), by=ANA).outcome()
        state = decider.fold(events, tied.state())

        assert shown(state) == [A, D, B, C]
        assert state.places[""].keys() == {A, D}

    def test_does_not_bring_back_what_was_taken_off_later(self, home: Home) -> None:
        home.tell(self.taken, by="system:library")
        home.tell(remove(A))
        home.tell(self.taken, by="system:library")
        assert shown(home.state()) == [B]

        home.tell(DeleteList(list_id=L))
        assert home.tell(self.taken, by="system:library") == []

    def test_has_the_same_limits(self, home: Home) -> None:
        many = tuple(Entry(work=f"x{n}") for n in range(LIST_ITEMS + 1))
        home.tell(msgspec.structs.replace(self.taken, items=many[1:]), by="system:library")

        assert home.refused(msgspec.structs.replace(self.taken, items=many), by="system:library") == "list-full"
        for n in range(LISTS - 1):
            home.tell(CreateList(name="Noir", list_id=f"n{n}"))
        other = msgspec.structs.replace(self.taken, list_id="other")
        assert home.refused(other, by="system:library") == "too-many-lists"


class TestSeveralIdsOfOneWork:
    """A is E as well."""

    E = "tmdb:movie:5"

    @pytest.fixture
    def joined(self, home: Home) -> Home:
        home.tell(CreateList(name="Noir", list_id=L))
        home.tell(add(A, B, C))
        home.tell(JoinIds(works=(self.E, A)))
        return home

    def test_are_there_once(self, joined: Home) -> None:
        assert joined.tell(add(self.E, op="p")) == []
        joined.tell(add(D, "tvdb:9", op="q"))
        joined.tell(RemoveFromList(list_id=L, works=(A,)))
        joined.tell(add(self.E, A, op="r"))

        assert shown(joined.state()) == [B, C, D, "tvdb:9", self.E]

    def test_are_moved_and_taken_off_under_any(self, joined: Home) -> None:
        joined.tell(move(self.E, after=B, op="m"))
        assert shown(joined.state()) == [B, A, C]
        joined.tell(move(C, after=self.E, op="p"))
        assert shown(joined.state()) == [B, A, C]
        joined.tell(remove(self.E, op="q"))
        assert shown(joined.state()) == [B, C]

    def test_that_were_there_before_they_were_joined_are_where_the_latest_word_is(self, home: Home) -> None:
        home.tell(CreateList(name="Noir", list_id=L))
        home.tell(add(A, B, self.E, C))
        home.tell(move(A, after=B, op="m"))
        home.tell(JoinIds(works=(A, self.E)))

        seen = Shown.of(home.state(), home.states[shelf_key(ANA)])
        assert [work for work, _ in seen.row] == [B, A, C]
        home.tell(remove(A, op="r"))
        assert shown(home.state()) == [B, C]


class TestUndoneImports:
    taken = TestTakingIn.taken

    def test_their_lists_are_not_there(self, home: Home) -> None:
        home.tell(CreateList(name="Own", list_id="own"))
        home.tell(self.taken, by="system:library")
        home.undo("i1")

        assert home.shelf() == ["own"]
        for command in (RenameList(list_id=L, name="Noir"), add(C), move(A), remove(A), DeleteList(list_id=L)):
            assert home.refused(command) == "no-such-list"
        assert home.refused(MoveList(list_id=L)) == "no-such-list"
        assert home.tell(self.taken, by="system:library") == [], "of one that is undone, nothing comes late"

    def test_one_on_which_the_person_has_put_something_stays_with_that(self, home: Home) -> None:
        home.tell(self.taken, by="system:library")
        home.tell(CreateList(name="Next", list_id="next"))
        home.tell(add(C))
        home.undo("i1")

        assert shown(home.state().counting({"i1"})) == [C]
        home.tell(add(D, op="more"))
        home.tell(MoveList(list_id=L, after="next"))
        assert home.shelf() == ["next", L]
        home.tell(DeleteList(list_id=L))
        assert home.shelf() == ["next"]

    def test_and_so_does_one_that_they_have_renamed_but_not_one_that_another_import_has(self, home: Home) -> None:
        home.tell(self.taken, by="system:library")
        home.undo("i1")
        home.tell(msgspec.structs.replace(self.taken, source="i2"), by="system:library")
        home.undo("i2")
        assert home.refused(add(C)) == "no-such-list"
        home.tell(msgspec.structs.replace(self.taken, source="i3"), by="system:library")
        home.tell(RenameList(list_id=L, name="Mine"))
        home.undo("i3")

        home.tell(add(C))

    def test_they_take_no_place_among_the_two_hundred(self, home: Home) -> None:
        home.tell(self.taken, by="system:library")
        for n in range(LISTS - 1):
            home.tell(CreateList(name="Noir", list_id=f"n{n}"))
        assert home.refused(CreateList(name="Noir", list_id="more")) == "too-many-lists"
        home.undo("i1")

        home.tell(CreateList(name="Noir", list_id="more"))

    def test_nor_on_a_list(self, home: Home) -> None:
        home.tell(CreateList(name="Own", list_id=L))
        many = tuple(Entry(work=f"x{n}") for n in range(LIST_ITEMS))
        home.tell(msgspec.structs.replace(self.taken, items=many), by="system:library")
        assert home.refused(add(A)) == "list-full"
        home.undo("i1")

        home.tell(add(A, op="p"))
        assert home.refused(move("x7")) == "no-such-item"

    def test_nor_an_id(self, home: Home) -> None:
        home.tell(self.taken, by="system:library")
        assert home.refused(CreateList(name="Mine", list_id=L)) == "list-exists"
        home.undo("i1")

        (created, named, *_) = home.tell(CreateList(name="Mine", list_id=L))
        assert isinstance(created, ListCreated)
        assert isinstance(named, ListRenamed), "what shows lists knows the name of before"
        home.tell(add(C))
        assert shown(home.state().counting({"i1"})) == [C]

    def test_a_list_that_another_import_has_brought_as_well_stays(self, home: Home) -> None:
        home.tell(self.taken, by="system:library")
        home.tell(msgspec.structs.replace(self.taken, source="i2"), by="system:library")
        home.undo("i1")
        assert home.shelf() == [L]
        home.undo("i2")
        assert home.shelf() == []

        home.tell(msgspec.structs.replace(self.taken, source="i3"), by="system:library")
        assert home.shelf() == [L]

    def test_and_so_does_the_persons_own(self, home: Home) -> None:
        home.tell(CreateList(name="Own", list_id=L))
        home.tell(CreateList(name="Next", list_id="next"))
        home.tell(self.taken, by="system:library")
        home.undo("i1")

        assert home.shelf() == [L, "next"]
        home.tell(RenameList(list_id=L, name="Noir"))


def test_a_full_list_with_many_traces_stays_small() -> None:
    many = [(f"tt{n:07}", f"b{n:04}") for n in range(LIST_ITEMS)]
    traces = [f"tt9{n:06}" for n in range(2 * order.TRACES)]
    state = noir.given(created(), put(*many, op="many"), removed(*traces)).state()

    assert len(shown(state)) == LIST_ITEMS
    assert len(msgspec.json.encode(state)) < 256 * 1024


unasked: list[Command] = [
    CreateList(name="Noir"),
    RenameList(list_id=L, name="x"),
    DeleteList(list_id=L),
    add(A),
    move(A),
    remove(A),
]


@pytest.mark.parametrize("command", unasked, ids=lambda command: command.function)
def test_nobody_has_no_lists(home: Home, command: Command) -> None:
    assert home.refused(command, by="") == "not-signed-in"


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (CreateList, b"{}"),
        (CreateList, b'{"name":""}'),
        (CreateList, b'{"name":7}'),
        (CreateList, b'{"name":"' + b"x" * 201 + b'"}'),
        (CreateList, b'{"name":"a\\u0000"}'),
        (CreateList, b'{"name":"a","list_id":""}'),
        (CreateList, b'{"name":"a","order":"a-0"}'),
        (CreateList, b'{"name":"a","at":"yesterday"}'),
        (CreateList, b'{"name":"a","uid":"ben"}'),
        (RenameList, b'{"list_id":"l1"}'),
        (DeleteList, b'{"list_id":null}'),
        (AddToList, b'{"list_id":"l1","items":[]}'),
        (AddToList, b'{"list_id":"l1","items":[{"work":""}]}'),
        (AddToList, b'{"list_id":"l1","items":[{"work":"a","kind":"opera"}]}'),
        (AddToList, b'{"list_id":"l1","items":[{"work":"a","title":"' + b"x" * 501 + b'"}]}'),
        (AddToList, b'{"list_id":"l1","items":[{"work":"a","stars":5}]}'),
        (AddToList, b'{"list_id":"l1","items":[' + b",".join([b'{"work":"a"}'] * 101) + b"]}"),
        (MoveInList, b'{"list_id":"l1","work":["a"]}'),
        (RemoveFromList, b'{"list_id":"l1","works":[]}'),
        (RemoveFromList, b'{"list_id":"l1","works":"a"}'),
        (RemoveFromList, b'{"list_id":"l1","works":["' + b"x" * 129 + b'"]}'),
    ],
)
def test_odd_arguments_are_refused(kind: type[Any], body: bytes) -> None:
    with pytest.raises(Exception, match="invalid-argument"):
        arguments(kind, body)


# Properties: devices that were offline.

works = st.sampled_from([A, B, C, D])
orders = st.sampled_from(["Zz", "a0", "a0V", "a1", "a2"])
moments = st.integers(0, 5).map(lambda seconds: NOW + timedelta(seconds=seconds))
ops = st.sampled_from(["p", "q", "r"])
facts = st.one_of(
    st.builds(created, at=moments, op=ops, source=st.sampled_from(["", "i1", "i2"])),
    st.builds(ListRenamed, uid=st.just(ANA), list_id=st.just(L), name=st.just("x"), at=moments, op=ops),
    st.builds(ListDeleted, uid=st.just(ANA), list_id=st.just(L), at=moments),
    st.builds(
        lambda items, at, op, source: put(*items, at=at, op=op, source=source),
        st.lists(st.tuples(works, orders), min_size=1, max_size=3),
        moments,
        ops,
        st.sampled_from(["", "i1"]),
    ),
    st.builds(
        lambda works, at, op: removed(*works, at=at, op=op), st.lists(works, min_size=1, max_size=3), moments, ops
    ),
)


@given(st.lists(facts, max_size=12), st.randoms(use_true_random=False))
def test_in_whatever_order_facts_arrive_the_list_is_the_same(events: list[Any], chance: random.Random) -> None:
    other = list(events)
    chance.shuffle(other)

    state = decider.fold(events)

    assert decider.fold(other) == state
    assert decider.fold([*events, *other]) == state, "what is told twice counts once"
    assert msgspec.convert(msgspec.json.decode(msgspec.json.encode(state)), List) == state, "as a snapshot"


shelf_facts = st.one_of(
    st.builds(ListShelved, uid=st.just(ANA), list_id=works, order=orders, at=moments, op=ops),
    st.builds(ListMoved, uid=st.just(ANA), list_id=works, order=orders, at=moments, op=ops),
    st.builds(ListUnshelved, uid=st.just(ANA), list_id=works, at=moments),
)


@given(st.lists(shelf_facts, max_size=12), st.randoms(use_true_random=False))
def test_so_is_the_shelf(events: list[Any], chance: random.Random) -> None:
    other = list(events)
    chance.shuffle(other)

    assert shelf.decider.fold(other) == shelf.decider.fold(events)


def entry(work: str, where: str) -> tuple[Entry, ...]:
    return (Entry(work=work, order=where),)


# Each device adds, moves by its own reckoning, and removes, at times of its own, in its own order.
doings = st.one_of(
    st.tuples(st.just("add"), works, orders),
    st.tuples(st.just("move"), works, orders),
    st.tuples(st.just("remove"), works, orders),
)
offline = st.lists(st.lists(st.tuples(st.integers(0, 600), doings), max_size=6), min_size=3, max_size=3)


def told(device: int, nth: int, seconds: int, what: tuple[str, str, str]) -> Command:
    kind, work, where = what
    late: Any = {"at": BEFORE + timedelta(seconds=seconds, milliseconds=device), "op": f"d{device}-{nth}"}
    if kind == "remove":
        return RemoveFromList(list_id=L, works=(work,), **late)
    if kind == "move":
        return MoveInList(list_id=L, work=work, order=where, **late)
    return AddToList(list_id=L, items=entry(work, where), **late)


def merged_order(devices: Sequence[Sequence[Command]], chance: random.Random) -> list[Command]:
    """Each device tells in its own order; among devices any order may be."""
    queues = [list(device) for device in devices]
    turns = [n for n, queue in enumerate(queues) for _ in queue]
    chance.shuffle(turns)
    return [queues[turn].pop(0) for turn in turns]


@settings(max_examples=100)
@given(offline, st.randoms(use_true_random=False))
def test_three_devices_that_were_offline_end_with_one_list(
    plans: list[list[tuple[int, tuple[str, str, str]]]], chance: random.Random
) -> None:
    devices = [
        [told(device, nth, seconds, what) for nth, (seconds, what) in enumerate(plan)]
        for device, plan in enumerate(plans)
    ]
    found = []
    for _ in range(3):
        home = Home()
        home.tell(CreateList(name="Noir", list_id=L, at=BEFORE - timedelta(hours=1)))
        home.tell(add(A, B, C, D, at=BEFORE - timedelta(minutes=1)))
        for command in merged_order(devices, chance):
            home.tell(command)
        found.append(home.state().items())
        before = len(home.told)
        for command in merged_order(devices, chance):
            home.tell(command)
        assert len(home.told) == before, "all of it once more"

    assert found[0] == found[1] == found[2]


def test_works_of_one_order_are_shown_by_their_ids() -> None:
    assert shown(noir.given(created(), put((C, "a0"), (A, "a0"), (B, "a0"))).state()) == [A, B, C]


@given(st.lists(st.tuples(works, st.none() | works, st.booleans()), max_size=15))
def test_whatever_is_moved_goes_where_it_was_asked_to(steps: list[tuple[str, str | None, bool]]) -> None:
    home = Home()
    home.tell(CreateList(name="Noir", list_id=L))
    same = tuple(Entry(work=work, order="a0") for work in (A, B, C, D))
    home.tell(AddToList(list_id=L, items=same))
    expected = [A, B, C, D]
    for work, after, _ in steps:
        home.tell(MoveInList(list_id=L, work=work, after=after), after=0)
        if work != after:
            expected.remove(work)
            expected.insert(expected.index(after) + 1 if after else 0, work)
        assert shown(home.state()) == expected


def test_every_command_has_its_rules() -> None:
    assert set(lists.PACTS) == {CreateList, DeleteList, TakeInList}
    assert set(lists.PACTS) <= set(PACTS)
