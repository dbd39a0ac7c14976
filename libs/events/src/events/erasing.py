"""What a service declares so that a person can be erased from it, the rules of tombstones, and the rows that go."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from msgspec import Struct, field
from msgspec.structs import replace

from events.contracts.erased import Counts, Entomb, Erased
from events.decider import Decider
from events.messages import Context, Event, Key
from events.schema import CHASSIS, Db, checked

E = TypeVar("E", bound=Erased)

TABLES = """
    select relname from pg_attribute join pg_class on pg_class.oid = attrelid
     where relnamespace = current_schema()::regnamespace and relkind = 'r'
       and attname = 'uid' and not attisdropped
     order by relname
"""


class Erasure(Struct, frozen=True):
    """The newest erasure of a person in one context. Most people have none."""

    erasure: str = ""
    counts: Counts = field(default_factory=dict)
    final: bool = False
    asked: str = ""
    """The one that somebody asked for, where this context is the one to be asked."""
    certified: str = ""
    """The one that is complete, in all contexts."""


@dataclass(frozen=True)
class Erasing:
    """How a person is erased from a service."""

    erased: type[Erased]
    entomb: type[Entomb]
    forget: Callable[[Db, str], Awaitable[None]]
    """Takes a person out of the read models, when a tombstone is projected. The same rows whenever it is done."""
    count: Callable[[Db, str], Awaitable[int]]
    """How many rows that concerns."""
    owned: frozenset[str] = frozenset()
    """Kinds of aggregates that are a person's own, whose ids begin with the uid. Their messages are deleted."""
    uploads: bool = False
    """Whether people send it files, see `uploads`."""


def evolve(state: Erasure, event: Event) -> Erasure:
    if isinstance(event, Erased):
        return replace(state, erasure=event.erasure, counts=event.counts, final=event.final)
    return state


def tombstones(erased: type[E]) -> Decider[Entomb, Erasure, E]:
    """The rule book of a context where nobody asks for an erasure."""

    def decide(command: Entomb, state: Erasure, context: Context) -> list[E]:
        return entombed(erased, command, state, context)

    return Decider(Erasure(), decide, evolve)


def entombed(erased: type[E], command: Entomb, state: Erasure, context: Context) -> list[E]:
    """A tombstone, unless the newest one says the same."""
    if (state.erasure, state.final) == (command.erasure, command.final):
        return []
    counts = state.counts if state.erasure == command.erasure else command.counts
    return [erased(uid=command.uid, erasure=command.erasure, at=context.now, counts=counts, final=command.final)]


def owner_of(key: Key) -> str:
    """The uid, as a token, that the id of a person's own aggregate begins with."""
    return key.id.partition("_")[0]


def belongs(id: str, owner: str) -> bool:
    """Whether an aggregate with this *id* is *owner*'s, if it is of a kind that is anybody's."""
    return id == owner or id.startswith(f"{owner}_")


async def delete_rows(db: Db, uid: str) -> None:
    """Every row that says in `uid` whose it is, of the schema that the connection works on."""
    for table in await _tables(db):
        await db.execute(f"delete from {table} where uid = $1", uid)


async def count_rows(db: Db, uid: str) -> int:
    return sum([await db.fetchval(f"select count(*) from {table} where uid = $1", uid) for table in await _tables(db)])


async def _tables(db: Db) -> list[str]:
    return [checked(row["relname"]) for row in await db.fetch(TABLES) if row["relname"] not in CHASSIS]
