"""One machine with stand-in services: what dies comes back, what is stopped is gone, nothing outlives its parent."""

import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from tests.wait import eventually_now

from ops.embedded import Embedded
from ops.ports import free_port
from ops.running import NotRunning, Running, running_over

STAND_IN = Path(__file__).with_name("stand_in.py")


@contextmanager
def machine(folder: Path, port: int, **settings: str) -> Iterator[subprocess.Popen[str]]:
    """Up and ready; whatever a test leaves of it is killed."""
    process = subprocess.Popen(
        [sys.executable, str(STAND_IN), str(folder), str(port)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | settings,
    )
    try:
        lines = []
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            if line.startswith("Ready in"):
                break
        else:
            pytest.fail("".join(lines))
        yield process
    finally:
        process.kill()
        process.communicate()


def lives(pid: int | None) -> bool:
    try:
        return pid is not None and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def pids(running: Running) -> dict[str, int | None]:
    return {process.name: process.pid for process in running.processes}


@pytest.mark.parametrize("victim", ["nats", "postgres", "parties", "gateway"])
def test_whatever_is_killed_is_started_again_at_the_same_address(tmp_path: Path, victim: str) -> None:
    with machine(tmp_path, free_port()) as process:
        before = running_over(tmp_path)
        pid = pids(before)[victim]
        assert pid is not None
        os.kill(pid, signal.SIGKILL)

        def is_back() -> bool:
            now = pids(running_over(tmp_path))
            return now[victim] != pid and all(lives(pid) for pid in now.values())

        eventually_now(is_back, within=10)
        after = running_over(tmp_path)
        assert (after.nats_url, after.database_url, after.gateway) == (
            before.nats_url,
            before.database_url,
            before.gateway,
        )
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_asked_to_stop_it_ends_everything_and_says_that_all_is_well(tmp_path: Path, number: signal.Signals) -> None:
    with machine(tmp_path, free_port()) as process:
        running = running_over(tmp_path)
        process.send_signal(number)
        assert process.wait(20) == 0
        assert not any(lives(pid) for pid in pids(running).values())
        with pytest.raises(NotRunning, match="make run"):
            running_over(tmp_path)


def test_a_killed_supervisor_leaves_no_orphan_and_the_next_one_goes_on(tmp_path: Path) -> None:
    port = free_port()
    with machine(tmp_path, port) as process:
        running = running_over(tmp_path)
        process.kill()
    with machine(tmp_path, port):
        assert running_over(tmp_path).pid != running.pid
    eventually_now(lambda: not any(lives(pid) for pid in pids(running).values()), within=10)


def test_a_second_one_over_the_same_folder_is_told_what_to_do(tmp_path: Path) -> None:
    with machine(tmp_path, free_port()) as first:
        second = subprocess.run(
            [sys.executable, str(STAND_IN), str(tmp_path), str(free_port())],
            capture_output=True,
            text=True,
            check=False,
        )
    assert second.returncode == 1
    assert f"already running over {tmp_path} (pid {first.pid})" in second.stderr


def test_a_taken_port_is_named_with_the_setting_that_changes_it(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        answer = subprocess.run(
            [sys.executable, "-m", "ops", "up", "--data", str(tmp_path), "--port", str(port)],
            capture_output=True,
            text=True,
            check=False,
        )
    assert answer.returncode == 1
    assert answer.stderr.startswith(f"matinee: 127.0.0.1:{port} is taken")
    assert "MATINEE_PORT" in answer.stderr


def test_given_servers_are_used_instead_of_embedded_ones(tmp_path: Path, own_servers: Embedded) -> None:
    folder = tmp_path / "elsewhere"
    given = {"NATS_URL": own_servers.nats_url(), "DATABASE_URL": own_servers.admin_database_url}
    with machine(folder, free_port(), **given) as process:
        running = running_over(folder)
        assert list(pids(running)) == ["parties", "gateway"]
        assert (running.nats_url, running.database_url) == (given["NATS_URL"], given["DATABASE_URL"])
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    assert own_servers.nats.running
    assert own_servers.postgres.running


def test_one_given_server_without_the_other_is_refused(tmp_path: Path) -> None:
    answer = subprocess.run(
        [sys.executable, str(STAND_IN), str(tmp_path), str(free_port())],
        env=os.environ | {"NATS_URL": "nats://127.0.0.1:1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 1
    assert "DATABASE_URL is not set" in answer.stderr


def test_status_shows_every_process_and_no_password(tmp_path: Path) -> None:
    with machine(tmp_path, free_port()):
        shown = subprocess.run(
            [sys.executable, "-m", "ops", "status", "--data", str(tmp_path)], capture_output=True, text=True, check=True
        ).stdout
        running = running_over(tmp_path)
        assert all(name in shown for name in pids(running))
        assert running.nats_url not in shown
        assert stat.S_IMODE((tmp_path / "run.json").stat().st_mode) == 0o600
