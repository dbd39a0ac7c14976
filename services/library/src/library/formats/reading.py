"""Files read bit by bit: JSON item by item, CSV row by row, a zip file by file, so that memory stays small."""

import codecs
import csv
import io
import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple, TypeVar, cast

import msgspec

from library.formats.records import BadFile, Left, text

T = TypeVar("T")

CHUNK = 256 * 1024
ITEM_BYTES = 4 * 1024 * 1024
"""Of one item of a JSON file; lists are items."""
DEPTH = 32
COLUMNS = 200
FIELD_CHARS = 64 * 1024
LINE_CHARS = 1024 * 1024
ROWS = 1_000_000
UNPACKED_BYTES = 256 * 1024 * 1024
RATIO = 200
"""Of unpacked to packed; text never gets so small."""
RATIO_FROM = 1024 * 1024
"""What is unpacked smaller than this may have any ratio."""
FILES = 5_000
DIRECTORY_BYTES = 1024 * 1024
DAMAGE = (zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError, EOFError)
"""What a file of a zip that is cut off, encrypted or oddly packed raises when it is read."""
END_OF_ZIP = b"PK\x05\x06"
END_BYTES = 22
COMMENT_BYTES = 65_535

_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|["{}\[\],:]', re.DOTALL)
_CLOSES = {b"{": b"}", b"[": b"]"}


class Item(NamedTuple):
    """One value of a JSON file, not decoded yet."""

    line: int
    key: str
    """Of the file's own object that it stands in; empty in a plain array."""
    raw: bytes


def items(file: BinaryIO) -> Iterator[Item]:
    """The items of an array; of an object, its values, and of arrays among these their items.

    Raise `BadFile`: `empty-file`, `not-json`, `nested-too-deeply`, `item-too-large`.
    """
    yield from _Scanner(file).items()


class _Scanner:
    """Finds where the items of a JSON file begin and end. What is inside them is left to who decodes them."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._buffer = bytearray()
        self._open: list[bytes] = []
        self._line = 1
        self._counted = 0
        """Up to where the line counts."""
        self._start = -1
        """Where the value begins that is being read; -1 if none can begin here."""
        self._key = ""
        self._done = False

    def items(self) -> Iterator[Item]:
        place = self._begin()
        while True:
            for token in _TOKEN.finditer(self._buffer, place):
                if token[0] == b'"':
                    break  # a string that goes on in the next chunk
                place = token.end()
                yield from self._take(token[0], token.start())
            place = self._trim(place)
            if not self._more():
                break
        if not self._done or self._buffer[place:].strip():
            raise BadFile("not-json", line=self._line, reason="the file ends in the middle")

    def _begin(self) -> int:
        """Skip what may stand before a value; the place of the first bracket."""
        self._more()
        if self._buffer.startswith(codecs.BOM_UTF8):
            del self._buffer[: len(codecs.BOM_UTF8)]
        found = re.compile(rb"\S").search(self._buffer)
        if found is None:
            raise BadFile("empty-file")
        if found[0] not in (b"[", b"{"):
            raise BadFile("not-json", line=1, reason="expected an array or an object")
        return found.start()

    def _more(self) -> bool:
        chunk = self._file.read(CHUNK)
        self._buffer += chunk
        if len(self._buffer) > ITEM_BYTES + CHUNK:
            raise BadFile("item-too-large", limit=ITEM_BYTES, line=self._line)
        return bool(chunk)

    def _trim(self, place: int) -> int:
        """Forget what is done with."""
        kept = self._start if self._start >= 0 else place
        self._line += self._buffer.count(b"\n", self._counted, kept) if kept > self._counted else 0
        del self._buffer[:kept]
        self._counted = max(0, self._counted - kept)
        if self._start >= 0:
            self._start = 0
        return place - kept

    def _take(self, token: bytes, at: int) -> Iterator[Item]:
        if self._done:
            raise BadFile("not-json", line=self._line, reason="something follows the end")
        if token in _CLOSES:
            self._down(token, at)
        elif token in (b"}", b"]"):
            yield from self._up(token, at)
        elif token == b",":
            yield from self._next(at)
        elif token == b":" and self._open == [b"{"]:
            self._named(at)

    def _down(self, token: bytes, at: int) -> None:
        self._open.append(token)
        if len(self._open) > DEPTH:
            raise BadFile("nested-too-deeply", limit=DEPTH, line=self._line)
        if len(self._open) == 1 or (self._open == [b"{", b"["] and self._start >= 0):
            self._start = at + 1

    def _up(self, token: bytes, at: int) -> Iterator[Item]:
        if not self._open or _CLOSES[self._open[-1]] != token:
            raise BadFile("not-json", line=self._line, reason="brackets do not match")
        if self._among():
            yield from self._item(at, last=True)
            self._start = -1
        self._open.pop()
        self._done = not self._open

    def _next(self, at: int) -> Iterator[Item]:
        if self._among():
            yield from self._item(at)
            self._start = at + 1

    def _among(self) -> bool:
        """Whether this place is between the items that are handed on."""
        return self._open in ([b"["], [b"{"], [b"{", b"["])

    def _named(self, at: int) -> None:
        self._key = text(_decoded(bytes(self._buffer[self._start : at]).strip(), str, self._line), 100)
        self._start = at + 1

    def _item(self, at: int, *, last: bool = False) -> Iterator[Item]:
        """What stands between the last comma and this place."""
        if self._start < 0:
            return
        raw = bytes(self._buffer[self._start : at])
        bare = raw.strip()
        if bare:
            begins = self._start + len(raw) - len(raw.lstrip())
            self._line += self._buffer.count(b"\n", self._counted, begins)
            self._counted = max(begins, self._counted)
            yield Item(self._line, self._key, bare)
        elif not last:
            raise BadFile("not-json", line=self._line, reason="nothing before a comma")


def _decoded(raw: bytes, kind: type[T], line: int) -> T:
    try:
        return msgspec.json.decode(raw, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadFile("not-json", line=line, reason=str(error)[:200]) from None


def decoded(item: Item, kind: type[T]) -> T | Left:
    """An item as what it should be. Raise `BadFile` if it is no JSON; one that is other JSON is left."""
    try:
        return msgspec.json.decode(item.raw, type=kind)
    except msgspec.ValidationError:
        return Left(item.line, "", "invalid-entry")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadFile("not-json", line=item.line, reason=str(error)[:200]) from None


def lines(file: BinaryIO, longest: int = ITEM_BYTES) -> Iterator[Item]:
    """The lines of a file of which each is a JSON value of its own."""
    number = 0
    for number, line in enumerate(iter(lambda: file.readline(longest + 1), b""), 1):  # looked at below
        if len(line) > longest:
            raise BadFile("item-too-large", limit=longest, line=number)
        if number == 1:
            line = line.removeprefix(codecs.BOM_UTF8)
        if bare := line.strip():
            yield Item(number, "", bare)
    if number == 0:
        raise BadFile("empty-file")


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a CSV file, by the names of its columns in lower case."""

    line: int
    fields: Mapping[str, str]

    def __getitem__(self, name: str) -> str:
        """Empty for a column that there is not."""
        return self.fields.get(name, "")


def rows(file: BinaryIO) -> Iterator[Row]:
    """The rows of a CSV file below the first one, which names the columns.

    UTF-8 with or without a byte order mark, UTF-16 with one, else Windows-1252. Raise `BadFile`: `empty-file`,
    `too-many-columns`, `too-many-rows`, `field-too-long`, `line-too-long`, `bad-csv`.
    """
    yield from _under_names(records(file))


def _under_names(found: Iterator[tuple[int, list[str]]]) -> Iterator[Row]:
    names: list[str] = []
    for line, values in found:
        if not names:
            names = [value.strip().lower() for value in values]
            continue
        yield Row(line, dict(zip(names, (value.strip() for value in values), strict=False)))


def records(file: BinaryIO) -> Iterator[tuple[int, list[str]]]:
    """Every row that is not empty, with its line."""
    wrapped = io.TextIOWrapper(file, encoding=_encoding(file), errors="replace", newline="")
    try:
        yield from _records(wrapped)
    finally:
        wrapped.detach()


def _records(wrapped: io.TextIOWrapper) -> Iterator[tuple[int, list[str]]]:
    first = wrapped.readline(LINE_CHARS)
    delimiter = ";" if first.count(";") > first.count(",") else ","
    reader = csv.reader(_bounded(first, wrapped), delimiter=delimiter)
    found = 0
    try:
        for values in reader:
            if len(values) > COLUMNS:
                raise BadFile("too-many-columns", limit=COLUMNS, line=reader.line_num)
            if any(len(value) > FIELD_CHARS for value in values):
                raise BadFile("field-too-long", limit=FIELD_CHARS, line=reader.line_num)
            if any(values):
                found += 1
                yield reader.line_num, values
            if found > ROWS:
                raise BadFile("too-many-rows", limit=ROWS)
    except csv.Error as error:
        raise BadFile("bad-csv", line=reader.line_num, reason=str(error)) from None
    if not found:
        raise BadFile("empty-file")


def _bounded(first: str, wrapped: io.TextIOWrapper) -> Iterator[str]:
    number, line = 1, first
    while line:
        if len(line) >= LINE_CHARS and not line.endswith(("\n", "\r")):
            raise BadFile("line-too-long", limit=LINE_CHARS, line=number)
        yield line.replace("\0", "")
        line = wrapped.readline(LINE_CHARS)
        number += 1


def _encoding(file: BinaryIO) -> str:
    """What the file is written in, by its mark or by whether it can be UTF-8."""
    start = file.read(4)
    file.seek(0)
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for chunk in iter(lambda: file.read(CHUNK), b""):
            decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return "cp1252"
    finally:
        file.seek(0)
    return "utf-8-sig"


def is_zip(file: BinaryIO) -> bool:
    start = file.read(4)
    file.seek(0)
    return start[:4] in (b"PK\x03\x04", END_OF_ZIP)


def files(file: BinaryIO) -> Iterator[tuple[str, BinaryIO]]:
    """The files of a zip in the order of their names, each open while it is being looked at.

    Raise `BadFile`: `bad-zip` for what is cut off, encrypted or packed in an unusual way, `zip-too-large`.
    """
    _check_directory(file)
    try:
        with zipfile.ZipFile(file) as archive:
            infos = sorted((i for i in archive.infolist() if not i.is_dir()), key=lambda info: info.filename)
            _check_sizes(infos)
            for info in infos:
                with archive.open(info) as opened:
                    yield info.filename, cast(BinaryIO, opened)
    except DAMAGE as error:
        raise BadFile("bad-zip", reason=str(error)[:200]) from None


def _check_directory(file: BinaryIO) -> None:
    """Its directory is read as a whole, so its size is looked at first."""
    size = file.seek(0, io.SEEK_END)
    file.seek(max(0, size - END_BYTES - COMMENT_BYTES))
    tail = file.read()
    file.seek(0)
    at = tail.rfind(END_OF_ZIP)
    if at < 0 or len(tail) - at < END_BYTES:
        raise BadFile("bad-zip", reason="its end is missing")
    if int.from_bytes(tail[at + 12 : at + 16], "little") > DIRECTORY_BYTES:
        raise BadFile("zip-too-large", limit_files=FILES)


def _check_sizes(infos: list[zipfile.ZipInfo]) -> None:
    if len(infos) > FILES:
        raise BadFile("zip-too-large", limit_files=FILES)
    unpacked = sum(info.file_size for info in infos)
    packed = sum(info.compress_size for info in infos)
    if unpacked > UNPACKED_BYTES or (unpacked > RATIO_FROM and unpacked > RATIO * packed):
        raise BadFile("zip-too-large", limit=UNPACKED_BYTES, bytes=unpacked)
