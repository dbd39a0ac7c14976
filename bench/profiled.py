"""`matinee up` with every service under the sampler: `python -m bench.profiled FOLDER PORT`."""

import asyncio
import sys
from dataclasses import replace
from pathlib import Path

from ops.machine import Machine
from ops.programs import Program, Servers, programs

SAMPLER = Path(__file__).with_name("sampler.py")


def outcome(folder: Path, name: str) -> Path:
    """Where the samples of the process called *name* are written."""
    return folder / f"profile-{name}.json"


def sampled(when: str, path: Path, module: str, *words: str) -> tuple[str, ...]:
    """The command that runs a module under the sampler."""
    return (sys.executable, "-P", str(SAMPLER), when, str(path), module, *words)


def main(folder: Path, port: int) -> None:
    def table(servers: Servers, host: str, port: int) -> list[Program]:
        return [
            replace(program, command=sampled("asked", outcome(folder, program.name), program.name))
            for program in programs(servers, host, port)
        ]

    asyncio.run(Machine(folder, "127.0.0.1", port, table).run())


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
