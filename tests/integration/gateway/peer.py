"""A peer on the wire that answers as the services would, so that the gateway can be tried alone against a real bus."""

import asyncio
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec

from events.bus import Bus, Msg, Subscription
from events.codec import Codec, headers_of
from events.contracts import party
from events.messages import Answer, Context, Event, Fault, Grant, GrantRequest, Notice, Position, Rejected, StoredCommit

EPOCH = "e1"
SIGN_IN = "library.sign_in"
"""Comes from gateways of their own accord."""
NOW = datetime(2026, 1, 2, tzinfo=UTC)
Handling = Callable[[dict[str, Any], Context], Any]


def played(position: float = 0.0) -> party.Played:
    """An event that followers can tell from others by its position."""
    return party.Played(by="host", position=position, at=datetime.now(UTC))


@dataclass
class Room:
    """What the peer knows of a party."""

    members: set[str] | None = None
    """None: anybody may."""
    presence: str = "list"
    may: tuple[str, ...] = ("follow", "track", "send")
    commits: list[StoredCommit] = field(default_factory=list)
    versions: int = 0


class Peer:
    """Commands and queries go to `handlers` by function; rooms are granted to their members."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self.codec = Codec(party.EVENTS)
        self.rooms: dict[str, Room] = {}
        self.handlers: dict[str, Handling] = {SIGN_IN: lambda args, context: None}
        self.asked: list[tuple[str, dict[str, Any], Context]] = []
        """By clients."""
        self.arrived: list[tuple[str, dict[str, Any]]] = []
        """Of whom gateways told what their tokens say."""
        self.grants: list[tuple[str, GrantRequest]] = []
        self.sequence = 0
        self.told = 0
        self.epoch = EPOCH
        self.hold: asyncio.Event | None = None
        """Grants wait for it, if it is there."""
        self.away = False
        """Whether grants are refused for now."""
        self._others: dict[str, int] = {}
        self._subscriptions: list[Subscription] = []

    async def start(self) -> None:
        for pattern, handle in (("cmd.>", self._call), ("qry.>", self._call), ("grant.>", self._grant)):
            self._subscriptions.append(await self.bus.subscribe(pattern, self._in_background(handle), "peer"))
        self.sequence = self.told = (await self._known())["state"]["last_seq"]

    async def _known(self) -> Any:
        """Where the stream ends; the server has taken in by then what it was told before."""
        return await self.bus.api("STREAM.INFO.EV_PARTIES")

    async def stop(self) -> None:
        """From when this returns nobody listens: the server has answered after it was told."""
        for subscription in self._subscriptions:
            await self.bus.unsubscribe(subscription)
        self._subscriptions.clear()
        await self._known()

    def room(self, party_id: str | None = None, **options: Any) -> str:
        party_id = party_id or secrets.token_hex(8)
        self.rooms[party_id] = Room(**options)
        return party_id

    @property
    def position(self) -> str:
        return str(Position("parties", self.epoch, self.sequence))

    async def commit(self, party_id: str, *events: Event) -> int:
        """Store a commit in the real stream; the server republishes it."""
        room = self.rooms[party_id]
        key = party.CHANNEL.key(party_id)
        now = datetime.now(UTC)
        context = Context(actor="peer", now=now, command_id=secrets.token_hex(8))
        headers = headers_of(key, room.versions, len(events), context)
        room.versions += len(events)
        body = self.codec.encode(events)
        ack = await self.bus.store(f"ev.parties.{key}", body, headers)
        self.sequence = ack.seq
        room.commits.append(StoredCommit(ack.seq, now, msgspec.Raw(body)))
        return ack.seq

    def record(self, party_id: str, *events: Event) -> int:
        """Know of a commit that the bus has not spoken of: a live message that was lost."""
        room = self.rooms[party_id]
        self.sequence += 1
        room.commits.append(StoredCommit(self.sequence, datetime.now(UTC), msgspec.Raw(self.codec.encode(events))))
        return self.sequence

    async def say(self, party_id: str, index: int = -1) -> None:
        """Speak of a recorded commit as JetStream would."""
        commits = self.rooms[party_id].commits
        place = range(len(commits))[index]
        headers = {
            "Matinee-At": commits[place].at.isoformat(),
            "Nats-Sequence": str(commits[place].sequence),
            "Nats-Last-Sequence": str(commits[place - 1].sequence if place else 0),
        }
        await self.bus.publish(f"live.parties.{party.CHANNEL.key(party_id)}", bytes(commits[place].events), headers)

    async def touch_other(self, context: str, *topics: str, skip: int = 0) -> None:
        """The same about a context whose log nobody here writes."""
        start = self._others.get(context, 0) + skip
        self._others[context] = start + 1
        notice = Notice(context, self.epoch, "s1", (start, 0), (start + 1, 0), topics)
        await self.bus.publish(f"changed.{context}", msgspec.json.encode(notice))

    async def touch(self, *topics: str, skip: int = 0) -> None:
        """Say that a projection moved; *skip* pretends that so many sayings were lost."""
        start = (self.told + skip, 0)
        self.told = max(self.sequence, start[0]) + 1
        self.sequence = self.told
        notice = Notice("parties", self.epoch, "s1", start, (self.told, 0), topics)
        await self.bus.publish("changed.parties", msgspec.json.encode(notice))

    def _in_background(self, handle: Callable[[Msg], Any]) -> Callable[[Msg], Any]:
        running: set[asyncio.Task[None]] = set()

        async def take(msg: Msg) -> None:
            task = asyncio.create_task(handle(msg))
            running.add(task)
            task.add_done_callback(running.discard)

        return take

    async def _call(self, msg: Msg) -> None:
        function = msg.subject.split(".", 2)[2]
        context = msgspec.json.decode((msg.headers or {})["Matinee-Context"], type=Context)
        args = json.loads(msg.data)
        if function == SIGN_IN:
            self.arrived.append((context.actor, args))
        else:
            self.asked.append((function, args, context))
        # A read model's answer is true where it was read, however long it takes to arrive.
        position = self.position
        try:
            value = self.handlers[function](args, context)
            if asyncio.iscoroutine(value):
                value = await value
            answer = Answer(msgspec.Raw(msgspec.json.encode(value)), position)
        except Rejected as error:
            answer = Answer(error=Fault(error.code, error.details))
        await self.bus.publish(msg.reply, msgspec.json.encode(answer))

    async def _grant(self, msg: Msg) -> None:
        context = msgspec.json.decode((msg.headers or {})["Matinee-Context"], type=Context)
        request = msgspec.json.decode(msg.data, type=GrantRequest)
        self.grants.append((context.actor, request))
        try:
            if self.away:
                raise Rejected("busy")
            grant = self._granted(request, context)
        except Rejected as error:
            await self.bus.publish(msg.reply, msgspec.json.encode(Answer(error=Fault(error.code, error.details))))
            return
        if self.hold is not None:
            await self.hold.wait()
        await self.bus.publish(msg.reply, msgspec.json.encode(Answer(msgspec.Raw(msgspec.json.encode(grant)))))

    def _granted(self, request: GrantRequest, context: Context) -> Grant:
        room = self.rooms.get(request.channel_id)
        if room is None:
            raise Rejected("no-such-party")
        if room.members is not None and context.actor not in room.members:
            raise Rejected("not-a-member")
        last = room.commits[-1].sequence if room.commits else 0
        since = Position.parse(request.since) if request.since else None
        recovered = since is None or since.epoch == self.epoch
        missed = [c for c in room.commits if since is not None and recovered and c.sequence > since.sequence]
        return Grant(
            may=room.may,  # type: ignore[arg-type]  # tests choose from the known words
            position=self.position,
            state=msgspec.Raw(msgspec.json.encode({"commits": len(room.commits)})),
            commits=tuple(missed),
            recovered=recovered,
            last=last,
            presence=room.presence,  # type: ignore[arg-type]  # likewise
        )
