"""The published language: every command, query and event, as data that any service or client may read."""

from types import ModuleType

from events.contracts import comments, library, party

CONTRACTS: tuple[ModuleType, ...] = (party, library, comments)
