"""The words that comments, chats and their moderation share: what a text, a thread, a room and an emoji may be."""

from base64 import b32encode
from hashlib import sha256
from typing import Annotated, Literal, NamedTuple

from msgspec import Meta

from events.contracts.library.works import parse
from events.messages import NO_NUL, Channel, Key

CONTEXT = "comments"
CHAT = Channel("chat", CONTEXT, guarded_by="party-access", barred_by="standing")
"""The talk of a party, under the party's id. Who may follow it, the party says."""
LIVE = Channel("live", CONTEXT, barred_by="standing")
"""A live event: its chat, and how many are there."""
CHANNELS = (CHAT, LIVE)
SYSTEM = f"system:{CONTEXT}"

LONGEST_TEXT = 2_000
LONGEST_LINE = 500
LONGEST_TITLE = 200

Text = Annotated[str, Meta(min_length=1, max_length=LONGEST_TEXT, pattern=NO_NUL)]
"""Of a comment, as it was typed: plain text, never markup."""
Line = Annotated[str, Meta(min_length=1, max_length=LONGEST_LINE, pattern=NO_NUL)]
"""Of a chat, as it was typed."""
MediaId = Annotated[str, Meta(min_length=1, max_length=2_000, pattern=NO_NUL)]
"""What is talked about: `tt0133093`, `tt0108778:1:2`, `anilist:21`, or a URL; ids in any of their forms."""
Number = Annotated[int, Meta(ge=0, le=100_000)]
"""Of a season or an episode."""
Title = Annotated[str, Meta(min_length=1, max_length=LONGEST_TITLE, pattern=NO_NUL)]
Name = Annotated[str, Meta(min_length=1, max_length=64, pattern=NO_NUL)]
Avatar = Annotated[str, Meta(max_length=500, pattern=NO_NUL)]
Reason = Annotated[str, Meta(max_length=200, pattern=NO_NUL)]
"""In words, for moderators to read."""
PartyId = Annotated[str, Meta(min_length=1, max_length=64, pattern=NO_NUL)]
LiveId = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
"""Chosen by whoever starts the event: `final-2026`."""
ThreadId = Annotated[str, Meta(pattern=r"^[a-z2-7]{26}(@[^\x00]{1,64})?$")]
"""As `thread_of` makes it; of a party's own thread the party's id stands behind the @."""
CommentId = Annotated[str, Meta(pattern=r"^[A-Za-z0-9-]{1,32}$")]
Room = Annotated[str, Meta(pattern=r"^(party:[^\x00]{1,64}|live:[A-Za-z0-9][A-Za-z0-9._-]{0,63})$")]
"""A party or a live event, and all that is said there."""
Where = Annotated[str, Meta(pattern=r"^(site|party:[^\x00]{1,64}|live:[A-Za-z0-9][A-Za-z0-9._-]{0,63})$")]
"""Where a moderator's word holds: in one room, or everywhere."""
Emoji = Annotated[str, Meta(min_length=1, max_length=32, pattern=NO_NUL)]
"""One emoji, as keyboards send it."""
Language = Annotated[str, Meta(pattern=r"^[a-z]{2}$")]
"""ISO 639-1. It helps the search; a language that PostgreSQL has no words of is searched word by word."""
PageSize = Annotated[int, Meta(ge=1, le=100)]
Cursor = Annotated[str, Meta(max_length=2_000)]

Why = Literal["spam", "abuse", "spoiler", "illegal", "other"]
"""What is wrong with something that is reported."""
Links = Literal["allow", "hold", "refuse"]
Veil = Literal["", "held", "shadow", "moderated"]
"""Why others do not see a comment or a line: a rule holds it back until a moderator has looked, its author speaks in
the shadow, a moderator hid it; empty if they do."""

SITE = "site"
MODERATORS = ("moderator", "operator")
"""Roles, in the token's claims, whose word holds everywhere."""

DEEPEST = 1_000
"""Replies under replies."""
PINNED = 10
"""Comments of one thread, or lines of one room."""
MENTIONED = 10
"""People in one comment or line."""
EMOJI_EACH = 5
"""Of one person on one comment."""
RECENT_LINES = 500
"""Of one room: their authors are known to its rules, who may take them back or be answered."""
AUTHORS = 1_000
"""Of one room, whose last line its slow mode remembers; who spoke longest ago is forgotten first."""
APPOINTED = 50
"""Moderators of one live event."""
LOST_AFTER = 60.0
"""Seconds without a report of its owner after which a live event is over."""
WORDS = 200
"""Of one room that are not to be said there."""
TOLD = 500
"""Of one thread, who spoke last: their lists of unread threads change at once when somebody says something there."""
UNREAD = 100
"""So many are counted; then there are more than one reads."""
PLACE_SECONDS = 10.0
"""The strip of a film counts comments in parts of so many seconds."""


class About(NamedTuple):
    """What a thread is about, under the one form of its ids."""

    media: str
    season: int | None = None
    episode: int | None = None


def about(media: str, season: int | None = None, episode: int | None = None) -> About:
    """What these name; an episode in the id goes before the arguments.

    An episode without a season is one of the first: entries of anime have no others. A season without an episode is
    the season.
    """
    named = parse(media.strip() or media)
    if named.episode is not None:
        return About(named.work, named.episode.season, named.episode.episode)
    return About(named.work, 1 if episode is not None and season is None else season, episode)


def thread_of(media: str, season: int | None = None, episode: int | None = None, party_id: str | None = None) -> str:
    """The id of the one thread about something, for everybody or within a party; whichever form its ids are in."""
    work, *numbers = about(media, season, episode)
    one = "\0".join((work, *("" if number is None else str(number) for number in numbers)))
    digest = b32encode(sha256(f"{party_id or ''}\0{one}".encode()).digest()).decode()[:26].lower()
    return f"{digest}@{party_id}" if party_id else digest


def party_of(thread_id: str) -> str | None:
    """The party whose own a thread is."""
    return thread_id.partition("@")[2] or None


def room_of(thread_id: str) -> str | None:
    """The room whose moderators a thread has, besides those of the whole site."""
    party_id = party_of(thread_id)
    return f"party:{party_id}" if party_id else None


def party_in(where: str) -> str | None:
    """The party, of a room that is one."""
    kind, _, id = where.partition(":")
    return id if kind == "party" else None


def room_key(room: str) -> Key:
    """The aggregate of a room, which its channel is fed by."""
    kind, _, id = room.partition(":")
    return (CHAT if kind == "party" else LIVE).key(id)


def thread_key(thread_id: str) -> Key:
    return Key.of("thread", thread_id)


def comment_key(thread_id: str, comment_id: str) -> Key:
    return Key.of("comment", thread_id, comment_id)


def reaction_key(uid: str, thread_id: str, comment_id: str) -> Key:
    """A person's own: the emoji that they have put on one comment."""
    return Key.of("reaction", uid, thread_id, comment_id)


def standing_key(where: str, uid: str) -> Key:
    """What moderators have said about a person, in one room or everywhere."""
    return Key.of("standing", where, uid)


def reader_key(uid: str) -> Key:
    """A person's own: how far they have read."""
    return Key.of("reader", uid)


def topic(thread_id: str) -> str:
    """Touched by every change of a thread that its readers see."""
    return f"thread:{thread_id}"


def statistics_topic() -> str:
    """Touched whenever anything is said, reacted to or taken back in a thread for everybody."""
    return "comments:public"


def parties_topic() -> str:
    """Touched whenever anything is said, reacted to or taken back in a thread of a party's own."""
    return "comments:parties"


def lists_topic(thread_id: str) -> str:
    """Of the two, the one that a thread's changes touch: who sees it in a list or a search of many."""
    return parties_topic() if party_of(thread_id) else statistics_topic()


def room_topic(room: str) -> str:
    """Touched by every change of a room that who is in it sees: the name of its channel."""
    kind, _, id = room.partition(":")
    return f"{CHAT.kind if kind == 'party' else LIVE.kind}:{id}"


def audience_topic(live_id: str) -> str:
    """Touched by each sample of a live event: not its channel's name, which tells of commits alone."""
    return f"live-audience:{live_id}"


def moderation_topic(where: str) -> str:
    """Touched by what moderators see: reports, hidden things, who is muted or banned."""
    return f"moderation:{where}"


def standing_topic(uid: str) -> str:
    """Touched when somebody is muted or banned, or no longer: their right to read may have ended."""
    return f"{CHAT.barred_by}:{uid}"


def access_topics(uid: str, party_id: str | None) -> tuple[str, ...]:
    """Touched when somebody's right to read may have ended: everywhere, or in the party if it is in one."""
    if not party_id:
        return (standing_topic(uid),)
    party = f"{CHAT.guarded_by}:{party_id}"
    return standing_topic(uid), party, f"{party}:{uid}"


def mine_topic(uid: str) -> str:
    """Touched by what concerns one person alone: their comments, reactions, marks."""
    return f"comments-mine:{uid}"


def unread_topic(uid: str) -> str:
    """Touched when others say something in a thread where the person is among the last `TOLD` who did, or it is locked
    or gets a title."""
    return f"comments-unread:{uid}"


def notifications_topic(uid: str) -> str:
    return f"notifications:{uid}"


LIVES_TOPIC = "live:all"
"""Touched when the list of live events changes."""
