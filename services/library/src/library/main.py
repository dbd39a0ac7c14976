"""The table of contents of the library service."""

from pathlib import Path

from events.contracts import library
from events.service import Service, run
from library import queries
from library.decider import decider
from library.projections import PROJECTIONS

SERVICE = Service(
    name=library.CONTEXT,
    contracts=library,
    deciders={"title": decider},
    projections=PROJECTIONS,
    queries={
        library.ContinueWatching: queries.continue_watching,
        library.Titles: queries.titles,
        library.Title: queries.title,
    },
    schema=Path(__file__).with_name("schema.sql"),
)


def main() -> None:
    run(SERVICE)
