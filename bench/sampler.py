"""Runs a module as `python -m` does and counts which functions use the processor.

`python -P bench/sampler.py WHEN FILE MODULE [WORD…]`. WHEN is `always`, or `asked`: between two SIGUSR1. The clock
is the process's own processor time, so waiting is not counted; what a function written in C uses is counted for the
Python function that called it.
"""

import json
import runpy
import signal
import sys
from collections import Counter
from types import FrameType

EVERY_SECONDS = 0.001
ROOTS = ("/site-packages/", "/src/", "/lib/python3.11/", "/lib/python3.12/", "/lib/python3.13/")


class Sampler:
    """Counts functions: on top of the stack, and anywhere on it."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._own: Counter[str] = Counter()
        self._whole: Counter[str] = Counter()
        self._running = False

    def toggle(self, number: int = 0, frame: FrameType | None = None) -> None:
        """Begin, or end and write down what was counted."""
        self._running = not self._running
        every = EVERY_SECONDS if self._running else 0.0
        signal.setitimer(signal.ITIMER_PROF, every, every)
        if not self._running:
            with open(self._path, "w") as file:
                own, whole = self._own.most_common(60), self._whole.most_common(120)
                json.dump({"samples": self._own.total(), "own": own, "whole": whole}, file)
            self._own.clear()
            self._whole.clear()

    def sample(self, number: int, frame: FrameType | None) -> None:
        seen = set()
        if frame is not None:
            self._own[_name(frame)] += 1
        while frame is not None:
            seen.add(_name(frame))
            frame = frame.f_back
        self._whole.update(seen)


def _name(frame: FrameType) -> str:
    path = frame.f_code.co_filename
    for root in ROOTS:
        path = path.rpartition(root)[2]
    return f"{path}:{frame.f_code.co_qualname}"


def main() -> None:
    when, path, module, *words = sys.argv[1:]
    sampler = Sampler(path)
    signal.signal(signal.SIGPROF, sampler.sample)
    signal.signal(signal.SIGUSR1, sampler.toggle)
    sys.argv = [module, *words]
    if when == "always":
        sampler.toggle()
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    finally:
        if when == "always":
            sampler.toggle()


if __name__ == "__main__":
    main()
