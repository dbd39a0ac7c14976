"""What can be asked about watch parties, and the shapes of the answers."""

from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal

from msgspec import Meta, Struct

from events.contracts.party.words import (
    CHANNEL,
    LIST_TOPIC,
    Action,
    Cursor,
    PageSize,
    Role,
    Settings,
    access_topic,
    mine_topic,
    sync_topic,
    topic,
)
from events.messages import NO_NUL, Id, Key, Query

SEEN = ("no-such-party", "not-a-member", "banned")
"""Why somebody may not read a party."""

Search = Annotated[str, Meta(max_length=200, pattern=NO_NUL)]


class HoldView(Struct, frozen=True):
    """Whom the party waits for, and until when at the latest."""

    why: Literal["start", "stalled"]
    waits_for: list[str]
    since: datetime
    until: datetime


class LastControl(Struct, frozen=True):
    """What `party.undo` would take back, and whose it was."""

    what: str
    by: str
    at: datetime


class PartyView(Struct, frozen=True, kw_only=True):
    """What the screen of a party shows. Where playback is now: `position + rate * (server time - at)` while playing.

    `at` may lie a little ahead: until then playback stands at `position`. A closed party can still be read; it stands
    where it was when it was closed.
    """

    party_id: str
    title: str
    media: str
    media_title: str | None
    season: int | None
    episode: int | None
    source: str
    """Empty for who is not a member, if there is none, and after the person who gave it was erased."""
    file_index: int | None
    host: str
    private: bool
    locked: bool
    settings: Settings
    playing: bool
    position: float
    rate: float
    at: datetime
    """Server time at which `position` holds."""
    hold: HoldView | None
    last: LastControl | None
    members: int
    queued: int
    skip_votes: int
    host_missing_since: datetime | None
    opened_at: datetime
    closes_at: datetime | None
    """Set once members were told that the party is about to expire."""
    closed_at: datetime | None
    closed_because: str | None


class MemberView(Struct, frozen=True, kw_only=True):
    """A member, in the order of joining."""

    uid: str
    name: str
    """Empty after the person was erased."""
    avatar: str = ""
    status: str = ""
    host: bool
    role: Role
    ready: bool = False
    excused: bool = False
    """Whether the party does not wait for them."""
    joined_at: datetime
    seen_at: datetime | None = None
    """When they were last heard, to ten seconds; null if not for as long as telemetry is kept."""
    drift: float | None = None
    sync: str | None = None
    """As in the newest sample: `in-sync`, `ahead`, `behind`, `buffering`, `paused`; null if unheard."""


class MembersPage(Struct, frozen=True):
    """Members, earliest first; `cursor` asks for the next page, null when there is none."""

    members: list[MemberView]
    cursor: str | None


class ItemView(Struct, frozen=True, kw_only=True):
    """An item of the queue."""

    item: str
    media: str
    media_title: str | None
    season: int | None
    episode: int | None
    source: str
    file_index: int | None
    by: str
    votes: int
    mine: bool
    """Whether you voted for it."""
    added_at: datetime


class QueuePage(Struct, frozen=True):
    """The queue, in order; `cursor` asks for what did not fit into the answer, null when that was all."""

    items: list[ItemView]
    cursor: str | None


class Room(Struct, frozen=True):
    """The snapshot with which following a party begins: its state, the first 100 members and the queue."""

    party: PartyView
    members: list[MemberView]
    queue: list[ItemView]


class ListedParty(Struct, frozen=True, kw_only=True):
    """A public party as the list shows it."""

    party_id: str
    title: str
    media: str
    media_title: str | None
    season: int | None
    episode: int | None
    host: str
    host_name: str
    members: int
    viewers: int
    """Who was there at the newest sample."""
    locked: bool
    playing: bool
    opened_at: datetime


class PartiesPage(Struct, frozen=True):
    """Public parties, most viewers first; `cursor` asks for the next page, null when there is none."""

    parties: list[ListedParty]
    cursor: str | None


class MyParty(Struct, frozen=True, kw_only=True):
    """A party of mine."""

    party_id: str
    title: str
    media: str
    media_title: str | None
    season: int | None
    episode: int | None
    role: Role
    unseen: bool = False
    """Whether you dropped out of sight and are no member until you join again, which takes no key."""
    private: bool
    members: int
    playing: bool
    joined_at: datetime
    updated_at: datetime
    closed_at: datetime | None


class MyPartiesPage(Struct, frozen=True):
    """Open parties first, then those changed last; `cursor` asks for the next page, null when there is none."""

    parties: list[MyParty]
    cursor: str | None


class BanView(Struct, frozen=True):
    """Somebody who is banned."""

    uid: str
    name: str
    """By which they were last known here; empty if they never joined."""
    by: str
    reason: str
    at: datetime


class BansPage(Struct, frozen=True):
    """Everybody who is banned from a party, latest first."""

    bans: list[BanView]


class Rights(Struct, frozen=True, kw_only=True):
    """What somebody is in a party that they may read."""

    role: Role | None
    """Null for who is no member of a public party."""
    may: list[Action]
    """What they may do by the party's permissions; also of a closed one, where nobody does anything any more."""
    closed: bool
    host: str
    members: int


class Happened(Struct, frozen=True, kw_only=True):
    """One line of a timeline."""

    position: str
    """In the log; lines of one commit share it."""
    type: str
    """The event's tag: `party.sought`."""
    at: datetime
    by: str
    """Who did it; `system:parties` for timers and observation."""
    by_name: str
    uid: str | None = None
    """Whom it concerned, if somebody else."""
    uid_name: str = ""
    media_seconds: float | None = None
    """Where the party was then."""
    details: dict[str, Any] = {}
    """The event's other public fields."""


class Drifts(Struct, frozen=True):
    """How far members were from the party at one moment: seconds ahead, negative behind, null while not playing."""

    at: datetime
    media_seconds: float
    drift: dict[str, float | None]


class Timeline(Struct, frozen=True):
    """What happened, latest first, and each member's drift in the same time as far as it is kept (6 h)."""

    happened: list[Happened]
    samples: list[Drifts]
    """Latest first, 500 at most."""
    names: dict[str, str]
    """Of everybody who appears."""
    cursor: str | None


class SyncStatistics(Struct, frozen=True, kw_only=True):
    """How well members were in sync while playing, over the telemetry that is kept; shares and drifts null if none."""

    samples: int
    """One per member and sample."""
    in_sync: float | None
    """Share within 2 s."""
    same_frame: float | None
    """Share within 1/24 s."""
    drift_median: float | None
    """Seconds, without sign."""
    drift_p95: float | None
    stalls: int
    seeks: int
    """Jumps that players made to be in sync."""
    members: int
    parties: int
    since: datetime | None
    """The oldest sample."""


class _OfParty(Query, frozen=True, kw_only=True):
    audience: ClassVar[Literal["shared", "me"]] = "shared"
    party_id: Id

    def topics(self, uid: str) -> tuple[str, ...]:
        return (topic(self.party_id),)

    def access(self, uid: str) -> tuple[str, ...]:
        return access_topic(self.party_id), access_topic(self.party_id, uid)


class State(_OfParty, frozen=True, kw_only=True):
    """The party as its screen shows it. A private one is for its members."""

    function: ClassVar[str] = "party.state"
    returns: ClassVar[Any] = PartyView
    errors: ClassVar[tuple[str, ...]] = SEEN
    audience: ClassVar[Literal["shared", "me"]] = "me"


class Members(_OfParty, frozen=True, kw_only=True):
    """Who is in the party, earliest first, with how they were in sync at the newest sample."""

    function: ClassVar[str] = "party.members"
    returns: ClassVar[Any] = MembersPage
    errors: ClassVar[tuple[str, ...]] = (*SEEN, "bad-cursor")
    limit: PageSize = 100
    cursor: Cursor | None = None

    def topics(self, uid: str) -> tuple[str, ...]:
        return (topic(self.party_id), sync_topic(self.party_id))


class Queue(_OfParty, frozen=True, kw_only=True):
    """What is watched next. Sources are for members."""

    function: ClassVar[str] = "party.queue"
    returns: ClassVar[Any] = QueuePage
    errors: ClassVar[tuple[str, ...]] = (*SEEN, "bad-cursor")
    audience: ClassVar[Literal["shared", "me"]] = "me"
    cursor: Cursor | None = None


class Bans(_OfParty, frozen=True, kw_only=True):
    """Who is banned from the party; for those who may ban."""

    function: ClassVar[str] = "party.bans"
    returns: ClassVar[Any] = BansPage
    errors: ClassVar[tuple[str, ...]] = (*SEEN, "not-the-host")
    audience: ClassVar[Literal["shared", "me"]] = "me"


class ShowRights(_OfParty, frozen=True, kw_only=True):
    """What you are in the party and may do there, up to the last thing that happened in it."""

    function: ClassVar[str] = "party.rights"
    returns: ClassVar[Any] = Rights
    errors: ClassVar[tuple[str, ...]] = SEEN
    audience: ClassVar[Literal["shared", "me"]] = "me"

    def shows(self) -> Key:
        return CHANNEL.key(self.party_id)


class ShowTimeline(_OfParty, frozen=True, kw_only=True):
    """What happened in the party: who, what, when, at which position, and each member's drift. For members."""

    function: ClassVar[str] = "party.timeline"
    returns: ClassVar[Any] = Timeline
    errors: ClassVar[tuple[str, ...]] = (*SEEN, "bad-cursor")
    limit: PageSize = 100
    cursor: Cursor | None = None


class ShowStatistics(_OfParty, frozen=True, kw_only=True):
    """How well the party's members are in sync."""

    function: ClassVar[str] = "party.statistics"
    returns: ClassVar[Any] = SyncStatistics
    errors: ClassVar[tuple[str, ...]] = SEEN

    def topics(self, uid: str) -> tuple[str, ...]:
        return (sync_topic(self.party_id),)


class ShowOverallStatistics(Query, frozen=True, kw_only=True):
    """How well the members of all parties are in sync, over the last hour."""

    function: ClassVar[str] = "parties.statistics"
    returns: ClassVar[Any] = SyncStatistics
    audience: ClassVar[Literal["shared", "me"]] = "shared"

    def topics(self, uid: str) -> tuple[str, ...]:
        return (LIST_TOPIC,)


class ListParties(Query, frozen=True, kw_only=True):
    """Open public parties, most viewers first; `search` finds the beginnings of words in titles."""

    function: ClassVar[str] = "parties.list"
    returns: ClassVar[Any] = PartiesPage
    errors: ClassVar[tuple[str, ...]] = ("bad-cursor",)
    audience: ClassVar[Literal["shared", "me"]] = "shared"
    search: Search = ""
    limit: Annotated[int, Meta(ge=1, le=100)] = 50
    cursor: Cursor | None = None

    def topics(self, uid: str) -> tuple[str, ...]:
        return (LIST_TOPIC,)


class Mine(Query, frozen=True, kw_only=True):
    """The parties that you host or have joined, also open ones in which you dropped out of sight."""

    function: ClassVar[str] = "party.mine"
    returns: ClassVar[Any] = MyPartiesPage
    errors: ClassVar[tuple[str, ...]] = ("bad-cursor",)
    limit: Annotated[int, Meta(ge=1, le=100)] = 50
    cursor: Cursor | None = None

    def topics(self, uid: str) -> tuple[str, ...]:
        return (mine_topic(uid),)


class ExportPage(Struct, frozen=True):
    """Some records, each an object that says in `record` what it is; `cursor` asks for the next, null at the end."""

    records: list[dict[str, Any]]
    cursor: str | None


class Export(Query, frozen=True, kw_only=True):
    """Everything that parties keep about me, part by part; `GET /v1/export` gives all of it as one file."""

    function: ClassVar[str] = "party.export"
    returns: ClassVar[Any] = ExportPage
    errors: ClassVar[tuple[str, ...]] = ("bad-cursor",)
    cursor: Cursor | None = None

    def topics(self, uid: str) -> tuple[str, ...]:
        return (mine_topic(uid),)


QUERIES: tuple[type[Query], ...] = (
    State, Members, Queue, Bans, ShowRights, ShowTimeline, ShowStatistics, ShowOverallStatistics, ListParties, Mine,
    Export,
)  # fmt: skip
