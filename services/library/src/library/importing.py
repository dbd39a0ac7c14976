"""Takes uploaded files in: read, planned, applied, told. Any step may be cut off and done again: what an import brings
is known by its own id and that of each title, so it takes effect once."""

import asyncio
import contextlib
import itertools
import secrets
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, BinaryIO, NamedTuple, TypeVar, cast

import asyncpg
import msgspec
import structlog

from events.contracts import library
from events.contracts.library import (
    Counts,
    FailImport,
    PlanImport,
    TakeIn,
    import_key,
)
from events.messages import Command, Context, Position, Rejected
from events.projection import Db
from events.uploads import Gone, Uploads
from events.working import Workplace
from library import formats, metrics
from library.formats import BadFile, Found
from library.imports import UNDER_WAY, Import
from library.planning import (
    NOTHING,
    Asked,
    Content,
    Drawing,
    Known,
    OfWork,
    Outcome,
    Wish,
    compare_addons,
    compare_joined,
    compare_lists,
    list_id,
)
from library.projections.groups import groups_of, layers_of
from library.projections.titles import Whole, known_of

T = TypeVar("T")

log = structlog.get_logger("importing")

LOOK_SECONDS = 0.25
AT_ONCE = 3
"""Files that are taken in at the same time."""
TRIES = 3
"""Of a file that this code fails over, before it is told so."""
IN_MEMORY = 8 * 1024 * 1024
"""Of a file; the rest of it lies in a temporary one that has no name."""
SLICE_SECONDS = 0.005
"""For so long a file is read before others have their turn."""
PAUSE_SECONDS = 0.0005
"""The turn of the others, in which they may take longer."""
WORKS_AT_ONCE = 100
"""That are looked up with one question."""
IN_FLIGHT = 128
"""Titles that are taken in at the same time."""
TRANSIENT = frozenset({"unavailable", "timeout", "busy", "deadline-exceeded", "position-not-reached", "log-full"})
AWAY = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)

UNDER_WAY_NOW = """
    select uid, import_id, file_name, at from import where state in ('reading', 'applying') order by at limit 10
"""
WORKS = "select work from title_state where uid = $1"
LISTS = """
    select list_id, array_remove(array_agg(work), null) as works
      from list
      left join (
          select list_id, work from list_put
           where uid = $1 and "order" is not null and source <> $3
             and not exists (select from undone where (undone.uid, undone.source) = (list_put.uid, list_put.source))
      ) as put using (list_id)
     where uid = $1 and list_id = any($2::text[])
       and exists (
           select from list_source as given
            where (given.uid, given.list_id) = (list.uid, list.list_id) and given.source <> $3
              and not exists (select from undone where (undone.uid, undone.source) = (given.uid, given.source)))
     group by list_id
"""
"""As they are without what this import has brought already."""
ADDONS = "select transport_url from addon where uid = $1 and source <> $2"
UNNAMED = OfWork()
"""What a file says of a work that it does not name."""


class Waiting(NamedTuple):
    """An import that is under way, as the read model knows it."""

    uid: str
    import_id: str
    file_name: str
    at: datetime


async def work(place: Workplace) -> None:
    """Take in what is asked for, a few files at once. Runs for ever."""
    tries: Counter[str] = Counter()
    under_way: dict[str, asyncio.Task[None]] = {}
    try:
        while True:
            rows, _ = await place.models.ask(lambda db: db.fetch(UNDER_WAY_NOW))
            for row in rows:
                waiting = Waiting(*row)
                if len(under_way) < AT_ONCE and waiting.import_id not in under_way:
                    under_way[waiting.import_id] = asyncio.create_task(_one(place, waiting, tries))
            if under_way:
                await asyncio.wait(under_way.values(), timeout=LOOK_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            under_way = {id: task for id, task in under_way.items() if not task.done()}
            await asyncio.sleep(LOOK_SECONDS if not under_way else 0)
    finally:
        for task in under_way.values():
            task.cancel()
        await asyncio.gather(*under_way.values(), return_exceptions=True)


async def _one(place: Workplace, waiting: Waiting, tries: Counter[str]) -> None:
    """One import as far as it goes; what was in the way is tried again, a mistake of ours a few times."""
    try:
        await Taking(place, waiting).run()
        return
    except AWAY as error:
        log.warning("import interrupted", import_id=waiting.import_id, reason=str(error) or type(error).__name__)
        return
    except Rejected as error:
        if error.code in TRANSIENT:
            log.warning("import interrupted", import_id=waiting.import_id, reason=error.code)
            return
        _say(waiting, error)
    except Exception as error:  # noqa: BLE001  # one file must not keep the others out
        _say(waiting, error)
    tries[waiting.import_id] += 1
    if tries[waiting.import_id] >= TRIES:
        with contextlib.suppress(Rejected):
            await Taking(place, waiting).fail("internal", {})


def _say(waiting: Waiting, error: Exception) -> None:
    """Where it happened, but nothing of what was in the file."""
    where = [
        f"{frame.filename.rpartition('/')[2]}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)
    ]
    log.error("import failed", import_id=waiting.import_id, reason=type(error).__name__, where=" ".join(where[-6:]))


class Taking:
    """One import on its way."""

    def __init__(self, place: Workplace, waiting: Waiting) -> None:
        self._place = place
        self._waiting = waiting
        self._uploads = Uploads(place.bus, library.CONTEXT)
        self._began = time.monotonic()

    async def run(self) -> None:
        """As far as it goes now; nothing if the read model is only late to tell that it is done."""
        state: Import = await self._state()
        if state.stage not in UNDER_WAY:
            return
        try:
            content = await self._read(state)
        except BadFile as bad:
            await self.fail(bad.code, bad.details)
        except Gone:
            await self.fail("no-such-upload" if state.stage == "reading" else "upload-gone", {})
        else:
            await self._carry_out(state, content)

    async def fail(self, code: str, details: Mapping[str, Any]) -> None:
        uid, import_id = self._waiting.uid, self._waiting.import_id
        await self._tell(FailImport(uid=uid, import_id=import_id, code=code, details=dict(details)))
        self._ended(await self._state(), "failed", error=code)
        await self._purge()

    def _ended(self, state: Import, outcome: str, **more: Any) -> None:
        """Nothing of what was in the file, nor whose it is."""
        seconds = time.monotonic() - self._began
        metrics.imports.labels(state.format, outcome).inc()
        metrics.import_seconds.labels(state.format).observe(seconds)
        about = {"format": state.format, "outcome": outcome, "seconds": round(seconds, 2)}
        log.info("import ended", import_id=self._waiting.import_id, **about, **more)

    async def _state(self) -> Import:
        state: Import = await self._place.aggregates.state(import_key(self._waiting.uid, self._waiting.import_id))
        return state

    async def _read(self, state: Import) -> Content:
        with tempfile.SpooledTemporaryFile(IN_MEMORY) as spooled:
            file = cast(BinaryIO, spooled)
            about = await self._uploads.fetch(state.upload, file)
            if about.owner != self._waiting.uid:
                raise Gone(state.upload)
            file.seek(0)
            return await _aside(
                lambda pulse: _content(formats.read(state.format, file, self._waiting.file_name), pulse)
            )

    async def _carry_out(self, state: Import, content: Content) -> None:
        uid, import_id = self._waiting.uid, self._waiting.import_id
        asked = Asked(uid, import_id, state.format, self._waiting.at, state.replace)
        drawing = Drawing(asked, content.left)
        after = await self._now()
        await self._compare(drawing, content, after)
        await self._compare_others(drawing, content, after)
        plan = drawing.plan()
        await self._tell(PlanImport(uid=uid, import_id=import_id, plan=msgspec.Raw(msgspec.json.encode(plan))))
        now = await self._state()
        if now.stage != "applying":
            self._ended(state, now.stage, **msgspec.structs.asdict(plan.counts))
            return
        finish = (await self._apply(drawing.wishes, Outcome(plan))).finish(asked)
        await self._tell(finish)
        self._count(state.format, finish.counts)
        self._ended(state, "applied", **msgspec.structs.asdict(finish.counts), refused=sum(finish.reasons.values()))
        await self._purge()

    def _count(self, kind: str, counts: Counts) -> None:
        for outcome, entries in (("added", counts.added), ("changed", counts.changed), ("skipped", counts.skipped)):
            metrics.import_entries.labels(kind, outcome).inc(entries)

    # Comparing.

    async def _now(self) -> Position:
        """A read model that has got here knows all that was done before."""
        return Position(library.CONTEXT, self._place.log.epoch, await self._place.log.head())

    async def _ask(self, question: Callable[[Db], Awaitable[T]], after: Position) -> T:
        value, _ = await self._place.models.ask(question, after)
        return value

    async def _compare(self, drawing: Drawing, content: Content, after: Position) -> None:
        uid = self._waiting.uid
        waiting = iter(content.works.items())
        while some := dict(itertools.islice(waiting, WORKS_AT_ONCE)):
            await self._compare_some(drawing, some, after)
        if drawing.asked.replace:
            rows = await self._ask(lambda db: db.fetch(WORKS, uid), after)
            others = await self._unnamed((row["work"] for row in rows), content.works, after)
            for start in range(0, len(others), WORKS_AT_ONCE):
                some = dict.fromkeys(others[start : start + WORKS_AT_ONCE], UNNAMED)
                await self._compare_some(drawing, some, after)

    async def _compare_some(self, drawing: Drawing, some: Mapping[str, OfWork], after: Position) -> None:
        """What is known of each work, under any of its ids, beside what the file says."""
        uid, import_id = self._waiting.uid, self._waiting.import_id

        async def ask(db: Db) -> dict[str, Whole]:
            groups = await groups_of(db, [(uid, named) for named in some])
            wholes = await known_of(db, {(uid, ids[0]): ids for ids in groups.values()})
            return {
                named: whole for (_, named), ids in groups.items() if (whole := wholes.get((uid, ids[0]))) is not None
            }

        def compare(pulse: Pulse) -> None:
            for named, of_work in pulse(some.items()):
                whole = wholes.get(named)
                known = Known.of(whole.title, whole.undone, whole.cleared_at, import_id) if whole else NOTHING
                drawing.work(named, of_work, known)
                of_work.entries.clear()  # bit by bit: to forget a large file at once keeps everybody waiting

        wholes = await self._ask(ask, after)
        await _aside(compare)

    async def _unnamed(self, works: Iterable[str], named: Mapping[str, OfWork], after: Position) -> list[str]:
        """Works that the file says nothing of, under none of their ids."""
        uid = self._waiting.uid
        groups = await self._ask(lambda db: groups_of(db, [(uid, one) for one in works]), after)
        return [one for (_, one), ids in groups.items() if not any(id in named for id in ids)]

    async def _compare_others(self, drawing: Drawing, content: Content, after: Position) -> None:
        """Joined ids, lists and addons that are not there yet."""
        uid, import_id = self._waiting.uid, self._waiting.import_id
        if content.joined:
            layers = await self._ask(lambda db: layers_of(db, [uid]), after)
            compare_joined(drawing, content.joined, layers.get(uid, {}))
        if content.lists:
            wanted = [list_id(one) for one in content.lists]
            rows = await self._ask(lambda db: db.fetch(LISTS, uid, wanted, import_id), after)
            compare_lists(drawing, content.lists, {row["list_id"]: frozenset(row["works"]) for row in rows})
        if content.addons:
            rows = await self._ask(lambda db: db.fetch(ADDONS, uid, import_id), after)
            compare_addons(drawing, content.addons, {row["transport_url"] for row in rows})

    # Applying.

    async def _apply(self, wishes: list[Wish], outcome: Outcome) -> Outcome:
        """Titles in any order, all else as the file has it."""

        async def take_in(wish: Wish) -> None:
            if (reason := await self._take_in(wish.command)) is not None:
                outcome.refused(wish, reason)

        others = [wish for wish in wishes if not isinstance(wish.command, TakeIn)]
        await _many(_used_up(wishes), take_in)
        for wish in others:
            await take_in(wish)
        return outcome

    async def _take_in(self, command: Command) -> str | None:
        """One that the rules refuse, say for its size, stays out, with the slug that says why; the others go on."""
        try:
            await self._tell(command)
        except Rejected as refusal:
            if refusal.code in TRANSIENT:
                raise
            return refusal.code
        return None

    async def _tell(self, command: Command) -> None:
        """In the name of the service; what only a person may ask for, in theirs."""
        internal = type(command).internal
        context = Context(
            actor=f"system:{library.CONTEXT}" if internal else self._waiting.uid,
            now=datetime.now(UTC),
            command_id=secrets.token_hex(16),
            correlation_id=self._waiting.import_id,
            causation_id=f"import:{self._waiting.import_id}",
        )
        await self._place.aggregates.execute(command, context)

    async def _purge(self) -> None:
        await self._uploads.purge((await self._state()).upload)


class Pulse:
    """For long work in a thread: lets the others have their turn, and ends when nobody waits for it any more."""

    def __init__(self) -> None:
        self.is_over = False

    def __call__(self, found: Iterable[T]) -> Iterator[T]:
        until = time.monotonic() + SLICE_SECONDS
        for one in found:
            yield one
            if self.is_over:
                raise Over
            if time.monotonic() > until:
                time.sleep(PAUSE_SECONDS)  # this is a thread: it lets the event loop have its turn
                until = time.monotonic() + SLICE_SECONDS


class Over(Exception):
    """Nobody waits for it any more."""


def _content(found: Iterable[Found], pulse: Pulse) -> Content:
    content = Content()
    for some in pulse(found):
        content.take(some)
    return content


async def _aside(work: Callable[[Pulse], T]) -> T:
    """The value of *work*, done in a thread: whatever is long in it keeps nobody waiting, however it reads its file.

    It has come to its end when this is left, so that its file may be closed.
    """
    pulse = Pulse()
    task = asyncio.create_task(asyncio.to_thread(work, pulse))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        pulse.is_over = True
        await asyncio.gather(task, return_exceptions=True)
        raise


def _used_up(wishes: list[Wish]) -> Iterator[Wish]:
    """Those of titles; each is forgotten with its turn."""
    while wishes:
        wish = wishes.pop()
        if isinstance(wish.command, TakeIn):
            yield wish


async def _many(wishes: Iterable[Wish], take: Callable[[Wish], Awaitable[None]]) -> None:
    """Take in many at once; the first trouble ends them all."""
    waiting: Iterator[Wish] = iter(wishes)

    async def some() -> None:
        for wish in waiting:
            await take(wish)

    tasks = [asyncio.create_task(some()) for _ in range(IN_FLIGHT)]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
