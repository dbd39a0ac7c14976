"""Timers: at this time, send this command. A read model of what is due, and one replica that sends it."""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import NamedTuple

import msgspec

from events.messages import Command
from events.schema import Db, checked

DUE = """
    select key, at, function, args from due
     where fired_at is null and at <= $1 and (again_at is null or again_at <= $1)
     order by coalesce(again_at, at) limit 100
"""
NEXT = "select min(at) from due where fired_at is null"
FIRED = "update due set fired_at = $3 where key = $1 and at = $2"
NEXT_SLOT = "update due set at = $3, tries = 0, again_at = null where key = $1 and at = $2"
AGAIN_SECONDS = 1
LONGEST_AGAIN_SECONDS = 300
LATER = f"""
    update due set tries = tries + 1,
                   again_at = $3::timestamptz + interval '1 second' * least({AGAIN_SECONDS} * 2 ^ least(tries, 20),
                                                               {LONGEST_AGAIN_SECONDS})
     where key = $1 and at = $2
"""
SOON = f"update due set again_at = $3::timestamptz + interval '{AGAIN_SECONDS} seconds' where key = $1 and at = $2"
PUT = """
    insert into due (key, at, function, args)
    select * from unnest($1::text[], $2::timestamptz[], $3::text[], $4::text[])
    on conflict (key) do update
       set at = excluded.at, function = excluded.function, args = excluded.args, fired_at = null,
           tries = 0, again_at = null
     where (due.at, due.function, due.args) is distinct from (excluded.at, excluded.function, excluded.args)
"""

CRON = "cron:"


class Timer(NamedTuple):
    """Send *command* at *at*. A later timer with the same key replaces this one."""

    key: str
    at: datetime
    command: Command


class Cron(NamedTuple):
    """Send a command again and again, at multiples of *every* since the epoch: once per slot over all replicas."""

    name: str
    every: timedelta
    command: Callable[[datetime], Command]

    def slot_after(self, moment: datetime) -> datetime:
        seconds = self.every.total_seconds()
        return datetime.fromtimestamp((moment.timestamp() // seconds + 1) * seconds, UTC)


class Due(NamedTuple):
    """A timer whose time has come."""

    key: str
    at: datetime
    function: str
    args: str

    @property
    def command_id(self) -> str:
        """The same on every replica and after every restart, so that the command takes effect once."""
        return sha256(f"timer {self.key} {self.at.isoformat()}".encode()).hexdigest()[:32]


async def put(db: Db, timers: Sequence[Timer]) -> None:
    """Set timers, for projections; one already set to the same time is left alone."""
    if not timers:
        return
    last = {timer.key: timer for timer in timers}
    await db.execute(
        PUT,
        list(last),
        [timer.at for timer in last.values()],
        [type(timer.command).function for timer in last.values()],
        [msgspec.json.encode(timer.command).decode() for timer in last.values()],
    )


async def drop(db: Db, keys: Iterable[str]) -> None:
    """Clear timers, for projections."""
    gone = list(keys)
    if gone:
        await db.execute("delete from due where key = any($1::text[])", gone)


async def start_crons(db: Db, crons: Sequence[Cron], now: datetime) -> None:
    """Make sure that each cron has its next slot set; one that is set already stays, so a restart skips nothing."""
    for cron in crons:
        at = cron.slot_after(now)
        await db.execute(
            "insert into due (key, at, function, args) values ($1, $2, $3, '{}') on conflict do nothing",
            CRON + cron.name,
            at,
            CRON,
        )


async def hand_over(db: Db, old: str, new: str) -> None:
    """Go on in schema *new* with the slots that *old* has set for crons: no commit tells of them.

    Until its runner has noticed, *old* goes on as well; a slot that both send takes effect once, by its command id.
    """
    await db.execute(
        f"insert into {checked(new)}.due (key, at, function, args)"
        f" select key, at, function, args from {checked(old)}.due where key like '{CRON}%' on conflict do nothing"
    )


async def due(db: Db, now: datetime) -> list[Due]:
    """What is to be sent now, earliest first; 100 at most, ask again."""
    return [Due(*row) for row in await db.fetch(DUE, now)]


async def next_at(db: Db) -> datetime | None:
    at: datetime | None = await db.fetchval(NEXT)
    return at


async def fired(db: Db, timer: Due, now: datetime, cron: Cron | None) -> None:
    """The command was answered: never send it again, or, for a cron, at the next slot."""
    if cron is None:
        await db.execute(FIRED, timer.key, timer.at, now)
    else:
        await db.execute(NEXT_SLOT, timer.key, timer.at, cron.slot_after(now))


async def failed(db: Db, timer: Due, now: datetime, *, away: bool) -> None:
    """The command could not be carried out: send it again, each time after twice as long, so that it holds up no other.

    When the bus or the log is *away*, that says nothing about the command, and it is sent soon.
    """
    await db.execute(SOON if away else LATER, timer.key, timer.at, now)
