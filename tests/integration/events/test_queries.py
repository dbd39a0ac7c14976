"""A query is answered at a position, after another one if asked to, and changes nothing."""

import secrets

import asyncpg
import pytest
from tests.ledger import NAME, AccountView, Balance, Client, Deposit, Open, Right, Spoil, position, serving, value
from tests.wait import eventually

from events.messages import Position, Query, Rejected
from events.readmodel import ReadModels
from events.schema import Db
from ops.embedded import Embedded


@pytest.fixture
def id() -> str:
    return secrets.token_hex(6)


async def test_an_answer_shows_what_was_done_before_it(house: Embedded, client: Client, id: str) -> None:
    async with serving(house):
        last = await client.call(Open(account_id=id))
        for amount in range(1, 30):
            last = await client.call(Deposit(account_id=id, amount=amount))
            found = await client.query(Balance(account_id=id), last.position)
            assert value(found, AccountView).balance == amount * (amount + 1) // 2
            assert position(found).covers(position(last))


async def test_a_position_that_is_not_reached_is_said_so(house: Embedded, client: Client, id: str) -> None:
    async with serving(house):
        last = position(await client.call(Open(account_id=id)))
        ahead = Position(NAME, last.epoch, last.sequence + 1_000_000)

        answer = await client.query(Balance(account_id=id), str(ahead))

        assert answer.error is not None
        assert answer.error.code == "position-not-reached"
        assert Position.parse(answer.error.details["position"]).covers(last)


@pytest.mark.parametrize(
    ("after", "code"),
    [
        ("parties:0ther:1", "other-epoch"),
        ("library:{epoch}:1", "bad-position"),
        ("parties:{epoch}", "bad-position"),
        ("124", "bad-position"),
    ],
)
async def test_a_position_of_another_log_is_never_compared(
    house: Embedded, client: Client, id: str, after: str, code: str
) -> None:
    async with serving(house):
        last = position(await client.call(Open(account_id=id)))
        answer = await client.query(Balance(account_id=id), after.format(epoch=last.epoch))
        assert answer.error is not None
        assert answer.error.code == code


async def test_what_a_right_hangs_on_is_shown_to_who_names_no_position(
    house: Embedded, client: Client, id: str
) -> None:
    async with serving(house):
        opened = last = await client.call(Open(account_id=id))
        for n in range(1, 30):
            last = await client.call(Deposit(account_id=id, amount=1))
            after = opened.position if n % 2 else ""
            assert value(await client.query(Right(account_id=id), after), AccountView).balance == n
        other = await client.call(Open(account_id=f"{id}-other"))
        found = await client.query(Right(account_id=id), other.position)
        assert position(found).covers(position(last))
        assert position(found).covers(position(other))


@pytest.mark.parametrize(("after", "code"), [("parties:0ther:1", "other-epoch"), ("library:{epoch}:1", "bad-position")])
async def test_a_position_of_another_log_is_refused_there_too(
    house: Embedded, client: Client, id: str, after: str, code: str
) -> None:
    async with serving(house):
        last = position(await client.call(Open(account_id=id)))
        answer = await client.query(Right(account_id=id), after.format(epoch=last.epoch))
        assert answer.error is not None
        assert answer.error.code == code


async def test_a_query_that_writes_is_refused(house: Embedded, client: Client, id: str) -> None:
    async with serving(house):
        last = await client.call(Open(account_id=id))
        answer = await client.query(Spoil(), last.position)
        assert answer.error is not None
        assert answer.error.code == "internal"
        assert await client.balance(id) == 0


async def test_the_readers_role_has_no_right_to_write_either(house: Embedded) -> None:
    async with serving(house) as running:
        reader = await asyncpg.connect(
            house.database_url(NAME),
            server_settings={"role": f"{NAME}_reader", "search_path": running.models.schema},
        )
        for table in ("account", "checkpoint", "due"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await reader.execute(f"delete from {table}")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await reader.fetch("select * from vault.person_key")
        await reader.close()


async def test_value_and_position_are_of_one_moment(house: Embedded, client: Client, id: str) -> None:
    """Between the checkpoint and the question other commits are applied; neither sees them."""
    async with serving(house) as running:
        last = await client.call(Open(account_id=id))
        await client.balance(id, last.position)

        async def slowly(db: Db) -> int:
            later = await client.call(Deposit(account_id=id, amount=5))
            await client.balance(id, later.position)
            found: int = await db.fetchval("select balance from account where account_id = $1", id)
            return found

        found, at = await running.models.ask(slowly)

        assert found == 0
        assert at.sequence < position(await client.query(Balance(account_id=id))).sequence


async def test_a_mistake_in_a_query_is_not_taken_for_a_lost_database(house: Embedded) -> None:
    async def mistaken(db: Db) -> None:
        await db.fetchval("select $1::int", "seven")

    async with serving(house) as running:
        with pytest.raises(asyncpg.DataError):
            await running.models.ask(mistaken)


async def test_without_a_database_a_query_says_so_and_comes_back(own_servers: Embedded) -> None:
    async with serving(own_servers) as running:

        async def one(db: Db) -> int:
            found: int = await db.fetchval("select 1")
            return found

        assert (await running.models.ask(one))[0] == 1
        own_servers.postgres.kill()

        async def refused() -> str:
            # A backend outlives its postmaster by a moment.
            try:
                await running.models.ask(one)
            except Rejected as refusal:
                return refusal.code
            return ""

        assert await eventually(refused) == "unavailable"
        assert not await running.models.ready()
        own_servers.postgres.restart()
        await eventually(running.models.ready)
        assert (await running.models.ask(one))[0] == 1


async def test_a_new_replica_knows_at_once_how_far_the_read_models_are(
    house: Embedded, client: Client, id: str
) -> None:
    async with serving(house) as running:
        last = position(await client.call(Open(account_id=id)))
        await client.balance(id, str(last))
        models = ReadModels(NAME, house.database_url(NAME), last.epoch)
        await models.open(running.models.schema)

        async def name(db: Db) -> str:
            found: str = await db.fetchval("select name from account where account_id = $1", id)
            return found

        assert (await models.ask(name, last))[0] == "Ana"
        assert models._seen >= (last.sequence, 0)
        await models.close()


class Unheard(Query, frozen=True):
    function = "account.unheard"


async def test_a_question_that_nobody_answers_is_unknown(house: Embedded, client: Client) -> None:
    async with serving(house):
        answer = await client.query(Unheard())
        assert answer.error is not None
        assert (answer.error.code, answer.error.details) == ("unknown-function", {"function": "account.unheard"})
