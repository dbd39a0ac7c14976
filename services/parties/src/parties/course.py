"""How a party is run and how it ends."""

from typing import Any, assert_never

from msgspec.structs import replace

from events.contracts.party import (
    EXPIRES_AFTER,
    WARNED_BEFORE,
    Close,
    Closed,
    Configure,
    Configured,
    Expire,
    Expiring,
    Kept,
    Lock,
    Locked,
    PartyEvent,
    PermissionChanges,
    Permissions,
    Rekey,
    Rekeyed,
    Settings,
    WarnOfExpiry,
    digits,
)
from events.messages import Context, Rejected
from parties.guards import may, must_be
from parties.people import present
from parties.rules import Rules
from parties.state import Party

CourseCommand = Lock | Configure | Rekey | Close | Expire | WarnOfExpiry


def decide(command: CourseCommand, party: Party, context: Context, rules: Rules) -> list[PartyEvent]:
    match command:
        case Lock():
            return _lock(command, party, context)
        case Configure():
            return _configure(command, party, context, rules)
        case Rekey():
            return _rekey(command, party, context, rules)
        case Close():
            return _close(party, context)
        case Expire():
            return _expire(party, context)
        case WarnOfExpiry():
            return _warn(party, context)
        case _:
            assert_never(command)


def _lock(command: Lock, party: Party, context: Context) -> list[PartyEvent]:
    may("people", party, context.actor)
    if command.locked == party.locked:
        return []
    return [Locked(locked=command.locked, by=context.actor, at=context.now)]


def _configure(command: Configure, party: Party, context: Context, rules: Rules) -> list[PartyEvent]:
    must_be("host", party, context.actor, "configure")
    title = party.title if command.title is None else command.title
    private = party.private if command.private is None else command.private
    settings = _changed(party.settings, command)
    # The answer tells a key whenever this is asked, so whenever it is asked there is that key.
    key = rules.sealed(command.party_id, digits(context.secret)) if command.private else ""
    events = list[PartyEvent]()
    if (title, private, settings) != (party.title, party.private, party.settings):
        first = "" if party.private else key
        events.append(
            Configured(title=title, private=private, settings=settings, by=context.actor, at=context.now, key=first)
        )
    if party.private and private and key and key != party.key:
        # Its followers stay: they are members, who need no key.
        events.append(Rekeyed(by=context.actor, at=context.now, key=key))
    return events


def _changed(settings: Settings, command: Configure) -> Settings:
    """The settings with what the command gives; of the permissions it may give a part."""
    permissions = replace(settings.permissions, **_given(command.permissions, Permissions))
    return replace(settings, **{**_given(command, Settings), "permissions": permissions})


def _given(changes: Configure | PermissionChanges | None, kind: type[Settings | Permissions]) -> dict[str, Any]:
    """Those fields of *kind* that are to change."""
    return {name: value for name in kind.__struct_fields__ if (value := getattr(changes, name, None)) is not None}


def _rekey(command: Rekey, party: Party, context: Context, rules: Rules) -> list[PartyEvent]:
    must_be("host", party, context.actor, "rekey")
    if not party.private:
        raise Rejected("not-private")
    key = rules.sealed(command.party_id, command.key or digits(context.secret))
    return [] if key == party.key else [Rekeyed(by=context.actor, at=context.now, key=key)]


def _close(party: Party, context: Context) -> list[PartyEvent]:
    if party.closed_by == context.actor:
        return []
    must_be("host", party, context.actor, "close")
    return [Closed(by=context.actor, reason="closed", at=context.now)]


def _expire(party: Party, context: Context) -> list[PartyEvent]:
    """Look again at the time: something may have happened since the timer was set."""
    if party.closed_by or party.active_at is None or context.now - party.active_at < EXPIRES_AFTER:
        return []
    here = present(party, context)
    if here:
        return [Kept(present=len(here), at=context.now)]
    return [Closed(by=context.actor, reason="expired", at=context.now)]


def _warn(party: Party, context: Context) -> list[PartyEvent]:
    """Look again at the time, as for the end itself."""
    if party.closed_by or party.warned or party.active_at is None:
        return []
    closes_at = party.active_at + EXPIRES_AFTER
    if context.now < closes_at - WARNED_BEFORE:
        return []
    return [Expiring(closes_at=closes_at, at=context.now)]
