"""What a service would have written to its streams: commits by its own decider, without a server."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from msgspec.structs import replace

from events.decider import Decider
from events.log import Commit
from events.messages import Command, Context, Event, Key, Rejected
from events.testing import NOW


class Recording:
    """A log and its heartbeats in the making."""

    def __init__(self, decider: Decider[Any, Any, Any]) -> None:
        self.decider = decider
        self.commits: list[Commit] = []
        self.heartbeats: list[Commit] = []
        self._states: dict[Key, Any] = {}
        self._versions: dict[Key, int] = {}
        self._times: dict[Key, datetime] = {}
        self.now: datetime = NOW

    def tell(
        self, command: Command, by: str, after: float = 1.0, id: str = "", ambient: Mapping[str, Any] | None = None
    ) -> list[Event]:
        """Carry out *command*, *after* seconds after the one before; refusals pass.

        As on the spine, an aggregate's time never runs behind its last fact.
        """
        self.now += timedelta(seconds=after)
        context = Context(
            actor=by,
            now=self.now,
            command_id=id or f"{len(self.commits):012d}-told",
            secret="5ec4e7",
            ambient=ambient or {},
        )
        (key,) = command.keys(context)
        context = replace(context, now=max(self.now, self._times.get(key, self.now)))
        state = self._states.get(key, self.decider.initial)
        events: list[Event] = []
        with suppress(Rejected):
            events = self.decider.decide(command, state, context)
        facts = [event for event in events if not event.telemetry]
        if facts:
            self._states[key] = self.decider.fold(facts, state)
            first = self._versions.get(key, 0) + 1
            self._versions[key] = first + len(facts) - 1
            self._times[key] = context.now
            self.commits.append(self._commit(len(self.commits) + 1, key, first, facts, context))
        for event in events:
            if event.telemetry:
                self.heartbeats.append(self._commit(len(self.heartbeats) + 1, key, 0, [event], context))
        return events

    def state(self, key: Key) -> Any:
        """What the rules know of an aggregate after all that."""
        return self._states[key]

    def say(self, key: Key, *events: Event, by: str = "", after: float = 1.0) -> Commit:
        """Have these happen without asking a rule; telemetry as a commit of its own stream."""
        self.now += timedelta(seconds=after)
        context = Context(actor=by, now=self.now, command_id=f"said-{len(self.commits)}-{len(self.heartbeats)}")
        if events[0].telemetry:
            self.heartbeats.append(self._commit(len(self.heartbeats) + 1, key, 0, events, context))
            return self.heartbeats[-1]
        first = self._versions.get(key, 0) + 1
        self._states[key] = self.decider.fold(events, self._states.get(key, self.decider.initial))
        self._versions[key] = first + len(events) - 1
        self._times[key] = self.now
        self.commits.append(self._commit(len(self.commits) + 1, key, first, events, context))
        return self.commits[-1]

    def kept_heartbeats(self) -> list[Commit]:
        """What the compacted stream has left: the last of each slot."""
        last = {(commit.key, commit.events[0].slot()): commit for commit in self.heartbeats}
        return sorted(last.values(), key=lambda commit: commit.sequence)

    @staticmethod
    def _commit(sequence: int, key: Key, first: int, events: Sequence[Event], context: Context) -> Commit:
        last = first + len(events) - 1
        id = context.command_id
        return Commit(sequence, key, first, last, tuple(events), id, context.now, context.actor, id, "", "", "", "")


def cut(commits: Sequence[Commit], size: int) -> Iterator[Sequence[Commit]]:
    """Batches of *size*."""
    return (commits[start : start + size] for start in range(0, len(commits), size))


def rows_of(records: Iterable[Any]) -> list[tuple[Any, ...]]:
    return [tuple(record) for record in records]
