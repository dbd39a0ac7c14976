"""Rows as PostgreSQL takes them: many at once, turned on their side."""

from collections.abc import Iterable, Iterator
from typing import Any

from events.contracts.library import Episode
from events.contracts.library.words import episode_of

NO_EPISODE = Episode(season=-1, episode=-1)
"""Stands for a film in the columns of an episode, which are part of keys and cannot be null."""


def columns(rows: Iterable[tuple[Any, ...]]) -> Iterator[list[Any]]:
    """Rows turned on their side, as `unnest` takes them."""
    return (list(column) for column in zip(*rows, strict=True))


def place(slot: str) -> tuple[int, int]:
    """The columns of a film or an episode."""
    episode = episode_of(slot) or NO_EPISODE
    return episode.season, episode.episode


def episode_at(season: int, episode: int) -> Episode | None:
    """What the columns name."""
    return None if season < 0 else Episode(season=season, episode=episode)
