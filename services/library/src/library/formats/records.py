"""What any file comes down to: entries about works, lists, addons, and what cannot be taken in."""

from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from events.contracts.library import Descriptor, Details, Entry, ItemChange, Kind, TakenPlay, TakenPosition, works
from events.contracts.library.words import Reaction
from events.cursor import EPOCH
from library.formats.bitfield import Bitfield

TEXT = 500
LINK = 2_000
GENRES = 20
LONGEST = 604_800
OLDEST = EPOCH + timedelta(days=2)
"""Trackers write the beginning of 1970 for "nobody knows when"."""
LATEST = datetime(2200, 1, 1, tzinfo=UTC)


class BadFile(Exception):
    """The file cannot be taken in at all: a slug, and what it concerned."""

    def __init__(self, code: str, **details: Any) -> None:
        super().__init__(code)
        self.code = code
        self.details = details


class About(NamedTuple):
    """What one entry of a file says of one work."""

    line: int
    what: str
    """As its owner would call it."""
    work: str
    plays: tuple[TakenPlay, ...] = ()
    change: ItemChange = ItemChange()
    resume: TakenPosition | None = None
    at: datetime | None = None
    """When what it says was so; null if the file does not tell."""
    watched: Bitfield | None = None
    """Episodes that only the work's episodes can tell."""
    weak: bool = False
    """Its plays say no more than that it was watched: any other evidence is better."""


class AList(NamedTuple):
    """A list, whole."""

    line: int
    name: str
    key: str
    """The same for the same list in a later file."""
    items: tuple[Entry, ...]
    id: str = ""
    """Which it was here, if the file says so: then it is that list, and no second one."""


class AnAddon(NamedTuple):
    """An addon of a collection, as Stremio describes it."""

    line: int
    descriptor: Descriptor


class Joined(NamedTuple):
    """Ids of one work."""

    line: int
    works: tuple[str, ...]


class Left(NamedTuple):
    """An entry that is not taken in, and why: a slug."""

    line: int
    what: str
    reason: str


Found = About | AList | AnAddon | Joined | Left


def text(value: object, most: int = TEXT) -> str:
    """Of whatever a file holds in a place for text, what can be kept."""
    return value.replace("\0", "").strip()[:most] if isinstance(value, str) else ""


def time(value: object) -> datetime | None:
    """A time as files write it: ISO 8601, or milliseconds since 1970; null if there is none that can be."""
    found = None
    if isinstance(value, str) and value:
        try:
            found = datetime.fromisoformat(value)
        except ValueError:
            return None
        found = found if found.tzinfo is not None else found.replace(tzinfo=UTC)
    elif isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1e13:
        found = EPOCH + timedelta(milliseconds=value)
    if found is None or not OLDEST <= found < LATEST:
        return None
    return found.astimezone(UTC)


def number(value: object) -> float | None:
    """A number that is one, also written as text."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        try:
            value = float(value.replace(",", ""))
        except ValueError:
            return None
    return float(value) if isinstance(value, int | float) and abs(value) < 1e15 else None


def seconds(value: object) -> float | None:
    """A length in seconds within a week, and not nothing."""
    found = number(value)
    return found if found is not None and 0 < found <= LONGEST else None


def of_ten(value: object) -> float | None:
    found = number(value)
    return found if found is not None and 0 <= found <= 10 else None


def reaction(rating: float) -> Reaction:
    """Of a rating out of ten."""
    if rating >= 9:
        return "loved"
    if rating >= 7:
        return "liked"
    return "mixed" if rating >= 5 else "not-for-me"


def details(
    kind: Kind | None = None,
    title: object = "",
    *,
    image: object = "",
    rating: object = None,
    released: object = "",
    overview: object = "",
    genres: object = (),
    runtime: object = None,
) -> Details:
    """As much as can be kept of what a file says a title is."""
    names = [text(genre, 50) for genre in genres] if isinstance(genres, list | tuple) else []
    return Details(
        kind=kind,
        title=text(title),
        image=text(image, LINK),
        rating=of_ten(rating),
        release_date=text(released, 40),
        overview=text(overview, 4_000),
        genres=tuple(name for name in names if name)[:GENRES],
        runtime=seconds(runtime),
    )


def canonical(id: str, kind: Kind | None = None) -> str:
    """The one form of a work's id."""
    return works.parse(id, kind).work


def numbered(season: object, episode: object) -> str | None:
    """The slot of an episode; null for numbers that no episode has."""
    if not (isinstance(season, int) and isinstance(episode, int)) or isinstance(season, bool):
        return None
    return f"{season}-{episode}" if 0 <= season <= 100_000 and 0 <= episode <= 100_000 else None
