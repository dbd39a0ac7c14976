"""Which services there are and what each owns: the table that streams, permissions and roles are derived from."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True)
class Service:
    """A service and its context, which share one name."""

    name: str
    channels: tuple[str, ...] = ()  # kinds of channels on whose followers it may call
    telemetry: bool = False  # owns a stream for values that matter for a while
    telemetry_kept: timedelta | None = None  # each value for so long; if not set, the last one of each subject for ever
    asks: tuple[str, ...] = ()  # queries of other contexts that it asks in people's names: "parties.party.rights"
    hears: tuple[str, ...] = ()  # contexts of whose read models' changes it hears
    follows: tuple[str, ...] = ()  # contexts whose log it reads through a durable consumer named after itself
    uploads: bool = False  # reads files that the gateway takes in, each for an hour at most
    owned: bool = False  # its log holds people's own, which it deletes when they are erased
    erases: bool = False  # is asked to erase people, asks the others for it, and destroys their keys

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
    def uploads_stream(self) -> str:
        return f"UP_{self.name.upper()}"

    @property
    def streams(self) -> tuple[str, ...]:
        telemetry = (self.telemetry_stream,) if self.telemetry else ()
        return (self.log, *telemetry, f"KV_{self.snapshots}")


SERVICES = (
    Service("parties", channels=("party",), telemetry=True, telemetry_kept=timedelta(hours=6)),
    Service("library", telemetry=True, uploads=True, owned=True, erases=True),
    Service(
        "comments",
        channels=("chat", "live"),
        telemetry=True,
        asks=("parties.party.rights", "parties.party.mine"),
        hears=("parties",),
        owned=True,
    ),
)
GATEWAY = "gateway"
OPERATOR = "ops"
PRESENCE = "PRESENCE"
