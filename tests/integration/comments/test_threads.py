from typing import Any

import msgspec
import pytest
from tests.integration.comments.threads import ANA, BOB, CYD, FILM, MOD, PARTY, P, T, Talk, asking, in_party
from tests.integration.readmodels import ReadModel

from comments.queries.statistics import statistics
from comments.queries.threads import replies, thread
from comments.queries.timed import density, timed
from events.contracts.comments import (
    CommentView,
    PersonBanned,
    Reactions,
    RepliesPage,
    ShowDensity,
    ShowReplies,
    ShowStatistics,
    ShowThread,
    ShowTimed,
    ThreadPage,
    standing_key,
    thread_of,
)
from events.messages import Rejected


@pytest.fixture
def talk() -> Talk:
    talk = Talk()
    talk.begin(T, title="The Matrix")
    return talk


async def page(model: ReadModel, talk: Talk, **more: Any) -> ThreadPage:
    """The thread after all that was said, from the beginning."""
    await model.empty()
    await model.apply(talk.commits)
    return await thread(model.reader, ShowThread(media=FILM, **more), asking())


async def below(model: ReadModel, id: str, **more: Any) -> RepliesPage:
    return await replies(model.reader, ShowReplies(thread_id=T, comment_id=id, **more), asking())


def ids(found: list[CommentView]) -> list[str]:
    return [one.comment_id for one in found]


async def test_a_thread_that_nobody_has_begun_is_empty(model: ReadModel) -> None:
    found = await thread(model.reader, ShowThread(media="tt0108778:1:2"), asking())

    assert (found.comments, found.pinned, found.cursor) == ([], [], None)
    assert (found.thread.media, found.thread.season, found.thread.episode, found.thread.begun_at) == (
        "tt0108778", 1, 2, None,
    )  # fmt: skip


async def test_a_thread_without_a_title_gets_one_later(model: ReadModel) -> None:
    talk = Talk()
    talk.begin(T)
    talk.post()
    without = (await page(model, talk)).thread
    talk.title("The Matrix")
    found = (await page(model, talk)).thread

    assert (without.title, found.title) == (None, "The Matrix")


async def test_a_comment_is_shown_as_it_was_typed(model: ReadModel, talk: Talk) -> None:
    text = "<b>1999</b> & 進撃 🇯🇵\n\tfine"
    id = talk.post(text, media_seconds=61.5, spoiler=True, mentions=(BOB,), language="en", avatar="owl")
    found = await page(model, talk)

    (view,) = found.comments
    assert view == CommentView(
        comment_id=id, thread_id=T, parent=None, depth=0, uid=ANA, name="Ana", avatar="owl", text=text,
        media_seconds=61.5, spoiler=True, pinned=False, posted_at=talk.now, edited_at=None, gone=None, reactions=[],
        replies=0, all_replies=0, mentions=[BOB], language="en",
    )  # fmt: skip
    assert (found.thread.title, found.thread.comments, found.thread.people, found.thread.latest_at) == (
        "The Matrix", 1, 1, talk.now,
    )  # fmt: skip


async def test_replies_stand_below_what_they_answer_oldest_first(model: ReadModel, talk: Talk) -> None:
    one = talk.post()
    a = talk.post(to=one)
    b = talk.post(to=one)
    aa = talk.post(to=a)
    two = talk.post()
    found = await page(model, talk)

    assert ids(found.comments) == [two, one, a, aa, b]
    assert [(view.replies, view.all_replies) for view in found.comments] == [(0, 0), (2, 3), (1, 0), (0, 0), (0, 0)]


async def test_only_so_many_replies_are_shown_so_deep(model: ReadModel, talk: Talk) -> None:
    one = talk.post()
    direct = [talk.post(to=one) for _ in range(4)]
    deeper = talk.post(to=direct[0])
    deepest = talk.post(to=deeper)

    assert ids((await page(model, talk, replies=2)).comments) == [one, direct[0], deeper, direct[1]]
    assert ids((await page(model, talk, replies=2, depth=3)).comments) == [one, direct[0], deeper, deepest, direct[1]]
    assert ids((await page(model, talk, depth=0)).comments) == [one]


async def test_the_most_liked_come_first_then_the_newest(model: ReadModel, talk: Talk) -> None:
    old, liked, loved, new = (talk.post() for _ in range(4))
    talk.react(liked, by=BOB)
    talk.react(loved, by=BOB)
    talk.react(loved, by=CYD)
    talk.react(old, by=BOB, veil="shadow")
    found = await page(model, talk, order="top", limit=3)

    assert ids(found.comments) == [loved, liked, new]
    assert found.comments[0].reactions == [Reactions("👍", 2)]
    rest = await thread(model.reader, ShowThread(media=FILM, order="top", limit=3, cursor=found.cursor), asking())
    assert (ids(rest.comments), rest.cursor) == ([old], None)


async def test_those_at_a_moment_come_in_its_order_and_those_without_one_last(model: ReadModel, talk: Talk) -> None:
    late, none, early = talk.post(media_seconds=99.0), talk.post(), talk.post(media_seconds=0.0)

    assert ids((await page(model, talk, order="moment")).comments) == [early, late, none]
    assert ids((await page(model, talk, order="oldest")).comments) == [late, none, early]


async def test_who_reads_on_misses_nothing_when_something_new_is_said_meanwhile(model: ReadModel, talk: Talk) -> None:
    said = [talk.post() for _ in range(5)]
    first = await page(model, talk, limit=2)
    talk.post()
    await page(model, talk)
    rest = await thread(model.reader, ShowThread(media=FILM, cursor=first.cursor), asking())

    assert ids(first.comments) + ids(rest.comments) == said[::-1]


async def test_what_is_gone_leaves_a_place_only_while_it_holds_replies(model: ReadModel, talk: Talk) -> None:
    one, two, three = talk.post(media_seconds=5.0), talk.post(), talk.post()
    reply = talk.post(by=BOB, to=one)
    talk.delete(one)
    talk.remove(two)
    talk.hide(three)
    found = await page(model, talk)

    assert ids(found.comments) == [one, reply]
    place = found.comments[0]
    assert (place.gone, place.text, place.uid, place.name, place.media_seconds) == ("deleted", "", "", "", None)
    assert (place.replies, found.thread.comments, found.thread.people) == (1, 1, 1)
    talk.delete(reply, BOB)
    assert (await page(model, talk)).comments == []


async def test_nothing_tells_of_what_is_veiled(model: ReadModel, talk: Talk) -> None:
    one = talk.post()
    before = await page(model, talk)
    talk.post("Shadow", by=BOB, veil="shadow")
    talk.post("Held", by=BOB, to=one, veil="held", rule="words")

    assert await page(model, talk) == before
    with pytest.raises(Rejected, match="no-such-comment"):
        await below(model, "c000002")


async def test_what_is_restored_is_there_again(model: ReadModel, talk: Talk) -> None:
    one = talk.post()
    reply = talk.post("Held", by=BOB, to=one, veil="held", rule="words")
    talk.restore(reply)
    talk.hide(one)
    found = await page(model, talk)

    assert [(view.comment_id, view.gone) for view in found.comments] == [(one, "hidden"), (reply, None)]
    talk.restore(one)
    assert [view.text for view in (await page(model, talk)).comments] == ["Whoa", "Held"]


async def test_an_edit_is_dated_and_says_what_it_says_now(model: ReadModel, talk: Talk) -> None:
    one = talk.post("Woah")
    talk.edit(one, "Whoa")
    (view,) = (await page(model, talk)).comments

    assert (view.text, view.edited_at, view.spoiler) == ("Whoa", talk.now, False)


async def test_pinned_comments_stand_above_on_the_first_page(model: ReadModel, talk: Talk) -> None:
    said = [talk.post() for _ in range(3)]
    talk.pin(said[1])
    talk.pin(said[0])
    found = await page(model, talk, limit=2)

    assert ids(found.pinned) == [said[1], said[0]]
    assert [view.pinned for view in found.comments] == [False, True]
    rest = await thread(model.reader, ShowThread(media=FILM, limit=2, cursor=found.cursor), asking())
    assert (rest.pinned, ids(rest.comments)) == ([], [said[0]])
    talk.hide(said[1])
    talk.pin(said[0], pinned=False)
    assert (await page(model, talk)).pinned == []


async def test_a_lock_shows(model: ReadModel, talk: Talk) -> None:
    talk.lock()
    assert (await page(model, talk)).thread.locked


async def test_a_link_leads_to_a_comment_with_what_is_above_it(model: ReadModel, talk: Talk) -> None:
    line = [talk.post()]
    for _ in range(25):
        line.append(talk.post(to=line[-1]))
    await page(model, talk)
    found = await below(model, line[22])

    assert (found.comment.comment_id, ids(found.above)) == (line[22], line[2:22])
    assert ids(found.replies) == line[23:26]


async def test_replies_come_page_by_page(model: ReadModel, talk: Talk) -> None:
    one = talk.post()
    direct = [talk.post(to=one) for _ in range(5)]
    await page(model, talk)
    first = await below(model, one, limit=3)
    rest = await below(model, one, limit=3, cursor=first.cursor)

    assert (ids(first.replies), ids(rest.replies), rest.cursor) == (direct[:3], direct[3:], None)


async def test_an_answer_fits_into_a_message_however_much_was_said(model: ReadModel, talk: Talk) -> None:
    long = "🎬" * 2_000
    for _ in range(100):
        one = talk.post(long)
        for _ in range(3):
            one = talk.post(long, to=one)
    found: list[CommentView] = []
    more = None
    await page(model, talk)
    while not found or more is not None:
        query = ShowThread(media=FILM, limit=100, depth=8, replies=20, cursor=more)
        answer = await thread(model.reader, query, asking())
        assert len(msgspec.json.encode(answer)) < 900_000
        found += [view for view in answer.comments if view.depth == 0]
        more = answer.cursor

    assert len(set(ids(found))) == len(found) == 100


@pytest.mark.parametrize("cursor", ["?", "e30", "WzAsMCwwXQ", "WzAsMSwtNSwiYSJd"])
async def test_a_cursor_that_was_never_written_is_refused(model: ReadModel, talk: Talk, cursor: str) -> None:
    with pytest.raises(Rejected, match="bad-cursor"):
        await page(model, talk, cursor=cursor)


async def test_whom_moderators_keep_out_reads_nothing(model: ReadModel, talk: Talk) -> None:
    one = talk.post()
    talk.say(standing_key("site", CYD), PersonBanned(where="site", uid=CYD, by=MOD, at=talk.now))

    with pytest.raises(Rejected, match="banned"):
        await page(model, talk)
    with pytest.raises(Rejected, match="banned"):
        await below(model, one)


async def test_a_party_has_a_thread_of_its_own(model: ReadModel, talk: Talk) -> None:
    talk.begin(P)
    one = talk.post("Ours", thread=P)
    talk.post("Everybody's")
    await model.apply(talk.commits)
    found = await thread(model.reader, ShowThread(media=FILM, party_id=PARTY), in_party())

    assert (ids(found.comments), found.thread.party_id) == ([one], PARTY)


async def test_an_id_and_numbers_that_name_two_episodes_are_refused(model: ReadModel, talk: Talk) -> None:
    await model.apply(talk.commits)
    two: dict[str, Any] = {"media": "tt0108778:1:2", "season": 1, "episode": 3}

    refusing: tuple[tuple[Any, Any], ...] = (
        (ShowThread(**two), thread), (ShowTimed(**two, start=0, end=60), timed), (ShowDensity(**two), density),
        (ShowStatistics(**two), statistics),
    )  # fmt: skip
    for asked, answer in refusing:
        with pytest.raises(Rejected, match="no-such-episode"):
            await answer(model.reader, asked, asking())
    same = await thread(model.reader, ShowThread(media="  tt0108778:1:2 ", season=1, episode=2), asking())
    assert same.thread.thread_id == thread_of("tt0108778", 1, 2)
