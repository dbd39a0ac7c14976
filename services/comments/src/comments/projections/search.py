"""The words of comments as they are found: letters folded, so that neither case nor accents matter, and pairs of signs
where a script has no spaces between words."""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from comments.projections.facts import columns
from events.projection import Db

LONGEST = 100
"""Letters of a word that count."""

# By ISO 639-1: what PostgreSQL knows the forms of words of.
CONFIGS = {
    "ar": "arabic", "ca": "catalan", "da": "danish", "de": "german", "el": "greek", "en": "english", "es": "spanish",
    "eu": "basque", "fi": "finnish", "fr": "french", "ga": "irish", "hi": "hindi", "hu": "hungarian", "hy": "armenian",
    "id": "indonesian", "it": "italian", "lt": "lithuanian", "ne": "nepali", "nl": "dutch", "no": "norwegian",
    "pt": "portuguese", "ro": "romanian", "ru": "russian", "sr": "serbian", "sv": "swedish", "ta": "tamil",
    "tr": "turkish", "yi": "yiddish",
}  # fmt: skip

UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff]+"
)
"""Thai, Lao, Burmese, Khmer, kana, Han; and Hangul, whose words take on endings."""

ADD = """
    insert into said (position, thread_id, comment_id, party_id, search)
    select position, thread_id, comment_id, party_id,
           case when config = '' then words::tsvector
                else words::tsvector || to_tsvector(config::regconfig, plain) end
      from unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[])
           as new (position, thread_id, comment_id, party_id, words, config, plain)
"""

REMOVE = "delete from said where position = any($1::bigint[])"


class Said(NamedTuple):
    """A comment, by the commit that posted it, and what it says now."""

    position: int
    thread_id: str
    comment_id: str
    party_id: str | None
    text: str
    language: str | None


class _Folded(dict[int, str]):
    """By code point, what stands for a letter: a space for what is none, nothing for what is only a mark on one."""

    def __missing__(self, code: int) -> str:
        found = self[code] = _folded(chr(code), accents=False)
        return found


class _Lowered(dict[int, str]):
    """The same with accents, which the forms of words depend on."""

    def __missing__(self, code: int) -> str:
        found = self[code] = _folded(chr(code), accents=True)
        return found


FOLDED = _Folded()
_LOWERED = _Lowered()


def tokens(text: str) -> list[str]:
    """The words of a *text* in order. Of signs without spaces, each with the next one, and the last one alone."""
    words = text.translate(FOLDED).split()
    if text.isascii():
        return [word[:LONGEST] for word in words]
    found: list[str] = []
    for word in words:
        if word.isascii():
            found.append(word[:LONGEST])
        else:
            found.extend(_parts(word))
    return found


def plain(text: str) -> str:
    """As PostgreSQL finds the forms of words in it."""
    return text.translate(_LOWERED)


def vector(text: str, thread_id: str) -> str:
    """The words of a comment, each with its place, as PostgreSQL reads them; and its thread, as a word."""
    words = [f"'{token}':{place}" for place, token in enumerate(tokens(text), 1)]
    return " ".join((thread_word(thread_id), *words))


def thread_word(thread_id: str) -> str:
    """What no text has as a word, since no word begins with an @."""
    escaped = thread_id.replace("\\", "\\\\").replace("'", "''")
    return f"'@{escaped}'"


async def add(db: Db, said: Iterable[Said]) -> None:
    """Have the words of comments found, which can be seen now."""
    if rows := [_row(one) for one in said]:
        await db.execute(ADD, *columns(rows))


async def remove(db: Db, positions: Sequence[int]) -> None:
    if positions:
        await db.execute(REMOVE, positions)


def _row(one: Said) -> tuple[Any, ...]:
    *where, text, language = one
    config = CONFIGS.get(language or "", "")
    return (*where, vector(text, one.thread_id), config, plain(text) if config else "")


def _parts(word: str) -> Iterator[str]:
    """A word of several scripts falls into parts."""
    end = 0
    for run in UNSPACED.finditer(word):
        if run.start() > end:
            yield word[end : run.start()][:LONGEST]
        signs = run[0]
        yield from (signs[at : at + 2] for at in range(len(signs)))
        end = run.end()
    if end < len(word):
        yield word[end:][:LONGEST]


def _folded(letter: str, *, accents: bool) -> str:
    kind = unicodedata.category(letter)
    if kind == "Cf":
        return ""
    folded = unicodedata.normalize("NFKC", letter).casefold()
    if not accents:
        folded = "".join(one for one in unicodedata.normalize("NFKD", folded) if not "\u0300" <= one <= "\u036f")
    folded = unicodedata.normalize("NFKC", folded)
    return "".join(one if unicodedata.category(one)[0] in "LNM" else " " for one in folded)
