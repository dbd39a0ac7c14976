"""Whatever happens in threads, the rows say what a plain reading of the log does, and do not depend on the batches."""

from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.integration.comments.plainly import Reading, says_what_was_told
from tests.integration.comments.threads import ANA, BOB, CYD, MOD, P, T, Talk, U, asking
from tests.integration.readmodels import ReadModel
from tests.integration.recording import cut

from comments.queries.threads import replies, thread
from events.contracts.comments import (
    CommentView,
    Deleted,
    Removed,
    ShowReplies,
    ShowThread,
)

PEOPLE = (ANA, BOB, CYD)
THREADS = (T, T, U, P)
TEXTS = ("Whoa", "What a scene", "進撃の巨人", "It's his best", "İstanbul ß x2")
SECONDS = (None, None, 0.0, 9.9, 10.0, 125.0)


def lived(chance: Random, steps: int) -> Talk:
    talk = Talk()
    for id in dict.fromkeys(THREADS):
        talk.begin(id)
    there: dict[str, list[tuple[str, str]]] = {id: [] for id in THREADS}
    for _ in range(steps):
        id = chance.choice(THREADS)
        if not there[id] or chance.random() < 0.4:
            by, to = chance.choice(PEOPLE), chance.choice([None, *(one for one, _ in there[id][-6:])])
            veil = chance.choice(("", "", "", "", "shadow", "held"))
            seconds, language = chance.choice(SECONDS), chance.choice((None, "en", "ja"))
            new = talk.post(
                chance.choice(TEXTS), by, to, thread=id, veil=veil, media_seconds=seconds, language=language,
                mentions=(MOD,),
            )  # fmt: skip
            there[id].append((new, by))
        else:
            _something(talk, chance, id, *chance.choice(there[id]))
    return talk


def _something(talk: Talk, chance: Random, thread_id: str, id: str, by: str) -> None:
    what = chance.choice(("edit", "edit", "veil", "delete", "hide", "hide", "restore", "restore", "remove", "react"))
    gone = any(
        isinstance(event, Deleted | Removed) and (event.thread_id, event.comment_id) == (thread_id, id)
        for commit in talk.commits
        for event in commit.events
    )
    if what == "react" or gone:
        who, emoji = chance.choice(PEOPLE), chance.choice(("👍", "🔥"))
        veil = chance.choice(("", "", "shadow"))
        talk.react(id, emoji, who, chance.random() < 0.7, thread=thread_id, veil=veil)
    elif what == "edit":
        talk.edit(id, chance.choice((None, *TEXTS)), by, thread_id, spoiler=chance.choice((None, True, False)))
    elif what == "veil":
        talk.edit(id, "Held", by, thread_id, veil="held", rule="words")
    elif what == "delete":
        talk.delete(id, by, thread_id)
    else:
        {"hide": talk.hide, "restore": talk.restore, "remove": talk.remove}[what](id, thread_id)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(chance=st.randoms(use_true_random=False), steps=st.integers(1, 40), size=st.integers(2, 15))
async def test_any_interleaving_in_any_batches_reads_as_the_log_does(
    model: ReadModel, chance: Random, steps: int, size: int
) -> None:
    talk = lived(chance, steps)
    await model.empty()
    await model.apply(*cut(talk.commits, size))

    await says_what_was_told(model.reader, talk.commits)


@pytest.mark.parametrize("seed", range(2))
async def test_however_the_log_is_cut_the_rows_are_the_same(model: ReadModel, seed: int) -> None:
    talk = lived(Random(seed), 300)
    found = []
    for size in (1, 2, 7, len(talk.commits)):
        await model.empty()
        await model.apply(*cut(talk.commits, size))
        found.append(await model.same())

    assert found[0] == found[1] == found[2] == found[3]
    await says_what_was_told(model.reader, talk.commits)


@pytest.mark.parametrize("order", ["newest", "oldest", "top", "moment"])
@pytest.mark.parametrize("seed", [100])
async def test_all_pages_together_show_each_comment_once_and_before_its_replies(
    model: ReadModel, seed: int, order: Any
) -> None:
    talk = lived(Random(seed), 250)
    await model.apply(*cut(talk.commits, 50))
    reading = Reading(talk.commits)
    tops: list[CommentView] = []
    more = None
    while not tops or more is not None:
        query = ShowThread(media="tt0133093", order=order, depth=0, limit=3, cursor=more)
        page = await thread(model.reader, query, asking())
        tops += page.comments
        more = page.cursor
    everything = [one for top in tops for one in (top, *await _all_below(model, top.comment_id))]
    ids = [one.comment_id for one in everything]
    place = {id: at for at, id in enumerate(ids)}

    assert len(ids) == len(place)
    assert place.keys() == {id for t, id in reading.comments if t == T and reading.shown((t, id))}
    assert all(one.parent is None or place[one.parent] < place[one.comment_id] for one in everything)
    keys = [_key(order, one) for one in tops if one.gone is None]
    assert keys == sorted(keys)


def _key(order: str, view: CommentView) -> tuple[Any, ...]:
    at = view.posted_at.timestamp()
    match order:
        case "newest":
            return (-at,)
        case "top":
            return (-sum(one.people for one in view.reactions), -at)
        case "moment":
            return (view.media_seconds is None, view.media_seconds or 0.0, at)
    return (at,)


async def _all_below(model: ReadModel, id: str) -> list[CommentView]:
    found: list[CommentView] = []
    more = None
    while True:
        query = ShowReplies(thread_id=T, comment_id=id, depth=0, limit=2, cursor=more)
        page = await replies(model.reader, query, asking())
        for one in page.replies:
            found += [one, *await _all_below(model, one.comment_id)]
        if (more := page.cursor) is None:
            return found
