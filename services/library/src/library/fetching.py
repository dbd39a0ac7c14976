"""Asks addons for their manifests: strangers' servers, named by strangers, so nothing that they answer is believed."""

import asyncio
import ipaddress
import socket
import zlib
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple
from urllib.parse import urljoin

import aiohttp
import structlog
from aiohttp.abc import AbstractResolver, ResolveResult
from msgspec import Raw
from msgspec.structs import replace
from yarl import URL

from events.contracts.library import MANIFEST_BYTES, InstallAddon
from events.definition import Preparations
from events.messages import Context, Rejected
from library import metrics
from library.manifest import is_given, transport

SECONDS = 10.0
"""For everything: names, connections, redirects and the answer itself."""
MARGIN_SECONDS = 0.5
"""Before whoever waits has gone, so that they are told what was wrong."""
REDIRECTS = 3
AT_ONCE = 64
"""Fetches of one replica; who comes then is told `busy`."""
KEPT = 32
"""Manifests that were found last, for commands that are sent again."""
CHUNK_BYTES = 16 * 1024
MOVED = frozenset({301, 302, 303, 307, 308})
JSON_TYPES = frozenset(
    {"", "application/json", "text/json", "text/plain", "text/javascript", "application/octet-stream"}
)
"""What hosts of plain files say of a manifest, too."""

TUNNELS = tuple(
    ipaddress.IPv6Network(network)
    for network in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32", "::/96", "fec0::/10", "3fff::/20")
)
"""IPv6 that leads to some IPv4 address, or to a network of one's own; Python calls much of it global."""
RELAYS = ipaddress.IPv4Network("192.88.99.0/24")

Allowed = Callable[[str], bool]

log = structlog.get_logger("fetching")


def is_public(address: str) -> bool:
    """Whether *address* is one of the open internet, and no way into a network behind it."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            return is_public(str(found.ipv4_mapped))
        if found.scope_id is not None or any(found in tunnel for tunnel in TUNNELS):
            return False
    elif found in RELAYS:
        return False
    return found.is_global and not found.is_multicast and not found.is_reserved


def is_any(address: str) -> bool:
    """For who runs addons on the same machine."""
    return True


@asynccontextmanager
async def fetching(private: bool) -> AsyncIterator[Preparations]:
    """What an installation of an addon needs; fetches that are under way end with it."""
    fetches = Fetches(is_any if private else is_public)
    try:
        yield {InstallAddon: fetches.prepare}
    finally:
        await fetches.close()


class _Asked(NamedTuple):
    """By whom, with which command, and where."""

    uid: str
    command_id: str
    url: str


class Fetches:
    """Those under way, and what the last ones found. A command that is sent again waits for the same one."""

    def __init__(self, allowed: Allowed = is_public) -> None:
        self._allowed = allowed
        self._going: dict[_Asked, asyncio.Task[bytes]] = {}
        self._found: OrderedDict[_Asked, bytes] = OrderedDict()

    async def prepare(self, command: InstallAddon, context: Context) -> tuple[InstallAddon, Context]:
        """The command with the manifest, if it came without."""
        if is_given(command.manifest) or not context.actor:
            return command, context
        asked = transport(command.transport_url)
        if not asked.fetchable:
            raise Rejected("bad-transport-url", reason="give its manifest: it cannot be asked for it")
        found = await self._once(_Asked(context.actor, context.command_id, asked.url), context.patience)
        return replace(command, manifest=Raw(found)), context

    async def close(self) -> None:
        going = list(self._going.values())
        for task in going:
            task.cancel()
        await asyncio.gather(*going, return_exceptions=True)

    async def _once(self, asked: _Asked, patience: float) -> bytes:
        if asked in self._found:
            return self._found[asked]
        task = self._going.get(asked)
        if task is None:
            if len(self._going) >= AT_ONCE:
                raise Rejected("busy")
            seconds = min(SECONDS, max(patience - MARGIN_SECONDS, MARGIN_SECONDS)) if patience else SECONDS
            task = self._going[asked] = asyncio.create_task(fetched(asked.url, self._allowed, seconds))
            task.add_done_callback(lambda done: self._done(asked, done))
        return await asyncio.shield(task)

    def _done(self, asked: _Asked, task: "asyncio.Task[bytes]") -> None:
        self._going.pop(asked, None)
        metrics.fetches.labels(_outcome(task)).inc()
        if task.cancelled() or task.exception() is not None:
            return  # looked at, also if nobody waits any more
        self._found[asked] = task.result()
        while len(self._found) > KEPT:
            self._found.popitem(last=False)


def _outcome(task: "asyncio.Task[bytes]") -> str:
    if task.cancelled():
        return "cancelled"
    error = task.exception()
    return "fetched" if error is None else error.code if isinstance(error, Rejected) else "internal"


async def fetched(url: str, allowed: Allowed = is_public, seconds: float = SECONDS) -> bytes:
    """The manifest at *url*, as it came. Raise `Rejected` that repeats nothing of the URL."""
    gate = _Gate(allowed)
    reason = "connection"
    try:
        async with asyncio.timeout(seconds), _session(gate) as session:
            return await _follow(session, gate, url)
    except Rejected:
        raise
    except TimeoutError:
        reason = "timeout"
    except Exception as error:  # noqa: BLE001  # a stranger's server may find a way to any of them
        if gate.refused:
            reason = "private-address"
        elif not isinstance(error, aiohttp.ClientError | OSError | ValueError):
            log.warning("manifest not fetched", reason=type(error).__name__)
    # Raised out here, where no error with the URL in it is still around to be logged.
    if reason == "private-address":
        raise Rejected("private-address")
    raise Rejected("manifest-unreachable", reason=reason)


class _Gate(AbstractResolver):
    """Lets connections through to allowed addresses alone, whatever a name resolves to at this moment."""

    def __init__(self, allowed: Allowed) -> None:
        self._allowed = allowed
        self.refused = False

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """All addresses of a name; one that is not allowed spoils the others."""
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM)
        for *_, address in found:
            self.check(str(address[0]))
        return [
            ResolveResult(
                hostname=host,
                host=str(address[0]),
                port=port,
                family=kind,
                proto=proto,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for kind, _, proto, _, address in found
        ]

    def connect(self, info: tuple[Any, Any, int, str, tuple[Any, ...]]) -> socket.socket:
        """A socket for the address that is really connected to, also if a URL named it by number."""
        self.check(str(info[4][0]))
        return socket.socket(info[0], info[1], info[2])

    def check(self, address: str) -> None:
        if not self._allowed(address):
            self.refused = True
            raise OSError("not an address of the open internet")

    async def close(self) -> None:
        pass


def _session(gate: _Gate) -> aiohttp.ClientSession:
    """Of one fetch: it keeps no cookies and no connections, asks no proxy and unpacks nothing by itself."""
    connector = aiohttp.TCPConnector(
        resolver=gate, socket_factory=gate.connect, use_dns_cache=False, force_close=True, limit=1
    )
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
        auto_decompress=False,
        timeout=aiohttp.ClientTimeout(total=None),
        headers={"Accept": "application/json", "Accept-Encoding": "gzip, deflate", "User-Agent": "matinee"},
    )


class _Elsewhere(NamedTuple):
    url: str


async def _follow(session: aiohttp.ClientSession, gate: _Gate, url: str) -> bytes:
    for _ in range(REDIRECTS + 1):
        answer = await _ask(session, url)
        if isinstance(answer, bytes):
            return answer
        url = _next(url, answer.url)
        gate.refused = False
    raise Rejected("manifest-unreachable", reason="redirects")


async def _ask(session: aiohttp.ClientSession, url: str) -> bytes | _Elsewhere:
    async with session.get(URL(url, encoded=True), allow_redirects=False) as answer:
        if answer.status in MOVED:
            return _Elsewhere(answer.headers.get("Location", ""))
        if answer.status != 200:
            raise Rejected("manifest-unreachable", reason="status", status=answer.status)
        kind = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if kind not in JSON_TYPES and not kind.endswith("+json"):
            raise Rejected("manifest-invalid", errors=["manifest is not sent as JSON"])
        return (await _body(answer)).removeprefix(b"\xef\xbb\xbf")


def _next(url: str, location: str) -> str:
    """Where a redirect leads; a connection that was safe stays so."""
    there = str(URL(urljoin(url, location.strip())))
    scheme = there.partition(":")[0]
    if scheme not in ("http", "https"):
        raise Rejected("manifest-unreachable", reason="redirect")
    if url.startswith("https:") and scheme == "http":
        raise Rejected("manifest-unreachable", reason="downgrade")
    return there


async def _body(answer: aiohttp.ClientResponse) -> bytes:
    """What was sent, unpacked as far as it may be long."""
    unpack = _unpacking(answer.headers.get("Content-Encoding", "").strip().lower())
    body = b""
    async for chunk in answer.content.iter_chunked(CHUNK_BYTES):
        try:
            body += unpack(chunk, MANIFEST_BYTES + 1 - len(body))
        except zlib.error:
            raise Rejected("manifest-invalid", errors=["manifest is not packed as it says"]) from None
        if len(body) > MANIFEST_BYTES:
            raise Rejected("manifest-too-large", limit=MANIFEST_BYTES)
    return body


def _unpacking(encoding: str) -> Callable[[bytes, int], bytes]:
    """A function of (chunk, most bytes to give)."""
    if encoding in ("", "identity"):
        return lambda chunk, most: chunk[:most]
    if encoding in ("gzip", "x-gzip", "deflate"):
        return zlib.decompressobj(zlib.MAX_WBITS | 32).decompress
    raise Rejected("manifest-invalid", errors=["manifest is packed in a way that nobody asked for"])
