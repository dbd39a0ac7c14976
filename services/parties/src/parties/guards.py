"""The refusals that many rules share, in the order in which they are told."""

from events.contracts.party import ROLES, Action, Role
from events.messages import Context, Rejected
from parties.rules import Rules
from parties.state import CONTROL_WINDOW, Party


def must_exist(party: Party) -> None:
    if not party.opened_by:
        raise Rejected("no-such-party")


def must_be_open(party: Party) -> None:
    must_exist(party)
    if party.closed_by:
        raise Rejected("party-closed")


def must_be_member(party: Party, uid: str) -> None:
    must_be_open(party)
    if uid not in party.members:
        raise Rejected("not-a-member")


def must_be(role: Role, party: Party, uid: str, action: str) -> None:
    """The one refusal for whoever is less than it takes: it says what it takes."""
    must_be_member(party, uid)
    if party.rank(uid) < ROLES.index(role):
        raise Rejected("not-the-host", action=action, needs=role)


def may(action: Action, party: Party, uid: str) -> None:
    """As the party's permission table says."""
    must_be_member(party, uid)
    must_be(getattr(party.settings.permissions, action), party, uid, action)


def not_too_often(party: Party, context: Context, rules: Rules) -> None:
    """A person's controls of one party, in the second before now; called only once a control would change something."""
    if not rules.controls_per_second:
        return
    recent = [at for at in party.controls.get(context.actor, ()) if context.now - at < CONTROL_WINDOW]
    if len(recent) >= rules.controls_per_second:
        wait = recent[-rules.controls_per_second] + CONTROL_WINDOW - context.now
        raise Rejected("rate-limited", retry_after=round(wait.total_seconds(), 3))
