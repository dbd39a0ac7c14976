"""The promise of the log: read an aggregate, append to it where it was left, read everything in order."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from itertools import accumulate
from typing import NamedTuple, Protocol

from events.messages import Context, Event, Key


class Commit(NamedTuple):
    """All events of one decision about one aggregate, stored or refused as a whole."""

    sequence: int
    """In the context's stream: contiguous but for erased commits."""
    key: Key
    first: int
    """Version of the first event; an aggregate's versions are contiguous from 1, unknown events included."""
    last: int
    events: tuple[Event, ...]
    """Those whose tags this code knows; `Personal` fields still sealed."""
    id: str
    at: datetime
    actor: str
    command_id: str
    fingerprint: str
    correlation_id: str
    causation_id: str
    trace: str
    """W3C `traceparent` of the command."""
    unreadable: str = ""
    """Why it does not decode, in a tail only: whoever follows the log sets it aside and goes on."""


class Write(NamedTuple):
    """A commit to be: what was decided and the state that it was decided on."""

    key: Key
    expected: int
    """Sequence of the aggregate's newest commit when it was loaded; 0 if it had none."""
    version: int
    """The aggregate's version then; the new events count on from it."""
    events: Sequence[Event]
    """Empty for an aggregate that a decision over several only looked at: an empty commit guards what was seen."""


class Link(NamedTuple):
    """One of several commits of an aggregate that are to follow one another."""

    events: Sequence[Event]
    context: Context
    trace: str = ""
    """Of its own command."""


def writes_of(key: Key, expected: int, version: int, row: Sequence[Link]) -> list[Write]:
    """The commits of a row, each with the version that it goes on from; all expect what was there before the first."""
    versions = accumulate((len(link.events) for link in row), initial=version)
    return [Write(key, expected, before, link.events) for before, link in zip(versions, row, strict=False)]


class Conflict(Exception):
    """Somebody else committed to the aggregate since it was loaded: load and decide again."""


class Unclear(Exception):
    """The log could not be reached before the deadline: the commit may or may not be stored."""


class Hole(Exception):
    """A commit that must exist is missing. Nothing may go on as if it had never been."""


class Log(Protocol):
    """One context's log. Two keepers, memory and JetStream, are held to one contract suite."""

    @property
    def epoch(self) -> str:
        """Changes when the log is restored from a backup; sequences of different epochs are never compared."""

    async def read(self, key: Key, after: int = 0) -> list[Commit]:
        """The aggregate's commits with a sequence above *after*, in order. Raise `Hole` if one is missing."""

    async def append(self, writes: Sequence[Write], context: Context) -> tuple[int, ...]:
        """Store one commit per write, all or none; return their sequences.

        Acknowledged means durable. Appending the same again for the same command returns the first sequences.
        Raise `Conflict` if any aggregate moved, `Unclear` if the outcome could not be learnt in time.
        """

    async def append_row(self, key: Key, expected: int, version: int, row: Sequence[Link]) -> tuple[int, ...]:
        """Store commits of one aggregate that follow one another, all or none; return their sequences.

        *expected* and *version* are those before the first. Otherwise as `append`, and nothing is stored if they are
        `Rejected`: each for itself may still find its way.
        """

    async def newest(self, key: Key) -> int:
        """The sequence of the aggregate's newest commit, never behind what was acknowledged; 0 if it has none."""

    async def head(self) -> int:
        """The sequence of the newest commit that is still there."""

    def tail(self, after: int) -> AsyncIterator[list[Commit]]:
        """Everything with a sequence above *after*, in order, in batches, for ever. Raise `Hole` if one is missing."""
