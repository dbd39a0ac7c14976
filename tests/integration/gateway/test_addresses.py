"""Services learn from where a command came, whichever door and gateway it came through; nothing else is told them."""

import aiohttp
import pytest
from tests.e2e.client import Client
from tests.integration.gateway.conftest import Connect, Gateways, guest
from tests.integration.gateway.peer import Peer

from gateway.main import Running

FUNCTION = "party.leave"
ARGS = {"party_id": "p"}


@pytest.fixture(autouse=True)
def leaving(peer: Peer) -> None:
    peer.handlers[FUNCTION] = lambda args, context: None
    peer.handlers["party.state"] = lambda args, context: None


def told(peer: Peer) -> list[str]:
    """The addresses of the commands that came, in order."""
    return [context.address for function, _, context in peer.asked if function == FUNCTION]


async def call(running: Running, address: str, **headers: str) -> None:
    headers |= {"Authorization": f"Bearer {await guest(running)}", "X-Forwarded-For": address}
    async with (
        aiohttp.ClientSession() as http,
        http.post(f"{running.http}/v1/call/{FUNCTION}", json=ARGS, headers=headers) as answer,
    ):
        assert answer.status == 200


async def test_both_doors_of_all_gateways_say_the_same_of_one_address(
    another: Gateways, peer: Peer, connect: Connect
) -> None:
    async with another(trusted_hops=1) as one, another(trusted_hops=1) as two:
        for running in (one, two):
            await call(running, "1.1.1.1")
            token = await guest(running)
            async with await Client.connect(running.ws, token, headers={"X-Forwarded-For": "1.1.1.1"}) as socket:
                await socket.call(FUNCTION, **ARGS)
                await socket.sign_in(token)
                await socket.call(FUNCTION, **ARGS)
        await call(one, "2.2.2.2")

    *same, other = told(peer)
    assert len(same) == 6
    assert len(set(same)) == 1
    assert other not in ("", same[0])
    assert "1.1.1.1" not in same[0]


async def test_what_a_client_says_of_its_address_is_not_believed(running: Running, peer: Peer) -> None:
    await call(running, "1.1.1.1")
    await call(running, "2.2.2.2", **{"Matinee-Context": '{"actor":"ada","now":"2026-01-01T00:00:00Z","address":"x"}'})
    first, second = told(peer)
    assert first == second != ""


async def test_no_question_says_where_it_comes_from(running: Running, peer: Peer, connect: Connect) -> None:
    socket = await connect(running)
    await socket.call("party.state", party_id="p")
    assert [context.address for function, _, context in peer.asked if function == "party.state"] == [""]
