"""How often people may do what, counted over all replicas; what rooms set for themselves is in `rooms`."""

from collections.abc import Sequence

from msgspec import Struct

from events.contracts.comments import Edit, Post, React, ReportComment, ReportLine, Say, StartLive
from events.messages import Command, Context
from events.quotas import Charge, Charging, Quota

MINUTE = 60
HOUR = 3600
BURST = 5
"""Lines of a chat that one person may say at once, after a silence."""


class Limits(Struct, frozen=True, kw_only=True):
    """Whatever is 0 is without a limit; all of it is one person's, wherever they do it."""

    comments_per_minute: int = 5
    """That they post (the anime seed)."""
    edits_per_minute: int = 20
    reactions_per_minute: int = 30
    """That they put on comments or take off."""
    chat_per_second: int = 1
    """Lines of chats, and five times as many at once."""
    reports_per_hour: int = 10
    """Of comments and lines together."""
    lives_per_hour: int = 10
    """Sessions of live events that they begin."""


def charging(limits: Limits) -> Charging:
    """Which of these a command uses; what moderators do as such uses none."""
    reports = Quota("reports", limits.reports_per_hour, HOUR)
    quotas: dict[type[Command], Quota] = {
        Post: Quota("comments", limits.comments_per_minute, MINUTE),
        Edit: Quota("edits", limits.edits_per_minute, MINUTE),
        React: Quota("reactions", limits.reactions_per_minute, MINUTE),
        Say: Quota("chat", BURST * limits.chat_per_second, BURST),
        ReportComment: reports,
        ReportLine: reports,
        StartLive: Quota("lives", limits.lives_per_hour, HOUR),
    }

    def charges(command: Command, context: Context) -> Sequence[Charge]:
        quota = quotas.get(type(command))
        return (Charge(quota, context.actor),) if quota is not None else ()

    return charges
