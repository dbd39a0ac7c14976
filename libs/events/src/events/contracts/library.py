"""What can be asked of a person's library, and what can have happened in it."""

from datetime import datetime
from hashlib import sha256
from typing import Annotated, Any, ClassVar, Literal

from msgspec import Meta, Struct

from events.messages import NO_NUL, Channel, Command, Context, Event, Id, Key, MediaSeconds, Personal, Query

CONTEXT = "library"
CHANNEL: Channel | None = None

Number = Annotated[int, Meta(ge=0, le=100_000)]
"""Of a season (0 holds the specials) or of an episode."""
Length = Annotated[float, Meta(gt=0, le=604_800)]
Device = Annotated[str, Meta(max_length=64, pattern=NO_NUL)]
PageSize = Annotated[int, Meta(ge=1, le=100)]
Cursor = Annotated[str, Meta(max_length=2_000)]


def topic(uid: str) -> str:
    """Touched by every change in the person's library."""
    return f"library:{uid}"


def title_topic(uid: str, work: str) -> str:
    """Touched by every change of one title."""
    return f"title:{uid}:{work}"


class Episode(Struct, frozen=True, forbid_unknown_fields=True):
    """One episode of a series."""

    season: Number
    episode: Number


def slot(episode: Episode | None) -> str:
    """A film or an episode, within its title."""
    return f"{episode.season}-{episode.episode}" if episode else "film"


def player(uid: str, device: str) -> str:
    """Tells a person's devices apart without saying which they are: so short that it fits countless names."""
    return sha256(f"{uid} {device}".encode()).hexdigest()[:4] if device else ""


class Report(Command, frozen=True):
    """Tell where a device is in a title; players call it every few seconds and at each change of state.

    At 90 % of a known duration the title (or episode) counts as completed (CSN's rule); playing again from before that
    point brings it back. A position beyond the duration is the end. Each device watches a title for itself, so that one
    that stands paused does not stop another.
    """

    function: ClassVar[str] = "library.report"
    work: Id
    position: MediaSeconds
    duration: Length | None = None
    """Without it nothing is completed until one is known."""
    episode: Episode | None = None
    """Which episode of a series; not given for a film."""
    next: Episode | None = None
    """The episode that follows, as far as the player knows; it takes the place of a completed one."""
    state: Literal["playing", "paused", "stopped"] = "playing"
    device: Device = ""
    """What its owner calls it; tells that person's devices apart."""

    def keys(self, context: Context) -> tuple[Key, ...]:
        return (Key.of("title", context.actor, self.work),)


LibraryCommand = Report


class Started(Event, frozen=True, tag="library.started"):
    """Playback of a title began or went on on a device, before the point at which it counts as completed."""

    uid: str
    work: str
    position: float
    at: datetime
    duration: float | None = None
    episode: Episode | None = None
    device: Personal[str] = ""
    """What its owner calls it."""
    player: str = ""
    """Tells a person's devices apart, see `player`."""


class Stopped(Event, frozen=True, tag="library.stopped"):
    """Playback on a device was paused or stopped before the end: from here it can be resumed."""

    uid: str
    work: str
    position: float
    at: datetime
    duration: float | None = None
    episode: Episode | None = None
    device: Personal[str] = ""
    """What its owner calls it."""
    player: str = ""
    """Tells a person's devices apart, see `player`."""


class Completed(Event, frozen=True, tag="library.completed"):
    """A film or an episode was watched to the end, or near enough."""

    uid: str
    work: str
    position: float
    at: datetime
    duration: float
    episode: Episode | None = None
    next: Episode | None = None
    device: Personal[str] = ""
    """What its owner calls it."""
    player: str = ""
    """Tells a person's devices apart, see `player`."""


class Progressed(Event, frozen=True, tag="library.progressed"):
    """A heartbeat: the position now. Telemetry: only the last one per title and episode is kept."""

    telemetry: ClassVar[bool] = True
    uid: str
    work: str
    position: float
    at: datetime
    duration: float | None = None
    episode: Episode | None = None
    device: Personal[str] = ""
    """What its owner calls it."""
    player: str = ""
    """Tells a person's devices apart, see `player`."""

    def slot(self) -> str:
        return slot(self.episode)


LibraryEvent = Started | Stopped | Completed | Progressed


class ItemProgress(Struct, frozen=True):
    """How far one film or episode is, on the device that was heard of last."""

    work: str
    episode: Episode | None
    position: float
    duration: float | None
    percent: float | None
    """0 to 100, one decimal; null while the duration is unknown."""
    completed_at: datetime | None
    """When it was last watched to the end."""
    device: str
    updated_at: datetime


class ContinueItem(Struct, frozen=True):
    """A title to go on with, at the film or episode that comes now."""

    work: str
    episode: Episode | None
    position: float
    duration: float | None
    percent: float | None
    device: str
    updated_at: datetime


class ContinuePage(Struct, frozen=True):
    """Latest first; `cursor` asks for the next page, null when there is none."""

    items: list[ContinueItem]
    cursor: str | None


class TitlesPage(Struct, frozen=True):
    """Latest first; `cursor` asks for the next page, null when there is none."""

    items: list[ItemProgress]
    cursor: str | None


class TitleProgress(Struct, frozen=True):
    """Everything known of one title; `items` in the order of season and episode, the first 2,000."""

    work: str
    items: list[ItemProgress]


class _Mine(Query, frozen=True):
    def topics(self, uid: str) -> tuple[str, ...]:
        return (topic(uid),)


class ContinueWatching(_Mine, frozen=True):
    """What I was watching, latest first: completed titles are gone, the next episode has taken its predecessor's place.

    The next episode begins at 0, or where it was left if it was begun before.
    """

    function: ClassVar[str] = "library.continue_watching"
    returns: ClassVar[Any] = ContinuePage
    errors: ClassVar[tuple[str, ...]] = ("bad-cursor",)
    limit: PageSize = 20
    cursor: Cursor | None = None


class Titles(_Mine, frozen=True):
    """The film or episode that I touched last of every title, finished ones too, latest first."""

    function: ClassVar[str] = "library.titles"
    returns: ClassVar[Any] = TitlesPage
    errors: ClassVar[tuple[str, ...]] = ("bad-cursor",)
    limit: PageSize = 20
    cursor: Cursor | None = None


class Title(Query, frozen=True):
    """My progress in one title, by episode; empty if I never watched it."""

    function: ClassVar[str] = "library.title"
    returns: ClassVar[Any] = TitleProgress
    work: Id

    def topics(self, uid: str) -> tuple[str, ...]:
        return (title_topic(uid, self.work),)


COMMANDS: tuple[type[Command], ...] = (Report,)
QUERIES: tuple[type[Query], ...] = (ContinueWatching, Titles, Title)
EVENTS: tuple[type[Event], ...] = (Started, Stopped, Completed, Progressed)
