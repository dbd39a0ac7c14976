"""What two apps did with comments and live chat on Supabase and Convex, with their own example values, through both
doors."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from tests.e2e.person import DOORS, Door, Person, person, watched
from tests.e2e.test_seed_library import some
from tests.system import System
from tests.wait import eventually

from events.bus import Bus
from events.codec import Codec
from events.contracts import comments
from events.contracts.comments import ThreadBegun, thread_key, thread_of
from events.jetstream import JetStreamLog

COMMENT: dict[str, Any] = {"episode": 1, "text": "This opening is amazing!", "media_seconds": 120.5}
"""The anime app's `comments-create`, but for the anime: each test has one of its own."""
AVATAR = "https://example.com/avatar.jpg"


@pytest.fixture(params=DOORS)
def door(request: pytest.FixtureRequest) -> Door:
    found: Door = request.param
    return found


@pytest_asyncio.fixture
async def host(system: System, door: Door) -> AsyncIterator[Person]:
    async with person(system, "AnimeFan99", door) as somebody:
        yield somebody


@pytest_asyncio.fixture
async def viewer(system: System, door: Door) -> AsyncIterator[Person]:
    async with person(system, "Viewer123", door) as somebody:
        yield somebody


@pytest_asyncio.fixture
async def stack() -> AsyncIterator[contextlib.AsyncExitStack]:
    """Where devices are closed."""
    async with contextlib.AsyncExitStack() as devices:
        yield devices


def anime() -> str:
    """`aot-1`, as nobody else calls it."""
    return f"aot-{secrets.token_hex(6)}"


async def room_with(host: Person, *members: Person, **details: Any) -> str:
    """A party, by its id."""
    opened = await host.do("party.open", title="Watching Attack on Titan S1E1 Together", media="aot-1", **details)
    for member in members:
        await member.do("party.join", party_id=opened["party_id"], key=opened["key"])
    return str(opened["party_id"])


async def anchors(system: System, thread_id: str) -> list[ThreadBegun]:
    """Of one thread, as the log has them."""
    bus = await Bus.connect(system.environment("comments")["NATS_URL"], "comments")
    try:
        log = await JetStreamLog.open(bus, "comments", Codec(comments.EVENTS))
        commits = await log.read(thread_key(thread_id))
    finally:
        await bus.close()
    return [event for commit in commits for event in commit.events if isinstance(event, ThreadBegun)]


class TestAnimeComments:
    """Its `comments-create`, `comments-get-by-episode` and `comments-get-history`, and the anchor of an episode."""

    async def test_comments_create_with_all_its_fields_in_a_room(self, host: Person, viewer: Person) -> None:
        aot, room_id = anime(), await room_with(host, viewer)

        made = await viewer.do("comments.post", media=aot, party_id=room_id, name="Viewer123", avatar=AVATAR, **COMMENT)

        page = await viewer.see("comments.thread", media=aot, episode=1, party_id=room_id)
        (comment,) = page["comments"]
        assert some(comment, "comment_id", "thread_id") == (made["comment_id"], made["thread_id"])
        assert some(comment, "text", "media_seconds") == ("This opening is amazing!", 120.5)
        assert some(comment, "uid", "name", "avatar") == (viewer.user, "Viewer123", AVATAR)
        assert some(page["thread"], "media", "episode", "party_id", "comments", "people") == (aot, 1, room_id, 1, 1)
        # What is said in a room is not said to everybody.
        assert (await viewer.see("comments.thread", media=aot, episode=1))["comments"] == []

    async def test_comments_create_for_everybody(self, host: Person, viewer: Person) -> None:
        aot = anime()
        await viewer.do("comments.post", media=aot, **COMMENT)
        host.hear_of(viewer)

        (comment,) = (await host.see("comments.thread", media=aot, episode=1))["comments"]

        assert some(comment, "name", "text") == ("Viewer123", "This opening is amazing!")
        assert (await host.see("comments.thread", media=aot, episode=2))["comments"] == []

    async def test_comments_get_by_episode_is_live(
        self, host: Person, viewer: Person, stack: contextlib.AsyncExitStack
    ) -> None:
        aot = anime()
        thread = await watched(await host.device(stack), "comments.thread", media=aot, episode=1)
        assert thread.now["comments"] == []

        first = await viewer.do("comments.post", media=aot, **COMMENT)
        shown = await thread.until(lambda page: page["comments"])
        assert [some(c, "comment_id", "text") for c in shown["comments"]] == [
            (first["comment_id"], "This opening is amazing!")
        ]

        await host.do("comments.post", media=aot, episode=1, text="It is!", parent=first["comment_id"])
        shown = await thread.until(lambda page: len(page["comments"]) == 2)
        assert [some(c, "text", "depth", "replies") for c in shown["comments"]] == [
            ("This opening is amazing!", 0, 1),
            ("It is!", 1, 0),
        ]

    async def test_comments_near_a_moment(self, viewer: Person) -> None:
        aot = anime()
        for second in (30.0, 119.0, 120.5, 180.0):
            await viewer.do("comments.post", media=aot, episode=1, text=f"At {second}", media_seconds=second)

        minute = await viewer.see("comments.timed", media=aot, episode=1, start=60, end=180)

        assert [c["text"] for c in minute["comments"]] == ["At 119.0", "At 120.5"]
        assert minute["left_out"] == 0
        density = await viewer.see("comments.density", media=aot, episode=1)
        assert (density["seconds"], density["most"], sum(density["counts"])) == (10.0, 1, 4)
        assert [n for n, count in enumerate(density["counts"]) if count] == [3, 11, 12, 18]

    async def test_comments_get_history_is_what_there_is_to_count(self, host: Person, viewer: Person) -> None:
        aot = anime()
        first = await viewer.do("comments.post", media=aot, title="Attack on Titan", **COMMENT)
        host.hear_of(viewer)
        await host.do("comments.post", media=aot, episode=1, text="It is!", parent=first["comment_id"])
        await host.do("comments.react", **first, emoji="🔥")
        viewer.hear_of(host)

        counted = await viewer.see("comments.statistics", media=aot, episode=1)
        assert some(counted, "comments", "people", "replies", "reactions", "timed") == (2, 2, 1, 1, 1)
        assert counted["busiest"] == [120.0]
        assert [c["comment_id"] for c in counted["top"]] == [first["comment_id"]]
        assert sum(counted["by_day"].values()) == 2
        author = await host.see("comments.author", uid=viewer.user)
        assert some(author, "name", "comments", "threads", "reactions", "replies") == ("Viewer123", 1, 1, 1, 1)
        discussed = await viewer.see("comments.discussed", days=7, limit=50)
        (here,) = [each for each in discussed["threads"] if each["thread"]["media"] == aot]
        assert (here["lately"], here["people_lately"], here["thread"]["title"]) == (2, 2, "Attack on Titan")

    async def test_the_anchor_is_there_before_the_first_comment_and_begins_with_it(self, viewer: Person) -> None:
        aot = anime()
        before = (await viewer.see("comments.thread", media=aot, episode=1))["thread"]
        assert some(before, "begun_at", "comments") == (None, 0)

        made = await viewer.do("comments.post", media=aot, **COMMENT)

        after = (await viewer.see("comments.thread", media=aot, episode=1))["thread"]
        assert before["thread_id"] == after["thread_id"] == made["thread_id"] == thread_of(aot, 1, 1)
        assert after["begun_at"] is not None

    async def test_racing_first_comments_make_one_anchor(self, system: System, door: Door) -> None:
        aot = anime()
        async with contextlib.AsyncExitStack() as stack:
            people = [await stack.enter_async_context(person(system, f"Viewer{n}", door)) for n in range(8)]

            made = await asyncio.gather(*(one.do("comments.post", media=aot, **COMMENT) for one in people))

            (thread_id,) = {each["thread_id"] for each in made}
            people[0].hear_of(*people)
            page = await people[0].see("comments.thread", media=aot, episode=1)
        assert {c["comment_id"] for c in page["comments"]} == {each["comment_id"] for each in made}
        assert some(page["thread"], "comments", "people") == (8, 8)
        (anchor,) = await anchors(system, thread_id)
        assert (anchor.media, anchor.season, anchor.episode) == (aot, 1, 1)

    async def test_an_id_in_another_form_is_the_same_thread(self, viewer: Person) -> None:
        series = f"tt{secrets.randbelow(10**9):09}"
        await viewer.do("comments.post", media=f"{series}:1:2", text="By the video id")

        page = await viewer.see("comments.thread", media=series, season=1, episode=2)

        assert [c["text"] for c in page["comments"]] == ["By the video id"]

    async def test_a_room_that_is_deleted_keeps_its_comments(self, host: Person, viewer: Person) -> None:
        aot, room_id = anime(), await room_with(host, viewer)
        await viewer.do("comments.post", media=aot, party_id=room_id, **COMMENT)
        await host.do("party.close", party_id=room_id)
        viewer.hear_of(host)

        page = await viewer.see("comments.thread", media=aot, episode=1, party_id=room_id)

        assert [c["text"] for c in page["comments"]] == ["This opening is amazing!"]


class TestCsnLive:
    """Its `live_stream_sessions`, `live_viewers` and `live_chat_messages`."""

    async def test_a_session_with_its_heartbeat(self, host: Person, viewer: Person) -> None:
        game = f"game-{secrets.token_hex(4)}"
        await host.do("live.start", live_id=game, title="Friday night volleyball")
        await host.do("live.report", live_id=game, media_seconds=12.5)
        viewer.hear_of(host)

        state = await viewer.see("live.state", live_id=game)
        assert some(state, "title", "owner", "session", "on") == ("Friday night volleyball", host.user, 1, True)
        listed = await viewer.pages("live.list", "lives")
        assert game in [live["live_id"] for live in listed]

        await host.do("live.end", live_id=game)
        viewer.hear_of(host)
        state = await viewer.see("live.state", live_id=game)
        assert some(state, "on", "reason") == (False, "ended")
        assert state["ended_at"] >= state["started_at"]
        assert game not in [live["live_id"] for live in await viewer.pages("live.list", "lives")]
        await host.do("live.start", live_id=game, title="Second half")
        assert some(await host.see("live.state", live_id=game), "session", "on") == (2, True)

    async def test_get_live_viewers(self, host: Person, viewer: Person, stack: contextlib.AsyncExitStack) -> None:
        game = f"game-{secrets.token_hex(4)}"
        await host.do("live.start", live_id=game, title="Friday night volleyball")
        watching = await host.device(stack)
        followed = await watching.ask("follow", channel=f"live:{game}")
        assert (followed["state"]["live"]["on"], followed["present"]["count"]) == (True, 0)

        away = await viewer.device(stack)
        await away.ask("follow", channel=f"live:{game}")
        await away.ask("track", channel=f"live:{game}", meta={})

        assert (await watching.expect(op="presence", channel=f"live:{game}", count=1))["count"] == 1
        # The same for whoever is not there.
        await eventually(lambda: shows_viewers(host, game, 2), within=20)
        await away.ask("track", channel=f"live:{game}", meta=None)
        assert (await watching.expect(op="presence", channel=f"live:{game}", count=0))["count"] == 0

    async def test_get_chat_messages_with_names_and_no_join(
        self, host: Person, viewer: Person, stack: contextlib.AsyncExitStack
    ) -> None:
        game = f"game-{secrets.token_hex(4)}"
        room = f"live:{game}"
        await host.do("live.start", live_id=game, title="Friday night volleyball")
        screen = await host.device(stack)
        assert (await screen.ask("follow", channel=room))["state"]["lines"] == []

        said = await viewer.do("chat.say", room=room, text="What a serve!", name="Coach Kim", avatar=AVATAR)

        shown = await screen.expect(op="event", type="comments.said")
        assert some(shown["data"], "line", "uid", "text") == (said["line"], viewer.user, "What a serve!")
        told = await screen.expect(op="message", event="person")
        assert told["from"] == "system:comments"
        assert some(told["data"], "uid", "name", "avatar") == (viewer.user, "Coach Kim", AVATAR)
        (line,) = (await viewer.see("chat.history", room=room))["lines"]
        assert some(line, "uid", "name", "avatar", "text") == (viewer.user, "Coach Kim", AVATAR, "What a serve!")
        assert line["at"] == shown["data"]["at"]
        people = (await viewer.see("chat.people", room=room, uids=[viewer.user]))["people"]
        assert people == {viewer.user: {"name": "Coach Kim", "avatar": AVATAR}}
        # Who comes later finds it there.
        later = await (await viewer.device(stack)).ask("follow", channel=room)
        assert [some(line, "name", "text") for line in later["state"]["lines"]] == [("Coach Kim", "What a serve!")]
        assert later["state"]["people"][viewer.user]["name"] == "Coach Kim"

    async def test_many_chat_messages_come_to_everybody_in_one_order(
        self, system: System, door: Door, stack: contextlib.AsyncExitStack
    ) -> None:
        game = f"game-{secrets.token_hex(4)}"
        fans = [await stack.enter_async_context(person(system, f"Fan {n}", door)) for n in range(3)]
        await fans[0].do("live.start", live_id=game, title="Friday night volleyball")
        screens = [await fan.device(stack) for fan in fans]
        for screen in screens:
            await screen.ask("follow", channel=f"live:{game}")

        async def cheer(fan: Person, n: int) -> None:
            for turn in range(5):
                await fan.do("chat.say", room=f"live:{game}", text=f"{n} {turn}")

        await asyncio.gather(*(cheer(fan, n) for n, fan in enumerate(fans)))

        seen = []
        for screen in screens:
            lines = [await screen.expect(op="event", type="comments.said") for _ in range(15)]
            seen.append([line["data"]["text"] for line in lines])
        assert seen[0] == seen[1] == seen[2]
        for n in range(3):
            assert [text for text in seen[0] if text.startswith(f"{n} ")] == [f"{n} {turn}" for turn in range(5)]
        fans[0].hear_of(*fans)
        kept = (await fans[0].see("chat.history", room=f"live:{game}"))["lines"]
        assert [line["text"] for line in kept] == seen[0]


async def shows_viewers(somebody: Person, live_id: str, count: int) -> bool:
    state = await somebody.see("live.state", live_id=live_id)
    return bool(state["viewers"] == count and state["most_viewers"] >= count)
