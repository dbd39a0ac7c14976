"""What all projections of comments read and write: facts with their commit, and rows as columns."""

from collections.abc import Container, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from events.log import Commit


class Fact(NamedTuple):
    """An event with what its commit says of it."""

    commit: Commit
    nth: int
    """Among the events of its commit."""
    event: Any


def facts_of(commits: Sequence[Commit], kinds: Container[type]) -> list[Fact]:
    """The facts of these *kinds*, in order."""
    return [
        Fact(commit, nth, event)
        for commit in commits
        for nth, event in enumerate(commit.events)
        if type(event) in kinds
    ]


def columns(rows: Iterable[tuple[Any, ...]]) -> Iterator[list[Any]]:
    """Rows turned on their side, as `unnest` takes them."""
    return (list(column) for column in zip(*rows, strict=True))
