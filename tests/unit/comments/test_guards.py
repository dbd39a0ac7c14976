"""What threads and rooms share is told here for rooms; of threads their own examples tell it."""

from typing import Any

import pytest
from msgspec.structs import replace
from tests.unit.comments.examples import ANA, BANNED, BOB, CYD, HOSTING, MUTED, ROOM, SHADOWED, in_party, later, seeing

from comments.guards import (
    Standing,
    is_in_shadow,
    may_read,
    may_write,
    moderates,
    must_be_open,
    must_moderate,
    must_not_be_banned,
    readers,
    sees,
    veil_of,
)
from comments.rooms import Room
from events.contracts.comments import SITE, room_key, standing_key
from events.messages import Context, Rejected
from events.testing import NOW

LIVE = "live:final"
ON = Room(owner=ANA, moderators=(BOB,), on=True, session=1)


def asking(by: str = BOB, roles: tuple[str, ...] = (), after: float = 0.0, **context: Any) -> Context:
    return Context(actor=by, now=later(after), roles=roles, **context)


def at_live(by: str, **standings: Standing) -> Context:
    """Somebody at the live event; *standings* there."""
    seen: dict[str, Any] = {str(standing_key(LIVE, uid)): standing for uid, standing in standings.items()}
    return asking(by, seen={str(room_key(LIVE)): ON, **seen})


class TestStanding:
    def test_says_nothing_at_first(self) -> None:
        assert not Standing().is_muted(NOW)
        assert not Standing().is_banned(NOW)

    def test_holds_for_good_or_until_it_is_over(self) -> None:
        until = later(60).timestamp()

        assert MUTED.is_muted(later(1e9))
        assert BANNED.is_banned(later(1e9))
        assert Standing(muted=True, muted_until=until).is_muted(later(59))
        assert not Standing(muted=True, muted_until=until).is_muted(later(60))
        assert not Standing(banned=True, banned_until=until).is_banned(later(60))


def until(*standings: Standing) -> str | None:
    with pytest.raises(Rejected, match="muted") as refused:
        veil_of(standings, NOW)
    told: str | None = refused.value.details["until"]
    return told


class TestModerators:
    @pytest.mark.parametrize("role", ["moderator", "operator"])
    @pytest.mark.parametrize("room", [None, ROOM, LIVE])
    def test_of_everything_have_a_role(self, role: str, room: str | None) -> None:
        assert moderates(asking(roles=("viewer", role), **in_party(role=None)), room)

    def test_of_threads_for_everybody_are_they_alone(self) -> None:
        assert not moderates(asking(**HOSTING), None)

    def test_of_a_party_are_as_its_table_says(self) -> None:
        assert moderates(asking(**in_party("people")), ROOM)
        assert not moderates(asking(**in_party("play", "seek", "media", "queue")), ROOM)

    def test_of_a_live_event_are_its_owner_and_whom_they_appointed(self) -> None:
        assert moderates(at_live(ANA), LIVE)
        assert moderates(at_live(BOB), LIVE)
        assert not moderates(at_live(CYD), LIVE)
        assert moderates(asking(ANA), LIVE, ON)
        assert not moderates(asking(""), LIVE, Room())

    def test_are_told_apart_from_others(self) -> None:
        must_moderate(at_live(BOB), LIVE)
        with pytest.raises(Rejected, match="not-a-moderator"):
            must_moderate(at_live(CYD), LIVE)


class TestReading:
    def test_is_for_everybody_who_is_signed_in(self) -> None:
        may_read(asking(), None)
        may_read(at_live(CYD), LIVE)
        with pytest.raises(Rejected, match="not-signed-in"):
            may_read(asking(""), None)

    def test_of_a_party_is_as_the_party_says(self) -> None:
        may_read(asking(**in_party(role=None)), ROOM)
        with pytest.raises(Rejected, match="not-a-member"):
            may_read(asking(), ROOM)

    def test_of_a_live_event_needs_one(self) -> None:
        with pytest.raises(Rejected, match="no-such-live"):
            may_read(asking(), LIVE)

    def test_is_not_for_who_is_banned_there(self) -> None:
        with pytest.raises(Rejected, match="banned"):
            may_read(at_live(CYD, cyd=BANNED), LIVE)
        may_read(at_live(BOB, bob=BANNED), LIVE)

    def test_of_one_room_goes_on_when_banned_from_another(self) -> None:
        may_read(at_live(CYD, cyd=BANNED), None)
        may_read(asking(CYD, seen=at_live(CYD, cyd=BANNED).seen, **in_party()), ROOM)


class TestWriting:
    def test_is_for_members_of_a_party(self) -> None:
        assert may_write(asking(**in_party()), ROOM) == ""
        with pytest.raises(Rejected, match="not-a-member"):
            may_write(asking(**in_party(role=None)), ROOM)

    def test_is_not_for_who_is_muted(self) -> None:
        with pytest.raises(Rejected, match="muted"):
            may_write(at_live(CYD, cyd=MUTED), LIVE)
        assert may_write(at_live(BOB, bob=MUTED), LIVE) == ""

    def test_is_refused_with_when_it_is_over(self) -> None:
        for_a_minute = Standing(muted=True, muted_until=later(60).timestamp())
        unnoticed = replace(for_a_minute, muted_until=None, shadow=True)

        assert until(for_a_minute) == later(60).isoformat()
        assert until(for_a_minute, Standing(muted=True, muted_until=later(90).timestamp())) == later(90).isoformat()
        assert until(for_a_minute, MUTED) is None
        assert until(for_a_minute, unnoticed) == later(60).isoformat()
        with pytest.raises(Rejected, match="banned") as refused:
            must_not_be_banned((Standing(banned=True, banned_until=later(5).timestamp()),), NOW)
        assert refused.value.details == {"until": later(5).isoformat()}

    def test_in_the_shadow_is_for_oneself(self) -> None:
        shadowed = at_live(CYD, cyd=SHADOWED)

        assert may_write(shadowed, LIVE) == "shadow"
        assert is_in_shadow(shadowed, LIVE)
        assert not is_in_shadow(at_live(CYD, cyd=MUTED), LIVE)
        assert not is_in_shadow(shadowed, None)

    def test_in_a_chat_ends_with_the_party(self) -> None:
        must_be_open(asking(**in_party()))
        with pytest.raises(Rejected, match="party-closed"):
            must_be_open(asking(**in_party(closed=True)))


def test_what_is_veiled_is_seen_by_its_author_and_by_moderators() -> None:
    for veil in ("held", "shadow", "moderated"):
        assert sees(asking(ANA), ANA, veil, None)
        assert sees(asking(BOB, roles=("moderator",)), ANA, veil, None)
        assert sees(at_live(BOB), CYD, veil, LIVE)
        assert not sees(asking(BOB), ANA, veil, None)
    assert sees(asking(BOB), ANA, "", None)


def test_who_is_mentioned_is_told_once_and_not_by_themselves() -> None:
    assert readers(asking(ANA), (BOB, CYD, BOB, ANA), None) == (BOB, CYD)
    assert readers(asking(ANA), (BOB, CYD), LIVE) == (BOB, CYD)
    assert readers(asking(ANA, **in_party(readers=(CYD,))), (BOB, CYD), ROOM) == (CYD,)


def test_standings_are_those_of_the_one_who_asks() -> None:
    context = asking(BOB, seen=seeing(site={ANA: BANNED})["seen"])

    may_read(context, None)
    assert str(standing_key(SITE, ANA)) in context.seen
