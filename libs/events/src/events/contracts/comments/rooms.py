"""What is said in a room, a party's or a live event's, line by line, and how a live event goes."""

from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal

from msgspec import Meta, Struct

from events.contracts.comments.words import (
    LIVE,
    LIVES_TOPIC,
    MENTIONED,
    SITE,
    WORDS,
    Avatar,
    CommentId,
    Cursor,
    Line,
    Links,
    LiveId,
    MediaId,
    Name,
    PageSize,
    Reason,
    Room,
    Title,
    Veil,
    Why,
    access_topics,
    audience_topic,
    mine_topic,
    party_in,
    room_key,
    room_topic,
    standing_key,
    standing_topic,
)
from events.messages import NO_NUL, Command, Context, Event, Id, Key, MediaSeconds, Personal, Query, Report

IN_ROOM = ("no-such-party", "not-a-member", "banned", "no-such-live")
"""Of a party's room as the party says; `banned` also by moderators."""
SPEAKING = (*IN_ROOM, "party-closed", "live-ended", "muted", "chat-closed", "text-unreadable", "words-refused",
            "links-refused", "rate-limited", "slow-mode")  # fmt: skip
IN_CHARGE = (*IN_ROOM, "not-a-moderator")

Word = Annotated[str, Meta(min_length=1, max_length=50, pattern=NO_NUL)]
Words = Annotated[tuple[Word, ...], Meta(max_length=WORDS)]


class SaidLine(Struct, frozen=True):
    """The answer to `chat.say`."""

    line: str


class RoomSettings(Struct, frozen=True, kw_only=True):
    """How a room is run; its moderators set it by `chat.configure`."""

    open: bool = True
    """Whether others than moderators may speak."""
    slow_seconds: float = 0.0
    """Between two lines of one person; 0 for no limit of the room's own."""
    links: Links = "allow"
    words: tuple[str, ...] = ()
    """That are not to be said, here and in the party's own threads: whole words, or beginnings that end with `*`."""


class _InRoom(Command, frozen=True, kw_only=True):
    room: Room

    def keys(self, context: Context) -> tuple[Key, ...]:
        return (room_key(self.room),)

    def looks_at(self, context: Context) -> tuple[Key, ...]:
        return (standing_key(SITE, context.actor), standing_key(self.room, context.actor))


class Say(_InRoom, frozen=True, kw_only=True):
    """Say something in a room; everybody who follows its channel sees it."""

    function: ClassVar[str] = "chat.say"
    personal: ClassVar[bool] = True
    returns: ClassVar[Any] = SaidLine
    errors: ClassVar[tuple[str, ...]] = (*SPEAKING, "name-missing", "no-such-line")
    text: Line
    answers: CommentId | None = None
    """A line among the newest 500."""
    media_seconds: MediaSeconds | None = None
    """Where your picture was: who is behind it may ask their client to show the line when they get there."""
    mentions: Annotated[tuple[Id, ...], Meta(max_length=MENTIONED)] = ()
    name: Name | None = None
    """How the others see you; the name in your token if not given."""
    avatar: Avatar = ""

    def new_line(self, context: Context) -> str:
        return context.command_id[:16]

    def result(self, context: Context) -> SaidLine:
        return SaidLine(self.new_line(context))


class _OnLine(_InRoom, frozen=True, kw_only=True):
    line: CommentId


class DeleteLine(_OnLine, frozen=True, kw_only=True):
    """Take back a line of yours, for good, while it is among the newest 500."""

    function: ClassVar[str] = "chat.delete"
    errors: ClassVar[tuple[str, ...]] = (*IN_ROOM, "no-such-line", "not-yours")


class HideLine(_OnLine, frozen=True, kw_only=True):
    """Take a line off all screens, until it is restored."""

    function: ClassVar[str] = "chat.hide"
    errors: ClassVar[tuple[str, ...]] = (*IN_CHARGE, "no-such-line")
    reason: Reason = ""


class RestoreLine(_OnLine, frozen=True, kw_only=True):
    """Show a line that was hidden, or that a rule held back."""

    function: ClassVar[str] = "chat.restore"
    errors: ClassVar[tuple[str, ...]] = (*IN_CHARGE, "no-such-line")
    reason: Reason = ""


class ReviewLine(_OnLine, frozen=True, kw_only=True):
    """Say that there is nothing wrong with a line: what was reported of it so far is done with."""

    function: ClassVar[str] = "chat.review"
    errors: ClassVar[tuple[str, ...]] = (*IN_CHARGE, "no-such-line")
    reason: Reason = ""


class PinLine(_InRoom, frozen=True, kw_only=True):
    """Show one line above the others; none if no line is given."""

    function: ClassVar[str] = "chat.pin"
    errors: ClassVar[tuple[str, ...]] = (*IN_CHARGE, "no-such-line")
    line: CommentId | None = None


class ReportLine(Command, frozen=True, kw_only=True):
    """Tell the moderators that something is wrong with a line. Once is enough: again changes nothing."""

    function: ClassVar[str] = "chat.report"
    personal: ClassVar[bool] = True
    errors: ClassVar[tuple[str, ...]] = (*IN_ROOM, "no-such-line", "rate-limited")
    room: Room
    line: CommentId
    why: Why
    words: Reason = ""

    def keys(self, context: Context) -> tuple[Key, ...]:
        return (Key.of("report", self.room, self.line, context.actor),)

    def looks_at(self, context: Context) -> tuple[Key, ...]:
        uid = context.actor
        return (room_key(self.room), standing_key(SITE, uid), standing_key(self.room, uid))


class ConfigureRoom(_InRoom, frozen=True, kw_only=True):
    """Change how a room is run; what is not given stays."""

    function: ClassVar[str] = "chat.configure"
    errors: ClassVar[tuple[str, ...]] = IN_CHARGE
    open: bool | None = None
    slow_seconds: Annotated[float, Meta(ge=0, le=3_600)] | None = None
    links: Links | None = None
    words: Words | None = None


class _OfLive(Command, frozen=True, kw_only=True):
    live_id: LiveId

    def keys(self, context: Context) -> tuple[Key, ...]:
        return (LIVE.key(self.live_id),)

    def looks_at(self, context: Context) -> tuple[Key, ...]:
        return (standing_key(SITE, context.actor),)


class StartLive(_OfLive, frozen=True, kw_only=True):
    """Start a live event, or go on with your own after it was lost or ended: a new session of it begins.

    Whoever starts it first owns it. While it is on, this changes its title and what it is about. Its owner reports by
    `live.report`; it ends when nothing is heard for a minute.
    """

    function: ClassVar[str] = "live.start"
    errors: ClassVar[tuple[str, ...]] = (
        "banned", "muted", "not-yours", "not-a-broadcaster", "text-unreadable", "words-refused", "links-refused",
        "rate-limited",
    )  # fmt: skip
    title: Title
    media: MediaId | None = None


class EndLive(_OfLive, frozen=True, kw_only=True):
    """End a live event; what was said stays to be read."""

    function: ClassVar[str] = "live.end"
    errors: ClassVar[tuple[str, ...]] = ("no-such-live", "not-yours")


class AppointModerator(_OfLive, frozen=True, kw_only=True):
    """Make somebody a moderator of your live event, or no longer."""

    function: ClassVar[str] = "live.appoint"
    errors: ClassVar[tuple[str, ...]] = ("no-such-live", "not-yours", "too-many-moderators")
    uid: Id
    moderator: bool = True


class LoseLive(_OfLive, frozen=True, kw_only=True):
    """Nothing was heard of the live event for `LOST_AFTER`."""

    function: ClassVar[str] = "live.lose"
    internal: ClassVar[bool] = True
    session: int
    """The one that was lost: another may have begun."""

    def looks_at(self, context: Context) -> tuple[Key, ...]:
        return ()


class LiveReport(Report, frozen=True, kw_only=True):
    """Tell that your live event goes on, every ten seconds or so; nothing of it is kept as a fact."""

    function: ClassVar[str] = "live.report"
    channel: ClassVar[str] = LIVE.kind
    errors: ClassVar[tuple[str, ...]] = ("no-such-live", "banned")
    live_id: LiveId
    media_seconds: MediaSeconds | None = None
    """How long it has been going on, as its picture shows."""

    def channel_id(self) -> str:
        return self.live_id


# What happened.


class _Line(Event, frozen=True, kw_only=True):
    room: str
    line: str
    uid: str
    name: Personal[str]
    text: str
    at: datetime
    avatar: Personal[str] = ""
    answers: str | None = None
    answered_reads: bool = True
    """Whether whoever it answers might read it then."""
    media_seconds: float | None = None
    mentions: tuple[str, ...] = ()


class Said(_Line, frozen=True, kw_only=True, tag="comments.said"):
    """Somebody said something. Their name is in the room's state, and told as `person` shortly after
    their first line if it was not known there."""

    public: ClassVar[tuple[str, ...]] = ("line", "uid", "text", "answers", "media_seconds", "mentions", "at")


class SaidUnseen(_Line, frozen=True, kw_only=True, tag="comments.said-unseen"):
    """Somebody said something that others do not see: a rule holds it back, or they speak in the shadow."""

    veil: Veil
    rule: str = ""


class LineDeleted(Event, frozen=True, kw_only=True, tag="comments.line-deleted"):
    """Its author took a line back."""

    public: ClassVar[tuple[str, ...]] = ("line", "at")
    room: str
    line: str
    uid: str
    at: datetime


class UnseenDeleted(LineDeleted, frozen=True, kw_only=True, tag="comments.unseen-deleted"):
    """Its author took back a line that others did not see: they are not told that there was one."""

    public: ClassVar[tuple[str, ...]] = ()


class LineReported(Event, frozen=True, kw_only=True, tag="comments.line-reported"):
    """Somebody told the moderators of a line; in the log of their report, not in the room's."""

    room: str
    line: str
    uid: str
    why: Why
    at: datetime
    words: Personal[str] = ""


class LineHidden(Event, frozen=True, kw_only=True, tag="comments.line-hidden"):
    """A moderator took a line off all screens."""

    public: ClassVar[tuple[str, ...]] = ("line", "at")
    room: str
    line: str
    by: str
    at: datetime
    reason: str = ""


class UnseenHidden(LineHidden, frozen=True, kw_only=True, tag="comments.unseen-hidden"):
    """A moderator hid a line that others did not see: it was on no screen but its author's."""

    public: ClassVar[tuple[str, ...]] = ()


class LineRestored(Event, frozen=True, kw_only=True, tag="comments.line-restored"):
    """A moderator lets everybody see a line: with all there is to show, since it may never have been told."""

    public: ClassVar[tuple[str, ...]] = (
        "line", "uid", "text", "answers", "media_seconds", "mentions", "said_at", "at",
    )  # fmt: skip
    room: str
    line: str
    uid: str
    text: str
    said_at: datetime
    by: str
    at: datetime
    answers: str | None = None
    media_seconds: float | None = None
    mentions: tuple[str, ...] = ()
    reason: str = ""


class LineReviewed(Event, frozen=True, kw_only=True, tag="comments.line-reviewed"):
    """A moderator looked at a line and let it be; nobody else is told."""

    room: str
    line: str
    by: str
    at: datetime
    reason: str = ""


class LinePinned(Event, frozen=True, kw_only=True, tag="comments.line-pinned"):
    """One line is shown above the others, or none any more."""

    public: ClassVar[tuple[str, ...]] = ("line", "at")
    room: str
    line: str | None
    by: str
    at: datetime


class RoomConfigured(Event, frozen=True, kw_only=True, tag="comments.room-configured"):
    """The room is run differently: all its settings from now on."""

    public: ClassVar[tuple[str, ...]] = ("open", "slow_seconds", "links", "at")
    room: str
    by: str
    at: datetime
    open: bool
    slow_seconds: float
    links: Links
    words: tuple[str, ...]


class LiveStarted(Event, frozen=True, kw_only=True, tag="comments.live-started"):
    """A session of a live event began; the first one makes the event, and its owner."""

    channels: ClassVar[tuple[str, ...]] = (LIVE.kind,)
    public: ClassVar[tuple[str, ...]] = ("title", "media", "session", "by", "at")
    live_id: str
    session: int
    title: str
    by: str
    at: datetime
    media: str | None = None
    veil: Veil = ""
    """`shadow` if it is in nobody else's list."""


class LiveChanged(Event, frozen=True, kw_only=True, tag="comments.live-changed"):
    """Its owner gave a live event that is on another title, or says that it is about something else."""

    channels: ClassVar[tuple[str, ...]] = (LIVE.kind,)
    public: ClassVar[tuple[str, ...]] = ("title", "media", "session", "at")
    live_id: str
    session: int
    title: str
    by: str
    at: datetime
    media: str | None = None
    veil: Veil = ""
    """`shadow` if it is in nobody else's list."""


class LiveEnded(Event, frozen=True, kw_only=True, tag="comments.live-ended"):
    """A session is over."""

    channels: ClassVar[tuple[str, ...]] = (LIVE.kind,)
    public: ClassVar[tuple[str, ...]] = ("session", "reason", "at")
    live_id: str
    session: int
    reason: Literal["ended", "lost"]
    by: str
    at: datetime


class ModeratorAppointed(Event, frozen=True, kw_only=True, tag="comments.moderator-appointed"):
    """Somebody is a moderator of a live event, or no longer."""

    channels: ClassVar[tuple[str, ...]] = (LIVE.kind,)
    public: ClassVar[tuple[str, ...]] = ("uid", "moderator", "at")
    live_id: str
    uid: str
    moderator: bool
    by: str
    at: datetime

    def leaves(self) -> str | None:
        return None if self.moderator else self.uid


class LiveSampled(Event, frozen=True, kw_only=True, tag="comments.live-sampled"):
    """How many were there at one moment; the newest of each live event is kept, outside the log."""

    telemetry: ClassVar[bool] = True
    live_id: str
    session: int
    viewers: int
    most: int
    """In this session so far, as far as is known."""
    at: datetime


# What it looks like.


class PersonView(Struct, frozen=True):
    """Who somebody is, as they called themselves last in this room; empty after they were erased."""

    name: str
    avatar: str


class LineView(Struct, frozen=True, kw_only=True):
    """A line of a room. `data` of `comments.said` on the channel has the same fields, but for the name."""

    line: str
    uid: str
    name: str
    avatar: str
    text: str
    """As it was typed: plain text. Whoever shows it as HTML escapes it, and makes links of http and https alone."""
    answers: str | None
    media_seconds: float | None
    mentions: list[str]
    at: datetime
    position: str
    """In the log: `chat.history` goes on from there."""


class LivePart(Struct, frozen=True, kw_only=True):
    """What a room is besides, if it is that of a live event."""

    title: str
    media: str | None
    owner: str
    session: int
    on: bool
    started_at: datetime
    ended_at: datetime | None
    viewers: int
    """At the newest sample; presence on the channel tells it as it changes."""
    most_viewers: int
    """At once, in this session."""


class RoomState(Struct, frozen=True, kw_only=True):
    """The snapshot with which following a room begins."""

    room: str
    open: bool
    slow_seconds: float
    links: Links
    words: list[str]
    """That are not to be said; empty for others than its moderators."""
    pinned: LineView | None
    lines: list[LineView]
    """The newest fifty, oldest first. Further back leads `chat.history`."""
    people: dict[str, PersonView]
    """The names of everybody in `lines`, and of who else spoke last; 200 at most."""
    live: LivePart | None
    may_moderate: bool
    muted: bool
    muted_until: datetime | None
    """Null for good, as far as `muted` is true."""


class LinesPage(Struct, frozen=True):
    """Lines, oldest first; `cursor` asks for those before them, null where they begin: older ones are not kept."""

    lines: list[LineView]
    cursor: str | None


class MyLine(LineView, frozen=True, kw_only=True):
    """A line of mine that others do not see, or not yet; both are false where I am not told why."""

    held: bool
    """Whether a moderator has to look at it first."""
    hidden: bool
    """Whether a moderator has hidden it."""


class MyLines(Struct, frozen=True):
    """Lines of mine, oldest first, for putting among those that everybody sees."""

    lines: list[MyLine]


class LiveView(Struct, frozen=True, kw_only=True):
    """A live event."""

    live_id: str
    title: str
    media: str | None
    owner: str
    session: int
    on: bool
    started_at: datetime
    ended_at: datetime | None
    reason: str | None
    """Why it ended: `ended` or `lost`."""
    viewers: int
    most_viewers: int
    lines: int
    """Said in it, as far as they are kept."""
    moderators: list[str]


class LivesPage(Struct, frozen=True):
    """Live events: those that are on first, most viewers first; `cursor` asks for more, null when there are none."""

    lives: list[LiveView]
    cursor: str | None


class People(Struct, frozen=True):
    """Names, by uid, of those who have ever spoken there."""

    people: dict[str, PersonView]


# What can be asked.


class _OfRoom(Query, frozen=True, kw_only=True):
    audience: ClassVar[Literal["shared", "me"]] = "shared"
    errors: ClassVar[tuple[str, ...]] = IN_ROOM
    room: Room

    def topics(self, uid: str) -> tuple[str, ...]:
        return (room_topic(self.room),)

    def access(self, uid: str) -> tuple[str, ...]:
        return access_topics(uid, party_in(self.room))


class ShowHistory(_OfRoom, frozen=True, kw_only=True):
    """What was said in a room, newest page first, as far back as lines are kept."""

    function: ClassVar[str] = "chat.history"
    returns: ClassVar[Any] = LinesPage
    errors: ClassVar[tuple[str, ...]] = (*IN_ROOM, "bad-cursor")
    limit: PageSize = 50
    cursor: Cursor | None = None


class ShowMyLines(_OfRoom, frozen=True, kw_only=True):
    """The newest lines of mine in a room that others do not see, and whether a moderator has to look at them first or
    has hidden them; a hundred at most."""

    function: ClassVar[str] = "chat.mine"
    returns: ClassVar[Any] = MyLines
    audience: ClassVar[Literal["shared", "me"]] = "me"

    def topics(self, uid: str) -> tuple[str, ...]:
        return (room_topic(self.room), mine_topic(uid))


class ShowPeople(_OfRoom, frozen=True, kw_only=True):
    """The names of some people who have spoken in a room."""

    function: ClassVar[str] = "chat.people"
    returns: ClassVar[Any] = People
    uids: Annotated[tuple[Id, ...], Meta(min_length=1, max_length=100)]


class ShowLive(Query, frozen=True, kw_only=True):
    """A live event, and how many are there."""

    function: ClassVar[str] = "live.state"
    returns: ClassVar[Any] = LiveView
    errors: ClassVar[tuple[str, ...]] = ("no-such-live", "banned")
    audience: ClassVar[Literal["shared", "me"]] = "shared"
    live_id: LiveId

    def topics(self, uid: str) -> tuple[str, ...]:
        return (f"{LIVE.kind}:{self.live_id}", audience_topic(self.live_id))

    def access(self, uid: str) -> tuple[str, ...]:
        return (standing_topic(uid),)


class ListLives(Query, frozen=True, kw_only=True):
    """Live events."""

    function: ClassVar[str] = "live.list"
    returns: ClassVar[Any] = LivesPage
    errors: ClassVar[tuple[str, ...]] = ("banned", "bad-cursor")
    audience: ClassVar[Literal["shared", "me"]] = "shared"
    on: bool = True
    """Only those that are on."""
    limit: Annotated[int, Meta(ge=1, le=50)] = 20
    cursor: Cursor | None = None

    def topics(self, uid: str) -> tuple[str, ...]:
        return (LIVES_TOPIC,)

    def access(self, uid: str) -> tuple[str, ...]:
        return (standing_topic(uid),)


class ShowMyLives(Query, frozen=True, kw_only=True):
    """The newest live events of mine, a hundred at most, also such as are in nobody else's list: beside `live.list`."""

    function: ClassVar[str] = "live.mine"
    returns: ClassVar[Any] = LivesPage
    errors: ClassVar[tuple[str, ...]] = ("banned",)

    def topics(self, uid: str) -> tuple[str, ...]:
        return (LIVES_TOPIC,)

    def access(self, uid: str) -> tuple[str, ...]:
        return (standing_topic(uid),)


RoomCommand = (
    Say
    | DeleteLine
    | HideLine
    | RestoreLine
    | ReviewLine
    | PinLine
    | ConfigureRoom
    | StartLive
    | EndLive
    | AppointModerator
    | LoseLive
)
RoomEvent = (
    Said | SaidUnseen | LineDeleted | LineHidden | LineRestored | LineReviewed | LinePinned | RoomConfigured
    | LiveStarted | LiveChanged | LiveEnded | ModeratorAppointed
)  # fmt: skip

ROOM_COMMANDS: tuple[type[Command], ...] = (
    Say, DeleteLine, HideLine, RestoreLine, ReviewLine, PinLine, ReportLine, ConfigureRoom,
    StartLive, EndLive, AppointModerator, LoseLive,
)  # fmt: skip
ROOM_EVENTS: tuple[type[Event], ...] = (
    Said, SaidUnseen, LineDeleted, LineHidden, LineRestored, LinePinned, RoomConfigured,
    LiveStarted, LiveChanged, LiveEnded, ModeratorAppointed, LiveSampled, LineReported, UnseenDeleted, UnseenHidden,
    LineReviewed,
)  # fmt: skip
ROOM_QUERIES: tuple[type[Query], ...] = (ShowHistory, ShowMyLines, ShowPeople, ShowLive, ListLives, ShowMyLives)
