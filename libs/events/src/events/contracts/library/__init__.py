"""What can be asked of a person's library, and what can have happened in it."""

from events.contracts.library.commands import *  # noqa: F403  # one name for the whole contract, as for every context
from events.contracts.library.erasures import *  # noqa: F403
from events.contracts.library.events import *  # noqa: F403
from events.contracts.library.views import *  # noqa: F403
from events.contracts.library.words import *  # noqa: F403
