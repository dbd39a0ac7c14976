"""What a party watches next, in order, and who wants it."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct
from msgspec.structs import astuple

from events.contracts.party import Banned, Dequeued, Kicked, Left, MediaChanged, Moved, Queued, Undone, Voted
from events.log import Commit
from events.projection import Db
from parties.projections.facts import Fact, columns, facts_of

LOAD_ITEMS = """
    select party_id, item, place, media, media_title, season, episode, file_index, source, by, added_at, position
      from item where party_id = any($1::text[]) order by party_id, place
"""

DELETE_ITEMS = """
    delete from item using unnest($1::text[], $2::text[]) as gone (party_id, item)
     where item.party_id = gone.party_id and item.item = gone.item
"""

SAVE_ITEMS = """
    insert into item (party_id, item, place, media, media_title, season, episode, file_index, source, by, added_at,
                      position)
    select * from unnest($1::text[], $2::text[], $3::int[], $4::text[], $5::text[], $6::int[], $7::int[], $8::int[],
                         $9::text[], $10::text[], $11::timestamptz[], $12::bigint[])
    on conflict (party_id, item) do update set place = excluded.place, position = excluded.position
     where (item.place, item.position) is distinct from (excluded.place, excluded.position)
"""

DELETE_VOTES = """
    delete from vote using unnest($1::text[], $2::text[], $3::text[]) as gone (party_id, item, uid)
     where vote.party_id = gone.party_id and vote.item = gone.item and vote.uid = gone.uid
"""

DELETE_STRAY_VOTES = """
    delete from vote
     where party_id = any($1::text[])
       and not exists (select from item where item.party_id = vote.party_id and item.item = vote.item)
"""

DELETE_VOTES_OF = """
    delete from vote using unnest($1::text[], $2::text[]) as gone (party_id, uid)
     where vote.party_id = gone.party_id and vote.uid = gone.uid
"""

SAVE_VOTES = """
    insert into vote (party_id, item, uid, position)
    select * from unnest($1::text[], $2::text[], $3::text[], $4::bigint[])
    on conflict (party_id, item, uid) do update set position = excluded.position
"""

TAKEN = -1
"""The place of an item that is in no queue."""


class ItemRow(Struct):
    """A row of `item`, in the order of its columns."""

    party_id: str
    item: str
    place: int
    """From 0 on, without a gap; `TAKEN` for the one that is watched instead."""
    media: str
    media_title: str | None
    season: int | None
    episode: int | None
    file_index: int | None
    source: str
    by: str
    added_at: datetime
    position: int
    """Of the last commit that spoke of this item."""


class QueueRows:
    """The items of one party."""

    def __init__(self) -> None:
        self.queued: list[ItemRow] = []
        """In order."""
        self.taken: ItemRow | None = None
        """The last one that left the queue to be watched: an undo puts it back, with its source and its votes."""
        self.gone: list[ItemRow] = []

    def load(self, row: ItemRow) -> None:
        if row.place == TAKEN:
            self.taken = row
        else:
            self.queued.append(row)

    def fold(self, fact: Fact) -> None:
        position = fact.commit.sequence
        match fact.event:
            case Queued(item=item):
                if self.taken is not None and self.taken.item == item:
                    # By a command that was sent again after it had been forgotten.
                    self.gone.append(self.taken)
                    self.taken = None
                self.queued.append(_queued(fact))
            case Moved(item=item, before=before):
                self._put(self._off(item), before, position)
            case Dequeued(item=item):
                self.gone.append(self._off(item))
            case Undone(requeued=str(), before=before) if self.taken is not None:
                row, self.taken = self.taken, None
                self._put(row, before, position)
            case Undone(item=str() as item) | MediaChanged(item=str() as item):
                self._take(self._off(item), position)

    def _off(self, item: str) -> ItemRow:
        (row,) = (row for row in self.queued if row.item == item)
        self.queued.remove(row)
        return row

    def _put(self, row: ItemRow, before: str | None, position: int) -> None:
        """To before another item, or to the end if that is not there."""
        row.position = position
        end = len(self.queued)
        self.queued.insert(next((place for place, other in enumerate(self.queued) if other.item == before), end), row)

    def _take(self, row: ItemRow, position: int) -> None:
        """Nobody can take back what was taken before it."""
        if self.taken is not None:
            self.gone.append(self.taken)
        row.place, row.position = TAKEN, position
        self.taken = row

    def rows(self) -> list[tuple[Any, ...]]:
        for place, row in enumerate(self.queued):
            row.place = place
        return [astuple(row) for row in (*self.queued, *([self.taken] if self.taken else ()))]


async def apply_to_item(db: Db, commits: Sequence[Commit]) -> set[str]:
    """Load the queues that the batch touches, as a whole, since a move is relative; save them in their new order."""
    facts = [fact for fact in facts_of(commits, ITEM_EVENTS) if _of_queue(fact.event)]
    if not facts:
        return set()
    queues: defaultdict[str, QueueRows] = defaultdict(QueueRows)
    for row in await db.fetch(LOAD_ITEMS, list({fact.party_id for fact in facts})):
        queues[row["party_id"]].load(ItemRow(*row))
    for fact in facts:
        queues[fact.party_id].fold(fact)
    if gone := [(row.party_id, row.item) for queue in queues.values() for row in queue.gone]:
        await db.execute(DELETE_ITEMS, *columns(gone))
    if rows := [row for queue in queues.values() for row in queue.rows()]:
        await db.execute(SAVE_ITEMS, *columns(rows))
    return set()


class Votes:
    """What a batch says of votes; what it takes back is deleted before what is left of `up` is saved."""

    def __init__(self) -> None:
        self.up: dict[tuple[str, str, str], int] = {}
        """By party, item and voter: the commit."""
        self.down: set[tuple[str, str, str]] = set()
        self.left: set[tuple[str, str]] = set()
        """Party and voter: votes are members' votes."""
        self.changed: set[str] = set()
        """Parties of which an item may be gone."""

    def take(self, fact: Fact) -> None:
        match fact.event:
            case Voted(item=item, uid=uid, up=up):
                key = fact.party_id, item, uid
                self.down.add(key)
                self.up.pop(key, None)
                if up:
                    self.up[key] = fact.commit.sequence
            case Left(uid=uid) | Kicked(uid=uid) | Banned(uid=uid):
                self.left.add((fact.party_id, uid))
                left = fact.party_id, uid
                self.up = {key: position for key, position in self.up.items() if (key[0], key[2]) != left}
            case Dequeued() | MediaChanged(item=str()):
                self.changed.add(fact.party_id)


async def apply_to_vote(db: Db, commits: Sequence[Commit]) -> set[str]:
    """The last thing that somebody says of an item counts, as long as both are there.

    Runs when the items are as they are after the batch.
    """
    votes = Votes()
    for fact in facts_of(commits, VOTE_EVENTS):
        votes.take(fact)
    for statement, keys in (
        (DELETE_VOTES, votes.down),
        (DELETE_VOTES_OF, votes.left),
        (SAVE_VOTES, [(*key, position) for key, position in votes.up.items()]),
    ):
        if keys:
            await db.execute(statement, *columns(keys))
    if votes.changed:
        await db.execute(DELETE_STRAY_VOTES, list(votes.changed))
    return set()


ITEM_EVENTS = frozenset({Queued, Moved, Dequeued, Undone, MediaChanged})
VOTE_EVENTS = frozenset({Voted, Dequeued, MediaChanged, Left, Kicked, Banned})


def _of_queue(event: Any) -> bool:
    """What is chosen by hand leaves the queue alone, and so does the undo of most controls."""
    match event:
        case MediaChanged(item=None) | Undone(item=None, requeued=None):
            return False
    return True


def _queued(fact: Fact) -> ItemRow:
    event: Queued = fact.event
    return ItemRow(
        party_id=fact.party_id,
        item=event.item,
        place=0,
        media=event.media,
        media_title=event.media_title,
        season=event.season,
        episode=event.episode,
        file_index=event.file_index,
        source=event.source,
        by=event.by,
        added_at=event.at,
        position=fact.commit.sequence,
    )
