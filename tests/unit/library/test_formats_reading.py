"""Files are read bit by bit: what is too deep, too wide, too large, cut off or no such file is told as such."""

import base64
import io
import json
import zlib
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.library import files

from library import formats
from library.formats import reading
from library.formats.bitfield import BadBitfield, parse
from library.formats.reading import items, records, rows
from library.formats.records import BadFile


class Dribble(io.BytesIO):
    """Hands out a few bytes at a time, as a slow disk might."""

    def read(self, size: int | None = -1) -> bytes:
        return super().read(7)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(st.lists(JSON), st.sampled_from([None, 1]))
def test_the_items_of_an_array_are_the_items_of_the_array(values: list[Any], indent: int | None) -> None:
    body = json.dumps(values, indent=indent, ensure_ascii=False).encode("utf-8", "replace")
    assert [json.loads(item.raw) for item in items(Dribble(body))] == json.loads(body)


@given(st.dictionaries(st.sampled_from(["a", "b", "ü"]), st.lists(JSON, max_size=3) | st.integers()))
def test_of_an_object_the_values_and_of_arrays_among_them_their_items(values: dict[str, Any]) -> None:
    body = json.dumps(values).encode()
    expected = [(k, v) for k, vs in values.items() for v in (vs if isinstance(vs, list) else [vs])]
    assert [(item.key, json.loads(item.raw)) for item in items(Dribble(body))] == expected


def test_items_know_their_line() -> None:
    body = b'\xef\xbb\xbf{\n "result": [\n  {"a":\n 1},\n\n  {"b": 2} ]\n}\n'
    assert [(item.line, item.key) for item in items(io.BytesIO(body))] == [(3, "result"), (6, "result")]


BAD_JSON = [
    (b"", "empty-file"),
    (b" \n\t", "empty-file"),
    (b"hello", "not-json"),
    (b"42", "not-json"),
    (b"[1, 2", "not-json"),
    (b'[{"a": "b', "not-json"),
    (b'{"result": [', "not-json"),
    (b"[1]]", "not-json"),
    (b"[1] and more", "not-json"),
    (b"[1}", "not-json"),
    (b"[,1]", "not-json"),
    (b"{:1}", "not-json"),
    (b"[" * 1_000, "nested-too-deeply"),
    (b'[{"a":' * 1_000, "nested-too-deeply"),
]


@pytest.mark.parametrize(("body", "code"), BAD_JSON, ids=range(len(BAD_JSON)))
def test_what_is_no_json_is_told_as_such(body: bytes, code: str) -> None:
    with pytest.raises(BadFile) as bad:
        list(items(io.BytesIO(body)))
    assert bad.value.code == code


@pytest.mark.parametrize(
    "body", [b"[NaN]", b"[{'a': 1}]", b'[{"a":"\xff"}]', b"[Infinity]", b"[nul]", b'[{"a":"\\x"}]']
)
@pytest.mark.parametrize("kind", ["stremio", "trakt", "film-fanatic"])
def test_an_item_that_is_no_json_fails_the_file(kind: str, body: bytes) -> None:
    with pytest.raises(BadFile) as bad:
        list(formats.read(kind, io.BytesIO(body), ""))
    assert bad.value.code == "not-json"


def csv_of(body: bytes) -> list[dict[str, str]]:
    return [dict(row.fields) for row in rows(io.BytesIO(body))]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_csv_in_every_odd_encoding(encoding: str, end: str) -> None:
    text = files.as_csv(("Const", "Title"), [{"Const": "tt1", "Title": 'A, "b" – é'}], end)
    assert csv_of(text.encode(encoding)) == [{"const": "tt1", "title": 'A, "b" – é'}]


def test_semicolons_short_rows_long_rows_and_empty_ones() -> None:
    assert csv_of(b"a;b\r\n1;2\r\n\r\n3\r\n4;5;6\r\n") == [{"a": "1", "b": "2"}, {"a": "3"}, {"a": "4", "b": "5"}]
    assert csv_of(b"a,b\n\x001\x00,2\n") == [{"a": "1", "b": "2"}]


BAD_CSV = [
    (b"", "empty-file"),
    (b"\n\n", "empty-file"),
    (b"," * 201, "too-many-columns"),
    (b"a\n" + b"x" * 70_000, "field-too-long"),
]


@pytest.mark.parametrize(("body", "code"), BAD_CSV, ids=range(len(BAD_CSV)))
def test_what_is_no_sane_csv_is_told_as_such(body: bytes, code: str) -> None:
    with pytest.raises(BadFile) as bad:
        list(records(io.BytesIO(body)))
    assert bad.value.code == code


def test_too_many_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "ROWS", 10)
    with pytest.raises(BadFile) as bad:
        list(records(io.BytesIO(b"x\n" * 12)))
    assert bad.value.code == "too-many-rows"


def inside(body: bytes) -> Iterator[tuple[str, bytes]]:
    return ((name, opened.read()) for name, opened in reading.files(io.BytesIO(body)))


def encrypted() -> bytes:
    body = bytearray(files.zipped({"a.json": b"[]"}))
    body[6] |= 1
    body[body.index(b"PK\x01\x02") + 8] |= 1
    return bytes(body)


def test_a_zip_is_read_file_by_file() -> None:
    assert dict(inside(files.zipped({"b.json": b"2", "a/c.csv": b"1"}))) == {"a/c.csv": b"1", "b.json": b"2"}


GOOD_ZIP = files.zipped({"history.json": b"[" + b'{"a":1},' * 50_000 + b"{}]", "b.json": b"[]"})
BAD_ZIP = [
    (GOOD_ZIP[:-30], "bad-zip"),
    (GOOD_ZIP[:200], "bad-zip"),
    (b"PK\x03\x04" + b"x" * 500, "bad-zip"),
    (GOOD_ZIP[:80] + b"\xff" * 20 + GOOD_ZIP[100:], "bad-zip"),
    (encrypted(), "bad-zip"),
    (files.zipped({f"{n}.json": b"" for n in range(5_001)}), "zip-too-large"),
    (files.zipped({f"{n:0200d}.json": b"" for n in range(6_000)}), "zip-too-large"),
]


@pytest.mark.parametrize(("body", "code"), BAD_ZIP, ids=range(len(BAD_ZIP)))
@pytest.mark.parametrize("kind", ["trakt", "letterboxd", "film-fanatic"])
def test_damaged_and_oversized_zips(kind: str, body: bytes, code: str) -> None:
    with pytest.raises(BadFile) as bad:
        list(formats.read(kind, io.BytesIO(body), ""))
    assert bad.value.code in (code, "wrong-format" if kind != "trakt" else code)


# Stremio's bitfield.


def test_the_published_bitfields() -> None:
    five, none, many = map(parse, (files.FIVE_WATCHED, files.NONE_WATCHED, files.TWENTY_FOUR_WATCHED))
    assert (five.anchor, five.length, five.bits) == ("tt2934286:1:5", 5, b"\x1f\x00")
    assert (none.anchor, none.length, bool(none)) == ("undefined", 1, False)
    assert (many.anchor, many.total()) == ("tt7767422:3:8", 24)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "bitfield-invalid"),
        ("tt1:1:5", "bitfield-invalid"),
        ("tt1:x:eJyTZwAAAEAAIA==", "bitfield-invalid"),
        ("tt1:1:1:5:no base64", "bitfield-invalid"),
        ("tt1:1:1:5:" + base64.b64encode(b"no zlib").decode(), "bitfield-invalid"),
        ("tt1:1:1:5:" + base64.b64encode(zlib.compress(b"\xff" * 100)[:-6]).decode(), "bitfield-invalid"),
        ("tt1:1:1:999999:eJyTZwAAAEAAIA==", "bitfield-too-large"),
    ],
)
def test_bitfields_that_are_none(text: str, reason: str) -> None:
    with pytest.raises(BadBitfield, match=reason):
        parse(text)
