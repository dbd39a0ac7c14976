"""Who is present on one channel, without I/O: people here, people at other gateways, and what followers were told."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec
from msgspec import Raw, Struct

from events.messages import Rejected
from gateway import limits
from gateway.protocol import Presence, PresenceCount, encode


class Person(Struct, frozen=True, array_like=True):
    """One person's presence: since when (server time) and what they say of themselves."""

    at: float
    meta: Raw


class Page(Struct, frozen=True, omit_defaults=True):
    """One gateway's part of a channel's roster, as it lies in the bucket."""

    people: dict[str, Person] = {}
    count: int = 0
    """Of the people, when they are only counted."""


class Change(NamedTuple):
    """What followers have to be told."""

    joined: dict[str, Raw]
    updated: dict[str, Raw]
    left: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.joined or self.updated or self.left)


class Roster:
    """One person is one key, however many tabs they have open; the newest meta is shown.

    On a channel that only counts, somebody at two gateways counts twice.
    """

    __slots__ = ("_here", "_present", "_shown", "_shown_count", "_size", "_there", "changed_here", "counted", "name")

    def __init__(self, name: str, counted: bool) -> None:
        self.name = name
        self.counted = counted
        self.changed_here = False
        """The page of this gateway has to be put again."""
        self._here: dict[str, dict[object, Person]] = {}
        self._size = 0
        self._there: dict[str, Page] = {}
        self._shown: dict[str, Raw] = {}
        self._shown_count = 0
        self._present: Raw | None = None
        """What is shown, as it is sent; None when that has changed."""

    @property
    def empty_here(self) -> bool:
        return not self._here

    @property
    def gateways(self) -> frozenset[str]:
        """The other gateways that have a page."""
        return frozenset(self._there)

    def track(self, uid: str, owner: object, person: Person) -> None:
        """*owner*, one of the person's sockets, is present. Raise `presence-full`."""
        tabs = self._here.get(uid)
        old = tabs.get(owner) if tabs is not None else None
        size = self._size + _size(person) - (_size(old) if old is not None else 0)
        if not self.counted:
            too_many = tabs is None and len(self._here) >= limits.ROSTER_PEOPLE
            if too_many or size > limits.ROSTER_BYTES:
                raise Rejected("presence-full", limit=limits.ROSTER_PEOPLE)
        self._here.setdefault(uid, {})[owner] = person
        self._size = size
        self.changed_here = True

    def untrack(self, uid: str, owner: object) -> None:
        tabs = self._here.get(uid)
        if tabs is None or owner not in tabs:
            return
        self._size -= _size(tabs.pop(owner))
        if not tabs:
            del self._here[uid]
        self.changed_here = True

    def page(self) -> Page:
        """This gateway's part."""
        if self.counted:
            return Page(count=len(self._here))
        return Page({uid: _newest(tabs.values()) for uid, tabs in self._here.items()})

    def hear(self, gateway: str, page: Page) -> None:
        """Another gateway's part is this now. Once one of them only counts, a list would be incomplete."""
        if page.count:
            self.count()
        if page.people or page.count:
            self._there[gateway] = page
        else:
            self._there.pop(gateway, None)

    def count(self) -> bool:
        """From now on people are only counted; a crowd that shrinks again is listed once nobody here follows.

        False if they were already.
        """
        if self.counted:
            return False
        self.counted = True
        self.changed_here = self.changed_here or bool(self._here)
        self._shown.clear()
        self._present = None
        self._shown_count = -1  # whatever it is now, followers have not been told
        return True

    def drop(self, gateway: str) -> bool:
        """The gateway is gone, and everybody with it."""
        return self._there.pop(gateway, None) is not None

    def present(self) -> Raw:
        """What followers have been told up to now; pushes go on from here. Encoded once for all who come meanwhile."""
        if self._present is None:
            shown: Mapping[str, object] = {"count": max(0, self._shown_count)} if self.counted else self._shown
            self._present = Raw(msgspec.json.encode(shown))
        return self._present

    def push(self) -> bytes:
        """The frame that tells followers what is new; empty if nothing is."""
        self._present = None
        if self.counted:
            count = len(self._here) + sum(page.count or len(page.people) for page in self._there.values())
            if count == self._shown_count:
                return b""
            self._shown_count = count
            return encode(PresenceCount(channel=self.name, count=count))
        change = self._difference()
        if not change:
            return b""
        return encode(Presence(channel=self.name, joined=change.joined, updated=change.updated, left=change.left))

    def _difference(self) -> Change:
        now = self._merged()
        before, self._shown = self._shown, now
        return Change(
            joined={uid: meta for uid, meta in now.items() if uid not in before},
            updated={uid: meta for uid, meta in now.items() if uid in before and bytes(before[uid]) != bytes(meta)},
            left=tuple(uid for uid in before if uid not in now),
        )

    def _merged(self) -> dict[str, Raw]:
        newest = {uid: _newest(tabs.values()) for uid, tabs in self._here.items()}
        for page in self._there.values():
            for uid, person in page.people.items():
                if uid not in newest or person.at > newest[uid].at:
                    newest[uid] = person
        return {uid: person.meta for uid, person in newest.items()}


def _newest(people: Iterable[Person]) -> Person:
    return max(people, key=lambda person: person.at)


def _size(person: Person) -> int:
    return memoryview(person.meta).nbytes + 48
