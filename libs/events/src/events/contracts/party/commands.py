"""What can be asked of a watch party."""

from typing import Annotated, Any, ClassVar, Literal

from msgspec import Meta, Struct

from events.contracts.erased import Entomb
from events.contracts.party.words import (
    CHANNEL,
    AccessKey,
    Avatar,
    MediaId,
    Name,
    Number,
    Rate,
    Reason,
    Reference,
    Role,
    Source,
    Status,
    Title,
)
from events.messages import Command, Context, Id, Key, MediaSeconds, Report

NO_PARTY = ("no-such-party", "party-closed")
MEMBER = (*NO_PARTY, "not-a-member")
CONTROL = (*MEMBER, "not-the-host", "rate-limited")
"""Refused alike whether the host alone may or those whom the permission table lets."""
MANAGE = (*MEMBER, "not-the-host", "rate-limited")

Uids = Annotated[tuple[Id, ...], Meta(max_length=1_000)]


def digits(secret: str) -> str:
    """Six digits out of a secret digest in hexadecimal."""
    return f"{int(secret[:16] or '0', 16) % 1_000_000:06d}"


class OpenedParty(Struct, frozen=True):
    """The answer to `party.open`."""

    party_id: str
    key: str | None = None
    """Six digits that let others into a private party. Kept only as a digest: this answer alone tells it."""


class NewKey(Struct, frozen=True):
    """The answer to what may have given a party a key."""

    key: str | None = None
    """The new key; null if there is none or the party keeps its old one."""


class QueuedItem(Struct, frozen=True):
    """The answer to `party.enqueue`."""

    item: str


class _OfMedia(Command, frozen=True, kw_only=True):
    media: MediaId
    media_title: Title | None = None
    season: Number | None = None
    episode: Number | None = None
    source: Source | None = None
    file_index: Number | None = None
    """Which file of the source, say of a torrent."""


class Open(_OfMedia, frozen=True, kw_only=True):
    """Open a party and become its host and first member."""

    function: ClassVar[str] = "party.open"
    personal: ClassVar[bool] = True
    returns: ClassVar[Any] = OpenedParty
    errors: ClassVar[tuple[str, ...]] = ("name-missing",)
    title: Title
    name: Name | None = None
    """How the others see you; the name in your token if not given."""
    avatar: Avatar = ""
    private: bool = False
    """A private party is joined by its unguessable id and a key, is not listed, and only members may read it."""
    key: AccessKey | None = None
    """Of a private party; one is made if it is not given."""

    def new_id(self, context: Context) -> str:
        """Short and unguessable: 80 bits of the command id, itself a keyed digest."""
        return context.command_id[:16]

    def keys(self, context: Context) -> tuple[Key, ...]:
        return (CHANNEL.key(self.new_id(context)),)

    def new_key(self, context: Context) -> str | None:
        return (self.key or digits(context.secret)) if self.private else None

    def result(self, context: Context) -> OpenedParty:
        return OpenedParty(self.new_id(context), self.new_key(context))


class _OfParty(Command, frozen=True, kw_only=True):
    party_id: Id

    def keys(self, context: Context) -> tuple[Key, ...]:
        return (CHANNEL.key(self.party_id),)


class _MediaOfParty(_OfMedia, frozen=True, kw_only=True):
    party_id: Id

    def keys(self, context: Context) -> tuple[Key, ...]:
        return (CHANNEL.key(self.party_id),)


# People.


class Join(_OfParty, frozen=True, kw_only=True):
    """Become a member. Who is a member already stays one, under the same name: joining again changes nothing.

    A private party asks for its key, except from who was a member and only dropped out of sight.
    """

    function: ClassVar[str] = "party.join"
    personal: ClassVar[bool] = True
    errors: ClassVar[tuple[str, ...]] = (
        *NO_PARTY, "name-missing", "banned", "party-locked", "key-needed", "wrong-key", "key-locked", "party-full",
    )  # fmt: skip
    name: Name | None = None
    """How the others see you; the name in your token if not given."""
    avatar: Avatar = ""
    key: AccessKey | None = None


class Leave(_OfParty, frozen=True, kw_only=True):
    """Stop being a member. When the host leaves, a co-host or the earliest member becomes host; the last one closes it.

    There is nothing to leave in a closed party: silence.
    """

    function: ClassVar[str] = "party.leave"
    errors: ClassVar[tuple[str, ...]] = ("no-such-party", "not-a-member")


class Profile(_OfParty, frozen=True, kw_only=True):
    """Change your own name, avatar or status in the party; what is not given stays."""

    function: ClassVar[str] = "party.profile"
    personal: ClassVar[bool] = True
    errors: ClassVar[tuple[str, ...]] = (*MEMBER, "name-missing")
    name: Name | None = None
    avatar: Avatar | None = None
    status: Status | None = None


class _OnMember(_OfParty, frozen=True, kw_only=True):
    uid: Id


class Kick(_OnMember, frozen=True, kw_only=True):
    """Put a member out, who may join again. Nobody puts out the host, and only the host puts out a co-host."""

    function: ClassVar[str] = "party.kick"
    errors: ClassVar[tuple[str, ...]] = (*MANAGE, "no-such-member")
    reason: Reason = ""
    """Kept in the log for the operator; nobody in the party is told."""


class Ban(_OnMember, frozen=True, kw_only=True):
    """Put somebody out for good, member or not. They can neither join nor follow until the ban is lifted."""

    function: ClassVar[str] = "party.ban"
    errors: ClassVar[tuple[str, ...]] = (*MANAGE, "too-many-bans")
    reason: Reason = ""
    """Told by `party.bans` to those who may ban, and to nobody else."""


class Unban(_OnMember, frozen=True, kw_only=True):
    """Lift a ban."""

    function: ClassVar[str] = "party.unban"
    errors: ClassVar[tuple[str, ...]] = MANAGE


class Lock(_OfParty, frozen=True, kw_only=True):
    """Let nobody else join, or let people join again. Members stay, and may come back after dropping out of sight."""

    function: ClassVar[str] = "party.lock"
    errors: ClassVar[tuple[str, ...]] = MANAGE
    locked: bool = True


class Appoint(_OnMember, frozen=True, kw_only=True):
    """Make a member co-host. Only the host may."""

    function: ClassVar[str] = "party.appoint"
    errors: ClassVar[tuple[str, ...]] = (*MANAGE, "no-such-member")


class Dismiss(_OnMember, frozen=True, kw_only=True):
    """Make a co-host an ordinary member again. Only the host may, or the co-host in person."""

    function: ClassVar[str] = "party.dismiss"
    errors: ClassVar[tuple[str, ...]] = (*MANAGE, "no-such-member")


class HandOver(_OnMember, frozen=True, kw_only=True):
    """Make another member host; the old host becomes a co-host. Only the host may."""

    function: ClassVar[str] = "party.hand_over"
    errors: ClassVar[tuple[str, ...]] = (*MANAGE, "no-such-member")


class PermissionChanges(Struct, frozen=True, forbid_unknown_fields=True):
    """The least role that an action is to need; null is what stays."""

    play: Role | None = None
    seek: Role | None = None
    media: Role | None = None
    queue: Role | None = None
    people: Role | None = None


class Configure(_OfParty, frozen=True, kw_only=True):
    """Change how the party is run; what is not given stays. Only the host may.

    Making a party private gives it a new key, told in the answer, also when it was private before: the old key opens it
    no more.
    """

    function: ClassVar[str] = "party.configure"
    returns: ClassVar[Any] = NewKey
    errors: ClassVar[tuple[str, ...]] = MANAGE
    title: Title | None = None
    private: bool | None = None
    capacity: Annotated[int, Meta(ge=1, le=1_000)] | None = None
    """Who is in already stays in."""
    permissions: PermissionChanges | None = None
    wait: bool | None = None
    wait_seconds: Annotated[float, Meta(ge=1, le=300)] | None = None
    reference: Reference | None = None
    grace_seconds: Annotated[float, Meta(ge=0, le=3_600)] | None = None
    queue_order: Literal["added", "votes"] | None = None

    def result(self, context: Context) -> NewKey:
        return NewKey(digits(context.secret) if self.private else None)


class Rekey(_OfParty, frozen=True, kw_only=True):
    """Give a private party a new key; the old one opens it no more. Only the host may."""

    function: ClassVar[str] = "party.rekey"
    returns: ClassVar[Any] = NewKey
    errors: ClassVar[tuple[str, ...]] = (*MANAGE, "not-private")
    key: AccessKey | None = None

    def result(self, context: Context) -> NewKey:
        return NewKey(self.key or digits(context.secret))


class Close(_OfParty, frozen=True, kw_only=True):
    """End the party for everybody. Only the host may; closing it again changes nothing."""

    function: ClassVar[str] = "party.close"
    errors: ClassVar[tuple[str, ...]] = (*MEMBER, "not-the-host")


# Playback.


class Play(_OfParty, frozen=True, kw_only=True):
    """Start playback for everybody, at a moment a little ahead, so that all start together.

    While it runs, another place within half a second of where it is changes nothing; one more than two seconds off
    needs the right to seek as well. In a party that waits for everyone, playback starts once all are ready; pressing
    play again starts it without them.
    """

    function: ClassVar[str] = "party.play"
    errors: ClassVar[tuple[str, ...]] = CONTROL
    position: MediaSeconds | None = None
    """Where in the video; where the party stands if not given."""
    countdown: Annotated[float, Meta(ge=0, le=30)] = 0.0
    """Seconds until it starts; clients count them down."""


class Pause(_OfParty, frozen=True, kw_only=True):
    """Stop playback for everybody, and any waiting.

    While it stands, another place within half a second of where it is changes nothing; one more than two seconds off
    needs the right to seek as well.
    """

    function: ClassVar[str] = "party.pause"
    errors: ClassVar[tuple[str, ...]] = CONTROL
    position: MediaSeconds | None = None
    """Where in the video; where the party then stands if not given, which needs no jump on any screen."""


class Seek(_OfParty, frozen=True, kw_only=True):
    """Move everybody to another position, playing or not as before."""

    function: ClassVar[str] = "party.seek"
    errors: ClassVar[tuple[str, ...]] = CONTROL
    position: MediaSeconds


class ChangeRate(_OfParty, frozen=True, kw_only=True):
    """Play faster or slower for everybody."""

    function: ClassVar[str] = "party.rate"
    errors: ClassVar[tuple[str, ...]] = CONTROL
    rate: Rate


class Undo(_OfParty, frozen=True, kw_only=True):
    """Take back the last control, whoever gave it: back to where playback was. Undoing that takes back the undo.

    What came from the queue goes back to its place there. Within half a second of another undo, anybody's, it was meant
    once and changes nothing. Needs the right to seek, and to change what is watched if that is taken back.
    """

    function: ClassVar[str] = "party.undo"
    errors: ClassVar[tuple[str, ...]] = (*CONTROL, "nothing-to-undo")


class Ready(_OfParty, frozen=True, kw_only=True):
    """Tell whether your player could start; a party that waits for everyone starts when the last one can.

    Who takes it back while others are waited for is waited for with them.
    """

    function: ClassVar[str] = "party.ready"
    errors: ClassVar[tuple[str, ...]] = MEMBER
    ready: bool = True


class Excuse(_OfParty, frozen=True, kw_only=True):
    """Ask not to be waited for, or to be waited for again."""

    function: ClassVar[str] = "party.excuse"
    errors: ClassVar[tuple[str, ...]] = MEMBER
    excused: bool = True


# What is watched, and what comes next.


class ChangeMedia(_MediaOfParty, frozen=True, kw_only=True):
    """Watch something else, from its beginning or a given position. Playback stands, and nobody is ready yet."""

    function: ClassVar[str] = "party.change_media"
    errors: ClassVar[tuple[str, ...]] = CONTROL
    position: MediaSeconds = 0.0


class Enqueue(_MediaOfParty, frozen=True, kw_only=True):
    """Put something at the end of the queue."""

    function: ClassVar[str] = "party.enqueue"
    returns: ClassVar[Any] = QueuedItem
    errors: ClassVar[tuple[str, ...]] = (*MEMBER, "queue-full")

    def new_item(self, context: Context) -> str:
        return context.command_id[:12]

    def result(self, context: Context) -> QueuedItem:
        return QueuedItem(self.new_item(context))


class MoveItem(_OfParty, frozen=True, kw_only=True):
    """Put a queued item before another one, or at the end."""

    function: ClassVar[str] = "party.move"
    errors: ClassVar[tuple[str, ...]] = (*MEMBER, "not-the-host", "no-such-item")
    item: Id
    before: Id | None = None


class Dequeue(_OfParty, frozen=True, kw_only=True):
    """Take an item off the queue: your own, or any if you may order the queue. One that is gone is gone."""

    function: ClassVar[str] = "party.dequeue"
    errors: ClassVar[tuple[str, ...]] = (*MEMBER, "not-the-host")
    item: Id


class Vote(_OfParty, frozen=True, kw_only=True):
    """Vote for a queued item, or take your vote back."""

    function: ClassVar[str] = "party.vote"
    errors: ClassVar[tuple[str, ...]] = (*MEMBER, "no-such-item")
    item: Id
    up: bool = True


class Next(_OfParty, frozen=True, kw_only=True):
    """Go on with the next item of the queue. What was changed within half a second before is not passed over."""

    function: ClassVar[str] = "party.next"
    errors: ClassVar[tuple[str, ...]] = (*CONTROL, "queue-empty")


class Skip(_OfParty, frozen=True, kw_only=True):
    """Vote to skip what is watched, or take that back. With more than half of those present the party goes on, be it
    because others leave."""

    function: ClassVar[str] = "party.skip"
    errors: ClassVar[tuple[str, ...]] = (*MEMBER, "queue-empty")
    skip: bool = True


# Telemetry.


class SyncReport(Report, frozen=True, kw_only=True):
    """Tell where your player is, about every three seconds; nothing of it is kept as a fact.

    Positions are the party's: a member whose copy starts later has taken that off. Who has reported and then does not
    for ten seconds counts as gone.
    """

    function: ClassVar[str] = "party.report"
    channel: ClassVar[str] = CHANNEL.kind
    errors: ClassVar[tuple[str, ...]] = (*MEMBER, "banned")
    party_id: Id
    position: MediaSeconds
    at: Annotated[float, Meta(ge=0)]
    """Server time in milliseconds, as you know it, at which the player was there."""
    playing: bool = False
    buffering: bool = False
    """Whether it should play and cannot."""
    rate: Annotated[float, Meta(ge=0, le=16)] = 1.0
    rtt: Annotated[float, Meta(ge=0, le=60)] = 0.0
    """Seconds from asking the time to the answer, at best, lately."""
    uncertainty: Annotated[float, Meta(ge=0, le=60)] = 0.0
    """Seconds by which your idea of server time may be wrong."""
    stalls: Annotated[int, Meta(ge=0, le=1_000_000)] = 0
    seeks: Annotated[int, Meta(ge=0, le=1_000_000)] = 0
    """How often it stalled, and was set to another place to be in sync, since it was opened."""
    hidden: bool = False
    """Whether nobody can see it just now."""

    def channel_id(self) -> str:
        return self.party_id


# What timers and observation ask for.


class _Internal(_OfParty, frozen=True, kw_only=True):
    internal: ClassVar[bool] = True


class Expire(_Internal, frozen=True, kw_only=True):
    """Close the party if nothing has happened in it for `EXPIRES_AFTER` and nobody is there."""

    function: ClassVar[str] = "party.expire"


class WarnOfExpiry(_Internal, frozen=True, kw_only=True):
    """Tell members that the party is about to expire."""

    function: ClassVar[str] = "party.warn"


class Miss(_Internal, frozen=True, kw_only=True):
    """The host has not been seen since a moment."""

    function: ClassVar[str] = "party.miss"
    uid: Id
    since: float
    """Unix seconds."""


class Find(_Internal, frozen=True, kw_only=True):
    """The host is there again."""

    function: ClassVar[str] = "party.find"
    uid: Id


class Succeed(_Internal, frozen=True, kw_only=True):
    """Give the party another host if its own has been missing for longer than the grace."""

    function: ClassVar[str] = "party.succeed"


class Drop(_Internal, frozen=True, kw_only=True):
    """These members have not been seen for a long time: take them off the list."""

    function: ClassVar[str] = "party.drop"
    uids: Uids


class Hold(_Internal, frozen=True, kw_only=True):
    """These members' players have stalled, and the party's reference policy says that it waits for them."""

    function: ClassVar[str] = "party.hold"
    uids: Uids


class Release(_Internal, frozen=True, kw_only=True):
    """Go on: those waited for are there, or the wait has been long enough."""

    function: ClassVar[str] = "party.release"
    recovered: Uids = ()
    """Who is there now, as observed; nobody when the timer asks."""


class EntombInParties(Entomb, frozen=True, kw_only=True):
    """Say in the parties' log that a person is being erased, or was."""

    function: ClassVar[str] = "party.entomb"


PartyCommand = (
    Open | Join | Leave | Profile | Kick | Ban | Unban | Lock | Appoint | Dismiss | HandOver | Configure | Rekey | Close
    | Play | Pause | Seek | ChangeRate | Undo | Ready | Excuse
    | ChangeMedia | Enqueue | MoveItem | Dequeue | Vote | Next | Skip
    | Expire | WarnOfExpiry | Miss | Find | Succeed | Drop | Hold | Release
)  # fmt: skip

COMMANDS: tuple[type[Command], ...] = (
    Open, Join, Leave, Profile, Kick, Ban, Unban, Lock, Appoint, Dismiss, HandOver, Configure, Rekey, Close,
    Play, Pause, Seek, ChangeRate, Undo, Ready, Excuse,
    ChangeMedia, Enqueue, MoveItem, Dequeue, Vote, Next, Skip,
    Expire, WarnOfExpiry, Miss, Find, Succeed, Drop, Hold, Release, EntombInParties,
)  # fmt: skip

REPORTS: tuple[type[Report], ...] = (SyncReport,)

ROLES: tuple[Role, ...] = ("member", "cohost", "host")
"""From the least on."""
