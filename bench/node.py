"""The JavaScript runtime that comes with Playwright, so that nobody has to install another."""

import subprocess
from functools import cache
from pathlib import Path

import playwright

NODE = str(Path(playwright.__file__).parent / "driver" / "node")


@cache
def missing() -> str:
    """Why it does not start here, in its own words; empty if it does. A bare system may lack libatomic."""
    tried = subprocess.run([NODE, "--version"], capture_output=True, text=True, check=False)
    return tried.stderr.strip() if tried.returncode else ""
