"""What is nobody's own, and nonsense, told to a library: the documented error each, and nothing has changed."""

import asyncio
import base64
import contextlib
import json
import re
import zlib
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
import pytest_asyncio
from tests.e2e.person import DOORS, JSON, Person, person
from tests.simulators.addons import AddonSimulator, addons, manifest
from tests.system import System, system_over

from events.contracts.library import UPLOAD_BYTES
from gateway.catalogue import Catalogue, Function

MIB = 1024 * 1024
NEEDED = 96 * MIB
"""By how much the service may grow, at its peak, over the worst of these."""

FUNCTIONS = [function for name, function in Catalogue().functions.items() if name.startswith("library.")]

EXAMPLES: dict[str, Any] = {
    "position": 60,
    "works": ["tt0111161", "tmdb:movie:278"],
    "list_id": "nobody-has-it",
    "name": "Later",
    "items": [{"work": "tt0111161"}],
    "transport_url": "https://example.com/manifest.json",
    "manifest": {},
    "addon_id": "nobody-has-it",
    "flags": {"protected": True},
    "addons": [],
    "changes": {"subtitles": "en"},
    "upload": "0" * 32,
    "format": "trakt",
    "import_id": "nobody-has-it",
    "plays": ["nobody-has-it"],
    "work": "tt0111161",
    "at": "2026-11-01T12:00:00Z",
    "confirm": "erase everything",
}
"""A value for every argument that some function needs."""

ANYTHING = {("library.install_addon", "manifest"), ("library.lint_manifest", "manifest")}
"""Arguments that are looked at later than by their type."""


@pytest_asyncio.fixture(params=DOORS)
async def ana(system: System, request: pytest.FixtureRequest) -> AsyncIterator[Person]:
    async with person(system, "Ana", request.param) as somebody:
        yield somebody


async def furnished(somebody: Person) -> Mapping[str, str]:
    """Give somebody a bit of everything; its ids."""
    list_id = (await somebody.do("library.create_list", name="Later"))["list_id"]
    await somebody.do("library.add_to_list", list_id=list_id, items=[{"work": "tt0111161"}, {"work": "tt0133093"}])
    url = "https://films.example.com/manifest.json"
    await somebody.do("library.install_addon", transport_url=url, manifest=manifest())
    await somebody.do("library.mark", work="tt0108778", seasons=[{"season": 1, "episodes": [1, 2]}])
    await somebody.do("library.report", work="tt0111161", position=1200, duration=8520)
    await somebody.do("library.set", work="tt0111161", in_watchlist=True)
    await somebody.do("library.set_preferences", changes={"subtitles": "en"})
    (play, *_) = (await somebody.see("library.history"))["items"]
    (addon,) = (await somebody.see("library.addons"))["items"]
    return {"list_id": list_id, "addon_id": addon["addon_id"], "play": play["play"]}


async def everything(somebody: Person) -> Any:
    """All that somebody sees of their library."""
    lists = await somebody.pages("library.lists")
    return {
        **{
            fn: await somebody.pages(f"library.{fn}") for fn in ("items", "titles", "all_episodes", "history", "addons")
        },
        "lists": [await somebody.pages("library.list", list_id=each["list_id"]) for each in lists],
        "names": lists,
        "profile": await somebody.see("library.profile"),
        "continue_watching": await somebody.see("library.continue_watching"),
    }


async def raw(somebody: Person, fn: str, args: str) -> str:
    """The code that arguments are refused with which no JSON library would write."""
    await somebody.socket.say_text(f'{{"op":"call","id":"raw","fn":"{fn}","args":{args}}}')
    error = (await somebody.socket.take(lambda frame: frame["op"] == "error"))["error"]
    return str(error["code"])


class Memory:
    """Of one process: how much it needed at most since this was made."""

    def __init__(self, pid: int) -> None:
        self._folder = Path(f"/proc/{pid}")
        if not self._folder.exists():
            pytest.skip("there is no /proc here, which tells how much memory a process needs")
        (self._folder / "clear_refs").write_text("5")  # the peak is counted from now on
        self._before = self._told("VmRSS")

    def grown(self) -> int:
        return self._told("VmHWM") - self._before

    def _told(self, name: str) -> int:
        found = re.search(rf"^{name}:\s+(\d+) kB$", (self._folder / "status").read_text(), re.MULTILINE)
        assert found is not None
        return int(found[1]) * 1024


@contextlib.contextmanager
def bounded(system: System) -> Iterator[None]:
    services = {name: Memory(system.pid(name)) for name in ("library", "gateway")}
    yield
    for name, memory in services.items():
        assert memory.grown() < NEEDED, (name, memory.grown() // MIB)


class TestNobody:
    @pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.name)
    async def test_who_is_not_signed_in_is_told_so_by_every_function(self, system: System, function: Function) -> None:
        async with (
            aiohttp.ClientSession(system.http) as nobody,
            nobody.post(f"/v1/call/{function.name}", json=valid(function)) as answer,
        ):
            assert (answer.status, (await answer.json())["code"]) == (401, "not-signed-in")

    async def test_nor_do_files_come_in_or_out(self, system: System) -> None:
        async with aiohttp.ClientSession(system.http) as nobody:
            async with nobody.post("/v1/import/trakt", json=[]) as answer:
                assert (answer.status, (await answer.json())["code"]) == (401, "not-signed-in")
            async with nobody.get("/v1/export") as answer:
                assert (answer.status, (await answer.json())["code"]) == (401, "not-signed-in")


class TestSomebodyElse:
    async def test_what_is_anothers_is_not_there(self, system: System, ana: Person) -> None:
        hers = await furnished(ana)
        before = await everything(ana)
        async with person(system, "Eve") as eve:
            on, addon = {"list_id": hers["list_id"]}, {"addon_id": hers["addon_id"]}
            for fn, args, code in (
                ("library.list", on, "no-such-list"),
                ("library.rename_list", {**on, "name": "Mine"}, "no-such-list"),
                ("library.move_list", on, "no-such-list"),
                ("library.add_to_list", {**on, "items": [{"work": "tt1375666"}]}, "no-such-list"),
                ("library.move_in_list", {**on, "work": "tt0111161"}, "no-such-list"),
                ("library.remove_from_list", {**on, "works": ["tt0111161"]}, "no-such-list"),
                ("library.delete_list", on, "no-such-list"),
                ("library.move_addon", addon, "no-such-addon"),
                ("library.flag_addon", {**addon, "flags": {"protected": True}}, "no-such-addon"),
                ("library.remove_addon", addon, "no-such-addon"),
                ("library.remove_plays", {"work": "tt0108778", "plays": [hers["play"]]}, "no-such-play"),
                ("library.import_report", {"import_id": "nobody-has-it"}, "no-such-import"),
                ("library.undo_import", {"import_id": "nobody-has-it"}, "no-such-import"),
                ("library.confirm_import", {"import_id": "nobody-has-it"}, "no-such-import"),
                ("library.split_ids", {"work": "tt0111161"}, "not-joined"),
            ):
                assert await eve.refused(fn, **args) == code, fn
            assert (await eve.see("library.lists_holding", work="tt0111161"))["lists"] == []
            assert (await eve.see("library.titles"))["items"] == []

        assert await everything(ana) == before

    async def test_an_import_of_somebody_else(self, system: System, ana: Person) -> None:
        file = json.dumps([{"tmdbId": 1, "mediaType": "movie", "progressStatus": "finished"}]).encode()
        report = await ana.taken_in("film-fanatic", file)
        before = await everything(ana)
        async with person(system, "Eve") as eve:
            for fn in ("import_report", "undo_import", "confirm_import"):
                assert await eve.refused(f"library.{fn}", import_id=report["import_id"]) == "no-such-import"

        assert await everything(ana) == before


def needed(function: Function) -> list[msgspec.structs.FieldInfo]:
    return [field for field in msgspec.structs.fields(function.type) if field.required]


def valid(function: Function) -> dict[str, Any]:
    """Arguments of the right types."""
    return {field.name: EXAMPLES[field.name] for field in needed(function)}


def texts(function: Function) -> Iterator[str]:
    """Its arguments that are texts."""
    described = msgspec.json.schema(function.type)["$defs"][function.type.__name__]["properties"]
    for name, field in described.items():
        if any(part.get("type") == "string" for part in (field, *field.get("anyOf", ()))):
            yield name


class TestNonsense:
    @pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.name)
    async def test_wrong_types_unknown_arguments_and_texts_without_end(
        self, system: System, function: Function
    ) -> None:
        async with person(system, "Ana") as ana:
            right, names = valid(function), [field.name for field in msgspec.structs.fields(function.type)]
            wrong: list[tuple[str, Any]] = [(name, [{"no": "such"}]) for name in names]
            wrong += [(name, "x" * 5_000) for name in texts(function)]
            wrong += [(name, "a\0b") for name in texts(function)]
            wrong += [("surprise", 1)]
            for name, value in wrong:
                if (function.name, name) not in ANYTHING:
                    told = await ana.refused(function.name, **right | {name: value})
                    assert told in ("invalid-argument", "bad-cursor"), (name, value)
            for field in needed(function):
                less = {name: value for name, value in right.items() if name != field.name}
                assert await ana.refused(function.name, **less) == "invalid-argument", field.name

    @pytest.mark.parametrize("number", ["NaN", "-1", "1e308", "Infinity", "1e999", '"12"', "[]", "true"])
    @pytest.mark.parametrize(
        ("fn", "field"),
        [("library.report", "position"), ("library.report", "duration"), ("library.set", "progress")],
    )
    async def test_a_position_a_length_or_a_percentage_that_is_none(
        self, ana: Person, fn: str, field: str, number: str
    ) -> None:
        before = await everything(ana)
        more = "" if field == "progress" else ', "position": 5'
        args = f'{{"work": "tt0111161"{more}, "{field}": {number}}}'.replace(
            ', "position": 5, "position"', ', "position"'
        )

        assert await raw(ana, fn, args) in ("invalid-argument", "invalid-json", "invalid-frame")

        assert await everything(ana) == before
        assert await ana.see("library.item", work="tt0111161") is None

    @pytest.mark.parametrize("season", [-1, 100_001, 1.5, "1", None])
    async def test_a_season_that_is_none(self, ana: Person, season: Any) -> None:
        await furnished(ana)
        before, work = await everything(ana), {"work": "tt0108778"}
        for fn, args in (
            ("library.report", {"position": 60, "episode": {"season": season, "episode": 1}}),
            ("library.mark", {"seasons": [{"season": season, "episodes": [1]}]}),
            ("library.why", {"episode": {"season": season, "episode": 1}}),
        ):
            assert await ana.refused(fn, **work, **args) == "invalid-argument", fn
        if season is not None:
            assert await ana.refused("library.episodes", **work, season=season) == "invalid-argument"

        assert await everything(ana) == before

    async def test_a_position_beyond_the_duration_is_the_end(self, ana: Person) -> None:
        await ana.do("library.report", work="tt0111161", position=9_000, duration=8_520)

        (item,) = (await ana.see("library.title", work="tt0111161"))["items"]

        assert (item["position"], item["percent"], item["watched"]) == (8_520, 100.0, True)

    async def test_an_id_and_arguments_that_name_two_episodes(self, ana: Person) -> None:
        other = {"season": 1, "episode": 2}
        for fn, args in (("report", {"position": 60}), ("why", {})):
            assert await ana.refused(f"library.{fn}", work="tt0108778:1:1", episode=other, **args) == "no-such-episode"

    async def test_a_mark_of_too_many_episodes(self, ana: Person) -> None:
        seasons = [{"season": season, "episodes": list(range(1, 1_002))} for season in (1, 2)]

        assert await ana.refused("library.mark", work="tt0108778", seasons=seasons) == "too-many-episodes"

        assert (await ana.see("library.episodes", work="tt0108778"))["items"] == []

    async def test_what_happened_too_long_ago(self, ana: Person) -> None:
        for fn, args in (
            ("report", {"work": "tt0111161", "position": 60}),
            ("mark", {"work": "tt0111161"}),
            ("set", {"work": "tt0111161", "favourite": True}),
            ("create_list", {"name": "Later"}),
            ("edit_profile", {"display_name": "Anna"}),
            ("set_preferences", {"changes": {"subtitles": "en"}}),
        ):
            assert await ana.refused(f"library.{fn}", **args, at="2001-01-01T00:00:00Z") == "too-old", fn

        assert await ana.see("library.item", work="tt0111161") is None
        assert (await ana.see("library.lists"))["items"] == []

    async def test_ids_of_what_is_not_there(self, ana: Person) -> None:
        on = {"list_id": (await ana.do("library.create_list", name="Later"))["list_id"]}
        for fn, args, code in (
            ("library.add_to_list", {**on, "items": [{"work": "tt1"}], "after": "tt0111161"}, "no-such-item"),
            ("library.move_in_list", {**on, "work": "tt0111161"}, "no-such-item"),
            ("library.remove_plays", {"work": "tt0111161", "plays": ["nobody-has-it"]}, "no-such-play"),
            ("library.create_list", {**on, "name": "Again"}, "list-exists"),
        ):
            assert await ana.refused(fn, **args) == code, fn
        # Taking off what is not there is no mistake.
        await ana.do("library.remove_from_list", **on, works=["tt0111161"])

    async def test_titles_that_are_told_at_length_come_page_by_page(self, system: System) -> None:
        details = {"title": "ü" * 500, "image": "ü" * 2_000, "overview": "ü" * 4_000}
        works = [f"tt{number:07}" for number in range(60)]
        async with person(system, "Ana") as ana:
            for work in works:
                await ana.do("library.mark", work=work)
                await ana.do("library.report", work=work, position=60, duration=8_520)
                await ana.do("library.set", work=work, details=details)

            for fn in ("items", "history", "continue_watching"):
                assert {item["work"] for item in await ana.pages(f"library.{fn}", limit=100)} == set(works), fn
            then = await ana.pages("library.as_of", at="2200-01-01T00:00:00Z", limit=100)
            assert [item["work"] for item in then] == works

    async def test_preferences_without_end(self, ana: Person) -> None:
        deep: Any = []
        for _ in range(100):
            deep = [deep]
        for changes, code in (
            ({"a": "x" * 9_000}, "preferences-too-large"),
            ({"a": deep}, "invalid-argument"),
            ({f"key{n}": n for n in range(201)}, "invalid-argument"),
            ({"no blanks": 1}, "invalid-argument"),
            ({}, "invalid-argument"),
        ):
            assert await ana.refused("library.set_preferences", changes=changes) == code, code

        assert (await ana.see("library.profile"))["preferences"] == {}


@pytest.fixture(scope="module")
def neighbourly(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """One that asks also addons on its own machine."""
    with system_over(tmp_path_factory.mktemp("neighbourly"), MATINEE_PRIVATE_ADDONS="true") as system:
        yield system


@pytest_asyncio.fixture
async def addon() -> AsyncIterator[AddonSimulator]:
    async with addons() as simulator:
        yield simulator


class TestManifests:
    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "2130706433", "0x7f.1", "169.254.169.254"])
    async def test_at_an_address_that_is_not_of_the_open_internet(
        self, ana: Person, addon: AddonSimulator, host: str
    ) -> None:
        url = addon.url().replace("127.0.0.1", host)

        told = await ana.refused("library.install_addon", transport_url=url)
        assert told in ("private-address", "bad-transport-url", "manifest-unreachable")

        assert addon.asked == []
        assert (await ana.see("library.addons"))["items"] == []

    @pytest.mark.parametrize(
        ("path", "code"),
        [
            ("/large", "manifest-too-large"),
            ("/flood", "manifest-too-large"),
            ("/bomb", "manifest-too-large"),
            ("/html", "manifest-invalid"),
            ("/array", "manifest-invalid"),
            ("/missing", "manifest-unreachable"),
            ("/circle", "manifest-unreachable"),
            ("/cut", "manifest-unreachable"),
        ],
    )
    async def test_that_are_none(self, neighbourly: System, addon: AddonSimulator, path: str, code: str) -> None:
        async with person(neighbourly, "Ana") as ana:
            with bounded(neighbourly):
                assert await ana.refused("library.install_addon", transport_url=addon.url(path)) == code

            assert (await ana.see("library.addons"))["items"] == []

    async def test_of_an_addon_next_door_are_fetched_where_that_is_allowed(
        self, neighbourly: System, addon: AddonSimulator
    ) -> None:
        async with person(neighbourly, "Ana") as ana:
            await ana.do("library.install_addon", transport_url=addon.url())

            (installed,) = (await ana.see("library.addons"))["items"]
            assert installed["manifest"] == addon.manifest

    async def test_of_a_megabyte_in_the_command_itself(self, system: System) -> None:
        url, large = "https://films.example.com/manifest.json", manifest(description="x" * MIB)
        async with person(system, "Ana", "http") as ana:
            assert await ana.refused("library.install_addon", transport_url=url, manifest=large) == "body-too-large"
            assert (await ana.see("library.addons"))["items"] == []

    async def test_that_the_linter_refuses(self, ana: Person) -> None:
        url = "https://films.example.com/manifest.json"
        bad: list[Any] = [manifest(version="1"), manifest(id=None), manifest(types="movie"), [], "text", 7]
        for wrong in bad:
            assert await ana.refused("library.install_addon", transport_url=url, manifest=wrong) == "manifest-invalid"
            assert not (await ana.see("library.lint_manifest", manifest=wrong))["valid"]
        needs = manifest(behaviorHints={"configurationRequired": True})
        told = await ana.refused("library.install_addon", transport_url=url, manifest=needs)
        assert told == "configuration-required"

        assert (await ana.see("library.addons"))["items"] == []

    @pytest.mark.parametrize(
        "url", ["ftp://example.com/manifest.json", "https://example.com/", "manifest.json", "\x01"]
    )
    async def test_of_addresses_that_are_none(self, ana: Person, url: str) -> None:
        assert await ana.refused("library.install_addon", transport_url=url) == "bad-transport-url"


def bomb(gigabytes: int) -> str:
    """A bitfield that unpacks to so many: a megabyte of zeros, packed once and repeated."""
    packing = zlib.compressobj(9)
    zeros = b"\0" * MIB
    first = packing.compress(zeros) + packing.flush(zlib.Z_FULL_FLUSH)
    again = packing.compress(zeros) + packing.flush(zlib.Z_FULL_FLUSH)
    packed = first + again * (gigabytes * 1024 - 1)
    assert len(zlib.decompressobj().decompress(packed[: len(first) + 3 * len(again)])) == 4 * MIB
    return f"tt0108778:1:1:1:{base64.b64encode(packed).decode()}"


def stremio(watched: str) -> bytes:
    item = {
        "_id": "tt0108778",
        "name": "Friends",
        "type": "series",
        "removed": False,
        "temp": False,
        "_mtime": "2026-10-01T12:00:00.000Z",
        "state": {"lastWatched": "2026-10-01T12:00:00.000Z", "watched": watched, "timeOffset": 0, "duration": 0},
    }
    return json.dumps([item]).encode()


class TestFiles:
    @pytest.mark.parametrize("gigabytes", [1, 3])
    async def test_a_bitfield_that_unpacks_to_gigabytes(self, system: System, gigabytes: int) -> None:
        async with person(system, "Ana") as ana:
            await furnished(ana)
            before, file = await everything(ana), stremio(bomb(gigabytes))
            assert len(file) < 8 * MIB
            with bounded(system):
                report = await ana.taken_in("stremio", file)

            assert (report["state"] == "failed") or "bitfield-too-large" in report["reasons"], report
            if report["state"] == "failed":
                assert await everything(ana) == before

    @pytest.mark.parametrize("form", ["imdb", "letterboxd"])
    @pytest.mark.parametrize("row", ["name", "row"])
    async def test_a_csv_with_a_million_columns(self, system: System, form: str, row: str) -> None:
        wide = ",".join(["x"] * 1_000_000)
        known = "Const,Your Rating,Date Rated,Title" if form == "imdb" else "Date,Name,Year,Letterboxd URI"
        file = f"{wide}\n{wide}\n" if row == "name" else f"{known}\n{wide}\n"
        await self.comes_to_nothing(system, form, file.encode(), "text/csv")

    @pytest.mark.parametrize(
        ("form", "file"),
        [
            ("trakt", b""),
            ("trakt", b"not json"),
            ("trakt", b'[{"id": 1'),
            ("trakt", b"[" * 100_000),
            ("trakt", b'[{"id": ' + b"9" * 100_000 + b"}]"),
            ("stremio", b"\xff\xfe\x00garbage"),
            ("matinee", b'{"record": "matinee", "version": 99}\n'),
            ("matinee", b'{"record": "title"}\n'),
            ("imdb", b"\x89PNG\r\n\x1a\n" + b"\0" * 1_000),
            ("imdb", b'"' + b"x" * 2_000_000),
            ("letterboxd", b"PK\x03\x04 and no more"),
            ("film-fanatic", b"{}"),
        ],
    )
    async def test_what_is_no_such_file(self, system: System, form: str, file: bytes) -> None:
        kind = "text/csv" if form in ("imdb", "letterboxd") else JSON
        await self.comes_to_nothing(system, form, file, kind)

    async def comes_to_nothing(self, system: System, form: str, file: bytes, kind: str) -> None:
        async with person(system, "Ana") as ana:
            await furnished(ana)
            before = await everything(ana)
            with bounded(system):
                answered = await ana.send_file(form, file, kind)
                if answered.status == 202:
                    report = await ana.settled(answered.body["import_id"])
                    nothing = not report["counts"] or not (report["counts"]["added"] or report["counts"]["changed"])
                    assert (report["state"] == "failed" and report["error"]) or nothing, report
                else:
                    assert answered.status < 500, answered
            assert await everything(ana) == before

    async def test_more_than_64_megabytes(self, system: System) -> None:
        async with person(system, "Ana") as ana:
            with bounded(system):
                answered = await ana.send_file("trakt", b" " * (UPLOAD_BYTES + 1))

            assert (answered.status, answered.body["code"]) == (413, "body-too-large")
            assert (await ana.see("library.imports"))["items"] == []

    async def test_a_file_that_was_never_sent(self, system: System) -> None:
        async with person(system, "Ana") as ana:
            started = await ana.do("library.import", upload="0" * 32, format="trakt")

            report = await ana.settled(started["import_id"])

            assert (report["state"], report["error"]) == ("failed", "no-such-upload")

    @pytest.mark.parametrize("wrong", [{"dry_run": "maybe"}, {"surprise": "1"}, {"file_name": "x" * 300}])
    async def test_wishes_that_are_none(self, system: System, wrong: dict[str, str]) -> None:
        async with person(system, "Ana") as ana:
            answered = await ana.send_file("trakt", b"[]", **wrong)

            assert (answered.status, answered.body["code"]) == (422, "invalid-argument")
            assert (await ana.see("library.imports"))["items"] == []

    async def test_a_form_is_no_file(self, system: System) -> None:
        async with person(system, "Ana") as ana:
            answered = await ana.send_file("trakt", b"[]", "multipart/form-data; boundary=x")

            assert (answered.status, answered.body["code"]) == (415, "unsupported-file-type")

    async def test_a_format_that_nobody_knows(self, system: System) -> None:
        async with person(system, "Ana") as ana:
            answered = await ana.send_file("netflix", b"[]")

            assert (answered.status, answered.body["code"]) == (422, "invalid-argument")
            assert (await ana.see("library.imports"))["items"] == []

    async def test_many_at_once_stay_within_bounds(self, system: System) -> None:
        async with contextlib.AsyncExitStack() as stack:
            people = [await stack.enter_async_context(person(system, f"Ana {n}")) for n in range(4)]
            with bounded(system):
                reports = await asyncio.gather(*(one.taken_in("stremio", stremio(bomb(1))) for one in people))

        assert all(report["state"] in ("failed", "applied") for report in reports)
