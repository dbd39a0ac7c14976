"""What the reader of a stream promises: everything, once, in order, or a loud stop."""

import asyncio
import functools
import secrets
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import UTC, datetime

import pytest
from nats.aio.client import Client
from tests.integration.events.conftest import house_in
from tests.ledger import NAME, SERVICE, Labelled, account, context
from tests.wait import eventually

from events.bus import Bus, TimedOut, Unavailable
from events.jetstream import JetStreamLog
from events.log import Commit, Hole, Write
from events.messages import Key
from events.reader import Reader, Stored
from ops.embedded import Embedded

NOW = datetime(2026, 1, 2, tzinfo=UTC)
STREAM = "EV_PARTIES"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Embedded]:
    """One of our own: what is appended here no rule has decided, and no read model should meet it."""
    yield from house_in(tmp_path_factory.mktemp("house"))


class Heard:
    """What a reader has heard, while it listens."""

    def __init__(self, batches: AsyncIterator[list[Stored]]) -> None:
        self.sequences: list[int] = []
        self._batches = batches
        self.task = asyncio.create_task(self._listen())

    async def _listen(self) -> None:
        async for batch in self._batches:
            self.sequences += [message.sequence for message in batch]

    async def upto(self, sequence: int, within: float = 15.0) -> list[int]:
        await eventually(lambda: self.task.done() or (self.sequences and self.sequences[-1] >= sequence), within)
        self.task.cancel()
        await asyncio.wait([self.task])
        if not self.task.cancelled() and (error := self.task.exception()):
            raise error
        return self.sequences


async def fill(log: JetStreamLog, count: int) -> int:
    """That many commits, in atomic batches, each of an aggregate of its own; the last one's sequence."""
    last = 0
    for start in range(0, count, 500):
        keys = [account(secrets.token_hex(6)) for _ in range(min(500, count - start))]
        last = (await log.append([Write(key, 0, 0, [Labelled(text="x", at=NOW)]) for key in keys], context()))[-1]
    return last


async def one_more(log: JetStreamLog, key: Key | None = None) -> int:
    (sequence,) = await log.append(
        [Write(key or account(secrets.token_hex(6)), 0, 0, [Labelled(text="x", at=NOW)])], context()
    )
    return sequence


async def delete(house: Embedded, *sequences: int) -> None:
    """As an operator does for an erasure."""
    bus = await Bus.connect(house.nats_url(), "ops")
    for sequence in sequences:
        await bus.api(f"STREAM.MSG.DELETE.{STREAM}", {"seq": sequence})
    await bus.close()


async def test_twenty_thousand_commits_come_once_and_in_order(bus: Bus, log: JetStreamLog) -> None:
    start = await log.head()
    last = await fill(log, 20_000)

    heard = Heard(Reader(bus, STREAM).read(start))

    assert await heard.upto(last) == list(range(start + 1, last + 1))


async def test_reading_begins_wherever_it_is_asked_to(bus: Bus, log: JetStreamLog) -> None:
    last = await fill(log, 5)
    for after in (last - 3, last - 1):
        assert await Heard(Reader(bus, STREAM).read(after)).upto(last) == list(range(after + 1, last + 1))


async def test_messages_that_the_client_dropped_are_read_again(
    bus: Bus, log: JetStreamLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A burst that is larger than the client's buffer: it drops what does not fit, and says nothing."""
    start = await log.head()
    last = await fill(log, 3_000)
    small = functools.partialmethod(Client.subscribe, pending_msgs_limit=700)
    monkeypatch.setattr(Client, "subscribe", small)

    heard = Heard(Reader(bus, STREAM).read(start))

    assert await heard.upto(last) == list(range(start + 1, last + 1))


async def test_what_an_operator_deleted_is_passed(house: Embedded, bus: Bus, log: JetStreamLog) -> None:
    start = await log.head()
    last = await fill(log, 6)
    await delete(house, start + 1, start + 3, start + 4)

    assert await Heard(Reader(bus, STREAM).read(start)).upto(last) == [start + 2, start + 5, start + 6]


async def test_a_deleted_end_is_not_waited_for(house: Embedded, log: JetStreamLog) -> None:
    """Who fills a read model up to the log's end must not wait for a message that never comes."""
    last = await fill(log, 3)
    await delete(house, last, last - 1)

    assert await log.head() == last - 2

    await fill(log, 1)


async def test_an_unexplained_gap_is_a_hole(house: Embedded, bus: Bus, log: JetStreamLog) -> None:
    """The stream's own list of deleted messages is the only excuse; here the reader is not shown it."""
    start = await log.head()
    last = await fill(log, 5)
    await delete(house, start + 3)

    class Forgetful(Bus):
        async def api(self, subject: str, body: object = None, timeout: float = 5.0) -> object:
            answer = await super().api(subject, body, timeout)
            answer.get("state", {}).pop("deleted", None)
            return answer

    forgetful = await Forgetful.connect(house.nats_url(NAME), NAME)
    with pytest.raises(Hole, match=f"sequence {start + 3} "):
        await Heard(Reader(forgetful, STREAM).read(start)).upto(last)
    await forgetful.close()


async def test_a_stream_that_ends_before_what_was_read_is_a_hole(bus: Bus, log: JetStreamLog) -> None:
    with pytest.raises(Hole, match="restored"):
        await Heard(Reader(bus, STREAM).read(await log.head() + 1)).upto(1)


async def test_a_reader_that_stops_leaves_no_consumer_behind(house: Embedded, bus: Bus, log: JetStreamLog) -> None:
    last = await fill(log, 5)
    await Heard(Reader(bus, STREAM).read(0)).upto(last)

    operator = await Bus.connect(house.nats_url(), "ops")

    async def none_left() -> bool:
        return bool((await operator.api(f"CONSUMER.LIST.{STREAM}"))["total"] == 0)

    await eventually(none_left)
    await operator.close()


async def test_a_commit_that_does_not_decode_says_so_in_the_tail(house: Embedded, log: JetStreamLog) -> None:
    operator = await Bus.connect(house.nats_url(), "ops")
    key = account(secrets.token_hex(6))
    bad = (await operator.store(f"ev.{NAME}.{key}", b'[{"type":"account.labelled","text":7}]', {})).seq
    good = await one_more(log)
    await operator.close()

    async def tail() -> Sequence[Commit]:
        found: list[Commit] = []
        async for batch in log.tail(bad - 1):
            found += batch
            if found[-1].sequence >= good:
                break
        return found

    first, second = await tail()
    assert (first.sequence, first.key, bool(first.unreadable)) == (bad, key, True)
    assert (second.sequence, second.unreadable) == (good, "")


@pytest.mark.parametrize("how", ["kill", "stop"])
async def test_a_restart_of_nats_under_load_costs_nothing(own_servers: Embedded, how: str) -> None:
    writing, reading = [await Bus.connect(own_servers.nats_url(NAME), NAME) for _ in range(2)]
    log = await JetStreamLog.open(writing, NAME, SERVICE.codec)
    heard = Heard(Reader(reading, STREAM).read(0))
    acknowledged: list[int] = []
    writers = [asyncio.create_task(_write(log, acknowledged)) for _ in range(8)]

    await eventually(lambda: len(acknowledged) > 500)
    await asyncio.to_thread(getattr(own_servers.nats, how))
    await asyncio.to_thread(own_servers.nats.restart)
    before = len(acknowledged)
    await eventually(lambda: len(acknowledged) > before + 500, within=15)
    for writer in writers:
        writer.cancel()
    await asyncio.wait(writers)

    last = await one_more(log)
    assert await heard.upto(last) == list(range(1, last + 1))
    assert set(acknowledged) <= set(heard.sequences)
    for bus in (writing, reading):
        await bus.close()


async def _write(log: JetStreamLog, acknowledged: list[int]) -> None:
    while True:
        try:
            acknowledged.append(await one_more(log))
        except (Unavailable, TimedOut):
            await asyncio.sleep(0)  # a turn of the loop, not a wait
