from typing import Literal

import msgspec
import pytest
from tests.integration.parties.stories import ANA, BOB, CYD, P, Q, asking, every_page, joined, opened
from tests.integration.readmodels import ReadModel
from tests.integration.recording import Recording

from events.contracts.party import (
    Configure,
    Dequeue,
    Enqueue,
    ItemView,
    Leave,
    MoveItem,
    Next,
    Queue,
    Queued,
    QueuedItem,
    State,
    Undo,
    Vote,
)
from events.messages import Rejected
from parties.queries import room
from parties.queries.room import queue, state


def enqueued(story: Recording, *media: str, by: str = ANA) -> list[str]:
    """Their ids."""
    found = []
    for one in media:
        (event,) = story.tell(Enqueue(party_id=P, media=one), by=by)
        assert isinstance(event, Queued)
        found.append(event.item)
    return found


async def seen(model: ReadModel, story: Recording, by: str = ANA) -> list[ItemView]:
    await model.empty()
    await model.apply(story.commits)
    return (await queue(model.reader, Queue(party_id=P), asking(by))).items


@pytest.fixture
def story(story: Recording) -> Recording:
    opened(story)
    joined(story, BOB)
    return story


async def test_an_item_is_shown_as_it_was_queued(model: ReadModel, story: Recording) -> None:
    wish = Enqueue(
        party_id=P, media="tt1234567", media_title="Title", season=1, episode=2, source="magnet:?xt=1", file_index=3
    )
    (event,) = story.tell(wish, by=BOB)
    assert isinstance(event, Queued)
    (item,) = await seen(model, story)

    assert item == ItemView(
        item=QueuedItem(event.item).item, media="tt1234567", media_title="Title", season=1, episode=2,
        source="magnet:?xt=1", file_index=3, by=BOB, votes=0, mine=False, added_at=story.now,
    )  # fmt: skip
    assert [shown.source for shown in await seen(model, story, CYD)] == [""]


async def test_items_come_in_the_order_into_which_they_were_put(model: ReadModel, story: Recording) -> None:
    one, two, three, four = enqueued(story, "tt1", "tt2", "tt3", "tt4")
    story.tell(MoveItem(party_id=P, item=four, before=two), by=ANA)
    story.tell(MoveItem(party_id=P, item=one), by=ANA)
    story.tell(Dequeue(party_id=P, item=two), by=ANA)

    assert [item.item for item in await seen(model, story)] == [four, three, one]
    story.tell(Next(party_id=P), by=ANA)
    assert [item.item for item in await seen(model, story)] == [three, one]


@pytest.mark.parametrize("order", ["added", "votes"])
async def test_what_does_not_fit_into_an_answer_is_on_the_next_page(
    model: ReadModel, story: Recording, monkeypatch: pytest.MonkeyPatch, order: Literal["added", "votes"]
) -> None:
    items = enqueued(story, "tt1", "tt2", "tt3", "tt4", "tt5")
    for item in (items[4], items[1]):
        story.tell(Vote(party_id=P, item=item), by=BOB)
    story.tell(Configure(party_id=P, queue_order=order), by=ANA)
    whole = await seen(model, story)
    monkeypatch.setattr(room, "PAGE_BYTES", 2 * len(msgspec.json.encode(whole[0])) + 10)

    async def ask(cursor: str | None) -> tuple[list[ItemView], str | None]:
        page = await queue(model.reader, Queue(party_id=P, cursor=cursor), asking(ANA))
        return page.items, page.cursor

    pages = await every_page(ask)
    assert [len(page) for page in pages] == [2, 2, 1]
    assert [item for page in pages for item in page] == whole
    with pytest.raises(Rejected, match="bad-cursor"):
        await ask("WzEsMV0")


async def test_votes_are_counted_and_ones_own_are_marked(model: ReadModel, story: Recording) -> None:
    one, two = enqueued(story, "tt1", "tt2")
    for uid in (ANA, BOB):
        story.tell(Vote(party_id=P, item=two), by=uid)
    story.tell(Vote(party_id=P, item=one), by=BOB)
    story.tell(Vote(party_id=P, item=one, up=False), by=BOB)

    assert [(item.votes, item.mine) for item in await seen(model, story, ANA)] == [(0, False), (2, True)]
    assert [(item.votes, item.mine) for item in await seen(model, story, CYD)] == [(0, False), (2, False)]
    story.tell(Leave(party_id=P), by=BOB)
    assert [item.votes for item in await seen(model, story)] == [0, 1]


async def test_a_party_that_lets_votes_decide_shows_what_they_decided(model: ReadModel, story: Recording) -> None:
    one, two, three = enqueued(story, "tt1", "tt2", "tt3")
    story.tell(Vote(party_id=P, item=three), by=BOB)
    added = await seen(model, story)
    story.tell(Configure(party_id=P, queue_order="votes"), by=ANA)

    assert [item.item for item in added] == [one, two, three]
    assert [item.item for item in await seen(model, story)] == [three, one, two]


async def test_nothing_is_left_of_the_votes_for_what_is_gone(model: ReadModel, story: Recording) -> None:
    one, two = enqueued(story, "tt1", "tt2")
    for item in (one, two):
        story.tell(Vote(party_id=P, item=item), by=BOB)
    story.tell(Dequeue(party_id=P, item=one), by=ANA)
    await model.apply(story.commits)

    assert [row["item"] for row in await model.reader.fetch("select item from vote")] == [two]


async def test_what_is_no_longer_watched_is_in_its_place_again_as_it_was(model: ReadModel, story: Recording) -> None:
    sourced = Enqueue(party_id=P, media="tt1", media_title="Title", source="magnet:?xt=1", file_index=3)
    story.tell(sourced, by=BOB)
    (two,) = enqueued(story, "tt2")
    for uid in (ANA, BOB):
        story.tell(Vote(party_id=P, item=two), by=uid)
    queued = await seen(model, story)
    story.tell(Next(party_id=P), by=ANA)
    assert [item.media for item in await seen(model, story)] == ["tt2"]

    story.tell(Undo(party_id=P), by=ANA)
    assert await seen(model, story) == queued
    story.tell(Undo(party_id=P), by=ANA)
    assert [item.media for item in await seen(model, story)] == ["tt2"]


async def test_what_was_put_back_is_watched_from_its_own_source_again(model: ReadModel, story: Recording) -> None:
    story.tell(Enqueue(party_id=P, media="tt1", source="magnet:?xt=1"), by=BOB)
    for command in (Next(party_id=P), Undo(party_id=P), Next(party_id=P)):
        story.tell(command, by=ANA)
        await seen(model, story)
    view = await state(model.reader, State(party_id=P), asking(ANA))

    assert (view.media, view.source, view.queued) == ("tt1", "magnet:?xt=1", 0)


async def test_what_is_queued_again_by_a_forgotten_command_is_there_once(model: ReadModel, story: Recording) -> None:
    for source in ("magnet:?xt=1", "magnet:?xt=2"):
        story.tell(Enqueue(party_id=P, media="tt1", source=source), by=BOB, id="0nce0nce0nce")
        story.tell(Next(party_id=P), by=ANA)
    story.tell(Undo(party_id=P), by=ANA)

    assert [(item.media, item.source) for item in await seen(model, story)] == [("tt1", "magnet:?xt=2")]


async def test_only_what_an_undo_may_put_back_is_kept(model: ReadModel, story: Recording) -> None:
    for item in enqueued(story, "tt1", "tt2", "tt3"):
        story.tell(Vote(party_id=P, item=item), by=BOB)
    for _ in range(3):
        story.tell(Next(party_id=P), by=ANA)
    await model.apply(story.commits)

    (kept,) = await model.reader.fetch("select media, place from item")
    assert tuple(kept) == ("tt3", -1)
    assert await model.reader.fetchval("select count(*) from vote") == 1


async def test_queues_do_not_meet(model: ReadModel, story: Recording) -> None:
    opened(story, Q)
    enqueued(story, "tt1")
    story.tell(Enqueue(party_id=Q, media="tt2"), by=ANA)

    assert [item.media for item in await seen(model, story)] == ["tt1"]
