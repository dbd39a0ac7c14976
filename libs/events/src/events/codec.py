"""Commits to bytes and back: explicit tags, upcasters for old ones, and unknown tags that pass by."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
import structlog

from events.log import Commit
from events.messages import AT, COMMAND, VERSIONS, Context, Event, Key, tag_of

log = structlog.get_logger("codec")

Upcaster = Callable[[dict[str, Any]], dict[str, Any]]
"""An old event's fields to those of the tag that replaced it, which the result names in `type`."""

ID = "Nats-Msg-Id"
TRACE = "traceparent"

NEVER = datetime.fromtimestamp(0, UTC)


class _Known(msgspec.Struct, frozen=True):
    """What a commit's `Matinee-Command` header says; absent fields were empty."""

    actor: str = ""
    id: str = ""
    args: str = ""
    correlation: str = ""
    causation: str = ""


class _Tagged(msgspec.Struct):
    type: str


_known = msgspec.json.Decoder(_Known)
_raws = msgspec.json.Decoder(list[msgspec.Raw])
_tagged = msgspec.json.Decoder(_Tagged)
_encoder = msgspec.json.Encoder()


class Codec:
    """The events of one context as stored."""

    def __init__(self, events: Sequence[type[Event]], upcasters: Mapping[str, Upcaster] | None = None) -> None:
        self._types = {tag_of(event): event for event in events}
        assert len(self._types) == len(events), "two events share a tag"
        assert not self._types.keys() & (upcasters or {}).keys(), "a tag in use needs no upcaster"
        self._one = {tag: msgspec.json.Decoder(event) for tag, event in self._types.items()}
        self._upcasters = dict(upcasters or {})
        self._all = msgspec.json.Decoder(list[_union(events)])  # type: ignore[misc]  # a union made at run time

    @property
    def tags(self) -> frozenset[str]:
        """Every tag that decodes, those of old events included."""
        return frozenset(self._types) | frozenset(self._upcasters)

    def encode(self, events: Iterable[Event]) -> bytes:
        return _encoder.encode(list(events))

    def decode(self, body: bytes) -> tuple[Event, ...]:
        """The events that this code knows. One that it knows but cannot read raises `msgspec.ValidationError`."""
        try:
            return tuple(self._all.decode(body))
        except msgspec.ValidationError:
            # An unknown or old tag, or a broken event: slower, one by one, so that each gets its due.
            decoded = (self._decode_one(raw) for raw in _raws.decode(body))
            return tuple(event for event in decoded if event is not None)

    def _decode_one(self, raw: msgspec.Raw) -> Event | None:
        tag = _tagged.decode(raw).type
        if tag in self._upcasters:
            fields: dict[str, Any] = msgspec.json.decode(raw)
            while (old := fields["type"]) in self._upcasters:
                fields = self._upcasters[old](fields)
            return msgspec.convert(fields, self._types[fields["type"]])
        return self._one[tag].decode(raw) if tag in self._one else None

    def commit(self, sequence: int, key: Key, body: bytes, headers: Mapping[str, str]) -> Commit:
        """A stored message as a commit."""
        first, _, last = headers[VERSIONS].partition("-")
        known = _known.decode(headers[COMMAND])
        return Commit(
            sequence=sequence,
            key=key,
            first=int(first),
            last=int(last),
            events=self.decode(body),
            id=headers[ID],
            at=datetime.fromisoformat(headers[AT]),
            actor=known.actor,
            command_id=known.id,
            fingerprint=known.args,
            correlation_id=known.correlation,
            causation_id=known.causation,
            trace=headers.get(TRACE, ""),
        )

    def followed(self, sequence: int, key: Key, body: bytes, headers: Mapping[str, str]) -> Commit:
        """The same for whoever follows the log: a commit that does not decode says why, and the next one comes."""
        try:
            return self.commit(sequence, key, body, headers)
        except Exception as error:  # noqa: BLE001  # an upcaster may raise anything
            return Commit(sequence, key, 0, 0, (), "", NEVER, "", "", "", "", "", "", unreadable=repr(error)[:500])

    def loose(self, sequence: int, key: Key, body: bytes, headers: Mapping[str, str]) -> Commit:
        """A telemetry message, which belongs to no version of its aggregate, in a commit's clothes.

        One that does not decode passes by like an unknown event: the next value takes its place.
        """
        try:
            events, at = self.decode(body), datetime.fromisoformat(headers[AT])
        except Exception as error:  # noqa: BLE001  # an upcaster may raise anything
            # Not the error's text, which may quote what is in there.
            log.error("heartbeat passed by", key=str(key), tag=_tag_in(body), reason=type(error).__name__)
            events, at = (), NEVER
        return Commit(sequence, key, 0, 0, events, "", at, "", "", "", "", "", headers.get(TRACE, ""))


def headers_of(key: Key, version: int, count: int, context: Context, trace: str = "") -> dict[str, str]:
    """What is stored beside the events of a commit; ASCII, so that ordinary NATS tools can read it."""
    known = _Known(context.actor, context.command_id, context.fingerprint, context.correlation_id, context.causation_id)
    headers = {
        ID: commit_id(key, version, context),
        VERSIONS: f"{version + 1}-{version + count}",
        COMMAND: _ascii(known),
        AT: context.now.isoformat(),
    }
    if trace:
        headers[TRACE] = trace
    return headers


def _ascii(known: _Known) -> str:
    text = _encoder.encode(known).decode()
    return text if text.isascii() else json.dumps(msgspec.to_builtins(known))


def commit_id(key: Key, version: int, context: Context) -> str:
    """The same for every attempt to carry out one command at one version of an aggregate, and for no other.

    With the version in it, a command that an aggregate has long forgotten can be carried out anew.
    """
    return f"{context.command_id}.{key}.{version + 1}"


def _tag_in(body: bytes) -> str:
    """The stored name of the first event, if it can be told."""
    try:
        return _tagged.decode(_raws.decode(body)[0]).type
    except (msgspec.DecodeError, IndexError):
        return ""


def _union(events: Sequence[type[Event]]) -> Any:
    joined: Any = events[0]
    for event in events[1:]:
        joined = joined | event
    return joined
