"""Settings of issuers that must be refused before anything starts."""

from typing import Any

import msgspec
import pytest

from gateway.issuers import Issuer

GOOD = {"issuer": "https://id.example", "audience": "app"}


def read(**fields: Any) -> Issuer:
    return msgspec.convert({**GOOD, **fields}, Issuer)


def test_the_smallest_that_works() -> None:
    issuer = read()
    assert issuer.discovery == "https://id.example/.well-known/openid-configuration"
    assert issuer.algorithms == ("RS256",)


@pytest.mark.parametrize(
    "fields",
    [
        {"audience": ()},
        {"algorithms": []},
        {"algorithms": ["none"]},
        {"algorithms": ["HS256"]},
        {"algorithms": ["RS256", "HS256"]},
        {"algorithms": ["HS256", "RS256"], "secret": "s" * 32},
        {"secret": "s" * 32},
        {"algorithms": ["HS256"], "secret": "short"},
        {"jwks": "https://id.example/keys", "pem": "x"},
        {"jwks": "http://id.example/keys"},
        {"issuer": "http://id.example"},
        {"issuer": "matinee:guest", "pem": "x"},
        {"roles": [{"claim": "user_metadata.role", "map": {"admin": "admin"}}]},
        {"leeway": 3600},
        {"audiences": "app"},
    ],
)
def test_what_is_unsafe_or_unclear_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        read(**fields)


def test_keys_may_come_from_this_machine_without_https() -> None:
    assert read(issuer="http://127.0.0.1:54321/auth/v1").discovery
    assert read(issuer="custom", jwks="http://localhost:1/keys").discovery is None


def test_what_is_known_of_vendors() -> None:
    assert read(kind="supabase", audience=()).audiences == ("authenticated",)
    assert read(kind="supabase").all_required["role"] == "authenticated"
    assert read(kind="clerk", authorized_parties=["https://app.example"]).all_refused == {"sts": "pending"}
    assert read(kind="ave").parties == ("app",)
