"""The guides say what is so: their commands run, their output looks like that, their tables are the code's."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from bench.node import NODE
from tests.docs import tables
from tests.docs.pages import GUIDES, PAGES, ROOT, Block, anchors, blocks, links, prose, with_tables
from tests.docs.pages import tables as tables_of
from tests.docs.terminal import Terminal, missing
from tests.system import System
from tests.wait import eventually_now

from gateway import protocol
from gateway.errors import ERRORS
from gateway.http import WEB
from gateway.issuers import Issuer
from ops.embedded import Embedded, servers_over

RUN = ("sh", "console", "python")
OUTPUT_WITHIN = 10.0
HOME = "/home/you/matinee/.matinee"
BUILT = re.compile(r"^([a-z-]+%?):", re.MULTILINE)
NOT_RUN = ("make run", "make test")


def names(page: Path) -> str:
    return str(page.relative_to(ROOT))


def of(language: str) -> list[Block]:
    return [block for page in GUIDES for block in blocks(page) if block.language == language]


@pytest.fixture(scope="session")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Embedded]:
    """Servers that somebody else runs, with nothing of ours on them yet."""
    with servers_over(tmp_path_factory.mktemp("elsewhere")) as running:
        yield running


@pytest.fixture(scope="session")
def here(system: System, elsewhere: Embedded) -> dict[str, str]:
    """What the guides' addresses, folders and programs are on this machine."""
    return {
        "127.0.0.1:8080": f"127.0.0.1:{system.port}",
        "localhost:8080": f"127.0.0.1:{system.port}",
        HOME: str(system.folder),
        ".matinee/": f"{system.folder}/",
        ".venv/bin/matinee": f"{sys.executable} -m ops",
        ".venv/bin/python": sys.executable,
        ".venv/lib/": f"{sys.prefix}/lib/",
        "make demo": f"{sys.executable} -m ops demo",
        "nats://ops:secret@nats.example:4222": elsewhere.nats_url(),
        "postgresql://admin:secret@db.example:5432/matinee": elsewhere.admin_database_url,
    }


def translated(text: str, here: dict[str, str]) -> str:
    return re.sub("|".join(map(re.escape, here)), lambda found: here[found[0]], text)


@pytest.mark.parametrize("page", GUIDES, ids=names)
def test_every_command_of_a_guide_runs_and_says_what_the_guide_says(
    page: Path, system: System, here: dict[str, str], tmp_path: Path
) -> None:
    environment = os.environ | {"MATINEE_DATA": str(system.folder), "COLUMNS": "200"}
    if shutil.which("curl") is None:
        pytest.skip("there is no curl here, which the guides' commands use")
    with Terminal(tmp_path, environment) as terminal:
        for block, below in pairwise([*blocks(page), Block(page, 0, "", "")]):
            if block.language in RUN:
                for command, output in commands(block, below):
                    shown = output.replace(HOME, here[HOME])
                    run(terminal, block, translated(command, here), shown, system, tmp_path)


def commands(block: Block, below: Block) -> Iterator[tuple[str, str]]:
    """Each command of a block with the output that the page shows for it."""
    if block.language == "python":
        yield block.text, below.text if below.language == "text" else ""
    elif block.language == "sh":
        yield block.text, ""
    else:
        for said in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
            whole = re.match(r"(?:.*\\\n)*.*\n", said)
            assert whole is not None
            yield whole[0], said[whole.end() :]


def run(terminal: Terminal, block: Block, command: str, output: str, system: System, folder: Path) -> None:
    if command.startswith("make run"):
        eventually_now(lambda: all_there(output, system.output.read_text().splitlines(), block), OUTPUT_WITHIN)
        return
    if block.language == "python":
        named = re.match(r"# (\w+\.py)\n", command)
        script = folder / (named[1] if named else f"line_{block.line}.py")
        script.write_text(command)
        command = f"{sys.executable} {script}"
    begun = len(terminal.lines)
    status = terminal.run("\n".join(line for line in command.splitlines() if not line.startswith(NOT_RUN)) or "true")
    assert status == 0, f"{block}: {command}\n" + "\n".join(terminal.lines[begun:])

    eventually_now(lambda: all_there(output, terminal.lines[begun:], block), OUTPUT_WITHIN)


def all_there(output: str, said: list[str], block: Block) -> bool:
    lost = missing(output, said)
    assert not lost, f"{block} shows these, which nothing looks like: {lost}\nsaid:\n" + "\n".join(said)
    return True


@pytest.mark.parametrize("block", of("js"), ids=str)
def test_every_browser_snippet_runs_in_node(block: Block, here: dict[str, str], tmp_path: Path) -> None:
    script = tmp_path / "snippet.mjs"
    script.write_text(as_on_a_page(translated(block.text, here), here["127.0.0.1:8080"]))
    said = subprocess.run([NODE, str(script)], capture_output=True, text=True, timeout=30, check=False)
    assert said.returncode == 0, said.stderr


def as_on_a_page(script: str, gateway: str) -> str:
    """What a browser gives to a page that comes from a gateway: its address, and modules by their path."""
    with_modules = re.sub(r'(?<=from ")/([\w./]+)(?=")', lambda found: (WEB / found[1]).as_uri(), script)
    return f'globalThis.location = new URL("http://{gateway}/");\n{with_modules}'


@pytest.mark.parametrize("block", of("json"), ids=str)
def test_every_json_block_is_json_and_every_list_of_issuers_is_one(block: Block) -> None:
    shown = json.loads(block.text)
    if isinstance(shown, list) and "issuer" in shown[0]:
        msgspec.json.decode(block.text, type=tuple[Issuer, ...])


def test_no_block_is_left_unread() -> None:
    known = {*RUN, "js", "json", "text"}
    assert [str(block) for page in GUIDES for block in blocks(page) if block.language not in known] == []


@pytest.mark.parametrize("page", GUIDES, ids=names)
def test_tables_are_what_the_code_says(page: Path) -> None:
    assert with_tables(page, tables.made()) == page.read_text(), "write it anew: python -m tests.docs.tables"


def test_every_table_stands_in_a_guide_and_every_error_has_advice() -> None:
    assert {name for page in GUIDES for name in tables_of(page)} == set(tables.TABLES)
    guide = (ROOT / "docs" / "app-developers.md").read_text()
    unadvised = [code for code in ERRORS if not re.search(rf"^\| `{code}` \|.*\| [^|\s][^|]* \|$", guide, re.MULTILINE)]
    assert unadvised == [], "say in the last column what a client does"


@pytest.mark.parametrize("page", PAGES, ids=names)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target, anchor in links(page):
        assert target.exists(), f"{names(page)}: {target}"
        assert not anchor or anchor in anchors(target), f"{names(page)}: {names(target)}#{anchor}"


@pytest.mark.parametrize("page", PAGES, ids=names)
def test_every_make_target_that_is_named_exists(page: Path) -> None:
    targets = {target.replace("%", "") for target in BUILT.findall((ROOT / "Makefile").read_text())}
    code = re.findall(r"`([^`\n]+)`", prose(page)) + [
        line for block in blocks(page) for line in block.text.splitlines()
    ]
    for named in re.findall(r"(?:^|[\s$])make (?:[A-Z_]+=\S+ )*([a-z][\w-]*)", "\n".join(code), re.MULTILINE):
        assert named in targets or f"{named.split('-')[0]}-" in targets, f"{names(page)}: make {named}"


def test_the_guide_names_every_door() -> None:
    guide = (ROOT / "docs" / "app-developers.md").read_text()
    source = (ROOT / "services/gateway/src/gateway/http.py").read_text()
    routes = set(re.findall(r'web\.(?:get|post)\("([^"]+)"', source)) - {"/", "/docs.js", "/matinee.css"}
    assert [route for route in routes if route not in guide] == []
    assert protocol.SUBPROTOCOL in guide


def test_every_file_that_a_guide_names_exists() -> None:
    for page in GUIDES:
        for named in re.findall(r"`((?:libs|services|tests|docs|bench)/[\w./<>-]+)`", prose(page)):
            assert "<" in named or (ROOT / named).exists(), f"{names(page)}: {named}"
