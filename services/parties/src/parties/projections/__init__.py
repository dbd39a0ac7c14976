"""Read models of watch parties: screens, people, queues, timelines, and how well members are in sync."""

from events.projection import Projection
from parties.projections.members import apply_to_ban, apply_to_member, apply_to_person
from parties.projections.party import apply_to_party
from parties.projections.queue import apply_to_item, apply_to_vote
from parties.projections.sync import apply_to_sync

PROJECTIONS = (
    # Members look up who is host before the batch, screens what was queued before it, and votes what is after it: so
    # the order matters.
    Projection("person", apply_to_person),
    Projection("member", apply_to_member),
    Projection("ban", apply_to_ban),
    Projection("party", apply_to_party),
    Projection("item", apply_to_item),
    Projection("vote", apply_to_vote),
    Projection("sync", apply_to_sync),
)

PASSING = frozenset({"audience", "heard", "sync_sample", "sync_member"})
"""Tables of telemetry that is kept for a while only."""
