"""The table of contents of the parties service."""

from pathlib import Path

from events.contracts import party
from events.service import Service, run
from parties import queries
from parties.decider import decider
from parties.projections import PROJECTIONS

SERVICE = Service(
    name=party.CONTEXT,
    contracts=party,
    deciders={"party": decider},
    projections=PROJECTIONS,
    queries={party.State: queries.state, party.Members: queries.members},
    grants={"party": queries.grant},
    schema=Path(__file__).with_name("schema.sql"),
)


def main() -> None:
    run(SERVICE)
