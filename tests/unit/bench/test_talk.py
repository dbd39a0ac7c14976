"""What readers of a chat were shown is compared with what was said."""

import pytest
from bench.talk import Faults, Screen, Talk, faults, number_of, text


@pytest.mark.parametrize(
    ("shown", "found"),
    [
        ([3, 1, 2, 5], Faults()),
        ([3, 1, 2], Faults(lost=1)),
        ([], Faults(lost=4)),
        ([3, 1, 1, 2, 5], Faults(doubled=1)),
        ([3, 1, 2, 5, 3], Faults(doubled=1)),
        ([1, 3, 2, 5], Faults(misordered=1)),
        ([5, 3, 1, 2], Faults(misordered=3)),
        ([3, 5, 5, 1], Faults(lost=1, doubled=1, misordered=1)),
    ],
)
def test_faults_of_one_reader_are_told_by_the_order_of_the_log(shown: list[int], found: Faults) -> None:
    assert faults(shown, said=[3, 1, 2, 5]) == found


def test_a_line_that_nobody_said_counts_as_doubled() -> None:
    assert faults([1, 9, 2], said=[1, 2]) == Faults(doubled=1)


def test_the_order_of_a_talk_is_that_of_the_log_and_not_of_speaking() -> None:
    talk = Talk()
    first, second = talk.saying(1.0), talk.saying(2.0)
    talk.stored(second, 10)
    talk.stored(first, 11)

    assert talk.order() == [second, first]
    assert (talk.said, talk.answered) == (2, 2)


def test_screens_that_show_other_bytes_at_the_same_place_are_read_for_themselves() -> None:
    talk = Talk()
    for at in (1.0, 2.0):
        talk.saying(at)
    one, other = Screen(talk), Screen(talk)
    for number in (0, 1):
        one.show(_line(number), 5.0)
    for number in (1, 0):
        other.show(_line(number), 6.0)

    assert (one.shown, other.shown) == ([0, 1], [1, 0])
    assert list(talk.samples) == [4.0, 3.0, 4.0, 5.0]
    assert (talk.deliveries, talk.latest) == (4, 6.0)


def test_who_came_again_is_not_timed() -> None:
    talk = Talk()
    talk.saying(1.0)
    screen = Screen(talk)
    screen.timed = False
    screen.show(_line(0), 9.0)

    assert screen.shown == [0]
    assert not talk.samples


def test_a_padded_line_has_the_same_number() -> None:
    assert number_of(f'{{"text":"{text(42, 30)}"}}'.encode()) == 42
    assert len(text(42, 30)) == len(text(7)) + 30


def _line(number: int) -> bytes:
    return f'{{"op":"event","data":{{"text":"{text(number)}"}}}}'.encode()
