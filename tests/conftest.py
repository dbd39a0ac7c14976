"""Real servers for the tests that ask for them.

`servers`  one NATS and one PostgreSQL for the whole run, on free ports in a temporary folder, with every stream
           and role provisioned and the same permissions as in production. It belongs to no event loop.
           `servers.nats_url("parties")`, `servers.nats_url()` (the operator), `servers.database_url("parties")`,
           `servers.admin_database_url`, `servers.keys`. Shared: use ids of your own, and do not stop it.
`own_servers`  the same for one test alone, which may do `servers.nats.kill()`, `servers.postgres.restart()`
           (on the same port) and anything else.
`system`   a whole Matinee, started once per run by `matinee up`: `system.http`, `system.ws`. Shared like `servers`.
"""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops.embedded import Embedded, servers_over
from ops.provision import provision
from tests.system import System, system_over

THOROUGHLY = bool(os.environ.get("MATINEE_FAULTS_SLOWLY"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if not THOROUGHLY:
        skip = pytest.mark.skip(reason="one of many like it; MATINEE_FAULTS_SLOWLY=1 runs it")
        for item in items:
            if item.get_closest_marker("thorough") is not None:
                item.add_marker(skip)


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Embedded]:
    yield from _provisioned(tmp_path_factory.mktemp("servers"))


@pytest.fixture
def own_servers(tmp_path: Path) -> Iterator[Embedded]:
    yield from _provisioned(tmp_path / "servers")


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    with system_over(tmp_path_factory.mktemp("system")) as running:
        yield running


def _provisioned(folder: Path) -> Iterator[Embedded]:
    with servers_over(folder) as running:
        drifts = asyncio.run(provision(running.nats_url(), running.admin_database_url, running.keys.database))
        assert drifts == []
        yield running
