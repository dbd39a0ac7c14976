"""A Stremio library: what `datastoreGet` answers, as a plain array or under `result`.

What it tells, and what it cannot: Stremio keeps no time of any play, so all plays have an unknown time; `lastWatched`
is when the player was last open and nothing more. Of a series it keeps one bit per video, in the order of all its
videos, which are not part of the file. They are read by the item's own `videos` (or `meta.videos`) if a tool has put
them in, else by the episodes that the library knows of the series, else by the anchor alone, see `bitfield`: the rest
is left as `episodes-unknown`. Items that were removed keep what was watched and nothing else.
"""

from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO, NamedTuple

from msgspec import UNSET

from events.contracts.library import ItemChange, Kind, TakenPlay, TakenPosition, works
from events.contracts.library.words import FILM, slot
from library.formats import bitfield, reading, records
from library.formats.records import About, BadFile, Found, Left, time

KINDS: Mapping[str, Kind] = {
    "movie": "movie",
    "series": "series",
    "anime": "anime",
    "channel": "channel",
    "tv": "channel",
}
NEVER_STARTED_MS = 1
"""The offset that Stremio gives to a next episode which nobody has begun."""


class _State(NamedTuple):
    """What the player remembers of an item; lengths in ms."""

    last_watched: str
    offset: float
    duration: float
    was_watched: bool
    video_id: str
    watched: str


class _Video(NamedTuple):
    """An entry of a series' list of videos."""

    id: str
    season: int | None
    episode: int | None
    released: str


class _Item(NamedTuple):
    """A library item, each field as it should be."""

    id: str
    name: str
    type: str
    poster: str
    removed: bool
    """From the library; what is only temporary was never in it."""
    temp: bool
    modified: str
    state: _State
    videos: list[_Video]

    @property
    def is_tombstone(self) -> bool:
        return self.removed and not self.temp


def read(file: BinaryIO, name: str) -> Iterator[Found]:
    """Entries in the order of the file. Raise `BadFile`."""
    known = 0
    for item in reading.items(file):
        if item.key not in ("", "result", "libraryItem", "items", "library"):
            continue
        found = _item(item)
        if isinstance(found, Left):
            yield found
            continue
        known += 1
        yield from _found(item.line, found)
    if not known:
        raise BadFile("wrong-format", expected="items of a Stremio library, each with an _id")


def _item(item: reading.Item) -> _Item | Left:
    """Field by field, so that one that is not as it should be costs no more than itself."""
    whole = reading.decoded(item, dict[str, Any])
    if isinstance(whole, Left):
        return whole
    id, state = whole.get("_id"), whole.get("state")
    if not isinstance(id, str) or not id.strip():
        return Left(item.line, records.text(whole.get("name")), "no-id")
    if len(id) > 128 or "\0" in id:
        return Left(item.line, records.text(whole.get("name")), "bad-id")
    return _Item(
        id=id.strip(),
        name=records.text(whole.get("name")),
        type=records.text(whole.get("type"), 20),
        poster=records.text(whole.get("poster"), records.LINK),
        removed=whole.get("removed") is True,
        temp=whole.get("temp") is True,
        modified=records.text(whole.get("_mtime"), 40),
        state=_state(state if isinstance(state, dict) else {}),
        videos=_videos(whole),
    )


def _state(told: Mapping[str, Any]) -> _State:
    return _State(
        last_watched=records.text(told.get("lastWatched"), 40),
        offset=records.number(told.get("timeOffset")) or 0,
        duration=records.number(told.get("duration")) or 0,
        was_watched=told.get("flaggedWatched") in (1, True) or (records.number(told.get("timesWatched")) or 0) > 0,
        video_id=records.text(told.get("video_id"), 200),
        watched=told["watched"] if isinstance(told.get("watched"), str) else "",
    )


def _videos(whole: Mapping[str, Any]) -> list[_Video]:
    meta = whole.get("meta")
    told = whole.get("videos") or (meta.get("videos") if isinstance(meta, dict) else None)
    if not isinstance(told, list):
        return []
    return [
        _video(video)
        for video in told[: bitfield.MOST_VIDEOS]
        if isinstance(video, dict) and isinstance(video.get("id"), str)
    ]


def _video(told: Mapping[str, Any]) -> _Video:
    season, episode = told.get("season"), told.get("episode", told.get("number"))
    if records.numbered(season, episode) is None:
        season, episode = None, None
    return _Video(told["id"], season, episode, records.text(told.get("released"), 40))


def _found(line: int, item: _Item) -> Iterator[Found]:
    kind = KINDS.get(item.type, "other")
    plays: tuple[TakenPlay, ...] = ()
    try:
        watched = bitfield.parse(item.state.watched) if item.state.watched else None
    except bitfield.BadBitfield as error:
        yield Left(line, item.name, str(error))
        watched = None
    if watched and item.videos:
        told = bitfield.by_videos(watched, _ordered(item.videos))
        plays, watched = tuple(map(play, told.slots)), None
        if told.unknown:
            yield Left(line, item.name, "episodes-unknown")
    elif _is_film(kind, item) and item.state.was_watched:
        plays, watched = (play(FILM),), None
    if item.is_tombstone and not plays and not watched:
        yield Left(line, item.name, "removed")
        return
    yield About(
        line,
        item.name,
        records.canonical(item.id, kind),
        plays,
        _change(item, kind),
        None if item.is_tombstone else _resume(item.state),
        time(item.modified) or time(item.state.last_watched),
        watched or None,
        weak=True,
    )


def play(slot: str) -> TakenPlay:
    """Watched, nobody knows when."""
    return TakenPlay(slot, f"stremio:{slot}", None)


def _is_film(kind: Kind, item: _Item) -> bool:
    """Films of catalogues of anime are played under the item's own id."""
    return kind in ("movie", "other") or (kind == "anime" and item.state.video_id in ("", item.id))


def _change(item: _Item, kind: Kind) -> ItemChange:
    belongs = not item.removed and not item.temp
    about = records.details(kind, item.name, image=item.poster)
    return ItemChange(in_watchlist=True if belongs else UNSET, details=about)


def _resume(state: _State) -> TakenPosition | None:
    at, offset = time(state.last_watched), state.offset / 1000
    if at is None or not NEVER_STARTED_MS / 1000 < offset <= records.LONGEST:
        return None
    return TakenPosition(slot(works.parse(state.video_id).episode), offset, at, records.seconds(state.duration / 1000))


def _ordered(videos: list[_Video]) -> list[tuple[str, str]]:
    """As Stremio counts them. What has no number of its own is named by its id if that says one."""

    def place(video: _Video) -> tuple[int, int, str]:
        return (
            video.season if video.season is not None else 1_000_000,
            video.episode if video.episode is not None else 1_000_000,
            video.released,
        )

    return [(video.id, _slot(video)) for video in sorted(videos, key=place)]


def _slot(video: _Video) -> str:
    if video.season is not None and video.episode is not None:
        return f"{video.season}-{video.episode}"
    episode = works.parse(video.id).episode
    return slot(episode) if episode is not None else ""
