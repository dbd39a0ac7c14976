"""What is said in a room, as everybody sees it."""

from typing import Any

import pytest
from tests.integration.comments.stories import (
    ANA,
    BOB,
    CHAT,
    CYD,
    LIVE,
    Story,
    ask,
    every_page,
    granted,
    in_party,
    soon,
)
from tests.integration.readmodels import ReadModel

from comments.retention import Retention
from events.contracts.comments import (
    LinesPage,
    LineView,
    MyLines,
    PersonView,
    ShowHistory,
    ShowMyLines,
    ShowPeople,
    mine_topic,
    room_topic,
)
from events.messages import Rejected


async def history(
    model: ReadModel, story: Story, by: str = CYD, retention: Retention = Retention(), **more: Any
) -> Any:
    return await ask(model, ShowHistory(room=CHAT, **more), soon(story, in_party(by)), retention)


async def seen(model: ReadModel, story: Story, by: str = CYD, retention: Retention = Retention()) -> list[str]:
    page: LinesPage = await history(model, story, by, retention)
    return [line.text for line in page.lines]


async def test_a_line_says_all_there_is_to_it(model: ReadModel, story: Story) -> None:
    first = story.chat("Here?", avatar="owl")
    id = story.chat("Yes", BOB, answers=first, media_seconds=61.5, mentions=(ANA,))
    await model.apply(story.commits)
    page: LinesPage = await history(model, story)

    assert page.lines[1] == LineView(
        line=id, uid=BOB, name="Bob", avatar="", text="Yes", answers=first, media_seconds=61.5, mentions=[ANA],
        at=story.now, position="comments:k3f9:2",
    )  # fmt: skip
    assert (page.lines[0].name, page.lines[0].avatar, page.cursor) == ("Ana", "owl", None)


async def test_history_goes_back_page_by_page_and_from_any_line(model: ReadModel, story: Story) -> None:
    for n in range(7):
        story.chat(str(n))
    await model.apply(story.commits)

    async def page(cursor: str | None) -> tuple[list[str], str | None]:
        found = await history(model, story, limit=3, cursor=cursor)
        return [line.text for line in found.lines], found.cursor

    assert await every_page(page) == [["4", "5", "6"], ["1", "2", "3"], ["0"]]
    newest: LinesPage = await history(model, story)
    before: LinesPage = await history(model, story, cursor=newest.lines[2].position)
    assert [line.text for line in before.lines] == ["0", "1"]


@pytest.mark.parametrize("cursor", ["x", "comments:zzzz:3", "parties:k3f9:3", "WzFd"])
async def test_a_cursor_that_nobody_wrote_is_refused(model: ReadModel, story: Story, cursor: str) -> None:
    with pytest.raises(Rejected, match="bad-cursor"):
        await history(model, story, cursor=cursor)


async def test_who_took_a_line_back_or_had_it_hidden_is_not_read(model: ReadModel, story: Story) -> None:
    gone, hidden, held, _ = story.chat("gone"), story.chat("hidden"), story.chat("held", veil="held"), story.chat("ok")
    story.chat("unnoticed", veil="shadow")
    story.take_back(gone)
    story.hide_line(hidden)
    await model.apply(story.commits)
    others = await seen(model, story)
    mine: MyLines = await ask(model, ShowMyLines(room=CHAT), soon(story, in_party(ANA)))
    theirs: MyLines = await ask(model, ShowMyLines(room=CHAT), soon(story, in_party(BOB)))
    story.restore_line(hidden)
    story.restore_line(held)
    await model.apply(story.commits[-2:])

    assert others == ["ok"]
    assert [(line.text, line.held, line.hidden) for line in mine.lines] == [
        ("hidden", False, True), ("held", True, False), ("unnoticed", False, False),
    ]  # fmt: skip
    assert theirs.lines == []
    assert await seen(model, story) == ["hidden", "held", "ok"]


async def test_lines_are_kept_by_count_and_by_age(model: ReadModel, story: Story) -> None:
    for n in range(5):
        story.chat(str(n))
        story.chat("unseen", BOB, veil="shadow")
    await model.apply(story.commits)

    assert await seen(model, story, retention=Retention(lines=3)) == ["2", "3", "4"]
    assert await seen(model, story, retention=Retention(days=5.5 / 86_400)) == ["3", "4"]
    assert await seen(model, story, retention=Retention(days=0)) == ["0", "1", "2", "3", "4"]


async def test_people_are_called_as_in_the_newest_line_that_others_saw(model: ReadModel, story: Story) -> None:
    story.chat(name="Ana", avatar="owl")
    story.chat(name="Anna")
    unseen = story.chat(name="ANNA", veil="shadow")
    story.chat(by=BOB, veil="shadow")
    await model.apply(story.commits)
    asked = ShowPeople(room=CHAT, uids=(ANA, BOB, CYD))
    before = await ask(model, asked, soon(story, in_party()))
    story.restore_line(unseen)
    await model.apply(story.commits[-1:])
    after = await ask(model, asked, soon(story, in_party()))

    assert before.people == {ANA: PersonView("Anna", "")}
    assert after.people == {ANA: PersonView("ANNA", "")}


async def test_a_room_that_nobody_spoke_in_is_open(model: ReadModel, story: Story) -> None:
    (grant,) = await granted(model, CHAT, in_party())

    assert grant.may == ("follow", "track", "send")
    assert b'"open":true,"slow_seconds":0.0,"links":"allow","words":[],"pinned":null,"lines":[],"people":{}' in bytes(
        grant.state
    )


async def test_what_others_do_not_see_touches_nothing_of_theirs(model: ReadModel, story: Story) -> None:
    id = story.chat(veil="shadow")
    said = await model.apply(story.commits)
    story.take_back(id)
    taken = await model.apply(story.commits[1:])
    story.chat()
    seen = await model.apply(story.commits[2:])

    assert room_topic(CHAT) not in said | taken
    assert mine_topic(ANA) in said & taken
    assert room_topic(CHAT) in seen


async def test_what_is_pinned_stays_until_nobody_sees_it(model: ReadModel, story: Story) -> None:
    id = story.chat("pinned")
    story.pin_line(id)
    story.chat("newer")
    await model.apply(story.commits)
    (first,) = await granted(model, CHAT, soon(story, in_party()), retention=Retention(lines=1))
    story.hide_line(id)
    story.restore_line(id)
    await model.apply(story.commits[3:])
    (second,) = await granted(model, CHAT, soon(story, in_party()))

    assert b'"pinned":{"line":"' + id.encode() in bytes(first.state)
    assert b'"text":"newer"' in bytes(first.state)
    assert bytes(first.state).count(b'"text":"pinned"') == 1
    assert b'"pinned":null' in bytes(second.state)


async def test_a_live_event_that_never_was_has_no_room(model: ReadModel, story: Story) -> None:
    with pytest.raises(Rejected, match="no-such-live"):
        await ask(model, ShowHistory(room=LIVE), in_party())
    with pytest.raises(Rejected, match="no-such-live"):
        await granted(model, LIVE, in_party())


async def test_old_lines_make_way(model: ReadModel, story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("comments.projections.rooms.KEPT", 4)
    for n in range(6):
        story.chat(str(n))
    for n in range(5):
        story.chat(f"unseen {n}", BOB, veil="held")
    for line in ("l000001", "l000002", "l000006", "l000007"):
        story.report_line(line)
    together, told = story.commits[:], len(story.commits)
    story.chat("one more")
    last = story.chat("unseen, one more", BOB, veil="held")
    await model.apply(together)
    rows = await model.reader.fetch("select text from line order by position")
    shown = await model.reader.fetchval("select shown from room")

    assert [row["text"] for row in rows] == ["2", "3", "4", "5", "unseen 1", "unseen 2", "unseen 3", "unseen 4"]
    assert shown == 4
    assert await about_lines(model) == (["l000002", "l000007"], [f"l{n:06d}" for n in range(7, 11)])

    await model.apply(story.commits[told:])
    assert await about_lines(model) == ([], ["l000008", "l000009", "l000010", last])


async def about_lines(model: ReadModel) -> tuple[list[str], list[str]]:
    """Of which lines there are reports, and whom those would concern that others do not see."""
    tables = "select id from report order by id", "select id from unshown order by id"
    reported, unshown = [[row["id"] for row in await model.reader.fetch(table)] for table in tables]
    return reported, unshown
