"""What can be said about films, and what can have been: threads, chats, moderation, and who has read what."""

from typing import ClassVar

from events.contracts.comments.moderation import *  # noqa: F403  # one name for the whole contract, as everywhere
from events.contracts.comments.moderation import MODERATION_COMMANDS, MODERATION_EVENTS, MODERATION_QUERIES
from events.contracts.comments.reading import *  # noqa: F403
from events.contracts.comments.reading import READING_COMMANDS, READING_EVENTS, READING_QUERIES
from events.contracts.comments.rooms import *  # noqa: F403
from events.contracts.comments.rooms import ROOM_COMMANDS, ROOM_EVENTS, ROOM_QUERIES, LiveReport
from events.contracts.comments.threads import *  # noqa: F403
from events.contracts.comments.threads import THREAD_COMMANDS, THREAD_EVENTS, THREAD_QUERIES
from events.contracts.comments.words import *  # noqa: F403
from events.contracts.erased import Entomb, Erased
from events.messages import Command, Event, Query, Report


class CommentsErased(Erased, frozen=True, kw_only=True, tag="comments.erased"):
    """A tombstone among the comments: from here on a person has no name there."""


class EntombInComments(Entomb, frozen=True, kw_only=True):
    """Say in the comments' log that a person is being erased, or was."""

    function: ClassVar[str] = "comments.entomb"


COMMANDS: tuple[type[Command], ...] = (
    *THREAD_COMMANDS, *ROOM_COMMANDS, *MODERATION_COMMANDS, *READING_COMMANDS, EntombInComments,
)  # fmt: skip
EVENTS: tuple[type[Event], ...] = (
    *THREAD_EVENTS, *ROOM_EVENTS, *MODERATION_EVENTS, *READING_EVENTS, CommentsErased,
)  # fmt: skip
QUERIES: tuple[type[Query], ...] = (*THREAD_QUERIES, *ROOM_QUERIES, *MODERATION_QUERIES, *READING_QUERIES)
REPORTS: tuple[type[Report], ...] = (LiveReport,)
