"""What is said in a room: lines, whether others see them, and how the room is run."""

from typing import assert_never

from msgspec.structs import replace

from comments.guards import (
    is_own_shadow,
    may_read,
    may_write,
    moderates,
    must_be_open,
    must_moderate,
    readers,
    reads,
    sees,
    unseen_with,
)
from comments.rooms import LINE, KeptLine, RecentLine, Room
from comments.rules import Rules
from comments.writing import readable, shown_name
from events.contracts.comments import (
    LONGEST_LINE,
    ConfigureRoom,
    DeleteLine,
    HideLine,
    LineDeleted,
    LineHidden,
    LinePinned,
    LineRestored,
    LineReviewed,
    PinLine,
    RestoreLine,
    ReviewLine,
    RoomConfigured,
    RoomEvent,
    Said,
    SaidUnseen,
    Say,
    UnseenDeleted,
    UnseenHidden,
    Veil,
    party_in,
)
from events.messages import Context, Rejected

LineCommand = Say | DeleteLine | HideLine | RestoreLine | ReviewLine | PinLine | ConfigureRoom


def decide(command: LineCommand, room: Room, context: Context, rules: Rules) -> list[RoomEvent]:
    match command:
        case Say():
            return _say(command, room, context, rules)
        case DeleteLine():
            return _delete(command, room, context)
        case HideLine():
            return _hide(command, room, context)
        case RestoreLine():
            return _restore(command, room, context)
        case ReviewLine():
            return _review(command, room, context)
        case PinLine():
            return _pin(command, room, context)
        case ConfigureRoom():
            return _configure(command, room, context)
        case _:
            assert_never(command)


def _say(command: Say, room: Room, context: Context, rules: Rules) -> list[RoomEvent]:
    shadow = may_write(context, command.room, room)
    in_charge = moderates(context, command.room, room)
    _must_be_going_on(command.room, room, context, in_charge)
    if command.new_line(context) in room.lines:
        return []  # the command was sent again when nobody remembered it
    text = readable(command.text, LONGEST_LINE)
    rule = "" if in_charge else rules.apply(text, room.settings)
    answered = None if command.answers is None else _answered(command.answers, command.room, room, context)
    if not in_charge:
        _must_not_hurry(room, context)
    said = Said(
        room=command.room,
        line=command.new_line(context),
        uid=context.actor,
        name=shown_name(command.name, context.name),
        avatar=command.avatar,
        text=text,
        answers=command.answers,
        answered_reads=answered is None or reads(context, answered.uid, command.room),
        media_seconds=command.media_seconds,
        mentions=readers(context, command.mentions, command.room),
        at=context.now,
    )
    veil = shadow or ("held" if rule else unseen_with(answered))
    return [_unseen(said, veil, rule)] if veil else [said]


def _unseen(said: Said, veil: Veil, rule: str) -> SaidUnseen:
    told = {name: getattr(said, name) for name in said.__struct_fields__}
    return SaidUnseen(**told, veil=veil, rule=rule)


def _must_be_going_on(where: str, room: Room, context: Context, in_charge: bool) -> None:
    if party_in(where):
        must_be_open(context)
    elif not room.on:
        raise Rejected("live-ended")
    if not room.settings.open and not in_charge:
        raise Rejected("chat-closed")


def _answered(line: str, where: str, room: Room, context: Context) -> RecentLine:
    answered = room.line(line)
    if answered is None or not sees(context, answered.uid, answered.veil, where, room):
        raise Rejected("no-such-line")
    return answered


def _must_not_hurry(room: Room, context: Context) -> None:
    """The room's own limit, of what can be said at all."""
    slow, spoke = room.settings.slow_seconds, room.spoke.get(context.actor)
    wait = 0.0 if spoke is None else spoke + slow - context.now.timestamp()
    if slow and wait > 0:
        raise Rejected("slow-mode", retry_after=round(wait, 3))


def _delete(command: DeleteLine, room: Room, context: Context) -> list[RoomEvent]:
    may_read(context, command.room, room)
    line = room.lines.get(command.line)
    if line is not None and line.gone and line.uid == context.actor:
        return []
    if line is None or line.gone or not sees(context, line.uid, line.veil, command.room, room):
        raise Rejected("no-such-line")
    if line.uid != context.actor:
        raise Rejected("not-yours")
    deleted = UnseenDeleted if line.veil else LineDeleted
    return [deleted(room=command.room, line=command.line, uid=context.actor, at=context.now)]


def _hide(command: HideLine, room: Room, context: Context) -> list[RoomEvent]:
    must_moderate(context, command.room, room)
    veil = _found(command.line, room, context).veil
    if veil == "moderated":
        return []
    hidden = UnseenHidden if veil else LineHidden
    return [hidden(room=command.room, line=command.line, by=context.actor, at=context.now, reason=command.reason)]


def _restore(command: RestoreLine, room: Room, context: Context) -> list[RoomEvent]:
    must_moderate(context, command.room, room)
    kept, found = context.told.get(LINE), _found(command.line, room, context)
    if not found.veil or is_own_shadow(found, context, command.room, room):
        return []
    if not isinstance(kept, KeptLine):
        raise Rejected("no-such-line")
    return [
        LineRestored(
            room=command.room,
            line=command.line,
            uid=kept.uid,
            text=kept.text,
            answers=kept.answers,
            media_seconds=kept.media_seconds,
            mentions=kept.mentions,
            said_at=kept.at,
            by=context.actor,
            at=context.now,
            reason=command.reason,
        )
    ]


def _review(command: ReviewLine, room: Room, context: Context) -> list[RoomEvent]:
    """Recorded each time, since reports, which are not here, may have come in between."""
    must_moderate(context, command.room, room)
    _found(command.line, room, context)
    reviewed = LineReviewed(
        room=command.room, line=command.line, by=context.actor, at=context.now, reason=command.reason
    )
    return [reviewed]


def _pin(command: PinLine, room: Room, context: Context) -> list[RoomEvent]:
    must_moderate(context, command.room, room)
    if command.line == room.pinned:
        return []
    if command.line is not None and _found(command.line, room, context).veil:
        raise Rejected("no-such-line")
    return [LinePinned(room=command.room, line=command.line, by=context.actor, at=context.now)]


def _configure(command: ConfigureRoom, room: Room, context: Context) -> list[RoomEvent]:
    must_moderate(context, command.room, room)
    given = {name: getattr(command, name) for name in ("open", "slow_seconds", "links", "words")}
    settings = replace(room.settings, **{name: value for name, value in given.items() if value is not None})
    if settings == room.settings:
        return []
    return [
        RoomConfigured(
            room=command.room,
            by=context.actor,
            at=context.now,
            open=settings.open,
            slow_seconds=settings.slow_seconds,
            links=settings.links,
            words=settings.words,
        )
    ]


def _found(line: str, room: Room, context: Context) -> RecentLine | KeptLine:
    """A line as it is now, or, of one that is no longer among the newest, as it was when the command came."""
    recent, kept = room.line(line), context.told.get(LINE)
    if recent is not None:
        return recent
    if line not in room.lines and isinstance(kept, KeptLine):
        return kept
    raise Rejected("no-such-line")
