"""The library hears what tokens say of their bearers, once for each, and nobody waits for that."""

import asyncio
from typing import Any

import aiohttp
from tests.integration.gateway.conftest import Connect, Gateways, trusting
from tests.integration.gateway.peer import SIGN_IN, Peer
from tests.simulators.issuer import IssuerSimulator
from tests.wait import eventually

from events.erasure import forget_everywhere
from events.messages import Context, Rejected
from gateway.main import Running


async def asked_over_http(running: Running, token: str, function: str = "party.mine") -> int:
    headers, url = {"Authorization": f"Bearer {token}"}, f"{running.http}/v1/call/{function}"
    async with aiohttp.ClientSession(headers=headers) as session, session.post(url, json={}) as answer:
        return answer.status


async def test_of_guests_nothing_is_told(running: Running, peer: Peer, connect: Connect) -> None:
    peer.handlers["party.mine"] = lambda args, context: []
    ada = await connect(running, "Ada")

    for _ in range(3):
        assert await ada.call("party.mine") is not None
    assert peer.arrived == []


async def test_a_token_says_name_picture_and_email_at_its_first_use(
    running: Running, peer: Peer, connect: Connect, another: Gateways, idp: IssuerSimulator
) -> None:
    peer.handlers["party.mine"] = lambda args, context: []
    claims: dict[str, Any] = {"name": "Ada", "picture": "https://p.example/ada", "email": "ada@mail.example"}
    async with another(**trusting(idp)) as trusted:
        token, fresh = idp.mint(**claims), idp.mint(**claims, jti="2")
        ada = await connect(trusted, token=token)
        for _ in range(3):
            assert await asked_over_http(trusted, token) == 200
        await connect(trusted, token=token)
        assert await asked_over_http(trusted, fresh) == 200

        await eventually(lambda: peer.arrived == [(ada.user, claims)] * 2)


async def test_nobody_waits_for_a_library_that_is_slow_or_refuses(
    running: Running, peer: Peer, connect: Connect, another: Gateways, idp: IssuerSimulator
) -> None:
    answered = asyncio.Event()
    refused = list[str]()

    async def refuse(args: dict[str, Any], context: Context) -> None:
        await answered.wait()
        refused.append(context.actor)
        raise Rejected("internal")

    peer.handlers[SIGN_IN] = refuse
    peer.handlers["party.mine"] = lambda args, context: []
    async with another(**trusting(idp)) as trusted:
        token = idp.mint(name="Ada")
        ada = await connect(trusted, token=token)
        assert await ada.call("party.mine") is not None
        assert await asked_over_http(trusted, token) == 200
        answered.set()
        await eventually(lambda: refused == [ada.user])

        peer.handlers[SIGN_IN] = lambda args, context: None

        async def told_again() -> bool:
            assert await asked_over_http(trusted, token) == 200
            return len(peer.arrived) >= 2

        await eventually(told_again)


async def test_of_who_was_erased_it_is_told_again_once_they_do_more_than_look_whether_they_are_gone(
    running: Running, peer: Peer, another: Gateways, idp: IssuerSimulator
) -> None:
    peer.handlers["party.mine"] = lambda args, context: []
    peer.handlers["library.erasure"] = lambda args, context: None
    async with another(**trusting(idp)) as trusted:
        token = idp.mint(name="Ada")
        assert await asked_over_http(trusted, token) == 200
        await eventually(lambda: len(peer.arrived) == 1)
        uid = peer.arrived[0][0]

        await forget_everywhere(peer.bus, uid, 5.0)
        await forget_everywhere(peer.bus, uid)
        await peer.bus.api("STREAM.INFO.EV_PARTIES")
        assert await asked_over_http(trusted, token) == 200
        assert len(peer.arrived) == 1, "it goes on"

        await forget_everywhere(peer.bus, uid, destroyed=True)
        await peer.bus.api("STREAM.INFO.EV_PARTIES")
        for _ in range(3):
            assert await asked_over_http(trusted, token, "library.erasure") == 200
        assert len(peer.arrived) == 1

        async def told_again() -> bool:
            assert await asked_over_http(trusted, token) == 200
            return len(peer.arrived) == 2

        await eventually(told_again)
