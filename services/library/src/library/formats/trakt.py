"""A Trakt export: one JSON file, or a zip of them. Which part is which is seen by what its entries hold.

History keeps its ids (`trakt:<id>`), so a play is the same play in every later export, and through the tracker itself.
`watched` says how often and when last: one play, and only if the history does not know it better. Ratings become
reactions. Playback becomes a position where the length is known, of a film else a percentage. What is in a collection,
hidden, or only commented on is left.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any, BinaryIO

from msgspec import UNSET

from events.contracts.library import Entry, ItemChange, Kind, TakenPlay, TakenPosition
from events.contracts.library.words import FILM, LIST_ITEMS
from library.formats import reading, records
from library.formats.records import About, AList, BadFile, Found, Left, time

Json = Mapping[str, Any]

PARTS = ("watched_at", "last_watched_at", "rated_at", "listed_at", "paused_at", "collected_at", "hidden_at", "items")
LIST_FILE = re.compile(r"lists?-(?:list-)?(?:\d+-)?(?P<name>.+)")
NO_LISTS = ("watchlist", "favorites", "lists", "liked")


def read(file: BinaryIO, name: str) -> Iterator[Found]:
    """Entries in the order of the file. Raise `BadFile`."""
    known = False
    for found in _everything(file, name):
        known = known or not isinstance(found, Left) or found.reason not in ("unknown-entry", "invalid-entry")
        yield found
    if not known:
        raise BadFile("wrong-format", expected="history, watched, ratings, watchlist, playback or lists of Trakt")


def _everything(file: BinaryIO, name: str) -> Iterator[Found]:
    if not reading.is_zip(file):
        yield from _file(file, PurePosixPath(name).stem, whole=True)
        return
    for inside, opened in reading.files(file):
        path = PurePosixPath(inside)
        if path.suffix.lower() == ".json":
            yield from _file(opened, path.stem, whole=False)


def _file(file: BinaryIO, stem: str, *, whole: bool) -> Iterator[Found]:
    """One of its files; *whole* if there is no other, which then may not be empty."""
    lists: dict[str, list[Entry]] = {}
    try:
        for item in reading.items(file):
            entry = reading.decoded(item, dict[str, Any])
            if isinstance(entry, Left):
                yield entry
            elif (listed := _list_name(stem, item.key)) and "listed_at" in entry:
                yield from _put(lists.setdefault(listed, []), item.line, entry)
            else:
                yield from _entry(item.line, entry, f"{stem} {item.key}")
    except BadFile as error:
        if whole or error.code != "empty-file":
            raise
    for title, entries in lists.items():
        yield AList(1, title[:200], f"trakt:{title}", tuple(entries))


def _list_name(stem: str, key: str) -> str:
    """Of a file that holds one list; watchlist, favourites and the lists' own descriptions are none."""
    found = LIST_FILE.fullmatch(stem)
    name = found["name"] if found else ""
    return "" if key or any(part in name for part in NO_LISTS) else name


def _entry(line: int, entry: Json, place: str) -> Iterator[Found]:
    part = next((part for part in PARTS if part in entry), None)
    if part == "items" and isinstance(entry["items"], list):
        yield from _whole_list(line, entry)
    elif part == "last_watched_at" and isinstance(entry.get("show"), dict):
        yield from _watched_show(line, entry)
    elif part is None:
        yield Left(line, records.text(entry.get("title") or entry.get("name")), "unknown-entry")
    elif part in ("collected_at", "hidden_at"):
        yield Left(line, _what(entry), "collection" if part == "collected_at" else "hidden")
    else:
        yield _about(line, entry, part, place)


def _about(line: int, entry: Json, part: str, place: str) -> Found:
    """An entry about one film, show or episode."""
    kind: Kind = "movie" if isinstance(entry.get("movie"), dict) else "series"
    media = entry.get("movie") if kind == "movie" else entry.get("show")
    if not isinstance(media, dict):
        return Left(line, _what(entry), "no-show" if "episode" in entry else "unknown-entry")
    work = _work(media, kind)
    if work is None:
        return Left(line, _what(entry), "no-id")
    slot = _slot(entry, kind)
    change = ItemChange(details=_details(media, kind))
    if part in ("watched_at", "last_watched_at"):
        return _play(line, entry, part, work, slot, change)
    if part == "paused_at":
        return _paused(line, entry, work, slot, media)
    if slot not in (FILM, None) or "season" in entry:
        return Left(line, _what(entry), "episode-or-season")
    return _decided(line, entry, part, place, work, media, kind)


def _play(line: int, entry: Json, part: str, work: str, slot: str | None, change: ItemChange) -> Found:
    if slot is None:
        return Left(line, _what(entry), "no-episode")
    at = time(entry[part])
    id = entry.get("id")
    if part == "watched_at" and (isinstance(id, int) or (isinstance(id, str) and id.isascii() and id.isdigit())):
        return About(line, _what(entry), work, (TakenPlay(slot, f"trakt:{id}"[:128], at),), change, at=at)
    minute = at.strftime("%Y%m%dT%H%M") if at else "unknown"
    return About(line, _what(entry), work, (TakenPlay(slot, f"trakt:{slot}:{minute}", at),), change, at=at, weak=True)


def _paused(line: int, entry: Json, work: str, slot: str | None, media: Json) -> Found:
    at, percent = time(entry["paused_at"]), records.number(entry.get("progress"))
    if slot is None or at is None or percent is None or not 0 <= percent <= 100:
        return Left(line, _what(entry), "invalid-entry")
    episode = entry.get("episode")
    minutes = records.number((episode if isinstance(episode, dict) else media).get("runtime"))
    length = records.seconds(minutes * 60) if minutes else None
    if length is not None:
        resume = TakenPosition(slot, length * percent / 100, at, length)
        return About(line, _what(entry), work, resume=resume, at=at)
    if slot != FILM:
        return Left(line, _what(entry), "length-unknown")
    return About(line, _what(entry), work, change=ItemChange(progress=percent), at=at)


def _decided(line: int, entry: Json, part: str, place: str, work: str, media: Json, kind: Kind) -> Found:
    at, about = time(entry[part]), _details(media, kind)
    if part == "rated_at":
        rating = records.of_ten(entry.get("rating"))
        if not rating:
            return Left(line, _what(entry), "no-rating")
        return About(
            line, _what(entry), work, change=ItemChange(reaction=records.reaction(rating), details=about), at=at
        )
    favourite = "favorite" in place or "recommendation" in place
    change = ItemChange(
        in_watchlist=UNSET if favourite else True, favourite=True if favourite else UNSET, details=about
    )
    return About(line, _what(entry), work, change=change, at=at)


def _watched_show(line: int, entry: Json) -> Iterator[Found]:
    """Every episode that the show's summary names. Those from before a rewatch began do not count."""
    show = entry["show"]
    work = _work(show, "series")
    seasons = entry.get("seasons")
    if work is None:
        yield Left(line, _what(entry), "no-id")
    elif not isinstance(seasons, list):
        yield Left(line, _what(entry), "episodes-unknown")
    else:
        plays = tuple(_episodes_of(seasons))
        newest = max((play.watched_at for play in plays if play.watched_at), default=None)
        change = ItemChange(details=_details(show, "series"))
        yield About(line, _what(entry), work, plays, change, at=newest, weak=True)


def _episodes_of(seasons: list[Any]) -> Iterator[TakenPlay]:
    for season in seasons:
        episodes = season.get("episodes") if isinstance(season, dict) else None
        for episode in episodes if isinstance(episodes, list) else ():
            slot = records.numbered(season.get("number"), episode.get("number")) if isinstance(episode, dict) else None
            if slot is not None:
                at = time(episode.get("last_watched_at"))
                minute = at.strftime("%Y%m%dT%H%M") if at else "unknown"
                yield TakenPlay(slot, f"trakt:{slot}:{minute}", at)


def _whole_list(line: int, entry: Json) -> Iterator[Found]:
    name = records.text(entry.get("name"), 200) or "Trakt"
    ids = entry.get("ids")
    key = ids.get("slug") if isinstance(ids, dict) and isinstance(ids.get("slug"), str) else name
    entries: list[Entry] = []
    for item in entry["items"]:
        if isinstance(item, dict):
            yield from _put(entries, line, item)
    yield AList(line, name, f"trakt:{key}"[:200], tuple(entries))


def _put(entries: list[Entry], line: int, entry: Json) -> Iterator[Left]:
    """Put a work on a list, or say why not."""
    kind: Kind = "movie" if isinstance(entry.get("movie"), dict) else "series"
    media = entry.get("movie") if kind == "movie" else entry.get("show")
    work = _work(media, kind) if isinstance(media, dict) and "episode" not in entry and "season" not in entry else None
    if work is None:
        yield Left(line, _what(entry), "no-id" if isinstance(media, dict) else "unknown-entry")
    elif len(entries) >= LIST_ITEMS:
        yield Left(line, _what(entry), "list-full")
    else:
        entries.append(Entry(work=work, kind=kind, title=records.text((media or {}).get("title"))))


def _work(media: Json, kind: Kind) -> str | None:
    """By the id that most others know."""
    ids = media.get("ids")
    if not isinstance(ids, dict):
        return None
    if isinstance(ids.get("imdb"), str) and re.fullmatch(r"tt\d{7,10}", ids["imdb"].strip().lower()):
        return str(ids["imdb"].strip().lower())
    space = "movie" if kind == "movie" else "tv"
    for catalogue, form in (("tmdb", f"tmdb:{space}"), ("tvdb", "tvdb"), ("trakt", "trakt")):
        id = ids.get(catalogue)
        if isinstance(id, int) and not isinstance(id, bool) and 0 < id < 10**10:
            return f"{form}:{id}"
    return None


def _slot(entry: Json, kind: Kind) -> str | None:
    """Of the film or the episode; null for a show as a whole."""
    if kind == "movie":
        return FILM
    episode = entry.get("episode")
    return records.numbered(episode.get("season"), episode.get("number")) if isinstance(episode, dict) else None


def _details(media: Json, kind: Kind) -> Any:
    minutes = records.number(media.get("runtime"))
    year = media.get("year")
    return records.details(
        kind,
        media.get("title"),
        released=media.get("released") or media.get("first_aired") or (str(year) if isinstance(year, int) else ""),
        overview=media.get("overview"),
        genres=media.get("genres"),
        rating=media.get("rating"),
        runtime=minutes * 60 if minutes else None,
    )


def _what(entry: Json) -> str:
    media = entry.get("movie") or entry.get("show") or {}
    title = records.text(media.get("title")) if isinstance(media, dict) else ""
    episode = entry.get("episode")
    if not isinstance(episode, dict):
        return title
    return f"{title} {episode.get('season')}x{episode.get('number')}"[: records.TEXT]
