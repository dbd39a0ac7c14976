"""The rules of one comment: who posts, changes and takes it back, and what moderators do with it."""

from typing import Any, assert_never

from comments.guards import (
    held_by,
    is_own_shadow,
    may_read,
    may_write,
    moderates,
    must_moderate,
    readers,
    reads,
    sees,
    unseen_with,
)
from comments.rules import Rules
from comments.state import Comment, comment_seen, evolve_comment, thread_seen
from comments.writing import readable, shown_name
from events.contracts.comments import (
    DEEPEST,
    LONGEST_TEXT,
    CommentCommand,
    CommentEvent,
    Delete,
    Deleted,
    Edit,
    Edited,
    Hidden,
    Hide,
    Post,
    Posted,
    Remove,
    Removed,
    Restore,
    Restored,
    Review,
    Reviewed,
    Veil,
)
from events.contracts.comments import room_of as room_with
from events.decider import Decider
from events.messages import Context, Rejected

Moderating = Hide | Restore | Remove | Review


def decider(rules: Rules = Rules()) -> Decider[CommentCommand, Comment, CommentEvent]:
    """The rule book under what an installation has set."""

    def decide(command: CommentCommand, comment: Comment, context: Context) -> list[CommentEvent]:
        match command:
            case Post():
                return _post(command, comment, context, rules)
            case Edit():
                return _edit(command, comment, context, rules)
            case Delete():
                return _delete(command, comment, context)
            case Hide() | Restore() | Remove() | Review():
                return _moderate(command, comment, context)
            case _:
                assert_never(command)

    return Decider(Comment(), decide, evolve_comment)


def may_take_part(thread_id: str, context: Context) -> Veil:
    """Under which veil somebody writes or reacts in a thread. In a locked one only moderators do."""
    room = room_with(thread_id)
    veil = may_write(context, room)
    if thread_seen(context, thread_id).locked and not moderates(context, room):
        raise Rejected("thread-locked")
    return veil


def seen_by(context: Context, thread_id: str, comment_id: str) -> Comment:
    """A comment that whoever asks can see."""
    comment = comment_seen(context, thread_id, comment_id)
    if not comment.there or not sees(context, comment.uid, comment.veil, room_with(thread_id)):
        raise Rejected("no-such-comment")
    return comment


def _post(command: Post, comment: Comment, context: Context, rules: Rules) -> list[CommentEvent]:
    thread_id = command.thread_id
    shadow = may_take_part(thread_id, context)
    if comment.uid:
        return []
    command.must_agree()
    text = readable(command.text, LONGEST_TEXT)
    rule = held_by(text, room_with(thread_id), context, rules)
    parent = None if command.parent is None else _answered(thread_id, command.parent, context)
    veil = shadow or ("held" if rule else unseen_with(parent))
    return [
        Posted(
            thread_id=thread_id,
            comment_id=command.new_id(context),
            uid=context.actor,
            name=shown_name(command.name, context.name),
            avatar=command.avatar,
            text=text,
            parent=command.parent,
            parent_uid=parent.uid if parent else None,
            answered_reads=parent is None or reads(context, parent.uid, room_with(thread_id)),
            root=(parent.root or command.parent) if parent else None,
            depth=parent.depth + 1 if parent else 0,
            media_seconds=command.media_seconds,
            spoiler=command.spoiler,
            mentions=readers(context, command.mentions, room_with(thread_id)),
            language=command.language,
            veil=veil,
            rule=rule if veil == "held" else "",
            at=context.now,
        )
    ]


def _answered(thread_id: str, comment_id: str, context: Context) -> Comment:
    parent = seen_by(context, thread_id, comment_id)
    if parent.depth >= DEEPEST:
        raise Rejected("too-deep", limit=DEEPEST)
    return parent


def _edit(command: Edit, comment: Comment, context: Context, rules: Rules) -> list[CommentEvent]:
    """No edit lifts a veil. What was seen so far vanishes if others must not see what it says now."""
    shadow = may_take_part(command.thread_id, context)
    _must_be_author(comment, command.thread_id, context)
    text = None if command.text is None else readable(command.text, LONGEST_TEXT)
    changed: dict[str, Any] = {}
    if text is not None and text != comment.text:
        changed["text"] = text
    if command.spoiler is not None and command.spoiler != comment.spoiler:
        changed["spoiler"] = command.spoiler
    if not changed:
        return []
    room = room_with(command.thread_id)
    rule = held_by(changed["text"], room, context, rules) if "text" in changed else ""
    if veil := "" if comment.veil else shadow or ("held" if rule else ""):
        changed |= {"veil": veil, "rule": rule if veil == "held" else ""}
    return [Edited(uid=context.actor, at=context.now, **_of(command), **changed)]


def _delete(command: Delete, comment: Comment, context: Context) -> list[CommentEvent]:
    may_read(context, room_with(command.thread_id))
    if comment.gone and comment.uid == context.actor:
        return []
    _must_be_author(comment, command.thread_id, context)
    return [Deleted(uid=context.actor, at=context.now, **_of(command))]


def _must_be_author(comment: Comment, thread_id: str, context: Context) -> None:
    """Of what somebody cannot see they do not learn that it is there."""
    if not comment.there or not sees(context, comment.uid, comment.veil, room_with(thread_id)):
        raise Rejected("no-such-comment")
    if comment.uid != context.actor:
        raise Rejected("not-yours")


def _moderate(command: Moderating, comment: Comment, context: Context) -> list[CommentEvent]:
    """What is gone comes back no more, and need not be taken away again.

    A review is recorded each time, since reports, which are not here, may have come in between.
    """
    room = room_with(command.thread_id)
    must_moderate(context, room)
    if comment.gone and isinstance(command, Remove):
        return []
    if not comment.there:
        raise Rejected("no-such-comment")
    done: dict[str, Any] = {"by": context.actor, "at": context.now, "reason": command.reason, **_of(command)}
    match command:
        case Hide():
            return [] if comment.veil == "moderated" else [Hidden(**done)]
        case Restore():
            return [Restored(**done)] if comment.veil and not is_own_shadow(comment, context, room) else []
        case Remove():
            return [Removed(**done)]
        case Review():
            return [Reviewed(**done)]
        case _:
            assert_never(command)


def _of(command: Edit | Delete | Moderating) -> dict[str, Any]:
    return {"thread_id": command.thread_id, "comment_id": command.comment_id}
