"""The protocol table, line by line, each error included, by a client that knows nothing else."""

import asyncio
import base64
import json
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from tests.e2e.client import SUBPROTOCOL, Client, Frame, Refused
from tests.system import System

Connect = Callable[..., Awaitable[Client]]
SOME = "2026-01-02T20:00:00Z"


@pytest_asyncio.fixture
async def http(system: System) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(system.http) as session:
        yield session


@pytest_asyncio.fixture
async def connect(system: System, http: aiohttp.ClientSession) -> AsyncIterator[Connect]:
    """`await connect("Ada")` is a signed-in guest's socket; without a name it is nobody's."""
    async with AsyncExitStack() as stack:

        async def open_socket(name: str | None = None, token: str | None = None, **options: Any) -> Client:
            if name is not None:
                token = await guest(http, name)
            return await stack.enter_async_context(await Client.connect(system.ws, token, **options))

        yield open_socket


@pytest_asyncio.fixture
async def host(connect: Connect) -> Client:
    return await connect("Hana")


async def guest(http: aiohttp.ClientSession, name: str = "Ada") -> str:
    async with http.post("/v1/guest", json={"name": name}) as answer:
        assert answer.status == 200, await answer.text()
        return str((await answer.json())["token"])


KEY = "271828"


async def open_party(host: Client, private: bool = False) -> str:
    """Open one, and wait until everybody can read of it."""
    key = {"key": KEY} if private else {}
    answer = await host.call("party.open", title="Film night", media="tt0111161", private=private, **key)
    party = str(answer["value"]["party_id"])
    await host.ask("call", fn="party.state", args={"party_id": party}, after=answer["position"])
    return party


async def joined(connect: Connect, party: str, name: str) -> Client:
    """A member's socket."""
    client = await connect(name)
    await client.call("party.join", party_id=party)
    return client


async def refusal(asking: Awaitable[Frame]) -> Frame:
    with pytest.raises(Refused) as caught:
        await asking
    error = caught.value.error
    assert set(error) == {"code", "status", "message", "details"}
    assert error["message"]
    return error


async def still_works(client: Client) -> None:
    answer = await client.ask("time", t0=1)
    assert answer["t0"] == 1


# (on open)


async def test_the_socket_opens_with_hello(connect: Connect) -> None:
    client = await connect()
    assert client.socket.protocol == SUBPROTOCOL
    assert set(client.hello) == {"op", "protocol", "limits", "epoch"}
    assert client.hello["protocol"] == SUBPROTOCOL
    assert client.hello["limits"]["frame_bytes"] == 65_536


async def test_a_plain_get_of_the_socket_is_told_to_upgrade(http: aiohttp.ClientSession) -> None:
    async with http.get("/v1/ws") as answer:
        assert answer.status == 426
        assert (await answer.json())["code"] == "upgrade-required"


async def test_a_foreign_origin_gets_no_socket(connect: Connect) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        await connect("Ada", origin="https://elsewhere.example")
    assert caught.value.status == 403


# auth


async def test_auth_answers_with_the_user_and_the_end_of_the_token(
    connect: Connect, http: aiohttp.ClientSession
) -> None:
    client = await connect()
    answer = await client.ask("auth", token=await guest(http))
    assert set(answer) == {"op", "id", "user", "expires"}
    assert answer["op"] == "ok"
    assert datetime.fromisoformat(answer["expires"]) > datetime.now(UTC)


async def test_auth_may_be_sent_again_at_any_time(connect: Connect, http: aiohttp.ClientSession) -> None:
    token = await guest(http)
    client = await connect(token=token)
    assert (await client.ask("auth", token=token))["user"] == client.user


async def test_a_socket_stays_with_its_user(connect: Connect, http: aiohttp.ClientSession, host: Client) -> None:
    assert (await refusal(host.ask("auth", token=await guest(http))))["code"] == "other-user"
    await still_works(host)


def unsigned(claims: dict[str, Any], algorithm: str = "none", signature: str = "") -> str:
    parts = [{"alg": algorithm, "typ": "JWT"}, claims]
    return ".".join(
        [*(base64.urlsafe_b64encode(json.dumps(p).encode()).decode().rstrip("=") for p in parts), signature]
    )


FUTURE = time.time() + 3600
BAD_TOKENS = {
    "empty": "",
    "no jwt": "not-a-token",
    "alg none": unsigned({"iss": "matinee:guest", "aud": "matinee:guest", "sub": "x", "exp": FUTURE}),
    "forged": unsigned({"iss": "matinee:guest", "aud": "matinee:guest", "sub": "x", "exp": FUTURE}, "HS256", "c2ln"),
    "wrong issuer": unsigned({"iss": "https://elsewhere.example", "sub": "x", "exp": FUTURE}, "RS256", "c2ln"),
}


@pytest.mark.parametrize("token", BAD_TOKENS.values(), ids=list(BAD_TOKENS))
async def test_a_bad_token_is_refused(connect: Connect, token: str) -> None:
    client = await connect()
    error = await refusal(client.ask("auth", token=token))
    assert (error["code"], error["status"]) == ("token-invalid", 401)
    await still_works(client)


async def test_a_changed_token_is_refused(connect: Connect, http: aiohttp.ClientSession) -> None:
    head, claims, signature = (await guest(http)).split(".")
    decoded = json.loads(base64.urlsafe_b64decode(claims + "=="))
    changed = base64.urlsafe_b64encode(json.dumps({**decoded, "sub": "somebody"}).encode()).decode().rstrip("=")
    client = await connect()
    error = await refusal(client.ask("auth", token=f"{head}.{changed}.{signature}"))
    assert error["details"] == {"reason": "signature"}


@pytest.mark.parametrize(
    ("op", "fields"),
    [
        ("call", {"fn": "party.state", "args": {"party_id": "x"}}),
        ("watch", {"fn": "library.titles"}),
        ("follow", {"channel": "party:x"}),
        ("track", {"channel": "party:x"}),
        ("send", {"channel": "party:x", "event": "hi"}),
        ("unfollow", {"channel": "party:x"}),
        ("unwatch", {}),
    ],
)
async def test_nothing_but_time_works_before_auth(connect: Connect, op: str, fields: dict[str, Any]) -> None:
    client = await connect()
    error = await refusal(client.ask(op, **fields))
    assert (error["code"], error["status"]) == ("not-signed-in", 401)
    await still_works(client)


# call


async def test_a_command_is_answered_with_value_and_position(host: Client) -> None:
    answer = await host.call("party.open", title="Film night", media="tt0111161")
    assert set(answer) == {"op", "id", "value", "position"}
    assert answer["op"] == "result"
    assert answer["value"]["party_id"]
    assert isinstance(answer["position"], str)


async def test_a_query_after_the_commands_position_shows_its_effect(host: Client) -> None:
    opened = await host.call("party.open", title="Film night", media="tt0111161")
    party = opened["value"]["party_id"]
    for number in range(5):
        done = await host.call("party.seek", party_id=party, position=float(number))
        state = await host.ask("call", fn="party.state", args={"party_id": party}, after=done["position"])
        assert state["value"]["position"] == number


async def test_the_same_key_takes_effect_once(host: Client) -> None:
    args = {"title": "Film night", "media": "tt0111161"}
    first = await host.ask("call", fn="party.open", args=args, key="once")
    again = await host.ask("call", fn="party.open", args=args, key="once")
    assert (first["value"], first["position"]) == (again["value"], again["position"])
    error = await refusal(host.ask("call", fn="party.open", args={**args, "title": "Another"}, key="once"))
    assert (error["code"], error["status"]) == ("key-reused", 409)


async def test_a_rule_refuses_with_its_slug(connect: Connect, host: Client) -> None:
    party = await open_party(host)
    ben = await connect("Ben")
    await ben.call("party.join", party_id=party)
    error = await refusal(ben.call("party.play", party_id=party))
    assert (error["code"], error["status"]) == ("not-the-host", 403)


BAD_CALLS: dict[str, tuple[dict[str, Any], str, str | None]] = {
    "unknown function": ({"fn": "party.explode"}, "unknown-function", None),
    "internal function": ({"fn": "party.expire", "args": {"party_id": "x"}}, "unknown-function", None),
    "missing field": ({"fn": "party.play"}, "invalid-argument", "party_id"),
    "wrong type": ({"fn": "party.play", "args": {"party_id": 7}}, "invalid-argument", "party_id"),
    "unknown field": ({"fn": "party.play", "args": {"party_id": "x", "speed": 2}}, "invalid-argument", "speed"),
    "negative": ({"fn": "party.seek", "args": {"party_id": "x", "position": -1}}, "invalid-argument", "position"),
    "id too long": ({"fn": "party.play", "args": {"party_id": "x" * 129}}, "invalid-argument", "party_id"),
    "nul": ({"fn": "party.play", "args": {"party_id": "a\0b"}}, "invalid-argument", "party_id"),
    "not an object": ({"fn": "party.play", "args": [1]}, "invalid-argument", ""),
    "bad position": (
        {"fn": "party.state", "args": {"party_id": "x"}, "after": "never"},
        "bad-position",
        None,
    ),
    "unknown party": ({"fn": "party.state", "args": {"party_id": "no*such.> party"}}, "no-such-party", None),
    "key too long": ({"fn": "party.play", "args": {"party_id": "x"}, "key": "k" * 129}, "invalid-frame", "key"),
    "args missing a type": ({"fn": 7}, "invalid-frame", "fn"),
}


@pytest.mark.parametrize(("fields", "code", "field"), BAD_CALLS.values(), ids=list(BAD_CALLS))
async def test_a_bad_call_says_what_is_wrong(
    host: Client, fields: dict[str, Any], code: str, field: str | None
) -> None:
    error = await refusal(host.ask("call", **fields))
    assert error["code"] == code
    assert field is None or error["details"]["field"] == field
    await still_works(host)


async def test_a_position_of_another_epoch_is_not_compared(host: Client) -> None:
    party = await open_party(host)
    error = await refusal(host.ask("call", fn="party.state", args={"party_id": party}, after="parties:zzzz:1"))
    assert (error["code"], error["status"]) == ("other-epoch", 409)


# frames that cannot be read


async def frame_error(client: Client, payload: bytes) -> Frame:
    await client.say_raw(payload)
    frame = await client.expect(op="error")
    error: Frame = {**frame["error"], "has_id": "id" in frame}
    return error


BAD_FRAMES: dict[str, tuple[bytes, str]] = {
    "not json": (b"hello", "invalid-json"),
    "half": (b'{"op":"time","id":1', "invalid-json"),
    "empty": (b"", "invalid-json"),
    "array": (b"[1,2]", "invalid-frame"),
    "no id": (b'{"op":"time"}', "invalid-frame"),
    "negative id": (b'{"op":"time","id":-1}', "invalid-frame"),
    "fraction as id": (b'{"op":"time","id":1.5}', "invalid-frame"),
    "long id": (b'{"op":"time","id":"' + b"i" * 129 + b'"}', "invalid-frame"),
    "invalid utf-8": (b'{"op":"time","id":"\xff\xfe"}', "invalid-utf8"),
    "invalid utf-8 inside": (b'{"op":"call","id":1,"fn":"party.play","args":{"party_id":"\xc3("}}', "invalid-utf8"),
    "deep": (b'{"op":"call","id":1,"fn":"x","args":' + b"[" * 20_000 + b"]" * 20_000 + b"}", "invalid-json"),
    "oversize": (b'{"op":"time","id":1,"t0":' + b" " * 65_536 + b"1}", "frame-too-large"),
}


@pytest.mark.parametrize(("payload", "code"), BAD_FRAMES.values(), ids=list(BAD_FRAMES))
async def test_an_unreadable_frame_is_answered_without_an_id(host: Client, payload: bytes, code: str) -> None:
    error = await frame_error(host, payload)
    assert (error["code"], error["has_id"]) == (code, False)
    await still_works(host)


async def test_a_binary_frame_is_refused(host: Client) -> None:
    await host.socket.send_bytes(b'{"op":"time","id":1}')
    assert (await host.expect(op="error"))["error"]["code"] == "binary-frame"
    await still_works(host)


async def test_a_frame_with_an_id_is_answered_with_it(host: Client) -> None:
    assert (await refusal(host.ask("dance")))["code"] == "unknown-op"
    assert (await refusal(host.ask("call")))["details"]["field"] == "fn"
    assert (await refusal(host.ask("time", extra=1)))["details"]["field"] == "extra"
    await still_works(host)


async def test_a_frame_far_too_large_closes_the_socket(host: Client) -> None:
    await host.say_raw(b" " * 300_000)
    assert await host.closed() == 1009


async def test_an_id_in_use_is_refused(host: Client) -> None:
    await host.ask("watch", id="w", fn="library.titles", args={})
    assert (await refusal(host.ask("watch", id="w", fn="library.titles", args={})))["code"] == "id-in-use"
    await still_works(host)


# watch, unwatch


async def test_a_watch_gives_the_value_now_and_after_each_change(connect: Connect, http: aiohttp.ClientSession) -> None:
    token = await guest(http)
    phone, screen = await connect(token=token), await connect(token=token)
    first = await screen.ask("watch", fn="library.continue_watching", args={})
    assert set(first) == {"op", "id", "value", "position"}
    assert (first["op"], first["value"]["items"]) == ("value", [])
    await phone.call("library.report", work="tt1", position=60.0, duration=6000.0, state="paused")
    changed = await screen.answer(first["id"])
    assert [item["work"] for item in changed["value"]["items"]] == ["tt1"]


async def test_after_unwatch_nothing_more_comes(connect: Connect, http: aiohttp.ClientSession) -> None:
    token = await guest(http)
    phone, screen = await connect(token=token), await connect(token=token)
    first = await screen.ask("watch", fn="library.titles", args={})
    kept = await screen.ask("watch", fn="library.continue_watching", args={})
    assert await screen.ask("unwatch", id=first["id"]) == {"op": "ok", "id": first["id"]}
    await phone.call("library.report", work="tt1", position=60.0, duration=6000.0, state="paused")
    await screen.answer(kept["id"])
    await still_works(screen)
    assert not [frame for frame in screen.inbox if frame.get("id") == first["id"]]


async def test_a_watch_must_be_of_a_query_that_may_be_asked(host: Client) -> None:
    assert (await refusal(host.ask("watch", fn="party.play", args={})))["code"] == "not-a-query"
    assert (await refusal(host.ask("watch", fn="party.nothing", args={})))["code"] == "unknown-function"
    assert (await refusal(host.ask("watch", fn="party.state", args={})))["details"]["field"] == "party_id"
    assert (await refusal(host.ask("watch", fn="party.state", args={"party_id": "none"})))["code"] == "no-such-party"
    assert (await refusal(host.ask("unwatch", id=9999)))["code"] == "no-such-watch"


async def test_a_watch_ends_with_the_right_to_it(connect: Connect, host: Client) -> None:
    party = await open_party(host, private=True)
    ben = await connect("Ben")
    assert (await refusal(ben.ask("watch", fn="party.state", args={"party_id": party})))["code"] == "not-a-member"
    await ben.call("party.join", party_id=party, key=KEY)
    first = await ben.ask("watch", fn="party.state", args={"party_id": party})
    await ben.call("party.leave", party_id=party)
    await ben.take(lambda f: f.get("id") == first["id"] and f["op"] == "error" and f["error"]["code"] == "not-a-member")


async def test_a_command_is_answered_before_the_value_that_shows_it(host: Client) -> None:
    party = await open_party(host)
    watch = await host.ask("watch", fn="party.state", args={"party_id": party})
    for number in range(1, 11):
        done = await host.call("party.seek", party_id=party, position=float(number))
        assert not [f for f in host.inbox if f.get("id") == watch["id"] and f["value"]["position"] == number]
        await host.take(lambda f, n=number: f.get("id") == watch["id"] and f["value"]["position"] == n)  # type: ignore[misc]
        assert done["op"] == "result"


async def test_a_thousand_watches_meet_the_limit(host: Client) -> None:
    limit = host.hello["limits"]["watches"]
    for number in range(1, 1001):
        await host.say(op="watch", id=number, fn="library.titles", args={})
    answers = [await host.take(lambda f, n=number: f.get("id") == n) for number in range(1, 1001)]  # type: ignore[misc]
    assert [frame["op"] for frame in answers].count("value") == limit
    assert {f["error"]["code"] for f in answers if f["op"] == "error"} == {"too-many-watches"}
    await still_works(host)


# follow, unfollow


async def test_follow_begins_with_the_state_and_goes_on_with_events(connect: Connect, host: Client) -> None:
    party = await open_party(host)
    ben = await connect("Ben")
    channel = f"party:{party}"
    followed = await ben.ask("follow", channel=channel)
    assert {"op", "id", "channel", "position", "recovered", "state", "present"} <= set(followed)
    assert (followed["op"], followed["channel"], followed["recovered"]) == ("followed", channel, True)
    assert followed["state"]["party"]["party_id"] == party
    assert followed["present"] == {}
    await host.call("party.play", party_id=party, position=12.5)
    event = await ben.expect(op="event", type="party.played")
    assert set(event) == {"op", "channel", "type", "data", "position", "at"}
    assert event["channel"] == channel
    assert event["data"]["position"] == 12.5
    assert datetime.fromisoformat(event["at"]).tzinfo is not None


async def test_since_brings_everything_missed_once_and_in_order(connect: Connect, host: Client) -> None:
    party = await open_party(host)
    ben = await connect("Ben")
    await ben.ask("follow", channel=f"party:{party}")
    await host.call("party.seek", party_id=party, position=1.0)
    seen = await ben.expect(op="event", type="party.sought")
    await ben.vanish()
    for number in range(2, 6):
        await host.call("party.seek", party_id=party, position=float(number))
    back = await connect("Ben")
    followed = await back.ask("follow", channel=f"party:{party}", since=seen["position"])
    assert followed["recovered"] is True
    await host.call("party.seek", party_id=party, position=6.0)
    missed = [await back.expect(op="event") for _ in range(5)]
    assert [event["data"]["position"] for event in missed] == [2, 3, 4, 5, 6]


async def test_a_connection_that_breaks_inside_a_commit_resumes_inside_it(connect: Connect, host: Client) -> None:
    """Opening a party is one commit of two events: from the position of the first, only the second is missing."""
    party = await open_party(host)
    position = (await host.ask("follow", channel=f"party:{party}", id="whole"))["position"]
    context, epoch, _ = position.split(":")
    await host.ask("unfollow", channel=f"party:{party}")
    await host.ask("follow", channel=f"party:{party}", since=f"{context}:{epoch}:0")
    opened = await host.expect(op="event", type="party.opened")
    joined = await host.expect(op="event", type="party.joined")
    assert opened["position"] != joined["position"]
    await host.ask("unfollow", channel=f"party:{party}")
    await host.ask("follow", channel=f"party:{party}", since=opened["position"])
    assert (await host.expect(op="event"))["type"] == "party.joined"
    await still_works(host)
    assert not [frame for frame in host.inbox if frame["op"] == "event"]


async def test_recovered_is_false_when_the_position_means_nothing(host: Client) -> None:
    party = await open_party(host)
    followed = await host.ask("follow", channel=f"party:{party}", since="parties:zzzz:1")
    assert followed["recovered"] is False
    assert followed["state"]["party"]["party_id"] == party


async def test_who_may_follow_is_asked_of_the_service(connect: Connect, host: Client) -> None:
    party = await open_party(host, private=True)
    ben = await connect("Ben")
    for op, fields in (("follow", {}), ("track", {"meta": {}}), ("send", {"event": "hi"})):
        assert (await refusal(ben.ask(op, channel=f"party:{party}", **fields)))["code"] == "not-a-member"
    assert (await refusal(ben.ask("follow", channel="party:nowhere")))["code"] == "no-such-party"
    assert (await refusal(ben.ask("follow", channel="film:x")))["code"] == "unknown-channel"
    assert (await refusal(ben.ask("follow", channel="party:")))["code"] == "invalid-argument"
    assert (await refusal(ben.ask("follow", channel=f"party:{'x' * 129}")))["code"] == "invalid-argument"
    assert (await refusal(host.ask("follow", channel=f"party:{party}", since="garbage")))["code"] == "bad-position"


async def test_following_twice_and_leaving_what_was_not_followed(host: Client) -> None:
    party = await open_party(host)
    await host.ask("follow", channel=f"party:{party}")
    assert (await refusal(host.ask("follow", channel=f"party:{party}")))["code"] == "already-following"
    number = host.next_id()
    assert await host.ask("unfollow", id=number, channel=f"party:{party}") == {"op": "ok", "id": number}
    assert (await refusal(host.ask("unfollow", channel=f"party:{party}")))["code"] == "not-following"


async def test_the_right_to_follow_ends(connect: Connect, host: Client) -> None:
    party = await open_party(host, private=True)
    ben = await connect("Ben")
    await ben.call("party.join", party_id=party, key=KEY)
    await ben.ask("follow", channel=f"party:{party}")
    await ben.call("party.leave", party_id=party)
    assert await ben.expect(op="ended") == {"op": "ended", "channel": f"party:{party}", "reason": "left"}
    await host.ask("follow", channel=f"party:{party}")
    await host.call("party.close", party_id=party)
    assert (await host.expect(op="ended"))["reason"] == "closed"


async def test_more_channels_than_allowed(host: Client) -> None:
    limit = host.hello["limits"]["channels"]
    parties = [await open_party(host) for _ in range(limit + 1)]
    for party in parties[:limit]:
        await host.ask("follow", channel=f"party:{party}")
    assert (await refusal(host.ask("follow", channel=f"party:{parties[limit]}")))["code"] == "too-many-channels"


# track


async def test_presence_tells_who_comes_changes_and_goes(connect: Connect, host: Client) -> None:
    party = await open_party(host)
    channel = f"party:{party}"
    await host.ask("follow", channel=channel)
    ben = await joined(connect, party, "Ben")
    number = ben.next_id()
    assert await ben.ask("track", id=number, channel=channel, meta={"mood": "glad"}) == {"op": "ok", "id": number}
    pushed = await host.expect(op="presence")
    assert pushed == {
        "op": "presence",
        "channel": channel,
        "joined": {ben.user: {"mood": "glad"}},
        "updated": {},
        "left": [],
    }
    cleo = await connect("Cleo")
    assert (await cleo.ask("follow", channel=channel))["present"] == {ben.user: {"mood": "glad"}}
    await ben.ask("track", channel=channel, meta={"mood": "sad"})
    assert (await host.expect(op="presence"))["updated"] == {ben.user: {"mood": "sad"}}
    await ben.vanish()
    assert (await host.expect(op="presence"))["left"] == [ben.user]


async def test_two_tabs_of_one_person_are_one_presence(
    connect: Connect, http: aiohttp.ClientSession, host: Client
) -> None:
    party = await open_party(host)
    channel = f"party:{party}"
    await host.ask("follow", channel=channel)
    token = await guest(http, "Ben")
    one, two = await connect(token=token), await connect(token=token)
    await one.call("party.join", party_id=party)
    await two.call("party.join", party_id=party)
    await one.ask("track", channel=channel, meta={"tab": 1})
    assert (await host.expect(op="presence"))["joined"] == {one.user: {"tab": 1}}
    await two.ask("track", channel=channel, meta={"tab": 2})
    assert (await host.expect(op="presence"))["updated"] == {one.user: {"tab": 2}}
    await two.vanish()
    assert (await host.expect(op="presence"))["updated"] == {one.user: {"tab": 1}}
    await one.ask("track", channel=channel, meta=None)
    assert (await host.expect(op="presence"))["left"] == [one.user]


async def test_a_meta_that_is_too_large(host: Client) -> None:
    channel = f"party:{await open_party(host)}"
    error = await refusal(host.ask("track", channel=channel, meta={"text": "x" * 3000}))
    assert (error["code"], error["details"]["field"]) == ("data-too-large", "meta")


# send


async def test_a_broadcast_reaches_everybody_else(connect: Connect, host: Client) -> None:
    party = await open_party(host)
    channel = f"party:{party}"
    ben = await joined(connect, party, "Ben")
    for client in (host, ben):
        await client.ask("follow", channel=channel)
    number = ben.next_id()
    sent = await ben.ask("send", id=number, channel=channel, event="cursor-move", data={"x": 1})
    assert sent == {"op": "ok", "id": number}
    expected = {"op": "message", "channel": channel, "event": "cursor-move", "from": ben.user, "data": {"x": 1}}
    assert await host.expect(op="message") == expected
    await ben.ask("send", channel=channel, event="again", self=True)
    assert (await ben.expect(op="message")) == {**expected, "event": "again", "data": None}


async def test_the_right_to_send_comes_and_goes_with_membership(connect: Connect, host: Client) -> None:
    party = await open_party(host)
    ben = await connect("Ben")
    await ben.ask("follow", channel=f"party:{party}")
    assert (await refusal(ben.ask("send", channel=f"party:{party}", event="hi")))["code"] == "not-allowed"
    await ben.call("party.join", party_id=party)
    await ben.ask("send", channel=f"party:{party}", event="hi")


async def test_a_broadcast_has_limits(host: Client) -> None:
    channel = f"party:{await open_party(host)}"
    error = await refusal(host.ask("send", channel=channel, event="big", data="x" * 17_000))
    assert (error["code"], error["details"]["field"]) == ("data-too-large", "data")
    assert (await refusal(host.ask("send", channel=channel, event="e" * 65)))["details"]["field"] == "event"
    assert (await refusal(host.ask("send", channel=channel, event="")))["details"]["field"] == "event"


async def test_broadcasts_have_a_rate(host: Client) -> None:
    channel = f"party:{await open_party(host)}"
    await host.ask("follow", channel=channel)
    for number in range(1000, 1200):
        await host.say(op="send", id=number, channel=channel, event="spam")
    answers = [await host.take(lambda f, n=number: f.get("id") == n) for number in range(1000, 1200)]  # type: ignore[misc]
    refused = [frame["error"] for frame in answers if frame["op"] == "error"]
    assert {error["code"] for error in refused} == {"rate-limited"}
    assert all(error["details"]["retry_after"] > 0 for error in refused)
    assert 100 <= len(answers) - len(refused) < 200


# time


async def test_time_works_before_and_after_auth(connect: Connect, host: Client) -> None:
    for client in (await connect(), host):
        before = time.time() * 1000
        answer = await client.ask("time", t0=before)
        assert set(answer) == {"op", "id", "t0", "t1", "t2"}
        assert answer["t0"] == before
        assert answer["t1"] <= answer["t2"]
        assert abs(answer["t1"] - before) < timedelta(seconds=5).total_seconds() * 1000


# the socket and everyone else go on


async def test_somebody_elses_mischief_changes_nothing(connect: Connect, host: Client) -> None:
    party = await open_party(host)
    channel = f"party:{party}"
    await host.ask("follow", channel=channel)
    mallory = await joined(connect, party, "Mallory")
    for payload, _ in BAD_FRAMES.values():
        await mallory.say_raw(payload)
    await mallory.say_raw(secrets.token_bytes(200))
    await asyncio.gather(*(mallory.expect(op="error") for _ in BAD_FRAMES))
    await mallory.ask("send", channel=channel, event="hi")
    assert (await host.expect(op="message"))["event"] == "hi"
