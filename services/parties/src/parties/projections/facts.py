"""What all projections of parties read and write: facts with the party they are about, and rows as columns."""

from collections.abc import Container, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from events.log import Commit


class Fact(NamedTuple):
    """An event with what its commit says of it."""

    party_id: str
    commit: Commit
    nth: int
    """Among the events of its commit."""
    event: Any


def facts_of(commits: Sequence[Commit], kinds: Container[type] | None = None) -> list[Fact]:
    """The facts of these *kinds*, in order; telemetry is none. A party's id is its aggregate's: plain characters."""
    if kinds is None:
        return [
            Fact(commit.key.id, commit, nth, event)
            for commit in commits
            for nth, event in enumerate(commit.events)
            if not event.telemetry
        ]
    return [
        Fact(commit.key.id, commit, nth, event)
        for commit in commits
        for nth, event in enumerate(commit.events)
        if type(event) in kinds
    ]


def said(event: Any) -> datetime:
    """When it happened; a control takes effect, at its `at`, a little later."""
    at: datetime = getattr(event, "said_at", None) or event.at
    return at


def columns(rows: Iterable[tuple[Any, ...]]) -> Iterator[list[Any]]:
    """Rows turned on their side, as `unnest` takes them."""
    return (list(column) for column in zip(*rows, strict=True))
