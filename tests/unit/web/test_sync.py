"""The rules of sync.js are tested where it runs; what node says of them is this test's outcome."""

import os
import subprocess
from pathlib import Path

import pytest
from bench.node import NODE, missing

HERE = Path(__file__).parent


def test_the_follower_keeps_its_rules() -> None:
    if missing() and os.environ.get("CI") != "true":
        pytest.skip(f"node does not start here: {missing()}")
    said = subprocess.run(
        [NODE, "--test", "--test-reporter=spec", str(HERE / "sync.test.js")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 0, said.stdout + said.stderr
