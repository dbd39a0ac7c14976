from datetime import datetime, timedelta

import pytest
from tests.integration.parties.stories import ANA, BOB, SYSTEM, P, joined, opened
from tests.integration.readmodels import ReadModel
from tests.integration.recording import Recording

from events.contracts.party import (
    EXPIRES_AFTER,
    WARNED_BEFORE,
    Close,
    Configure,
    Expire,
    Find,
    HandOver,
    Miss,
    Pause,
    Play,
    Ready,
    Succeed,
    WarnOfExpiry,
)
from events.testing import NOW
from parties.projections.party import UNHURRIED


async def due(model: ReadModel, story: Recording) -> dict[str, datetime]:
    """By key, after all that the story tells: the timers of one party, each of which sends a command about it."""
    await model.empty()
    await model.apply(story.commits)
    rows = await model.reader.fetch("select key, at, function, args from due")
    assert all(row["key"].endswith(f":{P}") and f'{{"party_id":"{P}"' in row["args"] for row in rows)
    assert all(row["function"] == FUNCTIONS[row["key"].partition(":")[0]] for row in rows)
    return {row["key"].partition(":")[0]: row["at"] for row in rows}


FUNCTIONS = {"expire": "party.expire", "warn": "party.warn", "succeed": "party.succeed", "release": "party.release"}


async def test_a_party_in_which_nothing_happens_is_warned_and_then_ends(model: ReadModel, story: Recording) -> None:
    opened(story)
    story.tell(Play(party_id=P), by=ANA, after=60)
    found = await due(model, story)

    assert found.keys() == {"expire", "warn"}
    assert timedelta() <= found["expire"] - (story.now + EXPIRES_AFTER) < UNHURRIED
    assert found["expire"] - found["warn"] == WARNED_BEFORE


async def test_the_rules_agree_that_it_is_time(model: ReadModel, story: Recording) -> None:
    opened(story)
    found = await due(model, story)
    story.tell(WarnOfExpiry(party_id=P), by=SYSTEM, after=(found["warn"] - story.now).total_seconds())
    warned = await due(model, story)
    story.tell(Expire(party_id=P), by=SYSTEM, after=(warned["expire"] - story.now).total_seconds())

    assert warned == found, "an announcement of the end does not put it off"
    assert await due(model, story) == {}
    assert await model.reader.fetchval("select closed_because from party") == "expired"


async def test_who_is_still_there_puts_it_off(model: ReadModel, story: Recording) -> None:
    opened(story)
    before = await due(model, story)
    after = EXPIRES_AFTER.total_seconds()
    story.tell(Expire(party_id=P), by=SYSTEM, after=after, ambient={"present": frozenset({ANA})})

    assert await due(model, story) == {key: at + EXPIRES_AFTER for key, at in before.items()}


async def test_a_busy_party_does_not_set_its_timers_anew_each_time(model: ReadModel, story: Recording) -> None:
    opened(story)
    before = await due(model, story)
    for _ in range(100):
        for command in (Play(party_id=P), Pause(party_id=P)):
            story.tell(command, by=ANA, after=0.1)
    after = await due(model, story)

    assert all(timedelta() <= after[key] - at <= UNHURRIED for key, at in before.items())
    await model.writer.execute("update due set fired_at = $1", NOW)
    story.tell(Play(party_id=P), by=ANA, after=0.1)
    await model.apply(story.commits[-1:])
    assert await model.reader.fetchval("select count(*) from due where fired_at is null") == 0


@pytest.mark.parametrize("ending", [Find(party_id=P, uid=ANA), HandOver(party_id=P, uid=BOB), Close(party_id=P)])
async def test_a_missing_host_is_succeeded_unless_they_come_back(
    model: ReadModel, story: Recording, ending: Find | HandOver | Close
) -> None:
    opened(story)
    joined(story, BOB)
    story.tell(Miss(party_id=P, uid=ANA, since=story.now.timestamp()), by=SYSTEM, after=10)
    assert (await due(model, story))["succeed"] == NOW + timedelta(seconds=121)
    story.tell(ending, by=SYSTEM if isinstance(ending, Find) else ANA)
    assert "succeed" not in await due(model, story)


async def test_a_succession_is_over_when_it_is_done(model: ReadModel, story: Recording) -> None:
    opened(story)
    joined(story, BOB)
    story.tell(Miss(party_id=P, uid=ANA, since=story.now.timestamp()), by=SYSTEM, after=10)
    until = (await due(model, story))["succeed"]
    after = (until - story.now).total_seconds()
    story.tell(Succeed(party_id=P), by=SYSTEM, after=after, ambient={"present": frozenset({BOB})})

    assert (await due(model, story)).keys() == {"expire", "warn"}
    assert await model.reader.fetchval("select host from party") == BOB


async def test_a_host_who_is_never_succeeded_has_no_timer(model: ReadModel, story: Recording) -> None:
    opened(story)
    story.tell(Configure(party_id=P, grace_seconds=0), by=ANA)
    story.tell(Miss(party_id=P, uid=ANA, since=story.now.timestamp()), by=SYSTEM, after=10)

    assert "succeed" not in await due(model, story)


@pytest.mark.parametrize(
    ("ending", "by"),
    [(Ready(party_id=P), BOB), (Play(party_id=P), ANA), (Pause(party_id=P), ANA), (Close(party_id=P), ANA)],
)
async def test_a_wait_ends_in_time(
    model: ReadModel, story: Recording, ending: Ready | Play | Pause | Close, by: str
) -> None:
    opened(story)
    joined(story, BOB)
    story.tell(Configure(party_id=P, wait=True, wait_seconds=12.0), by=ANA)
    story.tell(Play(party_id=P), by=ANA)
    assert (await due(model, story))["release"] == story.now + timedelta(seconds=12)
    story.tell(ending, by=by)
    assert "release" not in await due(model, story)


async def test_timers_that_end_in_a_later_batch_are_dropped_there(model: ReadModel, story: Recording) -> None:
    opened(story)
    joined(story, BOB)
    story.tell(Configure(party_id=P, wait=True), by=ANA)
    story.tell(Play(party_id=P), by=ANA)
    await model.apply(story.commits)
    story.tell(Close(party_id=P), by=ANA)
    await model.apply(story.commits[-1:])

    assert await model.reader.fetch("table due") == []
