from datetime import timedelta
from typing import Any

import pytest
from tests.unit.parties.examples import (
    ANA,
    BOB,
    CYD,
    DAN,
    SYSTEM,
    P,
    allowed,
    both,
    closed,
    cohost,
    configured,
    gone_on,
    joined,
    later,
    opened,
    room,
    staffed,
    started,
    three,
    waiting,
)

from events.contracts.party import (
    BANNED,
    Appoint,
    Ban,
    Banned,
    Dismiss,
    Drop,
    Find,
    HandOver,
    HostChanged,
    HostMissed,
    HostReturned,
    Kick,
    Kicked,
    Left,
    Miss,
    PartyCommand,
    PartyEvent,
    Profile,
    ProfileChanged,
    RoleChanged,
    Succeed,
    Unban,
    Unbanned,
)
from events.testing import NOW

MANAGING = (
    Kick(party_id=P, uid=CYD),
    Ban(party_id=P, uid=CYD),
    Unban(party_id=P, uid=CYD),
    Appoint(party_id=P, uid=CYD),
    Dismiss(party_id=P, uid=CYD),
    HandOver(party_id=P, uid=CYD),
)


class TestProfile:
    def test_a_member_goes_by_another_name(self) -> None:
        room.given(*both).when(Profile(party_id=P, name="  Bobby\0 "), by=BOB).then(
            ProfileChanged(uid=BOB, name="Bobby", at=NOW)
        )

    def test_what_is_not_given_stays_and_what_is_empty_goes(self) -> None:
        room.given(*both).when(Profile(party_id=P, avatar="", status="getting tea"), by=BOB).then(
            ProfileChanged(uid=BOB, avatar="", status="getting tea", at=NOW)
        )

    def test_nothing_given_changes_nothing(self) -> None:
        room.given(*both).when(Profile(party_id=P), by=BOB).then()

    def test_a_name_is_more_than_blanks(self) -> None:
        room.given(*both).when(Profile(party_id=P, name=" \t", status="here"), by=BOB).then_rejected("name-missing")

    def test_is_for_members_of_open_parties(self) -> None:
        profile = Profile(party_id=P, name="Bobby")

        room.when(profile, by=BOB).then_rejected("no-such-party")
        room.given(*closed).when(profile, by=BOB).then_rejected("party-closed")
        room.given(*both).when(profile, by=CYD).then_rejected("not-a-member")
        room.given(*both).when(profile).then_rejected("not-signed-in")

    def test_everybody_hears_who_changed_but_reads_the_names_themselves(self) -> None:
        assert ProfileChanged.public == ("uid", "at")


@pytest.mark.parametrize("managing", MANAGING, ids=lambda command: command.function)
class TestManaging:
    def test_needs_somebody_who_is_signed_in(self, managing: PartyCommand) -> None:
        room.given(*staffed).when(managing).then_rejected("not-signed-in")

    def test_needs_a_party(self, managing: PartyCommand) -> None:
        room.when(managing, by=ANA).then_rejected("no-such-party")

    def test_needs_an_open_party(self, managing: PartyCommand) -> None:
        room.given(*closed).when(managing, by=ANA).then_rejected("party-closed")

    def test_is_for_members(self, managing: PartyCommand) -> None:
        room.given(*staffed).when(managing, by=DAN).then_rejected("not-a-member")

    def test_is_not_for_everyone(self, managing: PartyCommand) -> None:
        room.given(*staffed, joined(DAN)).when(managing, by=DAN).then_rejected("not-the-host")

    def test_passes_to_the_next_host(self, managing: PartyCommand) -> None:
        inherited = (*staffed, HostChanged(uid=BOB, reason="host-gone", at=NOW))

        room.given(*inherited).when(managing, by=ANA).then_rejected("not-the-host")
        room.given(*inherited).when(managing, by=BOB).outcome()


class TestKick:
    kick = Kick(party_id=P, uid=CYD, reason="spoilers")
    kicked = Kicked(uid=CYD, by=ANA, reason="spoilers", at=NOW)

    def test_the_host_puts_a_member_out(self) -> None:
        example = room.given(*three).when(self.kick, by=ANA)

        example.then(self.kicked)
        assert self.kicked.ends() == ("kicked", CYD)
        assert CYD not in room.given(*three, self.kicked).state().members

    def test_a_cohost_may_too(self) -> None:
        (kicked,) = room.given(*staffed).when(self.kick, by=BOB).outcome()

        assert kicked == Kicked(uid=CYD, by=BOB, reason="spoilers", at=NOW)

    def test_and_whoever_the_host_allows_it(self) -> None:
        room.given(*three, allowed(people="member")).when(self.kick, by=BOB).outcome()
        room.given(*staffed, allowed(people="host")).when(self.kick, by=BOB).then_rejected(
            "not-the-host", action="people", needs="host"
        )

    def test_a_member_may_not(self) -> None:
        room.given(*three).when(self.kick, by=BOB).then_rejected("not-the-host", action="people", needs="cohost")

    def test_nobody_puts_out_the_host(self) -> None:
        room.given(*staffed).when(Kick(party_id=P, uid=ANA), by=BOB).then_rejected("not-the-host", needs="host")

    def test_only_the_host_puts_out_a_cohost(self) -> None:
        crew = (*staffed, cohost(CYD, 4))

        room.given(*crew).when(self.kick, by=BOB).then_rejected("not-the-host", action="people", needs="host")
        room.given(*crew).when(self.kick, by=ANA).then(self.kicked)

    @pytest.mark.parametrize("uid", [ANA, BOB])
    def test_nobody_puts_themselves_out(self, uid: str) -> None:
        room.given(*staffed).when(Kick(party_id=P, uid=uid), by=uid).then_rejected("invalid-argument", field="uid")

    def test_who_is_not_in_cannot_be_put_out(self) -> None:
        room.given(*both).when(self.kick, by=ANA).then_rejected("no-such-member", uid=CYD)
        room.given(*three, self.kicked).when(self.kick, by=ANA).then_rejected("no-such-member")


class TestBan:
    ban = Ban(party_id=P, uid=CYD, reason="spoilers")
    banned = Banned(uid=CYD, by=ANA, reason="spoilers", at=NOW)

    def test_the_host_puts_a_member_out_for_good(self) -> None:
        room.given(*three).when(self.ban, by=ANA).then(self.banned)

        assert self.banned.ends() == ("banned", CYD)
        state = room.given(*three, self.banned).state()
        assert CYD not in state.members
        assert state.banned == (CYD,)

    def test_or_somebody_who_is_no_member(self) -> None:
        room.given(*both).when(self.ban, by=ANA).then(self.banned)

    def test_a_ban_repeated_changes_nothing(self) -> None:
        room.given(*three, self.banned).when(self.ban, by=ANA).then()

    def test_a_cohost_may_too_but_not_a_member(self) -> None:
        room.given(*staffed).when(self.ban, by=BOB).outcome()
        room.given(*three).when(self.ban, by=BOB).then_rejected("not-the-host", action="people", needs="cohost")

    def test_nobody_bans_the_host_and_only_the_host_a_cohost(self) -> None:
        crew = room.given(*staffed, cohost(CYD, 4))

        crew.when(Ban(party_id=P, uid=ANA), by=BOB).then_rejected("not-the-host", action="people", needs="host")
        crew.when(self.ban, by=BOB).then_rejected("not-the-host", action="people", needs="host")
        crew.when(self.ban, by=ANA).then(self.banned)

    def test_nobody_bans_themselves(self) -> None:
        room.given(*staffed).when(Ban(party_id=P, uid=ANA), by=ANA).then_rejected("invalid-argument", field="uid")

    def test_so_many_and_no_more(self) -> None:
        full = room.given(*both, *(Banned(uid=f"troll-{n}", by=ANA, at=NOW) for n in range(BANNED)))

        full.when(self.ban, by=ANA).then_rejected("too-many-bans", bans=BANNED)
        full.when(Ban(party_id=P, uid="troll-7"), by=ANA).then()


class TestUnban:
    unban = Unban(party_id=P, uid=CYD)
    banned = (*staffed, Banned(uid=CYD, by=ANA, at=later(4)))

    @pytest.mark.parametrize("uid", [ANA, BOB])
    def test_a_ban_is_lifted(self, uid: str) -> None:
        room.given(*self.banned).when(self.unban, by=uid).then(Unbanned(uid=CYD, by=uid, at=NOW))

    def test_where_there_is_none_nothing_changes(self) -> None:
        room.given(*staffed).when(self.unban, by=ANA).then()
        room.given(*self.banned, Unbanned(uid=CYD, by=ANA, at=later(5))).when(self.unban, by=ANA).then()

    def test_a_member_may_not(self) -> None:
        room.given(*self.banned, joined(DAN, 5)).when(self.unban, by=DAN).then_rejected(
            "not-the-host", action="people", needs="cohost"
        )


class TestAppoint:
    appoint = Appoint(party_id=P, uid=BOB)

    def test_the_host_makes_a_member_cohost(self) -> None:
        room.given(*three).when(self.appoint, by=ANA).then(RoleChanged(uid=BOB, role="cohost", by=ANA, at=NOW))

    def test_who_is_cohost_or_more_is_so_already(self) -> None:
        room.given(*staffed).when(self.appoint, by=ANA).then()
        room.given(*staffed).when(Appoint(party_id=P, uid=ANA), by=ANA).then()

    def test_a_cohost_may_not(self) -> None:
        room.given(*staffed).when(Appoint(party_id=P, uid=CYD), by=BOB).then_rejected(
            "not-the-host", action="appoint", needs="host"
        )

    def test_only_a_member_can_be_cohost(self) -> None:
        room.given(*both).when(Appoint(party_id=P, uid=CYD), by=ANA).then_rejected("no-such-member", uid=CYD)

    def test_a_cohost_who_left_comes_back_as_a_member(self) -> None:
        back = (*staffed, Left(uid=BOB, private=False, at=later(4)), joined(BOB, 5))

        assert room.given(*back).state().rank(BOB) == 0


class TestDismiss:
    dismiss = Dismiss(party_id=P, uid=BOB)

    @pytest.mark.parametrize("uid", [ANA, BOB])
    def test_by_the_host_or_in_person(self, uid: str) -> None:
        room.given(*staffed).when(self.dismiss, by=uid).then(RoleChanged(uid=BOB, role="member", by=uid, at=NOW))

    def test_a_member_is_no_cohost_already(self) -> None:
        room.given(*three).when(self.dismiss, by=ANA).then()
        room.given(*three).when(self.dismiss, by=BOB).then()

    def test_another_cohost_may_not(self) -> None:
        room.given(*staffed, cohost(CYD, 4)).when(self.dismiss, by=CYD).then_rejected(
            "not-the-host", action="dismiss", needs="host"
        )

    def test_the_host_hands_over_instead(self) -> None:
        room.given(*staffed).when(Dismiss(party_id=P, uid=ANA), by=ANA).then_rejected("invalid-argument", field="uid")
        room.given(*staffed).when(Dismiss(party_id=P, uid=ANA), by=BOB).then_rejected("not-the-host")

    def test_who_is_not_in_has_no_role(self) -> None:
        room.given(*both).when(Dismiss(party_id=P, uid=CYD), by=ANA).then_rejected("no-such-member", uid=CYD)


class TestHandOver:
    hand_over = HandOver(party_id=P, uid=BOB)

    def test_another_member_is_host_and_the_old_one_cohost(self) -> None:
        changed = HostChanged(uid=BOB, reason="handed-over", at=NOW)

        room.given(*three).when(self.hand_over, by=ANA).then(changed)
        state = room.given(*three, changed).state()
        assert (state.host, state.rank(BOB), state.rank(ANA)) == (BOB, 2, 1)

    def test_to_oneself_changes_nothing(self) -> None:
        room.given(*three).when(HandOver(party_id=P, uid=ANA), by=ANA).then()

    def test_only_to_a_member(self) -> None:
        room.given(*both).when(HandOver(party_id=P, uid=CYD), by=ANA).then_rejected("no-such-member", uid=CYD)

    def test_a_cohost_may_not_take_over(self) -> None:
        room.given(*staffed).when(self.hand_over, by=BOB).then_rejected(
            "not-the-host", action="hand_over", needs="host"
        )


# What is observed.

MISSED = HostMissed(uid=ANA, since=later(10), until=later(130), at=later(20))
missed = (*three, MISSED)


def here(*uids: str) -> dict[str, Any]:
    return {"ambient": {"present": frozenset(uids)}}


def miss(since: float, uid: str = ANA) -> Miss:
    return Miss(party_id=P, uid=uid, since=(NOW + timedelta(seconds=since)).timestamp())


class TestMiss:
    def test_the_host_is_missed_and_the_grace_runs_since_they_were_last_seen(self) -> None:
        room.given(*three).when(miss(10), by=SYSTEM, after=20).then(MISSED)

    def test_a_party_may_wait_for_its_host_for_ever(self) -> None:
        room.given(*three, configured(grace_seconds=0.0)).when(miss(10), by=SYSTEM, after=20).then(
            HostMissed(uid=ANA, since=later(10), until=None, at=later(20))
        )

    def test_nobody_is_missed_twice(self) -> None:
        room.given(*missed).when(miss(11), by=SYSTEM, after=21).then()

    def test_only_the_host_is(self) -> None:
        room.given(*three).when(miss(10, BOB), by=SYSTEM, after=20).then()

    def test_nobody_who_is_there_is(self) -> None:
        room.given(*three).when(miss(10), by=SYSTEM, after=20, **here(ANA)).then()

    @pytest.mark.parametrize("since", [99.0, 1e18])
    def test_not_since_a_time_to_come(self, since: float) -> None:
        (event,) = room.given(*three).when(Miss(party_id=P, uid=ANA, since=NOW.timestamp() + since),
                                           by=SYSTEM, after=20).outcome()  # fmt: skip

        assert isinstance(event, HostMissed)
        assert event.since == later(20)

    @pytest.mark.parametrize("since", [0.0, -1e18])
    def test_nor_since_before_they_came(self, since: float) -> None:
        (event,) = room.given(*three).when(Miss(party_id=P, uid=ANA, since=since), by=SYSTEM, after=20).outcome()

        assert isinstance(event, HostMissed)
        assert event.since == NOW


class TestFind:
    def test_the_host_is_back(self) -> None:
        room.given(*missed).when(Find(party_id=P, uid=ANA), by=SYSTEM, after=30).then(
            HostReturned(uid=ANA, at=later(30))
        )

    def test_who_was_not_missed_is_not_back(self) -> None:
        back = HostReturned(uid=ANA, at=later(30))

        room.given(*three).when(Find(party_id=P, uid=ANA), by=SYSTEM).then()
        room.given(*missed, back).when(Find(party_id=P, uid=ANA), by=SYSTEM, after=31).then()

    def test_nor_is_somebody_else(self) -> None:
        room.given(*missed).when(Find(party_id=P, uid=BOB), by=SYSTEM, after=30).then()


class TestSucceed:
    succeed = Succeed(party_id=P)

    def assert_succeeded(self, uid: str, *history: PartyEvent, present: tuple[str, ...], after: float = 130) -> None:
        room.given(*history).when(self.succeed, by=SYSTEM, after=after, **here(*present)).then(
            HostChanged(uid=uid, reason="host-gone", at=later(after))
        )

    def test_the_earliest_who_is_there_follows_a_host_who_is_gone(self) -> None:
        self.assert_succeeded(BOB, *missed, present=(BOB, CYD))
        self.assert_succeeded(CYD, *missed, present=(CYD, DAN))

    def test_a_cohost_comes_first(self) -> None:
        self.assert_succeeded(CYD, *missed, cohost(CYD, 21), present=(BOB, CYD))

    def test_the_old_host_stays_as_a_member(self) -> None:
        state = room.given(*missed, HostChanged(uid=BOB, reason="host-gone", at=later(130))).state()

        assert (state.rank(BOB), state.rank(ANA), state.missed) == (2, 0, None)

    def test_the_grace_is_what_the_host_has_set(self) -> None:
        self.assert_succeeded(BOB, *three, configured(grace_seconds=5.0), MISSED, present=(BOB,), after=15)

    def test_the_timer_was_too_early(self) -> None:
        room.given(*missed).when(self.succeed, by=SYSTEM, after=129.9, **here(BOB)).then()

    def test_a_host_who_is_back_is_not_succeeded(self) -> None:
        back = (*missed, HostReturned(uid=ANA, at=later(30)))

        room.given(*back).when(self.succeed, by=SYSTEM, after=130, **here(BOB)).then()
        room.given(*missed).when(self.succeed, by=SYSTEM, after=130, **here(ANA, BOB)).then()

    def test_nor_is_one_whose_party_waits_for_ever(self) -> None:
        patient = (*three, configured(grace_seconds=0.0), MISSED)

        room.given(*patient).when(self.succeed, by=SYSTEM, after=9_999, **here(BOB)).then()

    @pytest.mark.parametrize("ambient", [{}, here(), here(DAN)])
    def test_nor_when_nobody_is_there_to_follow(self, ambient: dict[str, Any]) -> None:
        room.given(*missed).when(self.succeed, by=SYSTEM, after=130, **ambient).then()

    def test_a_host_who_takes_over_is_not_missed_yet(self) -> None:
        changed = (*missed, HostChanged(uid=BOB, reason="host-gone", at=later(130)))

        room.given(*changed).when(self.succeed, by=SYSTEM, after=999, **here(CYD)).then()


class TestDrop:
    def test_members_out_of_sight_are_taken_off_the_list(self) -> None:
        room.given(*three).when(Drop(party_id=P, uids=(BOB, CYD)), by=SYSTEM, after=9).then(
            Left(uid=BOB, private=False, reason="unseen", at=later(9)),
            Left(uid=CYD, private=False, reason="unseen", at=later(9)),
        )

    def test_in_a_private_party_their_right_to_follow_goes_with_it(self) -> None:
        private = (started(private=True), joined(ANA), joined(BOB))

        (left,) = room.given(*private).when(Drop(party_id=P, uids=(BOB,)), by=SYSTEM).outcome()

        assert left.ends() == ("unseen", BOB)

    def test_never_the_host_nor_who_is_there_nor_who_is_no_member(self) -> None:
        drop = Drop(party_id=P, uids=(ANA, BOB, DAN))

        room.given(*three).when(drop, by=SYSTEM, **here(BOB)).then()

    def test_nobody_twice(self) -> None:
        drop = Drop(party_id=P, uids=(BOB, BOB))
        left = Left(uid=BOB, private=False, reason="unseen", at=later(9))

        room.given(*three).when(drop, by=SYSTEM, after=9).then(left)
        room.given(*three, left).when(drop, by=SYSTEM, after=9).then()


class TestPuttingOutWhomThePartyWaitsFor:
    def test_it_goes_on_without_them(self) -> None:
        held = room.given(*three, waiting(CYD))

        held.when(Kick(party_id=P, uid=CYD), by=ANA, after=9).then(Kicked(uid=CYD, by=ANA, at=later(9)), gone_on(9))
        held.when(Ban(party_id=P, uid=CYD), by=ANA, after=9).then(Banned(uid=CYD, by=ANA, at=later(9)), gone_on(9))

    def test_it_goes_on_once_all_of_them_are_dropped(self) -> None:
        held = room.given(*three, waiting(BOB, CYD))
        left = [Left(uid=uid, private=False, reason="unseen", at=later(9)) for uid in (BOB, CYD)]

        held.when(Drop(party_id=P, uids=(BOB, CYD)), by=SYSTEM, after=9).then(*left, gone_on(9))
        held.when(Drop(party_id=P, uids=(BOB,)), by=SYSTEM, after=9).then(left[0])

    def test_it_still_waits_when_somebody_else_is_put_out(self) -> None:
        held = room.given(*three, waiting(BOB))

        held.when(Kick(party_id=P, uid=CYD), by=ANA, after=9).then(Kicked(uid=CYD, by=ANA, at=later(9)))
        held.when(Ban(party_id=P, uid=DAN), by=ANA, after=9).then(Banned(uid=DAN, by=ANA, at=later(9)))
        held.when(Drop(party_id=P, uids=(CYD,)), by=SYSTEM, after=9).then(
            Left(uid=CYD, private=False, reason="unseen", at=later(9))
        )


@pytest.mark.parametrize(
    "observed",
    [miss(1), Find(party_id=P, uid=ANA), Succeed(party_id=P), Drop(party_id=P, uids=(BOB,))],
    ids=lambda command: command.function,
)
def test_what_is_observed_of_a_closed_party_or_none_is_silence(observed: PartyCommand) -> None:
    room.when(observed, by=SYSTEM).then()
    room.given(*closed).when(observed, by=SYSTEM, after=999, **here(BOB)).then()
    room.given(*opened).when(observed).then_rejected("not-signed-in")


def test_why_somebody_was_put_out_is_not_for_everybody() -> None:
    assert "reason" not in (*Kicked.public, *Banned.public)
