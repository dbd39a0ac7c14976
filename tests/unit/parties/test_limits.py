"""Which commands are counted against whom, and what an installation may set about it."""

import base64
from datetime import UTC, datetime

import pytest
from msgspec import structs

from events.contracts import party
from events.messages import Command, Context
from events.settings import BadSettings, load
from parties.limits import MANAGEMENT, Limits, charging
from parties.settings import PartiesSettings

CONTEXT = Context(actor="ana", now=datetime(2026, 1, 2, tzinfo=UTC), command_id="c", address="home")
GOOD = {
    "NATS_URL": "nats://parties:secret@127.0.0.1:4222",
    "DATABASE_URL": "postgresql://parties:secret@127.0.0.1:5432/matinee",
    "MATINEE_MASTER_KEY": base64.b64encode(bytes(range(32))).decode(),
}

OPEN = party.Open(title="Friday", media="tt0133093")
JOIN = party.Join(party_id="p", key="123456")
MANAGING: tuple[Command, ...] = (
    party.Kick(party_id="p", uid="bo"),
    party.Ban(party_id="p", uid="bo"),
    party.Unban(party_id="p", uid="bo"),
    party.Lock(party_id="p"),
    party.Appoint(party_id="p", uid="bo"),
    party.Dismiss(party_id="p", uid="bo"),
    party.HandOver(party_id="p", uid="bo"),
    party.Configure(party_id="p"),
    party.Rekey(party_id="p"),
)


def charged(command: Command, context: Context = CONTEXT, limits: Limits = Limits()) -> list[tuple[str, str]]:
    return [charge.row for charge in charging(limits)(command, context)]


def test_a_party_is_counted_by_who_opens_it() -> None:
    (charge,) = charging(Limits())(OPEN, CONTEXT)
    assert charge.row == ("rooms", "ana")
    assert (charge.quota.limit, charge.quota.seconds, charge.quota.slug) == (10, 3600, "rate-limited")
    assert not charge.quota.strict


def test_management_is_one_quota_whatever_the_party_and_the_wish() -> None:
    assert {type(command) for command in MANAGING} == set(MANAGEMENT)
    for command in MANAGING:
        assert charged(command) == charged(structs.replace(command, party_id="q")) == [("management", "ana")]
    (charge,) = charging(Limits())(MANAGING[0], CONTEXT)
    assert (charge.quota.limit, charge.quota.seconds) == (20, 3600)


def test_a_key_is_a_try_of_its_address_and_at_its_party() -> None:
    charges = charging(Limits())(JOIN, CONTEXT)
    assert [charge.row for charge in charges] == [("key-tries", "home"), ("key-tries-of-party", "p")]
    for charge in charges:
        assert charge.quota.counts == ("wrong-key",)
        assert (charge.quota.slug, charge.quota.strict, charge.quota.in_turn) == ("key-locked", True, True)
        assert (charge.otherwise, charge.needing) == (party.Join(party_id="p"), "key-needed")
    assert charged(JOIN, structs.replace(CONTEXT, address="")) == [("key-tries-of-party", "p")]


@pytest.mark.parametrize(
    "command",
    [
        party.Play(party_id="p"),
        party.Leave(party_id="p"),
        party.Profile(party_id="p", name="Ana"),
        party.Enqueue(party_id="p", media="tt0133093"),
        party.Close(party_id="p"),
        party.Expire(party_id="p"),
    ],
    ids=lambda command: command.function,
)
def test_nothing_else_is_counted(command: Command) -> None:
    assert charged(command) == []


def test_who_brings_no_key_is_not_counted() -> None:
    assert charged(party.Join(party_id="p")) == []


def test_an_installation_sets_its_own_limits() -> None:
    names = ("ROOMS_PER_HOUR", "MANAGEMENT_PER_HOUR", "KEY_TRIES", "KEY_TRIES_PER_PARTY", "CONTROLS_PER_SECOND")
    settings = load(PartiesSettings, GOOD | {f"MATINEE_{name}": str(n) for n, name in enumerate(names)})
    assert settings.limits() == Limits(rooms_per_hour=0, management_per_hour=1, key_tries=2, key_tries_per_party=3)
    assert settings.rules().controls_per_second == 4
    assert load(PartiesSettings, GOOD).limits() == Limits()
    assert load(PartiesSettings, GOOD).rules().controls_per_second == 2


@pytest.mark.parametrize("value", ["-1", "some", "1.5"])
@pytest.mark.parametrize("field", ["rooms_per_hour", "controls_per_second", "management_per_hour", "key_tries"])
def test_a_limit_that_makes_no_sense_is_named(field: str, value: str) -> None:
    name = f"MATINEE_{field.upper()}"
    with pytest.raises(BadSettings, match=name):
        load(PartiesSettings, GOOD | {name: value})


def test_keys_are_sealed_with_a_secret_of_the_installation() -> None:
    other = GOOD | {"MATINEE_MASTER_KEY": base64.b64encode(bytes(32)).decode()}
    rules, same, others = (load(PartiesSettings, given).rules() for given in (GOOD, GOOD, other))
    assert rules.sealed("p", "123456") == same.sealed("p", "123456") != others.sealed("p", "123456")
    assert rules.sealed("p", "123456") != rules.sealed("q", "123456")
    assert bytes(range(32)) not in (rules.pepper, others.pepper)
