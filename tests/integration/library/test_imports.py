"""Imports from the upload to the views: taken in once, stopped where they would remove much, undone as a whole."""

import asyncio
import base64
import contextlib
import hashlib
import json
import secrets
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from tests.unit.library import files
from tests.wait import eventually

from events.bus import ApiError, Bus
from events.contracts import library
from events.contracts.library import (
    Addons,
    ConfirmImport,
    Counts,
    Export,
    History,
    ImportReport,
    Imports,
    ImportsPage,
    ImportView,
    InstallAddon,
    Item,
    Items,
    ItemView,
    JoinIds,
    Lists,
    Mark,
    PlayView,
    RemovePlays,
    Report,
    SetItem,
    StartImport,
    Titles,
    UndoImport,
)
from events.messages import Command, Context, Position, Query, Rejected
from events.service import Replica, replica
from events.settings import ServiceSettings
from events.uploads import Uploads
from library import formats, importing
from library.limits import Limits
from library.main import SERVICE, service
from library.rules import Rules
from ops.embedded import Embedded

TEN_SECONDS = 10.0


class House:
    """A replica of the library, and a gateway's way to it."""

    def __init__(self, running: Replica, uploads: Uploads) -> None:
        self.running = running
        self.uploads = uploads

    async def tell(self, command: Command, by: str) -> str:
        """Carry out a command; its result's import id, if it has one."""
        context = Context(actor=by, now=datetime.now(UTC), command_id=secrets.token_hex(16))
        await self.running.aggregates.execute(command, context)
        result = command.result(context)
        return str(getattr(result, "import_id", ""))

    async def ask(self, query: Query, by: str) -> Any:
        """As of now."""
        log = self.running.stores.log
        after = Position("library", log.epoch, await log.head())
        context = Context(actor=by, now=datetime.now(UTC))
        answering = SERVICE.queries[type(query)]

        async def asked() -> Any:
            with contextlib.suppress(Rejected):
                return (await self.running.models.ask(lambda db: answering(db, query, context), after),)
            return None

        ((value, _),) = await eventually(asked, within=20)
        return value

    async def upload(self, body: bytes, by: str) -> str:
        async def parts() -> AsyncIterator[bytes]:
            for start in range(0, len(body), 100_000):
                yield body[start : start + 100_000]

        upload = secrets.token_hex(16)
        await self.uploads.send(upload, by, parts(), library.words.UPLOAD_BYTES)
        return upload

    async def start(self, body: bytes, kind: Any, by: str, **more: Any) -> str:
        return await self.tell(StartImport(upload=await self.upload(body, by), format=kind, **more), by)

    async def report(self, import_id: str, by: str) -> ImportView:
        view: ImportView = await self.ask(ImportReport(import_id=import_id), by)
        return view

    async def ended(self, import_id: str, by: str, within: float = 60) -> ImportView:
        """The report once nothing happens any more."""

        async def look() -> ImportView:
            view = await self.report(import_id, by)
            assert view.state not in ("reading", "applying")
            return view

        return await eventually(look, within)

    async def imported(self, body: bytes, kind: Any, by: str, **more: Any) -> ImportView:
        return await self.ended(await self.start(body, kind, by, **more), by)

    async def views(self, by: str) -> dict[str, Any]:
        """Everything that the person is shown of their titles and lists."""
        return {
            "items": await self.all(Items, by),
            "titles": await self.all(Titles, by),
            "history": await self.all(History, by),
            "lists": [(one.name, one.items) for one in await self.all(Lists, by)],
        }

    async def all(self, kind: Callable[..., Query], by: str) -> list[Any]:
        found: list[Any] = []
        page = await self.ask(kind(limit=100), by)
        while True:
            found += page.items
            if page.cursor is None:
                return found
            page = await self.ask(kind(limit=100, cursor=page.cursor), by)


def settings(servers: Embedded) -> ServiceSettings:
    return ServiceSettings(
        nats_url=servers.nats_url("library"),
        database_url=servers.database_url("library"),
        master_key=base64.b64encode(bytes(32)).decode(),
        replica=secrets.token_hex(4),
    )


@contextlib.asynccontextmanager
async def opened(servers: Embedded) -> AsyncIterator[House]:
    gateway = await Bus.connect(servers.nats_url("gateway"), "gateway")
    try:
        async with replica(service(Rules(pepper=b"pepper"), Limits()), settings(servers)) as running:
            yield House(running, Uploads(gateway, "library"))
    finally:
        await gateway.close()


@pytest.fixture
async def house(servers: Embedded) -> AsyncIterator[House]:
    async with opened(servers) as house:
        yield house


@pytest.fixture
def ana() -> str:
    """Somebody new, for every test shares the servers."""
    return f"ana-{secrets.token_hex(6)}"


FILES = [
    ("stremio", files.stremio_export(), 400),
    ("trakt", files.trakt_export(5_000), 1_200),
    ("imdb", files.imdb_csv(3_000, "cp1252"), 3_000),
]


@pytest.mark.parametrize(("kind", "body", "titles"), FILES, ids=[kind for kind, *_ in FILES])
async def test_real_files_are_taken_in_once_and_undone_to_what_was_before(
    house: House, ana: str, kind: str, body: bytes, titles: int
) -> None:
    await house.tell(Report(work="tt3000001", position=40, duration=100), ana)
    await house.tell(Mark(work="tt4000001"), ana)
    await house.tell(SetItem(work="tt2934286", reaction="loved", in_watchlist=True), ana)
    before = await house.views(ana)

    began = time.monotonic()
    first = await house.imported(body, kind, ana)
    took = time.monotonic() - began
    after = await house.views(ana)

    assert (first.state, first.error) == ("applied", "")
    assert first.counts is not None
    assert first.counts.total == first.counts.added + first.counts.changed + first.counts.skipped
    assert len(after["items"]) >= titles
    assert first.taken >= titles
    assert took < TEN_SECONDS

    again = await house.imported(body, kind, ana)
    assert again.counts is not None
    assert (again.state, again.counts.added, again.counts.changed, again.taken) == ("applied", 0, 0, 0)
    assert await house.views(ana) == after

    await house.tell(UndoImport(import_id=first.import_id), ana)
    assert await house.views(ana) == before
    assert (await house.report(first.import_id, ana)).state == "undone"

    anew = await house.imported(body, kind, ana)
    assert anew.counts == first.counts
    redone = await house.views(ana)
    assert [told(play) for play in redone["history"]] == [told(play) for play in after["history"]]


def told(play: PlayView) -> tuple[Any, ...]:
    return play.work, play.episode, play.watched_at


def stremio(*items: Any) -> bytes:
    return json.dumps(list(items)).encode()


def watched(number: int) -> Any:
    return files.stremio_item(f"tt{5_000_000 + number:07d}", state={"timesWatched": 1})


async def test_a_dry_run_changes_nothing_until_it_is_confirmed(house: House, ana: str) -> None:
    before = await house.views(ana)
    tried = await house.imported(stremio(watched(1), watched(2)), "stremio", ana, dry_run=True, file_name="mine.json")

    assert (tried.state, tried.dry_run, tried.counts, tried.file_name) == (
        "planned",
        True,
        Counts(total=2, added=2),
        "mine.json",
    )
    assert await house.views(ana) == before

    await house.tell(ConfirmImport(import_id=tried.import_id), ana)
    done = await house.ended(tried.import_id, ana)

    assert (done.state, done.counts, done.taken) == ("applied", Counts(total=2, added=2), 2)
    assert len((await house.views(ana))["history"]) == 2
    with pytest.raises(Rejected, match="not-waiting"):
        await house.tell(ConfirmImport(import_id=tried.import_id), ana)


async def test_a_confirmation_too_late_says_that_the_file_is_gone(house: House, ana: str) -> None:
    upload = await house.upload(stremio(watched(1)), ana)
    tried = await house.ended(await house.tell(StartImport(upload=upload, format="stremio", dry_run=True), ana), ana)
    await Uploads(house.running.stores.bus, "library").purge(upload)

    await house.tell(ConfirmImport(import_id=tried.import_id), ana)

    assert (await house.ended(tried.import_id, ana)).error == "upload-gone"


async def test_an_upload_is_gone_once_it_is_in_and_belongs_to_who_sent_it(house: House, ana: str) -> None:
    uploads = Uploads(house.running.stores.bus, "library")
    upload = await house.upload(stremio(watched(1)), ana)

    stolen = await house.tell(StartImport(upload=upload, format="stremio"), "bob-" + ana)
    assert (await house.ended(stolen, "bob-" + ana)).error == "no-such-upload"
    unknown = await house.tell(StartImport(upload="0" * 32, format="stremio"), ana)
    assert (await house.ended(unknown, ana)).error == "no-such-upload"

    mine = await house.imported(stremio(watched(1)), "stremio", ana)
    assert mine.state == "applied"
    state = await house.running.aggregates.state(library.import_key(ana, mine.import_id))
    await eventually(lambda: _gone(uploads, state.upload))


async def _gone(uploads: Uploads, upload: str) -> bool:
    return await uploads.about(upload) is None


async def test_a_replacing_import_that_removes_much_stops_and_asks(house: House, ana: str) -> None:
    await house.imported(stremio(*map(watched, range(10))), "stremio", ana)
    before = await house.views(ana)

    wish = stremio(*map(watched, range(5, 12)))
    stopped = await house.imported(wish, "stremio", ana, replace=True)

    assert (stopped.state, stopped.share, stopped.counts) == (
        "stopped",
        0.5,
        Counts(total=7, added=2, skipped=5, removed=5),
    )
    assert await house.views(ana) == before

    await house.tell(ConfirmImport(import_id=stopped.import_id), ana)
    await house.ended(stopped.import_id, ana)
    now = await house.views(ana)

    works = {f"tt{5_000_000 + n:07d}" for n in range(5, 12)}
    assert {play.work for play in now["history"]} == works
    again = await house.imported(wish, "stremio", ana, replace=True)
    assert again.counts == Counts(total=7, skipped=7)
    assert await house.views(ana) == now

    await house.tell(UndoImport(import_id=stopped.import_id), ana)
    assert await house.views(ana) == before


async def test_a_replacing_import_that_removes_little_goes_through(house: House, ana: str) -> None:
    await house.imported(stremio(*map(watched, range(20))), "stremio", ana)
    done = await house.imported(stremio(*map(watched, range(1, 20))), "stremio", ana, replace=True)

    assert (done.state, done.share, done.counts) == ("applied", 0.05, Counts(total=19, skipped=19, removed=1))
    assert len((await house.views(ana))["history"]) == 19


async def test_what_the_person_decided_later_stays_and_so_does_what_they_do_afterwards(house: House, ana: str) -> None:
    body = json.dumps({"ratings": files.trakt_parts(0)["ratings"][9:11]}).encode()
    work = "tt3000009"
    await house.tell(SetItem(work=work, reaction="mixed"), ana)

    done = await house.imported(body, "trakt", ana)
    assert done.reasons == {"newer-here": 1}
    assert (await item(house, work, ana)).reaction == "mixed"

    other = "tt3000010"
    assert (await item(house, other, ana)).reaction == "not-for-me"
    await house.tell(SetItem(work=other, favourite=True), ana)
    await house.tell(UndoImport(import_id=done.import_id), ana)
    assert ((await item(house, other, ana)).reaction, (await item(house, other, ana)).favourite) == (None, True)


async def item(house: House, work: str, by: str) -> ItemView:
    found: ItemView = await house.ask(Item(work=work), by)
    return found


async def test_plays_under_another_id_of_the_work_are_there_already(house: House, ana: str) -> None:
    await house.imported(stremio(watched(1)), "stremio", ana)
    await house.tell(JoinIds(works=("tt5000001", "tmdb:movie:77")), ana)

    done = await house.imported(stremio(files.stremio_item("tmdb:77", state={"timesWatched": 1})), "stremio", ana)

    assert done.counts is not None
    assert done.counts.skipped == 1


async def test_a_play_that_was_taken_out_of_the_history_does_not_come_back(house: House, ana: str) -> None:
    body = json.dumps(files.trakt_history(1)).encode()
    await house.imported(body, "trakt", ana)
    (play,) = (await house.views(ana))["history"]
    await house.tell(RemovePlays(work=play.work, plays=(play.play,)), ana)

    done = await house.imported(body, "trakt", ana)

    assert done.reasons == {"removed-before": 1}
    assert (await house.views(ana))["history"] == []


async def test_a_matinee_export_comes_back_whole(house: House, ana: str) -> None:
    done = await house.imported(files.matinee_export(), "matinee", ana)

    assert (done.state, done.error) == ("applied", "")
    views = await house.views(ana)
    matrix = next(one for one in views["items"] if one.work == "tt0133093")
    assert (matrix.status, matrix.reaction, matrix.favourite) == ("finished", "loved", True)
    assert set(matrix.ids) == {"tt0133093", "tmdb:movie:603"}
    assert views["lists"] == [("Best", 1)]
    assert len(views["history"]) == 2
    again = await house.imported(files.matinee_export(), "matinee", ana)
    assert again.counts is not None
    assert (again.counts.added, again.counts.changed) == (0, 0)
    assert await house.views(ana) == views


async def test_an_export_taken_in_by_somebody_else_shows_them_the_same(house: House, ana: str) -> None:
    bob = f"bob-{secrets.token_hex(6)}"
    await house.imported(files.trakt_export(200), "trakt", ana)
    await house.imported(files.stremio_export(10, 10), "stremio", ana)
    await house.tell(Report(work="tt7654321", position=40, duration=100), ana)
    await house.tell(Report(work="tt7654322", position=95, duration=100), ana)
    await house.tell(Mark(work="tt7654323"), ana)
    await house.tell(SetItem(work="tt7654324", reaction="loved", favourite=True, status="watching"), ana)
    records = [record for page in await exported(house, ana) for record in page]

    done = await house.imported(files.as_lines(*records), "matinee", bob)

    assert (done.state, done.error) == ("applied", "")
    mine, theirs = await house.views(ana), await house.views(bob)
    assert sorted(map(chosen, theirs["items"]), key=repr) == sorted(map(chosen, mine["items"]), key=repr)
    assert sorted(map(told, theirs["history"]), key=repr) == sorted(map(told, mine["history"]), key=repr)
    assert theirs["lists"] == mine["lists"]
    again = await house.imported(files.as_lines(*records), "matinee", bob)
    assert again.counts is not None
    assert (again.counts.added, again.counts.changed) == (0, 0)


async def test_addons_of_an_export_are_installed_once(house: House, ana: str) -> None:
    manifest = {
        "id": "org.example.films",
        "version": "1.0.0",
        "name": "Films",
        "description": "",
        "resources": ["catalog"],
        "types": ["movie"],
        "catalogs": [],
    }
    url = "https://films.example.com/s3cret/manifest.json"
    body = files.as_lines(
        {"record": "matinee", "version": 1},
        {"record": "addon", "transport_url": url, "manifest": manifest, "flags": {"protected": True}},
        {"record": "addon", "transport_url": "ftp://no", "manifest": manifest},
        {"record": "addon", "transport_url": 7, "manifest": None},
    )

    done = await house.imported(body, "matinee", ana)
    addons = (await house.ask(Addons(), ana)).items

    assert done.state == "applied"
    assert [(addon.transport_url, addon.flags.protected) for addon in addons] == [(url, True)]
    await house.imported(body, "matinee", ana)
    assert (await house.ask(Addons(), ana)).items == addons


def an_export(*records: Any) -> bytes:
    return files.as_lines({"record": "matinee", "version": 1}, *records)


def an_addon(name: str, **more: Any) -> Any:
    manifest = {"id": f"org.{name}", "version": "1.0.0", "name": name, "resources": [], "types": [], "catalogs": []}
    url = f"https://{name}.example/s3cret-t0ken/manifest.json"
    return {"record": "addon", "transport_url": url, "manifest": manifest, **more}


async def test_addons_and_joined_ids_go_with_the_import_and_come_again_with_the_next(house: House, ana: str) -> None:
    own = an_addon("own")
    manifest = msgspec.Raw(msgspec.json.encode(own["manifest"]))
    await house.tell(InstallAddon(transport_url=own["transport_url"], manifest=manifest), ana)
    await house.tell(JoinIds(works=("tt0000001", "tmdb:movie:1")), ana)
    await house.tell(Mark(work="tt0000001"), ana)
    await house.tell(Mark(work="tt0000002"), ana)
    before = await everything(house, ana)
    body = an_export(
        own,
        an_addon("films", flags={"protected": True}),
        {"record": "ids", "works": ["tvdb:1", "tmdb:movie:1"]},
        {"record": "ids", "works": ["tmdb:movie:2", "tt0000002"]},
        {"record": "ids", "works": ["tt0000001", "tmdb:movie:1"]},
    )

    first = await house.imported(body, "matinee", ana)
    after = await everything(house, ana)
    assert first.counts == Counts(total=5, added=3, skipped=2)
    assert first.reasons == {"already-there": 2}
    assert [addon.transport_url for addon in after["addons"]] == [
        own["transport_url"],
        an_addon("films")["transport_url"],
    ]
    assert after["ids"] == [["tt0000001", "tmdb:movie:1", "tvdb:1"], ["tmdb:movie:2", "tt0000002"]]

    await house.tell(UndoImport(import_id=first.import_id), ana)
    assert await everything(house, ana) == before

    second = await house.imported(body, "matinee", ana)
    assert second.counts == first.counts
    assert strip(await everything(house, ana)) == strip(after)


def strip(seen: dict[str, Any]) -> Any:
    """Without when an addon was installed."""
    return [addon.transport_url for addon in seen["addons"]], seen["ids"], seen["items"]


async def everything(house: House, by: str) -> dict[str, Any]:
    shown = [await house.ask(Item(work=work), by) for work in ("tt0000001", "tt0000002")]
    addons = (await house.ask(Addons(), by)).items
    return {**await house.views(by), "addons": addons, "ids": [title.ids for title in shown]}


async def test_what_the_rules_refuse_is_told_and_not_counted_as_done(
    house: House, ana: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("library.addons.ADDONS", 1)
    body = an_export(
        an_addon("one"),
        an_addon("two"),
        an_addon("bad", transport_url="ftp://bad.example"),
        an_addon("none", manifest={"id": "x"}),
    )

    done = await house.imported(body, "matinee", ana)

    assert done.counts == Counts(total=4, added=1, skipped=3)
    assert done.reasons == {"too-many-addons": 1, "bad-transport-url": 1, "manifest-invalid": 1}
    assert {(one.line, one.reason) for one in done.skipped} == {
        (3, "too-many-addons"),
        (4, "bad-transport-url"),
        (5, "manifest-invalid"),
    }


async def test_no_secret_of_an_addon_is_in_the_log_nor_anything_to_guess_it_by(
    house: House, ana: str, servers: Embedded, capfd: pytest.CaptureFixture[str]
) -> None:
    addon = an_addon("films")
    await house.imported(an_export(addon), "matinee", ana)

    url = addon["transport_url"]
    texts = (url, url.removeprefix("https://"), f"{url}\n", "s3cret-t0ken", "addon\n" + url)
    guesses = [
        hashlib.new(kind, text.encode()).hexdigest()[:12] for text in texts for kind in ("sha256", "sha1", "md5")
    ]
    bus = await Bus.connect(servers.nats_url(), "ops")
    raw = [message async for message in every_message(bus, "EV_LIBRARY")]
    await bus.close()
    stored = b"\n".join(raw).decode(errors="replace")
    assert ana in stored
    assert [guess for guess in (*guesses, "s3cret-t0ken") if guess in stored] == []
    said = "".join(capfd.readouterr())
    assert "import ended" in said
    assert "s3cret-t0ken" not in said


async def every_message(bus: Bus, stream: str) -> AsyncIterator[bytes]:
    """Headers and bodies, as they are stored."""
    last = (await bus.api(f"STREAM.INFO.{stream}"))["state"]["last_seq"]
    for sequence in range(1, last + 1):
        with contextlib.suppress(ApiError):
            found = (await bus.api(f"STREAM.MSG.GET.{stream}", {"seq": sequence}))["message"]
            yield found["subject"].encode() + base64.b64decode(found.get("hdrs", "")) + base64.b64decode(found["data"])


async def test_a_manifest_comes_back_byte_for_byte(house: House, ana: str) -> None:
    manifest = (
        b'{"types": [], "id":"org.films","version":"1.0.0", "name":"F\\u00efl\\/ms","resources":[],"catalogs":[],'
    )
    manifest += b'"n":1.50}'
    line = b'{"record":"addon","transport_url":"https://f.example/manifest.json","manifest":%s}\n' % manifest
    await house.imported(an_export() + line, "matinee", ana)

    (addon,) = (await house.ask(Addons(), ana)).items
    assert bytes(addon.manifest) == manifest


async def test_a_manifest_of_many_lines_is_one_line_of_an_export(house: House, ana: str) -> None:
    manifest = json.dumps(an_addon("films")["manifest"], indent=2).encode()
    await house.tell(InstallAddon(transport_url="https://f.example/manifest.json", manifest=msgspec.Raw(manifest)), ana)

    page = await house.ask(Export(), ana)
    records = [msgspec.json.encode(record) for record in page.records]
    assert not any(b"\n" in record for record in records)


async def exported(house: House, by: str) -> list[list[Any]]:
    page = await house.ask(Export(), by)
    pages = [page.records]
    while page.cursor is not None:
        page = await house.ask(Export(cursor=page.cursor), by)
        pages.append(page.records)
    return [json.loads(msgspec.json.encode(records)) for records in pages]


def chosen(item: ItemView) -> tuple[Any, ...]:
    return item.work, item.in_watchlist, item.status, item.reaction, item.favourite, item.hidden, item.details


async def test_lists_come_with_an_import_and_go_with_it(house: House, ana: str) -> None:
    done = await house.imported(files.letterboxd_zip(20), "letterboxd", ana)
    assert (await house.views(ana))["lists"] == [("Cosy Sundays", 12)]

    await house.tell(UndoImport(import_id=done.import_id), ana)
    assert (await house.views(ana))["lists"] == []

    await house.imported(files.letterboxd_zip(20), "letterboxd", ana)
    assert (await house.views(ana))["lists"] == [("Cosy Sundays", 12)]


BAD = [
    ("stremio", b"", "empty-file"),
    ("stremio", b"hello", "not-json"),
    ("stremio", b"[" * 100_000, "nested-too-deeply"),
    ("stremio", b'[{"_id": "tt0133093", "state": {"timeOffset": NaN}}]', "not-json"),
    ("stremio", files.imdb_csv(3), "not-json"),
    ("trakt", files.stremio_export(3, 3), "wrong-format"),
    ("trakt", files.trakt_zip(10)[:-40], "bad-zip"),
    ("imdb", files.trakt_export(3), "too-many-columns"),
    ("imdb", b"," * 1_000_000 + b"\n", "too-many-columns"),
    ("letterboxd", b"Const,Nothing\ntt0133093,7\n", "wrong-format"),
    ("matinee", b'{"record": "party"}\n', "wrong-format"),
    ("film-fanatic", b'{"users": [{}]}', "wrong-format"),
]


@pytest.mark.parametrize(("kind", "body", "code"), BAD, ids=[f"{k}-{c}-{n}" for n, (k, _, c) in enumerate(BAD)])
async def test_a_file_that_cannot_be_taken_in_says_why_and_changes_nothing(
    house: House, ana: str, kind: str, body: bytes, code: str
) -> None:
    done = await house.imported(body, kind, ana)

    assert (done.state, done.error, done.counts, done.taken) == ("failed", code, None, 0)
    assert await house.views(ana) == {"items": [], "titles": [], "history": [], "lists": []}


async def test_entries_that_make_no_sense_are_passed_over_and_told(house: House, ana: str) -> None:
    bits = files.bitfield("tt1:1:1", 5, bytes(1024 * 1024))
    body = stremio(
        watched(1),
        files.stremio_item("", name="Nameless"),
        files.stremio_item("tt9", "series", "Endless", state={"watched": bits}),
        {"_id": "tt0000002", "state": {"timeOffset": 1e300, "duration": -5, "timesWatched": "x"}},
        "no item",
        7,
    )
    done = await house.imported(body, "stremio", ana)

    assert done.reasons == {"no-id": 1, "bitfield-too-large": 1, "invalid-entry": 2}
    assert [skipped.what for skipped in done.skipped][:2] == ["Nameless", "Endless"]


async def test_after_a_crash_between_two_titles_another_replica_goes_on(
    servers: Embedded, ana: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    body, taking = files.imdb_csv(400), importing.Taking._take_in
    begun = 0

    async def dies(self: importing.Taking, wish: Command) -> None:
        nonlocal begun
        begun += 1
        if begun > 100:
            await asyncio.sleep(3600)  # until the replica ends: it never gets any further
        await taking(self, wish)

    monkeypatch.setattr(importing.Taking, "_take_in", dies)
    async with opened(servers) as house:
        import_id = await house.start(body, "imdb", ana)
        await eventually(lambda: begun > 100, within=20)

        async def half() -> bool:
            return (await house.report(import_id, ana)).taken == 100

        assert await eventually(half, within=20)
        assert (await house.report(import_id, ana)).state == "applying"
        with pytest.raises(Rejected, match="import-under-way"):
            await house.tell(UndoImport(import_id=import_id), ana)
    monkeypatch.undo()

    async with opened(servers) as house:
        done = await house.ended(import_id, ana)
        assert (done.state, done.taken) == ("applied", 400)
        assert done.counts == Counts(total=401, added=400, skipped=1)
        assert len(await house.all(Items, ana)) == 400


async def test_a_bug_fails_the_import_and_not_the_worker(
    house: House, ana: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(formats, "read", lambda *given: 1 / 0)
        assert (await house.imported(stremio(watched(1)), "stremio", ana)).error == "internal"
    assert (await house.imported(stremio(watched(1)), "stremio", ana)).state == "applied"


async def test_somebody_elses_import(house: House, ana: str) -> None:
    mine = await house.imported(stremio(watched(1)), "stremio", ana)
    for wish in (UndoImport(import_id=mine.import_id), ConfirmImport(import_id=mine.import_id)):
        with pytest.raises(Rejected, match="no-such-import"):
            await house.tell(wish, "bob")
    after = Position("library", house.running.stores.log.epoch, await house.running.stores.log.head())
    context = Context(actor="bob-" + ana, now=datetime.now(UTC))
    asking = SERVICE.queries[ImportReport]
    with pytest.raises(Rejected, match="no-such-import"):
        await house.running.models.ask(lambda db: asking(db, ImportReport(import_id=mine.import_id), context), after)
    assert await house.ask(Imports(), "bob-" + ana) == ImportsPage([], None)


async def test_imports_are_paged_latest_first(house: House, ana: str) -> None:
    ids = [(await house.imported(stremio(watched(n)), "stremio", ana)).import_id for n in range(3)]

    first = await house.ask(Imports(limit=2), ana)
    rest = await house.ask(Imports(limit=2, cursor=first.cursor), ana)

    assert [one.import_id for one in (*first.items, *rest.items)] == ids[::-1]
    assert rest.cursor is None
    assert {one.taken for one in first.items} == {1}
