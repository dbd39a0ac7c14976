"""`GET /v1/export`: everything that is kept about somebody, as one file that says whether it is whole."""

import asyncio
import json
from typing import Any

import aiohttp
from tests.system import System
from tests.wait import eventually

Record = dict[str, Any]


async def guest(system: System, name: str = "Ana") -> aiohttp.ClientSession:
    async with aiohttp.ClientSession(system.http) as http:
        token = (await (await http.post("/v1/guest", json={"name": name})).json())["token"]
    return aiohttp.ClientSession(system.http, headers={"Authorization": f"Bearer {token}"})


async def call(http: aiohttp.ClientSession, function: str, **args: Any) -> Any:
    answer = await (await http.post(f"/v1/call/{function}", json=args)).json()
    assert "value" in answer, answer
    return answer["value"]


async def exported(http: aiohttp.ClientSession) -> list[Record]:
    async with http.get("/v1/export") as answer:
        assert answer.status == 200, await answer.text()
        assert answer.content_type == "application/x-ndjson"
        return [json.loads(line) async for line in answer.content]


async def test_it_holds_what_its_owner_did_in_every_service_and_ends_with_how_much_it_is(system: System) -> None:
    async with await guest(system) as ana, await guest(system, "Ben") as ben:
        party = (await call(ana, "party.open", title="Friday film", media="tt1"))["party_id"]
        await call(ben, "party.join", party_id=party)
        made = await call(ana, "library.create_list", name="Sunday")
        await call(ana, "library.add_to_list", list_id=made["list_id"], items=[{"work": "tt0111161"}])
        await call(ana, "library.set", work="tt0111161", reaction="loved")
        await call(ana, "library.set_preferences", changes={"theme": "dark"})

        async def whole() -> list[Record]:
            records = await exported(ana)
            kinds = {record["record"] for record in records}
            assert {"title", "list", "list-item", "preference", "party", "party-event"} <= kinds
            return records

        records = await eventually(whole)
        theirs = await exported(ben)

    assert records[0] == {"record": "matinee", "version": 1}
    assert records[-1] == {"record": "end", "records": len(records) - 1}
    (told,) = [record for record in records if record["record"] == "party"]
    assert (told["party_id"], told["name"], told["hosted"], told["member"]) == (party, "Ana", True, True)
    assert {r["type"] for r in records if r["record"] == "party-event"} >= {"party.opened", "party.joined"}
    assert "Sunday" not in json.dumps(theirs)
    assert "Ana" not in json.dumps(theirs)
    assert [(r["name"], r["hosted"]) for r in theirs if r["record"] == "party"] == [("Ben", False)]


async def test_who_is_new_gets_a_file_with_nothing_in_it(system: System) -> None:
    async with await guest(system) as ana:
        records = await exported(ana)

    assert records[0]["record"] == "matinee"
    assert [record["record"] for record in records[1:]] in ([["end"]], ["end"], ["profile", "end"])


async def test_nobody_gets_one_without_a_token(system: System) -> None:
    for headers, code in (({}, "not-signed-in"), ({"Authorization": "Bearer x"}, "token-invalid")):
        async with aiohttp.ClientSession(system.http, headers=headers) as http, http.get("/v1/export") as answer:
            assert answer.status == 401
            assert answer.content_type == "application/problem+json"
            assert (await answer.json())["code"] == code


async def test_it_is_read_and_nothing_else(system: System) -> None:
    async with await guest(system) as ana, ana.post("/v1/export") as answer:
        assert answer.status == 405


async def test_as_many_at_once_as_a_person_may(system: System) -> None:
    async with await guest(system) as ana:
        answers = await asyncio.gather(*(ana.get("/v1/export") for _ in range(20)))
        assert {answer.status for answer in answers} <= {200, 429}
        for answer in answers:
            answer.release()
        # A file whose reader has gone is still written for a moment.
        whole = await eventually(lambda: exported(ana))
        assert whole[-1]["record"] == "end"


async def test_the_document_tells_of_it(system: System) -> None:
    async with aiohttp.ClientSession(system.http) as http, http.get("/openapi.json") as answer:
        described = (await answer.json())["paths"]["/v1/export"]["get"]
    assert described["responses"]["200"]["content"].keys() == {"application/x-ndjson"}
    assert {"401", "503"} <= described["responses"].keys()


async def test_another_person_can_take_it_in(system: System) -> None:
    async with await guest(system) as ana, await guest(system, "Ben") as ben:
        for n in range(3):
            await call(ana, "library.set", work=f"tt000000{n}", reaction="loved", details={"title": f"Film {n}"})
        await call(ana, "library.mark", work="tt0000001")
        await call(ana, "library.report", work="tt0000002", position=600, duration=6000, state="paused")
        made = await call(ana, "library.create_list", name="Sunday")
        await call(ana, "library.add_to_list", list_id=made["list_id"], items=[{"work": "tt0000001"}])

        async def complete() -> list[Record]:
            records = await exported(ana)
            kinds = [record["record"] for record in records]
            assert (kinds.count("title"), kinds.count("list-item"), kinds.count("play")) == (3, 1, 1)
            return records

        file = "\n".join(map(json.dumps, await eventually(complete)))
        headers = {"Content-Type": "application/x-ndjson"}
        async with ben.post("/v1/import/matinee", data=file.encode(), headers=headers) as answer:
            assert answer.status < 300, await answer.text()

        async def taken() -> None:
            items = {item["work"]: item for item in (await call(ben, "library.items"))["items"]}
            assert set(items) == {"tt0000000", "tt0000001", "tt0000002"}
            assert items["tt0000000"]["reaction"] == "loved"
            assert items["tt0000001"]["details"]["title"] == "Film 1"
            assert [one["work"] for one in (await call(ben, "library.history"))["items"]] == ["tt0000001"]
            going = (await call(ben, "library.continue_watching"))["items"]
            assert [(one["work"], one["position"]) for one in going] == [("tt0000002", 600.0)]
            assert [one["name"] for one in (await call(ben, "library.lists"))["items"]] == ["Sunday"]

        async def so() -> bool:
            await taken()
            return True

        await eventually(so, within=20)
