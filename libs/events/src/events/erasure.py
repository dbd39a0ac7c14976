"""Erases a person: from one service at a time, then their key, and then whatever came in between.

In a service the order is: a tombstone that says how much there is; the person's own messages, newest first, so that at
no moment one is missing before another; a final tombstone, behind which their log begins anew. Every step can be done
again, and is, after a crash.
"""

import asyncio
import base64
import contextlib
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import asyncpg
import msgspec
import structlog
from msgspec import Struct

from events import schema
from events.bus import ApiError, Bus, Msg
from events.contracts.erased import FORGOTTEN, Counts, Erased, Forgotten, erased_key
from events.definition import Service
from events.erasing import Erasure, belongs
from events.handle import Aggregates
from events.jetstream import NOT_FOUND, JetStreamLog, stream_of
from events.messages import Answer, Command, Context, Fault, Position, Rejected, token
from events.readmodel import ReadModels
from events.uploads import ABOUT, About
from events.vault import Vault
from events.working import Workplace

log = structlog.get_logger("erasure")

GONE = frozenset({NOT_FOUND, 10043})
"""The server's numbers for a message that is not, or no longer, there; in a cluster it says so in words."""
ANSWER_SECONDS = 3.0
"""After so long a service says that it is still at it; whoever asked asks again."""
ASK_SECONDS = 10.0
LOOK_SECONDS = 0.5
BUSY_SECONDS = 5.0
"""How long the commands of a person who is being erased are refused, unless it is said again."""


class Wish(Struct, frozen=True):
    """Erase this person from a service; *again*, also what has come since the final tombstone."""

    uid: str
    erasure: str
    again: bool = False


class Pending(NamedTuple):
    """An erasure that somebody asked for and that is not certified yet."""

    uid: str
    erasure: str


class Stream(NamedTuple):
    """Messages of one stream whose subjects go on with an aggregate's kind and id."""

    name: str
    prefix: str


class Eraser:
    """Erases people from one service, with the rights of the service."""

    def __init__(
        self,
        service: Service,
        bus: Bus,
        events_log: JetStreamLog,
        aggregates: Aggregates,
        models: ReadModels,
        vault: Vault,
        dsn: str,
    ) -> None:
        assert service.erasing is not None
        self._name = service.name
        self._erasing = service.erasing
        uploads = Stream(f"UP_{service.name.upper()}", f"up.{service.name}")
        self._uploads = uploads if self._erasing.uploads else None
        self._bus = bus
        self._log = events_log
        self._aggregates = aggregates
        self._models = models
        self._vault = vault
        self._dsn = dsn
        self._events = Stream(stream_of(service.name), f"ev.{service.name}")
        snapshots = f"SNAP_{service.name.upper()}"
        self._besides = {"snapshots": Stream(f"KV_{snapshots}", f"$KV.{snapshots}")}
        if service.has_telemetry:
            self._besides["telemetry"] = Stream(f"TEL_{service.name.upper()}", f"tel.{service.name}")
        self._working: dict[Wish, asyncio.Task[Counts]] = {}
        self._replies: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        await self._bus.subscribe(f"erase.{self._name}", self._on_wish, self._name)
        await self._bus.subscribe(FORGOTTEN, self._on_forgotten)

    async def _on_forgotten(self, msg: Msg) -> None:
        told = msgspec.json.decode(msg.data, type=Forgotten)
        self._vault.forget(told.uid)
        self._aggregates.forget_person(token(told.uid), told.busy_for)

    async def _on_wish(self, msg: Msg) -> None:
        wish = msgspec.json.decode(msg.data, type=Wish)
        task = self._working.get(wish)
        if task is None:
            task = self._working[wish] = asyncio.create_task(self.erase(wish))
            task.add_done_callback(lambda _: self._working.pop(wish, None))
        reply = asyncio.create_task(self._reply(msg, task))
        self._replies.add(reply)
        reply.add_done_callback(self._replies.discard)

    async def _reply(self, msg: Msg, task: "asyncio.Task[Counts]") -> None:
        """The counts; null while it goes on."""
        await asyncio.wait((task,), timeout=ANSWER_SECONDS)
        answer = Answer()
        if task.done():
            try:
                answer = Answer(msgspec.Raw(msgspec.json.encode(task.result())))
            except Rejected as refusal:
                answer = Answer(error=Fault(refusal.code, refusal.details))
            except Exception:
                log.exception("erasure failed", service=self._name)
                answer = Answer(error=Fault("internal"))
        await self._bus.publish(msg.reply, msgspec.json.encode(answer))

    async def erase(self, wish: Wish) -> Counts:
        """Raise `Rejected` when something cannot be reached; asked again, it goes on from where it was."""
        state: Erasure = await self._aggregates.state(erased_key(wish.uid))
        if state.erasure != wish.erasure:
            await self._entomb(wish, await self._survey(wish.uid), final=False)
        elif state.final:
            await self._again(wish)
        state = await self._aggregates.state(erased_key(wish.uid))
        if not state.final:
            async with self._undisturbed(wish.uid):
                await self._finish(wish, state.counts)
        await self._projected(await self._final(wish.uid))
        return state.counts

    async def _finish(self, wish: Wish, counts: Counts) -> None:
        """Delete, put the final tombstone, and look whether something came in between."""
        while True:
            await self._delete(wish.uid)
            position = await self._entomb(wish, counts, final=True)
            if not await self._left(wish.uid, position):
                return
            await self._entomb(wish, counts, final=False)

    @contextlib.asynccontextmanager
    async def _undisturbed(self, uid: str) -> AsyncIterator[None]:
        """Have the person's commands refused meanwhile, as far as the replicas hear of it."""

        async def say() -> None:
            while True:
                await forget_everywhere(self._bus, uid, BUSY_SECONDS)
                await asyncio.sleep(BUSY_SECONDS / 2)

        if not self._erasing.owned:
            yield
            return
        saying = asyncio.create_task(say())
        try:
            yield
        finally:
            saying.cancel()
            await asyncio.gather(saying, return_exceptions=True)
            with contextlib.suppress(Rejected):
                await forget_everywhere(self._bus, uid)

    async def _again(self, wish: Wish) -> None:
        """Begin anew if something is left that must not be; in the rows it may be, where the events stay."""
        before = None if wish.again else await self._final(wish.uid)
        if (wish.again and not self._erasing.owned) or await self._left(wish.uid, before):
            await self._entomb(wish, {}, final=False)

    async def _survey(self, uid: str) -> Counts:
        """How much there is of a person's own."""
        found = {"commits": 0, "aggregates": 0}
        async for _, messages in self._own(self._events, uid):
            found["commits"] += messages
            found["aggregates"] += 1
        for what, stream in self._besides.items():
            found[what] = sum([messages async for _, messages in self._own(stream, uid)])
        if self._uploads is not None:
            found["uploads"] = len(await self._uploaded(uid))
        found["rows"], _ = await self._models.ask(lambda db: self._erasing.count(db, uid))
        return found

    async def _delete(self, uid: str) -> None:
        """The messages of every stream, the limits that count the person, and rows that nobody projects any more."""
        for stream in (self._events, *self._besides.values()):
            for subject in [subject async for subject, _ in self._own(stream, uid)]:
                await self._empty(stream, subject)
        if self._uploads is not None:
            for subject in await self._uploaded(uid):
                await self._empty(self._uploads, subject)
        await self._sweep(uid)

    async def _empty(self, stream: Stream, subject: str) -> None:
        """Delete the newest message until there is none. JetStream overwrites what it deletes one by one.

        For each it writes anew the whole block that holds it, of up to 8 MB, and carries out one request of a
        connection at a time: several in flight would be no faster, and keep everybody else's commands waiting.
        """
        while (found := await self._message(stream, {"last_by_subj": subject})) is not None:
            await self._api(f"STREAM.MSG.DELETE.{stream.name}", {"seq": found["seq"]}, gone=True)

    async def _sweep(self, uid: str) -> None:
        """Limits, and the rows of read models that no longer follow the log, say those of an older version."""
        try:
            db = await asyncpg.connect(self._dsn, server_settings={"role": f"{self._name}_writer"}, timeout=5)
            try:
                await db.execute(f"delete from {schema.checked(self._name)}.quota where subject = $1", uid)
                for name in await schema.schemas(db, self._name):
                    if name != self._models.schema:
                        await self._forget_in(db, name, uid)
            finally:
                await db.close()
        except Exception as error:
            if schema.is_away(error):
                raise Rejected("unavailable", server="database") from error
            raise

    async def _forget_in(self, db: "asyncpg.Connection[Any]", name: str, uid: str) -> None:
        """In a schema that another version fills, or nobody any more. One that is quite different is told of."""
        await db.execute(f"set search_path to {schema.checked(name)}")
        try:
            async with db.transaction():
                await self._erasing.forget(db, uid)
        except (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError) as error:
            log.warning("an old schema was not searched", schema=name, reason=str(error))

    async def _own(self, stream: Stream, uid: str) -> AsyncIterator[tuple[str, int]]:
        """Subjects of what is the person's own, with how many messages each has."""
        for kind in sorted(self._erasing.owned):
            place = f"{stream.prefix}.{kind}."
            async for subject, messages in self._subjects(stream, f"{place}>"):
                id = subject.removeprefix(place).partition(".")[0]
                if belongs(id, token(uid)):
                    yield subject, messages

    async def _subjects(self, stream: Stream, wanted: str) -> AsyncIterator[tuple[str, int]]:
        """JetStream has no filter for the beginning of a token: it names them all, page by page."""
        offset = 0
        while True:
            info = await self._api(f"STREAM.INFO.{stream.name}", {"subjects_filter": wanted, "offset": offset})
            page = info["state"].get("subjects") or {}
            for subject, messages in page.items():
                yield subject, messages
            offset += len(page)
            if not page or offset >= info.get("total", 0):
                return

    async def _uploaded(self, uid: str) -> list[str]:
        """Subjects of the files that the person has on their way."""
        assert self._uploads is not None
        found = []
        async for subject, _ in self._subjects(self._uploads, f"{self._uploads.prefix}.*.{ABOUT}"):
            message = await self._message(self._uploads, {"last_by_subj": subject})
            if message is not None and msgspec.json.decode(_data(message), type=About).owner == uid:
                place = subject.removesuffix(ABOUT)
                found += [piece async for piece, _ in self._subjects(self._uploads, f"{place}>")]
        return found

    async def _left(self, uid: str, before: int | None) -> bool:
        """Whether anything of the person's own is in the log; if so said, from before a sequence."""
        async for subject, _ in self._own(self._events, uid):
            first = await self._message(self._events, {"seq": 1, "next_by_subj": subject})
            if first is not None and (before is None or first["seq"] < before):
                return True
        return False

    async def _final(self, uid: str) -> int:
        """Where the newest final tombstone is."""
        commits = await self._log.read(erased_key(uid))
        finals = [
            commit.sequence for commit in commits if any(isinstance(e, Erased) and e.final for e in commit.events)
        ]
        return finals[-1] if finals else 0

    async def _entomb(self, wish: Wish, counts: Counts, *, final: bool) -> int:
        command = self._erasing.entomb(uid=wish.uid, erasure=wish.erasure, counts=counts, final=final)
        return (await self._aggregates.execute(command, _context(self._name))).sequence

    async def _projected(self, sequence: int) -> None:
        """Wait until the read models have come to a sequence. Raise `Rejected` if they do not within a second."""
        await self._models.ask(_nothing, Position(self._name, self._log.epoch, sequence))

    async def _message(self, stream: Stream, which: Mapping[str, Any]) -> dict[str, Any] | None:
        found = await self._api(f"STREAM.MSG.GET.{stream.name}", which, gone=True)
        message: dict[str, Any] | None = found["message"] if found else None
        return message

    async def _api(self, call: str, body: Mapping[str, Any], *, gone: bool = False) -> Any:
        """One call of JetStream; None if *gone* is allowed and what it is about is."""
        try:
            return await self._bus.api(call, body)
        except ApiError as error:
            if gone and (error.err_code in GONE or "not found" in str(error)):
                return None
            raise Rejected("unavailable", reason=str(error)) from error


def _data(message: Mapping[str, Any]) -> bytes:
    return base64.b64decode(message.get("data", ""))


async def forget_everywhere(bus: Bus, uid: str, busy_for: float = 0.0, *, destroyed: bool = False) -> None:
    await bus.publish(FORGOTTEN, msgspec.json.encode(Forgotten(uid, busy_for, destroyed)))


async def carry_out(place: Workplace, pending: Pending, services: Sequence[str]) -> Mapping[str, Counts]:
    """Erase a person from all *services* and destroy their key. Raise `Rejected` when a service cannot be reached."""
    wish = Wish(pending.uid, pending.erasure)
    counts = {service: await _ask(place.bus, service, wish) for service in services}
    await place.vault.destroy(pending.uid)
    await forget_everywhere(place.bus, pending.uid, destroyed=True)
    for service in services:  # what the key that is gone has sealed meanwhile
        await _ask(place.bus, service, msgspec.structs.replace(wish, again=True))
    await forget_everywhere(place.bus, pending.uid, destroyed=True)
    return counts


async def erasing(
    place: Workplace,
    services: Sequence[str],
    waiting: Callable[[Any], Awaitable[Sequence[Pending]]],
    certify: Callable[[Pending, Mapping[str, Counts]], Command],
) -> None:
    """Carry out what people asked for, one after the other. For ever; a service that is away is asked again."""
    while True:
        try:
            pending, _ = await place.models.ask(waiting)
        except Rejected as refusal:
            log.warning("erasures wait", code=refusal.code)
            pending = ()
        for each in pending:
            try:
                await _certified(place, each, services, certify)
            except Rejected as refusal:
                log.warning("an erasure waits", uid=each.uid, code=refusal.code, details=refusal.details)
        await asyncio.sleep(LOOK_SECONDS)


async def _certified(
    place: Workplace,
    pending: Pending,
    services: Sequence[str],
    certify: Callable[[Pending, Mapping[str, Counts]], Command],
) -> None:
    """Not again for who has the certificate already, though the read model may not know: their new key stays."""
    state: Erasure = await place.aggregates.state(erased_key(pending.uid))
    if state.certified == pending.erasure:
        return
    counts = await carry_out(place, pending, services)
    await place.aggregates.execute(certify(pending, counts), _context("erasure"))
    log.info("a person was erased", uid=pending.uid, erasure=pending.erasure)


async def _ask(bus: Bus, service: str, wish: Wish) -> Counts:
    while True:
        reply = await bus.request(f"erase.{service}", msgspec.json.encode(wish), timeout=ASK_SECONDS)
        answer = msgspec.json.decode(reply.data, type=Answer)
        if answer.error is not None:
            raise Rejected(answer.error.code, service=service)
        counts = msgspec.json.decode(answer.value, type=Counts | None)
        if counts is not None:
            return counts


def _context(service: str) -> Context:
    id = secrets.token_hex(16)
    return Context(actor=f"system:{service}", now=datetime.now(UTC), command_id=id, correlation_id=id)


async def _nothing(db: object) -> None:
    return None
