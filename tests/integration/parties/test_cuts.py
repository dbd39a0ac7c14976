"""Whatever happens to parties, the rows say the same as the rules' own state, and do not depend on the batches."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.integration.parties.stories import ANA, BOB, CYD, DAN, KEY, SYSTEM, P, Q, joined, new_story, opened
from tests.integration.readmodels import ReadModel
from tests.integration.recording import Recording, cut

from events.contracts.party import (
    CHANNEL,
    SYNC_KEPT,
    Appoint,
    Ban,
    ChangeMedia,
    ChangeRate,
    Close,
    Configure,
    Dequeue,
    Dismiss,
    Drop,
    Enqueue,
    Excuse,
    Expire,
    Find,
    HandOver,
    Hold,
    HoldView,
    Join,
    Kick,
    Leave,
    Lock,
    Miss,
    MoveItem,
    Next,
    PartyCommand,
    Pause,
    Play,
    Profile,
    Ready,
    Release,
    Sample,
    Sampled,
    Seek,
    Settings,
    Skip,
    Succeed,
    Unban,
    Undo,
    Vote,
    WarnOfExpiry,
)
from events.testing import NOW
from parties.state import Party

HOUR = 3_600.0
STEPS = 300

PEOPLE = (ANA, BOB, CYD, DAN)
Make = Callable[[Random, str, Party], PartyCommand]
ASKED: Sequence[tuple[float, Make]] = (
    (15, lambda r, id, party: Join(party_id=id, name=r.choice(("One", "Two")), avatar=r.choice(("", "owl")), key=KEY)),
    (2, lambda r, id, party: Leave(party_id=id)),
    (
        3,
        lambda r, id, party: Profile(party_id=id, name=r.choice((None, "New")), status=r.choice((None, "", "popcorn"))),
    ),
    (2, lambda r, id, party: Kick(party_id=id, uid=r.choice(PEOPLE))),
    (2, lambda r, id, party: Ban(party_id=id, uid=r.choice(PEOPLE))),
    (3, lambda r, id, party: Unban(party_id=id, uid=r.choice(PEOPLE))),
    (1, lambda r, id, party: Lock(party_id=id, locked=r.random() < 0.3)),
    (3, lambda r, id, party: Appoint(party_id=id, uid=r.choice(PEOPLE))),
    (1, lambda r, id, party: Dismiss(party_id=id, uid=r.choice(PEOPLE))),
    (3, lambda r, id, party: HandOver(party_id=id, uid=r.choice(PEOPLE))),
    (
        3,
        lambda r, id, party: Configure(
            party_id=id, private=r.choice((None, True, False)), wait=True, title=f"T {r.random()}"
        ),
    ),
    (9, lambda r, id, party: Play(party_id=id, position=r.choice((None, 10.0, 99.5)), countdown=r.choice((0.0, 3.0)))),
    (4, lambda r, id, party: Pause(party_id=id, position=r.choice((None, 10.0)))),
    (4, lambda r, id, party: Seek(party_id=id, position=r.choice((0.0, 50.0)))),
    (3, lambda r, id, party: ChangeRate(party_id=id, rate=r.choice((0.5, 1.0, 2.0)))),
    (5, lambda r, id, party: Undo(party_id=id)),
    (9, lambda r, id, party: Ready(party_id=id, ready=r.random() < 0.7)),
    (3, lambda r, id, party: Excuse(party_id=id, excused=r.random() < 0.5)),
    (
        4,
        lambda r, id, party: ChangeMedia(
            party_id=id, media=r.choice(("tt1", "tt2")), media_title="F", source=_source(r)
        ),
    ),
    (9, lambda r, id, party: Enqueue(party_id=id, media=r.choice(("tt1", "tt3")), source=_source(r))),
    (3, lambda r, id, party: MoveItem(party_id=id, item=_item(r, party), before=r.choice((None, _item(r, party))))),
    (2, lambda r, id, party: Dequeue(party_id=id, item=_item(r, party))),
    (9, lambda r, id, party: Vote(party_id=id, item=_item(r, party), up=r.random() < 0.7)),
    (5, lambda r, id, party: Next(party_id=id)),
    (3, lambda r, id, party: Skip(party_id=id, skip=r.random() < 0.8)),
    (0.2, lambda r, id, party: Close(party_id=id)),
)
OBSERVED: Sequence[tuple[float, Make]] = (
    (2, lambda r, id, party: Expire(party_id=id)),
    (3, lambda r, id, party: WarnOfExpiry(party_id=id)),
    (9, lambda r, id, party: Miss(party_id=id, uid=party.host, since=0.0)),
    (2, lambda r, id, party: Find(party_id=id, uid=party.host)),
    (9, lambda r, id, party: Succeed(party_id=id)),
    (3, lambda r, id, party: Drop(party_id=id, uids=(r.choice(PEOPLE),))),
    (9, lambda r, id, party: Hold(party_id=id, uids=PEOPLE[1:])),
    (6, lambda r, id, party: Release(party_id=id, recovered=r.choice(((), PEOPLE[:2])))),
)


def _source(chance: Random) -> str | None:
    return chance.choice((None, "magnet:1", "magnet:2"))


def _item(chance: Random, party: Party) -> str:
    return chance.choice([item.id for item in party.queue] or ["gone"])


def lived(seed: int) -> Recording:
    """Two parties at random; mostly their hosts act, so that things go on."""
    chance, story = Random(seed), new_story()
    for id in (P, Q):
        opened(story, id)
        joined(story, BOB, CYD, party_id=id)
    for _ in range(STEPS):
        by_system = chance.random() < 0.15
        weights, kinds = zip(*(OBSERVED if by_system else ASKED), strict=True)
        (make,) = chance.choices(kinds, weights)
        id = chance.choice((P, P, Q))
        party: Party = story.state(CHANNEL.key(id))
        after = chance.choice((1.0, 40.0, 130.0, 25 * HOUR)) if by_system else chance.choice((0.0, 1.0, 11.0))
        present = frozenset(chance.choices(PEOPLE, k=chance.randrange(4)))
        by = SYSTEM if by_system else chance.choice((party.host, party.host, *PEOPLE))
        story.tell(make(chance, id, party), by, after, ambient={"lead": 0.25, "present": present})
    return story


@pytest.mark.parametrize("seed", range(12))
async def test_however_the_log_is_cut_the_rows_are_the_same(model: ReadModel, seed: int) -> None:
    story = lived(seed)
    found = []
    for size in (1, 2, 7, len(story.commits)):
        await model.empty()
        await model.apply(*cut(story.commits, size))
        found.append(await model.same())

    assert found[0] == found[1] == found[2] == found[3]
    for id in {commit.key.id for commit in story.commits}:
        await _says_what_the_rules_know(model, id, story.state(CHANNEL.key(id)))
    await _has_a_line_for_everything(model, story)


async def _says_what_the_rules_know(model: ReadModel, id: str, party: Party) -> None:
    (row,) = await model.reader.fetch("select * from party where party_id = $1", id)
    assert (row["host"], row["title"], row["private"], row["locked"]) == (
        party.host, party.title, party.private, party.locked,
    )  # fmt: skip
    assert msgspec.json.decode(row["settings"], type=Settings) == party.settings
    assert (row["closed_at"] is None, row["updated_at"]) == (not party.closed_by, party.active_at)
    assert tuple(row[name] for name in party.media.__struct_fields__) == msgspec.structs.astuple(party.media)
    if not party.closed_by:
        anchor = party.anchor
        assert (row["playing"], row["media_seconds"], row["rate"], row["media_at"]) == (
            anchor.playing, anchor.position, anchor.rate, anchor.at,
        )  # fmt: skip
    last = party.last and (party.last.what, party.last.by, party.last.at)
    assert (row["last_what"], row["last_by"], row["last_at"]) == (last or (None, None, None))
    assert _held(row) == (party.waiting and (party.waiting.why, [*party.waiting.waits_for], party.waiting.until))
    assert (row["missing_since"], row["closes_at"] is not None) == (party.missed, party.warned)
    await _names_the_members(model, id, party, row["members"])
    await _shows_the_queue(model, id, party)


def _held(row: Any) -> Any:
    if row["hold"] is None:
        return None
    hold = msgspec.json.decode(row["hold"], type=HoldView)
    return hold.why, hold.waits_for, hold.until


async def _names_the_members(model: ReadModel, id: str, party: Party, count: int) -> None:
    rows = await model.reader.fetch("select * from member where party_id = $1", id)
    assert {
        row["uid"]: (row["joined_at"], row["ready"], row["excused"], row["pardoned"], row["skips"]) for row in rows
    } == {
        uid: (seat.since, seat.ready, seat.excused, seat.pardoned, uid in party.skips)
        for uid, seat in party.members.items()
    }
    cohosts = {uid for uid in party.members if party.rank(uid) == 1}
    assert {row["uid"] for row in rows if row["role"] == "cohost" and row["uid"] != party.host} == cohosts
    assert count == len(rows)
    banned = await model.reader.fetch("select uid from ban where party_id = $1", id)
    assert {row["uid"] for row in banned} == set(party.banned)
    unseen = await model.reader.fetch("select uid from unseen where party_id = $1", id)
    assert {row["uid"] for row in unseen} == set(party.unseen)


async def _shows_the_queue(model: ReadModel, id: str, party: Party) -> None:
    rows = await model.reader.fetch("select * from item where party_id = $1 and place >= 0 order by place", id)
    taken = await model.reader.fetchval("select item from item where party_id = $1 and place < 0", id)
    votes = await model.reader.fetch("select item, uid from vote where party_id = $1", id)
    assert [(row["item"], row["by"], row["media"]) for row in rows] == [
        (item.id, item.by, item.media.media) for item in party.queue
    ]
    items, known = [*party.queue], {item.id for item in party.queue}
    if party.last and party.last.taken:
        assert taken == party.last.taken.item.id
        items.append(party.last.taken.item)
        known.add(taken)
    assert {tuple(vote) for vote in votes if vote["item"] in known} == {
        (item.id, uid) for item in items for uid in party.members if party.voted(uid, item)
    }
    assert {vote["item"] for vote in votes} <= known | {taken}


async def _has_a_line_for_everything(model: ReadModel, story: Recording) -> None:
    rows = await model.reader.fetch("select position, nth, type from happened order by position, nth")
    assert [tuple(row) for row in rows] == [
        (commit.sequence, nth, event.__struct_config__.tag)
        for commit in story.commits
        for nth, event in enumerate(commit.events)
    ]


heard = st.builds(
    Sample,
    drift=st.sampled_from([None, 0.0, -0.5]),
    state=st.sampled_from(["in-sync", "behind", "buffering"]),
    stalls=st.integers(0, 2),
)
samples = st.lists(
    st.tuples(
        st.sampled_from([P, Q]),
        st.sampled_from([-20.0, 10.0, 2 * HOUR, 7 * HOUR]),
        st.dictionaries(st.sampled_from(PEOPLE), heard),
    ),
    max_size=12,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(samples)
async def test_however_telemetry_is_cut_the_rows_are_the_same(
    model: ReadModel, samples: list[tuple[str, float, dict[str, Sample]]]
) -> None:
    story, at, newest = new_story(), NOW, NOW - timedelta(days=1)
    for id, after, members in samples:
        at += timedelta(seconds=after)
        newest = max(newest, at)
        present = len(members)
        story.say(CHANNEL.key(id), Sampled(at=at, position=1.0, playing=True, present=present, members=members))
    found = []
    for size in (1, 2, 12):
        await model.empty()
        await model.apply(*cut(story.heartbeats, size))
        found.append(await model.same())

    assert found[0] == found[1] == found[2]
    events = {commit.sequence: event for commit in story.heartbeats for event in commit.events}
    kept = {
        position: event
        for position, event in events.items()
        if isinstance(event, Sampled) and newest - event.at <= SYNC_KEPT
    }
    rows = await model.reader.fetch("select position from sync_sample")
    people = await model.reader.fetch("select position, uid from sync_member")
    assert {row["position"] for row in rows} == kept.keys()
    assert {tuple(row) for row in people} == {
        (position, uid) for position, event in kept.items() for uid in event.members
    }
