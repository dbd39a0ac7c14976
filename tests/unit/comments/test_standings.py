from typing import Any

import pytest
from tests.unit.comments.talk import (
    ANA,
    BOB,
    CYD,
    DAN,
    FINAL,
    HOST,
    MEMBER,
    PARTY,
    appointed,
    in_party,
    later,
    room,
    started,
)

from comments import standings
from comments.rooms import Room
from events.contracts.comments import (
    SITE,
    BanPerson,
    Mute,
    PersonBanned,
    PersonMuted,
    PersonUnbanned,
    PersonUnmuted,
    UnbanPerson,
    Unmute,
    room_key,
)
from events.messages import Command
from events.testing import NOW, spec

person = spec(standings.decider())
MODERATOR: Any = {"roles": ("moderator",)}
LIVE: Room = room.given(started(), appointed(CYD), appointed(DAN)).state()
IN_LIVE: dict[str, Any] = {"seen": {str(room_key(FINAL)): LIVE}}


def muted(where: str = SITE, **more: Any) -> PersonMuted:
    return PersonMuted(**{"where": where, "uid": BOB, "by": ANA, "at": NOW, **more})


def banned(where: str = SITE, **more: Any) -> PersonBanned:
    return PersonBanned(**{"where": where, "uid": BOB, "by": ANA, "at": NOW, **more})


class TestMute:
    def test_a_site_moderator_mutes_for_good_or_for_a_while(self) -> None:
        person.when(Mute(where=SITE, uid=BOB, reason="spam"), by=ANA, **MODERATOR).then(muted(reason="spam"))
        person.when(Mute(where=SITE, uid=BOB, seconds=60, shadow=True), by=ANA, **MODERATOR).then(
            muted(until=later(60), shadow=True)
        )

    def test_again_is_no_news_unless_it_says_something_else(self) -> None:
        mute = Mute(where=SITE, uid=BOB)

        person.given(muted()).when(mute, by=ANA, **MODERATOR).then()
        person.given(muted(shadow=True)).when(mute, by=ANA, **MODERATOR).then(muted())
        person.given(muted(until=later(60))).when(mute, by=ANA, **MODERATOR).then(muted())
        person.given(muted()).when(Mute(where=SITE, uid=BOB, seconds=60), by=ANA, **MODERATOR).then(
            muted(until=later(60))
        )

    def test_it_is_taken_back_once(self) -> None:
        unmute = Unmute(where=SITE, uid=BOB)

        person.given(muted()).when(unmute, by=ANA, **MODERATOR).then(PersonUnmuted(where=SITE, uid=BOB, by=ANA, at=NOW))
        person.when(unmute, by=ANA, **MODERATOR).then()


class TestBan:
    def test_a_site_moderator_bans_for_good_or_for_a_while(self) -> None:
        person.when(BanPerson(where=SITE, uid=BOB), by=ANA, **MODERATOR).then(banned())
        person.when(BanPerson(where=SITE, uid=BOB, seconds=60), by=ANA, **MODERATOR).then(banned(until=later(60)))
        person.given(banned()).when(BanPerson(where=SITE, uid=BOB), by=ANA, **MODERATOR).then()

    def test_it_is_taken_back_once(self) -> None:
        unban = UnbanPerson(where=SITE, uid=BOB)

        person.given(banned()).when(unban, by=ANA, **MODERATOR).then(
            PersonUnbanned(where=SITE, uid=BOB, by=ANA, at=NOW)
        )
        person.when(unban, by=ANA, **MODERATOR).then()

    def test_a_mute_stays_beside_it(self) -> None:
        unbanned = PersonUnbanned(where=SITE, uid=BOB, by=ANA, at=NOW)

        standing = person.given(muted(shadow=True), banned(), unbanned).state()

        assert (standing.muted, standing.shadow, standing.banned) == (True, True, False)


@pytest.mark.parametrize("kind", [Mute, BanPerson])
class TestAbove:
    def test_nobody_does_it_to_themselves(self, kind: type[Mute | BanPerson]) -> None:
        person.when(kind(where=SITE, uid=ANA), by=ANA, **MODERATOR).then_rejected("not-above")

    def test_who_has_the_say_in_a_party_is_not_below_others_who_have(self, kind: type[Mute | BanPerson]) -> None:
        command = kind(where=PARTY, uid=BOB)

        person.when(command, by=ANA, **in_party(HOST, others=HOST)).then_rejected("not-above")
        assert person.when(command, by=ANA, **in_party(HOST, others=MEMBER)).outcome()
        assert person.when(command, by=ANA, **in_party(HOST)).outcome()
        assert person.when(command, by=ANA, **MODERATOR, **in_party(MEMBER, others=HOST)).outcome()

    def test_in_a_live_event_the_owner_is_above_the_moderators(self, kind: type[Mute | BanPerson]) -> None:
        person.when(kind(where=FINAL, uid=ANA), by=CYD, **IN_LIVE).then_rejected("not-above")
        person.when(kind(where=FINAL, uid=DAN), by=CYD, **IN_LIVE).then_rejected("not-above")
        assert person.when(kind(where=FINAL, uid=CYD), by=ANA, **IN_LIVE).outcome()
        assert person.when(kind(where=FINAL, uid=BOB), by=CYD, **IN_LIVE).outcome()
        assert person.when(kind(where=FINAL, uid=ANA), by="mod", **MODERATOR, **IN_LIVE).outcome()


@pytest.mark.parametrize("kind", [Mute, Unmute, BanPerson, UnbanPerson])
class TestWho:
    def test_everywhere_only_site_moderators(self, kind: type[Command]) -> None:
        command: Any = kind(where=SITE, uid=BOB)

        person.given(muted(), banned()).when(command, by=ANA).then_rejected("not-a-moderator")
        person.given(muted(), banned()).when(command).then_rejected("not-signed-in")

    def test_in_a_room_only_its_own(self, kind: type[Command]) -> None:
        of_party: Any = kind(where=PARTY, uid=DAN)
        of_live: Any = kind(where=FINAL, uid=DAN)

        person.when(of_party, by=BOB, **in_party()).then_rejected("not-a-moderator")
        person.when(of_live, by=BOB, **IN_LIVE).then_rejected("not-a-moderator")
        person.when(of_live, by=BOB).then_rejected("no-such-live")
