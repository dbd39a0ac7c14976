import json
import string
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.simulators.addons import manifest

from events.contracts.library import MANIFEST_BYTES, MANIFEST_WARNING_BYTES
from events.messages import Rejected
from library.manifest import NAMED, examined, read, transport

SECRET = "s3cr3t-t0ken"
URL = f"https://addon.example/{SECRET}/manifest.json"


def written(value: Any) -> bytes:
    return json.dumps(value).encode()


class TestTransportUrls:
    @pytest.mark.parametrize(
        ("text", "url"),
        [
            (URL, URL),
            (f"stremio://addon.example/{SECRET}/manifest.json", URL),
            (f"STREMIO://Addon.Example/{SECRET}/manifest.json", URL),
            (f"  {URL}\n", URL),
            (f"HTTPS://ADDON.example:443/{SECRET}/manifest.json", URL),
            (f"https://addon.example./{SECRET}/manifest.json", URL),
            (f"{URL}#install", URL),
            ("http://addon.example:80/manifest.json", "http://addon.example/manifest.json"),
            ("http://addon.example:7000/manifest.json", "http://addon.example:7000/manifest.json"),
            ("https://u:p@addon.example/manifest.json", "https://u:p@addon.example/manifest.json"),
            ("https://[2001:DB8::1]:8443/manifest.json", "https://[2001:db8::1]:8443/manifest.json"),
            ("https://a.example/manifest.json?key=1", "https://a.example/manifest.json?key=1"),
            (
                'https://a.example/{"k":"v|w"}/manifest.json',
                "https://a.example/%7B%22k%22:%22v%7Cw%22%7D/manifest.json",
            ),
            ("https://bücher.example/manifest.json", "https://xn--bcher-kva.example/manifest.json"),
        ],
    )
    def test_have_one_form(self, text: str, url: str) -> None:
        assert transport(text).url == url
        assert transport(url).url == url
        assert transport(text).identity == transport(url).identity

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ("https://a.example/%7bx%7d/manifest.json", "https://a.example/{x}/manifest.json"),
            ("https://a.example/%61b/manifest.json", "https://a.example/ab/manifest.json"),
        ],
    )
    def test_of_one_addon_are_known_as_such(self, one: str, other: str) -> None:
        assert transport(one).identity == transport(other).identity

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ("https://a.example/x/manifest.json", "https://a.example/X/manifest.json"),
            ("https://a.example/manifest.json", "http://a.example/manifest.json"),
            ("https://a.example/a%2Fb/manifest.json", "https://a.example/a/b/manifest.json"),
            ("https://a.example/manifest.json?k=1", "https://a.example/manifest.json?k=2"),
            ("https://a.example/manifest.json", "https://a.example:8443/manifest.json"),
        ],
    )
    def test_of_two_addons_stay_two(self, one: str, other: str) -> None:
        assert transport(one).identity != transport(other).identity

    @pytest.mark.parametrize(
        ("text", "fetchable"),
        [
            (URL, True),
            ("https://opensubtitles.example/stremio/v1", False),
            ("ipfs://QmHash/manifest.json", False),
            ("ipns://addon.example/manifest.json", False),
        ],
    )
    def test_of_older_kinds_are_known_but_not_asked(self, text: str, fetchable: bool) -> None:
        assert transport(text).fetchable is fetchable
        assert transport(text).url == text

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "manifest.json",
            "https://",
            f"https:///{SECRET}/manifest.json",
            f"https://addon.example/{SECRET}/manifest.jsonx",
            f"https://addon.example/{SECRET}/",
            f"ftp://addon.example/{SECRET}/manifest.json",
            f"file:///{SECRET}/manifest.json",
            f"javascript:{SECRET}/manifest.json",
            f"data:application/json,{SECRET}/manifest.json",
            f"https://addon.example:99999/{SECRET}/manifest.json",
            f"https://addon.example:x/{SECRET}/manifest.json",
            f"https://addon.example/{SECRET} x/manifest.json",
            f"https://addon.example/{SECRET}\n/manifest.json",
            f"https://addon.example\\@127.0.0.1/{SECRET}/manifest.json",
            f"https://addon.example/a/../{SECRET}/manifest.json",
            f"https://addon%2eexample/{SECRET}/manifest.json",
            f"https://[fe80::1%25eth0]/{SECRET}/manifest.json",
            f"https://[::1/{SECRET}/manifest.json",
            f"https://{'x' * 300}.example/{SECRET}/manifest.json",
            f"https://..example/{SECRET}/manifest.json\x7f",
            f"ipfs:///{SECRET}/manifest.json",
            f"ipfs://QmHash/{SECRET}",
        ],
    )
    def test_that_are_none_are_refused_without_repeating_them(self, text: str) -> None:
        with pytest.raises(Rejected) as refusal:
            transport(text)

        assert refusal.value.code == "bad-transport-url"
        assert SECRET not in repr(refusal.value.details)
        assert refusal.value.__cause__ is None

    @given(st.text(string.printable + "äß€", max_size=60))
    def test_never_fail_in_another_way(self, text: str) -> None:
        for asked in (text, f"https://{text}/manifest.json", f"https://a.example/{text}/manifest.json"):
            try:
                found = transport(asked)
            except Rejected as refusal:
                assert refusal.code == "bad-transport-url"  # noqa: PT017  # others pass
            else:
                assert found.url.isascii()
                assert transport(found.url) == found


class TestLinting:
    def test_has_nothing_to_say_about_a_good_one(self) -> None:
        assert msgspec.to_builtins(examined(written(manifest()))) == {"valid": True, "errors": [], "warnings": []}

    @pytest.mark.parametrize(
        ("changes", "error"),
        [
            ({"id": None}, "manifest.id must be a string"),
            ({"id": 5}, "manifest.id must be a string"),
            ({"name": None}, "manifest.name must be a string"),
            ({"version": None}, "manifest.version must be a valid semantic version"),
            ({"version": "1.0"}, "manifest.version must be a valid semantic version"),
            ({"version": "1.0.0\n"}, "manifest.version must be a valid semantic version"),
            ({"version": "01.0.0"}, "manifest.version must be a valid semantic version"),
            ({"version": 1}, "manifest.version must be a valid semantic version"),
            ({"types": None}, "manifest.types must be an array"),
            ({"types": "movie"}, "manifest.types must be an array"),
            ({"types": [1]}, "manifest.types must be an array of strings"),
            ({"resources": None}, "manifest.resources must be an array"),
            ({"resources": {}}, "manifest.resources must be an array"),
            ({"catalogs": None}, "manifest.catalogs must be an array"),
            ({"catalogs": [5]}, "manifest.catalogs[0] must be an object"),
            ({"catalogs": [{"type": "movie"}]}, "manifest.catalogs[0].id must be a string"),
            ({"catalogs": [{"id": "a", "type": 1}]}, "manifest.catalogs[0].type must be a string"),
            (
                {"catalogs": [{"id": "a", "type": "movie", "extra": {}}]},
                "manifest.catalogs[0].extra must be an array",
            ),
            (
                {"catalogs": [{"id": "a", "type": "movie", "extra": [{"name": 1}]}]},
                "manifest.catalogs[0].extra[0].name must be a string",
            ),
            (
                {"catalogs": [{"id": "a", "type": "movie", "extra": [{"name": "skip", "isRequired": "no"}]}]},
                "manifest.catalogs[0].extra[0].isRequired must be a boolean",
            ),
            (
                {"catalogs": [{"id": "a", "type": "movie", "extraSupported": "skip"}]},
                "manifest.catalogs[0].extraSupported must be an array",
            ),
            ({"idPrefixes": "tt"}, "manifest.idPrefixes must be an array"),
            ({"behaviorHints": []}, "manifest.behaviorHints must be an object"),
            ({"behaviorHints": {"adult": "true"}}, "manifest.behaviorHints.adult must be a boolean"),
            ({"behaviorHints": {"p2p": None}}, "manifest.behaviorHints.p2p must be a boolean"),
            (
                {"behaviorHints": {"configurationRequired": 1}},
                "manifest.behaviorHints.configurationRequired must be a boolean",
            ),
        ],
    )
    def test_names_each_error(self, changes: dict[str, Any], error: str) -> None:
        found = examined(written(manifest(**changes)))

        assert (found.valid, found.errors) == (False, [error])

    @pytest.mark.parametrize(
        "changes",
        [
            {"version": "1.0.0-beta.2+build.7"},
            {"logo": ""},
            {"idPrefixes": ["tt"]},
            {"types": ["anime", "other", "all"]},
            {"types": []},
            {"behaviorHints": {}},
            {"description": None},
            {"catalogs": [{"id": "a", "type": "movie", "extraSupported": ["skip"], "genres": ["x"]}]},
        ],
    )
    def test_lets_pass_what_works(self, changes: dict[str, Any]) -> None:
        assert examined(written(manifest(**changes))).valid

    def test_lets_null_stand_for_no_prefixes(self) -> None:
        assert examined(written({**manifest(), "idPrefixes": None})).valid

    def test_warns_of_unknown_resources(self) -> None:
        odd = ["stream", "addon_catalog", {"name": "music"}, {"types": []}, 5]
        found = examined(written(manifest(resources=odd)))

        assert found.valid
        assert found.warnings == [
            'manifest.resources: "addon_catalog" is not a known resource',
            'manifest.resources: "music" is not a known resource',
            "manifest.resources: what is not a name is not a known resource",
            "manifest.resources: what is not a name is not a known resource",
        ]

    def test_warns_of_what_stremio_cannot_keep(self) -> None:
        base = len(msgspec.json.encode(manifest(description="")))
        fits = manifest(description="x" * (MANIFEST_WARNING_BYTES - base))
        over = manifest(description="x" * (MANIFEST_WARNING_BYTES - base + 1))

        assert examined(msgspec.json.encode(fits)).warnings == []
        assert len(examined(msgspec.json.encode(over)).warnings) == 1

    @pytest.mark.parametrize(
        ("raw", "errors"),
        [
            (b"null", ["manifest must be an object"]),
            (b"[]", ["manifest must be an object"]),
            (b'"manifest"', ["manifest must be an object"]),
            (b"", ["manifest is not JSON"]),
            (b"{", ["manifest is not JSON"]),
            (b'{"id":"\xff"}', ["manifest is not JSON"]),
            (b'{"id":"\\ud800 x"}', ["manifest is not JSON"]),
            (b'{"id":NaN}', ["manifest is not JSON"]),
            (b'{"id":1e999}', ["manifest is not JSON"]),
            (b'{"id":' + b"9" * 5_000 + b"}", ["manifest is not JSON"]),
            (b"[" * 30_000 + b"]" * 30_000, ["manifest is not JSON"]),
            (b" " * 10 + b'"' + b"x" * MANIFEST_BYTES + b'"', [f"manifest is larger than {MANIFEST_BYTES} bytes"]),
        ],
    )
    def test_is_told_in_one_error_what_is_no_manifest(self, raw: bytes, errors: list[str]) -> None:
        found = examined(raw)

        assert (found.valid, found.errors) == (False, errors)

    def test_stops_naming_the_same_error(self) -> None:
        assert len(examined(written(manifest(catalogs=[5] * 1_000))).errors) == NAMED
        assert len(examined(written(manifest(resources=["x"] * 1_000))).warnings) == NAMED

    @given(st.recursive(st.none() | st.booleans() | st.text(), lambda v: st.lists(v) | st.dictionaries(st.text(), v)))
    def test_never_fails(self, value: Any) -> None:
        examined(msgspec.json.encode(value))
        examined(msgspec.json.encode({**manifest(), "catalogs": value, "resources": value, "behaviorHints": value}))


class TestReading:
    def test_keeps_the_text_byte_for_byte(self) -> None:
        text = b'{ "id":"a","version":"1.0.0", "name":"\\u00e9", "types":[],'
        text += b'"resources":[],"catalogs":[],\n "x-1": [1.0, 2e3]}'

        assert read(b"\n " + text + b" ").text == text.decode()

    def test_knows_the_same_manifest_however_it_is_written(self) -> None:
        shuffled = dict(reversed(list(manifest().items())))

        assert read(written(manifest())).canonical == read(json.dumps(shuffled, indent=2).encode()).canonical
        assert read(written(manifest())).canonical != read(written(manifest(name="Others"))).canonical

    def test_refuses_too_much(self) -> None:
        with pytest.raises(Rejected, match="manifest-too-large"):
            read(written(manifest(description="x" * MANIFEST_BYTES)))

    def test_says_what_is_wrong(self) -> None:
        with pytest.raises(Rejected) as refusal:
            read(written(manifest(id=None)))

        assert refusal.value.code == "manifest-invalid"
        assert refusal.value.details == {"errors": ["manifest.id must be a string"]}
