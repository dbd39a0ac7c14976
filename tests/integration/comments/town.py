"""Parties and comments as two services on one bus, and people who ask them as gateways would."""

import json
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from comments import main as comments_service
from comments.limits import Limits
from comments.retention import Retention
from comments.rules import Rules
from comments.settings import CommentsSettings
from events.bus import Bus
from events.messages import AFTER, CONTEXT, Answer, Context, Grant
from events.service import Replica, replica
from events.working import Workplace
from ops.embedded import Embedded
from parties import main as parties_service
from parties.limits import Limits as PartiesLimits
from parties.rules import Rules as PartiesRules
from parties.settings import PartiesSettings

FREE = Limits(
    comments_per_minute=0,
    edits_per_minute=0,
    reactions_per_minute=0,
    chat_per_second=0,
    reports_per_hour=0,
    lives_per_hour=0,
)
RULES = Rules(words_refused=("rosebud",), words_held=("sled",))
MODERATOR = ("moderator",)

_answers = msgspec.json.Decoder(Answer)


class Refused(Exception):
    """An error came instead of the answer."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass
class Town:
    """Both services; what somebody was told last is seen by whatever is asked next."""

    bus: Bus
    parties: AsyncExitStack
    """Closed, there are no parties to be asked."""
    replicas: list[Replica]
    """Of the comments."""
    positions: dict[str, str] = field(default_factory=dict)

    async def do(
        self, fn: str, by: str, /, *, roles: tuple[str, ...] = (), ago: float = 0.0, id: str = "", **args: Any
    ) -> Any:
        """Carry out a command, under an *id* if one is given. Raise `Refused`."""
        return await self._ask("cmd", fn, by, roles, args, ago, id)

    async def see(self, fn: str, by: str, /, *, roles: tuple[str, ...] = (), **args: Any) -> Any:
        """Ask a question, whose answer has all that was done. Raise `Refused`."""
        return await self._ask("qry", fn, by, roles, args)

    async def code(self, fn: str, by: str, /, *, roles: tuple[str, ...] = (), **args: Any) -> str:
        """What a command is refused with; empty if it was carried out."""
        return await _code(self.do(fn, by, roles=roles, **args))

    async def code_of(self, fn: str, by: str, /, *, roles: tuple[str, ...] = (), **args: Any) -> str:
        """The same of a question."""
        return await _code(self.see(fn, by, roles=roles, **args))

    async def follow(self, kind: str, id: str, by: str) -> Grant:
        """Raise `Refused`."""
        headers = {CONTEXT: _context(by, (), 0.0)}
        reply = await self.bus.request(f"grant.comments.{kind}", json.dumps({"channel_id": id}).encode(), headers)
        return msgspec.json.decode(_told(_answers.decode(reply.data)), type=Grant)

    async def open(self, by: str = "ana", *members: str, private: bool = False) -> str:
        """The id of a new party, with its members."""
        opened = await self.do("party.open", by, title="Friday", media="tt0133093", private=private, name=by.title())
        party_id = str(opened["party_id"])
        for uid in members:
            key = {"key": opened["key"]} if private else {}
            await self.do("party.join", uid, party_id=party_id, name=uid.title(), **key)
        return party_id

    def place(self, number: int = 0) -> Workplace:
        """Where a replica of the comments works in the background."""
        running = self.replicas[number]
        stores = running.stores
        return Workplace(stores.bus, stores.log, running.aggregates, running.models, stores.vault)

    async def _ask(
        self, kind: str, fn: str, by: str, roles: tuple[str, ...], args: dict[str, Any], ago: float = 0.0, id: str = ""
    ) -> Any:
        service = "parties" if fn.startswith("party.") else "comments"
        headers = {CONTEXT: _context(by, roles, ago, id)}
        if kind == "qry" and service in self.positions:
            headers[AFTER] = self.positions[service]
        answer = await self._answer(f"{kind}.{service}.{fn}", json.dumps(args).encode(), headers)
        value = msgspec.json.decode(_told(answer))
        if kind == "cmd":
            self.positions[service] = answer.position
        return value

    async def _answer(self, subject: str, body: bytes, headers: dict[str, str]) -> Answer:
        """A question whose read model is not there yet is asked again, as gateways do in the end."""
        deadline = time.monotonic() + 10.0
        while True:
            answer = _answers.decode((await self.bus.request(subject, body, headers)).data)
            late = answer.error is not None and answer.error.code == "position-not-reached"
            if not late or time.monotonic() > deadline:
                return answer


def _context(by: str, roles: tuple[str, ...], ago: float, id: str = "") -> str:
    now, id = datetime.now(UTC) - timedelta(seconds=ago), id or secrets.token_hex(16)
    context = Context(actor=by, now=now, name=by.title(), roles=roles, command_id=id, patience=5.0)
    return msgspec.json.encode(context).decode()


def _told(answer: Answer) -> msgspec.Raw:
    if answer.error is not None:
        raise Refused(answer.error.code)
    return answer.value


async def _code(asking: Any) -> str:
    try:
        await asking
    except Refused as refused:
        return refused.code
    return ""


@asynccontextmanager
async def town(servers: Embedded, rules: Rules = RULES, limits: Limits = FREE) -> AsyncIterator[Town]:
    """One replica of the parties and two of the comments."""

    def at(service: str, number: int) -> dict[str, Any]:
        return {
            "nats_url": servers.nats_url(service),
            "database_url": servers.database_url(service),
            "master_key": servers.keys.master_key,
            "replica": f"{service}-{number}",
        }

    free = PartiesLimits(rooms_per_hour=0, management_per_hour=0, key_tries=0, key_tries_per_party=0)
    async with AsyncExitStack() as stack:
        bus = await Bus.connect(servers.nats_url(), "ops")
        stack.push_async_callback(bus.close)
        parties = await stack.enter_async_context(AsyncExitStack())
        of_parties = parties_service.service(PartiesRules(pepper=b"pepper"), free)
        await parties.enter_async_context(replica(of_parties, PartiesSettings(**at("parties", 0))))
        replicas = []
        for number in range(2):
            of_comments = comments_service.service(rules, limits, Retention())
            settings = CommentsSettings(**at("comments", number))
            replicas.append(await stack.enter_async_context(replica(of_comments, settings)))
        yield Town(bus, parties, replicas)
