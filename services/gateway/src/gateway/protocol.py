"""Everything that is said over a socket, both ways, as data; AsyncAPI and the session are both made from this."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Raw, Struct

from events.messages import NO_NUL, Rejected
from gateway import frames, limits
from gateway.errors import ErrorBody, body

SUBPROTOCOL = "matinee.v1"

FrameId = Annotated[int, Meta(ge=0, le=2**53 - 1)] | Annotated[str, Meta(min_length=1, max_length=limits.TEXT_CHARS)]
"""Chosen by the client, unique among what it has going on."""
Name = Annotated[str, Meta(min_length=1, max_length=limits.TEXT_CHARS)]
ChannelName = Annotated[str, Meta(min_length=1, max_length=2 * limits.TEXT_CHARS, pattern=NO_NUL)]
IdempotencyKey = Annotated[str, Meta(min_length=1, max_length=limits.TEXT_CHARS)]
PositionText = Annotated[str, Meta(max_length=limits.TEXT_CHARS)]


def _object() -> Raw:
    # A factory, because JSON Schema cannot show a raw default.
    return Raw(b"{}")


def _null() -> Raw:
    return Raw(b"null")


class ClientFrame(Struct, frozen=True, kw_only=True, tag_field="op", forbid_unknown_fields=True):
    """What a client may send."""

    id: FrameId


class SignIn(ClientFrame, frozen=True, tag="auth"):
    """Sign in, or refresh the token; answered by `ok` with the user and the token's end."""

    token: Annotated[str, Meta(max_length=limits.TOKEN_CHARS)]


class Call(ClientFrame, frozen=True, tag="call"):
    """Carry out a command or answer a query; answered by `result`."""

    fn: Name
    args: Raw = msgspec.field(default_factory=_object)
    key: IdempotencyKey | None = None
    """The same key makes a repeated command take effect once."""
    after: PositionText | None = None
    """For a query: answer only when this position is visible."""


class Watch(ClientFrame, frozen=True, tag="watch"):
    """A live query: `value` now and after each change, until `unwatch`."""

    fn: Name
    args: Raw = msgspec.field(default_factory=_object)


class Unwatch(ClientFrame, frozen=True, tag="unwatch"):
    """End the watch that has this id; answered by `ok`."""


class Follow(ClientFrame, frozen=True, tag="follow"):
    """Follow a channel, from where it is or from a position; answered by `followed`, then events."""

    channel: ChannelName
    since: PositionText | None = None


class Unfollow(ClientFrame, frozen=True, tag="unfollow"):
    """Stop following and being present; answered by `ok`."""

    channel: ChannelName


class Track(ClientFrame, frozen=True, tag="track"):
    """Be present on a channel with this meta; null ends it. Answered by `ok`."""

    channel: ChannelName
    meta: Raw = msgspec.field(default_factory=_object)


class Send(ClientFrame, frozen=True, tag="send"):
    """Tell everybody on the channel, storing nothing; answered by `ok`."""

    channel: ChannelName
    event: Annotated[str, Meta(min_length=1, max_length=limits.EVENT_NAME_CHARS)]
    data: Raw = msgspec.field(default_factory=_null)
    to_self: bool = msgspec.field(default=False, name="self")
    """Whether this socket gets the message too."""


class Time(ClientFrame, frozen=True, tag="time"):
    """Ask the server's time; answered by `time`. Works before signing in."""

    t0: int | float | None = None


ClientFrames = SignIn | Call | Watch | Unwatch | Follow | Unfollow | Track | Send | Time


class ServerFrame(Struct, frozen=True, kw_only=True, tag_field="op"):
    """What the server sends."""


class Hello(ServerFrame, frozen=True, tag="hello"):
    """The first frame. Positions seen under another epoch cannot be resumed from."""

    protocol: str
    limits: Mapping[str, float]
    epoch: str


class Ok(ServerFrame, frozen=True, tag="ok"):
    """Done."""

    id: FrameId


class SignedIn(ServerFrame, frozen=True, tag="ok"):
    """Signed in as `user` until `expires`."""

    id: FrameId
    user: str
    expires: datetime


class Result(ServerFrame, frozen=True, tag="result"):
    """The answer to a call. Of a report `position` is null: it leaves nothing that could be read after it."""

    id: FrameId
    value: Raw
    position: str | None


class Value(ServerFrame, frozen=True, tag="value"):
    """The value of a watch, now and after each change."""

    id: FrameId
    value: Raw
    position: str


class Followed(ServerFrame, frozen=True, tag="followed", omit_defaults=True):
    """The channel is followed; what comes next continues from `position`.

    It comes again with the same id when following had to start anew (an expired token was refreshed, a gap could not be
    mended): `recovered` then says whether the events between are complete.
    """

    id: FrameId
    channel: str
    position: str
    recovered: bool
    state: Raw
    state_position: str
    """Where `state` is true; after `position` when events that are already in the state follow."""
    present: Raw


class EventFrame(ServerFrame, frozen=True, tag="event"):
    """Something happened on a followed channel."""

    channel: str
    type: str
    data: Mapping[str, Any]
    position: str
    at: datetime


class Presence(ServerFrame, frozen=True, tag="presence"):
    """Who came, changed or went on a followed channel, by uid."""

    channel: str
    joined: Mapping[str, Raw]
    updated: Mapping[str, Raw]
    left: tuple[str, ...]


class PresenceCount(ServerFrame, frozen=True, tag="presence"):
    """How many are present on a followed channel that only counts them."""

    channel: str
    count: int


class Message(ServerFrame, frozen=True, tag="message"):
    """Somebody's broadcast on a followed channel."""

    channel: str
    event: str
    sender: str = msgspec.field(name="from")
    data: Raw


class EndedFrame(ServerFrame, frozen=True, tag="ended"):
    """The right to follow ended; the channel is no longer followed."""

    channel: str
    reason: str


class TimeAnswer(ServerFrame, frozen=True, tag="time"):
    """Server time in milliseconds: `t1` when the question was received, `t2` when this was sent."""

    id: FrameId
    t0: int | float | None
    t1: float
    t2: float


class Error(ServerFrame, frozen=True, tag="error"):
    """What went wrong with the frame that had this id."""

    id: FrameId
    error: ErrorBody


class ErrorWithoutId(ServerFrame, frozen=True, tag="error"):
    """What went wrong with a frame that could not be read."""

    error: ErrorBody


CLIENT_FRAMES: tuple[type[ClientFrame], ...] = (SignIn, Call, Watch, Unwatch, Follow, Unfollow, Track, Send, Time)
SERVER_FRAMES: tuple[type[ServerFrame], ...] = (
    Hello, Ok, SignedIn, Result, Value, Followed, EventFrame, Presence, PresenceCount, Message, EndedFrame, TimeAnswer,
    Error, ErrorWithoutId,
)  # fmt: skip

_encoder = msgspec.json.Encoder()


def encode(frame: ServerFrame) -> bytes:
    """As one complete WebSocket frame."""
    return frames.text(_encoder.encode(frame))


def refusal(ref: FrameId | None, error: Rejected) -> bytes:
    """An error frame; without an id when the frame itself could not be read."""
    told = body(error)
    return encode(ErrorWithoutId(error=told) if ref is None else Error(id=ref, error=told))


def value_tail(value: bytes | Raw, position: str) -> bytes:
    """The end of a `value` frame, the same for everybody who watches; `value_frame` puts an id before it."""
    return b"".join((b',"value":', value, b',"position":', _encoder.encode(position), b"}"))


def value_frame(ref: FrameId, tail: bytes) -> bytes:
    """A `value` frame: encoding is done, so that each watcher costs one join."""
    start = b'{"op":"value","id":' + _encoder.encode(ref)
    return b"".join((frames.head(len(start) + len(tail)), start, tail))
