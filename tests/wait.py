"""Waiting for a condition with a deadline: what tests do instead of sleeping."""

import asyncio
import inspect
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, overload

T = TypeVar("T")
_PAUSE = 0.01


@overload
async def eventually(condition: Callable[[], Awaitable[T]], within: float = 5.0) -> T: ...
@overload
async def eventually(condition: Callable[[], T], within: float = 5.0) -> T: ...
async def eventually(condition: Callable[[], Any], within: float = 5.0) -> Any:
    """The first true answer of a condition, plain or async. An assertion or OSError in it counts as "not yet"."""
    deadline = time.monotonic() + within
    while True:
        try:
            answer = condition()
            value = await answer if inspect.isawaitable(answer) else answer
        except (AssertionError, OSError):
            if time.monotonic() > deadline:
                raise
        else:
            if value:
                return value
            assert time.monotonic() < deadline, f"not so after {within} s; the last answer was {value!r}"
        await asyncio.sleep(_PAUSE)


def eventually_now(condition: Callable[[], T], within: float = 5.0) -> T:
    """The same from a plain test."""
    deadline, pause = time.monotonic() + within, threading.Event()
    while True:
        try:
            value = condition()
        except (AssertionError, OSError):
            if time.monotonic() > deadline:
                raise
        else:
            if value:
                return value
            assert time.monotonic() < deadline, f"not so after {within} s; the last answer was {value!r}"
        pause.wait(_PAUSE)
