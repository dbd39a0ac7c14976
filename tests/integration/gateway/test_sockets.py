"""The socket door against a real bus."""

from datetime import UTC, datetime

from tests.integration.gateway.conftest import Connect
from tests.integration.gateway.peer import Peer

from events.contracts import party
from gateway.main import Running

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def played(position: float = 0.0) -> party.Played:
    return party.Played(by="host", position=position, at=NOW)


async def test_a_call_is_carried_out_in_the_callers_name(running: Running, peer: Peer, connect: Connect) -> None:
    peer.handlers["party.play"] = lambda args, context: None
    ada = await connect(running, "Ada")
    answer = await ada.ask("call", fn="party.play", args={"party_id": "p1"}, key="k1")
    assert answer == {"op": "result", "id": answer["id"], "value": None, "position": peer.position}
    function, args, context = peer.asked[-1]
    assert (function, args, context.actor, context.name) == ("party.play", {"party_id": "p1"}, ada.user, "Ada")


async def test_followers_get_each_commit_once_and_in_order(running: Running, peer: Peer, connect: Connect) -> None:
    room = peer.room()
    ada, ben = await connect(running, "Ada"), await connect(running, "Ben")
    for client in (ada, ben):
        followed = await client.ask("follow", channel=f"party:{room}")
        assert followed["recovered"] is True
        assert followed["state"] == {"commits": 0}
    for number in range(5):
        await peer.commit(room, played(number), played(number + 0.5))
    for client in (ada, ben):
        seen = [await client.expect(op="event") for _ in range(10)]
        assert [frame["data"]["position"] for frame in seen] == [0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5]
