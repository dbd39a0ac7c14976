"""A made-up thread is one that the comments service could have written."""

from itertools import chain

import pytest
from bench import discussion

from events.contracts.comments import Deleted, Edited, Hidden, Posted, Reacted, ThreadBegun
from events.messages import Event

COUNT = 3_000


@pytest.fixture(scope="module")
def batches() -> list[discussion.Commits]:
    return list(discussion.batches(COUNT))


def test_no_batch_has_two_commits_of_one_aggregate(batches: list[discussion.Commits]) -> None:
    for commits in batches:
        assert len({key for key, _ in commits}) == len(commits)


def test_it_begins_with_its_anchor_and_has_as_many_comments_as_asked_for(batches: list[discussion.Commits]) -> None:
    told = _events(batches)

    assert isinstance(told[0], ThreadBegun)
    assert sum(isinstance(event, Posted) for event in told) == COUNT


def test_replies_stand_under_what_they_answer(batches: list[discussion.Commits]) -> None:
    posted: dict[str, Posted] = {}
    for event in _events(batches):
        if isinstance(event, Posted):
            if event.parent is not None:
                parent = posted[event.parent]
                assert (event.root, event.depth) == (parent.root or parent.comment_id, parent.depth + 1)
                assert event.parent_uid == parent.uid
            posted[event.comment_id] = event
    assert max(event.depth for event in posted.values()) > 4


def test_nothing_happens_to_a_comment_before_it_is_there_or_after_it_is_gone(
    batches: list[discussion.Commits],
) -> None:
    there: set[str] = set()
    gone: set[str] = set()
    for event in _events(batches):
        match event:
            case Posted(comment_id=id, parent=parent):
                assert parent is None or parent in there - gone
                there.add(id)
            case Deleted(comment_id=id) | Hidden(comment_id=id):
                assert id in there - gone
                gone.add(id)
            case Edited(comment_id=id) | Reacted(comment_id=id):
                assert id in there
                assert id not in gone
            case _:
                pass
    assert gone


def test_a_rare_word_is_in_few_comments_and_others_are_in_many(batches: list[discussion.Commits]) -> None:
    texts = [event.text for event in _events(batches) if isinstance(event, Posted)]

    assert sum(discussion.rare(2) in text.split() for text in texts) == 1
    assert sum("scene" in text.split() for text in texts) > COUNT / 50
    assert any(phrase in text for text in texts for phrase in discussion.PHRASES)


def _events(batches: list[discussion.Commits]) -> list[Event]:
    return list(chain.from_iterable(events for commits in batches for _, events in commits))
