"""What happens in rooms, to people and by moderators, beside the threads of `threads`."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar

from tests.integration.comments.threads import ANA, BOB, CYD, MOD, PARTY, SERVICE, T, Talk, asking, in_party
from tests.integration.readmodels import ReadModel

from comments.queries import queries
from comments.queries.following import grants
from comments.retention import Retention
from events.contracts.comments import (
    CommentsErased,
    LineDeleted,
    LineHidden,
    LinePinned,
    LineReported,
    LineRestored,
    LineReviewed,
    LiveChanged,
    LiveEnded,
    LiveSampled,
    LiveStarted,
    ModeratorAppointed,
    PersonBanned,
    PersonMuted,
    PersonUnbanned,
    PersonUnmuted,
    Reported,
    Reviewed,
    RoomConfigured,
    Said,
    SaidUnseen,
    UnseenDeleted,
    UnseenHidden,
    comment_key,
    room_key,
    standing_key,
)
from events.contracts.erased import erased_key
from events.log import Commit
from events.messages import Context, Key, Query

__all__ = ["ANA", "BOB", "CYD", "MOD", "PARTY", "SERVICE", "Story", "T", "asking", "in_party"]

R = TypeVar("R")

CHAT, LIVE = f"party:{PARTY}", "live:final"
EPOCH = "k3f9"
DAN, EVE = "dan", "eve"


class Story(Talk):
    """A log in the making, with rooms in it."""

    def __init__(self) -> None:
        super().__init__()
        self._spoke: dict[str, str] = {}
        self._unseen: set[str] = set()
        """Lines that others do not see."""

    def chat(self, text: str = "Hi", by: str = ANA, room: str = CHAT, id: str = "", veil: str = "", **more: Any) -> str:
        """The id of the new line."""
        id = id or f"l{len(self.commits):06d}"
        self._spoke[id] = by
        if veil:
            self._unseen.add(id)
        name = more.pop("name", by.title())
        fields = {"room": room, "line": id, "uid": by, "name": name, "text": text, "at": self._later(), **more}
        self.say(room_key(room), SaidUnseen(veil=veil, **fields) if veil else Said(**fields), by=by)  # type: ignore[arg-type]
        return id

    def take_back(self, id: str, by: str = ANA, room: str = CHAT) -> None:
        deleted = UnseenDeleted if id in self._unseen else LineDeleted
        self.say(room_key(room), deleted(room=room, line=id, uid=by, at=self._later()), by=by)

    def hide_line(self, id: str, room: str = CHAT, by: str = MOD) -> None:
        hidden = UnseenHidden if id in self._unseen else LineHidden
        self._unseen.add(id)
        self.say(room_key(room), hidden(room=room, line=id, by=by, at=self._later(), reason="rude"), by=by)

    def restore_line(self, id: str, room: str = CHAT, by: str = MOD) -> None:
        """What was said is in the event, too, but for read models it is in the line."""
        at = self._later()
        self._unseen.discard(id)
        event = LineRestored(room=room, line=id, uid=self._spoke[id], text="", said_at=at, by=by, at=at)
        self.say(room_key(room), event, by=by)

    def review_line(self, id: str, room: str = CHAT) -> None:
        self.say(room_key(room), LineReviewed(room=room, line=id, by=MOD, at=self._later()), by=MOD)

    def pin_line(self, id: str | None, room: str = CHAT) -> None:
        self.say(room_key(room), LinePinned(room=room, line=id, by=MOD, at=self._later()), by=MOD)

    def configure(self, room: str = CHAT, **more: Any) -> None:
        usual: dict[str, Any] = {"open": True, "slow_seconds": 0.0, "links": "allow", "words": ()}
        self.say(room_key(room), RoomConfigured(room=room, by=MOD, at=self._later(), **usual | more), by=MOD)

    def report_line(self, id: str, by: str = BOB, room: str = CHAT, words: str = "") -> None:
        event = LineReported(room=room, line=id, uid=by, why="abuse", words=words, at=self._later())
        self.say(Key.of("report", room, id, by), event, by=by)

    def report(self, id: str, by: str = BOB, thread: str = T, words: str = "") -> None:
        event = Reported(thread_id=thread, comment_id=id, uid=by, why="spam", words=words, at=self._later())
        self.say(Key.of("report", thread, id, by), event, by=by)

    def review(self, id: str, thread: str = T) -> None:
        event = Reviewed(thread_id=thread, comment_id=id, by=MOD, at=self._later())
        self.say(comment_key(thread, id), event, by=MOD)

    def start(
        self, live_id: str = "final", by: str = ANA, session: int = 1, title: str = "The final", **more: Any
    ) -> None:
        event = LiveStarted(live_id=live_id, session=session, title=title, by=by, at=self._later(), **more)
        self.say(room_key(f"live:{live_id}"), event, by=by)

    def retitle(
        self, title: str, live_id: str = "final", session: int = 1, media: str | None = None, **more: Any
    ) -> None:
        at = self._later()
        event = LiveChanged(live_id=live_id, session=session, title=title, media=media, by=ANA, at=at, **more)
        self.say(room_key(f"live:{live_id}"), event)

    def end(self, live_id: str = "final", session: int = 1) -> None:
        event = LiveEnded(live_id=live_id, session=session, reason="ended", by=ANA, at=self._later())
        self.say(room_key(f"live:{live_id}"), event)

    def appoint(self, uid: str, live_id: str = "final", moderator: bool = True) -> None:
        event = ModeratorAppointed(live_id=live_id, uid=uid, moderator=moderator, by=ANA, at=self._later())
        self.say(room_key(f"live:{live_id}"), event)

    def sample(self, viewers: int, most: int, live_id: str = "final", session: int = 1) -> Commit:
        event = LiveSampled(live_id=live_id, session=session, viewers=viewers, most=most, at=self._later())
        key = room_key(f"live:{live_id}")
        self.heartbeats.append(self._commit(len(self.heartbeats) + 1, key, 0, (event,), ""))
        return self.heartbeats[-1]

    def mute(self, uid: str, where: str = "site", seconds: float | None = None, shadow: bool = False) -> None:
        at = self._later()
        until = at + timedelta(seconds=seconds) if seconds else None
        event = PersonMuted(where=where, uid=uid, by=MOD, at=at, until=until, shadow=shadow, reason="loud")
        self.say(standing_key(where, uid), event, by=MOD)

    def unmute(self, uid: str, where: str = "site") -> None:
        self.say(standing_key(where, uid), PersonUnmuted(where=where, uid=uid, by=MOD, at=self._later()), by=MOD)

    def ban(self, uid: str, where: str = "site", seconds: float | None = None) -> None:
        at = self._later()
        until = at + timedelta(seconds=seconds) if seconds else None
        event = PersonBanned(where=where, uid=uid, by=MOD, at=at, until=until, reason="rude")
        self.say(standing_key(where, uid), event, by=MOD)

    def unban(self, uid: str, where: str = "site") -> None:
        self.say(standing_key(where, uid), PersonUnbanned(where=where, uid=uid, by=MOD, at=self._later()), by=MOD)

    def erase(self, uid: str, final: bool = True) -> None:
        self.say(erased_key(uid), CommentsErased(uid=uid, erasure="e1", at=self._later(), final=final), by=uid)


def ask(model: ReadModel, query: Query, context: Context, retention: Retention = Retention()) -> Awaitable[Any]:
    return queries(retention)[type(query)](model.reader, query, context)


async def granted(model: ReadModel, room: str, *contexts: Context, retention: Retention = Retention()) -> Sequence[Any]:
    """What those are granted who come in together."""
    kind, _, id = room.partition(":")
    channel = "chat" if kind == "party" else "live"
    return await grants(retention)[channel](model.reader, id, contexts)


def soon(story: Story, context: Context, seconds: float = 1.0) -> Context:
    """The same, a little after all that was told."""
    return _at(context, story.now + timedelta(seconds=seconds))


def _at(context: Context, now: datetime) -> Context:
    return Context(actor=context.actor, now=now, roles=context.roles, told=context.told)


async def every_page(ask: Callable[[str | None], Awaitable[tuple[Sequence[R], str | None]]]) -> list[list[R]]:
    """Page after page, until there is none."""
    found, cursor = list[list[R]](), None
    while True:
        page, cursor = await ask(cursor)
        found.append(list(page))
        if cursor is None:
            return found
