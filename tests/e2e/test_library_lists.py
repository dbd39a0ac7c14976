"""Lists as two devices of one person see them live, and as nobody else does."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest
from tests.e2e.client import Client, Frame, Refused
from tests.system import System

A, B, C, D = "tt0000001", "tt0000002", "tt0000003", "tt0000004"


@contextlib.asynccontextmanager
async def devices(system: System, *names: str, of: int = 1) -> AsyncIterator[list[Client]]:
    """For each name a guest, with so many devices."""
    async with contextlib.AsyncExitStack() as stack:
        http = await stack.enter_async_context(aiohttp.ClientSession())
        clients = []
        for name in names:
            async with http.post(f"{system.http}/v1/guest", json={"name": name}) as answer:
                token = (await answer.json())["token"]
            clients += [await stack.enter_async_context(await Client.connect(system.ws, token)) for _ in range(of)]
        yield clients


async def value(client: Client, fn: str, after: Frame | None = None, **args: Any) -> Any:
    position = {"after": after["position"]} if after else {}
    return (await client.ask("call", fn=fn, args=args, **position))["value"]


async def refused(client: Client, fn: str, **args: Any) -> str:
    with pytest.raises(Refused) as refusal:
        await client.call(fn, **args)
    return refusal.value.code


async def noir(client: Client, *works: str) -> tuple[str, Frame]:
    """A list with these on it, and the answer to the last that it took."""
    created = await client.call("library.create_list", name="Noir")
    list_id = created["value"]["list_id"]
    return str(list_id), await add(client, list_id, *works) if works else created


async def add(client: Client, list_id: str, *works: str, **more: Any) -> Frame:
    return await client.call("library.add_to_list", list_id=list_id, items=[{"work": work} for work in works], **more)


class Screen:
    """A live query on a device."""

    def __init__(self, device: Client, first: Frame) -> None:
        self.device = device
        self.id = first["id"]
        self.now = first["value"]

    @classmethod
    async def of(cls, device: Client, fn: str, after: Frame | None = None, **args: Any) -> "Screen":
        """The live query, once its answer shows what *after* answered."""
        await value(device, fn, after, **args)
        return cls(device, await device.ask("watch", fn=fn, args=args))

    async def until(self, expected: list[str], of: str = "work") -> None:
        """Until it shows just these, in this order."""
        await self.shows(lambda now: [item[of] for item in now["items"]] == expected)

    async def shows(self, wanted: Callable[[Any], bool]) -> None:
        async with asyncio.timeout(10):
            while not wanted(self.now):
                self.now = (await self.device.expect(op="value", id=self.id))["value"]


async def test_one_device_sees_live_what_the_other_does(system: System) -> None:
    async with devices(system, "Ada", of=2) as (phone, screen):
        list_id, added = await noir(phone, A, B, C)
        seen = await Screen.of(screen, "library.list", added, list_id=list_id)
        await seen.until([A, B, C])

        await phone.call("library.move_in_list", list_id=list_id, work=C)
        await seen.until([C, A, B])
        await phone.call("library.move_in_list", list_id=list_id, work=C, after=A)
        await seen.until([A, C, B])
        await add(phone, list_id, D, after=A)
        await seen.until([A, D, C, B])
        await phone.call("library.remove_from_list", list_id=list_id, works=[A, "tt9999999"])
        await seen.until([D, C, B])
        await phone.call("library.rename_list", list_id=list_id, name="Neo-noir")
        await seen.shows(lambda now: now["about"]["name"] == "Neo-noir")


async def test_the_lists_and_their_order_are_live_too(system: System) -> None:
    async with devices(system, "Ada", of=2) as (phone, screen):
        seen = await Screen.of(screen, "library.lists")
        assert seen.now == {"items": [], "cursor": None}
        (first, _), (second, _) = await noir(phone), await noir(phone)
        await seen.until([first, second], of="list_id")
        await phone.call("library.move_list", list_id=second)
        await seen.until([second, first], of="list_id")
        held = await Screen.of(screen, "library.lists_holding", work=A)
        assert held.now == {"work": A, "lists": []}
        await add(phone, first, A)
        await held.shows(lambda now: now["lists"] == [{"list_id": first, "name": "Noir"}])
        await phone.call("library.delete_list", list_id=first)
        await seen.until([second], of="list_id")


async def test_devices_that_were_offline_end_with_one_list(system: System) -> None:
    async with devices(system, "Ada", of=3) as (phone, tablet, tv):
        begun = datetime.now(UTC) - timedelta(hours=1)
        late = [(begun + timedelta(minutes=n)).isoformat() for n in range(6)]
        list_id = "offline"
        await phone.call("library.create_list", name="Noir", list_id=list_id, at=late[0])
        await add(phone, list_id, A, B, C, at=late[1])
        told: list[tuple[Client, str, dict[str, Any]]] = [
            (tv, "move_in_list", {"work": A, "order": "b00", "at": late[5], "op": "tv-1"}),
            (phone, "move_in_list", {"work": A, "order": "Zz", "at": late[3], "op": "phone-1"}),
            (tablet, "remove_from_list", {"works": [B], "at": late[4], "op": "tablet-1"}),
            (phone, "move_in_list", {"work": B, "order": "Zy", "at": late[2], "op": "phone-2"}),
        ]
        answers = [await device.call(f"library.{fn}", list_id=list_id, **args) for device, fn, args in (*told, *told)]

        for device in (phone, tablet, tv):
            page = await value(device, "library.list", answers[-1], list_id=list_id)
            assert [item["work"] for item in page["items"]] == [C, A]


async def test_a_work_is_found_under_each_of_its_ids_and_what_was_joined_can_be_split(system: System) -> None:
    async with devices(system, "Ada") as (ada,):
        list_id, _ = await noir(ada, A)
        joined = await ada.call("library.join_ids", works=["tmdb:movie:603", A])
        held = await value(ada, "library.lists_holding", joined, work="tmdb:603", kind="movie")
        assert [one["list_id"] for one in held["lists"]] == [list_id]
        split = await ada.call("library.split_ids", work=A)
        assert (await value(ada, "library.lists_holding", split, work="tmdb:movie:603"))["lists"] == []
        assert await refused(ada, "library.split_ids", work=A) == "not-joined"


async def test_the_same_command_twice_takes_effect_once(system: System) -> None:
    async with devices(system, "Ada") as (ada,):
        args = {"fn": "library.create_list", "args": {"name": "Noir"}, "key": "once"}
        first, second = [await ada.ask("call", **args) for _ in range(2)]
        assert first["value"] == second["value"]
        assert len((await value(ada, "library.lists", second))["items"]) == 1
        list_id = first["value"]["list_id"]
        for _ in range(2):
            added = await add(ada, list_id, A, op="add-1")
        removed = await ada.call("library.remove_from_list", list_id=list_id, works=[A])
        added = await add(ada, list_id, A, op="add-1")
        page = await value(ada, "library.list", added, list_id=list_id)
        assert (page["items"], page["about"]["items"]) == ([], 0)
        assert added["position"] >= removed["position"]


async def test_two_devices_that_race_both_take_effect(system: System) -> None:
    async with devices(system, "Ada", of=2) as (phone, tablet):
        list_id, created = await noir(phone)
        works = [f"tt{n:07}" for n in range(40)]
        await asyncio.gather(
            *(
                add(device, list_id, work)
                for device, part in ((phone, works[::2]), (tablet, works[1::2]))
                for work in part
            )
        )
        racing = await asyncio.gather(
            *(device.call("library.create_list", name="Both", list_id="both") for device in (phone, tablet)),
            return_exceptions=True,
        )
        screen = await Screen.of(tablet, "library.list", created, list_id=list_id, limit=100)
        await screen.shows(lambda now: now["about"]["items"] == len(works))

        assert sorted(item["work"] for item in screen.now["items"]) == works
        assert len({item["order"] for item in screen.now["items"]}) == len(works)
        assert [one.code for one in racing if isinstance(one, Refused)] == ["list-exists"]


async def test_somebody_elses_list_is_not_there(system: System) -> None:
    async with devices(system, "Ada", "Ben") as (ada, ben):
        list_id, added = await noir(ada, A)
        other, _ = await noir(ben)
        for fn, args in (
            ("library.list", {}),
            ("library.rename_list", {"name": "Mine"}),
            ("library.delete_list", {}),
            ("library.add_to_list", {"items": [{"work": B}]}),
            ("library.move_in_list", {"work": A}),
            ("library.remove_from_list", {"works": [A]}),
            ("library.move_list", {}),
        ):
            assert await refused(ben, fn, list_id=list_id, **args) == "no-such-list"
        assert await refused(ben, "library.move_list", list_id=other, after=list_id) == "no-such-list"
        with pytest.raises(Refused) as refusal:
            await ben.ask("watch", fn="library.list", args={"list_id": list_id})
        assert refusal.value.code == "no-such-list"
        assert [item["work"] for item in (await value(ada, "library.list", added, list_id=list_id))["items"]] == [A]


SIGNED_IN: dict[str, dict[str, Any]] = {
    "library.create_list": {"name": "Noir"},
    "library.rename_list": {"list_id": "x", "name": "Noir"},
    "library.delete_list": {"list_id": "x"},
    "library.add_to_list": {"list_id": "x", "items": [{"work": A}]},
    "library.move_in_list": {"list_id": "x", "work": A},
    "library.remove_from_list": {"list_id": "x", "works": [A]},
    "library.move_list": {"list_id": "x"},
    "library.join_ids": {"works": [A, B]},
    "library.split_ids": {"work": A},
    "library.clear_history": {},
    "library.lists": {},
    "library.list": {"list_id": "x"},
    "library.lists_holding": {"work": A},
}


async def test_nobody_has_no_lists(system: System) -> None:
    async with await Client.connect(system.ws) as nobody:
        for fn, args in SIGNED_IN.items():
            assert await refused(nobody, fn, **args) == "not-signed-in"


BAD: list[tuple[str, dict[str, Any], str]] = [
    ("library.create_list", {"name": ""}, "invalid-argument"),
    ("library.create_list", {"name": "x" * 201}, "invalid-argument"),
    ("library.create_list", {"name": "a\x00"}, "invalid-argument"),
    ("library.create_list", {"name": "Noir", "at": "2026-01-01T00:00:00"}, "invalid-argument"),
    ("library.create_list", {"name": "Noir", "at": "2020-01-01T00:00:00Z"}, "too-old"),
    ("library.create_list", {"name": "Noir", "order": "a b"}, "invalid-argument"),
    ("library.add_to_list", {"list_id": "x", "items": []}, "invalid-argument"),
    ("library.add_to_list", {"list_id": "x", "items": [{"work": A}] * 101}, "invalid-argument"),
    ("library.add_to_list", {"list_id": "x", "items": [{"work": A, "stars": 5}]}, "invalid-argument"),
    ("library.add_to_list", {"list_id": "never", "items": [{"work": A}]}, "no-such-list"),
    ("library.move_in_list", {"list_id": "x", "work": "x" * 129}, "invalid-argument"),
    ("library.remove_from_list", {"list_id": "x", "works": A}, "invalid-argument"),
    ("library.delete_list", {"list_id": "never"}, "no-such-list"),
    ("library.move_list", {"list_id": "never"}, "no-such-list"),
    ("library.join_ids", {"works": [A]}, "invalid-argument"),
    ("library.join_ids", {"works": [f"id{n}" for n in range(11)]}, "invalid-argument"),
    ("library.split_ids", {"work": A}, "not-joined"),
    ("library.take_in_list", {"uid": "x"}, "unknown-function"),
    ("library.list", {"list_id": "never"}, "no-such-list"),
    ("library.lists", {"cursor": "nonsense"}, "bad-cursor"),
    ("library.lists", {"limit": 101}, "invalid-argument"),
    ("library.lists_holding", {"work": ""}, "invalid-argument"),
]


async def test_what_is_odd_is_refused(system: System) -> None:
    async with devices(system, "Ada") as (ada,):
        for fn, args, code in BAD:
            assert await refused(ada, fn, **args) == code, fn
        assert (await value(ada, "library.lists"))["items"] == []
