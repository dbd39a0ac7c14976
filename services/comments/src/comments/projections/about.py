"""Whose a comment or a line is that others speak of, and where its moderators look."""

from collections.abc import Iterable, Mapping, Sequence

from comments.projections.facts import columns, facts_of
from events.contracts.comments import SITE, Posted, Said, SaidUnseen, room_of
from events.log import Commit
from events.projection import Db

Subject = tuple[str, str]
"""The thread or the room, and the comment or the line in it."""

# Of what was said before the batch: whoever asks must come before the projections that let go of it.
AUTHORS = """
    select subject, id, uid from unnest($1::text[], $2::text[]) as asked (subject, id), lateral (
        (select uid from comment where thread_id = subject and comment_id = id limit 1)
        union all
        (select uid from line where room = subject and line = id limit 1)) as found
"""


def is_room(subject: str) -> bool:
    """No thread has a colon there."""
    return subject.startswith(("party:", "live:"))


def place_of(subject: str) -> str:
    """The room whose moderators look after it; `site` of threads for everybody."""
    return subject if is_room(subject) else room_of(subject) or SITE


def subject_of(event: object) -> Subject | None:
    """What an event of one comment or one line is about."""
    where = getattr(event, "thread_id", None) or getattr(event, "room", None)
    id = getattr(event, "comment_id", None) or getattr(event, "line", None)
    return (where, id) if where and id else None


async def authors(db: Db, commits: Sequence[Commit], asked: Iterable[Subject]) -> Mapping[Subject, str]:
    """Who wrote each of these."""
    wanted = set(asked)
    found: dict[Subject, str] = {}
    for fact in facts_of(commits, (Posted,)):
        found[fact.event.thread_id, fact.event.comment_id] = fact.event.uid
    for fact in facts_of(commits, (Said, SaidUnseen)):
        found[fact.event.room, fact.event.line] = fact.event.uid
    if missing := wanted - found.keys():
        for row in await db.fetch(AUTHORS, *columns(missing)):
            found[row["subject"], row["id"]] = row["uid"]
    return found
