"""The JavaScript runtime that comes with Playwright, so that nobody has to install another."""

from pathlib import Path

import playwright

NODE = str(Path(playwright.__file__).parent / "driver" / "node")
