"""What the environment says about this installation's comments and chats."""

from typing import Annotated

from msgspec import Meta, field

from comments.limits import Limits
from comments.projections.rooms import KEPT
from comments.retention import Retention
from comments.rules import Rules
from events.contracts.comments import Links
from events.settings import ServiceSettings

Count = Annotated[int, Meta(ge=0)]

LIMITS = Limits()
RULES = Rules()
RETENTION = Retention()


class CommentsSettings(ServiceSettings, frozen=True, kw_only=True):
    """What may be said, how long chats are kept, and how often people may do what; 0 stands for no limit."""

    words_refused: str = field(name="MATINEE_WORDS_REFUSED", default="")
    """Words with which nothing can be said, separated by commas; `word*` stands for all that begin so."""
    words_held: str = field(name="MATINEE_WORDS_HELD", default="")
    """Words with which a moderator has to look at it first, written likewise."""
    links: Links = field(name="MATINEE_LINKS", default=RULES.links)
    """`allow`, `hold` until a moderator has looked, or `refuse`."""
    broadcasters: str = field(name="MATINEE_BROADCASTERS", default=RULES.broadcasters)
    """The role, in a token, of those who may begin live events; anybody may if it is empty."""
    chat_lines: Annotated[int, Meta(ge=1, le=KEPT)] = field(name="MATINEE_CHAT_LINES", default=RETENTION.lines)
    """Lines of each chat that can be read, the newest; 5,000 at most."""
    chat_days: Annotated[float, Meta(ge=0)] = field(name="MATINEE_CHAT_DAYS", default=RETENTION.days)
    """How long they can be read; 0 for no limit."""
    comments_per_minute: Count = field(name="MATINEE_COMMENTS_PER_MINUTE", default=LIMITS.comments_per_minute)
    """Comments that one person may post; 0 for no limit, here and below."""
    edits_per_minute: Count = field(name="MATINEE_EDITS_PER_MINUTE", default=LIMITS.edits_per_minute)
    """Comments of theirs that one person may change."""
    reactions_per_minute: Count = field(name="MATINEE_REACTIONS_PER_MINUTE", default=LIMITS.reactions_per_minute)
    """Emoji that one person may put on comments or take off."""
    chat_per_second: Count = field(name="MATINEE_CHAT_PER_SECOND", default=LIMITS.chat_per_second)
    """Lines that one person may say in chats; after a silence, five times as many at once."""
    reports_per_hour: Count = field(name="MATINEE_REPORTS_PER_HOUR", default=LIMITS.reports_per_hour)
    """Comments and lines that one person may report."""
    lives_per_hour: Count = field(name="MATINEE_LIVES_PER_HOUR", default=LIMITS.lives_per_hour)
    """Sessions of live events that one person may begin."""

    def limits(self) -> Limits:
        return Limits(
            comments_per_minute=self.comments_per_minute,
            edits_per_minute=self.edits_per_minute,
            reactions_per_minute=self.reactions_per_minute,
            chat_per_second=self.chat_per_second,
            reports_per_hour=self.reports_per_hour,
            lives_per_hour=self.lives_per_hour,
        )

    def retention(self) -> Retention:
        return Retention(lines=self.chat_lines, days=self.chat_days)

    def rules(self) -> Rules:
        return Rules(
            words_refused=listed(self.words_refused),
            words_held=listed(self.words_held),
            links=self.links,
            broadcasters=self.broadcasters,
        )


def listed(text: str) -> tuple[str, ...]:
    """What stands between commas, but for nothing."""
    return tuple(word for part in text.split(",") if (word := part.strip()))
