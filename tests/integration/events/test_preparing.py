"""What a command needs from outside is found before it queues for its aggregate, while its sender still waits."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from msgspec import structs
from tests.ledger import (
    DECIDERS,
    SERVICE,
    Account,
    AccountCommand,
    AccountEvent,
    AccountView,
    Balance,
    Client,
    Deposit,
    Label,
    Open,
    balance,
    context,
    decide,
    evolve,
    grant,
    position,
    serving,
)
from tests.wait import eventually

from events.decider import Decider
from events.definition import Granted, Preparations, Service
from events.messages import Answer, Context, GrantRequest, Rejected
from events.schema import Db
from events.working import Workplace
from ops.embedded import Embedded


class Outside:
    """Doubles each deposit, and tells questions and grants who asks, as soon as it may."""

    def __init__(self) -> None:
        self.may = asyncio.Event()
        self.may.set()
        self.asked = 0
        self.opened = 0
        self.places: list[Workplace] = []
        self.error: Exception | None = None

    @asynccontextmanager
    async def open(self, place: Workplace) -> AsyncIterator[Preparations]:
        self.opened += 1
        self.places.append(place)
        yield {Deposit: self._double, Balance: self._tell, "account": self._tell}
        self.opened -= 1

    async def _double(self, command: Deposit, context: Context) -> tuple[Deposit, Context]:
        await self._wait()
        return structs.replace(command, amount=2 * command.amount), structs.replace(context, told={"factor": 2})

    async def _tell(self, message: Balance | GrantRequest, context: Context) -> tuple[Balance | GrantRequest, Context]:
        await self._wait()
        return message, structs.replace(context, told={"asker": context.actor})

    async def _wait(self) -> None:
        self.asked += 1
        await self.may.wait()
        if self.error is not None:
            raise self.error


class Hearing:
    """What deciders, queries and grants of the ledger are told."""

    def __init__(self) -> None:
        self.told: list[Mapping[str, Any]] = []

    def service(self) -> Service:
        deciders = {**DECIDERS, "account": Decider(Account(), self._decide, evolve)}
        return replace(SERVICE, deciders=deciders, queries={Balance: self._balance}, grants={"account": self._grant})

    def _decide(self, command: AccountCommand, state: Account, context: Context) -> list[AccountEvent]:
        self.told.append(context.told)
        return decide(command, state, context)

    async def _balance(self, db: Db, query: Balance, context: Context) -> AccountView:
        self.told.append(context.told)
        return await balance(db, query, context)

    async def _grant(self, db: Db, id: str, contexts: Sequence[Context]) -> Sequence[Granted | Exception]:
        self.told += [context.told for context in contexts]
        return await grant(db, id, contexts)


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

    assert outside.asked == 1
    assert await client.balance(id, str(position(answer))) == 10


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
    assert code(await client.query(Balance(account_id=id), as_=context(patience=0.2))) == "deadline-exceeded"
    request = msgspec.json.encode(GrantRequest(id))
    assert code(await client.ask("grant.parties.account", request, context(patience=0.2))) == "deadline-exceeded"
    outside.may.set()
    assert await client.balance(id, str(position(await client.call(Deposit(account_id=id, amount=1))))) == 2


async def test_commands_questions_and_grants_get_what_was_told_and_nothing_that_a_sender_says(
    house: Embedded, client: Client, outside: Outside
) -> None:
    hearing, id, forged = Hearing(), secrets.token_hex(6), context(told={"asker": "the host", "factor": 9})
    async with serving(house, service=replace(hearing.service(), preparing=outside.open)):
        opened = await client.call(Open(account_id=id), forged)
        await client.call(Deposit(account_id=id, amount=1), structs.replace(forged, command_id=secrets.token_hex(16)))
        await client.query(Balance(account_id=id), opened.position, forged)
        await client.ask("grant.parties.account", msgspec.json.encode(GrantRequest(id)), forged)

    assert hearing.told == [{}, {"factor": 2}, {"asker": "ana"}, {"asker": "ana"}]


async def test_a_question_or_a_grant_may_be_refused_before_the_read_model_is_asked(
    client: Client, id: str, outside: Outside
) -> None:
    outside.error = Rejected("not-a-member")

    assert code(await client.query(Balance(account_id=id))) == "not-a-member"
    assert code(await client.ask("grant.parties.account", msgspec.json.encode(GrantRequest(id)))) == "not-a-member"


async def test_a_replica_closes_what_it_opened_at_its_place(house: Embedded, outside: Outside) -> None:
    async with serving(house, service=replace(SERVICE, preparing=outside.open)) as running:
        assert outside.opened == 1
        assert [place.aggregates for place in outside.places] == [running.aggregates]
    assert outside.opened == 0
