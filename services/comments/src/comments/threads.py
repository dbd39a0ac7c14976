"""The rules of a thread's anchor: that it begins once, who locks it, and what is shown above the others."""

from typing import assert_never

from comments.guards import held_by, is_in_shadow, must_be_signed_in, must_moderate
from comments.rules import Rules
from comments.state import Thread, comment_seen, evolve_thread
from comments.writing import label
from events.contracts.comments import (
    LONGEST_TITLE,
    PINNED,
    BeginThread,
    LockThread,
    Pin,
    Pinned,
    ThreadBegun,
    ThreadCommand,
    ThreadEvent,
    ThreadLocked,
    ThreadTitled,
    about,
    room_of,
)
from events.decider import Decider
from events.messages import Context, Rejected


def decider(rules: Rules = Rules()) -> Decider[ThreadCommand, Thread, ThreadEvent]:
    """The rule book under what an installation has set."""

    def decide(command: ThreadCommand, thread: Thread, context: Context) -> list[ThreadEvent]:
        return _decide(command, thread, context, rules)

    return Decider(Thread(), decide, evolve_thread)


def _decide(command: ThreadCommand, thread: Thread, context: Context, rules: Rules) -> list[ThreadEvent]:
    match command:
        case BeginThread():
            must_be_signed_in(context)
            command.must_agree()
            return _titled(command, thread, context, rules) if thread.begun else [_begun(command, context, rules)]
        case LockThread():
            _must_moderate(command, thread, context)
            return [] if thread.locked == command.locked else [_locked(command, context)]
        case Pin():
            _must_moderate(command, thread, context)
            return _pin(command, thread, context)
        case _:
            assert_never(command)


def _must_moderate(command: LockThread | Pin, thread: Thread, context: Context) -> None:
    must_moderate(context, room_of(command.thread_id))
    if not thread.begun:
        raise Rejected("no-such-thread")


def _begun(command: BeginThread, context: Context, rules: Rules) -> ThreadBegun:
    """Under the one form of its ids, in which an episode without a season is one of the first."""
    named = about(command.media, command.season, command.episode)
    return ThreadBegun(
        thread_id=command.thread_id,
        media=named.media,
        season=named.season,
        episode=named.episode,
        party_id=command.party_id,
        title=_title(command, context, rules),
        by=context.actor,
        at=context.now,
    )


def _titled(command: BeginThread, thread: Thread, context: Context, rules: Rules) -> list[ThreadEvent]:
    title = None if thread.titled else _title(command, context, rules)
    if title is None:
        return []
    return [ThreadTitled(thread_id=command.thread_id, title=title, by=context.actor, at=context.now)]


def _title(command: BeginThread, context: Context, rules: Rules) -> str | None:
    """It is for all to see: what would be veiled as a comment is not told."""
    room, shown = room_of(command.thread_id), label(command.title or "", LONGEST_TITLE)
    if shown is None or is_in_shadow(context, room):
        return None
    try:
        return None if held_by(shown, room, context, rules) else shown
    except Rejected:
        return None


def _locked(command: LockThread, context: Context) -> ThreadLocked:
    return ThreadLocked(thread_id=command.thread_id, locked=command.locked, by=context.actor, at=context.now)


def _pin(command: Pin, thread: Thread, context: Context) -> list[ThreadEvent]:
    """What nobody sees is not pinned; what was is taken off, whatever has become of it. Until then it takes a place:
    the refusal says which ones are taken."""
    comment = comment_seen(context, command.thread_id, command.comment_id)
    if not comment.uid or (command.pinned and (comment.gone or comment.veil)):
        raise Rejected("no-such-comment")
    if (command.comment_id in thread.pins) == command.pinned:
        return []
    if command.pinned and len(thread.pins) >= PINNED:
        raise Rejected("too-many-pins", limit=PINNED, pinned=list(thread.pins))
    return [
        Pinned(
            thread_id=command.thread_id,
            comment_id=command.comment_id,
            pinned=command.pinned,
            by=context.actor,
            at=context.now,
        )
    ]
