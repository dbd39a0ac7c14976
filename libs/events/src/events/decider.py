"""What a rule book is: how a state begins, what a command leads to in it, and how an event moves it on."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Generic, TypeVar

from events.messages import Context, Key

C = TypeVar("C")
S = TypeVar("S")
E = TypeVar("E")


@dataclass(frozen=True)
class Decider(Generic[C, S, E]):
    """The rules of one kind of aggregate. `decide` and `evolve` are pure: after a conflict a decision is taken anew.

    `decide` returns the events in order, an empty list when the wish is already fulfilled, or raises `Rejected`.
    """

    initial: S
    decide: Callable[[C, S, Context], list[E]]
    evolve: Callable[[S, E], S]

    def fold(self, events: Iterable[E], state: S | None = None) -> S:
        return reduce(self.evolve, events, self.initial if state is None else state)


@dataclass(frozen=True)
class Pact(Generic[C, S, E]):
    """A rule over several aggregates of one context; what it decides is committed as one batch or not at all.

    Every aggregate that the command names is given to `decide` and guarded by its version, even without an event.
    """

    deciders: Mapping[str, Decider[C, S, E]]
    """By kind of aggregate: how to fold each."""
    decide: Callable[[C, Mapping[Key, S], Context], Mapping[Key, list[E]]]
