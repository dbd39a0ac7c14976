"""What people may not do too often, they may not do too often anywhere: two replicas behind two gateways."""

import asyncio
import secrets
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import cycle
from typing import Any

import aiohttp
import msgspec
import pytest
from tests.integration.gateway.conftest import configured, guest

from events.contracts import party
from events.messages import CONTEXT, Answer, Context
from events.service import replica
from gateway.main import Running, gateway
from ops.embedded import Embedded
from parties.main import service
from parties.settings import PartiesSettings

KEY = "314159"
WRONG = "000000"


def somewhere() -> str:
    """An address from which nobody has come yet."""
    return ".".join(str(secrets.randbelow(254) + 1) for _ in range(4))


class Refused(Exception):
    """A call was not carried out."""

    def __init__(self, status: int, code: str, retry_after: str) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.retry_after = int(retry_after or 0)


@dataclass
class Doors:
    """Gateways that take turns."""

    gateways: list[Running]
    http: aiohttp.ClientSession
    home: str = field(default_factory=somewhere)

    def __post_init__(self) -> None:
        self._next = cycle(self.gateways)

    async def person(self, address: str = "") -> "Person":
        return Person(self, await guest(self.gateways[0]), address or self.home)

    async def call(self, token: str, address: str, fn: str, key: str | None, args: dict[str, Any]) -> Any:
        headers = {"Authorization": f"Bearer {token}", "X-Forwarded-For": address}
        headers |= {"Idempotency-Key": key} if key else {}
        url = f"{next(self._next).http}/v1/call/{fn}"
        async with self.http.post(url, json=args, headers=headers) as answer:
            body = await answer.json()
            if answer.status != 200:
                raise Refused(answer.status, body["code"], answer.headers.get("Retry-After", ""))
            return body["value"]


@dataclass
class Person:
    doors: Doors
    token: str
    address: str

    async def call(self, fn: str, key: str | None = None, /, **args: Any) -> Any:
        return await self.doors.call(self.token, self.address, fn, key, args)

    async def outcome(self, fn: str, /, **args: Any) -> str:
        """The slug, or nothing if it was carried out."""
        try:
            await self.call(fn, **args)
        except Refused as refused:
            return refused.code
        return ""

    async def open(self, **details: Any) -> str:
        opened = await self.call("party.open", title="Friday", media="tt0133093", **details)
        return str(opened["party_id"])

    async def open_private(self) -> str:
        return await self.open(private=True, key=KEY)


@asynccontextmanager
async def doors(servers: Embedded, **limits: Any) -> AsyncIterator[Doors]:
    """Two of each; what is not limited here is not limited."""
    free: dict[str, Any] = dict.fromkeys(
        ("rooms_per_hour", "management_per_hour", "key_tries", "key_tries_per_party"), 0
    )
    async with AsyncExitStack() as stack:
        for number in range(2):
            settings = PartiesSettings(
                nats_url=servers.nats_url("parties"),
                database_url=servers.database_url("parties"),
                master_key=servers.keys.master_key,
                replica=f"parties-{number}",
                **(free | limits),
            )
            await stack.enter_async_context(replica(service(settings.rules(), settings.limits()), settings))
        gateways = [
            await stack.enter_async_context(gateway(configured(servers, trusted_hops=1, replica=f"gateway-{number}")))
            for number in range(2)
        ]
        yield Doors(gateways, await stack.enter_async_context(aiohttp.ClientSession()))


async def test_ten_parties_an_hour_are_ten_whichever_replica_opens_them(servers: Embedded) -> None:
    async with doors(servers, rooms_per_hour=10) as at:
        ana, bo = await at.person(), await at.person()
        opening = [ana.outcome("party.open", title=f"Friday {n}", media="tt0133093") for n in range(30)]
        assert Counter(await asyncio.gather(*opening)) == {"": 10, "rate-limited": 20}

        with pytest.raises(Refused) as refused:
            await ana.open()
        assert refused.value.status == 429
        assert 1 <= refused.value.retry_after <= 361
        await bo.open()
        # What is refused for another reason is not counted.
        assert await bo.outcome("party.open", title="Friday", media="tt0133093", name=" ") == "name-missing"


async def test_an_opened_party_is_told_again_to_who_missed_the_answer_even_with_nothing_left(servers: Embedded) -> None:
    async with doors(servers, rooms_per_hour=1) as at:
        ana = await at.person()
        wish = {"title": "Friday", "media": "tt0133093", "private": True}
        answers = await asyncio.gather(*(ana.call("party.open", "once", **wish) for _ in range(6)))
        answers.append(await ana.call("party.open", "once", **wish))
        assert len({(answer["party_id"], answer["key"]) for answer in answers}) == 1
        assert await ana.outcome("party.open", **wish) == "rate-limited"
        bo = await at.person(somewhere())
        await bo.call("party.join", party_id=answers[0]["party_id"], key=answers[0]["key"])


async def test_managing_is_counted_over_all_parties(servers: Embedded) -> None:
    async with doors(servers, management_per_hour=20) as at:
        ana, bo = await at.person(), await at.person()
        rooms = [await ana.open(), await ana.open()]
        others = await bo.open()
        for n in range(20):
            locked = n // 2 % 2 == 0
            assert await ana.outcome("party.lock", party_id=rooms[n % 2], locked=locked) == ""
        assert await ana.outcome("party.lock", party_id=rooms[0], locked=True) == "rate-limited"
        assert await ana.outcome("party.configure", party_id=rooms[1], title="Saturday") == "rate-limited"
        assert await ana.outcome("party.play", party_id=rooms[0]) == ""
        assert await ana.outcome("party.leave", party_id=rooms[1]) == ""
        assert await bo.outcome("party.lock", party_id=others) == ""


async def test_what_changes_nothing_and_what_one_may_not_do_is_not_managing(servers: Embedded) -> None:
    async with doors(servers, management_per_hour=1) as at:
        ana, bo = await at.person(), await at.person()
        room = await ana.open()
        for _ in range(3):
            assert await ana.outcome("party.lock", party_id=room, locked=False) == ""
            assert await bo.outcome("party.lock", party_id=room) == "not-a-member"
        assert await ana.outcome("party.lock", party_id=room) == ""
        assert await ana.outcome("party.lock", party_id=room, locked=False) == "rate-limited"


async def test_wrong_keys_lock_their_address_out_and_nobody_else(servers: Embedded) -> None:
    async with doors(servers, key_tries=10, key_tries_per_party=50) as at:
        ana, bo, cyd = await at.person(), await at.person(), await at.person()
        room = await ana.open_private()
        await bo.call("party.join", party_id=room, key=KEY)

        # Fifty at once, by five people of one address.
        guessing = [await at.person() for _ in range(5)]
        tries = [who.outcome("party.join", party_id=room, key=WRONG) for who in guessing for _ in range(10)]
        assert Counter(await asyncio.gather(*tries)) == {"wrong-key": 10, "key-locked": 40}

        with pytest.raises(Refused) as refused:
            await cyd.call("party.join", party_id=room, key=KEY)
        assert (refused.value.status, refused.value.code) == (429, "key-locked")
        assert 1 <= refused.value.retry_after <= 61
        assert await cyd.outcome("party.join", party_id=room) == "key-needed"
        # Whoever is in is in, also who says the key again.
        assert await bo.outcome("party.join", party_id=room, key=KEY) == ""
        assert await bo.outcome("party.join", party_id=room) == ""
        # Another party is locked for that address, too; a public one has no key to be guessed.
        assert await cyd.outcome("party.join", party_id=await ana.open_private(), key=KEY) == "key-locked"
        assert await cyd.outcome("party.join", party_id=await ana.open(), key=KEY) == ""
        # From elsewhere all is as ever.
        cyd.address = somewhere()
        assert await cyd.outcome("party.join", party_id=room, key=KEY) == ""


async def test_who_dropped_out_of_sight_comes_back_while_the_address_is_locked(servers: Embedded) -> None:
    async with doors(servers, key_tries=3) as at:
        ana, bo, cyd = await at.person(somewhere()), await at.person(), await at.person()
        room = await ana.open_private()
        await bo.call("party.join", party_id=room, key=KEY)
        for _ in range(3):
            assert await cyd.outcome("party.join", party_id=room, key=WRONG) == "wrong-key"

        uid = (await at.gateways[0].desk.auth.identify(bo.token)).uid
        asking = Context(actor="system:parties", now=datetime.now(UTC), command_id=secrets.token_hex(16))
        body = msgspec.json.encode(party.Drop(party_id=room, uids=(uid,)))
        headers = {CONTEXT: msgspec.json.encode(asking).decode()}
        answer = await at.gateways[0].bus.request("cmd.parties.party.drop", body, headers)
        assert msgspec.json.decode(answer.data, type=Answer).error is None
        assert await bo.outcome("party.lock", party_id=room) == "not-a-member"

        assert await cyd.outcome("party.join", party_id=room, key=KEY) == "key-locked"
        assert await bo.outcome("party.join", party_id=room, key=WRONG) == ""


async def test_a_party_is_locked_for_newcomers_when_many_addresses_guess(servers: Embedded) -> None:
    async with doors(servers, key_tries=10, key_tries_per_party=50) as at:
        ana, bo = await at.person(), await at.person(somewhere())
        room, other = await ana.open_private(), await ana.open_private()
        await bo.call("party.join", party_id=room, key=KEY)
        guessing = [await at.person(somewhere()) for _ in range(12)]
        tries = [who.outcome("party.join", party_id=room, key=WRONG) for who in guessing for _ in range(10)]
        assert Counter(await asyncio.gather(*tries)) == {"wrong-key": 50, "key-locked": 70}

        cyd = await at.person(somewhere())
        assert await cyd.outcome("party.join", party_id=room, key=KEY) == "key-locked"
        assert await cyd.outcome("party.join", party_id=other, key=KEY) == ""
        assert await bo.outcome("party.join", party_id=room, key=KEY) == ""


async def test_a_crowd_from_one_address_that_has_the_key_comes_in(servers: Embedded) -> None:
    async with doors(servers, key_tries=10, key_tries_per_party=50) as at:
        ana = await at.person()
        room = await ana.open_private()
        crowd = [await at.person() for _ in range(80)]
        coming = [who.outcome("party.join", party_id=room, key=KEY) for who in crowd]
        assert Counter(await asyncio.gather(*coming)) == {"": 80}


async def test_zero_is_no_limit(servers: Embedded) -> None:
    async with doors(servers) as at:
        ana, bo = await at.person(), await at.person()
        rooms = [await ana.open_private() for _ in range(25)]
        assert {await bo.outcome("party.join", party_id=rooms[0], key=WRONG) for _ in range(60)} == {"wrong-key"}
        assert {await ana.outcome("party.lock", party_id=room) for room in rooms} == {""}
