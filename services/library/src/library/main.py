"""The table of contents of the library service."""

from pathlib import Path

from events.contracts import library
from events.service import Service, run
from events.settings import load
from library import erasing, importing
from library.decider import PACTS, deciders
from library.fetching import fetching
from library.limits import Limits, charging
from library.projections import PROJECTIONS
from library.queries import queries
from library.rules import Rules
from library.settings import LibrarySettings


def service(rules: Rules, limits: Limits) -> Service:
    """As an installation has set it up."""
    return Service(
        name=library.CONTEXT,
        contracts=library,
        deciders=deciders(rules),
        pacts=PACTS,
        projections=PROJECTIONS,
        queries=queries(rules),
        schema=Path(__file__).with_name("schema.sql"),
        charges=charging(limits),
        erasing=erasing.ERASING,
        working=(erasing.work, importing.work),
        preparing=lambda place: fetching(rules.private_addons),
    )


SERVICE = service(Rules(), Limits())
"""For whoever reads its log and read models; its digests are made with no secret."""


def main() -> None:
    settings = load(LibrarySettings)
    run(service(settings.rules(), settings.limits()), settings)
