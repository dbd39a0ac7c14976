"""Logs, traces and metrics, set up once per process; the rest only calls `span`, `inject` and counters."""

import logging
import random
import sys
from collections.abc import Mapping, MutableMapping
from contextlib import AbstractContextManager
from contextvars import ContextVar
from typing import Literal

import structlog
from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, ParentBased
from opentelemetry.trace import SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from prometheus_client import Counter, Gauge, Histogram

TRACEPARENT = "traceparent"
TRACEPARENT_CHARS = 55

# Without the local variables of each frame: those may hold names, tokens and keys.
_tracebacks = structlog.processors.ExceptionRenderer(structlog.tracebacks.ExceptionDictTransformer(show_locals=False))
_unsampled: ContextVar[str | None] = ContextVar("unsampled", default=None)
"""The current trace, if it is one that nobody collects."""
_ratio = 1.0
"""Share of the traces that begin here which are sampled; all of them until `configure` says otherwise."""
_w3c = TraceContextTextMapPropagator()
_tracer = trace.get_tracer("matinee")

LATENCY = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)

commands = Counter("matinee_commands_total", "Commands carried out or refused", ["function", "outcome"])
command_seconds = Histogram("matinee_command_seconds", "From receipt to answer", ["function"], buckets=LATENCY)
queries = Counter("matinee_queries_total", "Queries answered or refused", ["function", "outcome"])
query_seconds = Histogram("matinee_query_seconds", "From receipt to answer", ["function"], buckets=LATENCY)
conflicts = Counter("matinee_append_conflicts_total", "Appends that lost a race and were decided again", ["aggregate"])
projected = Counter("matinee_projected_commits_total", "Commits applied to read models", ["service", "source"])
batch_seconds = Histogram(
    "matinee_projection_batch_seconds", "One batch, one transaction", ["service"], buckets=LATENCY
)
lag = Gauge("matinee_projection_lag_seconds", "How long a stored commit has waited to be applied", ["service"])
parked = Gauge("matinee_parked_keys", "Aggregates whose commits wait for an operator", ["service"])
leading = Gauge("matinee_projection_leading", "1 on the replica that projects", ["service"])
quotas_exhausted = Counter("matinee_quota_refusals_total", "Commands that found a quota used up", ["quota"])
quotas_unchecked = Counter(
    "matinee_quota_unchecked_total", "Commands that no quota was asked about: the database was away", ["quota"]
)
timers_fired = Counter("matinee_timers_fired_total", "Timers that came due", ["service", "function", "outcome"])
heard = Counter("matinee_ambient_batches_total", "Batches of reports heard from gateways", ["service"])
concluded = Counter(
    "matinee_ambient_commands_total", "Commands that followed from reports", ["service", "function", "outcome"]
)


def configure(
    service: str, log_format: Literal["console", "json"], level: str, trace_ratio: float, otlp: str | None
) -> None:
    """Set up this process's logs and traces. Without an OTLP endpoint traces are passed on, not exported."""
    global _ratio
    _ratio = trace_ratio if otlp else 0.0
    configure_logs(service, log_format, level)
    provider = TracerProvider(
        resource=Resource.create({"service.name": f"matinee-{service}"}),
        sampler=ParentBased(ALWAYS_ON),  # `span` has drawn the lot before it makes one
    )
    if otlp:
        provider.add_span_processor(_exporter())
    trace.set_tracer_provider(provider)


def _exporter() -> SpanProcessor:
    # Imported only when wanted: the exporter takes a third of a service's start-up time.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    return BatchSpanProcessor(OTLPSpanExporter())


def configure_logs(service: str, log_format: Literal["console", "json"], level: str) -> None:
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _add_trace,
    ]
    last: list[structlog.typing.Processor] = (
        [_tracebacks, structlog.processors.JSONRenderer()]
        if log_format == "json"
        else [
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)
        ]
    )
    structlog.configure(
        processors=shared + last,
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(asctime)s %(name)s %(message)s")
    structlog.contextvars.bind_contextvars(service=service)


def _add_trace(logger: object, method: str, event: MutableMapping[str, object]) -> MutableMapping[str, object]:
    if carried := traceparent():
        event["trace_id"] = carried[3:35]
    return event


def span(
    name: str, headers: Mapping[str, str] | None = None, kind: SpanKind = SpanKind.INTERNAL
) -> AbstractContextManager[trace.Span]:
    """A span under the one that *headers* carry, or else under the current one.

    What is not sampled is only passed on: nobody will ever read that span, and making it costs as much as a decision.
    """
    carried = headers.get(TRACEPARENT) if headers else None
    if carried is None:
        carried = _unsampled.get()
    if carried is None and not trace.get_current_span().is_recording() and random.random() >= _ratio:  # noqa: S311
        carried = f"00-{random.getrandbits(128):032x}-{random.getrandbits(64):016x}-00"  # no secret
    if carried is not None and len(carried) == TRACEPARENT_CHARS and carried.endswith("-00"):
        return _PassedOn(carried)
    parent = _w3c.extract({TRACEPARENT: carried}) if carried else None
    return _tracer.start_as_current_span(name, context=parent, kind=kind)


class _PassedOn:
    """Stands for a span that is not sampled."""

    __slots__ = ("_carried", "_token")

    def __init__(self, carried: str) -> None:
        self._carried = carried

    def __enter__(self) -> trace.Span:
        self._token = _unsampled.set(self._carried)
        return trace.INVALID_SPAN

    def __exit__(self, *exc: object) -> None:
        _unsampled.reset(self._token)


def inject(headers: MutableMapping[str, str]) -> None:
    """Add the current trace to *headers*."""
    if carried := traceparent():
        headers[TRACEPARENT] = carried


def traceparent() -> str:
    """The current trace as a header value, empty outside of any."""
    carried = _unsampled.get()
    if carried is not None:
        return carried
    carrier: dict[str, str] = {}
    _w3c.inject(carrier)
    return carrier.get(TRACEPARENT, "")
