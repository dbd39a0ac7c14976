"""What an addon says of itself, and where it is: transport URLs as clients write them, and a linter for manifests."""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import SplitResult, quote, urlsplit

import msgspec
from msgspec import Raw

from events.contracts.library import MANIFEST_BYTES, MANIFEST_WARNING_BYTES, Lint
from events.messages import Rejected

NULL = Raw(b"null")

MANIFEST = "/manifest.json"
LEGACY = "/stremio/v1"
"""Ends the URLs of addons that are older than manifests; collections still name some."""
WEB = frozenset({"http", "https"})
PEER_TO_PEER = frozenset({"ipfs", "ipns"})
PORTS = {"http": 80, "https": 443}
HOST_CHARS = 253
IN_A_PATH = "/%:@!$&'()*+,;=~"
IN_A_QUERY = IN_A_PATH + "?"

RESOURCES = frozenset({"catalog", "meta", "stream", "subtitles"})
"""That a linter knows; of any other one it warns."""
HINTS = ("adult", "p2p", "configurable", "configurationRequired")
SEMVER = re.compile(
    r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)"
    r"(-(0|[1-9]\d*|\d*[A-Za-z-][0-9A-Za-z-]*)(\.(0|[1-9]\d*|\d*[A-Za-z-][0-9A-Za-z-]*))*)?"
    r"(\+[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?",
    re.ASCII,
)
NAMED = 10
"""Errors and warnings of one kind that are told; a manifest may have thousands."""
NAME_CHARS = 50

_ESCAPED = re.compile(r"%([0-9A-Fa-f]{2})")
_PLAIN = re.compile(r"[A-Za-z0-9._~-]")
_sorted = msgspec.json.Encoder(order="sorted")


class Transport(NamedTuple):
    """Where an addon is. A secret: the URL may hold credentials."""

    url: str
    """As it is asked, and given back."""
    identity: str
    """The same for all ways to write it."""
    fetchable: bool
    """Whether its manifest can be asked for."""


class Manifest(NamedTuple):
    """A manifest that can be used."""

    text: str
    """As it came, unknown keys included."""
    canonical: str
    """The same for all ways to write it."""
    warnings: list[str]
    needs_configuration: bool


def is_given(manifest: Raw) -> bool:
    return bytes(manifest) != b"null"


# Transport URLs.


def transport(text: str) -> Transport:
    """Read a transport URL; raise `Rejected("bad-transport-url")` that says why and repeats nothing of it."""
    text = text.strip()
    if any(c <= " " or c in "\\\x7f" for c in text):
        raise _bad("blanks, control characters and backslashes have to be percent-encoded")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise _bad("not a URL") from None
    scheme = "https" if parts.scheme == "stremio" else parts.scheme
    if scheme in PEER_TO_PEER:
        return _peer_to_peer(scheme, parts)
    if scheme not in WEB:
        raise _bad("expected https, http or stremio")
    _check_path(parts.path, (MANIFEST, LEGACY))
    place = f"{scheme}://{_place(parts, None if port == PORTS[scheme] else port)}"
    path, query = quote(parts.path, safe=IN_A_PATH), quote(parts.query, safe=IN_A_QUERY)
    rest = f"{path}?{query}" if query else path
    return Transport(place + rest, place + _settled(rest), path.endswith(MANIFEST))


def _peer_to_peer(scheme: str, parts: SplitResult) -> Transport:
    if not parts.netloc:
        raise _bad("no host")
    _check_path(parts.path, (MANIFEST,))
    url = f"{scheme}://{parts.netloc}{quote(parts.path, safe=IN_A_PATH)}"
    return Transport(url, _settled(url), False)


def _check_path(path: str, ends: tuple[str, ...]) -> None:
    if not path.endswith(ends):
        raise _bad("expected a path that ends in /manifest.json")
    if {".", ".."} & set(path.split("/")):
        raise _bad("the path goes up and down")


def _place(parts: SplitResult, port: int | None) -> str:
    """Credentials, host and port, in one way to write them."""
    try:
        host = (parts.hostname or "").encode("idna" if not (parts.hostname or "").isascii() else "ascii").decode()
    except UnicodeError:
        raise _bad("the host is none") from None
    host = host.removesuffix(".")
    if not 0 < len(host) <= HOST_CHARS or "%" in host:
        raise _bad("the host is none")
    user, at, _ = parts.netloc.rpartition("@")
    shown = f"[{host}]" if ":" in host else host
    return f"{quote(user, safe=IN_A_PATH)}{at}{shown}{f':{port}' if port is not None else ''}"


def _settled(text: str) -> str:
    """Percent-encoded where it must be and nowhere else, in capitals."""

    def settle(match: re.Match[str]) -> str:
        character = chr(int(match[1], 16))
        return character if _PLAIN.fullmatch(character) else match[0].upper()

    return _ESCAPED.sub(settle, text)


def _bad(reason: str) -> Rejected:
    return Rejected("bad-transport-url", reason=reason)


# Manifests.


def read(raw: bytes) -> Manifest:
    """Read a manifest. Raise `Rejected` with `manifest-too-large`, or with `manifest-invalid` and what is wrong."""
    text = raw.strip()
    if len(text) > MANIFEST_BYTES:
        raise Rejected("manifest-too-large", limit=MANIFEST_BYTES, bytes=len(text))
    try:
        value = msgspec.json.decode(text)
        canonical = _sorted.encode(value).decode()
        manifest = text.decode()
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise Rejected("manifest-invalid", errors=["manifest is not JSON"]) from None
    found = lint(value)
    if found.errors:
        raise Rejected("manifest-invalid", errors=found.errors)
    hints = value.get("behaviorHints") or {}
    return Manifest(manifest, canonical, found.warnings, hints.get("configurationRequired") is True)


def examined(raw: bytes) -> Lint:
    """What a linter says, also of what is no JSON at all."""
    try:
        return Lint(True, [], read(raw).warnings)
    except Rejected as refusal:
        if refusal.code == "manifest-too-large":
            return Lint(False, [f"manifest is larger than {MANIFEST_BYTES} bytes"], [])
        errors: list[str] = refusal.details["errors"]
        return Lint(False, errors, _warnings_of(raw))


def _warnings_of(raw: bytes) -> list[str]:
    try:
        return lint(msgspec.json.decode(raw)).warnings
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return []


def lint(manifest: Any) -> Lint:
    """The official linter's errors, which keep an addon from working, and its warnings."""
    if not isinstance(manifest, dict):
        return Lint(False, ["manifest must be an object"], [])
    errors = [*_members(manifest), *_catalogs(manifest.get("catalogs")), *_hints(manifest.get("behaviorHints"))]
    return Lint(not errors, errors, [*_resources(manifest.get("resources")), *_size(manifest)])


def _members(manifest: dict[str, Any]) -> Iterator[str]:
    for name in ("id", "name"):
        if not isinstance(manifest.get(name), str):
            yield f"manifest.{name} must be a string"
    version = manifest.get("version")
    if not isinstance(version, str) or SEMVER.fullmatch(version) is None:
        yield "manifest.version must be a valid semantic version"
    for name in ("types", "resources", "catalogs"):
        if not isinstance(manifest.get(name), list):
            yield f"manifest.{name} must be an array"
    for name in ("idPrefixes", "addonCatalogs", "config"):
        if not isinstance(manifest.get(name), list | None):
            yield f"manifest.{name} must be an array"
    if isinstance(types := manifest.get("types"), list) and not all(isinstance(each, str) for each in types):
        yield "manifest.types must be an array of strings"


def _catalogs(catalogs: Any) -> Iterator[str]:
    wrong = 0
    for number, catalog in enumerate(catalogs if isinstance(catalogs, list) else ()):
        for error in _catalog(f"manifest.catalogs[{number}]", catalog):
            wrong += 1
            if wrong <= NAMED:
                yield error


def _catalog(place: str, catalog: Any) -> Iterator[str]:
    if not isinstance(catalog, dict):
        yield f"{place} must be an object"
        return
    for name in ("id", "type"):
        if not isinstance(catalog.get(name), str):
            yield f"{place}.{name} must be a string"
    for name in ("extra", "extraSupported", "extraRequired"):
        if not isinstance(catalog.get(name), list | None):
            yield f"{place}.{name} must be an array"
    extra = catalog.get("extra")
    for number, each in enumerate(extra if isinstance(extra, list) else ()):
        if not isinstance(each, dict) or not isinstance(each.get("name"), str):
            yield f"{place}.extra[{number}].name must be a string"
        elif not isinstance(each.get("isRequired"), bool | None):
            yield f"{place}.extra[{number}].isRequired must be a boolean"


def _hints(hints: Any) -> Iterator[str]:
    if hints is None:
        return
    if not isinstance(hints, dict):
        yield "manifest.behaviorHints must be an object"
        return
    for name in HINTS:
        if name in hints and not isinstance(hints[name], bool):
            yield f"manifest.behaviorHints.{name} must be a boolean"


def _resources(resources: Any) -> list[str]:
    names = [
        each.get("name") if isinstance(each, dict) else each
        for each in (resources if isinstance(resources, list) else ())
    ]
    return [
        f"manifest.resources: {_shown(name)} is not a known resource"
        for name in names
        if not isinstance(name, str) or name not in RESOURCES
    ][:NAMED]


def _shown(name: Any) -> str:
    """A name as a warning may repeat it; PostgreSQL keeps no NUL."""
    return f'"{name[:NAME_CHARS]}"'.replace("\0", "") if isinstance(name, str) else "what is not a name"


def _size(manifest: dict[str, Any]) -> list[str]:
    size = len(msgspec.json.encode(manifest))
    if size <= MANIFEST_WARNING_BYTES:
        return []
    return [f"manifest is {size} bytes of JSON; Stremio's collections hold no more than {MANIFEST_WARNING_BYTES}"]
