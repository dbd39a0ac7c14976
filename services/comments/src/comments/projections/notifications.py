"""What people are told of: who mentioned or answered them, and what moderators did to what they wrote.

A row names a comment or a line, and says nothing of what is in it. Whoever is mentioned where nobody sees it is told
when a moderator shows it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Literal

from msgspec import Struct
from msgspec.structs import astuple

from comments.projections.about import Subject, authors, subject_of
from comments.projections.facts import Fact, columns, facts_of
from events.contracts.comments import (
    Deleted,
    Edited,
    Hidden,
    LineDeleted,
    LineHidden,
    LineRestored,
    Posted,
    Removed,
    Restored,
    Said,
    SaidUnseen,
    UnseenDeleted,
    UnseenHidden,
    notifications_topic,
)
from events.log import Commit
from events.projection import Db

KEPT = 500
"""Of one person."""

LOAD_UNSHOWN = """
    select found.* from unnest($1::text[], $2::text[]) as touched (subject, id), lateral (
        select subject, id, uid, shadow, told, answered, mentions, position
          from unshown where unshown.subject = touched.subject and unshown.id = touched.id limit 1) as found
"""
DELETE_UNSHOWN = """
    delete from unshown using unnest($1::text[], $2::text[]) as touched (subject, id)
     where unshown.subject = touched.subject and unshown.id = touched.id
"""
VEIL = """
    update notification set veiled = new.veiled
      from unnest($1::text[], $2::text[], $3::bool[]) as new (subject, id, veiled)
     where notification.subject = new.subject and notification.id = new.id and kind in ('mention', 'reply')
    returning uid
"""
TOLD = """
    select distinct uid
      from notification join unnest($1::text[], $2::text[]) as edited (subject, id) using (subject, id)
"""
# The limits tell the planner that few have so many, and that each has few too many.
TRIM = """
    with crowded as (
        select touched.uid, newest.position, newest.nth
          from unnest($1::text[]) as touched (uid), lateral (
            select position, nth from notification where notification.uid = touched.uid
             order by position desc, nth desc offset $2 limit 1) as newest)
    delete from notification using crowded, lateral (
        select uid, position, nth from notification as kept
         where kept.uid = crowded.uid and (kept.position, kept.nth) <= (crowded.position, crowded.nth)
         limit 1000000) as old
     where notification.uid = old.uid and notification.position = old.position and notification.nth = old.nth
"""

Kind = Literal["mention", "reply", "hidden", "restored", "removed"]


class Row(Struct):
    """A row of `notification`, in the order of its columns."""

    uid: str
    position: int
    nth: int
    kind: Kind
    subject: str
    id: str
    by: str
    at: datetime
    veiled: bool = False


class Unshown(Struct):
    """A row of `unshown`, in the order of its columns."""

    subject: str
    id: str
    uid: str
    shadow: bool
    told: bool
    answered: str | None
    mentions: Sequence[str]
    position: int


class Telling:
    """What a batch tells people, on the way through it."""

    def __init__(self, wrote: Mapping[Subject, str], unshown: Iterable[Unshown]) -> None:
        self.wrote = wrote
        self.unshown: dict[Subject, Unshown | None] = {(row.subject, row.id): row for row in unshown}
        """None is what is shown, or gone."""
        self.new: list[Row] = []
        self.veiled: dict[Subject, bool] = {}
        """Of what people were told before."""

    def tell(self, fact: Fact, subject: Subject, author: str, answered: str | None, mentions: Iterable[str]) -> None:
        """Each of them once, and nobody of what they said themselves."""
        people: dict[str, Kind] = dict.fromkeys(mentions, "mention")
        if answered is not None:
            people[answered] = "reply"
        people.pop(author, None)
        for uid, kind in people.items():
            self._add(fact, subject, uid, kind, author)

    def tell_author(self, fact: Fact, subject: Subject, kind: Kind) -> None:
        """What a moderator did; not who it was, and nothing of what its author takes for seen by all."""
        author, kept = self.wrote.get(subject), self.unshown.get(subject)
        if author is not None and author != fact.event.by and not (kept is not None and kept.shadow):
            self._add(fact, subject, author, kind, "")

    def veil(self, subject: Subject, veiled: bool) -> None:
        self.veiled[subject] = veiled
        for row in self.new:
            if (row.subject, row.id) == subject and row.kind in ("mention", "reply"):
                row.veiled = veiled

    def _add(self, fact: Fact, subject: Subject, uid: str, kind: Kind, by: str) -> None:
        self.new.append(Row(uid, fact.commit.sequence, fact.nth, kind, *subject, by, fact.event.at))


async def apply_to_notifications(db: Db, commits: Sequence[Commit]) -> set[str]:
    """Load whom the batch speaks of, carry them through it, and let go of what is more than is kept."""
    facts = facts_of(commits, FOLDS)
    if not facts:
        return set()
    telling = await _load(db, commits, facts)
    for fact in facts:
        subject = subject_of(fact.event)
        assert subject is not None
        FOLDS[type(fact.event)](telling, fact, subject)
    return await _save(db, telling, facts)


async def _load(db: Db, commits: Sequence[Commit], facts: Sequence[Fact]) -> Telling:
    changed = {subject for fact in facts if type(fact.event) not in NEW and (subject := subject_of(fact.event))}
    answered = {
        (fact.event.room, fact.event.answers) for fact in facts if type(fact.event) in LINES and fact.event.answers
    }
    wrote = await authors(db, commits, changed | answered)
    rows = await db.fetch(LOAD_UNSHOWN, *columns(changed)) if changed else []
    return Telling(wrote, (Unshown(*row) for row in rows))


async def _save(db: Db, telling: Telling, facts: Sequence[Fact]) -> set[str]:
    told = {row.uid for row in telling.new}
    if telling.veiled:
        rows = await db.fetch(VEIL, *columns((*subject, veiled) for subject, veiled in telling.veiled.items()))
        told |= {row["uid"] for row in rows}
    if edited := {(fact.event.thread_id, fact.event.comment_id) for fact in facts if type(fact.event) is Edited}:
        told |= {row["uid"] for row in await db.fetch(TOLD, *columns(edited))}
    if telling.unshown:
        await db.execute(DELETE_UNSHOWN, *columns(telling.unshown))
    if kept := [row for row in telling.unshown.values() if row is not None]:
        await db.copy_records_to_table("unshown", records=map(astuple, kept), columns=Unshown.__struct_fields__)
    if telling.new:
        await db.copy_records_to_table("notification", records=map(astuple, telling.new), columns=Row.__struct_fields__)
        await db.execute(TRIM, list({row.uid for row in telling.new}), KEPT)
    return {notifications_topic(uid) for uid in told}


def _posted(telling: Telling, fact: Fact, subject: Subject) -> None:
    event: Posted = fact.event
    _said_by(telling, fact, subject, event.parent_uid if event.answered_reads else None, event.veil)


def _said(telling: Telling, fact: Fact, subject: Subject) -> None:
    event: Said | SaidUnseen = fact.event
    answered = telling.wrote.get((event.room, event.answers)) if event.answers and event.answered_reads else None
    _said_by(telling, fact, subject, answered, event.veil if type(event) is SaidUnseen else "")


def _said_by(telling: Telling, fact: Fact, subject: Subject, answered: str | None, veil: str) -> None:
    event = fact.event
    if veil:
        telling.unshown[subject] = Unshown(
            *subject, event.uid, veil == "shadow", False, answered, event.mentions, fact.commit.sequence
        )
    else:
        telling.tell(fact, subject, event.uid, answered, event.mentions)


def _edited(telling: Telling, fact: Fact, subject: Subject) -> None:
    """What it says now may be held back, though what it said before was seen."""
    event: Edited = fact.event
    kept = telling.unshown.get(subject)
    if event.veil and kept is None:
        shadow = event.veil == "shadow"
        telling.unshown[subject] = Unshown(*subject, event.uid, shadow, True, None, (), fact.commit.sequence)
    elif event.veil and kept is not None:
        kept.shadow = event.veil == "shadow"
    if event.veil:
        telling.veil(subject, True)


def _hidden(telling: Telling, fact: Fact, subject: Subject) -> None:
    telling.tell_author(fact, subject, "hidden")
    telling.veil(subject, True)


def _removed(telling: Telling, fact: Fact, subject: Subject) -> None:
    telling.tell_author(fact, subject, "removed")
    _deleted(telling, fact, subject)


def _deleted(telling: Telling, fact: Fact, subject: Subject) -> None:
    telling.unshown[subject] = None
    telling.veil(subject, True)


def _restored(telling: Telling, fact: Fact, subject: Subject) -> None:
    kept = telling.unshown.get(subject)
    telling.tell_author(fact, subject, "restored")
    telling.veil(subject, False)
    if kept is not None and not kept.told:
        telling.tell(fact, subject, kept.uid, kept.answered, kept.mentions)
    telling.unshown[subject] = None


FOLDS: dict[type, Callable[[Telling, Fact, Subject], None]] = {
    Posted: _posted,
    Said: _said,
    SaidUnseen: _said,
    Edited: _edited,
    Hidden: _hidden,
    LineHidden: _hidden,
    UnseenHidden: _hidden,
    Restored: _restored,
    LineRestored: _restored,
    Removed: _removed,
    Deleted: _deleted,
    LineDeleted: _deleted,
    UnseenDeleted: _deleted,
}
LINES = frozenset({Said, SaidUnseen})
NEW = LINES | {Posted}
