"""What was stored once can be read for ever: one sample per tag, and samples are only ever added."""

import re
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import pytest

from events.codec import Codec
from events.contracts import CONTRACTS
from events.messages import Command, Event, Query, tag_of
from events.vault import personal_fields

SAMPLES = {path.stem: path for path in sorted((Path(__file__).parent / "samples").glob("*.json"))}
EVENTS = [(contract, event) for contract in CONTRACTS for event in contract.EVENTS]
FUNCTIONS: list[type[Command] | type[Query]] = [f for c in CONTRACTS for f in (*c.COMMANDS, *c.QUERIES)]
SLUG = re.compile(r"[a-z]+(-[a-z]+)*")

codecs = {contract.CONTEXT: Codec(contract.EVENTS) for contract in CONTRACTS}
by_tag = pytest.mark.parametrize(("contract", "event"), EVENTS, ids=[tag_of(event) for _, event in EVENTS])
by_function = pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.function)


def codec_of(tag: str) -> Codec:
    (codec,) = (codec for codec in codecs.values() if tag in codec.tags)
    return codec


def as_commit(*events: bytes) -> bytes:
    return b"[" + b",".join(events) + b"]"


@pytest.mark.parametrize("tag", SAMPLES)
def test_what_was_stored_then_can_be_read_and_stored_again_now(tag: str) -> None:
    codec, stored = codec_of(tag), SAMPLES[tag].read_bytes()

    (event,) = codec.decode(as_commit(stored))

    (again,) = msgspec.json.decode(codec.encode([event]))
    assert again.items() >= msgspec.json.decode(stored).items()
    assert codec.decode(codec.encode([event])) == (event,)


@by_tag
def test_every_tag_keeps_a_sample(contract: ModuleType, event: type[Event]) -> None:
    assert tag_of(event) in SAMPLES, "store one under tests/contract/samples and never change it"


def test_no_tag_belongs_to_two_contexts() -> None:
    tags = [tag_of(event) for _, event in EVENTS]

    assert len(tags) == len(set(tags))


@pytest.mark.parametrize("context", codecs)
def test_an_unknown_tag_passes_by_and_its_neighbours_are_read(context: str) -> None:
    codec = codecs[context]
    known = next(path.read_bytes() for tag, path in SAMPLES.items() if tag in codec.tags)

    events = codec.decode(as_commit(b'{"type":"party.juggled","balls":3}', known, b'{"type":"x"}'))

    assert events == codec.decode(as_commit(known))
    assert len(events) == 1


@by_tag
def test_a_field_of_tomorrow_does_no_harm_today(contract: ModuleType, event: type[Event]) -> None:
    stored: dict[str, Any] = msgspec.json.decode(SAMPLES[tag_of(event)].read_bytes())
    codec = codecs[contract.CONTEXT]

    tomorrow = codec.decode(msgspec.json.encode([{**stored, "mood": "festive"}]))

    assert tomorrow == codec.decode(msgspec.json.encode([stored]))


@by_tag
def test_what_is_public_exists_and_is_not_personal(contract: ModuleType, event: type[Event]) -> None:
    fields = {field.name for field in msgspec.structs.fields(event)}

    assert set(event.public) <= fields - set(personal_fields(event))


@by_tag
def test_what_is_personal_belongs_to_a_person_and_is_sealed_in_the_sample(
    contract: ModuleType, event: type[Event]
) -> None:
    stored = msgspec.json.decode(SAMPLES[tag_of(event)].read_bytes())

    for name in personal_fields(event):
        assert stored[name].startswith("v1:")
        assert stored[event.person]


@by_function
def test_every_function_is_named_once_and_explained(function: type[Command] | type[Query]) -> None:
    assert [f.function for f in FUNCTIONS].count(function.function) == 1
    assert re.fullmatch(r"[a-z]+\.[a-z]+(_[a-z]+)*", function.function)
    assert function.__doc__


@by_function
def test_errors_are_slugs(function: type[Command] | type[Query]) -> None:
    assert len(function.errors) == len(set(function.errors))
    assert all(SLUG.fullmatch(error) for error in function.errors)
