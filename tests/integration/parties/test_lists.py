from datetime import timedelta

import pytest
from tests.integration.parties.stories import (
    ANA,
    BOB,
    CYD,
    KEY,
    asking,
    every_page,
    joined,
    opened,
    sampled,
)
from tests.integration.readmodels import ReadModel
from tests.integration.recording import Recording

from events.contracts.party import (
    Ban,
    ChangeMedia,
    Close,
    Configure,
    Drop,
    HandOver,
    Join,
    Kick,
    Leave,
    ListedParty,
    ListParties,
    Mine,
    MyParty,
    Play,
    Profile,
    Sample,
)
from events.messages import Rejected
from events.testing import NOW
from parties.queries.lists import list_parties, mine

ALL = [f"party-{n:02d}" for n in range(12)]
HERE = Sample(0.0, "in-sync")


async def listed(model: ReadModel, search: str = "", limit: int = 50) -> list[ListedParty]:
    page = await list_parties(model.reader, ListParties(search=search, limit=limit), asking(CYD))
    return page.parties


async def found(model: ReadModel, search: str) -> set[str]:
    return {party.title for party in await listed(model, search)}


class TestPublicParties:
    async def test_a_room_of_the_anime_backend_is_listed(self, model: ReadModel, story: Recording) -> None:
        opened(
            story, "abc123def4", by="user123", title="Watching Attack on Titan S1E1 Together", media="aot-season-1",
            media_title="Attack on Titan", episode=1, name="AnimeFan99", source="https://example.com/video.mp4",
        )  # fmt: skip
        joined(story, "user456", party_id="abc123def4")
        story.tell(Play(party_id="abc123def4"), by="user123")
        await model.apply(story.commits)

        assert await listed(model) == [
            ListedParty(
                party_id="abc123def4", title="Watching Attack on Titan S1E1 Together", media="aot-season-1",
                media_title="Attack on Titan", season=None, episode=1, host="user123", host_name="AnimeFan99",
                members=2, viewers=0, locked=False, playing=True, opened_at=NOW,
            )
        ]  # fmt: skip

    async def test_private_and_closed_parties_are_not_listed(self, model: ReadModel, story: Recording) -> None:
        for id, private in zip(ALL, (False, True, False, False), strict=False):
            opened(story, id, private=private)
        story.tell(Close(party_id=ALL[2]), by=ANA)
        story.tell(Configure(party_id=ALL[3], private=True), by=ANA)
        await model.apply(story.commits)

        assert [party.party_id for party in await listed(model)] == [ALL[0]]
        story.tell(Configure(party_id=ALL[3], private=False), by=ANA)
        await model.apply(story.commits[-1:])
        assert [party.party_id for party in await listed(model)] == [ALL[0], ALL[3]]

    async def test_most_viewers_come_first_then_the_newest(self, model: ReadModel, story: Recording) -> None:
        for id in ALL[:4]:
            story.now += timedelta(seconds=1)
            opened(story, id)
        await model.apply(story.commits)
        sampled(story, party_id=ALL[1], after=1, ana=HERE, bob=HERE)
        sampled(story, party_id=ALL[0], after=1, ana=HERE)
        await model.apply(story.heartbeats)

        shown = [(party.party_id, party.viewers) for party in await listed(model)]
        assert shown == [(ALL[1], 2), (ALL[0], 1), (ALL[3], 0), (ALL[2], 0)]

    async def test_viewers_of_whom_nothing_is_heard_are_gone(self, model: ReadModel, story: Recording) -> None:
        opened(story, ALL[0])
        sampled(story, party_id=ALL[0], ana=HERE)
        await model.apply(story.commits)
        await model.apply(story.heartbeats)

        for seconds, viewers in ((30, 1), (90, 0)):
            asked = asking(CYD, story.now + timedelta(seconds=seconds))
            (party,) = (await list_parties(model.reader, ListParties(), asked)).parties
            assert party.viewers == viewers
        sampled(story, party_id=ALL[0])
        await model.apply(story.heartbeats[-1:])
        (party,) = await listed(model)
        assert party.viewers == 0

    async def test_pages_show_every_party_once(self, model: ReadModel, story: Recording) -> None:
        for n, id in enumerate(ALL):
            story.now += timedelta(seconds=n % 2)
            opened(story, id)
        for n, id in enumerate(ALL[:6]):
            sampled(story, party_id=id, after=0, **{f"p{k}": HERE for k in range(n % 3)})
        await model.apply(story.commits)
        await model.apply(story.heartbeats)

        async def ask(cursor: str | None) -> tuple[list[ListedParty], str | None]:
            page = await list_parties(model.reader, ListParties(limit=5, cursor=cursor), asking(CYD, story.now))
            return page.parties, page.cursor

        pages = await every_page(ask)
        parties = [party for page in pages for party in page]
        assert [len(page) for page in pages] == [5, 5, 2]
        assert sorted(party.party_id for party in parties) == ALL
        in_order = [(-party.viewers, -party.opened_at.timestamp(), party.party_id) for party in parties]
        assert in_order == sorted(in_order)

    async def test_the_host_is_named_as_they_are_called_now(self, model: ReadModel, story: Recording) -> None:
        opened(story, ALL[0])
        joined(story, BOB, party_id=ALL[0])
        story.tell(Profile(party_id=ALL[0], name="Bobby"), by=BOB)
        story.tell(HandOver(party_id=ALL[0], uid=BOB), by=ANA)
        await model.apply(story.commits)
        (party,) = await listed(model)

        assert (party.host, party.host_name) == (BOB, "Bobby")

    @pytest.mark.parametrize("cursor", ["x", "é", "W10", "WzEsMl0", "Wy0xLDAsImEiXQ", "WzFlOTksMCwiYSJd", "W10" * 600])
    async def test_a_foreign_cursor_is_refused(self, model: ReadModel, cursor: str) -> None:
        with pytest.raises(Rejected, match="bad-cursor"):
            await list_parties(model.reader, ListParties(cursor=cursor), asking(CYD))


class TestSearch:
    TITLES = (
        "Watching Attack on Titan S1E1 Together",
        "Steins;Gate & friends",
        "進撃の巨人 観賞会",
        "Émilie aime le cinéma",
        "Привет, Мир!",
        "ＦＵＬＬＷＩＤＴＨ night",
        "user@example.com's 3.14 party_time",
        "'; drop table party; --",
    )

    @pytest.fixture
    async def model(self, model: ReadModel, story: Recording) -> ReadModel:
        for id, title in zip(ALL, self.TITLES, strict=False):
            opened(story, id, title=title)
        await model.apply(story.commits)
        return model

    @pytest.mark.parametrize(
        ("search", "title"),
        [
            ("attack", 0), ("TITAN", 0), ("tog att", 0), ("s1e1", 0), ("gate", 1), ("steins;gate", 1),
            ("進撃", 2), ("観賞会", 2), ("ÉMILIE", 3), ("ciné", 3), ("привет", 4), ("МИР", 4), ("fullw", 5),
            ("ｎｉｇｈｔ", 5), ("example", 6), ("3.14", 6), ("party_time", 6), ("time", 6), ("drop table", 7),
            ("titan & attack", 0), ("attack | titan:*", 0), ("'titan'", 0), ("(titan", 0),
            ("!titan", 0), ("\\titan", 0),
        ],
    )  # fmt: skip
    async def test_beginnings_of_words_are_found_however_they_are_written(
        self, model: ReadModel, search: str, title: int
    ) -> None:
        assert await found(model, search) == {self.TITLES[title]}

    @pytest.mark.parametrize("search", ["itan", "attack gate", "???", "&", "':*", "\\", "%", "_", "—", "🍿", "x" * 200])
    async def test_what_is_not_there_is_not_found(self, model: ReadModel, search: str) -> None:
        assert await found(model, search) == set()

    @pytest.mark.parametrize("search", ["", "   ", "\t\n"])
    async def test_who_asks_for_nothing_in_particular_gets_all(self, model: ReadModel, search: str) -> None:
        assert await found(model, search) == set(self.TITLES)

    async def test_a_hundred_words_are_a_search_like_any_other(self, model: ReadModel) -> None:
        assert await found(model, "a " * 100) == {self.TITLES[0], self.TITLES[3]}

    async def test_a_word_may_be_longer_than_the_database_takes(self, model: ReadModel, story: Recording) -> None:
        """As it is compared, each of these letters is four."""
        opened(story, ALL[11], title="㌀" * 200)
        await model.apply(story.commits[-1:])

        assert await found(model, "㌀" * 200) == await found(model, "アパ") == {"㌀" * 200}
        assert await found(model, "㌀" * 20 + "x") == set()

    async def test_what_is_watched_is_found_as_well_as_long_as_it_is(self, model: ReadModel, story: Recording) -> None:
        story.tell(ChangeMedia(party_id=ALL[0], media="tt1", media_title="Matrix"), by=ANA)
        await model.apply(story.commits[-1:])
        assert await found(model, "matrix attack") == {self.TITLES[0]}
        story.tell(ChangeMedia(party_id=ALL[0], media="tt2"), by=ANA)
        await model.apply(story.commits[-1:])
        assert await found(model, "matrix") == set()

    async def test_a_new_title_is_found_in_place_of_the_old(self, model: ReadModel, story: Recording) -> None:
        story.tell(Configure(party_id=ALL[0], title="Sunday"), by=ANA)
        await model.apply(story.commits[-1:])

        assert (await found(model, "sunday"), await found(model, "attack")) == ({"Sunday"}, set())


class TestMine:
    async def show(self, model: ReadModel, story: Recording, uid: str) -> list[MyParty]:
        await model.empty()
        await model.apply(story.commits)
        return (await mine(model.reader, Mine(), asking(uid))).parties

    async def test_what_somebody_hosts_or_has_joined_is_theirs(self, model: ReadModel, story: Recording) -> None:
        opened(story, ALL[0])
        opened(story, ALL[1], by=BOB, private=True)
        opened(story, ALL[2], by=CYD)
        story.tell(Join(party_id=ALL[1], name="Ana", key=KEY), by=ANA)

        shown = await self.show(model, story, ANA)
        assert [(party.party_id, party.role, party.private, party.members) for party in shown] == [
            (ALL[1], "member", True, 2), (ALL[0], "host", False, 1),
        ]  # fmt: skip

    async def test_who_is_out_has_it_no_longer(self, model: ReadModel, story: Recording) -> None:
        for id in ALL[:4]:
            opened(story, id)
            joined(story, BOB, party_id=id)
        story.tell(Leave(party_id=ALL[0]), by=BOB)
        story.tell(Kick(party_id=ALL[1], uid=BOB), by=ANA)
        story.tell(Ban(party_id=ALL[2], uid=BOB), by=ANA)

        assert [party.party_id for party in await self.show(model, story, BOB)] == [ALL[3]]
        assert await self.show(model, story, "") == []

    async def test_who_dropped_out_of_sight_may_come_back(self, model: ReadModel, story: Recording) -> None:
        for id in ALL[:4]:
            opened(story, id, private=True)
            joined(story, BOB, party_id=id)
            story.tell(Drop(party_id=id, uids=(BOB,)), by="system:parties")
        story.tell(Join(party_id=ALL[1], name="Bob"), by=BOB)
        story.tell(Ban(party_id=ALL[2], uid=BOB), by=ANA)
        story.tell(Close(party_id=ALL[3]), by=ANA)

        shown = await self.show(model, story, BOB)
        assert [(party.party_id, party.role, party.unseen, party.joined_at < party.updated_at) for party in shown] == [
            (ALL[1], "member", False, False), (ALL[0], "member", True, True),
        ]  # fmt: skip

    async def test_open_parties_come_first_then_what_changed_last(self, model: ReadModel, story: Recording) -> None:
        for id in ALL:
            opened(story, id)
        for id in (ALL[3], ALL[5], ALL[1]):
            story.tell(Play(party_id=id), by=ANA)
        for id in (ALL[7], ALL[3]):
            story.tell(Close(party_id=id), by=ANA)
        await model.apply(story.commits)

        async def ask(cursor: str | None) -> tuple[list[MyParty], str | None]:
            page = await mine(model.reader, Mine(limit=5, cursor=cursor), asking(ANA))
            return page.parties, page.cursor

        pages = await every_page(ask)
        ids = [party.party_id for page in pages for party in page]
        rest = [id for id in ALL if id not in {ALL[n] for n in (1, 3, 5, 7)}]
        assert ids == [ALL[1], ALL[5], *rest, ALL[3], ALL[7]]
        assert [len(page) for page in pages] == [5, 5, 2]

    @pytest.mark.parametrize("cursor", ["x", "W10", "WzEsMl0", "WzAsMCwiYSJd", "W3RydWUsLTEsImEiXQ"])
    async def test_a_foreign_cursor_is_refused(self, model: ReadModel, cursor: str) -> None:
        with pytest.raises(Rejected, match="bad-cursor"):
            await mine(model.reader, Mine(cursor=cursor), asking(ANA))
