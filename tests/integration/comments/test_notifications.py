"""What people are told of."""

from datetime import timedelta
from typing import Any

import pytest
from tests.integration.comments.stories import (
    ANA,
    BOB,
    CHAT,
    CYD,
    DAN,
    LIVE,
    Story,
    T,
    ask,
    asking,
    every_page,
    soon,
)
from tests.integration.comments.threads import FILM, P
from tests.integration.readmodels import ReadModel

from events.contracts.comments import (
    NOTIFICATIONS,
    Notification,
    NotificationsPage,
    ShowNotifications,
    notifications_topic,
)


async def page_of(model: ReadModel, story: Story, uid: str, after: float = 1.0, **more: Any) -> NotificationsPage:
    page: NotificationsPage = await ask(model, ShowNotifications(**more), soon(story, asking(uid), after))
    return page


async def told(model: ReadModel, story: Story, uid: str) -> list[tuple[str, str]]:
    """Everything so far, as its kind and its text."""
    await model.empty()
    await model.apply(story.commits, story.heartbeats)
    return [(one.kind, one.text) for one in (await page_of(model, story, uid)).notifications]


async def test_who_is_mentioned_or_answered_is_told_once(model: ReadModel, story: Story) -> None:
    story.begin(title="The Matrix")
    first = story.post("Whoa", ANA, mentions=(ANA, BOB))
    reply = story.post("Hi all", BOB, to=first, mentions=(ANA, CYD))
    story.post("Me too", ANA, to=first)
    await model.apply(story.commits)
    page = await page_of(model, story, ANA)

    assert page.notifications == [
        Notification(
            id="3-0", kind="reply", thread_id=T, room=None, comment_id=reply, media=FILM, title="The Matrix",
            by=BOB, by_name="Bob", text="Hi all", at=story.commits[2].at, unread=True,
        )
    ]  # fmt: skip
    assert (page.unread, page.cursor) == (1, None)
    assert await told(model, story, BOB) == [("mention", "Whoa")]
    assert await told(model, story, CYD) == [("mention", "Hi all")]


async def test_who_may_no_longer_read_is_not_told_of_answers(model: ReadModel, story: Story) -> None:
    story.begin(P)
    first, line = story.post(by=BOB, thread=P), story.chat(by=BOB)
    story.post(by=ANA, to=first, thread=P, answered_reads=False)
    story.chat(by=ANA, answers=line, answered_reads=False)
    held = story.chat(by=ANA, answers=line, answered_reads=False, veil="held")
    story.restore_line(held)

    assert await told(model, story, BOB) == []


async def test_it_says_what_is_said_in_threads_for_everybody_and_live_events_alone(
    model: ReadModel, story: Story
) -> None:
    story.begin()
    story.begin(P)
    story.start()
    story.post("x" * 300, mentions=(BOB,))
    story.post("He dies", mentions=(BOB,), spoiler=True)
    story.post("secret", mentions=(BOB,), thread=P)
    line = story.chat("secret", mentions=(BOB,))
    story.chat("answer", CYD, answers=line)
    story.chat("loud", room=LIVE, mentions=(BOB,))
    await model.apply(story.commits)
    page = await page_of(model, story, BOB)

    assert [one.text for one in page.notifications] == ["loud", "", "", "", "x" * 200]
    assert [(one.thread_id, one.room, one.title) for one in page.notifications[:3]] == [
        (None, LIVE, "The final"), (None, CHAT, None), (P, None, None),
    ]  # fmt: skip
    assert await told(model, story, ANA) == [("reply", "")]


async def test_what_nobody_sees_is_not_told_until_it_is_shown(model: ReadModel, story: Story) -> None:
    story.begin()
    story.start()
    for veil in ("held", "shadow"):
        id = story.post(veil, mentions=(BOB,), veil=veil)
        line = story.chat(veil, room=LIVE, mentions=(BOB,), veil=veil)
        assert await told(model, story, BOB) == [], veil
        story.hide(id)
        assert await told(model, story, BOB) == [], veil
        story.restore(id)
        story.restore_line(line, LIVE)
        story.hide(id)
        story.restore(id)
        assert await told(model, story, BOB) == [("mention", veil)] * 2
        story.delete(id)
        story.take_back(line, room=LIVE)


async def test_what_is_no_longer_seen_is_not_told_of(model: ReadModel, story: Story) -> None:
    story.begin()
    id, line = story.post("Whoa", mentions=(BOB,)), story.chat("Hi", mentions=(BOB,))
    before = await told(model, story, BOB)
    story.hide(id)
    story.hide_line(line)
    during = await told(model, story, BOB)
    story.restore(id)
    story.restore_line(line)
    again = await told(model, story, BOB)
    story.edit(id, "spam", veil="held")
    held = await told(model, story, BOB)
    story.restore(id)
    story.delete(id)
    story.take_back(line)

    assert before == again == [("mention", ""), ("mention", "Whoa")]
    assert (during, held) == ([], [("mention", "")])
    assert await told(model, story, BOB) == []


async def test_the_author_is_told_what_moderators_did_but_not_who(model: ReadModel, story: Story) -> None:
    story.begin()
    id = story.post("Whoa")
    story.hide(id)
    story.restore(id)
    story.remove(id)
    line = story.chat()
    story.hide_line(line)
    story.restore_line(line)
    await model.apply(story.commits)
    page = await page_of(model, story, ANA)

    assert [one.kind for one in page.notifications] == ["restored", "hidden", "removed", "restored", "hidden"]
    assert {(one.by, one.by_name) for one in page.notifications} == {("", "")}


@pytest.mark.parametrize(("veil", "kinds"), [("held", ["restored"]), ("shadow", [])])
async def test_who_speaks_in_the_shadow_is_told_nothing_of_it(
    model: ReadModel, story: Story, veil: str, kinds: list[str]
) -> None:
    story.begin()
    story.restore(story.post(veil=veil))
    by_edit = story.post()
    story.edit(by_edit, "other", veil=veil)
    story.restore(by_edit)
    removed = story.post(veil="shadow")
    story.hide(removed)
    story.remove(removed)
    line = story.chat(veil=veil)
    story.restore_line(line)

    assert [kind for kind, _ in await told(model, story, ANA)] == kinds * 3


async def test_nobody_is_told_what_they_did_themselves(model: ReadModel, story: Story) -> None:
    story.begin()
    line = story.chat(by=ANA, mentions=(ANA,))
    story.chat(by=ANA, answers=line)
    story.hide_line(line, by=ANA)

    assert await told(model, story, ANA) == []


async def test_pages_and_what_is_unread(model: ReadModel, story: Story) -> None:
    story.begin()
    for n in range(5):
        story.post(str(n), mentions=(BOB,))
    upto = story.commits[3].at
    touched = await model.apply(story.commits, [story.read(BOB, upto, NOTIFICATIONS)])

    async def page(cursor: str | None, **more: Any) -> tuple[list[str], str | None]:
        found = await page_of(model, story, BOB, limit=2, cursor=cursor, **more)
        return [one.text for one in found.notifications], found.cursor

    assert notifications_topic(BOB) in touched
    assert await every_page(page) == [["4", "3"], ["2", "1"], ["0"]]
    assert await every_page(lambda cursor: page(cursor, unread=True)) == [["4", "3"]]
    newest = await page_of(model, story, BOB)
    assert ([one.unread for one in newest.notifications], newest.unread) == ([True, True, False, False, False], 2)


async def test_they_are_kept_for_a_while(model: ReadModel, story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("comments.projections.notifications.KEPT", 3)
    story.begin()
    for n in range(5):
        story.post(str(n), mentions=(BOB, DAN))
    await model.apply(story.commits)
    ninety_days = timedelta(days=90).total_seconds()

    assert [one.text for one in (await page_of(model, story, BOB)).notifications] == ["4", "3", "2"]
    late = await page_of(model, story, BOB, after=ninety_days - 1)
    assert ([one.text for one in late.notifications], late.unread) == (["4"], 1)


async def test_who_is_told_of_something_hears_of_it(model: ReadModel, story: Story) -> None:
    story.begin()
    id = story.post(mentions=(BOB,))
    assert notifications_topic(BOB) in await model.apply(story.commits)
    for act in (story.hide, story.restore, lambda id: story.edit(id, "now"), story.delete):
        act(id)
        assert notifications_topic(BOB) in await model.apply(story.commits[-1:])
