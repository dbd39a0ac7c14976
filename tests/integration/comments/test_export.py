"""Everything that is kept about somebody, told to them alone."""

from collections import Counter
from typing import Any

import pytest
from tests.integration.comments.stories import (
    ANA,
    BOB,
    CHAT,
    LIVE,
    MOD,
    Story,
    T,
    ask,
    asking,
    every_page,
    soon,
)
from tests.integration.comments.threads import FILM
from tests.integration.readmodels import ReadModel

from events import cursor
from events.contracts.comments import NOTIFICATIONS, Export
from events.messages import Rejected


async def exported(model: ReadModel, story: Story, uid: str = ANA) -> list[dict[str, Any]]:
    async def page(cursor: str | None) -> tuple[list[dict[str, Any]], str | None]:
        found = await ask(model, Export(cursor=cursor), soon(story, asking(uid)))
        return found.records, found.cursor

    return [record for records in await every_page(page) for record in records]


def of(records: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [record for record in records if record["record"] == kind]


async def lived_through(model: ReadModel, story: Story) -> None:
    story.begin(title="The Matrix")
    story.start(by=ANA)
    story.appoint(ANA)
    id = story.post("typo", media_seconds=5.0, language="en")
    story.edit(id, "no typo")
    deleted = story.post("gone")
    story.delete(deleted)
    story.hide(story.post("hidden"))
    story.post("shadow", veil="shadow")
    other = story.post("by Bob", BOB, to=id, mentions=(ANA,))
    story.react(other, by=ANA)
    story.report(other, ANA, words="rude")
    story.chat("hello")
    story.report_line(story.chat("by Bob", BOB), ANA)
    story.hide_line(story.chat("rude", BOB, room=LIVE), LIVE, by=ANA)
    story.mute(ANA, seconds=60)
    story.ban(ANA, LIVE)
    story.mute(ANA, CHAT, shadow=True)
    story.mute(BOB, CHAT, shadow=True)
    story.read(ANA, story.now, NOTIFICATIONS)
    await model.apply(story.commits, story.heartbeats)


async def test_all_of_it_is_there(model: ReadModel, story: Story) -> None:
    await lived_through(model, story)
    records = await exported(model, story)

    assert Counter(record["record"] for record in records) == {
        "comment": 4, "comment-edit": 1, "reaction": 1, "line": 1, "room-name": 1, "live": 1, "live-moderator": 1,
        "report": 2, "moderation": 2, "notification": 2, "mark": 1, "standing": 2,
    }  # fmt: skip
    comments = of(records, "comment")
    assert [(one["text"], one["state"]) for one in comments] == [
        ("no typo", "shown"), ("", "deleted"), ("hidden", "hidden"), ("shadow", "shown"),
    ]  # fmt: skip
    assert (comments[0]["media"], comments[0]["media_seconds"], comments[0]["name"]) == (FILM, 5.0, "Ana")
    assert of(records, "comment-edit")[0]["text"] == "typo"
    assert {(one["thread_id"], one["room"], one["words"]) for one in of(records, "report")} == {
        (T, None, "rude"), (None, CHAT, ""),
    }  # fmt: skip
    assert {one["type"] for one in of(records, "moderation")} == {
        "comments.moderator-appointed", "comments.line-hidden",
    }  # fmt: skip


async def test_a_standing_is_told_without_who_and_why_and_a_shadow_not_at_all(model: ReadModel, story: Story) -> None:
    await lived_through(model, story)
    records = await exported(model, story)

    assert [(one["place"], one["muted"], one["banned"]) for one in of(records, "standing")] == [
        (LIVE, False, True), ("site", True, False),
    ]  # fmt: skip
    assert f"'{MOD}'" not in repr(records)
    assert "loud" not in repr(records)
    assert of(await exported(model, story, BOB), "standing") == []


async def test_it_comes_in_pages(model: ReadModel, story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    await lived_through(model, story)
    whole = await exported(model, story)
    monkeypatch.setattr("comments.queries.export.PAGE_BYTES", 300)
    monkeypatch.setattr("comments.queries.export.AT_ONCE", 1)

    assert await exported(model, story) == whole


@pytest.mark.parametrize("place", [["x", []], [99, []], [0, ["only one"]], [3, ["x"]]])
async def test_a_cursor_that_nobody_wrote_is_refused(model: ReadModel, story: Story, place: Any) -> None:
    with pytest.raises(Rejected, match="bad-cursor"):
        await ask(model, Export(cursor=cursor.write(place)), soon(story, asking(ANA)))
