"""Letterboxd: its zip, or one of the CSV files in it. A file's columns tell what it is, where its name does not.

Letterboxd names no catalogue's id, and its links name a diary entry here and a film there; so a film is
`letterboxd:<title>-<year>`, the same in every file, unless a column says `tmdbID` or `imdbID`. A diary tells days,
taken as noon UTC. `watched.csv` tells that a film was watched, not when; it counts where the diary says nothing better.
"""

import re
import unicodedata
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import PurePosixPath
from typing import BinaryIO, Literal

from msgspec import UNSET

from events.contracts.library import Entry, ItemChange, TakenPlay
from events.contracts.library.words import FILM, LIST_ITEMS
from library.formats import reading, records
from library.formats.reading import Row
from library.formats.records import About, AList, BadFile, Found, Left

Part = Literal["diary", "watched", "ratings", "watchlist", "likes", "list", ""]

NOON = timedelta(hours=12)
PARTS: dict[str, Part] = {
    "diary": "diary",
    "watched": "watched",
    "ratings": "ratings",
    "watchlist": "watchlist",
    "likes/films": "likes",
}
LEFT_ALONE = ("profile", "comments", "reviews", "deleted", "orphaned", "likes/reviews", "likes/lists")
"""Files of the zip that say nothing about what was watched, or what the diary says, too."""


def read(file: BinaryIO, name: str) -> Iterator[Found]:
    """Entries in the order of the files. Raise `BadFile`."""
    if not reading.is_zip(file):
        stem = PurePosixPath(name.replace("\\", "/")).stem
        yield from _csv(file, PARTS.get(stem.lower(), ""), stem, alone=True)
        return
    known = False
    for inside, opened in reading.files(file):
        part = _part(inside)
        if part is None:
            continue
        known = True
        try:
            yield from _csv(opened, part, PurePosixPath(inside).stem, alone=False)
        except BadFile as error:
            if error.code != "empty-file":
                raise
    if not known:
        raise BadFile("wrong-format", expected="Letterboxd's diary, watched, ratings, watchlist or lists")


def _part(inside: str) -> Part | None:
    """Of a file of the zip; null for those that are not looked at."""
    path = PurePosixPath(inside)
    if path.suffix.lower() != ".csv":
        return None
    parts = [part.lower() for part in path.with_suffix("").parts]
    if any(part in LEFT_ALONE for part in (parts[0], "/".join(parts[-2:]), parts[-1])):
        return None
    if "lists" in parts[:-1]:
        return "list"
    return PARTS.get("/".join(parts[-2:])) or PARTS.get(parts[-1]) or None


def _csv(file: BinaryIO, part: Part, stem: str, *, alone: bool) -> Iterator[Found]:
    names: list[str] = []
    entries: list[Entry] = []
    title = stem
    about_list: list[str] = []
    for line, values in reading.records(file):
        lowered = [value.strip().lower() for value in values]
        if values[0].lower().startswith("letterboxd list export"):
            part = "list"
        elif part == "list" and lowered[:2] == ["date", "name"]:
            about_list = lowered
        elif about_list and not names and lowered[0] != "position":
            title = records.text(dict(zip(about_list, values, strict=False)).get("name"), 200) or stem
        elif not names:
            names = lowered
            part = part or _by_columns(names, alone=alone)
        else:
            yield from _row(Row(line, dict(zip(names, map(str.strip, values), strict=False))), part, entries)
    if part == "list":
        yield AList(1, title[:200] or "Letterboxd", f"letterboxd:{title}"[:200], tuple(entries))


def _by_columns(names: list[str], *, alone: bool) -> Part:
    if not {"name", "title", "tmdbid", "imdbid"} & set(names):
        if alone:
            raise BadFile("wrong-format", expected="a CSV file of Letterboxd, with a column Name")
        return ""
    if {"watched date", "watcheddate"} & set(names):
        return "diary"
    if "position" in names:
        return "list"
    return "ratings" if {"rating", "rating10"} & set(names) else "watched"


def _row(row: Row, part: Part, entries: list[Entry]) -> Iterator[Found]:
    title = records.text(row["name"] or row["title"])
    work = _work(row, title)
    if work is None:
        yield Left(row.line, title, "no-id")
    elif part == "list":
        if len(entries) >= LIST_ITEMS:
            yield Left(row.line, title, "list-full")
        else:
            entries.append(Entry(work=work, kind="movie", title=title))
    elif part:
        yield _about(row, part, title, work)


def _about(row: Row, part: Part, title: str, work: str) -> About:
    told = _day(row["date"])
    watched_at = _day(row["watched date"] or row["watcheddate"]) or told
    rating = _rating(row)
    plays: tuple[TakenPlay, ...] = ()
    if part == "diary":
        day = watched_at.date() if watched_at else "unknown"
        plays = (TakenPlay(FILM, f"letterboxd:{FILM}:{day}", watched_at),)
    elif part in ("watched", "ratings"):
        plays = (TakenPlay(FILM, f"letterboxd:{FILM}", None),)
    change = ItemChange(
        in_watchlist=True if part == "watchlist" else UNSET,
        reaction=records.reaction(rating) if rating else UNSET,
        favourite=True if part == "likes" else UNSET,
        details=records.details("movie", title, released=row["year"]),
    )
    return About(row.line, title, work, plays, change, at=told or watched_at, weak=part != "diary")


def _rating(row: Row) -> float | None:
    """Out of ten; Letterboxd counts half stars out of five."""
    if row["rating10"]:
        return records.of_ten(row["rating10"])
    stars = records.number(row["rating"])
    return records.of_ten(stars * 2) if stars else None


def _day(text: str) -> datetime | None:
    found = records.time(text)
    return found + NOON if found is not None and len(text) == 10 else found


def _work(row: Row, title: str) -> str | None:
    imdb, tmdb = row["imdbid"].lower(), row["tmdbid"]
    if re.fullmatch(r"tt\d{7,10}", imdb):
        return imdb
    if re.fullmatch(r"\d{1,10}", tmdb):
        return f"tmdb:movie:{int(tmdb)}"
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", plain.replace("'", "")).strip("-") or re.sub(r"\s+", "-", title.lower())
    year = row["year"] if re.fullmatch(r"\d{4}", row["year"]) else ""
    return f"letterboxd:{slug[:100]}-{year}".rstrip("-") if slug else None
