"""Ids of films, series and episodes: the forms that catalogues, players and trackers use, each read as one."""

import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import unquote

from events.contracts.library.words import Episode, Kind

KIND_OF_TMDB: Mapping[str, str] = {"movie": "movie", "series": "tv", "anime": "tv"}

_IMDB = re.compile(r"tt[0-9]{7,10}")
_NUMBER = re.compile(r"[0-9]{1,10}")
_CATALOGUES = frozenset({"kitsu", "mal", "anilist", "anidb", "tvdb", "tvmaze", "trakt", "simkl"})
"""Those of anime have an entry for each cour or season, so that their ids name an episode alone."""
MOST = 100_000
"""Of a season or an episode."""


class Named(NamedTuple):
    """What an id names: a work, and maybe one of its episodes."""

    work: str
    """In its one canonical form."""
    episode: Episode | None = None


def parse(text: str, kind: Kind | None = None) -> Named:
    """What *text* names. *kind* helps where a catalogue counts films and series apart (`tmdb:603`).

    `tt0133093`, `tt0108778:1:2`, `tmdb:movie:603`, `tmdb:1399:1:2`, `tvdb:81189:1:2`, `kitsu:7442:5` (an episode of an
    anime entry, told as its first season), `mal:…`, `anilist:…`, `tvdb:169:5`. Whatever else it is stays as it was
    written.
    """
    first, *rest = unquote(text).strip().split(":")
    name = first.lower()
    if _IMDB.fullmatch(name):
        named = _with_episode(name, rest)
    elif name == "tmdb":
        named = _tmdb(rest, kind)
    elif name in _CATALOGUES and _is_id(rest):
        named = _with_episode(_numbered(name, rest[0]), _of_first_season(rest[1:]))
    else:
        named = None
    return named or Named(text)


def _tmdb(rest: list[str], kind: Kind | None) -> Named | None:
    """Films and series are counted apart: the id says which it is, or its episode does, or else what is told of it."""
    space = rest[0].lower() if rest else ""
    if space in ("movie", "tv"):
        rest = rest[1:]
    else:
        space = "tv" if len(rest) == 3 else KIND_OF_TMDB.get(kind or "", "")
    if not _is_id(rest) or (space == "movie" and len(rest) > 1):
        return None
    return _with_episode(_numbered(f"tmdb:{space}" if space else "tmdb", rest[0]), rest[1:])


def _is_id(parts: list[str]) -> bool:
    """Whether the first of them is an id: they begin at 1."""
    return bool(parts) and _NUMBER.fullmatch(parts[0]) is not None and int(parts[0]) > 0


def _numbered(catalogue: str, id: str) -> str:
    return f"{catalogue}:{int(id)}"


def _of_first_season(numbers: list[str]) -> list[str]:
    """One number alone is an episode: of an entry that has no seasons, or of a series that has one."""
    return ["1", *numbers] if len(numbers) == 1 else numbers


def _with_episode(work: str, numbers: list[str]) -> Named | None:
    """None for what cannot be an episode, so that the id is something else."""
    if not numbers:
        return Named(work)
    if len(numbers) != 2 or not all(map(_NUMBER.fullmatch, numbers)):
        return None
    season, episode = map(int, numbers)
    return Named(work, Episode(season=season, episode=episode)) if max(season, episode) <= MOST else None
