"""Whatever happens in rooms, the rows say the same as a plain fold, and do not depend on the batches."""

from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.integration.comments.stories import ANA, BOB, CHAT, CYD, DAN, LIVE, Story, T
from tests.integration.comments.threads import P, U
from tests.integration.readmodels import ReadModel
from tests.integration.recording import cut

from events.log import Commit

STEPS = 250
PEOPLE = (ANA, BOB, CYD, DAN)
FEW = 4
"""Lines that a room keeps here."""

lines = st.tuples(st.sampled_from((CHAT, LIVE)), st.sampled_from(PEOPLE), st.integers(0, 11))
happenings = st.lists(
    st.tuples(
        st.sampled_from(
            ("say", "say", "say", "shadow", "held", "again", "take back", "hide", "restore", "pin", "unpin")
        ),
        lines,
    ),
    max_size=40,
)
cuts = st.lists(st.integers(1, 9), min_size=40, max_size=40)

TELL: dict[str, Callable[[Story, str, str], None]] = {
    "take back": lambda story, line, room: story.take_back(line, room=room),
    "hide": lambda story, line, room: story.hide_line(line, room=room),
    "restore": lambda story, line, room: story.restore_line(line, room=room),
    "pin": lambda story, line, room: story.pin_line(line, room=room),
}


class Plain:
    """A room, folded event by event."""

    def __init__(self) -> None:
        self.lines: dict[str, dict[str, Any]] = {}
        self.said = self.unseen = 0
        self.pinned: str | None = None

    def say(self, id: str, veil: str) -> None:
        """Of a line that is still there nothing is new."""
        if id in self.lines:
            return
        self.said += not veil
        self.unseen += bool(veil)
        self.lines[id] = {"veil": veil, "number": self.said, "aside": self.unseen if veil else None}

    def change(self, what: str, id: str) -> None:
        if what == "pin":
            self.pinned = id
        elif id in self.lines and what == "restore":
            self.lines[id]["veil"] = ""
        elif id in self.lines:
            self.pinned = None if self.pinned == id else self.pinned
            self.lines[id]["veil"] = "moderated"
            if what == "take back":
                del self.lines[id]

    def let_go(self) -> None:
        self.lines = {
            id: line
            for id, line in self.lines.items()
            if id == self.pinned
            or (line["number"] > self.said - FEW and (line["aside"] is None or line["aside"] > self.unseen - FEW))
        }


def told(happened: Sequence[tuple[str, tuple[str, str, int]]]) -> tuple[Story, dict[str, Plain]]:
    story, rooms = Story(), {CHAT: Plain(), LIVE: Plain()}
    ids: dict[str, list[str]] = {CHAT: [], LIVE: []}
    for what, (room, by, n) in happened:
        plain, spoken = rooms[room], ids[room]
        if what in ("say", "shadow", "held"):
            veil = "" if what == "say" else what
            spoken.append(story.chat(by=by, room=room, veil=veil))
            plain.say(spoken[-1], veil)
        elif what == "unpin":
            story.pin_line(None, room)
            plain.pinned = None
        elif spoken and what == "again":
            target = spoken[-1 - n % len(spoken)]
            story.chat(by=by, room=room, id=target)
            plain.say(target, "")
        elif spoken:
            target = spoken[-1 - n % len(spoken)]
            TELL[what](story, target, room)
            plain.change(what, target)
        plain.let_go()
    return story, rooms


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(happenings, cuts)
async def test_however_lines_are_told_the_rows_are_a_plain_fold(
    model: ReadModel, happened: Sequence[tuple[str, tuple[str, str, int]]], sizes: Sequence[int]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("comments.projections.rooms.KEPT", FEW)
        story, rooms = told(happened)
        found = []
        for batches in (cut(story.commits, 1), into(story.commits, sizes), cut(story.commits, 40)):
            await model.empty()
            await model.apply(*batches)
            rows = await model.same()
            found.append({name: rows[name] for name in ("room", "line", "person")})

    assert found[0] == found[1] == found[2]
    for room, plain in rooms.items():
        await _says_what_was_said(model, room, plain)


async def _says_what_was_said(model: ReadModel, room: str, plain: Plain) -> None:
    lines = await model.reader.fetch("select line, veil from line where room = $1", room)
    assert {row["line"]: row["veil"] for row in lines} == {id: line["veil"] for id, line in plain.lines.items()}
    counted = await model.reader.fetchrow("select said, unseen, shown, pinned from room where room = $1", room)
    shown = sum(not line["veil"] for line in plain.lines.values())
    assert tuple(counted or (0, 0, 0, None)) == (plain.said, plain.unseen, shown, plain.pinned)


def into(commits: Sequence[Commit], sizes: Sequence[int]) -> Sequence[Sequence[Commit]]:
    """Batches of these sizes."""
    found, rest = [], list(commits)
    for size in sizes:
        if rest:
            found.append(rest[:size])
            rest = rest[size:]
    return found


class Life:
    """Threads, rooms, moderators and people at random."""

    def __init__(self, seed: int) -> None:
        self.chance = Random(seed)
        self.story = Story()
        for thread in (T, U, P):
            self.story.begin(thread)
        self.comments = [(T, self.story.post())]
        self.lines = [(CHAT, self.story.chat())]
        for _ in range(STEPS):
            self.chance.choice((self.write, self.write, self.moderate, self.report, self.judge, self.go_live))()

    @property
    def somebody(self) -> str:
        return self.chance.choice(PEOPLE)

    def maybe(self) -> bool:
        return self.chance.random() < 0.5

    def write(self) -> None:
        veil = self.chance.choice(("", "", "", "held", "shadow"))
        mentions = tuple(self.chance.sample(PEOPLE, self.chance.randrange(3)))
        if self.maybe():
            thread, comment = self.chance.choice(self.comments)
            to = comment if self.maybe() else None
            id = self.story.post(by=self.somebody, to=to, thread=thread, veil=veil, mentions=mentions)
            self.comments.append((thread, id))
        else:
            room, line = self.chance.choice([*self.lines, (LIVE, "")])
            answers = (line or None) if self.maybe() else None
            id = self.story.chat(by=self.somebody, room=room, veil=veil, mentions=mentions, answers=answers)
            self.lines.append((room, id))

    def moderate(self) -> None:
        """Or change one's mind."""
        story, (thread, comment), (room, line) = self.story, *map(self.chance.choice, (self.comments, self.lines))
        veil = self.chance.choice(("", "held", "shadow"))
        self.chance.choice((
            lambda: story.edit(comment, "edited", thread=thread, veil=veil),
            lambda: self.lose(thread, comment, story.delete),
            lambda: self.lose(thread, comment, story.remove),
            lambda: story.hide(comment, thread=thread),
            lambda: story.restore(comment, thread=thread),
            lambda: story.hide_line(line, room=room),
            lambda: story.restore_line(line, room=room),
            lambda: self.take_back(room, line),
            lambda: story.pin_line(line, room=room),
        ))()  # fmt: skip

    def lose(self, thread: str, comment: str, how: Callable[..., None]) -> None:
        """Nothing happens any more to what is gone."""
        if len(self.comments) > 1:
            how(comment, thread=thread)
            self.comments.remove((thread, comment))

    def take_back(self, room: str, line: str) -> None:
        if len(self.lines) > 1:
            self.story.take_back(line, room=room)
            self.lines.remove((room, line))

    def report(self) -> None:
        story, (thread, comment), (room, line) = self.story, *map(self.chance.choice, (self.comments, self.lines))
        self.chance.choice((
            lambda: story.report(comment, self.somebody, thread=thread),
            lambda: story.report_line(line, self.somebody, room=room),
            lambda: story.review(comment, thread=thread),
        ))()  # fmt: skip

    def judge(self) -> None:
        story, where = self.story, self.chance.choice(("site", CHAT, LIVE))
        self.chance.choice((
            lambda: story.mute(self.somebody, where, self.chance.choice((None, 5.0)), shadow=self.maybe()),
            lambda: story.unmute(self.somebody, where),
            lambda: story.ban(self.somebody, where),
            lambda: story.unban(self.somebody, where),
        ))()  # fmt: skip

    def go_live(self) -> None:
        story = self.story
        self.chance.choice((
            lambda: story.start(session=self.chance.randrange(1, 9)),
            lambda: story.end(),
            lambda: story.appoint(self.somebody, moderator=self.maybe()),
        ))()  # fmt: skip


@pytest.mark.parametrize("seed", range(2))
async def test_however_the_log_is_cut_the_rows_are_the_same(
    model: ReadModel, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("comments.projections.notifications.KEPT", 20)
    story = Life(seed).story
    found = []
    for size in (1, 2, 7, len(story.commits)):
        await model.empty()
        await model.apply(*cut(story.commits, size))
        found.append(await model.same())

    assert found[0] == found[1] == found[2] == found[3]
    assert len(found[0]["deed"]) > 10
    assert found[0]["notification"]


samples = st.lists(st.tuples(st.sampled_from(("final", "other")), st.integers(0, 5), st.integers(1, 3)), max_size=12)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(samples)
async def test_however_samples_are_cut_the_newest_is_kept(
    model: ReadModel, samples: Sequence[tuple[str, int, int]]
) -> None:
    story, newest = Story(), dict[str, tuple[int, int]]()
    for live_id, viewers, session in samples:
        story.sample(viewers, viewers, live_id, session)
        newest[live_id] = viewers, session
    for size in (1, 3, 12):
        await model.empty()
        await model.apply(*cut(story.heartbeats, size))
        rows = await model.reader.fetch("select live_id, viewers, session from audience")
        assert {row["live_id"]: (row["viewers"], row["session"]) for row in rows} == newest
