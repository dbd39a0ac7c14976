"""Channels: who here follows which, what comes in for them from the bus, and how gaps are mended."""

import asyncio
import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from typing import cast

import structlog

from events.bus import Bus, Msg, Subscription
from events.messages import AT, SENDER, Grant, Position, Rejected
from gateway import frames, limits, metrics
from gateway.calls import PASSING, Calls
from gateway.catalogue import Catalogue, ChannelKind, Doubt, position_text, split_position
from gateway.identity import Identity
from gateway.line import Item, Line, Member
from gateway.notices import Notices
from gateway.presence import Presences
from gateway.protocol import EndedFrame, Followed, encode
from gateway.roster import Roster
from gateway.tasks import Tasks

SEQUENCE = "Nats-Sequence"
PREVIOUS = "Nats-Last-Sequence"
PATIENCE = 1.0
REST_FROM, REST_MOST = 0.0005, 0.05
"""Seconds. What took less than the one needs no rest; no rest is longer than the other."""
ASK_AGAIN = 5

log = structlog.get_logger("channels")

_events = metrics.deliveries.labels("event")
_messages = metrics.deliveries.labels("message")


class Channel:
    """One channel that somebody here follows."""

    def __init__(self, name: str, kind: ChannelKind, channel_id: str, line: Line) -> None:
        self.name = name
        self.kind = kind
        self.id = channel_id
        self.key = kind.key(channel_id)
        self.line = line
        self.epoch = ""
        """Of the log that the line's sequences belong to; unknown before the first grant."""
        self.early: list[Msg] = []
        """Commits that came before the epoch was known."""
        self.members: dict[int, Member] = {}
        """By number of their socket."""
        self.subscribed: asyncio.Task[list[Subscription]] | None = None
        self.roster: asyncio.Task[Roster] | None = None
        self.mending: asyncio.Task[None] | None = None
        self.arrived: list[Item | Msg] = []
        """Commits and casts that are yet to be told."""
        self.rested = 0.0
        """When something may be told again, by the performance counter."""
        self.due = 0.0
        """When what has arrived will be told; meaningless without `telling`."""
        self.telling: asyncio.TimerHandle | None = None


class Channels:
    """All channels of this gateway."""

    def __init__(self, bus: Bus, calls: Calls, catalogue: Catalogue, presences: Presences, gateway: str) -> None:
        self._bus = bus
        self._calls = calls
        self._catalogue = catalogue
        self._presences = presences
        self._prefix = f"{gateway} "
        self._channels: dict[str, Channel] = {}
        self.on_less: Callable[[str, str | None, str | None], None] = _to_nobody
        """(channel, uid or None for everybody, position): somebody may do less there, from that position on if one is
        known."""
        self._tasks = Tasks()
        self._turns = {context: asyncio.Semaphore(limits.GRANTS_AT_ONCE) for context in catalogue.contexts}

    def listen(self, notices: Notices) -> None:
        """Mend whatever may have been missed."""
        notices.on_broken(self._on_broken)
        notices.on_touched(self._on_touched)

    def deliver(self, name: str, frame: bytes) -> None:
        """Write *frame* to everybody here who follows."""
        channel = self._channels.get(name)
        if channel is not None:
            channel.line.tell(frame)

    def followers(self, name: str) -> int:
        """How many here follow, or are about to."""
        channel = self._channels.get(name)
        return len(channel.line) if channel is not None else 0

    def members(self, name: str) -> Mapping[int, Member]:
        """Who follows the channel here, by number of their socket."""
        channel = self._channels.get(name)
        return channel.members if channel is not None else {}

    def audiences(self, kind: str) -> dict[str, frozenset[str]]:
        """Who has been admitted to each channel of a kind here, by the channel's id."""
        return {
            channel.id: people
            for channel in self._channels.values()
            if channel.kind.kind == kind
            and (people := frozenset(member.who.uid for member in channel.members.values() if member.may))
        }

    def sender(self, number: int) -> str:
        """What a broadcast says of the socket that it came from, so that it need not hear itself."""
        return f"{self._prefix}{number}"

    # Following.

    async def follow(self, member: Member, since: str | None, after: str | None = None) -> None:
        """Put the member on its channel; it is told `followed`, with a state that shows *after*, and what it missed.

        Raise `Rejected` if it may not.
        """
        kind, channel_id = self._catalogue.channel(member.channel)
        member.resume = since
        channel = self._open(member.channel, kind, channel_id)
        channel.members[member.owner.number] = member
        channel.line.open(member)
        try:
            assert channel.subscribed is not None
            await asyncio.shield(channel.subscribed)
            await self._admit(channel, member, since, None, "follow", after)
        except BaseException:
            self.leave(member)
            raise

    def leave(self, member: Member) -> None:
        """Take the member off its channel. What arrives later is not for it."""
        channel = self._channels.get(member.channel)
        if channel is None or channel.members.get(member.owner.number) is not member:
            return
        del channel.members[member.owner.number]
        channel.line.remove(member)
        self._close_if_empty(channel)

    def pause(self, member: Member) -> None:
        """Take the member off and remember in `resume` where it was."""
        channel = self._channels.get(member.channel)
        if channel is not None and (reached := channel.line.reached(member)):
            member.resume = position_text(channel.kind.context, channel.epoch, reached)
        self.leave(member)

    def _open(self, name: str, kind: ChannelKind, channel_id: str) -> Channel:
        channel = self._channels.get(name)
        if channel is None:
            channel = self._channels[name] = Channel(name, kind, channel_id, Line(self._on_end))
            channel.subscribed = asyncio.get_running_loop().create_task(self._subscribe(channel))
            metrics.channels.inc()
        return channel

    async def _subscribe(self, channel: Channel) -> list[Subscription]:
        async def on_commit(msg: Msg) -> None:
            self._on_commit(channel, msg)

        async def on_cast(msg: Msg) -> None:
            self._tell_at(channel, msg, 0.0)

        return [
            await self._bus.subscribe(f"live.{channel.kind.context}.{channel.key}", on_commit),
            await self._bus.subscribe(f"cast.{channel.key}", on_cast),
        ]

    def _close_if_empty(self, channel: Channel) -> None:
        if channel.members or self._channels.get(channel.name) is not channel:
            return
        del self._channels[channel.name]
        metrics.channels.dec()
        if channel.mending is not None:
            channel.mending.cancel()
        if channel.telling is not None:
            channel.telling.cancel()
        self._tasks.spawn(self._close(channel))

    async def _close(self, channel: Channel) -> None:
        assert channel.subscribed is not None
        for subscription in await channel.subscribed:
            await self._bus.unsubscribe(subscription)
        if channel.roster is not None:
            await channel.roster
            await self._presences.unfollow(channel.name)

    async def _admit(
        self,
        channel: Channel,
        member: Member,
        since: str | None,
        recovered: bool | None,
        why: str,
        after: str | None = None,
    ) -> None:
        """Ask for the member's own right and let it in. *recovered*, if given, is what it is told of itself."""
        for attempt in range(ASK_AGAIN):
            await asyncio.sleep(attempt * 0.02)
            whole, part = split_position(since) if since is not None else (None, 0)
            grant = await self._grant(channel, member.who, _before(whole) if part else whole, why, after)
            if "follow" not in grant.may:
                raise Rejected("not-allowed", channel=channel.name)
            roster = await self._roster(channel, grant)
            if member not in channel.line:
                return
            self._know_epoch(channel, Position.parse(grant.position).epoch)
            told = self._told(channel, member, grant, since, recovered, roster)
            if channel.line.admit(member, grant.last, told):
                member.may = grant.may
                member.asked = asyncio.get_running_loop().time()
                self._reassure_soon(channel, member)
                self._take_early(channel)
                self._watch_for_silence(channel, grant.last)
                return
        raise Rejected("unavailable", reason="stale grants")

    def _told(
        self, channel: Channel, member: Member, grant: Grant, since: str | None, recovered: bool | None, roster: Roster
    ) -> bytes:
        """What a member is told before anything live: `followed`, then what it missed."""
        complete = grant.recovered if recovered is None else recovered
        whole, part = split_position(since) if since is not None and complete else ("", 0)
        partly = Position.parse(whole).sequence if part else 0
        first = Followed(
            id=member.ref,
            channel=channel.name,
            position=since if since is not None and complete else grant.position,
            recovered=complete,
            state=grant.state,
            state_position=grant.position,
            present=roster.present(),
        )
        missed = (
            channel.kind.item(
                channel.name, channel.epoch, c.sequence, 0, c.at, c.events, part if c.sequence == partly else 0
            ).frames
            for c in grant.commits
        )
        return encode(first) + b"".join(missed)

    async def _grant(
        self, channel: Channel, who: Identity, since: str | None, why: str, after: str | None = None
    ) -> Grant:
        metrics.grants.labels(channel.kind.kind, why).inc()
        grant = await self._calls.grant(who, channel.kind, channel.id, since, after)
        if grant.presence == "count":
            self._presences.count(channel.name)
        return grant

    async def _roster(self, channel: Channel, grant: Grant) -> Roster:
        if channel.roster is None:
            following = self._presences.follow(channel.name, channel.key, grant.presence == "count")
            channel.roster = asyncio.get_running_loop().create_task(following)
        return await asyncio.shield(channel.roster)

    # What comes from the bus.

    def _on_commit(self, channel: Channel, msg: Msg) -> None:
        if not channel.epoch:
            channel.early.append(msg)
            del channel.early[: -limits.COMMITS_HELD]
            return
        item = self._item(channel, msg)
        crowd = limits.CROWD if self._presences.counted(channel.name) else len(channel.line)
        self._tell_at(channel, item, patience_of(crowd) if item.patient else 0.0)

    def _tell_at(self, channel: Channel, what: Item | Msg, wait: float) -> None:
        """Tell it in so many seconds, or sooner with something else; at once if it need not wait and nobody rests."""
        channel.arrived.append(what)
        now = time.perf_counter()
        due = max(channel.rested, now + wait)
        if due <= now:
            self._tell(channel)
        elif channel.telling is None or due < channel.due:
            if channel.telling is not None:
                channel.telling.cancel()
            channel.due = due
            channel.telling = asyncio.get_running_loop().call_later(due - now, self._tell, channel)

    def _tell(self, channel: Channel) -> None:
        """Tell what has arrived, then rest for as long as that took: what arrives meanwhile is told in one piece."""
        begun = time.perf_counter()
        if channel.telling is not None:
            channel.telling.cancel()
        arrived, channel.arrived, channel.telling = channel.arrived, [], None
        for kind, group in itertools.groupby(arrived, key=type):
            if kind is Item:
                self._tell_commits(channel, cast(list[Item], list(group)))
            else:
                self._tell_casts(channel, cast(list[Msg], list(group)))
        ended = time.perf_counter()
        channel.rested = ended + rest_of(ended - begun)

    def _tell_commits(self, channel: Channel, items: Sequence[Item]) -> None:
        members = len(channel.line)
        channel.line.offer(*items)
        _events.inc(members * len(items))
        metrics.sent_bytes.inc(members * sum(len(item.frames) for item in items))
        for item in items:
            self._tell_who_may_less(channel, item)
        if channel.line.gap:
            self._mend_soon(channel)

    def _item(self, channel: Channel, msg: Msg) -> Item:
        headers = msg.headers or {}
        return channel.kind.item(
            channel.name, channel.epoch, int(headers[SEQUENCE]), int(headers.get(PREVIOUS, 0)), headers[AT], msg.data
        )

    def _tell_who_may_less(self, channel: Channel, item: Item) -> None:
        if item.ends or item.leaves:
            position = position_text(channel.kind.context, channel.epoch, item.sequence)
            for uid in {*item.leaves, *(end.uid for end in item.ends)}:
                self.on_less(channel.name, uid, position)

    def _tell_casts(self, channel: Channel, messages: Sequence[Msg]) -> None:
        for sender, group in itertools.groupby(messages, key=_sender):
            said = [frames.text(msg.data) for msg in group]
            but = channel.members.get(int(sender[len(self._prefix) :])) if sender.startswith(self._prefix) else None
            told = channel.line.tell(b"".join(said), but)
            _messages.inc(told * len(said))
            metrics.sent_bytes.inc(told * sum(map(len, said)))

    def _know_epoch(self, channel: Channel, epoch: str) -> None:
        if channel.epoch and channel.epoch != epoch:
            self._restart(channel, epoch)
        channel.epoch = epoch

    def _take_early(self, channel: Channel) -> None:
        early, channel.early = channel.early, []
        if early:
            self._tell_commits(channel, [self._item(channel, msg) for msg in early])

    def _on_end(self, member: Member, reason: str) -> None:
        member.write(encode(EndedFrame(channel=member.channel, reason=reason)))
        self.leave(member)
        member.owner.ended(member)

    # Mending.

    def _on_broken(self, context: str, restored: bool) -> None:
        for channel in list(self._channels.values()):
            if channel.kind.doubted_after(context):
                self._doubt(channel)
            if channel.kind.context == context:
                if restored:
                    self._restart(channel)
                else:
                    self._suspect(channel)

    def _on_touched(self, context: str, topics: tuple[str, ...], start: int, position: Position) -> None:
        """Live messages may be lost, and notices say so: a topic has the name of the channel that its commits go to."""
        for topic in topics:
            channel = self._channels.get(topic)
            if channel is not None and channel.line.last <= start and channel.kind.context == context:
                asyncio.get_running_loop().call_later(
                    limits.LIVE_SECONDS, self._check_arrival, channel, position.epoch, start
                )
            for doubt in self._catalogue.doubts(topic):
                for channel in self._concerned(doubt):
                    self._doubt(channel, doubt.uid)

    def _check_arrival(self, channel: Channel, epoch: str, start: int) -> None:
        """What a notice spoke of has arrived by now, or never will."""
        waits = channel.epoch == epoch and channel.line.last <= start
        if waits and self._channels.get(channel.name) is channel:
            self._suspect(channel)

    def _suspect(self, channel: Channel) -> None:
        """Something may have been missed."""
        channel.line.hold()
        if channel.line.gap:
            self._mend_soon(channel)

    def _watch_for_silence(self, channel: Channel, known: int) -> None:
        """A grant knew of commits up to *known*: if they do not arrive, they were lost."""
        if channel.line.last < known:
            asyncio.get_running_loop().call_later(PATIENCE, self._check_silence, channel, channel.epoch, known)

    def _check_silence(self, channel: Channel, epoch: str, known: int) -> None:
        """That a later grant knows more again, as always while many come in, is nothing to wonder at."""
        lost = channel.epoch == epoch and channel.line.last < known
        if lost and self._channels.get(channel.name) is channel:
            self._suspect(channel)

    # Rights that end without a word on the channel.

    def _concerned(self, doubt: Doubt) -> list[Channel]:
        if doubt.id is None:
            return [channel for channel in self._channels.values() if channel.kind.kind == doubt.kind]
        channel = self._channels.get(f"{doubt.kind}:{doubt.id}")
        return [channel] if channel is not None else []

    def _doubt(self, channel: Channel, uid: str | None = None) -> None:
        """The right of everybody who follows, or of *uid*, may have ended."""
        for member in list(channel.members.values()):
            if uid in (None, member.who.uid):
                member.doubted = True
                self._reassure_soon(channel, member)

    def _reassure_soon(self, channel: Channel, member: Member) -> None:
        """At once, unless its right is being asked for just now: then again, as soon as it is there."""
        if member.doubted and member.may and not member.reassuring:
            member.reassuring = True
            self._tasks.spawn(self._reassure(channel, member))

    async def _reassure(self, channel: Channel, member: Member) -> None:
        """Ask in the member's own name whether it may still follow, and take it off if not."""
        pause = 0.05
        try:
            while member.doubted and member in channel.line:
                member.doubted = False
                try:
                    async with self._turns[channel.kind.context]:
                        grant = await self._grant(channel, member.who, None, "access")
                except Rejected as error:
                    if error.code not in PASSING:
                        self._exclude(channel, member, error.code)
                        return
                    member.doubted = True
                    await asyncio.sleep(pause)
                    pause = min(pause * 2, PATIENCE)
                else:
                    self._allow(channel, member, grant)
        finally:
            member.reassuring = False

    def _allow(self, channel: Channel, member: Member, grant: Grant) -> None:
        """Let the member do what a new grant says; it may be less than before."""
        if "follow" not in grant.may:
            self._exclude(channel, member, "not-allowed")
            return
        less = not set(member.may) <= set(grant.may)
        if member.may:  # else it is being asked for by who lets it in
            member.may = grant.may
        if less:
            self.on_less(channel.name, member.who.uid, None)

    def _exclude(self, channel: Channel, member: Member, reason: str) -> None:
        if member in channel.line:
            channel.line.remove(member)
            self._on_end(member, reason)
        self.on_less(channel.name, member.who.uid, None)

    def _mend_soon(self, channel: Channel) -> None:
        if channel.mending is None or channel.mending.done():
            channel.mending = self._tasks.spawn(self._mend(channel))

    async def _mend(self, channel: Channel) -> None:
        """Fill the gap, once for all members; nothing that comes later is delivered before."""
        pause = 0.05
        while channel.line.gap:
            told = channel.line.told()
            if not told or channel.line.overflowing:
                self._restart(channel, channel.epoch)
                return
            try:
                async with self._turns[channel.kind.context]:
                    await self._fill(channel, told[0])
            except Rejected as error:
                if error.code in PASSING:
                    log.warning("gap not mended yet", channel=channel.name, reason=error.code)
                    await asyncio.sleep(pause)
                    pause = min(pause * 2, PATIENCE)
                elif told[0] in channel.line:
                    # Only this member's right is gone; another one may ask for the rest.
                    channel.line.remove(told[0])
                    self._on_end(told[0], error.code)

    async def _fill(self, channel: Channel, member: Member) -> None:
        line = channel.line
        since = position_text(channel.kind.context, channel.epoch, line.last)
        log.info("mending", channel=channel.name, since=since)
        grant = await self._grant(channel, member.who, since, "mend")
        if not grant.recovered or Position.parse(grant.position).epoch != channel.epoch:
            self._restart(channel, Position.parse(grant.position).epoch)
            return
        missed = [channel.kind.item(channel.name, channel.epoch, c.sequence, 0, c.at, c.events) for c in grant.commits]
        line.mend(missed, grant.last)
        for item in missed:
            self._tell_who_may_less(channel, item)
        self._watch_for_silence(channel, line.known)

    def _restart(self, channel: Channel, epoch: str = "") -> None:
        """Everybody begins from a fresh state, with an own grant, and is told that something may be missing."""
        if channel.arrived:
            self._tell(channel)  # as of the epoch in which it came
        afresh = epoch != channel.epoch
        channel.epoch = epoch
        for member in channel.line.restart(afresh):
            self._tasks.spawn(self._reopen(channel, member))

    async def _reopen(self, channel: Channel, member: Member) -> None:
        pause = 0.05
        while member in channel.line:
            try:
                async with self._turns[channel.kind.context]:
                    await self._admit(channel, member, None, False, "restart")
                return
            except Rejected as error:
                if error.code not in PASSING:
                    channel.line.remove(member)
                    self._on_end(member, error.code)
                    return
            await asyncio.sleep(pause)
            pause = min(pause * 2, PATIENCE)


def rest_of(took: float) -> float:
    """Seconds in which a channel gathers what comes, after telling its followers something took so many.

    A few followers are told at once, always; a crowd to which much happens costs half of the gateway's time at most.
    """
    return min(took, REST_MOST) if took > REST_FROM else 0.0


def patience_of(followers: int) -> float:
    """Seconds in which a channel gathers what so many may hear a moment later: the more they are, the more it costs to
    tell them, and the more there is to tell. A handful is told at once.
    """
    share = (followers - limits.HANDFUL) / (limits.CROWD - limits.HANDFUL)
    return limits.CROWD_SECONDS * min(max(share, 0.0), 1.0)


def _before(position: str | None) -> str | None:
    """The position just before a commit, so that the commit itself is told again."""
    if position is None:
        return None
    parsed = Position.parse(position)
    return position_text(parsed.context, parsed.epoch, parsed.sequence - 1)


def _sender(cast: Msg) -> str:
    """The socket that is not told of it, see `Channels.sender`; empty if everybody is."""
    return (cast.headers or {}).get(SENDER, "")


def _to_nobody(name: str, uid: str | None, position: str | None) -> None:
    """Until somebody wants to know."""
