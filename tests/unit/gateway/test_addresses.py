"""Which requests count as coming from one place."""

import hashlib

import pytest
from aiohttp.test_utils import make_mocked_request
from hypothesis import given
from hypothesis import strategies as st

from gateway.addresses import FORWARDED_FOR, address_of, household
from gateway.identity import ID_CHARS, Ids

IDS = Ids(bytes(32), lambda count: bytes(count))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("192.0.2.7", "192.0.2.7:51034"),
        ("192.0.2.7", "::ffff:192.0.2.7"),
        ("192.0.2.7", "[::ffff:192.0.2.7]:443"),
        ("2001:db8:0:1::1", "2001:0db8:0000:0001:ffff:ffff:ffff:ffff"),
        ("2001:db8:0:1::1", "[2001:db8:0:1::2]:443"),
        ("2001:db8:0:1::1", "[2001:db8:0:1::2]"),
        ("fe80::1%eth0", "fe80::2%eth1"),
    ],
)
def test_one_household_has_one_address(one: str, other: str) -> None:
    assert household(one) == household(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("192.0.2.7", "192.0.2.8"), ("2001:db8:0:1::1", "2001:db8:0:2::1"), ("unknown", "hidden"), ("192.0.2.7", "")],
)
def test_two_households_have_two(one: str, other: str) -> None:
    assert household(one) != household(other)


@given(st.text(max_size=200))
def test_nothing_that_a_proxy_says_is_too_odd(text: str) -> None:
    assert household(text) == household(text)


@pytest.mark.parametrize(
    ("headers", "hops", "expected"),
    [
        (["10.0.0.1"], 0, "203.0.113.1"),
        (["10.0.0.1, 10.0.0.2"], 1, "10.0.0.2"),
        (["10.0.0.1, 10.0.0.2"], 2, "10.0.0.1"),
        (["10.0.0.1", "10.0.0.2"], 1, "10.0.0.2"),
        (["10.0.0.1"], 2, "203.0.113.1"),
        ([" , "], 1, "203.0.113.1"),
        ([], 1, "203.0.113.1"),
    ],
)
def test_only_our_own_proxies_are_believed(headers: list[str], hops: int, expected: str) -> None:
    request = make_mocked_request("GET", "/", headers=[(FORWARDED_FOR, text) for text in headers])
    assert address_of(request.clone(remote="203.0.113.1"), hops) == expected


def test_an_address_becomes_a_digest_that_only_this_installation_can_make() -> None:
    digest = IDS.address("192.0.2.7")
    assert digest == IDS.address("192.0.2.7")
    assert len(digest) == ID_CHARS
    others = {IDS.address("192.0.2.8"), Ids(bytes([1]) * 32, bytes).address("192.0.2.7")}
    assert digest not in others | {hashlib.sha256(b"192.0.2.7").hexdigest()}
    assert IDS.address("") == ""
