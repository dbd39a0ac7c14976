"""Every stream's declared configuration, and making it so: created when it is missing, compared when it is there."""

import asyncio
import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import nats
import nats.errors
from nats.aio.client import Client

from ops.house import PRESENCE, SERVICES, Service
from ops.problem import Problem

EPOCH = "matinee-epoch"  # metadata key: names one life of a stream, so that positions of an earlier life are recognised
_SECOND = 1_000_000_000
_STREAM_NOT_FOUND = 10059
_PATIENCE = 30.0  # seconds that a cluster may take to elect a leader

Configuration = dict[str, Any]


@dataclass(frozen=True)
class Drift:
    """A field of a stream that is not what the declaration says."""

    stream: str
    field: str
    have: object
    want: object

    def __str__(self) -> str:
        return f"{self.stream}: {self.field} is {json.dumps(self.have)}, declared {json.dumps(self.want)}"


class StreamsUnavailable(Problem):
    """JetStream did not answer, or refused."""


def declared_streams(replicas: int = 1) -> dict[str, Configuration]:
    streams = [stream for service in SERVICES for stream in _of_service(service)] + [_presence()]
    return {stream["name"]: {**stream, "num_replicas": replicas} for stream in streams}


async def provision_streams(url: str, replicas: int = 1) -> list[Drift]:
    """Create what is missing; change nothing that exists, but say how it differs."""
    bus = await nats.connect(url, inbox_prefix=b"_INBOX_ops", max_reconnect_attempts=-1, reconnect_time_wait=0.2)
    try:
        found = [await _provision(bus, name, stream) for name, stream in declared_streams(replicas).items()]
    finally:
        await bus.close()
    return [drift for drifts in found for drift in drifts]


def compare(name: str, have: Mapping[str, Any], want: Mapping[str, Any]) -> list[Drift]:
    """Only what is declared counts: the server fills in the rest, and leaves out what is empty, zero or false."""
    drifts = [
        Drift(name, field, have.get(field), value)
        for field, value in want.items()
        if (have.get(field) or None) != (value or None)
    ]
    if not (have.get("metadata") or {}).get(EPOCH):
        drifts.append(Drift(name, f"metadata.{EPOCH}", None, "a token made at creation"))
    return drifts


async def _provision(bus: Client, name: str, want: Configuration) -> list[Drift]:
    answer = await _ask(bus, f"$JS.API.STREAM.INFO.{name}", {})
    if (answer.get("error") or {}).get("err_code") == _STREAM_NOT_FOUND:
        answer = await _ask(bus, f"$JS.API.STREAM.CREATE.{name}", {**want, "metadata": {EPOCH: secrets.token_hex(4)}})
    if "error" in answer:
        raise StreamsUnavailable(f"{name}: {answer['error'].get('description', answer['error'])}")
    return compare(name, answer["config"], want)


async def _ask(bus: Client, subject: str, body: Configuration) -> dict[str, Any]:
    """One JetStream API call, asked again while there is no leader. Both calls can be repeated without harm."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            reply = await bus.request(subject, json.dumps(body).encode(), timeout=5)
        except nats.errors.Error as problem:
            answer: dict[str, Any] = {"error": {"code": 503, "description": str(problem) or type(problem).__name__}}
        else:
            answer = json.loads(reply.data)
        if (answer.get("error") or {}).get("code") != 503:
            return answer
        if time.monotonic() > deadline:
            raise StreamsUnavailable(f"JetStream does not answer {subject}: {answer['error'].get('description')}")
        await asyncio.sleep(0.1)


def _of_service(service: Service) -> list[Configuration]:
    name = service.name
    log = {
        **_stored(service.log, f"ev.{name}.>"),
        **_KEPT_FOR_EVER,
        "allow_atomic": True,
        "deny_purge": True,
        "duplicate_window": 120 * _SECOND,
        "republish": {"src": f"ev.{name}.>", "dest": f"live.{name}.>"},
    }
    telemetry = {**_stored(service.telemetry_stream, f"tel.{name}.>"), **_kept(service)}
    snapshots = {**_stored(f"KV_{service.snapshots}", f"$KV.{service.snapshots}.>"), **_LAST_VALUES}
    found = [log, telemetry, snapshots] if service.telemetry else [log, snapshots]
    return [*found, _uploads(service)] if service.uploads else found


def _uploads(service: Service) -> Configuration:
    """Pieces of files, until their reader has purged them. A full stream refuses new files rather than spoil others."""
    return {
        **_stored(service.uploads_stream, f"up.{service.name}.>"),
        **_LAST_VALUES,
        "discard": "new",
        "max_age": 3600 * _SECOND,
        "max_bytes": 1024 * 1024 * 1024,
    }


def _kept(service: Service) -> Configuration:
    if service.telemetry_kept is None:
        return _LAST_VALUES
    return {
        "max_msgs_per_subject": -1,
        "discard": "old",
        "max_age": int(service.telemetry_kept.total_seconds()) * _SECOND,
        "max_bytes": 1024 * 1024 * 1024,
    }


def _presence() -> Configuration:
    """Gone a minute after the gateway that wrote it has gone; rosters are rewritten long before.

    In a file all the same: a single server that restarts forgets a stream in memory, configuration and all.
    """
    return {
        **_stored(f"KV_{PRESENCE}", f"$KV.{PRESENCE}.>"),
        **_LAST_VALUES,
        "max_age": 60 * _SECOND,
        "duplicate_window": 10 * _SECOND,
        "max_bytes": 256 * 1024 * 1024,
    }


_KEPT_FOR_EVER: Configuration = {
    "discard": "new",
    "max_age": 0,
    "max_msgs": -1,
    "max_bytes": -1,
    "max_msgs_per_subject": -1,
}
_LAST_VALUES: Configuration = {"max_msgs_per_subject": 1, "discard": "old"}


def _stored(name: str, subjects: str) -> Configuration:
    return {
        "name": name,
        "subjects": [subjects],
        "storage": "file",
        "retention": "limits",
        "allow_direct": True,
        # Any of these on a log would let one message remove or outlive others.
        "allow_rollup_hdrs": False,
        "allow_msg_ttl": False,
        "allow_msg_counter": False,
    }
