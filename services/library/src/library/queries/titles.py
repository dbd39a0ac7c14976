"""What people can ask about what they watch."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from events import cursor
from events.contracts.library import (
    ContinueItem,
    ContinuePage,
    ContinueWatching,
    Episode,
    ItemProgress,
    Title,
    TitleProgress,
    Titles,
    TitlesPage,
)
from events.cursor import LAST, Instant
from events.definition import Answering
from events.messages import Context, Id, Query
from events.projection import Db

ITEMS = 2_000
"""Episodes of one title in one answer."""

PAGE = """
    select uid, work, season, episode, updated_at from title
     where uid = $1 and {which} and (updated_at, work) < ($2, $3)
     order by updated_at desc, work desc limit $4
"""

CONTINUE_WATCHING = f"""
    with page as ({PAGE.format(which="continues")})
    select page.work, now.finished, now.season, now.episode, now.media_seconds, now.duration, now.device,
           now.next_season, now.next_episode, page.updated_at,
           following.media_seconds as next_media_seconds, following.duration as next_duration
      from page join progress as now using (uid, work, season, episode)
      left join lateral (
          select media_seconds, duration from progress
           where (uid, work, season, episode) = (page.uid, page.work, now.next_season, now.next_episode)
             and not finished
           limit 1) as following on true
     order by page.updated_at desc, page.work desc
"""

TITLES = f"""
    with page as ({PAGE.format(which="true")})
    select progress.* from page join progress using (uid, work, season, episode)
     order by page.updated_at desc, page.work desc
"""

TITLE = "select * from progress where uid = $1 and work = $2 order by season, episode limit $3"


class Place(NamedTuple):
    """A place in the order of what was touched last."""

    updated_at: Instant
    work: Id


LATEST = Place(LAST, "")


async def continue_watching(db: Db, query: ContinueWatching, context: Context) -> ContinuePage:
    rows, more = await _page(db, CONTINUE_WATCHING, query, context)
    return ContinuePage([_continue(row) for row in rows], more)


async def titles(db: Db, query: Titles, context: Context) -> TitlesPage:
    rows, more = await _page(db, TITLES, query, context)
    return TitlesPage([_progress(row) for row in rows], more)


async def title(db: Db, query: Title, context: Context) -> TitleProgress:
    rows = await db.fetch(TITLE, context.actor, query.work, ITEMS)
    return TitleProgress(query.work, [_progress(row) for row in rows])


async def _page(db: Db, sql: str, query: ContinueWatching | Titles, context: Context) -> tuple[list[Any], str | None]:
    """The rows of one page, and the cursor of the next."""
    after = LATEST if query.cursor is None else cursor.read(query.cursor, Place)
    rows = await db.fetch(sql, context.actor, cursor.moment(after.updated_at), after.work, query.limit + 1)
    page = rows[: query.limit]
    if len(rows) == len(page):
        return page, None
    last = page[-1]
    return page, cursor.write(Place(cursor.instant(last["updated_at"]), last["work"]))


def _continue(row: Any) -> ContinueItem:
    """The item itself, or what follows when it is finished."""
    if row["finished"]:
        episode = _episode(row["next_season"], row["next_episode"])
        seconds, duration = row["next_media_seconds"] or 0.0, row["next_duration"]
    else:
        episode = _episode(row["season"], row["episode"])
        seconds, duration = row["media_seconds"], row["duration"]
    return ContinueItem(
        work=row["work"],
        episode=episode,
        position=seconds,
        duration=duration,
        percent=_percent(seconds, duration),
        device=row["device"],
        updated_at=row["updated_at"],
    )


def _progress(row: Any) -> ItemProgress:
    return ItemProgress(
        work=row["work"],
        episode=_episode(row["season"], row["episode"]),
        position=row["media_seconds"],
        duration=row["duration"],
        percent=_percent(row["media_seconds"], row["duration"]),
        completed_at=row["completed_at"],
        device=row["device"],
        updated_at=row["updated_at"],
    )


def _episode(season: int, episode: int) -> Episode | None:
    return None if season < 0 else Episode(season=season, episode=episode)


def _percent(seconds: float, duration: float | None) -> float | None:
    return None if duration is None else min(100.0, round(100 * seconds / duration, 1))


QUERIES: Mapping[type[Query], Answering] = {
    ContinueWatching: continue_watching,
    Titles: titles,
    Title: title,
}
