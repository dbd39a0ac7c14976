"""A second `matinee up` over the same data goes on where the first one stopped."""

from pathlib import Path

import aiohttp
from tests.faults.crowd import Person
from tests.system import system_over


async def test_what_was_there_is_there_again(tmp_path: Path) -> None:
    async with aiohttp.ClientSession() as http:
        with system_over(tmp_path) as first:
            ana = await Person.guest(http, first.http, "Ana")
            party = (await ana.call("party.open", title="Friday film", media="tt1"))["value"]["party_id"]
            played = await ana.call("party.play", party_id=party, position=60.0)
            reported = await ana.call("library.report", work="tt1", position=60.0, duration=7_000.0)
            await ana.leave()

        with system_over(tmp_path) as second:
            again = Person(http, second.ws, ana.token, ana.uid)
            socket = await again.socket()
            state = await socket.ask(op="call", fn="party.state", args={"party_id": party}, after=played["position"])
            members = await socket.ask(op="call", fn="party.members", args={"party_id": party})
            going_on = await socket.ask(op="call", fn="library.continue_watching", args={}, after=reported["position"])
            followed = await socket.ask(op="follow", channel=f"party:{party}", since=played["position"])
            paused = await again.call("party.pause", party_id=party, position=90.0)
            await again.leave()

    assert (state["value"]["playing"], state["value"]["position"]) == (True, 60.0)
    assert [member["name"] for member in members["value"]["members"]] == ["Ana"]
    assert [item["position"] for item in going_on["value"]["items"]] == [60.0]
    assert followed["recovered"]
    assert paused["position"] != played["position"]
