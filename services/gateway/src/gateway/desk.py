"""What every door needs to do its work, put together once by `main`."""

from dataclasses import dataclass

from events.contracts.library import EraseMe, ShowErasure
from gateway.arrivals import Arrivals
from gateway.auth import Auth, Guests
from gateway.calls import Calls
from gateway.catalogue import Catalogue
from gateway.channels import Channels
from gateway.clock import Clock
from gateway.identity import Identity
from gateway.limits import Seats
from gateway.notices import Notices
from gateway.origins import Origins
from gateway.reports import Reports
from gateway.rights import Rights
from gateway.settings import Settings
from gateway.watches import Watches

FAREWELLS = frozenset({EraseMe.function, ShowErasure.function})
"""Who calls these with a token has not come back: nothing is told anew of somebody who looks whether they are gone."""


@dataclass(frozen=True)
class Desk:
    """Behind the doors. None of these knows which door a request came through."""

    settings: Settings
    catalogue: Catalogue
    clock: Clock
    auth: Auth
    guests: Guests
    calls: Calls
    notices: Notices
    channels: Channels
    rights: Rights
    reports: Reports
    watches: Watches
    arrivals: Arrivals
    origins: Origins
    seats: Seats
    """For sockets and event streams alike."""

    async def identify(self, token: str, function: str = "") -> Identity:
        """Who the token's bearer is. At its first use the library is told, later, what it says of them."""
        identity, claims = await self.auth.examine(token)
        if claims is not None and function not in FAREWELLS:
            self.arrivals.note(token, identity, claims)
        return identity
