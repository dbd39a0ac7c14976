"""Who is answered with whom, and who waits for what."""

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.wait import eventually

from events import together as module
from events.messages import Rejected
from events.together import Together


class Runs:
    """Answers with the number of the run, when it is let; `bad` is refused, `fail` fails for all."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, list[str]]] = []
        self.let = asyncio.Event()
        self.let.set()

    async def __call__(self, about: str, questions: Sequence[str]) -> list[int | Exception]:
        self.asked.append((about, list(questions)))
        run = len(self.asked)
        await self.let.wait()
        if "fail" in questions:
            raise RuntimeError("away")
        return [Rejected("bad") if question == "bad" else run for question in questions]


def asking(together: Together[str, str, int], *questions: str, about: str = "a") -> list[asyncio.Task[int]]:
    return [asyncio.create_task(together.ask(about, question)) for question in questions]


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_who_comes_alone_is_answered_alone() -> None:
    runs = Runs()
    together = Together(runs)

    assert [await together.ask("a", "one"), await together.ask("a", "two")] == [1, 2]
    assert runs.asked == [("a", ["one"]), ("a", ["two"])]


async def test_who_comes_during_a_run_waits_for_the_next_one_which_answers_all_of_them() -> None:
    runs = Runs()
    runs.let.clear()
    together = Together(runs)
    first = asking(together, "one")
    await settled()
    others = asking(together, "two", "three")
    await settled()
    assert runs.asked == [("a", ["one"])]
    runs.let.set()

    assert await asyncio.gather(*first, *others) == [1, 2, 2]
    assert runs.asked == [("a", ["one"]), ("a", ["two", "three"])]


async def test_other_things_are_asked_about_at_the_same_time() -> None:
    runs = Runs()
    runs.let.clear()
    together = Together(runs)
    tasks = asking(together, "one") + asking(together, "two", about="b")
    await settled()

    assert runs.asked == [("a", ["one"]), ("b", ["two"])]
    runs.let.set()
    await asyncio.gather(*tasks)


async def test_a_refusal_is_for_one_alone_a_failure_for_all_of_a_run() -> None:
    together = Together(Runs())
    one, bad = await asyncio.gather(*asking(together, "one", "bad"), return_exceptions=True)
    both = await asyncio.gather(*asking(together, "one", "fail"), return_exceptions=True)

    assert one == 1
    assert isinstance(bad, Rejected)
    assert [type(each) for each in both] == [RuntimeError, RuntimeError]
    assert await together.ask("a", "on it goes") == 3


async def test_a_run_that_takes_long_keeps_nobody_else_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.0)
    runs = Runs()
    runs.let.clear()
    together = Together(runs)
    first = asking(together, "one")
    await settled()
    others = asking(together, "two")
    await eventually(lambda: len(runs.asked) == 2)
    runs.let.set()

    assert await asyncio.gather(*first, *others) == [1, 2]


@pytest.mark.parametrize("wrong", [asyncio.CancelledError(), [1]])
async def test_nobody_waits_for_ever_for_a_run_that_ends_without_answers(wrong: BaseException | list[int]) -> None:
    async def answer(about: str, questions: Sequence[str]) -> list[int]:
        if isinstance(wrong, BaseException):
            raise wrong
        return wrong

    tasks = asking(Together(answer), "one", "two")
    done, waiting = await asyncio.wait(tasks, timeout=1)

    assert not waiting
    assert all(task.cancelled() or task.exception() for task in done)


async def test_who_is_cancelled_takes_nobody_along() -> None:
    runs = Runs()
    runs.let.clear()
    together = Together(runs)
    one, two = asking(together, "one", "two")
    await settled()
    one.cancel()
    await settled()
    runs.let.set()

    assert await two == 1
    assert one.cancelled()


async def test_a_run_answers_no_more_than_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 2)
    runs = Runs()

    assert await asyncio.gather(*asking(Together(runs), *"abcde")) == [1, 1, 2, 2, 3]


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 3), st.integers(0, 3)), max_size=30))
def test_nobody_is_answered_with_what_was_read_before_they_asked(plan: list[tuple[str, int, int]]) -> None:
    """What is asked about changes all the time; each answer has to show what its asker had seen."""

    async def story() -> None:
        now = 0

        async def read(about: str, questions: Sequence[int]) -> list[int]:
            seen = now
            for _ in range(len(questions)):
                await asyncio.sleep(0)
            return [seen] * len(questions)

        together = Together(read)

        async def ask(about: str, later: int) -> tuple[int, int]:
            nonlocal now
            for _ in range(later):
                await asyncio.sleep(0)
            now += 1
            mine = now
            return mine, await together.ask(about, mine)

        tasks = []
        for about, pause, later in plan:
            tasks.append(asyncio.create_task(ask(about, later)))
            for _ in range(pause):
                await asyncio.sleep(0)
        assert all(seen >= mine for mine, seen in await asyncio.gather(*tasks))

    asyncio.run(story())
