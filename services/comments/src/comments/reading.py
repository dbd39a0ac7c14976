"""The rules of read marks. They are telemetry: the furthest one is kept, outside the log, so no mark is known here."""

from datetime import datetime
from typing import assert_never

from msgspec import Struct

from comments.guards import must_be_signed_in
from comments.state import thread_seen
from events.contracts.comments import NOTIFICATIONS, MarkNotified, MarkRead, ReadingCommand, ReadMarked
from events.contracts.library.words import NO_OFFSET
from events.decider import Decider
from events.messages import Context, Rejected


class Reader(Struct, frozen=True):
    """Somebody who reads."""


def decider() -> Decider[ReadingCommand, Reader, ReadMarked]:
    return Decider(Reader(), decide, lambda reader, _: reader)


def decide(command: ReadingCommand, reader: Reader, context: Context) -> list[ReadMarked]:
    must_be_signed_in(context)
    upto = _upto(command.upto, context)
    match command:
        case MarkRead(thread_id=thread_id):
            about = thread_id
            if not thread_seen(context, thread_id).begun:
                return []  # else anybody could have marks kept of ids that they make up
        case MarkNotified():
            about = NOTIFICATIONS
        case _:
            assert_never(command)
    return [ReadMarked(uid=context.actor, about=about, upto=upto, at=context.now)]


def _upto(given: datetime | None, context: Context) -> datetime:
    """Not after now: what is said later has not been read."""
    if given is None:
        return context.now
    if given.tzinfo is None:
        raise Rejected("invalid-argument", field="upto", reason=NO_OFFSET)
    if not 1970 <= given.year <= 9998:
        raise Rejected("invalid-argument", field="upto", reason="a time of this age is expected")
    return min(given, context.now)
