"""Who may say and read what in a party's room and threads, as the parties service says it over the bus."""

import asyncio
import secrets
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.integration.comments.town import MODERATOR, Refused, Town, town
from tests.wait import eventually

from events.contracts.comments import RECENT_LINES, ThreadBegun, room_key, thread_key, thread_of
from ops.embedded import Embedded

ANA, BOB, CYD = "ana", "bob", "cyd"


@pytest.fixture
async def at(servers: Embedded) -> AsyncIterator[Town]:
    async with town(servers) as running:
        yield running


def room_of(party_id: str) -> str:
    return f"party:{party_id}"


def a_film() -> str:
    """About which nobody has said anything yet."""
    return f"tt{secrets.randbelow(10**9):010d}"


async def refused(at: Town, code: str, fn: str, by: str, /, **args: Any) -> bool:
    """Whether a command is, and with that."""
    return await at.code(fn, by, **args) == code


class TestRooms:
    async def test_members_talk_and_others_do_not(self, at: Town) -> None:
        public, private = await at.open(ANA, BOB), await at.open(ANA, BOB, private=True)

        assert await at.code("chat.say", BOB, room=room_of(public), text="Hi") == ""
        assert await at.code("chat.say", BOB, room=room_of(private), text="Hi") == ""
        assert await at.code("chat.say", CYD, room=room_of(public), text="Hi") == "not-a-member"
        assert await at.code("chat.say", CYD, room=room_of(private), text="Hi") == "not-a-member"
        assert await at.code("chat.say", ANA, room=room_of("nowhere"), text="Hi") == "no-such-party"

    async def test_everybody_reads_a_public_one(self, at: Town) -> None:
        public, private = await at.open(ANA), await at.open(ANA, private=True)
        await at.do("chat.say", ANA, room=room_of(public), text="Hi")

        (line,) = (await at.see("chat.history", CYD, room=room_of(public)))["lines"]
        assert (line["text"], line["name"]) == ("Hi", "Ana")
        assert await at.code_of("chat.history", CYD, room=room_of(private)) == "not-a-member"
        assert "follow" in (await at.follow("chat", public, CYD)).may
        with pytest.raises(Refused, match="not-a-member"):
            await at.follow("chat", private, CYD)

    async def test_who_is_put_out_is_silent_at_once(self, at: Town) -> None:
        party_id = await at.open(ANA, BOB)
        room = room_of(party_id)
        await at.do("chat.say", BOB, room=room, text="Hi")

        await at.do("party.ban", ANA, party_id=party_id, uid=BOB)

        assert await at.code_of("chat.history", BOB, room=room) == "banned"
        # A notice makes the replica forget what it has been told, sooner than that wears off.
        await eventually(lambda: refused(at, "banned", "chat.say", BOB, room=room, text="Hi"), within=1.5)

    async def test_in_a_closed_one_nothing_more_is_said(self, at: Town) -> None:
        party_id = await at.open(ANA)
        room = room_of(party_id)
        await at.do("chat.say", ANA, room=room, text="Hi")

        await at.do("party.close", ANA, party_id=party_id)

        await eventually(lambda: refused(at, "party-closed", "chat.say", ANA, room=room, text="Bye"))
        assert "Hi" in {line["text"] for line in (await at.see("chat.history", ANA, room=room))["lines"]}

    async def test_whose_party_it_is_moderates(self, at: Town) -> None:
        party_id = await at.open(ANA, BOB, CYD)
        room = room_of(party_id)
        line = (await at.do("chat.say", BOB, room=room, text="Hi"))["line"]

        assert await at.code("chat.hide", CYD, room=room, line=line) == "not-a-moderator"
        assert await at.code("chat.hide", ANA, room=room, line=line) == ""
        assert await at.code("moderation.mute", ANA, where=room, uid=BOB) == ""
        assert await at.code("chat.say", BOB, room=room, text="Why?") == "muted"
        await at.do("party.appoint", ANA, party_id=party_id, uid=CYD)
        await eventually(lambda: refused(at, "not-above", "moderation.mute", CYD, where=room, uid=ANA))

    async def test_site_moderators_do_where_they_may_read(self, at: Town) -> None:
        public, private = room_of(await at.open(ANA)), room_of(await at.open(ANA, private=True))
        lines = {room: (await at.do("chat.say", ANA, room=room, text="Hi"))["line"] for room in (public, private)}

        codes = [await at.code("chat.hide", "mod", roles=MODERATOR, room=room, line=lines[room]) for room in lines]

        assert codes == ["", "not-a-member"]


class TestLines:
    async def test_what_was_held_back_is_told_whole_when_it_is_restored(self, at: Town) -> None:
        room = room_of(await at.open(ANA, BOB))
        line = (await at.do("chat.say", BOB, room=room, text="a sled", media_seconds=3.5))["line"]
        assert (await at.see("chat.history", ANA, room=room))["lines"] == []

        assert await at.code("chat.restore", ANA, room=room, line=line) == ""

        (shown,) = (await at.see("chat.history", CYD, room=room))["lines"]
        assert (shown["text"], shown["media_seconds"], shown["name"]) == ("a sled", 3.5, "Bob")

    async def test_one_that_the_state_has_forgotten_can_be_hidden_and_reported(self, at: Town) -> None:
        room = room_of(await at.open(ANA, BOB))
        line = (await at.do("chat.say", BOB, room=room, text="Hi"))["line"]
        for first in range(0, RECENT_LINES, 100):  # a room takes 256 that wait, and tells the next one that it is busy
            await asyncio.gather(*(at.do("chat.say", BOB, room=room, text=f"{first + n}") for n in range(100)))
        assert line not in (await at.place().aggregates.state(room_key(room))).lines

        assert await at.code("chat.delete", BOB, room=room, line=line) == "no-such-line"
        assert await at.code("chat.report", BOB, room=room, line=line, why="spam") == ""
        assert await at.code("chat.hide", ANA, room=room, line=line) == ""
        assert await at.code("chat.restore", ANA, room=room, line=line) == ""
        assert await at.code("chat.hide", ANA, room=room, line="nothing") == "no-such-line"


class TestThreads:
    async def test_a_partys_own_is_for_its_members(self, at: Town) -> None:
        party_id, media = await at.open(ANA, BOB, private=True), a_film()

        assert await at.code("comments.post", BOB, media=media, party_id=party_id, text="Ours") == ""
        assert await at.code("comments.post", CYD, media=media, party_id=party_id, text="Mine") == "not-a-member"
        assert await at.code_of("comments.thread", CYD, media=media, party_id=party_id) == "not-a-member"
        assert (await at.see("comments.thread", ANA, media=media, party_id=party_id))["thread"]["comments"] == 1
        assert (await at.see("comments.thread", ANA, media=media))["thread"]["comments"] == 0

    async def test_first_comments_that_race_make_one_anchor(self, at: Town) -> None:
        media = a_film()

        posting = [at.do("comments.post", f"u{n}", media=media, text=f"{n}") for n in range(20)]
        ids = {answer["thread_id"] for answer in await asyncio.gather(*posting)}

        commits = await at.replicas[0].stores.log.read(thread_key(thread_of(media)))
        assert ids == {thread_of(media)}
        assert Counter(type(event) for commit in commits for event in commit.events) == {ThreadBegun: 1}
        thread = await eventually(lambda: self._whole(at, media, 20))
        assert thread["people"] == 20

    async def test_the_first_title_that_may_be_shown_is_the_threads(self, at: Town) -> None:
        media = a_film()
        for title in (None, "Rosebud", "The Matrix", "Else"):
            titled: dict[str, Any] = {"title": title} if title else {}
            await at.do("comments.post", ANA, media=media, text="Hi", **titled)

        assert (await at.see("comments.thread", ANA, media=media))["thread"]["title"] == "The Matrix"

    async def test_a_refused_comment_begins_none(self, at: Town) -> None:
        media = a_film()

        assert await at.code("comments.post", ANA, media=media, text="rosebud") == "words-refused"
        assert await at.code("comments.post", ANA, media=media, text="Hi", parent="gone") == "no-such-comment"

        assert await at.replicas[0].stores.log.read(thread_key(thread_of(media))) == []

    async def test_only_who_may_read_is_told_of_being_mentioned(self, at: Town) -> None:
        party_id, media = await at.open(ANA, BOB, private=True), a_film()

        await at.do("comments.post", ANA, media=media, party_id=party_id, text="Look", mentions=[BOB, CYD])

        (comment,) = (await at.see("comments.thread", ANA, media=media, party_id=party_id))["comments"]
        assert comment["mentions"] == [BOB]

    async def test_who_was_put_out_is_not_told_of_answers(self, at: Town) -> None:
        media, who = a_film(), secrets.token_hex(8)
        party_id = await at.open(ANA, who, BOB, private=True)
        room, about = room_of(party_id), dict[str, Any](media=media, party_id=party_id)
        line = (await at.do("chat.say", who, room=room, text="Hi"))["line"]
        comment = (await at.do("comments.post", who, text="Hi", **about))["comment_id"]

        async def answered() -> int:
            """Both of them, and how much of it the one is told whose they were."""
            await at.do("comments.post", ANA, text="Well", parent=comment, **about)
            await at.do("chat.say", ANA, room=room, text="Well", answers=line)
            return len((await at.see("notifications.mine", who))["notifications"])

        before = await answered()
        await at.do("party.ban", ANA, party_id=party_id, uid=who)
        await eventually(lambda: refused(at, "banned", "chat.say", who, room=room, text="Hi"))

        assert (before, await answered()) == (2, 2)

    async def test_who_searches_finds_what_they_may_read(self, at: Town) -> None:
        word, media = secrets.token_hex(8), a_film()
        private = await at.open(ANA, BOB, private=True)
        await at.do("comments.post", ANA, media=media, party_id=private, text=f"ours {word}")
        await at.do("comments.post", ANA, media=media, text=f"everybody's {word}")

        found = {
            uid: {each["comment"]["text"] for each in (await at.see("comments.search", uid, search=word))["found"]}
            for uid in (BOB, CYD)
        }

        assert found == {BOB: {f"ours {word}", f"everybody's {word}"}, CYD: {f"everybody's {word}"}}

    async def test_what_members_talk_about_is_among_their_threads_until_they_are_put_out(self, at: Town) -> None:
        party_id, media = await at.open(ANA, BOB, private=True), a_film()
        for uid in (ANA, BOB):
            await at.do("comments.post", uid, media=media, party_id=party_id, text="Ours")
        await at.do("party.ban", ANA, party_id=party_id, uid=BOB)

        about = {uid: await at.see("comments.threads", uid) for uid in (ANA, BOB)}

        found = {uid: {each["thread"]["thread_id"] for each in about[uid]["threads"]} for uid in about}
        assert thread_of(media, party_id=party_id) in found[ANA]
        assert thread_of(media, party_id=party_id) not in found[BOB]

    async def _whole(self, at: Town, media: str, comments: int) -> Any:
        thread = (await at.see("comments.thread", ANA, media=media))["thread"]
        return thread if thread["comments"] == comments else None


async def test_while_no_parties_answer_only_what_is_theirs_waits(at: Town) -> None:
    party_id, media = await at.open(ANA), a_film()

    await at.parties.aclose()

    assert await at.code("chat.say", ANA, room=room_of(party_id), text="Hi") == "unavailable"
    assert await at.code_of("chat.history", ANA, room=room_of(party_id)) == "unavailable"
    assert await at.code("comments.post", ANA, media=media, text="Hi") == ""
