"""Threads, chats and live events as their people see them: who is kept out and when, what moderators do, what concerns
somebody, and what is left of who was erased."""

import asyncio
import json
import os
import secrets
import time
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import pytest
import pytest_asyncio
from tests.e2e.client import Client, Frame, Refused
from tests.e2e.person import Person, moderator, person, watched
from tests.e2e.talk import Scene, scene
from tests.e2e.test_bad_input_comments import OUTSIDE, not_shown
from tests.e2e.test_seed_library import some
from tests.system import System
from tests.wait import eventually

SLOWLY = bool(os.environ.get("MATINEE_FAULTS_SLOWLY"))
AT_ONCE = 1.0
"""Seconds in which who may no longer read loses what they follow and watch."""


@pytest_asyncio.fixture
async def talk(system: System) -> AsyncIterator[Scene]:
    async with scene(system) as set_up:
        yield set_up


@pytest_asyncio.fixture
async def meg(system: System) -> AsyncIterator[Person]:
    """A moderator of everything."""
    async with moderator(system) as somebody:
        yield somebody


async def texts(somebody: Person, talk: Scene, party: bool = True) -> list[tuple[str, str | None]]:
    """What stands in a thread, and what has become of it."""
    page = await somebody.see("comments.thread", media=talk.media, order="oldest", **ours(talk, party))
    return [(comment["text"], comment["gone"]) for comment in page["comments"]]


def ours(talk: Scene, party: bool = True) -> dict[str, str]:
    return {"party_id": talk.party_id} if party else {}


async def lines(somebody: Person, room: str) -> list[str]:
    return [line["text"] for line in (await somebody.see("chat.history", room=room))["lines"]]


async def watching(somebody: Person, talk: Scene) -> dict[str, int]:
    """Everything of the party's talk that can be watched, on one socket; the ids of the watches."""
    asked: dict[str, dict[str, Any]] = {
        "comments.thread": {"media": talk.media, "party_id": talk.party_id},
        "comments.replies": talk.ours,
        "comments.mine": {"thread_id": talk.ours["thread_id"]},
        "comments.timed": {"media": talk.media, "party_id": talk.party_id, "start": 0, "end": 60},
        "comments.density": {"media": talk.media, "party_id": talk.party_id},
        "comments.statistics": {"media": talk.media, "party_id": talk.party_id},
        "comments.search": {"thread_id": talk.ours["thread_id"], "search": "among"},
        "chat.history": {"room": talk.room},
        "chat.mine": {"room": talk.room},
        "chat.people": {"room": talk.room, "uids": [talk.ana.user]},
    }
    ids = {}
    for fn, args in asked.items():
        ids[fn] = somebody.socket.next_id()
        await somebody.socket.say(op="watch", id=ids[fn], fn=fn, args=args)
        await somebody.socket.expect(op="value", id=ids[fn])
    return ids


async def loses_everything(somebody: Person, watches: dict[str, int], since: float, code: str) -> None:
    """Each watch ends with the code, and what was watched is not told again."""
    for fn, number in watches.items():
        assert await end_of(somebody, number) == code, fn
    assert time.monotonic() - since < AT_ONCE


async def end_of(somebody: Person, watch: int) -> str:
    """The code with which a watch ends, maybe after some more values."""
    while True:
        try:
            await somebody.socket.answer(watch)
        except Refused as refusal:
            return refusal.code


class TestWhoIsNotInAParty:
    async def test_is_refused_by_every_function_the_channel_and_watches(self, talk: Scene, meg: Person) -> None:
        meg.hear_of(*talk.people())
        for somebody in (talk.eve, meg):
            for fn, given in OUTSIDE:
                assert await not_shown(somebody, fn, **given(talk)) == "not-a-member", fn
            with pytest.raises(Refused, match="not-a-member"):
                await somebody.socket.ask("follow", channel=f"chat:{talk.party_id}")
            with pytest.raises(Refused, match="not-a-member"):
                await somebody.socket.ask("watch", fn="chat.history", args={"room": talk.room})
            args = {"media": talk.media, "party_id": talk.party_id}
            with pytest.raises(Refused, match="not-a-member"):
                await somebody.socket.ask("watch", fn="comments.thread", args=args)

    async def test_finds_nothing_of_it(self, talk: Scene) -> None:
        word = f"zebra{secrets.token_hex(4)}"
        await talk.ana.do("comments.post", media=talk.media, party_id=talk.party_id, text=f"A {word}")
        talk.hear()

        for somebody, found in ((talk.ana, 1), (talk.ben, 1), (talk.eve, 0)):
            page = await somebody.see("comments.search", search=word)
            assert len(page["found"]) == found
        assert (await talk.eve.see("comments.statistics", media=talk.media))["comments"] == 1
        assert (await talk.eve.see("comments.author", uid=talk.ana.user))["comments"] == 1

    async def test_reads_a_public_one_and_writes_nothing_there(self, talk: Scene) -> None:
        opened = await talk.ana.do("party.open", title="For all", media=talk.media)
        party_id, room = opened["party_id"], f"party:{opened['party_id']}"
        made = await talk.ana.do("comments.post", media=talk.media, party_id=party_id, text="Welcome")
        await talk.ana.do("chat.say", room=room, text="Come in")
        talk.hear()

        page = await talk.eve.see("comments.thread", media=talk.media, party_id=party_id)
        assert [comment["text"] for comment in page["comments"]] == ["Welcome"]
        assert await lines(talk.eve, room) == ["Come in"]
        await talk.eve.socket.ask("follow", channel=f"chat:{party_id}")
        tried: tuple[tuple[str, dict[str, Any]], ...] = (
            ("comments.post", {"media": talk.media, "party_id": party_id, "text": "x"}),
            ("comments.react", {**made, "emoji": "🔥"}),
            ("chat.say", {"room": room, "text": "x"}),
        )
        for fn, args in tried:
            assert await talk.eve.refused(fn, **args) == "not-a-member", fn
        await talk.eve.do("party.join", party_id=party_id)
        await talk.eve.do("chat.say", room=room, text="Thanks")


class TestLosingTheRight:
    @pytest.mark.parametrize(("fn", "code"), [("party.kick", "not-a-member"), ("party.ban", "banned")])
    async def test_who_is_put_out_of_a_party_hears_no_more_within_a_second(
        self, talk: Scene, fn: str, code: str
    ) -> None:
        await talk.ben.socket.ask("follow", channel=f"chat:{talk.party_id}")
        watches = await watching(talk.ben, talk)

        began = time.monotonic()
        await talk.ana.do(fn, party_id=talk.party_id, uid=talk.ben.user)

        ended = await talk.ben.socket.expect(op="ended", channel=f"chat:{talk.party_id}")
        assert ended["reason"] == code
        await loses_everything(talk.ben, watches, began, code)
        await talk.ana.do("chat.say", room=talk.room, text="Among us again")
        await talk.ana.do("comments.post", media=talk.media, party_id=talk.party_id, text="Among us again")
        await talk.ben.socket.ask("time", t0=0)
        assert "again" not in json.dumps(talk.ben.socket.inbox)
        talk.hear()
        for name, given in OUTSIDE:
            assert await not_shown(talk.ben, name, **given(talk)) == code, name

    async def test_who_leaves_a_private_party_hears_no_more(self, talk: Scene) -> None:
        await talk.ben.socket.ask("follow", channel=f"chat:{talk.party_id}")
        watches = await watching(talk.ben, talk)

        began = time.monotonic()
        await talk.ben.do("party.leave", party_id=talk.party_id)

        await talk.ben.socket.expect(op="ended", channel=f"chat:{talk.party_id}")
        await loses_everything(talk.ben, watches, began, "not-a-member")

    async def test_who_is_kept_out_of_a_room_by_its_moderators_stays_in_the_party(self, talk: Scene) -> None:
        await talk.ben.socket.ask("follow", channel=f"chat:{talk.party_id}")
        await talk.ben.socket.ask("follow", channel=f"party:{talk.party_id}")
        watches = await watching(talk.ben, talk)

        began = time.monotonic()
        await talk.ana.do("moderation.ban", where=talk.room, uid=talk.ben.user)

        await talk.ben.socket.expect(op="ended", channel=f"chat:{talk.party_id}")
        await loses_everything(talk.ben, watches, began, "banned")
        await talk.ana.do("party.play", party_id=talk.party_id, position=1)
        await talk.ben.socket.expect(op="event", type="party.played")
        talk.hear()
        assert await talk.ben.refused("chat.say", room=talk.room, text="x") == "banned"
        await talk.ana.do("moderation.unban", where=talk.room, uid=talk.ben.user)
        talk.hear()
        await talk.ben.do("chat.say", room=talk.room, text="Back")
        await talk.ben.socket.ask("follow", channel=f"chat:{talk.party_id}")

    async def test_who_is_kept_out_everywhere_reads_and_writes_nowhere(self, talk: Scene, meg: Person) -> None:
        await talk.eve.socket.ask("follow", channel=talk.live)
        thread = talk.eve.socket.next_id()
        await talk.eve.socket.say(op="watch", id=thread, fn="comments.thread", args={"media": talk.media})
        await talk.eve.socket.expect(op="value", id=thread)

        began = time.monotonic()
        await meg.do("moderation.ban", where="site", uid=talk.eve.user, seconds=3600, reason="spam")

        assert (await talk.eve.socket.expect(op="ended", channel=talk.live))["reason"] == "banned"
        await loses_everything(talk.eve, {"comments.thread": thread}, began, "banned")
        talk.eve.hear_of(meg)
        writing: tuple[tuple[str, dict[str, Any]], ...] = (
            ("comments.post", {"media": talk.media, "text": "x"}),
            ("comments.react", {**talk.open, "emoji": "🔥"}),
            ("chat.say", {"room": talk.live, "text": "x"}),
            ("live.start", {"live_id": f"{talk.live_id}-x", "title": "x"}),
        )
        for fn, args in writing:
            assert await talk.eve.refused(fn, **args) == "banned", fn
        reading: tuple[tuple[str, dict[str, Any]], ...] = (
            ("comments.thread", {"media": talk.media}),
            ("comments.timed", {"media": talk.media, "start": 0, "end": 60}),
            ("comments.density", {"media": talk.media}),
            ("comments.replies", dict(talk.open)),
            ("comments.search", {"search": "everybody", "thread_id": talk.open["thread_id"]}),
            ("chat.history", {"room": talk.live}),
            ("live.state", {"live_id": talk.live_id}),
        )
        for fn, args in reading:
            assert await not_shown(talk.eve, fn, **args) == "banned", fn
        (standing,) = [one for one in await meg.pages("moderation.people", "standings", where="site")
                       if one["uid"] == talk.eve.user]  # fmt: skip
        assert some(standing, "banned", "muted", "reason", "by") == (True, False, "spam", meg.user)

    async def test_a_moderator_who_is_demoted_sees_no_more_of_what_moderators_see(self, talk: Scene) -> None:
        await talk.ana.do("party.appoint", party_id=talk.party_id, uid=talk.ben.user)
        talk.hear()
        cases = talk.ben.socket.next_id()
        await talk.ben.socket.say(op="watch", id=cases, fn="moderation.cases", args={"where": talk.room})
        await talk.ben.socket.expect(op="value", id=cases)

        began = time.monotonic()
        await talk.ana.do("party.dismiss", party_id=talk.party_id, uid=talk.ben.user)

        await loses_everything(talk.ben, {"moderation.cases": cases}, began, "not-a-moderator")


class TestTheHost:
    async def test_whoever_just_became_something_is_it_at_once(self, talk: Scene) -> None:
        opened = await talk.ana.do("party.open", title="For all", media=talk.media)
        party_id, room = opened["party_id"], f"party:{opened['party_id']}"
        for somebody in (talk.ben, talk.eve):
            assert await somebody.refused("chat.say", room=room, text="x") == "not-a-member"
            await somebody.do("party.join", party_id=party_id)
            said = await somebody.do("chat.say", room=room, text="Hello")
            assert await somebody.refused("chat.hide", room=room, line=said["line"]) == "not-a-moderator"
            await talk.ana.do("party.appoint", party_id=party_id, uid=somebody.user)
            await somebody.do("chat.hide", room=room, line=said["line"])

    async def test_locks_hides_and_restores(self, talk: Scene) -> None:
        made = await talk.ben.do("comments.post", media=talk.media, party_id=talk.party_id, text="Not nice")
        answer = await talk.ben.do(
            "comments.post", media=talk.media, party_id=talk.party_id, text="Nor this", parent=made["comment_id"]
        )
        thread = await watched(talk.ben.socket, "comments.thread", media=talk.media, party_id=talk.party_id)
        talk.hear()

        await talk.ana.do("comments.hide", **made, reason="not nice")
        shown = await thread.until(lambda page: any(c["gone"] for c in page["comments"]))
        (place,) = [c for c in shown["comments"] if c["gone"]]
        assert some(place, "gone", "text", "uid", "name") == ("hidden", "", "", "")
        (mine,) = (await talk.ben.see("comments.mine", thread_id=made["thread_id"]))["comments"]
        assert (mine["hidden"], mine["comment"]["text"]) == (True, "Not nice")
        assert some((await talk.ana.see("comments.mine", thread_id=made["thread_id"])), "comments", "may_moderate") == (
            [],
            True,
        )

        await talk.ana.do("comments.restore", **made)
        await thread.until(lambda page: not any(c["gone"] for c in page["comments"]))

        await talk.ana.do("comments.lock", thread_id=made["thread_id"])
        await thread.until(lambda page: page["thread"]["locked"])
        assert await talk.ben.refused("comments.edit", **answer, text="x") == "thread-locked"
        await talk.ana.do("comments.post", media=talk.media, party_id=talk.party_id, text="Closed")
        await talk.ana.do("comments.lock", thread_id=made["thread_id"], locked=False)
        await talk.ben.do("comments.edit", **answer, text="Nor that")

        deeds = await talk.ana.pages("moderation.log", "deeds", where=talk.room)
        assert [deed["type"] for deed in deeds] == [
            "comments.thread-locked",
            "comments.thread-locked",
            "comments.restored",
            "comments.hidden",
        ]
        assert some(deeds[-1], "by", "by_name", "uid", "uid_name", "id", "reason") == (
            talk.ana.user,
            "Ana",
            talk.ben.user,
            "Ben",
            made["comment_id"],
            "not nice",
        )

    async def test_hides_and_restores_a_line(self, talk: Scene) -> None:
        said = await talk.ben.do("chat.say", room=talk.room, text="Not nice", media_seconds=3.5)
        screen = talk.eve.socket
        await talk.eve.do("party.join", party_id=talk.party_id, key=talk.key)
        await screen.ask("follow", channel=f"chat:{talk.party_id}")

        await talk.ana.do("chat.pin", room=talk.room, line=said["line"])
        assert (await screen.expect(op="event", type="comments.line-pinned"))["data"]["line"] == said["line"]
        await talk.ana.do("chat.hide", room=talk.room, line=said["line"])
        hidden = await screen.expect(op="event", type="comments.line-hidden")
        assert hidden["data"].keys() == {"line", "at"}
        talk.hear()
        assert await lines(talk.eve, talk.room) == ["Here we go"]
        (mine,) = (await talk.ben.see("chat.mine", room=talk.room))["lines"]
        assert mine["text"] == "Not nice"
        assert (await talk.eve.see("chat.mine", room=talk.room))["lines"] == []

        await talk.ana.do("chat.restore", room=talk.room, line=said["line"])
        restored = (await screen.expect(op="event", type="comments.line-restored"))["data"]
        assert some(restored, "line", "uid", "text", "media_seconds") == (said["line"], talk.ben.user, "Not nice", 3.5)
        talk.hear()
        assert await lines(talk.eve, talk.room) == ["Here we go", "Not nice"]

    async def test_removes_for_good(self, talk: Scene) -> None:
        made = await talk.ben.do("comments.post", media=talk.media, party_id=talk.party_id, text="Not nice")
        talk.hear()

        await talk.ana.do("comments.remove", **made, reason="spam")

        talk.hear()
        assert await texts(talk.ben, talk) == [("Among us", None)]
        assert await talk.ana.refused("comments.restore", **made) == "no-such-comment"
        (told,) = (await talk.ben.see("notifications.mine"))["notifications"]
        assert some(told, "kind", "comment_id", "by", "text") == ("removed", made["comment_id"], "", "")


class TestAModeratorOfEverything:
    async def test_moderates_the_threads_for_everybody(self, talk: Scene, meg: Person) -> None:
        meg.hear_of(talk.ana)
        cases = await watched(meg.socket, "moderation.cases", where="site", limit=100)
        await talk.ben.do("comments.report", **talk.open, why="spoiler", words="It gives away the end")

        def reported(page: Any) -> list[Any]:
            return [case for case in page["cases"] if case["id"] == talk.open["comment_id"]]

        (case,) = reported(await cases.until(lambda page: bool(reported(page))))
        assert some(case, "kind", "name", "text", "reports") == ("comment", "Ana", "To everybody", 1)
        (complaint,) = case["complaints"]
        assert some(complaint, "uid", "why", "words") == (talk.ben.user, "spoiler", "It gives away the end")

        await meg.do("comments.hide", **talk.open)
        await cases.until(lambda page: not reported(page))
        talk.ben.hear_of(meg)
        assert await texts(talk.ben, talk, party=False) == []
        await meg.do("comments.restore", **talk.open)
        await meg.do("comments.pin", **talk.open)
        talk.ben.hear_of(meg)
        assert await texts(talk.ben, talk, party=False) == [("To everybody", None)]
        page = await talk.ben.see("comments.thread", media=talk.media)
        assert [pinned["comment_id"] for pinned in page["pinned"]] == [talk.open["comment_id"]]
        talk.ana.hear_of(meg)
        told = (await talk.ana.see("notifications.mine"))["notifications"]
        assert [(each["kind"], each["by"], each["by_name"]) for each in told] == [
            ("restored", "", ""),
            ("hidden", "", ""),
        ]

    async def test_roles_that_are_not_theirs_moderate_nothing(self, system: System, talk: Scene) -> None:
        async with moderator(system, "editor") as somebody:
            assert await somebody.refused("comments.hide", **talk.open) == "not-a-moderator"
            assert await not_shown(somebody, "moderation.cases", where="site") == "not-a-moderator"
        async with moderator(system, "operator") as operator:
            await operator.do("comments.hide", **talk.open)

    async def test_mutes_for_some_time_and_says_so(self, talk: Scene, meg: Person) -> None:
        await meg.do("moderation.mute", where="site", uid=talk.ben.user, seconds=3600, reason="Calm down")
        talk.hear()
        talk.ben.hear_of(meg)

        for fn, args in (
            ("comments.post", {"media": talk.media, "text": "x"}),
            ("comments.react", {**talk.open, "emoji": "🔥"}),
            ("chat.say", {"room": talk.live, "text": "x"}),
            ("chat.say", {"room": talk.room, "text": "x"}),
        ):
            assert await talk.ben.refused(fn, **args) == "muted", fn
        mine = await talk.ben.see("comments.mine", thread_id=talk.open["thread_id"])
        assert mine["muted"]
        with pytest.raises(Refused) as refused:
            await talk.ben.do("chat.say", room=talk.live, text="x")
        until = refused.value.error["details"]["until"]
        assert datetime.fromisoformat(until) == datetime.fromisoformat(mine["muted_until"])
        assert await lines(talk.ben, talk.room) == ["Here we go"]
        await talk.ben.do("comments.report", **talk.open, why="spam")
        await meg.do("moderation.unmute", where="site", uid=talk.ben.user)
        await talk.ben.do("chat.say", room=talk.live, text="Sorry")


class TestInTheShadow:
    async def test_nobody_else_sees_a_trace_and_the_author_nothing_unusual(self, talk: Scene, meg: Person) -> None:
        word = f"zebra{secrets.token_hex(4)}"
        seen = [await watched(talk.ana.socket, "comments.thread", media=talk.media)]
        seen.append(await watched(talk.ana.socket, "comments.statistics", media=talk.media))
        seen.append(await watched(talk.ana.socket, "comments.density", media=talk.media))
        seen.append(await watched(talk.ana.socket, "notifications.mine"))
        before = [screen.now for screen in seen]
        unread = [each["unread"] for each in (await talk.ana.see("comments.threads"))["threads"]]
        await talk.ana.socket.ask("follow", channel=talk.live)
        await meg.do("moderation.mute", where="site", uid=talk.eve.user, shadow=True)
        talk.eve.hear_of(meg)

        about = {"media": talk.media, "media_seconds": 33.0, "mentions": [talk.ana.user]}
        made = await talk.eve.do("comments.post", **about, text=f"Buy {word}", parent=talk.open["comment_id"])
        await talk.eve.do("comments.react", **talk.open, emoji="🔥")
        await talk.eve.do("comments.edit", **made, text=f"Buy {word} now")
        said = await talk.eve.do("chat.say", room=talk.live, text=f"Buy {word}", mentions=[talk.ana.user])
        await talk.eve.do("chat.say", room=talk.live, text="And more", answers=said["line"])

        # The author sees it as if it were there, and is told of no muting.
        mine = await talk.eve.see("comments.mine", thread_id=made["thread_id"])
        assert (mine["comments"], [comment["text"] for comment in mine["said"]]) == ([], [f"Buy {word} now"])
        assert (mine["muted"], mine["reactions"]) == (False, {talk.open["comment_id"]: ["🔥"]})
        assert [line["text"] for line in (await talk.eve.see("chat.mine", room=talk.live))["lines"]] == [
            f"Buy {word}",
            "And more",
        ]
        state = (await talk.eve.socket.ask("follow", channel=talk.live))["state"]
        assert (state["muted"], state["may_moderate"]) == (False, False)
        assert (await talk.eve.see("notifications.mine"))["notifications"] == []

        # Others see nothing of it, in numbers neither.
        talk.hear()
        assert await talk.ana.see("comments.thread", media=talk.media) == before[0]
        assert await talk.ana.see("comments.statistics", media=talk.media) == before[1]
        assert await talk.ana.see("comments.density", media=talk.media) == before[2]
        assert await talk.ana.see("notifications.mine") == before[3]
        assert [each["unread"] for each in (await talk.ana.see("comments.threads"))["threads"]] == unread
        assert (await talk.ana.see("comments.search", search=word))["found"] == []
        assert (await talk.ben.see("comments.author", uid=talk.eve.user))["comments"] == 0
        assert await lines(talk.ben, talk.live) == ["Welcome"]
        assert (await talk.ben.see("live.state", live_id=talk.live_id))["lines"] == 1
        assert await talk.ben.refused("comments.react", **made, emoji="🔥") == "no-such-comment"
        assert await not_shown(talk.ben, "comments.replies", **made) == "no-such-comment"
        assert await not_shown(talk.ben, "comments.edits", **made) == "no-such-comment"
        told = json.dumps(talk.ana.socket.inbox)
        assert word not in told
        assert talk.eve.user not in told

        # Moderators see it.
        meg.hear_of(talk.eve)
        hidden = await meg.pages("moderation.cases", "cases", where="site", veil="hidden")
        (case,) = [case for case in hidden if case["id"] == made["comment_id"]]
        assert some(case, "veil", "text", "uid") == ("shadow", f"Buy {word} now", talk.eve.user)
        in_live = await talk.ana.pages("moderation.cases", "cases", where=talk.live, veil="hidden")
        assert {case["text"] for case in in_live} == {f"Buy {word}", "And more"}

        # What is restored is as if it had just been said.
        await meg.do("comments.restore", **made)
        talk.ana.hear_of(meg)
        notified = (await talk.ana.see("notifications.mine"))["notifications"]
        assert {some(each, "kind", "comment_id", "by") for each in notified} >= {
            ("reply", made["comment_id"], talk.eve.user)
        }
        page = await talk.ana.see("comments.thread", media=talk.media)
        assert [c["text"] for c in page["comments"]] == ["To everybody", f"Buy {word} now"]

    async def test_who_comes_out_of_the_shadow_is_seen_from_then_on(self, talk: Scene) -> None:
        await talk.ana.do("moderation.mute", where=talk.room, uid=talk.ben.user, shadow=True)
        talk.hear()
        await talk.ben.do("chat.say", room=talk.room, text="In the dark")
        await talk.ana.do("moderation.unmute", where=talk.room, uid=talk.ben.user)
        talk.hear()
        await talk.ben.do("chat.say", room=talk.room, text="In the light")
        talk.hear()

        assert await lines(talk.ana, talk.room) == ["Here we go", "In the light"]


class TestWhatConcernsMe:
    async def test_notifications_are_live_and_are_read_once(self, talk: Scene) -> None:
        mine = await watched(talk.ana.socket, "notifications.mine")
        assert some(mine.now, "notifications", "unread") == ([], 0)

        about = {"media": talk.media, "title": "The Matrix"}
        reply = await talk.ben.do("comments.post", **about, text="Right!", parent=talk.open["comment_id"])
        shown = await mine.until(lambda page: page["unread"] == 1)
        (told,) = shown["notifications"]
        assert some(told, "kind", "thread_id", "comment_id", "by", "by_name", "text", "unread") == (
            "reply",
            reply["thread_id"],
            reply["comment_id"],
            talk.ben.user,
            "Ben",
            "Right!",
            True,
        )
        mentions = [talk.ana.user, talk.eve.user]
        ours = await talk.ben.do(
            "comments.post", media=talk.media, party_id=talk.party_id, text="Look, Ana", mentions=mentions
        )
        shown = await mine.until(lambda page: page["unread"] == 2)
        # What is said in a private party is not told beside it; and who may not read it is not mentioned.
        assert some(shown["notifications"][0], "kind", "comment_id", "text") == ("mention", ours["comment_id"], "")
        said = await talk.ben.do("chat.say", room=talk.live, text="Ana!", mentions=[talk.ana.user])
        shown = await mine.until(lambda page: page["unread"] == 3)
        assert some(shown["notifications"][0], "kind", "room", "comment_id") == ("mention", talk.live, said["line"])
        talk.hear()
        assert (await talk.eve.see("notifications.mine"))["notifications"] == []

        await talk.ana.do("notifications.read")
        shown = await mine.until(lambda page: page["unread"] == 0)
        assert [each["unread"] for each in shown["notifications"]] == [False, False, False]
        assert (await talk.ana.see("notifications.mine", unread=True))["notifications"] == []

    async def test_what_is_taken_back_is_no_news(self, talk: Scene) -> None:
        reply = await talk.ben.do("comments.post", media=talk.media, text="Right!", parent=talk.open["comment_id"])
        await talk.ben.do("comments.delete", **reply)
        talk.hear()

        assert some(await talk.ana.see("notifications.mine"), "notifications", "unread") == ([], 0)

    async def test_who_was_put_out_is_not_told_of_answers_any_more(self, talk: Scene) -> None:
        about = {"media": talk.media, "party_id": talk.party_id}
        made = await talk.ben.do("comments.post", **about, text="Mine")
        await talk.ana.do("party.kick", party_id=talk.party_id, uid=talk.ben.user)
        assert await not_shown(talk.ben, "chat.history", room=talk.room) == "not-a-member"
        mentions = [talk.ben.user]
        await talk.ana.do("comments.post", **about, text="Answer", parent=made["comment_id"], mentions=mentions)
        await talk.ana.do("chat.say", room=talk.room, text="Ben?", mentions=mentions)
        talk.hear()

        assert some(await talk.ben.see("notifications.mine"), "notifications", "unread") == ([], 0)
        assert (await talk.ben.see("comments.threads"))["threads"] == []

    async def test_unread_counts(self, talk: Scene) -> None:
        thread_id = talk.open["thread_id"]
        followed = await watched(talk.ana.socket, "comments.threads")

        def unread(page: Any) -> int:
            (found,) = [each for each in page["threads"] if each["thread"]["thread_id"] == thread_id]
            return int(found["unread"])

        for _ in range(3):
            await talk.ben.do("comments.post", media=talk.media, text="x")
        await followed.until(lambda page: unread(page) == 3)

        await talk.ana.do("comments.post", media=talk.media, text="Mine do not count")
        await talk.ana.do("comments.read", thread_id=thread_id)
        await followed.until(lambda page: unread(page) == 0)
        # It never goes back.
        await talk.ana.do("comments.read", thread_id=thread_id, upto="2020-01-01T00:00:00Z")
        await talk.ben.do("comments.post", media=talk.media, text="One more")
        await followed.until(lambda page: unread(page) == 1)

    async def test_what_a_comment_said_before(self, talk: Scene, meg: Person) -> None:
        await talk.ana.do("comments.edit", **talk.open, text="Second")
        await talk.ana.do("comments.edit", **talk.open, spoiler=True)
        await talk.ana.do("comments.edit", **talk.open, text="Third")
        talk.hear()
        meg.hear_of(talk.ana)

        for somebody in (talk.ana, meg):
            edits = (await somebody.see("comments.edits", **talk.open))["edits"]
            assert [some(edit, "text", "spoiler") for edit in edits] == [
                ("Second", True),
                ("Second", False),
                ("To everybody", False),
            ]
        assert await not_shown(talk.ben, "comments.edits", **talk.open) == "not-yours"
        (shown,) = (await talk.ben.see("comments.thread", media=talk.media))["comments"]
        assert some(shown, "text", "spoiler") == ("Third", True)
        assert shown["edited_at"] is not None
        await talk.ana.do("comments.delete", **talk.open)
        assert await not_shown(talk.ana, "comments.edits", **talk.open) == "no-such-comment"


class TestErasure:
    async def test_names_go_and_what_was_said_stays(self, talk: Scene, meg: Person) -> None:
        reply = await talk.ben.do("comments.post", media=talk.media, text="Right!", parent=talk.open["comment_id"])
        await talk.ana.do("comments.react", **reply, emoji="🔥")
        await talk.ben.do("comments.report", **talk.open, why="spam")
        await talk.ben.do("chat.say", room=talk.live, text="Ana!", mentions=[talk.ana.user])
        await talk.ana.do("comments.read", thread_id=talk.open["thread_id"])
        talk.hear()
        told = [json.loads(line) for line in (await talk.ana.export()).splitlines()]
        text = json.dumps(told, ensure_ascii=False)
        for word in ("To everybody", "Among us", "Here we go", "Welcome", "🔥"):
            assert word in text, word
        assert {talk.open["comment_id"], talk.ours["comment_id"], talk.line, talk.live_line} <= set(words(told))
        assert "Right!" not in text, "what others said is theirs"
        screen = await watched(talk.ben.socket, "comments.thread", media=talk.media)
        await talk.eve.socket.ask("follow", channel=talk.live)

        await talk.ana.do("library.erase_me", confirm="erase everything")

        shown = await screen.until(lambda page: page["comments"][0]["name"] == "")
        assert [some(c, "name", "avatar", "text") for c in shown["comments"]] == [
            ("", "", "To everybody"),
            ("Ben", "", "Right!"),
        ]

        async def blank() -> bool:
            page = await talk.ben.see("comments.thread", media=talk.media, party_id=talk.party_id)
            assert [some(c, "name", "text") for c in page["comments"]] == [("", "Among us")]
            for room, said in ((talk.room, "Here we go"), (talk.live, "Welcome")):
                history = (await talk.ben.see("chat.history", room=room))["lines"]
                assert some(history[0], "name", "text") == ("", said)
                people = (await talk.ben.see("chat.people", room=room, uids=[talk.ana.user]))["people"]
                assert people.get(talk.ana.user, {"name": ""})["name"] == ""
            followed = await talk.ben.socket.ask("follow", channel=talk.live)
            await talk.ben.socket.ask("unfollow", channel=talk.live)
            assert some(followed["state"]["lines"][0], "name", "text") == ("", "Welcome")
            assert "Ana" not in json.dumps(followed["state"]["people"])
            assert (await talk.ben.see("comments.author", uid=talk.ana.user))["name"] == ""
            (reacted,) = [
                c for c in (await talk.ben.see("comments.thread", media=talk.media))["comments"] if c["depth"]
            ]
            assert reacted["reactions"] == []
            return True

        await eventually(blank, within=20)
        assert some(await talk.ana.see("notifications.mine"), "notifications", "unread") == ([], 0)
        after = [json.loads(line) for line in (await talk.ana.export()).splitlines()]
        assert "Ana" not in json.dumps([record for record in after if record["record"].startswith(("comment", "line"))])


def words(found: Any) -> list[str]:
    """Every text in it."""
    if isinstance(found, dict):
        return [word for value in found.values() for word in words(value)]
    if isinstance(found, list):
        return [word for value in found for word in words(value)]
    return [found] if isinstance(found, str) else []


class TestLive:
    async def test_viewers_are_counted_by_presence_each_person_once(self, system: System, talk: Scene) -> None:
        screen = talk.ana.socket
        await screen.ask("follow", channel=talk.live)
        devices = [await Client.connect(system.ws, talk.ben.token) for _ in range(2)]
        for device in devices:
            await device.ask("follow", channel=talk.live)
            await device.ask("track", channel=talk.live, meta={})
        await talk.eve.socket.ask("follow", channel=talk.live)
        await talk.eve.socket.ask("track", channel=talk.live, meta={})

        frame = await screen.expect(op="presence", channel=talk.live, count=2)
        assert frame.keys() == {"op", "channel", "count"}

        async def counted() -> bool:
            state = await talk.ana.see("live.state", live_id=talk.live_id)
            return bool(state["viewers"] == 3 and state["most_viewers"] == 3)

        await eventually(counted, within=20)  # sampled every five seconds; Ana follows, too
        await devices[0].close()
        await devices[1].vanish()
        await talk.eve.socket.ask("unfollow", channel=talk.live)
        await screen.expect(op="presence", channel=talk.live, count=0, within=30)

        async def alone() -> bool:
            state = await talk.ana.see("live.state", live_id=talk.live_id)
            return bool(state["viewers"] == 1 and state["most_viewers"] == 3)

        await eventually(alone, within=30)

    async def test_who_follows_sees_how_it_goes(self, talk: Scene) -> None:
        screen = talk.eve.socket
        state = (await screen.ask("follow", channel=talk.live))["state"]
        assert some(state["live"], "title", "owner", "session", "on") == ("The final", talk.ana.user, 1, True)

        await talk.ana.do("live.appoint", live_id=talk.live_id, uid=talk.ben.user)
        assert (await screen.expect(op="event", type="comments.moderator-appointed"))["data"]["uid"] == talk.ben.user
        await talk.ben.do("chat.hide", room=talk.live, line=talk.live_line)
        await screen.expect(op="event", type="comments.line-hidden")
        await talk.ben.do("chat.configure", room=talk.live, slow_seconds=30, links="refuse", words=["drat"])
        configured = (await screen.expect(op="event", type="comments.room-configured"))["data"]
        assert some(configured, "open", "slow_seconds", "links") == (True, 30.0, "refuse")
        assert "words" not in configured
        await talk.ana.do("live.end", live_id=talk.live_id)
        ended = (await screen.expect(op="event", type="comments.live-ended"))["data"]
        assert some(ended, "session", "reason") == (1, "ended")
        await talk.ana.do("live.start", live_id=talk.live_id, title="The replay")
        started = (await screen.expect(op="event", type="comments.live-started"))["data"]
        assert some(started, "session", "title") == (2, "The replay")

    async def test_typing_goes_to_whoever_follows_and_is_kept_nowhere(self, talk: Scene) -> None:
        channel = f"chat:{talk.party_id}"
        for somebody in (talk.ana, talk.ben):
            await somebody.socket.ask("follow", channel=channel)

        await talk.ben.socket.ask("send", channel=channel, event="typing", data={})

        heard = await talk.ana.socket.expect(op="message", event="typing")
        assert (heard["from"], heard["channel"]) == (talk.ben.user, channel)
        assert await lines(talk.ana, talk.room) == ["Here we go"]

    async def test_a_reader_who_was_away_gets_exactly_what_was_missed(self, system: System, talk: Scene) -> None:
        reader = await Client.connect(system.ws, talk.eve.token)
        await reader.ask("follow", channel=talk.live)
        await talk.ben.do("chat.say", room=talk.live, text="Seen")
        seen: Frame = await reader.expect(op="event", type="comments.said")
        await reader.vanish()

        said = [f"Missed {n}" for n in range(120)]
        for text in said:
            await talk.ben.do("chat.say", room=talk.live, text=text)
        hidden = await talk.ben.do("chat.say", room=talk.live, text="Hidden")
        await talk.ana.do("chat.hide", room=talk.live, line=hidden["line"])
        await talk.ana.do("chat.configure", room=talk.live, links="hold")
        held = await talk.ben.do("chat.say", room=talk.live, text="See example.com")
        await talk.ben.do("chat.say", room=talk.live, text="Never shown: example.org")
        await talk.ana.do("chat.restore", room=talk.live, line=held["line"])

        async with await Client.connect(system.ws, talk.eve.token) as again:
            followed = await again.ask("follow", channel=talk.live, since=seen["position"])
            assert followed["recovered"]
            events = [await again.expect(op="event") for _ in range(124)]
            assert [event["data"].get("text") for event in events] == [*said, "Hidden", None, None, "See example.com"]
            assert [event["type"] for event in events[-4:]] == [
                "comments.said",
                "comments.line-hidden",
                "comments.room-configured",
                "comments.line-restored",
            ]
            positions = [int(event["position"].rpartition(":")[2]) for event in events]
            assert positions == sorted(set(positions))
            await talk.ben.do("chat.say", room=talk.live, text="And on")
            assert (await again.expect(op="event"))["data"]["text"] == "And on"
            assert [frame for frame in again.inbox if frame["op"] == "event"] == []

    async def test_history_goes_on_from_a_position(self, talk: Scene) -> None:
        for n in range(120):
            await talk.ben.do("chat.say", room=talk.live, text=f"{n}")
        state = (await talk.ben.socket.ask("follow", channel=talk.live))["state"]
        assert [line["text"] for line in state["lines"]] == [f"{n}" for n in range(70, 120)]

        before = await talk.ben.see("chat.history", room=talk.live, cursor=state["lines"][0]["position"], limit=50)
        assert [line["text"] for line in before["lines"]] == [f"{n}" for n in range(20, 70)]
        first = await talk.ben.see("chat.history", room=talk.live, cursor=before["cursor"], limit=50)
        assert [line["text"] for line in first["lines"]] == ["Welcome", *(f"{n}" for n in range(20))]
        assert first["cursor"] is None

    @pytest.mark.skipif(not SLOWLY, reason="takes more than a minute; MATINEE_FAULTS_SLOWLY=1 runs it")
    @pytest.mark.timeout(240)
    async def test_it_is_lost_once_its_owner_has_been_silent_for_a_minute(self, system: System, talk: Scene) -> None:
        async with person(system, "Dora") as dora:
            other = f"other-{secrets.token_hex(6)}"
            await dora.do("live.start", live_id=other, title="Goes on")
            await talk.eve.socket.ask("follow", channel=talk.live)

            async def goes_on() -> None:
                while True:
                    await dora.do("live.report", live_id=other)
                    await asyncio.sleep(5)

            reporting = asyncio.create_task(goes_on())
            try:
                ended = await talk.eve.socket.expect(op="event", type="comments.live-ended", within=150)
            finally:
                reporting.cancel()
            assert some(ended["data"], "session", "reason") == (1, "lost")
            assert (await dora.see("live.state", live_id=other))["on"]
        state = await talk.eve.see("live.state", live_id=talk.live_id)
        assert some(state, "on", "reason") == (False, "lost")
        assert await talk.ana.refused("chat.say", room=talk.live, text="x") == "live-ended"
