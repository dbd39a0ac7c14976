"""What somebody watched to the end, or said that they had; why; and what it comes to in numbers."""

from datetime import UTC, date, datetime, timedelta, timezone
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
    TWO,
    Story,
    asking,
    every_page,
    play,
)
from tests.integration.readmodels import ReadModel

from events.contracts.library import (
    Explanation,
    GenreStatistics,
    History,
    HistoryPage,
    MonthStatistics,
    PlayView,
    ShowStatistics,
    Statistics,
    Titles,
    TitlesPage,
    Why,
)
from events.messages import Rejected
from library.queries import QUERIES, queries
from library.rules import Rules

LONG_AGO = datetime(1969, 7, 20, 20, 17, tzinfo=UTC)


async def history(model: ReadModel, uid: str = ANA, **asked: Any) -> HistoryPage:
    page: HistoryPage = await QUERIES[History](model.reader, History(**asked), asking(uid))
    return page


async def why(model: ReadModel, uid: str = ANA, **asked: Any) -> Explanation:
    found: Explanation = await QUERIES[Why](model.reader, Why(**asked), asking(uid))
    return found


async def statistics(model: ReadModel, uid: str = ANA, **asked: Any) -> Statistics:
    found: Statistics = await QUERIES[ShowStatistics](model.reader, ShowStatistics(**asked), asking(uid))
    return found


async def test_both_measures_are_told_by_the_rules_of_the_installation(model: ReadModel, story: Story) -> None:
    story.completed(position=100.0, play="s", watched=75.0)
    story.marked(ONE)
    await model.apply(story.commits)
    strict = queries(Rules(watched_at=0.8))
    page: TitlesPage = await strict[Titles](model.reader, Titles(), asking())
    (seen,) = [one for one in page.items if one.work == FILM]
    entries = (await strict[History](model.reader, History(), asking())).items
    explained: Explanation = await strict[Why](model.reader, Why(work=FILM), asking())

    assert (seen.watched, seen.watched_share, seen.really_watched) == (True, 0.75, False)
    assert [(one.watched_share, one.really_watched) for one in entries] == [(None, None), (0.75, False)]
    assert [(one.counts, one.watched_share, one.really_watched) for one in explained.reasons] == [(True, 0.75, False)]
    assert (await why(model, work=FILM)).reasons[0].really_watched


class TestHistory:
    async def test_has_plays_marks_and_imports_latest_first_and_unknown_times_last(
        self, model: ReadModel, story: Story
    ) -> None:
        story.taken(play(id="unknown"), play(id="moon", watched_at=LONG_AGO), source="i1", details=MOVIE)
        story.completed(device="tv", play="s", watched=80.0)
        seen = story.now
        story.marked(ONE, device="phone", op="m")
        await model.apply(story.commits)
        items = (await history(model)).items

        assert [(one.rule, one.watched_at, one.device, one.source) for one in items] == [
            ("mark", story.now, "phone", ""),
            ("position", seen, "tv", ""),
            ("import", LONG_AGO, "", "i1"),
            ("import", None, "", "i1"),
        ]
        assert items[1] == PlayView(
            play="s",
            work=FILM,
            episode=None,
            watched_at=seen,
            device="tv",
            rule="position",
            source="",
            watched_seconds=80.0,
            details=MOVIE,
            watched_share=0.8,
            really_watched=True,
        )
        assert (items[0].work, items[0].episode, items[0].details) == (SERIES, ONE, None)

    async def test_comes_page_by_page_unknown_times_and_all(self, model: ReadModel, story: Story) -> None:
        times = [None, None, LONG_AGO, *(story.later(1) for _ in range(4)), None, story.now]
        story.taken(*(play(id=f"p{n}", watched_at=at) for n, at in enumerate(times)))
        await model.apply(story.commits)

        async def ask(cursor: str | None) -> tuple[list[PlayView], str | None]:
            page = await history(model, limit=2, cursor=cursor)
            return page.items, page.cursor

        pages = await every_page(ask)
        assert [one.play for page in pages for one in page] == ["p8", "p6", "p5", "p4", "p3", "p2", "p7", "p1", "p0"]

    async def test_of_one_work_or_of_a_time(self, model: ReadModel, story: Story) -> None:
        story.completed()
        first = story.now
        story.completed(work=SERIES, episode=ONE)
        second = story.now
        story.taken(play("1-2"), work=SERIES)
        await model.apply(story.commits)

        assert [one.work for one in (await history(model, work=f"{FILM}")).items] == [FILM]
        assert [one.watched_at for one in (await history(model, work=SERIES.upper())).items] == [second, None]
        assert [one.watched_at for one in (await history(model, since=second)).items] == [second]
        assert [one.watched_at for one in (await history(model, until=second)).items] == [first]

    async def test_removed_plays_are_gone_and_what_they_showed(self, model: ReadModel, story: Story) -> None:
        story.completed(play="s")
        await model.apply(story.commits)
        assert (await why(model, work=FILM)).watched
        story.removed("s")
        await model.apply(story.commits[-1:])

        assert (await history(model)).items == []
        assert not (await why(model, work=FILM)).watched

    async def test_of_somebody_else_is_empty(self, model: ReadModel, story: Story) -> None:
        story.completed()
        await model.apply(story.commits)

        assert (await history(model, BOB)).items == []
        assert (await why(model, BOB, work=FILM)).reasons == []
        assert (await statistics(model, BOB)).plays == 0

    @pytest.mark.parametrize("bound", ["since", "until"])
    @pytest.mark.parametrize(
        "at",
        [datetime(2026, 1, 1), datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14)))],  # noqa: DTZ001
    )
    async def test_a_bound_without_an_offset_is_refused(self, model: ReadModel, bound: str, at: datetime) -> None:
        with pytest.raises(Rejected, match="invalid-argument") as refused:
            await history(model, ANA, **{bound: at})
        assert refused.value.details["field"] == bound

    @pytest.mark.parametrize("cursor", ["x", "WzEsMl0", "W251bGwsImEiLC0xLC0xLCJcdTAwMDAiXQ"])
    async def test_a_foreign_cursor_is_refused(self, model: ReadModel, cursor: str) -> None:
        with pytest.raises(Rejected, match="bad-cursor"):
            await history(model, cursor=cursor)


class TestWhy:
    async def test_tells_each_reason_newest_first_with_its_device(self, model: ReadModel, story: Story) -> None:
        story.completed(90.0, device="tv", play="s", watched=72.0)
        played = story.now
        story.marked(work=FILM, watched=False, device="phone")
        story.taken(play(id="t1"))
        await model.apply(story.commits)
        found = await why(model, work=FILM)

        assert found.watched
        assert [(one.what, one.device, one.source, one.counts) for one in found.reasons] == [
            ("imported", "", "i1", True),
            ("unmarked", "phone", "", False),
            ("played", "tv", "", False),
        ]
        reason = found.reasons[2]
        assert (reason.play, reason.at, reason.rule, reason.watched_share) == ("s", played, "90 % of its length", 0.72)

    async def test_of_one_episode_tells_nothing_of_others(self, model: ReadModel, story: Story) -> None:
        story.marked(ONE, TWO)
        await model.apply(story.commits)

        assert (await why(model, work=SERIES)).reasons == []
        assert len((await why(model, work=SERIES, episode=ONE)).reasons) == 1
        assert (await why(model, work=f"{SERIES}:1:2")).episode == TWO

    async def test_an_id_and_an_argument_that_name_two_episodes_are_refused(self, model: ReadModel) -> None:
        with pytest.raises(Rejected, match="no-such-episode"):
            await why(model, work=f"{SERIES}:1:2", episode=ONE)

    async def test_of_what_was_never_touched_tells_nothing(self, model: ReadModel) -> None:
        found = await why(model, work=FILM)

        assert (found.watched, found.reasons) == (False, [])


class TestStatistics:
    async def test_count_hours_by_month_and_genre(self, model: ReadModel, story: Story) -> None:
        january, march = datetime(2026, 1, 31, 23, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC)
        story.taken(play(id="a", watched_at=january), play(id="b"), details=MOVIE)
        story.completed(work=SERIES, episode=ONE, duration=3_600.0, position=3_500.0, at=march)
        story.completed(
            work=SERIES, episode=TWO, duration=3_600.0, position=3_500.0, at=march, watched=1_800.0, play="t"
        )
        story.chosen(SERIES, details=SHOW)
        story.started(5.0, work="tt7", session="x")
        story.chosen("tt8", status="want-to-watch")
        await model.apply(story.commits)

        assert await statistics(model) == Statistics(
            hours=5.5,
            plays=4,
            titles=4,
            finished=1,
            watching=2,
            want_to_watch=1,
            completion=0.75,
            months=[
                MonthStatistics("2026-03", hours=1.5, plays=2, titles=1),
                MonthStatistics("2026-01", hours=2.0, plays=1, titles=1),
            ],
            genres=[
                GenreStatistics("Action", hours=4.0, plays=2),
                GenreStatistics("Drama", hours=1.5, plays=2),
                GenreStatistics("Fantasy", hours=1.5, plays=2),
            ],
        )

    async def test_count_what_really_played(self, model: ReadModel, story: Story) -> None:
        story.completed(duration=3_600.0, position=3_500.0, watched=0.0)
        story.started(0.0, work="tt7", session="x", duration=7_200.0)
        story.stopped(1_800.0, work="tt7", session="x", duration=7_200.0, watched=1_800.0)
        await model.apply(story.commits)

        found = await statistics(model)
        assert (found.hours, found.plays) == (0.5, 1), "skipped to the end, and left in the middle"
        assert [(month.hours, month.plays, month.titles) for month in found.months] == [(0.5, 1, 2)]

    async def test_of_some_days(self, model: ReadModel, story: Story) -> None:
        story.completed(duration=3_600.0, position=3_500.0)
        day = story.now.date()
        await model.apply(story.commits)

        assert (await statistics(model, since=day, until=day)).hours == 1.0
        assert (await statistics(model, since=day + timedelta(days=1))).plays == 0
        assert (await statistics(model, until=date.max)).plays == 1
        assert (await statistics(model, until=day - timedelta(days=1))).months == []

    async def test_of_nothing(self, model: ReadModel) -> None:
        found = await statistics(model)

        assert (found.hours, found.plays, found.titles, found.completion) == (0.0, 0, 0, None)
        assert found.months == []
