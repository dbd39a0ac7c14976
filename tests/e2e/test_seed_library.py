"""What three apps did with libraries on Convex, done natively with their own example values, through both doors."""

import contextlib
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from tests.e2e.person import DOORS, Person, person, watched
from tests.system import System

FILM, SHOW = "tmdb:movie:12345", "tmdb:tv:12345"
"""Film Fanatic counts films and series of TMDB apart, and its examples of both have one number."""

INCEPTION: dict[str, Any] = {
    "kind": "movie",
    "title": "Inception",
    "image": "https://image.tmdb.org/...",
    "rating": 8.8,
    "release_date": "2010-07-16",
    "overview": "A thief who steals corporate secrets...",
}
"""Its `addToWatchlist`."""

SEASONS: list[dict[str, Any]] = [{"season": 1, "episodes": [1, 2, 3, 4, 5]}, {"season": 2, "episodes": [1, 2, 3]}]
"""Its `markShowEpisodesAndStatus`."""

BACKFILL = [
    ("plan-to-watch", None, "want-to-watch", None),
    ("watching", None, "watching", None),
    ("completed", None, "finished", None),
    ("liked", None, "finished", "liked"),
    ("dropped", 95, "finished", "not-for-me"),
    ("dropped", 90, "finished", "not-for-me"),
    ("dropped", 45, "watching", "not-for-me"),
    ("dropped", 0, "want-to-watch", "not-for-me"),
    ("dropped", None, "want-to-watch", "not-for-me"),
]
"""Its `backfillWatchItems`: the older status and a percentage, and the status and reaction that they become."""

RAFFI = "tt1234567"
POSTER = "https://..."
TRANSPORT = "https://v3-cinemeta.strem.io/manifest.json"
MANIFEST: dict[str, Any] = {
    "id": "com.linvo.cinemeta",
    "version": "3.0.13",
    "name": "Cinemeta",
    "description": "The official addon for movie and series catalogs",
    "types": ["movie", "series"],
    "resources": ["catalog", "meta"],
    "catalogs": [{"type": "movie", "id": "top", "name": "Popular"}],
    "idPrefixes": ["tt"],
}


@pytest_asyncio.fixture(params=DOORS)
async def ana(system: System, request: pytest.FixtureRequest) -> AsyncIterator[Person]:
    async with person(system, "Ana", request.param) as somebody:
        yield somebody


@pytest_asyncio.fixture
async def stack() -> AsyncIterator[contextlib.AsyncExitStack]:
    """Where devices are closed."""
    async with contextlib.AsyncExitStack() as devices:
        yield devices


def some(item: Any, *fields: str) -> tuple[Any, ...]:
    return tuple(item[field] for field in fields)


def numbers(page: Any) -> list[tuple[int, int]]:
    """Which episodes a page says were watched."""
    return [(item["season"], item["episode"]) for item in page["items"] if item["watched"]]


class TestFilmFanaticWatchItems:
    async def test_add_to_watchlist(self, ana: Person) -> None:
        await ana.do("library.set", work=FILM, in_watchlist=True, details=INCEPTION)

        # by_user_media, then by_user
        item = await ana.see("library.item", work=FILM)
        assert some(item, "in_watchlist", "status", "reaction") == (True, None, None)
        assert item["details"] == INCEPTION
        assert [i["work"] for i in (await ana.see("library.items", in_watchlist=True))["items"]] == [FILM]

        # setWatchlistMembership, the other way: what was tracked stays
        await ana.do("library.set", work=FILM, status="watching")
        await ana.do("library.set", work=FILM, in_watchlist=False)
        assert (await ana.see("library.items", in_watchlist=True))["items"] == []
        assert some(await ana.see("library.item", work=FILM), "in_watchlist", "status") == (False, "watching")

    async def test_a_film_and_a_show_of_one_number_are_two(self, ana: Person) -> None:
        await ana.do("library.set", work="tmdb:12345", kind="movie", in_watchlist=True)
        await ana.do("library.set", work="tmdb:12345", kind="series", favourite=True)

        items = {item["work"]: item for item in (await ana.see("library.items"))["items"]}

        assert some(items[FILM], "in_watchlist", "favourite") == (True, False)
        assert some(items[SHOW], "in_watchlist", "favourite") == (False, True)

    async def test_set_progress_status(self, ana: Person) -> None:
        await ana.do("library.set", work=SHOW, status="watching", progress=45)

        item = await ana.see("library.item", work=SHOW)

        assert some(item, "status", "progress", "legacy_status") == ("watching", 45, "watching")

    async def test_set_reaction_is_independent_of_status(self, ana: Person) -> None:
        await ana.do("library.set", work=FILM, reaction="loved")
        assert some(await ana.see("library.item", work=FILM), "reaction", "status") == ("loved", None)

        await ana.do("library.set", work=FILM, status="finished")
        item = await ana.see("library.item", work=FILM)
        assert some(item, "reaction", "status", "legacy_status") == ("loved", "finished", "liked")

        await ana.do("library.set", work=FILM, reaction=None)
        item = await ana.see("library.item", work=FILM)
        assert some(item, "reaction", "status", "legacy_status") == (None, "finished", "completed")

    @pytest.mark.parametrize(("legacy", "progress", "status", "reaction"), BACKFILL)
    async def test_backfill_one_item(
        self, ana: Person, legacy: str, progress: float | None, status: str, reaction: str | None
    ) -> None:
        told = {} if progress is None else {"progress": progress}

        await ana.do("library.set", work=FILM, legacy_status=legacy, **told)

        item = await ana.see("library.item", work=FILM)
        assert some(item, "status", "reaction", "progress") == (status, reaction, progress)

    async def test_backfill_of_a_whole_export_and_once_more(self, ana: Person) -> None:
        rows = [
            {
                "tmdbId": 100 + n,
                "mediaType": "movie",
                "status": legacy,
                "progress": progress,
                "updatedAt": 1762000000000,
            }
            for n, (legacy, progress, *_) in enumerate(BACKFILL)
        ]
        file = json.dumps({"watch_items": rows}).encode()

        report = await ana.taken_in("film-fanatic", file)

        assert (report["state"], report["counts"]["added"]) == ("applied", len(BACKFILL))
        items = {item["work"]: item for item in await ana.pages("library.items")}
        for n, (_, _, status, reaction) in enumerate(BACKFILL):
            assert some(items[f"tmdb:movie:{100 + n}"], "status", "reaction") == (status, reaction), BACKFILL[n]
        again = await ana.taken_in("film-fanatic", file)
        assert some(again["counts"], "added", "changed") == (0, 0)

    async def test_the_watchlist_is_live_on_another_device(self, ana: Person, stack: contextlib.AsyncExitStack) -> None:
        watchlist = await watched(await ana.device(stack), "library.items", in_watchlist=True)
        assert watchlist.now["items"] == []

        await ana.do("library.set", work=FILM, in_watchlist=True, details=INCEPTION)

        assert [item["details"]["title"] for item in (await watchlist.next())["items"]] == ["Inception"]


class TestFilmFanaticEpisodeProgress:
    async def test_mark_episode_watched_and_not_watched(self, ana: Person) -> None:
        await ana.do("library.mark", work=SHOW, seasons=[{"season": 1, "episodes": [5]}], watched=True)
        # The example of the table itself, by the episode's own id.
        await ana.do("library.mark", work=f"{SHOW}:1:3", watched=True)
        assert numbers(await ana.see("library.episodes", work=SHOW)) == [(1, 3), (1, 5)]

        await ana.do("library.mark", work=SHOW, seasons=[{"season": 1, "episodes": [5]}], watched=False)

        assert numbers(await ana.see("library.episodes", work=SHOW)) == [(1, 3)]

    async def test_mark_show_episodes_and_status_and_read_them_by_every_index(self, ana: Person) -> None:
        await ana.do("library.mark", work=SHOW, seasons=SEASONS, watched=True, status="watching")
        await ana.do("library.mark", work="tmdb:tv:777", seasons=[{"season": 1, "episodes": [1]}])

        every = [(season["season"], episode) for season in SEASONS for episode in season["episodes"]]
        by_media = await ana.see("library.episodes", work=SHOW)
        by_season = await ana.see("library.episodes", work=SHOW, season=1)
        by_episode = await ana.see("library.episodes", work=SHOW, season=1, episode=3)
        by_user = await ana.pages("library.all_episodes")

        assert numbers(by_media) == every
        assert numbers(by_season) == [(1, n) for n in (1, 2, 3, 4, 5)]
        assert numbers(by_episode) == [(1, 3)]
        assert (await ana.see("library.episodes", work=SHOW, season=2, episode=9))["items"] == []
        found = [(item["work"], item["episode"]["season"], item["episode"]["episode"]) for item in by_user]
        assert found == [(SHOW, *place) for place in every] + [("tmdb:tv:777", 1, 1)]
        item = await ana.see("library.item", work=SHOW)
        assert some(item, "status", "watched_episodes") == ("watching", 8)

    async def test_it_is_one_command_that_says_nothing_twice(self, ana: Person) -> None:
        await ana.do("library.mark", work=SHOW, seasons=SEASONS, status="watching")
        before = await ana.pages("library.history")

        await ana.do("library.mark", work=SHOW, seasons=SEASONS, status="watching")

        assert len(before) == 8
        assert await ana.pages("library.history") == before

    async def test_it_is_live_on_another_device(self, ana: Person, stack: contextlib.AsyncExitStack) -> None:
        season = await watched(await ana.device(stack), "library.episodes", work=SHOW, season=1)

        await ana.do("library.mark", work=SHOW, seasons=SEASONS)

        assert len(numbers(await season.next())) == 5

    async def test_users_by_token_are_who_signed_in(self, ana: Person) -> None:
        profile = await ana.see("library.profile")

        assert some(profile, "uid", "display_name", "claimed_name") == (ana.user, "Ana", "Ana")


class TestCsnProgress:
    async def test_update_watch_progress_and_continue_watching(self, ana: Person) -> None:
        await ana.do("library.report", work="content-1", position=600, duration=6000)
        await ana.do("library.report", work="content-2", position=1500, duration=6000)

        page = await ana.see("library.continue_watching", limit=10)

        told = [some(item, "work", "position", "duration", "percent") for item in page["items"]]
        assert told == [("content-2", 1500, 6000, 25.0), ("content-1", 600, 6000, 10.0)]

    @pytest.mark.parametrize(("position", "completed"), [(5399, False), (5400, True), (6000, True)])
    async def test_it_is_completed_at_ninety_percent(self, ana: Person, position: float, completed: bool) -> None:
        await ana.do("library.report", work="content-1", position=10, duration=6000)
        await ana.do("library.report", work="content-1", position=position, duration=6000, state="stopped")

        (item,) = (await ana.see("library.title", work="content-1"))["items"]
        going_on = (await ana.see("library.continue_watching"))["items"]

        assert item["watched"] is completed
        assert (item["completed_at"] is not None) is completed
        assert (going_on == []) is completed
        assert (await ana.see("library.item", work="content-1"))["status"] == ("finished" if completed else "watching")

    async def test_playing_it_again_is_a_second_way_through(self, ana: Person) -> None:
        await ana.do("library.report", work="content-1", position=10, duration=6000)
        await ana.do("library.report", work="content-1", position=5700, duration=6000, state="stopped")
        await ana.do("library.report", work="content-1", position=60, duration=6000)

        (again,) = (await ana.see("library.continue_watching"))["items"]
        (item,) = (await ana.see("library.title", work="content-1"))["items"]
        assert again["position"] == item["position"] == 60
        assert some(item, "watched", "plays") == (True, 1)
        assert (await ana.see("library.item", work="content-1"))["status"] == "finished"

        await ana.do("library.report", work="content-1", position=5700, duration=6000, state="stopped")

        assert (await ana.see("library.continue_watching"))["items"] == []
        assert len((await ana.see("library.history"))["items"]) == 2

    async def test_get_watch_progress(self, ana: Person) -> None:
        assert (await ana.see("library.title", work="content-1"))["items"] == []

        await ana.do("library.report", work="content-1", position=1200, duration=6000, device="television")

        (item,) = (await ana.see("library.title", work="content-1"))["items"]
        assert some(item, "position", "percent", "device") == (1200, 20.0, "television")

    async def test_the_carousel_is_live_across_devices(self, ana: Person, stack: contextlib.AsyncExitStack) -> None:
        carousel = await watched(await ana.device(stack), "library.continue_watching", limit=10)
        assert carousel.now["items"] == []

        await ana.do("library.report", work="content-1", position=1200, duration=6000)
        assert [item["position"] for item in (await carousel.next())["items"]] == [1200]

        await ana.do("library.report", work="content-1", position=5400, duration=6000)
        assert (await carousel.next())["items"] == []

    async def test_the_next_unwatched_episode_takes_the_place_of_a_completed_one(self, ana: Person) -> None:
        series = {"kind": "series", "seasons": [{"season": 1, "episodes": [1, 2, 3]}]}
        await ana.do("library.set", work="show-1", details=series)
        await ana.do("library.mark", work="show-1", seasons=[{"season": 1, "episodes": [2]}])
        first = {"work": "show-1", "episode": {"season": 1, "episode": 1}, "duration": 6000}
        await ana.do("library.report", **first, position=10)
        await ana.do("library.report", **first, position=5700, state="stopped")

        (going_on,) = (await ana.see("library.continue_watching"))["items"]

        assert some(going_on, "episode", "position") == ({"season": 1, "episode": 3}, 0)
        assert (await ana.see("library.item", work="show-1"))["progress"] == 66.7

    async def test_track_video_complete_knows_how_much_was_really_watched(self, ana: Person) -> None:
        begun = datetime.now(UTC) - timedelta(seconds=4500)
        session = {"work": "content-1", "duration": 6000, "session": "one"}
        await ana.do("library.report", **session, position=0, at=begun.isoformat())
        await ana.do("library.report", **session, position=5700, watched=4500, state="stopped")

        why = await ana.see("library.why", work="content-1")

        assert why["watched"]
        assert [some(reason, "what", "watched_share") for reason in why["reasons"]] == [("played", 0.75)]

    async def test_playlists_and_my_list(self, ana: Person) -> None:
        mine = (await ana.do("library.create_list", name="My List"))["list_id"]
        await ana.do("library.add_to_list", list_id=mine, items=[{"work": "content-1"}, {"work": "content-2"}])

        shown = await ana.see("library.list", list_id=mine)

        assert some(shown["about"], "name", "items") == ("My List", 2)
        assert [item["work"] for item in shown["items"]] == ["content-1", "content-2"]

    async def test_preferences_each_on_its_own_and_live(self, ana: Person, stack: contextlib.AsyncExitStack) -> None:
        settings = await watched(await ana.device(stack), "library.profile")

        await ana.do("library.set_preferences", changes={"subtitles": "en", "player": {"speed": 1.25}})
        assert (await settings.next())["preferences"] == {"subtitles": "en", "player": {"speed": 1.25}}

        await ana.do("library.set_preferences", changes={"subtitles": None})
        assert (await settings.next())["preferences"] == {"player": {"speed": 1.25}}


class TestRaffiLibraries:
    """Its `libraries` row: `imdb_id`, `progress`, `last_watched`, `completed_at`, `type`, `shown`, `poster`."""

    async def test_update_progress_and_get_library(self, ana: Person) -> None:
        episode = {"season": 2, "episode": 5}
        await ana.do("library.report", work=RAFFI, episode=episode, position=1234.5, duration=2400.0)
        await ana.do("library.set", work=RAFFI, details={"kind": "series", "image": POSTER})

        (item,) = (await ana.see("library.titles"))["items"]
        assert some(item, "work", "episode", "position", "duration") == (RAFFI, episode, 1234.5, 2400.0)
        assert item["completed_at"] is None
        (going_on,) = (await ana.see("library.continue_watching"))["items"]
        assert some(going_on, "episode", "position") == (episode, 1234.5)
        assert going_on["details"] == {"kind": "series", "image": POSTER}
        # by_user_imdb
        assert (await ana.see("library.item", work=RAFFI))["details"]["kind"] == "series"
        assert await ana.see("library.item", work="tt7654321") is None

    async def test_by_the_video_id_of_a_stremio_addon(self, ana: Person) -> None:
        await ana.do("library.report", work=f"{RAFFI}:2:5", position=1234.5, duration=2400.0)

        (item,) = (await ana.see("library.title", work=RAFFI))["items"]

        assert some(item, "work", "episode") == (RAFFI, {"season": 2, "episode": 5})

    async def test_completed_at(self, ana: Person) -> None:
        await ana.do("library.report", work=RAFFI, position=2200, duration=2400.0)

        (item,) = (await ana.see("library.titles"))["items"]

        assert item["completed_at"] is not None

    async def test_shown_is_hidden_the_other_way_round_and_other_devices_hear_of_it(
        self, ana: Person, stack: contextlib.AsyncExitStack
    ) -> None:
        await ana.do("library.report", work=RAFFI, position=1234.5, duration=2400.0)
        await ana.see("library.item", work=RAFFI)
        device = await ana.device(stack)
        carousel = await watched(device, "library.continue_watching")
        item = await watched(device, "library.item", work=RAFFI)
        assert [i["work"] for i in carousel.now["items"]] == [RAFFI]

        await ana.do("library.set", work=RAFFI, hidden=True)
        assert (await carousel.next())["items"] == []
        assert (await item.next())["hidden"] is True

        # It stays hidden while it is watched on, and comes back when that is taken back.
        await ana.do("library.report", work=RAFFI, position=1300, duration=2400.0, state="stopped")
        assert (await ana.see("library.continue_watching"))["items"] == []
        assert [i["work"] for i in (await ana.see("library.titles"))["items"]] == [RAFFI]
        await ana.do("library.set", work=RAFFI, hidden=False)
        assert [i["position"] for i in (await ana.see("library.continue_watching"))["items"]] == [1300]


class TestRaffiLists:
    """Its `lists` and `list_items`."""

    async def test_lists_in_their_order(self, ana: Person) -> None:
        one = (await ana.do("library.create_list", name="Watchlist"))["list_id"]
        other = (await ana.do("library.create_list", name="Horror"))["list_id"]
        assert [i["name"] for i in (await ana.see("library.lists"))["items"]] == ["Watchlist", "Horror"]

        await ana.do("library.move_list", list_id=other)
        await ana.do("library.rename_list", list_id=one, name="Later")

        lists = (await ana.see("library.lists"))["items"]
        assert [some(i, "list_id", "name") for i in lists] == [(other, "Horror"), (one, "Later")]
        await ana.do("library.delete_list", list_id=other)
        assert [i["list_id"] for i in (await ana.see("library.lists"))["items"]] == [one]

    async def test_list_items_with_order_type_and_poster(self, ana: Person) -> None:
        id = (await ana.do("library.create_list", name="Watchlist"))["list_id"]
        film = {"work": RAFFI, "kind": "movie", "poster": POSTER}
        await ana.do("library.add_to_list", list_id=id, items=[film, {"work": "tt0111161"}])
        # by_list_imdb: a work once per list
        await ana.do("library.add_to_list", list_id=id, items=[film])
        shown = await ana.see("library.list", list_id=id)
        assert [some(i, "work", "kind", "poster") for i in shown["items"]] == [
            (RAFFI, "movie", POSTER),
            ("tt0111161", None, ""),
        ]

        await ana.do("library.move_in_list", list_id=id, work=RAFFI, after="tt0111161")
        assert [i["work"] for i in (await ana.see("library.list", list_id=id))["items"]] == ["tt0111161", RAFFI]
        holding = await ana.see("library.lists_holding", work=RAFFI)
        assert holding["lists"] == [{"list_id": id, "name": "Watchlist"}]

        await ana.do("library.remove_from_list", list_id=id, works=[RAFFI])
        assert [i["work"] for i in (await ana.see("library.list", list_id=id))["items"]] == ["tt0111161"]
        assert (await ana.see("library.lists_holding", work=RAFFI))["lists"] == []

    async def test_a_list_is_live_on_another_device(self, ana: Person, stack: contextlib.AsyncExitStack) -> None:
        id = (await ana.do("library.create_list", name="Watchlist"))["list_id"]
        await ana.see("library.list", list_id=id)
        shown = await watched(await ana.device(stack), "library.list", list_id=id)

        await ana.do("library.add_to_list", list_id=id, items=[{"work": RAFFI}])

        assert [item["work"] for item in (await shown.next())["items"]] == [RAFFI]


class TestRaffiAddons:
    """Its `addons`: `transport_url`, `manifest`, `flags`, `addon_id`, `added_at`."""

    async def test_an_addon_is_there_once_per_transport_url(self, ana: Person) -> None:
        await ana.do("library.install_addon", transport_url=TRANSPORT, manifest=MANIFEST)
        (first,) = (await ana.see("library.addons"))["items"]
        assert some(first, "transport_url", "manifest", "warnings") == (TRANSPORT, MANIFEST, [])

        newer = MANIFEST | {"version": "3.0.14"}
        same = TRANSPORT.replace("https://", "stremio://")
        await ana.do("library.install_addon", transport_url=same, manifest=newer)

        (second,) = (await ana.see("library.addons"))["items"]
        assert some(second, "transport_url", "manifest") == (TRANSPORT, newer)
        assert some(second, "addon_id", "installed_at") == some(first, "addon_id", "installed_at")

    async def test_flags_order_and_removal(self, ana: Person) -> None:
        for name in ("one", "two"):
            url = f"https://{name}.example.com/manifest.json"
            await ana.do("library.install_addon", transport_url=url, manifest=MANIFEST)
        ids = [addon["addon_id"] for addon in (await ana.see("library.addons"))["items"]]
        await ana.do("library.move_addon", addon_id=ids[1])
        await ana.do("library.flag_addon", addon_id=ids[0], flags={"protected": True})
        shown = (await ana.see("library.addons"))["items"]
        assert [i["addon_id"] for i in shown] == [ids[1], ids[0]]
        assert shown[1]["flags"] == {"protected": True}

        assert await ana.refused("library.remove_addon", addon_id=ids[0]) == "addon-protected"
        await ana.do("library.remove_addon", addon_id=ids[1])

        assert [i["addon_id"] for i in (await ana.see("library.addons"))["items"]] == [ids[0]]

    async def test_same_addon_available_on_another_device(self, ana: Person, stack: contextlib.AsyncExitStack) -> None:
        addons = await watched(await ana.device(stack), "library.addons")

        await ana.do("library.install_addon", transport_url=TRANSPORT, manifest=MANIFEST)

        assert [item["manifest"]["name"] for item in (await addons.next())["items"]] == ["Cinemeta"]

    async def test_a_collection_goes_out_as_it_came_in(self, ana: Person) -> None:
        collection = [
            {"transportUrl": TRANSPORT, "transportName": "http", "manifest": MANIFEST, "flags": {"official": True}},
            {
                "transportUrl": "https://two.example.com/manifest.json",
                "transportName": "http",
                "manifest": MANIFEST | {"id": "two", "name": "Two"},
                "flags": {},
            },
        ]
        await ana.do("library.import_addons", addons=collection)

        exported = await ana.see("library.addon_collection")

        assert exported == {"addons": collection, "cursor": None}


class TestRaffiTrakt:
    async def test_a_trakt_history_comes_in_as_a_file_and_goes_as_a_whole(self, ana: Person) -> None:
        history = [
            {
                "id": 123,
                "watched_at": "2026-03-03T12:00:00.000Z",
                "action": "watch",
                "type": "movie",
                "movie": {
                    "title": "Inception",
                    "year": 2010,
                    "ids": {"trakt": 16662, "imdb": "tt1375666", "tmdb": 27205},
                },
            }
        ]
        report = await ana.taken_in("trakt", json.dumps(history).encode())
        assert report["state"] == "applied"
        (play,) = (await ana.see("library.history"))["items"]
        assert some(play, "work", "rule", "source") == ("tt1375666", "import", report["import_id"])
        assert play["watched_at"].startswith("2026-03-03T12:00:00")

        await ana.do("library.undo_import", import_id=report["import_id"])

        assert (await ana.see("library.history"))["items"] == []
        assert await ana.see("library.item", work="tt1375666") is None


class TestTakingItAlong:
    async def test_an_export_brings_its_owner_nothing_and_somebody_else_everything(
        self, system: System, ana: Person
    ) -> None:
        await ana.do("library.set", work=FILM, in_watchlist=True, details=INCEPTION)
        await ana.do("library.mark", work=SHOW, seasons=SEASONS, status="watching")
        await ana.do("library.report", work=RAFFI, position=1234.5, duration=2400.0)
        id = (await ana.do("library.create_list", name="Watchlist"))["list_id"]
        await ana.do("library.add_to_list", list_id=id, items=[{"work": RAFFI, "kind": "movie", "poster": POSTER}])
        await ana.do("library.install_addon", transport_url=TRANSPORT, manifest=MANIFEST)
        mine = await kept(ana)
        file = await ana.export()

        again = await ana.taken_in("matinee", file, "application/x-ndjson")

        assert some(again["counts"], "added", "changed", "removed") == (0, 0, 0)
        assert await kept(ana) == mine
        async with person(system, "Ben") as ben:
            await ben.taken_in("matinee", file, "application/x-ndjson")
            assert await kept(ben) == mine


async def kept(somebody: Person) -> Any:
    """What is to be seen of a library, but for who brought what when."""
    items = await somebody.pages("library.items")
    lists = await somebody.pages("library.lists")
    on_them = [await somebody.pages("library.list", list_id=each["list_id"]) for each in lists]
    return {
        "items": {i["work"]: some(i, "in_watchlist", "status", "details", "watched_episodes") for i in items},
        "places": sorted(some(i, "work", "position") for i in await somebody.pages("library.continue_watching")),
        "plays": sorted(str(some(i, "work", "episode", "watched_at")) for i in await somebody.pages("library.history")),
        "lists": [some(each, "name", "items") for each in lists],
        "on them": [[some(item, "work", "kind", "poster") for item in items] for items in on_them],
        "addons": [some(addon, "transport_url", "manifest") for addon in await somebody.pages("library.addons")],
    }
