"""What PostgreSQL leaves behind of deleted rows: old versions in its files, statistics about values, and its WAL."""

import asyncpg

from ops.house import SERVICES

TABLES = """
    select quote_ident(nspname) || '.' || quote_ident(relname)
      from pg_class join pg_namespace on pg_namespace.oid = relnamespace
     where relkind = 'r' and (nspname = any($1::text[]) or nspname ~ $2)
     order by relpages
"""
STATISTICS = ("pg_catalog.pg_statistic", "pg_catalog.pg_statistic_ext_data")
WRITE = "select pg_logical_emit_message(true, 'matinee', '')"


async def scrub(url: str) -> int:
    """Write every table of Matinee anew without what was deleted, and let the old WAL go; return how many tables.

    Needs a superuser. Each table is locked while it is written: readers wait.
    """
    db = await asyncpg.connect(url)
    try:
        names = [service.name for service in SERVICES]
        rows = await db.fetch(TABLES, ["vault", *names], f"^({'|'.join(names)})_")
        for (table,) in rows:
            await db.execute(f"vacuum (full, analyze) {table}")
        for table in STATISTICS:
            await db.execute(f"vacuum full {table}")
        await _renew_wal(db)
    finally:
        await db.close()
    return len(rows)


async def _renew_wal(db: "asyncpg.Connection") -> None:
    """Go through all files of the WAL once, those kept for later use included, and keep none of the old ones."""
    await db.execute("alter system set wal_recycle = off")
    await db.execute("select pg_reload_conf()")
    try:
        for _ in range(await db.fetchval("select count(*) + 1 from pg_ls_waldir()")):
            await db.execute(WRITE)
            await db.execute("select pg_switch_wal()")
        await db.execute("checkpoint")
        await db.execute(WRITE)
        await db.execute("checkpoint")
    finally:
        await db.execute("alter system reset wal_recycle")
        await db.execute("select pg_reload_conf()")
