"""What moderators did: one row each, for their log."""

from collections.abc import Sequence

from comments.projections.about import authors, place_of, subject_of
from comments.projections.facts import Fact, facts_of
from events.contracts.comments import (
    SITE,
    Hidden,
    LineHidden,
    LinePinned,
    LineRestored,
    LineReviewed,
    ModeratorAppointed,
    PersonBanned,
    PersonMuted,
    PersonUnbanned,
    PersonUnmuted,
    Pinned,
    Removed,
    Restored,
    Reviewed,
    RoomConfigured,
    ThreadLocked,
    UnseenHidden,
    moderation_topic,
)
from events.log import Commit
from events.messages import tag_of
from events.projection import Db

DEEDS = (
    Hidden, Restored, Removed, Reviewed, Pinned, ThreadLocked,
    LineHidden, UnseenHidden, LineRestored, LineReviewed, LinePinned, RoomConfigured, ModeratorAppointed,
    PersonMuted, PersonUnmuted, PersonBanned, PersonUnbanned,
)  # fmt: skip
COLUMNS = ("position", "nth", "place", "type", "by", "uid", "thread_id", "room", "id", "reason", "until", "shadow",
           "at")  # fmt: skip


async def apply_to_deeds(db: Db, commits: Sequence[Commit]) -> set[str]:
    """Whom a deed concerned is kept with it: lines do not stay for ever."""
    facts = facts_of(commits, DEEDS)
    if not facts:
        return set()
    about = {subject for fact in facts if (subject := subject_of(fact.event)) is not None}
    wrote = await authors(db, commits, about) if about else {}
    records = [_record(fact, wrote.get(subject_of(fact.event) or ("", ""))) for fact in facts]
    await db.copy_records_to_table("deed", records=records, columns=COLUMNS)
    return {moderation_topic(_place(fact)) for fact in facts}


def _record(fact: Fact, author: str | None) -> tuple[object, ...]:
    event = fact.event
    subject = subject_of(event)
    return (
        fact.commit.sequence,
        fact.nth,
        _place(fact),
        tag_of(type(event)),
        event.by,
        getattr(event, "uid", author),
        getattr(event, "thread_id", None),
        _room(fact),
        subject[1] if subject else None,
        getattr(event, "reason", ""),
        getattr(event, "until", None),
        getattr(event, "shadow", False),
        event.at,
    )


def _place(fact: Fact) -> str:
    return _room(fact) or place_of(getattr(fact.event, "thread_id", ""))


def _room(fact: Fact) -> str | None:
    """The room that it happened in; none in a thread, or everywhere."""
    match fact.event:
        case ModeratorAppointed(live_id=live_id):
            return f"live:{live_id}"
        case (
            PersonMuted(where=where)
            | PersonUnmuted(where=where)
            | PersonBanned(where=where)
            | PersonUnbanned(where=where)
        ):
            return None if where == SITE else where
    room: str | None = getattr(fact.event, "room", None)
    return room
