"""What concerns many titles at once: ids that name one work, imports taken back, a cleared history, a time gone by."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from tests.integration.library.stories import (
    ANA,
    BOB,
    FILM,
    MOVIE,
    ONE,
    OTHER,
    SERIES,
    SHOW,
    TWO,
    Story,
    asking,
    every_page,
    play,
)
from tests.integration.readmodels import ReadModel

from events.contracts.library import (
    AsOf,
    AsOfPage,
    ContinueWatching,
    Episodes,
    History,
    Item,
    Items,
    ItemView,
    TakenPosition,
    Title,
    Titles,
    Why,
    imports_topic,
    lists_topic,
    title_topic,
    topic,
)
from events.messages import Query, Rejected
from library.queries import QUERIES


async def ask(model: ReadModel, query: Query, uid: str = ANA) -> Any:
    return await QUERIES[type(query)](model.reader, query, asking(uid))


async def as_of(model: ReadModel, at: datetime, uid: str = ANA, **asked: Any) -> AsOfPage:
    page: AsOfPage = await ask(model, AsOf(at=at, **asked), uid)
    return page


class TestJoinedIds:
    async def test_show_one_title_under_the_first(self, model: ReadModel, story: Story) -> None:
        story.completed(work=SERIES, episode=ONE)
        story.chosen(SERIES, favourite=True)
        story.started(10, work=OTHER, episode=TWO)
        story.heard(30, work=OTHER, episode=TWO)
        story.joined(SERIES, OTHER)
        topics = await model.apply(story.commits, story.heartbeats)

        for work in (SERIES, OTHER):
            title = await ask(model, Title(work=work))
            assert (title.work, [item.episode for item in title.items]) == (SERIES, [ONE, TWO])
            item = await ask(model, Item(work=work))
            assert (item.work, item.ids, item.favourite) == (SERIES, [SERIES, OTHER], True)
            assert len((await ask(model, Episodes(work=work))).items) == 2
        assert [(one.work, one.position) for one in (await ask(model, ContinueWatching())).items] == [(SERIES, 30.0)]
        assert [one.work for one in (await ask(model, Items())).items] == [SERIES]
        assert topics >= {topic(ANA), title_topic(ANA, SERIES), title_topic(ANA, OTHER)}

    async def test_hear_of_each_other_under_every_id(self, model: ReadModel, story: Story) -> None:
        story.started(10, work=OTHER, episode=ONE)
        story.joined(SERIES, OTHER)
        await model.apply(story.commits)
        story.heard(30, work=OTHER, episode=ONE)

        assert await model.apply(story.heartbeats) == {topic(ANA), title_topic(ANA, SERIES), title_topic(ANA, OTHER)}
        assert [one.position for one in (await ask(model, Titles())).items] == [30.0]

    async def test_are_two_titles_again_when_they_are_split(self, model: ReadModel, story: Story) -> None:
        story.completed(work=SERIES, episode=ONE)
        story.started(10, work=OTHER, episode=TWO)
        await model.apply(story.commits)
        before = await model.same()
        story.joined(SERIES, OTHER)
        story.split(SERIES)
        await model.apply(story.commits[-2:-1])
        topics = await model.apply(story.commits[-1:])
        after = await model.same()

        assert topics >= {topic(ANA), title_topic(ANA, SERIES), title_topic(ANA, OTHER)}
        for table in ("title", "item", "play", "joined"):
            assert after[table] == before[table]

    async def test_stay_joined_without_one_that_was_split_off(self, model: ReadModel, story: Story) -> None:
        story.chosen("a", in_watchlist=True)
        story.chosen("b", favourite=True)
        story.chosen("c", reaction="mixed")
        story.joined("a", "b", "c")
        story.split("a")
        await model.apply(*([commit] for commit in story.commits))
        first, rest = await ask(model, Item(work="a")), await ask(model, Item(work="c"))

        assert (first.ids, first.in_watchlist, first.favourite, first.reaction) == (["a"], True, False, None)
        assert (rest.work, rest.ids, rest.in_watchlist) == ("b", ["b", "c"], False)
        assert (rest.favourite, rest.reaction) == (True, "mixed")

    async def test_tell_each_play_under_the_id_to_remove_it_by(self, model: ReadModel, story: Story) -> None:
        story.completed(work=SERIES, episode=ONE, play="s1")
        story.completed(work=OTHER, episode=TWO, play="s2")
        story.marked(TWO, work=SERIES, watched=False)
        story.taken(play("1-1", "t1"), work=OTHER)
        story.joined(SERIES, OTHER)
        await model.apply(story.commits)
        found = (await ask(model, History(work=OTHER))).items

        assert {one.play: one.work for one in found} == {"s1": SERIES, "s2": OTHER, "t1": OTHER}

    async def test_are_each_persons_own(self, model: ReadModel, story: Story) -> None:
        story.chosen(SERIES, uid=BOB, favourite=True)
        story.joined(OTHER, SERIES, uid=ANA)
        await model.apply(story.commits)

        assert (await ask(model, Item(work=SERIES), BOB)).ids == [SERIES]
        assert await ask(model, Item(work=SERIES), ANA) is None

    async def test_of_which_nothing_is_known_show_nothing(self, model: ReadModel, story: Story) -> None:
        story.joined(SERIES, OTHER)
        await model.apply(story.commits)

        assert (await ask(model, Title(work=OTHER))).work == SERIES
        assert (await ask(model, Items())).items == []


class TestUndoneImports:
    async def test_leave_what_was_there_and_what_came_since(self, model: ReadModel, story: Story) -> None:
        story.chosen(FILM, reaction="mixed")
        story.taken(
            play(), work=FILM, source="i1", reaction="loved", resume=TakenPosition("film", 30.0, story.now, 100.0)
        )
        story.taken(play("1-1"), work=SERIES, source="i1")
        story.marked(TWO, work=SERIES)
        story.taken(play("1-1"), work="tt9", source="i1", in_watchlist=True)
        await model.apply(story.commits)
        assert len((await ask(model, Items())).items) == 3
        story.undone("i1")
        topics = await model.apply(story.commits[-1:]) - {imports_topic(ANA), lists_topic(ANA)}
        film = await ask(model, Item(work=FILM))

        assert topics == {topic(ANA), *(title_topic(ANA, work) for work in (FILM, SERIES, "tt9"))}
        assert (film.reaction, film.status) == ("mixed", None)
        assert (await ask(model, Title(work=FILM))).items == []
        assert [one.episode for one in (await ask(model, Title(work=SERIES))).items] == [TWO]
        assert await ask(model, Item(work="tt9")) is None
        assert [one.rule for one in (await ask(model, History())).items] == ["mark"]
        assert [one.counts for one in (await ask(model, Why(work=FILM))).reasons] == [False]

    async def test_stay_undone_if_more_of_them_comes(self, model: ReadModel, story: Story) -> None:
        story.taken(play())
        story.undone("i1")
        story.taken(play(), work="tt9")
        await model.apply(*([commit] for commit in story.commits))

        assert (await ask(model, Items())).items == []

    async def test_are_nobody_elses(self, model: ReadModel, story: Story) -> None:
        story.taken(play(), uid=BOB)
        story.undone("i1", uid=ANA)
        await model.apply(story.commits)

        assert len((await ask(model, Items(), BOB)).items) == 1

    async def test_of_thousands_of_titles_go_together(self, model: ReadModel, story: Story) -> None:
        for n in range(1_200):
            story.taken(play(watched_at=story.now), work=f"w{n:04d}")
        await model.apply(story.commits)
        assert await model.reader.fetchval("select count(*) from play") == 1_200
        story.undone("i1")
        topics = await model.apply(story.commits[-1:]) - {imports_topic(ANA), lists_topic(ANA)}

        assert len(topics) == 1_201
        for table in ("title", "item", "play"):
            assert await model.reader.fetchval(f"select count(*) from {table}") == 0


class TestClearedHistory:
    async def test_takes_plays_away_and_leaves_what_was_decided(self, model: ReadModel, story: Story) -> None:
        story.completed()
        story.chosen(FILM, reaction="loved")
        story.marked(ONE, work=SERIES)
        story.completed(uid=BOB)
        await model.apply(story.commits)
        story.cleared()
        topics = await model.apply(story.commits[-1:])
        film = await ask(model, Item(work=FILM))

        assert topics == {topic(ANA), title_topic(ANA, FILM), title_topic(ANA, SERIES)}
        assert (await ask(model, History())).items == []
        assert (film.reaction, (await ask(model, Why(work=FILM))).watched) == ("loved", False)
        assert (await ask(model, Episodes(work=SERIES))).items == []
        assert len((await ask(model, History(), BOB)).items) == 1

    async def test_counts_what_is_watched_afterwards(self, model: ReadModel, story: Story) -> None:
        story.completed(play="old")
        story.cleared()
        story.completed(play="new")
        await model.apply(story.commits)

        assert [one.play for one in (await ask(model, History())).items] == ["new"]


class TestAsOf:
    async def test_shows_a_library_as_the_server_knew_it(self, model: ReadModel, story: Story) -> None:
        story.chosen(SERIES, details=SHOW, in_watchlist=True)
        wanted = story.now
        story.marked(ONE, work=SERIES)
        story.completed(work="tt9")
        begun = story.now
        story.chosen(SERIES, status="finished")
        await model.apply(story.commits)
        before = await as_of(model, wanted - timedelta(seconds=1))
        first, second, now = [await as_of(model, at) for at in (wanted, begun, story.now)]

        assert before.items == []
        assert [(one.work, one.status, one.watched_episodes) for one in first.items] == [(SERIES, None, 0)]
        assert [(one.work, one.status) for one in second.items] == [(SERIES, "watching"), ("tt9", "finished")]
        assert [one.status for one in now.items] == ["finished", "finished"]
        assert now.items[0] == await ask(model, Item(work=SERIES))

    async def test_knows_which_ids_were_joined_which_imports_counted_and_what_was_cleared(
        self, model: ReadModel, story: Story
    ) -> None:
        story.taken(play("1-1"), work=SERIES, source="i1")
        story.chosen(OTHER, favourite=True)
        apart = story.now
        story.joined(OTHER, SERIES)
        joined = story.now
        story.undone("i1")
        undone = story.now
        story.split(SERIES)
        story.completed(work=OTHER, episode=ONE)
        seen = story.now
        story.cleared()
        await model.apply(story.commits)

        def said(page: AsOfPage) -> list[tuple[str, list[str], int, bool]]:
            return [(one.work, one.ids, one.watched_episodes, one.favourite) for one in page.items]

        assert said(await as_of(model, apart)) == [(OTHER, [OTHER], 0, True), (SERIES, [SERIES], 1, False)]
        assert said(await as_of(model, joined)) == [(OTHER, [OTHER, SERIES], 1, True)]
        assert said(await as_of(model, undone)) == [(OTHER, [OTHER, SERIES], 0, True)]
        assert said(await as_of(model, seen)) == [(OTHER, [OTHER], 1, True)]
        assert said(await as_of(model, story.now)) == [(OTHER, [OTHER], 0, True)]

    async def test_knows_what_came_late_only_since_it_came(self, model: ReadModel, story: Story) -> None:
        early = story.later(10)
        story.later(100)
        story.completed(at=early)
        await model.apply(story.commits)

        assert (await as_of(model, early)).items == []
        assert len((await as_of(model, story.now)).items) == 1

    async def test_comes_page_by_page(self, model: ReadModel, story: Story) -> None:
        for n in range(5):
            story.chosen(f"w{n}", favourite=True)
        story.joined("w9", "w1")
        story.joined("w0", "w3")
        await model.apply(story.commits)

        async def page(cursor: str | None) -> tuple[list[ItemView], str | None]:
            found = await as_of(model, story.now, limit=2, cursor=cursor)
            return found.items, found.cursor

        assert [[one.work for one in page] for page in await every_page(page)] == [["w0", "w2"], ["w4", "w9"]]

    async def test_of_somebody_else_is_empty(self, model: ReadModel, story: Story) -> None:
        story.chosen(FILM, details=MOVIE)
        await model.apply(story.commits)

        assert (await as_of(model, story.now, BOB)).items == []

    async def test_of_a_time_without_an_offset_is_refused(self, model: ReadModel) -> None:
        with pytest.raises(Rejected, match="invalid-argument"):
            await as_of(model, datetime(2026, 1, 1))  # noqa: DTZ001

    @pytest.mark.parametrize("cursor", ["x", "WzFd", "WyJcdTAwMDAiXQ"])
    async def test_with_a_foreign_cursor_is_refused(self, model: ReadModel, story: Story, cursor: str) -> None:
        with pytest.raises(Rejected, match="bad-cursor"):
            await as_of(model, story.now, cursor=cursor)
