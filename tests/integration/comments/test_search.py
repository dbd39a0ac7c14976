from collections.abc import Sequence
from typing import Any

import pytest
from tests.integration.comments.threads import ANA, BOB, CYD, FILM, MOD, PARTY, P, T, Talk, U, asking, in_party
from tests.integration.readmodels import ReadModel

from comments.queries.search import search
from events.contracts.comments import (
    FoundPage,
    PersonBanned,
    PersonUnbanned,
    Piece,
    SearchComments,
    standing_key,
)
from events.messages import Context, Rejected


@pytest.fixture
def talk() -> Talk:
    talk = Talk()
    for id in (T, U, P):
        talk.begin(id)
    return talk


async def found(model: ReadModel, talk: Talk, words: str, context: Context | None = None, **more: Any) -> FoundPage:
    await model.empty()
    await model.apply(talk.commits)
    return await search(model.reader, SearchComments(search=words, **more), context or asking())


async def texts(model: ReadModel, talk: Talk, words: str, **more: Any) -> set[str]:
    return {one.comment.text for one in (await found(model, talk, words, **more)).found}


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("The MATRIX has you", "matrix"),
        ("Le Café d'Amélie", "cafe amelie"),
        ("un cafe", "café"),
        ("Größe und Straße", "grosse strasse"),
        ("Die Größe", "GRÖSSE"),
        ("İstanbul", "istanbul"),
        ("Ёлки", "елки"),
        ("Ελλάς", "ελλας"),
        ("ﬁne ﬁlm", "fine film"),
        ("Spider-Man: No Way Home", "spider man"),
        ("Spider-Man: No Way Home", "spider-man"),
        ("the end", "the en"),
        ("進撃の巨人が好き", "進撃"),
        ("進撃の巨人が好き", "巨人"),
        ("進撃の巨人が好き", "の"),
        ("進撃の巨人が好き", "き"),
        ("ナルトfan", "ナルト"),
        ("ｶﾀｶﾅ", "カタカナ"),
        ("오징어 게임이 좋다", "게임"),
        ("ภาพยนตร์ดีมาก", "ดีมาก"),
        ("हिन्दी फ़िल्म", "हिन्दी"),
        ("שלום עולם", "שלום"),
        ("don't panic", "don't"),
        ("1e5 0x1f", "1e5 0x1f"),
        ("it's at 3:45", "3:45"),
    ],
)
async def test_words_are_found(model: ReadModel, talk: Talk, said: str, words: str) -> None:
    talk.post(said)
    talk.post("Quite another")

    assert await texts(model, talk, words) == {said}


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("matrix", "atrix"),
        ("matrix reloaded", "reloaded matr matrix"),
        ("巨撃の人", "巨人"),
        ("matrix", "matrix -matrix"),
        ("matrix", "-neo"),
        ("matrix", "!!! ..."),
        ("a b", '"b a"'),
        ("matrix", "m"),
    ],
)
async def test_what_is_not_there_is_not_found(model: ReadModel, talk: Talk, said: str, words: str) -> None:
    talk.post(said)

    assert await texts(model, talk, words) == set()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("red pill", {"red pill", "pill red"}),
        ('"red pill"', {"red pill"}),
        ("red -pill", {"red flag"}),
        ("pill or flag", {"red pill", "pill red", "red flag", "blue flag"}),
        ("blue or red pill", {"blue flag", "red pill", "pill red"}),
        ("red fl", {"red flag"}),
        ("'; drop table said; -- red pill", set()),
        ("& | ! <-> ( red:* pill", {"red pill", "pill red"}),
    ],
)
async def test_searches_are_read_as_on_the_web(model: ReadModel, talk: Talk, words: str, expected: set[str]) -> None:
    for text in ("red pill", "pill red", "red flag", "blue flag"):
        talk.post(text)

    assert await texts(model, talk, words) == expected


@pytest.mark.parametrize(
    ("language", "said", "words"),
    [
        ("en", "They were running from agents", "run agent"),
        ("de", "Zwei Häuser", "haus"),
        ("fr", "les chansons", "chanson"),
        ("ru", "хорошие фильмы", "фильм"),
        ("es", "peliculas buenas", "buena pelicula"),
    ],
)
async def test_other_forms_of_words_are_found_in_their_language(
    model: ReadModel, talk: Talk, language: str, said: str, words: str
) -> None:
    talk.post(said, language=language)

    page = await found(model, talk, f"{words} ", language=language)
    assert [one.comment.text for one in page.found] == [said]
    assert any(piece.found for piece in page.found[0].snippet)


async def test_a_language_that_nobody_has_forms_of_is_searched_word_by_word(model: ReadModel, talk: Talk) -> None:
    talk.post("進撃の巨人", language="ja")

    assert await texts(model, talk, "巨人", language="ja") == {"進撃の巨人"}


async def test_the_best_come_first_page_by_page(model: ReadModel, talk: Talk) -> None:
    talk.post("neo and a good many other words that stand around it here")
    best = talk.post("neo neo neo")
    for _ in range(4):
        talk.post("neo again")
    first = await found(model, talk, "neo", limit=4)
    talk.post("neo")
    await model.apply(talk.commits[-1:])
    rest = await search(model.reader, SearchComments(search="neo", limit=4, cursor=first.cursor), asking())

    assert first.found[0].comment.comment_id == best
    ids = [one.comment.comment_id for one in (*first.found, *rest.found)]
    assert (len(set(ids)), len(ids), rest.cursor) == (6, 6, None)
    ranks = [one.rank for one in (*first.found, *rest.found)]
    assert ranks == sorted(ranks, reverse=True)


@pytest.mark.parametrize(
    ("text", "words", "pieces"),
    [
        ("See the Matrix now", "matrix", [("See the ", False), ("Matrix", True), (" now", False)]),
        ("Matrices", "matri", [("Matrices", True)]),
        ("進撃の巨人!", "撃の巨", [("進", False), ("撃の巨", True), ("人!", False)]),
        ("<b>Größe</b>", "grosse", [("<b>", False), ("Größe", True), ("</b>", False)]),
        ("neo " + "x" * 400, "neo", [("neo", True), (" " + "x" * 236, False), ("…", False)]),
    ],
)
async def test_snippets_show_what_was_found(
    model: ReadModel, talk: Talk, text: str, words: str, pieces: Sequence[tuple[str, bool]]
) -> None:
    talk.post(text)
    (one,) = (await found(model, talk, words)).found

    assert one.snippet == [Piece(*piece) for piece in pieces]


async def test_a_snippet_begins_shortly_before_what_was_found(model: ReadModel, talk: Talk) -> None:
    talk.post("before " * 100 + "neo " + "after " * 100)
    (one,) = (await found(model, talk, "neo")).found

    assert [piece.found for piece in one.snippet] == [False, False, True, False, False]
    assert one.snippet[0] == Piece("…", False)
    assert 230 < sum(len(piece.text) for piece in one.snippet) < 250


async def test_only_what_can_be_seen_is_found(model: ReadModel, talk: Talk) -> None:
    talk.post("neo shadow", veil="shadow")
    talk.post("neo held", veil="held")
    hidden, gone, changed = talk.post("neo hidden"), talk.post("neo gone"), talk.post("neo changed")
    restored = talk.post("neo restored", veil="held")
    talk.post("neo there")
    talk.hide(hidden)
    talk.delete(gone)
    talk.edit(changed, "trinity")
    talk.restore(restored)

    assert await texts(model, talk, "neo") == {"neo there", "neo restored"}
    assert await texts(model, talk, "trinity") == {"trinity"}


async def test_parties_are_searched_by_those_who_are_in_them(model: ReadModel, talk: Talk) -> None:
    talk.post("neo ours", thread=P)
    talk.post("neo", thread=U)

    assert await texts(model, talk, "neo") == {"neo"}
    assert await texts(model, talk, "neo", context=in_party()) == {"neo", "neo ours"}
    assert await texts(model, talk, "neo", context=in_party(parties=("q",))) == {"neo"}
    assert await texts(model, talk, "neo", context=in_party(), thread_id=P) == {"neo ours"}
    assert await texts(model, talk, "neo", thread_id=U) == {"neo"}


async def test_where_moderators_keep_somebody_out_they_find_nothing(model: ReadModel, talk: Talk) -> None:
    talk.post("neo ours", thread=P)
    talk.post("neo")
    room = f"party:{PARTY}"
    talk.say(standing_key(room, CYD), PersonBanned(where=room, uid=CYD, by=MOD, at=talk.now))
    assert await texts(model, talk, "neo", context=in_party()) == {"neo"}
    assert await texts(model, talk, "neo", context=in_party(BOB)) == {"neo", "neo ours"}

    talk.say(standing_key("site", ANA), PersonBanned(where="site", uid=ANA, by=MOD, at=talk.now))
    with pytest.raises(Rejected, match="banned"):
        await found(model, talk, "neo", asking(ANA))
    talk.say(standing_key("site", ANA), PersonUnbanned(where="site", uid=ANA, by=MOD, at=talk.now))
    assert await texts(model, talk, "neo", context=asking(ANA)) == {"neo"}


async def test_what_is_found_says_where(model: ReadModel, talk: Talk) -> None:
    one = talk.post("neo", by=BOB)
    talk.react(one, by=ANA)
    talk.pin(one)
    (hit,) = (await found(model, talk, "neo")).found

    assert (hit.thread.thread_id, hit.thread.media, hit.comment.pinned, hit.comment.uid) == (T, FILM, True, BOB)
    assert [one.people for one in hit.comment.reactions] == [1]


async def test_words_of_any_length_are_taken(model: ReadModel, talk: Talk) -> None:
    talk.post("x" * 2_000)
    talk.post("巨" * 2_000)
    talk.post(" ".join(f"w{n}" for n in range(400)))

    assert await texts(model, talk, "x" * 200) == {"x" * 2_000}
    assert await texts(model, talk, "巨" * 100) == {"巨" * 2_000}
    assert len(await texts(model, talk, " ".join(f"w{n}" for n in range(50)))) == 1
