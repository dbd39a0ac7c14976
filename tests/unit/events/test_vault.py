import asyncio
import os
from collections.abc import Mapping, Sequence

import pytest
from msgspec.structs import replace

from events import vault as vaults
from events.messages import Event, Personal
from events.vault import MemoryKeys, Vault, personal_fields

MASTER = os.urandom(32)


class Named(Event, frozen=True, tag="test.named"):
    uid: str
    name: Personal[str]
    nick: Personal[str] | None = None
    room: str = "blue"


class Renamed(Event, frozen=True, tag="test.renamed"):
    uid: str
    name: Personal[str]


class Invited(Event, frozen=True, tag="test.invited"):
    person = "guest"
    guest: str
    by: str
    name: Personal[str]


class Rang(Event, frozen=True, tag="test.rang"):
    uid: str


class CountingKeys(MemoryKeys):
    """Remembers what it was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[set[str]] = []

    async def fetch(self, uids: Sequence[str]) -> Mapping[str, bytes]:
        self.asked.append(set(uids))
        return await super().fetch(uids)


@pytest.fixture
def keys() -> CountingKeys:
    return CountingKeys()


@pytest.fixture
def vault(keys: CountingKeys) -> Vault:
    return Vault(keys, MASTER)


ANA, BOB = Named(uid="ana", name="Ana Álvarez", nick="Nan"), Named(uid="bob", name="Bob")


async def sealed_by(vault: Vault, *events: Event) -> list[Event]:
    return list(await vault.seal(events))


def test_the_fields_that_are_sealed_are_found_optional_ones_too() -> None:
    assert personal_fields(Named) == ("name", "nick")
    assert personal_fields(Rang) == ()


async def test_what_is_sealed_cannot_be_read_and_opens_as_it_was(vault: Vault) -> None:
    (sealed,) = await vault.seal([ANA])

    assert "Ana" not in repr(sealed)
    assert "Nan" not in repr(sealed)
    assert sealed.room == "blue"
    assert await vault.open([sealed]) == [ANA]


async def test_a_text_that_is_absent_stays_absent(vault: Vault) -> None:
    (sealed,) = await vault.seal([BOB])
    assert sealed.nick is None
    assert await vault.open([sealed]) == [BOB]


async def test_the_same_name_never_looks_the_same(vault: Vault) -> None:
    one, other = await vault.seal([ANA, ANA])
    assert one.name != other.name


async def test_events_without_names_ask_for_no_key(vault: Vault, keys: CountingKeys) -> None:
    rang = [Rang(uid="ana")]
    assert await vault.seal(rang) == rang
    assert await vault.open(rang) == rang
    assert keys.asked == []
    assert keys.kept == {}


async def test_a_name_belongs_to_the_person_whom_the_event_says(vault: Vault, keys: CountingKeys) -> None:
    invited = Invited(guest="bob", by="ana", name="Bob")
    (sealed,) = await vault.seal([invited])
    assert set(keys.kept) == {"bob"}
    assert await vault.open([sealed]) == [invited]


async def test_a_sealed_text_opens_only_in_its_place(vault: Vault) -> None:
    ana, bob = await vault.seal([ANA, BOB])

    swapped: list[Named | Renamed] = [
        replace(ana, name=bob.name),
        replace(ana, name=ana.nick or ""),
        replace(bob, name=ana.name),
        Renamed(uid="ana", name=ana.name),
    ]

    assert [event.name for event in await vault.open(swapped)] == ["", "", "", ""]


async def test_a_text_that_was_never_sealed_is_not_shown(vault: Vault) -> None:
    assert [event.name for event in await vault.open([BOB])] == [""]


async def test_without_the_key_a_name_is_empty_and_the_rest_is_there(vault: Vault, keys: CountingKeys) -> None:
    sealed = await vault.seal([ANA, BOB])

    del keys.kept["ana"]

    assert await Vault(keys, MASTER).open(sealed) == [replace(ANA, name="", nick=""), BOB]


async def test_who_was_erased_and_comes_back_has_a_new_key(vault: Vault, keys: CountingKeys) -> None:
    (old,) = await vault.seal([ANA])
    del keys.kept["ana"]
    later = Vault(keys, MASTER)

    (new,) = await later.seal([ANA])

    assert await later.open([old, new]) == [replace(ANA, name="", nick=""), ANA]


async def test_an_erasure_is_felt_by_a_vault_that_knew_the_key(
    vault: Vault, keys: CountingKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    sealed = await vault.seal([ANA])
    del keys.kept["ana"]

    monkeypatch.setattr(vaults, "FRESH_FOR", 0.0)

    assert [event.name for event in await vault.open(sealed)] == [""]


async def test_who_came_back_is_named_by_a_vault_that_still_knew_the_old_key(
    vault: Vault, keys: CountingKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    (old,) = await vault.seal([ANA])
    del keys.kept["ana"]
    (new,) = await Vault(keys, MASTER).seal([ANA])
    keys.asked.clear()

    assert await vault.open([old]) == [ANA], "asked for a moment ago"
    assert [event.name for event in await vault.open([new])] == [""]
    assert keys.asked == []
    monkeypatch.setattr(vaults, "SURE_FOR", 0.0)
    assert await vault.open([old, new, BOB]) == [replace(ANA, name="", nick=""), ANA, replace(BOB, name="")]
    assert keys.asked == [{"bob"}, {"ana"}]


async def test_a_text_that_its_key_never_opens_is_not_asked_about_again_and_again(
    vault: Vault, keys: CountingKeys
) -> None:
    (old,) = await vault.seal([ANA])
    del keys.kept["ana"]
    later = Vault(keys, MASTER)
    await later.know("ana")
    keys.asked.clear()

    for _ in range(5):
        assert await later.open([old]) == [replace(ANA, name="", nick="")]
    assert keys.asked == []


async def test_everybody_s_key_is_asked_for_anew_when_it_may_have_been_missed_that_one_was_destroyed(
    vault: Vault, keys: CountingKeys
) -> None:
    sealed = await vault.seal([ANA, BOB])
    del keys.kept["ana"]

    vault.forget_everybody()

    assert await vault.open(sealed) == [replace(ANA, name="", nick=""), BOB]


async def test_another_master_key_is_said_so(vault: Vault, keys: CountingKeys) -> None:
    sealed = await vault.seal([ANA])
    with pytest.raises(ValueError, match="MATINEE_MASTER_KEY"):
        await Vault(keys, os.urandom(32)).open(sealed)


async def test_two_replicas_that_meet_a_person_at_once_use_one_key(keys: CountingKeys) -> None:
    one, other = Vault(keys, MASTER), Vault(keys, MASTER)
    first, second = await sealed_by(one, ANA), await sealed_by(other, ANA)
    assert await other.open(first) == await one.open(second) == [ANA]


async def test_whom_the_vault_knows_it_need_not_ask_for(vault: Vault, keys: CountingKeys) -> None:
    await vault.know("ana")
    await vault.know("ana")
    await vault.seal([ANA])

    assert keys.asked == [{"ana"}]
    await Vault(keys, MASTER).know("ana")
    assert list(keys.kept) == ["ana"]


async def test_a_batch_asks_for_its_keys_once(keys: CountingKeys) -> None:
    people = [Named(uid=f"person {n}", name=str(n)) for n in range(50)]
    sealed = await Vault(keys, MASTER).seal(people * 2)
    keys.asked.clear()

    reading = Vault(keys, MASTER)
    assert await reading.open(sealed) == people * 2
    assert await reading.open(sealed) == people * 2

    assert keys.asked == [{person.uid for person in people}]


async def test_keys_in_memory_are_bounded(vault: Vault, keys: CountingKeys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vaults, "REMEMBERED", 3)
    sealed = [(await vault.seal([Named(uid=str(n), name="x")]))[0] for n in range(5)]
    keys.asked.clear()

    assert all(event.name == "x" for event in await vault.open(sealed[2:]))
    assert keys.asked == []
    assert all(event.name == "x" for event in await vault.open(sealed))
    assert keys.asked == [{"0", "1"}]


async def test_a_batch_of_more_people_than_are_remembered_opens(
    keys: CountingKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vaults, "REMEMBERED", 3)
    vault = Vault(keys, MASTER)
    people = [Named(uid=str(n), name=str(n)) for n in range(10)]
    assert await vault.open(await vault.seal(people)) == people


async def test_one_key_that_does_not_open_keeps_nobody_else_out(vault: Vault, keys: CountingKeys) -> None:
    keys.kept["bad"] = bytes(60)
    found = await asyncio.gather(*map(vault.know, ("ana", "bad", "ben")), return_exceptions=True)

    assert [type(each).__name__ for each in found] == ["NoneType", "UnknownKey", "NoneType"]
