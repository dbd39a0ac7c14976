"""What follows from all that is known of a title: the one place where that is decided, for rules and read models."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from msgspec import Struct

from events.contracts.library import Details, LegacyStatus, Progress, Reaction
from library.title.state import Title


class SlotSummary(Struct, frozen=True, kw_only=True):
    """How far one film or episode is: all that `ItemProgress` and `EpisodeView` show."""

    slot: str
    """As `episode_of` reads it."""
    played: bool
    """Whether it has a position, by a session or an import; not so if it was only marked, or its plays came alone."""
    going: bool
    """It was begun and not watched to the end since."""
    position: float
    duration: float | None
    percent: float | None
    """0 to 100, one decimal."""
    session: str
    player: str
    """Of the session that was heard of last."""
    watched_seconds: float | None
    completed_at: datetime | None
    """Of the newest play that counts."""
    watched: bool
    watched_at: datetime | None
    plays: int
    """In the history."""
    updated_at: datetime


class PlaySummary(Struct, frozen=True, kw_only=True):
    """An entry of the history: neither removed, nor cleared, nor of an import that was undone."""

    play: str
    slot: str
    at: datetime
    """When it happened, or was brought in."""
    watched_at: datetime | None
    rule: Literal["position", "mark", "import"]
    source: str
    player: str
    watched_seconds: float | None
    duration: float | None


class ReasonSummary(Struct, frozen=True, kw_only=True):
    """One thing that speaks for, or against, a film or an episode being watched: all that `Reason` shows."""

    slot: str
    what: Literal["played", "marked", "unmarked", "imported", "removed", "cleared"]
    rule: str
    player: str
    source: str
    play: str
    at: datetime | None
    known_at: datetime
    counts: bool
    watched_share: float | None


class Continue(Struct, frozen=True, kw_only=True):
    """What to go on with."""

    slot: str
    position: float
    duration: float | None
    percent: float | None
    player: str
    session: str
    """Empty, as the player is, for an episode that nobody has begun."""
    updated_at: datetime


class Summary(Struct, frozen=True, kw_only=True):
    """A title as it is shown."""

    slots: tuple[SlotSummary, ...]
    """In the order of season and episode."""
    plays: tuple[PlaySummary, ...]
    """In no order that matters."""
    in_watchlist: bool
    status: Progress | None
    reaction: Reaction | None
    favourite: bool
    hidden: bool
    progress: float | None
    legacy_status: LegacyStatus | None
    details: Details | None
    watched_episodes: int
    begun: bool
    """Ever played, marked as watched, or brought in as such."""
    continues: Continue | None
    updated_at: datetime | None
    """None if nothing is known, or nothing that counts."""


def summary(title: Title, undone: frozenset[str], cleared_at: datetime | None) -> Summary:
    """The title as it is shown when the imports *undone* count no more and the history was cleared at *cleared_at*."""
    raise NotImplementedError


def reasons(title: Title, undone: frozenset[str], cleared_at: datetime | None) -> Sequence[ReasonSummary]:
    """Everything that speaks for or against any film or episode of it, newest first; the undone, too."""
    raise NotImplementedError
