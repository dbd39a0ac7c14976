"""Who is asking: tokens of guests, of operators and of the issuers in the settings, checked rule by rule."""

import base64
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec
from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey
from msgspec import Struct

from events.messages import Rejected
from gateway import limits
from gateway.identity import Claims, Identity, Ids
from gateway.issuers import GUESTS, OPERATORS, Issuer, Path, Texts, path_of, texts
from gateway.keys import Fetch, Keys

OWN_ALGORITHM = "HS256"
LONGEST_LIFE = 366 * 86400.0
"""A token that says it lives longer is believed this far."""
SUBJECT_CHARS = 512
KINDS = frozenset({"jwt", "at+jwt", "application/jwt"})
"""What `typ` may say; logout and event tokens are no logins."""


class _Header(Struct):
    alg: str
    kid: str | None = None
    typ: str | None = None
    cat: msgspec.UnsetType | Any = msgspec.UNSET
    """Clerk's mark of a machine token."""
    crit: msgspec.UnsetType | Any = msgspec.UNSET


_header = msgspec.json.Decoder(_Header)
_claims = msgspec.json.Decoder(dict[str, Any])


class Guests:
    """Signs tokens for people who only gave a name."""

    def __init__(self, secret: bytes, days: float, ids: Ids, now: Callable[[], float]) -> None:
        self._key = OctKey.import_key(secret)
        self._seconds = days * 86400
        self._ids = ids
        self._now = now

    def admit(self, name: str) -> tuple[str, Identity]:
        """A token and whom it makes its bearer."""
        subject = self._ids.random()
        now = int(self._now())
        expires = now + int(self._seconds)
        claims = {"iss": GUESTS, "aud": GUESTS, "sub": subject, "name": name, "iat": now, "exp": expires}
        token = jwt.encode({"alg": OWN_ALGORITHM}, claims, self._key)
        return token, Identity(self._ids.uid(GUESTS, subject), expires, name)


def operator_token(secret: bytes, subject: str, roles: Sequence[str], now: float, seconds: float) -> str:
    """A token with roles, for whoever holds the installation's secret; the same subject is the same person."""
    claims = {"iss": OPERATORS, "aud": OPERATORS, "sub": subject, "name": subject, "roles": list(roles)}
    times = {"iat": int(now), "exp": int(now + seconds)}
    return jwt.encode({"alg": OWN_ALGORITHM}, claims | times, OctKey.import_key(secret))


class Auth:
    """Turns a token into an identity, or raises `Rejected` with the reason."""

    def __init__(
        self,
        issuers: Iterable[Issuer],
        own_secret: bytes,
        ids: Ids,
        fetch: Fetch,
        now: Callable[[], float],
        local: Callable[[], float],
        *,
        guests: bool = True,
    ) -> None:
        """*own_secret* signs what this installation gives out itself; *local* times the caches of keys; *guests*:
        whether they are admitted."""
        self._ids = ids
        self._now = now
        self._own = OctKey.import_key(own_secret)
        self._guests = guests
        self._issuers = {issuer.issuer: (issuer, Keys(issuer, fetch, local)) for issuer in issuers}

    @property
    def health(self) -> dict[str, bool]:
        """By issuer, whether its keys could be had when last asked for."""
        return {name: keys.healthy for name, (_, keys) in self._issuers.items()}

    async def identify(self, token: str) -> Identity:
        """Who the token's bearer is."""
        return (await self.examine(token))[0]

    async def examine(self, token: str) -> tuple[Identity, Claims | None]:
        """Who the token's bearer is, and what else it says of them; None of guests and operators, of
        whom nothing is kept."""
        header, claims = _unverified(token)
        name = claims.get("iss")
        if name in (GUESTS, OPERATORS):
            return self._own_identity(token, header, str(name)), None
        if not isinstance(name, str) or name not in self._issuers:
            raise _bad("issuer")
        issuer, keys = self._issuers[name]
        if header.alg not in issuer.algorithms:
            raise _bad("algorithm")
        key = await keys.find(header.kid, header.alg)
        verified = _verify(token, key, header.alg)
        expires = _check(issuer, verified, self._now())
        identity = Identity(
            uid=self._ids.uid(issuer.issuer, verified["sub"]),
            expires=expires,
            name=display_name(_claim(verified, issuer.name)),
            roles=_roles(issuer, verified),
        )
        return identity, Claims(_picture(_claim(verified, issuer.picture)), _email(_claim(verified, issuer.email)))

    def _own_identity(self, token: str, header: _Header, issuer: str) -> Identity:
        """Of a guest, or of whom the operator has given a token; guests never have roles."""
        if issuer == GUESTS and not self._guests:
            raise Rejected("guests-off")
        if header.alg != OWN_ALGORITHM:
            raise _bad("algorithm")
        claims = _verify(token, self._own, OWN_ALGORITHM)
        if (claims.get("iss"), claims.get("aud")) != (issuer, issuer):
            raise _bad("audience")
        expires = _times(claims, self._now(), 0.0)
        roles = tuple(map(str, claims.get("roles", ()))) if issuer == OPERATORS else ()
        uid = self._ids.uid(issuer, _subject(claims, None))
        return Identity(uid, expires, display_name(claims.get("name")), roles)


def display_name(value: Any) -> str:
    """A name as a screen may show it: no control characters, not too long; empty if it is none."""
    if not isinstance(value, str):
        return ""
    return "".join(c for c in value if c.isprintable()).strip()[: limits.GUEST_NAME_CHARS]


def _picture(value: Any) -> str:
    """The address of a picture that a browser may load; empty if it is none."""
    if not isinstance(value, str) or len(value) > limits.PICTURE_CHARS or not value.isprintable():
        return ""
    return value if value.startswith(("https://", "http://")) else ""


def _email(value: Any) -> str:
    if not isinstance(value, str) or len(value) > limits.EMAIL_CHARS or not value.isprintable():
        return ""
    return value if "@" in value else ""


def _unverified(token: str) -> tuple[_Header, dict[str, Any]]:
    """Header and claims as they claim to be: enough to choose the rules, trusted for nothing."""
    parts = token.split(".")
    if len(token) > limits.TOKEN_CHARS or len(parts) != 3:
        raise _bad("not-a-jwt")
    try:
        header = _header.decode(_base64(parts[0]))
        claims = _claims.decode(_base64(parts[1]))
    except (ValueError, RecursionError) as error:
        raise _bad("not-a-jwt") from error
    if header.typ is not None and header.typ.lower() not in KINDS:
        raise _bad("type")
    if header.crit is not msgspec.UNSET:
        raise _bad("critical-header")
    if header.cat is not msgspec.UNSET:
        raise _bad("machine-token")
    return header, claims


def _base64(part: str) -> bytes:
    return base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)


def _verify(token: str, key: Any, algorithm: str) -> dict[str, Any]:
    registry = jws.JWSRegistry(algorithms=[algorithm], strict_check_header=False)
    try:
        return _claims.decode(jws.deserialize_compact(token, key, registry=registry).payload)
    except (JoseError, ValueError, RecursionError) as error:
        raise _bad("signature") from error


def _check(issuer: Issuer, claims: dict[str, Any], now: float) -> float:
    """Everything after the signature, in the order of the common procedure; the moment it expires."""
    expires = _times(claims, now, issuer.leeway)
    if claims.get("iss") != issuer.issuer:
        raise _bad("issuer")
    _check_audience(issuer, claims)
    _subject(claims, issuer.subject or issuer.preset.subject)
    for path, wanted in issuer.all_required.items():
        if not _has(claims, path, wanted):
            raise _bad("claim", claim=path)
    for path, unwanted in issuer.all_refused.items():
        if _has(claims, path, unwanted):
            raise _bad("claim", claim=path)
    return expires


def _times(claims: dict[str, Any], now: float, leeway: float) -> float:
    expires = _number(claims, "exp")
    if expires is None:
        raise _bad("no-expiry")
    if now >= expires + leeway:
        raise Rejected("token-expired")
    starts = _number(claims, "nbf")
    if starts is not None and now < starts - leeway:
        raise _bad("not-yet")
    issued = _number(claims, "iat")
    if issued is not None and now < issued - leeway:
        raise _bad("not-yet")
    return min(expires + leeway, now + LONGEST_LIFE)


def _number(claims: dict[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise _bad("claim", claim=name)
    return float(value)


def _check_audience(issuer: Issuer, claims: dict[str, Any]) -> None:
    stated = claims.get("aud")
    audiences = [stated] if isinstance(stated, str) else stated if isinstance(stated, list) else []
    wanted = issuer.audiences
    if wanted and not set(wanted) & {audience for audience in audiences if isinstance(audience, str)}:
        raise _bad("audience")
    party = claims.get("azp")
    # A token for several audiences must say which of them asked for it.
    parties = issuer.parties or (wanted if len(audiences) > 1 else ())
    if not parties:
        return
    if party is None and issuer.azp_optional and len(audiences) <= 1:
        return
    if party not in parties:
        raise _bad("authorized-party")


def _subject(claims: dict[str, Any], pattern: str | None) -> str:
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= SUBJECT_CHARS:
        raise _bad("subject")
    if pattern is not None and not re.fullmatch(pattern, subject):
        raise _bad("subject")
    return subject


def _claim(claims: Mapping[str, Any], path: Path) -> Any:
    value: Any = claims
    for name in path_of(path):
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _has(claims: Mapping[str, Any], path: Path, values: Texts) -> bool:
    found = _claim(claims, path)
    return any(value in texts(values) for value in (found if isinstance(found, list) else [found]))


def _roles(issuer: Issuer, claims: Mapping[str, Any]) -> tuple[str, ...]:
    given: dict[str, None] = {}
    for rule in issuer.roles:
        found = _claim(claims, rule.claim)
        for value in found if isinstance(found, list) else [found]:
            if isinstance(value, str):
                given.update(dict.fromkeys(texts(rule.map.get(value, ()))))
    return tuple(given)


def _bad(reason: str, **details: Any) -> Rejected:
    return Rejected("token-invalid", reason=reason, **details)
