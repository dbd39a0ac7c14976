"""The socket protocol as a state machine without I/O: frames in, what is to be done or answered out."""

from typing import Any, Literal, NamedTuple

import msgspec

from events.messages import Rejected, invalid
from gateway import limits
from gateway.clock import utc
from gateway.errors import EXPIRED, FLOOD, NOT_SIGNED_IN, Closing
from gateway.identity import Identity
from gateway.limits import Bucket
from gateway.line import Member
from gateway.protocol import (
    Call,
    ClientFrame,
    ClientFrames,
    Follow,
    FrameId,
    Ok,
    Send,
    SignedIn,
    SignIn,
    Time,
    Track,
    Unfollow,
    Unwatch,
    Watch,
    encode,
    refusal,
)

Effect = bytes | Closing | ClientFrame
"""A frame to write at once, a reason to close the socket, or a wish to carry out."""

_frames = msgspec.json.Decoder(ClientFrames)
_OPS = frozenset(str(frame.__struct_config__.tag) for frame in ClientFrames.__args__)


class _Envelope(msgspec.Struct):
    op: msgspec.Raw = msgspec.Raw(b"null")
    id: msgspec.Raw = msgspec.Raw(b"null")


class Rates(NamedTuple):
    """How often a socket may do what; shared by all of them."""

    frames: float = limits.CALLS_PER_SECOND
    frames_burst: float = limits.CALLS_BURST
    sends: float = limits.SENDS_PER_SECOND
    sends_burst: float = limits.SENDS_BURST


class Session:
    """What one socket has going on. Thousands are idle at a time, so containers appear only when they are needed."""

    __slots__ = (
        "_calling",
        "_calls",
        "_frames",
        "_going",
        "_held",
        "_rates",
        "_reached",
        "_refusals",
        "_sends",
        "_sign_in_by",
        "_tracks",
        "follows",
        "identity",
        "paused",
        "tracked",
        "watches",
    )

    def __init__(self, rates: Rates, now: float) -> None:
        self.identity: Identity | None = None
        self.paused = False
        """The token has expired: nothing is delivered, nothing is forgotten."""
        self.watches: dict[FrameId, Any] | None = None
        self.follows: dict[str, Member] | None = None
        self.tracked: set[str] | None = None
        self._rates = rates
        self._sign_in_by = now + limits.SIGN_IN_SECONDS
        self._going: set[FrameId] | None = None
        self._calling: dict[str, int] | None = None
        self._held: dict[str, dict[FrameId, bytes]] | None = None
        self._frames: Bucket | None = None
        self._sends: Bucket | None = None
        self._refusals = 0
        self._calls = 0
        self._tracks = 0
        self._reached: dict[str, tuple[str, float]] | None = None

    def receive(self, data: bytes, now: float) -> Effect:
        """One text frame. Whatever is wrong with it is answered, never raised."""
        ref = None
        try:
            frame = _decode(data)
            ref = frame.id
            if wait := self._too_often(now):
                raise Rejected("rate-limited", retry_after=limits.told(wait))
            self._check(frame, now)
        except Rejected as error:
            if error.code == "rate-limited":
                self._refusals += 1
                if self._refusals > limits.REFUSALS_IN_A_ROW:
                    return FLOOD
            return refusal(_id_of(data, error) if ref is None else ref, error)
        self._refusals = 0
        return frame

    def receive_binary(self) -> bytes:
        return refusal(None, Rejected("binary-frame"))

    def _too_often(self, now: float) -> float:
        rates = self._rates
        if self._frames is None:
            self._frames = Bucket(rates.frames_burst, now)
        return self._frames.take(rates.frames, rates.frames_burst, now)

    def _check(self, frame: ClientFrame, now: float) -> None:
        if isinstance(frame, Time):
            if self.identity is None:
                self._sign_in_by = now + limits.SIGN_IN_SECONDS
            return
        if not isinstance(frame, SignIn):
            self._check_identity(frame, now)
        if isinstance(frame, Unwatch):
            if self.watches is None or frame.id not in self.watches:
                raise Rejected("no-such-watch")
            return
        if self._in_use(frame.id):
            raise Rejected("id-in-use")
        self._check_room(frame, now)

    def _check_identity(self, frame: ClientFrame, now: float) -> None:
        if self.identity is None:
            raise Rejected("not-signed-in")
        gives_up = isinstance(frame, (Unwatch, Unfollow))
        if now >= self.identity.expires and not gives_up:
            raise Rejected("token-expired")

    def _in_use(self, ref: FrameId) -> bool:
        return bool(
            (self._going is not None and ref in self._going)
            or (self.watches is not None and ref in self.watches)
            or (self.follows is not None and any(follow.ref == ref for follow in self.follows.values()))
        )

    def _check_room(self, frame: ClientFrame, now: float) -> None:
        if isinstance(frame, Call):
            if self._calls >= limits.CALLS_IN_FLIGHT:
                raise Rejected("too-many-calls", limit=limits.CALLS_IN_FLIGHT)
        elif isinstance(frame, Watch):
            if self.watches is not None and len(self.watches) >= limits.WATCHES:
                raise Rejected("too-many-watches", limit=limits.WATCHES)
        elif isinstance(frame, (Follow, Track)):
            self._check_channel(frame)
            if isinstance(frame, Track) and self._tracks >= limits.TRACKS_IN_FLIGHT:
                raise Rejected("too-many-calls", limit=limits.TRACKS_IN_FLIGHT)
        elif isinstance(frame, Send):
            self._check_send(frame, now)

    def _check_channel(self, frame: Follow | Track) -> None:
        if isinstance(frame, Follow) and self.follows is not None and frame.channel in self.follows:
            raise Rejected("already-following", channel=frame.channel)
        if isinstance(frame, Track) and _size(frame.meta) > limits.META_BYTES:
            raise Rejected("data-too-large", field="meta", limit=limits.META_BYTES)
        known = {*(self.follows or ()), *(self.tracked or ())}
        if frame.channel not in known and len(known) >= limits.CHANNELS:
            raise Rejected("too-many-channels", limit=limits.CHANNELS)

    def _check_send(self, frame: Send, now: float) -> None:
        if _size(frame.data) > limits.SEND_BYTES:
            raise Rejected("data-too-large", field="data", limit=limits.SEND_BYTES)
        rates = self._rates
        if self._sends is None:
            self._sends = Bucket(rates.sends_burst, now)
        if wait := self._sends.take(rates.sends, rates.sends_burst, now):
            raise Rejected("rate-limited", retry_after=limits.told(wait))

    def signed_in(self, frame: SignIn, identity: Identity) -> bytes:
        """The answer to a good token. Raise `Rejected` if the socket is somebody else's."""
        if self.identity is not None and self.identity.uid != identity.uid:
            raise Rejected("other-user")
        self.identity = identity
        self.paused = False
        return encode(SignedIn(id=frame.id, user=identity.uid, expires=utc(identity.expires)))

    def tick(self, now: float) -> Closing | Literal["pause"] | None:
        """What the passing of time asks for: to close the socket, or to stop delivering until a fresh token comes."""
        if self.identity is None:
            return NOT_SIGNED_IN if now >= self._sign_in_by else None
        if now < self.identity.expires:
            return None
        if now >= self.identity.expires + limits.EXPIRED_SECONDS:
            return EXPIRED
        if self.paused:
            return None
        self.paused = True
        return "pause"

    @property
    def busy(self) -> bool:
        """Whether the client waits for the answer to a call."""
        return self._calls > 0

    def begin(self, ref: FrameId) -> None:
        """Something that will be answered later is under way."""
        if self._going is None:
            self._going = set()
        self._going.add(ref)

    def finish(self, ref: FrameId) -> None:
        if self._going is not None:
            self._going.discard(ref)

    def begin_track(self, ref: FrameId) -> None:
        """A presence is being put. These have no rate of their own, so they are counted as calls are."""
        self.begin(ref)
        self._tracks += 1

    def finish_track(self, ref: FrameId) -> None:
        self.finish(ref)
        self._tracks -= 1

    def begin_call(self, ref: FrameId, context: str, is_command: bool) -> None:
        """A call is under way. Values of a command's context wait behind its answer, which they must not overtake."""
        self.begin(ref)
        self._calls += 1
        if is_command:
            if self._calling is None:
                self._calling = {}
            self._calling[context] = self._calling.get(context, 0) + 1

    def finish_call(self, ref: FrameId, context: str, is_command: bool) -> bytes:
        """The values that waited for it, to be written behind its answer."""
        self.finish(ref)
        self._calls -= 1
        if not is_command:
            return b""
        assert self._calling is not None
        left = self._calling[context] - 1
        if left:
            self._calling[context] = left
            return b""
        del self._calling[context]
        return self.release(context)

    def reached(self, context: str, position: str, now: float) -> None:
        """A command of this socket was answered with *position*."""
        if self._reached is None:
            self._reached = {}
        self._reached[context] = position, now

    def after(self, context: str, now: float) -> str | None:
        """Where what this socket itself just did is visible: whoever opens a party may follow it at once."""
        position, at = (self._reached or {}).get(context, ("", 0.0))
        return position if now - at < limits.OWN_WRITES_SECONDS else None

    def value(self, ref: FrameId, context: str, frame: bytes) -> bytes | None:
        """The frame, if it may be written now; the newest one per watch is kept while a command is under way."""
        if self._calling is None or context not in self._calling:
            return frame
        if self._held is None:
            self._held = {}
        self._held.setdefault(context, {})[ref] = frame
        return None

    def holds(self, context: str) -> bool:
        return self._held is not None and context in self._held

    def release(self, context: str) -> bytes:
        """Everything that was held back for *context*."""
        return b"".join(self._held.pop(context, {}).values()) if self._held else b""

    def unwatch(self, ref: FrameId) -> Any:
        """Forget the watch and what was held back for it."""
        assert self.watches is not None
        for held in (self._held or {}).values():
            held.pop(ref, None)
        return self.watches.pop(ref)


def ok(ref: FrameId) -> bytes:
    return encode(Ok(id=ref))


def _decode(data: bytes) -> ClientFrame:
    if len(data) > limits.FRAME_BYTES:
        raise Rejected("frame-too-large", limit=limits.FRAME_BYTES)
    try:
        data.decode()
        frame: ClientFrame = _frames.decode(data)
        return frame
    except UnicodeDecodeError as error:
        raise Rejected("invalid-utf8", reason=f"byte {error.start}: {error.reason}") from error
    except msgspec.ValidationError as error:
        op = _part(data, "op", str)
        if op is not None and op not in _OPS:
            raise Rejected("unknown-op", op=op[: limits.TEXT_CHARS]) from error
        raise invalid("invalid-frame", error) from error
    except msgspec.DecodeError as error:
        raise Rejected("invalid-json", reason=str(error)) from error
    except RecursionError as error:
        raise Rejected("invalid-json", reason="nested too deeply") from error


def _id_of(data: bytes, error: Rejected) -> FrameId | None:
    """The id of a frame that is wrong in another way; none if the frame itself could not be read."""
    if error.code not in ("invalid-frame", "unknown-op"):
        return None
    ref: FrameId | None = _part(data, "id", FrameId)
    return ref


def _part(data: bytes, name: str, kind: Any) -> Any:
    try:
        envelope = msgspec.json.decode(data, type=_Envelope)
        return msgspec.json.decode(getattr(envelope, name), type=kind)
    except (ValueError, RecursionError):
        return None


def _size(raw: msgspec.Raw) -> int:
    return memoryview(raw).nbytes
