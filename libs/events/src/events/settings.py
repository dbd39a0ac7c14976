"""Settings from the environment: typed, checked at start, and each error names its variable."""

import os
import socket
from collections.abc import Mapping
from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct, field

T = TypeVar("T")


class BadSettings(SystemExit):
    """The environment does not make sense; ends the process with what to change."""


class Common(Struct, frozen=True, kw_only=True):
    """What every process needs. A field's name in the environment is that of its `field(name=…)`."""

    nats_url: str = field(name="NATS_URL")
    """`nats://user:password@host:port`, several of them separated by commas."""
    replica: str = field(name="MATINEE_REPLICA", default_factory=socket.gethostname)
    """A stable name of this replica: after a restart under the same name it takes its lease back at once."""
    health_port: Annotated[int, Meta(ge=0, le=65_535)] = field(name="MATINEE_HEALTH_PORT", default=0)
    """Port on 127.0.0.1 or `MATINEE_HEALTH_HOST` for `/healthz`, `/readyz` and `/metrics`; 0 for none."""
    health_host: str = field(name="MATINEE_HEALTH_HOST", default="127.0.0.1")
    """Where that port listens."""
    log_format: Literal["console", "json"] = field(name="MATINEE_LOG_FORMAT", default="console")
    """`console` for people, `json` for machines; both go to standard error."""
    log_level: Literal["debug", "info", "warning", "error"] = field(name="MATINEE_LOG_LEVEL", default="info")
    """`debug`, `info`, `warning` or `error`."""
    trace_ratio: Annotated[float, Meta(ge=0, le=1)] = field(name="MATINEE_TRACE_RATIO", default=0.01)
    """Share of requests traced when an OTLP endpoint is set."""
    otlp: str | None = field(name="OTEL_EXPORTER_OTLP_ENDPOINT", default=None)
    """Where traces go, by OTLP over HTTP; without it they are passed on in headers and not exported."""


class ServiceSettings(Common, frozen=True, kw_only=True):
    """What a service with read models needs besides."""

    database_url: str = field(name="DATABASE_URL")
    """`postgresql://service:password@host:port/database`; the login role is named like the service."""
    master_key: str = field(name="MATINEE_MASTER_KEY")
    """32 random bytes in base64: wraps the keys of the vault. Losing it loses every name."""


def load(kind: type[T], environ: Mapping[str, str] = os.environ) -> T:
    """Read *kind* from the environment; an empty variable counts as not set. Raise `BadSettings`."""
    try:
        return msgspec.convert({name: value for name, value in environ.items() if value}, kind, strict=False)
    except msgspec.ValidationError as error:
        raise BadSettings(f"settings: {error}") from None
