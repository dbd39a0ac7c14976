"""The rules of a title that a person watches: when it was begun, left and completed."""

from typing import Any, Literal, assert_never

from msgspec import Struct
from msgspec.structs import replace

from events.contracts.library import (
    Completed,
    TitleCommand,
    TitleEvent,
    Progressed,
    Report,
    Started,
    Stopped,
    player,
    slot,
)
from events.decider import Decider
from events.messages import Context, Rejected

COMPLETED_AT = 0.9
"""Of the duration: what follows is credits, and few people wait for their end."""
SAME_PLACE = 1.0
"""Seconds. A player that stands still repeats where it stands, rounded in its own way."""
DEVICES = 8
"""Devices per title whose session is remembered; the one that was heard of longest ago goes first."""
REMEMBERED = 5_000
"""Completed episodes per title; of an older one, a late report could say once more that it was completed."""


class Session(Struct, frozen=True):
    """A device's way through one film or episode."""

    item: str
    stage: Literal["playing", "stopped", "completed"]
    position: float
    """At the last fact. Heartbeats never come here."""
    duration: float | None


class Title(Struct, frozen=True):
    """As much of a title's history as its rules need."""

    sessions: dict[str, Session] = {}
    """By player, the one that was heard of longest ago first."""
    completed: tuple[str, ...] = ()
    """Every film or episode that was ever completed, in the order of its last completion."""


def decide(command: TitleCommand, title: Title, context: Context) -> list[TitleEvent]:
    if not context.actor:
        raise Rejected("not-signed-in")
    item = slot(command.episode)
    session = title.sessions.get(player(context.actor, command.device))
    if session is not None and session.item != item:
        session = None  # the device went over to another episode
    said = _said(command, session, context)
    if said["duration"] is not None and said["position"] >= COMPLETED_AT * said["duration"]:
        return _at_the_end(command, session, item in title.completed, said)
    if command.state == "playing":
        return _playing(session, said)
    return _standing(session, item in title.completed, said)


def _said(command: Report, session: Session | None, context: Context) -> dict[str, Any]:
    """What each event of this report says. A duration that the device has told once need not be told again."""
    duration = command.duration or (session.duration if session else None)
    return {
        "uid": context.actor,
        "work": command.work,
        "position": command.position if duration is None else min(command.position, duration),
        "at": context.now,
        "duration": duration,
        "episode": command.episode,
        "device": command.device,
        "player": player(context.actor, command.device),
    }


def _at_the_end(command: Report, session: Session | None, completed: bool, said: dict[str, Any]) -> list[TitleEvent]:
    """Completed once per session; who only looks at the credits again has not watched it twice."""
    if completed if session is None else session.stage == "completed":
        return _heartbeat(session, said)
    following = command.next if command.episode is not None and command.next != command.episode else None
    return [Completed(**said, next=following)]


def _playing(session: Session | None, said: dict[str, Any]) -> list[TitleEvent]:
    if session is not None and session.stage == "playing":
        return _heartbeat(session, said)
    return [Started(**said)]


def _standing(session: Session | None, completed: bool, said: dict[str, Any]) -> list[TitleEvent]:
    """Paused or stopped before the end.

    Of a session that is completed this means nothing (players rewind when they stop), nor of a title that was completed
    elsewhere: only playing it again brings it back.
    """
    if session is None:
        return _heartbeat(session, said) if completed else [Stopped(**said)]
    if session.stage == "playing":
        return [Stopped(**said)]
    if abs(said["position"] - session.position) <= SAME_PLACE:
        return []
    return _heartbeat(session, said)


def _heartbeat(session: Session | None, said: dict[str, Any]) -> list[TitleEvent]:
    """No fact, but newer; unless the last fact said the same."""
    if session is not None and session.position == said["position"]:
        return []
    return [Progressed(**said)]


def evolve(title: Title, event: TitleEvent) -> Title:
    match event:
        case Started():
            return _with_session(title, event, "playing")
        case Stopped():
            return _with_session(title, event, "stopped")
        case Completed(episode=episode):
            item = slot(episode)
            completed = (*(other for other in title.completed if other != item), item)[-REMEMBERED:]
            return _with_session(replace(title, completed=completed), event, "completed")
        case Progressed():
            return title
        case _:
            assert_never(event)


def _with_session(
    title: Title, event: Started | Stopped | Completed, stage: Literal["playing", "stopped", "completed"]
) -> Title:
    others = [(player, session) for player, session in title.sessions.items() if player != event.player]
    mine = Session(slot(event.episode), stage, event.position, event.duration)
    return replace(title, sessions=dict([*others, (event.player, mine)][-DEVICES:]))


decider: Decider[TitleCommand, Title, TitleEvent] = Decider(Title(), decide, evolve)
