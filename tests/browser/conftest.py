"""One Chromium, this machine's own, and people in it: each with storage of their own, none with a word in the console.

`film.webm` is two minutes of a test card that counts the seconds, with a tone, and a keyframe every half second, so
that seeks are quick. It was made by

    ffmpeg -f lavfi -i testsrc=size=160x90:rate=24:duration=120 \
      -f lavfi -i sine=frequency=220:beep_factor=4:sample_rate=48000:duration=120 \
      -c:v libvpx -b:v 30k -crf 30 -qmax 50 -g 12 -keyint_min 12 -auto-alt-ref 0 -deadline good -cpu-used 2 \
      -pix_fmt yuv420p -c:a libopus -b:a 12k -ac 1 -cluster_time_limit 1000 -cues_to_front 1 \
      -reserve_index_space 8192 -fflags +bitexact -flags:v +bitexact -flags:a +bitexact film.webm

`silent.webm` is its picture alone: `ffmpeg -i film.webm -an -c copy -cluster_time_limit 1000 -cues_to_front 1
-reserve_index_space 8192 silent.webm`. Without a sound device a browser's sound only pretends to be heard, and its
pretence stumbles at each change of speed; the picture's own clock is as steady as a sound card's.
"""

import os
import shutil
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Final

import pytest
import pytest_asyncio
from aiohttp import web
from playwright.async_api import Browser, async_playwright
from tests.browser.people import FILM, SILENT, Cast
from tests.system import System

LOOP: Final = "session"
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--mute-audio",
    "--autoplay-policy=no-user-gesture-required",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A browser belongs to one event loop, so all of its tests share one."""
    for item in items:
        if "tests/browser/" in str(item.path) and isinstance(item, pytest.Function):
            item.add_marker(pytest.mark.asyncio(loop_scope=LOOP), append=False)


@pytest.fixture(scope="session")
def chromium() -> str:
    """The executable, as the machine has it: nothing is downloaded."""
    found = shutil.which("chromium")
    if found is None and os.environ.get("CI") == "true":
        pytest.fail("there is no chromium here; .ci/run installs it")
    if found is None:
        pytest.skip("there is no chromium here: apt-get install chromium, or whatever installs it on your system")
    return found


@pytest_asyncio.fixture(scope="session", loop_scope=LOOP)
async def browser(chromium: str) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
        yield browser
        await browser.close()


@pytest_asyncio.fixture(scope="session", loop_scope=LOOP)
async def film() -> AsyncIterator[str]:
    """The address of the film, on a server that knows ranges, as those of real films do."""
    app = web.Application()
    for file in (FILM, SILENT):
        app.router.add_get(f"/{file.name}", partial(_send, file))
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    yield f"http://{host}:{port}/film.webm"
    await runner.cleanup()


async def _send(file: Path, request: web.Request) -> web.StreamResponse:
    return web.FileResponse(file)


@pytest_asyncio.fixture(loop_scope=LOOP)
async def cast(browser: Browser, system: System, film: str) -> AsyncIterator[Cast]:
    """Whoever takes part in a test. Afterwards nobody may have had any trouble, or have asked anything elsewhere."""
    cast = Cast(browser, system.http, film, film.replace(FILM.name, SILENT.name))
    yield cast
    await cast.leave()
    assert cast.troubles == []
