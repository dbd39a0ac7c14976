from datetime import timedelta
from typing import Any

import msgspec
import pytest
from tests.integration.parties.stories import (
    ANA,
    BOB,
    CYD,
    EPOCH,
    SYSTEM,
    P,
    Q,
    asking,
    every_page,
    joined,
    opened,
    sampled,
)
from tests.integration.readmodels import ReadModel
from tests.integration.recording import Recording

from events.contracts.party import (
    ChangeMedia,
    ChangeRate,
    Configure,
    Drifts,
    Drop,
    Enqueue,
    HandOver,
    Happened,
    Kick,
    Leave,
    Pause,
    Play,
    Ready,
    Rekey,
    Sample,
    Seek,
    ShowTimeline,
    Timeline,
)
from events.messages import Position, Rejected
from events.serving import LARGEST_ANSWER
from events.testing import NOW
from parties.queries.history import DRIFTS, timeline


async def seen(model: ReadModel, story: Recording, limit: int = 500, cursor: str | None = None) -> Timeline:
    await model.empty()
    await model.apply(story.commits)
    await model.apply(story.heartbeats)
    return await timeline(model.reader, ShowTimeline(party_id=P, limit=limit, cursor=cursor), asking(ANA))


def told(line: Happened) -> tuple[Any, ...]:
    return line.type, line.by, line.uid, line.media_seconds, line.details


async def test_who_did_what_when_and_where_in_the_film(model: ReadModel, story: Recording) -> None:
    opened(story)
    joined(story, BOB)
    story.tell(Play(party_id=P, position=10.0), by=ANA)
    story.tell(Seek(party_id=P, position=60.0), by=ANA, after=5)
    story.tell(Pause(party_id=P), by=ANA, after=2, ambient={"lead": 0.5})
    story.tell(Kick(party_id=P, uid=BOB, reason="spoilers"), by=ANA)
    shown = await seen(model, story)

    assert [told(line) for line in shown.happened] == [
        ("party.kicked", ANA, BOB, 62.5, {}),
        ("party.paused", ANA, None, 62.0, {"position": 62.5}),
        ("party.sought", ANA, None, 15.0, {"position": 60.0}),
        ("party.played", ANA, None, 0.0, {"position": 10.0, "rate": 1.0, "countdown": 0.0}),
        ("party.joined", BOB, None, 0.0, {}),
        ("party.joined", ANA, None, 0.0, {}),
        (
            "party.opened", ANA, None, 0.0,
            {"host": ANA, "title": "Friday", "media": "tt0133093", "media_title": None, "season": None,
             "episode": None, "file_index": None, "private": False},
        ),
    ]  # fmt: skip
    assert [line.at for line in shown.happened[1:4]] == [
        NOW + timedelta(seconds=9), NOW + timedelta(seconds=7), NOW + timedelta(seconds=2),
    ]  # fmt: skip
    assert shown.cursor is None


async def test_lines_of_one_commit_share_its_position_in_the_log(model: ReadModel, story: Recording) -> None:
    opened(story)
    story.tell(Play(party_id=P), by=ANA)
    positions = [Position.parse(line.position) for line in (await seen(model, story)).happened]

    assert [position.sequence for position in positions] == [2, 1, 1]
    assert {(position.context, position.epoch) for position in positions} == {("parties", EPOCH)}


async def test_people_are_named_as_they_were_last_called_here(model: ReadModel, story: Recording) -> None:
    opened(story)
    joined(story, BOB)
    story.tell(HandOver(party_id=P, uid=BOB), by=ANA)
    story.tell(Leave(party_id=P), by=BOB)
    shown = await seen(model, story)
    succeeded, left, handed, came = shown.happened[:4]

    assert (succeeded.type, succeeded.by, succeeded.uid, succeeded.uid_name) == ("party.host-changed", BOB, ANA, "Ana")
    assert (left.by, left.by_name, left.uid, left.details) == (BOB, "Bob", None, {"reason": "left"})
    assert (handed.by_name, handed.uid_name, handed.details) == ("Ana", "Bob", {"reason": "handed-over"})
    assert (came.by_name, shown.names) == ("Bob", {ANA: "Ana", BOB: "Bob"})


async def test_nobody_is_named_once_the_one_place_is_emptied(model: ReadModel, story: Recording) -> None:
    opened(story)
    await seen(model, story)
    await model.writer.execute("update person set name = '' where uid = $1", ANA)
    shown = await timeline(model.reader, ShowTimeline(party_id=P), asking(ANA))

    assert ({line.by_name for line in shown.happened}, shown.names) == ({""}, {ANA: ""})


async def test_what_observation_does_is_the_systems(model: ReadModel, story: Recording) -> None:
    opened(story)
    joined(story, BOB, CYD)
    story.tell(Configure(party_id=P, wait=True), by=ANA)
    story.tell(Play(party_id=P), by=ANA)
    for uid in (BOB, CYD):
        story.tell(Ready(party_id=P), by=uid)
    story.tell(Drop(party_id=P, uids=(CYD,)), by=SYSTEM)
    dropped, played, *_ = (await seen(model, story)).happened
    held = next(line for line in (await seen(model, story)).happened if line.type == "party.held")

    assert (dropped.type, dropped.by, dropped.by_name, dropped.uid, dropped.uid_name) == (
        "party.left", SYSTEM, "", CYD, "Cyd",
    )  # fmt: skip
    assert (played.type, played.by) == ("party.played", SYSTEM)
    assert (held.by, held.details["waits_for"]) == (ANA, [BOB, CYD])


async def test_nothing_that_is_kept_back_is_told(model: ReadModel, story: Recording) -> None:
    opened(story, private=True, source="magnet:secret")
    story.tell(ChangeMedia(party_id=P, media="tt2", source="magnet:secret"), by=ANA)
    story.tell(Enqueue(party_id=P, media="tt2", source="magnet:secret"), by=ANA)
    story.tell(Rekey(party_id=P, key="314159"), by=ANA)
    text = msgspec.json.encode(await seen(model, story))

    assert b"secret" not in text
    assert b'"key"' not in text
    assert b'"type":"party.rekeyed"' in text


async def test_pages_tell_every_line_and_every_sample_once(model: ReadModel, story: Recording) -> None:
    opened(story)
    for n in range(20):
        story.tell(ChangeRate(party_id=P, rate=1.0 + n % 2), by=ANA, after=7)
        sampled(story, after=2, ana=Sample(float(n), "ahead"))
    await seen(model, story)
    samples = list[Drifts]()

    async def ask(cursor: str | None) -> tuple[list[Happened], str | None]:
        page = await timeline(model.reader, ShowTimeline(party_id=P, limit=6, cursor=cursor), asking(ANA))
        samples.extend(page.samples)
        return page.happened, page.cursor

    pages = await every_page(ask)
    lines = [(Position.parse(line.position).sequence, line.type) for page in pages for line in page]
    facts = [(commit.sequence, event) for commit in story.commits for event in commit.events]
    assert lines == [(sequence, event.__struct_config__.tag) for sequence, event in reversed(facts)]
    assert [drifts.drift for drifts in samples] == [{ANA: float(n)} for n in reversed(range(20))]


async def test_drift_is_told_of_each_member_whenever_anybody_reports(model: ReadModel, story: Recording) -> None:
    opened(story)
    joined(story, BOB)
    sampled(story, ana=Sample(0.01, "in-sync"), bob=Sample(None, "buffering"))
    first = story.now
    sampled(story, guest=Sample(-2.5, "behind"))
    sampled(story, party_id=Q, ana=Sample(9.0, "ahead"))
    sampled(story)
    shown = await seen(model, story)

    assert shown.samples == [
        Drifts(first + timedelta(seconds=10), 60.0, {"guest": -2.5}),
        Drifts(first, 60.0, {ANA: 0.01, BOB: None}),
    ]


async def test_an_answer_has_an_end(model: ReadModel, story: Recording) -> None:
    long = "\x01" * 2_000
    opened(story)
    for n in range(200):
        story.tell(ChangeMedia(party_id=P, media=f"{n}{long}"[:2_000]), by=ANA)
    everybody: dict[str, Any] = {
        f"somebody-with-a-long-uid-{n:03d}": Sample(-0.123456789, "in-sync") for n in range(100)
    }
    for _ in range(60):
        sampled(story, after=0, **everybody)
    shown = await seen(model, story)

    assert len(shown.happened) < 200
    assert shown.cursor is not None
    assert len(shown.samples) * 100 == DRIFTS
    assert len(msgspec.json.encode(shown)) < LARGEST_ANSWER


@pytest.mark.parametrize("cursor", ["x", "W10", "WzEsMl0", "Wy0xLDAsMF0", "WzFlOTksMCwwXQ", "WzEsMSwiYSJd"])
async def test_a_foreign_cursor_is_refused(model: ReadModel, story: Recording, cursor: str) -> None:
    opened(story)
    with pytest.raises(Rejected, match="bad-cursor"):
        await seen(model, story, cursor=cursor)
