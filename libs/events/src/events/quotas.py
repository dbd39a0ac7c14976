"""How often somebody may do something, counted over all replicas: a charge before the decision, given back after it.

A crash between the two leaves a charge that nothing was had for; it wears off like any other. A crash of PostgreSQL
forgets all charges.
"""

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from weakref import WeakValueDictionary

import asyncpg
import structlog

from events import telemetry
from events.lanes import Done
from events.messages import Command, Context, Rejected
from events.readmodel import connect
from events.schema import is_away

log = structlog.get_logger("quotas")

CONNECTIONS = 4
ANSWER_SECONDS = 1.0
"""How long a command waits for the database to count it."""
FORGET_SECONDS = 60.0
FORGOTTEN_AT_ONCE = 1_000
REMEMBERED = 64
"""Newest commands kept per row: none of those is charged again, however often it is sent."""

DONE = "done"
"""The outcome of a command that added facts to the log."""
WHAT_IS_DONE = (DONE, "timeout")
"""After `timeout` nobody knows; when the command is sent again, it is known by its id and not charged again."""

CHARGE = f"""
    insert into quota as kept (name, subject, full_at, began_at, span, commands)
    select name, subject, $2::timestamptz + step, $2, span, array[$1::text]
      from unnest($3::text[], $4::text[], $5::interval[], $6::interval[]) as asked (name, subject, step, span)
     order by name, subject
        on conflict (name, subject) do update
       set full_at = greatest(kept.full_at, $2) + (excluded.full_at - $2),
           began_at = case when kept.full_at > $2 then kept.began_at else $2 end,
           span = excluded.span,
           commands = (excluded.commands || case when kept.full_at > $2 then kept.commands end)[:{REMEMBERED}]
     where kept.full_at <= $2
        or (kept.full_at + (excluded.full_at - $2) <= greatest($2, kept.began_at) + excluded.span
            and not kept.commands @> excluded.commands)
    returning name, subject, began_at
"""
"""Generic cell rate algorithm: a row says when all that was charged has worn off, and that may be `span` ahead at most.

`began_at` is when the first of that was charged; a command that came a moment before it and is counted after it is
measured from there, lest the last of as many as may come at once be refused. Rows are locked in one order: no two
commands wait for each other.
"""
LOOK = f"""
    with found as (
        select name, subject, full_at, began_at, commands @> array[$1::text] as covered
          from quota join unnest($2::text[], $3::text[]) as asked (name, subject) using (name, subject)
         order by name, subject
           for update of quota),
    held as (
        update quota set commands = (array[$1::text] || commands)[:{REMEMBERED}]
          from found
         where covered and quota.name = found.name and quota.subject = found.subject)
    select * from found
"""
"""What has nothing left, unless an attempt of the same command has charged it already: that charge covers this attempt,
too, and is then held by both."""
GIVE_BACK = """
    update quota
       set full_at = full_at - case when cardinality(array_positions(commands, $1)) > 1 then interval '0'
                                    else $5::interval end,
           commands = array_fill($1, array[greatest(cardinality(array_positions(commands, $1)) - 1, 0)])
                      || array_remove(commands, $1)
     where name = $2 and subject = $3 and began_at = $4
"""
"""Once nobody holds it any more: another attempt of the command may have been the one that counts. Nothing once it has
worn off."""
FORGET = f"""
    delete from quota
     where ctid = any(array(select ctid from quota where full_at < now() - interval '{FORGET_SECONDS} seconds'
                             limit {FORGOTTEN_AT_ONCE} for update skip locked))
"""


class Quota(NamedTuple):
    """*limit* at once, and as many more in every *seconds*, evenly; a limit of 0 is none."""

    name: str
    """Charges are kept under it."""
    limit: int
    seconds: float
    counts: tuple[str, ...] = WHAT_IS_DONE
    """Outcomes that use it up: `DONE`, or slugs of refusals. After any other one the charge is given back."""
    slug: str = "rate-limited"
    """What a command is refused with when nothing is left."""
    strict: bool = False
    """While the database is away, refuse with `unavailable` instead of letting everything pass."""

    @property
    def step(self) -> timedelta:
        """After so long one more is free. Rounded down, lest the last one of *limit* be a microsecond too much."""
        return self.span // self.limit

    @property
    def span(self) -> timedelta:
        return timedelta(seconds=self.seconds)

    @property
    def in_turn(self) -> bool:
        """Whether those whom it concerns decide one after the other: what is mostly given back must not keep out
        others meanwhile, say a crowd that comes with the right key."""
        return DONE not in self.counts


class Charge(NamedTuple):
    """That a command is to be counted, and against whom."""

    quota: Quota
    subject: str
    otherwise: Command | None = None
    """Carried out in the command's place when nothing is left, for those who do not need what is counted."""
    needing: str = ""
    """The slug with which `otherwise` is refused to whoever does need it; they are told the quota's own."""

    @property
    def row(self) -> tuple[str, str]:
        return self.quota.name, self.subject


Charging = Callable[[Command, Context], Sequence[Charge]]
"""Which quotas a command uses; most use none and then nothing is asked of the database."""


class Exhausted(Exception):
    """Nothing is left, or nobody can tell."""

    def __init__(self, charge: Charge, refusal: Rejected) -> None:
        super().__init__(refusal.code)
        self.charge = charge
        self.refusal = refusal


class Quotas:
    """The quotas of one service, as one replica charges them."""

    def __init__(self, pool: "asyncpg.Pool[Any]", charging: Charging) -> None:
        """*pool*: of connections that find the table `quota` and may write it."""
        self._pool = pool
        self._charging = charging
        self._turns: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()

    async def carry_out(
        self, command: Command, context: Context, execute: Callable[[Command], Awaitable[Done]]
    ) -> Done:
        """Charge, execute, and give back what did not count. Raise `Rejected` with a quota's slug and `retry_after`."""
        charges = [charge for charge in self._charging(command, context) if charge.quota.limit]
        if not charges:
            return await execute(command)
        async with self._in_turn(charges):
            try:
                charged = await self._charge(context, charges)
            except Exhausted as exhausted:
                return await _otherwise(exhausted, execute)
            outcome = ""
            try:
                done = await execute(command)
                outcome = DONE if done.committed else ""
                return done
            except Rejected as refusal:
                outcome = refusal.code
                raise
            finally:
                await self._give_back(context, [each for each in charged if outcome not in each.charge.quota.counts])

    async def run(self) -> None:
        """Forget what has worn off. For ever."""
        while True:
            await asyncio.sleep(FORGET_SECONDS)
            try:
                await self.forget()
            except Exception as error:
                if not is_away(error):
                    raise
                log.warning("charges not forgotten", reason=str(error) or type(error).__name__)

    async def forget(self) -> None:
        """Delete the rows that say no more than none would."""
        while await self._pool.execute(FORGET) == f"DELETE {FORGOTTEN_AT_ONCE}":
            pass

    async def _charge(self, context: Context, charges: Sequence[Charge]) -> "Sequence[_Charged]":
        """Charge all of them or none; return those that this attempt of the command has to answer for."""
        try:
            async with self._asking() as db:
                charged = await _charge(db, context, charges)
                if len(charged) == len(charges):
                    return charged
                rows = {each.charge.row for each in charged}
                covered, refused = await _look(db, context, [each for each in charges if each.row not in rows])
                charged += covered
        except Exception as error:
            if not is_away(error):
                raise
            return _unchecked(charges, error)
        if not refused:
            return charged
        await self._give_back(context, charged)
        first = next(charge for charge in charges if charge.row in refused)
        telemetry.quotas_exhausted.labels(first.quota.name).inc()
        raise Exhausted(first, Rejected(first.quota.slug, retry_after=max(refused.values())))

    async def _give_back(self, context: Context, charged: "Sequence[_Charged]") -> None:
        """One that cannot be given back wears off."""
        if not charged:
            return
        rows = sorted((_named(context), *each.charge.row, each.began_at, each.charge.quota.step) for each in charged)
        try:
            async with self._asking() as db:
                await db.executemany(GIVE_BACK, rows)
        except Exception as error:
            if not is_away(error):
                raise
            log.warning("charge not given back", reason=str(error) or type(error).__name__)

    @contextlib.asynccontextmanager
    async def _asking(self) -> AsyncIterator[Any]:
        # The inner limit is for handing the connection back, which the outer one does not wait for.
        async with asyncio.timeout(ANSWER_SECONDS), self._pool.acquire(timeout=ANSWER_SECONDS) as db:
            yield db

    @contextlib.asynccontextmanager
    async def _in_turn(self, charges: Sequence[Charge]) -> AsyncIterator[None]:
        """Wait until nobody else here may still give back what this one needs."""
        async with contextlib.AsyncExitStack() as stack:
            for charge in sorted(charges, key=_row):
                if charge.quota.in_turn:
                    turn = self._turns.get(charge.row)
                    if turn is None:
                        turn = self._turns[charge.row] = asyncio.Lock()
                    await stack.enter_async_context(turn)
            yield


@contextlib.asynccontextmanager
async def quotas_of(service: str, dsn: str, charging: Charging) -> AsyncIterator[Quotas]:
    """Kept in the service's control schema."""
    pool = await connect(dsn, f"{service}_writer", service, CONNECTIONS)
    try:
        yield Quotas(pool, charging)
    finally:
        pool.terminate()


class _Charged(NamedTuple):
    charge: Charge
    began_at: datetime


async def _charge(db: Any, context: Context, charges: Sequence[Charge]) -> list[_Charged]:
    """Those that had something left."""
    rows = await db.fetch(
        CHARGE,
        _named(context),
        context.now,
        [charge.quota.name for charge in charges],
        [charge.subject for charge in charges],
        [charge.quota.step for charge in charges],
        [charge.quota.span for charge in charges],
    )
    began = {(row["name"], row["subject"]): row["began_at"] for row in rows}
    return [_Charged(charge, began[charge.row]) for charge in charges if charge.row in began]


async def _look(
    db: Any, context: Context, charges: Sequence[Charge]
) -> tuple[list[_Charged], dict[tuple[str, str], float]]:
    """Of those that were not charged, the ones that another attempt of the command has, and how long the rest wait."""
    names, subjects = zip(*(charge.row for charge in charges), strict=True)
    rows = {(row["name"], row["subject"]): row for row in await db.fetch(LOOK, _named(context), names, subjects)}
    covered, waits = list[_Charged](), dict[tuple[str, str], float]()
    for charge in charges:
        row, quota = rows.get(charge.row), charge.quota
        if row is not None and row["covered"]:
            covered.append(_Charged(charge, row["began_at"]))
        else:
            left = (row["full_at"] + quota.step - quota.span - context.now).total_seconds() if row else 0.0
            waits[charge.row] = max(math.ceil(left * 1000), 1) / 1000
    return covered, waits


def _unchecked(charges: Sequence[Charge], error: Exception) -> Sequence[_Charged]:
    """A limit must not stop a service whose database is away, unless it guards a secret."""
    reason = str(error) or type(error).__name__
    for charge in charges:
        if charge.quota.strict:
            raise Exhausted(charge, Rejected("unavailable", server="database")) from error
    for charge in charges:
        telemetry.quotas_unchecked.labels(charge.quota.name).inc()
    log.warning("quotas not checked", quotas=[charge.quota.name for charge in charges], reason=reason)
    return ()


async def _otherwise(exhausted: Exhausted, execute: Callable[[Command], Awaitable[Done]]) -> Done:
    charge = exhausted.charge
    if charge.otherwise is None:
        raise exhausted.refusal
    try:
        return await execute(charge.otherwise)
    except Rejected as refused:
        raise exhausted.refusal if refused.code == charge.needing else refused from None


def _row(charge: Charge) -> tuple[str, str]:
    return charge.row


def _named(context: Context) -> str:
    """A command, whoever carries it out. With other arguments it is another one, though its sender gave both one key:
    it may be about something else, where nobody knows of the first, or the next guess at a secret."""
    return f"{context.command_id} {context.fingerprint}"
