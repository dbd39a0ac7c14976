"""Who is present on a channel: people, tabs, gateways, and what followers are told."""

import json
from typing import Any

import pytest
from msgspec import Raw
from tests.unit.gateway.test_frames import read

from events.messages import Rejected
from gateway import limits
from gateway.roster import Page, Person, Roster


def person(meta: Any = None, at: float = 0.0) -> Person:
    return Person(at, Raw(json.dumps(meta).encode()))


def pushed(roster: Roster) -> dict[str, Any]:
    """What followers are told, without what every push says; empty if they are told nothing."""
    frames = read(roster.push())
    if not frames:
        return {}
    told: dict[str, Any] = json.loads(frames[0].data)
    return {name: value for name, value in told.items() if name not in ("op", "channel") and value not in ({}, [])}


def test_coming_changing_and_going() -> None:
    roster = Roster("party:x", counted=False)
    roster.track("ada", 1, person("glad"))
    assert pushed(roster) == {"joined": {"ada": "glad"}}
    assert json.loads(bytes(roster.present())) == {"ada": "glad"}
    roster.track("ada", 1, person("sad"))
    assert pushed(roster) == {"updated": {"ada": "sad"}}
    roster.untrack("ada", 1)
    assert pushed(roster) == {"left": ["ada"]}
    assert pushed(roster) == {}


def test_what_came_and_went_between_two_pushes_is_not_told() -> None:
    roster = Roster("party:x", counted=False)
    roster.track("ada", 1, person())
    roster.untrack("ada", 1)
    assert pushed(roster) == {}


def test_a_person_is_there_until_the_last_tab_closes() -> None:
    roster = Roster("party:x", counted=False)
    roster.track("ada", 1, person("first", at=1))
    roster.track("ada", 2, person("second", at=2))
    assert pushed(roster) == {"joined": {"ada": "second"}}
    roster.untrack("ada", 2)
    assert pushed(roster) == {"updated": {"ada": "first"}}
    roster.untrack("ada", 1)
    assert pushed(roster) == {"left": ["ada"]}


def test_the_newest_meta_wins_across_gateways() -> None:
    roster = Roster("party:x", counted=False)
    roster.track("ada", 1, person("here", at=1))
    roster.hear("b", Page({"ada": person("there", at=2), "ben": person()}))
    assert pushed(roster) == {"joined": {"ada": "there", "ben": None}}
    roster.hear("b", Page({"ada": person("there", at=0)}))
    assert pushed(roster) == {"updated": {"ada": "here"}, "left": ["ben"]}


def test_a_gateway_takes_its_people_with_it() -> None:
    roster = Roster("party:x", counted=False)
    roster.track("ada", 1, person())
    roster.hear("b", Page({"ada": person(), "ben": person()}))
    pushed(roster)
    assert roster.gateways == {"b"}
    assert roster.drop("b")
    assert not roster.drop("b")
    assert pushed(roster) == {"left": ["ben"]}


def test_this_gateways_page() -> None:
    roster = Roster("party:x", counted=False)
    assert not roster.changed_here
    roster.track("ada", 1, person("a", at=1))
    assert roster.changed_here
    assert roster.page() == Page({"ada": person("a", at=1)})
    roster.untrack("ada", 1)
    assert roster.page() == Page()
    assert roster.empty_here


def test_a_crowd_is_only_counted() -> None:
    roster = Roster("party:x", counted=True)
    for number in range(5):
        roster.track(f"uid{number}", number, person())
    roster.track("uid0", 99, person())
    roster.hear("b", Page(count=1000))
    assert pushed(roster) == {"count": 1005}
    assert json.loads(bytes(roster.present())) == {"count": 1005}
    assert roster.page() == Page(count=5)
    assert pushed(roster) == {}


def test_a_list_has_limits_and_a_count_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ROSTER_PEOPLE", 2)
    listed, counted = Roster("party:x", counted=False), Roster("party:x", counted=True)
    for number in range(2):
        listed.track(f"uid{number}", number, person())
    listed.track("uid0", 7, person())
    with pytest.raises(Rejected, match="presence-full"):
        listed.track("uid2", 2, person())
    for number in range(5):
        counted.track(f"uid{number}", number, person())


def test_a_list_has_a_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ROSTER_BYTES", 1000)
    roster = Roster("party:x", counted=False)
    roster.track("ada", 1, person("x" * 800))
    with pytest.raises(Rejected, match="presence-full"):
        roster.track("ben", 2, person("x" * 200))
    roster.untrack("ada", 1)
    roster.track("ben", 2, person("x" * 200))


def test_a_list_becomes_a_count() -> None:
    roster = Roster("party:x", counted=False)
    roster.track("ada", 1, person())
    roster.hear("there", Page({"ben": person()}))
    assert pushed(roster) == {"joined": {"ada": None, "ben": None}}
    roster.changed_here = False
    assert roster.count()
    assert not roster.count()
    assert roster.changed_here
    assert roster.page() == Page(count=1)
    assert pushed(roster) == {"count": 2}
    assert pushed(roster) == {}


def test_a_list_counts_what_another_gateway_only_counts() -> None:
    roster = Roster("party:x", counted=False)
    roster.track("ada", 1, person())
    roster.hear("there", Page(count=7))
    assert pushed(roster) == {"count": 8}
    assert json.loads(bytes(roster.present())) == {"count": 8}


def test_an_empty_list_that_becomes_a_count_is_told_as_one() -> None:
    roster = Roster("party:x", counted=False)
    roster.count()
    assert json.loads(bytes(roster.present())) == {"count": 0}
    assert pushed(roster) == {"count": 0}
