"""Following, presence and broadcast against a real bus: lost messages, restarts, several gateways."""

import asyncio
from typing import Any

import pytest
from tests.e2e.client import Client, Refused
from tests.integration.gateway.conftest import Connect, Gateways, configured, guest
from tests.integration.gateway.peer import NOW, Peer, played
from tests.wait import eventually

from events.bus import Bus
from events.contracts import party
from gateway import channels, limits
from gateway.main import Running, gateway
from ops.embedded import Embedded


async def positions(client: Client, count: int) -> list[float]:
    return [(await client.expect(op="event"))["data"]["position"] for _ in range(count)]


async def nothing_more(client: Client, op: str = "event") -> None:
    """Everything sent before this answer has arrived."""
    await client.ask("time")
    assert not [frame for frame in client.inbox if frame["op"] == op]


def channel(room: str) -> str:
    return f"party:{room}"


# Order, gaps, races.


async def test_followers_get_each_commit_once_and_in_order(running: Running, peer: Peer, connect: Connect) -> None:
    room = peer.room()
    clients = [await connect(running, name) for name in ("Ada", "Ben")]
    for client in clients:
        followed = await client.ask("follow", channel=channel(room))
        assert (followed["recovered"], followed["state"]) == (True, {"commits": 0})
    for number in range(5):
        await peer.commit(room, played(number), played(number + 0.5))
    for client in clients:
        assert await positions(client, 10) == [0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5]


async def test_what_comes_while_a_large_channel_rests_is_told_afterwards_in_order(
    running: Running, peer: Peer, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As if it took very long to tell these two: whatever follows the first event waits, and arrives together.
    monkeypatch.setattr(channels, "rest_of", lambda took: 0.2)
    room = peer.room()
    ada, ben = await connect(running, "Ada"), await connect(running, "Ben")
    for client in (ada, ben):
        await client.ask("follow", channel=channel(room))
    for number in range(1, 31):
        await peer.commit(room, played(number))
    assert await positions(ada, 30) == await positions(ben, 30) == [float(number) for number in range(1, 31)]
    for number in range(1, 4):
        await ada.ask("send", channel=channel(room), event="chat", data=number)
        await ben.ask("send", channel=channel(room), event="chat", data=number, self=True)
    assert [(await ada.expect(op="message"))["data"] for _ in range(3)] == [1, 2, 3]
    assert [(await ben.expect(op="message"))["data"] for _ in range(6)] == [1, 1, 2, 2, 3, 3]


async def test_a_crowd_hears_of_newcomers_together_and_of_controls_at_once(
    running: Running, peer: Peer, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    def joined(number: int) -> party.Joined:
        return party.Joined(uid=f"u{number}", name="", at=NOW)

    monkeypatch.setattr(limits, "CROWD_SECONDS", 0.3)
    crowd, handful = peer.room(presence="count"), peer.room()
    ada = await connect(running)
    for room in (crowd, handful):
        await ada.ask("follow", channel=channel(room))
    await peer.commit(crowd, joined(1))
    await peer.commit(handful, joined(2))
    told = [await ada.expect(op="event") for _ in range(2)]
    assert [frame["data"]["uid"] for frame in told] == ["u2", "u1"]

    monkeypatch.setattr(limits, "CROWD_SECONDS", 60.0)
    for number in range(3, 6):
        await peer.commit(crowd, joined(number))
    await peer.commit(crowd, played(7))
    told = [await ada.expect(op="event") for _ in range(4)]
    assert [frame["data"].get("uid") for frame in told] == ["u3", "u4", "u5", None]

    await peer.commit(crowd, joined(6))
    ben = await connect(running, "Ben")
    await ben.ask("follow", channel=channel(crowd))
    await ben.ask("send", channel=channel(crowd), event="chat", data="hi", self=True)
    assert (await ada.expect(op="event"))["data"]["uid"] == "u6"
    assert (await ben.expect(op="message"))["data"] == "hi"
    assert not [frame for frame in ben.inbox if frame["op"] == "event"]


def test_the_more_follow_the_longer_a_channel_gathers_what_can_wait() -> None:
    waits = [channels.patience_of(followers) for followers in range(0, 400, 10)]

    assert waits[:2] == [0.0, 0.0]
    assert waits == sorted(waits)
    assert waits[20:] == [limits.CROWD_SECONDS] * 20


async def test_what_has_arrived_is_not_missed_because_a_later_grant_knows_more(
    running: Running, peer: Peer, connect: Connect
) -> None:
    room = peer.room()
    ada, ben = await connect(running, "Ada"), await connect(running, "Ben")
    await ada.ask("follow", channel=channel(room))
    arrived = await peer.commit(room, played(1))
    assert await positions(ada, 1) == [1]
    lost = peer.record(room, played(2))
    await ben.ask("follow", channel=channel(room))
    all_channels = running.desk.channels
    followed = all_channels._channels[channel(room)]

    all_channels._check_silence(followed, followed.epoch, arrived)
    assert not followed.line.gap
    all_channels._check_silence(followed, followed.epoch, lost)
    assert followed.line.gap
    assert await positions(ada, 1) == [2]


async def test_what_only_somebody_knew_who_has_left_is_missed_all_the_same(
    running: Running, peer: Peer, connect: Connect
) -> None:
    room = peer.room()
    ada, ben = await connect(running, "Ada"), await connect(running, "Ben")
    await ada.ask("follow", channel=channel(room))
    lost = peer.record(room, played(1))
    await ben.ask("follow", channel=channel(room))
    await ben.ask("unfollow", channel=channel(room))
    followed = running.desk.channels._channels[channel(room)]

    running.desk.channels._check_silence(followed, followed.epoch, lost)
    assert followed.line.gap
    assert await positions(ada, 1) == [1]


async def test_leaving_while_a_channel_rests(
    running: Running, peer: Peer, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channels, "rest_of", lambda took: 0.2)
    room = peer.room()
    ada, ben = await connect(running, "Ada"), await connect(running, "Ben")
    for client in (ada, ben):
        await client.ask("follow", channel=channel(room))
    for number in range(1, 4):
        await peer.commit(room, played(number))
    await ada.ask("unfollow", channel=channel(room))
    assert await positions(ben, 3) == [1, 2, 3]
    before = len([frame for frame in ada.inbox if frame["op"] == "event"])
    await ben.ask("unfollow", channel=channel(room))
    await eventually(lambda: running.desk.channels.followers(channel(room)) == 0)
    followed = await ada.ask("follow", channel=channel(room))
    assert followed["state"] == {"commits": 3}
    await peer.commit(room, played(4))
    told = await positions(ada, before + 1)
    assert (told[:before], told[before:]) == ([1, 2, 3][:before], [4])


async def test_what_happens_while_the_right_is_asked_for(running: Running, peer: Peer, connect: Connect) -> None:
    room = peer.room()
    await peer.commit(room, played(1))
    ada = await connect(running)
    peer.hold = asyncio.Event()
    following = asyncio.create_task(ada.ask("follow", channel=channel(room)))
    await eventually(lambda: peer.grants)
    await peer.commit(room, played(2))
    await peer.commit(room, played(3))
    peer.hold.set()
    assert (await following)["state"] == {"commits": 1}
    assert await positions(ada, 2) == [2, 3]
    await nothing_more(ada)


async def test_leaving_while_the_right_is_asked_for(running: Running, peer: Peer, connect: Connect) -> None:
    room = peer.room()
    ada = await connect(running)
    peer.hold = asyncio.Event()
    following = asyncio.create_task(ada.ask("follow", channel=channel(room)))
    await eventually(lambda: peer.grants)
    assert (await ada.ask("unfollow", channel=channel(room)))["op"] == "ok"
    peer.hold.set()
    with pytest.raises(Refused, match="not-following"):
        await following
    await eventually(lambda: running.desk.channels.followers(channel(room)) == 0)
    assert (await ada.ask("follow", channel=channel(room)))["op"] == "followed"


async def test_a_lost_message_is_fetched_once_for_all_and_nobody_hears_anything_twice(
    running: Running, peer: Peer, connect: Connect
) -> None:
    room = peer.room()
    clients = [await connect(running, f"Guest {number}") for number in range(5)]
    for client in clients:
        await client.ask("follow", channel=channel(room))
    asked = len(peer.grants)
    for number in range(1, 6):
        peer.record(room, played(number))
    await peer.say(room, 0)
    await peer.say(room, 0)
    await peer.say(room, 3)
    await peer.say(room, 4)
    for client in clients:
        assert await positions(client, 5) == [1, 2, 3, 4, 5]
        await nothing_more(client)
    assert [request.since is not None for _, request in peer.grants[asked:]] == [True]


async def test_a_message_that_never_comes_is_missed_by_the_next_follower(
    running: Running, peer: Peer, connect: Connect
) -> None:
    room = peer.room()
    ada, ben = await connect(running, "Ada"), await connect(running, "Ben")
    await ada.ask("follow", channel=channel(room))
    peer.record(room, played(1))
    await ben.ask("follow", channel=channel(room))
    assert await positions(ada, 1) == [1]
    await nothing_more(ben)


async def test_a_last_message_that_never_comes_is_fetched_once_its_notice_is_heard(
    running: Running, peer: Peer, connect: Connect
) -> None:
    room, quiet = peer.room(), peer.room()
    clients = [await connect(running, name) for name in ("Ada", "Ben")]
    for client in clients:
        for name in (room, quiet):
            await client.ask("follow", channel=channel(name))
    await peer.touch(channel(room))
    peer.record(room, played(1))
    asked = len(peer.grants)
    await peer.touch(channel(room))
    for client in clients:
        async with asyncio.timeout(2):
            assert await positions(client, 1) == [1]
        await nothing_more(client)
    assert {request.channel_id for _, request in peer.grants[asked:]} == {room}


async def test_a_notice_asks_for_nothing_that_has_arrived(
    running: Running, peer: Peer, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "LIVE_SECONDS", 0.05)
    room, other = peer.room(), peer.room()
    ada = await connect(running)
    for name in (room, other):
        await ada.ask("follow", channel=channel(name))
    peer.record(room, played(1))
    await peer.say(room)
    await positions(ada, 1)
    asked = len(peer.grants)
    await peer.touch(channel(room))
    peer.record(other, played(2))
    await peer.touch(channel(other))
    assert await positions(ada, 1) == [2]
    assert {request.channel_id for _, request in peer.grants[asked:]} == {other}


async def test_a_gap_is_mended_in_another_members_name_when_the_first_one_lost_its_right(
    running: Running, peer: Peer, connect: Connect
) -> None:
    ada, ben = await connect(running, "Ada"), await connect(running, "Ben")
    room = peer.room(members={ada.user, ben.user})
    for client in (ada, ben):
        await client.ask("follow", channel=channel(room))
    peer.rooms[room].members = {ben.user}
    peer.record(room, played(1))
    peer.record(room, played(2))
    await peer.say(room, 1)
    assert await positions(ben, 2) == [1, 2]
    assert (await ada.expect(op="ended"))["reason"] == "not-a-member"


async def test_a_restored_log_is_told_truthfully(running: Running, peer: Peer, connect: Connect) -> None:
    room = peer.room()
    ada = await connect(running)
    first = await ada.ask("follow", channel=channel(room), id="f")
    await peer.commit(room, played(1))
    await positions(ada, 1)
    await peer.touch()
    peer.epoch = "e2"
    peer.rooms[room].commits.clear()
    await peer.touch()
    again = await ada.expect(op="followed")
    assert (again["id"], again["recovered"], again["state"]) == ("f", False, {"commits": 0})
    assert again["position"].split(":")[1] != first["position"].split(":")[1]
    await peer.commit(room, played(2))
    assert (await ada.expect(op="event"))["position"].split(":")[1] == "e2"


async def test_a_follower_whose_right_is_gone_after_a_restored_log(
    running: Running, peer: Peer, connect: Connect
) -> None:
    room = peer.room()
    ada = await connect(running)
    await ada.ask("follow", channel=channel(room))
    await peer.touch()
    peer.epoch = "e2"
    del peer.rooms[room]
    await peer.touch()
    assert (await ada.expect(op="ended"))["reason"] == "no-such-party"


async def test_an_end_of_the_right_is_the_last_thing_told(running: Running, peer: Peer, connect: Connect) -> None:
    room = peer.room()
    ada, ben = await connect(running, "Ada"), await connect(running, "Ben")
    for client in (ada, ben):
        await client.ask("follow", channel=channel(room))
        await client.ask("track", channel=channel(room), meta={})
    await ben.take(lambda frame: frame["op"] == "presence" and ben.user in frame["joined"])
    await peer.commit(room, party.Left(uid=ada.user, private=True, at=NOW))
    await peer.commit(room, played(1))
    assert (await ada.expect(op="event"))["type"] == "party.left"
    assert await ada.expect(op="ended") == {"op": "ended", "channel": channel(room), "reason": "left"}
    assert await ben.take(lambda frame: frame["op"] == "presence" and frame["left"] == [ada.user])
    await nothing_more(ada)
    await peer.commit(room, party.Closed(by="host", reason="closed", at=NOW))
    assert (await ben.expect(op="ended"))["reason"] == "closed"
    await eventually(lambda: running.desk.channels.followers(channel(room)) == 0)


async def test_presence_ends_with_the_right_to_it_though_following_goes_on(
    running: Running, peer: Peer, connect: Connect
) -> None:
    room = peer.room()
    ada, ben, eve = [await connect(running, name) for name in ("Ada", "Ben", "Eve")]
    for client in (ada, eve):
        await client.ask("follow", channel=channel(room))
    for client in (ada, ben, eve):
        await client.ask("track", channel=channel(room), meta={})
    await eve.take(lambda frame: frame["op"] == "presence" and eve.user in frame["joined"])
    await peer.commit(room, party.Left(uid=ada.user, private=False, at=NOW))
    await peer.commit(room, played(1))
    await eve.take(lambda frame: frame["op"] == "event" and frame["type"] == "party.played")
    peer.rooms[room].may = ("follow",)
    await peer.commit(room, party.Left(uid=ada.user, private=False, at=NOW))
    assert (await eve.expect(op="presence"))["left"] == [ada.user]
    await peer.commit(room, party.Left(uid=ben.user, private=False, at=NOW))
    assert (await eve.expect(op="presence"))["left"] == [ben.user]
    await peer.commit(room, played(2))
    assert [(await ada.expect(op="event"))["type"] for _ in range(2)] == ["party.left", "party.played"]


async def test_presence_of_who_does_not_follow_ends_with_the_right_to_it(
    running: Running, another: Gateways, peer: Peer, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "RIGHT_SECONDS", 0.1)
    room = peer.room()
    async with another() as other:

        async def hears() -> bool:
            await peer.touch()  # again and again: its subscription may not have reached the server yet
            return "parties" in other.desk.notices.heard

        await eventually(hears)
        ada, ben = await connect(other, "Ada"), await connect(running, "Ben")
        await ben.ask("follow", channel=channel(room))
        await ada.ask("track", channel=channel(room), meta={})
        assert ada.user in (await ben.expect(op="presence"))["joined"]
        del peer.rooms[room]
        await peer.touch(channel(room))
        assert (await ben.expect(op="presence"))["left"] == [ada.user]


# Rights that end without a word on the channel.


def chat(room: str) -> str:
    return f"chat:{room}"


def live(room: str) -> str:
    return f"live:{room}"


async def ended(client: Client) -> tuple[str, str]:
    frame = await client.expect(op="ended")
    return frame["channel"], frame["reason"]


def asked(peer: Peer, *clients: Client) -> int:
    return len([actor for actor, _ in peer.grants if actor in {client.user for client in clients}])


async def test_another_context_may_end_the_right_to_a_channel(running: Running, peer: Peer, connect: Connect) -> None:
    room, other = peer.room(), peer.room()
    ada, ben = await connect(running, "Ada"), await connect(running, "Ben")
    for client in (ada, ben):
        for each in (room, other):
            await client.ask("follow", channel=chat(each))
    await ben.ask("track", channel=chat(room), meta={})
    await ada.take(lambda frame: frame["op"] == "presence" and ben.user in frame["joined"])
    before = asked(peer, ada, ben)
    peer.rooms[room].members = {ada.user}
    await peer.touch(f"party-access:{room}")

    assert await ended(ben) == (chat(room), "not-a-member")
    assert (await ada.take(lambda frame: frame["op"] == "presence" and bool(frame["left"])))["left"] == [ben.user]
    await ada.ask("send", channel=chat(room), event="hi", self=True)
    await ada.expect(op="message")
    await nothing_more(ben, "message")
    await nothing_more(ada, "ended")
    assert running.desk.channels.followers(chat(other)) == 2
    assert asked(peer, ada, ben) <= before + 3  # each once, and once more about presence


async def test_what_may_have_ended_for_one_person_is_asked_of_nobody_else(
    running: Running, peer: Peer, connect: Connect
) -> None:
    room, other = peer.room(), peer.room()
    out, *others = [await connect(running) for _ in range(6)]
    for client in (out, *others):
        for each in (room, other):
            await client.ask("follow", channel=chat(each))
    before = len(peer.grants)
    peer.rooms[room].members = {client.user for client in others}
    await peer.touch(f"party-access:{room}:{out.user}")

    assert await ended(out) == (chat(room), "not-a-member")
    await peer.touch(f"party-access:{other}:stranger")
    await nothing_more(out, "ended")
    assert [actor for actor, _ in peer.grants[before:]] == [out.user]

    peer.rooms[room].members = set()
    await peer.touch(f"party-access:{room}")
    assert [await ended(client) for client in others] == [(chat(room), "not-a-member")] * 5


async def test_who_is_barred_is_taken_off_every_channel_of_the_kind(
    running: Running, peer: Peer, connect: Connect
) -> None:
    rooms = [peer.room() for _ in range(2)]
    ada, ben = await connect(running, "Ada"), await connect(running, "Ben")
    for client in (ada, ben):
        for name in (*map(live, rooms), chat(rooms[0])):
            await client.ask("follow", channel=name)
    before = asked(peer, ada)
    for room in rooms:
        peer.rooms[room].members = {ada.user}
    await peer.touch_other("comments", f"standing:{ben.user}")

    told = {await ended(ben) for _ in range(3)}
    assert told == {(name, "not-a-member") for name in (*map(live, rooms), chat(rooms[0]))}
    assert asked(peer, ada) == before


async def test_a_right_that_cannot_be_asked_for_just_now_is_asked_for_again(
    running: Running, peer: Peer, connect: Connect
) -> None:
    room = peer.room()
    ada = await connect(running)
    await ada.ask("follow", channel=chat(room))
    before, peer.away = asked(peer, ada), True
    await peer.touch(f"party-access:{room}")
    await eventually(lambda: asked(peer, ada) > before + 2)
    await nothing_more(ada, "ended")
    peer.rooms[room].members, peer.away = set(), False

    assert await ended(ada) == (chat(room), "not-a-member")


@pytest.mark.parametrize("context", ["parties", "comments"])
async def test_a_missed_notice_puts_every_right_in_doubt(
    running: Running, peer: Peer, connect: Connect, context: str
) -> None:
    room = peer.room()
    ada = await connect(running)
    await ada.ask("follow", channel=chat(room))
    peer.rooms[room].members = set()
    if context == "parties":
        await peer.touch(skip=3)
    else:
        await peer.touch_other(context, skip=3)

    assert await ended(ada) == (chat(room), "not-a-member")


async def test_a_right_that_ends_while_it_is_asked_for_is_asked_for_again(
    running: Running, peer: Peer, connect: Connect
) -> None:
    room = peer.room()
    ada = await connect(running)
    peer.hold = asyncio.Event()
    following = asyncio.create_task(ada.ask("follow", channel=chat(room)))
    await eventually(lambda: peer.grants)
    peer.rooms[room].members = set()
    await peer.touch(f"party-access:{room}")
    await ada.ask("time")
    peer.hold.set()

    assert (await following)["op"] == "followed"
    assert await ended(ada) == (chat(room), "not-a-member")


async def test_who_may_do_less_is_no_longer_present(running: Running, peer: Peer, connect: Connect) -> None:
    room = peer.room()
    ada, ben = await connect(running, "Ada"), await connect(running, "Ben")
    for client in (ada, ben):
        await client.ask("follow", channel=chat(room))
    await ben.ask("track", channel=chat(room), meta={})
    await ada.take(lambda frame: frame["op"] == "presence" and ben.user in frame["joined"])
    peer.rooms[room].may = ("follow",)
    await peer.touch(f"party-access:{room}")

    assert (await ada.expect(op="presence"))["left"] == [ben.user]
    with pytest.raises(Refused, match="not-allowed"):
        await ben.ask("send", channel=chat(room), event="hi")
    await nothing_more(ben, "ended")


@pytest.mark.parametrize("topic", ["party-access:{room}", "party-access:{room}:{user}", "standing:{user}"])
async def test_presence_without_following_ends_with_the_right_to_it(
    running: Running, peer: Peer, connect: Connect, monkeypatch: pytest.MonkeyPatch, topic: str
) -> None:
    monkeypatch.setattr(limits, "RIGHT_SECONDS", 0.1)
    room = peer.room()
    ada, ben = await connect(running, "Ada"), await connect(running, "Ben")
    await ben.ask("follow", channel=chat(room))
    await ada.ask("track", channel=chat(room), meta={})
    assert ada.user in (await ben.expect(op="presence"))["joined"]
    peer.rooms[room].members = {ben.user}
    context, said = topic.partition("-")[0], topic.format(room=room, user=ada.user)
    await (peer.touch(said) if context == "party" else peer.touch_other("comments", said))

    assert (await ben.expect(op="presence"))["left"] == [ada.user]


# Several gateways.


async def test_two_gateways_are_one(running: Running, another: Gateways, peer: Peer, connect: Connect) -> None:
    room = peer.room()
    async with another() as other:
        ada, ben = await connect(running, "Ada"), await connect(other, "Ben")
        for client in (ada, ben):
            await client.ask("follow", channel=channel(room))
        await peer.commit(room, played(1))
        for client in (ada, ben):
            assert await positions(client, 1) == [1]
        await ada.ask("send", channel=channel(room), event="wave", data={"hand": "left"})
        assert (await ben.expect(op="message"))["data"] == {"hand": "left"}
        await nothing_more(ada, "message")
        await ben.ask("track", channel=channel(room), meta={"seat": 4})
        assert (await ada.expect(op="presence"))["joined"] == {ben.user: {"seat": 4}}
        late = await connect(running, "Late")
        assert (await late.ask("follow", channel=channel(room)))["present"] == {ben.user: {"seat": 4}}
    assert (await ada.expect(op="presence"))["left"] == [ben.user]


async def test_one_person_at_two_gateways_is_one_presence(
    running: Running, another: Gateways, peer: Peer, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = peer.room()
    async with another() as other:
        here = await connect(running, "Ada")
        token = running.desk.guests.admit("Ben")[0]
        one, two = await connect(running, token=token), await connect(other, token=token)
        await here.ask("follow", channel=channel(room))
        await one.ask("track", channel=channel(room), meta={"tab": 1})
        assert (await here.expect(op="presence"))["joined"] == {one.user: {"tab": 1}}
        await two.ask("track", channel=channel(room), meta={"tab": 2})
        assert (await here.expect(op="presence"))["updated"] == {one.user: {"tab": 2}}
        await two.close()
        assert (await here.expect(op="presence"))["updated"] == {one.user: {"tab": 1}}


async def test_clocks_of_two_gateways_agree(running: Running, another: Gateways, connect: Connect, peer: Peer) -> None:
    async with another() as other:
        one, two = await connect(running, "Ada"), await connect(other, "Ben")
        times: list[dict[str, Any]] = [await client.ask("time") for client in (one, two, one)]
        assert times[0]["t2"] <= times[1]["t1"] + 5
        assert times[1]["t2"] <= times[2]["t1"] + 5
        assert (running.desk.clock.uncertainty or 1) < 0.05


async def test_a_crowd_is_only_counted(
    running: Running, another: Gateways, peer: Peer, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "COUNT_SECONDS", 0.2)
    room = peer.room(presence="count")
    async with another() as other:
        ada, ben, cleo = await connect(running, "A"), await connect(other, "B"), await connect(running, "C")
        assert (await ada.ask("follow", channel=channel(room)))["present"] == {"count": 0}
        for client in (ben, cleo):
            await client.ask("track", channel=channel(room), meta={"secret": True})
        counted = {"op": "presence", "channel": channel(room), "count": 2}
        assert await ada.take(lambda frame: frame["op"] == "presence" and frame["count"] == 2) == counted
        await ben.close()
        assert (await ada.take(lambda frame: frame["op"] == "presence" and frame["count"] == 1))["count"] == 1


async def test_a_list_that_grew_into_a_crowd_is_counted_at_every_gateway(
    running: Running, another: Gateways, peer: Peer, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "COUNT_SECONDS", 0.2)
    room = peer.room()
    async with another() as other:
        ada, ben = await connect(running, "Ada"), await connect(other, "Ben")
        for client in (ada, ben):
            await client.ask("follow", channel=channel(room))
        await ben.ask("track", channel=channel(room), meta={})
        for client in (ada, ben):
            assert ben.user in (await client.expect(op="presence"))["joined"]
        peer.rooms[room].presence = "count"
        cleo = await connect(running, "Cleo")
        await cleo.ask("follow", channel=channel(room))
        await cleo.ask("track", channel=channel(room), meta={})
        for client in (ada, ben):
            await client.take(lambda frame: frame["op"] == "presence" and frame.get("count") == 2)


# What only some may do.


async def test_rights_are_each_persons_own(running: Running, peer: Peer, connect: Connect) -> None:
    ada, ben = await connect(running, "Ada"), await connect(running, "Ben")
    room = peer.room(members={ada.user})
    await ada.ask("follow", channel=channel(room))
    for op, fields in (("follow", {}), ("send", {"event": "hi"}), ("track", {})):
        with pytest.raises(Refused, match="not-a-member"):
            await ben.ask(op, channel=channel(room), **fields)


async def test_who_only_follows_may_not_speak(running: Running, peer: Peer, connect: Connect) -> None:
    room = peer.room(may=("follow",))
    ada = await connect(running)
    await ada.ask("follow", channel=channel(room))
    for op, fields in (("send", {"event": "hi"}), ("track", {})):
        with pytest.raises(Refused, match="not-allowed"):
            await ada.ask(op, channel=channel(room), **fields)
    peer.rooms[room].may = ("follow", "send")
    await ada.ask("send", channel=channel(room), event="hi")


async def test_whom_nobody_hears_does_not_notice(running: Running, peer: Peer, connect: Connect) -> None:
    room = peer.room(may=("follow", "whisper"))
    token = await guest(running)
    ada, beside = await connect(running, token=token), await connect(running, token=token)
    ben = await connect(running, "Ben")
    for client in (ada, beside, ben):
        await client.ask("follow", channel=channel(room))

    await ada.ask("send", channel=channel(room), event="hi")
    await ada.ask("send", channel=channel(room), event="hey", self=True)
    assert (await ada.expect(op="message"))["event"] == "hey"
    assert [(await beside.expect(op="message"))["event"] for _ in range(2)] == ["hi", "hey"]

    peer.rooms[room].may = ("follow", "send")
    cyd = await connect(running, "Cyd")
    await cyd.ask("follow", channel=channel(room))
    await cyd.ask("send", channel=channel(room), event="loud")
    assert (await ben.expect(op="message"))["event"] == "loud"


async def test_a_lost_right_to_speak_is_noticed_in_the_background(
    running: Running, peer: Peer, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "RIGHT_SECONDS", 0.0)
    room = peer.room()
    ada = await connect(running)
    await ada.ask("follow", channel=channel(room))
    peer.rooms[room].may = ("follow",)

    async def silenced() -> bool:
        try:
            await ada.ask("send", channel=channel(room), event="hi")
        except Refused as error:
            return error.code == "not-allowed"
        return False

    await eventually(silenced)


async def test_somebody_may_speak_without_following(running: Running, peer: Peer, connect: Connect) -> None:
    room = peer.room()
    ada, ben = await connect(running, "Ada"), await connect(running, "Ben")
    await ben.ask("follow", channel=channel(room))
    asked = len(peer.grants)
    for _ in range(5):
        await ada.ask("send", channel=channel(room), event="hi")
        await ben.expect(op="message")
    assert len(peer.grants) == asked + 1


async def test_a_list_of_people_has_a_limit(
    running: Running, peer: Peer, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "ROSTER_PEOPLE", 1)
    room = peer.room()
    await (await connect(running, "Ada")).ask("track", channel=channel(room))
    with pytest.raises(Refused, match="presence-full"):
        await (await connect(running, "Ben")).ask("track", channel=channel(room))


# A bus that is restarted.


async def test_nothing_is_lost_when_the_bus_is_restarted(own_servers: Embedded, connect: Connect) -> None:
    bus = await Bus.connect(own_servers.nats_url(), "ops")
    peer = Peer(bus)
    await peer.start()
    room = peer.room()
    values = {"title": "old"}
    peer.handlers["party.state"] = lambda args, context: dict(values)
    async with gateway(configured(own_servers)) as one, gateway(configured(own_servers)) as two:
        ada, ben = await connect(one, "Ada"), await connect(two, "Ben")
        for client in (ada, ben):
            await client.ask("follow", channel=channel(room))
        await ben.ask("track", channel=channel(room), meta={"here": True})
        assert (await ada.expect(op="presence"))["joined"]
        await ada.ask("watch", id="w", fn="party.state", args={"party_id": room})
        await peer.commit(room, played(1))
        own_servers.nats.kill()
        await eventually(lambda: not bus.connected and not one.bus.connected)
        peer.record(room, played(2))
        values["title"] = "new"
        await asyncio.to_thread(own_servers.nats.restart)
        await eventually(lambda: bus.connected, within=10)
        for client in (ada, ben):
            assert await positions(client, 2) == [1, 2]
        assert (await ada.expect(op="value"))["value"] == {"title": "new"}
        peer.record(room, played(3))
        await peer.say(room)
        for client in (ada, ben):
            assert await positions(client, 1) == [3]
        # The bucket was in memory: the rosters are there again all the same.
        cleo = await connect(one, "Cleo")
        assert (await cleo.ask("follow", channel=channel(room)))["present"] == {ben.user: {"here": True}}
        assert not [frame for frame in ada.inbox if frame["op"] == "presence"]
        await ben.close()
        assert (await ada.expect(op="presence"))["left"] == [ben.user]
    await bus.close()
