"""What devices tell late, in any interleaving, through real servers; and many more of the examples of the unit test."""

from collections.abc import Callable, Sequence
from functools import partial
from random import Random
from typing import Any

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test
from tests.integration.library.test_convergence import House, newcomer
from tests.integration.library.test_convergence import settings as service_settings
from tests.unit.library import devices
from tests.unit.library.devices import Household, Step
from tests.unit.library.test_devices import WAYS, Devices

from events.contracts.library import (
    Addons,
    ContinueWatching,
    History,
    ItemChange,
    Items,
    Lists,
    ShowList,
    Title,
    Titles,
)
from events.messages import Context
from events.service import replica
from events.testing import NOW
from library.main import SERVICE
from ops.embedded import Embedded

DOINGS = 60


def test_many_more_interleavings_end_in_the_same_library() -> None:
    run_state_machine_as_test(Devices, settings=settings(max_examples=200, stateful_step_count=50, deadline=None))


def lived(home: Household, random: Random) -> None:
    """What all of them did."""
    for _ in range(DOINGS):
        random.choice(_possible(home, random))()


def _possible(home: Household, random: Random) -> list[Callable[[], None]]:
    pick, device = random.choice, random.choice(devices.DEVICES)
    what, work = pick(devices.WATCHABLE), pick(devices.WATCHABLE)[0]
    list_id, listed, order, name = (
        pick(choices) for choices in (devices.LISTS, devices.LISTED, devices.ORDERS, devices.ADDONS[:-1])
    )
    change = ItemChange(in_watchlist=pick((True, False)), status=pick(("watching", "finished")), details=devices.SHOW)
    return [
        *[partial(home.watch, device, what, pick(WAYS), pick(("playing", "stopped")), pick((1, 2)))] * 4,
        partial(home.mark, device, work, pick(((1,), (2,), (1, 2))), pick((True, False))),
        partial(home.choose, device, work, change),
        partial(home.remove_play, device, random.randrange(4)),
        partial(home.put, device, list_id, listed, order),
        partial(home.move, device, list_id, listed, order),
        partial(home.take_off, device, list_id, listed),
        partial(home.rename, device, list_id),
        partial(home.move_list, device, list_id, order),
        partial(home.move_addon, device, name, order),
        partial(home.flag_addon, device, name, pick((True, False))),
        partial(home.clear, device) if random.random() < 0.2 else partial(home.install, device, name),
        partial(home.take_in, what, random.random() < 0.3, change),
        partial(home.undo, random.randrange(4)),
    ]


def interleaved(home: Household, random: Random) -> list[Step]:
    """Each tells in its own order, and devices some of it twice."""
    waiting = {queue: list(steps) for queue, steps in home.queues.items() if steps}
    told: list[Step] = []
    while waiting:
        queue = random.choice(list(waiting))
        told.append(waiting[queue].pop(0))
        if queue != devices.IMPORTS and random.random() < 0.2:
            told.append(random.choice([step for step in told if step.now is None]))
        waiting = {queue: steps for queue, steps in waiting.items() if steps}
    return told


async def tell(house: House, uid: str, steps: Sequence[Step], hour: int) -> None:
    now = NOW.replace(hour=hour)
    for step in steps:
        context = Context(actor=uid, now=step.now or now, command_id=step.id)
        await house.running.aggregates.execute(step.command, context)


async def begun(house: House, uid: str) -> Household:
    """With the ids that the addons have there."""
    await tell(house, uid, Household.beginning(), 0)
    await house.projected()
    found = (await house.ask(Addons(), uid)).items
    ids = {one.transport_url: one.addon_id for one in found}
    return Household(uid, {name: ids[devices.address(name)] for name in devices.ADDONS})


async def everything(house: House, uid: str) -> list[Any]:
    """But for the ids of addons, which are each person's own, and when something was put on a list, which is the first
    time that the server knew of."""
    works = (devices.FILM, devices.SERIES)
    queries = (ContinueWatching(), Titles(), Items(), History(limit=100), Lists(), *(Title(work=id) for id in works))
    addons = (await house.ask(Addons(), uid)).items
    shown = sorted((one.order, one.transport_url, one.flags.official) for one in addons)
    lists = [await house.ask(ShowList(list_id=list_id), uid) for list_id in devices.LISTS]
    held = [(page.about, [(item.work, item.order) for item in page.items]) for page in lists]
    return [*[await house.ask(query, uid) for query in queries], held, shown]


@pytest.mark.parametrize("seed", range(2))
async def test_through_real_servers_everybody_ends_in_the_same_library(own_servers: Embedded, seed: int) -> None:
    async with replica(SERVICE, service_settings(own_servers)) as running:
        house, people = House(running), [newcomer() for _ in range(2)]
        for n, uid in enumerate(people):
            home = await begun(house, uid)
            lived(home, Random(seed))
            await tell(house, uid, interleaved(home, Random(seed + 10 * n)), 13)
        await house.projected()

        one, other = [await everything(house, uid) for uid in people]
        assert one == other
        assert one[3].items
        rebuild = running.stores.rebuild
        scratch = rebuild.new_name()
        await rebuild.create(scratch)
        await rebuild.fill(scratch)
        assert await rebuild.differences(running.models.schema, scratch) == {}, "as `matinee verify` compares"
