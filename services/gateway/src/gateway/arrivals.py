"""Tells the library what tokens say of their bearers, at the first use of each; nobody waits for that."""

import asyncio
import hashlib
from collections import OrderedDict
from typing import NamedTuple

import msgspec
import structlog

from events.bus import Bus, Msg
from events.contracts.erased import FORGOTTEN, Forgotten
from events.contracts.library import SignIn
from events.messages import Rejected
from gateway import limits
from gateway.calls import Calls
from gateway.catalogue import Catalogue
from gateway.identity import Claims, Identity

DIGEST_BYTES = 16

log = structlog.get_logger("arrivals")

_encoder = msgspec.json.Encoder()


class _Arrival(NamedTuple):
    """Somebody whose token was not seen here before."""

    token: bytes
    who: Identity
    claims: Claims


class Arrivals:
    """The tokens that were seen last, and those whose claims wait to be told."""

    def __init__(self, calls: Calls, catalogue: Catalogue) -> None:
        self._calls = calls
        self._function = catalogue.unlisted[SignIn.function]
        self._seen: OrderedDict[bytes, str] = OrderedDict()
        """Whose each is, by digest: a token itself is worth stealing."""
        self._waiting: asyncio.Queue[_Arrival] = asyncio.Queue(limits.SIGN_INS_WAITING)

    async def start(self, bus: Bus) -> None:
        """Hear of those who are erased. Of whom it is missed, a new token tells; or the same one after a restart."""
        await bus.subscribe(FORGOTTEN, self._on_forgotten)

    async def _on_forgotten(self, msg: Msg) -> None:
        told = msgspec.json.decode(msg.data, type=Forgotten)
        if told.destroyed:
            self.forget(told.uid)

    def forget(self, uid: str) -> None:
        """What was told of a person is gone: the next use of any token of theirs tells it anew."""
        for digest in [digest for digest, owner in self._seen.items() if owner == uid]:
            del self._seen[digest]

    def note(self, token: str, who: Identity, claims: Claims) -> None:
        """Somebody uses a token. Never waits and never fails; with too much to tell, the next use tells it."""
        digest = hashlib.blake2b(token.encode(), digest_size=DIGEST_BYTES).digest()
        if digest in self._seen:
            self._seen.move_to_end(digest)
            return
        if self._waiting.full():
            return
        self._seen[digest] = who.uid
        if len(self._seen) > limits.SIGN_INS_KEPT:
            self._seen.popitem(last=False)
        self._waiting.put_nowait(_Arrival(digest, who, claims))

    async def run(self) -> None:
        """Tell, a few at a time, for ever."""
        async with asyncio.TaskGroup() as telling:
            for _ in range(limits.SIGN_INS_AT_ONCE):
                telling.create_task(self._tell_each())

    async def _tell_each(self) -> None:
        while True:
            arrival = await self._waiting.get()
            try:
                await self._tell(arrival)
            except Exception as error:  # noqa: BLE001  # whatever it is, the next use of the token tries again
                log.warning("claims not told", reason=error.code if isinstance(error, Rejected) else repr(error))
                self._seen.pop(arrival.token, None)

    async def _tell(self, arrival: _Arrival) -> None:
        command = SignIn(name=arrival.who.name, picture=arrival.claims.picture, email=arrival.claims.email)
        await self._calls.command(arrival.who, self._function, command, _encoder.encode(command), None)
