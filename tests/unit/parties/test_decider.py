from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from events.contracts.party import (
    EVENTS,
    EXPIRES_AFTER,
    LONGEST,
    Close,
    Closed,
    Expire,
    HostChanged,
    Join,
    Joined,
    Leave,
    Left,
    Open,
    Opened,
    PartyCommand,
    PartyEvent,
    Pause,
    Paused,
    Play,
    Played,
    Seek,
    Sought,
)
from events.messages import Context, Rejected
from events.testing import NOW, spec
from parties.decider import MEMBERS, Party, decide, decider, place

ANA, BOB, CYD = "ana", "bob", "cyd"
DAY = EXPIRES_AFTER.total_seconds()
P = "c0mmand0c0mmand0"


def later(seconds: float) -> Any:
    return NOW + timedelta(seconds=seconds)


def joined(uid: str, after: float = 0.0) -> Joined:
    return Joined(uid=uid, name=uid.title(), at=later(after))


def started(private: bool = False) -> Opened:
    return Opened(party_id=P, host=ANA, title="Friday", media="tt0133093", private=private, at=NOW)


room = spec(decider)
opened = (started(), joined(ANA))
both = (*opened, joined(BOB, 1))
playing = (*both, Played(by=ANA, position=10.0, at=later(2)))
closed = (*both, Closed(by=ANA, reason="closed", at=later(3)))
friday = Open(title="Friday", media="tt0133093", name="Ana")


class TestOpen:
    def test_who_opens_a_party_is_its_host_and_first_member(self) -> None:
        room.when(friday, by=ANA).then(*opened)

    def test_the_name_in_the_token_serves_when_none_is_given(self) -> None:
        room.when(Open(title="Friday", media="tt0133093"), by=ANA, name="Ana").then(*opened)

    def test_a_name_in_a_token_is_cut_to_what_a_name_may_be(self) -> None:
        _, host = room.when(Open(title="t", media="m"), by=ANA, name="  A\0" + "n" * 100).outcome()

        assert host == Joined(uid=ANA, name="A" + "n" * 63, at=NOW)

    def test_the_party_is_the_one_that_the_answer_names(self) -> None:
        event, _ = room.when(friday, by=ANA).outcome()

        assert isinstance(event, Opened)
        assert friday.result(Context(actor=ANA, now=NOW, command_id=f"{P}0c0mmand0cc")).party_id == event.party_id == P

    def test_opening_it_again_changes_nothing_even_after_it_was_closed(self) -> None:
        room.given(*closed).when(friday, by=ANA).then()

    def test_somebody_elses_party_is_not_given_away(self) -> None:
        room.given(*opened).when(friday, by=BOB).then_rejected("key-reused")

    @pytest.mark.parametrize("name", [None, " ", "\t\n"])
    def test_nobody_is_host_without_a_name(self, name: str | None) -> None:
        room.when(Open(title="t", media="m", name=name), by=ANA).then_rejected("name-missing")

    def test_nobody_opens_a_party_unknown(self) -> None:
        room.when(friday).then_rejected("not-signed-in")


class TestJoin:
    join = Join(party_id=P, name="Bob")

    def test_somebody_becomes_a_member(self) -> None:
        room.given(*opened).when(self.join, by=BOB, after=1).then(joined(BOB, 1))

    def test_a_member_stays_a_member(self) -> None:
        room.given(*both).when(self.join, by=BOB).then()
        room.given(*both).when(Join(party_id=P), by=BOB).then()

    def test_nobody_joins_without_a_name(self) -> None:
        room.given(*opened).when(Join(party_id=P), by=BOB).then_rejected("name-missing")

    def test_there_must_be_a_party(self) -> None:
        room.when(self.join, by=BOB).then_rejected("no-such-party")

    def test_a_closed_party_takes_nobody(self) -> None:
        room.given(*closed).when(self.join, by=CYD).then_rejected("party-closed")

    def test_a_full_party_takes_nobody_but_keeps_its_members(self) -> None:
        full = room.given(*opened, *(joined(f"guest-{n}") for n in range(MEMBERS - 1)))

        full.when(self.join, by=BOB).then_rejected("party-full", members=MEMBERS)
        full.when(self.join, by="guest-7").then()


class TestLeave:
    leave = Leave(party_id=P)

    def test_a_member_leaves(self) -> None:
        room.given(*both).when(self.leave, by=BOB).then(Left(uid=BOB, private=False, at=NOW))

    def test_leaving_a_private_party_ends_the_right_to_follow_it(self) -> None:
        (left,) = room.given(started(private=True), joined(ANA), joined(BOB)).when(self.leave, by=BOB).outcome()

        assert left.ends() == ("left", BOB)

    def test_the_earliest_member_inherits_from_the_host(self) -> None:
        room.given(*opened, joined(CYD, 1), joined(BOB, 2)).when(self.leave, by=ANA, after=3).then(
            Left(uid=ANA, private=False, at=later(3)), HostChanged(uid=CYD, reason="host-left", at=later(3))
        )

    def test_who_came_back_is_not_the_earliest_any_more(self) -> None:
        back = (joined(BOB, 1), joined(CYD, 2), Left(uid=BOB, private=False, at=later(3)), joined(BOB, 4))

        events = room.given(*opened, *back).when(self.leave, by=ANA, after=5).outcome()

        assert HostChanged(uid=CYD, reason="host-left", at=later(5)) in events

    def test_of_two_who_joined_at_one_instant_the_one_listed_first_inherits(self) -> None:
        events = room.given(*opened, joined(CYD, 1), joined(BOB, 1)).when(self.leave, by=ANA, after=5).outcome()

        assert HostChanged(uid=BOB, reason="host-left", at=later(5)) in events

    def test_the_last_one_closes_the_party(self) -> None:
        room.given(*opened).when(self.leave, by=ANA).then(
            Left(uid=ANA, private=False, at=NOW), Closed(by=ANA, reason="empty", at=NOW)
        )

    def test_there_is_nothing_to_leave_in_a_closed_party(self) -> None:
        for uid in (ANA, BOB, CYD):
            room.given(*closed).when(self.leave, by=uid).then()

    def test_who_is_no_member_cannot_leave(self) -> None:
        room.given(*both).when(self.leave, by=CYD).then_rejected("not-a-member")

    def test_there_must_be_a_party(self) -> None:
        room.when(self.leave, by=BOB).then_rejected("no-such-party")


class TestPlay:
    def test_the_host_starts_playback_where_the_party_stands(self) -> None:
        paused = Paused(by=ANA, position=42.0, at=later(1))

        room.given(*both, paused).when(Play(party_id=P), by=ANA, after=9).then(
            Played(by=ANA, position=42.0, at=later(9))
        )

    def test_the_host_starts_playback_somewhere_else(self) -> None:
        room.given(*both).when(Play(party_id=P, position=99.5), by=ANA).then(Played(by=ANA, position=99.5, at=NOW))

    def test_playing_moves_when_the_host_is_far_from_where_the_party_is(self) -> None:
        room.given(*playing).when(Play(party_id=P, position=12.6), by=ANA, after=4).then(
            Played(by=ANA, position=12.6, at=later(4))
        )

    @pytest.mark.parametrize("position", [None, 12.0, 11.5, 12.5])
    def test_playing_on_changes_nothing(self, position: float | None) -> None:
        room.given(*playing).when(Play(party_id=P, position=position), by=ANA, after=4).then()

    def test_the_rate_stays(self) -> None:
        fast = (Played(by=ANA, position=0.0, at=NOW, rate=1.5), Paused(by=ANA, position=3.0, at=later(2)))

        room.given(*both, *fast).when(Play(party_id=P), by=ANA, after=3).then(
            Played(by=ANA, position=3.0, at=later(3), rate=1.5)
        )


class TestPause:
    def test_the_host_pauses_where_playback_is(self) -> None:
        room.given(*playing).when(Pause(party_id=P), by=ANA, after=4.5).then(
            Paused(by=ANA, position=12.5, at=later(4.5))
        )

    def test_the_host_pauses_where_the_host_is(self) -> None:
        room.given(*playing).when(Pause(party_id=P, position=12.1), by=ANA, after=4.5).then(
            Paused(by=ANA, position=12.1, at=later(4.5))
        )

    @pytest.mark.parametrize("position", [None, 0.0, 0.5])
    def test_standing_still_changes_nothing(self, position: float | None) -> None:
        room.given(*both).when(Pause(party_id=P, position=position), by=ANA).then()

    def test_pausing_elsewhere_moves(self) -> None:
        room.given(*both).when(Pause(party_id=P, position=0.6), by=ANA).then(Paused(by=ANA, position=0.6, at=NOW))

    def test_a_playback_that_nobody_stops_rests_at_the_end_of_all_positions(self) -> None:
        far = Played(by=ANA, position=LONGEST - 1, at=NOW)

        room.given(*both, far).when(Pause(party_id=P), by=ANA, after=60).then(
            Paused(by=ANA, position=LONGEST, at=later(60))
        )


class TestSeek:
    def test_the_host_moves_everybody_and_playback_goes_on(self) -> None:
        example = room.given(*playing).when(Seek(party_id=P, position=300.0), by=ANA, after=4)

        example.then(Sought(by=ANA, position=300.0, at=later(4)))
        assert place(decider.fold([*playing, *example.outcome()]), later(5)) == 301.0

    def test_the_host_moves_everybody_and_playback_still_stands(self) -> None:
        example = room.given(*both).when(Seek(party_id=P, position=300.0), by=ANA, after=4)

        example.then(Sought(by=ANA, position=300.0, at=later(4)))
        assert place(decider.fold([*both, *example.outcome()]), later(5)) == 300.0

    @pytest.mark.parametrize("position", [12.0, 12.04, 11.96])
    def test_where_everybody_is_already_nothing_changes(self, position: float) -> None:
        room.given(*playing).when(Seek(party_id=P, position=position), by=ANA, after=4).then()


class TestClose:
    close = Close(party_id=P)

    def test_the_host_ends_the_party_for_everybody(self) -> None:
        example = room.given(*both).when(self.close, by=ANA, after=3)

        example.then(Closed(by=ANA, reason="closed", at=later(3)))
        assert example.outcome()[0].ends() == ("closed", None)

    def test_closing_it_again_changes_nothing(self) -> None:
        room.given(*closed).when(self.close, by=ANA).then()

    def test_somebody_else_is_told_that_it_is_closed(self) -> None:
        room.given(*closed).when(self.close, by=BOB).then_rejected("party-closed")


class TestExpire:
    expire = Expire(party_id=P)

    def test_a_party_in_which_nothing_happens_for_a_day_is_closed(self) -> None:
        room.given(*playing).when(self.expire, by="system:parties", after=2 + DAY).then(
            Closed(by="system:parties", reason="expired", at=later(2 + DAY))
        )

    def test_the_timer_was_too_early(self) -> None:
        room.given(*playing).when(self.expire, by="system:parties", after=1.999 + DAY).then()

    def test_a_closed_party_and_none_at_all_cannot_expire(self) -> None:
        room.given(*closed).when(self.expire, by="system:parties", after=9 * DAY).then()
        room.when(self.expire, by="system:parties").then()


CONTROLS = (Play(party_id=P), Pause(party_id=P), Seek(party_id=P, position=50.0), Close(party_id=P))


@pytest.mark.parametrize("control", CONTROLS, ids=lambda c: c.function)
class TestControls:
    def test_need_a_party(self, control: PartyCommand) -> None:
        room.when(control, by=ANA).then_rejected("no-such-party")

    def test_need_an_open_party(self, control: PartyCommand) -> None:
        room.given(*closed).when(control, by=BOB).then_rejected("party-closed")

    def test_are_for_members(self, control: PartyCommand) -> None:
        room.given(*both).when(control, by=CYD).then_rejected("not-a-member")

    def test_are_for_the_host(self, control: PartyCommand) -> None:
        room.given(*both).when(control, by=BOB).then_rejected("not-the-host")

    def test_pass_to_the_next_host(self, control: PartyCommand) -> None:
        gone = (Left(uid=ANA, private=False, at=NOW), HostChanged(uid=BOB, reason="host-left", at=NOW))

        room.given(*both, *gone).when(control, by=ANA).then_rejected("not-a-member")
        room.given(*both, *gone).when(control, by=BOB).outcome()


# Properties: whatever people do, in whatever order.

people = st.sampled_from([ANA, BOB, CYD, "dan"])
places = st.one_of(st.none(), st.floats(min_value=0, max_value=LONGEST))
wishes = st.one_of(
    st.just(friday),
    st.builds(Join, party_id=st.just(P), name=st.sampled_from(["Somebody", None])),
    st.just(Leave(party_id=P)),
    st.builds(Play, party_id=st.just(P), position=places),
    st.builds(Pause, party_id=st.just(P), position=places),
    st.builds(Seek, party_id=st.just(P), position=st.floats(min_value=0, max_value=LONGEST)),
    st.just(Close(party_id=P)),
    st.just(Expire(party_id=P)),
)
steps = st.lists(st.tuples(people, wishes, st.sampled_from([0.0, 0.3, 7.5, DAY])), max_size=40)


def carry_out(command: PartyCommand, party: Party, context: Context) -> list[PartyEvent]:
    refusal = ""
    try:
        return decide(command, party, context)
    except Rejected as rejected:
        refusal = rejected.code
    assert refusal in {*command.errors, "key-reused"}
    return []


@given(steps)
def test_whatever_people_do_an_open_party_has_one_host_who_is_a_member(
    steps: list[tuple[str, PartyCommand, float]],
) -> None:
    party, now, history = decider.initial, NOW, list[PartyEvent]()
    for actor, command, pause in steps:
        now += timedelta(seconds=pause)
        context = Context(actor=actor, now=now, command_id=P)
        events = carry_out(command, party, context)
        party = decider.fold(events, party)
        history += events

        if party.opened_by and not party.closed_by:
            assert party.host in party.members
        assert 0 <= place(party, now) <= LONGEST
        assert carry_out(command, party, context) == [], "the same wish again"
    assert decider.fold(history) == party
    assert msgspec.convert(msgspec.json.decode(msgspec.json.encode(party)), Party) == party, "as a snapshot"
    assert sum(isinstance(event, Closed) for event in history) <= 1
    assert not any(isinstance(event, Closed) for event in history[:-1]), "nothing happens in a closed party"


@settings(max_examples=50)
@given(st.lists(st.one_of(*(st.from_type(event) for event in EVENTS))))
def test_no_history_is_too_odd_to_be_remembered(history: list[PartyEvent]) -> None:
    decider.fold(history)


def test_a_full_party_stays_small() -> None:
    members = (joined(f"{n:032x}") for n in range(MEMBERS))

    assert len(msgspec.json.encode(room.given(*opened, *members).state())) < 128 * 1024


def test_what_is_not_about_members_does_not_copy_them() -> None:
    before = room.given(*both).state()

    assert decider.evolve(before, Played(by=ANA, position=1.0, at=NOW)).members is before.members
