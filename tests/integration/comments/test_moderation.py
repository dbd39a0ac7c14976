"""What moderators see: what is to be looked at, who did what, and who is muted or banned."""

from typing import Any

import pytest
from tests.integration.comments.stories import (
    ANA,
    BOB,
    CHAT,
    CYD,
    DAN,
    EVE,
    LIVE,
    MOD,
    Story,
    T,
    ask,
    asking,
    every_page,
    in_party,
    soon,
)
from tests.integration.comments.threads import P
from tests.integration.readmodels import ReadModel

from events.contracts.comments import (
    CaseView,
    Complaint,
    Deed,
    ShowCases,
    ShowDeeds,
    ShowStandings,
    StandingView,
    mine_topic,
    moderation_topic,
    standing_topic,
)
from events.messages import Query, Rejected

MODERATOR = asking(MOD, "moderator")


async def cases(model: ReadModel, where: str = "site", **more: Any) -> list[CaseView]:
    context = in_party(MOD, ["people"]) if where == CHAT else MODERATOR
    page = await ask(model, ShowCases(where=where, **more), context)
    return list(page.cases)


async def found(model: ReadModel, where: str = "site", **more: Any) -> list[str]:
    return [case.text for case in await cases(model, where, **more)]


async def deeds(model: ReadModel, where: str = "site") -> list[Deed]:
    context = in_party(MOD, ["people"]) if where == CHAT else MODERATOR
    return list((await ask(model, ShowDeeds(where=where), context)).deeds)


async def standings(model: ReadModel, story: Story, where: str = "site", after: float = 1.0) -> list[StandingView]:
    page = await ask(model, ShowStandings(where=where), soon(story, MODERATOR, after))
    return list(page.standings)


@pytest.mark.parametrize("query", [ShowCases, ShowDeeds, ShowStandings])
async def test_it_is_for_moderators_of_the_place(model: ReadModel, story: Story, query: type[Query]) -> None:
    story.start()
    story.appoint(BOB)
    await model.apply(story.commits)

    for where, context in (("site", asking(ANA)), (LIVE, asking(CYD)), (CHAT, in_party(BOB))):
        with pytest.raises(Rejected, match="not-a-moderator"):
            await ask(model, query(where=where), context)
    for where, context in (("site", MODERATOR), (LIVE, asking(BOB)), (LIVE, asking(ANA)), (LIVE, MODERATOR),
                           (CHAT, in_party(BOB, ["people"]))):  # fmt: skip
        await ask(model, query(where=where), context)


async def test_what_is_reported_waits_with_what_was_said_of_it(model: ReadModel, story: Story) -> None:
    story.begin()
    id = story.post("Buy!", BOB)
    story.report(id, ANA, words="an ad")
    story.report(id, CYD)
    await model.apply(story.commits)
    (case,) = await cases(model)

    first, second = story.commits[2].at, story.commits[3].at
    assert case == CaseView(
        kind="comment", thread_id=T, room=None, id=id, uid=BOB, name="Bob", text="Buy!", veil="", rule="",
        at=story.commits[1].at, reports=2,
        complaints=[
            Complaint(uid=CYD, why="spam", words="", at=second),
            Complaint(uid=ANA, why="spam", words="an ad", at=first),
        ],
    )  # fmt: skip


async def test_each_place_has_its_own(model: ReadModel, story: Story) -> None:
    story.begin()
    story.begin(P)
    story.start()
    story.report(story.post("for everybody"))
    story.report(story.post("in the party", thread=P), thread=P)
    story.report_line(story.chat("in the chat"))
    story.report_line(story.chat("in the event", room=LIVE), room=LIVE)
    story.post("held", veil="held", rule="links")
    story.chat("held, too", veil="held", rule="words")
    await model.apply(story.commits)

    assert await found(model) == ["for everybody", "held"]
    assert await found(model, CHAT) == ["in the chat", "in the party", "held, too"]
    assert await found(model, LIVE) == ["in the event"]
    assert [(case.kind, case.rule) for case in await cases(model, CHAT)][-1] == ("line", "words")


async def test_most_reported_comes_first_and_pages_go_on(model: ReadModel, story: Story) -> None:
    story.begin()
    ids = [story.post(str(n)) for n in range(5)]
    for n, id in enumerate(ids):
        for uid in (BOB, CYD, DAN, EVE)[: n % 3 + 1]:
            story.report(id, uid)
    await model.apply(story.commits)

    async def page(cursor: str | None) -> tuple[list[str], str | None]:
        found = await ask(model, ShowCases(where="site", limit=2, cursor=cursor), MODERATOR)
        return [case.text for case in found.cases], found.cursor

    assert await every_page(page) == [["2", "4"], ["1", "3"], ["0"]]


@pytest.mark.parametrize("act", ["hide", "restore", "remove", "review", "delete"])
async def test_who_looks_closes_the_case(model: ReadModel, story: Story, act: str) -> None:
    story.begin()
    id = story.post("Buy!")
    story.report(id)
    getattr(story, act)(id)
    await model.apply(story.commits)
    before = await found(model)
    if act != "review":
        story.restore(id)
    story.report(id, CYD)
    await model.apply(story.commits[4:])
    after = await cases(model)

    assert before == []
    assert [case.reports for case in after] == ([] if act in ("remove", "delete") else [1])


@pytest.mark.parametrize("room", [CHAT, LIVE])
async def test_who_finds_nothing_wrong_with_a_line_closes_the_case(model: ReadModel, story: Story, room: str) -> None:
    story.start()
    id = story.chat("Buy!", CYD, room=room)
    story.report_line(id, room=room)
    story.review_line(id, room)
    touched = await model.apply(story.commits)
    before = await found(model, room)
    story.report_line(id, DAN, room=room)
    await model.apply(story.commits[4:])

    assert (before, await found(model, room)) == ([], ["Buy!"])
    assert moderation_topic(room) in touched
    (deed, *_) = await deeds(model, room)
    assert (deed.type, deed.by, deed.uid, deed.room, deed.id) == ("comments.line-reviewed", MOD, CYD, room, id)


async def test_what_is_hidden_or_said_in_the_shadow_is_listed_apart(model: ReadModel, story: Story) -> None:
    story.begin()
    hidden, line = story.post("hidden"), story.chat("hidden line")
    story.report(hidden)
    story.hide(hidden)
    story.hide_line(line)
    story.post("shadow", BOB, veil="shadow")
    await model.apply(story.commits)

    assert await found(model) == []
    assert await found(model, veil="hidden") == ["shadow", "hidden"]
    assert await found(model, CHAT, veil="hidden") == ["hidden line"]


async def test_the_log_says_who_did_what_to_whom(model: ReadModel, story: Story) -> None:
    story.begin()
    id = story.post("Buy!", BOB)
    story.post("Moderating", MOD, name="Maud")
    story.hide(id)
    story.mute(BOB, seconds=60, shadow=True)
    story.lock()
    await model.apply(story.commits)
    lock, mute, hide = await deeds(model)

    assert (hide.type, hide.by, hide.by_name, hide.uid, hide.uid_name) == ("comments.hidden", MOD, "Maud", BOB, "Bob")
    assert (hide.thread_id, hide.room, hide.id, hide.position) == (T, None, id, "comments:k3f9:4")
    assert (mute.type, mute.uid, mute.shadow, mute.reason) == ("comments.person-muted", BOB, True, "loud")
    assert mute.until is not None
    assert (lock.type, lock.uid, lock.id) == ("comments.thread-locked", None, None)


async def test_what_is_done_in_a_room_is_in_its_own_log(model: ReadModel, story: Story) -> None:
    story.begin(P)
    story.start()
    comment, line = story.post(by=BOB, thread=P), story.chat(by=CYD)
    story.hide(comment, thread=P)
    story.hide_line(line)
    story.restore_line(line)
    story.pin_line(line)
    story.configure()
    story.ban(DAN, CHAT)
    story.appoint(EVE)
    await model.apply(story.commits)

    assert [(deed.type, deed.uid, deed.room) for deed in await deeds(model, CHAT)] == [
        ("comments.person-banned", DAN, CHAT),
        ("comments.room-configured", None, CHAT),
        ("comments.line-pinned", CYD, CHAT),
        ("comments.line-restored", CYD, CHAT),
        ("comments.line-hidden", CYD, CHAT),
        ("comments.hidden", BOB, None),
    ]
    assert [(deed.type, deed.uid, deed.by) for deed in await deeds(model, LIVE)] == [
        ("comments.moderator-appointed", EVE, ANA)
    ]
    assert await deeds(model) == []


async def test_the_log_goes_back_page_by_page(model: ReadModel, story: Story) -> None:
    for _ in range(5):
        story.ban(BOB)
    await model.apply(story.commits)

    async def page(cursor: str | None) -> tuple[list[str], str | None]:
        found = await ask(model, ShowDeeds(where="site", limit=2, cursor=cursor), MODERATOR)
        return [deed.position.rpartition(":")[2] for deed in found.deeds], found.cursor

    assert await every_page(page) == [["5", "4"], ["3", "2"], ["1"]]


async def test_standings_are_those_that_hold(model: ReadModel, story: Story) -> None:
    story.chat(by=BOB)
    story.mute(BOB, seconds=60)
    story.ban(CYD)
    story.mute(CYD, shadow=True)
    story.ban(DAN)
    story.unban(DAN)
    story.ban(EVE, CHAT)
    await model.apply(story.commits)
    now, later = await standings(model, story), await standings(model, story, after=120)

    assert [(one.uid, one.name, one.muted, one.shadow, one.banned) for one in now] == [
        (CYD, "", True, True, True), (BOB, "Bob", True, False, False),
    ]  # fmt: skip
    assert (now[0].reason, now[0].by, now[0].at) == ("loud", MOD, story.commits[3].at)
    assert [one.uid for one in later] == [CYD]


async def test_standings_go_on_page_by_page(model: ReadModel, story: Story) -> None:
    for n in range(5):
        story.ban(f"guest-{n}")
    await model.apply(story.commits)

    async def page(cursor: str | None) -> tuple[list[str], str | None]:
        found = await ask(model, ShowStandings(where="site", limit=2, cursor=cursor), MODERATOR)
        return [one.uid[-1] for one in found.standings], found.cursor

    assert await every_page(page) == [["4", "3"], ["2", "1"], ["0"]]


async def test_a_word_about_somebody_touches_their_rights_and_the_moderators(model: ReadModel, story: Story) -> None:
    story.ban(BOB, CHAT)

    assert await model.apply(story.commits) == {standing_topic(BOB), mine_topic(BOB), moderation_topic(CHAT)}
