"""The functions and channels that clients may name, taken from the contracts; nothing is listed here by hand."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from types import ModuleType
from typing import Literal, NamedTuple

import msgspec
import structlog
from msgspec import Raw

from events.codec import Codec
from events.contracts import CONTRACTS
from events.messages import Channel, Command, Event, Key, Query, Rejected, Report, invalid, tag_of
from gateway.line import Item
from gateway.protocol import EventFrame, encode

COMMON_ERRORS = (
    "invalid-argument",
    "not-signed-in",
    "token-expired",
    "token-invalid",
    "rate-limited",
    "unavailable",
    "timeout",
    "deadline-exceeded",
    "internal",
)
"""What any function may answer besides its own errors."""
COMMAND_ERRORS = (*COMMON_ERRORS, "busy", "key-reused")
QUERY_ERRORS = (*COMMON_ERRORS, "position-not-reached", "bad-position", "other-epoch")
REPORT_ERRORS = (*COMMON_ERRORS, "not-allowed")

Arguments = Command | Query | Report
"""Of a function, decoded."""

log = structlog.get_logger("catalogue")

_sorted = msgspec.json.Encoder(order="sorted")


@dataclass(frozen=True)
class Function:
    """A command, a query or a report, as a client sees it."""

    name: str
    context: str
    type: type[Command] | type[Query] | type[Report]

    @cached_property
    def is_query(self) -> bool:
        return issubclass(self.type, Query)

    @cached_property
    def kind(self) -> Literal["command", "query", "report"]:
        return "query" if self.is_query else "report" if issubclass(self.type, Report) else "command"

    @cached_property
    def subject(self) -> str:
        """Where commands and queries are sent."""
        return f"{'qry' if self.is_query else 'cmd'}.{self.context}.{self.name}"

    @property
    def errors(self) -> tuple[str, ...]:
        """Every slug that it may answer with."""
        shared = {"command": COMMAND_ERRORS, "query": QUERY_ERRORS, "report": REPORT_ERRORS}
        return (*self.type.errors, *shared[self.kind])

    @cached_property
    def _decoder(self) -> "msgspec.json.Decoder[Arguments]":
        return msgspec.json.Decoder(self.type)

    def decode(self, args: bytes | Raw) -> Arguments:
        """The arguments, checked. Raise `Rejected` that names the field and says why."""
        try:
            return self._decoder.decode(args)
        except msgspec.ValidationError as error:
            raise invalid("invalid-argument", error) from error
        except msgspec.DecodeError as error:
            raise Rejected("invalid-json", reason=str(error)) from error
        except UnicodeDecodeError as error:
            raise Rejected("invalid-utf8", reason=f"byte {error.start}: {error.reason}") from error
        except RecursionError as error:
            raise Rejected("invalid-json", reason="nested too deeply") from error

    def from_text(self, fields: Mapping[str, str]) -> Arguments:
        """The arguments out of a query string, each read as what its field is."""
        try:
            return msgspec.convert(fields, self.type, strict=False)
        except msgspec.ValidationError as error:
            raise invalid("invalid-argument", error) from error


def canonical(arguments: Arguments) -> bytes:
    """The same bytes for the same arguments, however they were written and whichever defaults were left out."""
    return _sorted.encode(arguments)


class ChannelKind:
    """A kind of channel: where its commits come from and what followers see of them."""

    def __init__(self, channel: Channel, events: Sequence[type[Event]], codec: Codec) -> None:
        self.kind = channel.kind
        self.context = channel.context
        self.channel = channel
        public = [event for event in events if event.public]
        self.events = tuple(event for event in public if not event.channels or channel.kind in event.channels)
        self._tags = {event: tag_of(event) for event in public}
        self._codec = codec

    def key(self, channel_id: str) -> Key:
        return self.channel.key(channel_id)

    def doubted_after(self, context: str) -> bool:
        """Whether rights may have ended unnoticed when anything of *context* may have changed."""
        own = self.context == context
        return bool(self.channel.barred_by if own else self.channel.guarded_by)

    def item(
        self, name: str, epoch: str, sequence: int, previous: int, at: str | datetime, body: bytes | Raw, skip: int = 0
    ) -> Item:
        """A stored commit as it goes to followers, without its first *skip* events.

        Positions inside a commit say how many of its events are through: a connection may break between two of them.
        """
        try:
            events = self._codec.decode(bytes(body))
        except msgspec.ValidationError as error:
            # Followers cannot repair it; the owning service parks it and says so.
            log.error("commit not readable", channel=name, sequence=sequence, reason=str(error))
            return Item(sequence, previous, b"")
        when = at if isinstance(at, datetime) else datetime.fromisoformat(at)
        public = [(number, event) for number, event in enumerate(events, 1) if event.public and number > skip]
        told = b"".join(
            encode(
                EventFrame(
                    channel=name,
                    type=self._tags[type(event)],
                    data={field: getattr(event, field) for field in event.public},
                    position=position_text(self.context, epoch, sequence, 0 if number == public[-1][0] else number),
                    at=when,
                )
            )
            for number, event in public
        )
        ends = tuple(end for event in events if (end := event.ends()) is not None)
        leaves = tuple(uid for event in events if (uid := event.leaves()) is not None)
        return Item(sequence, previous, told, ends, leaves, all(event.patient for event in events))


PART = "~"
"""Stands between the position of a commit and how many of its events are through."""


def position_text(context: str, epoch: str, sequence: int, part: int = 0) -> str:
    """The position of a commit, or of its first *part* events."""
    return f"{context}:{epoch}:{sequence}{PART}{part}" if part else f"{context}:{epoch}:{sequence}"


def split_position(text: str) -> tuple[str, int]:
    """The position of the commit, and how many of its events are through; 0 means all of them."""
    whole, _, part = text.partition(PART)
    return whole, int(part) if part.isascii() and part.isdigit() and len(part) < 4 else 0


class Doubt(NamedTuple):
    """Whose right to channels of a kind is to be asked anew: everybody's or somebody's to one, or somebody's to all."""

    kind: str
    id: str | None = None
    uid: str | None = None


class Catalogue:
    """Everything that a client may name."""

    def __init__(self, contracts: Iterable[ModuleType] = CONTRACTS) -> None:
        self.functions: dict[str, Function] = {}
        self.unlisted: dict[str, Function] = {}
        """What only the gateway itself sends."""
        self.channels: dict[str, ChannelKind] = {}
        self.reporting: dict[str, str] = {}
        """The contexts that hear reports, by the kind of channel that these are about."""
        self.contexts: tuple[str, ...] = tuple(contract.CONTEXT for contract in contracts)
        for contract in contracts:
            reports = getattr(contract, "REPORTS", ())
            for kind in (*contract.COMMANDS, *contract.QUERIES, *reports):
                if not getattr(kind, "internal", False):
                    known = self.unlisted if getattr(kind, "unlisted", False) else self.functions
                    known[kind.function] = Function(kind.function, contract.CONTEXT, kind)
            self.reporting |= {report.channel: contract.CONTEXT for report in reports}
            codec = Codec(contract.EVENTS, getattr(contract, "UPCASTERS", None))
            self.channels |= {each.kind: ChannelKind(each, contract.EVENTS, codec) for each in contract.CHANNELS}

    def doubts(self, topic: str) -> Iterator[Doubt]:
        """What a change of *topic* says about rights that no commit of their channels tells of."""
        prefix, _, about = topic.partition(":")
        for kind in self.channels.values():
            if kind.channel.guarded_by == prefix:
                id, _, uid = about.partition(":")
                yield Doubt(kind.kind, id, uid or None)
            if kind.channel.barred_by == prefix:
                yield Doubt(kind.kind, uid=about)

    def function(self, name: str) -> Function:
        function = self.functions.get(name)
        if function is None:
            raise Rejected("unknown-function", function=name[:128])
        return function

    def query(self, name: str) -> Function:
        function = self.function(name)
        if not function.is_query:
            raise Rejected("not-a-query", function=name)
        return function

    def channel(self, name: str) -> tuple[ChannelKind, str]:
        """The kind of a channel and its id."""
        kind, colon, channel_id = name.partition(":")
        found = self.channels.get(kind)
        if found is None or not colon:
            raise Rejected("unknown-channel", channel=name[:128])
        if not 0 < len(channel_id) <= 128:
            raise Rejected("invalid-argument", field="channel", reason="Expected an id of 1 to 128 characters")
        return found, channel_id
