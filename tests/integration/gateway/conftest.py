"""A gateway in this process, real NATS, and a peer that answers as the services would."""

import base64
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from tests.e2e.client import Client
from tests.integration.gateway.peer import Peer
from tests.simulators.issuer import IssuerSimulator, issuer
from tests.wait import eventually

from events.bus import Bus
from gateway.main import Running, gateway
from gateway.settings import Settings
from ops.embedded import Embedded

Gateways = Callable[..., AbstractAsyncContextManager[Running]]
Connect = Callable[..., Awaitable[Client]]


def configured(servers: Embedded, **changes: Any) -> Settings:
    """Settings as `matinee up` would make them."""
    values: dict[str, Any] = {
        "nats_url": servers.nats_url("gateway"),
        "uid_secret": base64.b64decode(servers.keys.uid_secret),
        "guest_secret": base64.b64decode(servers.keys.guest_secret),
        "port": 0,
        "replica": "gateway-test",
        "commands_per_second": 0,
    }
    return Settings(**{**values, **changes})


@pytest_asyncio.fixture
async def peer(servers: Embedded) -> AsyncIterator[Peer]:
    bus = await Bus.connect(servers.nats_url(), "ops")
    peer = Peer(bus)
    await peer.start()
    yield peer
    await peer.stop()
    await bus.close()


@pytest_asyncio.fixture
async def running(servers: Embedded, peer: Peer) -> AsyncIterator[Running]:
    async with gateway(configured(servers)) as running:
        # The first notice of a context says that anything may have been missed; tests begin after it.
        async def heard() -> bool:
            await peer.touch()
            await peer.touch_other("comments")
            return {"parties", "comments"} <= running.desk.notices.heard.keys()

        await eventually(heard)
        yield running


@pytest.fixture
def another(servers: Embedded) -> Gateways:
    """Further gateways, with other settings."""
    return lambda **changes: gateway(configured(servers, **changes))


@pytest_asyncio.fixture
async def connect() -> AsyncIterator[Connect]:
    """Sockets of guests: `await connect(running, "Ada")`."""
    async with contextlib.AsyncExitStack() as stack:

        async def open_socket(running: Running, name: str | None = "Ada", token: str | None = None) -> Client:
            if token is None and name is not None:
                token = await guest(running, name)
            return await stack.enter_async_context(await Client.connect(running.ws, token))

        yield open_socket


async def guest(running: Running, name: str = "Ada") -> str:
    async with aiohttp.ClientSession() as session, session.post(f"{running.http}/v1/guest", json={"name": name}) as got:
        answer = await got.json()
        return str(answer["token"])


@pytest_asyncio.fixture
async def idp() -> AsyncIterator[IssuerSimulator]:
    async with issuer() as simulator:
        yield simulator


def trusting(idp: IssuerSimulator) -> dict[str, object]:
    return {"issuers_json": json.dumps([{"issuer": idp.url, "audience": "matinee", "leeway": 0}])}
