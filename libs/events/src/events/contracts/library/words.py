"""The words that a library's commands, events and views share: what a title, an episode, a text and a time may be."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Annotated, Literal, NamedTuple

from msgspec import UNSET, Meta, Struct, UnsetType

from events.messages import NO_NUL, Channel, Context, Id, Rejected

CONTEXT = "library"
CHANNELS: tuple[Channel, ...] = ()

Number = Annotated[int, Meta(ge=0, le=100_000)]
"""Of a season (0 holds the specials) or of an episode."""
Length = Annotated[float, Meta(gt=0, le=604_800)]
Seconds = Annotated[float, Meta(ge=0, le=604_800)]
Device = Annotated[str, Meta(max_length=64, pattern=NO_NUL)]
Text = Annotated[str, Meta(max_length=500, pattern=NO_NUL)]
Overview = Annotated[str, Meta(max_length=4_000, pattern=NO_NUL)]
Link = Annotated[str, Meta(max_length=2_000, pattern=NO_NUL)]
"""A URL, or an app's own name for a picture."""
Name = Annotated[str, Meta(min_length=1, max_length=200, pattern=NO_NUL)]
Percent = Annotated[float, Meta(ge=0, le=100)]
Rating = Annotated[float, Meta(ge=0, le=10)]
Order = Annotated[str, Meta(min_length=1, max_length=128, pattern=r"^[0-9A-Za-z]+$")]
"""A place in an order that two devices may change at once: a fractional index, as the usual libraries make them."""
PageSize = Annotated[int, Meta(ge=1, le=100)]
Cursor = Annotated[str, Meta(max_length=2_000)]

Kind = Literal["movie", "series", "anime", "channel", "other"]
Progress = Literal["want-to-watch", "watching", "finished"]
Reaction = Literal["loved", "liked", "mixed", "not-for-me"]
LegacyStatus = Literal["plan-to-watch", "watching", "completed", "liked", "dropped"]
Format = Literal["matinee", "stremio", "trakt", "imdb", "letterboxd", "film-fanatic"]

COMPLETED_AT = 0.9
"""Of the duration: what follows is credits, and few people wait for their end (CSN's rule)."""
WATCHED_AT = 0.7
"""Of the duration, of time actually watched (Stremio's rule); told beside the other."""

EPISODES_AT_ONCE = 2_000
"""In one batch of marks."""
LATE = timedelta(days=90)
"""How old something may be that a device tells of late."""
AHEAD = timedelta(minutes=5)
"""How far ahead of the server a device's clock may be before it is taken as the server's now."""
NO_OFFSET = "a time needs its offset from UTC, say a Z at the end"
LISTS = 200
LIST_ITEMS = 2_500
"""Of one list."""
ADDONS = 200
JOINED = 10
"""Ids of one work."""
JOINS = 2_000
"""Works of one person that have several ids."""
UNDONE = 1_000
"""Imports of one person that are remembered as undone, the latest."""
MANIFEST_BYTES = 64 * 1024
INSTALLATION_BYTES = MANIFEST_BYTES + 16 * 1024
"""Of what installs an addon with its manifest, over HTTP."""
COLLECTION_BYTES = 352 * 1024
"""Of an addon collection that is taken over in one piece: as much as fits into one commit, sealed."""
MANIFEST_WARNING_BYTES = 8 * 1024
"""Beyond it Stremio's own collection cannot hold it."""
PREFERENCES = 200
PREFERENCE_BYTES = 8 * 1024
PREFERENCES_BYTES = 64 * 1024
UPLOAD_BYTES = 64 * 1024 * 1024
REMOVES_MOST = 0.1
"""Of what is there: an import that would remove more stops and asks."""


def topic(uid: str) -> str:
    """Touched by every change of what the person watches."""
    return f"library:{uid}"


def title_topic(uid: str, work: str) -> str:
    """Touched by every change of one title, under whichever of its ids."""
    return f"title:{uid}:{work}"


def lists_topic(uid: str) -> str:
    return f"lists:{uid}"


def list_topic(uid: str, list_id: str) -> str:
    return f"list:{uid}:{list_id}"


def addons_topic(uid: str) -> str:
    return f"addons:{uid}"


def profile_topic(uid: str) -> str:
    return f"profile:{uid}"


def imports_topic(uid: str) -> str:
    return f"imports:{uid}"


class Episode(Struct, frozen=True, order=True, forbid_unknown_fields=True):
    """One episode of a series."""

    season: Number
    episode: Number


class Season(Struct, frozen=True, forbid_unknown_fields=True):
    """Some episodes of one season."""

    season: Number
    episodes: Annotated[tuple[Number, ...], Meta(min_length=1, max_length=EPISODES_AT_ONCE)]


FILM = "film"


def slot(episode: Episode | None) -> str:
    """A film or an episode, within its title: `film` or `2-5`."""
    return f"{episode.season}-{episode.episode}" if episode else FILM


def episode_of(slot: str) -> Episode | None:
    """The episode that `slot` named."""
    if slot == FILM:
        return None
    season, _, episode = slot.partition("-")
    return Episode(season=int(season), episode=int(episode))


def slots(seasons: Iterable[Season]) -> tuple[str, ...]:
    """Every slot of some seasons, each once, in their order."""
    return tuple(dict.fromkeys(f"{s.season}-{e}" for s in seasons for e in s.episodes))


def player(uid: str, device: str) -> str:
    """Tells a person's devices apart without saying which they are: so short that it fits countless names."""
    return sha256(f"{uid} {device}".encode()).hexdigest()[:4] if device else ""


class Details(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a title is, as an app last knew it, so that lists can be shown without asking anybody else."""

    kind: Kind | None = None
    title: Text = ""
    image: Link = ""
    rating: Rating | None = None
    """Out of ten, of its source."""
    release_date: Annotated[str, Meta(max_length=40, pattern=NO_NUL)] = ""
    overview: Overview = ""
    genres: Annotated[
        tuple[Annotated[str, Meta(min_length=1, max_length=50, pattern=NO_NUL)], ...], Meta(max_length=20)
    ] = ()
    runtime: Length | None = None
    """Seconds."""
    seasons: Annotated[tuple[Season, ...], Meta(max_length=200)] = ()
    """The episodes that there are, so that what comes next and what is complete is known."""


class ItemChange(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is to be different about a title. What is left out stays; null takes a value away."""

    in_watchlist: bool | UnsetType = UNSET
    status: Progress | UnsetType | None = UNSET
    reaction: Reaction | UnsetType | None = UNSET
    favourite: bool | UnsetType = UNSET
    hidden: bool | UnsetType = UNSET
    """From continue watching; stays so until it is taken back."""
    progress: Percent | UnsetType | None = UNSET
    """Percentage of the whole, as somebody told it; what was watched speaks for itself."""
    details: Details | UnsetType | None = UNSET


class Happened(NamedTuple):
    """When something happened on a device: by the server's clock, for comparing it with what other devices did, and by
    the device's own, for telling its order among what that device did."""

    at: datetime
    own: datetime


def happened(context: Context, at: datetime | None, sent_at: datetime | None) -> Happened:
    """The time of something that a device tells of, maybe late.

    *at*: when it happened, by the device's clock; now if not given. *sent_at*: what that clock said when the device
    sent this; how far it goes wrong is then known and taken off. Raise `Rejected("too-old")` beyond `LATE`.
    """
    if at is None:
        return Happened(context.now, context.now)
    for field, moment in (("at", at), ("sent_at", sent_at)):
        if moment is not None and moment.tzinfo is None:
            raise Rejected("invalid-argument", field=field, reason=NO_OFFSET)
        if moment is not None and not 1970 <= moment.year <= 9998:
            raise Rejected("invalid-argument", field=field, reason="a time of this age is expected")
    own = at if sent_at is None else min(at, sent_at)
    gone = context.now - own if sent_at is None else sent_at - own
    if gone > LATE:
        raise Rejected("too-old", limit_days=LATE.days)
    if gone < -AHEAD:
        return Happened(context.now, context.now)
    true = context.now - max(gone, timedelta())
    # A clock far ahead would stay the newest for ever, also once it is set right.
    return Happened(true, own if own <= context.now + AHEAD else true)


Work = Id
"""An id of a film or a series, in any form that `works.parse` knows, or free."""
