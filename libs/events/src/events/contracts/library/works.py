"""Ids of films, series and episodes: the forms that catalogues, players and trackers use, each read as one."""

import re
from typing import Literal, NamedTuple
from urllib.parse import unquote

from events.contracts.library.words import Episode, Kind

KIND_OF_TMDB: dict[str, Literal["movie", "tv"]] = {"movie": "movie", "series": "tv", "anime": "tv"}

_IMDB = re.compile(r"tt[0-9]{7,10}")
_NUMBER = re.compile(r"[0-9]{1,10}")
_ENTRIES = frozenset({"kitsu", "mal", "anilist", "anidb"})
"""Catalogues in which each cour or season is an entry of its own, so that their ids name an episode alone."""
_CATALOGUES = frozenset({"tmdb", "tvdb", "tvmaze", "trakt", "simkl"})


class Named(NamedTuple):
    """What an id names: a work, and maybe one of its episodes."""

    work: str
    """In its one canonical form."""
    episode: Episode | None = None


def parse(text: str, kind: Kind | None = None) -> Named:
    """What *text* names. *kind* helps where a catalogue counts films and series apart (`tmdb:603`).

    `tt0133093`, `tt0108778:1:2`, `tmdb:movie:603`, `tmdb:1399:1:2`, `tvdb:81189:1:2`, `kitsu:7442:5` (an episode of an
    anime entry, told as its first season), `mal:…`, `anilist:…`. Whatever else it is stays as it was written.
    """
    decoded = unquote(text).strip()
    first, *rest = decoded.split(":")
    name = first.lower()
    if _IMDB.fullmatch(name) and (numbers := _numbers(rest, 0, 2)) is not None and len(numbers) != 1:
        return Named(name, _episode(numbers))
    if name == "tmdb" and rest and rest[0] in ("movie", "tv"):
        if (numbers := _numbers(rest[1:], 1, 3)) is not None and len(numbers) != 2:
            return Named(f"tmdb:{rest[0]}:{numbers[0]}", _episode(numbers[1:]))
    elif name == "tmdb" and (numbers := _numbers(rest, 1, 3)) is not None and len(numbers) != 2:
        space = "tv" if len(numbers) == 3 else KIND_OF_TMDB.get(kind or "")
        return Named(f"tmdb:{space}:{numbers[0]}" if space else f"tmdb:{numbers[0]}", _episode(numbers[1:]))
    elif name in _ENTRIES and (numbers := _numbers(rest, 1, 2)) is not None:
        return Named(f"{name}:{numbers[0]}", Episode(season=1, episode=numbers[1]) if numbers[1:] else None)
    elif name in _CATALOGUES and (numbers := _numbers(rest, 1, 3)) is not None and len(numbers) != 2:
        return Named(f"{name}:{numbers[0]}", _episode(numbers[1:]))
    return Named(text)


def _numbers(parts: list[str], least: int, most: int) -> list[int] | None:
    if not least <= len(parts) <= most or not all(map(_NUMBER.fullmatch, parts)):
        return None
    numbers = [int(part) for part in parts]
    return numbers if max(numbers[least:], default=0) <= 100_000 else None


def _episode(numbers: list[int]) -> Episode | None:
    return Episode(season=numbers[0], episode=numbers[1]) if len(numbers) == 2 else None
