"""The HTTP door: calls, guest tokens, documents and health; what fails is an RFC 9457 problem."""

import base64
import hashlib
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import Annotated

import msgspec
import structlog
from aiohttp import hdrs, web
from msgspec import Meta, Raw, Struct
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from events import telemetry
from events.contracts.library import Import
from events.messages import AFTER, NO_NUL, POSITION, Query, Rejected, Report, invalid
from gateway import limits, metrics
from gateway.addresses import address_of
from gateway.auth import display_name
from gateway.catalogue import Function, canonical
from gateway.clock import utc
from gateway.desk import Desk
from gateway.documents import asyncapi, openapi
from gateway.errors import problem, retry_after
from gateway.exports import Exports
from gateway.health import Health
from gateway.identity import Identity
from gateway.imports import Imports, Taken
from gateway.limits import Buckets
from gateway.rights import NO_SOCKET
from gateway.streams import Streams
from gateway.websocket import Sockets

WEB = Path(__file__).with_name("web")
JSON = "application/json"
PROBLEM = "application/problem+json"
PREFLIGHT_SECONDS = 600
HEADERS_IN = f"Authorization, Content-Type, Idempotency-Key, If-None-Match, Last-Event-ID, {AFTER}, traceparent"
HEADERS_OUT = f"ETag, Retry-After, {POSITION}"
KINDS = {".html": "text/html", ".js": "text/javascript", ".css": "text/css"}
PAGES = {"/": WEB / "index.html", "/docs": WEB / "docs.html"} | {
    f"/{file.relative_to(WEB)}": file for file in sorted(WEB.rglob("*")) if file.suffix in (".js", ".css")
}
"""What the gateway shows to a browser, by path."""
PAGE_HEADERS: dict[str, str] = {
    # Films come from anywhere, and from the viewer's own disk; everything else is ours.
    "Content-Security-Policy": "default-src 'self'; media-src * blob: data:; connect-src 'self'; img-src 'self' data:; "
    "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'self'",
    # Where a film comes from need not learn which party it is for.
    "Referrer-Policy": "no-referrer",
    hdrs.CACHE_CONTROL: "no-cache",
}

log = structlog.get_logger("http")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

NOTHING = Raw(b"null")

_encoder = msgspec.json.Encoder()


class GuestRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Who wants to be a guest."""

    name: Annotated[str, Meta(min_length=1, max_length=limits.GUEST_NAME_CHARS, pattern=NO_NUL)]


class GuestAnswer(Struct, frozen=True):
    """A guest's token: `user` is the id that others see."""

    token: str
    user: str
    expires: datetime


class Http:
    """Everything that is not the socket itself."""

    def __init__(self, desk: Desk, sockets: Sockets, streams: Streams, health: Health) -> None:
        self._desk = desk
        self._sockets = sockets
        self._streams = streams
        self._exports = Exports(desk)
        self._imports = Imports(desk)
        self._health = health
        self._callers = Buckets(desk.settings.calls_per_second, desk.settings.calls_per_second * 2)
        self._guests = Buckets(desk.settings.guests_per_second, limits.GUESTS_BURST)
        self._openapi = _encoder.encode(openapi(desk.catalogue, GuestRequest, GuestAnswer))
        self._asyncapi = _encoder.encode(asyncapi(desk.catalogue))

    def app(self) -> web.Application:
        app = web.Application(client_max_size=limits.BODY_BYTES, middlewares=[self._answer_errors])
        app.on_response_prepare.append(self._add_headers)
        app.add_routes(
            [
                web.get("/v1/ws", self._sockets.handle, allow_head=False),
                web.post("/v1/call/{function}", self._call),
                web.get("/v1/call/{function}", self._fetch, allow_head=False),
                web.get("/v1/watch/{function}", self._watch, allow_head=False),
                web.get("/v1/export", self._export, allow_head=False),
                web.post("/v1/import/{format}", self._import),
                web.post("/v1/guest", self._guest),
                web.get("/healthz", self._healthz),
                web.get("/readyz", self._readyz),
                web.get("/metrics", self._metrics),
                web.get("/openapi.json", self._document(lambda: self._openapi)),
                web.get("/asyncapi.json", self._document(lambda: self._asyncapi)),
                *(web.get(path, _page(file)) for path, file in PAGES.items()),
            ]
        )
        return app

    # Calls.

    async def _call(self, request: web.Request) -> web.StreamResponse:
        function = self._desk.catalogue.function(request.match_info["function"])
        who = await self._who(request, function)
        body = await _json_body(request, getattr(function.type, "largest", 0))
        arguments = function.decode(body)
        with telemetry.span(f"http {function.name}", request.headers):
            if isinstance(arguments, Report):
                await self._desk.reports.take(who, NO_SOCKET, arguments)
                return _value(NOTHING, None)
            if isinstance(arguments, Query):
                answer = await self._desk.calls.query(who, function, body, request.headers.get(AFTER))
            else:
                answer = await self._desk.calls.command(who, function, arguments, body, _key(request))
        return _value(answer.value, answer.position)

    async def _fetch(self, request: web.Request) -> web.StreamResponse:
        function, query = self._asked(request)
        who = await self._who(request, function)
        after = request.headers.get(AFTER)
        with telemetry.span(f"http {function.name}", request.headers):
            answer = await self._desk.calls.query(who, function, canonical(query), after)
        tag = _etag(answer.value)
        headers = {hdrs.ETAG: tag, POSITION: answer.position}
        if _knows(request, tag):
            return web.Response(status=304, headers=headers)
        return _value(answer.value, answer.position, headers)

    def _asked(self, request: web.Request) -> tuple[Function, Query]:
        function = self._desk.catalogue.function(request.match_info["function"])
        if not function.is_query:
            raise Rejected("method-not-allowed", allow="POST")
        for name in request.query:
            if len(request.query.getall(name)) > 1:
                raise Rejected("invalid-argument", field=name, reason="Given more than once")
        query = function.from_text(dict(request.query))
        assert isinstance(query, Query)
        return function, query

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        function, query = self._asked(request)
        return await self._streams.handle(request, await self._who(request, function), function, query)

    async def _export(self, request: web.Request) -> web.StreamResponse:
        return await self._exports.handle(request, await self._who(request))

    async def _import(self, request: web.Request) -> web.StreamResponse:
        who = await self._who(request)
        with telemetry.span("http import", request.headers):
            answer = await self._imports.handle(request, who, _key(request))
        started = msgspec.json.decode(answer.value, type=Import)
        return _json(_encoder.encode(Taken(started.import_id, answer.position)), 202)

    # Guests.

    async def _guest(self, request: web.Request) -> web.StreamResponse:
        if not self._desk.settings.guests:
            raise Rejected("guests-off")
        self._guests.take(address_of(request, self._desk.settings.trusted_hops), self._desk.clock.now())
        try:
            wish = msgspec.json.decode(await _json_body(request), type=GuestRequest)
        except msgspec.ValidationError as error:
            raise invalid("invalid-argument", error) from error
        except (ValueError, RecursionError) as error:
            raise Rejected("invalid-json", reason=str(error)) from error
        name = display_name(wish.name)
        if not name:
            raise Rejected("invalid-argument", field="name", reason="Expected a name that can be shown")
        token, identity = self._desk.guests.admit(name)
        metrics.guests.inc()
        return _json(_encoder.encode(GuestAnswer(token, identity.uid, utc(identity.expires))))

    # Who is asking.

    async def _who(self, request: web.Request, function: Function | None = None) -> Identity:
        scheme, _, token = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
        if not token or scheme.lower() != "bearer":
            raise Rejected("not-signed-in")
        identity = await self._desk.identify(token.strip(), function.name if function else "")
        self._callers.take(identity.uid, self._desk.clock.now())
        return identity._replace(address=address_of(request, self._desk.settings.trusted_hops))

    # Documents and health.

    def _document(self, body: Callable[[], bytes]) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            return _json(body())

        return handle

    async def _healthz(self, request: web.Request) -> web.StreamResponse:
        return _json(b'{"ok":true}')

    async def _readyz(self, request: web.Request) -> web.StreamResponse:
        found = await self._health.check()
        return _json(_encoder.encode(found), 200 if found.ready else 503)

    async def _metrics(self, request: web.Request) -> web.StreamResponse:
        metrics.clock_uncertainty.set(self._desk.clock.uncertainty or 0.0)
        return web.Response(body=generate_latest(), headers={hdrs.CONTENT_TYPE: CONTENT_TYPE_LATEST})

    # What surrounds every request.

    @web.middleware
    async def _answer_errors(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            if request.method == hdrs.METH_OPTIONS and hdrs.ACCESS_CONTROL_REQUEST_METHOD in request.headers:
                return self._preflight(request)
            return await handler(request)
        except Rejected as error:
            return _problem(error)
        except web.HTTPException as error:
            if error.status < 400:
                raise
            return _problem(_translated(error))
        except Exception:
            log.exception("request failed", path=request.path)
            return _problem(Rejected("internal"))

    def _preflight(self, request: web.Request) -> web.Response:
        if not self._allowed(request):
            raise Rejected("origin-not-allowed")
        return web.Response(
            status=204,
            headers={
                hdrs.ACCESS_CONTROL_ALLOW_METHODS: "GET, POST",
                hdrs.ACCESS_CONTROL_ALLOW_HEADERS: HEADERS_IN,
                hdrs.ACCESS_CONTROL_MAX_AGE: str(PREFLIGHT_SECONDS),
            },
        )

    async def _add_headers(self, request: web.Request, response: web.StreamResponse) -> None:
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers[hdrs.SERVER] = "matinee"
        origin = request.headers.get(hdrs.ORIGIN)
        if origin is None or response.status == 101:
            return
        response.headers.add(hdrs.VARY, hdrs.ORIGIN)
        if self._allowed(request):
            response.headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = origin
            response.headers[hdrs.ACCESS_CONTROL_EXPOSE_HEADERS] = HEADERS_OUT

    def _allowed(self, request: web.Request) -> bool:
        return self._desk.origins.allows(request.headers.get(hdrs.ORIGIN), request.headers.get(hdrs.HOST))


async def _json_body(request: web.Request, largest: int = 0) -> bytes:
    """The body; none at all means no arguments. *largest*: if it may be larger than others."""
    body = await (request.clone(client_max_size=largest) if largest else request).read()
    if not body:
        return b"{}"
    if request.content_type != JSON:
        raise Rejected("unsupported-media-type", content_type=request.content_type)
    return body


def _key(request: web.Request) -> str | None:
    key = request.headers.get("Idempotency-Key")
    if key is not None and not 0 < len(key) <= limits.TEXT_CHARS:
        raise Rejected("invalid-argument", field="Idempotency-Key", reason="Expected 1 to 128 characters")
    return key


def _value(value: Raw, position: str | None, headers: dict[str, str] | None = None) -> web.Response:
    body = b"".join((b'{"value":', value, b',"position":', _encoder.encode(position), b"}"))
    return _json(
        body, headers={hdrs.CACHE_CONTROL: "private, no-cache", hdrs.VARY: hdrs.AUTHORIZATION, **(headers or {})}
    )


def _json(body: bytes, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(body=body, status=status, headers={hdrs.CONTENT_TYPE: JSON, **(headers or {})})


def _knows(request: web.Request, tag: str) -> bool:
    """Whether the client has what this tag names already."""
    known = [part.strip().removeprefix("W/") for part in request.headers.get(hdrs.IF_NONE_MATCH, "").split(",")]
    return tag in known or "*" in known


def _etag(value: bytes | Raw) -> str:
    digest = hashlib.blake2b(value, digest_size=15).digest()
    return f'"{base64.b32encode(digest).decode().lower()}"'


def _problem(error: Rejected) -> web.Response:
    told = problem(error)
    headers = {hdrs.CONTENT_TYPE: PROBLEM, hdrs.CACHE_CONTROL: "no-store"}
    if told.status == 401:
        headers[hdrs.WWW_AUTHENTICATE] = 'Bearer realm="matinee"'
    if told.status == 426:
        headers[hdrs.UPGRADE] = "websocket"
    if "allow" in error.details:
        headers[hdrs.ALLOW] = str(error.details["allow"])
    if (seconds := retry_after(error)) is not None:
        headers[hdrs.RETRY_AFTER] = str(seconds)
    return web.Response(body=_encoder.encode(told), status=told.status, headers=headers)


_TRANSLATED = {404: "not-found", 405: "method-not-allowed", 413: "body-too-large", 426: "upgrade-required"}


def _translated(error: web.HTTPException) -> Rejected:
    """What aiohttp itself refused."""
    code = _TRANSLATED.get(error.status, "internal" if error.status >= 500 else "bad-request")
    if isinstance(error, web.HTTPMethodNotAllowed):
        return Rejected(code, allow=", ".join(sorted(error.allowed_methods)))
    return Rejected(code)


def _page(file: Path) -> Handler:
    """A file of `web/`, read once."""
    body = file.read_bytes()
    headers = {**PAGE_HEADERS, hdrs.ETAG: _etag(body), hdrs.CONTENT_TYPE: f"{KINDS[file.suffix]}; charset=utf-8"}

    async def handle(request: web.Request) -> web.StreamResponse:
        if _knows(request, headers[hdrs.ETAG]):
            return web.Response(status=304, headers=headers)
        return web.Response(body=body, headers=headers)

    return handle
