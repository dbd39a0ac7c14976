from typing import Any

import pytest
from msgspec.structs import replace
from tests.unit.comments.talk import (
    ANA,
    BOB,
    CLOSED,
    CYD,
    FINAL,
    HOST,
    MEMBER,
    NEW,
    PARTY,
    STRANGER,
    appointed,
    banned,
    configured,
    ended,
    in_party,
    kept,
    later,
    muted,
    room,
    said,
    started,
    unseen,
)

from events.contracts.comments import (
    SITE,
    ConfigureRoom,
    DeleteLine,
    HideLine,
    LineDeleted,
    LineHidden,
    LinePinned,
    LineRestored,
    LineReviewed,
    PinLine,
    RestoreLine,
    ReviewLine,
    RoomConfigured,
    Said,
    SaidUnseen,
    Say,
    UnseenDeleted,
    UnseenHidden,
    Veil,
)
from events.contracts.party import Rights
from events.testing import NOW

hello = Say(room=PARTY, text="hello")
hello_all = Say(room=FINAL, text="hello")
HELLO = Said(room=PARTY, line=NEW, uid=BOB, name="Bob", text="hello", at=NOW)


class TestSay:
    def test_a_member_speaks_in_their_party(self) -> None:
        room.when(hello, by=BOB, **in_party()).then(HELLO)

    def test_all_that_comes_with_a_line_is_kept(self) -> None:
        command = Say(
            room=PARTY, text="this one", answers="l1", media_seconds=12.5, mentions=(CYD, BOB, CYD, "eve"),
            name="Bobby", avatar="cat",
        )  # fmt: skip
        context = in_party(readers=frozenset({CYD}))

        room.given(said("l1", CYD)).when(command, by=BOB, **context).then(
            Said(
                room=PARTY, line=NEW, uid=BOB, name="Bobby", avatar="cat", text="this one", answers="l1",
                media_seconds=12.5, mentions=(CYD,), at=NOW,
            )
        )  # fmt: skip

    def test_a_line_is_said_once_however_late_it_is_sent_again(self) -> None:
        room.given(said(NEW)).when(hello, by=BOB, after=90_000, **in_party()).then()
        taken_back = LineDeleted(room=PARTY, line=NEW, uid=BOB, at=NOW)
        room.given(said(NEW), taken_back).when(hello, by=BOB, after=90_000, **in_party()).then()

    def test_who_has_no_name_is_asked_for_one(self) -> None:
        room.when(hello, by=BOB, **{**in_party(), "name": ""}).then_rejected("name-missing")

    def test_who_is_no_member_of_a_public_party_only_listens(self) -> None:
        room.when(hello, by=BOB, **in_party(STRANGER)).then_rejected("not-a-member")

    def test_without_the_partys_word_nobody_speaks(self) -> None:
        room.when(hello, by=BOB, name="Bob").then_rejected("not-a-member")

    def test_in_a_closed_party_nothing_more_is_said(self) -> None:
        room.when(hello, by=BOB, **in_party(CLOSED)).then_rejected("party-closed")

    def test_anybody_speaks_in_a_live_event_that_is_on(self) -> None:
        room.given(started()).when(hello_all, by=BOB, name="Bob").then(replace(HELLO, room=FINAL))

    def test_nobody_does_in_one_that_has_ended_or_never_began(self) -> None:
        room.when(hello_all, by=BOB, name="Bob").then_rejected("no-such-live")
        room.given(started(), ended()).when(hello_all, by=BOB, name="Bob").then_rejected("live-ended")

    @pytest.mark.parametrize("where", [SITE, PARTY])
    def test_who_is_muted_or_banned_does_not_speak(self, where: str) -> None:
        room.when(hello, by=BOB, **in_party(), **muted(BOB, where)).then_rejected("muted")
        room.when(hello, by=BOB, **in_party(), **banned(BOB, where)).then_rejected("banned")

    def test_a_mute_ends_when_its_time_is_over(self) -> None:
        until = later(60).timestamp()

        room.when(hello, by=BOB, after=59.9, **in_party(), **muted(BOB, muted_until=until)).then_rejected("muted")
        room.when(hello, by=BOB, after=60, **in_party(), **muted(BOB, muted_until=until)).then(
            replace(HELLO, at=later(60))
        )

    def test_who_is_muted_in_the_shadow_speaks_and_nobody_sees_it(self) -> None:
        room.when(hello, by=BOB, **in_party(), **muted(BOB, shadow=True)).then(
            SaidUnseen(room=PARTY, line=NEW, uid=BOB, name="Bob", text="hello", at=NOW, veil="shadow")
        )

    def test_in_a_closed_room_its_moderators_alone_speak(self) -> None:
        shut = room.given(configured(open=False))

        shut.when(hello, by=BOB, **in_party()).then_rejected("chat-closed")
        shut.when(hello, by=BOB, **in_party(HOST)).then(HELLO)

    def test_words_are_refused_or_held_back(self) -> None:
        strict = room.given(configured(words=("kane",)))

        room.when(Say(room=PARTY, text="Rosebud!"), by=BOB, **in_party()).then_rejected("words-refused")
        strict.when(Say(room=PARTY, text="Citizen Kane"), by=BOB, **in_party()).then_rejected("words-refused")
        room.when(Say(room=PARTY, text="a sledge"), by=BOB, **in_party()).then(
            SaidUnseen(
                room=PARTY, line=NEW, uid=BOB, name="Bob", text="a sledge", at=NOW, veil="held", rule="words"
            )
        )  # fmt: skip

    def test_a_line_that_would_be_held_back_stays_in_the_shadow(self) -> None:
        (line,) = room.when(Say(room=PARTY, text="a sledge"), by=BOB, **in_party(), **muted(BOB, shadow=True)).outcome()

        assert isinstance(line, SaidUnseen)
        assert (line.veil, line.rule) == ("shadow", "words")

    def test_the_rooms_moderators_are_not_bound_by_rules(self) -> None:
        command = Say(room=PARTY, text="Rosebud was a sledge")

        room.when(command, by=BOB, **in_party(HOST)).then(replace(HELLO, text="Rosebud was a sledge"))

    def test_text_that_is_none_is_refused(self) -> None:
        room.when(Say(room=PARTY, text="\u202eolleh"), by=BOB, **in_party()).then_rejected("text-unreadable")

    def test_what_is_answered_is_there_to_be_seen(self) -> None:
        answer = Say(room=PARTY, text="yes", answers="l1")

        room.when(answer, by=BOB, **in_party()).then_rejected("no-such-line")
        room.given(unseen("l1", CYD)).when(answer, by=BOB, **in_party()).then_rejected("no-such-line")
        taken_back = LineDeleted(room=PARTY, line="l1", uid=CYD, at=NOW)
        room.given(said("l1", CYD), taken_back).when(answer, by=CYD, **in_party()).then_rejected("no-such-line")

    @pytest.mark.parametrize("veil", ["held", "shadow"])
    @pytest.mark.parametrize(("by", "rights"), [(BOB, MEMBER), (ANA, HOST)])
    def test_an_answer_to_what_others_do_not_see_is_unseen_with_it(self, veil: Veil, by: str, rights: Rights) -> None:
        answer = Say(room=PARTY, text="yes", answers="l1")

        (line,) = room.given(unseen("l1", BOB, veil)).when(answer, by=by, **in_party(rights)).outcome()

        assert isinstance(line, SaidUnseen)
        assert (line.veil, line.rule, line.answers) == (veil, "", "l1")

    @pytest.mark.parametrize(("by", "readers", "reads"), [(BOB, {CYD}, True), (BOB, set(), False), (CYD, set(), True)])
    def test_who_is_answered_is_told_if_they_may_still_read(self, by: str, readers: set[str], reads: bool) -> None:
        answer = Say(room=PARTY, text="yes", answers="l1")
        context = in_party(readers=frozenset(readers))

        (line,) = room.given(said("l1", CYD)).when(answer, by=by, **context).outcome()

        assert isinstance(line, Said)
        assert line.answered_reads == reads

    def test_in_a_live_event_anybody_is(self) -> None:
        answer = Say(room=FINAL, text="yes", answers="l1")
        live = room.given(started(), said("l1", CYD, where=FINAL))

        (line,) = live.when(answer, by=BOB, name="Bob").outcome()

        assert isinstance(line, Said)
        assert line.answered_reads

    def test_one_to_what_a_moderator_hid_is_seen(self) -> None:
        answer = Say(room=PARTY, text="yes", answers="l1")

        (line,) = room.given(said("l1"), TestHideAndRestore.HIDDEN).when(answer, by=BOB, **in_party()).outcome()

        assert isinstance(line, Said)


class TestSlowMode:
    slow = room.given(configured(slow_seconds=10), said("l1", BOB))

    def test_it_says_how_long_to_wait(self) -> None:
        self.slow.when(hello, by=BOB, after=3.5, **in_party()).then_rejected("slow-mode", retry_after=6.5)

    def test_it_is_each_persons_own(self) -> None:
        self.slow.when(hello, by=CYD, after=3.5, **in_party()).then(replace(HELLO, uid=CYD, at=later(3.5)))

    def test_it_is_over_in_time(self) -> None:
        self.slow.when(hello, by=BOB, after=10, **in_party()).then(replace(HELLO, at=later(10)))

    def test_moderators_need_not_wait(self) -> None:
        self.slow.when(hello, by=BOB, after=1, **in_party(HOST)).then(replace(HELLO, at=later(1)))

    def test_it_knows_who_spoke_before_it_began(self) -> None:
        begun = room.given(said("l1", BOB), configured(slow_seconds=10))

        begun.when(hello, by=BOB, after=4, **in_party()).then_rejected("slow-mode", retry_after=6.0)

    def test_it_ends(self) -> None:
        over = room.given(configured(slow_seconds=10), said("l1", BOB), configured())

        over.when(hello, by=BOB, after=1, **in_party()).then(replace(HELLO, at=later(1)))
        assert over.state().spoke == {}

    def test_what_would_be_refused_anyway_is_refused_for_that(self) -> None:
        self.slow.when(Say(room=PARTY, text="rosebud"), by=BOB, after=1, **in_party()).then_rejected("words-refused")


class TestDelete:
    def test_a_line_is_taken_back_by_its_author(self) -> None:
        delete = DeleteLine(room=PARTY, line="l1")

        room.given(said("l1")).when(delete, by=BOB, **in_party()).then(
            LineDeleted(room=PARTY, line="l1", uid=BOB, at=NOW)
        )
        room.given(said("l1")).when(delete, by=CYD, **in_party()).then_rejected("not-yours")
        room.when(delete, by=BOB, **in_party()).then_rejected("no-such-line")

    def test_taking_it_back_again_changes_nothing(self) -> None:
        delete = DeleteLine(room=PARTY, line="l1")
        deleted = room.given(said("l1"), LineDeleted(room=PARTY, line="l1", uid=BOB, at=NOW))

        deleted.when(delete, by=BOB, **in_party()).then()
        deleted.when(delete, by=CYD, **in_party()).then_rejected("no-such-line")
        deleted.when(delete, by=ANA, **in_party(HOST)).then_rejected("no-such-line")

    def test_nothing_is_done_any_more_with_what_was_taken_back(self) -> None:
        deleted = room.given(said("l1"), LineDeleted(room=PARTY, line="l1", uid=BOB, at=NOW))

        for kind in (HideLine, RestoreLine, ReviewLine, PinLine):
            command = kind(room=PARTY, line="l1")
            deleted.when(command, by=ANA, **in_party(HOST)).then_rejected("no-such-line")
            deleted.when(command, by=ANA, **in_party(HOST, kept())).then_rejected("no-such-line")

    def test_of_a_line_that_others_do_not_see_they_learn_nothing(self) -> None:
        delete = DeleteLine(room=PARTY, line="l1")

        room.given(unseen("l1")).when(delete, by=CYD, **in_party()).then_rejected("no-such-line")
        room.given(unseen("l1")).when(delete, by=BOB, **in_party()).then(
            UnseenDeleted(room=PARTY, line="l1", uid=BOB, at=NOW)
        )
        room.given(said("l1"), TestHideAndRestore.HIDDEN).when(delete, by=BOB, **in_party()).then(
            UnseenDeleted(room=PARTY, line="l1", uid=BOB, at=NOW)
        )
        assert UnseenDeleted.public == UnseenHidden.public == ()

    def test_what_was_taken_back_is_not_pinned_any_more(self) -> None:
        pinned = LinePinned(room=PARTY, line="l1", by=ANA, at=NOW)
        deleted = LineDeleted(room=PARTY, line="l1", uid=BOB, at=NOW)

        state = room.given(said("l1"), pinned, deleted).state()

        assert (state.pinned, state.line("l1")) == (None, None)


class TestHideAndRestore:
    hide = HideLine(room=PARTY, line="l1", reason="rude")
    restore = RestoreLine(room=PARTY, line="l1")
    HIDDEN = LineHidden(room=PARTY, line="l1", by=ANA, at=NOW, reason="rude")

    def test_a_moderator_hides_a_line(self) -> None:
        room.given(said("l1")).when(self.hide, by=ANA, **in_party(HOST)).then(self.HIDDEN)

    def test_one_that_nobody_else_sees_without_a_word_to_them(self) -> None:
        room.given(unseen("l1", veil="shadow")).when(self.hide, by=ANA, **in_party(HOST)).then(
            UnseenHidden(room=PARTY, line="l1", by=ANA, at=NOW, reason="rude")
        )

    def test_once(self) -> None:
        room.given(said("l1"), self.HIDDEN).when(self.hide, by=ANA, **in_party(HOST)).then()

    def test_others_do_not(self) -> None:
        room.given(said("l1")).when(self.hide, by=BOB, **in_party()).then_rejected("not-a-moderator")

    def test_also_one_that_the_state_has_forgotten(self) -> None:
        room.when(self.hide, by=ANA, **in_party(HOST, kept())).then(self.HIDDEN)
        room.when(self.hide, by=ANA, **in_party(HOST, kept(veil="moderated"))).then()
        room.when(self.hide, by=ANA, **in_party(HOST)).then_rejected("no-such-line")

    @pytest.mark.parametrize("before", [(said("l1"), HIDDEN), (unseen("l1"),), (unseen("l1", veil="shadow"),), ()])
    def test_what_is_restored_is_told_whole(self, before: tuple[Any, ...]) -> None:
        veil: Veil = "held"

        room.given(*before).when(self.restore, by=ANA, **in_party(HOST, kept(veil=veil))).then(
            LineRestored(
                room=PARTY, line="l1", uid=BOB, text="a sled", media_seconds=12.5, mentions=(CYD,), said_at=NOW,
                by=ANA, at=NOW,
            )
        )  # fmt: skip

    def test_what_everybody_sees_needs_no_restoring(self) -> None:
        room.given(said("l1")).when(self.restore, by=ANA, **in_party(HOST, kept())).then()

    def test_nobody_restores_themselves_from_the_shadow_nor_notices_it(self) -> None:
        meg: dict[str, Any] = {"by": "meg", "roles": ("moderator",)}
        own, shadowed = unseen("l1", "meg", veil="shadow"), muted("meg", SITE, shadow=True)
        held = unseen("l1", "meg")

        room.given(own).when(self.restore, **meg, **in_party(line=kept("meg", "shadow"))).then()
        room.given(held).when(self.restore, **meg, **in_party(line=kept("meg", "held")), **shadowed).then()
        room.when(self.restore, **meg, **in_party(line=kept("meg", "shadow"))).then()
        assert room.given(held).when(self.restore, **meg, **in_party(line=kept("meg", "held"))).outcome()
        assert room.given(unseen("l1")).when(self.restore, **meg, **in_party(line=kept()), **shadowed).outcome()

    def test_who_was_restored_may_be_answered(self) -> None:
        restored = LineRestored(room=PARTY, line="l1", uid=CYD, text="a sled", said_at=NOW, by=ANA, at=NOW)
        answer = Say(room=PARTY, text="yes", answers="l1")

        assert room.given(unseen("l1", CYD), restored).when(answer, by=BOB, **in_party()).outcome()

    def test_in_a_live_event_its_owner_and_whom_they_appointed_moderate(self) -> None:
        hide = HideLine(room=FINAL, line="l1")
        live = room.given(started(), appointed(CYD), said("l1", where=FINAL))

        for uid in (ANA, CYD):
            live.when(hide, by=uid).then(LineHidden(room=FINAL, line="l1", by=uid, at=NOW))
        live.when(hide, by=BOB).then_rejected("not-a-moderator")
        live.when(hide, by="mod", roles=("moderator",)).then(LineHidden(room=FINAL, line="l1", by="mod", at=NOW))


class TestReview:
    review = ReviewLine(room=PARTY, line="l1", reason="a joke")
    REVIEWED = LineReviewed(room=PARTY, line="l1", by=ANA, at=NOW, reason="a joke")

    def test_a_moderator_finds_nothing_wrong_each_time_they_look(self) -> None:
        room.given(said("l1")).when(self.review, by=ANA, **in_party(HOST)).then(self.REVIEWED)
        room.given(said("l1"), self.REVIEWED).when(self.review, by=ANA, **in_party(HOST)).then(self.REVIEWED)

    def test_also_with_a_line_that_the_state_has_forgotten(self) -> None:
        room.when(self.review, by=ANA, **in_party(HOST, kept())).then(self.REVIEWED)
        room.when(self.review, by=ANA, **in_party(HOST)).then_rejected("no-such-line")

    def test_others_do_not(self) -> None:
        room.given(said("l1")).when(self.review, by=BOB, **in_party()).then_rejected("not-a-moderator")

    def test_nobody_sees_anything_else_for_it_and_nobody_is_told(self) -> None:
        before = room.given(said("l1"), unseen("l2"))

        assert room.given(said("l1"), unseen("l2"), self.REVIEWED).state() == before.state()
        assert LineReviewed.public == ()


class TestPin:
    def test_a_line_is_pinned_and_taken_off_again(self) -> None:
        pinned = LinePinned(room=PARTY, line="l1", by=ANA, at=NOW)
        pin = PinLine(room=PARTY, line="l1")

        room.given(said("l1")).when(pin, by=ANA, **in_party(HOST)).then(pinned)
        room.given(said("l1"), pinned).when(pin, by=ANA, **in_party(HOST)).then()
        room.given(said("l1"), pinned).when(PinLine(room=PARTY), by=ANA, **in_party(HOST)).then(
            LinePinned(room=PARTY, line=None, by=ANA, at=NOW)
        )
        room.when(PinLine(room=PARTY), by=ANA, **in_party(HOST)).then()

    def test_nothing_is_pinned_that_others_do_not_see(self) -> None:
        pin = PinLine(room=PARTY, line="l1")

        room.given(unseen("l1")).when(pin, by=ANA, **in_party(HOST)).then_rejected("no-such-line")
        room.when(pin, by=ANA, **in_party(HOST)).then_rejected("no-such-line")

    def test_what_is_hidden_is_not_pinned_any_more(self) -> None:
        pinned = LinePinned(room=PARTY, line="l1", by=ANA, at=NOW)

        assert room.given(said("l1"), pinned, TestHideAndRestore.HIDDEN).state().pinned is None


class TestConfigure:
    def test_what_is_not_given_stays(self) -> None:
        room.given(configured(words=("kane",))).when(
            ConfigureRoom(room=PARTY, slow_seconds=5), by=ANA, **in_party(HOST)
        ).then(RoomConfigured(room=PARTY, by=ANA, at=NOW, open=True, slow_seconds=5.0, links="allow", words=("kane",)))

    def test_what_is_so_already_is_no_news(self) -> None:
        room.when(ConfigureRoom(room=PARTY, open=True, words=()), by=ANA, **in_party(HOST)).then()

    def test_members_do_not(self) -> None:
        room.when(ConfigureRoom(room=PARTY, open=False), by=BOB, **in_party()).then_rejected("not-a-moderator")
