"""The names of headers: each is written down once, or two rooms may come to differ."""

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import events
import gateway
import library
import parties


def literals(package: ModuleType) -> Iterator[str]:
    for path in Path(package.__path__[0]).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith("Matinee-"):
                yield node.value


def test_every_header_is_named_once() -> None:
    named = Counter(name for package in (events, gateway, parties, library) for name in literals(package))
    assert named
    assert {name: times for name, times in named.items() if times > 1} == {}
