"""What the environment says about this installation's libraries."""

from typing import Annotated

from msgspec import Meta, field

from events.contracts import library
from events.derived import derived
from events.service import master_key
from events.settings import ServiceSettings
from library.limits import Limits
from library.rules import Rules

Count = Annotated[int, Meta(ge=0)]
Share = Annotated[float, Meta(gt=0, le=1)]

LIMITS = Limits()
RULES = Rules()


class LibrarySettings(ServiceSettings, frozen=True, kw_only=True):
    """When something counts as watched, and how often people may do what; 0 stands for no limit."""

    completed_at: Share = field(name="MATINEE_COMPLETED_AT", default=RULES.completed_at)
    """Share of a film's length at which it counts as completed."""
    watched_at: Share = field(name="MATINEE_WATCHED_AT", default=RULES.watched_at)
    """Share of a film's length that has to be really played for answers to say `really_watched`."""
    imports_per_hour: Count = field(name="MATINEE_IMPORTS_PER_HOUR", default=LIMITS.imports_per_hour)
    """Imports that one person may start; 0 for no limit, here and below."""
    addons_per_hour: Count = field(name="MATINEE_ADDONS_PER_HOUR", default=LIMITS.addons_per_hour)
    """Addons that one person may install."""
    private_addons: bool = field(name="MATINEE_PRIVATE_ADDONS", default=RULES.private_addons)
    """Whether manifests of addons may be fetched from this machine and its network, too."""

    def limits(self) -> Limits:
        return Limits(imports_per_hour=self.imports_per_hour, addons_per_hour=self.addons_per_hour)

    def rules(self) -> Rules:
        """Raise `BadSettings` for a master key that is none."""
        pepper = derived(master_key(self.master_key), library.CONTEXT, "digests of the library")
        return Rules(
            completed_at=self.completed_at,
            watched_at=self.watched_at,
            pepper=pepper,
            private_addons=self.private_addons,
        )
