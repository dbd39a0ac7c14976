import math
from typing import Annotated, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta, Struct

from events.messages import Command, Id, Key, MediaSeconds, Position, Rejected, arguments, token

texts = st.text(st.characters(codec="utf-8"))
positions = st.builds(
    Position,
    context=st.sampled_from(["parties", "trakt-sync"]),
    epoch=st.from_regex("[a-z0-9]{1,16}", fullmatch=True),
    sequence=st.integers(0, 10**15 - 1),
    telemetry=st.integers(0, 10**15 - 1),
)


class Point(Struct, forbid_unknown_fields=True):
    x: int


class Wish(Command, frozen=True):
    id: Id
    position: MediaSeconds = 0.0
    points: tuple[Point, ...] = ()
    small: Annotated[int, Meta(ge=0, le=10)] = 0


def refused(body: bytes) -> dict[str, Any]:
    with pytest.raises(Rejected) as caught:
        arguments(Wish, body)
    assert caught.value.code == "invalid-argument"
    return caught.value.details


@given(texts)
def test_no_text_can_add_to_a_subject(text: str) -> None:
    assert set(token(text)) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-=")


@given(texts, texts)
def test_different_texts_are_different_tokens(one: str, other: str) -> None:
    assert (token(one) == token(other)) == (one == other)


@given(st.lists(texts, min_size=1, max_size=3), st.lists(texts, min_size=1, max_size=3))
def test_different_parts_are_different_keys(one: list[str], other: list[str]) -> None:
    assert (Key.of("title", *one) == Key.of("title", *other)) == (one == other)


def test_a_plain_id_stays_readable() -> None:
    assert str(Key.of("title", "ana", "tt-0111161")) == "title.ana_tt-0111161"
    assert token("a.b *>_é") == "a=2eb=20=2a=3e=5f=c3=a9"


@given(positions)
def test_a_position_is_read_back_as_it_was_written(position: Position) -> None:
    assert Position.parse(str(position)) == position


@given(positions, positions)
def test_a_position_covers_what_lies_before_it_in_its_own_log(one: Position, other: Position) -> None:
    same = (one.context, one.epoch) == (other.context, other.epoch)
    assert one.covers(one)
    assert one.covers(other) == (same and one.sequence >= other.sequence and one.telemetry >= other.telemetry)


def test_each_count_of_a_position_must_be_covered() -> None:
    here = Position("parties", "e", 5, 5)
    assert here.covers(Position("parties", "e", 5, 4))
    assert not here.covers(Position("parties", "e", 6, 0))
    assert not here.covers(Position("parties", "e", 0, 6))
    assert not here.covers(Position("parties", "f", 1, 1))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "parties",
        "parties:e",
        "parties:e:x",
        "parties:e:-1",
        "parties:e:1:2",
        "parties:e:1+",
        "parties:e:١",
        " parties:e:1",
        "parties:e:1\n",
        "PARTIES:e:1",
        "parties:e:" + "9" * 16,
        "x" * 10_000,
    ],
)
def test_a_position_that_we_never_said_is_refused(text: str) -> None:
    with pytest.raises(Rejected) as caught:
        Position.parse(text)
    assert caught.value.code == "bad-position"
    assert len(caught.value.details["position"]) <= 80


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b'{"id":7}', "id"),
        (b'{"id":""}', "id"),
        (b'{"id":"' + b"x" * 129 + b'"}', "id"),
        (b'{"id":"a\\u0000b"}', "id"),
        (b'{"id":null}', "id"),
        (b"{}", "id"),
        (b'{"id":"a","who":1}', "who"),
        (b'{"id":"a","position":"1"}', "position"),
        (b'{"id":"a","position":-1}', "position"),
        (b'{"id":"a","position":1e9}', "position"),
        (b'{"id":"a","position":1e999}', "position"),
        (b'{"id":"a","position":1' + b"0" * 5000 + b"}", "position"),
        (b'{"id":"a","small":11}', "small"),
        (b'{"id":"a","small":1.5}', "small"),
        (b'{"id":"a","small":' + b"9" * 400 + b"}", "small"),
        (b'{"id":"a","points":[{"x":1},{"x":"2"}]}', "points[1].x"),
        (b'{"id":"a","points":[{}]}', "points[0].x"),
        (b'{"id":"a","points":[{"x":1,"y":2}]}', "points[0].y"),
    ],
)
def test_bad_arguments_name_the_field_and_the_reason(body: bytes, field: str) -> None:
    details = refused(body)
    assert details["field"] == field
    assert details["reason"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{",
        b"\xff\xfe",
        b'{"id":"\xff"}',
        b'{"id":"\xed\xa0\x80"}',
        b'{"id":"\\ud800"}',
        b'{"id":"\\ud800 and more than enough text behind it"}',
        b'{"id":"a","position":NaN}',
        b'{"id":"a","position":Infinity}',
        b'{"id":"a"}{"id":"b"}',
        b'{"id":' + b"[" * 100_000,
        b'{"who":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"points":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
)
def test_what_is_no_json_is_refused_with_a_reason(body: bytes) -> None:
    assert refused(body)["reason"]


def test_a_reason_repeats_only_so_much_of_what_was_sent() -> None:
    details = refused(msgspec.json.encode({"id": "a", "x" * 60_000: 1}))
    assert len(details["reason"]) <= 200
    assert len(details["field"]) <= 200


@given(st.floats() | st.integers() | st.text() | st.none() | st.lists(st.integers()))
def test_a_media_position_is_finite_and_bounded(value: Any) -> None:
    wanted = isinstance(value, int | float) and math.isfinite(value) and 0 <= value <= 604_800
    body = msgspec.json.encode({"id": "a", "position": value})
    if wanted:
        assert arguments(Wish, body).position == value
    else:
        assert refused(body)["field"] == "position"
