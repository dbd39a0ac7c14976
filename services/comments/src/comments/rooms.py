"""As much of a room, a party's or a live event's, as its rules need, and how events move it on.

What was said is not in here but in the read model: a state that is kept whole must stay small.
"""

from datetime import datetime
from typing import Any, assert_never

from msgspec import Struct
from msgspec.structs import replace

from events.contracts.comments import (
    AUTHORS,
    RECENT_LINES,
    LineDeleted,
    LineHidden,
    LinePinned,
    LineRestored,
    LineReviewed,
    LiveChanged,
    LiveEnded,
    LiveStarted,
    ModeratorAppointed,
    RoomConfigured,
    RoomEvent,
    RoomSettings,
    Said,
    SaidUnseen,
    Veil,
)

LINE = "chat.line"
"""Under it a `KeptLine` is found in `Context.told`."""


class RecentLine(Struct, frozen=True, array_like=True):
    """Whose a line is, and whether others see it."""

    uid: str
    at: float
    """In unix seconds."""
    veil: Veil = ""
    gone: bool = False
    """Taken back by its author."""


class KeptLine(Struct, frozen=True):
    """A line as the read model has it, for decisions about what the state does not hold of it."""

    uid: str
    text: str
    at: datetime
    veil: Veil
    answers: str | None
    media_seconds: float | None
    mentions: tuple[str, ...]


class Room(Struct, frozen=True):
    """A room. States share their dicts until somebody says something."""

    settings: RoomSettings = RoomSettings()
    lines: dict[str, RecentLine] = {}
    """The newest `RECENT_LINES`, oldest first."""
    spoke: dict[str, float] = {}
    """When each person spoke last, in unix seconds, longest ago first; only in slow mode."""
    pinned: str | None = None
    owner: str = ""
    """Of a live event: who started it first. Empty in a party, and as long as there is no such event."""
    moderators: tuple[str, ...] = ()
    """Whom the owner appointed."""
    session: int = 0
    """Of a live event: the newest, counted from 1."""
    on: bool = False
    started_at: float = 0.0
    title: str = ""
    media: str | None = None

    def line(self, id: str) -> RecentLine | None:
        """One of the newest that is still there."""
        line = self.lines.get(id)
        return None if line is None or line.gone else line


def evolve(room: Room, event: RoomEvent) -> Room:
    match event:
        case Said(line=line, uid=uid, at=at):
            return _said(room, line, RecentLine(uid, at.timestamp()))
        case SaidUnseen(line=line, uid=uid, at=at, veil=veil):
            return _said(room, line, RecentLine(uid, at.timestamp(), veil))
        case LineDeleted(line=line):
            return replace(room, lines=_marked(room, line, gone=True), **_off(room, line))
        case LineHidden(line=line):
            return replace(room, lines=_marked(room, line, veil="moderated"), **_off(room, line))
        case LineRestored(line=line):
            return replace(room, lines=_marked(room, line, veil=""))
        case LineReviewed():
            return room
        case LinePinned(line=pinned):
            return replace(room, pinned=pinned)
        case RoomConfigured(open=is_open, slow_seconds=slow_seconds, links=links, words=words):
            settings = RoomSettings(open=is_open, slow_seconds=slow_seconds, links=links, words=words)
            return replace(room, settings=settings, spoke=_spoke(room, slow_seconds))
        case LiveStarted() | LiveChanged() | LiveEnded() | ModeratorAppointed():
            return _live(room, event)
        case _:
            assert_never(event)


def _live(room: Room, event: LiveStarted | LiveChanged | LiveEnded | ModeratorAppointed) -> Room:
    match event:
        case LiveStarted(session=session, title=title, media=media, by=by, at=at):
            begun = replace(room, owner=by, session=session, on=True, started_at=at.timestamp())
            return replace(begun, title=title, media=media)
        case LiveChanged(title=title, media=media):
            return replace(room, title=title, media=media)
        case LiveEnded():
            return replace(room, on=False)
        case ModeratorAppointed(uid=uid, moderator=moderator):
            others = tuple(other for other in room.moderators if other != uid)
            return replace(room, moderators=(*others, uid) if moderator else others)


def _said(room: Room, line: str, said: RecentLine) -> Room:
    lines = room.lines.copy()
    lines[line] = said
    if len(lines) > RECENT_LINES:
        del lines[next(iter(lines))]
    if not room.settings.slow_seconds:
        return replace(room, lines=lines)
    spoke = room.spoke.copy()
    spoke.pop(said.uid, None)
    spoke[said.uid] = said.at
    if len(spoke) > AUTHORS:
        del spoke[next(iter(spoke))]
    return replace(room, lines=lines, spoke=spoke)


def _marked(room: Room, line: str, **marks: Any) -> dict[str, RecentLine]:
    """One that is no longer among the newest is not here to be marked."""
    kept = room.lines.get(line)
    return room.lines if kept is None else {**room.lines, line: replace(kept, **marks)}


def _off(room: Room, line: str) -> dict[str, Any]:
    """What nobody sees any more is not pinned either."""
    return {"pinned": None} if room.pinned == line else {}


def _spoke(room: Room, slow_seconds: float) -> dict[str, float]:
    """Slow mode begins with what is known of the newest lines."""
    if not slow_seconds or room.settings.slow_seconds:
        return room.spoke if slow_seconds else {}
    return {line.uid: line.at for line in sorted(room.lines.values(), key=lambda line: line.at)}
