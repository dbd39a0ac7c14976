"""Which ids name one work, as a person and their imports have said: the table `joined`."""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from events.contracts.library import IdsJoined, IdsSplit, ImportUndone
from events.projection import Db
from library import joins
from library.joins import Layers
from library.projections.rows import columns

Joining = IdsJoined | IdsSplit | ImportUndone
Named = tuple[str, str]
"""A person and an id of a work."""

OF_TITLES = """
    select touched.uid, touched.work as asked, other.work
      from unnest($1::text[], $2::text[]) as touched (uid, work)
      join joined as mine on mine.uid = touched.uid and mine.work = touched.work
      join joined as other on other.uid = mine.uid and other.shown_as = mine.shown_as
     order by touched.uid, touched.work, other.nth
"""

DELETE = """
    delete from joined using unnest($1::text[], $2::text[]) as touched (uid, work)
     where joined.uid = touched.uid and joined.work = touched.work
"""

LOAD_LAYERS = "select uid, layers from joining where uid = any($1::text[])"

SAVE_LAYERS = """
    insert into joining (uid, layers) select * from unnest($1::text[], $2::bytea[])
    on conflict (uid) do update set layers = excluded.layers
"""

FORGET_LAYERS = "delete from joining where uid = any($1::text[])"

SAVE = (
    "insert into joined (uid, work, shown_as, nth) select * from unnest($1::text[], $2::text[], $3::text[], $4::int[])"
)


_decoder = msgspec.json.Decoder(Layers)
_encoder = msgspec.json.Encoder()


def regrouped(layers: Layers, event: Joining) -> Layers:
    """What was joined by whom, after an event."""
    match event:
        case IdsJoined(works=works, source=source):
            return joins.joined(layers, works, source)
        case IdsSplit(work=work):
            return joins.split(layers, work)
        case ImportUndone(import_id=source):
            return joins.undone(layers, source)


async def regroup(db: Db, events: Sequence[Joining]) -> set[Named]:
    """Carry the groups of these people through the events; return every id that was or is in one that is another now,
    or that an event names."""
    uids = list({event.uid for event in events})
    before = {uid: Layers() for uid in uids} | await layers_of(db, uids)
    after = dict(before)
    for event in events:
        after[event.uid] = regrouped(after[event.uid], event)
    changed = {uid: after[uid] for uid in uids if after[uid] != before[uid]}
    if rows := [(uid, _encoder.encode(layers)) for uid, layers in changed.items() if layers]:
        await db.execute(SAVE_LAYERS, *columns(rows))
    if empty := [uid for uid, layers in changed.items() if not layers]:
        await db.execute(FORGET_LAYERS, empty)
    return await _show(db, events, before, changed)


async def _show(
    db: Db, events: Sequence[Joining], before: Mapping[str, Layers], changed: Mapping[str, Layers]
) -> set[Named]:
    touched = {(event.uid, work) for event in events for work in _named(event)}
    others = set[Named]()
    rows: list[tuple[str, str, str, int]] = []
    for uid, layers in changed.items():
        old, new = joins.shown(before[uid]), joins.shown(layers)
        ids = {id for id in old.keys() | new.keys() if old.get(id) != new.get(id)}
        others |= {(uid, id) for id in ids}
        rows += [(uid, id, new[id][0], new[id].index(id)) for id in ids if id in new]
    if others:
        await db.execute(DELETE, *columns(others))
    if rows:
        await db.execute(SAVE, *columns(rows))
    return touched | others


async def layers_of(db: Db, uids: Sequence[str]) -> dict[str, Layers]:
    """What each of these people and their imports have joined."""
    return {row["uid"]: _decoder.decode(row["layers"]) for row in await db.fetch(LOAD_LAYERS, uids)}


async def groups_of(db: Db, titles: Iterable[Named]) -> dict[Named, tuple[str, ...]]:
    """For each of these titles, every id of its work, the one first that it is shown under."""
    found: dict[Named, list[str]] = {named: [] for named in titles}
    if found:
        for row in await db.fetch(OF_TITLES, *columns(found)):
            found[row["uid"], row["asked"]].append(row["work"])
    return {(uid, work): tuple(ids) or (work,) for (uid, work), ids in found.items()}


def _named(event: Joining) -> tuple[str, ...]:
    match event:
        case IdsJoined(works=works):
            return works
        case IdsSplit(work=work):
            return (work,)
        case ImportUndone():
            return ()
