"""A thread as a plain reading of the log has it, comment after comment, and that the rows say the same."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from msgspec import Struct, field

from comments.projections.search import thread_word, vector
from events.contracts.comments import Deleted, Edited, Hidden, Posted, Reacted, Removed, Restored
from events.log import Commit
from events.projection import Db

Named = tuple[str, str]
"""Thread and comment."""


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

    def __init__(self, commits: Iterable[Commit]) -> None:
        self.comments: dict[Named, Told] = {}
        self._below: defaultdict[Named, list[Named]] = defaultdict(list)
        self.reactions: dict[tuple[str, str, str, str], bool] = {}
        """By uid, thread, comment and emoji, whether it counts."""
        for commit in commits:
            for event in commit.events:
                self._read(event, commit.sequence)
        self._emoji: defaultdict[Named, Counter[str]] = defaultdict(Counter)
        for (_, thread_id, comment_id, emoji), counts in self.reactions.items():
            if counts:
                self._emoji[thread_id, comment_id][emoji] += 1

    def _read(self, event: Any, position: int) -> None:
        named = getattr(event, "thread_id", ""), getattr(event, "comment_id", "")
        match event:
            case Posted():
                self.comments[named] = Told(event, position, event.text, event.spoiler, event.veil)
                if event.parent:
                    self._below[event.thread_id, event.parent].append(named)
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
        return self._below.get(named, [])

    def shown(self, named: Named) -> bool:
        return self.comments[named].visible or any(map(self.shown, self.below(named)))

    def replies(self, named: Named) -> int:
        return sum(map(self.shown, self.below(named)))

    def all_replies(self, named: Named) -> int:
        return sum(self.shown(one) + self.all_replies(one) for one in self.below(named))

    def emoji(self, named: Named) -> Counter[str]:
        return self._emoji.get(named, Counter())

    def visible(self, thread_id: str) -> list[Told]:
        return [told for (t, _), told in self.comments.items() if t == thread_id and told.visible]


async def says_what_was_told(db: Db, commits: Iterable[Commit]) -> None:
    """Compare every row about threads with a plain reading of *commits*."""
    reading = Reading(commits)
    rows = await db.fetch("select * from comment")
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
    await _keeps_what_was_said(db, reading)
    await _counts_what_can_be_seen(db, reading)
    await _knows_who_wrote(db, reading)
    await _finds_what_can_be_seen(db, reading)


async def _keeps_what_was_said(db: Db, reading: Reading) -> None:
    said: defaultdict[Named, list[Any]] = defaultdict(list)
    for row in await db.fetch("select * from edit order by position"):
        said[row["thread_id"], row["comment_id"]].append((row["text"], row["spoiler"], row["until"]))
    assert said == {named: told.said for named, told in reading.comments.items() if told.said}
    put = await db.fetch("select uid, thread_id, comment_id, emoji, not shadow from reaction")
    assert {tuple(row)[:4]: row[4] for row in put} == reading.reactions
    counts = await db.fetch("select * from reacted")
    assert {tuple(row)[:3]: row["people"] for row in counts} == {
        (*named, emoji): people for named in reading.comments for emoji, people in reading.emoji(named).items()
    }


async def _counts_what_can_be_seen(db: Db, reading: Reading) -> None:
    for row in await db.fetch("select * from thread"):
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
        strip = await db.fetch("select part, comments from strip where thread_id = $1", row["thread_id"])
        assert dict(map(tuple, strip)) == Counter(
            int(one.media_seconds // 10) for one in posted if one.media_seconds is not None
        )
        days = await db.fetch("select day, comments from day where thread_id = $1", row["thread_id"])
        assert dict(map(tuple, days)) == Counter(one.at.date() for one in posted)


async def _knows_who_wrote(db: Db, reading: Reading) -> None:
    authors: dict[Named, list[int]] = {}
    for (thread_id, _), told in reading.comments.items():
        mine = authors.setdefault((told.posted.uid, thread_id), [0, 0, 0])
        mine[0] += told.visible
        mine[1] += told.gone is None
        mine[2] = max(mine[2], told.position)
    rows = await db.fetch("select * from author")
    assert {tuple(row)[:2]: list(row)[2:] for row in rows} == authors


async def _finds_what_can_be_seen(db: Db, reading: Reading) -> None:
    rows = await db.fetch("select position, thread_id, comment_id, search::text from said")
    found = {tuple(row)[:3]: row["search"] for row in rows}
    assert found.keys() == {(told.position, *named) for named, told in reading.comments.items() if told.visible}
    for (_, thread_id, comment_id), words in found.items():
        assert thread_word(thread_id) in words
        written = vector(reading.comments[thread_id, comment_id].text, thread_id)
        assert set(_lexemes(written)) <= set(_lexemes(words))


def _lexemes(words: str) -> Iterator[str]:
    return (word.partition(":")[0] for word in words.split())
