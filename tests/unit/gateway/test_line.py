"""The order of a channel's commits: every race is an example."""

from collections.abc import Callable

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from events.messages import Ended
from gateway import limits
from gateway.identity import Identity
from gateway.line import Item, Line, Member


class Socket:
    """Hears what its member is told."""

    def __init__(self, number: int = 1) -> None:
        self.number = number
        self.heard: list[bytes] = []

    def ended(self, member: Member) -> None:
        self.heard.append(b"gone")


def item(sequence: int, previous: int | None = None, *ends: Ended) -> Item:
    return Item(sequence, sequence - 1 if previous is None else previous, b"%d" % sequence, ends)


def on_the_line() -> Line:
    def on_end(member: Member, reason: str) -> None:
        member.write(b"ended " + reason.encode())

    return Line(on_end)


def newcomer(line: Line, uid: str = "ada") -> tuple[Member, Callable[[], list[bytes]]]:
    """A member that is opening, and what it has heard since last asked."""
    socket = Socket()
    member = Member(1, "party:x", Identity(uid, 0.0), socket, socket.heard.append)
    line.open(member)

    def heard() -> list[bytes]:
        said = [part for part in socket.heard if part]
        socket.heard.clear()
        return said

    return member, heard


def follower(line: Line, last: int = 0, uid: str = "ada") -> tuple[Member, Callable[[], list[bytes]]]:
    member, heard = newcomer(line, uid)
    assert line.admit(member, last, b"hello")
    assert heard() == [b"hello"]
    return member, heard


def test_what_comes_before_the_grant_waits_for_it() -> None:
    line = on_the_line()
    member, heard = newcomer(line)
    line.offer(item(5))
    line.offer(item(6))
    assert heard() == []
    assert line.admit(member, 4, b"hello")
    assert b"".join(heard()) == b"hello56"


def test_what_the_grant_knows_already_is_not_told_again() -> None:
    line = on_the_line()
    member, heard = newcomer(line)
    for number in (4, 5, 6):
        line.offer(item(number))
    line.admit(member, 5, b"hello")
    assert heard() == [b"hello", b"6"]


def test_the_second_follower_gets_what_came_while_its_grant_was_asked_for() -> None:
    line = on_the_line()
    _, first = follower(line, 3)
    second, heard = newcomer(line)
    line.offer(item(4))
    line.offer(item(5))
    assert (first(), heard()) == ([b"4", b"5"], [])
    line.admit(second, 4, b"hello")
    assert b"".join(heard()) == b"hello5"
    line.offer(item(6))
    assert (first(), heard()) == ([b"6"], [b"6"])


def test_a_grant_ahead_of_the_line_is_not_told_twice() -> None:
    line = on_the_line()
    _, first = follower(line, 3)
    second, heard = newcomer(line)
    line.admit(second, 5, b"hello45")
    heard()
    for number in (4, 5, 6):
        line.offer(item(number))
    assert first() == [b"4", b"5", b"6"]
    assert heard() == [b"6"]


def test_a_grant_older_than_what_was_delivered_is_asked_for_again() -> None:
    line = on_the_line()
    follower(line, 3)
    line.offer(item(4))
    second, heard = newcomer(line)
    assert not line.admit(second, 3, b"stale")
    assert heard() == []
    assert line.admit(second, 4, b"hello")


def test_a_stale_grant_of_one_who_opened_before_the_line_began() -> None:
    line = on_the_line()
    one, _ = newcomer(line)
    two, heard = newcomer(line)
    line.admit(one, 9, b"hello")
    assert not line.admit(two, 8, b"stale")
    assert line.admit(two, 9, b"hello")
    assert heard() == [b"hello"]


def test_duplicates_are_dropped() -> None:
    line = on_the_line()
    _, heard = follower(line, 3)
    for number in (4, 4, 3, 4):
        line.offer(item(number))
    assert heard() == [b"4"]


def test_what_arrives_together_is_told_in_one_piece() -> None:
    line = on_the_line()
    _, heard = follower(line, 3)
    line.offer(item(4), item(4), item(5), item(6))
    assert heard() == [b"456"]


def test_a_piece_ends_before_a_gap() -> None:
    line = on_the_line()
    _, heard = follower(line, 3)
    line.offer(item(4), item(6), item(7))
    assert heard() == [b"4"]
    line.mend([item(5)], 5)
    assert b"".join(heard()) == b"567"


def test_who_is_ahead_is_told_the_rest_of_a_piece() -> None:
    line = on_the_line()
    _, first = follower(line, 3)
    second, heard = newcomer(line)
    line.admit(second, 5, b"hello45")
    heard()
    line.offer(item(4), item(5), item(6))
    assert (first(), heard()) == ([b"456"], [b"6"])


def test_a_gap_holds_everything_back_until_it_is_mended() -> None:
    line = on_the_line()
    _, heard = follower(line, 3)
    line.offer(item(6, previous=5))
    line.offer(item(7))
    assert line.gap
    assert heard() == []
    line.mend([item(4), item(5)], 5)
    assert not line.gap
    assert heard() == [b"4", b"5", b"6", b"7"]


def test_mending_may_find_the_next_gap() -> None:
    line = on_the_line()
    _, heard = follower(line, 3)
    line.offer(item(5, previous=4))
    line.offer(item(9, previous=8))
    line.mend([item(4)], 4)
    assert line.gap
    assert heard() == [b"4", b"5"]
    line.mend([item(8, previous=5)], 8)
    assert heard() == [b"8", b"9"]


def test_erased_commits_are_no_gap() -> None:
    line = on_the_line()
    _, heard = follower(line, 5)
    line.offer(item(9, previous=2))
    assert heard() == [b"9"]


def test_a_suspicion_that_proves_wrong_loses_nothing() -> None:
    line = on_the_line()
    _, heard = follower(line, 3)
    line.hold()
    line.offer(item(4))
    assert heard() == []
    line.mend([item(4)], 4)
    assert heard() == [b"4"]


def test_a_right_that_ends_is_the_last_thing_told() -> None:
    line = on_the_line()
    ada, ada_heard = follower(line, 3, "ada")
    _, ben_heard = follower(line, 3, "ben")
    line.offer(item(4, None, Ended("kicked", "ada")))
    line.offer(item(5))
    assert ada_heard() == [b"4", b"ended kicked"]
    assert ben_heard() == [b"4", b"5"]
    assert ada not in line


def test_a_right_that_ends_inside_a_piece_is_the_last_thing_told() -> None:
    line = on_the_line()
    _, ada_heard = follower(line, 3, "ada")
    _, ben_heard = follower(line, 3, "ben")
    line.offer(item(4), item(5, None, Ended("kicked", "ada")), item(6), item(7))
    assert ada_heard() == [b"45", b"ended kicked"]
    assert ben_heard() == [b"45", b"67"]


def test_a_right_that_ended_inside_a_gap_ends_before_what_comes_later() -> None:
    line = on_the_line()
    _, heard = follower(line, 3, "ada")
    line.offer(item(5))
    line.mend([item(4, None, Ended("kicked", "ada"))], 4)
    assert heard() == [b"4", b"ended kicked"]


def test_a_right_that_ends_between_grant_and_admission_ends() -> None:
    line = on_the_line()
    follower(line, 3, "ben")
    ada, heard = newcomer(line, "ada")
    line.offer(item(4, None, Ended("kicked", "ada")))
    line.admit(ada, 3, b"hello")
    assert b"".join(heard()) == b"hello4ended kicked"
    assert ada not in line


def test_a_right_that_ended_and_began_again_before_the_grant_goes_on() -> None:
    line = on_the_line()
    follower(line, 3, "ben")
    ada, heard = newcomer(line, "ada")
    line.offer(item(4, None, Ended("kicked", "ada")))
    line.admit(ada, 4, b"hello")
    assert heard() == [b"hello"]
    assert ada in line


def test_the_end_of_a_channel_is_everybodys() -> None:
    line = on_the_line()
    heard = [follower(line, 3, uid)[1] for uid in ("ada", "ben")]
    line.offer(item(4, None, Ended("closed")))
    assert [told() for told in heard] == [[b"4", b"ended closed"]] * 2
    assert len(line) == 0


def test_a_restart_makes_everybody_open_anew() -> None:
    line = on_the_line()
    ada, heard = follower(line, 3)
    line.offer(item(9, previous=8))
    assert line.restart(afresh=False) == [ada]
    assert not line.admit(ada, 8, b"older than what had come")
    assert line.admit(ada, 9, b"state")
    assert heard() == [b"state"]


def test_after_a_restored_log_smaller_sequences_count() -> None:
    line = on_the_line()
    ada, heard = follower(line, 300)
    line.restart(afresh=True)
    assert line.admit(ada, 2, b"state")
    line.offer(item(3))
    assert heard() == [b"state", b"3"]


def test_a_member_that_leaves_hears_nothing_more() -> None:
    line = on_the_line()
    ada, heard = follower(line, 3)
    line.remove(ada)
    line.offer(item(4))
    assert heard() == []


def test_where_a_member_has_got_to() -> None:
    line = on_the_line()
    opening, _ = newcomer(line)
    assert line.reached(opening) == 0
    live, _ = follower(line, 3)
    line.offer(item(4))
    assert line.reached(live) == 4
    ahead, _ = newcomer(line)
    line.admit(ahead, 9, b"")
    assert line.reached(ahead) == 9


def test_an_opening_that_takes_too_long_asks_again_instead_of_growing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "COMMITS_HELD", 3)
    line = on_the_line()
    follower(line, 3)
    slow, heard = newcomer(line)
    for number in range(4, 9):
        line.offer(item(number))
    assert not line.admit(slow, 3, b"stale")
    assert line.admit(slow, 8, b"hello")
    assert heard() == [b"hello"]


def test_what_is_not_part_of_the_order_goes_to_everybody_admitted_but_its_sender() -> None:
    line = on_the_line()
    ada, ada_heard = follower(line, 3)
    _, ben_heard = follower(line, 3)
    _, opening_heard = newcomer(line)
    line.tell(b"hi", ada)
    assert (ada_heard(), ben_heard(), opening_heard()) == ([], [b"hi"], [])


class Races(RuleBasedStateMachine):
    """Commits lost or repeated on the way, followers that come at any moment, grants of any age, gaps mended late."""

    def __init__(self) -> None:
        super().__init__()
        self.line = on_the_line()
        self.stored: list[Item] = []
        self.arriving: list[Item] = []
        self.waiting: list[tuple[Member, Callable[[], list[bytes]], int]] = []
        self.in_: list[tuple[Callable[[], list[bytes]], int]] = []

    @property
    def head(self) -> int:
        return len(self.stored)

    @rule(copies=st.integers(0, 2))
    def commit(self, copies: int) -> None:
        self.stored.append(item(self.head + 1))
        self.arriving += [self.stored[-1]] * copies

    @rule()
    def arrive(self) -> None:
        self.line.offer(*self.arriving)
        self.arriving.clear()

    @rule()
    def come(self) -> None:
        self.waiting.append((*newcomer(self.line), self.head))

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def grant(self, data: st.DataObject) -> None:
        member, heard, asked_at = self.waiting.pop(0)
        last = data.draw(st.integers(asked_at, self.head))
        if self.line.admit(member, last, b"|%d" % last):
            self.in_.append((heard, last))
        else:
            self.waiting.append((member, heard, self.head))

    @precondition(lambda self: self.line.gap)
    @rule()
    def mend(self) -> None:
        self.line.mend([c for c in self.stored if c.sequence > self.line.last], self.head)

    @rule()
    def suspect(self) -> None:
        self.line.hold()

    def teardown(self) -> None:
        """In the end everybody has had everything after its grant, once and in order."""
        self.line.hold()
        if self.line.gap:
            self.mend()
        for heard, last in self.in_:
            expected = [b"|%d" % last, *(b"%d" % number for number in range(last + 1, self.head + 1))]
            assert b"".join(heard()) == b"".join(expected)


TestRaces = Races.TestCase
