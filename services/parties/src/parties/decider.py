"""The rules of a watch party."""

from datetime import datetime, timedelta
from typing import Any, assert_never

from msgspec import Struct
from msgspec.structs import replace

from events.contracts.party import (
    EXPIRES_AFTER,
    LONGEST,
    Close,
    Closed,
    Expire,
    HostChanged,
    Join,
    Joined,
    Leave,
    Left,
    Open,
    Opened,
    PartyCommand,
    PartyEvent,
    Pause,
    Paused,
    Play,
    Played,
    Seek,
    Sought,
)
from events.decider import Decider
from events.messages import Context, Rejected

MEMBERS = 1_000
"""In one party at most; the next one to join is told `party-full`."""
SAME_PLACE = 0.5
"""Seconds. A player that repeats `play` or `pause` says where it is itself, a little beside where the party is."""
SAME_SPOT = 0.05
"""Seconds. A seek is meant to move, so only what nobody would see (about one frame) is no seek."""
LONGEST_NAME = 64


class Party(Struct, frozen=True):
    """As much of a party as its rules need. What screens show is in `projections`."""

    opened_by: str = ""
    """Empty as long as there is no such party."""
    host: str = ""
    private: bool = False
    members: dict[str, datetime] = {}
    """Since when each is a member. States share it until somebody joins or leaves."""
    playing: bool = False
    position: float = 0.0
    rate: float = 1.0
    at: datetime | None = None
    """When playback was at `position`."""
    active_at: datetime | None = None
    closed_by: str = ""
    """Empty while the party is open."""


def decide(command: PartyCommand, party: Party, context: Context) -> list[PartyEvent]:
    if not context.actor:
        raise Rejected("not-signed-in")
    match command:
        case Open():
            return _open(command, party, context)
        case Join():
            return _join(command, party, context)
        case Leave():
            return _leave(party, context)
        case Play() | Pause() | Seek():
            return _control(command, party, context)
        case Close():
            return _close(party, context)
        case Expire():
            return _expire(party, context)
        case _:
            assert_never(command)


def _open(command: Open, party: Party, context: Context) -> list[PartyEvent]:
    if party.opened_by == context.actor:
        return []
    if party.opened_by:
        # The id derives from a keyed digest of who asks, so two people do not meet here. If they did, the second must
        # not be told the id of the first one's party.
        raise Rejected("key-reused")
    name = _name(command.name, context)
    opened = Opened(
        party_id=command.new_id(context),
        host=context.actor,
        title=command.title,
        media=command.media,
        private=command.private,
        at=context.now,
    )
    return [opened, Joined(uid=context.actor, name=name, at=context.now)]


def _join(command: Join, party: Party, context: Context) -> list[PartyEvent]:
    _must_be_open(party)
    if context.actor in party.members:
        # Not even to compare names with: the log keeps them sealed, and so does this state.
        return []
    if len(party.members) >= MEMBERS:
        raise Rejected("party-full", members=MEMBERS)
    return [Joined(uid=context.actor, name=_name(command.name, context), at=context.now)]


def _leave(party: Party, context: Context) -> list[PartyEvent]:
    uid, now = context.actor, context.now
    _must_exist(party)
    if party.closed_by:
        return []
    _must_be_member(party, uid)
    left = Left(uid=uid, private=party.private, at=now)
    others = {other: since for other, since in party.members.items() if other != uid}
    if not others:
        return [left, Closed(by=uid, reason="empty", at=now)]
    if uid != party.host:
        return [left]
    # The earliest; of two who joined at the same instant, the one whom the list of members shows first.
    heir = min(others, key=lambda other: (others[other], other))
    return [left, HostChanged(uid=heir, reason="host-left", at=now)]


def _control(command: Play | Pause | Seek, party: Party, context: Context) -> list[PartyEvent]:
    _must_be_host(party, context.actor)
    now = context.now
    here = place(party, now)
    there = here if command.position is None else command.position
    match command:
        case Play():
            if party.playing and abs(there - here) <= SAME_PLACE:
                return []
            return [Played(by=context.actor, position=there, at=now, rate=party.rate)]
        case Pause():
            if not party.playing and abs(there - here) <= SAME_PLACE:
                return []
            return [Paused(by=context.actor, position=there, at=now)]
        case Seek():
            return [] if abs(there - here) <= SAME_SPOT else [Sought(by=context.actor, position=there, at=now)]
        case _:
            assert_never(command)


def _close(party: Party, context: Context) -> list[PartyEvent]:
    if party.closed_by == context.actor:
        return []
    _must_be_host(party, context.actor)
    return [Closed(by=context.actor, reason="closed", at=context.now)]


def _expire(party: Party, context: Context) -> list[PartyEvent]:
    """Look again at the time: something may have happened since the timer was set."""
    if party.closed_by or party.active_at is None or context.now - party.active_at < EXPIRES_AFTER:
        return []
    return [Closed(by=context.actor, reason="expired", at=context.now)]


def place(party: Party, now: datetime) -> float:
    """Where playback is at *now*."""
    if not party.playing or party.at is None:
        return party.position
    elapsed = max(now - party.at, timedelta()).total_seconds()
    return min(party.position + party.rate * elapsed, LONGEST)


def _name(asked: str | None, context: Context) -> str:
    """The asked name, else the one in the token, which nobody has measured yet."""
    name = (asked or context.name).replace("\0", "").strip()[:LONGEST_NAME]
    if not name:
        raise Rejected("name-missing")
    return name


def _must_exist(party: Party) -> None:
    if not party.opened_by:
        raise Rejected("no-such-party")


def _must_be_open(party: Party) -> None:
    _must_exist(party)
    if party.closed_by:
        raise Rejected("party-closed")


def _must_be_member(party: Party, uid: str) -> None:
    if uid not in party.members:
        raise Rejected("not-a-member")


def _must_be_host(party: Party, uid: str) -> None:
    _must_be_open(party)
    _must_be_member(party, uid)
    if uid != party.host:
        raise Rejected("not-the-host")


def evolve(party: Party, event: PartyEvent) -> Party:
    return replace(party, active_at=event.at, **_changes(party, event))


def _changes(party: Party, event: PartyEvent) -> dict[str, Any]:
    match event:
        case Opened(host=host, private=private, at=at):
            return {"opened_by": host, "host": host, "private": private, "at": at}
        case Joined(uid=uid, at=at):
            return {"members": {**party.members, uid: at}}
        case Left(uid=uid):
            return {"members": {other: since for other, since in party.members.items() if other != uid}}
        case HostChanged(uid=uid):
            return {"host": uid}
        case Played(position=position, rate=rate, at=at):
            return {"playing": True, "position": position, "rate": rate, "at": at}
        case Paused(position=position, at=at):
            return {"playing": False, "position": position, "at": at}
        case Sought(position=position, at=at):
            return {"position": position, "at": at}
        case Closed(by=by):
            return {"closed_by": by}
        case _:
            assert_never(event)


decider: Decider[PartyCommand, Party, PartyEvent] = Decider(Party(), decide, evolve)
