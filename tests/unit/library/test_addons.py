import itertools
import json
import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw
from tests.simulators.addons import manifest

from events.contracts.library import (
    ADDONS,
    MANIFEST_BYTES,
    AddonFlagged,
    AddonFlags,
    AddonInstalled,
    AddonMoved,
    AddonRemoved,
    AddonsCommand,
    AddonsEvent,
    Descriptor,
    FlagAddon,
    ImportAddons,
    ImportUndone,
    InstallAddon,
    MoveAddon,
    RemoveAddon,
    TakeInAddons,
)
from events.messages import Context, Rejected, arguments
from events.testing import NOW, spec
from library.addons import FORGOTTEN, Addon, Addons, decider, evolve
from library.manifest import read, transport
from library.rules import Rules

ANA = "ana"
OP = "c0mmand0c0mmand0c0mmand0cc"
RULES = Rules(pepper=b"pepper")
SECRET = "s3cr3t-t0ken"
PROTECTED = AddonFlags(protected=True)

addons = spec(decider(RULES))


def url(name: str) -> str:
    return f"https://{name}.example/{SECRET}/manifest.json"


def raw(**changes: Any) -> Raw:
    return Raw(json.dumps(manifest(**changes)).encode())


def id_of(name: str, uid: str = ANA) -> str:
    return RULES.digest(uid, "addon", transport(url(name)).identity)


def digest(what: Raw) -> str:
    return RULES.digest(ANA, "manifest", read(bytes(what)).canonical)


def installed(name: str, order: str, at: datetime = NOW - timedelta(hours=1), **more: Any) -> AddonInstalled:
    what = more.pop("manifest", raw())
    fields = {"op": f"install-{name}", "digest": digest(what), **more}
    return AddonInstalled(
        uid=ANA,
        addon_id=id_of(name),
        transport_url=url(name),
        manifest=bytes(what).decode(),
        order=order,
        at=at,
        **fields,
    )


def install(name: str, **more: Any) -> InstallAddon:
    return InstallAddon(**{"transport_url": url(name), "manifest": raw(), **more})


def descriptor(name: str, **more: Any) -> Descriptor:
    return Descriptor(**{"transport_url": url(name), "manifest": raw(), **more})


def removed(name: str, at: datetime = NOW, op: str = OP) -> AddonRemoved:
    return AddonRemoved(uid=ANA, addon_id=id_of(name), at=at, op=op)


def moved(name: str, order: str, at: datetime = NOW, op: str = OP) -> AddonMoved:
    return AddonMoved(uid=ANA, addon_id=id_of(name), order=order, at=at, op=op)


def flagged(name: str, flags: AddonFlags, at: datetime = NOW, op: str = OP) -> AddonFlagged:
    return AddonFlagged(uid=ANA, addon_id=id_of(name), flags=flags, at=at, op=op)


def names(state: Addons) -> list[str]:
    known = {id_of(name): name for name in "abcdefgh"}
    return [known[id] for id, _ in state.row()]


three = addons.given(installed("a", "a0"), installed("b", "a1"), installed("c", "a2"))


class TestInstalling:
    def test_puts_the_first_one_somewhere(self) -> None:
        addons.when(install("a"), by=ANA).then(installed("a", "a0", at=NOW, op=OP))

    def test_puts_another_one_behind_the_last(self) -> None:
        three.when(install("d"), by=ANA).then(installed("d", "a3", at=NOW, op=OP))

    def test_puts_it_behind_the_one_that_is_named(self) -> None:
        (event,) = three.when(install("d", after=id_of("a")), by=ANA).outcome()

        assert isinstance(event, AddonInstalled)
        assert "a0" < event.order < "a1"

    def test_puts_it_last_when_nobody_knows_the_one_that_is_named(self) -> None:
        three.when(install("d", after="nobody"), by=ANA).then(installed("d", "a3", at=NOW, op=OP))

    def test_puts_it_where_the_device_says(self) -> None:
        three.when(install("d", order="Zz"), by=ANA).then(installed("d", "Zz", at=NOW, op=OP))

    def test_of_the_same_again_changes_nothing(self) -> None:
        for same in (url("a"), url("a").replace("https", "stremio"), url("a").replace("a.example", "A.EXAMPLE:443")):
            three.when(install("a", transport_url=same), by=ANA).then()

    def test_of_the_same_written_otherwise_changes_nothing(self) -> None:
        three.when(install("a", manifest=Raw(json.dumps(manifest(), indent=4).encode())), by=ANA).then()

    def test_takes_over_another_manifest_and_leaves_it_where_it_is(self) -> None:
        other = raw(version="2.0.0")

        three.when(install("a", manifest=other), by=ANA).then(installed("a", "a0", manifest=other, at=NOW, op=OP))

    def test_again_keeps_what_was_changed_since(self) -> None:
        other = raw(version="2.0.0")
        changed = addons.given(installed("a", "a0"), moved("a", "b0"), flagged("a", PROTECTED))
        later = NOW + timedelta(microseconds=1)

        changed.when(install("a", manifest=other), by=ANA).then(
            installed("a", "b0", manifest=other, at=later, op=OP, flags=PROTECTED)
        )

    def test_again_somewhere_else_moves_it(self) -> None:
        (event,) = three.when(install("a", after=id_of("c")), by=ANA).outcome()

        assert event == moved("a", "a3")

    def test_again_takes_over_flags_if_there_are_any(self) -> None:
        three.when(install("a", flags=PROTECTED), by=ANA).then(flagged("a", PROTECTED))

    def test_after_a_removal_begins_anew(self) -> None:
        gone = three.given(*three.events, moved("a", "Zz"), flagged("a", AddonFlags(official=True)), removed("a"))
        later = NOW + timedelta(microseconds=1)

        gone.when(install("a"), by=ANA).then(installed("a", "a3", at=later, op=OP))

    def test_keeps_unknown_keys_as_they_are(self) -> None:
        text = json.dumps({**manifest(), "x": {"b": 1.0, "a": [1e3, "é"]}}, ensure_ascii=False)
        (event,) = addons.when(install("a", manifest=Raw(text.encode())), by=ANA).outcome()

        assert isinstance(event, AddonInstalled)
        assert event.manifest == text

    @pytest.mark.parametrize(
        ("more", "code"),
        [
            ({"transport_url": f"https://a.example/{SECRET}"}, "bad-transport-url"),
            ({"transport_url": f"ftp://{SECRET}/manifest.json"}, "bad-transport-url"),
            ({"manifest": Raw(b"[]")}, "manifest-invalid"),
            ({"manifest": Raw(b'"{}"')}, "manifest-invalid"),
            ({"manifest": raw(version="1")}, "manifest-invalid"),
            ({"manifest": raw(description="x" * MANIFEST_BYTES)}, "manifest-too-large"),
            ({"manifest": raw(behaviorHints={"configurationRequired": True})}, "configuration-required"),
            ({"manifest": Raw(b"null")}, "manifest-unreachable"),
            ({"at": NOW - timedelta(days=91)}, "too-old"),
            ({"at": NOW.replace(tzinfo=None)}, "invalid-argument"),
        ],
    )
    def test_refuses_what_is_wrong(self, more: dict[str, Any], code: str) -> None:
        with pytest.raises(Rejected) as refusal:
            addons.when(install("a", **more), by=ANA).outcome()

        assert refusal.value.code == code
        assert SECRET not in repr(refusal.value.details)

    def test_lets_what_can_be_configured_but_need_not_be(self) -> None:
        hints = {"configurable": True, "configurationRequired": False}

        assert addons.when(install("a", manifest=raw(behaviorHints=hints)), by=ANA).outcome()

    def test_ends_at_two_hundred(self) -> None:
        full = addons.given(*(installed(f"n{n}", f"b{n:02}") for n in range(ADDONS)))

        full.when(install("a"), by=ANA).then_rejected("too-many-addons", limit=ADDONS)
        full.when(install("n5"), by=ANA).then()
        full.given(*full.events[1:]).when(install("a"), by=ANA).outcome()

    def test_is_for_who_is_signed_in(self) -> None:
        for command in (install("a"), MoveAddon(addon_id="x"), RemoveAddon(addon_id="x"), ImportAddons(addons=())):
            addons.when(command).then_rejected("not-signed-in")

    def test_makes_ids_that_tell_nothing(self) -> None:
        assert id_of("a") != id_of("a", "bob")
        assert Rules(pepper=b"other").digest(ANA, "addon", url("a")) != id_of("a")
        assert SECRET not in id_of("a")


class TestMoving:
    def test_puts_it_behind_another_one(self) -> None:
        three.when(MoveAddon(addon_id=id_of("a"), after=id_of("c")), by=ANA).then(moved("a", "a3"))

    def test_puts_it_first(self) -> None:
        (event,) = three.when(MoveAddon(addon_id=id_of("c")), by=ANA).outcome()

        assert isinstance(event, AddonMoved)
        assert event.order < "a0"

    def test_puts_it_where_the_device_says(self) -> None:
        three.when(MoveAddon(addon_id=id_of("a"), order="zz"), by=ANA).then(moved("a", "zz"))

    def test_to_where_it_is_changes_nothing(self) -> None:
        for wish in (
            MoveAddon(addon_id=id_of("a")),
            MoveAddon(addon_id=id_of("b"), after=id_of("a")),
            MoveAddon(addon_id=id_of("b"), order="a1"),
        ):
            three.when(wish, by=ANA).then()

    def test_makes_room_between_two_at_one_place(self) -> None:
        crowded = addons.given(installed("a", "a0"), installed("b", "a0"), installed("c", "a1"))
        first, second = (name for name in names(crowded.state()) if name != "c")
        wish = MoveAddon(addon_id=id_of("c"), after=id_of(first))

        state = crowded.state()
        for event in crowded.when(wish, by=ANA).outcome():
            state = evolve(state, event)

        assert names(state) == [first, "c", second]

    @pytest.mark.parametrize(("lower", "upper"), [("a0", "a00"), ("0", "00"), ("a", "a"), ("z" * 128, "z" * 128)])
    def test_makes_room_wherever_a_device_left_none(self, lower: str, upper: str) -> None:
        odd = addons.given(installed("a", lower), installed("b", upper), installed("c", "zz"))
        state = odd.state()
        first, second = (name for name in names(state) if name != "c")
        for event in odd.when(MoveAddon(addon_id=id_of("c"), after=id_of(first)), by=ANA).outcome():
            state = evolve(state, event)

        assert names(state) == [first, "c", second]

    def test_refuses_what_is_not_there(self) -> None:
        three.when(MoveAddon(addon_id="x"), by=ANA).then_rejected("no-such-addon")
        three.when(MoveAddon(addon_id=id_of("a"), after="x"), by=ANA).then_rejected("no-such-addon", field="after")
        three.when(MoveAddon(addon_id=id_of("a", "bob")), by=ANA).then_rejected("no-such-addon")
        gone = three.given(*three.events, removed("a"))
        gone.when(MoveAddon(addon_id=id_of("a")), by=ANA).then_rejected("no-such-addon")
        gone.when(MoveAddon(addon_id=id_of("b"), after=id_of("a")), by=ANA).then_rejected("no-such-addon")


class TestFlagging:
    def test_sets_flags(self) -> None:
        three.when(FlagAddon(addon_id=id_of("a"), flags=PROTECTED), by=ANA).then(flagged("a", PROTECTED))

    def test_to_what_they_are_changes_nothing(self) -> None:
        three.when(FlagAddon(addon_id=id_of("a"), flags=AddonFlags()), by=ANA).then()

    def test_refuses_what_is_not_there(self) -> None:
        three.when(FlagAddon(addon_id="x", flags=PROTECTED), by=ANA).then_rejected("no-such-addon")


class TestRemoving:
    def test_removes_it(self) -> None:
        three.when(RemoveAddon(addon_id=id_of("a")), by=ANA).then(removed("a"))

    def test_again_changes_nothing(self) -> None:
        three.given(*three.events, removed("a")).when(RemoveAddon(addon_id=id_of("a")), by=ANA).then()

    def test_refuses_what_was_never_there(self) -> None:
        three.when(RemoveAddon(addon_id="x"), by=ANA).then_rejected("no-such-addon")
        three.when(RemoveAddon(addon_id=id_of("a", "bob")), by=ANA).then_rejected("no-such-addon")

    def test_leaves_what_is_protected(self) -> None:
        kept = three.given(*three.events, flagged("a", PROTECTED))

        kept.when(RemoveAddon(addon_id=id_of("a")), by=ANA).then_rejected("addon-protected")
        free = kept.given(*kept.events, flagged("a", AddonFlags(), NOW + timedelta(seconds=1)))
        assert free.when(RemoveAddon(addon_id=id_of("a")), by=ANA, after=2).outcome()

    def test_counts_also_at_the_very_moment_of_the_installation(self) -> None:
        """Whatever the ids of the two commands are."""
        for op in ("0", "z"):
            fresh = addons.given(installed("a", "a0", at=NOW, op="m"))
            (event,) = fresh.when(RemoveAddon(addon_id=id_of("a"), op=op), by=ANA).outcome()

            assert names(evolve(fresh.state(), event)) == []


class TestImporting:
    def test_takes_over_a_collection_in_its_order(self) -> None:
        wish = ImportAddons(addons=(descriptor("c"), descriptor("a", flags=PROTECTED), descriptor("b")))

        addons.when(wish, by=ANA).then(
            installed("c", "a0", at=NOW, op=OP),
            installed("a", "a1", at=NOW, op=OP, flags=PROTECTED),
            installed("b", "a2", at=NOW, op=OP),
        )

    def test_leaves_what_is_there_where_it_is(self) -> None:
        other = raw(version="2.0.0")
        wish = ImportAddons(addons=(descriptor("d"), descriptor("b", manifest=other), descriptor("a")))

        three.when(wish, by=ANA).then(
            installed("d", "a3", at=NOW, op=OP), installed("b", "a1", manifest=other, at=NOW, op=OP)
        )

    def test_of_what_is_there_is_silence(self) -> None:
        wish = ImportAddons(addons=(descriptor("c"), descriptor("a"), descriptor("b")))

        three.when(wish, by=ANA).then()
        three.when(ImportAddons(addons=wish.addons, replace=True), by=ANA).then()
        three.when(ImportAddons(addons=()), by=ANA).then()

    def test_takes_the_first_of_two_that_are_one(self) -> None:
        same = descriptor("a", transport_url=url("a").replace("https", "stremio"), manifest=raw(name="Other"))

        addons.when(ImportAddons(addons=(descriptor("a"), same)), by=ANA).then(installed("a", "a0", at=NOW, op=OP))

    def test_replaces_all_but_what_is_protected(self) -> None:
        kept = three.given(*three.events, flagged("a", PROTECTED))

        kept.when(ImportAddons(addons=(descriptor("d"),), replace=True), by=ANA).then(
            removed("b"), removed("c"), installed("d", "a1", at=NOW, op=OP)
        )

    def test_replaces_two_hundred_by_as_many_others(self) -> None:
        full = addons.given(*(installed(f"n{n}", f"b{n:02}") for n in range(ADDONS)))
        others = tuple(descriptor(f"m{n}") for n in range(ADDONS))

        assert len(full.when(ImportAddons(addons=others, replace=True), by=ANA).outcome()) == 2 * ADDONS
        full.when(ImportAddons(addons=others[:1]), by=ANA).then_rejected("too-many-addons")

    def test_takes_older_kinds_and_what_needs_configuration(self) -> None:
        """As they are in collections that exist."""
        older = (
            descriptor("a", transport_url="https://a.example/stremio/v1"),
            descriptor("b", transport_url="ipfs://QmHash/manifest.json"),
            descriptor("c", manifest=raw(behaviorHints={"configurationRequired": True})),
        )

        assert len(addons.when(ImportAddons(addons=older), by=ANA).outcome()) == 3

    @pytest.mark.parametrize(
        ("bad", "code"),
        [
            ({"transport_url": f"https://a.example/{SECRET}"}, "bad-transport-url"),
            ({"manifest": raw(id=None)}, "manifest-invalid"),
            ({"manifest": Raw(b"null")}, "manifest-invalid"),
            ({"manifest": raw(description="x" * MANIFEST_BYTES)}, "manifest-too-large"),
        ],
    )
    def test_takes_all_or_nothing_and_names_what_is_wrong(self, bad: dict[str, Any], code: str) -> None:
        wish = ImportAddons(addons=(descriptor("a"), descriptor("b", **bad)), replace=True)

        with pytest.raises(Rejected) as refusal:
            three.when(wish, by=ANA).outcome()

        assert (refusal.value.code, refusal.value.details["field"]) == (code, "addons[1]")
        assert SECRET not in repr(refusal.value.details)


class TestToldLate:
    def test_an_older_removal_does_not_undo_a_later_installation(self) -> None:
        offline = RemoveAddon(addon_id=id_of("a"), at=NOW - timedelta(days=1), op="offline")
        state = three.state()
        for event in three.when(offline, by=ANA).outcome():
            state = evolve(state, event)

        assert names(state) == ["a", "b", "c"]

    def test_a_later_removal_does(self) -> None:
        offline = RemoveAddon(addon_id=id_of("a"), at=NOW - timedelta(minutes=1), op="offline")

        three.when(offline, by=ANA).then(removed("a", NOW - timedelta(minutes=1), "offline"))

    def test_an_older_place_does_not_undo_a_later_one(self) -> None:
        changed = three.given(*three.events, moved("a", "a5"))
        offline = MoveAddon(addon_id=id_of("a"), order="Zz", at=NOW - timedelta(minutes=1), op="offline")

        changed.when(offline, by=ANA).then()

    def test_what_was_changed_before_a_removal_and_a_return_stays_past(self) -> None:
        back = three.given(*three.events, removed("a"), installed("a", "a3", NOW + timedelta(seconds=1)))
        offline = MoveAddon(addon_id=id_of("a"), order="Zz", at=NOW - timedelta(minutes=1), op="offline")
        state = back.state()
        for event in back.when(offline, by=ANA, after=5).outcome():
            state = evolve(state, event)

        assert names(state) == ["b", "c", "a"]

    def test_the_same_operation_told_twice_counts_once(self) -> None:
        told: tuple[AddonsCommand, ...] = (
            install("d", at=NOW, op="x"),
            MoveAddon(addon_id=id_of("a"), after=id_of("c"), at=NOW, op="x"),
            FlagAddon(addon_id=id_of("a"), flags=PROTECTED, at=NOW, op="x"),
            RemoveAddon(addon_id=id_of("a"), at=NOW, op="x"),
        )
        for wish in told:
            once = three.when(wish, by=ANA).outcome()
            assert once
            again = three.given(*three.events, *once).when(wish, by=ANA, after=3600, command_id="another")
            if isinstance(wish, RemoveAddon | FlagAddon | InstallAddon):
                again.then()

    def test_a_manifest_taken_over_at_home_does_not_undo_a_move_on_the_road(self) -> None:
        """Two devices change one addon at once; nothing of either is lost, whichever tells first."""
        refresh = install("a", manifest=raw(version="2.0.0"))
        move = MoveAddon(addon_id=id_of("a"), order="b5", at=NOW - timedelta(minutes=5), op="road")
        flag = FlagAddon(addon_id=id_of("a"), flags=PROTECTED, at=NOW - timedelta(minutes=4), op="road-2")

        wishes_of: list[AddonsCommand] = [refresh, move, flag]
        for orders in itertools.permutations(wishes_of):
            told = three
            for wish in orders:
                told = told.given(*told.events, *told.when(wish, by=ANA).outcome())
            known = told.state().known[id_of("a")]
            assert (known.order, known.flags) == ("b5", PROTECTED)
            assert known.installed.digest == digest(raw(version="2.0.0"))


facts = st.builds(
    lambda kind, name, minute, op, extra: kind(name, NOW + timedelta(minutes=minute), f"op{op}", extra),
    st.sampled_from(
        [
            lambda name, at, op, extra: installed(name, f"a{extra}", at, op=op, digest=f"d{extra}"),
            lambda name, at, op, extra: removed(name, at, op),
            lambda name, at, op, extra: moved(name, f"b{extra}", at, op),
            lambda name, at, op, extra: flagged(name, AddonFlags(official=extra > 1, protected=extra > 2), at, op),
        ]
    ),
    st.sampled_from("abc"),
    st.integers(0, 5),
    st.integers(0, 2),
    st.integers(0, 4),
)


class TestMerging:
    @given(st.lists(facts, max_size=12), st.randoms(use_true_random=False))
    @settings(max_examples=100, deadline=None)
    def test_comes_to_the_same_in_any_order_and_however_often(
        self, told: list[AddonsEvent], chance: random.Random
    ) -> None:
        shuffled = [*told, *told[::2]]
        chance.shuffle(shuffled)

        assert folded(shuffled) == folded(told)

    @given(st.data(), st.randoms(use_true_random=False))
    @settings(max_examples=150, deadline=None)
    def test_three_devices_that_were_offline_come_to_the_same_whoever_tells_first(
        self, data: Any, chance: random.Random
    ) -> None:
        """Each tells what it did in its order; between the devices any order will do.

        An addon that one device removed and another one installed anew later is there in any case; whether it keeps
        its flags depends on whether the server knew of the removal by then.
        """
        devices = [data.draw(st.lists(wishes, max_size=4)) for _ in range(3)]
        told = [
            [_told(wish, number, device) for number, wish in enumerate(wishes_of)]
            for device, wishes_of in enumerate(devices)
        ]

        one, other = _delivered(told, random.Random(1)), _delivered(told, chance)

        assert {(id, known.installed.digest) for id, known in one} == {
            (id, known.installed.digest) for id, known in other
        }
        if not any(isinstance(wish, RemoveAddon) for wish in itertools.chain(*told)):
            assert [(id, known.order, known.flags) for id, known in one] == [
                (id, known.order, known.flags) for id, known in other
            ]

    def test_forgets_what_was_removed_long_ago(self) -> None:
        state = Addons()
        for n in range(FORGOTTEN + 10):
            at = NOW + timedelta(seconds=n)
            state = evolve(evolve(state, installed(f"n{n}", "a0", at)), removed(f"n{n}", at + timedelta(seconds=0.5)))

        assert len(state.known) == FORGOTTEN
        assert id_of("n5") not in state.known
        assert id_of("n15") in state.known

    def test_is_kept_small(self) -> None:
        state = folded([installed(f"n{n}", f"b{n:04}") for n in range(ADDONS)])

        assert len(msgspec.json.encode(state)) < 64 * 1024
        assert msgspec.json.decode(msgspec.json.encode(state), type=Addons) == state


Wish = tuple[str, str, int]
wishes = st.tuples(st.sampled_from(["install", "move", "flag", "remove"]), st.sampled_from("abc"), st.integers(0, 4))


def _told(wish: Wish, number: int, device: int) -> AddonsCommand:
    kind, name, extra = wish
    told: dict[str, Any] = {"at": NOW - timedelta(minutes=60 - 7 * number - device), "op": f"op-{device}-{number}"}
    if kind == "install":
        return install(name, manifest=raw(version=f"{extra}.0.0"), order=f"c{extra}", **told)
    if kind == "move":
        return MoveAddon(addon_id=id_of(name), order=f"b{extra}", **told)
    if kind == "flag":
        return FlagAddon(addon_id=id_of(name), flags=AddonFlags(official=extra > 1), **told)
    return RemoveAddon(addon_id=id_of(name), **told)


def _delivered(devices: Sequence[Sequence[AddonsCommand]], chance: random.Random) -> list[tuple[str, Addon]]:
    """What is there in the end."""
    queues = [list(device) for device in devices]
    rules = decider(RULES)
    state = folded([installed(name, f"a{n}", NOW - timedelta(days=1)) for n, name in enumerate("abc")])
    while any(queues):
        wish = chance.choice([queue for queue in queues if queue]).pop(0)
        state = rules.fold(rules.decide(wish, state, Context(actor=ANA, now=NOW, command_id="c")), state)
    return [(id, state.known[id]) for id in sorted(dict(state.row()))]


def folded(told: Sequence[AddonsEvent]) -> Addons:
    return decider(RULES).fold(told)


@pytest.mark.parametrize(
    ("kind", "args", "field"),
    [
        (InstallAddon, {}, "transport_url"),
        (InstallAddon, {"transport_url": 5}, "transport_url"),
        (InstallAddon, {"transport_url": ""}, "transport_url"),
        (InstallAddon, {"transport_url": "x" * 4_001}, "transport_url"),
        (InstallAddon, {"transport_url": "a\0b"}, "transport_url"),
        (InstallAddon, {"transport_url": "x", "order": "_"}, "order"),
        (InstallAddon, {"transport_url": "x", "order": "a" * 129}, "order"),
        (InstallAddon, {"transport_url": "x", "flags": {"mine": True}}, "flags.mine"),
        (InstallAddon, {"transport_url": "x", "uid": "bob"}, "uid"),
        (MoveAddon, {"addon_id": ""}, "addon_id"),
        (MoveAddon, {"addon_id": "x" * 129}, "addon_id"),
        (FlagAddon, {"addon_id": "x"}, "flags"),
        (FlagAddon, {"addon_id": "x", "flags": {"official": 1}}, "flags.official"),
        (RemoveAddon, {}, "addon_id"),
        (ImportAddons, {"addons": {}}, "addons"),
        (ImportAddons, {"addons": [{}]}, "addons[0].transportUrl"),
        (ImportAddons, {"addons": [{"transportUrl": "x", "manifest": {}}] * 201}, "addons"),
    ],
)
def test_arguments_of_the_wrong_kind_are_named(kind: type[Any], args: dict[str, Any], field: str) -> None:
    with pytest.raises(Rejected) as refusal:
        arguments(kind, json.dumps(args).encode())

    assert refusal.value.code == "invalid-argument"
    assert refusal.value.details["field"].replace("[...]", "[0]") == field


def taking_in(*names: str, source: str = "i1", **more: Any) -> TakeInAddons:
    found = tuple(Descriptor(transport_url=url(name), manifest=more.get("manifest", raw())) for name in names)
    return TakeInAddons(uid=ANA, addons=found, source=source, at=NOW)


def taken_in(name: str, order: str, source: str = "i1") -> AddonInstalled:
    return installed(name, order, at=NOW, op=source, source=source)


UNDONE = ImportUndone(uid=ANA, import_id="i1", at=NOW)


class TestWhatAnImportBrings:
    def test_is_installed_behind_the_others_until_it_is_undone(self) -> None:
        own = installed("films", "a0")
        addons.given(own).when(taking_in("b", "c"), by="system:library").then(taken_in("b", "a1"), taken_in("c", "a2"))

        after = addons.given(own, taken_in("b", "a1"), UNDONE).state()
        assert after.row() == addons.given(own).state().row()
        assert after.known == addons.given(own).state().known
        assert [id for id, _ in addons.given(own, taken_in("b", "a1")).state().row()] == [id_of("films"), id_of("b")]

    def test_again_says_nothing_new_even_if_it_was_removed_since(self) -> None:
        gone = AddonRemoved(uid=ANA, addon_id=id_of("b"), at=NOW + timedelta(hours=1), op="r")
        for events in ([taken_in("b", "a0")], [taken_in("b", "a0"), gone], [taken_in("b", "a0"), UNDONE]):
            addons.given(*events).when(taking_in("b"), by="system:library").then()

    def test_leaves_alone_what_is_there(self) -> None:
        other = taking_in("films", manifest=raw(version="2.0.0"))
        addons.given(installed("films", "a0")).when(other, by="system:library").then()

    def test_comes_again_with_a_later_import(self) -> None:
        before = addons.given(taken_in("b", "a0"), UNDONE)
        before.when(taking_in("b", source="i2"), by="system:library").then(taken_in("b", "a0", source="i2"))
        before.when(RemoveAddon(addon_id=id_of("b")), by=ANA).then_rejected("no-such-addon")

    def test_becomes_the_persons_own_if_they_install_it(self) -> None:
        events = addons.given(taken_in("b", "a0")).when(install("b"), by=ANA, after=5).outcome()

        state = decider(RULES).fold([taken_in("b", "a0"), *events, UNDONE])
        assert [id for id, _ in state.row()] == [id_of("b")]
        again = addons.given(taken_in("b", "a0"), *events)
        again.when(install("b", op="other"), by=ANA, after=9).then()

    def test_has_the_same_limit(self) -> None:
        many = addons.given(*(installed(f"x{n}", f"b{n:03}") for n in range(ADDONS)))
        many.when(taking_in("b"), by="system:library").then_rejected("too-many-addons", limit=ADDONS)
