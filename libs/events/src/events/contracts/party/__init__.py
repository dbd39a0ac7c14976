"""What can be asked of watch parties, and what can have happened to them."""

from events.contracts.party.commands import *  # noqa: F403  # one name for the whole contract, as for every context
from events.contracts.party.events import *  # noqa: F403
from events.contracts.party.views import *  # noqa: F403
from events.contracts.party.words import *  # noqa: F403
