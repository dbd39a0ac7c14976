from datetime import timedelta

import pytest
from tests.integration.comments.threads import ANA, BOB, CYD, PARTY, P, T, Talk
from tests.integration.readmodels import ReadModel

from events.contracts.comments import (
    SITE,
    TOLD,
    ListLives,
    SearchComments,
    ShowAuthor,
    ShowDiscussed,
    ShowFollowed,
    ShowMine,
    mine_topic,
    moderation_topic,
    parties_topic,
    standing_topic,
    statistics_topic,
    topic,
    unread_topic,
)
from events.messages import Query


@pytest.fixture
def talk() -> Talk:
    """Ana and Bob have spoken, Cyd is veiled."""
    talk = Talk()
    talk.begin(T)
    talk.begin(P)
    talk.post(id="ana")
    talk.post(by=BOB, to="ana", id="bob")
    talk.post(by=CYD, id="cyd", veil="shadow")
    return talk


async def touched(model: ReadModel, talk: Talk, since: int) -> set[str]:
    """By what was said since, apart from what notifications and reports touch."""
    await model.empty()
    await model.apply(talk.commits[:since])
    topics = await model.apply(talk.commits[since:])
    return {one for one in topics if not one.startswith("notifications:")}


EVERYBODY = {topic(T), statistics_topic()}


async def test_what_is_said_concerns_everybody_who_reads_or_follows(model: ReadModel, talk: Talk) -> None:
    since = len(talk.commits)
    talk.post(by=BOB, to="ana")

    assert await touched(model, talk, since) == {
        *EVERYBODY, mine_topic(BOB), mine_topic(ANA), unread_topic(ANA), unread_topic(CYD),
    }  # fmt: skip


@pytest.mark.parametrize("veil", ["shadow", "held"])
async def test_what_nobody_sees_concerns_its_author_and_moderators_alone(
    model: ReadModel, talk: Talk, veil: str
) -> None:
    since = len(talk.commits)
    new = talk.post(by=BOB, to="ana", veil=veil)
    alone = {mine_topic(BOB), moderation_topic(SITE)}
    assert await touched(model, talk, since) == alone

    since = len(talk.commits)
    talk.edit(new, "Else", by=BOB)
    assert await touched(model, talk, since) == alone
    since = len(talk.commits)
    talk.hide(new)
    assert await touched(model, talk, since) == alone
    since = len(talk.commits)
    talk.delete(new, BOB)
    assert await touched(model, talk, since) == alone


async def test_what_is_restored_concerns_everybody_as_if_it_were_new(model: ReadModel, talk: Talk) -> None:
    since = len(talk.commits)
    talk.restore("cyd")

    assert await touched(model, talk, since) == {
        *EVERYBODY, mine_topic(CYD), moderation_topic(SITE), unread_topic(ANA), unread_topic(BOB),
    }  # fmt: skip


async def test_what_goes_concerns_everybody_too(model: ReadModel, talk: Talk) -> None:
    since = len(talk.commits)
    talk.delete("bob", BOB)
    others = {unread_topic(uid) for uid in (ANA, BOB, CYD)}

    assert await touched(model, talk, since) >= {*EVERYBODY, mine_topic(BOB), mine_topic(ANA), *others}


async def test_an_edit_leaves_unread_lists_alone(model: ReadModel, talk: Talk) -> None:
    since = len(talk.commits)
    talk.edit("ana", "Else")

    found = await touched(model, talk, since)
    assert found - {moderation_topic(SITE)} == {*EVERYBODY, mine_topic(ANA)}


async def test_an_emoji_concerns_who_put_it_on_who_wrote_and_who_reads(model: ReadModel, talk: Talk) -> None:
    since = len(talk.commits)
    talk.react("ana", by=CYD)
    assert await touched(model, talk, since) == {*EVERYBODY, mine_topic(CYD), mine_topic(ANA)}

    since = len(talk.commits)
    talk.react("ana", "🔥", by=CYD, veil="shadow")
    assert await touched(model, talk, since) == {mine_topic(CYD)}
    since = len(talk.commits)
    talk.react("cyd", "🔥", by=CYD)
    assert await touched(model, talk, since) == {mine_topic(CYD)}


async def test_a_partys_own_thread_is_no_part_of_what_everybody_counts(model: ReadModel, talk: Talk) -> None:
    since = len(talk.commits)
    one = talk.post(thread=P)
    assert await touched(model, talk, since) == {topic(P), parties_topic(), mine_topic(ANA)}

    since = len(talk.commits)
    talk.hide(one, thread=P)
    found = await touched(model, talk, since)
    assert found >= {topic(P), mine_topic(ANA), moderation_topic(f"party:{PARTY}")}
    assert statistics_topic() not in found


async def test_who_searches_everything_is_told_of_their_parties_too(model: ReadModel, talk: Talk) -> None:
    since = len(talk.commits)
    talk.post(thread=P)

    assert await touched(model, talk, since) & set(SearchComments(search="hi").topics(BOB))


@pytest.mark.parametrize(
    "query", [ShowAuthor(uid=ANA), ShowDiscussed(), ShowFollowed(), SearchComments(search="hi"), ListLives()]
)
def test_who_is_kept_out_everywhere_watches_nothing_any_more(query: Query) -> None:
    assert standing_topic(BOB) in query.access(BOB)
    assert "banned" in query.errors


async def test_pins_concern_who_reads(model: ReadModel, talk: Talk) -> None:
    since = len(talk.commits)
    talk.pin("ana")

    assert await touched(model, talk, since) == {*EVERYBODY, moderation_topic(SITE)}


async def test_locks_and_titles_concern_who_has_the_thread_in_a_list(model: ReadModel, talk: Talk) -> None:
    lists = {unread_topic(uid) for uid in (ANA, BOB, CYD)}
    since = len(talk.commits)
    talk.lock()
    assert await touched(model, talk, since) == {*EVERYBODY, *lists, moderation_topic(SITE)}

    since = len(talk.commits)
    talk.title("The Matrix")
    assert await touched(model, talk, since) == EVERYBODY | lists

    since = len(talk.commits)
    talk.lock(thread=P)
    assert await touched(model, talk, since) == {topic(P), parties_topic(), moderation_topic(f"party:{PARTY}")}


async def test_what_others_say_is_no_news_of_what_is_ones_own(model: ReadModel, talk: Talk) -> None:
    since = len(talk.commits)
    talk.post(by=BOB)

    assert not await touched(model, talk, since) & set(ShowMine(thread_id=T).topics(ANA))


async def test_a_mark_concerns_its_reader(model: ReadModel, talk: Talk) -> None:
    mark = talk.read(ANA, talk.now - timedelta(seconds=1))

    assert await model.apply([mark]) == {mine_topic(ANA)}


async def test_the_last_who_spoke_are_told(model: ReadModel, talk: Talk) -> None:
    for n in range(TOLD + 5):
        talk.post(by=f"guest-{n:03d}")
    since = len(talk.commits)
    talk.post(by="late")

    found = {one for one in await touched(model, talk, since) if one.startswith("comments-unread:")}
    assert found == {unread_topic(f"guest-{n:03d}") for n in range(6, TOLD + 5)}
