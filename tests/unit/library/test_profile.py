import json
import random
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from events.contracts.library import (
    PREFERENCE_BYTES,
    PREFERENCES,
    EditProfile,
    PreferencesChanged,
    ProfileClaimed,
    ProfileEdited,
    ProfileEvent,
    SetPreferences,
    SignIn,
)
from events.messages import Rejected, arguments
from events.testing import NOW, spec
from library.profile import DEPTH, FORGOTTEN, Profile, decider, evolve
from library.rules import Rules

ANA = "ana"
OP = "c0mmand0c0mmand0c0mmand0cc"
RULES = Rules(pepper=b"pepper")
BEFORE = NOW - timedelta(hours=1)
TICK = timedelta(microseconds=1)

profile = spec(decider(RULES))


def claimed(name: str = "Ana", picture: str = "", email: str = "", at: Any = NOW) -> ProfileClaimed:
    digest = RULES.digest(ANA, "claims", name, picture, email)
    told = {"name": name, "picture": picture, "email": email}
    digests = tuple(RULES.digest(ANA, f"claimed {field}", text) if text else "" for field, text in told.items())
    return ProfileClaimed(uid=ANA, **told, digest=digest, digests=digests, at=at)  # type: ignore[arg-type]


def edited(name: str | None = None, avatar: str | None = None, at: Any = NOW, op: str = OP) -> ProfileEdited:
    digests = (
        RULES.digest(ANA, "display_name", name) if name else "",
        RULES.digest(ANA, "avatar", avatar) if avatar else "",
    )
    fields = {"display_name": name, "avatar": avatar}
    cleared = tuple(field for field, text in fields.items() if text == "")
    return ProfileEdited(
        uid=ANA,
        at=at,
        op=op,
        display_name=name or None,
        avatar=avatar or None,
        digests=digests,
        cleared=cleared,  # type: ignore[arg-type]  # these two names alone
    )


def changed(at: Any = NOW, op: Any = OP, **changes: Any) -> PreferencesChanged:
    return PreferencesChanged(uid=ANA, changes=changes, at=at, op=op)


def change(**changes: Any) -> SetPreferences:
    return SetPreferences(changes=changes)


class TestSigningIn:
    def test_makes_a_profile(self) -> None:
        profile.when(SignIn(name="Ana", picture="https://p.example/a", email="a@b.example"), by=ANA).then(
            claimed("Ana", "https://p.example/a", "a@b.example")
        )

    def test_makes_one_also_of_nothing(self) -> None:
        profile.when(SignIn(), by=ANA).then(claimed(""))

    def test_again_with_the_same_is_silence(self) -> None:
        profile.given(claimed()).when(SignIn(name="Ana"), by=ANA).then()

    def test_with_something_else_takes_that_over(self) -> None:
        profile.given(claimed()).when(SignIn(name="Ana", email="a@b.example"), by=ANA, after=5).then(
            claimed("Ana", email="a@b.example", at=NOW + timedelta(seconds=5))
        )

    def test_with_less_is_silence_and_so_is_going_on_like_this_in_turn(self) -> None:
        told = (claimed("Ana", email="a@b.example"),)

        profile.given(*told).when(SignIn(name="Ana"), by=ANA).then()
        profile.given(*told, claimed("Anna")).when(SignIn(email="a@b.example"), by=ANA).then()
        profile.given(*told, claimed("Anna")).when(SignIn(name="Ana"), by=ANA).then(claimed("Ana"))

    def test_is_told_once_more_of_what_was_stored_without_digests(self) -> None:
        before = msgspec.structs.replace(claimed("Ana"), digests=("", "", ""))

        profile.given(before).when(SignIn(name="Ana"), by=ANA).then(claimed("Ana"))
        profile.given(before, claimed("Ana")).when(SignIn(name="Ana"), by=ANA).then()

    def test_keeps_apart_what_is_a_name_and_what_a_picture(self) -> None:
        assert profile.given(claimed("ab", "c")).when(SignIn(name="a", picture="bc"), by=ANA).outcome()

    def test_is_for_somebody(self) -> None:
        for command in (SignIn(), EditProfile(display_name="x"), change(a=1)):
            profile.when(command).then_rejected("not-signed-in")

    def test_shows_nobody_that_two_are_called_the_same(self) -> None:
        assert RULES.digest("bob", "claims", "Ana") != RULES.digest(ANA, "claims", "Ana")


class TestEditing:
    def test_chooses_a_name(self) -> None:
        profile.when(EditProfile(display_name="  Anna "), by=ANA).then(edited("Anna"))

    def test_chooses_both_at_once(self) -> None:
        profile.when(EditProfile(display_name="Anna", avatar="cat"), by=ANA).then(edited("Anna", "cat"))

    def test_to_what_is_so_is_silence(self) -> None:
        known = profile.given(edited("Anna", "cat"))

        known.when(EditProfile(display_name="Anna"), by=ANA).then()
        known.when(EditProfile(avatar="cat", display_name="Anna "), by=ANA).then()
        known.when(EditProfile(), by=ANA).then()
        profile.when(EditProfile(display_name="", avatar=" "), by=ANA).then()

    def test_tells_only_what_is_new(self) -> None:
        profile.given(edited("Anna", "cat")).when(EditProfile(display_name="Anna", avatar="dog"), by=ANA).then(
            edited(avatar="dog", at=NOW + TICK)
        )

    def test_goes_back_to_what_the_token_says(self) -> None:
        known = profile.given(claimed(), edited("Anna"))

        known.when(EditProfile(display_name=""), by=ANA).then(edited("", at=NOW + TICK))

    def test_of_the_token_changes_nothing_of_what_was_chosen(self) -> None:
        state = profile.given(edited("Anna"), claimed("Ana Maria")).state()

        assert state.display_name.value == RULES.digest(ANA, "display_name", "Anna")

    def test_told_late_does_not_undo_a_later_one(self) -> None:
        known = profile.given(edited("Anna"))
        offline = EditProfile(display_name="Ann", at=BEFORE, op="offline")

        known.when(offline, by=ANA).then()
        profile.given(edited("Anna", at=BEFORE - TICK)).when(offline, by=ANA).then(
            edited("Ann", at=BEFORE, op="offline")
        )

    def test_of_each_field_counts_on_its_own(self) -> None:
        known = profile.given(edited("Anna"))
        offline = EditProfile(display_name="Ann", avatar="cat", at=BEFORE, op="offline")
        (event,) = known.when(offline, by=ANA).outcome()
        state = evolve(known.state(), event)

        assert state.display_name.value == RULES.digest(ANA, "display_name", "Anna")
        assert state.avatar.value == RULES.digest(ANA, "avatar", "cat")

    def test_too_late_is_refused(self) -> None:
        late = EditProfile(display_name="Ann", at=NOW - timedelta(days=91))

        profile.when(late, by=ANA).then_rejected("too-old")


class TestPreferences:
    def test_are_set_key_by_key(self) -> None:
        profile.when(change(theme="dark", volume=0.5), by=ANA).then(changed(theme="dark", volume=0.5))

    def test_that_are_so_are_silence(self) -> None:
        known = profile.given(changed(theme="dark", player={"a": 1, "b": [True]}))

        known.when(change(theme="dark"), by=ANA).then()
        known.when(change(player={"b": [True], "a": 1}), by=ANA).then()
        known.when(change(theme="dark", gone=None), by=ANA).then()
        known.when(change(theme="dark", size=2), by=ANA).then(changed(size=2))

    def test_tell_a_whole_number_from_a_fraction_and_a_truth(self) -> None:
        known = profile.given(changed(x=1))

        assert known.when(change(x=1.0), by=ANA).outcome()
        assert known.when(change(x=True), by=ANA).outcome()

    def test_are_taken_away_by_null(self) -> None:
        known = profile.given(changed(theme="dark"))

        known.when(change(theme=None), by=ANA).then(changed(at=NOW + TICK, theme=None))
        assert known.given(*known.events, changed(at=NOW + TICK, theme=None)).state().shown() == {}

    def test_of_two_devices_count_each_on_its_own(self) -> None:
        known = profile.given(changed(theme="dark"))
        offline = SetPreferences(changes={"theme": "light", "volume": 1}, at=BEFORE, op="offline")
        (event,) = known.when(offline, by=ANA).outcome()

        assert evolve(known.state(), event).shown() == {"theme": '"dark"', "volume": "1"}

    def test_that_were_taken_away_do_not_come_back(self) -> None:
        known = profile.given(changed(theme="dark", at=BEFORE - TICK), changed(theme=None))
        offline = SetPreferences(changes={"theme": "light"}, at=BEFORE, op="offline")

        known.when(offline, by=ANA).then()

    def test_are_two_hundred_at_most(self) -> None:
        many = profile.given(changed(**{f"k{n}": n for n in range(PREFERENCES)}))

        many.when(change(one=1), by=ANA).then_rejected("too-many-preferences", limit=PREFERENCES)
        assert many.when(change(k7=None, one=1), by=ANA).outcome()
        assert many.when(change(k7=8), by=ANA).outcome()

    def test_are_not_too_large(self) -> None:
        fits = "x" * (PREFERENCE_BYTES - 2)
        profile.when(change(a=fits + "x"), by=ANA).then_rejected("preferences-too-large", key="a")
        profile.when(change(a="ä" * (PREFERENCE_BYTES // 2)), by=ANA).then_rejected("preferences-too-large")
        full = profile.given(changed(**{f"k{n}": fits for n in range(7)}))

        full.when(change(k7=fits), by=ANA).then_rejected("preferences-too-large")
        assert full.when(change(k6=None), by=ANA).outcome()

    def test_are_not_nested_without_end(self) -> None:
        deep: Any = 1
        for _ in range(DEPTH):
            deep = {"x": [deep]} if _ % 2 else deep
        deepest: Any = 1
        for _ in range(DEPTH):
            deepest = [deepest]

        assert profile.when(change(a=deepest, b=deep), by=ANA).outcome()
        profile.when(change(a=[deepest]), by=ANA).then_rejected("invalid-argument", field="changes.a")
        profile.when(change(a={"x": deepest}), by=ANA).then_rejected("invalid-argument", field="changes.a")

    def test_survive_the_deepest_that_a_client_can_send(self) -> None:
        for depth in (100, 900):
            body = b'{"changes":{"a":' + b"[" * depth + b"]" * depth + b"}}"
            wish = arguments(SetPreferences, body)
            profile.when(wish, by=ANA).then_rejected("invalid-argument", field="changes.a")
        with pytest.raises(Rejected, match="invalid-argument"):
            arguments(SetPreferences, b'{"changes":{"a":' + b"[" * 30_000 + b"]" * 30_000 + b"}}")

    def test_forget_what_was_taken_away_long_ago(self) -> None:
        state = Profile()
        for n in range(FORGOTTEN + 50):
            state = evolve(state, changed(at=NOW + timedelta(seconds=n), **{f"k{n}": None}))

        assert len(state.preferences) == FORGOTTEN
        assert "k0" not in state.preferences


@pytest.mark.parametrize(
    ("kind", "args", "field"),
    [
        (SignIn, {"name": "x" * 201}, "name"),
        (SignIn, {"email": "x" * 321}, "email"),
        (SignIn, {"picture": "x" * 2_001}, "picture"),
        (SignIn, {"uid": "bob"}, "uid"),
        (EditProfile, {"display_name": "x" * 65}, "display_name"),
        (EditProfile, {"display_name": None}, "display_name"),
        (EditProfile, {"display_name": 5}, "display_name"),
        (EditProfile, {"display_name": "a\0b"}, "display_name"),
        (EditProfile, {"avatar": "x" * 2_001}, "avatar"),
        (EditProfile, {"op": ""}, "op"),
        (SetPreferences, {}, "changes"),
        (SetPreferences, {"changes": {}}, "changes"),
        (SetPreferences, {"changes": []}, "changes"),
        (SetPreferences, {"changes": {"": 1}}, "changes"),
        (SetPreferences, {"changes": {"a b": 1}}, "changes"),
        (SetPreferences, {"changes": {"x" * 65: 1}}, "changes"),
        (SetPreferences, {"changes": {".a": 1}}, "changes"),
        (SetPreferences, {"changes": {f"k{n}": 1 for n in range(201)}}, "changes"),
    ],
)
def test_arguments_of_the_wrong_kind_are_named(kind: type[Any], args: dict[str, Any], field: str) -> None:
    with pytest.raises(Rejected) as refusal:
        arguments(kind, json.dumps(args).encode())

    assert refusal.value.code == "invalid-argument"
    assert refusal.value.details["field"].partition("[")[0] in (field, f"key` in `$.{field}", "")


@pytest.mark.parametrize("text", [b"NaN", b"Infinity", b"1e999", b"-1e999", b"9" * 5_000, b'"\\ud800 x"', b'"\xff"'])
def test_what_is_no_json_cannot_be_told(text: bytes) -> None:
    with pytest.raises(Rejected, match="invalid-argument"):
        arguments(SetPreferences, b'{"changes":{"a":' + text + b"}}")


facts = st.one_of(
    st.builds(
        lambda name, avatar, minute, op: edited(name, avatar, NOW + timedelta(minutes=minute), f"op{op}"),
        st.sampled_from([None, "", "Ana", "Bo"]),
        st.sampled_from([None, "", "cat", "dog"]),
        st.integers(0, 4),
        st.integers(0, 2),
    ),
    st.builds(
        lambda key, value, minute, op: changed(NOW + timedelta(minutes=minute), f"op{op}", **{key: value}),
        st.sampled_from("ab"),
        st.sampled_from([None, 1, "x", [2]]),
        st.integers(0, 4),
        st.integers(0, 2),
    ),
)


@given(st.lists(facts, max_size=12), st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None)
def test_whatever_the_order_it_comes_to_the_same(told: list[ProfileEvent], chance: random.Random) -> None:
    shuffled = [*told, *told[::2]]
    chance.shuffle(shuffled)
    rules = decider(RULES)

    assert rules.fold(shuffled) == rules.fold(told)
    assert msgspec.json.decode(msgspec.json.encode(rules.fold(told)), type=Profile) == rules.fold(told)
