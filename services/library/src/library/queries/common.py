"""What the questions about titles share: under which id a title is shown, pages, and the shapes of their rows."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import accumulate
from typing import Annotated, Any, NamedTuple, TypeVar

import msgspec
from msgspec import Meta

from events import cursor
from events.contracts.library import Details, Kind, works
from events.cursor import LAST, Instant
from events.messages import NO_NUL, Context, Rejected
from events.projection import Db

P = TypeVar("P", bound=tuple[Any, ...])

PAGE_BYTES = 512 * 1024
"""Of what titles are, as apps have told it, in one answer."""

SHOWN = "select shown_as from joined where uid = $1 and work = $2"

_details = msgspec.json.Decoder(Details)


Column = Annotated[int, Meta(ge=-1, le=100_000)]
"""Of a season or an episode, -1 for a film."""


class Place(NamedTuple):
    """A place in an order by time, latest first."""

    at: Instant
    work: Annotated[str, Meta(max_length=128, pattern=NO_NUL)]


LATEST = Place(LAST, "")


async def shown(db: Db, context: Context, work: str, kind: Kind | None = None) -> works.Named:
    """What *work*, in any form of any of a title's ids, names: the id that it is shown under, and maybe an episode."""
    named = works.parse(work, kind)
    joined: str | None = await db.fetchval(SHOWN, context.actor, named.work)
    return named if joined is None else named._replace(work=joined)


def past(field: str, at: datetime) -> datetime:
    """A time that somebody asks about; raise `Rejected` for one that the database could not compare."""
    try:
        if at.tzinfo is not None:
            return at.astimezone(UTC)
    except OverflowError:
        pass
    raise Rejected("invalid-argument", field=field, reason="a time needs its offset from UTC, say a Z at the end")


def after(written: str | None, first: P) -> P:
    """Where a page begins: behind its cursor, or *first*."""
    return first if written is None else cursor.read(written, type(first))


def page(rows: Sequence[Any], limit: int, place: Any) -> tuple[Sequence[Any], str | None]:
    """Of *rows*, of which one more was asked for than fits, those of the page, and the cursor of the next. *place*
    says where a row stands."""
    room = fitting(len((row.get("details") or "").encode()) for row in rows[:limit])
    if len(rows) <= room:
        return rows, None
    return rows[:room], cursor.write(place(rows[room - 1]))


def fitting(sizes: Iterable[int]) -> int:
    """How many rows with details of these sizes an answer can carry: one at least, however large."""
    total = accumulate(sizes)
    return sum(1 for nth, size in enumerate(total) if nth == 0 or size <= PAGE_BYTES)


def details(written: str | None) -> Details | None:
    return None if written is None else _details.decode(written)


def percent(seconds: float, duration: float | None) -> float | None:
    return None if duration is None else min(100.0, round(100 * seconds / duration, 1))


def moment(place: Place) -> datetime:
    return cursor.moment(place.at)
