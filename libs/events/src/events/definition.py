"""What a service is, as data: the table of contents that its `main.py` writes down."""

import inspect
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Protocol

from msgspec import Struct

from events.ambient import Observer
from events.codec import Codec, Upcaster
from events.decider import Decider, Pact
from events.erasing import Erasing
from events.messages import Command, Context, Event, Query, Report
from events.projection import Projection
from events.quotas import Charging
from events.schema import Db, fingerprint
from events.timers import Cron
from events.working import Working, Workplace


class Granted(Struct, frozen=True):
    """What somebody may do on a channel, and the state that it shows. The chassis adds positions and missed commits."""

    may: tuple[Literal["follow", "track", "send", "whisper"], ...]
    """`whisper` instead of `send` is for whom nobody hears, and who must not notice it."""
    state: Any = None
    """Or `Raw`, if it is encoded already."""
    presence: Literal["list", "count"] = "list"


Answering = Callable[[Db, Any, Context], Awaitable[Any]]
"""A query's function: (connection, query, context) to value; raises `Rejected`."""
Granting = Callable[[Db, str, Sequence[Context]], Awaitable[Sequence[Granted | Exception]]]
"""May each of these actors follow the channel with this id? For whoever may not: `Rejected`, which is raised if it
concerns them all."""

Preparing = Callable[[Any, Context], Awaitable[tuple[Any, Context]]]
"""What is needed from outside before anybody decides or answers: (message, context) to both of them with it; raises
`Rejected`. The message is a command, a query or, for a channel, the `GrantRequest`. Works within the request's
deadline, and again when it is sent again."""
Preparations = Mapping[type[Command] | type[Query] | str, Preparing]
"""By command, query or kind of channel."""


class Contracts(Protocol):
    """A module of `events.contracts`, as far as its own service needs it."""

    @property
    def COMMANDS(self) -> Sequence[type[Command]]: ...  # noqa: N802  # the names of a module's constants
    @property
    def QUERIES(self) -> Sequence[type[Query]]: ...  # noqa: N802
    @property
    def EVENTS(self) -> Sequence[type[Event]]: ...  # noqa: N802


@dataclass(frozen=True)
class Service:
    """A context's service: its rules, read models, questions and channels."""

    name: str
    """Also the name of its context, of its NATS user and of its database login."""
    contracts: Contracts
    deciders: Mapping[str, Decider[Any, Any, Any]]
    """By kind of aggregate."""
    projections: Sequence[Projection]
    queries: Mapping[type[Query], Answering]
    schema: Path
    passing: frozenset[str] = frozenset()
    """Tables filled by telemetry that is not kept for ever: no rebuild brings back all of their rows."""
    grants: Mapping[str, Granting] = field(default_factory=dict)
    """By kind of channel."""
    pacts: Mapping[type[Command], Pact[Any, Any, Any]] = field(default_factory=dict)
    """Commands that decide over several aggregates."""
    charges: Charging | None = None
    """Which commands are counted over all replicas, and against whom."""
    preparing: Callable[[Workplace], AbstractAsyncContextManager[Preparations]] | None = None
    """Opens, for one replica, what prepares requests that come over the bus: commands before they queue for their
    aggregate, queries and grants before the read model is asked. Left when the replica stops."""
    crons: Sequence[Cron] = ()
    observer: Callable[[], Observer] | None = None
    """Makes a replica's memory of what gateways report; the contract then has one kind in `REPORTS`."""
    upcasters: Mapping[str, Upcaster] = field(default_factory=dict)
    working: Sequence[Working] = ()
    """What the leading replica does in the background."""
    erasing: Erasing | None = None
    """How a person is erased from it."""

    @cached_property
    def codec(self) -> Codec:
        return Codec(self.contracts.EVENTS, self.upcasters)

    @cached_property
    def has_telemetry(self) -> bool:
        """Whether the context has a telemetry stream beside its log."""
        return any(event.telemetry for event in self.contracts.EVENTS)

    @cached_property
    def report(self) -> type[Report]:
        """What the observer hears."""
        reports: Sequence[type[Report]] = getattr(self.contracts, "REPORTS", ())
        assert len(reports) == 1, f"{self.name}: an observer hears one kind of report, not {len(reports)}"
        return reports[0]

    @cached_property
    def sql(self) -> str:
        return self.schema.read_text()

    @cached_property
    def fingerprint(self) -> str:
        """Changes when the read models must be built anew: with their tables, or with the code that fills them."""
        modules = sorted(_reached({projection.apply.__module__ for projection in self.projections}))
        return fingerprint(self.sql, "\n".join(inspect.getsource(sys.modules[name]) for name in modules))


def _reached(modules: Iterable[str]) -> set[str]:
    """These modules, and those of the same package whose code they use."""
    found, waiting = set[str](), list(modules)
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        package = name.partition(".")[0] + "."
        for used in vars(sys.modules[name]).values():
            source = used.__name__ if inspect.ismodule(used) else getattr(used, "__module__", None)
            if isinstance(source, str) and source.startswith(package) and source in sys.modules:
                waiting.append(source)
    return found
