"""`matinee token` signs what the gateway believes, and nothing without the installation's secret."""

import asyncio
import base64
import secrets
import time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from gateway.auth import Auth
from gateway.identity import Identity, Ids
from ops.cli import app
from ops.keys import keys_in
from ops.problem import Problem
from ops.running import Process, Running, write_running

UID_SECRET = b"u" * 32


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Of an installation that runs, as far as it has been written down."""
    gateway = Process("gateway", 1, "", environment={"MATINEE_GUEST_SECRET": keys_in(tmp_path).guest_secret})
    write_running(tmp_path, Running(1, "", "", "", [gateway]))
    return tmp_path


def signed(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["token", *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout.strip()


def bearer(folder: Path, token: str) -> Identity:
    async def nowhere(*args: Any) -> Any:
        raise AssertionError

    secret = base64.b64decode(keys_in(folder).guest_secret)
    auth = Auth((), secret, Ids(UID_SECRET, secrets.token_bytes), nowhere, time.time, time.monotonic)
    return asyncio.run(auth.identify(token))


def test_a_moderator(folder: Path) -> None:
    found = bearer(folder, signed("Mo", "--role", "moderator", "--role", "operator", "--data", str(folder)))

    assert (found.name, found.roles) == ("Mo", ("moderator", "operator"))
    assert time.time() + 23 * 3600 < found.expires <= time.time() + 24 * 3600


def test_how_long_and_without_roles(folder: Path) -> None:
    found = bearer(folder, signed("Mo", "--hours", "0.5", "--data", str(folder)))

    assert found.roles == ()
    assert found.expires <= time.time() + 1800


def test_elsewhere_the_environment_has_the_secret(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = str(tmp_path_factory.mktemp("empty"))
    monkeypatch.setenv("NATS_URL", "nats://elsewhere")
    monkeypatch.setenv("MATINEE_GUEST_SECRET", keys_in(folder).guest_secret)

    assert bearer(folder, signed("Mo", "--data", empty)).name == "Mo"
    monkeypatch.delenv("MATINEE_GUEST_SECRET")
    with pytest.raises(Problem, match="MATINEE_GUEST_SECRET is not set"):
        signed("Mo", "--data", empty)


@pytest.mark.parametrize("arguments", [["Mo", "--role", "Moderator"], [""], ["M\no"], ["x" * 65]])
def test_what_cannot_be_signed(folder: Path, arguments: list[str]) -> None:
    with pytest.raises(Problem):
        signed(*arguments, "--data", str(folder))


@pytest.mark.parametrize("hours", ["0", "-1", "9000", "soon"])
def test_how_long_it_cannot_last(folder: Path, hours: str) -> None:
    result = CliRunner().invoke(app, ["token", "Mo", "--hours", hours, "--data", str(folder)])
    assert result.exit_code == 2


def test_without_an_installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NATS_URL", raising=False)
    with pytest.raises(Problem, match="Nothing runs"):
        signed("Mo", "--data", str(tmp_path))
