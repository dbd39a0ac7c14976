"""Three devices that are away now and then: through the real service they end in what all that they told comes to.

The service decides, stores, projects and answers; the expected answers are folded in memory from the same streams, in
another order. And told in any other order, the same happenings end in the same answers.
"""

import secrets
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, NamedTuple

import pytest
from tests.wait import eventually

from events.contracts.library import (
    ClearHistory,
    ContinueWatching,
    Details,
    Episode,
    History,
    Items,
    JoinIds,
    Mark,
    Report,
    Season,
    SetItem,
    Title,
    Titles,
    slot,
    title_key,
)
from events.messages import Command, Context, Query
from events.projection import LOG, TELEMETRY
from events.service import Replica, replica
from events.settings import ServiceSettings
from library.main import SERVICE
from library.queries import QUERIES
from library.title.state import Title as State
from library.title.state import evolve
from library.title.summary import Summary, summary
from ops.embedded import Embedded

DEVICES = ("tv", "phone", "laptop")
FILM, SERIES = "tt0133093", "tt0944947"
EPISODES = tuple(Episode(season=1, episode=n) for n in (1, 2, 3))
SHOW = Details(kind="series", title="Thrones", seasons=(Season(season=1, episodes=(1, 2, 3)),))
BEGIN = datetime(2026, 1, 2, 20, tzinfo=UTC)


class Told(NamedTuple):
    """Something that happened on a device, and when the service hears of it."""

    at: datetime
    heard_at: datetime
    device: str
    nth: int
    """Among what the device did."""
    fields: tuple[type[Command], dict[str, Any]]

    def command(self, late: bool) -> Command:
        """As the device sends it: at once, or later with its time."""
        kind, fields = self.fields
        told = {"at": self.at} if late else {}
        op = {} if kind is Report else {"op": f"{self.device}-{self.nth}"}
        return kind(**fields, **told, **op, device=self.device)


def lived(random: Random) -> list[Told]:
    """What three devices did in an evening, each of them away for a part of it."""
    story = []
    for device in DEVICES:
        away = random.uniform(0, 3_000)
        back = away + random.uniform(600, 4_000)
        at = random.uniform(0, 300)
        for nth, (pause, kind, fields) in enumerate(_evening(random, device)):
            at += pause
            heard = back + nth / 1_000 if away <= at < back else at
            moment, heard_at = (BEGIN + timedelta(seconds=round(seconds, 3)) for seconds in (at, heard))
            story.append(Told(moment, heard_at, device, nth, (kind, fields)))
    return sorted(story, key=lambda told: told.heard_at)


def _evening(random: Random, device: str) -> list[tuple[float, type[Command], dict[str, Any]]]:
    doing: list[tuple[float, type[Command], dict[str, Any]]] = []
    for n in range(4):
        work, episode = random.choice([(FILM, None), *((SERIES, episode) for episode in EPISODES)])
        about = {"work": work, "episode": episode, "session": f"{device}{n}", "duration": 600.0}
        position = random.choice((0.0, 200.0, 450.0))
        while position < 600 and random.random() < 0.9:
            doing.append((30.0, Report, {**about, "position": position}))
            position += 30.0
        doing.append((1.0, Report, {**about, "position": position, "state": random.choice(("paused", "stopped"))}))
        doing.append((20.0, *_decided(random)))
    return doing


def _decided(random: Random) -> tuple[type[Command], dict[str, Any]]:
    work = random.choice((FILM, SERIES))
    season = (Season(season=1, episodes=(random.choice((1, 2, 3)),)),) if work == SERIES else ()
    return random.choice(
        (
            (Mark, {"work": work, "watched": random.random() < 0.6, "seasons": season}),
            (SetItem, {"work": work, "reaction": random.choice(("loved", "mixed"))}),
            (SetItem, {"work": work, "in_watchlist": random.random() < 0.5}),
            (SetItem, {"work": work, "hidden": random.random() < 0.3}),
            (SetItem, {"work": SERIES, "details": SHOW}),
        )
    )


class House:
    """A replica of the library, and those who ask it."""

    def __init__(self, running: Replica) -> None:
        self.running = running

    async def tell(self, command: Command, uid: str, now: datetime) -> None:
        context = Context(actor=uid, now=now, command_id=secrets.token_hex(16))
        await self.running.aggregates.execute(command, context)

    async def projected(self) -> None:
        """Until everything that is stored is in the read models."""
        opened, live = self.running.stores, self.running.models.schema
        assert opened.heartbeats is not None
        wanted = {LOG: await opened.log.head(), TELEMETRY: await opened.heartbeats.head()}

        async def there() -> bool:
            reached = await opened.rebuild.reached(live)
            return all(reached[source] >= head for source, head in wanted.items())

        await eventually(there)

    async def ask(self, query: Query, uid: str) -> Any:
        context = Context(actor=uid, now=BEGIN)
        value, _ = await self.running.models.ask(lambda db: QUERIES[type(query)](db, query, context))
        return value

    async def everything(self, uid: str) -> list[Any]:
        asked = (ContinueWatching(), Titles(), Title(work=FILM), Title(work=SERIES), Items(), History(limit=100))
        return [await self.ask(query, uid) for query in asked]

    async def folded(self, uid: str, work: str) -> Summary:
        """What the streams hold of a title, the newest first."""
        key, opened = title_key(uid, work), self.running.stores
        events = [event for commit in await opened.log.read(key) for event in commit.events]
        assert opened.heartbeats is not None
        head = await opened.heartbeats.head()
        async for batch in opened.heartbeats.tail(0):
            events += [event for commit in batch if commit.key == key for event in commit.events]
            if batch[-1].sequence >= head:
                break
        state = State()
        for event in reversed(events):
            state = evolve(state, event)  # type: ignore[arg-type]  # a title's stream holds a title's events
        return summary(state, frozenset(), None)


@pytest.fixture
async def house(servers: Embedded) -> AsyncIterator[House]:
    async with replica(SERVICE, settings(servers)) as running:
        yield House(running)


def settings(servers: Embedded) -> ServiceSettings:
    return ServiceSettings(
        nats_url=servers.nats_url("library"),
        database_url=servers.database_url("library"),
        master_key=servers.keys.master_key,
        replica=secrets.token_hex(4),
    )


def newcomer() -> str:
    return f"u{secrets.token_hex(8)}"


@pytest.mark.parametrize("seed", range(3))
async def test_devices_that_were_away_end_in_what_all_of_them_told(house: House, seed: int) -> None:
    uid, story = newcomer(), lived(Random(seed))
    for told in story:
        await house.tell(told.command(late=told.at != told.heard_at), uid, told.heard_at)
    await house.projected()

    expected = {work: await house.folded(uid, work) for work in (FILM, SERIES)}
    for work, found in expected.items():
        view = await house.ask(Title(work=work), uid)
        assert [
            (slot(one.episode), one.position, one.watched, one.plays, one.updated_at, one.session) for one in view.items
        ] == [(one.slot, one.position, one.watched, one.plays, one.updated_at, one.session) for one in found.slots]
    going = {work: found.continues for work, found in expected.items() if found.continues is not None}
    continuing = (await house.ask(ContinueWatching(), uid)).items
    assert {(one.work, slot(one.episode), one.position, one.updated_at) for one in continuing} == {
        (work, one.slot, one.position, one.updated_at) for work, one in going.items()
    }
    assert {(one.work, one.status, one.reaction) for one in (await house.ask(Items(), uid)).items} == {
        (work, found.status, found.reaction) for work, found in expected.items() if found.updated_at is not None
    }
    assert {one.play for one in (await house.ask(History(limit=100), uid)).items} == {
        one.play for found in expected.values() for one in found.plays
    }


@pytest.mark.parametrize("seed", range(3))
async def test_told_in_any_order_the_same_happenings_end_in_the_same_answers(house: House, seed: int) -> None:
    random, story = Random(seed), lived(Random(seed + 10))
    late = max(told.heard_at for told in story) + timedelta(hours=1)
    people = [newcomer() for _ in range(3)]
    for uid in people:
        for told in story:
            await house.tell(told.command(late=True), uid, late)
        story = merged(story, random)
    await house.projected()

    first, *others = [await house.everything(uid) for uid in people]
    assert all(other == first for other in others)
    assert first[0].items or first[2].items


def merged(story: Sequence[Told], random: Random) -> list[Told]:
    """In another order, in which each device still tells its own in its own."""
    queues = {device: [told for told in story if told.device == device] for device in DEVICES}
    for queue in queues.values():
        queue.sort(key=lambda told: told.nth)
    order = [told.device for told in story]
    random.shuffle(order)
    return [queues[device].pop(0) for device in order]


async def test_everything_told_again_changes_nothing(house: House) -> None:
    uid, story = newcomer(), lived(Random(7))
    late = max(told.heard_at for told in story) + timedelta(hours=1)
    for told in story:
        await house.tell(told.command(late=True), uid, late)
    await house.projected()
    before = await house.everything(uid)
    head = await house.running.stores.log.head()
    for told in story:
        await house.tell(told.command(late=True), uid, late + timedelta(minutes=1))
    await house.projected()

    assert await house.everything(uid) == before
    assert await house.running.stores.log.head() == head


async def test_every_row_follows_from_the_streams(own_servers: Embedded) -> None:
    async with replica(SERVICE, settings(own_servers)) as running:
        house, uid = House(running), newcomer()
        for told in lived(Random(3)):
            await house.tell(told.command(late=told.at != told.heard_at), uid, told.heard_at)
        await house.tell(JoinIds(works=(SERIES, "tmdb:tv:1399")), uid, BEGIN + timedelta(hours=4))
        await house.tell(ClearHistory(), uid, BEGIN + timedelta(hours=5))
        await house.tell(Report(work="tmdb:tv:1399:1:2", position=10.0), uid, BEGIN + timedelta(hours=6))
        await house.projected()
        rebuild = running.stores.rebuild
        scratch = rebuild.new_name()
        await rebuild.create(scratch)
        await rebuild.fill(scratch)

        assert await rebuild.differences(running.models.schema, scratch) == {}
