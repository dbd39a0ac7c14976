"""Who is in a party, what they are called, and who may not come in."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import astuple

from events.contracts.party import (
    Banned,
    Configured,
    Excused,
    HostChanged,
    Joined,
    Kicked,
    Left,
    MediaChanged,
    Opened,
    ProfileChanged,
    Readied,
    Role,
    RoleChanged,
    Settings,
    SkipVoted,
    Unbanned,
    Undone,
    access_topic,
    mine_topic,
)
from events.log import Commit
from events.projection import Db
from parties.projections.facts import Fact, columns, facts_of

# The limit tells the planner that the key finds one row: a plan made while the table is empty serves a whole rebuild.
LOAD_MEMBERS = """
    select found.* from unnest($1::text[], $2::text[]) as touched (party_id, uid), lateral (
        select party_id, uid, role, ready, excused, pardoned, skips, joined_at, position
          from member where member.party_id = touched.party_id and member.uid = touched.uid limit 1) as found
"""

LOAD_PARTIES = """
    select found.* from unnest($1::text[]) as touched (party_id), lateral (
        select party_id, host, settings from party where party.party_id = touched.party_id limit 1) as found
"""

REFRESH_MEMBERS = """
    update member set ready = false, pardoned = false, skips = false
     where party_id = any($1::text[]) and (ready or pardoned or skips)
"""

DELETE_MEMBERS = """
    delete from member using unnest($1::text[], $2::text[]) as gone (party_id, uid)
     where member.party_id = gone.party_id and member.uid = gone.uid
"""

SAVE_MEMBERS = """
    insert into member (party_id, uid, role, ready, excused, pardoned, skips, joined_at, position)
    select * from unnest($1::text[], $2::text[], $3::text[], $4::bool[], $5::bool[], $6::bool[], $7::bool[],
                         $8::timestamptz[], $9::bigint[])
    on conflict (party_id, uid) do update
       set role = excluded.role, ready = excluded.ready, excused = excluded.excused, pardoned = excluded.pardoned,
           skips = excluded.skips, joined_at = excluded.joined_at, position = excluded.position
"""

SAVE_UNSEEN = """
    insert into unseen (party_id, uid, joined_at, position)
    select * from unnest($1::text[], $2::text[], $3::timestamptz[], $4::bigint[])
    on conflict (party_id, uid) do update set joined_at = excluded.joined_at, position = excluded.position
"""

DELETE_UNSEEN = """
    delete from unseen using unnest($1::text[], $2::text[]) as found (party_id, uid)
     where unseen.party_id = found.party_id and unseen.uid = found.uid
"""

SAVE_PEOPLE = """
    insert into person (party_id, uid, name, avatar, status, position)
    select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[])
    on conflict (party_id, uid) do update
       set name = excluded.name, avatar = excluded.avatar, status = excluded.status, position = excluded.position
"""

CHANGE_PEOPLE = """
    update person
       set name = coalesce(new.name, person.name), avatar = coalesce(new.avatar, person.avatar),
           status = coalesce(new.status, person.status), position = new.position
      from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[])
           as new (party_id, uid, name, avatar, status, position)
     where person.party_id = new.party_id and person.uid = new.uid
"""

SAVE_BANS = """
    insert into ban (party_id, uid, by, reason, at, position)
    select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::bigint[])
    on conflict (party_id, uid) do update
       set by = excluded.by, reason = excluded.reason, at = excluded.at, position = excluded.position
"""

DELETE_BANS = """
    delete from ban using unnest($1::text[], $2::text[]) as lifted (party_id, uid)
     where ban.party_id = lifted.party_id and ban.uid = lifted.uid
"""


_settings = msgspec.json.Decoder(Settings)


class MemberRow(Struct):
    """A row of `member`, in the order of its columns."""

    party_id: str
    uid: str
    role: str
    ready: bool
    excused: bool
    pardoned: bool
    skips: bool
    joined_at: datetime
    position: int
    """Of the last commit that spoke of this member in person."""


class PersonRow(Struct):
    """A row of `person`, in the order of its columns; null is what stays as it was."""

    party_id: str
    uid: str
    name: str | None
    avatar: str | None
    status: str | None
    position: int


class Crowd:
    """The members that a batch speaks of, on their way through it."""

    def __init__(self, hosts: dict[str, str], moderators: dict[str, Role], rows: Iterable[MemberRow]) -> None:
        self.hosts = hosts
        """Of the parties that change theirs."""
        self.moderators = moderators
        """The least role of theirs, of the parties that are run in another way."""
        self.rows: defaultdict[str, dict[str, MemberRow | None]] = defaultdict(dict)
        """By party and uid; None is who is gone."""
        self.unseen: dict[tuple[str, str], tuple[datetime, int] | None] = {}
        """Who dropped out of sight, by party and uid: since when they had been in, and the commit; None is who did not,
        or is back."""
        self.fresh: set[str] = set()
        """Parties that watch something else than before the batch."""
        for row in rows:
            self.rows[row.party_id][row.uid] = row

    def member(self, fact: Fact, uid: str) -> MemberRow | None:
        """The row that a fact changes; None if there is no such member, for whom it then means nothing."""
        row = self.rows[fact.party_id].get(uid)
        if row is not None:
            row.position = fact.commit.sequence
        return row


async def apply_to_member(db: Db, commits: Sequence[Commit]) -> set[str]:
    """Load the members whom the batch speaks of, carry each through it, and save who is still there."""
    facts = facts_of(commits, FOLDS)
    if not facts:
        return set()
    crowd = await _load(db, facts)
    topics: set[str] = set()
    for fact in facts:
        topics.update(_topics(crowd, fact))
        FOLDS[type(fact.event)](crowd, fact)
    await _save(db, crowd)
    return topics


async def apply_to_person(db: Db, commits: Sequence[Commit]) -> set[str]:
    """The last name, picture and status count, also after their owner has left."""
    rows: dict[tuple[str, str], PersonRow] = {}
    for party_id, commit, _, event in facts_of(commits, (Joined, ProfileChanged)):
        key = party_id, event.uid
        if isinstance(event, Joined):
            rows[key] = PersonRow(party_id, event.uid, event.name, event.avatar, "", commit.sequence)
            continue
        row = rows.setdefault(key, PersonRow(party_id, event.uid, None, None, None, 0))
        row.name = row.name if event.name is None else event.name
        row.avatar = row.avatar if event.avatar is None else event.avatar
        row.status = row.status if event.status is None else event.status
        row.position = commit.sequence
    whole = [astuple(row) for row in rows.values() if None not in (row.name, row.avatar, row.status)]
    parts = [astuple(row) for row in rows.values() if None in (row.name, row.avatar, row.status)]
    if whole:
        await db.execute(SAVE_PEOPLE, *columns(whole))
    if parts:
        await db.execute(CHANGE_PEOPLE, *columns(parts))
    return set()


async def apply_to_ban(db: Db, commits: Sequence[Commit]) -> set[str]:
    """The last thing that the batch says of somebody counts."""
    banned: dict[tuple[str, str], tuple[Any, ...]] = {}
    lifted: set[tuple[str, str]] = set()
    for party_id, commit, _, event in facts_of(commits, (Banned, Unbanned)):
        key = party_id, event.uid
        if isinstance(event, Banned):
            banned[key] = (*key, event.by, event.reason, event.at, commit.sequence)
            lifted.discard(key)
        else:
            banned.pop(key, None)
            lifted.add(key)
    if lifted:
        await db.execute(DELETE_BANS, *columns(lifted))
    if banned:
        await db.execute(SAVE_BANS, *columns(banned.values()))
    return set()


async def _load(db: Db, facts: Sequence[Fact]) -> Crowd:
    """Nobody need be loaded who joins or goes for good: that says all there is to say."""
    handed = {fact.party_id for fact in facts if type(fact.event) is HostChanged}
    told = handed | {fact.party_id for fact in facts if type(fact.event) is Configured}
    parties = await db.fetch(LOAD_PARTIES, list(told)) if told else []
    hosts = {row["party_id"]: row["host"] for row in parties if row["party_id"] in handed}
    moderators = {row["party_id"]: _settings.decode(row["settings"]).permissions.people for row in parties}
    touched = {(fact.party_id, fact.event.uid) for fact in facts if _goes_on(fact.event)} | set(hosts.items())
    rows = await db.fetch(LOAD_MEMBERS, *columns(touched)) if touched else []
    return Crowd(hosts, moderators, (MemberRow(*row) for row in rows))


async def _save(db: Db, crowd: Crowd) -> None:
    """Those whom the batch does not speak of in person first: what it says of the others goes on from there."""
    here = [astuple(row) for rows in crowd.rows.values() for row in rows.values() if row is not None]
    gone = [(party_id, uid) for party_id, rows in crowd.rows.items() for uid, row in rows.items() if row is None]
    if crowd.fresh:
        await db.execute(REFRESH_MEMBERS, list(crowd.fresh))
    if gone:
        await db.execute(DELETE_MEMBERS, *columns(gone))
    if here:
        await db.execute(SAVE_MEMBERS, *columns(here))
    unseen = [(*key, *since) for key, since in crowd.unseen.items() if since is not None]
    if found := [key for key, since in crowd.unseen.items() if since is None]:
        await db.execute(DELETE_UNSEEN, *columns(found))
    if unseen:
        await db.execute(SAVE_UNSEEN, *columns(unseen))


def _topics(crowd: Crowd, fact: Fact) -> Iterable[str]:
    """Before the fact is carried out. Where one person may see more or less now nobody else is asked."""
    match fact.event:
        case Joined(uid=uid):
            return (mine_topic(uid),)
        case RoleChanged(uid=uid) | Left(uid=uid) | Kicked(uid=uid) | Banned(uid=uid):
            return mine_topic(uid), access_topic(fact.party_id, uid)
        case HostChanged(uid=uid):
            return tuple(access_topic(fact.party_id, one) for one in (crowd.hosts[fact.party_id], uid))
        case Configured() as event if event.ends() or _moderators(event) != crowd.moderators[fact.party_id]:
            return (access_topic(fact.party_id),)
    return ()


def _moderators(event: Configured) -> Role:
    return event.settings.permissions.people


def _opened(crowd: Crowd, fact: Fact) -> None:
    crowd.hosts[fact.party_id] = fact.event.host
    crowd.moderators[fact.party_id] = Settings().permissions.people


def _joined(crowd: Crowd, fact: Fact) -> None:
    party_id, uid = fact.party_id, fact.event.uid
    crowd.rows[party_id][uid] = MemberRow(
        party_id, uid, "member", False, False, False, False, fact.event.at, fact.commit.sequence
    )
    crowd.unseen[party_id, uid] = None


def _gone(crowd: Crowd, fact: Fact) -> None:
    crowd.rows[fact.party_id][fact.event.uid] = None
    crowd.unseen[fact.party_id, fact.event.uid] = None


def _left(crowd: Crowd, fact: Fact) -> None:
    row = crowd.member(fact, fact.event.uid)
    _gone(crowd, fact)
    if row and fact.event.reason == "unseen":
        crowd.unseen[fact.party_id, fact.event.uid] = row.joined_at, fact.commit.sequence


def _role_changed(crowd: Crowd, fact: Fact) -> None:
    if row := crowd.member(fact, fact.event.uid):
        row.role = fact.event.role


def _host_changed(crowd: Crowd, fact: Fact) -> None:
    """The old host stays as co-host after handing over, as a member after going missing."""
    event = fact.event
    if old := crowd.member(fact, crowd.hosts[fact.party_id]):
        old.role = "cohost" if event.reason == "handed-over" else "member"
    if new := crowd.member(fact, event.uid):
        new.role = "member"
    crowd.hosts[fact.party_id] = event.uid


def _readied(crowd: Crowd, fact: Fact) -> None:
    """Being ready ends a pardon; being so no longer does not begin a wait."""
    if row := crowd.member(fact, fact.event.uid):
        row.ready = fact.event.ready
        row.pardoned = row.pardoned and not row.ready


def _excused(crowd: Crowd, fact: Fact) -> None:
    row = crowd.member(fact, fact.event.uid)
    if row and fact.event.reason == "asked":
        row.excused = fact.event.excused
    elif row:
        row.pardoned = fact.event.excused


def _skip_voted(crowd: Crowd, fact: Fact) -> None:
    if row := crowd.member(fact, fact.event.uid):
        row.skips = fact.event.skip


def _watching(crowd: Crowd, fact: Fact) -> None:
    """Something else is watched: nobody is ready for it yet, and nobody wants to skip it."""
    if isinstance(fact.event, Undone) and not fact.event.other_media:
        return
    crowd.fresh.add(fact.party_id)
    for row in crowd.rows[fact.party_id].values():
        if row is not None:
            row.ready = row.pardoned = row.skips = False


def _goes_on(event: Any) -> bool:
    """Whether what the event says goes on from what a member was."""
    return type(event) in CHANGES or (isinstance(event, Left) and event.reason == "unseen")


def _configured(crowd: Crowd, fact: Fact) -> None:
    """Changes nobody's row, but perhaps a right."""
    crowd.moderators[fact.party_id] = _moderators(fact.event)


CHANGES: dict[type, Callable[[Crowd, Fact], None]] = {
    RoleChanged: _role_changed,
    HostChanged: _host_changed,
    Readied: _readied,
    Excused: _excused,
    SkipVoted: _skip_voted,
}
FOLDS: dict[type, Callable[[Crowd, Fact], None]] = {
    **CHANGES,
    Opened: _opened,
    Joined: _joined,
    Left: _left,
    Kicked: _gone,
    Banned: _gone,
    MediaChanged: _watching,
    Undone: _watching,
    Configured: _configured,
}
