from datetime import timedelta

import pytest
from tests.integration.parties.stories import (
    ANA,
    BOB,
    CYD,
    DAN,
    P,
    asking,
    crowd,
    every_page,
    joined,
    later,
    opened,
    sampled,
)
from tests.integration.readmodels import ReadModel
from tests.integration.recording import Recording

from events.contracts.party import (
    Appoint,
    Ban,
    Bans,
    BanView,
    ChangeMedia,
    Excuse,
    HandOver,
    Join,
    Leave,
    Members,
    MembersPage,
    MemberView,
    Miss,
    Profile,
    Ready,
    Sample,
    Succeed,
)
from events.messages import Rejected
from events.testing import NOW
from parties.queries.room import bans, members


async def seen(model: ReadModel, story: Recording) -> list[MemberView]:
    await model.empty()
    await model.apply(story.commits)
    if story.heartbeats:
        await model.apply(story.heartbeats)
    return (await members(model.reader, Members(party_id=P), asking(ANA))).members


async def test_a_member_is_shown_as_they_want_to_be_seen(model: ReadModel, story: Recording) -> None:
    opened(story, name="AnimeFan99", avatar="https://example.com/avatar.jpg")
    story.tell(Profile(party_id=P, status="🍿"), by=ANA)
    (host,) = await seen(model, story)

    assert (host.uid, host.name, host.avatar, host.status) == (
        ANA, "AnimeFan99", "https://example.com/avatar.jpg", "🍿",
    )  # fmt: skip
    assert (host.host, host.role, host.ready, host.excused, host.joined_at) == (True, "host", False, False, NOW)
    assert (host.seen_at, host.drift, host.sync) == (None, None, None)


async def test_what_of_a_profile_is_not_given_stays_and_what_is_emptied_goes(
    model: ReadModel, story: Recording
) -> None:
    opened(story, name="Ana", avatar="owl")
    story.tell(Profile(party_id=P, status="here"), by=ANA)
    story.tell(Profile(party_id=P, avatar="", name="Anna"), by=ANA)
    (host,) = await seen(model, story)

    assert (host.name, host.avatar, host.status) == ("Anna", "", "here")


async def test_pages_show_everybody_once_in_the_order_of_joining(model: ReadModel, story: Recording) -> None:
    opened(story)
    crowd(story, 24)
    await model.apply(story.commits)

    async def ask(cursor: str | None) -> tuple[list[MemberView], str | None]:
        page = await members(model.reader, Members(party_id=P, limit=7, cursor=cursor), asking(ANA))
        return page.members, page.cursor

    pages = await every_page(ask)
    assert [member.uid for page in pages for member in page] == [ANA, *(f"guest-{n:03d}" for n in range(24))]
    assert [len(page) for page in pages] == [7, 7, 7, 4]


async def test_a_page_that_fits_exactly_is_the_last(model: ReadModel, story: Recording) -> None:
    opened(story)
    await model.apply(story.commits)
    page = await members(model.reader, Members(party_id=P, limit=1), asking(ANA))

    assert ([member.uid for member in page.members], page.cursor) == ([ANA], None)


async def test_long_texts_make_shorter_pages(model: ReadModel, story: Recording) -> None:
    opened(story)
    for n in range(300):
        story.tell(Join(party_id=P, name="\x01" * 60, avatar="\x01" * 500), by=f"guest-{n:03d}")
    await model.apply(story.commits)

    async def ask(cursor: str | None) -> tuple[list[MemberView], str | None]:
        page: MembersPage = await members(model.reader, Members(party_id=P, limit=500, cursor=cursor), asking(ANA))
        return page.members, page.cursor

    pages = await every_page(ask)
    assert (len(pages) > 1, len({member.uid for page in pages for member in page})) == (True, 301)


async def test_who_came_back_is_last_and_comes_as_they_are_now(model: ReadModel, story: Recording) -> None:
    opened(story)
    joined(story, BOB, CYD)
    story.tell(Profile(party_id=P, status="tired"), by=BOB)
    story.tell(Ready(party_id=P), by=BOB)
    story.tell(Leave(party_id=P), by=BOB)
    story.tell(Join(party_id=P, name="Robert"), by=BOB)

    found = await seen(model, story)
    assert [(member.uid, member.name, member.status, member.ready) for member in found] == [
        (ANA, "Ana", "", False), (CYD, "Cyd", "", False), (BOB, "Robert", "", False),
    ]  # fmt: skip


async def test_roles_follow_hand_over_and_succession(model: ReadModel, story: Recording) -> None:
    opened(story)
    joined(story, BOB, CYD)
    story.tell(Appoint(party_id=P, uid=CYD), by=ANA)
    appointed = await seen(model, story)
    story.tell(HandOver(party_id=P, uid=BOB), by=ANA)
    handed = await seen(model, story)
    story.tell(Leave(party_id=P), by=BOB)
    left = await seen(model, story)

    assert [member.role for member in appointed] == ["host", "member", "cohost"]
    assert [member.role for member in handed] == ["cohost", "host", "cohost"]
    assert [(member.uid, member.role) for member in left] == [(ANA, "host"), (CYD, "cohost")]


async def test_a_host_who_was_gone_for_too_long_stays_as_a_member(model: ReadModel, story: Recording) -> None:
    opened(story)
    joined(story, BOB)
    story.tell(Miss(party_id=P, uid=ANA, since=NOW.timestamp()), by="system:parties", after=10)
    story.tell(Succeed(party_id=P), by="system:parties", after=200, ambient={"present": frozenset({BOB})})

    assert [(member.uid, member.role) for member in await seen(model, story)] == [(ANA, "member"), (BOB, "host")]


async def test_readiness_is_for_what_is_watched(model: ReadModel, story: Recording) -> None:
    opened(story)
    joined(story, BOB)
    for uid in (ANA, BOB):
        story.tell(Ready(party_id=P), by=uid)
    story.tell(Excuse(party_id=P), by=BOB)
    ready = await seen(model, story)
    story.tell(ChangeMedia(party_id=P, media="tt2"), by=ANA)
    other = await seen(model, story)

    assert [(member.ready, member.excused) for member in ready] == [(True, False), (True, True)]
    assert [(member.ready, member.excused) for member in other] == [(False, False), (False, True)]


async def test_members_show_how_they_were_at_the_newest_sample(model: ReadModel, story: Recording) -> None:
    opened(story)
    joined(story, BOB, CYD, DAN)
    start = story.now
    sampled(story, ana=Sample(0.01, "in-sync"), bob=Sample(-3.0, "behind"), cyd=Sample(None, "buffering"))
    sampled(story, ana=Sample(0.02, "in-sync"), cyd=Sample(None, "buffering"))

    found = [(member.seen_at, member.drift, member.sync) for member in await seen(model, story)]
    first, second = start + timedelta(seconds=10), start + timedelta(seconds=20)
    assert found == [
        (second, 0.02, "in-sync"), (first, None, None), (second, None, "buffering"), (None, None, None),
    ]  # fmt: skip
    assert later(story, 0) == second


async def test_bans_are_listed_latest_first_with_the_names_that_are_known(model: ReadModel, story: Recording) -> None:
    opened(story)
    joined(story, BOB)
    story.tell(Ban(party_id=P, uid=BOB, reason="spoilers"), by=ANA)
    first = story.now
    story.tell(Ban(party_id=P, uid=DAN), by=ANA)
    await model.apply(story.commits)

    assert (await bans(model.reader, Bans(party_id=P), asking(ANA))).bans == [
        BanView(DAN, "", ANA, "", story.now),
        BanView(BOB, "Bob", ANA, "spoilers", first),
    ]


@pytest.mark.parametrize("cursor", ["x", "bm90IGpzb24", "é", "WzEsMl0", "Wy0xLCJhIl0", "=", "W10" * 600])
async def test_a_foreign_cursor_is_refused(model: ReadModel, story: Recording, cursor: str) -> None:
    opened(story)
    await model.apply(story.commits)

    with pytest.raises(Rejected, match="bad-cursor"):
        await members(model.reader, Members(party_id=P, cursor=cursor), asking(ANA))
