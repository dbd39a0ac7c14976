"""A person's addons as they are shown: the rules' own merge, with the URLs and manifests that it leaves out."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import msgspec

from events.contracts.library import (
    AddonFlagged,
    AddonInstalled,
    AddonMoved,
    AddonRemoved,
    AddonsEvent,
    ImportUndone,
    addons_topic,
)
from events.log import Commit
from events.projection import Db, Projection
from library.addons import Addon, Addons, evolve
from library.manifest import examined
from library.projections.rows import columns

LOAD_STATES = "select uid, state from addons where uid = any($1::text[])"

SAVE_STATES = """
    insert into addons (uid, state, position)
    select * from unnest($1::text[], $2::bytea[], $3::bigint[])
    on conflict (uid) do update set state = excluded.state, position = excluded.position
"""

REMOVE = """
    delete from addon using unnest($1::text[], $2::text[]) as gone (uid, addon_id)
     where addon.uid = gone.uid and addon.addon_id = gone.addon_id
"""

GIVE = """
    insert into addon_given (uid, addon_id, source, transport_url, manifest, warnings)
    select uid, addon_id, source, transport_url, manifest, array(select jsonb_array_elements_text(warnings::jsonb))
      from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[])
           as new (uid, addon_id, source, transport_url, manifest, warnings)
    on conflict (uid, addon_id, source) do update
       set transport_url = excluded.transport_url, manifest = excluded.manifest, warnings = excluded.warnings
"""

FORGET = """
    with kept as (
        select * from unnest($3::text[], $4::text[], $5::text[]) as kept (uid, addon_id, source))
    delete from addon_given using unnest($1::text[], $2::text[]) as touched (uid, addon_id)
     where addon_given.uid = touched.uid and addon_given.addon_id = touched.addon_id
       and (addon_given.uid, addon_given.addon_id, addon_given.source) not in (select * from kept)
"""
"""What is removed, or was brought by an import that is undone, never counts again."""

SHOW = """
    insert into addon (uid, addon_id, source, transport_url, manifest, warnings, official, protected, place,
                       installed_at, updated_at, position)
    select uid, addon_id, source, transport_url, manifest, warnings, official, protected, place,
           installed_at, updated_at, position
      from unnest($1::text[], $2::text[], $3::text[], $4::bool[], $5::bool[], $6::text[], $7::timestamptz[],
                  $8::timestamptz[], $9::bigint[])
           as new (uid, addon_id, source, official, protected, place, installed_at, updated_at, position)
      join addon_given using (uid, addon_id, source)
    on conflict (uid, addon_id) do update
       set source = excluded.source, transport_url = excluded.transport_url, manifest = excluded.manifest,
           warnings = excluded.warnings, official = excluded.official, protected = excluded.protected,
           place = excluded.place, updated_at = excluded.updated_at, position = excluded.position
"""
"""Since when it is there stays as it was. What nobody can read, of who was erased, was not given."""

Of = tuple[str, str]
"""Whose addon, and which."""

_decoder = msgspec.json.Decoder(Addons)
_encoder = msgspec.json.Encoder()


class _Touched(NamedTuple):
    """What a batch did to one addon."""

    position: int
    installed_at: datetime
    """Since when it is there, if it was not all the time."""
    gone: bool = False
    """It was not there, at the beginning or at some time since."""


class Batch:
    """The addons of the people whom a batch of commits concerns."""

    def __init__(self, states: dict[str, Addons]) -> None:
        self.states = states
        self.positions: dict[str, int] = {}
        self.touched: dict[Of, _Touched] = {}
        self.given: dict[tuple[str, str, str], AddonInstalled] = {}

    def take(self, event: AddonsEvent, position: int) -> None:
        before = self.states.get(event.uid, Addons())
        after = self.states[event.uid] = evolve(before, event)
        self.positions[event.uid] = position
        if isinstance(event, AddonInstalled):
            self._give(event, before, after)
        for id in _changed(before, after):
            self._touch((event.uid, id), before.known.get(id, Addon()), after.known.get(id, Addon()), position)

    def _give(self, event: AddonInstalled, before: Addons, after: Addons) -> None:
        """Of what each source says, the latest counts."""
        id, source = event.addon_id, event.source
        told = after.known.get(id, Addon()).by.get(source)
        if event.transport_url and told != before.known.get(id, Addon()).by.get(source):
            self.given[event.uid, id, source] = event

    def _touch(self, of: Of, before: Addon, after: Addon, position: int) -> None:
        at = after.installed.at
        touched = self.touched.get(of, _Touched(position, at))._replace(position=position)
        if not before.present or not after.present:
            touched = touched._replace(gone=True, installed_at=at)
        self.touched[of] = touched

    def addon(self, of: Of) -> Addon:
        uid, id = of
        return self.states[uid].known.get(id, Addon())


def _changed(before: Addons, after: Addons) -> set[str]:
    ids = before.known.keys() | after.known.keys()
    return {id for id in ids if before.known.get(id) != after.known.get(id)}


async def apply_to_addon(db: Db, commits: Sequence[Commit]) -> set[str]:
    """Fold what happened, and write down the addons that it touched."""
    events = [
        (event, commit.sequence)
        for commit in commits
        for event in commit.events
        if isinstance(event, AddonInstalled | AddonMoved | AddonFlagged | AddonRemoved | ImportUndone)
    ]
    if not events:
        return set()
    uids = sorted({event.uid for event, _ in events})
    rows = await db.fetch(LOAD_STATES, uids)
    batch = Batch({row["uid"]: _decoder.decode(row["state"]) for row in rows})
    for event, position in events:
        batch.take(event, position)
    states = [(uid, _encoder.encode(batch.states[uid]), batch.positions[uid]) for uid in uids]
    await db.execute(SAVE_STATES, *columns(states))
    await _write(db, batch)
    return {addons_topic(uid) for uid, _ in batch.touched}


async def _write(db: Db, batch: Batch) -> None:
    """First what is gone: what came back since begins anew."""
    if not batch.touched:
        return
    if batch.given:
        await db.execute(GIVE, *columns(_given(*of, event) for of, event in batch.given.items()))
    kept = [(*of, source) for of in batch.touched for source in batch.addon(of).counting] or [("", "", "")]
    await db.execute(FORGET, *columns(batch.touched), *columns(kept))
    if gone := [of for of, touched in batch.touched.items() if touched.gone]:
        await db.execute(REMOVE, *columns(gone))
    if shown := [
        _shown(of, touched, batch.addon(of)) for of, touched in batch.touched.items() if batch.addon(of).present
    ]:
        await db.execute(SHOW, *columns(shown))


def _given(uid: str, id: str, source: str, event: AddonInstalled) -> tuple[str, ...]:
    warnings = _encoder.encode(examined(event.manifest.encode()).warnings).decode()
    return uid, id, source, event.transport_url, event.manifest, warnings


def _shown(of: Of, touched: _Touched, addon: Addon) -> tuple[object, ...]:
    flags = addon.flags
    head = *of, addon.source, flags.official, flags.protected, addon.order
    return *head, touched.installed_at, addon.changed_at, touched.position


PROJECTIONS: Sequence[Projection] = (Projection("addon", apply_to_addon),)
