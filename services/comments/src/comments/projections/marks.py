"""How far people have read. Marks come over the telemetry stream, which keeps the furthest of each."""

from collections.abc import Sequence
from datetime import datetime

from comments.projections.facts import columns, facts_of
from events.contracts.comments import NOTIFICATIONS, ReadMarked, mine_topic, notifications_topic
from events.log import Commit
from events.projection import Db

SAVE = """
    insert into mark (uid, about, upto) select * from unnest($1::text[], $2::text[], $3::timestamptz[])
    on conflict (uid, about) do update set upto = excluded.upto where mark.upto < excluded.upto
"""


async def apply_to_mark(db: Db, commits: Sequence[Commit]) -> set[str]:
    marks: dict[tuple[str, str], datetime] = {}
    for fact in facts_of(commits, (ReadMarked,)):
        event = fact.event
        key = event.uid, event.about
        marks[key] = max(event.upto, marks.get(key, event.upto))
    if marks:
        await db.execute(SAVE, *columns((*key, upto) for key, upto in sorted(marks.items())))
    return {notifications_topic(uid) if about == NOTIFICATIONS else mine_topic(uid) for uid, about in marks}
