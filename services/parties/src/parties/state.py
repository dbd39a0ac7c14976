"""As much of a party as its rules need, and how events move it on. What screens show is in `projections`."""

from datetime import datetime, timedelta
from typing import Any, Literal

from msgspec import Struct
from msgspec.structs import replace

from events.contracts.party import (
    LONGEST,
    SYSTEM,
    Banned,
    ChangeMedia,
    Closed,
    Configured,
    Dequeued,
    Enqueue,
    Excused,
    Expiring,
    Held,
    HostChanged,
    HostMissed,
    HostReturned,
    Joined,
    Kept,
    Kicked,
    Left,
    Locked,
    MediaChanged,
    Moved,
    Open,
    Opened,
    PartyEvent,
    Paused,
    Played,
    ProfileChanged,
    Queued,
    RateChanged,
    Readied,
    Rekeyed,
    Role,
    RoleChanged,
    Settings,
    SkipVoted,
    Sought,
    Unbanned,
    Undone,
    Voted,
)

CONTROL_WINDOW = timedelta(seconds=1)
"""How far back the state remembers who controlled playback; limits speak of controls within it."""


class Seat(Struct, frozen=True, array_like=True):
    """A member's place."""

    since: datetime
    role: Role = "member"
    ready: bool = False
    excused: bool = False
    """Asked not to be waited for."""
    pardoned: bool = False
    """Was waited for in vain; until the party watches something else or they say that they are ready."""
    number: int = 0
    """Of the seat; nobody else in the party has it."""


class Media(Struct, frozen=True, array_like=True):
    """What is watched. Its source is the read model's to know: here it would be sealed."""

    media: str = ""
    media_title: str | None = None
    season: int | None = None
    episode: int | None = None
    file_index: int | None = None


class Anchor(Struct, frozen=True, array_like=True):
    """Where playback is: at `position` at server time `at`, and from there on at `rate` if it is `playing`."""

    playing: bool = False
    position: float = 0.0
    rate: float = 1.0
    at: datetime | None = None

    def place(self, now: datetime) -> float:
        """Where playback is at *now*; before `at`, where it will begin."""
        if not self.playing or self.at is None:
            return self.position
        elapsed = max(now - self.at, timedelta()).total_seconds()
        return min(self.position + self.rate * elapsed, LONGEST)


class Waiting(Struct, frozen=True):
    """The party stands and waits for somebody."""

    why: Literal["start", "stalled"]
    waits_for: tuple[str, ...]
    since: datetime
    until: datetime
    countdown: float = 0.0


class Item(Struct, frozen=True):
    """A queued item."""

    id: str
    by: str
    media: Media
    votes: int = 0
    """Bit by bit, by the number of the voter's seat: names would make a large party's state several times as large."""


class Taken(Struct, frozen=True):
    """An item that is watched instead of waiting in the queue."""

    item: Item
    place: int
    """That it had in the queue, from 0 on."""


class Control(Struct, frozen=True):
    """The last control and what playback was like without it."""

    what: str
    by: str
    at: datetime
    """When it was given, not when it took effect."""
    before: Anchor
    """As playback was at that moment. Waiting counts as playing, and a start that was still ahead is kept."""
    media: Media
    other_media: bool = False
    """Whether it changed what is watched, be it only its source, which is not known here."""
    taken: Taken | None = None
    """What it took off the queue."""
    requeued: str | None = None
    """The item that it put back into the queue."""


class Party(Struct, frozen=True):
    """A party. Members share one dict between states until somebody joins, leaves or changes."""

    opened_by: str = ""
    """Empty as long as there is no such party."""
    host: str = ""
    title: str = ""
    private: bool = False
    key: str = ""
    """Digest of the access key."""
    locked: bool = False
    settings: Settings = Settings()
    members: dict[str, Seat] = {}
    unseen: tuple[str, ...] = ()
    """Who was a member and dropped out of sight; the newest last."""
    banned: tuple[str, ...] = ()
    media: Media = Media()
    anchor: Anchor = Anchor()
    waiting: Waiting | None = None
    last: Control | None = None
    queue: tuple[Item, ...] = ()
    skips: tuple[str, ...] = ()
    """Who wants to skip what is watched."""
    missed: datetime | None = None
    """Since when the host is missing, once that was noticed."""
    controls: dict[str, tuple[datetime, ...]] = {}
    """When who controlled playback, within `CONTROL_WINDOW` of the newest control."""
    stalled_at: datetime | None = None
    """When the party last began to wait for a stalled member."""
    active_at: datetime | None = None
    """When something last happened; an announcement of the end is nothing."""
    warned: bool = False
    """Whether members know that the party is about to expire."""
    closed_by: str = ""
    """Empty while the party is open."""

    def rank(self, uid: str) -> int:
        """0 for a member, 1 for a co-host, 2 for the host, -1 for who is none of them."""
        seat = self.members.get(uid)
        if seat is None:
            return -1
        return 2 if uid == self.host else 1 if seat.role == "cohost" else 0

    def place(self, now: datetime) -> float:
        """Where playback is at *now*."""
        return self.anchor.place(now)

    def voted(self, uid: str, item: Item) -> bool:
        """Whether a member votes for a queued item."""
        return bool(item.votes & _ballot(self.members, uid))


_Control = Played | Paused | Sought | RateChanged | Undone | Held | MediaChanged

UNSEEN = 1_000
"""Who dropped out of sight is remembered, the newest so many."""


def evolve(party: Party, event: PartyEvent) -> Party:
    changes = next(changes for fold in FOLDS if (changes := fold(party, event)) is not None)
    active = {} if isinstance(event, Expiring) else {"active_at": said(event), "warned": False}
    return replace(party, **active, **changes)


def said(event: PartyEvent) -> datetime:
    """When it happened; a control takes effect, at its `at`, a little later."""
    return getattr(event, "said_at", None) or event.at


def _members(party: Party, event: PartyEvent) -> dict[str, Any] | None:
    """Who is in the party."""
    match event:
        case Joined(uid=uid, at=at):
            seat = Seat(at, "host" if uid == party.host else "member", number=_free_seat(party.members, uid))
            return {"members": {**party.members, uid: seat}, "unseen": _without(party.unseen, uid)}
        case Left(uid=uid, reason="unseen"):
            return {**_gone(party, uid), "unseen": (*_without(party.unseen, uid), uid)[-UNSEEN:]}
        case Left(uid=uid) | Kicked(uid=uid):
            return {**_gone(party, uid), "unseen": _without(party.unseen, uid)}
        case Banned(uid=uid):
            banned = (*_without(party.banned, uid), uid)
            return {**_gone(party, uid), "unseen": _without(party.unseen, uid), "banned": banned}
        case Unbanned(uid=uid):
            return {"banned": _without(party.banned, uid)}
    return None


def _roles(party: Party, event: PartyEvent) -> dict[str, Any] | None:
    """What members are to the party."""
    members = party.members
    match event:
        case RoleChanged(uid=uid, role=role):
            return {"members": _seat(members, uid, role=role)}
        case HostChanged(uid=uid, reason=reason):
            return {"members": _succeeded(party, uid, reason), "host": uid, "missed": None}
        case HostMissed(since=since):
            return {"missed": since}
        case HostReturned():
            return {"missed": None}
        case ProfileChanged():
            return {}
        case Readied(uid=uid, ready=ready):
            # Being ready ends a pardon; being so no longer does not begin a wait.
            seated = _seat(members, uid, ready=ready, **({"pardoned": False} if ready else {}))
            return {"members": seated, **(_spared(party, uid) if ready else {})}
        case Excused(uid=uid, excused=excused, reason=reason):
            seated = _seat(members, uid, **{"excused" if reason == "asked" else "pardoned": excused})
            return {"members": seated, **(_spared(party, uid) if excused else {})}
    return None


def _playback(party: Party, event: PartyEvent) -> dict[str, Any] | None:
    """How playback goes, and what undoing would lead back to."""
    match event:
        case Played(position=position, rate=rate, at=at):
            return _controlled(party, "play", event, Anchor(True, position, rate, at))
        case Paused(position=position, at=at):
            return _controlled(party, "pause", event, Anchor(False, position, party.anchor.rate, at))
        case Sought(position=position, at=at):
            anchor = replace(party.anchor, position=position, at=at)
            # Whoever is waited for is waited for at the new place.
            return {**_controlled(party, "seek", event, anchor), "waiting": party.waiting}
        case RateChanged(rate=rate, position=position, at=at):
            anchor = Anchor(party.anchor.playing, position, rate, at)
            return {**_controlled(party, "rate", event, anchor), "waiting": party.waiting}
        case Undone(playing=playing, position=position, rate=rate, at=at):
            undone = _controlled(party, "undo", event, Anchor(playing, position, rate, at))
            watching = _watching(party, media_of(event)) if event.other_media else {}
            return {**undone, **_requeued(party, event), **watching}
        case Held(why=why, waits_for=waits_for, position=position, at=at, until=until):
            since = party.waiting.since if party.waiting else said(event)
            waiting = Waiting(why, waits_for, since, until, event.countdown)
            held = _controlled(party, "play", event, Anchor(False, position, party.anchor.rate, at))
            return {**held, **({"stalled_at": since} if why == "stalled" else {}), "waiting": waiting}
    return None


def _program(party: Party, event: PartyEvent) -> dict[str, Any] | None:
    """What is watched and what comes next."""
    queue = party.queue
    match event:
        case MediaChanged(position=position, at=at, item=item):
            anchor = Anchor(False, position, 1.0, at)
            changed = _controlled(party, "media", event, anchor)
            return {**changed, **_watching(party, media_of(event)), "queue": _off(queue, item)}
        case Queued(item=item, by=by):
            return {"queue": (*queue, Item(item, by, media_of(event)))}
        case Moved(item=item, before=before):
            return {"queue": moved(queue, item, before)}
        case Dequeued(item=item):
            return {"queue": _off(queue, item)}
        case Voted(item=item, uid=uid, up=up):
            ballot = _ballot(party.members, uid)
            return {"queue": tuple(_marked(queued, ballot, up) if queued.id == item else queued for queued in queue)}
        case SkipVoted(uid=uid, skip=skip):
            rest = _without(party.skips, uid)
            return {"skips": (*rest, uid) if skip else rest}
    return None


def _course(party: Party, event: PartyEvent) -> dict[str, Any] | None:
    """How the party begins, is run and ends."""
    match event:
        case Opened(host=host, title=title, private=private, key=key, at=at):
            anchor = Anchor(at=at)
            return {
                "opened_by": host, "host": host, "title": title, "private": private, "key": key,
                "media": media_of(event), "anchor": anchor,
            }  # fmt: skip
        case Configured(title=title, private=private, settings=settings, key=key):
            return {
                "title": title,
                "private": private,
                "settings": settings,
                "key": (key or party.key) if private else "",
            }
        case Rekeyed(key=key):
            return {"key": key}
        case Locked(locked=locked):
            return {"locked": locked}
        case Expiring():
            return {"warned": True}
        case Kept():
            return {}
        case Closed(by=by):
            return {"closed_by": by, "waiting": None}
    return None


FOLDS = (_playback, _members, _roles, _program, _course)
"""Each knows some of the events, and every event is known to one of them."""


def _controlled(party: Party, what: str, event: _Control, anchor: Anchor) -> dict[str, Any]:
    """Another anchor, and how to come back to where playback was. What observation or a timer does is no control."""
    if event.by == SYSTEM:
        return {"anchor": anchor, "waiting": None}
    by, at = event.by, said(event)
    recent = {
        uid: kept
        for uid, times in party.controls.items()
        if (kept := tuple(time for time in times if at - time < CONTROL_WINDOW))
    }
    return {
        "anchor": anchor,
        "waiting": None,
        "last": Control(
            what,
            by,
            at,
            _before(party, what, at),
            party.media,
            _other_media(event),
            _taken(party, event),
            getattr(event, "requeued", None),
        ),
        "controls": {**recent, by: (*recent.get(by, ()), at)},
    }


def _before(party: Party, what: str, at: datetime) -> Anchor:
    anchor = party.anchor
    # Who presses play while the party waits means the same playback: taking that back leads to before the wait.
    waited = party.waiting is not None and what != "play"
    return Anchor(anchor.playing or waited, anchor.place(at), anchor.rate, max(at, anchor.at or at))


def _other_media(event: _Control) -> bool:
    return isinstance(event, MediaChanged) or (isinstance(event, Undone) and event.other_media)


def _taken(party: Party, event: _Control) -> Taken | None:
    id = getattr(event, "item", None)
    return next((Taken(item, place) for place, item in enumerate(party.queue) if item.id == id), None)


def _requeued(party: Party, undone: Undone) -> dict[str, Any]:
    """The queue after an undo, if that changes it: an item is off it again, or back in it with its votes."""
    if undone.item is not None:
        return {"queue": _off(party.queue, undone.item)}
    if undone.requeued is None or party.last is None or party.last.taken is None:
        return {}
    item = party.last.taken.item
    return {"queue": moved((*party.queue, item), item.id, undone.before)}


def _watching(party: Party, media: Media) -> dict[str, Any]:
    """Something else is watched: nobody is ready for it yet, and nobody wants to skip it."""
    members = {uid: replace(seat, ready=False, pardoned=False) for uid, seat in party.members.items()}
    return {"media": media, "members": members, "skips": ()}


def media_of(what: Open | Opened | Undone | MediaChanged | Queued | ChangeMedia | Enqueue) -> Media:
    return Media(what.media, what.media_title, what.season, what.episode, what.file_index)


def _gone(party: Party, uid: str) -> dict[str, Any]:
    members = {other: seat for other, seat in party.members.items() if other != uid}
    ballot = _ballot(party.members, uid)
    queue = tuple(_marked(queued, ballot, False) if queued.votes & ballot else queued for queued in party.queue)
    return {
        "members": members, "queue": queue, "skips": _without(party.skips, uid), "last": _forgotten(party.last, ballot),
        **_spared(party, uid),
    }  # fmt: skip


def _forgotten(last: Control | None, ballot: int) -> Control | None:
    """The last control without somebody's vote for what it took off the queue: their seat may become another's."""
    if last is None or last.taken is None:
        return last
    return replace(last, taken=replace(last.taken, item=_marked(last.taken.item, ballot, False)))


def _spared(party: Party, uid: str) -> dict[str, Any]:
    """Somebody is no longer waited for; whether the wait ends with that, the rules say."""
    if party.waiting is None or uid not in party.waiting.waits_for:
        return {}
    return {"waiting": replace(party.waiting, waits_for=_without(party.waiting.waits_for, uid))}


def _seat(members: dict[str, Seat], uid: str, **changes: Any) -> dict[str, Seat]:
    return {**members, uid: replace(members[uid], **changes)} if uid in members else members


def _succeeded(party: Party, uid: str, reason: str) -> dict[str, Seat]:
    """The old host stays as co-host after handing over, as a member after going missing."""
    members = _seat(party.members, uid, role="host")
    if party.host in members and party.host != uid:
        members = _seat(members, party.host, role="cohost" if reason == "handed-over" else "member")
    return members


def moved(queue: tuple[Item, ...], item: str, before: str | None) -> tuple[Item, ...]:
    moving = [queued for queued in queue if queued.id == item]
    rest = [queued for queued in queue if queued.id != item]
    place = next((index for index, queued in enumerate(rest) if queued.id == before), len(rest))
    return (*rest[:place], *moving, *rest[place:])


def _off(queue: tuple[Item, ...], item: str | None) -> tuple[Item, ...]:
    return tuple(queued for queued in queue if queued.id != item)


def _free_seat(members: dict[str, Seat], uid: str) -> int:
    """The lowest number that nobody has; who has one keeps it."""
    if uid in members:
        return members[uid].number
    taken = {seat.number for seat in members.values()}
    return next(number for number in range(len(taken) + 1) if number not in taken)


def _ballot(members: dict[str, Seat], uid: str) -> int:
    """The bit that stands for somebody in the votes for an item; nothing for who is no member."""
    return 1 << members[uid].number if uid in members else 0


def _marked(queued: Item, ballot: int, up: bool) -> Item:
    return replace(queued, votes=queued.votes | ballot if up else queued.votes & ~ballot)


def _without(uids: tuple[str, ...], uid: str) -> tuple[str, ...]:
    return tuple(other for other in uids if other != uid) if uid in uids else uids
