"""What people can ask about their own erasure."""

from collections.abc import Mapping

import msgspec

from events.contracts.library import ErasureView, ShowErasure
from events.definition import Answering
from events.messages import Context, Query
from events.projection import Db

MINE = "select whom, erasure, by, asked_at, done_at, services from erasure where whom = $1"


async def show(db: Db, query: ShowErasure, context: Context) -> ErasureView | None:
    row = await db.fetchrow(MINE, context.actor)
    if row is None:
        return None
    return ErasureView(
        uid=row["whom"],
        erasure=row["erasure"],
        by=row["by"],
        asked_at=row["asked_at"],
        done_at=row["done_at"],
        services=msgspec.json.decode(row["services"]),
    )


QUERIES: Mapping[type[Query], Answering] = {ShowErasure: show}
