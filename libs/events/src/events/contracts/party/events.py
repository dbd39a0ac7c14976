"""What can have happened to a watch party."""

from datetime import datetime
from typing import ClassVar, Literal

from msgspec import Struct

from events.contracts.erased import Erased
from events.contracts.party.words import Role, Settings
from events.messages import Ended, Event, Personal

MEDIA = ("media", "media_title", "season", "episode", "file_index")
"""Of the fields that say what is watched, those that followers see; `source` is sealed and read from the state."""


class _OfMedia(Event, frozen=True, kw_only=True):
    media: str
    media_title: str | None = None
    season: int | None = None
    episode: int | None = None
    file_index: int | None = None


class Opened(_OfMedia, frozen=True, kw_only=True, tag="party.opened"):
    """A party was opened; its host joins it in the same commit."""

    public: ClassVar[tuple[str, ...]] = ("host", "title", *MEDIA, "private", "at")
    person: ClassVar[str] = "host"
    party_id: str
    host: str
    title: str
    private: bool
    at: datetime
    source: Personal[str] = ""
    key: str = ""
    """Digest of the key of a private party."""


class Joined(Event, frozen=True, kw_only=True, tag="party.joined"):
    """Somebody became a member."""

    public: ClassVar[tuple[str, ...]] = ("uid", "at")
    patient: ClassVar[bool] = True
    uid: str
    name: Personal[str]
    at: datetime
    avatar: Personal[str] = ""


class Left(Event, frozen=True, kw_only=True, tag="party.left"):
    """Somebody stopped being a member."""

    public: ClassVar[tuple[str, ...]] = ("uid", "reason", "at")
    uid: str
    private: bool
    """Whether the right to follow went with the membership."""
    at: datetime
    reason: Literal["left", "unseen"] = "left"
    """`unseen`: they dropped out of sight, and may come back without the key."""

    def ends(self) -> Ended | None:
        return Ended(self.reason, self.uid) if self.private else None

    def leaves(self) -> str:
        return self.uid


class Kicked(Event, frozen=True, kw_only=True, tag="party.kicked"):
    """Somebody was put out."""

    public: ClassVar[tuple[str, ...]] = ("uid", "by", "at")
    uid: str
    by: str
    at: datetime
    reason: str = ""
    """In words, which are for nobody in the party to read."""

    def ends(self) -> Ended:
        return Ended("kicked", self.uid)

    def leaves(self) -> str:
        return self.uid


class Banned(Event, frozen=True, kw_only=True, tag="party.banned"):
    """Somebody was put out for good, whether a member or not."""

    public: ClassVar[tuple[str, ...]] = ("uid", "by", "at")
    uid: str
    by: str
    at: datetime
    reason: str = ""
    """In words, which those who may ban read."""

    def ends(self) -> Ended:
        return Ended("banned", self.uid)

    def leaves(self) -> str:
        return self.uid


class Unbanned(Event, frozen=True, kw_only=True, tag="party.unbanned"):
    """A ban was lifted."""

    public: ClassVar[tuple[str, ...]] = ("uid", "by", "at")
    uid: str
    by: str
    at: datetime


class Locked(Event, frozen=True, kw_only=True, tag="party.locked"):
    """The party was locked or unlocked."""

    public: ClassVar[tuple[str, ...]] = ("locked", "by", "at")
    locked: bool
    by: str
    at: datetime


class RoleChanged(Event, frozen=True, kw_only=True, tag="party.role-changed"):
    """Somebody is co-host now, or is no longer."""

    public: ClassVar[tuple[str, ...]] = ("uid", "role", "by", "at")
    uid: str
    role: Role
    by: str
    at: datetime


class HostChanged(Event, frozen=True, kw_only=True, tag="party.host-changed"):
    """Somebody else is host now, and why. One who handed over is co-host now."""

    public: ClassVar[tuple[str, ...]] = ("uid", "reason", "at")
    uid: str
    reason: Literal["host-left", "handed-over", "host-gone"]
    at: datetime


class HostMissed(Event, frozen=True, kw_only=True, tag="party.host-missed"):
    """The host has not been seen since a moment; who is not back when the grace ends is succeeded."""

    public: ClassVar[tuple[str, ...]] = ("uid", "since", "until", "at")
    uid: str
    since: datetime
    until: datetime | None
    """When the grace ends; null if hosts of this party are never succeeded."""
    at: datetime


class HostReturned(Event, frozen=True, kw_only=True, tag="party.host-returned"):
    """The host came back in time."""

    public: ClassVar[tuple[str, ...]] = ("uid", "at")
    uid: str
    at: datetime


class ProfileChanged(Event, frozen=True, kw_only=True, tag="party.profile-changed"):
    """A member changed how the others see them; null is what stayed."""

    public: ClassVar[tuple[str, ...]] = ("uid", "at")
    patient: ClassVar[bool] = True
    uid: str
    at: datetime
    name: Personal[str] | None = None
    avatar: Personal[str] | None = None
    status: Personal[str] | None = None


class Configured(Event, frozen=True, kw_only=True, tag="party.configured"):
    """The way in which the party is run was changed: all of it, as it is now."""

    public: ClassVar[tuple[str, ...]] = ("title", "private", "settings", "by", "at")
    title: str
    private: bool
    settings: Settings
    by: str
    at: datetime
    key: str = ""
    """Digest of the new key of a party that became private."""

    def ends(self) -> Ended | None:
        """Who may follow a private party is asked anew: its members just follow again."""
        return Ended("now-private") if self.key else None


class Rekeyed(Event, frozen=True, kw_only=True, tag="party.rekeyed"):
    """A private party has another key."""

    public: ClassVar[tuple[str, ...]] = ("by", "at")
    by: str
    at: datetime
    key: str


class Played(Event, frozen=True, kw_only=True, tag="party.played"):
    """Playback runs: at server time `at`, a little ahead of `said_at`, when it was said, it is at `position`."""

    public: ClassVar[tuple[str, ...]] = ("by", "position", "rate", "at", "countdown")
    by: str
    position: float
    at: datetime
    rate: float = 1.0
    countdown: float = 0.0
    said_at: datetime | None = None


class Paused(Event, frozen=True, kw_only=True, tag="party.paused"):
    """Playback stands at `position`, from server time `at` on."""

    public: ClassVar[tuple[str, ...]] = ("by", "position", "at")
    by: str
    position: float
    at: datetime
    said_at: datetime | None = None


class Sought(Event, frozen=True, kw_only=True, tag="party.sought"):
    """Playback was moved: at server time `at` it is at `position`; it runs or stands as before."""

    public: ClassVar[tuple[str, ...]] = ("by", "position", "at")
    by: str
    position: float
    at: datetime
    said_at: datetime | None = None


class RateChanged(Event, frozen=True, kw_only=True, tag="party.rate-changed"):
    """Playback goes faster or slower: at server time `at` it is at `position`, at the new `rate` from there."""

    public: ClassVar[tuple[str, ...]] = ("by", "rate", "position", "at")
    by: str
    rate: float
    position: float
    at: datetime
    said_at: datetime | None = None


class Undone(_OfMedia, frozen=True, kw_only=True, tag="party.undone"):
    """The last control was taken back: what is watched and how it plays is as it was before."""

    public: ClassVar[tuple[str, ...]] = (
        "by", "undid", "author", "playing", "position", "rate", *MEDIA, "other_media", "item", "requeued", "before",
        "at",
    )  # fmt: skip
    by: str
    undid: str
    """What was taken back: `play`, `pause`, `seek`, `rate`, `media` or `undo`."""
    author: str
    """Who had given it."""
    playing: bool
    position: float
    rate: float
    at: datetime
    other_media: bool = False
    """Whether something else is watched now, or the same from another source."""
    item: str | None = None
    """The item of the queue that is watched again, and off the queue again."""
    requeued: str | None = None
    """The item that is no longer watched, and in the queue again: before the item `before`, or at the end."""
    before: str | None = None
    said_at: datetime | None = None


class Held(Event, frozen=True, kw_only=True, tag="party.held"):
    """Playback stands at `position` and waits for somebody, until they are there or `until`; then it goes on."""

    public: ClassVar[tuple[str, ...]] = ("by", "why", "waits_for", "position", "at", "until", "countdown")
    by: str
    why: Literal["start", "stalled"]
    """`start`: they have not said that they are ready; `stalled`: their players cannot go on."""
    waits_for: tuple[str, ...]
    position: float
    at: datetime
    until: datetime
    countdown: float = 0.0
    said_at: datetime | None = None


class Excused(Event, frozen=True, kw_only=True, tag="party.excused"):
    """Somebody is no longer waited for, or is again."""

    public: ClassVar[tuple[str, ...]] = ("uid", "excused", "reason", "at")
    uid: str
    excused: bool
    reason: Literal["asked", "limit"]
    at: datetime


class Readied(Event, frozen=True, kw_only=True, tag="party.readied"):
    """A member's player can start, or no longer can."""

    public: ClassVar[tuple[str, ...]] = ("uid", "ready", "at")
    patient: ClassVar[bool] = True
    uid: str
    ready: bool
    at: datetime


class MediaChanged(_OfMedia, frozen=True, kw_only=True, tag="party.media-changed"):
    """Something else is watched now: playback stands at `position`, and nobody is ready yet."""

    public: ClassVar[tuple[str, ...]] = ("by", "reason", "item", *MEDIA, "position", "at")
    person: ClassVar[str] = "by"
    by: str
    reason: Literal["chosen", "next", "voted"]
    position: float
    at: datetime
    item: str | None = None
    """The item of the queue that it was; it is off the queue now, and its source is the item's."""
    source: Personal[str] = ""


class Queued(_OfMedia, frozen=True, kw_only=True, tag="party.queued"):
    """Something was put at the end of the queue."""

    public: ClassVar[tuple[str, ...]] = ("item", "by", *MEDIA, "at")
    person: ClassVar[str] = "by"
    item: str
    by: str
    at: datetime
    source: Personal[str] = ""


class Moved(Event, frozen=True, kw_only=True, tag="party.moved"):
    """A queued item was put before another one, or at the end."""

    public: ClassVar[tuple[str, ...]] = ("item", "before", "by", "at")
    item: str
    before: str | None
    by: str
    at: datetime


class Dequeued(Event, frozen=True, kw_only=True, tag="party.dequeued"):
    """An item was taken off the queue."""

    public: ClassVar[tuple[str, ...]] = ("item", "by", "at")
    item: str
    by: str
    at: datetime


class Voted(Event, frozen=True, kw_only=True, tag="party.voted"):
    """Somebody voted for a queued item or took the vote back."""

    public: ClassVar[tuple[str, ...]] = ("item", "uid", "up", "at")
    patient: ClassVar[bool] = True
    item: str
    uid: str
    up: bool
    at: datetime


class SkipVoted(Event, frozen=True, kw_only=True, tag="party.skip-voted"):
    """Somebody voted to skip what is watched or took the vote back."""

    public: ClassVar[tuple[str, ...]] = ("uid", "skip", "votes", "needed", "at")
    patient: ClassVar[bool] = True
    uid: str
    skip: bool
    votes: int
    needed: int
    at: datetime


class Expiring(Event, frozen=True, kw_only=True, tag="party.expiring"):
    """Nothing has happened for long: unless something does, the party is closed at `closes_at`."""

    public: ClassVar[tuple[str, ...]] = ("closes_at", "at")
    closes_at: datetime
    at: datetime


class Kept(Event, frozen=True, kw_only=True, tag="party.kept"):
    """Nothing had happened for long, but somebody is there: the party stays."""

    public: ClassVar[tuple[str, ...]] = ("present", "at")
    present: int
    at: datetime


class Closed(Event, frozen=True, kw_only=True, tag="party.closed"):
    """The party is over."""

    public: ClassVar[tuple[str, ...]] = ("by", "reason", "at")
    by: str
    reason: Literal["closed", "empty", "expired"]
    at: datetime

    def ends(self) -> Ended | None:
        return Ended("closed")


class Sample(Struct, frozen=True, array_like=True):
    """One member in a `Sampled`."""

    drift: float | None
    """Seconds ahead of the party; negative behind. Null while buffering, or when nothing can be said."""
    state: Literal["in-sync", "ahead", "behind", "buffering", "paused"]
    stalls: int = 0
    seeks: int = 0
    """Since the sample before."""
    rtt: float = 0.0


class Sampled(Event, frozen=True, kw_only=True, tag="party.sampled"):
    """How well the members were in sync at one moment; kept for `SYNC_KEPT`, outside the log."""

    telemetry: ClassVar[bool] = True
    at: datetime
    position: float
    """Where the party was."""
    playing: bool
    present: int
    members: dict[str, Sample]


class PartyErased(Erased, frozen=True, kw_only=True, tag="party.erased"):
    """A tombstone among the parties: a person has no name in any of them from here on."""


PartyEvent = (
    Opened | Joined | Left | Kicked | Banned | Unbanned | Locked | RoleChanged | HostChanged | HostMissed
    | HostReturned | ProfileChanged | Configured | Rekeyed | Played | Paused | Sought | RateChanged | Undone | Held
    | Excused | Readied | MediaChanged | Queued | Moved | Dequeued | Voted | SkipVoted | Expiring | Kept | Closed
)  # fmt: skip

EVENTS: tuple[type[Event], ...] = (
    Opened, Joined, Left, Kicked, Banned, Unbanned, Locked, RoleChanged, HostChanged, HostMissed,
    HostReturned, ProfileChanged, Configured, Rekeyed, Played, Paused, Sought, RateChanged, Undone, Held,
    Excused, Readied, MediaChanged, Queued, Moved, Dequeued, Voted, SkipVoted, Expiring, Kept, Closed,
    Sampled, PartyErased,
)  # fmt: skip
