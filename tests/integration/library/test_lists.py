from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.integration.readmodels import ReadModel, read_model
from tests.integration.recording import Recording, cut

from events.contracts.library import (
    AddToList,
    CreateList,
    DeleteList,
    Entry,
    ImportAsked,
    ImportUndone,
    JoinIds,
    ListPage,
    Lists,
    ListsHolding,
    ListsPage,
    MoveInList,
    MoveList,
    RemoveFromList,
    RenameList,
    ShowList,
    ShowListsHolding,
    SplitIds,
    TakeInList,
    import_key,
    list_topic,
    lists_topic,
    shelf_key,
)
from events.log import Commit
from events.messages import Command, Context, Event, Key, Rejected
from events.testing import NOW
from library import lists, shelf
from library.decider import PACTS, deciders
from library.main import SERVICE
from library.queries import lists as queries
from ops.embedded import Embedded

ANA, BEN = "ana", "ben"
A, B, C, D = "tt0000001", "tt0000002", "tt0000003", "tt0000004"
L, M = "l1", "l2"


class Story(Recording):
    """What happened to the libraries of some people, told by commands of any kind."""

    def __init__(self) -> None:
        self.rules = deciders()
        super().__init__(self.rules["list"])
        self.known: dict[Key, Any] = {}

    def tell(
        self,
        command: Command,
        by: str = ANA,
        after: float = 1.0,
        id: str = "",
        ambient: Mapping[str, Any] | None = None,
    ) -> list[Event]:
        """One commit for each aggregate; refusals are raised."""
        if isinstance(command, TakeInList):
            self.ask(command.source)
        self.now += timedelta(seconds=after)
        command_id = id or f"{len(self.commits):016}-told"
        context = Context(actor=by, now=self.now, command_id=command_id, ambient=ambient or {})
        context = replace(context, seen={str(key): self._state(key) for key in command.looks_at(context)})
        states = {key: self._state(key) for key in command.keys(context)}
        if type(command) in PACTS:
            decided = PACTS[type(command)].decide(command, states, context)
        else:
            ((key, state),) = states.items()
            decided = {key: self.rules[key.aggregate].decide(command, state, context)}
        for key in states:
            if events := decided.get(key):
                self.known[key] = self.rules[key.aggregate].fold(events, states[key])
                self.add(key, events, context)
        return [event for events in decided.values() for event in events]

    def ask(self, import_id: str, of: str = ANA) -> None:
        """An import begins, once."""
        if import_key(of, import_id) not in self._versions:
            asked = ImportAsked(uid=of, import_id=import_id, upload="0" * 32, format="imdb", at=self.now)
            self.add(import_key(of, import_id), [asked], Context(actor=of, now=self.now, command_id="ask"))

    def _state(self, key: Key) -> Any:
        return self.known.get(key, self.rules[key.aggregate].initial)

    def undo(self, import_id: str, of: str = ANA) -> None:
        self.ask(import_id, of)
        self.now += timedelta(seconds=1)
        undone = ImportUndone(uid=of, import_id=import_id, at=self.now)
        self.add(import_key(of, import_id), [undone], Context(actor=of, now=self.now, command_id="undo"))

    def add(self, key: Key, events: Sequence[Event], context: Context) -> None:
        first = self._versions.get(key, 0) + 1
        self._versions[key] = first + len(events) - 1
        self.commits.append(self._commit(len(self.commits) + 1, key, first, events, context))


@pytest.fixture
async def model(servers: Embedded) -> AsyncIterator[ReadModel]:
    async with read_model(SERVICE, servers) as model:
        yield model


@pytest.fixture
def story() -> Story:
    return Story()


def add(*works: str, to: str = L, **more: Any) -> AddToList:
    return AddToList(list_id=to, items=tuple(Entry(work=work) for work in works), **more)


def taken(*works: str, source: str = "i1", list_id: str = L, name: str = "Imported", at: Any = NOW) -> TakeInList:
    items = tuple(Entry(work=work, title=f"Title of {work}") for work in works)
    return TakeInList(uid=ANA, list_id=list_id, name=name, items=items, source=source, at=at)


def asking(uid: str = ANA) -> Context:
    return Context(actor=uid, now=NOW)


async def all_lists(model: ReadModel, uid: str = ANA, **asked: Any) -> ListsPage:
    return await queries.lists(model.reader, Lists(**asked), asking(uid))


async def one_list(model: ReadModel, list_id: str = L, uid: str = ANA, **asked: Any) -> ListPage:
    return await queries.show_list(model.reader, ShowList(list_id=list_id, **asked), asking(uid))


async def holding(model: ReadModel, work: str, **asked: Any) -> ListsHolding:
    return await queries.show_lists_holding(model.reader, ShowListsHolding(work=work, **asked), asking())


async def works_of(model: ReadModel, list_id: str = L) -> list[str]:
    return [item.work for item in (await one_list(model, list_id)).items]


async def refused(model: ReadModel, list_id: str = L, uid: str = ANA, **asked: Any) -> str:
    with pytest.raises(Rejected) as refusal:
        await one_list(model, list_id, uid, **asked)
    return refusal.value.code


class TestLists:
    async def test_are_shown_in_their_order(self, model: ReadModel, story: Story) -> None:
        story.tell(CreateList(name="Noir", list_id=L))
        story.tell(CreateList(name="Western", list_id=M))
        story.tell(CreateList(name="Somebody else's", list_id="x"), by=BEN)
        story.tell(add(A, B))
        story.tell(MoveList(list_id=M))
        story.tell(RenameList(list_id=L, name="Neo-noir"))

        topics = await model.apply(story.commits)
        shown = (await all_lists(model)).items

        assert [(one.list_id, one.name, one.order, one.items) for one in shown] == [
            (M, "Western", "Zz", 0),
            (L, "Neo-noir", "a0", 2),
        ]
        assert shown[1].created_at == NOW + timedelta(seconds=1)
        assert shown[1].updated_at == story.now
        assert topics == {
            *(lists_topic(uid) for uid in (ANA, BEN)),
            *(list_topic(ANA, one) for one in (L, M)),
            list_topic(BEN, "x"),
        }

    async def test_come_page_by_page(self, model: ReadModel, story: Story) -> None:
        for n in range(5):
            story.tell(CreateList(name=f"List {n}", list_id=f"l{n}"))
        await model.apply(story.commits)

        first = await all_lists(model, limit=2)
        second = await all_lists(model, limit=2, cursor=first.cursor)
        third = await all_lists(model, limit=2, cursor=second.cursor)

        assert [one.list_id for page in (first, second, third) for one in page.items] == [f"l{n}" for n in range(5)]
        assert third.cursor is None

    async def test_with_one_order_are_shown_by_their_ids_on_every_page(self, model: ReadModel, story: Story) -> None:
        for list_id in ("c", "a", "b"):
            story.tell(CreateList(name="Noir", list_id=list_id, order="a0"))
        await model.apply(story.commits)
        found, cursor = [], None
        for _ in range(3):
            page = await all_lists(model, limit=1, cursor=cursor)
            found += [one.list_id for one in page.items]
            cursor = page.cursor

        assert found == ["a", "b", "c"]

    async def test_once_deleted_are_gone_and_may_begin_anew(self, model: ReadModel, story: Story) -> None:
        story.tell(CreateList(name="Noir", list_id=L))
        story.tell(add(A))
        story.tell(DeleteList(list_id=L))
        await model.apply(story.commits)

        assert (await all_lists(model)).items == []
        assert await refused(model) == "no-such-list"
        assert (await holding(model, A)).lists == []
        rows = await model.rows()
        assert not any(rows[table] for table in ("list", "list_source", "list_put", "list_item", "shelved"))

        seen = len(story.commits)
        story.tell(CreateList(name="Noir again", list_id=L))
        await model.apply(story.commits[seen:])
        assert [(one.name, one.items) for one in (await all_lists(model)).items] == [("Noir again", 0)]


class TestItems:
    async def test_are_shown_in_their_order(self, model: ReadModel, story: Story) -> None:
        story.tell(CreateList(name="Noir", list_id=L))
        told = Entry(work="tmdb:603", kind="movie", title="The Matrix", poster="https://img/603.jpg")
        story.tell(AddToList(list_id=L, items=(told, Entry(work=A))))
        added_at = story.now
        story.tell(add(B, after=A))
        story.tell(MoveInList(list_id=L, work="tmdb:movie:603", after=B))
        await model.apply(story.commits)

        page = await one_list(model)

        assert [item.work for item in page.items] == [A, B, "tmdb:movie:603"]
        last = page.items[-1]
        assert (last.kind, last.title, last.poster) == ("movie", "The Matrix", "https://img/603.jpg")
        assert last.added_at == added_at, "a move adds nothing"
        assert (page.about.name, page.about.items, page.cursor) == ("Noir", 3, None)

    async def test_that_were_taken_off_come_back_as_new(self, model: ReadModel, story: Story) -> None:
        story.tell(CreateList(name="Noir", list_id=L))
        story.tell(AddToList(list_id=L, items=(Entry(work=A, title="Old"),)))
        story.tell(RemoveFromList(list_id=L, works=(A,)))
        story.tell(add(A))
        await model.apply(*cut(story.commits, 1))

        (item,) = (await one_list(model)).items

        assert (item.title, item.added_at) == ("", story.now)

    async def test_come_page_by_page_and_while_they_are_moved_none_comes_twice(
        self, model: ReadModel, story: Story
    ) -> None:
        story.tell(CreateList(name="Noir", list_id=L))
        story.tell(add(*(f"x{n}" for n in range(7))))
        await model.apply(story.commits)
        first = await one_list(model, limit=3)
        seen = len(story.commits)
        story.tell(MoveInList(list_id=L, work="x1", after="x0"))
        story.tell(add("new", after="x5"))
        await model.apply(story.commits[seen:])
        second = await one_list(model, limit=10, cursor=first.cursor)

        assert [item.work for item in first.items] == ["x0", "x1", "x2"]
        assert [item.work for item in second.items] == ["x3", "x4", "x5", "new", "x6"]
        assert second.cursor is None

    async def test_with_much_to_show_make_shorter_pages(self, model: ReadModel, story: Story) -> None:
        story.tell(CreateList(name="Noir", list_id=L))
        large = [Entry(work=f"x{n}", title="ä" * 500, poster="ö" * 2_000) for n in range(200)]
        story.tell(AddToList(list_id=L, items=tuple(large[:100])))
        story.tell(AddToList(list_id=L, items=tuple(large[100:])))
        await model.apply(story.commits)
        found, cursor = 0, None
        while True:
            page = await one_list(model, limit=100, cursor=cursor)
            found, cursor = found + len(page.items), page.cursor
            if cursor is None:
                break

        assert found == 200

    async def test_of_somebody_else_are_not_shown(self, model: ReadModel, story: Story) -> None:
        story.tell(CreateList(name="Noir", list_id=L))
        await model.apply(story.commits)

        assert await refused(model, L, BEN) == "no-such-list"
        assert await refused(model, "never") == "no-such-list"

    @pytest.mark.parametrize("cursor", ["x", "", "bnVsbA", "WyJhMCIsMV0", "WyJhXHUwMDAwIiwiYSJd"])
    async def test_a_cursor_that_nobody_gave_is_refused(self, model: ReadModel, story: Story, cursor: str) -> None:
        story.tell(CreateList(name="Noir", list_id=L))
        await model.apply(story.commits)

        assert await refused(model, cursor=cursor) == "bad-cursor"
        with pytest.raises(Rejected, match="bad-cursor"):
            await all_lists(model, cursor=cursor)


class TestHolding:
    async def test_finds_lists_in_their_order(self, model: ReadModel, story: Story) -> None:
        for list_id in (L, M, "l3"):
            story.tell(CreateList(name=f"List {list_id}", list_id=list_id))
        story.tell(add(A))
        story.tell(add(A, B, to=M))
        story.tell(MoveList(list_id=M))
        await model.apply(story.commits)

        found = await holding(model, "TT0000001:1:2")

        assert (found.work, [(one.list_id, one.name) for one in found.lists]) == (A, [(M, "List l2"), (L, "List l1")])
        assert (await holding(model, C)).lists == []
        assert (await holding(model, "tmdb:603", kind="movie")).work == "tmdb:movie:603"

    async def test_finds_them_under_any_id_of_a_work(self, model: ReadModel, story: Story) -> None:
        story.tell(CreateList(name="Noir", list_id=L))
        story.tell(CreateList(name="Western", list_id=M))
        story.tell(add(A))
        story.tell(add(B, to=M))
        story.tell(JoinIds(works=(C, A)))
        story.tell(JoinIds(works=(B, A)))
        topics = await model.apply(story.commits)

        for work in (A, B, C):
            assert [one.list_id for one in (await holding(model, work)).lists] == [L, M]
        assert lists_topic(ANA) in topics

        seen = len(story.commits)
        story.tell(SplitIds(work=A))
        assert await model.apply(story.commits[seen:]) >= {lists_topic(ANA)}
        assert [one.list_id for one in (await holding(model, A)).lists] == [L]
        assert [one.list_id for one in (await holding(model, C)).lists] == [M]

    async def test_a_work_with_several_ids_is_on_a_list_once(self, model: ReadModel, story: Story) -> None:
        story.tell(CreateList(name="Noir", list_id=L))
        story.tell(add(A))
        story.tell(add(B, C, D))
        story.tell(MoveInList(list_id=L, work=A, after=B))
        story.tell(JoinIds(works=(C, A)))
        topics = await model.apply(story.commits)

        assert list_topic(ANA, L) in topics
        assert await works_of(model) == [B, C, D], "where the latest word has put it"
        assert (await one_list(model)).about.items == 3
        pages = [page := await one_list(model, limit=1)]
        while page.cursor is not None:
            pages.append(page := await one_list(model, limit=1, cursor=page.cursor))
        assert [item.work for page in pages for item in page.items] == [B, C, D]

        seen = len(story.commits)
        story.tell(SplitIds(work=A))
        await model.apply(story.commits[seen:])
        assert await works_of(model) == [B, A, C, D]


class TestImports:
    async def test_a_list_is_there_until_its_import_is_undone(self, model: ReadModel, story: Story) -> None:
        story.tell(taken(A, B), by="system:library")
        await model.apply(story.commits)
        assert await works_of(model) == [A, B]
        before = await one_list(model)

        story.undo("i1")
        topics = await model.apply(story.commits[-1:])
        assert await refused(model) == "no-such-list"
        assert (await all_lists(model)).items == []
        assert (await holding(model, A)).lists == []
        assert topics >= {lists_topic(ANA), list_topic(ANA, L)}

        seen = len(story.commits)
        story.tell(taken(A, B, source="i2"), by="system:library")
        await model.apply(story.commits[seen:])
        again = await one_list(model)
        assert again.items == before.items
        assert (again.about.name, again.about.items) == ("Imported", 2)

    async def test_what_it_adds_to_ones_own_list_goes_and_the_rest_is_as_before(
        self, model: ReadModel, story: Story
    ) -> None:
        story.tell(CreateList(name="Noir", list_id=L))
        story.tell(add(A))
        story.tell(add(B))
        story.tell(RemoveFromList(list_id=L, works=(B,)))
        await model.apply(story.commits)
        before = await one_list(model)
        seen = len(story.commits)

        story.tell(taken(A, B, C, at=story.now + timedelta(seconds=1)), by="system:library")
        await model.apply(story.commits[seen:])
        during = await one_list(model)
        assert [(item.work, item.title) for item in during.items] == [
            (A, f"Title of {A}"),
            (B, f"Title of {B}"),
            (C, f"Title of {C}"),
        ]
        assert (during.about.name, during.about.items) == ("Noir", 3)

        story.undo("i1")
        await model.apply(story.commits[-1:])
        after = await one_list(model)
        assert [(item.work, item.order, item.added_at) for item in after.items] == [
            (item.work, item.order, item.added_at) for item in before.items
        ]
        assert after.about.items == 1

    async def test_what_was_done_since_stays(self, model: ReadModel, story: Story) -> None:
        story.tell(CreateList(name="Noir", list_id=L))
        story.tell(taken(A, B), by="system:library")
        story.tell(add(A))
        story.tell(MoveInList(list_id=L, work=B))
        story.undo("i1")
        await model.apply(story.commits)

        items = (await one_list(model)).items

        assert [item.work for item in items] == [B, A]
        assert items[0].title == f"Title of {B}"

    async def test_so_does_a_list_on_which_something_was_put_or_that_was_renamed(
        self, model: ReadModel, story: Story
    ) -> None:
        story.tell(taken(A, B), by="system:library")
        story.tell(taken(A, list_id=M), by="system:library")
        story.tell(add(C))
        story.tell(RenameList(list_id=M, name="Mine"))
        story.undo("i1")
        await model.apply(story.commits)

        assert await works_of(model) == [C]
        assert [(one.name, one.items) for one in (await all_lists(model)).items] == [("Imported", 1), ("Mine", 0)]

    async def test_of_two_imports_one_may_be_undone(self, model: ReadModel, story: Story) -> None:
        story.tell(taken(A, B), by="system:library")
        story.tell(taken(B, C, source="i2"), by="system:library")
        story.undo("i1")
        await model.apply(story.commits)

        assert await works_of(model) == [B, C]

    async def test_what_comes_after_it_was_undone_is_not_shown(self, model: ReadModel, story: Story) -> None:
        story.undo("i1")
        story.tell(taken(A), by="system:library")
        await model.apply(*cut(story.commits, 1))

        assert (await all_lists(model)).items == []


works = st.sampled_from([A, B, C])
ids = st.sampled_from([L, M])
orders = st.sampled_from([None, "a0", "a1", "a1V"])
entries = st.lists(st.builds(Entry, work=works, order=orders, title=st.sampled_from(["", "Shown"])), min_size=1)
commands = st.one_of(
    st.builds(CreateList, name=st.sampled_from(["Noir", "Western"]), list_id=ids),
    st.builds(CreateList, name=st.just("Noir"), list_id=ids),
    st.builds(RenameList, list_id=ids, name=st.sampled_from(["One", "Two"])),
    st.builds(DeleteList, list_id=ids),
    st.builds(AddToList, list_id=ids, items=entries.map(tuple)),
    st.builds(AddToList, list_id=ids, items=entries.map(tuple)),
    st.builds(MoveInList, list_id=ids, work=works, after=st.none() | works),
    st.builds(RemoveFromList, list_id=ids, works=st.lists(works, min_size=1).map(tuple)),
    st.builds(MoveList, list_id=ids, after=st.none() | ids),
    st.builds(
        lambda works, list_id, source: taken(*works, list_id=list_id, source=source),
        st.lists(works, max_size=3),
        ids,
        st.sampled_from(["i1", "i2"]),
    ),
    st.sampled_from(["i1", "i2"]),
    st.builds(JoinIds, works=st.lists(works, min_size=2, max_size=3).map(tuple)),
    st.builds(SplitIds, work=works),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(commands, max_size=25))
async def test_however_the_log_is_cut_the_rows_are_the_same_and_say_what_the_rules_know(
    model: ReadModel, steps: list[Command | str]
) -> None:
    story, undone = Story(), set[str]()
    for step in steps:
        if isinstance(step, str):
            story.undo(step)
            undone.add(step)
            continue
        try:
            late = replace(step, at=story.now) if isinstance(step, TakeInList) else step
            story.tell(late, by="system:library" if isinstance(step, TakeInList) else ANA)
        except Rejected:
            continue
    batches: list[list[Sequence[Commit]]] = [
        list(cut(story.commits, 1)),
        list(cut(story.commits, 4)),
        list(cut(story.commits, len(story.commits) or 1)),
    ]
    found = []
    for order in batches:
        await model.empty()
        await model.apply(*order)
        found.append(await model.same())
        for list_id in (L, M):
            await _check(model, story, list_id, undone)

    assert found[0] == found[1] == found[2]


async def _check(model: ReadModel, story: Story, list_id: str, undone: set[str]) -> None:
    """What is shown is what the decider knows, without the sources that were undone."""
    state = next((state for key, state in story.known.items() if key == Key.of("list", ANA, list_id)), None)
    if state is None or not state.begun.keys() - undone:
        assert await refused(model, list_id) == "no-such-list"
        return
    left = replace(state, places={source: p for source, p in state.places.items() if source not in undone})
    known = lists.Shown.of(left, story.known.get(shelf_key(ANA), shelf.Shelf()))

    page = await one_list(model, list_id)
    assert [(item.work, item.order) for item in page.items] == [(known.group(id)[0], at) for id, at in known.row]
    assert page.about.items == len(page.items)
