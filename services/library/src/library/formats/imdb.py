"""IMDb's CSV: ratings, the watchlist, or a list. Which one it is, its columns and its file name tell.

Who rates a film has watched it, nobody knows when: `Date Rated` is when it was rated. A rated series is rated and no
more. Episodes are named by an id of their own, without their series or number, so they are left.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import BinaryIO

from msgspec import UNSET

from events.contracts.library import Details, Entry, ItemChange, Kind, TakenPlay
from events.contracts.library.words import FILM, LIST_ITEMS
from library.formats import reading, records
from library.formats.reading import Row
from library.formats.records import About, AList, BadFile, Found, Left, time

KINDS: Mapping[str, Kind] = {
    "movie": "movie",
    "tvmovie": "movie",
    "short": "movie",
    "tvshort": "movie",
    "video": "movie",
    "tvspecial": "movie",
    "documentary": "movie",
    "tvseries": "series",
    "tvminiseries": "series",
    "miniseries": "series",
}
NOT_WATCHED: Mapping[str, str] = {
    "tvepisode": "episode-without-series",
    "videogame": "not-a-film",
    "game": "not-a-film",
    "musicvideo": "not-a-film",
    "podcastseries": "not-a-film",
    "podcastepisode": "not-a-film",
}
UNNAMED = re.compile(r"[0-9a-f-]{32,36}|export|list|imdb|", re.IGNORECASE)
"""Names of files that say nothing about what is in them."""


def read(file: BinaryIO, name: str) -> Iterator[Found]:
    """Entries in the order of the file. Raise `BadFile`."""
    listed: list[Entry] | None = None
    title = _list_name(name)
    for row in reading.rows(file):
        if "const" not in row.fields and listed is None:
            raise BadFile("wrong-format", expected="a CSV file with a column Const")
        if listed is None:
            listed = []
        ordered = bool(row["position"])
        found = _row(row, watchlist=ordered and not title)
        if ordered and title and isinstance(found, About):
            yield from _put(listed, row, found)
            if not found.plays and found.change.reaction is UNSET:
                continue
        yield found
    if listed:
        yield AList(1, title, f"imdb:{title}", tuple(listed))


def _list_name(name: str) -> str:
    """Of a list; empty for the watchlist and for files that do not tell."""
    stem = PurePosixPath(name.replace("\\", "/")).stem.strip()
    return "" if UNNAMED.fullmatch(stem) or re.search(r"watch\s*-?_?list", stem, re.IGNORECASE) else stem[:200]


def _row(row: Row, *, watchlist: bool) -> About | Left:
    const, title = row["const"].lower(), records.text(row["title"])
    if not re.fullmatch(r"tt\d{7,10}", const):
        return Left(row.line, title, "no-id" if not const else "not-a-title")
    sort = re.sub(r"[^a-z]", "", row["title type"].lower())
    if sort in NOT_WATCHED:
        return Left(row.line, title, NOT_WATCHED[sort])
    kind = KINDS.get(sort, "movie" if sort in ("", "tvpilot") else "other")
    rating = records.of_ten(row["your rating"])
    plays = (TakenPlay(FILM, f"imdb:{FILM}", None),) if rating and kind != "series" else ()
    change = ItemChange(
        in_watchlist=True if watchlist else UNSET,
        reaction=records.reaction(rating) if rating else UNSET,
        details=_details(row, kind),
    )
    at = max((t for t in (time(row["date rated"]), time(row["created"])) if t), default=None)
    return About(row.line, title, const, plays, change, at=at, weak=True)


def _put(entries: list[Entry], row: Row, found: About) -> Iterator[Left]:
    if len(entries) >= LIST_ITEMS:
        yield Left(row.line, found.what, "list-full")
        return
    sort = re.sub(r"[^a-z]", "", row["title type"].lower())
    entries.append(Entry(work=found.work, kind=KINDS.get(sort), title=found.what))


def _details(row: Row, kind: Kind) -> Details:
    minutes = records.number(row["runtime (mins)"] or row["runtime"])
    return records.details(
        kind,
        row["title"],
        rating=records.number(row["imdb rating"]),
        released=row["release date"] or row["year"],
        genres=[genre.strip() for genre in row["genres"].split(",")],
        runtime=minutes * 60 if minutes else None,
    )
