"""100 hosts control 100 parties: commands a second with every one of them on disk, and how long one takes at 500/s."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence

import msgspec

from bench import profiles
from bench.figures import milliseconds, spread
from bench.options import Options
from bench.processes import Peer, peer, python
from bench.report import Report, at_least, below
from bench.sockets import Answer, Push, Refused, Socket, gathered, opened
from bench.system import Matinee, matinee, share

PARTIES = 100
STEADY = 500.0
"""Commands a second at which latency is measured."""
CATCH_UP_SECONDS = 20.0
BY_DEFAULT = "eventsourcing as it inserts by default"
FIRST_ID = 1_000
"""Of measured calls, beyond what `Socket.ask` has used."""

_answers = msgspec.json.Decoder(Answer)


class Caller:
    """A host and its party. Each call takes playback elsewhere, so that each one commits."""

    def __init__(self, socket: Socket, party_id: str) -> None:
        self.socket = socket
        self.party_id = party_id
        self.position = ""
        self._number = FIRST_ID

    @classmethod
    async def open(cls, socket: Socket) -> "Caller":
        answer = await socket.call("party.open", title="Bench", media="bench:film")
        return cls(socket, msgspec.json.decode(answer.value)["party_id"])

    def say(self) -> int:
        """Send the next command; return its id."""
        self._number += 1
        n = self._number
        function, place = ("play", 1_000 + n % 1_000) if n % 2 else ("seek", 3_000 + n % 1_000)
        self.socket.say(
            b'{"op":"call","id":%d,"fn":"party.%s","args":{"party_id":"%s","position":%d}}'
            % (n, function.encode(), self.party_id.encode(), place)
        )
        return n

    def heard(self, data: bytes) -> Answer:
        answer = _answers.decode(data)
        if answer.op != "result":
            raise Refused(data.decode())
        self.position = answer.position
        return answer


class Flood:
    """Every caller sends its next command when the one before is answered."""

    def __init__(self, callers: Sequence[Caller]) -> None:
        self._callers = callers
        self._done = 0
        self._under_way = 0
        self._until = 0.0
        self._over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def run(self, seconds: float) -> float:
        """Commands answered a second."""
        begun = time.perf_counter()
        self._until = begun + seconds
        for caller in self._callers:
            caller.socket.on_answer = self._answering(caller)
            self._say(caller)
        await self._over
        return self._done / (time.perf_counter() - begun)

    def _answering(self, caller: Caller) -> Push:
        def answered(data: bytes) -> None:
            try:
                caller.heard(data)
            except Refused as refused:
                if not self._over.done():
                    self._over.set_exception(refused)
                return
            self._done += 1
            self._under_way -= 1
            if time.perf_counter() < self._until:
                self._say(caller)
            elif self._under_way == 0 and not self._over.done():
                self._over.set_result(None)

        return answered

    def _say(self, caller: Caller) -> None:
        self._under_way += 1
        caller.say()


class Steady:
    """Commands by the clock, whether or not those before are answered; each timed from when it was due."""

    def __init__(self, callers: Sequence[Caller]) -> None:
        self._callers = callers
        self._due: dict[tuple[int, int], float] = {}
        self.samples: list[float] = []
        self._wanted = 0
        self._over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def run(self, per_second: float, seconds: float) -> list[float]:
        """Seconds from when a command was due to its answer."""
        for number, caller in enumerate(self._callers):
            caller.socket.on_answer = self._answering(number, caller)
        begun, count = time.perf_counter(), int(per_second * seconds)
        self._wanted = count
        for n in range(count):
            due = begun + n / per_second
            if (early := due - time.perf_counter()) > 0:
                await asyncio.sleep(early)
            number = n % len(self._callers)
            self._due[number, self._callers[number].say()] = due
        async with asyncio.timeout(CATCH_UP_SECONDS):
            await self._over
        return self.samples

    def _answering(self, number: int, caller: Caller) -> Push:
        def answered(data: bytes) -> None:
            try:
                answer = caller.heard(data)
            except Refused as refused:
                if not self._over.done():
                    self._over.set_exception(refused)
                return
            assert isinstance(answer.id, int)
            self.samples.append(time.perf_counter() - self._due.pop((number, answer.id)))
            if len(self.samples) == self._wanted:
                self._over.set_result(None)

        return answered


@contextlib.asynccontextmanager
async def running(options: Options) -> AsyncIterator[Matinee]:
    """With metrics and traces as in production: the share of requests that is traced by default is exported."""
    async with peer("otlp", *python("otlp_sink")) as sink:
        with matinee(profiling=options.profile, OTEL_EXPORTER_OTLP_ENDPOINT=await sink.hear()) as system:
            yield system


async def caught_up(callers: Sequence[Caller]) -> float:
    """Wait until the read models show what was answered last; return the seconds that it took."""
    begun = time.perf_counter()
    newest = max(callers, key=lambda caller: int(caller.position.rpartition(":")[2]))
    newest.socket.on_answer = None
    while True:
        try:
            await newest.socket.ask(
                op="call", fn="party.state", args={"party_id": newest.party_id}, after=newest.position
            )
        except Refused as refused:
            if "position-not-reached" not in str(refused) or time.perf_counter() - begun > CATCH_UP_SECONDS:
                raise
        else:
            return time.perf_counter() - begun


async def run(options: Options) -> Report:
    parties, rounds = options.size(PARTIES, 5), options.size(4, 1)
    seconds, per_second = options.size(4.0, 0.3), options.size(STEADY, 50.0)
    report = Report(
        "commands",
        f"{parties} sockets control {parties} parties; {rounds} rounds of {seconds:g} s each: one command in flight "
        f"per socket, the peers, then {per_second:.0f}/s by the clock",
    )
    async with running(options) as system, contextlib.AsyncExitStack() as stack:
        sockets = await opened(system.ws, system.tokens(parties))
        callers = await gathered([lambda s=s: Caller.open(s) for s in sockets])  # type: ignore[misc]
        servers = system.running
        commands = {
            "eventsourcing": python("eventsourcing_loop", servers.database_url, str(parties), "function"),
            BY_DEFAULT: python("eventsourcing_loop", servers.database_url, str(parties), "statements"),
            "jetstream": python("jetstream", servers.nats_url, str(parties)),
        }
        peers = {name: await _ready(stack, name, *command) for name, command in commands.items()}
        await Flood(callers).run(seconds / 2)
        await caught_up(callers)
        await _measure(report, system, callers, peers, rounds, seconds, per_second)
        for socket in sockets:
            socket.close()
    return report


async def _ready(stack: contextlib.AsyncExitStack, name: str, *command: str) -> Peer:
    started = await stack.enter_async_context(peer(name, *command))
    assert await started.hear() == "ready"
    return started


async def _measure(
    report: Report,
    system: Matinee,
    callers: Sequence[Caller],
    peers: dict[str, Peer],
    rounds: int,
    seconds: float,
    per_second: float,
) -> None:
    rates: list[float] = []
    theirs: dict[str, list[float]] = {name: [] for name in peers}
    samples: list[list[float]] = []
    lags: list[float] = []
    used: dict[str, float] = {}
    with system.sampled() as found:
        for _ in range(rounds):
            before, begun = system.processor_seconds(), time.perf_counter()
            rates.append(await Flood(callers).run(seconds))
            used = share(before, system.processor_seconds(), time.perf_counter() - begun)
            lags.append(await caught_up(callers) * 1000)
            for name, other in peers.items():
                theirs[name].append(float(await other.ask(str(seconds / 2))))
            samples.append(await Steady(callers).run(per_second, seconds))
            await caught_up(callers)
    report.profiles = found
    report.figure("commands_per_s", spread(rates))
    report.figure("p50_ms", spread(milliseconds(each, 0.5) for each in samples))
    report.figure("p99_ms", spread(milliseconds(each, 0.99) for each in samples), below(20))
    ratios = {
        name: spread(mine / other for mine, other in zip(rates, found, strict=True)) for name, found in theirs.items()
    }
    for name, aim in (("eventsourcing", at_least(5)), ("jetstream", at_least(0.4))):
        report.besides(f"{name} per s", spread(theirs[name]))
        report.ratio(name, ratios[name], aim)
    report.besides(f"{BY_DEFAULT}, per s", spread(theirs[BY_DEFAULT]))
    report.besides(f"times better than {BY_DEFAULT}", ratios[BY_DEFAULT])
    report.besides("read models caught up after, ms", spread(lags))
    report.notes.append(f"One command in flight per socket, {profiles.processors(used)}")
