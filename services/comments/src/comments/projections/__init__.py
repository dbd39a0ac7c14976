"""Read models of comments: threads, rooms, what moderators see and do, and whom it concerns."""

from comments.projections.cases import apply_to_reports
from comments.projections.comments import apply_to_comment
from comments.projections.deeds import apply_to_deeds
from comments.projections.lives import apply_to_audience, apply_to_lives, apply_to_moderators
from comments.projections.marks import apply_to_mark
from comments.projections.notifications import apply_to_notifications
from comments.projections.reactions import apply_to_reaction
from comments.projections.rooms import apply_to_rooms
from comments.projections.standings import apply_to_standings
from comments.projections.threads import apply_to_thread
from events.projection import Projection

PROJECTIONS = (
    # Whom a deed concerns is looked up before rooms let go of what was said; reactions are counted for comments that
    # can be seen after the batch. So the order matters.
    Projection("report", apply_to_reports),
    Projection("deed", apply_to_deeds),
    Projection("notification", apply_to_notifications),
    Projection("thread", apply_to_thread),
    Projection("comment", apply_to_comment),
    Projection("reaction", apply_to_reaction),
    Projection("mark", apply_to_mark),
    Projection("room", apply_to_rooms),
    Projection("live", apply_to_lives),
    Projection("moderator", apply_to_moderators),
    Projection("audience", apply_to_audience),
    Projection("standing", apply_to_standings),
)

PASSING = frozenset({"audience"})
"""Tables of telemetry that is kept for a while only."""
