"""What moderators say about people and do about what was said, in one room or everywhere."""

from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal

from msgspec import Meta, Struct

from events.contracts.comments.words import (
    SITE,
    Cursor,
    PageSize,
    Reason,
    Veil,
    Where,
    access_topics,
    moderation_topic,
    party_in,
    room_key,
    standing_key,
)
from events.messages import Command, Context, Event, Id, Key, Query

FOR_MODERATORS = ("no-such-party", "not-a-member", "banned", "no-such-live", "not-a-moderator")


class _OnPerson(Command, frozen=True, kw_only=True):
    where: Where
    uid: Id

    def keys(self, context: Context) -> tuple[Key, ...]:
        return (standing_key(self.where, self.uid),)

    def looks_at(self, context: Context) -> tuple[Key, ...]:
        return () if self.where == SITE else (room_key(self.where),)


Lasting = Annotated[float, Meta(ge=1, le=31_536_000)]


class Mute(_OnPerson, frozen=True, kw_only=True):
    """Let somebody read and not write, or, in the shadow, write what nobody but they and moderators see.

    Who is muted already is so from now on as this says.
    """

    function: ClassVar[str] = "moderation.mute"
    errors: ClassVar[tuple[str, ...]] = (*FOR_MODERATORS, "not-above")
    seconds: Lasting | None = None
    """Until it is over; for good if not given."""
    shadow: bool = False
    reason: Reason = ""


class Unmute(_OnPerson, frozen=True, kw_only=True):
    """Let somebody write again, for others to see."""

    function: ClassVar[str] = "moderation.unmute"
    errors: ClassVar[tuple[str, ...]] = FOR_MODERATORS


class BanPerson(_OnPerson, frozen=True, kw_only=True):
    """Let somebody neither read nor write there. A party they may be in all the same; that is for `party.ban`."""

    function: ClassVar[str] = "moderation.ban"
    errors: ClassVar[tuple[str, ...]] = (*FOR_MODERATORS, "not-above")
    seconds: Lasting | None = None
    reason: Reason = ""


class UnbanPerson(_OnPerson, frozen=True, kw_only=True):
    """Let somebody in again."""

    function: ClassVar[str] = "moderation.unban"
    errors: ClassVar[tuple[str, ...]] = FOR_MODERATORS


class PersonMuted(Event, frozen=True, kw_only=True, tag="comments.person-muted"):
    """Somebody may not write, or only for themselves."""

    where: str
    uid: str
    by: str
    at: datetime
    until: datetime | None = None
    shadow: bool = False
    reason: str = ""


class PersonUnmuted(Event, frozen=True, kw_only=True, tag="comments.person-unmuted"):
    """Somebody may write again."""

    where: str
    uid: str
    by: str
    at: datetime


class PersonBanned(Event, frozen=True, kw_only=True, tag="comments.person-banned"):
    """Somebody may neither read nor write."""

    where: str
    uid: str
    by: str
    at: datetime
    until: datetime | None = None
    reason: str = ""


class PersonUnbanned(Event, frozen=True, kw_only=True, tag="comments.person-unbanned"):
    """Somebody may come in again."""

    where: str
    uid: str
    by: str
    at: datetime


class StandingView(Struct, frozen=True, kw_only=True):
    """Somebody of whom moderators have said something that still holds."""

    uid: str
    name: str
    """As they called themselves last, anywhere; empty if they never said anything."""
    muted: bool
    muted_until: datetime | None
    shadow: bool
    banned: bool
    banned_until: datetime | None
    by: str
    reason: str
    at: datetime


class StandingsPage(Struct, frozen=True):
    """Latest first; `cursor` asks for more, null when there are none."""

    standings: list[StandingView]
    cursor: str | None


class Complaint(Struct, frozen=True, kw_only=True):
    """What somebody reported."""

    uid: str
    why: str
    words: str
    at: datetime


class CaseView(Struct, frozen=True, kw_only=True):
    """Something that a moderator should look at: it was reported, or a rule holds it back, or it is hidden."""

    kind: Literal["comment", "line"]
    thread_id: str | None
    room: str | None
    id: str
    """Of the comment or the line."""
    uid: str
    name: str
    text: str
    veil: Veil
    rule: str
    """That holds it back."""
    at: datetime
    reports: int
    """That nobody has looked at yet."""
    complaints: list[Complaint]
    """The newest five of them."""


class CasesPage(Struct, frozen=True):
    """Those with most reports first, then the newest; `cursor` asks for more, null when there are none."""

    cases: list[CaseView]
    cursor: str | None


class Deed(Struct, frozen=True, kw_only=True):
    """Something that a moderator did."""

    position: str
    type: str
    """The event's tag: `comments.hidden`."""
    by: str
    by_name: str
    uid: str | None
    """Whom it concerned."""
    uid_name: str
    thread_id: str | None
    room: str | None
    id: str | None
    """Of the comment or the line."""
    reason: str
    until: datetime | None
    shadow: bool
    at: datetime


class DeedsPage(Struct, frozen=True):
    """Latest first; `cursor` asks for more, null when there are none."""

    deeds: list[Deed]
    cursor: str | None


class _ForModerators(Query, frozen=True, kw_only=True):
    """`site` is for moderators of everything, and tells of threads for everybody; a room's own also may ask for it."""

    errors: ClassVar[tuple[str, ...]] = (*FOR_MODERATORS, "bad-cursor")
    where: Where
    limit: PageSize = 50
    cursor: Cursor | None = None

    def topics(self, uid: str) -> tuple[str, ...]:
        return (moderation_topic(self.where),)

    def access(self, uid: str) -> tuple[str, ...]:
        return access_topics(uid, party_in(self.where))


class ShowCases(_ForModerators, frozen=True, kw_only=True):
    """What is to be looked at."""

    function: ClassVar[str] = "moderation.cases"
    returns: ClassVar[Any] = CasesPage
    veil: Literal["waiting", "hidden"] = "waiting"
    """What was reported or is held back, or else what is hidden."""


class ShowDeeds(_ForModerators, frozen=True, kw_only=True):
    """Who of the moderators did what."""

    function: ClassVar[str] = "moderation.log"
    returns: ClassVar[Any] = DeedsPage


class ShowStandings(_ForModerators, frozen=True, kw_only=True):
    """Who is muted or banned."""

    function: ClassVar[str] = "moderation.people"
    returns: ClassVar[Any] = StandingsPage


StandingCommand = Mute | Unmute | BanPerson | UnbanPerson
StandingEvent = PersonMuted | PersonUnmuted | PersonBanned | PersonUnbanned

MODERATION_COMMANDS: tuple[type[Command], ...] = (Mute, Unmute, BanPerson, UnbanPerson)
MODERATION_EVENTS: tuple[type[Event], ...] = (PersonMuted, PersonUnmuted, PersonBanned, PersonUnbanned)
MODERATION_QUERIES: tuple[type[Query], ...] = (ShowCases, ShowDeeds, ShowStandings)
