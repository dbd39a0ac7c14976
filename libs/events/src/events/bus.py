"""The one wrapped NATS client: requests, subscriptions and the few JetStream calls that Matinee uses.

nats-py's own `publish_async`, ordered consumer, `fetch`, `flush` and `drain` each lose messages or hang in ways that
were reproduced, so nothing here calls them, and nothing outside this file imports nats.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec
import structlog
from msgspec import Struct
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError
from nats.errors import NoRespondersError

from events.messages import Rejected

__all__ = ["Ack", "ApiError", "Bus", "Msg", "Subscription", "TimedOut", "Unavailable", "header_block"]

T = TypeVar("T")
Handler = Callable[[Msg], Awaitable[None]]

log = structlog.get_logger("bus")

CONNECT_TIMEOUT = 2
RECONNECT_WAIT = 0.25
PING_INTERVAL = 10


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
        cancelled = _cancellations()
        try:
            msg = await self._client.request(subject, payload, timeout, headers=dict(headers) if headers else None)
        except NoRespondersError as error:
            raise Unavailable(subject=subject) from error
        except TimeoutError as error:
            raise TimedOut(subject=subject) from error
        except NatsError as error:
            raise Unavailable(server="nats", reason=str(error)) from error
        if _cancellations() > cancelled:
            # `asyncio.wait_for` of Python 3.11, which nats-py calls, swallows a cancellation that meets the answer.
            raise asyncio.CancelledError
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
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        found: list[Msg] = []
        single = "batch" not in body and "multi_last" not in body

        async def collect(msg: Msg) -> None:
            status = (msg.headers or {}).get("Status")
            if status is None:
                found.append(msg)
            if (single or status is not None) and not done.done():
                if status in (None, "204", "404"):
                    done.set_result(None)
                else:
                    description = (msg.headers or {}).get("Description", "")
                    done.set_exception(Unavailable(stream=stream, reason=f"{status} {description}"))

        if not self._client.is_connected:
            raise Unavailable(server="nats")
        inbox = self.inbox()
        subscription = await self._client.subscribe(inbox, cb=collect)
        try:
            await self.publish(f"$JS.API.DIRECT.GET.{stream}", msgspec.json.encode(body), reply=inbox)
            async with asyncio.timeout(timeout):
                await done
        except TimeoutError as error:
            raise TimedOut(stream=stream) from error
        finally:
            await self.unsubscribe(subscription)
        return found

    async def close(self) -> None:
        """Close at once: nats-py's drain would take the replies of running handlers with it."""
        self._closing = True
        await self._client.close()

    async def _on_error(self, error: Exception) -> None:
        log.warning("nats error", reason=str(error) or type(error).__name__)

    async def _on_disconnect(self) -> None:
        if not self._closing:
            log.warning("nats disconnected")

    async def _on_reconnect(self) -> None:
        log.info("nats reconnected")
        for callback in list(self._reconnected):
            callback()

    async def _on_closed(self) -> None:
        self._lost.set()


def _cancellations() -> int:
    """How often the current task was asked to end."""
    task = asyncio.current_task()
    return task.cancelling() if task is not None else 0
