from datetime import timedelta

import pytest
from tests.integration.comments.threads import ANA, BOB, CYD, FILM, P, T, Talk, U, asking, in_party
from tests.integration.readmodels import ReadModel

from comments.queries.followed import threads
from comments.queries.mine import edits, mine
from comments.queries.statistics import author, discussed, statistics
from comments.queries.timed import density, timed
from events.contracts.comments import (
    EditView,
    ShowAuthor,
    ShowDensity,
    ShowDiscussed,
    ShowEdits,
    ShowFollowed,
    ShowMine,
    ShowStatistics,
    ShowTimed,
)
from events.messages import Rejected
from events.testing import NOW


@pytest.fixture
def talk() -> Talk:
    talk = Talk()
    talk.begin(T)
    return talk


async def test_comments_of_a_minute_come_in_the_order_of_the_film(model: ReadModel, talk: Talk) -> None:
    for seconds in (75.0, 60.0, 119.9, 120.0, 59.9):
        talk.post(f"at {seconds}", media_seconds=seconds)
    talk.post("hidden", media_seconds=70.0, veil="shadow")
    talk.post("at none")
    await model.apply(talk.commits)

    page = await timed(model.reader, ShowTimed(media=FILM, start=60, end=120), asking())
    assert ([one.text for one in page.comments], page.left_out) == (["at 60.0", "at 75.0", "at 119.9"], 0)


async def test_more_than_ten_minutes_are_not_told_at_once(model: ReadModel, talk: Talk) -> None:
    for seconds in (5.0, 604.9, 605.0):
        talk.post(f"at {seconds}", media_seconds=seconds)
    await model.apply(talk.commits)

    page = await timed(model.reader, ShowTimed(media=FILM, start=5, end=3_600), asking())
    assert ([one.text for one in page.comments], page.left_out) == (["at 5.0", "at 604.9"], 0)


async def test_of_too_many_the_newest_are_shown(model: ReadModel, talk: Talk) -> None:
    for seconds in (3.0, 1.0, 2.0):
        talk.post(f"at {seconds}", media_seconds=seconds)
    await model.apply(talk.commits)

    page = await timed(model.reader, ShowTimed(media=FILM, start=0, end=60, limit=2), asking())
    assert ([one.text for one in page.comments], page.left_out) == (["at 1.0", "at 2.0"], 1)


async def test_the_strip_counts_in_parts_that_are_as_many_as_asked_for(model: ReadModel, talk: Talk) -> None:
    for seconds in (0.0, 9.9, 10.0, 55.0):
        talk.post(media_seconds=seconds)
    talk.post(media_seconds=500.0, veil="held")
    gone = talk.post(media_seconds=500.0)
    talk.delete(gone)
    await model.apply(talk.commits)

    fine = await density(model.reader, ShowDensity(media=FILM), asking())
    assert (fine.seconds, fine.counts, fine.most) == (10.0, [2, 1, 0, 0, 0, 1], 2)
    coarse = await density(model.reader, ShowDensity(media=FILM, parts=4), asking())
    assert (coarse.seconds, coarse.counts, coarse.most) == (20.0, [3, 0, 1], 3)
    none = await density(model.reader, ShowDensity(media="tt1"), asking())
    assert (none.counts, none.most) == ([], 0)


async def test_statistics_count_what_can_be_seen(model: ReadModel, talk: Talk) -> None:
    one = talk.post(media_seconds=125.0)
    two = talk.post(by=BOB, to=one)
    talk.post(by=CYD, veil="shadow", media_seconds=5.0)
    talk.react(two, by=ANA)
    talk.react(two, by=CYD, veil="shadow")
    talk.react(two, "🔥", by=ANA)
    await model.apply(talk.commits)

    found = await statistics(model.reader, ShowStatistics(media=FILM), asking())
    assert (found.comments, found.people, found.replies, found.timed, found.reactions) == (2, 2, 1, 1, 2)
    assert (found.busiest, found.by_day, [view.comment_id for view in found.top]) == ([120.0], {"2026-01-02": 2}, [two])
    assert found.first_at is not None
    assert found.first_at < (found.latest_at or NOW)
    none = await statistics(model.reader, ShowStatistics(media="tt1"), asking())
    assert (none.comments, none.latest_at, none.top) == (0, None, [])


async def test_an_authors_numbers_are_of_threads_for_everybody(model: ReadModel, talk: Talk) -> None:
    talk.begin(U)
    talk.begin(P)
    one, two = talk.post(name="Ana"), talk.post(thread=U, name="Anna")
    talk.post("Ours", thread=P, name="Boss")
    talk.post(veil="shadow", name="Ghost")
    talk.post(by=BOB, to=one)
    talk.post(by=BOB, to=one, veil="held")
    talk.post(by=ANA, to=two, thread=U, name="Annie")
    talk.react(one, by=BOB)
    talk.react(one, by=ANA)
    await model.apply(talk.commits)

    found = await author(model.reader, ShowAuthor(uid=ANA), asking())
    assert (found.name, found.comments, found.threads, found.reactions, found.replies) == ("Annie", 3, 2, 1, 1)
    nobody = await author(model.reader, ShowAuthor(uid="nobody"), asking())
    assert (nobody.name, nobody.comments, nobody.first_at) == ("", 0, None)


async def test_the_most_discussed_threads_come_first(model: ReadModel, talk: Talk) -> None:
    talk.begin(U)
    talk.begin(P)
    for _ in range(2):
        talk.post(thread=U)
        talk.post(thread=P)
        talk.post(thread=P)
    talk.post()
    talk.post(veil="shadow")
    talk.post(veil="held")
    await model.apply(talk.commits)

    found = await discussed(model.reader, ShowDiscussed(), asking())
    assert [(one.thread.thread_id, one.lately, one.people_lately) for one in found.threads] == [(U, 2, 1), (T, 1, 1)]
    later = asking(now=NOW + timedelta(days=9))
    assert (await discussed(model.reader, ShowDiscussed(days=7), later)).threads == []
    (first,) = (await discussed(model.reader, ShowDiscussed(limit=1), asking())).threads
    assert first.thread.thread_id == U


async def test_my_threads_tell_what_is_unread(model: ReadModel, talk: Talk) -> None:
    talk.begin(U)
    talk.post(by=CYD)
    talk.post(by=CYD, thread=U)
    seen = talk.now
    talk.post(by=BOB)
    talk.post(by=BOB, veil="shadow")
    talk.read(CYD, seen)
    talk.read(CYD, seen - timedelta(hours=1))
    await model.apply(talk.commits, talk.heartbeats)

    found = await threads(model.reader, ShowFollowed(), asking())
    assert [(one.thread.thread_id, one.unread, one.mine) for one in found.threads] == [(T, 1, 1), (U, 0, 1)]
    first = await threads(model.reader, ShowFollowed(limit=1), asking())
    rest = await threads(model.reader, ShowFollowed(limit=1, cursor=first.cursor), asking())
    assert ([one.thread.thread_id for one in rest.threads], rest.cursor) == ([U], None)


async def test_a_thread_is_mine_while_something_of_mine_is_there(model: ReadModel, talk: Talk) -> None:
    one = talk.post(by=CYD, veil="shadow")
    await model.apply(talk.commits)
    assert [one.mine for one in (await threads(model.reader, ShowFollowed(), asking())).threads] == [1]

    talk.delete(one, CYD)
    await model.apply(talk.commits[-1:])
    assert (await threads(model.reader, ShowFollowed(), asking())).threads == []


async def test_threads_of_parties_are_mine_while_i_am_in_them(model: ReadModel, talk: Talk) -> None:
    talk.begin(P)
    talk.post(by=CYD, thread=P)
    await model.apply(talk.commits)

    assert len((await threads(model.reader, ShowFollowed(), in_party())).threads) == 1
    assert (await threads(model.reader, ShowFollowed(), asking())).threads == []


async def test_what_others_do_not_see_is_mine_to_see(model: ReadModel, talk: Talk) -> None:
    shadow, held = talk.post("1", by=CYD, veil="shadow"), talk.post("2", by=CYD, veil="held", rule="links")
    hidden, gone = talk.post("3", by=CYD), talk.post("4", by=CYD, veil="held")
    seen = talk.post("5", by=CYD)
    talk.post("6", by=BOB, veil="shadow")
    talk.hide(hidden)
    talk.delete(gone, CYD)
    talk.react(shadow, by=CYD)
    talk.react(shadow, "🔥", by=CYD, veil="shadow")
    talk.read(CYD, talk.now)
    await model.apply(talk.commits, talk.heartbeats)

    found = await mine(model.reader, ShowMine(thread_id=T), asking())
    assert [(one.comment.comment_id, one.comment.text, one.held, one.hidden) for one in found.comments] == [
        (hidden, "3", False, True), (held, "2", True, False),
    ]  # fmt: skip
    assert [(one.comment_id, one.text) for one in found.said] == [(seen, "5"), (shadow, "1")]
    assert sorted(found.reactions[shadow]) == sorted(["👍", "🔥"])
    assert (found.read_until is not None, found.may_moderate, found.muted) == (True, False, False)
    other = await mine(model.reader, ShowMine(thread_id=T), asking(ANA, "moderator"))
    assert (other.comments, other.said, other.reactions, other.read_until, other.may_moderate) == (
        [],
        [],
        {},
        None,
        True,
    )


async def test_what_a_comment_said_before_is_for_its_author_and_for_moderators(model: ReadModel, talk: Talk) -> None:
    one = talk.post("Woha")
    talk.edit(one, "Woah")
    first = talk.now
    talk.edit(one, None, spoiler=True)
    await model.apply(talk.commits)
    query = ShowEdits(thread_id=T, comment_id=one)

    found = await edits(model.reader, query, asking(ANA))
    assert found.edits == [EditView("Woah", False, talk.now), EditView("Woha", False, first)]
    assert await edits(model.reader, query, asking(BOB, "moderator")) == found
    with pytest.raises(Rejected, match="not-yours"):
        await edits(model.reader, query, asking(BOB))
    talk.hide(one)
    await model.apply(talk.commits[-1:])
    with pytest.raises(Rejected, match="no-such-comment"):
        await edits(model.reader, query, asking(BOB))
    talk.remove(one)
    await model.apply(talk.commits[-1:])
    with pytest.raises(Rejected, match="no-such-comment"):
        await edits(model.reader, query, asking(ANA))
    assert await model.reader.fetch("select * from edit") == []
