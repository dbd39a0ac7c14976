"""Matinee's own export, one record a line: see `queries.export` for what there is. What it says of the profile is left
to the sign-in of whoever takes it in; settings, reasons and earlier imports are for reading only."""

from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO, get_args

import msgspec
from msgspec import UNSET, Raw, Struct

from events.contracts.library import (
    AddonFlags,
    Descriptor,
    Details,
    Entry,
    ItemChange,
    Progress,
    Reaction,
    TakenPlay,
    TakenPosition,
    TransportUrl,
)
from events.contracts.library.words import FILM, LIST_ITEMS
from library.formats import reading, records
from library.formats.records import About, AList, AnAddon, BadFile, Found, Joined, Left, time

Json = Mapping[str, Any]

VERSION = 1


class _Lists:
    """Lists, gathered over their records."""

    def __init__(self) -> None:
        self.names: dict[str, tuple[int, str]] = {}
        self.entries: dict[str, list[Entry]] = {}

    def take(self, line: int, entry: Json) -> Left | None:
        id = records.text(entry.get("list_id"), 128)
        if entry["record"] == "list":
            self.names[id] = (line, records.text(entry.get("name"), 200) or "Matinee")
            return None
        work, entries = _work(entry), self.entries.setdefault(id, [])
        if work is None or len(entries) >= LIST_ITEMS:
            return Left(line, records.text(entry.get("title")), "no-id" if work is None else "list-full")
        details = records.details(None, entry.get("title"), image=entry.get("poster"))
        kind = entry.get("kind")
        known = kind if kind in ("movie", "series", "anime", "channel", "other") else None
        entries.append(Entry(work=work, kind=known, title=details.title, poster=details.image))
        return None

    def found(self) -> Iterator[AList]:
        for id, (line, name) in self.names.items():
            yield AList(line, name, f"matinee:{id}", tuple(self.entries.get(id, ())), id)


def read(file: BinaryIO, name: str) -> Iterator[Found]:
    """Entries in the order of the file. Raise `BadFile`."""
    lists = _Lists()
    for number, item in enumerate(reading.lines(file)):
        entry = reading.decoded(item, dict[str, Any])
        if number == 0 and (isinstance(entry, Left) or entry.get("record") != "matinee"):
            raise BadFile("wrong-format", expected='a first line that says {"record": "matinee"}')
        if isinstance(entry, Left):
            yield entry
            continue
        if number == 0 and entry.get("version") != VERSION:
            raise BadFile("wrong-version", version=records.text(str(entry.get("version")), 20), known=VERSION)
        yield from _record(item, entry, lists)
    yield from lists.found()


def _record(item: reading.Item, entry: Json, lists: _Lists) -> Iterator[Found]:
    line = item.line
    match entry.get("record"):
        case "title":
            yield _title(line, entry)
        case "item":
            yield _item(line, entry)
        case "play":
            yield _play(line, entry)
        case "ids":
            yield _ids(line, entry)
        case "list" | "list-item":
            if (left := lists.take(line, entry)) is not None:
                yield left
        case "addon":
            yield _addon(item)
        case "preference":
            yield Left(line, records.text(entry.get("key"), 64), "not-taken-in")
        case _:
            return  # for reading only, or of another version


class _Addon(Struct):
    """A record of an addon; its manifest byte for byte."""

    transport_url: TransportUrl
    manifest: Raw
    flags: AddonFlags | None = None


def _addon(item: reading.Item) -> Found:
    told = reading.decoded(item, _Addon)
    if isinstance(told, Left):
        return told
    return AnAddon(item.line, Descriptor(told.transport_url, told.manifest.copy(), flags=told.flags or AddonFlags()))


def _work(entry: Json) -> str | None:
    work = records.text(entry.get("work"), 128)
    return records.canonical(work) if work else None


def _title(line: int, entry: Json) -> Found:
    work = _work(entry)
    if work is None:
        return Left(line, "", "no-id")
    try:
        details = msgspec.convert(entry.get("details"), Details | None)
    except msgspec.ValidationError:
        details = None
    status, reaction, progress = entry.get("status"), entry.get("reaction"), records.number(entry.get("progress"))
    change = ItemChange(
        in_watchlist=_flag(entry.get("in_watchlist")),
        status=status if status in get_args(Progress) else UNSET,
        reaction=reaction if reaction in get_args(Reaction) else UNSET,
        favourite=_flag(entry.get("favourite")),
        hidden=_flag(entry.get("hidden")),
        progress=progress if progress is not None and 0 <= progress <= 100 else UNSET,
        details=details or UNSET,
    )
    return About(line, details.title if details else work, work, change=change, at=time(entry.get("updated_at")))


def _flag(value: object) -> Any:
    """Only what was chosen: not to be on the watchlist is what any title begins with."""
    return True if value is True else UNSET


def _slot(entry: Json) -> str | None:
    episode = entry.get("episode")
    if episode is None:
        return FILM
    return records.numbered(episode.get("season"), episode.get("episode")) if isinstance(episode, dict) else None


def _item(line: int, entry: Json) -> Found:
    """Where to resume. That it was watched, its plays say."""
    work, slot = _work(entry), _slot(entry)
    position, at = records.number(entry.get("position")), time(entry.get("updated_at"))
    if work is None or slot is None:
        return Left(line, work or "", "no-id" if work is None else "no-episode")
    if at is None or position is None or not 0 < position <= records.LONGEST:
        return Left(line, f"{work} {slot}", "no-position")
    resume = TakenPosition(slot, position, at, records.seconds(entry.get("duration")))
    return About(line, f"{work} {slot}", work, resume=resume, at=at)


def _play(line: int, entry: Json) -> Found:
    work, slot, id = _work(entry), _slot(entry), records.text(entry.get("play"), 128)
    if work is None or slot is None or not id:
        return Left(line, work or "", "no-id" if slot else "no-episode")
    at = time(entry.get("watched_at"))
    return About(line, f"{work} {slot}", work, (TakenPlay(slot, id, at),), at=at)


def _ids(line: int, entry: Json) -> Found:
    told = entry.get("works")
    found = [records.text(work, 128) for work in told if isinstance(work, str)] if isinstance(told, list) else []
    names = tuple(dict.fromkeys(records.canonical(work) for work in found if work))[:10]
    return Joined(line, names) if len(names) > 1 else Left(line, "", "invalid-entry")
