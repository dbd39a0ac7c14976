"""Page cursors: where a page ended, as an opaque text that the client hands back to get the next one."""

import base64
from datetime import UTC, datetime, timedelta
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta

from events.messages import Rejected

T = TypeVar("T")

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LAST = 253_402_300_799_999_999
"""The last microsecond of the year 9999, after everything."""

Instant = Annotated[int, Meta(ge=0, le=LAST)]
"""Microseconds since 1970: exact, and within what Python and PostgreSQL can hold whatever a client makes of it."""


def instant(at: datetime) -> int:
    return (at - EPOCH) // timedelta(microseconds=1)


def moment(instant: int) -> datetime:
    return EPOCH + timedelta(microseconds=instant)


def write(place: object) -> str:
    """The cursor of a place: any value that JSON can hold."""
    return base64.urlsafe_b64encode(msgspec.json.encode(place)).decode().rstrip("=")


def read(cursor: str, kind: type[T]) -> T:
    """The place of a cursor; raise `Rejected("bad-cursor")` for what was never written for this *kind*."""
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        return msgspec.json.decode(base64.b64decode(padded, altchars=b"-_", validate=True), type=kind)
    except (ValueError, msgspec.DecodeError, RecursionError):
        raise Rejected("bad-cursor") from None
