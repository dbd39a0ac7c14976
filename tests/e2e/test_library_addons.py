"""Addons and profile through the gateway, as apps see them: on several devices, live, with and without a manifest."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from tests.e2e.client import Client, Refused
from tests.e2e.person import DOORS, Person, person, watched
from tests.simulators.addons import AddonSimulator, addons, manifest
from tests.simulators.issuer import IssuerSimulator, issuer
from tests.system import System, system_over
from tests.wait import eventually

SECRET = "s3cr3t-t0ken"


def url(name: str) -> str:
    return f"https://{name}.example/{SECRET}/manifest.json"


@pytest_asyncio.fixture(params=DOORS)
async def ana(system: System, request: pytest.FixtureRequest) -> AsyncIterator[Person]:
    async with person(system, "Ana", request.param) as somebody:
        yield somebody


async def install(ana: Person, name: str, **more: Any) -> None:
    await ana.do("library.install_addon", transport_url=url(name), manifest=manifest(id=name), **more)


def ids(page: Any) -> list[str]:
    return [addon["manifest"]["id"] for addon in page["items"]]


def id_of(page: Any, name: str) -> str:
    return next(str(addon["addon_id"]) for addon in page["items"] if addon["manifest"]["id"] == name)


# Addons.


async def test_a_collection_is_taken_in_shown_changed_and_given_back(ana: Person) -> None:
    collection = [
        {"transportUrl": url(name), "transportName": "http", "manifest": manifest(id=name), "flags": {}, "extra": 1}
        for name in "abc"
    ]
    await ana.do("library.import_addons", addons=collection)
    page = await ana.see("library.addons")
    assert ids(page) == ["a", "b", "c"]

    await ana.do("library.move_addon", addon_id=id_of(page, "c"))
    await ana.do("library.move_addon", addon_id=id_of(page, "a"), after=id_of(page, "b"))
    await ana.do("library.flag_addon", addon_id=id_of(page, "b"), flags={"protected": True})
    assert await ana.refused("library.remove_addon", addon_id=id_of(page, "b")) == "addon-protected"
    await ana.do("library.remove_addon", addon_id=id_of(page, "a"))
    assert ids(await ana.see("library.addons")) == ["c", "b"]

    exported = await ana.see("library.addon_collection")
    assert [each["transportUrl"] for each in exported["addons"]] == [url("c"), url("b")]
    assert exported["addons"][1]["flags"] == {"protected": True}
    assert {each["transportName"] for each in exported["addons"]} == {"http"}
    assert exported["addons"][0]["manifest"] == manifest(id="c")

    await ana.do("library.import_addons", addons=exported["addons"], replace=True)
    assert await ana.see("library.addon_collection") == exported

    await ana.do("library.import_addons", addons=collection[:1], replace=True)
    assert ids(await ana.see("library.addons")) == ["b", "a"]


async def test_a_collection_over_http_may_be_as_large_as_they_are(system: System) -> None:
    manifests = [manifest(id=f"n{n}", description="x" * 8_000) for n in range(40)]
    collection = [{"transportUrl": url(each["id"]), "manifest": each} for each in manifests]
    async with person(system, "Ana", "http") as ana:
        await ana.do("library.import_addons", addons=collection)
        assert len(await ana.pages("library.addons", limit=100)) == len(manifests)
        assert len(await ana.pages("library.addon_collection", field="addons")) == len(manifests)
        assert await ana.refused("library.import_addons", addons=collection * 2) == "body-too-large"


async def test_the_same_addon_is_there_once_however_often_it_is_installed(ana: Person) -> None:
    wishes = [url("a"), url("a").replace("https", "stremio"), url("a").replace("a.example", "A.EXAMPLE:443")]
    await asyncio.gather(
        *(ana.do("library.install_addon", transport_url=each, manifest=manifest(id="a")) for each in wishes * 3)
    )

    page = await ana.see("library.addons")
    assert [each["transport_url"] for each in page["items"]] == [url("a")]


async def test_addons_are_live_on_another_device_and_nobody_elses(system: System, ana: Person) -> None:
    async with contextlib.AsyncExitStack() as stack:
        tablet = await ana.device(stack)
        other = await stack.enter_async_context(person(system, "Bo"))
        screen = await watched(tablet, "library.addons")
        assert screen.now["items"] == []

        await install(ana, "a")
        assert ids(await screen.next()) == ["a"]
        mine = id_of(screen.now, "a")
        assert await other.refused("library.remove_addon", addon_id=mine) == "no-such-addon"
        assert await other.refused("library.flag_addon", addon_id=mine, flags={}) == "no-such-addon"
        assert await other.refused("library.move_addon", addon_id=mine) == "no-such-addon"
        assert (await other.see("library.addons"))["items"] == []

        await ana.do("library.remove_addon", addon_id=mine)
        assert (await screen.next())["items"] == []


@pytest.mark.parametrize(
    ("args", "code"),
    [
        ({"transport_url": f"https://a.example/{SECRET}"}, "bad-transport-url"),
        ({"transport_url": f"ftp://a.example/{SECRET}/manifest.json"}, "bad-transport-url"),
        ({"transport_url": url("a"), "manifest": []}, "manifest-invalid"),
        ({"transport_url": url("a"), "manifest": manifest(version="1")}, "manifest-invalid"),
        ({"transport_url": f"http://127.0.0.1:1/{SECRET}/manifest.json"}, "private-address"),
        ({"transport_url": f"http://localhost:1/{SECRET}/manifest.json"}, "private-address"),
        ({"transport_url": f"http://[::1]:1/{SECRET}/manifest.json"}, "private-address"),
        ({"transport_url": f"http://169.254.169.254/{SECRET}/manifest.json"}, "private-address"),
        ({"transport_url": f"http://no-such-host.invalid/{SECRET}/manifest.json"}, "manifest-unreachable"),
        ({"transport_url": 5}, "invalid-argument"),
        (
            {"transport_url": url("a"), "manifest": manifest(behaviorHints={"configurationRequired": True})},
            "configuration-required",
        ),
    ],
)
async def test_what_cannot_be_installed_is_said_without_repeating_it(
    ana: Person, args: dict[str, Any], code: str
) -> None:
    with pytest.raises(Refused) as refused:
        await ana.do("library.install_addon", **args)

    assert refused.value.code == code
    assert SECRET not in json.dumps(refused.value.error)
    assert (await ana.see("library.addons"))["items"] == []


async def test_the_linter(ana: Person) -> None:
    assert await ana.see("library.lint_manifest", manifest=manifest()) == {"valid": True, "errors": [], "warnings": []}
    found = await ana.see("library.lint_manifest", manifest=manifest(id=None, resources=["addon_catalog"]))
    assert (found["valid"], len(found["errors"]), len(found["warnings"])) == (False, 1, 1)
    assert not (await ana.see("library.lint_manifest", manifest="manifest"))["valid"]


# Profile.


async def test_a_guest_has_a_profile_with_their_name_that_they_may_change(ana: Person) -> None:
    shown = await ana.see("library.profile")
    assert shown["created_at"] is None
    assert (shown["uid"], shown["display_name"], shown["claimed_name"]) == (ana.user, "Ana", "Ana")

    await ana.do("library.edit_profile", display_name="Anna", avatar="cat")
    await ana.do("library.set_preferences", changes={"theme": "dark", "player": {"speed": 1.5}})
    await ana.do("library.set_preferences", changes={"theme": None})
    shown = await ana.see("library.profile")
    assert (shown["display_name"], shown["avatar"], shown["claimed_name"]) == ("Anna", "cat", "Ana")
    assert shown["preferences"] == {"player": {"speed": 1.5}}

    await ana.do("library.edit_profile", display_name="")
    assert (await ana.see("library.profile"))["display_name"] == "Ana"


async def test_nobody_can_sign_somebody_in(ana: Person) -> None:
    assert await ana.refused("library.sign_in", name="Eve") == "unknown-function"


@pytest.mark.parametrize(
    ("fn", "args", "code"),
    [
        ("edit_profile", {"display_name": "x" * 65}, "invalid-argument"),
        ("edit_profile", {"display_name": None}, "invalid-argument"),
        ("set_preferences", {"changes": {}}, "invalid-argument"),
        ("set_preferences", {"changes": {"a b": 1}}, "invalid-argument"),
        ("set_preferences", {"changes": {"a": [[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]}}, "invalid-argument"),
        ("set_preferences", {"changes": {"a": "x" * 8_192}}, "preferences-too-large"),
        ("set_preferences", {"changes": {"a": 1}, "at": "2020-01-01T00:00:00Z"}, "too-old"),
    ],
)
async def test_what_cannot_be_told_of_oneself(ana: Person, fn: str, args: dict[str, Any], code: str) -> None:
    assert await ana.refused(f"library.{fn}", **args) == code
    assert (await ana.see("library.profile"))["preferences"] == {}


# An installation of one's own, with addons in the house and an issuer.


async def test_an_installation_may_allow_addons_in_the_house_and_knows_its_people(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    async with addons() as addon, issuer() as idp:
        settings = {
            "MATINEE_PRIVATE_ADDONS": "true",
            "MATINEE_ISSUERS": json.dumps([{"issuer": idp.url, "audience": "matinee"}]),
        }
        with system_over(tmp_path_factory.mktemp("house"), **settings) as house:
            await _fetches(house, addon, idp)


async def _fetches(house: System, addon: AddonSimulator, idp: IssuerSimulator) -> None:
    token = idp.mint(name="Ana", picture="https://p.example/ana", email="ana@mail.example")
    async with aiohttp.ClientSession(house.http) as http, await Client.connect(house.ws, token) as socket:
        ana = Person(house, token, http, socket, "socket")
        await ana.do("library.install_addon", transport_url=f"{addon.url()}?key={SECRET}")
        (shown,) = (await ana.see("library.addons"))["items"]
        assert shown["manifest"] == addon.manifest

        addon.manifest = manifest(version="2.0.0", resources=["odd"])
        await ana.do("library.install_addon", transport_url=f"{addon.url()}?key={SECRET}")
        (shown,) = (await ana.see("library.addons"))["items"]
        assert shown["manifest"]["version"] == "2.0.0"
        assert shown["warnings"] == ['manifest.resources: "odd" is not a known resource']
        bad = {"/slow": "manifest-unreachable", "/html": "manifest-invalid", "/bomb": "manifest-too-large"}
        for path, code in bad.items():
            assert await ana.refused("library.install_addon", transport_url=f"{addon.url(path)}?key={SECRET}") == code

        async def known() -> Any:
            profile = await ana.see("library.profile")
            return profile if profile["created_at"] else None

        profile = await eventually(known)
        assert (profile["display_name"], profile["avatar"]) == ("Ana", "https://p.example/ana")
        assert profile["email"] == "ana@mail.example"
    assert _found(house, ana.user)
    for secret in (SECRET, "ana@mail.example"):
        assert _found(house, secret) == []


def _found(house: System, text: str) -> list[str]:
    """Where something is: in what was printed, and in which files of the log."""
    files = [house.output, *(house.folder / "nats").rglob("*")]
    return [str(file) for file in files if file.is_file() and text.encode() in file.read_bytes()]
