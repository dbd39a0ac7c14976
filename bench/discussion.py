"""A made-up thread about one episode, as commits that the comments service could have written itself."""

import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import NamedTuple

from events.contracts.comments import (
    Deleted,
    Edited,
    Hidden,
    Posted,
    Reacted,
    ThreadBegun,
    comment_key,
    reaction_key,
    thread_key,
    thread_of,
)
from events.messages import Event, Key

MEDIA, SEASON, EPISODE = "bench:series", 1, 1
THREAD = thread_of(MEDIA, SEASON, EPISODE)
SECONDS = 1_440.0
"""Of the episode."""
PEOPLE = 5_000
REPLIES = 0.45
"""Of all comments; most answer something that was said lately."""
TIMED = 0.7
"""Of those at the top."""
TOGETHER = 200
"""Comments of one batch, with what is done to earlier ones."""
DEEPEST = 40

WORDS = tuple(
    """
    the a to and i it of is was that this in so he for but my you not on with just she they like at have what her me
    scene episode think really character music story first time ending season love watch best favorite animation
    fight never great opening why know people make feel still manga good show look again cry moment voice actor
    goosebumps laughing minute studio drawn happened before after every friends brother village captain sword train
    letter rain window winter promise memory dream secret teacher castle river forest mountain engine festival
    chapter arc villain hero mother father sister king queen soldier doctor student shadow light silence thunder
    flashback soundtrack budget pacing dialogue foreshadowing director writer plot twist cliffhanger battle speech
    """.split()  # noqa: SIM905  # a list of so many would be three pages
)
"""The more often the sooner they stand here; the first thirty say nothing."""
GERMAN = tuple(
    """
    die der und das ich ist nicht so in war ein mit auf es folge folgen szene szenen haus häuser figuren musik
    geschichte geschichten staffel kampf kämpfe ende anfang lieblingsfolge freunde bruder stadt städte träume regen
    """.split()  # noqa: SIM905
)
JAPANESE = ("この回は最高でした", "音楽が本当に好き", "次回が楽しみ", "作画がすごい", "泣いてしまった")
PHRASES = ("cold open", "final battle", "voice crack", "plot armor", "slow burn", "character growth", "rainy night")
"""Each in one of 350 comments."""
SYLLABLES = ("ka", "lo", "mi", "ren", "sha", "tor", "vel", "zu", "an", "qui", "bo", "ry", "fen", "gal", "ix", "do")
NAMES = 20_000
"""Words that are seldom: the higher their number, the more so."""
RARE_EVERY = 20_000
"""In one of so many comments there is a certain rare word: five times in 100,000."""
RARE = 40

Commits = Sequence[tuple[Key, Sequence[Event]]]


class Spoken(NamedTuple):
    """What later ones have to know of a comment."""

    id: str
    uid: str
    root: str | None
    depth: int


def rare(number: int) -> str:
    """A word that is in one of `RARE_EVERY` comments."""
    return f"xylo{seldom(number)}"


def seldom(number: int) -> str:
    """A word, by its number."""
    found = ""
    for _ in range(4):
        number, digit = divmod(number, len(SYLLABLES))
        found = SYLLABLES[digit] + found
    return found


def batches(count: int) -> Iterator[Commits]:
    """So many comments from the first to the last, with reactions to them, changes and removals.

    No batch has two commits of one aggregate. The same count gives the same.
    """
    chance = random.Random(count)
    at = datetime.now(UTC) - timedelta(days=20)
    begun = ThreadBegun(thread_id=THREAD, media=MEDIA, season=SEASON, episode=EPISODE, by=_person(0), at=at)
    yield [(thread_key(THREAD), [begun])]
    spoken: list[Spoken] = []
    step = timedelta(days=19) / count
    for first in range(0, count, TOGETHER):
        numbers = range(first, min(first + TOGETHER, count))
        commits = _changes(chance, spoken, len(numbers), at) if spoken else []
        # Those of one batch answer only what came before it.
        said = [_posted(chance, spoken, number, at + step * (number - first)) for number in numbers]
        spoken += [Spoken(each.comment_id, each.uid, each.root, each.depth) for each in said]
        at += step * len(numbers)
        yield [*commits, *((comment_key(THREAD, each.comment_id), [each]) for each in said)]


def _posted(chance: random.Random, spoken: Sequence[Spoken], number: int, at: datetime) -> Posted:
    parent = _parent(chance, spoken) if spoken and chance.random() < REPLIES else None
    language, text = _text(chance, number)
    timed = parent is None and chance.random() < TIMED
    uid = _person(chance.random())
    return Posted(
        thread_id=THREAD,
        comment_id=f"c{number:015}",
        uid=uid,
        name=f"Guest {uid}",
        text=text,
        at=at,
        parent=parent.id if parent else None,
        parent_uid=parent.uid if parent else None,
        root=(parent.root or parent.id) if parent else None,
        depth=parent.depth + 1 if parent else 0,
        media_seconds=round(chance.uniform(0, SECONDS), 1) if timed else None,
        spoiler=chance.random() < 0.05,
        language=language,
    )


def _parent(chance: random.Random, spoken: Sequence[Spoken]) -> Spoken:
    """Mostly something new, sometimes anything; at the deepest, what it answers itself."""
    back = int(chance.expovariate(1 / 300)) if chance.random() < 0.8 else chance.randrange(len(spoken))
    found = spoken[-1 - min(back, len(spoken) - 1)]
    return found if found.depth < DEEPEST else spoken[0]


def _changes(chance: random.Random, spoken: list[Spoken], count: int, at: datetime) -> Commits:
    """What is done to comments of earlier batches, to each of them one thing at most; those that are gone leave."""
    changed: dict[Key, list[Event]] = {}
    for _ in range(round(count * 0.3)):
        on, uid = _parent(chance, spoken), _person(chance.random())
        emoji = chance.choice("👍❤😂😭🔥")
        reacted = Reacted(thread_id=THREAD, comment_id=on.id, uid=uid, emoji=emoji, on=True, at=at)
        changed[reaction_key(uid, THREAD, on.id)] = [reacted]
    for what, share in ((Edited, 0.03), (Deleted, 0.01), (Hidden, 0.005)):
        for _ in range(round(count * share)):
            on = _parent(chance, spoken)
            if (key := comment_key(THREAD, on.id)) not in changed:
                changed[key] = [_change(chance, what, on, at)]
                if what is not Edited:
                    spoken.remove(on)
    return list(changed.items())


def _change(chance: random.Random, what: type[Event], on: Spoken, at: datetime) -> Event:
    if what is Edited:
        return Edited(thread_id=THREAD, comment_id=on.id, uid=on.uid, at=at, text=_english(chance))
    if what is Deleted:
        return Deleted(thread_id=THREAD, comment_id=on.id, uid=on.uid, at=at)
    return Hidden(thread_id=THREAD, comment_id=on.id, by=_person(0), at=at)


def _person(share: float) -> str:
    """Some say much, most say little."""
    return f"person-{int(share**3 * PEOPLE):06}"


def _text(chance: random.Random, number: int) -> tuple[str | None, str]:
    """Its language, if it is told, and the text of comment *number*."""
    language, text = _said(chance)
    word, left = divmod(number % RARE_EVERY, RARE_EVERY // RARE)
    return language, f"{text} {rare(word)}" if left == 3 else text


def _said(chance: random.Random) -> tuple[str | None, str]:
    kind = chance.random()
    if kind < 0.1:
        return "de", " ".join(chance.choices(GERMAN, k=_length(chance)))
    if kind < 0.15:
        return "ja", "。".join(chance.choices(JAPANESE, k=2))
    return ("en" if kind < 0.6 else None), _english(chance)


def _english(chance: random.Random) -> str:
    words = chance.choices(WORDS, cum_weights=_WEIGHTS, k=_length(chance))
    if chance.random() < 0.3:
        words.append(seldom(int(chance.random() ** 3 * NAMES)))
    if chance.random() < 0.02:
        words.insert(len(words) // 2, chance.choice(PHRASES))
    return " ".join(words)


def _length(chance: random.Random) -> int:
    """Of a comment, in words: some are a hundred times as long as others."""
    return min(200, max(1, round(chance.lognormvariate(2.3, 0.8))))


_WEIGHTS = list(accumulate(1 / rank for rank in range(1, len(WORDS) + 1)))
