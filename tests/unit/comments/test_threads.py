from typing import Any

import pytest
from msgspec.structs import replace
from tests.unit.comments.examples import (
    ANA,
    BANNED,
    BOB,
    CYD,
    HOSTING,
    MEDIA,
    MEG,
    MODERATOR,
    OURS,
    SHADOWED,
    C,
    P,
    T,
    begun,
    in_party,
    said,
    seeing,
    thread,
)

from comments.rooms import Room
from events.contracts.comments import (
    PINNED,
    BeginThread,
    LockThread,
    Pin,
    Pinned,
    RoomSettings,
    ThreadBegun,
    ThreadCommand,
    ThreadLocked,
    ThreadTitled,
    Veil,
    thread_of,
)
from events.testing import NOW

begin = BeginThread(media=MEDIA)
lock = LockThread(thread_id=T)
unlock = LockThread(thread_id=T, locked=False)
pin = Pin(thread_id=T, comment_id=C)
unpin = Pin(thread_id=T, comment_id=C, pinned=False)
locked = ThreadLocked(thread_id=T, locked=True, by=MEG, at=NOW)
pinned = Pinned(thread_id=T, comment_id=C, pinned=True, by=MEG, at=NOW)
MODERATING = (lock, unlock, pin, unpin)
there = seeing(comments={C: said(ANA)})

each = pytest.mark.parametrize("command", MODERATING, ids=str)


def ours(command: LockThread | Pin) -> ThreadCommand:
    told = {name: getattr(command, name) for name in command.__struct_fields__}
    return type(command)(**{**told, "thread_id": OURS})


class TestBegin:
    def test_makes_the_anchor(self) -> None:
        thread.when(begin, by=ANA).then(begun())

    def test_makes_it_once(self) -> None:
        thread.given(begun()).when(begin, by=BOB).then()
        thread.given(begun(), locked).when(begin, by=ANA).then()

    def test_is_for_who_is_signed_in(self) -> None:
        thread.when(begin).then_rejected("not-signed-in")

    @pytest.mark.parametrize(
        ("about", "media", "season", "episode"),
        [
            ({"media": "tt0903747", "season": 1, "episode": 2}, "tt0903747", 1, 2),
            ({"media": "TT0903747:1:2"}, "tt0903747", 1, 2),
            ({"media": "tt0903747:1:2", "season": 1, "episode": 2}, "tt0903747", 1, 2),
            ({"media": "  tt0903747 "}, "tt0903747", None, None),
            ({"media": " film 7 "}, "film 7", None, None),
            ({"media": "tt0903747", "episode": 2}, "tt0903747", 1, 2),
            ({"media": "kitsu:7442:5"}, "kitsu:7442", 1, 5),
            ({"media": "tt0903747", "season": 2}, "tt0903747", 2, None),
            ({"media": "tt0133093"}, "tt0133093", None, None),
            ({"media": "https://a.example/x"}, "https://a.example/x", None, None),
        ],
    )
    def test_is_about_the_same_in_whichever_form(
        self, about: dict[str, Any], media: str, season: int | None, episode: int | None
    ) -> None:
        thread.when(BeginThread(**about), by=ANA).then(
            ThreadBegun(
                thread_id=thread_of(media, season, episode), media=media, season=season, episode=episode, by=ANA, at=NOW
            )
        )

    @pytest.mark.parametrize("other", [{"season": 1, "episode": 3}, {"season": 2}, {"episode": 3}])
    def test_is_not_about_one_episode_by_its_id_and_another_by_its_numbers(self, other: dict[str, Any]) -> None:
        refused = thread.when(BeginThread(media="tt0903747:1:2", **other), by=ANA)
        refused.then_rejected("no-such-episode", field="episode", named="1-2")

    def test_of_a_party_is_its_own(self) -> None:
        thread.when(BeginThread(media=MEDIA, party_id=P), by=ANA).then(begun(OURS))

    @pytest.mark.parametrize(("title", "shown"), [(" Cat in\nthe bag\u202e ", "Cat in the bag"), ("\u200b", None)])
    def test_has_a_title_in_a_line(self, title: str, shown: str | None) -> None:
        (event,) = thread.when(BeginThread(media=MEDIA, title=title), by=ANA).outcome()

        assert isinstance(event, ThreadBegun)
        assert event.title == shown


class TestTitles:
    """They are there for everybody to see."""

    @pytest.mark.parametrize("title", ["Drat", "hmm", "See example.com"])
    def test_that_rules_would_refuse_or_hold_back_are_left_out(self, title: str) -> None:
        thread.when(BeginThread(media=MEDIA, title=title), by=ANA).then(begun())

    def test_of_somebody_in_the_shadow_are_left_out(self) -> None:
        thread.when(BeginThread(media=MEDIA, title="Mine"), by=ANA, **seeing(site={ANA: SHADOWED})).then(begun())

    def test_come_with_the_first_comment_that_brings_one(self) -> None:
        titled = ThreadTitled(thread_id=T, title="Cat in the bag", by=BOB, at=NOW)
        named = BeginThread(media=MEDIA, title="Cat in the bag")

        thread.given(begun()).when(named, by=BOB).then(titled)
        thread.given(begun()).when(BeginThread(media=MEDIA, title="Drat"), by=BOB).then()
        thread.given(begun()).when(named, by=BOB, **seeing(site={BOB: SHADOWED})).then()
        thread.given(begun(), titled).when(BeginThread(media=MEDIA, title="Else"), by=CYD).then()
        thread.given(replace(begun(), title="Else")).when(named, by=CYD).then()

    def test_that_a_party_would_refuse_are_left_out(self) -> None:
        room = Room(settings=RoomSettings(words=("fie",)))
        context = {**seeing(OURS, room=room), **in_party()}

        thread.when(BeginThread(media=MEDIA, party_id=P, title="Fie"), by=ANA, **context).then(begun(OURS))


class TestModerators:
    @each
    def test_alone_lock_and_pin(self, command: ThreadCommand) -> None:
        thread.given(begun()).when(command, **there).then_rejected("not-signed-in")
        thread.given(begun()).when(command, by=ANA, **there).then_rejected("not-a-moderator")
        thread.given(begun()).when(command, by=ANA, **there, **HOSTING).then_rejected("not-a-moderator")

    @each
    def test_are_not_banned(self, command: ThreadCommand) -> None:
        thread.given(begun()).when(command, **MODERATOR, **seeing(site={MEG: BANNED})).then_rejected("banned")

    @each
    def test_of_a_party_do_so_in_its_own(self, command: Any) -> None:
        own = seeing(OURS, comments={C: said(ANA)})

        thread.given(begun(OURS)).when(ours(command), by=BOB, **own).then_rejected("not-a-member")
        thread.given(begun(OURS)).when(ours(command), by=BOB, **own, **in_party("queue")).then_rejected(
            "not-a-moderator"
        )
        thread.given(begun(OURS)).when(ours(command), by=BOB, **own, **in_party("people")).outcome()

    @each
    def test_of_everything_do_so_in_parties_that_they_may_read(self, command: Any) -> None:
        own = seeing(OURS, comments={C: said(ANA)})

        thread.given(begun(OURS)).when(ours(command), **MODERATOR, **own, **in_party(role=None)).outcome()

    @each
    def test_need_a_thread(self, command: ThreadCommand) -> None:
        thread.when(command, **MODERATOR, **there).then_rejected("no-such-thread")


class TestLock:
    def test_closes_and_opens(self) -> None:
        opened = ThreadLocked(thread_id=T, locked=False, by=MEG, at=NOW)

        thread.given(begun()).when(lock, **MODERATOR).then(locked)
        thread.given(begun(), locked).when(unlock, **MODERATOR).then(opened)

    def test_again_changes_nothing(self) -> None:
        thread.given(begun(), locked).when(lock, **MODERATOR).then()
        thread.given(begun()).when(unlock, **MODERATOR).then()


class TestPin:
    full = tuple(Pinned(thread_id=T, comment_id=f"p{n}", pinned=True, by=MEG, at=NOW) for n in range(PINNED))

    def test_shows_a_comment_above_the_others(self) -> None:
        thread.given(begun()).when(pin, **MODERATOR, **there).then(pinned)

    def test_takes_it_off(self) -> None:
        off = Pinned(thread_id=T, comment_id=C, pinned=False, by=MEG, at=NOW)

        thread.given(begun(), pinned).when(unpin, **MODERATOR, **there).then(off)
        assert thread.given(begun(), pinned, off).state().pins == ()

    def test_again_changes_nothing(self) -> None:
        thread.given(begun(), pinned).when(pin, **MODERATOR, **there).then()
        thread.given(begun()).when(unpin, **MODERATOR, **there).then()

    @pytest.mark.parametrize("veil", ["held", "shadow", "moderated"])
    def test_needs_a_comment_that_all_see(self, veil: Veil) -> None:
        for seen in ({}, {C: said(ANA, veil)}, {C: said(ANA, gone=True)}):
            thread.given(begun()).when(pin, **MODERATOR, **seeing(comments=seen)).then_rejected("no-such-comment")

    def test_needs_one_of_the_same_thread(self) -> None:
        elsewhere = seeing(OURS, comments={C: said(ANA)})

        thread.given(begun()).when(pin, **MODERATOR, **elsewhere).then_rejected("no-such-comment")
        thread.given(begun()).when(unpin, **MODERATOR, **elsewhere).then_rejected("no-such-comment")

    def test_is_taken_off_what_is_gone(self) -> None:
        gone = seeing(comments={C: said(ANA, gone=True)})

        thread.given(begun(), pinned).when(unpin, **MODERATOR, **gone).then(
            Pinned(thread_id=T, comment_id=C, pinned=False, by=MEG, at=NOW)
        )

    def test_has_few_places_and_says_which_are_taken(self) -> None:
        taken = [event.comment_id for event in self.full]

        thread.given(begun(), *self.full[1:]).when(pin, **MODERATOR, **there).then(pinned)
        thread.given(begun(), *self.full).when(pin, **MODERATOR, **there).then_rejected(
            "too-many-pins", limit=PINNED, pinned=taken
        )

    def test_keeps_the_order_of_pinning(self) -> None:
        off = Pinned(thread_id=T, comment_id="p0", pinned=False, by=MEG, at=NOW)

        assert thread.given(begun(), *self.full[:3], off, self.full[0]).state().pins == ("p1", "p2", "p0")
