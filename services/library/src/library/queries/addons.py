"""Questions about addons: a person's own, as a list and as a Stremio collection, and about any manifest."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, NamedTuple

from msgspec import Meta, Raw

from events import cursor
from events.contracts.library import (
    ADDONS,
    AddonFlags,
    Addons,
    AddonsPage,
    AddonView,
    CollectedAddon,
    Collection,
    ExportAddons,
    Lint,
    LintManifest,
)
from events.definition import Answering
from events.messages import NO_NUL, Context, Query
from events.projection import Db
from library.manifest import examined

PAGE_BYTES = 512 * 1024
"""Of URLs and manifests; a page has at least one addon, however large."""

# The budget is checked against what comes before a row, so that each page gets on.
FETCH = f"""
    select * from (
        select addon_id, transport_url, manifest, warnings, official, protected, place, installed_at, updated_at,
               count(*) over () as left_over, row_number() over in_order as nth,
               sum(octet_length(manifest) + octet_length(transport_url)) over in_order as bytes
          from addon
         where uid = $1 and (place, addon_id) > ($2, $3)
        window in_order as (order by place, addon_id)) as rest
     where nth <= $4 and (nth = 1 or bytes <= {PAGE_BYTES})
     order by place, addon_id
"""

Text = Annotated[str, Meta(max_length=500, pattern=NO_NUL)]


class Place(NamedTuple):
    """A place in the order of addons."""

    place: Text
    addon_id: Text


FIRST = Place("", "")


async def addons(db: Db, query: Addons, context: Context) -> AddonsPage:
    rows, following = await _page(db, context.actor, query.limit, query.cursor)
    return AddonsPage([_view(row) for row in rows], following)


async def addon_collection(db: Db, query: ExportAddons, context: Context) -> Collection:
    rows, following = await _page(db, context.actor, ADDONS, query.cursor)
    return Collection([_collected(row) for row in rows], following)


async def lint_manifest(db: Db, query: LintManifest, context: Context) -> Lint:
    return examined(bytes(query.manifest))


async def _page(db: Db, uid: str, limit: int, written: str | None) -> tuple[Sequence[Any], str | None]:
    after = FIRST if written is None else cursor.read(written, Place)
    rows = await db.fetch(FETCH, uid, after.place, after.addon_id, limit)
    if not rows or len(rows) == rows[0]["left_over"]:
        return rows, None
    return rows, cursor.write(Place(rows[-1]["place"], rows[-1]["addon_id"]))


def _view(row: Any) -> AddonView:
    return AddonView(
        addon_id=row["addon_id"],
        transport_url=row["transport_url"],
        manifest=Raw(row["manifest"].encode()),
        flags=AddonFlags(official=row["official"], protected=row["protected"]),
        order=row["place"],
        warnings=row["warnings"],
        installed_at=row["installed_at"],
        updated_at=row["updated_at"],
    )


def _collected(row: Any) -> CollectedAddon:
    return CollectedAddon(
        transport_url=row["transport_url"],
        transport_name="http",
        manifest=Raw(row["manifest"].encode()),
        flags=AddonFlags(official=row["official"], protected=row["protected"]),
    )


QUERIES: Mapping[type[Query], Answering] = {
    Addons: addons,
    ExportAddons: addon_collection,
    LintManifest: lint_manifest,
}
