from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.integration.readmodels import ReadModel, read_model
from tests.integration.recording import Recording, cut

from events.contracts.library import (
    ContinuePage,
    ContinueWatching,
    Episode,
    Report,
    Title,
    Titles,
    title_topic,
    topic,
)
from events.log import Commit
from events.messages import Context, Rejected
from events.testing import NOW
from library import queries
from library.decider import decider
from library.main import SERVICE
from ops.embedded import Embedded

Batch = Sequence[Commit]

ANA, BOB = "ana", "bob"
FILM, SERIES = "tt0133093", "tt0944947"
ONE, TWO, THREE = (Episode(season=1, episode=n) for n in (1, 2, 3))


@pytest.fixture
async def model(servers: Embedded) -> AsyncIterator[ReadModel]:
    async with read_model(SERVICE, servers) as model:
        yield model


@pytest.fixture
def story() -> Recording:
    return Recording(decider)


def film(position: float, **more: Any) -> Report:
    return Report(**{"work": FILM, "position": position, "duration": 100.0, **more})


def series(episode: Episode, position: float, **more: Any) -> Report:
    return Report(work=SERIES, episode=episode, position=position, duration=50.0, **more)


def asking(uid: str) -> Context:
    return Context(actor=uid, now=NOW)


async def projected(model: ReadModel, story: Recording) -> set[str]:
    return await model.apply(story.commits) | await model.apply(story.heartbeats or [])


async def continuing(model: ReadModel, uid: str = ANA, **asked: Any) -> ContinuePage:
    return await queries.continue_watching(model.reader, ContinueWatching(**asked), asking(uid))


class TestContinueWatching:
    async def test_shows_what_was_begun_latest_first(self, model: ReadModel, story: Recording) -> None:
        story.tell(film(10), by=ANA)
        story.tell(series(TWO, 5, device="tv"), by=ANA)
        story.tell(film(10), by=BOB)

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

    async def test_a_heartbeat_moves_a_title_to_the_top(self, model: ReadModel, story: Recording) -> None:
        story.tell(film(10), by=ANA)
        story.tell(series(ONE, 5), by=ANA)
        story.tell(film(30, device="phone", state="playing"), by=ANA)
        story.tell(film(35, device="phone", state="playing"), by=ANA)

        topics = await projected(model, story)
        (latest, _) = (await continuing(model)).items

        assert (latest.work, latest.position, latest.device, latest.updated_at) == (FILM, 35.0, "phone", story.now)
        assert topics >= {topic(ANA), title_topic(ANA, FILM)}

    async def test_a_completed_film_is_gone_and_comes_back_when_it_is_begun_again(
        self, model: ReadModel, story: Recording
    ) -> None:
        story.tell(film(10), by=ANA)
        story.tell(film(90), by=ANA)
        story.tell(film(97), by=ANA)
        await projected(model, story)

        assert (await continuing(model)).items == []

        story.tell(film(3), by=ANA)
        await projected(model, story)
        (item,) = (await continuing(model)).items

        assert (item.work, item.position) == (FILM, 3.0)

    async def test_the_next_episode_takes_the_place_of_a_completed_one(
        self, model: ReadModel, story: Recording
    ) -> None:
        story.tell(series(ONE, 10), by=ANA)
        story.tell(series(ONE, 48, next=TWO, device="tv"), by=ANA)
        story.tell(series(ONE, 49, next=TWO, device="tv"), by=ANA)
        await projected(model, story)
        (item,) = (await continuing(model)).items

        assert (item.episode, item.position, item.duration, item.percent) == (TWO, 0.0, None, None)
        assert item.updated_at == story.now

    async def test_the_next_episode_goes_on_where_it_was_left(self, model: ReadModel, story: Recording) -> None:
        story.tell(series(TWO, 25, state="stopped"), by=ANA)
        story.tell(series(ONE, 48, next=TWO), by=ANA)
        await projected(model, story)
        (item,) = (await continuing(model)).items

        assert (item.episode, item.position, item.percent) == (TWO, 25.0, 50.0)

    async def test_the_next_episode_of_a_rewatch_begins_at_its_beginning(
        self, model: ReadModel, story: Recording
    ) -> None:
        story.tell(series(TWO, 48), by=ANA)
        story.tell(series(ONE, 48, next=TWO), by=ANA)
        await projected(model, story)
        (item,) = (await continuing(model)).items

        assert (item.episode, item.position) == (TWO, 0.0)

    async def test_after_the_last_episode_the_series_is_gone(self, model: ReadModel, story: Recording) -> None:
        story.tell(series(THREE, 48), by=ANA)
        await projected(model, story)

        assert (await continuing(model)).items == []

    async def test_pages_show_every_title_once(self, model: ReadModel, story: Recording) -> None:
        works = [f"work {n:02d}" for n in range(23)]
        for n, work in enumerate(works):
            story.tell(Report(work=work, position=10), by=ANA, after=n % 2)
            story.tell(Report(work=f"{work} again", position=95, duration=100), by=ANA, after=0)
        await projected(model, story)
        seen, cursor, pages = list[str](), None, 0
        while pages == 0 or cursor is not None:
            page = await continuing(model, limit=5, cursor=cursor)
            seen += [item.work for item in page.items]
            cursor, pages = page.cursor, pages + 1

        assert (seen, pages) == (works[::-1], 5)

    async def test_a_title_that_moves_to_the_top_meanwhile_is_not_shown_twice(
        self, model: ReadModel, story: Recording
    ) -> None:
        for n in range(6):
            story.tell(Report(work=f"w{n}", position=10), by=ANA)
        await projected(model, story)
        first = await continuing(model, limit=3)
        story.tell(Report(work="w4", position=20), by=ANA)
        await model.apply(story.heartbeats)
        second = await continuing(model, limit=3, cursor=first.cursor)

        assert [item.work for item in first.items] == ["w5", "w4", "w3"]
        assert [item.work for item in second.items] == ["w2", "w1", "w0"]

    @pytest.mark.parametrize("cursor", ["x", "bm90IGpzb24", "é", "WzEsMl0", "Wy0xLCJhIl0", "WzEsIlx1MDAwMCJd"])
    async def test_a_foreign_cursor_is_refused(self, model: ReadModel, cursor: str) -> None:
        with pytest.raises(Rejected, match="bad-cursor"):
            await continuing(model, cursor=cursor)
        with pytest.raises(Rejected, match="bad-cursor"):
            await queries.titles(model.reader, Titles(cursor=cursor), asking(ANA))


async def test_titles_show_finished_ones_too(model: ReadModel, story: Recording) -> None:
    story.tell(film(95), by=ANA)
    completed_at = story.now
    story.tell(series(ONE, 48, next=TWO), by=ANA)
    story.tell(series(TWO, 10), by=ANA)
    await projected(model, story)
    first = await queries.titles(model.reader, Titles(limit=1), asking(ANA))
    second = await queries.titles(model.reader, Titles(limit=1, cursor=first.cursor), asking(ANA))

    assert [(item.work, item.episode, item.completed_at) for item in first.items] == [(SERIES, TWO, None)]
    assert [(item.work, item.percent, item.completed_at) for item in second.items] == [(FILM, 95.0, completed_at)]
    assert second.cursor is None


async def test_a_title_shows_each_episode_in_order(model: ReadModel, story: Recording) -> None:
    story.tell(series(TWO, 10, device="tv"), by=ANA)
    story.tell(series(TWO, 20, device="tv"), by=ANA)
    story.tell(series(ONE, 48), by=ANA)
    story.tell(series(ONE, 5), by=ANA)
    await projected(model, story)
    mine = await queries.title(model.reader, Title(work=SERIES), asking(ANA))
    theirs = await queries.title(model.reader, Title(work=SERIES), asking(BOB))

    one, two = mine.items
    assert (one.episode, one.position, one.completed_at) == (ONE, 5.0, NOW.replace(second=3))
    assert (two.episode, two.position, two.percent, two.device) == (TWO, 20.0, 40.0, "tv")
    assert theirs.items == []


async def test_a_duration_that_was_known_once_stays_known(model: ReadModel, story: Recording) -> None:
    story.tell(film(10, state="stopped"), by=ANA)
    story.tell(film(20, duration=None, device="phone"), by=ANA)
    await projected(model, story)
    (item,) = (await continuing(model)).items

    assert (item.position, item.duration) == (20.0, 100.0)


async def test_a_batch_of_which_nothing_is_known_passes_by(model: ReadModel, story: Recording) -> None:
    story.tell(film(10), by=ANA)

    assert await model.apply([commit._replace(events=()) for commit in story.commits]) == set()


episodes = st.sampled_from([None, ONE, TWO])
reports = st.builds(
    Report,
    work=st.sampled_from([FILM, SERIES]),
    position=st.sampled_from([0.0, 0.5, 40.0, 90.0, 99.0]),
    duration=st.sampled_from([None, 100.0]),
    episode=episodes,
    next=st.sampled_from([None, TWO, THREE]),
    state=st.sampled_from(["playing", "playing", "stopped"]),
    device=st.sampled_from(["", "tv"]),
)
# Two gateways' clocks may differ by a little, so a report can be older than the heartbeat before it.
steps = st.lists(st.tuples(reports, st.sampled_from([ANA, BOB]), st.sampled_from([0.0, 5.0, -0.003])), max_size=40)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps, st.randoms(use_true_random=False))
async def test_however_log_and_telemetry_are_cut_and_mingled_the_rows_are_the_same(
    model: ReadModel, steps: list[tuple[Report, str, float]], random: Any
) -> None:
    story = Recording(decider)
    for command, uid, pause in steps:
        story.tell(command, by=uid, after=pause)
    log, heartbeats, kept = story.commits, story.heartbeats, story.kept_heartbeats()
    orders: list[list[Batch]] = [
        [*cut(log, 1), *cut(heartbeats, 1)],
        [*cut(heartbeats, 3), *cut(log, 3)],
        mingled(list(cut(log, 2)), list(cut(heartbeats, 1)), random),
        [*cut(log, len(log) or 1), *cut(kept, len(kept) or 1)],
        [*cut(kept, 1), *cut(log, 3)],
    ]
    found = []
    for order in orders:
        await model.empty()
        await model.apply(*order)
        found.append(await model.same())

    assert all(rows == found[0] for rows in found)


def mingled(log: Sequence[Batch], heartbeats: Sequence[Batch], random: Any) -> list[Batch]:
    """Both streams, each in its own order."""
    order = [iter(log)] * len(log) + [iter(heartbeats)] * len(heartbeats)
    random.shuffle(order)
    return [next(stream) for stream in order]
