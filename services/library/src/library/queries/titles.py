"""What somebody watches: what to go on with, and how far everything is."""

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any, NamedTuple

from msgspec import Meta

from events import cursor
from events.contracts.library import (
    AllEpisodes,
    ContinueItem,
    ContinuePage,
    ContinueWatching,
    Episodes,
    EpisodesPage,
    EpisodeView,
    ItemProgress,
    Title,
    TitleProgress,
    Titles,
    TitlesPage,
)
from events.definition import Answering
from events.messages import NO_NUL, Context, Query
from events.projection import Db
from library.projections.rows import episode_at
from library.queries.common import LATEST, Column, Place, after, details, moment, page, percent, shown
from library.rules import Rules
from library.title.findings import watched_share

ITEMS = 2_000
"""Episodes of one title in one answer."""

DEVICE = "left join device on device.uid = item.uid and device.player = item.player"

PROGRESS = """
    item.work, item.season, item.episode, item.media_seconds, item.duration, item.session, item.watched_seconds,
    item.updated_at, item.completed_at, item.watched, item.watched_at, item.plays, coalesce(device.name, '') as device
"""

CONTINUE_WATCHING = """
    with page as (
        select uid, work, continue_season, continue_episode, continue_seconds, continue_duration, continue_player,
               continue_at, details
          from title
         where uid = $1 and continues and (continue_at, work) < ($2, $3)
         order by continue_at desc, work desc limit $4)
    select page.*, coalesce(device.name, '') as device
      from page left join device on device.uid = page.uid and device.player = page.continue_player
     order by continue_at desc, work desc
"""

TITLES = f"""
    with page as (
        select uid, work, last_season, last_episode, played_at from title
         where uid = $1 and played_at is not null and (played_at, work) < ($2, $3)
         order by played_at desc, work desc limit $4)
    select {PROGRESS}, page.played_at
      from page join item on item.uid = page.uid and item.work = page.work
                         and item.season = page.last_season and item.episode = page.last_episode
      {DEVICE}
     order by page.played_at desc, page.work desc
"""

TITLE = f"""
    select {PROGRESS} from item {DEVICE}
     where item.uid = $1 and work = $2 order by season, episode limit $3
"""

ALL_EPISODES = f"""
    select {PROGRESS} from item {DEVICE}
     where item.uid = $1 and (work, season, episode) > ($2, $3, $4) and season >= 0 and (watched or played)
     order by work, season, episode limit $5
"""

EPISODES = """
    select season, episode, watched, watched_at, played, media_seconds, duration, updated_at from item
     where uid = $1 and work = $2 and (season, episode) > ($3, $4) and season >= 0
       and ($5::int is null or season = $5) and ($6::int is null or episode = $6)
     order by season, episode limit $7
"""


class EpisodePlace(NamedTuple):
    """A place in the order of episodes."""

    season: Column
    episode: Column


class WorkPlace(NamedTuple):
    """A place in the order of works and their episodes."""

    work: Annotated[str, Meta(max_length=128, pattern=NO_NUL)]
    season: Column
    episode: Column


async def continue_watching(db: Db, query: ContinueWatching, context: Context) -> ContinuePage:
    start = after(query.cursor, LATEST)
    rows = await db.fetch(CONTINUE_WATCHING, context.actor, moment(start), start.work, query.limit + 1)
    items, more = page(rows, query.limit, lambda row: Place(cursor.instant(row["continue_at"]), row["work"]))
    return ContinuePage([_continue(row) for row in items], more)


async def titles(db: Db, query: Titles, context: Context, rules: Rules) -> TitlesPage:
    start = after(query.cursor, LATEST)
    rows = await db.fetch(TITLES, context.actor, moment(start), start.work, query.limit + 1)
    items, more = page(rows, query.limit, lambda row: Place(cursor.instant(row["played_at"]), row["work"]))
    return TitlesPage([_progress(row, rules) for row in items], more)


async def title(db: Db, query: Title, context: Context, rules: Rules) -> TitleProgress:
    named = await shown(db, context, query.work, query.kind)
    rows = await db.fetch(TITLE, context.actor, named.work, ITEMS)
    return TitleProgress(named.work, [_progress(row, rules) for row in rows])


async def all_episodes(db: Db, query: AllEpisodes, context: Context, rules: Rules) -> TitlesPage:
    start = after(query.cursor, WorkPlace("", -1, -1))
    rows = await db.fetch(ALL_EPISODES, context.actor, *start, query.limit + 1)
    items, more = page(rows, query.limit, lambda row: WorkPlace(row["work"], row["season"], row["episode"]))
    return TitlesPage([_progress(row, rules) for row in items], more)


async def episodes(db: Db, query: Episodes, context: Context) -> EpisodesPage:
    """An id that names an episode asks for that one, unless the arguments ask for another."""
    named = await shown(db, context, query.work, query.kind)
    season, episode = query.season, query.episode
    if season is None and episode is None and named.episode is not None:
        season, episode = named.episode.season, named.episode.episode
    start = after(query.cursor, EpisodePlace(-1, -1))
    rows = await db.fetch(EPISODES, context.actor, named.work, *start, season, episode, query.limit + 1)
    items, more = page(rows, query.limit, lambda row: EpisodePlace(row["season"], row["episode"]))
    return EpisodesPage(named.work, [_episode(row) for row in items], more)


def _continue(row: Any) -> ContinueItem:
    return ContinueItem(
        work=row["work"],
        episode=episode_at(row["continue_season"], row["continue_episode"]),
        position=row["continue_seconds"],
        duration=row["continue_duration"],
        percent=percent(row["continue_seconds"], row["continue_duration"]),
        device=row["device"],
        updated_at=row["continue_at"],
        details=details(row["details"]),
    )


def _progress(row: Any, rules: Rules) -> ItemProgress:
    share = watched_share(row["watched_seconds"], row["duration"])
    return ItemProgress(
        work=row["work"],
        episode=episode_at(row["season"], row["episode"]),
        position=row["media_seconds"],
        duration=row["duration"],
        percent=percent(row["media_seconds"], row["duration"]),
        completed_at=row["completed_at"],
        device=row["device"],
        updated_at=row["updated_at"],
        watched=row["watched"],
        watched_at=row["watched_at"],
        plays=row["plays"],
        watched_seconds=row["watched_seconds"],
        session=row["session"],
        watched_share=share,
        really_watched=rules.really_watched(share),
    )


def _episode(row: Any) -> EpisodeView:
    return EpisodeView(
        season=row["season"],
        episode=row["episode"],
        watched=row["watched"],
        watched_at=row["watched_at"],
        percent=percent(row["media_seconds"], row["duration"]) if row["played"] else None,
        updated_at=row["updated_at"],
    )


def queries(rules: Rules) -> Mapping[type[Query], Answering]:
    return {
        ContinueWatching: continue_watching,
        Titles: partial(titles, rules=rules),
        Title: partial(title, rules=rules),
        Episodes: episodes,
        AllEpisodes: partial(all_episodes, rules=rules),
    }
