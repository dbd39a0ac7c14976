"""Socket.IO from npm, installed when it is first needed."""

import asyncio
import shutil
from pathlib import Path

from bench.processes import CACHE

HERE = Path(__file__).parent
INSTALLED = CACHE / "socketio"
INSTALL = ("ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
INSTALL_SECONDS = 120.0


class Missing(Exception):
    """Socket.IO cannot be had here; the message says why."""


async def command() -> tuple[str, ...]:
    """What starts the server, which prints its port; raise `Missing` without node, npm or a registry."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        raise Missing("node and npm are not installed")
    lock = (HERE / "package-lock.json").read_bytes()
    done = INSTALLED / "installed"
    if not done.exists() or done.read_bytes() != lock:
        await _install(npm)
        done.write_bytes(lock)
    shutil.copy(HERE / "server.js", INSTALLED)
    return node, str(INSTALLED / "server.js")


async def _install(npm: str) -> None:
    INSTALLED.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(HERE / name, INSTALLED)
    process = await asyncio.create_subprocess_exec(
        npm, *INSTALL, cwd=INSTALLED, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    async with asyncio.timeout(INSTALL_SECONDS):
        said, _ = await process.communicate()
    if process.returncode != 0:
        raise Missing(f"npm could not install it: {said.decode(errors='replace').strip()[-300:]}")
