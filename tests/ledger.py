"""A tiny service for the tests of the spine: accounts, and money that moves between them.

It runs as `parties`, whose streams, rights and roles are provisioned. Two things make its projection stumble: a
movement of 666, until somebody drops the constraint `sane`, and a balance that no bigint holds.
"""

import hashlib
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any, ClassVar, Literal, TypeVar, assert_never

import msgspec
from msgspec import Meta, Struct

from events import timers
from events.bus import Bus
from events.decider import Decider, Pact
from events.definition import Granted, Service
from events.log import Commit
from events.messages import (
    Answer,
    Command,
    Context,
    Event,
    Grant,
    GrantRequest,
    Id,
    Key,
    Personal,
    Position,
    Query,
    Rejected,
)
from events.projection import Db, Projection
from events.service import Replica, replica
from events.settings import ServiceSettings
from events.timers import Cron, Timer
from ops.embedded import Embedded

T = TypeVar("T")

NAME = "parties"
SANE = 666
"""A movement that the constraint `sane` refuses."""
HUGE = 2**62
"""Twice this is more than a bigint holds."""

Amount = Annotated[int, Meta(ge=1, le=HUGE)]


def account(id: str) -> Key:
    return Key.of("account", id)


# What can be asked


class Receipt(Struct, frozen=True):
    number: str


class _OfAccount(Command, frozen=True):
    account_id: Id

    def keys(self, context: Context) -> tuple[Key, ...]:
        return (account(self.account_id),)

    def result(self, context: Context) -> Receipt:
        return Receipt(context.command_id[:8])


class Open(_OfAccount, frozen=True):
    function: ClassVar[str] = "account.open"
    personal: ClassVar[bool] = True
    name: Annotated[str, Meta(max_length=64)] = "Ana"


class Deposit(_OfAccount, frozen=True):
    function: ClassVar[str] = "account.deposit"
    amount: Amount


class Withdraw(_OfAccount, frozen=True):
    function: ClassVar[str] = "account.withdraw"
    amount: Amount


class Label(_OfAccount, frozen=True):
    """The same label again changes nothing."""

    function: ClassVar[str] = "account.label"
    text: str


class Freeze(_OfAccount, frozen=True):
    """Until then; freezing again moves the end."""

    function: ClassVar[str] = "account.freeze"
    until: datetime


class Unfreeze(_OfAccount, frozen=True):
    function: ClassVar[str] = "account.unfreeze"


class Thaw(_OfAccount, frozen=True):
    """Sent by the timer of a freeze."""

    function: ClassVar[str] = "account.thaw"
    internal: ClassVar[bool] = True


class Transfer(Command, frozen=True):
    """Changes both accounts."""

    function: ClassVar[str] = "account.transfer"
    source: Id
    target: Id
    amount: Amount

    def keys(self, context: Context) -> tuple[Key, ...]:
        return account(self.source), account(self.target)


class Draw(Command, frozen=True):
    """Changes one account, as far as both together hold enough."""

    function: ClassVar[str] = "account.draw"
    account_id: Id
    other: Id
    amount: Amount

    def keys(self, context: Context) -> tuple[Key, ...]:
        return account(self.account_id), account(self.other)


class Audit(Command, frozen=True):
    """Sent by the clock, once per slot."""

    function: ClassVar[str] = "ledger.audit"
    internal: ClassVar[bool] = True
    hour: str

    def keys(self, context: Context) -> tuple[Key, ...]:
        return (Key.of("audit", self.hour),)


AccountCommand = Open | Deposit | Withdraw | Label | Freeze | Unfreeze | Thaw


class AccountView(Struct, frozen=True):
    account_id: str
    name: str
    balance: int
    label: str


class Balance(Query, frozen=True):
    function: ClassVar[str] = "account.balance"
    audience: ClassVar[Literal["shared", "me"]] = "shared"
    account_id: Id

    def topics(self, uid: str) -> tuple[str, ...]:
        return (f"account:{self.account_id}",)


class Right(Balance, frozen=True):
    """The balance with all that is in the log about it."""

    function: ClassVar[str] = "account.right"

    def shows(self) -> Key | None:
        return account(self.account_id)


class Spoil(Query, frozen=True):
    """A question that tries to write."""

    function: ClassVar[str] = "account.spoil"


class Held(Query, frozen=True):
    """A question that waits for an advisory lock."""

    function: ClassVar[str] = "account.held"
    lock: int


# What can have happened


class Opened(Event, frozen=True, tag="account.opened"):
    public: ClassVar[tuple[str, ...]] = ("uid",)
    account_id: str
    uid: str
    name: Personal[str]
    at: datetime


class Moved(Event, frozen=True, tag="account.moved"):
    public: ClassVar[tuple[str, ...]] = ("amount", "at")
    amount: int
    """What came in, negative for what went out."""
    at: datetime


class Labelled(Event, frozen=True, tag="account.labelled"):
    text: str
    at: datetime


class Frozen(Event, frozen=True, tag="account.frozen"):
    until: datetime
    at: datetime


class Thawed(Event, frozen=True, tag="account.thawed"):
    by: str
    at: datetime


class Audited(Event, frozen=True, tag="ledger.audited"):
    hour: str
    at: datetime


AccountEvent = Opened | Moved | Labelled | Frozen | Thawed


# The rules


class Account(Struct, frozen=True):
    owner: str | None = None
    balance: int = 0
    label: str = ""
    frozen_until: datetime | None = None


def decide(command: AccountCommand, state: Account, context: Context) -> list[AccountEvent]:
    now = context.now
    if isinstance(command, Open):
        if state.owner not in (None, context.actor):
            raise Rejected("account-exists")
        return (
            [] if state.owner else [Opened(account_id=command.account_id, uid=context.actor, name=command.name, at=now)]
        )
    if state.owner is None:
        raise Rejected("no-such-account")
    match command:
        case Deposit(amount=amount):
            return [Moved(amount=amount, at=now)]
        case Withdraw(amount=amount):
            return _withdraw(amount, state.balance, now)
        case Label(text=text):
            return [] if text == state.label else [Labelled(text=text, at=now)]
        case Freeze(until=until):
            return [] if until == state.frozen_until else [Frozen(until=until, at=now)]
        case Unfreeze():
            return [] if state.frozen_until is None else [Thawed(by=context.actor, at=now)]
        case Thaw():
            return _thaw(state, context)
        case _:
            assert_never(command)


def _withdraw(amount: int, available: int, now: datetime) -> list[AccountEvent]:
    if amount > available:
        raise Rejected("too-little", available=available)
    return [Moved(amount=-amount, at=now)]


def _thaw(state: Account, context: Context) -> list[AccountEvent]:
    if state.frozen_until is None:
        return []
    if context.now < state.frozen_until:
        raise Rejected("too-early")
    return [Thawed(by=context.actor, at=context.now)]


def evolve(state: Account, event: AccountEvent) -> Account:
    match event:
        case Opened(uid=uid):
            return msgspec.structs.replace(state, owner=uid)
        case Moved(amount=amount):
            return msgspec.structs.replace(state, balance=state.balance + amount)
        case Labelled(text=text):
            return msgspec.structs.replace(state, label=text)
        case Frozen(until=until):
            return msgspec.structs.replace(state, frozen_until=until)
        case Thawed():
            return msgspec.structs.replace(state, frozen_until=None)
        case _:
            assert_never(event)


decider = Decider(Account(), decide, evolve)


def decide_audit(command: Audit, state: str, context: Context) -> list[Audited]:
    return [] if state else [Audited(hour=command.hour, at=context.now)]


def evolve_audit(state: str, event: Audited) -> str:
    return event.hour


audits = Decider("", decide_audit, evolve_audit)


def transfer(command: Transfer, states: Mapping[Key, Account], context: Context) -> Mapping[Key, list[AccountEvent]]:
    source, target = account(command.source), account(command.target)
    if None in (states[source].owner, states[target].owner):
        raise Rejected("no-such-account")
    out = _withdraw(command.amount, states[source].balance, context.now)
    return {source: out, target: [Moved(amount=command.amount, at=context.now)]}


def draw(command: Draw, states: Mapping[Key, Account], context: Context) -> Mapping[Key, list[AccountEvent]]:
    together = sum(state.balance for state in states.values())
    return {account(command.account_id): _withdraw(command.amount, together, context.now)}


DECIDERS: Mapping[str, Decider[Any, Any, Any]] = {"account": decider, "audit": audits}
PACTS: Mapping[type[Command], Pact[Any, Any, Any]] = {
    Transfer: Pact({"account": decider}, transfer),
    Draw: Pact({"account": decider}, draw),
}


# The read models

KEEP = """
    insert into account as kept (account_id, owner, name, balance, label, created_at, updated_at, position)
    select * from unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::timestamptz[],
                         $7::timestamptz[], $8::bigint[])
    on conflict (account_id) do update
       set balance = excluded.balance, label = excluded.label, updated_at = excluded.updated_at,
           position = excluded.position
"""
FIND = """
    select account_id, owner, name, balance, label, created_at, updated_at, position
      from account where account_id = any($1::text[])
"""
MOVE = """
    insert into movement (position, number, account_id, amount, created_at, updated_at)
    select *, $5, $5 from unnest($1::bigint[], $2::int[], $3::text[], $4::bigint[])
"""


async def project_accounts(db: Db, commits: Sequence[Commit]) -> set[str]:
    """Balances and labels, folded onto the rows that are there."""
    ids = {_id_of(commit) for commit in commits if commit.key.aggregate == "account"}
    rows = {row["account_id"]: list(row) for row in await db.fetch(FIND, list(ids))}
    touched: set[str] = set()
    for commit in commits:
        for event in commit.events:
            match event:
                case Opened(account_id=id, uid=uid, name=name, at=at):
                    rows[id] = [id, uid, name, 0, "", at, at, 0]
                case Moved(amount=amount):
                    rows[_id_of(commit)][3] += amount
                case Labelled(text=text):
                    rows[_id_of(commit)][4] = text
                case _:
                    continue
            touched.add(_id_of(commit))
            rows[_id_of(commit)][6:] = [commit.at, commit.sequence]
    if touched:
        await db.execute(KEEP, *(list(column) for column in zip(*(rows[id] for id in sorted(touched)), strict=True)))
    return {f"account:{id}" for id in touched}


async def project_movements(db: Db, commits: Sequence[Commit]) -> set[str]:
    """One row per movement: a second time would break the primary key."""
    for commit in commits:
        moved = [
            (commit.sequence, number, _id_of(commit), event.amount)
            for number, event in enumerate(commit.events)
            if isinstance(event, Moved)
        ]
        if moved:
            await db.execute(MOVE, *(list(column) for column in zip(*moved, strict=True)), commit.at)
    return set()


async def project_timers(db: Db, commits: Sequence[Commit]) -> set[str]:
    """When a freeze ends, the account thaws."""
    for commit in commits:
        key = f"thaw:{commit.key.id}"
        for event in commit.events:
            match event:
                case Frozen(until=until):
                    await timers.put(db, [Timer(key, until, Thaw(account_id=_id_of(commit)))])
                case Thawed():
                    await timers.drop(db, [key])
    return set()


async def project_audits(db: Db, commits: Sequence[Commit]) -> set[str]:
    audited = [(event, c.sequence) for c in commits for event in c.events if isinstance(event, Audited)]
    for event, sequence in audited:
        await db.execute("insert into audit values ($1, $2, $2, $3)", event.hour, event.at, sequence)
    return {"audits"} if audited else set()


def _id_of(commit: Commit) -> str:
    """The tests choose ids that are their own token."""
    return commit.key.id


# The questions


async def balance(db: Db, query: Balance, context: Context) -> AccountView:
    row = await db.fetchrow(
        "select account_id, name, balance, label from account where account_id = $1", query.account_id
    )
    if row is None:
        raise Rejected("no-such-account")
    return AccountView(*row)


async def spoil(db: Db, query: Spoil, context: Context) -> None:
    await db.execute("delete from account")


async def held(db: Db, query: Held, context: Context) -> str:
    await db.fetchval("select pg_advisory_xact_lock_shared($1)", query.lock)
    return "at last"


async def grant(db: Db, channel_id: str, contexts: Sequence[Context]) -> Sequence[Granted | Exception]:
    shown = await balance(db, Balance(account_id=channel_id), contexts[0])
    return [Granted(("follow", "send"), shown) for _ in contexts]


CONTRACTS = SimpleNamespace(
    COMMANDS=(Open, Deposit, Withdraw, Label, Freeze, Unfreeze, Thaw, Transfer, Draw, Audit),
    QUERIES=(Balance, Right, Spoil, Held),
    EVENTS=(Opened, Moved, Labelled, Frozen, Thawed, Audited),
)
PROJECTIONS = (
    Projection("accounts", project_accounts),
    Projection("movements", project_movements),
    Projection("timers", project_timers),
    Projection("audits", project_audits),
)
SERVICE = Service(
    name=NAME,
    contracts=CONTRACTS,
    deciders=DECIDERS,
    pacts=PACTS,
    projections=PROJECTIONS,
    queries={Balance: balance, Right: balance, Spoil: spoil, Held: held},
    grants={"account": grant},
    schema=Path(__file__).with_name("ledger.sql"),
)


def audited_every(every: timedelta) -> Service:
    """The ledger with its cron."""
    return replace(SERVICE, crons=(Cron("audit", every, lambda slot: Audit(hour=slot.isoformat())),))


def with_tables(folder: Path, sql: str) -> Service:
    """The ledger with another schema, and so with another fingerprint."""
    schema = folder / "schema.sql"
    schema.write_text(SERVICE.sql + sql)
    return replace(SERVICE, schema=schema)


# A stand-in for the gateway


def settings(servers: Embedded, replica: str) -> ServiceSettings:
    return ServiceSettings(
        nats_url=servers.nats_url(NAME),
        database_url=servers.database_url(NAME),
        master_key=servers.keys.master_key,
        replica=replica,
    )


def context(by: str = "ana", id: str | None = None, **more: Any) -> Context:
    return Context(actor=by, now=datetime.now(UTC), command_id=id or secrets.token_hex(16), **more)


class Client:
    """Asks the ledger over the bus, with the gateway's rights."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus

    async def call(self, command: Command, as_: Context | None = None) -> Answer:
        body = msgspec.json.encode(command)
        fingerprint = hashlib.sha256(body).hexdigest()[:16]
        asking = msgspec.structs.replace(as_ or context(), fingerprint=fingerprint)
        return await self.ask(f"cmd.{NAME}.{type(command).function}", body, asking)

    async def query(self, query: Query, after: str = "", as_: Context | None = None) -> Answer:
        headers = {"Matinee-After": after} if after else {}
        return await self.ask(f"qry.{NAME}.{type(query).function}", msgspec.json.encode(query), as_, headers)

    async def grant(self, id: str, since: str | None = None) -> Grant:
        return value(await self.granted(id, since), Grant)

    async def granted(self, id: str, since: str | None = None, after: str = "") -> Answer:
        headers = {"Matinee-After": after} if after else {}
        return await self.ask(f"grant.{NAME}.account", msgspec.json.encode(GrantRequest(id, since)), headers=headers)

    async def ask(
        self, subject: str, body: bytes, as_: Context | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        told = {"Matinee-Context": msgspec.json.encode(as_ or context()).decode(), **(headers or {})}
        return msgspec.json.decode((await self.bus.request(subject, body, told)).data, type=Answer)

    async def balance(self, id: str, after: str = "") -> int:
        return value(await self.query(Balance(account_id=id), after), AccountView).balance


def value(answer: Answer, kind: type[T]) -> T:
    assert answer.error is None, answer.error
    return msgspec.json.decode(answer.value, type=kind)


def position(answer: Answer) -> Position:
    assert answer.error is None, answer.error
    return Position.parse(answer.position)


@asynccontextmanager
async def serving(servers: Embedded, name: str = "", service: Service = SERVICE) -> AsyncIterator[Replica]:
    """A replica of the ledger, under a name of its own."""
    async with replica(service, settings(servers, name or secrets.token_hex(4))) as running:
        yield running
