"""Whatever happens to a library, its rows do not depend on the batches, nor on which stream was read first.

And they say the same as all that happened, folded in memory.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from random import Random
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
    play,
)
from tests.integration.readmodels import ReadModel
from tests.integration.recording import cut

from events.contracts.library import (
    HistoryCleared,
    IdsJoined,
    IdsSplit,
    ImportUndone,
    Item,
    ItemView,
    TakenPosition,
    Title,
    TitleProgress,
    slot,
)
from events.log import Commit
from library.joins import Group, Layers, shown
from library.projections.groups import regrouped
from library.queries import QUERIES
from library.title.summary import Summary, summary

Batch = Sequence[Commit]
STEPS = 60
WORKS = (FILM, SERIES, OTHER)
DEVICES = ("", "tv", "phone")


def lived(random: Random) -> Story:
    """A little of everything, in any order, on devices some of which tell late."""
    story = Story()
    for _ in range(STEPS):
        random.choices([_watched, _heard, _marked, _chosen, _removed, _taken, _shelved], [30, 40, 6, 8, 3, 6, 4])[0](
            story, random
        )
    return story


def _session(story: Story, random: Random) -> dict[str, Any]:
    work, device = random.choice(WORKS), random.choice(DEVICES)
    episode = None if work == FILM else random.choice((ONE, TWO, THREE))
    session = random.choice(("", f"{device}-{slot(episode)}"))
    late = {"at": story.now - timedelta(seconds=random.choice((30, 1, 0, 0, 0)))} if random.random() < 0.3 else {}
    return {
        "uid": random.choice((ANA, ANA, BOB)),
        "work": work,
        "device": device,
        "episode": episode,
        "session": session,
        "duration": random.choice((None, 100.0, 100.0)),
        "watched": random.choice((None, None, 5.0, 30.0)),
        **late,
    }


def _watched(story: Story, random: Random) -> None:
    session = _session(story, random)
    tell = random.choice((story.started, story.started, story.stopped, story.completed))
    tell(random.uniform(0, 99), **session)
    if tell == story.started and random.random() < 0.7:  # and goes on playing
        for _ in range(random.randrange(3)):
            story.heard(random.uniform(0, 89), **{**session, "at": story.later(5)})


def _heard(story: Story, random: Random) -> None:
    story.heard(random.uniform(0, 99), **_session(story, random))


def _marked(story: Story, random: Random) -> None:
    work = random.choice(WORKS)
    which = () if work == FILM else random.sample((ONE, TWO, THREE), 2)
    story.marked(*which, work=work, watched=random.random() < 0.7)


def _chosen(story: Story, random: Random) -> None:
    change: dict[str, Any] = random.choice(
        (
            {"in_watchlist": True},
            {"status": "want-to-watch"},
            {"status": "finished"},
            {"status": None},
            {"reaction": "loved"},
            {"reaction": "not-for-me"},
            {"hidden": True},
            {"hidden": False},
            {"progress": 40.0},
            {"details": MOVIE},
            {"details": SHOW},
        )
    )
    story.chosen(random.choice(WORKS), random.choice((ANA, BOB)), **change)


def _removed(story: Story, random: Random) -> None:
    story.removed(random.choice(("p1", "p2", "play@1")), work=random.choice(WORKS))


def _taken(story: Story, random: Random) -> None:
    work = random.choice(WORKS)
    where = "film" if work == FILM else random.choice(("1-1", "1-2"))
    watched_at: datetime | None = random.choice((None, story.now))
    resume = TakenPosition(where, 12.5, story.now, 100.0) if random.random() < 0.3 else None
    story.taken(
        play(where, random.choice(("p1", "p2")), watched_at),
        work=work,
        source=random.choice(("i1", "i2")),
        resume=resume,
        cleared=random.random() < 0.2,
        in_watchlist=True,
    )


def _shelved(story: Story, random: Random) -> None:
    one, two = random.sample(WORKS, 2)
    random.choice(
        (
            lambda: story.joined(one, two),
            lambda: story.split(one),
            story.cleared,
            story.undone,
            lambda: story.undone("i2"),
        )
    )()


def mingled(log: Sequence[Batch], heartbeats: Sequence[Batch], random: Random) -> list[Batch]:
    """Both streams, each in its own order."""
    order = [iter(log)] * len(log) + [iter(heartbeats)] * len(heartbeats)
    random.shuffle(order)
    return [next(stream) for stream in order]


@pytest.mark.parametrize("seed", [*range(12), 1076])
async def test_however_log_and_telemetry_are_cut_and_mingled_the_rows_are_the_same(model: ReadModel, seed: int) -> None:
    random = Random(seed)
    story = lived(random)
    log, heartbeats, kept = story.commits, story.heartbeats, story.kept_heartbeats()
    orders: list[list[Batch]] = [
        [*cut(log, len(log)), *cut(kept, len(kept) or 1)],
        [*cut(log, 1), *cut(heartbeats, 1)],
        mingled(list(cut(log, 2)), list(cut(heartbeats, 1)), random),
        mingled(list(cut(log, 1)), list(cut(heartbeats, 2)), random),
        [*cut(kept, 1), *cut(log, 7)],
    ]
    found = []
    for order in orders:
        await model.empty()
        await model.apply(*order)
        found.append(await model.same())

    for rows in found[1:]:
        assert rows == found[0]


@pytest.mark.parametrize("seed", range(4))
async def test_nor_do_they_where_only_the_newest_facts_are_remembered(
    model: ReadModel, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fact makes another one forgotten, of an episode that it does not concern."""
    monkeypatch.setattr("library.title.state.POINTS", 3)
    story = lived(Random(seed + 200))
    found = []
    for size in (1, len(story.commits)):
        await model.empty()
        await model.apply(*cut(story.commits, size), *cut(story.kept_heartbeats(), size))
        found.append(await model.same())

    assert found[0] == found[1]


@pytest.mark.parametrize("seed", range(6))
async def test_the_rows_say_what_follows_from_all_that_happened(model: ReadModel, seed: int) -> None:
    story = lived(Random(seed + 100))
    await model.apply(*cut(story.commits, 3))
    await model.apply(*cut(story.heartbeats, 3))

    for uid in (ANA, BOB):
        groups, undone, cleared = shelf_of(story, uid)
        for work in WORKS:
            ids = groups.get(work, (work,))
            facts = [id for id in ids if any(of(commit, uid, id) for commit in story.commits)]
            expected = summary(story.title(uid, *facts), undone, cleared)
            progress: TitleProgress = await QUERIES[Title](model.reader, Title(work=work), asking(uid))
            item: ItemView | None = await QUERIES[Item](model.reader, Item(work=work), asking(uid))

            assert progress.work == ids[0]
            assert seen(progress) == told(expected)
            assert (item is None) == (expected.updated_at is None)
            if item is not None:
                assert (item.status, item.progress, item.updated_at, item.ids) == (
                    expected.status,
                    expected.progress,
                    expected.updated_at,
                    list(ids),
                )


def shelf_of(story: Story, uid: str) -> tuple[Mapping[str, Group], frozenset[str], datetime | None]:
    layers = Layers()
    undone, cleared = set[str](), None
    for commit in story.commits:
        for event in commit.events:
            if getattr(event, "uid", "") != uid:
                continue
            if isinstance(event, IdsJoined | IdsSplit):
                layers = regrouped(layers, event)
            elif isinstance(event, ImportUndone):
                layers = regrouped(layers, event)
                undone.add(event.import_id)
            elif isinstance(event, HistoryCleared):
                cleared = event.at
    return shown(layers), frozenset(undone), cleared


def of(commit: Commit, uid: str, work: str) -> bool:
    return any(getattr(event, "uid", "") == uid and getattr(event, "work", "") == work for event in commit.events)


def seen(progress: TitleProgress) -> list[tuple[Any, ...]]:
    return [
        (slot(one.episode), one.position, one.duration, one.watched, one.watched_at, one.completed_at, one.plays,
         one.watched_seconds, one.session, one.updated_at)
        for one in progress.items
    ]  # fmt: skip


def told(expected: Summary) -> list[tuple[Any, ...]]:
    return [
        (one.slot, one.position, one.duration, one.watched, one.watched_at, one.completed_at, one.plays,
         one.watched_seconds, one.session, one.updated_at)
        for one in expected.slots
    ]  # fmt: skip
