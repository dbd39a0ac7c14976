"""What people may do on a channel besides following it: be present there, and speak to everybody."""

import asyncio
from collections import OrderedDict
from collections.abc import Collection
from typing import NamedTuple

import msgspec
from msgspec import Raw

from events.bus import Bus
from events.messages import SENDER, Grant, Position, Rejected
from gateway import frames, limits, metrics
from gateway.calls import PASSING, Calls
from gateway.catalogue import Catalogue
from gateway.channels import Channels
from gateway.identity import Identity
from gateway.line import Member
from gateway.notices import Notices
from gateway.presence import Presences
from gateway.protocol import Message
from gateway.tasks import Tasks

RIGHTS = 10_000
SHORTEST_PAUSE = 0.1
LONGEST_PAUSE = 1.0
NO_SOCKET = 0
"""Sockets are counted from 1."""

_encoder = msgspec.json.Encoder()


def allows(may: Collection[str], wish: str) -> bool:
    """Whether somebody may; who may only whisper sends as others do, and nobody hears it."""
    return wish in may or (wish == "send" and "whisper" in may)


class Right(NamedTuple):
    """What somebody may do on a channel, for a moment."""

    may: tuple[str, ...]
    counted: bool
    until: float


class Present(NamedTuple):
    """One socket's presence; whoever is present anew is another one, with a right of its own."""

    who: Identity


class Rights:
    """Presence and broadcast on all channels of this gateway, each in somebody's own right."""

    def __init__(self, bus: Bus, calls: Calls, catalogue: Catalogue, presences: Presences, channels: Channels) -> None:
        self._bus = bus
        self._calls = calls
        self._catalogue = catalogue
        self._presences = presences
        self._channels = channels
        self._rights: OrderedDict[tuple[str, str], Right] = OrderedDict()
        self._present: dict[str, dict[int, Present]] = {}
        self._doubted: set[tuple[str, str]] = set()
        self._tasks = Tasks()
        channels.on_less = self._on_less

    def listen(self, notices: Notices) -> None:
        """Who is present without following is asked for when the channel changes: its events do not come here."""
        notices.on_touched(self._on_touched)
        notices.on_broken(self._on_broken)

    async def track(self, who: Identity, number: int, name: str, meta: Raw, after: str | None = None) -> None:
        """Socket *number* of *who* is present on the channel."""
        kind, channel_id = self._catalogue.channel(name)
        right = await self._right(who, name, number, "track", after)
        self._presences.track(name, kind.key(channel_id), right.counted, who.uid, number, meta)
        self._present.setdefault(name, {})[number] = Present(who)

    def untrack(self, who: Identity, number: int, name: str) -> None:
        self._presences.untrack(name, who.uid, number)
        present = self._present.get(name)
        if present is not None:
            present.pop(number, None)
            if not present:
                del self._present[name]

    async def send(
        self,
        who: Identity,
        number: int,
        name: str,
        event: str,
        data: Raw,
        to_self: bool,
        after: str | None = None,
    ) -> None:
        """Tell everybody on the channel; nothing is stored. Encoded here, once, for all gateways."""
        kind, channel_id = self._catalogue.channel(name)
        right = await self._right(who, name, number, "send", after)
        metrics.broadcasts.inc()
        message = _encoder.encode(Message(channel=name, event=event, sender=who.uid, data=data))
        if "send" not in right.may:
            self._whisper(who, name, message, None if to_self else number)
            return
        headers = None if to_self else {SENDER: self._channels.sender(number)}
        await self._bus.publish(f"cast.{kind.key(channel_id)}", message, headers)

    def _whisper(self, who: Identity, name: str, message: bytes, without: int | None) -> None:
        """Let whom nobody hears believe that they are heard: by their own sockets here, but the one that is not to."""
        frame = frames.text(message)
        for number, member in self._channels.members(name).items():
            if member.who.uid == who.uid and member.may and number != without:
                member.write(frame)

    async def _right(self, who: Identity, name: str, number: int, wish: str, after: str | None) -> Right:
        """From the grant of following, else from one asked for and remembered a moment; a no is asked anew."""
        member = self._channels.members(name).get(number)
        if member is None or not allows(member.may, wish):
            right = await self._asked_right(who, name, wish, after)
            if member is not None and member.may:
                member.may = right.may
        else:
            right = Right(member.may, self._presences.counted(name), 0.0)
            self._renew_right(member, limits.RIGHT_SECONDS)
        if not allows(right.may, wish):
            raise Rejected("not-allowed", channel=name)
        return right

    def _renew_right(self, member: Member, seconds: float) -> None:
        """Ask again in the background once the grant is so old: nobody waits, and a lost right is lost soon."""
        now = asyncio.get_running_loop().time()
        if now - member.asked > seconds:
            member.asked = now
            self._tasks.spawn(self._ask_right_again(member))

    async def _ask_right_again(self, member: Member) -> None:
        try:
            member.may = (await self._grant(member.who, member.channel, None)).may
        except Rejected as error:
            if error.code not in PASSING:
                member.may = ("follow",)

    async def _asked_right(self, who: Identity, name: str, wish: str, after: str | None) -> Right:
        now = asyncio.get_running_loop().time()
        right = self._rights.get((who.uid, name))
        if right is None or right.until < now or not allows(right.may, wish):
            grant = await self._grant(who, name, after)
            right = Right(grant.may, grant.presence == "count", now + limits.RIGHT_SECONDS)
            self._rights[who.uid, name] = right
            self._rights.move_to_end((who.uid, name))
            if len(self._rights) > RIGHTS:
                self._rights.popitem(last=False)
        return right

    async def _grant(self, who: Identity, name: str, after: str | None) -> Grant:
        kind, channel_id = self._catalogue.channel(name)
        metrics.grants.labels(kind.kind, "right").inc()
        grant = await self._calls.grant(who, kind, channel_id, None, after)
        if grant.presence == "count":
            self._presences.count(name)
        return grant

    def known(self, number: int, name: str, wish: str) -> bool:
        """Whether socket *number* follows the channel and was granted this with it, so that nobody has to be asked.

        For what everybody does every few seconds and nobody else sees: a right that ends is seen on the channel itself,
        and asked about only now and then.
        """
        member = self._channels.members(name).get(number)
        if member is None or wish not in member.may:
            return False
        self._renew_right(member, limits.REPORT_RIGHT_SECONDS)
        return True

    async def check(self, who: Identity, number: int, name: str, wish: str, after: str | None = None) -> None:
        """Raise `Rejected` unless *who* may; *number* is `NO_SOCKET` for who has none."""
        await self._right(who, name, number, wish, after)

    # Presence does not outlive the right to it.

    def _on_less(self, name: str, uid: str | None, position: str | None) -> None:
        for member in self._channels.members(name).values():
            if uid in (None, member.who.uid) and member.may:
                member.may = ("follow",)  # anything else is asked for anew
        people = {present.who.uid: present.who for present in self._present.get(name, {}).values()}
        for who in people.values() if uid is None else [people[uid]] if uid in people else []:
            self._tasks.spawn(self._reassure(who, name, position))
        if uid is not None:
            self._rights.pop((uid, name), None)

    def _on_touched(self, context: str, topics: tuple[str, ...], start: int, position: Position) -> None:
        for topic in topics:
            if topic in self._present:
                self._doubt(topic)
            for doubt in self._catalogue.doubts(topic):
                for name in self._present:
                    if name == f"{doubt.kind}:{doubt.id}" or (doubt.id is None and name.startswith(f"{doubt.kind}:")):
                        self._doubt(name, doubt.uid)

    def _on_broken(self, context: str, restored: bool) -> None:
        for name in self._present:
            kind, _ = self._catalogue.channel(name)
            if kind.context == context or kind.doubted_after(context):
                self._doubt(name)

    def _doubt(self, name: str, uid: str | None = None) -> None:
        members = self._channels.members(name)
        for number, present in self._present[name].items():
            if uid not in (None, present.who.uid):
                continue
            doubt = present.who.uid, name
            if number not in members and doubt not in self._doubted:
                self._doubted.add(doubt)
                asyncio.get_running_loop().call_later(limits.RIGHT_SECONDS, self._ask_in_doubt, present.who, name)

    def _ask_in_doubt(self, who: Identity, name: str) -> None:
        self._doubted.discard((who.uid, name))
        self._tasks.spawn(self._reassure(who, name, None))

    async def _reassure(self, who: Identity, name: str, after: str | None) -> None:
        """Ask whether *who* may still be present, and take them off the roster if not."""
        pause = SHORTEST_PAUSE
        while asked := self._presences_of(who.uid, name):
            try:
                may = (await self._grant(who, name, after)).may
            except Rejected as error:
                if error.code in PASSING:
                    await asyncio.sleep(pause)
                    pause = min(pause * 2, LONGEST_PAUSE)
                    continue
                may = ()
            if "track" not in may:
                now = self._presences_of(who.uid, name)
                for number in [number for number, present in asked.items() if now.get(number) is present]:
                    self.untrack(who, number, name)
            return

    def _presences_of(self, uid: str, name: str) -> dict[int, Present]:
        return {n: present for n, present in self._present.get(name, {}).items() if present.who.uid == uid}
