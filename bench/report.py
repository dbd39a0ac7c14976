"""A bench's outcome: a table for people, then one line of JSON for programs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import msgspec
from rich.console import Console
from rich.table import Table

from bench.figures import Spread
from bench.system import Samples

Aim = tuple[str, Callable[[float], bool]]


def at_least(bound: float) -> Aim:
    return f"≥ {bound:g}", lambda value: value >= bound


def above(bound: float) -> Aim:
    return f"> {bound:g}", lambda value: value > bound


def below(bound: float) -> Aim:
    return f"< {bound:g}", lambda value: value < bound


def none() -> Aim:
    return "0", lambda value: value == 0


@dataclass
class Row:
    """One line of the table."""

    what: str
    spread: Spread
    aim: Aim | None = None


@dataclass
class Report:
    """Filled by a bench. `figures` and `ratios` are what the JSON line tells; `rows` may say more."""

    bench: str
    how: str
    """In one line: what was done, how often, with how many."""
    rows: list[Row] = field(default_factory=list)
    figures: dict[str, float] = field(default_factory=dict)
    ratios: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    profiles: Mapping[str, Samples] = field(default_factory=dict)
    """By process, if they were asked for."""

    def figure(self, name: str, spread: Spread, aim: Aim | None = None) -> None:
        self.figures[name] = spread.median
        self.rows.append(Row(name, spread, aim))

    def ratio(self, peer: str, spread: Spread, aim: Aim | None = None, words: str = "") -> None:
        """How many times better than *peer* ours is; *words* say it where a peer's name is not enough."""
        self.ratios[peer] = spread.median
        self.rows.append(Row(words or f"times better than {peer}", spread, aim))

    def besides(self, what: str, spread: Spread) -> None:
        """Something worth knowing that the JSON line does not tell."""
        self.rows.append(Row(what, spread))

    def show(self, console: Console) -> None:
        console.print(f"\n{self.bench}: {self.how}", highlight=False)
        console.print(self._table())
        for note in self.notes:
            console.print(f"  {note}", highlight=False)
        print(self.json(), flush=True)

    def json(self) -> str:
        rounded = {name: _rounded(value) for name, value in self.figures.items()}
        ratios = {name: _rounded(value) for name, value in self.ratios.items()}
        return msgspec.json.encode({"bench": self.bench, "figures": rounded, "ratios": ratios}).decode()

    def _table(self) -> Table:
        table = Table(box=None, pad_edge=False)
        table.add_column("")
        for heading in ("median", "least", "most", "aim"):
            table.add_column(heading, justify="right")
        for row in self.rows:
            table.add_row(row.what, *(_said(value) for value in row.spread), _aimed(row))
        return table


def _aimed(row: Row) -> str:
    if row.aim is None:
        return ""
    words, holds = row.aim
    return f"{words} {'yes' if holds(row.spread.median) else 'NO'}"


def _rounded(value: float) -> float:
    return float(f"{value:.4g}") if abs(value) < 1000 else round(value)


def _said(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
