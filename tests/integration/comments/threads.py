"""Threads whose past tests make up, event by event, as the rules would have written it."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import comments
from comments.projections import PROJECTIONS
from events.contracts import comments as contract
from events.contracts.comments import (
    Deleted,
    Edited,
    Hidden,
    Pinned,
    Posted,
    Reacted,
    ReadMarked,
    Removed,
    Restored,
    ThreadBegun,
    ThreadLocked,
    ThreadTitled,
    comment_key,
    reaction_key,
    reader_key,
    thread_key,
    thread_of,
)
from events.contracts.party import Rights
from events.definition import Service
from events.log import Commit
from events.messages import Context, Event, Key
from events.testing import NOW

SERVICE = Service(
    name="comments",
    contracts=contract,
    deciders={},
    projections=PROJECTIONS,
    queries={},
    schema=Path(comments.__file__).with_name("schema.sql"),
)
FILM, PARTY = "tt0133093", "p" * 16
T, U, P = thread_of(FILM), thread_of("tt0108778", 1, 2), thread_of(FILM, party_id=PARTY)
MEDIA: dict[str, dict[str, Any]] = {
    T: {"media": FILM},
    U: {"media": "tt0108778", "season": 1, "episode": 2},
    P: {"media": FILM, "party_id": PARTY},
}
ANA, BOB, CYD, MOD = "ana", "bob", "cyd", "mod"


class Talk:
    """A log in the making; nobody asks a rule."""

    def __init__(self) -> None:
        self.commits: list[Commit] = []
        self.heartbeats: list[Commit] = []
        self.now: datetime = NOW
        self._versions: dict[Key, int] = {}
        self._roots: dict[tuple[str, str], tuple[str, int, str]] = {}

    def begin(self, thread_id: str = T, **details: Any) -> str:
        about = MEDIA.get(thread_id, {"media": FILM}) | details
        self.say(thread_key(thread_id), ThreadBegun(thread_id=thread_id, by=ANA, at=self._later(), **about))
        return thread_id

    def title(self, title: str, thread: str = T) -> None:
        self.say(thread_key(thread), ThreadTitled(thread_id=thread, title=title, by=ANA, at=self._later()))

    def post(
        self, text: str = "Whoa", by: str = ANA, to: str | None = None, id: str = "", thread: str = T, **more: Any
    ) -> str:
        """The id of the new comment, which answers *to*."""
        id = id or f"c{len(self.commits):06d}"
        root, depth, uid = self._roots[thread, to] if to else (None, -1, None)
        self._roots[thread, id] = root or id, depth + 1, by
        event = Posted(
            thread_id=thread, comment_id=id, uid=by, name=more.pop("name", by.title()), text=text, at=self._later(),
            parent=to, parent_uid=uid, root=root, depth=depth + 1, **more,
        )  # fmt: skip
        self.say(comment_key(thread, id), event, by=by)
        return id

    def edit(self, id: str, text: str | None = None, by: str = ANA, thread: str = T, **more: Any) -> None:
        self._of(Edited(thread_id=thread, comment_id=id, uid=by, text=text, at=self._later(), **more), by)

    def delete(self, id: str, by: str = ANA, thread: str = T) -> None:
        self._of(Deleted(thread_id=thread, comment_id=id, uid=by, at=self._later()), by)

    def hide(self, id: str, thread: str = T) -> None:
        self._of(Hidden(thread_id=thread, comment_id=id, by=MOD, at=self._later()), MOD)

    def restore(self, id: str, thread: str = T) -> None:
        self._of(Restored(thread_id=thread, comment_id=id, by=MOD, at=self._later()), MOD)

    def remove(self, id: str, thread: str = T) -> None:
        self._of(Removed(thread_id=thread, comment_id=id, by=MOD, at=self._later()), MOD)

    def react(self, id: str, emoji: str = "👍", by: str = BOB, on: bool = True, thread: str = T, **more: Any) -> None:
        event = Reacted(thread_id=thread, comment_id=id, uid=by, emoji=emoji, on=on, at=self._later(), **more)
        self.say(reaction_key(by, thread, id), event, by=by)

    def pin(self, id: str, pinned: bool = True, thread: str = T) -> None:
        event = Pinned(thread_id=thread, comment_id=id, pinned=pinned, by=MOD, at=self._later())
        self.say(thread_key(thread), event, by=MOD)

    def lock(self, locked: bool = True, thread: str = T) -> None:
        self.say(thread_key(thread), ThreadLocked(thread_id=thread, locked=locked, by=MOD, at=self._later()), by=MOD)

    def read(self, uid: str, upto: datetime, about: str = T) -> Commit:
        event = ReadMarked(uid=uid, about=about, upto=upto, at=self._later())
        commit = self._commit(len(self.heartbeats) + 1, reader_key(uid), 0, (event,), uid)
        self.heartbeats.append(commit)
        return commit

    def say(self, key: Key, *events: Event, by: str = ANA) -> None:
        first = self._versions.get(key, 0) + 1
        self._versions[key] = first + len(events) - 1
        self.commits.append(self._commit(len(self.commits) + 1, key, first, events, by))

    def _of(self, event: Any, by: str) -> None:
        self.say(comment_key(event.thread_id, event.comment_id), event, by=by)

    def _later(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now

    def _commit(self, sequence: int, key: Key, first: int, events: Sequence[Event], by: str) -> Commit:
        last, id = first + len(events) - 1, f"{sequence:012d}-told"
        return Commit(sequence, key, first, last, tuple(events), id, self.now, by, id, "", "", "", "")


def asking(uid: str = CYD, *roles: str, now: datetime = NOW + timedelta(days=1), **told: Any) -> Context:
    return Context(actor=uid, now=now, roles=roles, told=told)


def in_party(uid: str = CYD, may: Sequence[Any] = (), parties: Sequence[str] = (PARTY,)) -> Context:
    """Somebody whom the party lets read."""
    rights = Rights(role="member", may=list(may), closed=False, host=ANA, members=3)
    return Context(actor=uid, now=NOW + timedelta(days=1), told={"party.rights": rights, "party.mine": tuple(parties)})
