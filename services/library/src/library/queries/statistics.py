"""What somebody watched, in numbers."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time

from events.contracts.library import GenreStatistics, MonthStatistics, ShowStatistics, Statistics
from events.definition import Answering
from events.messages import Context, Query
from events.projection import Db

MONTHS = 120
GENRES = 50
HOUR = 3_600

BOUNDED = """
    uid = $1 and ($2::timestamptz is null or watched_at >= $2) and ($3::timestamptz is null or watched_at <= $3)
"""

WATCHED = """(
    select uid, work, watched_at, seconds, play from play
    union all
    select uid, work, updated_at, watched_seconds, null from item where going and not watched and watched_seconds > 0
) as watched"""
"""Plays, and what really played of that which nobody has watched to the end: it counts when it was last heard of."""

PLAYS = f"select coalesce(sum(seconds), 0) as seconds, count(play) as plays from {WATCHED} where {BOUNDED}"

BY_MONTH = f"""
    select to_char(watched_at at time zone 'UTC', 'YYYY-MM') as month, coalesce(sum(seconds), 0) as seconds,
           count(play) as plays, count(distinct work) as titles
      from {WATCHED} where watched_at is not null and {BOUNDED}
     group by 1 order by 1 desc limit $4
"""

BY_GENRE = f"""
    with of_work as (
        select work, coalesce(sum(seconds), 0) as seconds, count(play) as plays
          from {WATCHED} where {BOUNDED} group by work)
    select genre, sum(seconds) as seconds, sum(plays)::bigint as plays
      from of_work
      join title on title.uid = $1 and title.work = of_work.work
     cross join lateral (select distinct jsonb_array_elements_text(details -> 'genres')) as of_it (genre)
     group by genre order by 2 desc, 3 desc, 1 limit $4
"""

TITLES = """
    select count(*) as titles, count(*) filter (where status = 'finished') as finished,
           count(*) filter (where status = 'watching') as watching,
           count(*) filter (where status = 'want-to-watch') as want_to_watch
      from title where uid = $1
"""

COMPLETION = "select avg(watched::int)::float8 from item where uid = $1 and (watched or played)"


async def statistics(db: Db, query: ShowStatistics, context: Context) -> Statistics:
    """The bounds are days in UTC, both included."""
    since, until = _start(query.since), _end(query.until)
    bounds = context.actor, since, until
    plays = await db.fetchrow(PLAYS, *bounds)
    titles = await db.fetchrow(TITLES, context.actor)
    completion: float | None = await db.fetchval(COMPLETION, context.actor)
    months = await db.fetch(BY_MONTH, *bounds, MONTHS)
    genres = await db.fetch(BY_GENRE, *bounds, GENRES)
    return Statistics(
        hours=_hours(plays["seconds"]),
        plays=plays["plays"],
        titles=titles["titles"],
        finished=titles["finished"],
        watching=titles["watching"],
        want_to_watch=titles["want_to_watch"],
        completion=None if completion is None else round(completion, 3),
        months=[
            MonthStatistics(month=row["month"], hours=_hours(row["seconds"]), plays=row["plays"], titles=row["titles"])
            for row in months
        ],
        genres=[
            GenreStatistics(genre=row["genre"], hours=_hours(row["seconds"]), plays=row["plays"]) for row in genres
        ],
    )


def _hours(seconds: float) -> float:
    return round(seconds / HOUR, 2)


def _start(day: date | None) -> datetime | None:
    return None if day is None else datetime.combine(day, time.min, UTC)


def _end(day: date | None) -> datetime | None:
    return None if day is None else datetime.combine(day, time.max, UTC)


QUERIES: Mapping[type[Query], Answering] = {ShowStatistics: statistics}
