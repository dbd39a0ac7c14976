"""What an installation may set about what is said, as far as deciders need it, and how it is applied to a text."""

from functools import lru_cache
from typing import NamedTuple

from msgspec import Struct

from comments.writing import folded, has_link, sought
from events.contracts.comments import Links, RoomSettings
from events.messages import Rejected

STRICTNESS: tuple[Links, ...] = ("allow", "hold", "refuse")
LISTS = 256
"""Lists of words of which what to look for is kept at hand: those of the rooms where people talk just now."""


class Rules(Struct, frozen=True, kw_only=True):
    """Words and links, everywhere, and who may begin live events. Deciders get it passed in and read no environment."""

    words_refused: tuple[str, ...] = ()
    """Whole words, or beginnings that end with `*`, with which nothing can be said."""
    words_held: tuple[str, ...] = ()
    """With which a moderator has to look at it first."""
    links: Links = "allow"
    broadcasters: str = ""
    """The role in a token that it takes; empty if anybody may."""

    def apply(self, text: str, room: RoomSettings = RoomSettings()) -> str:
        """Which rule holds a text back, `words` or `links`; empty for none. Raise `Rejected` if one refuses it.

        A room's own rules come on top: of the two about links the stricter one counts.
        """
        words = folded(text) if self.words_refused or self.words_held or room.words else ""
        if _list(self.words_refused).finds_in(words) or _list(room.words).finds_in(words):
            raise Rejected("words-refused")
        links = max(self.links, room.links, key=STRICTNESS.index)
        linked = links != "allow" and has_link(text)
        if linked and links == "refuse":
            raise Rejected("links-refused")
        return "words" if _list(self.words_held).finds_in(words) else "links" if linked else ""


class _List(NamedTuple):
    """Words, in the form in which they are looked for."""

    single: frozenset[str]
    others: tuple[str, ...]
    """Several words in a row, beginnings, and those of scripts without spaces."""

    def finds_in(self, words: str) -> bool:
        """Whether one is among the *words* of a text, in `folded` form."""
        if self.single and not self.single.isdisjoint(words.split()):
            return True
        return any(other in words for other in self.others)


@lru_cache(maxsize=LISTS)
def _list(words: tuple[str, ...]) -> _List:
    forms = dict.fromkeys(form for form in map(sought, words) if form)
    single = frozenset(form.strip() for form in forms if _is_single(form))
    return _List(single, tuple(form for form in forms if not _is_single(form)))


def _is_single(form: str) -> bool:
    return form.startswith(" ") and form.endswith(" ") and " " not in form.strip()
