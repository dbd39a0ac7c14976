"""How reports are packed: everything once, in batches that are not too large, as the services read them."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.ambient import Batch, Told, subject
from events.contracts.party import SyncReport
from gateway import limits
from gateway.reports import packed

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=12)
LARGEST = 2_000


def report(party_id: str, position: float = 1.0) -> SyncReport:
    return SyncReport(party_id=party_id, position=position, at=1_767_384_900_123.5, rtt=0.04)


def unpacked(bodies: list[bytes]) -> tuple[dict[str, dict[str, SyncReport]], dict[str, list[str]]]:
    """Reports and listings by channel; each batch says something of a channel once."""
    reports: dict[str, dict[str, SyncReport]] = {}
    seen: dict[str, list[str]] = {}
    for body in bodies:
        batch = msgspec.json.decode(body, type=Batch[SyncReport])
        assert (batch.gateway, batch.at) == ("gateway-1", 12.5)
        for channel_id, told in batch.channels.items():
            mine = reports.setdefault(channel_id, {})
            assert not mine.keys() & told.reports.keys()
            mine |= told.reports
            if told.seen is not None:
                assert channel_id not in seen
                seen[channel_id] = told.seen
    return reports, seen


@given(
    st.dictionaries(texts, st.tuples(st.sets(texts, max_size=30), st.none() | st.lists(texts, max_size=20)), max_size=8)
)
def test_everything_is_in_it_once_however_often_it_is_cut(told: dict[str, tuple[set[str], list[str] | None]]) -> None:
    channels = {
        channel_id: Told({uid: report(channel_id) for uid in people}, seen)
        for channel_id, (people, seen) in told.items()
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(limits, "BATCH_BYTES", LARGEST)
        bodies = list(packed("gateway-1", 12.5, channels))

    assert all(len(body) <= LARGEST for body in bodies)
    reports, seen = unpacked(bodies)
    assert reports == {channel_id: told.reports for channel_id, told in channels.items()}
    assert seen == {channel_id: told.seen for channel_id, told in channels.items() if told.seen is not None}


def test_a_crowd_takes_several_batches() -> None:
    crowd = {f"member-{number:022d}": report("p") for number in range(2_000)}
    bodies = list(packed("gateway-1", 12.5, {"p": Told(crowd, list(crowd)), "q": Told({"ana": report("q")}, None)}))

    assert len(bodies) > 1
    assert all(len(body) <= 256 * 1024 for body in bodies)
    assert sum(map(len, bodies)) < 1.01 * len(bodies) * 256 * 1024
    assert unpacked(bodies) == ({"p": crowd, "q": {"ana": report("q")}}, {"p": list(crowd)})


def test_as_many_followers_as_are_named_fit_into_one_batch() -> None:
    people = [f"{number:026d}" for number in range(limits.SEEN)]
    (body,) = packed("gateway-1", 12.5, {"p": Told({"ana": report("p")}, people)})
    assert len(body) <= limits.BATCH_BYTES


def test_how_many_follow_is_said_where_not_all_are_named() -> None:
    crowd = {f"member-{number:022d}": report("p") for number in range(2_000)}
    first, *others = [
        msgspec.json.decode(body, type=Batch[SyncReport]).channels["p"]
        for body in packed("gateway-1", 12.5, {"p": Told(crowd, ["ana"], 9_000)})
    ]
    (all_named,) = packed("gateway-1", 12.5, {"p": Told(seen=["ana"])})

    assert (first.seen, first.count) == (["ana"], 9_000)
    assert {(told.seen, told.count) for told in others} == {(None, 0)}
    assert b"count" not in all_named


def test_nothing_is_said_of_nothing() -> None:
    assert list(packed("gateway-1", 12.5, {})) == []


def test_a_gateways_name_never_adds_to_a_subject() -> None:
    assert subject("parties", "gateway.1 > *") == "ambient.parties.gateway=2e1=20=3e=20=2a"
