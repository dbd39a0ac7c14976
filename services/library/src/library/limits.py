"""How often people may do what, counted over all replicas."""

from collections.abc import Sequence

from msgspec import Struct

from events.contracts.library import InstallAddon, StartImport
from events.messages import Command, Context
from events.quotas import Charge, Charging, Quota

HOUR = 3600


class Limits(Struct, frozen=True, kw_only=True):
    """Whatever is 0 is without a limit."""

    imports_per_hour: int = 20
    """That one person starts: each reads up to 64 MB."""
    addons_per_hour: int = 120
    """That one person installs: each may make the server fetch a manifest."""


def charging(limits: Limits) -> Charging:
    """Which of these a command uses."""
    quotas = {
        StartImport: Quota("imports", limits.imports_per_hour, HOUR),
        InstallAddon: Quota("addons", limits.addons_per_hour, HOUR),
    }

    def charges(command: Command, context: Context) -> Sequence[Charge]:
        quota = quotas.get(type(command))
        return (Charge(quota, context.actor),) if quota is not None else ()

    return charges
