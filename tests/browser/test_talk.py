"""What people say beside a film and over it: chat, comments, those at its moments, and what becomes of bad texts."""

import re
from typing import Any

import pytest
from playwright.async_api import Locator, expect
from tests.browser.people import PHONE, Cast, Person
from tests.wait import eventually

BAD = "<script>globalThis.harmed = 1</script><img src=x onerror='globalThis.harmed = 1'> javascript:harm() end"
SHOWN = """() => [...document.querySelectorAll(".card-over")].map((card) => card.innerText)"""

IS_READ = """async () => {
  const { client, room } = globalThis.matinee;
  const { value } = await client.call("comments.thread", { media: room.party.media, party_id: room.id, limit: 1 });
  const { value: mine } = await client.call("comments.mine", { thread_id: value.thread.thread_id });
  const { comments, latest_at } = value.thread;
  return comments > 0 && mine.read_until !== null && Date.parse(latest_at) <= Date.parse(mine.read_until);
}"""

# What was shown over the film and where the film was then, as long as the page lives.
NOTE_CARDS = """() => {
  globalThis.cards = [];
  const { video } = globalThis.matinee;
  new MutationObserver((changes) => {
    for (const { addedNodes } of changes)
      for (const node of addedNodes) if (node.matches?.(".card-over")) cards.push([node.innerText, video.currentTime]);
  }).observe(document.querySelector(".timed"), { childList: true });
}"""


async def seated(cast: Cast, *names: str, tab: str, private: bool = False) -> list[Person]:
    """So many people in a room, the first of them its host, each with this tab open."""
    host, *others = [await cast.person(name) for name in names]
    link = await (await host.come()).open_room(cast.film, private=private)
    for other in others:
        await (await other.come(link)).seated()
    for person in (host, *others):
        await person.tab(tab)
    return [host, *others]


def log(person: Person) -> Locator:
    return person.page.locator(".log")


async def say(person: Person, text: str) -> None:
    await person.page.get_by_label("Say something", exact=True).fill(text)
    await person.page.keyboard.press("Enter")
    await expect(log(person)).to_contain_text(text)


async def comment(person: Person, text: str, *, timed: bool = False, spoiler: bool = False) -> None:
    await person.page.get_by_label("Write a comment").fill(text)
    form = person.page.locator(".talk > .composer")
    await form.locator("input[type=checkbox]").first.set_checked(timed)
    await form.get_by_label("Spoiler").set_checked(spoiler)
    await form.get_by_role("button", name="Comment").click()
    await expect(of(person, text)).to_be_visible()


def of(person: Person, text: str) -> Locator:
    """The comment or line that says this."""
    return person.page.locator("li.comment, .line").filter(has_text=text)


async def do(person: Person, text: str, what: str) -> None:
    """Open the menu of what says this, and choose."""
    await of(person, text).get_by_role("button", name=re.compile("More about this")).first.click()
    await of(person, text).get_by_role("button", name=what, exact=True).click()


async def confirm(person: Person, name: str) -> None:
    await person.page.get_by_role("dialog").get_by_role("button", name=name, exact=True).click()


# At moments of the film.


async def test_what_one_says_at_ten_seconds_another_sees_over_the_film_at_ten_seconds(cast: Cast) -> None:
    ana, ben = await seated(cast, "Ana", "Ben", tab="Comments")
    for person in (ana, ben):
        await person.loaded()
    await ana.call("party.seek", position=10.0)
    await ana.is_at(10.0)
    await comment(ana, "Look at the light!", timed=True)
    await expect(of(ben, "Look at the light!").get_by_role("button", name="At 0:10 of the film")).to_be_visible()
    await ana.call("party.seek", position=7.0)
    await ben.is_at(7.0)
    await expect(ben.page.locator(".card-over")).to_have_count(0, timeout=15_000)
    await ben.page.evaluate(NOTE_CARDS)
    await ana.call("party.play", position=7.0)
    await expect(ben.page.locator(".card-over")).to_contain_text("Look at the light!")
    ((text, position),) = await ben.page.evaluate("cards")
    assert text.startswith("Ana Look at the light!")
    assert 10.0 <= position <= 10.25

    # Not again after a pause, again for who goes back.
    await ben.is_beyond(12.0)
    await ana.call("party.pause")
    await ben.stands()
    await ana.call("party.play")
    await ben.plays()
    await ben.is_beyond(13.0)
    assert len(await ben.page.evaluate("cards")) == 1
    await ana.call("party.seek", position=9.0)
    await eventually(lambda: ben.page.evaluate("cards.length === 2"), within=8)


@pytest.mark.thorough
async def test_who_does_not_want_comments_over_the_film_sees_none(cast: Cast) -> None:
    ana, ben = await seated(cast, "Ana", "Ben", tab="Comments")
    for person in (ana, ben):
        await person.loaded()
    await ben.press("Comments over the film")
    await expect(ben.button("Comments over the film")).to_have_attribute("aria-pressed", "false")
    await ana.call("party.seek", position=5.0)
    await ana.is_at(5.0)
    await comment(ana, "Just now", timed=True)
    await expect(ana.page.locator(".card-over")).to_contain_text("Just now")
    await expect(of(ben, "Just now")).to_be_visible()
    await expect(ben.page.locator(".card-over")).to_have_count(0)


@pytest.mark.thorough
async def test_a_spoiler_is_covered_over_the_film_and_beside_it_until_one_wants_to_see_it(cast: Cast) -> None:
    ana, ben = await seated(cast, "Ana", "Ben", tab="Comments")
    for person in (ana, ben):
        await person.loaded()
    await ana.call("party.seek", position=5.0)
    await ana.is_at(5.0)
    await ben.is_at(5.0)
    await comment(ana, "The butler did it", timed=True, spoiler=True)
    card = ben.page.locator(".card-over")
    await expect(card).to_contain_text("Ana")
    await expect(ben.page.get_by_text("The butler did it").locator("visible=true")).to_have_count(0)
    await card.get_by_role("button", name="Spoiler: show it").click()
    await expect(card).to_contain_text("The butler did it")
    await ben.page.locator("li.comment").get_by_role("button", name="Spoiler: show it").click()
    await expect(of(ben, "The butler did it")).to_be_visible()


async def test_the_strip_shows_where_most_is_said_and_leads_there(cast: Cast) -> None:
    ana, ben = await seated(cast, "Ana", "Ben", tab="Comments")
    for person in (ana, ben):
        await person.loaded()
    await expect(ben.page.locator(".heat")).to_be_hidden()
    await ana.call("party.seek", position=90.0)
    await ana.is_at(90.0)
    await comment(ana, "At three quarters", timed=True)
    strip = ben.page.get_by_role("img", name="Most is said at 1:30")
    await expect(strip).to_be_visible()
    bar = await ben.page.locator(".heat path").bounding_box()
    whole = await strip.bounding_box()
    assert bar is not None
    assert whole is not None
    assert (bar["x"] - whole["x"]) / whole["width"] == pytest.approx(90 / 120, abs=0.01)
    assert bar["width"] / whole["width"] == pytest.approx(10 / 120, abs=0.01)
    await ana.page.locator(".heat").click(position={"x": whole["width"] / 2, "y": whole["height"] / 2})
    for person in (ana, ben):
        await person.is_at(60.0, give=1.0)
    await expect(strip).to_have_attribute("data-seekable", "false")


# Bad texts.


async def test_markup_and_scripts_stay_text_wherever_they_are_written(cast: Cast) -> None:
    ana, ben = await cast.person("<img src=x onerror='harmed=1'>"), await cast.person("Ben")
    link = await (await ana.come()).open_room(cast.film)
    await (await ben.come(link)).seated()
    for person in (ana, ben):
        await person.loaded()
    await ana.call("party.seek", position=3.0)
    await ana.is_at(3.0)
    await ana.tab("Comments")
    await comment(ana, BAD, timed=True)
    await ana.tab("Chat")
    await say(ana, BAD)
    await do(ana, BAD, "Show at the top")
    await ben.tab("Chat")
    await expect(log(ben)).to_contain_text(BAD)
    await expect(ben.page.locator(".pinned")).to_contain_text(BAD)
    await expect(log(ben)).to_contain_text("<img src=x onerror='harmed=1'>")
    await ben.tab("Comments")
    await expect(of(ben, "javascript:harm()").locator(".said")).to_have_text(BAD)
    await expect(ben.page.locator(".card-over")).to_contain_text("javascript:harm()")
    for person in (ana, ben):
        assert await person.page.evaluate("globalThis.harmed") is None
        assert await person.page.locator("main :is(img, script), main a[href^='javascript']").count() == 0


async def test_links_of_http_and_https_lead_out_without_telling_from_where(cast: Cast) -> None:
    ana, ben = await seated(cast, "Ana", "Ben", tab="Chat")
    await say(ana, "see https://example.org/a?b=1. javascript://example.org/%0aalert(1) data:text/html,x")
    link = log(ben).get_by_role("link")
    await expect(link).to_have_count(1)
    await expect(link).to_have_attribute("href", "https://example.org/a?b=1")
    await expect(link).to_have_attribute("rel", "nofollow noopener noreferrer ugc")
    await expect(link).to_have_attribute("target", "_blank")


@pytest.mark.thorough
async def test_writing_from_right_to_left_turns_nothing_else_round(cast: Cast) -> None:
    ana, ben = await seated(cast, "\u05d0\u05e0\u05d4", "Ben", tab="Chat")
    await say(ana, "\u05e9\u05dc\u05d5\u05dd Ben!")
    text = log(ben).locator("[dir=auto]").last
    assert await text.evaluate("element => getComputedStyle(element).unicodeBidi") == "isolate"
    assert await text.evaluate("element => element.matches(':dir(rtl)')")
    name = await log(ben).locator("bdi").first.bounding_box()
    words = await text.bounding_box()
    assert name is not None
    assert words is not None
    assert name["x"] < words["x"], "the name stays before what was said"


# The chat.


async def test_lines_are_kept_for_who_comes_later_and_further_back_by_scrolling(cast: Cast) -> None:
    (ana,) = await seated(cast, "Ana", tab="Chat")
    await ana.sees("whoever finds this public room can read it, later too")
    await ana.page.evaluate(
        """async () => {
          for (let n = 0; n < 80; n++)
            await matinee.client.call("chat.say", { room: `party:${matinee.room.id}`, text: `line number ${n}.` });
        }"""
    )
    ben = await (await cast.person("Ben")).come(ana.page.url)
    await ben.seated()
    await ben.tab("Chat")
    await expect(log(ben)).to_contain_text("line number 79.")
    await expect(log(ben).locator(".line")).to_have_count(50)
    await log(ben).evaluate("log => { log.scrollTop = 0 }")
    await expect(log(ben).locator(".line")).to_have_count(80)
    lines = await log(ben).locator(".line").all_inner_texts()
    assert [int(re.findall(r"number (\d+)\.", line)[0]) for line in lines] == list(range(80))
    assert await log(ben).evaluate("log => log.scrollTop > 0"), "one goes on reading where one was"


async def test_who_types_is_seen_and_forgotten_again(cast: Cast) -> None:
    ana, ben = await seated(cast, "Ana", "Ben", tab="Chat")
    await expect(log(ben)).to_be_visible()
    await ana.page.get_by_label("Say something", exact=True).press_sequentially("Hel")
    await expect(ben.page.get_by_text("Ana is typing…")).to_be_visible()
    await expect(ana.page.get_by_text("is typing…")).to_have_count(0)
    await expect(ben.page.get_by_text("Ana is typing…")).to_have_count(0, timeout=7_000)
    await ana.page.get_by_label("Say something", exact=True).press_sequentially("lo")
    await expect(ben.page.get_by_text("Ana is typing…")).to_be_visible()
    await ana.page.keyboard.press("Enter")
    await expect(log(ben)).to_contain_text("Hello")
    await expect(ben.page.get_by_text("Ana is typing…")).to_have_count(0, timeout=1_000)


async def test_with_the_picture_nothing_is_heard_before_it_is_seen(cast: Cast) -> None:
    ana, ben = await seated(cast, "Ana", "Ben", tab="Chat")
    for person in (ana, ben):
        await person.loaded()
    # Ben's copy starts later than Ana's: his picture is 20 s behind what the party's clock says.
    await ben.page.get_by_label("With the picture").check()
    await ana.call("party.seek", position=40.0)
    await ana.is_at(40.0)
    await ben.is_at(40.0)
    await ben.page.evaluate("matinee.sync.stop()")
    await ben.page.evaluate("matinee.video.currentTime = 30")
    await ben.is_at(30.0)
    await say(ana, "What a goal!")
    await ben.sees("One line waits for your picture.")
    await expect(log(ben)).not_to_contain_text("What a goal!")
    await ben.page.evaluate("matinee.video.currentTime = 39.5")
    await ben.is_at(39.5)
    await expect(log(ben)).not_to_contain_text("What a goal!")
    await ben.page.evaluate("matinee.video.currentTime = 40.2")
    await expect(log(ben)).to_contain_text("What a goal!")
    await ben.page.evaluate("matinee.video.currentTime = 5")
    await ben.is_at(5.0)
    await say(ben, "Indeed")
    await expect(log(ben)).to_contain_text("What a goal!")


async def test_who_was_away_reads_what_was_missed_once_and_in_order(cast: Cast) -> None:
    cast.excused += ["WebSocket", "ERR_INTERNET_DISCONNECTED"]
    ana, ben = await seated(cast, "Ana", "Ben", tab="Chat")
    await say(ana, "before")
    await expect(log(ben)).to_contain_text("before")
    await ben.page.context.set_offline(True)
    await ben.page.evaluate("matinee.client.wake()")
    await expect(ben.page.get_by_text("No connection.")).to_be_visible(timeout=30_000)
    for text in ("one", "two", "three"):
        await say(ana, f"missed {text}")
    await ben.page.context.set_offline(False)
    await expect(log(ben)).to_contain_text("missed three", timeout=20_000)
    said = re.findall(r"before|missed \w+", await log(ben).inner_text())
    assert said == ["before", "missed one", "missed two", "missed three"]


async def test_lines_are_answered_taken_back_hidden_and_shown_again(cast: Cast) -> None:
    ana, ben = await seated(cast, "Ana", "Ben", tab="Chat")
    await say(ana, "Who is that?")
    await do(ben, "Who is that?", "Answer")
    await ben.sees("Answering Ana Who is that?")
    await say(ben, "The gardener")
    await expect(of(ana, "The gardener").locator(".quoted")).to_contain_text("You Who is that?", ignore_case=True)
    await say(ben, "oh no")
    await do(ben, "oh no", "Delete")
    for person in (ana, ben):
        await expect(of(person, "oh no")).to_have_count(0)
    await say(ben, "rude words")
    await do(ana, "rude words", "Hide")
    await expect(of(ana, "rude words")).to_contain_text("Hidden from the others.")
    await expect(of(ben, "rude words")).to_contain_text("A moderator hid this")
    cem = await (await cast.person("Cem")).come(ana.page.url)
    await cem.seated()
    await cem.tab("Chat")
    await expect(log(cem)).to_contain_text("The gardener")
    await expect(log(cem)).not_to_contain_text("rude words")
    await ben.page.reload()
    await ben.seated()
    await ben.tab("Chat")
    await expect(of(ben, "rude words")).to_contain_text("A moderator hid this")
    await do(ana, "rude words", "Show again")
    await expect(log(cem)).to_contain_text("rude words")
    await expect(of(ben, "rude words")).not_to_contain_text("A moderator hid this")


@pytest.mark.thorough
async def test_who_said_what_a_rule_holds_back_is_told_that_it_waits(cast: Cast) -> None:
    ana, ben = await seated(cast, "Ana", "Ben", tab="Chat")
    await ana.page.evaluate(
        """() => matinee.client.call("chat.configure", { room: `party:${matinee.room.id}`, links: "hold" })"""
    )
    await say(ben, "see example.org/a")
    await expect(of(ben, "see example.org/a")).to_contain_text("Waits for a moderator")
    await ben.page.reload()
    await ben.seated()
    await ben.tab("Chat")
    await expect(of(ben, "see example.org/a")).to_contain_text("Waits for a moderator")
    await expect(log(ana)).not_to_contain_text("see example.org/a")


@pytest.mark.thorough
async def test_a_line_at_the_top_is_seen_by_who_comes_later(cast: Cast) -> None:
    (ana,) = await seated(cast, "Ana", tab="Chat")
    await say(ana, "We begin at eight")
    await do(ana, "We begin at eight", "Show at the top")
    ben = await (await cast.person("Ben")).come(ana.page.url)
    await ben.seated()
    await ben.tab("Chat")
    await expect(ben.page.locator(".pinned")).to_contain_text("Ana We begin at eight")
    await ana.press("Take off the top")
    await expect(ben.page.locator(".pinned")).to_be_hidden()


@pytest.mark.thorough
async def test_moderators_set_the_chats_rules_and_the_others_are_told_in_words(cast: Cast) -> None:
    ana, ben = await seated(cast, "Ana", "Ben", tab="Chat")
    await say(ben, "Hello")
    await ana.tab("People")
    await ana.press("Settings")
    dialog = ana.page.get_by_role("dialog")
    await dialog.get_by_label("Seconds between two lines").fill("60")
    await dialog.get_by_text("Words that are not to be said").click()
    await dialog.get_by_label("Words, one a line").fill("rhubarb\ncabb*")
    await dialog.get_by_role("button", name="Save the chat's rules").click()
    await ben.sees("Slow mode: one line in 60 s.")
    await ben.page.get_by_label("Say something", exact=True).fill("Hello again")
    await ben.page.keyboard.press("Enter")
    await ben.sees("Slow mode: you can go on in")
    await expect(ben.button("Send")).to_be_disabled()
    await expect(log(ana)).not_to_contain_text("Hello again")
    await dialog.get_by_label("Seconds between two lines").fill("0")
    await dialog.get_by_role("button", name="Save the chat's rules").click()
    await expect(ben.button("Send")).to_be_enabled()
    await ben.page.get_by_label("Say something", exact=True).fill("I like rhubarb")
    await ben.press("Send")
    await ben.sees("There is a word in it that is not to be said here.")
    await expect(ben.page.get_by_label("Say something", exact=True)).to_have_value("I like rhubarb")
    await dialog.get_by_label("Everybody may speak").uncheck()
    await dialog.get_by_role("button", name="Save the chat's rules").click()
    await ben.sees("Only moderators may speak here just now.")
    await expect(ben.page.get_by_label("Say something", exact=True)).to_be_disabled()


@pytest.mark.thorough
async def test_who_is_muted_is_told_so_and_may_speak_again_when_it_is_lifted(cast: Cast) -> None:
    ana, ben = await seated(cast, "Ana", "Ben", tab="Chat")
    await say(ben, "noise noise")
    await do(ana, "noise noise", "Mute…")
    await ana.page.get_by_label("Why").fill("Too much noise")
    await confirm(ana, "Mute")
    await ana.sees("Ben is muted.")
    await ben.page.get_by_label("Say something", exact=True).fill("more noise")
    await ben.press("Send")
    await ben.sees("Moderators have muted you here: you can read, and not write")
    await expect(log(ana)).not_to_contain_text("more noise")
    await ana.tab("People")
    await ana.press("Settings")
    await ana.sees("Too much noise")
    await ana.press("Let Ben write again")
    await expect(ana.page.get_by_text("Nobody is muted.")).to_be_visible()
    await ben.press("Send")
    await expect(log(ben)).to_contain_text("more noise")
    await expect(ben.page.locator(".state")).to_be_hidden()


async def test_who_speaks_in_the_shadow_is_heard_by_nobody_and_does_not_notice(cast: Cast) -> None:
    ana, ben, cem = await seated(cast, "Ana", "Ben", "Cem", tab="Chat")
    await say(ben, "I am here")
    await expect(log(cem)).to_contain_text("I am here")
    await ana.page.evaluate(
        """(uid) => matinee.client.call("moderation.mute", { where: `party:${matinee.room.id}`, uid, shadow: true })""",
        await ben.page.evaluate("matinee.client.user"),
    )
    await say(ben, "into the shadow")
    await ben.tab("Comments")
    await comment(ben, "a comment in the shadow")
    await ben.page.reload()
    await ben.seated()
    await ben.tab("Chat")
    await expect(log(ben)).to_contain_text("into the shadow")
    await say(ben, "and gone again")
    await do(ben, "and gone again", "Delete")
    await expect(log(ben)).not_to_contain_text("and gone again")
    await ben.tab("Comments")
    await expect(of(ben, "a comment in the shadow")).to_be_visible()
    await expect(of(ben, "a comment in the shadow").locator(".note")).to_be_hidden()
    await say(ana, "Anybody there?")
    await expect(log(cem)).to_contain_text("Anybody there?")
    await expect(log(cem)).not_to_contain_text("into the shadow")
    await cem.tab("Comments")
    await cem.sees("Nobody in this room has said anything about it yet.")


@pytest.mark.thorough
async def test_who_is_kept_out_of_the_chat_is_told_so_and_let_in_again(cast: Cast) -> None:
    ana, ben = await seated(cast, "Ana", "Ben", tab="Chat")
    await say(ana, "Hello")
    await expect(log(ben)).to_contain_text("Hello")
    ban = "([fn, uid]) => matinee.client.call(fn, { where: `party:${matinee.room.id}`, uid })"
    who = await ben.page.evaluate("matinee.client.user")
    await ana.page.evaluate(ban, ["moderation.ban", who])
    await ben.sees("Moderators keep you out of this chat.")
    await expect(ben.page.get_by_label("Say something", exact=True)).to_be_disabled()
    await ben.tab("Comments")
    await ben.sees("Moderators keep you out of these comments.")
    await ana.page.evaluate(ban, ["moderation.unban", who])
    await say(ana, "Come back")
    await ben.tab("Chat")
    await expect(log(ben)).to_contain_text("Come back")
    await expect(ben.page.get_by_label("Say something", exact=True)).to_be_enabled()


@pytest.mark.thorough
async def test_lines_can_be_reached_and_answered_by_keyboard_alone(cast: Cast) -> None:
    ana, ben = await seated(cast, "Ana", "Ben", tab="Chat")
    await say(ben, "Who is that?")
    await expect(log(ana)).to_contain_text("Who is that?")
    more = of(ana, "Who is that?").get_by_role("button", name="More about this line")
    await more.focus()
    keys = ana.page.keyboard
    await keys.press("Enter")
    await expect(ana.button("Answer")).to_be_focused()
    await keys.press("Escape")
    await expect(more).to_be_focused()
    await keys.press("Enter")
    await keys.press("Enter")
    await expect(ana.page.get_by_label("Say something", exact=True)).to_be_focused()
    await keys.type("The gardener")
    await keys.press("Enter")
    await expect(of(ben, "The gardener").locator(".quoted")).to_contain_text("Who is that?")


@pytest.mark.thorough
async def test_what_is_reported_is_looked_at_in_the_settings(cast: Cast) -> None:
    ana, ben, cem = await seated(cast, "Ana", "Ben", "Cem", tab="Chat")
    await say(ben, "buy my pills")
    await do(cem, "buy my pills", "Report")
    await cem.page.get_by_label("In your own words").fill("every day the same")
    await confirm(cem, "Report")
    await cem.sees("The moderators are told.")
    await ana.tab("People")
    await ana.press("Settings")
    case = ana.page.get_by_role("dialog").locator(".case")
    await expect(case).to_contain_text("buy my pills")
    await expect(case).to_contain_text("spam: every day the same")
    await case.get_by_role("button", name="Hide").click()
    await expect(log(cem)).not_to_contain_text("buy my pills")
    await expect(case.get_by_role("button", name="Let everybody see it")).to_be_visible()
    await say(ben, "just a joke")
    await do(cem, "just a joke", "Report")
    await confirm(cem, "Report")
    joke = ana.page.get_by_role("dialog").locator(".case").filter(has_text="just a joke")
    await joke.get_by_role("button", name="Nothing is wrong").click()
    await expect(joke).to_have_count(0)
    await expect(log(cem)).to_contain_text("just a joke")


@pytest.mark.thorough
async def test_emoji_over_the_film_are_passed_on_and_not_kept(cast: Cast) -> None:
    ana, ben = await seated(cast, "Ana", "Ben", tab="Chat")
    await ben.press("Laugh")
    await expect(ana.page.locator(".flying span")).to_have_text("😂")
    await expect(log(ana).locator(".line")).to_have_count(0)


# Comments.


async def test_comments_are_answered_changed_and_taken_back_before_each_others_eyes(cast: Cast) -> None:
    ana, ben = await seated(cast, "Ana", "Ben", tab="Comments")
    await ben.sees("Nobody in this room has said anything about it yet.")
    await comment(ana, "A fine opening")
    await expect(of(ben, "A fine opening")).to_contain_text("Ana")
    await of(ben, "A fine opening").get_by_role("button", name="Reply").click()
    await ben.page.get_by_label("Answer Ana").fill("I think so, too")
    await ben.page.locator("li.comment .composer").get_by_role("button", name="Reply").click()
    await expect(of(ana, "I think so, too")).to_contain_text("Ben")
    depth = "element => getComputedStyle(element).getPropertyValue('--depth')"
    assert await of(ana, "I think so, too").evaluate(depth) == "1"
    await do(ana, "A fine opening", "Edit")
    await ana.page.get_by_label("Your comment").fill("A fine ending")
    await ana.press("Save")
    await expect(of(ben, "A fine ending")).to_contain_text("edited")
    await do(ana, "A fine ending", "Delete")
    await confirm(ana, "Delete")
    await ben.sees("This comment was taken back.")
    await expect(of(ben, "I think so, too")).to_be_visible()
    await expect(ben.page.get_by_text("A fine ending")).to_have_count(0)
    await do(ben, "I think so, too", "Delete")
    await confirm(ben, "Delete")
    await expect(ana.page.locator("li.comment")).to_have_count(0)


@pytest.mark.thorough
async def test_people_react_with_emoji_of_their_own(cast: Cast) -> None:
    ana, ben = await seated(cast, "Ana", "Ben", tab="Comments")
    await comment(ana, "What do you say?")
    for emoji in ("👍", "🦊"):
        await of(ben, "What do you say?").get_by_role("button", name="React", exact=True).click()
        if emoji == "👍":
            await of(ben, "What do you say?").get_by_role("button", name="React with 👍").click()
        else:
            await of(ben, "What do you say?").get_by_label("Another emoji").fill(emoji)
            await ben.page.keyboard.press("Enter")
        await expect(of(ana, "What do you say?").get_by_role("button", name=f"{emoji} by 1")).to_be_visible()
    mine = of(ben, "What do you say?").get_by_role("button", name="👍 by 1")
    await expect(mine).to_have_attribute("aria-pressed", "true")
    hers = of(ana, "What do you say?").get_by_role("button", name="👍 by 1")
    await expect(hers).to_have_attribute("aria-pressed", "false")
    await hers.click()
    await expect(of(ben, "What do you say?").get_by_role("button", name="👍 by 2")).to_be_visible()
    await of(ben, "What do you say?").get_by_role("button", name="👍 by 2").click()
    await expect(of(ana, "What do you say?").get_by_role("button", name="👍 by 1")).to_be_visible()


@pytest.mark.thorough
async def test_what_waits_for_a_moderator_is_seen_by_its_author_alone_until_then(cast: Cast) -> None:
    ana, ben, cem = await seated(cast, "Ana", "Ben", "Cem", tab="Comments")
    await ana.page.evaluate(
        """() => matinee.client.call("chat.configure", { room: `party:${matinee.room.id}`, links: "hold" })"""
    )
    await comment(ben, "Read https://example.org/a")
    await expect(of(ben, "Read https")).to_contain_text("Only you see this until a moderator has looked at it.")
    await comment(ana, "Moderators may: https://example.org/b")
    await expect(of(cem, "Moderators may")).to_be_visible()
    await expect(of(cem, "Read https")).to_have_count(0)
    await ana.tab("People")
    await ana.press("Settings")
    case = ana.page.get_by_role("dialog").locator(".case")
    await expect(case).to_contain_text("waits: it has a link")
    await case.get_by_role("button", name="Let everybody see it").click()
    await expect(of(cem, "Read https")).to_be_visible()
    await expect(of(ben, "Read https").locator(".note")).to_be_hidden()


@pytest.mark.thorough
async def test_this_rooms_comments_are_not_everybodys(cast: Cast) -> None:
    ana, ben = await cast.person("Ana"), await cast.person("Ben")
    for person in (ana, ben):
        await (await person.come()).open_room("A film that only these two know")
        await person.tab("Comments")
    await comment(ana, "Only for us here")
    await ana.press("Everybody")
    await expect(of(ana, "Only for us here")).to_have_count(0)
    await comment(ana, "For all who watch it")
    await ben.press("Everybody")
    await expect(of(ben, "For all who watch it")).to_be_visible()
    await expect(of(ben, "Only for us here")).to_have_count(0)
    await ben.press("This room")
    await ben.sees("Nobody in this room has said anything about it yet.")


@pytest.mark.thorough
async def test_many_comments_come_page_by_page_and_many_replies_when_asked(cast: Cast) -> None:
    (ana,) = await seated(cast, "Ana", tab="Comments")
    await ana.page.evaluate(
        """async () => {
          const { media, party_id } = { media: matinee.room.party.media, party_id: matinee.room.id };
          const post = (text, parent = null) => matinee.client.call("comments.post", { media, party_id, text, parent });
          for (let n = 0; n < 40; n++) await post(`comment number ${n}.`);
          const { value } = await post("the newest one");
          for (let n = 0; n < 6; n++) await post(`reply number ${n}.`, value.comment_id);
        }"""
    )
    top = ana.page.locator("li.comment").filter(has_text="comment number")
    await expect(top).to_have_count(29)
    await ana.press("More comments")
    await expect(top).to_have_count(40)
    numbers = [int(re.findall(r"number (\d+)\.", text)[0]) for text in await top.all_inner_texts()]
    assert numbers == list(range(39, -1, -1))
    await expect(of(ana, "reply number")).to_have_count(3)
    await ana.press("3 more replies")
    await expect(of(ana, "reply number")).to_have_count(6)
    await ana.page.get_by_label("Order").select_option("oldest")
    await expect(ana.page.locator("li.comment").first).to_contain_text("comment number 0.")


@pytest.mark.thorough
async def test_what_is_new_is_counted_until_it_was_seen(cast: Cast) -> None:
    ana, ben = await seated(cast, "Ana", "Ben", tab="Comments")
    await comment(ana, "First")
    await expect(of(ben, "First")).to_be_visible()
    await expect(ben.page.get_by_role("tab", name="Comments")).to_have_text("Comments")
    await eventually(lambda: ben.page.evaluate(IS_READ), within=10)
    await ben.tab("Queue")
    await comment(ana, "Second")
    await expect(ben.page.get_by_role("tab", name="Comments")).to_contain_text("1")
    await ben.tab("Comments")
    await expect(of(ben, "Second")).to_contain_text("new")
    await eventually(lambda: ben.page.evaluate(IS_READ), within=10)
    await ben.tab("Queue")
    await expect(ben.page.get_by_role("tab", name="Comments")).to_have_text("Comments")


async def test_moderators_pin_hide_remove_and_lock(cast: Cast) -> None:
    ana, ben = await seated(cast, "Ana", "Ben", tab="Comments")
    await comment(ben, "Read this first")
    await comment(ben, "Of no use")
    await comment(ben, "Of no use at all, this one")
    await do(ana, "Read this first", "Pin")
    await expect(ben.page.locator(".pins")).to_contain_text("Read this first")
    await do(ana, "at all, this one", "Remove")
    await confirm(ana, "Remove")
    await expect(of(ben, "at all, this one")).to_have_count(0)
    await do(ana, "Of no use", "Hide")
    await expect(of(ana, "Of no use")).to_have_count(0)
    await expect(of(ben, "Of no use")).to_contain_text("A moderator hid this: nobody else sees it.")
    await ana.press("Let nobody but moderators write")
    await ben.sees("Moderators have locked them.")
    await expect(ben.page.get_by_label("Write a comment")).to_be_hidden()
    await ana.tab("People")
    await ana.press("Settings")
    case = ana.page.get_by_role("dialog").locator(".case").filter(has_text="Of no use")
    await case.get_by_role("button", name="Let everybody see it").click()
    await expect(of(ben, "Of no use")).not_to_contain_text("A moderator hid this")
    await expect(ben.page.get_by_role("button", name="Notifications, 3 new")).to_be_visible()


# What concerns one.


async def test_who_is_answered_or_mentioned_hears_of_it_and_is_led_there(cast: Cast) -> None:
    ana, ben = await seated(cast, "Ana", "Ben", tab="Comments")
    await comment(ana, "A fine opening")
    await of(ben, "A fine opening").get_by_role("button", name="Reply").click()
    await ben.page.get_by_label("Answer Ana").fill("I think so, too")
    await ben.page.locator("li.comment .composer").get_by_role("button", name="Reply").click()
    await ana.tab("People")
    bell = ana.page.get_by_role("button", name="Notifications, 1 new")
    await bell.click()
    await ana.page.get_by_role("button", name="Ben answered you").click()
    await expect(of(ana, "I think so, too")).to_have_attribute("data-focused", "true")
    await expect(ana.button("Notifications")).to_be_visible()
    await ana.press("Back to all comments")
    await expect(of(ana, "A fine opening")).to_be_visible()
    await ben.tab("Chat")
    await say(ben, "@Ana come here")
    await ana.page.get_by_role("button", name="Notifications, 1 new").click()
    await ana.page.get_by_role("button", name="Ben mentioned you").click()
    await expect(log(ana)).to_contain_text("@Ana come here")


# On a phone.


async def test_the_talk_fits_a_phone(cast: Cast) -> None:
    ana = await cast.person("Ana", viewport=PHONE, has_touch=True, is_mobile=True)
    await (await ana.come()).open_room(cast.film)
    await ana.loaded()
    await ana.tab("Comments")
    await comment(ana, "W" * 400, timed=True)
    await ana.tab("Chat")
    await say(ana, "W" * 400)
    for tab in ("People", "Queue", "Chat", "Comments", "Timeline"):
        await ana.tab(tab)
        assert await ana.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), tab
    shown: list[Any] = await ana.page.evaluate(SHOWN)
    assert len(shown) <= 2
