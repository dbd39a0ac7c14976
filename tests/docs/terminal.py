"""One shell for a whole page, for whoever pastes its blocks into one window, and what its output should look like."""

import re
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.wait import eventually_now

MARK = "-- the block ended with "
PATIENCE = 30.0


class Terminal:
    """Variables, background jobs and the folder stay from one command to the next."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._shell = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=folder,
            env=dict(environment),
            process_group=0,
        )
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._shell.kill()
        self._shell.wait()
        self._reader.join(PATIENCE)

    def run(self, command: str) -> int:
        """Run it to its end, background jobs aside, and return its status."""
        assert self._shell.stdin is not None
        begun = len(self.lines)
        self._shell.stdin.write(f"{{\n{command.rstrip()}\n}} </dev/null\nended=$?; echo; echo '{MARK}'$ended\n")
        self._shell.stdin.flush()
        ended = eventually_now(lambda: [line for line in self.lines[begun:] if line.startswith(MARK)], PATIENCE)
        return int(ended[0].removeprefix(MARK))

    def _read(self) -> None:
        assert self._shell.stdout is not None
        for line in self._shell.stdout:
            self.lines.append(line.rstrip("\n"))


_PARTS = re.compile(
    r"""(?P<any>…)
    | (?P<size>[\d.,]+)(?=\ (?:ms|s)\b)
    | (?P<time>\d{4}-\d\d-\d\d[T ][\d:.]+Z?)
    | (?P<id>\b(?=[a-z0-9_]*\d)[a-z0-9_]{8,}\b|\b[a-z2-7]{16}\b|\b[a-z2-7]{26}\b)
    | (?P<position>(?<=:)\d+(?="|$))
    | (?P<number>\d[\d,.]*)
    | (?P<space>\s+)
    | (?P<bar>━+.*)""",
    re.VERBOSE,
)
_LOOKS_LIKE = {
    "any": ".*",
    "size": r"[\d.,]+",
    "time": r"\d{4}-\d\d-\d\d[T ][\d:.]+Z?",
    "id": "[a-z0-9_]+",
    # Where telemetry has come, too, it is counted behind a plus.
    "position": r"\d+(?:\+\d+)?",
    "number": r"\d[\d,.]*",
    "space": r"\s+",
    "bar": ".*",
}


def shape(line: str) -> "re.Pattern[str]":
    """What a line of output looks like: numbers, times and ids may differ, and `…` stands for anything."""
    pattern, at = "", 0
    for found in _PARTS.finditer(line.strip()):
        assert found.lastgroup is not None
        pattern += re.escape(line.strip()[at : found.start()]) + _LOOKS_LIKE[found.lastgroup]
        at = found.end()
    return re.compile(pattern + re.escape(line.strip()[at:]))


def missing(expected: str, said: list[str]) -> list[str]:
    """The expected lines that nothing looks like."""
    wanted = [line for line in expected.splitlines() if line.strip() not in ("", "…")]
    return [line for line in wanted if not any(shape(line).fullmatch(each.strip()) for each in said)]
