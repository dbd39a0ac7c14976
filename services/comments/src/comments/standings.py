"""What moderators say about a person, in one room or everywhere."""

from datetime import datetime, timedelta
from typing import assert_never

from msgspec.structs import replace

from comments.guards import Standing, is_site_moderator, must_moderate
from comments.guards import room_of as room_in
from events.contracts.comments import (
    SITE,
    BanPerson,
    Mute,
    PersonBanned,
    PersonMuted,
    PersonUnbanned,
    PersonUnmuted,
    StandingCommand,
    StandingEvent,
    UnbanPerson,
    Unmute,
    party_in,
)
from events.contracts.party import Rights
from events.decider import Decider
from events.messages import Context, Rejected

OTHERS = "others"
"""What a party says of whom a moderator's word concerns, in `Context.told`."""


def decide(command: StandingCommand, standing: Standing, context: Context) -> list[StandingEvent]:
    must_moderate(context, None if command.where == SITE else command.where)
    match command:
        case Mute():
            _must_be_above(command, context)
            return _mute(command, standing, context)
        case BanPerson():
            _must_be_above(command, context)
            return _ban(command, standing, context)
        case Unmute(where=where, uid=uid):
            return [PersonUnmuted(where=where, uid=uid, by=context.actor, at=context.now)] if standing.muted else []
        case UnbanPerson(where=where, uid=uid):
            return [PersonUnbanned(where=where, uid=uid, by=context.actor, at=context.now)] if standing.banned else []
        case _:
            assert_never(command)


def _mute(command: Mute, standing: Standing, context: Context) -> list[StandingEvent]:
    is_so = standing.muted and standing.muted_until is None and standing.shadow == command.shadow
    if is_so and command.seconds is None:
        return []
    return [
        PersonMuted(
            where=command.where,
            uid=command.uid,
            by=context.actor,
            at=context.now,
            until=_until(command.seconds, context),
            shadow=command.shadow,
            reason=command.reason,
        )
    ]


def _ban(command: BanPerson, standing: Standing, context: Context) -> list[StandingEvent]:
    if command.seconds is None and standing.banned and standing.banned_until is None:
        return []
    return [
        PersonBanned(
            where=command.where,
            uid=command.uid,
            by=context.actor,
            at=context.now,
            until=_until(command.seconds, context),
            reason=command.reason,
        )
    ]


def _until(seconds: float | None, context: Context) -> datetime | None:
    return None if seconds is None else context.now + timedelta(seconds=seconds)


def _must_be_above(command: Mute | BanPerson, context: Context) -> None:
    """Nobody does this to themselves, nor a room's moderators to one another, but for the owner of a live event.

    Whose role is in their token is known only when they come; a site moderator is never bound by a room's word.
    """
    where, uid = command.where, command.uid
    if uid == context.actor:
        raise Rejected("not-above")
    if where == SITE or is_site_moderator(context):
        return
    if party_in(where):
        theirs = context.told.get(OTHERS)
        if isinstance(theirs, Rights) and "people" in theirs.may:
            raise Rejected("not-above")
        return
    room = room_in(context, where)
    if uid == room.owner or (uid in room.moderators and context.actor != room.owner):
        raise Rejected("not-above")


def evolve(standing: Standing, event: StandingEvent) -> Standing:
    match event:
        case PersonMuted(until=until, shadow=shadow):
            return replace(standing, muted=True, muted_until=_unix(until), shadow=shadow)
        case PersonUnmuted():
            return replace(standing, muted=False, muted_until=None, shadow=False)
        case PersonBanned(until=until):
            return replace(standing, banned=True, banned_until=_unix(until))
        case PersonUnbanned():
            return replace(standing, banned=False, banned_until=None)
        case _:
            assert_never(event)


def _unix(until: datetime | None) -> float | None:
    return None if until is None else until.timestamp()


def decider() -> Decider[StandingCommand, Standing, StandingEvent]:
    return Decider(Standing(), decide, evolve)
