"""What other services and apps write about what somebody watches, each read as one common record."""

from collections.abc import Callable, Iterator, Mapping
from typing import BinaryIO

from library.formats import film_fanatic, imdb, letterboxd, matinee, stremio, trakt
from library.formats.reading import DAMAGE
from library.formats.records import About, AList, AnAddon, BadFile, Found, Joined, Left

__all__ = ["READERS", "AList", "About", "AnAddon", "BadFile", "Found", "Joined", "Left", "read"]

READERS: Mapping[str, Callable[[BinaryIO, str], Iterator[Found]]] = {
    "matinee": matinee.read,
    "stremio": stremio.read,
    "trakt": trakt.read,
    "imdb": imdb.read,
    "letterboxd": letterboxd.read,
    "film-fanatic": film_fanatic.read,
}


def read(kind: str, file: BinaryIO, name: str) -> Iterator[Found]:
    """The entries of a file in their order, a little of the file in memory at a time. Raise `BadFile`."""
    try:
        yield from READERS[kind](file, name)
    except DAMAGE as error:
        raise BadFile("bad-zip", reason=str(error)[:200]) from None
