"""What the leading replica does of its own accord: live events that are lost, and names for who follows a room."""

import json
import secrets
from collections.abc import AsyncIterator
from typing import Any

import pytest
from nats.aio.msg import Msg
from tests.integration.comments.town import Town, town
from tests.wait import eventually

from comments import losing
from comments.rooms import Room
from events.ambient import subject
from events.contracts.comments import LIVE, LOST_AFTER, room_key
from events.messages import token
from ops.embedded import Embedded

ANA, BOB = "ana", "bob"


@pytest.fixture
async def at(servers: Embedded) -> AsyncIterator[Town]:
    async with town(servers) as running:
        yield running


@pytest.fixture
def live_id() -> str:
    return f"final-{secrets.token_hex(4)}"


async def state_of(at: Town, live_id: str) -> Room:
    room: Room = await at.place().aggregates.state(room_key(f"live:{live_id}"))
    return room


async def tell(at: Town, live_id: str, uid: str) -> None:
    """As a gateway would of somebody who follows and reports."""
    report = {"live_id": live_id, "media_seconds": None}
    batch = {"gateway": "g", "at": 1.0, "channels": {live_id: {"reports": {uid: report}, "seen": [uid], "count": 1}}}
    await at.bus.publish(subject("comments", "g"), json.dumps(batch).encode())


async def heard(at: Town, live_id: str, uid: str) -> bool:
    """Whether all replicas have."""
    key = LIVE.key(live_id)
    return all(uid in at.place(number).aggregates._ambient(key)["silence"] for number in range(len(at.replicas)))


class TestLosing:
    async def test_who_is_not_heard_for_a_minute_has_lost_it(self, at: Town, live_id: str) -> None:
        await at.do("live.start", ANA, live_id=live_id, title="The final", ago=LOST_AFTER + 1)
        assert (await at.see("live.state", BOB, live_id=live_id))["on"]

        await losing.look(at.place())

        told = await eventually(lambda: _over(at, live_id))
        assert told["reason"] == "lost"

    async def test_not_while_its_owner_reports(self, at: Town, live_id: str) -> None:
        await at.do("live.start", ANA, live_id=live_id, title="The final", ago=LOST_AFTER + 1)
        await at.see("live.state", BOB, live_id=live_id)
        await tell(at, live_id, ANA)
        await eventually(lambda: heard(at, live_id, ANA))

        await losing.look(at.place())

        assert (await state_of(at, live_id)).on

    async def test_somebody_else_does_not_keep_it_going(self, at: Town, live_id: str) -> None:
        await at.do("live.start", ANA, live_id=live_id, title="The final", ago=LOST_AFTER + 1)
        await at.see("live.state", BOB, live_id=live_id)
        await tell(at, live_id, BOB)
        await eventually(lambda: heard(at, live_id, BOB))

        await losing.look(at.place())

        assert not (await state_of(at, live_id)).on

    async def test_one_that_has_just_begun_has_its_minute(self, at: Town, live_id: str) -> None:
        await at.do("live.start", ANA, live_id=live_id, title="The final")
        await at.see("live.state", BOB, live_id=live_id)

        await losing.look(at.place())

        assert (await state_of(at, live_id)).on


async def test_viewers_are_sampled(at: Town, live_id: str) -> None:
    await at.do("live.start", ANA, live_id=live_id, title="The final")

    async def counted() -> Any:
        await tell(at, live_id, BOB)
        live = await at.see("live.state", ANA, live_id=live_id)
        return (live["viewers"], live["most_viewers"]) == (1, 1)

    await eventually(counted, within=10)


class TestPeople:
    async def test_a_name_is_told_with_the_first_line_and_when_it_changes(self, at: Town) -> None:
        party_id = await at.open(ANA)
        told: list[Any] = []
        await self._listen(at, party_id, told)

        for name in ("Ana", "Ana", "Anna"):
            await at.do("chat.say", ANA, room=f"party:{party_id}", text="Hi", name=name)

        await eventually(lambda: len(told) == 2)
        assert [each["data"]["name"] for each in told] == ["Ana", "Anna"]
        assert {(each["event"], each["from"]) for each in told} == {("person", "system:comments")}

    async def test_nothing_is_told_of_what_others_do_not_see_until_they_do(self, at: Town) -> None:
        party_id = await at.open(ANA, BOB)
        room = f"party:{party_id}"
        told: list[Any] = []
        await self._listen(at, party_id, told)

        held = (await at.do("chat.say", BOB, room=room, text="a sled"))["line"]
        await at.do("chat.say", ANA, room=room, text="Hi")
        await eventually(lambda: len(told) == 1)
        await at.do("chat.restore", ANA, room=room, line=held)
        await eventually(lambda: len(told) == 2)

        assert [each["data"]["uid"] for each in told] == [ANA, BOB]

    async def _listen(self, at: Town, party_id: str, told: list[Any]) -> None:
        async def on_cast(msg: Msg) -> None:
            told.append(json.loads(msg.data))

        await at.bus.subscribe(f"cast.chat.{token(party_id)}", on_cast)


async def _over(at: Town, live_id: str) -> Any:
    live = await at.see("live.state", BOB, live_id=live_id)
    return None if live["on"] else live
