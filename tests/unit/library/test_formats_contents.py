"""What each kind of file says, entry by entry."""

import io
import json
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET
from tests.unit.library import files

from events.contracts.library import Season, TakenPlay, TakenPosition
from library import formats
from library.formats import About, AList, AnAddon, BadFile, Found, Joined, Left
from library.formats.bitfield import Bitfield, Watched, by_anchor, by_seasons, by_videos, parse

NOON = datetime(2021, 4, 3, 12, tzinfo=UTC)


def found(kind: str, body: bytes, name: str = "") -> list[Found]:
    return list(formats.read(kind, io.BytesIO(body), name))


def one(kind: str, body: bytes, name: str = "") -> About:
    (only,) = found(kind, body, name)
    assert isinstance(only, About), only
    return only


def abouts(kind: str, body: bytes, name: str = "") -> list[About]:
    return [each for each in found(kind, body, name) if isinstance(each, About)]


def lefts(kind: str, body: bytes, name: str = "") -> list[tuple[str, str]]:
    return [(each.what, each.reason) for each in found(kind, body, name) if isinstance(each, Left)]


def as_json(*items: Any) -> bytes:
    return json.dumps(items).encode()


# Stremio.


def stremio(id: str = "tt0133093", kind: str = "movie", **more: Any) -> bytes:
    return as_json(files.stremio_item(id, kind, **more))


def test_stremio_knows_that_a_film_was_watched_and_not_when() -> None:
    film = one("stremio", stremio(state={"timesWatched": 2, "flaggedWatched": 1}))
    assert (film.work, film.plays) == ("tt0133093", (TakenPlay("film", "stremio:film", None),))
    assert film.change.in_watchlist is True
    assert film.change.details is not UNSET
    assert film.at == datetime(2019, 3, 4, 19, 30, tzinfo=UTC)


@pytest.mark.parametrize("whole", [b"%s", b'{"result": %s}'])
def test_stremio_in_both_wrappings(whole: bytes) -> None:
    assert one("stremio", whole % stremio()).work == "tt0133093"


def test_stremio_resumes_where_the_player_was_and_an_offset_of_one_is_none() -> None:
    state = {"timeOffset": 900_000, "duration": 3_000_000, "video_id": "tt0944947:1:2"}
    resume = one("stremio", stremio("tt0944947", "series", state=state)).resume
    assert resume == TakenPosition("1-2", 900.0, files.BEGIN, 3_000.0)
    state["timeOffset"] = 1
    assert one("stremio", stremio("tt0944947", "series", state=state)).resume is None


def test_stremio_removed_and_temporary_items() -> None:
    assert lefts("stremio", stremio(removed=True)) == [("Title tt0133093", "removed")]
    kept = one("stremio", stremio(removed=True, state={"timesWatched": 1, "timeOffset": 9_000}))
    assert (kept.plays[0].slot, kept.change.in_watchlist, kept.resume) == ("film", UNSET, None)
    temporary = one("stremio", stremio(removed=True, temp=True, state={"timeOffset": 9_000}))
    assert (temporary.change.in_watchlist, temporary.resume is not None) == (UNSET, True)


def test_stremio_bits_wait_for_the_works_episodes_unless_the_file_has_videos() -> None:
    state = {"watched": files.FIVE_WATCHED}
    assert one("stremio", stremio("tt2934286", "series", state=state)).watched == parse(files.FIVE_WATCHED)
    videos = [{"id": f"tt2934286:1:{n}", "season": 1, "episode": n} for n in range(1, 9)]
    for more in ({"videos": videos}, {"meta": {"videos": videos[::-1]}}):
        read = one("stremio", stremio("tt2934286", "series", state=state, **more))
        assert [play.slot for play in read.plays] == ["1-1", "1-2", "1-3", "1-4", "1-5"]
        assert read.watched is None


def test_the_whole_stremio_export() -> None:
    body = files.stremio_export()
    assert len(abouts("stremio", body)) == 405
    assert lefts("stremio", body) == [("Title tt0068646", "removed")]


# The bitfield without its videos.


def bits(*indexes: int) -> bytes:
    return sum(1 << index for index in indexes).to_bytes(8, "little")


def test_by_the_anchor_alone() -> None:
    assert by_anchor(parse(files.FIVE_WATCHED)) == Watched(("1-1", "1-2", "1-3", "1-4", "1-5"), 0)
    assert by_anchor(parse(files.NONE_WATCHED)) == Watched((), 0)
    eight = tuple(f"3-{n}" for n in range(1, 9))
    assert by_anchor(parse(files.TWENTY_FOUR_WATCHED)) == Watched(eight, 16)
    assert by_anchor(Bitfield("x:1:9", 5, bits(0))) == Watched((), 1)
    assert by_anchor(Bitfield("tt1234567:1:9", 5, bits(0))) == Watched((), 1)
    two_specials_first = Bitfield("tt1234567:1:3", 5, bits(0, 2, 4))
    assert by_anchor(two_specials_first) == Watched(("1-1", "1-3"), 1)


def test_by_the_episodes_that_are_known() -> None:
    seasons = [Season(season=n, episodes=tuple(range(1, 9))) for n in (1, 2, 3)]
    told = by_seasons(parse(files.TWENTY_FOUR_WATCHED), seasons)
    assert (len(told.slots), told.unknown, told.slots[0], told.slots[-1]) == (24, 0, "1-1", "3-8")
    assert by_seasons(parse(files.TWENTY_FOUR_WATCHED), seasons[:2]).unknown == 16


def test_a_list_that_has_grown_or_lost_its_beginning_is_shifted_by_the_anchor() -> None:
    videos = [(f"v{n}", f"1-{n}") for n in range(1, 6)]
    assert by_videos(Bitfield("v2", 2, bits(0, 1)), videos).slots == ("1-1", "1-2")
    assert by_videos(Bitfield("v2", 4, bits(0, 2, 3)), videos) == Watched(("1-1", "1-2"), 1)
    assert by_videos(Bitfield("v2", 1, bits(0)), videos).slots == ("1-2",)
    assert by_videos(Bitfield("gone", 2, bits(0, 1)), videos) == Watched((), 2)


@given(st.sets(st.integers(1, 60), min_size=1), st.integers(1, 60))
def test_what_is_certain_by_the_anchor_is_so_by_the_videos(watched: set[int], specials: int) -> None:
    """Of one season with specials before it, both ways read the same episodes."""
    videos = [(f"tt1234567:0:{n}", f"0-{n}") for n in range(1, specials + 1)]
    videos += [(f"tt1234567:1:{n}", f"1-{n}") for n in range(1, 61)]
    last = specials + max(watched) - 1
    field = Bitfield(videos[last][0], last + 1, sum(1 << (specials + n - 1) for n in watched).to_bytes(16, "little"))
    assert set(by_anchor(field).slots) == set(by_videos(field, videos).slots) == {f"1-{n}" for n in watched}


# Trakt.


def test_trakt_plays_keep_their_ids() -> None:
    film, episode = abouts("trakt", as_json(*files.trakt_history(2)))[::-1]
    assert (film.work, film.plays) == ("tt3000000", (TakenPlay("film", "trakt:9000000000", files.BEGIN),))
    assert (episode.work, episode.plays[0].slot) == ("tmdb:tv:7001", "1-1")


def test_trakt_ids_in_the_order_of_who_knows_them() -> None:
    def work(**ids: Any) -> Any:
        play = {"id": 1, "watched_at": files.iso(files.BEGIN), "type": "movie", "movie": {"title": "x", "ids": ids}}
        return found("trakt", as_json(play, *files.trakt_history(1)))[0]

    assert work(imdb="tt0133093", tmdb=603, trakt=1).work == "tt0133093"
    assert work(imdb=None, tmdb=603, trakt=1).work == "tmdb:movie:603"
    assert work(imdb="", trakt=481).work == "trakt:481"
    assert work(imdb="nonsense", tmdb=None).reason == "no-id"


def test_trakt_beginning_of_1970_is_nobody_knows() -> None:
    play = {**files.trakt_play(1, files.BEGIN, 0), "watched_at": "1970-01-01T00:00:00.000Z"}
    assert one("trakt", as_json(play)).plays[0].watched_at is None


@pytest.mark.parametrize(
    ("rating", "reaction"),
    [
        (10, "loved"),
        (9, "loved"),
        (8, "liked"),
        (7, "liked"),
        (6, "mixed"),
        (5, "mixed"),
        (4, "not-for-me"),
        (1, "not-for-me"),
    ],
)
def test_ratings_become_reactions(rating: int, reaction: str) -> None:
    entry = {"rated_at": files.iso(files.BEGIN), "rating": rating, "type": "movie", "movie": files.trakt_film(1)}
    assert one("trakt", as_json(entry)).change.reaction == reaction


def test_trakt_playback_by_the_length_or_by_percent() -> None:
    parts = files.trakt_parts(0)
    short, long = abouts("trakt", json.dumps({"playback": parts["playback"]}).encode())
    assert (short.resume, short.change.progress) == (None, 43.5)
    assert long.resume == TakenPosition("film", 3_600.0, files.BEGIN, 7_200.0)


def test_trakt_watched_shows_lists_and_what_is_left() -> None:
    season = {"number": 1, "episodes": [{"number": 2, "plays": 3, "last_watched_at": files.iso(files.BEGIN)}]}
    show = {"plays": 3, "last_watched_at": files.iso(files.BEGIN), "show": files.trakt_show(1), "seasons": [season]}
    read = one("trakt", as_json(show))
    assert (read.work, read.plays, read.weak) == (
        "tmdb:tv:7001",
        (TakenPlay("1-2", "trakt:1-2:20190301T1930", files.BEGIN),),
        True,
    )
    body = as_json(
        {k: v for k, v in show.items() if k != "seasons"},
        {"collected_at": files.iso(files.BEGIN), "movie": files.trakt_film(1)},
        {
            "rated_at": files.iso(files.BEGIN),
            "rating": 7,
            "episode": {"season": 1, "number": 1},
            "show": files.trakt_show(1),
        },
        {"title": "what is this"},
        *files.trakt_history(1),
    )
    assert [reason for _, reason in lefts("trakt", body)] == [
        "episodes-unknown",
        "collection",
        "episode-or-season",
        "unknown-entry",
    ]


@pytest.mark.parametrize("body", [files.trakt_export(500), files.trakt_zip(500)], ids=["json", "zip"])
def test_the_whole_trakt_export(body: bytes) -> None:
    read = found("trakt", body)
    (heists,) = [each for each in read if isinstance(each, AList)]
    assert (len(heists.items), heists.items[0].work) == (30, "tt3000000")
    plays = [play for each in read if isinstance(each, About) for play in each.plays]
    assert len(plays) == 501
    assert sum(each.change.in_watchlist is True for each in read if isinstance(each, About)) == 25


# IMDb.


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-8", "cp1252", "utf-16"])
def test_the_whole_imdb_file_in_odd_encodings(encoding: str) -> None:
    read = abouts("imdb", files.imdb_csv(60, encoding))
    assert len(read) == 60
    assert [each.what for each in read[:6]] == [title.replace("\n", "\n") for title in files.ODD_TITLES]
    assert (read[9].change.reaction, read[9].at) == ("loved", datetime(2019, 10, 10, tzinfo=UTC))


def test_imdb_rated_films_were_watched_and_rated_series_were_rated() -> None:
    film, series = abouts("imdb", files.imdb_csv(2))
    assert film.plays == (TakenPlay("film", "imdb:film", None),)
    assert series.plays == ()
    assert lefts("imdb", files.imdb_csv(1)) == [("Breaking Bad: Ozymandias", "episode-without-series")]


LISTED = (
    b"Position,Const,Created,Title,Title Type,Your Rating\r\n"
    b"1,tt0133093,2020-01-02,The Matrix,Movie,\r\n"
    b"2,x,,?,Movie,\r\n"
)


@pytest.mark.parametrize("name", ["", "WATCHLIST.csv", "my watchlist.csv", "0f3a9c1b-2d4e-5f60-8d1f-0c2b4a6e8d1f.csv"])
def test_imdb_watchlist(name: str) -> None:
    (read,) = abouts("imdb", LISTED, name)
    assert (read.work, read.change.in_watchlist) == ("tt0133093", True)


def test_imdb_list_by_its_file_name() -> None:
    read = found("imdb", LISTED, "Mind benders.csv")
    assert [each.name for each in read if isinstance(each, AList)] == ["Mind benders"]
    assert [each for each in read if isinstance(each, About)] == []


# Letterboxd.


def test_the_whole_letterboxd_zip() -> None:
    read = found("letterboxd", files.letterboxd_zip(20))
    diary = [each for each in read if isinstance(each, About) and not each.weak]
    assert len(diary) == 10
    assert diary[0].work == "letterboxd:film-0-e-1980"
    assert diary[0].plays == (TakenPlay("film", "letterboxd:film:2021-04-03", NOON),)
    assert diary[0].change.reaction == "loved"
    weak = [each for each in read if isinstance(each, About) and each.weak]
    assert sum(bool(each.plays) for each in weak) == 20 + 20
    assert sum(each.change.favourite is True for each in weak) == 3
    assert sum(each.change.in_watchlist is True for each in weak) == 10
    (cosy,) = [each for each in read if isinstance(each, AList)]
    assert (cosy.name, len(cosy.items)) == ("Cosy Sundays", 12)


@pytest.mark.parametrize(
    ("row", "work"),
    [
        (b"603,,The Matrix,1999", "tmdb:movie:603"),
        (b",tt0133093,The Matrix,1999", "tt0133093"),
        (b",,The Matrix,1999", "letterboxd:the-matrix-1999"),
        (b",,\xe5\x90\x9b\xe3\x81\xae\xe5\x90\x8d\xe3\x81\xaf,2016", "letterboxd:君の名は-2016"),
    ],
)
def test_letterboxd_ids(row: bytes, work: str) -> None:
    assert one("letterboxd", b"tmdbID,imdbID,Title,Year\n" + row + b"\n", "watched.csv").work == work


@pytest.mark.parametrize("name", list(files.letterboxd_files(4)))
def test_each_letterboxd_file_alone(name: str) -> None:
    body = files.letterboxd_files(4)[name]
    if name == "profile.csv":
        with pytest.raises(BadFile):
            found("letterboxd", body, name)
    else:
        assert found("letterboxd", body, name)


# Film Fanatic.


def test_film_fanatic_by_the_seeds_mapping() -> None:
    read = abouts("film-fanatic", files.film_fanatic())
    told = {each.work: (each.change.status, each.change.reaction) for each in read if not each.plays}
    assert told == {
        "tmdb:movie:1": ("want-to-watch", UNSET),
        "tmdb:movie:2": ("finished", UNSET),
        "tmdb:movie:3": ("finished", "liked"),
        "tmdb:movie:4": ("finished", "not-for-me"),
        "tmdb:tv:5": ("watching", "not-for-me"),
        "tmdb:tv:6": ("want-to-watch", "not-for-me"),
        "tmdb:tv:7": ("watching", "loved"),
    }
    assert [each.plays[0].slot for each in read if each.plays] == ["1-1", "1-2", "1-3"]
    assert [reason for _, reason in lefts("film-fanatic", files.film_fanatic())] == [
        "no-id",
        "not-watched",
        "not-watched",
    ]


def test_film_fanatic_as_a_zip_of_tables() -> None:
    tables = json.loads(files.film_fanatic())
    body = files.zipped(
        {
            f"{name}/documents.jsonl": files.as_lines(*tables[name])
            for name in ("users", "watch_items", "episode_progress")
        }
    )
    assert len(abouts("film-fanatic", body)) == len(abouts("film-fanatic", files.film_fanatic()))


# Matinee.


def test_the_whole_matinee_export() -> None:
    read = found("matinee", files.matinee_export())
    assert [each.works for each in read if isinstance(each, Joined)] == [("tt0133093", "tmdb:movie:603")]
    assert [(each.name, len(each.items)) for each in read if isinstance(each, AList)] == [("Best", 1)]
    assert lefts("matinee", files.matinee_export()) == [("theme", "not-taken-in")]
    title, item, *plays = [each for each in read if isinstance(each, About)]
    assert (title.change.status, title.change.reaction, title.change.hidden) == ("finished", "loved", UNSET)
    assert item.resume == TakenPosition("1-2", 300.0, files.BEGIN, None)
    assert [play.plays[0].id for play in plays] == ["s1", "p2"]


def test_matinee_addons_and_versions() -> None:
    addon = {"record": "addon", "transport_url": "https://a.example/manifest.json", "manifest": {"id": "a"}}
    read = found("matinee", files.as_lines({"record": "matinee", "version": 1}, addon))
    assert [each.descriptor.transport_url for each in read if isinstance(each, AnAddon)] == [addon["transport_url"]]
    with pytest.raises(BadFile) as bad:
        found("matinee", files.as_lines({"record": "matinee", "version": 2}))
    assert bad.value.code == "wrong-version"


# Whatever is in them.


NAMES = (
    *("_id", "id", "state", "watched", "videos", "movie", "show", "episode", "ids", "imdb", "tmdb", "watched_at"),
    *("rating", "rated_at", "items", "listed_at", "paused_at", "progress", "season", "number", "seasons", "episodes"),
    *("last_watched_at", "record", "work", "works", "play", "position", "updated_at", "tmdbId", "mediaType", "name"),
    *("isWatched", "details", "manifest", "list_id", "title", "lastWatched", "timeOffset"),
)
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=6),
    max_leaves=15,
)


@given(st.lists(JUNK, max_size=4), st.sampled_from(["stremio", "trakt", "film-fanatic", "matinee"]))
def test_junk_is_told_and_never_breaks_anything(values: list[Any], kind: str) -> None:
    if kind == "matinee":
        body = files.as_lines({"record": "matinee", "version": 1}, *values)
    elif kind == "film-fanatic":
        body = json.dumps({"watch_items": values, "episode_progress": values}).encode()
    else:
        body = json.dumps(values).encode()
    try:
        read = found(kind, body)
    except BadFile as bad:
        refused = bad.code
    else:
        refused = ""
        assert all(len(each.work) <= 140 for each in read if isinstance(each, About))
    assert refused in ("", "wrong-format", "not-json")


@given(st.binary(max_size=300), st.sampled_from(sorted(formats.READERS)))
def test_bytes_that_are_no_file(body: bytes, kind: str) -> None:
    with suppress(BadFile):
        found(kind, body)
