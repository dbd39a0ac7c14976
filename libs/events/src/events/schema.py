"""Read-model schemas: named by what fills them, made anew for a rebuild, and found through one pointer row."""

import hashlib
import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Protocol

import asyncpg

STATEMENTS = """
create table checkpoint (
    source text primary key,
    epoch text not null,
    sequence bigint not null,
    updated_at timestamptz not null default now()
);
create table aggregate (
    key text primary key,
    version integer not null,
    position bigint not null
);
create table parked (
    key text not null,
    sequence bigint not null,
    first integer not null,
    last integer not null,
    reason text not null,
    retry boolean not null default false,
    created_at timestamptz not null default now(),
    primary key (key, sequence)
);
create table due (
    key text primary key,
    at timestamptz not null,
    function text not null,
    args text not null,
    fired_at timestamptz,
    tries integer not null default 0,
    again_at timestamptz
);
create index due_at on due (at) where fired_at is null;
create table erased (
    uid text primary key,
    at timestamptz not null,
    final boolean not null,
    position bigint not null
);
"""
"""What the chassis keeps in every read-model schema, beside the service's own tables."""

CHASSIS = frozenset({"checkpoint", "aggregate", "parked", "due", "erased"})

CONTROL = """
create schema if not exists {service};
create table if not exists {service}.pointer (
    one boolean primary key default true check (one),
    schema text not null,
    moved_at timestamptz not null default now()
);
create table if not exists {service}.lease (
    name text primary key,
    holder text not null,
    expires_at timestamptz not null
);
create unlogged table if not exists {service}.quota (
    name text not null,
    subject text not null,
    full_at timestamptz not null,
    began_at timestamptz not null,
    span interval not null,
    commands text[] not null,
    primary key (name, subject)
);
grant usage on schema {service} to {service}_writer, {service}_reader;
grant select on {service}.pointer to {service}_writer, {service}_reader;
grant select, insert, update, delete on {service}.lease, {service}.quota to {service}_writer;
"""

FILLED = "\n-- When they are filled.\n"
"""In a service's tables, before what a rebuild makes last: indexes that queries need and projections do not. Made
`if not exists`, since several replicas may get there."""

AWAY = (
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.TransactionRollbackError,
    asyncpg.InternalClientError,
)
"""Of the last one asyncpg speaks when the server said farewell and the connection is not closed yet."""
DATABASE_TROUBLE = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
"""Whatever the database or the way to it may raise; who runs for ever goes on after it."""

_SCHEMA = re.compile(r".*?_[0-9a-f]{8}_[0-9a-f]{8}(?=_|$)")
_EPOCH = re.compile(r"[0-9a-f]{8}")
_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")


class Parts(NamedTuple):
    """A service's SQL: what there must be before the first row, and what may wait for the last."""

    tables: str
    rest: str


class Db(Protocol):
    """As much of an asyncpg connection as projections and queries use."""

    async def execute(self, query: str, *args: Any) -> str: ...
    async def fetch(self, query: str, *args: Any) -> list[Any]: ...
    async def fetchrow(self, query: str, *args: Any) -> Any: ...
    async def fetchval(self, query: str, *args: Any) -> Any: ...
    async def copy_records_to_table(
        self, table_name: str, *, records: Iterable[Sequence[Any]], columns: Sequence[str]
    ) -> str:
        """Add rows to a table that has none like them: cheaper than an `insert`."""


def is_away(error: BaseException, db: "asyncpg.Connection | None" = None) -> bool:
    """Whether the database could not be asked, or not now; everything else is about what was asked.

    With the same `InterfaceError` asyncpg speaks of a closed connection and of a statement with too many arguments;
    only *db* tells which. Without it, the connection counts as closed.
    """
    if isinstance(error, asyncpg.InterfaceError):
        return db is None or db.is_closed()
    return isinstance(error, AWAY)


def fingerprint(sql: str, projections: str) -> str:
    """Of everything that decides what a read model holds: its tables and the code that fills them."""
    return hashlib.sha256(f"{STATEMENTS}\n{sql}\n{projections}".encode()).hexdigest()[:8]


def named(service: str, fingerprint: str, epoch: str) -> str:
    """The schema that this code fills from this life of the log: rows of another one must never answer for it."""
    token = epoch if _EPOCH.fullmatch(epoch) else hashlib.sha256(epoch.encode()).hexdigest()[:8]
    return f"{checked(service)}_{fingerprint}_{token}"


def checked(name: str) -> str:
    """*name* if it can stand in SQL unquoted; schema names are made here, never by a client."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"not a schema name: {name!r}")
    return name


async def prepare(owner: Db, service: str) -> None:
    """Make the service's control schema; many replicas may do so at once."""
    await owner.execute("select pg_advisory_xact_lock(hashtext($1))", f"matinee:{service}")
    await owner.execute(CONTROL.format(service=checked(service)))


async def create(owner: Db, service: str, schema: str, sql: str) -> None:
    """Make an empty read-model schema, with its tables and rights. Needs a transaction."""
    checked(schema)
    await owner.execute(f"create schema {schema}")
    await owner.execute(f"set local search_path to {schema}")
    await owner.execute(STATEMENTS)
    await owner.execute(sql)
    await owner.execute(
        f"grant usage on schema {schema} to {service}_writer, {service}_reader;"
        f"grant select, insert, update, delete on all tables in schema {schema} to {service}_writer;"
        f"grant select on all tables in schema {schema} to {service}_reader;"
    )


def parts(sql: str) -> Parts:
    tables, _, rest = sql.partition(FILLED)
    return Parts(tables, rest)


async def complete(owner: Db, schema: str, rest: str) -> None:
    """Run what waited until the tables are filled. Needs a transaction; whoever fills them as well waits meanwhile."""
    await owner.execute(f"set local search_path to {checked(schema)}")
    # Each batch moves the checkpoint before it touches anything else: so neither waits for the other half-way.
    await owner.execute("lock table checkpoint in share row exclusive mode")
    await owner.execute(rest)


async def exists(db: Db, schema: str) -> bool:
    return bool(await db.fetchval("select 1 from pg_namespace where nspname = $1", schema))


async def current(db: Db, service: str) -> str | None:
    """The schema that queries read, or None before the first one is made."""
    name: str | None = await db.fetchval(f"select schema from {checked(service)}.pointer")
    return name


async def current_of(db: Db, service: str, ours: str) -> str:
    """The schema that queries of this code read: the current one, unless other code or another life of the log fills
    it; then still *ours*.
    """
    name = await current(db, service)
    return name if name is not None and filled_by(name) == filled_by(ours) else ours


def filled_by(schema: str) -> str:
    """Service, fingerprint and epoch in a schema's name; what a rebuild put behind them is left out.

    A name that does not say so much, as older versions made them, stands for itself alone.
    """
    match = _SCHEMA.match(schema)
    return match[0] if match else schema


async def point(owner: Db, service: str, schema: str) -> None:
    """Make queries read *schema* from now on; replicas notice within a second."""
    await owner.execute(
        f"insert into {checked(service)}.pointer (schema) values ($1)"
        " on conflict (one) do update set schema = excluded.schema, moved_at = now()",
        schema,
    )


async def drop(owner: Db, schema: str) -> None:
    await owner.execute(f"drop schema if exists {checked(schema)} cascade")


async def tables(db: Db, schema: str) -> list[tuple[str, str]]:
    """The tables whose rows the log alone determines, with the columns that it does."""
    rows = await db.fetch(
        "select table_name, string_agg(quote_ident(column_name), ', ' order by ordinal_position) as columns"
        " from information_schema.columns join information_schema.tables using (table_schema, table_name)"
        " where table_schema = $1 and table_type = 'BASE TABLE' group by 1 order by 1",
        schema,
    )
    columns = {row["table_name"]: row["columns"] for row in rows}
    # Where a checkpoint stands, whether a timer has fired and what an operator parked is no fact.
    columns |= {"due": "key, at, function, args"}
    return [(table, columns[table]) for table in columns if table not in ("checkpoint", "parked")]


async def schemas(db: Db, service: str) -> list[str]:
    """The read-model schemas of *service*, whatever their state."""
    rows = await db.fetch(
        "select nspname from pg_namespace where nspname ~ $1 order by 1", f"^{checked(service)}_[0-9a-f]{{8}}(_|$)"
    )
    return [row["nspname"] for row in rows]
