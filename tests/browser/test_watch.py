"""What people do on the watch page: come in, make rooms, bring films, control, leave and are put out."""

import re

import pytest
from playwright.async_api import expect
from tests.browser.people import FILM, PHONE, Cast, Person, room_of
from tests.wait import eventually

STAGE_CONTROLS = ("Play", "Back 10 seconds", "Ahead 10 seconds")


async def seated(cast: Cast, *names: str, private: bool = False) -> list[Person]:
    """So many people in a room, the first of them its host."""
    host, *others = [await cast.person(name) for name in names]
    link = await (await host.come()).open_room(cast.film, private=private)
    for other in others:
        await (await other.come(link)).seated()
    return [host, *others]


# Coming in.


async def test_a_guest_comes_by_link_and_the_key_in_it_without_an_account(cast: Cast) -> None:
    ana, ben = await seated(cast, "Ana", "Ben", private=True)
    assert re.search(r"/\?party=\w{16}#key=\d{6}$", ana.page.url)
    await expect(ana.page.get_by_role("listitem").filter(has_text="Ben")).to_be_visible()
    await expect(ben.page.get_by_role("listitem").filter(has_text="Ana")).to_contain_text("Host")
    await ben.sees("private")


async def test_a_wrong_key_is_said_to_be_wrong_and_the_right_one_opens(cast: Cast) -> None:
    ana, ben = await cast.person("Ana"), await cast.person("Ben")
    link = await (await ana.come()).open_room(cast.film, private=True)
    key = link[-6:]
    wrong = f"{(int(key) + 1) % 1_000_000:06d}"
    await ben.come(link.replace(key, wrong))
    await ben.sees("These are not its six digits.")
    await ben.page.get_by_label("Key").fill(key)
    await ben.press("Join")
    await ben.seated()


async def test_a_private_room_asks_who_has_no_key_for_one(cast: Cast) -> None:
    ana, ben = await cast.person("Ana"), await cast.person("Ben")
    link = await (await ana.come()).open_room(cast.film, private=True)
    await ben.come(link.partition("#")[0])
    await ben.sees("This room is private")
    await ben.page.get_by_label("Key").fill(link[-6:])
    await ben.press("Join")
    await ben.seated()


async def test_a_link_to_no_room_says_so_and_leads_to_the_lobby(cast: Cast) -> None:
    ana = await (await cast.person("Ana")).come("/?party=nosuchpartyhere1")
    await ana.sees("There is no such room.")
    await ana.press("To the lobby")
    await ana.sees("Make a room")


async def test_a_reload_is_the_same_person_and_asks_for_no_name(cast: Cast) -> None:
    (ana,) = await seated(cast, "Ana", private=True)
    user = await ana.page.evaluate("matinee.client.user")
    await ana.page.reload()
    await ana.seated()
    assert await ana.page.evaluate("matinee.client.user") == user
    await expect(ana.page.get_by_role("listitem")).to_have_count(1)


async def test_two_windows_of_one_person_are_one_member_and_both_show_the_film(cast: Cast) -> None:
    (ana,) = await seated(cast, "Ana")
    other = Person("Ana", await cast.window(ana.page.context), cast.http)
    await other.page.goto(ana.page.url)
    await other.seated()
    for window in (ana, other):
        await window.loaded()
        await expect(window.page.get_by_role("listitem")).to_have_count(1)
    await other.press("Play")
    for window in (ana, other):
        await window.plays()


async def test_who_may_not_use_storage_can_watch_all_the_same(cast: Cast) -> None:
    blocked = (
        "Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('no', 'SecurityError') } })"
    )
    ana = await cast.person("Ana", script=blocked)
    await (await ana.come()).open_room(cast.film)
    await ana.loaded()
    await ana.press("Play")
    await ana.plays()


async def test_public_rooms_are_listed_and_found_by_name_and_private_ones_are_not(cast: Cast) -> None:
    ana, ben = await cast.person("Ana"), await cast.person("Ben")
    await (await ana.come()).open_room(cast.film, title="Zanzibar nights")
    await ana.page.goto(cast.http)
    await ana.open_room(cast.film, title="Zanzibar secrets", private=True)
    await ben.come()
    await ben.page.get_by_label("Search public rooms").fill("zanz")
    await expect(ben.page.get_by_role("button", name="Zanzibar nights")).to_be_visible()
    await expect(ben.page.get_by_role("button", name="Zanzibar secrets")).to_have_count(0)
    await ben.page.get_by_role("button", name="Zanzibar nights").click()
    await ben.seated()
    await ana.page.goto(cast.http)
    await expect(ana.page.get_by_role("button", name="Zanzibar secrets")).to_be_visible()


# Films.


async def test_everybody_may_watch_a_file_of_their_own_and_nothing_is_uploaded(cast: Cast) -> None:
    ana, ben = await cast.person("Ana"), await cast.person("Ben")
    await ana.come()
    await ana.page.locator("form input[type=file]").set_input_files(FILM)
    await ana.press("Open the room")
    await ana.seated()
    await ana.loaded()
    await (await ben.come(ana.page.url)).seated()
    await ben.sees("Open your copy of film")
    await ben.page.locator(".cover input[type=file]").set_input_files(FILM)
    await ben.loaded()
    await ana.press("Play")
    for person in (ana, ben):
        await person.plays()
        assert (await person.page.evaluate("matinee.video.src")).startswith("blob:")


async def test_a_file_can_be_dropped_on_the_film(cast: Cast) -> None:
    ana = await cast.person("Ana")
    await (await ana.come()).open_room("a film that everybody brings")
    await ana.sees("Open your copy of a film that everybody brings")
    dropped = await ana.page.evaluate_handle(
        """async (address) => {
          const dropped = new DataTransfer();
          dropped.items.add(new File([new Uint8Array(8)], "copy.webm", { type: "video/webm" }));
          return dropped;
        }""",
        cast.film,
    )
    await ana.page.dispatch_event(".stage", "dragover", {"dataTransfer": dropped})
    await expect(ana.page.locator(".stage")).to_have_class(re.compile("dropping"))
    await ana.page.dispatch_event(".stage", "drop", {"dataTransfer": dropped})
    await ana.sees("Your browser cannot play this")


async def test_a_copy_that_starts_later_is_set_off_and_remembered(cast: Cast) -> None:
    (ana,) = await seated(cast, "Ana")
    await ana.loaded()
    await ana.page.get_by_text("My copy").click()
    await ana.page.get_by_label("My copy starts later by (seconds)").fill("7.5")
    await ana.page.keyboard.press("Enter")
    await ana.call("party.seek", position=20.0)
    await ana.is_at(27.5)
    await ana.page.reload()
    await (await ana.seated()).loaded()
    await ana.is_at(27.5)


async def test_a_film_that_is_not_there_is_said_and_an_own_copy_helps(cast: Cast) -> None:
    cast.excused += ["404"]
    ana = await cast.person("Ana")
    await (await ana.come()).open_room(cast.film.replace("film.webm", "nothing.webm"))
    await ana.sees("Your browser cannot play this, or there is nothing at that address.")
    await ana.page.locator(".cover input[type=file]").set_input_files(FILM)
    await ana.loaded()
    await expect(ana.page.locator(".cover")).to_be_hidden()


# Controls.


async def test_buttons_control_everybody_and_say_who_did_it(cast: Cast) -> None:
    ana, ben = await seated(cast, "Ana", "Ben")
    for person in (ana, ben):
        await person.loaded()
    await ana.press("Play")
    await ben.plays()
    await ben.sees("Ana pressed play")
    await ana.press("Ahead 10 seconds")
    await ben.sees("Ana jumped")
    await ben.is_beyond(10)
    await ana.press("Undo")
    await ben.sees("Ana undid something")
    await ben.shows(lambda look: look["position"] < 10)
    await ana.press("Pause")
    await ben.stands()


async def test_keys_control_the_film_but_not_while_somebody_types(cast: Cast) -> None:
    ana, ben = await seated(cast, "Ana", "Ben")
    for person in (ana, ben):
        await person.loaded()
    keys = ana.page.keyboard
    await keys.press("k")
    await ben.plays()
    await keys.press("Space")
    await ben.stands()
    for key, position in (("l", 10), ("ArrowRight", 15), ("j", 5)):
        await keys.press(key)
        await ben.is_at(position, give=2.0)
    await keys.press("m")
    await eventually(lambda: ana.page.evaluate("matinee.video.muted"))
    await ana.tab("Chat")
    await ana.page.get_by_label("Say something").fill("k")
    await keys.press("k")
    await keys.press("Space")
    await keys.press("Enter")
    await ben.tab("Chat")
    await ben.sees("kk")
    assert not (await ben.look())["playing"]


async def test_who_may_not_control_sees_that_and_cannot(cast: Cast) -> None:
    ana, ben = await seated(cast, "Ana", "Ben")
    await ben.sees("Only hosts and co-hosts control playback here.")
    for name in STAGE_CONTROLS:
        await expect(ben.button(name)).to_be_disabled()
    await ana.press("More about Ben")
    await ana.press("Make co-host")
    for name in STAGE_CONTROLS:
        await expect(ben.button(name)).to_be_enabled()


async def test_a_countdown_is_seen_by_everybody(cast: Cast) -> None:
    ana, ben = await seated(cast, "Ana", "Ben")
    for person in (ana, ben):
        await person.loaded()
    await ana.press("Count down from 5, then play")
    await expect(ben.page.locator(".count")).to_be_visible()
    assert not (await ben.look())["playing"]
    await ben.plays(10)
    await expect(ben.page.locator(".count")).to_be_hidden()


async def test_a_room_waits_for_who_is_not_ready_until_told_to_start(cast: Cast) -> None:
    cast.excused += ["404", "ERR_FAILED"]
    ana, ben = await seated(cast, "Ana", "Ben")
    for person in (ana, ben):
        await person.loaded()
    cem = await cast.person("Cem")
    await cem.page.route("**/film.webm", lambda route: route.abort())
    await (await cem.come(ana.page.url)).seated()
    await ana.call("party.configure", wait=True, wait_seconds=60)
    await ana.hears_of(3)
    await ana.press("Play")
    # A second press of play at once is taken for the same one.
    await expect(ben.page.get_by_text("Waiting for Cem… 5")).to_be_visible()
    await expect(ben.button("Start without them")).to_have_count(0)
    assert not (await ben.look())["playing"]
    await ana.press("Start without them")
    await ben.plays()


async def test_who_is_waited_for_can_say_not_to_wait(cast: Cast) -> None:
    cast.excused += ["ERR_FAILED"]
    (ana,) = await seated(cast, "Ana")
    await ana.loaded()
    cem = await cast.person("Cem")
    await cem.page.route("**/film.webm", lambda route: route.abort())
    await (await cem.come(ana.page.url)).seated()
    await ana.call("party.configure", wait=True, wait_seconds=60)
    await ana.hears_of(2)
    await ana.press("Play")
    await ana.sees("Waiting for Cem")
    await cem.press("Don't wait for me")
    await ana.plays()


async def test_everybody_starts_once_the_last_film_has_loaded(cast: Cast) -> None:
    (ana,) = await seated(cast, "Ana")
    await ana.loaded()
    await ana.call("party.configure", wait=True, wait_seconds=60)
    ana_link = ana.page.url
    cem = await cast.person("Cem")
    await cem.page.route("**/film.webm", lambda route: route.abort())
    cast.excused += ["ERR_FAILED"]
    await (await cem.come(ana_link)).seated()
    await ana.hears_of(2)
    await ana.press("Play")
    await ana.sees("Waiting for Cem")
    await cem.page.unroute("**/film.webm")
    await cem.press("Try again")
    for person in (ana, cem):
        await person.plays()


# People.


@pytest.mark.parametrize("private", [False, True], ids=["public", "private"])
async def test_who_is_put_out_reads_by_whom_and_may_come_back(cast: Cast, private: bool) -> None:
    ana, ben = await seated(cast, "Ana", "Ben", private=private)
    await ana.press("More about Ben")
    await ana.press("Put out")
    await ana.page.get_by_role("dialog").get_by_role("button", name="Put out").click()
    await expect(ben.page.get_by_role("heading", name="You were put out")).to_be_focused()
    await ben.sees("Ana put you out of this room.")
    await ben.press("Join again")
    await ben.seated()


async def test_who_is_banned_cannot_come_back_until_the_ban_is_lifted(cast: Cast) -> None:
    ana, ben = await seated(cast, "Ana", "Ben")
    link = ana.page.url
    await ana.press("More about Ben")
    await ana.press("Ban")
    await ana.page.get_by_label("Why").fill("Talks too much")
    await ana.page.get_by_role("dialog").get_by_role("button", name="Ban").click()
    await ben.sees("Ana banned you from this room.")
    await expect(ben.page.get_by_text("Talks too much")).to_have_count(0)
    await ben.page.goto(link)
    await ben.sees("You are banned from this room.")
    await ana.press("Settings")
    await ana.sees("Talks too much")
    await ana.press("Lift the ban of Ben")
    await expect(ana.page.get_by_text("Nobody is banned.")).to_be_visible()
    await ben.press("Try again")
    await ben.seated()


async def test_a_locked_room_keeps_others_out(cast: Cast) -> None:
    (ana,) = await seated(cast, "Ana")
    await ana.press("Lock the room")
    await expect(ana.button("Let people in")).to_be_visible()
    ben = await (await cast.person("Ben")).come(ana.page.url)
    await ben.sees("This room is locked")
    await ana.press("Let people in")
    await expect(ana.button("Lock the room")).to_be_visible()
    await ben.press("Try again")
    await ben.seated()


async def test_a_host_hands_over_and_leaves_and_the_new_one_closes_the_room(cast: Cast) -> None:
    ana, ben, cem = await seated(cast, "Ana", "Ben", "Cem")
    await ana.press("More about Ben")
    await ana.press("Hand over to them")
    await ana.page.get_by_role("dialog").get_by_role("button", name="Hand over").click()
    await expect(ben.page.get_by_role("listitem").filter(has_text="Ben")).to_contain_text("Host")
    await ana.press("Leave")
    await ana.page.get_by_role("dialog").get_by_role("button", name="Leave").click()
    await ana.sees("Make a room")
    await expect(cem.page.get_by_role("listitem")).to_have_count(2)
    await ben.press("Settings")
    await ben.press("Close the room for everybody")
    await ben.press("Close the room")
    for person in (ben, cem):
        await person.sees("The room is closed")


async def test_a_new_key_closes_the_old_invitation(cast: Cast) -> None:
    (ana,) = await seated(cast, "Ana", private=True)
    old = ana.page.url
    await ana.press("Settings")
    await ana.press("New key")
    await ana.press("Make a new key")
    await ana.sees("There is a new key.")
    said = await ana.page.get_by_text(re.compile(r"The key is \d{6}")).inner_text()
    key = re.findall(r"\d{6}", said)[0]
    await ana.page.keyboard.press("Escape")
    assert ana.page.url == old.replace(old[-6:], key)
    ben = await (await cast.person("Ben")).come(old)
    await ben.sees("These are not its six digits.")
    await ben.page.get_by_label("Key").fill(key)
    await ben.press("Join")
    await ben.seated()


async def test_people_change_their_names(cast: Cast) -> None:
    ana, ben = await seated(cast, "Ana", "Ben")
    await ben.press("More about Ben")
    await ben.press("Change my name")
    await ben.page.get_by_label("Your name here").fill("Benedikt")
    await ben.press("Change")
    await expect(ana.page.get_by_role("listitem").filter(has_text="Benedikt")).to_be_visible()


async def test_members_see_how_far_each_other_is(cast: Cast) -> None:
    ana, ben = await seated(cast, "Ana", "Ben")
    for person in (ana, ben):
        await person.loaded()
    await ana.press("Play")
    row = ana.page.get_by_role("listitem").filter(has_text="Ben")
    await expect(row.locator(".badge")).to_have_text(re.compile(r"[+−]\d+ ms"), timeout=15_000)
    await expect(ana.page.locator(".figure")).to_have_text(re.compile(r"[+−]\d+ ms"))
    await expect(ana.page.get_by_text("2 of 2 in sync")).to_be_visible()


# Beside the film.


async def test_a_queue_is_filled_voted_on_ordered_and_played(cast: Cast) -> None:
    ana, ben = await seated(cast, "Ana", "Ben")
    for person in (ana, ben):
        await person.tab("Queue")
    for name in ("First film", "Second film", "Third film"):
        await ben.page.get_by_label("Address of a film").fill(name)
        await ben.page.keyboard.press("Enter")
        await expect(ana.page.locator(".queue li").filter(has_text=name)).to_be_visible()
    await ana.press("Vote for Second film; votes: 0")
    await expect(ben.button("Vote for Second film; votes: 1")).to_be_visible()
    await ana.page.locator(".queue li").filter(has_text="Third film").get_by_role("button", name="Move up").click()
    await expect(ben.page.locator(".queue li").nth(1)).to_contain_text("Third film")
    await ben.page.locator(".queue li").filter(has_text="First film").get_by_role("button", name="Take off").click()
    await expect(ana.page.locator(".queue li")).to_have_count(2)
    await ana.press("Next in the queue")
    await ben.sees("Open your copy of Third film")


async def test_more_than_half_skip_a_film_together(cast: Cast) -> None:
    ana, ben = await seated(cast, "Ana", "Ben")
    for person in (ana, ben):
        await person.tab("Queue")
    await ana.page.get_by_label("Address of a film").fill("Another film")
    await ana.page.keyboard.press("Enter")
    await ana.hears_of(2)
    await ana.press("Skip this one")
    await ben.sees("1 of 2 want to")
    await ben.press("Skip this one")
    for person in (ana, ben):
        await person.sees("Open your copy of Another film")


async def test_names_and_titles_of_others_are_only_ever_text(cast: Cast) -> None:
    ana = await cast.person("<img src=x onerror=alert(1)>Ana")
    await (await ana.come()).open_room(cast.film, title="<script>alert(1)</script>")
    ben = await (await cast.person("Ben")).come(ana.page.url)
    await ben.seated()
    await expect(ben.page.get_by_role("heading", level=1)).to_have_text("<script>alert(1)</script>")
    await expect(ben.page.get_by_role("listitem").first).to_contain_text("<img src=x onerror=alert(1)>Ana")
    assert await ben.page.locator("main img, main script").count() == 0


async def test_the_timeline_says_who_did_what_where(cast: Cast) -> None:
    ana, ben = await seated(cast, "Ana", "Ben")
    await ana.loaded()
    await ben.tab("Timeline")
    await ana.call("party.play", position=30.0)
    await ana.call("party.seek", position=75.0)
    await ben.sees("pressed play at 0:30")
    await expect(ben.page.locator(".timeline li").filter(has_text="jumped to 1:15")).to_contain_text("Ana")


# Faults.


async def test_a_page_finds_back_by_itself_when_the_gateway_was_away(cast: Cast) -> None:
    cast.excused += ["WebSocket", "ERR_INTERNET_DISCONNECTED"]
    ana, ben = await seated(cast, "Ana", "Ben")
    for person in (ana, ben):
        await person.loaded()
    await ben.page.context.set_offline(True)
    await ben.page.evaluate("matinee.client.wake()")
    await expect(ben.page.get_by_text("No connection.")).to_be_visible(timeout=30_000)
    await ana.press("Play")
    await ana.call("party.seek", position=50.0)
    await ben.page.context.set_offline(False)
    await ben.plays(20)
    await ben.is_beyond(50)


async def test_a_room_of_one_fits_a_phone(cast: Cast) -> None:
    ana = await cast.person("Ana", viewport=PHONE, has_touch=True, is_mobile=True)
    link = await (await ana.come()).open_room(cast.film)
    assert room_of(link)
    assert await ana.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
