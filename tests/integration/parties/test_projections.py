from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.integration.readmodels import ReadModel, read_model
from tests.integration.recording import Recording, cut

from events.contracts.party import (
    EXPIRES_AFTER,
    Close,
    Expire,
    Join,
    Leave,
    Members,
    Open,
    PartyCommand,
    Pause,
    Play,
    Room,
    Seek,
    State,
    access_topic,
    topic,
)
from events.messages import Context, Rejected
from events.testing import NOW
from ops.embedded import Embedded
from parties import queries
from parties.decider import decider
from parties.main import SERVICE

P, Q = "p" * 16, "q" * 16
ANA, BOB, CYD = "ana", "bob", "cyd"


@pytest.fixture
async def model(servers: Embedded) -> AsyncIterator[ReadModel]:
    async with read_model(SERVICE, servers) as model:
        yield model


@pytest.fixture
def story() -> Recording:
    return Recording(decider)


def opened(story: Recording, id: str = P, private: bool = False) -> None:
    story.tell(Open(title="Friday", media="tt0133093", name="Ana", private=private), by=ANA, after=0, id=id)


def crowd(story: Recording, size: int) -> None:
    for n in range(size):
        story.tell(Join(party_id=P, name=f"Guest {n}"), by=f"guest-{n:03d}", after=n % 2)


def asking(uid: str) -> Context:
    return Context(actor=uid, now=NOW)


async def test_a_screen_shows_the_party_as_it_stands(model: ReadModel, story: Recording) -> None:
    opened(story)
    story.tell(Join(party_id=P, name="Bob"), by=BOB)
    story.tell(Play(party_id=P, position=10.0), by=ANA)
    story.tell(Seek(party_id=P, position=60.0), by=ANA)
    story.tell(Leave(party_id=P), by=ANA)

    topics = await model.apply(story.commits)
    view = await queries.state(model.reader, State(party_id=P), asking(BOB))

    assert topics == {topic(P)}
    assert (view.host, view.members, view.playing, view.position, view.rate) == (BOB, 1, True, 60.0, 1.0)
    assert (view.at, view.opened_at, view.closed_at) == (NOW + timedelta(seconds=3), NOW, None)
    assert (view.party_id, view.title, view.media, view.private) == (P, "Friday", "tt0133093", False)


async def test_a_closed_party_stands_where_it_was_and_can_still_be_read(model: ReadModel, story: Recording) -> None:
    opened(story, private=True)
    story.tell(Play(party_id=P, position=10.0), by=ANA)
    story.tell(Close(party_id=P), by=ANA, after=4.5)

    await model.apply(story.commits)
    view = await queries.state(model.reader, State(party_id=P), asking(ANA))

    assert (view.closed_because, view.closed_at, view.playing, view.position) == ("closed", story.now, False, 14.5)


async def test_who_leaves_a_private_party_touches_the_right_to_read_it(model: ReadModel, story: Recording) -> None:
    opened(story, private=True)
    story.tell(Join(party_id=P, name="Bob"), by=BOB)
    story.tell(Leave(party_id=P), by=BOB)

    assert await model.apply(story.commits[:2]) == {topic(P)}
    assert await model.apply(story.commits[2:]) == {topic(P), access_topic(P)}


async def test_a_timer_watches_over_a_party_until_it_is_closed(model: ReadModel, story: Recording) -> None:
    opened(story)
    story.tell(Play(party_id=P), by=ANA, after=60)
    await model.apply(*cut(story.commits, 1))
    (due,) = await model.reader.fetch("select key, at, function, args from due")

    assert tuple(due) == (f"expire:{P}", story.now + EXPIRES_AFTER, "party.expire", f'{{"party_id":"{P}"}}')

    story.tell(Expire(party_id=P), by="system:parties", after=EXPIRES_AFTER.total_seconds())
    await model.apply(story.commits[2:])

    assert await model.reader.fetch("table due") == []
    assert await model.reader.fetchval("select closed_because from party") == "expired"


async def test_a_batch_of_which_nothing_is_known_passes_by(model: ReadModel, story: Recording) -> None:
    opened(story)

    assert await model.apply([commit._replace(events=()) for commit in story.commits]) == set()


async def test_a_fact_about_a_party_that_is_not_there_is_an_error(model: ReadModel, story: Recording) -> None:
    opened(story)
    story.tell(Play(party_id=P), by=ANA)

    with pytest.raises(KeyError):
        await model.apply(story.commits[1:])


class TestRights:
    async def test_a_public_party_is_read_by_anybody(self, model: ReadModel, story: Recording) -> None:
        opened(story)
        await model.apply(story.commits)

        assert (await queries.state(model.reader, State(party_id=P), asking(CYD))).party_id == P
        assert len((await queries.members(model.reader, Members(party_id=P), asking(CYD))).members) == 1

    async def test_a_private_party_is_read_by_its_members(self, model: ReadModel, story: Recording) -> None:
        opened(story, private=True)
        story.tell(Join(party_id=P, name="Bob"), by=BOB)
        await model.apply(story.commits)

        assert (await queries.state(model.reader, State(party_id=P), asking(BOB))).members == 2
        with pytest.raises(Rejected, match="not-a-member"):
            await queries.state(model.reader, State(party_id=P), asking(CYD))
        with pytest.raises(Rejected, match="not-a-member"):
            await queries.members(model.reader, Members(party_id=P), asking(CYD))
        with pytest.raises(Rejected, match="not-a-member"):
            await queries.grant(model.reader, P, asking(CYD))

    async def test_there_must_be_a_party(self, model: ReadModel) -> None:
        with pytest.raises(Rejected, match="no-such-party"):
            await queries.state(model.reader, State(party_id=P), asking(ANA))
        with pytest.raises(Rejected, match="no-such-party"):
            await queries.members(model.reader, Members(party_id=P), asking(ANA))
        with pytest.raises(Rejected, match="no-such-party"):
            await queries.grant(model.reader, P, asking(ANA))

    async def test_members_may_do_everything_on_the_channel_others_may_follow(
        self, model: ReadModel, story: Recording
    ) -> None:
        opened(story)
        await model.apply(story.commits)

        assert (await queries.grant(model.reader, P, asking(ANA))).may == ("follow", "track", "send")
        assert (await queries.grant(model.reader, P, asking(CYD))).may == ("follow",)

    async def test_nobody_follows_a_closed_party(self, model: ReadModel, story: Recording) -> None:
        opened(story)
        story.tell(Close(party_id=P), by=ANA)
        await model.apply(story.commits)

        with pytest.raises(Rejected, match="party-closed"):
            await queries.grant(model.reader, P, asking(ANA))

    async def test_a_channel_shows_the_party_and_its_first_hundred(self, model: ReadModel, story: Recording) -> None:
        opened(story)
        crowd(story, 199)
        await model.apply(story.commits)
        granted = await queries.grant(model.reader, P, asking(ANA))

        assert isinstance(granted.state, Room)
        assert (granted.state.party.members, granted.presence) == (200, "list")
        assert [member.uid for member in granted.state.members] == [ANA, *(f"guest-{n:03d}" for n in range(99))]

    async def test_presence_in_a_large_party_is_a_count(self, model: ReadModel, story: Recording) -> None:
        opened(story)
        crowd(story, 200)
        await model.apply(story.commits)

        assert (await queries.grant(model.reader, P, asking(ANA))).presence == "count"


class TestMembers:
    async def test_pages_show_everybody_once_in_the_order_of_joining(self, model: ReadModel, story: Recording) -> None:
        opened(story)
        crowd(story, 24)
        await model.apply(story.commits)
        seen, cursor, pages = list[str](), None, 0
        while pages == 0 or cursor is not None:
            page = await queries.members(model.reader, Members(party_id=P, limit=7, cursor=cursor), asking(ANA))
            seen += [member.uid for member in page.members]
            cursor, pages = page.cursor, pages + 1

        assert seen == [ANA, *(f"guest-{n:03d}" for n in range(24))]
        assert pages == 4

    async def test_a_page_that_fits_exactly_is_the_last(self, model: ReadModel, story: Recording) -> None:
        opened(story)
        await model.apply(story.commits)
        page = await queries.members(model.reader, Members(party_id=P, limit=1), asking(ANA))

        assert ([(m.uid, m.name, m.host) for m in page.members], page.cursor) == ([(ANA, "Ana", True)], None)

    async def test_who_came_back_is_last(self, model: ReadModel, story: Recording) -> None:
        opened(story)
        for command, uid in (
            (Join(party_id=P, name="Bob"), BOB),
            (Join(party_id=P, name="Cyd"), CYD),
            (Leave(party_id=P), BOB),
            (Join(party_id=P, name="Robert"), BOB),
        ):
            story.tell(command, by=uid)
        await model.apply(story.commits)
        page = await queries.members(model.reader, Members(party_id=P), asking(ANA))

        assert [(m.uid, m.name) for m in page.members] == [(ANA, "Ana"), (CYD, "Cyd"), (BOB, "Robert")]

    @pytest.mark.parametrize("cursor", ["x", "bm90IGpzb24", "é", "WzEsMl0", "Wy0xLCJhIl0", "=", "W10" * 600])
    async def test_a_foreign_cursor_is_refused(self, model: ReadModel, story: Recording, cursor: str) -> None:
        opened(story)
        await model.apply(story.commits)

        with pytest.raises(Rejected, match="bad-cursor"):
            await queries.members(model.reader, Members(party_id=P, cursor=cursor), asking(ANA))


party_ids = st.sampled_from([P, Q])
positions = st.sampled_from([None, 0.0, 10.0, 99.5])
wishes = st.one_of(
    st.builds(Open, title=st.just("t"), media=st.just("m"), name=st.just("Host"), private=st.booleans()),
    st.builds(Join, party_id=party_ids, name=st.sampled_from(["Somebody", "Someone"])),
    st.builds(Leave, party_id=party_ids),
    st.builds(Play, party_id=party_ids, position=positions),
    st.builds(Pause, party_id=party_ids, position=positions),
    st.builds(Seek, party_id=party_ids, position=st.sampled_from([0.0, 50.0])),
    st.builds(Close, party_id=party_ids),
)
steps = st.lists(st.tuples(wishes, st.sampled_from([ANA, BOB, CYD]), party_ids), max_size=40)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps)
async def test_however_the_log_is_cut_the_rows_are_the_same(
    model: ReadModel, steps: list[tuple[PartyCommand, str, str]]
) -> None:
    story = Recording(decider)
    opened(story)
    for command, uid, id in steps:
        story.tell(command, by=uid, id=id)
    found = []
    for size in (1, 3, len(story.commits)):
        await model.empty()
        await model.apply(*cut(story.commits, size))
        found.append(await model.same())

    assert found[0] == found[1] == found[2]
    parties = {row[0]: row for row in found[0]["party"]}
    for party_id, row in parties.items():
        assert row[9] == sum(member[0] == party_id for member in found[0]["member"]), "members are counted right"
