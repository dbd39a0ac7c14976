"""Everything on one machine: servers, provisioning, services; what `matinee up` does."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from ops.child import Child, rotate_log
from ops.embedded import Embedded, hold
from ops.keys import keys_in
from ops.ports import is_free
from ops.problem import Problem
from ops.programs import Elsewhere, Program, Servers, programs, reachable
from ops.provision import provision
from ops.running import Process, Running, forget_running, write_running
from ops.supervisor import Supervisor

Table = Callable[[Servers, str, int], list[Program]]

_PATIENCE = 30.0  # seconds for the servers: what a crash left behind may still be going away


class Machine:
    """From the first server's start to the last one's end. `table` says what runs beside the servers."""

    def __init__(self, folder: Path, host: str, port: int, table: Table = programs) -> None:
        self.folder = folder
        self.logs = folder / "logs"
        self.host, self.port = host, port
        self.url = reachable(host, port)
        self.supervisor = Supervisor(lambda line: _say(f"  {line}"), self._write_down)
        self.servers: Servers | None = None
        self.table = table
        self.programs: list[Program] = []
        self.children: list[Child] = []

    async def run(self) -> None:
        """Until SIGINT, SIGTERM or a closed terminal; a second signal does not wait for anybody."""
        with hold(self.folder):
            if not is_free(self.port, self.host):
                raise Problem(
                    f"{self.host}:{self.port} is taken by another program. "
                    "Choose another port: MATINEE_PORT=8081 make run"
                )
            await self._run()

    async def _run(self) -> None:
        stopping = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in _asked_to_stop_by():
            loop.add_signal_handler(number, stopping.set)
        work = asyncio.create_task(self._begin())
        stop = asyncio.create_task(stopping.wait())
        try:
            await asyncio.wait({work, stop}, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                work.result()
                await stop
        finally:
            work.cancel()
            for number in _asked_to_stop_by():
                loop.add_signal_handler(number, self.supervisor.kill)  # asked twice: at once
            with contextlib.suppress(asyncio.CancelledError, Problem):
                await work
            _say("Stopping")
            await self.supervisor.stop()
            forget_running(self.folder)
        _say("Stopped. What was acknowledged is kept; the next start goes on from here.")

    async def _begin(self) -> None:
        began = time.monotonic()
        _say(f"Matinee starts over {self.folder}")
        servers = await self._begin_servers()
        await self._provision(servers)
        self.programs = self.table(servers, self.host, self.port)
        children = [program.child(self.logs) for program in self.programs]
        for child in children:
            rotate_log(child.log)
        self.children += children
        await self.supervisor.begin(children, lambda child: self.url if child.name == "gateway" else "ready")
        self._invite(time.monotonic() - began)

    async def _begin_servers(self) -> Servers:
        if own := _given("NATS_URL", "DATABASE_URL"):
            elsewhere = Elsewhere(keys_in(self.folder), own)
            self.servers = elsewhere
            _say("  using the NATS_URL and DATABASE_URL that are set")
            return elsewhere
        embedded = await asyncio.to_thread(Embedded.over, self.folder)
        self.servers = embedded
        self.children = [embedded.nats, embedded.postgres]
        ports = {"nats": embedded.nats_port, "postgres": embedded.postgres_port}
        await self.supervisor.begin(self.children, lambda child: f"127.0.0.1:{ports[child.name]}", _PATIENCE)
        return embedded

    async def _provision(self, servers: Servers) -> None:
        began = time.monotonic()
        logins = servers.own_logins() if isinstance(servers, Elsewhere) else servers.keys.database
        drifts = await provision(servers.nats_url(), servers.admin_database_url, logins)
        _say(f"  {'streams':<12}{(time.monotonic() - began) * 1000:>7.0f} ms  and database roles as declared")
        for drift in drifts:
            _say(f"  differs from its declaration: {drift}")

    def _write_down(self) -> None:
        if self.servers is None:
            return
        known = {program.name: program for program in self.programs}
        write_running(
            self.folder,
            Running(
                pid=os.getpid(),
                gateway=self.url,
                nats_url=self.servers.nats_url(),
                database_url=self.servers.admin_database_url,
                processes=[
                    Process(
                        name=child.name,
                        pid=child.pid,
                        log=str(child.log),
                        ready_url=known[child.name].ready_url if child.name in known else None,
                        environment=dict(known[child.name].environment) if child.name in known else {},
                    )
                    for child in self.children
                ],
            ),
        )

    def _invite(self, seconds: float) -> None:
        socket = self.url.replace("http", "ws", 1)
        _say(
            f"Ready in {seconds:.1f} s. Try\n"
            f"  {self.url + '/':<34} the watch page\n"
            f"  {self.url + '/docs':<34} every function, with its arguments\n"
            f"  {socket + '/v1/ws':<34} the socket, subprotocol matinee.v1\n"
            f"  {'make demo':<34} two guests watch together (in another terminal)\n"
            f"Logs are in {self.logs}. Ctrl-C stops everything."
        )


def _given(*names: str) -> dict[str, str]:
    """The whole environment when all of these are set, nothing when none is."""
    missing = [name for name in names if not os.environ.get(name)]
    if 0 < len(missing) < len(names):
        raise Problem(f"{missing[0]} is not set. Set {' and '.join(names)} together, or neither for embedded servers.")
    return {} if missing else dict(os.environ)


def _asked_to_stop_by() -> list[signal.Signals]:
    """A closed terminal counts too, unless we were started with nohup."""
    hangup = [] if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else [signal.SIGHUP]
    return [signal.SIGINT, signal.SIGTERM, *hangup]


def _say(line: str) -> None:
    print(line, flush=True)
