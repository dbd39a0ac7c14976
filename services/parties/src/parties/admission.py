"""Who comes in and who goes: how a party is opened, joined and left."""

import hmac
from typing import assert_never

from msgspec.structs import asdict

from events.contracts.party import Closed, HostChanged, Join, Joined, Leave, Left, Open, Opened, PartyEvent
from events.messages import Context, Rejected
from parties import program
from parties.guards import must_be_member, must_be_open, must_exist
from parties.people import heir, present, shown_name
from parties.rules import Rules
from parties.state import Party, media_of

AdmissionCommand = Open | Join | Leave


def decide(command: AdmissionCommand, party: Party, context: Context, rules: Rules) -> list[PartyEvent]:
    match command:
        case Open():
            return _open(command, party, context, rules)
        case Join():
            return _join(command, party, context, rules)
        case Leave():
            return _leave(party, context)
        case _:
            assert_never(command)


def _open(command: Open, party: Party, context: Context, rules: Rules) -> list[PartyEvent]:
    if party.opened_by == context.actor:
        return []
    if party.opened_by:
        # The id derives from a keyed digest of who asks, so two people do not meet here. If they did, the second must
        # not be told the id of the first one's party.
        raise Rejected("key-reused")
    name = shown_name(command.name or context.name)
    party_id, key = command.new_id(context), command.new_key(context)
    opened = Opened(
        party_id=party_id,
        host=context.actor,
        title=command.title,
        source=command.source or "",
        private=command.private,
        key=rules.sealed(party_id, key) if key else "",
        at=context.now,
        **asdict(media_of(command)),
    )
    return [opened, Joined(uid=context.actor, name=name, avatar=command.avatar, at=context.now)]


def _join(command: Join, party: Party, context: Context, rules: Rules) -> list[PartyEvent]:
    must_be_open(party)
    uid = context.actor
    if uid in party.members:
        # Not even to compare names with: the log keeps them sealed, and so does this state.
        return []
    if uid in party.banned:
        raise Rejected("banned")
    if uid not in party.unseen:
        _must_be_let_in(command, party, rules)
    if len(party.members) >= party.settings.capacity:
        raise Rejected("party-full", members=party.settings.capacity)
    return [Joined(uid=uid, name=shown_name(command.name or context.name), avatar=command.avatar, at=context.now)]


def _must_be_let_in(command: Join, party: Party, rules: Rules) -> None:
    """What stands in the way of who comes for the first time, or left."""
    if party.locked:
        raise Rejected("party-locked")
    if not party.private or not party.key:
        # A private party without a key is older than keys: its unguessable id alone opens it.
        return
    if command.key is None:
        raise Rejected("key-needed")
    if not hmac.compare_digest(rules.sealed(command.party_id, command.key), party.key):
        raise Rejected("wrong-key")


def _leave(party: Party, context: Context) -> list[PartyEvent]:
    must_exist(party)
    if party.closed_by:
        return []
    uid, now = context.actor, context.now
    must_be_member(party, uid)
    left = Left(uid=uid, private=party.private, at=now)
    others = party.members.keys() - {uid}
    if not others:
        return [left, Closed(by=uid, reason="empty", at=now)]
    succeeded = list[PartyEvent]()
    if uid == party.host:
        # Somebody must be host, there or not.
        following = heir(party, others & present(party, context) or others)
        succeeded.append(HostChanged(uid=following, reason="host-left", at=now))
    return [left, *succeeded, *program.without(party, [left], context)]
