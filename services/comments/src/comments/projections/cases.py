"""What people reported, for moderators to look at; and word to them of whatever else may be in their lists."""

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct
from msgspec.structs import astuple

from comments.projections.about import Subject, place_of, subject_of
from comments.projections.facts import Fact, columns, facts_of
from events.contracts.comments import (
    Deleted,
    Edited,
    Hidden,
    LineDeleted,
    LineHidden,
    LineReported,
    LineRestored,
    LineReviewed,
    Posted,
    Removed,
    Reported,
    Restored,
    Reviewed,
    SaidUnseen,
    UnseenDeleted,
    UnseenHidden,
    mine_topic,
    moderation_topic,
)
from events.log import Commit
from events.projection import Db

CLOSE = """
    update report set open = false from unnest($1::text[], $2::text[]) as looked_at (subject, id)
     where report.subject = looked_at.subject and report.id = looked_at.id and open
"""
SAVE = """
    insert into report (subject, id, uid, place, why, words, at, open, position)
    select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::timestamptz[],
                         $8::bool[], $9::bigint[])
    on conflict do nothing
"""

REPORTED = frozenset[type]((Reported, LineReported))
LOOKED_AT = frozenset[type]({
    Reviewed, Hidden, Restored, Removed, Deleted, LineHidden, LineRestored, LineReviewed, LineDeleted,
    UnseenHidden, UnseenDeleted,
})  # fmt: skip
"""Done with all that was reported of it so far: a moderator has seen it, or it is gone."""
LISTED = REPORTED | LOOKED_AT | {Posted, Edited, SaidUnseen}


class ReportRow(Struct):
    """A row of `report`, in the order of its columns."""

    subject: str
    id: str
    uid: str
    place: str
    why: str
    words: str
    at: datetime
    open: bool
    position: int


async def apply_to_reports(db: Db, commits: Sequence[Commit]) -> set[str]:
    """A case is closed for who reported it before the batch, and in it before the moderator came."""
    new: dict[tuple[str, str, str], ReportRow] = {}
    closed: set[Subject] = set()
    facts = [fact for fact in facts_of(commits, LISTED) if type(fact.event) is not Posted or fact.event.veil]
    for fact in facts:
        subject = subject_of(fact.event)
        assert subject is not None
        if type(fact.event) in REPORTED:
            new.setdefault((*subject, fact.event.uid), _row(fact, subject))
        elif type(fact.event) in LOOKED_AT:
            closed.add(subject)
            for row in new.values():
                row.open = row.open and (row.subject, row.id) != subject
    if closed:
        await db.execute(CLOSE, *columns(closed))
    if new:
        await db.execute(SAVE, *columns(map(astuple, new.values())))
    return {topic for fact in facts for topic in _topics(fact)}


def _row(fact: Fact, subject: Subject) -> ReportRow:
    event = fact.event
    place = place_of(subject[0])
    return ReportRow(*subject, event.uid, place, event.why, event.words, event.at, True, fact.commit.sequence)


def _topics(fact: Fact) -> tuple[str, ...]:
    subject = subject_of(fact.event)
    assert subject is not None
    mine = (mine_topic(fact.event.uid),) if type(fact.event) in REPORTED else ()
    return (moderation_topic(place_of(subject[0])), *mine)
