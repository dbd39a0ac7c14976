"""What the operator sets in the environment is what people may do."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from tests.e2e.client import Client, Refused
from tests.system import System, system_over

WRONG = "000000"
FILM = {"title": "Friday", "media": "tt0133093"}


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    settings = {
        "MATINEE_ROOMS_PER_HOUR": "2",
        "MATINEE_CONTROLS_PER_SECOND": "1",
        "MATINEE_MANAGEMENT_PER_HOUR": "1",
        "MATINEE_KEY_TRIES": "2",
        "MATINEE_COMMANDS_PER_SECOND": "2",
        "MATINEE_IMPORTS_PER_HOUR": "2",
        "MATINEE_ADDONS_PER_HOUR": "2",
        "MATINEE_COMPLETED_AT": "0.5",
    }
    with system_over(tmp_path_factory.mktemp("strict"), **settings) as system:
        yield system


def test_the_demo_keeps_to_the_limits_that_a_matinee_has_by_default(tmp_path: Path) -> None:
    defaults = {
        "MATINEE_ROOMS_PER_HOUR": "10",
        "MATINEE_CONTROLS_PER_SECOND": "2",
        "MATINEE_MANAGEMENT_PER_HOUR": "20",
        "MATINEE_KEY_TRIES": "10",
        "MATINEE_KEY_TRIES_PER_PARTY": "50",
        "MATINEE_COMMANDS_PER_SECOND": "20",
    }
    with system_over(tmp_path / "defaults", **defaults) as system:
        done = system.matinee("demo")

    assert done.returncode == 0, done.stdout + done.stderr


@pytest_asyncio.fixture
async def ana(strict: System) -> AsyncIterator[Client]:
    async with await somebody(strict) as client:
        yield client


async def admitted(system: System) -> str:
    """The token of somebody new."""
    async with aiohttp.ClientSession(system.http) as http, http.post("/v1/guest", json={"name": "Ana"}) as answer:
        return str((await answer.json())["token"])


async def somebody(system: System) -> Client:
    return await Client.connect(system.ws, await admitted(system))


async def opened(client: Client, **details: object) -> str:
    answer = await client.call("party.open", **FILM, **details)
    return str(answer["value"]["party_id"])


async def wait(client: Client, code: str, fn: str, /, **args: object) -> float:
    """Seconds that a refusal tells to wait."""
    with pytest.raises(Refused, match=code) as refused:
        await client.call(fn, **args)
    assert refused.value.error["status"] == 429
    seconds: float = refused.value.error["details"]["retry_after"]
    return seconds


async def test_parties_an_hour(ana: Client) -> None:
    await opened(ana)
    await opened(ana)
    assert 1700 < await wait(ana, "rate-limited", "party.open", **FILM) <= 1800


async def test_controls_a_second(ana: Client) -> None:
    room = await opened(ana)
    seeking = [ana.call("party.seek", party_id=room, position=60 * n) for n in range(1, 5)]
    refused = [each for each in await asyncio.gather(*seeking, return_exceptions=True) if isinstance(each, Refused)]
    assert {each.code for each in refused} == {"rate-limited"}
    assert all(0 < each.error["details"]["retry_after"] <= 1 for each in refused)


async def test_management_an_hour(ana: Client) -> None:
    room = await opened(ana)
    await ana.call("party.lock", party_id=room)
    assert 3500 < await wait(ana, "rate-limited", "party.lock", party_id=room, locked=False) <= 3600


async def test_addons_an_hour(ana: Client) -> None:
    manifest = {"id": "a", "version": "1.0.0", "name": "A", "types": [], "resources": [], "catalogs": []}
    addons = [{"transport_url": f"https://{n}.example.com/manifest.json", "manifest": manifest} for n in range(3)]
    for addon in addons[:2]:
        await ana.call("library.install_addon", **addon)
    assert 1700 < await wait(ana, "rate-limited", "library.install_addon", **addons[2]) <= 1800


async def test_imports_an_hour(ana: Client) -> None:
    file = {"upload": "0" * 32, "format": "trakt"}
    for _ in range(2):
        await ana.call("library.import", **file)
    assert 1700 < await wait(ana, "rate-limited", "library.import", **file) <= 1800


async def test_when_a_film_is_completed(ana: Client) -> None:
    done = await ana.call("library.report", work="tt0111161", position=50, duration=100, state="stopped")
    answer = await ana.ask("call", fn="library.title", args={"work": "tt0111161"}, after=done["position"])
    assert answer["value"]["items"][0]["watched"]


async def test_keys_tried(ana: Client, strict: System) -> None:
    room = await opened(ana, private=True, key="314159")
    async with await somebody(strict) as bo:
        for _ in range(2):
            with pytest.raises(Refused, match="wrong-key"):
                await bo.call("party.join", party_id=room, key=WRONG)
        assert 200 < await wait(bo, "key-locked", "party.join", party_id=room, key="314159") <= 300


async def test_commands_a_second_through_all_sockets_together(strict: System) -> None:
    token = await admitted(strict)
    async with await Client.connect(strict.ws, token) as one, await Client.connect(strict.ws, token) as other:
        room = await opened(one)
        wishes = [client.call("party.enqueue", party_id=room, media="tt1") for client in (one, other) for _ in range(8)]
        refused = [each for each in await asyncio.gather(*wishes, return_exceptions=True) if isinstance(each, Refused)]

        assert {each.code for each in refused} == {"rate-limited"}
        assert all(0 < each.error["details"]["retry_after"] <= 0.5 for each in refused)
        queued = await one.ask("call", fn="party.queue", args={"party_id": room})
        assert len(queued["value"]["items"]) <= len(wishes) - len(refused)
