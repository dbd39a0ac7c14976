"""What is known of a title does not depend on the order in which it came."""

import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from events.contracts.library import (
    EVENTS,
    Completed,
    Details,
    Episode,
    ItemChange,
    ItemChanged,
    Mark,
    Marked,
    PlaysRemoved,
    Progressed,
    Report,
    Season,
    SetItem,
    Started,
    Stopped,
    TakeIn,
    TakenIn,
    TakenPlay,
    TakenPosition,
    TitleCommand,
    TitleEvent,
)
from events.messages import Context
from events.testing import NOW
from library.title import decider
from library.title.reasons import reasons
from library.title.state import PLAYS, Title, evolve, merge
from library.title.summary import Summary, summary

ANA = "ana"
WORK = "tt0944947"
LARGEST = 256 * 1024

rules = decider()


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


# Any facts, also such as no decision would lead to.

times = st.integers(0, 6).map(lambda n: after(10 * n))
slots = st.sampled_from(["film", "1-1", "1-2", "0-1"])
episodes = st.sampled_from([None, Episode(season=1, episode=1), Episode(season=1, episode=2)])
sources = st.sampled_from(["i1", "i2", "trakt"])
play_ids = st.sampled_from(["s1", "s2", "s1~2", "trakt:1"])
SEASONS = Details(kind="series", title="A series", seasons=(Season(season=1, episodes=(1, 2)),))


def maybe(*values: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from([msgspec.UNSET, *values])


changes = st.builds(
    ItemChange,
    in_watchlist=maybe(True, False),
    status=maybe(None, "want-to-watch", "watching", "finished"),
    reaction=maybe(None, "loved"),
    progress=maybe(0.0, 50.0),
    details=maybe(None, SEASONS),
)


def told(**more: Any) -> dict[str, Any]:
    return {
        "uid": st.just(ANA),
        "work": st.just(WORK),
        "position": st.sampled_from([0.0, 50.0, 95.0]),
        "at": times,
        "own": st.one_of(st.none(), times),
        "duration": st.sampled_from([None, 100.0]),
        "episode": episodes,
        "player": st.sampled_from(["", "aaaa"]),
        "session": st.sampled_from(["", "s1", "s2"]),
        "watched": st.sampled_from([None, 0.0, 60.0]),
        **more,
    }


facts: st.SearchStrategy[TitleEvent] = st.one_of(
    st.builds(Started, **told()),
    st.builds(Stopped, **told()),
    st.builds(Progressed, **told()),
    st.builds(Completed, **told(next=episodes, play=st.one_of(st.just(""), play_ids), told_at=st.none())),
    st.builds(
        Marked,
        uid=st.just(ANA),
        work=st.just(WORK),
        watched=st.booleans(),
        slots=st.lists(slots, min_size=1, max_size=3, unique=True).map(tuple),
        at=times,
        told_at=times,
        op=st.sampled_from("abc"),
        watched_at=st.one_of(st.none(), times),
    ),
    st.builds(
        ItemChanged, uid=st.just(ANA), work=st.just(WORK), change=changes, at=times, told_at=times, op=st.just("a")
    ),
    st.builds(
        PlaysRemoved,
        uid=st.just(ANA),
        work=st.just(WORK),
        plays=st.lists(play_ids, max_size=2).map(tuple),
        at=times,
    ),
    st.builds(
        TakenIn,
        uid=st.just(ANA),
        work=st.just(WORK),
        source=sources,
        format=st.just("trakt"),
        at=times,
        told_at=times,
        plays=st.lists(
            st.builds(TakenPlay, slot=slots, id=play_ids, watched_at=st.one_of(st.none(), times)), max_size=3
        ).map(tuple),
        change=changes,
        resume=st.one_of(
            st.none(), st.builds(TakenPosition, slot=slots, position=st.sampled_from([0.0, 40.0]), at=times)
        ),
        cleared=st.booleans(),
    ),
)


def fold(events: Sequence[TitleEvent]) -> Title:
    return rules.fold(events)


@given(st.lists(facts, max_size=12), st.randoms(use_true_random=False))
def test_the_order_of_events_does_not_matter(events: list[TitleEvent], rng: random.Random) -> None:
    shuffled = rng.sample(events, len(events))

    assert fold(shuffled) == fold(events)


@given(st.lists(facts, max_size=200), st.randoms(use_true_random=False))
@settings(max_examples=20, deadline=None)
def test_nor_where_only_the_newest_is_remembered(events: list[TitleEvent], rng: random.Random) -> None:
    with pytest.MonkeyPatch.context() as patch:
        for limit in ("POINTS", "MARKS", "OPERATIONS"):
            patch.setattr(f"library.title.state.{limit}", 2)
        assert fold(rng.sample(events, len(events))) == fold(events)


@given(st.lists(facts, max_size=12))
def test_an_event_that_comes_again_changes_nothing(events: list[TitleEvent]) -> None:
    state = fold(events)

    assert all(evolve(state, event) is state for event in events)


titles = st.lists(facts, max_size=8).map(fold)


@given(titles, titles, titles)
def test_titles_merge_in_any_order(a: Title, b: Title, c: Title) -> None:
    assert merge(a, b) == merge(b, a)
    assert merge(merge(a, b), c) == merge(a, merge(b, c))
    assert merge(a, a) is a
    assert merge(a, Title()) == a == merge(Title(), a)


@given(st.lists(facts, max_size=8), st.lists(facts, max_size=8))
def test_a_merge_knows_what_both_know(a: list[TitleEvent], b: list[TitleEvent]) -> None:
    assert merge(fold(a), fold(b)) == fold([*a, *b])


@given(titles)
def test_a_title_comes_back_from_its_snapshot(title: Title) -> None:
    kept = msgspec.json.encode(title)

    assert msgspec.convert(msgspec.json.decode(kept), Title) == title
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(title), type=Title) == title


@given(titles, st.frozensets(sources), st.one_of(st.none(), times))
def test_whatever_is_known_can_be_shown(title: Title, undone: frozenset[str], cleared: datetime | None) -> None:
    found = summary(title, undone, cleared)

    assert {play.slot for play in found.plays} <= {slot.slot for slot in found.slots}
    assert len({(play.slot, play.play) for play in found.plays}) == len(found.plays)
    assert (found.updated_at is None) or found.slots or msgspec.structs.asdict(title.choices)
    for slot in found.slots:
        speaks = [why for why in reasons(title, undone, cleared) if why.slot == slot.slot and why.counts]
        positive = [why for why in speaks if why.what in ("played", "marked", "imported")]
        assert slot.watched == bool(positive)


@given(st.lists(facts, max_size=10), st.one_of(st.none(), times))
def test_an_undone_import_leaves_what_was_before(events: list[TitleEvent], cleared: datetime | None) -> None:
    before = [event for event in events if not (isinstance(event, TakenIn) and event.source == "i1")]

    assert summary(fold(events), frozenset({"i1"}), cleared) == summary(fold(before), frozenset(), cleared)


@given(st.lists(st.one_of(*(st.from_type(event) for event in EVENTS[:8]))))
@settings(max_examples=50, deadline=None)
def test_no_history_is_too_odd_to_be_remembered(history: list[TitleEvent]) -> None:
    fold(history)


# Three devices that are offline now and then. Each tells what happened in its own order, and some of it twice.


class Told(NamedTuple):
    """Something that a device did, and tells later."""

    at: int
    """Seconds since the beginning."""
    command: TitleCommand


@st.composite
def stories(draw: st.DrawFn, device: str) -> list[Told]:
    """What one device did, in its order."""
    story: list[Told] = []
    at = draw(st.integers(0, 50))
    for n in range(draw(st.integers(0, 7))):
        at += draw(st.integers(1, 60))
        op = f"{device}{n}"
        when = after(at)
        episode = draw(episodes)
        kind = draw(st.sampled_from(["report", "report", "report", "mark", "set"]))
        command: TitleCommand
        if kind == "report":
            command = Report(
                work=WORK,
                episode=episode,
                position=draw(st.sampled_from([0.0, 30.0, 60.0, 95.0])),
                duration=draw(st.sampled_from([100.0, 100.0, None])),
                next=draw(st.sampled_from([None, Episode(season=1, episode=2)])),
                state=draw(st.sampled_from(["playing", "playing", "stopped"])),
                session=draw(st.sampled_from([None, f"{device} 1", f"{device} 2"])),
                device=device,
                at=when,
            )
        elif kind == "mark":
            batch = Season(season=1, episodes=draw(st.sampled_from([(1,), (2,), (1, 2)])))
            command = Mark(work=WORK, seasons=(batch,), watched=draw(st.booleans()), op=op, at=when, device=device)
        else:
            command = SetItem(
                work=WORK,
                in_watchlist=draw(st.booleans()),
                reaction=draw(maybe(None, "loved", "mixed")),
                hidden=draw(maybe(True, False)),
                details=draw(maybe(SEASONS)),
                op=op,
                at=when,
                device=device,
            )
        story.append(Told(at, command))
    return story


def imports() -> st.SearchStrategy[list[Told]]:
    """What two imports brought."""
    return st.lists(
        st.builds(
            lambda source, at, plays: Told(
                at,
                TakeIn(
                    uid=ANA,
                    work=WORK,
                    source=source,
                    format="trakt",
                    at=after(at),
                    plays=plays,
                    change=ItemChange(favourite=True),
                ),
            ),
            source=st.sampled_from(["i1", "i2"]),
            at=st.integers(0, 300),
            plays=st.lists(
                st.builds(TakenPlay, slot=slots, id=st.sampled_from(["t1", "t2"]), watched_at=times), max_size=2
            ).map(tuple),
        ),
        max_size=2,
        unique_by=lambda told: told.command.source,  # type: ignore[union-attr]
    )


class Library:
    """The rules over a log and the heartbeats beside it, as one service keeps them."""

    def __init__(self) -> None:
        self.title = Title()
        self.beats: dict[str, Progressed] = {}
        self.clock = 1_000

    def hear(self, command: TitleCommand) -> list[TitleEvent]:
        self.clock += 1
        context = Context(actor=ANA, now=after(self.clock), command_id=f"c{self.clock}")
        events = rules.decide(command, self.title, context)
        self.title = rules.fold([event for event in events if not event.telemetry], self.title)
        for event in events:
            if isinstance(event, Progressed):
                kept = self.beats.get(event.slot())
                if kept is None or event.recency() >= kept.recency():
                    self.beats[event.slot()] = event
        return events

    def shown(self, undone: frozenset[str]) -> Summary:
        return summary(rules.fold(self.beats.values(), self.title), undone, None)


def essence(found: Summary) -> Any:
    """What all devices must agree on."""
    slots = [(one.slot, one.position, one.duration, one.watched, one.going, one.player) for one in found.slots]
    chosen = (found.in_watchlist, found.reaction, found.favourite, found.hidden, found.details)
    return slots, chosen, found.status, found.progress, found.watched_episodes, found.continues


@given(
    st.tuples(stories("tv"), stories("phone"), stories("web"), imports()),
    st.randoms(use_true_random=False),
    st.frozensets(st.sampled_from(["i1", "i2"])),
)
@settings(max_examples=100, deadline=None)
def test_three_devices_end_in_the_same_library(
    told: tuple[list[Told], ...], rng: random.Random, undone: frozenset[str]
) -> None:
    at_once, late = Library(), Library()
    for one in sorted((one for story in told for one in story), key=lambda one: one.at):
        at_once.hear(one.command)
    for command in _interleaved(told, rng):
        late.hear(command)

    assert essence(late.shown(undone)) == essence(at_once.shown(undone))
    known = late.title
    for story in told:
        for one in story:
            late.hear(one.command)
    assert late.title == known, "a week later, everything once more"


def _interleaved(told: Sequence[list[Told]], rng: random.Random) -> list[TitleCommand]:
    """Each device's own order is kept; now and then it misses an answer and tells something again."""
    waiting = [list(story) for story in told if story]
    sent: list[TitleCommand] = []
    while waiting:
        story = rng.choice(waiting)
        sent.append(story.pop(0).command)
        if rng.random() < 0.3:
            sent.append(rng.choice(sent))
        waiting = [story for story in waiting if story]
    return sent


# Very large titles.


def test_of_countless_plays_the_newest_stay_whichever_came_first() -> None:
    many = [
        Completed(uid=ANA, work=WORK, position=95.0, duration=100.0, at=after(n), session=f"s{n}", play=f"s{n}")
        for n in range(PLAYS + 20)
    ]
    shuffled = random.Random(1).sample(many, len(many))

    state = rules.fold(many)
    assert set(state.slots["film"].plays) == {f"s{n}" for n in range(20, PLAYS + 20)}
    assert rules.fold(shuffled).slots["film"].plays == state.slots["film"].plays
    assert rules.fold(many, state).slots is state.slots


def test_two_thousand_marked_episodes_stay_small() -> None:
    state = Title()
    for n in range(2_000):
        command = Mark(work=WORK, seasons=(Season(season=n // 25, episodes=(n % 25,)),), device="television")
        context = Context(actor=ANA, now=after(n), command_id=f"{n:026}")
        state = rules.fold(rules.decide(command, state, context), state)

    assert summary(state, frozenset(), None).watched_episodes == 2_000
    assert len(msgspec.json.encode(state)) < LARGEST


def test_a_batch_of_five_hundred_episodes_is_one_event() -> None:
    seasons = tuple(Season(season=n, episodes=tuple(range(1, 51))) for n in range(1, 11))
    (event,) = rules.decide(Mark(work=WORK, seasons=seasons), Title(), Context(actor=ANA, now=NOW, command_id="c"))

    state = fold([event])
    assert isinstance(event, Marked)
    assert len(event.slots) == 500
    assert summary(state, frozenset(), None).watched_episodes == 500
