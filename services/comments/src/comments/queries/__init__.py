"""What can be asked about comments, chats and their moderation."""

from collections.abc import Mapping

from comments.queries import (
    export,
    followed,
    lives,
    mine,
    moderation,
    notifications,
    rooms,
    search,
    statistics,
    threads,
    timed,
)
from comments.retention import Retention
from events.contracts import comments
from events.definition import Answering
from events.messages import Query


def queries(retention: Retention) -> Mapping[type[Query], Answering]:
    """As long as an installation keeps what is said."""
    return {
        comments.ShowThread: threads.thread,
        comments.ShowReplies: threads.replies,
        comments.ShowMine: mine.mine,
        comments.ShowTimed: timed.timed,
        comments.ShowDensity: timed.density,
        comments.ShowEdits: mine.edits,
        comments.ShowStatistics: statistics.statistics,
        comments.ShowAuthor: statistics.author,
        comments.ShowDiscussed: statistics.discussed,
        comments.ShowFollowed: followed.threads,
        comments.SearchComments: search.search,
        **rooms.queries(retention),
        **lives.queries(retention),
        **moderation.QUERIES,
        **notifications.QUERIES,
        **export.QUERIES,
    }
