"""Read models of imports: how far each is, and what it passed over."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from events.contracts.library import (
    ImportApplied,
    ImportAsked,
    ImportConfirmed,
    ImportEvent,
    ImportFailed,
    ImportPlanned,
    ImportUndone,
    Skipped,
    imports_topic,
)
from events.contracts.library.events import ListCreated, TakenIn
from events.log import Commit
from events.projection import Db, Projection
from library.imports import TOLD, Import, after_planning
from library.projections.rows import columns

LOAD = """
    select import.* from import join unnest($1::text[], $2::text[]) as touched (uid, import_id) using (uid, import_id)
"""

SAVE = """
    insert into import (uid, import_id, upload, format, file_name, state, dry_run, replace, confirmed, counts, taken,
                        share, reasons, skipped, error, details, at, updated_at)
    select uid, import_id, upload, format, file_name, state, dry_run, replace, confirmed, counts::jsonb, taken,
           share, reasons::jsonb, skipped::jsonb, error, details::jsonb, at, updated_at
      from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bool[], $8::bool[],
                  $9::bool[], $10::text[], $11::int[], $12::float8[], $13::text[], $14::text[], $15::text[],
                  $16::text[], $17::timestamptz[], $18::timestamptz[])
           as new (uid, import_id, upload, format, file_name, state, dry_run, replace, confirmed, counts, taken,
                   share, reasons, skipped, error, details, at, updated_at)
    on conflict (uid, import_id) do update
       set state = excluded.state, confirmed = excluded.confirmed, counts = excluded.counts, share = excluded.share,
           reasons = excluded.reasons, skipped = excluded.skipped, error = excluded.error, details = excluded.details,
           updated_at = greatest(import.updated_at, excluded.updated_at)
"""

COUNT = """
    update import set taken = import.taken + new.taken, updated_at = greatest(import.updated_at, new.at)
      from unnest($1::text[], $2::text[], $3::int[], $4::timestamptz[]) as new (uid, import_id, taken, at)
     where (import.uid, import.import_id) = (new.uid, new.import_id)
    returning import.uid
"""

Of = tuple[str, str]
"""A person and an import."""

_encoder = msgspec.json.Encoder()


class ImportRow(NamedTuple):
    """A row of `import`, in the order of its columns; JSON as text."""

    uid: str
    import_id: str
    upload: str
    format: str
    file_name: str
    state: str
    dry_run: bool
    replace: bool
    confirmed: bool
    counts: str | None
    taken: int
    share: float
    reasons: str
    skipped: str
    error: str
    details: str
    at: datetime
    updated_at: datetime


async def apply_to_import(db: Db, commits: Sequence[Commit]) -> set[str]:
    """Carry each import through its events; what it brought is counted behind, for it was asked for before."""
    events = [event for commit in commits for event in commit.events if isinstance(event, ImportEvent)]
    if events:
        touched = {(event.uid, event.import_id) for event in events}
        rows = {(row["uid"], row["import_id"]): ImportRow(*row) for row in await db.fetch(LOAD, *columns(touched))}
        for event in events:
            key = event.uid, event.import_id
            if isinstance(event, ImportAsked):
                rows[key] = _asked(event)
            elif key in rows:
                rows[key] = _carried(rows[key], event)
        await db.execute(SAVE, *columns(rows.values()))
    return {imports_topic(event.uid) for event in events} | await _count(db, commits)


async def _count(db: Db, commits: Sequence[Commit]) -> set[str]:
    taken: Counter[Of] = Counter()
    latest: dict[Of, datetime] = {}
    for commit in commits:
        for event in commit.events:
            if isinstance(event, TakenIn | ListCreated) and event.source:
                taken[event.uid, event.source] += 1
                latest[event.uid, event.source] = max(commit.at, latest.get((event.uid, event.source), commit.at))
    if not taken:
        return set()
    rows = await db.fetch(COUNT, *columns((*of, count, latest[of]) for of, count in taken.items()))
    return {imports_topic(row["uid"]) for row in rows}


def _asked(event: ImportAsked) -> ImportRow:
    return ImportRow(
        uid=event.uid,
        import_id=event.import_id,
        upload=event.upload,
        format=event.format,
        file_name=event.file_name,
        state="reading",
        dry_run=event.dry_run,
        replace=event.replace,
        confirmed=False,
        counts=None,
        taken=0,
        share=0.0,
        reasons="{}",
        skipped="[]",
        error="",
        details="{}",
        at=event.at,
        updated_at=event.at,
    )


def _carried(row: ImportRow, event: Any) -> ImportRow:
    row = row._replace(updated_at=event.at)
    match event:
        case ImportPlanned():
            return row._replace(
                state=after_planning(Import(dry_run=row.dry_run, confirmed=row.confirmed), event),
                counts=_json(event.counts),
                share=event.share,
                reasons=_json(event.reasons),
                skipped=_json(event.skipped),
            )
        case ImportConfirmed():
            return row._replace(state="applying", confirmed=True)
        case ImportApplied():
            return _applied(row, event)
        case ImportFailed():
            return row._replace(state="failed", error=event.code, details=_json(event.details))
        case ImportUndone():
            return row._replace(state="undone")
        case _:
            return row


def _applied(row: ImportRow, event: ImportApplied) -> ImportRow:
    """What the rules refused goes before what the plan had passed over, so that it is told in any case."""
    reasons = Counter(msgspec.json.decode(row.reasons, type=dict[str, int])) + Counter(event.reasons)
    planned = msgspec.json.decode(row.skipped, type=list[Skipped])
    skipped = [*event.skipped, *planned][:TOLD]
    return row._replace(
        state="applied", counts=_json(event.counts), reasons=_json(dict(reasons)), skipped=_json(skipped)
    )


def _json(value: object) -> str:
    """PostgreSQL keeps no NUL, in no form."""
    return _encoder.encode(value).decode().replace("\\u0000", "")


PROJECTIONS = (Projection("import", apply_to_import),)
