import pytest
from hypothesis import given
from hypothesis import strategies as st

from comments.rules import Rules
from events.contracts.comments import Links, RoomSettings
from events.messages import Rejected


def applied(rules: Rules, text: str, room: RoomSettings = RoomSettings()) -> str:
    try:
        return rules.apply(text, room)
    except Rejected as refusal:
        return refusal.code


def test_there_are_none_at_first() -> None:
    assert applied(Rules(), "drat, see example.com") == ""


def test_what_is_refused_is_not_held_back() -> None:
    rules = Rules(words_refused=("drat",), words_held=("hmm",), links="refuse")

    assert applied(rules, "hmm, drat, example.com") == "words-refused"
    assert applied(rules, "hmm, example.com") == "links-refused"
    assert applied(rules, "hmm") == "words"


def test_words_are_told_before_links() -> None:
    assert applied(Rules(words_held=("hmm",), links="hold"), "hmm, example.com") == "words"


@pytest.mark.parametrize(
    ("everywhere", "room", "result"),
    [
        ("allow", "allow", ""),
        ("allow", "hold", "links"),
        ("hold", "allow", "links"),
        ("refuse", "allow", "links-refused"),
        ("hold", "refuse", "links-refused"),
        ("refuse", "hold", "links-refused"),
    ],
)
def test_of_two_rules_about_links_the_stricter_one_counts(everywhere: Links, room: Links, result: str) -> None:
    assert applied(Rules(links=everywhere), "example.com", RoomSettings(links=room)) == result


def test_words_of_a_room_come_on_top() -> None:
    rules, room = Rules(words_refused=("drat",)), RoomSettings(words=("fie", "zounds*", "go away"))

    assert applied(rules, "Drat!", room) == "words-refused"
    assert applied(rules, "Fie!", room) == "words-refused"
    assert applied(rules, "zoundsery", room) == "words-refused"
    assert applied(rules, "go, away", room) == "words-refused"
    assert applied(rules, "fifie", room) == applied(rules, "Fie!") == ""


def test_words_that_say_nothing_refuse_nothing() -> None:
    assert applied(Rules(words_refused=("*", " ", "-", "\u200b")), "- * anything") == ""


def test_long_lists_are_looked_through() -> None:
    words = tuple(f"word{n}" for n in range(5_000))
    rules, text = Rules(words_refused=words), "some other word here " * 95
    assert applied(rules, text) == ""
    assert applied(rules, text + "word4999") == "words-refused"


@given(st.text(min_size=1, max_size=30), st.text(max_size=30), st.text(max_size=30))
def test_what_is_written_as_it_stands_is_found(word: str, before: str, after: str) -> None:
    bare = word.rstrip("*")
    rules = Rules(words_refused=(bare,))

    if applied(rules, bare):
        assert applied(rules, f"{before} {bare} {after}") == "words-refused"
