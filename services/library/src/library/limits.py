"""How often people may do what, counted over all replicas."""

from collections.abc import Sequence

from msgspec import Struct

from events.contracts.library import InstallAddon, StartImport
from events.messages import Command, Context
from events.quotas import WHAT_IS_DONE, Charge, Charging, Quota
from library.manifest import is_given

HOUR = 3600
FETCHED = ("", "manifest-unreachable", "manifest-invalid", "manifest-too-large", "private-address")
"""Outcomes of installing an addon without its manifest after which somebody was asked for it, for nothing."""


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
    fetching = quotas[InstallAddon]._replace(counts=(*WHAT_IS_DONE, *FETCHED))

    def charges(command: Command, context: Context) -> Sequence[Charge]:
        quota = quotas.get(type(command))
        if isinstance(command, InstallAddon) and not is_given(command.manifest):
            quota = fetching
        return (Charge(quota, context.actor),) if quota is not None else ()

    return charges
