"""What can be asked of a watch party, and what can have happened to one."""

from datetime import datetime, timedelta
from typing import Annotated, Any, ClassVar, Literal

from msgspec import Meta, Struct

from events.messages import NO_NUL, Channel, Command, Context, Ended, Event, Id, Key, MediaSeconds, Personal, Query

CONTEXT = "parties"
CHANNEL = Channel("party", CONTEXT)

Title = Annotated[str, Meta(min_length=1, max_length=200, pattern=NO_NUL)]
Media = Annotated[str, Meta(min_length=1, max_length=2_000, pattern=NO_NUL)]
"""What is watched: any id, or a URL."""
Name = Annotated[str, Meta(min_length=1, max_length=64, pattern=NO_NUL)]
"""A display name, as its owner typed it."""
PageSize = Annotated[int, Meta(ge=1, le=500)]
Cursor = Annotated[str, Meta(max_length=2_000)]

EXPIRES_AFTER = timedelta(hours=24)
"""A party in which nothing has happened for so long is closed (the anime seed's clean-up rule)."""

LONGEST = 604_800.0
"""Where a playback that nobody stops comes to rest: the end of what a position may be."""

NO_PARTY = ("no-such-party", "party-closed")
CONTROL = (*NO_PARTY, "not-a-member", "not-the-host")


def topic(party_id: str) -> str:
    """Touched by every change of the party."""
    return f"party:{party_id}"


def access_topic(party_id: str) -> str:
    """Touched when somebody's right to see the party may have ended."""
    return f"party-access:{party_id}"


class OpenedParty(Struct, frozen=True):
    """The answer to `party.open`."""

    party_id: str


class Open(Command, frozen=True):
    """Open a party and become its host and first member."""

    function: ClassVar[str] = "party.open"
    returns: ClassVar[Any] = OpenedParty
    errors: ClassVar[tuple[str, ...]] = ("name-missing",)
    title: Title
    media: Media
    name: Name | None = None
    """How the others see you; the name in your token if not given."""
    private: bool = False
    """A private party is joined by its unguessable id alone, and only members may read or follow it."""

    def new_id(self, context: Context) -> str:
        """Short and unguessable: 80 bits of the command id, itself a keyed digest."""
        return context.command_id[:16]

    def keys(self, context: Context) -> tuple[Key, ...]:
        return (CHANNEL.key(self.new_id(context)),)

    def result(self, context: Context) -> OpenedParty:
        return OpenedParty(self.new_id(context))


class _OfParty(Command, frozen=True):
    party_id: Id

    def keys(self, context: Context) -> tuple[Key, ...]:
        return (CHANNEL.key(self.party_id),)


class Join(_OfParty, frozen=True):
    """Become a member. Who is a member already stays one, under the same name: joining again changes nothing."""

    function: ClassVar[str] = "party.join"
    errors: ClassVar[tuple[str, ...]] = (*NO_PARTY, "name-missing", "party-full")
    name: Name | None = None
    """How the others see you; the name in your token if not given."""


class Leave(_OfParty, frozen=True):
    """Stop being a member. When the host leaves, the earliest member becomes host; the last one closes the party.

    There is nothing to leave in a closed party: silence.
    """

    function: ClassVar[str] = "party.leave"
    errors: ClassVar[tuple[str, ...]] = ("no-such-party", "not-a-member")


class Play(_OfParty, frozen=True):
    """Start playback for everybody. Only the host may.

    While it runs, another place within half a second of where it is changes nothing.
    """

    function: ClassVar[str] = "party.play"
    errors: ClassVar[tuple[str, ...]] = CONTROL
    position: MediaSeconds | None = None
    """Where in the video; where the party stands if not given."""


class Pause(_OfParty, frozen=True):
    """Stop playback for everybody. Only the host may.

    While it stands, another place within half a second of where it is changes nothing.
    """

    function: ClassVar[str] = "party.pause"
    errors: ClassVar[tuple[str, ...]] = CONTROL
    position: MediaSeconds | None = None
    """Where in the video; where the party stands if not given."""


class Seek(_OfParty, frozen=True):
    """Move everybody to another position, playing or not as before. Only the host may."""

    function: ClassVar[str] = "party.seek"
    errors: ClassVar[tuple[str, ...]] = CONTROL
    position: MediaSeconds


class Close(_OfParty, frozen=True):
    """End the party for everybody. Only the host may; closing it again changes nothing."""

    function: ClassVar[str] = "party.close"
    errors: ClassVar[tuple[str, ...]] = CONTROL


class Expire(_OfParty, frozen=True):
    """Close the party if nothing has happened in it for `EXPIRES_AFTER`."""

    function: ClassVar[str] = "party.expire"
    internal: ClassVar[bool] = True


PartyCommand = Open | Join | Leave | Play | Pause | Seek | Close | Expire


class Opened(Event, frozen=True, tag="party.opened"):
    """A party was opened; its host joins it in the same commit."""

    public: ClassVar[tuple[str, ...]] = ("host", "title", "media", "private", "at")
    party_id: str
    host: str
    title: str
    media: str
    private: bool
    at: datetime


class Joined(Event, frozen=True, tag="party.joined"):
    """Somebody became a member."""

    public: ClassVar[tuple[str, ...]] = ("uid", "at")
    uid: str
    name: Personal[str]
    at: datetime


class Left(Event, frozen=True, tag="party.left"):
    """Somebody stopped being a member."""

    public: ClassVar[tuple[str, ...]] = ("uid", "at")
    uid: str
    private: bool
    """Whether the right to follow went with the membership."""
    at: datetime

    def ends(self) -> Ended | None:
        return Ended("left", self.uid) if self.private else None

    def leaves(self) -> str:
        return self.uid


class HostChanged(Event, frozen=True, tag="party.host-changed"):
    """Somebody else is host now, and why."""

    public: ClassVar[tuple[str, ...]] = ("uid", "reason", "at")
    uid: str
    reason: Literal["host-left"]
    at: datetime


class Played(Event, frozen=True, tag="party.played"):
    """Playback runs: at server time `at` it is at `position`."""

    public: ClassVar[tuple[str, ...]] = ("by", "position", "rate", "at")
    by: str
    position: float
    at: datetime
    rate: float = 1.0


class Paused(Event, frozen=True, tag="party.paused"):
    """Playback stands at `position`."""

    public: ClassVar[tuple[str, ...]] = ("by", "position", "at")
    by: str
    position: float
    at: datetime


class Sought(Event, frozen=True, tag="party.sought"):
    """Playback was moved to `position`; it runs or stands as before."""

    public: ClassVar[tuple[str, ...]] = ("by", "position", "at")
    by: str
    position: float
    at: datetime


class Closed(Event, frozen=True, tag="party.closed"):
    """The party is over."""

    public: ClassVar[tuple[str, ...]] = ("by", "reason", "at")
    by: str
    reason: Literal["closed", "empty", "expired"]
    at: datetime

    def ends(self) -> Ended | None:
        return Ended("closed")


PartyEvent = Opened | Joined | Left | HostChanged | Played | Paused | Sought | Closed


class PartyView(Struct, frozen=True):
    """What the screen of a party shows. Where playback is now: `position + rate * (server time - at)` while playing.

    A closed party can still be read; it stands where it was when it was closed.
    """

    party_id: str
    title: str
    media: str
    host: str
    private: bool
    playing: bool
    position: float
    rate: float
    at: datetime
    """Server time at which `position` holds."""
    members: int
    opened_at: datetime
    closed_at: datetime | None
    closed_because: str | None


class MemberView(Struct, frozen=True):
    """A member, in the order of joining."""

    uid: str
    name: str
    """Empty after the person was erased."""
    host: bool
    joined_at: datetime


class MembersPage(Struct, frozen=True):
    """Members, earliest first; `cursor` asks for the next page, null when there is none."""

    members: list[MemberView]
    cursor: str | None


class Room(Struct, frozen=True):
    """The snapshot with which following a party begins: its state and the first 100 members."""

    party: PartyView
    members: list[MemberView]


class State(Query, frozen=True):
    """The party as its screen shows it. A private one is for its members."""

    function: ClassVar[str] = "party.state"
    returns: ClassVar[Any] = PartyView
    errors: ClassVar[tuple[str, ...]] = ("no-such-party", "not-a-member")
    audience: ClassVar[Literal["shared", "me"]] = "shared"
    party_id: Id

    def topics(self, uid: str) -> tuple[str, ...]:
        return (topic(self.party_id),)

    def access(self, uid: str) -> tuple[str, ...]:
        return (access_topic(self.party_id),)


class Members(Query, frozen=True):
    """Who is in the party, earliest first."""

    function: ClassVar[str] = "party.members"
    returns: ClassVar[Any] = MembersPage
    errors: ClassVar[tuple[str, ...]] = ("no-such-party", "not-a-member", "bad-cursor")
    audience: ClassVar[Literal["shared", "me"]] = "shared"
    party_id: Id
    limit: PageSize = 100
    cursor: Cursor | None = None

    def topics(self, uid: str) -> tuple[str, ...]:
        return (topic(self.party_id),)

    def access(self, uid: str) -> tuple[str, ...]:
        return (access_topic(self.party_id),)


COMMANDS: tuple[type[Command], ...] = (Open, Join, Leave, Play, Pause, Seek, Close, Expire)
QUERIES: tuple[type[Query], ...] = (State, Members)
EVENTS: tuple[type[Event], ...] = (Opened, Joined, Left, HostChanged, Played, Paused, Sought, Closed)
