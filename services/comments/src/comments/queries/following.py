"""Who may follow a room, and what following begins with: read once for all who come in at the same moment."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

import msgspec
from msgspec import Raw

from comments.guards import RIGHTS
from comments.queries import lives, rooms
from comments.queries.rights import Ruling, Standing, binding, may_moderate, ruling
from comments.retention import Retention
from events.contracts.comments import CHAT, LIVE, LivePart, RoomSettings, RoomState
from events.contracts.party import LISTED, Rights
from events.definition import Granted, Granting
from events.messages import Context
from events.projection import Db

LINES = 50
PEOPLE = 200

ROOM = "select open, slow_seconds, links, words from room where room = $1"

_encode = msgspec.json.Encoder().encode


class Shown:
    """What one reading of a room shows: the same bytes to all who are shown the same."""

    def __init__(self, state: RoomState) -> None:
        self._state = state
        self._encoded: dict[tuple[bool, bool, datetime | None], Raw] = {}

    def to(self, may_moderate: bool, standing: Standing) -> Raw:
        key = may_moderate, standing.muted, standing.muted_until
        if key not in self._encoded:
            state = msgspec.structs.replace(
                self._state,
                words=self._state.words if may_moderate else [],
                may_moderate=may_moderate,
                muted=standing.muted,
                muted_until=standing.muted_until,
            )
            self._encoded[key] = Raw(_encode(state))
        return self._encoded[key]


def grants(retention: Retention) -> Mapping[str, Granting]:
    """By kind of channel; whom a party refuses never gets as far as here."""

    async def chat(db: Db, party_id: str, contexts: Sequence[Context]) -> Sequence[Granted | Exception]:
        return await _granted(db, f"party:{party_id}", contexts, retention)

    async def live(db: Db, live_id: str, contexts: Sequence[Context]) -> Sequence[Granted | Exception]:
        return await _granted(db, f"live:{live_id}", contexts, retention)

    return {CHAT.kind: chat, LIVE.kind: live}


async def _granted(
    db: Db, room: str, contexts: Sequence[Context], retention: Retention
) -> Sequence[Granted | Exception]:
    """Everybody who may read it may follow it and be counted; `send` is for those who might speak, too."""
    live = await ruling(db, room, [context.actor for context in contexts])
    standings = await binding(db, room, contexts, live)
    refused = [ban for context in contexts if (ban := standings[context.actor].ban())]
    if len(refused) == len(contexts):
        return refused
    state = await _state(db, room, contexts[0], retention)
    shown = Shown(state)
    return [_grant(room, context, standings[context.actor], live, state, shown) for context in contexts]


def _grant(
    room: str, context: Context, standing: Standing, live: Ruling | None, state: RoomState, shown: Shown
) -> Granted | Exception:
    refused = standing.ban()
    if refused:
        return refused
    moderates = may_moderate(room, context, live)
    speaks = (state.open or moderates) and not standing.muted and _takes_part(context, state.live)
    heard: Literal["send", "whisper"] = "whisper" if standing.shadow else "send"
    return Granted(
        may=("follow", "track", heard) if speaks else ("follow", "track"),
        state=shown.to(moderates, standing),
        presence="list" if state.live is None and _is_small(context) else "count",
    )


def _is_small(context: Context) -> bool:
    """A party in whose chat people are named to one another, as on its own channel; others are counted."""
    rights: Any = context.told.get(RIGHTS)
    return isinstance(rights, Rights) and rights.members <= LISTED


def _takes_part(context: Context, live: LivePart | None) -> bool:
    """Members of a party that is open; anybody, while a live event is on."""
    if live is not None:
        return live.on
    rights: Any = context.told.get(RIGHTS)
    return isinstance(rights, Rights) and rights.role is not None and not rights.closed


async def _state(db: Db, room: str, context: Context, retention: Retention) -> RoomState:
    row = await db.fetchrow(ROOM, room)
    settings = RoomSettings() if row is None else RoomSettings(**row)
    lines = await rooms.newest(db, room, retention, context.now, LINES)
    kind, _, id = room.partition(":")
    return RoomState(
        room=room,
        open=settings.open,
        slow_seconds=settings.slow_seconds,
        links=settings.links,
        words=list(settings.words),
        pinned=await rooms.pinned(db, room),
        lines=lines,
        people=await rooms.named(db, room, [line.uid for line in lines], PEOPLE),
        live=await lives.part(db, id) if kind == LIVE.kind else None,
        may_moderate=False,
        muted=False,
        muted_until=None,
    )


GRANTS = grants(Retention())
"""Under the usual retention."""
