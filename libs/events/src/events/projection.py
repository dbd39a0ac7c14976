"""Moves read models: batches of commits become rows, and the checkpoint moves in the same transaction."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime
from itertools import groupby, pairwise
from typing import NamedTuple

import asyncpg
import structlog

from events.contracts.erased import ERASED, Erased
from events.erasing import Erasing, owner_of
from events.log import Commit, Hole
from events.messages import Key
from events.schema import Db, is_away
from events.vault import Vault

__all__ = ["Applied", "Batches", "Db", "Fenced", "Projection", "Touched"]

log = structlog.get_logger("projection")

LOG = "log"
TELEMETRY = "telemetry"

ADVANCE = "update checkpoint set sequence = $4, updated_at = now() where source = $1 and epoch = $2 and sequence = $3"
BEGIN = "insert into checkpoint (source, epoch, sequence) values ($1, $2, 0) on conflict do nothing"

# A version is compared with one that is looked up: to `exists` the planner answers with a walk through the whole table.
MOVE_VERSIONS = """
    insert into aggregate as kept (key, version, position)
    select new.key, new.last, new.position
      from unnest($1::text[], $2::int[], $3::int[], $4::bigint[]) as new (key, first, last, position)
     where new.first = 1 or (select version from aggregate where aggregate.key = new.key) = new.first - 1
    on conflict (key) do update set version = excluded.version, position = excluded.position
    returning key
"""

ERASE = """
    insert into erased (uid, at, final, position) values ($1, $2, $3, $4)
    on conflict (uid) do update set at = excluded.at, final = excluded.final, position = excluded.position
"""
OWN = "delete from {table} where key = any($1::text[]) or key like any($2::text[])"


Touched = set[str] | Callable[[], Awaitable[set[str]]]
"""Topics; or, where it takes more to find them, how: in the same transaction, and only if somebody is told."""


async def topics_of(touched: Touched) -> set[str]:
    return touched if isinstance(touched, set) else await touched()


class Projection(NamedTuple):
    """A read model's name and what fills it.

    `apply` gets the new commits in order, many for one aggregate perhaps, and answers with the topics that it touched.
    It works on the batch as a set, asks no clock, and leaves the same rows however the log is cut into batches.
    """

    name: str
    apply: Callable[[Db, Sequence[Commit]], Awaitable[Touched]]


class Fenced(Exception):
    """The checkpoint is not where this runner left it: another projects now, or the database went back in time."""


class Unreadable(Exception):
    """A stored commit that this code should know does not decode."""


class Applied(NamedTuple):
    """One batch is in: how far, and what it touched."""

    source: str
    start: int
    end: int
    topics: frozenset[str]
    anew: bool = False
    """Whether somebody was erased: then any value may be another one."""


class Batches:
    """Applies batches to one read-model schema. Its caller holds the lease; the checkpoint fences who does not."""

    def __init__(
        self,
        projections: Sequence[Projection],
        vault: Vault,
        epoch: str,
        erasing: Erasing | None = None,
        *,
        telling: bool = True,
    ) -> None:
        """*telling*: whether anybody is told of the topics; of read models that nobody reads yet, nobody is."""
        self._projections = projections
        self._vault = vault
        self._epoch = epoch
        self._erasing = erasing
        self._telling = telling
        self._erased: dict[str, tuple[datetime, bool]] = {}
        """By uid, when somebody was erased, and whether that is over."""
        self.parked: set[str] = set()
        """Keys whose commits are set aside."""

    async def start(self, db: Db) -> Mapping[str, int]:
        """The checkpoint by source. Raise `Hole` when the read models stem from another epoch of the log."""
        for source in (LOG, TELEMETRY):
            await db.execute(BEGIN, source, self._epoch)
        rows = await db.fetch("select source, epoch, sequence from checkpoint")
        for row in rows:
            if row["epoch"] != self._epoch:
                raise Hole(
                    f"read models of epoch {row['epoch']} cannot follow a log of epoch {self._epoch}: rebuild them"
                )
        self.parked = {row["key"] for row in await db.fetch("select distinct key from parked")}
        self._erased = {row["uid"]: (row["at"], row["final"]) for row in await db.fetch("select * from erased")}
        return {row["source"]: row["sequence"] for row in rows}

    async def apply(self, db: asyncpg.Connection, source: str, after: int, commits: Sequence[Commit]) -> Applied:
        """Apply what follows *after*, in one transaction. Raise `Fenced` if the checkpoint is somewhere else."""
        opened = await self._open(commits)
        try:
            async with db.transaction():
                await self._advance(db, source, after, commits[-1].sequence)
                topics = await self._apply(db, source, opened)
        except Fenced:
            raise
        except Exception as error:
            if is_away(error, db):
                raise
            # Something in the batch cannot be applied. Find out what, set that key aside, and let the others go on.
            log.error("batch refused, applying its commits one by one", source=source, after=after, reason=repr(error))
            async with db.transaction():
                await self._advance(db, source, after, commits[-1].sequence)
                topics = await self._apply_singly(db, source, opened)
        anew = any(commit.key.aggregate == ERASED for commit in commits)
        return Applied(source, after, commits[-1].sequence, frozenset(topics), anew)

    async def retry(self, db: asyncpg.Connection, at: int, key: str, commits: Sequence[Commit]) -> set[str]:
        """Apply a parked key's *commits*, from the first parked one up to the checkpoint, which must be *at*.

        Raise what they raise if they still fail.
        """
        opened = await self._open(commits)
        self.parked.discard(key)
        try:
            async with db.transaction():
                await self._advance(db, LOG, at, at)
                topics = await self._apply(db, LOG, opened)
                await db.execute("delete from parked where key = $1", key)
        except BaseException:
            self.parked.add(key)
            raise
        return topics

    async def _open(self, commits: Sequence[Commit]) -> list[Commit]:
        """Personal fields in clear; the keys of the whole batch come with one query."""
        events = await self._vault.open([event for commit in commits for event in commit.events])
        rest = iter(events)
        return [commit._replace(events=tuple(next(rest) for _ in commit.events)) for commit in commits]

    async def _advance(self, db: Db, source: str, after: int, to: int) -> None:
        if await db.execute(ADVANCE, source, self._epoch, after, to) != "UPDATE 1":
            raise Fenced(f"checkpoint of {source} is not at {after}")

    async def _apply(self, db: Db, source: str, commits: Sequence[Commit]) -> set[str]:
        """What comes before a tombstone, the tombstone, and what comes after it."""
        topics: set[str] = set()
        for stone, part in groupby(commits, self._is_stone):
            parted = list(part)
            if stone:
                await _move_versions(db, parted)
                for commit in parted:
                    await self._forget(db, commit)
            else:
                topics |= await self._apply_part(db, source, [each for each in parted if self._counts(source, each)])
        return topics

    def _is_stone(self, commit: Commit) -> bool:
        return (
            self._erasing is not None
            and commit.key.aggregate == ERASED
            and any(isinstance(event, Erased) for event in commit.events)
        )

    def _counts(self, source: str, commit: Commit) -> bool:
        """Not what was said while its owner is being erased, nor a heartbeat from before that."""
        if self._erasing is None or commit.key.aggregate not in self._erasing.owned:
            return True
        at, final = self._erased.get(owner_of(commit.key), (None, True))
        return at is None or (commit.at > at if source == TELEMETRY else final)

    async def _forget(self, db: Db, commit: Commit) -> None:
        assert self._erasing is not None
        for event in commit.events:
            if isinstance(event, Erased):
                self._erased[event.uid] = event.at, event.final
                await db.execute(ERASE, event.uid, event.at, event.final, commit.sequence)
                keys = [str(Key.of(kind, event.uid)) for kind in sorted(self._erasing.owned)]
                likes = [f"{key}\\_%" for key in keys]
                for table in ("aggregate", "parked"):
                    await db.execute(OWN.format(table=table), keys, likes)
                self.parked = {row["key"] for row in await db.fetch("select distinct key from parked")}
                await self._erasing.forget(db, event.uid)

    async def _apply_part(self, db: Db, source: str, commits: Sequence[Commit]) -> set[str]:
        if source == LOG:
            if self.parked and (aside := [commit for commit in commits if str(commit.key) in self.parked]):
                await _park(db, aside, "an earlier commit of this key is parked")
                commits = [commit for commit in commits if str(commit.key) not in self.parked]
            for commit in commits:
                if commit.unreadable:
                    raise Unreadable(f"sequence {commit.sequence}: {commit.unreadable}")
            if commits:
                await _move_versions(db, commits)
        topics: set[str] = set()
        for projection in self._projections:
            if commits:
                touched = await projection.apply(db, commits)
                if self._telling:
                    topics |= await topics_of(touched)
        return topics

    async def _apply_singly(self, db: asyncpg.Connection, source: str, commits: Sequence[Commit]) -> set[str]:
        """Commit by commit; the first one of a key that fails is parked, and with it all that follow of this key."""
        topics: set[str] = set()
        for commit in commits:
            try:
                async with db.transaction():
                    topics |= await self._apply(db, source, [commit])
            except Exception as error:
                if is_away(error, db):
                    raise
                log.error("key parked", key=str(commit.key), sequence=commit.sequence, reason=repr(error))
                if source == LOG:
                    await _park(db, [commit], repr(error)[:500])
                    self.parked.add(str(commit.key))
        return topics


async def _move_versions(db: Db, commits: Sequence[Commit]) -> None:
    """Check that no commit is missing between the rows and the batch, nor inside it; raise `Hole` otherwise."""
    keys, firsts, lasts, positions = [], [], [], []
    for key, mine in _by_key(commits).items():
        for before, after in pairwise(mine):
            if after.first != before.last + 1:
                raise Hole(f"{key}: version {before.last + 1} is missing before sequence {after.sequence}")
        keys.append(str(key))
        firsts.append(mine[0].first)
        lasts.append(mine[-1].last)
        positions.append(mine[-1].sequence)
    moved = await db.fetch(MOVE_VERSIONS, keys, firsts, lasts, positions)
    if len(moved) != len(keys):
        lost = set(keys) - {row["key"] for row in moved}
        raise Hole(f"a commit before these is missing: {', '.join(sorted(lost)[:5])}")


async def _park(db: Db, commits: Iterable[Commit], reason: str) -> None:
    rows = [(str(c.key), c.sequence, c.first, c.last) for c in commits]
    await db.execute(
        "insert into parked (key, sequence, first, last, reason)"
        " select *, $5 from unnest($1::text[], $2::bigint[], $3::int[], $4::int[]) on conflict do nothing",
        *(list(column) for column in zip(*rows, strict=True)),
        reason,
    )


def _by_key(commits: Iterable[Commit]) -> dict[Key, list[Commit]]:
    grouped: dict[Key, list[Commit]] = {}
    for commit in commits:
        grouped.setdefault(commit.key, []).append(commit)
    return grouped
