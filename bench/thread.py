"""A thread of 100,000 comments: how soon its pages and what is found in it come, and how fast its tables are built."""

import itertools
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from bench import discussion, history, logs, profiles
from bench.discussion import EPISODE, MEDIA, SEASON, THREAD
from bench.figures import Spread, milliseconds, spread
from bench.options import Options
from bench.profiled import outcome
from bench.report import Report, at_least, below
from bench.sockets import Socket
from bench.system import Matinee, matinee, samples_in, share
from events.log import Write
from events.messages import Key
from events.service import Stores, stores
from ops.services import definition, settings_of

SERVICE, BESIDE = "comments", "parties"
COMMENTS = 100_000
PARTIES = 400
ASKED = 40
"""Times each question is asked, after it was asked once or twice unmeasured."""
MINUTES = 24
PROJECTED_SECONDS = 300.0
ABOUT = {"media": MEDIA, "season": SEASON, "episode": EPISODE}

Arguments = Mapping[str, Any]


class Question(NamedTuple):
    """What is asked, with other arguments each time if there are several."""

    name: str
    function: str
    arguments: Sequence[Arguments]


async def run(options: Options) -> Report:
    comments, parties = options.size(COMMENTS, 300), options.size(PARTIES, 3)
    asked, rounds = options.size(ASKED, 3), options.size(3, 1)
    report = Report(
        "thread",
        f"a thread of {comments:,} comments, `matinee replay` of it {rounds} times, in turn with that of "
        f"{parties * history.EVENTS:,} events of parties; then each question {asked} times, one after the other",
    )
    with matinee(profiling=options.profile) as system:
        events = await _written(system, comments, parties)
        # First, since what was built anew is counted, too: the questions' plans are then those of a thread that has
        # been there for a while. The server counts by itself within a minute.
        rates = await _rebuilt(system, rounds, events, parties * history.EVENTS)
        socket = await Socket.open(system.ws, system.tokens(1)[0])
        before, begun = system.processor_seconds(), time.perf_counter()
        with system.sampled() as found:
            await _ask(report, socket, asked)
        used = share(before, system.processor_seconds(), time.perf_counter() - begun)
        socket.close()
        _tell_rebuilt(report, rates)
        report.notes.append(f"While it was asked, {profiles.processors(used)}")
        report.profiles = found
        if options.profile:
            report.profiles = {**found, "replay": samples_in(outcome(system.folder, "replay"))}
    return report


async def _written(system: Matinee, comments: int, parties: int) -> int:
    """How many events the thread has, when the read models show all of them."""
    async with stores(definition(BESIDE), settings_of(BESIDE, system.folder)) as beside:
        await logs.fill(beside, 0, parties)
    async with stores(definition(SERVICE), settings_of(SERVICE, system.folder)) as opened:
        events = await _fill(opened, comments)
        await logs.projected(opened, PROJECTED_SECONDS)
    async with stores(definition(BESIDE), settings_of(BESIDE, system.folder)) as beside:
        await logs.projected(beside)
    return events


async def _fill(opened: Stores, comments: int) -> int:
    at: dict[Key, tuple[int, int]] = {}
    """Sequence and version of each comment and reaction."""
    events = 0
    for commits in discussion.batches(comments):
        writes = [Write(key, *at.get(key, (0, 0)), told) for key, told in commits]
        for write, sequence in zip(writes, await logs.append(opened, writes), strict=True):
            at[write.key] = sequence, write.version + len(write.events)
            events += len(write.events)
    return events


async def _ask(report: Report, socket: Socket, asked: int) -> None:
    pages = [await _timed(socket, question, asked) for question in _pages()]
    parts = [await _timed(socket, question, asked) for question in await _parts(socket)]
    found = [await _timed(socket, question, asked) for question in _searches()]
    first, searched = [list(itertools.chain(*samples.values())) for samples in (_by(pages), _by(found))]
    report.figure("first_page_p50_ms", _once(milliseconds(first, 0.5)))
    report.figure("first_page_p95_ms", _once(milliseconds(first, 0.95)), below(15))
    report.figure("search_p50_ms", _once(milliseconds(searched, 0.5)))
    report.figure("search_p95_ms", _once(milliseconds(searched, 0.95)), below(50))
    for name, samples in _by([*pages, *parts, *found]).items():
        report.besides(f"{name}, p95 ms", _once(milliseconds(samples, 0.95)))


def _by(timed: Sequence[tuple[str, list[float]]]) -> dict[str, list[float]]:
    return dict(timed)


def _pages() -> Iterator[Question]:
    for order in ("newest", "oldest", "top", "moment"):
        yield Question(f"first page, {order}", "comments.thread", [{**ABOUT, "order": order}])


async def _parts(socket: Socket) -> list[Question]:
    deep = await _cursors(socket, 20)
    most = await _answered(socket)
    minutes = [{**ABOUT, "start": 60.0 * minute, "end": 60.0 * minute + 60} for minute in range(MINUTES)]
    return [
        Question("page 20 and following, newest", "comments.thread", [{**ABOUT, "cursor": each} for each in deep]),
        Question("replies", "comments.replies", [{"thread_id": THREAD, "comment_id": each} for each in most]),
        Question("timed, a minute", "comments.timed", minutes),
        Question("density", "comments.density", [ABOUT]),
        Question("statistics", "comments.statistics", [ABOUT]),
        Question("mine", "comments.mine", [{"thread_id": THREAD}]),
    ]


def _searches() -> Iterator[Question]:
    common = ("scene", "episode", "think", "character", "music", "story", "favorite", "animation")
    for name, words in {
        "search, rare word": [discussion.rare(number) for number in range(discussion.RARE)],
        "search, common word": common,
        "search, two words": [f"{one} {other}" for one, other in itertools.pairwise(common)],
        "search, phrase": [f'"{phrase}"' for phrase in discussion.PHRASES],
        "search, beginning": ["charac", "epis", "goose", "foresh", "kalo", "xylo", "s"],
    }.items():
        yield Question(name, "comments.search", [{"thread_id": THREAD, "search": each} for each in words])
    german = [{"thread_id": THREAD, "search": each, "language": "de"} for each in ("Folge", "Haus", "Szene", "Städte")]
    yield Question("search, German", "comments.search", german)
    yield Question("search, everywhere", "comments.search", [{"search": each} for each in common])


async def _cursors(socket: Socket, skipped: int) -> list[str]:
    """Where pages further down begin; the first one's, of a thread that has no more."""
    cursors: list[str] = []
    arguments: dict[str, Any] = dict(ABOUT)
    while len(cursors) < skipped + 5:
        page = msgspec.json.decode((await socket.call("comments.thread", **arguments)).value)
        if page["cursor"] is None:
            break
        cursors.append(page["cursor"])
        arguments["cursor"] = page["cursor"]
    return cursors[skipped:] or cursors[-1:]


async def _answered(socket: Socket) -> list[str]:
    """Comments that have replies."""
    answer = await socket.call("comments.thread", **ABOUT, order="oldest", limit=50)
    comments = msgspec.json.decode(answer.value)["comments"]
    return [each["comment_id"] for each in comments if each["replies"]]


async def _timed(socket: Socket, question: Question, asked: int) -> tuple[str, list[float]]:
    """Seconds of each answer, through the gateway."""
    arguments = itertools.cycle(question.arguments)
    for _ in range(2):
        await socket.call(question.function, **next(arguments))
    samples = []
    for _ in range(asked):
        begun = time.perf_counter()
        await socket.call(question.function, **next(arguments))
        samples.append(time.perf_counter() - begun)
    return question.name, samples


async def _rebuilt(system: Matinee, rounds: int, events: int, beside: int) -> list[tuple[float, float]]:
    """Events a second of the thread and of parties, by round."""
    rates = []
    for _ in range(rounds):
        theirs = beside / await logs.replay(system, BESIDE)
        rates.append((events / await logs.replay(system, SERVICE), theirs))
    return rates


def _tell_rebuilt(report: Report, rates: Sequence[tuple[float, float]]) -> None:
    report.figure("rebuild_per_s", spread(ours for ours, _ in rates))
    report.besides("of parties, events per s", spread(theirs for _, theirs in rates))
    ratio = spread(ours / theirs for ours, theirs in rates)
    report.ratio("rebuild", ratio, at_least(1), "times the rate of parties")


def _once(value: float) -> Spread:
    return Spread(value, value, value)
