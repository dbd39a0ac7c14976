"""The table of contents of the comments service."""

from functools import partial
from pathlib import Path

from comments import losing, people
from comments.ambient import Ambient
from comments.decider import deciders
from comments.erasing import ERASING
from comments.limits import Limits, charging
from comments.projections import PASSING, PROJECTIONS
from comments.queries import queries
from comments.queries.following import grants
from comments.retention import Retention
from comments.rights import preparing
from comments.rules import Rules
from comments.settings import CommentsSettings
from events.contracts import comments
from events.service import Service, run
from events.settings import load


def service(rules: Rules, limits: Limits, retention: Retention) -> Service:
    """As an installation has set it up."""
    rule_books = deciders(rules)
    return Service(
        name=comments.CONTEXT,
        contracts=comments,
        deciders=rule_books,
        projections=PROJECTIONS,
        passing=PASSING,
        queries=queries(retention),
        grants=grants(retention),
        schema=Path(__file__).with_name("schema.sql"),
        observer=Ambient,
        charges=charging(limits),
        erasing=ERASING,
        working=(people.work, losing.work),
        preparing=partial(preparing, comments=rule_books["comment"]),
    )


SERVICE = service(Rules(), Limits(), Retention())
"""For whoever reads its log and read models."""


def main() -> None:
    settings = load(CommentsSettings)
    run(service(settings.rules(), settings.limits(), settings.retention()), settings)
