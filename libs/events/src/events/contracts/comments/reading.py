"""What somebody has read, and what they should know of: read marks and notifications."""

from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal

from msgspec import Meta, Struct

from events.contracts.comments.threads import IN_PARTY
from events.contracts.comments.words import (
    Cursor,
    ThreadId,
    mine_topic,
    notifications_topic,
    reader_key,
    thread_key,
)
from events.messages import Command, Context, Event, Key, Query, token

NOTIFICATIONS = "notifications"
"""What a mark is about that is not about a thread."""


class _Mark(Command, frozen=True, kw_only=True):
    upto: datetime | None = None
    """Until when all is read; now, if it is not given or lies ahead."""

    def keys(self, context: Context) -> tuple[Key, ...]:
        return (reader_key(context.actor),)


class MarkRead(_Mark, frozen=True, kw_only=True):
    """Say how far you have read in a thread. It never goes back.

    In a thread that has not begun there is nothing to be read: nothing is kept of it.
    """

    function: ClassVar[str] = "comments.read"
    errors: ClassVar[tuple[str, ...]] = IN_PARTY
    thread_id: ThreadId

    def looks_at(self, context: Context) -> tuple[Key, ...]:
        return (thread_key(self.thread_id),)


class MarkNotified(_Mark, frozen=True, kw_only=True):
    """Say which notifications you have seen. It never goes back."""

    function: ClassVar[str] = "notifications.read"


class ReadMarked(Event, frozen=True, kw_only=True, tag="comments.read-marked"):
    """Somebody has read that far; the furthest mark of each thread is kept, outside the log."""

    telemetry: ClassVar[bool] = True
    uid: str
    about: str
    """A thread, or `notifications`."""
    upto: datetime
    at: datetime

    def slot(self) -> str:
        return token(self.about)

    def recency(self) -> float:
        return self.upto.timestamp()


class Notification(Struct, frozen=True, kw_only=True):
    """Something that concerns you."""

    id: str
    kind: Literal["mention", "reply", "hidden", "restored", "removed"]
    """Somebody mentioned you, or answered you; a moderator hid, restored or removed what you wrote."""
    thread_id: str | None
    room: str | None
    comment_id: str
    """Or the line."""
    media: str | None
    title: str | None
    by: str
    """Empty where it was a moderator."""
    by_name: str
    text: str
    """The beginning of what they said; empty in a party, whose members alone may read it."""
    at: datetime
    unread: bool


class NotificationsPage(Struct, frozen=True, kw_only=True):
    """Latest first; `cursor` asks for more, null when there are none. They are kept for 90 days, 500 of them."""

    notifications: list[Notification]
    unread: int
    """Of all of them, 100 at most."""
    cursor: str | None


class ShowNotifications(Query, frozen=True, kw_only=True):
    """What concerns me: mentions, replies, and what moderators did to what I wrote."""

    function: ClassVar[str] = "notifications.mine"
    returns: ClassVar[Any] = NotificationsPage
    errors: ClassVar[tuple[str, ...]] = ("bad-cursor",)
    unread: bool = False
    """Only those."""
    limit: Annotated[int, Meta(ge=1, le=100)] = 30
    cursor: Cursor | None = None

    def topics(self, uid: str) -> tuple[str, ...]:
        return (notifications_topic(uid),)


class ExportPage(Struct, frozen=True):
    """Some records, each an object that says in `record` what it is; `cursor` asks for the next, null at the end."""

    records: list[dict[str, Any]]
    cursor: str | None


class Export(Query, frozen=True, kw_only=True):
    """Everything that comments and chats keep about me, part by part; `GET /v1/export` gives all of it as one file."""

    function: ClassVar[str] = "comments.export"
    returns: ClassVar[Any] = ExportPage
    errors: ClassVar[tuple[str, ...]] = ("bad-cursor",)
    cursor: Cursor | None = None

    def topics(self, uid: str) -> tuple[str, ...]:
        return (mine_topic(uid),)


ReadingCommand = MarkRead | MarkNotified

READING_COMMANDS: tuple[type[Command], ...] = (MarkRead, MarkNotified)
READING_EVENTS: tuple[type[Event], ...] = (ReadMarked,)
READING_QUERIES: tuple[type[Query], ...] = (ShowNotifications, Export)
