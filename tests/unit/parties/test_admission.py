import pytest
from tests.unit.parties.examples import (
    ANA,
    BOB,
    CYD,
    DAN,
    RULES,
    P,
    both,
    closed,
    cohost,
    configured,
    gone_on,
    joined,
    later,
    opened,
    room,
    started,
    three,
    waiting,
)

from events.contracts.party import (
    MEMBERS,
    Banned,
    Closed,
    HostChanged,
    Join,
    Joined,
    Kicked,
    Leave,
    Left,
    Locked,
    Open,
    Opened,
    OpenedParty,
    Unbanned,
)
from events.messages import Context
from events.testing import NOW

friday = Open(title="Friday", media="tt0133093", name="Ana")
SECRET = "00000000000f463c" + "5" * 48
"""1,001,020 in hexadecimal, of which a key shows six digits."""


def keyed(command: Open) -> Opened:
    event, _ = room.when(command, by=ANA, secret=SECRET).outcome()
    assert isinstance(event, Opened)
    return event


class TestOpen:
    def test_who_opens_a_party_is_its_host_and_first_member(self) -> None:
        room.when(friday, by=ANA).then(*opened)

    def test_the_name_in_the_token_serves_when_none_is_given(self) -> None:
        room.when(Open(title="Friday", media="tt0133093"), by=ANA, name="Ana").then(*opened)

    def test_a_name_in_a_token_is_cut_to_what_a_name_may_be(self) -> None:
        _, host = room.when(Open(title="t", media="m"), by=ANA, name="  A\0" + "n" * 100).outcome()

        assert host == Joined(uid=ANA, name="A" + "n" * 63, at=NOW)

    def test_all_that_is_known_of_what_is_watched_is_kept(self) -> None:
        told = Open(
            title="t", media="tt0944947", media_title="A series", season=1, episode=2, source="magnet:?x", file_index=3,
            name="Ana", avatar="cat",
        )  # fmt: skip

        room.when(told, by=ANA).then(
            Opened(
                party_id=P, host=ANA, title="t", media="tt0944947", media_title="A series", season=1, episode=2,
                source="magnet:?x", file_index=3, private=False, at=NOW,
            ),
            Joined(uid=ANA, name="Ana", avatar="cat", at=NOW),
        )  # fmt: skip

    def test_the_party_is_the_one_that_the_answer_names(self) -> None:
        event, _ = room.when(friday, by=ANA).outcome()

        assert isinstance(event, Opened)
        assert friday.result(Context(actor=ANA, now=NOW, command_id=f"{P}0c0mmand0cc")) == OpenedParty(P)
        assert event.party_id == P

    def test_opening_it_again_changes_nothing_even_after_it_was_closed(self) -> None:
        room.given(*closed).when(friday, by=ANA).then()

    def test_somebody_elses_party_is_not_given_away(self) -> None:
        room.given(*opened).when(friday, by=BOB).then_rejected("key-reused")

    @pytest.mark.parametrize("name", [None, " ", "\t\n"])
    def test_nobody_is_host_without_a_name(self, name: str | None) -> None:
        room.when(Open(title="t", media="m", name=name), by=ANA).then_rejected("name-missing")

    def test_nobody_opens_a_party_unknown(self) -> None:
        room.when(friday).then_rejected("not-signed-in")


class TestOpenPrivate:
    private = Open(title="Friday", media="tt0133093", name="Ana", private=True)
    chosen = Open(title="Friday", media="tt0133093", name="Ana", private=True, key="123456")

    def test_the_key_of_ones_own_choice_is_kept_as_a_digest_alone(self) -> None:
        event = keyed(self.chosen)

        assert event.key == RULES.sealed(P, "123456")
        assert "123456" not in repr(event)

    def test_a_key_is_made_if_none_is_chosen_and_the_answer_tells_it(self) -> None:
        answer = self.private.result(Context(actor=ANA, now=NOW, command_id=P, secret=SECRET))

        assert answer == OpenedParty(P, "001020")
        assert keyed(self.private).key == RULES.sealed(P, "001020")

    def test_another_partys_digest_of_the_same_key_is_another(self) -> None:
        assert RULES.sealed(P, "123456") != RULES.sealed("another", "123456")

    def test_a_public_party_has_no_key(self) -> None:
        public = Open(title="Friday", media="tt0133093", name="Ana", key="123456")

        assert keyed(public).key == ""
        assert public.result(Context(actor=ANA, now=NOW, command_id=P, secret=SECRET)) == OpenedParty(P)


class TestJoin:
    join = Join(party_id=P, name="Bob")

    def test_somebody_becomes_a_member(self) -> None:
        room.given(*opened).when(self.join, by=BOB, after=1).then(joined(BOB, 1))

    def test_with_an_avatar(self) -> None:
        room.given(*opened).when(Join(party_id=P, avatar="cat"), by=BOB, name="Bob").then(
            Joined(uid=BOB, name="Bob", avatar="cat", at=NOW)
        )

    def test_a_member_stays_a_member(self) -> None:
        room.given(*both).when(self.join, by=BOB).then()
        room.given(*both).when(Join(party_id=P), by=BOB).then()

    @pytest.mark.parametrize("name", [None, " "])
    def test_nobody_joins_without_a_name(self, name: str | None) -> None:
        room.given(*opened).when(Join(party_id=P, name=name), by=BOB).then_rejected("name-missing")

    def test_there_must_be_a_party(self) -> None:
        room.when(self.join, by=BOB).then_rejected("no-such-party")

    def test_a_closed_party_takes_nobody(self) -> None:
        room.given(*closed).when(self.join, by=CYD).then_rejected("party-closed")

    def test_a_full_party_takes_nobody_but_keeps_its_members(self) -> None:
        full = room.given(*opened, *(joined(f"guest-{n}") for n in range(MEMBERS - 1)))

        full.when(self.join, by=BOB).then_rejected("party-full", members=MEMBERS)
        full.when(self.join, by="guest-7").then()

    def test_a_party_is_full_when_its_host_says_so(self) -> None:
        room.given(*both, configured(capacity=2)).when(self.join, by=CYD).then_rejected("party-full", members=2)

    def test_who_was_in_before_the_party_became_smaller_stays_in(self) -> None:
        small = room.given(*three, configured(capacity=2))

        small.when(self.join, by=CYD).then()
        assert set(small.state().members) == {ANA, BOB, CYD}

    def test_who_was_put_out_may_come_back(self) -> None:
        room.given(*both, Kicked(uid=BOB, by=ANA, at=later(2))).when(self.join, by=BOB, after=3).then(joined(BOB, 3))

    def test_who_is_banned_may_not_until_the_ban_is_lifted(self) -> None:
        banned = Banned(uid=BOB, by=ANA, at=later(2))

        room.given(*both, banned).when(self.join, by=BOB).then_rejected("banned")
        room.given(*both, banned, Unbanned(uid=BOB, by=ANA, at=later(3))).when(self.join, by=BOB, after=4).then(
            joined(BOB, 4)
        )

    def test_a_locked_party_takes_nobody_but_keeps_its_members(self) -> None:
        locked = room.given(*both, Locked(locked=True, by=ANA, at=later(2)))

        locked.when(self.join, by=CYD).then_rejected("party-locked")
        locked.when(self.join, by=BOB).then()

    def test_an_unlocked_one_takes_people_again(self) -> None:
        locked = (Locked(locked=True, by=ANA, at=later(2)), Locked(locked=False, by=ANA, at=later(3)))

        room.given(*opened, *locked).when(self.join, by=BOB, after=4).then(joined(BOB, 4))


class TestJoinPrivate:
    private = (started(private=True, key="123456"), joined(ANA), joined(BOB, 1))
    unseen = (*private, Left(uid=BOB, private=True, reason="unseen", at=later(2)))
    right = Join(party_id=P, name="Bob", key="123456")

    def test_the_key_opens_it(self) -> None:
        room.given(*self.private[:2]).when(self.right, by=BOB, after=1).then(joined(BOB, 1))

    def test_without_it_the_party_asks_for_it(self) -> None:
        room.given(*self.private).when(Join(party_id=P, name="Cyd"), by=CYD).then_rejected("key-needed")

    def test_another_one_is_wrong(self) -> None:
        wrong = Join(party_id=P, name="Cyd", key="123457")

        room.given(*self.private).when(wrong, by=CYD).then_rejected("wrong-key")

    def test_a_member_needs_none(self) -> None:
        room.given(*self.private).when(Join(party_id=P, key="000000"), by=BOB).then()

    def test_who_dropped_out_of_sight_comes_back_without_it(self) -> None:
        room.given(*self.unseen).when(Join(party_id=P, name="Bob"), by=BOB, after=3).then(joined(BOB, 3))

    def test_and_even_though_the_party_was_locked_since(self) -> None:
        locked = (*self.unseen, Locked(locked=True, by=ANA, at=later(3)))

        room.given(*locked).when(Join(party_id=P, name="Bob"), by=BOB, after=4).then(joined(BOB, 4))

    def test_but_not_when_banned_since(self) -> None:
        banned = (*self.unseen, Banned(uid=BOB, by=ANA, at=later(3)))

        room.given(*banned).when(self.right, by=BOB).then_rejected("banned")

    def test_nor_into_a_party_that_is_full_by_now(self) -> None:
        full = (*self.unseen, configured(capacity=1))

        room.given(*full).when(self.right, by=BOB).then_rejected("party-full", members=1)

    def test_who_left_or_was_put_out_needs_it_again(self) -> None:
        for gone in (Left(uid=BOB, private=True, at=later(2)), Kicked(uid=BOB, by=ANA, at=later(2))):
            room.given(*self.private, gone).when(Join(party_id=P, name="Bob"), by=BOB).then_rejected("key-needed")

    def test_a_private_party_from_before_there_were_keys_is_opened_by_its_id(self) -> None:
        room.given(started(private=True), joined(ANA)).when(Join(party_id=P, name="Bob"), by=BOB, after=1).then(
            joined(BOB, 1)
        )

    def test_who_may_not_come_in_anyway_learns_nothing_about_the_key(self) -> None:
        locked = (*self.private, Locked(locked=True, by=ANA, at=later(2)), Banned(uid=DAN, by=ANA, at=later(2)))

        for key in ("123456", "000000"):
            join = Join(party_id=P, name="Somebody", key=key)
            room.given(*locked).when(join, by=CYD).then_rejected("party-locked")
            room.given(*locked).when(join, by=DAN).then_rejected("banned")


class TestLeave:
    leave = Leave(party_id=P)

    def test_a_member_leaves(self) -> None:
        room.given(*both).when(self.leave, by=BOB).then(Left(uid=BOB, private=False, at=NOW))

    def test_leaving_a_private_party_ends_the_right_to_follow_it(self) -> None:
        (left,) = room.given(started(private=True), joined(ANA), joined(BOB)).when(self.leave, by=BOB).outcome()

        assert left.ends() == ("left", BOB)

    def test_leaving_a_public_party_does_not(self) -> None:
        (left,) = room.given(*both).when(self.leave, by=BOB).outcome()

        assert left.ends() is None

    def test_the_last_one_closes_the_party(self) -> None:
        room.given(*opened).when(self.leave, by=ANA).then(
            Left(uid=ANA, private=False, at=NOW), Closed(by=ANA, reason="empty", at=NOW)
        )

    def test_there_is_nothing_to_leave_in_a_closed_party(self) -> None:
        for uid in (ANA, BOB, CYD):
            room.given(*closed).when(self.leave, by=uid).then()

    def test_who_is_no_member_cannot_leave(self) -> None:
        room.given(*both).when(self.leave, by=CYD).then_rejected("not-a-member")

    def test_leaving_twice_is_told(self) -> None:
        room.given(*both, Left(uid=BOB, private=False, at=later(2))).when(self.leave, by=BOB).then_rejected(
            "not-a-member"
        )

    def test_there_must_be_a_party(self) -> None:
        room.when(self.leave, by=BOB).then_rejected("no-such-party")


class TestLeavingWhileThePartyWaits:
    leave = Leave(party_id=P)

    def test_it_goes_on_without_the_one_whom_it_waited_for(self) -> None:
        room.given(*three, waiting(BOB)).when(self.leave, by=BOB, after=9).then(
            Left(uid=BOB, private=False, at=later(9)), gone_on(9)
        )

    def test_it_waits_for_the_others(self) -> None:
        example = room.given(*three, waiting(BOB, CYD)).when(self.leave, by=BOB, after=9)

        example.then(Left(uid=BOB, private=False, at=later(9)))
        still = room.given(*three, waiting(BOB, CYD), *example.outcome()).state().waiting
        assert still is not None
        assert still.waits_for == (CYD,)

    def test_the_next_host_is_known_before_it_goes_on(self) -> None:
        room.given(*three, cohost(BOB, 3), waiting(ANA, by=BOB)).when(self.leave, by=ANA, after=9).then(
            Left(uid=ANA, private=False, at=later(9)),
            HostChanged(uid=BOB, reason="host-left", at=later(9)),
            gone_on(9),
        )

    def test_the_last_one_does_not_play_on_in_a_closed_party(self) -> None:
        left = Left(uid=BOB, private=False, at=later(3))

        room.given(*both, left, waiting(ANA)).when(self.leave, by=ANA, after=9).then(
            Left(uid=ANA, private=False, at=later(9)), Closed(by=ANA, reason="empty", at=later(9))
        )


class TestHeir:
    leave = Leave(party_id=P)

    def assert_heir(self, uid: str, *history: object, present: frozenset[str] = frozenset()) -> None:
        left = room.given(*history).when(self.leave, by=ANA, after=9, ambient={"present": present})  # type: ignore[arg-type]
        left.then(Left(uid=ANA, private=False, at=later(9)), HostChanged(uid=uid, reason="host-left", at=later(9)))

    def test_the_earliest_member_inherits_from_the_host(self) -> None:
        self.assert_heir(CYD, *opened, joined(CYD, 1), joined(BOB, 2))

    def test_who_came_back_is_not_the_earliest_any_more(self) -> None:
        left = Left(uid=BOB, private=False, at=later(3))

        self.assert_heir(CYD, *opened, joined(BOB, 1), joined(CYD, 2), left, joined(BOB, 4))

    def test_of_two_who_joined_at_one_instant_the_one_listed_first_inherits(self) -> None:
        self.assert_heir(BOB, *opened, joined(CYD, 1), joined(BOB, 1))

    def test_a_cohost_inherits_before_earlier_members(self) -> None:
        self.assert_heir(CYD, *three, cohost(CYD, 3))

    def test_of_two_cohosts_the_earlier_member(self) -> None:
        self.assert_heir(BOB, *three, cohost(CYD, 3), cohost(BOB, 4))

    def test_who_is_there_inherits_before_a_cohost_who_is_not(self) -> None:
        self.assert_heir(CYD, *three, cohost(BOB, 3), present=frozenset({ANA, CYD}))

    def test_of_those_who_are_there_a_cohost_inherits_first(self) -> None:
        self.assert_heir(CYD, *three, cohost(CYD, 3), present=frozenset({BOB, CYD}))

    def test_when_nobody_else_is_there_somebody_inherits_all_the_same(self) -> None:
        self.assert_heir(BOB, *three, present=frozenset({ANA, DAN}))
