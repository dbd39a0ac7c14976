"""The rules of the talk beside a film are tested where they run; what node says of them is this test's outcome."""

import os
import subprocess
from pathlib import Path

import pytest
from bench.node import NODE, missing

FILES = sorted(Path(__file__).with_name("talk").glob("*.test.js"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name.partition(".")[0])
def test_the_talk_keeps_its_rules(file: Path) -> None:
    if missing() and os.environ.get("CI") != "true":
        pytest.skip(f"node does not start here: {missing()}")
    said = subprocess.run(
        [NODE, "--test", "--test-reporter=spec", str(file)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 0, said.stdout + said.stderr
