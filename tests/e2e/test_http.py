"""The HTTP door, line by line of its table, each error included."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from tests.system import System

from gateway.http import PAGES

Http = aiohttp.ClientSession


@pytest_asyncio.fixture
async def nobody(system: System) -> AsyncIterator[Http]:
    async with Http(system.http) as session:
        yield session


@pytest_asyncio.fixture
async def ada(system: System, nobody: Http) -> AsyncIterator[Http]:
    """Requests of a signed-in guest."""
    async with Http(system.http, headers={"Authorization": f"Bearer {await token_of(nobody)}"}) as session:
        yield session


async def token_of(nobody: Http, name: str = "Ada") -> str:
    async with nobody.post("/v1/guest", json={"name": name}) as answer:
        return str((await answer.json())["token"])


async def ok(answer: aiohttp.ClientResponse) -> dict[str, Any]:
    assert answer.status == 200, await answer.text()
    body: dict[str, Any] = await answer.json()
    return body


async def problem(answer: aiohttp.ClientResponse, status: int, code: str) -> dict[str, Any]:
    """Every failure is a problem document."""
    assert (answer.status, answer.content_type) == (status, "application/problem+json"), await answer.text()
    body: dict[str, Any] = await answer.json()
    assert (body["status"], body["code"]) == (status, code)
    assert body["title"]
    assert body["type"] == f"/docs#{code}"
    return body


async def open_party(ada: Http) -> tuple[str, str]:
    """Its id, and the position of its opening."""
    async with ada.post("/v1/call/party.open", json={"title": "Film night", "media": "tt0111161"}) as answer:
        opened = await ok(answer)
        return opened["value"]["party_id"], opened["position"]


# calls by POST


async def test_a_command_over_http(ada: Http) -> None:
    async with ada.post("/v1/call/party.open", json={"title": "Film night", "media": "x"}) as answer:
        assert set(await ok(answer)) == {"value", "position"}


async def test_a_query_over_http_after_a_position(ada: Http) -> None:
    party, position = await open_party(ada)
    headers = {"Matinee-After": position}
    async with ada.post("/v1/call/party.state", json={"party_id": party}, headers=headers) as answer:
        assert (await ok(answer))["value"]["party_id"] == party


async def test_no_body_means_no_arguments(ada: Http) -> None:
    async with ada.post("/v1/call/library.titles") as answer:
        assert (await ok(answer))["value"] == {"items": [], "cursor": None}


async def test_the_idempotency_key(ada: Http) -> None:
    headers = {"Idempotency-Key": "one"}
    answers = []
    for _ in range(2):
        async with ada.post("/v1/call/party.open", json={"title": "A", "media": "x"}, headers=headers) as answer:
            answers.append(await ok(answer))
    assert answers[0] == answers[1]
    async with ada.post("/v1/call/party.open", json={"title": "B", "media": "x"}, headers=headers) as answer:
        await problem(answer, 409, "key-reused")
    async with ada.post("/v1/call/party.open", json={}, headers={"Idempotency-Key": "k" * 129}) as answer:
        await problem(answer, 422, "invalid-argument")


BAD = [
    ("party.explode", b"{}", 404, "unknown-function"),
    ("party.expire", b'{"party_id":"x"}', 404, "unknown-function"),
    ("party.play", b"{}", 422, "invalid-argument"),
    ("party.play", b'{"party_id":"x","speed":1}', 422, "invalid-argument"),
    ("party.play", b"hello", 400, "invalid-json"),
    ("party.play", b'{"party_id":"\xff"}', 400, "invalid-utf8"),
    ("party.play", b"[" * 30_000, 422, "invalid-argument"),
    ("party.play", b'{"party_id":"x"', 400, "invalid-json"),
    ("party.play", b'{"party_id":"no such"}', 404, "no-such-party"),
    ("party.play", b" " * 70_000, 413, "body-too-large"),
]


@pytest.mark.parametrize(
    ("function", "body", "status", "code"), BAD, ids=[f"{case[0]}-{n}" for n, case in enumerate(BAD)]
)
async def test_a_bad_call_is_a_problem(ada: Http, function: str, body: bytes, status: int, code: str) -> None:
    headers = {"Content-Type": "application/json"}
    async with ada.post(f"/v1/call/{function}", data=body, headers=headers) as answer:
        await problem(answer, status, code)


async def test_an_argument_problem_names_the_field(ada: Http) -> None:
    async with ada.post("/v1/call/party.seek", json={"party_id": "x", "position": "soon"}) as answer:
        body = await problem(answer, 422, "invalid-argument")
    assert body["details"] == {"field": "position", "reason": "Expected `float`, got `str`"}


async def test_only_json_is_read(ada: Http) -> None:
    async with ada.post("/v1/call/party.open", data="title=x", headers={"Content-Type": "text/plain"}) as answer:
        await problem(answer, 415, "unsupported-media-type")


async def test_a_rule_over_http(ada: Http, nobody: Http) -> None:
    party, _ = await open_party(ada)
    headers = {"Authorization": f"Bearer {await token_of(nobody, 'Ben')}"}
    async with nobody.post("/v1/call/party.play", json={"party_id": party}, headers=headers) as answer:
        await problem(answer, 403, "not-a-member")


# who is asking


@pytest.mark.parametrize("header", [None, "Basic YTpi", "Bearer ", "Bearer"])
async def test_without_a_token(nobody: Http, header: str | None) -> None:
    headers = {"Authorization": header} if header else {}
    async with nobody.post("/v1/call/library.titles", headers=headers) as answer:
        await problem(answer, 401, "not-signed-in")
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")


async def test_with_a_forged_token(nobody: Http) -> None:
    head, claims, signature = (await token_of(nobody)).split(".")
    forged = f"{head}.{claims}.{signature[::-1]}"
    async with nobody.post("/v1/call/library.titles", headers={"Authorization": f"Bearer {forged}"}) as answer:
        await problem(answer, 401, "token-invalid")


# calls by GET


async def test_a_query_by_get_has_an_etag(ada: Http) -> None:
    party, position = await open_party(ada)
    params = {"party_id": party}
    async with ada.get("/v1/call/party.state", params=params, headers={"Matinee-After": position}) as answer:
        assert (await ok(answer))["value"]["title"] == "Film night"
        tag = answer.headers["ETag"]
    async with ada.get("/v1/call/party.state", params=params, headers={"If-None-Match": f'"x", W/{tag}'}) as answer:
        assert (answer.status, await answer.read()) == (304, b"")
    async with ada.post("/v1/call/party.seek", json={"party_id": party, "position": 9}) as answer:
        position = (await ok(answer))["position"]
    headers = {"If-None-Match": tag, "Matinee-After": position}
    async with ada.get("/v1/call/party.state", params=params, headers=headers) as answer:
        assert (await ok(answer))["value"]["position"] == 9
        assert answer.headers["ETag"] != tag


async def test_arguments_of_a_get_are_read_by_their_type(ada: Http) -> None:
    async with ada.get("/v1/call/library.titles", params={"limit": "5"}) as answer:
        await ok(answer)
    for params in ({"limit": "many"}, {"limit": "0"}, {"unknown": "1"}):
        async with ada.get("/v1/call/library.titles", params=params) as answer:
            await problem(answer, 422, "invalid-argument")
    async with ada.get("/v1/call/library.titles?limit=1&limit=2") as answer:
        assert (await problem(answer, 422, "invalid-argument"))["details"]["field"] == "limit"


async def test_a_command_cannot_be_fetched(ada: Http) -> None:
    async with ada.get("/v1/call/party.play", params={"party_id": "x"}) as answer:
        await problem(answer, 405, "method-not-allowed")
        assert answer.headers["Allow"] == "POST"
    async with ada.delete("/v1/call/party.play") as answer:
        await problem(answer, 405, "method-not-allowed")
        assert answer.headers["Allow"] == "GET, POST"


async def test_a_page_that_is_not_there(nobody: Http) -> None:
    async with nobody.get("/nothing") as answer:
        await problem(answer, 404, "not-found")


@pytest.mark.parametrize(
    ("after", "status", "code"), [("x", 400, "bad-position"), ("library:zz:1", 409, "other-epoch")]
)
async def test_positions_that_mean_nothing(ada: Http, after: str, status: int, code: str) -> None:
    async with ada.get("/v1/call/library.titles", headers={"Matinee-After": after}) as answer:
        await problem(answer, status, code)


async def test_a_position_not_reached_says_when_to_try_again(ada: Http) -> None:
    _, position = await open_party(ada)
    context, epoch, _ = position.split(":")
    headers = {"Matinee-After": f"{context}:{epoch}:999999999"}
    async with ada.get("/v1/call/party.state", params={"party_id": "x"}, headers=headers) as answer:
        await problem(answer, 503, "position-not-reached")
        assert int(answer.headers["Retry-After"]) >= 1


# event streams


async def next_event(answer: aiohttp.ClientResponse) -> dict[str, str]:
    """One event of a stream; comments and the retry line are passed over."""
    fields: dict[str, str] = {}
    async with asyncio.timeout(10):
        async for line in answer.content:
            name, _, value = line.decode().rstrip("\n").partition(": ")
            if name in ("id", "event", "data"):
                fields[name] = value
            elif not name and "data" in fields:
                return fields
    raise EOFError


async def test_an_event_stream_gives_the_value_now_and_after_each_change(ada: Http) -> None:
    async with ada.get("/v1/watch/library.titles") as stream:
        assert stream.content_type == "text/event-stream"
        first = await next_event(stream)
        body = json.loads(first["data"])
        assert (set(body), body["value"]["items"], first["id"]) == ({"value", "position"}, [], body["position"])
        await ada.post("/v1/call/library.report", json={"work": "tt1", "position": 1, "duration": 9, "state": "paused"})
        changed = json.loads((await next_event(stream))["data"])
        assert [item["work"] for item in changed["value"]["items"]] == ["tt1"]


async def test_an_event_stream_that_may_not_be_is_a_problem(ada: Http, nobody: Http) -> None:
    async with nobody.get("/v1/watch/library.titles") as answer:
        await problem(answer, 401, "not-signed-in")
    async with ada.get("/v1/watch/party.state", params={"party_id": "none"}) as answer:
        await problem(answer, 404, "no-such-party")
    async with ada.get("/v1/watch/party.play", params={"party_id": "none"}) as answer:
        await problem(answer, 405, "method-not-allowed")


# guests


async def test_a_guest_token(nobody: Http) -> None:
    async with nobody.post("/v1/guest", json={"name": "Ada"}) as answer:
        body = await ok(answer)
    assert set(body) == {"token", "user", "expires"}
    claims = json.loads(base64.urlsafe_b64decode(body["token"].split(".")[1] + "=="))
    assert (claims["name"], claims["sub"] != body["user"]) == ("Ada", True)


@pytest.mark.parametrize(
    "body", [{}, {"name": ""}, {"name": "x" * 65}, {"name": 1}, {"name": "\u0007"}, {"nome": "Ada"}]
)
async def test_a_guest_needs_a_name(nobody: Http, body: dict[str, Any]) -> None:
    async with nobody.post("/v1/guest", json=body) as answer:
        await problem(answer, 422, "invalid-argument")


# documents, health


async def test_documents_are_generated(nobody: Http) -> None:
    async with nobody.get("/openapi.json") as answer:
        document = await ok(answer)
    assert document["openapi"].startswith("3.1")
    assert "/v1/call/party.play" in document["paths"]
    async with nobody.get("/asyncapi.json") as answer:
        assert (await ok(answer))["asyncapi"].startswith("3.")


async def test_pages_load_nothing_from_outside(nobody: Http) -> None:
    for path in PAGES:
        async with nobody.get(path) as answer:
            text = await answer.text()
            assert answer.status == 200
            assert answer.content_type in ("text/html", "text/javascript", "text/css")
            policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'self'" in policy
        assert "connect-src 'self'" in policy
        assert "unsafe" not in policy
        assert "//cdn" not in text
        assert 'src="http' not in text
        assert 'from "http' not in text
        assert "url(http" not in text


async def test_pages_are_asked_for_each_time_and_sent_once(nobody: Http) -> None:
    assert {"/", "/docs", "/client.js", "/sync.js", "/watch.js", "/watch.css", "/watch/room.js"} <= set(PAGES)
    for path in PAGES:
        async with nobody.get(path) as answer:
            assert answer.headers["Cache-Control"] == "no-cache"
            tag = answer.headers["ETag"]
        async with nobody.get(path, headers={"If-None-Match": tag}) as answer:
            assert answer.status == 304
            assert await answer.read() == b""


async def test_health(nobody: Http) -> None:
    async with nobody.get("/healthz") as answer:
        await ok(answer)
    async with nobody.get("/readyz") as answer:
        body = await ok(answer)
    assert body["ready"] is True
    assert body["checks"] == {"nats": True, "presence": True}
    async with nobody.get("/metrics") as answer:
        assert "matinee_gateway_sockets" in await answer.text()


# cross-origin requests


async def test_browsers_of_this_machine_may_come(nobody: Http) -> None:
    headers = {"Origin": "http://localhost:3000", "Access-Control-Request-Method": "POST"}
    async with nobody.options("/v1/call/party.play", headers=headers) as answer:
        assert answer.status == 204
        assert answer.headers["Access-Control-Allow-Origin"] == "http://localhost:3000"
        assert "Idempotency-Key" in answer.headers["Access-Control-Allow-Headers"]
        assert "POST" in answer.headers["Access-Control-Allow-Methods"]


async def test_browsers_from_elsewhere_may_not(ada: Http) -> None:
    headers = {"Origin": "https://elsewhere.example", "Access-Control-Request-Method": "POST"}
    async with ada.options("/v1/call/party.play", headers=headers) as answer:
        await problem(answer, 403, "origin-not-allowed")
    async with ada.get("/v1/call/library.titles", headers={"Origin": "https://elsewhere.example"}) as answer:
        assert "Access-Control-Allow-Origin" not in answer.headers
