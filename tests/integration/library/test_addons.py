"""Addons as they are shown; and through a whole replica, that what is secret about them appears nowhere."""

import asyncio
import base64
import json
import secrets
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import msgspec
import pytest
from msgspec import Raw
from prometheus_client import generate_latest
from tests.integration.readmodels import ReadModel
from tests.integration.recording import Recording, cut
from tests.simulators.addons import AddonSimulator, manifest
from tests.simulators.addons import addons as simulated
from tests.wait import eventually

from events.bus import Bus
from events.contracts.library import (
    AddonFlags,
    AddonInstalled,
    Addons,
    AddonsPage,
    AddonView,
    Collection,
    Descriptor,
    ExportAddons,
    FlagAddon,
    ImportAddons,
    InstallAddon,
    LintManifest,
    MoveAddon,
    RemoveAddon,
    addons_key,
    addons_topic,
)
from events.messages import AFTER, CONTEXT, Answer, Context, Rejected
from events.service import Replica, replica
from events.testing import NOW
from library.addons import decider
from library.limits import Limits
from library.main import service
from library.queries import addons as queries
from library.rules import Rules
from library.settings import LibrarySettings
from ops.embedded import Embedded

ANA, BOB = "ana", "bob"
SECRET = "s3cr3t-t0ken"
RULES = Rules(pepper=b"pepper")


@pytest.fixture
def story() -> Recording:
    return Recording(decider(RULES))


def url(name: str) -> str:
    return f"https://{name}.example/{SECRET}/manifest.json"


def raw(**changes: Any) -> Raw:
    return Raw(json.dumps(manifest(**changes)).encode())


def install(name: str, **more: Any) -> InstallAddon:
    return InstallAddon(**{"transport_url": url(name), "manifest": raw(id=name), **more})


def asking(uid: str = ANA) -> Context:
    return Context(actor=uid, now=NOW)


async def shown(model: ReadModel, uid: str = ANA, **asked: Any) -> AddonsPage:
    return await queries.addons(model.reader, Addons(**asked), asking(uid))


async def exported(model: ReadModel, uid: str = ANA) -> Collection:
    return await queries.addon_collection(model.reader, ExportAddons(), asking(uid))


def ids(page: AddonsPage) -> list[str]:
    return [json.loads(bytes(addon.manifest))["id"] for addon in page.items]


def id_of(model_page: AddonsPage, name: str) -> str:
    return next(addon.addon_id for addon in model_page.items if json.loads(bytes(addon.manifest))["id"] == name)


class TestShowing:
    async def test_of_somebody_new_there_is_nothing(self, model: ReadModel) -> None:
        assert await shown(model) == AddonsPage([], None)
        assert await exported(model) == Collection([], None)

    async def test_is_in_their_order_and_each_persons_own(self, model: ReadModel, story: Recording) -> None:
        for name in "abc":
            story.tell(install(name), by=ANA)
        story.tell(install("d"), by=BOB)
        topics = await model.apply(story.commits)
        page = await shown(model)
        story.tell(MoveAddon(addon_id=id_of(page, "c")), by=ANA)
        story.tell(FlagAddon(addon_id=id_of(page, "a"), flags=AddonFlags(protected=True)), by=ANA)
        await model.apply(story.commits[4:])
        page = await shown(model)

        assert topics == {addons_topic(ANA), addons_topic(BOB)}
        assert ids(page) == ["c", "a", "b"]
        assert [addon.flags.protected for addon in page.items] == [False, True, False]
        assert page.items[1] == AddonView(
            addon_id=page.items[1].addon_id,
            transport_url=url("a"),
            manifest=raw(id="a"),
            flags=AddonFlags(protected=True),
            order="a0",
            warnings=[],
            installed_at=NOW + timedelta(seconds=1),
            updated_at=story.now,
        )
        assert ids(await shown(model, BOB)) == ["d"]

    async def test_keeps_manifests_byte_for_byte(self, model: ReadModel, story: Recording) -> None:
        text = b'{"id":"a", "version":"1.0.0","name":"\\u0000\\u00e9\xc3\xa9","types":[],"resources":["odd\\u0000"],'
        text += b'"catalogs":[],  "unknown": {"z":1.0,"a":[1e2,123456789012345678901234567890]}}'
        story.tell(install("a", manifest=Raw(text)), by=ANA)
        await model.apply(story.commits)
        (addon,) = (await shown(model)).items

        assert bytes(addon.manifest) == text
        assert addon.warnings == ['manifest.resources: "odd" is not a known resource']

    async def test_is_without_what_was_removed(self, model: ReadModel, story: Recording) -> None:
        story.tell(install("a"), by=ANA)
        story.tell(install("b"), by=ANA)
        await model.apply(story.commits)
        id = id_of(await shown(model), "a")
        story.tell(RemoveAddon(addon_id=id), by=ANA)
        await model.apply(story.commits[2:])

        assert ids(await shown(model)) == ["b"]

        story.tell(install("a", manifest=raw(id="a", version="2.0.0")), by=ANA)
        await model.apply(story.commits[3:])
        page = await shown(model)

        assert ids(page) == ["b", "a"]
        assert page.items[1].installed_at == story.now
        assert (id_of(page, "a"), json.loads(bytes(page.items[1].manifest))["version"]) == (id, "2.0.0")

    async def test_is_without_what_nobody_can_read_any_more(self, model: ReadModel, story: Recording) -> None:
        gone = AddonInstalled(uid=ANA, addon_id="x", transport_url="", manifest="", order="a0", at=NOW, op="o")
        story.say(addons_key(ANA), gone)
        await model.apply(story.commits)

        assert await shown(model) == AddonsPage([], None)

    async def test_comes_in_pages(self, model: ReadModel, story: Recording) -> None:
        for n in range(23):
            story.tell(install(f"n{n:02}"), by=ANA)
        await model.apply(story.commits)
        found, cursor = list[str](), None
        while True:
            page = await shown(model, limit=5, cursor=cursor)
            assert len(page.items) <= 5
            found, cursor = found + ids(page), page.cursor
            if cursor is None:
                break

        assert found == [f"n{n:02}" for n in range(23)]
        with pytest.raises(Rejected, match="bad-cursor"):
            await shown(model, cursor="x")

    async def test_never_comes_in_pages_too_large_to_answer(self, model: ReadModel, story: Recording) -> None:
        for n in range(25):
            story.tell(install(f"n{n:02}", manifest=raw(id=f"n{n:02}", description="x" * 60_000)), by=ANA)
        await model.apply(story.commits)
        page = await shown(model, limit=100)
        collection = await exported(model)

        for answer in (page, collection):
            assert len(msgspec.json.encode(answer)) < 900_000
            assert answer.cursor is not None
        rest = await shown(model, limit=100, cursor=page.cursor)
        assert len(page.items) + len(rest.items) + len((await shown(model, cursor=rest.cursor)).items) <= 26

    async def test_an_export_taken_in_again_changes_nothing(self, model: ReadModel, story: Recording) -> None:
        for name in "abc":
            story.tell(install(name, flags=AddonFlags(official=name == "b", protected=name == "c")), by=ANA)
        await model.apply(story.commits)
        written = msgspec.json.encode(await exported(model))
        assert [*json.loads(written)["addons"][0]] == ["transportUrl", "transportName", "manifest", "flags"]

        again = msgspec.json.decode(b'{"addons":%b}' % json.dumps(json.loads(written)["addons"]).encode(), type=_Taken)
        for replace in (False, True):
            assert story.tell(ImportAddons(addons=again.addons, replace=replace), by=ANA) == []
        assert len(story.tell(ImportAddons(addons=again.addons), by=BOB)) == 3
        await model.apply(story.commits[3:])
        assert msgspec.json.encode(await exported(model, BOB)) == written

    async def test_the_linter_answers_anybody(self, model: ReadModel) -> None:
        found = await queries.lint_manifest(model.reader, LintManifest(manifest=Raw(b'{"id":5}')), asking())

        assert not found.valid
        assert "manifest.id must be a string" in found.errors

    @pytest.mark.parametrize("seed", range(3))
    async def test_does_not_depend_on_how_the_log_is_cut(self, model: ReadModel, story: Recording, seed: int) -> None:
        chance = Random(seed)
        rules = {name: RULES.digest(uid, "addon", url(name)) for uid in (ANA,) for name in "abc"}
        for n in range(80):
            late: dict[str, Any] = {}
            if chance.random() < 0.5:
                late = {"at": story.now - timedelta(seconds=chance.randrange(30)), "op": f"op{n}"}
            name = chance.choice("abc")
            version = f"{chance.randrange(3)}.0.0"
            story.tell(
                chance.choice(
                    [
                        install(name, manifest=raw(id=name, version=version), **late),
                        MoveAddon(addon_id=rules[name], order=chance.choice(("a5", "b0")), **late),
                        FlagAddon(addon_id=rules[name], flags=AddonFlags(official=chance.random() < 0.5), **late),
                        RemoveAddon(addon_id=rules[name], **late),
                        ImportAddons(addons=(_descriptor("a"), _descriptor("c")), replace=True, **late),
                    ]
                ),
                by=ANA,
            )
        await model.apply(story.commits)
        whole = await model.same()
        state = story.state(addons_key(ANA))
        assert [(addon.addon_id, addon.order) for addon in (await shown(model)).items] == list(state.row())
        for size in (1, 5):
            await model.empty()
            await model.apply(*cut(story.commits, size))
            assert await model.same() == whole


class _Taken(msgspec.Struct):
    addons: tuple[Descriptor, ...]


def _descriptor(name: str) -> Descriptor:
    return Descriptor(transport_url=url(name), manifest=raw(id=name))


# A whole replica.


class Library:
    """A replica, and somebody's calls to it over the bus."""

    def __init__(self, running: Replica, bus: Bus) -> None:
        self.running = running
        self.bus = bus
        self.uid = secrets.token_hex(8)
        self.position = ""

    async def call(self, function: str, patience: float = 5.0, /, *, id: str = "", **args: Any) -> Answer:
        kind = "qry" if function in ("library.addons", "library.addon_collection") else "cmd"
        context = Context(
            actor=self.uid, now=datetime.now(UTC), command_id=id or secrets.token_hex(13), patience=patience
        )
        headers = {CONTEXT: msgspec.json.encode(context).decode()}
        if self.position:
            headers[AFTER] = self.position
        body = msgspec.json.encode(args)
        msg = await self.bus.request(f"{kind}.library.{function}", body, headers, patience + 5)
        answer = msgspec.json.decode(msg.data, type=Answer)
        if answer.error is None and kind == "cmd":
            self.position = answer.position
        return answer

    async def code(self, function: str, patience: float = 5.0, /, **args: Any) -> str:
        answer = await self.call(function, patience, **args)
        assert SECRET not in repr(answer.error)
        return answer.error.code if answer.error is not None else ""


@pytest.fixture
async def addon() -> AsyncIterator[AddonSimulator]:
    async with simulated() as simulator:
        yield simulator


@pytest.fixture
async def bus(servers: Embedded) -> AsyncIterator[Bus]:
    bus = await Bus.connect(servers.nats_url(), "ops")
    yield bus
    await bus.close()


def configured(servers: Embedded) -> LibrarySettings:
    return LibrarySettings(
        nats_url=servers.nats_url("library"),
        database_url=servers.database_url("library"),
        master_key=servers.keys.master_key,
        replica=secrets.token_hex(4),
    )


@pytest.fixture
async def library(servers: Embedded, bus: Bus) -> AsyncIterator[Library]:
    rules = Rules(pepper=b"pepper", private_addons=True)
    async with replica(service(rules, Limits()), configured(servers)) as running:
        yield Library(running, bus)


class TestServing:
    async def test_fetches_a_manifest_that_is_not_given(self, library: Library, addon: AddonSimulator) -> None:
        where = f"{addon.url()}?key={SECRET}"

        assert await library.code("library.install_addon", transport_url=where) == ""
        answer = await library.call("library.addons")
        page = json.loads(bytes(answer.value))

        assert page["items"][0]["transport_url"] == where
        assert page["items"][0]["manifest"] == addon.manifest
        assert addon.count() == 1

    async def test_refuses_before_anybody_queues(self, library: Library, addon: AddonSimulator) -> None:
        for path, code in (
            ("/html", "manifest-invalid"),
            ("/missing", "manifest-unreachable"),
            ("/bomb", "manifest-too-large"),
        ):
            assert await library.code("library.install_addon", transport_url=addon.url(path)) == code

    async def test_lets_others_go_on_while_somebody_waits(self, library: Library, addon: AddonSimulator) -> None:
        slow = asyncio.create_task(library.call("library.install_addon", transport_url=addon.url("/slow")))
        await eventually(lambda: addon.count("/slow") == 1)

        assert await library.code("library.install_addon", transport_url=addon.url()) == ""
        addon.release.set()
        assert (await slow).error is None

    async def test_answers_while_somebody_still_waits(self, library: Library, addon: AddonSimulator) -> None:
        assert (
            await library.code("library.install_addon", 1.5, transport_url=addon.url("/slow")) == "manifest-unreachable"
        )
        assert await library.code("library.install_addon", 0.3, transport_url=addon.url("/slow")) == "deadline-exceeded"

    async def test_asks_once_for_a_command_that_is_sent_again(self, library: Library, addon: AddonSimulator) -> None:
        id = secrets.token_hex(13)
        sent = [
            asyncio.create_task(library.call("library.install_addon", id=id, transport_url=addon.url("/slow")))
            for _ in range(3)
        ]
        await eventually(lambda: addon.count("/slow") == 1)
        addon.release.set()

        assert {(await each).position for each in sent} == {library.position}
        assert addon.count("/slow") == 1

    async def test_asks_nobody_in_the_house_unless_it_is_allowed(
        self, servers: Embedded, bus: Bus, addon: AddonSimulator, library: Library
    ) -> None:
        wish = InstallAddon(transport_url=addon.url())
        outside = service(Rules(pepper=b"pepper"), Limits()).preparing
        assert outside is not None
        nowhere: Any = None
        async with outside(nowhere) as preparing:
            with pytest.raises(Rejected, match="private-address"):
                await preparing[InstallAddon](wish, asking())
        assert addon.asked == []

    async def test_racing_installations_come_to_one(self, library: Library, addon: AddonSimulator) -> None:
        calls = [library.call("library.install_addon", transport_url=addon.url()) for _ in range(8)]
        assert [answer.error for answer in await asyncio.gather(*calls)] == [None] * 8

        page = json.loads(bytes((await library.call("library.addons")).value))
        assert len(page["items"]) == 1

    async def test_counts_also_what_was_asked_for_nothing(
        self, servers: Embedded, addon: AddonSimulator, bus: Bus
    ) -> None:
        rules = Rules(pepper=b"pepper", private_addons=True)
        async with replica(service(rules, Limits(addons_per_hour=3)), configured(servers)) as running:
            library = Library(running, bus)
            for code in ("manifest-unreachable", "manifest-unreachable", "", "rate-limited"):
                path = "/good" if code == "" else "/missing"
                assert await library.code("library.install_addon", transport_url=addon.url(path)) == code
            assert addon.count("/missing") == 2

    async def test_what_is_secret_appears_nowhere(
        self, servers: Embedded, library: Library, addon: AddonSimulator, capfd: Any, caplog: Any
    ) -> None:
        """In no stored message, no subject, no metric and no log: searched for, not believed."""
        caplog.set_level("DEBUG")
        for path in ("/good", "/html", "/missing", "/cut"):
            await library.code("library.install_addon", transport_url=f"{addon.url(path)}?key={SECRET}")
        await library.code("library.install_addon", transport_url=f"https://{SECRET}/x")
        given = {"transportUrl": url("a"), "manifest": manifest(description=SECRET)}
        assert await library.code("library.import_addons", addons=[given]) == ""
        await library.code("library.import_addons", addons=[given, {**given, "manifest": []}])

        read = 0
        async for subject, headers, body in _stored(library.bus):
            read += library.uid in subject
            assert SECRET not in subject
            assert SECRET.encode() not in headers + body
        assert read
        assert SECRET not in generate_latest().decode()
        assert SECRET not in caplog.text
        assert SECRET not in "".join(capfd.readouterr())


async def _stored(bus: Bus) -> AsyncIterator[tuple[str, bytes, bytes]]:
    """Subject, headers and body of every message of every stream."""
    for stream in (await _api(bus, "STREAM.NAMES"))["streams"]:
        state = (await _api(bus, f"STREAM.INFO.{stream}"))["state"]
        for sequence in range(state["first_seq"], state["last_seq"] + 1):
            found = await _api(bus, f"STREAM.MSG.GET.{stream}", seq=sequence)
            if (message := found.get("message")) is not None:
                hdrs, data = (base64.b64decode(message.get(part, "")) for part in ("hdrs", "data"))
                yield message["subject"], hdrs, data


async def _api(bus: Bus, what: str, **asked: Any) -> dict[str, Any]:
    msg = await bus.request(f"$JS.API.{what}", json.dumps(asked).encode() if asked else b"", {}, 5)
    answer: dict[str, Any] = json.loads(msg.data)
    return answer
