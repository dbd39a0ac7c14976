"""A library as it was: the facts that the server knew then, merged as it would have merged them."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import Meta

from events import cursor
from events.contracts.library import (
    AsOf,
    AsOfPage,
    HistoryCleared,
    IdsJoined,
    IdsSplit,
    ImportUndone,
    ItemView,
)
from events.definition import Answering
from events.messages import NO_NUL, Context, Query
from events.projection import Db
from library.joins import Group, Layers, shown
from library.projections.facts import decoder
from library.projections.groups import regrouped
from library.queries.common import after, fitting, page, past
from library.title.state import Title, evolve
from library.title.summary import Summary, summary

SHELF = """
    select body from fact where uid = $1 and work = '' and known_at <= $2 order by position, nth
"""

WORKS = """
    select work from title_state
     where uid = $1 and known_at <= $2 and work > $3 and not work = any($4::text[])
    union
    select shown_as collate "C" from unnest($4::text[], $5::text[]) as joined (work, shown_as)
     where shown_as collate "C" > $3
       and exists (select from title_state where uid = $1 and known_at <= $2 and title_state.work = joined.work)
     order by 1 limit $6
"""

FACTS = """
    select work, body from fact where uid = $1 and work = any($2::text[]) and known_at <= $3
     order by work, position, nth
"""


class WorkPlace(NamedTuple):
    """A place in the order of works."""

    work: Annotated[str, Meta(max_length=128, pattern=NO_NUL)]


class Then(NamedTuple):
    """What held for the whole library at a time."""

    groups: Mapping[str, Group]
    undone: frozenset[str]
    cleared_at: datetime | None


async def as_of(db: Db, query: AsOf, context: Context) -> AsOfPage:
    at = past("at", query.at)
    start = after(query.cursor, WorkPlace(""))
    then = await _then(db, context.actor, at)
    joined = [(id, ids[0]) for id, ids in then.groups.items()]
    ids, works_of = [id for id, _ in joined], [work for _, work in joined]
    rows = await db.fetch(WORKS, context.actor, at, start.work, ids, works_of, query.limit + 1)
    works, more = page(rows, query.limit, lambda row: WorkPlace(row["work"]))
    views = await _views(db, context.actor, at, [row["work"] for row in works], then)
    room = fitting(len(msgspec.json.encode(view.details)) for view in views)
    if room < len(views):
        return AsOfPage(views[:room], cursor.write(WorkPlace(views[room - 1].work)))
    return AsOfPage(views, more)


async def _then(db: Db, uid: str, at: datetime) -> Then:
    layers = Layers()
    undone, cleared = set[str](), None
    for row in await db.fetch(SHELF, uid, at):
        match event := decoder.decode(row["body"]):
            case IdsJoined() | IdsSplit():
                layers = regrouped(layers, event)
            case ImportUndone():
                layers = regrouped(layers, event)
                undone.add(event.import_id)
            case HistoryCleared():
                cleared = max(cleared or event.at, event.at)
    return Then(shown(layers), frozenset(undone), cleared)


async def _views(db: Db, uid: str, at: datetime, works: Sequence[str], then: Then) -> list[ItemView]:
    """Those of *works* of which anything counted."""
    ids = {id: work for work in works for id in then.groups.get(work, (work,))}
    titles: defaultdict[str, Title] = defaultdict(Title)
    for row in await db.fetch(FACTS, uid, list(ids), at):
        event: Any = decoder.decode(row["body"])
        titles[ids[row["work"]]] = evolve(titles[ids[row["work"]]], event)
    found = {work: summary(titles[work], then.undone, then.cleared_at) for work in works}
    return [_view(work, one, then.groups) for work, one in found.items() if one.updated_at is not None]


def _view(work: str, now: Summary, groups: Mapping[str, Group]) -> ItemView:
    assert now.updated_at is not None
    return ItemView(
        work=work,
        ids=list(groups.get(work, (work,))),
        in_watchlist=now.in_watchlist,
        status=now.status,
        reaction=now.reaction,
        favourite=now.favourite,
        hidden=now.hidden,
        progress=now.progress,
        legacy_status=now.legacy_status,
        details=now.details,
        watched_episodes=now.watched_episodes,
        updated_at=now.updated_at,
    )


QUERIES: Mapping[type[Query], Answering] = {AsOf: as_of}
