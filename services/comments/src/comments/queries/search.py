"""Finds comments by words.

What is ranked is bounded: of all comments with the words, the newest `RANKED`. So a word that everybody uses costs no
more than a rare one; older comments with it are found by adding another word, or a thread.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from typing import Annotated, Any, NamedTuple

from msgspec import Meta

from comments.projections.search import CONFIGS, FOLDED, UNSPACED, plain, thread_word, tokens
from comments.queries.rights import PAGE_BYTES, fitting, readable
from comments.queries.views import COLUMNS, reactions_to, thread_view, threads_of, view_of
from events import cursor
from events.contracts.comments import FoundComment, FoundPage, Piece, SearchComments, room_of
from events.messages import Context
from events.projection import Db

RANKED = 2_000
WORDS = 20
"""Of one search; what stands behind them is not looked for."""
SHORTEST = 2
"""Letters of a word that may be a beginning: fewer begin too many."""
BEFORE, LONGEST = 60, 240
"""Letters of a snippet: before what was found first, and all."""

# The words of those that can be read, newest first, then the best of them. Parties in which moderators keep the asker
# out count as little as those of others.
FOUND = f"""
    with newest as materialized (
        select position, thread_id, comment_id, search from said
         where search @@ $1::tsquery and position <= $2
           and (party_id is null or $3::bool or party_id = any($4::text[]) and not exists (
               select from standing where place = 'party:' || party_id and standing.uid = $5
                  and banned and coalesce(banned_until > $6, true)))
         order by position desc limit {RANKED}),
    best as (
        select thread_id, comment_id, position, ts_rank(search, $7::tsquery, 1)::float8 as rank, $2 as until
          from newest),
    page as (
        select * from best where (rank, position) < ($8, $9) order by rank desc, position desc limit $10)
    select {COLUMNS}, page.rank
      from page, lateral (select * from comment
        where comment.thread_id = page.thread_id and comment.comment_id = page.comment_id limit 1) as comment
     order by page.rank desc, page.position desc
"""

NEWEST = "select coalesce(max(position), 0) from said"
STEMS = """
    select word, tsvector_to_array(to_tsvector($1::text::regconfig, word)) as stems from unnest($2::text[]) as word
"""
FORMS = "select phraseto_tsquery($1::text::regconfig, words)::text as query from unnest($2::text[]) as words"

_TERMS = re.compile(r'(-?)(?:"([^"]*)"?|(\S+))')


class Term(NamedTuple):
    """A word of a search, or some that stand together."""

    tokens: tuple[str, ...]
    text: str
    without: bool
    beginning: bool
    """Whether the last of them may go on."""


class Sought(NamedTuple):
    """A search: one of these groups, of each all terms."""

    groups: Sequence[Sequence[Term]]

    @property
    def terms(self) -> Iterator[Term]:
        """What is there in what is found."""
        return (term for group in self.groups for term in group if not term.without)


class Place(NamedTuple):
    """A place among what was found, in what there was then."""

    until: Annotated[int, Meta(ge=0, le=2**63 - 1)]
    rank: Annotated[float, Meta(ge=0, le=1_000)]
    position: Annotated[int, Meta(ge=0, le=2**63 - 1)]


async def search(db: Db, query: SearchComments, context: Context) -> FoundPage:
    after = None if query.cursor is None else cursor.read(query.cursor, Place)
    thread_id = query.thread_id
    await readable(db, room_of(thread_id) if thread_id else None, context)
    sought = _read(query.search)
    if not sought.groups:
        return FoundPage([], None)
    config = CONFIGS.get(query.language or "", "")
    forms = await _forms(db, config, sought)
    words = _written(sought, forms)
    until = await db.fetchval(NEWEST) if after is None else after.until
    place = after or Place(until, 1_000, 2**63 - 1)
    rows = await db.fetch(
        FOUND,
        f"{thread_word(thread_id)} & ({words})" if thread_id else words,
        until,
        thread_id is not None,
        list(context.told.get("party.mine", ())),
        context.actor,
        context.now,
        words,
        place.rank,
        place.position,
        query.limit + 1,
    )
    found = await _found(db, rows[: query.limit], sought, config)
    page = fitting(found, PAGE_BYTES)
    if len(rows) == len(page):
        return FoundPage(page, None)
    last = rows[len(page) - 1]
    return FoundPage(page, cursor.write(Place(until, last["rank"], last["position"])))


async def _found(db: Db, rows: Sequence[Any], sought: Sought, config: str) -> list[FoundComment]:
    threads = await threads_of(db, (row["thread_id"] for row in rows))
    on = await reactions_to(db, rows)
    stems = await _stemmed(db, config, sought, rows) if config and rows else frozenset()
    return [
        FoundComment(
            comment=view_of(
                row,
                on.get((row["thread_id"], row["comment_id"]), []),
                threads[row["thread_id"]]["pins"],
            ),
            thread=thread_view(threads[row["thread_id"]]),
            snippet=snippet(row["text"], sought, stems),
            rank=row["rank"],
        )
        for row in rows
        if row["thread_id"] in threads
    ]


def _read(text: str) -> Sought:
    """What a search asks for; groups in which nothing need be there find nothing."""
    groups: list[list[Term]] = [[]]
    count = 0
    for found in _TERMS.finditer(text):
        without, quoted, word = found[1] == "-", found[2], found[3]
        if word is not None and word.lower() == "or" and not without:
            groups.append([])
            continue
        said = word if quoted is None else quoted
        last = quoted is None and found.end() == len(text)
        term = _term(said, without=without, last=last)
        count += len(term.tokens)
        if term.tokens and count <= WORDS + len(term.tokens):
            groups[-1].append(term)
        if count > WORDS:
            break
    return Sought([group for group in groups if any(not term.without for term in group)])


def _term(text: str, *, without: bool, last: bool) -> Term:
    found = tokens(text)[:WORDS]
    signs = bool(found) and UNSPACED.fullmatch(found[-1]) is not None
    if signs and len(found) > 1 and len(found[-1]) == 1 and len(found[-2]) == 2 and found[-2][1] == found[-1]:
        found.pop()  # the signs may go on in what is found
    beginning = bool(found) and not without and (signs or (last and len(found[-1]) >= SHORTEST))
    return Term(tuple(found), text, without, beginning)


async def _forms(db: Db, config: str, sought: Sought) -> dict[str, str]:
    """By text, as PostgreSQL looks for other forms of its words."""
    texts = list({term.text for group in sought.groups for term in group})
    if not config:
        return {}
    rows = await db.fetch(FORMS, config, [plain(text) for text in texts])
    return {text: row["query"] for text, row in zip(texts, rows, strict=True)}


def _written(sought: Sought, forms: dict[str, str]) -> str:
    """As PostgreSQL reads it. Words are letters and digits alone, so that nothing in them means anything."""
    return " | ".join(f"({' & '.join(_asked(term, forms) for term in group)})" for group in sought.groups)


def _asked(term: Term, forms: dict[str, str]) -> str:
    words = [f"'{token}'" for token in term.tokens]
    if term.beginning:
        words[-1] += ":*"
    exact = " <-> ".join(words)
    found = f"({exact} | {forms[term.text]})" if forms.get(term.text) else f"({exact})"
    return f"!{found}" if term.without else found


async def _stemmed(db: Db, config: str, sought: Sought, rows: Sequence[Any]) -> frozenset[str]:
    """The words in these texts that are forms of what was asked for, folded."""
    asked = {word for term in sought.terms for word in plain(term.text).split()}
    there = {word for row in rows for word in plain(row["text"]).split()}
    found = await db.fetch(STEMS, config, list(asked | there))
    stems = {row["word"]: frozenset(row["stems"]) for row in found}
    wanted = frozenset().union(*(stems[word] for word in asked))
    return frozenset(word.translate(FOLDED) for word in there if stems[word] & wanted)


def snippet(text: str, sought: Sought, stems: Collection[str] = ()) -> list[Piece]:
    """The part of a *text* where what was sought comes first, in pieces."""
    spans = _spans(text, sought, stems)
    first = spans[0][0] if spans else 0
    start = _word_start(text, first - BEFORE) if first > BEFORE else 0
    end = min(len(text), start + LONGEST)
    pieces = [Piece("…", False)] if start else []
    at = start
    for begin, stop in spans:
        begin, stop = max(begin, at), min(stop, end)
        if begin >= stop:
            continue
        if begin > at:
            pieces.append(Piece(text[at:begin], False))
        pieces.append(Piece(text[begin:stop], True))
        at = stop
    if at < end:
        pieces.append(Piece(text[at:end], False))
    if end < len(text):
        pieces.append(Piece("…", False))
    return pieces


def _word_start(text: str, at: int) -> int:
    """The beginning of a word from there on, if there is one near."""
    space = text.find(" ", at, at + 20)
    return at if space < 0 else space + 1


def _spans(text: str, sought: Sought, stems: Collection[str]) -> list[tuple[int, int]]:
    """Where words of a search stand in a *text*."""
    words = {token for term in sought.terms for token in term.tokens}
    beginnings = tuple(term.tokens[-1] for term in sought.terms if term.beginning)
    folded, origins = _folded(text)
    found = []
    for word in re.finditer(r"\S+", folded):
        for part in _parts(word[0]):
            begin, stop = word.start() + part.start(), word.start() + part.end()
            if UNSPACED.match(part[0]):
                found += [(begin + at, begin + to) for at, to in _signs(part[0], words)]
            elif part[0] in words or part[0] in stems or (beginnings and part[0].startswith(beginnings)):
                found.append((begin, stop))
    return _joined((origins[begin], origins[stop - 1] + 1) for begin, stop in sorted(found))


def _folded(text: str) -> tuple[str, list[int]]:
    """With the place in *text* that each letter comes from."""
    letters, origins = [], []
    for at, letter in enumerate(text):
        found = FOLDED[ord(letter)]
        letters.append(found)
        origins += [at] * len(found)
    return "".join(letters), origins


def _parts(word: str) -> Iterator["re.Match[str]"]:
    return re.finditer(f"{UNSPACED.pattern}|(?:(?!{UNSPACED.pattern[:-1]}).)+", word)


def _signs(run: str, words: Collection[str]) -> Iterator[tuple[int, int]]:
    for sign in words:
        if UNSPACED.fullmatch(sign):
            at = run.find(sign)
            while at >= 0:
                yield at, at + len(sign)
                at = run.find(sign, at + 1)


def _joined(spans: Iterator[tuple[int, int]]) -> list[tuple[int, int]]:
    """Those that touch are one."""
    found: list[tuple[int, int]] = []
    for begin, stop in spans:
        if found and begin <= found[-1][1]:
            found[-1] = (found[-1][0], max(stop, found[-1][1]))
        else:
            found.append((begin, stop))
    return found
