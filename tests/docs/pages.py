"""A Markdown page as the tests see it: its blocks, links and anchors, and the tables that are made from the code."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
GUIDES = (ROOT / "README.md", ROOT / "docs" / "app-developers.md", ROOT / "docs" / "operators.md")
PAGES = (*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md")))

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]+\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_TABLE = re.compile(r"(?<=<!-- table: )([\w-]+)( -->\n)(.*?)(?=<!-- end -->)", re.DOTALL)


class Block(NamedTuple):
    """A fenced block."""

    page: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(page: Path) -> list[Block]:
    text = page.read_text()
    return [Block(page, text.count("\n", 0, found.start()) + 1, found[1], found[2]) for found in _FENCE.finditer(text)]


def links(page: Path) -> Iterator[tuple[Path, str]]:
    """Each link to another place of the repository: the file and, if it names one, the anchor."""
    for target in _LINK.findall(_FENCE.sub("", page.read_text())):
        if "://" not in target:
            path, _, anchor = target.partition("#")
            yield (page.parent / path).resolve() if path else page, anchor


def anchors(page: Path) -> set[str]:
    """As GitHub makes them out of headings."""
    headings = _HEADING.findall(_FENCE.sub("", page.read_text()))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def prose(page: Path) -> str:
    return _FENCE.sub("", page.read_text())


def tables(page: Path) -> set[str]:
    """The names of a page's generated tables."""
    return {found[1] for found in _TABLE.finditer(page.read_text())}


def with_tables(page: Path, made: Mapping[str, str]) -> str:
    """The page with its generated tables replaced; a last cell that the code leaves empty stays as the page has it."""

    def again(found: "re.Match[str]") -> str:
        own = {_cells(line)[0]: _cells(line)[-1] for line in found[3].splitlines()}
        lines = [_with_own(line, own) for line in made[found[1]].splitlines()]
        return "\n".join([found[1] + found[2].rstrip(), *lines, ""])

    return _TABLE.sub(again, page.read_text())


def _with_own(line: str, own: Mapping[str, str]) -> str:
    first, *rest = _cells(line)
    if rest[-1] or not own.get(first):
        return line
    return f"| {' | '.join([first, *rest[:-1], own[first]])} |"


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
