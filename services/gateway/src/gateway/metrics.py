"""What the gateway counts, for Prometheus."""

from prometheus_client import Counter, Gauge, Histogram

from events.telemetry import LATENCY

sockets = Gauge("matinee_gateway_sockets", "Open sockets")
watches = Gauge("matinee_gateway_watches", "Open watches, by sockets and event streams")
runs = Counter("matinee_gateway_runs_total", "Queries run for watches", ["function", "why"])
channels = Gauge("matinee_gateway_channels", "Channels that somebody here follows")
grants = Counter("matinee_gateway_grants_total", "Rights asked for", ["kind", "why"])
deliveries = Counter("matinee_gateway_deliveries_total", "Frames written to followers and watchers", ["op"])
sent_bytes = Counter("matinee_gateway_delivered_bytes_total", "Bytes of those frames")
broadcasts = Counter("matinee_gateway_broadcasts_total", "Broadcasts that came in from sockets")
commands_refused = Counter("matinee_gateway_commands_refused_total", "Commands of people who send too many")
reports = Counter("matinee_gateway_reports_total", "Reports taken in")
report_batches = Counter("matinee_gateway_report_batches_total", "Batches of reports handed on to services")
report_bytes = Counter("matinee_gateway_report_bytes_total", "Bytes of those batches")
closed = Counter("matinee_gateway_closed_total", "Sockets that the gateway closed", ["reason"])
sign_ins = Counter("matinee_gateway_sign_ins_total", "Tokens checked", ["outcome"])
guests = Counter("matinee_gateway_guests_total", "Guest tokens given out")
clock_uncertainty = Gauge("matinee_gateway_clock_uncertainty_seconds", "Half the best round trip to the reference")

_calls = Counter("matinee_gateway_calls_total", "Calls by clients", ["function", "code"])
_call_seconds = Histogram(
    "matinee_gateway_call_seconds", "From a call's receipt to its answer", ["function"], buckets=LATENCY
)
_known: dict[tuple[str, str], Counter] = {}
_timed: dict[str, Histogram] = {}


def call(function: str, code: str, seconds: float) -> None:
    """One call was answered. Labels are looked up once: this is on the path of every command."""
    counter = _known.get((function, code))
    if counter is None:
        counter = _known[function, code] = _calls.labels(function, code)
    counter.inc()
    histogram = _timed.get(function)
    if histogram is None:
        histogram = _timed[function] = _call_seconds.labels(function)
    histogram.observe(seconds)
