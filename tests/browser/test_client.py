"""`client.js` against a real gateway, over lines that break: nothing is lost, nothing takes effect twice."""

import asyncio
import json
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Page
from tests.browser.people import Cast
from tests.proxy import CLEAR, Proxy, Weather, proxy_to
from tests.system import System
from tests.wait import eventually

from gateway.errors import CLOSINGS, ERRORS, OTHER_CLOSINGS

BREAKS = 8
DEAD = Weather(delay=3600.0)

# A client of somebody new, for the page's console to play with.
ARRIVE = """async (name) => {
  const { Client, Guest, Refused } = await import("/client.js");
  const client = new Client({ token: new Guest({ name }).token });
  const states = [];
  client.on("state", (state) => states.push(state));
  const until = (wanted) => new Promise((done) => {
    if (client.state === wanted) return done();
    const off = client.on("state", (state) => state === wanted && (off(), done()));
  });
  Object.assign(globalThis, { client, states, until, Refused });
  client.start();
  await until("online");
}"""
OPEN = """async () => {
  const { value } = await client.call("party.open", { title: "Friday film", media: "tt0111161" });
  return value.party_id;
}"""

ADD = """async (party_id) => {
  let last = null;
  for (let film = 0; film < 10; film++) {
    last = await client.call("party.enqueue", { party_id, media: `film ${film}` });
  }
  return last.position;
}"""


@pytest_asyncio.fixture(loop_scope="session")
async def line(system: System) -> AsyncIterator[Proxy]:
    async with proxy_to(system.port) as proxy:
        yield proxy


async def console(cast: Cast, line: Proxy | None = None, name: str = "Ana") -> Page:
    """A page of the gateway's that does nothing by itself, with a signed-in client."""
    http = f"http://127.0.0.1:{line.port}" if line else cast.http
    cast.excused += ["WebSocket", "ERR_CONNECTION", "ERR_EMPTY", "favicon.ico"]
    person = await cast.person(name, http=http)
    await person.page.goto(f"{http}/healthz")
    await person.page.evaluate(ARRIVE, name)
    return person.page


async def online(page: Page) -> bool:
    return bool(await page.evaluate("client.state === 'online'"))


# Coming and going.

EXPECTED: dict[int, dict[str, Any]] = {
    1000: {"connect": True},
    1001: {"connect": True, "least": 0, "most": 1000},
    1002: {"connect": False},
    1006: {"connect": True},
    1009: {"connect": True, "unsent": True},
    4401: {"connect": True},
    4402: {"connect": True, "renew": True},
    4408: {"connect": True},
    4409: {"connect": True},
    4429: {"connect": True, "least": 60_000, "most": 70_000},
}


async def test_every_close_code_is_followed_as_its_table_says(cast: Cast) -> None:
    assert set(EXPECTED) == {closing.code for closing in (*CLOSINGS, *OTHER_CLOSINGS)}
    page = await console(cast)
    for code, expected in EXPECTED.items():
        told = await page.evaluate("async (code) => (await import('/client.js')).afterClose(code)", code)
        assert told["connect"] is expected["connect"], code
        assert told["renew"] is expected.get("renew", False), code
        assert told["unsent"] is expected.get("unsent", False), code
        if "least" in expected:
            assert expected["least"] <= told["wait"] <= expected["most"], code
        else:
            assert told["wait"] is None, code


async def test_attempts_back_off_at_random_up_to_a_bound(cast: Cast) -> None:
    page = await console(cast)
    waits = await page.evaluate(
        """async () => {
          const { backoff } = await import("/client.js");
          const often = (attempt) => Array.from({ length: 200 }, () => backoff(attempt));
          return [0, 1, 4, 400].map((attempt) => [Math.min(...often(attempt)), Math.max(...often(attempt))]);
        }"""
    )
    for (least, most), bound in zip(waits, (500, 1_000, 8_000, 15_000), strict=True):
        assert 0 <= least < bound / 10
        assert bound / 2 < most <= bound


async def test_a_token_that_is_worth_nothing_any_more_is_replaced(cast: Cast) -> None:
    page = await console(cast)
    first = await page.evaluate("client.user")
    await page.evaluate(
        """async () => {
          client.stop();
          const kept = JSON.parse(localStorage.getItem("matinee.guest"));
          localStorage.setItem("matinee.guest", JSON.stringify({ ...kept, token: "worthless" }));
          client.start();
          await until("online");
        }"""
    )
    assert await page.evaluate("client.user") != first
    assert await page.evaluate(OPEN)


async def test_who_cannot_be_admitted_is_told_why_and_left_alone(cast: Cast) -> None:
    cast.excused += ["422"]
    page = await console(cast)
    told = await page.evaluate(
        """async () => {
          const { Client, Guest } = await import("/client.js");
          const other = new Client({ token: new Guest({ name: "\\u0007", slot: "other" }).token });
          const stopped = new Promise((done) =>
            other.on("state", (state, why) => state === "stopped" && done(why.code)));
          other.start();
          return [await stopped, await other.call("party.mine").catch((error) => error.code)];
        }"""
    )
    assert told == ["invalid-argument", "stopped"]


async def test_a_line_that_died_without_a_word_is_noticed_and_left(cast: Cast, line: Proxy) -> None:
    page = await console(cast, line)
    line.weather = DEAD
    await page.evaluate("() => { states.length = 0; client.wake(); }")
    await eventually(lambda: page.evaluate("states.includes('waiting')"), within=15)
    line.weather = CLEAR
    await eventually(lambda: online(page), within=30)
    assert await page.evaluate(OPEN)


# Calling.


async def test_a_command_whose_answer_is_lost_takes_effect_once(cast: Cast, line: Proxy) -> None:
    page = await console(cast, line)
    line.cut("after", b"", b'"op":"result"')
    party = await page.evaluate(OPEN)
    assert line.cuts == 1
    found = await page.evaluate("async () => (await client.call('party.mine')).value.parties.map((at) => at.party_id)")
    assert found == [party]


async def test_commands_over_a_line_that_keeps_breaking_take_effect_once_and_in_order(cast: Cast, line: Proxy) -> None:
    page = await console(cast, line)
    party = await page.evaluate(OPEN)
    adding = asyncio.create_task(page.evaluate(ADD, party))

    async def broken(times: int) -> bool:
        return line.cuts > times or adding.done()

    for _ in range(BREAKS):
        line.cut("after", b"", b'"op":"result"')
        await eventually(partial(broken, line.cuts), within=30)
    last = await adding
    queue = await page.evaluate(
        """async ([party_id, after]) =>
          (await client.call("party.queue", { party_id }, { after })).value.items.map((item) => item.media)""",
        [party, last],
    )
    assert queue == [f"film {film}" for film in range(10)]


async def test_what_is_refused_is_told_by_code_and_details(cast: Cast) -> None:
    page = await console(cast)
    refusal = """async ([fn, args]) => client.call(fn, args).then(() => null, (error) =>
      [error instanceof Refused, error.code, error.status, error.message, error.details])"""
    told = await page.evaluate(refusal, ["party.play", {"party_id": "nosuchparty"}])
    assert told[:4] == [True, "no-such-party", 404, ERRORS["no-such-party"].words]
    told = await page.evaluate(refusal, ["party.play", {"party_id": "nosuchparty", "position": "here"}])
    assert told[:3] == [True, "invalid-argument", 422]
    assert told[4]["field"] == "position"


async def test_what_is_too_large_is_refused_here_and_the_socket_stays(cast: Cast) -> None:
    page = await console(cast)
    code = await page.evaluate(
        "() => client.call('party.open', { title: 'x'.repeat(200_000), media: 'x' }).catch((error) => error.code)"
    )
    assert code == "frame-too-large"
    assert await page.evaluate("states") == ["connecting", "online"]
    assert await page.evaluate(OPEN)


async def test_what_is_wanted_only_now_is_not_kept_for_later(cast: Cast, line: Proxy) -> None:
    page = await console(cast, line)
    line.weather = DEAD
    await page.evaluate("client.wake()")
    await eventually(lambda: page.evaluate("client.state !== 'online'"), within=15)
    code = await page.evaluate("() => client.call('party.mine', {}, { once: true }).catch((error) => error.code)")
    assert code == "lost"


# Hearing.

LISTEN = """(party_id) => {
  globalThis.heard = [];
  globalThis.followed = [];
  globalThis.values = [];
  client.follow(`party:${party_id}`, {
    followed: ({ recovered, state }) => followed.push([recovered, state.party.position]),
    event: ({ type, data }) => type === "party.sought" && heard.push(data.position),
    ended: (reason) => heard.push(reason),
  }).track({ status: "here" });
  client.watch("party.state", { party_id }, { value: ({ position }) => values.push(position) });
}"""

SEE = """(party_id) => void client.follow(`party:${party_id}`, {
  followed: (frame) => { globalThis.present = frame.present; },
  presence: ({ joined, updated }) => Object.assign(present, joined, updated),
})"""


async def test_a_follower_misses_nothing_however_often_the_line_breaks(cast: Cast, line: Proxy) -> None:
    ana, ben = await console(cast), await console(cast, line, "Ben")
    party = await ana.evaluate(OPEN)
    await ben.evaluate("(party_id) => client.call('party.join', { party_id })", party)
    await ben.evaluate(LISTEN, party)
    await eventually(lambda: ben.evaluate("followed.length === 1"))
    places = [float(place) for place in range(100, 100 + 5 * BREAKS)]
    for number, place in enumerate(places):
        await ana.evaluate(
            "([party_id, position]) => client.call('party.seek', { party_id, position })", [party, place]
        )
        if number % 5 == 2:
            line.close()
    await eventually(lambda: ben.evaluate("(last) => heard.at(-1) === last", places[-1]), within=30)
    assert await ben.evaluate("heard") == places
    assert await ben.evaluate("followed.slice(1).every(([recovered]) => recovered)")
    await eventually(lambda: ben.evaluate("(last) => values.at(-1) === last", places[-1]), within=10)
    await ana.evaluate(SEE, party)
    user = await ben.evaluate("client.user")
    await eventually(lambda: ana.evaluate("(user) => globalThis.present?.[user]?.status === 'here'", user))


async def test_who_may_not_follow_is_told_once_and_may_ask_again(cast: Cast) -> None:
    ana, ben = await console(cast), await console(cast, name="Ben")
    party = await ana.evaluate(
        "async () => (await client.call('party.open', { title: 'x', media: 'x', private: true })).value"
    )
    code = await ben.evaluate(
        "(id) => new Promise((done) => client.follow(`party:${id}`, { error: (refused) => done(refused.code) }))",
        party["party_id"],
    )
    assert code == "not-a-member"
    await ben.evaluate("(given) => client.call('party.join', given)", {"name": "Ben", **party})
    state = await ben.evaluate(
        "(id) => new Promise((done) => client.follow(`party:${id}`, { followed: (frame) => done(frame.state.party) }))",
        party["party_id"],
    )
    assert state["private"] is True


async def test_a_watch_that_ends_is_told_and_one_that_is_stopped_is_silent(cast: Cast) -> None:
    page = await console(cast)
    code = await page.evaluate(
        """() => new Promise((done) => client.watch("party.state", { party_id: "nosuchparty" },
          { value: () => done("a value"), error: (refused) => done(refused.code) }))"""
    )
    assert code == "no-such-party"
    party = await page.evaluate(OPEN)
    counts = await page.evaluate(
        """async (party_id) => {
          let values = 0;
          const first = new Promise((done) => {
            const stop = client.watch("party.state", { party_id }, { value: () => { values += 1; stop(); done(); } });
          });
          await first;
          await client.call("party.seek", { party_id, position: 5 });
          await new Promise((done) => client.watch("party.state", { party_id }, { value: done }));
          return values;
        }""",
        party,
    )
    assert counts == 1


@pytest.mark.parametrize("self", [False, True])
async def test_a_broadcast_reaches_the_others_and_oneself_if_wanted(cast: Cast, self: bool) -> None:
    ana, ben = await console(cast), await console(cast, name="Ben")
    party = await ana.evaluate(OPEN)
    await ben.evaluate("(party_id) => client.call('party.join', { party_id })", party)
    listen = """(party_id) => new Promise((done) => {
      globalThis.messages = [];
      globalThis.channel = client.follow(`party:${party_id}`, {
        followed: done, message: ({ event, from, data }) => event === "sync" || messages.push([event, from, data]) });
    })"""
    for page in (ana, ben):
        await page.evaluate(listen, party)
    await ana.evaluate("(self) => channel.send('wave', { hand: 'left' }, { self })", self)
    told = ["wave", await ana.evaluate("client.user"), {"hand": "left"}]
    await eventually(lambda: ben.evaluate("messages.length"))
    assert await ben.evaluate("messages") == [told]
    if self:
        await eventually(lambda: ana.evaluate("messages.length"))
    assert await ana.evaluate("messages") == ([told] if self else []), json.dumps(told)
