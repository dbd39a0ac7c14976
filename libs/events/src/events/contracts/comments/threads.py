"""Threads of comments: what can be asked of them, what can have happened, and what they look like."""

from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal

from msgspec import Meta, Struct

from events.contracts.comments.words import (
    MENTIONED,
    SITE,
    Avatar,
    CommentId,
    Cursor,
    Emoji,
    Language,
    MediaId,
    Name,
    Number,
    PageSize,
    PartyId,
    Reason,
    Text,
    ThreadId,
    Title,
    Veil,
    Why,
    about,
    access_topics,
    comment_key,
    mine_topic,
    parties_topic,
    party_of,
    reaction_key,
    room_key,
    room_of,
    standing_key,
    standing_topic,
    statistics_topic,
    thread_key,
    thread_of,
    topic,
    unread_topic,
)
from events.messages import NO_NUL, Command, Context, Event, Id, Key, MediaSeconds, Personal, Query, Rejected

IN_PARTY = ("no-such-party", "not-a-member", "banned")
"""Of a party's own threads; `banned` also of all of them, for whom moderators keep out."""
WRITING = (*IN_PARTY, "muted", "thread-locked")
RULES = ("text-unreadable", "words-refused", "links-refused")
"""What the rules of an installation or a room, or those of plain text, say about what is written."""
ON_COMMENT = (*WRITING, "no-such-comment")
MODERATING = (*IN_PARTY, "not-a-moderator", "no-such-comment")

Mentions = Annotated[tuple[Id, ...], Meta(max_length=MENTIONED)]


class PostedComment(Struct, frozen=True):
    """The answer to `comments.post`."""

    thread_id: str
    comment_id: str


class _About(Struct, frozen=True, kw_only=True):
    """What a thread is about, and whose it is."""

    media: MediaId
    season: Number | None = None
    """With no episode, here or in the id, it is the thread of the whole season."""
    episode: Number | None = None
    """Without a season: of the first."""
    party_id: PartyId | None = None
    """The party's own thread; the one for everybody if not given."""

    @property
    def thread_id(self) -> str:
        return thread_of(self.media, self.season, self.episode, self.party_id)

    def must_agree(self) -> None:
        """Raise `Rejected` if the id names one episode and the arguments another."""
        one = about(self.media)
        if one.episode is None:
            return
        if self.season not in (None, one.season) or self.episode not in (None, one.episode):
            raise Rejected("no-such-episode", field="episode", named=f"{one.season}-{one.episode}")


def _standings(thread_id: str, uid: str) -> tuple[Key, ...]:
    """What moderators may have said about somebody who writes there, and the rules of the room."""
    room = room_of(thread_id)
    everywhere = standing_key(SITE, uid)
    return (everywhere, standing_key(room, uid), room_key(room)) if room else (everywhere,)


class Post(_About, Command, frozen=True, kw_only=True):
    """Say something in the thread about a film or an episode, maybe at a moment of it, or answer another comment.

    The first comment begins the thread.
    """

    function: ClassVar[str] = "comments.post"
    personal: ClassVar[bool] = True
    returns: ClassVar[Any] = PostedComment
    errors: ClassVar[tuple[str, ...]] = (
        *WRITING, *RULES, "no-such-episode", "name-missing", "no-such-comment", "too-deep", "rate-limited",
    )  # fmt: skip
    text: Text
    parent: CommentId | None = None
    """The comment that this one answers, of the same thread."""
    media_seconds: MediaSeconds | None = None
    """Where in the video."""
    spoiler: bool = False
    mentions: Mentions = ()
    """Who is to be told of it: those of them who may read it."""
    language: Language | None = None
    title: Title | None = None
    """Of the film or the episode, for lists; the first one counts that the rules let everybody see."""
    name: Name | None = None
    """How the others see you; the name in your token if not given."""
    avatar: Avatar = ""

    def new_id(self, context: Context) -> str:
        return context.command_id[:16]

    def keys(self, context: Context) -> tuple[Key, ...]:
        return (comment_key(self.thread_id, self.new_id(context)),)

    def looks_at(self, context: Context) -> tuple[Key, ...]:
        thread_id = self.thread_id
        parent = (comment_key(thread_id, self.parent),) if self.parent else ()
        return (thread_key(thread_id), *parent, *_standings(thread_id, context.actor))

    def result(self, context: Context) -> PostedComment:
        return PostedComment(self.thread_id, self.new_id(context))


class _OnThread(Command, frozen=True, kw_only=True):
    thread_id: ThreadId

    def keys(self, context: Context) -> tuple[Key, ...]:
        return (thread_key(self.thread_id),)

    def looks_at(self, context: Context) -> tuple[Key, ...]:
        return _standings(self.thread_id, context.actor)


class _OnComment(Command, frozen=True, kw_only=True):
    thread_id: ThreadId
    comment_id: CommentId

    def keys(self, context: Context) -> tuple[Key, ...]:
        return (comment_key(self.thread_id, self.comment_id),)

    def looks_at(self, context: Context) -> tuple[Key, ...]:
        return (thread_key(self.thread_id), *_standings(self.thread_id, context.actor))


class Edit(_OnComment, frozen=True, kw_only=True):
    """Change what you wrote; what is not given stays. What it said before is kept for moderators and yourself."""

    function: ClassVar[str] = "comments.edit"
    errors: ClassVar[tuple[str, ...]] = (*ON_COMMENT, *RULES, "not-yours", "rate-limited")
    text: Text | None = None
    spoiler: bool | None = None


class Delete(_OnComment, frozen=True, kw_only=True):
    """Take back what you wrote, for good. Answers to it stay, under a place that says so."""

    function: ClassVar[str] = "comments.delete"
    errors: ClassVar[tuple[str, ...]] = (*IN_PARTY, "no-such-comment", "not-yours")


class React(Command, frozen=True, kw_only=True):
    """Put an emoji on a comment, or take it off again."""

    function: ClassVar[str] = "comments.react"
    errors: ClassVar[tuple[str, ...]] = (*ON_COMMENT, "not-an-emoji", "too-many-reactions", "rate-limited")
    thread_id: ThreadId
    comment_id: CommentId
    emoji: Emoji
    on: bool = True

    def keys(self, context: Context) -> tuple[Key, ...]:
        return (reaction_key(context.actor, self.thread_id, self.comment_id),)

    def looks_at(self, context: Context) -> tuple[Key, ...]:
        comment = comment_key(self.thread_id, self.comment_id)
        return (comment, thread_key(self.thread_id), *_standings(self.thread_id, context.actor))


class ReportComment(Command, frozen=True, kw_only=True):
    """Tell the moderators that something is wrong with a comment. Once is enough: again changes nothing."""

    function: ClassVar[str] = "comments.report"
    personal: ClassVar[bool] = True
    errors: ClassVar[tuple[str, ...]] = (*IN_PARTY, "no-such-comment", "rate-limited")
    thread_id: ThreadId
    comment_id: CommentId
    why: Why
    words: Reason = ""

    def keys(self, context: Context) -> tuple[Key, ...]:
        return (Key.of("report", self.thread_id, self.comment_id, context.actor),)

    def looks_at(self, context: Context) -> tuple[Key, ...]:
        return (comment_key(self.thread_id, self.comment_id), *_standings(self.thread_id, context.actor))


class _Moderating(_OnComment, frozen=True, kw_only=True):
    reason: Reason = ""


class Hide(_Moderating, frozen=True, kw_only=True):
    """Let nobody but its author and moderators see a comment, until it is restored."""

    function: ClassVar[str] = "comments.hide"
    errors: ClassVar[tuple[str, ...]] = MODERATING


class Restore(_Moderating, frozen=True, kw_only=True):
    """Let everybody see a comment that was hidden, or that a rule held back."""

    function: ClassVar[str] = "comments.restore"
    errors: ClassVar[tuple[str, ...]] = MODERATING


class Remove(_Moderating, frozen=True, kw_only=True):
    """Take a comment away for good. Answers to it stay, under a place that says so."""

    function: ClassVar[str] = "comments.remove"
    errors: ClassVar[tuple[str, ...]] = MODERATING


class Review(_Moderating, frozen=True, kw_only=True):
    """Say that there is nothing wrong with a comment: what was reported of it so far is done with."""

    function: ClassVar[str] = "comments.review"
    errors: ClassVar[tuple[str, ...]] = MODERATING


class LockThread(_OnThread, frozen=True, kw_only=True):
    """Let nobody but moderators write in a thread, or let people write again."""

    function: ClassVar[str] = "comments.lock"
    errors: ClassVar[tuple[str, ...]] = (*IN_PARTY, "not-a-moderator", "no-such-thread")
    locked: bool = True


class Pin(_OnThread, frozen=True, kw_only=True):
    """Show a comment above the others, or no longer."""

    function: ClassVar[str] = "comments.pin"
    errors: ClassVar[tuple[str, ...]] = (*MODERATING, "no-such-thread", "too-many-pins")
    comment_id: CommentId
    pinned: bool = True

    def looks_at(self, context: Context) -> tuple[Key, ...]:
        return (comment_key(self.thread_id, self.comment_id), *_standings(self.thread_id, context.actor))


class BeginThread(_About, Command, frozen=True, kw_only=True):
    """Make a thread's anchor, if it has none: what all its comments hang from; and give it a title, if it has none."""

    function: ClassVar[str] = "comments.begin"
    internal: ClassVar[bool] = True
    title: Title | None = None
    """Left out where the rules would not let it be said for all to see."""

    def keys(self, context: Context) -> tuple[Key, ...]:
        return (thread_key(self.thread_id),)

    def looks_at(self, context: Context) -> tuple[Key, ...]:
        return _standings(self.thread_id, context.actor)


# What happened.


class ThreadBegun(Event, frozen=True, kw_only=True, tag="comments.thread-begun"):
    """The anchor of a thread, made once."""

    thread_id: str
    media: str
    """In the one form of its id."""
    by: str
    at: datetime
    season: int | None = None
    episode: int | None = None
    party_id: str | None = None
    title: str | None = None


class ThreadTitled(Event, frozen=True, kw_only=True, tag="comments.thread-titled"):
    """A thread that began without a title has one."""

    thread_id: str
    title: str
    by: str
    at: datetime


class ThreadLocked(Event, frozen=True, kw_only=True, tag="comments.thread-locked"):
    """Only moderators may write there, or everybody again."""

    thread_id: str
    locked: bool
    by: str
    at: datetime


class Pinned(Event, frozen=True, kw_only=True, tag="comments.pinned"):
    """A comment is shown above the others, or no longer."""

    thread_id: str
    comment_id: str
    pinned: bool
    by: str
    at: datetime


class _OfComment(Event, frozen=True, kw_only=True):
    thread_id: str
    comment_id: str


class Posted(_OfComment, frozen=True, kw_only=True, tag="comments.posted"):
    """Somebody said something."""

    uid: str
    name: Personal[str]
    text: str
    at: datetime
    avatar: Personal[str] = ""
    parent: str | None = None
    parent_uid: str | None = None
    """Whom it answers."""
    answered_reads: bool = True
    """Whether they might read it then: in a party, who has left it may not."""
    root: str | None = None
    """The comment at the top of those above it; none of one that stands there itself."""
    depth: int = 0
    media_seconds: float | None = None
    spoiler: bool = False
    mentions: tuple[str, ...] = ()
    """Those of them who might read it then."""
    language: str | None = None
    veil: Veil = ""
    rule: str = ""
    """That held it back: `words` or `links`."""


class Edited(_OfComment, frozen=True, kw_only=True, tag="comments.edited"):
    """Its author changed it; null is what stays."""

    uid: str
    at: datetime
    text: str | None = None
    spoiler: bool | None = None
    veil: Veil = ""
    """Why others do not see it from now on: because of what it says now, or because its author speaks in the shadow by
    now. Empty if the edit changes nothing about that; it never lifts a veil."""
    rule: str = ""
    """That holds it back from now on, because of what it says now; empty for none."""


class Deleted(_OfComment, frozen=True, kw_only=True, tag="comments.deleted"):
    """Its author took it back."""

    uid: str
    at: datetime


class Hidden(_OfComment, frozen=True, kw_only=True, tag="comments.hidden"):
    """A moderator hid it."""

    by: str
    at: datetime
    reason: str = ""


class Restored(_OfComment, frozen=True, kw_only=True, tag="comments.restored"):
    """A moderator lets everybody see it."""

    by: str
    at: datetime
    reason: str = ""


class Removed(_OfComment, frozen=True, kw_only=True, tag="comments.removed"):
    """A moderator took it away for good."""

    by: str
    at: datetime
    reason: str = ""


class Reviewed(_OfComment, frozen=True, kw_only=True, tag="comments.reviewed"):
    """A moderator found nothing wrong with it."""

    by: str
    at: datetime
    reason: str = ""


class Reacted(_OfComment, frozen=True, kw_only=True, tag="comments.reacted"):
    """Somebody put an emoji on it, or took it off."""

    uid: str
    emoji: str
    on: bool
    at: datetime
    veil: Veil = ""
    """`shadow` if its author alone is to see it: it is not counted."""


class Reported(_OfComment, frozen=True, kw_only=True, tag="comments.reported"):
    """Somebody told the moderators of it."""

    uid: str
    why: Why
    at: datetime
    words: Personal[str] = ""


# What it looks like.


class Reactions(Struct, frozen=True):
    """An emoji on a comment, and of how many people."""

    emoji: str
    people: int


class CommentView(Struct, frozen=True, kw_only=True):
    """A comment as everybody sees it."""

    comment_id: str
    thread_id: str
    parent: str | None
    depth: int
    """0 at the top."""
    uid: str
    """Empty, as are name, avatar and text, once it is gone."""
    name: str
    avatar: str
    text: str
    """As it was typed: plain text. Whoever shows it as HTML escapes it, and makes links of http and https alone."""
    media_seconds: float | None
    spoiler: bool
    pinned: bool
    posted_at: datetime
    edited_at: datetime | None
    gone: Literal["deleted", "removed", "hidden"] | None
    """What still holds answers together, and is not there itself."""
    reactions: list[Reactions]
    """Most people first, twenty at most."""
    replies: int
    """Direct ones."""
    all_replies: int
    """Also those further down; told of comments at the top, 0 of others."""
    mentions: list[str]
    language: str | None


class ThreadView(Struct, frozen=True, kw_only=True):
    """A thread. One that nobody has said anything in has not begun."""

    thread_id: str
    media: str
    season: int | None
    episode: int | None
    party_id: str | None
    title: str | None
    begun_at: datetime | None
    """When the first of those comments that can be seen was posted."""
    comments: int
    """That can be seen, replies included."""
    people: int
    """Who wrote them."""
    latest_at: datetime | None
    locked: bool


class ThreadPage(Struct, frozen=True, kw_only=True):
    """A thread, comment by comment in the order of the page: each directly before its replies, as far as these are
    shown. `cursor` asks for more comments at the top, null when there are none."""

    thread: ThreadView
    pinned: list[CommentView]
    """All of them, on the first page."""
    comments: list[CommentView]
    cursor: str | None


class RepliesPage(Struct, frozen=True, kw_only=True):
    """A comment, those above it from the top on, and the replies to it, each before its own."""

    above: list[CommentView]
    """The nearest twenty."""
    comment: CommentView
    replies: list[CommentView]
    cursor: str | None


class MyComment(Struct, frozen=True, kw_only=True):
    """A comment of mine that others do not see, or not yet, and I know it."""

    comment: CommentView
    held: bool
    """Whether a moderator has to look at it first."""
    hidden: bool
    """Whether a moderator has hidden it; only the author is told so."""


class MyThread(Struct, frozen=True, kw_only=True):
    """What is mine in a thread, for putting beside what everybody sees."""

    reactions: dict[str, list[str]]
    """By comment: the emoji that I have put on it; the newest 500."""
    comments: list[MyComment]
    """That others do not see, newest first; 100 at most. Gone ones are left out."""
    said: list[CommentView]
    """The others of mine, newest first, 100 at most, without what others did with them: to be put where they belong if
    the pages of the thread do not tell them there."""
    read_until: datetime | None
    """Later comments of others in `comments.thread` are unread; all of them, if it is null."""
    may_moderate: bool
    muted: bool
    muted_until: datetime | None
    """Null for good, as far as `muted` is true."""


class TimedComment(Struct, frozen=True, kw_only=True):
    """A comment as it is shown over the film."""

    comment_id: str
    uid: str
    name: str
    avatar: str
    text: str
    media_seconds: float
    spoiler: bool


class TimedPage(Struct, frozen=True):
    """Comments of one part of the film in the order of its seconds; if there are more than fit, the newest."""

    comments: list[TimedComment]
    left_out: int


class Density(Struct, frozen=True):
    """How many comments there are per part of the film."""

    seconds: float
    """Of each part."""
    counts: list[int]
    """From the beginning on, up to the last part that has any."""
    most: int


class EditView(Struct, frozen=True):
    """What a comment said until a moment."""

    text: str
    spoiler: bool
    until: datetime


class Edits(Struct, frozen=True):
    """What a comment said before, latest first; 50 at most."""

    edits: list[EditView]


class ThreadStatistics(Struct, frozen=True, kw_only=True):
    """What there is to count about a thread."""

    thread_id: str
    comments: int
    people: int
    reactions: int
    replies: int
    timed: int
    """At a moment of the video."""
    first_at: datetime | None
    latest_at: datetime | None
    busiest: list[float]
    """Where in the video most is said: the beginnings of the five busiest parts."""
    by_day: dict[str, int]
    """Of the last 30 days, by date in UTC; days without are left out."""
    top: list[CommentView]
    """The five with most reactions."""


class AuthorStatistics(Struct, frozen=True, kw_only=True):
    """What somebody wrote in the threads for everybody."""

    uid: str
    name: str
    """As they called themselves last."""
    comments: int
    threads: int
    reactions: int
    """That others put on them."""
    replies: int
    """By others."""
    first_at: datetime | None
    latest_at: datetime | None


class DiscussedThread(Struct, frozen=True, kw_only=True):
    """A thread, and how much was said in it lately."""

    thread: ThreadView
    lately: int
    people_lately: int


class Discussed(Struct, frozen=True):
    """Threads for everybody, most discussed first."""

    threads: list[DiscussedThread]


class Piece(Struct, frozen=True):
    """Part of a snippet."""

    text: str
    found: bool
    """Whether it is what was asked for."""


class FoundComment(Struct, frozen=True, kw_only=True):
    """A comment that was found."""

    comment: CommentView
    thread: ThreadView
    snippet: list[Piece]
    rank: float


class FoundPage(Struct, frozen=True):
    """What was found, best first; `cursor` asks for more, null when there is none."""

    found: list[FoundComment]
    cursor: str | None


class FollowedThread(Struct, frozen=True, kw_only=True):
    """A thread in which I have said something."""

    thread: ThreadView
    unread: int
    """100 at most."""
    mine: int
    """My comments in it."""


class FollowedThreads(Struct, frozen=True):
    """Those where something was said last come first; `cursor` asks for more, null when there is none."""

    threads: list[FollowedThread]
    cursor: str | None


# What can be asked.

Order = Literal["newest", "oldest", "top", "moment"]
"""Of comments at the top: by time, by reactions, or by their place in the video (those without one last)."""
Depth = Annotated[int, Meta(ge=0, le=8)]
Search = Annotated[str, Meta(min_length=1, max_length=200, pattern=NO_NUL)]


class _OfThread(Query, frozen=True, kw_only=True):
    audience: ClassVar[Literal["shared", "me"]] = "shared"
    errors: ClassVar[tuple[str, ...]] = IN_PARTY

    def topics(self, uid: str) -> tuple[str, ...]:
        return (topic(self._thread()),)

    def access(self, uid: str) -> tuple[str, ...]:
        return access_topics(uid, party_of(self._thread()))

    def _thread(self) -> str:
        raise NotImplementedError


class _AboutThread(_About, _OfThread, frozen=True, kw_only=True):
    errors: ClassVar[tuple[str, ...]] = (*IN_PARTY, "no-such-episode")

    def _thread(self) -> str:
        return self.thread_id


class _InThread(_OfThread, frozen=True, kw_only=True):
    thread_id: ThreadId

    def _thread(self) -> str:
        return self.thread_id


class ShowThread(_AboutThread, frozen=True, kw_only=True):
    """The thread about a film or an episode, some replies under each comment at the top."""

    function: ClassVar[str] = "comments.thread"
    returns: ClassVar[Any] = ThreadPage
    errors: ClassVar[tuple[str, ...]] = (*IN_PARTY, "no-such-episode", "bad-cursor")
    order: Order = "newest"
    depth: Depth = 2
    """How deep replies are shown; below it they are counted."""
    replies: Annotated[int, Meta(ge=0, le=20)] = 3
    """Shown under each comment, oldest first."""
    limit: PageSize = 30
    """Comments at the top."""
    cursor: Cursor | None = None


class ShowReplies(_InThread, frozen=True, kw_only=True):
    """The replies to one comment, oldest first, and what it answers itself: also where a link to it leads."""

    function: ClassVar[str] = "comments.replies"
    returns: ClassVar[Any] = RepliesPage
    errors: ClassVar[tuple[str, ...]] = (*IN_PARTY, "no-such-comment", "bad-cursor")
    comment_id: CommentId
    depth: Depth = 2
    limit: PageSize = 30
    cursor: Cursor | None = None


class ShowMine(_InThread, frozen=True, kw_only=True):
    """What is mine in a thread: reactions, comments, also those that others do not see, and how far I have read."""

    function: ClassVar[str] = "comments.mine"
    returns: ClassVar[Any] = MyThread
    audience: ClassVar[Literal["shared", "me"]] = "me"

    def topics(self, uid: str) -> tuple[str, ...]:
        return (mine_topic(uid),)


class ShowTimed(_AboutThread, frozen=True, kw_only=True):
    """Comments at the moments of one part of the video. Parts that many ask for alike, say whole minutes, are read once
    for all of them."""

    function: ClassVar[str] = "comments.timed"
    returns: ClassVar[Any] = TimedPage
    start: MediaSeconds
    end: MediaSeconds
    """The first second that is not asked for; of what is more than ten minutes behind the start nothing is told."""
    limit: Annotated[int, Meta(ge=1, le=500)] = 200


class ShowDensity(_AboutThread, frozen=True, kw_only=True):
    """How many comments there are per part of the video."""

    function: ClassVar[str] = "comments.density"
    returns: ClassVar[Any] = Density
    parts: Annotated[int, Meta(ge=1, le=500)] = 200
    """At most: each is a multiple of ten seconds long."""


class ShowEdits(_InThread, frozen=True, kw_only=True):
    """What a comment said before, for its author and for moderators."""

    function: ClassVar[str] = "comments.edits"
    returns: ClassVar[Any] = Edits
    errors: ClassVar[tuple[str, ...]] = (*IN_PARTY, "no-such-comment", "not-yours")
    audience: ClassVar[Literal["shared", "me"]] = "me"
    comment_id: CommentId


class ShowStatistics(_AboutThread, frozen=True, kw_only=True):
    """What there is to count about a film's or an episode's comments."""

    function: ClassVar[str] = "comments.statistics"
    returns: ClassVar[Any] = ThreadStatistics


class ShowAuthor(Query, frozen=True, kw_only=True):
    """What somebody wrote in the threads for everybody, counted."""

    function: ClassVar[str] = "comments.author"
    returns: ClassVar[Any] = AuthorStatistics
    errors: ClassVar[tuple[str, ...]] = ("banned",)
    audience: ClassVar[Literal["shared", "me"]] = "shared"
    uid: Id

    def topics(self, uid: str) -> tuple[str, ...]:
        return (mine_topic(self.uid),)

    def access(self, uid: str) -> tuple[str, ...]:
        return (standing_topic(uid),)


class ShowDiscussed(Query, frozen=True, kw_only=True):
    """Which threads for everybody were discussed most lately."""

    function: ClassVar[str] = "comments.discussed"
    returns: ClassVar[Any] = Discussed
    errors: ClassVar[tuple[str, ...]] = ("banned",)
    audience: ClassVar[Literal["shared", "me"]] = "shared"
    days: Annotated[int, Meta(ge=1, le=31)] = 7
    limit: Annotated[int, Meta(ge=1, le=50)] = 10

    def topics(self, uid: str) -> tuple[str, ...]:
        return (statistics_topic(),)

    def access(self, uid: str) -> tuple[str, ...]:
        return (standing_topic(uid),)


class SearchComments(Query, frozen=True, kw_only=True):
    """Find comments by words, in all threads that you may read: those for everybody and those of your parties.

    `"two words"` in quotes stand together, `-word` is not there, `or` between words, and the last word may be a
    beginning.
    """

    function: ClassVar[str] = "comments.search"
    returns: ClassVar[Any] = FoundPage
    errors: ClassVar[tuple[str, ...]] = (*IN_PARTY, "bad-cursor")
    search: Search
    thread_id: ThreadId | None = None
    """Only there."""
    language: Language | None = None
    """Of the words: other forms of them are found, too."""
    limit: Annotated[int, Meta(ge=1, le=50)] = 20
    cursor: Cursor | None = None

    def topics(self, uid: str) -> tuple[str, ...]:
        return (topic(self.thread_id),) if self.thread_id else (statistics_topic(), parties_topic(), mine_topic(uid))

    def access(self, uid: str) -> tuple[str, ...]:
        return access_topics(uid, party_of(self.thread_id or ""))


class ShowFollowed(Query, frozen=True, kw_only=True):
    """The threads in which you have said something, and what is unread there."""

    function: ClassVar[str] = "comments.threads"
    returns: ClassVar[Any] = FollowedThreads
    errors: ClassVar[tuple[str, ...]] = ("banned", "bad-cursor")
    limit: Annotated[int, Meta(ge=1, le=50)] = 20
    cursor: Cursor | None = None

    def topics(self, uid: str) -> tuple[str, ...]:
        return (mine_topic(uid), unread_topic(uid))

    def access(self, uid: str) -> tuple[str, ...]:
        return (standing_topic(uid),)


ThreadCommand = BeginThread | LockThread | Pin
CommentCommand = Post | Edit | Delete | Hide | Restore | Remove | Review
ThreadEvent = ThreadBegun | ThreadTitled | ThreadLocked | Pinned
CommentEvent = Posted | Edited | Deleted | Hidden | Restored | Removed | Reviewed

THREAD_COMMANDS: tuple[type[Command], ...] = (
    Post, Edit, Delete, React, ReportComment, Hide, Restore, Remove, Review, LockThread, Pin, BeginThread,
)  # fmt: skip
THREAD_EVENTS: tuple[type[Event], ...] = (
    ThreadBegun, ThreadTitled, ThreadLocked, Pinned, Posted, Edited, Deleted, Hidden, Restored, Removed, Reviewed,
    Reacted, Reported,
)  # fmt: skip
THREAD_QUERIES: tuple[type[Query], ...] = (
    ShowThread, ShowReplies, ShowMine, ShowTimed, ShowDensity, ShowEdits, ShowStatistics, ShowAuthor, ShowDiscussed,
    SearchComments, ShowFollowed,
)  # fmt: skip
