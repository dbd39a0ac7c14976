"""Which ids name one work, as a person has said: the table `joined`."""

from collections.abc import Iterable, Mapping, Sequence

from events.contracts.library import IdsJoined, IdsSplit
from events.projection import Db
from library.projections.rows import columns

Groups = Mapping[str, tuple[str, ...]]
"""By each id all ids of its work, the one first that it is shown under. An id alone is left out."""
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

SAVE = (
    "insert into joined (uid, work, shown_as, nth) select * from unnest($1::text[], $2::text[], $3::text[], $4::int[])"
)


def regrouped(groups: Groups, event: IdsJoined | IdsSplit) -> Groups:
    """The groups after ids were joined or split. Whoever joins one id of a work joins all that it had."""
    if isinstance(event, IdsJoined):
        ids = tuple(dict.fromkeys((*event.works, *(id for work in event.works for id in groups.get(work, ())))))
        return {**groups, **dict.fromkeys(ids, ids)}
    rest = tuple(id for id in groups.get(event.work, ()) if id != event.work)
    left = {id: ids for id, ids in groups.items() if id != event.work and id not in rest}
    return {**left, **dict.fromkeys(rest, rest)} if len(rest) > 1 else left


async def regroup(db: Db, events: Sequence[IdsJoined | IdsSplit]) -> set[Named]:
    """Carry the groups that these events name through them; return every id that was or is in one of these."""
    before = await groups_of(db, ((event.uid, work) for event in events for work in _named(event)))
    people: dict[str, Groups] = {event.uid: {} for event in events}
    for (uid, _), ids in before.items():
        people[uid] = {**people[uid], **dict.fromkeys(ids, ids)} if len(ids) > 1 else people[uid]
    for event in events:
        people[event.uid] = regrouped(people[event.uid], event)
    touched = {(uid, id) for (uid, _), ids in before.items() for id in ids}
    touched |= {(uid, id) for uid, groups in people.items() for id in groups}
    await db.execute(DELETE, *columns(touched))
    if now := [(uid, id, ids[0], ids.index(id)) for uid, groups in people.items() for id, ids in groups.items()]:
        await db.execute(SAVE, *columns(now))
    return touched


async def groups_of(db: Db, titles: Iterable[Named]) -> dict[Named, tuple[str, ...]]:
    """For each of these titles, every id of its work, the one first that it is shown under."""
    found: dict[Named, list[str]] = {named: [] for named in titles}
    if found:
        for row in await db.fetch(OF_TITLES, *columns(found)):
            found[row["uid"], row["asked"]].append(row["work"])
    return {(uid, work): tuple(ids) or (work,) for (uid, work), ids in found.items()}


def _named(event: IdsJoined | IdsSplit) -> tuple[str, ...]:
    return event.works if isinstance(event, IdsJoined) else (event.work,)
