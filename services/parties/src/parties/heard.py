"""What a replica has heard about one party, and whom it therefore takes to be there; every time is passed in."""

import math
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from events.ambient import Told
from events.contracts.party import MEMBERS, SyncReport

GONE_SECONDS = 10.0
"""Who has reported and then does not for so long is gone."""
LISTED_SECONDS = 15.0
"""What a gateway said of its followers holds for so long; it repeats it every 5 s."""
FRESH_SECONDS = 0.5
REMEMBERED = 4 * MEMBERS
"""People whose last sight is remembered, per party; those not seen for longest go first."""

LEAST_LEAD = 0.1
MOST_LEAD = 2.0
ROUND_TRIPS = 1.5
SPARE_SECONDS = 0.05


class Heard(NamedTuple):
    """Somebody's newest report."""

    report: SyncReport
    at: float
    """When it came here, by this replica's clock."""
    order: tuple[float, str]
    """When it left its gateway, by the gateways' clock, and which one: of two reports the later one is newer."""

    @property
    def said_at(self) -> float:
        """Server time, in unix seconds, at which the player was there, as its client knows it."""
        return self.report.at / 1000


class Listing(NamedTuple):
    """Who follows at one gateway."""

    people: frozenset[str]
    at: float
    order: float


class Audience:
    """Who is at a party, as far as was heard."""

    __slots__ = ("_known", "_known_at", "_listings", "_seen", "heard_at", "party_id", "reports", "since")

    def __init__(self, party_id: str, now: float) -> None:
        self.party_id = party_id
        self.since = now
        """Since when there has been something to hear without a long silence."""
        self.heard_at = now
        self.reports: dict[str, Heard] = {}
        """The newest of each person."""
        self._listings: dict[str, Listing] = {}
        self._seen: dict[str, float] = {}
        self._known: Mapping[str, Any] = {}
        self._known_at = -math.inf

    def hear(self, gateway: str, at: float, told: Told[SyncReport], now: float) -> None:
        """What *gateway* said at *at*, by its clock. Batches may come twice or in any order."""
        if now - self.heard_at > LISTED_SECONDS:
            self.since = now
        self.heard_at = now
        self._known_at = -math.inf
        for uid, report in told.reports.items():
            heard = self.reports.get(uid)
            if heard is None or heard.order < (at, gateway):
                self.reports[uid] = Heard(report, now, (at, gateway))
                self._see((uid,), now)
        if told.seen is not None:
            self._see((uid for uid in told.seen if uid not in self.reports), now)
            listing = self._listings.get(gateway)
            if listing is None or listing.order < at:
                self._listings[gateway] = Listing(frozenset(told.seen), now, at)

    def known(self, now: float) -> Mapping[str, Any]:
        """What a decision gets to know: how far ahead controls are to be scheduled, and who is there."""
        if not 0 <= now - self._known_at < FRESH_SECONDS:
            self._known, self._known_at = {"lead": self._lead(now), "present": self._present(now)}, now
        return self._known

    def present(self, now: float) -> frozenset[str]:
        present: frozenset[str] = self.known(now)["present"]
        return present

    def last_seen(self, uid: str) -> float:
        """When somebody was last seen; if never, since when that could have been."""
        return max(self._seen.get(uid, self.since), self.since)

    def gone(self, uid: str, now: float) -> bool:
        """Whether somebody is not there and has not been for a while, in which they would have been seen."""
        return uid not in self.present(now) and now - self.last_seen(uid) > GONE_SECONDS

    def forget(self, now: float) -> None:
        """Let go of what no longer counts."""
        for gateway in [gateway for gateway, listing in self._listings.items() if now - listing.at > LISTED_SECONDS]:
            del self._listings[gateway]
        listed = frozenset[str]().union(*(listing.people for listing in self._listings.values()))
        # Who is still listed is remembered to have reported: a silent player is gone, a client that has none is not.
        for uid in [uid for uid, heard in self.reports.items() if now - heard.at > LISTED_SECONDS]:
            if uid not in listed:
                del self.reports[uid]

    def _see(self, uids: Iterable[str], now: float) -> None:
        for uid in uids:
            self._seen.pop(uid, None)
            self._seen[uid] = now
        while len(self._seen) > REMEMBERED:
            del self._seen[next(iter(self._seen))]

    def _present(self, now: float) -> frozenset[str]:
        live = [listing.people for listing in self._listings.values() if now - listing.at <= LISTED_SECONDS]
        listed = (uid for people in live for uid in people if uid not in self.reports)
        return frozenset((*(uid for uid, _ in self._reporting(now)), *listed))

    def _lead(self, now: float) -> float:
        """Long enough for what is said to reach nearly everybody in time; nothing as long as nobody reports."""
        trips = [heard.report.rtt for _, heard in self._reporting(now)]
        if not trips:
            return 0.0
        wanted = ROUND_TRIPS * percentile(trips, 0.95) / 2 + SPARE_SECONDS
        return round(min(max(LEAST_LEAD, wanted), MOST_LEAD), 3)

    def _reporting(self, now: float) -> list[tuple[str, Heard]]:
        return [(uid, heard) for uid, heard in self.reports.items() if now - heard.at <= GONE_SECONDS]


def percentile(values: Iterable[float], share: float) -> float:
    """The least of *values* that so large a share does not exceed."""
    ordered = sorted(values)
    return ordered[math.ceil(share * len(ordered)) - 1]
