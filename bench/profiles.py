"""Tells people where processor time went: by process, and by function in the processes that were sampled."""

from collections.abc import Mapping

from rich.console import Console
from rich.table import Table

from bench.system import Samples

SHOWN = 30
WIDTH = 170
BELOW = ("runpy", "runners.py", "sampler.py", "__main__.py", ":main", "service.py:run", "uvloop/__init__.py")
"""What stands below everything else on the stack says nothing."""


def show(name: str, samples: Samples) -> None:
    if not samples.samples:
        return
    console = Console(width=WIDTH)
    console.print(f"\n{name}: {samples.samples} samples of processor time", highlight=False)
    table = Table(box=None, pad_edge=False)
    for heading in ("itself", "function", "with callees", "function"):
        table.add_column(heading, no_wrap=True)
    whole = [(function, count) for function, count in samples.whole if not any(below in function for below in BELOW)]
    for (own, count), (caller, counted) in zip(samples.own[:SHOWN], whole[:SHOWN], strict=False):
        table.add_row(_percent(count, samples), own, _percent(counted, samples), caller)
    console.print(table)


def _percent(count: int, samples: Samples) -> str:
    return f"{count / samples.samples:6.1%}"


def processors(shares: Mapping[str, float]) -> str:
    """How much of a processor each process used."""
    told = ", ".join(f"{name} {share:.0%}" for name, share in sorted(shares.items(), key=lambda item: -item[1]))
    return f"of one processor: {told}"
