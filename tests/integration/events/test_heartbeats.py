"""Heartbeats are followed for as long as anybody projects; one that nobody can read holds up none."""

import asyncio
import random
import secrets
from datetime import UTC, datetime, timedelta

import pytest
from structlog.testing import capture_logs
from tests.ledger import context

import library.main
from events.bus import Bus
from events.contracts.library import Progressed
from events.jetstream import JetStreamTelemetry
from events.log import Commit
from events.messages import AT, Key
from events.testing import NOW
from ops.embedded import Embedded

UNREADABLE = [
    b"{",
    b"[]x",
    b'["a text"]',
    b'[{"type":"library.progressed","at":"a secret"}]',
    b'[{"type":"library.progressed"}]',
]


@pytest.mark.parametrize("body", UNREADABLE)
@pytest.mark.parametrize("subject", ["{key}.last", "{key}", "short"])
async def test_a_heartbeat_that_does_not_decode_passes_by(house: Embedded, body: bytes, subject: str) -> None:
    bus = await Bus.connect(house.nats_url("library"), "library")
    telemetry = JetStreamTelemetry(bus, "library", library.main.SERVICE.codec)
    key = Key.of("title", secrets.token_hex(4))
    playing = Progressed(uid="ana", work="w", position=1.0, at=datetime.now(UTC))
    start = await telemetry.head()
    stamped = {AT: datetime.now(UTC).isoformat()}
    ack = await bus.store(f"tel.library.{subject.format(key=key)}", body, stamped)
    good = await telemetry.put(key, "good", playing, context())
    found: list[Commit] = []

    with capture_logs() as logs:
        async for batch in telemetry.tail(start):
            found += batch
            if found[-1].sequence >= good:
                break

    assert [(commit.sequence, commit.events) for commit in found] == [(ack.seq, ()), (good, (playing,))]
    assert [entry["event"] for entry in logs] == ["heartbeat passed by"]
    assert "secret" not in str(logs)
    await bus.close()


def beat(seconds: float, session: str = "s1") -> Progressed:
    """Heartbeats whose position is their time."""
    at = NOW + timedelta(seconds=seconds)
    return Progressed(uid="ana", work="w", position=seconds, at=at, own=at, session=session)


async def kept(bus: Bus, key: Key) -> list[float]:
    """The positions that are stored of a title, whichever replica asks."""
    telemetry = JetStreamTelemetry(bus, "library", library.main.SERVICE.codec)
    newest, found = await telemetry.head(), dict[str, float]()
    async for batch in telemetry.tail(0):
        for commit in batch:
            if commit.key == key:
                found |= {event.slot(): event.position for event in commit.events if isinstance(event, Progressed)}
        if batch[-1].sequence >= newest:
            break
    return sorted(found.values())


class TestOrder:
    """Two replicas, which do not know what the other one stores."""

    async def test_an_older_heartbeat_never_replaces_a_newer_one(self, house: Embedded) -> None:
        bus = await Bus.connect(house.nats_url("library"), "library")
        one, other = (JetStreamTelemetry(bus, "library", library.main.SERVICE.codec) for _ in range(2))
        key = Key.of("title", secrets.token_hex(4))

        async def put(replica: JetStreamTelemetry, seconds: float) -> int:
            event = beat(seconds)
            return await replica.put(key, event.slot(), event, context())

        first = await put(one, 10)
        assert await put(other, 5) == first, "what stays is where the answer's position is"
        second = await put(other, 20)
        assert second > first
        assert await put(one, 15) == second
        assert await put(one, 15) == second, "now it knows"
        third = await put(one, 20)
        assert third > second, "as new: the last one counts"

        assert await kept(bus, key) == [20.0]
        await bus.close()

    async def test_whatever_the_interleaving_the_newest_of_each_session_stays(self, house: Embedded) -> None:
        bus = await Bus.connect(house.nats_url("library"), "library")
        replicas = [JetStreamTelemetry(bus, "library", library.main.SERVICE.codec) for _ in range(2)]
        key = Key.of("title", secrets.token_hex(4))
        beats = [beat(n + k / 10, f"s{k}") for n in range(20) for k in (1, 2)]
        random.shuffle(beats)

        async def tell(replica: JetStreamTelemetry, told: list[Progressed]) -> None:
            for event in told:
                await replica.put(key, event.slot(), event, context())

        await asyncio.gather(tell(replicas[0], beats[::2]), tell(replicas[1], beats[1::2]))

        assert await kept(bus, key) == [19.1, 19.2]
        await bus.close()

    async def test_one_that_cannot_be_read_gives_way(self, house: Embedded) -> None:
        bus = await Bus.connect(house.nats_url("library"), "library")
        telemetry = JetStreamTelemetry(bus, "library", library.main.SERVICE.codec)
        key, event = Key.of("title", secrets.token_hex(4)), beat(10)
        await bus.store(f"tel.library.{key}.{event.slot()}", b"{", {AT: NOW.isoformat()})

        with capture_logs():
            await telemetry.put(key, event.slot(), event, context())

        assert await kept(bus, key) == [10.0]
        await bus.close()

    async def test_a_session_may_be_named_like_a_subject(self, house: Embedded) -> None:
        bus = await Bus.connect(house.nats_url("library"), "library")
        telemetry = JetStreamTelemetry(bus, "library", library.main.SERVICE.codec)
        key, event = Key.of("title", secrets.token_hex(4)), beat(10, "a.> *\r\n")

        await telemetry.put(key, event.slot(), event, context())

        assert await kept(bus, key) == [10.0]
        await bus.close()
