"""One socket: carries out what its client asks for, and tells it what comes."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import structlog
from msgspec import Raw

from events.messages import Command, Query, Rejected, Report
from gateway import limits, metrics
from gateway.calls import PASSING
from gateway.catalogue import Function
from gateway.desk import Desk
from gateway.errors import Closing
from gateway.identity import Identity
from gateway.line import Member
from gateway.protocol import (
    Call,
    ClientFrame,
    EndedFrame,
    Follow,
    FrameId,
    Result,
    Send,
    SignIn,
    Time,
    TimeAnswer,
    Track,
    Unfollow,
    Unwatch,
    Watch,
    encode,
    refusal,
    value_frame,
)
from gateway.session import Session, ok
from gateway.watches import Watcher

ABORT_SECONDS = 5.0
"""A socket that does not take its close frame is cut off after this."""
NULL = b"null"
NOTHING = Raw(NULL)

log = structlog.get_logger("connection")


class SocketWatcher(Watcher):
    """A watch on a socket."""

    __slots__ = ("connection", "function", "query", "ref")

    def __init__(self, who: Identity, connection: "Connection", ref: FrameId, function: Function, query: Query) -> None:
        super().__init__(who)
        self.connection = connection
        self.ref = ref
        self.function = function
        self.query = query

    def push(self, tail: bytes, position: str) -> None:
        self.connection.push_value(self, value_frame(self.ref, tail))

    def fail(self, error: Rejected) -> None:
        self.connection.end_watch(self, error)


class Connection:
    """One socket. Idle ones are many, so it has slots and no task of its own."""

    __slots__ = (
        "_address",
        "_desk",
        "_response",
        "_tasks",
        "_transport",
        "closing",
        "heard",
        "number",
        "pinged",
        "session",
        "write",
    )

    def __init__(
        self, desk: Desk, number: int, session: Session, response: Any, transport: asyncio.Transport, address: str
    ) -> None:
        self._address = address
        self._desk = desk
        self._response = response
        self._transport = transport
        self._tasks: set[asyncio.Task[None]] | None = None
        self.number = number
        self.session = session
        self.write = transport.write
        self.heard = asyncio.get_running_loop().time()
        self.pinged = False
        self.closing: asyncio.Task[Any] | None = None

    @property
    def waiting(self) -> int:
        """Bytes that the client has not taken yet."""
        return self._transport.get_write_buffer_size()

    async def receive(self, data: bytes) -> None:
        received = self._desk.clock.now()
        effect = self.session.receive(data, received)
        if isinstance(effect, bytes):
            self.write(effect)
        elif isinstance(effect, Closing):
            self.close(effect)
        elif isinstance(effect, SignIn):
            # The next frame waits for it: whoever sends `auth` and a call together means them in this order.
            await self._sign_in(effect)
        elif isinstance(effect, Time):
            self._tell_time(effect, received)
        else:
            self._carry_out(effect)

    def close(self, closing: Closing) -> None:
        """Say why, then hang up. Nothing more is delivered."""
        if self.closing is not None:
            return
        metrics.closed.labels(closing.reason).inc()
        self.let_go()
        loop = asyncio.get_running_loop()
        self.closing = loop.create_task(
            self._response.close(code=closing.code, message=closing.reason.encode(), drain=False)
        )
        loop.call_later(ABORT_SECONDS, self._transport.abort)

    def let_go(self) -> None:
        """Leave everything that this socket was on."""
        for task in self._tasks or ():
            task.cancel()
        session, desk = self.session, self._desk
        for watcher in (session.watches or {}).values():
            desk.watches.remove(watcher)
        for member in (session.follows or {}).values():
            desk.channels.leave(member)
        if session.identity is not None:
            for name in session.tracked or ():
                desk.rights.untrack(session.identity, self.number, name)
        session.watches = session.follows = session.tracked = None

    # Signing in, and what an expired token means.

    async def _sign_in(self, frame: SignIn) -> None:
        try:
            identity = (await self._desk.identify(frame.token))._replace(address=self._address)
            was_paused = self.session.paused  # the old token may have expired while the new one was looked at
            answer = self.session.signed_in(frame, identity)
        except Rejected as error:
            metrics.sign_ins.labels(error.code).inc()
            self.write(refusal(frame.id, error))
            return
        metrics.sign_ins.labels("ok").inc()
        self.write(answer)
        for member in (self.session.follows or {}).values():
            member.who = identity
        for watcher in (self.session.watches or {}).values():
            watcher.who = identity
        if was_paused:
            self._resume()

    def pause(self) -> None:
        """The token has expired: deliver nothing, forget nothing."""
        for member in (self.session.follows or {}).values():
            self._desk.channels.pause(member)
        for watcher in (self.session.watches or {}).values():
            self._desk.watches.remove(watcher)

    def _resume(self) -> None:
        for member in (self.session.follows or {}).values():
            self._spawn(self._follow_again(member))
        for watcher in (self.session.watches or {}).values():
            self._spawn(self._watch_again(watcher))

    async def _follow_again(self, member: Member) -> None:
        async def follow() -> None:
            await self._desk.channels.follow(member, member.resume)

        error = await self._until_settled(follow, lambda: self._has(member))
        if error is not None and self._has(member):
            self.write(encode(EndedFrame(channel=member.channel, reason=error.code)))
            self.ended(member)

    async def _watch_again(self, watcher: SocketWatcher) -> None:
        async def watch() -> None:
            await self._desk.watches.add(watcher, watcher.function, watcher.query)

        error = await self._until_settled(watch, lambda: watcher.ref in (self.session.watches or {}))
        if error is not None:
            self.end_watch(watcher, error)

    async def _until_settled(
        self, attempt: Callable[[], Coroutine[Any, Any, None]], wanted: Callable[[], bool]
    ) -> Rejected | None:
        """Try until it is done, refused or no longer wanted; return the refusal."""
        while wanted() and not self.session.paused:
            try:
                await attempt()
            except Rejected as error:
                if error.code not in PASSING:
                    return error
                await asyncio.sleep(limits.LEASE_SECONDS / 10)
            else:
                return None
        return None

    # One method per frame.

    def _tell_time(self, frame: Time, received: float) -> None:
        clock = self._desk.clock
        self.write(encode(TimeAnswer(id=frame.id, t0=frame.t0, t1=round(received * 1000, 3), t2=clock.millis())))

    def _carry_out(self, frame: ClientFrame) -> None:
        try:
            _CARRY_OUT[type(frame)](self, frame)
        except Rejected as error:
            self.write(refusal(frame.id, error))

    def _call(self, frame: Call) -> None:
        function = self._desk.catalogue.function(frame.fn)
        arguments = function.decode(frame.args)
        if isinstance(arguments, Report):
            self._report(frame, function, arguments)
            return
        self.session.begin_call(frame.id, function.context, not function.is_query)
        self._spawn(self._answer_call(frame, function, arguments))

    async def _answer_call(self, frame: Call, function: Function, arguments: Command | Query) -> None:
        who, calls = self._who(), self._desk.calls
        try:
            if isinstance(arguments, Query):
                found = await calls.query(who, function, frame.args, frame.after)
            else:
                found = await calls.command(who, function, arguments, frame.args, frame.key)
            answer = encode(Result(id=frame.id, value=found.value, position=found.position))
            if not function.is_query:
                self.session.reached(function.context, found.position, self._desk.clock.now())
        except Rejected as error:
            answer = refusal(frame.id, error)
        except Exception:
            log.exception("call failed", function=function.name)
            answer = refusal(frame.id, Rejected("internal"))
        self.write(answer + self.session.finish_call(frame.id, function.context, not function.is_query))

    def _report(self, frame: Call, function: Function, report: Report) -> None:
        """Whoever follows is answered at once: reports are many."""
        if self._desk.reports.take_if_known(self._who(), self.number, report):
            self.write(encode(Result(id=frame.id, value=NOTHING, position=None)))
        else:
            self.session.begin_call(frame.id, function.context, False)
            self._spawn(self._answer_report(frame, function, report))

    async def _answer_report(self, frame: Call, function: Function, report: Report) -> None:
        try:
            await self._desk.reports.take(self._who(), self.number, report, self._after(function.context))
            answer = encode(Result(id=frame.id, value=NOTHING, position=None))
        except Rejected as error:
            answer = refusal(frame.id, error)
        except Exception:
            log.exception("report failed", function=function.name)
            answer = refusal(frame.id, Rejected("internal"))
        self.session.finish_call(frame.id, function.context, False)
        self.write(answer)

    def _watch(self, frame: Watch) -> None:
        function = self._desk.catalogue.query(frame.fn)
        query = function.decode(frame.args)
        assert isinstance(query, Query)
        watcher = SocketWatcher(self._who(), self, frame.id, function, query)
        if self.session.watches is None:
            self.session.watches = {}
        self.session.watches[frame.id] = watcher
        self._spawn(self._start_watch(watcher))

    async def _start_watch(self, watcher: SocketWatcher) -> None:
        try:
            after = self._after(watcher.function.context)
            await self._desk.watches.add(watcher, watcher.function, watcher.query, after)
        except Rejected as error:
            self.end_watch(watcher, error)

    def _after(self, context: str) -> str | None:
        return self.session.after(context, self._desk.clock.now())

    def _unwatch(self, frame: Unwatch) -> None:
        self._desk.watches.remove(self.session.unwatch(frame.id))
        self.write(ok(frame.id))

    def _follow(self, frame: Follow) -> None:
        member = Member(frame.id, frame.channel, self._who(), self, self.write)
        if self.session.follows is None:
            self.session.follows = {}
        self.session.follows[frame.channel] = member
        self._spawn(self._start_following(member, frame.since))

    async def _start_following(self, member: Member, since: str | None) -> None:
        try:
            context = self._desk.catalogue.channel(member.channel)[0].context
            await self._desk.channels.follow(member, since, self._after(context))
            if not member.may and not self.session.paused:
                raise Rejected("not-following", channel=member.channel)
        except Rejected as error:
            if self._has(member):
                self._forget(member.channel)
            self.write(refusal(member.ref, error))

    def _unfollow(self, frame: Unfollow) -> None:
        follows, tracked = self.session.follows or {}, self.session.tracked or set()
        if frame.channel not in follows and frame.channel not in tracked:
            raise Rejected("not-following", channel=frame.channel)
        if frame.channel in follows:
            self._desk.channels.leave(follows[frame.channel])
        self._forget(frame.channel)
        self.write(ok(frame.id))

    def _track(self, frame: Track) -> None:
        self.session.begin_track(frame.id)
        self._spawn(self._answering(frame.id, self._tracked(frame), self.session.finish_track))

    async def _tracked(self, frame: Track) -> None:
        who, name, desk = self._who(), frame.channel, self._desk
        if bytes(frame.meta) == NULL:
            desk.rights.untrack(who, self.number, name)
            (self.session.tracked or set()).discard(name)
            return
        context = desk.catalogue.channel(name)[0].context
        await desk.rights.track(who, self.number, name, frame.meta, self._after(context))
        if self.session.tracked is None:
            self.session.tracked = set()
        self.session.tracked.add(name)

    def _send(self, frame: Send) -> None:
        after = self._after(self._desk.catalogue.channel(frame.channel)[0].context)
        sending = self._desk.rights.send(
            self._who(), self.number, frame.channel, frame.event, frame.data, frame.to_self, after
        )
        self.session.begin(frame.id)
        self._spawn(self._answering(frame.id, sending, self.session.finish))

    async def _answering(
        self, ref: FrameId, work: Coroutine[Any, Any, None], finish: Callable[[FrameId], None]
    ) -> None:
        """Do it, then say `ok` or why not."""
        try:
            await work
            answer = ok(ref)
        except Rejected as error:
            answer = refusal(ref, error)
        except Exception:
            log.exception("frame failed")
            answer = refusal(ref, Rejected("internal"))
        finish(ref)
        self.write(answer)

    # What channels and watches tell this socket.

    def ended(self, member: Member) -> None:
        """Its right to follow ended, and with it its presence."""
        if self._has(member):
            self._forget(member.channel)

    def push_value(self, watcher: SocketWatcher, frame: bytes) -> None:
        context = watcher.function.context
        already = self.session.holds(context)
        ready = self.session.value(watcher.ref, context, frame)
        if ready is not None:
            self.write(ready)
        elif not already:
            asyncio.get_running_loop().call_later(limits.HOLD_SECONDS, self._release, context)

    def end_watch(self, watcher: SocketWatcher, error: Rejected) -> None:
        if (self.session.watches or {}).get(watcher.ref) is watcher:
            self.session.unwatch(watcher.ref)
            self.write(refusal(watcher.ref, error))

    def _release(self, context: str) -> None:
        held = self.session.release(context)
        if held and self.closing is None:
            self.write(held)

    def _has(self, member: Member) -> bool:
        return (self.session.follows or {}).get(member.channel) is member

    def _forget(self, name: str) -> None:
        (self.session.follows or {}).pop(name, None)
        if self.session.tracked is not None and name in self.session.tracked:
            self.session.tracked.discard(name)
            self._desk.rights.untrack(self._who(), self.number, name)

    def _who(self) -> Identity:
        assert self.session.identity is not None
        return self.session.identity

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        if self._tasks is None:
            self._tasks = set()
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: "asyncio.Task[None]") -> None:
        if self._tasks is not None:
            self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a task of a socket failed", exc_info=error)


_CARRY_OUT: dict[type[ClientFrame], Callable[[Connection, Any], None]] = {
    Call: Connection._call,
    Watch: Connection._watch,
    Unwatch: Connection._unwatch,
    Follow: Connection._follow,
    Unfollow: Connection._unfollow,
    Track: Connection._track,
    Send: Connection._send,
}
