"""Who may read and follow a room, who moderates it, and what of a mute its owner is told."""

from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest
from tests.integration.comments.stories import (
    ANA,
    BOB,
    CHAT,
    CYD,
    DAN,
    LIVE,
    PARTY,
    Story,
    ask,
    asking,
    granted,
    in_party,
    soon,
)
from tests.integration.readmodels import ReadModel

from comments.queries.rights import moderates, moderating, readable, standing_in
from events.contracts.comments import MyThread, RoomState, ShowHistory, ShowMine
from events.contracts.party import LISTED, Rights
from events.definition import Granted
from events.messages import Context, Rejected
from events.testing import NOW


def state(grant: Any) -> RoomState:
    assert isinstance(grant, Granted)
    return msgspec.json.decode(bytes(grant.state), type=RoomState)


def visiting(uid: str, closed: bool = False, role: Any = None, members: int = 3) -> Context:
    rights = Rights(role=role, may=[], closed=closed, host=ANA, members=members)
    return Context(actor=uid, now=NOW, told={"party.rights": rights})


async def refusal(model: ReadModel, room: str | None, context: Context) -> str:
    try:
        await readable(model.reader, room, context)
    except Rejected as refused:
        return refused.code
    return ""


async def test_who_is_banned_reads_nothing_there(model: ReadModel, story: Story) -> None:
    story.start()
    story.ban(BOB, LIVE)
    story.ban(CYD)
    story.ban(DAN, LIVE, seconds=60)
    await model.apply(story.commits)

    for uid, everywhere, live in ((ANA, "", ""), (BOB, "", "banned"), (CYD, "banned", "banned"), (DAN, "", "banned")):
        assert await refusal(model, None, soon(story, asking(uid))) == everywhere
        assert await refusal(model, LIVE, soon(story, asking(uid))) == live
        assert await refusal(model, CHAT, soon(story, in_party(uid))) == everywhere
    assert await refusal(model, LIVE, soon(story, asking(DAN), 61)) == ""
    assert await refusal(model, "live:other", asking(ANA)) == "no-such-live"


async def test_who_is_muted_or_banned_is_told_until_when(model: ReadModel, story: Story) -> None:
    story.mute(ANA, seconds=60)
    a_minute = story.now + timedelta(seconds=60)
    story.mute(ANA, CHAT, seconds=30)
    story.mute(BOB, seconds=60)
    story.mute(BOB, CHAT)
    story.mute(CYD, CHAT, shadow=True)
    story.ban(DAN, CHAT, seconds=60)
    banned_until = story.now + timedelta(seconds=60)
    await model.apply(story.commits)

    async def told(uid: str) -> tuple[bool, datetime | None]:
        standing = await standing_in(model.reader, CHAT, soon(story, in_party(uid)))
        return standing.muted, standing.muted_until

    assert [await told(uid) for uid in (ANA, BOB, CYD)] == [(True, a_minute), (True, None), (False, None)]
    with pytest.raises(Rejected, match="banned") as refused:
        await readable(model.reader, CHAT, soon(story, in_party(DAN)))
    assert refused.value.details == {"until": banned_until.isoformat()}
    mine: MyThread = await ask(model, ShowMine(thread_id=f"{'a' * 26}@{PARTY}"), soon(story, in_party(ANA)))
    (grant,) = await granted(model, CHAT, soon(story, in_party(ANA)))
    assert (mine.muted_until, state(grant).muted_until) == (a_minute, a_minute)


async def test_nobody_is_kept_out_by_a_room_that_they_moderate(model: ReadModel, story: Story) -> None:
    story.start()
    story.appoint(BOB)
    for uid in (ANA, BOB):
        story.ban(uid, LIVE)
        story.mute(uid, LIVE)
    story.ban(CYD, CHAT)
    story.ban(DAN, LIVE)
    await model.apply(story.commits)

    for room, context in (
        (LIVE, asking(ANA)), (LIVE, asking(BOB)), (CHAT, in_party(CYD, ["people"])), (LIVE, asking(DAN, "moderator")),
    ):  # fmt: skip
        assert await refusal(model, room, context) == ""
        assert not (await standing_in(model.reader, room, context)).muted
    assert await refusal(model, CHAT, in_party(CYD)) == "banned"


async def test_whose_word_holds(model: ReadModel, story: Story) -> None:
    story.start()
    story.appoint(BOB)
    story.appoint(CYD)
    story.appoint(CYD, moderator=False)
    await model.apply(story.commits)
    for where, context, holds in (
        ("site", asking(ANA), False), ("site", asking(ANA, "operator"), True), ("site", asking("", "operator"), False),
        (LIVE, asking(ANA), True), (LIVE, asking(BOB), True), (LIVE, asking(CYD), False),
        (LIVE, asking(CYD, "moderator"), True), (CHAT, in_party(BOB), False), (CHAT, asking(BOB), False),
        (CHAT, in_party(BOB, ["people"]), True), (CHAT, asking(BOB, "moderator"), True),
    ):  # fmt: skip
        assert await moderates(model.reader, where, context) == holds
        if not holds:
            with pytest.raises(Rejected, match="not-a-moderator"):
                await moderating(model.reader, where, context)


async def test_following_begins_with_what_there_is(model: ReadModel, story: Story) -> None:
    for n in range(60):
        story.chat(str(n), by=f"guest-{n:02d}", name=f"Guest {n}")
    story.configure(slow_seconds=5.0, links="hold", words=("fie", "drat*"))
    await model.apply(story.commits)
    (first, second) = await granted(model, CHAT, soon(story, in_party(ANA, ["people"])), soon(story, in_party(BOB)))

    seen = state(first)
    assert [line.text for line in seen.lines] == [str(n) for n in range(10, 60)]
    assert len(seen.people) == 60
    assert (seen.room, seen.open, seen.slow_seconds, seen.links, seen.live) == (CHAT, True, 5.0, "hold", None)
    assert (seen.words, state(second).words) == (["fie", "drat*"], [])
    assert (seen.may_moderate, state(second).may_moderate) == (True, False)
    assert (first.presence, second.presence) == ("list", "list")


async def test_in_the_chat_of_a_large_party_people_are_counted_as_in_the_party(model: ReadModel, story: Story) -> None:
    story.chat()
    await model.apply(story.commits)
    grants = await granted(model, CHAT, visiting(ANA, members=LISTED), visiting(ANA, members=LISTED + 1))

    assert [grant.presence for grant in grants] == ["list", "count"]


async def test_who_may_send_is_who_might_speak(model: ReadModel, story: Story) -> None:
    story.mute(BOB, CHAT)
    story.mute(CYD, CHAT, shadow=True)
    story.ban(DAN, CHAT)
    story.configure(open=False)
    await model.apply(story.commits[:3])
    closed_to = visiting(ANA, closed=True, role="member")
    contexts = in_party(ANA), in_party(BOB), in_party(CYD), in_party(DAN), visiting(ANA), closed_to
    grants = await granted(model, CHAT, *(soon(story, context) for context in contexts))
    await model.apply(story.commits[3:])
    closed = await granted(model, CHAT, in_party(ANA), in_party(ANA, ["people"]))

    assert [not isinstance(grant, Rejected) and "send" in grant.may for grant in grants] == [True, *[False] * 5]
    assert ["whisper" in getattr(grant, "may", ()) for grant in grants] == [False, False, True, False, False, False]
    assert [isinstance(grant, Rejected) for grant in grants] == [False, False, False, True, False, False]
    assert [state(grants[n]).muted for n in (0, 1, 2)] == [False, True, False]
    assert ["send" in grant.may for grant in closed] == [False, True]


async def test_a_live_event_is_followed_by_anybody_and_spoken_in_while_it_is_on(model: ReadModel, story: Story) -> None:
    story.start(title="The final")
    await model.apply(story.commits)
    (on,) = await granted(model, LIVE, asking(BOB))
    story.end()
    await model.apply(story.commits[1:])
    (over,) = await granted(model, LIVE, asking(BOB))

    assert (on.may, over.may, on.presence) == (("follow", "track", "send"), ("follow", "track"), "count")
    live = state(on).live
    assert live is not None
    assert (live.title, live.owner, live.session, live.on, live.viewers) == ("The final", ANA, 1, True, 0)


async def test_if_nobody_may_everybody_is_refused_with_when_it_is_over(model: ReadModel, story: Story) -> None:
    story.ban(BOB, CHAT)
    story.ban(CYD, CHAT, seconds=60)
    until = story.now + timedelta(seconds=60)
    await model.apply(story.commits)

    refused = await granted(model, CHAT, soon(story, in_party(BOB)), soon(story, in_party(CYD)))
    assert [(one.code, one.details) for one in refused] == [
        ("banned", {"until": None}), ("banned", {"until": until.isoformat()}),
    ]  # fmt: skip
    with pytest.raises(Rejected, match="banned"):
        await ask(model, ShowHistory(room=f"party:{PARTY}"), in_party(BOB))
