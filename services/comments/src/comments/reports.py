"""The rules of telling moderators that something is wrong: each person does so once about each thing."""

from typing import assert_never

from msgspec import Struct

from comments.comment import seen_by
from comments.guards import may_read, room_of, sees
from comments.rooms import LINE
from events.contracts.comments import LineReported, ReportComment, Reported, ReportLine
from events.contracts.comments import room_of as room_with
from events.decider import Decider
from events.messages import Context, Rejected

ReportCommand = ReportComment | ReportLine
ReportEvent = Reported | LineReported


class Report(Struct, frozen=True):
    """What one person told of one thing."""

    told: bool = False


def decider() -> Decider[ReportCommand, Report, ReportEvent]:
    return Decider(Report(), decide, lambda report, event: Report(told=True))


def decide(command: ReportCommand, report: Report, context: Context) -> list[ReportEvent]:
    """Somebody tells of what they see. Who is muted may do so, too."""
    match command:
        case ReportComment():
            may_read(context, room_with(command.thread_id))
            return [] if report.told else [_comment(command, context)]
        case ReportLine():
            may_read(context, command.room)
            return [] if report.told else [_line(command, context)]
        case _:
            assert_never(command)


def _comment(command: ReportComment, context: Context) -> Reported:
    seen_by(context, command.thread_id, command.comment_id)
    return Reported(
        thread_id=command.thread_id,
        comment_id=command.comment_id,
        uid=context.actor,
        why=command.why,
        words=command.words,
        at=context.now,
    )


def _line(command: ReportLine, context: Context) -> LineReported:
    """One that the room's state has forgotten is told of by what is kept of it."""
    room = room_of(context, command.room)
    line = room.line(command.line) if command.line in room.lines else context.told.get(LINE)
    if line is None or not sees(context, line.uid, line.veil, command.room):
        raise Rejected("no-such-line")
    return LineReported(
        room=command.room,
        line=command.line,
        uid=context.actor,
        why=command.why,
        words=command.words,
        at=context.now,
    )
