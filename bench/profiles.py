"""Tells people where processor time went: by process, and by function in the processes that were sampled."""

from collections.abc import Mapping

from rich.console import Console
from rich.table import Table

from bench.system import Samples

SHOWN = 18
IDLE = ("runners.py", "runpy.py", "sampler.py", "__main__.py", "service.py:run", "uvloop/__init__.py")
"""What stands below everything else on the stack says nothing."""


def show(console: Console, name: str, samples: Samples) -> None:
    total = sum(count for _, count in samples.own)
    if not total:
        return
    console.print(f"\n{name}: {total} samples of processor time", highlight=False)
    table = Table(box=None, pad_edge=False)
    for heading, justify in (
        ("itself", "right"),
        ("function", "left"),
        ("with callees", "right"),
        ("function", "left"),
    ):
        table.add_column(heading, justify="right" if justify == "right" else "left", overflow="fold")
    whole = [(function, count) for function, count in samples.whole if not any(idle in function for idle in IDLE)]
    for (own, count), (all_in, counted) in zip(samples.own[:SHOWN], whole[:SHOWN], strict=False):
        table.add_row(f"{count / total:.1%}", own, f"{counted / total:.1%}", all_in)
    console.print(table)


def processors(shares: Mapping[str, float]) -> str:
    """How much of a processor each process used."""
    told = ", ".join(f"{name} {share:.0%}" for name, share in sorted(shares.items(), key=lambda item: -item[1]))
    return f"of one processor: {told}"
