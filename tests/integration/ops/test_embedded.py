"""The embedded servers: start, crash, come back on the same port with the same data, and share a folder with nobody."""

import os
import signal
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import nats
import pytest

from ops.embedded import AlreadyRunning, Embedded, servers_over
from ops.keys import SecretsMissing, keys_in
from ops.privileges import stepping_down, unprivileged_account


def _maintenance(servers: Embedded) -> str:
    return servers.admin_database_url.rsplit("/", 1)[0] + "/postgres"


async def _remember(servers: Embedded, value: int) -> None:
    connection = await asyncpg.connect(_maintenance(servers))
    await connection.execute("create table if not exists kept(value int)")
    await connection.execute("insert into kept values ($1)", value)
    await connection.close()


async def _remembered(servers: Embedded) -> list[int]:
    connection = await asyncpg.connect(_maintenance(servers))
    rows = await connection.fetch("select value from kept order by value")
    await connection.close()
    return [row["value"] for row in rows]


async def test_a_second_start_over_the_same_folder_finds_what_the_first_one_kept(tmp_path: Path) -> None:
    with servers_over(tmp_path) as servers:
        await _remember(servers, 1)
        keys = servers.keys
    with servers_over(tmp_path) as servers:
        assert await _remembered(servers) == [1]
        assert servers.keys == keys


async def test_both_servers_come_back_from_a_kill_on_the_same_port(own_servers: Embedded) -> None:
    await _remember(own_servers, 1)
    bus = await nats.connect(own_servers.nats_url())
    await bus.jetstream().publish("ev.parties.party.kept", b"[]")
    await bus.close()

    for child in (own_servers.nats, own_servers.postgres):
        child.kill()
        assert not child.running
        child.restart()

    assert await _remembered(own_servers) == [1]
    bus = await nats.connect(own_servers.nats_url())
    assert (await bus.jetstream().stream_info("EV_PARTIES")).state.messages == 1
    await bus.close()


def test_a_folder_in_use_is_refused_with_the_holder_and_what_to_do(tmp_path: Path) -> None:
    refused = pytest.raises(AlreadyRunning, match=rf"already running over .*\(pid {os.getpid()}\).*--data")
    with servers_over(tmp_path), refused, servers_over(tmp_path):
        pass


def test_a_pid_file_left_by_a_dead_server_whose_number_was_given_away_is_no_obstacle(tmp_path: Path) -> None:
    with servers_over(tmp_path) as servers:
        servers.postgres.kill()
        pid_file = tmp_path / "postgres" / "postmaster.pid"
        lines = pid_file.read_text().splitlines()
    pid_file.write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")
    with servers_over(tmp_path) as servers:
        assert servers.postgres.running


def test_secrets_are_readable_by_their_owner_alone_and_made_once(tmp_path: Path) -> None:
    first = keys_in(tmp_path)
    assert keys_in(tmp_path) == first
    assert stat.S_IMODE((tmp_path / "secrets.json").stat().st_mode) == 0o600


def test_data_without_its_secrets_is_refused_instead_of_getting_new_ones(tmp_path: Path) -> None:
    (tmp_path / "postgres").mkdir()
    with pytest.raises(SecretsMissing, match="Put the file back from a backup"):
        keys_in(tmp_path)


@pytest.fixture
def closed_folder(tmp_path: Path) -> Iterator[Path]:
    closed = tmp_path / "closed"
    closed.mkdir()
    closed.chmod(0o700)
    yield closed
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700


def test_below_a_closed_folder_postgres_runs_as_somebody_who_is_not_root(closed_folder: Path) -> None:
    with servers_over(closed_folder / "data") as servers:
        assert servers.postgres.pid is not None
        owner = Path(f"/proc/{servers.postgres.pid}").stat().st_uid
        assert owner != 0
        assert (closed_folder / "data" / "postgres").stat().st_uid == owner
        assert stat.S_IMODE((closed_folder / "data").stat().st_mode) == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="only root steps down")
def test_who_steps_down_finds_programs_below_a_closed_folder_and_can_write_none(closed_folder: Path) -> None:
    """initdb asks access(2) for postgres, which the kernel answers without the extra right unless told not to."""
    program = closed_folder / "program"
    program.write_text("")
    program.chmod(0o755)
    account = unprivileged_account()
    assert account is not None
    for question, answer in (("-x", 0), ("-w", 1)):
        asked = stepping_down(account, ["test", question, str(program)], signal.SIGKILL)
        assert subprocess.run(asked, check=False).returncode == answer
