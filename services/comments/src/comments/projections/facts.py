"""What all projections of comments read and write: facts with their commit, and rows as columns."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from events.log import Commit


class Fact(NamedTuple):
    """An event with what its commit says of it."""

    commit: Commit
    nth: int
    """Among the events of its commit."""
    event: Any


class _Batch(NamedTuple):
    """Commits, looked through once for all projections."""

    commits: Sequence[Commit]
    size: int
    facts: list[Fact]
    kinds: set[type]


_latest = [_Batch((), 0, [], set())]


def facts_of(commits: Sequence[Commit], kinds: Collection[type]) -> list[Fact]:
    """The facts of these *kinds*, in order."""
    batch = _batch_of(commits)
    if batch.kinds.isdisjoint(kinds):
        return []
    return [fact for fact in batch.facts if type(fact.event) in kinds]


def _batch_of(commits: Sequence[Commit]) -> _Batch:
    """All projections get the same commits, one after the other."""
    (latest,) = _latest
    if latest.commits is commits and latest.size == len(commits):
        return latest
    facts = [Fact(commit, nth, event) for commit in commits for nth, event in enumerate(commit.events)]
    _latest[0] = batch = _Batch(commits, len(commits), facts, {type(fact.event) for fact in facts})
    return batch


def columns(rows: Iterable[tuple[Any, ...]]) -> Iterator[list[Any]]:
    """Rows turned on their side, as `unnest` takes them."""
    return (list(column) for column in zip(*rows, strict=True))
