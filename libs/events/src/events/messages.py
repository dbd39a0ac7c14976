"""The words that every room shares: commands, queries, events, and the context in which they are carried out."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, TypeVar

import msgspec
from msgspec import Meta, Raw, Struct

T = TypeVar("T")

CONTEXT = "Matinee-Context"
"""Header of a request: the `Context`, as JSON."""
AFTER = "Matinee-After"
"""Header of a query: the position that its answer has to show."""
POSITION = "Matinee-Position"
"""Header of an answer over HTTP."""
VERSIONS = "Matinee-Versions"
COMMAND = "Matinee-Command"
AT = "Matinee-At"
"""Headers of a commit: which of its aggregate's events it holds, what asked for it, and its server time."""
SENDER = "Matinee-Sender"
"""Header of a broadcast: the socket that need not hear it."""

PERSONAL = "personal"
Personal = Annotated[T, Meta(extra={PERSONAL: True})]
"""A field that names or describes a person: stored encrypted under that person's key, readable by projections alone."""

NO_NUL = r"^[^\x00]*$"
"""PostgreSQL keeps no NUL in a text; every text that a client may send is refused with one."""

Id = Annotated[str, Meta(min_length=1, max_length=128, pattern=NO_NUL)]
"""An id chosen outside Matinee; any text, never trusted inside a subject (see `token`)."""

MediaSeconds = Annotated[float, Meta(ge=0, le=604_800)]
"""A position or a length inside a video, in seconds; a week at most. NaN and infinities do not decode from JSON."""

_PLAIN = re.compile(r"[A-Za-z0-9-]")
_ALL_PLAIN = re.compile(r"[A-Za-z0-9-]*")


def token(text: str) -> str:
    """*text* as one subject token: letters, digits and dashes stay, every other UTF-8 byte becomes `=hh`.

    Different texts give different tokens, and no text can add a dot or a wildcard to a subject.
    """
    if _ALL_PLAIN.fullmatch(text):
        return text
    return "".join(c if _PLAIN.match(c) else "".join(f"={b:02x}" for b in c.encode()) for c in text)


class Key(NamedTuple):
    """One aggregate: its kind and its id, the id already made of subject-safe tokens joined by `_`."""

    aggregate: str
    id: str

    def __str__(self) -> str:
        return f"{self.aggregate}.{self.id}"

    @classmethod
    def of(cls, aggregate: str, *parts: str) -> "Key":
        return cls(aggregate, "_".join(map(token, parts)))


class Context(Struct, frozen=True, kw_only=True):
    """What the server knows about a request and its sender must not forge."""

    actor: str
    """The uid of the person who asks; `system:<service>` for a timer; empty for nobody."""
    now: datetime
    """Server time, UTC, disciplined so that all gateways agree to a few ms."""
    command_id: str = ""
    """Derived from (uid, function, the client's key); random when the client gave none."""
    correlation_id: str = ""
    causation_id: str = ""
    roles: tuple[str, ...] = ()
    name: str = ""
    """The display name in the token's claims, if any."""
    fingerprint: str = ""
    """Of the arguments, so that one key used with others is refused."""
    patience: float = 0.0
    """Seconds from receipt after which nobody waits for the answer; 0 for no end. A time would compare two clocks."""
    address: str = ""
    """A keyed digest of the address that the request came from; empty if it came from none."""
    secret: str = ""
    """A digest of the command id under a key of the service's own, in hexadecimal, which only the service fills in:
    for what must be unguessable even to who reads the log."""
    seen: Mapping[str, Any] = {}
    """States of aggregates that the command only looks at, by their keys as text; see `Command.looks_at`."""
    told: Mapping[str, Any] = {}
    """What other services answered in the asker's name before this was carried out, by function."""
    ambient: Mapping[str, Any] = {}
    """Telemetry that every replica hears (round trips, readiness); a decision that uses it records what it used."""


class Command(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A wish, exactly as the client sent it. Subclasses are the published functions of their context."""

    function: ClassVar[str]
    """Its published name, `party.play`."""
    returns: ClassVar[Any] = None
    """The type of `result`."""
    errors: ClassVar[tuple[str, ...]] = ()
    """Slugs with which the decider may refuse it, besides those that every function shares."""
    internal: ClassVar[bool] = False
    """Sent by timers and reactions, never through a door."""
    unlisted: ClassVar[bool] = False
    """Sent by gateways of their own accord, in somebody's name; no client can name it."""
    largest: ClassVar[int] = 0
    """Bytes of its arguments over HTTP, where they may be more than those of others."""
    personal: ClassVar[bool] = False
    """Whether it may lead to events with something personal of its actor. Their key is then found, or made, before
    the command queues for its aggregate, so that nobody else waits for that."""

    def keys(self, context: Context) -> tuple[Key, ...]:
        """The aggregates that it decides over; the first is the one whose queue it waits in."""
        raise NotImplementedError

    def looks_at(self, context: Context) -> tuple[Key, ...]:
        """Aggregates whose states the decision finds in `Context.seen`, as new as the log when the command came.

        Nothing guards them, unlike `keys`: the decision must be right also if they have moved on meanwhile.
        """
        return ()

    def result(self, context: Context) -> Any:
        """The answer's value. Derived from the command and its id alone, so that a repeat gets the same answer."""
        return None


class Report(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Telemetry that a client sends again and again: the gateway keeps the newest per person and channel and hands them
    to the owning service's replicas once a second. Answered at once, never stored as a fact."""

    function: ClassVar[str]
    channel: ClassVar[str]
    """The kind of channel that it is about; who may `track` there may report."""
    returns: ClassVar[Any] = None
    errors: ClassVar[tuple[str, ...]] = ()

    def channel_id(self) -> str:
        raise NotImplementedError


class Query(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A question about read models."""

    function: ClassVar[str]
    returns: ClassVar[Any] = None
    errors: ClassVar[tuple[str, ...]] = ()
    audience: ClassVar[Literal["shared", "me"]] = "me"
    """`shared`: the value is the same for all who may read it, so one run serves them all."""

    def shows(self) -> Key | None:
        """The aggregate of which the answer shows everything up to its newest commit, where a right hangs on it: who
        joined a moment ago is a member."""
        return None

    def topics(self, uid: str) -> tuple[str, ...]:
        """A change of any of these may change the value."""
        raise NotImplementedError

    def access(self, uid: str) -> tuple[str, ...]:
        """After a change of any of these, each watcher's right to the value is asked anew with its own run."""
        return ()


class Ended(NamedTuple):
    """The end of the right to follow a channel: of one person, or of everybody (`uid` is None)."""

    reason: str
    uid: str | None = None


class Event(Struct, frozen=True, kw_only=True, tag_field="type"):
    """A fact. The tag is its stored name and outlives the class; a new field needs a default."""

    public: ClassVar[tuple[str, ...]] = ()
    """The fields that followers of the channel may see; none means that the event is not published at all."""
    channels: ClassVar[tuple[str, ...]] = ()
    """The kinds of channels on which it happens; all of its contract's if empty."""
    telemetry: ClassVar[bool] = False
    """Kept in the context's telemetry stream, each for a while or the last one per slot, instead of the log."""
    person: ClassVar[str] = "uid"
    """The field that says whose key encrypts the `Personal` fields."""
    patient: ClassVar[bool] = False
    """Whether a crowd may hear of it a moment later, together with what else happens: what many do at once."""

    def ends(self) -> Ended | None:
        """Whose right to follow ends with this."""
        return None

    def leaves(self) -> str | None:
        """The uid of somebody who may do less on the channel after this, though not always nothing."""
        return None

    def slot(self) -> str:
        """For telemetry: which value this replaces, within its aggregate; one subject token."""
        return "last"

    def recency(self) -> float | None:
        """For telemetry: it never replaces one of greater recency, whichever comes last. None: the last counts."""
        return None

    def older_than(self, other: "Event") -> bool:
        """Whether it must not take the place of *other*."""
        mine, theirs = self.recency(), other.recency()
        return mine is not None and theirs is not None and mine < theirs


def tag_of(event: type[Event]) -> str:
    """The stored name of an event class."""
    tag = event.__struct_config__.tag
    assert isinstance(tag, str), f"{event.__name__} has no tag"
    return tag


class Channel(NamedTuple):
    """A kind of channel that clients follow: `<kind>:<id>`, fed by the aggregate of the same kind and id."""

    kind: str
    context: str
    guarded_by: str = ""
    """Where another context has a say in who may follow: after a change of its topic `<guarded_by>:<id>` each
    follower's right is asked anew, after one of `<guarded_by>:<id>:<uid>` that person's."""
    barred_by: str = ""
    """Where people may be kept out by what no commit of the channel tells: after a change of the own context's topic
    `<barred_by>:<uid>` that person's right is asked anew, on each channel of the kind."""

    def key(self, id: str) -> Key:
        return Key.of(self.kind, id)


class Rejected(Exception):
    """A refusal by rule: a slug and what it concerned. Words and HTTP status are chosen at the edge."""

    def __init__(self, code: str, **details: Any) -> None:
        super().__init__(code)
        self.code = code
        self.details = details


_PLACE = re.compile(r"(.*) - at `\$\.?(.*)`", re.DOTALL)
_FIELD = re.compile(r"Object (?:missing required|contains unknown) field `(.*)`", re.DOTALL)
LONGEST_REASON = 200


def arguments(kind: type[T], body: bytes) -> T:
    """Decode a function's arguments; raise `Rejected("invalid-argument")` that names the field and says why."""
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise invalid("invalid-argument", error) from error


def invalid(code: str, error: Exception) -> Rejected:
    """What was wrong with an argument or a frame, from the words of msgspec."""
    match = _PLACE.fullmatch(str(error))
    reason, field = match.groups() if match else (str(error), "")
    if named := _FIELD.fullmatch(reason):
        field = f"{field}.{named[1]}" if field else named[1]
    return Rejected(code, field=field[:LONGEST_REASON], reason=reason[:LONGEST_REASON])


class Position(Struct, frozen=True, order=True):
    """How far one context's log is, written `parties:k3f9:124`; a `+7` behind it counts the telemetry stream.

    Positions of different epochs are never compared: a restored log starts a new one.
    """

    context: str
    epoch: str
    sequence: int
    telemetry: int = 0

    def __str__(self) -> str:
        tail = f"+{self.telemetry}" if self.telemetry else ""
        return f"{self.context}:{self.epoch}:{self.sequence}{tail}"

    @classmethod
    def parse(cls, text: str) -> "Position":
        """Raise `Rejected("bad-position")` for what no answer of ours ever said."""
        match = _POSITION.fullmatch(text)
        if match is None:
            raise Rejected("bad-position", position=text[:80])
        context, epoch, sequence, telemetry = match.groups()
        return cls(context, epoch, int(sequence), int(telemetry or 0))

    def covers(self, other: "Position") -> bool:
        """Whether everything up to *other* is visible here."""
        same = (self.context, self.epoch) == (other.context, other.epoch)
        return same and self.sequence >= other.sequence and self.telemetry >= other.telemetry


_POSITION = re.compile(r"([a-z-]{1,32}):([a-z0-9]{1,16}):([0-9]{1,15})(?:\+([0-9]{1,15}))?")


class Answer(Struct, frozen=True, omit_defaults=True):
    """What a service replies: a value and the position it is true at, or an error."""

    value: Raw = Raw(b"null")
    position: str = ""
    error: "Fault | None" = None


class Fault(Struct, frozen=True, omit_defaults=True):
    """An error on the bus: the slug and what it concerned. Words and status are the gateway's."""

    code: str
    details: dict[str, Any] = {}


class StoredCommit(Struct, frozen=True):
    """One commit as a grant hands it on: its sequence, server time and events exactly as stored."""

    sequence: int
    at: datetime
    events: Raw


class GrantRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """May the actor follow (or track, or send on) this channel, and what did it miss since a position?"""

    channel_id: Id
    since: str | None = None


class Grant(Struct, frozen=True, kw_only=True):
    """The owning service's answer: what the actor may do, the state at a position, and the commits to send after it."""

    may: tuple[Literal["follow", "track", "send", "whisper"], ...]
    position: str
    """The state is true here; events at or before it are already in the state."""
    state: Raw = Raw(b"null")
    commits: tuple[StoredCommit, ...] = ()
    """After `since` if it was given and is complete, else after `position`; in order."""
    recovered: bool = True
    """Truthful: false when `since` could not be honoured in full."""
    last: int = 0
    """Sequence of the aggregate's newest commit; what live must continue from (`Nats-Last-Sequence`)."""
    presence: Literal["list", "count"] = "list"


class Notice(Struct, frozen=True):
    """A projection moved: from where, to where, and which topics it touched. The newest is repeated each second."""

    context: str
    epoch: str
    schema: str
    start: tuple[int, int]
    end: tuple[int, int]
    """(log sequence, telemetry sequence) before and after the batch."""
    topics: tuple[str, ...]
