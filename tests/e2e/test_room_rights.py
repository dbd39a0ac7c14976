"""Who loses the right to a room is taken off it at once, whichever service took the right away."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.e2e.client import Client, Refused
from tests.e2e.test_seed_rooms import refused, signed_in, value
from tests.system import System
from tests.wait import eventually

OPENED: dict[str, Any] = {"title": "Friday film", "media": "tt0111161", "private": True}


@contextlib.asynccontextmanager
async def moderator(system: System, name: str) -> AsyncIterator[Client]:
    """Signed in with a token of the operator's."""
    token = (await asyncio.to_thread(system.matinee, "token", name, "--role", "moderator")).stdout.strip()
    async with await Client.connect(system.ws, token) as client:
        yield client


async def said(client: Client, text: str) -> None:
    await client.take(
        lambda frame: frame["op"] == "event" and frame["type"] == "comments.said" and frame["data"]["text"] == text
    )


async def test_who_is_kicked_out_of_a_party_reads_its_chat_no_more(system: System) -> None:
    async with signed_in(system, "Ana", "Ben", "Cleo") as (ana, ben, cleo):
        opened = await value(ana, "party.open", **OPENED)
        party, room = opened["party_id"], f"party:{opened['party_id']}"
        with pytest.raises(Refused, match="not-a-member"):
            await ben.ask("follow", channel=f"chat:{party}")
        for guest in (ben, cleo):
            await guest.call("party.join", party_id=party, key=opened["key"])
        for each in (ana, ben, cleo):  # also right after joining
            await each.ask("follow", channel=f"chat:{party}")
        await ben.call("chat.say", room=room, text="hello")
        for each in (ana, ben, cleo):
            await said(each, "hello")

        await ana.call("party.kick", party_id=party, uid=ben.user)
        assert (await ben.expect(op="ended", channel=f"chat:{party}"))["reason"] == "not-a-member"
        await ana.call("chat.say", room=room, text="he is gone")
        await said(cleo, "he is gone")
        await ben.ask("time")
        assert not [frame for frame in ben.inbox if frame["op"] == "event"]
        assert await refused(ben, "chat.say", room=room, text="am I") == "not-a-member"
        assert await refused(ben, "chat.history", room=room) == "not-a-member"


async def test_a_watch_of_a_partys_chat_ends_with_the_membership(system: System) -> None:
    async with signed_in(system, "Ana", "Ben") as (ana, ben):
        opened = await value(ana, "party.open", **OPENED)
        party, room = opened["party_id"], f"party:{opened['party_id']}"
        await ben.call("party.join", party_id=party, key=opened["key"])
        await ben.ask("watch", id="w", fn="chat.history", args={"room": room})
        await ana.call("party.ban", party_id=party, uid=ben.user)
        with pytest.raises(Refused, match="banned"):
            await ben.answer("w")


async def test_who_is_banned_by_moderators_is_taken_off_their_rooms(system: System) -> None:
    async with signed_in(system, "Ana", "Ben") as (ana, ben), moderator(system, "Mo") as mo:
        for live in ("final", "semi-final"):
            await ana.call("live.start", live_id=live, title="The final")
        for live in ("final", "semi-final"):
            for each in (ana, ben):
                await each.ask("follow", channel=f"live:{live}")
        await ana.call("moderation.ban", where="live:final", uid=ben.user)
        assert (await ben.expect(op="ended"))["channel"] == "live:final"
        assert await refused(ana, "moderation.ban", where="site", uid=ben.user) == "not-a-moderator"
        await mo.call("moderation.ban", where="site", uid=ben.user)
        ended = await ben.expect(op="ended")
        assert (ended["channel"], ended["reason"]) == ("live:semi-final", "banned")
        with pytest.raises(Refused, match="banned"):
            await ben.ask("follow", channel="live:final")

        await mo.call("moderation.unban", where="site", uid=ben.user)

        async def lets_him_in() -> bool:
            with contextlib.suppress(Refused):
                return bool(await ben.ask("follow", channel="live:semi-final"))
            return False

        await eventually(lets_him_in)
