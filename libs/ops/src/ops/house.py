"""Which services there are and what each owns: the table that streams, permissions and roles are derived from."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Service:
    """A service and its context, which share one name."""

    name: str
    telemetry: bool = False  # owns a compacted stream for values of which only the last one matters
    follows: tuple[str, ...] = ()  # contexts whose log it reads through a durable consumer named after itself

    @property
    def log(self) -> str:
        return f"EV_{self.name.upper()}"

    @property
    def telemetry_stream(self) -> str:
        return f"TEL_{self.name.upper()}"

    @property
    def snapshots(self) -> str:
        return f"SNAP_{self.name.upper()}"

    @property
    def streams(self) -> tuple[str, ...]:
        telemetry = (self.telemetry_stream,) if self.telemetry else ()
        return (self.log, *telemetry, f"KV_{self.snapshots}")


SERVICES = (
    Service("parties"),
    Service("library", telemetry=True),
)
GATEWAY = "gateway"
OPERATOR = "ops"
PRESENCE = "PRESENCE"
