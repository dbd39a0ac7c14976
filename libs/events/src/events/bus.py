"""The one wrapped NATS client: requests, subscriptions and the few JetStream calls that Matinee uses.

nats-py's own `publish_async`, ordered consumer, `fetch`, `flush` and `drain` each lose messages or hang in ways that
were reproduced, so nothing here calls them, and nothing outside this file imports nats.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import msgspec
import structlog
from msgspec import Struct
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError

from events.messages import Rejected

__all__ = ["Ack", "ApiError", "Bus", "Msg", "Subscription", "TimedOut", "Unavailable", "header_block"]

T = TypeVar("T")
Handler = Callable[[Msg], Awaitable[None]]

log = structlog.get_logger("bus")

CONNECT_TIMEOUT = 2
RECONNECT_WAIT = 0.25
PING_INTERVAL = 10
NOBODY = "503"
"""The status with which the server answers a request that nobody listens for."""


class Unavailable(Rejected):
    """Nobody is there to answer, or the connection is down: the request was not carried out."""

    def __init__(self, **details: Any) -> None:
        super().__init__("unavailable", **details)


class TimedOut(Rejected):
    """No answer in time: the request may or may not have been carried out."""

    def __init__(self, **details: Any) -> None:
        super().__init__("timeout", **details)


class ApiError(Exception):
    """JetStream's own refusal."""

    def __init__(self, code: int, err_code: int, description: str) -> None:
        super().__init__(f"{description} ({code}/{err_code})")
        self.code = code
        self.err_code = err_code


class _Error(Struct):
    code: int = 0
    err_code: int = 0
    description: str = ""


class Ack(Struct):
    """JetStream stored a message, or says why not."""

    seq: int = 0
    stream: str = ""
    duplicate: bool = False
    error: _Error | None = None


_ack = msgspec.json.Decoder(Ack)


def header_block(raw: bytes) -> dict[str, str]:
    """The headers of a stored message as the API returns them, status line first."""
    return _Client._parse_header_lines(raw.partition(b"\r\n")[2])


class _Client(Client):
    """Parses headers with a third of nats-py's work: ours are `Name: value`, ASCII names, no folding."""

    @staticmethod
    def _parse_header_lines(raw: bytes) -> dict[str, str]:
        headers = {}
        for line in raw.decode("utf-8", "replace").split("\r\n"):
            name, colon, value = line.partition(":")
            if colon:
                headers[name] = value.strip()
        return headers


class Bus:
    """A connection. Coroutines may share it; call `close` when the intake has stopped and the tasks have ended."""

    def __init__(self, client: Client, user: str) -> None:
        self._client = client
        self._user = user
        self._reconnected: list[Callable[[], None]] = []
        self._lost = asyncio.Event()
        self._closing = False
        self._inbox = ""
        self._asked = 0
        self._replies: dict[str, tuple[asyncio.Future[Msg], Callable[[Msg], bool] | None]] = {}
        """What is waited for, by the last token of its address."""

    @classmethod
    async def connect(cls, url: str, user: str, *, patience: float = 30.0) -> "Bus":
        """Connect to any of the comma-separated *url*s, trying for *patience* seconds.

        Later disconnections are repaired for ever. Nothing is buffered meanwhile: a publish during one fails at once,
        where nats-py's default would store it after the caller has given up.
        """
        client = _Client()
        bus = cls(client, user)
        deadline = asyncio.get_running_loop().time() + patience
        while True:
            try:
                await client.connect(
                    servers=url.split(","),
                    name=user,
                    inbox_prefix=f"_INBOX_{user}".encode(),
                    allow_reconnect=True,
                    max_reconnect_attempts=-1,
                    reconnect_time_wait=RECONNECT_WAIT,  # type: ignore[arg-type]  # sleeps for it, any number does
                    connect_timeout=CONNECT_TIMEOUT,
                    ping_interval=PING_INTERVAL,
                    pending_size=-1,
                    error_cb=bus._on_error,
                    disconnected_cb=bus._on_disconnect,
                    reconnected_cb=bus._on_reconnect,
                    closed_cb=bus._on_closed,
                )
                bus._inbox = f"{client.new_inbox()}."
                await client.subscribe(f"{bus._inbox}*", cb=bus._on_reply)
                return bus
            except (OSError, NatsError, TimeoutError) as error:
                if asyncio.get_running_loop().time() > deadline:
                    raise Unavailable(server="nats", reason=str(error) or type(error).__name__) from error
                await asyncio.sleep(RECONNECT_WAIT)

    @property
    def connected(self) -> bool:
        return bool(self._client.is_connected)

    @property
    def lost(self) -> asyncio.Event:
        """Set when the client has given up for good; the process should end and be started again."""
        return self._lost

    def on_reconnect(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call *callback* after each repaired disconnection: whatever was published meanwhile was missed.

        Return what ends that.
        """
        self._reconnected.append(callback)
        return lambda: self._reconnected.remove(callback)

    def inbox(self) -> str:
        return self._client.new_inbox()

    async def publish(
        self, subject: str, payload: bytes, headers: Mapping[str, str] | None = None, reply: str = ""
    ) -> None:
        """Hand a message to the server, at most once. Raise `Unavailable` while disconnected."""
        if not self._client.is_connected:
            raise Unavailable(server="nats")
        try:
            await self._client.publish(subject, payload, reply, dict(headers) if headers else None)
        except NatsError as error:
            raise Unavailable(server="nats", reason=str(error)) from error

    async def request(
        self, subject: str, payload: bytes, headers: Mapping[str, str] | None = None, timeout: float = 5.0
    ) -> Msg:
        """Ask and wait. Raise `Unavailable` when nobody listens, `TimedOut` when nobody answers within *timeout* s."""
        if not self._client.is_connected:
            raise Unavailable(server="nats")
        msg: Msg
        with self._reply() as (inbox, answered):
            await self.publish(subject, payload, headers, inbox)
            msg = await _within(timeout, answered, subject)
        if (msg.headers or {}).get("Status") == NOBODY:
            raise Unavailable(subject=subject)
        return msg

    async def subscribe(self, subject: str, handler: Handler, queue: str = "") -> Subscription:
        """Call *handler* with each message, one at a time and in order; one that raises is logged and passed over."""

        async def guarded(msg: Msg) -> None:
            try:
                await handler(msg)
            except Exception:
                log.exception("handler failed", subject=msg.subject)

        return await self._client.subscribe(subject, queue, cb=guarded)

    async def hear_out(self, subscriptions: Sequence[Subscription], asking: Callable[[], Awaitable[object]]) -> None:
        """End subscriptions, but handle first what the server has already sent. *asking* is any request.

        The server stops sending before it answers that; nats-py's own drain may forget what arrives meanwhile.
        """
        with contextlib.suppress(Rejected, ApiError, NatsError):
            for subscription in subscriptions:
                await self._client._send_unsubscribe(subscription._id)
            await asking()
            for subscription in subscriptions:
                await subscription._pending_queue.join()
        for subscription in subscriptions:
            await self.unsubscribe(subscription)

    async def unsubscribe(self, subscription: Subscription) -> None:
        try:
            await subscription.unsubscribe()
        except NatsError as error:
            log.debug("unsubscribed from a dead connection", reason=str(error))

    async def pull(self, subject: str, inbox: str, payload: bytes) -> None:
        """Publish a JetStream pull request whose messages come to *inbox*."""
        await self.publish(subject, payload, reply=inbox)

    async def store(self, subject: str, payload: bytes, headers: Mapping[str, str], timeout: float = 5.0) -> Ack:
        """Publish to a stream and wait for the acknowledgement; raise `ApiError` if JetStream refuses."""
        msg = await self.request(subject, payload, headers, timeout)
        ack = _ack.decode(msg.data)
        if ack.error is not None:
            raise ApiError(ack.error.code, ack.error.err_code, ack.error.description)
        return ack

    async def api(self, subject: str, body: Any = None, timeout: float = 5.0) -> Any:
        """One JetStream API call, `STREAM.INFO.X` without the prefix; raise `ApiError` if it is refused."""
        payload = msgspec.json.encode(body) if body is not None else b""
        msg = await self.request(f"$JS.API.{subject}", payload, timeout=timeout)
        answer = msgspec.json.decode(msg.data)
        if error := answer.get("error"):
            raise ApiError(error.get("code", 0), error.get("err_code", 0), error.get("description", ""))
        return answer

    async def direct(self, stream: str, body: Mapping[str, Any], timeout: float = 5.0) -> list[Msg]:
        """Direct get, `batch` or single: the stored messages in order, without the closing status; empty if none.

        A replica may answer a moment behind its leader; an append's expectation catches that.
        """
        found: list[Msg] = []
        single = "batch" not in body and "multi_last" not in body

        def last(msg: Msg) -> bool:
            if (msg.headers or {}).get("Status") is not None:
                return True
            found.append(msg)
            return single

        with self._reply(last) as (inbox, answered):
            await self.publish(f"$JS.API.DIRECT.GET.{stream}", msgspec.json.encode(body), reply=inbox)
            end = await _within(timeout, answered, stream)
        status = (end.headers or {}).get("Status")
        if status not in (None, "204", "404"):
            raise Unavailable(stream=stream, reason=f"{status} {(end.headers or {}).get('Description', '')}")
        return found

    @contextlib.contextmanager
    def _reply(self, last: "Callable[[Msg], bool] | None" = None) -> "Iterator[tuple[str, asyncio.Future[Msg]]]":
        """An address for answers, and the future of the *last* one (the first, if it does not say).

        All share one subscription: nats-py's own request costs twice as much and can swallow a cancellation.
        """
        self._asked += 1
        token = str(self._asked)
        answered: asyncio.Future[Msg] = asyncio.get_running_loop().create_future()
        self._replies[token] = (answered, last)
        try:
            yield self._inbox + token, answered
        finally:
            del self._replies[token]

    async def _on_reply(self, msg: Msg) -> None:
        expected = self._replies.get(msg.subject[len(self._inbox) :])
        if expected is not None:
            answered, last = expected
            if not answered.done() and (last is None or last(msg)):
                answered.set_result(msg)

    async def close(self) -> None:
        """Close at once: nats-py's drain would take the replies of running handlers with it."""
        self._closing = True
        await self._client.close()

    async def _on_error(self, error: Exception) -> None:
        log.warning("nats error", reason=str(error) or type(error).__name__)

    async def _on_disconnect(self) -> None:
        if not self._closing:
            log.warning("nats disconnected")
        # No answer finds its way back any more; who waits may ask again at once, under the same command id.
        for token, (answered, _) in list(self._replies.items()):
            _give_up(answered, token)

    async def _on_reconnect(self) -> None:
        log.info("nats reconnected")
        for callback in list(self._reconnected):
            callback()

    async def _on_closed(self) -> None:
        self._lost.set()


async def _within(timeout: float, answered: "asyncio.Future[Msg]", asked: str) -> Msg:
    """The answer, or `TimedOut`."""
    loop = asyncio.get_running_loop()
    late = loop.call_later(timeout, _give_up, answered, asked)
    try:
        return await answered
    finally:
        late.cancel()


def _give_up(answered: "asyncio.Future[Msg]", asked: str) -> None:
    if not answered.done():
        answered.set_exception(TimedOut(subject=asked))
