"""Pasts of libraries that tests make up: what happened, as the log and the telemetry would hold it."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar

from events.contracts.library import (
    Completed,
    Details,
    Episode,
    HistoryCleared,
    IdsJoined,
    IdsSplit,
    ImportAsked,
    ImportUndone,
    ItemChange,
    ItemChanged,
    Marked,
    PlaysRemoved,
    Progressed,
    Season,
    Started,
    Stopped,
    TakenIn,
    TakenPlay,
    TakenPosition,
    import_key,
    player,
    shelf_key,
    title_key,
)
from events.log import Commit
from events.messages import Context, Event, Key
from events.testing import NOW
from library.title.state import Title, evolve

T = TypeVar("T")

ANA, BOB = "ana", "bob"
FILM, SERIES, OTHER = "tt0133093", "tt0944947", "tmdb:tv:1399"
ONE, TWO, THREE = (Episode(season=1, episode=n) for n in (1, 2, 3))
SHOW = Details(
    kind="series", title="Thrones", genres=("Drama", "Fantasy"), seasons=(Season(season=1, episodes=(1, 2, 3)),)
)
MOVIE = Details(kind="movie", title="Matrix", genres=("Action",), runtime=7_200.0)


class Story:
    """A log and its telemetry in the making; a second passes before everything that happens."""

    def __init__(self) -> None:
        self.now = NOW
        self.commits: list[Commit] = []
        self.heartbeats: list[Commit] = []
        self._versions: dict[Key, int] = {}

    def later(self, seconds: float) -> datetime:
        self.now += timedelta(seconds=seconds)
        return self.now

    def say(self, key: Key, *events: Event) -> Commit:
        first = self._versions.get(key, 0) + 1
        self._versions[key] = first + len(events) - 1
        self.commits.append(self._commit(len(self.commits) + 1, key, first, events))
        return self.commits[-1]

    def started(self, position: float, **more: Any) -> Commit:
        return self._of_title(Started(**self._session(position, more)))

    def stopped(self, position: float, **more: Any) -> Commit:
        return self._of_title(Stopped(**self._session(position, more)))

    def completed(self, position: float = 95.0, **more: Any) -> Commit:
        following, play = more.pop("next", None), more.pop("play", "")
        return self._of_title(Completed(next=following, play=play, **self._session(position, more)))

    def heard(self, position: float, **more: Any) -> Commit:
        event = Progressed(**self._session(position, more))
        self.heartbeats.append(self._commit(len(self.heartbeats) + 1, title_key(event.uid, event.work), 0, (event,)))
        return self.heartbeats[-1]

    def marked(
        self, *episodes: Episode, watched: bool = True, work: str = SERIES, uid: str = ANA, **more: Any
    ) -> Commit:
        slots = tuple(f"{one.season}-{one.episode}" for one in episodes) or ("film",)
        told_at = self.later(1)
        at, device = more.pop("at", told_at), more.pop("device", "")
        told = {"at": at, "told_at": told_at, "op": f"op{len(self.commits)}", "watched_at": at, **more}
        event = Marked(
            uid=uid, work=work, watched=watched, slots=slots, device=device, player=player(uid, device), **told
        )
        return self._of_title(event)

    def chosen(self, work: str = FILM, uid: str = ANA, **change: Any) -> Commit:
        at = self.later(1)
        op = f"op{len(self.commits)}"
        return self._of_title(ItemChanged(uid=uid, work=work, change=ItemChange(**change), at=at, told_at=at, op=op))

    def removed(self, *plays: str, work: str = FILM, uid: str = ANA) -> Commit:
        return self._of_title(PlaysRemoved(uid=uid, work=work, plays=plays, at=self.later(1)))

    def taken(
        self,
        *plays: TakenPlay,
        work: str = FILM,
        uid: str = ANA,
        source: str = "i1",
        resume: TakenPosition | None = None,
        cleared: bool = False,
        **change: Any,
    ) -> Commit:
        self._asked(source, uid)
        at = self.later(1)
        event = TakenIn(
            uid=uid,
            work=work,
            source=source,
            format="stremio",
            at=at,
            told_at=at,
            plays=plays,
            change=ItemChange(**change),
            resume=resume,
            cleared=cleared,
        )
        return self._of_title(event)

    def joined(self, *works: str, uid: str = ANA) -> Commit:
        return self.say(shelf_key(uid), IdsJoined(uid=uid, works=works, at=self.later(1)))

    def split(self, work: str, uid: str = ANA) -> Commit:
        return self.say(shelf_key(uid), IdsSplit(uid=uid, work=work, at=self.later(1)))

    def cleared(self, uid: str = ANA) -> Commit:
        return self.say(shelf_key(uid), HistoryCleared(uid=uid, at=self.later(1)))

    def undone(self, source: str = "i1", uid: str = ANA) -> Commit:
        self._asked(source, uid)
        return self.say(import_key(uid, source), ImportUndone(uid=uid, import_id=source, at=self.later(1)))

    def kept_heartbeats(self) -> list[Commit]:
        """What the compacted stream has left: of each slot the one with the greatest order."""
        last: dict[tuple[Key, str], Commit] = {}
        for commit in self.heartbeats:
            (event,) = commit.events
            kept = last.get((commit.key, event.slot()))
            if kept is None or not event.older_than(kept.events[0]):
                last[commit.key, event.slot()] = commit
        return sorted(last.values(), key=lambda commit: commit.sequence)

    def title(self, uid: str, *works: str) -> Title:
        """What all facts and heartbeats of these ids are together, folded in memory."""
        title = Title()
        for commit in (*self.commits, *self.kept_heartbeats()):
            for event in commit.events:
                if (
                    getattr(event, "uid", "") == uid
                    and getattr(event, "work", "") in works
                    and not isinstance(event, IdsSplit)
                ):
                    title = evolve(title, event)  # type: ignore[arg-type]  # events with a work are a title's
        return title

    def _asked(self, source: str, uid: str) -> None:
        """An import begins before it brings anything."""
        key = import_key(uid, source)
        if key not in self._versions:
            asked = ImportAsked(uid=uid, import_id=source, upload="0" * 32, format="stremio", at=self.now)
            self.say(key, asked)

    def _session(self, position: float, more: dict[str, Any]) -> dict[str, Any]:
        uid, device, now = more.get("uid", ANA), more.get("device", ""), self.later(1)
        given = {"uid": uid, "work": FILM, "duration": 100.0, "at": now, "own": more.get("at", now), "session": "s"}
        return {"position": float(position), "player": player(uid, device), **given, **more}

    def _of_title(self, event: Any) -> Commit:
        return self.say(title_key(event.uid, event.work), event)

    def _commit(self, sequence: int, key: Key, first: int, events: Sequence[Event]) -> Commit:
        last, id = first + len(events) - 1, f"{key}-{sequence}"
        return Commit(sequence, key, first, last, tuple(events), id, self.now, "", id, "", "", "", "")


def play(slot: str = "film", id: str = "p1", watched_at: datetime | None = None) -> TakenPlay:
    return TakenPlay(slot, id, watched_at)


def asking(uid: str = ANA) -> Context:
    return Context(actor=uid, now=NOW)


async def every_page(ask: Callable[[str | None], Awaitable[tuple[Sequence[T], str | None]]]) -> list[list[T]]:
    """Page after page, until there is none."""
    found, cursor = list[list[T]](), None
    while True:
        page, cursor = await ask(cursor)
        found.append(list(page))
        if cursor is None:
            return found
