"""What a party watches next, in order, and who wants it."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct
from msgspec.structs import astuple

from events.contracts.party import Banned, Dequeued, Kicked, Left, MediaChanged, Moved, Queued, Voted
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

DELETE_VOTES_FOR = """
    delete from vote using unnest($1::text[], $2::text[]) as gone (party_id, item)
     where vote.party_id = gone.party_id and vote.item = gone.item
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


class ItemRow(Struct):
    """A row of `item`, in the order of its columns."""

    party_id: str
    item: str
    place: int
    """From 0 on, without a gap."""
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


Queues = defaultdict[str, list[ItemRow]]


async def apply_to_item(db: Db, commits: Sequence[Commit]) -> set[str]:
    """Load the queues that the batch touches, as a whole, since a move is relative; save them in their new order."""
    facts = [fact for fact in facts_of(commits, ITEM_EVENTS) if _of_queue(fact.event)]
    if not facts:
        return set()
    queues: Queues = defaultdict(list)
    for row in await db.fetch(LOAD_ITEMS, list({fact.party_id for fact in facts})):
        queues[row["party_id"]].append(ItemRow(*row))
    gone = set()
    for fact in facts:
        match fact.event:
            case Queued():
                queues[fact.party_id].append(_queued(fact))
            case Moved(item=item, before=before):
                _move(queues[fact.party_id], item, before, fact.commit.sequence)
            case Dequeued(item=item) | MediaChanged(item=item):
                gone.add((fact.party_id, item))
                queues[fact.party_id] = [row for row in queues[fact.party_id] if row.item != item]
    if gone:
        await db.execute(DELETE_ITEMS, *columns(gone))
    if rows := [row for queue in queues.values() for row in _numbered(queue)]:
        await db.execute(SAVE_ITEMS, *columns(rows))
    return set()


class Votes:
    """What a batch says of votes; each set of it is deleted before what is left of `up` is saved."""

    def __init__(self) -> None:
        self.up: dict[tuple[str, str, str], int] = {}
        """By party, item and voter: the commit."""
        self.down: set[tuple[str, str, str]] = set()
        self.left: set[tuple[str, str]] = set()
        """Party and voter: votes are members' votes."""
        self.gone: set[tuple[str, str]] = set()
        """Party and item."""

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
                self._keep(lambda key: (key[0], key[2]) != (fact.party_id, uid))
            case Dequeued(item=item) | MediaChanged(item=str() as item):
                self.gone.add((fact.party_id, item))
                self._keep(lambda key: key[:2] != (fact.party_id, item))

    def _keep(self, stays: Callable[[tuple[str, str, str]], bool]) -> None:
        self.up = {key: position for key, position in self.up.items() if stays(key)}


async def apply_to_vote(db: Db, commits: Sequence[Commit]) -> set[str]:
    """The last thing that somebody says of an item counts, as long as both are there."""
    votes = Votes()
    for fact in facts_of(commits, VOTE_EVENTS):
        votes.take(fact)
    for statement, keys in (
        (DELETE_VOTES, votes.down),
        (DELETE_VOTES_OF, votes.left),
        (DELETE_VOTES_FOR, votes.gone),
        (SAVE_VOTES, [(*key, position) for key, position in votes.up.items()]),
    ):
        if keys:
            await db.execute(statement, *columns(keys))
    return set()


ITEM_EVENTS = frozenset({Queued, Moved, Dequeued, MediaChanged})
VOTE_EVENTS = frozenset({Voted, Dequeued, MediaChanged, Left, Kicked, Banned})


def _of_queue(event: Any) -> bool:
    """What is chosen by hand leaves the queue alone."""
    return not isinstance(event, MediaChanged) or event.item is not None


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


def _move(queue: list[ItemRow], item: str, before: str | None, position: int) -> None:
    """To before another item, or to the end if that is not there."""
    (row,) = (row for row in queue if row.item == item)
    row.position = position
    queue.remove(row)
    queue.insert(next((index for index, other in enumerate(queue) if other.item == before), len(queue)), row)


def _numbered(queue: list[ItemRow]) -> list[tuple[Any, ...]]:
    for place, row in enumerate(queue):
        row.place = place
    return [astuple(row) for row in queue]
