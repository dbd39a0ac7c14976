"""An operator rebuilds and verifies the read models of a running system, and nobody notices."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import aiohttp
import asyncpg
import msgspec
import pytest
from tests.faults.crowd import Person
from tests.system import System, system_over
from tests.wait import eventually


@pytest.fixture(scope="module")
def own_system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    with system_over(tmp_path_factory.mktemp("rebuild")) as running:
        yield running


@pytest.fixture
async def ana(own_system: System) -> AsyncIterator[Person]:
    async with aiohttp.ClientSession() as http:
        person = await Person.guest(http, own_system.http, "Ana")
        yield person
        await person.leave()


async def open_parties(ana: Person, count: int) -> list[str]:
    opened = [await ana.call("party.open", title=f"Party {n}", media="tt1") for n in range(count)]
    return [answer["value"]["party_id"] for answer in opened]


async def current_schema(system: System, service: str) -> str:
    db = await asyncpg.connect(system.running.database_url)
    try:
        name: str = await db.fetchval(f"select schema from {service}.pointer")
        return name
    finally:
        await db.close()


async def test_a_replay_costs_no_query_and_no_command(own_system: System, ana: Person) -> None:
    (party,) = await open_parties(ana, 1)
    before = await current_schema(own_system, "parties")
    done = asyncio.Event()
    answers = 0

    async def ask() -> None:
        nonlocal answers
        socket = await ana.socket()
        number = 0
        while not done.is_set():
            number += 1
            moved = await socket.ask(op="call", fn="party.seek", args={"party_id": party, "position": float(number)})
            # Straight to the socket: an error of any kind ends the test.
            shown = await socket.ask(op="call", fn="party.state", args={"party_id": party}, after=moved["position"])
            assert shown["value"]["position"] == float(number)
            answers += 1

    asking = asyncio.create_task(ask())
    await eventually(lambda: answers > 10)
    replayed = await asyncio.to_thread(own_system.matinee, "replay", "--service", "parties")
    after = answers
    await eventually(lambda: asking.done() or answers > after + 50, within=20)
    done.set()
    await asking

    assert replayed.returncode == 0, replayed.stderr
    assert "queries now read" in replayed.stdout
    assert await current_schema(own_system, "parties") != before
    found = await asyncio.to_thread(own_system.matinee, "verify", "--service", "parties")
    assert found.returncode == 0, found.stdout


async def test_verify_finds_a_row_that_nobody_said_and_replay_mends_it(own_system: System, ana: Person) -> None:
    (party,) = await open_parties(ana, 1)
    schema = await current_schema(own_system, "parties")
    db = await asyncpg.connect(own_system.running.database_url)
    await eventually(lambda: db.fetchval(f"select 1 from {schema}.party where party_id = $1", party))
    await db.execute(f"update {schema}.party set title = 'Forged' where party_id = $1", party)
    await db.close()

    found = await asyncio.to_thread(own_system.matinee, "verify", "--service", "parties")
    as_json = await asyncio.to_thread(own_system.matinee, "verify", "--service", "parties", "--json")

    assert found.returncode == 1
    assert "Forged" in found.stdout
    assert "Party 0" in found.stdout
    assert as_json.returncode == 1
    rows = msgspec.json.decode(as_json.stdout)["parties"]["party"]
    assert [row["title"] for row in rows[0]] == ["Forged"]

    mended = await asyncio.to_thread(own_system.matinee, "replay", "--service", "parties", "--json")
    again = await asyncio.to_thread(own_system.matinee, "verify", "--service", "parties")
    assert mended.returncode == 0, mended.stderr
    assert msgspec.json.decode(mended.stdout)["service"] == "parties"
    assert again.returncode == 0, again.stdout


async def test_an_unknown_service_is_a_clear_error(own_system: System) -> None:
    for command in ("replay", "verify"):
        refused = await asyncio.to_thread(own_system.matinee, command, "--service", "partys")

        assert refused.returncode == 1
        assert "there is no service 'partys'; there are parties, library, comments" in refused.stderr


async def test_the_demo_tells_its_story_to_the_end(own_system: System) -> None:
    told = await asyncio.to_thread(own_system.matinee, "demo")

    assert told.returncode == 0, told.stderr
    assert "Ben saw all 5 of them, in order, each once" in told.stdout
