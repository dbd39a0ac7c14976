"""Libraries of thousands of titles, and batches of thousands of facts."""

from typing import Any

import pytest
from tests.integration.library.stories import FILM, SERIES, Story, asking, every_page
from tests.integration.readmodels import ReadModel

from events.contracts.library import ContinueWatching, Episode, Episodes, Title, Titles
from events.messages import Query
from library.projections.titles import apply_to_title
from library.queries import QUERIES

MANY = 5_000


class Counting:
    """A connection that counts what is asked of it."""

    def __init__(self, db: Any) -> None:
        self._db = db
        self.asked = 0
        self.rows = 0

    def __getattr__(self, name: str) -> Any:
        self.asked += 1
        return getattr(self._db, name)

    async def fetch(self, *args: Any) -> Any:
        self.asked += 1
        rows = await self._db.fetch(*args)
        self.rows += len(rows)
        return rows


async def ask(model: ReadModel, query: Query) -> Any:
    return await QUERIES[type(query)](model.reader, query, asking())


async def test_every_one_of_five_thousand_titles_is_on_one_page(model: ReadModel, story: Story) -> None:
    for n in range(MANY):
        story.started(10, work=f"tt{n:07d}")
    await model.apply(*(story.commits[start : start + 1_000] for start in range(0, MANY, 1_000)))

    for kind in (ContinueWatching, Titles):

        async def page(cursor: str | None, kind: Any = kind) -> tuple[list[Any], str | None]:
            found = await ask(model, kind(limit=100, cursor=cursor))
            return found.items, found.cursor

        pages = await every_page(page)
        assert [item.work for page in pages for item in page] == [f"tt{n:07d}" for n in range(MANY - 1, -1, -1)]
        assert {len(page) for page in pages} == {100}


async def test_a_fact_of_a_long_series_reads_no_rows_of_its_other_episodes(model: ReadModel, story: Story) -> None:
    story.marked(*(Episode(season=1, episode=n) for n in range(1_000)))
    await model.apply(story.commits)
    counting = Counting(model.writer)
    await apply_to_title(counting, [story.started(10.0, work=SERIES, episode=Episode(season=1, episode=7))])

    assert counting.rows < 10


@pytest.mark.parametrize("kind", ["facts", "heartbeats", "undone", "joined"])
async def test_a_batch_costs_as_many_statements_whatever_its_size(model: ReadModel, kind: str) -> None:
    asked = []
    for size in (10, 400):
        await model.empty()
        story = Story()
        for n in range(size):
            if kind == "undone":
                story.taken(work=f"w{n}", in_watchlist=True)
            else:
                story.started(10, work=f"w{n}")
        if kind != "facts":
            await model.apply(story.commits)
        batch = story.commits if kind == "facts" else [story.undone()]
        if kind == "heartbeats":
            batch = [story.heard(20, work=f"w{n}") for n in range(size)]
        elif kind == "joined":
            batch = [story.joined(f"w{n}", f"w{n + 1}") for n in range(0, size, 2)]
        counting: Any = Counting(model.writer)
        await apply_to_title(counting, batch)
        asked.append(counting.asked)

    assert asked[0] == asked[1] <= 20


async def test_a_heartbeat_of_what_is_being_watched_needs_no_title_decoded(model: ReadModel, story: Story) -> None:
    story.started(10)
    story.started(10, work=SERIES, episode=Episode(season=1, episode=1))
    await model.apply(story.commits)
    await model.writer.execute("update title_state set state = 'unreadable'")
    story.heard(20)
    story.heard(30, work=SERIES, episode=Episode(season=1, episode=1))
    await model.apply(story.heartbeats)

    assert [(item.work, item.position) for item in (await ask(model, ContinueWatching())).items] == [
        (SERIES, 30.0),
        (FILM, 20.0),
    ]


async def test_two_thousand_episodes_are_marked_at_once_and_shown(model: ReadModel, story: Story) -> None:
    episodes = [Episode(season=season, episode=n) for season in range(1, 21) for n in range(1, 101)]
    story.marked(*episodes)
    await model.apply(story.commits)

    assert [item.episode for item in (await ask(model, Title(work=SERIES))).items] == episodes

    async def page(cursor: str | None) -> tuple[list[Any], str | None]:
        found = await ask(model, Episodes(work=SERIES, cursor=cursor))
        return found.items, found.cursor

    pages = await every_page(page)
    assert [(one.season, one.episode) for page in pages for one in page if one.watched] == [
        (one.season, one.episode) for one in episodes
    ]
