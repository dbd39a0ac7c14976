"""What is said in rooms, line by line; only the newest lines of each are kept.

Those that others do not see at first are counted for themselves: they make no line that others see leave earlier.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from msgspec import Struct
from msgspec.structs import astuple

from comments.projections.facts import Fact, columns, facts_of
from events.contracts.comments import (
    LIVES_TOPIC,
    LineDeleted,
    LineHidden,
    LinePinned,
    LineRestored,
    RoomConfigured,
    RoomSettings,
    Said,
    SaidUnseen,
    UnseenDeleted,
    UnseenHidden,
    mine_topic,
    party_in,
    room_topic,
)
from events.log import Commit
from events.projection import Db

KEPT = 5_000
"""Lines of one room that can be read at most; and as many of those that others did not see at first."""

# The limit tells the planner that the key finds one row: a plan made while the table is empty serves a whole rebuild.
LOAD_ROOMS = """
    select found.* from unnest($1::text[]) as touched (room), lateral (
        select room, open, slow_seconds, links, pinned, said, unseen, shown, position
          from room where room.room = touched.room limit 1) as found
"""
LOAD_LINES = """
    select found.* from unnest($1::text[], $2::text[]) as touched (room, line), lateral (
        select room, line, uid, name, avatar, text, answers, media_seconds, mentions, at, veil, rule, number, aside,
               position
          from line where line.room = touched.room and line.line = touched.line limit 1) as found
"""
SAVE_ROOMS = """
    insert into room (room, open, slow_seconds, links, pinned, said, unseen, shown, position)
    select * from unnest($1::text[], $2::bool[], $3::float8[], $4::text[], $5::text[], $6::bigint[], $7::bigint[],
                         $8::int[], $9::bigint[])
    on conflict (room) do update
       set open = excluded.open, slow_seconds = excluded.slow_seconds, links = excluded.links,
           pinned = excluded.pinned, said = excluded.said, unseen = excluded.unseen, shown = excluded.shown,
           position = excluded.position
"""
CHANGE_LINES = """
    update line set veil = new.veil from unnest($1::text[], $2::text[], $3::text[]) as new (room, line, veil)
     where line.room = new.room and line.line = new.line
"""
DELETE_LINES = """
    delete from line using unnest($1::text[], $2::text[]) as gone (room, line)
     where line.room = gone.room and line.line = gone.line
"""
SAVE_PEOPLE = """
    insert into person (room, uid, name, avatar, at, position)
    select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::bigint[])
    on conflict (room, uid) do update
       set name = excluded.name, avatar = excluded.avatar, at = excluded.at, position = excluded.position
     where excluded.position > person.position
"""
# What is pinned stays for as long as it is.
TRIM = """
    with old as (
        delete from line using unnest($1::text[], $2::text[], $3::bigint[]) as crowded (room, pinned, upto), lateral (
            select room, line from line
             where line.room = crowded.room and {numbered} <= crowded.upto
               and line.line is distinct from crowded.pinned
             limit 1000000) as past
         where line.room = past.room and line.line = past.line
        returning line.room, line.line, line.veil),
    unseen as (select room, count(*) as lines from old where veil = '' group by room),
    counted as (update room set shown = shown - unseen.lines from unseen where room.room = unseen.room)
    select room, line from old
"""
FORGET = """
    with touched as (select * from unnest($1::text[], $2::text[]) as past (room, line)),
    looked_at as (
        delete from report using touched, lateral (
            select subject, id, uid from report as kept
             where kept.subject = touched.room and kept.id = touched.line limit 1000000) as old
         where report.subject = old.subject and report.id = old.id and report.uid = old.uid)
    delete from unshown using touched, lateral (
        select subject, id from unshown as kept
         where kept.subject = touched.room and kept.id = touched.line limit 1) as old
     where unshown.subject = old.subject and unshown.id = old.id
"""
WORDS = "update room set words = $2 where room = $1"
TRIM_SAID, TRIM_UNSEEN = TRIM.format(numbered="number"), TRIM.format(numbered="aside")


class RoomRow(Struct):
    """A row of `room`, in the order of its columns."""

    room: str
    open: bool
    slow_seconds: float
    links: str
    pinned: str | None = None
    said: int = 0
    unseen: int = 0
    shown: int = 0
    position: int = 0


class LineRow(Struct):
    """A row of `line`, in the order of its columns."""

    room: str
    line: str
    uid: str
    name: str
    avatar: str
    text: str
    answers: str | None
    media_seconds: float | None
    mentions: Sequence[str]
    at: datetime
    veil: str
    rule: str
    number: int
    aside: int | None
    position: int


class PersonRow(Struct):
    """A row of `person`, in the order of its columns."""

    room: str
    uid: str
    name: str
    avatar: str
    at: datetime
    position: int


class Talk:
    """The rooms and lines that a batch speaks of, on their way through it."""

    def __init__(self, rooms: Iterable[RoomRow], lines: Iterable[LineRow]) -> None:
        self.rooms = {row.room: row for row in rooms}
        self.lines: dict[tuple[str, str], LineRow | None] = {(row.room, row.line): row for row in lines}
        """None is what was taken back."""
        self.known = set(self.lines)
        """Those that the table has."""
        self.new: dict[tuple[str, str], None] = {}
        """Those that are said in the batch."""
        self.past: list[tuple[str, str]] = []
        """Those that were no longer kept when the batch came to speak of them."""
        self.words: dict[str, Sequence[str]] = {}
        """That are not to be said, in rooms that are run differently from now on."""
        self.people: dict[tuple[str, str], PersonRow] = {}
        self.topics: set[str] = set()

    def room(self, fact: Fact) -> RoomRow:
        id = fact.event.room
        row = self.rooms.get(id)
        if row is None:
            usual = RoomSettings()
            row = self.rooms[id] = RoomRow(id, usual.open, usual.slow_seconds, usual.links)
        row.position = fact.commit.sequence
        return row

    def line(self, fact: Fact) -> LineRow | None:
        """The line that a fact changes; None if it is no longer kept, for which it then means nothing."""
        room, key = self.room(fact), (fact.event.room, fact.event.line)
        line = self.lines.get(key)
        if line is not None and line.line != room.pinned and _is_past(line, room):
            room.shown -= line.veil == ""
            self.lines[key] = line = None
            self.past.append(key)
        return line

    def add(self, line: LineRow) -> None:
        key = line.room, line.line
        self.lines[key] = line
        self.new[key] = None

    def name(self, line: LineRow) -> None:
        """Its author's name is from now on what they called themselves there, unless that was longer ago."""
        key = line.room, line.uid
        had = self.people.get(key)
        if had is None or had.position < line.position:
            self.people[key] = PersonRow(*key, line.name, line.avatar, line.at, line.position)

    def touch(self, line: LineRow, seen: bool) -> None:
        """A line changed; others notice only if they saw it, or see it now."""
        self.topics.add(mine_topic(line.uid))
        if seen:
            self.topics.add(room_topic(line.room))
        if seen and not party_in(line.room):
            self.topics.add(LIVES_TOPIC)  # the list says how many lines there are


def _is_past(line: LineRow, room: RoomRow) -> bool:
    """Whether it would be gone by now, had what came before been a batch of its own."""
    return line.number <= room.said - KEPT or (line.aside or KEPT) <= room.unseen - KEPT


async def apply_to_rooms(db: Db, commits: Sequence[Commit]) -> set[str]:
    """Load what the batch speaks of, carry it through, save it, and let go of the lines that are no longer kept."""
    facts = facts_of(commits, FOLDS)
    if not facts:
        return set()
    talk = await _load(db, facts)
    for fact in facts:
        FOLDS[type(fact.event)](talk, fact)
    await _save(db, talk)
    return talk.topics


async def _load(db: Db, facts: Sequence[Fact]) -> Talk:
    rooms = await db.fetch(LOAD_ROOMS, list({fact.event.room for fact in facts}))
    touched = {
        (fact.event.room, fact.event.line) for fact in facts if type(fact.event) in ABOUT_LINE and fact.event.line
    }
    lines = await db.fetch(LOAD_LINES, *columns(touched)) if touched else []
    return Talk((RoomRow(*row) for row in rooms), (LineRow(*row) for row in lines))


async def _save(db: Db, talk: Talk) -> None:
    await db.execute(SAVE_ROOMS, *columns(map(astuple, talk.rooms.values())))
    gone = [key for key in talk.known if talk.lines[key] is None or key in talk.new]
    changed = [(*key, line.veil) for key in talk.known - talk.new.keys() if (line := talk.lines[key]) is not None]
    new = [line for key in talk.new if (line := talk.lines[key]) is not None]
    if gone:
        await db.execute(DELETE_LINES, *columns(gone))
    if changed:
        await db.execute(CHANGE_LINES, *columns(changed))
    if new:
        await db.copy_records_to_table("line", records=map(astuple, new), columns=LineRow.__struct_fields__)
    if talk.people:
        await db.execute(SAVE_PEOPLE, *columns(map(astuple, talk.people.values())))
    for room, words in talk.words.items():  # seldom enough for a statement per room
        await db.execute(WORDS, room, words)
    await _trim(db, talk)


async def _trim(db: Db, talk: Talk) -> None:
    """With the lines goes what was reported of them, and whom they would concern if they were shown."""
    rooms, past = talk.rooms.values(), talk.past
    if full := [(room.room, room.pinned, room.said - KEPT) for room in rooms if room.said > KEPT]:
        past += [tuple(row) for row in await db.fetch(TRIM_SAID, *columns(full))]
    if full := [(room.room, room.pinned, room.unseen - KEPT) for room in rooms if room.unseen > KEPT]:
        past += [tuple(row) for row in await db.fetch(TRIM_UNSEEN, *columns(full))]
    if past:
        await db.execute(FORGET, *columns(past))


def _said(talk: Talk, fact: Fact) -> None:
    """Once: who sends a line again so late that nobody remembers it has said it all the same."""
    if talk.line(fact) is not None:
        return
    room = talk.room(fact)
    room.said += 1
    room.shown += 1
    line = _new_line(fact, "", "", room.said, None)
    talk.add(line)
    talk.name(line)
    talk.touch(line, seen=True)


def _said_unseen(talk: Talk, fact: Fact) -> None:
    """What others do not see makes no line of theirs leave earlier, and does not tell them a name."""
    if talk.line(fact) is not None:
        return
    room = talk.room(fact)
    room.unseen += 1
    line = _new_line(fact, fact.event.veil, fact.event.rule, room.said, room.unseen)
    talk.add(line)
    talk.touch(line, seen=False)


def _new_line(fact: Fact, veil: str, rule: str, number: int, aside: int | None) -> LineRow:
    event = fact.event
    return LineRow(
        event.room, event.line, event.uid, event.name, event.avatar, event.text, event.answers, event.media_seconds,
        event.mentions, event.at, veil, rule, number, aside, fact.commit.sequence,
    )  # fmt: skip


def _deleted(talk: Talk, fact: Fact) -> None:
    line = talk.line(fact)
    if line is not None:
        _off(talk, fact, line)
        talk.lines[line.room, line.line] = None


def _hidden(talk: Talk, fact: Fact) -> None:
    line = talk.line(fact)
    if line is not None:
        _off(talk, fact, line)
        line.veil = "moderated"


def _off(talk: Talk, fact: Fact, line: LineRow) -> None:
    """What nobody sees any more is not pinned either."""
    room, seen = talk.room(fact), line.veil == ""
    room.shown -= seen
    room.pinned = None if room.pinned == line.line else room.pinned
    talk.touch(line, seen)


def _restored(talk: Talk, fact: Fact) -> None:
    line = talk.line(fact)
    if line is not None and line.veil:
        talk.room(fact).shown += 1
        line.veil = ""
        talk.name(line)
        talk.touch(line, seen=True)


def _pinned(talk: Talk, fact: Fact) -> None:
    talk.line(fact)  # for whether it is still kept
    talk.room(fact).pinned = fact.event.line
    talk.topics.add(room_topic(fact.event.room))


def _configured(talk: Talk, fact: Fact) -> None:
    room, event = talk.room(fact), fact.event
    room.open, room.slow_seconds, room.links = event.open, event.slow_seconds, event.links
    talk.words[room.room] = event.words
    talk.topics.add(room_topic(event.room))


ABOUT_LINE: dict[type, Callable[[Talk, Fact], None]] = {
    Said: _said,
    SaidUnseen: _said_unseen,
    LineDeleted: _deleted,
    UnseenDeleted: _deleted,
    LineHidden: _hidden,
    UnseenHidden: _hidden,
    LineRestored: _restored,
    LinePinned: _pinned,
}
FOLDS: dict[type, Callable[[Talk, Fact], None]] = {**ABOUT_LINE, RoomConfigured: _configured}
