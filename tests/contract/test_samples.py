"""What was stored once can be read for ever: samples of each tag, which are only ever added.

The first one of a tag is named `<tag>.json`, a later one `<tag>.2.json`: a tag that gained a field gains a sample.
"""

import re
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import pytest

from events.codec import Codec
from events.contracts import CONTRACTS, party
from events.messages import Command, Event, Query, tag_of
from events.vault import personal_fields


def tag_in(path: Path) -> str:
    return re.sub(r"\.[0-9]+$", "", path.stem)


PATHS = sorted((Path(__file__).parent / "samples").glob("*.json"), key=lambda path: (len(path.stem), path.stem))
SAMPLES = {tag_in(path): [same.read_bytes() for same in PATHS if tag_in(same) == tag_in(path)] for path in PATHS}
"""By tag, the oldest first."""
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


def newest(event: type[Event]) -> dict[str, Any]:
    sample: dict[str, Any] = msgspec.json.decode(SAMPLES[tag_of(event)][-1])
    return sample


def says(whole: Any, part: Any) -> bool:
    """Whether *whole* says all that *part* does; inside lists there is nothing more."""
    if isinstance(whole, dict) and isinstance(part, dict):
        return whole.keys() >= part.keys() and all(says(whole[name], value) for name, value in part.items())
    return bool(whole == part)


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_what_was_stored_then_can_be_read_and_stored_again_now(path: Path) -> None:
    tag, stored = tag_in(path), path.read_bytes()
    codec = codec_of(tag)

    (event,) = codec.decode(as_commit(stored))

    (again,) = msgspec.json.decode(codec.encode([event]))
    assert tag_of(type(event)) == tag
    assert says(again, msgspec.json.decode(stored))
    assert codec.decode(codec.encode([event])) == (event,)


@by_tag
def test_every_tag_keeps_a_sample(contract: ModuleType, event: type[Event]) -> None:
    assert tag_of(event) in SAMPLES, "store one under tests/contract/samples and never change it"


@by_tag
def test_every_field_is_in_the_newest_sample_of_its_tag(contract: ModuleType, event: type[Event]) -> None:
    fields = {field.encode_name for field in msgspec.structs.fields(event)}

    assert newest(event).keys() == {"type", *fields}, "store a further one beside the first, as <tag>.2.json"


def test_no_tag_belongs_to_two_contexts() -> None:
    tags = [tag_of(event) for _, event in EVENTS]

    assert len(tags) == len(set(tags))


@pytest.mark.parametrize("context", codecs)
def test_an_unknown_tag_passes_by_and_its_neighbours_are_read(context: str) -> None:
    codec = codecs[context]
    known = next(stored[-1] for tag, stored in SAMPLES.items() if tag in codec.tags)

    events = codec.decode(as_commit(b'{"type":"party.juggled","balls":3}', known, b'{"type":"x"}'))

    assert events == codec.decode(as_commit(known))
    assert len(events) == 1


@by_tag
def test_a_field_of_tomorrow_does_no_harm_today(contract: ModuleType, event: type[Event]) -> None:
    stored = newest(event)
    codec = codecs[contract.CONTEXT]

    tomorrow = codec.decode(msgspec.json.encode([{**stored, "mood": "festive"}]))

    assert tomorrow == codec.decode(msgspec.json.encode([stored]))


def test_a_setting_of_tomorrow_does_no_harm_either() -> None:
    stored, codec = newest(party.Configured), codecs[party.CONTEXT]
    settings = {**stored["settings"], "permissions": {**stored["settings"]["permissions"], "fly": "host"}}

    tomorrow = codec.decode(msgspec.json.encode([{**stored, "settings": {**settings, "mood": "festive"}}]))

    assert tomorrow == codec.decode(msgspec.json.encode([stored]))


@by_tag
def test_what_is_public_exists_and_is_not_personal(contract: ModuleType, event: type[Event]) -> None:
    fields = {field.name for field in msgspec.structs.fields(event)}

    assert set(event.public) <= fields - set(personal_fields(event))


@by_tag
def test_what_is_personal_belongs_to_a_person_and_is_sealed_in_the_sample(
    contract: ModuleType, event: type[Event]
) -> None:
    stored = newest(event)

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
