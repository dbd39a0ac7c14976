"""Who somebody is: the rules' own merge, with the names and pictures that it leaves out."""

from collections.abc import Sequence
from datetime import datetime

import msgspec
from msgspec import Struct
from msgspec.structs import astuple

from events.contracts.library import (
    PreferencesChanged,
    ProfileClaimed,
    ProfileEdited,
    ProfileEvent,
    profile_topic,
)
from events.log import Commit
from events.projection import Db, Projection
from library.profile import Profile, evolve
from library.projections.rows import columns

LOAD = """
    select uid, state, display_name, avatar, claimed_name, claimed_picture, email, created_at, preferences, position
      from profile where uid = any($1::text[])
"""

SAVE = """
    insert into profile (uid, state, display_name, avatar, claimed_name, claimed_picture, email, created_at,
                         preferences, position)
    select * from unnest($1::text[], $2::bytea[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
                         $8::timestamptz[], $9::text[], $10::bigint[])
    on conflict (uid) do update
       set state = excluded.state, display_name = excluded.display_name, avatar = excluded.avatar,
           claimed_name = excluded.claimed_name, claimed_picture = excluded.claimed_picture, email = excluded.email,
           created_at = excluded.created_at, preferences = excluded.preferences, position = excluded.position
"""

_decoder = msgspec.json.Decoder(Profile)
_encoder = msgspec.json.Encoder()


class Row(Struct):
    """A row of `profile`, in the order of its columns."""

    uid: str
    state: bytes = b"{}"
    display_name: str = ""
    """As edited; empty for what the token says. The same for the avatar."""
    avatar: str = ""
    claimed_name: str = ""
    claimed_picture: str = ""
    email: str = ""
    created_at: datetime | None = None
    preferences: str = "{}"
    position: int = 0

    def take(self, before: Profile, event: ProfileEvent, position: int) -> Profile:
        """Carry the row on by one event; the merge that follows *before*."""
        after = evolve(before, event)
        if isinstance(event, ProfileClaimed):
            self.claimed_name = event.name or self.claimed_name
            self.claimed_picture = event.picture or self.claimed_picture
            self.email = event.email or self.email
        if isinstance(event, ProfileEdited) and after.display_name != before.display_name:
            self.display_name = event.display_name or ""
        if isinstance(event, ProfileEdited) and after.avatar != before.avatar:
            self.avatar = event.avatar or ""
        self.position = position
        return after

    def fill(self, profile: Profile) -> None:
        """What follows from the merge alone."""
        self.state = _encoder.encode(profile)
        self.created_at = profile.claimed_at
        self.preferences = _encoder.encode({k: msgspec.Raw(v.encode()) for k, v in profile.shown().items()}).decode()


async def apply_to_profile(db: Db, commits: Sequence[Commit]) -> set[str]:
    """Carry each person's row through what happened."""
    events = [
        (event, commit.sequence)
        for commit in commits
        for event in commit.events
        if isinstance(event, ProfileClaimed | ProfileEdited | PreferencesChanged)
    ]
    if not events:
        return set()
    uids = sorted({event.uid for event, _ in events})
    rows = {uid: Row(uid) for uid in uids} | {row["uid"]: Row(*row) for row in await db.fetch(LOAD, uids)}
    merged = {uid: _decoder.decode(row.state) for uid, row in rows.items()}
    for event, position in events:
        merged[event.uid] = rows[event.uid].take(merged[event.uid], event, position)
    for uid, row in rows.items():
        row.fill(merged[uid])
    await db.execute(SAVE, *columns(astuple(row) for row in rows.values()))
    return {profile_topic(uid) for uid in uids}


PROJECTIONS: Sequence[Projection] = (Projection("profile", apply_to_profile),)
