"""Film Fanatic's tables as its own export writes them: one JSON file of `watch_items` and `episode_progress`, or a zip
in which each table is a folder with `documents.jsonl`.

The older combined status becomes status and reaction as its own backfill does it; where the newer fields are set, these
count. `dropped` means it was not liked, and says by its percentage how far it got: 90 and more is finished, more than
none is watching, else it was only meant to be watched.
"""

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any, BinaryIO, get_args

from msgspec import UNSET

from events.contracts.library import ItemChange, Kind, Progress, Reaction, TakenPlay
from library.formats import reading, records
from library.formats.records import About, BadFile, Found, Left, time

Json = Mapping[str, Any]

ITEMS, EPISODES = "watch_items", "episode_progress"
FINISHED_AT = 90.0
STATUS: Mapping[str, tuple[Progress, Reaction | None]] = {
    "plan-to-watch": ("want-to-watch", None),
    "watching": ("watching", None),
    "completed": ("finished", None),
    "liked": ("finished", "liked"),
}


def read(file: BinaryIO, name: str) -> Iterator[Found]:
    """Entries in the order of the file. Raise `BadFile`."""
    known = False
    for table, item in _items(file):
        if table not in (ITEMS, EPISODES):
            continue
        known = True
        entry = reading.decoded(item, dict[str, Any])
        if isinstance(entry, Left):
            yield entry
        elif table == ITEMS:
            yield _watch_item(item.line, entry)
        else:
            yield _episode(item.line, entry)
    if not known:
        raise BadFile("wrong-format", expected="watch_items and episode_progress")


def _items(file: BinaryIO) -> Iterator[tuple[str, reading.Item]]:
    if not reading.is_zip(file):
        for item in reading.items(file):
            yield item.key or _guess(item), item
        return
    for inside, opened in reading.files(file):
        path = PurePosixPath(inside)
        if path.name in ("documents.jsonl", f"{path.stem}.jsonl"):
            table = path.parent.name if path.name == "documents.jsonl" else path.stem
            try:
                for item in reading.lines(opened):
                    yield table, item
            except BadFile as error:
                if error.code != "empty-file":
                    raise


def _guess(item: reading.Item) -> str:
    """Of a plain array: one table alone, told by what its rows hold."""
    row = reading.decoded(item, dict[str, Any])
    if isinstance(row, Left) or "tmdbId" not in row:
        return ""
    return EPISODES if "isWatched" in row else ITEMS


def _watch_item(line: int, entry: Json) -> Found:
    title = records.text(entry.get("title"))
    media = entry.get("mediaType")
    id = _id(entry)
    if id is None or media not in ("movie", "tv"):
        return Left(line, title, "no-id" if id is None else "invalid-entry")
    kind: Kind = "movie" if media == "movie" else "series"
    progress = records.number(entry.get("progress"))
    progress = progress if progress is not None and 0 <= progress <= 100 else None
    status, reaction = _status(entry, progress)
    in_watchlist = entry.get("inWatchlist")
    change = ItemChange(
        in_watchlist=in_watchlist if isinstance(in_watchlist, bool) else UNSET,
        status=status if status is not None else UNSET,
        reaction=reaction if reaction is not None else UNSET,
        progress=progress if progress is not None else UNSET,
        details=records.details(
            kind,
            title,
            image=entry.get("image"),
            rating=entry.get("rating"),
            released=entry.get("release_date"),
            overview=entry.get("overview"),
        ),
    )
    return About(line, title, f"tmdb:{media}:{id}", change=change, at=time(entry.get("updatedAt")))


def _status(entry: Json, progress: float | None) -> tuple[Progress | None, Reaction | None]:
    """The newer fields, else what the older one means."""
    status, reaction = entry.get("progressStatus"), entry.get("reaction")
    newer = status if status in get_args(Progress) else None
    felt = reaction if reaction in get_args(Reaction) else None
    older: tuple[Progress | None, Reaction | None] = STATUS.get(str(entry.get("status")), (None, None))
    if entry.get("status") == "dropped":
        older = dropped(progress)
    return newer or older[0], felt or older[1]


def dropped(progress: float | None) -> tuple[Progress, Reaction]:
    """What `dropped` says by the percentage that was reached."""
    if progress is None or progress <= 0:
        return "want-to-watch", "not-for-me"
    return ("finished" if progress >= FINISHED_AT else "watching"), "not-for-me"


def _episode(line: int, entry: Json) -> Found:
    id, slot = _id(entry), records.numbered(_whole(entry.get("season")), _whole(entry.get("episode")))
    if id is None or slot is None:
        return Left(line, "", "no-id" if id is None else "no-episode")
    if entry.get("isWatched") is not True:
        return Left(line, f"tmdb:tv:{id} {slot}", "not-watched")
    at = time(entry.get("updatedAt"))
    play = TakenPlay(slot, f"film-fanatic:{slot}", None)
    return About(line, f"tmdb:tv:{id} {slot}", f"tmdb:tv:{id}", (play,), at=at, weak=True)


def _id(entry: Json) -> int | None:
    id = _whole(entry.get("tmdbId"))
    return id if id is not None and 0 < id < 10**10 else None


def _whole(value: object) -> int | None:
    """Convex writes every number as one with a point."""
    found = records.number(value) if not isinstance(value, str) else None
    return int(found) if found is not None and found == int(found) else None
