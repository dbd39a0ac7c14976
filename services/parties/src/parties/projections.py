"""Read models of watch parties: what a party's screen shows, and who is in it."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from events import timers
from events.contracts import party
from events.contracts.party import Closed, HostChanged, Joined, Left, Opened, Paused, Played, Sought
from events.log import Commit
from events.messages import Event
from events.projection import Db, Projection
from events.timers import Timer

# The limit tells the planner that the key finds one row: a plan made while the table is empty serves a whole rebuild.
LOAD_PARTIES = """
    select found.* from unnest($1::text[]) as touched (party_id), lateral (
        select party_id, title, media, host, private, playing, media_seconds, rate, media_at, members,
               closed_at, closed_because, created_at, updated_at, position
          from party where party.party_id = touched.party_id limit 1) as found
"""

SAVE_PARTIES = """
    insert into party (party_id, title, media, host, private, playing, media_seconds, rate, media_at, members,
                       closed_at, closed_because, created_at, updated_at, position)
    select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bool[], $6::bool[], $7::float8[],
                         $8::float8[], $9::timestamptz[], $10::int[], $11::timestamptz[], $12::text[],
                         $13::timestamptz[], $14::timestamptz[], $15::bigint[])
    on conflict (party_id) do update
       set host = excluded.host, playing = excluded.playing, media_seconds = excluded.media_seconds,
           rate = excluded.rate, media_at = excluded.media_at, members = excluded.members,
           closed_at = excluded.closed_at, closed_because = excluded.closed_because,
           updated_at = excluded.updated_at, position = excluded.position
"""

SAVE_MEMBERS = """
    insert into member (party_id, uid, name, joined_at, created_at, updated_at, position)
    select * from unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::timestamptz[], $6::timestamptz[],
                         $7::bigint[])
    on conflict (party_id, uid) do update
       set name = excluded.name, joined_at = excluded.joined_at, created_at = excluded.created_at,
           updated_at = excluded.updated_at, position = excluded.position
"""

DELETE_MEMBERS = """
    delete from member using unnest($1::text[], $2::text[]) as gone (party_id, uid)
     where member.party_id = gone.party_id and member.uid = gone.uid
"""


class PartyRow(NamedTuple):
    """A row of `party`, in the order of its columns."""

    party_id: str
    title: str
    media: str
    host: str
    private: bool
    playing: bool
    media_seconds: float
    rate: float
    media_at: datetime
    members: int
    closed_at: datetime | None
    closed_because: str | None
    created_at: datetime
    updated_at: datetime
    position: int


class MemberRow(NamedTuple):
    """A row of `member`, in the order of its columns."""

    party_id: str
    uid: str
    name: str
    joined_at: datetime
    created_at: datetime
    updated_at: datetime
    position: int


async def apply_to_party(db: Db, commits: Sequence[Commit]) -> set[str]:
    """Load the parties that the batch touches, carry each through its events, and save them with their expiry."""
    touched = {party_id for party_id, _, _ in _facts(commits)}
    if not touched:
        return set()
    rows = {row["party_id"]: PartyRow(*row) for row in await db.fetch(LOAD_PARTIES, list(touched))}
    for party_id, commit, event in _facts(commits):
        row = _opened(party_id, event) if isinstance(event, Opened) else _after(rows[party_id], event)
        rows[party_id] = row._replace(updated_at=commit.at, position=commit.sequence)
    await db.execute(SAVE_PARTIES, *_columns(rows.values()))
    await timers.put(db, [_expiry(row) for row in rows.values() if row.closed_at is None])
    await timers.drop(db, [_expiry(row).key for row in rows.values() if row.closed_at is not None])
    return {party.topic(party_id) for party_id in touched}


async def apply_to_member(db: Db, commits: Sequence[Commit]) -> set[str]:
    """The last thing that the batch says of a member counts: here, or gone."""
    here: dict[tuple[str, str], MemberRow] = {}
    gone: set[tuple[str, str]] = set()
    topics = set()
    for party_id, commit, event in _facts(commits):
        match event:
            case Joined(uid=uid, name=name, at=at):
                here[party_id, uid] = MemberRow(party_id, uid, name, at, commit.at, commit.at, commit.sequence)
                gone.discard((party_id, uid))
            case Left(uid=uid, private=private):
                here.pop((party_id, uid), None)
                gone.add((party_id, uid))
                if private:
                    topics.add(party.access_topic(party_id))
    if gone:
        await db.execute(DELETE_MEMBERS, *_columns(gone))
    if here:
        await db.execute(SAVE_MEMBERS, *_columns(here.values()))
    return topics | {party.topic(party_id) for party_id, _ in here.keys() | gone}


def _facts(commits: Sequence[Commit]) -> Iterator[tuple[str, Commit, Event]]:
    """Each event with the id of its party, which is the aggregate's: party ids are made of plain characters."""
    for commit in commits:
        for event in commit.events:
            yield commit.key.id, commit, event


def _opened(party_id: str, event: Opened) -> PartyRow:
    at = event.at
    return PartyRow(
        party_id=party_id,
        title=event.title,
        media=event.media,
        host=event.host,
        private=event.private,
        playing=False,
        media_seconds=0.0,
        rate=1.0,
        media_at=at,
        members=0,
        closed_at=None,
        closed_because=None,
        created_at=at,
        updated_at=at,
        position=0,
    )


def _after(row: PartyRow, event: Event) -> PartyRow:
    match event:
        case Joined():
            return row._replace(members=row.members + 1)
        case Left():
            return row._replace(members=row.members - 1)
        case HostChanged(uid=uid):
            return row._replace(host=uid)
        case Played(position=seconds, rate=rate, at=at):
            return row._replace(playing=True, media_seconds=seconds, rate=rate, media_at=at)
        case Paused(position=seconds, at=at):
            return row._replace(playing=False, media_seconds=seconds, media_at=at)
        case Sought(position=seconds, at=at):
            return row._replace(media_seconds=seconds, media_at=at)
        case Closed(reason=reason, at=at):
            return _standing(row, at)._replace(closed_at=at, closed_because=reason)
    return row


def _standing(row: PartyRow, at: datetime) -> PartyRow:
    """A closed party plays no further."""
    elapsed = (at - row.media_at).total_seconds() if row.playing else 0.0
    seconds = min(row.media_seconds + row.rate * elapsed, party.LONGEST)
    return row._replace(playing=False, media_seconds=seconds, media_at=at)


def _expiry(row: PartyRow) -> Timer:
    command = party.Expire(party_id=row.party_id)
    return Timer(f"expire:{row.party_id}", row.updated_at + party.EXPIRES_AFTER, command)


def _columns(rows: Iterable[tuple[Any, ...]]) -> Iterator[list[Any]]:
    return (list(column) for column in zip(*rows, strict=True))


PROJECTIONS = (Projection("party", apply_to_party), Projection("member", apply_to_member))
