"""Any interleaving of what three devices and some imports tell ends in the same library."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test
from msgspec import UNSET
from tests.unit.library.devices import (
    ADDONS,
    DEVICES,
    FILM,
    IMPORTS,
    LISTED,
    LISTS,
    ORDERS,
    QUEUES,
    SERIES,
    SHOW,
    WATCHABLE,
    Household,
    Server,
    addon_id,
)

from events.contracts.library import Episode, ItemChange

ANA = "ana"

devices = st.sampled_from(DEVICES)
titles = st.sampled_from(sorted({work for work, _ in WATCHABLE}))
watchable = st.sampled_from(WATCHABLE)
lists = st.sampled_from(LISTS)
listed = st.sampled_from(LISTED)
orders = st.sampled_from(ORDERS)
addons = st.sampled_from(ADDONS[:-1])
some = st.integers(0, 3)
changes = st.builds(
    ItemChange,
    in_watchlist=st.sampled_from((UNSET, True, False)),
    status=st.sampled_from((UNSET, None, "want-to-watch", "watching", "finished")),
    reaction=st.sampled_from((UNSET, None, "loved")),
    hidden=st.sampled_from((UNSET, True, False)),
    details=st.sampled_from((UNSET, SHOW)),
)
WAYS = ((0.0,), (0.0, 50.0), (30.0, 95.0), (60.0, 95.0, 30.0), (0.0, 40.0, 97.0))


class Devices(RuleBasedStateMachine):
    """Two servers that hear the same, each in another order, and some of it twice."""

    def __init__(self) -> None:
        super().__init__()
        self.home = Household(ANA, {name: addon_id(ANA, name) for name in ADDONS})
        self.servers = (Server(ANA), Server(ANA))
        self.heard = [dict.fromkeys(QUEUES, 0) for _ in self.servers]
        for server in self.servers:
            for step in self.home.beginning():
                server.hear(step)

    @rule(
        device=devices,
        what=watchable,
        positions=st.sampled_from(WAYS),
        state=st.sampled_from(("playing", "stopped")),
        session=st.sampled_from((None, 1, 2)),
    )
    def watch(
        self, device: str, what: tuple[str, Episode | None], positions: tuple[float, ...], state: str, session: int
    ) -> None:
        self.home.watch(device, what, positions, state, session)

    @rule(device=devices, work=titles, episodes=st.sampled_from(((1,), (2,), (1, 2))), watched=st.booleans())
    def mark(self, device: str, work: str, episodes: tuple[int, ...], watched: bool) -> None:
        self.home.mark(device, work, episodes, watched)

    @rule(device=devices, work=titles, change=changes)
    def choose(self, device: str, work: str, change: ItemChange) -> None:
        self.home.choose(device, work, change)

    @rule(device=devices, nth=some)
    def remove_play(self, device: str, nth: int) -> None:
        self.home.remove_play(device, nth)

    @rule(device=devices)
    def clear(self, device: str) -> None:
        self.home.clear(device)

    @rule(device=devices, list_id=lists, work=listed, order=orders, doing=st.sampled_from(("put", "move", "off")))
    def arrange(self, device: str, list_id: str, work: str, order: str, doing: str) -> None:
        if doing == "off":
            self.home.take_off(device, list_id, work)
        elif doing == "put":
            self.home.put(device, list_id, work, order)
        else:
            self.home.move(device, list_id, work, order)

    @rule(device=devices, list_id=lists, order=st.none() | orders)
    def change_list(self, device: str, list_id: str, order: str | None) -> None:
        if order is None:
            self.home.rename(device, list_id)
        else:
            self.home.move_list(device, list_id, order)

    @rule(device=devices, name=addons, order=st.none() | orders | st.booleans())
    def change_addon(self, device: str, name: str, order: str | bool | None) -> None:
        if order is None:
            self.home.install(device, name)
        elif isinstance(order, bool):
            self.home.flag_addon(device, name, order)
        else:
            self.home.move_addon(device, name, order)

    @rule(what=watchable, replacing=st.booleans(), change=changes)
    def take_in(self, what: tuple[str, Episode | None], replacing: bool, change: ItemChange) -> None:
        self.home.take_in(what, replacing, change)

    @rule(nth=some)
    def undo(self, nth: int) -> None:
        self.home.undo(nth)

    @rule(at=st.integers(0, 1), queue=st.sampled_from(QUEUES), count=st.integers(1, 6), again=some)
    def tell(self, at: int, queue: str, count: int, again: int) -> None:
        """A device is back for a moment, and is not sure whether the last it told before had arrived. Imports are, but
        for the step at which they broke off."""
        start = self.heard[at][queue]
        since = start if queue == IMPORTS else max(0, start - again)
        for step in self.home.queues[queue][since : start + count]:
            for _ in range(2 if queue == IMPORTS and again else 1):
                self.servers[at].hear(step)
        self.heard[at][queue] = min(start + count, len(self.home.queues[queue]))

    def teardown(self) -> None:
        for at, queues in enumerate((QUEUES, QUEUES[::-1])):
            for queue in queues:
                self.tell(at, queue, len(self.home.queues[queue]), 0)
        one, other = self.servers
        view = one.view()
        assert view == other.view()
        for device in DEVICES:
            for step in self.home.queues[device]:
                other.hear(step)
        assert other.view() == view, "everything once more"


def test_three_devices_and_imports_end_in_the_same_library() -> None:
    run_state_machine_as_test(Devices, settings=settings(max_examples=30, stateful_step_count=25, deadline=None))


def test_what_is_told_here_shows() -> None:
    """Lest two libraries be the same because nothing ever gets into them."""
    home, server = Household(ANA, {name: addon_id(ANA, name) for name in ADDONS}), Server(ANA)
    home.watch("tv", (FILM, None), (30.0, 95.0), "stopped", 1)
    home.watch("phone", WATCHABLE[-1], (0.0, 50.0), "playing", None)
    home.take_in(WATCHABLE[1], False, ItemChange(hidden=True))
    for step in (*home.beginning(), *(step for queue in QUEUES for step in home.queues[queue])):
        server.hear(step)

    view = server.view()
    assert view[FILM].status == "finished"
    assert [(one.slot, one.watched, one.going) for one in view[SERIES].slots] == [
        ("1-1", True, True),
        ("1-2", False, True),
    ]
    assert view[SERIES].hidden
    assert len(view["l1"][1]) == 5
    assert len(view["addons"]) == 5

    home.remove_play("tv", 0)
    home.undo(0)
    for queue in ("tv", "imports"):
        server.hear(home.queues[queue][-1])
    view = server.view()
    assert not view[FILM].plays
    assert [one.slot for one in view[SERIES].slots if one.watched] == []
    assert (len(view["l1"][1]), len(view["addons"])) == (4, 4)
