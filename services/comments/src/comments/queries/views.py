"""Comments and threads as they are shown to everybody."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from events.contracts.comments import CommentView, Reactions, ThreadView, about, party_of
from events.projection import Db

MOST_EMOJI = 20

SHOWN = (
    "thread_id", "comment_id", "parent", "depth", "uid", "name", "avatar", "text", "media_seconds", "spoiler",
    "posted_at", "edited_at", "veil", "gone", "visible", "replies", "all_replies", "reactions", "mentions", "language",
    "position",
)  # fmt: skip
COLUMNS = ", ".join(f"comment.{column}" for column in SHOWN)

REACTIONS = """
    select asked.thread_id, asked.comment_id, emoji, people
      from unnest($1::text[], $2::text[]) as asked (thread_id, comment_id), lateral (
        select emoji, people from reacted
         where reacted.thread_id = asked.thread_id and reacted.comment_id = asked.comment_id
         order by people desc, emoji limit $3) as found
"""

# Not when its row was made: somebody may have done that whom others do not see.
BEGUN = """
    (select posted_at from comment where comment.thread_id = thread.thread_id and visible
      order by posted_at limit 1) as first_at
"""
THREADS = f"select thread.*, {BEGUN} from thread where thread_id = any($1::text[])"

Named = tuple[str, str]


async def reactions_to(db: Db, rows: Iterable[Any]) -> Mapping[Named, list[Reactions]]:
    """The emoji on these comments, most people first."""
    asked = [(row["thread_id"], row["comment_id"]) for row in rows if row["visible"] and row["reactions"]]
    found: defaultdict[Named, list[Reactions]] = defaultdict(list)
    if asked:
        threads, ids = zip(*asked, strict=True)
        for row in await db.fetch(REACTIONS, threads, ids, MOST_EMOJI):
            found[row["thread_id"], row["comment_id"]].append(Reactions(row["emoji"], row["people"]))
    return found


async def views(db: Db, rows: Sequence[Any], pins: Collection[str] = ()) -> list[CommentView]:
    """*pins*: comments of the thread that are shown above the others."""
    found = await reactions_to(db, rows)
    return [view_of(row, found.get((row["thread_id"], row["comment_id"]), []), pins) for row in rows]


def view_of(row: Any, reactions: list[Reactions], pins: Collection[str] = (), *, mine: bool = False) -> CommentView:
    """What is left of one that others do not see is its place among the others. *mine*: as its author sees it."""
    seen = row["visible"] or mine
    return CommentView(
        comment_id=row["comment_id"],
        thread_id=row["thread_id"],
        parent=row["parent"],
        depth=row["depth"],
        uid=row["uid"] if seen else "",
        name=row["name"] if seen else "",
        avatar=row["avatar"] if seen else "",
        text=row["text"] if seen else "",
        media_seconds=row["media_seconds"] if seen else None,
        spoiler=row["spoiler"] and seen,
        pinned=row["comment_id"] in pins and row["visible"],
        posted_at=row["posted_at"],
        edited_at=row["edited_at"] if seen else None,
        gone=None if seen else row["gone"] or "hidden",
        reactions=reactions,
        replies=row["replies"],
        all_replies=row["all_replies"],
        mentions=row["mentions"] if seen else [],
        language=row["language"] if seen else None,
    )


async def threads_of(db: Db, ids: Iterable[str]) -> dict[str, Any]:
    """Rows of `thread`, by id."""
    return {row["thread_id"]: row for row in await db.fetch(THREADS, list(set(ids)))}


def thread_view(row: Any) -> ThreadView:
    fields = {name: row[name] for name in ThreadView.__struct_fields__}
    return ThreadView(**fields | {"begun_at": row["first_at"]})


def unbegun(thread_id: str, media: str, season: int | None, episode: int | None) -> ThreadView:
    """A thread in which nobody has said anything."""
    named = about(media, season, episode)
    return ThreadView(
        thread_id=thread_id,
        media=named.media,
        season=named.season,
        episode=named.episode,
        party_id=party_of(thread_id),
        title=None,
        begun_at=None,
        comments=0,
        people=0,
        latest_at=None,
        locked=False,
    )
