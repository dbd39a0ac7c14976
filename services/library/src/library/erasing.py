"""How a person is erased from the library; and since they ask here, from everywhere else."""

from collections.abc import Mapping, Sequence
from typing import Literal, assert_never

from msgspec.structs import replace

from events.contracts.erased import Counts
from events.contracts.library import (
    CertifyErasure,
    EntombInLibrary,
    Erase,
    EraseMe,
    ErasureAsked,
    ErasureCertified,
    ErasureCommand,
    ErasureEvent,
    LibraryErased,
)
from events.decider import Decider
from events.erasing import Erasing, Erasure, count_rows, delete_rows, entombed
from events.erasing import evolve as fold
from events.erasure import Pending, erasing
from events.messages import Context, Rejected
from events.schema import Db
from events.working import Workplace

SERVICES = ("parties", "library", "comments")
"""Where something of a person's may be."""
OWNED = frozenset({"title", "shelf", "list", "addons", "profile", "import"})

WAITING = "select whom, erasure from erasure where done_at is null order by asked_at limit 100"
FORGET_TIMERS = "delete from due where strpos(key, $1) > 0 or strpos(args, $1) > 0"


def decide(command: ErasureCommand, state: Erasure, context: Context) -> list[ErasureEvent]:
    under_way = state.asked != state.certified
    match command:
        case EraseMe():
            if not context.actor:
                raise Rejected("not-signed-in")
            return [] if under_way else [_asked(context.actor, context, by="person")]
        case Erase(uid=uid):
            return [] if under_way else [_asked(uid, context, by="operator")]
        case EntombInLibrary():
            return [*entombed(LibraryErased, command, state, context)]
        case CertifyErasure(uid=uid, erasure=erasure, services=services):
            if not under_way or state.asked != erasure:
                return []
            return [ErasureCertified(uid=uid, erasure=erasure, at=context.now, services=services)]
        case _:
            assert_never(command)


def _asked(uid: str, context: Context, by: Literal["person", "operator"]) -> ErasureAsked:
    return ErasureAsked(uid=uid, erasure=context.command_id[:16], at=context.now, by=by)


def evolve(state: Erasure, event: ErasureEvent) -> Erasure:
    match event:
        case ErasureAsked(erasure=erasure):
            return replace(state, asked=erasure)
        case ErasureCertified(erasure=erasure):
            return replace(state, certified=erasure)
    return fold(state, event)


decider = Decider(Erasure(), decide, evolve)


async def forget(db: Db, uid: str) -> None:
    """All of it is the person's own."""
    await delete_rows(db, uid)
    await db.execute(FORGET_TIMERS, uid)


async def waiting(db: Db) -> Sequence[Pending]:
    return [Pending(*row) for row in await db.fetch(WAITING)]


def certify(pending: Pending, services: Mapping[str, Counts]) -> CertifyErasure:
    return CertifyErasure(uid=pending.uid, erasure=pending.erasure, services=dict(services))


async def work(place: Workplace) -> None:
    """Erase those who asked for it, in the background. For ever."""
    await erasing(place, SERVICES, waiting, certify)


ERASING = Erasing(LibraryErased, EntombInLibrary, forget, count_rows, OWNED, uploads=True)
