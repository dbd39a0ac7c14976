"""The page for everybody: on a phone, by keyboard, read aloud, in the dark and without motion."""

import re
from typing import Any

import pytest
from playwright.async_api import expect
from tests.browser.people import DESKTOP, PHONE, Cast, Person

LANDSCAPE = {"width": 740, "height": 360}

# What somebody who cannot see the page is told of each thing that can be pressed, filled or chosen.
UNNAMED = """() => [...document.querySelectorAll(
  "button, a, input, textarea, select, summary, video, [role=tab], dialog, div[role=img]")]
  .filter((element) => element.checkVisibility({ visibilityProperty: true }) || element.matches("video"))
  .filter((element) => !(element.innerText?.trim() || element.ariaLabel || element.labels?.length
    || element.getAttribute("aria-labelledby")))
  .map((element) => element.outerHTML.slice(0, 200))"""

# Contrast of text against what is behind it, by WCAG's formula; colours that CSS mixed are read off a canvas.
FAINT = """() => {
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const light = ([r, g, b]) => [r, g, b]
    .map((part) => part / 255).map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
    .reduce((sum, part, place) => sum + part * [0.2126, 0.7152, 0.0722][place], 0);
  const over = (top, below) => [0, 1, 2].map((at) => (top[at] * top[3] + below[at] * (255 - top[3])) / 255).concat(255);
  const behind = (element) => {
    const layers = [];
    for (let at = element; at; at = at.parentElement) layers.push(rgba(getComputedStyle(at).backgroundColor));
    return layers.reverse().reduce((below, top) => over(top, below), [255, 255, 255, 255]);
  };
  const texts = [...document.querySelectorAll("body *")].filter((element) =>
    [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim())
    && element.checkVisibility({ opacityProperty: true, visibilityProperty: true })
    && !element.closest(".visually-hidden, .skip, :disabled, .cover, .count, option, .away"));
  return texts.flatMap((element) => {
    const style = getComputedStyle(element);
    const back = behind(element);
    const [one, other] = [light(over(rgba(style.color), back)), light(back)].sort((a, b) => b - a);
    const large = parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.66 && style.fontWeight >= 700);
    const contrast = (one + 0.05) / (other + 0.05);
    return contrast < (large ? 3 : 4.5) ? [`${contrast.toFixed(2)} ${element.outerHTML.slice(0, 120)}`] : [];
  });
}"""

WIDE = """() => [...document.querySelectorAll("body *")]
  .filter((element) => element.checkVisibility() && element.getBoundingClientRect().right > innerWidth + 1)
  .filter((element) => !element.closest(".visually-hidden, .skip, .flying"))
  .map((element) => element.outerHTML.slice(0, 160))"""


async def each_screen(person: Person, film: str) -> Any:
    """Take somebody through the page; yields the name of each screen while it is shown."""
    page = person.page
    await page.goto(person.http)
    await expect(page.get_by_label("What should the others call you?")).to_be_visible()
    yield "welcome"
    await page.get_by_label("What should the others call you?").fill("Ana, who has a rather long name for a phone")
    await page.keyboard.press("Enter")
    # Either of them, whichever is shown: the words stay on the page, hidden, once there is a room.
    listed = page.locator('.rooms li:visible, p:visible:has-text("Nobody is watching in public")')
    await expect(listed.first).to_be_visible()
    yield "lobby"
    await person.open_room(film, title="AVeryLongTitleWithoutAnySpaceThatHasToBreakSomewhere and then some more words")
    await person.loaded()
    yield "people"
    await person.tab("Queue")
    await page.get_by_label("Address of a film").fill("Another film with a name that is much too long for one line")
    await page.keyboard.press("Enter")
    await expect(page.locator(".queue li")).to_have_count(1)
    yield "queue"
    await person.tab("Chat")
    await page.get_by_label("Say something", exact=True).fill("x" * 300)
    await page.keyboard.press("Enter")
    await page.get_by_role("button", name="More about this line").click()
    await page.get_by_role("button", name="Show at the top").click()
    await expect(page.locator(".pinned")).to_be_visible()
    await page.get_by_role("button", name="More about this line").click()
    yield "chat"
    await person.tab("Comments")
    await page.get_by_label("Write a comment").fill("A comment https://example.org/" + "x" * 300)
    await page.get_by_role("button", name="Comment", exact=True).click()
    row = page.locator("li.comment")
    await expect(row).to_have_count(1)
    await row.get_by_role("button", name="Reply").click()
    await page.get_by_label("Answer yourself").fill("An answer")
    await row.locator("form").get_by_role("button", name="Reply").click()
    await expect(row).to_have_count(2)
    await row.first.get_by_role("button", name="React", exact=True).click()
    await page.get_by_role("button", name="React with 🔥").click()
    await row.first.get_by_role("button", name="More about this comment").click()
    await page.get_by_role("button", name="Pin").click()
    await expect(page.locator(".pin")).to_be_visible()
    await row.last.get_by_role("button", name="React", exact=True).click()
    await page.get_by_role("button", name="Notifications").click()
    await expect(page.get_by_text("Nobody has mentioned or answered you.")).to_be_visible()
    yield "comments"
    await page.keyboard.press("Escape")
    await person.press("Play")
    await person.plays()
    await person.tab("Timeline")
    await person.sees("pressed play")
    yield "timeline"
    await person.tab("People")
    await page.get_by_text("My copy").click()
    await page.get_by_role("button", name=re.compile("More about")).click()
    yield "menus"
    await person.press("Settings")
    await expect(page.get_by_role("dialog")).to_be_visible()
    yield "settings"
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_have_count(0)
    await page.goto(f"{person.http}/?party=nosuchpartyhere1")
    await person.sees("There is no such room.")
    yield "goodbye"


@pytest.mark.parametrize("viewport", [PHONE, LANDSCAPE, DESKTOP], ids=["phone", "landscape", "desktop"])
async def test_no_screen_is_wider_than_its_window(cast: Cast, viewport: dict[str, int]) -> None:
    other = await (await cast.person("Somebody")).come()
    await other.open_room(cast.film, title="W" * 120)
    ana = await cast.person("Ana", viewport=viewport)
    async for screen in each_screen(ana, cast.film):
        assert await ana.page.evaluate(WIDE) == [], screen
        assert await ana.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), screen


async def test_everything_that_can_be_used_has_a_name(cast: Cast) -> None:
    ana = await cast.person("Ana")
    async for screen in each_screen(ana, cast.film):
        assert await ana.page.evaluate(UNNAMED) == [], screen


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_all_text_can_be_read(cast: Cast, scheme: str) -> None:
    ana = await cast.person("Ana", color_scheme=scheme, reduced_motion="reduce")
    async for screen in each_screen(ana, cast.film):
        assert await ana.page.evaluate(FAINT) == [], screen


async def test_dark_is_dark_and_light_is_light(cast: Cast) -> None:
    grounds = []
    for scheme in ("light", "dark"):
        ana = await (await cast.person("Ana", color_scheme=scheme)).come()
        grounds.append(await ana.page.evaluate("getComputedStyle(document.body).backgroundColor"))
    light, dark = [sum(map(int, re.findall(r"\d+", ground)[:3])) for ground in grounds]
    assert light > 700
    assert dark < 100


async def test_nothing_moves_for_who_wants_no_motion(cast: Cast) -> None:
    ana = await cast.person("Ana", reduced_motion="reduce")
    await (await ana.come()).open_room(cast.film)
    await ana.tab("Chat")
    await ana.press("Laugh")
    await expect(ana.page.locator(".flying")).to_be_hidden()


async def test_a_room_is_made_and_watched_by_keyboard_alone(cast: Cast) -> None:
    ana = await cast.person("Ana")
    page, keys = ana.page, ana.page.keyboard
    await page.goto(cast.http)
    await keys.type("Ana")
    await keys.press("Enter")
    await ana.sees("Make a room")
    await tab_to(ana, "The film's address")
    await keys.type(cast.film)
    await tab_to(ana, "The room's name")
    await keys.type("By hand")
    await keys.press("Enter")
    await (await ana.seated()).loaded()
    await tab_to(ana, "Play")
    await keys.press("Enter")
    await ana.plays()
    await tab_to(ana, "Place in the film")
    before = (await ana.look())["position"]
    for _ in range(20):
        await keys.press("ArrowRight")
    await ana.is_beyond(before + 15)
    await tab_to(ana, "People 1")
    await keys.press("ArrowRight")
    await expect(page.get_by_role("tab", name="Queue")).to_be_focused()
    await expect(page.get_by_label("Address of a film")).to_be_visible()


async def tab_to(person: Person, name: str) -> None:
    """Press the tab key until what is called so has the focus, and see that one sees it."""
    for _ in range(60):
        await person.page.keyboard.press("Tab")
        found = await person.page.evaluate(
            """() => {
              const { activeElement: at } = document;
              const shown = getComputedStyle(at).outlineStyle !== "none";
              return [(at.ariaLabel || at.labels?.[0]?.innerText || at.innerText || "").trim(), shown];
            }"""
        )
        if " ".join(found[0].split()) == name:
            assert found[1], f"nobody sees that {name} has the focus"
            return
    raise AssertionError(f"no tab leads to {name}")


async def test_a_screen_reader_hears_what_others_did_and_no_ticking(cast: Cast) -> None:
    ana, ben = await cast.person("Ana"), await cast.person("Ben")
    link = await (await ana.come()).open_room(cast.film)
    await (await ben.come(link)).seated()
    for person in (ana, ben):
        await person.loaded()
    await ben.page.evaluate(
        """() => {
          globalThis.spoken = [];
          for (const region of document.querySelectorAll("[role=status], [role=alert], [role=log], [aria-live]")) {
            const seen = new MutationObserver(() => spoken.push(region.innerText));
            seen.observe(region, { childList: true, subtree: true, characterData: true });
          }
        }"""
    )
    await ana.press("Play")
    await ben.plays()
    await ben.is_beyond(4.0)
    assert await ben.page.evaluate("spoken") == ["Ana pressed play"]


async def test_the_developers_pages_are_a_click_away(cast: Cast) -> None:
    ana = await cast.person("Ana")
    await ana.page.goto(cast.http)
    for path in ("/docs", "/openapi.json", "/asyncapi.json", "/client.js", "/readyz"):
        assert (await ana.page.request.get(cast.http + path)).ok
        await expect(ana.page.locator(f'footer a[href="{path}"]')).to_be_visible()
