"""The question who I am."""

from collections.abc import Mapping
from typing import Any

import msgspec

from events.contracts.library import Profile, ProfileView
from events.definition import Answering
from events.messages import Context, Query
from events.projection import Db

FETCH = """
    select display_name, avatar, claimed_name, claimed_picture, email, created_at, preferences
      from profile where uid = $1
"""

NOBODY: dict[str, Any] = {
    "display_name": "",
    "avatar": "",
    "claimed_name": "",
    "claimed_picture": "",
    "email": "",
    "created_at": None,
    "preferences": "{}",
}


async def profile(db: Db, query: Profile, context: Context) -> ProfileView:
    """Of a guest nothing is kept until they say something of themselves; their name is in their token."""
    row = await db.fetchrow(FETCH, context.actor) or NOBODY
    claimed = row["claimed_name"] or context.name
    return ProfileView(
        uid=context.actor,
        display_name=row["display_name"] or claimed,
        avatar=row["avatar"] or row["claimed_picture"],
        email=row["email"],
        claimed_name=claimed,
        claimed_picture=row["claimed_picture"],
        created_at=row["created_at"],
        preferences=msgspec.json.decode(row["preferences"]),
    )


QUERIES: Mapping[type[Query], Answering] = {Profile: profile}
