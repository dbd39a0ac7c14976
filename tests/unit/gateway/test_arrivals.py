"""What is told to the library of those who arrive: in the background, once for each token, in bounded memory."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.wait import eventually

from events.messages import Answer, Rejected
from gateway import limits
from gateway.arrivals import Arrivals
from gateway.catalogue import Catalogue
from gateway.identity import Claims, Identity

ADA = Identity("ada", 9e9, "Ada", ("admin",), "somewhere")
CLAIMS = Claims("https://p.example/ada", "ada@mail.example")


class Calls:
    """Takes commands in the place of the bus."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, Any]] = []
        self.open = asyncio.Event()
        self.open.set()
        self.error: Exception | None = None
        self.most = 0
        self._now = 0

    async def command(self, who: Identity, function: Any, command: Any, body: bytes, key: str | None) -> Answer:
        self._now += 1
        self.most = max(self.most, self._now)
        try:
            await self.open.wait()
            self.sent.append((who.uid, command))
            if self.error is not None:
                raise self.error
            return Answer()
        finally:
            self._now -= 1


@contextlib.asynccontextmanager
async def arriving(calls: Calls) -> AsyncIterator[Arrivals]:
    arrivals = Arrivals(calls, Catalogue())  # type: ignore[arg-type]  # as much of it as is used
    running = asyncio.create_task(arrivals.run())
    yield arrivals
    assert not running.done()
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running


async def test_each_token_is_told_once() -> None:
    calls = Calls()
    async with arriving(calls) as arrivals:
        for _ in range(5):
            arrivals.note("one", ADA, CLAIMS)
        arrivals.note("two", ADA, Claims())
        await eventually(lambda: len(calls.sent) == 2)
        arrivals.note("one", ADA, CLAIMS)
        await asyncio.sleep(0)

    (_, first), (_, second) = calls.sent
    assert (first.name, first.picture, first.email) == ("Ada", *CLAIMS)
    assert (second.name, second.picture, second.email) == ("Ada", "", "")


@pytest.mark.parametrize("error", [Rejected("unavailable"), ValueError("not an answer")])
async def test_what_could_not_be_told_is_told_at_the_next_use(error: Exception) -> None:
    calls = Calls()
    calls.error = error
    async with arriving(calls) as arrivals:
        arrivals.note("one", ADA, CLAIMS)
        await eventually(lambda: len(calls.sent) == 1)
        await asyncio.sleep(0.01)
        calls.error = None
        arrivals.note("one", ADA, CLAIMS)
        await eventually(lambda: len(calls.sent) == 2)


async def test_a_crowd_is_told_a_few_at_a_time_and_no_more_than_can_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SIGN_INS_WAITING", 100)
    calls = Calls()
    calls.open.clear()
    async with arriving(calls) as arrivals:
        await asyncio.sleep(0.01)
        for n in range(1_000):
            arrivals.note(f"token {n}", ADA, CLAIMS)
        await asyncio.sleep(0.01)
        calls.open.set()
        await eventually(lambda: len(calls.sent) == 100)
        assert calls.most == limits.SIGN_INS_AT_ONCE
        arrivals.note("token 999", ADA, CLAIMS)
        await eventually(lambda: len(calls.sent) == 101)


async def test_only_the_newest_tokens_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SIGN_INS_KEPT", 2)
    calls = Calls()
    async with arriving(calls) as arrivals:
        for token in ("one", "two", "one", "three", "one", "two"):
            arrivals.note(token, ADA, CLAIMS)
        await eventually(lambda: len(calls.sent) == 4)
        assert len(arrivals._seen) == 2


async def test_of_who_was_erased_every_token_is_told_again_and_nobody_else_s() -> None:
    calls = Calls()
    async with arriving(calls) as arrivals:
        tokens = {"one": ADA, "two": ADA, "three": ADA._replace(uid="ben")}
        for token, who in tokens.items():
            arrivals.note(token, who, CLAIMS)
        await eventually(lambda: len(calls.sent) == 3)

        arrivals.forget("ada")
        for token, who in tokens.items():
            arrivals.note(token, who, CLAIMS)

        await eventually(lambda: [uid for uid, _ in calls.sent[3:]] == ["ada", "ada"])
