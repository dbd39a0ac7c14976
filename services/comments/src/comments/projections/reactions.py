"""Emoji that people have put on comments."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from comments.projections.facts import columns, facts_of
from events.contracts.comments import Reacted, lists_topic, mine_topic, topic
from events.log import Commit
from events.projection import Db

# The limit tells the planner that the key finds one row: a plan made while the table is empty serves a whole rebuild.
LOAD = """
    select found.* from unnest($1::text[], $2::text[], $3::text[], $4::text[])
           as touched (uid, thread_id, comment_id, emoji), lateral (
        select uid, thread_id, comment_id, emoji, shadow from reaction
         where reaction.uid = touched.uid and reaction.thread_id = touched.thread_id
           and reaction.comment_id = touched.comment_id and reaction.emoji = touched.emoji limit 1) as found
"""

PUT_ON = """
    insert into reaction (uid, thread_id, comment_id, emoji, shadow, at, position)
    select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bool[], $6::timestamptz[], $7::bigint[])
    on conflict (uid, thread_id, comment_id, emoji) do update
       set shadow = excluded.shadow, at = excluded.at, position = excluded.position
"""

TAKE_OFF = """
    delete from reaction
     using unnest($1::text[], $2::text[], $3::text[], $4::text[]) as gone (uid, thread_id, comment_id, emoji)
     where reaction.uid = gone.uid and reaction.thread_id = gone.thread_id
       and reaction.comment_id = gone.comment_id and reaction.emoji = gone.emoji
"""

COUNT_EMOJI = """
    insert into reacted (thread_id, comment_id, emoji, people)
    select * from unnest($1::text[], $2::text[], $3::text[], $4::int[])
    on conflict (thread_id, comment_id, emoji) do update set people = reacted.people + excluded.people
"""

DROP_EMOJI = """
    delete from reacted using unnest($1::text[], $2::text[], $3::text[]) as touched (thread_id, comment_id, emoji)
     where reacted.thread_id = touched.thread_id and reacted.comment_id = touched.comment_id
       and reacted.emoji = touched.emoji and people = 0
"""

COUNT_COMMENTS = """
    update comment set reactions = comment.reactions + new.reactions
      from unnest($1::text[], $2::text[], $3::int[]) as new (thread_id, comment_id, reactions)
     where comment.thread_id = new.thread_id and comment.comment_id = new.comment_id
    returning comment.thread_id, comment.comment_id, uid, visible, new.reactions as change
"""

COUNT_THREADS = """
    update thread set reactions = thread.reactions + new.reactions
      from unnest($1::text[], $2::int[]) as new (thread_id, reactions)
     where thread.thread_id = new.thread_id
"""

OF_PERSON = "delete from reaction where uid = $1 returning thread_id, comment_id, emoji, shadow"

Put = tuple[str, str, str, str]
"""Uid, thread, comment and emoji."""


async def apply_to_reaction(db: Db, commits: Sequence[Commit]) -> set[str]:
    """The last thing said of each emoji counts. Runs when it is known which comments can be seen after the batch."""
    last: dict[Put, tuple[Reacted, int]] = {}
    for fact in facts_of(commits, (Reacted,)):
        event = fact.event
        last[event.uid, event.thread_id, event.comment_id, event.emoji] = event, fact.commit.sequence
    if not last:
        return set()
    found = await db.fetch(LOAD, *columns(last))
    before = {tuple(row)[:4]: not row["shadow"] for row in found}
    counts: Counter[tuple[str, str, str]] = Counter()
    for put, (event, _) in last.items():
        counts[put[1:]] += (event.on and not event.veil) - before.get(put, False)
    on = [(*put, bool(event.veil), event.at, position) for put, (event, position) in last.items() if event.on]
    off = [put for put, (event, _) in last.items() if not event.on]
    if off:
        await db.execute(TAKE_OFF, *columns(off))
    if on:
        await db.execute(PUT_ON, *columns(on))
    return {mine_topic(uid) for uid, *_ in last} | await _count(db, counts)


async def take_off(db: Db, uid: str) -> None:
    """All that one person has put on."""
    rows = await db.fetch(OF_PERSON, uid)
    await _count(db, Counter({tuple(row)[:3]: -1 for row in rows if not row["shadow"]}))


async def _count(db: Db, counts: Counter[Any]) -> set[str]:
    """Change by so much how many people have put an emoji on a comment."""
    changed = {key: change for key, change in counts.items() if change}
    if not changed:
        return set()
    await db.execute(COUNT_EMOJI, *columns((*key, change) for key, change in sorted(changed.items())))
    if fewer := [key for key, change in changed.items() if change < 0]:
        await db.execute(DROP_EMOJI, *columns(fewer))
    comments: Counter[tuple[str, str]] = Counter()
    for (thread_id, comment_id, _), change in changed.items():
        comments[thread_id, comment_id] += change
    rows = await db.fetch(COUNT_COMMENTS, *columns((*key, change) for key, change in comments.items()))
    return await _count_threads(db, [row for row in rows if row["visible"]])


async def _count_threads(db: Db, rows: Iterable[Any]) -> set[str]:
    """Of comments that can be seen."""
    threads: defaultdict[str, int] = defaultdict(int)
    topics = set()
    for row in rows:
        threads[row["thread_id"]] += row["change"]
        topics |= {topic(row["thread_id"]), lists_topic(row["thread_id"]), mine_topic(row["uid"])}
    if changed := [(id, change) for id, change in threads.items() if change]:
        await db.execute(COUNT_THREADS, *columns(changed))
    return topics
