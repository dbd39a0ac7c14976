"""What a crowd shares that comes in at once, and what it does not."""

import asyncio

import msgspec
import pytest

from parties.queries import pages as module
from parties.queries.pages import Page, Pages


def page(name: str) -> Page:
    return Page(msgspec.json.encode([name]))


class Reader:
    """Reads a page when it is let, or fails."""

    def __init__(self, name: str = "ada") -> None:
        self.name = name
        self.reads = 0
        self.let = asyncio.Event()
        self.failure: Exception | None = None

    async def __call__(self) -> Page:
        self.reads += 1
        await self.let.wait()
        if self.failure is not None:
            raise self.failure
        return page(self.name)


async def asked(pages: Pages, of: object, reader: Reader, times: int) -> list[asyncio.Task[Page]]:
    tasks = [asyncio.create_task(pages.get(of, reader)) for _ in range(times)]
    await asyncio.sleep(0)
    return tasks


async def test_who_asks_for_the_same_page_at_once_shares_one_reading() -> None:
    pages, reader = Pages(), Reader()
    tasks = await asked(pages, ("p", 7), reader, 5)
    reader.let.set()

    assert await asyncio.gather(*tasks) == [page("ada")] * 5
    assert await pages.get(("p", 7), reader) == page("ada")
    assert reader.reads == 1


async def test_another_position_or_party_is_another_page() -> None:
    pages, ada, ben = Pages(), Reader("ada"), Reader("ben")
    ada.let.set()
    ben.let.set()

    assert await pages.get(("p", 7), ada) == page("ada")
    assert await pages.get(("p", 8), ben) == page("ben")
    assert await pages.get(("q", 7), ben) == page("ben")
    assert ben.reads == 2


async def test_a_page_is_read_anew_after_a_moment() -> None:
    now = 100.0
    pages, reader = Pages(lambda: now), Reader()
    reader.let.set()
    await pages.get(("p", 7), reader)
    now += module.KEPT_SECONDS
    await pages.get(("p", 7), reader)

    assert reader.reads == 2


async def test_who_waited_for_a_reading_that_failed_reads_alone() -> None:
    pages, failing, fine = Pages(), Reader(), Reader("ben")
    failing.failure = RuntimeError("away")
    (first,) = await asked(pages, ("p", 7), failing, 1)
    others = await asked(pages, ("p", 7), fine, 2)
    fine.let.set()
    failing.let.set()

    with pytest.raises(RuntimeError, match="away"):
        await first
    assert await asyncio.gather(*others) == [page("ben")] * 2


async def test_who_is_cancelled_keeps_nobody_waiting() -> None:
    pages, stuck, fine = Pages(), Reader(), Reader("ben")
    (first,) = await asked(pages, ("p", 7), stuck, 1)
    second, third = await asked(pages, ("p", 7), fine, 2)
    fine.let.set()
    second.cancel()
    first.cancel()

    assert await third == page("ben")


async def test_pages_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 2)
    pages, reader = Pages(), Reader()
    reader.let.set()
    for position in (1, 2, 3, 1):
        await pages.get(("p", position), reader)

    assert reader.reads == 4
