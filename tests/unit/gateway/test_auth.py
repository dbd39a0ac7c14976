"""Tokens that must and must not be believed, against a real issuer on this machine."""

import asyncio
import base64
import json
import secrets
import time
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import msgspec
import pytest
import pytest_asyncio
from joserfc import jwt
from joserfc.jwk import OctKey
from tests.simulators.issuer import IssuerSimulator, issuer

from events.messages import Rejected
from gateway.auth import Auth, Guests, operator_token
from gateway.identity import Claims, Ids
from gateway.issuers import Issuer
from gateway.keys import fetcher

UID_SECRET = b"u" * 32
GUEST_SECRET = b"g" * 32
LEGACY_SECRET = b"legacy secret of thirty-two bytes"
UUID = "5f0c8f86-7d3c-4a55-9bb1-2d5e4a1f7b10"


class Clocks:
    """Server time and the time of caches, both moved by hand."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def now(self) -> float:
        return time.time() + self.ahead

    def local(self) -> float:
        return time.monotonic() + self.ahead


@pytest.fixture
def clocks() -> Clocks:
    return Clocks()


@pytest_asyncio.fixture
async def fetching() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest_asyncio.fixture
async def idp() -> AsyncIterator[IssuerSimulator]:
    async with issuer() as simulator:
        yield simulator


def ids() -> Ids:
    return Ids(UID_SECRET, secrets.token_bytes)


def configured(simulator: IssuerSimulator, **fields: Any) -> Issuer:
    return msgspec.convert({"issuer": simulator.url, "audience": "matinee", **fields}, Issuer)


def auth(session: aiohttp.ClientSession, clocks: Clocks, *issuers: Issuer, guests: bool = True) -> Auth:
    return Auth(issuers, GUEST_SECRET, ids(), fetcher(session), clocks.now, clocks.local, guests=guests)


async def reason(checking: Auth, token: str) -> str:
    """Why it was refused: the reason of `token-invalid`, else the code."""
    with pytest.raises(Rejected) as caught:
        await checking.identify(token)
    return str(caught.value.details.get("reason", caught.value.code))


async def test_a_good_token(idp: IssuerSimulator, fetching: aiohttp.ClientSession, clocks: Clocks) -> None:
    checking = auth(fetching, clocks, configured(idp))
    found = await checking.identify(idp.mint(name="Ada"))
    assert (found.uid, found.name) == (ids().uid(idp.url, "user_1"), "Ada")
    assert len(found.uid) == 26
    assert found.uid.isalnum()
    assert found.expires > clocks.now()


async def test_the_same_subject_of_another_issuer_is_somebody_else(
    idp: IssuerSimulator, fetching: aiohttp.ClientSession, clocks: Clocks
) -> None:
    async with issuer("ES256") as other:
        checking = auth(fetching, clocks, configured(idp), configured(other, algorithms=["ES256"]))
        uids = {(await checking.identify(simulator.mint())).uid for simulator in (idp, other)}
    assert len(uids) == 2


@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")
@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
async def test_algorithms(algorithm: str, fetching: aiohttp.ClientSession, clocks: Clocks) -> None:
    async with issuer(algorithm) as simulator:
        checking = auth(fetching, clocks, configured(simulator, algorithms=[algorithm]))
        assert (await checking.identify(simulator.mint())).uid


def unsigned(simulator: IssuerSimulator, **header: Any) -> str:
    parts = [{"alg": "none", "typ": "JWT", **header}, simulator.claims()]
    return ".".join([*(base64.urlsafe_b64encode(json.dumps(p).encode()).decode().rstrip("=") for p in parts), ""])


HOUR = 3600
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "expired": ({"exp": int(time.time()) - HOUR}, "token-expired"),
    "no expiry": ({"exp": None}, "no-expiry"),
    "expiry is no number": ({"exp": "soon"}, "claim"),
    "expiry is true": ({"exp": True}, "claim"),
    "not yet": ({"nbf": int(time.time()) + HOUR}, "not-yet"),
    "issued in the future": ({"iat": int(time.time()) + HOUR}, "not-yet"),
    "no subject": ({"sub": None}, "subject"),
    "empty subject": ({"sub": ""}, "subject"),
    "subject is a number": ({"sub": 7}, "subject"),
    "no audience": ({"aud": None}, "audience"),
    "other audience": ({"aud": "elsewhere"}, "audience"),
    "other audiences": ({"aud": ["a", "b"]}, "audience"),
    "several audiences, nobody who asked": ({"aud": ["matinee", "b"]}, "authorized-party"),
    "wrong issuer": ({"iss": "https://elsewhere.example"}, "issuer"),
    "no issuer": ({"iss": None}, "issuer"),
    "issuer is a list": ({"iss": ["x"]}, "issuer"),
}


@pytest.mark.parametrize(("claims", "expected"), REFUSED.values(), ids=list(REFUSED))
async def test_claims_that_are_refused(
    idp: IssuerSimulator,
    fetching: aiohttp.ClientSession,
    clocks: Clocks,
    claims: dict[str, Any],
    expected: str,
) -> None:
    assert await reason(auth(fetching, clocks, configured(idp)), idp.mint(**claims)) == expected


async def test_a_trailing_slash_makes_another_issuer(
    idp: IssuerSimulator, fetching: aiohttp.ClientSession, clocks: Clocks
) -> None:
    assert await reason(auth(fetching, clocks, configured(idp)), idp.mint(iss=f"{idp.url}/")) == "issuer"


async def test_several_audiences_with_the_party_that_asked(
    idp: IssuerSimulator, fetching: aiohttp.ClientSession, clocks: Clocks
) -> None:
    checking = auth(fetching, clocks, configured(idp))
    assert (await checking.identify(idp.mint(aud=["matinee", "b"], azp="matinee"))).uid


async def test_signatures_that_are_refused(
    idp: IssuerSimulator, fetching: aiohttp.ClientSession, clocks: Clocks
) -> None:
    checking = auth(fetching, clocks, configured(idp))
    good = idp.mint()
    assert await reason(checking, unsigned(idp)) == "algorithm"
    assert await reason(checking, unsigned(idp, alg="None")) == "algorithm"
    assert await reason(checking, idp.mint_symmetric(idp.public_pem())) == "algorithm"
    assert await reason(checking, good[:-8] + "AAAAAAAA") == "signature"
    stranger = IssuerSimulator()
    stranger.url = idp.url
    assert await reason(checking, stranger.mint({"kid": idp.key.kid})) == "signature"


async def test_headers_that_are_refused(idp: IssuerSimulator, fetching: aiohttp.ClientSession, clocks: Clocks) -> None:
    checking = auth(fetching, clocks, configured(idp))
    assert await reason(checking, idp.mint({"cat": "cl_B7d4PD222AAA"})) == "machine-token"
    assert await reason(checking, idp.mint({"typ": "logout+jwt"})) == "type"
    assert await reason(checking, unsigned(idp, crit=["exp"])) == "critical-header"
    for token in ("", "a.b", "a.b.c.d", "sb_publishable_x", "x" * 20_000, f"{'[' * 2000}.b.c"):
        assert await reason(checking, token) == "not-a-jwt"


async def test_one_issuers_keys_never_check_anothers_tokens(
    idp: IssuerSimulator, fetching: aiohttp.ClientSession, clocks: Clocks
) -> None:
    async with issuer() as other:
        checking = auth(fetching, clocks, configured(idp), configured(other))
        await checking.identify(other.mint())
        assert await reason(checking, other.mint(iss=idp.url)) == "signature"


# Keys: caching, rotation, failures.


async def test_keys_are_fetched_once(idp: IssuerSimulator, fetching: aiohttp.ClientSession, clocks: Clocks) -> None:
    checking = auth(fetching, clocks, configured(idp))
    await asyncio.gather(*(checking.identify(idp.mint()) for _ in range(10)))
    assert idp.fetched == 1
    clocks.ahead += 599
    await checking.identify(idp.mint(exp=int(time.time()) + 9999))
    assert idp.fetched == 1
    clocks.ahead += 2
    await checking.identify(idp.mint(exp=int(time.time()) + 9999))
    assert idp.fetched == 2


async def test_an_unknown_key_is_looked_for_once_in_a_while(
    idp: IssuerSimulator, fetching: aiohttp.ClientSession, clocks: Clocks
) -> None:
    checking = auth(fetching, clocks, configured(idp))
    await checking.identify(idp.mint())
    idp.rotate(keep=True)
    assert await reason(checking, idp.mint()) == "unknown-key"
    clocks.ahead += 31
    await checking.identify(idp.mint())
    assert idp.fetched == 2
    for _ in range(5):
        assert await reason(checking, idp.mint({"kid": "made-up"})) == "unknown-key"
    assert idp.fetched == 2


async def test_the_last_good_keys_outlive_the_issuer(
    idp: IssuerSimulator, fetching: aiohttp.ClientSession, clocks: Clocks
) -> None:
    checking = auth(fetching, clocks, configured(idp))
    await checking.identify(idp.mint())
    clocks.ahead += 700
    for status, body, content_type in (
        (500, None, "application/json"),
        (200, b"<html>", "text/html"),
        (200, b'{"keys": "none"}', "application/json"),
        (200, b" " * 300_000, "application/json"),
        (302, None, "application/json"),
    ):
        idp.status, idp.body, idp.content_type = status, body, content_type
        clocks.ahead += 31
        await checking.identify(idp.mint(exp=int(clocks.now()) + 60, iat=None, nbf=None))
        assert checking.health == {idp.url: False}
    idp.status, idp.body, idp.content_type = 200, None, "application/jwk-set+json"
    clocks.ahead += 31
    await checking.identify(idp.mint(exp=int(clocks.now()) + 60))
    assert checking.health == {idp.url: True}


async def test_an_issuer_that_never_answered_is_unavailable(
    idp: IssuerSimulator, fetching: aiohttp.ClientSession, clocks: Clocks
) -> None:
    idp.status = 503
    assert await reason(auth(fetching, clocks, configured(idp)), idp.mint()) == "issuer-unavailable"


async def test_an_empty_key_set_knows_no_key(
    idp: IssuerSimulator, fetching: aiohttp.ClientSession, clocks: Clocks
) -> None:
    idp.body = b'{"keys": []}'
    assert await reason(auth(fetching, clocks, configured(idp)), idp.mint()) == "unknown-key"


async def test_a_key_that_nobody_understands_spoils_no_other(
    idp: IssuerSimulator, fetching: aiohttp.ClientSession, clocks: Clocks
) -> None:
    good = idp.key.as_dict(private=False)
    odd = [{"kty": "XX"}, "no key", {"kty": "RSA"}, {"kty": "oct", "k": "c2VjcmV0", "kid": idp.key.kid}]
    idp.body = json.dumps({"keys": [*odd, good]}).encode()
    assert (await auth(fetching, clocks, configured(idp)).identify(idp.mint())).uid


async def test_a_slow_issuer_holds_up_no_other(
    idp: IssuerSimulator, fetching: aiohttp.ClientSession, clocks: Clocks
) -> None:
    async with issuer() as slow:
        slow.delay = asyncio.Event()
        checking = auth(fetching, clocks, configured(idp), configured(slow))
        waiting = asyncio.create_task(checking.identify(slow.mint()))
        assert (await checking.identify(idp.mint())).uid
        assert not waiting.done()
        slow.delay.set()
        assert (await waiting).uid


async def test_discovery_of_another_issuer_is_not_believed(
    idp: IssuerSimulator, fetching: aiohttp.ClientSession, clocks: Clocks
) -> None:
    settings = configured(idp)
    token = idp.mint()
    idp.url = "https://elsewhere.example"
    assert await reason(auth(fetching, clocks, settings), token) == "issuer-unavailable"


async def test_keys_from_the_settings(idp: IssuerSimulator, fetching: aiohttp.ClientSession, clocks: Clocks) -> None:
    public = {"keys": [idp.key.as_dict(private=False)]}
    data = "data:application/json;base64," + base64.b64encode(json.dumps(public).encode()).decode()
    for source in ({"jwks": public}, {"jwks": data}, {"pem": idp.public_pem().decode()}):
        assert (await auth(fetching, clocks, configured(idp, **source)).identify(idp.mint())).uid
    assert idp.fetched == 0


# What is known of vendors.


async def test_clerk(idp: IssuerSimulator, fetching: aiohttp.ClientSession, clocks: Clocks) -> None:
    app = "https://app.example"
    fields = {"kind": "clerk", "audience": (), "authorized_parties": [app]}
    checking = auth(fetching, clocks, configured(idp, **fields))
    assert (await checking.identify(idp.mint(aud=None, azp=app))).uid
    assert await reason(checking, idp.mint(aud=None, azp="https://evil.example")) == "authorized-party"
    assert await reason(checking, idp.mint(aud=None)) == "authorized-party"
    assert await reason(checking, idp.mint(aud=None, azp=app, sts="pending")) == "claim"
    native = auth(fetching, clocks, configured(idp, **fields, azp_optional=True))
    assert (await native.identify(idp.mint(aud=None))).uid
    assert await reason(native, idp.mint(aud=None, azp="https://evil.example")) == "authorized-party"


async def test_supabase(idp: IssuerSimulator, fetching: aiohttp.ClientSession, clocks: Clocks) -> None:
    fields = {"kind": "supabase", "audience": (), "algorithms": ["HS256"], "secret": LEGACY_SECRET.decode()}
    checking = auth(fetching, clocks, configured(idp, **fields))
    user: dict[str, Any] = {"aud": "authenticated", "role": "authenticated", "sub": UUID}
    assert (await checking.identify(idp.mint_symmetric(LEGACY_SECRET, **user))).uid
    refused: tuple[tuple[dict[str, Any], str], ...] = (
        ({"role": "service_role"}, "claim"),
        ({"role": "anon"}, "claim"),
        ({"role": None}, "claim"),
        ({"sub": None}, "subject"),
        ({"sub": "not a uuid"}, "subject"),
        ({"aud": "anon"}, "audience"),
        ({"iss": "supabase"}, "issuer"),
    )
    for change, expected in refused:
        assert await reason(checking, idp.mint_symmetric(LEGACY_SECRET, **{**user, **change})) == expected
    assert await reason(checking, idp.mint(**user)) == "algorithm"
    assert await reason(checking, idp.mint_symmetric(b"x" * 32, **user)) == "signature"


async def test_ave_takes_the_id_token_and_no_access_token(
    idp: IssuerSimulator, fetching: aiohttp.ClientSession, clocks: Clocks
) -> None:
    checking = auth(fetching, clocks, configured(idp, kind="ave", audience="client-1"))
    assert (await checking.identify(idp.mint(aud="client-1", azp="client-1", sub=UUID))).uid
    assert await reason(checking, idp.mint(aud=idp.url, cid="client-1", sub=UUID, scope="openid")) == "audience"
    assert await reason(checking, idp.mint(aud="client-1", sub=UUID)) == "authorized-party"


async def test_roles_come_from_mapped_claims(
    idp: IssuerSimulator, fetching: aiohttp.ClientSession, clocks: Clocks
) -> None:
    roles = [
        {"claim": "app_metadata.role", "map": {"admin": ["moderator", "operator"]}},
        {"claim": ["https://app.example/roles"], "map": {"mod": "moderator"}},
    ]
    checking = auth(fetching, clocks, configured(idp, roles=roles))
    claims: dict[str, Any] = {"app_metadata": {"role": "admin"}, "https://app.example/roles": ["mod", "unknown", 7]}
    token = idp.mint(**claims)
    assert (await checking.identify(token)).roles == ("moderator", "operator")
    assert (await checking.identify(idp.mint(role="admin", roles=["moderator"]))).roles == ()
    assert (await checking.identify(idp.mint(app_metadata="admin"))).roles == ()


async def test_names_are_made_fit_to_show(
    idp: IssuerSimulator, fetching: aiohttp.ClientSession, clocks: Clocks
) -> None:
    checking = auth(fetching, clocks, configured(idp))
    for claim, shown in (("  Ada\u0000\n ", "Ada"), (7, ""), ("x" * 100, "x" * 64), ("Zoë 🎬", "Zoë 🎬")):
        assert (await checking.identify(idp.mint(name=claim))).name == shown


@pytest.mark.parametrize(
    ("claims", "picture", "email"),
    [
        ({}, "", ""),
        ({"picture": "https://p.example/a", "email": "a@b.example"}, "https://p.example/a", "a@b.example"),
        ({"picture": 7, "email": ["a@b.example"]}, "", ""),
        ({"picture": "javascript:alert(1)", "email": "nobody"}, "", ""),
        ({"picture": "https://p.example/\n", "email": "a@b.example\0"}, "", ""),
        ({"picture": f"https://p.example/{'x' * 2_000}", "email": f"{'x' * 320}@b.example"}, "", ""),
    ],
)
async def test_a_picture_and_an_email_are_taken_if_they_are_such(
    idp: IssuerSimulator,
    fetching: aiohttp.ClientSession,
    clocks: Clocks,
    claims: dict[str, Any],
    picture: str,
    email: str,
) -> None:
    checking = auth(fetching, clocks, configured(idp))
    assert (await checking.examine(idp.mint(**claims)))[1] == Claims(picture, email)


async def test_an_issuer_may_keep_them_elsewhere(
    idp: IssuerSimulator, fetching: aiohttp.ClientSession, clocks: Clocks
) -> None:
    where = {"picture": "user_metadata.avatar_url", "email": ["https://app.example/email"]}
    checking = auth(fetching, clocks, configured(idp, **where))
    claims: dict[str, Any] = {
        "user_metadata": {"avatar_url": "https://p.example/a"},
        "https://app.example/email": "a@b.example",
        "picture": "https://p.example/other",
    }
    assert (await checking.examine(idp.mint(**claims)))[1] == Claims("https://p.example/a", "a@b.example")


async def test_a_few_seconds_of_skew_are_forgiven(
    idp: IssuerSimulator, fetching: aiohttp.ClientSession, clocks: Clocks
) -> None:
    checking = auth(fetching, clocks, configured(idp, leeway=5))
    now = int(clocks.now())
    assert (await checking.identify(idp.mint(exp=now - 2, nbf=now + 3, iat=now + 3))).expires > clocks.now()
    assert await reason(checking, idp.mint(exp=now - 7)) == "token-expired"


# Guests.


async def test_guests(fetching: aiohttp.ClientSession, clocks: Clocks) -> None:
    guests = Guests(GUEST_SECRET, 30, ids(), clocks.now)
    checking = auth(fetching, clocks)
    token, identity = guests.admit("Ada")
    assert await checking.examine(token) == (identity, None)
    assert guests.admit("Ada")[1].uid != identity.uid
    assert await reason(checking, Guests(b"x" * 32, 30, ids(), clocks.now).admit("Eve")[0]) == "signature"
    clocks.ahead += 30 * 86400 + 1
    assert await reason(checking, token) == "token-expired"


async def test_guests_can_be_switched_off(fetching: aiohttp.ClientSession, clocks: Clocks) -> None:
    token, _ = Guests(GUEST_SECRET, 30, ids(), clocks.now).admit("Ada")
    assert await reason(auth(fetching, clocks, guests=False), token) == "guests-off"


# Those whom the operator gives a token.


async def test_an_operators_token_has_roles_and_is_always_the_same_person(
    fetching: aiohttp.ClientSession, clocks: Clocks
) -> None:
    checking = auth(fetching, clocks, guests=False)
    now = clocks.now()
    found, kept = await checking.examine(operator_token(GUEST_SECRET, "Mo", ["moderator"], now, 3600))
    again = await checking.identify(operator_token(GUEST_SECRET, "Mo", [], now, 7200))

    assert (found.name, found.roles, found.expires, kept) == ("Mo", ("moderator",), int(now + 3600), None)
    assert (again.uid, again.roles) == (found.uid, ())
    assert found.uid == ids().uid("matinee:operator", "Mo")
    other = operator_token(b"x" * 32, "Mo", ["moderator"], now, 3600)
    assert await reason(checking, other) == "signature"
    clocks.ahead += 3601
    assert await reason(checking, operator_token(GUEST_SECRET, "Mo", ["moderator"], now, 3600)) == "token-expired"


async def test_guests_never_have_roles(fetching: aiohttp.ClientSession, clocks: Clocks) -> None:
    now = int(clocks.now())
    claims = {"iss": "matinee:guest", "aud": "matinee:guest", "sub": "x", "exp": now + 60, "roles": ["moderator"]}
    token = jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(GUEST_SECRET))
    assert (await auth(fetching, clocks).identify(token)).roles == ()
    mixed = jwt.encode({"alg": "HS256"}, {**claims, "iss": "matinee:operator"}, OctKey.import_key(GUEST_SECRET))
    assert await reason(auth(fetching, clocks), mixed) == "audience"


async def test_nobody_can_make_a_moderator_through_an_issuer(
    idp: IssuerSimulator, fetching: aiohttp.ClientSession, clocks: Clocks
) -> None:
    checking = auth(fetching, clocks, configured(idp))
    own = "matinee:operator"
    assert await reason(checking, idp.mint(iss=own, aud=own, roles=["moderator"])) == "algorithm"
    assert await reason(checking, idp.mint_symmetric(b"x" * 32, iss=own)) == "signature"
    with pytest.raises(msgspec.ValidationError, match="gateway's own"):
        msgspec.convert({"issuer": own, "audience": "matinee"}, Issuer)


async def test_nobody_can_make_a_guest_through_an_issuer(
    idp: IssuerSimulator, fetching: aiohttp.ClientSession, clocks: Clocks
) -> None:
    checking = auth(fetching, clocks, configured(idp))
    assert await reason(checking, idp.mint(iss="matinee:guest", aud="matinee:guest")) == "algorithm"
    assert await reason(checking, idp.mint_symmetric(b"x" * 32, iss="matinee:guest")) == "signature"
