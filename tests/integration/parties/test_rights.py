"""Who may read what of a party, and follow it."""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest
from tests.integration.parties.stories import ANA, BOB, CYD, DAN, P, asking, crowd, joined, opened
from tests.integration.readmodels import ReadModel
from tests.integration.recording import Recording

from events.contracts.party import (
    CHANNEL,
    Action,
    Appoint,
    Ban,
    Bans,
    Close,
    Configure,
    Enqueue,
    HandOver,
    Kick,
    Leave,
    Members,
    PermissionChanges,
    Queue,
    Queued,
    Rights,
    Room,
    ShowRights,
    ShowStatistics,
    ShowTimeline,
    State,
    Unban,
    Vote,
)
from events.definition import Granted
from events.messages import Query, Rejected
from events.serving import LARGEST_ANSWER
from parties.queries import QUERIES, grant
from parties.queries.pages import Pages

FOR_READERS: tuple[type[Any], ...] = (State, Members, Queue, ShowRights, ShowStatistics)
FOR_MEMBERS: tuple[type[Any], ...] = (ShowTimeline,)
FOR_MANAGERS: tuple[type[Any], ...] = (Bans,)
OF_ONE_PARTY = (*FOR_READERS, *FOR_MEMBERS, *FOR_MANAGERS)


def ask(model: ReadModel, query: Query, uid: str) -> Awaitable[Any]:
    answering: Callable[..., Awaitable[Any]] = QUERIES[type(query)]
    return answering(model.reader, query, asking(uid))


async def granted_to(model: ReadModel, *uids: str) -> list[Granted]:
    """What those are granted who ask together."""
    found = await grant(model.reader, P, [asking(uid) for uid in uids], Pages())
    for each in found:
        if isinstance(each, Exception):
            raise each
    return [each for each in found if isinstance(each, Granted)]


async def granted(model: ReadModel, uid: str) -> Granted:
    (found,) = await granted_to(model, uid)
    return found


def room_of(state: Any) -> Room:
    return msgspec.json.decode(state, type=Room)


async def refusal(model: ReadModel, kind: type[Any], uid: str) -> str:
    """The slug, or nothing if it was answered."""
    try:
        await ask(model, kind(party_id=P), uid)
    except Rejected as refused:
        return refused.code
    return ""


@pytest.mark.parametrize("kind", FOR_READERS)
async def test_a_public_party_is_read_by_anybody(model: ReadModel, story: Recording, kind: type[Any]) -> None:
    opened(story)
    await model.apply(story.commits)

    assert [await refusal(model, kind, uid) for uid in (ANA, CYD, "")] == ["", "", ""]


@pytest.mark.parametrize("kind", OF_ONE_PARTY)
async def test_a_private_party_is_read_by_its_members(model: ReadModel, story: Recording, kind: type[Any]) -> None:
    opened(story, private=True)
    story.tell(Configure(party_id=P, permissions=PermissionChanges(people="member")), by=ANA)
    joined(story, BOB, CYD)
    story.tell(Leave(party_id=P), by=CYD)
    await model.apply(story.commits)

    refusals = [await refusal(model, kind, uid) for uid in (ANA, BOB, CYD, DAN, "")]
    assert refusals == ["", "", "not-a-member", "not-a-member", "not-a-member"]


@pytest.mark.parametrize("kind", OF_ONE_PARTY)
async def test_there_must_be_a_party(model: ReadModel, kind: type[Any]) -> None:
    assert await refusal(model, kind, ANA) == "no-such-party"


@pytest.mark.parametrize("kind", OF_ONE_PARTY)
@pytest.mark.parametrize("private", [True, False])
async def test_who_is_banned_reads_nothing(model: ReadModel, story: Recording, kind: type[Any], private: bool) -> None:
    opened(story, private=private)
    joined(story, BOB)
    for uid in (BOB, DAN):
        story.tell(Ban(party_id=P, uid=uid), by=ANA)
    await model.apply(story.commits)

    assert [await refusal(model, kind, uid) for uid in (ANA, BOB, DAN)] == ["", "banned", "banned"]


async def test_who_is_no_longer_banned_reads_again(model: ReadModel, story: Recording) -> None:
    opened(story)
    story.tell(Ban(party_id=P, uid=BOB), by=ANA)
    story.tell(Unban(party_id=P, uid=BOB), by=ANA)
    await model.apply(story.commits)

    assert await refusal(model, State, BOB) == ""


async def test_the_timeline_is_for_members_also_of_a_public_party(model: ReadModel, story: Recording) -> None:
    opened(story)
    joined(story, BOB, CYD)
    story.tell(Kick(party_id=P, uid=CYD), by=ANA)
    await model.apply(story.commits)

    found = [await refusal(model, ShowTimeline, uid) for uid in (ANA, BOB, CYD, DAN)]
    assert found == ["", "", "not-a-member", "not-a-member"]


async def test_bans_are_for_those_who_may_ban(model: ReadModel, story: Recording) -> None:
    opened(story)
    joined(story, BOB, CYD)
    story.tell(Appoint(party_id=P, uid=BOB), by=ANA)
    await model.apply(story.commits)

    assert [await refusal(model, Bans, uid) for uid in (ANA, BOB)] == ["", ""]
    with pytest.raises(Rejected, match="not-the-host") as refused:
        await ask(model, Bans(party_id=P), CYD)
    assert refused.value.details == {"action": "people", "needs": "cohost"}
    assert await refusal(model, Bans, DAN) == "not-a-member"


EVERYTHING: list[Action] = ["play", "seek", "media", "queue", "people"]


async def rights(model: ReadModel, *uids: str) -> list[Rights]:
    return [await ask(model, ShowRights(party_id=P), uid) for uid in uids]


async def test_rights_are_what_the_permissions_give_to_a_role(model: ReadModel, story: Recording) -> None:
    opened(story)
    joined(story, BOB, CYD)
    story.tell(Appoint(party_id=P, uid=BOB), by=ANA)
    story.tell(Configure(party_id=P, permissions=PermissionChanges(play="member", people="host")), by=ANA)
    await model.apply(story.commits)

    assert await rights(model, ANA, BOB, CYD, DAN, "") == [
        Rights(role="host", may=EVERYTHING, closed=False, host=ANA, members=3),
        Rights(role="cohost", may=["play", "seek", "media", "queue"], closed=False, host=ANA, members=3),
        Rights(role="member", may=["play"], closed=False, host=ANA, members=3),
        Rights(role=None, may=[], closed=False, host=ANA, members=3),
        Rights(role=None, may=[], closed=False, host=ANA, members=3),
    ]


async def test_rights_stay_when_the_host_hands_over_or_the_party_closes(model: ReadModel, story: Recording) -> None:
    opened(story, private=True)
    joined(story, BOB)
    story.tell(HandOver(party_id=P, uid=BOB), by=ANA)
    story.tell(Close(party_id=P), by=BOB)
    await model.apply(story.commits)

    ana, bob = await rights(model, ANA, BOB)
    assert bob == Rights(role="host", may=EVERYTHING, closed=True, host=BOB, members=2)
    assert (ana.role, ana.host) == ("cohost", BOB)
    assert await refusal(model, ShowRights, CYD) == "not-a-member"


def test_rights_are_as_new_as_the_log() -> None:
    assert ShowRights(party_id=P).shows() == CHANNEL.key(P)


async def test_members_may_do_everything_on_the_channel_others_may_follow(model: ReadModel, story: Recording) -> None:
    opened(story)
    await model.apply(story.commits)

    assert (await granted(model, ANA)).may == ("follow", "track", "send")
    assert (await granted(model, CYD)).may == ("follow",)


@pytest.mark.parametrize(("uid", "slug"), [(BOB, "banned"), (CYD, "not-a-member"), ("", "not-a-member")])
async def test_nobody_follows_without_a_right_to_read(model: ReadModel, story: Recording, uid: str, slug: str) -> None:
    opened(story, private=True)
    story.tell(Ban(party_id=P, uid=BOB), by=ANA)
    await model.apply(story.commits)

    with pytest.raises(Rejected, match=slug):
        await granted(model, uid)


async def test_of_those_who_ask_together_each_gets_what_is_theirs(model: ReadModel, story: Recording) -> None:
    opened(story, source="magnet:1")
    joined(story, BOB, CYD)
    (queued,), _ = [story.tell(Enqueue(party_id=P, media=media), by=ANA) for media in ("tt2", "tt3")]
    assert isinstance(queued, Queued)
    first = queued.item
    story.tell(Vote(party_id=P, item=first), by=BOB)
    story.tell(Ban(party_id=P, uid=CYD), by=ANA)
    await model.apply(story.commits)
    ana, bob, cyd, dan, again = await grant(model.reader, P, [asking(u) for u in (ANA, BOB, CYD, DAN, ANA)], Pages())

    assert isinstance(cyd, Rejected)
    assert cyd.code == "banned"
    assert isinstance(ana, Granted)
    assert isinstance(bob, Granted)
    assert isinstance(dan, Granted)
    assert [each.may for each in (ana, bob, dan)] == [("follow", "track", "send")] * 2 + [("follow",)]
    assert [room_of(each.state).party.source for each in (ana, bob, dan)] == ["magnet:1", "magnet:1", ""]
    mine = [{item.item for item in room_of(each.state).queue if item.mine} for each in (ana, bob, dan)]
    assert mine == [set(), {first}, set()]
    assert again is ana


async def test_nobody_follows_a_closed_party_or_none(model: ReadModel, story: Recording) -> None:
    with pytest.raises(Rejected, match="no-such-party"):
        await granted(model, ANA)
    opened(story)
    story.tell(Close(party_id=P), by=ANA)
    await model.apply(story.commits)
    with pytest.raises(Rejected, match="party-closed"):
        await granted(model, ANA)


async def test_a_channel_shows_the_party_its_first_hundred_and_its_queue(model: ReadModel, story: Recording) -> None:
    opened(story, source="magnet:1")
    crowd(story, 199)
    story.tell(Enqueue(party_id=P, media="tt2", source="magnet:2"), by=ANA)
    await model.apply(story.commits)
    ana, dan = await granted_to(model, ANA, DAN)
    inside, outside = room_of(ana.state), room_of(dan.state)

    assert (inside.party.members, ana.presence) == (200, "list")
    assert [member.uid for member in inside.members] == [ANA, *(f"guest-{n:03d}" for n in range(99))]
    sources = [(room.party.source, room.queue[0].source) for room in (inside, outside)]
    assert sources == [("magnet:1", "magnet:2"), ("", "")]


async def test_presence_in_a_large_party_is_a_count(model: ReadModel, story: Recording) -> None:
    opened(story)
    crowd(story, 200)
    await model.apply(story.commits)

    assert (await granted(model, ANA)).presence == "count"


async def test_long_texts_keep_nobody_from_following(model: ReadModel, story: Recording) -> None:
    long = "\x01" * 2_000
    opened(story, title="\x01" * 200, media=long, source=long)
    for _ in range(50):
        story.tell(Enqueue(party_id=P, media="tt2", source=long), by=ANA)
    crowd(story, 99)
    await model.apply(story.commits)
    state = (await granted(model, ANA)).state
    room = room_of(state)

    assert 0 < len(room.queue) < room.party.queued == 50
    assert len(bytes(state)) < LARGEST_ANSWER / 2  # the rest is for what somebody missed
    assert len(msgspec.json.encode(await ask(model, Queue(party_id=P), ANA))) < LARGEST_ANSWER
