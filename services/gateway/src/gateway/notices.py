"""What services say about their read models: which topics changed, and whether a saying was missed."""

from collections.abc import Callable, Iterable

import msgspec
import structlog

from events.bus import Bus, Msg
from events.messages import Notice, Position

log = structlog.get_logger("notices")

Touched = Callable[[str, tuple[str, ...], int, Position], None]
"""(context, topics, sequence after which their commits lie, position that shows the change)"""
Broken = Callable[[str, bool], None]
"""(context, whether its log is another one now): anything may have changed."""

_notices = msgspec.json.Decoder(Notice)


class Chain:
    """One context's notices as a chain without I/O: each begins where the one before ended, or something was missed."""

    __slots__ = ("_last", "epoch")

    def __init__(self) -> None:
        self.epoch = ""
        self._last: Notice | None = None

    def take(self, notice: Notice) -> str:
        """`touched`: it goes on; `known`: nothing new; `broken`: something is missing; `restored`: another log."""
        restored = self.epoch not in ("", notice.epoch)
        last, self._last, self.epoch = self._last, notice, notice.epoch
        if restored:
            return "restored"
        if notice == last:
            return "known"
        goes_on = last is not None and (last.schema, last.end) == (notice.schema, notice.start)
        return "touched" if goes_on else "broken"

    def break_off(self) -> None:
        """What comes next may not be what came next."""
        self._last = None


class Notices:
    """Listens to `changed.*` and tells who asked for it."""

    def __init__(self, bus: Bus, contexts: Iterable[str], now: Callable[[], float]) -> None:
        self._bus = bus
        self._contexts = tuple(contexts)
        self._now = now
        self._chains: dict[str, Chain] = {}
        self._touched: list[Touched] = []
        self._broken: list[Broken] = []
        self.heard: dict[str, float] = {}
        """When each context was last heard of."""

    def on_touched(self, callback: Touched) -> None:
        self._touched.append(callback)

    def on_broken(self, callback: Broken) -> None:
        self._broken.append(callback)

    @property
    def epochs(self) -> dict[str, str]:
        """Of each context's log."""
        return {context: chain.epoch for context, chain in sorted(self._chains.items())}

    async def start(self) -> None:
        await self._bus.subscribe("changed.*", self._on_message)
        self._bus.on_reconnect(self._on_reconnect)

    def _on_reconnect(self) -> None:
        for chain in self._chains.values():
            chain.break_off()
        for context in self._contexts:
            self._tell_broken(context, False)

    async def _on_message(self, msg: Msg) -> None:
        notice = _notices.decode(msg.data)
        chain = self._chains.setdefault(notice.context, Chain())
        self.heard[notice.context] = self._now()
        match chain.take(notice):
            case "touched":
                position = Position(notice.context, notice.epoch, *notice.end)
                for touched in self._touched:
                    touched(notice.context, notice.topics, notice.start[0], position)
            case "broken":
                self._tell_broken(notice.context, False)
            case "restored":
                log.warning("another log", context=notice.context, epoch=notice.epoch)
                self._tell_broken(notice.context, True)

    def _tell_broken(self, context: str, restored: bool) -> None:
        for broken in self._broken:
            broken(context, restored)
