"""What is kept of a room: little, however much is said there."""

from collections.abc import Iterator
from itertools import count

import msgspec
from hypothesis import settings as tries
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from tests.unit.comments.talk import ANA, BOB, CYD, HOST, MEMBER, PARTY, configured, kept, later, room, said, unseen

from comments.decider import room as rule_book
from comments.rooms import LINE, KeptLine, Room
from comments.rules import Rules
from events.contracts.comments import (
    AUTHORS,
    RECENT_LINES,
    ConfigureRoom,
    DeleteLine,
    HideLine,
    LineHidden,
    LineRestored,
    PinLine,
    RestoreLine,
    RoomCommand,
    RoomEvent,
    Said,
    SaidUnseen,
    Say,
)
from events.messages import Context, Rejected
from events.testing import NOW

LARGEST = 256 * 1024


def test_the_newest_lines_are_known_and_no_more() -> None:
    state = room.given(*(said(f"l{number}") for number in range(RECENT_LINES + 10))).state()

    assert [*state.lines] == [f"l{number}" for number in range(10, RECENT_LINES + 10)]


def test_in_slow_mode_who_spoke_longest_ago_is_forgotten_first() -> None:
    crowd = [said(f"l{number}", f"u{number}", after=number) for number in range(AUTHORS)]
    again = said("l0a", "u0", after=AUTHORS)

    state = room.given(configured(slow_seconds=5), *crowd, again, said("new", "new", after=AUTHORS + 1)).state()

    assert len(state.spoke) == AUTHORS
    assert "u0" in state.spoke
    assert "u1" not in state.spoke


def test_even_with_the_longest_names_it_stays_small() -> None:
    uids = [f"{number:0128}" for number in range(AUTHORS)]
    state = room.given(
        configured(slow_seconds=5, words=("x" * 50,) * 200),
        *(unseen(f"{number:016}", uid) for number, uid in enumerate(uids)),
    ).state()

    assert len(msgspec.json.encode(state)) < LARGEST


def test_it_is_read_back_as_it_was_written() -> None:
    state: Room = room.given(configured(slow_seconds=5), said("l1"), unseen("l2")).state()

    assert msgspec.json.decode(msgspec.json.encode(state), type=Room) == state


def test_what_is_marked_and_no_longer_known_changes_nothing() -> None:
    hidden = LineHidden(room=PARTY, line="gone", by=ANA, at=NOW)
    restored = LineRestored(room=PARTY, line="gone", uid=BOB, text="a", said_at=NOW, by=ANA, at=NOW)

    assert room.given(said("l1"), hidden, restored).state() == room.given(said("l1")).state()


PEOPLE = st.sampled_from([ANA, BOB, CYD])
"""Ana hosts the party."""
CLOCK = st.floats(0, 20, allow_nan=False)


class Talking(RuleBasedStateMachine):
    """Three people in a room, beside a model that keeps everything that was said."""

    def __init__(self) -> None:
        super().__init__()
        self.book = rule_book(Rules(words_refused=("rosebud",), words_held=("sled",)))
        self.state = self.book.initial
        self.log: list[RoomEvent] = []
        self.now = NOW
        self.ids: Iterator[int] = count()
        self.lines: dict[str, tuple[str, str]] = {}
        """Whose each line is that was not taken back, and its veil."""
        self.slow = 0.0
        self.open = True
        self.pinned: str | None = None

    def carry_out(self, command: RoomCommand, by: str, told: KeptLine | None = None) -> list[RoomEvent] | str:
        rights = HOST if by == ANA else MEMBER
        context = Context(
            actor=by,
            now=self.now,
            name=by.title(),
            command_id=f"{next(self.ids):016}",
            told={"party.rights": rights, **({LINE: told} if told else {})},
        )
        try:
            events = self.book.decide(command, self.state, context)
        except Rejected as refused:
            return refused.code
        self.state = self.book.fold(events, self.state)
        self.log += events
        if not isinstance(command, Say | DeleteLine):
            assert self.book.decide(command, self.state, context) == []
        return events

    def line(self, number: int) -> str:
        return [*self.lines][number % len(self.lines)]

    @rule(by=PEOPLE, text=st.sampled_from(["hello", "a sled", "rosebud"]), passing=CLOCK)
    def say(self, by: str, text: str, passing: float) -> None:
        self.now += later(passing) - NOW
        spoke = [event.at for event in self.log if isinstance(event, Said | SaidUnseen) and event.uid == by]
        told = self.carry_out(Say(room=PARTY, text=text), by)
        if by != ANA and not self.open:
            assert told == "chat-closed"
        elif by != ANA and text == "rosebud":
            assert told == "words-refused"
        elif by != ANA and self.slow and spoke and (self.now - spoke[-1]).total_seconds() < self.slow:
            assert told == "slow-mode"
        else:
            assert isinstance(told, list)
            (event,) = told
            assert isinstance(event, SaidUnseen if by != ANA and text == "a sled" else Said)
            self.lines[event.line] = by, event.veil if isinstance(event, SaidUnseen) else ""

    @precondition(lambda self: self.lines)
    @rule(by=PEOPLE, number=st.integers(0, 100))
    def delete(self, by: str, number: int) -> None:
        line = self.line(number)
        uid, veil = self.lines[line]
        told = self.carry_out(DeleteLine(room=PARTY, line=line), by, None)
        if uid == by:
            del self.lines[line]
            assert self.carry_out(DeleteLine(room=PARTY, line=line), by) == []
            self.pinned = None if self.pinned == line else self.pinned
        else:
            assert told == ("no-such-line" if veil and by != ANA else "not-yours")

    @precondition(lambda self: self.lines)
    @rule(by=PEOPLE, number=st.integers(0, 100), hide=st.booleans())
    def veil(self, by: str, number: int, hide: bool) -> None:
        line = self.line(number)
        uid, veil = self.lines[line]
        command = HideLine(room=PARTY, line=line) if hide else RestoreLine(room=PARTY, line=line)
        told = self.carry_out(command, by, kept(uid, "held") if veil else kept(uid))
        if by != ANA:
            assert told == "not-a-moderator"
            return
        assert (told == []) == (veil == ("moderated" if hide else ""))
        self.lines[line] = uid, "moderated" if hide else ""
        self.pinned = None if hide and self.pinned == line else self.pinned

    @precondition(lambda self: self.lines)
    @rule(number=st.integers(0, 100))
    def pin(self, number: int) -> None:
        line = self.line(number)
        told = self.carry_out(PinLine(room=PARTY, line=line), ANA)
        if self.lines[line][1]:
            assert told == "no-such-line"
        else:
            self.pinned = line

    @rule(slow=st.sampled_from([0.0, 5.0, 15.0]), is_open=st.booleans())
    def configure(self, slow: float, is_open: bool) -> None:
        self.carry_out(ConfigureRoom(room=PARTY, slow_seconds=slow, open=is_open), ANA)
        self.slow, self.open = slow, is_open

    @invariant()
    def the_state_says_the_same(self) -> None:
        there = {id: (line.uid, line.veil) for id, line in self.state.lines.items() if not line.gone}
        assert there == self.lines
        assert self.state.pinned == self.pinned
        assert (self.state.settings.slow_seconds, self.state.settings.open) == (self.slow, self.open)

    @invariant()
    def it_survives_a_snapshot(self) -> None:
        assert msgspec.json.decode(msgspec.json.encode(self.state), type=Room) == self.state


TestTalking = Talking.TestCase
TestTalking.settings = tries(max_examples=30, stateful_step_count=30, deadline=None)
