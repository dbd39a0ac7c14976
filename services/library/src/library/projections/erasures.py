"""Who asked to be erased, and the certificates of those who were."""

from collections.abc import Sequence

import msgspec

from events.contracts.library import ErasureAsked, ErasureCertified, erasure_topic
from events.log import Commit
from events.projection import Db, Projection

ASK = """
    insert into erasure (whom, erasure, by, asked_at, services, position) values ($1, $2, $3, $4, '{}', $5)
    on conflict (whom) do update
       set erasure = excluded.erasure, by = excluded.by, asked_at = excluded.asked_at, done_at = null,
           services = excluded.services, position = excluded.position
"""
CERTIFY = "update erasure set done_at = $3, services = $4, position = $5 where whom = $1 and erasure = $2"


async def apply_to_erasure(db: Db, commits: Sequence[Commit]) -> set[str]:
    """Few ask for it: one statement for each."""
    touched = set()
    for commit in commits:
        for event in commit.events:
            match event:
                case ErasureAsked(uid=uid):
                    await db.execute(ASK, uid, event.erasure, event.by, event.at, commit.sequence)
                case ErasureCertified(uid=uid):
                    services = msgspec.json.encode(event.services).decode()
                    await db.execute(CERTIFY, uid, event.erasure, event.at, services, commit.sequence)
                case _:
                    continue
            touched.add(erasure_topic(uid))
    return touched


PROJECTIONS = (Projection("erasure", apply_to_erasure),)
