"""Who may what in a thread or a room: the refusals that many rules share, in the order in which they are told."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Protocol

from msgspec import Struct

from comments.rooms import Room
from comments.rules import Rules
from events.contracts.comments import MODERATORS, SITE, RoomSettings, Veil, party_in, room_key, standing_key
from events.contracts.party import Rights
from events.messages import Context, Rejected

RIGHTS = "party.rights"
READERS = "readers"


class Seen(Protocol):
    """Something that somebody said: a comment, a line."""

    @property
    def uid(self) -> str: ...

    @property
    def veil(self) -> Veil: ...


class Standing(Struct, frozen=True):
    """What moderators have said about a person, in one room or everywhere, and what of it still holds."""

    muted: bool = False
    muted_until: float | None = None
    """In unix seconds; None for good."""
    shadow: bool = False
    """Whether whoever is muted does not notice it."""
    banned: bool = False
    banned_until: float | None = None

    def is_muted(self, now: datetime) -> bool:
        return self.muted and _lasts(self.muted_until, now)

    def is_banned(self, now: datetime) -> bool:
        return self.banned and _lasts(self.banned_until, now)


def _lasts(until: float | None, now: datetime) -> bool:
    return until is None or now.timestamp() < until


def must_be_signed_in(context: Context) -> None:
    if not context.actor:
        raise Rejected("not-signed-in")


def standing_of(context: Context, where: str, uid: str) -> Standing:
    """As the command looked at it; a clean one if it did not, or if nobody ever said anything."""
    seen = context.seen.get(str(standing_key(where, uid)))
    return seen if isinstance(seen, Standing) else Standing()


def room_of(context: Context, room: str) -> Room:
    """As the command looked at it; one as they all begin if it did not."""
    seen = context.seen.get(str(room_key(room)))
    return seen if isinstance(seen, Room) else Room()


def rights_in(context: Context) -> Rights:
    """What the party says of who asks. Without its answer nobody may do anything."""
    told = context.told.get(RIGHTS)
    if not isinstance(told, Rights):
        raise Rejected("not-a-member")
    return told


def is_site_moderator(context: Context) -> bool:
    return not set(MODERATORS).isdisjoint(context.roles)


def is_in_charge(context: Context, room: str | None, state: Room | None = None) -> bool:
    """Whether somebody is one of a room's own moderators: the party's permission table or the live's owner says so."""
    if room is None:
        return False
    if party_in(room):
        return "people" in rights_in(context).may
    live = state or room_of(context, room)
    return bool(live.owner) and context.actor in (live.owner, *live.moderators)


def moderates(context: Context, room: str | None, state: Room | None = None) -> bool:
    """Whether somebody's word counts there, in a room or, without one, in the threads for everybody.

    *state*: of the room, where the decision is about it; else as the command looked at it. What this says is for those
    who may read there.
    """
    return is_site_moderator(context) or is_in_charge(context, room, state)


def may_read(context: Context, room: str | None, state: Room | None = None) -> None:
    """Who is banned everywhere reads nothing. What is said in a room about its moderators does not bind them: only
    they could have said it, and who is made a moderator later is trusted from then on."""
    must_be_signed_in(context)
    if room is not None:
        _must_exist(context, room, state)
    must_not_be_banned(_standings(context, room, state), context.now)


def may_write(context: Context, room: str | None, state: Room | None = None) -> Veil:
    """Under which veil somebody writes there: `shadow` for who is muted without noticing."""
    may_read(context, room, state)
    if room is not None and party_in(room) and rights_in(context).role is None:
        raise Rejected("not-a-member")
    return veil_of(_standings(context, room, state), context.now)


def must_not_be_banned(standings: Sequence[Standing], now: datetime) -> None:
    ends = [standing.banned_until for standing in standings if standing.is_banned(now)]
    if ends:
        raise Rejected("banned", until=latest(map(_moment, ends)))


def veil_of(standings: Sequence[Standing], now: datetime) -> Veil:
    """Raise `Rejected`; whoever is muted in the shadow as well is not told when that ends."""
    muted = [standing for standing in standings if standing.is_muted(now)]
    ends = [standing.muted_until for standing in muted if not standing.shadow]
    if ends:
        raise Rejected("muted", until=latest(map(_moment, ends)))
    return "shadow" if muted else ""


def latest(ends: Iterable[datetime | None]) -> str | None:
    """When all of it is over, as a refusal tells it; None if something never is."""
    known = list(ends)
    moments = [end for end in known if end is not None]
    return max(moments).astimezone(UTC).isoformat() if len(moments) == len(known) else None


def _moment(end: float | None) -> datetime | None:
    return None if end is None else datetime.fromtimestamp(end, UTC)


def is_in_shadow(context: Context, room: str | None, state: Room | None = None) -> bool:
    return any(one.shadow and one.is_muted(context.now) for one in _standings(context, room, state))


def is_own_shadow(said: Seen, context: Context, room: str | None, state: Room | None = None) -> bool:
    """Whether somebody would step out of the shadow by moderating themselves; they must not notice it either."""
    return said.uid == context.actor and (said.veil == "shadow" or is_in_shadow(context, room, state))


def unseen_with(answered: Seen | None) -> Veil:
    """An answer to what is held back, or said in the shadow, is so with it: it would tell that there is something.
    One to what a moderator has hidden tells nothing: others saw that it was there."""
    return answered.veil if answered and answered.veil != "moderated" else ""


def must_moderate(context: Context, room: str | None, state: Room | None = None) -> None:
    may_read(context, room, state)
    if not moderates(context, room, state):
        raise Rejected("not-a-moderator")


def must_be_open(context: Context) -> None:
    """For what is said in a party's chat."""
    if rights_in(context).closed:
        raise Rejected("party-closed")


def sees(context: Context, uid: str, veil: Veil, room: str | None, state: Room | None = None) -> bool:
    """Whether what *uid* said under this veil is there for who asks."""
    return not veil or uid == context.actor or moderates(context, room, state)


def held_by(text: str, room: str | None, context: Context, rules: Rules) -> str:
    """The rule that holds a text of a thread back, the installation's or the room's. Moderators are not bound by any.

    Raise `Rejected` if one refuses it.
    """
    if moderates(context, room):
        return ""
    return rules.apply(text, room_of(context, room).settings if room else RoomSettings())


def readers(context: Context, mentions: tuple[str, ...], room: str | None) -> tuple[str, ...]:
    """Who of those mentioned is told of it: each once, not the author, and in a party only whoever may read there."""
    return tuple(uid for uid in dict.fromkeys(mentions) if uid != context.actor and reads(context, uid, room))


def reads(context: Context, uid: str, room: str | None) -> bool:
    """Whether somebody else, who is mentioned or answered there, may read it; in a party, that was asked before."""
    if room is None or not party_in(room) or uid == context.actor:
        return True
    return uid in context.told.get(READERS, frozenset())


def _must_exist(context: Context, room: str, state: Room | None) -> None:
    if party_in(room):
        rights_in(context)
    elif not (state or room_of(context, room)).owner:
        raise Rejected("no-such-live")


def _standings(context: Context, room: str | None, state: Room | None) -> list[Standing]:
    """What binds somebody there."""
    everywhere = standing_of(context, SITE, context.actor)
    if room is None or moderates(context, room, state):
        return [everywhere]
    return [everywhere, standing_of(context, room, context.actor)]
