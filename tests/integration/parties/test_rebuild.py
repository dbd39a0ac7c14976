"""Read models of parties on a real log: they can be built anew, and only what is kept for a while may be missing."""

import secrets
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import asyncpg
import pytest
from tests.integration.parties.stories import ANA, BOB, CYD, asking
from tests.wait import eventually

from events.bus import Bus
from events.contracts.party import (
    CHANNEL,
    Ban,
    ChangeMedia,
    Enqueue,
    Join,
    Members,
    Open,
    PartyView,
    Play,
    Profile,
    Sample,
    Sampled,
    ShowTimeline,
    State,
    Vote,
)
from events.messages import Command, Context
from events.projection import LOG, TELEMETRY
from events.service import Replica, replica
from events.settings import ServiceSettings
from ops.embedded import Embedded
from parties.main import SERVICE
from parties.queries import QUERIES


class House:
    """A replica of the parties service, and a party that lives through a little of everything."""

    def __init__(self, servers: Embedded, running: Replica) -> None:
        self.servers = servers
        self.running = running
        self.party_id = ""

    async def tell(self, command: Command, by: str) -> str:
        context = Context(actor=by, now=datetime.now(UTC), command_id=secrets.token_hex(16), secret="5ec4e7")
        await self.running.aggregates.execute(command, context)
        return context.command_id

    async def live_through(self) -> None:
        self.party_id = id = (await self.tell(Open(title="Friday", media="tt1", source="magnet:1", name="Ana"), ANA))[
            :16
        ]
        for uid in (BOB, CYD):
            await self.tell(Join(party_id=id, name=uid.title()), uid)
        await self.tell(Profile(party_id=id, name="Bobby", status="here"), BOB)
        item = (await self.tell(Enqueue(party_id=id, media="tt2", source="magnet:2"), BOB))[:12]
        await self.tell(Vote(party_id=id, item=item), CYD)
        await self.tell(ChangeMedia(party_id=id, media="tt3", source="magnet:3"), ANA)
        await self.tell(Play(party_id=id), ANA)
        await self.tell(Ban(party_id=id, uid=CYD), ANA)
        await self.sample(0.5)

    async def sample(self, drift: float) -> None:
        heartbeats = self.running.stores.heartbeats
        assert heartbeats is not None
        event = Sampled(
            at=datetime.now(UTC), position=1.0, playing=True, present=1, members={ANA: Sample(drift, "in-sync")}
        )
        await heartbeats.put(CHANNEL.key(self.party_id), "sync", event, Context(actor="", now=event.at))
        self.sampled_at = event.at

    async def projected(self) -> str:
        """The live schema, once everything is in it."""
        opened, live = self.running.stores, self.running.models.schema
        assert opened.heartbeats is not None
        wanted = {LOG: await opened.log.head(), TELEMETRY: await opened.heartbeats.head()}

        async def there() -> bool:
            reached = await opened.rebuild.reached(live)
            return all(reached[source] >= head for source, head in wanted.items())

        await eventually(there)
        return live

    async def built_anew(self) -> str:
        rebuild = self.running.stores.rebuild
        name = rebuild.new_name()
        await rebuild.create(name)
        await rebuild.fill(name)
        return name

    async def reading(self, schema: str) -> "asyncpg.Connection":
        return await asyncpg.connect(
            self.servers.database_url("parties"),
            server_settings={"role": "parties_reader", "search_path": schema},
        )

    async def operator(self) -> Bus:
        return await Bus.connect(self.servers.nats_url(), "ops")


@pytest.fixture
async def house(own_servers: Embedded) -> AsyncIterator[House]:
    settings = ServiceSettings(
        nats_url=own_servers.nats_url("parties"),
        database_url=own_servers.database_url("parties"),
        master_key=own_servers.keys.master_key,
        replica="one",
    )
    async with replica(SERVICE, settings) as running:
        house = House(own_servers, running)
        await house.live_through()
        yield house


async def test_every_row_follows_from_the_log_but_for_telemetry_that_is_gone(house: House) -> None:
    live = await house.projected()
    operator = await house.operator()
    await operator.api("STREAM.PURGE.TEL_PARTIES", {})
    await operator.close()
    scratch = await house.built_anew()

    assert await house.running.stores.rebuild.differences(live, scratch) == {}
    counts = {}
    for schema in (live, scratch):
        db = await house.reading(schema)
        counts[schema] = [
            await db.fetchval(f"select count(*) from {table}") for table in ("happened", "sync_sample", "heard")
        ]
        await db.close()
    assert (counts[live][1:], counts[scratch][1:]) == ([1, 1], [0, 0])
    assert counts[live][0] == counts[scratch][0] > 9


async def test_a_row_that_the_log_does_not_explain_is_found(house: House) -> None:
    live = await house.projected()
    writer = await asyncpg.connect(house.servers.database_url("parties"), server_settings={"role": "parties_writer"})
    await writer.execute(f"update {live}.happened set media_seconds = 99 where type = 'party.played'")
    await writer.execute(f"update {live}.heard set drift = 99")
    await writer.close()

    assert list(await house.running.stores.rebuild.differences(live, await house.built_anew())) == ["happened"]


async def test_telemetry_that_is_still_there_comes_back(house: House) -> None:
    await house.sample(0.25)
    db = await house.reading(await house.built_anew())
    page = await QUERIES[Members](db, Members(party_id=house.party_id), asking(ANA))
    timeline = await QUERIES[ShowTimeline](db, ShowTimeline(party_id=house.party_id), asking(ANA, datetime.now(UTC)))
    await db.close()

    assert [(member.uid, member.drift, member.seen_at) for member in page.members] == [
        (ANA, 0.25, house.sampled_at), (BOB, None, None),
    ]  # fmt: skip
    assert [drifts.drift for drifts in timeline.samples] == [{ANA: 0.25}, {ANA: 0.5}]


async def test_who_was_erased_is_nowhere_after_a_rebuild(house: House) -> None:
    admin = await asyncpg.connect(house.servers.admin_database_url)
    await admin.execute("delete from vault.person_key where uid = any($1)", [ANA, BOB])
    await admin.close()
    async with replica(SERVICE, _elsewhere(house)) as running:
        name = running.stores.rebuild.new_name()
        await running.stores.rebuild.create(name)
        await running.stores.rebuild.fill(name)
    db = await house.reading(name)
    view: PartyView = await QUERIES[State](db, State(party_id=house.party_id), asking(ANA))
    people = await db.fetch("select name, avatar, status from person where uid = any($1)", [ANA, BOB])
    sources = await db.fetch("select source from item")
    await db.close()

    assert {tuple(row) for row in people} == {("", "", "")}
    assert (view.source, view.media, [row["source"] for row in sources]) == ("", "tt3", [""])


def _elsewhere(house: House) -> ServiceSettings:
    """A process that has no key in its memory."""
    return ServiceSettings(
        nats_url=house.servers.nats_url("parties"),
        database_url=house.servers.database_url("parties"),
        master_key=house.servers.keys.master_key,
        replica="two",
    )
