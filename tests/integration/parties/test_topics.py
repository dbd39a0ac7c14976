"""Which live queries a batch makes look anew."""

import pytest
from tests.integration.parties.stories import ANA, BOB, CYD, KEY, P, Q, crowd, joined, opened, sampled
from tests.integration.readmodels import ReadModel
from tests.integration.recording import Recording

from events.contracts.party import (
    LIST_TOPIC,
    Appoint,
    Ban,
    ChangeMedia,
    Close,
    Configure,
    Dismiss,
    Drop,
    Enqueue,
    Excuse,
    HandOver,
    Join,
    Kick,
    Leave,
    Lock,
    PartyCommand,
    Pause,
    PermissionChanges,
    Play,
    Profile,
    Rekey,
    Sample,
    Seek,
    access_topic,
    mine_topic,
    sync_topic,
    topic,
)

MINE = {mine_topic(ANA), mine_topic(BOB)}


async def touched(model: ReadModel, story: Recording, *commands: tuple[PartyCommand, str]) -> set[str]:
    """Besides the party's own, which every fact touches. What the story told before is known already, or is now."""
    known = len(story.commits)
    if not await model.reader.fetchval("select count(*) from party"):
        await model.apply(story.commits)
    for command, by in commands:
        story.tell(command, by=by)
    topics = await model.apply(story.commits[known:])
    assert topic(P) in topics
    return topics - {topic(P)}


@pytest.mark.parametrize(
    ("command", "by", "topics"),
    [
        (Play(party_id=P), ANA, {LIST_TOPIC, *MINE}),
        (Seek(party_id=P, position=5.0), ANA, set()),
        (Enqueue(party_id=P, media="tt2"), BOB, set()),
        (Excuse(party_id=P), BOB, set()),
        (ChangeMedia(party_id=P, media="tt2"), ANA, {LIST_TOPIC, *MINE}),
        (Configure(party_id=P, title="Other"), ANA, {LIST_TOPIC, *MINE}),
        (Configure(party_id=P, wait=True), ANA, set()),
        (Configure(party_id=P, permissions=PermissionChanges(people="host")), ANA, {access_topic(P)}),
        (Configure(party_id=P, permissions=PermissionChanges(play="host")), ANA, set()),
        (Configure(party_id=P, private=True), ANA, {LIST_TOPIC, *MINE, access_topic(P)}),
        (Lock(party_id=P), ANA, {LIST_TOPIC}),
        (Profile(party_id=P, name="Other"), ANA, {LIST_TOPIC}),
        (Profile(party_id=P, name="Other"), BOB, set()),
        (Join(party_id=P, name="Cyd"), CYD, {LIST_TOPIC, *MINE, mine_topic(CYD)}),
        (Leave(party_id=P), BOB, {LIST_TOPIC, *MINE, access_topic(P, BOB)}),
        (Kick(party_id=P, uid=BOB), ANA, {LIST_TOPIC, *MINE, access_topic(P, BOB)}),
        (Ban(party_id=P, uid=BOB), ANA, {LIST_TOPIC, *MINE, access_topic(P, BOB)}),
        (Ban(party_id=P, uid=CYD), ANA, {mine_topic(CYD), access_topic(P, CYD)}),
        (Appoint(party_id=P, uid=BOB), ANA, {mine_topic(BOB), access_topic(P, BOB)}),
        (HandOver(party_id=P, uid=BOB), ANA, {LIST_TOPIC, *MINE, access_topic(P, ANA), access_topic(P, BOB)}),
        (Close(party_id=P), ANA, {LIST_TOPIC, *MINE}),
    ],
)
async def test_a_fact_touches_what_shows_it(
    model: ReadModel, story: Recording, command: PartyCommand, by: str, topics: set[str]
) -> None:
    opened(story)
    joined(story, BOB)

    assert await touched(model, story, (command, by)) == topics


@pytest.mark.parametrize(
    ("command", "by", "topics"),
    [
        (Play(party_id=P), ANA, MINE),
        (Leave(party_id=P), BOB, {*MINE, access_topic(P, BOB)}),
        (Drop(party_id=P, uids=(BOB,)), "system:parties", {*MINE, access_topic(P, BOB)}),
        (Configure(party_id=P, private=False), ANA, {LIST_TOPIC, *MINE}),
        (Rekey(party_id=P, key="314159"), ANA, set()),
        (Join(party_id=P, name="Cyd", key=KEY), CYD, {*MINE, mine_topic(CYD)}),
    ],
)
async def test_a_private_party_is_nobody_elses_matter(
    model: ReadModel, story: Recording, command: PartyCommand, by: str, topics: set[str]
) -> None:
    opened(story, private=True)
    joined(story, BOB)

    assert await touched(model, story, (command, by)) == topics


async def test_what_ends_as_it_began_touches_the_party_alone(model: ReadModel, story: Recording) -> None:
    opened(story)

    assert await touched(model, story, (Play(party_id=P), ANA), (Pause(party_id=P), ANA)) == set()


async def test_who_dropped_out_of_sight_is_told_what_becomes_of_the_party(model: ReadModel, story: Recording) -> None:
    opened(story)
    joined(story, BOB)
    story.tell(Drop(party_id=P, uids=(BOB,)), by="system:parties")

    assert await touched(model, story, (Close(party_id=P), ANA)) == {LIST_TOPIC, *MINE}


async def test_of_a_crowd_nobody_is_told_each_time_that_somebody_comes_or_pauses(
    model: ReadModel, story: Recording
) -> None:
    opened(story)
    crowd(story, 250)
    coming = await touched(model, story, (Play(party_id=P), ANA), (Join(party_id=P, name="Bob"), BOB))
    other = await touched(model, story, (ChangeMedia(party_id=P, media="tt2"), ANA))

    assert coming == {LIST_TOPIC, mine_topic(BOB)}
    assert len(other) == 1 + 252


async def test_parties_of_one_batch_touch_their_own_people(model: ReadModel, story: Recording) -> None:
    opened(story)
    opened(story, Q, by=BOB, private=True)

    assert await model.apply(story.commits) == {topic(P), topic(Q), LIST_TOPIC, *MINE}


async def test_telemetry_touches_how_a_party_is_in_sync(model: ReadModel, story: Recording) -> None:
    opened(story)
    opened(story, Q, private=True)
    await model.apply(story.commits)
    sample = Sample(0.0, "in-sync")
    first = sampled(story, ana=sample)
    same = sampled(story, ana=sample)
    more = sampled(story, ana=sample, bob=sample)
    hidden = sampled(story, party_id=Q, ana=sample)
    unknown = sampled(story, party_id="elsewhere", ana=sample)

    assert [await model.apply([commit]) for commit in (first, same, more, hidden, unknown)] == [
        {sync_topic(P), LIST_TOPIC}, {sync_topic(P)}, {sync_topic(P), LIST_TOPIC}, {sync_topic(Q)},
        {sync_topic("elsewhere")},
    ]  # fmt: skip


async def test_who_moderated_and_does_no_more_is_asked_for_their_rights_anew(
    model: ReadModel, story: Recording
) -> None:
    opened(story)
    joined(story, BOB)
    await touched(model, story, (Appoint(party_id=P, uid=BOB), ANA))

    assert await touched(model, story, (Dismiss(party_id=P, uid=BOB), ANA)) == {mine_topic(BOB), access_topic(P, BOB)}


async def test_of_a_host_who_leaves_and_of_a_second_change_only_what_has_changed_is_asked_anew(
    model: ReadModel, story: Recording
) -> None:
    opened(story)
    joined(story, BOB)
    everybody = Configure(party_id=P, permissions=PermissionChanges(people="member"))
    again = await touched(model, story, (everybody, ANA), (everybody, ANA))
    left = await touched(model, story, (Leave(party_id=P), ANA))

    assert access_topic(P) in again
    assert {one for one in left if one.startswith(access_topic(""))} == {access_topic(P, ANA), access_topic(P, BOB)}
