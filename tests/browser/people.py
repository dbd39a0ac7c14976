"""People in front of browsers, and what can be seen over their shoulders."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, Request, expect
from tests.wait import eventually

FILM = Path(__file__).with_name("film.webm")
SILENT = Path(__file__).with_name("silent.webm")

DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 360, "height": 740}

# `performance.timeOrigin` makes the machine's clock out of the page's: what every eye in the room would read, and not
# what the page itself believes about the server's time.
LOOK = """() => {
  const { video, room } = globalThis.matinee;
  return { at: performance.timeOrigin + performance.now(), position: video.currentTime, playing: !video.paused,
    rate: room.anchor.rate, believes: globalThis.matinee.clock.now() };
}"""
IS_LOADED = """() => globalThis.matinee?.video.readyState >= 3
  && matinee.clock.uncertainty < 1000 && matinee.sync.state !== "unknown" """
COUNT_JUMPS = """() => {
  globalThis.jumps = 0;
  globalThis.matinee.video.addEventListener("seeking", () => globalThis.jumps += 1);
}"""


@dataclass
class Person:
    """Somebody with a window of their own."""

    name: str
    page: Page
    http: str
    """The Matinee as this person reaches it."""

    async def come(self, link: str = "/") -> "Person":
        """Open a link and say one's name, if one is asked."""
        parts = urlsplit(link)
        await self.page.goto(
            self.http
            + parts.path
            + (f"?{parts.query}" if parts.query else "")
            + (f"#{parts.fragment}" if parts.fragment else "")
        )
        await self.page.get_by_label("What should the others call you?").fill(self.name)
        await self.page.keyboard.press("Enter")
        return self

    async def open_room(self, film: str, title: str = "Friday film", private: bool = False) -> str:
        """Make a room from the lobby; its link."""
        await self.page.get_by_label("The film's address").fill(film)
        await self.page.get_by_label("The room's name").fill(title)
        await self.page.get_by_label("Private").set_checked(private)
        await self.page.get_by_role("button", name="Open the room").click()
        await self.seated()
        return self.page.url

    async def seated(self) -> "Person":
        await expect(self.page.get_by_role("heading", level=1)).to_be_visible()
        await expect(self.page.locator(".room")).to_be_visible()
        return self

    async def loaded(self) -> "Person":
        """The film could start, and the server's time is known."""
        await eventually(lambda: self.page.evaluate(IS_LOADED), within=15)
        await self.page.evaluate(COUNT_JUMPS)
        return self

    async def hears_of(self, count: int) -> None:
        """The party has heard of so many players and lines, as it has after some seconds: its controls go by that."""

        async def is_so() -> bool:
            return bool(await self.page.evaluate("(count) => matinee.room.summary?.present === count", count))

        await eventually(is_so, within=15)

    def button(self, name: str) -> Any:
        return self.page.get_by_role("button", name=name, exact=True)

    async def press(self, name: str) -> None:
        await self.button(name).click()

    async def tab(self, name: str) -> None:
        await self.page.get_by_role("tab", name=name).click()

    async def sees(self, text: str) -> None:
        await expect(self.page.get_by_text(text).first).to_be_visible()

    async def call(self, fn: str, /, **args: Any) -> Any:
        """A control without a hand on a button, for tests that are about what follows from it."""
        return await self.page.evaluate("([fn, args]) => matinee.room.call(fn, args)", [fn, args])

    async def shows(self, condition: Callable[[dict[str, Any]], bool], within: float = 10.0) -> None:
        """Wait until what this person sees of the film is so."""

        async def is_so() -> bool:
            return condition(await self.look())

        await eventually(is_so, within)

    async def plays(self, within: float = 10.0) -> None:
        await self.shows(lambda look: bool(look["playing"]), within)

    async def stands(self) -> None:
        await self.shows(lambda look: not look["playing"])

    async def is_at(self, position: float, give: float = 0.1) -> None:
        await self.shows(lambda look: abs(look["position"] - position) <= give)

    async def is_beyond(self, position: float) -> None:
        await self.shows(lambda look: look["position"] >= position)

    async def look(self) -> dict[str, Any]:
        found: dict[str, Any] = await self.page.evaluate(LOOK)
        return found

    async def jumps(self) -> int:
        count: int = await self.page.evaluate("globalThis.jumps ?? 0")
        return count


@dataclass
class Cast:
    """Everybody in one test."""

    browser: Browser
    http: str
    film: str
    silent: str
    """The same film without its sound."""
    troubles: list[str] = field(default_factory=list)
    excused: list[str] = field(default_factory=list)
    """Parts of console messages that a test brings about on purpose."""
    contexts: list[BrowserContext] = field(default_factory=list)

    async def person(self, name: str, http: str = "", script: str = "", **options: Any) -> Person:
        """Somebody new, with an empty browser. *script* runs in it before any page does."""
        context = await self.browser.new_context(**({"viewport": DESKTOP} | options))
        self.contexts.append(context)
        if script:
            await context.add_init_script(script)
        return Person(name, await self.window(context), http or self.http)

    async def window(self, context: BrowserContext) -> Page:
        page = await context.new_page()
        page.set_default_timeout(15_000)
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.troubles.append(f"{error}\n{error.stack or ''}"))
        page.on("request", self._asked)
        return page

    async def leave(self) -> None:
        for context in self.contexts:
            await context.close()

    def _heard(self, message: ConsoleMessage) -> None:
        text = f"{message.text} {message.location}"
        if message.type in ("error", "warning") and not any(part in text for part in self.excused):
            self.troubles.append(text)

    def _asked(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in ("blob", "data") and parts.hostname != "127.0.0.1":
            self.troubles.append(f"asked {request.url}")


def room_of(link: str) -> str:
    """The party in a link."""
    return urlsplit(link).query.removeprefix("party=")


async def spread(people: list[Person]) -> float:
    """Seconds between who is furthest in the film and who is least, all moved to one instant."""
    looks = await asyncio.gather(*(person.look() for person in people))
    instant = max(look["at"] for look in looks)
    places = [
        look["position"] + (look["rate"] * (instant - look["at"]) / 1000 if look["playing"] else 0.0) for look in looks
    ]
    same = len({look["playing"] for look in looks}) == 1
    return max(places) - min(places) if same else float("inf")


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]
