from typing import Any

import msgspec
import pytest
from tests.integration.parties.stories import ANA, BOB, P, joined, new_story, opened
from tests.integration.readmodels import ReadModel

from events import cursor
from events.contracts.party import Export, Seek
from events.messages import Context, Rejected
from events.testing import NOW
from parties.erasing import count, forget
from parties.queries.export import AT_ONCE, export


async def pages(model: ReadModel, uid: str) -> list[list[dict[str, Any]]]:
    found, at = [], None
    while True:
        page = await export(model.reader, Export(cursor=at), Context(actor=uid, now=NOW))
        found.append(msgspec.json.decode(msgspec.json.encode(page.records)))
        if (at := page.cursor) is None:
            return found


async def told(model: ReadModel) -> None:
    """Ana hosts, Bob has joined, and she has sought more often than fits into a page."""
    story = new_story()
    opened(story)
    joined(story, BOB)
    for n in range(1, AT_ONCE + 50):
        story.tell(Seek(party_id=P, position=float(n)), ANA, after=3.0)
    await model.empty()
    await model.apply(story.commits)


async def test_everything_that_one_did_is_told_once_page_by_page(model: ReadModel) -> None:
    await told(model)

    records = [record for page in await pages(model, ANA) for record in page]

    (party,) = [record for record in records if record["record"] == "party"]
    assert (party["party_id"], party["hosted"], party["member"]) == (P, True, True)
    sought = [record["details"]["position"] for record in records if record.get("type") == "party.sought"]
    assert sought == [float(n) for n in range(1, AT_ONCE + 50)]


async def test_somebody_else_s_is_not_told(model: ReadModel) -> None:
    await told(model)

    records = [record for page in await pages(model, BOB) for record in page]

    assert {record.get("type") for record in records if record["record"] == "party-event"} == {"party.joined"}
    assert [record["hosted"] for record in records if record["record"] == "party"] == [False]
    assert await pages(model, "nobody") == [[], []]


async def test_who_is_erased_has_no_name_and_the_others_keep_theirs(model: ReadModel) -> None:
    await told(model)
    before = {row["uid"]: row["name"] for row in await model.reader.fetch("select uid, name from person")}
    assert before[ANA]
    assert await count(model.reader, ANA) == 1

    for _ in range(2):
        await forget(model.writer, ANA)

    after = {row["uid"]: row["name"] for row in await model.reader.fetch("select uid, name from person")}
    assert after == {**before, ANA: ""}


@pytest.mark.parametrize("place", ["x", 7, ["p", -1, 0], ["p", "x", 0], ["a\x00"], ["p", 2**70, 0]])
async def test_a_cursor_that_was_never_given_out_is_refused(model: ReadModel, place: Any) -> None:
    with pytest.raises(Rejected, match="bad-cursor"):
        await export(model.reader, Export(cursor=cursor.write(place)), Context(actor=ANA, now=NOW))
