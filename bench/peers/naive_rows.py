"""The design that most apps begin with: one row per person and film, updated at each report, through asyncpg.

`python -m bench.peers.naive_rows DATABASE_URL PEOPLE`; each line `REPORTS PER_SECOND` is answered with JSON: the 99th
percentile of the updates' seconds, and the bytes of write-ahead log that they made. `flood SECONDS` is answered with
updates a second, ten in flight.
"""

import asyncio
import json
import sys
import time
from typing import Any

import asyncpg

from bench.figures import percentile

CONNECTIONS = 10

TABLE = """
    create table naive_progress (
        user_id text not null, content_id text not null, position_seconds double precision not null,
        duration_seconds double precision not null, completion_percentage double precision not null,
        completed boolean not null, last_watched_at timestamptz not null, primary key (user_id, content_id))
"""
UPDATE = """
    insert into naive_progress values ($1, 'bench:film', $2::float8, $3::float8, $2 / $3 * 100, $2 / $3 >= 0.9, now())
    on conflict (user_id, content_id) do update
       set position_seconds = excluded.position_seconds, completion_percentage = excluded.completion_percentage,
           completed = excluded.completed, last_watched_at = excluded.last_watched_at
"""
"""CSN's mutation, as one statement. Each is durable by itself, as theirs is."""


async def steady(pool: "asyncpg.Pool[Any]", people: int, reports: int, per_second: float) -> dict[str, Any]:
    """By the clock; each timed from when it was due."""
    taken: list[float] = []
    begun, before = time.perf_counter(), await written(pool)

    async def one(number: int) -> None:
        due = begun + number / per_second
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        await pool.execute(UPDATE, f"person-{number % people}", 5.0 * (number // people), 3_600.0)
        taken.append(time.perf_counter() - due)

    await asyncio.gather(*map(one, range(reports)))
    return {"p99": percentile(taken, 0.99), "bytes": await written(pool) - before}


async def flood(pool: "asyncpg.Pool[Any]", people: int, seconds: float) -> float:
    ending, done = time.perf_counter() + seconds, 0

    async def one(lane: int) -> None:
        nonlocal done
        while time.perf_counter() < ending:
            await pool.execute(UPDATE, f"person-{(lane + done) % people}", float(done % 3_600), 3_600.0)
            done += 1

    await asyncio.gather(*map(one, range(CONNECTIONS)))
    return done / seconds


async def written(pool: "asyncpg.Pool[Any]") -> int:
    """Bytes of write-ahead log so far."""
    return int(await pool.fetchval("select pg_current_wal_lsn() - '0/0'::pg_lsn"))


async def main(url: str, people: int) -> None:
    settings = {"search_path": "public", "synchronous_commit": "on"}
    async with asyncpg.create_pool(url, max_size=CONNECTIONS, server_settings=settings) as pool:
        await pool.execute("drop table if exists naive_progress")
        await pool.execute(TABLE)
        print("ready", flush=True)
        loop = asyncio.get_running_loop()
        while line := (await loop.run_in_executor(None, sys.stdin.readline)).split():
            first, second = line
            if first == "flood":
                print(await flood(pool, people, float(second)), flush=True)
            else:
                print(json.dumps(await steady(pool, people, int(first), float(second))), flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
