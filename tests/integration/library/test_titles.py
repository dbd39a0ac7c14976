"""What somebody watches: what to go on with, every title, each episode."""

from typing import Any

import pytest
from tests.integration.library.stories import (
    ANA,
    BOB,
    FILM,
    MOVIE,
    ONE,
    SERIES,
    SHOW,
    THREE,
    TWO,
    Story,
    asking,
    every_page,
    play,
)
from tests.integration.readmodels import ReadModel

from events.contracts.library import (
    AllEpisodes,
    ContinuePage,
    ContinueWatching,
    Episodes,
    EpisodesPage,
    Title,
    TitleProgress,
    Titles,
    TitlesPage,
    title_topic,
    topic,
)
from events.messages import Rejected
from events.testing import NOW
from library.queries import QUERIES


async def projected(model: ReadModel, story: Story) -> set[str]:
    return await model.apply(story.commits) | await model.apply(story.heartbeats)


async def continuing(model: ReadModel, uid: str = ANA, **asked: Any) -> ContinuePage:
    page: ContinuePage = await QUERIES[ContinueWatching](model.reader, ContinueWatching(**asked), asking(uid))
    return page


async def titles(model: ReadModel, uid: str = ANA, **asked: Any) -> TitlesPage:
    page: TitlesPage = await QUERIES[Titles](model.reader, Titles(**asked), asking(uid))
    return page


async def title(model: ReadModel, uid: str = ANA, **asked: Any) -> TitleProgress:
    found: TitleProgress = await QUERIES[Title](model.reader, Title(**asked), asking(uid))
    return found


async def episodes(model: ReadModel, uid: str = ANA, **asked: Any) -> EpisodesPage:
    page: EpisodesPage = await QUERIES[Episodes](model.reader, Episodes(**asked), asking(uid))
    return page


class TestContinueWatching:
    async def test_shows_what_was_begun_latest_first(self, model: ReadModel, story: Story) -> None:
        story.started(10)
        story.started(5, work=SERIES, episode=TWO, duration=50.0, device="tv")
        story.started(10, uid=BOB)
        topics = await projected(model, story)
        items = (await continuing(model)).items

        assert [(item.work, item.episode, item.position, item.percent) for item in items] == [
            (SERIES, TWO, 5.0, 10.0),
            (FILM, None, 10.0, 10.0),
        ]
        assert (items[0].device, items[0].duration, items[0].updated_at) == ("tv", 50.0, NOW.replace(second=2))
        assert topics == {topic(ANA), title_topic(ANA, FILM), title_topic(ANA, SERIES)} | {
            topic(BOB),
            title_topic(BOB, FILM),
        }

    async def test_a_heartbeat_moves_a_title_to_the_top(self, model: ReadModel, story: Story) -> None:
        story.started(10, device="phone")
        story.started(5, work=SERIES, episode=ONE)
        story.heard(35, device="phone")
        topics = await projected(model, story)
        (latest, _) = (await continuing(model)).items

        assert (latest.work, latest.position, latest.device, latest.updated_at) == (FILM, 35.0, "phone", story.now)
        assert topics >= {topic(ANA), title_topic(ANA, FILM)}

    async def test_the_details_ride_along(self, model: ReadModel, story: Story) -> None:
        story.started(10)
        story.chosen(details=MOVIE)
        await projected(model, story)

        assert [item.details for item in (await continuing(model)).items] == [MOVIE]

    async def test_what_is_hidden_stays_away_until_it_is_taken_back(self, model: ReadModel, story: Story) -> None:
        story.started(10)
        story.chosen(hidden=True)
        story.heard(20)
        await projected(model, story)
        assert (await continuing(model)).items == []

        story.chosen(hidden=False)
        await projected(model, story)
        assert [item.position for item in (await continuing(model)).items] == [20.0]

    async def test_a_completed_film_is_gone_and_comes_back_when_it_is_begun_again(
        self, model: ReadModel, story: Story
    ) -> None:
        story.started(10)
        story.completed()
        story.heard(97)
        await projected(model, story)
        assert (await continuing(model)).items == []

        story.started(3)
        await projected(model, story)
        assert [(item.work, item.position) for item in (await continuing(model)).items] == [(FILM, 3.0)]

    async def test_the_next_episode_takes_the_place_of_a_completed_one(self, model: ReadModel, story: Story) -> None:
        story.started(10, work=SERIES, episode=ONE)
        story.completed(work=SERIES, episode=ONE, next=TWO)
        await projected(model, story)
        (item,) = (await continuing(model)).items

        assert (item.episode, item.position, item.duration, item.percent) == (TWO, 0.0, None, None)
        assert item.updated_at == story.now

    async def test_the_next_episode_goes_on_where_it_was_left(self, model: ReadModel, story: Story) -> None:
        story.started(20, work=SERIES, episode=TWO, session="two")
        story.stopped(25, work=SERIES, episode=TWO, session="two")
        story.completed(work=SERIES, episode=ONE, next=TWO)
        await projected(model, story)
        (item,) = (await continuing(model)).items

        assert (item.episode, item.position, item.percent) == (TWO, 25.0, 25.0)

    async def test_after_the_last_episode_the_series_is_gone(self, model: ReadModel, story: Story) -> None:
        story.chosen(work=SERIES, details=SHOW)
        story.completed(work=SERIES, episode=THREE)
        await projected(model, story)

        assert (await continuing(model)).items == []

    async def test_pages_show_every_title_once(self, model: ReadModel, story: Story) -> None:
        works = [f"work {n:02d}" for n in range(23)]
        for work in works:
            story.started(10, work=work)
            story.completed(work=f"{work} again")
        await projected(model, story)

        async def ask(cursor: str | None) -> tuple[list[Any], str | None]:
            page = await continuing(model, limit=5, cursor=cursor)
            return page.items, page.cursor

        pages = await every_page(ask)
        assert [item.work for page in pages for item in page] == works[::-1]
        assert [len(page) for page in pages] == [5, 5, 5, 5, 3]

    async def test_titles_of_the_same_moment_are_paged_by_their_names(self, model: ReadModel, story: Story) -> None:
        at = story.later(1)
        for n in range(7):
            story.started(10, work=f"w{n}", at=at)
        await projected(model, story)
        first = await continuing(model, limit=3)
        second = await continuing(model, limit=4, cursor=first.cursor)

        assert [item.work for item in (*first.items, *second.items)] == [f"w{n}" for n in range(6, -1, -1)]
        assert second.cursor is None

    async def test_a_title_that_moves_to_the_top_meanwhile_is_not_shown_twice(
        self, model: ReadModel, story: Story
    ) -> None:
        for n in range(6):
            story.started(10, work=f"w{n}")
        await projected(model, story)
        first = await continuing(model, limit=3)
        story.heard(20, work="w4")
        await model.apply(story.heartbeats)
        second = await continuing(model, limit=3, cursor=first.cursor)

        assert [item.work for item in first.items] == ["w5", "w4", "w3"]
        assert [item.work for item in second.items] == ["w2", "w1", "w0"]

    @pytest.mark.parametrize("cursor", ["x", "bm90IGpzb24", "é", "WzEsMl0", "Wy0xLCJhIl0", "WzEsIlx1MDAwMCJd"])
    async def test_a_foreign_cursor_is_refused(self, model: ReadModel, cursor: str) -> None:
        for query in (ContinueWatching, Titles, AllEpisodes):
            with pytest.raises(Rejected, match="bad-cursor"):
                await QUERIES[query](model.reader, query(cursor=cursor), asking())


class TestHeartbeats:
    async def test_are_seen_everywhere(self, model: ReadModel, story: Story) -> None:
        story.started(10, work=SERIES, episode=ONE, device="tv")
        story.heard(30, work=SERIES, episode=ONE, device="tv")
        await projected(model, story)
        (one,) = (await title(model, work=SERIES)).items

        assert (one.position, one.percent, one.updated_at, one.device) == (30.0, 30.0, story.now, "tv")
        assert (await titles(model)).items == [one]
        assert [item.position for item in (await continuing(model)).items] == [30.0]

    async def test_an_older_one_that_comes_late_changes_nothing(self, model: ReadModel, story: Story) -> None:
        story.started(10)
        late = story.later(1)
        story.heard(30)
        story.heard(20, at=late)
        await model.apply(story.commits, *([beat] for beat in story.heartbeats))

        assert [item.position for item in (await titles(model)).items] == [30.0]

    async def test_which_come_before_their_facts_are_shown_with_these(self, model: ReadModel, story: Story) -> None:
        story.started(10)
        story.heard(30)
        await model.apply(story.heartbeats)
        assert (await titles(model)).items == []

        await model.apply(story.commits)
        assert [item.position for item in (await titles(model)).items] == [30.0]

    async def test_of_the_device_that_was_heard_of_last_count(self, model: ReadModel, story: Story) -> None:
        story.started(10, device="tv", session="tv")
        story.started(50, device="phone", session="phone")
        story.heard(20, device="tv", session="tv")
        await projected(model, story)

        assert [(item.position, item.device, item.session) for item in (await titles(model)).items] == [
            (20.0, "tv", "tv")
        ]


class TestTitles:
    async def test_show_finished_ones_too(self, model: ReadModel, story: Story) -> None:
        story.completed()
        completed_at = story.now
        story.completed(work=SERIES, episode=ONE, next=TWO)
        story.started(10, work=SERIES, episode=TWO)
        await projected(model, story)
        first = await titles(model, limit=1)
        second = await titles(model, limit=1, cursor=first.cursor)

        assert [(item.work, item.episode, item.completed_at) for item in first.items] == [(SERIES, TWO, None)]
        assert [(item.work, item.percent, item.completed_at) for item in second.items] == [(FILM, 95.0, completed_at)]
        assert second.cursor is None

    async def test_leave_out_what_was_only_wanted(self, model: ReadModel, story: Story) -> None:
        story.chosen(in_watchlist=True)
        await projected(model, story)

        assert (await titles(model)).items == []


class TestTitle:
    async def test_shows_each_episode_in_order(self, model: ReadModel, story: Story) -> None:
        story.started(10, work=SERIES, episode=TWO)
        story.completed(work=SERIES, episode=ONE)
        story.marked(THREE)
        await projected(model, story)
        found = await title(model, work=SERIES)

        assert [(item.episode, item.watched, item.plays) for item in found.items] == [
            (ONE, True, 1),
            (TWO, False, 0),
            (THREE, True, 1),
        ]

    async def test_of_somebody_else_shows_nothing(self, model: ReadModel, story: Story) -> None:
        story.started(10)
        await projected(model, story)

        assert (await title(model, BOB, work=FILM)).items == []
        assert [*(await titles(model, BOB)).items, *(await continuing(model, BOB)).items] == []

    @pytest.mark.parametrize("form", ["TT0133093", "tt0133093", "tt0133093:1:2", "%74t0133093"])
    async def test_is_found_by_any_form_of_its_id(self, model: ReadModel, story: Story, form: str) -> None:
        story.started(10)
        await projected(model, story)
        found = await title(model, work=form)

        assert (found.work, len(found.items)) == (FILM, 1)

    def test_is_watched_under_the_id_that_its_events_have(self) -> None:
        assert Title(work="tmdb:603", kind="movie").topics(ANA) == (title_topic(ANA, "tmdb:movie:603"),)


class TestEpisodes:
    async def test_leave_out_what_was_never_touched(self, model: ReadModel, story: Story) -> None:
        story.chosen(work=SERIES, details=SHOW)
        story.marked(ONE)
        story.started(10, work=SERIES, episode=TWO)
        await projected(model, story)
        found = await episodes(model, work=SERIES)

        assert [(one.season, one.episode, one.watched, one.percent) for one in found.items] == [
            (1, 1, True, None),
            (1, 2, False, 10.0),
        ]

    @pytest.mark.parametrize("cursor", ["x", "WzEsImEiXQ", "WzEsMTAwMDAxXQ", "WzFd"])
    async def test_refuse_a_foreign_cursor(self, model: ReadModel, cursor: str) -> None:
        with pytest.raises(Rejected, match="bad-cursor"):
            await episodes(model, work=SERIES, cursor=cursor)

    async def test_of_one_season_or_one_alone(self, model: ReadModel, story: Story) -> None:
        story.marked(ONE, TWO, THREE)
        await projected(model, story)

        assert len((await episodes(model, work=SERIES, season=1)).items) == 3
        assert (await episodes(model, work=SERIES, season=2)).items == []
        assert [one.episode for one in (await episodes(model, work=SERIES, season=1, episode=2)).items] == [2]
        assert [one.episode for one in (await episodes(model, work=f"{SERIES}:1:3")).items] == [3]

    async def test_come_page_by_page(self, model: ReadModel, story: Story) -> None:
        story.marked(ONE, TWO, THREE)
        await projected(model, story)
        first = await episodes(model, work=SERIES, limit=2)
        second = await episodes(model, work=SERIES, limit=2, cursor=first.cursor)

        assert [one.episode for one in (*first.items, *second.items)] == [1, 2, 3]
        assert second.cursor is None

    async def test_of_all_series_come_in_the_order_of_their_works(self, model: ReadModel, story: Story) -> None:
        story.marked(TWO, ONE)
        story.marked(ONE, work="tmdb:tv:1")
        story.taken(play())
        await projected(model, story)

        async def ask(cursor: str | None) -> tuple[list[Any], str | None]:
            page: TitlesPage = await QUERIES[AllEpisodes](model.reader, AllEpisodes(limit=1, cursor=cursor), asking())
            return page.items, page.cursor

        pages = await every_page(ask)
        assert [(item.work, item.episode) for page in pages for item in page] == [
            ("tmdb:tv:1", ONE),
            (SERIES, ONE),
            (SERIES, TWO),
        ]
