"""An issuer's public keys: fetched when needed, kept for minutes, and the last good ones for as long as it takes."""

import asyncio
import re
import warnings
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, NamedTuple
from urllib.parse import unquote_to_bytes

import aiohttp
import msgspec
import structlog
from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import ECKey, JWKRegistry, OctKey, OKPKey, RSAKey

from events.messages import Rejected
from gateway import limits
from gateway.issuers import Issuer, is_safe

Key = ECKey | OKPKey | OctKey | RSAKey

log = structlog.get_logger("keys")

LONGEST = 600.0
SHORTEST = 60.0
GAP = 30.0
"""Seconds between two fetches, however many unknown key ids or failures there are."""
MOST_KEYS = 64
PUBLIC = ("RSA", "EC", "OKP")
RSA_BITS = 2048

_MAX_AGE = re.compile(r"max-age=(\d{1,9})")
_TYPES = {"RS": "RSA", "PS": "RSA", "ES": "EC", "Ed": "OKP", "HS": "oct"}

# The names `EdDSA` and `Ed25519` mean the same to us; settings choose them, so no warning is of use here.
warnings.filterwarnings("ignore", category=SecurityWarning, module="joserfc")


class Unfetched(Exception):
    """The document could not be had, or is not one."""


class Document(NamedTuple):
    """A fetched JSON document and for how long it may be kept."""

    body: Any
    seconds: float


Fetch = Callable[[str], Awaitable[Document]]


class Keys:
    """The keys of one issuer and of no other: shared by key id, one issuer's keys would check another's tokens."""

    def __init__(self, issuer: Issuer, fetch: Fetch, now: Callable[[], float]) -> None:
        self._issuer = issuer
        self._fetch = fetch
        self._now = now
        self._lock = asyncio.Lock()
        self._keys: tuple[Key, ...] = _fixed(issuer)
        self._remote = not self._keys
        self._until = 0.0
        self._tried = float("-inf")
        self.healthy = True
        """Whether the last fetch succeeded."""

    async def find(self, kid: str | None, algorithm: str) -> Key:
        """Raise `Rejected` when no key fits, or none can be had."""
        if self._remote and self._now() >= self._until:
            await self._refresh(lambda: self._now() >= self._until)
        key = self._match(kid, algorithm)
        if key is None and self._remote:
            await self._refresh(lambda: self._match(kid, algorithm) is None)
            key = self._match(kid, algorithm)
        if key is None:
            if self._remote and not self._keys and not self.healthy:
                raise Rejected("issuer-unavailable", issuer=self._issuer.issuer)
            raise Rejected("token-invalid", reason="unknown-key")
        return key

    def _match(self, kid: str | None, algorithm: str) -> Key | None:
        fitting = [key for key in self._keys if _fits(key, algorithm)]
        if kid is not None and self._remote_or_named():
            return next((key for key in fitting if key.kid == kid), None)
        return fitting[0] if len(fitting) == 1 else None

    def _remote_or_named(self) -> bool:
        # A single fixed key (a PEM, a secret) has no id to compare with.
        return self._remote or self._issuer.jwks is not None

    async def _refresh(self, needed: Callable[[], bool]) -> None:
        async with self._lock:
            if not needed() or self._now() < self._tried + GAP:
                return
            self._tried = self._now()
            try:
                document = await self._fetch(await self._location())
                self._keys = _public(document.body)
            except (Unfetched, TimeoutError) as error:
                self.healthy = False
                log.warning("keys not fetched", issuer=self._issuer.issuer, reason=str(error) or "timeout")
                return
            self.healthy = True
            self._until = self._now() + min(max(document.seconds, SHORTEST), LONGEST)

    async def _location(self) -> str:
        if isinstance(self._issuer.jwks, str):
            return self._issuer.jwks
        assert self._issuer.discovery is not None
        document = await self._fetch(self._issuer.discovery)
        if not isinstance(document.body, dict) or document.body.get("issuer") != self._issuer.issuer:
            raise Unfetched("the discovery document is of another issuer")
        location = document.body.get("jwks_uri")
        if not isinstance(location, str) or not is_safe(location):
            raise Unfetched("the discovery document names no usable jwks_uri")
        return location


def fetcher(session: aiohttp.ClientSession) -> Fetch:
    """Fetch bounded JSON documents: no redirects, a size limit, a time limit."""
    timeout = aiohttp.ClientTimeout(total=limits.JWKS_SECONDS)

    async def fetch(url: str) -> Document:
        try:
            async with session.get(url, allow_redirects=False, timeout=timeout) as response:
                if response.status != 200:
                    raise Unfetched(f"{url} answered {response.status}")
                if response.content_type not in ("application/json", "application/jwk-set+json"):
                    raise Unfetched(f"{url} is {response.content_type}, not JSON")
                text = await response.content.read(limits.JWKS_BYTES + 1)
                if len(text) > limits.JWKS_BYTES or not response.content.at_eof():
                    raise Unfetched(f"{url} is larger than {limits.JWKS_BYTES} bytes")
                return Document(msgspec.json.decode(text), _max_age(response.headers.get("Cache-Control", "")))
        except (aiohttp.ClientError, OSError, ValueError, RecursionError) as error:
            raise Unfetched(f"{url}: {str(error) or type(error).__name__}") from error

    return fetch


def _max_age(header: str) -> float:
    found = _MAX_AGE.search(header)
    return float(found.group(1)) if found else LONGEST


def _fixed(issuer: Issuer) -> tuple[Key, ...]:
    """Keys that the settings hold themselves."""
    try:
        if issuer.secret is not None:
            return (OctKey.import_key(issuer.secret),)
        if issuer.pem is not None:
            return (JWKRegistry.import_key(issuer.pem, _TYPES[issuer.algorithms[0][:2]]),)
        if isinstance(issuer.jwks, str) and issuer.jwks.startswith("data:"):
            return _public(msgspec.json.decode(_data(issuer.jwks)))
        return _public(issuer.jwks) if issuer.jwks is not None and not isinstance(issuer.jwks, str) else ()
    except (JoseError, Unfetched) as error:
        raise ValueError(f"issuer {issuer.issuer}: its keys cannot be read") from error


def _data(url: str) -> bytes:
    head, comma, payload = url.partition(",")
    if not comma:
        raise Unfetched("not a data: URL")
    text = unquote_to_bytes(payload)
    return msgspec.json.decode(b'"' + text + b'"', type=bytes) if head.endswith(";base64") else text


def _public(document: Any) -> tuple[Key, ...]:
    entries = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        raise Unfetched("not a key set")
    return tuple(_readable(entries[:MOST_KEYS]))


def _readable(entries: Iterable[Any]) -> Iterable[Key]:
    """The keys that we understand: one of a new kind must not make the others useless."""
    for entry in entries:
        try:
            if isinstance(entry, dict) and entry.get("kty") in PUBLIC and entry.get("use", "sig") == "sig":
                yield JWKRegistry.import_key(entry)
        except (JoseError, ValueError, TypeError, KeyError) as error:
            log.warning("key passed over", reason=type(error).__name__)


def _fits(key: Key, algorithm: str) -> bool:
    stated = key.alg
    if stated is not None and stated != algorithm and {stated, algorithm} != {"EdDSA", "Ed25519"}:
        return False
    if isinstance(key, RSAKey) and key.public_key.key_size < RSA_BITS:
        return False
    return key.key_type == _TYPES[algorithm[:2]]
