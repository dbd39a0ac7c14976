from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.unit.parties.examples import (
    ANA,
    BOB,
    CYD,
    DAN,
    RULES,
    SYSTEM,
    P,
    allowed,
    cohost,
    configured,
    joined,
    later,
    room,
    started,
)

from events.codec import Codec
from events.contracts.party import (
    EVENTS,
    QUEUED,
    QUEUED_BYTES,
    QUEUED_EACH,
    Ban,
    ChangeMedia,
    Closed,
    Configured,
    Dequeue,
    Dequeued,
    Drop,
    Enqueue,
    Held,
    Kick,
    Leave,
    Left,
    MediaChanged,
    Moved,
    MoveItem,
    Next,
    PartyCommand,
    PartyEvent,
    Paused,
    Play,
    Played,
    Queued,
    QueuedItem,
    Readied,
    Skip,
    SkipVoted,
    Undo,
    Undone,
    Vote,
    Voted,
)
from events.messages import Context, Rejected
from events.testing import NOW
from parties.decider import decider
from parties.program import ProgramCommand
from parties.state import Party

EVE = "eve"
ITEM = "c0mmand0c0mm"


def queued(item: str, by: str = BOB, media: str = "") -> Queued:
    return Queued(item=item, by=by, media=media or f"tmdb:movie:{item}", at=later(1))


def voted(item: str, uid: str, up: bool = True, after: float = 0.0) -> Voted:
    return Voted(item=item, uid=uid, up=up, at=later(after))


def skip_voted(uid: str, votes: int, needed: int, skip: bool = True, after: float = 0.0) -> SkipVoted:
    return SkipVoted(uid=uid, skip=skip, votes=votes, needed=needed, at=later(after))


rules = decider(RULES)
four = (started(), joined(ANA), joined(BOB), joined(CYD), joined(DAN))
playing = (*four, Played(by=ANA, position=10.0, at=later(2)))
three = (*four, queued("a"), queued("b", CYD), queued("c"))
closed = (*three, Closed(by=ANA, reason="closed", at=later(3)))
deputy = cohost(BOB)
free = allowed(media="member", queue="member")


undo = Undo(party_id=P)


def told(history: Sequence[PartyEvent], *steps: tuple[PartyCommand, float]) -> tuple[PartyEvent, ...]:
    """What happened once Ana has done all this, each at its second."""
    for command, after in steps:
        history = (*history, *room.given(*history).when(command, by=ANA, after=after).outcome())
    return tuple(history)


def taken_back(what: str, after: float, media: str = "tt0133093", **queue: Any) -> Undone:
    """Ana's own change of what is watched, while it stood at its beginning."""
    return Undone(
        by=ANA, undid=what, author=ANA, playing=False, position=0.0, rate=1.0, media=media, other_media=True,
        at=later(after), said_at=later(after), **queue,
    )  # fmt: skip


def order(history: Sequence[PartyEvent]) -> str:
    return "".join(item.id for item in rules.fold(history).queue)


class TestChangeMedia:
    film = ChangeMedia(party_id=P, media="tt0234215", media_title="Reloaded", source="magnet:?xt=1", file_index=2)

    def test_something_else_is_watched_from_its_beginning(self) -> None:
        example = room.given(*playing).when(self.film, by=ANA, after=4)

        example.then(
            MediaChanged(
                by=ANA, reason="chosen", media="tt0234215", media_title="Reloaded", source="magnet:?xt=1",
                file_index=2, position=0.0, at=later(4),
            )
        )  # fmt: skip
        party = rules.fold([*playing, *example.outcome()])
        assert party.media.media == "tt0234215"
        assert party.place(later(60)) == 0.0

    def test_an_episode_from_somewhere_inside(self) -> None:
        episode = ChangeMedia(party_id=P, media="tt0903747", season=2, episode=3, position=60.0)

        room.given(*four).when(episode, by=ANA).then(
            MediaChanged(by=ANA, reason="chosen", media="tt0903747", season=2, episode=3, position=60.0, at=NOW)
        )

    def test_nobody_is_ready_for_it_and_nobody_wants_to_skip_it(self) -> None:
        history = (*four, Readied(uid=BOB, ready=True, at=NOW), skip_voted(BOB, 1, 3))

        party = rules.fold([*history, *room.given(*history).when(self.film, by=ANA).outcome()])

        assert not party.members[BOB].ready
        assert party.skips == ()

    def test_the_same_at_the_same_place_changes_nothing(self) -> None:
        same = ChangeMedia(party_id=P, media="tt0133093")

        room.given(*four).when(same, by=ANA).then()
        room.given(*four).when(msgspec.structs.replace(same, position=0.05), by=ANA).then()

    @pytest.mark.parametrize(
        "other",
        [
            ChangeMedia(party_id=P, media="tt0133093", position=1.0),
            ChangeMedia(party_id=P, media="tt0133093", media_title="The Matrix"),
            ChangeMedia(party_id=P, media="tt0133093", file_index=0),
            ChangeMedia(party_id=P, media="tt0133093", season=0),
        ],
    )
    def test_the_same_elsewhere_or_otherwise_is_something_else(self, other: ChangeMedia) -> None:
        assert room.given(*four).when(other, by=ANA).outcome()

    def test_what_plays_is_begun_anew(self) -> None:
        assert (
            room.given(*four, Played(by=ANA, position=0.0, at=NOW))
            .when(ChangeMedia(party_id=P, media="tt0133093"), by=ANA)
            .outcome()
        )

    def test_a_wait_ends(self) -> None:
        held = Held(by=ANA, why="start", waits_for=(BOB,), position=0.0, at=NOW, until=later(30))

        example = room.given(*four, held).when(ChangeMedia(party_id=P, media="tt0133093"), by=ANA, after=3)

        assert rules.fold([*four, held, *example.outcome()]).waiting is None
        assert example.outcome()

    def test_another_source_of_the_same_is_a_change_but_once(self) -> None:
        mended = ChangeMedia(party_id=P, media="tt0133093", source="magnet:?xt=2")
        example = room.given(*four).when(mended, by=ANA, after=4)

        example.then(
            MediaChanged(
                by=ANA, reason="chosen", media="tt0133093", source="magnet:?xt=2", position=0.0, at=later(4)
            )
        )  # fmt: skip
        room.given(*four, *example.outcome()).when(mended, by=ANA, after=4.4).then()

    def test_it_is_a_control(self) -> None:
        busy = tuple(Paused(by=ANA, position=p, at=later(3)) for p in (1.0, 2.0))

        room.given(*four, *busy).when(self.film, by=ANA, after=3.5).then_rejected("rate-limited", retry_after=0.5)
        room.given(*four, *busy).when(ChangeMedia(party_id=P, media="tt0133093", position=2.0), by=ANA, after=3).then()


class TestEnqueue:
    film = Enqueue(party_id=P, media="tt0234215", source="magnet:?xt=1")

    def test_a_member_puts_something_at_the_end_of_the_queue(self) -> None:
        example = room.given(*three).when(self.film, by=DAN, after=4)

        example.then(Queued(item=ITEM, by=DAN, media="tt0234215", source="magnet:?xt=1", at=later(4)))
        assert order((*three, *example.outcome())) == f"abc{ITEM}"

    def test_it_is_the_item_that_the_answer_names(self) -> None:
        context = Context(actor=DAN, now=NOW, command_id="c0mmand0c0mmand0c0mmand0cc")

        assert self.film.result(context) == QueuedItem(ITEM)

    def test_the_same_command_again_adds_nothing(self) -> None:
        history = (*three, *room.given(*three).when(self.film, by=DAN).outcome())

        room.given(*history).when(self.film, by=DAN, after=60).then()
        assert room.given(*history).when(self.film, by=DAN, command_id="another0another").outcome()

    def test_a_queue_has_an_end(self) -> None:
        full: tuple[PartyEvent, ...] = (*four, *(queued(f"{n}", f"guest-{n}") for n in range(QUEUED)))

        for uid in (ANA, BOB):
            room.given(*full).when(self.film, by=uid).then_rejected("queue-full", limit=QUEUED)
        assert room.given(*full[:-1]).when(self.film, by=BOB).outcome()

    def test_it_holds_so_much_text_whatever_it_is_written_in(self) -> None:
        long = Enqueue(party_id=P, media="\x01" * 2_000)
        two = (*four, queued("a", media=long.media), queued("b", media=long.media))

        room.given(*two).when(long, by=ANA).then_rejected("queue-full", bytes=QUEUED_BYTES)
        assert room.given(*two).when(self.film, by=ANA).outcome()
        assert room.given(*two[:-1]).when(long, by=ANA).outcome()

    def test_nobody_fills_it_alone_but_who_may_order_it(self) -> None:
        many: tuple[PartyEvent, ...] = (*four, *(queued(f"{n}", BOB) for n in range(QUEUED_EACH)))

        room.given(*many).when(self.film, by=BOB).then_rejected("queue-full", limit=QUEUED_EACH)
        assert room.given(*many).when(self.film, by=CYD).outcome()
        assert room.given(*many, deputy).when(self.film, by=BOB).outcome()
        assert room.given(*many, free).when(self.film, by=BOB).outcome()


class TestMove:
    @pytest.mark.parametrize(
        ("item", "before", "then"),
        [("c", "a", "cab"), ("a", None, "bca"), ("a", "c", "bac"), ("c", "b", "acb"), ("b", None, "acb")],
    )
    def test_an_item_is_put_before_another_one_or_at_the_end(self, item: str, before: str | None, then: str) -> None:
        example = room.given(*three).when(MoveItem(party_id=P, item=item, before=before), by=ANA, after=4)

        example.then(Moved(item=item, before=before, by=ANA, at=later(4)))
        assert order([*three, *example.outcome()]) == then

    @pytest.mark.parametrize(("item", "before"), [("a", "b"), ("b", "c"), ("c", None), ("b", "b")])
    def test_where_it_is_already_nothing_changes(self, item: str, before: str | None) -> None:
        room.given(*three).when(MoveItem(party_id=P, item=item, before=before), by=ANA).then()

    def test_both_must_be_there(self) -> None:
        room.given(*three).when(MoveItem(party_id=P, item="x"), by=ANA).then_rejected("no-such-item", item="x")
        room.given(*three).when(MoveItem(party_id=P, item="a", before="x"), by=ANA).then_rejected(
            "no-such-item", item="x"
        )

    def test_what_somebody_just_took_off_cannot_be_moved(self) -> None:
        gone = Dequeued(item="a", by=BOB, at=later(2))

        room.given(*three, gone).when(MoveItem(party_id=P, item="a"), by=ANA).then_rejected("no-such-item")
        room.given(*three, gone).when(MoveItem(party_id=P, item="c", before="a"), by=ANA).then_rejected("no-such-item")


class TestDequeue:
    def test_an_item_is_taken_off_by_its_owner(self) -> None:
        example = room.given(*three).when(Dequeue(party_id=P, item="a"), by=BOB, after=4)

        example.then(Dequeued(item="a", by=BOB, at=later(4)))
        assert order([*three, *example.outcome()]) == "bc"

    def test_or_by_who_may_order_the_queue(self) -> None:
        room.given(*three).when(Dequeue(party_id=P, item="a"), by=ANA).then(Dequeued(item="a", by=ANA, at=NOW))
        room.given(*three, deputy).when(Dequeue(party_id=P, item="b"), by=BOB).then(Dequeued(item="b", by=BOB, at=NOW))

    def test_not_by_anybody_else(self) -> None:
        room.given(*three).when(Dequeue(party_id=P, item="b"), by=BOB).then_rejected(
            "not-the-host", action="queue", needs="cohost"
        )

    def test_what_is_gone_is_gone(self) -> None:
        room.given(*three, Dequeued(item="a", by=ANA, at=NOW)).when(Dequeue(party_id=P, item="a"), by=BOB).then()
        room.given(*three).when(Dequeue(party_id=P, item="x"), by=DAN).then()


class TestVote:
    def test_a_member_votes_for_an_item_and_takes_it_back(self) -> None:
        room.given(*three).when(Vote(party_id=P, item="b"), by=BOB).then(voted("b", BOB))
        room.given(*three, voted("b", BOB)).when(Vote(party_id=P, item="b", up=False), by=BOB).then(
            voted("b", BOB, up=False)
        )

    def test_a_vote_goes_with_who_gave_it(self) -> None:
        back = (voted("b", BOB), Left(uid=BOB, private=False, at=NOW), joined(EVE), joined(BOB))

        for uid in (BOB, EVE):
            room.given(*three, *back).when(Vote(party_id=P, item="b"), by=uid).then(voted("b", uid))

    def test_a_second_vote_changes_nothing(self) -> None:
        room.given(*three, voted("b", BOB)).when(Vote(party_id=P, item="b"), by=BOB).then()
        room.given(*three).when(Vote(party_id=P, item="b", up=False), by=BOB).then()
        room.given(*three, voted("b", BOB), voted("b", BOB, up=False)).when(
            Vote(party_id=P, item="b", up=False), by=BOB
        ).then()

    @pytest.mark.parametrize("up", [True, False])
    def test_there_must_be_such_an_item(self, up: bool) -> None:
        room.given(*three).when(Vote(party_id=P, item="x", up=up), by=BOB).then_rejected("no-such-item", item="x")


class TestNext:
    by_votes = configured(queue_order="votes")

    def test_the_first_item_is_watched_and_off_the_queue(self) -> None:
        example = room.given(*three).when(Next(party_id=P), by=ANA, after=4)

        example.then(MediaChanged(by=ANA, reason="next", media="tmdb:movie:a", item="a", position=0.0, at=later(4)))
        history = [*three, *example.outcome()]
        assert order(history) == "bc"
        assert rules.fold(history).media.media == "tmdb:movie:a"

    def test_or_the_one_with_most_votes(self) -> None:
        votes = (voted("b", BOB), voted("c", BOB), voted("c", CYD))

        (event,) = room.given(*three, self.by_votes, *votes).when(Next(party_id=P), by=ANA).outcome()
        assert isinstance(event, MediaChanged)
        assert event.item == "c"

        (event,) = room.given(*three, *votes).when(Next(party_id=P), by=ANA).outcome()
        assert isinstance(event, MediaChanged)
        assert event.item == "a"

    def test_of_two_with_as_many_the_earlier_one(self) -> None:
        votes = (voted("c", BOB), voted("b", CYD))

        (event,) = room.given(*three, self.by_votes, *votes).when(Next(party_id=P), by=ANA).outcome()

        assert isinstance(event, MediaChanged)
        assert event.item == "b"

    def test_there_must_be_something_next(self) -> None:
        room.given(*four).when(Next(party_id=P), by=ANA).then_rejected("queue-empty")

    def test_what_two_go_on_to_at_once_is_not_passed_over(self) -> None:
        history = (*three, deputy, *room.given(*three).when(Next(party_id=P), by=ANA, after=4).outcome())

        room.given(*history).when(Next(party_id=P), by=ANA, after=4).then()
        room.given(*history).when(Next(party_id=P), by=BOB, after=4.4).then()
        assert room.given(*history).when(Next(party_id=P), by=BOB, after=4.5).outcome()

    def test_it_is_a_control(self) -> None:
        busy = tuple(Paused(by=ANA, position=p, at=later(3)) for p in (1.0, 2.0))

        room.given(*three, *busy).when(Next(party_id=P), by=ANA, after=3.5).then_rejected("rate-limited")

    def test_its_source_is_the_items(self) -> None:
        sourced = Queued(item="a", by=BOB, media="m", source="magnet:?xt=1", at=NOW)

        (event,) = room.given(*four, sourced).when(Next(party_id=P), by=ANA).outcome()

        assert isinstance(event, MediaChanged)
        assert event.source == ""

    def test_it_can_be_undone(self) -> None:
        history = told(three, (Next(party_id=P), 4))

        room.given(*history).when(undo, by=ANA, after=9).then(taken_back("media", 9, requeued="a", before="b"))
        party = rules.fold(told(history, (undo, 9)))
        assert (party.media.media, order(told(history, (undo, 9)))) == ("tt0133093", "abc")
        assert party.queue == rules.fold(three).queue


class TestUndo:
    """What undoing means for the queue; what it means for playback is told with playback."""

    by_votes = configured(queue_order="votes")

    def test_an_undo_that_is_undone_takes_the_item_off_again_and_so_on(self) -> None:
        history = told(three, (Next(party_id=P), 4), (undo, 9), (undo, 11))

        assert history[-1] == taken_back("undo", 11, media="tmdb:movie:a", item="a")
        assert order(history) == "bc"
        history = told(history, (undo, 13))
        assert history[-1] == taken_back("undo", 13, requeued="a", before="b")
        assert order(history) == "abc"

    def test_what_won_by_votes_keeps_its_place_and_its_votes(self) -> None:
        voting = (*three, self.by_votes, voted("c", BOB), voted("c", CYD), voted("b", BOB))
        history = told(voting, (Next(party_id=P), 4), (undo, 9))

        assert history[-1] == taken_back("media", 9, requeued="c")
        assert rules.fold(history).queue == rules.fold(voting).queue

    def test_what_was_voted_to_be_skipped_to_comes_back_too(self) -> None:
        wished = (skip_voted(BOB, 1, 3), skip_voted(CYD, 2, 3))
        skipped = (*three, *wished, *room.given(*three, *wished).when(Skip(party_id=P), by=DAN, after=4).outcome())

        assert order(told(skipped, (undo, 9))) == "abc"

    def test_a_vote_is_gone_with_who_gave_it_also_while_the_item_is_watched(self) -> None:
        voting = told((*three, voted("a", BOB), voted("a", CYD)), (Next(party_id=P), 4))
        left = (Left(uid=BOB, private=False, at=later(5)), joined(EVE, 6))
        party = rules.fold(told((*voting, *left), (undo, 9)))

        assert [party.voted(uid, party.queue[0]) for uid in (CYD, EVE)] == [True, False]

    @pytest.mark.parametrize(
        ("meanwhile", "then"),
        [
            ((queued("d"),), "abcd"),
            ((Moved(item="c", before="b", by=ANA, at=NOW),), "acb"),
            ((Dequeued(item="b", by=ANA, at=NOW),), "ac"),
            ((Dequeued(item="b", by=ANA, at=NOW), Dequeued(item="c", by=ANA, at=NOW)), "a"),
        ],
    )
    def test_the_queue_may_have_changed_meanwhile(self, meanwhile: tuple[PartyEvent, ...], then: str) -> None:
        assert order(told((*told(three, (Next(party_id=P), 4)), *meanwhile), (undo, 9))) == then

    def test_what_was_taken_off_meanwhile_is_not_taken_off_again(self) -> None:
        back = told(three, (Next(party_id=P), 4), (undo, 9))

        again = told((*back, Dequeued(item="a", by=ANA, at=later(10))), (undo, 11))

        assert again[-1] == taken_back("undo", 11, media="tmdb:movie:a")
        assert told(again, (undo, 13))[-1] == taken_back("undo", 13)

    def test_what_was_queued_again_meanwhile_is_there_once(self) -> None:
        history = told((*told(three, (Next(party_id=P), 4)), queued("a")), (undo, 9))

        assert history[-1] == taken_back("media", 9)
        assert order(history) == "bca"

    def test_it_is_not_refused_for_a_full_queue(self) -> None:
        many: tuple[PartyEvent, ...] = (*four, *(queued(f"{n}", f"guest-{n}") for n in range(QUEUED)))
        history = told((*told(many, (Next(party_id=P), 4)), queued("last")), (undo, 9))

        assert len(rules.fold(history).queue) == QUEUED + 1
        assert rules.fold(history).queue[0].id == "0"

    def test_what_is_chosen_by_hand_leaves_the_queue_alone(self) -> None:
        film = ChangeMedia(party_id=P, media="tt0234215")

        assert told(three, (film, 4), (undo, 9))[-1] == taken_back("media", 9)
        assert order(told(three, (Next(party_id=P), 2), (film, 4), (undo, 9))) == "bc"

    def test_an_undo_of_before_there_was_this_left_the_item_off_the_queue(self) -> None:
        history = told(three, (Next(party_id=P), 4), (undo, 9))
        stored = replace(history[-1], requeued=None, before=None)

        assert order((*history[:-1], stored)) == "bc"
        assert order(told((*history[:-1], stored), (undo, 11))) == "bc"


class TestSkip:
    skip = Skip(party_id=P)

    def test_a_member_wants_to_skip_and_then_does_not(self) -> None:
        room.given(*three).when(self.skip, by=BOB).then(skip_voted(BOB, 1, 3))
        room.given(*three, skip_voted(BOB, 1, 3), skip_voted(CYD, 2, 3)).when(
            Skip(party_id=P, skip=False), by=BOB
        ).then(skip_voted(BOB, 1, 3, skip=False))

    def test_more_than_half_go_on_with_the_queue(self) -> None:
        two = (skip_voted(BOB, 1, 3), skip_voted(CYD, 2, 3))

        example = room.given(*three, *two).when(self.skip, by=DAN, after=4)

        example.then(
            skip_voted(DAN, 3, 3, after=4),
            MediaChanged(by=DAN, reason="voted", media="tmdb:movie:a", item="a", position=0.0, at=later(4)),
        )
        assert rules.fold([*three, *two, *example.outcome()]).skips == ()

    def test_half_is_not_enough(self) -> None:
        room.given(*three, skip_voted(BOB, 1, 3)).when(self.skip, by=CYD).then(skip_voted(CYD, 2, 3))

    def test_those_who_are_not_there_are_not_asked(self) -> None:
        here = {"present": frozenset({BOB, CYD, EVE})}

        votes = room.given(*three, skip_voted(BOB, 1, 3)).when(self.skip, by=CYD, ambient=here).outcome()

        assert votes[0] == skip_voted(CYD, 2, 2)
        assert isinstance(votes[1], MediaChanged)

    def test_nor_do_their_votes_count(self) -> None:
        here = {"present": frozenset({ANA, CYD})}

        room.given(*three, skip_voted(BOB, 1, 3)).when(self.skip, by=CYD, ambient=here).then(skip_voted(CYD, 1, 2))

    def test_who_votes_is_there(self) -> None:
        room.given(*three).when(self.skip, by=CYD, ambient={"present": frozenset({ANA})}).then(skip_voted(CYD, 1, 2))

    def test_a_vote_goes_with_who_gave_it(self) -> None:
        gone = (skip_voted(BOB, 1, 3), Left(uid=BOB, private=False, at=NOW))

        room.given(*three, *gone).when(self.skip, by=CYD).then(skip_voted(CYD, 1, 2))

    def test_a_second_vote_changes_nothing(self) -> None:
        room.given(*three, skip_voted(BOB, 1, 3)).when(self.skip, by=BOB).then()
        room.given(*three).when(Skip(party_id=P, skip=False), by=BOB).then()

    def test_unless_others_have_gone_and_it_is_enough_now(self) -> None:
        gone = (Left(uid=uid, private=False, at=NOW) for uid in (ANA, CYD, DAN))

        first, second = room.given(*three, skip_voted(BOB, 1, 3), *gone).when(self.skip, by=BOB).outcome()

        assert first == skip_voted(BOB, 1, 1)
        assert isinstance(second, MediaChanged)

    def test_what_has_just_come_is_not_skipped(self) -> None:
        two = (skip_voted(BOB, 1, 3), skip_voted(CYD, 2, 3))
        history = (*three, *two, *room.given(*three, *two).when(self.skip, by=DAN, after=4).outcome())

        room.given(*history).when(self.skip, by=DAN, after=4).then()
        room.given(*history).when(self.skip, by=ANA, after=4.4).then()
        room.given(*history).when(self.skip, by=ANA, after=5).then(skip_voted(ANA, 1, 3, after=5))

    def test_there_must_be_something_to_go_on_with(self) -> None:
        room.given(*four).when(self.skip, by=BOB).then_rejected("queue-empty")
        room.given(*four, skip_voted(BOB, 1, 3)).when(Skip(party_id=P, skip=False), by=BOB).then(
            skip_voted(BOB, 0, 3, skip=False)
        )


class TestDepartures:
    """More than half wanted to skip once others had gone."""

    two = (skip_voted(BOB, 1, 3), skip_voted(CYD, 2, 3))
    taken = MediaChanged(by=CYD, reason="voted", media="tmdb:movie:a", item="a", position=0.0, at=later(4))

    def test_the_party_goes_on_when_somebody_leaves(self) -> None:
        room.given(*three, *self.two).when(Leave(party_id=P), by=DAN, after=4).then(
            Left(uid=DAN, private=False, at=later(4)), self.taken
        )

    def test_when_somebody_is_put_out(self) -> None:
        kicked, banned = (
            room.given(*three, *self.two).when(command, by=ANA, after=4).outcome()
            for command in (Kick(party_id=P, uid=DAN), Ban(party_id=P, uid=DAN))
        )

        assert kicked[1:] == banned[1:] == [self.taken]

    def test_when_members_drop_out_of_sight(self) -> None:
        drop = Drop(party_id=P, uids=(DAN,))

        room.given(*three, *self.two).when(drop, by=SYSTEM, after=4).then(
            Left(uid=DAN, private=False, reason="unseen", at=later(4)), self.taken
        )

    def test_not_when_those_who_wanted_it_go(self) -> None:
        room.given(*three, *self.two).when(Leave(party_id=P), by=CYD, after=4).then(
            Left(uid=CYD, private=False, at=later(4))
        )

    def test_not_with_votes_of_those_who_are_not_there(self) -> None:
        here = {"present": frozenset({ANA, CYD, DAN, EVE})}

        room.given(*three, joined(EVE), *self.two).when(Leave(party_id=P), by=DAN, after=4, ambient=here).then(
            Left(uid=DAN, private=False, at=later(4))
        )

    def test_not_without_anything_to_go_on_with(self) -> None:
        room.given(*four, *self.two).when(Leave(party_id=P), by=DAN, after=4).then(
            Left(uid=DAN, private=False, at=later(4))
        )

    def test_not_when_nobody_wants_to(self) -> None:
        room.given(*three).when(Leave(party_id=P), by=DAN, after=4).then(Left(uid=DAN, private=False, at=later(4)))

    def test_with_what_has_most_votes_of_those_who_stay(self) -> None:
        votes = (configured(queue_order="votes"), voted("c", ANA), voted("c", DAN), voted("b", BOB))

        (_, changed) = room.given(*three, *votes, *self.two).when(Leave(party_id=P), by=DAN, after=4).outcome()

        assert isinstance(changed, MediaChanged)
        assert changed.item == "b"

    def test_and_waits_for_nobody_then(self) -> None:
        waits = Held(by=ANA, why="start", waits_for=(DAN,), position=0.0, at=NOW, until=later(30))

        events = room.given(*three, *self.two, waits).when(Leave(party_id=P), by=DAN, after=4).outcome()

        assert events[1:] == [self.taken]


CONTROLS: tuple[ProgramCommand, ...] = (
    ChangeMedia(party_id=P, media="tt0234215"), Next(party_id=P), MoveItem(party_id=P, item="c", before="a"),
)  # fmt: skip
OWN: tuple[ProgramCommand, ...] = (
    Enqueue(party_id=P, media="tt0234215"), Dequeue(party_id=P, item="a"), Vote(party_id=P, item="b"),
    Skip(party_id=P),
)  # fmt: skip


@pytest.mark.parametrize("command", [*CONTROLS, *OWN], ids=lambda c: c.function)
class TestEverybody:
    def test_needs_to_be_signed_in(self, command: ProgramCommand) -> None:
        room.given(*three).when(command).then_rejected("not-signed-in")

    def test_needs_a_party(self, command: ProgramCommand) -> None:
        room.when(command, by=ANA).then_rejected("no-such-party")

    def test_needs_an_open_party(self, command: ProgramCommand) -> None:
        for uid in (ANA, BOB, EVE):
            room.given(*closed).when(command, by=uid).then_rejected("party-closed")

    def test_needs_to_be_a_member(self, command: ProgramCommand) -> None:
        room.given(*three).when(command, by=EVE).then_rejected("not-a-member")
        room.given(*three, Left(uid=BOB, private=False, at=NOW)).when(command, by=BOB).then_rejected("not-a-member")


@pytest.mark.parametrize("command", CONTROLS, ids=lambda c: c.function)
def test_who_may_change_what_is_watched_is_in_the_table(command: ProgramCommand) -> None:
    action = "queue" if isinstance(command, MoveItem) else "media"
    strict = allowed(media="host", queue="host")

    room.given(*three).when(command, by=BOB).then_rejected("not-the-host", action=action, needs="cohost")
    assert room.given(*three, deputy).when(command, by=BOB).outcome()
    room.given(*three, deputy, strict).when(command, by=BOB).then_rejected("not-the-host", action=action, needs="host")
    assert room.given(*three, free).when(command, by=BOB).outcome()


@pytest.mark.parametrize("command", OWN, ids=lambda c: c.function)
def test_every_member_may_wish(command: ProgramCommand) -> None:
    assert room.given(*three, allowed(media="host", queue="host")).when(command, by=BOB).outcome()


# Properties: whatever people do to the program, in whatever order.

items = st.sampled_from(["a", "b", "c", "0", "1", "2"])
films = st.sampled_from(["tt0133093", "tt0234215"])
wishes: st.SearchStrategy[ProgramCommand | Undo] = st.one_of(
    st.builds(
        ChangeMedia, party_id=st.just(P), media=films, source=st.sampled_from([None, "", "magnet:"]),
        position=st.sampled_from([0.0, 60.0]),
    ),
    st.builds(Enqueue, party_id=st.just(P), media=films),
    st.builds(MoveItem, party_id=st.just(P), item=items, before=st.one_of(st.none(), items)),
    st.builds(Dequeue, party_id=st.just(P), item=items),
    st.builds(Vote, party_id=st.just(P), item=items, up=st.booleans()),
    st.just(Next(party_id=P)),
    st.just(undo),
    st.builds(Skip, party_id=st.just(P), skip=st.booleans()),
)  # fmt: skip
surroundings = st.fixed_dictionaries({}, optional={"present": st.frozensets(st.sampled_from([ANA, BOB, EVE]))})
steps = st.lists(
    st.tuples(st.sampled_from([ANA, BOB, CYD, EVE]), wishes, st.sampled_from([0.0, 0.3, 1.0, 31.0]), surroundings),
    max_size=30,
)
codec = Codec(EVENTS)


def carry_out(command: ProgramCommand | Undo, party: Party, context: Context) -> list[PartyEvent]:
    refusal = ""
    try:
        return rules.decide(command, party, context)
    except Rejected as rejected:
        refusal = rejected.code
    assert refusal in command.errors
    return []


@given(st.sampled_from([free, configured(queue_order="votes")]), steps)
def test_whatever_people_do_the_queue_is_in_order_and_the_same_wish_again_is_silence(
    settings: Configured, steps: list[tuple[str, ProgramCommand | Undo, float, dict[str, object]]]
) -> None:
    history: list[PartyEvent] = [*three, settings]
    party, now = rules.fold(history), NOW
    for number, (actor, command, pause, ambient) in enumerate(steps):
        now += timedelta(seconds=pause)
        context = Context(actor=actor, now=now, command_id=f"{number}", ambient=ambient)
        events = carry_out(command, party, context)
        party = rules.fold(events, party)
        history += events

        assert codec.decode(codec.encode(events)) == tuple(events)
        assert len({item.id for item in party.queue}) == len(party.queue) <= QUEUED
        assert all(item.votes.bit_count() <= len(party.members) for item in party.queue)
        assert not events or rules.decide(command, party, context) == [], "the same wish again"
    assert rules.fold(history) == party
    assert msgspec.convert(msgspec.json.decode(msgspec.json.encode(party)), Party) == party, "as a snapshot"


def test_nobody_is_ready_for_what_comes_next() -> None:
    """What a change of the program means for playback."""
    ready = (Readied(uid=uid, ready=True, at=NOW) for uid in (BOB, CYD, DAN))
    patient: tuple[PartyEvent, ...] = (*three, configured(wait=True), *ready)
    changed = (*patient, *room.given(*patient).when(Next(party_id=P), by=ANA).outcome())

    (event,) = room.given(*changed).when(Play(party_id=P), by=ANA, after=9).outcome()

    assert isinstance(event, Held)
    assert event.waits_for == (BOB, CYD, DAN)
