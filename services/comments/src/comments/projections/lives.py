"""Live events: their sessions, their moderators, and how many are there, from telemetry of which the newest is kept."""

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct
from msgspec.structs import astuple

from comments.projections.facts import columns, facts_of
from events.contracts.comments import (
    LIVES_TOPIC,
    LiveChanged,
    LiveEnded,
    LiveSampled,
    LiveStarted,
    ModeratorAppointed,
    audience_topic,
    room_topic,
    standing_topic,
)
from events.log import Commit
from events.projection import Db

SAVE_LIVES = """
    insert into live (live_id, title, media, owner, session, started_at, ended_at, reason, unlisted, position)
    select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::int[], $6::timestamptz[],
                         $7::timestamptz[], $8::text[], $9::bool[], $10::bigint[])
    on conflict (live_id) do update
       set title = excluded.title, media = excluded.media, owner = excluded.owner, session = excluded.session,
           started_at = excluded.started_at, ended_at = excluded.ended_at, reason = excluded.reason,
           unlisted = excluded.unlisted, position = excluded.position
"""
CHANGE_LIVES = """
    update live
       set title = changed.title, media = changed.media, unlisted = changed.unlisted, position = changed.position
      from unnest($1::text[], $2::text[], $3::text[], $4::bool[], $5::bigint[])
           as changed (live_id, title, media, unlisted, position)
     where live.live_id = changed.live_id
"""
END_LIVES = """
    update live set ended_at = ended.at, reason = ended.reason, position = ended.position
      from unnest($1::text[], $2::timestamptz[], $3::text[], $4::bigint[]) as ended (live_id, at, reason, position)
     where live.live_id = ended.live_id
"""
SAVE_MODERATORS = """
    insert into live_moderator (live_id, uid, at, position)
    select * from unnest($1::text[], $2::text[], $3::timestamptz[], $4::bigint[])
    on conflict (live_id, uid) do update set at = excluded.at, position = excluded.position
"""
DELETE_MODERATORS = """
    delete from live_moderator using unnest($1::text[], $2::text[]) as dismissed (live_id, uid)
     where live_moderator.live_id = dismissed.live_id and live_moderator.uid = dismissed.uid
"""
SAVE_AUDIENCES = """
    insert into audience (live_id, session, viewers, most, at, position)
    select * from unnest($1::text[], $2::int[], $3::int[], $4::int[], $5::timestamptz[], $6::bigint[])
    on conflict (live_id) do update
       set session = excluded.session, viewers = excluded.viewers, most = excluded.most, at = excluded.at,
           position = excluded.position
     where excluded.at >= audience.at
"""


class LiveRow(Struct):
    """A row of `live`, in the order of its columns."""

    live_id: str
    title: str
    media: str | None
    owner: str
    session: int
    started_at: datetime
    ended_at: datetime | None
    reason: str | None
    unlisted: bool
    position: int


async def apply_to_lives(db: Db, commits: Sequence[Commit]) -> set[str]:
    """The last session that the batch speaks of counts, what it is called last, and whether it is over."""
    started: dict[str, LiveRow] = {}
    changed: dict[str, tuple[str, str, str | None, bool, int]] = {}
    ended: dict[str, tuple[str, datetime, str, int]] = {}
    facts = facts_of(commits, (LiveStarted, LiveChanged, LiveEnded))
    for fact in facts:
        event, position = fact.event, fact.commit.sequence
        if isinstance(event, LiveStarted):
            ended.pop(event.live_id, None)
            started[event.live_id] = LiveRow(
                event.live_id, event.title, event.media, event.by, event.session, event.at, None, None,
                bool(event.veil), position,
            )  # fmt: skip
        elif isinstance(event, LiveChanged):
            if row := started.get(event.live_id):
                row.title, row.media, row.unlisted, row.position = event.title, event.media, bool(event.veil), position
            else:
                changed[event.live_id] = event.live_id, event.title, event.media, bool(event.veil), position
        elif row := started.get(event.live_id):
            row.ended_at, row.reason, row.position = event.at, event.reason, position
        else:
            ended[event.live_id] = event.live_id, event.at, event.reason, position
    if changed:
        await db.execute(CHANGE_LIVES, *columns(changed.values()))
    if started:
        await db.execute(SAVE_LIVES, *columns(map(astuple, started.values())))
    if ended:
        await db.execute(END_LIVES, *columns(ended.values()))
    return {topic for fact in facts for topic in _topics(fact.event.live_id)}


async def apply_to_moderators(db: Db, commits: Sequence[Commit]) -> set[str]:
    """The last thing that the batch says of somebody counts."""
    facts = facts_of(commits, (ModeratorAppointed,))
    last = {(fact.event.live_id, fact.event.uid): fact for fact in facts}
    if dismissed := [key for key, fact in last.items() if not fact.event.moderator]:
        await db.execute(DELETE_MODERATORS, *columns(dismissed))
    appointed = [(*key, fact.event.at, fact.commit.sequence) for key, fact in last.items() if fact.event.moderator]
    if appointed:
        await db.execute(SAVE_MODERATORS, *columns(appointed))
    # Whoever watches what is for moderators has to be asked for their right anew.
    rights = {standing_topic(uid) for _, uid in last}
    return rights | {topic for live_id, _ in last for topic in _topics(live_id)}


async def apply_to_audience(db: Db, commits: Sequence[Commit]) -> set[str]:
    newest: dict[str, tuple[str, int, int, int, datetime, int]] = {}
    for fact in facts_of(commits, (LiveSampled,)):
        event = fact.event
        had = newest.get(event.live_id)
        if had is None or event.at >= had[4]:
            row = event.live_id, event.session, event.viewers, event.most, event.at, fact.commit.sequence
            newest[event.live_id] = row
    if not newest:
        return set()
    await db.execute(SAVE_AUDIENCES, *columns(newest.values()))
    return {LIVES_TOPIC, *map(audience_topic, newest)}


def _topics(live_id: str) -> tuple[str, str]:
    return room_topic(f"live:{live_id}"), LIVES_TOPIC
