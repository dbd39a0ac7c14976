from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.contracts.library import Episode, Kind, works
from events.contracts.library.works import Named

ONE_TWO = Episode(season=1, episode=2)

KNOWN = [
    ("tt0111161", "tt0111161", None),
    ("tt12345678", "tt12345678", None),
    ("tt0108778:1:2", "tt0108778", ONE_TWO),
    ("tt0108778:0:3", "tt0108778", Episode(season=0, episode=3)),
    ("TT0111161", "tt0111161", None),
    ("  tt0111161\n", "tt0111161", None),
    ("tt0108778%3A1%3A2", "tt0108778", ONE_TWO),
    ("tmdb:movie:603", "tmdb:movie:603", None),
    ("TMDB:Movie:0603", "tmdb:movie:603", None),
    ("tmdb:tv:1399", "tmdb:tv:1399", None),
    ("tmdb:tv:1399:1:2", "tmdb:tv:1399", ONE_TWO),
    ("tmdb:1399:1:2", "tmdb:tv:1399", ONE_TWO),
    ("tmdb:603", "tmdb:603", None),
    ("tvdb:81189:1:2", "tvdb:81189", ONE_TWO),
    ("tvdb:81189", "tvdb:81189", None),
    ("tvdb:169:5", "tvdb:169", Episode(season=1, episode=5)),
    ("tvmaze:82:1:2", "tvmaze:82", ONE_TWO),
    ("trakt:1390", "trakt:1390", None),
    ("simkl:17465:1:2", "simkl:17465", ONE_TWO),
    ("kitsu:7442", "kitsu:7442", None),
    ("kitsu:7442:5", "kitsu:7442", Episode(season=1, episode=5)),
    ("kitsu:7442:1:5", "kitsu:7442", Episode(season=1, episode=5)),
    ("mal:16498:5", "mal:16498", Episode(season=1, episode=5)),
    ("anilist:16498:5", "anilist:16498", Episode(season=1, episode=5)),
    ("anidb:9541:5", "anidb:9541", Episode(season=1, episode=5)),
]

OPAQUE = [
    "",
    " ",
    "tt",
    "tt123456",
    "tt12345678901",
    "tt0108778:1",
    "tt0108778:1:2:3",
    "tt0108778:one:2",
    "tt0108778:-1:2",
    "tt0108778:1:100001",
    "nm0000206",
    "603",
    "tmdb",
    "tmdb:",
    "tmdb:0",
    "tmdb:603:1",
    "tmdb:movie",
    "tmdb:movie:603:1:2",
    "tmdb:person:6384",
    "tmdb:tv:1399:1",
    "tmdb:12345678901",
    "kitsu:7442:1:5:1",
    "kitsu:seven",
    "mal:0:5",
    "tvdb:tt0903747",
    "tt\u0661\u0662\u0663\u0664\u0665\u0666\u0667",
    "tmdb:\u0663",
    "yt_id:UC1yBKRuGpC1tSM73A0ZjYjQ:dQw4w9WgXcQ",
    "cnc:Film/12 (1999)",
    "https://example.com/a%20film.mp4?x=1:2",
    "aot-season-1",
    "magnet:?xt=urn:btih:c12fe1c06bba254a9dc9f519b335aa7c1367a88a",
    "%zz%",
    " spaces stay ",
    "a:b:c:d:e",
    ":::",
]


@pytest.mark.parametrize(("text", "work", "episode"), KNOWN)
def test_every_form_of_an_id_is_read_as_one(text: str, work: str, episode: Episode | None) -> None:
    assert works.parse(text) == Named(work, episode)


@pytest.mark.parametrize("text", OPAQUE)
def test_what_is_no_known_id_stays_as_it_was_written(text: str) -> None:
    assert works.parse(text) == Named(text)


@pytest.mark.parametrize(
    ("kind", "work"),
    [
        ("movie", "tmdb:movie:603"),
        ("series", "tmdb:tv:603"),
        ("anime", "tmdb:tv:603"),
        ("channel", "tmdb:603"),
        ("other", "tmdb:603"),
        (None, "tmdb:603"),
    ],
)
def test_the_kind_tells_films_and_series_apart(kind: Kind | None, work: str) -> None:
    assert works.parse("tmdb:603", kind) == Named(work)


@pytest.mark.parametrize("text", ["tmdb:movie:603", "tmdb:tv:1399", "tt0133093", "kitsu:7442", "my film"])
def test_where_the_id_says_it_the_kind_does_not_matter(text: str) -> None:
    assert {works.parse(text, kind).work for kind in ("movie", "series", "anime", "channel", "other")} == {text}


def test_an_episode_is_of_a_series_whatever_is_told_of_it() -> None:
    assert works.parse("tmdb:1399:1:2", "movie") == Named("tmdb:tv:1399", ONE_TWO)


kinds = st.sampled_from([None, "movie", "series", "anime", "channel", "other"])
numbers = st.integers(0, 10**11).map(str) | st.sampled_from(["01", "-1", "1.0", "", "٣", "1e3"])
names = st.sampled_from(
    ["tmdb", "tvdb", "kitsu", "mal", "trakt", "TMDB", "tt0133093", "tt1", "movie", "tv", "%3A", " "]
)
likely = st.lists(names | numbers, max_size=5).map(":".join)
texts = st.text(max_size=128) | likely | likely.map(quote)


@given(texts, kinds)
def test_whatever_is_written_is_read_and_read_again_it_is_the_same(text: str, kind: Kind | None) -> None:
    named = works.parse(text, kind)

    assert works.parse(named.work, kind) == Named(named.work)
    assert named.work == text or len(named.work) <= len(text) + len("movie:")


@given(texts, kinds)
def test_an_id_of_no_catalogue_is_never_lost(text: str, kind: Kind | None) -> None:
    named = works.parse(text, kind)

    if named.work != text:
        assert works.parse(named.work, kind).work == named.work
        assert named.work.split(":")[0] in {
            "tmdb",
            "tvdb",
            "tvmaze",
            "trakt",
            "simkl",
            "kitsu",
            "mal",
            "anilist",
            "anidb",
        } or named.work.startswith("tt")


@given(st.integers(1, 9_999_999_999), st.integers(0, 100_000), st.integers(0, 100_000))
def test_an_episode_is_found_again(id: int, season: int, episode: int) -> None:
    for series in (f"tmdb:tv:{id}", f"tvdb:{id}", f"tvmaze:{id}", f"tt{id:07}"):
        assert works.parse(f"{series}:{season}:{episode}") == Named(series, Episode(season=season, episode=episode))
