"""What a replica remembers of what parties said, and when it forgets."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import msgspec
import pytest
from tests.unit.comments.talk import ANA, BOB, HOST, MEMBER
from tests.wait import eventually

from comments import rights
from comments.rights import Parties, party_about
from events.bus import TimedOut, Unavailable
from events.contracts.comments import Edit, Mute, Post, Say, SearchComments, ShowCases, ShowThread, StartLive
from events.contracts.party import Rights
from events.messages import CONTEXT, Answer, Context, Fault, GrantRequest, Notice, Rejected
from events.testing import NOW

ANA_ASKS = Context(actor=ANA, now=NOW, told={"party.rights": "forged"}, seen={"x": 1}, ambient={"y": 2})
THREAD = "a" * 26


class Told(NamedTuple):
    data: bytes


class StandInBus:
    """Answers as the parties service would."""

    def __init__(self) -> None:
        self.answer = Answer(msgspec.Raw(msgspec.json.encode(MEMBER)))
        self.asked: list[Context] = []
        self.notice: Callable[[Any], Awaitable[None]]
        self.reconnected: Callable[[], None]
        self.open = asyncio.Event()
        self.open.set()
        self.late = False

    async def request(self, subject: str, payload: bytes, headers: dict[str, str], timeout: float) -> Told:
        self.asked.append(msgspec.json.decode(headers[CONTEXT], type=Context))
        answer = self.answer
        await self.open.wait()
        if self.late:
            raise TimedOut(subject=subject)
        return Told(msgspec.json.encode(answer))

    async def subscribe(self, subject: str, handler: Callable[[Any], Awaitable[None]]) -> None:
        assert subject == "changed.parties"
        self.notice = handler

    def on_reconnect(self, callback: Callable[[], None]) -> None:
        self.reconnected = callback

    async def tell(self, start: int, end: int, *topics: str) -> None:
        notice = Notice("parties", "e", "s", (start, 0), (end, 0), topics)
        await self.notice(Told(msgspec.json.encode(notice)))

    def say(self, rights: Rights) -> None:
        self.answer = Answer(msgspec.Raw(msgspec.json.encode(rights)))


@pytest.fixture
def bus() -> StandInBus:
    return StandInBus()


@pytest.fixture
async def parties(bus: StandInBus) -> Parties:
    parties = Parties(bus)  # type: ignore[arg-type]
    await parties.start()
    await bus.tell(0, 1)
    return parties


async def test_an_answer_is_remembered_for_a_moment(
    parties: Parties, bus: StandInBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        assert await parties.rights("p1", ANA_ASKS) == MEMBER
    assert len(bus.asked) == 1

    monkeypatch.setattr(rights, "KEPT_SECONDS", 0.0)
    await parties.rights("p2", ANA_ASKS)
    await parties.rights("p2", ANA_ASKS)
    assert len(bus.asked) == 3


async def test_it_is_one_persons_and_not_for_who_reads(parties: Parties, bus: StandInBus) -> None:
    await parties.rights("p1", ANA_ASKS)
    await parties.rights("p1", Context(actor=BOB, now=NOW))
    await parties.rights("p1", ANA_ASKS, fresh=True)

    assert [asked.actor for asked in bus.asked] == [ANA, BOB, ANA]


async def test_nothing_that_is_known_here_goes_along(parties: Parties, bus: StandInBus) -> None:
    await parties.rights("p1", ANA_ASKS)

    (asked,) = bus.asked
    assert (asked.told, asked.seen, asked.ambient, asked.patience) == ({}, {}, {}, rights.ASK_SECONDS)


@pytest.mark.parametrize("topic", ["party:p1", "party-access:p1", f"party-access:p1:{BOB}"])
async def test_a_change_of_the_party_makes_it_forgotten(parties: Parties, bus: StandInBus, topic: str) -> None:
    await parties.rights("p1", ANA_ASKS)
    await parties.rights("p2", ANA_ASKS)
    bus.say(HOST)

    await bus.tell(1, 2, topic)

    assert await parties.rights("p1", ANA_ASKS) == HOST
    assert await parties.rights("p2", ANA_ASKS) == MEMBER


async def test_so_does_a_notice_that_was_missed_and_a_broken_connection(parties: Parties, bus: StandInBus) -> None:
    await parties.rights("p1", ANA_ASKS)
    await bus.tell(0, 1)  # the same again
    await parties.rights("p1", ANA_ASKS)
    assert len(bus.asked) == 1

    await bus.tell(5, 6)
    await parties.rights("p1", ANA_ASKS)
    bus.reconnected()
    await parties.rights("p1", ANA_ASKS)

    assert len(bus.asked) == 3


async def test_what_was_asked_before_a_change_is_not_remembered_after_it(parties: Parties, bus: StandInBus) -> None:
    bus.open.clear()
    asking = asyncio.create_task(parties.rights("p1", ANA_ASKS))
    await eventually(lambda: bus.asked)
    await bus.tell(1, 2, "party-access:p1")
    bus.say(HOST)
    bus.open.set()

    assert await asking == MEMBER
    assert await parties.rights("p1", ANA_ASKS) == HOST


async def test_a_refusal_is_passed_on_and_not_remembered(parties: Parties, bus: StandInBus) -> None:
    bus.answer = Answer(error=Fault("not-a-member"))
    with pytest.raises(Rejected, match="not-a-member"):
        await parties.rights("p1", ANA_ASKS)
    bus.say(MEMBER)

    assert await parties.rights("p1", ANA_ASKS) == MEMBER


async def test_no_answer_in_time_is_told_as_what_can_be_tried_again(parties: Parties, bus: StandInBus) -> None:
    bus.late = True

    with pytest.raises(Unavailable):
        await parties.rights("p1", ANA_ASKS)


async def test_memory_is_bounded(parties: Parties, bus: StandInBus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rights, "KEPT_PARTIES", 2)
    for party_id in ("p1", "p2", "p1", "p3"):
        await parties.rights(party_id, ANA_ASKS)
    assert len(bus.asked) == 3

    await parties.rights("p1", ANA_ASKS)
    assert len(bus.asked) == 3
    await parties.rights("p2", ANA_ASKS)
    assert len(bus.asked) == 4


@pytest.mark.parametrize(
    ("message", "party_id"),
    [
        (Post(media="tt0133093", text="hi", party_id="p1"), "p1"),
        (Post(media="tt0133093", text="hi"), None),
        (Edit(thread_id=f"{THREAD}@p1", comment_id="c", text="hi"), "p1"),
        (Say(room="party:p1", text="hi"), "p1"),
        (Say(room="live:p1", text="hi"), None),
        (Mute(where="party:p1", uid=BOB), "p1"),
        (Mute(where="site", uid=BOB), None),
        (StartLive(live_id="p1", title="The final"), None),
        (ShowThread(media="tt0133093", party_id="p1"), "p1"),
        (ShowCases(where="party:p1"), "p1"),
        (SearchComments(search="hi"), None),
        (SearchComments(search="hi", thread_id=f"{THREAD}@p1"), "p1"),
        (GrantRequest("p1"), "p1"),
    ],
)
def test_which_party_has_a_say(message: Any, party_id: str | None) -> None:
    assert party_about(message) == party_id
