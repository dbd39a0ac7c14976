"""How a bench is asked to run."""

from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Options:
    """`quick` proves that a bench works and measures nothing; `profile` shows where processor time goes."""

    quick: bool = False
    profile: bool = False

    def size(self, full: T, quick: T) -> T:
        """How much of something, in earnest or for a try."""
        return quick if self.quick else full
