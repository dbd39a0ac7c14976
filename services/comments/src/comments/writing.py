"""What is text and what is not: how something typed is stored, and what is found in it.

Texts are stored as they were typed, in Unicode's composed form (NFC). What would make trouble wherever they are shown
is refused, not mended: whoever wrote it would find something else than they had typed.
"""

import re
from functools import cache
from unicodedata import category, combining, normalize

import emoji
from linkify_it import LinkifyIt
from linkify_it.tlds import TLDS

from events.messages import Rejected

MARKS = 8
"""On one letter. Tibetan has a word that needs them all; more are piled up to cover what is written above."""
LONGEST_NAME = 64
LONGEST_DOMAIN = 128
"""Of those that are looked for; those that people write are far shorter."""

_SURROGATE = "\ud800-\udfff"
_CONTROL = "\x00-\x08\x0b-\x1f\x7f-\x9f\u206a-\u206f\ufff9-\ufffb"
"""All but new lines and tabs, and those that Unicode keeps out of plain text."""
_NONCHARACTER = "\ufdd0-\ufdef" + "".join(f"{chr(p + 0xFFFE)}{chr(p + 0xFFFF)}" for p in range(0, 0x110000, 0x10000))
_TAG = "\U000e0000-\U000e007f"
"""Letters that nobody sees."""
_FLAG = "\U0001f3f4[\U000e0030-\U000e0039\U000e0061-\U000e007a]{3,6}\U000e007f"
"""Of a part of a country: Scotland's is a black flag and, in tags, `gbsct`."""
_DIRECTION = "\u202a-\u202e\u2066-\u2069"
_REFUSED = (
    ("half-character", re.compile(f"[{_SURROGATE}]")),
    ("control-character", re.compile(f"[{_CONTROL}]")),
    ("not-a-character", re.compile(f"[{_NONCHARACTER}]")),
    ("direction-override", re.compile("[\u202d\u202e]")),
)
_FLAG_OR_TAG = re.compile(f"({_FLAG})|[{_TAG}]")
_DIRECTIONS = re.compile(f"[{_DIRECTION}]")
_CLOSES = {"\u202a": "\u202c", "\u202b": "\u202c", "\u2066": "\u2069", "\u2067": "\u2069", "\u2068": "\u2069"}
"""What ends an embedding, or an isolate."""
_UNNAMED = re.compile(f"[{_SURROGATE}{_NONCHARACTER}{_DIRECTION}]")
_BREAKS = re.compile(f"[{_CONTROL}\\s]+")
_BLANK = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]")
"""What cannot be seen though it is neither a space nor a format character: fillers, and selectors of variants."""


def readable(text: str, longest: int) -> str:
    """The text as it is stored. Raise `Rejected("text-unreadable")`, with the `reason`, for what is none."""
    typed = text.replace("\r\n", "\n")
    composed = normalize("NFC", typed)
    if reason := _trouble(composed):
        raise Rejected("text-unreadable", reason=reason)
    if len(composed) > longest:
        raise Rejected("invalid-argument", field="text", reason=f"{longest} characters at most, in composed form")
    return composed


def _trouble(text: str) -> str:
    """What is wrong with a text; empty for nothing."""
    for reason, refused in _REFUSED:
        if refused.search(text):
            return reason
    if any(not match[1] for match in _FLAG_OR_TAG.finditer(text)):
        return "invisible-tag"
    if not _is_balanced(text):
        return "direction-left-open"
    if not _is_visible(text):
        return "nothing-visible"
    return "" if text.isascii() or _most_marks(text) <= MARKS else "too-many-marks"


def _is_balanced(text: str) -> bool:
    """Whether each embedding and isolate ends within the text, and nothing ends that did not begin."""
    opened: list[str] = []
    for sign in _DIRECTIONS.findall(text):
        if sign in _CLOSES:
            opened.append(_CLOSES[sign])
        elif not opened or opened.pop() != sign:
            return False
    return not opened


def _is_visible(text: str) -> bool:
    return any(not _is_blank(letter) for letter in text)


def _is_blank(letter: str) -> bool:
    return category(letter) in ("Cc", "Cf", "Zs", "Zl", "Zp") or _BLANK.match(letter) is not None


def _most_marks(text: str) -> int:
    """On the letter that has most. Format characters between them take no place: the marks pile up all the same."""
    most = marks = 0
    for letter in text:
        kind = category(letter)
        if kind[0] == "M":
            marks += 1
            most = max(most, marks)
        elif kind != "Cf":
            marks = 0
    return most


def shown_name(given: str | None, known: str) -> str:
    """What somebody goes by: as they say now, or else as their token does, which nobody has measured yet."""
    name = label(known if given is None else given, LONGEST_NAME)
    if name is None:
        raise Rejected("name-missing")
    return name


def label(text: str, longest: int) -> str | None:
    """A name or a title, in one line and without what would make trouble; None if nothing of it can be seen."""
    line = _BREAKS.sub(" ", _untagged(_UNNAMED.sub("", text))).strip()
    plain = _untagged(normalize("NFC", line)[:longest]).strip()  # the end of a flag may have been cut off
    return plain if _is_visible(plain) and _most_marks(plain) <= MARKS else None


def _untagged(text: str) -> str:
    return _FLAG_OR_TAG.sub(lambda match: match[1] or "", text)


# What is found in a text.

_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)
"""Letters of scripts that put no spaces between words: Thai, Lao, Burmese, Khmer, Japanese, Chinese."""
_STAYING = frozenset((7, 8, 9, 84, 91, 103, 107, 118, 122, 129, 130, 132))
"""Combining classes of marks with which words are spelled: of Indic scripts, kana, Thai, Lao, Tibetan."""
_JOINING = "'’.-_"
"""Signs that stand in words: `don't` is looked for as `don` and `t` in a row."""
_ASCII_WORD = re.compile("[0-9a-z]+")
_LINKING = re.compile(r"[^\s.]\.[^\s.]|//|mailto:", re.IGNORECASE)
"""What every link has in it."""
_SCHEME = re.compile(r"(?<![a-z0-9+.-])(?:[a-z][a-z0-9+.-]{1,20}://|magnet:\?)", re.IGNORECASE)


def folded(text: str) -> str:
    """What words are looked for in: first the words of a text, a space between any two, then all of it.

    Both are in small letters, however they are written: wide or styled letters, accents, and what is put between
    letters and cannot be seen make no difference. Marks that a script spells words with stay.
    """
    plain = _plain(text)
    return f" {_words(plain)} \n {' '.join(plain.split())} "


def _plain(text: str) -> str:
    if text.isascii():
        return text.lower()
    letters = "".join(letter for letter in normalize("NFKD", text) if not _is_ornament(letter))
    return normalize("NFKC", letters.casefold())


def _words(plain: str) -> str:
    if plain.isascii():
        return " ".join(_ASCII_WORD.findall(plain))
    return " ".join("".join(letter if _spells(letter) else " " for letter in plain).split())


def _is_ornament(letter: str) -> bool:
    kind = category(letter)
    if kind == "Mn" and combining(letter):
        return combining(letter) not in _STAYING
    return kind in ("Cf", "Me") or _BLANK.match(letter) is not None


def _spells(letter: str) -> bool:
    return letter.isalnum() or category(letter)[0] == "M"


def sought(word: str) -> str:
    """What to look for in a `folded` text to find a word: whole, or as a beginning if it ends with `*`.

    In scripts without spaces between words there is no telling where one begins or ends, and what has signs in it is
    no word: these are found anywhere. Empty if there is nothing to look for.
    """
    plain = _plain(word.rstrip("*"))
    core = _words(plain)
    if not all(_spells(letter) or letter.isspace() or letter in _JOINING for letter in plain):
        return " ".join(plain.split())
    if not core:
        return ""
    first = "" if _UNSPACED.match(core[0]) else " "
    last = "" if word.endswith("*") or _UNSPACED.match(core[-1]) else " "
    return f"{first}{core}{last}"


@cache
def _links() -> LinkifyIt:
    return LinkifyIt().tlds([name.lower() for name in TLDS], True)


def has_link(text: str) -> bool:
    """Whether something in it looks like a link, also if it is a bare domain, or an address for mail."""
    plain = "".join(letter for letter in normalize("NFKC", text) if not _is_blank(letter) or letter.isspace())
    return _SCHEME.search(plain) is not None or any(map(_is_linked, plain.split()))


def _is_linked(word: str) -> bool:
    """Piece by piece, as what it takes grows with the square of the length; no domain is longer than half a piece."""
    if not _LINKING.search(word):
        return False
    pieces = range(0, max(1, len(word) - LONGEST_DOMAIN), LONGEST_DOMAIN)
    return any(_links().test(word[at : at + 2 * LONGEST_DOMAIN]) for at in pieces)


@cache
def _emoji() -> dict[str, str]:
    """Each emoji in full, by itself without selectors of variants: some keyboards leave them out."""
    whole = emoji.STATUS["fully_qualified"]
    return {_bare(text): text for text, about in emoji.EMOJI_DATA.items() if about["status"] == whole}


def _bare(text: str) -> str:
    return text.replace("\ufe0f", "")


def one_emoji(text: str) -> str:
    """The emoji in its full form, so that one and the same is counted as one."""
    found = _emoji().get(_bare(text))
    if found is None:
        raise Rejected("not-an-emoji")
    return found
