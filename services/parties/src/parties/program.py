"""The rules of the program: what is watched, what comes next, and who decides that."""

from collections.abc import Collection, Sequence
from functools import reduce
from typing import Literal, assert_never

import msgspec
from msgspec.structs import asdict

from events.contracts.party import (
    QUEUED,
    QUEUED_BYTES,
    QUEUED_EACH,
    ROLES,
    Banned,
    ChangeMedia,
    Dequeue,
    Dequeued,
    Enqueue,
    Kicked,
    Left,
    MediaChanged,
    Moved,
    MoveItem,
    Next,
    PartyEvent,
    Queued,
    Skip,
    SkipVoted,
    Vote,
    Voted,
)
from events.messages import Context, Rejected
from parties import playback
from parties.guards import may, must_be_member, not_too_often
from parties.playback import SAME_PRESS, SAME_SPOT, around
from parties.rules import Rules
from parties.state import Item, Media, Party, evolve, media_of, moved

ProgramCommand = ChangeMedia | Enqueue | MoveItem | Dequeue | Vote | Next | Skip


def decide(command: ProgramCommand, party: Party, context: Context, rules: Rules) -> list[PartyEvent]:
    match command:
        case ChangeMedia():
            return _change_media(command, party, context, rules)
        case Enqueue():
            return _enqueue(command, party, context)
        case MoveItem():
            return _move(command, party, context)
        case Dequeue():
            return _dequeue(command, party, context)
        case Vote():
            return _vote(command, party, context)
        case Next():
            return _next(party, context, rules)
        case Skip():
            return _skip(command, party, context)
        case _:
            assert_never(command)


def without(party: Party, departures: Sequence[Left | Kicked | Banned], context: Context) -> list[PartyEvent]:
    """What follows, besides, from departures: those who want to skip may be enough now, or nobody is waited for."""
    gone = {departure.uid for departure in departures}
    here = set(around(party, context)) - gone
    voters = [uid for uid in party.skips if uid in here]
    if party.queue and len(voters) >= _needed(here):
        return [_taken(reduce(evolve, departures, party), context, "voted", by=voters[-1])]
    return playback.without(party, gone, context)


def _change_media(command: ChangeMedia, party: Party, context: Context, rules: Rules) -> list[PartyEvent]:
    may("media", party, context.actor)
    if _shows(command, party, context):
        return []
    not_too_often(party, context, rules)
    return [
        MediaChanged(
            by=context.actor, reason="chosen", position=command.position, at=context.now,
            source=command.source or "", **asdict(media_of(command)),
        )
    ]  # fmt: skip


def _enqueue(command: Enqueue, party: Party, context: Context) -> list[PartyEvent]:
    must_be_member(party, context.actor)
    item = command.new_item(context)
    if _item(party, item):
        return []
    _must_have_room(party, context.actor, media_of(command))
    return [
        Queued(
            item=item, by=context.actor, at=context.now, source=command.source or "", **asdict(media_of(command)),
        )
    ]  # fmt: skip


def _move(command: MoveItem, party: Party, context: Context) -> list[PartyEvent]:
    may("queue", party, context.actor)
    _must_be_queued(party, command.item)
    if command.before is not None:
        _must_be_queued(party, command.before)
    # Before itself an item already is.
    if command.before == command.item or moved(party.queue, command.item, command.before) == party.queue:
        return []
    return [Moved(item=command.item, before=command.before, by=context.actor, at=context.now)]


def _dequeue(command: Dequeue, party: Party, context: Context) -> list[PartyEvent]:
    must_be_member(party, context.actor)
    item = _item(party, command.item)
    if item is None:
        return []
    if item.by != context.actor:
        may("queue", party, context.actor)
    return [Dequeued(item=item.id, by=context.actor, at=context.now)]


def _vote(command: Vote, party: Party, context: Context) -> list[PartyEvent]:
    must_be_member(party, context.actor)
    item = _must_be_queued(party, command.item)
    if party.voted(context.actor, item) == command.up:
        return []
    return [Voted(item=item.id, uid=context.actor, up=command.up, at=context.now)]


def _next(party: Party, context: Context, rules: Rules) -> list[PartyEvent]:
    may("media", party, context.actor)
    if _just_changed(party, context):
        return []
    _must_have_more(party)
    not_too_often(party, context, rules)
    return [_taken(party, context, "next", by=context.actor)]


def _skip(command: Skip, party: Party, context: Context) -> list[PartyEvent]:
    uid = context.actor
    must_be_member(party, uid)
    if not command.skip:
        return [_skip_vote(party, context, skip=False)] if uid in party.skips else []
    if _just_changed(party, context):
        return []
    vote = _skip_vote(party, context, skip=True)
    passed = vote.votes >= vote.needed
    # Who has voted already may still be the one with whom it passes, once others are gone.
    if uid in party.skips and not passed:
        return []
    _must_have_more(party)
    return [vote, _taken(party, context, "voted", by=uid)] if passed else [vote]


def _skip_vote(party: Party, context: Context, *, skip: bool) -> SkipVoted:
    """More than half of those who are there decide, and only their votes count."""
    uid = context.actor
    here, others = around(party, context), set(party.skips) - {uid}
    votes = sum(other in others for other in here) + skip
    return SkipVoted(uid=uid, skip=skip, votes=votes, needed=_needed(here), at=context.now)


def _needed(here: Collection[str]) -> int:
    return len(here) // 2 + 1


def _taken(party: Party, context: Context, reason: Literal["next", "voted"], by: str) -> MediaChanged:
    """The first item of the queue is watched, or the one with most votes; of two with as many, the earlier."""
    first = party.queue[0]
    item = max(party.queue, key=lambda item: item.votes.bit_count()) if party.settings.queue_order == "votes" else first
    return MediaChanged(by=by, reason=reason, position=0.0, at=context.now, item=item.id, **asdict(item.media))


def _shows(command: ChangeMedia, party: Party, context: Context) -> bool:
    """Whether the party stands there already. Its source is not known here: a given one is another one at first."""
    stands = not party.anchor.playing and party.waiting is None
    there = abs(command.position - party.place(context.now)) <= SAME_SPOT
    same = media_of(command) == party.media and (command.source is None or _just_changed(party, context))
    return stands and there and same


def _just_changed(party: Party, context: Context) -> bool:
    """Whoever wants something else at the very moment at which it comes has what they wanted."""
    last = party.last
    return last is not None and last.what == "media" and context.now - last.at < SAME_PRESS


def _must_have_room(party: Party, uid: str, media: Media) -> None:
    if len(party.queue) >= QUEUED:
        raise Rejected("queue-full", limit=QUEUED)
    orders = party.rank(uid) >= ROLES.index(party.settings.permissions.queue)
    if not orders and sum(item.by == uid for item in party.queue) >= QUEUED_EACH:
        raise Rejected("queue-full", limit=QUEUED_EACH)
    if len(msgspec.json.encode([media, *(item.media for item in party.queue)])) > QUEUED_BYTES:
        raise Rejected("queue-full", bytes=QUEUED_BYTES)


def _must_have_more(party: Party) -> None:
    if not party.queue:
        raise Rejected("queue-empty")


def _must_be_queued(party: Party, item: str) -> Item:
    found = _item(party, item)
    if found is None:
        raise Rejected("no-such-item", item=item)
    return found


def _item(party: Party, item: str) -> Item | None:
    return next((queued for queued in party.queue if queued.id == item), None)
