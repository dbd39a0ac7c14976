"""What a party's screen shows, and how each event changes it."""

import re
import unicodedata
from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from events.contracts.party import (
    LONGEST,
    SYSTEM,
    Banned,
    Closed,
    Configured,
    Excused,
    Expiring,
    Held,
    HoldView,
    HostChanged,
    HostMissed,
    HostReturned,
    Kicked,
    Left,
    Locked,
    MediaChanged,
    Opened,
    Paused,
    Played,
    RateChanged,
    Readied,
    Settings,
    Sought,
    Undone,
)
from parties.projections.facts import said

LONGEST_WORD = 100
"""Characters by which words are told apart; PostgreSQL takes 2,046 bytes."""

_WORD = re.compile(r"[^\W_]+")
_encode = msgspec.json.Encoder().encode
_holds = msgspec.json.Decoder(HoldView)


class Screen(Struct):
    """A row of `party`, in the order of its columns. It changes in place: most events touch few of its columns."""

    party_id: str
    title: str
    words: str
    """Of the title and of what is watched, as `words` finds them."""
    media: str
    media_title: str | None
    season: int | None
    episode: int | None
    file_index: int | None
    source: str
    last_source: str
    """The source before the last control: to undo that may lead back to it."""
    host: str
    private: bool
    locked: bool
    settings: str
    opened_at: datetime
    closed_at: datetime | None
    closed_because: str | None
    playing: bool
    media_seconds: float
    rate: float
    media_at: datetime
    hold: str | None
    """A `HoldView`, as JSON."""
    last_what: str | None
    last_by: str | None
    last_at: datetime | None
    members: int
    missing_since: datetime | None
    missing_until: datetime | None
    closes_at: datetime | None
    updated_at: datetime
    position: int

    @property
    def held(self) -> HoldView | None:
        return None if self.hold is None else _holds.decode(self.hold)

    def place(self, now: datetime) -> float:
        """Where playback is at *now*; before `media_at`, where it will begin."""
        elapsed = (now - self.media_at).total_seconds() if self.playing else 0.0
        return min(self.media_seconds + self.rate * max(elapsed, 0.0), LONGEST)


def words(text: str) -> list[str]:
    """The words that a search compares, alike however they are written: letters and digits, and nothing else."""
    return [word[:LONGEST_WORD] for word in _WORD.findall(unicodedata.normalize("NFKC", text).casefold())]


def opened(party_id: str, event: Opened) -> Screen:
    return Screen(
        party_id=party_id,
        title=event.title,
        words=_words_of(event.title, event.media_title),
        media=event.media,
        media_title=event.media_title,
        season=event.season,
        episode=event.episode,
        file_index=event.file_index,
        source=event.source,
        last_source="",
        host=event.host,
        private=event.private,
        locked=False,
        settings=_encode(Settings()).decode(),
        opened_at=event.at,
        closed_at=None,
        closed_because=None,
        playing=False,
        media_seconds=0.0,
        rate=1.0,
        media_at=event.at,
        hold=None,
        last_what=None,
        last_by=None,
        last_at=None,
        members=0,
        missing_since=None,
        missing_until=None,
        closes_at=None,
        updated_at=event.at,
        position=0,
    )


def _words_of(title: str, media_title: str | None) -> str:
    return " ".join(words(f"{title} {media_title or ''}"))


def _played(row: Screen, event: Played) -> None:
    _controlled(row, "play", event)
    row.playing, row.rate, row.hold = True, event.rate, None


def _paused(row: Screen, event: Paused) -> None:
    _controlled(row, "pause", event)
    row.playing, row.hold = False, None


def _sought(row: Screen, event: Sought) -> None:
    """Whoever is waited for is waited for at the new place."""
    _controlled(row, "seek", event)


def _rate_changed(row: Screen, event: RateChanged) -> None:
    _controlled(row, "rate", event)
    row.rate = event.rate


def _undone(row: Screen, event: Undone) -> None:
    """What the last control led away from comes back, the source too: it may have been all that was changed."""
    source = row.last_source
    _controlled(row, "undo", event)
    row.playing, row.rate, row.hold = event.playing, event.rate, None
    _watch(row, event, source)


def _held(row: Screen, event: Held) -> None:
    held = row.held
    since = held.since if held else said(event)
    _controlled(row, "play", event)
    row.playing = False
    row.hold = _encode(HoldView(event.why, list(event.waits_for), since, event.until)).decode()


def _media_changed(row: Screen, event: MediaChanged) -> None:
    _controlled(row, "media", event)
    row.playing, row.rate, row.hold = False, 1.0, None
    _watch(row, event, event.source)


def _controlled(row: Screen, what: str, event: Any) -> None:
    """Playback goes on from another place. What observation or a timer does is no control, and nobody undoes it."""
    row.media_seconds, row.media_at = event.position, event.at
    if event.by != SYSTEM:
        row.last_what, row.last_by, row.last_at, row.last_source = what, event.by, said(event), row.source


def _watch(row: Screen, event: Undone | MediaChanged, source: str) -> None:
    row.media, row.media_title, row.source = event.media, event.media_title, source
    row.season, row.episode, row.file_index = event.season, event.episode, event.file_index
    row.words = _words_of(row.title, row.media_title)


def _spared(row: Screen, event: Left | Kicked | Banned | Readied | Excused) -> None:
    """Somebody is no longer waited for; whether the wait ends with that, another event says."""
    held = row.held
    if held is None or not getattr(event, "ready", True) or not getattr(event, "excused", True):
        return
    rest = [uid for uid in held.waits_for if uid != event.uid]
    row.hold = _encode(replace(held, waits_for=rest)).decode()


def _configured(row: Screen, event: Configured) -> None:
    row.title, row.private, row.settings = event.title, event.private, _encode(event.settings).decode()
    row.words = _words_of(row.title, row.media_title)


def _locked(row: Screen, event: Locked) -> None:
    row.locked = event.locked


def _host_changed(row: Screen, event: HostChanged) -> None:
    row.host, row.missing_since, row.missing_until = event.uid, None, None


def _host_missed(row: Screen, event: HostMissed) -> None:
    row.missing_since, row.missing_until = event.since, event.until


def _host_returned(row: Screen, event: HostReturned) -> None:
    row.missing_since = row.missing_until = None


def _expiring(row: Screen, event: Expiring) -> None:
    row.closes_at = event.closes_at


def _closed(row: Screen, event: Closed) -> None:
    """A closed party plays no further."""
    row.media_seconds, row.media_at, row.playing, row.hold = row.place(event.at), event.at, False, None
    row.closed_at, row.closed_because = event.at, event.reason


FOLDS: dict[type, Callable[[Screen, Any], None]] = {
    Played: _played,
    Paused: _paused,
    Sought: _sought,
    RateChanged: _rate_changed,
    Undone: _undone,
    Held: _held,
    MediaChanged: _media_changed,
    Left: _spared,
    Kicked: _spared,
    Banned: _spared,
    Readied: _spared,
    Excused: _spared,
    Configured: _configured,
    Locked: _locked,
    HostChanged: _host_changed,
    HostMissed: _host_missed,
    HostReturned: _host_returned,
    Expiring: _expiring,
    Closed: _closed,
}
"""What changes more of a screen than when it last changed."""
