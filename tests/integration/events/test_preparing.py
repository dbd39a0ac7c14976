"""What a command needs from outside is found before it queues for its aggregate, while its sender still waits."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from msgspec import structs
from tests.ledger import SERVICE, Client, Deposit, Label, Open, context, position, serving
from tests.wait import eventually

from events.definition import Preparing
from events.messages import Answer, Command, Context, Rejected
from ops.embedded import Embedded


class Outside:
    """Doubles each deposit, as soon as it may."""

    def __init__(self) -> None:
        self.may = asyncio.Event()
        self.may.set()
        self.asked = 0
        self.opened = 0
        self.error: Exception | None = None

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Mapping[type[Command], Preparing]]:
        self.opened += 1
        yield {Deposit: self._double}
        self.opened -= 1

    async def _double(self, command: Deposit, context: Context) -> Deposit:
        self.asked += 1
        await self.may.wait()
        if self.error is not None:
            raise self.error
        return structs.replace(command, amount=2 * command.amount)


@pytest.fixture
def outside() -> Outside:
    return Outside()


@pytest.fixture
async def id(house: Embedded, client: Client, outside: Outside) -> AsyncIterator[str]:
    """An account of a replica that asks outside."""
    id = secrets.token_hex(6)
    async with serving(house, service=replace(SERVICE, preparing=outside.open)):
        assert (await client.call(Open(account_id=id))).error is None
        yield id


def code(answer: Answer) -> str:
    return answer.error.code if answer.error is not None else ""


async def test_the_prepared_command_is_the_one_that_is_carried_out(client: Client, id: str, outside: Outside) -> None:
    answer = await client.call(Deposit(account_id=id, amount=5))

    assert await client.balance(id, str(position(answer))) == 10
    assert outside.asked == 1


async def test_a_refusal_is_the_answer_and_nothing_happens(client: Client, id: str, outside: Outside) -> None:
    outside.error = Rejected("account-frozen", why="weather")
    answer = await client.call(Deposit(account_id=id, amount=5))

    assert answer.error is not None
    assert (answer.error.code, answer.error.details) == ("account-frozen", {"why": "weather"})
    outside.error = ValueError("a mistake")
    assert code(await client.call(Deposit(account_id=id, amount=5))) == "internal"
    outside.error = None
    assert await client.balance(id, str(position(await client.call(Deposit(account_id=id, amount=1))))) == 2


async def test_nobody_queues_behind_who_waits_for_somebody_outside(client: Client, id: str, outside: Outside) -> None:
    outside.may.clear()
    slow = asyncio.create_task(client.call(Deposit(account_id=id, amount=5)))
    await eventually(lambda: outside.asked == 1)

    assert code(await client.call(Label(account_id=id, text="mine"))) == ""
    assert not slow.done()
    outside.may.set()
    assert code(await slow) == ""


async def test_who_waits_too_long_is_told_in_time(client: Client, id: str, outside: Outside) -> None:
    outside.may.clear()
    answer = await client.call(Deposit(account_id=id, amount=5), context(patience=0.2))

    assert code(answer) == "deadline-exceeded"
    outside.may.set()
    assert await client.balance(id, str(position(await client.call(Deposit(account_id=id, amount=1))))) == 2


async def test_a_replica_closes_what_it_opened(house: Embedded, outside: Outside) -> None:
    async with serving(house, service=replace(SERVICE, preparing=outside.open)):
        assert outside.opened == 1
    assert outside.opened == 0
