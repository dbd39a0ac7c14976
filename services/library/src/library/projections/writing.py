"""Puts titles as they are shown into their tables; what is there already stays untouched."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from events.projection import Db
from library.projections.groups import Named
from library.projections.rows import columns, place
from library.title.state import Title, mark_id
from library.title.summary import PlaySummary, SlotSummary, Summary

OF_TITLES = "select {table}.* from unnest($1::text[], $2::text[]) as touched (uid, work) join {table} using (uid, work)"

OF_SLOTS = """
    select {table}.* from unnest($1::text[], $2::text[], $3::int[], $4::int[]) as touched (uid, work, season, episode)
      join {table} using (uid, work, season, episode)
"""

DELETE_TITLES = """
    delete from title using unnest($1::text[], $2::text[]) as gone (uid, work)
     where title.uid = gone.uid and title.work = gone.work
"""

SAVE_TITLES = """
    insert into title
    select uid, work, in_watchlist, status, reaction, favourite, hidden, progress, legacy_status, kind, details::jsonb,
           watched_episodes, updated_at, last_season, last_episode, played_at, continues, continue_season,
           continue_episode, continue_seconds, continue_duration, continue_player, continue_at, film
      from unnest($1::text[], $2::text[], $3::bool[], $4::text[], $5::text[], $6::bool[], $7::bool[], $8::float8[],
                  $9::text[], $10::text[], $11::text[], $12::int[], $13::timestamptz[], $14::int[], $15::int[],
                  $16::timestamptz[], $17::bool[], $18::int[], $19::int[], $20::float8[], $21::float8[], $22::text[],
                  $23::timestamptz[], $24::bool[])
           as now (uid, work, in_watchlist, status, reaction, favourite, hidden, progress, legacy_status, kind, details,
                   watched_episodes, updated_at, last_season, last_episode, played_at, continues, continue_season,
                   continue_episode, continue_seconds, continue_duration, continue_player, continue_at, film)
    on conflict (uid, work) do update
       set in_watchlist = excluded.in_watchlist, status = excluded.status, reaction = excluded.reaction,
           favourite = excluded.favourite, hidden = excluded.hidden, progress = excluded.progress,
           legacy_status = excluded.legacy_status, kind = excluded.kind, details = excluded.details,
           watched_episodes = excluded.watched_episodes, updated_at = excluded.updated_at,
           last_season = excluded.last_season, last_episode = excluded.last_episode, played_at = excluded.played_at,
           continues = excluded.continues, continue_season = excluded.continue_season,
           continue_episode = excluded.continue_episode, continue_seconds = excluded.continue_seconds,
           continue_duration = excluded.continue_duration, continue_player = excluded.continue_player,
           continue_at = excluded.continue_at, film = excluded.film
"""

DELETE_ITEMS = """
    delete from item using unnest($1::text[], $2::text[], $3::int[], $4::int[]) as gone (uid, work, season, episode)
     where item.uid = gone.uid and item.work = gone.work
       and item.season = gone.season and item.episode = gone.episode
"""

SAVE_ITEMS = """
    insert into item (uid, work, season, episode, played, going, media_seconds, duration, session, player,
                      watched_seconds, completed_at, watched, watched_at, plays, updated_at, points)
    select * from unnest($1::text[], $2::text[], $3::int[], $4::int[], $5::bool[], $6::bool[], $7::float8[],
                         $8::float8[], $9::text[], $10::text[], $11::float8[], $12::timestamptz[], $13::bool[],
                         $14::timestamptz[], $15::int[], $16::timestamptz[], $17::bytea[])
    on conflict (uid, work, season, episode) do update
       set played = excluded.played, going = excluded.going, media_seconds = excluded.media_seconds,
           duration = excluded.duration, session = excluded.session, player = excluded.player,
           watched_seconds = excluded.watched_seconds, completed_at = excluded.completed_at,
           watched = excluded.watched, watched_at = excluded.watched_at, plays = excluded.plays,
           updated_at = excluded.updated_at, points = excluded.points
"""

DELETE_PLAYS = """
    delete from play
     using unnest($1::text[], $2::text[], $3::int[], $4::int[], $5::text[]) as gone (uid, work, season, episode, play)
     where play.uid = gone.uid and play.work = gone.work
       and play.season = gone.season and play.episode = gone.episode and play.play = gone.play
"""

SAVE_PLAYS = """
    insert into play (uid, work, season, episode, play, known_as, watched_at, player, rule, source, watched_seconds,
                      seconds, duration)
    select * from unnest($1::text[], $2::text[], $3::int[], $4::int[], $5::text[], $6::text[], $7::timestamptz[],
                         $8::text[], $9::text[], $10::text[], $11::float8[], $12::float8[], $13::float8[])
    on conflict (uid, work, season, episode, play) do update
       set known_as = excluded.known_as, watched_at = excluded.watched_at, player = excluded.player,
           rule = excluded.rule, source = excluded.source, watched_seconds = excluded.watched_seconds,
           seconds = excluded.seconds, duration = excluded.duration
"""

_encoder = msgspec.json.Encoder()


Slots = Collection[str] | None
"""Of a title, which may have changed; None stands for all."""


class Shown(NamedTuple):
    """A title as it is shown."""

    uid: str
    work: str
    title: Title
    summary: Summary
    members: Sequence[tuple[str, Title]]
    """What is known under each of its ids."""


class ItemRow(NamedTuple):
    """A row of `item`, in the order of its columns."""

    uid: str
    work: str
    season: int
    episode: int
    played: bool
    going: bool
    media_seconds: float
    duration: float | None
    session: str
    player: str
    watched_seconds: float | None
    completed_at: datetime | None
    watched: bool
    watched_at: datetime | None
    plays: int
    updated_at: datetime
    points: bytes | None
    """Of the facts of its session, in order, if it goes on: what a heartbeat is to be measured by."""


class PlayRow(NamedTuple):
    """A row of `play`, in the order of its columns."""

    uid: str
    work: str
    season: int
    episode: int
    play: str
    known_as: str
    watched_at: datetime | None
    player: str
    rule: str
    source: str
    watched_seconds: float | None
    seconds: float | None
    duration: float | None


async def write(db: Db, shown: Sequence[Shown], titles: Mapping[Named, Slots]) -> None:
    """Make the rows of *titles*, of these of their slots, those of *shown*; a title that is not among these has no
    rows any more."""
    title_rows = [_title(one) for one in shown if one.summary.updated_at is not None]
    there = {row[:2] for row in title_rows}
    if gone := [named for named in titles if named not in there]:
        await db.execute(DELETE_TITLES, *columns(gone))
    if title_rows:
        await db.execute(SAVE_TITLES, *columns(title_rows))
    await _difference(db, DELETE_ITEMS, SAVE_ITEMS, 4, await _there(db, "item", titles), _items(shown))
    await _difference(db, DELETE_PLAYS, SAVE_PLAYS, 5, await _there(db, "play", titles), _plays(shown))


async def _there(db: Db, table: str, titles: Mapping[Named, Slots]) -> Iterable[tuple[Any, ...]]:
    """The rows of these slots, as they are."""
    rows: list[Any] = []
    if whole := [named for named, slots in titles.items() if slots is None]:
        rows += await db.fetch(OF_TITLES.format(table=table), *columns(whole))
    if some := [(*named, *place(slot)) for named, slots in titles.items() for slot in slots or ()]:
        rows += await db.fetch(OF_SLOTS.format(table=table), *columns(some))
    return map(tuple, rows)


async def _difference(
    db: Db, delete: str, save: str, key: int, known: Iterable[tuple[Any, ...]], rows: Iterable[tuple[Any, ...]]
) -> None:
    """Turn the *known* rows into *rows*, told apart by their first *key* columns."""
    before = {row[:key]: row for row in known}
    after = {row[:key]: tuple(row) for row in rows}
    if gone := before.keys() - after.keys():
        await db.execute(delete, *columns(gone))
    if changed := [row for place, row in after.items() if before.get(place) != row]:
        await db.execute(save, *columns(changed))


def _title(shown: Shown) -> tuple[Any, ...]:
    now = shown.summary
    going = now.continues
    return (
        shown.uid,
        shown.work,
        now.in_watchlist,
        now.status,
        now.reaction,
        now.favourite,
        now.hidden,
        now.progress,
        now.legacy_status,
        now.details.kind if now.details else None,
        _encoder.encode(now.details).decode() if now.details else None,
        now.watched_episodes,
        now.updated_at,
        *(place(now.last) if now.last else (None, None)),
        now.played_at,
        going is not None,
        *(place(going.slot) if going else (None, None)),
        going.position if going else None,
        going.duration if going else None,
        going.player if going else None,
        going.updated_at if going else None,
        now.film,
    )


def _items(shown: Iterable[Shown]) -> Iterator[ItemRow]:
    for one in shown:
        for slot in one.summary.slots:
            yield ItemRow(
                uid=one.uid,
                work=one.work,
                season=place(slot.slot)[0],
                episode=place(slot.slot)[1],
                played=slot.played,
                going=slot.going,
                media_seconds=slot.position,
                duration=slot.duration,
                session=slot.session,
                player=slot.player,
                watched_seconds=slot.watched_seconds,
                completed_at=slot.completed_at,
                watched=slot.watched,
                watched_at=slot.watched_at,
                plays=slot.plays,
                updated_at=slot.updated_at,
                points=_points(one.title, slot) if slot.going else None,
            )


def _points(title: Title, slot: SlotSummary) -> bytes:
    points = [point for point in title.points if (point.slot, point.session) == (slot.slot, slot.session)]
    return msgspec.msgpack.encode(sorted(points, key=lambda point: point.own))


def _plays(shown: Iterable[Shown]) -> Iterator[PlayRow]:
    for one in shown:
        lengths = {slot.slot: slot.duration for slot in one.summary.slots}
        runtime = one.summary.details.runtime if one.summary.details else None
        for play in one.summary.plays:
            yield PlayRow(
                uid=one.uid,
                work=one.work,
                season=place(play.slot)[0],
                episode=place(play.slot)[1],
                play=play.play,
                known_as=_known_as(one, play),
                watched_at=play.watched_at,
                player=play.player,
                rule=play.rule,
                source=play.source,
                watched_seconds=play.watched_seconds,
                seconds=_known_first(play.watched_seconds, play.duration, lengths.get(play.slot), runtime),
                duration=play.duration,
            )


def _known_first(*seconds: float | None) -> float | None:
    """Who skipped to the end has really watched nothing of it."""
    return next((one for one in seconds if one is not None), None)


def _known_as(shown: Shown, play: PlaySummary) -> str:
    """The id under which it was watched, which is the one to remove it under."""
    return next((work for work, title in shown.members if _has(title, play)), shown.work)


def _has(title: Title, play: PlaySummary) -> bool:
    slot = title.slots.get(play.slot)
    if slot is None:
        return False
    return (
        play.play in slot.plays
        or play.play in slot.taken
        or any(mark_id(mark, play.slot) == play.play for mark in slot.marks)
    )
