"""Read models of what people watch: facts by film and episode, the last heartbeat of each, and what comes now."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from events.contracts import library
from events.contracts.library import Completed, Episode, Progressed, Started, Stopped
from events.log import Commit
from events.projection import Db, Projection

FILM = Episode(season=-1, episode=-1)
"""Stands in the columns of an episode, which are part of a key and cannot be null."""

SAVE_ITEMS = """
    insert into item (uid, work, season, episode, media_seconds, duration, device, finished, completed_at,
                      next_season, next_episode, created_at, updated_at, position)
    select * from unnest($1::text[], $2::text[], $3::int[], $4::int[], $5::float8[], $6::float8[], $7::text[],
                         $8::bool[], $9::timestamptz[], $10::int[], $11::int[], $12::timestamptz[],
                         $13::timestamptz[], $14::bigint[])
    on conflict (uid, work, season, episode) do update
       set media_seconds = excluded.media_seconds, duration = coalesce(excluded.duration, item.duration),
           device = excluded.device, finished = excluded.finished,
           completed_at = coalesce(excluded.completed_at, item.completed_at),
           next_season = excluded.next_season, next_episode = excluded.next_episode,
           updated_at = excluded.updated_at, position = excluded.position
"""

SAVE_HEARTBEATS = """
    insert into heartbeat (uid, work, season, episode, media_seconds, duration, device,
                           created_at, updated_at, position)
    select * from unnest($1::text[], $2::text[], $3::int[], $4::int[], $5::float8[], $6::float8[], $7::text[],
                         $8::timestamptz[], $9::timestamptz[], $10::bigint[])
    on conflict (uid, work, season, episode) do update
       set media_seconds = excluded.media_seconds, duration = excluded.duration, device = excluded.device,
           created_at = excluded.created_at, updated_at = excluded.updated_at, position = excluded.position
     where excluded.position > heartbeat.position
"""

SAVE_TITLES = """
    insert into title (uid, work, season, episode, continues, created_at, updated_at, position)
    select distinct on (uid, work)
           uid, work, season, episode, not finished or next_season is not null,
           min(created_at) over same_title, updated_at, max(position) over same_title
      from unnest($1::text[], $2::text[]) as touched (uid, work)
      join progress using (uid, work)
    window same_title as (partition by uid, work)
     order by uid, work, updated_at desc, position desc
    on conflict (uid, work) do update
       set season = excluded.season, episode = excluded.episode, continues = excluded.continues,
           updated_at = excluded.updated_at, position = excluded.position
"""


class ItemRow(NamedTuple):
    """A row of `item`, in the order of its columns."""

    uid: str
    work: str
    season: int
    episode: int
    media_seconds: float
    duration: float | None
    device: str
    finished: bool
    """The last thing that happened to it is that it was completed."""
    completed_at: datetime | None
    next_season: int | None
    next_episode: int | None
    created_at: datetime
    updated_at: datetime
    position: int


class HeartbeatRow(NamedTuple):
    """A row of `heartbeat`, in the order of its columns."""

    uid: str
    work: str
    season: int
    episode: int
    media_seconds: float
    duration: float | None
    device: str
    created_at: datetime
    updated_at: datetime
    position: int


async def apply_to_item(db: Db, commits: Sequence[Commit]) -> set[str]:
    """Carry each film or episode through the facts of the batch; what these leave open, the row keeps."""
    rows: dict[tuple[str, str, Episode], ItemRow] = {}
    for commit in commits:
        for event in commit.events:
            if isinstance(event, Started | Stopped | Completed):
                key = event.uid, event.work, event.episode or FILM
                rows[key] = _item(rows.get(key), event, commit.sequence)
    if rows:
        await db.execute(SAVE_ITEMS, *_columns(rows.values()))
    return set()


async def apply_to_heartbeat(db: Db, commits: Sequence[Commit]) -> set[str]:
    """The last heartbeat by arrival counts, not by its time: it is the only one that a rebuild will see."""
    rows: dict[tuple[str, str, Episode], HeartbeatRow] = {}
    for commit in commits:
        for event in commit.events:
            if isinstance(event, Progressed):
                rows[event.uid, event.work, event.episode or FILM] = _heartbeat(event, commit.sequence)
    if rows:
        await db.execute(SAVE_HEARTBEATS, *_columns(rows.values()))
    return set()


async def apply_to_title(db: Db, commits: Sequence[Commit]) -> set[str]:
    """Pick anew, for each title that the batch touches, the item that was touched last. Runs after the other two."""
    touched = {
        (event.uid, event.work)
        for commit in commits
        for event in commit.events
        if isinstance(event, Started | Stopped | Completed | Progressed)
    }
    if not touched:
        return set()
    await db.execute(SAVE_TITLES, *_columns(touched))
    return {library.topic(uid) for uid, _ in touched} | {library.title_topic(uid, work) for uid, work in touched}


def _item(before: ItemRow | None, event: Started | Stopped | Completed, sequence: int) -> ItemRow:
    place = event.episode or FILM
    completed = event if isinstance(event, Completed) else None
    following = completed.next if completed else None
    return ItemRow(
        uid=event.uid,
        work=event.work,
        season=place.season,
        episode=place.episode,
        media_seconds=event.position,
        duration=event.duration or (before.duration if before else None),
        device=event.device,
        finished=completed is not None,
        completed_at=completed.at if completed else before.completed_at if before else None,
        next_season=following.season if following else None,
        next_episode=following.episode if following else None,
        created_at=before.created_at if before else event.at,
        updated_at=event.at,
        position=sequence,
    )


def _heartbeat(event: Progressed, sequence: int) -> HeartbeatRow:
    """Created and updated at one time: of those before it nothing is kept anywhere."""
    place = event.episode or FILM
    return HeartbeatRow(
        uid=event.uid,
        work=event.work,
        season=place.season,
        episode=place.episode,
        media_seconds=event.position,
        duration=event.duration,
        device=event.device,
        created_at=event.at,
        updated_at=event.at,
        position=sequence,
    )


def _columns(rows: Iterable[tuple[Any, ...]]) -> Iterator[list[Any]]:
    return (list(column) for column in zip(*rows, strict=True))


PROJECTIONS = (
    Projection("item", apply_to_item),
    Projection("heartbeat", apply_to_heartbeat),
    Projection("title", apply_to_title),
)
