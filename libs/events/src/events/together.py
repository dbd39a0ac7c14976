"""Answers many who ask about one thing at the same moment with one run."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Hashable, Sequence
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
Q = TypeVar("Q")
A = TypeVar("A")

PATIENCE_SECONDS = 0.1
"""A run that takes longer keeps nobody else waiting: the next one begins beside it."""
MOST = 500
"""Questions that one run answers; the others get the next."""


class Together(Generic[K, Q, A]):
    """Who asks while a run is under way waits for the next one, which answers all who have come meanwhile.

    So a run never began before those whom it answers asked: it sees whatever they have seen. Whoever comes alone is
    answered at once.
    """

    def __init__(self, answer: Callable[[K, Sequence[Q]], Awaitable[Sequence[A | Exception]]]) -> None:
        """*answer*: the answers in the order of the questions; an exception among them is for one asker alone."""
        self._answer = answer
        self._waiting: dict[K, list[tuple[Q, asyncio.Future[A]]]] = {}
        """By what is asked about; somebody looks after each."""
        self._tasks: set[asyncio.Task[None]] = set()

    async def ask(self, about: K, question: Q) -> A:
        """The answer, or whatever the run raised."""
        future: asyncio.Future[A] = asyncio.get_running_loop().create_future()
        waiting = self._waiting.get(about)
        if waiting is None:
            waiting = self._waiting[about] = []
            self._spawn(self._look_after(about))
        waiting.append((question, future))
        return await future

    async def _look_after(self, about: K) -> None:
        """Run after run, until nobody waits."""
        while asked := self._waiting[about][:MOST]:
            del self._waiting[about][:MOST]
            await asyncio.wait((self._spawn(self._run(about, asked)),), timeout=PATIENCE_SECONDS)
        del self._waiting[about]

    async def _run(self, about: K, asked: "Sequence[tuple[Q, asyncio.Future[A]]]") -> None:
        told: Sequence[tuple[asyncio.Future[A], A | Exception]]
        futures = [future for _, future in asked]
        try:
            told = list(zip(futures, await self._answer(about, [question for question, _ in asked]), strict=True))
        except Exception as error:  # noqa: BLE001  # whatever it is, it is told to whom it concerns
            told = [(future, error) for future in futures]
        except BaseException:
            for future in futures:
                future.cancel()
            raise
        for future, answer in told:
            if future.done():
                continue  # who was cancelled waits no more
            if isinstance(answer, Exception):
                future.set_exception(answer)
            else:
                future.set_result(answer)

    def _spawn(self, running: Coroutine[None, None, None]) -> "asyncio.Task[None]":
        task = asyncio.create_task(running)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
