"""The rule books of the comments context, by kind of aggregate."""

from collections.abc import Mapping
from typing import Any

from comments import comment, lines, lives, reactions, reading, reports, standings, threads
from comments.rooms import Room, evolve
from comments.rules import Rules
from events.contracts.comments import (
    CHAT,
    LIVE,
    AppointModerator,
    CommentsErased,
    ConfigureRoom,
    DeleteLine,
    EndLive,
    HideLine,
    LoseLive,
    PinLine,
    RestoreLine,
    ReviewLine,
    RoomCommand,
    RoomEvent,
    Say,
    StartLive,
)
from events.contracts.erased import ERASED
from events.decider import Decider
from events.erasing import tombstones
from events.messages import Context


def deciders(rules: Rules) -> Mapping[str, Decider[Any, Any, Any]]:
    """Under what an installation has set."""
    return {
        "thread": threads.decider(rules),
        "comment": comment.decider(rules),
        "reaction": reactions.decider(),
        "report": reports.decider(),
        CHAT.kind: room(rules),
        LIVE.kind: room(rules),
        "standing": standings.decider(),
        "reader": reading.decider(),
        ERASED: tombstones(CommentsErased),
    }


def room(rules: Rules) -> Decider[RoomCommand, Room, RoomEvent]:
    """Parties' rooms and those of live events alike."""

    def decide(command: RoomCommand, room: Room, context: Context) -> list[RoomEvent]:
        match command:
            case StartLive() | EndLive() | AppointModerator() | LoseLive():
                return lives.decide(command, room, context, rules)
            case Say() | DeleteLine() | HideLine() | RestoreLine() | ReviewLine() | PinLine() | ConfigureRoom():
                return lines.decide(command, room, context, rules)

    return Decider(Room(), decide, evolve)
