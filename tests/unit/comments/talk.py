"""People, a party's room and a live event with which the examples of chats begin."""

from datetime import datetime, timedelta
from typing import Any

from comments.decider import room as rule_book
from comments.guards import Standing
from comments.rooms import LINE, KeptLine
from comments.rules import Rules
from events.contracts.comments import (
    SITE,
    LiveEnded,
    LiveStarted,
    ModeratorAppointed,
    RoomConfigured,
    RoomSettings,
    Said,
    SaidUnseen,
    Veil,
    standing_key,
)
from events.contracts.party import Rights
from events.testing import NOW, spec

ANA, BOB, CYD, DAN = "ana", "bob", "cyd", "dan"
PARTY, FINAL = "party:p1", "live:final"
NEW = "c0mmand0c0mmand0"
"""The line that a command of the examples says."""

RULES = Rules(words_refused=("rosebud",), words_held=("sled*",))
room = spec(rule_book(RULES))

HOST = Rights(role="host", may=["play", "seek", "media", "queue", "people"], closed=False, host=ANA, members=3)
MEMBER = Rights(role="member", may=[], closed=False, host=ANA, members=3)
STRANGER = Rights(role=None, may=[], closed=False, host=ANA, members=3)
CLOSED = Rights(role="member", may=[], closed=True, host=ANA, members=3)


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def in_party(rights: Rights = MEMBER, line: KeptLine | None = None, **more: Any) -> dict[str, Any]:
    """What a command about the party's room finds in its context."""
    told = {"party.rights": rights, **({LINE: line} if line else {}), **more}
    return {"told": told, "name": "Bob"}


def standing(where: str, uid: str, **what: Any) -> dict[str, Any]:
    """What moderators have said of somebody, as a command finds it."""
    return {str(standing_key(where, uid)): Standing(**what)}


def muted(uid: str, where: str = PARTY, **what: Any) -> dict[str, Any]:
    return {"seen": standing(where, uid, muted=True, **what)}


def banned(uid: str, where: str = SITE, **what: Any) -> dict[str, Any]:
    return {"seen": standing(where, uid, banned=True, **what)}


def said(line: str, uid: str = BOB, after: float = 0.0, where: str = PARTY, **more: Any) -> Said:
    return Said(room=where, line=line, uid=uid, name=uid.title(), text=f"what {uid} says", at=later(after), **more)


def unseen(line: str, uid: str = BOB, veil: Veil = "held", where: str = PARTY) -> SaidUnseen:
    return SaidUnseen(room=where, line=line, uid=uid, name=uid.title(), text="a sled", at=NOW, veil=veil, rule="words")


def kept(uid: str = BOB, veil: Veil = "") -> KeptLine:
    """A line as the read model has it."""
    return KeptLine(uid, "a sled", NOW, veil, None, 12.5, (CYD,))


def configured(where: str = PARTY, **changes: Any) -> RoomConfigured:
    settings = RoomSettings(**changes)
    return RoomConfigured(
        room=where,
        by=ANA,
        at=NOW,
        open=settings.open,
        slow_seconds=settings.slow_seconds,
        links=settings.links,
        words=settings.words,
    )


def started(session: int = 1, after: float = 0.0) -> LiveStarted:
    """By Ana."""
    return LiveStarted(live_id="final", session=session, title="The final", by=ANA, at=later(after))


def ended(session: int = 1, after: float = 0.0) -> LiveEnded:
    return LiveEnded(live_id="final", session=session, reason="ended", by=ANA, at=later(after))


def appointed(uid: str) -> ModeratorAppointed:
    return ModeratorAppointed(live_id="final", uid=uid, moderator=True, by=ANA, at=NOW)
