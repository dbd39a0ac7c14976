"""What is said in one room, and what each reader is shown of it: everybody the same, in one order, once."""

import re
from array import array
from collections.abc import Mapping, Sequence
from typing import NamedTuple

WORDS = "did you see who stood behind that door just now"
"""What everybody says, after a number by which lines are told apart."""

_number = re.compile(rb'"text":"#(\d+) ')


class Faults(NamedTuple):
    """What is wrong with what one reader was shown."""

    lost: int = 0
    doubled: int = 0
    misordered: int = 0
    """Lines that came after one that is behind them in the log."""

    def __add__(self, other: tuple[int, ...]) -> "Faults":  # type: ignore[override]  # tuples would be joined
        return Faults(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))


def text(number: int, padding: int = 0) -> str:
    """The line of that number, longer by so many characters."""
    return f"#{number:06} {WORDS}{'.' * padding}"


def faults(shown: Sequence[int], said: Sequence[int]) -> Faults:
    """Compare what one reader was shown with what was said, in the order of the log."""
    places: Mapping[int, int] = {number: place for place, number in enumerate(said)}
    seen: set[int] = set()
    furthest, misordered = -1, 0
    for number in shown:
        place = places.get(number)
        if place is None or number in seen:
            continue
        seen.add(number)
        misordered += place < furthest
        furthest = max(furthest, place)
    return Faults(len(places) - len(seen), len(shown) - len(seen), misordered)


class Talk:
    """Everything that is said in one room, by numbers, and how long it takes to every screen."""

    def __init__(self) -> None:
        self.deliveries = 0
        """To all screens together."""
        self.latest = 0.0
        """When the newest of them arrived."""
        self.bytes = 0
        """Of the newest line, as it comes to a screen."""
        self.samples = array("d")
        """Seconds from saying a line to each screen that is timed."""
        self._said_at: list[float] = []
        self._stored: dict[int, int] = {}
        self._lines: list[bytes] = []
        self._numbers: list[int] = []

    @property
    def said(self) -> int:
        """How many lines were said so far."""
        return len(self._said_at)

    @property
    def answered(self) -> int:
        """How many of them are known to be stored."""
        return len(self._stored)

    def saying(self, at: float) -> int:
        """The number of the line that is said now."""
        self._said_at.append(at)
        return len(self._said_at) - 1

    def stored(self, number: int, place: int) -> None:
        """A line was accepted, and has this place in the order of all."""
        self._stored[number] = place

    def forget_times(self) -> None:
        self.samples = array("d")

    def show(self, place: int, line: bytes, at: float, timed: bool) -> int:
        """A screen is shown *line* as its one number *place*. Return the line's number.

        Every screen gets the same bytes: those that somebody else was shown at the same place need not be read.
        """
        if place < len(self._lines) and self._lines[place] == line:
            number = self._numbers[place]
        else:
            number = number_of(line)
            if place == len(self._lines):
                self._lines.append(line)
                self._numbers.append(number)
                self.bytes = len(line)
        self.deliveries += 1
        self.latest = max(self.latest, at)
        if timed:
            self.samples.append(at - self._said_at[number])
        return number

    def order(self) -> list[int]:
        """The numbers of all lines as they are stored."""
        return sorted(self._stored, key=self._stored.__getitem__)


class Screen:
    """What one reader was shown."""

    def __init__(self, talk: Talk) -> None:
        self._talk = talk
        self.shown: list[int] = []
        self.last = b""
        self.timed = True

    def show(self, line: bytes, at: float) -> None:
        self.last = line
        self.shown.append(self._talk.show(len(self.shown), line, at, self.timed))


def number_of(line: bytes) -> int:
    found = _number.search(line)
    assert found is not None, line
    return int(found[1])
