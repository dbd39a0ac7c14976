"""What a decision or an answer needs from elsewhere: the rights in parties, asked in the name of whoever asks; lines
that the state of a room has forgotten; and for a first comment its thread.

A party's answer about a member is remembered for a moment, for what members do most: what is granted once is good for a
long time, and whoever has just joined, or was just made a moderator, finds that out at once.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from hashlib import sha256
from typing import Any, TypeVar

import msgspec
from msgspec.structs import replace

from comments.guards import READERS, RIGHTS
from comments.rooms import LINE, KeptLine
from comments.standings import OTHERS
from events.bus import Bus, Msg, TimedOut, Unavailable
from events.contracts.comments import (
    CHAT,
    COMMANDS,
    CONTEXT,
    QUERIES,
    BanPerson,
    BeginThread,
    Edit,
    HideLine,
    MarkRead,
    Mute,
    PinLine,
    Post,
    React,
    ReportLine,
    RestoreLine,
    ReviewLine,
    Say,
    SearchComments,
    ShowFollowed,
    comment_key,
    party_in,
    party_of,
    room_key,
    thread_key,
)
from events.contracts.party import SEEN, Mine, MyPartiesPage, Rights, ShowRights
from events.decider import Decider
from events.definition import Preparations, Preparing
from events.messages import CONTEXT as HEADER
from events.messages import Answer, Command, Context, GrantRequest, Notice, Position, Query, Rejected
from events.working import Workplace

T = TypeVar("T")
Looking = Callable[[Any, Context], Awaitable[Context]]
"""Finds out one thing: (message, context) to the context with it."""

PARTIES = "parties"
MINE = "party.mine"
KEPT_SECONDS = 20.0
"""Notices end it sooner; so long an answer may be believed although a notice was lost and no later one showed it."""
KEPT_PARTIES = 2_000
KEPT_PEOPLE = 2_000
"""Of one party."""
ASK_SECONDS = 2.0
PAGES = 10
"""Of a person's parties, a hundred on each: in so many they can search at once."""

LINE_SAID = "select uid, text, at, veil, answers, media_seconds, mentions from line where room = $1 and line = $2"

_encode = msgspec.json.Encoder().encode
_answers = msgspec.json.Decoder(Answer)
_notices = msgspec.json.Decoder(Notice)


class Parties:
    """The parties service, as one replica asks it in people's names."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._known: dict[str, dict[str, tuple[Rights, float]]] = {}
        """By party and uid, and until when it is believed."""
        self._asking: dict[str, dict[str, asyncio.Future[Rights]]] = {}
        """By party and uid: questions under way, until the party changes."""
        self._last: Notice | None = None

    async def start(self) -> None:
        await self._bus.subscribe(f"changed.{PARTIES}", self._on_notice)
        self._bus.on_reconnect(self._forget_all)

    async def rights(self, party_id: str, context: Context, *, fresh: bool = False) -> Rights:
        """Raise `Rejected` as the party refuses: `no-such-party`, `not-a-member`, `banned`; or `unavailable`."""
        if fresh:
            return await self._learn(party_id, context)
        known = self._people(party_id).get(context.actor)
        if known is not None and time.monotonic() < known[1]:
            return known[0]
        # What somebody sends in one burst is asked once.
        asking = self._asking.setdefault(party_id, {})
        asked = asking.get(context.actor)
        if asked is None:
            asked = asking[context.actor] = asyncio.ensure_future(self._learn(party_id, context))
            asked.add_done_callback(lambda done: self._answered(party_id, context.actor, done))
        return await asyncio.shield(asked)

    def _answered(self, party_id: str, uid: str, done: "asyncio.Future[Rights]") -> None:
        if not done.cancelled():
            done.exception()  # told to whoever waits for it, if anybody still does
        asking = self._asking.get(party_id, {})
        if asking.get(uid) is done:
            del asking[uid]
            if not asking:
                del self._asking[party_id]

    async def _learn(self, party_id: str, context: Context) -> Rights:
        people = self._people(party_id)
        try:
            rights = await self._ask(ShowRights(party_id=party_id), Rights, context)
        except Rejected:
            people.pop(context.actor, None)
            raise
        # What changed while it was asked has put others in this place: then it may have been the old answer.
        if rights.role is not None:
            people[context.actor] = rights, time.monotonic() + KEPT_SECONDS
        return rights

    async def mine(self, context: Context) -> tuple[str, ...]:
        """Whose own threads somebody may read."""
        found, cursor = list[str](), None
        for _ in range(PAGES):
            page = await self._ask(Mine(limit=100, cursor=cursor), MyPartiesPage, context)
            found += [party.party_id for party in page.parties]
            cursor = page.cursor
            if cursor is None:
                break
        return tuple(found)

    async def _ask(self, query: Query, answers: type[T], context: Context) -> T:
        asker = replace(context, seen={}, told={}, ambient={}, secret="", patience=ASK_SECONDS)
        subject = f"qry.{PARTIES}.{query.function}"
        try:
            msg = await self._bus.request(subject, _encode(query), {HEADER: _encode(asker).decode()}, ASK_SECONDS)
        except TimedOut as late:
            raise Unavailable(service=PARTIES) from late  # it was only a question
        answer = _answers.decode(msg.data)
        if answer.error is not None:
            raise Rejected(answer.error.code, **answer.error.details)
        return msgspec.json.decode(answer.value, type=answers)

    def _people(self, party_id: str) -> dict[str, tuple[Rights, float]]:
        people = self._known.pop(party_id, {})
        if len(people) >= KEPT_PEOPLE:
            people = {}
        self._known[party_id] = people
        if len(self._known) > KEPT_PARTIES:
            del self._known[next(iter(self._known))]
        return people

    async def _on_notice(self, msg: Msg) -> None:
        """Forget the parties that it concerns; all of them, if one before it may have been missed."""
        notice = _notices.decode(msg.data)
        last, self._last = self._last, notice
        if notice == last:
            return
        if last is None or (last.epoch, last.schema, last.end) != (notice.epoch, notice.schema, notice.start):
            self._forget_all()
        for topic in notice.topics:
            kind, _, about = topic.partition(":")
            if kind in ("party", CHAT.guarded_by):
                party_id = about.partition(":")[0]
                self._known.pop(party_id, None)
                self._asking.pop(party_id, None)

    def _forget_all(self) -> None:
        self._known.clear()
        self._asking.clear()


class Needs:
    """What requests need, as one replica finds it out."""

    def __init__(self, place: Workplace, comments: Decider[Any, Any, Any]) -> None:
        """*comments*: the rules of comments, to know of a first one whether it will be taken."""
        self._place = place
        self._comments = comments
        self.parties = Parties(place.bus)

    async def rights(self, message: Any, context: Context) -> Context:
        return await self._rights(message, context, fresh=False)

    async def fresh_rights(self, message: Any, context: Context) -> Context:
        return await self._rights(message, context, fresh=True)

    async def mine(self, query: SearchComments | ShowFollowed, context: Context) -> Context:
        """Everything that they may read, if they do not ask about one thread."""
        if isinstance(query, SearchComments) and query.thread_id:
            return context
        return telling(context, MINE, await self.parties.mine(context))

    async def readers(self, command: Post | Say, context: Context) -> Context:
        """Who of those mentioned or answered in a party may read it."""
        party_id = party_about(command)
        if party_id is None:
            return context
        uids = tuple(dict.fromkeys((*command.mentions, *await self._answered(command))))
        if not uids:
            return context
        found = await asyncio.gather(*(self._of_other(party_id, uid, context) for uid in uids))
        may = frozenset(uid for uid, rights in zip(uids, found, strict=True) if rights is not None)
        return telling(context, READERS, may)

    async def others(self, command: Mute | BanPerson, context: Context) -> Context:
        """What the party says of the one whom it concerns; nothing of who may not read it."""
        party_id = party_in(command.where)
        rights = await self._of_other(party_id, command.uid, context, fresh=True) if party_id else None
        return context if rights is None else telling(context, OTHERS, rights)

    async def line(
        self, command: HideLine | RestoreLine | ReviewLine | PinLine | ReportLine, context: Context
    ) -> Context:
        """What was said, where the room's state does not know enough of it."""
        if command.line is None:
            return context
        key, place = room_key(command.room), self._place
        recent = (await place.aggregates.state(key)).lines.get(command.line)
        if recent is not None and not isinstance(command, RestoreLine):
            return context
        newest = Position(CONTEXT, place.log.epoch, await place.log.newest(key))
        row, _ = await place.models.ask(lambda db: db.fetchrow(LINE_SAID, command.room, command.line), newest)
        return context if row is None else telling(context, LINE, kept_line(row))

    async def thread(self, command: Post, context: Context) -> Context:
        """Begin it with its first comment, and title it with the first that can; not with one that will be refused."""
        aggregates, key = self._place.aggregates, thread_key(command.thread_id)
        thread = await aggregates.state(key)
        if thread.begun and (thread.titled or command.title is None):
            return context
        (comment,) = command.keys(context)
        seen = {str(looked): await aggregates.state(looked) for looked in command.looks_at(context)}
        self._comments.decide(command, await aggregates.state(comment), replace(context, seen=seen))
        begin = BeginThread(
            media=command.media,
            season=command.season,
            episode=command.episode,
            party_id=command.party_id,
            title=command.title,
        )
        command_id = sha256(f"begin {context.command_id}".encode()).hexdigest()[:32]
        await aggregates.execute(begin, replace(context, command_id=command_id, causation_id=context.command_id))
        return context

    async def _answered(self, command: Post | Say) -> tuple[str, ...]:
        """Who wrote what is answered; nobody, if nothing is or there is no such thing."""
        state = self._place.aggregates.state
        if isinstance(command, Say):
            line = (await state(room_key(command.room))).lines.get(command.answers) if command.answers else None
            return (line.uid,) if line else ()
        parent = await state(comment_key(command.thread_id, command.parent)) if command.parent else None
        return (parent.uid,) if parent and parent.uid else ()

    async def _rights(self, message: Any, context: Context, *, fresh: bool) -> Context:
        party_id = party_about(message)
        if party_id is None:
            return context
        return telling(context, RIGHTS, await self.parties.rights(party_id, context, fresh=fresh))

    async def _of_other(self, party_id: str, uid: str, context: Context, *, fresh: bool = False) -> Rights | None:
        """Nothing, if they may not read the party. In the other's own name, but not in that of their roles."""
        other = Context(actor=uid, now=context.now, correlation_id=context.correlation_id)
        try:
            return await self.parties.rights(party_id, other, fresh=fresh)
        except Rejected as refused:
            if refused.code in SEEN:
                return None
            raise


@asynccontextmanager
async def preparing(place: Workplace, comments: Decider[Any, Any, Any]) -> AsyncIterator[Preparations]:
    needs = Needs(place, comments)
    await needs.parties.start()
    yield {
        **{command: prepared(needs.fresh_rights) for command in COMMANDS if not command.internal},
        **{query: prepared(needs.fresh_rights) for query in QUERIES},
        CHAT.kind: prepared(needs.fresh_rights),
        **dict.fromkeys((Edit, React, MarkRead), prepared(needs.rights)),
        Post: prepared(needs.rights, needs.readers, needs.thread),
        Say: prepared(needs.rights, needs.readers),
        **dict.fromkeys((Mute, BanPerson), prepared(needs.fresh_rights, needs.others)),
        **dict.fromkeys(
            (HideLine, RestoreLine, ReviewLine, PinLine, ReportLine), prepared(needs.fresh_rights, needs.line)
        ),
        **dict.fromkeys((SearchComments, ShowFollowed), prepared(needs.fresh_rights, needs.mine)),
    }


def prepared(*looking: Looking) -> Preparing:
    """One after the other: who is refused by the first learns nothing from the next."""

    async def prepare(message: Any, context: Context) -> tuple[Any, Context]:
        for look in looking:
            context = await look(message, context)
        return message, context

    return prepare


def kept_line(row: Any) -> KeptLine:
    return KeptLine(**{**row, "mentions": tuple(row["mentions"])})


def telling(context: Context, name: str, told: Any) -> Context:
    return replace(context, told={**context.told, name: told})


def party_about(message: Command | Query | GrantRequest) -> str | None:
    """The party that has a say in it."""
    if isinstance(message, GrantRequest):
        return message.channel_id
    thread_id = getattr(message, "thread_id", None)
    if thread_id is not None:
        return party_of(thread_id)
    return party_in(getattr(message, "room", None) or getattr(message, "where", None) or "")
