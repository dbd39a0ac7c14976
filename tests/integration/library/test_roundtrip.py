"""What an export tells, taken in by somebody else, goes on where it was left."""

import secrets
from collections.abc import AsyncIterator

import pytest
from tests.integration.library.test_imports import House, exported, opened
from tests.unit.library import files

from events.contracts.library import ContinueWatching, Item, ItemView, Report, SetItem
from ops.embedded import Embedded

FILM = "tt7654321"


@pytest.fixture
async def house(servers: Embedded) -> AsyncIterator[House]:
    async with opened(servers) as house:
        yield house


@pytest.fixture
def ana() -> str:
    return f"ana-{secrets.token_hex(6)}"


async def moved(house: House, by: str) -> str:
    """Somebody else, who has taken in all that *by* has."""
    other = f"bob-{secrets.token_hex(6)}"
    records = [record for page in await exported(house, by) for record in page]
    done = await house.imported(files.as_lines(*records), "matinee", other)
    assert (done.state, done.error) == ("applied", "")
    return other


async def continued(house: House, by: str) -> list[tuple[str, float]]:
    page = await house.ask(ContinueWatching(), by)
    return [(one.work, one.position) for one in page.items]


async def status(house: House, by: str) -> str | None:
    item: ItemView = await house.ask(Item(work=FILM), by)
    return item.status


@pytest.mark.parametrize("said", [False, True])
async def test_a_film_that_is_watched_again_goes_on(house: House, ana: str, said: bool) -> None:
    await house.tell(Report(work=FILM, position=95, duration=100, session="once"), ana)
    if said:
        await house.tell(SetItem(work=FILM, status="finished"), ana)
    await house.tell(Report(work=FILM, position=40, duration=100, session="again"), ana)
    bob = await moved(house, ana)

    assert await continued(house, bob) == await continued(house, ana) == [(FILM, 40.0)]
    assert await status(house, bob) == await status(house, ana) == "finished"


async def test_what_was_put_away_stays_so(house: House, ana: str) -> None:
    await house.tell(Report(work=FILM, position=40, duration=100), ana)
    await house.tell(SetItem(work=FILM, status="finished"), ana)
    bob = await moved(house, ana)

    assert await continued(house, bob) == await continued(house, ana) == []
    assert await status(house, bob) == await status(house, ana) == "finished"
