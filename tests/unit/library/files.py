"""Files as other services write them, made up: the shapes are real, the people are not."""

import base64
import csv
import io
import json
import random
import zipfile
import zlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

Json = dict[str, Any]

BEGIN = datetime(2019, 3, 1, 19, 30, tzinfo=UTC)
FIVE_WATCHED = "tt2934286:1:5:5:eJyTZwAAAEAAIA=="
NONE_WATCHED = "undefined:1:eJwDAAAAAAE="
TWENTY_FOUR_WATCHED = "tt7767422:3:8:24:eJz7//8/AAX9Av4="


def iso(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def bitfield(anchor: str, length: int, bits: bytes) -> str:
    return f"{anchor}:{length}:{base64.b64encode(zlib.compress(bits)).decode()}"


# Stremio.


def stremio_item(id: str, kind: str = "movie", name: str = "", **more: Any) -> Json:
    state = {
        "lastWatched": iso(BEGIN),
        "timeWatched": 0,
        "timeOffset": 0,
        "overallTimeWatched": 0,
        "timesWatched": 0,
        "flaggedWatched": 0,
        "duration": 0,
        "video_id": id,
        "watched": "",
        "noNotif": False,
        **more.pop("state", {}),
    }
    return {
        "_id": id,
        "name": name or f"Title {id}",
        "type": kind,
        "poster": f"https://images.metahub.space/poster/small/{id}/img",
        "posterShape": "poster",
        "removed": False,
        "temp": False,
        "_ctime": iso(BEGIN),
        "_mtime": iso(BEGIN + timedelta(days=3)),
        "behaviorHints": {"defaultVideoId": None, "featuredVideoId": None, "hasScheduledVideos": False},
        "state": state,
        **more,
    }


def stremio_export(films: int = 300, series: int = 100) -> bytes:
    """With the three published bitfields, a tombstone, something temporary, and many films and series."""
    found = [
        stremio_item("tt2934286", "series", "Halo", state={"watched": FIVE_WATCHED, "video_id": "tt2934286:1:5"}),
        stremio_item("tt0000404", "series", "Unwatched", state={"watched": NONE_WATCHED, "video_id": None}),
        stremio_item("tt7767422", "series", "Sex Education", state={"watched": TWENTY_FOUR_WATCHED}),
        stremio_item("tt0068646", removed=True),
        stremio_item("tt0071562", removed=True, temp=True, state={"timeOffset": 900_000, "duration": 12_120_000}),
        stremio_item("kitsu:7442", "anime", "Attack on Titan", state={"watched": bitfield("kitsu:7442:3", 3, b"\x07")}),
    ]
    for number in range(films):
        watched = {"timesWatched": number % 3, "flaggedWatched": int(number % 3 > 0), "duration": 6_000_000}
        found.append(stremio_item(f"tt{1_000_000 + number:07d}", state=watched))
    for number in range(series):
        id, episodes = f"tt{2_000_000 + number:07d}", 1 + number % 20
        bits = ((1 << episodes) - 1).to_bytes(episodes // 8 + 1, "little")
        state = {"watched": bitfield(f"{id}:1:{episodes}", episodes, bits), "video_id": f"{id}:1:{episodes}"}
        found.append(stremio_item(id, "series", state=state))
    return json.dumps({"result": found}).encode()


# Trakt.


def trakt_film(number: int) -> Json:
    ids = {"trakt": number, "slug": f"film-{number}", "imdb": f"tt{3_000_000 + number:07d}", "tmdb": 5_000 + number}
    return {"title": f"Film № {number} – «é»", "year": 1990 + number % 35, "ids": ids}


def trakt_show(number: int) -> Json:
    ids = {"trakt": number, "slug": f"show-{number}", "tvdb": 9_000 + number, "imdb": None, "tmdb": 7_000 + number}
    return {"title": f"Show {number}", "year": 2000 + number % 25, "ids": ids, "aired_episodes": 60}


def trakt_play(id: int, at: datetime, number: int) -> Json:
    """Three of four plays are of episodes."""
    play: Json = {"id": id, "watched_at": iso(at), "action": "scrobble"}
    if number % 4 == 0:
        return {**play, "type": "movie", "movie": trakt_film(number // 4)}
    show, episode = number % 50, number // 50
    ids = {"trakt": id, "tvdb": id, "imdb": "", "tmdb": None}
    about = {"season": 1 + episode // 20, "number": 1 + episode % 20, "title": None, "ids": ids}
    return {**play, "type": "episode", "episode": about, "show": trakt_show(show)}


def trakt_history(plays: int) -> list[Json]:
    """Newest first, an hour or more apart."""
    return [trakt_play(9_000_000_000 + n, BEGIN + timedelta(hours=3 * n), n) for n in range(plays)][::-1]


def trakt_parts(plays: int = 5_000) -> dict[str, Any]:
    listed = {"rank": 1, "id": 1, "listed_at": iso(BEGIN), "notes": None, "type": "movie"}
    return {
        "history": trakt_history(plays),
        "watched": [{"plays": 2, "last_watched_at": iso(BEGIN), "last_updated_at": iso(BEGIN), "movie": trakt_film(0)}],
        "ratings": [
            {"rated_at": iso(BEGIN), "rating": 1 + n % 10, "type": "movie", "movie": trakt_film(n)} for n in range(40)
        ],
        "watchlist": [{**listed, "movie": trakt_film(100_000 + n)} for n in range(25)],
        "playback": [
            {"id": 7, "progress": 43.5, "paused_at": iso(BEGIN), "type": "movie", "movie": trakt_film(50_000)},
            {
                "id": 8,
                "progress": 50.0,
                "paused_at": iso(BEGIN),
                "type": "movie",
                "movie": {**trakt_film(50_001), "runtime": 120},
            },
        ],
        "lists": [{"name": "Heists", "ids": {"trakt": 5, "slug": "heists"}, "items": [
            {**listed, "movie": trakt_film(n)} for n in range(30)
        ]}],
    }  # fmt: skip


def trakt_export(plays: int = 5_000) -> bytes:
    return json.dumps(trakt_parts(plays)).encode()


def trakt_zip(plays: int = 500) -> bytes:
    parts = trakt_parts(plays)
    half = plays // 2
    return zipped(
        {
            "watched-history-1.json": json.dumps(parts["history"][:half]).encode(),
            "watched-history-2.json": json.dumps(parts["history"][half:]).encode(),
            "watched-movies.json": json.dumps(parts["watched"]).encode(),
            "ratings-movies.json": json.dumps(parts["ratings"]).encode(),
            "lists-watchlist.json": json.dumps(parts["watchlist"]).encode(),
            "lists-list-5-heists.json": json.dumps(parts["lists"][0]["items"]).encode(),
            "collection-shows.json": b"[]",
        }
    )


# IMDb.

IMDB_COLUMNS = (
    *("Const", "Your Rating", "Date Rated", "Title", "Original Title", "URL", "Title Type", "IMDb Rating"),
    *("Runtime (mins)", "Year", "Genres", "Num Votes", "Release Date", "Directors"),
)
ODD_TITLES = (
    "Amélie",
    'The "Burbs"',
    "WALL·E",
    "Crouching Tiger, Hidden Dragon",
    "Das Boot – Teil 1",
    "Léon\nDirector’s",
)


def imdb_row(number: int) -> Json:
    sort = ("Movie", "TV Series", "TV Mini Series", "Short", "TV Movie")[number % 5]
    return {
        "Const": f"tt{4_000_000 + number:07d}",
        "Your Rating": 1 + number % 10,
        "Date Rated": f"20{10 + number % 15}-{1 + number % 12:02d}-{1 + number % 28:02d}",
        "Title": ODD_TITLES[number % len(ODD_TITLES)],
        "Original Title": "",
        "URL": f"https://www.imdb.com/title/tt{4_000_000 + number:07d}",
        "Title Type": sort,
        "IMDb Rating": 7.5,
        "Runtime (mins)": 90 + number % 90,
        "Year": 1970 + number % 55,
        "Genres": "Comedy, Drama",
        "Num Votes": 1_000,
        "Release Date": "1999-03-31",
        "Directors": "José Padilha",
    }


def imdb_csv(rows: int = 3_000, encoding: str = "utf-8-sig", more: Iterable[Mapping[str, Any]] = ()) -> bytes:
    found = [imdb_row(n) for n in range(rows)]
    found.append({**imdb_row(rows), "Title Type": "TV Episode", "Title": "Breaking Bad: Ozymandias"})
    return as_csv(IMDB_COLUMNS, [*found, *more]).encode(encoding, "replace")


def as_csv(columns: Sequence[str], rows: Iterable[Mapping[str, Any]], end: str = "\r\n") -> str:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, lineterminator=end, restval="", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


# Letterboxd.


def letterboxd_files(films: int = 200) -> dict[str, bytes]:
    def film(number: int) -> Json:
        return {"Date": "2021-04-05", "Name": f"Film {number}: É", "Year": 1980 + number % 40}

    diary = [
        {**film(n), "Letterboxd URI": f"https://boxd.it/a{n}", "Rating": "4.5", "Watched Date": "2021-04-03"}
        for n in range(films // 2)
    ]
    plain = ("Date", "Name", "Year", "Letterboxd URI")
    heading = (
        "Letterboxd list export v7\nDate,Name,Tags,URL,Description\n2022-01-02,Cosy Sundays,,https://boxd.it/x,\n\n"
    )
    items: list[Json] = [{"Position": n + 1, **film(n)} for n in range(12)]
    return {
        "diary.csv": as_csv((*plain, "Rating", "Rewatch", "Tags", "Watched Date"), diary).encode(),
        "watched.csv": as_csv(plain, map(film, range(films))).encode(),
        "ratings.csv": as_csv((*plain, "Rating"), [{**film(n), "Rating": "3"} for n in range(20)]).encode(),
        "watchlist.csv": as_csv(plain, map(film, range(1_000, 1_010))).encode(),
        "likes/films.csv": as_csv(plain, map(film, range(3))).encode(),
        "profile.csv": b"Date Joined,Username\n2020-01-01,ana\n",
        "lists/cosy-sundays.csv": (heading + as_csv(("Position", "Name", "Year", "URL"), items)).encode(),
    }


def letterboxd_zip(films: int = 200) -> bytes:
    return zipped(letterboxd_files(films))


# Film Fanatic and Matinee.


def film_fanatic() -> bytes:
    at = BEGIN.timestamp() * 1000
    items: list[Json] = [
        {"tmdbId": 1, "mediaType": "movie", "status": "plan-to-watch"},
        {"tmdbId": 2, "mediaType": "movie", "status": "completed", "progress": 100},
        {"tmdbId": 3, "mediaType": "movie", "status": "liked", "title": "Inception", "rating": 8.8},
        {"tmdbId": 4, "mediaType": "movie", "status": "dropped", "progress": 95},
        {"tmdbId": 5, "mediaType": "tv", "status": "dropped", "progress": 40},
        {"tmdbId": 6, "mediaType": "tv", "status": "dropped"},
        {"tmdbId": 7, "mediaType": "tv", "inWatchlist": True, "progressStatus": "watching", "reaction": "loved"},
        {"tmdbId": "x", "mediaType": "tv"},
    ]
    episodes = [{"tmdbId": 7, "season": 1.0, "episode": float(n), "isWatched": n < 4} for n in range(1, 6)]
    return json.dumps(
        {
            "users": [{"name": "Ana"}],
            "watch_items": [{**item, "updatedAt": at} for item in items],
            "episode_progress": [{**episode, "updatedAt": at} for episode in episodes],
        }
    ).encode()


def matinee_export() -> bytes:
    work, series, at = "tt0133093", "tt0944947", iso(BEGIN)
    return as_lines(
        {"record": "matinee", "version": 1},
        {"record": "profile", "display_name": "Ana", "email": "ana@example.org"},
        {"record": "preference", "key": "theme", "value": "dark"},
        {"record": "ids", "works": [work, "tmdb:movie:603"]},
        {
            "record": "title",
            "work": work,
            "in_watchlist": False,
            "status": "finished",
            "reaction": "loved",
            "favourite": True,
            "hidden": False,
            "progress": 100.0,
            "details": {"kind": "movie", "title": "The Matrix"},
            "updated_at": at,
        },
        {"record": "item", "work": series, "episode": {"season": 1, "episode": 2}, "position": 300.0, "updated_at": at},
        {"record": "play", "play": "s1", "work": work, "episode": None, "watched_at": at, "rule": "position"},
        {"record": "play", "play": "p2", "work": series, "episode": {"season": 1, "episode": 1}, "watched_at": None},
        {"record": "reason", "work": work, "what": "played", "counts": True},
        {"record": "list", "list_id": "l1", "name": "Best", "order": "a0"},
        {"record": "list-item", "list_id": "l1", "work": work, "kind": "movie", "title": "The Matrix", "order": "a0"},
        {"record": "party-member", "party": "p"},
    )


def as_lines(*found: Json) -> bytes:
    return b"".join(json.dumps(one).encode() + b"\n" for one in found)


def zipped(files: Mapping[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in files.items():
            archive.writestr(name, body)
    return packed.getvalue()


def shuffled(body: bytes, seed: int = 1) -> bytes:
    """The same items in another order."""
    found = json.loads(body)
    random.Random(seed).shuffle(found["result"])
    return json.dumps(found).encode()
