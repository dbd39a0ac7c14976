from datetime import timedelta
from typing import Any

import pytest
from tests.integration.parties.stories import ANA, BOB, CYD, P, asking, joined, opened
from tests.integration.readmodels import ReadModel
from tests.integration.recording import Recording

from events.contracts.party import (
    CHANNEL,
    ChangeMedia,
    ChangeRate,
    Close,
    Configure,
    Enqueue,
    HoldView,
    LastControl,
    Lock,
    Miss,
    Next,
    PartyView,
    Pause,
    Permissions,
    Play,
    Played,
    Seek,
    Settings,
    Skip,
    State,
    Undo,
    WarnOfExpiry,
)
from events.messages import Rejected
from events.testing import NOW
from parties.queries.room import state

ANIME: dict[str, Any] = {
    "title": "Watching Attack on Titan S1E1 Together",
    "media": "aot-season-1",
    "media_title": "Attack on Titan",
    "episode": 1,
    "source": "https://example.com/video.mp4",
    "name": "AnimeFan99",
}
RAFFI: dict[str, Any] = {
    "media": "tt1234567",
    "season": 1,
    "episode": 2,
    "source": "magnet:?xt=urn:btih:c0ffee",
    "file_index": 3,
}


async def seen(model: ReadModel, story: Recording, by: str = ANA) -> PartyView:
    """The screen after all that the story tells, from the beginning."""
    await model.empty()
    await model.apply(story.commits)
    return await state(model.reader, State(party_id=P), asking(by))


async def test_a_room_of_the_anime_backend_is_all_there(model: ReadModel, story: Recording) -> None:
    opened(story, by="user123", **ANIME)
    view = await seen(model, story, "user123")

    shown = {"title": view.title, "media": view.media, "media_title": view.media_title, "episode": view.episode}
    assert shown == {name: ANIME[name] for name in shown}
    assert (view.source, view.host, view.private, view.members) == (ANIME["source"], "user123", False, 1)
    assert (view.playing, view.position, view.rate, view.at, view.opened_at) == (False, 0.0, 1.0, NOW, NOW)
    assert (view.locked, view.settings, view.hold, view.last, view.queued) == (False, Settings(), None, None, 0)
    assert (view.skip_votes, view.host_missing_since, view.closes_at, view.closed_at) == (0, None, None, None)


async def test_a_party_of_raffi_goes_on_where_its_host_is(model: ReadModel, story: Recording) -> None:
    opened(story, **RAFFI)
    story.tell(Play(party_id=P, position=1234.5), by=ANA)
    view = await seen(model, story)

    assert (view.media, view.season, view.episode, view.source, view.file_index) == tuple(RAFFI.values())
    assert (view.playing, view.position, view.at) == (True, 1234.5, NOW + timedelta(seconds=1))


async def test_a_control_takes_effect_a_little_later_than_it_was_given(model: ReadModel, story: Recording) -> None:
    opened(story)
    story.tell(Play(party_id=P, position=10.0), by=ANA, ambient={"lead": 0.3})
    view = await seen(model, story)

    assert view.at == NOW + timedelta(seconds=1.3)
    assert view.last == LastControl("play", ANA, NOW + timedelta(seconds=1))


async def test_rate_and_place_come_through_every_control(model: ReadModel, story: Recording) -> None:
    opened(story)
    story.tell(Play(party_id=P, position=10.0), by=ANA)
    story.tell(ChangeRate(party_id=P, rate=2.0), by=ANA, after=5)
    story.tell(Seek(party_id=P, position=100.0), by=ANA, after=5)
    story.tell(Pause(party_id=P), by=ANA, after=5)
    view = await seen(model, story)

    assert (view.playing, view.position, view.rate) == (False, 110.0, 2.0)


async def test_the_source_is_for_members(model: ReadModel, story: Recording) -> None:
    opened(story, **RAFFI)
    joined(story, BOB)

    assert (await seen(model, story, BOB)).source == RAFFI["source"]
    assert (await seen(model, story, CYD)).source == ""


async def test_undoing_a_change_of_media_brings_the_source_back(model: ReadModel, story: Recording) -> None:
    opened(story, media="tt1", source="magnet:1")
    story.tell(ChangeMedia(party_id=P, media="tt2", source="magnet:2"), by=ANA)
    story.tell(Undo(party_id=P), by=ANA)
    undone = await seen(model, story)
    story.tell(Undo(party_id=P), by=ANA)
    redone = await seen(model, story)

    assert (undone.media, undone.source) == ("tt1", "magnet:1")
    assert (redone.media, redone.source) == ("tt2", "magnet:2")


async def test_undoing_another_source_of_the_same_brings_the_first_back(model: ReadModel, story: Recording) -> None:
    opened(story, media="tt1", source="magnet:1")
    story.tell(ChangeMedia(party_id=P, media="tt1", source="magnet:2"), by=ANA)
    story.tell(Undo(party_id=P), by=ANA)
    view = await seen(model, story)

    assert (view.media, view.source) == ("tt1", "magnet:1")


async def test_what_observation_does_is_not_what_an_undo_takes_back(model: ReadModel, story: Recording) -> None:
    opened(story, media="tt1", source="magnet:1")
    story.tell(ChangeMedia(party_id=P, media="tt2", source="magnet:2"), by=ANA)
    going_on = Played(by="system:parties", position=0.0, at=story.now, said_at=story.now)
    story.say(CHANNEL.key(P), going_on)
    between = await seen(model, story)
    story.tell(Undo(party_id=P), by=ANA)
    view = await seen(model, story)

    assert between.last is not None
    assert (between.last.what, between.last.by, between.playing) == ("media", ANA, True)
    assert (view.media, view.source) == ("tt1", "magnet:1")


@pytest.mark.parametrize("together", [True, False])
async def test_the_source_of_a_queued_item_comes_with_it(model: ReadModel, story: Recording, together: bool) -> None:
    opened(story)
    story.tell(Enqueue(party_id=P, media="tt2", source="magnet:2"), by=ANA)
    story.tell(Next(party_id=P), by=ANA)
    await model.apply(*([story.commits] if together else [story.commits[:2], story.commits[2:]]))
    view = await state(model.reader, State(party_id=P), asking(ANA))

    assert (view.media, view.source, view.queued) == ("tt2", "magnet:2", 0)


async def test_a_party_that_waits_says_for_whom_and_until_when(model: ReadModel, story: Recording) -> None:
    opened(story)
    joined(story, BOB, CYD)
    story.tell(Configure(party_id=P, wait=True, wait_seconds=20.0), by=ANA)
    story.tell(Play(party_id=P, position=5.0), by=ANA)
    at = story.now
    view = await seen(model, story)

    assert (view.playing, view.position) == (False, 5.0)
    assert view.hold == HoldView("start", [BOB, CYD], at, at + timedelta(seconds=20))
    story.tell(Pause(party_id=P), by=ANA)
    assert (await seen(model, story)).hold is None


async def test_votes_to_skip_are_counted_until_something_else_is_watched(model: ReadModel, story: Recording) -> None:
    opened(story)
    joined(story, BOB, CYD)
    story.tell(Enqueue(party_id=P, media="tt2"), by=ANA)
    story.tell(Skip(party_id=P), by=BOB)
    voted = await seen(model, story)
    story.tell(Skip(party_id=P), by=CYD)
    skipped = await seen(model, story)

    assert (voted.skip_votes, voted.queued, voted.media) == (1, 1, "tt0133093")
    assert (skipped.skip_votes, skipped.queued, skipped.media) == (0, 0, "tt2")


async def test_how_it_is_run_is_shown(model: ReadModel, story: Recording) -> None:
    opened(story)
    story.tell(Configure(party_id=P, title="Saturday", capacity=5, wait=True, grace_seconds=0), by=ANA)
    story.tell(Lock(party_id=P), by=ANA)
    view = await seen(model, story)

    assert (view.title, view.locked) == ("Saturday", True)
    assert view.settings == Settings(capacity=5, wait=True, grace_seconds=0.0, permissions=Permissions())


async def test_a_missing_host_and_a_near_end_are_shown(model: ReadModel, story: Recording) -> None:
    opened(story)
    story.tell(Miss(party_id=P, uid=ANA, since=NOW.timestamp() + 30), by="system:parties", after=60)
    missed = await seen(model, story)
    story.tell(WarnOfExpiry(party_id=P), by="system:parties", after=23.5 * 3_600)
    warned = await seen(model, story)

    assert (missed.host_missing_since, missed.closes_at) == (NOW + timedelta(seconds=30), None)
    assert warned.closes_at == NOW + timedelta(hours=24, seconds=60)


async def test_a_closed_party_stands_where_it_was_and_can_still_be_read(model: ReadModel, story: Recording) -> None:
    opened(story, private=True)
    story.tell(Play(party_id=P, position=10.0), by=ANA)
    story.tell(Close(party_id=P), by=ANA, after=4.5)
    view = await seen(model, story)

    assert (view.closed_because, view.closed_at, view.playing, view.position) == ("closed", story.now, False, 14.5)


async def test_a_party_closed_during_a_countdown_has_not_begun(model: ReadModel, story: Recording) -> None:
    opened(story)
    story.tell(Play(party_id=P, position=10.0, countdown=30.0), by=ANA)
    story.tell(Close(party_id=P), by=ANA, after=4.5)

    assert (await seen(model, story)).position == 10.0


async def test_a_fact_about_a_party_that_is_not_there_is_an_error(model: ReadModel, story: Recording) -> None:
    opened(story)
    story.tell(Play(party_id=P), by=ANA)

    with pytest.raises(KeyError):
        await model.apply(story.commits[1:])


async def test_a_batch_of_which_nothing_is_known_passes_by(model: ReadModel, story: Recording) -> None:
    opened(story)

    assert await model.apply([commit._replace(events=()) for commit in story.commits]) == set()


@pytest.mark.parametrize("id", [P, "", "é'; drop table party", "x" * 128])
async def test_there_must_be_a_party(model: ReadModel, id: str) -> None:
    with pytest.raises(Rejected, match="no-such-party"):
        await state(model.reader, State(party_id=id), asking(ANA))
