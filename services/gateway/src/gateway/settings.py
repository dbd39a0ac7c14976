"""What the environment says about this gateway, read once and validated before anything starts."""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta, field

from events.settings import BadSettings, Common, load
from gateway import limits
from gateway.issuers import Issuer

Positive = Annotated[float, Meta(gt=0)]
Secret = Annotated[bytes, Meta(min_length=32)]
"""Base64 in the environment."""


class Settings(Common, frozen=True, kw_only=True):
    """One field per variable. Its own port also answers `/healthz`, `/readyz` and `/metrics`."""

    uid_secret: Secret = field(name="MATINEE_UID_SECRET")
    """Makes people's ids; with another one everybody is somebody else."""
    guest_secret: Secret = field(name="MATINEE_GUEST_SECRET")
    """Signs guest tokens, and those of `matinee token`."""
    guests: bool = field(name="MATINEE_GUESTS", default=True)
    """Whether guests are admitted."""
    guest_days: Positive = field(name="MATINEE_GUEST_DAYS", default=30)
    """How long a guest token lasts."""
    issuers_json: str = field(name="MATINEE_ISSUERS", default="[]")
    """JSON list of token issuers, see `issuers.Issuer`."""
    origins: str = field(name="MATINEE_ALLOWED_ORIGINS", default="")
    """Origins that browsers may come from, by comma; `*` for all. This host and this machine always may."""
    trusted_hops: Annotated[int, Meta(ge=0, le=10)] = field(name="MATINEE_TRUSTED_HOPS", default=0)
    """Reverse proxies in front, whose `X-Forwarded-For` is believed."""
    host: str = field(name="MATINEE_HOST", default="127.0.0.1")
    """Where the gateway listens; `0.0.0.0` for every address of the machine."""
    port: Annotated[int, Meta(ge=0, le=65_535)] = field(name="MATINEE_PORT", default=8080)
    """On which port."""
    max_sockets: Annotated[int, Meta(ge=1)] = field(name="MATINEE_MAX_SOCKETS", default=limits.SOCKETS)
    """Sockets that this gateway takes."""
    slow_reader_bytes: Annotated[int, Meta(ge=limits.FRAME_BYTES)] = field(
        name="MATINEE_SLOW_READER_BYTES", default=limits.SLOW_READER_BYTES
    )
    """Bytes that may wait for one reader."""
    calls_per_second: Positive = field(name="MATINEE_CALLS_PER_SECOND", default=limits.CALLS_PER_SECOND)
    """Frames per socket, and calls per person over HTTP; twice as many at once."""
    commands_per_second: Annotated[float, Meta(ge=0)] = field(
        name="MATINEE_COMMANDS_PER_SECOND", default=limits.COMMANDS_PER_SECOND
    )
    """Commands of one person through all doors; three times as many at once; 0 for no limit."""
    sends_per_second: Positive = field(name="MATINEE_SENDS_PER_SECOND", default=limits.SENDS_PER_SECOND)
    """Broadcasts per socket; twice as many at once."""
    guests_per_second: Positive = field(name="MATINEE_GUESTS_PER_SECOND", default=limits.GUESTS_PER_SECOND)
    """Guest tokens per address."""
    call_seconds: Positive = field(name="MATINEE_CALL_SECONDS", default=limits.CALL_SECONDS)
    """Time for a call."""

    @property
    def allowed_origins(self) -> frozenset[str]:
        return frozenset(origin for part in self.origins.split(",") if (origin := part.strip().rstrip("/")))

    @property
    def issuers(self) -> tuple[Issuer, ...]:
        """Raise `BadSettings` naming what is wrong; no value is repeated, it may be a secret."""
        try:
            return msgspec.json.decode(self.issuers_json, type=tuple[Issuer, ...])
        except msgspec.DecodeError as error:
            raise BadSettings(f"settings: MATINEE_ISSUERS: {error}") from None

    def __repr__(self) -> str:
        return f"Settings({self.host}:{self.port})"


def settings(environment: Mapping[str, str]) -> Settings:
    """Raise `BadSettings` naming the variable that is wrong."""
    return load(Settings, environment)


def table() -> list[tuple[str, str]]:
    """Every variable with its default, for the README."""
    return [(known.encode_name, _default(known.default)) for known in msgspec.structs.fields(Settings)]


def _default(value: Any) -> str:
    return "" if value is msgspec.NODEFAULT or value is None else str(value)
