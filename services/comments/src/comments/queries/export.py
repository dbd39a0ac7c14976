"""Everything that comments and chats keep about the asker, part by part:

{"record": "comment", "thread_id", "media", "season", "episode", "comment_id", "parent", "name", "avatar", "text",
 "media_seconds", "spoiler", "mentions", "language", "posted_at", "edited_at", "state"}
    What they wrote; `state` is `shown`, `held`, `hidden`, `deleted` or `removed`, and of the last two no text is
    kept.
{"record": "comment-edit", "thread_id", "comment_id", "text", "spoiler", "until"}
    What it said before.
{"record": "reaction", "thread_id", "comment_id", "emoji", "at"}
{"record": "line", "room", "line", "name", "avatar", "text", "answers", "media_seconds", "mentions", "at", "state"}
    What they said in the rooms of parties and live events, as far as lines are kept.
{"record": "room-name", "room", "name", "avatar", "at"}
    What they called themselves there last.
{"record": "live", "live_id", "title", "media", "session", "started_at", "ended_at"}
    A live event of theirs.
{"record": "live-moderator", "live_id", "at"}
    One of which they are a moderator.
{"record": "report", "thread_id", "room", "id", "why", "words", "at"}
    What they told moderators of.
{"record": "moderation", "type", "place", "thread_id", "room", "id", "uid", "reason", "until", "at"}
    What they did as a moderator.
{"record": "notification", "kind", "thread_id", "room", "id", "at"}
{"record": "mark", "about", "upto"}
    How far they have read.
{"record": "standing", "place", "muted", "muted_until", "banned", "banned_until"}
    What moderators said about them; not who it was, nor why.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import Meta

from comments.projections.about import is_room
from comments.queries.rights import PAGE_BYTES
from events import cursor
from events.contracts.comments import Export, ExportPage
from events.definition import Answering
from events.messages import NO_NUL, Context, Query, Rejected
from events.projection import Db

AT_ONCE = 200
"""Records read at once."""

Text = Annotated[str, Meta(max_length=400, pattern=NO_NUL)]
Number = Annotated[int, Meta(ge=-1, le=2**62)]
Record = dict[str, Any]
# Whoever speaks in the shadow is not told that others do not see it.
STATE = "case veil when 'held' then 'held' when 'moderated' then 'hidden' else 'shown' end"


class Section(NamedTuple):
    """One kind of record: how to read some of them behind a place, in their order, and what is told of each."""

    record: str
    sql: str
    """$1 is the person, $2 how many; the rest is the place behind which to go on."""
    place: Any
    """The type of a place."""
    first: tuple[Any, ...]
    key: tuple[str, ...]
    """The columns that make a place."""
    tell: Callable[[Any], Record] = dict


def _about(row: Any) -> Record:
    """A subject is a thread or a room."""
    subject = row["subject"]
    thread_id, room = (None, subject) if is_room(subject) else (subject, None)
    return {"thread_id": thread_id, "room": room, **_but(row, "subject", "position", "nth")}


def _but(row: Any, *without: str) -> Record:
    return {name: value for name, value in row.items() if name not in without}


SECTIONS: Sequence[Section] = (
    Section(
        "comment",
        f"""select comment.thread_id, thread.media, thread.season, thread.episode, comment_id, parent, name, avatar,
                   text, media_seconds, spoiler, mentions, language, posted_at, edited_at,
                   coalesce(gone, {STATE}) as state
              from comment left join thread using (thread_id)
             where uid = $1 and (comment.thread_id, comment_id) > ($3, $4)
             order by comment.thread_id, comment_id limit $2""",
        tuple[Text, Text],
        ("", ""),
        ("thread_id", "comment_id"),
    ),
    Section(
        "comment-edit",
        """select edit.thread_id, comment_id, edit.text, edit.spoiler, until, edit.position
             from comment join edit using (thread_id, comment_id)
            where uid = $1 and (edit.thread_id, comment_id, edit.position) > ($3, $4, $5)
            order by edit.thread_id, comment_id, edit.position limit $2""",
        tuple[Text, Text, Number],
        ("", "", -1),
        ("thread_id", "comment_id", "position"),
        lambda row: _but(row, "position"),
    ),
    Section(
        "reaction",
        """select thread_id, comment_id, emoji, at from reaction
            where uid = $1 and (thread_id, comment_id, emoji) > ($3, $4, $5)
            order by thread_id, comment_id, emoji limit $2""",
        tuple[Text, Text, Text],
        ("", "", ""),
        ("thread_id", "comment_id", "emoji"),
    ),
    Section(
        "line",
        f"""select room, line, name, avatar, text, answers, media_seconds, mentions, at, {STATE} as state, position
              from line where uid = $1 and position > $3 order by position limit $2""",
        tuple[Number],
        (-1,),
        ("position",),
        lambda row: _but(row, "position"),
    ),
    Section(
        "room-name",
        "select room, name, avatar, at from person where uid = $1 and room > $3 order by room limit $2",
        tuple[Text],
        ("",),
        ("room",),
    ),
    Section(
        "live",
        """select live_id, title, media, session, started_at, ended_at from live
            where owner = $1 and live_id > $3 order by live_id limit $2""",
        tuple[Text],
        ("",),
        ("live_id",),
    ),
    Section(
        "live-moderator",
        "select live_id, at from live_moderator where uid = $1 and live_id > $3 order by live_id limit $2",
        tuple[Text],
        ("",),
        ("live_id",),
    ),
    Section(
        "report",
        """select subject, id, why, words, at from report
            where uid = $1 and (subject, id) > ($3, $4) order by subject, id limit $2""",
        tuple[Text, Text],
        ("", ""),
        ("subject", "id"),
        _about,
    ),
    Section(
        "moderation",
        """select type, place, thread_id, room, id, uid, reason, until, at, position, nth from deed
            where by = $1 and (position, nth) > ($3, $4) order by position, nth limit $2""",
        tuple[Number, Number],
        (-1, -1),
        ("position", "nth"),
        lambda row: _but(row, "position", "nth"),
    ),
    Section(
        "notification",
        """select kind, subject, id, at, position, nth from notification
            where uid = $1 and not veiled and (position, nth) > ($3, $4) order by position, nth limit $2""",
        tuple[Number, Number],
        (-1, -1),
        ("position", "nth"),
        _about,
    ),
    Section(
        "mark",
        "select about, upto from mark where uid = $1 and about > $3 order by about limit $2",
        tuple[Text],
        ("",),
        ("about",),
    ),
    Section(
        "standing",
        """select place, muted and not shadow as muted, case when not shadow then muted_until end as muted_until,
                  banned, banned_until
             from standing where uid = $1 and (banned or not shadow) and place > $3 order by place limit $2""",
        tuple[Text],
        ("",),
        ("place",),
    ),
)


class Place(NamedTuple):
    """A section, and where in it to go on."""

    section: Annotated[int, Meta(ge=0, lt=len(SECTIONS))]
    after: tuple[Any, ...]


async def export(db: Db, query: Export, context: Context) -> ExportPage:
    """As many records as fit, from one section after the other."""
    place = Place(0, SECTIONS[0].first) if query.cursor is None else _read(query.cursor)
    records: list[Record] = []
    room = PAGE_BYTES
    while True:
        section = SECTIONS[place.section]
        rows = await db.fetch(section.sql, context.actor, AT_ONCE, *place.after)
        for row in rows:
            record = {"record": section.record, **section.tell(row)}
            room -= len(msgspec.json.encode(record))
            if room < 0 and records:
                return ExportPage(records, cursor.write(place))
            records.append(record)
            place = Place(place.section, tuple(row[name] for name in section.key))
        if not rows:
            if place.section + 1 == len(SECTIONS):
                return ExportPage(records, None)
            place = Place(place.section + 1, SECTIONS[place.section + 1].first)


def _read(written: str) -> Place:
    """Raise `Rejected("bad-cursor")` for a place that no section has."""
    place = cursor.read(written, Place)
    try:
        return Place(place.section, msgspec.convert(place.after, SECTIONS[place.section].place))
    except msgspec.ValidationError:
        raise Rejected("bad-cursor") from None


QUERIES: Mapping[type[Query], Answering] = {Export: export}
