"""Which addresses and redirects a manifest is fetched from."""

import pytest

from events.messages import Rejected
from library import fetching
from library.fetching import is_public


class TestAddresses:
    @pytest.mark.parametrize("address", ["93.184.216.34", "1.1.1.1", "2606:4700:4700::1111", "::ffff:1.1.1.1"])
    def test_of_the_open_internet_are_asked(self, address: str) -> None:
        assert is_public(address)

    @pytest.mark.parametrize(
        "address",
        [
            "0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "127.0.0.1", "127.1.2.3", "169.254.169.254", "172.16.0.1",
            "192.0.0.1", "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1", "198.51.100.1", "203.0.113.1",
            "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255",
            "::", "::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:0:0", "::7f00:1", "64:ff9b::7f00:1",
            "64:ff9b::101:101", "64:ff9b:1::1", "100::1", "2001::1", "2001:db8::1", "2002:7f00:1::", "3fff::1",
            "fc00::1", "fd12:3456::1", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1", "ff0e::1", "1.1.1.1%1",
            "", "localhost", "127.1", "0x7f000001", "2130706433",
        ],
    )  # fmt: skip
    def test_of_anything_else_are_not(self, address: str) -> None:
        assert not is_public(address)


def test_follows_nobody_to_where_others_can_listen() -> None:
    with pytest.raises(Rejected) as refusal:
        fetching._next("https://a.example/manifest.json", "http://a.example/manifest.json")

    assert refusal.value.details == {"reason": "downgrade"}
    assert fetching._next("http://a.example/x/manifest.json", "//b.example/y") == "http://b.example/y"
    assert fetching._next("http://a.example/x/manifest.json", "https://b.example/y") == "https://b.example/y"
