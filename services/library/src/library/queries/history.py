"""What somebody watched to the end, or said that they had."""

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any, NamedTuple

from msgspec import Meta

from events import cursor
from events.contracts.library import History, HistoryPage, PlayView
from events.cursor import LAST
from events.definition import Answering
from events.messages import NO_NUL, Context, Query
from events.projection import Db
from library.projections.rows import episode_at
from library.queries.common import Column, after, details, page, past, shown
from library.rules import Rules
from library.title.findings import watched_share

HISTORY = """
    with page as (
        select uid, work, season, episode, play, known_as, watched_at, player, rule, source, watched_seconds, duration
          from play
         where uid = $1
           and (coalesce(watched_at, '-infinity'), work, season, episode, play)
               < (coalesce($2::timestamptz, '-infinity'), $3, $4, $5, $6)
           and ($7::timestamptz is null or watched_at >= $7) and ($8::timestamptz is null or watched_at < $8)
           and ($9::text is null or work = $9)
         order by coalesce(watched_at, '-infinity') desc, work desc, season desc, episode desc, play desc
         limit $10)
    select page.*, coalesce(device.name, '') as device, title.details
      from page
      join title on title.uid = page.uid and title.work = page.work
      left join device on device.uid = page.uid and device.player = page.player
     order by coalesce(watched_at, '-infinity') desc, page.work desc, season desc, episode desc, play desc
"""

YEAR_1 = -62_135_596_800_000_000


class PlayPlace(NamedTuple):
    """A place in the history."""

    at: Annotated[int, Meta(ge=YEAR_1, le=LAST)] | None
    """Microseconds since 1970; null if nobody knows, which comes last."""
    work: Annotated[str, Meta(max_length=128, pattern=NO_NUL)]
    season: Column
    episode: Column
    play: Annotated[str, Meta(max_length=300, pattern=NO_NUL)]


NEWEST = PlayPlace(LAST, "", -1, -1, "")


async def history(db: Db, query: History, context: Context, rules: Rules) -> HistoryPage:
    start = after(query.cursor, NEWEST)
    work = None if query.work is None else (await shown(db, context, query.work)).work
    at = None if start.at is None else cursor.moment(start.at)
    since, until = (
        None if bound is None else past(field, bound)
        for field, bound in (("since", query.since), ("until", query.until))
    )
    rows = await db.fetch(HISTORY, context.actor, at, *start[1:], since, until, work, query.limit + 1)
    items, more = page(rows, query.limit, _place)
    return HistoryPage([_play(row, rules) for row in items], more)


def _place(row: Any) -> PlayPlace:
    at = None if row["watched_at"] is None else cursor.instant(row["watched_at"])
    return PlayPlace(at, row["work"], row["season"], row["episode"], row["play"])


def _play(row: Any, rules: Rules) -> PlayView:
    share = watched_share(row["watched_seconds"], row["duration"])
    return PlayView(
        play=row["play"],
        work=row["known_as"],
        episode=episode_at(row["season"], row["episode"]),
        watched_at=row["watched_at"],
        device=row["device"],
        rule=row["rule"],
        source=row["source"],
        watched_seconds=row["watched_seconds"],
        details=details(row["details"]),
        watched_share=share,
        really_watched=rules.really_watched(share),
    )


def queries(rules: Rules) -> Mapping[type[Query], Answering]:
    return {History: partial(history, rules=rules)}
