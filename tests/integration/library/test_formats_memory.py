"""Files and fields that are made to fill the memory: refused, and with little of it."""

import base64
import io
import tracemalloc
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from library import formats
from library.formats.bitfield import BadBitfield, parse
from library.formats.reading import items, records
from library.formats.records import BadFile

MIB = 1024 * 1024


@contextmanager
def little_memory() -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 4 * MIB


LARGE_JSON = [
    (b"[" * 1_000_000, "nested-too-deeply"),
    (b'[{"a":' * 500_000, "nested-too-deeply"),
    (b'["' + b"x" * 9 * MIB + b'"]', "item-too-large"),
    (b"[" + b"9" * 9 * MIB + b"]", "item-too-large"),
]


@pytest.mark.parametrize(("body", "code"), LARGE_JSON, ids=range(len(LARGE_JSON)))
def test_json_without_bounds_is_refused(body: bytes, code: str) -> None:
    with pytest.raises(BadFile) as bad:
        list(items(io.BytesIO(body)))
    assert bad.value.code == code


LARGE_CSV = [
    (b"a,b\n" + b"x," * 1_000_000, "line-too-long"),
    (b"," * 1_000_000 + b"\n", "too-many-columns"),
    (b'a\n"' + b"x\n" * 1_000_000, "bad-csv"),
    (b"a" * 3 * MIB, "line-too-long"),
]


@pytest.mark.parametrize(("body", "code"), LARGE_CSV, ids=range(len(LARGE_CSV)))
def test_csv_without_bounds_is_refused(body: bytes, code: str) -> None:
    with pytest.raises(BadFile) as bad:
        list(records(io.BytesIO(body)))
    assert bad.value.code == code


def bomb() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for n in range(3):
            archive.writestr(f"history-{n}.json", bytes(100 * MIB))
    return packed.getvalue()


def test_a_zip_bomb_is_refused_before_it_is_unpacked() -> None:
    body = bomb()
    with little_memory(), pytest.raises(BadFile, match="zip-too-large"):
        list(formats.read("trakt", io.BytesIO(body), ""))


BOUNDLESS = [
    ("stremio", b"[", b'{"_id":"tt0133093","type":"movie","state":{}},'),
    ("trakt", b"[", b'{"title":"x"},'),
    ("imdb", b"Const,Title\n", b"tt0133093,x\n"),
    ("letterboxd", b"Date,Name,Year\n", b"2020-01-01,x,1999\n"),
    ("matinee", b'{"record":"matinee","version":1}\n', b'{"record":"reason"}\n'),
    ("imdb", b"Const", b",a"),
    ("trakt", b'["', b"x"),
]


@pytest.mark.parametrize(("kind", "begins", "goes_on"), BOUNDLESS, ids=range(len(BOUNDLESS)))
def test_memory_stays_small_however_large_the_file_is(kind: str, begins: bytes, goes_on: bytes) -> None:
    body = io.BytesIO(begins + goes_on * (MIB // 2 // len(goes_on)))
    with little_memory(), suppress(BadFile):
        for _ in formats.read(kind, body, ""):
            pass


def test_a_bitfield_that_unpacks_to_much_takes_no_memory() -> None:
    packing = zlib.compressobj(9)
    packed = b"".join(packing.compress(bytes(16 * MIB)) for _ in range(16)) + packing.flush()
    text = "tt1:1:1:5:" + base64.b64encode(packed).decode()
    with little_memory(), pytest.raises(BadBitfield, match="bitfield-too-large"):
        parse(text)
