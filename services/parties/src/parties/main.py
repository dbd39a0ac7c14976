"""The table of contents of the parties service."""

from functools import partial
from pathlib import Path

from events.contracts import party
from events.contracts.erased import ERASED
from events.contracts.party import PartyErased
from events.erasing import tombstones
from events.service import Service, run
from events.settings import load
from parties import queries
from parties.ambient import Ambient
from parties.decider import decider
from parties.erasing import ERASING
from parties.limits import Limits, charging
from parties.projections import PASSING, PROJECTIONS
from parties.queries.pages import Pages
from parties.rules import Rules
from parties.settings import PartiesSettings


def service(rules: Rules, limits: Limits) -> Service:
    """As an installation has set it up."""
    return Service(
        name=party.CONTEXT,
        contracts=party,
        deciders={"party": decider(rules), ERASED: tombstones(PartyErased)},
        projections=PROJECTIONS,
        queries=queries.QUERIES,
        grants={"party": partial(queries.grant, pages=Pages())},
        schema=Path(__file__).with_name("schema.sql"),
        observer=Ambient,
        passing=PASSING,
        charges=charging(limits),
        erasing=ERASING,
    )


SERVICE = service(Rules(), Limits())
"""For whoever reads its log and read models; its access keys are sealed with no secret."""


def main() -> None:
    settings = load(PartiesSettings)
    run(service(settings.rules(), settings.limits()), settings)
