"""How well members are in sync, in figures."""

from datetime import timedelta
from typing import Any

from events.contracts.party import ShowOverallStatistics, ShowStatistics, SyncStatistics
from events.messages import Context
from events.projection import Db
from parties.queries.rights import readable

OVERALL = timedelta(hours=1)
ENOUGH = 100_000
"""Drifts, about, from which quantiles are taken; of more, samples drawn by chance stand for all."""

SUMS = """
    select coalesce(sum(judged), 0) as samples, sum(in_sync)::float8 / nullif(sum(judged), 0) as in_sync,
           sum(same_frame)::float8 / nullif(sum(judged), 0) as same_frame, coalesce(sum(stalls), 0) as stalls,
           coalesce(sum(seeks), 0) as seeks, count(distinct party_id) as parties, min(at) as since
      from sync_sample where {which} and heard > 0
"""

# The hash draws the same samples each time, and with no regard to how parties take turns in the stream.
QUANTILES = """
    with drawn as (
        select position from sync_sample
         where {which} and playing and (hashint8(position) & 2147483647) % $2::int = 0)
    select percentile_cont(array[0.5, 0.95]) within group (order by abs(drift))
      from drawn join sync_member using (position)
"""

MEMBERS = "select count(distinct uid) from heard where {which}"

OF_PARTY = "party_id = $1"
OF_ALL = "at >= $1"


async def statistics(db: Db, query: ShowStatistics, context: Context) -> SyncStatistics:
    await readable(db, query.party_id, context)
    sums = await db.fetchrow(SUMS.format(which=OF_PARTY), query.party_id)
    which = f"{OF_PARTY} and at >= $2"
    members = await db.fetchval(MEMBERS.format(which=which), query.party_id, sums["since"] or context.now)
    return await _statistics(db, sums, members, OF_PARTY, query.party_id)


async def overall_statistics(db: Db, query: ShowOverallStatistics, context: Context) -> SyncStatistics:
    since = context.now - OVERALL
    sums = await db.fetchrow(SUMS.format(which=OF_ALL), since)
    members = await db.fetchval(MEMBERS.format(which=OF_ALL), since)
    return await _statistics(db, sums, members, OF_ALL, since)


async def _statistics(db: Db, sums: Any, members: int, which: str, value: Any) -> SyncStatistics:
    every = 1 + sums["samples"] // ENOUGH
    median, p95 = await db.fetchval(QUANTILES.format(which=which), value, every) or (None, None)
    return SyncStatistics(**sums, drift_median=median, drift_p95=p95, members=members)
