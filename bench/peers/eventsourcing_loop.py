"""The `eventsourcing` library's load, decide and save on PostgreSQL, in one thread.

`python -m bench.peers.eventsourcing_loop DATABASE_URL PARTIES INSERT`; each line `SECONDS` is answered with commands a
second. Its fastest sensible settings: aggregates stay in its cache, neither copied nor looked up again there, because
one process writes. INSERT is `function`, which is the fastest, or `statements`, which is the library's default.
"""

import itertools
import sys
import time
from urllib.parse import urlsplit
from uuid import UUID

from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event


class Party(Aggregate):
    """The same rule as ours: the host alone controls."""

    @event("Opened")
    def __init__(self, host: str) -> None:
        self.host = host
        self.playing = False
        self.position = 0.0

    def play(self, by: str, position: float) -> None:
        self._must_be_host(by)
        self._played(by=by, position=position)

    def seek(self, by: str, position: float) -> None:
        self._must_be_host(by)
        self._sought(by=by, position=position)

    @event("Played")
    def _played(self, by: str, position: float) -> None:
        self.playing = True
        self.position = position

    @event("Sought")
    def _sought(self, by: str, position: float) -> None:
        self.position = position

    def _must_be_host(self, by: str) -> None:
        if by != self.host:
            raise PermissionError(by)


def settings(url: str, insert: str) -> dict[str, str]:
    place = urlsplit(url)
    return {
        "PERSISTENCE_MODULE": "eventsourcing.postgres",
        "POSTGRES_DBNAME": place.path[1:],
        "POSTGRES_HOST": place.hostname or "",
        "POSTGRES_PORT": str(place.port),
        "POSTGRES_USER": place.username or "",
        "POSTGRES_PASSWORD": place.password or "",
        "POSTGRES_SCHEMA": "public",
        "POSTGRES_ENABLE_DB_FUNCTIONS": "y" if insert == "function" else "n",
        "AGGREGATE_CACHE_MAXSIZE": "10000",
        "AGGREGATE_CACHE_FASTFORWARD": "n",
        "DEEPCOPY_FROM_AGGREGATE_CACHE": "n",
    }


def main() -> None:
    url, count, insert = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    app: Application[UUID] = Application(env=settings(url, insert))
    parties = [Party(host=f"host-{n}") for n in range(count)]
    for party in parties:
        app.save(party)
    ids = [party.id for party in parties]
    print("ready", flush=True)
    numbers = itertools.count()
    for line in sys.stdin:
        seconds, begun, done = float(line), time.perf_counter(), 0
        while time.perf_counter() - begun < seconds:
            n = next(numbers)
            loaded: Party = app.repository.get(ids[n % count])
            if n // count % 2:
                loaded.play(f"host-{n % count}", 1000.0 + n % 1000)
            else:
                loaded.seek(f"host-{n % count}", 3000.0 + n % 1000)
            app.save(loaded)
            done += 1
        print(done / (time.perf_counter() - begun), flush=True)
    app.close()


if __name__ == "__main__":
    main()
