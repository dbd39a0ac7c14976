"""Live events, how many are there, and the list of them."""

from typing import Any

import pytest
from tests.integration.comments.stories import ANA, BOB, CYD, LIVE, Story, ask, asking, every_page, soon
from tests.integration.readmodels import ReadModel

from events.contracts.comments import (
    LIVES_TOPIC,
    ListLives,
    LiveView,
    ShowLive,
    ShowMyLives,
    audience_topic,
    room_topic,
    standing_topic,
)
from events.messages import Rejected


async def live(model: ReadModel) -> LiveView:
    view: LiveView = await ask(model, ShowLive(live_id="final"), asking())
    return view


async def test_a_live_event_begins_goes_on_and_ends(model: ReadModel, story: Story) -> None:
    story.start()
    story.appoint(BOB)
    story.appoint(CYD)
    story.chat(room=LIVE)
    story.chat(room=LIVE, veil="shadow")
    await model.apply(story.commits)
    before = await live(model)
    await model.apply([story.sample(70, 80)], [story.sample(60, 80)])
    during = await live(model)
    story.end()
    await model.apply(story.commits[-1:])
    after = await live(model)
    story.start(session=2, title="Once more")
    await model.apply(story.commits[-1:])
    again = await live(model)

    assert (before.on, before.viewers, before.most_viewers, before.lines) == (True, 0, 0, 1)
    assert (before.title, before.owner, before.moderators, before.ended_at) == ("The final", ANA, [BOB, CYD], None)
    assert (during.viewers, during.most_viewers) == (60, 80)
    assert (after.on, after.viewers, after.most_viewers, after.reason) == (False, 0, 80, "ended")
    assert (again.session, again.on, again.viewers, again.most_viewers, again.reason) == (2, True, 0, 0, None)
    assert (again.title, again.moderators, again.lines) == ("Once more", [BOB, CYD], 1)


async def test_it_is_called_what_it_was_called_last(model: ReadModel, story: Story) -> None:
    story.start()
    story.retitle("First half", media="tt0133093")
    await model.apply(story.commits)
    together = await live(model)
    story.retitle("Second half")
    story.end()
    await model.apply(story.commits[-2:])
    apart = await live(model)
    story.start(session=2, title="Once more")
    story.retitle("Extra time", session=2)
    await model.apply(story.commits[-2:])
    again = await live(model)

    assert (together.title, together.media, together.session) == ("First half", "tt0133093", 1)
    assert (apart.title, apart.media, apart.reason) == ("Second half", None, "ended")
    assert (again.title, again.on, again.session, again.started_at) == ("Extra time", True, 2, story.commits[-2].at)


async def test_the_list_has_those_first_that_are_on_and_most_watched(model: ReadModel, story: Story) -> None:
    for n, live_id in enumerate(("a", "b", "c", "d", "e")):
        story.start(live_id)
        story.sample(n % 3, 5, live_id)
    story.end("c")
    await model.apply(story.commits, story.heartbeats)

    async def page(cursor: str | None, **more: Any) -> tuple[list[str], str | None]:
        found = await ask(model, ListLives(limit=2, cursor=cursor, **more), asking())
        return [live.live_id for live in found.lives], found.cursor

    assert await every_page(page) == [["e", "b"], ["d", "a"]]
    assert await every_page(lambda cursor: page(cursor, on=False)) == [["e", "b"], ["d", "a"], ["c"]]


async def test_one_that_was_started_in_the_shadow_is_in_its_owners_list_alone(model: ReadModel, story: Story) -> None:
    story.start("a")
    story.start("b", veil="shadow")
    story.start("c")
    await model.apply(story.commits)
    story.retitle("Else", "c", veil="shadow")
    story.start("d", BOB)
    story.start("e", veil="shadow")
    story.retitle("Seen", "e")
    await model.apply(story.commits[3:])

    listed = await ask(model, ListLives(), asking())
    mine = await ask(model, ShowMyLives(), asking(ANA))
    assert {live.live_id for live in listed.lives} == {"a", "d", "e"}
    assert [live.live_id for live in mine.lives] == ["e", "c", "b", "a"]
    assert [live for live in mine.lives if live.live_id == "a"] == [
        live for live in listed.lives if live.live_id == "a"
    ]


async def test_who_is_banned_everywhere_reads_no_list(model: ReadModel, story: Story) -> None:
    story.start()
    story.ban(BOB)
    await model.apply(story.commits)

    with pytest.raises(Rejected, match="banned"):
        await ask(model, ListLives(), soon(story, asking(BOB)))


async def test_whatever_changes_of_a_live_event_touches_it_and_the_list(model: ReadModel, story: Story) -> None:
    tell: list[Any] = [
        story.start,
        lambda: story.appoint(BOB),
        lambda: story.chat(room=LIVE),
        lambda: story.retitle("The end"),
        story.end,
    ]
    for one in tell:
        one()
        assert {room_topic(LIVE), LIVES_TOPIC} <= await model.apply(story.commits[-1:])
    assert await model.apply([story.sample(1, 1)]) == {audience_topic("final"), LIVES_TOPIC}
    story.appoint(CYD)
    assert standing_topic(CYD) in await model.apply(story.commits[-1:])
