import unicodedata

import emoji
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comments.writing import folded, has_link, label, one_emoji, readable, shown_name, sought
from events.contracts.comments import LONGEST_LINE, LONGEST_TEXT
from events.messages import Rejected

REAL = {
    "Latin": "Ein schöner Film — mit „Umlauten“, naïve & 100 %!",
    "Greek": "Τι ωραία ταινία!",
    "Cyrillic": "Ёлки-палки, какой фильм…",
    "Arabic": "مَا أَجْمَلَ هَذَا الفِيلْمَ!",
    "Persian, with joiners that break": "می‌خواهم این فیلم را دوباره ببینم",
    "Urdu": "یہ فلم بہت اچھی ہے۔",
    "Hebrew, with an isolate around a title": "ראיתי את \u2066The Matrix (1999)\u2069 אתמול",
    "Hebrew, with points and accents": "בְּרֵאשִׁ֖ית בָּרָ֣א אֱלֹהִ֑ים",
    "isolates within isolates": "\u2067א \u2068b \u2066c\u2069\u2069\u2069",
    "a number wrapped by a phone": "\u202a+49 30 1234\u202c",
    "marks of direction": "C\u200f\u200e!",
    "Hindi": "क्या फ़िल्म है! हिन्दी में ज़रूर देखें",
    "Bengali": "কী দারুণ ছবি",
    "Tamil": "அருமையான படம்",
    "Malayalam, with a joiner": "അവന്\u200d",
    "Sinhala": "ශ්\u200dරී ලංකාව",
    "Thai": "หนังเรื่องนี้ดีมากที่สุดเลยน้ำตาไหล",
    "Khmer": "ខ្សែភាពយន្តល្អណាស់",
    "Tibetan, with as many marks as it gets": "ཧྐྵྨླྺྼྻྂ",
    "Korean": "이 영화 정말 재미있어요 ㅋㅋㅋ",
    "Japanese": "この映画は最高だ!『ガギグ』",
    "Chinese, with a variant of a letter": "葛\U000e0100城的電影",
    "Vietnamese": "Phim này hay quá trời ơi, tuyệt vời ông mặt trời",
    "Mongolian": "ᠮᠣᠩᠭᠣᠯ\u180b ᠬᠡᠯᠡ",
    "Yoruba": "Ẹ̀ṣọ́ ọmọ náà dára",
    "families": "👨‍👩‍👧‍👦 👩🏽‍❤️‍💋‍👨🏿 🧑🏾‍🚀",
    "flags": "🇩🇪🇺🇦 🏳️‍🌈 🏴‍☠️",
    "flags of parts of countries": "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f!",
    "keys": "1️⃣ #️⃣ ©",
    "emoji that this Unicode does not know": "\U0001fae8\U0001fac6",
    "lines and tabs": "one\n\n\ttwo",
    "markup, which is none": "<script>alert(1)</script> <img src=x onerror=alert(1)> [x](javascript:alert(1)) &amp;",
    "spaces at its ends": "  \n mind the gap \t ",
    "a logo in private use": "\uf8ff rules",
    "symbols": "¯\\_(ツ)_/¯ ∀x∈ℝ: ⌈x⌉ ≥ x ♥",
    "a soft hyphen": "Donau\u00addampf\u00adschiff",
}
REFUSED = {
    "half-character": ("\ud83d", "ok \udc00", "\ud83d\ud83d"),
    "control-character": ("\x00", "a\x07", "a\rb", "\x1b[31mred", "\x7f", "\x85", "\x9b", "a\u206ab", "\ufffab"),
    "not-a-character": ("\ufdd0", "a\uffff", "\ufffeb", "\U0001ffff", "\U0010fffe"),
    "invisible-tag": (
        "a\U000e0041\U000e0042",
        "\U000e0001a",
        "🏴\U000e0067\U000e0062",
        "🏴\U000e007f",
        "🏴" + "\U000e0061" * 7 + "\U000e007f",
        "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f\U000e0067",
    ),
    "direction-override": ("\u202eevil", "\u202dabc\u202c", "a\u202e"),
    "direction-left-open": ("\u202aabc", "\u202babc\u2069", "\u2066a\u2067b\u2069", "a\u2069", "a\u202c", "\u2068"),
    "nothing-visible": ("", " ", "\n\t\n", "\u200b\u200d\ufeff", "\u3164", "\u2800\u2800", "\u115f\u1160", "\ufe0f",
                        "\u00ad", "\u2060\u2062", "\u3000\u00a0\u2028", "\u2066\u2069", "\u200e", "\u034f"),
    "too-many-marks": ("Z" + "\u0334" * 9, "o" + "\u0301\u200d" * 10, "क" + "\u0902" * 9, "\u0489" * 9,
                       "a" + "\ufe0f" * 9),
}  # fmt: skip

NASTY = (
    "\r\n\t\x00\x85\u200b\u200d\u200e\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ud83d\udc00\u0301\u0334"
    "\u0344\u0489\u1100\u1161\u20e3\u3164\ufb2c\ufdd0\ufe0f\ufeff\uffff🏴😀\U000e0001\U000e0067\U000e0062\U000e0073\U000e007f"
)
texts = st.text(st.characters(exclude_categories=()) | st.sampled_from(NASTY), min_size=1, max_size=100)


def reason(text: str) -> str | None:
    """Why a text is refused, if it is."""
    try:
        readable(text, LONGEST_TEXT)
    except Rejected as refusal:
        return str(refusal.details["reason"]) if refusal.code == "text-unreadable" else refusal.code
    return None


class TestReadable:
    @pytest.mark.parametrize("text", REAL.values(), ids=REAL)
    def test_what_people_write_is_stored_as_it_was_typed(self, text: str) -> None:
        assert readable(text, LONGEST_TEXT) == unicodedata.normalize("NFC", text)

    @pytest.mark.parametrize(("why", "text"), [(why, text) for why, texts in REFUSED.items() for text in texts])
    def test_what_makes_trouble_is_refused_with_the_reason(self, why: str, text: str) -> None:
        assert reason(text) == why

    @pytest.mark.parametrize(("why", "text"), [(w, t) for w, texts in REFUSED.items() for t in texts if t.strip()])
    def test_also_in_the_middle_of_others(self, why: str, text: str) -> None:
        assert reason(f"Hello {text} world") == (None if why == "nothing-visible" else why)

    def test_is_in_composed_form(self) -> None:
        assert readable("Cafe\u0301 \u212b", LONGEST_TEXT) == "Caf\u00e9 \u00c5"

    def test_a_line_ends_in_one_way(self) -> None:
        assert readable("one\r\ntwo\r\n", LONGEST_TEXT) == "one\ntwo\n"

    def test_is_not_longer_than_allowed_once_it_is_composed(self) -> None:
        longer = "\ufb2c" * (LONGEST_LINE // 3 + 1)  # which becomes three letters each
        assert len(readable("e\u0301" * LONGEST_LINE, LONGEST_LINE)) == LONGEST_LINE

        with pytest.raises(Rejected) as refusal:
            readable(longer, LONGEST_LINE)

        assert (refusal.value.code, refusal.value.details["field"]) == ("invalid-argument", "text")

    @given(texts)
    def test_what_is_stored_would_be_stored_like_that_again(self, text: str) -> None:
        if reason(text) is None:
            stored = readable(text, LONGEST_TEXT)
            assert readable(stored, LONGEST_TEXT) == stored

    @given(texts)
    def test_nothing_but_its_form_changes(self, text: str) -> None:
        if reason(text) is None:
            assert readable(text, LONGEST_TEXT) == unicodedata.normalize("NFC", text.replace("\r\n", "\n"))

    @given(texts)
    def test_what_is_stored_has_nothing_in_it_that_makes_trouble(self, text: str) -> None:
        if reason(text) is not None:
            return
        stored = readable(text, LONGEST_TEXT)
        opened = 0
        for letter in stored:
            assert unicodedata.category(letter) not in ("Cc", "Cs") or letter in "\n\t"
            assert ord(letter) & 0xFFFE != 0xFFFE
            assert letter not in "\u202d\u202e\ufdd0"
            opened += (letter in "\u202a\u202b\u2066\u2067\u2068") - (letter in "\u202c\u2069")
            assert opened >= 0
        assert opened == 0
        stored.encode()

    @given(st.lists(st.sampled_from(list(REAL.values())), min_size=1, max_size=5))
    def test_what_is_fine_alone_is_fine_together(self, texts: list[str]) -> None:
        assert reason(" ".join(texts)) is None

    @given(
        st.text(max_size=20),
        st.sampled_from([(why, t) for why, texts in REFUSED.items() if why != "nothing-visible" for t in texts]),
        st.text(max_size=20),
    )
    def test_nothing_before_and_behind_it_makes_it_good(self, before: str, bad: tuple[str, str], after: str) -> None:
        """The signs of direction alone might balance one another."""
        why, text = bad
        if why != "direction-left-open":
            assert reason(f"{before} {text} {after}") is not None

    @given(st.text(st.characters(categories=["Lu", "Ll", "Lo", "Nd", "Po", "Sc", "So"]), min_size=1, max_size=50))
    def test_letters_digits_and_symbols_are_always_fine(self, text: str) -> None:
        seen = any(letter not in "\u115f\u1160\u3164\uffa0\u2800" for letter in text)
        assert (reason(text) is None) == seen


class TestNames:
    def test_are_as_somebody_says_now_or_else_as_their_token_does(self) -> None:
        assert shown_name("Ana", "Ana Token") == "Ana"
        assert shown_name(None, "Ana Token") == "Ana Token"

    @pytest.mark.parametrize("name", ["", "  ", "\u200b", "\u3164", "\u202e", "o" + "\u0334" * 9])
    def test_have_something_to_see(self, name: str) -> None:
        with pytest.raises(Rejected, match="name-missing"):
            shown_name(name, "Ana")

    @pytest.mark.parametrize(
        ("name", "shown"),
        [
            ("  Ana\n Bell\x00 ", "Ana Bell"),
            ("\u202eanA", "anA"),
            ("\u2067Ana", "Ana"),
            ("A\ud800na\uffff", "Ana"),
            ("Ana \u202e \U000e0041 Bell", "Ana Bell"),
            ("Ana\U000e0041", "Ana"),
            ("🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f", None),
            ("Zoe\u0308", "Zoë"),
            ("می‌نا", None),
            ("<b>Ana</b>", None),
            ("x" * 100, "x" * 64),
            ("x" * 60 + "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f", "x" * 60 + "🏴"),
        ],
    )
    def test_are_mended_since_nobody_has_measured_those_in_tokens(self, name: str, shown: str | None) -> None:
        assert shown_name(None, name) == (name if shown is None else shown)

    @given(texts)
    def test_what_is_shown_is_readable_and_stays_so(self, text: str) -> None:
        name = label(text, 64)
        if name is not None:
            assert readable(name, 64) == name == label(name, 64)


class TestWords:
    @pytest.mark.parametrize(
        ("word", "text"),
        [
            ("drat", "Drat!"),
            ("drat", "oh DRAT, it rains"),
            ("drat", "d\u200br\u2060a\u00adt"),
            ("drat", "d\u0336r\u0336a\u0336t\u0336"),
            ("drat", "ｄｒａｔ"),
            ("drat", "𝔡𝔯𝔞𝔱"),
            ("drat", "dràt"),
            ("dràt", "drat"),
            ("drat", "_drat_"),
            ("drat", "#drat"),
            ("drat", "oh.drat.it.rains"),
            ("zounds*", "Zoundsery"),
            ("go away", "GO \n away!"),
            ("don't", "DON’T"),
            ("ёлки", "ЕЛКИ"),
            ("straße", "STRASSE"),
            ("שלום", "שָׁלוֹם"),
            ("محمد", "مُحَمَّد"),
            ("कि", "यह कि वह"),
            ("น้ำตา", "หนังน้ำตาไหล"),
            ("電影", "這部電影很好"),
            ("映画", "この映画は"),
            ("c++", "I like C++."),
            ("a$$", "kick a$$"),
            ("🖕", "and 🖕🏽 to you"),
        ],
    )
    def test_are_found_however_they_are_written(self, word: str, text: str) -> None:
        assert sought(word) in folded(text)

    @pytest.mark.parametrize(
        ("word", "text"),
        [
            ("drat", "hydrate"),
            ("drat", "drats"),
            ("zounds*", "ozounds"),
            ("go away", "go far away"),
            ("कि", "के की"),
            ("가", "가방"),
            ("が", "か"),
            ("c++", "C is older"),
            ("a$$", "a dollar"),
        ],
    )
    def test_are_whole_words_only(self, word: str, text: str) -> None:
        assert sought(word) not in folded(text)

    @pytest.mark.parametrize("word", ["*", "**", "-", "\u200b", "  "])
    def test_without_anything_to_find_find_nothing(self, word: str) -> None:
        assert sought(word) == ""

    @given(st.text(min_size=1, max_size=50), st.text(max_size=50))
    @settings(max_examples=100)
    def test_each_is_found_in_itself(self, word: str, text: str) -> None:
        assert sought(word) in folded(word.rstrip("*"))
        assert sought(word) in folded(f"{text} {word.rstrip('*')} {text}")


class TestLinks:
    @pytest.mark.parametrize(
        "text",
        [
            "see https://example.com/x",
            "see example.com",
            "see EXAMPLE.COM/x?y",
            "free.xyz/win",
            "ｅｘａｍｐｌｅ．ｃｏｍ",
            "exam\u200bple.c\u00adom",
            "пример.рф",
            "xn--e1afmkfd.xn--p1ai",
            "me@example.com",
            "//example.com",
            "ftp://example.com",
            "steam://run/1",
            "magnet:?xt=urn:btih:1",
            "Look:http://localhost:8080",
        ],
    )
    def test_are_found(self, text: str) -> None:
        assert has_link(text)

    @pytest.mark.parametrize(
        "text",
        ["Look at that", "What...now", "S1.E2 was better", "1.2.3.4", "Mr.Smith", "at 10:30", "a://", "c/d", "😀.😀"],
    )
    def test_are_not_everything_with_a_dot(self, text: str) -> None:
        assert not has_link(text)

    @pytest.mark.parametrize("text", ["a.", "a@", "www.", "mailto:", "(", "http://a", "/", "-", "a.com", "é.",
                                      "@", "@a", ".", "…", "a.a", "a.b ", "x@x.", "@.c", "//", "ﷺ."])  # fmt: skip
    def test_are_looked_for_whatever_the_text(self, text: str) -> None:
        whole = (text * LONGEST_TEXT)[: LONGEST_TEXT - 20]
        assert has_link(f"{whole} see example.com")

    @pytest.mark.parametrize("before", range(0, LONGEST_TEXT - 20, 61))
    def test_are_found_wherever_in_a_long_word_they_stand(self, before: int) -> None:
        assert has_link(f"{'見' * before},example.com,{'a' * (LONGEST_TEXT - before - 13)}")


class TestEmoji:
    @pytest.mark.parametrize("text", ["😀", "❤️", "👨‍👩‍👧‍👦", "🇩🇪", "👍🏽", "1️⃣", "🏴‍☠️",
                                      "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f"])  # fmt: skip
    def test_is_itself(self, text: str) -> None:
        assert one_emoji(text) == text

    @pytest.mark.parametrize(("typed", "full"), [("❤", "❤️"), ("👩‍❤‍👨", "👩‍❤️‍👨"), ("1\u20e3", "1️⃣"), ("😀\ufe0f", "😀")])
    def test_is_one_and_the_same_however_a_keyboard_writes_it(self, typed: str, full: str) -> None:
        assert one_emoji(typed) == full

    @pytest.mark.parametrize(
        "text", ["", "a", "1", "😀😀", "😀 ", ":-)", ":smile:", "🏽", "\ufe0f", "🇩", "<b>", "👍🏽🏽"]
    )
    def test_is_nothing_else(self, text: str) -> None:
        with pytest.raises(Rejected, match="not-an-emoji"):
            one_emoji(text)

    def test_is_short(self) -> None:
        assert max(len(one_emoji(text)) for text, about in emoji.EMOJI_DATA.items() if about["status"] > 1) <= 32
