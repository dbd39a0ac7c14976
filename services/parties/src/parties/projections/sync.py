"""How well members were in sync, from telemetry: it is kept for six hours, and the newest of it is shown."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from events.contracts.party import IN_SYNC, LIST_TOPIC, ONE_FRAME, SYNC_KEPT, Sampled, sync_topic
from events.log import Commit
from events.projection import Db
from parties.projections.facts import Fact, columns, facts_of

AT_ONCE = 10_000
"""Rows that one statement writes: all of a long batch would take longer than a statement may."""
SAMPLES_AT_ONCE = 100
"""Whose members one statement deletes."""

SAVE_AUDIENCES = """
    insert into audience (party_id, at, viewers, position)
    select * from unnest($1::text[], $2::timestamptz[], $3::int[], $4::bigint[])
    on conflict (party_id) do update set at = excluded.at, viewers = excluded.viewers, position = excluded.position
     where excluded.at > audience.at
"""

SAVE_HEARD = """
    insert into heard (party_id, uid, at, drift, state, position)
    select * from unnest($1::text[], $2::text[], $3::timestamptz[], $4::float8[], $5::text[], $6::bigint[])
    on conflict (party_id, uid) do update
       set at = excluded.at, drift = excluded.drift, state = excluded.state, position = excluded.position
     where excluded.at > heard.at
"""

SAVE_SAMPLES = """
    insert into sync_sample (position, party_id, at, media_seconds, playing, present, heard, judged, in_sync,
                             same_frame, stalls, seeks)
    select * from unnest($1::bigint[], $2::text[], $3::timestamptz[], $4::float8[], $5::bool[], $6::int[], $7::int[],
                         $8::int[], $9::int[], $10::int[], $11::int[], $12::int[])
"""

SAVE_MEMBERS = """
    insert into sync_member (position, uid, drift, state, stalls, seeks, rtt)
    select * from unnest($1::bigint[], $2::text[], $3::float8[], $4::text[], $5::int[], $6::int[], $7::float8[])
"""

NEWEST = "select max(at) from sync_sample"
DELETE_SAMPLES = "delete from sync_sample where at < $1 returning position, party_id"
DELETE_MEMBERS = """
    with gone as (
        delete from sync_member using unnest($1::bigint[], $2::text[]) as sample (position, party_id)
         where sync_member.position = sample.position
        returning sample.party_id, uid)
    delete from heard using gone where heard.party_id = gone.party_id and heard.uid = gone.uid and heard.at < $3
"""
DELETE_AUDIENCES = "delete from audience where party_id = any($1::text[]) and at < $2"

VIEWERS = """
    select party.party_id, coalesce(audience.viewers, 0) as viewers
      from party left join audience using (party_id)
     where party_id = any($1::text[]) and not private and closed_at is null
     order by party_id
"""

Row = tuple[Any, ...]


async def apply_to_sync(db: Db, commits: Sequence[Commit]) -> set[str]:
    """Of samples of one moment the first by arrival counts; otherwise it does not matter in which order they come."""
    samples = facts_of(commits, (Sampled,))
    if not samples:
        return set()
    parties = list({sample.party_id for sample in samples})
    before = await db.fetch(VIEWERS, parties)
    await _write(db, SAVE_AUDIENCES, _newest((_audience(sample) for sample in samples), 1))
    await _write(db, SAVE_HEARD, _newest((row for sample in samples for row in _heard(sample)), 2))
    await _write(db, SAVE_SAMPLES, [_sample(sample) for sample in samples])
    await _write(db, SAVE_MEMBERS, [row for sample in samples for row in _members(sample)])
    await _forget(db)
    changed = before != await db.fetch(VIEWERS, parties)
    return {sync_topic(party_id) for party_id in parties} | ({LIST_TOPIC} if changed else set())


async def _write(db: Db, statement: str, rows: Sequence[Row]) -> None:
    for start in range(0, len(rows), AT_ONCE):
        await db.execute(statement, *columns(rows[start : start + AT_ONCE]))


async def _forget(db: Db) -> None:
    """What is older than it is kept, by the clock of the telemetry itself: a batch asks no other."""
    newest: datetime = await db.fetchval(NEWEST)
    oldest = newest - SYNC_KEPT
    gone = await db.fetch(DELETE_SAMPLES, oldest)
    for start in range(0, len(gone), SAMPLES_AT_ONCE):
        await db.execute(DELETE_MEMBERS, *columns(gone[start : start + SAMPLES_AT_ONCE]), oldest)
    if gone:
        await db.execute(DELETE_AUDIENCES, list({row["party_id"] for row in gone}), oldest)


def _newest(rows: Iterable[Row], key: int) -> list[Row]:
    """The last row of each key, which its first *key* columns make; the time is in the next one."""
    found: dict[Row, Row] = {}
    for row in rows:
        kept = found.get(row[:key])
        if kept is None or row[key] > kept[key]:
            found[row[:key]] = row
    return list(found.values())


def _audience(sample: Fact) -> Row:
    return sample.party_id, sample.event.at, sample.event.present, sample.commit.sequence


def _heard(sample: Fact) -> Iterator[Row]:
    event: Sampled = sample.event
    for uid, heard in event.members.items():
        yield sample.party_id, uid, event.at, heard.drift, heard.state, sample.commit.sequence


def _sample(sample: Fact) -> Row:
    """With its sums: over many samples they are then a matter of adding up."""
    event: Sampled = sample.event
    heard = event.members.values()
    drifts = [abs(one.drift) for one in heard if one.drift is not None] if event.playing else []
    # Who buffers while the party plays is not in sync, although nobody can say how far behind.
    lost = sum(one.drift is None and one.state == "buffering" for one in heard) if event.playing else 0
    return (
        sample.commit.sequence,
        sample.party_id,
        event.at,
        event.position,
        event.playing,
        event.present,
        len(heard),
        len(drifts) + lost,
        sum(drift <= IN_SYNC for drift in drifts),
        sum(drift <= ONE_FRAME for drift in drifts),
        sum(one.stalls for one in heard),
        sum(one.seeks for one in heard),
    )


def _members(sample: Fact) -> Iterator[Row]:
    for uid, heard in sample.event.members.items():
        yield sample.commit.sequence, uid, heard.drift, heard.state, heard.stalls, heard.seeks, heard.rtt
