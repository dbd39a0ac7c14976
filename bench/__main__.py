"""`python -m bench [NAME…] [--quick] [--profile]`."""

import argparse
from collections.abc import Awaitable, Callable, Mapping

import uvloop
from rich.console import Console

from bench import chat, commands, fanout, idle, library, live, profiles, rebuild, room, sync, thread
from bench.options import Options
from bench.report import Report

Bench = Callable[[Options], Awaitable[Report]]

BENCHES: Mapping[str, Bench] = {
    "fanout": fanout.run,
    "commands": commands.run,
    "rebuild": rebuild.run,
    "live": live.run,
    "idle": idle.run,
    "room": room.run,
    "sync": sync.run,
    "library": library.run,
    "chat": chat.run,
    "thread": thread.run,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench", description="Measure Matinee and its peers on this machine.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which benches: {', '.join(BENCHES)}; all if none")
    parser.add_argument("--quick", action="store_true", help="tiny numbers: shows that it works and measures nothing")
    parser.add_argument("--profile", action="store_true", help="also show where the processor time of services goes")
    asked = parser.parse_args()
    if unknown := set(asked.names) - BENCHES.keys():
        parser.error(f"there is no bench {', '.join(sorted(unknown))}; there are {', '.join(BENCHES)}")
    console = Console(soft_wrap=True)
    for name in asked.names or BENCHES:
        report = uvloop.run(_run(BENCHES[name], Options(asked.quick, asked.profile)))
        for process, samples in report.profiles.items():
            profiles.show(process, samples)
        report.show(console)


async def _run(bench: Bench, options: Options) -> Report:
    return await bench(options)


if __name__ == "__main__":
    main()
