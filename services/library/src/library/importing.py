"""Takes uploaded files in: read, planned, applied, told. Any step may be cut off and done again: what an import brings
is known by its own id and that of each title, so it takes effect once."""

import asyncio
import contextlib
import hashlib
import itertools
import secrets
import tempfile
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
    FailImport,
    FinishImport,
    ImportAddons,
    JoinIds,
    PlanImport,
    TakeIn,
    TakeInList,
    import_key,
)
from events.messages import Command, Context, Position, Rejected
from events.projection import Db
from events.uploads import Gone, Uploads
from events.working import Workplace
from library import formats
from library.formats import AList, AnAddon, BadFile
from library.imports import UNDER_WAY, Import
from library.planning import (
    NOTHING,
    Asked,
    Content,
    Drawing,
    Known,
    OfWork,
    compare_addons,
    compare_lists,
    list_id,
)
from library.projections.groups import groups_of
from library.projections.titles import known_of

T = TypeVar("T")

log = structlog.get_logger("importing")

LOOK_SECONDS = 0.25
AT_ONCE = 3
"""Files that are taken in at the same time."""
TRIES = 3
"""Of a file that this code fails over, before it is told so."""
IN_MEMORY = 8 * 1024 * 1024
"""Of a file; the rest of it lies in a temporary one that has no name."""
SLICE_SECONDS = 0.01
"""For so long a file is read before others have their turn."""
WORKS_AT_ONCE = 200
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
      left join list_put using (uid, list_id)
     where uid = $1 and list_id = any($2::text[]) and list_put."order" is not null and list_put.source <> $3
       and shown
     group by list_id
"""
ADDONS = "select transport_url from addon where uid = $1"


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

    async def run(self) -> None:
        """As far as it goes now; nothing if the read model is only late to tell that it is done."""
        state: Import = await self._place.aggregates.state(import_key(self._waiting.uid, self._waiting.import_id))
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
        await self._purge()

    async def _read(self, state: Import) -> Content:
        with tempfile.SpooledTemporaryFile(IN_MEMORY) as spooled:
            file = cast(BinaryIO, spooled)
            about = await self._uploads.fetch(state.upload, file)
            if about.owner != self._waiting.uid:
                raise Gone(state.upload)
            file.seek(0)
            content = Content()
            found = formats.read(state.format, file, self._waiting.file_name)
            async for some in _by_and_by(found):
                content.take(some)
            return content

    async def _carry_out(self, state: Import, content: Content) -> None:
        uid, import_id = self._waiting.uid, self._waiting.import_id
        asked = Asked(uid, import_id, state.format, self._waiting.at, state.replace)
        drawing = Drawing(asked, content.left)
        after = await self._now()
        await self._compare(drawing, content, after)
        lists, addons = await self._others(drawing, content, after)
        plan = drawing.plan()
        await self._tell(PlanImport(uid=uid, import_id=import_id, plan=msgspec.Raw(msgspec.json.encode(plan))))
        now: Import = await self._place.aggregates.state(import_key(uid, import_id))
        if now.stage != "applying":
            return
        await self._join(content)
        await self._apply(drawing.wishes, lists, addons)
        await self._tell(FinishImport(uid=uid, import_id=import_id))
        await self._purge()

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
            known = await self._known(list(some), after)
            async for named, of_work in _by_and_by(some.items()):
                drawing.work(named, of_work, known.get(named, NOTHING))
        if drawing.asked.replace:
            rows = await self._ask(lambda db: db.fetch(WORKS, uid), after)
            others = await self._unnamed((row["work"] for row in rows), content.works, after)
            for start in range(0, len(others), WORKS_AT_ONCE):
                known = await self._known(others[start : start + WORKS_AT_ONCE], after)
                for named in known:
                    drawing.unnamed(named, known[named])

    async def _known(self, works: list[str], after: Position) -> dict[str, Known]:
        """What is known of each work, under any of its ids."""
        uid, import_id = self._waiting.uid, self._waiting.import_id

        async def ask(db: Db) -> dict[str, Known]:
            groups = await groups_of(db, [(uid, named) for named in works])
            wholes = await known_of(db, {(uid, ids[0]): ids for ids in groups.values()})
            return {
                named: Known.of(whole.title, whole.undone, whole.cleared_at, import_id)
                for (_, named), ids in groups.items()
                if (whole := wholes.get((uid, ids[0]))) is not None
            }

        return await self._ask(ask, after)

    async def _unnamed(self, works: Iterable[str], named: Mapping[str, OfWork], after: Position) -> list[str]:
        """Works that the file says nothing of, under none of their ids."""
        uid = self._waiting.uid
        groups = await self._ask(lambda db: groups_of(db, [(uid, one) for one in works]), after)
        return [one for (_, one), ids in groups.items() if not any(id in named for id in ids)]

    async def _others(self, drawing: Drawing, content: Content, after: Position) -> tuple[list[AList], list[AnAddon]]:
        """Lists and addons that are not there yet."""
        uid, import_id = self._waiting.uid, self._waiting.import_id
        wanted = [list_id(one) for one in content.lists]
        rows = await self._ask(lambda db: db.fetch(LISTS, uid, wanted, import_id), after)
        lists = compare_lists(drawing, content.lists, {row["list_id"]: frozenset(row["works"]) for row in rows})
        urls = await self._ask(lambda db: db.fetch(ADDONS, uid), after) if content.addons else []
        return lists, compare_addons(drawing, content.addons, frozenset(row["transport_url"] for row in urls))

    # Applying.

    async def _apply(self, wishes: list[TakeIn], lists: list[AList], addons: list[AnAddon]) -> None:
        await _many(wishes, self._take_in)
        for found in lists:
            await self._take_in(
                TakeInList(
                    uid=self._waiting.uid,
                    list_id=list_id(found),
                    name=found.name,
                    items=found.items,
                    source=self._waiting.import_id,
                    at=self._waiting.at,
                )
            )
        for addon in addons:
            wish = ImportAddons(addons=(addon.descriptor,), op=self._operation("addon", addon.descriptor.transport_url))
            await self._take_in(wish)

    async def _take_in(self, wish: Command) -> None:
        """One that the rules refuse, say for its size, stays out; the others go on."""
        try:
            await self._tell(wish)
        except Rejected as refusal:
            if refusal.code in TRANSIENT:
                raise
            log.warning("not taken in", import_id=self._waiting.import_id, function=wish.function, reason=refusal.code)

    async def _join(self, content: Content) -> None:
        for joined in content.joined:
            await self._take_in(JoinIds(works=joined.works, op=self._operation("ids", *joined.works)))

    def _operation(self, *parts: str) -> str:
        return f"{self._waiting.import_id}:{hash_of(parts)}"

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
        state: Import = await self._place.aggregates.state(import_key(self._waiting.uid, self._waiting.import_id))
        await self._uploads.purge(state.upload)


def hash_of(parts: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


async def _by_and_by(found: Iterable[T]) -> Any:
    """The same values; every now and then others have their turn."""
    loop = asyncio.get_running_loop()
    until = loop.time() + SLICE_SECONDS
    for one in found:
        yield one
        if loop.time() > until:
            await asyncio.sleep(0)
            until = loop.time() + SLICE_SECONDS


async def _many(wishes: Iterable[TakeIn], take: Callable[[TakeIn], Awaitable[None]]) -> None:
    """Take in many at once; the first trouble ends them all."""
    waiting: Iterator[TakeIn] = iter(wishes)

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
