"""Files through the HTTP door: streamed, taken in once, told live, and refused in plain words."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from tests.e2e.client import Client
from tests.system import System
from tests.unit.library import files
from tests.wait import eventually

Http = aiohttp.ClientSession
MIB = 1024 * 1024


@pytest_asyncio.fixture
async def nobody(system: System) -> AsyncIterator[Http]:
    async with Http(system.http) as session:
        yield session


@pytest_asyncio.fixture
async def token(nobody: Http) -> str:
    async with nobody.post("/v1/guest", json={"name": "Ana"}) as answer:
        return str((await answer.json())["token"])


@pytest_asyncio.fixture
async def ana(system: System, token: str) -> AsyncIterator[Http]:
    async with Http(system.http, headers={"Authorization": f"Bearer {token}"}) as session:
        yield session


async def sent(ana: Http, kind: str, body: Any, key: str = "", **query: str) -> dict[str, str]:
    headers = {"Content-Type": "application/octet-stream", **({"Idempotency-Key": key} if key else {})}
    async with ana.post(f"/v1/import/{kind}", data=body, params=query, headers=headers) as answer:
        assert answer.status == 202, await answer.text()
        taken: dict[str, str] = await answer.json()
        assert set(taken) == {"import_id", "position"}
        return taken


async def call(ana: Http, function: str, /, after: str = "", **args: Any) -> Any:
    headers = {"Matinee-After": after} if after else {}
    async with ana.post(f"/v1/call/{function}", json=args, headers=headers) as answer:
        assert answer.status == 200, await answer.text()
        body = await answer.json()
        return body["value"]


async def refused(answer: aiohttp.ClientResponse, status: int, code: str) -> dict[str, Any]:
    problem: dict[str, Any] = await answer.json()
    assert (answer.status, problem["code"]) == (status, code), problem
    return problem


async def ended(ana: Http, import_id: str) -> dict[str, Any]:
    async def look() -> dict[str, Any]:
        report: dict[str, Any] = await call(ana, "library.import_report", import_id=import_id)
        assert report["state"] not in ("reading", "applying")
        return report

    await asyncio.sleep(0.05)
    return await eventually(look, within=30)


async def test_a_file_goes_in_is_told_live_and_undone(system: System, ana: Http, token: str) -> None:
    async with await Client.connect(system.ws, token) as socket:
        await socket.ask("watch", id="w", fn="library.imports", args={})

        taken = await sent(ana, "imdb", files.imdb_csv(300), file_name="ratings.csv")
        first = await call(ana, "library.import_report", after=taken["position"], import_id=taken["import_id"])
        assert first["file_name"] == "ratings.csv"
        report = await ended(ana, taken["import_id"])
        assert (report["state"], report["taken"]) == ("applied", 300)
        assert report["counts"] == {"total": 301, "added": 300, "changed": 0, "skipped": 1, "removed": 0}
        assert [skipped[1:] for skipped in report["skipped"]] == [
            ["Breaking Bad: Ozymandias", "episode-without-series"]
        ]

        def says(frame: dict[str, Any]) -> bool:
            items = (frame.get("value") or {}).get("items") or [{}]
            return bool(items[0].get("state") == "applied")

        await socket.take(says)

    assert len((await call(ana, "library.items", limit=100))["items"]) == 100
    await call(ana, "library.undo_import", import_id=taken["import_id"])

    async def gone() -> bool:
        return bool((await call(ana, "library.items"))["items"] == [])

    await eventually(gone)


async def test_the_same_key_takes_it_in_once(ana: Http) -> None:
    body = files.stremio_export(5, 5)
    answers = [await sent(ana, "stremio", body, key="one") for _ in range(2)]
    assert answers[0] == answers[1]
    assert len((await call(ana, "library.imports", after=answers[0]["position"]))["items"]) == 1
    headers = {"Idempotency-Key": "one"}
    async with ana.post("/v1/import/stremio?dry_run=true", data=body, headers=headers) as answer:
        await refused(answer, 409, "key-reused")


async def test_a_dry_run_and_its_confirmation(ana: Http) -> None:
    taken = await sent(ana, "trakt", files.trakt_zip(50), dry_run="true")
    tried = await ended(ana, taken["import_id"])
    assert (tried["state"], tried["dry_run"], tried["taken"]) == ("planned", True, 0)
    await call(ana, "library.confirm_import", import_id=taken["import_id"])
    assert (await ended(ana, taken["import_id"]))["state"] == "applied"


async def test_sixty_megabytes_stream_through_and_more_are_refused(system: System, ana: Http) -> None:
    async def spaces(size: int) -> AsyncIterator[bytes]:
        for _ in range(size // MIB):
            yield b" " * MIB

    async def padded() -> AsyncIterator[bytes]:
        yield b"["
        async for part in spaces(60 * MIB):
            yield part
        yield json.dumps(files.stremio_item("tt0133093", state={"timesWatched": 1})).encode() + b"]"

    taken = await sent(ana, "stremio", padded())
    assert (await ended(ana, taken["import_id"]))["error"] in ("", "item-too-large")

    async with ana.post("/v1/import/stremio", data=spaces(65 * MIB)) as answer:
        await refused(answer, 413, "body-too-large")
    with_length = {"Content-Length": str(65 * MIB)}
    async with ana.post(
        "/v1/import/stremio", data=b"[]", headers=with_length, timeout=aiohttp.ClientTimeout(5)
    ) as answer:
        await refused(answer, 413, "body-too-large")


@pytest.mark.parametrize(
    ("path", "kind", "status", "code"),
    [
        ("/v1/import/plex", "text/csv", 422, "invalid-argument"),
        ("/v1/import/imdb?dry_run=maybe", "text/csv", 422, "invalid-argument"),
        ("/v1/import/imdb?undo=true", "text/csv", 422, "invalid-argument"),
        ("/v1/import/imdb?dry_run=true&dry_run=false", "text/csv", 422, "invalid-argument"),
        ("/v1/import/imdb?file_name=" + "n" * 201, "text/csv", 422, "invalid-argument"),
        ("/v1/import/imdb", "multipart/form-data; boundary=x", 415, "unsupported-file-type"),
        ("/v1/import/imdb", "application/x-www-form-urlencoded", 415, "unsupported-file-type"),
    ],
)
async def test_what_is_wrong_is_told_before_the_file_is_read(
    ana: Http, path: str, kind: str, status: int, code: str
) -> None:
    async with ana.post(path, data=b"Const\ntt0133093\n", headers={"Content-Type": kind}) as answer:
        await refused(answer, status, code)


async def test_who_is_not_signed_in_sends_nothing(nobody: Http) -> None:
    async with nobody.post("/v1/import/imdb", data=b"x") as answer:
        await refused(answer, 401, "not-signed-in")


async def test_other_methods_are_not_allowed(ana: Http) -> None:
    async with ana.get("/v1/import/imdb") as answer:
        await refused(answer, 405, "method-not-allowed")


async def test_a_file_of_the_wrong_kind_fails_and_says_why(ana: Http) -> None:
    taken = await sent(ana, "stremio", b"Const,Title\n")
    report = await ended(ana, taken["import_id"])
    assert (report["state"], report["error"]) == ("failed", "not-json")


async def test_an_upload_that_nobody_sent(ana: Http) -> None:
    started = await call(ana, "library.import", upload="0" * 32, format="trakt")
    assert (await ended(ana, started["import_id"]))["error"] == "no-such-upload"


async def test_the_door_is_in_the_document(nobody: Http) -> None:
    async with nobody.get("/openapi.json") as answer:
        door = (await answer.json())["paths"]["/v1/import/{format}"]["post"]
    names = {(parameter["in"], parameter["name"]) for parameter in door["parameters"]}
    assert names == {
        ("path", "format"),
        ("query", "dry_run"),
        ("query", "replace"),
        ("query", "file_name"),
        ("header", "Idempotency-Key"),
    }
    assert {"202", "401", "413", "415", "422", "429"} <= set(door["responses"])
