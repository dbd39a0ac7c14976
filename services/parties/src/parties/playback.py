"""The rules of playback: who may move it, when everybody starts together, and whom the party waits for."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any, assert_never

from msgspec.structs import asdict, replace

from events.contracts.party import (
    IN_SYNC,
    SYSTEM,
    ChangeRate,
    Excuse,
    Excused,
    Held,
    Hold,
    PartyEvent,
    Pause,
    Paused,
    Play,
    Played,
    RateChanged,
    Readied,
    Ready,
    Release,
    Seek,
    Sought,
    Undo,
    Undone,
)
from events.messages import Context, Rejected
from parties.guards import may, must_be_member, not_too_often
from parties.rules import Rules
from parties.state import Control, Party, Seat, Waiting, evolve

SAME_PLACE = 0.5
"""Seconds. A player that repeats `play` or `pause` says where it is itself, a little beside where the party is."""
SAME_SPOT = 0.05
"""Seconds. A seek is meant to move, so only what nobody would see (about one frame) is no seek."""
SAME_PRESS = timedelta(seconds=0.5)
"""What is pressed twice within this, by one or by two, was meant once where a second time would mean something else."""
COOL_DOWN = timedelta(seconds=10)
"""A party that has begun to wait for a stalled player does not begin again before this is over."""

PlaybackCommand = Play | Pause | Seek | ChangeRate | Undo | Ready | Excuse | Hold | Release


def decide(command: PlaybackCommand, party: Party, context: Context, rules: Rules) -> list[PartyEvent]:
    match command:
        case Play() | Pause() | Seek() | ChangeRate() | Undo():
            return _control(command, party, context, rules)
        case Ready():
            return _ready(command, party, context)
        case Excuse():
            return _excuse(command, party, context)
        case Hold():
            return _hold(command, party, context)
        case Release():
            return _release(command, party, context)
        case _:
            assert_never(command)


def without(party: Party, uids: Collection[str], context: Context) -> list[PartyEvent]:
    """What follows, besides, when nobody waits for *uids* any more: playback goes on if they were all."""
    waiting = party.waiting
    if waiting is None or not set(waiting.waits_for) <= set(uids):
        return []
    return [_gone_on(party, context, waiting.countdown)]


def around(party: Party, context: Context) -> list[str]:
    """The members who are there, the actor among them; all of them as long as nothing is known about anybody."""
    seen = context.ambient.get("present")
    return [uid for uid in party.members if not seen or uid in seen or uid == context.actor]


# Controls. Each refuses first, then is silent if it would change nothing, and counts towards the limit only after that.


def _control(
    command: Play | Pause | Seek | ChangeRate | Undo, party: Party, context: Context, rules: Rules
) -> list[PartyEvent]:
    match command:
        case Play():
            return _play(command, party, context, rules)
        case Pause():
            return _pause(command, party, context, rules)
        case Seek():
            return _seek(command, party, context, rules)
        case ChangeRate():
            return _change_rate(command, party, context, rules)
        case Undo():
            return _undo(party, context, rules)
        case _:
            assert_never(command)


def _play(command: Play, party: Party, context: Context, rules: Rules) -> list[PartyEvent]:
    here = party.place(context.now)
    there = here if command.position is None else command.position
    _may_be_at(there, here, party, context)
    at = _soon(context, command.countdown)
    if abs(there - here) <= SAME_PLACE and _plays(party, at, context):
        return []
    not_too_often(party, context, rules)
    stragglers = _stragglers(party, context) if party.settings.wait and party.waiting is None else ()
    if stragglers:
        return [
            Held(
                by=context.actor, why="start", waits_for=stragglers, position=there, at=_soon(context),
                until=_patience_ends(party, context), countdown=command.countdown, said_at=context.now,
            )
        ]  # fmt: skip
    return [
        Played(
            by=context.actor, position=there, at=at, rate=party.anchor.rate,
            countdown=command.countdown, said_at=context.now,
        )
    ]  # fmt: skip


def _pause(command: Pause, party: Party, context: Context, rules: Rules) -> list[PartyEvent]:
    at = _soon(context)
    here = party.place(at)
    there = here if command.position is None else command.position
    _may_be_at(there, here, party, context)
    if abs(there - here) <= SAME_PLACE and not (party.anchor.playing or party.waiting):
        return []
    not_too_often(party, context, rules)
    return [Paused(by=context.actor, position=there, at=at, said_at=context.now)]


def _seek(command: Seek, party: Party, context: Context, rules: Rules) -> list[PartyEvent]:
    may("seek", party, context.actor)
    if abs(command.position - party.place(context.now)) <= SAME_SPOT:
        return []
    not_too_often(party, context, rules)
    at = _not_before_the_start(party, context)
    return [Sought(by=context.actor, position=command.position, at=at, said_at=context.now)]


def _change_rate(command: ChangeRate, party: Party, context: Context, rules: Rules) -> list[PartyEvent]:
    may("play", party, context.actor)
    if command.rate == party.anchor.rate:
        return []
    not_too_often(party, context, rules)
    at = _not_before_the_start(party, context)
    return [RateChanged(by=context.actor, rate=command.rate, position=party.place(at), at=at, said_at=context.now)]


def _undo(party: Party, context: Context, rules: Rules) -> list[PartyEvent]:
    may("seek", party, context.actor)
    last = party.last
    if last is None:
        raise Rejected("nothing-to-undo")
    if last.other_media:
        may("media", party, context.actor)
    if last.what == "undo" and context.now - last.at < SAME_PRESS:
        return []
    not_too_often(party, context, rules)
    at, before = _soon(context), last.before
    undone = Undone(
        by=context.actor, undid=last.what, author=last.by, playing=before.playing, position=before.position,
        rate=before.rate, at=max(at, before.at or at), other_media=last.other_media, said_at=context.now,
        **asdict(last.media), **_requeuing(party, last),
    )  # fmt: skip
    held = _held_after(undone, party, context) if before.playing else None
    return [undone] if held is None else [replace(undone, playing=False), held]


def _requeuing(party: Party, last: Control) -> dict[str, Any]:
    """What an undo means for the queue. It is not refused for a full one: that may hold one item too many."""
    queued = {item.id for item in party.queue}
    if last.taken is not None and last.taken.item.id not in queued:
        after = party.queue[last.taken.place :]
        return {"requeued": last.taken.item.id, "before": after[0].id if after else None}
    return {"item": last.requeued} if last.requeued in queued else {}


def _held_after(undone: Undone, party: Party, context: Context) -> Held | None:
    """Undoing leads back to playing: a wait that is on stays on, and one that a play would begin begins."""
    if party.waiting is not None:
        return replace(_waits_on(party.waiting, party, context), position=undone.position, at=undone.at)
    stragglers = _stragglers(evolve(party, undone), context)
    if party.anchor.playing or not party.settings.wait or not stragglers:
        return None
    return Held(
        by=SYSTEM, why="start", waits_for=stragglers, position=undone.position, at=undone.at,
        until=_patience_ends(party, context), said_at=context.now,
    )  # fmt: skip


def _may_be_at(there: float, here: float, party: Party, context: Context) -> None:
    """Who may start and stop playback says where their own player is; far from the party's place that is a seek."""
    may("play", party, context.actor)
    if abs(there - here) > IN_SYNC:
        may("seek", party, context.actor)


def _plays(party: Party, at: datetime, context: Context) -> bool:
    """Whether nothing would be gained by pressing play for a start at *at*."""
    if party.waiting is not None:
        return context.now - party.waiting.since < SAME_PRESS
    starts = party.anchor.at or at
    sooner = starts > context.now and (starts - at).total_seconds() > SAME_PLACE
    return party.anchor.playing and not sooner


def _soon(context: Context, countdown: float = 0.0) -> datetime:
    """When what is said now takes effect: late enough for everybody to have heard of it."""
    return context.now + timedelta(seconds=max(context.ambient.get("lead", 0.0), countdown))


def _not_before_the_start(party: Party, context: Context) -> datetime:
    """The same for what does not end a countdown."""
    soon = _soon(context)
    return max(soon, party.anchor.at or soon) if party.anchor.playing else soon


# Waiting.


def _ready(command: Ready, party: Party, context: Context) -> list[PartyEvent]:
    seat = _seat(party, context)
    ends_pardon = command.ready and seat.pardoned
    if seat.ready == command.ready and not ends_pardon:
        return []
    readied = Readied(uid=context.actor, ready=command.ready, at=context.now)
    return [readied, *(without(party, (context.actor,), context) if command.ready else _waited_for_too(party, context))]


def _excuse(command: Excuse, party: Party, context: Context) -> list[PartyEvent]:
    if _seat(party, context).excused == command.excused:
        return []
    excused = Excused(uid=context.actor, excused=command.excused, reason="asked", at=context.now)
    return [excused, *(without(party, (context.actor,), context) if command.excused else ())]


def _hold(command: Hold, party: Party, context: Context) -> list[PartyEvent]:
    uids = set(command.uids)
    stalled = tuple(uid for uid in party.members if uid in uids and _waited_for(party.members[uid]))
    cooling = party.stalled_at is not None and context.now - party.stalled_at < COOL_DOWN
    if party.closed_by or cooling or not stalled or not _runs(party, context):
        return []
    at = _soon(context)
    return [
        Held(
            by=SYSTEM, why="stalled", waits_for=stalled, position=party.place(at), at=at,
            until=_patience_ends(party, context), said_at=context.now,
        )
    ]  # fmt: skip


def _release(command: Release, party: Party, context: Context) -> list[PartyEvent]:
    waiting = party.waiting
    if waiting is None:
        return []
    recovered = set(command.recovered)
    rest = tuple(uid for uid in waiting.waits_for if uid not in recovered)
    if not rest or context.now >= waiting.until:
        left_behind = [Excused(uid=uid, excused=True, reason="limit", at=context.now) for uid in rest]
        return [*left_behind, _gone_on(party, context, waiting.countdown)]
    if rest == waiting.waits_for:
        return []
    return [replace(_waits_on(waiting, party, context), waits_for=rest)]


def _waited_for_too(party: Party, context: Context) -> list[PartyEvent]:
    """Who is not ready after all, while others are waited for, is waited for with them and no longer than they."""
    waiting, uid = party.waiting, context.actor
    if waiting is None or waiting.why != "start" or not _waited_for(party.members[uid]):
        return []
    return [replace(_waits_on(waiting, party, context), waits_for=(*waiting.waits_for, uid))]


def _waits_on(waiting: Waiting, party: Party, context: Context) -> Held:
    """The wait that is on, told again."""
    return Held(
        by=SYSTEM, why=waiting.why, waits_for=waiting.waits_for, position=party.anchor.position, at=context.now,
        until=waiting.until, countdown=waiting.countdown, said_at=context.now,
    )  # fmt: skip


def _gone_on(party: Party, context: Context, countdown: float) -> Played:
    return Played(
        by=SYSTEM, position=party.anchor.position, at=_soon(context, countdown), rate=party.anchor.rate,
        countdown=countdown, said_at=context.now,
    )  # fmt: skip


def _stragglers(party: Party, context: Context) -> tuple[str, ...]:
    """Who is there and not ready, in the order of joining; who presses play is waited for by nobody."""
    others = (uid for uid in around(party, context) if uid != context.actor)
    return tuple(uid for uid in others if not party.members[uid].ready and _waited_for(party.members[uid]))


def _waited_for(seat: Seat) -> bool:
    return not (seat.excused or seat.pardoned)


def _patience_ends(party: Party, context: Context) -> datetime:
    return context.now + timedelta(seconds=party.settings.wait_seconds)


def _runs(party: Party, context: Context) -> bool:
    """Whether pictures should be moving now; during a countdown they do not."""
    return party.anchor.playing and (party.anchor.at is None or party.anchor.at <= context.now)


def _seat(party: Party, context: Context) -> Seat:
    must_be_member(party, context.actor)
    return party.members[context.actor]
