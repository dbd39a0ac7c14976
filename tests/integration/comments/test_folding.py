"""Whatever happens in threads, the rows say what a plain reading of the log does, and do not depend on the batches."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import Struct, field
from tests.integration.comments.threads import ANA, BOB, CYD, MOD, P, T, Talk, U, asking
from tests.integration.readmodels import ReadModel
from tests.integration.recording import cut

from comments.projections.search import thread_word, vector
from comments.queries.threads import replies, thread
from events.contracts.comments import (
    CommentView,
    Deleted,
    Edited,
    Hidden,
    Posted,
    Reacted,
    Removed,
    Restored,
    ShowReplies,
    ShowThread,
)

PEOPLE = (ANA, BOB, CYD)
THREADS = (T, T, U, P)
TEXTS = ("Whoa", "What a scene", "進撃の巨人", "It's his best", "İstanbul ß x2")
SECONDS = (None, None, 0.0, 9.9, 10.0, 125.0)
Named = tuple[str, str]


class Told(Struct):
    """What a plain reading of the log knows of a comment."""

    posted: Posted
    position: int
    text: str
    spoiler: bool
    veil: str
    gone: str | None = None
    edited_at: datetime | None = None
    said: list[tuple[str, bool, datetime]] = field(default_factory=list)

    @property
    def visible(self) -> bool:
        return not self.veil and self.gone is None


class Reading:
    """Comment after comment, as one would with pen and paper."""

    def __init__(self, talk: Talk) -> None:
        self.comments: dict[Named, Told] = {}
        self.reactions: dict[tuple[str, str, str, str], bool] = {}
        """By uid, thread, comment and emoji, whether it counts."""
        for commit in talk.commits:
            for event in commit.events:
                self._read(event, commit.sequence)

    def _read(self, event: Any, position: int) -> None:
        named = getattr(event, "thread_id", ""), getattr(event, "comment_id", "")
        match event:
            case Posted():
                self.comments[named] = Told(event, position, event.text, event.spoiler, event.veil)
            case Reacted(on=True):
                self.reactions[event.uid, *named, event.emoji] = not event.veil
            case Reacted():
                self.reactions.pop((event.uid, *named, event.emoji), None)
            case Edited():
                told = self.comments[named]
                told.said.append((told.text, told.spoiler, event.at))
                told.text = told.text if event.text is None else event.text
                told.spoiler = told.spoiler if event.spoiler is None else event.spoiler
                told.edited_at, told.veil = event.at, event.veil or told.veil
            case Deleted() | Removed():
                told = self.comments[named]
                told.gone, told.text, told.said = "deleted" if isinstance(event, Deleted) else "removed", "", []
            case Hidden():
                self.comments[named].veil = "moderated"
            case Restored():
                self.comments[named].veil = ""

    def below(self, named: Named) -> list[Named]:
        return [(t, id) for (t, id), told in self.comments.items() if t == named[0] and told.posted.parent == named[1]]

    def shown(self, named: Named) -> bool:
        return self.comments[named].visible or any(map(self.shown, self.below(named)))

    def replies(self, named: Named) -> int:
        return sum(map(self.shown, self.below(named)))

    def all_replies(self, named: Named) -> int:
        return sum(self.shown(one) + self.all_replies(one) for one in self.below(named))

    def emoji(self, named: Named) -> Counter[str]:
        return Counter(key[3] for key, counts in self.reactions.items() if counts and key[1:3] == named)

    def visible(self, thread_id: str) -> list[Told]:
        return [told for (t, _), told in self.comments.items() if t == thread_id and told.visible]


def lived(chance: Random, steps: int) -> Talk:
    talk = Talk()
    for id in dict.fromkeys(THREADS):
        talk.begin(id)
    there: dict[str, list[tuple[str, str]]] = {id: [] for id in THREADS}
    for _ in range(steps):
        id = chance.choice(THREADS)
        if not there[id] or chance.random() < 0.4:
            by, to = chance.choice(PEOPLE), chance.choice([None, *(one for one, _ in there[id][-6:])])
            veil = chance.choice(("", "", "", "", "shadow", "held"))
            seconds, language = chance.choice(SECONDS), chance.choice((None, "en", "ja"))
            new = talk.post(
                chance.choice(TEXTS), by, to, thread=id, veil=veil, media_seconds=seconds, language=language,
                mentions=(MOD,),
            )  # fmt: skip
            there[id].append((new, by))
        else:
            _something(talk, chance, id, *chance.choice(there[id]))
    return talk


def _something(talk: Talk, chance: Random, thread_id: str, id: str, by: str) -> None:
    what = chance.choice(("edit", "edit", "veil", "delete", "hide", "hide", "restore", "restore", "remove", "react"))
    gone = any(
        isinstance(event, Deleted | Removed) and (event.thread_id, event.comment_id) == (thread_id, id)
        for commit in talk.commits
        for event in commit.events
    )
    if what == "react" or gone:
        who, emoji = chance.choice(PEOPLE), chance.choice(("👍", "🔥"))
        veil = chance.choice(("", "", "shadow"))
        talk.react(id, emoji, who, chance.random() < 0.7, thread=thread_id, veil=veil)
    elif what == "edit":
        talk.edit(id, chance.choice((None, *TEXTS)), by, thread_id, spoiler=chance.choice((None, True, False)))
    elif what == "veil":
        talk.edit(id, "Held", by, thread_id, veil="held", rule="words")
    elif what == "delete":
        talk.delete(id, by, thread_id)
    else:
        {"hide": talk.hide, "restore": talk.restore, "remove": talk.remove}[what](id, thread_id)


async def _says_what_was_told(model: ReadModel, talk: Talk) -> None:
    reading = Reading(talk)
    rows = await model.reader.fetch("select * from comment")
    assert {(row["thread_id"], row["comment_id"]) for row in rows} == reading.comments.keys()
    for row in rows:
        named = row["thread_id"], row["comment_id"]
        told = reading.comments[named]
        assert (row["text"], row["spoiler"], row["veil"], row["gone"], row["edited_at"], row["visible"]) == (
            told.text, told.spoiler, told.veil, told.gone, told.edited_at, told.visible,
        )  # fmt: skip
        below = reading.all_replies(named) if told.posted.parent is None else 0
        assert (row["shown"], row["replies"], row["all_replies"], row["reactions"]) == (
            reading.shown(named), reading.replies(named), below, reading.emoji(named).total(),
        )  # fmt: skip
        assert (row["uid"], row["parent"], row["position"]) == (told.posted.uid, told.posted.parent, told.position)
    await _keeps_what_was_said(model, reading)
    await _counts_what_can_be_seen(model, reading)
    await _knows_who_wrote(model, reading)
    await _finds_what_can_be_seen(model, reading)


async def _keeps_what_was_said(model: ReadModel, reading: Reading) -> None:
    edits = await model.reader.fetch("select * from edit order by position")
    said = [((row["thread_id"], row["comment_id"]), row["text"], row["spoiler"], row["until"]) for row in edits]
    known = [(named, *said) for named, told in reading.comments.items() for said in told.said]
    assert said == sorted(known, key=lambda one: one[3])
    put = await model.reader.fetch("select uid, thread_id, comment_id, emoji, not shadow from reaction")
    assert {tuple(row)[:4]: row[4] for row in put} == reading.reactions
    counts = await model.reader.fetch("select * from reacted")
    assert {tuple(row)[:3]: row["people"] for row in counts} == {
        (*named, emoji): people for named in reading.comments for emoji, people in reading.emoji(named).items()
    }


async def _counts_what_can_be_seen(model: ReadModel, reading: Reading) -> None:
    for row in await model.reader.fetch("select * from thread"):
        seen = reading.visible(row["thread_id"])
        posted = [told.posted for told in seen]
        named = [(one.thread_id, one.comment_id) for one in posted]
        assert (row["comments"], row["people"], row["replies"], row["timed"], row["reactions"], row["latest_at"]) == (
            len(seen),
            len({one.uid for one in posted}),
            sum(one.parent is not None for one in posted),
            sum(one.media_seconds is not None for one in posted),
            sum(reading.emoji(one).total() for one in named),
            max((one.at for one in posted), default=None),
        )
        strip = await model.reader.fetch("select part, comments from strip where thread_id = $1", row["thread_id"])
        assert dict(map(tuple, strip)) == Counter(
            int(one.media_seconds // 10) for one in posted if one.media_seconds is not None
        )
        days = await model.reader.fetch("select day, comments from day where thread_id = $1", row["thread_id"])
        assert dict(map(tuple, days)) == Counter(one.at.date() for one in posted)


async def _knows_who_wrote(model: ReadModel, reading: Reading) -> None:
    authors: dict[Named, list[int]] = {}
    for (thread_id, _), told in reading.comments.items():
        mine = authors.setdefault((told.posted.uid, thread_id), [0, 0, 0])
        mine[0] += told.visible
        mine[1] += told.gone is None
        mine[2] = max(mine[2], told.position)
    rows = await model.reader.fetch("select * from author")
    assert {tuple(row)[:2]: list(row)[2:] for row in rows} == authors


async def _finds_what_can_be_seen(model: ReadModel, reading: Reading) -> None:
    rows = await model.reader.fetch("select position, thread_id, comment_id, search::text from said")
    found = {tuple(row)[:3]: row["search"] for row in rows}
    assert found.keys() == {(told.position, *named) for named, told in reading.comments.items() if told.visible}
    for (_, thread_id, comment_id), words in found.items():
        assert thread_word(thread_id) in words
        written = vector(reading.comments[thread_id, comment_id].text, thread_id)
        assert set(_lexemes(written)) <= set(_lexemes(words))


def _lexemes(words: str) -> Iterator[str]:
    return (word.partition(":")[0] for word in words.split())


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(chance=st.randoms(use_true_random=False), steps=st.integers(1, 40), size=st.integers(2, 15))
async def test_any_interleaving_in_any_batches_reads_as_the_log_does(
    model: ReadModel, chance: Random, steps: int, size: int
) -> None:
    talk = lived(chance, steps)
    await model.empty()
    await model.apply(*cut(talk.commits, size))

    await _says_what_was_told(model, talk)


@pytest.mark.parametrize("seed", range(6))
async def test_however_the_log_is_cut_the_rows_are_the_same(model: ReadModel, seed: int) -> None:
    talk = lived(Random(seed), 300)
    found = []
    for size in (1, 2, 7, len(talk.commits)):
        await model.empty()
        await model.apply(*cut(talk.commits, size))
        found.append(await model.same())

    assert found[0] == found[1] == found[2] == found[3]
    await _says_what_was_told(model, talk)


@pytest.mark.parametrize("order", ["newest", "oldest", "top", "moment"])
@pytest.mark.parametrize("seed", [100, 101])
async def test_all_pages_together_show_each_comment_once_and_before_its_replies(
    model: ReadModel, seed: int, order: Any
) -> None:
    talk = lived(Random(seed), 250)
    await model.apply(*cut(talk.commits, 50))
    reading = Reading(talk)
    tops: list[CommentView] = []
    more = None
    while not tops or more is not None:
        query = ShowThread(media="tt0133093", order=order, depth=0, limit=3, cursor=more)
        page = await thread(model.reader, query, asking())
        tops += page.comments
        more = page.cursor
    everything = [one for top in tops for one in (top, *await _all_below(model, top.comment_id))]
    ids = [one.comment_id for one in everything]
    place = {id: at for at, id in enumerate(ids)}

    assert len(ids) == len(place)
    assert place.keys() == {id for t, id in reading.comments if t == T and reading.shown((t, id))}
    assert all(one.parent is None or place[one.parent] < place[one.comment_id] for one in everything)
    keys = [_key(order, one) for one in tops if one.gone is None]
    assert keys == sorted(keys)


def _key(order: str, view: CommentView) -> tuple[Any, ...]:
    at = view.posted_at.timestamp()
    match order:
        case "newest":
            return (-at,)
        case "top":
            return (-sum(one.people for one in view.reactions), -at)
        case "moment":
            return (view.media_seconds is None, view.media_seconds or 0.0, at)
    return (at,)


async def _all_below(model: ReadModel, id: str) -> list[CommentView]:
    found: list[CommentView] = []
    more = None
    while True:
        query = ShowReplies(thread_id=T, comment_id=id, depth=0, limit=2, cursor=more)
        page = await replies(model.reader, query, asking())
        for one in page.replies:
            found += [one, *await _all_below(model, one.comment_id)]
        if (more := page.cursor) is None:
            return found
