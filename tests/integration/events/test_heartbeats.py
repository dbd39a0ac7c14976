"""Heartbeats are followed for as long as anybody projects; one that nobody can read holds up none."""

import secrets
from datetime import UTC, datetime

import pytest
from structlog.testing import capture_logs
from tests.ledger import context

import library.main
from events.bus import Bus
from events.contracts.library import Progressed
from events.jetstream import JetStreamTelemetry
from events.log import Commit
from events.messages import AT, Key
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
