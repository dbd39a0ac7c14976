"""The rule book as a whole; what each command does is told room by room beside this."""

import inspect
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.parties.examples import (
    ANA,
    BOB,
    CYD,
    DAN,
    RULES,
    SYSTEM,
    P,
    both,
    configured,
    later,
    opened,
    room,
    staffed,
    started,
)

from events.contracts.erased import Entomb, Erased
from events.contracts.party import (
    BANNED,
    COMMANDS,
    EVENTS,
    EXPIRES_AFTER,
    LONGEST,
    MEMBERS,
    QUEUED,
    QUEUED_BYTES,
    Banned,
    Closed,
    Held,
    Joined,
    Left,
    MediaChanged,
    Opened,
    PartyCommand,
    PartyEvent,
    Permissions,
    Played,
    Profile,
    Queued,
    SkipVoted,
    Voted,
)
from events.handle import LARGEST_STATE
from events.messages import Context, Rejected
from events.testing import NOW
from parties import state
from parties.decider import decider
from parties.state import FOLDS, Party

FACTS = tuple(event for event in EVENTS if not event.telemetry and not issubclass(event, Erased))
WISHES = tuple(command for command in COMMANDS if not issubclass(command, Entomb))
DAY = EXPIRES_AFTER.total_seconds()
SHARED = {"key-reused", "invalid-argument"}
"""Refusals that every function shares."""

rules = decider(RULES)


# Properties: whatever people do, in whatever order.

people = st.sampled_from([ANA, BOB, CYD, DAN])
items = st.sampled_from([f"{n}" * 12 for n in range(4)])
places = st.one_of(st.sampled_from([0.0, 60.0, LONGEST]), st.floats(min_value=0, max_value=LONGEST))
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "party_id": st.just(P),
    "uid": people,
    "uids": st.lists(people, max_size=3).map(tuple),
    "recovered": st.lists(people, max_size=3).map(tuple),
    "name": st.sampled_from(["Somebody", None]),
    "title": st.sampled_from(["Friday", "Saturday"]),
    "media": st.sampled_from(["tt0133093", "tt0944947"]),
    "key": st.sampled_from(["123456", "654321", None]),
    "item": items,
    "before": st.one_of(st.none(), items),
    "capacity": st.sampled_from([1, 3, MEMBERS, None]),
    "countdown": st.sampled_from([0.0, 3.0]),
    "grace_seconds": st.sampled_from([0.0, 5.0, None]),
    "wait_seconds": st.sampled_from([5.0, None]),
    "rate": st.sampled_from([0.5, 1.0, 2.0]),
    "since": st.sampled_from([0.0, NOW.timestamp(), NOW.timestamp() + 60]),
}
REST = ("avatar", "status", "media_title", "season", "episode", "source", "file_index", "reason")
"""Which no rule looks at."""


def wish(command: type[Any]) -> st.SearchStrategy[PartyCommand]:
    fields = {field.name: field for field in msgspec.structs.fields(command)}
    chosen = {name: FIELDS[name] for name in fields.keys() & FIELDS.keys()}
    if "position" in fields:
        chosen["position"] = places if fields["position"].required else st.one_of(st.just(0.0), places)
    rest = fields.keys() - chosen.keys() - set(REST)
    return st.builds(command, **chosen, **{name: st.from_type(fields[name].type) for name in rest})


wishes = st.one_of(*map(wish, WISHES))
contexts: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "command_id": st.sampled_from([P, *(f"{n}" * 26 for n in range(4))]),
        "lead": st.sampled_from([0.0, 0.3, 2.0]),
        "present": st.frozensets(people),
        "secret": st.sampled_from(["1", "2"]),
    }
)
pauses = st.sampled_from([0.0, 0.3, 1.0, 7.5, 60.0, DAY])
steps = st.lists(st.tuples(people, wishes, contexts, pauses), min_size=30, max_size=60)
Step = tuple[str, PartyCommand, dict[str, Any], float]

everybody = Permissions(play="member", seek="member", media="member", queue="member", people="member")
beginnings = st.sampled_from(
    [
        (),
        staffed,
        (started(private=True, key="123456"), *staffed[1:]),
        (*staffed, configured(permissions=everybody, wait=True, wait_seconds=5.0)),
        (*staffed, configured(permissions=everybody), Queued(item="0" * 12, by=BOB, media="tt0944947", at=later(9))),
        (*staffed, configured(permissions=everybody, wait=True), Played(by=ANA, position=5.0, at=later(9))),
    ]
)


def carry_out(command: PartyCommand, party: Party, context: Context) -> list[PartyEvent]:
    refusal = ""
    try:
        return rules.decide(command, party, context)
    except Rejected as rejected:
        refusal = rejected.code
    assert refusal in {*command.errors, *SHARED}
    return []


def carried_out(
    begun: tuple[PartyEvent, ...], steps: list[Step]
) -> Iterator[tuple[Party, list[PartyEvent], Party, datetime]]:
    """Before each step, what it led to, after it, and when it was."""
    party, now = rules.fold(begun), later(60)
    for actor, command, known, pause in steps:
        now += timedelta(seconds=pause)
        context = Context(
            actor=SYSTEM if command.internal else actor,
            now=now,
            command_id=P if command.function == "party.open" else known["command_id"],
            secret=known["secret"],
            ambient={"lead": known["lead"], "present": known["present"]},
        )
        events = carry_out(command, party, context)
        after = rules.fold(events, party)
        if not isinstance(command, Profile):  # whose names are sealed, so that a repeated one cannot be told
            assert carry_out(command, after, context) == [], "the same wish again"
        yield party, events, after, now
        party = after


@settings(max_examples=100, deadline=None)
@given(beginnings, steps)
def test_whatever_people_do_a_party_keeps_its_order(begun: tuple[PartyEvent, ...], steps: list[Step]) -> None:
    for before, events, after, now in carried_out(begun, steps):
        if after.opened_by and not after.closed_by:
            assert after.host in after.members
            assert [uid for uid, seat in after.members.items() if seat.role == "host"] == [after.host]
        assert not after.members.keys() & {*after.banned, *after.unseen}
        assert not {*after.banned} & {*after.unseen}
        assert {*after.skips} <= after.members.keys()
        assert bool(after.key) == after.private
        assert 0 <= after.place(now) <= LONGEST
        if any(isinstance(event, Joined) for event in events):
            assert len(after.members) <= after.settings.capacity
        if after.waiting is not None:
            assert after.waiting.waits_for, "somebody is waited for"
            assert {*after.waiting.waits_for} <= after.members.keys()
            assert not after.anchor.playing
            assert not after.closed_by
        assert not (before.closed_by and events), "nothing happens in a closed party"


@settings(max_examples=50, deadline=None)
@given(beginnings, steps)
def test_whatever_people_do_the_history_tells_it(begun: tuple[PartyEvent, ...], steps: list[Step]) -> None:
    done = list(carried_out(begun, steps))
    history = [*begun, *(event for _, events, _, _ in done for event in events)]
    party = done[-1][2]

    assert rules.fold(history) == party
    assert msgspec.convert(msgspec.json.decode(msgspec.json.encode(party)), Party) == party, "as a snapshot"
    assert sum(isinstance(event, Opened) for event in history) <= 1
    assert sum(isinstance(event, Closed) for event in history) <= 1


@settings(max_examples=50, deadline=None)
@given(st.lists(st.one_of(*(st.from_type(event) for event in FACTS))))
def test_no_history_is_too_odd_to_be_remembered(history: list[PartyEvent]) -> None:
    rules.fold(history)


@pytest.mark.parametrize("command", WISHES, ids=lambda command: command.function)
@settings(max_examples=5, deadline=None)
@given(data=st.data())
def test_nobody_does_anything_unknown(command: type[PartyCommand], data: st.DataObject) -> None:
    with pytest.raises(Rejected, match="not-signed-in"):
        rules.decide(data.draw(wish(command)), room.given(*both).state(), Context(actor="", now=NOW, command_id=P))


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: fact.__name__)
@settings(max_examples=5, deadline=None)
@given(data=st.data())
def test_every_fact_is_folded_in_one_place(fact: type[PartyEvent], data: st.DataObject) -> None:
    event = data.draw(st.from_type(fact))

    assert sum(fold(rules.initial, event) is not None for fold in FOLDS) == 1


# What an aggregate costs.


def crowd() -> Iterator[PartyEvent]:
    """As much as a party can hold: all of its members vote for all that is queued, and all but one are waited for."""
    uids = [f"{n:026x}" for n in range(MEMBERS)]
    at = NOW + timedelta(microseconds=123_456)
    longest = MediaChanged(by=ANA, reason="chosen", position=0.0, at=at, media="\x01" * 2_000, media_title="\x01" * 200)
    yield from opened
    yield from (longest, longest)
    yield from (Joined(uid=f"unseen{n:020x}", name="", at=at) for n in range(MEMBERS - 1))
    yield from (Left(uid=f"unseen{n:020x}", private=False, reason="unseen", at=at) for n in range(MEMBERS - 1))
    yield from (Joined(uid=uid, name="", at=at) for uid in uids[:-1])
    yield from (Banned(uid=f"banned{n:020x}", by=ANA, at=at) for n in range(BANNED))
    yield from (
        Queued(item=f"{n:012}", by=uids[n], media="m" * 500, media_title="t" * 120, season=100, episode=100, at=at)
        for n in range(QUEUED)
    )
    yield Held(by=ANA, why="start", waits_for=tuple(uids[:-1]), position=0.0, at=at, until=at)
    yield from (SkipVoted(uid=uid, skip=True, votes=1, needed=501, at=at) for uid in uids[:500])
    yield from (Voted(item=f"{n:012}", uid=uid, up=True, at=at) for n in range(QUEUED) for uid in uids[:-1])


def test_a_party_as_large_as_can_be_stays_small() -> None:
    party = rules.fold(crowd())

    assert (len(party.members), len(party.queue), len(party.banned)) == (MEMBERS, QUEUED, BANNED)
    assert QUEUED_BYTES * 0.9 < len(msgspec.json.encode([item.media for item in party.queue])) < QUEUED_BYTES
    assert len(msgspec.json.encode(party)) < LARGEST_STATE


def test_what_is_not_about_members_does_not_copy_them() -> None:
    before = room.given(*both).state()

    assert rules.evolve(before, Played(by=ANA, position=1.0, at=NOW)).members is before.members


def test_a_snapshot_is_bound_to_the_module_that_folds_it() -> None:
    assert inspect.getmodule(rules.evolve) is state
