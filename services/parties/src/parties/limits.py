"""How often people may do what, counted over all replicas; what deciders themselves limit is in `rules`."""

from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from events.contracts.party import (
    Appoint,
    Ban,
    Configure,
    Dismiss,
    HandOver,
    Join,
    Kick,
    Lock,
    Open,
    Rekey,
    Unban,
)
from events.messages import Command, Context
from events.quotas import Charge, Charging, Quota

HOUR = 3600
TRY_SECONDS = 600

MANAGEMENT = (Kick, Ban, Unban, Lock, Appoint, Dismiss, HandOver, Configure, Rekey)


class Limits(Struct, frozen=True, kw_only=True):
    """Whatever is 0 is without a limit."""

    rooms_per_hour: int = 10
    """That one person opens (the anime seed)."""
    management_per_hour: int = 20
    """Of one person in all parties together (the anime seed): kicks, bans, locks, roles, settings and keys."""
    key_tries: int = 10
    """Wrong keys from one address in ten minutes, for whichever parties."""
    key_tries_per_party: int = 50
    """Wrong keys for one party in ten minutes, from wherever: fifty of the million that six digits make."""


def charging(limits: Limits) -> Charging:
    """Which of these a command uses."""
    rooms = Quota("rooms", limits.rooms_per_hour, HOUR)
    management = Quota("management", limits.management_per_hour, HOUR)
    by_person = {Open: rooms, **dict.fromkeys(MANAGEMENT, management)}
    of_address = _tries("key-tries", limits.key_tries)
    of_party = _tries("key-tries-of-party", limits.key_tries_per_party)

    def charges(command: Command, context: Context) -> Sequence[Charge]:
        quota = by_person.get(type(command))
        if quota is not None:
            return (Charge(quota, context.actor),)
        if not isinstance(command, Join) or command.key is None:
            return ()
        # Members and those who dropped out of sight need no key, and are let in also while others have to wait.
        without = replace(command, key=None)
        tried = Charge(of_party, command.party_id, without, "key-needed")
        return (tried._replace(quota=of_address, subject=context.address), tried) if context.address else (tried,)

    return charges


def _tries(name: str, limit: int) -> Quota:
    return Quota(name, limit, TRY_SECONDS, counts=("wrong-key",), slug="key-locked", strict=True)
