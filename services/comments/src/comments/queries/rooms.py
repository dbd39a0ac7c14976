"""What was said in a room, and by whom."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from msgspec.structs import asdict

from comments.queries.rights import fitting, readable
from comments.retention import Retention
from events.contracts.comments import (
    CONTEXT,
    LinesPage,
    LineView,
    MyLine,
    MyLines,
    People,
    PersonView,
    ShowHistory,
    ShowMyLines,
    ShowPeople,
)
from events.definition import Answering
from events.messages import Context, Position, Query, Rejected
from events.projection import LOG, Db

MINE = 100
LAST = 2**63 - 1

EPOCH = "select epoch from checkpoint where source = $1"
LINE = "line, uid, name, avatar, text, answers, media_seconds, mentions, at, position"
HISTORY = f"""
    select {LINE} from line
     where room = $1 and veil = '' and position < $2 and at > $3
       and number > (select said from room where room.room = $1) - $4
     order by position desc limit $5
"""
MY_LINES = f"""
    select {LINE}, veil from line
     where room = $1 and veil <> '' and uid = $2 and at > $3 order by position desc limit $4
"""
PINNED = f"""
    select {LINE} from line where room = $1 and veil = '' and line = (select pinned from room where room.room = $1)
"""
PEOPLE = "select uid, name, avatar from person where room = $1 and uid = any($2::text[])"
LATEST_PEOPLE = "select uid, name, avatar from person where room = $1 order by position desc limit $2"


class Shown(NamedTuple):
    """How lines are shown just now: as of which life of the log, and how old they may be."""

    epoch: str
    since: datetime


def queries(retention: Retention) -> Mapping[type[Query], Answering]:
    async def history(db: Db, query: ShowHistory, context: Context) -> LinesPage:
        await readable(db, query.room, context)
        shown = await showing(db, retention, context.now)
        before = LAST if query.cursor is None else _place(query.cursor, shown.epoch)
        rows = await db.fetch(HISTORY, query.room, before, shown.since, retention.lines, query.limit + 1)
        page = fitting([view_of(row, shown.epoch) for row in rows[: query.limit]])
        return LinesPage(page[::-1], page[-1].position if len(rows) > len(page) else None)

    async def mine(db: Db, query: ShowMyLines, context: Context) -> MyLines:
        await readable(db, query.room, context)
        shown = await showing(db, retention, context.now)
        rows = await db.fetch(MY_LINES, query.room, context.actor, shown.since, MINE)
        return MyLines([_mine(row, shown.epoch) for row in rows[::-1]])

    return {ShowHistory: history, ShowMyLines: mine, ShowPeople: people}


async def people(db: Db, query: ShowPeople, context: Context) -> People:
    await readable(db, query.room, context)
    return People(people_of(await db.fetch(PEOPLE, query.room, list(query.uids))))


async def newest(db: Db, room: str, retention: Retention, now: datetime, limit: int) -> list[LineView]:
    """Oldest first."""
    shown = await showing(db, retention, now)
    rows = await db.fetch(HISTORY, room, LAST, shown.since, retention.lines, limit)
    return [view_of(row, shown.epoch) for row in rows[::-1]]


async def pinned(db: Db, room: str) -> LineView | None:
    """However old it is."""
    row = await db.fetchrow(PINNED, room)
    return None if row is None else view_of(row, await db.fetchval(EPOCH, LOG))


async def named(db: Db, room: str, uids: Sequence[str], limit: int) -> dict[str, PersonView]:
    """These, and who else spoke last, as many as fit."""
    names = people_of(await db.fetch(PEOPLE, room, list(uids)))
    others = people_of(await db.fetch(LATEST_PEOPLE, room, limit))
    rest = [(uid, person) for uid, person in others.items() if uid not in names]
    return names | dict(rest[: limit - len(names)])


async def showing(db: Db, retention: Retention, now: datetime) -> Shown:
    return Shown(await db.fetchval(EPOCH, LOG), retention.since(now))


def people_of(rows: Sequence[Any]) -> dict[str, PersonView]:
    return {row["uid"]: PersonView(row["name"], row["avatar"]) for row in rows}


def view_of(row: Any, epoch: str) -> LineView:
    fields = {name: row[name] for name in LineView.__struct_fields__}
    return LineView(**{**fields, "position": str(Position(CONTEXT, epoch, row["position"]))})


def _mine(row: Any, epoch: str) -> MyLine:
    """Whoever speaks in the shadow is told of nothing."""
    said = asdict(view_of(row, epoch))
    return MyLine(**said, held=row["veil"] == "held", hidden=row["veil"] == "moderated")


def _place(cursor: str, epoch: str) -> int:
    """Where a page begins: the position of a line, wherever that was told."""
    try:
        position = Position.parse(cursor)
    except Rejected:
        raise Rejected("bad-cursor") from None
    if (position.context, position.epoch) != (CONTEXT, epoch):
        raise Rejected("bad-cursor")
    return position.sequence
