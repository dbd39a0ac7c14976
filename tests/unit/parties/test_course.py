from typing import Any

import msgspec
import pytest
from tests.unit.parties.examples import (
    ANA,
    BOB,
    CYD,
    DAN,
    RULES,
    SYSTEM,
    P,
    allowed,
    both,
    closed,
    configured,
    inherited,
    joined,
    later,
    opened,
    room,
    staffed,
    started,
    three,
)

from events.contracts.party import (
    EXPIRES_AFTER,
    WARNED_BEFORE,
    Close,
    Closed,
    Configure,
    Configured,
    Expire,
    Expiring,
    HostMissed,
    Kept,
    Lock,
    Locked,
    NewKey,
    PartyCommand,
    PermissionChanges,
    Permissions,
    Played,
    Rekey,
    Rekeyed,
    Settings,
    WarnOfExpiry,
)
from events.messages import Context, Rejected, arguments
from events.testing import NOW

DAY = EXPIRES_AFTER.total_seconds()
HOUR = WARNED_BEFORE.total_seconds()
SECRET = "00000000000f463c" + "5" * 48
"""1,001,020 in hexadecimal, of which a key shows six digits."""
NEW = RULES.sealed(P, "001020")

private = (started(private=True, key="123456"), joined(ANA), joined(BOB, 1))
playing = (*both, Played(by=ANA, position=10.0, at=later(2)))


@pytest.mark.parametrize(
    "command",
    [Lock(party_id=P), Configure(party_id=P, title="Saturday"), Rekey(party_id=P), Close(party_id=P)],
    ids=lambda command: command.function,
)
class TestRunning:
    def test_needs_somebody_who_is_signed_in(self, command: PartyCommand) -> None:
        room.given(*private).when(command).then_rejected("not-signed-in")

    def test_needs_a_party(self, command: PartyCommand) -> None:
        room.when(command, by=ANA).then_rejected("no-such-party")

    def test_needs_an_open_party(self, command: PartyCommand) -> None:
        room.given(*closed).when(command, by=BOB).then_rejected("party-closed")

    def test_is_for_members(self, command: PartyCommand) -> None:
        room.given(*private).when(command, by=CYD).then_rejected("not-a-member")

    def test_is_not_for_everyone(self, command: PartyCommand) -> None:
        room.given(*private).when(command, by=BOB).then_rejected("not-the-host")

    def test_passes_to_the_next_host(self, command: PartyCommand) -> None:
        room.given(*inherited).when(command, by=ANA).then_rejected("not-a-member")
        if not isinstance(command, Rekey):
            assert room.given(*inherited).when(command, by=BOB).outcome()


@pytest.mark.parametrize(
    ("command", "action"),
    [(Configure(party_id=P, capacity=5), "configure"), (Rekey(party_id=P), "rekey"), (Close(party_id=P), "close")],
)
def test_some_things_are_the_hosts_alone(command: PartyCommand, action: str) -> None:
    everybody = allowed(play="member", seek="member", media="member", queue="member", people="member")

    room.given(*staffed, everybody).when(command, by=BOB).then_rejected("not-the-host", action=action, needs="host")


class TestLock:
    lock, unlock = Lock(party_id=P), Lock(party_id=P, locked=False)
    locked = Locked(locked=True, by=ANA, at=later(4))

    def test_nobody_else_comes_in(self) -> None:
        room.given(*three).when(self.lock, by=ANA, after=4).then(self.locked)

    def test_people_come_in_again(self) -> None:
        room.given(*three, self.locked).when(self.unlock, by=ANA, after=5).then(
            Locked(locked=False, by=ANA, at=later(5))
        )

    def test_what_is_so_already_changes_nothing(self) -> None:
        room.given(*three, self.locked).when(self.lock, by=ANA).then()
        room.given(*three).when(self.unlock, by=ANA).then()

    def test_needs_the_right_over_people(self) -> None:
        room.given(*staffed).when(self.lock, by=BOB).outcome()
        room.given(*staffed).when(self.lock, by=CYD).then_rejected("not-the-host", action="people", needs="cohost")
        room.given(*staffed, allowed(people="member")).when(self.lock, by=CYD).outcome()


class TestConfigure:
    def test_what_is_given_changes_and_the_rest_stays(self) -> None:
        strict = Settings(capacity=8, grace_seconds=30.0, permissions=Permissions(play="member"))
        before = Configured(title="Friday", private=False, settings=strict, by=ANA, at=later(2))

        room.given(*both, before).when(Configure(party_id=P, title="Saturday", wait=True), by=ANA, after=3).then(
            Configured(
                title="Saturday",
                private=False,
                settings=Settings(capacity=8, grace_seconds=30.0, permissions=Permissions(play="member"), wait=True),
                by=ANA,
                at=later(3),
            )
        )

    @pytest.mark.parametrize(
        ("changes", "after"),
        [
            ({"capacity": 5}, Settings(capacity=5)),
            ({"wait": True, "wait_seconds": 10.0}, Settings(wait=True, wait_seconds=10.0)),
            ({"reference": "slowest"}, Settings(reference="slowest")),
            ({"grace_seconds": 0.0}, Settings(grace_seconds=0.0)),
            ({"queue_order": "votes"}, Settings(queue_order="votes")),
        ],
    )
    def test_every_setting(self, changes: dict[str, Any], after: Settings) -> None:
        room.given(*both).when(Configure(party_id=P, **changes), by=ANA).then(
            Configured(title="Friday", private=False, settings=after, by=ANA, at=NOW)
        )

    def test_a_part_of_the_permissions_leaves_the_others(self) -> None:
        changes = PermissionChanges(play="member", people="host")

        room.given(*both, allowed(seek="member", people="member")).when(
            Configure(party_id=P, permissions=changes), by=ANA
        ).then(
            Configured(
                title="Friday",
                private=False,
                settings=Settings(permissions=Permissions(play="member", seek="member", people="host")),
                by=ANA,
                at=NOW,
            )
        )

    def test_what_is_so_already_changes_nothing(self) -> None:
        room.given(*both).when(Configure(party_id=P), by=ANA).then()
        same = Configure(party_id=P, title="Friday", private=False, capacity=1_000, permissions=PermissionChanges())
        room.given(*both).when(same, by=ANA).then()

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("title", ""),
            ("title", "t" * 201),
            ("title", 7),
            ("capacity", 0),
            ("capacity", 1_001),
            ("capacity", "many"),
            ("wait_seconds", 0),
            ("grace_seconds", -1),
            ("reference", "fastest"),
            ("queue_order", "random"),
            ("permissions", {"play": "everybody"}),
            ("permissions", {"fly": "host"}),
            ("mood", "festive"),
        ],
    )
    def test_what_is_no_setting_is_refused_by_name(self, field: str, value: Any) -> None:
        with pytest.raises(Rejected) as refused:
            arguments(Configure, msgspec.json.encode({"party_id": P, field: value}))

        assert refused.value.code == "invalid-argument"
        assert refused.value.details["field"].startswith(field)


class TestMakingPrivate:
    make = Configure(party_id=P, private=True)

    def test_a_public_party_gets_the_key_that_the_answer_tells(self) -> None:
        told = self.make.result(Context(actor=ANA, now=NOW, command_id=P, secret=SECRET))
        example = room.given(*both).when(self.make, by=ANA, secret=SECRET)

        assert told == NewKey("001020")
        example.then(Configured(title="Friday", private=True, settings=Settings(), by=ANA, at=NOW, key=NEW))

    def test_its_followers_are_asked_for_their_right_anew(self) -> None:
        (event,) = room.given(*both).when(self.make, by=ANA, secret=SECRET).outcome()

        assert event.ends() == ("now-private", None)

    def test_a_private_party_gets_a_new_key_and_its_followers_stay(self) -> None:
        example = room.given(*private).when(self.make, by=ANA, secret=SECRET)

        example.then(Rekeyed(by=ANA, at=NOW, key=NEW))
        assert example.outcome()[0].ends() is None

    def test_with_other_settings_beside_it(self) -> None:
        both_at_once = Configure(party_id=P, private=True, capacity=5)

        room.given(*private).when(both_at_once, by=ANA, secret=SECRET).then(
            Configured(title="Friday", private=True, settings=Settings(capacity=5), by=ANA, at=NOW),
            Rekeyed(by=ANA, at=NOW, key=NEW),
        )

    @pytest.mark.parametrize("history", [both, private])
    def test_the_same_wish_again_changes_nothing(self, history: tuple[Any, ...]) -> None:
        events = room.given(*history).when(self.make, by=ANA, secret=SECRET).outcome()

        room.given(*history, *events).when(self.make, by=ANA, secret=SECRET).then()

    def test_other_settings_of_a_private_party_leave_its_key_alone(self) -> None:
        changed = room.given(*private).when(Configure(party_id=P, capacity=5), by=ANA, secret=SECRET)

        changed.then(Configured(title="Friday", private=True, settings=Settings(capacity=5), by=ANA, at=NOW))
        assert changed.outcome()[0].ends() is None
        assert room.given(*private, *changed.outcome()).state().key == RULES.sealed(P, "123456")

    def test_a_public_party_forgets_its_key(self) -> None:
        public = room.given(*private).when(Configure(party_id=P, private=False), by=ANA, secret=SECRET)

        public.then(Configured(title="Friday", private=False, settings=Settings(), by=ANA, at=NOW))
        assert room.given(*private, *public.outcome()).state().key == ""
        assert Configure(party_id=P, private=False).result(Context(actor=ANA, now=NOW, secret=SECRET)) == NewKey()


class TestRekey:
    def test_a_new_key_is_made_and_the_answer_tells_it(self) -> None:
        rekey = Rekey(party_id=P)

        room.given(*private).when(rekey, by=ANA, secret=SECRET).then(Rekeyed(by=ANA, at=NOW, key=NEW))
        assert rekey.result(Context(actor=ANA, now=NOW, secret=SECRET)) == NewKey("001020")

    def test_or_chosen(self) -> None:
        rekey = Rekey(party_id=P, key="654321")

        room.given(*private).when(rekey, by=ANA, secret=SECRET).then(
            Rekeyed(by=ANA, at=NOW, key=RULES.sealed(P, "654321"))
        )
        assert rekey.result(Context(actor=ANA, now=NOW, secret=SECRET)) == NewKey("654321")

    def test_the_key_that_it_has_already_changes_nothing(self) -> None:
        room.given(*private).when(Rekey(party_id=P, key="123456"), by=ANA).then()

    def test_a_public_party_has_no_key(self) -> None:
        room.given(*both).when(Rekey(party_id=P), by=ANA).then_rejected("not-private")


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


def here(*uids: str) -> dict[str, Any]:
    return {"ambient": {"present": frozenset(uids)}}


class TestExpire:
    expire = Expire(party_id=P)

    @pytest.mark.parametrize("ambient", [{}, here(), here(DAN)])
    def test_a_party_in_which_nothing_happens_for_a_day_is_closed(self, ambient: dict[str, Any]) -> None:
        room.given(*playing).when(self.expire, by=SYSTEM, after=2 + DAY, **ambient).then(
            Closed(by=SYSTEM, reason="expired", at=later(2 + DAY))
        )

    def test_the_timer_was_too_early(self) -> None:
        room.given(*playing).when(self.expire, by=SYSTEM, after=1.999 + DAY).then()

    def test_a_closed_party_and_none_at_all_cannot_expire(self) -> None:
        room.given(*closed).when(self.expire, by=SYSTEM, after=9 * DAY).then()
        room.when(self.expire, by=SYSTEM).then()

    def test_it_stays_as_long_as_members_are_there(self) -> None:
        kept = Kept(present=2, at=later(2 + DAY))

        room.given(*playing).when(self.expire, by=SYSTEM, after=2 + DAY, **here(ANA, BOB, DAN)).then(kept)
        room.given(*playing, kept).when(self.expire, by=SYSTEM, after=2 + 2 * DAY - 0.001).then()
        room.given(*playing, kept).when(self.expire, by=SYSTEM, after=2 + 2 * DAY).outcome()

    def test_its_announcement_is_no_activity(self) -> None:
        announced = (*playing, Expiring(closes_at=later(2 + DAY), at=later(2 + DAY - HOUR)))

        room.given(*announced).when(self.expire, by=SYSTEM, after=2 + DAY).then(
            Closed(by=SYSTEM, reason="expired", at=later(2 + DAY))
        )

    def test_what_happens_after_it_is(self) -> None:
        announced = Expiring(closes_at=later(2 + DAY), at=later(2 + DAY - HOUR))

        room.given(*playing, announced, joined(CYD, DAY)).when(self.expire, by=SYSTEM, after=2 + DAY).then()


class TestWarn:
    warn = WarnOfExpiry(party_id=P)
    warned = Expiring(closes_at=later(2 + DAY), at=later(2 + DAY - HOUR))

    def test_members_are_told_an_hour_before(self) -> None:
        room.given(*playing).when(self.warn, by=SYSTEM, after=2 + DAY - HOUR).then(self.warned)

    def test_the_timer_was_too_early(self) -> None:
        room.given(*playing).when(self.warn, by=SYSTEM, after=2 + DAY - HOUR - 0.001).then()

    def test_they_are_told_once(self) -> None:
        room.given(*playing, self.warned).when(self.warn, by=SYSTEM, after=2 + DAY - 1).then()

    def test_and_again_a_day_after_something_happened(self) -> None:
        room.given(*playing, self.warned, joined(CYD, DAY)).when(self.warn, by=SYSTEM, after=2 * DAY - HOUR).then(
            Expiring(closes_at=later(2 * DAY), at=later(2 * DAY - HOUR))
        )

    def test_nothing_is_announced_of_a_closed_party_or_none(self) -> None:
        room.given(*closed).when(self.warn, by=SYSTEM, after=9 * DAY).then()
        room.when(self.warn, by=SYSTEM).then()


def test_a_party_without_its_host_can_be_kept_and_expire() -> None:
    missed = HostMissed(uid=ANA, since=later(3), until=None, at=later(3))

    assert room.given(*opened, configured(grace_seconds=0.0), missed).when(
        Expire(party_id=P), by=SYSTEM, after=3 + DAY
    ).outcome() == [Closed(by=SYSTEM, reason="expired", at=later(3 + DAY))]
