"""What somebody decided about titles, and what follows from what they watched."""

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
    THREE,
    TWO,
    Story,
    asking,
    every_page,
)
from tests.integration.readmodels import ReadModel

from events.contracts.library import Item, Items, ItemsPage, ItemView
from events.messages import Rejected
from library.queries import QUERIES


async def items(model: ReadModel, uid: str = ANA, **asked: Any) -> ItemsPage:
    page: ItemsPage = await QUERIES[Items](model.reader, Items(**asked), asking(uid))
    return page


async def item(model: ReadModel, uid: str = ANA, **asked: Any) -> ItemView | None:
    view: ItemView | None = await QUERIES[Item](model.reader, Item(**asked), asking(uid))
    return view


async def test_an_item_is_all_that_was_decided(model: ReadModel, story: Story) -> None:
    story.chosen(in_watchlist=True, reaction="loved", favourite=True, details=MOVIE)
    story.chosen(in_watchlist=False)
    await model.apply(story.commits)

    assert await item(model, work=FILM) == ItemView(
        work=FILM,
        ids=[FILM],
        in_watchlist=False,
        status=None,
        reaction="loved",
        favourite=True,
        hidden=False,
        progress=None,
        legacy_status=None,
        details=MOVIE,
        watched_episodes=0,
        updated_at=story.now,
    )


async def test_status_and_progress_follow_from_what_was_watched(model: ReadModel, story: Story) -> None:
    story.chosen(SERIES, details=SHOW, reaction="liked")
    story.marked(ONE, TWO)
    await model.apply(story.commits)
    watching = await item(model, work=SERIES)
    story.marked(THREE)
    await model.apply(story.commits[-1:])
    finished = await item(model, work=SERIES)

    assert watching is not None
    assert finished is not None
    assert (watching.status, watching.progress, watching.watched_episodes) == ("watching", 66.7, 2)
    assert (finished.status, finished.progress, finished.legacy_status) == ("finished", 100.0, "liked")


async def test_the_progress_of_a_film_moves_with_its_heartbeats(model: ReadModel, story: Story) -> None:
    story.started(10)
    story.heard(42)
    await model.apply(story.commits)
    await model.apply(story.heartbeats)
    found = await item(model, work=FILM)

    assert found is not None
    assert (found.progress, found.status, found.updated_at) == (42.0, "watching", story.now)


async def test_what_was_never_touched_or_is_somebody_elses_is_null(model: ReadModel, story: Story) -> None:
    story.chosen(favourite=True)
    await model.apply(story.commits)

    assert await item(model, work=SERIES) is None
    assert await item(model, BOB, work=FILM) is None
    assert (await items(model, BOB)).items == []


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, [OTHER, SERIES, FILM]),
        ({"in_watchlist": True}, [FILM]),
        ({"in_watchlist": False}, [OTHER, SERIES]),
        ({"status": "want-to-watch"}, [SERIES]),
        ({"reaction": "mixed"}, [OTHER]),
        ({"favourite": True}, [OTHER, FILM]),
        ({"hidden": True}, [SERIES]),
        ({"kind": "movie"}, [FILM]),
        ({"favourite": True, "kind": "movie"}, [FILM]),
        ({"kind": "anime"}, []),
    ],
)
async def test_each_condition_that_is_given_must_hold(
    model: ReadModel, story: Story, asked: dict[str, Any], expected: list[str]
) -> None:
    story.chosen(FILM, in_watchlist=True, favourite=True, details=MOVIE)
    story.chosen(SERIES, status="want-to-watch", hidden=True, details=SHOW)
    story.chosen(OTHER, reaction="mixed", favourite=True)
    await model.apply(story.commits)

    assert [one.work for one in (await items(model, **asked)).items] == expected


async def test_pages_show_every_item_once(model: ReadModel, story: Story) -> None:
    for n in range(7):
        story.chosen(f"w{n}", favourite=n % 2 == 0)
    await model.apply(story.commits)

    async def ask(cursor: str | None) -> tuple[list[ItemView], str | None]:
        page = await items(model, favourite=True, limit=3, cursor=cursor)
        return page.items, page.cursor

    assert [[one.work for one in page] for page in await every_page(ask)] == [["w6", "w4", "w2"], ["w0"]]


@pytest.mark.parametrize("cursor", ["x", "WzEsMl0"])
async def test_a_foreign_cursor_is_refused(model: ReadModel, cursor: str) -> None:
    with pytest.raises(Rejected, match="bad-cursor"):
        await items(model, cursor=cursor)
