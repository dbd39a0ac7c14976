"""Whether this gateway can do its work, proved by doing it: a message out and in, a record written and read."""

import asyncio
from typing import Any

from msgspec import Struct

from events.bus import ApiError, Bus, Msg
from events.messages import Rejected
from gateway.auth import Auth
from gateway.clock import Clock
from gateway.identity import Ids
from gateway.notices import Notices
from gateway.presence import Presences

PING_SECONDS = 1.0


class Readiness(Struct, frozen=True):
    """`checks` must hold; the rest helps an operator, and another service's absence does not make a gateway unready."""

    ready: bool
    checks: dict[str, bool]
    heard: dict[str, float]
    """Seconds since each service's projection was last heard of."""
    issuers: dict[str, bool]
    """Whether each issuer's keys could be had when last asked for."""


class Health:
    """Readiness of one gateway."""

    def __init__(
        self, bus: Bus, ids: Ids, gateway: str, presences: Presences, notices: Notices, auth: Auth, clock: Clock
    ) -> None:
        self._bus = bus
        self._ids = ids
        self._subject = f"ping.gateway.{gateway}"
        self._presences = presences
        self._notices = notices
        self._auth = auth
        self._clock = clock
        self._waiting: dict[bytes, asyncio.Future[Any]] = {}
        self.draining = False

    async def start(self) -> None:
        await self._bus.subscribe(self._subject, self._on_ping)

    async def check(self) -> Readiness:
        nats, presence = await asyncio.gather(self._pinged(), self._kept())
        checks = {"nats": nats, "presence": presence}
        if self.draining:
            checks["draining"] = False
        now = self._clock.now()
        return Readiness(
            ready=all(checks.values()),
            checks=checks,
            heard={context: round(now - at, 1) for context, at in sorted(self._notices.heard.items())},
            issuers=self._auth.health,
        )

    async def _on_ping(self, msg: Msg) -> None:
        waiting = self._waiting.pop(msg.data, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(None)

    async def _pinged(self) -> bool:
        token = self._ids.random().encode()
        waiting = self._waiting[token] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(PING_SECONDS):
                await self._bus.publish(self._subject, token)
                await waiting
        except (Rejected, TimeoutError):
            return False
        finally:
            self._waiting.pop(token, None)
        return True

    async def _kept(self) -> bool:
        try:
            await self._presences.check()
        except (Rejected, ApiError):
            return False
        return True
