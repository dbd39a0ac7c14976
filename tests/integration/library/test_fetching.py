"""Manifests are fetched from real servers, with little patience and within bounds."""

import asyncio
import json
import logging
import socket
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from msgspec import Raw
from tests.simulators.addons import AddonSimulator, addons, manifest
from tests.wait import eventually

from events.contracts.library import MANIFEST_BYTES, InstallAddon
from events.messages import Context, Rejected
from events.testing import NOW
from library import fetching
from library.fetching import Fetches, fetched, is_any

SECRET = "s3cr3t-t0ken"
HOUSE = "127.0.0.1"
STREET = "127.0.0.2"
"""Stands for the open internet: what is in the house must not be reached from there."""


@pytest.fixture
async def addon() -> AsyncIterator[AddonSimulator]:
    async with addons() as simulator:
        yield simulator


@pytest.fixture
async def outside() -> AsyncIterator[AddonSimulator]:
    async with addons(STREET) as simulator:
        yield simulator


def on_the_street(address: str) -> bool:
    return address == STREET


def asking(**more: Any) -> Context:
    return Context(**{"actor": "ana", "now": NOW, "command_id": "c1", **more})


class TestFetching:
    async def test_brings_the_manifest_as_it_came(self, addon: AddonSimulator) -> None:
        assert await fetched(addon.url(), is_any) == json.dumps(addon.manifest).encode()

    @pytest.mark.parametrize("path", ["/good", "/plain", "/gzip", "/cookie", "/chain/1", "/chain/3"])
    async def test_takes_what_can_be_read(self, addon: AddonSimulator, path: str) -> None:
        assert json.loads(await fetched(addon.url(path), is_any)) == addon.manifest

    @pytest.mark.parametrize(
        ("path", "code", "reason"),
        [
            ("/large", "manifest-too-large", None),
            ("/flood", "manifest-too-large", None),
            ("/bomb", "manifest-too-large", None),
            ("/html", "manifest-invalid", None),
            ("/picture", "manifest-invalid", None),
            ("/half-packed", "manifest-invalid", None),
            ("/brotli", "manifest-invalid", None),
            ("/missing", "manifest-unreachable", "status"),
            ("/broken", "manifest-unreachable", "status"),
            ("/cut", "manifest-unreachable", "connection"),
            ("/chain/4", "manifest-unreachable", "redirects"),
            ("/circle", "manifest-unreachable", "redirects"),
            ("/nowhere", "manifest-unreachable", "redirects"),
            ("/slow", "manifest-unreachable", "timeout"),
            ("/endless", "manifest-unreachable", "timeout"),
        ],
    )
    async def test_gives_up_on_what_is_bad(
        self, addon: AddonSimulator, path: str, code: str, reason: str | None
    ) -> None:
        with pytest.raises(Rejected) as refusal:
            await fetched(addon.url(f"{path}/{SECRET}" if not path.startswith("/chain") else path), is_any, 1.0)

        assert (refusal.value.code, refusal.value.details.get("reason")) == (code, reason)
        assert SECRET not in repr(refusal.value.details)
        assert refusal.value.__cause__ is None
        assert SECRET not in repr(refusal.value.__context__)

    async def test_reads_no_more_than_it_may(self, addon: AddonSimulator) -> None:
        addon.manifest = "x" * (MANIFEST_BYTES - 2)
        assert len(await fetched(addon.url(), is_any)) == MANIFEST_BYTES

        addon.manifest = "x" * (MANIFEST_BYTES - 1)
        with pytest.raises(Rejected, match="manifest-too-large"):
            await fetched(addon.url(), is_any)

    async def test_says_nothing_of_whom_it_asks_for(self, addon: AddonSimulator, monkeypatch: Any) -> None:
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")

        await fetched(addon.url("/cookie"), is_any)

        for _, headers in addon.asked:
            assert not {"Cookie", "Authorization", "Referer"} & headers.keys()

    async def test_hands_on_credentials_of_the_url_to_nobody_else(self, addon: AddonSimulator) -> None:
        addon.elsewhere = addon.url("/good")
        await fetched(addon.url("/redirect").replace("http://", f"http://ana:{SECRET}@"), is_any)

        (_, first), (_, second) = addon.asked
        assert "Authorization" in first
        assert "Authorization" not in second

    async def test_tells_when_nobody_is_there(self) -> None:
        with socket.socket() as free:
            free.bind((HOUSE, 0))
            url = f"http://{HOUSE}:{free.getsockname()[1]}/manifest.json"
        with pytest.raises(Rejected, match="manifest-unreachable"):
            await fetched(url, is_any)
        with pytest.raises(Rejected, match="manifest-unreachable"):
            await fetched("http://no-such-host.invalid/manifest.json", is_any, 5.0)


class TestStayingOutside:
    async def test_asks_nobody_in_the_house(self, addon: AddonSimulator) -> None:
        port = addon.place.rpartition(":")[2]
        for host in (HOUSE, "localhost", "0x7f.1", "[::ffff:127.0.0.1]", "[::1]", "0.0.0.0"):
            with pytest.raises(Rejected, match="private-address"):
                await fetched(f"http://{host}:{port}/manifest.json")
        for host in ("127.1", "2130706433", "0"):
            with pytest.raises(Rejected, match="manifest-unreachable"):
                await fetched(f"http://{host}:{port}/manifest.json")
        assert addon.asked == []

    async def test_follows_nobody_into_the_house(self, addon: AddonSimulator, outside: AddonSimulator) -> None:
        outside.elsewhere = addon.url()

        with pytest.raises(Rejected) as refusal:
            await fetched(outside.url("/redirect"), on_the_street)

        assert (refusal.value.code, refusal.value.details) == ("private-address", {})
        assert addon.asked == []

    @pytest.mark.parametrize("there", ["file:///etc/passwd", "ftp://127.0.0.2/x", "gopher://127.0.0.2:6379/_x"])
    async def test_follows_nobody_to_another_protocol(self, outside: AddonSimulator, there: str) -> None:
        outside.elsewhere = there

        with pytest.raises(Rejected, match="manifest-unreachable"):
            await fetched(outside.url("/redirect"), on_the_street)

    @pytest.mark.parametrize("found", [(HOUSE,), (STREET, HOUSE), (HOUSE, STREET), ("::1", STREET)])
    async def test_one_address_in_the_house_spoils_a_name(
        self, addon: AddonSimulator, outside: AddonSimulator, found: tuple[str, ...], monkeypatch: Any
    ) -> None:
        _resolving(monkeypatch, [found])
        port = outside.place.rpartition(":")[2]

        with pytest.raises(Rejected, match="private-address"):
            await fetched(f"http://addon.example:{port}/good/manifest.json", on_the_street)
        assert outside.asked == []

    async def test_a_name_that_changes_its_mind_is_believed_once(
        self, addon: AddonSimulator, outside: AddonSimulator, monkeypatch: Any
    ) -> None:
        """Whatever was checked is what is connected to."""
        _resolving(monkeypatch, [(STREET,), (HOUSE,)])
        port = outside.place.rpartition(":")[2]

        assert await fetched(f"http://addon.example:{port}/good/manifest.json", on_the_street)
        with pytest.raises(Rejected, match="private-address"):
            await fetched(f"http://addon.example:{port}/good/manifest.json", on_the_street)
        assert len(outside.asked) == 1


def _resolving(monkeypatch: Any, answers: list[tuple[str, ...]]) -> None:
    async def resolve(host: str, port: int, **more: Any) -> list[Any]:
        kinds = ((socket.AF_INET6 if ":" in a else socket.AF_INET, a) for a in answers.pop(0))
        return [(kind, socket.SOCK_STREAM, 6, "", (a, port)) for kind, a in kinds]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve)


class TestPreparing:
    async def test_adds_the_manifest(self, addon: AddonSimulator) -> None:
        prepared, _ = await Fetches(is_any).prepare(InstallAddon(transport_url=addon.url()), asking())

        assert json.loads(bytes(prepared.manifest)) == addon.manifest

    async def test_asks_nobody_for_what_is_there(self, addon: AddonSimulator) -> None:
        given = InstallAddon(transport_url=addon.url(), manifest=Raw(msgspec.json.encode(manifest())))

        prepared, _ = await Fetches(is_any).prepare(given, asking())

        assert prepared is given
        assert addon.asked == []

    async def test_asks_nobody_on_behalf_of_nobody(self, addon: AddonSimulator) -> None:
        wish = InstallAddon(transport_url=addon.url())

        prepared, _ = await Fetches(is_any).prepare(wish, asking(actor=""))

        assert prepared is wish
        assert addon.asked == []

    @pytest.mark.parametrize("url", ["https://a.example/x", "ipfs://QmX/manifest.json", "https://a.example/stremio/v1"])
    async def test_refuses_what_cannot_be_asked(self, url: str) -> None:
        with pytest.raises(Rejected, match="bad-transport-url"):
            await Fetches(is_any).prepare(InstallAddon(transport_url=url), asking())

    async def test_asks_once_for_a_command_that_is_sent_again(self, addon: AddonSimulator) -> None:
        fetches, wish = Fetches(is_any), InstallAddon(transport_url=addon.url("/slow"))
        first = asyncio.create_task(fetches.prepare(wish, asking()))
        second = asyncio.create_task(fetches.prepare(wish, asking()))
        await eventually(lambda: addon.count("/slow") == 1)
        first.cancel()
        addon.release.set()

        prepared, _ = await second
        assert json.loads(bytes(prepared.manifest)) == addon.manifest
        prepared, _ = await fetches.prepare(wish, asking())
        assert prepared.manifest
        assert addon.count("/slow") == 1
        for n in range(fetching.KEPT + 1):
            await fetches.prepare(wish, asking(command_id=f"another {n}"))
        assert len(fetches._found) == fetching.KEPT

    async def test_asks_anew_for_a_command_that_is_sent_again_after_it_failed(self, addon: AddonSimulator) -> None:
        fetches = Fetches(is_any)
        for _ in range(2):
            with pytest.raises(Rejected, match="manifest-unreachable"):
                await fetches.prepare(InstallAddon(transport_url=addon.url("/missing")), asking())
        assert addon.count("/missing") == 2

    async def test_answers_before_nobody_waits_any_more(self, addon: AddonSimulator) -> None:
        with pytest.raises(Rejected) as refusal:
            await Fetches(is_any).prepare(InstallAddon(transport_url=addon.url("/slow")), asking(patience=1.0))

        assert refusal.value.details == {"reason": "timeout"}

    async def test_is_busy_with_so_many_at_once(self, addon: AddonSimulator, monkeypatch: Any) -> None:
        monkeypatch.setattr(fetching, "AT_ONCE", 1)
        fetches, wish = Fetches(is_any), InstallAddon(transport_url=addon.url("/slow"))
        first = asyncio.create_task(fetches.prepare(wish, asking()))
        await eventually(lambda: addon.count("/slow") == 1)

        with pytest.raises(Rejected, match="busy"):
            await fetches.prepare(wish, asking(command_id="c2"))
        addon.release.set()
        await first
        prepared, _ = await fetches.prepare(wish, asking(command_id="c3"))
        assert prepared.manifest

    async def test_ends_with_its_replica(self, addon: AddonSimulator) -> None:
        async with fetching.fetching(private=True) as preparing:
            waiting = asyncio.ensure_future(
                preparing[InstallAddon](InstallAddon(transport_url=addon.url("/slow")), asking())
            )
            await eventually(lambda: addon.count("/slow") == 1)
        with pytest.raises(asyncio.CancelledError):
            await waiting

    async def test_writes_no_url_into_any_log(self, addon: AddonSimulator, caplog: Any, capfd: Any) -> None:
        caplog.set_level(logging.DEBUG)
        asyncio.get_running_loop().set_debug(True)
        for path in ("/good", "/html", "/cut", "/chain/4", "/missing", "/bomb"):
            wish = InstallAddon(transport_url=f"{addon.url(path)}?key={SECRET}")
            try:
                await Fetches(is_any).prepare(wish, asking())
            except Rejected as refusal:
                assert SECRET not in repr((refusal, refusal.details))  # noqa: PT017  # some pass
        asyncio.get_running_loop().set_debug(False)

        assert SECRET not in caplog.text
        assert SECRET not in "".join(capfd.readouterr())
