"""How members are seen, put out, given roles and lost sight of."""

from collections.abc import Collection, Iterable
from datetime import UTC, datetime, timedelta
from typing import assert_never

from events.contracts.party import (
    BANNED,
    Appoint,
    Ban,
    Banned,
    Dismiss,
    Drop,
    Find,
    HandOver,
    HostChanged,
    HostMissed,
    HostReturned,
    Kick,
    Kicked,
    Left,
    Miss,
    PartyEvent,
    Profile,
    ProfileChanged,
    RoleChanged,
    Succeed,
    Unban,
    Unbanned,
)
from events.messages import Context, Rejected
from parties import program
from parties.guards import may, must_be, must_be_member
from parties.rules import Rules
from parties.state import Party

LONGEST_NAME = 64

Managing = Kick | Ban | Unban | Appoint | Dismiss | HandOver
Observed = Miss | Find | Succeed | Drop
PeopleCommand = Profile | Managing | Observed


def decide(command: PeopleCommand, party: Party, context: Context, rules: Rules) -> list[PartyEvent]:
    match command:
        case Profile():
            return _profile(command, party, context)
        case Kick() | Ban() | Unban():
            return _put_out(command, party, context)
        case Appoint() | Dismiss() | HandOver():
            return _give_role(command, party, context)
        case Miss() | Find() | Succeed() | Drop():
            return _observed(command, party, context)
        case _:
            assert_never(command)


def shown_name(text: str) -> str:
    """A name as the others see it; one in a token has been measured by nobody yet."""
    name = text.replace("\0", "").strip()[:LONGEST_NAME]
    if not name:
        raise Rejected("name-missing")
    return name


def present(party: Party, context: Context) -> set[str]:
    """The members who were seen lately; nobody if nothing is known."""
    seen: frozenset[str] = context.ambient.get("present", frozenset())
    return party.members.keys() & seen


def heir(party: Party, candidates: Collection[str]) -> str:
    """Who becomes host: a co-host before others, then the earliest; of two who came at once, the one listed first."""
    members = party.members
    return min(candidates, key=lambda uid: (members[uid].role != "cohost", members[uid].since, uid))


def _profile(command: Profile, party: Party, context: Context) -> list[PartyEvent]:
    must_be_member(party, context.actor)
    if command.name is command.avatar is command.status is None:
        return []
    name = None if command.name is None else shown_name(command.name)
    # What they were called before is sealed in the log and not kept here, so that saying it again is a change.
    return [ProfileChanged(uid=context.actor, name=name, avatar=command.avatar, status=command.status, at=context.now)]


def _put_out(command: Kick | Ban | Unban, party: Party, context: Context) -> list[PartyEvent]:
    may("people", party, context.actor)
    match command:
        case Kick():
            return _kick(command, party, context)
        case Ban():
            return _ban(command, party, context)
        case Unban(uid=uid):
            return [Unbanned(uid=uid, by=context.actor, at=context.now)] if uid in party.banned else []
        case _:
            assert_never(command)


def _kick(command: Kick, party: Party, context: Context) -> list[PartyEvent]:
    uid = command.uid
    _must_outrank(party, context.actor, uid)
    _must_be_in(party, uid)
    kicked = Kicked(uid=uid, by=context.actor, reason=command.reason, at=context.now)
    return [kicked, *program.without(party, [kicked], context)]


def _ban(command: Ban, party: Party, context: Context) -> list[PartyEvent]:
    uid = command.uid
    if uid in party.banned:
        return []
    _must_outrank(party, context.actor, uid)
    if len(party.banned) >= BANNED:
        raise Rejected("too-many-bans", bans=BANNED)
    banned = Banned(uid=uid, by=context.actor, reason=command.reason, at=context.now)
    return [banned, *(program.without(party, [banned], context) if uid in party.members else [])]


def _must_outrank(party: Party, actor: str, uid: str) -> None:
    """Nobody puts out the host or themselves, and only the host puts out a co-host."""
    if uid == actor:
        raise Rejected("invalid-argument", field="uid", reason="This is yourself; leave instead")
    if uid == party.host or (party.rank(uid) > 0 and actor != party.host):
        raise Rejected("not-the-host", action="people", needs="host")


def _must_be_in(party: Party, uid: str) -> None:
    if uid not in party.members:
        raise Rejected("no-such-member", uid=uid)


def _give_role(command: Appoint | Dismiss | HandOver, party: Party, context: Context) -> list[PartyEvent]:
    match command:
        case Appoint():
            return _appoint(command, party, context)
        case Dismiss():
            return _dismiss(command, party, context)
        case HandOver():
            return _hand_over(command, party, context)
        case _:
            assert_never(command)


def _appoint(command: Appoint, party: Party, context: Context) -> list[PartyEvent]:
    must_be("host", party, context.actor, "appoint")
    _must_be_in(party, command.uid)
    if party.rank(command.uid) > 0:
        return []
    return [RoleChanged(uid=command.uid, role="cohost", by=context.actor, at=context.now)]


def _dismiss(command: Dismiss, party: Party, context: Context) -> list[PartyEvent]:
    uid = command.uid
    must_be("member" if uid == context.actor else "host", party, context.actor, "dismiss")
    _must_be_in(party, uid)
    if uid == party.host:
        raise Rejected("invalid-argument", field="uid", reason="The host is no co-host; hand over instead")
    if party.rank(uid) == 0:
        return []
    return [RoleChanged(uid=uid, role="member", by=context.actor, at=context.now)]


def _hand_over(command: HandOver, party: Party, context: Context) -> list[PartyEvent]:
    must_be("host", party, context.actor, "hand_over")
    _must_be_in(party, command.uid)
    if command.uid == party.host:
        return []
    return [HostChanged(uid=command.uid, reason="handed-over", at=context.now)]


def _observed(command: Observed, party: Party, context: Context) -> list[PartyEvent]:
    """What observation and timers ask for. They look at a moment that is over, so what is no longer so is silence."""
    if not party.opened_by or party.closed_by:
        return []
    match command:
        case Miss():
            return _miss(command, party, context)
        case Find(uid=uid):
            found = uid == party.host and party.missed is not None
            return [HostReturned(uid=uid, at=context.now)] if found else []
        case Succeed():
            return _succeed(party, context)
        case Drop(uids=uids):
            return _drop(uids, party, context)
        case _:
            assert_never(command)


def _miss(command: Miss, party: Party, context: Context) -> list[PartyEvent]:
    if command.uid != party.host or party.missed is not None or command.uid in present(party, context):
        return []
    now, joined = context.now, party.members[party.host].since
    since = min(max(_moment(command.since, now), joined), now)
    grace = party.settings.grace_seconds
    until = since + timedelta(seconds=grace) if grace else None
    return [HostMissed(uid=command.uid, since=since, until=until, at=now)]


def _moment(seconds: float, now: datetime) -> datetime:
    """Not after now, so that no clock of an observer is too far ahead to be told as a time."""
    return datetime.fromtimestamp(max(0.0, min(seconds, now.timestamp())), UTC)


def _succeed(party: Party, context: Context) -> list[PartyEvent]:
    """Look again at the time and at who is there: with nobody in sight, the party waits for its host."""
    grace = party.settings.grace_seconds
    if party.missed is None or not grace or context.now - party.missed < timedelta(seconds=grace):
        return []
    here = present(party, context)
    if not here or party.host in here:
        return []
    return [HostChanged(uid=heir(party, here), reason="host-gone", at=context.now)]


def _drop(uids: Iterable[str], party: Party, context: Context) -> list[PartyEvent]:
    """The host is succeeded, never dropped; so a party is never emptied by it."""
    staying = present(party, context) | {party.host}
    gone = [uid for uid in dict.fromkeys(uids) if uid in party.members and uid not in staying]
    left = [Left(uid=uid, private=party.private, reason="unseen", at=context.now) for uid in gone]
    return [*left, *(program.without(party, left, context) if left else [])]
