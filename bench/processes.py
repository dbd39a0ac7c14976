"""Peers and client processes: started with a pipe each way, and gone when the bench is gone."""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CACHE = ROOT / ".matinee" / "bench"
"""On the disk that `make run` uses too: a /tmp in memory would make every fsync free."""
_PATIENCE = 60.0
_GRACE = 5.0


class PeerFailed(Exception):
    """A peer ended, or did not answer in time."""


class Peer:
    """A process that answers a line with a line, and ends when its input does."""

    def __init__(self, name: str, process: asyncio.subprocess.Process) -> None:
        self.name = name
        self.process = process

    async def ask(self, line: str) -> str:
        assert self.process.stdin is not None
        self.process.stdin.write(line.encode() + b"\n")
        return await self.hear()

    async def hear(self) -> str:
        assert self.process.stdout is not None
        async with asyncio.timeout(_PATIENCE):
            line = await self.process.stdout.readline()
        if not line:
            raise PeerFailed(f"the peer {self.name} ended")
        return line.decode().strip()


@contextlib.asynccontextmanager
async def peer(
    name: str, *command: str, environment: Mapping[str, str] | None = None, folder: Path = ROOT
) -> AsyncIterator[Peer]:
    """Start a peer; it runs while the block does."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=folder,
        env=os.environ | dict(environment or {}),
    )
    try:
        yield Peer(name, process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        with contextlib.suppress(TimeoutError, ProcessLookupError):
            async with asyncio.timeout(_GRACE):
                await process.wait()
        if process.returncode is None:
            process.kill()
            await process.wait()


def python(module: str, *words: str) -> tuple[str, ...]:
    """A peer written in Python, as a command."""
    return (sys.executable, "-m", f"bench.peers.{module}", *words)
