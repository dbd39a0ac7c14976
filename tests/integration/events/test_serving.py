"""Every request gets an answer, good or bad, and no bad one harms the next."""

import asyncio
import functools
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import asyncpg
import msgspec
import pytest
from msgspec import structs
from prometheus_client import REGISTRY
from tests.ledger import (
    DECIDERS,
    NAME,
    SERVICE,
    Account,
    AccountCommand,
    AccountEvent,
    AccountView,
    Balance,
    Client,
    Deposit,
    Held,
    Label,
    Open,
    Receipt,
    account,
    context,
    decide,
    evolve,
    position,
    serving,
    value,
)
from tests.wait import eventually

from events import serving as chassis
from events.bus import Bus, Unavailable
from events.decider import Decider
from events.log import Commit
from events.messages import Answer, Context, Fault, Grant, Key, Position
from ops.embedded import Embedded


@pytest.fixture
def id() -> str:
    return secrets.token_hex(6)


def fault(answer: Answer) -> Fault:
    assert answer.error is not None, answer.value
    return answer.error


class Lock:
    """What a `Held` question waits for."""

    def __init__(self, db: "asyncpg.Connection") -> None:
        self._db = db
        self.number = secrets.randbelow(2**31)
        self.question = Held(lock=self.number)

    async def waiting(self) -> int:
        count: int = await self._db.fetchval(
            "select count(*) from pg_locks where locktype = 'advisory' and objid = $1 and not granted", self.number
        )
        return count

    async def release(self) -> None:
        await self._db.execute("select pg_advisory_unlock($1)", self.number)


@pytest.fixture
async def lock(house: Embedded) -> AsyncIterator[Lock]:
    db = await asyncpg.connect(house.database_url(NAME))
    held = Lock(db)
    await db.execute("select pg_advisory_lock($1)", held.number)
    yield held
    await db.close()


# Good and bad requests


async def test_the_answer_has_a_value_and_a_position(house: Embedded, client: Client, id: str) -> None:
    async with serving(house) as running:
        asking = context()
        answer = await client.call(Open(account_id=id), asking)
        assert value(answer, Receipt) == Receipt(asking.command_id[:8])
        at = position(answer)
        assert (at.context, at.epoch) == (NAME, running.stores.log.epoch)
        assert at.sequence == await running.stores.log.newest(account(id))
        again = await client.call(Open(account_id=id), asking)
        assert (again.value, again.position) == (answer.value, answer.position)


@pytest.mark.parametrize(
    ("subject", "body", "code", "details"),
    [
        ("cmd.parties.account.deposit", b'{"account_id":"a","amount":"1"}', "invalid-argument", {"field": "amount"}),
        ("cmd.parties.account.deposit", b'{"account_id":"a"}', "invalid-argument", {"field": "amount"}),
        ("cmd.parties.account.deposit", b"\xff\x00", "invalid-argument", {}),
        ("cmd.parties.account.deposit", b"", "invalid-argument", {}),
        ("qry.parties.account.balance", b"[]", "invalid-argument", {}),
        ("qry.parties.account.balance", b'{"account_id":"' + b"x" * 129 + b'"}', "invalid-argument", {}),
        ("grant.parties.account", b'{"channel_id":7}', "invalid-argument", {"field": "channel_id"}),
        ("cmd.parties.account.burn", b"{}", "unknown-function", {"function": "account.burn"}),
        ("cmd.parties.account.balance", b'{"account_id":"a"}', "unknown-function", {}),
        ("qry.parties.account.deposit", b'{"account_id":"a","amount":1}', "unknown-function", {}),
        ("cmd.parties.ledger.audit", b'{"hour":"now"}', "unknown-function", {}),
        ("grant.parties.party", b'{"channel_id":"a"}', "unknown-channel", {"channel": "party"}),
    ],
)
async def test_a_bad_request_is_answered(
    house: Embedded, client: Client, subject: str, body: bytes, code: str, details: dict[str, str]
) -> None:
    async with serving(house):
        error = fault(await client.ask(subject, body))
        assert error.code == code
        assert error.details.items() >= details.items()


@pytest.mark.parametrize("header", ["", "{", "[]", '{"actor":7}', '{"actor":"ana"}', '{"actor":"ana","now":"soon"}'])
async def test_a_bad_context_is_answered(house: Embedded, client: Client, header: str) -> None:
    async with serving(house):
        for headers in ({"Matinee-Context": header}, {"X": "y"}):
            reply = await client.bus.request("qry.parties.account.balance", b'{"account_id":"a"}', headers)
            assert fault(msgspec.json.decode(reply.data, type=Answer)).code == "bad-context"


async def test_nobody_works_for_who_has_gone(house: Embedded, client: Client, id: str) -> None:
    async with serving(house):
        late = context(patience=1e-9)
        assert fault(await client.call(Open(account_id=id), late)).code == "deadline-exceeded"
        assert fault(await client.query(Balance(account_id=id), as_=late)).code == "deadline-exceeded"


async def test_how_long_somebody_waits_counts_from_receipt_whatever_his_clock_says(
    house: Embedded, client: Client, id: str
) -> None:
    async with serving(house):
        for years in (-10, 10):
            there = datetime.now(UTC) + timedelta(days=365 * years)
            asking = structs.replace(context(patience=5), now=there)
            assert (await client.call(Open(account_id=f"{id}{years}"), asking)).error is None


async def test_a_mistake_in_a_rule_is_answered_and_counted_and_the_next_one_goes_on(
    house: Embedded, client: Client, id: str
) -> None:
    def mistaken(command: AccountCommand, state: Account, asking: Context) -> list[AccountEvent]:
        if isinstance(command, Label):
            raise KeyError("nobody thought of that")
        return decide(command, state, asking)

    def counted() -> float:
        labels = {"function": "account.label", "outcome": "internal"}
        return REGISTRY.get_sample_value("matinee_commands_total", labels) or 0

    broken = replace(SERVICE, deciders={**DECIDERS, "account": Decider(Account(), mistaken, evolve)})
    async with serving(house, service=broken):
        await client.call(Open(account_id=id))
        before = counted()
        assert fault(await client.call(Label(account_id=id, text="x"))) == Fault("internal")
        assert counted() == before + 1
        assert (await client.call(Deposit(account_id=id, amount=1))).error is None


async def test_a_history_that_does_not_decode_is_our_fault_not_the_senders(
    house: Embedded, client: Client, id: str
) -> None:
    operator = await Bus.connect(house.nats_url(), "ops")
    await operator.store(f"ev.{NAME}.{account(id)}", b'[{"type":"account.labelled","text":7}]', {"X": "y"})
    await operator.close()
    async with serving(house):
        assert fault(await client.call(Open(account_id=id))) == Fault("internal")


async def test_an_answer_that_no_message_holds_is_said_so(
    house: Embedded, client: Client, id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chassis, "LARGEST_ANSWER", 200)
    async with serving(house):
        await client.call(Open(account_id=id))
        last = await client.call(Label(account_id=id, text="x" * 300))
        assert fault(await client.query(Balance(account_id=id), last.position)).code == "too-large"


# Crowds and endings


async def test_who_comes_when_enough_are_at_work_is_told_busy(
    house: Embedded, client: Client, lock: Lock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chassis, "IN_FLIGHT", 3)
    async with serving(house):
        held = [asyncio.create_task(client.query(lock.question)) for _ in range(3)]
        await eventually(lambda: _waiting(lock, 3))

        assert fault(await client.query(Balance(account_id="a"))).code == "busy"

        await lock.release()
        assert [value(answer, str) for answer in await asyncio.gather(*held)] == ["at last"] * 3


async def _waiting(lock: Lock, count: int) -> bool:
    return await lock.waiting() == count


async def test_who_stops_answers_what_it_has_taken_on(house: Embedded, client: Client, lock: Lock) -> None:
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(serving(house))
        held = asyncio.create_task(client.query(lock.question))
        await eventually(lambda: _waiting(lock, 1))
        stopping = asyncio.create_task(stack.pop_all().aclose())
        await eventually(lambda: _nobody_listens(client))

        await lock.release()

        assert value(await held, str) == "at last"
        await stopping


async def _nobody_listens(client: Client) -> bool:
    try:
        await client.query(Balance(account_id="a"))
    except Unavailable:
        return True
    return False


async def test_replicas_come_and_go_and_nobody_is_left_without_an_answer(
    house: Embedded, client: Client, id: str
) -> None:
    done: list[str] = []

    async def go_on() -> None:
        while not ended.is_set():
            answer = await client.call(Deposit(account_id=id, amount=1))
            done.append(position(answer).context)

    ended = asyncio.Event()
    async with serving(house):
        await client.call(Open(account_id=id))
        load = [asyncio.create_task(go_on()) for _ in range(8)]
        for wanted in (50, 100, 150):
            async with serving(house):
                await eventually(functools.partial(_done_or_failed, done, wanted, load))
        ended.set()
        await asyncio.gather(*load)
        last = await client.call(Label(account_id=id, text="the end"))
        assert await client.balance(id, last.position) == len(done)


def _done_or_failed(done: list[str], wanted: int, load: list["asyncio.Task[None]"]) -> bool:
    return len(done) > wanted or any(task.done() for task in load)


# Grants


async def grown(client: Client, id: str, count: int) -> list[int]:
    """An account with so many commits; their sequences."""
    sequences = [position(await client.call(Open(account_id=id))).sequence]
    for amount in range(1, count):
        sequences += [position(await client.call(Deposit(account_id=id, amount=amount))).sequence]
    return sequences


def missed(grant: Grant) -> list[int]:
    return [commit.sequence for commit in grant.commits]


async def test_a_grant_brings_right_state_and_position(house: Embedded, client: Client, id: str) -> None:
    async with serving(house):
        sequences = await grown(client, id, 4)

        grant = await client.grant(id)

        assert grant.may == ("follow", "send")
        assert msgspec.json.decode(grant.state, type=AccountView).balance == 6
        assert (grant.recovered, grant.last, missed(grant)) == (True, sequences[-1], [])


async def test_a_grant_is_never_older_than_what_was_acknowledged(house: Embedded, client: Client, id: str) -> None:
    async with serving(house):
        for _ in range(10):
            new = secrets.token_hex(6)
            await client.call(Open(account_id=new))
            assert (await client.grant(new)).may


async def test_a_grant_shows_what_its_asker_did_elsewhere(house: Embedded, client: Client, id: str) -> None:
    async with serving(house):
        opened = await client.call(Open(account_id=id))
        for n in range(10):
            done = await client.call(Open(account_id=f"{id}-{n}"))
            grant = value(await client.granted(id, after=done.position), Grant)
            assert Position.parse(grant.position).covers(position(done))
        ahead = structs.replace(position(opened), sequence=1_000_000_000)
        assert fault(await client.granted(id, after=str(ahead))).code == "position-not-reached"


async def test_a_position_from_before_a_restore_keeps_nobody_from_following(
    house: Embedded, client: Client, id: str
) -> None:
    async with serving(house):
        await client.call(Open(account_id=id))

        assert value(await client.granted(id, after=f"{NAME}:0ther:7"), Grant).may


@pytest.mark.parametrize("resumes", [False, True])
async def test_what_the_state_of_a_grant_shows_is_not_told_again(
    house: Embedded, client: Client, id: str, monkeypatch: pytest.MonkeyPatch, resumes: bool
) -> None:
    """Somebody commits between the look at the log and that at the read model."""
    async with serving(house) as running:
        sequences = await grown(client, id, 3)
        newest = running.stores.log.newest
        meanwhile: list[int] = []

        async def behind(key: Key) -> int:
            found = await newest(key)
            if not meanwhile:
                meanwhile.append(0)
                done = await client.call(Deposit(account_id=id, amount=10))
                meanwhile.append(position(done).sequence)
                await client.balance(id, done.position)
            return found

        monkeypatch.setattr(running.stores.log, "newest", behind)
        since = str(Position(NAME, running.stores.log.epoch, sequences[-1])) if resumes else None
        grant = await client.grant(id, since)

        assert msgspec.json.decode(grant.state, type=AccountView).balance == 13
        assert (grant.last, missed(grant)) == (meanwhile[-1], meanwhile[1:] if resumes else [])


async def test_a_grant_waits_for_a_server_that_lags_behind_its_leader(
    house: Embedded, client: Client, id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(house) as running:
        sequences = await grown(client, id, 3)
        first = Position(NAME, running.stores.log.epoch, sequences[0])
        lags, read = [1, 2], running.stores.log.read

        async def lagging(key: Key, after: int = 0) -> list[Commit]:
            commits = await read(key, after)
            return commits[: -lags.pop()] if lags else commits

        monkeypatch.setattr(running.stores.log, "read", lagging)
        grant = await client.grant(id, str(first))
        assert (grant.recovered, missed(grant), grant.last) == (True, sequences[1:], sequences[-1])


async def test_a_grant_is_refused_by_the_service(house: Embedded, client: Client, id: str) -> None:
    async with serving(house):
        answer = await client.ask("grant.parties.account", msgspec.json.encode({"channel_id": id}))
        assert fault(answer) == Fault("no-such-account")


async def test_who_was_away_gets_everything_since_once_and_in_order(house: Embedded, client: Client, id: str) -> None:
    async with serving(house):
        first = position(await client.call(Open(account_id=id)))
        sequences = [position(await client.call(Deposit(account_id=id, amount=n))).sequence for n in (1, 2, 3)]

        grant = await client.grant(id, str(first))

        assert (grant.recovered, missed(grant), grant.last) == (True, sequences, sequences[-1])
        events = [msgspec.json.decode(commit.events) for commit in grant.commits]
        assert [(event["type"], event["amount"]) for (event,) in events] == [("account.moved", n) for n in (1, 2, 3)]
        assert all(commit.at <= datetime.now(UTC) for commit in grant.commits)


async def test_who_missed_nothing_gets_nothing(house: Embedded, client: Client, id: str) -> None:
    async with serving(house):
        await client.call(Open(account_id=id))
        last = await client.call(Deposit(account_id=id, amount=1))
        grant = await client.grant(id, last.position)
        assert (grant.recovered, missed(grant), grant.last) == (True, [], position(last).sequence)


@pytest.mark.parametrize("since", ["parties:0ther:1", "library:0ther:1"])
async def test_a_position_of_another_log_is_not_recovered_from(
    house: Embedded, client: Client, id: str, since: str
) -> None:
    async with serving(house):
        sequences = await grown(client, id, 3)
        grant = await client.grant(id, since)
        assert (grant.recovered, missed(grant), grant.last) == (False, [], sequences[-1])


async def test_a_position_that_we_never_said_is_refused(house: Embedded, client: Client, id: str) -> None:
    async with serving(house):
        await client.call(Open(account_id=id))
        body = msgspec.json.encode({"channel_id": id, "since": "yesterday"})
        assert fault(await client.ask("grant.parties.account", body)).code == "bad-position"


@pytest.mark.parametrize(("limit", "most"), [("MISSED", 3), ("MISSED_BYTES", 250)])
async def test_who_missed_too_much_starts_from_the_state(
    house: Embedded, client: Client, id: str, monkeypatch: pytest.MonkeyPatch, limit: str, most: int
) -> None:
    monkeypatch.setattr(chassis, limit, most)
    async with serving(house):
        first = position(await client.call(Open(account_id=id)))
        sequences = [position(await client.call(Deposit(account_id=id, amount=n))).sequence for n in range(1, 7)]

        assert (await client.grant(id, str(structs.replace(first, sequence=sequences[4])))).recovered
        grant = await client.grant(id, str(first))

        assert (grant.recovered, missed(grant), grant.last) == (False, [], sequences[-1])
        assert msgspec.json.decode(grant.state, type=AccountView).balance == 21


async def test_less_is_handed_on_beside_a_large_state(
    house: Embedded, client: Client, id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(house):
        first = last = position(await client.call(Open(account_id=id)))
        for n in range(20):
            last = position(await client.call(Label(account_id=id, text=f"{n:0600}")))
        fits = await client.grant(id, str(first))
        monkeypatch.setattr(chassis, "LARGEST_ANSWER", len(msgspec.json.encode(fits)) + chassis.GRANT_BYTES - 1)
        grant = await client.grant(id, str(first))

        assert (fits.recovered, len(fits.commits)) == (True, 20)
        assert (grant.recovered, missed(grant), grant.last) == (False, [], last.sequence)


async def test_a_name_stays_sealed_in_what_a_grant_hands_on(house: Embedded, client: Client, id: str) -> None:
    async with serving(house):
        before = position(await client.call(Open(account_id=secrets.token_hex(6))))
        await client.call(Open(account_id=id, name="Ana Álvarez"))
        grant = await client.grant(id, str(before))
        assert len(grant.commits) == 1
        assert "Ana" not in bytes(grant.commits[0].events).decode()
        assert msgspec.json.decode(grant.state, type=AccountView).name == "Ana Álvarez"
