"""Read models of titles: the facts of a batch are merged into their titles, and these shown anew, all at once."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from functools import reduce
from itertools import islice
from typing import NamedTuple

import msgspec

from events.contracts import library
from events.contracts.library import HistoryCleared, IdsJoined, IdsSplit, ImportUndone
from events.contracts.library.events import TakenIn
from events.log import Commit
from events.projection import Db, Projection
from library.projections import heartbeats, moving
from library.projections.facts import Fact, TitleFact, apply_to_device, apply_to_fact, facts_of
from library.projections.groups import Named, groups_of, regroup
from library.projections.heartbeats import Beat, point_of
from library.projections.rows import columns
from library.projections.writing import Shown, Slots, write
from library.title.state import Title, evolve, merge
from library.title.summary import summary

AT_ONCE = 500
"""Titles that are shown anew by the same statements."""

LOAD_STATES = """
    select uid, work, known_at, state
      from unnest($1::text[], $2::text[]) as touched (uid, work) join title_state using (uid, work)
"""

SAVE_STATES = """
    insert into title_state (uid, work, known_at, state)
    select * from unnest($1::text[], $2::text[], $3::timestamptz[], $4::bytea[])
    on conflict (uid, work) do update set state = excluded.state
"""

SAVE_TAKEN = """
    insert into taken (uid, source, work) select * from unnest($1::text[], $2::text[], $3::text[])
    on conflict do nothing
"""

UNDO = """
    with undoing as (
        insert into undone (uid, source) select * from unnest($1::text[], $2::text[]) on conflict do nothing)
    select uid, work
      from unnest($1::text[], $2::text[]) as undone (uid, source) join taken using (uid, source)
"""

CLEAR = """
    with clearing as (
        insert into cleared (uid, at) select * from unnest($1::text[], $2::timestamptz[])
        on conflict (uid) do update set at = greatest(cleared.at, excluded.at))
    select uid, work from title_state where uid = any($1::text[])
"""

UNDONE = "select uid, source from undone where uid = any($1::text[])"
CLEARED = "select uid, at from cleared where uid = any($1::text[])"

_decoder = msgspec.msgpack.Decoder(Title)
_encoder = msgspec.msgpack.Encoder()


class Known(NamedTuple):
    """What is known under one id."""

    known_at: datetime
    """Of the first fact."""
    title: Title


class Whole(NamedTuple):
    """All that is known of a work, under all of its ids, and what of it does not count."""

    title: Title
    members: Sequence[tuple[str, Title]]
    undone: frozenset[str]
    cleared_at: datetime | None


class Merged(NamedTuple):
    """Titles that facts were merged into."""

    known: Mapping[Named, Known]
    """What is known of them now."""
    slots: Mapping[Named, Slots]
    """Of which of their slots something else may follow."""


async def apply_to_title(db: Db, commits: Sequence[Commit]) -> set[str]:
    """Merge the facts of the batch into their titles; show anew whatever they concern."""
    facts = list(facts_of(commits))
    beats = await heartbeats.keep(db, commits)
    merged = await _merged(db, facts)
    everywhere = await _joined(db, facts) | await _undone(db, facts) | await _cleared(db, facts)
    groups = await groups_of(db, {*merged.slots, *everywhere, *(beat[:2] for beat in beats)})
    shown = merged.slots.keys() | everywhere
    left = await moving.move(db, [beat for beat in beats if beat[:2] not in shown], groups)
    touched = _touched(merged.slots, everywhere, [beat for beat in beats if beat[:2] in shown | left])
    await _show(db, touched, groups, merged.known)
    return _topics(groups)


def _touched(merged: Mapping[Named, Slots], everywhere: Collection[Named], beats: Iterable[Beat]) -> dict[Named, Slots]:
    """The titles that are to be shown anew, and which of their slots."""
    some: defaultdict[Named, set[str]] = defaultdict(set)
    for named, slots in merged.items():
        some[named].update(slots or ())
    for beat in beats:
        some[beat[:2]].add(point_of(beat).slot)
    whole = {named for named, slots in merged.items() if slots is None}
    return {**some, **dict.fromkeys({*whole, *everywhere})}


async def _merged(db: Db, facts: Sequence[Fact]) -> Merged:
    """Merge the facts of single titles into these."""
    mine = [fact for fact in facts if isinstance(fact.event, TitleFact)]
    if not mine:
        return Merged({}, {})
    before = await states(db, {(fact.event.uid, fact.event.work) for fact in mine})
    known = dict(before)
    for fact in mine:
        event = fact.event
        then = known.get((event.uid, event.work), Known(fact.known_at, Title()))
        known[event.uid, event.work] = then._replace(title=evolve(then.title, event))
    rows = ((*named, state.known_at, _encoder.encode(state.title)) for named, state in known.items())
    await db.execute(SAVE_STATES, *columns(rows))
    taken = {(fact.event.uid, fact.event.source, fact.event.work) for fact in mine if isinstance(fact.event, TakenIn)}
    if taken:
        await db.execute(SAVE_TAKEN, *columns(taken))
    return Merged(known, {named: _changed(before.get(named), state.title) for named, state in known.items()})


def _changed(before: Known | None, now: Title) -> Slots:
    """The slots of which something else may follow now. All of a title that was not known: its heartbeats count now."""
    if before is None:
        return None
    then = before.title
    whole = (then.removed is now.removed, then.clears is now.clears, then.choices.details is now.choices.details)
    if not all(whole):
        return None
    slots = {name for name, known in now.slots.items() if then.slots.get(name) is not known}
    points = () if then.points is now.points else set(then.points) ^ set(now.points)
    return slots | {point.slot for point in points}


async def _joined(db: Db, facts: Sequence[Fact]) -> set[Named]:
    events = [fact.event for fact in facts if isinstance(fact.event, IdsJoined | IdsSplit | ImportUndone)]
    return await regroup(db, events) if events else set()


async def _undone(db: Db, facts: Sequence[Fact]) -> set[Named]:
    undone = {(fact.event.uid, fact.event.import_id) for fact in facts if isinstance(fact.event, ImportUndone)}
    return {tuple(row) for row in await db.fetch(UNDO, *columns(undone))} if undone else set()


async def _cleared(db: Db, facts: Sequence[Fact]) -> set[Named]:
    events = [fact.event for fact in facts if isinstance(fact.event, HistoryCleared)]
    latest = {event.uid: event.at for event in sorted(events, key=lambda event: event.at)}
    return {tuple(row) for row in await db.fetch(CLEAR, *columns(latest.items()))} if latest else set()


async def _show(
    db: Db, touched: Mapping[Named, Slots], groups: Mapping[Named, tuple[str, ...]], known: Mapping[Named, Known]
) -> None:
    """Write the rows of the slots of these titles, each under the first of its ids and under no other. *known*: what
    is known of some of them."""
    works = {(uid, groups[uid, work][0]): groups[uid, work] for uid, work in touched}
    waiting = iter(works.items())
    while some := dict(islice(waiting, AT_ONCE)):
        # What several ids know together may differ in more than what each of them does.
        slots = {named: touched.get(named) if len(ids) == 1 else None for named, ids in some.items()}
        await _show_some(db, some, slots, known)
    if others := [named for named in touched if named not in works]:
        await write(db, [], dict.fromkeys(others))


async def _show_some(
    db: Db, works: Mapping[Named, tuple[str, ...]], slots: Mapping[Named, Slots], known: Mapping[Named, Known]
) -> None:
    found = await known_of(db, works, known)
    shown = [
        Shown(*named, whole.title, summary(whole.title, whole.undone, whole.cleared_at, slots[named]), whole.members)
        for named, whole in found.items()
    ]
    await write(db, shown, slots)


async def known_of(
    db: Db, works: Mapping[Named, tuple[str, ...]], loaded: Mapping[Named, Known] | None = None
) -> dict[Named, Whole]:
    """All that is known of works, as far as anything is. *works*: all the ids of each, by the one it is shown under.
    *loaded*: what was read of some already."""
    wanted = {(uid, id) for (uid, _), ids in works.items() for id in ids}
    known = {named: loaded[named] for named in wanted & loaded.keys()} if loaded else {}
    if missing := wanted - known.keys():
        known |= await states(db, missing)
    heard = await heartbeats.heard(db, {named: one.title for named, one in known.items()})
    people = list({uid for uid, _ in works})
    undone: defaultdict[str, set[str]] = defaultdict(set)
    for row in await db.fetch(UNDONE, people):
        undone[row["uid"]].add(row["source"])
    cleared = {row["uid"]: row["at"] for row in await db.fetch(CLEARED, people)}
    found = {}
    for (uid, work), ids in works.items():
        members = [(id, known[uid, id].title) for id in ids if (uid, id) in known]
        parts = [*(title for _, title in members), *(heard[uid, id] for id, _ in members if (uid, id) in heard)]
        if parts:
            found[uid, work] = Whole(reduce(merge, parts), members, frozenset(undone[uid]), cleared.get(uid))
    return found


async def states(db: Db, titles: Collection[Named]) -> dict[Named, Known]:
    """What is known under these ids, as far as anything is."""
    rows = await db.fetch(LOAD_STATES, *columns(titles))
    return {(row["uid"], row["work"]): Known(row["known_at"], _decoder.decode(row["state"])) for row in rows}


def _topics(groups: Mapping[Named, tuple[str, ...]]) -> set[str]:
    """Of the people, and of every id of their titles."""
    topics = {library.topic(uid) for uid, _ in groups}
    return topics | {library.title_topic(uid, id) for (uid, work), ids in groups.items() for id in (work, *ids)}


PROJECTIONS = (
    Projection("fact", apply_to_fact),
    Projection("device", apply_to_device),
    Projection("title", apply_to_title),
)
