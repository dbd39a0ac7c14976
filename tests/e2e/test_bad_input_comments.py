"""What is nobody's own, too much, too late or no text at all, said in threads, chats and live events: the documented
error each, and nothing has changed."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, NamedTuple

import aiohttp
import msgspec
import pytest
import pytest_asyncio
from tests.e2e.client import Client, Refused
from tests.e2e.person import CATALOGUE, DOORS, Door, Person, moderator, person
from tests.e2e.talk import Scene, nothing_changed, scene, written
from tests.system import System, system_over
from tests.wait import eventually

from events.contracts.comments import DEEPEST, LONGEST_LINE, LONGEST_TEXT
from gateway.catalogue import Function

FUNCTIONS = {name: function for name, function in CATALOGUE.functions.items() if function.context == "comments"}
COMMANDS = [name for name, function in FUNCTIONS.items() if function.kind == "command"]
NO_THREAD = "a" * 26
NO_COMMENT = "nobody-wrote-it"
NO_PARTY, NO_LIVE = "nobody-opened-it", "nobody-started-it"

EXAMPLES: dict[str, Any] = {
    "media": "tt0111161",
    "text": "Look!",
    "thread_id": NO_THREAD,
    "comment_id": NO_COMMENT,
    "emoji": "🔥",
    "why": "spam",
    "room": f"live:{NO_LIVE}",
    "line": NO_COMMENT,
    "live_id": NO_LIVE,
    "title": "The final",
    "uid": "nobody",
    "uids": ["nobody"],
    "where": "site",
    "start": 0,
    "end": 60,
    "search": "look",
}
"""A value for every argument that some function needs."""

Args = dict[str, Any]
Given = Callable[[Scene], Args]
Case = tuple[str, Given, str]
"""A function, its arguments in a scene, and the code that it is refused with."""


@pytest.fixture
def door(request: pytest.FixtureRequest) -> Door:
    """One of them for each test, by its name: all of them together go through both, in half the time."""
    name: str = request.node.name
    return DOORS[sum(name.encode()) % len(DOORS)]


@pytest_asyncio.fixture
async def talk(system: System, door: Door) -> AsyncIterator[Scene]:
    async with scene(system, door) as set_up:
        yield set_up


async def refused(somebody: Person, fn: str, **args: Any) -> str:
    """The code that a call is refused with, which the function must own up to."""
    code = await somebody.refused(fn, **args) if fn in COMMANDS else await not_shown(somebody, fn, **args)
    assert code in FUNCTIONS[fn].errors, (fn, code)
    return code


async def not_shown(somebody: Person, fn: str, **args: Any) -> str:
    try:
        value = await somebody.see(fn, **args)
    except Refused as refusal:
        return refusal.code
    raise AssertionError(f"{fn} was not refused but answered {value}")


def needed(function: Function) -> list[str]:
    return [field.name for field in msgspec.structs.fields(function.type) if field.required]


def valid(function: Function) -> Args:
    """Arguments of the right types."""
    return {name: EXAMPLES[name] for name in needed(function)}


def texts(function: Function) -> Iterator[str]:
    """Its arguments that are texts."""
    described = msgspec.json.schema(function.type)["$defs"][function.type.__name__]["properties"]
    for name, field in described.items():
        if any(part.get("type") == "string" for part in (field, *field.get("anyOf", ()))):
            yield name


class TestNobody:
    @pytest.mark.parametrize("name", FUNCTIONS)
    async def test_who_is_not_signed_in_is_told_so_by_every_function(self, system: System, name: str) -> None:
        async with (
            aiohttp.ClientSession(system.http) as nobody,
            nobody.post(f"/v1/call/{name}", json=valid(FUNCTIONS[name])) as answer,
        ):
            assert (answer.status, (await answer.json())["code"]) == (401, "not-signed-in")

    @pytest.mark.parametrize("channel", ["chat:some-party", "live:some-event"])
    async def test_nor_follows_a_room(self, system: System, channel: str) -> None:
        async with await Client.connect(system.ws) as nobody:
            with pytest.raises(Refused, match="not-signed-in"):
                await nobody.ask("follow", channel=channel)


class TestNonsense:
    @pytest.mark.parametrize("name", FUNCTIONS)
    async def test_wrong_types_unknown_arguments_and_texts_without_end(self, system: System, name: str) -> None:
        function = FUNCTIONS[name]
        right, names = valid(function), [field.name for field in msgspec.structs.fields(function.type)]
        wrong: list[tuple[str, Any]] = [(field, [{"no": "such"}]) for field in names]
        wrong += [(field, "x" * 5_000) for field in texts(function)]
        wrong += [(field, "a\0b") for field in texts(function)]
        wrong += [("surprise", 1)]
        async with person(system, "Ana") as ana, written(system) as commits:
            for field, value in wrong:
                told = await refused(ana, name, **right | {field: value})
                # Some look at the cursor once they know that there is anything to go on with.
                assert told == "invalid-argument" or field == "cursor", (field, value, told)
            for field in needed(function):
                less = {other: value for other, value in right.items() if other != field}
                assert await refused(ana, name, **less) == "invalid-argument", field
        assert commits == []

    @pytest.mark.parametrize("number", ["NaN", "-1", "1e308", "Infinity", "1e999", '"12"', "[]", "true", "604801"])
    async def test_a_moment_that_is_none(self, system: System, talk: Scene, number: str) -> None:
        room = f'"room": "{talk.live}", "text": "Look!"'
        media = f'"media": "{talk.media}"'
        async with nothing_changed(system, talk):
            for fn, args in (
                ("comments.post", f'{{{media}, "text": "Look!", "media_seconds": {number}}}'),
                ("chat.say", f'{{{room}, "media_seconds": {number}}}'),
                ("comments.timed", f'{{{media}, "start": 0, "end": {number}}}'),
                ("live.report", f'{{"live_id": "{talk.live_id}", "media_seconds": {number}}}'),
            ):
                assert await talk.ana.refused_raw(fn, args) in ("invalid-argument", "invalid-json", "invalid-frame"), fn

    @pytest.mark.parametrize("number", ["-1", "100001", "1.5", '"1"', "1e99"])
    async def test_a_season_or_an_episode_that_is_none(self, system: System, talk: Scene, number: str) -> None:
        async with nothing_changed(system, talk):
            for fn in ("comments.post", "comments.thread", "comments.statistics"):
                text = ', "text": "Look!"' if fn == "comments.post" else ""
                for field in ("season", "episode"):
                    args = f'{{"media": "{talk.media}", "{field}": {number}{text}}}'
                    assert await talk.ana.refused_raw(fn, args) == "invalid-argument", (fn, field)

    async def test_cursors_that_nobody_gave_out(self, talk: Scene) -> None:
        for fn, args in (
            ("comments.thread", {"media": talk.media}),
            ("comments.replies", talk.open),
            ("comments.search", {"search": "everybody"}),
            ("comments.threads", {}),
            ("chat.history", {"room": talk.room}),
            ("live.list", {}),
            ("moderation.cases", {"where": talk.room}),
            ("moderation.log", {"where": talk.room}),
            ("moderation.people", {"where": talk.room}),
            ("notifications.mine", {}),
            ("comments.export", {}),
        ):
            for cursor in ("x", "", "W10", "bnVsbA", "eyJhIjoxfQ", "comments:x:1", "ü" * 100, "\x00"):
                assert await refused(talk.ana, fn, **args, cursor=cursor) == "bad-cursor", (fn, cursor)

    async def test_what_is_too_many(self, system: System, talk: Scene) -> None:
        uids = [f"somebody{n}" for n in range(101)]
        words = [f"word{n}" for n in range(201)]
        async with nothing_changed(system, talk):
            for fn, args in (
                ("comments.post", {"media": talk.media, "text": "Look!", "mentions": uids[:11]}),
                ("chat.say", {"room": talk.room, "text": "Look!", "mentions": uids[:11]}),
                ("chat.people", {"room": talk.room, "uids": uids}),
                ("chat.people", {"room": talk.room, "uids": []}),
                ("chat.configure", {"room": talk.room, "words": words}),
                ("chat.configure", {"room": talk.room, "words": ["x" * 51]}),
                ("chat.configure", {"room": talk.room, "slow_seconds": 3_601}),
                ("moderation.mute", {"where": talk.room, "uid": talk.ben.user, "seconds": 0}),
                ("moderation.ban", {"where": talk.room, "uid": talk.ben.user, "seconds": 1e12}),
                ("comments.thread", {"media": talk.media, "limit": 101}),
                ("comments.thread", {"media": talk.media, "depth": 9}),
                ("comments.timed", {"media": talk.media, "start": 0, "end": 60, "limit": 501}),
                ("live.start", {"live_id": "not an id", "title": "The final"}),
                ("live.start", {"live_id": "x" * 65, "title": "The final"}),
            ):
                assert await refused(talk.ana, fn, **args) == "invalid-argument", (fn, args)

    async def test_a_mark_of_no_time(self, system: System, talk: Scene) -> None:
        for fn, args in (("comments.read", {"thread_id": talk.open["thread_id"]}), ("notifications.read", {})):
            for upto in ("yesterday", "2026-11-01T12:00:00", "0001-01-01T00:00:00Z", 5):
                assert await refused(talk.ana, fn, **args, upto=upto) == "invalid-argument", (fn, upto)


UNKNOWN: list[Case] = [
    ("comments.post", lambda s: {"media": s.media, "text": "x", "party_id": NO_PARTY}, "no-such-party"),
    ("comments.post", lambda s: {"media": s.media, "text": "x", "parent": NO_COMMENT}, "no-such-comment"),
    ("comments.edit", lambda s: {**s.open, "comment_id": NO_COMMENT, "text": "x"}, "no-such-comment"),
    ("comments.delete", lambda s: {**s.open, "comment_id": NO_COMMENT}, "no-such-comment"),
    ("comments.react", lambda s: {**s.open, "comment_id": NO_COMMENT, "emoji": "🔥"}, "no-such-comment"),
    ("comments.report", lambda s: {**s.open, "comment_id": NO_COMMENT, "why": "spam"}, "no-such-comment"),
    *(
        (f"comments.{fn}", lambda s: {**s.ours, "comment_id": NO_COMMENT}, "no-such-comment")
        for fn in ("hide", "restore", "remove", "review", "replies", "edits")
    ),
    ("comments.lock", lambda s: {"thread_id": f"{NO_THREAD}@{s.party_id}"}, "no-such-thread"),
    ("comments.pin", lambda s: {**s.ours, "comment_id": NO_COMMENT}, "no-such-comment"),
    ("comments.pin", lambda s: {**s.ours, "thread_id": f"{NO_THREAD}@{s.party_id}"}, "no-such-thread"),
    ("comments.mine", lambda s: {"thread_id": f"{NO_THREAD}@{NO_PARTY}"}, "no-such-party"),
    ("comments.read", lambda s: {"thread_id": f"{NO_THREAD}@{NO_PARTY}"}, "no-such-party"),
    ("comments.search", lambda s: {"thread_id": f"{NO_THREAD}@{NO_PARTY}", "search": "x"}, "no-such-party"),
    ("comments.thread", lambda s: {"media": s.media, "party_id": NO_PARTY}, "no-such-party"),
    ("comments.density", lambda s: {"media": s.media, "party_id": NO_PARTY}, "no-such-party"),
    ("comments.statistics", lambda s: {"media": s.media, "party_id": NO_PARTY}, "no-such-party"),
    ("comments.timed", lambda s: {"media": s.media, "party_id": NO_PARTY, "start": 0, "end": 9}, "no-such-party"),
    ("chat.say", lambda s: {"room": s.room, "text": "x", "answers": NO_COMMENT}, "no-such-line"),
    ("chat.delete", lambda s: {"room": s.room, "line": NO_COMMENT}, "no-such-line"),
    ("chat.hide", lambda s: {"room": s.room, "line": NO_COMMENT}, "no-such-line"),
    ("chat.restore", lambda s: {"room": s.room, "line": NO_COMMENT}, "no-such-line"),
    ("chat.review", lambda s: {"room": s.room, "line": NO_COMMENT}, "no-such-line"),
    ("chat.review", lambda s: {"room": s.room, "line": NO_COMMENT}, "no-such-line"),
    ("chat.pin", lambda s: {"room": s.room, "line": NO_COMMENT}, "no-such-line"),
    *(
        (f"comments.{fn}", lambda s, more=more: {"media": "tt0108778:1:2", "episode": 3, **more}, "no-such-episode")
        for fn, more in (
            ("post", {"text": "x"}),
            ("thread", {}),
            ("timed", {"start": 0, "end": 60}),
            ("density", {}),
            ("statistics", {}),
        )
    ),
    ("chat.report", lambda s: {"room": s.room, "line": NO_COMMENT, "why": "spam"}, "no-such-line"),
    *(
        (fn, lambda s, room=room, more=more: {"room": room, **more}, code)
        for room, code in ((f"party:{NO_PARTY}", "no-such-party"), (f"live:{NO_LIVE}", "no-such-live"))
        for fn, more in (
            ("chat.say", {"text": "x"}),
            ("chat.delete", {"line": "x"}),
            ("chat.hide", {"line": "x"}),
            ("chat.restore", {"line": "x"}),
            ("chat.review", {"line": "x"}),
            ("chat.review", {"line": "x"}),
            ("chat.pin", {}),
            ("chat.report", {"line": "x", "why": "spam"}),
            ("chat.configure", {"open": False}),
            ("chat.history", {}),
            ("chat.mine", {}),
            ("chat.people", {"uids": ["x"]}),
        )
    ),
    *(
        (f"live.{fn}", lambda s, more=more: {"live_id": NO_LIVE, **more}, "no-such-live")
        for fn, more in (("end", {}), ("appoint", {"uid": "x"}), ("state", {}), ("report", {}))
    ),
    *(
        (fn, lambda s, where=where, more=more: {"where": where, **more}, code)
        for where, code in ((f"party:{NO_PARTY}", "no-such-party"), (f"live:{NO_LIVE}", "no-such-live"))
        for fn, more in (
            ("moderation.mute", {"uid": "x"}),
            ("moderation.unmute", {"uid": "x"}),
            ("moderation.ban", {"uid": "x"}),
            ("moderation.unban", {"uid": "x"}),
            ("moderation.cases", {}),
            ("moderation.log", {}),
            ("moderation.people", {}),
        )
    ),
]
"""What Ana, who moderates her party and her live event, is told of things that there are not."""

NAMING_NOTHING = {
    "comments.author", "comments.discussed", "comments.export", "comments.threads", "live.list",
    "live.mine", "live.start", "notifications.mine", "notifications.read",
}  # fmt: skip
"""Functions that name nothing which somebody must have made before."""

OF_OTHERS: list[Case] = [
    ("comments.edit", lambda s: {**s.ours, "text": "x"}, "not-yours"),
    ("comments.delete", lambda s: s.ours, "not-yours"),
    ("comments.edit", lambda s: {**s.open, "spoiler": True}, "not-yours"),
    ("comments.delete", lambda s: s.open, "not-yours"),
    ("comments.edits", lambda s: s.ours, "not-yours"),
    *(
        (f"comments.{fn}", lambda s, where=where: dict(getattr(s, where)), "not-a-moderator")
        for fn in ("hide", "restore", "remove", "review", "pin")
        for where in ("ours", "open")
    ),
    ("comments.lock", lambda s: {"thread_id": s.ours["thread_id"]}, "not-a-moderator"),
    ("comments.lock", lambda s: {"thread_id": s.open["thread_id"]}, "not-a-moderator"),
    ("chat.delete", lambda s: {"room": s.room, "line": s.line}, "not-yours"),
    ("chat.delete", lambda s: {"room": s.live, "line": s.live_line}, "not-yours"),
    *(
        (f"chat.{fn}", lambda s: {"room": s.room, "line": s.line}, "not-a-moderator")
        for fn in ("hide", "restore", "review", "pin")
    ),
    *(
        (f"chat.{fn}", lambda s: {"room": s.live, "line": s.live_line}, "not-a-moderator")
        for fn in ("hide", "restore", "review", "pin")
    ),
    ("chat.configure", lambda s: {"room": s.room, "open": False}, "not-a-moderator"),
    ("chat.configure", lambda s: {"room": s.live, "open": False}, "not-a-moderator"),
    ("live.start", lambda s: {"live_id": s.live_id, "title": "Mine"}, "not-yours"),
    ("live.end", lambda s: {"live_id": s.live_id}, "not-yours"),
    ("live.appoint", lambda s: {"live_id": s.live_id, "uid": s.ben.user}, "not-yours"),
    *(
        (f"moderation.{fn}", lambda s, of=of: {"where": of(s), "uid": s.ana.user}, "not-a-moderator")
        for fn in ("mute", "unmute", "ban", "unban")
        for of in (lambda s: s.room, lambda s: s.live, lambda s: "site")
    ),
    *(
        (f"moderation.{fn}", lambda s, of=of: {"where": of(s)}, "not-a-moderator")
        for fn in ("cases", "log", "people")
        for of in (lambda s: s.room, lambda s: s.live, lambda s: "site")
    ),
]
"""What Ben, who is in the party and moderates nothing, is told about what is Ana's."""

OUTSIDE: list[tuple[str, Given]] = [
    ("comments.post", lambda s: {"media": s.media, "party_id": s.party_id, "text": "x"}),
    *(
        (f"comments.{fn}", lambda s: {"media": s.media, "party_id": s.party_id})
        for fn in ("thread", "density", "statistics")
    ),
    ("comments.timed", lambda s: {"media": s.media, "party_id": s.party_id, "start": 0, "end": 60}),
    ("comments.edit", lambda s: {**s.ours, "text": "x"}),
    ("comments.react", lambda s: {**s.ours, "emoji": "🔥"}),
    ("comments.report", lambda s: {**s.ours, "why": "spam"}),
    *(
        (f"comments.{fn}", lambda s: s.ours)
        for fn in ("delete", "hide", "restore", "remove", "review", "pin", "replies", "edits")
    ),
    ("comments.lock", lambda s: {"thread_id": s.ours["thread_id"]}),
    ("comments.mine", lambda s: {"thread_id": s.ours["thread_id"]}),
    ("comments.read", lambda s: {"thread_id": s.ours["thread_id"]}),
    ("comments.search", lambda s: {"thread_id": s.ours["thread_id"], "search": "among"}),
    ("chat.say", lambda s: {"room": s.room, "text": "x"}),
    ("chat.report", lambda s: {"room": s.room, "line": s.line, "why": "spam"}),
    *(
        (f"chat.{fn}", lambda s: {"room": s.room, "line": s.line})
        for fn in ("delete", "hide", "restore", "review", "pin")
    ),
    ("chat.configure", lambda s: {"room": s.room, "open": False}),
    ("chat.history", lambda s: {"room": s.room}),
    ("chat.mine", lambda s: {"room": s.room}),
    ("chat.people", lambda s: {"room": s.room, "uids": [s.ana.user]}),
    *(
        (f"moderation.{fn}", lambda s: {"where": s.room, "uid": s.ben.user})
        for fn in ("mute", "unmute", "ban", "unban")
    ),
    *((f"moderation.{fn}", lambda s: {"where": s.room}) for fn in ("cases", "log", "people")),
]
"""What Eve, who is not in the private party, tries there."""


class TestWhatThereIsNot:
    async def test_each_function_says_so(self, system: System, talk: Scene) -> None:
        async with nothing_changed(system, talk):
            for fn, given, code in UNKNOWN:
                assert await refused(talk.ana, fn, **given(talk)) == code, (fn, given(talk))

    def test_every_function_is_among_them(self) -> None:
        assert {fn for fn, _, _ in UNKNOWN} | NAMING_NOTHING == set(FUNCTIONS)
        assert {fn for fn, _, _ in UNKNOWN}.isdisjoint(NAMING_NOTHING)

    async def test_what_only_a_moderator_of_everything_would_be_told(self, system: System, talk: Scene) -> None:
        async with moderator(system) as meg, nothing_changed(system, talk):
            for fn in ("hide", "restore", "remove", "review", "pin"):
                gone = {**talk.open, "comment_id": NO_COMMENT}
                assert await refused(meg, f"comments.{fn}", **gone) == "no-such-comment", fn
            assert await refused(meg, "comments.lock", thread_id=NO_THREAD) == "no-such-thread"
            # A moderator of everything is no member of a private party.
            for fn, given in OUTSIDE:
                assert await refused(meg, fn, **given(talk)) == "not-a-member", fn

    async def test_a_thread_that_nobody_began_is_empty_and_a_person_nobody_knows_wrote_nothing(
        self, talk: Scene
    ) -> None:
        page = await talk.ana.see("comments.thread", media="tt9999999", season=9, episode=9)
        assert (page["thread"]["begun_at"], page["comments"]) == (None, [])
        assert (await talk.ana.see("comments.author", uid="nobody"))["comments"] == 0
        assert (await talk.ana.see("chat.people", room=talk.room, uids=["nobody"]))["people"] == {}
        assert (await talk.ana.see("comments.mine", thread_id=NO_THREAD))["said"] == []


class TestSomebodyElse:
    async def test_what_is_anothers_stays_as_it_is(self, system: System, talk: Scene) -> None:
        async with nothing_changed(system, talk):
            for fn, given, code in OF_OTHERS:
                assert await refused(talk.ben, fn, **given(talk)) == code, (fn, given(talk))

    async def test_a_private_party_is_closed_to_others(self, system: System, talk: Scene) -> None:
        async with nothing_changed(system, talk):
            for fn, given in OUTSIDE:
                assert await refused(talk.eve, fn, **given(talk)) == "not-a-member", fn

    def test_every_function_that_names_a_room_or_a_thread_is_among_them(self) -> None:
        naming = {
            name
            for name, function in FUNCTIONS.items()
            if {"thread_id", "party_id", "room", "where"} & {f.name for f in msgspec.structs.fields(function.type)}
        }
        assert {fn for fn, _ in OUTSIDE} == naming

    async def test_rooms_moderators_do_nothing_to_one_another_or_themselves(self, system: System, talk: Scene) -> None:
        await talk.ana.do("party.appoint", party_id=talk.party_id, uid=talk.ben.user)
        await talk.ana.do("live.appoint", live_id=talk.live_id, uid=talk.ben.user)
        talk.hear()
        async with nothing_changed(system, talk):
            for where in (talk.room, talk.live):
                for fn in ("mute", "ban"):
                    assert await refused(talk.ben, f"moderation.{fn}", where=where, uid=talk.ana.user) == "not-above"
                    assert await refused(talk.ben, f"moderation.{fn}", where=where, uid=talk.ben.user) == "not-above"
                    assert await refused(talk.ana, f"moderation.{fn}", where=where, uid=talk.ana.user) == "not-above"
            assert await refused(talk.ana, "moderation.mute", where=talk.room, uid=talk.ben.user) == "not-above"


class Twice(NamedTuple):
    """What becomes of a wish that comes again with another key."""

    fn: str
    given: Given
    again: str
    """`silence`, `again` if it is done once more, `telemetry` if it leaves no commit, or the code of a refusal."""
    other: Args | None = None
    """Of another wish about the same thing, where there is one."""


TWICE = [
    Twice("comments.post", lambda s: {"media": s.media, "text": "Once"}, "again", {"text": "Other"}),
    Twice("comments.edit", lambda s: {**s.open, "text": "Once"}, "silence", {"text": "Other"}),
    Twice("comments.delete", lambda s: s.open, "silence"),
    Twice("comments.react", lambda s: {**s.open, "emoji": "🔥"}, "silence", {"emoji": "👍"}),
    Twice("comments.report", lambda s: {**s.open, "why": "spam"}, "silence", {"why": "abuse"}),
    Twice("comments.hide", lambda s: s.ours, "silence", {"reason": "Other"}),
    Twice("comments.restore", lambda s: s.ours, "silence"),
    Twice("comments.remove", lambda s: s.ours, "silence", {"reason": "Other"}),
    Twice("comments.review", lambda s: s.ours, "again", {"reason": "Other"}),
    Twice("comments.lock", lambda s: {"thread_id": s.ours["thread_id"]}, "silence", {"locked": False}),
    Twice("comments.pin", lambda s: s.ours, "silence", {"pinned": False}),
    Twice("chat.say", lambda s: {"room": s.room, "text": "Once"}, "again", {"text": "Other"}),
    Twice("chat.delete", lambda s: {"room": s.room, "line": s.line}, "silence", {"line": NO_COMMENT}),
    Twice("chat.hide", lambda s: {"room": s.room, "line": s.line}, "silence", {"reason": "Other"}),
    Twice("chat.restore", lambda s: {"room": s.room, "line": s.line}, "silence"),
    Twice("chat.review", lambda s: {"room": s.room, "line": s.line}, "again", {"reason": "Other"}),
    Twice("chat.review", lambda s: {"room": s.room, "line": s.line}, "again", {"reason": "Other"}),
    Twice("chat.pin", lambda s: {"room": s.room, "line": s.line}, "silence", {"line": None}),
    Twice("chat.report", lambda s: {"room": s.room, "line": s.line, "why": "spam"}, "silence", {"why": "abuse"}),
    Twice("chat.configure", lambda s: {"room": s.room, "slow_seconds": 5}, "silence", {"slow_seconds": 6}),
    Twice("live.start", lambda s: {"live_id": f"{s.live_id}-2", "title": "Once"}, "silence", {"title": "Other"}),
    Twice("live.end", lambda s: {"live_id": s.live_id}, "silence"),
    Twice("live.appoint", lambda s: {"live_id": s.live_id, "uid": s.ben.user}, "silence", {"moderator": False}),
    Twice("moderation.mute", lambda s: {"where": s.room, "uid": s.ben.user}, "silence", {"shadow": True}),
    Twice("moderation.unmute", lambda s: {"where": s.room, "uid": s.ben.user}, "silence"),
    Twice("moderation.ban", lambda s: {"where": s.room, "uid": s.ben.user}, "silence", {"seconds": 60}),
    Twice("moderation.unban", lambda s: {"where": s.room, "uid": s.ben.user}, "silence"),
    Twice("comments.read", lambda s: {"thread_id": s.open["thread_id"]}, "telemetry"),
    Twice("notifications.read", lambda s: {}, "telemetry"),
]
"""By Ana, whose all of it is; the first of each changes something, but for those that say so."""
FIRST_IS_SILENT = {"comments.restore", "chat.restore", "moderation.unmute", "moderation.unban"}


class TestTwice:
    def test_every_command_is_among_them(self) -> None:
        assert {twice.fn for twice in TWICE} == set(COMMANDS)

    @pytest.mark.parametrize("twice", TWICE, ids=lambda twice: twice.fn)
    async def test_the_same_key_is_the_same_wish(self, system: System, talk: Scene, twice: Twice) -> None:
        args = twice.given(talk)
        async with written(system) as first:
            answer = await talk.ana.done(twice.fn, once="once", **args)
        silent = twice.fn in FIRST_IS_SILENT or twice.again == "telemetry"
        assert len(first) == (0 if silent else 1)
        async with written(system) as second:
            again = await talk.ana.done(twice.fn, once="once", **args)
        assert second == []
        assert again["value"] == answer["value"]
        if not silent:
            assert again["position"] == answer["position"]
        if twice.other is not None:
            async with written(system) as other:
                with pytest.raises(Refused, match="key-reused"):
                    await talk.ana.done(twice.fn, once="once", **args | twice.other)
            assert other == []

    @pytest.mark.parametrize("twice", TWICE, ids=lambda twice: twice.fn)
    async def test_another_key_is_another_wish(self, system: System, talk: Scene, twice: Twice) -> None:
        args = twice.given(talk)
        await talk.ana.done(twice.fn, **args)
        async with written(system) as second:
            if twice.again in ("silence", "again", "telemetry"):
                await talk.ana.done(twice.fn, **args)
            else:
                assert await refused(talk.ana, twice.fn, **args) == twice.again
        assert len(second) == (1 if twice.again == "again" else 0)

    @pytest.mark.parametrize("twice", TWICE, ids=lambda twice: twice.fn)
    async def test_wishes_that_race(self, system: System, talk: Scene, twice: Twice) -> None:
        args = twice.given(talk)
        async with written(system) as commits:
            racing = [talk.ana.done(twice.fn, **args) for _ in range(6)]
            answers = await asyncio.gather(*racing, return_exceptions=True)
        codes = [answer.code for answer in answers if isinstance(answer, Refused)]
        assert all(isinstance(answer, (dict, Refused)) for answer in answers)
        silent = twice.fn in FIRST_IS_SILENT or twice.again == "telemetry"
        if twice.again == "again":
            assert (len(commits), codes) == (6, [])
        elif twice.again in ("silence", "telemetry"):
            assert (len(commits), codes) == (0 if silent else 1, [])
        else:
            assert (len(commits), codes) == (1, [twice.again] * 5)


class TestParents:
    async def test_a_reply_to_a_comment_of_another_thread(self, system: System, talk: Scene) -> None:
        there, here = talk.open["comment_id"], talk.ours["comment_id"]
        reply = {"media": talk.media, "text": "x"}
        async with nothing_changed(system, talk):
            for args in (
                {"party_id": talk.party_id, "parent": there},
                {"parent": here},
                {"season": 1, "episode": 1, "parent": there},
            ):
                assert await refused(talk.ana, "comments.post", **reply, **args) == "no-such-comment", args

        begun = await talk.ana.see("comments.thread", media=talk.media, season=1, episode=1)
        assert begun["thread"]["begun_at"] is None, "a refused comment begins nothing"

    async def test_a_reply_to_what_was_taken_back(self, system: System, talk: Scene) -> None:
        await talk.ana.do("comments.delete", **talk.open)
        await talk.ana.do("comments.remove", **talk.ours)
        talk.hear()
        async with nothing_changed(system, talk):
            for party, gone in ((None, talk.open), (talk.party_id, talk.ours)):
                args = {"media": talk.media, "party_id": party, "parent": gone["comment_id"], "text": "x"}
                assert await refused(talk.ben, "comments.post", **args) == "no-such-comment"
                assert await refused(talk.ana, "comments.post", **args) == "no-such-comment"
                assert await refused(talk.ana, "comments.edit", **gone, text="x") == "no-such-comment"
                assert await refused(talk.ben, "comments.react", **gone, emoji="🔥") == "no-such-comment"

    async def test_a_reply_to_what_is_hidden(self, system: System, talk: Scene) -> None:
        await talk.ana.do("comments.hide", **talk.ours)
        talk.hear()
        async with nothing_changed(system, talk):
            args = {"media": talk.media, "party_id": talk.party_id, "parent": talk.ours["comment_id"], "text": "x"}
            assert await refused(talk.ben, "comments.post", **args) == "no-such-comment"
            assert await refused(talk.ben, "comments.react", **talk.ours, emoji="🔥") == "no-such-comment"
            assert await refused(talk.ben, "comments.report", **talk.ours, why="spam") == "no-such-comment"
            assert await refused(talk.ben, "comments.edit", **talk.ours, text="x") == "no-such-comment"

    async def test_a_race_of_replies_and_taking_back_what_they_answer(self, system: System, talk: Scene) -> None:
        args = {"media": talk.media, "parent": talk.open["comment_id"], "text": "x"}
        replies = [talk.ben.done("comments.post", **args) for _ in range(8)]
        _, *answers = await asyncio.gather(
            talk.ana.do("comments.delete", **talk.open), *replies, return_exceptions=True
        )

        posted = [answer for answer in answers if isinstance(answer, dict)]
        codes = {answer.code for answer in answers if isinstance(answer, Refused)}
        assert codes <= {"no-such-comment"}
        talk.hear()
        page = await talk.ana.see("comments.thread", media=talk.media, replies=20)
        shown = [comment for comment in page["comments"] if comment["depth"] == 1]
        assert {c["comment_id"] for c in shown} == {each["value"]["comment_id"] for each in posted}
        if posted:
            assert page["comments"][0]["gone"] == "deleted"

    async def test_a_reply_to_somebody_who_was_erased(self, system: System, talk: Scene) -> None:
        await talk.ana.do("library.erase_me", confirm="erase everything")

        async def blank() -> bool:
            page = await talk.ben.see("comments.thread", media=talk.media)
            return [(c["name"], c["text"]) for c in page["comments"]] == [("", "To everybody")]

        await eventually(blank, within=20)
        made = await talk.ben.do("comments.post", media=talk.media, parent=talk.open["comment_id"], text="Who was it?")
        page = await talk.ben.see("comments.thread", media=talk.media)
        assert [(c["name"], c["depth"]) for c in page["comments"]] == [("", 0), ("Ben", 1)]
        assert page["comments"][1]["comment_id"] == made["comment_id"]

    @pytest.mark.timeout(300)
    async def test_replies_to_replies_end_somewhere(self, system: System) -> None:
        async with scene(system) as talk:
            reply = {"media": talk.media, "text": "And then?"}
            parent = talk.open["comment_id"]
            for _ in range(DEEPEST):
                parent = (await talk.ben.do("comments.post", **reply, parent=parent))["comment_id"]
            async with nothing_changed(system, talk):
                assert await refused(talk.ben, "comments.post", **reply, parent=parent) == "too-deep"

            page = await talk.ben.see("comments.replies", thread_id=talk.open["thread_id"], comment_id=parent)
            assert (page["comment"]["depth"], len(page["above"]), page["replies"]) == (DEEPEST, 20, [])
            (top,) = [
                c for c in (await talk.ben.see("comments.thread", media=talk.media))["comments"] if not c["depth"]
            ]
            assert top["all_replies"] == DEEPEST
            # There is room beside it.
            await talk.ben.do("comments.post", **reply, parent=page["above"][-1]["comment_id"])


UNREADABLE = {
    "control-character": ["a\x07b", "\x1b[31mred", "a\x85b", "a\rb", "a\x7fb", "\ufff9x"],
    "direction-override": ["invoice\u202efdp.exe", "\u202dabc\u202c"],
    "direction-left-open": ["\u202aabc", "\u2066abc", "abc\u2069", "\u2067\u202aabc\u2069\u202c"],
    "not-a-character": ["a\uffffb", "\ufdd0", "\U0001fffe"],
    "invisible-tag": ["a\U000e0041b", "\U0001f3f4\U000e0067"],
    "nothing-visible": [" ", "\t\n", "\u200b\u200d", "\u3164", "\u2800 \u00a0", "\ufeff", "\r\n"],
    "too-many-marks": ["Z" + "\u0316" * 9, "h" + "\u0489\u0316" * 20],
}
"""By the reason that is told."""

HALVES = [r'"\ud800"', r'"a\udc00b"', r'"\udc00\ud800"', r'"\ud83d\u0041"']
"""Half a character each, as JSON can say it."""


class TestTexts:
    @pytest.mark.parametrize("reason", UNREADABLE)
    async def test_what_is_no_text(self, system: System, talk: Scene, reason: str) -> None:
        async with nothing_changed(system, talk):
            for text in UNREADABLE[reason]:
                for fn, args in saying(talk):
                    with pytest.raises(Refused) as refusal:
                        await talk.ana.do(fn, **args, text=text)
                    assert refusal.value.code == "text-unreadable", (fn, text)
                    assert refusal.value.code in FUNCTIONS[fn].errors
                    assert refusal.value.error["details"]["reason"] == reason, text

    @pytest.mark.parametrize("half", HALVES)
    async def test_half_a_character(self, system: System, talk: Scene, half: str) -> None:
        async with nothing_changed(system, talk):
            for fn, args in saying(talk):
                raw = json.dumps(args)[:-1] + f', "text": {half}}}'
                told = await talk.ana.refused_raw(fn, raw)
                assert told in ("text-unreadable", "invalid-json", "invalid-argument"), (fn, told)
                for field in ("name", "avatar"):
                    if fn != "comments.edit":
                        raw = json.dumps(args)[:-1] + f', "text": "x", "{field}": {half}}}'
                        assert await talk.ana.refused_raw(fn, raw) in ("invalid-json", "invalid-argument"), field

    async def test_bytes_that_are_no_text_at_all(self, system: System, talk: Scene) -> None:
        for payload in (b'"\xed\xa0\x80"', b'"\xff"', b'"\xc0\xaf"'):
            async with nothing_changed(system, talk), aiohttp.ClientSession(system.http) as http:
                body = json.dumps({"media": talk.media}).encode()[:-1] + b', "text": ' + payload + b"}"
                headers = {"Authorization": f"Bearer {talk.ana.token}", "Content-Type": "application/json"}
                async with http.post("/v1/call/comments.post", data=body, headers=headers) as answer:
                    assert (answer.status, (await answer.json())["code"]) in (
                        (400, "invalid-utf8"),
                        (400, "invalid-json"),
                    )

    async def test_too_long(self, system: System, talk: Scene) -> None:
        async with nothing_changed(system, talk):
            for fn, args in saying(talk):
                longest = LONGEST_LINE if fn == "chat.say" else LONGEST_TEXT
                for text in ("x" * (longest + 1), "", "\u0958" * longest, "👍" * (longest + 1)):
                    assert await refused(talk.ana, fn, **args, text=text) == "invalid-argument", (fn, len(text))

    async def test_just_long_enough_and_what_was_typed_is_what_is_stored(self, talk: Scene) -> None:
        texts = [
            "x" * LONGEST_TEXT,
            "👍" * LONGEST_TEXT,
            "  two  spaces \n\n\tand lines  ",
            "<script>alert(1)</script> <img src=x onerror=alert(1)> javascript:alert(1) &amp; \\u0041",
            "שלום \u2067עולם\u2069 hello",
            "🏴󠁧󠁢󠁳󠁣󠁴󠁿 👩‍👩‍👧‍👦 é",
        ]
        for text in texts:
            made = await talk.ana.do("comments.post", media=talk.media, text=text)
            page = await talk.ana.see("comments.replies", **made)
            assert page["comment"]["text"] == text
        made = await talk.ana.do("comments.post", media=talk.media, text="e\u0301\r\ntwo")
        assert (await talk.ana.see("comments.replies", **made))["comment"]["text"] == "é\ntwo"
        line = await talk.ana.do("chat.say", room=talk.room, text="👍" * LONGEST_LINE)
        lines = (await talk.ana.see("chat.history", room=talk.room))["lines"]
        assert (lines[-1]["line"], lines[-1]["text"]) == (line["line"], "👍" * LONGEST_LINE)

    async def test_names_that_are_none_or_would_mislead(self, system: System, talk: Scene) -> None:
        told: tuple[tuple[str, Args], ...] = (
            ("comments.post", {"media": talk.media, "text": "x"}),
            ("chat.say", {"room": talk.room, "text": "x"}),
        )
        async with nothing_changed(system, talk):
            for fn, args in told:
                for name in (" ", "\u200b", "\u3164", "\n"):
                    assert await refused(talk.ana, fn, **args, name=name) == "name-missing", (fn, name)
                for name in ("", "x" * 65, "a\0b"):
                    assert await refused(talk.ana, fn, **args, name=name) == "invalid-argument", (fn, name)
        for fn, args in told:
            await talk.ana.do(fn, **args, name="\u202eA\nna\u2066 ")
        assert (await talk.ana.see("chat.history", room=talk.room))["lines"][-1]["name"] == "A na"
        assert (await talk.ana.see("comments.thread", media=talk.media))["comments"][0]["name"] == "A na"

    async def test_an_emoji_that_is_none(self, system: System, talk: Scene) -> None:
        async with nothing_changed(system, talk):
            for emoji in ("x", "🔥🔥", "1", " 🔥", ":fire:", "\u200d", "\u202e"):
                assert await refused(talk.ben, "comments.react", **talk.open, emoji=emoji) == "not-an-emoji", emoji

    async def test_more_emoji_than_five_of_one_person(self, system: System, talk: Scene) -> None:
        for emoji in "🔥👍😂😮😢":
            await talk.ben.do("comments.react", **talk.open, emoji=emoji)
        talk.hear()
        async with nothing_changed(system, talk):
            assert await refused(talk.ben, "comments.react", **talk.open, emoji="🎉") == "too-many-reactions"

    async def test_more_pins_than_ten(self, system: System, talk: Scene) -> None:
        about = {"media": talk.media, "party_id": talk.party_id, "text": "x"}
        made = [await talk.ana.do("comments.post", **about) for _ in range(11)]
        for each in made[:10]:
            await talk.ana.do("comments.pin", **each)
        async with nothing_changed(system, talk):
            assert await refused(talk.ana, "comments.pin", **made[10]) == "too-many-pins"
        await talk.ana.do("comments.pin", **made[0], pinned=False)
        await talk.ana.do("comments.pin", **made[10])


def saying(talk: Scene) -> tuple[tuple[str, Args], ...]:
    """Everything that takes a text."""
    return (
        ("comments.post", {"media": talk.media}),
        ("comments.edit", dict(talk.open)),
        ("chat.say", {"room": talk.room}),
    )


class TestTooLate:
    async def test_a_party_that_is_over_is_read_and_not_talked_in(self, system: System, talk: Scene) -> None:
        await talk.ana.do("party.close", party_id=talk.party_id)
        talk.hear()
        async with nothing_changed(system, talk):
            for somebody in (talk.ana, talk.ben):
                assert await refused(somebody, "chat.say", room=talk.room, text="x") == "party-closed"

    async def test_a_live_event_that_is_over(self, system: System, talk: Scene) -> None:
        await talk.ana.do("live.end", live_id=talk.live_id)
        talk.hear()
        async with nothing_changed(system, talk):
            for somebody in talk.people():
                assert await refused(somebody, "chat.say", room=talk.live, text="x") == "live-ended"

    async def test_a_locked_thread(self, system: System, talk: Scene) -> None:
        mine = await talk.ben.do("comments.post", media=talk.media, party_id=talk.party_id, text="Before")
        await talk.ana.do("comments.lock", thread_id=talk.ours["thread_id"])
        talk.hear()
        async with nothing_changed(system, talk):
            for fn, args in (
                ("comments.post", {"media": talk.media, "party_id": talk.party_id, "text": "x"}),
                ("comments.edit", {**mine, "text": "x"}),
                ("comments.react", {**talk.ours, "emoji": "🔥"}),
            ):
                assert await refused(talk.ben, fn, **args) == "thread-locked", fn

    async def test_a_chat_that_is_closed_slow_or_minds_words_and_links(self, system: System, talk: Scene) -> None:
        await talk.ana.do("chat.configure", room=talk.room, words=["drat", "zound*"], links="refuse")
        talk.hear()
        async with nothing_changed(system, talk):
            for text, code in (
                ("Oh DRAT!", "words-refused"),
                ("ｚounds\u200bome", "words-refused"),
                ("see example.com", "links-refused"),
                ("javascript://alert", "links-refused"),
            ):
                assert await refused(talk.ben, "chat.say", room=talk.room, text=text) == code
                about = {"media": talk.media, "party_id": talk.party_id}
                assert await refused(talk.ben, "comments.post", **about, text=text) == code
        await talk.ana.do("chat.configure", room=talk.room, slow_seconds=600)
        await talk.ben.do("chat.say", room=talk.room, text="One")
        talk.hear()
        async with nothing_changed(system, talk):
            assert await refused(talk.ben, "chat.say", room=talk.room, text="Two") == "slow-mode"
        await talk.ana.do("chat.configure", room=talk.room, slow_seconds=0, open=False)
        talk.hear()
        async with nothing_changed(system, talk):
            assert await refused(talk.ben, "chat.say", room=talk.room, text="Three") == "chat-closed"
        await talk.ana.do("chat.say", room=talk.room, text="Moderators speak")


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """With the limits that a Matinee has by default."""
    settings = {
        "MATINEE_COMMENTS_PER_MINUTE": "5",
        "MATINEE_CHAT_PER_SECOND": "1",
        "MATINEE_EDITS_PER_MINUTE": "20",
        "MATINEE_REACTIONS_PER_MINUTE": "30",
        "MATINEE_REPORTS_PER_HOUR": "10",
        "MATINEE_LIVES_PER_HOUR": "10",
    }
    with system_over(tmp_path_factory.mktemp("limited"), **settings) as system:
        yield system


class TestTooOften:
    async def test_the_sixth_comment_in_a_minute(self, limited: System, door: Door) -> None:
        async with scene(limited, door) as talk:
            about = {"media": talk.media, "text": "x"}
            for n in range(5):
                await talk.ben.do("comments.post", **about, party_id=talk.party_id if n % 2 else None)
            talk.hear()
            async with nothing_changed(limited, talk):
                for party_id in (None, talk.party_id):
                    assert 0 < await wait(talk.ben, "comments.post", **about, party_id=party_id) <= 12
            # Each person has a minute of their own.
            await talk.eve.do("comments.post", **about)

    async def test_six_lines_at_once(self, limited: System, door: Door) -> None:
        async with scene(limited, door) as talk, written(limited) as commits:
            lines = [talk.ben.done("chat.say", room=talk.room, text=f"{n}") for n in range(6)]
            answers = await asyncio.gather(*lines, return_exceptions=True)

            refusals = [answer for answer in answers if isinstance(answer, Refused)]
            assert [refusal.code for refusal in refusals] == ["rate-limited"]
            # They are told from when they came, and may be counted in another order.
            assert 0 < refusals[0].error["details"]["retry_after"] < 1.1
            # All of a person's rooms are counted together.
            assert 0 < await wait(talk.ben, "chat.say", room=talk.live, text="x") < 1.1
        assert len(commits) == 5

    async def test_edits_reactions_reports_and_live_events(self, limited: System) -> None:
        async with scene(limited) as talk:
            for n in range(20):
                await talk.ana.do("comments.edit", **talk.open, text=f"{n}")
            for n in range(30):
                await talk.ben.do("comments.react", **talk.open, emoji="🔥", on=n % 2 == 0)
            for n in range(9):
                await talk.ana.do("live.start", live_id=f"{talk.live_id}-{n}", title="The final")
            lines = [(await talk.ana.do("chat.say", room=talk.room, text=f"{n}"))["line"] for n in range(3)]
            for comment in (talk.open, talk.ours):
                await talk.ben.do("comments.report", **comment, why="spam")
            for line in (talk.line, *lines):
                await talk.ben.do("chat.report", room=talk.room, line=line, why="spam")
            talk.hear()
            async with nothing_changed(limited, talk):
                assert 0 < await wait(talk.ana, "comments.edit", **talk.open, text="x") <= 3
                assert 0 < await wait(talk.ben, "comments.react", **talk.open, emoji="👍") <= 2
                assert 0 < await wait(talk.ana, "live.start", live_id=f"{talk.live_id}-x", title="x") <= 360


async def wait(somebody: Person, fn: str, **args: Any) -> float:
    """Seconds that a refusal tells to wait."""
    with pytest.raises(Refused, match="rate-limited") as refusal:
        await somebody.do(fn, **args)
    seconds: float = refusal.value.error["details"]["retry_after"]
    return seconds
