"""Orders that several devices may change at once: fractional indexes, and registers in which the latest word counts.

The indexes are those of the usual libraries: a first letter tells how many digits a whole number has, so that putting
one behind another makes them hardly longer, and what follows is a fraction. PyPI's `fractional-indexing` is not used:
it asks for setuptools at run time and refuses neighbours of one order, or an order that is not of its own making; two
devices that were offline make the first, and any client may make the second.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import NamedTuple

from msgspec import Struct

from events.contracts.library.words import happened
from events.cursor import instant, moment
from events.messages import Context

DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
HEADS = DIGITS[10:]
FIRST = "a0"
LONGEST = 96
"""Characters of an order that is made here; where there is less room, the neighbours make some."""
GONE = ""
"""The order of what was taken away."""
TRACES = 1_000
"""Of what was taken away, how much is remembered, the newest: what a device tells late must not bring it back."""
OPERATIONS = 64
"""The newest that are remembered, so that a device may repeat them."""


class Stamp(Struct, frozen=True, array_like=True, order=True):
    """When a device said something: the greater one counts, whichever arrives first."""

    at: int
    """Microseconds since 1970."""
    op: str
    """A digest of the operation's id; decides at the same moment."""


class Place(Struct, frozen=True, array_like=True, order=True):
    """Where something is, and who said so when."""

    at: int
    op: str
    order: str


Places = dict[str, Place]
"""By id. What was taken away is still there, `GONE`."""
Row = Sequence[tuple[str, str]]
"""Ids and orders, as they are shown."""


class Told(NamedTuple):
    """When an operation happened, and its id."""

    at: datetime
    op: str

    @property
    def stamp(self) -> Stamp:
        return stamp(self.at, self.op)

    def place(self, order: str) -> Place:
        return place(self.at, self.op, order)


class Room(NamedTuple):
    """Where there is room for something new."""

    orders: list[str]
    pushed: dict[str, str]
    """What had to make room, and where it is now: neighbours of one order, or with hardly any room between them."""


def digest(op: str) -> str:
    """Short, since each place on a list keeps one."""
    return sha256(op.encode()).hexdigest()[:8]


def stamp(at: datetime, op: str) -> Stamp:
    return Stamp(instant(at), digest(op))


def place(at: datetime, op: str, order: str) -> Place:
    return Place(instant(at), digest(op), order)


def told(context: Context, op: str, at: datetime | None, sent_at: datetime | None, newest: int) -> Told:
    """As the device told it. What carries no time is the latest word, whatever was said at the very same moment."""
    if at is not None:
        return Told(happened(context, at, sent_at).at, op)
    return Told(after(context, newest), op)


def after(context: Context, newest: int) -> datetime:
    """Now, but later than the *newest* that is known."""
    return max(context.now, moment(newest + 1))


def remembering(known: tuple[Stamp, ...], new: Stamp) -> tuple[Stamp, ...]:
    """The newest operations, in the order of their times."""
    return tuple(sorted({*known, new})[-OPERATIONS:])


def is_known(known: tuple[Stamp, ...], op: str | None) -> bool:
    """Whether a device repeats an operation, by the id that it gave it."""
    return op is not None and any(stamp.op == digest(op) for stamp in known)


def merged(places: Places, said: Mapping[str, Place]) -> Places:
    """Take in what was *said*, as far as nothing greater is known."""
    won = {id: place for id, place in said.items() if id not in places or places[id] < place}
    return _trimmed({**places, **won}) if won else places


def _trimmed(places: Places) -> Places:
    gone = [place for place in places.values() if place.order == GONE]
    if len(gone) <= TRACES:
        return places
    oldest = sorted(gone)[-TRACES]
    return {id: place for id, place in places.items() if place.order != GONE or place >= oldest}


def row(places: Places) -> Row:
    """What is there, in its order; of one order, by id."""
    there = [(id, place.order) for id, place in places.items() if place.order != GONE]
    return sorted(there, key=lambda item: (item[1], item[0]))


def index_behind(row: Row, id: str | None) -> int | None:
    """The index behind *id*; the first one behind nothing, and None behind what is not there."""
    if id is None:
        return 0
    return next((index + 1 for index, (other, _) in enumerate(row) if other == id), None)


def room(row: Row, index: int, count: int) -> Room:
    """Orders for *count* new things at *index* of *row*; what is in the way moves, as little of it as will do."""
    start = end = index
    step = 1
    while (orders := _fitting(row, start, end, count + end - start)) is None:
        start, end, step = max(0, start - step), min(len(row), end + step), 2 * step
    before = index - start
    kept = orders[:before] + orders[before + count :]
    pushed = zip((id for id, _ in row[start:end]), kept, strict=True)
    return Room(orders[before : before + count], dict(pushed))


def _fitting(row: Row, start: int, end: int, count: int) -> list[str] | None:
    """Short enough orders between what is before *start* and what is from *end* on; None if there is no room."""
    lower = row[start - 1][1] if start > 0 else None
    upper = row[end][1] if end < len(row) else None
    if not are_apart(lower, upper):
        return None
    orders = spread(lower, upper, count)
    return orders if all(len(order) <= LONGEST for order in orders) else None


def moved(row: Row, id: str, after: str | None, wanted: str | None) -> Room:
    """Where *id* goes: to the place that the device reckoned, or behind *after*, or first."""
    if wanted is not None:
        return Room([wanted], {})
    others = [item for item in row if item[0] != id]
    index = index_behind(others, after)
    if index is None or row[index][0] == id:
        return Room([dict(row)[id]], {})  # behind itself, or where it is
    return room(others, index, 1)


def are_apart(lower: str | None, upper: str | None) -> bool:
    """Whether there is anything between: as fractions, zeros at the end add nothing."""
    return upper is None or (lower or "").rstrip("0") < upper.rstrip("0")


def spread(lower: str | None, upper: str | None, count: int) -> list[str]:
    """*count* orders between two that are apart, with room between them."""
    orders: list[str] = []
    if upper is None:
        for _ in range(count):
            orders.append(between(orders[-1] if orders else lower, None))
    elif lower is None:
        for _ in range(count):
            orders.insert(0, between(None, orders[0] if orders else upper))
    elif count:
        middle, left = between(lower, upper), count // 2
        orders = [*spread(lower, middle, left), middle, *spread(middle, upper, count - left - 1)]
    return orders


def between(lower: str | None, upper: str | None) -> str:
    """An order between two that are apart; None is the end of the row."""
    if lower is None and upper is None:
        return FIRST
    guess = _whole_between(lower, upper)
    if guess is not None and are_apart(lower, guess) and are_apart(guess, upper):
        return guess
    return _middle(lower or "", upper)


def _whole_between(lower: str | None, upper: str | None) -> str | None:
    """The next whole number, which may be too far."""
    whole = _whole(lower or upper or "")
    if whole is None or lower is not None:
        return _step(whole, 1)
    return whole if are_apart(whole, upper) else _step(whole, -1)


def _width(head: int) -> int:
    """Digits of a whole number: `Z` and `a` have one, and each letter farther from them one more."""
    return 26 - head if head < 26 else head - 25


def _whole(order: str) -> str | None:
    """The whole number with which an order begins, if it is one of the usual ones."""
    if not order or order[0] not in HEADS:
        return None
    whole = order[: _width(HEADS.index(order[0])) + 1]
    return whole if len(whole) == _width(HEADS.index(order[0])) + 1 else None


def _step(whole: str | None, by: int) -> str | None:
    """One up or down; None beyond the last."""
    if whole is None:
        return None
    head = HEADS.index(whole[0])
    digits = [DIGITS.index(digit) for digit in whole[1:]]
    for at in reversed(range(len(digits))):
        digits[at] = (digits[at] + by) % len(DIGITS)
        if digits[at] != (0 if by > 0 else len(DIGITS) - 1):
            return whole[0] + "".join(DIGITS[digit] for digit in digits)
    head += by
    if not 0 <= head < len(HEADS):
        return None
    return HEADS[head] + DIGITS[0 if by > 0 else -1] * _width(head)


def _middle(lower: str, upper: str | None) -> str:
    """Between two fractions of which the first is smaller, and as short as that goes digit by digit."""
    found = ""
    while True:
        at = len(found)
        low = DIGITS.index(lower[at]) if at < len(lower) else 0
        high = len(DIGITS) if upper is None else DIGITS.index(upper[at]) if at < len(upper) else 0
        if high - low > 1:
            return found + DIGITS[(low + high + 1) // 2]
        found += DIGITS[low]
        if high > low:
            upper = None
