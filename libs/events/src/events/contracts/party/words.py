"""The words that a party's commands, events and views share: what a text, a right and a place may be."""

from datetime import timedelta
from typing import Annotated, Literal

from msgspec import Meta, Struct

from events.messages import NO_NUL, Channel

CONTEXT = "parties"
CHANNEL = Channel("party", CONTEXT)
CHANNELS = (CHANNEL,)
SYSTEM = f"system:{CONTEXT}"
"""Whoever acts when a timer or an observation does."""

Title = Annotated[str, Meta(min_length=1, max_length=200, pattern=NO_NUL)]
MediaId = Annotated[str, Meta(min_length=1, max_length=2_000, pattern=NO_NUL)]
"""What is watched, as every member may know it: `tt0133093`, `tmdb:movie:603`, `anilist:21`, or a URL."""
Number = Annotated[int, Meta(ge=0, le=100_000)]
"""Of a season, an episode or a file."""
Source = Annotated[str, Meta(max_length=2_000, pattern=NO_NUL)]
"""Where the stream comes from: a URL or a magnet link. Kept sealed, because it may hold credentials; members see it."""
Name = Annotated[str, Meta(min_length=1, max_length=64, pattern=NO_NUL)]
"""A display name, as its owner typed it."""
Avatar = Annotated[str, Meta(max_length=500, pattern=NO_NUL)]
"""A URL or an app's own name for a picture; empty for none."""
Status = Annotated[str, Meta(max_length=100, pattern=NO_NUL)]
"""A few words about oneself; empty for none."""
Reason = Annotated[str, Meta(max_length=200, pattern=NO_NUL)]
AccessKey = Annotated[str, Meta(pattern=r"^[0-9]{6}$")]
"""Six digits that open a private party."""
Rate = Annotated[float, Meta(ge=0.25, le=4.0)]
PageSize = Annotated[int, Meta(ge=1, le=500)]
Cursor = Annotated[str, Meta(max_length=2_000)]

Role = Literal["host", "cohost", "member"]
Action = Literal["play", "seek", "media", "queue", "people"]
"""What the permission table speaks of: play, pause and rate; seek; change what is watched; order the queue and take
others' items off it; kick, ban and lock."""
Reference = Literal["host", "slowest", "median"]
"""Whose stall holds the party: the host's alone, anybody's, or that of more than half of the members."""

EXPIRES_AFTER = timedelta(hours=24)
"""A party in which nothing has happened for so long is closed (the anime seed's clean-up rule)."""
WARNED_BEFORE = timedelta(hours=1)
"""So long before it expires its members are told."""
SYNC_KEPT = timedelta(hours=6)
"""How long sync telemetry is kept (the anime seed's rule)."""

LONGEST = 604_800.0
"""Where a playback that nobody stops comes to rest: the end of what a position may be."""
MEMBERS = 1_000
"""In one party at most, whatever its capacity says."""
QUEUED = 50
"""Items in a queue."""
QUEUED_BYTES = 32 * 1024
"""What they are, without their sources, all together as JSON: the state of a party holds it."""
QUEUED_EACH = 10
"""Of one member's, who may not order the queue."""
BANNED = 500
"""People who can be banned from one party."""
LISTED = 200
"""Members up to whom presence and sync state are told of each; of a larger party they are counted."""

IN_SYNC = 2.0
"""Seconds. Within these a member counts as in sync (the anime seed)."""
ONE_FRAME = 1 / 24
"""Seconds. Within these a member sees the same picture."""


class Permissions(Struct, frozen=True):
    """Who may do what: the least role that each action needs. Adding to the queue and voting are everybody's."""

    play: Role = "cohost"
    seek: Role = "cohost"
    media: Role = "cohost"
    queue: Role = "cohost"
    people: Role = "cohost"


class Settings(Struct, frozen=True):
    """How a party is run; its host sets it by `party.configure`."""

    capacity: int = MEMBERS
    """Members at most."""
    permissions: Permissions = Permissions()
    wait: bool = False
    """Whether `play` waits until every member is ready."""
    wait_seconds: float = 30.0
    """Whom the party waits for is left behind after so long."""
    reference: Reference = "host"
    grace_seconds: float = 120.0
    """A host who is gone for so long is succeeded; 0 for never."""
    queue_order: Literal["added", "votes"] = "added"
    """What `next` takes: the first item, or the one with the most votes."""


def topic(party_id: str) -> str:
    """Touched by every change of the party."""
    return f"party:{party_id}"


def access_topic(party_id: str, uid: str = "") -> str:
    """Touched when the right to see the party, or what its moderators see of it, may have changed: *uid*'s, or, without
    one, everybody's."""
    return f"party-access:{party_id}:{uid}" if uid else f"party-access:{party_id}"


def sync_topic(party_id: str) -> str:
    """Touched when new telemetry of the party is in."""
    return f"party-sync:{party_id}"


def mine_topic(uid: str) -> str:
    """Touched when a party that somebody hosts or has joined changes."""
    return f"party-mine:{uid}"


LIST_TOPIC = "parties:public"
"""Touched when what the public list shows changes."""
