"""What a service's fingerprint covers: read models are built anew when any code that fills them is another."""

import importlib
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.ledger import SERVICE

from events.definition import Service
from events.projection import Projection

APPLY = "from made_up.{room} import shout\nasync def apply(db, commits):\n    return {{shout('topic')}}\n"
SHOUT = "def shout(text):\n    return text.upper() + '{mark}'\n"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A service's package, that can be written anew between two imports."""
    monkeypatch.syspath_prepend(tmp_path)
    folder = tmp_path / "made_up"
    folder.mkdir()
    (folder / "__init__.py").touch()
    yield folder
    _forget()


def _forget() -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "made_up"]:
        del sys.modules[name]
    importlib.invalidate_caches()


def _fingerprint(**files: str) -> str:
    _forget()
    folder = Path(sys.path[0]) / "made_up"
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)
    apply = importlib.import_module("made_up.projections").apply
    service: Service = replace(SERVICE, projections=(Projection("made up", apply),))
    return service.fingerprint


@pytest.mark.usefixtures("package")
@pytest.mark.parametrize("room", ["projections", "voices", "far.voices"])
def test_code_that_a_projection_uses_is_covered(room: str) -> None:
    far = Path(sys.path[0]) / "made_up" / "far"
    far.mkdir()
    (far / "__init__.py").touch()
    found = []
    for mark in ("!", "?", "!"):
        shout = SHOUT.format(mark=mark)
        if room == "projections":
            found.append(_fingerprint(projections=shout + APPLY.partition("\n")[2].format()))
        else:
            found.append(_fingerprint(**{room.replace(".", "/"): shout, "projections": APPLY.format(room=room)}))

    assert found[0] == found[2] != found[1]


@pytest.mark.usefixtures("package")
def test_code_that_no_projection_uses_is_not(package: Path) -> None:
    projections = APPLY.format(room="voices")
    prints = {
        _fingerprint(projections=projections, voices=SHOUT.format(mark=""), decider=f"RULE = {rule}") for rule in (1, 2)
    }

    assert len(prints) == 1
