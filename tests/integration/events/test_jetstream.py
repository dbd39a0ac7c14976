"""What becomes of an append whose answer is lost: exactly one commit, and nobody guesses."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from typing import Literal

import pytest
from tests.integration.events.conftest import house_in
from tests.ledger import DECIDERS, NAME, SERVICE, Deposit, Labelled, Moved, Open, account, context
from tests.proxy import Proxy, proxy_to
from tests.wait import eventually

from events import group, jetstream
from events.bus import ApiError, Bus, Msg, TimedOut, Unavailable
from events.handle import Aggregates
from events.jetstream import JetStreamLog, JetStreamSnapshots
from events.log import Conflict, Link, Unclear, Write
from events.messages import Key, Rejected
from events.vault import MemoryKeys, Vault
from ops.embedded import Embedded

NOW = datetime(2026, 1, 2, tzinfo=UTC)
ANSWER = b'"stream":"EV_PARTIES"'

When = Literal["before", "after"]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Embedded]:
    """One of our own: what is appended here no rule has decided, and no read model should meet it."""
    yield from house_in(tmp_path_factory.mktemp("house"))


@pytest.fixture(autouse=True)
def _short_tempered(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (group, jetstream):
        monkeypatch.setattr(module, "SEND_SECONDS", 0.4)


@pytest.fixture
async def proxy(house: Embedded) -> AsyncIterator[Proxy]:
    async with proxy_to(house.nats_port) as proxy:
        yield proxy


@pytest.fixture
async def shaky(house: Embedded, proxy: Proxy) -> AsyncIterator[JetStreamLog]:
    """The log behind the proxy."""
    bus = await Bus.connect(house.nats_url(NAME).replace(f":{house.nats_port}", f":{proxy.port}"), NAME)
    yield await JetStreamLog.open(bus, NAME, SERVICE.codec)
    await bus.close()


def fresh() -> Key:
    return account(secrets.token_hex(6))


def marker(key: Key) -> bytes:
    return f"HPUB ev.parties.{key} ".encode()


def labelled(key: Key, text: str = "x", expected: int = 0, version: int = 0) -> Write:
    return Write(key, expected, version, [Labelled(text=text, at=NOW)])


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_commit_whose_answer_is_lost_is_stored_once(
    log: JetStreamLog, shaky: JetStreamLog, proxy: Proxy, when: When
) -> None:
    key = fresh()
    proxy.cut(when, marker(key), ANSWER)

    (sequence,) = await shaky.append([labelled(key)], context())

    assert proxy.cuts == 1
    assert [commit.sequence for commit in await log.read(key)] == [sequence]


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_batch_whose_answer_is_lost_is_stored_once(
    log: JetStreamLog, shaky: JetStreamLog, proxy: Proxy, when: When
) -> None:
    keys = [fresh() for _ in range(3)]
    proxy.cut(when, marker(keys[-1]), ANSWER)

    sequences = await shaky.append([labelled(key) for key in keys], context())

    assert proxy.cuts == 1
    assert [commit.sequence for key in keys for commit in await log.read(key)] == list(sequences)


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_row_whose_answer_is_lost_is_stored_once(
    log: JetStreamLog, shaky: JetStreamLog, proxy: Proxy, when: When
) -> None:
    key = fresh()
    proxy.cut(when, b"Nats-Batch-Commit", ANSWER)

    sequences = await shaky.append_row(key, 0, 0, [Link([Labelled(text="x", at=NOW)], context()) for _ in range(4)])

    assert proxy.cuts == 1
    assert [commit.sequence for commit in await log.read(key)] == list(sequences)


async def test_a_row_does_not_wait_for_ever_for_others(log: JetStreamLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jetstream, "ROW_SECONDS", 0.01)
    row = [Link([Labelled(text="x", at=NOW)], context()) for _ in range(4)]
    for _ in range(jetstream.ROWS_AT_ONCE):
        await log._rows.acquire()
    with pytest.raises(Rejected, match="busy"):
        await asyncio.wait_for(log.append_row(fresh(), 0, 0, row), 5)
    log._rows.release()
    assert len(await log.append_row(fresh(), 0, 0, row)) == 4


async def test_a_row_has_a_limit_in_bytes(log: JetStreamLog) -> None:
    key, large = fresh(), Labelled(text="x" * 500_000, at=NOW)
    with pytest.raises(Rejected, match="too-large"):
        await log.append_row(key, 0, 0, [Link([large], context()) for _ in range(10)])
    assert await log.newest(key) == 0


async def test_a_full_log_says_nothing_of_what_was_sent_before(
    log: JetStreamLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jetstream, "APPEND_SECONDS", 0.1)
    answers: list[Exception] = [TimedOut()]

    async def send(messages: object) -> None:
        raise answers.pop() if answers else ApiError(503, jetstream.FULL, "maximum bytes exceeded")

    monkeypatch.setattr(log, "_send", send)
    with pytest.raises(Unclear):
        await log.append([labelled(fresh())], context())
    with pytest.raises(Rejected, match="log-full"):
        await log.append([labelled(fresh())], context())


async def test_whoever_hears_a_row_finds_no_gap_in_it(house: Embedded, log: JetStreamLog) -> None:
    """The server says of each commit which one of its aggregate came before."""
    key, heard = fresh(), list[tuple[int, int]]()
    gateway = await Bus.connect(house.nats_url("gateway"), "gateway")

    async def hear(msg: Msg) -> None:
        headers = msg.headers or {}
        heard.append((int(headers["Nats-Sequence"]), int(headers["Nats-Last-Sequence"])))

    try:
        await gateway.subscribe(f"live.parties.{key}", hear)
        await gateway.api("STREAM.INFO.KV_PRESENCE")
        (first,) = await log.append([labelled(key)], context())
        row = [Link([Labelled(text="x", at=NOW)], context()) for _ in range(4)]
        sequences = (first, *await log.append_row(key, first, 1, row))
        await eventually(lambda: len(heard) == len(sequences))
    finally:
        await gateway.close()
    assert heard == list(zip(sequences, (0, *sequences), strict=False))


@pytest.mark.parametrize("when", ["before", "after"])
async def test_who_lost_the_race_with_the_wire_is_told_of_the_conflict(
    log: JetStreamLog, shaky: JetStreamLog, proxy: Proxy, when: When
) -> None:
    key = fresh()
    proxy.cut(when, marker(key), ANSWER)
    await log.append([labelled(key, "theirs")], context())

    with pytest.raises(Conflict):
        await shaky.append([labelled(key, "mine")], context())

    assert [commit.events for commit in await log.read(key)] == [(Labelled(text="theirs", at=NOW),)]


async def test_of_many_appends_at_once_each_gets_its_own_answer(log: JetStreamLog) -> None:
    """They share batches; one that is refused, or was stored before, spoils it for no other."""
    known, lost = fresh(), fresh()
    first = await log.append([labelled(known)], again := context())
    await log.append([labelled(lost, "theirs")], context())
    keys = [fresh() for _ in range(300)]

    *sequences, repeated, refused = await asyncio.gather(
        *(log.append([labelled(key)], context()) for key in keys),
        log.append([labelled(known)], again),
        log.append([labelled(lost, "mine")], context()),
        return_exceptions=True,
    )

    assert repeated == first
    assert isinstance(refused, Conflict)
    assert [(c.sequence,) for key in keys for c in await log.read(key)] == sequences


async def test_who_is_cancelled_while_it_waits_for_others_holds_up_nobody(log: JetStreamLog) -> None:
    keys = [fresh() for _ in range(2 * group.LARGEST)]
    appends = [asyncio.create_task(log.append([labelled(key)], context())) for key in keys]
    await asyncio.sleep(0)  # a turn of the loop, not a wait
    for append in appends[group.ALONE :]:
        append.cancel()
    await asyncio.wait(appends)

    (sequence,) = await log.append([labelled(key := fresh())], context())

    assert [commit.sequence for commit in await log.read(key)] == [sequence]


@pytest.mark.parametrize("when", ["before", "after"])
async def test_appends_that_went_together_and_lost_their_answer_are_stored_once(
    log: JetStreamLog, shaky: JetStreamLog, proxy: Proxy, when: When
) -> None:
    keys = [fresh() for _ in range(200)]
    proxy.cut(when, marker(keys[100]), ANSWER)

    sequences = await asyncio.gather(*(shaky.append([labelled(key)], context()) for key in keys))

    assert proxy.cuts == 1
    assert [(c.sequence,) for key in keys for c in await log.read(key)] == sequences


async def test_nothing_is_stored_after_it_was_given_up(
    house: Embedded, log: JetStreamLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client library would keep a publish in its buffer and send it when the caller has long gone."""
    monkeypatch.setattr(jetstream, "APPEND_SECONDS", 0.3)
    key = fresh()
    async with proxy_to(house.nats_port) as proxy:
        url = house.nats_url(NAME).replace(f":{house.nats_port}", f":{proxy.port}")
        bus = await Bus.connect(url, NAME)
        away = await JetStreamLog.open(bus, NAME, SERVICE.codec)
        proxy.server_port = 1  # nobody is there any more
        proxy.close()
        await eventually(lambda: not bus.connected)

        with pytest.raises(Unclear):
            await away.append([labelled(key)], context())
        with pytest.raises(Unavailable):
            await away.read(key)

        proxy.server_port = house.nats_port
        await eventually(lambda: bus.connected)
        assert await away.read(key) == []
        (sequence,) = await away.append([labelled(key)], context())
        assert await away.newest(key) == sequence
        await bus.close()
    assert len(await log.read(key)) == 1


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_command_whose_answer_is_lost_takes_effect_once(
    log: JetStreamLog, shaky: JetStreamLog, proxy: Proxy, when: When, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The service gives up at once; the client sends the same command again, to another replica."""
    vault = Vault(MemoryKeys(), bytes(32))
    one, other = Aggregates(shaky, DECIDERS, vault), Aggregates(log, DECIDERS, vault)
    key, again = fresh(), context()
    await one.execute(Open(account_id=key.id), context())
    proxy.cut(when, marker(key), ANSWER)
    monkeypatch.setattr(jetstream, "APPEND_SECONDS", 0.0)
    for module in (group, jetstream):
        monkeypatch.setattr(module, "SEND_SECONDS", 0.1)

    with pytest.raises(Rejected, match="timeout"):
        await one.execute(Deposit(account_id=key.id, amount=5), again)

    assert (await other.execute(Deposit(account_id=key.id, amount=5), again)).repeated == (when == "after")
    moved = [event for commit in await log.read(key) for event in commit.events if isinstance(event, Moved)]
    assert [event.amount for event in moved] == [5]


async def test_what_is_too_large_is_refused_before_it_is_sent(log: JetStreamLog) -> None:
    key = fresh()
    with pytest.raises(Rejected, match="too-large"):
        await log.append([labelled(key, "x" * jetstream.LARGEST_COMMIT)], context())
    assert await log.read(key) == []


async def test_a_long_history_is_read_page_by_page(log: JetStreamLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jetstream, "PAGE", 7)
    key, sequence = fresh(), 0
    for version in range(30):
        (sequence,) = await log.append([labelled(key, str(version), sequence, version)], context())

    assert [commit.last for commit in await log.read(key)] == list(range(1, 31))


async def test_a_snapshot_comes_back_and_is_replaced(bus: Bus) -> None:
    snapshots, key = JetStreamSnapshots(bus, NAME), fresh()
    assert await snapshots.get(key) is None
    for body in (b"one", b"two\n\x00\xff"):
        await snapshots.put(key, body)
        assert await snapshots.get(key) == body


async def test_many_replicas_race_for_one_account(house: Embedded, log: JetStreamLog) -> None:
    key = fresh()
    vault = Vault(MemoryKeys(), bytes(32))
    buses = [await Bus.connect(house.nats_url(NAME), NAME) for _ in range(2)]
    replicas = [Aggregates(await JetStreamLog.open(bus, NAME, SERVICE.codec), DECIDERS, vault) for bus in buses]
    await replicas[0].execute(Open(account_id=key.id), context())

    async def deposit(n: int) -> bool:
        try:
            await replicas[n % 2].execute(Deposit(account_id=key.id, amount=1), context(f"actor {n}"))
        except Rejected as refused:
            return refused.code != "busy"
        return True

    assert all(await asyncio.gather(*(deposit(n) for n in range(200))))

    commits = await log.read(key)
    assert [commit.first for commit in commits] == list(range(1, 202))
    for bus in buses:
        await bus.close()
