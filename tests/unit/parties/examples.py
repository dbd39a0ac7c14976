"""People and parties with which the examples begin."""

from datetime import datetime, timedelta
from typing import Any

from events.contracts.party import (
    Closed,
    Configured,
    Held,
    HostChanged,
    Joined,
    Left,
    Opened,
    Permissions,
    Played,
    Role,
    RoleChanged,
    Settings,
)
from events.testing import NOW, spec
from parties.decider import decider
from parties.rules import Rules

ANA, BOB, CYD, DAN = "ana", "bob", "cyd", "dan"
P = "c0mmand0c0mmand0"
SYSTEM = "system:parties"

RULES = Rules(pepper=b"pepper")
room = spec(decider(RULES))


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def joined(uid: str, after: float = 0.0) -> Joined:
    return Joined(uid=uid, name=uid.title(), at=later(after))


def started(private: bool = False, key: str = "") -> Opened:
    """By Ana; a private party with a *key* is opened by that."""
    digest = RULES.sealed(P, key) if key else ""
    return Opened(party_id=P, host=ANA, title="Friday", media="tt0133093", private=private, key=digest, at=NOW)


def cohost(uid: str, after: float = 0.0) -> RoleChanged:
    return RoleChanged(uid=uid, role="cohost", by=ANA, at=later(after))


def configured(after: float = 0.0, **changes: Any) -> Configured:
    """Ana's party with other settings."""
    return Configured(title="Friday", private=False, settings=Settings(**changes), by=ANA, at=later(after))


def allowed(**least: Role) -> Configured:
    return configured(permissions=Permissions(**least))


def waiting(*uids: str, by: str = ANA) -> Held:
    """For *uids*, since second 5, at five minutes into the video."""
    return Held(by=by, why="start", waits_for=uids, position=300.0, at=later(5), until=later(35), said_at=later(5))


def gone_on(after: float) -> Played:
    """The wait is over."""
    return Played(by=SYSTEM, position=300.0, at=later(after), said_at=later(after))


opened = (started(), joined(ANA))
both = (*opened, joined(BOB, 1))
three = (*both, joined(CYD, 2))
staffed = (*three, cohost(BOB, 3))
"""Ana is host, Bob co-host, Cyd a member."""
closed = (*both, Closed(by=ANA, reason="closed", at=later(3)))
inherited = (*both, Left(uid=ANA, private=False, at=later(2)), HostChanged(uid=BOB, reason="host-left", at=later(2)))
