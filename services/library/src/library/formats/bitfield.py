"""Stremio's watched bitfield: which videos of a series were watched, in the order of all its videos.

Written `anchor:length:payload`, where the anchor is the id of a video, `length` its index plus one when this was
written, and the payload base64 of zlib of the bits, least significant first. The order is that of all videos, by
season, episode and release date, specials (season 0) before everything else.

With the series' videos all of it can be read. Without them the anchor alone tells, as far as episodes are numbered
without gaps: in its season the episodes from 1 up to it stand right before it; in season 1 nothing but specials stands
before those. Whatever lies elsewhere stays unknown: it is told as such, never guessed.
"""

import base64
import zlib
from collections.abc import Sequence
from typing import NamedTuple

from events.contracts.library import Season, works

MOST_BYTES = 16 * 1024
"""Unpacked: 131,072 videos."""
MOST_VIDEOS = MOST_BYTES * 8


class BadBitfield(Exception):
    """It cannot be read: a slug says why."""


class Bitfield(NamedTuple):
    """The bits and where they are anchored."""

    anchor: str
    length: int
    bits: bytes

    def __bool__(self) -> bool:
        return any(self.bits)

    def is_set(self, index: int) -> bool:
        return 0 <= index < len(self.bits) * 8 and bool(self.bits[index // 8] >> (index % 8) & 1)

    def total(self) -> int:
        return sum(byte.bit_count() for byte in self.bits)


class Watched(NamedTuple):
    """Slots that were watched for certain, and how many more there are of which nobody can tell which."""

    slots: tuple[str, ...]
    unknown: int


def parse(text: str) -> Bitfield:
    """Raise `BadBitfield` for what is none, or too large: never more than `MOST_BYTES` are unpacked."""
    anchor, _, payload = text.rpartition(":")
    anchor, _, length = anchor.rpartition(":")
    if not anchor or not length.isascii() or not length.isdigit() or len(length) > 6:
        raise BadBitfield("bitfield-invalid")
    unpacking = zlib.decompressobj()
    try:
        packed = base64.b64decode(payload, validate=True)
        bits = unpacking.decompress(packed, MOST_BYTES + 1)
    except (ValueError, zlib.error):
        raise BadBitfield("bitfield-invalid") from None
    if len(bits) > MOST_BYTES or int(length) > MOST_VIDEOS:
        raise BadBitfield("bitfield-too-large")
    if not unpacking.eof:
        raise BadBitfield("bitfield-invalid")
    return Bitfield(anchor, int(length), bits)


def by_videos(field: Bitfield, videos: Sequence[tuple[str, str]]) -> Watched:
    """By all videos of the series in their order, as (id, slot). An anchor that is not among them says nothing."""
    index = next((n for n, (id, _) in enumerate(videos) if id == field.anchor), None)
    if index is None:
        return Watched((), field.total())
    shift = field.length - index - 1
    slots = tuple(slot for n, (_, slot) in enumerate(videos) if slot and field.is_set(n + shift))
    return Watched(slots, field.total() - len(slots))


def by_seasons(field: Bitfield, seasons: Sequence[Season]) -> Watched:
    """By the episodes that are known to exist; where these do not fit the anchor, by the anchor alone."""
    slots = sorted({(s.season, e) for s in seasons for e in s.episodes})
    place = works.parse(field.anchor).episode
    if place is None or (place.season, place.episode) not in slots:
        return by_anchor(field)
    return by_videos(
        field,
        [(field.anchor if at == (place.season, place.episode) else "", f"{at[0]}-{at[1]}") for at in slots],
    )


def by_anchor(field: Bitfield) -> Watched:
    """By nothing but the anchor's own season and episode."""
    place = works.parse(field.anchor).episode
    if place is None or place.episode > field.length:
        return Watched((), field.total())
    first = field.length - place.episode
    slots = [f"{place.season}-{n + 1}" for n in range(place.episode) if field.is_set(first + n)]
    return Watched(tuple(slots), field.total() - len(slots))
