"""Which addresses and secrets each program is given when the servers are somebody else's."""

from pathlib import Path

import pytest

from ops.keys import keys_in
from ops.programs import Elsewhere, programs, reachable

GIVEN = {
    "NATS_URL": "nats://admin:secret@bus.example:4222",
    "NATS_URL_PARTIES": "nats://parties:own@bus.example:4222",
    "DATABASE_URL": "postgresql://admin:secret@db.example:5432/matinee?sslmode=require",
    "DATABASE_URL_PARTIES": "postgresql://parties:own@db.example:5432/matinee",
}


def test_each_program_gets_what_it_needs_and_no_secret_besides(tmp_path: Path) -> None:
    keys = keys_in(tmp_path)
    given = {program.name: program.environment for program in programs(Elsewhere(keys, GIVEN), "127.0.0.1", 8080)}

    assert given["parties"]["NATS_URL"] == GIVEN["NATS_URL_PARTIES"]
    assert given["parties"]["DATABASE_URL"] == GIVEN["DATABASE_URL_PARTIES"]
    assert given["library"]["DATABASE_URL"] == (
        f"postgresql://library:{keys.database['library']}@db.example:5432/matinee?sslmode=require"
    )
    assert {"DATABASE_URL", "MATINEE_MASTER_KEY"}.isdisjoint(given["gateway"])
    for service in ("parties", "library", "comments"):
        assert {"MATINEE_UID_SECRET", "MATINEE_GUEST_SECRET"}.isdisjoint(given[service])


def test_what_the_operator_sets_reaches_every_program_but_their_own_credentials_do_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MATINEE_ROOMS_PER_HOUR", "3")
    for name, value in GIVEN.items():
        monkeypatch.setenv(name, value)
    for program in programs(Elsewhere(keys_in(tmp_path), GIVEN), "127.0.0.1", 8080):
        environment = program.child(tmp_path).environment or {}
        assert environment["MATINEE_ROOMS_PER_HOUR"] == "3"
        assert GIVEN["DATABASE_URL"] not in environment.values()


def test_only_logins_that_nobody_gave_are_ours_to_make(tmp_path: Path) -> None:
    assert set(Elsewhere(keys_in(tmp_path), GIVEN).own_logins()) == {"library", "comments"}


def test_a_listening_address_becomes_one_that_can_be_opened() -> None:
    assert reachable("0.0.0.0", 80) == "http://127.0.0.1:80"
    assert reachable("::", 80) == "http://[::1]:80"
    assert reachable("::1", 80) == "http://[::1]:80"
    assert reachable("matinee.example", 80) == "http://matinee.example:80"
