"""The order of one channel's commits at this gateway, without I/O: everybody gets each commit once, in sequence."""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, Protocol

from events.messages import Ended
from gateway import limits
from gateway.identity import Identity
from gateway.protocol import FrameId

Write = Callable[[bytes], object]


class Item(NamedTuple):
    """One commit as it goes to followers: all its events in one piece of bytes."""

    sequence: int
    previous: int
    """Sequence of the same channel's commit before it."""
    frames: bytes
    """Empty when none of its events is public."""
    ends: tuple[Ended, ...] = ()
    leaves: tuple[str, ...] = ()
    """Uids of those who may do less now."""
    patient: bool = False
    """Whether a crowd may hear of it a moment later."""


class Owner(Protocol):
    """The socket behind a member."""

    @property
    def number(self) -> int:
        """Which of this gateway's sockets it is."""

    def ended(self, member: "Member") -> None:
        """The member's right ended; it has been told and is no longer on the line."""


class Member:
    """One socket on the line. It is on it from before its right is asked for, so that nothing falls between."""

    __slots__ = (
        "asked", "channel", "doubted", "floor", "may", "owner", "reassuring", "ref", "resume", "sent", "who", "write",
    )  # fmt: skip

    def __init__(self, ref: FrameId, channel: str, who: Identity, owner: Owner, write: Write) -> None:
        self.ref = ref
        """Id of the frame that asked to follow."""
        self.channel = channel
        self.who = who
        self.owner = owner
        self.write = write
        self.may: tuple[str, ...] = ()
        """What its grant allows; empty while it is asked for."""
        self.asked = 0.0
        """When that was."""
        self.doubted = False
        """Its right may have ended since it was asked for last."""
        self.reassuring = False
        """It is being asked for anew because of that."""
        self.floor = 0
        """Where the line was when the member came to it."""
        self.sent = 0
        """It has been told everything up to here."""
        self.resume: str | None = None
        """The position to go on from when following has to start anew."""


class Line:
    """Delivers in order and once. Whoever owns it asks the service whenever `gap` turns true and calls `mend`.

    A member is *opening* until its grant is there, *ahead* while the grant knew more than has come here, then *live*.
    """

    __slots__ = ("_ahead", "_held", "_live", "_on_end", "_opening", "_recent", "_started", "last")

    def __init__(self, on_end: Callable[[Member, str], None]) -> None:
        """*on_end* is called for a member whose right ended, when it has been told everything before."""
        self.last = 0
        """Sequence up to which every live member has been told everything."""
        self._on_end = on_end
        self._started = False
        self._live: dict[Member, Write] = {}
        self._ahead: set[Member] = set()
        self._opening: set[Member] = set()
        self._held: list[Item] | None = []
        self._recent: list[Item] = []

    @property
    def gap(self) -> bool:
        """Something is missing; what comes after it is held back."""
        return self._started and self._held is not None

    @property
    def known(self) -> int:
        """How far the log goes, by what has arrived here and by grants of those who are ahead."""
        return max((member.sent for member in self._ahead), default=self.last)

    @property
    def overflowing(self) -> bool:
        return self._held is not None and len(self._held) > limits.COMMITS_HELD

    def told(self) -> list[Member]:
        """Everybody who has been admitted."""
        return [*self._live, *self._ahead]

    def __len__(self) -> int:
        return len(self._live) + len(self._ahead) + len(self._opening)

    def __contains__(self, member: Member) -> bool:
        return member in self._live or member in self._ahead or member in self._opening

    def open(self, member: Member) -> None:
        """Keep for the member what arrives from now on."""
        member.floor = self.last
        member.may = ()
        self._opening.add(member)

    def admit(self, member: Member, last: int, before: bytes) -> bool:
        """The member has been granted everything up to *last*; *before* is what it must be told first.

        False if the grant is older than what had been delivered here before the member came: ask again.
        """
        if last < member.floor:
            return False
        missed = [item for item in self._recent if item.sequence > last]
        self._leave_opening(member)
        member.sent = last
        member.write(before + b"".join(item.frames for item in missed))
        if self._started and last > self.last:
            self._ahead.add(member)
        else:
            self._live[member] = member.write
        if not self._started:
            self._start(last)
        for item in missed:
            self._end(item, [member])
        return True

    def remove(self, member: Member) -> None:
        self._live.pop(member, None)
        self._ahead.discard(member)
        self._leave_opening(member)

    def reached(self, member: Member) -> int:
        """How far the member has been told; 0 while it is opening."""
        if member in self._live:
            return self.last
        return member.sent if member in self._ahead else 0

    def offer(self, *items: Item) -> None:
        """Commits arrived from the bus: each is delivered, held back, or known already.

        Those that arrived together and are delivered are written in one piece.
        """
        run: list[Item] = []
        for item in items:
            last = run[-1].sequence if run else self.last
            if self._held is not None:
                self._held.append(item)
            elif item.sequence > last:
                if item.previous > last:
                    self._deliver(run)
                    self._held, run = [item], []
                else:
                    run.append(item)
                    if item.ends:
                        # Whoever goes now is told nothing of what comes later.
                        self._deliver(run)
                        run = []
        self._deliver(run)

    def tell(self, frame: bytes, but: Member | None = None) -> int:
        """Write what is not part of the order to everybody who was admitted; return about how many."""
        for member, write in self._live.items():
            if member is not but:
                write(frame)
        for member in self._ahead:
            if member is not but:
                member.write(frame)
        return len(self._live) + len(self._ahead)

    def hold(self) -> None:
        """Something may be missing: hold everything back until `mend`."""
        if self._held is None:
            self._held = []

    def mend(self, missed: Iterable[Item], last: int) -> None:
        """The service says that *missed* is everything after `self.last`, up to *last*."""
        held, self._held = self._held or [], None
        for item in missed:
            if item.sequence > self.last:
                self._deliver((item,))
        self.last = max(self.last, last)
        self._catch_up()
        for item in held:
            self.offer(item)

    def restart(self, afresh: bool) -> list[Member]:
        """Nothing can be trusted any more: everybody who was admitted has to open anew. Return them.

        Grants older than what was seen here are refused then, unless the log is another one (*afresh*).
        """
        again = self.told()
        seen = max((item.sequence for item in self._held or ()), default=0)
        floor = 0 if afresh else max(self.last, seen)
        self._live.clear()
        self._ahead.clear()
        self._recent.clear()
        self.last = 0
        self._started = False
        self._held = []
        for member in (*again, *self._opening):
            self.open(member)
            member.floor = floor
        return again

    def _start(self, last: int) -> None:
        self._started = True
        self.last = last
        for member in self._opening:
            member.floor = last
        held, self._held = self._held or [], None
        for item in held:
            self.offer(item)

    def _deliver(self, items: Sequence[Item]) -> None:
        """Only the last one may end anybody's right."""
        if not items:
            return
        item = items[-1]
        self.last = item.sequence
        if self._opening:
            self._remember(items)
        frames = b"".join(each.frames for each in items)
        if frames:
            for write in self._live.values():
                write(frames)
        for member in self._ahead:
            if item.sequence > member.sent:
                member.write(b"".join(each.frames for each in items if each.sequence > member.sent))
        if item.ends:
            self._end(item, [*self._live, *(m for m in self._ahead if item.sequence > m.sent)])
        self._catch_up()

    def _remember(self, items: Sequence[Item]) -> None:
        self._recent.extend(items)
        if len(self._recent) > limits.COMMITS_HELD:
            self._recent.clear()
            for member in self._opening:
                member.floor = self.last

    def _end(self, item: Item, members: Iterable[Member]) -> None:
        for end in item.ends:
            for member in members:
                if end.uid in (None, member.who.uid) and member in self:
                    self.remove(member)
                    self._on_end(member, end.reason)

    def _catch_up(self) -> None:
        if self._ahead:
            for member in [member for member in self._ahead if member.sent <= self.last]:
                self._ahead.discard(member)
                self._live[member] = member.write

    def _leave_opening(self, member: Member) -> None:
        self._opening.discard(member)
        if not self._opening:
            self._recent.clear()
