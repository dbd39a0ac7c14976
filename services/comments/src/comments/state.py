"""As much of threads and comments as their rules need, and how events move them on."""

from typing import assert_never

from msgspec import Struct
from msgspec.structs import replace

from events.contracts.comments import (
    CommentEvent,
    Deleted,
    Edited,
    Hidden,
    Pinned,
    Posted,
    Removed,
    Restored,
    Reviewed,
    ThreadBegun,
    ThreadEvent,
    ThreadLocked,
    ThreadTitled,
    Veil,
    comment_key,
    thread_key,
)
from events.messages import Context


class Thread(Struct, frozen=True):
    """What all comments about something hang from."""

    begun: bool = False
    titled: bool = False
    locked: bool = False
    pins: tuple[str, ...] = ()
    """Comments, also such as are gone meanwhile."""


class Comment(Struct, frozen=True):
    """A comment. Of one that is gone its text is forgotten here, too."""

    uid: str = ""
    """Whose it is; empty as long as there is no such comment."""
    text: str = ""
    spoiler: bool = False
    parent: str | None = None
    root: str | None = None
    depth: int = 0
    veil: Veil = ""
    gone: bool = False
    """Taken back by its author, or away by a moderator, for good."""

    @property
    def there(self) -> bool:
        return bool(self.uid) and not self.gone


def thread_seen(context: Context, thread_id: str) -> Thread:
    """As the command looked at it; one that has not begun if it did not."""
    seen = context.seen.get(str(thread_key(thread_id)))
    return seen if isinstance(seen, Thread) else Thread()


def comment_seen(context: Context, thread_id: str, comment_id: str) -> Comment:
    """As the command looked at it; none if it did not. Its key names the thread: there is none of another thread."""
    seen = context.seen.get(str(comment_key(thread_id, comment_id)))
    return seen if isinstance(seen, Comment) else Comment()


def evolve_thread(thread: Thread, event: ThreadEvent) -> Thread:
    match event:
        case ThreadBegun(title=title):
            return replace(thread, begun=True, titled=title is not None)
        case ThreadTitled():
            return replace(thread, titled=True)
        case ThreadLocked(locked=locked):
            return replace(thread, locked=locked)
        case Pinned(comment_id=comment_id, pinned=pinned):
            others = tuple(other for other in thread.pins if other != comment_id)
            return replace(thread, pins=(*others, comment_id) if pinned else others)
        case _:
            assert_never(event)


def evolve_comment(comment: Comment, event: CommentEvent) -> Comment:
    match event:
        case Posted():
            return Comment(
                uid=event.uid,
                text=event.text,
                spoiler=event.spoiler,
                parent=event.parent,
                root=event.root,
                depth=event.depth,
                veil=event.veil,
            )
        case Edited(text=text, spoiler=spoiler, veil=veil):
            return replace(
                comment,
                text=comment.text if text is None else text,
                spoiler=comment.spoiler if spoiler is None else spoiler,
                veil=veil or comment.veil,
            )
        case Hidden():
            return replace(comment, veil="moderated")
        case Restored():
            return replace(comment, veil="")
        case Deleted() | Removed():
            return replace(comment, text="", gone=True)
        case Reviewed():
            return comment
        case _:
            assert_never(event)
