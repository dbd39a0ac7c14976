from datetime import timedelta
from typing import Any

import pytest
from msgspec import structs
from tests.integration.parties.stories import ANA, BOB, CYD, P, Q, asking, later, opened, sampled
from tests.integration.readmodels import ReadModel
from tests.integration.recording import Recording

from events.contracts.party import (
    CHANNEL,
    SYNC_KEPT,
    Sample,
    Sampled,
    ShowOverallStatistics,
    ShowStatistics,
    SyncStatistics,
)
from events.testing import NOW
from parties.projections import sync
from parties.queries import quality
from parties.queries.quality import overall_statistics, statistics


async def of_party(model: ReadModel, story: Recording) -> SyncStatistics:
    await model.empty()
    await model.apply(story.commits)
    await model.apply(story.heartbeats)
    return await statistics(model.reader, ShowStatistics(party_id=P), asking(ANA))


async def of_all(model: ReadModel, now: Any) -> SyncStatistics:
    return await overall_statistics(model.reader, ShowOverallStatistics(), asking(ANA, now))


async def test_shares_and_drifts_are_those_of_members_while_playing(model: ReadModel, story: Recording) -> None:
    opened(story)
    sampled(
        story,
        ana=Sample(0.01, "in-sync", seeks=1),
        bob=Sample(-0.5, "in-sync", stalls=2),
        cyd=Sample(-2.5, "behind"),
        dan=Sample(None, "buffering", stalls=1),
        eve=Sample(None, "paused"),
    )
    first = story.now
    still = Sampled(
        at=later(story, 10), position=1.0, playing=False, present=1, members={ANA: Sample(9.0, "paused", 1)}
    )
    story.say(CHANNEL.key(P), still, after=10)

    found = await of_party(model, story)
    assert found.drift_p95 == pytest.approx(2.3)
    assert structs.replace(found, drift_p95=None) == SyncStatistics(
        samples=4, in_sync=0.5, same_frame=0.25, drift_median=0.5, drift_p95=None,
        stalls=4, seeks=1, members=5, parties=1, since=first,
    )  # fmt: skip


async def test_those_of_whom_nobody_reports_say_nothing(model: ReadModel, story: Recording) -> None:
    opened(story)
    opened(story, id=Q)
    sampled(story, ana=Sample(0.01, "in-sync"))
    first = story.now
    for party_id, present in ((P, 0), (Q, 2)):
        counted = Sampled(at=later(story, 10), position=1.0, playing=True, present=present, members={})
        story.say(CHANNEL.key(party_id), counted, after=10)

    found = await of_party(model, story)
    assert (found.samples, found.parties, found.since) == (1, 1, first)
    assert (await of_all(model, story.now)).parties == 1


async def test_without_samples_nothing_is_claimed(model: ReadModel, story: Recording) -> None:
    opened(story)
    nothing = SyncStatistics(
        samples=0, in_sync=None, same_frame=None, drift_median=None, drift_p95=None,
        stalls=0, seeks=0, members=0, parties=0, since=None,
    )  # fmt: skip

    assert await of_party(model, story) == nothing
    assert await of_all(model, NOW) == nothing


async def test_all_parties_of_the_last_hour_are_taken_together(model: ReadModel, story: Recording) -> None:
    opened(story)
    sampled(story, ana=Sample(9.0, "ahead"))
    sampled(story, after=3_600, ana=Sample(1.0, "in-sync"))
    sampled(story, party_id=Q, ana=Sample(-3.0, "behind"), bob=Sample(0.0, "in-sync"))
    await model.apply(story.heartbeats)
    found = await of_all(model, story.now)

    assert (found.samples, found.members, found.parties) == (3, 2, 2)
    assert found.in_sync == pytest.approx(2 / 3)
    assert found.drift_median == 1.0


async def test_of_many_samples_some_stand_for_all_in_quantiles_and_all_are_added_up(
    model: ReadModel, story: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quality, "ENOUGH", 100)
    opened(story)
    for n in range(400):
        sampled(story, ana=Sample(n / 100, "ahead"), bob=Sample(-n / 100, "behind", stalls=1))
    found = await of_party(model, story)

    assert (found.samples, found.stalls, found.members, found.in_sync) == (800, 400, 2, 402 / 800)
    assert found.drift_median == pytest.approx(2.0, abs=0.8)
    assert found.drift_p95 == pytest.approx(3.8, abs=0.3)


async def test_samples_are_kept_for_six_hours(model: ReadModel, story: Recording) -> None:
    opened(story)
    for after in (0.0, 1.0, SYNC_KEPT.total_seconds()):
        sampled(story, after=after, ana=Sample(0.0, "in-sync"), bob=Sample(0.0, "in-sync"))
    await model.apply(story.heartbeats[:2])
    assert await model.reader.fetchval("select count(*) from sync_member") == 4
    await model.apply(story.heartbeats[2:])

    rows = await model.reader.fetch("select at from sync_sample order by at")
    assert [row["at"] for row in rows] == [NOW + timedelta(seconds=1), NOW + timedelta(seconds=1) + SYNC_KEPT]
    assert await model.reader.fetchval("select count(*) from sync_member") == 4


async def test_who_has_not_been_heard_for_so_long_is_forgotten(model: ReadModel, story: Recording) -> None:
    late = SYNC_KEPT.total_seconds()
    for party_id, after in ((P, 0.0), (Q, 1.0)):
        sampled(story, after=after, party_id=party_id, ana=Sample(0.0, "in-sync"), bob=Sample(0.0, "in-sync"))
    sampled(story, after=late - 1, party_id=Q, ana=Sample(0.0, "in-sync"))
    await model.apply(story.heartbeats)
    assert await _heard(model) == ({P, Q}, {(P, ANA), (P, BOB), (Q, ANA), (Q, BOB)})

    sampled(story, after=2, party_id="elsewhere", cyd=Sample(0.0, "in-sync"))
    await model.apply(story.heartbeats[-1:])
    assert await _heard(model) == ({Q, "elsewhere"}, {(Q, ANA), ("elsewhere", CYD)})


async def _heard(model: ReadModel) -> tuple[set[str], set[tuple[str, str]]]:
    audiences = await model.reader.fetch("select party_id from audience")
    people = await model.reader.fetch("select party_id, uid from heard")
    return {row["party_id"] for row in audiences}, {(row["party_id"], row["uid"]) for row in people}


async def test_a_long_batch_is_written_in_portions(
    model: ReadModel, story: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sync, "AT_ONCE", 7)
    monkeypatch.setattr(sync, "SAMPLES_AT_ONCE", 2)
    everybody: dict[str, Any] = {f"guest-{n}": Sample(0.0, "in-sync") for n in range(5)}
    for _ in range(9):
        sampled(story, after=3_600, **everybody)
    await model.apply(story.heartbeats)

    found = await model.reader.fetchrow(
        "select (select count(*) from sync_sample), (select count(*) from sync_member), (select count(*) from heard)"
    )
    assert tuple(found or ()) == (7, 35, 5)


async def test_telemetry_of_a_party_that_is_not_known_yet_waits_for_it(model: ReadModel, story: Recording) -> None:
    sampled(story, ana=Sample(0.0, "in-sync"))
    await model.apply(story.heartbeats)
    opened(story)
    await model.apply(story.commits)

    assert (await statistics(model.reader, ShowStatistics(party_id=P), asking(ANA))).samples == 1
