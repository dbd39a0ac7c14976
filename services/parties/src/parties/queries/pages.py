"""The first members of a party, read once for all who come in at the same moment."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import NamedTuple

from msgspec import Raw

KEPT_SECONDS = 1.0
"""What changes without a commit of the party's, say an erased name, shows after so long at the latest."""
MOST = 64
"""Of large parties the members take some 50 kB; the oldest page goes first."""

Page = Raw
"""As it is sent."""


class Kept(NamedTuple):
    """A page, or the promise of one."""

    page: "asyncio.Future[Page | None]"
    """None if it could not be read."""
    until: float


class Pages:
    """Pages by what they are true of. Whoever asks while one is being read waits for that one."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._kept: OrderedDict[Hashable, Kept] = OrderedDict()

    async def get(self, of: Hashable, read: Callable[[], Awaitable[Page]]) -> Page:
        """The page *of* a party at a position: the same rows, whoever reads them."""
        kept = self._kept.get(of)
        if kept is not None and self._now() < kept.until:
            page = await asyncio.shield(kept.page)
            return await read() if page is None else page
        return await self._read(of, read)

    async def _read(self, of: Hashable, read: Callable[[], Awaitable[Page]]) -> Page:
        reading: asyncio.Future[Page | None] = asyncio.get_running_loop().create_future()
        self._kept[of] = Kept(reading, self._now() + KEPT_SECONDS)
        self._kept.move_to_end(of)
        if len(self._kept) > MOST:
            self._kept.popitem(last=False)
        try:
            page = await read()
        except BaseException:
            reading.set_result(None)
            raise
        reading.set_result(page)
        return page
