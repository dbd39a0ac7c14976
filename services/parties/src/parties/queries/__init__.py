"""What can be asked about watch parties, and who may follow one."""

from collections.abc import Mapping

from events.contracts import party
from events.definition import Answering
from events.messages import Query
from parties.queries.export import export
from parties.queries.following import grant
from parties.queries.history import timeline
from parties.queries.lists import list_parties, mine
from parties.queries.quality import overall_statistics, statistics
from parties.queries.rights import rights_of
from parties.queries.room import bans, members, queue, state

__all__ = ["QUERIES", "grant"]

QUERIES: Mapping[type[Query], Answering] = {
    party.State: state,
    party.Members: members,
    party.Queue: queue,
    party.Bans: bans,
    party.ShowRights: rights_of,
    party.ShowTimeline: timeline,
    party.ShowStatistics: statistics,
    party.ShowOverallStatistics: overall_statistics,
    party.ListParties: list_parties,
    party.Mine: mine,
    party.Export: export,
}
