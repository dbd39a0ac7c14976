"""What is concluded from reports, told as evenings with given times: seconds count from `NOW`."""

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.parties.examples import ANA, BOB, CYD, DAN, SYSTEM, P, configured, joined, later, room, three

from events.ambient import Batch, Conclusions, Told
from events.contracts.party import (
    CHANNEL,
    Closed,
    Drop,
    Excused,
    Find,
    Held,
    Hold,
    HostMissed,
    Miss,
    PartyEvent,
    Paused,
    Played,
    Release,
    Sample,
    Sampled,
    Sought,
    Succeed,
    SyncReport,
)
from events.testing import NOW
from parties import heard
from parties.ambient import Ambient

START = NOW.timestamp()
KEY = CHANNEL.key(P)
ALL = (ANA, BOB, CYD)

playing = Played(by=ANA, position=100.0, at=later(10))
"""So a player that is in sync is at 100 s when 10 s have passed, and one second further each second."""


class Evening:
    """A party, and a replica that listens."""

    def __init__(self, *events: PartyEvent) -> None:
        self.observer = Ambient()
        self.events = events
        self.at = 0.0

    def happen(self, *events: PartyEvent) -> None:
        self.events = (*self.events, *events)

    def hear(
        self,
        at: float,
        reports: Mapping[str, Mapping[str, Any]] | None = None,
        seen: Collection[str] | None = None,
        gateway: str = "g1",
    ) -> None:
        """A batch; each report is of a player that plays in sync with `playing`, but for what it says."""
        told = {uid: report(at, **fields) for uid, fields in (reports or {}).items()}
        self.observer.hear(
            Batch(gateway, START + at, {P: Told(told, None if seen is None else list(seen))}), START + at
        )
        self.at = at

    def look(self, at: float | None = None) -> Conclusions:
        now = START + (self.at if at is None else at)
        keys = self.observer.active(now)
        return self.observer.conclude({key: room.given(*self.events).state() for key in keys}, now)

    def go_on(
        self, until: float, reports: Mapping[str, Mapping[str, Any]], seen: Collection[str] | None = None
    ) -> list[Any]:
        """Reports every 3 s, a look every second; all commands that came of it."""
        asked: list[Any] = []
        start = int(self.at)
        for second in range(start, int(until) + 1):
            if (second - start) % 3 == 0:
                self.hear(float(second), reports, seen)
            asked += self.look(float(second)).commands
        self.at = until
        return asked

    def ambient(self, at: float | None = None) -> Mapping[str, Any]:
        return self.observer.ambient(KEY, START + (self.at if at is None else at))


def report(at: float, /, *, ago: float = 0.2, drift: float = 0.0, **fields: Any) -> SyncReport:
    """A player that was at its place *ago* seconds before."""
    there = max(90.0 + at - ago + drift, 0.0)
    return SyncReport(
        **{"party_id": P, "position": there, "at": (START + at - ago) * 1000, "playing": True, "rtt": 0.04, **fields}
    )


def sync(found: Conclusions) -> dict[str, Any]:
    (cast,) = found.casts
    assert (cast.kind, cast.id, cast.event) == ("party", P, "sync")
    return dict(cast.data)


def fine(*uids: str) -> dict[str, dict[str, Any]]:
    return {uid: {} for uid in uids}


# Who is there, and how far ahead controls are said.


def test_nothing_is_known_of_a_party_that_nobody_speaks_of() -> None:
    assert Evening().ambient() == {"lead": 0.0, "present": frozenset()}


def test_who_reports_is_there_for_ten_seconds() -> None:
    evening = Evening()
    evening.hear(0, fine(ANA, BOB))
    evening.hear(6, fine(ANA))
    assert evening.ambient(10)["present"] == {ANA, BOB}
    assert evening.ambient(10.6)["present"] == {ANA}
    assert evening.ambient(16.6)["present"] == frozenset()


def test_who_follows_and_never_reports_is_there_while_a_gateway_says_so() -> None:
    evening = Evening()
    evening.hear(0, seen=(ANA, BOB))
    evening.hear(0, seen=(CYD,), gateway="g2")
    assert evening.ambient()["present"] == {ANA, BOB, CYD}
    evening.hear(4, seen=(ANA,))
    assert evening.ambient()["present"] == {ANA, CYD}
    evening.hear(14, seen=(ANA,))
    assert evening.ambient(15.5)["present"] == {ANA}


def test_who_reports_and_then_only_follows_is_gone() -> None:
    evening = Evening()
    for second in range(0, 40, 5):
        evening.hear(second, fine(ANA) if second < 10 else {}, seen=(ANA, BOB))
    assert evening.ambient()["present"] == {BOB}


def test_who_comes_back_is_there_before_the_first_report() -> None:
    evening = Evening()
    evening.hear(0, fine(ANA), seen=(ANA,))
    for second in range(3, 30, 3):
        evening.hear(second, fine(BOB), seen=(BOB,))
    assert evening.ambient()["present"] == {BOB}
    evening.hear(30, seen=(ANA, BOB))
    assert evening.ambient()["present"] == {ANA, BOB}


def test_the_people_of_a_gateway_that_dies_are_gone_soon() -> None:
    evening = Evening()
    evening.hear(0, fine(ANA), seen=(ANA, BOB), gateway="g1")
    for second in range(0, 16, 2):
        evening.hear(second, fine(CYD), gateway="g2")
    assert evening.ambient(14.0)["present"] == {BOB, CYD}
    assert evening.ambient(15.5)["present"] == {CYD}


@pytest.mark.parametrize(
    ("trips", "lead"),
    [
        ([], 0.0),
        ([0.0], 0.1),
        ([0.04, 0.04], 0.1),
        ([0.2], 0.2),
        ([0.2] * 19 + [5.0], 0.2),
        ([0.2] * 10 + [1.0], 0.8),
        ([60.0], 2.0),
    ],
)
def test_the_lead_follows_the_slow_but_not_the_slowest(trips: list[float], lead: float) -> None:
    evening = Evening()
    evening.hear(0, {f"guest-{n}": {"rtt": rtt} for n, rtt in enumerate(trips)}, seen=("ana",))
    assert evening.ambient()["lead"] == pytest.approx(lead)


def test_who_is_gone_does_not_slow_the_others_down() -> None:
    evening = Evening()
    evening.hear(0, {ANA: {"rtt": 1.0}, BOB: {}})
    evening.hear(9, fine(BOB))
    assert (evening.ambient(9)["lead"], evening.ambient(11)["lead"]) == (0.8, 0.1)


batches = st.lists(
    st.builds(
        lambda gateway, at, people, seen: Batch(
            gateway, START + at, {P: Told({uid: report(at, drift=at, rtt=at / 9) for uid in people}, seen)}
        ),
        st.sampled_from(["g1", "g2", "g3"]),
        st.integers(0, 6),
        st.sets(st.sampled_from([ANA, BOB, CYD, DAN])),
        st.none() | st.lists(st.sampled_from([ANA, BOB, CYD, DAN]), unique=True),
    ),
    max_size=8,
    unique_by=lambda batch: (batch.gateway, batch.at),
)


@given(batches, st.randoms(), st.integers(0, 30))
def test_the_order_of_batches_and_their_repetition_change_nothing(
    told: list[Batch[SyncReport]], random: Any, after: int
) -> None:
    shuffled = [*told, *random.sample(told, len(told) // 2)]
    random.shuffle(shuffled)
    found = []
    for heard_in_order in (told, shuffled):
        evening = Evening(*three, playing)
        for batch in heard_in_order:
            evening.observer.hear(batch, START + 6)
        found.append((evening.ambient(6 + after), _sorted(evening.look(6 + after))))
    assert found[0] == found[1]


def _sorted(found: Conclusions) -> Any:
    return list(found.commands), [dict(cast.data) for cast in found.casts], list(found.samples)


# Drift.


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({}, [0.0, "in-sync", 40]),
        ({"drift": 0.4}, [0.4, "in-sync", 40]),
        ({"drift": -2.0}, [-2.0, "in-sync", 40]),
        ({"drift": -2.5}, [-2.5, "behind", 40]),
        ({"drift": 3.0, "rtt": 0.1}, [3.0, "ahead", 100]),
        ({"buffering": True, "drift": -9.0}, [None, "buffering", 40]),
        ({"playing": False, "drift": -5.0}, [-5.0, "behind", 40]),
        ({"ago": 4.0}, [0.0, "in-sync", 40]),
    ],
)
def test_drift_is_measured_where_the_party_was_at_the_reports_own_time(fields: dict[str, Any], told: list[Any]) -> None:
    evening = Evening(*three, playing)
    evening.hear(20, {ANA: fields})
    assert sync(evening.look())["members"] == {ANA: told}


@pytest.mark.parametrize("ago", [6.0, -6.0, -1e12])
def test_a_time_that_cannot_be_says_nothing_about_drift(ago: float) -> None:
    evening = Evening(*three, playing)
    evening.hear(20, {ANA: {"position": 5.0, "at": max((START + 20 - ago) * 1000, 0.0)}})
    data = sync(evening.look())
    assert (data["members"], data["in_sync"], data["present"], data["drift_p95"]) == ({}, 0, 1, None)


def test_while_the_party_stands_players_are_compared_with_where_it_stands() -> None:
    evening = Evening(*three, playing, Paused(by=ANA, position=110.0, at=later(20)))
    evening.hear(25, {ANA: {"position": 110.2}, BOB: {"position": 113.0}, CYD: {"position": 1.0}})
    assert sync(evening.look())["members"] == {
        ANA: [0.2, "paused", 40],
        BOB: [3.0, "ahead", 40],
        CYD: [-109.0, "behind", 40],
    }


def test_a_report_from_before_a_control_says_nothing_about_the_time_after_it() -> None:
    evening = Evening(*three, playing)
    evening.hear(20, fine(ANA))
    assert sync(evening.look())["members"] == {ANA: [0.0, "in-sync", 40]}
    evening.happen(Sought(by=ANA, position=500.0, at=later(21), said_at=later(20.5)))
    evening.hear(21.1, {ANA: {"ago": 0.2, "position": 110.9}})
    assert evening.look().casts == []
    evening.hear(24, {ANA: {"position": 502.8}})
    assert evening.look().casts == []
    evening.hear(27, {ANA: {"position": 506.3}})
    assert sync(evening.look())["members"] == {ANA: [0.5, "in-sync", 40]}


def test_the_cast_says_where_the_party_is() -> None:
    evening = Evening(*three, playing)
    evening.hear(20, {ANA: {"drift": 0.1}, BOB: {"drift": -3.0}, CYD: {"buffering": True}, DAN: {}})
    data = sync(evening.look())
    members = data.pop("members")
    assert data == {
        "at": round((START + 20) * 1000),
        "reference": 110.0,
        "in_sync": 1,
        "present": 3,
        "drift_p95": 3.0,
    }
    assert set(members) == {ANA, BOB, CYD}


def test_only_changes_are_told() -> None:
    evening = Evening(*three, playing)
    evening.hear(20, fine(*ALL))
    assert set(sync(evening.look())["members"]) == set(ALL)
    assert evening.look(21).casts == []
    evening.hear(22, {ANA: {"drift": 0.02}, BOB: {"drift": 0.05}, CYD: {"drift": -3.0}})
    data = sync(evening.look())
    assert data["members"] == {BOB: [0.05, "in-sync", 40], CYD: [-3.0, "behind", 40]}
    assert (data["in_sync"], data["present"]) == (2, 3)


def test_who_is_gone_is_told_as_such() -> None:
    evening = Evening(*three, playing)
    evening.hear(20, fine(ANA, BOB))
    evening.look()
    evening.hear(28, fine(ANA))
    assert evening.look(29).casts == []
    data = sync(evening.look(30.5))
    assert (data["members"], data["present"]) == ({BOB: None}, 1)


def test_who_comes_is_told_of_everybody() -> None:
    evening = Evening(*three, playing)
    evening.hear(20, fine(ANA, BOB))
    evening.look()
    evening.hear(23, fine(ANA, BOB, CYD))
    assert set(sync(evening.look())["members"]) == {CYD}
    evening.hear(26, fine(ANA, BOB, CYD))
    assert set(sync(evening.look())["members"]) == set(ALL)
    evening.hear(29, fine(ANA, BOB, CYD))
    assert evening.look().casts == []


def test_nothing_is_told_to_nobody() -> None:
    evening = Evening(*three, playing)
    evening.hear(20, fine(DAN), seen=("somebody",))
    assert evening.look() == Conclusions([], [], [])
    evening.hear(40, fine(ANA))
    assert evening.look().casts
    assert (evening.look(60).commands, evening.look(60).casts) == ([], [])


def test_nothing_is_concluded_about_a_party_that_is_over_or_never_was() -> None:
    evening = Evening(*three, playing, Closed(by=ANA, reason="closed", at=later(15)))
    evening.hear(20, fine(*ALL))
    assert evening.look() == Conclusions([], [], [])
    assert evening.observer.active(START + 20) == []
    unknown = Evening()
    unknown.hear(20, fine(*ALL))
    assert unknown.look() == Conclusions([], [], [])


def crowd(size: int) -> tuple[PartyEvent, ...]:
    return (*three, *(joined(f"guest-{n:03d}", 3 + n / 100) for n in range(size - 3)))


@pytest.mark.parametrize(("size", "listed"), [(200, True), (201, False)])
def test_a_large_party_is_told_numbers_alone(size: int, listed: bool) -> None:
    evening = Evening(*crowd(size), playing)
    members = room.given(*evening.events).state().members
    evening.hear(20, {uid: {"drift": n / 1000} for n, uid in enumerate(members)})
    data = sync(evening.look())
    assert (data["present"], data["in_sync"], data["drift_p95"]) == (
        size,
        size,
        pytest.approx(size * 0.95 / 1000, 0.05),
    )
    assert len(data["members"]) == (size if listed else 0)


# The host.


def test_a_host_who_is_not_seen_is_missed_and_found_again() -> None:
    evening = Evening(*three, playing)
    assert evening.go_on(20, fine(*ALL)) == []
    asked = evening.go_on(35, fine(BOB, CYD))
    # Ana was heard last at 18 s; what was asked for and did not happen is asked for again.
    assert set(asked) == {Miss(party_id=P, uid=ANA, since=START + 18)}
    assert 1 <= len(asked) <= 2
    evening.happen(HostMissed(uid=ANA, since=later(18), until=later(138), at=later(29)))
    assert evening.go_on(50, fine(BOB, CYD)) == []
    assert evening.go_on(51, fine(*ALL)) == [Find(party_id=P, uid=ANA)]


def test_a_host_who_never_showed_up_is_missed_once_others_are_there_for_a_while() -> None:
    evening = Evening(*three)
    evening.at = 100
    assert evening.go_on(110, fine(BOB)) == []
    assert evening.go_on(111, fine(BOB)) == [Miss(party_id=P, uid=ANA, since=START + 100)]


def test_a_host_who_only_follows_is_there() -> None:
    evening = Evening(*three)
    assert evening.go_on(60, fine(BOB), seen=(ANA, BOB)) == []


def test_nobody_is_missed_where_nobody_is() -> None:
    evening = Evening(*three)
    evening.go_on(20, fine(*ALL))
    assert not any(evening.look(second).commands for second in range(21, 200))


def test_after_the_grace_the_host_is_succeeded() -> None:
    missed = HostMissed(uid=ANA, since=later(10), until=later(40), at=later(21))
    evening = Evening(*three, configured(grace_seconds=30.0), missed)
    evening.at = 24
    assert evening.go_on(39, fine(BOB)) == []
    assert set(evening.go_on(45, fine(BOB))) == {Succeed(party_id=P)}


def test_without_a_grace_nobody_is_succeeded() -> None:
    missed = HostMissed(uid=ANA, since=later(10), until=None, at=later(21))
    evening = Evening(*three, configured(grace_seconds=0.0), missed)
    evening.at = 24
    assert evening.go_on(400, fine(BOB)) == []


def test_a_replica_that_has_just_begun_to_listen_misses_nobody() -> None:
    evening = Evening(*three, playing)
    evening.hear(1000, fine(BOB))
    assert evening.look().commands == []


def test_a_replica_that_heard_nothing_at_all_begins_anew() -> None:
    evening = Evening(*three, playing)
    evening.go_on(20, fine(*ALL))
    evening.at = 500
    assert evening.go_on(509, fine(BOB)) == []


# Who is dropped.


def test_who_is_not_seen_for_ten_minutes_while_others_are_loses_the_seat() -> None:
    evening = Evening(*three)
    assert evening.go_on(30, fine(*ALL)) == []
    assert evening.go_on(629, fine(ANA, BOB)) == []
    assert set(evening.go_on(640, fine(ANA, BOB))) == {Drop(party_id=P, uids=(CYD,))}


def test_the_host_is_not_dropped() -> None:
    evening = Evening(*three, HostMissed(uid=ANA, since=later(0), until=None, at=later(0)), configured(grace_seconds=0))
    assert evening.go_on(1500, fine(BOB, CYD)) == []


def test_who_never_came_is_dropped_ten_minutes_after_joining_or_after_the_others_came() -> None:
    evening = Evening(*three, joined(DAN, 500))
    assert evening.go_on(600, fine(ANA)) == []
    assert [command.uids for command in evening.go_on(604, fine(ANA))][-1] == (BOB, CYD)
    assert [command.uids for command in evening.go_on(1099, fine(ANA))][-1] == (BOB, CYD)
    assert [command.uids for command in evening.go_on(1105, fine(ANA))][-1] == (BOB, CYD, DAN)


def test_a_party_that_wakes_up_gives_everybody_ten_minutes() -> None:
    evening = Evening(*three)
    evening.go_on(700, fine(*ALL))
    other = Batch[SyncReport]("g1", START + 2000, {"elsewhere": Told({}, ["somebody"])})
    for second in range(700, 3000, 10):
        evening.observer.hear(other, START + second)
    evening.at = 3000
    assert evening.go_on(3599, fine(ANA)) == []
    assert [command.uids for command in evening.go_on(3601, fine(ANA))] == [(BOB, CYD)]


def test_who_only_follows_keeps_the_seat() -> None:
    evening = Evening(*three)
    assert evening.go_on(1500, fine(ANA), seen=(BOB, CYD)) == []


# Stalls.


def stalling(*uids: str, **fields: Any) -> dict[str, dict[str, Any]]:
    """Everybody plays but these."""
    return fine(*ALL) | {uid: fields or {"buffering": True} for uid in uids}


def held_for(reference: str, reports: Mapping[str, Mapping[str, Any]], *events: PartyEvent) -> list[Any]:
    evening = Evening(*three, configured(reference=reference), *events, playing)
    evening.at = 14
    assert evening.go_on(19, fine(*ALL)) == []
    evening.at = 20
    return evening.go_on(25, reports)


@pytest.mark.parametrize(
    ("reference", "stalled", "held"),
    [
        ("host", (ANA,), (ANA,)),
        ("host", (BOB, CYD), ()),
        ("host", (ANA, BOB), (ANA,)),
        ("slowest", (BOB,), (BOB,)),
        ("slowest", (ANA, BOB, CYD), (ANA, BOB, CYD)),
        ("median", (BOB,), ()),
        ("median", (BOB, CYD), (BOB, CYD)),
    ],
)
@pytest.mark.parametrize("fields", [{"buffering": True}, {"drift": -2.5}])
def test_a_stall_holds_the_party_as_its_reference_says(
    reference: str, stalled: tuple[str, ...], held: tuple[str, ...], fields: dict[str, Any]
) -> None:
    asked = held_for(reference, stalling(*stalled, **fields))
    assert asked == ([Hold(party_id=P, uids=held)] if held else [])


@pytest.mark.parametrize("fields", [{"drift": -1.9}, {"drift": 5.0}, {"drift": -30.0, "playing": False}])
def test_what_is_no_stall_holds_nobody(fields: dict[str, Any]) -> None:
    assert held_for("slowest", stalling(BOB, **fields)) == []


@pytest.mark.parametrize("reason", ["asked", "limit"])
@pytest.mark.parametrize("reference", ["slowest", "median"])
def test_who_is_excused_holds_nobody(reason: Any, reference: str) -> None:
    excused = [Excused(uid=uid, excused=True, reason=reason, at=later(9)) for uid in (BOB, CYD)]
    assert held_for(reference, stalling(BOB, CYD), *excused) == []


def test_one_report_is_not_a_stall() -> None:
    evening = Evening(*three, configured(reference="slowest"), playing)
    evening.hear(17, fine(*ALL))
    assert evening.look().commands == []
    evening.hear(20, stalling(BOB))
    assert [evening.look(second).commands for second in (20, 21, 22, 23)] == [[]] * 4
    evening.hear(24, fine(*ALL))
    assert evening.look().commands == []
    evening.hear(27, stalling(BOB))
    assert evening.look().commands == []
    evening.hear(28.5, stalling(BOB))
    assert evening.look().commands == []
    evening.hear(29, stalling(BOB))
    assert evening.look().commands == [Hold(party_id=P, uids=(BOB,))]


def test_a_control_makes_everybody_buffer_for_a_moment() -> None:
    evening = Evening(*three, configured(reference="slowest"), playing)
    evening.hear(16, fine(*ALL))
    assert evening.look().commands == []
    evening.happen(Sought(by=ANA, position=108.0, at=later(18)))
    evening.at = 18
    assert evening.go_on(21, stalling(BOB)) == []
    evening.at = 22
    assert evening.go_on(27, stalling(BOB)) == [Hold(party_id=P, uids=(BOB,))]


@pytest.mark.parametrize("on_the_way", [{"buffering": True}, {"drift": -100.0}])
@pytest.mark.parametrize("reference", ["slowest", "median"])
def test_who_joins_late_stops_nobody_until_they_have_kept_up(reference: str, on_the_way: dict[str, Any]) -> None:
    evening = Evening(*three[:2], configured(reference=reference), playing)
    evening.at = 14
    assert evening.go_on(30, fine(ANA)) == []
    evening.happen(joined(BOB, 31), joined(CYD, 31))
    late = {BOB: on_the_way, CYD: on_the_way}
    assert evening.go_on(60, fine(ANA) | late) == []
    assert evening.go_on(63, fine(*ALL)) == []
    assert evening.go_on(70, fine(ANA) | late) == [Hold(party_id=P, uids=(BOB, CYD))]


def test_who_comes_back_after_being_gone_is_late_again() -> None:
    evening = Evening(*three, configured(reference="slowest"), playing)
    evening.at = 14
    assert evening.go_on(20, fine(*ALL)) == []
    assert evening.go_on(35, fine(ANA, CYD)) == []
    assert evening.go_on(50, stalling(BOB)) == []


@pytest.mark.parametrize(
    "event",
    [
        Paused(by=ANA, position=106.0, at=later(16)),
        Played(by=ANA, position=106.0, at=later(60), countdown=30.0),
        Held(by=SYSTEM, why="stalled", waits_for=(BOB,), position=106.0, at=later(16), until=later(46)),
    ],
)
def test_a_party_that_does_not_run_is_not_held(event: PartyEvent) -> None:
    evening = Evening(*three, configured(reference="slowest"), playing, event)
    evening.at = 20
    assert evening.go_on(30, {uid: {"buffering": True} for uid in ALL}) == []


def test_a_party_is_not_held_again_at_once() -> None:
    held = Held(by=SYSTEM, why="stalled", waits_for=(BOB,), position=106.0, at=later(16), until=later(46))
    evening = Evening(*three, configured(reference="slowest"), held, Played(by=SYSTEM, position=107.0, at=later(17)))
    evening.hear(19, {uid: {"position": 108.8} for uid in ALL})
    assert evening.look().commands == []
    asked = []
    for second in range(20, 30):
        evening.hear(second, stalling(BOB))
        asked += [(second, command) for command in evening.look().commands]
    assert asked == [(26, Hold(party_id=P, uids=(BOB,)))]


def waiting(*uids: str, why: Any = "stalled") -> Evening:
    held = Held(by=SYSTEM, why=why, waits_for=uids, position=110.0, at=later(20), until=later(50))
    evening = Evening(*three, playing, held)
    evening.hear(19, fine(*ALL))
    return evening


def test_who_has_recovered_is_no_longer_waited_for() -> None:
    evening = waiting(BOB, CYD)
    evening.hear(22, {BOB: {"buffering": True, "position": 110.0}, CYD: {"position": 104.0}})
    assert evening.look().commands == []
    evening.hear(25, {BOB: {"position": 109.6}, CYD: {"position": 109.4}})
    assert evening.look().commands == [Release(party_id=P, recovered=(BOB,))]
    evening.hear(28, {BOB: {"position": 110.0}, CYD: {"position": 110.4}})
    assert evening.look().commands == [Release(party_id=P, recovered=(BOB, CYD))]


def test_a_report_from_before_the_wait_is_no_recovery() -> None:
    evening = waiting(BOB)
    evening.hear(20.1, {BOB: {"position": 110.0, "ago": 0.2}})
    assert evening.look().commands == []


@pytest.mark.parametrize("why", ["stalled", "start"])
def test_who_is_gone_is_no_longer_waited_for(why: str) -> None:
    evening = waiting(BOB, why=why)
    evening.at = 20
    assert evening.go_on(28, {ANA: {"position": 110.0}}) == []
    assert evening.go_on(30, {ANA: {"position": 110.0}}) == [Release(party_id=P, recovered=(BOB,))]


def test_who_is_to_say_ready_says_so_in_person() -> None:
    evening = waiting(BOB, why="start")
    evening.at = 20
    assert evening.go_on(40, {ANA: {"position": 110.0}, BOB: {"position": 110.0}}) == []


# Samples.


def samples(evening: Evening, until: int, reports: Mapping[str, Mapping[str, Any]]) -> list[Sampled]:
    found: list[Sampled] = []
    for second in range(int(evening.at), until):
        evening.hear(second, reports)
        for key, event in evening.look().samples:
            assert key == KEY
            assert isinstance(event, Sampled)
            found.append(event)
    evening.at = until
    return found


def test_a_sample_is_taken_every_ten_seconds() -> None:
    evening = Evening(*three, playing)
    evening.at = 20
    taken = samples(evening, 80, {ANA: {"drift": 0.5}, BOB: {"buffering": True, "rtt": 0.2}})
    assert len(taken) == 6
    assert all(b.at - a.at == timedelta(seconds=10) for a, b in pairwise(taken))
    first = taken[0]
    assert (first.playing, first.present) == (True, 2)
    assert first.position == pytest.approx(90 + (first.at - NOW).total_seconds())
    assert first.members == {ANA: Sample(0.5, "in-sync", 0, 0, 0.04), BOB: Sample(None, "buffering", 0, 0, 0.2)}


def test_a_sample_counts_what_came_since_the_one_before() -> None:
    evening = Evening(*three, playing)
    evening.at = 20
    counts = [{"stalls": 7, "seeks": 2}, {"stalls": 9, "seeks": 2}, {"stalls": 1, "seeks": 4}]
    taken = [samples(evening, until, {ANA: count})[-1] for until, count in zip((30, 40, 50), counts, strict=True)]
    assert [(s.members[ANA].stalls, s.members[ANA].seeks) for s in taken] == [(0, 0), (2, 0), (1, 2)]


def test_a_large_party_is_sampled_less_often() -> None:
    evening = Evening(*crowd(100), playing)
    members = room.given(*evening.events).state().members
    evening.at = 20
    taken = samples(evening, 80, fine(*members))
    assert [(b.at - a.at).total_seconds() for a, b in pairwise(taken)] == [20.0] * (len(taken) - 1)
    assert 3 <= len(taken) <= 4
    assert all(len(sampled.members) == 100 for sampled in taken)


def test_who_has_not_reported_is_in_no_sample() -> None:
    evening = Evening(*three, playing)
    for second in range(20, 40):
        evening.hear(second, fine(ANA), seen=(BOB,))
        for _, event in evening.look().samples:
            assert isinstance(event, Sampled)
            assert (set(event.members), event.present) == ({ANA}, 2)


def test_those_are_counted_too_of_whom_nobody_reports() -> None:
    evening = Evening(*three)
    taken = []
    for second in range(0, 20, 5):
        evening.hear(second, seen=(ANA, BOB, "a visitor"))
        taken += [event for _, event in evening.look().samples]
    assert [(event.present, event.members) for event in taken if isinstance(event, Sampled)] == [(2, {})]


def test_that_nobody_is_there_any_more_is_told_once() -> None:
    evening = Evening(*three, playing)
    evening.at = 20
    assert samples(evening, 31, fine(ANA))[-1].present == 1
    told = [(second, event) for second in range(41, 80) for _, event in evening.look(second).samples]
    ((second, event),) = told
    assert isinstance(event, Sampled)
    assert (second, event.present, event.members) == (41, 0, {})
    assert evening.observer.active(START + 80) == []


# What is kept.


def test_a_silent_party_is_forgotten() -> None:
    evening = Evening(*three)
    evening.hear(0, fine(*ALL))
    other = Batch[SyncReport]("g1", START, {"elsewhere": Told({}, ["somebody"])})
    for second in range(5, 320, 5):
        evening.observer.hear(other, START + second)
    assert set(evening.observer._audiences) == {CHANNEL.key("elsewhere")}


def test_sights_of_people_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heard, "REMEMBERED", 50)
    evening = Evening(*three)
    for second in range(100):
        evening.hear(second, seen=[f"guest-{second}-{n}" for n in range(10)])
    (audience,) = evening.observer._audiences.values()
    assert len(audience._seen) <= 50


def test_another_leader_goes_on_from_what_it_heard() -> None:
    """It has heard all along, and concluded nothing."""
    evening = Evening(*three, playing)
    for second in range(0, 700, 3):
        evening.hear(second, fine(ANA, BOB) if second > 90 else fine(*ALL))
    commands: Sequence[Any] = evening.look().commands
    assert commands == [Drop(party_id=P, uids=(CYD,))]


def test_parties_do_not_mix() -> None:
    evening = Evening(*three, playing)
    other = CHANNEL.key("other")
    evening.observer.hear(
        Batch("g1", START + 20, {P: Told({ANA: report(20)}, None), "other": Told({BOB: report(20, rtt=1.0)}, None)}),
        START + 20,
    )
    assert evening.ambient(20) == {"lead": 0.1, "present": {ANA}}
    assert evening.observer.ambient(other, START + 20) == {"lead": 0.8, "present": {BOB}}
    assert evening.observer.active(START + 20) == [KEY, other]
