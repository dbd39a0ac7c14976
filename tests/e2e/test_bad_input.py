"""What nobody may do to a party, and nonsense: the documented error each, and nothing has changed."""

from typing import Any

import aiohttp
import pytest
from tests.e2e.client import Client, Frame
from tests.e2e.test_seed_rooms import EPISODE, refused, signed_in, value
from tests.system import System, system_over


async def everything(client: Client, party_id: str) -> Any:
    """All that anybody can see of a party, but for when it was asked."""
    return {
        fn: await value(client, fn, party_id=party_id)
        for fn in ("party.state", "party.members", "party.queue", "party.timeline", "party.bans")
    }


async def opened(host: Client, **more: Any) -> tuple[str, str | None]:
    answer: Frame = await host.call("party.open", **EPISODE, **more)
    await value(host, "party.state", answer, party_id=answer["value"]["party_id"])
    return answer["value"]["party_id"], answer["value"]["key"]


async def guessed(client: Client, party_id: str, key: str) -> str:
    """What a guess is refused with; one that a slow database could not count is made again."""
    while (code := await refused(client, "party.join", party_id=party_id, key=key)) == "unavailable":
        pass
    return code


class TestKeys:
    async def test_a_key_for_another_room_opens_nothing(self, system: System) -> None:
        async with signed_in(system, "Ana", "Eve") as (ana, eve):
            party_id, key = await opened(ana, private=True)
            other, _ = await opened(ana, private=True, key=f"{(int(key or 0) + 7) % 1_000_000:06d}")
            before = await everything(ana, other)

            assert await refused(eve, "party.join", party_id=other, key=key) == "wrong-key"

            assert await everything(ana, other) == before
            assert party_id != other

    @pytest.mark.parametrize("key", ["12345", "1234567", "12345a", "", 123456])
    async def test_what_is_no_key_at_all(self, system: System, key: Any) -> None:
        async with signed_in(system, "Ana", "Eve") as (ana, eve):
            party_id, _ = await opened(ana, private=True)

            assert await refused(eve, "party.join", party_id=party_id, key=key) == "invalid-argument"


async def test_fifty_wrong_keys_lock_who_guesses_and_let_nobody_in(tmp_path: Any) -> None:
    """Two tries are a try in five minutes, so that none wears off meanwhile, however slow the machine is."""
    with system_over(tmp_path / "limited", MATINEE_KEY_TRIES="2", MATINEE_KEY_TRIES_PER_PARTY="50") as system:
        async with signed_in(system, "Ana", "Ben", "Eve") as (ana, ben, eve):
            party_id, key = await opened(ana, private=True)
            joined = await ben.call("party.join", party_id=party_id, key=key)
            await value(ana, "party.state", joined, party_id=party_id)
            before = await everything(ana, party_id)
            wrong = (f"{(int(key or 0) + n) % 1_000_000:06d}" for n in range(1, 51))

            told = [await guessed(eve, party_id, guess) for guess in wrong]

            assert told == ["wrong-key"] * 2 + ["key-locked"] * 48
            # The right key does not help any more, and those who are in notice nothing.
            assert await guessed(eve, party_id, str(key)) == "key-locked"
            assert await everything(ana, party_id) == before
            await ben.call("party.ready", party_id=party_id)


class TestWhoMayNot:
    async def test_control_by_who_is_not_the_host(self, system: System) -> None:
        async with signed_in(system, "Ana", "Ben", "Eve") as (ana, ben, eve):
            party_id, _ = await opened(ana)
            joined = await ben.call("party.join", party_id=party_id)
            await value(ana, "party.state", joined, party_id=party_id)
            before = await everything(ana, party_id)
            controls: tuple[tuple[str, dict[str, Any]], ...] = (
                ("party.play", {}),
                ("party.pause", {}),
                ("party.seek", {"position": 60}),
                ("party.rate", {"rate": 2}),
                ("party.undo", {}),
                ("party.change_media", {"media": "other"}),
                ("party.next", {}),
                ("party.kick", {"uid": ana.user}),
                ("party.ban", {"uid": ana.user}),
                ("party.lock", {}),
                ("party.appoint", {"uid": ben.user}),
                ("party.hand_over", {"uid": ben.user}),
                ("party.configure", {"title": "Mine"}),
                ("party.close", {}),
            )
            for fn, args in controls:
                assert await refused(ben, fn, party_id=party_id, **args) == "not-the-host", fn
                assert await refused(eve, fn, party_id=party_id, **args) == "not-a-member", fn

            assert await everything(ana, party_id) == before

    async def test_a_full_a_locked_and_a_forbidden_party(self, system: System) -> None:
        async with signed_in(system, "Ana", "Ben", "Eve") as (ana, ben, eve):
            full, _ = await opened(ana)
            await ana.call("party.configure", party_id=full, capacity=1)
            assert await refused(ben, "party.join", party_id=full) == "party-full"
            locked, _ = await opened(ana)
            await ana.call("party.lock", party_id=locked)
            assert await refused(ben, "party.join", party_id=locked) == "party-locked"
            forbidden, _ = await opened(ana)
            banned = await ana.call("party.ban", party_id=forbidden, uid=ben.user)
            assert await refused(ben, "party.join", party_id=forbidden) == "banned"
            assert (await value(ana, "party.state", banned, party_id=forbidden))["members"] == 1
            await eve.call("party.join", party_id=forbidden)

    async def test_who_is_not_signed_in(self, system: System) -> None:
        async with signed_in(system, "Ana") as (ana,):
            party_id, _ = await opened(ana)
            async with aiohttp.ClientSession(system.http) as nobody:
                for fn in ("join", "play", "kick", "report", "enqueue"):
                    async with nobody.post(f"/v1/call/party.{fn}", json={"party_id": party_id}) as answer:
                        assert (answer.status, (await answer.json())["code"]) == (401, "not-signed-in"), fn


class TestNonsense:
    async def test_a_title_of_ten_thousand_characters(self, system: System) -> None:
        async with signed_in(system, "Ana") as (ana,):
            assert await refused(ana, "party.open", title="x" * 10_000, media="m") == "invalid-argument"
            party_id, _ = await opened(ana)
            before = await everything(ana, party_id)

            assert await refused(ana, "party.configure", party_id=party_id, title="x" * 10_000) == "invalid-argument"

            assert await everything(ana, party_id) == before

    @pytest.mark.parametrize("position", ["NaN", "-1", "1e308", "Infinity", "1e999", '"12"', "[]", "true"])
    @pytest.mark.parametrize("fn", ["party.play", "party.pause", "party.seek"])
    async def test_a_position_that_is_none(self, system: System, fn: str, position: str) -> None:
        async with signed_in(system, "Ana") as (ana,):
            party_id, _ = await opened(ana)
            before = await everything(ana, party_id)

            await ana.say_text(
                f'{{"op":"call","id":99,"fn":"{fn}","args":{{"party_id":"{party_id}","position":{position}}}}}'
            )

            told = await ana.take(lambda frame: frame["op"] == "error")
            assert told["error"]["code"] in ("invalid-argument", "invalid-json")
            assert await everything(ana, party_id) == before

    async def test_a_party_that_is_none(self, system: System) -> None:
        async with signed_in(system, "Ana") as (ana,):
            for fn, args in (("join", {}), ("play", {}), ("kick", {"uid": "x"}), ("state", {}), ("timeline", {})):
                assert await refused(ana, f"party.{fn}", party_id="no-such", **args) == "no-such-party", fn
                assert await refused(ana, f"party.{fn}", party_id="x" * 129, **args) == "invalid-argument", fn
