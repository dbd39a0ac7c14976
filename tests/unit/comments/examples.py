"""People, threads and comments with which the examples begin."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from comments import comment, threads
from comments.guards import READERS, RIGHTS, Standing
from comments.rooms import Room
from comments.rules import Rules
from comments.state import Comment, Thread
from events.contracts.comments import (
    SITE,
    Posted,
    ThreadBegun,
    Veil,
    comment_key,
    room_key,
    standing_key,
    thread_key,
    thread_of,
)
from events.contracts.party import Rights
from events.testing import NOW, spec

ANA, BOB, CYD, MEG = "ana", "bob", "cyd", "meg"
"""Ana writes, Bob and Cyd read and answer, and Meg moderates everything."""
MEDIA = "tt0903747:1:2"
P = "p4rty"
T, OURS = thread_of(MEDIA), thread_of(MEDIA, party_id=P)
"""The thread for everybody, and that of a party."""
ROOM = f"party:{P}"
C, D = "c0mmand0c0mmand0", "an0ther0an0ther0"
"""Comments. The first is posted by the command of the examples."""
MODERATOR: dict[str, Any] = {"by": MEG, "roles": ("moderator",)}

RULES = Rules(words_refused=("drat", "zounds*"), words_held=("hmm",), links="hold")

thread = spec(threads.decider(RULES))
talk = spec(comment.decider(RULES))


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def begun(thread_id: str = T) -> ThreadBegun:
    party_id = thread_id.partition("@")[2] or None
    return ThreadBegun(thread_id=thread_id, media="tt0903747", season=1, episode=2, party_id=party_id, by=ANA, at=NOW)


def posted(thread_id: str = T, **changes: Any) -> Posted:
    """By Ana, as the examples have it."""
    told: dict[str, Any] = {"comment_id": C, "uid": ANA, "name": "Ana", "text": "Look!", "at": NOW, **changes}
    return Posted(thread_id=thread_id, **told)


def said(uid: str = BOB, veil: Veil = "", **changes: Any) -> Comment:
    """A comment that a command looks at."""
    return Comment(uid=uid, text="Well", veil=veil, **changes)


def seeing(
    thread_id: str = T,
    *,
    locked: bool = False,
    comments: Mapping[str, Comment] = {},
    site: Mapping[str, Standing] = {},
    here: Mapping[str, Standing] = {},
    room: Room | None = None,
) -> dict[str, Any]:
    """What a command looks at, for its context: *site* and *here* say what moderators have said about people."""
    seen: dict[str, Any] = {str(thread_key(thread_id)): Thread(begun=True, locked=locked)}
    seen |= {str(comment_key(thread_id, id)): comment for id, comment in comments.items()}
    seen |= {str(standing_key(SITE, uid)): standing for uid, standing in site.items()}
    seen |= {str(standing_key(ROOM, uid)): standing for uid, standing in here.items()}
    return {"seen": seen | ({str(room_key(ROOM)): room} if room else {})}


def in_party(*may: Any, role: Any = "member", closed: bool = False, readers: tuple[str, ...] = ()) -> dict[str, Any]:
    """What the party says of who asks, for the context of a command."""
    rights = Rights(role=role, may=list(may), closed=closed, host="hal", members=3)
    return {"told": {RIGHTS: rights, READERS: frozenset(readers)}}


HOSTING = in_party("people", role="host")
MUTED = Standing(muted=True)
SHADOWED = Standing(muted=True, shadow=True)
BANNED = Standing(banned=True)


def until(seconds: float, **said: Any) -> Standing:
    """What ends so many seconds after the examples happen."""
    ends = later(seconds).timestamp()
    return Standing(**said, muted_until=ends, banned_until=ends)
