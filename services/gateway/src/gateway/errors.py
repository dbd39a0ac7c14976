"""Every slug's HTTP status and words, and every close code of a socket with what a client should do at it."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from msgspec import Struct

from events.messages import Rejected


class Meaning(NamedTuple):
    """How a slug is told to a client."""

    status: int
    words: str


ERRORS: dict[str, Meaning] = {
    # Who is asking.
    "not-signed-in": Meaning(401, "Sign in first."),
    "token-expired": Meaning(401, "The token has expired. Sign in with a fresh one; nothing that you follow is lost."),
    "token-invalid": Meaning(401, "The token is not valid here."),
    "issuer-unavailable": Meaning(503, "The token's issuer cannot be reached to check it. Try again in a moment."),
    "other-user": Meaning(403, "This socket belongs to somebody else. Open a new one."),
    "guests-off": Meaning(403, "Guests are not admitted here."),
    "origin-not-allowed": Meaning(403, "This origin is not allowed here."),
    "not-allowed": Meaning(403, "You may not do this on the channel."),
    # What could not be read.
    "bad-request": Meaning(400, "The request could not be read."),
    "invalid-json": Meaning(400, "This is not JSON."),
    "invalid-utf8": Meaning(400, "This is not UTF-8."),
    "binary-frame": Meaning(400, "Frames are text; this one was binary."),
    "invalid-frame": Meaning(400, "The frame is not one of the protocol."),
    "unknown-op": Meaning(400, "There is no such op."),
    "invalid-argument": Meaning(422, "An argument is missing or wrong."),
    "frame-too-large": Meaning(
        413, "The frame is too large. Over HTTP an addon's manifest and a collection may be larger."
    ),
    "body-too-large": Meaning(413, "The body is too large."),
    "data-too-large": Meaning(413, "The data is too large."),
    "unsupported-file-type": Meaning(415, "Send the file itself, say as application/octet-stream."),
    "unsupported-media-type": Meaning(415, "Send JSON, as application/json."),
    "bad-cursor": Meaning(400, "The cursor is not one that was given out."),
    "bad-position": Meaning(400, "The position is not one that was given out."),
    # What is not there.
    "not-found": Meaning(404, "There is nothing here."),
    "unknown-function": Meaning(404, "There is no such function."),
    "unknown-channel": Meaning(404, "There is no such kind of channel."),
    "no-such-watch": Meaning(404, "There is no watch with this id."),
    "not-following": Meaning(404, "You do not follow this channel."),
    "method-not-allowed": Meaning(405, "This cannot be done with this method."),
    "not-a-query": Meaning(400, "Only queries can be watched or fetched."),
    "upgrade-required": Meaning(426, "This is a WebSocket; ask for an upgrade to it."),
    # What clashes.
    "id-in-use": Meaning(409, "This id is still in use on the socket."),
    "already-following": Meaning(409, "You already follow this channel."),
    "key-reused": Meaning(409, "The key was used with other arguments."),
    "other-epoch": Meaning(409, "The position is of another epoch: the log was restored since. Read anew."),
    # Too much.
    "rate-limited": Meaning(429, "Too often. Try again a little later."),
    "too-many-calls": Meaning(429, "Too many calls are in flight on this socket."),
    "too-many-watches": Meaning(429, "Too many watches at once."),
    "too-many-channels": Meaning(429, "Too many channels on this socket."),
    "too-many-sockets": Meaning(503, "This gateway has as many sockets as it takes."),
    "presence-full": Meaning(409, "As many people are present as can be listed."),
    "busy": Meaning(503, "Too many commands wait for the same thing. Try again in a moment."),
    "too-large": Meaning(413, "What it would become is too large."),
    "log-full": Meaning(507, "Nothing more can be stored. The operator has to make room."),
    # Services.
    "unavailable": Meaning(503, "The service cannot be reached; nothing was carried out. Try again."),
    "timeout": Meaning(504, "No answer in time. It may have been carried out; sending the same key again is safe."),
    "deadline-exceeded": Meaning(504, "The service came to it too late; nothing was carried out. Try again."),
    "position-not-reached": Meaning(503, "The read model has not reached that position yet. Try again."),
    "internal": Meaning(500, "Something went wrong here. It has been logged."),
    "going-away": Meaning(503, "This gateway is stopping. Connect again."),
    # Rules of parties and libraries.
    "name-missing": Meaning(422, "Say by which name the others should see you."),
    "no-such-party": Meaning(404, "There is no such party."),
    "party-closed": Meaning(410, "The party is over."),
    "party-full": Meaning(409, "The party is full."),
    "not-a-member": Meaning(403, "Only members of the party may do this."),
    "not-the-host": Meaning(403, "Your role in the party does not allow this."),
    "banned": Meaning(403, "You may not be here: the host or moderators have banned you."),
    "party-locked": Meaning(403, "The party is locked: nobody else may join."),
    "key-needed": Meaning(403, "The party is private. Say its key to join."),
    "wrong-key": Meaning(403, "This is not the party's key."),
    "key-locked": Meaning(429, "Too many wrong keys. Wait before you try again."),
    "not-private": Meaning(409, "The party is public and has no key."),
    "no-such-member": Meaning(404, "They are no member of the party."),
    "too-many-bans": Meaning(409, "As many people are banned from this party as can be."),
    "nothing-to-undo": Meaning(409, "There is nothing to undo."),
    "no-such-item": Meaning(404, "There is no such item in the queue, or on the list."),
    "queue-full": Meaning(409, "The queue is full, or you have put in as many items as you may."),
    "queue-empty": Meaning(409, "Nothing is queued."),
    "too-old": Meaning(422, "It happened too long ago to be told now."),
    "no-such-episode": Meaning(422, "The id names one episode and the arguments another."),
    "too-many-episodes": Meaning(422, "These are more episodes than one mark, or one title, may have."),
    "no-such-play": Meaning(404, "There is no such entry in the history of this title."),
    "too-many-ids": Meaning(409, "As many ids as can be are joined to this work."),
    "too-many-joins": Meaning(409, "You have joined the ids of as many works as can be."),
    "not-joined": Meaning(409, "The id is not joined to any other."),
    "no-such-list": Meaning(404, "You have no such list."),
    "too-many-lists": Meaning(409, "You have as many lists as can be."),
    "list-exists": Meaning(409, "You have a list with this id already."),
    "list-full": Meaning(409, "The list is full."),
    "bad-transport-url": Meaning(422, "This is not the address of an addon."),
    "manifest-invalid": Meaning(422, "The addon's manifest is not valid."),
    "manifest-too-large": Meaning(413, "The addon's manifest is too large."),
    "manifest-unreachable": Meaning(502, "The addon did not answer with a manifest."),
    "private-address": Meaning(403, "The address is not one of the open internet."),
    "configuration-required": Meaning(409, "The addon has to be configured before it can be installed."),
    "too-many-addons": Meaning(409, "You have as many addons as can be."),
    "no-such-addon": Meaning(404, "You have no such addon."),
    "addon-protected": Meaning(409, "The addon is protected and stays."),
    "too-many-preferences": Meaning(409, "You have as many settings as can be."),
    "preferences-too-large": Meaning(413, "The setting, or all of them together, would be too large."),
    "uploads-full": Meaning(503, "Too many files are on their way. Try again in a moment."),
    "no-such-import": Meaning(404, "You have no such import."),
    "not-waiting": Meaning(409, "The import does not wait for a confirmation."),
    "import-under-way": Meaning(409, "The import is still under way. Wait until it is applied."),
    # Rules of comments, chats and live events.
    "no-such-thread": Meaning(404, "There is no such thread: nothing has been said there yet."),
    "no-such-comment": Meaning(404, "There is no such comment, or it is no longer shown."),
    "no-such-line": Meaning(404, "There is no such line, or it was said too long ago."),
    "no-such-live": Meaning(404, "There is no such live event."),
    "live-ended": Meaning(410, "The live event is over."),
    "not-yours": Meaning(403, "This is somebody else's."),
    "not-a-moderator": Meaning(403, "This is for moderators."),
    "not-a-broadcaster": Meaning(403, "You may not start live events here."),
    "not-above": Meaning(
        403, "This cannot be done to them by you: they have at least as much to say here, or are you."
    ),
    "muted": Meaning(403, "You may read but not write here for now: moderators have muted you."),
    "thread-locked": Meaning(403, "The thread is locked: only moderators write in it now."),
    "chat-closed": Meaning(403, "The chat is closed: only moderators write in it now."),
    "slow-mode": Meaning(429, "The chat is in slow mode. Wait before you say something again."),
    "text-unreadable": Meaning(422, "The text is empty, or has characters that others could not read."),
    "words-refused": Meaning(422, "The text has words that are not wanted here."),
    "links-refused": Meaning(422, "Links are not wanted here."),
    "not-an-emoji": Meaning(422, "This is not one emoji."),
    "too-deep": Meaning(409, "The comment is as deep in replies as can be. Answer another one."),
    "too-many-reactions": Meaning(409, "You have put as many emoji on this comment as can be."),
    "too-many-pins": Meaning(409, "As many comments are pinned here as can be."),
    "too-many-moderators": Meaning(409, "The live event has as many moderators as can be."),
}

RETRY_AFTER: dict[str, int] = {
    "busy": 1,
    "unavailable": 1,
    "position-not-reached": 1,
    "issuer-unavailable": 5,
    "going-away": 1,
    "uploads-full": 60,
}
"""Seconds for a `Retry-After` header where the error itself does not say."""


class Closing(NamedTuple):
    """A close code: why a socket is closed with it, and what its client should do."""

    code: int
    reason: str
    then: str


GOING_AWAY = Closing(1001, "going-away", "Connect again, after a random part of a second; follow with `since`.")
TOO_BIG = Closing(1009, "frame-too-large", "Do not send such a frame again; connect again.")
NOT_SIGNED_IN = Closing(4401, "not-signed-in", "Connect again and send `auth` at once.")
EXPIRED = Closing(4402, "token-expired", "Get a fresh token, then connect again; follow with `since`.")
SILENT = Closing(4408, "silent", "Connect again; follow with `since`. Answer pings, as every WebSocket library does.")
SLOW = Closing(4409, "slow-reader", "Connect again; follow with `since`. Read faster or follow less.")
FLOOD = Closing(4429, "rate-limited", "Wait a minute, then connect again; send less often than `hello` allows.")

CLOSINGS: tuple[Closing, ...] = (GOING_AWAY, TOO_BIG, NOT_SIGNED_IN, EXPIRED, SILENT, SLOW, FLOOD)
OTHER_CLOSINGS: tuple[Closing, ...] = (
    Closing(1000, "", "Nothing; the client closed it."),
    Closing(1002, "", "Repair the client: what it sent is not the WebSocket protocol."),
    Closing(1006, "", "The connection broke. Connect again; follow with `since`."),
)
"""Codes that the WebSocket layer itself uses."""


class ErrorBody(Struct, frozen=True):
    """An error as every door tells it."""

    code: str
    status: int
    message: str
    details: Mapping[str, Any] = {}


class Problem(Struct, frozen=True, omit_defaults=True):
    """An RFC 9457 problem document."""

    type: str
    title: str
    status: int
    code: str
    detail: str = ""
    details: Mapping[str, Any] = {}


def meaning(code: str) -> Meaning:
    """Of a slug; one that a newer service invented is still told."""
    return ERRORS.get(code) or Meaning(409, f"Refused: {code}.")


def body(error: Rejected) -> ErrorBody:
    status, words = meaning(error.code)
    return ErrorBody(error.code, status, words, _public(error))


def problem(error: Rejected) -> Problem:
    status, words = meaning(error.code)
    details = _public(error)
    detail = ": ".join(str(details[k]) for k in ("field", "reason") if details.get(k))
    return Problem(f"/docs#{error.code}", words, status, error.code, detail, details)


def retry_after(error: Rejected) -> int | None:
    """Whole seconds until it is worth trying again, if that can be said."""
    seconds = error.details.get("retry_after")
    return max(1, round(seconds + 0.5)) if seconds is not None else RETRY_AFTER.get(error.code)


_INTERNAL = frozenset({"unavailable", "timeout", "internal"})


def _public(error: Rejected) -> Mapping[str, Any]:
    # These three carry subjects and server names, which are for the log and not for clients.
    return {} if error.code in _INTERNAL else error.details
