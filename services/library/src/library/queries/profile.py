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
    row = await db.fetchrow(FETCH, context.actor) or NOBODY
    return ProfileView(
        uid=context.actor,
        display_name=row["display_name"] or row["claimed_name"],
        avatar=row["avatar"] or row["claimed_picture"],
        email=row["email"],
        claimed_name=row["claimed_name"],
        claimed_picture=row["claimed_picture"],
        created_at=row["created_at"],
        preferences=msgspec.json.decode(row["preferences"]),
    )


QUERIES: Mapping[type[Query], Answering] = {Profile: profile}
