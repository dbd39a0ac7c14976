"""Threads themselves: their anchors, locks and pins. What is counted in them, comments and reactions say."""

from collections.abc import Collection, Sequence
from functools import partial

from comments.projections.comments import unread_topics
from comments.projections.facts import Fact, columns, facts_of
from events.contracts.comments import Pinned, ThreadBegun, ThreadLocked, ThreadTitled, lists_topic, topic
from events.log import Commit
from events.projection import Db, Touched

KINDS = frozenset({ThreadBegun, ThreadTitled, ThreadLocked, Pinned})

ADD = """
    insert into thread (thread_id, media, season, episode, party_id, title, begun_by, begun_at, locked, pins,
                        comments, people, replies, timed, reactions, latest_at)
    select *, false, '{}', 0, 0, 0, 0, 0, null
      from unnest($1::text[], $2::text[], $3::int[], $4::int[], $5::text[], $6::text[], $7::text[], $8::timestamptz[])
    on conflict do nothing
"""

TITLE = """
    update thread set title = coalesce(thread.title, new.title)
      from unnest($1::text[], $2::text[]) as new (thread_id, title)
     where thread.thread_id = new.thread_id
"""

LOCK = """
    update thread set locked = new.locked from unnest($1::text[], $2::bool[]) as new (thread_id, locked)
     where thread.thread_id = new.thread_id
"""

# The limit tells the planner that the key finds one row: a plan made while the table is empty serves a whole rebuild.
LOAD_PINS = """
    select found.* from unnest($1::text[]) as touched (thread_id), lateral (
        select thread_id, pins from thread where thread.thread_id = touched.thread_id limit 1) as found
"""

PIN = "update thread set pins = $2 where thread_id = $1"


async def apply_to_thread(db: Db, commits: Sequence[Commit]) -> Touched:
    facts = facts_of(commits, KINDS)
    if begun := [fact.event for fact in facts if type(fact.event) is ThreadBegun]:
        rows = [
            (one.thread_id, one.media, one.season, one.episode, one.party_id, one.title, one.by, one.at)
            for one in begun
        ]
        await db.execute(ADD, *columns(rows))
    if titled := {fact.event.thread_id: fact.event.title for fact in facts if type(fact.event) is ThreadTitled}:
        await db.execute(TITLE, *columns(titled.items()))
    if locked := {fact.event.thread_id: fact.event.locked for fact in facts if type(fact.event) is ThreadLocked}:
        await db.execute(LOCK, *columns(locked.items()))
    await _pin(db, facts)
    touched = {fact.event.thread_id for fact in facts}
    return partial(_topics, db, touched, {*titled, *locked}) if touched else set()


async def _topics(db: Db, touched: Collection[str], listed: Collection[str]) -> set[str]:
    """Of some of them more has changed than their comments: what lists show of them."""
    found = {changed(id) for id in touched for changed in (topic, lists_topic)}
    return found | await unread_topics(db, {id: {""} for id in listed})


async def _pin(db: Db, facts: Sequence[Fact]) -> None:
    """Seldom enough for a statement per thread."""
    events = [fact.event for fact in facts if type(fact.event) is Pinned]
    if not events:
        return
    found = await db.fetch(LOAD_PINS, list({event.thread_id for event in events}))
    pins = {row["thread_id"]: list(row["pins"]) for row in found}
    for event in events:
        mine = pins.get(event.thread_id, [])
        if event.comment_id in mine:
            mine.remove(event.comment_id)
        if event.pinned:
            mine.append(event.comment_id)
    for thread_id, mine in pins.items():
        await db.execute(PIN, thread_id, mine)
