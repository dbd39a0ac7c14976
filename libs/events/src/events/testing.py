"""Given, when, then: how the rules of a decider are told as examples."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar

from events.decider import Decider
from events.messages import Context, Rejected

C = TypeVar("C")
S = TypeVar("S")
E = TypeVar("E")

NOW = datetime(2026, 1, 2, 20, 15, tzinfo=UTC)
"""When every example happens, unless it says otherwise."""


@dataclass(frozen=True)
class Given(Generic[C, S, E]):
    """An example in the making; each step returns a new one."""

    decider: Decider[C, S, E]
    events: tuple[E, ...] = ()
    context: Context = field(
        default_factory=lambda: Context(actor="", now=NOW, command_id="c0mmand0c0mmand0c0mmand0cc")
    )
    command: C | None = None

    def given(self, *events: E) -> "Given[C, S, E]":
        return replace(self, events=events)

    def when(self, command: C, by: str = "", after: float = 0.0, **context: Any) -> "Given[C, S, E]":
        """The command *by* somebody, *after* seconds since `NOW`; further words fill the context."""
        fields = {"command_id": self.context.command_id, **context}
        return replace(self, command=command, context=Context(actor=by, now=NOW + timedelta(seconds=after), **fields))

    def outcome(self) -> list[E]:
        assert self.command is not None, "no command: call when() first"
        state = self.decider.fold(self.events)
        return self.decider.decide(self.command, state, self.context)

    def then(self, *expected: E) -> None:
        """Just these events; none means that the command changes nothing. Repeating the command must then be silent."""
        decided = self.outcome()
        assert decided == list(expected)

    def then_rejected(self, code: str, **details: Any) -> None:
        refusal, decided = self._refused()
        assert refusal is not None, f"expected a refusal with {code!r}, got {decided}"
        assert refusal.code == code
        assert {k: refusal.details.get(k) for k in details} == details

    def state(self) -> S:
        return self.decider.fold(self.events)

    def _refused(self) -> tuple[Rejected | None, list[E]]:
        try:
            return None, self.outcome()
        except Rejected as refusal:
            return refusal, []


def spec(decider: Decider[C, S, E]) -> Given[C, S, E]:
    """Begin examples of this decider."""
    return Given(decider)
