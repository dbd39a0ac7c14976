"""How well members are in sync, in figures."""

from datetime import timedelta

from events.contracts.party import IN_SYNC, ONE_FRAME, ShowOverallStatistics, ShowStatistics, SyncStatistics
from events.messages import Context
from events.projection import Db
from parties.queries.rights import readable

OVERALL = timedelta(hours=1)

# Who buffers while the party plays is not in sync, although nobody can say how far behind.
STATISTICS = f"""
    with heard as (
        select party_id, at, uid, drift, stalls, seeks, playing and (drift is not null or state = 'buffering') as judged
          from sync_sample join sync_member using (position)
         where {{which}})
    select count(*) filter (where judged) as samples,
           avg((coalesce(abs(drift) <= {IN_SYNC}, false))::int::float8) filter (where judged) as in_sync,
           avg((coalesce(abs(drift) <= {ONE_FRAME}, false))::int::float8) filter (where judged) as same_frame,
           percentile_cont(0.5) within group (order by abs(drift)) filter (where judged) as drift_median,
           percentile_cont(0.95) within group (order by abs(drift)) filter (where judged) as drift_p95,
           coalesce(sum(stalls), 0) as stalls, coalesce(sum(seeks), 0) as seeks,
           count(distinct uid) as members, count(distinct party_id) as parties, min(at) as since
      from heard
"""
OF_PARTY = STATISTICS.format(which="party_id = $1")
OF_ALL = STATISTICS.format(which="at >= $1")


async def statistics(db: Db, query: ShowStatistics, context: Context) -> SyncStatistics:
    await readable(db, query.party_id, context)
    return SyncStatistics(**await db.fetchrow(OF_PARTY, query.party_id))


async def overall_statistics(db: Db, query: ShowOverallStatistics, context: Context) -> SyncStatistics:
    return SyncStatistics(**await db.fetchrow(OF_ALL, context.now - OVERALL))
