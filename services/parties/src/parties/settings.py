"""What the environment says about this installation's parties."""

from typing import Annotated

from msgspec import Meta, field

from events.contracts import party
from events.derived import derived
from events.service import master_key
from events.settings import ServiceSettings
from parties.limits import Limits
from parties.rules import Rules

Count = Annotated[int, Meta(ge=0)]

LIMITS = Limits()
RULES = Rules()


class PartiesSettings(ServiceSettings, frozen=True, kw_only=True):
    """How often people may do what; 0 stands for no limit."""

    rooms_per_hour: Count = field(name="MATINEE_ROOMS_PER_HOUR", default=LIMITS.rooms_per_hour)
    """Parties that one person may open; 0 for no limit, here and below."""
    controls_per_second: Count = field(name="MATINEE_CONTROLS_PER_SECOND", default=RULES.controls_per_second)
    """Times that one person may change what one party plays."""
    management_per_hour: Count = field(name="MATINEE_MANAGEMENT_PER_HOUR", default=LIMITS.management_per_hour)
    """Kicks, bans, locks, roles, settings and keys of one person in all parties together."""
    key_tries: Count = field(name="MATINEE_KEY_TRIES", default=LIMITS.key_tries)
    """Wrong keys in ten minutes from one address; behind a reverse proxy this takes `MATINEE_TRUSTED_HOPS`."""
    key_tries_per_party: Count = field(name="MATINEE_KEY_TRIES_PER_PARTY", default=LIMITS.key_tries_per_party)
    """Wrong keys in ten minutes for one party, from wherever."""

    def limits(self) -> Limits:
        return Limits(
            rooms_per_hour=self.rooms_per_hour,
            management_per_hour=self.management_per_hour,
            key_tries=self.key_tries,
            key_tries_per_party=self.key_tries_per_party,
        )

    def rules(self) -> Rules:
        """Raise `BadSettings` for a master key that is none."""
        pepper = derived(master_key(self.master_key), party.CONTEXT, "access keys of parties")
        return Rules(controls_per_second=self.controls_per_second, pepper=pepper)
