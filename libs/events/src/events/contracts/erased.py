"""What every context says of a person who was erased, in words of its own; the person is named by their uid alone."""

from datetime import datetime
from typing import Annotated, ClassVar

from msgspec import Meta, Struct, field

from events.messages import Command, Context, Event, Key

ERASED = "erased"
"""The kind of aggregate that holds the erasures of one person in one context."""
FORGOTTEN = "forgotten"
"""Subject on which every replica and gateway hears who is being erased, and whose key was destroyed."""

Uid = Annotated[str, Meta(pattern=r"^[A-Za-z0-9-]{1,64}$")]
Counts = dict[str, int]
"""How much there was, by what it was: `commits`, `rows`, …"""


def erased_key(uid: str) -> Key:
    return Key.of(ERASED, uid)


class Forgotten(Struct, frozen=True):
    """Let go of what is remembered of a person, and of their key; for so long their commands are refused."""

    uid: str
    busy_for: float = 0.0
    destroyed: bool = False
    """Their key is gone, and with it all that it sealed."""


class Erased(Event, frozen=True, kw_only=True):
    """A tombstone. Whatever stands in the log of the person's own before a final one is void, and gone or about to go.

    The first of an erasure says what there was to erase; a final one, that it is gone.
    """

    uid: str
    erasure: str
    at: datetime
    counts: Counts = field(default_factory=dict)
    final: bool = False


class Entomb(Command, frozen=True, kw_only=True):
    """Put a tombstone into the log."""

    internal: ClassVar[bool] = True
    uid: Uid
    erasure: str
    counts: Counts = field(default_factory=dict)
    final: bool = False

    def keys(self, context: Context) -> tuple[Key, ...]:
        return (erased_key(self.uid),)
