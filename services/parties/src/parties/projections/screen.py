"""What a party's screen and the lists show, the timers that watch over it, and its timeline."""

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import astuple, replace

from events import timers
from events.contracts import party
from events.contracts.party import (
    LIST_TOPIC,
    LISTED,
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
    Joined,
    Kicked,
    Left,
    Locked,
    MediaChanged,
    Opened,
    Paused,
    Played,
    ProfileChanged,
    Queued,
    RateChanged,
    Readied,
    Settings,
    Sought,
    Undone,
    mine_topic,
    topic,
)
from events.log import Commit
from events.projection import Db
from events.timers import Timer
from parties.projections import timeline
from parties.projections.facts import Fact, columns, facts_of, said

# The limit tells the planner that the key finds one row: a plan made while the table is empty serves a whole rebuild.
LOAD_PARTIES = """
    select found.* from unnest($1::text[]) as touched (party_id), lateral (
        select party_id, title, words, media, media_title, season, episode, file_index, source, last_source, host,
               private, locked, settings, opened_at, closed_at, closed_because,
               playing, media_seconds, rate, media_at, hold, last_what, last_by, last_at, members,
               missing_since, missing_until, closes_at, updated_at, position
          from party where party.party_id = touched.party_id limit 1) as found
"""

ADD_PARTIES = """
    insert into party (party_id, title, words, media, media_title, season, episode, file_index, source, last_source,
                       host, private, locked, settings, opened_at, closed_at, closed_because,
                       playing, media_seconds, rate, media_at, hold, last_what, last_by, last_at, members,
                       missing_since, missing_until, closes_at, updated_at, position)
    select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::int[], $7::int[], $8::int[],
                         $9::text[], $10::text[], $11::text[], $12::bool[], $13::bool[], $14::jsonb[],
                         $15::timestamptz[], $16::timestamptz[], $17::text[],
                         $18::bool[], $19::float8[], $20::float8[], $21::timestamptz[], $22::jsonb[], $23::text[],
                         $24::text[], $25::timestamptz[], $26::int[], $27::timestamptz[], $28::timestamptz[],
                         $29::timestamptz[], $30::timestamptz[], $31::bigint[])
"""

# Apart from the next one, because these columns are indexed and what follows from them is costly.
CHANGE_PARTIES = """
    update party
       set title = new.title, words = new.words, media = new.media, media_title = new.media_title,
           season = new.season, episode = new.episode, file_index = new.file_index, source = new.source,
           last_source = new.last_source, host = new.host, private = new.private, locked = new.locked,
           settings = new.settings, opened_at = new.opened_at, closed_at = new.closed_at,
           closed_because = new.closed_because
      from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::int[], $7::int[], $8::int[],
                  $9::text[], $10::text[], $11::text[], $12::bool[], $13::bool[], $14::jsonb[], $15::timestamptz[],
                  $16::timestamptz[], $17::text[])
           as new (party_id, title, words, media, media_title, season, episode, file_index, source, last_source, host,
                   private, locked, settings, opened_at, closed_at, closed_because)
     where party.party_id = new.party_id
"""

MOVE_PARTIES = """
    update party
       set playing = new.playing, media_seconds = new.media_seconds, rate = new.rate, media_at = new.media_at,
           hold = new.hold, last_what = new.last_what, last_by = new.last_by, last_at = new.last_at,
           members = new.members, missing_since = new.missing_since, missing_until = new.missing_until,
           closes_at = new.closes_at, updated_at = new.updated_at, position = new.position
      from unnest($1::text[], $2::bool[], $3::float8[], $4::float8[], $5::timestamptz[], $6::jsonb[], $7::text[],
                  $8::text[], $9::timestamptz[], $10::int[], $11::timestamptz[], $12::timestamptz[],
                  $13::timestamptz[], $14::timestamptz[], $15::bigint[])
           as new (party_id, playing, media_seconds, rate, media_at, hold, last_what, last_by, last_at, members,
                   missing_since, missing_until, closes_at, updated_at, position)
     where party.party_id = new.party_id
"""

LOAD_SOURCES = """
    select item.party_id, item.item, source
      from item join unnest($1::text[], $2::text[]) as next (party_id, item)
        on item.party_id = next.party_id and item.item = next.item
"""

COUNT_MEMBERS = """
    select party_id, (select count(*) from member where member.party_id = touched.party_id) as members
      from unnest($1::text[]) as touched (party_id)
"""

MEMBERS_OF = "select distinct uid from member where party_id = any($1::text[])"

UNHURRIED = timedelta(minutes=5)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
KEPT = 17
"""Columns of `party` that seldom change, its key among them."""

_WORD = re.compile(r"[^\W_]+")
_encode = msgspec.json.Encoder().encode
_holds = msgspec.json.Decoder(HoldView)


class Screen(Struct):
    """A row of `party`, in the order of `LOAD_PARTIES`. It changes in place: most events touch few of its columns."""

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

    def place(self, now: datetime) -> float:
        """Where playback is at *now*; before `media_at`, where it will begin."""
        elapsed = (now - self.media_at).total_seconds() if self.playing else 0.0
        return min(self.media_seconds + self.rate * max(elapsed, 0.0), LONGEST)


def words(text: str) -> list[str]:
    """The words that a search compares, alike however they are written: letters and digits, and nothing else."""
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())


async def apply_to_party(db: Db, commits: Sequence[Commit]) -> set[str]:
    """Load the parties that the batch touches, carry each through its events, and save them with timers and timeline.

    Runs when who is a member is known after the batch, and what was queued is as it was before it.
    """
    facts = facts_of(commits)
    if not facts:
        return set()
    touched = {fact.party_id for fact in facts}
    rows = {row["party_id"]: Screen(*row) for row in await db.fetch(LOAD_PARTIES, list(touched))}
    before = {party_id: replace(row) for party_id, row in rows.items()}
    sources = await _sources(db, facts)
    lines = [_told(rows, sources, fact) for fact in facts]
    await _count_members(db, rows, facts)
    await _save(db, rows, before)
    await timeline.save(db, lines)
    await _set_timers(db, rows, before)
    return {topic(party_id) for party_id in touched} | await _listings(db, rows, before, facts)


def _told(rows: dict[str, Screen], sources: dict[tuple[str, str], str], fact: Fact) -> timeline.Line:
    """Carry the party through one event, and write down that it happened."""
    party_id, commit, _, event = fact
    kind, at = type(event), said(event)
    if kind is Opened:
        rows[party_id] = _opened(party_id, event)
    row = rows[party_id]
    told = timeline.line(fact, at, row.place(at))
    if fold := FOLDS.get(kind):
        fold(row, event)
    if kind in PASSES_ON:
        _pass_on(row, sources, event)
    row.position = commit.sequence
    if kind is not Expiring:
        row.updated_at, row.closes_at = at, None
    return told


async def _sources(db: Db, facts: Iterable[Fact]) -> dict[tuple[str, str], str]:
    """Where the queued items come from that the batch watches, by party and item."""
    played = {(fact.party_id, fact.event.item) for fact in facts if type(fact.event) is MediaChanged}
    queued = {(party_id, item) for party_id, item in played if item is not None}
    found = await db.fetch(LOAD_SOURCES, *columns(queued)) if queued else []
    return {(row["party_id"], row["item"]): row["source"] for row in found}


async def _count_members(db: Db, rows: Mapping[str, Screen], facts: Iterable[Fact]) -> None:
    """A ban does not say whether it put out a member; so all are counted, once per batch."""
    changed = {fact.party_id for fact in facts if type(fact.event) in ATTENDANCE}
    for row in await db.fetch(COUNT_MEMBERS, list(changed)) if changed else ():
        rows[row["party_id"]].members = row["members"]


async def _save(db: Db, rows: Mapping[str, Screen], before: Mapping[str, Screen]) -> None:
    tuples = {party_id: astuple(row) for party_id, row in rows.items()}
    old = {party_id: astuple(row)[:KEPT] for party_id, row in before.items()}
    new = [row for party_id, row in tuples.items() if party_id not in old]
    changed = [row[:KEPT] for party_id, row in tuples.items() if party_id in old and row[:KEPT] != old[party_id]]
    moved = [row[:1] + row[KEPT:] for party_id, row in tuples.items() if party_id in old]
    for statement, found in ((ADD_PARTIES, new), (CHANGE_PARTIES, changed), (MOVE_PARTIES, moved)):
        if found:
            await db.execute(statement, *columns(found))


async def _set_timers(db: Db, rows: Mapping[str, Screen], before: Mapping[str, Screen]) -> None:
    """A timer follows from the row alone: one that followed from it before the batch, too, is set already."""
    moved = [row for party_id, row in rows.items() if _deadlines(row) != _deadlines(before.get(party_id))]
    wanted = {timer.key: timer for row in moved for timer in _timers(row)}
    was = {timer.key for row in moved if row.party_id in before for timer in _timers(before[row.party_id])}
    await timers.put(db, list(wanted.values()))
    await timers.drop(db, was - wanted.keys())


def _deadlines(row: Screen | None) -> tuple[Any, ...]:
    """All that timers follow from."""
    return () if row is None else (row.closed_at, _unhurried(row.updated_at), row.missing_until, row.hold)


def _timers(row: Screen) -> list[Timer]:
    """What is to be looked at again, and when."""
    if row.closed_at is not None:
        return []
    id = row.party_id
    expires_at = _unhurried(row.updated_at) + party.EXPIRES_AFTER
    found = [
        Timer(f"expire:{id}", expires_at, party.Expire(party_id=id)),
        Timer(f"warn:{id}", expires_at - party.WARNED_BEFORE, party.WarnOfExpiry(party_id=id)),
    ]
    if row.missing_until is not None:
        found.append(Timer(f"succeed:{id}", row.missing_until, party.Succeed(party_id=id)))
    if row.hold is not None:
        found.append(Timer(f"release:{id}", _holds.decode(row.hold).until, party.Release(party_id=id)))
    return found


def _unhurried(at: datetime) -> datetime:
    """Not before *at*, and so that a timer which everything that happens puts off need not be set each time."""
    return at + (EPOCH - at) % UNHURRIED


async def _listings(
    db: Db, rows: Mapping[str, Screen], before: Mapping[str, Screen], facts: Iterable[Fact]
) -> set[str]:
    """The lists that show something else now: that of public parties, and those of their members."""
    renamed = {
        fact.party_id
        for fact in facts
        if type(fact.event) is ProfileChanged and fact.event.uid == rows[fact.party_id].host
    }
    found = set()
    changed = []
    for party_id, row in rows.items():
        old = before.get(party_id)
        if _listed(row) != _listed(old) or (party_id in renamed and _listed(row)):
            found.add(LIST_TOPIC)
        if _mine(row) != _mine(old):
            changed.append(party_id)
    people = await db.fetch(MEMBERS_OF, changed) if changed else []
    return found | {mine_topic(row["uid"]) for row in people}


def _listed(row: Screen | None) -> tuple[Any, ...]:
    """What the list of public parties shows of this one; empty if it is not there."""
    if row is None or row.private or row.closed_at is not None:
        return ()
    media = row.media, row.media_title, row.season, row.episode
    return row.title, *media, row.host, row.members, row.locked, row.playing


def _mine(row: Screen | None) -> tuple[Any, ...]:
    """What its members' lists show of a party. Of a crowd, nobody is told each time that somebody comes or pauses."""
    if row is None:
        return ()
    media = row.media, row.media_title, row.season, row.episode
    often = (row.members, row.playing) if row.members <= LISTED else ()
    return row.title, *media, row.host, row.private, row.closed_at, *often


def _opened(party_id: str, event: Opened) -> Screen:
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
    since = _holds.decode(row.hold).since if row.hold else said(event)
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


def _pass_on(row: Screen, sources: dict[tuple[str, str], str], event: Queued | MediaChanged) -> None:
    """The source of an item comes with it out of the queue."""
    if event.item is None:
        return
    if isinstance(event, Queued):
        sources[row.party_id, event.item] = event.source
    else:
        row.source = sources.get((row.party_id, event.item), "")


def _spared(row: Screen, event: Left | Kicked | Banned | Readied | Excused) -> None:
    """Somebody is no longer waited for; whether the wait ends with that, another event says."""
    if row.hold is None or not getattr(event, "ready", True) or not getattr(event, "excused", True):
        return
    hold = _holds.decode(row.hold)
    rest = [uid for uid in hold.waits_for if uid != event.uid]
    row.hold = _encode(replace(hold, waits_for=rest)).decode()


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
PASSES_ON = frozenset({Queued, MediaChanged})
ATTENDANCE = frozenset({Joined, Left, Kicked, Banned})
