"""Background work: by the leader alone, begun anew after trouble, cut off when the lease goes."""

import asyncio
import contextlib
from typing import Any, cast

import pytest
from tests.wait import eventually

from events import working
from events.working import Workplace, keep_working

PLACE = cast(Workplace, None)


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOOK_SECONDS", "PAUSE_SECONDS", "LONGEST_PAUSE"):
        monkeypatch.setattr(working, name, 0.005)


@contextlib.asynccontextmanager
async def kept(work: Any, leads: Any) -> Any:
    task = asyncio.create_task(keep_working(work, PLACE, leads))
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_who_does_not_lead_does_nothing() -> None:
    begun = []

    async def work(place: Workplace) -> None:
        begun.append(place)

    async with kept(work, lambda: False):
        await asyncio.sleep(0.05)
    assert begun == []


async def test_what_fails_is_begun_anew() -> None:
    begun = []

    async def work(place: Workplace) -> None:
        begun.append(place)
        raise ValueError("trouble")

    async with kept(work, lambda: True) as task:
        await eventually(lambda: len(begun) >= 3)
        assert not task.done()


async def test_work_is_cut_off_when_another_leads_and_begun_again_when_the_lease_comes_back() -> None:
    leads, ended, begun = [True], [], []

    async def work(place: Workplace) -> None:
        begun.append(1)
        try:
            await asyncio.sleep(60)  # work that would go on until it is cut off
        finally:
            ended.append(1)

    async with kept(work, lambda: leads[0]):
        await eventually(lambda: bool(begun))
        leads[0] = False
        await eventually(lambda: bool(ended))
        leads[0] = True
        await eventually(lambda: len(begun) == 2)
    assert len(ended) == 2  # the second one when nobody keeps working any more
