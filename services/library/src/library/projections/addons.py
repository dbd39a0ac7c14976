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

INSTALL = """
    insert into addon (uid, addon_id, transport_url, manifest, warnings, official, protected, place, installed_at,
                       updated_at, position)
    select uid, addon_id, transport_url, manifest, array(select jsonb_array_elements_text(warnings::jsonb)), official,
           protected, place, installed_at, updated_at, position
      from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bool[], $7::bool[], $8::text[],
                  $9::timestamptz[], $10::timestamptz[], $11::bigint[])
           as new (uid, addon_id, transport_url, manifest, warnings, official, protected, place, installed_at,
                   updated_at, position)
    on conflict (uid, addon_id) do update
       set transport_url = excluded.transport_url, manifest = excluded.manifest, warnings = excluded.warnings,
           official = excluded.official, protected = excluded.protected, place = excluded.place,
           updated_at = excluded.updated_at, position = excluded.position
"""

CHANGE = """
    update addon
       set official = new.official, protected = new.protected, place = new.place, updated_at = new.updated_at,
           position = new.position
      from unnest($1::text[], $2::text[], $3::bool[], $4::bool[], $5::text[], $6::timestamptz[], $7::bigint[])
           as new (uid, addon_id, official, protected, place, updated_at, position)
     where addon.uid = new.uid and addon.addon_id = new.addon_id
"""

Of = tuple[str, str]
"""Whose addon, and which."""

_decoder = msgspec.json.Decoder(Addons)
_encoder = msgspec.json.Encoder()


class _Touched(NamedTuple):
    """What a batch did to one addon."""

    position: int
    gone: bool = False
    """It was not there, at the beginning or at some time since."""
    installed: AddonInstalled | None = None
    """Whose URL and manifest count now."""
    installed_at: datetime | None = None


class Batch:
    """The addons of the people whom a batch of commits concerns."""

    def __init__(self, states: dict[str, Addons]) -> None:
        self.states = states
        self.positions: dict[str, int] = {}
        self.touched: dict[Of, _Touched] = {}

    def take(self, event: AddonsEvent, position: int) -> None:
        before = self.states.get(event.uid, Addons())
        after = self.states[event.uid] = evolve(before, event)
        self.positions[event.uid] = position
        for id in {event.addon_id, *(before.known.keys() - after.known.keys())}:
            self._touch((event.uid, id), before.known.get(id, Addon()), after.known.get(id, Addon()), event, position)

    def _touch(self, of: Of, before: Addon, after: Addon, event: AddonsEvent, position: int) -> None:
        touched = self.touched.get(of, _Touched(position))._replace(position=position)
        if not before.present:
            touched = touched._replace(gone=True, installed=None)
        if isinstance(event, AddonInstalled) and after.installed != before.installed:
            begins = not before.present and after.present
            at = event.at if begins or touched.installed_at is None else touched.installed_at
            touched = touched._replace(installed=event, installed_at=at)
        self.touched[of] = touched

    def addon(self, of: Of) -> Addon:
        uid, id = of
        return self.states[uid].known.get(id, Addon())


async def apply_to_addon(db: Db, commits: Sequence[Commit]) -> set[str]:
    """Fold what happened, and write down the addons that it touched."""
    events = [
        (event, commit.sequence)
        for commit in commits
        for event in commit.events
        if isinstance(event, AddonInstalled | AddonMoved | AddonFlagged | AddonRemoved)
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
    return {addons_topic(uid) for uid in uids}


async def _write(db: Db, batch: Batch) -> None:
    """First what is gone: what came back since begins anew."""
    if gone := [of for of, touched in batch.touched.items() if touched.gone or not batch.addon(of).present]:
        await db.execute(REMOVE, *columns(gone))
    present = {of: touched for of, touched in batch.touched.items() if batch.addon(of).present}
    if installed := [row for of, touched in present.items() if (row := _installed(of, touched, batch.addon(of)))]:
        await db.execute(INSTALL, *columns(installed))
    if changed := [_changed(of, touched, batch.addon(of)) for of, touched in present.items() if not touched.installed]:
        await db.execute(CHANGE, *columns(changed))


def _installed(of: Of, touched: _Touched, addon: Addon) -> tuple[object, ...] | None:
    event = touched.installed
    if event is None or not event.transport_url:  # nobody can read what was erased
        return None
    warnings = _encoder.encode(examined(event.manifest.encode()).warnings).decode()
    flags = addon.flags
    head = *of, event.transport_url, event.manifest, warnings, flags.official, flags.protected
    return *head, addon.order, touched.installed_at, addon.changed_at, touched.position


def _changed(of: Of, touched: _Touched, addon: Addon) -> tuple[object, ...]:
    flags = addon.flags
    return *of, flags.official, flags.protected, addon.order, addon.changed_at, touched.position


PROJECTIONS: Sequence[Projection] = (Projection("addon", apply_to_addon),)
