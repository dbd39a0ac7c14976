"""Somebody is erased: what they said stays, without a name, and a rebuild says the same."""

import os
from collections.abc import Sequence
from typing import Any

from tests.integration.comments.stories import (
    ANA,
    BOB,
    CHAT,
    CYD,
    EPOCH,
    LIVE,
    MOD,
    SERVICE,
    Story,
    T,
    ask,
    asking,
    in_party,
    soon,
)
from tests.integration.comments.threads import FILM, U
from tests.integration.readmodels import ReadModel
from tests.integration.recording import cut

from comments.erasing import ERASING, OWNED, count
from events.contracts.comments import (
    NOTIFICATIONS,
    ShowCases,
    ShowHistory,
    ShowNotifications,
    ShowPeople,
    ShowStandings,
    ShowThread,
)
from events.erasing import owner_of
from events.log import Commit
from events.projection import LOG, TELEMETRY, Batches
from events.vault import MemoryKeys, Vault


class Projected:
    """Read models that are moved as a runner does it, from a log of sealed commits."""

    def __init__(self, model: ReadModel) -> None:
        self.model = model
        self.vault = Vault(MemoryKeys(), os.urandom(32))
        self.log: list[Commit] = []
        self.at = {LOG: 0, TELEMETRY: 0}
        self.batches = self._fresh()

    def _fresh(self) -> Batches:
        return Batches(SERVICE.projections, self.vault, EPOCH, ERASING)

    async def follow(self, commits: Sequence[Commit], source: str = LOG) -> None:
        """Everything new of a story."""
        await self.batches.start(self.model.writer)
        new = [commit for commit in commits if commit.sequence > self.at[source]]
        sealed = [commit._replace(events=tuple(await self.vault.seal(commit.events))) for commit in new]
        if source == LOG:
            self.log += sealed
        await self._apply(source, sealed, 3)

    async def rebuild(self, size: int) -> None:
        """From what the log has left of it; telemetry of the others is not in here."""
        await self.model.empty()
        for table in ("aggregate", "erased", "checkpoint"):
            await self.model.writer.execute(f"delete from {table}")
        self.at, self.batches = {LOG: 0, TELEMETRY: 0}, self._fresh()
        await self.batches.start(self.model.writer)
        await self._apply(LOG, self.log, size)

    async def _apply(self, source: str, commits: Sequence[Commit], size: int) -> None:
        for batch in cut(commits, size):
            await self.batches.apply(self.model.writer, source, self.at[source], batch)
            self.at[source] = batch[-1].sequence

    async def erase(self, story: Story, uid: str) -> None:
        """As the spine does it: a tombstone, no key, no messages of the person's own, and a last tombstone."""
        story.erase(uid, final=False)
        await self.follow(story.commits)
        await self.vault.destroy(uid)
        self.log = [one for one in self.log if one.key.aggregate not in OWNED or owner_of(one.key) != uid]
        story.erase(uid)
        await self.follow(story.commits)


async def lived_through(story: Story) -> None:
    """Everything that can be of somebody."""
    story.begin()
    story.begin(U)
    story.start(by=ANA)
    theirs = story.post("by Ana", mentions=(BOB,), avatar="owl")
    others = story.post("by Bob", BOB, to=theirs, mentions=(CYD,))
    story.post("unseen", veil="held")
    story.react(others, by=ANA)
    story.react(others, by=CYD)
    story.react(others, "🎬", by=ANA)
    story.react(theirs, "👻", by=ANA, veil="shadow")
    line = story.chat("line of Ana", mentions=(BOB,), avatar="owl")
    story.chat("line in the event", room=LIVE)
    story.chat("answer", BOB, answers=line)
    story.chat("unseen line", veil="shadow")
    story.report(others, ANA, words="it is about me")
    story.report(theirs, BOB, words="an ad")
    story.mute(ANA)
    story.ban(ANA, CHAT)
    story.hide(story.post("hidden"))


async def said(model: ReadModel, story: Story) -> tuple[Any, ...]:
    thread = await ask(model, ShowThread(media=FILM), soon(story, asking(CYD)))
    chat = await ask(model, ShowHistory(room=CHAT), soon(story, in_party(CYD)))
    return thread.comments, chat.lines


async def test_what_they_said_stays_and_names_nobody(model: ReadModel, story: Story) -> None:
    projected = Projected(model)
    await lived_through(story)
    await projected.follow(story.commits)
    story.read(ANA, story.now, NOTIFICATIONS)
    await projected.follow(story.heartbeats, TELEMETRY)
    named = await count(model.reader, ANA)
    await projected.erase(story, ANA)
    comments, lines = await said(model, story)
    people = await ask(model, ShowPeople(room=CHAT, uids=(ANA, BOB)), soon(story, in_party(CYD)))
    moderator = asking(MOD, "moderator")
    cases = await ask(model, ShowCases(where="site"), moderator)
    standings = await ask(model, ShowStandings(where="site"), moderator)
    told = await ask(model, ShowNotifications(), soon(story, asking(BOB)))

    assert named == 16
    assert [(one.text, one.uid, one.name, one.avatar) for one in comments] == [
        ("by Ana", ANA, "", ""), ("by Bob", BOB, "Bob", ""),
    ]  # fmt: skip
    assert [(one.emoji, one.people) for one in comments[1].reactions] == [("👍", 1)]
    assert [(line.text, line.name, line.avatar) for line in lines] == [("line of Ana", "", ""), ("answer", "Bob", "")]
    assert {uid: (person.name, person.avatar) for uid, person in people.people.items()} == {
        ANA: ("", ""), BOB: ("Bob", ""),
    }  # fmt: skip
    assert {complaint.words for case in cases.cases for complaint in case.complaints} == {"", "an ad"}
    assert [(one.uid, one.name, one.muted) for one in standings.standings] == [(ANA, "", True)]
    assert [(one.by, one.by_name, one.text) for one in told.notifications] == [(ANA, "", ""), (ANA, "", "by Ana")]
    for table in ("notification", "mark", "reaction"):
        assert await model.reader.fetchval(f"select count(*) from {table} where uid = $1", ANA) == 0
    rows = (await model.rows()).values()
    assert not [row for table in rows for row in table if "Ana" in row or "owl" in row or "it is about me" in row]


async def test_who_comes_back_is_named_where_they_speak_again(model: ReadModel, story: Story) -> None:
    projected = Projected(model)
    await lived_through(story)
    await projected.follow(story.commits)
    await projected.erase(story, ANA)
    story.post("back", name="Anna", mentions=(BOB,))
    story.chat("back", name="Anna")
    story.post("for Anna", BOB, mentions=(ANA,))
    await projected.follow(story.commits)
    comments, lines = await said(model, story)
    told = await ask(model, ShowNotifications(), soon(story, asking(ANA)))

    assert sorted((one.text, one.name) for one in comments) == [
        ("back", "Anna"), ("by Ana", ""), ("by Bob", "Bob"), ("for Anna", "Bob"),
    ]  # fmt: skip
    assert [(line.text, line.name) for line in lines][-1] == ("back", "Anna")
    assert [one.text for one in told.notifications] == ["for Anna"]


async def test_a_rebuild_says_the_same(model: ReadModel, story: Story) -> None:
    projected = Projected(model)
    await lived_through(story)
    await projected.follow(story.commits)
    await projected.erase(story, ANA)
    story.post("back", name="Anna", mentions=(BOB, CYD))
    story.chat("back", name="Anna")
    restored = story.post("later", BOB, veil="held", mentions=(ANA,))
    story.restore(restored)
    await projected.follow(story.commits)
    live = await model.same()

    for size in (1, 4, 1_000):
        await projected.rebuild(size)
        assert await model.same() == live
    assert T in {row[0] for row in live["comment"]}
