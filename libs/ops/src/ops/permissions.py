"""What each NATS user may publish and hear: as little as its work needs."""

from dataclasses import dataclass
from typing import Any

from events.contracts.erased import FORGOTTEN
from ops.house import GATEWAY, OPERATOR, PRESENCE, SERVICES, Service


@dataclass(frozen=True)
class Permissions:
    """Subjects of one user. `answers` allows one reply to each request that it hears."""

    publish: tuple[str, ...]
    subscribe: tuple[str, ...]
    answers: bool = False

    def declared(self) -> dict[str, Any]:
        """As a server's configuration file spells it."""
        block: dict[str, Any] = {"publish": list(self.publish), "subscribe": list(self.subscribe)}
        if self.answers:
            block["allow_responses"] = {"max": 1, "expires": "1m"}
        return block


def permissions() -> dict[str, Permissions]:
    """Every user that a server must know, the operator included."""
    return {
        **{service.name: of_service(service) for service in SERVICES},
        GATEWAY: of_gateway(),
        OPERATOR: Permissions(publish=(">",), subscribe=(">",)),
    }


def of_service(service: Service) -> Permissions:
    name = service.name
    telemetry = (f"tel.{name}.>",) if service.telemetry else ()
    owned = tuple(subject for stream in service.streams for subject in _reads(stream) + _consumes(stream))
    followed = tuple(subject for context in service.follows for subject in _follows(f"EV_{context.upper()}", name))
    return Permissions(
        publish=(
            f"ev.{name}.>",
            *telemetry,
            f"$KV.{service.snapshots}.>",
            f"changed.{name}",
            *(f"cast.{kind}.>" for kind in service.channels),
            f"cmd.{name}.>",  # its timers and what it concludes from reports go to itself
            f"ping.{name}.>",
            *(f"qry.{function}" for function in service.asks),
            *owned,
            *followed,
            *(_empties(service.uploads_stream) if service.uploads else ()),
            *(f"$JS.API.STREAM.MSG.DELETE.{stream}" for stream in _erasable(service)),
            *(("erase.*",) if service.erases else ()),
            *((FORGOTTEN,) if service.erases or service.owned else ()),  # whose commands are refused for a while
        ),
        subscribe=(
            f"cmd.{name}.>",
            f"qry.{name}.>",
            f"grant.{name}.>",
            *(f"changed.{context}" for context in (name, *service.hears)),
            f"ambient.{name}.*",
            f"ping.{name}.>",
            f"erase.{name}",
            FORGOTTEN,
            _inbox(name),
        ),
        answers=True,
    )


def _erasable(service: Service) -> tuple[str, ...]:
    """Streams with messages of people's own."""
    if not service.owned:
        return ()
    return (*service.streams, service.uploads_stream) if service.uploads else service.streams


def of_gateway() -> Permissions:
    return Permissions(
        publish=(
            "cmd.>",
            "qry.>",
            "grant.>",
            "cast.>",
            "ambient.>",
            "ping.gateway.>",
            f"$KV.{PRESENCE}.>",
            *_reads(f"KV_{PRESENCE}"),
            *(f"up.{service.name}.>" for service in SERVICES if service.uploads),
        ),
        subscribe=("live.>", "changed.*", "cast.>", "ping.gateway.>", f"$KV.{PRESENCE}.>", FORGOTTEN, _inbox(GATEWAY)),
    )


def _reads(stream: str) -> tuple[str, ...]:
    return (
        f"$JS.API.DIRECT.GET.{stream}",
        f"$JS.API.DIRECT.GET.{stream}.>",
        f"$JS.API.STREAM.MSG.GET.{stream}",
        f"$JS.API.STREAM.INFO.{stream}",
    )


def _empties(stream: str) -> tuple[str, ...]:
    """Reads what others wrote, and clears it away."""
    return (*_reads(stream), f"$JS.API.STREAM.PURGE.{stream}")


def _consumes(stream: str) -> tuple[str, ...]:
    verbs = ("CREATE", "INFO", "DELETE", "MSG.NEXT")
    return (*(f"$JS.API.CONSUMER.{verb}.{stream}.>" for verb in verbs), f"$JS.ACK.{stream}.>")


def _follows(stream: str, durable: str) -> tuple[str, ...]:
    """One durable, made by the operator: its reader can neither widen nor move it."""
    return (
        f"$JS.API.CONSUMER.INFO.{stream}.{durable}",
        f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{durable}",
        f"$JS.ACK.{stream}.{durable}.>",
    )


def _inbox(user: str) -> str:
    return f"_INBOX_{user}.>"
