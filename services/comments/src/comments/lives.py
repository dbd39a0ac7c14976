"""How live events begin, go on and end, and who moderates them."""

import math
from collections.abc import Mapping
from typing import assert_never

from comments.guards import held_by, is_site_moderator, must_be_signed_in, must_not_be_banned, standing_of, veil_of
from comments.rooms import Room
from comments.rules import Rules
from comments.writing import label
from events.contracts.comments import (
    APPOINTED,
    LONGEST_TITLE,
    LOST_AFTER,
    SITE,
    SYSTEM,
    AppointModerator,
    EndLive,
    LiveChanged,
    LiveEnded,
    LiveStarted,
    LoseLive,
    ModeratorAppointed,
    RoomEvent,
    StartLive,
)
from events.messages import Context, Rejected

SILENCE = "silence"
"""How many seconds ago each person's report came to this replica, in `Context.ambient`."""

LiveCommand = StartLive | EndLive | AppointModerator | LoseLive


def decide(command: LiveCommand, room: Room, context: Context, rules: Rules) -> list[RoomEvent]:
    match command:
        case StartLive():
            return _start(command, room, context, rules)
        case EndLive(live_id=live_id):
            _must_be_owner(command, room, context, or_site_moderator=True)
            if not room.on:
                return []
            ended = LiveEnded(live_id=live_id, session=room.session, reason="ended", by=context.actor, at=context.now)
            return [ended]
        case AppointModerator():
            _must_be_owner(command, room, context)
            return _appoint(command, room, context)
        case LoseLive():
            return _lose(command, room, context)
        case _:
            assert_never(command)


def _start(command: StartLive, room: Room, context: Context, rules: Rules) -> list[RoomEvent]:
    """Who speaks in the shadow does not notice that nobody else finds it in a list."""
    must_be_signed_in(context)
    standing = standing_of(context, SITE, context.actor)
    must_not_be_banned((standing,), context.now)
    veil = veil_of((standing,), context.now)
    if room.owner and room.owner != context.actor:
        raise Rejected("not-yours")
    if rules.broadcasters and not is_site_moderator(context) and rules.broadcasters not in context.roles:
        raise Rejected("not-a-broadcaster")
    title = _title(command.title, context, rules)
    if room.on and (title, command.media) == (room.title, room.media):
        return []
    happened = LiveChanged if room.on else LiveStarted
    return [
        happened(
            live_id=command.live_id,
            session=room.session if room.on else room.session + 1,
            title=title,
            media=command.media,
            veil=veil,
            by=context.actor,
            at=context.now,
        )
    ]


def _title(typed: str, context: Context, rules: Rules) -> str:
    """It is in everybody's list at once: what would be held back is refused, and that the event is one's own does not
    help."""
    title = label(typed, LONGEST_TITLE)
    if title is None:
        raise Rejected("text-unreadable", reason="nothing-visible")
    if rule := held_by(title, None, context, rules):
        raise Rejected(f"{rule}-refused")
    return title


def _appoint(command: AppointModerator, room: Room, context: Context) -> list[RoomEvent]:
    """The owner is none: what they may do does not hang on it."""
    if command.uid == room.owner or (command.uid in room.moderators) == command.moderator:
        return []
    if command.moderator and len(room.moderators) >= APPOINTED:
        raise Rejected("too-many-moderators", limit=APPOINTED)
    return [
        ModeratorAppointed(
            live_id=command.live_id, uid=command.uid, moderator=command.moderator, by=context.actor, at=context.now
        )
    ]


def _lose(command: LoseLive, room: Room, context: Context) -> list[RoomEvent]:
    """Its owner alone keeps it going, however many others are there."""
    if not room.on or room.session != command.session:
        return []
    silence: Mapping[str, float] = context.ambient.get(SILENCE, {})
    if min(silence.get(room.owner, math.inf), context.now.timestamp() - room.started_at) < LOST_AFTER:
        return []
    return [LiveEnded(live_id=command.live_id, session=room.session, reason="lost", by=SYSTEM, at=context.now)]


def _must_be_owner(
    command: EndLive | AppointModerator, room: Room, context: Context, *, or_site_moderator: bool = False
) -> None:
    must_be_signed_in(context)
    if not room.owner:
        raise Rejected("no-such-live")
    if room.owner != context.actor and not (or_site_moderator and is_site_moderator(context)):
        raise Rejected("not-yours")
