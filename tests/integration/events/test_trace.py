"""One trace leads from the request through the append to the read model."""

import secrets
from collections.abc import Iterator

import msgspec
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from tests.ledger import NAME, Client, Deposit, Open, account, context, serving
from tests.wait import eventually

from ops.embedded import Embedded


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    """Spans of this process. A provider can be set once per process, so this one is shared and stays."""
    provider = trace.get_tracer_provider()
    if not isinstance(provider, TracerProvider):
        provider = TracerProvider()
        trace.set_tracer_provider(provider)
    exporter = InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    yield exporter
    exporter.shutdown()


async def test_a_command_is_one_trace_up_to_its_rows(
    house: Embedded, client: Client, spans: InMemorySpanExporter
) -> None:
    id, ours = secrets.token_hex(6), secrets.token_hex(16)
    headers = {
        "Matinee-Context": msgspec.json.encode(context()).decode(),
        "traceparent": f"00-{ours}-{secrets.token_hex(8)}-01",
    }
    async with serving(house) as running:
        await client.call(Open(account_id=id))
        body = msgspec.json.encode(Deposit(account_id=id, amount=1))
        await client.bus.request(f"cmd.{NAME}.account.deposit", body, headers)

        def of_ours() -> dict[str, ReadableSpan]:
            finished = [span for span in spans.get_finished_spans() if span.context is not None]
            return {span.name: span for span in finished if f"{span.context.trace_id:032x}" == ours}

        await eventually(lambda: f"project {NAME}" in of_ours())
        _, commit = await running.stores.log.read(account(id))

    served, projected = of_ours()[f"cmd.{NAME}.account.deposit"], of_ours()[f"project {NAME}"]
    assert served.parent is not None
    assert f"{served.parent.span_id:016x}" == headers["traceparent"].split("-")[2]
    assert served.context is not None
    assert commit.trace.split("-")[1:3] == [ours, f"{served.context.span_id:016x}"]
    assert projected.parent is not None
    assert projected.parent.span_id == served.context.span_id
