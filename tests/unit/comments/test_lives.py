import pytest
from msgspec.structs import replace
from tests.unit.comments.talk import ANA, BOB, CYD, RULES, appointed, banned, ended, later, muted, room, started

from comments.decider import room as rule_book
from comments.rules import Rules
from events.contracts.comments import (
    APPOINTED,
    LOST_AFTER,
    SITE,
    SYSTEM,
    AppointModerator,
    EndLive,
    LiveChanged,
    LiveEnded,
    LiveStarted,
    LoseLive,
    ModeratorAppointed,
    StartLive,
)
from events.testing import NOW, spec

start = StartLive(live_id="final", title="The final")
lose = LoseLive(live_id="final", session=1)
LOST = LiveEnded(live_id="final", session=1, reason="lost", by=SYSTEM, at=later(LOST_AFTER))


class TestStart:
    def test_who_starts_it_first_owns_it(self) -> None:
        room.when(start, by=ANA).then(started())

        assert room.given(started()).state().owner == ANA

    def test_it_may_be_about_something(self) -> None:
        about = StartLive(live_id="final", title="The final", media="tt0133093")

        room.when(about, by=ANA).then(
            LiveStarted(live_id="final", session=1, title="The final", media="tt0133093", by=ANA, at=NOW)
        )

    def test_one_that_is_on_goes_on(self) -> None:
        room.given(started()).when(start, by=ANA).then()

    def test_with_another_title_that_changes(self) -> None:
        again = StartLive(live_id="final", title="Second half", media="tt0133093")
        changed = LiveChanged(
            live_id="final", session=1, title="Second half", media="tt0133093", by=ANA, at=later(5)
        )  # fmt: skip

        room.given(started()).when(again, by=ANA, after=5).then(changed)
        room.given(started(), changed).when(again, by=ANA, after=5).then()
        room.given(started()).when(again, by=BOB, after=5).then_rejected("not-yours")
        assert room.given(started(), changed).state().session == 1

    def test_the_title_is_one_line_that_can_be_seen(self) -> None:
        (begun,) = room.when(StartLive(live_id="final", title=" The\n\u202efinal\u0007 "), by=ANA).outcome()

        assert isinstance(begun, LiveStarted)
        assert begun.title == "The final"
        room.when(StartLive(live_id="final", title="\u2800 \u200b"), by=ANA).then_rejected(
            "text-unreadable", reason="nothing-visible"
        )

    @pytest.mark.parametrize(
        ("title", "code"),
        [("Rosebud!", "words-refused"), ("A sledge", "words-refused"), ("On example.com", "links-refused")],
    )
    def test_what_would_be_held_back_or_refused_is_no_title(self, title: str, code: str) -> None:
        strict = spec(rule_book(replace(RULES, links="hold")))
        wanted = StartLive(live_id="final", title=title)

        strict.when(wanted, by=ANA).then_rejected(code)
        strict.given(started()).when(wanted, by=ANA).then_rejected(code)
        assert strict.when(wanted, by=ANA, roles=("moderator",)).outcome()

    def test_after_its_end_its_owner_begins_another_session(self) -> None:
        room.given(started(), ended()).when(start, by=ANA, after=5).then(started(session=2, after=5))

    def test_nobody_else_does(self) -> None:
        room.given(started(), ended()).when(start, by=BOB).then_rejected("not-yours")
        room.given(started(), appointed(BOB)).when(start, by=BOB).then_rejected("not-yours")

    def test_somebody_has_to(self) -> None:
        room.when(start).then_rejected("not-signed-in")

    def test_who_is_banned_everywhere_starts_none(self) -> None:
        room.when(start, by=ANA, **banned(ANA)).then_rejected("banned")

    def test_who_is_muted_everywhere_tells_nobody_a_title(self) -> None:
        room.when(start, by=ANA, **muted(ANA, SITE)).then_rejected("muted")
        room.given(started()).when(replace(start, title="Else"), by=ANA, **muted(ANA, SITE)).then_rejected("muted")
        room.when(start, by=ANA, **muted(ANA, "live:final")).then(started())

    def test_who_speaks_in_the_shadow_everywhere_does_so_in_titles(self) -> None:
        shadow = muted(ANA, SITE, shadow=True)
        (begun,) = room.when(start, by=ANA, **shadow).outcome()
        (changed,) = room.given(started()).when(replace(start, title="Else"), by=ANA, **shadow).outcome()

        assert isinstance(begun, LiveStarted)
        assert isinstance(changed, LiveChanged)
        assert (begun.veil, changed.veil) == ("shadow", "shadow")

    def test_it_may_take_a_role(self) -> None:
        closed = spec(rule_book(Rules(broadcasters="caster")))

        closed.when(start, by=ANA).then_rejected("not-a-broadcaster")
        closed.when(start, by=ANA, roles=("caster",)).then(started())
        closed.when(start, by=ANA, roles=("moderator",)).then(started())


class TestEnd:
    end = EndLive(live_id="final")

    def test_its_owner_ends_it_once(self) -> None:
        room.given(started()).when(self.end, by=ANA).then(ended())
        room.given(started(), ended()).when(self.end, by=ANA).then()

    def test_a_site_moderator_may_and_nobody_else(self) -> None:
        live = room.given(started(), appointed(BOB))

        live.when(self.end, by=BOB).then_rejected("not-yours")
        assert live.when(self.end, by=CYD, roles=("moderator",)).outcome()

    def test_there_has_to_be_one(self) -> None:
        room.when(self.end, by=ANA).then_rejected("no-such-live")


class TestAppoint:
    appoint = AppointModerator(live_id="final", uid=BOB)
    dismiss = AppointModerator(live_id="final", uid=BOB, moderator=False)

    def test_the_owner_appoints_and_dismisses(self) -> None:
        room.given(started()).when(self.appoint, by=ANA).then(appointed(BOB))
        room.given(started(), appointed(BOB)).when(self.appoint, by=ANA).then()
        room.given(started(), appointed(BOB)).when(self.dismiss, by=ANA).then(
            ModeratorAppointed(live_id="final", uid=BOB, moderator=False, by=ANA, at=NOW)
        )
        room.given(started()).when(self.dismiss, by=ANA).then()

    def test_moderators_appoint_nobody(self) -> None:
        room.given(started(), appointed(BOB)).when(AppointModerator(live_id="final", uid=CYD), by=BOB).then_rejected(
            "not-yours"
        )

    def test_there_are_only_so_many(self) -> None:
        crowd = [appointed(f"m{number}") for number in range(APPOINTED)]

        room.given(started(), *crowd).when(self.appoint, by=ANA).then_rejected("too-many-moderators", limit=APPOINTED)
        room.given(started(), *crowd).when(AppointModerator(live_id="final", uid="m1"), by=ANA).then()

    def test_of_nothing_there_are_none(self) -> None:
        room.when(self.appoint, by=ANA).then_rejected("no-such-live")


class TestLose:
    def test_it_is_lost_when_its_owner_was_not_heard_for_long(self) -> None:
        room.given(started()).when(lose, by=SYSTEM, after=LOST_AFTER).then(LOST)

    def test_whoever_else_reports(self) -> None:
        heard = {"silence": {BOB: 1.0, ANA: LOST_AFTER}}

        room.given(started()).when(lose, by=SYSTEM, after=LOST_AFTER, ambient=heard).then(LOST)

    def test_not_while_the_owner_reports(self) -> None:
        heard = {"silence": {ANA: LOST_AFTER - 0.1}}

        room.given(started()).when(lose, by=SYSTEM, after=900, ambient=heard).then()

    def test_not_before_a_minute_is_over(self) -> None:
        room.given(started()).when(lose, by=SYSTEM, after=LOST_AFTER - 0.1).then()

    def test_only_the_session_that_was_meant(self) -> None:
        again = room.given(started(), ended(), started(session=2))

        again.when(lose, by=SYSTEM, after=900).then()
        room.given(started(), ended()).when(lose, by=SYSTEM, after=900).then()
