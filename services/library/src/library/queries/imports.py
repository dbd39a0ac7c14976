"""What people can ask about their imports."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from events import cursor
from events.contracts.library import Counts, ImportReport, Imports, ImportsPage, ImportView, Skipped
from events.cursor import LAST, Instant
from events.definition import Answering
from events.messages import Context, Id, Query, Rejected
from events.projection import Db
from library.queries import common

PAGE = """
    select * from import where uid = $1 and (at, import_id) < ($2, $3) order by at desc, import_id desc limit $4
"""

ONE = "select * from import where uid = $1 and import_id = $2"


class Place(NamedTuple):
    """A place in the order of when they were asked for."""

    at: Instant
    import_id: Id


LATEST = Place(LAST, "")


async def imports(db: Db, query: Imports, context: Context) -> ImportsPage:
    after = common.after(query.cursor, LATEST)
    rows = await db.fetch(PAGE, context.actor, cursor.moment(after.at), after.import_id, query.limit + 1)
    page, more = common.page(rows, query.limit, lambda row: Place(cursor.instant(row["at"]), row["import_id"]))
    return ImportsPage([_view(row) for row in page], more)


async def import_report(db: Db, query: ImportReport, context: Context) -> ImportView:
    row = await db.fetchrow(ONE, context.actor, query.import_id)
    if row is None:
        raise Rejected("no-such-import", import_id=query.import_id)
    skipped = msgspec.json.decode(row["skipped"], type=list[Skipped])
    return msgspec.structs.replace(_view(row), skipped=skipped)


def _view(row: Any) -> ImportView:
    return ImportView(
        import_id=row["import_id"],
        format=row["format"],
        file_name=row["file_name"],
        state=row["state"],
        dry_run=row["dry_run"],
        replace=row["replace"],
        counts=msgspec.json.decode(row["counts"], type=Counts) if row["counts"] else None,
        taken=row["taken"],
        share=row["share"],
        reasons=msgspec.json.decode(row["reasons"]),
        skipped=[],
        error=row["error"],
        details=msgspec.json.decode(row["details"]),
        at=row["at"],
        updated_at=row["updated_at"],
    )


QUERIES: Mapping[type[Query], Answering] = {Imports: imports, ImportReport: import_report}
