"""An OpenID issuer as a real HTTP server: discovery, keys, tokens with any claims, and many ways to fail."""

import asyncio
import base64
import contextlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

from aiohttp import web
from joserfc import jws, jwt
from joserfc.jwk import ECKey, KeySet, OKPKey, RSAKey

Key = RSAKey | ECKey | OKPKey
MAKERS: dict[str, Callable[[str], Key]] = {
    "RS256": lambda kid: RSAKey.generate_key(2048, {"kid": kid, "use": "sig"}),
    "ES256": lambda kid: ECKey.generate_key("P-256", {"kid": kid, "use": "sig"}),
    "EdDSA": lambda kid: OKPKey.generate_key("Ed25519", {"kid": kid, "use": "sig"}),
}


class IssuerSimulator:
    """One issuer. Attributes may be changed at any time to make it misbehave."""

    def __init__(self, algorithm: str = "RS256") -> None:
        self.algorithm = algorithm
        self.url = ""
        self.content_type = "application/json"
        self.cache_control = "public, max-age=600"
        self.status = 200
        self.delay: asyncio.Event | None = None
        """Answers wait for it, if it is there."""
        self.body: bytes | None = None
        """What the key set's address answers instead of the keys."""
        self.fetched = 0
        """How often the keys were fetched."""
        self._made = 0
        self.keys: list[Key] = []
        self.rotate()

    def rotate(self, keep: bool = False) -> None:
        """Sign with a new key; with *keep* the old ones are still published."""
        self._made += 1
        made = MAKERS[self.algorithm](f"key-{self._made}")
        self.keys = [made, *self.keys] if keep else [made]

    @property
    def key(self) -> Key:
        """The one that signs."""
        return self.keys[0]

    def claims(self, **overrides: Any) -> dict[str, Any]:
        """A login's claims; an override of None leaves the claim out."""
        now = int(time.time())
        claims = {"iss": self.url, "sub": "user_1", "aud": "matinee", "iat": now, "nbf": now, "exp": now + 3600}
        return {name: value for name, value in {**claims, **overrides}.items() if value is not None}

    def mint(self, header: dict[str, Any] | None = None, key: Key | None = None, **overrides: Any) -> str:
        signing = key or self.key
        head = {"alg": self.algorithm, "typ": "JWT", "kid": signing.kid, **(header or {})}
        registry = jws.JWSRegistry(algorithms=[head["alg"]], strict_check_header=False)
        return jwt.encode(head, self.claims(**overrides), signing, registry=registry)

    def mint_symmetric(self, secret: bytes, **overrides: Any) -> str:
        """Signed with HS256: a legacy secret, or a public key abused as one."""
        head = {"alg": "HS256", "typ": "JWT", "kid": self.key.kid}
        signed = f"{_part(head)}.{_part(self.claims(**overrides))}"
        # By hand: a JWT library rightly refuses to sign with a public key.
        return f"{signed}.{_base64(hmac.digest(secret, signed.encode(), 'sha256'))}"

    def public_pem(self) -> bytes:
        return self.key.as_pem(private=False)

    def app(self) -> web.Application:
        app = web.Application()
        app.add_routes(
            [
                web.get("/.well-known/openid-configuration", self._discovery),
                web.get("/.well-known/jwks.json", self._jwks),
            ]
        )
        return app

    async def _discovery(self, request: web.Request) -> web.Response:
        return await self._answer(
            web.json_response(
                {
                    "issuer": self.url,
                    "authorization_endpoint": f"{self.url}/authorize",
                    "jwks_uri": f"{self.url}/.well-known/jwks.json",
                    "response_types_supported": ["code"],
                    "subject_types_supported": ["public"],
                    "id_token_signing_alg_values_supported": [self.algorithm],
                }
            )
        )

    async def _jwks(self, request: web.Request) -> web.Response:
        self.fetched += 1
        body = self.body
        if body is None:
            return await self._answer(web.json_response(KeySet(list(self.keys)).as_dict(private=False)))
        return await self._answer(web.Response(body=body))

    async def _answer(self, response: web.Response) -> web.Response:
        if self.delay is not None:
            await self.delay.wait()
        response.set_status(self.status)
        response.headers["Content-Type"] = self.content_type
        response.headers["Cache-Control"] = self.cache_control
        return response


def _part(fields: dict[str, Any]) -> str:
    return _base64(json.dumps(fields).encode())


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


@contextlib.asynccontextmanager
async def issuer(algorithm: str = "RS256") -> AsyncIterator[IssuerSimulator]:
    """A running issuer on a free port of this machine."""
    simulator = IssuerSimulator(algorithm)
    runner = web.AppRunner(simulator.app(), access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        simulator.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield simulator
    finally:
        await runner.cleanup()
