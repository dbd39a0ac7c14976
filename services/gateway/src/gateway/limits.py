"""Every bound of the gateway in one place, with what happens at it; the README's table is made from `TABLE`."""

import math
from collections import Counter, OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from events.contracts.library import COLLECTION_BYTES, INSTALLATION_BYTES, UPLOAD_BYTES
from events.messages import Rejected

FRAME_BYTES = 64 * 1024
FRAME_BYTES_HARD = 256 * 1024
BODY_BYTES = 64 * 1024
TEXT_CHARS = 128
TOKEN_CHARS = 16 * 1024

SOCKETS = 20_000
CALLS_IN_FLIGHT = 64
TRACKS_IN_FLIGHT = 64
WATCHES = 100
STREAMS = 20
EXPORTS = 2
UPLOADS = 2
SLOW_UPLOAD_SECONDS = 30.0
CHANNELS = 50
CALLS_PER_SECOND = 500.0
CALLS_BURST = 1000.0
COMMANDS_PER_SECOND = 20.0
COMMANDS_BURST = 3.0
"""Times as many at once as in a second."""
REFUSALS_IN_A_ROW = 1000

SIGN_IN_SECONDS = 10.0
EXPIRED_SECONDS = 600.0
PING_SECONDS = 25.0
SILENT_SECONDS = 60.0
SLOW_READER_BYTES = 1024 * 1024
SLOW_STREAM_SECONDS = 15.0
DRAIN_SECONDS = 4.0
CLEANUP_SECONDS = 0.5

CALL_SECONDS = 5.0
ATTEMPT_SECONDS = 1.5
"""Then a request is sent again under the same id: whoever had it may have died with it."""
RETRY_SECONDS = 3.0
RERUN_SECONDS = 2.0
HOLD_SECONDS = 0.25
OWN_WRITES_SECONDS = 5.0

EVENT_NAME_CHARS = 64
SEND_BYTES = 16 * 1024
SENDS_PER_SECOND = 50.0
SENDS_BURST = 100.0
RIGHT_SECONDS = 5.0
REPORT_RIGHT_SECONDS = 60.0
LIVE_SECONDS = 0.5

META_BYTES = 2 * 1024
REPORTERS = 50_000
SEEN = 5_000
BATCH_BYTES = 256 * 1024

ROSTER_PEOPLE = 1000
ROSTER_BYTES = 512 * 1024
PRESENCE_SECONDS = 0.1
CROWD_SECONDS = 0.1
CROWD = 200
HANDFUL = 10
COUNT_SECONDS = 1.0
LEASE_SECONDS = 3.0
LEASE_DEAD_SECONDS = 10.0

COMMITS_HELD = 1000
RUNS_AT_ONCE = 32
GRANTS_AT_ONCE = 32

GUESTS_PER_SECOND = 5.0
GUESTS_BURST = 300.0
GUEST_NAME_CHARS = 64
PICTURE_CHARS = 2_000
EMAIL_CHARS = 320
SIGN_INS_KEPT = 50_000
SIGN_INS_WAITING = 10_000
SIGN_INS_AT_ONCE = 8
ADDRESSES = 10_000
JWKS_BYTES = 256 * 1024
JWKS_SECONDS = 5.0


class Row(NamedTuple):
    """One bound, as a reader of the README wants it."""

    what: str
    bound: str
    then: str


def _size(count: int) -> str:
    return f"{count // 1024 // 1024} MiB" if count >= 1024 * 1024 else f"{count // 1024} KiB"


TABLE: tuple[Row, ...] = (
    Row("Frame from a client", _size(FRAME_BYTES), f"`frame-too-large`; over {_size(FRAME_BYTES_HARD)} close 1009"),
    Row("Body of an HTTP request", _size(BODY_BYTES), "413 `body-too-large`"),
    Row("Body with an addon and its manifest", _size(INSTALLATION_BYTES), "413 `body-too-large`"),
    Row("Body with an addon collection", _size(COLLECTION_BYTES), "413 `body-too-large`"),
    Row("Frame id, channel id, key", f"{TEXT_CHARS} characters", "`invalid-frame` or `invalid-argument`"),
    Row("Sockets and event streams per gateway", f"{SOCKETS:,}", "503 `too-many-sockets` (`MATINEE_MAX_SOCKETS`)"),
    Row("Calls in flight per socket", str(CALLS_IN_FLIGHT), "`too-many-calls`"),
    Row("`track` in flight per socket", str(TRACKS_IN_FLIGHT), "`too-many-calls`"),
    Row("Watches per socket", str(WATCHES), "`too-many-watches`"),
    Row("Event streams per person and gateway", str(STREAMS), "429 `too-many-watches`"),
    Row("Exports at once per person and gateway", str(EXPORTS), "429 `rate-limited`"),
    Row("A file to be taken in", _size(UPLOAD_BYTES), "413 `body-too-large`"),
    Row("Files sent at once per person and gateway", str(UPLOADS), "429 `rate-limited`"),
    Row("Wait for more of a file", f"{SLOW_UPLOAD_SECONDS:.0f} s", "400 `bad-request`"),
    Row("Channels per socket", str(CHANNELS), "`too-many-channels`"),
    Row(
        "Frames per socket, calls per person over HTTP",
        f"{CALLS_PER_SECOND:.0f} a second, {CALLS_BURST:,.0f} at once",
        f"`rate-limited`; {REFUSALS_IN_A_ROW:,} refusals in a row close 4429 (`MATINEE_CALLS_PER_SECOND`)",
    ),
    Row(
        "Commands of one person per gateway",
        f"{COMMANDS_PER_SECOND:.0f} a second, {COMMANDS_PER_SECOND * COMMANDS_BURST:.0f} at once",
        f"`rate-limited` with `retry_after`; the {ADDRESSES:,} people heard last are remembered "
        "(`MATINEE_COMMANDS_PER_SECOND`)",
    ),
    Row("Time to sign in on a socket", f"{SIGN_IN_SECONDS:.0f} s since it opened or last asked the time", "close 4401"),
    Row("Expired token on an open socket", f"{EXPIRED_SECONDS / 60:.0f} min", "close 4402"),
    Row("Silence of a socket", f"{SILENT_SECONDS:.0f} s (a ping every {PING_SECONDS:.0f} s)", "close 4408"),
    Row("Bytes that wait for a slow reader", _size(SLOW_READER_BYTES), "close 4409 (`MATINEE_SLOW_READER_BYTES`)"),
    Row(
        "Wait for the reader of an event stream",
        f"{SLOW_STREAM_SECONDS:.0f} s; what changes meanwhile is sent once, as the newest value",
        "it is cut off",
    ),
    Row("Time for a call", f"{CALL_SECONDS:.0f} s", "`timeout`; the same key may be sent again"),
    Row("Wait for a service that is away", f"{RETRY_SECONDS:.0f} s", "`unavailable`; nothing was carried out"),
    Row("A value held back behind a command's answer", f"{HOLD_SECONDS * 1000:.0f} ms", "it is sent"),
    Row("Data of a broadcast", _size(SEND_BYTES), "`data-too-large`"),
    Row(
        "Broadcasts per socket",
        f"{SENDS_PER_SECOND:.0f} a second, {SENDS_BURST:.0f} at once",
        "`rate-limited` with `retry_after` (`MATINEE_SENDS_PER_SECOND`)",
    ),
    Row("Meta of a presence", _size(META_BYTES), "`data-too-large`"),
    Row(
        "People present per channel and gateway, when they are listed",
        f"{ROSTER_PEOPLE:,} people, {_size(ROSTER_BYTES)}",
        "`presence-full`",
    ),
    Row("Reports of one person about one channel", "one a second", "a newer one replaces it"),
    Row("People who report within one second, per gateway", f"{REPORTERS:,}", "`rate-limited` with `retry_after`"),
    Row("Followers of a channel named to its service, per gateway", f"{SEEN:,}", "the others count once they report"),
    Row(
        "Wait of what many may hear a moment later, say `party.joined`",
        f"none up to {HANDFUL} followers, {CROWD_SECONDS * 1000:.0f} ms from {CROWD} on, evenly between them",
        "it is told together with what came meanwhile",
    ),
    Row("Commits of a channel held while a gap is mended", f"{COMMITS_HELD:,}", "everybody starts from a fresh state"),
    Row("Queries re-run at once per gateway", str(RUNS_AT_ONCE), "the others wait their turn"),
    Row(
        "Guest tokens per address",
        f"{GUESTS_PER_SECOND:.0f} a second, {GUESTS_BURST:.0f} at once",
        f"429 `rate-limited`; the {ADDRESSES:,} addresses heard last are remembered",
    ),
    Row(
        "Tokens whose claims the library was told, per gateway",
        f"{SIGN_INS_KEPT:,}; {SIGN_INS_WAITING:,} wait, {SIGN_INS_AT_ONCE} at once",
        "it is told again; silence if they are the same",
    ),
    Row("An issuer's key set", f"{_size(JWKS_BYTES)}, {JWKS_SECONDS:.0f} s", "the last good one is used"),
)


def told(seconds: float) -> float:
    """A time to wait as a client reads it: to the millisecond, never too short and never none."""
    return math.ceil(seconds * 1000) / 1000


class Bucket:
    """A token bucket: *rate* per second, *burst* at once. Slots only, because every socket may own some."""

    __slots__ = ("_at", "_level")

    def __init__(self, burst: float, now: float) -> None:
        self._level = burst
        self._at = now

    def take(self, rate: float, burst: float, now: float) -> float:
        """Take one token and return 0, or return the seconds until there is one."""
        self._level = min(burst, self._level + (now - self._at) * rate)
        self._at = now
        if self._level >= 1:
            self._level -= 1
            return 0.0
        return (1 - self._level) / rate


class Seats:
    """So many of something at once, counted by name."""

    def __init__(self, limit: int, code: str) -> None:
        """*code* is what one too many is refused with."""
        self._limit = limit
        self._code = code
        self._taken: Counter[str] = Counter()

    @contextmanager
    def take(self, name: str = "") -> Iterator[None]:
        if self._taken[name] >= self._limit:
            raise Rejected(self._code, limit=self._limit)
        self._taken[name] += 1
        try:
            yield
        finally:
            self._taken[name] -= 1
            if not self._taken[name]:
                del self._taken[name]


class Buckets:
    """Token buckets by name, for as many names as are remembered; who was forgotten starts with a full one."""

    def __init__(self, rate: float, burst: float) -> None:
        """A *rate* of 0 is none: nothing is refused, and nobody remembered."""
        self._rate = rate
        self._burst = burst
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    def take(self, name: str, now: float) -> None:
        """Raise `rate-limited` when the bucket is empty."""
        if not self._rate:
            return
        bucket = self._buckets.get(name)
        if bucket is None:
            bucket = self._buckets[name] = Bucket(self._burst, now)
            if len(self._buckets) > ADDRESSES:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(name)
        if wait := bucket.take(self._rate, self._burst, now):
            raise Rejected("rate-limited", retry_after=told(wait))
