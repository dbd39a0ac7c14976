"""A person is erased from a service: all of theirs goes, step by step, and what comes after begins anew."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import msgspec
import pytest
from tests.diary import NAME, REFUSED, EntombDiary, Glance, Write, Written, as_, diary
from tests.wait import eventually

from events.bus import Bus
from events.contracts.erased import Counts, Erased, erased_key
from events.erasure import Eraser, Wish, forget_everywhere
from events.handle import SNAPSHOT_EVERY
from events.jetstream import JetStreamSnapshots
from events.messages import Answer, Key, Rejected
from events.projection import LOG
from events.service import Replica
from events.uploads import Uploads
from ops.embedded import Embedded


@pytest.fixture
async def one(house: Embedded) -> AsyncIterator[Replica]:
    async with diary(house) as running:
        yield running


@pytest.fixture
async def operator(house: Embedded) -> AsyncIterator[Bus]:
    bus = await Bus.connect(house.nats_url(), "ops")
    yield bus
    await bus.close()


@pytest.fixture
def uid() -> str:
    return secrets.token_hex(13)


async def write(running: Replica, uid: str, page: str = "1", text: str = "dear diary", number: int = 0) -> int:
    return (await running.aggregates.execute(Write(page=page, text=text, number=number), as_(uid))).sequence


async def erase(operator: Bus, uid: str, erasure: str = "e1", again: bool = False) -> Counts:
    while True:
        reply = await operator.request(f"erase.{NAME}", msgspec.json.encode(Wish(uid, erasure, again)), timeout=20)
        answer = msgspec.json.decode(reply.data, type=Answer)
        assert answer.error is None, answer.error
        if (counts := msgspec.json.decode(answer.value, type=Counts | None)) is not None:
            return counts


async def subjects(operator: Bus, stream: str, uid: str) -> list[str]:
    info = await operator.api(f"STREAM.INFO.{stream}", {"subjects_filter": ">"})
    return [subject for subject in info["state"].get("subjects") or {} if f".page.{uid}" in subject]


async def rows(running: Replica, sql: str, *args: Any) -> list[Any]:
    found, _ = await running.models.ask(lambda db: db.fetch(sql, *args))
    return found


async def pages(running: Replica, uid: str) -> list[tuple[str, int]]:
    return [(row["page"], row["lines"]) for row in await rows(running, "select * from page where uid = $1", uid)]


async def compared(running: Replica) -> dict[str, Any]:
    """How a rebuild differs from what is live."""
    rebuild = running.stores.rebuild
    scratch = rebuild.new_name()
    await rebuild.create(scratch)
    try:
        return dict(await rebuild.differences(running.models.schema, scratch))
    finally:
        await rebuild.drop(scratch)


async def test_all_of_a_person_s_own_goes_and_nobody_else_s(
    house: Embedded, one: Replica, operator: Bus, uid: str
) -> None:
    other = secrets.token_hex(13)
    for page in ("1", "2"):
        await write(one, uid, page)
    await write(one, other)
    for _ in range(SNAPSHOT_EVERY):
        await write(one, uid, "long")
    await one.aggregates.execute(Glance(page="1"), as_(uid))
    sent = Uploads(operator, NAME)
    await sent.send("f" * 32, uid, _body(b"a file"), 1000)
    await sent.send("e" * 32, other, _body(b"a file"), 1000)
    await eventually(lambda: _count(subjects(operator, f"KV_SNAP_{NAME.upper()}", uid), 1))
    await eventually(lambda: _count(rows(one, "select * from glance where uid = $1", uid), 1))
    await eventually(lambda: _count(pages(one, uid), 3))

    counts = await erase(operator, uid)

    assert counts == {
        "commits": SNAPSHOT_EVERY + 2, "aggregates": 3, "telemetry": 1, "snapshots": 1, "uploads": 2, "rows": 4,
    }  # fmt: skip
    for stream in ("EV_LIBRARY", "TEL_LIBRARY", "KV_SNAP_LIBRARY"):
        assert await subjects(operator, stream, uid) == []
    assert await sent.about("f" * 32) is None
    assert await sent.about("e" * 32) is not None
    assert await pages(one, uid) == []
    assert await rows(one, "select * from glance where uid = $1", uid) == []
    assert await rows(one, "select * from aggregate where key like $1", f"page.{uid}%") == []
    assert await pages(one, other) == [("1", 1)]
    assert await compared(one) == {}


async def test_rows_of_another_version_go_too(house: Embedded, one: Replica, operator: Bus, uid: str) -> None:
    """Those of a schema that nobody fills any more; one that has other tables is left alone."""
    rebuild = one.stores.rebuild
    old, odd = "library_0123abcd_0123abcd", "library_0123abcd_0123abce"
    await rebuild.create(old)
    await rebuild.create(odd)
    db = await asyncpg.connect(house.database_url(NAME), server_settings={"role": f"{NAME}_owner"})
    await db.execute(f"insert into {old}.page values ($1, '1', 1, 'dear diary', 0, 1)", uid)
    await db.execute(f"drop table {odd}.page, {odd}.glance")

    await erase(operator, uid)

    assert await db.fetchval(f"select count(*) from {old}.page") == 0
    for name in (old, odd):
        await rebuild.drop(name)
    await db.close()


async def test_the_same_erasure_again_says_the_same_and_changes_nothing(one: Replica, operator: Bus, uid: str) -> None:
    await write(one, uid)
    counts = await erase(operator, uid)
    stones = await one.stores.log.read(erased_key(uid))

    assert await erase(operator, uid) == counts
    assert await one.stores.log.read(erased_key(uid)) == stones
    assert [e.final for c in stones for e in c.events if isinstance(e, Erased)] == [False, True]


async def test_who_was_never_here_is_erased_with_nothing_to_erase(one: Replica, operator: Bus, uid: str) -> None:
    counts = await erase(operator, uid)

    assert set(counts.values()) == {0}


async def test_what_comes_after_begins_anew_on_every_replica(
    house: Embedded, one: Replica, operator: Bus, uid: str
) -> None:
    async with diary(house, "two") as two:
        await write(one, uid)
        await two.aggregates.state(Key.of("page", uid, "1"))
        await write(two, uid)
        await erase(operator, uid)

        await asyncio.gather(*(write(each, uid, page) for each in (one, two) for page in ("1", "2")))

        commits = await one.stores.log.read(Key.of("page", uid, "1"))
        assert [commit.first for commit in commits] == [1, 2]
        await eventually(lambda: _same(pages(one, uid), [("1", 2), ("2", 2)]))
        assert await rows(one, "select * from parked where key like $1", f"page.{uid}%") == []
        assert await compared(one) == {}


async def test_a_wish_that_changes_nothing_is_decided_on_the_new_log_too(
    house: Embedded, one: Replica, operator: Bus, uid: str
) -> None:
    async with diary(house, "two") as two:
        await write(two, uid)
        await erase(operator, uid)

        await two.aggregates.execute(Glance(page="1"), as_(uid))

        assert await subjects(operator, "TEL_LIBRARY", uid) == []
        assert (await two.aggregates.state(Key.of("page", uid, "1"))).lines == 0


async def test_a_snapshot_that_was_kept_too_late_brings_nothing_back(
    house: Embedded, one: Replica, operator: Bus, uid: str
) -> None:
    key = Key.of("page", uid, "1")
    for _ in range(SNAPSHOT_EVERY):
        await write(one, uid)
    kept = JetStreamSnapshots(operator, NAME)
    await eventually(lambda: _is(kept.get(key)))
    snapshot = await kept.get(key)
    await erase(operator, uid)
    assert snapshot is not None
    await kept.put(key, snapshot)

    async with diary(house, "two") as two:
        assert (await two.aggregates.state(key)).lines == 0
        await write(two, uid)
        assert (await two.aggregates.state(key)).lines == 1


async def test_a_command_that_is_sent_again_after_it_was_erased_is_carried_out_again(
    one: Replica, operator: Bus, uid: str
) -> None:
    """JetStream remembers the ids of messages for two minutes, also of those that were deleted."""
    command, context = Write(page="1", text="dear diary"), as_(uid)
    await one.aggregates.execute(command, context)
    await erase(operator, uid)

    async with asyncio.timeout(2):
        done = await one.aggregates.execute(command, context)

    assert (done.committed, done.repeated) == (True, False)
    assert [commit.first for commit in await one.stores.log.read(Key.of("page", uid, "1"))] == [1]
    assert (await one.aggregates.execute(command, context)).repeated


async def test_parked_commits_go_too_and_their_key_works_again(one: Replica, operator: Bus, uid: str) -> None:
    await write(one, uid, number=REFUSED)
    await eventually(lambda: _count(rows(one, "select * from parked where key like $1", f"page.{uid}%"), 1))

    await erase(operator, uid)

    assert await rows(one, "select * from parked where key like $1", f"page.{uid}%") == []
    await write(one, uid)
    await eventually(lambda: _same(pages(one, uid), [("1", 1)]))


@pytest.mark.parametrize("step", ["_survey", "_delete", "_sweep", "_left", "_projected"])
async def test_cut_off_at_any_step_it_is_done_again_with_the_same_certificate(
    one: Replica, operator: Bus, uid: str, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for page in ("1", "2", "3"):
        await write(one, uid, page)
    await eventually(lambda: _count(pages(one, uid), 3))
    doing, cut = getattr(Eraser, step), [2]

    async def dies(self: Eraser, *args: Any) -> Any:
        """Once before it is done, once after."""
        cut[0] -= 1
        if cut[0] == 0:
            await doing(self, *args)
        if cut[0] >= 0:
            raise Rejected("unavailable", server="the process was killed")
        return await doing(self, *args)

    monkeypatch.setattr(Eraser, step, dies)
    for _ in range(2):
        with pytest.raises(AssertionError):
            await erase(operator, uid)

    assert (await erase(operator, uid)) | {"rows": 3} == {
        "commits": 3, "aggregates": 3, "telemetry": 0, "snapshots": 0, "uploads": 0, "rows": 3,
    }  # fmt: skip
    assert await subjects(operator, "EV_LIBRARY", uid) == []
    assert await pages(one, uid) == []


async def test_two_replicas_at_once_do_each_other_no_harm(
    house: Embedded, one: Replica, operator: Bus, uid: str
) -> None:
    async with diary(house, "two"):
        await asyncio.gather(*(write(one, uid, str(page)) for page in range(60) for _ in range(3)))
        await eventually(lambda: _count(pages(one, uid), 60))

        found = await asyncio.gather(*(erase(operator, uid, again=again) for again in (False, True) * 4))

        assert {counts["commits"] for counts in found} == {180}
        assert await subjects(operator, "EV_LIBRARY", uid) == []
        await write(one, uid)
        await eventually(lambda: _same(pages(one, uid), [("1", 1)]))
        assert await compared(one) == {}


async def test_commands_of_the_same_person_that_race_with_it_are_carried_out_or_erased(
    house: Embedded, one: Replica, operator: Bus, uid: str
) -> None:
    """Whatever is left in the end is whole: nothing is missing, nothing is parked, and a rebuild says the same."""
    stop = asyncio.Event()
    refused: list[str] = []

    async def scribble(running: Replica, page: str) -> None:
        while not stop.is_set():
            try:
                await write(running, uid, page)
            except Rejected as refusal:
                refused.append(refusal.code)
                await asyncio.sleep(0.01)

    async with diary(house, "two") as two:
        writers = [asyncio.create_task(scribble(each, page)) for each in (one, two) for page in "abc"]
        for number in range(6):
            await asyncio.sleep(0.2)  # for the writers to have written again what is to be erased
            await erase(operator, uid, f"e{number}")
            await erase(operator, uid, f"e{number}", again=True)
        stop.set()
        await asyncio.gather(*writers)
        assert set(refused) <= {"busy"}
        for page in "abc":
            commits = await one.stores.log.read(Key.of("page", uid, page))
            assert [commit.first for commit in commits] == list(range(1, len(commits) + 1))
        head = await one.stores.log.head()
        await eventually(lambda: _reached(one, head), within=20)
        assert await rows(one, "select * from parked where key like $1", f"page.{uid}%") == []
        assert await compared(one) == {}


async def test_a_rebuild_while_somebody_is_being_erased_comes_to_the_same(
    house: Embedded, one: Replica, operator: Bus, uid: str
) -> None:
    await write(one, uid)
    await one.aggregates.execute(EntombDiary(uid=uid, erasure="e1"), as_("system:library"))
    await write(one, uid)
    head = await one.stores.log.head()
    await eventually(lambda: _reached(one, head))

    assert await compared(one) == {}
    assert await pages(one, uid) == []
    await erase(operator, uid)
    await write(one, uid)
    await eventually(lambda: _same(pages(one, uid), [("1", 1)]))


async def test_when_the_key_is_destroyed_every_replica_forgets_it(
    house: Embedded, one: Replica, operator: Bus, uid: str
) -> None:
    await write(one, uid)
    old = (await one.stores.log.read(Key.of("page", uid, "1")))[0].events

    async def text(running: Replica) -> str:
        (event,) = await running.stores.vault.open(old)
        assert isinstance(event, Written)
        return event.text

    async with diary(house, "two") as two:
        assert await text(two) == "dear diary"
        await one.stores.vault.destroy(uid)
        assert await text(two) == "dear diary"

        await forget_everywhere(operator, uid)
        await operator.api(f"STREAM.INFO.EV_{NAME.upper()}")

        async def gone() -> bool:
            return await text(two) == ""

        await eventually(gone)


async def test_who_was_cut_off_when_a_key_was_destroyed_forgets_it_all_the_same(
    house: Embedded, one: Replica, uid: str
) -> None:
    await write(one, uid)
    old = (await one.stores.log.read(Key.of("page", uid, "1")))[0].events
    async with diary(house, "two") as two:
        await two.stores.vault.open(old)
        await one.stores.vault.destroy(uid)

        two.stores.bus._client._transport.close()  # type: ignore[union-attr]  # as a network does

        async def gone() -> bool:
            (event,) = await two.stores.vault.open(old)
            return isinstance(event, Written) and event.text == ""

        await eventually(gone)


async def test_no_other_service_may_destroy_a_key(house: Embedded) -> None:
    db = await asyncpg.connect(house.database_url("parties"), server_settings={"role": "parties_writer"})
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await db.execute("delete from vault.person_key")
    await db.close()


async def _reached(running: Replica, sequence: int) -> bool:
    at = await running.stores.rebuild.reached(running.models.schema)
    return at[LOG] >= sequence


async def _count(found: Any, count: int) -> bool:
    return len(await found) == count


async def _same(found: Any, wanted: Any) -> bool:
    return bool(sorted(await found) == wanted)


async def _is(found: Any) -> bool:
    return (await found) is not None


async def _body(data: bytes) -> AsyncIterator[bytes]:
    yield data
