"""Rows as PostgreSQL takes them: many at once, turned on their side."""

from collections.abc import Iterable, Iterator
from typing import Any

from events.contracts.library import FILM, Episode
from library.title.state import order


def columns(rows: Iterable[tuple[Any, ...]]) -> Iterator[list[Any]]:
    """Rows turned on their side, as `unnest` takes them."""
    return (list(column) for column in zip(*rows, strict=True))


def place(slot: str) -> tuple[int, int]:
    """The columns of a film or an episode; -1 stands for a film: they are part of keys and cannot be null."""
    return order(slot)


def slot_at(season: int, episode: int) -> str:
    """What the columns name, as a slot."""
    return FILM if season < 0 else f"{season}-{episode}"


def episode_at(season: int, episode: int) -> Episode | None:
    """What the columns name."""
    return None if season < 0 else Episode(season=season, episode=episode)
