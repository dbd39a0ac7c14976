"""What somebody says in the shadow is as if it had never been said, for everybody but themselves and moderators.

The same story is told twice, once with them and once without, and whatever others can ask is compared byte for byte.
"""

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from tests.integration.comments import threads
from tests.integration.comments.stories import (
    ANA,
    BOB,
    CHAT,
    CYD,
    EVE,
    LIVE,
    MOD,
    PARTY,
    Story,
    T,
    ask,
    asking,
    granted,
    in_party,
    soon,
)
from tests.integration.comments.threads import FILM, P, U
from tests.integration.readmodels import ReadModel

from comments.queries import queries
from comments.retention import Retention
from events.contracts import comments as contract
from events.contracts.comments import (
    Export,
    ListLives,
    SearchComments,
    ShowAuthor,
    ShowCases,
    ShowDeeds,
    ShowDensity,
    ShowDiscussed,
    ShowEdits,
    ShowFollowed,
    ShowHistory,
    ShowLive,
    ShowMine,
    ShowMyLines,
    ShowMyLives,
    ShowNotifications,
    ShowPeople,
    ShowReplies,
    ShowStandings,
    ShowStatistics,
    ShowThread,
    ShowTimed,
    thread_of,
)
from events.messages import Context, Query, Rejected

FOR_MODERATORS = {ShowCases, ShowDeeds, ShowStandings}
V = thread_of("tt0000001")
"""A thread that nobody else ever says anything in."""
MEDIA = threads.MEDIA | {V: {"media": "tt0000001"}}
POSITIONS = re.compile(rb'comments:k3f9:\d+|"id":"\d+-\d+"|"rank":[0-9.e-]+')
"""The places in the log, which everything that happens moves on."""
Whisper = Callable[..., None]
Acting = Callable[[Story, Whisper], None]


def told(acting: bool) -> Story:
    """With what Eve does in the shadow, or without; everything else happens at the same times."""
    story = Story()

    def whisper(act: Callable[..., Any], *args: Any, **more: Any) -> None:
        if acting:
            now = story.now
            act(*args, **more)
            story.now = now

    story.begin(title="The Matrix")
    story.begin(P)
    story.start(by=ANA)
    story.post("Whoa", ANA, id="a1", media_seconds=61.0)
    story.post("before", EVE, id="e0", to="a1", name="Eve", thread=T)
    story.post("in the party", ANA, id="p1", thread=P)
    story.chat("hello", ANA, id="l1")
    story.chat("hello, live", BOB, id="v1", room=LIVE)
    story.chat("before", EVE, id="e0", name="Eve")
    for where in ("site", CHAT, LIVE):
        whisper(story.mute, EVE, where, shadow=True)
    whisper(story.post, "spam words", EVE, id="s1", name="Evil", media_seconds=63.0, mentions=(ANA, BOB), veil="shadow")
    whisper(story.post, "spam reply", EVE, id="s2", to="a1", name="Evil", mentions=(BOB,), veil="shadow")
    whisper(story.post, "spam to myself", EVE, id="s3", to="s2", name="Evil", veil="shadow")
    whisper(story.post, "spam in the party", EVE, id="s4", to="p1", thread=P, name="Evil", veil="shadow")
    whisper(story.edit, "s1", "spam words, edited", EVE)
    for thread in (U, V):
        whisper(story.begin, thread, **MEDIA[thread])
        whisper(story.post, "spam, first", EVE, id="u0", thread=thread, name="Evil", veil="shadow")
    whisper(story.react, "a1", "👻", EVE, veil="shadow")
    whisper(story.react, "p1", "👻", EVE, thread=P, veil="shadow")
    whisper(story.react, "s2", "👻", EVE, veil="shadow")
    for room, answers in ((CHAT, "l1"), (LIVE, "v1")):
        whisper(story.chat, "spam line", EVE, room, f"x{answers}", "shadow", name="Evil", answers=answers,
                mentions=(ANA, BOB), media_seconds=9.0)  # fmt: skip
        whisper(story.chat, "taken back", EVE, room, f"y{answers}", "shadow", name="Evil")
        whisper(story.take_back, f"y{answers}", EVE, room)
        whisper(story.hide_line, f"x{answers}", room)
    whisper(story.report, "s1", MOD)
    whisper(story.post, "gone", EVE, id="s5", name="Evil", veil="shadow")
    whisper(story.delete, "s5", EVE)
    whisper(story.post, "moderated", EVE, id="s6", name="Evil", veil="shadow", mentions=(ANA,))
    whisper(story.hide, "s6")
    whisper(story.post, "removed", EVE, id="s7", name="Evil", veil="shadow")
    whisper(story.remove, "s7")
    story.react("a1", "👍", CYD)
    story.post("after", BOB, id="b1", to="a1", mentions=(ANA,))
    story.post("after, in the party", BOB, id="b2", to="p1", thread=P)
    if not acting:
        story.begin(U)
        story.now -= timedelta(seconds=1)
    story.post("after, elsewhere", BOB, id="u1", thread=U)
    story.chat("after", BOB, id="l2", answers="l1")
    story.chat("after, live", ANA, id="v2", room=LIVE, mentions=(BOB,))
    return story


def asked() -> Iterator[Query]:
    """Everything that others than moderators can ask, where Eve may have left a trace."""
    abouts: list[dict[str, Any]] = [{"media": FILM}, {"media": FILM, "party_id": PARTY}, MEDIA[U], MEDIA[V]]
    for about in abouts:
        for order in ("newest", "oldest", "top", "moment"):
            yield ShowThread(order=order, limit=100, replies=20, depth=8, **about)
        yield ShowTimed(start=0.0, end=3_600.0, **about)
        yield ShowDensity(**about)
        yield ShowStatistics(**about)
    for thread_id, comment_id in (
        (T, "a1"),
        (P, "p1"),
        (T, "e0"),
        (T, "s1"),
        (T, "s2"),
        (P, "s4"),
        (T, "s7"),
        (U, "u0"),
        (V, "u0"),
    ):
        yield ShowReplies(thread_id=thread_id, comment_id=comment_id)
        yield ShowEdits(thread_id=thread_id, comment_id=comment_id)
    for uid in (ANA, BOB, EVE):
        yield ShowAuthor(uid=uid)
    for words in ("spam", "evil", "after", "whoa", "words edited"):
        yield SearchComments(search=words)
        yield SearchComments(search=words, thread_id=T)
        yield SearchComments(search=words, thread_id=P)
    for room in (CHAT, LIVE):
        yield ShowHistory(room=room, limit=100)
        yield ShowMyLines(room=room)
        yield ShowPeople(room=room, uids=(ANA, BOB, EVE))
    for thread_id in (T, P, U, V):
        yield ShowMine(thread_id=thread_id)
    yield from (
        ShowDiscussed(),
        ShowFollowed(),
        ShowLive(live_id="final"),
        ListLives(),
        ShowMyLives(),
        ShowNotifications(),
        Export(),
    )


async def answers(model: ReadModel, story: Story, *contexts: Context) -> dict[tuple[str, Query | str], bytes]:
    """What each of them is told, but for where it is in the log."""
    await model.empty()
    await model.apply(story.commits)
    found: dict[tuple[str, Query | str], bytes] = {}
    for context in (soon(story, context) for context in contexts):
        for query in asked():
            try:
                answer = await ask(model, query, context)
            except Rejected as refused:
                answer = refused.code
            found[context.actor, query] = POSITIONS.sub(b"-", msgspec.json.encode(answer))
        for room in (CHAT, LIVE):
            (grant,) = await granted(model, room, context)
            found[context.actor, room] = POSITIONS.sub(b"-", msgspec.json.encode(grant))
    return found


def test_everything_that_can_be_asked_is_asked() -> None:
    assert {type(query) for query in asked()} | FOR_MODERATORS == set(contract.QUERIES)
    assert set(queries(Retention())) == set(contract.QUERIES)


async def test_nobody_else_is_told_anything_of_it(model: ReadModel) -> None:
    others = in_party(ANA), in_party(BOB), in_party(CYD)
    without = await answers(model, told(acting=False), *others)
    with_her = await answers(model, told(acting=True), *others)

    for asked_for, answer in without.items():
        assert with_her[asked_for] == answer, asked_for


async def test_her_own_words_are_told_to_her_and_to_moderators(model: ReadModel) -> None:
    story = told(acting=True)
    mine = await answers(model, story, in_party(EVE))
    cases = await ask(model, ShowCases(where="site", veil="hidden"), soon(story, asking(MOD, "moderator")))

    assert b"spam line" in mine[EVE, ShowMyLines(room=CHAT)]
    assert b"spam words, edited" in mine[EVE, ShowMine(thread_id=T)]
    assert b'"muted":true' not in b"".join(mine.values())
    assert b"shadow" not in b"".join(mine.values())
    assert {"spam reply", "moderated"} <= {case.text for case in cases.cases}


async def test_she_is_told_of_them_as_of_any_others(model: ReadModel) -> None:
    found = []
    for veil in ("", "shadow"):
        story = Story()
        story.begin()
        story.post("Whoa", ANA, id="a1")
        story.post("mine", EVE, id="e1", media_seconds=61.0, mentions=(BOB,), spoiler=True, language="en", veil=veil)
        story.post("my answer", EVE, id="e2", to="a1", veil=veil)
        story.post("to myself", EVE, id="e3", to="e2", veil=veil)
        story.edit("e2", "my answer, edited", EVE)
        story.react("e1", "🔥", EVE, veil=veil)
        story.post("taken back", EVE, id="e4", veil=veil)
        story.delete("e4", EVE)
        if not veil:
            story.react("e1", "👍", BOB)
            story.pin("e1")
            story.post("so it is", BOB, id="b1", to="e1")
        await model.empty()
        await model.apply(story.commits)
        found.append(await ask(model, ShowMine(thread_id=T), asking(EVE)))

    assert found[0] == found[1]
    assert [one.text for one in found[0].said] == ["to myself", "my answer, edited", "mine"]
    assert (found[0].comments, found[0].said[2].media_seconds) == ([], 61.0)


async def test_what_others_watch_is_not_touched_by_it(model: ReadModel) -> None:
    story = told(acting=True)
    for commit in story.commits:
        (event,) = commit.events
        touched = await model.apply([commit])
        if getattr(event, "veil", "") == "shadow":
            hers = {topic for topic in touched if topic.endswith(f":{EVE}")}
            assert touched - hers <= {"moderation:site", f"moderation:{CHAT}", f"moderation:{LIVE}"}, commit


@pytest.mark.parametrize("size", [2, 5])
async def test_nor_by_the_size_of_pages(model: ReadModel, size: int) -> None:
    pages = []
    for acting in (False, True):
        story = told(acting)
        await model.empty()
        await model.apply(story.commits)
        context = soon(story, in_party(CYD))
        for query in (ShowThread(media=FILM, limit=size), ShowHistory(room=CHAT, limit=size), ShowFollowed(limit=size)):
            page = await ask(model, query, context)
            pages.append(POSITIONS.sub(b"-", msgspec.json.encode(page)))

    assert pages[:3] == pages[3:]
