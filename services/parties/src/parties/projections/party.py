"""The rows of parties: what their screens and the lists show, the timers that watch over them, and their timelines."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec.structs import astuple, replace

from events import timers
from events.contracts import party
from events.contracts.party import (
    LIST_TOPIC,
    LISTED,
    Banned,
    Expiring,
    Joined,
    Kicked,
    Left,
    MediaChanged,
    Opened,
    ProfileChanged,
    Queued,
    mine_topic,
    topic,
)
from events.log import Commit
from events.projection import Db
from events.timers import Timer
from parties.projections import timeline
from parties.projections.facts import Fact, columns, facts_of, said
from parties.projections.screen import FOLDS, Screen, opened

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

LISTED_BY = """
    select uid from member where party_id = any($1::text[])
    union select uid from unseen where party_id = any($1::text[])
"""

UNHURRIED = timedelta(minutes=5)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
KEPT = 17
"""Columns of `party` that seldom change, its key among them."""

PASSES_ON = frozenset({Queued, MediaChanged})
ATTENDANCE = frozenset({Joined, Left, Kicked, Banned})


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
        rows[party_id] = opened(party_id, event)
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
    if held := row.held:
        found.append(Timer(f"release:{id}", held.until, party.Release(party_id=id)))
    return found


def _unhurried(at: datetime) -> datetime:
    """Not before *at*, and so that a timer which everything that happens puts off need not be set each time."""
    return at + (EPOCH - at) % UNHURRIED


async def _listings(
    db: Db, rows: Mapping[str, Screen], before: Mapping[str, Screen], facts: Iterable[Fact]
) -> set[str]:
    """The lists that show something else now: that of public parties, and those of who is in or may come back."""
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
    people = await db.fetch(LISTED_BY, changed) if changed else []
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


def _pass_on(row: Screen, sources: dict[tuple[str, str], str], event: Queued | MediaChanged) -> None:
    """The source of an item comes with it out of the queue."""
    if event.item is None:
        return
    if isinstance(event, Queued):
        sources[row.party_id, event.item] = event.source
    else:
        row.source = sources.get((row.party_id, event.item), "")
