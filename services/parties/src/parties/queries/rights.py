"""Who may read a party, and how much of it fits into one answer."""

from collections.abc import Sequence
from typing import Any, TypeVar, get_args

import msgspec

from events.contracts.party import ROLES, Action, Rights, Role, Settings, ShowRights
from events.messages import Context, Rejected
from events.projection import Db

T = TypeVar("T")

PAGE_BYTES = 600_000
"""Of one page: an answer over the bus takes 1 MB at most, and texts of other people's may be long."""

STANDING = """
           (select case when member.uid = party.host then 'host' else member.role end
              from member where member.party_id = $1 and member.uid = $2) as role,
           exists (select 1 from ban where ban.party_id = $1 and ban.uid = $2) as banned
"""
"""What somebody is in a party."""
RIGHTS = f"select host, private, closed_at, settings, members, {STANDING} from party where party_id = $1"
PARTY = f"""
    select party.*, {STANDING},
           (select count(*) from item where item.party_id = $1 and place >= 0) as queued,
           (select count(*) from member where member.party_id = $1 and skips) as skip_votes,
           (select at from audience where audience.party_id = $1) as heard_at
      from party where party.party_id = $1
"""


async def rights_of(db: Db, query: ShowRights, context: Context) -> Rights:
    row = await readable(db, query.party_id, context, RIGHTS)
    may = [action for action in get_args(Action) if allows(row, action)]
    closed = row["closed_at"] is not None
    return Rights(role=row["role"], may=may, closed=closed, host=row["host"], members=row["members"])


async def readable(db: Db, party_id: str, context: Context, sql: str = PARTY) -> Any:
    """The party's row, and as `role` what the actor is in it, null for no member. Raise `Rejected`: `no-such-party`,
    `banned`, `not-a-member`.
    """
    row = await db.fetchrow(sql, party_id, context.actor)
    if row is None:
        raise Rejected("no-such-party")
    if row["banned"]:
        raise Rejected("banned")
    if row["private"] and row["role"] is None:
        raise Rejected("not-a-member")
    return row


async def of_mine(db: Db, party_id: str, context: Context) -> Any:
    """The same for what only members may see."""
    row = await readable(db, party_id, context)
    if row["role"] is None:
        raise Rejected("not-a-member")
    return row


def settings_of(row: Any) -> Settings:
    return msgspec.json.decode(row["settings"], type=Settings)


def needed(row: Any, action: Action) -> Role:
    """What somebody has to be, by the party's permissions."""
    role: Role = getattr(settings_of(row).permissions, action)
    return role


def allows(row: Any, action: Action) -> bool:
    """Whether they are."""
    return row["role"] is not None and ROLES.index(row["role"]) >= ROLES.index(needed(row, action))


def fitting(views: Sequence[T], limit: int) -> list[T]:
    """The first of them that take up *limit* bytes together; one at least, lest a page lead nowhere."""
    size = 0
    for count, view in enumerate(views):
        size += len(msgspec.json.encode(view))
        if size > limit:
            return list(views[: max(count, 1)])
    return list(views)
