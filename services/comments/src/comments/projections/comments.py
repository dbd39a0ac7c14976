"""Comments, and all that is counted of those that others see: by thread, author, day and part of the video."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from copy import copy
from datetime import date, datetime
from functools import partial
from typing import Any, NamedTuple

from msgspec import Struct
from msgspec.structs import astuple

from comments.projections import search
from comments.projections.facts import Fact, columns, facts_of
from events.contracts.comments import (
    PLACE_SECONDS,
    SITE,
    TOLD,
    Deleted,
    Edited,
    Hidden,
    Posted,
    Removed,
    Restored,
    lists_topic,
    mine_topic,
    moderation_topic,
    party_of,
    room_of,
    topic,
    unread_topic,
)
from events.log import Commit
from events.projection import Db, Touched

KINDS = frozenset({Posted, Edited, Deleted, Hidden, Restored, Removed})

COLUMNS = (
    "thread_id", "comment_id", "party_id", "uid", "name", "avatar", "text", "media_seconds", "spoiler", "posted_at",
    "edited_at", "veil", "rule", "gone", "visible", "shown", "parent", "parent_uid", "root", "depth", "replies",
    "all_replies", "reactions", "mentions", "language", "position",
)  # fmt: skip

# The comments of which the batch speaks, those that they answer, and further up whatever is shown for the sake of its
# replies alone. The limits tell the planner that a key finds one row: a plan made while the table is empty serves a
# whole rebuild.
LOAD = f"""
    with recursive line as (
        select found.*, spoken_of
          from unnest($1::text[], $2::text[], $3::bool[]) as seed (thread_id, comment_id, spoken_of), lateral (
            select thread_id, comment_id, parent, root, visible from comment
             where comment.thread_id = seed.thread_id and comment.comment_id = seed.comment_id limit 1) as found
        union
        select found.*, false
          from line, lateral (
            select thread_id, comment_id, parent, root, visible from comment
             where comment.thread_id = line.thread_id
               and comment.comment_id = any(array[line.parent, line.root]) limit 2) as found
         where line.parent is not null and (spoken_of or not line.visible))
    select found.* from (select distinct thread_id, comment_id from line) as key, lateral (
        select {", ".join(COLUMNS)} from comment
         where comment.thread_id = key.thread_id and comment.comment_id = key.comment_id limit 1) as found
"""

CHANGE = """
    update comment
       set text = new.text, spoiler = new.spoiler, edited_at = new.edited_at, veil = new.veil, rule = new.rule,
           gone = new.gone, visible = new.visible, shown = new.shown, replies = new.replies,
           all_replies = new.all_replies,
           mentions = case when new.gone is null then mentions else '{}' end
      from unnest($1::text[], $2::text[], $3::text[], $4::bool[], $5::timestamptz[], $6::text[], $7::text[],
                  $8::text[], $9::bool[], $10::bool[], $11::int[], $12::int[])
           as new (thread_id, comment_id, text, spoiler, edited_at, veil, rule, gone, visible, shown, replies,
                   all_replies)
     where comment.thread_id = new.thread_id and comment.comment_id = new.comment_id
"""

# Apart from the other, because it touches no index.
COUNT = """
    update comment set replies = new.replies, all_replies = new.all_replies
      from unnest($1::text[], $2::text[], $3::int[], $4::int[]) as new (thread_id, comment_id, replies, all_replies)
     where comment.thread_id = new.thread_id and comment.comment_id = new.comment_id
"""

ADD_EDITS = """
    insert into edit (thread_id, comment_id, position, text, spoiler, until)
    select * from unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::bool[], $6::timestamptz[])
"""

FORGET_EDITS = """
    delete from edit using unnest($1::text[], $2::text[]) as gone (thread_id, comment_id)
     where edit.thread_id = gone.thread_id and edit.comment_id = gone.comment_id
"""

LOAD_AUTHORS = """
    select found.* from unnest($1::text[], $2::text[]) as touched (uid, thread_id), lateral (
        select uid, thread_id, visible, comments, position from author
         where author.uid = touched.uid and author.thread_id = touched.thread_id limit 1) as found
"""

SAVE_AUTHORS = """
    insert into author (uid, thread_id, visible, comments, position)
    select * from unnest($1::text[], $2::text[], $3::int[], $4::int[], $5::bigint[])
    on conflict (uid, thread_id) do update
       set visible = excluded.visible, comments = excluded.comments, position = excluded.position
"""

COUNT_THREADS = """
    update thread
       set comments = thread.comments + new.comments, people = thread.people + new.people,
           replies = thread.replies + new.replies,
           timed = thread.timed + new.timed, reactions = thread.reactions + new.reactions,
           latest_at = greatest(thread.latest_at, new.latest_at)
      from unnest($1::text[], $2::int[], $3::int[], $4::int[], $5::int[], $6::int[], $7::timestamptz[])
           as new (thread_id, comments, people, replies, timed, reactions, latest_at)
     where thread.thread_id = new.thread_id
"""

# After something is no longer seen, perhaps the last that was said.
DATE_THREADS = """
    update thread set latest_at = (
               select posted_at from comment where comment.thread_id = thread.thread_id and visible
                order by posted_at desc limit 1)
      from unnest($1::text[]) as touched (thread_id)
     where thread.thread_id = touched.thread_id
"""

COUNT_STRIP = """
    insert into strip (thread_id, part, comments) select * from unnest($1::text[], $2::int[], $3::int[])
    on conflict (thread_id, part) do update set comments = strip.comments + excluded.comments
"""

DROP_STRIP = """
    delete from strip using unnest($1::text[], $2::int[]) as fewer (thread_id, part)
     where strip.thread_id = fewer.thread_id and strip.part = fewer.part and comments = 0
"""

COUNT_DAYS = """
    insert into day (thread_id, day, party_id, comments)
    select * from unnest($1::text[], $2::date[], $3::text[], $4::int[])
    on conflict (thread_id, day) do update set comments = day.comments + excluded.comments
"""

DROP_DAYS = """
    delete from day using unnest($1::text[], $2::date[]) as fewer (thread_id, day)
     where day.thread_id = fewer.thread_id and day.day = fewer.day and comments = 0
"""

AUTHORS = """
    select found.* from unnest($1::text[]) as touched (thread_id), lateral (
        select thread_id, uid from author where author.thread_id = touched.thread_id
         order by position desc limit $2) as found
     limit $3
"""

MOST_TOLD = 10_000
"""In one batch. A notice of fewer topics already says that anything may have changed."""

Named = tuple[str, str]
"""A comment, by its thread and its own id; or an author, by uid and thread."""


class Row(Struct):
    """A row of `comment`, in the order of its columns."""

    thread_id: str
    comment_id: str
    party_id: str | None
    uid: str
    name: str
    avatar: str
    text: str
    media_seconds: float | None
    spoiler: bool
    posted_at: datetime
    edited_at: datetime | None
    veil: str
    rule: str
    gone: str | None
    visible: bool
    shown: bool
    parent: str | None
    parent_uid: str | None
    root: str | None
    depth: int
    replies: int
    all_replies: int
    reactions: int
    mentions: tuple[str, ...]
    language: str | None
    position: int

    @property
    def named(self) -> Named:
        return self.thread_id, self.comment_id


class Author(Struct):
    """A row of `author`, in the order of its columns."""

    uid: str
    thread_id: str
    visible: int
    comments: int
    position: int


class Tally(Struct):
    """By how much a thread's numbers change."""

    comments: int = 0
    people: int = 0
    replies: int = 0
    timed: int = 0
    reactions: int = 0
    latest_at: datetime | None = None
    """Of what can be seen now, and could not before."""


class Discussion(NamedTuple):
    """The comments that a batch touches, on their way through it."""

    rows: dict[Named, Row]
    before: Mapping[Named, Row]
    """Those that were there."""
    edits: dict[Named, list[tuple[Any, ...]]]
    """What they said before; an empty list for those that never said anything."""


async def apply_to_comment(db: Db, commits: Sequence[Commit]) -> Touched:
    """Carry each comment through the batch, then count the difference in what others see."""
    facts = facts_of(commits, KINDS)
    if not facts:
        return set()
    talk = await _load(db, facts)
    for fact in facts:
        _tell(talk, fact)
    touched = [row for row in map(talk.rows.get, dict.fromkeys(map(_named, facts))) if row is not None]
    for row in touched:
        row.visible = not row.veil and row.gone is None
    for row in touched:
        _settle(talk.rows, row)
    await _save(db, talk)
    await _count(db, talk, facts)
    return partial(_topics, db, talk, touched)


def _named(fact: Fact) -> Named:
    return fact.event.thread_id, fact.event.comment_id


async def _load(db: Db, facts: Sequence[Fact]) -> Discussion:
    new = {_named(fact) for fact in facts if type(fact.event) is Posted}
    seeds = dict.fromkeys(_above(facts), False) | {_named(fact): True for fact in facts}
    wanted = [(*named, spoken_of) for named, spoken_of in seeds.items() if named not in new]
    found = await db.fetch(LOAD, *columns(wanted)) if wanted else []
    rows = {row.named: row for row in (Row(*row) for row in found)}
    return Discussion(rows, {named: copy(row) for named, row in rows.items()}, {})


def _above(facts: Iterable[Fact]) -> Iterable[Named]:
    """What is answered, and the comments at the top above it."""
    for fact in facts:
        event = fact.event
        if type(event) is Posted and event.parent is not None:
            yield event.thread_id, event.parent
            yield event.thread_id, event.root or event.parent


def _tell(talk: Discussion, fact: Fact) -> None:
    """What happened to one comment; nothing if it is not there."""
    event, position = fact.event, fact.commit.sequence
    if type(event) is Posted:
        talk.rows[_named(fact)] = _posted(event, position)
        return
    row = talk.rows.get(_named(fact))
    if row is None:
        return
    match event:
        case Edited():
            _edit(talk, row, event, position)
        case Deleted() | Removed():
            row.gone = "deleted" if isinstance(event, Deleted) else "removed"
            row.text, row.mentions, row.rule = "", (), ""
            talk.edits[row.named] = []
        case Hidden():
            row.veil, row.rule = "moderated", ""
        case Restored():
            row.veil, row.rule = "", ""


def _posted(event: Posted, position: int) -> Row:
    return Row(
        event.thread_id,
        event.comment_id,
        party_of(event.thread_id),
        event.uid,
        event.name,
        event.avatar,
        event.text,
        event.media_seconds,
        event.spoiler,
        event.at,
        None,
        event.veil,
        event.rule,
        None,
        False,
        False,
        event.parent,
        event.parent_uid,
        event.root,
        event.depth,
        0,
        0,
        0,
        event.mentions,
        event.language,
        position,
    )


def _edit(talk: Discussion, row: Row, event: Edited, position: int) -> None:
    talk.edits.setdefault(row.named, []).append((*row.named, position, row.text, row.spoiler, event.at))
    row.text = row.text if event.text is None else event.text
    row.spoiler = row.spoiler if event.spoiler is None else event.spoiler
    row.edited_at = event.at
    row.veil, row.rule = event.veil or row.veil, event.rule or row.rule


def _settle(rows: Mapping[Named, Row], row: Row | None) -> None:
    """Show a comment while it can be seen or holds replies together; so it goes on, upwards."""
    while row is not None:
        shown = row.visible or row.replies > 0
        if shown == row.shown:
            return
        row.shown = shown
        change = 1 if shown else -1
        root = rows.get((row.thread_id, row.root)) if row.root else None
        above = rows.get((row.thread_id, row.parent)) if row.parent else None
        if root is not None:
            root.all_replies += change
        if above is not None:
            above.replies += change
        row = above


async def _save(db: Db, talk: Discussion) -> None:
    new, changed, counted = [], [], []
    for named, row in talk.rows.items():
        before = talk.before.get(named)
        if before is None:
            new.append(astuple(row))
        elif _state(row) != _state(before):
            changed.append((*named, *_state(row), row.replies, row.all_replies))
        elif (row.replies, row.all_replies) != (before.replies, before.all_replies):
            counted.append((*named, row.replies, row.all_replies))
    if new:
        await db.copy_records_to_table("comment", records=new, columns=COLUMNS)
    for statement, rows in ((CHANGE, changed), (COUNT, counted)):
        if rows:
            await db.execute(statement, *columns(rows))
    await _save_edits(db, talk)


def _state(row: Row) -> tuple[Any, ...]:
    """What changes besides numbers."""
    return row.text, row.spoiler, row.edited_at, row.veil, row.rule, row.gone, row.visible, row.shown


async def _save_edits(db: Db, talk: Discussion) -> None:
    """Nothing is kept of what comments said that are gone."""
    if gone := [named for named in talk.edits if talk.rows[named].gone is not None and named in talk.before]:
        await db.execute(FORGET_EDITS, *columns(gone))
    edits = [edit for named, mine in talk.edits.items() if talk.rows[named].gone is None for edit in mine]
    if edits:
        await db.execute(ADD_EDITS, *columns(edits))


async def _count(db: Db, talk: Discussion, facts: Sequence[Fact]) -> None:
    """Take up what can be seen now, and take back what no longer can."""
    tallies: defaultdict[str, Tally] = defaultdict(Tally)
    strip: Counter[tuple[str, int]] = Counter()
    days: Counter[tuple[str, date, str | None]] = Counter()
    vanished = set()
    for row, change in _turned(talk):
        tally = tallies[row.thread_id]
        tally.comments += change
        tally.replies += change * (row.parent is not None)
        tally.timed += change * (row.media_seconds is not None)
        tally.reactions += change * row.reactions
        days[row.thread_id, row.posted_at.date(), row.party_id] += change
        if row.media_seconds is not None:
            strip[row.thread_id, int(row.media_seconds // PLACE_SECONDS)] += change
        if change > 0:
            tally.latest_at = row.posted_at if tally.latest_at is None else max(tally.latest_at, row.posted_at)
        else:
            vanished.add(row.thread_id)
    await _count_authors(db, talk, facts, tallies)
    await _find_words(db, talk)
    if tallies:
        await db.execute(COUNT_THREADS, *columns((id, *astuple(tally)) for id, tally in sorted(tallies.items())))
    if vanished:
        await db.execute(DATE_THREADS, sorted(vanished))
    await _count_places(db, COUNT_STRIP, DROP_STRIP, strip)
    await _count_places(db, COUNT_DAYS, DROP_DAYS, days)


async def _count_places(db: Db, count: str, drop: str, changes: Counter[Any]) -> None:
    """In time or in the video, each with its thread; where there is nothing left, there is no row."""
    changed = {key: change for key, change in changes.items() if change}
    if changed:
        await db.execute(count, *columns((*key, change) for key, change in changed.items()))
    if fewer := [key[:2] for key, change in changed.items() if change < 0]:
        await db.execute(drop, *columns(fewer))


def _turned(talk: Discussion) -> Iterable[tuple[Row, int]]:
    """Comments that can be seen now and could not, or the other way round."""
    for named, row in talk.rows.items():
        before = talk.before.get(named)
        was = before is not None and before.visible
        if row.visible != was:
            yield row, 1 if row.visible else -1


async def _count_authors(db: Db, talk: Discussion, facts: Sequence[Fact], tallies: Mapping[str, Tally]) -> None:
    changes: defaultdict[Named, list[int]] = defaultdict(lambda: [0, 0, 0])
    for row, change in _turned(talk):
        changes[row.uid, row.thread_id][0] += change
    for named, row in talk.rows.items():
        before = talk.before.get(named)
        change = (row.gone is None) - (before is not None and before.gone is None)
        if before is None or change:
            mine = changes[row.uid, row.thread_id]
            mine[1] += change
            mine[2] = max(mine[2], row.position)
    if not changes:
        return
    found = await db.fetch(LOAD_AUTHORS, *columns(changes))
    authors = {(row["uid"], row["thread_id"]): Author(*row) for row in found}
    for key, (visible, comments, position) in changes.items():
        author = authors.setdefault(key, Author(*key, 0, 0, 0))
        if key[1] in tallies:
            tallies[key[1]].people += (author.visible + visible > 0) - (author.visible > 0)
        author.visible += visible
        author.comments += comments
        author.position = max(author.position, position)
    await db.execute(SAVE_AUTHORS, *columns(astuple(author) for author in authors.values()))


async def _find_words(db: Db, talk: Discussion) -> None:
    """Words are found of what can be seen, as it is now."""
    lost, found = [], []
    for named, row in talk.rows.items():
        before = talk.before.get(named)
        was = before.text if before is not None and before.visible else None
        now = row.text if row.visible else None
        if was == now:
            continue
        if was is not None:
            lost.append(row.position)
        if now is not None:
            found.append(search.Said(row.position, *named, row.party_id, now, row.language))
    await search.remove(db, lost)
    await search.add(db, found)


async def _topics(db: Db, talk: Discussion, touched: Collection[Row]) -> set[str]:
    """Whatever nobody else sees concerns its author and the moderators alone."""
    found: set[str] = set()
    heard: defaultdict[str, set[str]] = defaultdict(set)
    for row in touched:
        before = talk.before.get(row.named)
        found.add(mine_topic(row.uid))
        if row.veil or (before is not None and before.veil):
            found.add(moderation_topic(room_of(row.thread_id) or SITE))
        if _face(row) == _face(before):
            continue
        found.add(topic(row.thread_id))
        found.add(lists_topic(row.thread_id))
        if row.parent_uid is not None:
            found.add(mine_topic(row.parent_uid))
        if row.visible and not (before is not None and before.visible):
            heard[row.thread_id].add(row.uid)
        elif not row.visible:
            heard[row.thread_id] |= {"", row.uid}
    return found | await unread_topics(db, heard)


def _face(row: Row | None) -> tuple[Any, ...]:
    """What others see of a comment; empty if they do not."""
    if row is None or not row.shown:
        return ()
    return (row.text, row.spoiler, row.edited_at) if row.visible else (row.gone,)


async def unread_topics(db: Db, heard: Mapping[str, set[str]]) -> set[str]:
    """The lists of those who spoke in these threads last, where somebody else was heard; an empty uid is nobody's."""
    if not heard:
        return set()
    rows = await db.fetch(AUTHORS, list(heard), TOLD, MOST_TOLD)
    return {unread_topic(row["uid"]) for row in rows if heard[row["thread_id"]] - {row["uid"]}}
